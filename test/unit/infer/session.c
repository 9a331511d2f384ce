/* SPDX-License-Identifier: Apache-2.0 */
#include "fixture.h"

static struct tensor matrix(enum datatype type, int64_t rows, int64_t cols, void *data)
{
    return (struct tensor){.type = type,
                           .rank = 2,
                           .shape = {rows, cols},
                           .data = data,
                           .count = (size_t)(rows * cols)};
}

static void library_says_what_it_is(UNUSED void **state)
{
    assert_true(strchr(ort_version(fixture_ort), '.') != NULL);
    assert_true(strstr(ort_path(fixture_ort), "onnxruntime") != NULL);
}

static void names_and_shapes_are_known(UNUSED void **state)
{
    struct session *s = fixture_session("mixed");
    const struct tensor_info *in, *out;
    assert_int_equal(session_inputs(s, &in), 2);
    assert_string_equal(in[0].name, "x");
    assert_int_equal(in[0].type, DT_FP32);
    assert_int_equal(in[0].rank, 2);
    assert_int_equal(in[0].shape[0], -1);
    assert_int_equal(in[0].shape[1], 1);
    assert_string_equal(in[1].name, "city");
    assert_int_equal(in[1].type, DT_BYTES);
    assert_int_equal(session_outputs(s, &out), 2);
    assert_string_equal(out[0].name, "label");
    assert_int_equal(out[0].type, DT_BYTES);
    assert_true(session_by_rows(s));
    session_unref(s);
}

static void row_models_are_recognized(UNUSED void **state)
{
    static const struct {
        const char *model;
        bool by_rows;
    } cases[] = {
        {"add", true}, {"types", true}, {"fixed", false}, {"free", false}, {"picky", true}};
    for (size_t i = 0; i < LENGTH(cases); i++) {
        struct session *s = fixture_session(cases[i].model);
        assert_int_equal(session_by_rows(s), cases[i].by_rows);
        session_unref(s);
    }
}

static void numbers_and_strings_run(UNUSED void **state)
{
    struct session *s = fixture_session("mixed");
    float x[] = {1.5f, 2.5f, 3.5f};
    str city[] = {S("rome"), S("paris"), S("nowhere")};
    struct tensor in[] = {matrix(DT_FP32, 3, 1, x), matrix(DT_BYTES, 3, 1, city)}, out[2];
    unsigned wanted[] = {1, 0};
    struct outputs *o = NULL;
    struct err err;
    assert_int_equal(session_run(s, in, wanted, 2, &o, out, &err), 0);
    assert_int_equal(out[0].type, DT_FP32);
    assert_int_equal(out[0].shape[0], 3);
    const float *score = out[0].data;
    assert_true(score[0] == 21.5f && score[1] == 12.5f && score[2] == 3.5f);
    const str *label = out[1].data;
    assert_true(str_eq(label[0], S("high")) && str_eq(label[1], S("low")));
    session_unref(s); /* the outputs keep what they need */
    assert_true(str_eq(label[2], S("low")));
    outputs_free(o);
}

static void every_type_passes_through(UNUSED void **state)
{
    struct session *s = fixture_session("types");
    const struct tensor_info *infos;
    size_t n = session_inputs(s, &infos);
    assert_int_equal(n, 13);
    uint64_t raw[13][2];
    str texts[] = {S("a longer string than any inline one"), S("")};
    struct tensor in[13], out[13];
    unsigned wanted[13];
    for (size_t i = 0; i < n; i++) {
        raw[i][0] = infos[i].type == DT_BOOL ? 1 : 0x0102030405060708u;
        raw[i][1] = infos[i].type == DT_BOOL ? 0 : 0x1112131415161718u;
        in[i] = matrix(infos[i].type, 2, 1, infos[i].type == DT_BYTES ? (void *)texts : raw[i]);
        wanted[i] = (unsigned)i;
    }
    struct outputs *o = NULL;
    struct err err;
    assert_int_equal(session_run(s, in, wanted, n, &o, out, &err), 0);
    for (size_t i = 0; i < n; i++) {
        assert_int_equal(out[i].type, infos[i].type);
        assert_int_equal(out[i].count, 2);
        if (out[i].type != DT_BYTES)
            assert_memory_equal(out[i].data, raw[i], 2 * datatype_size(out[i].type));
    }
    const str *back = out[12].data;
    assert_true(str_eq(back[0], texts[0]) && str_eq(back[1], texts[1]));
    outputs_free(o);
    session_unref(s);
}

static void wrong_tensors_are_refused_by_name(UNUSED void **state)
{
    struct session *s = fixture_session("add");
    float x[6] = {0};
    struct tensor good = matrix(DT_FP32, 2, 3, x), out[1];
    struct tensor flat = good, typed = good, wide = matrix(DT_FP32, 3, 2, x);
    flat.rank = 1;
    typed.type = DT_INT32;
    const struct {
        struct tensor b;
        const char *message;
    } cases[] = {
        {flat, "input 'b' has 1 dimensions, the model wants 2"},
        {typed, "input 'b' is INT32, the model wants FP32"},
        {wide, "input 'b' has length 2 in dimension 2, the model wants 3"},
    };
    unsigned wanted[] = {0};
    for (size_t i = 0; i < LENGTH(cases); i++) {
        struct tensor in[] = {good, cases[i].b};
        struct outputs *o = NULL;
        struct err err;
        assert_int_equal(session_run(s, in, wanted, 1, &o, out, &err), E_INVALID);
        assert_string_equal(err.msg, cases[i].message);
        assert_null(o);
    }
    session_unref(s);
}

static void a_failing_run_is_an_error(UNUSED void **state)
{
    struct session *s = fixture_session("picky");
    int64_t index[] = {7};
    struct tensor in = {.type = DT_INT64, .rank = 1, .shape = {1}, .data = index, .count = 1};
    struct tensor out[1];
    unsigned wanted[] = {0};
    struct outputs *o = NULL;
    struct err err;
    assert_int_not_equal(session_run(s, &in, wanted, 1, &o, out, &err), 0);
    assert_non_null(strstr(err.msg, "ONNX Runtime: "));
    index[0] = 2;
    assert_int_equal(session_run(s, &in, wanted, 1, &o, out, &err), 0);
    assert_true(*(float *)out[0].data == 2.5f);
    outputs_free(o);
    session_unref(s);
}

static void what_is_no_model_is_refused(UNUSED void **state)
{
    struct session *s = NULL;
    struct err err;
    assert_int_equal(session_open(fixture_ort, "not an onnx file", 16, 1, &s, &err), E_INVALID);
    assert_non_null(strstr(err.msg, "not a model that can be served"));
    assert_int_equal(session_open(fixture_ort, "", 0, 1, &s, &err), E_INVALID);
    assert_int_equal(fixture_try("sequence", &s, &err), E_UNSUPPORTED);
    assert_string_equal(err.msg, "the model's 'parts' is a sequence, not a tensor");
    assert_null(s);
}

static void datatypes_have_names(UNUSED void **state)
{
    for (int t = DT_BOOL; t <= DT_BYTES; t++)
        assert_int_equal(datatype_from(str_from(datatype_name((enum datatype)t))), t);
    assert_int_equal(datatype_from(S("FLOAT")), DT_NONE);
    assert_int_equal(datatype_from(S("NONE")), DT_NONE);
    assert_int_equal(datatype_size(DT_FP16), 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(library_says_what_it_is),
        cmocka_unit_test(names_and_shapes_are_known),
        cmocka_unit_test(row_models_are_recognized),
        cmocka_unit_test(numbers_and_strings_run),
        cmocka_unit_test(every_type_passes_through),
        cmocka_unit_test(wrong_tensors_are_refused_by_name),
        cmocka_unit_test(a_failing_run_is_an_error),
        cmocka_unit_test(what_is_no_model_is_refused),
        cmocka_unit_test(datatypes_have_names),
    };
    return cmocka_run_group_tests(tests, fixture_open, fixture_close);
}
