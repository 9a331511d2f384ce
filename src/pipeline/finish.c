/* SPDX-License-Identifier: Apache-2.0
 *
 * After an attempt: what its exit means. Runs on the engine's pool.
 *
 * A success with outputs is made visible in two moves that may both be repeated: the files join
 * their Delta tables (data_publish, idempotent by attempt), then one transaction writes the dataset
 * versions, the model version, the tracked metrics, and the success of attempt and step. Whatever
 * crashes in between, the attempt's rows still say "running", so the next server comes here again.
 * A success without outputs is left to the engine, which writes many of them in one batch.
 */
#include "pipeline/engine_int.h"

#include "base/log.h"
#include "data/data.h"
#include "model/model.h"
#include "sys/clock.h"
#include "sys/fs.h"
#include "track/track.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define RESULT_MAX ((size_t)64 << 20)
#define TRIES 5

struct outcome {
    const struct job *job;
    json_t *result, *inputs, *outputs;
    int64_t *versions; /* of result.datasets */
    struct finish finish;
    bool current;   /* the transaction found the attempt still running */
    bool published; /* a commit in a table's log waits for its row */
};

char *error_json(const struct err *err)
{
    CLEANUP(json_freep)
    json_t *j = json_pack("{s:s, s:o, s:o}", "code", err_name(err->code), "message",
                          json_strn(str_from(err->msg)), "hint", json_strn(str_from(err->hint)));
    return json_text(j);
}

static json_t *read_json(const char *dir, const char *name)
{
    CLEANUP(freep) char *path = fs_join(dir, name);
    struct buf text = BUF(0);
    json_t *j = NULL;
    if (fs_read(path, RESULT_MAX, &text, NULL) == 0)
        json_parse(buf_view(&text), &j, NULL);
    buf_free(&text);
    if (j && !json_is_object(j))
        json_freep(&j);
    return j;
}

/* --- failures --- */

static int explain_reason(const struct job *j, struct err *err)
{
    const char *reason = j->exit.reason;
    if (strcmp(reason, "timeout") == 0)
        return err_hint(err_set(err, E_TIMEOUT, "the step ran longer than its timeout of %g s",
                                (double)json_i(j->plan, "timeout_ms") / 1000),
                        err, "give it more with timeout:");
    if (strcmp(reason, "cancelled") == 0)
        return err_set(err, E_CANCELLED, "the step was cancelled");
    if (strcmp(reason, "disk") == 0)
        return err_hint(err_set(err, E_TOOBIG, "the step wrote more than the disk allows"), err,
                        "free space, or raise disk: if the step has a limit");
    return err_set(err, E_IO, "the machine or the step's supervisor went down while it ran");
}

static void explain_exit(const struct job *j, struct err *err)
{
    const struct attempt_exit *e = &j->exit;
    if (e->reason[0]) {
        explain_reason(j, err);
    } else if (e->signal) {
        int rc = err_set(err, E_IO, "the step was ended by signal %d (%s)", e->signal,
                         strsignal(e->signal));
        err_hint(rc, err, "%s",
                 e->signal == 9 ? "perhaps the machine ran out of memory" : "its log may say more");
    } else {
        err_hint(err_set(err, E_IO, "the command ended with status %d", e->code), err,
                 "see the end of its log");
    }
}

/* A built-in step says itself what is wrong; about any other the exit has to do. */
static char *describe_failure(const struct job *j)
{
    struct err err = {0};
    CLEANUP(json_freep) json_t *said = NULL;
    if (!j->exit.reason[0] && !j->exit.signal)
        said = read_json(j->dir, "error.json");
    if (said && json_is_string(json_object_get(said, "message")))
        return json_text(said);
    explain_exit(j, &err);
    return error_json(&err);
}

/* --- successes --- */

/* None is one that says nothing; one that cannot be read is not. */
static int read_result(const struct job *j, json_t **ret, struct err *err)
{
    CLEANUP(freep) char *path = fs_join(j->dir, "result.json");
    CLEANUP(json_freep) json_t *result = NULL;
    struct buf text = BUF(0);
    if (!fs_exists(path)) {
        *ret = json_object();
        return 0;
    }
    int rc = fs_read(path, RESULT_MAX, &text, err);
    if (!rc)
        rc = json_parse(buf_view(&text), &result, err);
    if (!rc)
        rc = json_need_object(result, "it", err);
    buf_free(&text);
    if (rc)
        return err_wrap(err, "result.json");
    *ret = result;
    result = NULL;
    return 0;
}

static bool declares(const struct job *j, const char *dataset)
{
    const json_t *name;
    size_t i;
    json_array_foreach (json_object_get(j->plan, "makes"), i, name)
        if (strcmp(json_string_value(name), dataset) == 0)
            return true;
    return false;
}

/* What a step writes is checked against what its YAML announced: others depend on it. */
static int check_datasets(const struct outcome *o, struct err *err)
{
    const json_t *made = json_object_get(o->result, "datasets"), *d, *name;
    size_t i, k;
    json_array_foreach (made, i, d)
        if (!declares(o->job, json_s(d, "name")))
            return err_set(err, E_INVALID, "the step wrote a dataset '%s' that it does not declare",
                           json_s(d, "name"));
    json_array_foreach (json_object_get(o->job->plan, "makes"), i, name) {
        bool found = false;
        json_array_foreach (made, k, d)
            found |= strcmp(json_s(d, "name"), json_string_value(name)) == 0;
        if (!found)
            return err_set(err, E_INVALID, "the step ended well but made no dataset '%s'",
                           json_string_value(name));
    }
    return 0;
}

static void add_output(struct outcome *o, const char *type, const char *name, int64_t version)
{
    json_t *j = json_pack("{s:s, s:s}", "type", type, "name", name);
    json_object_set_new(j, "version", version < 0 ? json_null() : json_integer(version));
    json_array_append_new(o->outputs, j);
}

static int publish(struct outcome *o, struct err *err)
{
    json_t *made = json_object_get(o->result, "datasets"), *d;
    size_t i;
    int rc = 0;
    o->versions = xcalloc(json_array_size(made), sizeof(*o->versions));
    json_array_foreach (made, i, d) {
        rc = data_publish(o->job->config->data_dir, o->job->project, o->job->attempt_id, d,
                          &o->versions[i], err);
        if (rc)
            return rc;
        o->published = true;
        json_object_set_new(d, "version", json_integer(o->versions[i]));
        add_output(o, "dataset", json_s(d, "name"), o->versions[i]);
    }
    return 0;
}

static bool listed(const json_t *list, const json_t *item)
{
    const json_t *other;
    size_t i;
    json_array_foreach (list, i, other)
        if (json_equal(other, item))
            return true;
    return false;
}

/* [{"name","version"}] of what attempt.json pinned; once each, whatever the aliases. */
static json_t *read_inputs(const struct job *j)
{
    CLEANUP(json_freep) json_t *attempt = read_json(j->dir, "attempt.json");
    json_t *list = json_array(), *snapshot;
    const char *alias;
    json_object_foreach (json_object_get(attempt, "inputs"), alias, snapshot) {
        CLEANUP(json_freep)
        json_t *input = json_pack("{s:s, s:I}", "name", json_s(snapshot, "name"), "version",
                                  (json_int_t)json_i(snapshot, "version"));
        if (!listed(list, input))
            json_array_append(list, input);
    }
    return list;
}

static int record_datasets(struct tx *tx, const struct outcome *o, struct err *err)
{
    const json_t *d;
    size_t i;
    int rc = 0;
    json_array_foreach (json_object_get(o->result, "datasets"), i, d) {
        rc = data_record(tx, o->job->project, o->job->attempt_id, o->job->run.s, o->job->step,
                         o->inputs, d, o->versions[i], err);
        if (rc)
            return rc;
    }
    return 0;
}

static int record_model(struct tx *tx, const struct outcome *o, int64_t *ret, struct err *err)
{
    const json_t *r = json_object_get(o->result, "register");
    const struct model_version_spec spec = {.project = o->job->project,
                                            .model = json_s(r, "model"),
                                            .digest = json_s(r, "digest"),
                                            .attempt = o->job->attempt_id,
                                            .run = o->job->run.s,
                                            .signature = json_object_get(r, "signature"),
                                            .metrics = json_object_get(r, "metrics"),
                                            .params = json_object_get(r, "params"),
                                            .datasets = json_object_get(r, "datasets")};
    return model_register(tx, &spec, ret, err);
}

static void name_artifacts(struct outcome *o)
{
    const char *name;
    json_t *artifact;
    json_object_foreach (json_object_get(o->result, "artifacts"), name, artifact)
        add_output(o, "artifact", name, -1);
    if (strcmp(o->job->kind, "deploy") == 0)
        add_output(o, "endpoint", json_s(json_object_get(o->job->plan, "with"), "endpoint"), -1);
}

/* Runs on the writer's thread, perhaps more than once: everything it makes starts afresh. */
static int commit(struct tx *tx, void *arg, struct err *err)
{
    struct outcome *o = arg;
    const struct job *j = o->job;
    const json_t *params = json_object_get(o->result, "params");
    const json_t *metrics = json_object_get(o->result, "metrics");
    json_t *registered = json_object_get(o->result, "register");
    int64_t version = -1;
    int rc = record_datasets(tx, o, err);
    if (!rc && registered)
        rc = record_model(tx, o, &version, err);
    if (!rc && (params || metrics))
        rc = track_log_attempt(tx, j->project, j->pipeline, j->run.s, j->step, j->attempt_id,
                               params, metrics, err);
    if (rc)
        return rc;
    CLEANUP(json_freep) json_t *outputs = json_copy(o->outputs);
    if (registered) {
        json_object_set_new(registered, "version", json_integer(version));
        json_array_append_new(outputs, json_pack("{s:s, s:s, s:I}", "type", "model", "name",
                                                 json_s(registered, "model"), "version",
                                                 (json_int_t)version));
    }
    free(o->finish.result);
    free(o->finish.outputs);
    o->finish.result = json_text(o->result);
    o->finish.outputs = json_text(outputs);
    rc = rows_succeed(tx, j->run.s, j->position, j->n, &o->finish, clock_ms(), &o->current, err);
    if (!rc && !o->current)
        rc = err_set(err, E_CONFLICT, "the attempt is not the running one any more");
    return rc ? rc : step_event(tx, j->project, "step.succeeded", j->run.s, j->step, j->n, err);
}

static bool has_outputs(const json_t *result)
{
    static const char *const members[] = {"datasets", "register", "params", "metrics"};
    for (size_t i = 0; i < LENGTH(members); i++)
        if (json_object_get(result, members[i]))
            return true;
    return false;
}

static int succeed(struct outcome *o, struct err *err)
{
    int rc = check_datasets(o, err);
    if (!rc)
        rc = publish(o, err);
    if (rc)
        return rc;
    name_artifacts(o);
    if (!has_outputs(o->result)) {
        o->finish.result = json_object_size(o->result) ? json_text(o->result) : NULL;
        o->finish.outputs = json_array_size(o->outputs) ? json_text(o->outputs) : NULL;
        return 0;
    }
    json_decref(o->inputs); /* of the try before */
    o->inputs = read_inputs(o->job);
    rc = store_write(o->job->config->store, commit, o, err);
    o->finish.committed = !rc;
    return rc;
}

static bool passing(int code)
{
    return code == E_BUSY || code == E_IO || code == E_UNAVAILABLE;
}

/* Outputs are on disk and the step has ended well: a busy moment must not throw them away. And once
 * a table's log holds a commit of this attempt there is no giving up at all, because the attempt
 * that came instead would append the same rows again: whoever is the server when the store takes
 * writes again finishes this one. */
static int succeed_patiently(struct outcome *o, struct err *err)
{
    for (int tries = 1;; tries++) {
        json_array_clear(o->outputs);
        free(o->versions);
        o->versions = NULL;
        int rc = succeed(o, err);
        if (!passing(rc) || (!o->published && tries == TRIES) || engine_stopping(o->job->engine))
            return rc;
        if (tries == TRIES)
            log_warn("outputs_wait", "run=%s step=%s error=\"%s\"", o->job->run.s, o->job->step,
                     err->msg);
        usleep(tries < TRIES ? 50000U << tries : 1000000);
    }
}

static void drop_work(const char *dir)
{
    CLEANUP(freep) char *work = fs_join(dir, "work");
    fs_remove_tree(work, NULL);
}

/* False if nothing can be said: the store takes no writes, and the next server will ask again. */
static bool judge(struct outcome *o, enum attempt_outcome *ret)
{
    const struct job *j = o->job;
    struct err err = {0};
    if (j->exit.code != 0 || j->exit.signal || j->exit.reason[0]) {
        o->finish.error = describe_failure(j);
        if (strcmp(j->exit.reason, "disk") == 0)
            drop_work(j->dir); /* or the disk stays full, for everybody */
        *ret = strcmp(j->exit.reason, "lost") == 0 ? OUTCOME_LOST : OUTCOME_FAILED;
        return true;
    }
    o->outputs = json_array();
    *ret = OUTCOME_OK;
    if (read_result(j, &o->result, &err) == 0 && succeed_patiently(o, &err) == 0) {
        drop_work(j->dir);
        return true;
    }
    *ret = OUTCOME_FAILED;
    o->finish.error = error_json(&err);
    return err.code != E_READONLY && !(o->published && passing(err.code));
}

/* Before anything is judged: a server killed here finishes the attempt again, this first. */
static void end_token(const struct job *j)
{
    CLEANUP(json_freep) json_t *attempt = read_json(j->dir, "attempt.json");
    const char *token = json_s(attempt, "token");
    struct err err = {0};
    if (token[0] && j->config->attempt_over && j->config->attempt_over(j->config->ctx, token, &err))
        log_warn("token_not_revoked", "attempt=%s error=\"%s\"", j->dir, err.msg);
}

void finish_job(void *job)
{
    struct job *j = job;
    struct outcome o = {.job = j, .finish.exit = j->exit};
    struct message m = {.kind = MSG_FINISHED, .dir = xstrdup(j->dir)};
    end_token(j);
    bool known = judge(&o, &m.outcome);
    m.finish = o.finish;
    json_decref(o.result);
    json_decref(o.inputs);
    json_decref(o.outputs);
    free(o.versions);
    if (known)
        engine_post(j->engine, &m);
    else
        message_clear(&m);
    job_free(j);
}

/* --- rows --- */

int step_event(struct tx *tx, const char *project, const char *kind, const char *run,
               const char *step, uint32_t attempt, struct err *err)
{
    CLEANUP(freep) char *subject = xasprintf("run/%s/%s", run, step);
    CLEANUP(json_freep)
    json_t *data = json_pack("{s:s, s:s}", "run", run, "step", step);
    if (attempt)
        json_object_set_new(data, "attempt", json_integer(attempt));
    return tx_event(tx, project, kind, subject, data, err);
}

int rows_attempt_ended(struct tx *tx, const char *run, uint32_t position, uint32_t attempt,
                       const char *status, const struct attempt_exit *e, struct err *err)
{
    return tx_exec(tx, err,
                   "UPDATE attempts SET status = $4, ended_at = $5, code = $6, signal = $7,"
                   " reason = $8, max_rss_kb = $9 WHERE run = $1 AND position = $2 AND n = $3",
                   "siisiiisi", run, (int64_t)position, (int64_t)attempt, status,
                   e->ended_at ? e->ended_at : clock_ms(), (int64_t)e->code, (int64_t)e->signal,
                   e->reason, e->max_rss_kb);
}

int rows_succeed(struct tx *tx, const char *run, uint32_t position, uint32_t attempt,
                 const struct finish *f, int64_t now, bool *ret, struct err *err)
{
    int rc =
        tx_exec(tx, err,
                "UPDATE steps SET status = 'succeeded', ended_at = $4, error = NULL,"
                " result = $5, outputs = $6, retry_at = 0"
                " WHERE run = $1 AND position = $2 AND attempt = $3 AND status = 'running'",
                "siiiss", run, (int64_t)position, (int64_t)attempt, now, f->result, f->outputs);
    if (rc)
        return rc;
    *ret = tx_changes(tx) == 1;
    return *ret ? rows_attempt_ended(tx, run, position, attempt, "succeeded", &f->exit, err) : 0;
}
