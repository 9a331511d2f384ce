/* SPDX-License-Identifier: Apache-2.0
 *
 * The front door: HTTP on every I/O loop, one route table, one policy.
 *
 * Each loop of sys/loop.h listens on the same address with SO_REUSEPORT; a connection stays on the
 * loop that accepted it. A request is matched against the route table, bounded, checked by the gate
 * (access), and then handled in one of three ways:
 *
 *   ROUTE_FAST    on the loop itself, for the data plane: must not block, may answer later from the
 *                 same loop (request_answer)
 *   ROUTE_BLOCK   straight-line code on a bounded pool, with an arena of the request; the whole body
 *                 is in memory, at most max_body
 *   ROUTE_UPLOAD  like ROUTE_BLOCK, but the body has been spooled to an unlinked temporary file in
 *                 constant memory with backpressure; the handler reads request.body_fd
 *
 * Nobody gets in by default: a route names its permission, and a route without one does not
 * compile into the table (PERM_NONE must be spelled). The Host header must name the listener, an
 * Origin header must be ours. Every bound has a number in struct net_config and an error that
 * states it. HTTP/2, gRPC and TLS join at the seam `struct proto` (net_int.h), which turns bytes of
 * a connection into requests and answers into bytes.
 *
 * Errors leave as {"error":{"code","message","hint"}}, or as the door's own shape when the route
 * table names one (error_shape).
 */
#ifndef TENON_NET_NET_H
#define TENON_NET_NET_H

#include "base/arena.h"
#include "base/buf.h"
#include "base/err.h"
#include "codec/json.h"
#include "sys/loop.h"
#include "sys/pool.h"

struct net;
struct request;
struct stream;

/* What a caller must be allowed to do; access maps tokens to sets of these (bits). */
enum perm {
    PERM_NONE = 1,    /* anyone who reaches the port: health, sign-in, the console's assets */
    PERM_READ = 2,    /* see the project's objects */
    PERM_WRITE = 4,   /* create and change them */
    PERM_PREDICT = 8, /* call endpoints */
    PERM_ADMIN = 16,  /* tokens, members, the server itself */
};

/* Who is calling, filled by the gate. Copied into each request. */
struct principal {
    char id[33];      /* token id; "" for nobody */
    char name[64];    /* for people: "owner", "ci" */
    char project[64]; /* the project the token is bound to */
    unsigned perms;   /* bits of enum perm */
};

enum route_kind { ROUTE_FAST = 1, ROUTE_BLOCK, ROUTE_UPLOAD };

typedef int (*handler_fn)(struct request *rq, void *ctx, struct err *err);

struct route {
    const char *method; /* "GET" also answers HEAD */
    /* Segments in braces are parameters: {name} is any one segment that is str_is_name, {r:ref} the
     * same with an optional '@' in front (a version or an alias), {n:int} a non-negative integer,
     * {d:digest} 64 hex, {i:id} 32 hex, {rest:path} the remainder (last only; decoded once, no
     * "..", no empty segment, no backslash, no NUL). */
    const char *pattern;
    enum route_kind kind;
    enum perm perm;  /* bits: the caller needs at least one of them */
    size_t max_body; /* bytes; 0 = a body is refused */
    handler_fn handler;
    void *ctx;
    const char *summary; /* one line, for documents and the tests that walk the table */
    /* Writes this door's error body; NULL = our own shape. */
    void (*error_shape)(struct buf *b, const struct err *err);
};

struct request {
    str method, path; /* path: decoded, without the query */
    struct principal who;
    char id[33]; /* request id, also in the X-Request-Id answer header */
    struct arena *arena;
    struct loop *loop;
    const struct route *route;
    str body;    /* FAST and BLOCK: the whole body */
    int body_fd; /* UPLOAD: positioned at 0; owned by the request; else -1 */
    int64_t body_size;
    struct buf answer; /* BLOCK and UPLOAD: what the handler writes; FAST: before request_answer */
    int status;        /* default 200 */
    const char *content_type; /* default application/json */
};

str request_param(const struct request *rq, const char *name);  /* from the pattern */
str request_query(const struct request *rq, const char *name);  /* decoded; p NULL if absent */
str request_header(const struct request *rq, const char *name); /* p NULL if absent */
int request_query_i64(const struct request *rq, const char *name, int64_t fallback, int64_t min,
                      int64_t max, int64_t *ret, struct err *err);
void request_set_header(struct request *rq, const char *name, const char *value);
int request_need_json(const struct request *rq, struct err *err); /* E_TYPE for another type */
/* Parses the body as JSON (415 unless the content type says so or is absent). */
int request_json(struct request *rq, json_t **ret, struct err *err);
/* Borrows j. For the end of a handler: 0, or E_INTERNAL (its err is filled) if j is NULL, which is
 * what building an answer from something that has no JSON form gives. */
int request_answer_json(struct request *rq, int status, const json_t *j);

/* FAST only. A handler that returns 0 is answered with what it put into rq (it may have called
 * request_answer itself); one that returns an error code, with that error. One that returns
 * REQUEST_LATER keeps the request and must call one of these on the same loop, once; afterwards rq
 * is gone. If the client left meanwhile the answer is dropped. */
void request_answer(struct request *rq); /* sends status, content_type, answer */
void request_fail(struct request *rq, const struct err *err);
#define REQUEST_LATER (-1)

/* BLOCK: a long answer instead of rq->answer. Downloads honour Range and HEAD, with pread on the
 * pool and bounded memory; the fd is owned by net from here. etag may be NULL. */
int request_answer_file(struct request *rq, int fd, int64_t size, const char *content_type,
                        const char *etag, struct err *err);

/* BLOCK: an open-ended answer (server-sent events, a followed log). pull runs on the blocking pool,
 * never twice at once for one stream, when the client can take more and the stream is due. It
 * appends to out (bounded) and returns a verdict. close runs once, whatever ended it. */
enum pull { PULL_MORE, PULL_WAIT, PULL_DONE };
struct stream_ops {
    /* PULL_WAIT: again in wait_ms, or on net_wake. */
    enum pull (*pull)(void *ctx, struct buf *out, int *wait_ms);
    void (*close)(void *ctx);
};
int request_answer_stream(struct request *rq, const char *content_type,
                          const struct stream_ops *ops, void *ctx, struct err *err);
void net_wake(struct net *n); /* any thread: every waiting stream is due now (after an event) */

/* The gate: who is this? Runs on the loop, must not block, and only if there is a credential:
 * Authorization (Bearer), or the console's cookie; the other one is empty. 0 with *ret filled (id ""
 * = anonymous), or E_UNAUTHENTICATED for a wrong one. */
#define NET_COOKIE "tenon_session" /* the cookie whose value the gate is given */
struct gate {
    int (*identify)(void *ctx, struct loop *loop, str bearer, str cookie, struct principal *ret,
                    struct err *err);
    void *ctx;
};

struct net_config {
    const char *host; /* numeric address; loopback only until TLS */
    unsigned port;    /* 0 = any free one */
    const struct route *routes;
    size_t route_count;
    struct gate gate;
    struct pool *pool;     /* for BLOCK, UPLOAD and streams */
    const char *spool_dir; /* for UPLOAD */
    size_t header_max;     /* 0 = 32 KB */
    unsigned header_ms;    /* time for a whole header; 0 = 10 s */
    unsigned body_ms;      /* longest gap between two pieces of a body; 0 = 30 s */
    unsigned idle_ms;      /* keep-alive without a request; 0 = 75 s */
    unsigned write_ms;     /* a client that takes nothing for so long is gone; 0 = 30 s */
    /* Over all loops; 0 = 20,000, or half of the descriptors if that is less. Above it only FAST
     * routes with PERM_NONE are still answered: the lane that health takes. */
    unsigned connections_max;
    const char *const *extra_hosts; /* further Host names that are ours; NULL-terminated or NULL */
};

/* E_CONFLICT naming the address if the port is busy. Serving starts before it returns. */
int net_start(struct loops *loops, const struct net_config *config, struct net **ret,
              struct err *err);
unsigned net_port(const struct net *n);
/* Stops accepting, lets requests in flight finish for up to grace_ms, closes the rest. Blocks. */
void net_drain(struct net *n, unsigned grace_ms);
void net_free(struct net *n); /* after loops_stop */

/* Assets compiled into the binary: tools/embed makes this table from web/dist. */
struct asset {
    const char *path; /* "/assets/app.js" */
    const char *content_type;
    const char *etag; /* quoted */
    const unsigned char *data;
    size_t size;
};
int net_answer_asset(struct request *rq, const struct asset *a); /* 304 on If-None-Match */

/* A small blocking HTTP client for the CLI, steps and tests (libcurl). Any thread. */
struct http_answer {
    int status;
    struct buf body;
    char content_type[128];
};
struct http_call {
    const char *method, *url;
    const char *token;        /* Bearer; NULL = none */
    const char *content_type; /* of the body; NULL = application/json */
    str body;
    int body_fd; /* > 0: body_size bytes of it are sent instead of body */
    int64_t body_size;
    unsigned timeout_ms; /* 0 = 30 s */
    size_t max_answer;   /* 0 = 64 MB */
    /* Called for each piece instead of collecting the body; nonzero stops. NULL = collect. */
    int (*on_data)(void *ctx, str piece);
    void *ctx;
};
int http_do(const struct http_call *c, struct http_answer *ret, struct err *err);
void http_answer_free(struct http_answer *a);
/* http_do, then the JSON of a 2xx; any other status becomes its err (code, message, hint). */
int http_json(const struct http_call *c, json_t **ret, struct err *err);

#endif
