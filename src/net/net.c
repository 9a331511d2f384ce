/* SPDX-License-Identifier: Apache-2.0
 *
 * Start, listen, accept, drain, end.
 *
 * Each loop has its own listening socket on the same port. The first is bound without SO_REUSEPORT,
 * so a port that anybody else listens on is refused, even one of our own kind; only then may the
 * others share it. Threads: public functions on any thread but a loop's; the rest on loops.
 */
#include "net/net_int.h"

#include "base/id.h"
#include "sys/clock.h"

#include <errno.h>
#include <netdb.h>
#include <netinet/tcp.h>
#include <semaphore.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

enum { BACKLOG = 1024, SWEEP_MS = 250 };

/* ---- what loops lend to exchanges ---- */

void net_date(struct net_loop *nl)
{
    time_t now = (time_t)(clock_ms() / 1000);
    if (now == nl->date_second)
        return;
    struct tm utc;
    gmtime_r(&now, &utc);
    strftime(nl->date, sizeof(nl->date), "%a, %d %b %Y %H:%M:%S GMT", &utc);
    nl->date_second = now;
}

/* Ids of requests are names, not secrets: splitmix64 (Vigna), seeded by the kernel. */
void net_request_id(struct net_loop *nl, char ret[33])
{
    uint64_t word[2];
    for (int i = 0; i < 2; i++) {
        uint64_t z = nl->random += 0x9e3779b97f4a7c15u;
        z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
        z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
        word[i] = z ^ (z >> 31);
    }
    id made = id_make((uint64_t)clock_ms(), (const uint8_t *)word);
    memcpy(ret, made.s, 33);
}

static void job_done(struct loop *l, void *arg)
{
    (void)l;
    struct exchange *x = arg;
    x->busy = false;
    x->done(x);
}

static void job_run(void *arg)
{
    struct exchange *x = arg;
    struct net *n = x->nl->net;
    x->work(x);
    loop_post(x->nl->loop, job_done, x);
    pthread_mutex_lock(&n->lock);
    if (--n->jobs == 0)
        pthread_cond_broadcast(&n->quiet);
    pthread_mutex_unlock(&n->lock);
}

int net_job(struct exchange *x, void (*work)(struct exchange *x), void (*done)(struct exchange *x),
            struct err *err)
{
    struct net *n = x->nl->net;
    if (x->nl->stopped)
        return err_set(err, E_BUSY, "the server is stopping");
    x->work = work;
    x->done = done;
    x->busy = true;
    x->wakes = x->nl->wakes;
    pthread_mutex_lock(&n->lock);
    n->jobs++;
    pthread_mutex_unlock(&n->lock);
    int rc = pool_submit(n->config.pool, job_run, x, err);
    if (rc) {
        x->busy = false;
        pthread_mutex_lock(&n->lock);
        n->jobs--;
        pthread_mutex_unlock(&n->lock);
    }
    return rc;
}

static void on_due(uv_timer_t *t)
{
    answer_due(t->data);
}

void net_due_in(struct net_loop *nl, uint64_t ms)
{
    uv_timer_start(&nl->due, on_due, ms, 0);
}

static void on_sweep(uv_timer_t *t)
{
    conn_sweep(t->data);
}

static void wake_loop(struct loop *l, void *arg)
{
    (void)l;
    struct net_loop *nl = arg;
    atomic_store(&nl->woken, false);
    answer_woken(nl);
}

void net_wake(struct net *n)
{
    for (unsigned i = 0; i < n->loop_count; i++)
        if (!atomic_exchange(&n->loop[i].woken, true))
            loop_post(n->loop[i].loop, wake_loop, &n->loop[i]);
}

/* ---- accepting ---- */

static void drop(uv_handle_t *h)
{
    free(h);
}

/* Even the lane is full: take the connection off the queue and close it. */
static void accept_and_drop(uv_stream_t *listener)
{
    uv_tcp_t *tcp = xmalloc(sizeof(*tcp));
    uv_tcp_init(listener->loop, tcp);
    uv_accept(listener, (uv_stream_t *)tcp);
    uv_close((uv_handle_t *)tcp, drop);
}

static void on_connection(uv_stream_t *listener, int status)
{
    struct net_loop *nl = listener->data;
    bool surplus = atomic_load(&nl->net->connections) >= nl->net->connections_max;
    if (status < 0 || (surplus && nl->surplus >= LANE_SIZE)) {
        if (!status)
            accept_and_drop(listener);
        return;
    }
    struct conn *c = conn_new(nl, &transport_tcp, &proto_http1);
    c->surplus = surplus;
    nl->surplus += surplus;
    uv_tcp_init(listener->loop, &c->tcp);
    c->tcp.data = c;
    if (uv_accept(listener, (uv_stream_t *)&c->tcp)) {
        conn_close(c);
        return;
    }
    uv_tcp_nodelay(&c->tcp, 1);
    conn_wait(c, WAIT_HEADER);
    conn_read(c, true);
}

/* ---- starting ---- */

static int bind_one(const struct addrinfo *at, bool shared, int *ret, struct err *err)
{
    int fd = socket(at->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0), on = 1;
    if (fd < 0)
        return err_errno(err, errno, "cannot make a socket");
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
    if (shared)
        setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &on, sizeof(on));
    if (bind(fd, at->ai_addr, at->ai_addrlen)) {
        int rc = err_errno(err, errno, "cannot bind the socket");
        close(fd);
        return rc;
    }
    if (!shared)
        setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &on, sizeof(on));
    *ret = fd;
    return 0;
}

static unsigned bound_port(int fd)
{
    struct sockaddr_storage at;
    socklen_t n = sizeof(at);
    char port[16];
    if (getsockname(fd, (struct sockaddr *)&at, &n) ||
        getnameinfo((struct sockaddr *)&at, n, NULL, 0, port, sizeof(port), NI_NUMERICSERV))
        return 0;
    return (unsigned)strtoul(port, NULL, 10);
}

static bool is_loopback(const struct addrinfo *at)
{
    if (at->ai_family == AF_INET)
        return ntohl(((const struct sockaddr_in *)at->ai_addr)->sin_addr.s_addr) >> 24 == 127;
    return at->ai_family == AF_INET6 &&
           IN6_IS_ADDR_LOOPBACK(&((const struct sockaddr_in6 *)at->ai_addr)->sin6_addr);
}

static int resolve(const char *host, unsigned port, struct addrinfo **ret, struct err *err)
{
    struct addrinfo hints = {.ai_flags = AI_NUMERICHOST | AI_NUMERICSERV | AI_PASSIVE,
                             .ai_socktype = SOCK_STREAM};
    char text[16];
    snprintf(text, sizeof(text), "%u", port);
    if (port > 65535 || getaddrinfo(host, text, &hints, ret))
        return err_hint(
            err_set(err, E_INVALID, "'%s' port %u is not an address to listen on", host, port), err,
            "use a numeric address, like 127.0.0.1:8700");
    if (is_loopback(*ret))
        return 0;
    freeaddrinfo(*ret);
    return err_hint(err_set(err, E_FORBIDDEN, "%s is not a loopback address", host), err,
                    "without TLS the server listens on 127.0.0.1 or ::1 only");
}

static int bind_all(struct net *n, struct err *err)
{
    struct addrinfo *at = NULL;
    int rc = resolve(n->config.host, n->config.port, &at, err);
    if (rc)
        return rc;
    rc = bind_one(at, false, &n->loop[0].fd, err);
    if (!rc) {
        n->port = bound_port(n->loop[0].fd);
        /* The port is in the same place for both families. */
        ((struct sockaddr_in *)at->ai_addr)->sin_port = htons((uint16_t)n->port);
    } else if (rc == E_CONFLICT) {
        err_set(err, E_CONFLICT, "%s:%u is in use by another program", n->config.host,
                n->config.port);
        err_hint(rc, err, "stop it, or choose another port with --listen %s:PORT", n->config.host);
    }
    for (unsigned i = 1; !rc && i < n->loop_count; i++)
        rc = bind_one(at, true, &n->loop[i].fd, err);
    freeaddrinfo(at);
    return rc;
}

/* Calls fn on every loop that runs and waits until all have returned. */
struct meeting {
    sem_t done;
    void (*fn)(struct net_loop *nl);
    struct net *net;
};

static void attend(struct loop *l, void *arg)
{
    struct meeting *m = arg;
    m->fn(&m->net->loop[loop_index(l)]);
    sem_post(&m->done);
}

static void on_all_loops(struct net *n, void (*fn)(struct net_loop *nl))
{
    struct meeting m = {.fn = fn, .net = n};
    unsigned coming = 0; /* a loop that has been stopped does not */
    sem_init(&m.done, 0, 0);
    for (unsigned i = 0; i < n->loop_count; i++)
        coming += loop_post(n->loop[i].loop, attend, &m);
    for (unsigned i = 0; i < coming; i++)
        while (sem_wait(&m.done))
            ;
    sem_destroy(&m.done);
}

static unsigned sweep_ms(const struct net_loop *nl)
{
    unsigned ms = SWEEP_MS;
    for (int k = WAIT_NONE + 1; k < WAIT_KINDS; k++)
        ms = MIN(ms, MAX(nl->waits[k].ms / 4, 5U));
    return ms;
}

static void listen_on(struct net_loop *nl)
{
    uv_loop_t *uv = loop_uv(nl->loop);
    uv_timer_init(uv, &nl->sweep);
    uv_timer_init(uv, &nl->due);
    uv_tcp_init(uv, &nl->listener);
    nl->sweep.data = nl->due.data = nl->listener.data = nl;
    nl->rc = uv_tcp_open(&nl->listener, nl->fd);
    if (nl->rc)
        close(nl->fd);
    nl->rc = nl->rc ? nl->rc : uv_listen((uv_stream_t *)&nl->listener, BACKLOG, on_connection);
    nl->fd = -1; /* the handle's now */
    uv_timer_start(&nl->sweep, on_sweep, sweep_ms(nl), sweep_ms(nl));
}

static void init_loops(struct net *n)
{
    const struct net_config *c = &n->config;
    for (unsigned i = 0; i < n->loop_count; i++) {
        struct net_loop *nl = &n->loop[i];
        nl->net = n;
        nl->loop = loops_get(n->loops, i);
        nl->fd = -1;
        nl->read_buffer = xmalloc(READ_SIZE);
        random_bytes(&nl->random, sizeof(nl->random));
        nl->waits[WAIT_HEADER].ms = c->header_ms;
        nl->waits[WAIT_BODY].ms = c->body_ms;
        nl->waits[WAIT_IDLE].ms = c->idle_ms;
        nl->waits[WAIT_WRITE].ms = c->write_ms;
        nl->waits[WAIT_LINGER].ms = LINGER_MS;
    }
}

/* A connection is a descriptor, and so are the database, logs and files on their way out: clients
 * may take half of what the process has, so that nobody's idle connections stop the store. */
static unsigned connections_default(void)
{
    enum { MOST = 20 * 1000, FEWEST = 32 };
    struct rlimit files;
    if (getrlimit(RLIMIT_NOFILE, &files) || files.rlim_cur / 2 >= MOST)
        return MOST;
    return (unsigned)MAX(files.rlim_cur / 2, (rlim_t)FEWEST);
}

static void set_defaults(struct net_config *c)
{
    c->header_max = c->header_max ? MIN(c->header_max, (size_t)64 << 10) : (size_t)32 << 10;
    c->header_ms = c->header_ms ? c->header_ms : 10 * 1000;
    c->body_ms = c->body_ms ? c->body_ms : 30 * 1000;
    c->idle_ms = c->idle_ms ? c->idle_ms : 75 * 1000;
    c->write_ms = c->write_ms ? c->write_ms : 30 * 1000;
    c->connections_max = c->connections_max ? c->connections_max : connections_default();
}

static void close_handles(struct net_loop *nl)
{
    uv_close((uv_handle_t *)&nl->listener, NULL);
    uv_close((uv_handle_t *)&nl->sweep, NULL);
    uv_close((uv_handle_t *)&nl->due, NULL);
}

/* uv_close is done with a handle's memory only a turn later. */
static void turn(struct net_loop *nl)
{
    (void)nl;
}

static void free_parts(struct net *n)
{
    for (unsigned i = 0; i < n->loop_count; i++) {
        struct net_loop *nl = &n->loop[i];
        closep(&nl->fd);
        free(nl->read_buffer);
    }
    router_free(n->router);
    pthread_cond_destroy(&n->quiet);
    pthread_mutex_destroy(&n->lock);
    free(n);
}

int net_start(struct loops *loops, const struct net_config *config, struct net **ret,
              struct err *err)
{
    unsigned count = loops_count(loops);
    struct net *n = xcalloc(1, sizeof(*n) + count * sizeof(n->loop[0]));
    n->config = *config;
    n->loops = loops;
    n->loop_count = count;
    set_defaults(&n->config);
    n->connections_max = n->config.connections_max;
    pthread_mutex_init(&n->lock, NULL);
    pthread_cond_init(&n->quiet, NULL);
    init_loops(n);
    int rc = router_new(config->routes, config->route_count, &n->router, err);
    rc = rc ? rc : bind_all(n, err);
    if (rc) {
        free_parts(n);
        return rc;
    }
    on_all_loops(n, listen_on);
    for (unsigned i = 0; i < count && !rc; i++)
        if (n->loop[i].rc)
            rc = err_set(err, n->loop[i].rc == UV_EADDRINUSE ? E_CONFLICT : E_IO,
                         "cannot listen on %s:%u: %s", n->config.host, n->port,
                         uv_strerror(n->loop[i].rc));
    if (rc) {
        on_all_loops(n, close_handles);
        on_all_loops(n, turn);
        on_all_loops(n, turn);
        free_parts(n);
        return rc;
    }
    *ret = n;
    return 0;
}

unsigned net_port(const struct net *n)
{
    return n->port;
}

/* ---- ending ---- */

static void start_drain(struct net_loop *nl)
{
    nl->draining = true;
    uv_close((uv_handle_t *)&nl->listener, NULL);
    for (struct conn *c = nl->conns, *next; c; c = next) {
        next = c->next;
        if (!c->closing && !c->lingering)
            c->proto->drain(c);
    }
}

static void close_conns(struct net_loop *nl)
{
    for (struct conn *c = nl->conns, *next; c; c = next) {
        next = c->next;
        conn_close(c);
    }
}

static bool wait_quiet(struct net *n, unsigned ms)
{
    struct timespec until;
    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += ms / 1000;
    until.tv_nsec += (long)(ms % 1000) * 1000000;
    until.tv_sec += until.tv_nsec / 1000000000;
    until.tv_nsec %= 1000000000;
    int rc = 0;
    pthread_mutex_lock(&n->lock);
    while (atomic_load(&n->connections) && rc != ETIMEDOUT)
        rc = pthread_cond_timedwait(&n->quiet, &n->lock, &until);
    pthread_mutex_unlock(&n->lock);
    return !atomic_load(&n->connections);
}

static void stop_jobs(struct net_loop *nl)
{
    nl->stopped = true;
}

void net_drain(struct net *n, unsigned grace_ms)
{
    if (n->drained)
        return;
    n->drained = true;
    on_all_loops(n, start_drain);
    if (!wait_quiet(n, grace_ms)) {
        on_all_loops(n, close_conns);
        wait_quiet(n, 1000);
    }
    on_all_loops(n, stop_jobs); /* from here on the pool may go before the loops do */
}

void net_free(struct net *n)
{
    if (!n)
        return;
    pthread_mutex_lock(&n->lock);
    while (n->jobs)
        pthread_cond_wait(&n->quiet, &n->lock);
    pthread_mutex_unlock(&n->lock);
    for (unsigned i = 0; i < n->loop_count; i++) {
        n->loop[i].stopped = true;
        for (struct exchange *x = n->loop[i].live; x; x = x->live_next)
            x->busy = true; /* whoever had it is gone; exchange_free_all frees it */
        conn_free_all(&n->loop[i]);
        exchange_free_all(&n->loop[i]);
    }
    free_parts(n);
}
