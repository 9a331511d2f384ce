/* SPDX-License-Identifier: Apache-2.0
 *
 * Training parameters: read, check and print what the table in train.h lists.
 */
#include "train/train_int.h"

#include <math.h>
#include <string.h>

static const char *const task_names[] = {"binary", "multiclass", "regression"};

const char *task_name(enum task t)
{
    return task_names[t];
}

bool task_from(str name, enum task *ret)
{
    for (size_t i = 0; i < LENGTH(task_names); i++) {
        if (str_is(name, task_names[i])) {
            *ret = (enum task)i;
            return true;
        }
    }
    return false;
}

static int check(const char *key, double v, double least, double most, bool whole, struct err *err)
{
    if (!(v >= least && v <= most))
        return err_set(err, E_INVALID, "params.%s must be between %g and %g, got %g", key, least,
                       most, v);
    if (whole && v != floor(v))
        return err_set(err, E_INVALID, "params.%s must be a whole number, got %g", key, v);
    return 0;
}

int train_params_read(const json_t *params, struct train_params *ret, struct err *err)
{
    static const char *const known[] = {
#define X(key, xgboost, preset, least, most, whole) #key,
        TRAIN_PARAMS(X)
#undef X
            NULL};
    struct train_params p = {
#define X(key, xgboost, preset, least, most, whole) .key = preset,
        TRAIN_PARAMS(X)
#undef X
    };
    int rc;
    if (params && (rc = json_need_object(params, "params", err)))
        return rc;
    if (params && (rc = json_only(params, known, err)))
        return rc;
#define X(key, xgboost, preset, least, most, whole)                                                \
    if (params && (rc = json_get_f64(params, #key, false, &p.key, err)))                           \
        return err_wrap(err, "params");                                                            \
    if ((rc = check(#key, p.key, least, most, whole, err)))                                        \
        return rc;
    TRAIN_PARAMS(X)
#undef X
    *ret = p;
    return 0;
}

json_t *train_params_json(const struct train_params *p)
{
    json_t *j = json_object();
#define X(key, xgboost, preset, least, most, whole)                                                \
    json_object_set_new(j, #key, whole ? json_integer((json_int_t)p->key) : json_real(p->key));
    TRAIN_PARAMS(X)
#undef X
    return j;
}
