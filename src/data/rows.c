/* SPDX-License-Identifier: Apache-2.0
 *
 * Dataset versions as rows of the store: what lists, pages and lineage read.
 *
 * A row tells what its commit added; the size of a version is the sum since the last overwrite, so
 * rows recorded late (after a crash, in any order) still add up. Inside the caller's transaction.
 */
#include "data/data.h"

#include "base/vec.h"
#include "sys/clock.h"

#include <string.h>

const char data_schema_1[] =
    "CREATE TABLE dataset_versions("
    "  project TEXT NOT NULL, name TEXT NOT NULL, version BIGINT NOT NULL,"
    "  attempt TEXT NOT NULL, run TEXT NOT NULL, step TEXT NOT NULL,"
    "  overwrite BIGINT NOT NULL,"                   /* 1: replaced what was there */
    "  rows BIGINT NOT NULL, bytes BIGINT NOT NULL," /* added by this version */
    "  columns TEXT NOT NULL, sample TEXT NOT NULL, inputs TEXT NOT NULL," /* JSON */
    "  source TEXT NOT NULL, description TEXT NOT NULL,"
    "  created_at BIGINT NOT NULL,"
    "  PRIMARY KEY(project, name, version));"
    "CREATE UNIQUE INDEX dataset_versions_attempt ON dataset_versions(project, name, attempt);"
    "CREATE INDEX dataset_versions_run ON dataset_versions(run);";

static int64_t sum(const json_t *files, const char *key)
{
    int64_t total = 0;
    size_t i;
    json_t *file;
    json_array_foreach (files, i, file)
        total += json_i(file, key);
    return total;
}

static char *text_or(const json_t *j, const char *otherwise)
{
    return j ? json_text(j) : xstrdup(otherwise);
}

static int announce(struct tx *tx, const char *project, const char *name, int64_t version,
                    int64_t rows, const char *run, const char *step, struct err *err)
{
    CLEANUP(freep) char *subject = xasprintf("dataset/%s", name);
    CLEANUP(json_freep) json_t *data = json_object();
    json_object_set_new(data, "name", json_string(name));
    json_object_set_new(data, "version", json_integer(version));
    json_object_set_new(data, "rows", json_integer(rows));
    json_object_set_new(data, "run", json_string(run));
    json_object_set_new(data, "step", json_string(step));
    return tx_event(tx, project, "dataset.committed", subject, data, err);
}

int data_record(struct tx *tx, const char *project, const char *attempt, const char *run,
                const char *step, const json_t *inputs, const json_t *result, int64_t version,
                struct err *err)
{
    const char *name = json_s(result, "name");
    const json_t *files = json_object_get(result, "files");
    int64_t rows = sum(files, "rows");
    CLEANUP(freep) char *columns = text_or(json_object_get(result, "schema"), "[]");
    CLEANUP(freep) char *sample = text_or(json_object_get(result, "sample"), "[]");
    CLEANUP(freep) char *from = text_or(inputs, "[]");
    int rc = tx_exec(tx, err,
                     "INSERT INTO dataset_versions(project, name, version, attempt, run, step,"
                     " overwrite, rows, bytes, columns, sample, inputs, source, description,"
                     " created_at) VALUES($1,$2,$3,$4,$5,$6,$7,$8,$9,$10,$11,$12,$13,$14,$15)"
                     " ON CONFLICT DO NOTHING",
                     "ssisssiiisssssi", project, name, version, attempt, run, step,
                     (int64_t)(strcmp(json_s(result, "mode"), "overwrite") == 0), rows,
                     sum(files, "size"), columns, sample, from, json_s(result, "source"),
                     json_s(result, "description"), clock_ms());
    if (rc || tx_changes(tx) == 0)
        return rc;
    return announce(tx, project, name, version, rows, run, step, err);
}

/* One row as JSON; rows and bytes are those of the whole version. $1 project, $2 name and $3
 * version may narrow it. The sum starts at the newest overwrite not after the version. */
#define TOTAL(column)                                                                              \
    "(SELECT COALESCE(SUM(a." column "), 0) FROM dataset_versions a WHERE a.project = v.project"   \
    " AND a.name = v.name AND a.version <= v.version AND a.version >= COALESCE((SELECT"            \
    " MAX(o.version) FROM dataset_versions o WHERE o.project = v.project AND o.name = v.name"      \
    " AND o.version <= v.version AND o.overwrite = 1), 0))"
#define SELECT_VERSIONS                                                                            \
    "SELECT v.name, v.version, " TOTAL("rows") ", " TOTAL(                                         \
        "bytes") ", v.columns, v.run, v.step, v.source, v.inputs, v.created_at, v.description, "   \
                 "v.sample"                                                                        \
                 " FROM dataset_versions v WHERE v.project = $1 "

static void set_json(json_t *o, const char *key, str text)
{
    json_t *j = NULL;
    json_object_set_new(o, key, json_parse(text, &j, NULL) == 0 ? j : json_array());
}

static json_t *version_json(struct rows *r, bool with_sample)
{
    json_t *o = json_object();
    json_object_set_new(o, "name", json_strn(rows_str(r, 0)));
    json_object_set_new(o, "version", json_integer(rows_i64(r, 1)));
    json_object_set_new(o, "rows", json_integer(rows_i64(r, 2)));
    json_object_set_new(o, "bytes", json_integer(rows_i64(r, 3)));
    set_json(o, "schema", rows_str(r, 4));
    if (with_sample)
        set_json(o, "sample", rows_str(r, 11));
    json_object_set_new(o, "run", json_strn(rows_str(r, 5)));
    json_object_set_new(o, "step", json_strn(rows_str(r, 6)));
    json_object_set_new(o, "source", json_strn(rows_str(r, 7)));
    set_json(o, "inputs", rows_str(r, 8));
    json_object_set_new(o, "created_at", json_integer(rows_i64(r, 9)));
    json_object_set_new(o, "description", json_strn(rows_str(r, 10)));
    return o;
}

/* E_NOTFOUND with the nearest name of the project. */
static int no_dataset(struct tx *tx, const char *project, const char *name, struct err *err)
{
    CLEANUP(rows_freep) struct rows *r = NULL;
    VEC(char *) names = {0};
    int rc = tx_query(tx, &r, err, "SELECT DISTINCT name FROM dataset_versions WHERE project = $1",
                      "s", project);
    int more = 0;
    while (!rc && (more = rows_next(r, err)) > 0)
        *vec_push(&names) = xstrndup(rows_str(r, 0).p, rows_str(r, 0).n);
    if (!rc && more < 0)
        rc = -more;
    if (!rc) {
        const char *near = str_nearest(str_from(name), (const char *const *)names.p, names.n);
        rc = err_set(err, E_NOTFOUND, "no dataset '%s'", name);
        rc = near ? err_hint(rc, err, "did you mean '%s'?", near)
                  : err_hint(rc, err, "list them with: tenon data");
    }
    for (size_t i = 0; i < names.n; i++)
        free(names.p[i]);
    vec_free(&names);
    return rc;
}

int data_version_get(struct tx *tx, const char *project, const char *name, int64_t version,
                     json_t **ret, struct err *err)
{
    CLEANUP(rows_freep) struct rows *r = NULL;
    int64_t last = -1;
    int rc = tx_one(tx, &r, err,
                    "SELECT MAX(version) FROM dataset_versions WHERE project = $1 AND name = $2",
                    "ss", project, name);
    if (rc)
        return rc;
    if (rows_null(r, 0))
        return no_dataset(tx, project, name, err);
    last = rows_i64(r, 0);
    rows_free(r);
    r = NULL;
    rc = tx_one(tx, &r, err, SELECT_VERSIONS "AND v.name = $2 AND v.version = $3", "ssi", project,
                name, version < 0 ? last : version);
    if (rc == E_NOTFOUND)
        return err_hint(
            err_set(err, E_NOTFOUND, "dataset '%s' has no version %lld", name, (long long)version),
            err, "its latest is %lld", (long long)last);
    if (rc)
        return rc;
    *ret = version_json(r, true);
    return 0;
}

static int collect(struct rows *r, json_t **ret, struct err *err)
{
    json_t *all = json_array();
    int more;
    while ((more = rows_next(r, err)) > 0)
        json_array_append_new(all, version_json(r, false));
    if (more < 0) {
        json_decref(all);
        return -more;
    }
    *ret = all;
    return 0;
}

int data_list(struct tx *tx, const char *project, json_t **ret, struct err *err)
{
    CLEANUP(rows_freep) struct rows *r = NULL;
    int rc = tx_query(tx, &r, err,
                      SELECT_VERSIONS
                      "AND v.version = (SELECT MAX(m.version) FROM dataset_versions m"
                      " WHERE m.project = v.project AND m.name = v.name) ORDER BY v.name",
                      "s", project);
    return rc ? rc : collect(r, ret, err);
}

int data_versions(struct tx *tx, const char *project, const char *name, json_t **ret,
                  struct err *err)
{
    CLEANUP(rows_freep) struct rows *r = NULL;
    int rc = tx_query(tx, &r, err, SELECT_VERSIONS "AND v.name = $2 ORDER BY v.version DESC", "ss",
                      project, name);
    json_t *all = NULL;
    if (!rc)
        rc = collect(r, &all, err);
    if (!rc && json_array_size(all) == 0) {
        json_decref(all);
        return no_dataset(tx, project, name, err);
    }
    if (!rc)
        *ret = all;
    return rc;
}

int data_count(struct tx *tx, const char *project, int64_t *ret, struct err *err)
{
    CLEANUP(rows_freep) struct rows *r = NULL;
    int rc =
        tx_one(tx, &r, err, "SELECT count(DISTINCT name) FROM dataset_versions WHERE project = $1",
               "s", project);
    if (!rc)
        *ret = rows_i64(r, 0);
    return rc;
}
