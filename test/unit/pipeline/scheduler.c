/* SPDX-License-Identifier: Apache-2.0
 *
 * The scheduler alone, and in a simulated world: a disk that keeps what was committed, processes
 * that outlive the server, and a server that crashes between any two moves. A history is a seed; a
 * failing one is replayed with  TENON_SEED=n TENON_HISTORIES=1.
 */
#include "pipeline/scheduler.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

/* --- single moves --- */

static const struct sched_effect *effect(const struct sched_effects *fx, enum sched_effect_kind k,
                                         uint32_t step)
{
    for (const struct sched_effect *e = fx->list.p; e < fx->list.p + fx->list.n; e++)
        if (e->kind == k && (k == EFFECT_RUN || e->step == step))
            return e;
    return NULL;
}

/* load → clean → train → report, and load → stats */
static const uint32_t on_load[] = {0}, on_clean[] = {1}, on_train[] = {2};
static const struct sched_step_plan diamond[] = {
    {.deps = NULL, .dep_count = 0, .retry = {2, 1000, 2}},
    {.deps = on_load, .dep_count = 1, .retry = {0, 0, 1}},
    {.deps = on_clean, .dep_count = 1, .retry = {0, 0, 1}},
    {.deps = on_train, .dep_count = 1, .retry = {0, 0, 1}},
    {.deps = on_load, .dep_count = 1, .retry = {0, 0, 1}},
};

static enum step_status status_of(struct sched *s, sched_run r, uint32_t step)
{
    return sched_row(s, r, step)->status;
}

static void next(struct sched *s, struct sched_effects *fx)
{
    assert_null(sched_check(s));
    sched_effects_clear(fx);
}

static void starts_what_is_ready(void **state)
{
    (void)state;
    struct sched *s = sched_new(2);
    struct sched_effects fx = {0};
    sched_effects_clear(&fx);
    sched_run r = sched_submit(s, diamond, 5, &fx);
    sched_dispatch(s, 0, &fx);
    assert_non_null(effect(&fx, EFFECT_START, 0));
    assert_null(effect(&fx, EFFECT_START, 1));
    assert_int_equal(effect(&fx, EFFECT_ROW, 0)->row.attempt, 1);
    next(s, &fx);
    sched_ended(s, r, 0, 1, OUTCOME_OK, 10, &fx);
    sched_dispatch(s, 10, &fx);
    assert_non_null(effect(&fx, EFFECT_START, 1));
    assert_non_null(effect(&fx, EFFECT_START, 4));
    assert_int_equal(sched_running(s), 2);
    next(s, &fx);
    sched_ended(s, r, 0, 1, OUTCOME_FAILED, 11, &fx); /* reported again: too late */
    assert_int_equal(fx.list.n, 0);
    sched_effects_free(&fx);
    sched_free(s);
}

static void retries_wait_and_then_give_up(void **state)
{
    (void)state;
    struct sched *s = sched_new(2);
    struct sched_effects fx = {0};
    sched_effects_clear(&fx);
    sched_run r = sched_submit(s, diamond, 5, &fx);
    sched_dispatch(s, 0, &fx);
    sched_ended(s, r, 0, 1, OUTCOME_FAILED, 100, &fx);
    assert_int_equal(sched_next(s), 1100);
    sched_dispatch(s, 1099, &fx);
    assert_int_equal(status_of(s, r, 0), STEP_QUEUED);
    sched_dispatch(s, 1100, &fx);
    assert_int_equal(sched_row(s, r, 0)->attempt, 2);
    sched_ended(s, r, 0, 2, OUTCOME_LOST, 1200, &fx); /* free */
    sched_dispatch(s, 1200, &fx);
    assert_int_equal(sched_row(s, r, 0)->failures, 1);
    sched_ended(s, r, 0, 3, OUTCOME_FAILED, 2000, &fx);
    assert_int_equal(sched_next(s), 4000); /* the delay doubled */
    sched_dispatch(s, 4000, &fx);
    next(s, &fx);
    sched_ended(s, r, 0, 4, OUTCOME_FAILED, 5000, &fx);
    assert_int_equal(effect(&fx, EFFECT_ROW, 0)->row.status, STEP_FAILED);
    for (uint32_t i = 1; i < 5; i++)
        assert_int_equal(effect(&fx, EFFECT_ROW, i)->row.status, STEP_SKIPPED);
    assert_int_equal(effect(&fx, EFFECT_RUN, 0)->status, RUN_FAILED);
    assert_null(sched_row(s, r, 0));
    sched_effects_free(&fx);
    sched_free(s);
}

static void other_branches_go_on(void **state)
{
    (void)state;
    struct sched *s = sched_new(2);
    struct sched_effects fx = {0};
    sched_effects_clear(&fx);
    sched_run r = sched_submit(s, diamond, 5, &fx);
    sched_dispatch(s, 0, &fx);
    sched_ended(s, r, 0, 1, OUTCOME_OK, 1, &fx);
    sched_dispatch(s, 1, &fx);
    sched_ended(s, r, 1, 1, OUTCOME_FAILED, 2, &fx);
    assert_int_equal(status_of(s, r, 3), STEP_SKIPPED);
    assert_int_equal(status_of(s, r, 4), STEP_RUNNING);
    sched_ended(s, r, 4, 1, OUTCOME_OK, 3, &fx);
    assert_int_equal(effect(&fx, EFFECT_RUN, 0)->status, RUN_FAILED);
    sched_effects_free(&fx);
    sched_free(s);
}

static void cancel_stops_and_waits_for_the_running(void **state)
{
    (void)state;
    struct sched *s = sched_new(1);
    struct sched_effects fx = {0};
    sched_effects_clear(&fx);
    sched_run a = sched_submit(s, diamond, 5, &fx), b = sched_submit(s, diamond, 5, &fx);
    sched_dispatch(s, 0, &fx);
    next(s, &fx);
    sched_cancel(s, b, &fx); /* only queued: ends at once */
    assert_int_equal(effect(&fx, EFFECT_RUN, 0)->status, RUN_CANCELLED);
    next(s, &fx);
    sched_cancel(s, a, &fx);
    assert_non_null(effect(&fx, EFFECT_STOP, 0));
    assert_null(effect(&fx, EFFECT_RUN, 0));
    next(s, &fx);
    sched_ended(s, a, 0, 1, OUTCOME_FAILED, 1, &fx);
    assert_int_equal(effect(&fx, EFFECT_ROW, 0)->row.status, STEP_CANCELLED);
    assert_int_equal(effect(&fx, EFFECT_RUN, 0)->status, RUN_CANCELLED);
    sched_dispatch(s, 1, &fx);
    assert_int_equal(sched_running(s), 0);
    sched_effects_free(&fx);
    sched_free(s);
}

/* --- a world --- */

enum { SLOTS = 3, RUNS = 6, STEPS = 8 };

struct process {
    bool exists, ended, told_to_stop;
    enum attempt_outcome outcome;
    uint32_t attempt;
};

struct disk_run {
    bool exists, cancelled;
    enum run_status status;
    uint32_t n;
    struct sched_step_plan plan[STEPS];
    uint32_t deps[STEPS][STEPS];
    struct sched_row rows[STEPS];
    unsigned successes[STEPS], executions[STEPS], given_up[STEPS];
    sched_run handle; /* of the living server */
};

struct world {
    uint64_t seed, moves, crashes, starts;
    int64_t now;
    struct disk_run runs[RUNS];
    struct process processes[RUNS][STEPS];
    struct sched *server;
    struct sched_effects fx;
    bool finishing; /* nothing breaks any more: everything must come to an end */
};

static uint32_t dice(struct world *w, uint32_t n)
{
    w->seed = w->seed * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)(w->seed >> 33) % n;
}

static bool crashes(struct world *w)
{
    bool yes = !w->finishing && dice(w, 12) == 0;
    w->crashes += yes;
    return yes;
}

static struct disk_run *run_of(struct world *w, sched_run handle)
{
    for (int i = 0; i < RUNS; i++)
        if (w->runs[i].exists && w->runs[i].handle == handle)
            return &w->runs[i];
    fail_msg("an effect for a run that is not there");
    return NULL;
}

static void expect(struct world *w, bool holds, const char *what)
{
    if (!holds)
        fail_msg("%s (move %llu)", what, (unsigned long long)w->moves);
}

static void commit(struct world *w)
{
    vec_each (&w->fx.list, e) {
        if (e->kind != EFFECT_ROW && e->kind != EFFECT_RUN)
            continue;
        struct disk_run *r = run_of(w, e->run);
        if (e->kind == EFFECT_RUN) {
            expect(w, r->status == RUN_RUNNING, "a run ended twice");
            r->status = e->status;
            continue;
        }
        expect(w, r->rows[e->step].status != STEP_SUCCEEDED || e->row.status == STEP_SUCCEEDED,
               "a success was taken back");
        if (e->row.status == STEP_SUCCEEDED && r->rows[e->step].status != STEP_SUCCEEDED)
            r->successes[e->step]++;
        r->rows[e->step] = e->row;
    }
    unsigned running = 0;
    for (int i = 0; i < RUNS; i++)
        for (uint32_t k = 0; k < w->runs[i].n; k++)
            running += w->runs[i].rows[k].status == STEP_RUNNING;
    expect(w, running <= SLOTS, "more steps run than there are slots");
}

static void start_process(struct world *w, const struct sched_effect *e)
{
    struct disk_run *r = run_of(w, e->run);
    struct process *p = &w->processes[r - w->runs][e->step];
    expect(w, !p->exists || p->ended, "a step runs twice at the same time");
    expect(w, r->successes[e->step] == 0, "a finished step is run again");
    for (uint32_t d = 0; d < r->plan[e->step].dep_count; d++)
        expect(w, r->rows[r->deps[e->step][d]].status == STEP_SUCCEEDED, "an input is missing");
    r->executions[e->step]++;
    w->starts++;
    *p = (struct process){.exists = true, .attempt = e->row.attempt};
}

/* Commit, then the moves, with a crash possible before each. False if the server is dead. */
static bool carry_out(struct world *w)
{
    if (crashes(w))
        return false;
    commit(w);
    vec_each (&w->fx.list, e) {
        if (e->kind != EFFECT_START && e->kind != EFFECT_STOP)
            continue;
        if (crashes(w))
            return false;
        if (e->kind == EFFECT_START)
            start_process(w, e);
        else
            w->processes[run_of(w, e->run) - w->runs][e->step].told_to_stop = true;
    }
    const char *wrong = sched_check(w->server);
    expect(w, !wrong, wrong ? wrong : "");
    return true;
}

static void begin(struct world *w)
{
    sched_effects_clear(&w->fx);
}

static bool finish_batch(struct world *w)
{
    sched_dispatch(w->server, w->now, &w->fx);
    return carry_out(w);
}

/* What engine.c does with an exit: successes may be committed before the scheduler hears of them.
 */
static bool report(struct world *w, struct disk_run *r, uint32_t step, uint32_t attempt,
                   enum attempt_outcome outcome)
{
    if (outcome == OUTCOME_OK && dice(w, 2)) {
        if (r->rows[step].status == STEP_RUNNING)
            r->successes[step]++;
        r->rows[step].status = STEP_SUCCEEDED;
        if (crashes(w))
            return false;
    }
    if (outcome == OUTCOME_FAILED || outcome == OUTCOME_LOST)
        r->given_up[step]++;
    begin(w);
    sched_ended(w->server, r->handle, step, attempt, outcome, w->now, &w->fx);
    bool alive = finish_batch(w);
    if (!alive && (outcome == OUTCOME_FAILED || outcome == OUTCOME_LOST) &&
        r->rows[step].status == STEP_RUNNING && r->rows[step].attempt == attempt)
        r->given_up[step]--; /* it was not committed: it will be reported again */
    return alive;
}

static bool adopt(struct world *w, struct disk_run *r, uint32_t step)
{
    struct process *p = &w->processes[r - w->runs][step];
    uint32_t attempt = r->rows[step].attempt;
    if (!p->exists || p->attempt != attempt)
        return report(w, r, step, attempt, OUTCOME_NEVER);
    if (p->ended)
        return report(w, r, step, attempt, p->outcome);
    return true;
}

static bool restart(struct world *w)
{
    sched_free(w->server);
    w->server = sched_new(SLOTS);
    bool was_running[RUNS][STEPS] = {{0}};
    begin(w);
    for (int i = 0; i < RUNS; i++) {
        struct disk_run *r = &w->runs[i];
        r->handle = 0;
        for (uint32_t k = 0; k < r->n; k++)
            was_running[i][k] = r->rows[k].status == STEP_RUNNING;
        if (r->exists && r->status == RUN_RUNNING)
            r->handle = sched_restore(w->server, r->plan, r->n, r->rows, r->cancelled, &w->fx);
    }
    if (!carry_out(w))
        return false;
    for (int i = 0; i < RUNS; i++)
        for (uint32_t k = 0; k < w->runs[i].n; k++)
            if (w->runs[i].exists && was_running[i][k] && !adopt(w, &w->runs[i], k))
                return false;
    begin(w);
    return finish_batch(w);
}

static bool submit(struct world *w)
{
    struct disk_run *r = NULL;
    for (int i = 0; i < RUNS && !r; i++)
        if (!w->runs[i].exists || w->runs[i].status != RUN_RUNNING)
            r = &w->runs[i];
    if (!r)
        return true;
    memset(w->processes[r - w->runs], 0, sizeof(w->processes[0]));
    memset(r, 0, sizeof(*r));
    r->exists = true;
    r->n = 1 + dice(w, STEPS);
    for (uint32_t i = 0; i < r->n; i++) {
        uint32_t count = 0;
        for (uint32_t d = 0; d < i; d++)
            if (dice(w, 3) == 0)
                r->deps[i][count++] = d;
        r->plan[i] = (struct sched_step_plan){
            .deps = r->deps[i], .dep_count = count, .retry = {dice(w, 3), dice(w, 50), 2}};
    }
    if (crashes(w))
        return false;
    begin(w);
    r->handle = sched_submit(w->server, r->plan, r->n, &w->fx);
    return finish_batch(w);
}

static bool end_process(struct world *w)
{
    uint32_t i = dice(w, RUNS), k = dice(w, STEPS);
    struct process *p = &w->processes[i][k];
    if (!p->exists || p->ended)
        return true;
    p->ended = true;
    uint32_t luck = dice(w, 10);
    p->outcome = p->told_to_stop || luck == 0 ? OUTCOME_FAILED
                 : luck == 1                  ? OUTCOME_LOST
                                              : OUTCOME_OK;
    if (crashes(w))
        return false;
    return report(w, &w->runs[i], k, p->attempt, p->outcome);
}

static bool cancel(struct world *w)
{
    struct disk_run *r = &w->runs[dice(w, RUNS)];
    if (!r->exists || r->status != RUN_RUNNING)
        return true;
    r->cancelled = true;
    if (crashes(w))
        return false;
    begin(w);
    sched_cancel(w->server, r->handle, &w->fx);
    return finish_batch(w);
}

static bool pass_time(struct world *w)
{
    w->now += 1 + dice(w, 40);
    begin(w);
    return finish_batch(w);
}

static bool move(struct world *w)
{
    w->moves++;
    switch (dice(w, 8)) {
    case 0:
        return w->finishing ? true : submit(w);
    case 1:
        return dice(w, 10) || w->finishing ? true : cancel(w);
    case 2:
        return pass_time(w);
    default:
        return end_process(w);
    }
}

static void check_end(struct world *w, const struct disk_run *r)
{
    bool failed = false, cancelled = false;
    for (uint32_t i = 0; i < r->n; i++) {
        expect(w, step_over(r->rows[i].status), "a step of an ended run is not over");
        failed |= r->rows[i].status == STEP_FAILED;
        cancelled |= r->rows[i].status == STEP_CANCELLED;
        expect(w, (r->rows[i].status == STEP_SUCCEEDED) == (r->successes[i] == 1),
               "successes do not match the row");
        expect(w, r->given_up[i] <= r->plan[i].retry.count + 1 + SCHED_LOST_MAX,
               "more attempts failed than retries allow");
        bool skipped = false;
        for (uint32_t d = 0; d < r->plan[i].dep_count; d++)
            skipped |= r->rows[r->deps[i][d]].status != STEP_SUCCEEDED;
        if (skipped)
            expect(w, r->executions[i] == 0, "a step ran though its input failed");
        expect(w, r->rows[i].status != STEP_SKIPPED || skipped, "a step was skipped for nothing");
    }
    expect(w,
           r->status == (cancelled ? RUN_CANCELLED
                         : failed  ? RUN_FAILED
                                   : RUN_SUCCEEDED),
           "the run's end does not follow from its steps");
}

static void history(uint64_t seed, struct world *w)
{
    memset(w, 0, sizeof(*w));
    w->seed = seed * 2654435761u + 1;
    w->server = sched_new(SLOTS);
    bool alive = true;
    for (int i = 0; i < 400; i++)
        alive = alive ? move(w) : restart(w);
    w->finishing = true;
    if (!alive)
        assert_true(restart(w));
    for (int i = 0; i < 20000; i++)
        move(w);
    for (int i = 0; i < RUNS; i++)
        if (w->runs[i].exists) {
            expect(w, w->runs[i].status != RUN_RUNNING, "a run never ended");
            check_end(w, &w->runs[i]);
        }
    expect(w, sched_running(w->server) == 0, "a slot leaked");
    sched_free(w->server);
    sched_effects_free(&w->fx);
}

static long setting(const char *name, long otherwise)
{
    const char *text = getenv(name);
    return text ? atol(text) : otherwise;
}

static void every_history_ends_well(void **state)
{
    (void)state;
    static struct world w;
    uint64_t moves = 0, crash_count = 0, starts = 0;
    long seed = setting("TENON_SEED", 1), n = setting("TENON_HISTORIES", 300);
    for (long i = seed; i < seed + n; i++) {
        history((uint64_t)i, &w);
        moves += w.moves;
        crash_count += w.crashes;
        starts += w.starts;
    }
    print_message("%ld histories: %llu moves, %llu crashes, %llu steps started\n", n,
                  (unsigned long long)moves, (unsigned long long)crash_count,
                  (unsigned long long)starts);
    assert_true(crash_count > (uint64_t)n && starts > (uint64_t)n);
}

/* 100,000 steps in one run, fanning out and in: what an event costs must not grow with the run. */
static void a_very_large_run(void **state)
{
    (void)state;
    enum { N = 100000 };
    struct sched_step_plan *plan = calloc(N, sizeof(*plan));
    uint32_t *all = calloc(N, sizeof(*all)), first = 0;
    for (uint32_t i = 1; i < N; i++) {
        plan[i] = (struct sched_step_plan){.deps = &first, .dep_count = 1};
        all[i - 1] = i - 1;
    }
    plan[N - 1] = (struct sched_step_plan){.deps = all, .dep_count = N - 1};
    struct sched *s = sched_new(64);
    struct sched_effects fx = {0};
    sched_effects_clear(&fx);
    sched_run r = sched_submit(s, plan, N, &fx);
    uint32_t ended = 0;
    bool over = false;
    while (!over) {
        sched_dispatch(s, 0, &fx);
        VEC(uint32_t) started = {0};
        vec_each (&fx.list, e) {
            over |= e->kind == EFFECT_RUN;
            if (e->kind == EFFECT_START)
                *vec_push(&started) = e->step;
        }
        sched_effects_clear(&fx);
        vec_each (&started, step)
            sched_ended(s, r, *step, 1, OUTCOME_OK, 0, &fx);
        ended += (uint32_t)started.n;
        vec_free(&started);
    }
    assert_int_equal(ended, N);
    sched_effects_free(&fx);
    sched_free(s);
    free(plan);
    free(all);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(starts_what_is_ready),
        cmocka_unit_test(retries_wait_and_then_give_up),
        cmocka_unit_test(other_branches_go_on),
        cmocka_unit_test(cancel_stops_and_waits_for_the_running),
        cmocka_unit_test(every_history_ends_well),
        cmocka_unit_test(a_very_large_run),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
