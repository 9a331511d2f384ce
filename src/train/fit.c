/* SPDX-License-Identifier: Apache-2.0
 *
 * Fitting: split, encode, boost, stop early, export.
 *
 * Every result is a function of the rows, their order, the parameters and the number of threads.
 * A row goes to validation if a hash of its number and the seed says so, except for the first row
 * of a class, which trees must have seen. base_score is set to the mean of the target instead of
 * being left to the library, whose versions disagree about it.
 */
#include "train/train_int.h"

#include "train/xgb.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

enum { FILE_MAX = 1 << 30, ROWS_MIN = 10 };

struct trained {
    struct arena *arena;
    struct xgb *x;
    struct xgb_booster *booster;
    enum task task;
    struct features features;
    str *classes;
    size_t n_classes; /* 0 for regression */
    struct buf onnx, json, encoding;
    json_t *signature, *metrics;
};

/* What one fit needs besides its result. */
struct work {
    const struct train_spec *spec;
    struct trained *t;
    size_t rows;
    bool *train;         /* per row: trees may see it */
    uint32_t *label;     /* per row, classification */
    const float *value;  /* per row, regression */
    size_t part_rows[2]; /* training, validation */
    float *cells[2], *targets[2];
    struct xgb_matrix *matrix[2];
    size_t matrices;
    VEC(double) history[2];
    int best; /* round, from 0 */
    double best_metric;
};

static const char *const metric_names[] = {"logloss", "mlogloss", "rmse"};
static const char *const objectives[] = {"binary:logistic", "multi:softprob", "reg:squarederror"};

static int by_class(const void *a, const void *b)
{
    const str *x = a, *y = b;
    double p, q;
    if (str_f64(*x, &p) && str_f64(*y, &q) && p != q)
        return p < q ? -1 : 1;
    return str_cmp(*x, *y);
}

static int check_target(const struct work *w, const struct column *c, struct err *err)
{
    if (c->missing)
        return err_hint(err_set(err, E_INVALID, "the target '%s' is missing in %zu of %zu rows",
                                c->name, c->missing, w->rows),
                        err, "leave those rows out: where: %s is not null", c->name);
    if (w->rows < ROWS_MIN)
        return err_set(err, E_INVALID, "%zu rows are too few to learn from; at least %d are needed",
                       w->rows, ROWS_MIN);
    bool category = c->kind == COLUMN_CATEGORY;
    if (category != (w->spec->task != TASK_REGRESSION))
        return err_set(err, E_INVALID, "the target '%s' does not fit objective %s", c->name,
                       task_name(w->spec->task));
    return 0;
}

/* Class names sorted (numbers by value), and each row's label. */
static int classify(struct work *w, const struct column *c, struct err *err)
{
    struct trained *t = w->t;
    size_t n = c->texts.n;
    if (n < 2)
        return err_hint(err_set(err, E_INVALID, "the target '%s' has only one class, '%.*s'",
                                c->name, STR(c->texts.p[0])),
                        err, "check where: …; a classifier needs rows of at least two classes");
    if (w->spec->task == TASK_BINARY && n > 2)
        return err_hint(
            err_set(err, E_INVALID, "the target '%s' has %zu classes, not two", c->name, n), err,
            "use objective: multiclass");
    if (n > TRAIN_CLASSES_MAX)
        return err_hint(err_set(err, E_TOOBIG, "the target '%s' has %zu classes, more than %d",
                                c->name, n, TRAIN_CLASSES_MAX),
                        err, "group them in SQL, or use objective: regression");
    t->task = n == 2 ? TASK_BINARY : TASK_MULTICLASS;
    t->n_classes = n;
    t->classes = arena_alloc(t->arena, n * sizeof(*t->classes));
    for (size_t i = 0; i < n; i++)
        t->classes[i] = arena_str(t->arena, c->texts.p[i]);
    qsort(t->classes, n, sizeof(*t->classes), by_class);
    CLEANUP(freep) uint32_t *label_of = xcalloc(n + 1, sizeof(*label_of));
    for (size_t i = 0; i < n; i++)
        label_of[(size_t)(uintptr_t)map_get(c->index, t->classes[i])] = (uint32_t)i;
    w->label = xcalloc(w->rows, sizeof(*w->label));
    for (size_t row = 0; row < w->rows; row++)
        w->label[row] = label_of[c->code[row]];
    return 0;
}

static uint64_t mix(uint64_t x) /* splitmix64: Steele, Lea and Flood 2014 */
{
    x += 0x9e3779b97f4a7c15u;
    x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9u;
    x = (x ^ (x >> 27)) * 0x94d049bb133111ebu;
    return x ^ (x >> 31);
}

static void split(struct work *w)
{
    bool met[TRAIN_CLASSES_MAX] = {false};
    uint64_t seed = mix((uint64_t)w->spec->params.seed);
    w->train = xcalloc(w->rows, sizeof(*w->train));
    for (size_t row = 0; row < w->rows; row++) {
        double u = (double)(mix(seed ^ row) >> 11) * 0x1p-53;
        bool *first = &met[w->label ? w->label[row] : 0];
        w->train[row] = u >= w->spec->validation || !*first;
        *first = true;
        w->part_rows[!w->train[row]]++;
    }
    w->matrices = w->part_rows[1] ? 2 : 1;
}

static size_t outputs_of(const struct trained *t)
{
    return t->task == TASK_MULTICLASS ? t->n_classes : 1;
}

static float target_of(const struct work *w, size_t row)
{
    return w->label ? (float)w->label[row] : w->value[row];
}

static int encode_part(struct work *w, unsigned part, struct err *err)
{
    size_t rows = w->part_rows[part], width = w->t->features.n, cells, n = 0;
    CLEANUP(freep) size_t *list = xcalloc(rows, sizeof(*list));
    if (!__builtin_mul_overflow(rows, width * sizeof(float), &cells))
        w->cells[part] = malloc(cells);
    if (!w->cells[part])
        return err_hint(
            err_set(err, E_TOOBIG, "%zu rows of %zu columns do not fit into memory", rows, width),
            err, "train on fewer rows (where: …) or fewer columns (exclude: […])");
    w->targets[part] = xcalloc(rows, sizeof(float));
    for (size_t row = 0; row < w->rows; row++) {
        if (w->train[row] != (part == 0))
            continue;
        w->targets[part][n] = target_of(w, row);
        list[n++] = row;
    }
    return features_encode(&w->t->features, w->spec->table, list, rows, w->cells[part], err);
}

static int make_matrix(struct work *w, unsigned part, struct err *err)
{
    int rc = encode_part(w, part, err);
    if (rc)
        return rc;
    struct xgb_data d = {w->cells[part], w->part_rows[part], w->t->features.n, w->targets[part],
                         (unsigned)w->spec->params.threads};
    rc = xgb_matrix_new(w->t->x, &d, &w->matrix[part], err);
    free(w->cells[part]); /* the library has its own copy */
    w->cells[part] = NULL;
    return rc;
}

static double base_score(const struct work *w)
{
    double sum = 0;
    if (w->t->task == TASK_MULTICLASS)
        return 0.5; /* the same for every class, so that softmax cancels it */
    for (size_t i = 0; i < w->part_rows[0]; i++)
        sum += (double)w->targets[0][i];
    return sum / (double)w->part_rows[0];
}

static int set_params(struct work *w, struct err *err)
{
    char value[32];
    struct xgb_booster *b = w->t->booster;
    const struct train_params *p = &w->spec->params;
    int rc = xgb_param(b, "objective", objectives[w->t->task], err);
#define SET(key, ...)                                                                              \
    if (!rc && snprintf(value, sizeof(value), __VA_ARGS__) > 0)                                    \
        rc = xgb_param(b, key, value, err);
    SET("verbosity", "0")
    SET("tree_method", "hist")
    SET("eval_metric", "%s", metric_names[w->t->task])
    SET("base_score", "%.9g", base_score(w))
    if (w->t->task == TASK_MULTICLASS)
        SET("num_class", "%zu", w->t->n_classes)
#define X(key, xgboost, preset, least, most, whole)                                                \
    if (xgboost != NULL)                                                                           \
    SET((const char *)xgboost, "%.9g", p->key)
    TRAIN_PARAMS(X)
#undef X
#undef SET
    return rc;
}

static int name_features(struct work *w, struct err *err)
{
    const struct features *f = &w->t->features;
    CLEANUP(freep) const char **names = xcalloc(f->n, sizeof(*names));
    for (size_t i = 0; i < f->n; i++)
        names[i] = f->p[i].name;
    return xgb_feature_names(w->t->booster, names, f->n, err);
}

/* One round; *ret_stop when the validation has not improved for long enough. */
static int boost_round(struct work *w, int round, bool *ret_stop, struct err *err)
{
    double metric[2] = {NAN, NAN};
    const struct train_spec *s = w->spec;
    int rc = xgb_update(w->t->booster, round, w->matrix[0], err);
    if (!rc)
        rc = xgb_evaluate(w->t->booster, round, w->matrix, w->matrices, metric, err);
    if (rc)
        return rc;
    for (size_t i = 0; i < w->matrices; i++)
        *vec_push(&w->history[i]) = metric[i];
    if (s->progress)
        s->progress(s->ctx, (unsigned)round + 1, metric_names[w->t->task], metric[0], metric[1]);
    double watched = w->matrices == 2 ? metric[1] : metric[0];
    bool stopping = w->matrices == 2 && s->params.early_stopping_rounds > 0;
    if (round == 0 || !stopping || watched < w->best_metric) {
        w->best = round;
        w->best_metric = watched;
    }
    *ret_stop = stopping && round - w->best >= (int)s->params.early_stopping_rounds;
    return 0;
}

static int boost(struct work *w, struct err *err)
{
    struct trained *t = w->t;
    int rc = xgb_booster_new(t->x, w->matrix, w->matrices, &t->booster, err);
    if (!rc)
        rc = set_params(w, err);
    if (!rc)
        rc = name_features(w, err);
    bool stop = false;
    int rounds = 0;
    for (; !rc && !stop && rounds < (int)w->spec->params.rounds; rounds++)
        rc = boost_round(w, rounds, &stop, err);
    if (rc || w->best + 1 == rounds)
        return rc;
    struct xgb_booster *best;
    if ((rc = xgb_slice(t->booster, w->best + 1, &best, err)))
        return rc;
    xgb_booster_free(t->booster);
    t->booster = best;
    return 0;
}

static json_t *outputs_json(const struct trained *t)
{
    if (t->task == TASK_REGRESSION)
        return json_pack("[{s:s, s:s, s:[i, i]}]", "name", "prediction", "datatype", "FP32",
                         "shape", -1, 1);
    return json_pack("[{s:s, s:s, s:[i]}, {s:s, s:s, s:[i, i]}]", "name", "label", "datatype",
                     "BYTES", "shape", -1, "name", "probability", "datatype", "FP32", "shape", -1,
                     (int)t->n_classes);
}

static json_t *signature(const struct work *w)
{
    const struct trained *t = w->t;
    json_t *j = json_pack("{s:s, s:s, s:o, s:o}", "task", task_name(t->task), "target",
                          table_name(w->spec->table, w->spec->target), "inputs",
                          features_signature(&t->features), "outputs", outputs_json(t));
    if (t->task == TASK_REGRESSION)
        return j;
    json_t *classes = json_array();
    for (size_t i = 0; i < t->n_classes; i++)
        json_array_append_new(classes, json_strn(t->classes[i]));
    json_object_set_new(j, "classes", classes);
    return j;
}

static void put_history(json_t *j, const struct work *w, unsigned part)
{
    static const char *const parts[] = {"train", "validation"};
    json_t *values = json_array();
    for (size_t i = 0; i < w->history[part].n; i++)
        json_array_append_new(values, json_real(w->history[part].p[i]));
    CLEANUP(freep) char *key = xasprintf("%s_%s", parts[part], metric_names[w->t->task]);
    json_object_set_new(j, key, values);
}

static json_t *metrics(const struct work *w)
{
    json_t *j = json_pack("{s:i, s:i, s:I, s:I}", "rounds", (int)w->history[0].n, "best_round",
                          w->best + 1, "train_rows", (json_int_t)w->part_rows[0], "validation_rows",
                          (json_int_t)w->part_rows[1]);
    for (unsigned i = 0; i < w->matrices; i++)
        put_history(j, w, i);
    if (w->matrices == 2) {
        CLEANUP(freep) char *key = xasprintf("best_validation_%s", metric_names[w->t->task]);
        json_object_set_new(j, key, json_real(w->best_metric));
    }
    return j;
}

static int export(struct work *w, struct err *err)
{
    struct trained *t = w->t;
    struct forest forest = {0};
    t->signature = signature(w);
    t->metrics = metrics(w);
    CLEANUP(json_freep) json_t *encoding = features_encoding(&t->features);
    json_write(encoding, &t->encoding);
    int rc = xgb_save(t->booster, &t->json, err);
    if (!rc)
        rc = forest_read(buf_view(&t->json), t->task, outputs_of(t), &forest, err);
    if (rc)
        return rc;
    CLEANUP(json_freep) json_t *params = train_params_json(&w->spec->params);
    CLEANUP(freep) char *signature_text = json_text(t->signature), *params_text = json_text(params);
    CLEANUP(freep)
    char *description = xasprintf("%s of '%s' from %zu columns, %zu trees by XGBoost %s",
                                  task_name(t->task), table_name(w->spec->table, w->spec->target),
                                  t->features.n, forest.trees.n, xgb_version(t->x));
    const char *const metadata[][2] = {{"tenon.signature", signature_text},
                                       {"tenon.params", params_text},
                                       {"xgboost.version", xgb_version(t->x)}};
    struct onnx_spec spec = {&t->features, &forest,     t->task,  t->classes,
                             t->n_classes, description, metadata, LENGTH(metadata)};
    rc = onnx_write(&spec, &t->onnx, err);
    forest_free(&forest);
    return rc;
}

static int fit(struct work *w, struct err *err)
{
    struct trained *t = w->t;
    const struct column *c = &w->spec->table->columns.p[w->spec->target];
    int rc = check_target(w, c, err);
    if (!rc && t->task != TASK_REGRESSION)
        rc = classify(w, c, err);
    if (rc)
        return rc;
    w->value = c->number;
    split(w);
    rc = features_fit(w->spec->table, w->spec->target, w->train, t->arena, &t->features, err);
    if (!rc)
        rc = xgb_open(&t->x, err);
    for (unsigned part = 0; !rc && part < w->matrices; part++)
        rc = make_matrix(w, part, err);
    if (!rc)
        rc = boost(w, err);
    return rc ? rc : export(w, err);
}

static void work_free(struct work *w)
{
    for (unsigned i = 0; i < 2; i++) {
        free(w->cells[i]);
        free(w->targets[i]);
        xgb_matrix_free(w->matrix[i]);
        vec_free(&w->history[i]);
    }
    free(w->train);
    free(w->label);
}

int train_fit(const struct train_spec *spec, struct trained **ret, struct err *err)
{
    struct trained *t = xcalloc(1, sizeof(*t));
    struct work w = {.spec = spec, .t = t, .rows = table_rows(spec->table)};
    t->arena = arena_new((size_t)1 << 32);
    t->task = spec->task;
    t->onnx = t->json = t->encoding = BUF(FILE_MAX);
    int rc = spec->validation >= 0 && spec->validation <= 0.5
                 ? fit(&w, err)
                 : err_set(err, E_INVALID, "validation must be between 0 and 0.5, got %g",
                           spec->validation);
    work_free(&w);
    if (rc) {
        trained_free(t);
        return rc;
    }
    *ret = t;
    return 0;
}

void trained_free(struct trained *t)
{
    if (!t)
        return;
    xgb_booster_free(t->booster);
    xgb_close(t->x);
    buf_free(&t->onnx);
    buf_free(&t->json);
    buf_free(&t->encoding);
    json_decref(t->signature);
    json_decref(t->metrics);
    arena_free(t->arena);
    free(t);
}

void trained_freep(struct trained **t)
{
    trained_free(*t);
}

str trained_onnx(const struct trained *t)
{
    return buf_view(&t->onnx);
}

str trained_booster(const struct trained *t)
{
    return buf_view(&t->json);
}

str trained_encoding(const struct trained *t)
{
    return buf_view(&t->encoding);
}

const json_t *trained_signature(const struct trained *t)
{
    return t->signature;
}

const char *trained_library(const struct trained *t)
{
    return xgb_version(t->x);
}

const json_t *trained_metrics(const struct trained *t)
{
    return t->metrics;
}

int trained_predict(const struct trained *t, const struct table *table, size_t rows, float *ret,
                    struct err *err)
{
    CLEANUP(freep) float *cells = xcalloc(MAX(rows, 1) * t->features.n, sizeof(*cells));
    CLEANUP(xgb_matrix_freep) struct xgb_matrix *m = NULL;
    int rc = features_encode(&t->features, table, NULL, rows, cells, err);
    struct xgb_data d = {.values = cells, .rows = rows, .columns = t->features.n};
    if (!rc)
        rc = xgb_matrix_new(t->x, &d, &m, err);
    return rc ? rc : xgb_predict(t->booster, m, rows, outputs_of(t), ret, err);
}
