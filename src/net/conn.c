/* SPDX-License-Identifier: Apache-2.0
 *
 * Connections: output that is gathered and written once, queues of what is waited for, the end.
 *
 * Output is `out` (heads and small bodies, copied) followed by at most one large body (`tail` or
 * `borrowed`). While a write is in progress nobody may append, so a slow reader costs one such pair
 * and nothing more. Loop thread.
 */
#include "net/net_int.h"

#include <string.h>

struct conn *conn_new(struct net_loop *nl, const struct transport *io, const struct proto *proto)
{
    struct conn *c = xcalloc(1, sizeof(*c));
    c->nl = nl;
    c->io = io;
    c->proto = proto;
    c->out = BUF(1 << 20);
    c->tail = BUF(ANSWER_MAX);
    c->next = nl->conns;
    if (c->next)
        c->next->prev = c;
    nl->conns = c;
    atomic_fetch_add(&nl->net->connections, 1);
    c->state = proto->open(c);
    return c;
}

static void leave_queue(struct conn *c)
{
    struct wait_queue *q = &c->nl->waits[c->wait];
    if (c->wait == WAIT_NONE)
        return;
    if (c->wait_prev)
        c->wait_prev->wait_next = c->wait_next;
    else
        q->first = c->wait_next;
    if (c->wait_next)
        c->wait_next->wait_prev = c->wait_prev;
    else
        q->last = c->wait_prev;
    c->wait = WAIT_NONE;
}

void conn_wait(struct conn *c, enum wait kind)
{
    leave_queue(c);
    c->wait = kind;
    c->since = uv_now(loop_uv(c->nl->loop));
    if (kind == WAIT_NONE)
        return;
    struct wait_queue *q = &c->nl->waits[kind];
    c->wait_prev = q->last;
    c->wait_next = NULL;
    if (q->last)
        q->last->wait_next = c;
    else
        q->first = c;
    q->last = c;
}

void conn_read(struct conn *c, bool on)
{
    if (c->reading == on || c->closing)
        return;
    c->reading = on;
    c->io->read(c, on);
}

bool conn_room(const struct conn *c)
{
    return !c->writing && !c->closing && !c->lingering && !c->tail_n && !c->borrowed.n &&
           c->out.n < OUT_SIZE;
}

void conn_flush(struct conn *c)
{
    if (!c->writing && !c->closing && (c->out.n || c->tail_n || c->borrowed.n))
        c->io->write(c);
}

/* Room again; an idle connection keeps little. */
void conn_sent(struct conn *c)
{
    c->writing = false;
    if (c->wait == WAIT_WRITE)
        conn_wait(c, WAIT_NONE);
    c->tail_n = 0;
    c->borrowed = (str){0};
    buf_clear(&c->out);
    if (c->out.cap > KEEP_MAX)
        buf_free(&c->out);
}

static void flush_dirty(struct loop *l, void *arg)
{
    (void)l;
    struct net_loop *nl = arg;
    for (size_t i = 0; i < nl->dirty.n; i++) {
        struct conn *c = nl->dirty.p[i];
        if (!c)
            continue;
        c->dirty = 0;
        c->proto->advance(c);
    }
    nl->dirty.n = 0;
    nl->flushing = false;
}

void conn_dirty(struct conn *c)
{
    struct net_loop *nl = c->nl;
    if (c->dirty || c->closing)
        return;
    *vec_push(&nl->dirty) = c;
    c->dirty = nl->dirty.n;
    if (!nl->flushing) {
        nl->flushing = true;
        loop_defer(nl->loop, flush_dirty, nl);
    }
}

void conn_linger(struct conn *c)
{
    if (c->lingering || c->closing)
        return;
    c->lingering = true;
    c->io->shutdown(c);
    conn_read(c, true);
    conn_wait(c, WAIT_LINGER);
    if (c->eof)
        conn_close(c);
}

void conn_close(struct conn *c)
{
    if (c->closing)
        return;
    conn_read(c, false);
    c->closing = true;
    leave_queue(c);
    if (c->dirty)
        c->nl->dirty.p[c->dirty - 1] = NULL;
    c->dirty = 0;
    c->proto->close(c);
    c->state = NULL;
    c->io->close(c);
}

static void free_conn(struct conn *c)
{
    struct net_loop *nl = c->nl;
    if (c->prev)
        c->prev->next = c->next;
    else
        nl->conns = c->next;
    if (c->next)
        c->next->prev = c->prev;
    nl->surplus -= c->surplus;
    buf_free(&c->out);
    buf_free(&c->tail);
    free(c);
}

void conn_release(struct conn *c)
{
    struct net *n = c->nl->net;
    free_conn(c);
    if (atomic_fetch_sub(&n->connections, 1) == 1) {
        pthread_mutex_lock(&n->lock);
        pthread_cond_broadcast(&n->quiet);
        pthread_mutex_unlock(&n->lock);
    }
}

/* A write that moves, however slowly, is not given up. */
static bool write_moves(struct conn *c)
{
    size_t left = c->io->unsent(c);
    bool moves = left < c->unsent;
    c->unsent = left;
    return moves;
}

static void expire(struct conn *c)
{
    if (c->wait == WAIT_WRITE && write_moves(c))
        conn_wait(c, WAIT_WRITE);
    else if (c->wait == WAIT_HEADER || c->wait == WAIT_BODY)
        c->proto->expired(c);
    else
        conn_close(c);
}

void conn_sweep(struct net_loop *nl)
{
    uint64_t now = uv_now(loop_uv(nl->loop));
    for (int kind = WAIT_NONE + 1; kind < WAIT_KINDS; kind++) {
        struct wait_queue *q = &nl->waits[kind];
        while (q->first && now - q->first->since >= q->ms)
            expire(q->first);
    }
    /* The lane stays open because what is in it must be quick. */
    for (struct conn *c = nl->surplus ? nl->conns : NULL, *next; c; c = next) {
        next = c->next;
        if (c->surplus && c->wait == WAIT_HEADER && now - c->since >= LANE_MS)
            conn_close(c);
    }
}

void conn_free_all(struct net_loop *nl)
{
    while (nl->conns) {
        struct conn *c = nl->conns;
        if (!c->closing)
            c->proto->close(c);
        free_conn(c);
    }
    vec_free(&nl->dirty);
}
