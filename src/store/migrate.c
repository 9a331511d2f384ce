/* SPDX-License-Identifier: Apache-2.0
 *
 * The schema: what the store itself needs (part "store") and what the rooms above brought (part
 * "tenon"), each with its own version.
 *
 * All pending steps run in one transaction together with the version they lead to. A process killed
 * on the way leaves the old schema; an upgrade that fails leaves data the old program still reads.
 * Runs on the thread that opens the store, before the writer exists.
 */
#include "store/store_int.h"

static const char store_schema_1[] = "CREATE TABLE events ("
                                     " seq BIGINT PRIMARY KEY,"
                                     " time_ms BIGINT NOT NULL,"
                                     " project TEXT NOT NULL,"
                                     " kind TEXT NOT NULL,"
                                     " subject TEXT NOT NULL,"
                                     " data TEXT NOT NULL);"
                                     "CREATE INDEX events_by_project ON events (project, seq);";

static const struct migration own[] = {{1, store_schema_1}};

static int check_numbers(const struct migration *m, size_t n, struct err *err)
{
    for (size_t i = 0; i < n; i++)
        if (m[i].version != (int)i + 1)
            return err_set(err, E_INTERNAL, "migration %zu is numbered %d", i + 1, m[i].version);
    return 0;
}

static int version_of(struct tx *tx, const char *part, int64_t *ret, struct err *err)
{
    CLEANUP(rows_freep) struct rows *r = NULL;
    struct err own_err;
    int rc =
        tx_one(tx, &r, &own_err, "SELECT version FROM schema_versions WHERE part = $1", "s", part);
    if (rc == E_NOTFOUND) {
        *ret = 0;
        return 0;
    }
    if (rc) {
        if (err)
            *err = own_err;
        return rc;
    }
    *ret = rows_i64(r, 0);
    return 0;
}

static int upgrade(struct tx *tx, const char *part, const struct migration *m, size_t n,
                   struct err *err)
{
    int64_t at;
    int rc = version_of(tx, part, &at, err);
    if (rc)
        return rc;
    if (at > (int64_t)n)
        return err_hint(err_set(err, E_CONFLICT,
                                "a newer Tenon wrote this data: its %s schema is version %lld, "
                                "this program knows version %zu",
                                part, (long long)at, n),
                        err, "start the newer program, or restore a backup made before it ran");
    if (at == (int64_t)n)
        return 0;
    for (size_t i = (size_t)at; i < n; i++) {
        rc = tx->conn->ops->script(tx->conn, m[i].sql, err);
        if (rc)
            return err ? err_wrap(err, "upgrade of the %s schema to version %d", part, m[i].version)
                       : rc;
    }
    return tx_exec(tx, err,
                   "INSERT INTO schema_versions (part, version) VALUES ($1, $2)"
                   " ON CONFLICT (part) DO UPDATE SET version = $2",
                   "si", part, (int64_t)n);
}

static int upgrade_all(struct tx *tx, const struct migration *m, size_t n, struct err *err)
{
    int rc = tx->conn->ops->script(tx->conn,
                                   "CREATE TABLE IF NOT EXISTS schema_versions ("
                                   " part TEXT PRIMARY KEY, version BIGINT NOT NULL)",
                                   err);
    if (!rc)
        rc = upgrade(tx, "store", own, LENGTH(own), err);
    return rc ? rc : upgrade(tx, "tenon", m, n, err);
}

int store_migrate(struct conn *c, const struct migration *m, size_t n, struct err *err)
{
    int rc = check_numbers(m, n, err);
    if (!rc)
        rc = c->ops->begin(c, err);
    if (rc)
        return rc;
    struct tx tx = {.conn = c, .writable = true};
    rc = upgrade_all(&tx, m, n, err);
    tx_close_rows(&tx);
    if (!rc)
        rc = c->ops->commit(c, err);
    if (rc)
        c->ops->rollback(c);
    return rc;
}
