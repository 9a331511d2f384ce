/* SPDX-License-Identifier: Apache-2.0
 *
 * /api/v1/runs: submitting, looking, cancelling, and logs that can be followed. Blocking pool.
 */
#include "api/api_int.h"

#include "track/track.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

int api_run_submit(struct request *rq, void *ctx, struct err *err)
{
    static const char *const known[] = {"file", "yaml", "params", "files", NULL};
    struct api *api = ctx;
    str file = S("pipeline.yaml"), yaml;
    CLEANUP(json_freep) json_t *body = NULL;
    int rc = request_json(rq, &body, err);
    rc = rc ? rc : json_need_object(body, "the body", err);
    rc = rc ? rc : json_only(body, known, err);
    rc = rc ? rc : json_get_str(body, "file", false, &file, err);
    rc = rc ? rc : json_get_str(body, "yaml", true, &yaml, err);
    if (rc)
        return rc;
    struct run_request run = {.project = rq->who.project,
                              .who = rq->who.name,
                              .file = arena_cstr(rq->arena, file),
                              .yaml = yaml,
                              .params = json_object_get(body, "params"),
                              .files = json_object_get(body, "files")};
    if (run.params)
        rc = json_need_object(run.params, "'params'", err);
    if (!rc && run.files)
        rc = json_need_object(run.files, "'files'", err);
    id made;
    rc = rc ? rc : engine_submit(api->engine, &run, &made, err);
    if (rc)
        return rc;
    CLEANUP(json_freep) json_t *answer = json_pack("{s:s}", "id", made.s);
    return request_answer_json(rq, 201, answer);
}

static int list(struct tx *tx, const struct json_read *q, json_t **ret, struct err *err)
{
    return run_list(tx, q->rq->who.project, q->number, ret, err);
}

int api_run_list(struct request *rq, void *ctx, struct err *err)
{
    struct json_read q = {.fn = list};
    int rc = request_query_i64(rq, "limit", 100, 1, 1000, &q.number, err);
    return rc ? rc : api_answer_read(ctx, rq, &q, "runs", err);
}

static int get(struct tx *tx, const struct json_read *q, json_t **ret, struct err *err)
{
    return run_get(tx, q->rq->who.project, q->text, ret, err);
}

int api_run_get(struct request *rq, void *ctx, struct err *err)
{
    struct json_read q = {.fn = get, .text = param(rq, "id")};
    return api_answer_read(ctx, rq, &q, NULL, err);
}

int api_run_cancel(struct request *rq, void *ctx, struct err *err)
{
    struct api *api = ctx;
    int rc = engine_cancel(api->engine, rq->who.project, param(rq, "id"), err);
    if (rc)
        return rc;
    buf_puts(&rq->answer, "{}");
    return 0;
}

static int tracking(struct tx *tx, const struct json_read *q, json_t **ret, struct err *err)
{
    return track_runs(tx, q->rq->who.project, q->text, 1000, ret, err);
}

int api_run_tracking(struct request *rq, void *ctx, struct err *err)
{
    struct json_read q = {.fn = tracking, .text = param(rq, "id")};
    return api_answer_read(ctx, rq, &q, "runs", err);
}

struct log_query {
    struct api *api;
    char project[64];
    char run[33];
    char *step;
    int64_t attempt;
    char *path;
    bool ended;
};

/* Once a path is known it stays: when the latest attempt is another one, ours has ended. */
static int find_log(struct tx *tx, void *arg, struct err *err)
{
    struct log_query *q = arg;
    CLEANUP(freep) char *path = NULL;
    int rc = run_log_path(tx, q->api->data_dir, q->project, q->run, q->step, q->attempt, &path,
                          &q->ended, err);
    if (rc)
        return rc;
    if (q->path && strcmp(q->path, path) != 0)
        q->ended = true;
    if (!q->path) {
        q->path = path;
        path = NULL;
    }
    return 0;
}

/* A followed log: reads on from `at`, and ends once the attempt had ended before a read that found
 * nothing more. */
struct follow {
    struct log_query q;
    int fd;
    int64_t at;
};

enum { PIECE = 65536, LOOK_AGAIN_MS = 250 };

static enum pull follow_pull(void *ctx, struct buf *out, int *wait_ms)
{
    struct follow *f = ctx;
    char piece[PIECE];
    bool ended = f->q.ended;
    if (f->fd < 0)
        f->fd = open(f->q.path, O_RDONLY | O_CLOEXEC);
    ssize_t n = f->fd < 0 ? 0 : pread(f->fd, piece, sizeof(piece), f->at);
    if (n > 0) {
        buf_put(out, piece, (size_t)n);
        f->at += n;
        return PULL_MORE;
    }
    if (ended)
        return PULL_DONE;
    struct err err = {0};
    if (store_read(f->q.api->store, find_log, &f->q, &err))
        return PULL_DONE;
    *wait_ms = LOOK_AGAIN_MS;
    return f->q.ended ? PULL_MORE : PULL_WAIT;
}

static void follow_close(void *ctx)
{
    struct follow *f = ctx;
    closep(&f->fd);
    free(f->q.path);
    free(f->q.step);
    free(f);
}

static const struct stream_ops follow_ops = {.pull = follow_pull, .close = follow_close};

static int64_t tail_start(const char *path, int64_t tail)
{
    struct stat st;
    return tail > 0 && stat(path, &st) == 0 && st.st_size > tail ? st.st_size - tail : 0;
}

static int answer_log_now(struct request *rq, const char *path, int64_t tail, struct err *err)
{
    CLEANUP(closep) int fd = open(path, O_RDONLY | O_CLOEXEC);
    rq->content_type = "text/plain; charset=utf-8";
    if (fd < 0)
        return errno == ENOENT ? 0 : err_errno(err, errno, "open the log");
    int64_t at = tail_start(path, tail);
    for (;;) {
        char piece[PIECE];
        ssize_t n = pread(fd, piece, sizeof(piece), at);
        if (n < 0)
            return err_errno(err, errno, "read the log");
        if (n == 0)
            return 0;
        buf_put(&rq->answer, piece, (size_t)n);
        at += n;
        if (!buf_ok(&rq->answer))
            return err_hint(err_set(err, E_TOOBIG, "the log is too long for one answer"), err,
                            "ask for its end (tail), or follow it (follow)");
    }
}

int api_run_log(struct request *rq, void *ctx, struct err *err)
{
    int64_t tail, follow;
    struct log_query q = {.api = ctx};
    int rc = request_query_i64(rq, "attempt", 0, 0, 1000000, &q.attempt, err);
    rc = rc ? rc : request_query_i64(rq, "tail", 0, 0, INT64_MAX, &tail, err);
    rc = rc ? rc : request_query_i64(rq, "follow", 0, 0, 1, &follow, err);
    if (rc)
        return rc;
    memcpy(q.project, rq->who.project, sizeof(q.project));
    memcpy(q.run, param(rq, "id"), sizeof(q.run));
    q.step = xstrdup(param(rq, "step"));
    rc = store_read(q.api->store, find_log, &q, err);
    if (!rc && follow) {
        struct follow *f = xcalloc(1, sizeof(*f));
        *f = (struct follow){.q = q, .fd = -1, .at = tail_start(q.path, tail)};
        return request_answer_stream(rq, "text/plain; charset=utf-8", &follow_ops, f, err);
    }
    rc = rc ? rc : answer_log_now(rq, q.path, tail, err);
    free(q.path);
    free(q.step);
    return rc;
}
