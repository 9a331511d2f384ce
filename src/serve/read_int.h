/* SPDX-License-Identifier: Apache-2.0
 *
 * What the two request readers share: cells, tensors, and room for rows.
 */
#ifndef TENON_SERVE_READ_INT_H
#define TENON_SERVE_READ_INT_H

#include "codec/scan.h"
#include "serve/contract.h"

/* Index of a column; `guess` is tried first, because requests repeat the model's order. E_INVALID
 * with "did you mean". */
int find_column(const struct contract *c, str name, size_t guess, size_t *ret, struct err *err);

/* The value that stands next, as element `at` of data. Errors name the byte and both types. */
int read_cell(struct scan *s, const struct column *col, void *data, size_t at, struct err *err);
/* What a missing value of an optional column is. */
void put_missing(const struct column *col, void *data, size_t at, size_t n);
bool can_miss(const struct column *col); /* optional, and of a type that has a missing value */

/* Nested or flat arrays of `count` elements in all, as data[at…]; dims are the lengths that nesting
 * must have. Errors say where: "data[2] has 3 elements, the shape says 4". */
int read_tensor(struct scan *s, const struct column *col, const int64_t *dims, unsigned rank,
                size_t count, void *data, size_t at, struct err *err);

/* Sets shape and count of every input of a row model to n rows. */
void set_rows(const struct contract *c, struct batch *b, int64_t n);
/* Room for n rows in every column. */
int room_for(const struct contract *c, struct batch *b, size_t n, struct err *err);

#endif
