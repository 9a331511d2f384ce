/* SPDX-License-Identifier: Apache-2.0
 *
 * Runs in memory, made from a plan at submit and from rows after a restart.
 */
#include "pipeline/engine_int.h"

#include "base/vec.h"

#include <stdio.h>
#include <string.h>

struct live_run *live_new(const char *run, const char *project, json_t *plan, json_t *files)
{
    struct live_run *r = xcalloc(1, sizeof(*r));
    json_t *steps = json_object_get(plan, "steps");
    snprintf(r->run.s, sizeof(r->run.s), "%s", run);
    r->project = xstrdup(project);
    r->pipeline = xstrdup(json_s(plan, "name"));
    r->plan = plan;
    r->files = files;
    r->n = (uint32_t)json_array_size(steps);
    r->steps = xcalloc(r->n, sizeof(*r->steps));
    for (uint32_t i = 0; i < r->n; i++)
        r->steps[i].plan = json_array_get(steps, i);
    return r;
}

void live_free(void *live_run)
{
    struct live_run *r = live_run;
    if (!r)
        return;
    for (uint32_t i = 0; i < r->n; i++)
        json_decref(r->steps[i].result);
    json_decref(r->plan);
    json_decref(r->files);
    free(r->steps);
    free(r->project);
    free(r->pipeline);
    free(r);
}

struct sched_step_plan *live_sched_plan(const struct live_run *r, struct arena *a)
{
    struct sched_step_plan *plan = arena_alloc(a, MAX(r->n, 1) * sizeof(*plan));
    for (uint32_t i = 0; i < r->n; i++) {
        const json_t *deps = json_object_get(r->steps[i].plan, "deps");
        const json_t *retries = json_object_get(r->steps[i].plan, "retries");
        uint32_t n = (uint32_t)json_array_size(deps);
        uint32_t *list = arena_alloc(a, MAX(n, 1) * sizeof(*list));
        for (uint32_t d = 0; d < n; d++)
            list[d] = (uint32_t)json_integer_value(json_array_get(deps, d));
        plan[i] = (struct sched_step_plan){
            .deps = list,
            .dep_count = n,
            .retry = {(uint32_t)json_i(retries, "count"), json_i(retries, "delay_ms"), 1}};
        if (retries)
            plan[i].retry.factor = json_number_value(json_object_get(retries, "factor"));
    }
    return plan;
}

/* --- recovery --- */

struct load {
    VEC(struct live_row) runs;
};

static void load_clear(struct load *l)
{
    vec_each (&l->runs, r) {
        live_free(r->run);
        free(r->rows);
    }
    vec_free(&l->runs);
}

json_t *text_json(str text)
{
    json_t *j = NULL;
    return text.n && json_parse(text, &j, NULL) == 0 ? j : json_null();
}

static int load_runs(struct tx *tx, struct load *l, struct err *err)
{
    CLEANUP(rows_freep) struct rows *r = NULL;
    int rc = tx_query(tx, &r, err,
                      "SELECT id, project, plan, files, cancelled FROM runs"
                      " WHERE status = 'running' ORDER BY id",
                      "");
    int more = 0;
    while (!rc && (more = rows_next(r, err)) == 1) {
        CLEANUP(freep) char *run = xstrndup(rows_str(r, 0).p, rows_str(r, 0).n);
        CLEANUP(freep) char *project = xstrndup(rows_str(r, 1).p, rows_str(r, 1).n);
        struct live_row *row = vec_push(&l->runs);
        row->run = live_new(run, project, text_json(rows_str(r, 2)), text_json(rows_str(r, 3)));
        row->rows = xcalloc(row->run->n, sizeof(*row->rows));
        row->cancelled = rows_i64(r, 4) != 0;
    }
    return rc ? rc : -MIN(more, 0);
}

static int load_steps(struct tx *tx, struct live_row *row, struct err *err)
{
    CLEANUP(rows_freep) struct rows *r = NULL;
    int rc = tx_query(tx, &r, err,
                      "SELECT position, status, attempt, failures, lost, retry_at, result"
                      " FROM steps WHERE run = $1",
                      "s", row->run->run.s);
    int more = 0;
    while (!rc && (more = rows_next(r, err)) == 1) {
        uint32_t i = (uint32_t)rows_i64(r, 0);
        CLEANUP(freep) char *status = xstrndup(rows_str(r, 1).p, rows_str(r, 1).n);
        enum step_status parsed = STEP_WAITING;
        if (i >= row->run->n || !step_status_parse(status, &parsed))
            return err_set(err, E_CORRUPT, "run %s has a step %u that is '%s'", row->run->run.s, i,
                           status);
        row->rows[i] = (struct sched_row){.status = parsed,
                                          .attempt = (uint32_t)rows_i64(r, 2),
                                          .failures = (uint32_t)rows_i64(r, 3),
                                          .lost = (uint32_t)rows_i64(r, 4),
                                          .retry_at = rows_i64(r, 5)};
        if (parsed == STEP_SUCCEEDED && !rows_null(r, 6))
            row->run->steps[i].result = text_json(rows_str(r, 6));
    }
    return rc ? rc : -MIN(more, 0);
}

static int load(struct tx *tx, void *arg, struct err *err)
{
    struct load *l = arg;
    load_clear(l);
    int rc = load_runs(tx, l, err);
    vec_each (&l->runs, row)
        rc = rc ? rc : load_steps(tx, row, err);
    return rc;
}

int live_load(struct store *s, struct live_row **ret, size_t *ret_n, struct err *err)
{
    struct load l = {0};
    int rc = store_read(s, load, &l, err);
    if (rc) {
        load_clear(&l);
        return rc;
    }
    *ret = l.runs.p;
    *ret_n = l.runs.n;
    return 0;
}
