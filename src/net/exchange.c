/* SPDX-License-Identifier: Apache-2.0
 *
 * One request and its answer, whatever protocol carried them.
 *
 * Life: the proto makes it, fills target and headers and tells head, body, end. The handler runs:
 * on the loop (FAST), or as a job on the pool (BLOCK, UPLOAD). Then it is `answered` and the proto
 * takes the answer. Exchanges are kept per loop and reused with their buffers and arena, so a warm
 * data plane does not allocate.
 *
 * Ownership: an exchange is freed by whoever is last of its connection (exchange_abandon) and the
 * pool or late handler that has it (x->busy). Loop thread, but for run_handler.
 */
#include "net/net_int.h"

#include "base/log.h"
#include "sys/clock.h"

#include <string.h>
#include <unistd.h>

static void link_live(struct net_loop *nl, struct exchange *x)
{
    x->live_prev = NULL;
    x->live_next = nl->live;
    if (nl->live)
        nl->live->live_prev = x;
    nl->live = x;
}

static void unlink_live(struct exchange *x)
{
    if (x->live_prev)
        x->live_prev->live_next = x->live_next;
    else
        x->nl->live = x->live_next;
    if (x->live_next)
        x->live_next->live_prev = x->live_prev;
}

static struct exchange *take_idle(struct net_loop *nl)
{
    struct exchange *x = nl->idle;
    if (x) {
        nl->idle = x->next;
        nl->idle_count--;
        return x;
    }
    x = xcalloc(1, sizeof(*x));
    x->rq.arena = arena_new(0);
    return x;
}

/* Everything before `headers` starts as zero, but for what is reused. */
static void reset(struct exchange *x, struct conn *c)
{
    struct buf answer = x->rq.answer, head = x->head, body = x->body, extra = x->extra;
    struct arena *arena = x->rq.arena;
    memset(x, 0, offsetof(struct exchange, headers));
    x->rq.arena = arena;
    x->rq.answer = answer;
    x->head = head;
    x->body = body;
    x->extra = extra;
    x->rq.answer.max = ANSWER_MAX;
    x->head.max = c->nl->net->config.header_max + READ_SIZE;
    x->extra.max = EXTRA_HEADERS_MAX;
    x->spool.max = x->spool_out.max = 2 * PIECE_SIZE;
    x->piece.max = PIECE_SIZE;
}

struct exchange *exchange_new(struct conn *c)
{
    struct exchange *x = take_idle(c->nl);
    reset(x, c);
    x->nl = c->nl;
    x->conn = c;
    x->spool_fd = x->file_fd = x->rq.body_fd = -1;
    x->continued = true;
    x->rq.status = 200;
    x->rq.content_type = "application/json";
    x->rq.loop = c->nl->loop;
    net_request_id(c->nl, x->rq.id);
    link_live(c->nl, x);
    return x;
}

static void shrink(struct buf *b)
{
    if (b->cap > KEEP_MAX)
        buf_free(b);
    buf_clear(b);
}

static void destroy(struct exchange *x)
{
    buf_free(&x->rq.answer);
    buf_free(&x->head);
    buf_free(&x->body);
    buf_free(&x->extra);
    arena_free(x->rq.arena);
    free(x);
}

void exchange_free(struct exchange *x)
{
    struct net_loop *nl = x->nl;
    answer_close(x);
    closep(&x->spool_fd);
    buf_free(&x->spool);
    buf_free(&x->spool_out);
    buf_free(&x->piece);
    unlink_live(x);
    shrink(&x->rq.answer);
    shrink(&x->head);
    shrink(&x->body);
    shrink(&x->extra);
    arena_reset(x->rq.arena);
    if (nl->idle_count >= IDLE_EXCHANGES) {
        destroy(x);
        return;
    }
    x->next = nl->idle;
    nl->idle = x;
    nl->idle_count++;
}

void exchange_free_all(struct net_loop *nl)
{
    while (nl->live)
        exchange_free(nl->live);
    while (nl->idle) {
        struct exchange *x = nl->idle;
        nl->idle = x->next;
        destroy(x);
    }
}

void exchange_abandon(struct exchange *x)
{
    x->conn = NULL;
    if (!x->busy)
        exchange_free(x);
}

void exchange_done(struct exchange *x)
{
    if (x->conn)
        x->conn->proto->ready(x->conn, x);
    else if (!x->in_handler)
        exchange_free(x);
}

/* ---- errors ---- */

static void write_error(struct buf *b, const struct err *err)
{
    buf_str(b, S("{\"error\":{\"code\":"));
    json_quote(b, str_from(err_name(err->code)));
    buf_str(b, S(",\"message\":"));
    json_quote(b, str_from(err->msg));
    if (err->hint[0]) {
        buf_str(b, S(",\"hint\":"));
        json_quote(b, str_from(err->hint));
    }
    buf_str(b, S("}}"));
}

static void log_refusal(const struct exchange *x, int status, const struct err *err)
{
    enum log_level level = status < 500 ? LOG_DEBUG : status == 503 ? LOG_WARN : LOG_ERROR;
    log_line(level, "request_failed", "req=%s method=%.*s path=%.*s status=%d code=%s error=\"%s\"",
             x->rq.id, STR(x->rq.method), STR(x->rq.path), status, err_name(err->code), err->msg);
}

void exchange_refuse(struct exchange *x, int status, const struct err *err)
{
    struct request *rq = &x->rq;
    log_refusal(x, status, err);
    answer_close(x);
    x->source = FROM_ANSWER;
    x->body_to = BODY_DISCARD;
    x->continued = true;
    buf_clear(&rq->answer);
    rq->status = status;
    rq->content_type = "application/json";
    if (status == 503)
        request_set_header(rq, "Retry-After", "1");
    if (rq->route && rq->route->error_shape)
        rq->route->error_shape(&rq->answer, err);
    else
        write_error(&rq->answer, err);
    x->answered = true;
    exchange_done(x);
}

static void fail(struct exchange *x, const struct err *err)
{
    struct err unexplained;
    if (!err->code) {
        err_set(&unexplained, E_INTERNAL, "the handler failed without saying why");
        err = &unexplained;
    }
    exchange_refuse(x, err_http(err->code), err);
}

/* The answer stands as it is in rq. */
static void finish(struct exchange *x)
{
    if (x->source == FROM_ANSWER && !buf_ok(&x->rq.answer)) {
        struct err err;
        err_set(&err, E_TOOBIG, "the answer would be longer than %d bytes", ANSWER_MAX);
        exchange_refuse(x, 500, &err);
        return;
    }
    x->answered = true;
    exchange_done(x);
}

/* ---- handlers ---- */

static void run_fast(struct exchange *x)
{
    const struct route *route = x->rq.route;
    x->started = x->in_handler = true;
    int rc = route->handler(&x->rq, route->ctx, &x->err);
    x->in_handler = false;
    if (x->answered)
        return;
    if (rc == 0)
        finish(x);
    else if (rc == REQUEST_LATER)
        x->busy = true;
    else
        fail(x, &x->err);
}

/* Pool. */
static void run_handler(struct exchange *x)
{
    const struct route *route = x->rq.route;
    x->rc = route->kind == ROUTE_UPLOAD ? body_finish(x, &x->err) : 0;
    if (!x->rc)
        x->rc = route->handler(&x->rq, route->ctx, &x->err);
    if (!x->rc && x->source > FROM_CONSTANT)
        answer_fill(x);
}

static void handler_ran(struct exchange *x)
{
    if (x->rc) {
        fail(x, &x->err);
        return;
    }
    if (x->source > FROM_CONSTANT)
        answer_filled(x);
    finish(x);
}

void exchange_run(struct exchange *x)
{
    struct err err = {0};
    if (x->spooling || x->answered)
        return; /* the spool's job is not back; it will call again */
    x->started = true;
    if (net_job(x, run_handler, handler_ran, &err))
        fail(x, &err);
}

void exchange_head(struct exchange *x)
{
    struct err err = {0};
    int status = policy_check(x, &err);
    if (status) {
        exchange_refuse(x, status, &err);
        return;
    }
    x->rq.body_size = 0;
    x->body_to = x->rq.route->kind == ROUTE_UPLOAD ? BODY_SPOOL : BODY_MEMORY;
    x->body.max = x->max_body;
    x->continued = !x->expects || x->length == 0;
    if (x->length > 0 && x->length <= READ_SIZE && x->body_to == BODY_MEMORY)
        buf_reserve(&x->body, (size_t)x->length);
}

void exchange_end(struct exchange *x)
{
    x->read_done = true;
    x->continued = true;
    if (x->answered)
        return;
    x->rq.body_size = x->received;
    if (x->body_to == BODY_MEMORY)
        x->rq.body = buf_view(&x->body);
    if (x->rq.route->kind == ROUTE_FAST)
        run_fast(x);
}

void request_answer(struct request *rq)
{
    struct exchange *x = exchange_of(rq);
    if (x->answered || !rq->route || rq->route->kind != ROUTE_FAST)
        return;
    x->busy = false;
    finish(x);
}

void request_fail(struct request *rq, const struct err *err)
{
    struct exchange *x = exchange_of(rq);
    if (x->answered || !rq->route || rq->route->kind != ROUTE_FAST)
        return;
    x->busy = false;
    fail(x, err);
}
