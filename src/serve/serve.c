/* SPDX-License-Identifier: Apache-2.0
 *
 * Opening, closing, and what people see of endpoints. Control threads.
 */
#include "serve/serve_int.h"

#include "sys/pool.h"

#include <string.h>
#include <unistd.h>

const char serve_schema_1[] = "CREATE TABLE endpoint ("
                              "project TEXT NOT NULL, name TEXT NOT NULL, model TEXT NOT NULL,"
                              "version BIGINT NOT NULL, who TEXT NOT NULL,"
                              "created_at BIGINT NOT NULL, updated_at BIGINT NOT NULL,"
                              "PRIMARY KEY (project, name))";

enum { INSTANCE_QUEUE = 256 }; /* turns; lanes bound themselves long before */

int serve_ort(struct serve *s, struct ort **ret, struct err *err)
{
    /* Under the deploy lock, so it is opened once; readers see it when it is whole. */
    struct ort *ort = atomic_load(&s->ort);
    int rc = ort ? 0 : ort_open(&ort, err);
    if (rc)
        return rc;
    atomic_store(&s->ort, ort);
    *ret = ort;
    return 0;
}

const char *serve_runtime(struct serve *s)
{
    struct ort *ort = atomic_load(&s->ort);
    return ort ? ort_version(ort) : NULL;
}

static int read_rows(struct tx *tx, void *arg, struct err *err)
{
    struct serve *s = arg;
    CLEANUP(rows_freep) struct rows *r = NULL;
    int rc = tx_query(tx, &r, err,
                      "SELECT project, name, model, version FROM endpoint "
                      "ORDER BY project, name",
                      "");
    while (!rc && (rc = rows_next(r, err)) == 1) {
        struct endpoint *e = xcalloc(1, sizeof(*e));
        str project = rows_str(r, 0);
        e->project = xstrndup(project.p, project.n);
        str name = rows_str(r, 1);
        e->name = xstrndup(name.p, name.n);
        str model = rows_str(r, 2);
        e->model_name = xstrndup(model.p, model.n);
        e->version = rows_i64(r, 3);
        e->state = STATE_LOADING;
        e->tallies = tallies_new(loops_count(s->loops));
        roster_put(s, e);
        rc = 0;
    }
    return rc < 0 ? (err && err->code ? (int)err->code : E_INTERNAL) : rc;
}

int serve_open(struct store *store, struct loops *loops, struct serve **ret, struct err *err)
{
    struct serve *s = xcalloc(1, sizeof(*s));
    s->store = store;
    s->loops = loops;
    pthread_mutex_init(&s->change, NULL);
    pthread_mutex_init(&s->deploy, NULL);
    atomic_init(&s->roster, roster_new());
    long cores = sysconf(_SC_NPROCESSORS_ONLN);
    int rc = pool_new("instance", (unsigned)MAX(cores, 1), INSTANCE_QUEUE, &s->instances, err);
    if (!rc)
        rc = store_read(store, read_rows, s, err);
    if (rc) {
        serve_close(s);
        return rc;
    }
    loader_start(s);
    *ret = s;
    return 0;
}

struct barrier {
    pthread_mutex_t lock;
    pthread_cond_t passed;
    bool done;
};

static void pass(void *arg)
{
    struct barrier *b = arg;
    pthread_mutex_lock(&b->lock);
    b->done = true;
    pthread_cond_signal(&b->passed);
    pthread_mutex_unlock(&b->lock);
}

/* Returns when every loop has run what was posted to it before. */
static void loops_barrier(struct loops *loops)
{
    struct barrier b = {PTHREAD_MUTEX_INITIALIZER, PTHREAD_COND_INITIALIZER, false};
    loops_retire(loops, pass, &b);
    pthread_mutex_lock(&b.lock);
    while (!b.done)
        pthread_cond_wait(&b.passed, &b.lock);
    pthread_mutex_unlock(&b.lock);
}

void serve_close(struct serve *s)
{
    if (!s)
        return;
    atomic_store(&s->closing, true); /* lanes launch nothing more, models are freed in place */
    if (s->loader_runs)
        pthread_join(s->loader, NULL);
    if (s->instances) {
        loops_barrier(s->loops);
        pool_free(s->instances);
        loops_barrier(s->loops); /* what flew has landed, tables retired are freed */
    }
    roster_free(atomic_load(&s->roster));
    ort_close(atomic_load(&s->ort));
    pthread_mutex_destroy(&s->change);
    pthread_mutex_destroy(&s->deploy);
    free(s);
}

static json_t *to_json(const struct endpoint *e)
{
    static const char *const states[] = {"loading", "ready", "failed"};
    uint64_t requests = 0, failures = 0, rows = 0, batches = 0, ns = 0;
    for (unsigned i = 0; i < e->tallies->n; i++) {
        const struct tally *t = &e->tallies->at[i];
        requests += atomic_load_explicit(&t->requests, memory_order_relaxed);
        failures += atomic_load_explicit(&t->failures, memory_order_relaxed);
        rows += atomic_load_explicit(&t->rows, memory_order_relaxed);
        batches += atomic_load_explicit(&t->batches, memory_order_relaxed);
        ns += atomic_load_explicit(&t->ns, memory_order_relaxed);
    }
    const struct model *m = e->loaded;
    uint64_t answered = requests > failures ? requests - failures : 0;
    return json_pack("{s:s, s:s, s:I, s:s, s:s?, s:O?, s:b, s:I, s:I, s:I, s:I, s:f}", "name",
                     e->name, "model", e->model_name, "version", (json_int_t)e->version, "state",
                     states[e->state], "reason", e->state == STATE_FAILED ? e->reason.msg : NULL,
                     "signature", m ? m->contract->signature : NULL, "inline", m && m->cheap,
                     "requests", (json_int_t)requests, "failures", (json_int_t)failures, "rows",
                     (json_int_t)rows, "batches", (json_int_t)batches, "mean_us",
                     answered ? (double)ns / 1e3 / (double)answered : 0.0);
}

int serve_list(struct serve *s, const char *project, json_t **ret, struct err *err)
{
    (void)err;
    json_t *list = json_array();
    size_t cursor = 0;
    void *value;
    str key;
    pthread_mutex_lock(&s->change);
    const struct roster *t = atomic_load(&s->roster);
    while (map_next(t->by_key, &cursor, &key, &value)) {
        const struct endpoint *e = value;
        if (!strcmp(e->project, project))
            json_array_append_new(list, to_json(e));
    }
    pthread_mutex_unlock(&s->change);
    *ret = list;
    return 0;
}

int serve_get(struct serve *s, const char *project, const char *endpoint, json_t **ret,
              struct err *err)
{
    struct endpoint *e = endpoint_get(s, project, endpoint);
    if (!e)
        return err_hint(err_set(err, E_NOTFOUND, "no endpoint '%s'", endpoint), err,
                        "list them with: tenon endpoint list");
    *ret = to_json(e);
    endpoint_free(e);
    return 0;
}

bool serve_all_ready(struct serve *s)
{
    return atomic_load(&s->loading) == 0;
}
