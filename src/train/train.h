/* SPDX-License-Identifier: Apache-2.0
 *
 * Training: a table in, a model out that can be served as it is.
 *
 * A model is gradient-boosted trees (libxgboost, opened with dlopen) exported to one ONNX file with
 * the preprocessing inside the graph, so that what was trained is exactly what is served:
 *
 *   numbers, booleans    FP32 [-1,1]    null = NaN ─────────────┐
 *   categories           BYTES [-1,1]   missing = "" ─ LabelEncoder ─ Concat ─ TreeEnsemble ─
 * outputs
 *
 * Numbers are FP32 because XGBoost itself computes in float32: a wider input would only pretend to
 * be more precise, and could fall on the other side of a split than it did in training. Booleans
 * are FP32 too (0, 1, NaN), which lets them be missing and costs no Cast. A category's code is its
 * rank by frequency among the training rows (encode.c says why). Categories never seen, and missing
 * ones, become NaN and take the direction the trees learnt for missing values.
 *
 * Outputs: "label" (BYTES [-1], the class name) and "probability" (FP32 [-1,C], in class order) for
 * classification, "prediction" (FP32 [-1,1]) for regression. The signature (model/model.h) carries
 * besides: "target", per input "kind" ("number", "boolean", "category"), "example", and for
 * categories up to 200 "values" for forms.
 *
 * Nothing of the validation rows reaches an encoding or a tree; they only decide when to stop.
 *
 * Blocking and CPU-bound; run it in a step process. One thread per object.
 */
#ifndef TENON_TRAIN_TRAIN_H
#define TENON_TRAIN_TRAIN_H

#include "base/buf.h"
#include "base/err.h"
#include "codec/json.h"
#include "infer/infer.h"

enum task { TASK_BINARY, TASK_MULTICLASS, TASK_REGRESSION };

const char *task_name(enum task t);
bool task_from(str name, enum task *ret);

/* --- tables: rows in memory, one array per column ------------------------------------------- */

enum column_kind { COLUMN_NUMBER, COLUMN_BOOLEAN, COLUMN_CATEGORY };

enum { TRAIN_CATEGORIES_MAX = 10000, TRAIN_FEATURES_MAX = 1000, TRAIN_CLASSES_MAX = 256 };

struct table;

struct table *table_new(size_t rows_max); /* memory is taken per column, by table_add */
void table_free(struct table *t);
void table_freep(struct table **t);
/* Columns are numbered in the order they are added. E_TOOBIG if it does not fit into memory. */
int table_add(struct table *t, const char *name, enum column_kind kind, struct err *err);
/* Appends one cell. Numbers are stored as float, NaN = missing; empty text = missing. E_TOOBIG
 * past rows_max, and names the column if it has more than TRAIN_CATEGORIES_MAX categories. */
int table_number(struct table *t, size_t column, double v, struct err *err);
int table_text(struct table *t, size_t column, str v, struct err *err);

size_t table_columns(const struct table *t);
size_t table_rows(const struct table *t); /* of the shortest column */
const char *table_name(const struct table *t, size_t column);
enum column_kind table_kind(const struct table *t, size_t column);
/* The column of that name; E_NOTFOUND with "did you mean". */
int table_find(const struct table *t, const char *name, size_t *ret, struct err *err);
/* A cell: text columns only; "" = missing. */
str table_text_at(const struct table *t, size_t column, size_t row);
float table_number_at(const struct table *t, size_t column, size_t row);

/* --- sources: a dataset version, restricted by a condition, as tables ---------------------------
 */

struct duck;
struct source;

/* The snapshot called `name` among an attempt's inputs (alias: data_snapshot); the only one if
 * there is just one. Borrowed. */
int source_pick(const json_t *inputs, str name, const json_t **ret, struct err *err);
/* duck and snapshot are borrowed; the engine is locked to the dataset's folder. where: a SQL
 * condition, or empty for all rows. E_INVALID if no row is left. */
int source_open(struct duck *duck, const json_t *snapshot, str where, struct source **ret,
                struct err *err);
void source_free(struct source *s);
void source_freep(struct source **s);
size_t source_rows(const struct source *s);

/* Columns to learn from: those in `features` (array of names) or all, without those in `exclude`
 * and without the target; either may be NULL. Unknown names are refused with "did you mean", types
 * that trees cannot use with what to do. ret: array of names, new reference. */
int source_features(const struct source *s, const json_t *features, const json_t *exclude,
                    const char *target, json_t **ret, struct err *err);
/* The task by the target's type and values: boolean, or two values of text or whole numbers:
 * binary; other text: multiclass; other numbers: regression. Nulls in it are refused. */
int source_task(const struct source *s, const char *target, enum task *ret, struct err *err);
/* Reads these columns, then the target as the last one: as text (class names) for classification,
 * else as numbers. */
int source_read(const struct source *s, const json_t *columns, const char *target, enum task task,
                struct table **ret, struct err *err);

/* --- fitting -----------------------------------------------------------------------------------
 */

/* Parameters, in one table that feeds the parser, the defaults and the docs. A NULL second name is
 * ours, not XGBoost's. */
/*    key                     XGBoost's           default  least   most   whole number */
#define TRAIN_PARAMS(X)                                                                            \
    X(rounds, NULL, 200, 1, 10000, true)                                                           \
    X(max_depth, "max_depth", 6, 1, 16, true)                                                      \
    X(eta, "eta", 0.1, 1e-6, 1, false)                                                             \
    X(subsample, "subsample", 1, 0.01, 1, false)                                                   \
    X(colsample, "colsample_bytree", 1, 0.01, 1, false)                                            \
    X(min_child_weight, "min_child_weight", 1, 0, 1e9, false)                                      \
    X(lambda, "lambda", 1, 0, 1e9, false)                                                          \
    X(alpha, "alpha", 0, 0, 1e9, false)                                                            \
    X(gamma, "gamma", 0, 0, 1e9, false)                                                            \
    X(max_bin, "max_bin", 256, 2, 65535, true)                                                     \
    X(scale_pos_weight, "scale_pos_weight", 1, 1e-6, 1e6, false)                                   \
    X(early_stopping_rounds, NULL, 20, 0, 10000, true)                                             \
    X(seed, "seed", 0, 0, 2147483647, true)                                                        \
    X(threads, "nthread", 0, 0, 1024, true) /* 0 = all cores */

struct train_params {
#define X(key, xgboost, preset, least, most, whole) double key;
    TRAIN_PARAMS(X)
#undef X
};

/* Defaults, replaced by the members of `params` (an object or NULL). E_INVALID names the member,
 * with "did you mean" for unknown ones. */
int train_params_read(const json_t *params, struct train_params *ret, struct err *err);
json_t *train_params_json(const struct train_params *p); /* new reference */

struct train_spec {
    const struct table *table;
    size_t target; /* a category column for classification, a number for regression */
    enum task task;
    struct train_params params;
    double validation; /* share of rows kept for early stopping, 0 = none, at most 0.5 */
    /* Called after each round; valid is NaN without validation. May be NULL. */
    void (*progress)(void *ctx, unsigned round, const char *metric, double train, double valid);
    void *ctx;
};

struct trained;

/* E_INVALID names the column: a target with one class or with missing values, too few rows. */
int train_fit(const struct train_spec *spec, struct trained **ret, struct err *err);
void trained_free(struct trained *t);
void trained_freep(struct trained **t);

str trained_onnx(const struct trained *t);    /* the file; borrowed */
str trained_booster(const struct trained *t); /* XGBoost's own JSON; borrowed */
/* The categories of each column in the order of their codes, as JSON text: with the booster it
 * allows anyone to recompute the model without ONNX. Borrowed. */
str trained_encoding(const struct trained *t);
const json_t *trained_signature(const struct trained *t);
const char *trained_library(const struct trained *t); /* XGBoost's version */
/* {"rounds","best_round","train_rows","validation_rows","train_METRIC":[…],
 *  "validation_METRIC":[…],"best_validation_METRIC"}; METRIC is logloss, mlogloss or rmse. */
const json_t *trained_metrics(const struct trained *t);
/* The booster's own prediction for the first rows of a table that has the feature columns:
 * [rows × outputs] (1 output for binary, the positive class). */
int trained_predict(const struct trained *t, const struct table *table, size_t rows, float *ret,
                    struct err *err);

/* The largest difference between the ONNX file's and the booster's predictions on the first rows of
 * a table, relative to the largest prediction where that is above 1: both add float32 leaves to the
 * target's mean, so a prediction near zero is no more exact than one far from it. */
int trained_verify(const struct trained *t, struct ort *ort, const struct table *table, size_t rows,
                   double *ret, struct err *err);

/* --- scoring with the ONNX file, as it will be served ----------------------------------------- */

/* Runs the session over the first rows of a table, `batch` at a time. For classification ret holds
 * rows × classes probabilities, for regression rows values. The table must have a column for each
 * input (E_NOTFOUND names it). ret_width: values per row. Caller frees ret. */
int score_table(struct session *s, const struct table *t, size_t rows, size_t batch, float **ret,
                size_t *ret_width, struct err *err);

/* --- metrics: pure functions; formulas in metrics.c ------------------------------------------- */

double metric_auc(const float *scores, const uint32_t *labels, size_t n); /* NaN with one class */
/* New references, keys as in step.h's metrics. probability: n × classes. */
json_t *metrics_binary(const float *probability, const uint32_t *labels, size_t n);
json_t *metrics_multiclass(const float *probability, const uint32_t *labels, size_t n,
                           size_t classes);
json_t *metrics_regression(const float *prediction, const double *truth, size_t n);

#endif
