/* SPDX-License-Identifier: Apache-2.0 */
#include "model/model.h"

#include "sys/clock.h"

#include <string.h>

const char model_schema_1[] = "CREATE TABLE models ("
                              "  project TEXT NOT NULL,"
                              "  name TEXT NOT NULL,"
                              "  last_version BIGINT NOT NULL," /* numbers are never given twice */
                              "  created_at BIGINT NOT NULL,"
                              "  PRIMARY KEY (project, name));"
                              "CREATE TABLE model_versions ("
                              "  project TEXT NOT NULL,"
                              "  model TEXT NOT NULL,"
                              "  version BIGINT NOT NULL,"
                              "  digest TEXT NOT NULL,"
                              "  attempt TEXT,"
                              "  run TEXT,"
                              "  signature TEXT NOT NULL,"
                              "  metrics TEXT NOT NULL,"
                              "  params TEXT NOT NULL,"
                              "  datasets TEXT NOT NULL,"
                              "  created_at BIGINT NOT NULL,"
                              "  PRIMARY KEY (project, model, version),"
                              "  UNIQUE (project, model, attempt));"
                              "CREATE TABLE model_aliases ("
                              "  project TEXT NOT NULL,"
                              "  model TEXT NOT NULL,"
                              "  alias TEXT NOT NULL,"
                              "  version BIGINT NOT NULL,"
                              "  PRIMARY KEY (project, model, alias));";

static int check_spec(const struct model_version_spec *spec, struct err *err)
{
    if (!str_is_name(str_from(spec->model)))
        return err_hint(err_set(err, E_INVALID, "'%s' is not a name for a model", spec->model), err,
                        "use letters, digits, '.', '_' and '-', at most 128");
    if (!blob_digest_ok(str_from(spec->digest)))
        return err_set(err, E_INVALID, "model '%s': the digest is malformed", spec->model);
    const json_t *inputs = json_object_get(spec->signature, "inputs");
    const json_t *outputs = json_object_get(spec->signature, "outputs");
    if (!json_array_size(inputs) || !json_array_size(outputs))
        return err_set(err, E_INVALID, "model '%s' needs a signature with inputs and outputs",
                       spec->model);
    return 0;
}

static int find_attempt(struct tx *tx, const struct model_version_spec *spec, int64_t *ret,
                        struct err *err)
{
    CLEANUP(rows_freep) struct rows *r = NULL;
    int rc = tx_query(tx, &r, err,
                      "SELECT version FROM model_versions"
                      " WHERE project = $1 AND model = $2 AND attempt = $3",
                      "sss", spec->project, spec->model, spec->attempt);
    if (rc)
        return rc;
    rc = rows_next(r, err);
    if (rc == 1) {
        *ret = rows_i64(r, 0);
        return 0;
    }
    return -rc;
}

/* The next number of the model, making the model if it is new. */
static int next_version(struct tx *tx, const struct model_version_spec *spec, int64_t now,
                        int64_t *ret, struct err *err)
{
    int rc = tx_exec(tx, err,
                     "INSERT INTO models (project, name, last_version, created_at)"
                     " VALUES ($1, $2, 1, $3)"
                     " ON CONFLICT (project, name) DO UPDATE"
                     " SET last_version = models.last_version + 1",
                     "ssi", spec->project, spec->model, now);
    if (rc)
        return rc;
    CLEANUP(rows_freep) struct rows *r = NULL;
    rc = tx_one(tx, &r, err, "SELECT last_version FROM models WHERE project = $1 AND name = $2",
                "ss", spec->project, spec->model);
    if (!rc)
        *ret = rows_i64(r, 0);
    return rc;
}

static char *text_or(const json_t *j, const char *fallback)
{
    return j ? json_text(j) : xstrdup(fallback);
}

int model_register(struct tx *tx, const struct model_version_spec *spec, int64_t *ret_version,
                   struct err *err)
{
    int64_t version = 0, now = clock_ms();
    int rc = check_spec(spec, err);
    if (!rc && spec->attempt)
        rc = find_attempt(tx, spec, &version, err);
    if (rc)
        return rc;
    if (version) {
        *ret_version = version;
        return 0;
    }
    rc = next_version(tx, spec, now, &version, err);
    if (rc)
        return rc;
    CLEANUP(freep) char *signature = json_text(spec->signature);
    CLEANUP(freep) char *metrics = text_or(spec->metrics, "{}");
    CLEANUP(freep) char *params = text_or(spec->params, "{}");
    CLEANUP(freep) char *datasets = text_or(spec->datasets, "[]");
    rc = tx_exec(tx, err,
                 "INSERT INTO model_versions (project, model, version, digest, attempt, run,"
                 " signature, metrics, params, datasets, created_at)"
                 " VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)",
                 "ssisssssssi", spec->project, spec->model, version, spec->digest, spec->attempt,
                 spec->run, signature, metrics, params, datasets, now);
    if (rc)
        return rc;
    CLEANUP(freep) char *subject = xasprintf("model/%s/%lld", spec->model, (long long)version);
    CLEANUP(json_freep)
    json_t *data = json_pack("{s:s,s:I,s:s*}", "model", spec->model, "version", (json_int_t)version,
                             "run", spec->run);
    rc = tx_event(tx, spec->project, "model.registered", subject, data, err);
    if (!rc)
        *ret_version = version;
    return rc;
}

static int unknown_model(struct tx *tx, const char *project, const char *model, struct err *err)
{
    const char *names[256];
    size_t n = 0;
    CLEANUP(arena_freep) struct arena *a = arena_new(0);
    CLEANUP(rows_freep) struct rows *r = NULL;
    int rc =
        tx_query(tx, &r, err, "SELECT name FROM models WHERE project = $1 LIMIT 256", "s", project);
    while (!rc && n < LENGTH(names) && (rc = rows_next(r, err)) == 1) {
        names[n++] = arena_cstr(a, rows_str(r, 0));
        rc = 0;
    }
    if (rc)
        return rc < 0 ? -rc : rc;
    rc = err_set(err, E_NOTFOUND, "no model '%s'", model);
    const char *near = str_nearest(str_from(model), names, n);
    return near ? err_hint(rc, err, "did you mean '%s'?", near)
                : err_hint(rc, err, "list them with: tenon model list");
}

static int one_version(struct tx *tx, const char *project, const char *model, const char *sql,
                       const char *key, int64_t *ret, struct err *err)
{
    CLEANUP(rows_freep) struct rows *r = NULL;
    int rc = tx_query(tx, &r, err, sql, "sss", project, model, key);
    if (rc)
        return rc;
    rc = rows_next(r, err);
    if (rc == 1 && !rows_null(r, 0)) {
        *ret = rows_i64(r, 0);
        return 0;
    }
    return rc < 0 ? -rc : E_NOTFOUND;
}

int model_resolve(struct tx *tx, const char *project, const char *model, str ref,
                  int64_t *ret_version, struct err *err)
{
    CLEANUP(freep) char *key = xstrndup(ref.p, ref.n);
    int rc;
    if (str_is(ref, "latest"))
        rc = one_version(tx, project, model,
                         "SELECT max(version) FROM model_versions"
                         " WHERE project = $1 AND model = $2 AND $3 <> ''",
                         key, ret_version, err);
    else if (str_starts(ref, S("@")))
        rc = one_version(tx, project, model,
                         "SELECT version FROM model_aliases"
                         " WHERE project = $1 AND model = $2 AND alias = $3",
                         key + 1, ret_version, err);
    else
        rc = one_version(tx, project, model,
                         "SELECT version FROM model_versions WHERE project = $1 AND model = $2"
                         " AND CAST(version AS TEXT) = $3",
                         key, ret_version, err);
    if (rc != E_NOTFOUND)
        return rc;
    int64_t any;
    rc = one_version(tx, project, model,
                     "SELECT max(version) FROM model_versions"
                     " WHERE project = $1 AND model = $2 AND $3 = ''",
                     "", &any, err);
    if (rc == E_NOTFOUND)
        return unknown_model(tx, project, model, err);
    if (rc)
        return rc;
    return err_hint(err_set(err, E_NOTFOUND, "model '%s' has no version '%s'", model, key), err,
                    "the latest is %lld; list them with: tenon model show %s", (long long)any,
                    model);
}

int model_set_alias(struct tx *tx, const char *project, const char *model, const char *alias,
                    int64_t version, struct err *err)
{
    str name = str_from(alias);
    int64_t number;
    if (!str_is_name(name) || str_is(name, "latest") || str_i64(name, &number))
        return err_hint(err_set(err, E_INVALID, "'%s' is not a name for an alias", alias), err,
                        "use letters, digits, '.', '_' and '-'; not a number, not 'latest'");
    char key[32];
    snprintf(key, sizeof(key), "%lld", (long long)version);
    int rc = model_resolve(tx, project, model, str_from(key), &version, err);
    if (rc)
        return rc;
    rc = tx_exec(tx, err,
                 "INSERT INTO model_aliases (project, model, alias, version)"
                 " VALUES ($1, $2, $3, $4)"
                 " ON CONFLICT (project, model, alias) DO UPDATE SET version = excluded.version",
                 "sssi", project, model, alias, version);
    if (rc)
        return rc;
    CLEANUP(freep) char *subject = xasprintf("model/%s/%lld", model, (long long)version);
    CLEANUP(json_freep)
    json_t *data =
        json_pack("{s:s,s:s,s:I}", "model", model, "alias", alias, "version", (json_int_t)version);
    return tx_event(tx, project, "model.alias_set", subject, data, err);
}

static int aliases(struct tx *tx, const char *project, const char *model, int64_t version,
                   json_t **ret, struct err *err)
{
    CLEANUP(rows_freep) struct rows *r = NULL;
    int rc = tx_query(tx, &r, err,
                      "SELECT alias, version FROM model_aliases"
                      " WHERE project = $1 AND model = $2 ORDER BY alias",
                      "ss", project, model);
    json_t *list = version ? json_array() : json_object();
    while (!rc && (rc = rows_next(r, err)) == 1) {
        rc = 0;
        CLEANUP(freep) char *alias = xstrndup(rows_str(r, 0).p, rows_str(r, 0).n);
        if (!version)
            json_object_set_new(list, alias, json_integer(rows_i64(r, 1)));
        else if (rows_i64(r, 1) == version)
            json_array_append_new(list, json_string(alias));
    }
    if (rc) {
        json_decref(list);
        return rc < 0 ? -rc : rc;
    }
    *ret = list;
    return 0;
}

static json_t *stored(struct rows *r, int column)
{
    json_t *j = NULL;
    return json_parse(rows_str(r, column), &j, NULL) ? json_null() : j;
}

#define VERSION_COLUMNS                                                                            \
    "model, version, digest, attempt, run, signature, metrics, params, datasets, created_at"

static int version_json(struct tx *tx, const char *project, struct rows *r, json_t **ret,
                        struct err *err)
{
    CLEANUP(json_freep) json_t *v = json_object();
    json_object_set_new(v, "name", json_strn(rows_str(r, 0)));
    json_object_set_new(v, "version", json_integer(rows_i64(r, 1)));
    json_object_set_new(v, "digest", json_strn(rows_str(r, 2)));
    json_object_set_new(v, "attempt", rows_null(r, 3) ? json_null() : json_strn(rows_str(r, 3)));
    json_object_set_new(v, "run", rows_null(r, 4) ? json_null() : json_strn(rows_str(r, 4)));
    json_object_set_new(v, "signature", stored(r, 5));
    json_object_set_new(v, "metrics", stored(r, 6));
    json_object_set_new(v, "params", stored(r, 7));
    json_object_set_new(v, "datasets", stored(r, 8));
    json_object_set_new(v, "created_at", json_integer(rows_i64(r, 9)));
    json_t *names = NULL;
    int rc = aliases(tx, project, json_s(v, "name"), json_i(v, "version"), &names, err);
    if (rc)
        return rc;
    json_object_set_new(v, "aliases", names);
    *ret = v;
    v = NULL;
    return 0;
}

int model_version_get(struct tx *tx, const char *project, const char *model, int64_t version,
                      json_t **ret, struct err *err)
{
    char key[32];
    snprintf(key, sizeof(key), "%lld", (long long)version);
    int rc = model_resolve(tx, project, model, str_from(key), &version, err);
    if (rc)
        return rc;
    CLEANUP(rows_freep) struct rows *r = NULL;
    rc = tx_one(tx, &r, err,
                "SELECT " VERSION_COLUMNS " FROM model_versions"
                " WHERE project = $1 AND model = $2 AND version = $3",
                "ssi", project, model, version);
    return rc ? rc : version_json(tx, project, r, ret, err);
}

int model_versions(struct tx *tx, const char *project, const char *model, json_t **ret,
                   struct err *err)
{
    CLEANUP(rows_freep) struct rows *r = NULL;
    int rc = tx_query(tx, &r, err,
                      "SELECT " VERSION_COLUMNS " FROM model_versions"
                      " WHERE project = $1 AND model = $2 ORDER BY version DESC LIMIT 1000",
                      "ss", project, model);
    CLEANUP(json_freep) json_t *list = json_array();
    while (!rc && (rc = rows_next(r, err)) == 1) {
        json_t *v = NULL;
        rc = version_json(tx, project, r, &v, err);
        if (!rc)
            json_array_append_new(list, v);
    }
    if (!rc && !json_array_size(list))
        return unknown_model(tx, project, model, err);
    if (rc)
        return rc < 0 ? -rc : rc;
    *ret = list;
    list = NULL;
    return 0;
}

int model_list(struct tx *tx, const char *project, json_t **ret, struct err *err)
{
    CLEANUP(rows_freep) struct rows *r = NULL;
    int rc = tx_query(tx, &r, err,
                      "SELECT m.name, v.version, v.metrics, v.created_at,"
                      " (SELECT count(*) FROM model_versions c"
                      "  WHERE c.project = m.project AND c.model = m.name)"
                      " FROM models m JOIN model_versions v ON v.project = m.project"
                      " AND v.model = m.name AND v.version = m.last_version"
                      " WHERE m.project = $1 ORDER BY m.name LIMIT 10000",
                      "s", project);
    CLEANUP(json_freep) json_t *list = json_array();
    while (!rc && (rc = rows_next(r, err)) == 1) {
        json_t *m = json_object(), *names = NULL;
        json_object_set_new(m, "name", json_strn(rows_str(r, 0)));
        json_object_set_new(m, "latest_version", json_integer(rows_i64(r, 1)));
        json_object_set_new(m, "metrics", stored(r, 2));
        json_object_set_new(m, "created_at", json_integer(rows_i64(r, 3)));
        json_object_set_new(m, "versions", json_integer(rows_i64(r, 4)));
        json_array_append_new(list, m);
        rc = aliases(tx, project, json_s(m, "name"), 0, &names, err);
        if (!rc)
            json_object_set_new(m, "aliases", names);
    }
    if (rc)
        return rc < 0 ? -rc : rc;
    *ret = list;
    list = NULL;
    return 0;
}

int model_count(struct tx *tx, const char *project, int64_t *ret, struct err *err)
{
    CLEANUP(rows_freep) struct rows *r = NULL;
    int rc = tx_one(tx, &r, err, "SELECT count(*) FROM models WHERE project = $1", "s", project);
    if (!rc)
        *ret = rows_i64(r, 0);
    return rc;
}
