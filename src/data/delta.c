/* SPDX-License-Identifier: Apache-2.0 */
#include "data/delta.h"

#include "base/arena.h"
#include "codec/text.h"
#include "data/schema.h"

#include <string.h>

struct delta *delta_new(void)
{
    struct delta *d = xcalloc(1, sizeof(*d));
    d->version = -1;
    d->files = map_new();
    d->txns = map_new();
    return d;
}

static void file_free(void *p)
{
    struct delta_file *f = p;
    if (f)
        free(f->uri);
    free(f);
}

void delta_free(struct delta *d)
{
    if (!d)
        return;
    map_free(d->files, file_free);
    map_free(d->txns, free);
    json_decref(d->schema);
    json_decref(d->metadata);
    free(d->table_id);
    free(d);
}

void delta_freep(struct delta **d)
{
    delta_free(*d);
}

/* The path of an add or remove, decoded. Only paths inside the table's folder are ours to read. */
static int file_path(struct arena *a, const json_t *action, str *ret_uri, str *ret, struct err *err)
{
    str uri, path, head, rest;
    int rc = json_get_str(action, "path", true, &uri, err);
    if (!rc)
        rc = percent_decode(a, uri, &path, err);
    if (rc)
        return rc;
    bool inside = path.n && path.p[0] != '/';
    rest = path;
    while (inside && rest.n) {
        str_cut(rest, '/', &head, &rest);
        inside = head.n && !str_is(head, "..") && !str_is(head, ".");
    }
    if (!inside || memmem(path.p, path.n, "://", 3))
        return err_set(err, E_UNSUPPORTED, "data file '%.*s' lies outside the table's folder",
                       STR(path));
    *ret_uri = uri;
    *ret = path;
    return 0;
}

static int64_t rows_in_stats(const json_t *add)
{
    CLEANUP(json_freep) json_t *stats = NULL;
    const char *text = json_s(add, "stats");
    if (!text[0] || json_parse(str_from(text), &stats, NULL) != 0)
        return -1;
    return json_is_integer(json_object_get(stats, "numRecords")) ? json_i(stats, "numRecords") : -1;
}

static int apply_add(struct delta *d, struct arena *a, const json_t *add, struct err *err)
{
    str uri, path;
    int64_t size = 0;
    int rc = file_path(a, add, &uri, &path, err);
    if (!rc)
        rc = json_get_i64(add, "size", true, &size, err);
    if (rc)
        return rc;
    if (json_is_object(json_object_get(add, "deletionVector")))
        return err_set(err, E_UNSUPPORTED, "the table has deletion vectors");
    struct delta_file *f = xcalloc(1, sizeof(*f));
    *f = (struct delta_file){xstrndup(uri.p, uri.n), size, rows_in_stats(add)};
    file_free(map_put(d->files, path, f));
    return 0;
}

static int apply_remove(struct delta *d, struct arena *a, const json_t *action, struct err *err)
{
    str uri, path;
    int rc = file_path(a, action, &uri, &path, err);
    if (!rc)
        file_free(map_del(d->files, path));
    return rc;
}

static int apply_metadata(struct delta *d, const json_t *meta, struct err *err)
{
    const json_t *config = json_object_get(meta, "configuration");
    const char *mapping = json_s(config, "delta.columnMapping.mode");
    json_t *schema = NULL;
    str text, id;
    if (json_array_size(json_object_get(meta, "partitionColumns")))
        return err_set(err, E_UNSUPPORTED, "the table is partitioned");
    if (mapping[0] && strcmp(mapping, "none") != 0)
        return err_set(err, E_UNSUPPORTED, "the table maps column names ('%s')", mapping);
    int rc = json_get_str(meta, "id", true, &id, err);
    if (!rc)
        rc = json_get_str(meta, "schemaString", true, &text, err);
    if (!rc)
        rc = schema_from_spark(text, &schema, err);
    if (rc)
        return rc;
    free(d->table_id);
    d->table_id = xstrndup(id.p, id.n);
    json_decref(d->schema);
    d->schema = schema;
    json_decref(d->metadata);
    d->metadata = json_incref((json_t *)meta);
    return 0;
}

/* Features whose tables read the same without knowing them. */
static bool harmless(const char *feature)
{
    return !strcmp(feature, "timestampNtz") || !strcmp(feature, "vacuumProtocolCheck") ||
           !strcmp(feature, "columnMapping"); /* the mode in metaData decides */
}

static int apply_protocol(const json_t *protocol, struct err *err)
{
    int64_t reader;
    size_t i;
    json_t *f;
    int rc = json_get_i64(protocol, "minReaderVersion", true, &reader, err);
    if (rc)
        return rc;
    if (reader > 3 || reader < 1)
        return err_set(err, E_UNSUPPORTED, "the table needs a reader of version %lld; this is 3",
                       (long long)reader);
    json_array_foreach (json_object_get(protocol, "readerFeatures"), i, f)
        if (!json_is_string(f) || !harmless(json_string_value(f)))
            return err_set(err, E_UNSUPPORTED, "the table needs the reader feature '%s'",
                           json_is_string(f) ? json_string_value(f) : "?");
    return 0;
}

static int apply_txn(struct delta *d, int64_t version, const json_t *txn, struct err *err)
{
    str app;
    int rc = json_get_str(txn, "appId", true, &app, err);
    if (rc || map_get(d->txns, app))
        return rc;
    int64_t *first = xmalloc(sizeof(*first));
    *first = version;
    map_put(d->txns, app, first);
    return 0;
}

static int apply_line(struct delta *d, struct arena *a, int64_t version, str line, struct err *err)
{
    CLEANUP(json_freep) json_t *j = NULL;
    const json_t *action;
    int rc = json_parse(line, &j, err);
    if (!rc)
        rc = json_need_object(j, "an action", err);
    if (!rc && json_is_object(action = json_object_get(j, "add")))
        rc = apply_add(d, a, action, err);
    if (!rc && json_is_object(action = json_object_get(j, "remove")))
        rc = apply_remove(d, a, action, err);
    if (!rc && json_is_object(action = json_object_get(j, "metaData")))
        rc = apply_metadata(d, action, err);
    if (!rc && json_is_object(action = json_object_get(j, "protocol")))
        rc = apply_protocol(action, err);
    if (!rc && json_is_object(action = json_object_get(j, "txn")))
        rc = apply_txn(d, version, action, err);
    return rc;
}

int delta_apply(struct delta *d, int64_t version, str text, struct err *err)
{
    CLEANUP(arena_freep) struct arena *a = arena_new(0);
    unsigned number = 0;
    str line;
    if (version != d->version + 1)
        return err_set(err, E_CORRUPT, "commit %lld of the table is missing",
                       (long long)d->version + 1);
    while (text.n) {
        str_cut(text, '\n', &line, &text);
        number++;
        if (!str_trim(line).n)
            continue;
        arena_reset(a);
        int rc = apply_line(d, a, version, line, err);
        if (rc && err) {
            if (rc == E_INVALID)
                err->code = E_CORRUPT; /* the caller's request was fine; the log is not */
            return err_wrap(err, "commit %lld, line %u", (long long)version, number);
        }
        if (rc)
            return rc;
    }
    d->version = version;
    return 0;
}
