/* SPDX-License-Identifier: Apache-2.0
 *
 * A ring of jobs, one mutex, one condition. The ring is allocated once, so submitting neither
 * allocates nor waits, and a full ring is an answer (E_BUSY) instead of a growing queue.
 */
#include "sys/pool.h"

#include <pthread.h>
#include <stdio.h>
#include <string.h>

struct job {
    void (*fn)(void *arg);
    void *arg;
};

struct pool {
    pthread_mutex_t lock;
    pthread_cond_t wake;
    char name[16]; /* what the kernel keeps of a thread's name */
    struct job *ring;
    unsigned first, queued, queue_max, running;
    unsigned thread_count;
    pthread_t *threads;
    bool stopping;
};

/* The next job, or false once the pool stops and nothing is queued. Counts it as running. */
static bool next_job(struct pool *p, struct job *ret)
{
    pthread_mutex_lock(&p->lock);
    while (!p->queued && !p->stopping)
        pthread_cond_wait(&p->wake, &p->lock);
    bool found = p->queued > 0;
    if (found) {
        *ret = p->ring[p->first];
        p->first = (p->first + 1) % p->queue_max;
        p->queued--;
        p->running++;
    }
    pthread_mutex_unlock(&p->lock);
    return found;
}

static void *run_thread(void *arg)
{
    struct pool *p = arg;
    pthread_setname_np(pthread_self(), p->name);
    struct job job;
    while (next_job(p, &job)) {
        job.fn(job.arg);
        pthread_mutex_lock(&p->lock);
        p->running--;
        pthread_mutex_unlock(&p->lock);
    }
    return NULL;
}

int pool_new(const char *name, unsigned threads, unsigned queue_max, struct pool **ret,
             struct err *err)
{
    if (!threads || !queue_max)
        return err_set(err, E_INVALID, "pool '%s' needs at least one thread and one place to wait",
                       name);
    struct pool *p = xcalloc(1, sizeof(*p));
    snprintf(p->name, sizeof(p->name), "%s", name);
    pthread_mutex_init(&p->lock, NULL);
    pthread_cond_init(&p->wake, NULL);
    p->queue_max = queue_max;
    p->ring = xcalloc(queue_max, sizeof(*p->ring));
    p->threads = xcalloc(threads, sizeof(*p->threads));
    for (unsigned i = 0; i < threads; i++) {
        int rc = pthread_create(&p->threads[i], NULL, run_thread, p);
        if (rc) {
            pool_free(p);
            return err_errno(err, rc, "cannot start thread %u of pool '%s'", i + 1, name);
        }
        p->thread_count++;
    }
    *ret = p;
    return 0;
}

void pool_free(struct pool *p)
{
    if (!p)
        return;
    pthread_mutex_lock(&p->lock);
    p->stopping = true;
    pthread_cond_broadcast(&p->wake);
    pthread_mutex_unlock(&p->lock);
    for (unsigned i = 0; i < p->thread_count; i++)
        pthread_join(p->threads[i], NULL);
    pthread_cond_destroy(&p->wake);
    pthread_mutex_destroy(&p->lock);
    free(p->threads);
    free(p->ring);
    free(p);
}

int pool_submit(struct pool *p, void (*fn)(void *arg), void *arg, struct err *err)
{
    pthread_mutex_lock(&p->lock);
    bool room = p->queued < p->queue_max && !p->stopping;
    if (room) {
        p->ring[(p->first + p->queued) % p->queue_max] = (struct job){.fn = fn, .arg = arg};
        p->queued++;
        pthread_cond_signal(&p->wake);
    }
    pthread_mutex_unlock(&p->lock);
    if (room)
        return 0;
    return err_hint(
        err_set(err, E_BUSY, "%u jobs are waiting for pool '%s' already", p->queue_max, p->name),
        err, "try again in a moment");
}

unsigned pool_depth(struct pool *p)
{
    pthread_mutex_lock(&p->lock);
    unsigned depth = p->queued + p->running;
    pthread_mutex_unlock(&p->lock);
    return depth;
}
