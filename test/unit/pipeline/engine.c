/* SPDX-License-Identifier: Apache-2.0
 *
 * The engine on a real store, with attempts that are not processes but entries of a table: what one
 * does is its command. The table survives an engine, as processes survive a server.
 */
#include "pipeline/engine_int.h"

#include "data/data.h"
#include "model/model.h"
#include "sys/clock.h"
#include "sys/fs.h"
#include "track/track.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

static const struct migration migrations[] = {
    {1, data_schema_1}, {2, model_schema_1}, {3, track_schema_1}, {4, pipeline_schema_1}};

/* --- a world of attempts --- */

struct fake {
    char *dir;
    enum attempt_state state;
    struct attempt_exit exit;
    int starts;
};

static struct {
    pthread_mutex_t mutex;
    pthread_cond_t wake;
    struct map *attempts; /* dir → struct fake */
    VEC(char *) due;      /* directories whose attempt ends now */
    void (*exited)(void *engine, const char *dir, const struct attempt_exit *e);
    void *engine;
    pthread_t thread;
    bool closing, hold; /* hold: nothing ends */
    unsigned running, most;
} W = {.mutex = PTHREAD_MUTEX_INITIALIZER, .wake = PTHREAD_COND_INITIALIZER};

static void *clockwork(void *arg)
{
    (void)arg;
    pthread_mutex_lock(&W.mutex);
    while (!W.closing) {
        if (!W.due.n || W.hold) {
            pthread_cond_wait(&W.wake, &W.mutex);
            continue;
        }
        CLEANUP(freep) char *dir = W.due.p[--W.due.n];
        struct fake *f = map_get(W.attempts, str_from(dir));
        if (!f || f->state != ATTEMPT_RUNNING)
            continue;
        f->state = ATTEMPT_ENDED;
        f->exit.ended_at = clock_ms();
        W.running--;
        struct attempt_exit e = f->exit;
        pthread_mutex_unlock(&W.mutex);
        W.exited(W.engine, dir, &e);
        pthread_mutex_lock(&W.mutex);
    }
    pthread_mutex_unlock(&W.mutex);
    return NULL;
}

static int fake_open(const struct engine_config *config,
                     void (*exited)(void *engine, const char *dir, const struct attempt_exit *e),
                     void *engine, void **ret, unsigned *ret_slots, struct err *err)
{
    (void)err;
    W.exited = exited;
    W.engine = engine;
    W.closing = false;
    *ret = &W;
    *ret_slots = config->slots;
    return pthread_create(&W.thread, NULL, clockwork, NULL);
}

static void fake_close(void *self)
{
    (void)self;
    pthread_mutex_lock(&W.mutex);
    W.closing = true;
    pthread_cond_broadcast(&W.wake);
    pthread_mutex_unlock(&W.mutex);
    pthread_join(W.thread, NULL);
}

static json_t *read_json(const char *dir, const char *name)
{
    CLEANUP(freep) char *path = fs_join(dir, name);
    struct buf b = BUF(0);
    json_t *j = NULL;
    if (fs_read(path, 1 << 24, &b, NULL) == 0)
        json_parse(buf_view(&b), &j, NULL);
    buf_free(&b);
    return j;
}

/* What the command asks for; true if it never ends by itself. */
static bool play(struct fake *f)
{
    CLEANUP(json_freep) json_t *attempt = read_json(f->dir, "attempt.json");
    const json_t *command = json_object_get(json_object_get(attempt, "with"), "command");
    const char *word = json_string_value(json_array_get(command, 0));
    const char *more = json_string_value(json_array_get(command, 1));
    CLEANUP(freep) char *result = fs_join(f->dir, "result.json");
    CLEANUP(freep) char *error = fs_join(f->dir, "error.json");
    if (!word)
        return false;
    if (!strcmp(word, "fail") || (!strcmp(word, "fail-first") && json_i(attempt, "attempt") == 1))
        f->exit.code = 3;
    if (!strcmp(word, "explain")) {
        f->exit.code = 2;
        fs_write_atomic(error, more, strlen(more), 0600, NULL);
    }
    if (!strcmp(word, "segv")) {
        f->exit.code = -1;
        f->exit.signal = 11;
    }
    if (!strcmp(word, "lost-first") && json_i(attempt, "attempt") == 1) {
        f->exit.code = -1;
        strcpy(f->exit.reason, "lost");
    }
    if (!strcmp(word, "result"))
        fs_write_atomic(result, more, strlen(more), 0600, NULL);
    return !strcmp(word, "hang");
}

static int fake_start(void *self, const char *dir, struct err *err)
{
    (void)self, (void)err;
    pthread_mutex_lock(&W.mutex);
    struct fake *f = map_get(W.attempts, str_from(dir));
    if (!f) {
        f = xcalloc(1, sizeof(*f));
        f->dir = xstrdup(dir);
        map_put(W.attempts, str_from(dir), f);
    }
    f->starts++;
    f->state = ATTEMPT_RUNNING;
    f->exit.started_at = clock_ms();
    W.running++;
    W.most = MAX(W.most, W.running);
    if (!play(f))
        *vec_push(&W.due) = xstrdup(dir);
    pthread_cond_broadcast(&W.wake);
    pthread_mutex_unlock(&W.mutex);
    return 0;
}

static int fake_adopt(void *self, const char *dir, enum attempt_state *ret, struct attempt_exit *e,
                      struct err *err)
{
    (void)self, (void)err;
    pthread_mutex_lock(&W.mutex);
    struct fake *f = map_get(W.attempts, str_from(dir));
    *ret = f ? f->state : ATTEMPT_NEVER;
    if (f && f->state == ATTEMPT_ENDED)
        *e = f->exit;
    pthread_mutex_unlock(&W.mutex);
    return 0;
}

static int fake_cancel(void *self, const char *dir, struct err *err)
{
    (void)self;
    pthread_mutex_lock(&W.mutex);
    struct fake *f = map_get(W.attempts, str_from(dir));
    int rc = f && f->state == ATTEMPT_RUNNING ? 0 : err_set(err, E_NOTFOUND, "not running");
    if (!rc) {
        f->exit.code = -1;
        f->exit.signal = 15;
        strcpy(f->exit.reason, "cancelled");
        *vec_push(&W.due) = xstrdup(dir);
    }
    pthread_cond_broadcast(&W.wake);
    pthread_mutex_unlock(&W.mutex);
    return rc;
}

static const struct executor fake = {fake_open, fake_close, fake_start, fake_adopt, fake_cancel};

static void fake_free(void *p)
{
    struct fake *f = p;
    free(f->dir);
    free(f);
}

/* --- a house around it --- */

struct house {
    char dir[64];
    struct store *store;
    struct engine *engine;
    unsigned slots;
};

static void open_house(struct house *h)
{
    struct err err = {0};
    struct store_config s = {
        .dir = h->dir, .migrations = migrations, .migration_count = LENGTH(migrations)};
    if (store_open(&s, &h->store, &err))
        fail_msg("%s", err.msg);
    struct engine_config c = {
        .store = h->store, .data_dir = h->dir, .binary = "none", .slots = h->slots};
    if (engine_start_on(&c, &fake, &h->engine, &err))
        fail_msg("%s", err.msg);
}

static void close_house(struct house *h)
{
    engine_stop(h->engine);
    store_close(h->store);
}

static int set_up(void **state)
{
    struct house *h = xcalloc(1, sizeof(*h));
    strcpy(h->dir, "/tmp/tenon-engine-XXXXXX");
    assert_non_null(mkdtemp(h->dir));
    h->slots = 2;
    W.attempts = map_new();
    W.hold = false;
    W.running = W.most = 0;
    open_house(h);
    *state = h;
    return 0;
}

static int tear_down(void **state)
{
    struct house *h = *state;
    close_house(h);
    map_free(W.attempts, fake_free);
    vec_each (&W.due, dir)
        free(*dir);
    vec_free(&W.due);
    fs_remove_tree(h->dir, NULL);
    free(h);
    return 0;
}

static id submit(struct house *h, const char *steps)
{
    CLEANUP(freep) char *yaml = xasprintf("kind: pipeline\nname: demo\nsteps:\n%s", steps);
    struct run_request rq = {
        .project = "default", .who = "me", .file = "p.yaml", .yaml = str_from(yaml)};
    id run;
    struct err err = {0};
    if (engine_submit(h->engine, &rq, &run, &err))
        fail_msg("%s (%s)", err.msg, err.hint);
    return run;
}

static void refuses(struct house *h, const char *steps, const char *part, const char *hint)
{
    CLEANUP(freep) char *yaml = xasprintf("kind: pipeline\nname: demo\nsteps:\n%s", steps);
    struct run_request rq = {
        .project = "default", .who = "me", .file = "p.yaml", .yaml = str_from(yaml)};
    id run;
    struct err err = {0};
    assert_int_equal(engine_submit(h->engine, &rq, &run, &err), E_INVALID);
    if (!strstr(err.msg, part) || !strstr(err.hint, hint))
        fail_msg("'%s' / '%s'", err.msg, err.hint);
}

struct look {
    const char *run;
    json_t *json;
};

static int look(struct tx *tx, void *arg, struct err *err)
{
    struct look *l = arg;
    json_freep(&l->json);
    return run_get(tx, "default", l->run, &l->json, err);
}

static json_t *get(struct house *h, const id *run)
{
    struct look l = {.run = run->s};
    struct err err = {0};
    if (store_read(h->store, look, &l, &err))
        fail_msg("%s", err.msg);
    return l.json;
}

static json_t *await(struct house *h, const id *run)
{
    for (int i = 0;; i++, usleep(1000)) {
        json_t *j = get(h, run);
        if (strcmp(json_s(j, "status"), "running") != 0)
            return j;
        if (i > 20000) {
            CLEANUP(freep) char *text = json_text(json_object_get(j, "steps"));
            fail_msg("the run does not end: %s", text);
        }
        json_freep(&j);
    }
}

static const json_t *step_of(const json_t *run, const char *name)
{
    const json_t *step;
    size_t i;
    json_array_foreach (json_object_get(run, "steps"), i, step)
        if (strcmp(json_s(step, "name"), name) == 0)
            return step;
    fail_msg("no step %s", name);
    return NULL;
}

static void is(const json_t *o, const char *key, const char *value)
{
    assert_string_equal(json_s(o, key), value);
}

static void await_step(struct house *h, const id *run, const char *step, const char *status)
{
    for (;; usleep(1000)) {
        CLEANUP(json_freep) json_t *j = get(h, run);
        if (strcmp(json_s(step_of(j, step), "status"), status) == 0)
            return;
    }
}

/* --- runs --- */

static void a_chain_runs_to_its_end(void **state)
{
    struct house *h = *state;
    id run = submit(h, "  - {name: a, kind: run, command: [ok]}\n"
                       "  - {name: b, kind: run, command: [ok], after: a}\n"
                       "  - {name: c, kind: run, command: [ok], after: [a, b]}\n");
    CLEANUP(json_freep) json_t *j = await(h, &run);
    is(j, "status", "succeeded");
    is(j, "pipeline", "demo");
    is(j, "who", "me");
    assert_int_equal(json_i(j, "steps_done"), 3);
    assert_int_equal(json_i(j, "steps_total"), 3);
    assert_true(json_i(j, "ended_at") >= json_i(j, "created_at"));
    const json_t *c = step_of(j, "c");
    is(c, "status", "succeeded");
    assert_int_equal(json_array_size(json_object_get(c, "deps")), 2);
    assert_int_equal(json_array_size(json_object_get(c, "attempts")), 1);
    is(json_array_get(json_object_get(c, "attempts"), 0), "status", "succeeded");
}

static void failures_are_retried_told_and_contained(void **state)
{
    struct house *h = *state;
    id run = submit(h, "  - {name: shaky, kind: run, command: [fail-first],"
                       " retries: {count: 1, delay: 1ms}}\n"
                       "  - {name: lost, kind: run, command: [lost-first]}\n"
                       "  - {name: bad, kind: run, command: [fail]}\n"
                       "  - {name: crash, kind: run, command: [segv]}\n"
                       "  - {name: says, kind: run, command: [explain,"
                       " '{\"code\":\"invalid\",\"message\":\"no column x\",\"hint\":\"y?\"}']}\n"
                       "  - {name: after, kind: run, command: [ok], after: [bad, shaky]}\n"
                       "  - {name: other, kind: run, command: [ok], after: shaky}\n");
    CLEANUP(json_freep) json_t *j = await(h, &run);
    is(j, "status", "failed");
    is(step_of(j, "shaky"), "status", "succeeded");
    assert_int_equal(json_i(step_of(j, "shaky"), "attempt"), 2);
    assert_true(json_is_null(json_object_get(step_of(j, "shaky"), "error")));
    is(step_of(j, "lost"), "status", "succeeded");
    is(step_of(j, "bad"), "status", "failed");
    is(json_object_get(step_of(j, "bad"), "error"), "message", "the command ended with status 3");
    assert_non_null(
        strstr(json_s(json_object_get(step_of(j, "crash"), "error"), "message"), "signal 11"));
    is(json_object_get(step_of(j, "says"), "error"), "message", "no column x");
    is(step_of(j, "after"), "status", "skipped");
    is(step_of(j, "after"), "why", "bad failed");
    is(step_of(j, "other"), "status", "succeeded");
    assert_int_equal(json_i(j, "steps_done"), 7);
}

static void cancel_ends_it(void **state)
{
    struct house *h = *state;
    id run = submit(h, "  - {name: a, kind: run, command: [hang]}\n"
                       "  - {name: b, kind: run, command: [ok], after: a}\n");
    await_step(h, &run, "a", "running");
    struct err err = {0};
    assert_int_equal(engine_cancel(h->engine, "other", run.s, &err), E_NOTFOUND);
    assert_int_equal(engine_cancel(h->engine, "default", run.s, &err), 0);
    CLEANUP(json_freep) json_t *j = await(h, &run);
    is(j, "status", "cancelled");
    is(step_of(j, "a"), "status", "cancelled");
    is(step_of(j, "b"), "status", "cancelled");
    assert_int_equal(engine_cancel(h->engine, "default", run.s, &err), E_CONFLICT);
    assert_int_equal(engine_cancel(h->engine, "default", "nonsense", &err), E_NOTFOUND);
}

static void slots_are_kept_and_waiting_is_explained(void **state)
{
    struct house *h = *state;
    pthread_mutex_lock(&W.mutex);
    W.hold = true;
    pthread_mutex_unlock(&W.mutex);
    id run = submit(h, "  - {name: a, kind: run, command: [ok]}\n"
                       "  - {name: b, kind: run, command: [ok]}\n"
                       "  - {name: c, kind: run, command: [ok]}\n"
                       "  - {name: d, kind: run, command: [ok], after: [a, c]}\n");
    await_step(h, &run, "c", "queued");
    await_step(h, &run, "b", "running");
    CLEANUP(json_freep) json_t *before = get(h, &run);
    is(step_of(before, "c"), "why", "2 of 2 slots busy");
    is(step_of(before, "d"), "why", "waits for a, c");
    pthread_mutex_lock(&W.mutex);
    while (W.running < 2) /* a row says running before its process has been started */
        pthread_cond_wait(&W.wake, &W.mutex);
    W.hold = false;
    pthread_cond_broadcast(&W.wake);
    pthread_mutex_unlock(&W.mutex);
    CLEANUP(json_freep) json_t *j = await(h, &run);
    is(j, "status", "succeeded");
    assert_int_equal(W.most, 2);
}

/* --- outputs --- */

#define TABLE "default/scores"

static void put_table_file(struct house *h, const char *name)
{
    CLEANUP(freep) char *dir = data_table_dir(h->dir, "default", "scores");
    CLEANUP(freep) char *path = fs_join(dir, name);
    assert_int_equal(fs_mkdirs(dir, 0700, NULL), 0);
    assert_int_equal(fs_write_atomic(path, "0123456789", 10, 0600, NULL), 0);
}

#define RESULT                                                                                     \
    "{\"datasets\":[{\"name\":\"scores\",\"mode\":\"overwrite\",\"schema\":[{\"name\":\"x\","      \
    "\"type\":\"long\",\"nullable\":true}],\"files\":[{\"path\":\"one.parquet\",\"size\":10,"      \
    "\"rows\":3}],\"sample\":[],\"source\":\"test\"}],\"metrics\":{\"auc\":0.75,"                  \
    "\"curve\":[1,2,3]},\"params\":{\"rounds\":7},\"summary\":\"fine\"}"

static void outputs_become_visible_with_the_success(void **state)
{
    struct house *h = *state;
    put_table_file(h, "one.parquet");
    id run = submit(h, "  - {name: a, kind: run, command: [result, '" RESULT "'],"
                       " outputs: {scores: s.parquet}}\n"
                       "  - {name: b, kind: run, command: [ok], inputs: {s: scores}}\n");
    CLEANUP(json_freep) json_t *j = await(h, &run);
    const json_t *a = step_of(j, "a");
    is(j, "status", "succeeded");
    is(a, "summary", "fine");
    assert_true(json_number_value(json_object_get(json_object_get(a, "metrics"), "auc")) == 0.75);
    assert_true(json_number_value(json_object_get(json_object_get(a, "metrics"), "curve")) == 3);
    const json_t *output = json_array_get(json_object_get(a, "outputs"), 0);
    is(output, "type", "dataset");
    is(output, "name", "scores");
    assert_true(json_is_integer(json_object_get(output, "version")));
    CLEANUP(freep) char *dir = attempt_dir(h->dir, run.s, "b", 1);
    CLEANUP(json_freep) json_t *attempt = read_json(dir, "attempt.json");
    const json_t *pinned = json_object_get(json_object_get(attempt, "inputs"), "s");
    is(pinned, "name", "scores");
    assert_int_equal(json_i(pinned, "version"), json_i(output, "version"));
}

static int set_pages(struct tx *tx, void *arg, struct err *err)
{
    return tx_exec(tx, err, arg, "");
}

/* The rows of the table are there, their version is not: an attempt in place of this one would
 * append them again. */
static void a_full_disk_between_commit_and_row_repeats_nothing(void **state)
{
    struct house *h = *state;
    CLEANUP(freep) char *source = xcalloc(1, 300001);
    memset(source, 's', 300000); /* too long for the pages there are */
    CLEANUP(freep)
    char *result = xasprintf("{\"datasets\":[{\"name\":\"scores\",\"mode\":\"append\",\"schema\":["
                             "{\"name\":\"x\",\"type\":\"long\",\"nullable\":true}],\"files\":[{"
                             "\"path\":\"one.parquet\",\"size\":10,\"rows\":3}],\"sample\":[],"
                             "\"source\":\"%s\"}]}",
                             source);
    CLEANUP(freep)
    char *steps =
        xasprintf("  - {name: a, kind: run, command: [result, '%s'], outputs: {scores: s.parquet},"
                  " retries: {count: 1, delay: 1ms}}\n",
                  result);
    CLEANUP(freep) char *table = data_table_dir(h->dir, "default", "scores");
    CLEANUP(freep) char *first = xasprintf("%s/_delta_log/%020d.json", table, 0);
    CLEANUP(freep) char *second = xasprintf("%s/_delta_log/%020d.json", table, 1);
    struct err err = {0};
    put_table_file(h, "one.parquet");
    pthread_mutex_lock(&W.mutex);
    W.hold = true;
    pthread_mutex_unlock(&W.mutex);
    id run = submit(h, steps);
    await_step(h, &run, "a", "running");
    assert_int_equal(store_write(h->store, set_pages, "PRAGMA max_page_count = 1", &err), 0);
    pthread_mutex_lock(&W.mutex);
    W.hold = false;
    pthread_cond_broadcast(&W.wake);
    pthread_mutex_unlock(&W.mutex);
    while (!fs_exists(first))
        usleep(1000);
    usleep(3000000); /* longer than a passing moment is waited for */
    assert_int_equal(store_write(h->store, set_pages, "PRAGMA max_page_count = 1000000", &err), 0);
    CLEANUP(json_freep) json_t *j = await(h, &run);
    is(j, "status", "succeeded");
    assert_int_equal(json_i(step_of(j, "a"), "attempt"), 1);
    assert_false(fs_exists(second));
    CLEANUP(json_freep) json_t *snapshot = NULL;
    assert_int_equal(data_snapshot(h->dir, "default", "scores", -1, &snapshot, &err), 0);
    assert_int_equal(json_array_size(json_object_get(snapshot, "files")), 1);
}

static void a_result_that_cannot_be_read_is_no_success(void **state)
{
    struct house *h = *state;
    id run = submit(h, "  - {name: a, kind: run, command: [result, '{\"metrics\": {\"auc\"']}\n");
    CLEANUP(json_freep) json_t *j = await(h, &run);
    is(j, "status", "failed");
    assert_non_null(
        strstr(json_s(json_object_get(step_of(j, "a"), "error"), "message"), "result.json"));
}

static void what_a_step_makes_must_be_declared(void **state)
{
    struct house *h = *state;
    id run = submit(h, "  - {name: a, kind: run, command: [ok], outputs: {scores: s.parquet}}\n"
                       "  - {name: b, kind: run, command: [result, '" RESULT "']}\n");
    CLEANUP(json_freep) json_t *j = await(h, &run);
    assert_non_null(strstr(json_s(json_object_get(step_of(j, "a"), "error"), "message"),
                           "made no dataset 'scores'"));
    assert_non_null(
        strstr(json_s(json_object_get(step_of(j, "b"), "error"), "message"), "does not declare"));
}

static void what_does_not_exist_is_refused_at_once(void **state)
{
    struct house *h = *state;
    put_table_file(h, "one.parquet");
    id run = submit(h, "  - {name: a, kind: run, command: [result, '" RESULT "'],"
                       " outputs: {scores: s.parquet}}\n");
    json_t *j = await(h, &run);
    json_freep(&j);
    refuses(h, "  - {name: a, kind: run, command: [ok], inputs: [scroes]}\n", "p.yaml:4:50",
            "did you mean 'scores'?");
    refuses(h, "  - {name: a, kind: run, command: [ok], inputs: [scores@77]}\n", "version 77", "");
    refuses(h, "  - {name: a, kind: ingest, path: x.csv, dataset: y}\n", "'x.csv' was not uploaded",
            "blobs");
    refuses(h, "  - {name: a, kind: deploy, model: m, endpoint: e}\n", "p.yaml:4:36", "");
    refuses(h, "  - {name: a, kind: run, comand: [ok]}\n", "p.yaml:4:26", "command");
}

/* --- losing the server --- */

static void an_engine_goes_on_where_the_last_one_stopped(void **state)
{
    struct house *h = *state;
    pthread_mutex_lock(&W.mutex);
    W.hold = true;
    pthread_mutex_unlock(&W.mutex);
    id run = submit(h, "  - {name: a, kind: run, command: [ok]}\n"
                       "  - {name: b, kind: run, command: [ok]}\n"
                       "  - {name: c, kind: run, command: [ok], after: [a, b]}\n");
    await_step(h, &run, "b", "running");
    for (bool started = false; !started; usleep(1000)) {
        pthread_mutex_lock(&W.mutex);
        started = W.running == 2;
        pthread_mutex_unlock(&W.mutex);
    }
    close_house(h);
    CLEANUP(freep) char *a = attempt_dir(h->dir, run.s, "a", 1);
    CLEANUP(freep) char *b = attempt_dir(h->dir, run.s, "b", 1);
    struct fake *ended = map_get(W.attempts, str_from(a));
    ended->state = ATTEMPT_ENDED; /* while nobody looked */
    W.running--;
    fake_free(map_del(W.attempts, str_from(b))); /* as if its start had never happened */
    W.running--;
    W.hold = false;
    open_house(h);
    CLEANUP(json_freep) json_t *j = await(h, &run);
    is(j, "status", "succeeded");
    assert_int_equal(json_i(step_of(j, "a"), "attempt"), 1);
    assert_int_equal(ended->starts, 1);
    assert_int_equal(json_i(step_of(j, "b"), "attempt"), 2);
    assert_int_equal(json_i(step_of(j, "c"), "attempt"), 1);
}

/* Stops and starts at random moments; a finished step must never be started again. */
static void many_engines_finish_many_runs(void **state)
{
    struct house *h = *state;
    enum { RUNS = 20, CYCLES = 30 };
    id runs[RUNS];
    for (int i = 0; i < RUNS; i++)
        runs[i] = submit(h, "  - {name: a, kind: run, command: [ok]}\n"
                            "  - {name: b, kind: run, command: [fail-first],"
                            " retries: {count: 1, delay: 2ms}, after: a}\n"
                            "  - {name: c, kind: run, command: [ok], after: a}\n"
                            "  - {name: d, kind: run, command: [ok], after: [b, c]}\n");
    for (int i = 0; i < CYCLES; i++) {
        usleep((useconds_t)(rand() % 15000));
        close_house(h);
        open_house(h);
    }
    for (int i = 0; i < RUNS; i++) {
        CLEANUP(json_freep) json_t *j = await(h, &runs[i]);
        is(j, "status", "succeeded");
        assert_int_equal(json_i(step_of(j, "b"), "attempt") >= 2, 1);
    }
    size_t cursor = 0;
    str key;
    void *value;
    while (map_next(W.attempts, &cursor, &key, &value))
        assert_int_equal(((struct fake *)value)->starts, 1);
    assert_true(W.most <= h->slots);
}

/* Says how fast steps that do nothing go through the whole of it: rows, events, fsyncs. */
static void many_steps_at_once(void **state)
{
    struct house *h = *state;
    close_house(h);
    h->slots = 512;
    open_house(h);
    struct buf steps = BUF(1 << 20);
    enum { N = 4000 };
    for (int i = 0; i < N; i++)
        buf_printf(&steps, "  - {name: s%d, kind: run, command: [ok]}\n", i);
    int64_t begun = clock_mono_ns();
    id run = submit(h, buf_cstr(&steps));
    CLEANUP(json_freep) json_t *j = await(h, &run);
    double seconds = (double)(clock_mono_ns() - begun) / 1e9;
    is(j, "status", "succeeded");
    assert_true(W.most <= 512);
    print_message("%d steps in %.2f s: %.0f steps/s\n", N, seconds, N / seconds);
    buf_free(&steps);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_chain_runs_to_its_end, set_up, tear_down),
        cmocka_unit_test_setup_teardown(failures_are_retried_told_and_contained, set_up, tear_down),
        cmocka_unit_test_setup_teardown(cancel_ends_it, set_up, tear_down),
        cmocka_unit_test_setup_teardown(slots_are_kept_and_waiting_is_explained, set_up, tear_down),
        cmocka_unit_test_setup_teardown(outputs_become_visible_with_the_success, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_full_disk_between_commit_and_row_repeats_nothing, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(a_result_that_cannot_be_read_is_no_success, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(what_a_step_makes_must_be_declared, set_up, tear_down),
        cmocka_unit_test_setup_teardown(what_does_not_exist_is_refused_at_once, set_up, tear_down),
        cmocka_unit_test_setup_teardown(an_engine_goes_on_where_the_last_one_stopped, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(many_engines_finish_many_runs, set_up, tear_down),
        cmocka_unit_test_setup_teardown(many_steps_at_once, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
