/* SPDX-License-Identifier: Apache-2.0
 *
 * The engine's thread: messages in, one transaction, moves out.
 *
 * It takes all messages that have come, feeds them to the scheduler, writes every row they change
 * in one transaction, and only then starts and stops attempts. While a commit is being synced the
 * next messages gather, so the busier it is the more steps share an fsync. Nothing is polled and
 * nothing rescanned; with nothing to do it sleeps until the next retry is due.
 *
 * If the store refuses a batch for a passing reason (disk full, busy) the same batch is tried again
 * every second: the state in memory is ahead of the rows and must not get further. If the store has
 * turned read-only the engine stops; what runs goes on under its shims and is adopted after the
 * restart.
 */
#include "pipeline/engine_int.h"

#include "base/log.h"
#include "base/vec.h"
#include "data/data.h"
#include "sys/clock.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#define POOL_THREADS_MAX 8
#define POOL_QUEUE 65536

struct attempt { /* one that runs; found by its directory */
    sched_run handle;
    id run;
    uint32_t position, n;
    bool stop; /* cancelled; told to its process as soon as it exists */
};

struct ended { /* of the current batch */
    id run;
    uint32_t position, n;
    enum attempt_outcome outcome;
    struct finish finish;
};

struct messages { /* a VEC; two of them change places */
    struct message *p;
    size_t n, cap;
};

struct engine {
    struct engine_config config;
    char *data_dir, *binary, *url;
    const struct executor *executor;
    void *executor_self;
    unsigned slots;
    struct pool *pool;
    pthread_t thread;

    pthread_mutex_t mutex; /* inbox, stopping, url */
    pthread_cond_t wake;
    struct messages inbox;
    bool stopping;

    /* The engine's thread's own. */
    struct sched *sched;
    struct sched_effects fx;
    struct map *by_id;     /* run id → struct live_run; owns them */
    struct map *by_handle; /* the handle's bytes → struct live_run */
    struct map *attempts;  /* directory → struct attempt; owns them */
    struct messages batch;
    VEC(struct ended) ended;
    int64_t now;
    bool halted;
};

/* --- messages --- */

void finish_clear(struct finish *f)
{
    free(f->error);
    free(f->result);
    free(f->outputs);
}

void message_clear(struct message *m)
{
    live_free(m->live);
    free(m->dir);
    finish_clear(&m->finish);
}

void engine_post(struct engine *e, const struct message *m)
{
    pthread_mutex_lock(&e->mutex);
    *vec_push(&e->inbox) = *m;
    pthread_cond_signal(&e->wake);
    pthread_mutex_unlock(&e->mutex);
}

static void on_exited(void *engine, const char *dir, const struct attempt_exit *exit)
{
    engine_post(engine,
                &(struct message){.kind = MSG_EXITED, .dir = xstrdup(dir), .finish.exit = *exit});
}

/* --- runs and attempts in memory --- */

static str handle_key(const sched_run *handle)
{
    return str_n((const char *)handle, sizeof(*handle));
}

static void hold(struct engine *e, struct live_run *r)
{
    map_put(e->by_id, id_str(&r->run), r);
    map_put(e->by_handle, handle_key(&r->handle), r);
}

static struct live_run *held(struct engine *e, sched_run handle)
{
    return map_get(e->by_handle, handle_key(&handle));
}

static void let_go(struct engine *e, sched_run handle)
{
    struct live_run *r = map_del(e->by_handle, handle_key(&handle));
    if (!r)
        return;
    map_del(e->by_id, id_str(&r->run));
    live_free(r);
}

static const char *step_name(const struct live_run *r, uint32_t position)
{
    return json_s(r->steps[position].plan, "name");
}

static char *dir_of(const struct engine *e, const struct live_run *r, uint32_t position, uint32_t n)
{
    return attempt_dir(e->data_dir, r->run.s, step_name(r, position), n);
}

static void watch_attempt(struct engine *e, const char *dir, const struct live_run *r,
                          uint32_t position, uint32_t n)
{
    struct attempt *a = xcalloc(1, sizeof(*a));
    *a = (struct attempt){.handle = r->handle, .run = r->run, .position = position, .n = n};
    free(map_put(e->attempts, str_from(dir), a));
}

/* --- jobs --- */

static struct job *job_new(struct engine *e, const struct live_run *r, uint32_t position,
                           uint32_t n)
{
    const json_t *plan = r->steps[position].plan;
    const char *name = step_name(r, position);
    struct job *j = xcalloc(1, sizeof(*j));
    *j = (struct job){.engine = e,
                      .config = &e->config,
                      .executor = e->executor,
                      .executor_self = e->executor_self,
                      .dir = dir_of(e, r, position, n),
                      .attempt_id = xasprintf("%s/%s/%u", r->run.s, name, n),
                      .step = xstrdup(name),
                      .kind = xstrdup(json_s(plan, "kind")),
                      .project = xstrdup(r->project),
                      .pipeline = xstrdup(r->pipeline),
                      .run = r->run,
                      .position = position,
                      .n = n,
                      .plan = json_deep_copy(plan)};
    return j;
}

/* The newest version of the dataset that the steps which make it have made in this run; -1: the
 * latest there is. */
static int64_t made_version(const struct live_run *r, const json_t *input)
{
    const json_t *maker, *d;
    size_t i, k;
    int64_t version = json_i(input, "version");
    json_array_foreach (json_object_get(input, "makers"), i, maker) {
        const json_t *result = r->steps[json_integer_value(maker)].result;
        json_array_foreach (json_object_get(result, "datasets"), k, d)
            if (strcmp(json_s(d, "name"), json_s(input, "dataset")) == 0)
                version = MAX(version, json_i(d, "version"));
    }
    return version;
}

static json_t *pins_of(const struct live_run *r, const json_t *plan)
{
    json_t *pins = json_array();
    const json_t *input;
    size_t i;
    json_array_foreach (json_object_get(plan, "inputs"), i, input)
        json_array_append_new(pins, json_pack("{s:s, s:s, s:I}", "alias", json_s(input, "alias"),
                                              "dataset", json_s(input, "dataset"), "version",
                                              (json_int_t)made_version(r, input)));
    return pins;
}

static json_t *upstream_of(const struct live_run *r, const json_t *plan)
{
    json_t *all = json_object(), *position;
    size_t i;
    json_array_foreach (json_object_get(plan, "upstream"), i, position) {
        const struct live_step *s = &r->steps[json_integer_value(position)];
        json_object_set_new(all, json_s(s->plan, "name"),
                            s->result ? json_deep_copy(s->result) : json_object());
    }
    return all;
}

static json_t *files_of(const struct live_run *r, const json_t *plan)
{
    json_t *all = json_object(), *path;
    size_t i;
    json_array_foreach (json_object_get(plan, "files"), i, path)
        json_object_set_new(all, json_string_value(path),
                            json_deep_copy(json_object_get(r->files, json_string_value(path))));
    return all;
}

/* attempt.json (step.h) but for the pinned inputs and the token, which take time to get. */
static json_t *attempt_json(struct engine *e, const struct live_run *r, const struct job *j)
{
    static const char *const limits[] = {"timeout_ms", "memory_mb", "disk_mb"};
    pthread_mutex_lock(&e->mutex);
    json_t *a =
        json_pack("{s:s, s:s, s:s, s:i, s:s, s:s, s:s, s:s, s:s}", "project", r->project, "run",
                  r->run.s, "step", j->step, "attempt", (int)j->n, "attempt_id", j->attempt_id,
                  "pipeline", r->pipeline, "kind", j->kind, "data_dir", e->data_dir, "url", e->url);
    pthread_mutex_unlock(&e->mutex);
    json_object_set_new(a, "with", json_deep_copy(json_object_get(j->plan, "with")));
    json_object_set_new(a, "upstream", upstream_of(r, j->plan));
    json_object_set_new(a, "files", files_of(r, j->plan));
    for (size_t i = 0; i < LENGTH(limits); i++)
        json_object_set_new(a, limits[i], json_integer(json_i(j->plan, limits[i])));
    return a;
}

static void submit_job(struct engine *e, void (*fn)(void *), struct job *j)
{
    struct err err = {0};
    if (pool_submit(e->pool, fn, j, &err) == 0)
        return;
    /* More jobs than slots can make: only after adopting a great many. It waits for its turn. */
    log_warn("engine_pool_full", "dir=%s error=\"%s\"", j->dir, err.msg);
    fn(j);
}

/* --- one batch: feeding the scheduler --- */

static void on_submit(struct engine *e, struct message *m)
{
    CLEANUP(arena_freep) struct arena *a = arena_new((size_t)1 << 30);
    struct live_run *r = m->live;
    m->live = NULL;
    r->handle = sched_submit(e->sched, live_sched_plan(r, a), r->n, &e->fx);
    hold(e, r);
    log_info("run_started", "run=%s pipeline=%s steps=%u", r->run.s, r->pipeline, r->n);
}

static void on_cancel(struct engine *e, const struct message *m)
{
    struct live_run *r = map_get(e->by_id, id_str(&m->run));
    if (r)
        sched_cancel(e->sched, r->handle, &e->fx);
}

static void tell_stop(struct engine *e, const char *dir)
{
    struct err err = {0};
    int rc = e->executor->cancel(e->executor_self, dir, &err);
    if (rc && rc != E_NOTFOUND)
        log_warn("cancel_failed", "dir=%s error=\"%s\"", dir, err.msg);
}

static void on_process_exit(struct engine *e, const struct message *m)
{
    struct attempt *a = map_get(e->attempts, str_from(m->dir));
    struct live_run *r = a ? held(e, a->handle) : NULL;
    if (!r)
        return;
    struct job *j = job_new(e, r, a->position, a->n);
    j->exit = m->finish.exit;
    submit_job(e, finish_job, j);
}

static void on_finished(struct engine *e, struct message *m)
{
    CLEANUP(freep) struct attempt *a = map_del(e->attempts, str_from(m->dir));
    struct live_run *r = a ? held(e, a->handle) : NULL;
    const struct sched_row *row = r ? sched_row(e->sched, a->handle, a->position) : NULL;
    if (!row || row->status != STEP_RUNNING || row->attempt != a->n)
        return;
    *vec_push(&e->ended) = (struct ended){.run = r->run,
                                          .position = a->position,
                                          .n = a->n,
                                          .outcome = m->outcome,
                                          .finish = m->finish};
    r->steps[a->position].committed = m->finish.committed;
    if (m->outcome == OUTCOME_OK && m->finish.result)
        r->steps[a->position].result = text_json(str_from(m->finish.result));
    memset(&m->finish, 0, sizeof(m->finish));
    sched_ended(e->sched, a->handle, a->position, a->n, m->outcome, e->now, &e->fx);
}

static void feed(struct engine *e, struct message *m)
{
    struct attempt *a;
    switch (m->kind) {
    case MSG_SUBMIT:
        on_submit(e, m);
        break;
    case MSG_CANCEL:
        on_cancel(e, m);
        break;
    case MSG_STARTED:
        a = map_get(e->attempts, str_from(m->dir));
        if (a && a->stop)
            tell_stop(e, m->dir);
        break;
    case MSG_EXITED:
        on_process_exit(e, m);
        break;
    case MSG_FINISHED:
        on_finished(e, m);
        break;
    }
}

/* --- one batch: the rows --- */

static const char *attempt_status(enum attempt_outcome outcome, const struct attempt_exit *e)
{
    if (outcome == OUTCOME_OK)
        return "succeeded";
    return strcmp(e->reason, "cancelled") == 0 ? "cancelled" : "failed";
}

static int write_ended(struct tx *tx, const struct ended *d, int64_t now, struct err *err)
{
    bool current;
    if (d->finish.committed)
        return 0;
    if (d->outcome == OUTCOME_OK)
        return rows_succeed(tx, d->run.s, d->position, d->n, &d->finish, now, &current, err);
    int rc = rows_attempt_ended(tx, d->run.s, d->position, d->n,
                                attempt_status(d->outcome, &d->finish.exit), &d->finish.exit, err);
    return rc ? rc
              : tx_exec(tx, err, "UPDATE steps SET error = $3 WHERE run = $1 AND position = $2",
                        "sis", d->run.s, (int64_t)d->position, d->finish.error);
}

static int write_row(struct engine *e, struct tx *tx, const struct sched_effect *fx,
                     struct err *err)
{
    static const char *const events[] = {[STEP_RUNNING] = "step.started",
                                         [STEP_SUCCEEDED] = "step.succeeded",
                                         [STEP_FAILED] = "step.failed",
                                         [STEP_CANCELLED] = "step.cancelled",
                                         [STEP_SKIPPED] = "step.skipped"};
    const struct live_run *r = held(e, fx->run);
    const struct sched_row *row = &fx->row;
    if (row->status == STEP_SUCCEEDED && r->steps[fx->step].committed)
        return 0; /* its rows and its event were written with its outputs */
    bool over = step_over(row->status) && row->attempt;
    int rc =
        tx_exec(tx, err,
                "UPDATE steps SET status = $3, attempt = $4, failures = $5, lost = $6,"
                " retry_at = $7, started_at = COALESCE(started_at, $8),"
                " ended_at = COALESCE(ended_at, $9) WHERE run = $1 AND position = $2",
                row->status == STEP_RUNNING ? "sisiiiiin"
                : over                      ? "sisiiiini"
                                            : "sisiiiinn",
                r->run.s, (int64_t)fx->step, step_status_name(row->status), (int64_t)row->attempt,
                (int64_t)row->failures, (int64_t)row->lost, row->retry_at, e->now);
    const char *event = row->status < LENGTH(events) ? events[row->status] : NULL;
    if (rc || !event)
        return rc;
    return step_event(tx, r->project, event, r->run.s, step_name(r, fx->step), row->attempt, err);
}

static int write_start(struct engine *e, struct tx *tx, const struct sched_effect *fx,
                       struct err *err)
{
    const struct live_run *r = held(e, fx->run);
    return tx_exec(tx, err,
                   "INSERT INTO attempts (run, position, n, project, status, started_at)"
                   " VALUES ($1, $2, $3, $4, 'running', $5)",
                   "siisi", r->run.s, (int64_t)fx->step, (int64_t)fx->row.attempt, r->project,
                   e->now);
}

static int write_end(struct engine *e, struct tx *tx, const struct sched_effect *fx,
                     struct err *err)
{
    const struct live_run *r = held(e, fx->run);
    const char *status = run_status_name(fx->status);
    int rc = tx_exec(tx, err, "UPDATE runs SET status = $2, ended_at = $3 WHERE id = $1", "ssi",
                     r->run.s, status, e->now);
    if (rc)
        return rc;
    CLEANUP(freep) char *subject = xasprintf("run/%s", r->run.s);
    CLEANUP(json_freep)
    json_t *data =
        json_pack("{s:s, s:s, s:s}", "run", r->run.s, "pipeline", r->pipeline, "status", status);
    return tx_event(tx, r->project, "run.finished", subject, data, err);
}

/* Safe to run again: it only reads the batch. */
static int write_batch(struct tx *tx, void *arg, struct err *err)
{
    struct engine *e = arg;
    int rc = 0;
    for (size_t i = 0; !rc && i < e->ended.n; i++)
        rc = write_ended(tx, &e->ended.p[i], e->now, err);
    for (size_t i = 0; !rc && i < e->fx.list.n; i++) {
        const struct sched_effect *fx = &e->fx.list.p[i];
        if (fx->kind == EFFECT_ROW)
            rc = write_row(e, tx, fx, err);
        else if (fx->kind == EFFECT_START)
            rc = write_start(e, tx, fx, err);
        else if (fx->kind == EFFECT_RUN)
            rc = write_end(e, tx, fx, err);
    }
    return rc;
}

static bool asked_to_stop(struct engine *e, int wait_ms)
{
    struct timespec until;
    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += wait_ms / 1000;
    pthread_mutex_lock(&e->mutex);
    while (wait_ms && !e->stopping &&
           pthread_cond_timedwait(&e->wake, &e->mutex, &until) != ETIMEDOUT)
        ;
    bool stopping = e->stopping;
    pthread_mutex_unlock(&e->mutex);
    return stopping;
}

static bool commit(struct engine *e)
{
    struct err err = {0};
    if (!e->fx.list.n && !e->ended.n)
        return true;
    for (int tries = 0;; tries++) {
        int rc = store_write(e->config.store, write_batch, e, &err);
        if (!rc)
            return true;
        bool passing = rc == E_IO || rc == E_BUSY || rc == E_UNAVAILABLE;
        if (!passing || tries == 0)
            log_error("engine_commit_failed", "code=%s error=\"%s\" retrying=%d", err_name(rc),
                      err.msg, passing);
        if (!passing || asked_to_stop(e, 1000)) {
            e->halted = true;
            return false;
        }
    }
}

/* --- one batch: the moves --- */

static void start_attempt(struct engine *e, const struct sched_effect *fx)
{
    struct live_run *r = held(e, fx->run);
    struct job *j = job_new(e, r, fx->step, fx->row.attempt);
    j->attempt = attempt_json(e, r, j);
    j->pins = pins_of(r, j->plan);
    watch_attempt(e, j->dir, r, fx->step, fx->row.attempt);
    submit_job(e, launch_job, j);
}

static void stop_attempt(struct engine *e, const struct sched_effect *fx)
{
    CLEANUP(freep) char *dir = dir_of(e, held(e, fx->run), fx->step, fx->row.attempt);
    struct attempt *a = map_get(e->attempts, str_from(dir));
    if (!a)
        return;
    a->stop = true;
    tell_stop(e, dir);
}

static void make_moves(struct engine *e)
{
    vec_each (&e->fx.list, fx) {
        if (fx->kind == EFFECT_START)
            start_attempt(e, fx);
        else if (fx->kind == EFFECT_STOP)
            stop_attempt(e, fx);
    }
    vec_each (&e->fx.list, fx) {
        if (fx->kind != EFFECT_RUN)
            continue;
        log_info("run_finished", "run=%s status=%s", held(e, fx->run)->run.s,
                 run_status_name(fx->status));
        let_go(e, fx->run);
    }
}

/* Commits what the batch changed and acts on it. False: stop working. */
static bool finish_batch(struct engine *e)
{
    e->now = clock_ms();
    sched_dispatch(e->sched, e->now, &e->fx);
    bool ok = commit(e);
    if (ok)
        make_moves(e);
    vec_each (&e->ended, d)
        finish_clear(&d->finish);
    e->ended.n = 0;
    sched_effects_clear(&e->fx);
    return ok;
}

static bool wait_for_messages(struct engine *e)
{
    int64_t next = sched_next(e->sched);
    pthread_mutex_lock(&e->mutex);
    while (!e->inbox.n && !e->stopping && next > clock_ms()) {
        if (next == INT64_MAX) {
            pthread_cond_wait(&e->wake, &e->mutex);
            continue;
        }
        struct timespec until = {next / 1000, next % 1000 * 1000000};
        pthread_cond_timedwait(&e->wake, &e->mutex, &until);
    }
    struct messages taken = e->inbox;
    e->inbox = e->batch;
    e->batch = taken;
    bool stopping = e->stopping;
    pthread_mutex_unlock(&e->mutex);
    return !stopping;
}

static void *run(void *arg)
{
    struct engine *e = arg;
    pthread_setname_np(pthread_self(), "engine");
    while (!e->halted && wait_for_messages(e)) {
        e->now = clock_ms();
        vec_each (&e->batch, m) {
            feed(e, m);
            message_clear(m);
        }
        e->batch.n = 0;
        finish_batch(e);
    }
    if (e->halted)
        log_error("engine_halted", "%s", "runs go on after a restart");
    return NULL;
}

/* --- starting and stopping --- */

static int adopt(struct engine *e, struct live_run *r, uint32_t position, uint32_t n,
                 struct err *err)
{
    CLEANUP(freep) char *dir = dir_of(e, r, position, n);
    enum attempt_state state;
    struct attempt_exit exit = {0};
    watch_attempt(e, dir, r, position, n); /* before its exit can be reported */
    int rc = e->executor->adopt(e->executor_self, dir, &state, &exit, err);
    if (rc)
        return rc;
    log_info("attempt_adopted", "run=%s step=%s attempt=%u state=%d", r->run.s,
             step_name(r, position), n, (int)state);
    struct message m = {.kind = MSG_FINISHED, .outcome = OUTCOME_NEVER};
    if (state == ATTEMPT_RUNNING)
        return 0;
    if (state != ATTEMPT_NEVER) {
        if (state == ATTEMPT_LOST)
            exit = (struct attempt_exit){.code = -1, .reason = "lost"};
        m.kind = MSG_EXITED;
    } else {
        exit = (struct attempt_exit){.code = -1, .reason = "never"};
    }
    m.dir = xstrdup(dir);
    m.finish.exit = exit;
    engine_post(e, &m);
    return 0;
}

static int recover(struct engine *e, struct err *err)
{
    CLEANUP(freep) struct live_row *rows = NULL;
    size_t n = 0;
    int rc = live_load(e->config.store, &rows, &n, err);
    for (size_t i = 0; i < n; i++) {
        CLEANUP(arena_freep) struct arena *a = arena_new((size_t)1 << 30);
        struct live_run *r = rows[i].run;
        r->handle = sched_restore(e->sched, live_sched_plan(r, a), r->n, rows[i].rows,
                                  rows[i].cancelled, &e->fx);
        hold(e, r);
    }
    for (size_t i = 0; i < n; i++) {
        for (uint32_t k = 0; !rc && k < rows[i].run->n; k++)
            if (rows[i].rows[k].status == STEP_RUNNING)
                rc = adopt(e, rows[i].run, k, rows[i].rows[k].attempt, err);
        free(rows[i].rows);
    }
    return rc;
}

static void discard(struct engine *e)
{
    if (e->pool)
        pool_free(e->pool);
    if (e->executor_self)
        e->executor->close(e->executor_self);
    vec_each (&e->inbox, m)
        message_clear(m);
    vec_each (&e->batch, m)
        message_clear(m);
    vec_each (&e->ended, d)
        finish_clear(&d->finish);
    vec_free(&e->inbox);
    vec_free(&e->batch);
    vec_free(&e->ended);
    map_free(e->by_handle, NULL);
    map_free(e->by_id, live_free);
    map_free(e->attempts, free);
    sched_effects_free(&e->fx);
    sched_free(e->sched);
    pthread_cond_destroy(&e->wake);
    pthread_mutex_destroy(&e->mutex);
    free(e->data_dir);
    free(e->binary);
    free(e->url);
    free(e);
}

static struct engine *engine_new(const struct engine_config *config,
                                 const struct executor *executor)
{
    struct engine *e = xcalloc(1, sizeof(*e));
    e->data_dir = xstrdup(config->data_dir);
    e->binary = xstrdup(config->binary);
    e->url = xstrdup("");
    e->config = *config;
    e->config.data_dir = e->data_dir;
    e->config.binary = e->binary;
    e->executor = executor;
    e->by_id = map_new();
    e->by_handle = map_new();
    e->attempts = map_new();
    pthread_mutex_init(&e->mutex, NULL);
    pthread_cond_init(&e->wake, NULL);
    sched_effects_clear(&e->fx);
    return e;
}

static int write_slots(struct tx *tx, void *arg, struct err *err)
{
    const struct engine *e = arg;
    return tx_exec(tx, err,
                   "INSERT INTO engine (one, slots) VALUES (1, $1)"
                   " ON CONFLICT (one) DO UPDATE SET slots = excluded.slots",
                   "i", (int64_t)e->slots);
}

int engine_start_on(const struct engine_config *config, const struct executor *executor,
                    struct engine **ret, struct err *err)
{
    struct engine *e = engine_new(config, executor);
    int rc = executor->open(&e->config, on_exited, e, &e->executor_self, &e->slots, err);
    if (!rc)
        rc = store_write(config->store, write_slots, e, err);
    if (!rc)
        rc = pool_new("engine", MIN(MAX(e->slots, 2), POOL_THREADS_MAX), POOL_QUEUE, &e->pool, err);
    if (!rc) {
        e->sched = sched_new(e->slots);
        rc = recover(e, err);
    }
    if (!rc && !finish_batch(e))
        rc = err_set(err, E_READONLY, "the unfinished runs could not be taken up");
    int failed = rc ? 0 : pthread_create(&e->thread, NULL, run, e);
    if (failed)
        rc = err_errno(err, failed, "start the engine");
    if (rc) {
        discard(e);
        return rc;
    }
    *ret = e;
    return 0;
}

int engine_start(const struct engine_config *config, struct engine **ret, struct err *err)
{
    return engine_start_on(config, &compute_executor, ret, err);
}

void engine_set_url(struct engine *e, const char *url)
{
    pthread_mutex_lock(&e->mutex);
    free(e->url);
    e->url = xstrdup(url);
    pthread_mutex_unlock(&e->mutex);
}

struct store *engine_store(struct engine *e)
{
    return e->config.store;
}

bool engine_stopping(struct engine *e)
{
    pthread_mutex_lock(&e->mutex);
    bool stopping = e->stopping;
    pthread_mutex_unlock(&e->mutex);
    return stopping;
}

unsigned engine_slots(const struct engine *e)
{
    return e->slots;
}

void engine_stop(struct engine *e)
{
    if (!e)
        return;
    pthread_mutex_lock(&e->mutex);
    e->stopping = true;
    pthread_cond_broadcast(&e->wake);
    pthread_mutex_unlock(&e->mutex);
    pthread_join(e->thread, NULL);
    discard(e);
}
