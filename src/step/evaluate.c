/* SPDX-License-Identifier: Apache-2.0
 *
 * kind: evaluate — how good a trained model is on rows it has not seen.
 *
 *   input: DATASET        where: SQL condition
 *   model: TRAIN_STEP     target: COLUMN (default: what the model was trained for)
 *
 * The rows go through the model's ONNX file and ONNX Runtime, batch by batch, as they will in the
 * server: what is measured is what will be served. Formulas: src/train/metrics.c.
 */
#include "step/step_int.h"

#include "store/store.h"
#include "train/train.h"

#include <math.h>
#include <string.h>

enum { BATCH = 1024, MODEL_MAX = 1 << 30 };

struct request {
    const char *target, *digest;
    str where;
    const json_t *snapshot, *signature;
    enum task task;
};

static int find_model(const struct step_context *c, const json_t **ret, struct err *err)
{
    str step;
    int rc = json_get_str(c->with, "model", true, &step, err);
    if (rc)
        return rc;
    const json_t *result =
        json_object_getn(json_object_get(c->attempt, "upstream"), step.p, step.n);
    if (!json_object_get(json_object_get(result, "artifacts"), "model"))
        return err_set(err, E_INVALID, "step '%.*s' made no model", STR(step));
    if (!json_object_get(json_object_get(result, "signature"), "task"))
        return err_hint(err_set(err, E_INVALID,
                                "the model of step '%.*s' has no signature with a "
                                "task",
                                STR(step)),
                        err, "evaluate takes models of train steps");
    *ret = result;
    return 0;
}

static int read_request(const struct step_context *c, struct request *r, struct err *err)
{
    const json_t *result = NULL;
    str input = {0}, target = {0};
    int rc = json_get_str(c->with, "input", true, &input, err);
    if (!rc)
        rc = source_pick(json_object_get(c->attempt, "inputs"), input, &r->snapshot, err);
    if (!rc)
        rc = find_model(c, &result, err);
    if (!rc)
        rc = json_get_str(c->with, "where", false, &r->where, err);
    if (!rc)
        rc = json_get_str(c->with, "target", false, &target, err);
    if (rc)
        return rc;
    r->signature = json_object_get(result, "signature");
    r->digest = json_s(json_object_get(json_object_get(result, "artifacts"), "model"), "digest");
    r->target = target.n ? arena_cstr(c->arena, target) : json_s(r->signature, "target");
    if (!task_from(str_from(json_s(r->signature, "task")), &r->task))
        return err_set(err, E_INVALID, "the model's signature names no task");
    return 0;
}

static int open_session(const struct step_context *c, const char *digest, struct ort *ort,
                        struct session **ret, struct err *err)
{
    struct blobs *blobs;
    struct buf file = BUF(MODEL_MAX);
    int rc = blobs_open(c->data_dir, &blobs, err);
    if (rc)
        return rc;
    rc = blob_read(blobs, digest, MODEL_MAX, &file, err);
    blobs_close(blobs);
    if (!rc)
        rc = session_open(ort, file.p, file.n, 0, ret, err);
    buf_free(&file);
    return rc;
}

static int read_table(struct step_context *c, const struct request *r, struct table **ret,
                      struct err *err)
{
    CLEANUP(duck_closep) struct duck *duck = NULL;
    CLEANUP(source_freep) struct source *s = NULL;
    CLEANUP(json_freep) json_t *names = json_array(), *features = NULL;
    const json_t *input;
    enum task unused;
    size_t i;
    json_array_foreach (json_object_get(r->signature, "inputs"), i, input)
        json_array_append(names, json_object_get(input, "name"));
    int rc = step_duck(c, &duck, err);
    if (!rc)
        rc = source_open(duck, r->snapshot, r->where, &s, err);
    if (!rc)
        rc = source_features(s, names, NULL, r->target, &features, err);
    if (!rc)
        rc = source_task(s, r->target, &unused, err); /* for its checks of the target */
    return rc ? rc : source_read(s, features, r->target, r->task, ret, err);
}

/* Index of each row's class in the signature's order. */
static int read_labels(const struct request *r, const struct table *t, uint32_t *ret,
                       struct err *err)
{
    const json_t *classes = json_object_get(r->signature, "classes"), *class;
    size_t i, rows = table_rows(t), target = table_columns(t) - 1;
    for (size_t row = 0; row < rows; row++) {
        str truth = table_text_at(t, target, row);
        bool known = false;
        json_array_foreach (classes, i, class) {
            known = str_is(truth, json_string_value(class));
            if (known)
                break;
        }
        if (!known)
            return err_set(err, E_INVALID,
                           "the target '%s' has the class '%.*s', which the model "
                           "has never seen",
                           r->target, STR(truth));
        ret[row] = (uint32_t)i;
    }
    return 0;
}

static int classification(const struct request *r, const struct table *t, const float *values,
                          size_t width, json_t **ret, struct err *err)
{
    size_t rows = table_rows(t);
    CLEANUP(freep) uint32_t *labels = xcalloc(rows, sizeof(*labels));
    if (width != json_array_size(json_object_get(r->signature, "classes")))
        return err_set(err, E_INVALID, "the model gives %zu probabilities, not one per class",
                       width);
    int rc = read_labels(r, t, labels, err);
    if (rc)
        return rc;
    *ret = r->task == TASK_BINARY ? metrics_binary(values, labels, rows)
                                  : metrics_multiclass(values, labels, rows, width);
    return 0;
}

static json_t *regression(const struct table *t, const float *values)
{
    size_t rows = table_rows(t), target = table_columns(t) - 1;
    CLEANUP(freep) double *truth = xcalloc(rows, sizeof(*truth));
    for (size_t row = 0; row < rows; row++)
        truth[row] = (double)table_number_at(t, target, row);
    return metrics_regression(values, truth, rows);
}

static void summarize(struct step_context *c, const json_t *m)
{
    static const char *const shown[] = {"auc",  "accuracy", "logloss", "macro_f1",
                                        "rmse", "mae",      "r2"};
    struct buf line = BUF(256);
    for (size_t i = 0; i < LENGTH(shown); i++) {
        const json_t *v = json_object_get(m, shown[i]);
        if (json_is_number(v))
            buf_printf(&line, "%s%s %.4g", line.n ? ", " : "", shown[i], json_number_value(v));
    }
    step_summary(c, "%s on %lld rows", buf_cstr(&line), (long long)json_i(m, "rows"));
    buf_free(&line);
}

static int evaluate(struct step_context *c, const struct request *r, struct ort *ort,
                    struct err *err)
{
    CLEANUP(table_freep) struct table *table = NULL;
    CLEANUP(freep) float *values = NULL;
    struct session *session;
    size_t width = 0;
    json_t *metrics = NULL;
    int rc = read_table(c, r, &table, err);
    if (!rc)
        rc = open_session(c, r->digest, ort, &session, err);
    if (rc)
        return rc;
    step_say("scoring %zu rows", table_rows(table));
    rc = score_table(session, table, table_rows(table), BATCH, &values, &width, err);
    session_unref(session);
    if (!rc && r->task != TASK_REGRESSION)
        rc = classification(r, table, values, width, &metrics, err);
    else if (!rc)
        metrics = regression(table, values);
    if (rc)
        return rc;
    json_object_set_new(c->result, "metrics", metrics);
    summarize(c, metrics);
    return 0;
}

int step_evaluate(struct step_context *c, struct err *err)
{
    struct request r = {0};
    struct ort *ort;
    int rc = read_request(c, &r, err);
    if (!rc)
        rc = ort_open(&ort, err);
    if (rc)
        return rc;
    rc = evaluate(c, &r, ort, err);
    ort_close(ort);
    return rc;
}
