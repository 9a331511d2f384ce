/* SPDX-License-Identifier: Apache-2.0
 *
 * Bodies as they arrive: into memory up to the route's bound, or through a spool into a file.
 *
 * A spool is two buffers: one that the loop fills while the pool writes the other. When the loop is
 * a piece ahead, reading stops, so an upload takes constant memory whatever its size and however
 * slow the disk. The file has no name, so nothing is left behind if we die.
 */
#include "net/net_int.h"

#include "sys/fs.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

/* Pool. O_TMPFILE, or what it stands for where the file system cannot. */
static int open_spool(const char *dir, int *ret, struct err *err)
{
    int fd = open(dir, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
    if (fd < 0 && (errno == EOPNOTSUPP || errno == EISDIR)) {
        CLEANUP(freep) char *path = xasprintf("%s/upload-XXXXXX", dir);
        fd = mkostemp(path, O_CLOEXEC);
        if (fd >= 0)
            unlink(path);
    }
    if (fd < 0) { /* ours, whatever errno says; and clients need not know the folder */
        err_errno(err, errno, "cannot make a temporary file for the body");
        return err->code = E_IO;
    }
    *ret = fd;
    return 0;
}

/* Pool. */
static int write_spool(struct exchange *x, struct buf *b, struct err *err)
{
    int rc = 0;
    if (x->spool_fd < 0)
        rc = open_spool(x->nl->net->config.spool_dir, &x->spool_fd, err);
    if (!rc && b->n)
        rc = fs_write_all(x->spool_fd, b->p, b->n, err);
    buf_clear(b);
    return rc;
}

static void spool_out(struct exchange *x)
{
    write_spool(x, &x->spool_out, &x->spool_err);
}

static void start_spool(struct exchange *x);

static void spooled(struct exchange *x)
{
    x->spooling = false;
    if (!x->conn) { /* the client left: nobody reads on, nobody waits */
        exchange_free(x);
        return;
    }
    if (x->answered) {
        exchange_done(x);
        return;
    }
    if (x->spool_err.code) {
        exchange_refuse(x, err_http(x->spool_err.code), &x->spool_err);
        return;
    }
    if (x->spool.n >= PIECE_SIZE && !x->read_done)
        start_spool(x);
    exchange_done(x); /* there is room to read, or the handler's turn has come */
}

static void start_spool(struct exchange *x)
{
    struct buf empty = x->spool_out;
    struct err err = {0};
    x->spool_out = x->spool;
    x->spool = empty;
    x->spooling = true;
    if (net_job(x, spool_out, spooled, &err)) {
        x->spooling = false;
        exchange_refuse(x, err_http(err.code), &err);
    }
}

static void refuse_size(struct exchange *x)
{
    struct err err;
    err_set(&err, E_TOOBIG, "the body has more than the %zu bytes that are accepted here",
            x->max_body);
    exchange_refuse(x, 413, &err);
}

void exchange_body(struct exchange *x, const char *p, size_t n)
{
    x->received += (int64_t)n;
    x->continued = true;
    if (x->body_to == BODY_DISCARD)
        return;
    if ((uint64_t)x->received > x->max_body) {
        refuse_size(x);
        return;
    }
    struct buf *b = x->body_to == BODY_SPOOL ? &x->spool : &x->body;
    buf_put(b, p, n);
    if (!buf_ok(b))
        refuse_size(x);
    else if (x->body_to == BODY_SPOOL && !x->spooling && b->n >= PIECE_SIZE)
        start_spool(x);
}

bool body_full(const struct exchange *x)
{
    return x->body_to == BODY_SPOOL && x->spooling && x->spool.n >= PIECE_SIZE;
}

int body_finish(struct exchange *x, struct err *err)
{
    int rc = write_spool(x, &x->spool, err);
    if (!rc && lseek(x->spool_fd, 0, SEEK_SET) < 0)
        rc = err_errno(err, errno, "cannot rewind a temporary file");
    x->rq.body_fd = x->spool_fd;
    return rc;
}
