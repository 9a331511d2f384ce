/* SPDX-License-Identifier: Apache-2.0 */
#include "fixture.h"

#define MIXED "{\"inputs\":[{\"name\":\"city\",\"optional\":true},{\"name\":\"x\"}]}"
#define X "{\"name\":\"x\",\"shape\":[2,1],\"datatype\":\"FP32\",\"data\":[1.5,2]}"
#define CITY "{\"name\":\"city\",\"shape\":[2,1],\"datatype\":\"BYTES\",\"data\":[\"rome\",\"\"]}"
#define HEAD "{\"model_name\":\"late\",\"model_version\":\"3\""
#define SCORE "{\"name\":\"score\",\"datatype\":\"FP32\",\"shape\":[2,1],\"data\":[21.5,2]}"
#define LABEL                                                                                      \
    "{\"name\":\"label\",\"datatype\":\"BYTES\",\"shape\":[2,1],\"data\":[\"high\",\"low\"]}"

static void requests_are_answered(UNUSED void **state)
{
    struct desk d;
    desk_open(&d, "mixed", MIXED);
    static const char *const all[] = {
        "{\"inputs\":[" X "," CITY "]}",
        "{\"inputs\":[" CITY "," X "],\"outputs\":[]}",
        /* any order of members, unknown ones stepped over */
        "{\"later\":{\"a\":[1,{}]},\"parameters\":{\"binary_data_output\":true},\"inputs\":["
        "{\"data\":[1.5,2],\"datatype\":\"FP32\",\"parameters\":{\"q\":1},\"shape\":[2,1],"
        "\"name\":\"x\"}, " CITY "]}",
        /* nested, and a column without its dimension of one */
        "{\"inputs\":[{\"name\":\"x\",\"shape\":[2,1],\"datatype\":\"FP32\",\"data\":[[1.5],[2]]},"
        "{\"name\":\"city\",\"shape\":[2],\"datatype\":\"BYTES\",\"data\":[\"ro\\u006de\",null]}]}",
    };
    for (size_t i = 0; i < LENGTH(all); i++)
        desk_expect(&d, false, all[i], HEAD ",\"outputs\":[" LABEL "," SCORE "]}");
    desk_expect(&d, false,
                "{\"id\":\"a\\\"b\",\"inputs\":[" X "," CITY "],\"outputs\":[{\"name\":"
                "\"score\",\"parameters\":{\"binary_data\":false}}]}",
                HEAD ",\"id\":\"a\\\"b\",\"outputs\":[" SCORE "]}");
    desk_expect(&d, false,
                "{\"inputs\":[" X "," CITY "],\"outputs\":[{\"name\":\"score\"},"
                "{\"name\":\"label\"}]}",
                HEAD ",\"outputs\":[" SCORE "," LABEL "]}");
    desk_close(&d);
}

static void optional_inputs_may_be_left_out(UNUSED void **state)
{
    struct desk d;
    desk_open(&d, "mixed",
              "{\"inputs\":[{\"name\":\"city\",\"optional\":true},"
              "{\"name\":\"x\",\"optional\":true}]}");
    desk_expect(&d, false, "{\"inputs\":[" X "],\"outputs\":[{\"name\":\"score\"}]}",
                HEAD ",\"outputs\":[{\"name\":\"score\",\"datatype\":\"FP32\",\"shape\":[2,1],"
                     "\"data\":[1.5,2]}]}");
    desk_expect(&d, false, "{\"inputs\":[" CITY "],\"outputs\":[{\"name\":\"score\"}]}",
                HEAD ",\"outputs\":[{\"name\":\"score\",\"datatype\":\"FP32\",\"shape\":[2,1],"
                     "\"data\":[null,null]}]}");
    desk_refuse(&d, false, "{\"inputs\":[]}",
                "the request has no inputs, so how many rows it has is not known");
    desk_close(&d);
}

#define ONE(members) "{\"inputs\":[{" members "}," CITY "]}"

static void mistakes_are_named(UNUSED void **state)
{
    struct desk d;
    desk_open(&d, "mixed", NULL);
    static const struct {
        const char *body, *why;
    } cases[] = {
        {"", "at byte 0: the text ends where an object should be"},
        {"[]", "at byte 0: expected an object, got an array"},
        {"{\"inputs\":[" X "," CITY "]", "at byte 139: the text ends inside an object"},
        {"{\"inputs\":[" X "," CITY "]} x",
         "at byte 141: 1 bytes of text after the end of the JSON"},
        {"{}", "the request has no 'inputs'"},
        {"{\"inputs\":[" X "]}", "the input 'city' is missing"},
        {"{\"inputs\":[" X "," X "]}", "the input 'x' stands twice"},
        {"{\"inputs\":[" X "," CITY "],\"inputs\":[]}", "at byte 149: 'inputs' stands twice"},
        {"{\"inputs\":[{\"name\":\"cty\",\"shape\":[1,1],\"datatype\":\"BYTES\",\"data\":[\"a\"]}]"
         "}",
         "the model has no input 'cty': did you mean 'city'?"},
        {"{\"inputs\":[" X "," CITY "],\"outputs\":[{\"name\":\"scor\"}]}",
         "the model has no output 'scor': did you mean 'score'?"},
        {"{\"inputs\":[" X "," CITY "],\"outputs\":[{\"name\":\"score\"},{\"name\":\"score\"}]}",
         "the output 'score' stands twice"},
        {ONE("\"shape\":[2,1],\"datatype\":\"FP32\",\"data\":[1,2]"),
         "at byte 57: an input has no 'name'"},
        {ONE("\"name\":\"x\",\"datatype\":\"FP32\",\"data\":[1,2]"),
         "input 'x': it has no 'shape'"},
        {ONE("\"name\":\"x\",\"shape\":[2,1],\"data\":[1,2]"), "input 'x': it has no 'datatype'"},
        {ONE("\"name\":\"x\",\"shape\":[2,1],\"datatype\":\"FP32\""),
         "input 'x': it has no 'data'"},
        {ONE("\"name\":\"x\",\"shape\":[2,1],\"datatype\":\"FP32\",\"parameters\":{"
             "\"binary_data_size\":8}"),
         "input 'x': binary tensor data is not supported yet"},
        {ONE("\"name\":\"x\",\"shape\":[2,1],\"datatype\":\"INT64\",\"data\":[1,2]"),
         "input 'x': its datatype is INT64, the model wants FP32"},
        {ONE("\"name\":\"x\",\"shape\":[2,1],\"datatype\":\"FLOAT\",\"data\":[1,2]"),
         "input 'x': there is no datatype 'FLOAT'"},
        {ONE("\"name\":\"x\",\"shape\":[2,3],\"datatype\":\"FP32\",\"data\":[1,2,3,4,5,6]"),
         "input 'x': the shape [2,3] does not fit the model's [-1,1]"},
        {ONE("\"name\":\"x\",\"shape\":[3,1],\"datatype\":\"FP32\",\"data\":[1,2]"),
         "input 'x': at byte 67: the data has 2 elements, the shape needs 3"},
        {ONE("\"name\":\"x\",\"shape\":[1,1],\"datatype\":\"FP32\",\"data\":[1,2]"),
         "input 'x': at byte 67: the data has 2 elements, the shape needs 1"},
        {ONE("\"name\":\"x\",\"shape\":[2,1],\"datatype\":\"FP32\",\"data\":[[1],[2,3]]"),
         "input 'x': at byte 72: data[1] has 2 elements, the shape says 1"},
        {ONE("\"name\":\"x\",\"shape\":[2,1],\"datatype\":\"FP32\",\"data\":[[1],2]"),
         "input 'x': at byte 67: expected an array, got a number"},
        {ONE("\"name\":\"x\",\"shape\":[3,1],\"datatype\":\"FP32\",\"data\":[1,2,3]"),
         "input 'city': it has 2 rows, but 'x' has 3"},
        {ONE("\"name\":\"x\",\"shape\":[2000000000,1],\"datatype\":\"FP32\",\"data\":[1]"),
         "input 'x': the shape needs more elements than the whole request has bytes"},
        {ONE("\"name\":\"x\",\"shape\":[-1,1],\"datatype\":\"FP32\",\"data\":[1]"),
         "at byte 34: a shape has whole numbers from 0 to 2147483647"},
        {ONE("\"name\":\"x\",\"shape\":[1,1,1,1,1,1,1,1,1],\"datatype\":\"FP32\",\"data\":[1]"),
         "at byte 49: a shape has at most 8 dimensions"},
        {ONE("\"name\":\"x\",\"shape\":[2,1],\"datatype\":\"FP32\",\"data\":[1,\"2\"]"),
         "input 'x': at byte 65: expected a number, got a string"},
        {ONE("\"name\":\"x\",\"shape\":[2,1],\"datatype\":\"FP32\",\"data\":[1,NaN]"),
         "input 'x': at byte 65: NaN and Infinity are not JSON"},
        {ONE("\"name\":\"x\",\"shape\":[2,1],\"datatype\":\"FP32\",\"data\":[1,1e39]"),
         "input 'x': at byte 65: 1e39 is out of range for FP32"},
        {ONE("\"name\":\"x\",\"shape\":[2,1],\"datatype\":\"FP32\",\"data\":[1,null]"),
         "input 'x': at byte 65: null, but the model cannot do without 'x'"},
        {ONE("\"name\":\"x\",\"shape\":[2,1],\"datatype\":\"FP32\",\"data\":[1,true]"),
         "input 'x': at byte 65: expected a number, got true"},
        {ONE("\"name\":\"x\",\"shape\":[2,1],\"datatype\":\"FP32\",\"data\":7"),
         "input 'x': at byte 62: expected an array, got a number"},
        {ONE("\"name\":\"x\",\"shape\":[2,1],\"datatype\":\"FP32\",\"data\":[1,2],\"data\":[1,2]"),
         "at byte 75: 'data' stands twice in one input"},
        {ONE("\"name\":\"x\",\"shape\":[2,1],\"datatype\":\"FP32\",\"data\":[1,2],\"name\":\"y\""),
         "at byte 75: 'name' stands twice in one input"},
    };
    for (size_t i = 0; i < LENGTH(cases); i++)
        desk_refuse(&d, false, cases[i].body, cases[i].why);
    desk_close(&d);
}

#define TYPED(name, type, data)                                                                    \
    "{\"name\":\"" name "_in\",\"shape\":[1,1],\"datatype\":\"" type "\",\"data\":[" data "]}"

/* One value of one type, the others left out: which of them is complained about tells what passed.
 */
static void ranges_of_whole_numbers(UNUSED void **state)
{
    struct desk d;
    desk_open(&d, "types", NULL);
    static const struct {
        const char *input, *why; /* NULL = read */
    } cases[] = {
        {TYPED("uint8", "UINT8", "255"), NULL},
        {TYPED("uint8", "UINT8", "256"), "256 is out of range for UINT8"},
        {TYPED("uint8", "UINT8", "-1"), "-1 is out of range for UINT8"},
        {TYPED("uint8", "UINT8", "-0"), NULL},
        {TYPED("int8", "INT8", "-128"), NULL},
        {TYPED("int8", "INT8", "128"), "128 is out of range for INT8"},
        {TYPED("int16", "INT16", "-32769"), "-32769 is out of range for INT16"},
        {TYPED("uint16", "UINT16", "65535"), NULL},
        {TYPED("int32", "INT32", "2147483648"), "2147483648 is out of range for INT32"},
        {TYPED("uint32", "UINT32", "4294967295"), NULL},
        {TYPED("int64", "INT64", "-9223372036854775808"), NULL},
        {TYPED("int64", "INT64", "9223372036854775808"),
         "9223372036854775808 is out of range for INT64"},
        {TYPED("uint64", "UINT64", "18446744073709551615"), NULL},
        {TYPED("uint64", "UINT64", "18446744073709551616"),
         "18446744073709551616 is out of range for UINT64"},
        {TYPED("int32", "INT32", "17.0"), NULL},
        {TYPED("int32", "INT32", "17.5"), "17.5 is not a whole number, as needed for INT32"},
        {TYPED("int64", "INT64", "1e300"), "1e300 is out of range for INT64"},
        {TYPED("bool", "BOOL", "true"), NULL},
        {TYPED("bool", "BOOL", "0"), NULL},
        {TYPED("bool", "BOOL", "2"), "a BOOL is true, false, 1 or 0"},
        {TYPED("bool", "BOOL", "\"yes\""), "expected true or false, got a string"},
        {TYPED("fp64", "FP64", "1e308"), NULL},
        {TYPED("fp64", "FP64", "1e309"), "1e309 is out of range for FP64"},
        {TYPED("fp32", "FP32", "3.4028235e38"), NULL},
        {TYPED("fp16", "FP16", "1"), "FP16 has no JSON form"},
        {TYPED("bytes", "BYTES", "5"), "expected a string, got a number"},
    };
    for (size_t i = 0; i < LENGTH(cases); i++) {
        CLEANUP(freep) char *body = xasprintf("{\"inputs\":[%s]}", cases[i].input);
        assert_int_not_equal(desk_ask(&d, false, body), 0);
        const char *want = cases[i].why ? cases[i].why : "is missing";
        if (!strstr(d.err.msg, want))
            fail_msg("%s: %s", cases[i].input, d.err.msg);
    }
    desk_close(&d);
}

static void models_without_rows_take_their_own_shapes(UNUSED void **state)
{
    struct desk d;
    desk_open(&d, "free", NULL);
    desk_expect(&d, false,
                "{\"inputs\":[{\"name\":\"a\",\"shape\":[1,2],\"datatype\":\"FP32\","
                "\"data\":[[1,2]]},{\"name\":\"b\",\"shape\":[2,3],\"datatype\":\"FP32\","
                "\"data\":[[1,2,3],[4,5,6]]}]}",
                HEAD ",\"outputs\":[{\"name\":\"product\",\"datatype\":\"FP32\",\"shape\":[1,3],"
                     "\"data\":[9,12,15]}]}");
    assert_int_not_equal(desk_ask(&d, false,
                                  "{\"inputs\":[{\"name\":\"a\",\"shape\":[1,2],"
                                  "\"datatype\":\"FP32\",\"data\":[1,2]},{\"name\":\"b\",\"shape\":"
                                  "[3,1],\"datatype\":\"FP32\",\"data\":[1,2,3]}]}"),
                         0);
    desk_close(&d);
    desk_open(&d, "fixed", NULL);
    desk_refuse(&d, false,
                "{\"inputs\":[{\"name\":\"a\",\"shape\":[1,3],\"datatype\":\"FP32\","
                "\"data\":[1,2,3]}]}",
                "input 'a': the shape [1,3] does not fit the model's [2,3]");
    desk_close(&d);
}

/* Three requests in one batch, one of them refused halfway: each gets its own rows. */
static void requests_share_a_batch(UNUSED void **state)
{
    struct desk d;
    struct ask first, second, third;
    struct buf out = BUF(4096);
    desk_open(&d, "mixed", MIXED);
    assert_int_equal(ask_infer(d.c, d.b, 0, S("{\"inputs\":[" X "," CITY "]}"), d.a, &first, NULL),
                     0);
    assert_int_equal(first.rows, 2);
    assert_int_equal(ask_infer(d.c, d.b, 2,
                               S("{\"inputs\":[" X ",{\"name\":\"city\",\"shape\":[2,1],"
                                 "\"datatype\":\"BYTES\",\"data\":[\"paris\",5]}]}"),
                               d.a, &second, NULL),
                     E_INVALID);
    assert_int_equal(ask_invocation(d.c, d.b, 2, S("{\"rows\":[{\"x\":7,\"city\":\"paris\"}]}"),
                                    d.a, &second, NULL),
                     0);
    assert_int_equal(ask_infer(d.c, d.b, 3, S("{\"inputs\":[" X "]}"), d.a, &third, NULL), 0);
    const struct tensor *outputs;
    assert_int_equal(batch_run(d.b, &outputs, NULL), 0);
    assert_int_equal(outputs[0].count, 5);
    assert_int_equal(answer_write(d.c, &second, outputs, &out, NULL), 0);
    assert_string_equal(buf_cstr(&out), "{\"predictions\":[{\"label\":\"high\",\"score\":17}]}");
    buf_clear(&out);
    assert_int_equal(answer_write(d.c, &first, outputs, &out, NULL), 0);
    assert_non_null(strstr(buf_cstr(&out), "\"data\":[21.5,2]"));
    buf_clear(&out);
    assert_int_equal(answer_write(d.c, &third, outputs, &out, NULL), 0);
    assert_non_null(strstr(buf_cstr(&out), "\"data\":[1.5,2]"));
    buf_free(&out);
    desk_close(&d);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(requests_are_answered),
        cmocka_unit_test(optional_inputs_may_be_left_out),
        cmocka_unit_test(mistakes_are_named),
        cmocka_unit_test(ranges_of_whole_numbers),
        cmocka_unit_test(models_without_rows_take_their_own_shapes),
        cmocka_unit_test(requests_share_a_batch),
    };
    return cmocka_run_group_tests(tests, fixture_open, fixture_close);
}
