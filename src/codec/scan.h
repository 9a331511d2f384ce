/* SPDX-License-Identifier: Apache-2.0
 *
 * A pull scanner for JSON: no tree, no allocation, the caller asks for what it expects.
 *
 * Tensors arrive as JSON of which almost every byte is a number or a short string that belongs in
 * some column. A tree would touch each three times; here the caller walks the text once and puts
 * each value where it must be:
 *
 *     rc = scan_object(&s, err);
 *     while (!rc && scan_member(&s, &key, &rc, err))
 *         rc = str_is(key, "id") ? scan_string(&s, &id, err) : scan_skip(&s, err);
 *
 * Strict RFC 8259: UTF-8 checked, at most SCAN_DEPTH_MAX levels, no NaN, no comments, no commas at
 * ends. Duplicate members are the caller's to judge. Errors are E_INVALID and name the byte,
 * counted from 0. Strings are slices of the text; those with escapes are decoded into the arena, so
 * results live as long as both. Pure; one owner; any thread.
 */
#ifndef TENON_CODEC_SCAN_H
#define TENON_CODEC_SCAN_H

#include "base/arena.h"
#include "base/err.h"
#include "base/str.h"

enum { SCAN_DEPTH_MAX = 100 };

struct scan {
    const char *begin, *p, *end;
    struct arena *arena;
    unsigned depth;
    bool first; /* no member or element read yet of the container entered last */
};

enum scan_kind {
    SCAN_BAD,
    SCAN_OBJECT,
    SCAN_ARRAY,
    SCAN_STRING,
    SCAN_NUMBER,
    SCAN_TRUE,
    SCAN_FALSE,
    SCAN_NULL
};

struct scan_number {
    double value;       /* nearest double; ±HUGE_VAL past its range */
    uint64_t magnitude; /* of a whole number: its absolute value */
    bool whole;         /* written without fraction and exponent, and the magnitude fits */
    bool negative;
};

void scan_init(struct scan *s, str text, struct arena *arena);
enum scan_kind scan_peek(struct scan *s);        /* what begins here, judged by its first byte */
const char *scan_kind_name(enum scan_kind kind); /* "an object", "a number", "nothing", … */
size_t scan_at(const struct scan *s);            /* the byte where it stands */

/* A whole value of the kind asked for. Another kind is E_INVALID: "expected a string, got null". */
int scan_string(struct scan *s, str *ret, struct err *err);
int scan_number(struct scan *s, struct scan_number *ret, struct err *err);
int scan_bool(struct scan *s, bool *ret, struct err *err);
int scan_null(struct scan *s, struct err *err);
int scan_skip(struct scan *s, struct err *err); /* any value, checked and dropped */

/* Enters a container; then scan_member or scan_element until it is false: at its end, or with *rc
 * set. The value behind each key, and each element, must be read before the next call. */
int scan_object(struct scan *s, struct err *err);
bool scan_member(struct scan *s, str *key, int *rc, struct err *err);
int scan_array(struct scan *s, struct err *err);
bool scan_element(struct scan *s, int *rc, struct err *err);

int scan_end(struct scan *s, struct err *err); /* only white space is left */
/* E_INVALID: "at byte N: " and the message. */
int scan_fail(const struct scan *s, struct err *err, const char *fmt, ...) PRINTF(3, 4);

#endif
