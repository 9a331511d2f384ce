/* SPDX-License-Identifier: Apache-2.0
 *
 * A string is a slice: pointer and length, not NUL-terminated, never owned.
 *
 * Who made the bytes owns them (a buffer, an arena, a literal); a str must not outlive them.
 * All functions are pure and may be called from any thread. Case folding is ASCII only.
 */
#ifndef TENON_BASE_STR_H
#define TENON_BASE_STR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct str {
    const char *p;
    size_t n;
} str;

#define S(literal) ((str){"" literal, sizeof(literal) - 1})
#define STR(s) (int)(s).n, (s).p /* for "%.*s" */

str str_from(const char *cstr); /* NULL gives the empty slice */
str str_n(const char *p, size_t n);
bool str_eq(str a, str b);
bool str_ieq(str a, str b);
bool str_is(str a, const char *cstr);
int str_cmp(str a, str b);
bool str_starts(str s, str prefix);
bool str_ends(str s, str suffix);
str str_trim(str s);           /* spaces, tabs, CR, LF at both ends */
str str_skip(str s, size_t n); /* without the first n bytes (n is clamped) */
bool str_find(str s, char c, size_t *at);
/* Splits at the first c: head before it, tail after it. Without c: head = s, tail empty, false. */
bool str_cut(str s, char c, str *head, str *tail);
uint64_t str_hash(str s); /* for tables in memory; not for anything an attacker can store */

/* The whole slice must be one number; false leaves ret untouched. Decimal, no spaces. */
bool str_i64(str s, int64_t *ret);
bool str_u64(str s, uint64_t *ret);
bool str_f64(str s, double *ret); /* finite decimal or exponent form; locale-independent */

/* A name of ours: [A-Za-z0-9][A-Za-z0-9._-]{0,127}, no "..". What projects, datasets, models,
 * endpoints, pipelines and steps are called; safe as one path component and one URL segment. */
bool str_is_name(str s);
bool str_is_utf8(str s); /* RFC 3629: no overlong forms, no surrogates */

/* Number of single-character edits between a and b, at most 64 bytes of each compared. */
unsigned str_distance(str a, str b);
/* The candidate nearest to what was typed, or NULL if none is near enough to suggest. */
const char *str_nearest(str typed, const char *const *candidates, size_t n);

#endif
