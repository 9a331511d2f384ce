/* SPDX-License-Identifier: Apache-2.0 */
#include "track/track.h"

#include "sys/clock.h"

#include <math.h>
#include <string.h>

const char track_schema_1[] =
    "CREATE TABLE experiments ("
    "  id TEXT PRIMARY KEY,"
    "  project TEXT NOT NULL,"
    "  name TEXT NOT NULL,"
    "  created_at BIGINT NOT NULL,"
    "  UNIQUE (project, name));"
    "CREATE TABLE tracking_runs ("
    "  id TEXT PRIMARY KEY,"
    "  project TEXT NOT NULL,"
    "  experiment TEXT NOT NULL,"
    "  pipeline_run TEXT,"
    "  step TEXT,"
    "  attempt TEXT UNIQUE,"
    "  started_at BIGINT NOT NULL);"
    "CREATE INDEX tracking_runs_by_pipeline_run ON tracking_runs (pipeline_run);"
    "CREATE INDEX tracking_runs_by_project ON tracking_runs (project, id);"
    "CREATE TABLE params ("
    "  run TEXT NOT NULL,"
    "  name TEXT NOT NULL,"
    "  value TEXT NOT NULL,"
    "  PRIMARY KEY (run, name));"
    "CREATE TABLE metric_points ("
    "  run TEXT NOT NULL,"
    "  name TEXT NOT NULL,"
    "  step BIGINT NOT NULL,"
    "  time BIGINT NOT NULL,"
    "  value DOUBLE PRECISION NOT NULL,"
    "  PRIMARY KEY (run, name, step, time));";

static int experiment_id(struct tx *tx, const char *project, const char *name, char ret[33],
                         struct err *err)
{
    int rc = tx_exec(tx, err,
                     "INSERT INTO experiments (id, project, name, created_at)"
                     " VALUES ($1, $2, $3, $4) ON CONFLICT (project, name) DO NOTHING",
                     "sssi", id_new().s, project, name, clock_ms());
    if (rc)
        return rc;
    CLEANUP(rows_freep) struct rows *r = NULL;
    rc = tx_one(tx, &r, err, "SELECT id FROM experiments WHERE project = $1 AND name = $2", "ss",
                project, name);
    if (rc)
        return rc;
    str found = rows_str(r, 0);
    memcpy(ret, found.p, MIN(found.n, (size_t)32));
    ret[32] = 0;
    return 0;
}

static int log_params(struct tx *tx, const char *run, const json_t *params, struct err *err)
{
    const char *name;
    json_t *value;
    json_object_foreach ((json_t *)params, name, value) {
        CLEANUP(freep)
        char *text = json_is_string(value) ? xstrdup(json_string_value(value)) : json_text(value);
        int rc = tx_exec(tx, err,
                         "INSERT INTO params (run, name, value) VALUES ($1, $2, $3)"
                         " ON CONFLICT (run, name) DO NOTHING",
                         "sss", run, name, text);
        if (rc)
            return rc;
    }
    return 0;
}

static int log_point(struct tx *tx, const char *run, const char *name, int64_t step, int64_t time,
                     const json_t *value, struct err *err)
{
    double number = json_number_value(value);
    if (!json_is_number(value) || !isfinite(number))
        return 0; /* a metric that could not be computed is absent, not a made-up number */
    return tx_exec(tx, err,
                   "INSERT INTO metric_points (run, name, step, time, value)"
                   " VALUES ($1, $2, $3, $4, $5) ON CONFLICT (run, name, step, time) DO NOTHING",
                   "ssiid", run, name, step, time, number);
}

static int log_metrics(struct tx *tx, const char *run, const json_t *metrics, int64_t time,
                       struct err *err)
{
    const char *name;
    json_t *value;
    json_object_foreach ((json_t *)metrics, name, value) {
        int rc = 0;
        if (!json_is_array(value))
            rc = log_point(tx, run, name, 0, time, value, err);
        for (size_t i = 0; json_is_array(value) && i < json_array_size(value) && !rc; i++)
            rc = log_point(tx, run, name, (int64_t)i, time, json_array_get(value, i), err);
        if (rc)
            return rc;
    }
    return 0;
}

int track_log_attempt(struct tx *tx, const char *project, const char *experiment,
                      const char *pipeline_run, const char *step, const char *attempt,
                      const json_t *params, const json_t *metrics, struct err *err)
{
    char in[33];
    int rc = experiment_id(tx, project, experiment, in, err);
    if (rc)
        return rc;
    id run = id_new();
    int64_t now = clock_ms();
    rc = tx_exec(tx, err,
                 "INSERT INTO tracking_runs"
                 " (id, project, experiment, pipeline_run, step, attempt, started_at)"
                 " VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT (attempt) DO NOTHING",
                 "ssssssi", run.s, project, in, pipeline_run, step, attempt, now);
    if (rc || tx_changes(tx) == 0)
        return rc; /* logged before: a replayed finalization */
    rc = params ? log_params(tx, run.s, params, err) : 0;
    return rc || !metrics ? rc : log_metrics(tx, run.s, metrics, now, err);
}

static int add_params(struct tx *tx, const char *run, json_t *into, struct err *err)
{
    CLEANUP(rows_freep) struct rows *r = NULL;
    int rc = tx_query(tx, &r, err, "SELECT name, value FROM params WHERE run = $1 ORDER BY name",
                      "s", run);
    while (!rc && (rc = rows_next(r, err)) == 1) {
        CLEANUP(freep) char *name = xstrndup(rows_str(r, 0).p, rows_str(r, 0).n);
        json_object_set_new(into, name, json_strn(rows_str(r, 1)));
        rc = 0;
    }
    return rc < 0 ? -rc : rc;
}

/* The latest point of each key: the greatest by (step, time). */
static int add_metrics(struct tx *tx, const char *run, json_t *into, struct err *err)
{
    CLEANUP(rows_freep) struct rows *r = NULL;
    int rc = tx_query(tx, &r, err,
                      "SELECT name, value FROM metric_points WHERE run = $1"
                      " ORDER BY name, step, time",
                      "s", run);
    while (!rc && (rc = rows_next(r, err)) == 1) {
        CLEANUP(freep) char *name = xstrndup(rows_str(r, 0).p, rows_str(r, 0).n);
        json_object_set_new(into, name, json_real(rows_f64(r, 1)));
        rc = 0;
    }
    return rc < 0 ? -rc : rc;
}

int track_runs(struct tx *tx, const char *project, const char *pipeline_run, int64_t limit,
               json_t **ret, struct err *err)
{
    CLEANUP(rows_freep) struct rows *r = NULL;
    int rc = tx_query(tx, &r, err,
                      "SELECT t.id, e.name, t.pipeline_run, t.step, t.started_at"
                      " FROM tracking_runs t JOIN experiments e ON e.id = t.experiment"
                      " WHERE t.project = $1 AND ($2 = '' OR t.pipeline_run = $2)"
                      " ORDER BY t.id DESC LIMIT $3",
                      "ssi", project, pipeline_run ? pipeline_run : "", limit);
    CLEANUP(json_freep) json_t *list = json_array();
    while (!rc && (rc = rows_next(r, err)) == 1) {
        json_t *run = json_object(), *params = json_object(), *metrics = json_object();
        json_object_set_new(run, "id", json_strn(rows_str(r, 0)));
        json_object_set_new(run, "experiment", json_strn(rows_str(r, 1)));
        json_object_set_new(run, "pipeline_run", json_strn(rows_str(r, 2)));
        json_object_set_new(run, "step", json_strn(rows_str(r, 3)));
        json_object_set_new(run, "started_at", json_integer(rows_i64(r, 4)));
        json_object_set_new(run, "params", params);
        json_object_set_new(run, "metrics", metrics);
        json_array_append_new(list, run);
        rc = add_params(tx, json_s(run, "id"), params, err);
        rc = rc ? rc : add_metrics(tx, json_s(run, "id"), metrics, err);
    }
    if (rc)
        return rc < 0 ? -rc : rc;
    *ret = list;
    list = NULL;
    return 0;
}

int track_history(struct tx *tx, const char *project, const char *run, const char *key,
                  json_t **ret, struct err *err)
{
    CLEANUP(rows_freep) struct rows *r = NULL;
    int rc = tx_query(tx, &r, err,
                      "SELECT p.step, p.time, p.value FROM metric_points p"
                      " JOIN tracking_runs t ON t.id = p.run"
                      " WHERE t.project = $1 AND t.id = $2 AND p.name = $3"
                      " ORDER BY p.step, p.time",
                      "sss", project, run, key);
    CLEANUP(json_freep) json_t *list = json_array();
    while (!rc && (rc = rows_next(r, err)) == 1) {
        json_t *point = json_object();
        json_object_set_new(point, "step", json_integer(rows_i64(r, 0)));
        json_object_set_new(point, "time", json_integer(rows_i64(r, 1)));
        json_object_set_new(point, "value", json_real(rows_f64(r, 2)));
        json_array_append_new(list, point);
        rc = 0;
    }
    if (rc)
        return rc < 0 ? -rc : rc;
    *ret = list;
    list = NULL;
    return 0;
}
