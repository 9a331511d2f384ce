/* SPDX-License-Identifier: Apache-2.0
 *
 * Health, status and the event stream.
 */
#include "api/api_int.h"

#include "data/data.h"
#include "model/model.h"
#include "sys/clock.h"
#include "sys/fs.h"

#include <stdio.h>
#include <unistd.h>

int api_healthz(struct request *rq, void *ctx, struct err *err)
{
    (void)ctx, (void)err;
    buf_puts(&rq->answer, "{\"status\":\"ok\"}");
    request_answer(rq);
    return 0;
}

int api_readyz(struct request *rq, void *ctx, struct err *err)
{
    struct api *api = ctx;
    char reason[256];
    if (store_read_only(api->store, reason))
        return err_set(err, E_READONLY, "storage is read-only: %s", reason);
    if (!serve_all_ready(api->serve))
        return err_set(err, E_UNAVAILABLE, "some endpoints are still loading");
    buf_puts(&rq->answer, "{\"status\":\"ready\"}");
    return 0;
}

static int64_t resident_bytes(void)
{
    long pages = 0;
    FILE *f = fopen("/proc/self/statm", "re");
    if (!f)
        return 0;
    if (fscanf(f, "%*s %ld", &pages) != 1)
        pages = 0;
    fclose(f);
    return (int64_t)pages * sysconf(_SC_PAGESIZE);
}

/* What the rooms hold, in one snapshot; endpoints are counted by serve, which keeps them loaded. */
static int counts(struct tx *tx, const struct json_read *q, json_t **ret, struct err *err)
{
    const char *project = q->rq->who.project;
    int64_t datasets = 0, models = 0;
    CLEANUP(json_freep) json_t *all = NULL;
    int rc = run_counts(tx, project, &all, err);
    rc = rc ? rc : data_count(tx, project, &datasets, err);
    rc = rc ? rc : model_count(tx, project, &models, err);
    if (rc)
        return rc;
    json_object_set_new(all, "datasets", json_integer(datasets));
    json_object_set_new(all, "models", json_integer(models));
    *ret = json_incref(all);
    return 0;
}

static int read_counts(struct tx *tx, void *arg, struct err *err)
{
    struct json_read *q = arg;
    json_decref(q->value);
    q->value = NULL;
    return counts(tx, q, &q->value, err);
}

int api_status(struct request *rq, void *ctx, struct err *err)
{
    struct api *api = ctx;
    struct json_read q = {.rq = rq};
    int rc = store_read(api->store, read_counts, &q, err);
    CLEANUP(json_freep) json_t *all = q.value, *endpoints = NULL;
    rc = rc ? rc : serve_list(api->serve, rq->who.project, &endpoints, err);
    if (rc)
        return rc;
    char reason[256];
    bool read_only = store_read_only(api->store, reason);
    int64_t busy = json_i(all, "attempts_running");
    json_object_del(all, "attempts_running");
    json_object_set_new(all, "endpoints", json_integer((json_int_t)json_array_size(endpoints)));
    CLEANUP(json_freep)
    json_t *answer = json_pack(
        "{s:s,s:s,s:s,s:s,s:I,s:s?,s:s?,s:O,s:{s:I,s:I},s:I,s:I}", "version", TENON_VERSION,
        "project", rq->who.project, "data_dir", api->data_dir, "url", api->url, "uptime_ms",
        (json_int_t)(clock_ms() - api->started_ms), "read_only", read_only ? reason : NULL,
        "onnxruntime", serve_runtime(api->serve), "counts", all, "slots", "total",
        (json_int_t)engine_slots(api->engine), "busy", (json_int_t)busy, "disk_free",
        (json_int_t)fs_free(api->data_dir), "rss", (json_int_t)resident_bytes());
    return request_answer_json(rq, 200, answer);
}

/* Server-sent events: each pull sends what has been committed since the last one. net_wake makes
 * every stream due after a commit, so an event reaches a browser within a turn of the loop. */
struct feed {
    struct api *api;
    char project[64];
    int64_t after;
    int64_t quiet_since;
};

enum { BATCH = 200, COMMENT_MS = 15000 };

static void write_event(struct buf *out, const struct event *e, const char *data)
{
    buf_printf(out, "id: %lld\nevent: %s\ndata: {\"seq\":%lld,\"time\":%lld,\"kind\":",
               (long long)e->seq, e->kind, (long long)e->seq, (long long)e->time_ms);
    json_quote(out, str_from(e->kind));
    buf_puts(out, ",\"subject\":");
    json_quote(out, str_from(e->subject));
    buf_puts(out, ",\"data\":");
    buf_puts(out, data[0] ? data : "null");
    buf_puts(out, "}\n\n");
}

/* An event leaves whole or not at all: what no longer fits behind others waits for the next pull,
 * and one that is larger than a pull goes without its data. False: it waits. */
static bool fit_event(struct buf *out, const struct event *e)
{
    size_t before = out->n;
    write_event(out, e, e->data);
    if (buf_ok(out))
        return true;
    out->n = before;
    out->full = false;
    if (!before)
        write_event(out, e, "");
    return !before;
}

static enum pull feed_pull(void *ctx, struct buf *out, int *wait_ms)
{
    struct feed *f = ctx;
    CLEANUP(arena_freep) struct arena *a = arena_new(0);
    struct event *events = NULL;
    size_t n = 0;
    struct err err = {0};
    if (f->after < store_last_event(f->api->store) &&
        store_events(f->api->store, f->project, f->after, BATCH, a, &events, &n, &err))
        return PULL_DONE; /* the browser comes back with Last-Event-ID */
    size_t sent = 0;
    for (; sent < n && fit_event(out, &events[sent]); sent++)
        f->after = events[sent].seq;
    int64_t now = clock_ms();
    if (n || !f->quiet_since) {
        if (!n)
            buf_puts(out, ": connected\n\n"); /* so that the client's open event fires at once */
        f->quiet_since = now;
    } else if (now - f->quiet_since >= COMMENT_MS) {
        buf_puts(out, ": still here\n\n");
        f->quiet_since = now;
    }
    *wait_ms = COMMENT_MS;
    return sent < n || n == BATCH ? PULL_MORE : PULL_WAIT;
}

static const struct stream_ops feed_ops = {.pull = feed_pull, .close = free};

int api_events(struct request *rq, void *ctx, struct err *err)
{
    struct api *api = ctx;
    int64_t after;
    int rc =
        request_query_i64(rq, "after", store_last_event(api->store), 0, INT64_MAX, &after, err);
    if (rc)
        return rc;
    str last = request_header(rq, "Last-Event-ID");
    if (last.p && !str_i64(last, &after))
        return err_set(err, E_INVALID, "Last-Event-ID must be an event's number");
    struct feed *f = xcalloc(1, sizeof(*f));
    *f = (struct feed){.api = api, .after = after};
    memcpy(f->project, rq->who.project, sizeof(f->project));
    request_set_header(rq, "Cache-Control", "no-store");
    return request_answer_stream(rq, "text/event-stream", &feed_ops, f, err);
}
