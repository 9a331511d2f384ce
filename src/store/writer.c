/* SPDX-License-Identifier: Apache-2.0
 *
 * The one writer: many closures, one transaction, one fsync.
 *
 * The thread takes queued writes one after another, each inside a savepoint, until the queue is
 * empty or the group is large or old enough; then it commits and answers all of them. While it
 * waits for the disk the next group gathers by itself, so a lone writer pays no delay and a crowd
 * shares the fsync.
 *
 * When a group cannot be committed nothing of it was acknowledged, so what happens next depends on
 * why. If the disk is full (or SQLite gave the transaction up for a like reason), each write runs
 * again alone: those that fit succeed. If storage itself failed, nothing is tried again: every
 * write of the group is answered E_IO and the store is read-only from here, because a second fsync
 * may report success for pages the kernel has already dropped. What the disk holds is read at the
 * next start.
 *
 * A waiting write lives on the stack of its caller. Invariant: a write is answered exactly once.
 */
#include "store/store_int.h"

#include "sys/clock.h"

#include <errno.h>
#include <semaphore.h>

#define QUEUE_MAX 4096
#define GROUP_MAX 512
#define GROUP_NS (10 * 1000 * 1000)

struct write {
    store_fn fn;
    void *arg;
    struct err *err;
    int rc;
    sem_t done;
    struct write *next;
};

struct group {
    struct write *first, **end;
    unsigned n;
};

struct writer {
    struct store *store;
    struct conn *conn;
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t some;
    struct write *head, **tail;
    unsigned queued;
    bool stop;
};

static struct write *pop(struct writer *w)
{
    struct write *first = w->head;
    if (first) {
        w->head = first->next;
        if (!w->head)
            w->tail = &w->head;
        w->queued--;
        first->next = NULL;
    }
    return first;
}

/* The next write, waiting for one; NULL when stopped and drained. */
static struct write *next_write(struct writer *w, bool wait)
{
    pthread_mutex_lock(&w->lock);
    while (wait && !w->head && !w->stop)
        pthread_cond_wait(&w->some, &w->lock);
    struct write *it = pop(w);
    pthread_mutex_unlock(&w->lock);
    return it;
}

/* One closure in its savepoint. Nonzero: the whole transaction is gone. */
static int run_closure(struct tx *tx, struct write *it, struct err *why)
{
    struct conn *c = tx->conn;
    int64_t seq = tx->seq;
    int rc = c->ops->save(c, why);
    if (rc)
        return rc;
    it->rc = it->fn(tx, it->arg, it->err);
    tx_close_rows(tx);
    if (!c->ops->in_tx(c))
        return err_set(why, E_IO, "the database gave up the transaction");
    if (!it->rc)
        return c->ops->save_keep(c, why);
    tx->seq = seq;
    return c->ops->save_undo(c, why);
}

static void add(struct group *g, struct write *it)
{
    *g->end = it;
    g->end = &it->next;
    g->n++;
}

static bool group_is_full(const struct group *g, int64_t since)
{
    return g->n == GROUP_MAX || clock_mono_ns() - since > GROUP_NS;
}

/* Commits `first` and, if it may share, what else is queued. The group is filled either way. */
static int run_group(struct writer *w, struct write *first, bool share, struct group *g,
                     struct err *why)
{
    struct conn *c = w->conn;
    struct tx tx = {
        .store = w->store, .conn = c, .writable = true, .seq = atomic_load(&w->store->last_event)};
    int64_t since = clock_mono_ns();
    add(g, first);
    int rc = health_check(&w->store->health, why);
    if (!rc)
        rc = c->ops->begin(c, why);
    for (struct write *it = first; it && !rc;) {
        rc = run_closure(&tx, it, why);
        it = rc || !share || group_is_full(g, since) ? NULL : next_write(w, false);
        if (it)
            add(g, it);
    }
    if (!rc)
        rc = health_check(&w->store->health, why);
    if (!rc)
        rc = c->ops->commit(c, why);
    if (rc)
        c->ops->rollback(c);
    else
        atomic_store(&w->store->last_event, tx.seq);
    return rc;
}

static void refuse(struct write *it, const struct err *why)
{
    it->rc = (int)why->code;
    if (it->err)
        *it->err = *why;
}

/* Nobody may be told more than is known: nothing was acknowledged, the disk decides. */
static void refuse_all(struct writer *w, struct group *g)
{
    char reason[256] = "";
    struct err why;
    health_failed(&w->store->health, reason);
    err_hint(err_set(&why, E_IO, "the write could not be made durable: %s", reason), &why,
             "check the disk and its logs, then restart the server");
    for (struct write *it = g->first; it; it = it->next)
        refuse(it, &why);
}

/* A closure's own error says more than that the transaction went with it. */
static void rerun_each(struct writer *w, struct group *g)
{
    struct write *next;
    for (struct write *it = g->first; it; it = next) {
        struct group alone = {.end = &alone.first};
        struct err why;
        next = it->next;
        it->next = NULL;
        it->rc = 0;
        if (run_group(w, it, false, &alone, &why) && !it->rc)
            refuse(it, &why);
        it->next = next;
    }
}

static void commit_group(struct writer *w, struct write *first, struct group *g)
{
    struct err why;
    bool failed_before = health_failed(&w->store->health, NULL);
    if (!run_group(w, first, true, g, &why))
        return;
    if (failed_before)
        refuse(first, &why);
    else if (health_failed(&w->store->health, NULL))
        refuse_all(w, g);
    else
        rerun_each(w, g);
}

/* Once answered a write is gone: its caller returns. */
static void answer_all(struct group *g)
{
    struct write *next;
    for (struct write *it = g->first; it; it = next) {
        next = it->next;
        sem_post(&it->done);
    }
}

static void *writer_main(void *arg)
{
    struct writer *w = arg;
    struct write *first;
    while ((first = next_write(w, true))) {
        struct group g = {.end = &g.first};
        int64_t before = atomic_load(&w->store->last_event);
        commit_group(w, first, &g);
        answer_all(&g);
        int64_t seq = atomic_load(&w->store->last_event);
        if (seq != before)
            store_announce(w->store, seq);
        if (!health_failed(&w->store->health, NULL))
            w->conn->ops->maintain(w->conn);
    }
    return NULL;
}

int writer_run(struct writer *w, store_fn fn, void *arg, struct err *err)
{
    if (pthread_equal(pthread_self(), w->thread))
        return err_set(err, E_INTERNAL, "store_write inside a write closure would wait for itself");
    struct write it = {.fn = fn, .arg = arg, .err = err};
    sem_init(&it.done, 0, 0);
    pthread_mutex_lock(&w->lock);
    bool taken = !w->stop && w->queued < QUEUE_MAX;
    if (taken) {
        *w->tail = &it;
        w->tail = &it.next;
        w->queued++;
        pthread_cond_signal(&w->some);
    }
    pthread_mutex_unlock(&w->lock);
    if (taken)
        while (sem_wait(&it.done) < 0 && errno == EINTR)
            ;
    sem_destroy(&it.done);
    return taken ? it.rc
                 : err_hint(err_set(err, E_BUSY, "%d writes are waiting already", QUEUE_MAX), err,
                            "try again in a moment");
}

int writer_start(struct store *s, struct conn *c, struct writer **ret, struct err *err)
{
    struct writer *w = xcalloc(1, sizeof(*w));
    w->store = s;
    w->conn = c;
    w->tail = &w->head;
    pthread_mutex_init(&w->lock, NULL);
    pthread_cond_init(&w->some, NULL);
    int rc = pthread_create(&w->thread, NULL, writer_main, w);
    if (rc) {
        pthread_cond_destroy(&w->some);
        pthread_mutex_destroy(&w->lock);
        free(w);
        return err_errno(err, rc, "start the writer's thread");
    }
    *ret = w;
    return 0;
}

void writer_stop(struct writer *w)
{
    if (!w)
        return;
    pthread_mutex_lock(&w->lock);
    w->stop = true;
    pthread_cond_signal(&w->some);
    pthread_mutex_unlock(&w->lock);
    pthread_join(w->thread, NULL);
    pthread_cond_destroy(&w->some);
    pthread_mutex_destroy(&w->lock);
    free(w);
}
