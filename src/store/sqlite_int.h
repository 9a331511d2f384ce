/* SPDX-License-Identifier: Apache-2.0
 *
 * What the two files of the SQLite backend share: sqlite.c (connections, transactions, errors) and
 * sqlite_stmt.c (prepared statements and cursors). */
#ifndef TENON_STORE_SQLITE_INT_H
#define TENON_STORE_SQLITE_INT_H

#include "base/map.h"
#include "store/store_int.h"

#include <sqlite3.h>

struct sqlite_conn {
    struct conn base;
    sqlite3 *db;
    struct health *health;
    struct map *prepared; /* SQL text to struct prepared */
    int wal_frames;       /* after the last commit */
    int checkpoint_at;    /* frames at which the next checkpoint is due */
};

/* Turns a result code into ours; damage also marks the store's health. */
int sqlite_fail(struct sqlite_conn *c, int rc, struct err *err);

int sqlite_exec(struct conn *c, const char *sql, const struct value *v, size_t n,
                int64_t *ret_changes, struct err *err);
int sqlite_query(struct conn *c, const char *sql, const struct value *v, size_t n,
                 struct rows **ret, struct err *err);
int sqlite_next(struct rows *r, struct err *err);
int64_t sqlite_i64(struct rows *r, int column);
double sqlite_f64(struct rows *r, int column);
str sqlite_text(struct rows *r, int column);
bool sqlite_null(struct rows *r, int column);
void sqlite_done(struct rows *r);
void sqlite_forget(struct sqlite_conn *c); /* finalizes every prepared statement */

#endif
