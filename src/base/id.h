/* SPDX-License-Identifier: Apache-2.0
 *
 * Ids: 128 bits whose first 48 are the Unix time in milliseconds (RFC 9562, UUID version 7),
 * written as 32 lower-case hex digits. Sorting by id is sorting by time; MLflow's clients accept
 * the form as a run id. Time and randomness come from the caller (sys), so tests can fix both.
 */
#ifndef TENON_BASE_ID_H
#define TENON_BASE_ID_H

#include "base/str.h"

typedef struct id {
    char s[33]; /* NUL-terminated; empty string = no id */
} id;

id id_make(uint64_t unix_ms, const uint8_t random[10]);
bool id_parse(str text, id *ret); /* exactly 32 lower-case hex digits */

static inline str id_str(const id *i)
{
    return str_from(i->s);
}

#endif
