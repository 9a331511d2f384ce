/* SPDX-License-Identifier: Apache-2.0
 *
 * Tick batching: the requests for one model on one loop become batches. Loop thread, but for run().
 *
 *   take ──> open turn ──(end of the loop's turn)──> run here, or on an instance thread ──> answers
 *
 * A turn is a batch being filled and the requests in it. A cheap model's turn runs on the loop at
 * the end of the same loop turn. Another's is handed to the instance threads, at most FLYING_MAX
 * per lane at once; while those are busy the open turn simply gathers more requests, which is
 * dynamic batching without a delay to configure. What waits is bounded: beyond it a request is told
 * to come back (E_BUSY). Requests of a model that is not by rows get a turn each.
 *
 * A run that fails is no one's fault until proven: its requests are read again and run alone, so
 * one bad row fails one request.
 *
 * The lane is part of its model. Whoever may call into the lane later (a deferred tick, a flying
 * turn) holds a reference, so a model that an endpoint has left lives until its last answer.
 */
#include "serve/serve_int.h"

#include "sys/clock.h"
#include "sys/pool.h"

enum {
    TURN_ROWS_MAX = 256,     /* a turn with as many is closed; one request may bring more */
    KEEP_ROWS_MAX = 4096,    /* the columns of a larger turn are given back */
    SPARE_MAX = 4,           /* idle turns kept for the next requests */
    FLYING_MAX = 2,          /* one runs while the next is being picked up */
    WAITING_MAX = 1024,      /* requests in turns that do not fly yet */
    INLINE_NS = 1000 * 1000, /* a loop's callback stays under it */
};

struct pending {
    struct request *rq;
    struct ask ask;
};

struct turn {
    struct turn *next;
    struct lane *lane;
    struct batch *batch;
    VEC(struct pending) asks;
    int64_t rows, began;
    const struct tensor *outputs;
    int rc;
    struct err err;
};

struct lane {
    struct model *m;
    struct loop *loop;
    struct turn *open;
    struct turn *first, *last; /* closed, in order, not flying */
    struct turn *spare;
    unsigned spares, flying, waiting;
    bool deferred;
};

struct lane *lanes_new(struct model *m, unsigned n)
{
    struct lane *lanes = xcalloc(n, sizeof(*lanes));
    for (unsigned i = 0; i < n; i++) {
        lanes[i].m = m;
        lanes[i].loop = loops_get(m->serve->loops, i);
    }
    return lanes;
}

struct lane *lane_of(struct model *m, const struct loop *loop)
{
    return &m->lanes[loop_index(loop)];
}

static void turn_free(struct turn *t)
{
    if (!t)
        return;
    batch_free(t->batch);
    vec_free(&t->asks);
    free(t);
}

void lanes_free(struct lane *lanes, unsigned n)
{
    for (unsigned i = 0; i < n; i++) {
        turn_free(lanes[i].open);
        for (struct turn *t = lanes[i].spare, *next; t; t = next) {
            next = t->next;
            turn_free(t);
        }
    }
    free(lanes);
}

static struct turn *turn_new(struct lane *l)
{
    struct turn *t = l->spare;
    if (t) {
        l->spare = t->next;
        l->spares--;
    } else {
        t = xcalloc(1, sizeof(*t));
        t->lane = l;
        t->batch = batch_new(l->m->session);
    }
    t->next = NULL;
    return t;
}

static void recycle(struct lane *l, struct turn *t)
{
    if (t->rows > KEEP_ROWS_MAX || l->spares == SPARE_MAX) {
        turn_free(t);
        return;
    }
    t->asks.n = 0;
    t->rows = 0;
    t->rc = 0;
    t->next = l->spare;
    l->spare = t;
    l->spares++;
}

static void close_turn(struct lane *l, struct turn *t)
{
    if (l->last)
        l->last->next = t;
    else
        l->first = t;
    l->last = t;
}

static int read_ask(struct lane *l, struct turn *t, struct request *rq, bool invocation,
                    struct err *err)
{
    struct ask ask;
    int rc = (invocation ? ask_invocation : ask_infer)(l->m->contract, t->batch, t->rows, rq->body,
                                                       rq->arena, &ask, err);
    if (rc)
        return rc;
    if (!t->asks.n)
        t->began = clock_mono_ns();
    *vec_push(&t->asks) = (struct pending){rq, ask};
    t->rows += ask.rows;
    return 0;
}

static struct tally *tally_of(const struct lane *l)
{
    return &l->m->tallies->at[loop_index(l->loop)];
}

static void answer(struct lane *l, const struct turn *t, const struct pending *p, struct err *err)
{
    struct tally *tally = tally_of(l);
    struct request *rq = p->rq;
    int rc = t->rc;
    if (!rc)
        rc = answer_write(l->m->contract, &p->ask, t->outputs, &rq->answer, err);
    tally_add(&tally->requests, 1);
    if (rc) {
        tally_add(&tally->failures, 1);
        buf_clear(&rq->answer);
        request_fail(rq, err);
    } else {
        request_answer(rq);
    }
}

/* Each request of a failed turn gets a turn of its own. It was read before, so it can be again. */
static void split(struct lane *l, struct turn *t)
{
    vec_each (&t->asks, p) {
        struct turn *alone = turn_new(l);
        struct err err;
        if (read_ask(l, alone, p->rq, p->ask.invocation, &err)) {
            request_fail(p->rq, &err);
            recycle(l, alone);
            continue;
        }
        alone->began = t->began;
        l->waiting++;
        close_turn(l, alone);
    }
}

static void finish(struct lane *l, struct turn *t)
{
    if (t->rc && t->asks.n > 1) {
        split(l, t);
        recycle(l, t);
        return;
    }
    struct tally *tally = tally_of(l);
    tally_add(&tally->batches, 1);
    tally_add(&tally->rows, (uint64_t)t->rows);
    vec_each (&t->asks, p) {
        struct err err;
        if (t->rc)
            err = t->err;
        answer(l, t, p, &err);
    }
    tally_add(&tally->ns, (uint64_t)(clock_mono_ns() - t->began) * t->asks.n);
    recycle(l, t);
}

static void run(struct turn *t)
{
    t->rc = batch_run(t->batch, &t->outputs, &t->err);
}

static void pump(struct lane *l);

static void landed(UNUSED struct loop *loop, void *arg)
{
    struct turn *t = arg;
    struct lane *l = t->lane;
    struct model *m = l->m;
    l->flying--;
    finish(l, t);
    pump(l);
    model_unref(m);
}

/* Instance thread. */
static void fly(void *arg)
{
    struct turn *t = arg;
    run(t);
    loop_post(t->lane->loop, landed, t);
}

static bool runs_here(const struct lane *l, const struct turn *t)
{
    const struct model *m = l->m;
    return m->cheap && m->one_ns + (t->rows - 1) * m->row_ns < INLINE_NS;
}

/* Once submitted the turn is the instance thread's until it lands. */
static void launch(struct lane *l, struct turn *t)
{
    struct err err;
    int rc;
    model_ref(l->m);
    l->flying++;
    if (atomic_load(&l->m->serve->closing))
        rc = err_set(&err, E_UNAVAILABLE, "the server is stopping");
    else
        rc = pool_submit(l->m->serve->instances, fly, t, &err);
    if (!rc)
        return;
    l->flying--;
    model_unref(l->m); /* never the last: the caller has one */
    t->rc = rc;
    vec_each (&t->asks, p) {
        struct err each = err;
        answer(l, t, p, &each);
    }
    recycle(l, t);
}

/* Runs or launches what is closed, and the open turn if there is room for it to fly. */
static void pump(struct lane *l)
{
    for (;;) {
        struct turn *t = l->first ? l->first : l->open;
        if (!t || !t->asks.n)
            return;
        bool here = runs_here(l, t);
        if (!here && l->flying == FLYING_MAX)
            return;
        if (t == l->first) {
            l->first = t->next;
            l->last = l->first ? l->last : NULL;
        } else {
            l->open = NULL;
        }
        t->next = NULL;
        l->waiting -= (unsigned)t->asks.n;
        if (here) {
            run(t);
            finish(l, t);
        } else {
            launch(l, t);
        }
    }
}

static void tick(UNUSED struct loop *loop, void *arg)
{
    struct lane *l = arg;
    struct model *m = l->m;
    l->deferred = false;
    pump(l);
    model_unref(m);
}

int lane_take(struct lane *l, struct request *rq, bool invocation, struct err *err)
{
    if (l->waiting >= WAITING_MAX)
        return err_hint(err_set(err, E_BUSY, "the endpoint '%s' has %u requests waiting",
                                l->m->contract->endpoint, l->waiting),
                        err, "try again in a moment");
    if (!l->open)
        l->open = turn_new(l);
    struct turn *t = l->open;
    int rc = read_ask(l, t, rq, invocation, err);
    if (rc) {
        tally_add(&tally_of(l)->requests, 1);
        tally_add(&tally_of(l)->failures, 1);
        return rc;
    }
    l->waiting++;
    if (!l->m->contract->by_rows || t->rows >= TURN_ROWS_MAX) {
        l->open = NULL;
        close_turn(l, t);
    }
    if (!l->deferred) {
        l->deferred = true;
        model_ref(l->m);
        loop_defer(l->loop, tick, l);
    }
    return 0;
}
