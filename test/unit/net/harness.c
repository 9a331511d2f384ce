/* SPDX-License-Identifier: Apache-2.0 */
#include "harness.h"

#include "base/log.h"
#include "sys/fs.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <stdio.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>

/* ---- handlers ---- */

static sem_t gate_entered, gate_opened;
static atomic_uint closed_streams, events;

void gate_reset(void)
{
    sem_init(&gate_entered, 0, 0);
    sem_init(&gate_opened, 0, 0);
    atomic_store(&closed_streams, 0);
    atomic_store(&events, 0);
}

void gate_await(unsigned n)
{
    for (unsigned i = 0; i < n; i++)
        sem_wait(&gate_entered);
}

void gate_open(unsigned n)
{
    for (unsigned i = 0; i < n; i++)
        sem_post(&gate_opened);
}

unsigned streams_closed(void)
{
    return atomic_load(&closed_streams);
}

void event_add(void)
{
    atomic_fetch_add(&events, 1);
}

static int on_fast(struct request *rq, void *ctx, struct err *err)
{
    (void)ctx, (void)err;
    buf_puts(&rq->answer, "\"fast\"");
    return 0;
}

static int on_block(struct request *rq, void *ctx, struct err *err)
{
    (void)ctx, (void)err;
    str name = request_param(rq, "name");
    buf_printf(&rq->answer, "block %.*s", STR(name));
    return 0;
}

static int on_gate(struct request *rq, void *ctx, struct err *err)
{
    (void)ctx, (void)err;
    sem_post(&gate_entered);
    sem_wait(&gate_opened);
    buf_puts(&rq->answer, "passed");
    return 0;
}

static void answer_late(uv_timer_t *t)
{
    struct request *rq = t->data;
    buf_puts(&rq->answer, "late");
    request_answer(rq);
    uv_close((uv_handle_t *)t, (uv_close_cb)(void (*)(void))free);
}

static int on_late(struct request *rq, void *ctx, struct err *err)
{
    (void)ctx, (void)err;
    uv_timer_t *t = xmalloc(sizeof(*t));
    uv_timer_init(loop_uv(rq->loop), t);
    t->data = rq;
    uv_timer_start(t, answer_late, 30, 0);
    return REQUEST_LATER;
}

/* The tick: requests of one turn are answered together, with their number. */
static struct {
    struct request *waiting[64];
    unsigned n;
} tick;

static void answer_tick(struct loop *l, void *arg)
{
    (void)l, (void)arg;
    unsigned n = tick.n;
    tick.n = 0;
    for (unsigned i = 0; i < n; i++) {
        buf_printf(&tick.waiting[i]->answer, "%u of %u", i + 1, n);
        request_answer(tick.waiting[i]);
    }
}

static int on_tick(struct request *rq, void *ctx, struct err *err)
{
    (void)ctx, (void)err;
    if (!tick.n)
        loop_defer(rq->loop, answer_tick, NULL);
    tick.waiting[tick.n++] = rq;
    return REQUEST_LATER;
}

static int on_echo(struct request *rq, void *ctx, struct err *err)
{
    (void)ctx, (void)err;
    rq->content_type = "text/plain";
    buf_str(&rq->answer, rq->body);
    return 0;
}

static int on_json(struct request *rq, void *ctx, struct err *err)
{
    (void)ctx;
    CLEANUP(json_freep) json_t *body = NULL;
    int rc = request_json(rq, &body, err);
    return rc ? rc : request_answer_json(rq, 201, body);
}

/* What a handler is left with when json_pack was given something that has no JSON form. */
static int on_unpackable(struct request *rq, void *ctx, struct err *err)
{
    (void)ctx, (void)err;
    CLEANUP(json_freep) json_t *answer = json_pack("{s:s}", "name", "\xff");
    return request_answer_json(rq, 200, answer);
}

static int on_upload(struct request *rq, void *ctx, struct err *err)
{
    (void)ctx;
    static _Thread_local char piece[1 << 16];
    uint64_t sum = 0, total = 0;
    ssize_t got;
    while ((got = read(rq->body_fd, piece, sizeof(piece))) > 0) {
        for (ssize_t i = 0; i < got; i++)
            sum = sum * 31 + (unsigned char)piece[i];
        total += (uint64_t)got;
    }
    if (got < 0 || total != (uint64_t)rq->body_size)
        return err_set(err, E_IO, "the spool has %llu bytes", (unsigned long long)total);
    buf_printf(&rq->answer, "%llu %llu", (unsigned long long)total, (unsigned long long)sum);
    return 0;
}

static int on_fail(struct request *rq, void *ctx, struct err *err)
{
    (void)rq, (void)ctx;
    return err_hint(err_set(err, E_CONFLICT, "no \"%s\"", "luck"), err, "try harder");
}

static int on_file(struct request *rq, void *ctx, struct err *err)
{
    (void)ctx;
    int fd = open("/tmp", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
    struct buf b = BUF(FILE_SIZE);
    for (int i = 0; b.n < FILE_SIZE; i++)
        buf_printf(&b, "%09d\n", i);
    int rc = fs_write_all(fd, b.p, b.n, err);
    size_t n = b.n;
    buf_free(&b);
    return rc ? rc : request_answer_file(rq, fd, (int64_t)n, "text/plain", "\"v1\"", err);
}

static enum pull pull_count(void *ctx, struct buf *out, int *wait_ms)
{
    int *left = ctx;
    buf_printf(out, "%d,", *left);
    *wait_ms = 1;
    if (--*left > 0)
        return *left % 2 ? PULL_MORE : PULL_WAIT;
    return PULL_DONE;
}

static enum pull pull_flood(void *ctx, struct buf *out, int *wait_ms)
{
    (void)ctx, (void)wait_ms;
    while (buf_reserve(out, 1024)) {
        memset(out->p + out->n, 'x', 1024);
        out->n += 1024;
    }
    out->full = false;
    return PULL_MORE;
}

static enum pull pull_events(void *ctx, struct buf *out, int *wait_ms)
{
    unsigned *seen = ctx;
    while (*seen < atomic_load(&events))
        buf_printf(out, "event %u\n", ++*seen);
    *wait_ms = 3600 * 1000; /* only a wake brings more */
    return PULL_WAIT;
}

static void close_stream(void *ctx)
{
    free(ctx);
    atomic_fetch_add(&closed_streams, 1);
}

static int on_count(struct request *rq, void *ctx, struct err *err)
{
    static const struct stream_ops ops = {pull_count, close_stream};
    (void)ctx;
    int *left = xmalloc(sizeof(*left));
    *left = 5;
    return request_answer_stream(rq, "text/plain", &ops, left, err);
}

static int on_flood(struct request *rq, void *ctx, struct err *err)
{
    static const struct stream_ops ops = {pull_flood, close_stream};
    (void)ctx;
    return request_answer_stream(rq, "text/plain", &ops, NULL, err);
}

static int on_events(struct request *rq, void *ctx, struct err *err)
{
    static const struct stream_ops ops = {pull_events, close_stream};
    (void)ctx;
    return request_answer_stream(rq, "text/event-stream", &ops, xcalloc(1, sizeof(unsigned)), err);
}

static int on_asset(struct request *rq, void *ctx, struct err *err)
{
    static const unsigned char text[] = "alert(1)";
    static const struct asset asset = {"/assets/a.js", "text/javascript", "\"e1\"", text, 8};
    (void)ctx, (void)err;
    request_set_header(rq, "Content-Security-Policy", "default-src 'self'");
    return net_answer_asset(rq, &asset);
}

static int on_param(struct request *rq, void *ctx, struct err *err)
{
    (void)err;
    str value = request_param(rq, ctx);
    str q = request_query(rq, "q");
    buf_printf(&rq->answer, "%s=%.*s q=%.*s", (const char *)ctx, STR(value), STR(q));
    return 0;
}

static int on_who(struct request *rq, void *ctx, struct err *err)
{
    (void)ctx, (void)err;
    buf_printf(&rq->answer, "hello %s", rq->who.name);
    return 0;
}

static int on_big(struct request *rq, void *ctx, struct err *err)
{
    (void)ctx;
    int64_t n;
    int rc = request_query_i64(rq, "n", 1, 1, 64 << 20, &n, err);
    for (int64_t i = 0; !rc && i < n; i += 26)
        buf_put(&rq->answer, "abcdefghijklmnopqrstuvwxyz", (size_t)MIN(n - i, 26));
    return rc;
}

static void triton_shape(struct buf *b, const struct err *err)
{
    buf_printf(b, "{\"error\":\"%s\"}", err->msg);
}

static const struct route routes[] = {
    {"GET", "/fast", ROUTE_FAST, PERM_NONE, 0, on_fast, NULL, "", NULL},
    {"GET", "/late", ROUTE_FAST, PERM_NONE, 0, on_late, NULL, "", NULL},
    {"GET", "/tick", ROUTE_FAST, PERM_NONE, 0, on_tick, NULL, "", NULL},
    {"GET", "/block/{name}", ROUTE_BLOCK, PERM_NONE, 0, on_block, NULL, "", NULL},
    {"POST", "/block/{name}", ROUTE_BLOCK, PERM_NONE, 16, on_block, NULL, "", NULL},
    {"GET", "/gate", ROUTE_BLOCK, PERM_NONE, 0, on_gate, NULL, "", NULL},
    {"POST", "/echo", ROUTE_BLOCK, PERM_NONE, ECHO_MAX, on_echo, NULL, "", NULL},
    {"POST", "/fastecho", ROUTE_FAST, PERM_NONE, ECHO_MAX, on_echo, NULL, "", NULL},
    {"POST", "/json", ROUTE_BLOCK, PERM_NONE, ECHO_MAX, on_json, NULL, "", NULL},
    {"PUT", "/upload", ROUTE_UPLOAD, PERM_NONE, UPLOAD_MAX, on_upload, NULL, "", NULL},
    {"GET", "/fail", ROUTE_BLOCK, PERM_NONE, 0, on_fail, NULL, "", NULL},
    {"GET", "/fail/fast", ROUTE_FAST, PERM_NONE, 0, on_fail, NULL, "", NULL},
    {"GET", "/unpackable", ROUTE_BLOCK, PERM_NONE, 0, on_unpackable, NULL, "", NULL},
    {"GET", "/unpackable/fast", ROUTE_FAST, PERM_NONE, 0, on_unpackable, NULL, "", NULL},
    {"GET", "/fail/shape", ROUTE_FAST, PERM_NONE, 0, on_fail, NULL, "", triton_shape},
    {"GET", "/secret", ROUTE_FAST, PERM_READ, 0, on_who, NULL, "", NULL},
    {"POST", "/secret", ROUTE_BLOCK, PERM_WRITE, 16, on_who, NULL, "", triton_shape},
    {"PUT", "/secret", ROUTE_UPLOAD, PERM_ADMIN, UPLOAD_MAX, on_who, NULL, "", NULL},
    {"GET", "/file", ROUTE_BLOCK, PERM_NONE, 0, on_file, NULL, "", NULL},
    {"GET", "/count", ROUTE_BLOCK, PERM_NONE, 0, on_count, NULL, "", NULL},
    {"GET", "/flood", ROUTE_BLOCK, PERM_NONE, 0, on_flood, NULL, "", NULL},
    {"GET", "/events", ROUTE_BLOCK, PERM_NONE, 0, on_events, NULL, "", NULL},
    {"GET", "/asset", ROUTE_FAST, PERM_NONE, 0, on_asset, NULL, "", NULL},
    {"GET", "/items/{name}", ROUTE_FAST, PERM_NONE, 0, on_param, "name", "", NULL},
    {"GET", "/files/{rest:path}", ROUTE_FAST, PERM_NONE, 0, on_param, "rest", "", NULL},
    {"GET", "/big", ROUTE_FAST, PERM_NONE, 0, on_big, NULL, "", NULL},
};

static int identify(void *ctx, struct loop *loop, str bearer, str cookie, struct principal *ret,
                    struct err *err)
{
    (void)ctx, (void)loop;
    str secret = bearer.n ? bearer : cookie;
    if (!str_eq(secret, S("reader")) && !str_eq(secret, S("owner")))
        return err_set(err, E_UNAUTHENTICATED, "this token is not known here");
    *ret = (struct principal){.id = "1", .perms = PERM_NONE | PERM_READ};
    if (str_eq(secret, S("owner")))
        ret->perms |= PERM_WRITE | PERM_ADMIN;
    memcpy(ret->name, secret.p, secret.n);
    return 0;
}

/* ---- the server ---- */

struct server *server_start(const struct net_config *config, unsigned pool_queue)
{
    struct server *s = xcalloc(1, sizeof(*s));
    struct err err = {0};
    struct net_config c = config ? *config : (struct net_config){0};
    c.host = c.host ? c.host : "127.0.0.1";
    c.routes = c.routes ? c.routes : routes;
    c.route_count = c.route_count ? c.route_count : LENGTH(routes);
    c.gate.identify = identify;
    c.spool_dir = c.spool_dir ? c.spool_dir : "/tmp";
    gate_reset();
    log_set_level(LOG_SILENT);
    assert_int_equal(loops_start(1, &s->loops, &err), 0);
    assert_int_equal(pool_new("test", 2, pool_queue ? pool_queue : 64, &s->pool, &err), 0);
    c.pool = s->pool;
    if (net_start(s->loops, &c, &s->net, &err))
        fail_msg("%s", err.msg);
    s->port = net_port(s->net);
    snprintf(s->url, sizeof(s->url), "http://127.0.0.1:%u", s->port);
    return s;
}

void server_stop(struct server *s)
{
    net_drain(s->net, 0);
    loops_stop(s->loops);
    net_free(s->net);
    pool_free(s->pool);
    loops_free(s->loops);
    free(s);
}

/* ---- the client ---- */

int dial(const struct server *s)
{
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    struct sockaddr_in at = {.sin_family = AF_INET,
                             .sin_port = htons((uint16_t)s->port),
                             .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    struct timeval patience = {.tv_sec = 10};
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
    setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience));
    assert_int_equal(connect(fd, (struct sockaddr *)&at, sizeof(at)), 0);
    return fd;
}

/* A socket with a timeout says EINTR for kernel work of its process as well (newer libuv's io_uring),
 * without any signal: hence TEMP_FAILURE_RETRY below. */
void say_n(int fd, const void *p, size_t n)
{
    const char *at = p;
    while (n) {
        ssize_t sent = TEMP_FAILURE_RETRY(send(fd, at, n, MSG_NOSIGNAL));
        if (sent <= 0)
            fail_msg("the server does not take more: %s", strerror(errno));
        at += sent;
        n -= (size_t)sent;
    }
}

void say(int fd, const char *text)
{
    say_n(fd, text, strlen(text));
}

static char hear_byte(int fd)
{
    char c = 0;
    ssize_t n = TEMP_FAILURE_RETRY(recv(fd, &c, 1, 0));
    if (n != 1)
        fail_msg("the server %s", n == 0 ? "closed" : "says nothing");
    return c;
}

static void hear_line(int fd, char *out, size_t size)
{
    size_t n = 0;
    while (n + 1 < size) {
        out[n++] = hear_byte(fd);
        if (n > 1 && out[n - 2] == '\r' && out[n - 1] == '\n')
            break;
    }
    out[n - 2] = 0;
}

void hear_head(int fd, struct answer *a)
{
    *a = (struct answer){0};
    size_t n = 0;
    while (n < 4 || memcmp(a->head + n - 4, "\r\n\r\n", 4) != 0) {
        assert_true(n + 1 < sizeof(a->head));
        a->head[n++] = hear_byte(fd);
    }
    if (strncmp(a->head, "HTTP/1.1 ", 9) != 0)
        fail_msg("this is no answer: %s", a->head);
    a->status = atoi(a->head + 9);
}

const char *field(const struct answer *a, const char *name, char *ret, size_t size)
{
    size_t n = strlen(name);
    for (const char *line = a->head; (line = strstr(line, "\r\n")) != NULL;) {
        line += 2;
        if (strncasecmp(line, name, n) == 0 && line[n] == ':') {
            snprintf(ret, size, "%.*s", (int)strcspn(line + n + 2, "\r"), line + n + 2);
            return ret;
        }
    }
    return NULL;
}

static void hear_n(int fd, struct answer *a, size_t n)
{
    a->body = xrealloc(a->body, a->n + n + 1);
    for (size_t end = a->n + n; a->n < end;) {
        ssize_t got = TEMP_FAILURE_RETRY(recv(fd, a->body + a->n, end - a->n, 0));
        if (got <= 0)
            fail_msg("the body broke off after %zu bytes", a->n);
        a->n += (size_t)got;
    }
    a->body[a->n] = 0;
}

static void hear_chunks(int fd, struct answer *a)
{
    char line[64];
    for (size_t n = 1; n;) {
        hear_line(fd, line, sizeof(line));
        n = strtoul(line, NULL, 16);
        hear_n(fd, a, n);
        hear_line(fd, line, sizeof(line));
    }
}

void hear(int fd, struct answer *a)
{
    char text[64];
    hear_head(fd, a);
    if (field(a, "Content-Length", text, sizeof(text)))
        hear_n(fd, a, strtoul(text, NULL, 10));
    else if (field(a, "Transfer-Encoding", text, sizeof(text)))
        hear_chunks(fd, a);
    else
        hear_n(fd, a, 0);
}

void answer_free(struct answer *a)
{
    free(a->body);
    a->body = NULL;
}

bool heard_end(int fd)
{
    char c;
    ssize_t n = TEMP_FAILURE_RETRY(recv(fd, &c, 1, 0));
    if (n < 0 && errno == EAGAIN)
        fail_msg("the server keeps the connection");
    return n <= 0;
}

void expect(const struct server *s, const char *text, int status, const char *body_part)
{
    struct answer a;
    int fd = dial(s);
    say(fd, text);
    hear(fd, &a);
    if (a.status != status || (body_part && !strstr(a.body, body_part)))
        fail_msg("expected %d %s\nafter %s\ngot %s%s", status, body_part ? body_part : "", text,
                 a.head, a.body);
    answer_free(&a);
    close(fd);
}
