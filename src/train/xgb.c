/* SPDX-License-Identifier: Apache-2.0 */
#include "train/xgb.h"

#include "sys/dl.h"

#include <stdio.h>
#include <string.h>

typedef uint64_t xgb_ulong;

/* name, arguments; each returns 0 or -1 (then XGBGetLastError has the text of this thread). */
#define XGB_FUNCTIONS(X)                                                                           \
    X(XGDMatrixCreateFromDense, (const char *array, const char *config, void **ret))               \
    X(XGDMatrixSetInfoFromInterface, (void *m, const char *field, const char *array))              \
    X(XGDMatrixFree, (void *m))                                                                    \
    X(XGBoosterCreate, (void *const m[], xgb_ulong n, void **ret))                                 \
    X(XGBoosterFree, (void *b))                                                                    \
    X(XGBoosterSetParam, (void *b, const char *key, const char *value))                            \
    X(XGBoosterSetStrFeatureInfo, (void *b, const char *field, const char **values, xgb_ulong n))  \
    X(XGBoosterUpdateOneIter, (void *b, int round, void *train))                                   \
    X(XGBoosterEvalOneIter,                                                                        \
      (void *b, int round, void *m[], const char *names[], xgb_ulong n, const char **ret))         \
    X(XGBoosterSlice, (void *b, int begin, int end, int step, void **ret))                         \
    X(XGBoosterSaveModelToBuffer,                                                                  \
      (void *b, const char *config, xgb_ulong *ret_n, const char **ret))                           \
    X(XGBoosterPredictFromDMatrix, (void *b, void *m, const char *config, const xgb_ulong **shape, \
                                    xgb_ulong *dim, const float **ret))

struct xgb {
    const char *(*XGBGetLastError)(void);
    void (*XGBoostVersion)(int *major, int *minor, int *patch);
    char version[32];
#define X(name, arguments) int(*name) arguments;
    XGB_FUNCTIONS(X)
#undef X
};

struct xgb_matrix {
    struct xgb *x;
    void *handle;
};

struct xgb_booster {
    struct xgb *x;
    void *handle;
};

/* XGBoost's messages are long (a stack trace follows the first line) and begin with "[time] file:
 * line: "; people need the sentence. */
static int failed(struct xgb *x, const char *what, struct err *err)
{
    str text = str_from(x->XGBGetLastError()), tail;
    str_cut(text, '\n', &text, &tail);
    for (size_t i = 0; i + 6 < text.n; i++) {
        if (memcmp(text.p + i, "Check ", 6) == 0) {
            text = str_skip(text, i);
            break;
        }
    }
    return err_set(err, E_INTERNAL, "XGBoost %s cannot %s: %.*s", x->version, what, STR(text));
}

static int bind(struct xgb *x, void *library, struct err *err)
{
    int rc;
#define X(name, arguments)                                                                         \
    if ((rc = dl_symbol(library, #name, &x->name, err)))                                           \
        return rc;
    X(XGBGetLastError, )
    X(XGBoostVersion, )
    XGB_FUNCTIONS(X)
#undef X
    return 0;
}

int xgb_open(struct xgb **ret, struct err *err)
{
    static const char *const names[] = {"libxgboost.so.0", "libxgboost.so", NULL};
    void *library;
    /* Read once, when OpenMP loads. Its threads spin while they wait, which on busy cores makes
     * training several times slower for nothing. */
    setenv("OMP_WAIT_POLICY", "passive", 0);
    int rc = dl_open("TENON_XGBOOST", names, &library, NULL, err);
    if (rc)
        return rc;
    struct xgb *x = xcalloc(1, sizeof(*x));
    if ((rc = bind(x, library, err))) {
        free(x);
        return rc;
    }
    int major = 0, minor = 0, patch = 0;
    x->XGBoostVersion(&major, &minor, &patch);
    snprintf(x->version, sizeof(x->version), "%d.%d.%d", major, minor, patch);
    *ret = x;
    return 0;
}

void xgb_close(struct xgb *x)
{
    free(x);
}

const char *xgb_version(const struct xgb *x)
{
    return x->version;
}

static void array_interface(char *ret, size_t size, const float *p, size_t rows, size_t columns)
{
    int n =
        snprintf(ret, size, "{\"data\":[%zu,true],\"typestr\":\"<f4\",\"version\":3,\"shape\":[%zu",
                 (size_t)(uintptr_t)p, rows);
    if (columns)
        n += snprintf(ret + n, size - (size_t)n, ",%zu", columns);
    snprintf(ret + n, size - (size_t)n, "]}");
}

int xgb_matrix_new(struct xgb *x, const struct xgb_data *d, struct xgb_matrix **ret,
                   struct err *err)
{
    char array[192], config[64];
    void *handle;
    array_interface(array, sizeof(array), d->values, d->rows, d->columns);
    snprintf(config, sizeof(config), "{\"missing\":NaN,\"nthread\":%u}", d->threads);
    if (x->XGDMatrixCreateFromDense(array, config, &handle))
        return failed(x, "read the rows", err);
    if (d->labels) {
        array_interface(array, sizeof(array), d->labels, d->rows, 0);
        if (x->XGDMatrixSetInfoFromInterface(handle, "label", array)) {
            x->XGDMatrixFree(handle);
            return failed(x, "read the target", err);
        }
    }
    struct xgb_matrix *m = xmalloc(sizeof(*m));
    *m = (struct xgb_matrix){x, handle};
    *ret = m;
    return 0;
}

void xgb_matrix_free(struct xgb_matrix *m)
{
    if (!m)
        return;
    m->x->XGDMatrixFree(m->handle);
    free(m);
}

void xgb_matrix_freep(struct xgb_matrix **m)
{
    xgb_matrix_free(*m);
}

static struct xgb_booster *booster(struct xgb *x, void *handle)
{
    struct xgb_booster *b = xmalloc(sizeof(*b));
    *b = (struct xgb_booster){x, handle};
    return b;
}

int xgb_booster_new(struct xgb *x, struct xgb_matrix *const *cache, size_t n,
                    struct xgb_booster **ret, struct err *err)
{
    void *matrices[2], *handle;
    n = MIN(n, LENGTH(matrices));
    for (size_t i = 0; i < n; i++)
        matrices[i] = cache[i]->handle;
    if (x->XGBoosterCreate(matrices, n, &handle))
        return failed(x, "start", err);
    *ret = booster(x, handle);
    return 0;
}

void xgb_booster_free(struct xgb_booster *b)
{
    if (!b)
        return;
    b->x->XGBoosterFree(b->handle);
    free(b);
}

void xgb_booster_freep(struct xgb_booster **b)
{
    xgb_booster_free(*b);
}

int xgb_param(struct xgb_booster *b, const char *key, const char *value, struct err *err)
{
    if (b->x->XGBoosterSetParam(b->handle, key, value))
        return failed(b->x, "take its parameters", err);
    return 0;
}

int xgb_feature_names(struct xgb_booster *b, const char *const *names, size_t n, struct err *err)
{
    if (b->x->XGBoosterSetStrFeatureInfo(b->handle, "feature_name", (const char **)names, n))
        return failed(b->x, "take the columns' names", err);
    return 0;
}

int xgb_update(struct xgb_booster *b, int round, struct xgb_matrix *train, struct err *err)
{
    if (b->x->XGBoosterUpdateOneIter(b->handle, round, train->handle))
        return failed(b->x, "train", err);
    return 0;
}

int xgb_evaluate(struct xgb_booster *b, int round, struct xgb_matrix *const *m, size_t n,
                 double *ret, struct err *err)
{
    const char *names[2] = {"train", "validation"}, *text;
    void *matrices[2];
    n = MIN(n, LENGTH(matrices));
    for (size_t i = 0; i < n; i++)
        matrices[i] = m[i]->handle;
    if (b->x->XGBoosterEvalOneIter(b->handle, round, matrices, names, n, &text))
        return failed(b->x, "evaluate", err);
    /* "[3]\ttrain-rmse:0.31\tvalidation-rmse:0.35" */
    str line = str_from(text), field;
    str_cut(line, '\t', &field, &line);
    for (size_t i = 0; i < n; i++) {
        str name, value;
        str_cut(line, '\t', &field, &line);
        if (!str_cut(field, ':', &name, &value) || !str_f64(value, &ret[i]))
            return err_hint(
                err_set(err, E_INVALID, "training diverged in round %d (%s)", round + 1, text), err,
                "try a smaller params.eta, or look for extreme target values");
    }
    return 0;
}

int xgb_slice(struct xgb_booster *b, int rounds, struct xgb_booster **ret, struct err *err)
{
    void *handle;
    if (b->x->XGBoosterSlice(b->handle, 0, rounds, 1, &handle))
        return failed(b->x, "cut the model", err);
    *ret = booster(b->x, handle);
    return 0;
}

int xgb_save(struct xgb_booster *b, struct buf *ret, struct err *err)
{
    const char *text;
    xgb_ulong n;
    if (b->x->XGBoosterSaveModelToBuffer(b->handle, "{\"format\":\"json\"}", &n, &text))
        return failed(b->x, "save the model", err);
    buf_put(ret, text, n);
    if (!buf_ok(ret))
        return err_hint(err_set(err, E_TOOBIG, "the model is larger than %zu MB", ret->max >> 20),
                        err, "use fewer params.rounds or a smaller params.max_depth");
    return 0;
}

int xgb_predict(struct xgb_booster *b, struct xgb_matrix *m, size_t rows, size_t width, float *ret,
                struct err *err)
{
    static const char config[] = "{\"type\":0,\"training\":false,\"iteration_begin\":0,"
                                 "\"iteration_end\":0,\"strict_shape\":true}";
    const xgb_ulong *shape;
    xgb_ulong dim;
    const float *values;
    if (b->x->XGBoosterPredictFromDMatrix(b->handle, m->handle, config, &shape, &dim, &values))
        return failed(b->x, "predict", err);
    if (dim != 2 || shape[0] != rows || shape[1] != width)
        return err_set(err, E_INTERNAL, "XGBoost %s predicted %llu values per row, not %zu",
                       b->x->version, dim > 1 ? (unsigned long long)shape[1] : 0, width);
    memcpy(ret, values, rows * width * sizeof(*ret));
    return 0;
}
