/* SPDX-License-Identifier: Apache-2.0
 *
 * Statements inside a closure: variadic arguments become typed values, values go to the backend.
 *
 * A transaction keeps the list of its open cursors, so that one which a closure forgot cannot hold
 * the snapshot (and with it the checkpoint) after the closure has returned. Runs on the thread of
 * the closure.
 */
#include "store/store_int.h"

#include <string.h>

static int collect(const char *types, va_list ap, struct value v[VALUES_MAX], size_t *ret_n,
                   struct err *err)
{
    size_t n = 0;
    for (const char *t = types ? types : ""; *t; t++, n++) {
        if (n == VALUES_MAX)
            return err_set(err, E_INTERNAL, "a statement takes at most %d values", VALUES_MAX);
        v[n] = (struct value){.type = *t};
        switch (*t) {
        case 'i':
            v[n].i = va_arg(ap, int64_t);
            break;
        case 'd':
            v[n].d = va_arg(ap, double);
            break;
        case 's': {
            const char *s = va_arg(ap, const char *);
            v[n].type = s ? 's' : 'n';
            v[n].s = str_from(s);
            break;
        }
        case 'v':
            v[n].type = 's';
            v[n].s = va_arg(ap, str);
            break;
        case 'n':
            break;
        default:
            return err_set(err, E_INTERNAL, "unknown value type '%c' for a statement", *t);
        }
    }
    *ret_n = n;
    return 0;
}

int tx_exec(struct tx *tx, struct err *err, const char *sql, const char *types, ...)
{
    if (!tx->writable)
        return err_set(err, E_INTERNAL, "a write inside store_read");
    struct value v[VALUES_MAX];
    size_t n;
    va_list ap;
    va_start(ap, types);
    int rc = collect(types, ap, v, &n, err);
    va_end(ap);
    return rc ? rc : tx->conn->ops->exec(tx->conn, sql, v, n, &tx->changes, err);
}

int64_t tx_changes(struct tx *tx)
{
    return tx->changes;
}

static int query(struct tx *tx, const char *sql, const char *types, va_list ap, struct rows **ret,
                 struct err *err)
{
    struct value v[VALUES_MAX];
    size_t n;
    struct rows *r;
    int rc = collect(types, ap, v, &n, err);
    if (!rc)
        rc = tx->conn->ops->query(tx->conn, sql, v, n, &r, err);
    if (rc)
        return rc;
    r->ops = tx->conn->ops;
    r->tx = tx;
    r->prev = NULL;
    r->next = tx->open;
    if (tx->open)
        tx->open->prev = r;
    tx->open = r;
    *ret = r;
    return 0;
}

int tx_query(struct tx *tx, struct rows **ret, struct err *err, const char *sql, const char *types,
             ...)
{
    va_list ap;
    va_start(ap, types);
    int rc = query(tx, sql, types, ap, ret, err);
    va_end(ap);
    return rc;
}

int tx_one(struct tx *tx, struct rows **ret, struct err *err, const char *sql, const char *types,
           ...)
{
    CLEANUP(rows_freep) struct rows *r = NULL;
    va_list ap;
    va_start(ap, types);
    int rc = query(tx, sql, types, ap, &r, err);
    va_end(ap);
    if (rc)
        return rc;
    rc = rows_next(r, err);
    if (rc < 0)
        return -rc;
    if (rc == 0)
        return err_set(err, E_NOTFOUND, "no such row");
    *ret = r;
    r = NULL;
    return 0;
}

int rows_next(struct rows *r, struct err *err)
{
    return r->ops->next(r, err);
}

int64_t rows_i64(struct rows *r, int column)
{
    return r->ops->i64(r, column);
}

double rows_f64(struct rows *r, int column)
{
    return r->ops->f64(r, column);
}

str rows_str(struct rows *r, int column)
{
    return r->ops->text(r, column);
}

bool rows_null(struct rows *r, int column)
{
    return r->ops->null(r, column);
}

void rows_free(struct rows *r)
{
    if (!r)
        return;
    if (r->prev)
        r->prev->next = r->next;
    else
        r->tx->open = r->next;
    if (r->next)
        r->next->prev = r->prev;
    r->ops->done(r);
}

void rows_freep(struct rows **r)
{
    rows_free(*r);
}

void tx_close_rows(struct tx *tx)
{
    while (tx->open)
        rows_free(tx->open);
}
