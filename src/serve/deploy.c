/* SPDX-License-Identifier: Apache-2.0
 *
 * A version becomes what an endpoint serves. Control threads; one load at a time (s->deploy).
 *
 * The order is load, warm, write, publish: a version that does not load never becomes the row, and
 * what the row says is what a restart will serve. After a restart rows are loaded one by one in the
 * background; one that fails keeps its reason and harms nobody else.
 */
#include "serve/serve_int.h"

#include "base/log.h"
#include "model/model.h"
#include "sys/clock.h"

#include <stdio.h>
#include <string.h>

enum { MODEL_BYTES_MAX = 2000 << 20 }; /* ONNX's own bound: protobuf's 2 GB */

struct wanted {
    const char *project, *model;
    str ref;
    int64_t version;
    json_t *row; /* of the registry */
};

static int look_up(struct tx *tx, void *arg, struct err *err)
{
    struct wanted *w = arg;
    int rc = w->version ? 0 : model_resolve(tx, w->project, w->model, w->ref, &w->version, err);
    if (!rc)
        rc = model_version_get(tx, w->project, w->model, w->version, &w->row, err);
    return rc;
}

static int load_row(struct serve *s, const struct endpoint *e, const json_t *row,
                    struct model **ret, struct err *err)
{
    struct buf bytes = BUF(MODEL_BYTES_MAX);
    int rc = blob_read(store_blobs(s->store), json_s(row, "digest"), MODEL_BYTES_MAX, &bytes, err);
    if (!rc)
        rc = model_load(s, buf_view(&bytes), json_object_get(row, "signature"), e->name, e->version,
                        e->tallies, ret, err);
    buf_free(&bytes);
    if (rc)
        err_wrap(err, "model '%s' version %lld", e->model_name, (long long)e->version);
    return rc;
}

struct change {
    const char *project, *endpoint, *model, *who;
    int64_t version;
};

static int write_row(struct tx *tx, void *arg, struct err *err)
{
    const struct change *c = arg;
    CLEANUP(json_freep)
    json_t *data = json_pack("{s:s, s:I, s:s}", "model", c->model, "version",
                             (json_int_t)c->version, "who", c->who);
    CLEANUP(freep) char *subject = xasprintf("endpoint/%s", c->endpoint);
    int64_t now = clock_ms();
    int rc = tx_exec(tx, err,
                     "INSERT INTO endpoint (project, name, model, version, who, created_at, "
                     "updated_at) VALUES ($1, $2, $3, $4, $5, $6, $6) "
                     "ON CONFLICT (project, name) DO UPDATE SET model = excluded.model, "
                     "version = excluded.version, who = excluded.who, "
                     "updated_at = excluded.updated_at",
                     "sssisi", c->project, c->endpoint, c->model, c->version, c->who, now);
    return rc ? rc : tx_event(tx, c->project, "endpoint.deployed", subject, data, err);
}

static int delete_row(struct tx *tx, void *arg, struct err *err)
{
    const struct change *c = arg;
    CLEANUP(freep) char *subject = xasprintf("endpoint/%s", c->endpoint);
    int rc = tx_exec(tx, err, "DELETE FROM endpoint WHERE project = $1 AND name = $2", "ss",
                     c->project, c->endpoint);
    if (!rc && !tx_changes(tx))
        rc = err_hint(err_set(err, E_NOTFOUND, "no endpoint '%s'", c->endpoint), err,
                      "list them with: tenon endpoint list");
    return rc ? rc : tx_event(tx, c->project, "endpoint.removed", subject, NULL, err);
}

static struct endpoint *fresh(struct serve *s, const char *project, const char *name)
{
    struct endpoint *e = endpoint_get(s, project, name);
    if (e)
        return e;
    e = xcalloc(1, sizeof(*e));
    e->project = xstrdup(project);
    e->name = xstrdup(name);
    e->model_name = xstrdup("");
    e->tallies = tallies_new(loops_count(s->loops));
    return e;
}

static int load_and_publish(struct serve *s, const struct change *c, const json_t *row,
                            struct err *err)
{
    struct endpoint *e = fresh(s, c->project, c->endpoint);
    struct model *m = NULL;
    free(e->model_name);
    e->model_name = xstrdup(c->model);
    e->version = c->version;
    int rc = load_row(s, e, row, &m, err);
    if (!rc)
        rc = store_write(s->store, write_row, (void *)c, err);
    if (rc) {
        model_unref(m);
        endpoint_free(e);
        return rc;
    }
    model_unref(e->loaded);
    e->loaded = m;
    e->state = STATE_READY;
    roster_put(s, e);
    return 0;
}

int serve_deploy(struct serve *s, const char *project, const char *endpoint, const char *model,
                 str ref, const char *who, struct err *err)
{
    if (!str_is_name(str_from(endpoint)))
        return err_hint(err_set(err, E_INVALID, "'%s' cannot be an endpoint's name", endpoint), err,
                        "letters, digits, '.', '_' and '-', at most 128, beginning with a letter "
                        "or digit");
    struct wanted w = {.project = project, .model = model, .ref = ref};
    pthread_mutex_lock(&s->deploy);
    int rc = store_read(s->store, look_up, &w, err);
    const struct change c = {project, endpoint, model, who ? who : "", w.version};
    if (!rc)
        rc = load_and_publish(s, &c, w.row, err);
    pthread_mutex_unlock(&s->deploy);
    json_decref(w.row);
    return rc;
}

int serve_remove(struct serve *s, const char *project, const char *endpoint, struct err *err)
{
    struct change c = {.project = project, .endpoint = endpoint};
    pthread_mutex_lock(&s->deploy);
    int rc = store_write(s->store, delete_row, &c, err);
    if (!rc)
        roster_remove(s, project, endpoint);
    pthread_mutex_unlock(&s->deploy);
    return rc;
}

/* Under the deploy lock. What a row of the last life says, made true or given its reason. */
static void load_one(struct serve *s, struct endpoint *e)
{
    struct wanted w = {.project = e->project, .model = e->model_name, .version = e->version};
    int rc = store_read(s->store, look_up, &w, &e->reason);
    if (!rc)
        rc = load_row(s, e, w.row, &e->loaded, &e->reason);
    e->state = rc ? STATE_FAILED : STATE_READY;
    if (rc)
        log_error("endpoint_failed", "endpoint=%s model=%s version=%lld error=\"%s\"", e->name,
                  e->model_name, (long long)e->version, e->reason.msg);
    json_decref(w.row);
    roster_put(s, e);
}

static struct endpoint *next_loading(struct serve *s)
{
    struct endpoint *found = NULL;
    size_t cursor = 0;
    void *value;
    str key;
    pthread_mutex_lock(&s->change);
    const struct roster *t = atomic_load(&s->roster);
    while (!found && map_next(t->by_key, &cursor, &key, &value))
        if (((struct endpoint *)value)->state == STATE_LOADING)
            found = endpoint_copy(value);
    pthread_mutex_unlock(&s->change);
    return found;
}

static void *load_all(void *arg)
{
    struct serve *s = arg;
    struct endpoint *e = NULL;
    do {
        pthread_mutex_lock(&s->deploy);
        e = atomic_load(&s->closing) ? NULL : next_loading(s);
        if (e)
            load_one(s, e);
        pthread_mutex_unlock(&s->deploy);
    } while (e);
    return NULL;
}

void loader_start(struct serve *s)
{
    s->loader_runs = !pthread_create(&s->loader, NULL, load_all, s);
    if (!s->loader_runs)
        load_all(s);
}
