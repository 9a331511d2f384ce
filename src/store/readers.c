/* SPDX-License-Identifier: Apache-2.0
 *
 * Connections for reading, made when first needed and kept for the next reader.
 *
 * The last one used is the first one taken, so that a quiet server reads through one warm cache. A
 * caller waits a bounded time for a connection, then gets E_BUSY. Any thread that may block.
 */
#include "store/store_int.h"

#include <errno.h>
#include <time.h>

#define READERS_MAX 32
#define READERS_IDLE_MAX 8
#define READERS_WAIT_S 5

struct readers {
    const struct store_backend *ops;
    void *db;
    pthread_mutex_t lock;
    pthread_cond_t given;
    unsigned made; /* idle and in use */
    unsigned idle_n;
    struct conn *idle[READERS_IDLE_MAX];
};

struct readers *readers_new(const struct store_backend *ops, void *db)
{
    struct readers *r = xcalloc(1, sizeof(*r));
    r->ops = ops;
    r->db = db;
    pthread_mutex_init(&r->lock, NULL);
    pthread_condattr_t attr;
    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_cond_init(&r->given, &attr);
    pthread_condattr_destroy(&attr);
    return r;
}

void readers_free(struct readers *r)
{
    if (!r)
        return;
    while (r->idle_n)
        r->ops->disconnect(r->idle[--r->idle_n]);
    pthread_cond_destroy(&r->given);
    pthread_mutex_destroy(&r->lock);
    free(r);
}

/* An idle connection, NULL with the right to make one, or E_BUSY. */
static int claim(struct readers *r, struct conn **ret, struct err *err)
{
    struct timespec until;
    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_sec += READERS_WAIT_S;
    int rc = 0;
    pthread_mutex_lock(&r->lock);
    while (!r->idle_n && r->made == READERS_MAX && rc == 0)
        rc = pthread_cond_timedwait(&r->given, &r->lock, &until);
    if (r->idle_n) {
        *ret = r->idle[--r->idle_n];
        rc = 0;
    } else if (r->made < READERS_MAX) {
        r->made++;
        *ret = NULL;
        rc = 0;
    }
    pthread_mutex_unlock(&r->lock);
    return rc ? err_set(err, E_BUSY, "all %d read connections were busy for %d s", READERS_MAX,
                        READERS_WAIT_S)
              : 0;
}

static void unmake(struct readers *r)
{
    pthread_mutex_lock(&r->lock);
    r->made--;
    pthread_cond_signal(&r->given);
    pthread_mutex_unlock(&r->lock);
}

int readers_take(struct readers *r, struct conn **ret, struct err *err)
{
    struct conn *c;
    int rc = claim(r, &c, err);
    if (!rc && !c && (rc = r->ops->connect(r->db, false, &c, err)))
        unmake(r);
    if (!rc)
        *ret = c;
    return rc;
}

void readers_give(struct readers *r, struct conn *c, bool broken)
{
    pthread_mutex_lock(&r->lock);
    bool keep = !broken && r->idle_n < READERS_IDLE_MAX;
    if (keep) {
        r->idle[r->idle_n++] = c;
        pthread_cond_signal(&r->given);
    }
    pthread_mutex_unlock(&r->lock);
    if (keep)
        return;
    r->ops->disconnect(c);
    unmake(r);
}
