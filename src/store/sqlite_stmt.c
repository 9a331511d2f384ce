/* SPDX-License-Identifier: Apache-2.0
 *
 * Prepared statements of one SQLite connection: a cache by text, binding, and cursors.
 *
 * SQLite numbers named parameters by first appearance, PostgreSQL by their name; `at` maps our $n
 * to SQLite's number, so one text serves both. A statement that is being stepped cannot be shared:
 * the same query nested in itself gets a second, uncached one. Runs on the thread that holds the
 * connection.
 */
#include "store/sqlite_int.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#define PREPARED_MAX 256

struct prepared {
    sqlite3_stmt *st;
    int params;
    unsigned char at[VALUES_MAX]; /* SQLite's number of $1, $2, … */
    bool busy, cached;
};

struct sqlite_rows {
    struct rows base;
    struct sqlite_conn *conn;
    struct prepared *p;
    bool ended;
};

static void prepared_free(void *p)
{
    struct prepared *it = p;
    if (!it)
        return;
    sqlite3_finalize(it->st);
    free(it);
}

void sqlite_forget(struct sqlite_conn *c)
{
    map_free(c->prepared, prepared_free);
    c->prepared = NULL;
}

/* Statements come from a fixed set of literals, so this many mean that text was put together from
 * values. Then the cache starts anew rather than growing; what is in use stays. */
static void trim(struct sqlite_conn *c)
{
    if (map_count(c->prepared) < PREPARED_MAX)
        return;
    struct map *kept = map_new();
    size_t cursor = 0;
    str sql;
    void *value;
    while (map_next(c->prepared, &cursor, &sql, &value)) {
        if (((struct prepared *)value)->busy)
            map_put(kept, sql, value);
        else
            prepared_free(value);
    }
    map_free(c->prepared, NULL);
    c->prepared = kept;
}

static int number_params(struct prepared *p, const char *sql, struct err *err)
{
    p->params = sqlite3_bind_parameter_count(p->st);
    if (p->params > VALUES_MAX)
        return err_set(err, E_INTERNAL, "more than %d parameters: %s", VALUES_MAX, sql);
    for (int n = 1; n <= p->params; n++) {
        char name[16];
        snprintf(name, sizeof(name), "$%d", n);
        int at = sqlite3_bind_parameter_index(p->st, name);
        if (!at)
            return err_set(err, E_INTERNAL, "parameters are not $1 to $%d: %s", p->params, sql);
        p->at[n - 1] = (unsigned char)at;
    }
    return 0;
}

static int prepare(struct sqlite_conn *c, const char *sql, struct prepared **ret, struct err *err)
{
    sqlite3_stmt *st = NULL;
    const char *tail = NULL;
    int rc = sqlite3_prepare_v3(c->db, sql, -1, SQLITE_PREPARE_PERSISTENT, &st, &tail);
    if (rc)
        return sqlite_fail(c, rc, err);
    struct prepared *p = xcalloc(1, sizeof(*p));
    p->st = st;
    rc = number_params(p, sql, err);
    if (!rc && (!st || tail[strspn(tail, " \n\t;")]))
        rc = err_set(err, E_INTERNAL, "not one statement: %s", sql);
    if (rc) {
        prepared_free(p);
        return rc;
    }
    *ret = p;
    return 0;
}

static int take(struct sqlite_conn *c, const char *sql, struct prepared **ret, struct err *err)
{
    struct prepared *p = map_get(c->prepared, str_from(sql));
    bool shared = p && p->busy;
    if (!p || shared) {
        int rc = prepare(c, sql, &p, err);
        if (rc)
            return rc;
    }
    if (!shared && !p->cached) {
        trim(c);
        map_put(c->prepared, str_from(sql), p);
        p->cached = true;
    }
    p->busy = true;
    *ret = p;
    return 0;
}

static void give(struct prepared *p)
{
    sqlite3_reset(p->st); /* repeats the error of the last step, already reported */
    sqlite3_clear_bindings(p->st);
    p->busy = false;
    if (!p->cached)
        prepared_free(p);
}

static int bind(struct sqlite_conn *c, struct prepared *p, const struct value *v, size_t n,
                bool copy, struct err *err)
{
    if ((int)n != p->params)
        return err_set(err, E_INTERNAL, "%zu values for %d parameters: %s", n, p->params,
                       sqlite3_sql(p->st));
    for (size_t i = 0; i < n; i++) {
        int rc = SQLITE_OK, at = p->at[i];
        if (v[i].type == 'i')
            rc = sqlite3_bind_int64(p->st, at, v[i].i);
        else if (v[i].type == 'd')
            rc = sqlite3_bind_double(p->st, at, v[i].d);
        else if (v[i].type == 's')
            rc = sqlite3_bind_text64(p->st, at, v[i].s.p ? v[i].s.p : "", v[i].s.n,
                                     copy ? SQLITE_TRANSIENT : SQLITE_STATIC, SQLITE_UTF8);
        if (rc)
            return sqlite_fail(c, rc, err);
    }
    return 0;
}

int sqlite_exec(struct conn *base, const char *sql, const struct value *v, size_t n,
                int64_t *ret_changes, struct err *err)
{
    struct sqlite_conn *c = (struct sqlite_conn *)base;
    struct prepared *p;
    int rc = take(c, sql, &p, err);
    if (rc)
        return rc;
    rc = bind(c, p, v, n, false, err);
    if (!rc) {
        int step;
        errno = 0; /* sqlite_fail reads it */
        while ((step = sqlite3_step(p->st)) == SQLITE_ROW)
            ; /* RETURNING: the rows are not wanted */
        rc = step == SQLITE_DONE ? 0 : sqlite_fail(c, step, err);
    }
    if (!rc && ret_changes)
        *ret_changes = sqlite3_changes64(c->db);
    give(p);
    return rc;
}

int sqlite_query(struct conn *base, const char *sql, const struct value *v, size_t n,
                 struct rows **ret, struct err *err)
{
    struct sqlite_conn *c = (struct sqlite_conn *)base;
    struct prepared *p;
    int rc = take(c, sql, &p, err);
    if (rc)
        return rc;
    rc = bind(c, p, v, n, true, err);
    if (rc) {
        give(p);
        return rc;
    }
    struct sqlite_rows *r = xcalloc(1, sizeof(*r));
    r->conn = c;
    r->p = p;
    *ret = &r->base;
    return 0;
}

int sqlite_next(struct rows *base, struct err *err)
{
    struct sqlite_rows *r = (struct sqlite_rows *)base;
    if (r->ended)
        return 0;
    errno = 0;
    int step = sqlite3_step(r->p->st);
    if (step == SQLITE_ROW)
        return 1;
    r->ended = true;
    return step == SQLITE_DONE ? 0 : -sqlite_fail(r->conn, step, err);
}

static sqlite3_stmt *statement(struct rows *r)
{
    return ((struct sqlite_rows *)r)->p->st;
}

int64_t sqlite_i64(struct rows *r, int column)
{
    return sqlite3_column_int64(statement(r), column);
}

double sqlite_f64(struct rows *r, int column)
{
    return sqlite3_column_double(statement(r), column);
}

str sqlite_text(struct rows *r, int column)
{
    const char *p = (const char *)sqlite3_column_text(statement(r), column);
    return str_n(p, p ? (size_t)sqlite3_column_bytes(statement(r), column) : 0);
}

bool sqlite_null(struct rows *r, int column)
{
    return sqlite3_column_type(statement(r), column) == SQLITE_NULL;
}

void sqlite_done(struct rows *r)
{
    give(((struct sqlite_rows *)r)->p);
    free(r);
}
