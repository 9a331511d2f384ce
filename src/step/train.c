/* SPDX-License-Identifier: Apache-2.0
 *
 * kind: train — a dataset in, model.onnx out.
 *
 *   input: DATASET        where: SQL condition        target: COLUMN
 *   features: [COLUMN…]   exclude: [COLUMN…]          objective: binary|multiclass|regression
 *   params: {rounds, max_depth, eta, …}               validation: 0.1
 *
 * Columns are all but the target, the task follows from the target's type, unless named. The
 * exported file is compared with XGBoost's own predictions before it is handed on, so a model that
 * would be served wrongly never leaves this step.
 */
#include "step/step_int.h"

#include "store/store.h"
#include "train/train.h"

#include <math.h>
#include <string.h>

enum { VERIFY_ROWS = 10000, SAY_EVERY_SHARE = 10 };

static const double VERIFY_BOUND = 1e-5;
static const double VALIDATION = 0.1; /* share of rows, unless named */

struct request {
    const char *target;
    str input, where;
    const json_t *snapshot;
    struct train_params params;
    double validation;
    enum task task;
    bool task_given;
};

static int read_task(const struct step_context *c, struct request *r, struct err *err)
{
    static const char *const names[] = {"binary", "multiclass", "regression"};
    str name = {0};
    int rc = json_get_str(c->with, "objective", false, &name, err);
    if (rc || !name.n)
        return rc;
    r->task_given = task_from(name, &r->task);
    if (r->task_given)
        return 0;
    const char *near = str_nearest(name, names, LENGTH(names));
    rc = err_set(err, E_INVALID, "objective '%.*s' is not binary, multiclass or regression",
                 STR(name));
    return near ? err_hint(rc, err, "did you mean '%s'?", near) : rc;
}

static int read_request(const struct step_context *c, struct request *r, struct err *err)
{
    str target;
    r->validation = VALIDATION;
    int rc = json_get_str(c->with, "target", true, &target, err);
    if (!rc)
        rc = json_get_str(c->with, "input", true, &r->input, err);
    if (!rc)
        rc = source_pick(json_object_get(c->attempt, "inputs"), r->input, &r->snapshot, err);
    if (!rc)
        rc = json_get_str(c->with, "where", false, &r->where, err);
    if (!rc)
        rc = json_get_f64(c->with, "validation", false, &r->validation, err);
    if (!rc && !(r->validation >= 0 && r->validation <= 0.5))
        rc = err_set(err, E_INVALID, "validation must be between 0 and 0.5, got %g", r->validation);
    if (!rc)
        rc = train_params_read(json_object_get(c->with, "params"), &r->params, err);
    if (!rc)
        rc = read_task(c, r, err);
    if (!rc)
        r->target = arena_cstr(c->arena, target);
    return rc;
}

struct progress {
    unsigned every, rounds;
};

static void say_round(void *ctx, unsigned round, const char *metric, double train, double valid)
{
    const struct progress *p = ctx;
    if (round != 1 && round % p->every && round != p->rounds)
        return;
    if (isnan(valid))
        step_say("round %u/%u  train %s %.5f", round, p->rounds, metric, train);
    else
        step_say("round %u/%u  train %s %.5f  validation %.5f", round, p->rounds, metric, train,
                 valid);
}

static int read_table(struct step_context *c, struct request *r, json_t **ret_features,
                      struct table **ret, struct err *err)
{
    CLEANUP(duck_closep) struct duck *duck = NULL;
    CLEANUP(source_freep) struct source *s = NULL;
    CLEANUP(json_freep) json_t *features = NULL;
    int rc = step_duck(c, &duck, err);
    if (!rc)
        rc = source_open(duck, r->snapshot, r->where, &s, err);
    if (!rc)
        rc = source_features(s, json_object_get(c->with, "features"),
                             json_object_get(c->with, "exclude"), r->target, &features, err);
    enum task inferred;
    if (!rc)
        rc = source_task(s, r->target, &inferred, err);
    if (rc)
        return rc;
    r->task = r->task_given ? r->task : inferred;
    step_say("reading %zu rows, %zu columns; target %s (%s)", source_rows(s),
             json_array_size(features), r->target, task_name(r->task));
    if ((rc = source_read(s, features, r->target, r->task, ret, err)))
        return rc;
    *ret_features = features;
    features = NULL;
    return 0;
}

static int put_artifact(const struct step_context *c, struct blobs *b, const char *name,
                        const char *file, str content, struct err *err)
{
    char digest[65];
    int rc = blob_put(b, content.p, content.n, digest, err);
    if (rc)
        return rc;
    json_t *artifacts = json_object_get(c->result, "artifacts");
    if (!artifacts) {
        artifacts = json_object();
        json_object_set_new(c->result, "artifacts", artifacts);
    }
    json_object_set_new(artifacts, name,
                        json_pack("{s:s, s:I, s:s}", "digest", digest, "size",
                                  (json_int_t)content.n, "file", file));
    return 0;
}

static int put_artifacts(const struct step_context *c, const struct trained *t, struct err *err)
{
    struct blobs *b;
    int rc = blobs_open(c->data_dir, &b, err);
    if (rc)
        return rc;
    rc = put_artifact(c, b, "model", "model.onnx", trained_onnx(t), err);
    if (!rc)
        rc = put_artifact(c, b, "booster", "booster.json", trained_booster(t), err);
    if (!rc)
        rc = put_artifact(c, b, "encoding", "encoding.json", trained_encoding(t), err);
    blobs_close(b);
    return rc;
}

static int verify(const struct trained *t, const struct table *table, json_t *metrics,
                  struct err *err)
{
    struct ort *ort;
    double difference = 0;
    int rc = ort_open(&ort, err);
    if (!rc) {
        rc = trained_verify(t, ort, table, MIN(table_rows(table), (size_t)VERIFY_ROWS), &difference,
                            err);
        ort_close(ort);
    }
    if (rc)
        return rc;
    if (!(difference <= VERIFY_BOUND))
        return err_set(err, E_INTERNAL,
                       "the exported model differs from XGBoost's by %g, more than %g", difference,
                       VERIFY_BOUND);
    json_object_set_new(metrics, "onnx_difference", json_real(difference));
    return 0;
}

static json_t *params_json(const struct request *r, const json_t *features, const struct trained *t)
{
    json_t *j = train_params_json(&r->params);
    json_object_set_new(j, "input", json_strn(r->input));
    json_object_set_new(j, "where", json_strn(r->where));
    json_object_set_new(j, "target", json_string(r->target));
    json_object_set(j, "objective", json_object_get(trained_signature(t), "task"));
    json_object_set_new(j, "validation", json_real(r->validation));
    json_object_set_new(j, "features", json_deep_copy(features));
    json_object_set_new(j, "xgboost", json_string(trained_library(t)));
    return j;
}

static void summarize(struct step_context *c, const struct trained *t)
{
    static const char prefix[] = "best_validation_";
    const json_t *m = trained_metrics(t);
    struct buf best = BUF(256);
    const char *key;
    json_t *value;
    json_object_foreach ((json_t *)(uintptr_t)m, key, value) {
        if (str_starts(str_from(key), str_from(prefix)))
            buf_printf(&best, ", validation %s %.4g", key + strlen(prefix),
                       json_number_value(value));
    }
    step_summary(c, "%s, %lld rounds on %lld rows%s", json_s(trained_signature(t), "task"),
                 (long long)json_i(m, "best_round"), (long long)json_i(m, "train_rows"),
                 buf_cstr(&best));
    buf_free(&best);
}

int step_train(struct step_context *c, struct err *err)
{
    struct request r = {0};
    CLEANUP(table_freep) struct table *table = NULL;
    CLEANUP(trained_freep) struct trained *t = NULL;
    CLEANUP(json_freep) json_t *features = NULL;
    int rc = read_request(c, &r, err);
    if (!rc)
        rc = read_table(c, &r, &features, &table, err);
    if (rc)
        return rc;
    unsigned rounds = (unsigned)r.params.rounds;
    struct progress p = {MAX(rounds / SAY_EVERY_SHARE, 1), rounds};
    struct train_spec spec = {.table = table,
                              .target = table_columns(table) - 1,
                              .task = r.task,
                              .params = r.params,
                              .validation = r.validation,
                              .progress = say_round,
                              .ctx = &p};
    if ((rc = train_fit(&spec, &t, err)))
        return rc;
    CLEANUP(json_freep) json_t *metrics = json_deep_copy(trained_metrics(t));
    if ((rc = verify(t, table, metrics, err)) || (rc = put_artifacts(c, t, err)))
        return rc;
    json_object_set(c->result, "metrics", metrics);
    json_object_set_new(c->result, "params", params_json(&r, features, t));
    json_object_set_new(c->result, "signature", json_deep_copy(trained_signature(t)));
    summarize(c, t);
    return 0;
}
