/* SPDX-License-Identifier: Apache-2.0
 *
 * Blobs above their seam: hashing, verification, copies. Constant memory whatever the size.
 *
 * The digest is computed while the bytes pass, never in a second reading, and every whole reading
 * (blob_read, blob_export) is compared with it. Any thread that may block; a writer has one owner.
 */
#include "store/store_int.h"

#include "codec/text.h"
#include "sys/clock.h"
#include "sys/fs.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/evp.h>
#include <string.h>
#include <unistd.h>

#define PIECE ((size_t)256 << 10)

struct blobs {
    const struct blob_backend *ops;
    void *self;
    struct health *health;
    struct health own; /* without a store */
};

struct blob_writer {
    struct blobs *blobs;
    void *put;
    EVP_MD_CTX *hash;
    int64_t size;
    int failed; /* the first error; later calls repeat it */
};

static void hash_freep(EVP_MD_CTX **h)
{
    EVP_MD_CTX_free(*h);
}

static int hash_new(EVP_MD_CTX **ret, struct err *err)
{
    EVP_MD_CTX *h = EVP_MD_CTX_new();
    if (!h || !EVP_DigestInit_ex(h, EVP_sha256(), NULL)) {
        EVP_MD_CTX_free(h);
        return err_set(err, E_INTERNAL, "SHA-256 is not available");
    }
    *ret = h;
    return 0;
}

static void hash_hex(EVP_MD_CTX *h, char ret[65])
{
    unsigned char md[EVP_MAX_MD_SIZE];
    EVP_DigestFinal_ex(h, md, NULL);
    hex_encode(md, 32, ret);
}

int blobs_open_with(const char *data_dir, struct health *h, struct blobs **ret, struct err *err)
{
    struct blobs *b = xcalloc(1, sizeof(*b));
    b->ops = &blob_disk;
    health_init(&b->own);
    b->health = h ? h : &b->own;
    int rc = b->ops->open(data_dir, b->health, &b->self, err);
    if (rc) {
        blobs_close(b);
        return rc;
    }
    *ret = b;
    return 0;
}

int blobs_open(const char *data_dir, struct blobs **ret, struct err *err)
{
    return blobs_open_with(data_dir, NULL, ret, err);
}

void blobs_close(struct blobs *b)
{
    if (!b)
        return;
    if (b->self)
        b->ops->close(b->self);
    health_destroy(&b->own);
    free(b);
}

bool blob_digest_ok(str digest)
{
    if (digest.n != 64)
        return false;
    for (size_t i = 0; i < digest.n; i++)
        if (!(digest.p[i] >= '0' && digest.p[i] <= '9') &&
            !(digest.p[i] >= 'a' && digest.p[i] <= 'f'))
            return false;
    return true;
}

int blob_begin(struct blobs *b, struct blob_writer **ret, struct err *err)
{
    CLEANUP(hash_freep) EVP_MD_CTX *hash = NULL;
    void *put;
    int rc = health_check(b->health, err);
    if (!rc)
        rc = hash_new(&hash, err);
    if (!rc)
        rc = b->ops->begin(b->self, &put, err);
    if (rc)
        return rc;
    struct blob_writer *w = xcalloc(1, sizeof(*w));
    w->blobs = b;
    w->put = put;
    w->hash = hash;
    hash = NULL;
    *ret = w;
    return 0;
}

int blob_append(struct blob_writer *w, const void *p, size_t n, struct err *err)
{
    if (w->failed)
        return err_set(err, (enum errcode)w->failed, "the blob could not be written");
    EVP_DigestUpdate(w->hash, p, n);
    w->size += (int64_t)n;
    w->failed = w->blobs->ops->append(w->put, p, n, err);
    return w->failed;
}

int blob_commit(struct blob_writer *w, char ret_digest[65], int64_t *ret_size, struct err *err)
{
    char digest[65];
    int rc = w->failed ? err_set(err, (enum errcode)w->failed, "the blob could not be written") : 0;
    if (!rc) {
        hash_hex(w->hash, digest);
        rc = w->blobs->ops->publish(w->put, digest, w->size, err);
    }
    if (!rc) {
        memcpy(ret_digest, digest, sizeof(digest));
        if (ret_size)
            *ret_size = w->size;
    }
    blob_abort(w);
    return rc;
}

void blob_abort(struct blob_writer *w)
{
    if (!w)
        return;
    w->blobs->ops->drop(w->put);
    EVP_MD_CTX_free(w->hash);
    free(w);
}

int blob_put(struct blobs *b, const void *p, size_t n, char ret_digest[65], struct err *err)
{
    struct blob_writer *w;
    int rc = blob_begin(b, &w, err);
    if (rc)
        return rc;
    rc = blob_append(w, p, n, err);
    if (!rc)
        return blob_commit(w, ret_digest, NULL, err);
    blob_abort(w);
    return rc;
}

typedef int (*piece_fn)(void *ctx, const void *p, size_t n, struct err *err);

static int each_piece(int fd, piece_fn fn, void *ctx, struct err *err)
{
    CLEANUP(freep) char *piece = xmalloc(PIECE);
    for (;;) {
        ssize_t n = read(fd, piece, PIECE);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return err_errno(err, errno, "read");
        if (n == 0)
            return 0;
        int rc = fn(ctx, piece, (size_t)n, err);
        if (rc)
            return rc;
    }
}

static int append_piece(void *ctx, const void *p, size_t n, struct err *err)
{
    return blob_append(ctx, p, n, err);
}

int blob_put_file(struct blobs *b, const char *path, char ret_digest[65], int64_t *ret_size,
                  struct err *err)
{
    CLEANUP(closep) int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return err_errno(err, errno, "open %s", path);
    struct blob_writer *w;
    int rc = blob_begin(b, &w, err);
    if (rc)
        return rc;
    rc = each_piece(fd, append_piece, w, err);
    if (!rc)
        return blob_commit(w, ret_digest, ret_size, err);
    blob_abort(w);
    return err ? err_wrap(err, "%s", path) : rc;
}

int blob_open(struct blobs *b, const char *digest, int *ret_fd, int64_t *ret_size, struct err *err)
{
    if (!blob_digest_ok(str_from(digest)))
        return err_set(err, E_INVALID, "'%.80s' is not a SHA-256 digest in hex", digest);
    return b->ops->open_read(b->self, digest, ret_fd, ret_size, err);
}

static int corrupt(const char *digest, struct err *err)
{
    return err_hint(err_set(err, E_CORRUPT, "blob %s is not what was written", digest), err,
                    "storing the same content again repairs it once the damaged file is removed");
}

/* Where the bytes of a verified reading go: a buffer or a file. */
struct sink {
    EVP_MD_CTX *hash;
    struct buf *buf;
    int fd;
};

static int sink_piece(void *ctx, const void *p, size_t n, struct err *err)
{
    struct sink *s = ctx;
    EVP_DigestUpdate(s->hash, p, n);
    if (!s->buf)
        return fs_write_all(s->fd, p, n, err);
    buf_put(s->buf, p, n);
    return buf_ok(s->buf) ? 0 : err_set(err, E_TOOBIG, "larger than %zu bytes", s->buf->max);
}

static int read_verified(int fd, const char *digest, struct buf *buf, int out, struct err *err)
{
    CLEANUP(hash_freep) EVP_MD_CTX *hash = NULL;
    int rc = hash_new(&hash, err);
    if (rc)
        return rc;
    struct sink s = {hash, buf, out};
    rc = each_piece(fd, sink_piece, &s, err);
    if (rc)
        return err ? err_wrap(err, "blob %s", digest) : rc;
    char found[65];
    hash_hex(hash, found);
    return strcmp(found, digest) == 0 ? 0 : corrupt(digest, err);
}

int blob_read(struct blobs *b, const char *digest, size_t max, struct buf *ret, struct err *err)
{
    CLEANUP(closep) int fd = -1;
    int64_t size;
    int rc = blob_open(b, digest, &fd, &size, err);
    if (rc)
        return rc;
    if ((uint64_t)size > max)
        return err_set(err, E_TOOBIG, "blob %s has %lld bytes, more than %zu", digest,
                       (long long)size, max);
    struct buf whole = BUF(max);
    rc = read_verified(fd, digest, &whole, -1, err);
    if (rc)
        buf_free(&whole);
    else
        *ret = whole;
    return rc;
}

int blob_export(struct blobs *b, const char *digest, const char *path, struct err *err)
{
    CLEANUP(closep) int in = -1;
    int64_t size;
    int rc = blob_open(b, digest, &in, &size, err);
    if (rc)
        return rc;
    CLEANUP(freep) char *temporary = xasprintf("%s.%s.tmp", path, id_new().s);
    CLEANUP(closep) int out = open(temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (out < 0)
        return err_errno(err, errno, "create %s", temporary);
    rc = read_verified(in, digest, NULL, out, err);
    if (!rc && rename(temporary, path) < 0)
        rc = err_errno(err, errno, "rename to %s", path);
    if (rc)
        unlink(temporary);
    return rc;
}
