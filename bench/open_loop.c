/* SPDX-License-Identifier: Apache-2.0
 *
 * An open-loop HTTP client: requests leave when they are due, whether or not earlier ones have been
 * answered, and a latency counts from the moment its request was due. A stall of the server is so
 * felt by every request that waits behind it, as users would feel it (and as a closed loop hides).
 *
 *     open_loop PORT PATH BODY_FILE RATE SECONDS CONNECTIONS
 *
 * Prints {"sent","answered","p50_ms","p99_ms","late_ms"}; late_ms is the 99th percentile of how much
 * later than due this client itself wrote: if that is not small, the client was the bottleneck.
 * One thread that spins, so that its own timer does not add to what it measures.
 */
#include "base/buf.h"
#include "sys/clock.h"
#include "sys/fs.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { CONNECTIONS_MAX = 256, IN_FLIGHT_MAX = 4096, ANSWER_MAX = 65536 };

struct connection {
    int fd;
    int64_t due[IN_FLIGHT_MAX]; /* ring of requests not answered yet */
    unsigned head, tail;
    struct buf in;
};

struct load {
    struct connection connections[CONNECTIONS_MAX];
    unsigned n_connections;
    struct buf request;
    int64_t *latency_ns, *late_ns;
    size_t sent, answered, total;
};

static int connect_one(struct connection *c, unsigned port)
{
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
    int on = 1;
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    c->in = BUF(ANSWER_MAX);
    c->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (c->fd < 0 || connect(c->fd, (struct sockaddr *)&to, sizeof(to)) < 0)
        return -1;
    setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    return fcntl(c->fd, F_SETFL, O_NONBLOCK);
}

/* Small enough always to fit into an empty socket buffer; a partial write ends the measurement. */
static int send_one(struct load *l, struct connection *c, int64_t due)
{
    if (c->head - c->tail == IN_FLIGHT_MAX)
        return -1;
    ssize_t n = write(c->fd, l->request.p, l->request.n);
    if (n != (ssize_t)l->request.n)
        return -1;
    l->late_ns[l->sent++] = clock_mono_ns() - due;
    c->due[c->head++ % IN_FLIGHT_MAX] = due;
    return 0;
}

/* Bytes of the first answer in the buffer, 0 if it is not whole, -1 if it is not a 200. */
static long answer_length(const struct buf *in)
{
    const char *end = in->n ? memmem(in->p, in->n, "\r\n\r\n", 4) : NULL;
    if (!end)
        return 0;
    size_t head = (size_t)(end - in->p) + 4;
    const char *length = memmem(in->p, head, "ontent-", 7);
    while (length && strncasecmp(length, "ontent-length:", 14) != 0)
        length = memmem(length + 1, head - (size_t)(length + 1 - in->p), "ontent-", 7);
    if (in->n < 12 || memcmp(in->p + 9, "200", 3) != 0 || !length)
        return -1;
    size_t whole = head + strtoul(length + 14, NULL, 10);
    return in->n < whole ? 0 : (long)whole;
}

static int receive(struct load *l, struct connection *c)
{
    char piece[16384];
    ssize_t n = read(c->fd, piece, sizeof(piece));
    if (n < 0)
        return errno == EAGAIN || errno == EINTR ? 0 : -1;
    if (n == 0)
        return -1;
    buf_put(&c->in, piece, (size_t)n);
    int64_t now = clock_mono_ns();
    long length;
    while ((length = answer_length(&c->in)) > 0) {
        buf_consume(&c->in, (size_t)length);
        l->latency_ns[l->answered++] = now - c->due[c->tail++ % IN_FLIGHT_MAX];
    }
    return length < 0 ? -1 : 0;
}

static int run(struct load *l, double rate)
{
    enum { PATIENCE_S = 30 };
    int64_t start = clock_mono_ns() + 100000000, gap = (int64_t)(1e9 / rate);
    int64_t give_up = start + gap * (int64_t)l->total + PATIENCE_S * 1000000000ll;
    while (l->answered < l->total && clock_mono_ns() < give_up) {
        int64_t due = start + gap * (int64_t)l->sent;
        if (l->sent < l->total && clock_mono_ns() >= due &&
            send_one(l, &l->connections[l->sent % l->n_connections], due))
            return -1;
        for (unsigned i = 0; i < l->n_connections; i++)
            if (l->connections[i].head != l->connections[i].tail && receive(l, &l->connections[i]))
                return -1;
    }
    return l->answered == l->total ? 0 : -1;
}

static int compare(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return (x > y) - (x < y);
}

static double percentile_ms(int64_t *values, size_t n, size_t percent)
{
    qsort(values, n, sizeof(*values), compare);
    return n ? (double)values[n * percent / 100] / 1e6 : 0;
}

int main(int argc, char **argv)
{
    static struct load l;
    struct buf body = BUF(ANSWER_MAX);
    struct err err = {0};
    if (argc != 7 || fs_read(argv[3], ANSWER_MAX, &body, &err)) {
        fprintf(stderr, "usage: open_loop PORT PATH BODY_FILE RATE SECONDS CONNECTIONS  %s\n",
                err.msg);
        return 2;
    }
    unsigned port = (unsigned)strtoul(argv[1], NULL, 10);
    double rate = strtod(argv[4], NULL);
    l.n_connections = (unsigned)MIN(strtoul(argv[6], NULL, 10), CONNECTIONS_MAX);
    l.total = (size_t)(rate * strtod(argv[5], NULL));
    l.latency_ns = xcalloc(l.total, sizeof(int64_t));
    l.late_ns = xcalloc(l.total, sizeof(int64_t));
    l.request = BUF(ANSWER_MAX * 2);
    buf_printf(&l.request,
               "POST %s HTTP/1.1\r\nHost: 127.0.0.1:%u\r\nAuthorization: Bearer x\r\n"
               "Content-Type: application/json\r\nContent-Length: %zu\r\n\r\n",
               argv[2], port, body.n);
    buf_str(&l.request, buf_view(&body));
    for (unsigned i = 0; i < l.n_connections; i++)
        if (connect_one(&l.connections[i], port)) {
            fprintf(stderr, "open_loop: error: cannot connect: %s\n", strerror(errno));
            return 1;
        }
    int rc = run(&l, rate);
    printf("{\"sent\":%zu,\"answered\":%zu,\"p50_ms\":%.3f,\"p99_ms\":%.3f,\"late_ms\":%.3f}\n",
           l.sent, l.answered, percentile_ms(l.latency_ns, l.answered, 50),
           percentile_ms(l.latency_ns, l.answered, 99), percentile_ms(l.late_ns, l.sent, 99));
    return rc ? 1 : 0;
}
