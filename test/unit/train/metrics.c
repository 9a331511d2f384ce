/* SPDX-License-Identifier: Apache-2.0 */
#include "fixture.h"

#include <math.h>

static double value(const json_t *j, const char *key)
{
    const json_t *v = json_object_get(j, key);
    assert_true(json_is_number(v));
    return json_number_value(v);
}

static void auc_counts_ties_one_half(UNUSED void **state)
{
    const uint32_t labels[] = {0, 1, 0, 1, 1};
    const float apart[] = {0.1f, 0.9f, 0.2f, 0.8f, 0.7f};
    const float same[] = {0.5f, 0.5f, 0.5f, 0.5f, 0.5f};
    const float mixed[] = {0.3f, 0.3f, 0.2f, 0.1f, 0.4f};
    assert_float_equal(metric_auc(apart, labels, 5), 1, 1e-12);
    assert_float_equal(metric_auc(same, labels, 5), 0.5, 1e-12);
    /* pairs won: 0.3 beats 0.2 and ties 0.3; 0.1 beats none; 0.4 beats both: 3.5 of 6 */
    assert_float_equal(metric_auc(mixed, labels, 5), 3.5 / 6, 1e-12);
}

static void auc_of_one_class_is_undefined(UNUSED void **state)
{
    const uint32_t labels[] = {1, 1};
    const float scores[] = {0.1f, 0.9f}, probability[] = {0.9f, 0.1f, 0.1f, 0.9f};
    assert_true(isnan(metric_auc(scores, labels, 2)));
    CLEANUP(json_freep) json_t *j = metrics_binary(probability, labels, 2);
    assert_true(json_is_null(json_object_get(j, "auc")));
    assert_float_equal(value(j, "base_rate"), 1, 0);
}

static void binary(UNUSED void **state)
{
    const uint32_t labels[] = {1, 0, 1, 0};
    const float p[] = {0.25f, 0.75f, 0.25f, 0.75f, 0.75f, 0.25f, 0.75f, 0.25f};
    CLEANUP(json_freep) json_t *j = metrics_binary(p, labels, 4);
    assert_float_equal(value(j, "accuracy"), 0.5, 0);
    assert_float_equal(value(j, "precision"), 0.5, 0);
    assert_float_equal(value(j, "recall"), 0.5, 0);
    assert_float_equal(value(j, "f1"), 0.5, 0);
    assert_float_equal(value(j, "brier"), (0.0625 + 0.5625) / 2, 1e-12);
    assert_float_equal(value(j, "logloss"), -(log(0.75) + log(0.25)) / 2, 1e-12);
    assert_float_equal(value(j, "auc"), 0.5, 0);
    assert_int_equal(value(j, "rows"), 4);
}

static void certain_and_wrong_is_finite(UNUSED void **state)
{
    const uint32_t labels[] = {1, 0};
    const float p[] = {1, 0, 0, 1};
    CLEANUP(json_freep) json_t *j = metrics_binary(p, labels, 2);
    assert_float_equal(value(j, "logloss"), -log(1e-15), 1e-3);
    assert_float_equal(value(j, "f1"), 0, 0);
}

static void multiclass(UNUSED void **state)
{
    const uint32_t labels[] = {0, 1, 1};
    const float p[] = {0.5f, 0.25f, 0.25f, 0.25f, 0.5f, 0.25f, 0.5f, 0.25f, 0.25f};
    CLEANUP(json_freep) json_t *j = metrics_multiclass(p, labels, 3, 3);
    assert_float_equal(value(j, "accuracy"), 2.0 / 3, 1e-12);
    /* f1 of class 0: 2·1/(2+1), of class 1: 2·1/(1+2); class 2 never occurs and does not count */
    assert_float_equal(value(j, "macro_f1"), 2.0 / 3, 1e-12);
    assert_float_equal(value(j, "logloss"), -(2 * log(0.5) + log(0.25)) / 3, 1e-12);
}

static void regression(UNUSED void **state)
{
    const float f[] = {1, 2, 4};
    const double y[] = {1, 3, 2}, flat[] = {5, 5, 5};
    CLEANUP(json_freep) json_t *j = metrics_regression(f, y, 3);
    CLEANUP(json_freep) json_t *k = metrics_regression(f, flat, 3);
    assert_float_equal(value(j, "rmse"), sqrt(5.0 / 3), 1e-12);
    assert_float_equal(value(j, "mae"), 1, 1e-12);
    assert_float_equal(value(j, "r2"), 1 - 5.0 / 2, 1e-12);
    assert_true(json_is_null(json_object_get(k, "r2")));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(auc_counts_ties_one_half),
        cmocka_unit_test(auc_of_one_class_is_undefined),
        cmocka_unit_test(binary),
        cmocka_unit_test(certain_and_wrong_is_finite),
        cmocka_unit_test(multiclass),
        cmocka_unit_test(regression),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
