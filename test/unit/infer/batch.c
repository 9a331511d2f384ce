/* SPDX-License-Identifier: Apache-2.0 */
#include "fixture.h"

static void fill(struct batch *b, int64_t rows, float base, str city)
{
    struct tensor *in = batch_inputs(b);
    assert_int_equal(batch_room(b, 0, (size_t)rows, NULL), 0);
    assert_int_equal(batch_room(b, 1, (size_t)rows, NULL), 0);
    for (int64_t r = 0; r < rows; r++) {
        ((float *)in[0].data)[r] = base + (float)r;
        ((str *)in[1].data)[r] = r % 2 ? S("a city whose name is too long to be inline") : city;
    }
    for (int i = 0; i < 2; i++) {
        in[i].shape[0] = rows;
        in[i].count = (size_t)rows;
    }
}

static void check(struct batch *b, int64_t rows, float base, str city)
{
    const struct tensor *out = NULL;
    struct err err = {0};
    fill(b, rows, base, city);
    if (batch_run(b, &out, &err))
        fail_msg("%s", err.msg);
    assert_int_equal(out[1].shape[0], rows);
    assert_int_equal(out[1].count, rows);
    for (int64_t r = 0; r < rows; r++) {
        float code = r % 2 ? 0 : str_eq(city, S("rome")) ? 20 : str_eq(city, S("paris")) ? 10 : 0;
        float want = base + (float)r + code;
        assert_true(((float *)out[1].data)[r] == want);
        assert_true(str_is(((str *)out[0].data)[r], want > 15 ? "high" : "low"));
    }
}

/* The same columns again with other values, other numbers of rows, growing and shrinking. */
static void runs_do_not_remember_each_other(UNUSED void **state)
{
    for (int proven = 0; proven < 2; proven++) {
        struct session *s = fixture_session("mixed");
        if (proven)
            session_prove_rows(s, true);
        struct batch *b = batch_new(s);
        static const int64_t rows[] = {1, 1, 2, 64, 65, 1, 500, 3, 64, 1, 0, 2};
        for (size_t i = 0; i < LENGTH(rows); i++)
            check(b, rows[i], (float)i * 3, i % 3 ? S("rome") : S("paris"));
        session_unref(s);
        check(b, 2, 7, S(""));
        batch_free(b);
    }
}

static void output_rows_are_not_taken_on_trust(UNUSED void **state)
{
    struct session *s = fixture_session("nonzero");
    assert_true(session_by_rows(s));
    session_prove_rows(s, false);
    assert_false(session_by_rows(s));
    struct batch *b = batch_new(s);
    struct tensor *in = batch_inputs(b);
    assert_int_equal(batch_room(b, 0, 3, NULL), 0);
    memcpy(in[0].data, (float[]){0, 2, 0}, 12);
    in[0].shape[0] = 3;
    in[0].count = 3;
    const struct tensor *out;
    struct err err;
    assert_int_equal(batch_run(b, &out, &err), 0);
    assert_int_equal(out[0].count, 1);
    assert_int_equal(*(int64_t *)out[0].data, 1);
    batch_free(b);
    session_unref(s);
}

static int ask_three(struct batch *b, const float *x, const struct tensor **out, struct err *err)
{
    struct tensor *in = batch_inputs(b);
    assert_int_equal(batch_room(b, 0, 3, NULL), 0);
    memcpy(in[0].data, x, 12);
    in[0].shape[0] = 3;
    in[0].count = 3;
    return batch_run(b, out, err);
}

/* The warm-up saw every row answered; later values let the graph drop some. */
static void dropped_rows_are_an_error(UNUSED void **state)
{
    static const char *const models[] = {"nonzero", "drops"};
    for (size_t i = 0; i < LENGTH(models); i++) {
        struct session *s = fixture_session(models[i]);
        session_prove_rows(s, true);
        assert_true(session_by_rows(s));
        struct batch *b = batch_new(s);
        const struct tensor *out = NULL;
        struct err err = {0};
        assert_int_equal(ask_three(b, (float[]){1, 2, 3}, &out, &err), 0);
        assert_int_equal(out[0].count, 3);
        assert_int_not_equal(ask_three(b, (float[]){1, 0, 3}, &out, &err), 0);
        assert_int_equal(ask_three(b, (float[]){4, 5, 6}, &out, &err), 0);
        assert_int_equal(((int64_t *)out[0].data)[2], 2);
        if (i == 1) {
            assert_int_equal(ask_three(b, (float[]){1, 0, 0}, &out, &err), E_UNSUPPORTED);
            assert_string_equal(err.msg, "the model answered 3 rows with 1 of 'places'");
        }
        batch_free(b);
        session_unref(s);
    }
}

static void any_shape_runs_where_rows_do_not_rule(UNUSED void **state)
{
    struct session *s = fixture_session("free");
    struct batch *b = batch_new(s);
    struct tensor *in = batch_inputs(b);
    static const int64_t shapes[][3] = {{1, 2, 3}, {2, 2, 2}, {3, 1, 1}, {1, 2, 3}};
    for (size_t i = 0; i < LENGTH(shapes); i++) {
        for (int t = 0; t < 2; t++) {
            in[t].shape[0] = shapes[i][t];
            in[t].shape[1] = shapes[i][t + 1];
            in[t].count = (size_t)(in[t].shape[0] * in[t].shape[1]);
            assert_int_equal(batch_room(b, (size_t)t, in[t].count, NULL), 0);
            for (size_t k = 0; k < in[t].count; k++)
                ((float *)in[t].data)[k] = 2;
        }
        const struct tensor *out;
        struct err err;
        assert_int_equal(batch_run(b, &out, &err), 0);
        assert_int_equal(out[0].shape[0], shapes[i][0]);
        assert_int_equal(out[0].shape[1], shapes[i][2]);
        assert_true(*(float *)out[0].data == 4 * (float)shapes[i][1]);
    }
    batch_free(b);
    session_unref(s);
}

static void errors_leave_the_batch_usable(UNUSED void **state)
{
    struct session *s = fixture_session("mixed");
    session_prove_rows(s, true);
    struct batch *b = batch_new(s);
    const struct tensor *out = NULL;
    struct err err;
    fill(b, 2, 0, S("rome"));
    batch_inputs(b)[1].shape[0] = 1;
    batch_inputs(b)[1].count = 1;
    assert_int_equal(batch_run(b, &out, &err), E_INVALID);
    assert_string_equal(err.msg, "input 'city' has 1 rows, 'x' has 2");
    assert_null(out);
    check(b, 2, 5, S("rome"));
    assert_int_equal(batch_room(b, 0, (size_t)BATCH_BYTES_MAX, &err), E_TOOBIG);
    check(b, 2, 5, S("rome"));
    batch_free(b);
    session_unref(s);

    s = fixture_session("picky");
    session_prove_rows(s, true);
    b = batch_new(s);
    struct tensor *in = batch_inputs(b);
    assert_int_equal(batch_room(b, 0, 1, NULL), 0);
    in[0].shape[0] = 1;
    in[0].count = 1;
    for (int64_t i = 0; i < 6; i++) {
        *(int64_t *)in[0].data = i % 2 ? 99 : 1;
        int rc = batch_run(b, &out, &err);
        assert_int_equal(rc != 0, i % 2);
        if (!rc)
            assert_true(*(float *)out[0].data == 1.5f);
    }
    batch_free(b);
    session_unref(s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(runs_do_not_remember_each_other),
        cmocka_unit_test(output_rows_are_not_taken_on_trust),
        cmocka_unit_test(dropped_rows_are_an_error),
        cmocka_unit_test(any_shape_runs_where_rows_do_not_rule),
        cmocka_unit_test(errors_leave_the_batch_usable),
    };
    return cmocka_run_group_tests(tests, fixture_open, fixture_close);
}
