/* SPDX-License-Identifier: Apache-2.0
 *
 * Private to data/csv*.c.
 */
#ifndef TENON_DATA_CSV_INT_H
#define TENON_DATA_CSV_INT_H

#include "data/csv.h"

/* What a value is; a value may be several (1 is whole and a number). */
enum {
    CSV_WHOLE = 1, /* fits int64, no leading zeros */
    CSV_NUMBER = 2,
    CSV_BOOLEAN = 4, /* true or false */
    CSV_DATE = 8,
    CSV_TIME = 16,  /* a date or a date and time */
    CSV_ZEROS = 32, /* digits with a leading zero */
};
unsigned csv_classify(str value);

struct csv_field {
    str text; /* between the quotes, doubled quotes not undone */
};

struct csv_row {
    size_t start, end; /* in the text, newline left out */
    uint64_t line;     /* where it starts, from 1 */
    VEC(struct csv_field) fields;
    const char *fault; /* what breaks the row's shape, or NULL */
    uint64_t fault_line;
};

struct csv_column {
    char *name;
    const char *type; /* NULL = not known yet */
    unsigned wants;   /* a value must be one of these; 0 = anything */
    int64_t limit;    /* of whole numbers narrower than 64 bits and of those; 0 = none */
};

struct csv_cursor {
    size_t at;
    uint64_t line;
    bool lf, crlf, blank; /* kinds of line ends seen; blank lines skipped */
};

struct csv {
    const char *file;
    str text;
    char delimiter;
    struct csv_cursor body; /* where the first row starts */
    VEC(struct csv_column) columns;
    VEC(char *) nulls;
};

/* The next row that is not blank; false at the end of the text. */
bool csv_next(const struct csv *c, struct csv_cursor *cursor, struct csv_row *row);
bool csv_is_null(const struct csv *c, str value);

#endif
