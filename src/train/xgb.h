/* SPDX-License-Identifier: Apache-2.0
 *
 * libxgboost's C API, opened while running (sys/dl.h; $TENON_XGBOOST names another library).
 *
 * Only functions that 1.7 and 3.x both have and that neither deprecates; arrays go in by NumPy's
 * array interface, as JSON. Prototypes follow xgboost/c_api.h. Any thread, one per handle.
 */
#ifndef TENON_TRAIN_XGB_H
#define TENON_TRAIN_XGB_H

#include "base/buf.h"
#include "base/err.h"

struct xgb;         /* the library */
struct xgb_matrix;  /* a DMatrix */
struct xgb_booster; /* a Booster */

int xgb_open(struct xgb **ret, struct err *err);
void xgb_close(struct xgb *x); /* the library itself stays loaded */
const char *xgb_version(const struct xgb *x);

struct xgb_data {
    const float *values; /* row-major, NaN = missing */
    size_t rows, columns;
    const float *labels; /* NULL for prediction */
    unsigned threads;    /* 0 = all cores */
};

int xgb_matrix_new(struct xgb *x, const struct xgb_data *d, struct xgb_matrix **ret,
                   struct err *err);
void xgb_matrix_free(struct xgb_matrix *m);
void xgb_matrix_freep(struct xgb_matrix **m);

/* cache: the matrices it will be trained and evaluated on. */
int xgb_booster_new(struct xgb *x, struct xgb_matrix *const *cache, size_t n,
                    struct xgb_booster **ret, struct err *err);
void xgb_booster_free(struct xgb_booster *b);
void xgb_booster_freep(struct xgb_booster **b);
int xgb_param(struct xgb_booster *b, const char *key, const char *value, struct err *err);
int xgb_feature_names(struct xgb_booster *b, const char *const *names, size_t n, struct err *err);
int xgb_update(struct xgb_booster *b, int round, struct xgb_matrix *train, struct err *err);
/* The evaluation metric of each matrix, in order. */
int xgb_evaluate(struct xgb_booster *b, int round, struct xgb_matrix *const *m, size_t n,
                 double *ret, struct err *err);
/* A booster of the first `rounds` rounds. */
int xgb_slice(struct xgb_booster *b, int rounds, struct xgb_booster **ret, struct err *err);
int xgb_save(struct xgb_booster *b, struct buf *ret, struct err *err); /* JSON */
/* width: outputs per row, which must be what the booster gives. */
int xgb_predict(struct xgb_booster *b, struct xgb_matrix *m, size_t rows, size_t width, float *ret,
                struct err *err);

#endif
