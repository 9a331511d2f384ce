/* SPDX-License-Identifier: Apache-2.0
 *
 * Making an attempt's files visible: one Delta commit, put-if-absent.
 *
 * The whole log is read first: it tells whether this attempt has been published already (its `txn`)
 * and which files an overwrite removes. If another writer takes the version meanwhile the link
 * fails and everything is looked at again: appends commute, and of two overwrites the later wins.
 *
 * What a step reports is checked like any foreign input: files must be plain names that exist with
 * the size told.
 */
#include "data/data.h"

#include "codec/text.h"
#include "data/delta.h"
#include "data/schema.h"
#include "sys/clock.h"
#include "sys/fs.h"

#include <stdio.h>
#include <string.h>

enum { COMMIT_MAX = 256 << 20, TRIES_MAX = 100 };

struct publication {
    const char *dir, *attempt;
    const json_t *schema, *files;
    bool overwrite;
};

static void put_action(struct buf *b, const char *kind, json_t *action)
{
    CLEANUP(json_freep) json_t *line = json_object();
    json_object_set_new(line, kind, action);
    json_write(line, b);
    buf_char(b, '\n');
}

static void put_commit_info(struct buf *b, const struct publication *p, int64_t now)
{
    json_t *parameters = json_object();
    json_object_set_new(parameters, "mode", json_string(p->overwrite ? "Overwrite" : "Append"));
    json_object_set_new(parameters, "partitionBy", json_string("[]"));
    json_t *info = json_object();
    json_object_set_new(info, "timestamp", json_integer(now));
    json_object_set_new(info, "operation", json_string("WRITE"));
    json_object_set_new(info, "operationParameters", parameters);
    json_object_set_new(info, "isBlindAppend", json_boolean(!p->overwrite));
    json_object_set_new(info, "engineInfo", json_string("Tenon/" TENON_VERSION));
    json_object_set_new(info, "txnId", json_string(p->attempt));
    put_action(b, "commitInfo", info);
}

static void put_protocol(struct buf *b)
{
    json_t *protocol = json_object();
    json_object_set_new(protocol, "minReaderVersion", json_integer(1));
    json_object_set_new(protocol, "minWriterVersion", json_integer(2));
    put_action(b, "protocol", protocol);
}

/* A table keeps its id for life; readers cache by it. */
static char *table_id(const struct delta *d)
{
    if (d->table_id)
        return xstrdup(d->table_id);
    id i = id_new();
    return xasprintf("%.8s-%.4s-%.4s-%.4s-%.12s", i.s, i.s + 8, i.s + 12, i.s + 16, i.s + 20);
}

static void put_metadata(struct buf *b, const struct delta *d, const json_t *schema, int64_t now)
{
    CLEANUP(freep) char *id = table_id(d);
    CLEANUP(freep) char *spark = schema_to_spark(schema);
    json_t *format = json_object();
    json_object_set_new(format, "provider", json_string("parquet"));
    json_object_set_new(format, "options", json_object());
    json_t *meta = json_object();
    json_object_set_new(meta, "id", json_string(id));
    json_object_set_new(meta, "format", format);
    json_object_set_new(meta, "schemaString", json_string(spark));
    json_object_set_new(meta, "partitionColumns", json_array());
    json_object_set_new(meta, "configuration", json_object());
    json_object_set_new(meta, "createdTime", json_integer(now));
    put_action(b, "metaData", meta);
}

static void put_removes(struct buf *b, const struct delta *d, int64_t now)
{
    size_t cursor = 0;
    str path;
    void *value;
    while (map_next(d->files, &cursor, &path, &value)) {
        const struct delta_file *f = value;
        json_t *gone = json_object();
        json_object_set_new(gone, "path", json_string(f->uri));
        json_object_set_new(gone, "deletionTimestamp", json_integer(now));
        json_object_set_new(gone, "dataChange", json_true());
        json_object_set_new(gone, "extendedFileMetadata", json_true());
        json_object_set_new(gone, "partitionValues", json_object());
        json_object_set_new(gone, "size", json_integer(f->size));
        put_action(b, "remove", gone);
    }
}

static void put_add(struct buf *b, const json_t *file, int64_t now)
{
    CLEANUP(json_freep) json_t *stats = json_object();
    json_object_set(stats, "numRecords", json_object_get(file, "rows"));
    json_t *told = json_object_get(file, "stats");
    static const char *const kinds[] = {"minValues", "maxValues", "nullCount"};
    for (size_t i = 0; i < LENGTH(kinds); i++)
        if (json_is_object(json_object_get(told, kinds[i])))
            json_object_set(stats, kinds[i], json_object_get(told, kinds[i]));
    CLEANUP(freep) char *text = json_text(stats);
    struct buf uri = BUF(4096);
    percent_encode(str_from(json_s(file, "path")), &uri);
    json_t *add = json_object();
    json_object_set_new(add, "path", json_strn(buf_view(&uri)));
    json_object_set_new(add, "partitionValues", json_object());
    json_object_set(add, "size", json_object_get(file, "size"));
    json_object_set_new(add, "modificationTime", json_integer(now));
    json_object_set_new(add, "dataChange", json_true());
    json_object_set_new(add, "stats", json_string(text));
    put_action(b, "add", add);
    buf_free(&uri);
}

static void put_txn(struct buf *b, const char *attempt, int64_t now)
{
    json_t *txn = json_object();
    json_object_set_new(txn, "appId", json_string(attempt));
    json_object_set_new(txn, "version", json_integer(0));
    json_object_set_new(txn, "lastUpdated", json_integer(now));
    put_action(b, "txn", txn);
}

static void put_commit(struct buf *b, const struct publication *p, const struct delta *d)
{
    int64_t now = clock_ms();
    size_t i;
    json_t *file;
    put_commit_info(b, p, now);
    if (d->version < 0)
        put_protocol(b);
    if (!d->schema || (p->overwrite && !json_equal(d->schema, (json_t *)p->schema)))
        put_metadata(b, d, p->schema, now);
    put_txn(b, p->attempt, now);
    if (p->overwrite)
        put_removes(b, d, now);
    json_array_foreach (p->files, i, file)
        put_add(b, file, now);
}

static int check_file(const char *dir, const json_t *file, struct err *err)
{
    str path;
    int64_t size, rows;
    int rc = json_need_object(file, "a file", err);
    if (!rc)
        rc = json_get_str(file, "path", true, &path, err);
    if (!rc)
        rc = json_get_i64(file, "size", true, &size, err);
    if (!rc)
        rc = json_get_i64(file, "rows", true, &rows, err);
    if (rc)
        return rc;
    if (path.n > 250 || !str_ends(path, S(".parquet")) || path.p[0] == '.' ||
        memchr(path.p, '/', path.n))
        return err_set(err, E_INVALID, "'%.*s' is no name for a data file", STR(path));
    CLEANUP(freep) char *full = fs_join(dir, path.p);
    if (fs_size(full) != size)
        return err_set(err, E_CORRUPT, "data file %s has %lld bytes where the step told %lld", full,
                       (long long)fs_size(full), (long long)size);
    return 0;
}

static int check_result(const char *dir, const json_t *result, struct publication *ret,
                        struct err *err)
{
    str mode;
    size_t i;
    json_t *file;
    int rc = json_get_str(result, "mode", true, &mode, err);
    if (rc)
        return rc;
    if (!str_is(mode, "overwrite") && !str_is(mode, "append"))
        return err_set(err, E_INVALID, "no mode '%.*s': overwrite or append", STR(mode));
    ret->dir = dir;
    ret->overwrite = str_is(mode, "overwrite");
    ret->schema = json_object_get(result, "schema");
    ret->files = json_object_get(result, "files");
    rc = schema_check(ret->schema, err);
    if (!rc && !json_is_array(ret->files))
        rc = err_set(err, E_INVALID, "'files' must be an array");
    json_array_foreach (ret->files, i, file)
        if (!rc)
            rc = check_file(dir, file, err);
    return rc;
}

/* Folders made for a new table must survive a power cut as the commit in them does. */
static int make_log_dir(const char *data_dir, const char *table_dir, struct err *err)
{
    CLEANUP(freep) char *log = fs_join(table_dir, "_delta_log");
    CLEANUP(freep) char *at = fs_dirname(log);
    int rc = fs_mkdirs(log, 0700, err);
    while (!rc && strlen(at) >= strlen(data_dir)) {
        char *up = fs_dirname(at);
        rc = fs_sync_dir(at, err);
        free(at);
        at = up;
    }
    return rc;
}

/* One try: 0 with *ret_version, E_CONFLICT if the version was taken meanwhile. */
static int try_commit(const struct publication *p, bool *ret_taken, int64_t *ret_version,
                      struct err *err)
{
    CLEANUP(delta_freep) struct delta *d = NULL;
    int rc = delta_replay(p->dir, -1, &d, err);
    if (rc)
        return rc;
    const int64_t *before = map_get(d->txns, str_from(p->attempt));
    if (before) { /* by a server that perhaps was killed before it could sync the folder */
        CLEANUP(freep) char *log = fs_join(p->dir, "_delta_log");
        rc = fs_sync_dir(log, err);
        if (!rc)
            *ret_version = *before;
        return rc;
    }
    if (!p->overwrite && d->schema && (rc = schema_fits(d->schema, p->schema, err)))
        return rc;
    CLEANUP(freep) char *path = delta_log_path(p->dir, d->version + 1);
    struct buf commit = BUF(COMMIT_MAX);
    put_commit(&commit, p, d);
    rc = buf_ok(&commit) ? fs_write_new(path, commit.p, commit.n, 0600, err)
                         : err_set(err, E_TOOBIG, "a commit of more than 256 MB");
    buf_free(&commit);
    *ret_taken = rc == E_CONFLICT;
    if (!rc)
        *ret_version = d->version + 1;
    return rc;
}

int data_publish(const char *data_dir, const char *project, const char *attempt,
                 const json_t *result, int64_t *ret_version, struct err *err)
{
    str name;
    struct publication p = {.attempt = attempt};
    int rc = json_get_str(result, "name", true, &name, err);
    if (rc)
        return rc;
    if (!str_is_name(name))
        return err_set(err, E_INVALID, "'%.*s' is no name for a dataset", STR(name));
    CLEANUP(freep) char *dir = data_table_dir(data_dir, project, name.p);
    rc = check_result(dir, result, &p, err);
    if (!rc)
        rc = make_log_dir(data_dir, dir, err);
    bool taken = true;
    for (int i = 0; !rc && taken && i < TRIES_MAX; i++) {
        taken = false;
        rc = try_commit(&p, &taken, ret_version, err);
        if (taken && i + 1 < TRIES_MAX)
            rc = 0;
    }
    return rc && err ? err_wrap(err, "dataset '%.*s'", STR(name)) : rc;
}
