/* SPDX-License-Identifier: Apache-2.0
 *
 * JSON documents: jansson with our bounds and our errors.
 *
 * For documents (requests of the control plane, stored JSON). Tensors do not come through here;
 * they are read by the scanner of codec/scan.h. Duplicate keys are refused, depth is bounded by
 * jansson's parser limit (2048) and by ours (100), and an error names line and column. Pure; any
 * thread. References follow jansson: json_parse returns a new reference, getters borrow.
 */
#ifndef TENON_CODEC_JSON_H
#define TENON_CODEC_JSON_H

#include "base/buf.h"
#include "base/err.h"

#include <jansson.h>

int json_parse(str text, json_t **ret, struct err *err); /* any JSON value; E_INVALID */
void json_freep(json_t **j);                             /* for CLEANUP */

/* Compact text appended to b; keys keep insertion order; doubles round-trip (17 digits). */
void json_write(const json_t *j, struct buf *b);
char *json_text(const json_t *j); /* the same as a malloc'ed C string */

/* Members of an object, checked. `required` false leaves ret untouched when absent or null. The
 * error names the member ("'name' must be a string, got a number"). Results borrow from obj. */
int json_need_object(const json_t *j, const char *what, struct err *err);
int json_get_str(const json_t *obj, const char *key, bool required, str *ret, struct err *err);
int json_get_i64(const json_t *obj, const char *key, bool required, int64_t *ret, struct err *err);
int json_get_f64(const json_t *obj, const char *key, bool required, double *ret, struct err *err);
int json_get_bool(const json_t *obj, const char *key, bool required, bool *ret, struct err *err);
/* Refuses members that are not in `known` (NULL-terminated), with "did you mean". */
int json_only(const json_t *obj, const char *const *known, struct err *err);
const char *json_kind(const json_t *j); /* "an object", "a string", … for messages */

/* Unchecked short forms for JSON we wrote ourselves: "" / 0 when absent. */
const char *json_s(const json_t *obj, const char *key);
int64_t json_i(const json_t *obj, const char *key);

json_t *json_strn(str s); /* new reference; invalid UTF-8 becomes U+FFFD */

/* A string literal with quotes and escapes, appended to b; for hand-written fast answers. Bytes that
 * are not UTF-8 become U+FFFD. */
void json_quote(struct buf *b, str s);

#endif
