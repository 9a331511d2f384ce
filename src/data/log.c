/* SPDX-License-Identifier: Apache-2.0
 *
 * A table's log on disk: which commits are there, replaying them, the snapshot steps read.
 */
#include "data/data.h"

#include "data/delta.h"
#include "sys/fs.h"

#include <dirent.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

enum { COMMIT_MAX = 256 << 20 };

char *data_table_dir(const char *data_dir, const char *project, const char *name)
{
    return xasprintf("%s/lake/%s/%s", data_dir, project, name);
}

char *delta_log_path(const char *table_dir, int64_t version)
{
    return xasprintf("%s/_delta_log/%020" PRId64 ".json", table_dir, version);
}

/* N of "%020d.json", or -1 for any other name. */
static int64_t commit_of(const char *file)
{
    str name = str_from(file);
    int64_t version;
    if (name.n != 25 || !str_ends(name, S(".json")) || !str_i64(str_n(name.p, 20), &version))
        return -1;
    return version;
}

/* The highest commit there is; -1 if there is none. */
static int newest(const char *table_dir, int64_t *ret, struct err *err)
{
    CLEANUP(freep) char *dir = fs_join(table_dir, "_delta_log");
    DIR *d = opendir(dir);
    int64_t last = -1;
    if (!d && errno != ENOENT)
        return err_errno(err, errno, "open %s", dir);
    for (struct dirent *e; d && (e = readdir(d));)
        last = MAX(last, commit_of(e->d_name));
    if (d)
        closedir(d);
    *ret = last;
    return 0;
}

static int replay_one(const char *table_dir, struct delta *d, int64_t version, struct err *err)
{
    CLEANUP(freep) char *path = delta_log_path(table_dir, version);
    struct buf text = {0};
    if (!fs_exists(path))
        return err_set(err, E_CORRUPT, "commit %lld is missing from the table's log",
                       (long long)version);
    int rc = fs_read(path, COMMIT_MAX, &text, err);
    if (!rc)
        rc = delta_apply(d, version, buf_view(&text), err);
    buf_free(&text);
    return rc;
}

int delta_replay(const char *table_dir, int64_t version, struct delta **ret, struct err *err)
{
    CLEANUP(delta_freep) struct delta *d = delta_new();
    int64_t last = -1;
    int rc = newest(table_dir, &last, err);
    if (rc)
        return rc;
    if (version > last)
        return err_set(err, E_NOTFOUND, "no version %lld; the latest is %lld", (long long)version,
                       (long long)last);
    if (version < 0)
        version = last;
    for (int64_t v = 0; !rc && v <= version; v++)
        rc = replay_one(table_dir, d, v, err);
    if (rc)
        return rc;
    *ret = d;
    d = NULL;
    return 0;
}

static json_t *list_files(const struct delta *d)
{
    json_t *files = json_array();
    size_t cursor = 0;
    str path;
    void *value;
    while (map_next(d->files, &cursor, &path, &value)) {
        const struct delta_file *f = value;
        json_t *o = json_object();
        json_object_set_new(o, "path", json_strn(path));
        json_object_set_new(o, "size", json_integer(f->size));
        json_object_set_new(o, "rows", json_integer(f->rows));
        json_array_append_new(files, o);
    }
    return files;
}

int data_snapshot(const char *data_dir, const char *project, const char *name, int64_t version,
                  json_t **ret, struct err *err)
{
    CLEANUP(freep) char *dir = data_table_dir(data_dir, project, name);
    CLEANUP(delta_freep) struct delta *d = NULL;
    int rc = delta_replay(dir, version, &d, err);
    if (rc)
        return err ? err_wrap(err, "dataset '%s'", name) : rc;
    if (d->version < 0)
        return err_hint(err_set(err, E_NOTFOUND, "no dataset '%s'", name), err,
                        "list them with: tenon data");
    if (!d->schema)
        return err_set(err, E_CORRUPT, "dataset '%s': its log has no metaData", name);
    json_t *o = json_object();
    json_object_set_new(o, "name", json_string(name));
    json_object_set_new(o, "version", json_integer(d->version));
    json_object_set_new(o, "dir", json_string(dir));
    json_object_set_new(o, "files", list_files(d));
    json_object_set(o, "schema", d->schema);
    *ret = o;
    return 0;
}
