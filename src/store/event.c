/* SPDX-License-Identifier: Apache-2.0
 *
 * The event log: one ordered sequence without gaps.
 *
 * Only the writer appends, so the next number lives in its transaction and a closure that is rolled
 * back gives its numbers back. A number becomes visible (store_last_event) after its commit is
 * durable and before anyone is told of it.
 */
#include "store/store_int.h"

#include "base/vec.h"
#include "sys/clock.h"

#include <string.h>

#define EVENT_DATA_MAX ((size_t)1 << 20)
#define EVENTS_PAGE_MAX 10000

int event_last(struct conn *c, int64_t *ret, struct err *err)
{
    struct tx tx = {.conn = c};
    struct rows *r = NULL;
    int rc = tx_one(&tx, &r, err, "SELECT COALESCE(MAX(seq), 0) FROM events", "");
    if (!rc)
        *ret = rows_i64(r, 0);
    tx_close_rows(&tx);
    return rc;
}

int tx_event(struct tx *tx, const char *project, const char *kind, const char *subject,
             const json_t *data, struct err *err)
{
    CLEANUP(buf_free) struct buf text = BUF(EVENT_DATA_MAX);
    if (data)
        json_write(data, &text);
    if (!buf_ok(&text))
        return err_set(err, E_TOOBIG, "the data of event %s is larger than %zu bytes", kind,
                       EVENT_DATA_MAX);
    int rc = tx_exec(tx, err,
                     "INSERT INTO events (seq, time_ms, project, kind, subject, data)"
                     " VALUES ($1, $2, $3, $4, $5, $6)",
                     "iisssv", tx->seq + 1, clock_ms(), project ? project : "", kind, subject,
                     text.n ? buf_view(&text) : S(""));
    if (!rc)
        tx->seq++;
    return rc;
}

struct page {
    const char *project;
    int64_t after;
    size_t max;
    struct arena *arena;
    VEC(struct event) events;
};

/* False when the arena is full. */
static bool keep(struct arena *a, struct rows *r, int column, const char **ret)
{
    str s = rows_str(r, column);
    char *copy = arena_try(a, s.n + 1);
    if (!copy)
        return false;
    if (s.n)
        memcpy(copy, s.p, s.n);
    *ret = copy;
    return true;
}

static int read_page(struct tx *tx, void *arg, struct err *err)
{
    struct page *p = arg;
    CLEANUP(rows_freep) struct rows *r = NULL;
    int64_t max = (int64_t)p->max;
    int rc = p->project ? tx_query(tx, &r, err,
                                   "SELECT seq, time_ms, project, kind, subject, data FROM events"
                                   " WHERE project = $1 AND seq > $2 ORDER BY seq LIMIT $3",
                                   "sii", p->project, p->after, max)
                        : tx_query(tx, &r, err,
                                   "SELECT seq, time_ms, project, kind, subject, data FROM events"
                                   " WHERE seq > $1 ORDER BY seq LIMIT $2",
                                   "ii", p->after, max);
    if (rc)
        return rc;
    while ((rc = rows_next(r, err)) > 0) {
        struct event e = {.seq = rows_i64(r, 0), .time_ms = rows_i64(r, 1)};
        if (!keep(p->arena, r, 2, &e.project) || !keep(p->arena, r, 3, &e.kind) ||
            !keep(p->arena, r, 4, &e.subject) || !keep(p->arena, r, 5, &e.data))
            return p->events.n ? 0 : err_set(err, E_TOOBIG, "an event does not fit the answer");
        *vec_push(&p->events) = e;
    }
    return -rc;
}

int store_events(struct store *s, const char *project, int64_t after, size_t max, struct arena *a,
                 struct event **ret, size_t *ret_n, struct err *err)
{
    struct page p = {project, after, MIN(max, (size_t)EVENTS_PAGE_MAX), a, {0}};
    int rc = store_read(s, read_page, &p, err);
    struct event *copy = NULL;
    if (!rc && p.events.n) {
        copy = arena_try(a, p.events.n * sizeof(*copy));
        if (copy)
            memcpy(copy, p.events.p, p.events.n * sizeof(*copy));
        else
            rc = err_set(err, E_TOOBIG, "%zu events do not fit the answer", p.events.n);
    }
    if (!rc) {
        *ret = copy;
        *ret_n = p.events.n;
    }
    vec_free(&p.events);
    return rc;
}

int64_t store_last_event(struct store *s)
{
    return atomic_load(&s->last_event);
}

void store_on_event(struct store *s, void (*fn)(void *ctx, int64_t last_seq), void *ctx)
{
    pthread_mutex_lock(&s->listeners_lock);
    for (size_t i = 0; i < LISTENERS_MAX; i++) {
        bool ours = s->listeners[i].fn && s->listeners[i].ctx == ctx;
        if (fn ? s->listeners[i].fn != NULL : !ours)
            continue;
        s->listeners[i].fn = fn;
        s->listeners[i].ctx = ctx;
        if (fn)
            break;
    }
    pthread_mutex_unlock(&s->listeners_lock);
}

void store_announce(struct store *s, int64_t last_seq)
{
    pthread_mutex_lock(&s->listeners_lock);
    for (size_t i = 0; i < LISTENERS_MAX; i++)
        if (s->listeners[i].fn)
            s->listeners[i].fn(s->listeners[i].ctx, last_seq);
    pthread_mutex_unlock(&s->listeners_lock);
}
