/* SPDX-License-Identifier: Apache-2.0
 *
 * Hostile bytes for HTTP/1: a connection without a socket, on a real loop with a real pool.
 *
 * The first byte says how the rest is cut into pieces, so that every boundary is met. A transport
 * that keeps what is sent stands in for TCP; the output must be answers, one behind the other, and
 * the connection must end when its input does.
 */
#include "net/net_int.h"

#include "base/log.h"

#include <semaphore.h>
#include <string.h>
#include <unistd.h>

static struct loops *loops;
static struct pool *pool;
static struct net *net;

static int on_fast(struct request *rq, void *ctx, struct err *err)
{
    (void)ctx, (void)err;
    buf_str(&rq->answer, request_query(rq, "q"));
    buf_str(&rq->answer, rq->body);
    return 0;
}

static void answer_later(struct loop *l, void *arg)
{
    (void)l;
    request_answer(arg);
}

static int on_late(struct request *rq, void *ctx, struct err *err)
{
    (void)ctx, (void)err;
    loop_post(rq->loop, answer_later, rq);
    return REQUEST_LATER;
}

static int on_json(struct request *rq, void *ctx, struct err *err)
{
    (void)ctx;
    CLEANUP(json_freep) json_t *j = NULL;
    int rc = request_json(rq, &j, err);
    return rc ? rc : request_answer_json(rq, 200, j);
}

static int on_upload(struct request *rq, void *ctx, struct err *err)
{
    (void)ctx;
    int fd = dup(rq->body_fd);
    return request_answer_file(rq, fd, rq->body_size, "text/plain", "\"v1\"", err);
}

static enum pull pull(void *ctx, struct buf *out, int *wait_ms)
{
    int *left = ctx;
    *wait_ms = 1;
    buf_puts(out, "piece");
    return --*left > 0 ? PULL_MORE : PULL_DONE;
}

static int on_stream(struct request *rq, void *ctx, struct err *err)
{
    static const struct stream_ops ops = {pull, free};
    int *left = xmalloc(sizeof(*left));
    (void)ctx;
    *left = 3;
    return request_answer_stream(rq, "text/plain", &ops, left, err);
}

static const struct route routes[] = {
    {"GET", "/f", ROUTE_FAST, PERM_NONE, 0, on_fast, NULL, "", NULL},
    {"POST", "/f", ROUTE_FAST, PERM_NONE, 4096, on_fast, NULL, "", NULL},
    {"GET", "/l/{name}", ROUTE_FAST, PERM_NONE, 0, on_late, NULL, "", NULL},
    {"POST", "/j", ROUTE_BLOCK, PERM_NONE, 4096, on_json, NULL, "", NULL},
    {"PUT", "/u/{rest:path}", ROUTE_UPLOAD, PERM_NONE, 1 << 20, on_upload, NULL, "", NULL},
    {"GET", "/s", ROUTE_BLOCK, PERM_NONE, 0, on_stream, NULL, "", NULL},
    {"GET", "/p", ROUTE_FAST, PERM_READ, 0, on_fast, NULL, "", NULL},
};

static int identify(void *ctx, struct loop *l, str bearer, str cookie, struct principal *ret,
                    struct err *err)
{
    (void)ctx, (void)l;
    if (!str_eq(bearer, S("t")) && !str_eq(cookie, S("t")))
        return err_set(err, E_UNAUTHENTICATED, "no");
    *ret = (struct principal){.id = "1", .perms = PERM_READ};
    return 0;
}

/* ---- a transport without a network ---- */

struct play {
    const uint8_t *data;
    size_t size, at, piece;
    struct conn *conn;
    bool started; /* something was sent: it must be an answer */
    sem_t over;
};

static struct play *now; /* one connection at a time */

static void memory_write(struct conn *c)
{
    if (!now->started && c->out.n && (c->out.n < 9 || memcmp(c->out.p, "HTTP/1.1 ", 9) != 0))
        abort();
    now->started = true;
    conn_sent(c);
}

static void memory_nothing(struct conn *c)
{
    (void)c;
}

static void play_on(struct loop *l, void *arg);

static void memory_read(struct conn *c, bool on)
{
    if (on && !c->eof && !c->lingering)
        loop_post(c->nl->loop, play_on, now);
}

static void release(struct loop *l, void *arg)
{
    (void)l;
    struct play *p = arg;
    conn_release(p->conn);
    sem_post(&p->over);
}

static void memory_close(struct conn *c)
{
    now->conn = c;
    loop_post(c->nl->loop, release, now);
}

static size_t memory_unsent(struct conn *c)
{
    (void)c;
    return 0;
}

static const struct transport memory = {memory_write, memory_read, memory_nothing, memory_close,
                                        memory_unsent};

/* Feeds pieces while the connection reads; then ends the input. */
static void play_on(struct loop *l, void *arg)
{
    (void)l;
    struct play *p = arg;
    struct conn *c = p->conn;
    while (p->at < p->size && c->reading && !c->closing && !c->lingering) {
        size_t n = MIN(p->piece, p->size - p->at);
        char *copy = xmalloc(n); /* its own block, so that ASan sees reads past it */
        memcpy(copy, p->data + p->at, n);
        p->at += n;
        c->proto->input(c, copy, n);
        free(copy);
    }
    if (c->lingering && !c->closing)
        conn_close(c);
    if (p->at == p->size && c->reading && !c->closing && !c->eof) {
        c->eof = true;
        conn_read(c, false);
        c->proto->eof(c);
    }
}

static void play_start(struct loop *l, void *arg)
{
    (void)l;
    struct play *p = arg;
    p->conn = conn_new(&net->loop[0], &memory, &proto_http1);
    conn_read(p->conn, true);
}

static void start(void)
{
    struct net_config config = {.host = "127.0.0.1",
                                .routes = routes,
                                .route_count = LENGTH(routes),
                                .gate = {.identify = identify},
                                .spool_dir = "/tmp",
                                .header_max = 4096};
    log_set_level(LOG_SILENT);
    if (loops_start(1, &loops, NULL) || pool_new("fuzz", 1, 16, &pool, NULL))
        abort();
    config.pool = pool;
    if (net_start(loops, &config, &net, NULL))
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (!net)
        start();
    if (size < 1)
        return 0;
    struct play p = {.data = data + 1, .size = size - 1, .piece = data[0] ? data[0] : 65536};
    sem_init(&p.over, 0, 0);
    now = &p;
    loop_post(loops_get(loops, 0), play_start, &p);
    while (sem_wait(&p.over))
        ;
    sem_destroy(&p.over);
    return 0;
}
