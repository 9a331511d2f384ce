/* SPDX-License-Identifier: Apache-2.0 */
#include "fixture.h"

#include "serve/read_int.h"

#define MIXED                                                                                      \
    "{\"inputs\":[{\"name\":\"city\",\"optional\":true},{\"name\":\"x\"}],\"target\":\"late\"}"
#define TWO "{\"predictions\":[{\"late\":\"high\",\"score\":21.5},{\"late\":\"low\",\"score\":2}]}"

static void every_form_of_rows(UNUSED void **state)
{
    struct desk d;
    desk_open(&d, "mixed", MIXED);
    static const char *const forms[] = {
        "{\"rows\":[{\"x\":1.5,\"city\":\"rome\"},{\"city\":\"\",\"x\":2}]}",
        "{\"dataframe_records\":[{\"x\":1.5,\"city\":\"rome\"},{\"x\":2}]}",
        "{\"dataframe_split\":{\"columns\":[\"city\",\"x\"],\"index\":[0,1],"
        "\"data\":[[\"rome\",1.5],[null,2]]}}",
        "{\"dataframe_split\":{\"data\":[[\"rome\",1.5],[null,2]],\"columns\":[\"city\",\"x\"]},"
        "\"params\":{}}",
        "{\"instances\":[{\"x\":1.5,\"city\":\"rome\"},{\"x\":2,\"city\":null}]}",
        "{\"instances\":[[1.5,\"rome\"],[2,\"\"]],\"signature_name\":\"s\"}",
        "{\"inputs\":{\"x\":[1.5,2],\"city\":[\"rome\",null]}}",
        "{\"inputs\":[{\"x\":1.5,\"city\":\"rome\"},{\"x\":[2]}]}",
    };
    for (size_t i = 0; i < LENGTH(forms); i++)
        desk_expect(&d, true, forms[i], TWO);
    desk_expect(&d, true, "{\"inputs\":{\"x\":16}}",
                "{\"predictions\":[{\"late\":\"high\",\"score\":16}]}");
    desk_expect(&d, true, "{\"rows\":[]}", "{\"predictions\":[]}");
    desk_close(&d);
}

static void mistakes_name_row_and_column(UNUSED void **state)
{
    struct desk d;
    desk_open(&d, "mixed", MIXED);
    static const struct {
        const char *body, *why;
    } cases[] = {
        {"{\"rows\":[{\"x\":1},{\"x\":\"2\"}]}",
         "row 2, column 'x': at byte 22: expected a number, got a string"},
        {"{\"rows\":[{\"x\":1,\"city\":5}]}",
         "row 1, column 'city': at byte 23: expected a string, got a number"},
        {"{\"rows\":[{\"x\":1},{\"city\":\"a\"}]}", "row 2: the column 'x' is missing"},
        {"{\"rows\":[{\"x\":null}]}",
         "row 1, column 'x': at byte 14: null, but the model cannot do without 'x'"},
        {"{\"rows\":[{\"x\":1,\"ctiy\":\"a\"}]}",
         "row 1: the model has no input 'ctiy': did you mean 'city'?"},
        {"{\"rows\":[{\"x\":1,\"x\":2}]}", "row 1: the column 'x' stands twice"},
        {"{\"rows\":[[1,\"a\"]]}", "row 1: at byte 9: expected an object, got an array"},
        {"{\"rows\":{\"x\":1}}", "at byte 8: expected an array, got an object"},
        {"{\"rows\":[{\"x\":1}", "at byte 16: the text ends inside an array"},
        {"{\"rows\":[{\"x\":1", "row 1: at byte 15: the text ends inside an object"},
        {"{\"rows\":[{\"x\":1}]}]", "at byte 18: 1 bytes of text after the end of the JSON"},
        {"{\"row\":[]}", "there is no member 'row': did you mean 'rows'?"},
        {"{}", "the request has no rows"},
        {"{\"rows\":[],\"instances\":[]}", "'rows' and 'instances' both carry rows: send one"},
        {"{\"instances\":[[1]]}", "row 1 has 1 values for 2 columns"},
        {"{\"instances\":[[1,\"a\",3,4]]}", "row 1 has 4 values for 2 columns"},
        {"{\"instances\":[1]}", "row 0: at byte 14: expected an object, got a number"},
        {"{\"dataframe_split\":{\"columns\":[\"x\"]}}", "'dataframe_split' has no 'data'"},
        {"{\"dataframe_split\":{\"data\":[]}}", "'dataframe_split' has no 'columns'"},
        {"{\"dataframe_split\":{\"columns\":[\"x\",\"x\"],\"data\":[]}}",
         "the column 'x' stands twice"},
        {"{\"dataframe_split\":{\"columns\":[\"x\"],\"data\":[[1,2]]}}",
         "row 1 has 2 values for 1 columns"},
        {"{\"inputs\":{\"x\":[1,2],\"city\":[\"a\"]}}",
         "the column 'city' has 1 rows, but 'x' has 2"},
        {"{\"inputs\":{\"city\":[\"a\"]}}", "the column 'x' is missing"},
        {"{\"inputs\":{\"x\":[1],\"x\":[1]}}", "the column 'x' stands twice"},
    };
    for (size_t i = 0; i < LENGTH(cases); i++)
        desk_refuse(&d, true, cases[i].body, cases[i].why);
    desk_close(&d);
}

static void booleans_pass_where_the_column_is_one(UNUSED void **state)
{
    struct desk d;
    desk_open(&d, "mixed",
              "{\"inputs\":[{\"name\":\"city\",\"optional\":true},"
              "{\"name\":\"x\",\"kind\":\"boolean\"}]}");
    desk_expect(
        &d, true, "{\"rows\":[{\"x\":true},{\"x\":0}]}",
        "{\"predictions\":[{\"label\":\"low\",\"score\":1},{\"label\":\"low\",\"score\":0}]}");
    desk_close(&d);
}

static void wide_columns_and_lone_ones(UNUSED void **state)
{
    struct desk d;
    desk_open(&d, "add", "{\"classes\":[\"a\",\"b\\\"\",3]}");
    desk_expect(&d, true, "{\"rows\":[{\"a\":[1,2,3],\"b\":[10,20,30]}]}",
                "{\"predictions\":[{\"sum\":{\"a\":11,\"b\\\"\":22,\"3\":33}}]}");
    desk_refuse(&d, true, "{\"rows\":[{\"a\":[1,2],\"b\":[10,20,30]}]}",
                "row 1, column 'a': at byte 19: the data has 2 elements, the shape needs 3");
    desk_close(&d);
    desk_open(&d, "add", NULL);
    desk_expect(&d, true, "{\"rows\":[{\"a\":[1,2,3],\"b\":[10,20,30]}]}",
                "{\"predictions\":[{\"sum\":[11,22,33]}]}");
    desk_close(&d);
    desk_open(&d, "picky", NULL);
    desk_expect(&d, true, "{\"instances\":[2,0]}",
                "{\"predictions\":[{\"value\":2.5},{\"value\":0.5}]}");
    desk_close(&d);
    desk_open(&d, "fixed", NULL);
    desk_refuse(&d, true, "{\"rows\":[]}", "this model does not take rows of columns");
    desk_close(&d);
}

static void many_rows_grow_the_columns(UNUSED void **state)
{
    struct desk d;
    struct buf body = BUF(1 << 20);
    desk_open(&d, "mixed", MIXED);
    buf_puts(&body, "{\"rows\":[");
    for (int i = 0; i < 5000; i++)
        buf_printf(&body, "%s{\"x\":%d,\"city\":\"%s\"}", i ? "," : "", i,
                   i % 2 ? "paris" : "x\\ty");
    buf_puts(&body, "]}");
    struct ask ask;
    assert_int_equal(ask_invocation(d.c, d.b, 0, buf_view(&body), d.a, &ask, NULL), 0);
    assert_int_equal(ask.rows, 5000);
    const struct tensor *out;
    assert_int_equal(batch_run(d.b, &out, NULL), 0);
    for (int i = 0; i < 5000; i++)
        assert_true(((float *)out[1].data)[i] == (float)(i + (i % 2 ? 10 : 0)));
    buf_free(&body);
    desk_close(&d);
}

static void rows_that_would_fill_the_memory_are_refused(UNUSED void **state)
{
    struct desk d;
    struct err err = {0};
    desk_open(&d, "mixed", MIXED);
    assert_int_equal(room_for(d.c, d.b, 1000, &err), 0);
    assert_int_equal(room_for(d.c, d.b, (size_t)100 << 20, &err), E_TOOBIG);
    assert_string_equal(err.msg, "the rows need more than 512 MB");
    assert_int_equal(room_for(d.c, d.b, SIZE_MAX, &err), E_TOOBIG);
    desk_close(&d);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_form_of_rows),
        cmocka_unit_test(mistakes_name_row_and_column),
        cmocka_unit_test(booleans_pass_where_the_column_is_one),
        cmocka_unit_test(wide_columns_and_lone_ones),
        cmocka_unit_test(many_rows_grow_the_columns),
        cmocka_unit_test(rows_that_would_fill_the_memory_are_refused),
    };
    return cmocka_run_group_tests(tests, fixture_open, fixture_close);
}
