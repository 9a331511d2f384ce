/* SPDX-License-Identifier: Apache-2.0
 *
 * CSV, strictly: every row is looked at before DuckDB reads any.
 *
 * DuckDB's reader guesses and forgives: "1.5" becomes 2 in a whole-number column, "007" becomes 7,
 * a second column 'A' becomes 'A_1'. People find such things months later. So this reader walks the
 * whole text first (RFC 4180, UTF-8), tells types from all values, and names line, column and value
 * of whatever does not fit. DuckDB is then given explicit types and a text known to be sound.
 *
 * A column's type is the narrowest that all its values have: long, double, boolean, date,
 * timestamp, else string. Leading zeros make text (post codes). If nearly all values are numbers
 * the few others are errors, not the end of the numbers. Empty fields are nulls; csv_null adds
 * words that mean the same.
 *
 * Pure: the text is mapped or read by the caller and outlives the struct. One thread.
 */
#ifndef TENON_DATA_CSV_H
#define TENON_DATA_CSV_H

#include "base/err.h"
#include "base/str.h"
#include "base/vec.h"

struct csv;

enum { CSV_COLUMNS_MAX = 10000, CSV_ROW_MAX = 2000000, CSV_SHOWN = 5 };

/* Reads the header. `file` is for messages and borrowed. E_INVALID for what is no UTF-8 text with a
 * header: empty, UTF-16, binary; nameless or (but for case) equal columns. */
int csv_open(const char *file, str text, struct csv **ret, struct err *err);
void csv_free(struct csv *c);
void csv_freep(struct csv **c);

char csv_delimiter(const struct csv *c); /* of , ; tab | the most frequent in the header */
size_t csv_columns(const struct csv *c);
const char *csv_name(const struct csv *c, size_t column);

void csv_null(struct csv *c, str word);
/* Delta's name of a type, as schema_type gives it; borrowed. */
void csv_set_type(struct csv *c, size_t column, const char *type);
/* Tells the types of all columns that have none. */
int csv_infer(struct csv *c, struct err *err);
const char *csv_type(const struct csv *c, size_t column); /* "string" before it is known */

struct csv_report {
    uint64_t rows, bad;
    bool plain; /* DuckDB can read the text as it is: no bad rows, one kind of newline */
    char *shown[CSV_SHOWN]; /* what is wrong with the first bad rows: "file:line: …" */
    char *hint;             /* for the first */
};

/* Looks at every row. With keep, good rows go to it, header first, newlines made equal. */
int csv_check(const struct csv *c, int keep_fd, struct csv_report *ret, struct err *err);
void csv_report_free(struct csv_report *r);

#endif
