/* SPDX-License-Identifier: Apache-2.0
 *
 * What the files of net share. Bytes travel through three layers, each behind its own seam:
 *
 *   transport   moves bytes between a peer and a connection    (tcp.c; later TLS; memory in fuzz/)
 *   proto       turns bytes into exchanges and back            (http1.c; later HTTP/2)
 *   exchange    one request and its answer, whatever carried it (exchange.c, body.c, answer.c)
 *
 * A proto tells an exchange exchange_head, exchange_body, exchange_end as they arrive. The exchange
 * decides (policy.c, router.c), runs the handler, and calls proto->ready whenever there is something
 * to send; the proto takes it when the order of its protocol and the room in the output allow.
 *
 * Threads: everything here belongs to one loop, but for functions whose comment says "pool". A job
 * on the pool owns its exchange while x->busy is set, and never looks at x->conn.
 */
#ifndef TENON_NET_INT_H
#define TENON_NET_INT_H

#include "net/net.h"

#include "base/vec.h"

#include <pthread.h>
#include <stdatomic.h>

enum {
    HEADERS_MAX = 100,       /* header fields of a request */
    PARAMS_MAX = 8,          /* parameters of a route */
    PIPELINE_MAX = 64,       /* requests of one connection read but not answered */
    READ_SIZE = 64 << 10,    /* bytes read at once; one such buffer per loop */
    PENDING_MAX = 64 << 10,  /* bytes kept for a request whose turn has not come */
    OUT_SIZE = 64 << 10,     /* answers are gathered up to this, then written */
    COPY_MAX = 16 << 10,     /* a body up to this is copied behind its header */
    PIECE_SIZE = 256 << 10,  /* of a file on its way out, and of a spool on its way in */
    STREAM_PIECE = 64 << 10, /* what one pull may append */
    DISCARD_MAX = 64 << 10,  /* a refused body up to this is read to keep the connection */
    ANSWER_MAX = 256 << 20,  /* bytes a handler may put into memory */
    KEEP_MAX = 16 << 10,     /* buffers larger than this are not kept for the next request */
    EXTRA_HEADERS_MAX = 8 << 10,
    LINGER_MS = 2000,    /* a refused client has this long to read why */
    LANE_MS = 1000,      /* a connection above the maximum must be quick */
    LANE_SIZE = 32,      /* such connections per loop */
    IDLE_EXCHANGES = 64, /* kept per loop for reuse */
};

struct conn;
struct exchange;
struct net_loop;
struct router;

/* ---- transport and proto ---- */

struct transport {
    void (*write)(struct conn *c); /* sends c->out and c->tail; conn_sent when later than at once */
    void (*read)(struct conn *c, bool on);
    void (*shutdown)(struct conn *c); /* no more output */
    void (*close)(struct conn *c);    /* ends in conn_release, maybe later */
    size_t (*unsent)(struct conn *c); /* bytes of a write in progress; falls as the peer reads */
};

struct proto {
    const char *name;
    void *(*open)(struct conn *c);
    void (*input)(struct conn *c, const char *p, size_t n);
    void (*eof)(struct conn *c);
    void (*ready)(struct conn *c, struct exchange *x); /* there is something to send, or to read */
    void (*advance)(struct conn *c);                   /* room in the output, or the turn's end */
    void (*expired)(struct conn *c);                   /* a header or a body did not come in time */
    void (*drain)(struct conn *c);                     /* finish what runs, then close */
    void (*close)(struct conn *c); /* the connection is gone: let go of exchanges, free state */
};

extern const struct proto proto_http1;
extern const struct transport transport_tcp;

/* ---- connections (conn.c) ---- */

/* What a connection waits for. Each kind has one constant time, so its connections form a queue in
 * order of expiry, and looking for expired ones touches only those. */
enum wait { WAIT_NONE, WAIT_HEADER, WAIT_BODY, WAIT_IDLE, WAIT_WRITE, WAIT_LINGER, WAIT_KINDS };

struct wait_queue {
    struct conn *first, *last;
    unsigned ms;
};

struct conn {
    struct net_loop *nl;
    const struct transport *io;
    const struct proto *proto;
    void *state;                        /* the proto's */
    struct conn *prev, *next;           /* all connections of the loop */
    struct conn *wait_prev, *wait_next; /* of nl->waits[wait] */
    enum wait wait;
    uint64_t since;  /* when it began to wait (uv_now) */
    size_t unsent;   /* of the write in progress, when last looked at */
    struct buf out;  /* bytes to send */
    struct buf tail; /* a large body to send behind them; its memory is kept for the next one */
    size_t tail_n;   /* bytes of tail to send */
    str borrowed;    /* instead of tail: static bytes */
    bool writing;    /* a write is in progress: out, tail and borrowed must not change */
    bool reading;    /* the transport reads */
    bool eof;        /* the peer has sent all it will */
    bool surplus;    /* above connections_max: the open lane */
    bool lingering, closing;
    size_t dirty; /* 1 + place in nl->dirty; 0 = not there */
    uv_tcp_t tcp;
    uv_write_t write;
    uv_shutdown_t shut;
};

struct conn *conn_new(struct net_loop *nl, const struct transport *io, const struct proto *proto);
void conn_wait(struct conn *c, enum wait kind); /* joins the queue of that kind at its end */
void conn_read(struct conn *c, bool on);
bool conn_room(const struct conn *c); /* may out and tail be appended to? */
void conn_flush(struct conn *c);
void conn_sent(struct conn *c);    /* from transport: the write in progress is complete */
void conn_dirty(struct conn *c);   /* advance it at the end of this turn */
void conn_linger(struct conn *c);  /* sends no more, reads and drops for a while, closes */
void conn_close(struct conn *c);   /* at once; idempotent */
void conn_release(struct conn *c); /* from transport, after close: frees it */
void conn_sweep(struct net_loop *nl);
void conn_free_all(struct net_loop *nl); /* after the loop has ended */

/* ---- the net and its loops (net.c) ---- */

struct net_loop {
    struct net *net;
    struct loop *loop;
    int fd;
    int rc; /* of starting to listen */
    uv_tcp_t listener;
    uv_timer_t sweep, due;
    char *read_buffer;
    struct conn *conns;
    unsigned surplus;
    struct wait_queue waits[WAIT_KINDS];
    VEC(struct conn *) dirty;
    bool flushing; /* a deferred flush is under way */
    bool draining;
    struct exchange *live; /* every exchange that is not idle */
    struct exchange *idle; /* for reuse */
    unsigned idle_count;
    struct exchange *streams; /* answers that have waited at least once */
    atomic_bool woken;        /* a wake is posted */
    uint64_t wakes;           /* that this loop has seen */
    bool stopped;             /* drained, or its thread has ended: the pool is not used */
    time_t date_second;
    char date[40];
    uint64_t random;
};

struct net {
    struct net_config config;
    struct loops *loops;
    struct router *router;
    unsigned port, connections_max;
    bool drained;
    atomic_uint connections;
    pthread_mutex_t lock;
    pthread_cond_t quiet; /* connections or jobs fell to 0 */
    unsigned jobs;        /* on the pool; guarded by lock */
    unsigned loop_count;
    struct net_loop loop[];
};

void net_due_in(struct net_loop *nl, uint64_t ms); /* answer_due in that time */
void net_date(struct net_loop *nl);                /* brings nl->date up to date */
void net_request_id(struct net_loop *nl, char ret[33]);
/* A job of exchange x on the pool; done runs on its loop afterwards. Sets x->busy. */
int net_job(struct exchange *x, void (*work)(struct exchange *x), void (*done)(struct exchange *x),
            struct err *err);

/* ---- router (router.c) ---- */

struct header {
    str name, value;
};

struct match {
    const struct route *route; /* NULL: allow says which methods the path has, if any */
    struct header params[PARAMS_MAX];
    size_t param_count;
    char allow[64];
};

int router_new(const struct route *routes, size_t n, struct router **ret, struct err *err);
void router_free(struct router *r);
/* Decodes the path of target once into the arena and matches it. E_INVALID for a path that no route
 * may see: bad escapes, "..", backslashes, control characters, bytes that are not UTF-8. */
int router_match(const struct router *r, str method, str raw_path, struct arena *a, str *ret_path,
                 struct match *ret, struct err *err);

/* ---- exchanges ---- */

enum body_to { BODY_DISCARD, BODY_MEMORY, BODY_SPOOL };
enum source { FROM_ANSWER, FROM_CONSTANT, FROM_FILE, FROM_STREAM };

struct span {
    uint32_t at, n;
};

struct exchange {
    struct request rq; /* first: a request is its exchange */
    struct net_loop *nl;
    struct conn *conn; /* NULL once the client has gone */
    struct exchange *live_prev, *live_next;
    struct exchange *next;            /* on its connection, in order */
    void (*work)(struct exchange *x); /* of the job on the pool */
    void (*done)(struct exchange *x);
    str target, query, authority;     /* set by the proto, like headers */
    int64_t length;                   /* of the body; -1 = not announced */
    bool keep_alive, expects, http10; /* set by the proto */
    enum body_to body_to;
    bool head_done, read_done; /* the request's head, all of it, has been read */
    bool started;              /* the handler has been called */
    bool busy;                 /* owned by the pool or by a FAST handler that answers later */
    bool in_handler;
    bool answered; /* there is something to send */
    bool head_sent, sent;
    bool continued;   /* 100 Continue was sent or is not wanted */
    int64_t received; /* bytes of the body so far */
    size_t max_body;
    struct match match;
    struct buf head, body, extra; /* raw head; body in memory; further answer headers */
    bool has_cache_control, has_csp;
    struct buf spool, spool_out; /* being filled; being written by the pool */
    struct err spool_err;
    bool spooling;
    int spool_fd;
    /* the answer */
    enum source source;
    str constant;
    struct buf piece; /* of a file or stream; the pool's while busy, */
    bool last_piece;  /* like this */
    bool piece_ready; /* ... and the proto's once this is set */
    int file_fd;
    int64_t file_at, file_left;
    const struct stream_ops *stream;
    void *stream_ctx;
    struct exchange *stream_prev, *stream_next;
    bool in_streams, waiting, cancelled;
    uint64_t wakes; /* seen by the loop when the last job began */
    int wait_ms;
    uint64_t due;
    enum pull verdict;
    struct err err;
    int rc; /* of the handler on the pool */
    size_t header_count;
    struct header headers[HEADERS_MAX];
    struct span spans[2 * HEADERS_MAX]; /* while an HTTP/1 head is read */
};

static inline struct exchange *exchange_of(const struct request *rq)
{
    return (struct exchange *)rq;
}

/* exchange.c */
struct exchange *exchange_new(struct conn *c);
void exchange_free(struct exchange *x);
void exchange_head(struct exchange *x);
void exchange_end(struct exchange *x);
void exchange_run(struct exchange *x); /* the handler of a route that blocks; once it is its turn */
void exchange_abandon(struct exchange *x); /* the connection has gone */
void exchange_done(struct exchange *x); /* answered: tells the proto, or frees what nobody wants */
/* Answers with an error of this HTTP status. */
void exchange_refuse(struct exchange *x, int status, const struct err *err);
void exchange_free_all(struct net_loop *nl);

/* policy.c: host, origin, route, permission, size. The status to refuse with, or 0. */
int policy_check(struct exchange *x, struct err *err);

/* body.c: what arrives */
void exchange_body(struct exchange *x, const char *p, size_t n);
bool body_full(const struct exchange *x);             /* the spool is behind: stop reading */
int body_finish(struct exchange *x, struct err *err); /* pool: the rest of the spool; body_fd */

/* answer.c: what leaves piece by piece */
int64_t answer_length(const struct exchange *x); /* -1 = unknown */
bool answer_bodyless(const struct exchange *x);  /* HEAD, 204, 304 */
void answer_next(struct exchange *x);            /* asks for the next piece of a file or stream */
void answer_cancel(struct exchange *x);          /* ends a stream early (drain) */
void answer_close(struct exchange *x);           /* closes file and stream; loop or net_free */
void answer_fill(struct exchange *x);            /* pool: makes a piece */
void answer_filled(struct exchange *x);          /* loop, afterwards: it is ready */
void answer_due(struct net_loop *nl);            /* looks for streams whose time has come */
void answer_woken(struct net_loop *nl);

#endif
