/* SPDX-License-Identifier: Apache-2.0
 *
 * Whole fits on small tables, each compared with XGBoost's own predictions through ONNX Runtime.
 */
#include "fixture.h"

#include <math.h>

enum { ROWS = 600 };

static struct ort *ort;

static int open_ort(UNUSED void **state)
{
    struct err err = {0};
    if (ort_open(&ort, &err))
        print_error("%s\n", err.msg);
    return ort == NULL;
}

static int close_ort(UNUSED void **state)
{
    ort_close(ort);
    return 0;
}

enum { COLOUR, SIZE, FLAG, TARGET };

/* Three features with holes, and a target column that `target` fills. */
static struct table *table_of(enum column_kind kind, void (*target)(struct table *, size_t row))
{
    static const char *const colours[] = {"red", "green", "blue", ""};
    struct table *t = table_new(ROWS);
    OK(table_add(t, "colour", COLUMN_CATEGORY, &err));
    OK(table_add(t, "size", COLUMN_NUMBER, &err));
    OK(table_add(t, "flag", COLUMN_BOOLEAN, &err));
    OK(table_add(t, "answer", kind, &err));
    for (size_t i = 0; i < ROWS; i++) {
        put_text(t, COLOUR, colours[i * 7 % 4]);
        put_number(t, SIZE, i % 11 == 0 ? NAN : (double)(i * 13 % 29) / 3);
        put_number(t, FLAG, i % 13 == 0 ? NAN : (double)(i % 3 == 0));
        target(t, i);
    }
    return t;
}

static void yes_or_no(struct table *t, size_t i)
{
    bool yes = str_is(table_text_at(t, COLOUR, i), "green") != (table_number_at(t, SIZE, i) > 5);
    put_text(t, TARGET, yes != (i % 10 == 0) ? "yes" : "no");
}

static void mostly_yes(struct table *t, size_t i)
{
    put_text(t, TARGET, i % 10 ? "yes" : "no");
}

static void one_of_three(struct table *t, size_t i)
{
    static const char *const names[] = {"10", "9", "eight"};
    put_text(t, TARGET, names[i * 7 % 4 % 3]);
}

static void amount(struct table *t, size_t i)
{
    float size = table_number_at(t, SIZE, i);
    put_number(t, TARGET, 1000 + (isnan(size) ? 7 : size * size) + (double)(i * 7 % 4));
}

static struct trained *fit(const struct table *t, enum task task, double rounds, double validation)
{
    struct trained *trained = NULL;
    struct train_spec spec = {.table = t, .target = TARGET, .task = task, .validation = validation};
    OK(train_params_read(NULL, &spec.params, &err));
    spec.params.rounds = rounds;
    spec.params.threads = 1;
    OK(train_fit(&spec, &trained, &err));
    return trained;
}

static void assert_same(const struct trained *trained, const struct table *t)
{
    double difference = 1;
    OK(trained_verify(trained, ort, t, table_rows(t), &difference, &err));
    assert_true(difference <= 1e-5);
}

/* Probabilities or predictions of the file. */
static float *score(const struct trained *trained, const struct table *t, size_t *width)
{
    struct session *s = NULL;
    float *values = NULL;
    str file = trained_onnx(trained);
    OK(session_open(ort, file.p, file.n, 1, &s, &err));
    OK(score_table(s, t, table_rows(t), 64, &values, width, &err));
    session_unref(s);
    return values;
}

static void binary_learns_and_exports(UNUSED void **state)
{
    CLEANUP(table_freep) struct table *t = table_of(COLUMN_CATEGORY, yes_or_no);
    CLEANUP(trained_freep) struct trained *trained = fit(t, TASK_BINARY, 30, 0.2);
    assert_same(trained, t);
    size_t width = 0, right = 0;
    CLEANUP(freep) float *p = score(trained, t, &width);
    assert_int_equal(width, 2);
    for (size_t i = 0; i < ROWS; i++) {
        assert_float_equal(p[2 * i] + p[2 * i + 1], 1, 1e-6);
        right += (p[2 * i + 1] > 0.5f) == str_is(table_text_at(t, TARGET, i), "yes");
    }
    assert_true(right > ROWS * 8 / 10);
    const json_t *s = trained_signature(trained);
    assert_string_equal(json_s(s, "target"), "answer");
    assert_string_equal(json_string_value(json_array_get(json_object_get(s, "classes"), 1)), "yes");
    assert_true(json_i(trained_metrics(trained), "validation_rows") > 50);
}

/* All leaves positive: ONNX Runtime would take margins for probabilities (onnx_write.c). */
static void a_model_without_negative_leaves(UNUSED void **state)
{
    CLEANUP(table_freep) struct table *t = table_of(COLUMN_CATEGORY, mostly_yes);
    struct trained *trained = NULL;
    struct train_spec spec = {.table = t, .target = TARGET, .task = TASK_BINARY};
    OK(train_params_read(NULL, &spec.params, &err));
    spec.params.rounds = 1;
    spec.params.scale_pos_weight = 50;
    OK(train_fit(&spec, &trained, &err));
    assert_same(trained, t);
    size_t width = 0;
    CLEANUP(freep) float *p = score(trained, t, &width);
    assert_true(p[1] > 0.85f && p[1] < 1);
    trained_free(trained);
}

static void trees_of_one_leaf(UNUSED void **state)
{
    CLEANUP(table_freep) struct table *t = table_of(COLUMN_CATEGORY, yes_or_no);
    struct trained *trained = NULL;
    struct train_spec spec = {.table = t, .target = TARGET, .task = TASK_BINARY};
    OK(train_params_read(NULL, &spec.params, &err));
    spec.params.rounds = 3;
    spec.params.min_child_weight = 1e9;
    OK(train_fit(&spec, &trained, &err));
    assert_same(trained, t);
    trained_free(trained);
}

static void multiclass_learns_and_exports(UNUSED void **state)
{
    CLEANUP(table_freep) struct table *t = table_of(COLUMN_CATEGORY, one_of_three);
    CLEANUP(trained_freep) struct trained *trained = fit(t, TASK_MULTICLASS, 10, 0.1);
    assert_same(trained, t);
    const json_t *classes = json_object_get(trained_signature(trained), "classes");
    /* numbers by value, before other text */
    assert_string_equal(json_string_value(json_array_get(classes, 0)), "9");
    assert_string_equal(json_string_value(json_array_get(classes, 1)), "10");
    size_t width = 0;
    CLEANUP(freep) float *p = score(trained, t, &width);
    assert_int_equal(width, 3);
    assert_true(p[1] > 0.5f); /* the first row is a "10" */
}

static void two_classes_called_multiclass_are_binary(UNUSED void **state)
{
    CLEANUP(table_freep) struct table *t = table_of(COLUMN_CATEGORY, yes_or_no);
    CLEANUP(trained_freep) struct trained *trained = fit(t, TASK_MULTICLASS, 5, 0);
    assert_string_equal(json_s(trained_signature(trained), "task"), "binary");
    assert_same(trained, t);
}

static void regression_learns_and_exports(UNUSED void **state)
{
    CLEANUP(table_freep) struct table *t = table_of(COLUMN_NUMBER, amount);
    CLEANUP(trained_freep) struct trained *trained = fit(t, TASK_REGRESSION, 60, 0);
    assert_same(trained, t);
    size_t width = 0;
    CLEANUP(freep) float *f = score(trained, t, &width);
    assert_int_equal(width, 1);
    for (size_t i = 0; i < ROWS; i++)
        assert_true(fabsf(f[i] - table_number_at(t, TARGET, i)) < 10);
}

static void rows_with_other_holes_and_new_categories(UNUSED void **state)
{
    CLEANUP(table_freep) struct table *t = table_of(COLUMN_CATEGORY, yes_or_no);
    CLEANUP(trained_freep) struct trained *trained = fit(t, TASK_BINARY, 20, 0);
    CLEANUP(table_freep) struct table *held = table_new(ROWS);
    static const char *const colours[] = {"mauve", "green", "", "grün", "red"};
    OK(table_add(held, "flag", COLUMN_BOOLEAN, &err));
    OK(table_add(held, "colour", COLUMN_CATEGORY, &err));
    OK(table_add(held, "size", COLUMN_NUMBER, &err));
    for (size_t i = 0; i < ROWS; i++) {
        put_number(held, 0, i % 3 ? (double)(i % 2) : NAN);
        put_text(held, 1, colours[i % 5]);
        put_number(held, 2, i % 4 ? -50 + (double)i / 3 : NAN);
    }
    assert_same(trained, held);
}

static void what_it_refuses(UNUSED void **state)
{
    CLEANUP(table_freep) struct table *t = table_new(ROWS);
    OK(table_add(t, "label", COLUMN_NUMBER, &err));
    OK(table_add(t, "a", COLUMN_CATEGORY, &err));
    OK(table_add(t, "b", COLUMN_CATEGORY, &err));
    OK(table_add(t, "c", COLUMN_CATEGORY, &err));
    for (size_t i = 0; i < ROWS; i++) {
        put_number(t, 0, (double)i);
        put_text(t, 1, "same");
        put_text(t, 2, i == 3 ? "" : i % 2 ? "x" : "y");
        put_text(t, 3, i % 2 ? "x" : "y");
    }
    struct trained *trained = NULL;
    struct train_spec spec = {.table = t, .target = 1, .task = TASK_BINARY};
    OK(train_params_read(NULL, &spec.params, &err));
    spec.params.rounds = 1;
    REFUSED(train_fit(&spec, &trained, &err), E_INVALID, "'a' has only one class, 'same'");
    spec.target = 2;
    REFUSED(train_fit(&spec, &trained, &err), E_INVALID, "'b' is missing in 1 of 600 rows");
    spec.target = 3;
    REFUSED(train_fit(&spec, &trained, &err), E_INVALID, "'label' has the name of an output");
    spec.task = TASK_REGRESSION;
    REFUSED(train_fit(&spec, &trained, &err), E_INVALID, "'c' does not fit objective regression");
    assert_null(trained);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(binary_learns_and_exports),
        cmocka_unit_test(a_model_without_negative_leaves),
        cmocka_unit_test(trees_of_one_leaf),
        cmocka_unit_test(multiclass_learns_and_exports),
        cmocka_unit_test(two_classes_called_multiclass_are_binary),
        cmocka_unit_test(regression_learns_and_exports),
        cmocka_unit_test(rows_with_other_holes_and_new_categories),
        cmocka_unit_test(what_it_refuses),
    };
    return cmocka_run_group_tests(tests, open_ort, close_ort);
}
