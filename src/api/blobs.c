/* SPDX-License-Identifier: Apache-2.0
 *
 * /api/v1/blobs: files on their way to a run. A client names content by digest, never a path.
 * Blocking pool; constant memory.
 */
#include "api/api_int.h"

#include <errno.h>
#include <unistd.h>

static int copy(int fd, struct blob_writer *w, struct err *err)
{
    for (;;) {
        char chunk[65536];
        ssize_t n = read(fd, chunk, sizeof(chunk));
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return err_errno(err, errno, "read the uploaded bytes");
        if (n == 0)
            return 0;
        int rc = blob_append(w, chunk, (size_t)n, err);
        if (rc)
            return rc;
    }
}

int api_blob_put(struct request *rq, void *ctx, struct err *err)
{
    struct api *api = ctx;
    struct blob_writer *w = NULL;
    int rc = blob_begin(store_blobs(api->store), &w, err);
    if (rc)
        return rc;
    rc = copy(rq->body_fd, w, err);
    if (rc) {
        blob_abort(w);
        return rc;
    }
    char digest[65];
    int64_t size;
    rc = blob_commit(w, digest, &size, err);
    if (rc)
        return rc;
    CLEANUP(json_freep)
    json_t *answer = json_pack("{s:s,s:I}", "digest", digest, "size", (json_int_t)size);
    return request_answer_json(rq, 201, answer);
}

int api_blob_get(struct request *rq, void *ctx, struct err *err)
{
    struct api *api = ctx;
    const char *digest = param(rq, "digest");
    int fd;
    int64_t size;
    int rc = blob_open(store_blobs(api->store), digest, &fd, &size, err);
    if (rc)
        return rc;
    return request_answer_file(rq, fd, size, "application/octet-stream",
                               arena_printf(rq->arena, "\"%s\"", digest), err);
}
