/* SPDX-License-Identifier: Apache-2.0
 *
 * See scheduler.h. The graph of a run is kept as two flat arrays (whom a step waits for, who waits
 * for it), so a run of 100,000 steps is a handful of allocations. The queue may hold entries whose
 * step was cancelled meanwhile; they are dropped when their turn comes.
 */
#include "pipeline/scheduler.h"

#include <math.h>
#include <string.h>

struct node {
    struct sched_row row;
    struct sched_retry retry;
    uint32_t missing;         /* steps it waits for that have not succeeded */
    uint32_t first_dependent; /* into run.dependents; the next node's ends the list */
    uint64_t batch;           /* the batch in which `effect` is valid */
    size_t effect;            /* its EFFECT_ROW in that batch */
};

struct run {
    sched_run handle;
    struct node *nodes; /* n + 1: the last one only ends the list of dependents */
    uint32_t *dependents;
    uint32_t n, over;
    bool cancelled;
};

struct entry {
    sched_run run;
    uint32_t step;
    int64_t due; /* heap only */
};

struct sched {
    unsigned slots, running;
    VEC(struct run *) runs; /* by the low half of the handle; NULL = free */
    VEC(uint32_t) vacant;
    uint32_t generation;
    VEC(struct entry) queue; /* from head on */
    size_t head;
    VEC(struct entry) heap; /* retries that are not due yet, earliest first */
    VEC(uint32_t) stack;    /* of skip_dependents */
};

struct sched *sched_new(unsigned slots)
{
    struct sched *s = xcalloc(1, sizeof(*s));
    s->slots = slots;
    return s;
}

static void run_free(struct run *r)
{
    if (!r)
        return;
    free(r->nodes);
    free(r->dependents);
    free(r);
}

void sched_free(struct sched *s)
{
    if (!s)
        return;
    vec_each (&s->runs, r)
        run_free(*r);
    vec_free(&s->runs);
    vec_free(&s->vacant);
    vec_free(&s->queue);
    vec_free(&s->heap);
    vec_free(&s->stack);
    free(s);
}

/* --- effects --- */

void sched_effects_clear(struct sched_effects *fx)
{
    fx->list.n = 0;
    fx->batch++;
}

void sched_effects_free(struct sched_effects *fx)
{
    vec_free(&fx->list);
}

static void emit(struct sched_effects *fx, enum sched_effect_kind kind, const struct run *r,
                 uint32_t step)
{
    *vec_push(&fx->list) = (struct sched_effect){
        .kind = kind, .run = r->handle, .step = step, .row = r->nodes[step].row};
}

/* A step that changes twice in a batch is written once, as it is at the end. */
static void changed(struct sched_effects *fx, struct run *r, uint32_t step)
{
    struct node *n = &r->nodes[step];
    if (fx->batch && n->batch == fx->batch) {
        fx->list.p[n->effect].row = n->row;
        return;
    }
    n->batch = fx->batch;
    n->effect = fx->list.n;
    emit(fx, EFFECT_ROW, r, step);
}

/* --- runs and their handles --- */

static struct run *find(const struct sched *s, sched_run handle)
{
    uint32_t at = (uint32_t)handle;
    struct run *r = at < s->runs.n ? s->runs.p[at] : NULL;
    return r && r->handle == handle ? r : NULL;
}

static void insert(struct sched *s, struct run *r)
{
    if (!s->vacant.n) {
        *vec_push(&s->vacant) = (uint32_t)s->runs.n;
        *vec_push(&s->runs) = NULL;
    }
    uint32_t at = s->vacant.p[--s->vacant.n];
    s->runs.p[at] = r;
    r->handle = (sched_run)++s->generation << 32 | at;
}

static void forget(struct sched *s, struct run *r)
{
    uint32_t at = (uint32_t)r->handle;
    s->runs.p[at] = NULL;
    *vec_push(&s->vacant) = at;
    run_free(r);
}

static struct run *build(const struct sched_step_plan *steps, uint32_t n)
{
    struct run *r = xcalloc(1, sizeof(*r));
    r->n = n;
    r->nodes = xcalloc((size_t)n + 1, sizeof(*r->nodes));
    size_t edges = 0;
    for (uint32_t i = 0; i < n; i++) {
        r->nodes[i].retry = steps[i].retry;
        edges += steps[i].dep_count;
        for (uint32_t d = 0; d < steps[i].dep_count; d++)
            r->nodes[steps[i].deps[d] + 1].first_dependent++; /* counts, for now */
    }
    for (uint32_t i = 0; i < n; i++)
        r->nodes[i + 1].first_dependent += r->nodes[i].first_dependent;
    r->dependents = xcalloc(edges, sizeof(*r->dependents));
    CLEANUP(freep) uint32_t *filled = xcalloc(n, sizeof(*filled));
    for (uint32_t i = 0; i < n; i++)
        for (uint32_t d = 0; d < steps[i].dep_count; d++) {
            uint32_t on = steps[i].deps[d];
            r->dependents[r->nodes[on].first_dependent + filled[on]++] = i;
        }
    return r;
}

/* --- the queue and the retries --- */

static void enqueue(struct sched *s, sched_run run, uint32_t step)
{
    if (s->head > 1024 && s->head > s->queue.n / 2) {
        s->queue.n -= s->head;
        memmove(s->queue.p, s->queue.p + s->head, s->queue.n * sizeof(*s->queue.p));
        s->head = 0;
    }
    *vec_push(&s->queue) = (struct entry){run, step, 0};
}

static void heap_push(struct sched *s, struct entry e)
{
    *vec_push(&s->heap) = e;
    struct entry *h = s->heap.p;
    size_t at = s->heap.n - 1;
    for (; at && h[(at - 1) / 2].due > e.due; at = (at - 1) / 2)
        h[at] = h[(at - 1) / 2];
    h[at] = e;
}

static struct entry heap_pop(struct sched *s)
{
    struct entry *h = s->heap.p, top = h[0], last = h[--s->heap.n];
    size_t at = 0, n = s->heap.n;
    for (size_t child = 1; child < n; child = 2 * at + 1) {
        if (child + 1 < n && h[child + 1].due < h[child].due)
            child++;
        if (h[child].due >= last.due)
            break;
        h[at] = h[child];
        at = child;
    }
    h[at] = last;
    return top;
}

int64_t sched_next(const struct sched *s)
{
    return s->heap.n ? s->heap.p[0].due : INT64_MAX;
}

/* --- states of steps --- */

static void set(struct run *r, uint32_t step, enum step_status status, struct sched_effects *fx)
{
    struct sched_row *row = &r->nodes[step].row;
    if (!step_over(row->status) && step_over(status))
        r->over++;
    row->status = status;
    if (status != STEP_QUEUED)
        row->retry_at = 0;
    changed(fx, r, step);
}

static void make_ready(struct sched *s, struct run *r, uint32_t step, int64_t at,
                       struct sched_effects *fx)
{
    r->nodes[step].row.retry_at = at;
    set(r, step, STEP_QUEUED, fx);
    if (at)
        heap_push(s, (struct entry){r->handle, step, at});
    else
        enqueue(s, r->handle, step);
}

static void release_dependents(struct sched *s, struct run *r, uint32_t step,
                               struct sched_effects *fx)
{
    for (uint32_t i = r->nodes[step].first_dependent; i < r->nodes[step + 1].first_dependent; i++) {
        uint32_t next = r->dependents[i];
        if (--r->nodes[next].missing == 0 && r->nodes[next].row.status == STEP_WAITING)
            make_ready(s, r, next, 0, fx);
    }
}

static void skip_dependents(struct sched *s, struct run *r, uint32_t step, struct sched_effects *fx)
{
    *vec_push(&s->stack) = step;
    while (s->stack.n) {
        step = s->stack.p[--s->stack.n];
        for (uint32_t i = r->nodes[step].first_dependent; i < r->nodes[step + 1].first_dependent;
             i++) {
            uint32_t next = r->dependents[i];
            if (r->nodes[next].row.status != STEP_WAITING)
                continue;
            set(r, next, STEP_SKIPPED, fx);
            *vec_push(&s->stack) = next;
        }
    }
}

static enum run_status verdict(const struct run *r)
{
    enum run_status status = RUN_SUCCEEDED;
    for (uint32_t i = 0; i < r->n; i++) {
        if (r->nodes[i].row.status == STEP_CANCELLED)
            return RUN_CANCELLED;
        if (r->nodes[i].row.status == STEP_FAILED)
            status = RUN_FAILED;
    }
    return status;
}

static void end_if_over(struct sched *s, struct run *r, struct sched_effects *fx)
{
    if (r->over < r->n)
        return;
    *vec_push(&fx->list) =
        (struct sched_effect){.kind = EFFECT_RUN, .run = r->handle, .status = verdict(r)};
    forget(s, r);
}

/* --- events --- */

static void cancel_steps(struct run *r, struct sched_effects *fx)
{
    r->cancelled = true;
    for (uint32_t i = 0; i < r->n; i++) {
        if (r->nodes[i].row.status == STEP_RUNNING)
            emit(fx, EFFECT_STOP, r, i);
        else if (!step_over(r->nodes[i].row.status))
            set(r, i, STEP_CANCELLED, fx);
    }
}

/* Brings a run whose rows are of any moment to where the events already in them lead. */
static void settle(struct sched *s, struct run *r, struct sched_effects *fx)
{
    for (uint32_t i = 0; i < r->n; i++) {
        const struct sched_row *row = &r->nodes[i].row;
        if (row->status == STEP_WAITING && !r->nodes[i].missing)
            make_ready(s, r, i, 0, fx);
        else if (row->status == STEP_QUEUED && row->retry_at)
            heap_push(s, (struct entry){r->handle, i, row->retry_at});
        else if (row->status == STEP_QUEUED)
            enqueue(s, r->handle, i);
    }
    for (uint32_t i = 0; i < r->n; i++)
        if (r->nodes[i].row.status == STEP_FAILED || r->nodes[i].row.status == STEP_SKIPPED)
            skip_dependents(s, r, i, fx);
    end_if_over(s, r, fx);
}

static void adopt_rows(struct sched *s, struct run *r, const struct sched_step_plan *steps,
                       const struct sched_row *rows)
{
    for (uint32_t i = 0; i < r->n; i++) {
        r->nodes[i].row = rows[i];
        r->over += step_over(rows[i].status);
        s->running += rows[i].status == STEP_RUNNING;
        for (uint32_t d = 0; d < steps[i].dep_count; d++)
            r->nodes[i].missing += rows[steps[i].deps[d]].status != STEP_SUCCEEDED;
    }
}

sched_run sched_restore(struct sched *s, const struct sched_step_plan *steps, uint32_t n,
                        const struct sched_row *rows, bool cancelled, struct sched_effects *fx)
{
    struct run *r = build(steps, n);
    adopt_rows(s, r, steps, rows);
    insert(s, r);
    sched_run handle = r->handle;
    if (cancelled)
        cancel_steps(r, fx);
    settle(s, r, fx);
    return handle;
}

sched_run sched_submit(struct sched *s, const struct sched_step_plan *steps, uint32_t n,
                       struct sched_effects *fx)
{
    CLEANUP(freep) struct sched_row *rows = xcalloc(n, sizeof(*rows));
    return sched_restore(s, steps, n, rows, false, fx);
}

static int64_t delay(const struct sched_retry *retry, uint32_t failures)
{
    double ms = (double)retry->delay_ms * pow(retry->factor, failures - 1);
    return ms < SCHED_DELAY_MAX_MS ? (int64_t)ms : SCHED_DELAY_MAX_MS;
}

static void not_ok(struct sched *s, struct run *r, uint32_t step, enum attempt_outcome outcome,
                   int64_t now, struct sched_effects *fx)
{
    struct node *n = &r->nodes[step];
    if (r->cancelled) {
        set(r, step, STEP_CANCELLED, fx);
        return;
    }
    if (outcome == OUTCOME_NEVER || (outcome == OUTCOME_LOST && n->row.lost++ < SCHED_LOST_MAX)) {
        make_ready(s, r, step, 0, fx);
        return;
    }
    n->row.failures++;
    if (n->row.failures <= n->retry.count) {
        int64_t wait = delay(&n->retry, n->row.failures);
        make_ready(s, r, step, wait ? now + wait : 0, fx);
        return;
    }
    set(r, step, STEP_FAILED, fx);
    skip_dependents(s, r, step, fx);
}

void sched_ended(struct sched *s, sched_run run, uint32_t step, uint32_t attempt,
                 enum attempt_outcome outcome, int64_t now, struct sched_effects *fx)
{
    struct run *r = find(s, run);
    if (!r || step >= r->n || r->nodes[step].row.status != STEP_RUNNING ||
        r->nodes[step].row.attempt != attempt)
        return;
    s->running--;
    if (outcome == OUTCOME_OK) {
        set(r, step, STEP_SUCCEEDED, fx);
        release_dependents(s, r, step, fx);
    } else {
        not_ok(s, r, step, outcome, now, fx);
    }
    end_if_over(s, r, fx);
}

void sched_cancel(struct sched *s, sched_run run, struct sched_effects *fx)
{
    struct run *r = find(s, run);
    if (!r || r->cancelled)
        return;
    cancel_steps(r, fx);
    end_if_over(s, r, fx);
}

static void start(struct sched *s, struct entry e, struct sched_effects *fx)
{
    struct run *r = find(s, e.run);
    if (!r || r->nodes[e.step].row.status != STEP_QUEUED)
        return; /* cancelled while it waited */
    s->running++;
    r->nodes[e.step].row.attempt++;
    set(r, e.step, STEP_RUNNING, fx);
    emit(fx, EFFECT_START, r, e.step);
}

void sched_dispatch(struct sched *s, int64_t now, struct sched_effects *fx)
{
    while (s->heap.n && s->heap.p[0].due <= now) {
        struct entry e = heap_pop(s);
        enqueue(s, e.run, e.step);
    }
    while (s->running < s->slots && s->head < s->queue.n)
        start(s, s->queue.p[s->head++], fx);
    if (s->head == s->queue.n)
        s->head = s->queue.n = 0;
}

/* --- looking at it --- */

const struct sched_row *sched_row(const struct sched *s, sched_run run, uint32_t step)
{
    const struct run *r = find(s, run);
    return r && step < r->n ? &r->nodes[step].row : NULL;
}

unsigned sched_running(const struct sched *s)
{
    return s->running;
}

static size_t entries_of(const struct sched *s, sched_run run, uint32_t step)
{
    size_t found = 0;
    for (size_t i = s->head; i < s->queue.n; i++)
        found += s->queue.p[i].run == run && s->queue.p[i].step == step;
    for (size_t i = 0; i < s->heap.n; i++)
        found += s->heap.p[i].run == run && s->heap.p[i].step == step;
    return found;
}

static const char *check_run(const struct sched *s, const struct run *r, unsigned *running)
{
    CLEANUP(freep) uint32_t *missing = xcalloc(r->n, sizeof(*missing));
    uint32_t over = 0;
    for (uint32_t i = 0; i < r->n; i++) {
        over += step_over(r->nodes[i].row.status);
        *running += r->nodes[i].row.status == STEP_RUNNING;
        if (r->nodes[i].row.status == STEP_SUCCEEDED)
            continue;
        for (uint32_t d = r->nodes[i].first_dependent; d < r->nodes[i + 1].first_dependent; d++)
            missing[r->dependents[d]]++;
    }
    if (over != r->over || over == r->n)
        return "steps that are over";
    for (uint32_t i = 0; i < r->n; i++) {
        enum step_status status = r->nodes[i].row.status;
        if (missing[i] != r->nodes[i].missing)
            return "inputs a step waits for";
        if (status == STEP_WAITING && !missing[i])
            return "a step that waits for nothing";
        if (status == STEP_QUEUED && entries_of(s, r->handle, i) != 1)
            return "a queued step's place in the queue";
    }
    return NULL;
}

const char *sched_check(const struct sched *s)
{
    unsigned running = 0;
    for (size_t i = 0; i < s->runs.n; i++) {
        const char *wrong = s->runs.p[i] ? check_run(s, s->runs.p[i], &running) : NULL;
        if (wrong)
            return wrong;
    }
    return running != s->running ? "running steps" : NULL;
}

bool step_over(enum step_status status)
{
    return status >= STEP_SUCCEEDED;
}

static const char *const step_names[] = {
    [STEP_WAITING] = "waiting",     [STEP_QUEUED] = "queued", [STEP_RUNNING] = "running",
    [STEP_SUCCEEDED] = "succeeded", [STEP_FAILED] = "failed", [STEP_CANCELLED] = "cancelled",
    [STEP_SKIPPED] = "skipped",
};

const char *step_status_name(enum step_status status)
{
    return step_names[status];
}

bool step_status_parse(const char *name, enum step_status *ret)
{
    for (size_t i = 0; i < LENGTH(step_names); i++)
        if (strcmp(step_names[i], name) == 0) {
            *ret = (enum step_status)i;
            return true;
        }
    return false;
}

const char *run_status_name(enum run_status status)
{
    static const char *const names[] = {[RUN_RUNNING] = "running",
                                        [RUN_SUCCEEDED] = "succeeded",
                                        [RUN_FAILED] = "failed",
                                        [RUN_CANCELLED] = "cancelled"};
    return names[status];
}
