/* SPDX-License-Identifier: Apache-2.0
 *
 * Each thread runs one uv_loop_t until loops_stop. Three handles of our own live on it:
 *
 *   async    wakes the loop for posted functions
 *   check    runs deferred functions after the I/O callbacks of a turn
 *   prepare  runs what timers and close callbacks deferred, before the loop polls
 *
 * Posting swaps two vectors under a mutex and deferring appends to one that only the loop touches,
 * so neither allocates once warm. Retiring is built on posting: a function posted to a loop runs
 * between callbacks, so when one has run on every loop no callback can still hold the old pointer.
 */
#include "sys/loop.h"

#include "base/vec.h"

#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>

struct call {
    void (*fn)(struct loop *l, void *arg);
    void *arg;
};

typedef VEC(struct call) calls;

struct loop {
    struct loops *all;
    unsigned index;
    uv_loop_t uv;
    uv_async_t async;
    uv_check_t check;
    uv_prepare_t prepare;
    pthread_t thread;
    calls running;  /* posted calls being run; loop thread only */
    calls deferred; /* loop thread only */
    pthread_mutex_t lock;
    calls posted;  /* guarded by lock */
    bool stopping; /* guarded by lock */
};

struct retired {
    struct retired *prev, *next;
    struct loops *all;
    atomic_uint remaining; /* loops that have not turned yet */
    void (*free_fn)(void *p);
    void *p;
};

struct loops {
    unsigned count, started;
    bool stopped;
    pthread_mutex_t lock;
    struct retired *retired; /* guarded by lock */
    struct loop loop[];
};

/* Runs deferred calls in order, and what they defer in turn: an answer given in a tick still leaves
 * in that turn. */
static void run_deferred(struct loop *l)
{
    for (size_t i = 0; i < l->deferred.n; i++) {
        struct call c = l->deferred.p[i];
        c.fn(l, c.arg);
    }
    l->deferred.n = 0;
}

static void on_check(uv_check_t *h)
{
    run_deferred(h->data);
}

static void on_prepare(uv_prepare_t *h)
{
    run_deferred(h->data);
}

static void on_async(uv_async_t *h)
{
    struct loop *l = h->data;
    pthread_mutex_lock(&l->lock);
    calls taken = l->posted;
    l->posted = l->running;
    l->running = taken;
    bool stopping = l->stopping;
    pthread_mutex_unlock(&l->lock);
    for (size_t i = 0; i < l->running.n; i++)
        l->running.p[i].fn(l, l->running.p[i].arg);
    l->running.n = 0;
    if (stopping)
        uv_stop(&l->uv);
}

static void close_handle(uv_handle_t *h, void *arg)
{
    (void)arg;
    if (!uv_is_closing(h))
        uv_close(h, NULL);
}

static void *run_thread(void *arg)
{
    struct loop *l = arg;
    char name[16];
    snprintf(name, sizeof(name), "loop-%u", l->index);
    pthread_setname_np(pthread_self(), name);
    /* A peer that is gone is an error code of a write, not the end of the process. */
    sigset_t pipe;
    sigemptyset(&pipe);
    sigaddset(&pipe, SIGPIPE);
    pthread_sigmask(SIG_BLOCK, &pipe, NULL);
    uv_run(&l->uv, UV_RUN_DEFAULT);
    uv_walk(&l->uv, close_handle, NULL);
    uv_run(&l->uv, UV_RUN_DEFAULT);
    return NULL;
}

static void init_loop(struct loops *all, unsigned i)
{
    struct loop *l = &all->loop[i];
    l->all = all;
    l->index = i;
    pthread_mutex_init(&l->lock, NULL);
    if (uv_loop_init(&l->uv) || uv_async_init(&l->uv, &l->async, on_async))
        abort(); /* no descriptors left before the first connection */
    uv_check_init(&l->uv, &l->check);
    uv_prepare_init(&l->uv, &l->prepare);
    l->async.data = l->check.data = l->prepare.data = l;
    uv_check_start(&l->check, on_check);
    uv_prepare_start(&l->prepare, on_prepare);
}

int loops_start(unsigned count, struct loops **ret, struct err *err)
{
    if (!count)
        count = MAX(uv_available_parallelism(), 1U);
    struct loops *all = xcalloc(1, sizeof(*all) + count * sizeof(all->loop[0]));
    all->count = count;
    pthread_mutex_init(&all->lock, NULL);
    for (unsigned i = 0; i < count; i++)
        init_loop(all, i);
    for (unsigned i = 0; i < count; i++) {
        int rc = pthread_create(&all->loop[i].thread, NULL, run_thread, &all->loop[i]);
        if (rc) {
            loops_stop(all);
            loops_free(all);
            return err_errno(err, rc, "cannot start I/O loop %u of %u", i + 1, count);
        }
        all->started++;
    }
    *ret = all;
    return 0;
}

void loops_stop(struct loops *all)
{
    if (!all || all->stopped)
        return;
    all->stopped = true;
    for (unsigned i = 0; i < all->count; i++) {
        struct loop *l = &all->loop[i];
        pthread_mutex_lock(&l->lock);
        l->stopping = true;
        uv_async_send(&l->async);
        pthread_mutex_unlock(&l->lock);
    }
    for (unsigned i = 0; i < all->started; i++)
        pthread_join(all->loop[i].thread, NULL);
}

static void free_retired(struct retired *r)
{
    r->free_fn(r->p);
    free(r);
}

void loops_free(struct loops *all)
{
    if (!all)
        return;
    loops_stop(all);
    for (unsigned i = 0; i < all->count; i++) {
        struct loop *l = &all->loop[i];
        if (i >= all->started) { /* its thread never was: close its handles here */
            uv_walk(&l->uv, close_handle, NULL);
            uv_run(&l->uv, UV_RUN_DEFAULT);
        }
        uv_loop_close(&l->uv);
        vec_free(&l->posted);
        vec_free(&l->running);
        vec_free(&l->deferred);
        pthread_mutex_destroy(&l->lock);
    }
    while (all->retired) {
        struct retired *r = all->retired;
        all->retired = r->next;
        free_retired(r);
    }
    pthread_mutex_destroy(&all->lock);
    free(all);
}

unsigned loops_count(const struct loops *all)
{
    return all->count;
}

struct loop *loops_get(struct loops *all, unsigned i)
{
    return &all->loop[i];
}

bool loop_post(struct loop *l, void (*fn)(struct loop *l, void *arg), void *arg)
{
    pthread_mutex_lock(&l->lock);
    bool open = !l->stopping;
    if (open) {
        *vec_push(&l->posted) = (struct call){.fn = fn, .arg = arg};
        /* Under the lock: after loops_stop the handle may be closed already. */
        if (l->posted.n == 1)
            uv_async_send(&l->async);
    }
    pthread_mutex_unlock(&l->lock);
    return open;
}

uv_loop_t *loop_uv(struct loop *l)
{
    return &l->uv;
}

unsigned loop_index(const struct loop *l)
{
    return l->index;
}

void loop_defer(struct loop *l, void (*fn)(struct loop *l, void *arg), void *arg)
{
    *vec_push(&l->deferred) = (struct call){.fn = fn, .arg = arg};
}

static void unlink_retired(struct retired *r)
{
    pthread_mutex_lock(&r->all->lock);
    if (r->prev)
        r->prev->next = r->next;
    else
        r->all->retired = r->next;
    if (r->next)
        r->next->prev = r->prev;
    pthread_mutex_unlock(&r->all->lock);
}

static void loop_turned(struct loop *l, void *arg)
{
    (void)l;
    struct retired *r = arg;
    if (atomic_fetch_sub(&r->remaining, 1) == 1) {
        unlink_retired(r);
        free_retired(r);
    }
}

void loops_retire(struct loops *all, void (*free_fn)(void *p), void *p)
{
    struct retired *r = xcalloc(1, sizeof(*r));
    r->all = all;
    r->free_fn = free_fn;
    r->p = p;
    atomic_init(&r->remaining, all->count);
    pthread_mutex_lock(&all->lock);
    r->next = all->retired;
    if (r->next)
        r->next->prev = r;
    all->retired = r;
    pthread_mutex_unlock(&all->lock);
    for (unsigned i = 0; i < all->count; i++)
        loop_post(&all->loop[i], loop_turned, r);
}
