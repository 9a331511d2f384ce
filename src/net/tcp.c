/* SPDX-License-Identifier: Apache-2.0
 *
 * The plain transport: libuv's TCP. Bytes are read into one buffer per loop, so an idle connection
 * holds none; writes are tried at once and only what the kernel does not take waits. Loop thread.
 */
#include "net/net_int.h"

static void on_alloc(uv_handle_t *h, size_t size, uv_buf_t *buf)
{
    (void)size;
    struct conn *c = h->data;
    *buf = uv_buf_init(c->nl->read_buffer, READ_SIZE);
}

static void on_read(uv_stream_t *s, ssize_t n, const uv_buf_t *buf)
{
    struct conn *c = s->data;
    if (c->closing || n == 0)
        return;
    if (n > 0) {
        if (!c->lingering)
            c->proto->input(c, buf->base, (size_t)n);
    } else if (n == UV_EOF && !c->lingering) {
        c->eof = true;
        conn_read(c, false);
        c->proto->eof(c);
    } else {
        conn_close(c);
    }
}

static void tcp_read(struct conn *c, bool on)
{
    if (on)
        uv_read_start((uv_stream_t *)&c->tcp, on_alloc, on_read);
    else
        uv_read_stop((uv_stream_t *)&c->tcp);
}

static void on_written(uv_write_t *w, int status)
{
    struct conn *c = w->data;
    if (c->closing)
        return;
    if (status < 0) {
        conn_close(c);
        return;
    }
    conn_sent(c);
    c->proto->advance(c);
}

static unsigned gather(const struct conn *c, uv_buf_t bufs[2])
{
    unsigned n = 0;
    if (c->out.n)
        bufs[n++] = uv_buf_init(c->out.p, (unsigned)c->out.n);
    if (c->tail_n)
        bufs[n++] = uv_buf_init(c->tail.p, (unsigned)c->tail_n);
    else if (c->borrowed.n)
        bufs[n++] = uv_buf_init((char *)c->borrowed.p, (unsigned)c->borrowed.n);
    return n;
}

static void tcp_write(struct conn *c)
{
    uv_buf_t bufs[2];
    unsigned n = gather(c, bufs), first = 0;
    int sent = uv_try_write((uv_stream_t *)&c->tcp, bufs, n);
    if (sent < 0 && sent != UV_EAGAIN) {
        conn_close(c);
        return;
    }
    size_t done = sent > 0 ? (size_t)sent : 0;
    while (first < n && done >= bufs[first].len)
        done -= bufs[first++].len;
    if (first == n) {
        conn_sent(c);
        return;
    }
    bufs[first].base += done;
    bufs[first].len -= done;
    c->writing = true;
    c->write.data = c;
    if (uv_write(&c->write, (uv_stream_t *)&c->tcp, bufs + first, n - first, on_written))
        conn_close(c);
    else
        c->unsent = uv_stream_get_write_queue_size((uv_stream_t *)&c->tcp);
}

static size_t tcp_unsent(struct conn *c)
{
    return uv_stream_get_write_queue_size((uv_stream_t *)&c->tcp);
}

static void on_shutdown(uv_shutdown_t *s, int status)
{
    (void)s;
    (void)status; /* the peer is told or gone; either way lingering ends by itself */
}

static void tcp_shutdown(struct conn *c)
{
    if (uv_shutdown(&c->shut, (uv_stream_t *)&c->tcp, on_shutdown))
        conn_close(c);
}

static void on_closed(uv_handle_t *h)
{
    conn_release(h->data);
}

/* A loop that ends without draining closes the handle itself and then cancels what was being
 * written, which brings us here again; net_free frees what such a loop leaves. */
static void tcp_close(struct conn *c)
{
    if (!uv_is_closing((uv_handle_t *)&c->tcp))
        uv_close((uv_handle_t *)&c->tcp, on_closed);
}

const struct transport transport_tcp = {
    .write = tcp_write,
    .read = tcp_read,
    .shutdown = tcp_shutdown,
    .close = tcp_close,
    .unsent = tcp_unsent,
};
