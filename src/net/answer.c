/* SPDX-License-Identifier: Apache-2.0
 *
 * Answers that leave piece by piece: files (with ranges, RFC 9110 section 14) and streams.
 *
 * A piece is made on the pool and sent by the proto; the next one is asked for when there is room,
 * so an answer of any size takes one or two pieces of memory. A stream that has nothing to say
 * waits without a thread, until its time comes or net_wake. A wake that happens while a pull is
 * under way must not be lost: each job notes how many wakes its loop had seen when it began, and a
 * stream that would wait although there were more since is pulled again.
 *
 * Threads: request_answer_* and answer_fill on the pool; the rest on the loop.
 */
#include "net/net_int.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { RETRY_MS = 50, WAIT_DEFAULT_MS = 1000 };

/* ---- files ---- */

struct range {
    int64_t from, to; /* both included */
};

enum range_is { RANGE_NONE, RANGE_GOOD, RANGE_OUTSIDE };

/* "bytes=a-b", "bytes=a-", "bytes=-n". What is malformed or asks for several ranges is ignored, as
 * the RFC allows; the whole file is an answer too. */
static enum range_is parse_range(str text, int64_t size, struct range *ret)
{
    str from, to;
    uint64_t a = 0, b = 0;
    if (!str_starts(text, S("bytes=")) || memchr(text.p, ',', text.n))
        return RANGE_NONE;
    if (!str_cut(str_trim(str_skip(text, 6)), '-', &from, &to))
        return RANGE_NONE;
    if ((from.n && !str_u64(from, &a)) || (to.n && !str_u64(to, &b)) || (!from.n && !to.n) ||
        (from.n && to.n && b < a))
        return RANGE_NONE;
    if (from.n && a >= (uint64_t)size)
        return RANGE_OUTSIDE;
    if (!from.n && (b == 0 || size == 0))
        return RANGE_OUTSIDE;
    if (from.n) {
        ret->from = (int64_t)a;
        ret->to = to.n ? (int64_t)MIN(b, (uint64_t)size - 1) : size - 1;
    } else {
        ret->from = size - (int64_t)MIN(b, (uint64_t)size);
        ret->to = size - 1;
    }
    return RANGE_GOOD;
}

/* A list of entity tags, or "*"; weak comparison. */
static bool etag_listed(str list, const char *etag)
{
    str rest = list, one;
    for (bool more = list.n > 0; more;) {
        more = str_cut(rest, ',', &one, &rest);
        one = str_trim(one);
        if (str_starts(one, S("W/")))
            one = str_skip(one, 2);
        if (str_eq(one, S("*")) || str_is(one, etag))
            return true;
    }
    return false;
}

static void set_content_range(struct request *rq, const struct range *r, int64_t size)
{
    char text[96];
    if (r)
        snprintf(text, sizeof(text), "bytes %lld-%lld/%lld", (long long)r->from, (long long)r->to,
                 (long long)size);
    else
        snprintf(text, sizeof(text), "bytes */%lld", (long long)size);
    request_set_header(rq, "Content-Range", text);
}

/* If-Range holds when it names exactly this version. */
static bool range_applies(const struct request *rq, const char *etag)
{
    str condition = request_header(rq, "If-Range");
    return !condition.p || (etag && str_is(condition, etag));
}

static int choose_range(struct exchange *x, int64_t size, const char *etag, struct err *err)
{
    struct request *rq = &x->rq;
    struct range r = {0};
    str wanted = request_header(rq, "Range");
    if (!wanted.n || !str_eq(rq->method, S("GET")) || !range_applies(rq, etag))
        return 0;
    switch (parse_range(wanted, size, &r)) {
    case RANGE_OUTSIDE:
        set_content_range(rq, NULL, size);
        return err_set(err, E_RANGE, "the range '%.*s' lies outside of the %lld bytes", STR(wanted),
                       (long long)size);
    case RANGE_GOOD:
        rq->status = 206;
        x->file_at = r.from;
        x->file_left = r.to - r.from + 1;
        set_content_range(rq, &r, size);
        return 0;
    default:
        return 0;
    }
}

int request_answer_file(struct request *rq, int fd, int64_t size, const char *content_type,
                        const char *etag, struct err *err)
{
    struct exchange *x = exchange_of(rq);
    x->source = FROM_FILE;
    x->file_fd = fd;
    x->file_at = 0;
    x->file_left = size;
    rq->content_type = arena_cstr(rq->arena, str_from(content_type));
    request_set_header(rq, "Accept-Ranges", "bytes");
    if (etag)
        request_set_header(rq, "ETag", etag);
    if (!x->has_csp) /* a file that a browser opens must not run in our name */
        request_set_header(rq, "Content-Security-Policy", "default-src 'none'; sandbox");
    if (etag && etag_listed(request_header(rq, "If-None-Match"), etag)) {
        rq->status = 304;
        return 0;
    }
    return choose_range(x, size, etag, err);
}

int net_answer_asset(struct request *rq, const struct asset *a)
{
    struct exchange *x = exchange_of(rq);
    x->source = FROM_CONSTANT;
    x->constant = str_n((const char *)a->data, a->size);
    rq->content_type = a->content_type;
    request_set_header(rq, "ETag", a->etag);
    if (!x->has_cache_control)
        request_set_header(rq, "Cache-Control", "no-cache");
    if (etag_listed(request_header(rq, "If-None-Match"), a->etag))
        rq->status = 304;
    return 0;
}

static void fill_from_file(struct exchange *x)
{
    size_t want = (size_t)MIN(x->file_left, (int64_t)PIECE_SIZE);
    if (!buf_reserve(&x->piece, want)) {
        x->rc = err_set(&x->err, E_BUSY, "no memory for a piece of the file");
        return;
    }
    ssize_t got;
    do
        got = want ? pread(x->file_fd, x->piece.p, want, x->file_at) : 0;
    while (got < 0 && errno == EINTR);
    if (got < 0 || (got == 0 && want)) {
        x->rc = got < 0 ? err_errno(&x->err, errno, "cannot read the file")
                        : err_set(&x->err, E_CORRUPT, "the file is shorter than it was");
        return;
    }
    x->piece.n = (size_t)got;
    x->file_at += got;
    x->file_left -= got;
    x->last_piece = x->file_left == 0;
}

/* ---- streams ---- */

int request_answer_stream(struct request *rq, const char *content_type,
                          const struct stream_ops *ops, void *ctx, struct err *err)
{
    struct exchange *x = exchange_of(rq);
    (void)err;
    x->source = FROM_STREAM;
    x->stream = ops;
    x->stream_ctx = ctx;
    rq->content_type = arena_cstr(rq->arena, str_from(content_type));
    return 0;
}

static void fill_from_stream(struct exchange *x)
{
    x->wait_ms = 0;
    x->piece.max = STREAM_PIECE;
    x->verdict = x->stream->pull(x->stream_ctx, &x->piece, &x->wait_ms);
    x->last_piece = x->verdict == PULL_DONE;
}

struct farewell {
    const struct stream_ops *ops;
    void *ctx;
};

static void say_farewell(void *arg)
{
    struct farewell *f = arg;
    f->ops->close(f->ctx);
    free(f);
}

static void leave_streams(struct exchange *x)
{
    if (!x->in_streams)
        return;
    if (x->stream_prev)
        x->stream_prev->stream_next = x->stream_next;
    else
        x->nl->streams = x->stream_next;
    if (x->stream_next)
        x->stream_next->stream_prev = x->stream_prev;
    x->in_streams = false;
}

static void join_streams(struct exchange *x)
{
    if (x->in_streams)
        return;
    x->in_streams = true;
    x->stream_prev = NULL;
    x->stream_next = x->nl->streams;
    if (x->stream_next)
        x->stream_next->stream_prev = x;
    x->nl->streams = x;
}

/* close may block a little, so it goes to the pool; when that is full or gone, it must run here. */
void answer_close(struct exchange *x)
{
    leave_streams(x);
    closep(&x->file_fd);
    x->file_fd = -1;
    if (!x->stream)
        return;
    struct farewell *f = xmalloc(sizeof(*f));
    *f = (struct farewell){x->stream, x->stream_ctx};
    x->stream = NULL;
    if (x->nl->stopped || pool_submit(x->nl->net->config.pool, say_farewell, f, NULL))
        say_farewell(f);
}

/* ---- pieces ---- */

void answer_fill(struct exchange *x)
{
    buf_clear(&x->piece);
    x->rc = 0;
    if (answer_bodyless(x))
        x->last_piece = true;
    else if (x->source == FROM_FILE)
        fill_from_file(x);
    else
        fill_from_stream(x);
}

void answer_filled(struct exchange *x)
{
    x->piece_ready = x->piece.n > 0 || x->last_piece;
    if (x->source == FROM_STREAM && x->nl->draining)
        x->cancelled = true;
}

static void wait_for(struct exchange *x, int ms)
{
    join_streams(x);
    x->waiting = true;
    x->due = uv_now(loop_uv(x->nl->loop)) + (uint64_t)MAX(ms, 0);
    answer_due(x->nl);
}

static void finish_early(struct exchange *x)
{
    x->waiting = false;
    x->piece_ready = x->last_piece = true;
    exchange_done(x);
}

static void filled(struct exchange *x)
{
    if (!x->conn) {
        exchange_free(x);
        return;
    }
    if (x->rc) {
        conn_close(x->conn); /* the length was promised: a broken connection is all we can say */
        return;
    }
    answer_filled(x);
    if (x->cancelled)
        finish_early(x);
    else if (x->piece_ready)
        exchange_done(x);
    else
        answer_next(x);
}

/* After the job that the proto's wish or a due time started. */
static void start_fill(struct exchange *x)
{
    if (net_job(x, answer_fill, filled, NULL))
        wait_for(x, RETRY_MS);
}

void answer_next(struct exchange *x)
{
    if (x->busy || x->waiting || x->piece_ready)
        return;
    if (x->cancelled) {
        finish_early(x);
        return;
    }
    bool wants_rest = x->source == FROM_STREAM && x->verdict == PULL_WAIT;
    if (wants_rest && x->wakes == x->nl->wakes)
        wait_for(x, x->wait_ms > 0 ? x->wait_ms : WAIT_DEFAULT_MS);
    else
        start_fill(x);
}

void answer_due(struct net_loop *nl)
{
    uint64_t now = uv_now(loop_uv(nl->loop)), next = UINT64_MAX;
    for (struct exchange *x = nl->streams, *after; x; x = after) {
        after = x->stream_next;
        if (!x->waiting)
            continue;
        if (x->due <= now) {
            x->waiting = false;
            if (net_job(x, answer_fill, filled, NULL)) {
                x->waiting = true;
                x->due = now + RETRY_MS;
            }
        }
        if (x->waiting)
            next = MIN(next, x->due);
    }
    if (next != UINT64_MAX)
        net_due_in(nl, next - now);
}

void answer_woken(struct net_loop *nl)
{
    nl->wakes++;
    for (struct exchange *x = nl->streams; x; x = x->stream_next)
        x->due = 0;
    answer_due(nl);
}

void answer_cancel(struct exchange *x)
{
    x->cancelled = true;
    if (x->waiting)
        finish_early(x);
}

int64_t answer_length(const struct exchange *x)
{
    switch (x->source) {
    case FROM_ANSWER:
        return (int64_t)x->rq.answer.n;
    case FROM_CONSTANT:
        return (int64_t)x->constant.n;
    case FROM_FILE:
        return x->file_left + (int64_t)x->piece.n;
    default:
        return -1;
    }
}

bool answer_bodyless(const struct exchange *x)
{
    return str_eq(x->rq.method, S("HEAD")) || x->rq.status == 304 || x->rq.status == 204;
}
