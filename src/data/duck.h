/* SPDX-License-Identifier: Apache-2.0
 *
 * DuckDB in one process: SQL over Parquet, CSV and JSON files, loaded with dlopen.
 *
 * Only step processes and the CLI's local predictions open it; the server never maps it. The
 * database is in memory, spills to a folder of ours, speaks no network, loads no extension from
 * outside, and counts time in UTC. duck_lock then shuts it in: from there on it reaches the named
 * files and folders only, and no SQL can undo that.
 *
 * Results are streamed: one chunk of at most 2,048 rows is in memory at a time, whatever the size
 * of the result. Rows can be walked one by one with typed getters, rendered as JSON, or taken a
 * column vector at a time for bulk work (training).
 *
 * One struct duck belongs to one thread; DuckDB uses its own threads underneath.
 */
#ifndef TENON_DATA_DUCK_H
#define TENON_DATA_DUCK_H

#include "base/buf.h"
#include "base/err.h"
#include "codec/json.h"

struct duck;
struct duck_rows;

struct duck_config {
    const char *temp_dir; /* for spilling; created when needed. NULL: never spill */
    int64_t memory_mb;    /* 0 = 60 % of the machine's memory, at most 4 GB */
    unsigned threads;     /* 0 = number of cores */
};

int duck_open(const struct duck_config *config, struct duck **ret, struct err *err);
void duck_close(struct duck *d);
void duck_closep(struct duck **d); /* for CLEANUP */
const char *duck_version(const struct duck *d);

/* From now on: these files for reading and writing, everything below these folders, nothing else;
 * no network, no settings. Each list ends with NULL and may be NULL. Paths as SQL will spell them.
 */
int duck_lock(struct duck *d, const char *const *files, const char *const *dirs, struct err *err);

/* A user's text that later statements carry inside: errors that point into it start with
 * "line:column: " counted in it. Borrowed until the next call; an empty slice ends it. */
void duck_focus(struct duck *d, str sql);

/* SQL errors are E_INVALID with DuckDB's first line as message and its advice as hint; E_FORBIDDEN
 * for what duck_lock forbids, E_TOOBIG out of memory, E_IO. fmt may hold several statements for
 * duck_exec, exactly one for the others. */
int duck_exec(struct duck *d, struct err *err, const char *fmt, ...) PRINTF(3, 4);
int duck_query(struct duck *d, struct duck_rows **ret, struct err *err, const char *fmt, ...)
    PRINTF(4, 5);
/* A user's text: refused unless it is exactly one SELECT (WITH, VALUES, FROM … included) that binds
 * to the tables there are. Errors point into it. */
int duck_check_select(struct duck *d, str sql, struct err *err);
/* The first column of the only row; E_INTERNAL if there is none. */
int duck_one_i64(struct duck *d, int64_t *ret, struct err *err, const char *fmt, ...) PRINTF(4, 5);

size_t duck_columns(const struct duck_rows *r);
const char *duck_column_name(const struct duck_rows *r, size_t column);

/* What a column vector holds. Types DuckDB has beyond these are DUCK_OTHER and read as null: cast
 * them in SQL (data/schema.h does, for every table of ours). */
enum duck_kind {
    DUCK_OTHER,
    DUCK_BOOL, /* uint8_t */
    DUCK_I8,
    DUCK_I16,
    DUCK_I32,
    DUCK_I64,
    DUCK_U8,
    DUCK_U16,
    DUCK_U32,
    DUCK_U64,
    DUCK_F32,
    DUCK_F64,
    DUCK_TEXT,    /* duck_cell_text */
    DUCK_DATE,    /* int32_t, days since 1970 */
    DUCK_TIME_US, /* int64_t, microseconds since 1970 UTC */
    DUCK_DECIMAL, /* duck_cell_f64, scaled */
};
enum duck_kind duck_column_kind(const struct duck_rows *r, size_t column);

/* Bulk: 1 = a chunk with *ret_n rows is current, 0 = the end, negative = failed (code in err).
 * Row indices of the functions below count inside the chunk. */
int duck_next_chunk(struct duck_rows *r, size_t *ret_n, struct err *err);
const void *duck_vector(struct duck_rows *r, size_t column); /* elements as listed above */
bool duck_cell_null(struct duck_rows *r, size_t column, size_t row);
str duck_cell_text(struct duck_rows *r, size_t column, size_t row); /* lives as long as the chunk */
double duck_cell_f64(struct duck_rows *r, size_t column, size_t row);  /* any number; bool 0/1 */
int64_t duck_cell_i64(struct duck_rows *r, size_t column, size_t row); /* any number, truncated */
/* A JSON value: dates and timestamps as ISO 8601 text, NaN and infinities as null. */
json_t *duck_cell_json(struct duck_rows *r, size_t column, size_t row);

/* One row as an object of all columns. */
json_t *duck_row_json(struct duck_rows *r, size_t row);
/* All (at most max) rows as an array of objects. */
int duck_rows_json(struct duck_rows *r, size_t max, json_t **ret, struct err *err);

void duck_rows_free(struct duck_rows *r);
void duck_rows_freep(struct duck_rows **r); /* for CLEANUP */

/* Quoted for SQL and appended: 'it''s' and "a ""name""". */
void duck_quote_text(struct buf *b, str s);
void duck_quote_name(struct buf *b, str s);

#endif
