/* SPDX-License-Identifier: Apache-2.0
 *
 * HTTP/1.0 and 1.1 (RFC 9112) on http_parser, made strict where the parser is lenient.
 *
 * The parser is paused at the end of every head and of every message, so decisions are made between
 * its runs and never inside its callbacks. The raw head is kept in one piece; the parser's
 * callbacks only note where fields lie in it.
 *
 * Order. Requests wait in a queue and are answered from its front. FAST requests behind each other
 * run as they are read; a request that blocks runs when it is at the front, and nothing behind it
 * is read until it is answered. Bytes that cannot be parsed yet wait in `pending`, bounded.
 *
 * Smuggling. Refused with 400 and the end of the connection: Content-Length beside
 * Transfer-Encoding, repeated or differing Content-Length, a coding other than chunked, folded
 * fields, names with anything but token characters, a CR that no LF follows, control characters.
 *
 * Everything is driven by one idempotent function, advance: send what may be sent, parse what may
 * be parsed, then set reading and waiting to what that state calls for. Loop thread.
 */
#include "net/net_int.h"

#include <http_parser.h>
#include <stdio.h>
#include <string.h>

enum event { EVENT_NONE, EVENT_HEAD, EVENT_MESSAGE };

struct http1 {
    http_parser parser;
    enum event event;
    struct exchange *first, *last; /* in the order of their answers */
    unsigned queued;
    struct exchange *reading; /* the last one, while its message is being read */
    struct buf pending;
    const char *chunk; /* what the parser is given now */
    struct span url;
    size_t trailer;    /* bytes of trailer fields so far */
    const char *wrong; /* what the callbacks found */
    bool too_large;    /* ... namely too much header */
    bool in_value;
    bool fresh;   /* a message has begun since the connection last settled */
    bool busy;    /* advance is on the stack */
    bool ended;   /* nothing more is read: the answer in the queue's end is the last */
    bool refused; /* ... because of a refusal, while the peer may still be sending */
};

/* ---- the parser's callbacks: note, never decide ---- */

static uint32_t place(const struct http1 *h, const char *at)
{
    return (uint32_t)(h->reading->head.n + (size_t)(at - h->chunk));
}

/* Extends a span, which may arrive in pieces; a gap means that the field was folded. */
static int extend(struct http1 *h, struct span *s, const char *at, size_t n)
{
    if (!s->n)
        s->at = place(h, at);
    else if (n && s->at + s->n != place(h, at)) {
        h->wrong = "a header field is folded over lines";
        return -1;
    }
    s->n += (uint32_t)n;
    return 0;
}

static int on_url(http_parser *p, const char *at, size_t n)
{
    struct http1 *h = ((struct conn *)p->data)->state;
    return extend(h, &h->url, at, n);
}

static int count_trailer(struct http1 *h, struct conn *c, size_t n)
{
    h->trailer += n;
    if (h->trailer <= c->nl->net->config.header_max)
        return 0;
    h->wrong = "the trailer is too long";
    return -1;
}

static int on_field(http_parser *p, const char *at, size_t n)
{
    struct conn *c = p->data;
    struct http1 *h = c->state;
    struct exchange *x = h->reading;
    if (x->head_done)
        return count_trailer(h, c, n);
    if (h->in_value || !x->header_count) {
        if (x->header_count == HEADERS_MAX) {
            h->too_large = true;
            return -1;
        }
        h->in_value = false;
        x->spans[2 * x->header_count] = (struct span){0};
        x->spans[2 * x->header_count + 1] = (struct span){0};
        x->header_count++;
    }
    return extend(h, &x->spans[2 * x->header_count - 2], at, n);
}

static int on_value(http_parser *p, const char *at, size_t n)
{
    struct conn *c = p->data;
    struct http1 *h = c->state;
    if (h->reading->head_done)
        return count_trailer(h, c, n);
    h->in_value = true;
    return extend(h, &h->reading->spans[2 * h->reading->header_count - 1], at, n);
}

static int pause_for(http_parser *p, enum event event)
{
    struct http1 *h = ((struct conn *)p->data)->state;
    h->event = event;
    http_parser_pause(p, 1);
    return 0;
}

static int on_headers_complete(http_parser *p)
{
    return pause_for(p, EVENT_HEAD);
}

static int on_body(http_parser *p, const char *at, size_t n)
{
    struct http1 *h = ((struct conn *)p->data)->state;
    exchange_body(h->reading, at, n);
    return 0;
}

static int on_message_complete(http_parser *p)
{
    return pause_for(p, EVENT_MESSAGE);
}

static const http_parser_settings settings = {
    .on_url = on_url,
    .on_header_field = on_field,
    .on_header_value = on_value,
    .on_headers_complete = on_headers_complete,
    .on_body = on_body,
    .on_message_complete = on_message_complete,
};

/* ---- reading ---- */

static void begin_message(struct conn *c, struct http1 *h)
{
    struct exchange *x = exchange_new(c);
    if (h->last)
        h->last->next = x;
    else
        h->first = x;
    h->last = h->reading = x;
    h->queued++;
    h->in_value = false;
    h->fresh = true;
    h->trailer = 0;
    h->url = (struct span){0};
}

/* The message cannot be understood, so neither can what follows it. */
static void refuse_message(struct http1 *h, int status, const char *why)
{
    struct exchange *x = h->reading;
    struct err err = {0};
    err_set(&err, status == 408 ? E_TIMEOUT : E_INVALID, "%s", why);
    if (status == 431)
        err.code = E_TOOBIG;
    h->reading = NULL;
    h->ended = h->refused = true;
    x->head_done = x->read_done = true;
    x->keep_alive = false;
    if (!x->answered)
        exchange_refuse(x, status, &err);
}

static bool is_token(str s)
{
    static const char special[] = "!#$%&'*+-.^_`|~";
    for (size_t i = 0; i < s.n; i++) {
        char c = s.p[i];
        if (!((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
              (c && strchr(special, c))))
            return false;
    }
    return s.n > 0;
}

/* What the parser lets pass: see the top of this file. */
static const char *check_bytes(str head)
{
    for (size_t i = 0; i < head.n; i++) {
        unsigned char ch = (unsigned char)head.p[i];
        if (ch >= 0x20 && ch != 0x7f)
            continue;
        if (ch == '\r' && i + 1 < head.n && head.p[i + 1] != '\n')
            return "the header has a CR without LF";
        if (ch != '\r' && ch != '\n' && ch != '\t')
            return "the header has a control character";
    }
    return NULL;
}

static const char *check_fields(struct exchange *x)
{
    unsigned lengths = 0, codings = 0, hosts = 0;
    for (size_t i = 0; i < x->header_count; i++) {
        struct header f = x->headers[i];
        if (!is_token(f.name))
            return "a header field's name has characters that names cannot have";
        hosts += str_ieq(f.name, S("Host"));
        lengths += str_ieq(f.name, S("Content-Length"));
        if (str_ieq(f.name, S("Transfer-Encoding"))) {
            codings++;
            if (!str_ieq(str_trim(f.value), S("chunked")))
                return "the only Transfer-Encoding is chunked";
        }
    }
    if (lengths + codings > 1)
        return "the body's length is given more than once";
    return hosts > 1 ? "there is more than one Host" : NULL;
}

/* Absolute form (RFC 9112, 3.2.2): the authority is taken from the target. */
static const char *split_target(struct exchange *x)
{
    str t = x->target, rest;
    if (str_starts(t, S("http://")) || str_starts(t, S("https://"))) {
        t = str_skip(t, t.p[4] == 's' ? 8 : 7);
        size_t slash = 0;
        if (!str_find(t, '/', &slash))
            return "the request's target has no path";
        x->authority = str_n(t.p, slash);
        t = str_skip(t, slash);
    }
    if (!t.n || t.p[0] != '/')
        return "the request's target must start with '/'";
    str_cut(t, '?', &x->target, &rest);
    x->query = rest;
    return NULL;
}

static const char *read_head(struct http1 *h, struct exchange *x)
{
    const char *base = x->head.p;
    x->target = str_n(base + h->url.at, h->url.n);
    for (size_t i = 0; i < x->header_count; i++) {
        struct span name = x->spans[2 * i], value = x->spans[2 * i + 1];
        x->headers[i].name = str_n(base + name.at, name.n);
        x->headers[i].value = str_trim(str_n(base + (value.n ? value.at : 0), value.n));
    }
    const char *method = http_method_str((enum http_method)h->parser.method);
    x->rq.method = str_from(method);
    x->http10 = h->parser.http_major == 1 && h->parser.http_minor == 0;
    x->keep_alive = http_should_keep_alive(&h->parser) != 0;
    bool chunked = (h->parser.flags & F_CHUNKED) != 0;
    bool announced = (h->parser.flags & F_CONTENTLENGTH) != 0;
    x->length = chunked ? -1 : announced ? (int64_t)h->parser.content_length : 0;
    const char *wrong = check_bytes(buf_view(&x->head));
    wrong = wrong ? wrong : check_fields(x);
    return wrong ? wrong : split_target(x);
}

/* A refused body is read to its end if it is short, so that the connection lives on. */
static void give_up_body(struct http1 *h)
{
    struct exchange *x = h->reading;
    if (!x || !x->head_done || !x->answered || x->length == 0)
        return;
    if (x->length < 0 || x->length > DISCARD_MAX || x->expects) {
        if (!x->head_sent)
            x->keep_alive = false;
        x->read_done = true;
        h->reading = NULL;
        h->ended = h->refused = true;
    }
}

static void take_head(struct http1 *h)
{
    struct exchange *x = h->reading;
    h->parser.upgrade = 0; /* no protocol of ours is reached by Upgrade */
    if (h->parser.http_major != 1 || h->parser.http_minor > 1) {
        refuse_message(h, 505, "this server speaks HTTP/1.0 and HTTP/1.1");
        return;
    }
    const char *wrong = read_head(h, x);
    if (wrong) {
        refuse_message(h, 400, wrong);
        return;
    }
    x->head_done = true;
    exchange_head(x);
    give_up_body(h);
}

static void take_message(struct http1 *h)
{
    struct exchange *x = h->reading;
    h->reading = NULL;
    h->ended = h->ended || !x->keep_alive;
    exchange_end(x);
}

static void parse_failed(struct conn *c, struct http1 *h)
{
    enum http_errno e = HTTP_PARSER_ERRNO(&h->parser);
    char text[160];
    if (e == HPE_HEADER_OVERFLOW || h->too_large) {
        snprintf(text, sizeof(text),
                 "the header is longer than %zu bytes or has more than %d fields",
                 c->nl->net->config.header_max, HEADERS_MAX);
        refuse_message(h, 431, text);
        return;
    }
    snprintf(text, sizeof(text), "this is not HTTP: %s",
             h->wrong ? h->wrong : http_errno_description(e));
    refuse_message(h, 400, text);
}

static void take_event(struct http1 *h)
{
    enum event event = h->event;
    h->event = EVENT_NONE;
    http_parser_pause(&h->parser, 0);
    if (event == EVENT_HEAD)
        take_head(h);
    else if (event == EVENT_MESSAGE)
        take_message(h);
}

/* Gives the parser bytes up to its next event. Returns how many it used. */
static size_t parse_some(struct conn *c, struct http1 *h, const char *p, size_t n)
{
    size_t skipped = 0;
    while (!h->reading && skipped < n && (p[skipped] == '\r' || p[skipped] == '\n'))
        skipped++; /* RFC 9112, 2.2: empty lines before a request */
    if (skipped == n)
        return n;
    if (!h->reading)
        begin_message(c, h);
    struct exchange *x = h->reading;
    bool in_head = !x->head_done;
    h->chunk = p + skipped;
    size_t used = http_parser_execute(&h->parser, &settings, h->chunk, n - skipped);
    if (in_head)
        buf_put(&x->head, h->chunk, used);
    bool bad = HTTP_PARSER_ERRNO(&h->parser) != HPE_OK && !h->event;
    if (in_head && (x->head.full || x->head.n > c->nl->net->config.header_max)) {
        h->too_large = bad = true;
    }
    if (bad) {
        parse_failed(c, h);
        return n;
    }
    if (h->event)
        take_event(h);
    return skipped + used;
}

/* May the next bytes be parsed now? */
static bool held(const struct conn *c, const struct http1 *h)
{
    const struct exchange *last = h->last;
    if (c->closing || c->lingering || h->ended)
        return true;
    if (h->reading)
        return body_full(h->reading);
    if (c->writing || h->queued >= PIPELINE_MAX)
        return true;
    return last && (!last->rq.route || last->rq.route->kind != ROUTE_FAST ||
                    (last->answered && last->source > FROM_CONSTANT));
}

/* ---- writing ---- */

static void put_number(struct buf *b, uint64_t v)
{
    char digits[20];
    size_t n = sizeof(digits);
    do
        digits[--n] = (char)('0' + v % 10);
    while (v /= 10);
    buf_put(b, digits + n, sizeof(digits) - n);
}

static void put_status(struct buf *b, int status)
{
    if (status == 200) {
        buf_str(b, S("HTTP/1.1 200 OK\r\n"));
        return;
    }
    buf_str(b, S("HTTP/1.1 "));
    put_number(b, (uint64_t)status);
    buf_char(b, ' ');
    buf_puts(b, http_status_str((enum http_status)status));
    buf_str(b, S("\r\n"));
}

static void put_framing(struct conn *c, struct exchange *x, struct buf *b)
{
    int64_t length = answer_length(x);
    if (length >= 0 && x->rq.status != 204 && x->rq.status != 304) {
        buf_str(b, S("Content-Length: "));
        put_number(b, (uint64_t)length);
        buf_str(b, S("\r\n"));
    } else if (length < 0 && !x->http10) {
        buf_str(b, S("Transfer-Encoding: chunked\r\n"));
    } else if (length < 0) {
        x->keep_alive = false; /* the end of the connection is the end of the body */
    }
    if (c->nl->draining || c->surplus)
        x->keep_alive = false;
    if (!x->keep_alive)
        buf_str(b, S("Connection: close\r\n"));
    else if (x->http10)
        buf_str(b, S("Connection: keep-alive\r\n"));
}

static void send_head(struct conn *c, struct exchange *x)
{
    struct buf *b = &c->out;
    net_date(c->nl);
    put_status(b, x->rq.status);
    if (x->rq.content_type && x->rq.status != 304 && x->rq.status != 204) {
        buf_str(b, S("Content-Type: "));
        buf_puts(b, x->rq.content_type);
        buf_str(b, S("\r\n"));
    }
    put_framing(c, x, b);
    if (!x->has_cache_control)
        buf_str(b, S("Cache-Control: no-store\r\n"));
    buf_str(b, S("X-Content-Type-Options: nosniff\r\nReferrer-Policy: no-referrer\r\nDate: "));
    buf_puts(b, c->nl->date);
    buf_str(b, S("\r\nX-Request-Id: "));
    buf_put(b, x->rq.id, 32);
    buf_str(b, S("\r\n"));
    buf_str(b, buf_view(&x->extra));
    buf_str(b, S("\r\n"));
    x->head_sent = true;
}

/* Small bodies are copied so that many answers leave in one write; large ones change hands. */
static void send_whole(struct conn *c, struct buf *body)
{
    if (body->n <= COPY_MAX) {
        buf_str(&c->out, buf_view(body));
        buf_clear(body);
        return;
    }
    struct buf old = c->tail;
    c->tail = *body;
    c->tail_n = body->n;
    *body = old;
    body->max = c->tail.max;
    buf_clear(body);
}

static void send_constant(struct conn *c, str body)
{
    if (body.n <= COPY_MAX)
        buf_str(&c->out, body);
    else
        c->borrowed = body;
}

static void send_chunk(struct conn *c, struct exchange *x)
{
    if (x->http10 || x->source == FROM_FILE) {
        send_whole(c, &x->piece);
    } else if (x->piece.n) {
        buf_printf(&c->out, "%zx\r\n", x->piece.n);
        buf_str(&c->out, buf_view(&x->piece));
        buf_str(&c->out, S("\r\n"));
        buf_clear(&x->piece);
    }
    if (x->last_piece && x->source == FROM_STREAM && !x->http10)
        buf_str(&c->out, S("0\r\n\r\n"));
}

static void send_piece(struct conn *c, struct exchange *x)
{
    if (!x->piece_ready) {
        answer_next(x);
        return;
    }
    x->piece_ready = false;
    send_chunk(c, x);
    x->sent = x->last_piece;
    if (!x->sent && conn_room(c))
        answer_next(x); /* the next is read while this one is written */
}

/* Puts what is ready of x into the output. */
static void send_some(struct conn *c, struct exchange *x)
{
    if (!x->head_sent)
        send_head(c, x);
    if (answer_bodyless(x)) {
        x->sent = true;
    } else if (x->source == FROM_ANSWER) {
        send_whole(c, &x->rq.answer);
        x->sent = true;
    } else if (x->source == FROM_CONSTANT) {
        send_constant(c, x->constant);
        x->sent = true;
    } else {
        send_piece(c, x);
    }
}

static void dequeue(struct http1 *h)
{
    struct exchange *x = h->first;
    h->first = x->next;
    if (!h->first)
        h->last = NULL;
    h->queued--;
    if (!x->keep_alive)
        h->ended = true;
    exchange_abandon(x);
}

/* Sends from the front of the queue while there is room. True if something was put out. */
static bool pump(struct conn *c, struct http1 *h)
{
    bool any = false;
    give_up_body(h);
    while (h->first && conn_room(c)) {
        struct exchange *x = h->first;
        if (x->read_done && !x->started && !x->answered)
            exchange_run(x);
        if (x->head_done && !x->answered && !x->continued) {
            x->continued = true;
            buf_str(&c->out, S("HTTP/1.1 100 Continue\r\n\r\n"));
            any = true;
        }
        if (!x->answered)
            break;
        any = any || x->piece_ready || !x->head_sent;
        if (!x->sent)
            send_some(c, x);
        if (x->sent && x->read_done)
            dequeue(h);
        else if (x->sent || !x->piece_ready)
            break; /* its body is still being dropped, or its next piece is not there */
    }
    return any;
}

/* ---- the driver ---- */

/* Nothing is left to send, and nothing more will be asked. */
static bool is_over(const struct conn *c, const struct http1 *h)
{
    if (c->writing)
        return false;
    if (h->first)
        return c->eof && h->first == h->reading; /* asked by half, and that was all */
    return h->ended || ((c->eof || c->nl->draining) && !h->pending.n);
}

static void settle(struct conn *c, struct http1 *h)
{
    if (is_over(c, h)) {
        if (h->refused && !c->eof)
            conn_linger(c);
        else
            conn_close(c);
        return;
    }
    bool stuffed = h->pending.n >= PENDING_MAX || (h->reading && body_full(h->reading));
    conn_read(c, !c->eof && !stuffed && !c->writing);
    enum wait kind = WAIT_NONE;
    if (c->writing)
        kind = WAIT_WRITE;
    else if (h->reading && !h->reading->head_done)
        kind = WAIT_HEADER;
    else if (h->reading && !body_full(h->reading))
        kind = WAIT_BODY;
    else if (!h->first)
        kind = WAIT_IDLE;
    /* Time for a header counts from its first byte, for the rest from the last sign of life. */
    if (kind != c->wait || kind == WAIT_BODY || kind == WAIT_IDLE || h->fresh)
        conn_wait(c, kind);
    h->fresh = false;
    if (kind == WAIT_IDLE && h->pending.cap && !h->pending.n)
        buf_free(&h->pending);
}

static bool parse_pending(struct conn *c, struct http1 *h)
{
    if (!h->pending.n || held(c, h))
        return false;
    size_t used = 0;
    while (used < h->pending.n && !held(c, h)) {
        used += parse_some(c, h, h->pending.p + used, h->pending.n - used);
        pump(c, h);
    }
    buf_consume(&h->pending, used);
    return used > 0;
}

static void advance(struct conn *c)
{
    struct http1 *h = c->state;
    if (h->busy || c->closing || c->lingering)
        return;
    h->busy = true;
    bool more = true;
    while (more && !c->closing) {
        more = pump(c, h);
        conn_flush(c);
        if (!c->closing)
            more = (more && !c->writing) | parse_pending(c, h);
    }
    if (c->closing)
        return; /* the state is gone */
    h->busy = false;
    settle(c, h);
}

static void http1_input(struct conn *c, const char *p, size_t n)
{
    struct http1 *h = c->state;
    if (h->ended)
        return; /* whatever follows the last request */
    size_t used = 0;
    h->busy = true;
    while (used < n && !h->pending.n && !held(c, h)) {
        used += parse_some(c, h, p + used, n - used);
        pump(c, h);
    }
    h->busy = false;
    if (used < n && !h->ended)
        buf_put(&h->pending, p + used, n - used);
    advance(c);
}

/* Half closed: what was asked is answered, unless it is open-ended or was never asked in full. */
static void http1_eof(struct conn *c)
{
    struct http1 *h = c->state;
    bool endless = h->first && h->first->answered && h->first->source == FROM_STREAM;
    if (endless)
        conn_close(c);
    else
        advance(c);
}

static void http1_ready(struct conn *c, struct exchange *x)
{
    (void)x;
    struct http1 *h = c->state;
    if (!h->busy)
        conn_dirty(c);
}

static void http1_expired(struct conn *c)
{
    struct http1 *h = c->state;
    if (!h->reading) {
        conn_close(c);
        return;
    }
    bool body = h->reading->head_done;
    if (body && h->reading->answered) {
        conn_close(c);
        return;
    }
    refuse_message(h, 408, body ? "the body stopped coming" : "the header took too long to come");
    advance(c);
}

static void http1_drain(struct conn *c)
{
    struct http1 *h = c->state;
    for (struct exchange *x = h->first; x; x = x->next)
        if (x->answered && x->source == FROM_STREAM)
            answer_cancel(x);
    if (!h->first && !h->pending.n && !c->writing)
        conn_close(c);
}

static void *http1_open(struct conn *c)
{
    struct http1 *h = xcalloc(1, sizeof(*h));
    http_parser_init(&h->parser, HTTP_REQUEST);
    h->parser.data = c;
    h->pending = BUF(PENDING_MAX + READ_SIZE);
    return h;
}

static void http1_close(struct conn *c)
{
    struct http1 *h = c->state;
    for (struct exchange *x = h->first, *next; x; x = next) {
        next = x->next;
        exchange_abandon(x);
    }
    buf_free(&h->pending);
    free(h);
}

const struct proto proto_http1 = {
    .name = "http/1.1",
    .open = http1_open,
    .input = http1_input,
    .eof = http1_eof,
    .ready = http1_ready,
    .advance = advance,
    .expired = http1_expired,
    .drain = http1_drain,
    .close = http1_close,
};
