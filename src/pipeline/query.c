/* SPDX-License-Identifier: Apache-2.0
 *
 * Runs as docs/api.md shows them, read from rows. Why a step is not running is worked out here,
 * when somebody asks, and not kept up to date for nobody.
 */
#include "pipeline/engine_int.h"

#include "sys/clock.h"
#include "sys/fs.h"

#include <stdio.h>
#include <string.h>

const char pipeline_schema_1[] =
    "CREATE TABLE runs("
    "  id TEXT PRIMARY KEY, project TEXT NOT NULL, pipeline TEXT NOT NULL, status TEXT NOT NULL,"
    "  who TEXT NOT NULL, params TEXT NOT NULL, file TEXT NOT NULL, yaml TEXT NOT NULL,"
    "  plan TEXT NOT NULL, files TEXT NOT NULL," /* JSON */
    "  cancelled BIGINT NOT NULL,"               /* 1: its end has been asked for */
    "  steps_total BIGINT NOT NULL, created_at BIGINT NOT NULL, ended_at BIGINT);"
    "CREATE INDEX runs_project ON runs(project, id);" /* ids sort by time */
    "CREATE INDEX runs_unfinished ON runs(status) WHERE status = 'running';"
    "CREATE TABLE steps("
    "  run TEXT NOT NULL, position BIGINT NOT NULL, name TEXT NOT NULL, kind TEXT NOT NULL,"
    "  status TEXT NOT NULL, attempt BIGINT NOT NULL, failures BIGINT NOT NULL,"
    "  lost BIGINT NOT NULL, retry_at BIGINT NOT NULL, started_at BIGINT, ended_at BIGINT,"
    "  error TEXT, result TEXT, outputs TEXT," /* JSON */
    "  PRIMARY KEY(run, position));"
    "CREATE TABLE attempts("
    "  run TEXT NOT NULL, position BIGINT NOT NULL, n BIGINT NOT NULL, project TEXT NOT NULL,"
    "  status TEXT NOT NULL, started_at BIGINT NOT NULL, ended_at BIGINT, code BIGINT,"
    "  signal BIGINT, reason TEXT, max_rss_kb BIGINT,"
    "  PRIMARY KEY(run, position, n));"
    "CREATE INDEX attempts_running ON attempts(status) WHERE status = 'running';"
    "CREATE TABLE engine(one BIGINT PRIMARY KEY, slots BIGINT NOT NULL);";

static void set_str(json_t *o, const char *key, struct rows *r, int column)
{
    json_object_set_new(o, key,
                        rows_null(r, column) ? json_null() : json_strn(rows_str(r, column)));
}

static void set_i64(json_t *o, const char *key, struct rows *r, int column)
{
    json_object_set_new(o, key,
                        rows_null(r, column) ? json_null() : json_integer(rows_i64(r, column)));
}

/* --- runs --- */

#define RUN_COLUMNS                                                                                \
    "SELECT id, pipeline, status, who, params, created_at, ended_at, file, steps_total,"           \
    " (SELECT count(*) FROM steps s WHERE s.run = runs.id AND s.status IN"                         \
    " ('succeeded', 'failed', 'cancelled', 'skipped')), yaml, plan FROM runs "

static json_t *run_json(struct rows *r)
{
    json_t *o = json_object();
    set_str(o, "id", r, 0);
    set_str(o, "pipeline", r, 1);
    set_str(o, "status", r, 2);
    set_str(o, "who", r, 3);
    json_object_set_new(o, "params", text_json(rows_str(r, 4)));
    set_i64(o, "created_at", r, 5);
    set_i64(o, "ended_at", r, 6);
    set_str(o, "file", r, 7);
    set_i64(o, "steps_done", r, 9);
    set_i64(o, "steps_total", r, 8);
    return o;
}

int run_list(struct tx *tx, const char *project, int64_t limit, json_t **ret, struct err *err)
{
    CLEANUP(rows_freep) struct rows *r = NULL;
    int rc = tx_query(tx, &r, err, RUN_COLUMNS "WHERE project = $1 ORDER BY id DESC LIMIT $2", "si",
                      project, limit);
    if (rc)
        return rc;
    CLEANUP(json_freep) json_t *list = json_array();
    int more;
    while ((more = rows_next(r, err)) == 1)
        json_array_append_new(list, run_json(r));
    if (more < 0)
        return -more;
    *ret = list;
    list = NULL;
    return 0;
}

/* --- steps --- */

static json_t *numbers_of(const json_t *metrics)
{
    json_t *numbers = json_object(), *value;
    const char *key;
    json_object_foreach ((json_t *)(uintptr_t)metrics, key, value) {
        size_t n = json_array_size(value); /* a history: its last point */
        json_t *last = n ? json_array_get(value, n - 1) : value;
        if (json_is_number(last))
            json_object_set(numbers, key, last);
    }
    return numbers;
}

static json_t *step_json(struct rows *r, const json_t *plan)
{
    json_t *o = json_object(), *deps = json_array(), *dep;
    size_t i;
    const json_t *steps = json_object_get(plan, "steps");
    const json_t *step = json_array_get(steps, (size_t)rows_i64(r, 0));
    json_array_foreach (json_object_get(step, "deps"), i, dep)
        json_array_append_new(
            deps,
            json_string(json_s(json_array_get(steps, (size_t)json_integer_value(dep)), "name")));
    CLEANUP(json_freep) json_t *result = text_json(rows_str(r, 8));
    set_str(o, "name", r, 1);
    set_str(o, "kind", r, 2);
    json_object_set_new(o, "deps", deps);
    set_str(o, "status", r, 3);
    json_object_set_new(o, "why", json_string(""));
    set_i64(o, "attempt", r, 4);
    set_i64(o, "started_at", r, 5);
    set_i64(o, "ended_at", r, 6);
    json_object_set_new(o, "error", rows_null(r, 7) ? json_null() : text_json(rows_str(r, 7)));
    json_object_set_new(o, "summary", json_string(json_s(result, "summary")));
    json_object_set_new(o, "metrics", numbers_of(json_object_get(result, "metrics")));
    json_object_set_new(o, "outputs", rows_null(r, 9) ? json_array() : text_json(rows_str(r, 9)));
    json_object_set_new(o, "attempts", json_array());
    json_object_set_new(o, "retry_at", json_integer(rows_i64(r, 10)));
    json_object_set_new(o, "failures", json_integer(rows_i64(r, 11)));
    return o;
}

static int read_steps(struct tx *tx, const char *run, const json_t *plan, json_t *steps,
                      struct err *err)
{
    CLEANUP(rows_freep) struct rows *r = NULL;
    int rc = tx_query(tx, &r, err,
                      "SELECT position, name, kind, status, attempt, started_at, ended_at, error,"
                      " result, outputs, retry_at, failures FROM steps WHERE run = $1"
                      " ORDER BY position",
                      "s", run);
    int more = 0;
    while (!rc && (more = rows_next(r, err)) == 1)
        json_array_append_new(steps, step_json(r, plan));
    return rc ? rc : -MIN(more, 0);
}

static int read_attempts(struct tx *tx, const char *run, json_t *steps, struct err *err)
{
    CLEANUP(rows_freep) struct rows *r = NULL;
    int rc = tx_query(tx, &r, err,
                      "SELECT position, n, status, started_at, ended_at, code, signal, reason,"
                      " max_rss_kb FROM attempts WHERE run = $1 ORDER BY position, n",
                      "s", run);
    int more = 0;
    while (!rc && (more = rows_next(r, err)) == 1) {
        json_t *o = json_object();
        set_i64(o, "n", r, 1);
        set_str(o, "status", r, 2);
        set_i64(o, "started_at", r, 3);
        set_i64(o, "ended_at", r, 4);
        set_i64(o, "code", r, 5);
        set_i64(o, "signal", r, 6);
        set_str(o, "reason", r, 7);
        set_i64(o, "max_rss_kb", r, 8);
        json_t *step = json_array_get(steps, (size_t)rows_i64(r, 0));
        json_array_append_new(json_object_get(step, "attempts"), o);
    }
    return rc ? rc : -MIN(more, 0);
}

/* --- why is this not running? --- */

static int read_slots(struct tx *tx, int64_t *ret_busy, int64_t *ret_total, struct err *err)
{
    CLEANUP(rows_freep) struct rows *r = NULL;
    int rc = tx_one(tx, &r, err,
                    "SELECT (SELECT count(*) FROM attempts WHERE status = 'running'),"
                    " (SELECT slots FROM engine WHERE one = 1)",
                    "");
    if (rc)
        return rc;
    *ret_busy = rows_i64(r, 0);
    *ret_total = rows_i64(r, 1);
    return 0;
}

static void why_waiting(const json_t *run_steps, const json_t *plan_step, struct buf *why)
{
    const json_t *dep;
    size_t i, named = 0, more = 0;
    json_array_foreach (json_object_get(plan_step, "deps"), i, dep) {
        const json_t *on = json_array_get(run_steps, (size_t)json_integer_value(dep));
        if (strcmp(json_s(on, "status"), "succeeded") == 0)
            continue;
        if (named == 3)
            more++;
        else
            buf_printf(why, "%s%s", named++ ? ", " : "waits for ", json_s(on, "name"));
    }
    if (more)
        buf_printf(why, " and %zu more", more);
}

static void why_queued(const json_t *step, const json_t *plan_step, int64_t busy, int64_t total,
                       struct buf *why)
{
    int64_t wait = json_i(step, "retry_at") - clock_ms();
    if (json_i(step, "retry_at") && wait > 0)
        buf_printf(why, "retry %lld of %lld in %lld s", (long long)json_i(step, "failures"),
                   (long long)json_i(json_object_get(plan_step, "retries"), "count"),
                   (long long)(wait + 999) / 1000);
    else if (busy >= total)
        buf_printf(why, "%lld of %lld slots busy", (long long)busy, (long long)total);
    else
        buf_puts(why, "starts in a moment");
}

static void why_skipped(const json_t *run_steps, const json_t *plan_step, struct buf *why)
{
    const json_t *dep;
    size_t i;
    json_array_foreach (json_object_get(plan_step, "deps"), i, dep) {
        const json_t *on = json_array_get(run_steps, (size_t)json_integer_value(dep));
        const char *status = json_s(on, "status");
        if (strcmp(status, "failed") && strcmp(status, "skipped") && strcmp(status, "cancelled"))
            continue;
        buf_printf(why, "%s %s", json_s(on, "name"),
                   strcmp(status, "failed") == 0 ? "failed" : "did not run");
        return;
    }
}

static int explain(struct tx *tx, json_t *steps, const json_t *plan, struct err *err)
{
    int64_t busy = 0, total = 0;
    json_t *step;
    size_t i;
    int rc = read_slots(tx, &busy, &total, err);
    if (rc)
        return rc;
    json_array_foreach (steps, i, step) {
        const json_t *plan_step = json_array_get(json_object_get(plan, "steps"), i);
        const char *status = json_s(step, "status");
        struct buf why = BUF(1024);
        if (strcmp(status, "waiting") == 0)
            why_waiting(steps, plan_step, &why);
        else if (strcmp(status, "queued") == 0)
            why_queued(step, plan_step, busy, total, &why);
        else if (strcmp(status, "skipped") == 0)
            why_skipped(steps, plan_step, &why);
        json_object_set_new(step, "why", json_strn(buf_view(&why)));
        json_object_del(step, "retry_at");
        json_object_del(step, "failures");
        buf_free(&why);
    }
    return 0;
}

static int no_run(const char *run, struct err *err)
{
    return err_hint(err_set(err, E_NOTFOUND, "no run '%s'", run), err,
                    "list them with: tenon runs");
}

int run_get(struct tx *tx, const char *project, const char *run, json_t **ret, struct err *err)
{
    CLEANUP(rows_freep) struct rows *r = NULL;
    int rc = tx_one(tx, &r, err, RUN_COLUMNS "WHERE project = $1 AND id = $2", "ss", project, run);
    if (rc)
        return rc == E_NOTFOUND ? no_run(run, err) : rc;
    CLEANUP(json_freep) json_t *o = run_json(r);
    CLEANUP(json_freep) json_t *plan = text_json(rows_str(r, 11));
    set_str(o, "yaml", r, 10);
    json_t *steps = json_array();
    json_object_set_new(o, "steps", steps);
    rc = read_steps(tx, run, plan, steps, err);
    if (!rc)
        rc = read_attempts(tx, run, steps, err);
    if (!rc)
        rc = explain(tx, steps, plan, err);
    if (rc)
        return rc;
    *ret = o;
    o = NULL;
    return 0;
}

/* --- logs --- */

static int no_step(struct tx *tx, const char *run, const char *step, struct err *err)
{
    CLEANUP(rows_freep) struct rows *r = NULL;
    CLEANUP(arena_freep) struct arena *a = arena_new(0);
    const char *names[256];
    size_t n = 0;
    int rc = err_set(err, E_NOTFOUND, "the run has no step '%s'", step);
    if (tx_query(tx, &r, NULL, "SELECT name FROM steps WHERE run = $1", "s", run))
        return rc;
    while (n < LENGTH(names) && rows_next(r, NULL) == 1)
        names[n++] = arena_cstr(a, rows_str(r, 0));
    const char *near = str_nearest(str_from(step), names, n);
    return near ? err_hint(rc, err, "did you mean '%s'?", near) : rc;
}

static int find_step(struct tx *tx, const char *project, const char *run, const char *step,
                     int64_t *ret_position, int64_t *ret_attempt, struct err *err)
{
    CLEANUP(rows_freep) struct rows *r = NULL, *s = NULL;
    int rc = tx_one(tx, &r, err, "SELECT 1 FROM runs WHERE project = $1 AND id = $2", "ss", project,
                    run);
    if (rc)
        return rc == E_NOTFOUND ? no_run(run, err) : rc;
    rc = tx_one(tx, &s, err, "SELECT position, attempt FROM steps WHERE run = $1 AND name = $2",
                "ss", run, step);
    if (rc)
        return rc == E_NOTFOUND ? no_step(tx, run, step, err) : rc;
    *ret_position = rows_i64(s, 0);
    *ret_attempt = rows_i64(s, 1);
    return 0;
}

int run_log_path(struct tx *tx, const char *data_dir, const char *project, const char *run,
                 const char *step, int64_t attempt, char **ret, bool *ret_ended, struct err *err)
{
    int64_t position = 0, latest = 0;
    int rc = find_step(tx, project, run, step, &position, &latest, err);
    if (rc)
        return rc;
    int64_t n = attempt ? attempt : latest;
    if (!n)
        return err_set(err, E_NOTFOUND, "the step '%s' has not started yet", step);
    CLEANUP(rows_freep) struct rows *r = NULL;
    rc = tx_one(tx, &r, err,
                "SELECT status FROM attempts WHERE run = $1 AND position = $2 AND n = $3", "sii",
                run, position, n);
    if (rc == E_NOTFOUND)
        return err_set(err, E_NOTFOUND, "the step '%s' has no attempt %lld", step, (long long)n);
    if (rc)
        return rc;
    CLEANUP(freep) char *dir = attempt_dir(data_dir, run, step, (uint32_t)n);
    *ret_ended = !str_is(rows_str(r, 0), "running");
    *ret = fs_join(dir, "log");
    return 0;
}

int run_counts(struct tx *tx, const char *project, json_t **ret, struct err *err)
{
    CLEANUP(rows_freep) struct rows *r = NULL;
    int rc = tx_one(tx, &r, err,
                    "SELECT (SELECT count(*) FROM runs WHERE project = $1),"
                    " (SELECT count(*) FROM runs WHERE project = $1 AND status = 'running'),"
                    " (SELECT count(*) FROM attempts WHERE project = $1"
                    "  AND status = 'running')",
                    "s", project);
    if (!rc)
        *ret =
            json_pack("{s:I,s:I,s:I}", "runs", (json_int_t)rows_i64(r, 0), "runs_running",
                      (json_int_t)rows_i64(r, 1), "attempts_running", (json_int_t)rows_i64(r, 2));
    return rc;
}
