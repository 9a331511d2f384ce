/* SPDX-License-Identifier: Apache-2.0
 *
 * Taking a run in, and asking for its end. On the caller's thread: the rows are durable before the
 * engine hears of them, and if the message is lost with the process the next server finds the rows.
 */
#include "pipeline/engine_int.h"
#include "pipeline/spec_int.h"

#include "base/vec.h"
#include "data/data.h"
#include "model/model.h"
#include "sys/clock.h"

#include <string.h>
#include <unistd.h>

struct submission {
    const struct run_request *rq;
    const struct pipeline_spec *spec;
    id run;
    json_t *plan;
    char *plan_text, *params_text, *files_text;
};

/* --- what must exist before the first step starts --- */

static int check_files(struct blobs *blobs, const struct submission *s, struct err *err)
{
    for (size_t i = 0; i < s->spec->file_count; i++) {
        const char *path = s->spec->files[i];
        const char *digest = json_string_value(json_object_get(s->rq->files, path));
        CLEANUP(closep) int fd = -1;
        int64_t size;
        if (!digest || !blob_digest_ok(str_from(digest)))
            return err_hint(err_set(err, E_INVALID, "the file '%s' was not uploaded", path), err,
                            "upload it to /api/v1/blobs and name its digest under files");
        int rc = blob_open(blobs, digest, &fd, &size, err);
        if (rc)
            return err_wrap(err, "the file '%s'", path);
    }
    return 0;
}

static int suggest_dataset(struct tx *tx, const struct submission *s, const char *typed, int code,
                           struct err *err)
{
    CLEANUP(json_freep) json_t *all = NULL;
    VEC(const char *) names = {0};
    const json_t *d;
    size_t i;
    if (data_list(tx, s->rq->project, &all, NULL) == 0)
        json_array_foreach (all, i, d)
            *vec_push(&names) = json_s(d, "name");
    for (uint32_t k = 0; k < s->spec->step_count; k++)
        for (const struct spec_name *m = s->spec->steps[k].makes; m; m = m->next)
            *vec_push(&names) = m->name;
    const char *near = str_nearest(str_from(typed), names.p, names.n);
    if (near)
        err_hint(code, err, "did you mean '%s'?", near);
    else
        err_hint(code, err, "no step makes it, and it does not exist yet; add a step that does");
    vec_free(&names);
    return code;
}

static int check_input(struct tx *tx, const struct submission *s, const struct spec_input *in,
                       struct err *err)
{
    CLEANUP(json_freep) json_t *found = NULL;
    struct err why = {0};
    if (in->maker_count)
        return 0;
    int rc = data_version_get(tx, s->rq->project, in->dataset, MAX(in->version, VERSION_LATEST),
                              &found, &why);
    if (rc == E_NOTFOUND && in->version >= 0 &&
        data_version_get(tx, s->rq->project, in->dataset, -1, &found, NULL) == 0)
        return yaml_err(err, &s->spec->doc, in->at, "the dataset '%s' has no version %lld",
                        in->dataset, (long long)in->version);
    if (rc == E_NOTFOUND)
        return suggest_dataset(
            tx, s, in->dataset,
            yaml_err(err, &s->spec->doc, in->at, "there is no dataset '%s'", in->dataset), err);
    if (rc && err)
        *err = why;
    return rc;
}

static int check_model(struct tx *tx, const struct submission *s, const struct spec_mention *m,
                       const struct ynode *version, struct err *err)
{
    struct err why = {0};
    int64_t unused;
    int rc = model_resolve(tx, s->rq->project, m->name, version ? version->text : S("latest"),
                           &unused, &why);
    if (!rc)
        return 0;
    if (rc != E_NOTFOUND && rc != E_INVALID) {
        if (err)
            *err = why;
        return rc;
    }
    rc = yaml_err(err, &s->spec->doc, m->at, "no step is or registers '%s', and %s", m->name,
                  why.msg);
    return why.hint[0] ? err_hint(rc, err, "%s", why.hint) : rc;
}

static int check_exists(struct tx *tx, void *arg, struct err *err)
{
    const struct submission *s = arg;
    int rc = 0;
    for (uint32_t i = 0; !rc && i < s->spec->step_count; i++) {
        const struct spec_step *step = &s->spec->steps[i];
        for (const struct spec_input *in = step->inputs; !rc && in; in = in->next)
            rc = check_input(tx, s, in, err);
        for (const struct spec_mention *m = step->mentions; !rc && m; m = m->next)
            if (m->key->role == ROLE_MODEL && m->step < 0)
                rc = check_model(tx, s, m, yaml_get(step->node, "version"), err);
    }
    return rc;
}

/* --- rows --- */

static int insert_steps(struct tx *tx, const struct submission *s, struct err *err)
{
    const json_t *steps = json_object_get(s->plan, "steps"), *step;
    size_t i;
    int rc = 0;
    json_array_foreach (steps, i, step) {
        rc = tx_exec(tx, err,
                     "INSERT INTO steps (run, position, name, kind, status, attempt, failures,"
                     " lost, retry_at) VALUES ($1, $2, $3, $4, 'waiting', 0, 0, 0, 0)",
                     "siss", s->run.s, (int64_t)i, json_s(step, "name"), json_s(step, "kind"));
        if (rc)
            break;
    }
    return rc;
}

static int insert(struct tx *tx, void *arg, struct err *err)
{
    const struct submission *s = arg;
    const struct run_request *rq = s->rq;
    int rc = tx_exec(tx, err,
                     "INSERT INTO runs (id, project, pipeline, status, who, params, file, yaml,"
                     " plan, files, cancelled, steps_total, created_at)"
                     " VALUES ($1, $2, $3, 'running', $4, $5, $6, $7, $8, $9, 0, $10, $11)",
                     "ssssssvssii", s->run.s, rq->project, s->spec->name, rq->who, s->params_text,
                     rq->file, rq->yaml, s->plan_text, s->files_text, (int64_t)s->spec->step_count,
                     clock_ms());
    if (!rc)
        rc = insert_steps(tx, s, err);
    if (rc)
        return rc;
    CLEANUP(freep) char *subject = xasprintf("run/%s", s->run.s);
    CLEANUP(json_freep)
    json_t *data =
        json_pack("{s:s, s:s, s:s}", "run", s->run.s, "pipeline", s->spec->name, "who", rq->who);
    return tx_event(tx, rq->project, "run.submitted", subject, data, err);
}

static json_t *kept_files(const struct submission *s)
{
    json_t *files = json_object();
    for (size_t i = 0; i < s->spec->file_count; i++)
        json_object_set_new(files, s->spec->files[i],
                            json_deep_copy(json_object_get(s->rq->files, s->spec->files[i])));
    return files;
}

static int submit(struct engine *e, struct submission *s, struct err *err)
{
    struct store *store = engine_store(e);
    int rc = check_files(store_blobs(store), s, err);
    if (!rc)
        rc = store_read(store, check_exists, s, err);
    if (rc)
        return rc;
    s->run = id_new();
    s->plan = pipeline_plan(s->spec);
    json_t *files = kept_files(s);
    s->plan_text = json_text(s->plan);
    s->params_text = json_text(json_object_get(s->plan, "params"));
    s->files_text = json_text(files);
    rc = store_write(store, insert, s, err);
    if (rc) {
        json_decref(files);
        json_decref(s->plan);
        return rc;
    }
    struct message m = {.kind = MSG_SUBMIT,
                        .live = live_new(s->run.s, s->rq->project, s->plan, files)};
    engine_post(e, &m);
    return 0;
}

int engine_submit(struct engine *e, const struct run_request *rq, id *ret_run, struct err *err)
{
    CLEANUP(arena_freep) struct arena *a = arena_new((size_t)256 << 20);
    struct pipeline_spec *spec = NULL;
    int rc = pipeline_parse(a, rq->file, rq->yaml, rq->params, &spec, err);
    if (rc)
        return rc;
    struct submission s = {.rq = rq, .spec = spec};
    rc = submit(e, &s, err);
    free(s.plan_text);
    free(s.params_text);
    free(s.files_text);
    if (!rc)
        *ret_run = s.run;
    return rc;
}

/* --- cancelling --- */

struct cancellation {
    const char *project, *run;
};

static int mark_cancelled(struct tx *tx, void *arg, struct err *err)
{
    const struct cancellation *c = arg;
    CLEANUP(rows_freep) struct rows *r = NULL;
    int rc = tx_one(tx, &r, err, "SELECT status FROM runs WHERE project = $1 AND id = $2", "ss",
                    c->project, c->run);
    if (rc == E_NOTFOUND)
        return err_hint(err_set(err, E_NOTFOUND, "no run '%s'", c->run), err,
                        "list them with: tenon runs");
    if (rc)
        return rc;
    if (!str_is(rows_str(r, 0), "running"))
        return err_set(err, E_CONFLICT, "the run has ended already (%.*s)", STR(rows_str(r, 0)));
    return tx_exec(tx, err, "UPDATE runs SET cancelled = 1 WHERE id = $1", "s", c->run);
}

int engine_cancel(struct engine *e, const char *project, const char *run, struct err *err)
{
    struct message m = {.kind = MSG_CANCEL};
    if (!id_parse(str_from(run), &m.run))
        return err_set(err, E_NOTFOUND, "no run '%s'", run);
    struct cancellation c = {project, run};
    int rc = store_write(engine_store(e), mark_cancelled, &c, err);
    if (!rc)
        engine_post(e, &m);
    return rc;
}
