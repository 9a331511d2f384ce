/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "codec/json.h"

#include <math.h>
#include <string.h>

static void refuses(const char *text, const char *part)
{
    struct err err = {0};
    json_t *j = NULL;
    assert_int_equal(json_parse(str_from(text), &j, &err), E_INVALID);
    assert_null(j);
    if (!strstr(err.msg, part))
        fail_msg("'%s' does not say '%s'", err.msg, part);
}

static void names_the_place_of_a_mistake(void **state)
{
    (void)state;
    refuses("{\"a\": 1,\n \"b\": }", "line 2");
    refuses("{\"a\":1, \"a\":2}", "duplicate");
    refuses("[1, 2", "line 1");
    refuses("", "nothing");
    refuses("  \n", "nothing");
    refuses("{} x", "end of file");
    refuses("\"\xff\"", "0xff");
}

static void bounds_depth(void **state)
{
    (void)state;
    char deep[4096];
    memset(deep, '[', sizeof(deep) - 1);
    deep[sizeof(deep) - 1] = 0;
    refuses(deep, "deeper than 100");
    /* brackets inside strings are not depth */
    memcpy(deep, "\"", 1);
    deep[sizeof(deep) - 2] = '"';
    CLEANUP(json_freep) json_t *j = NULL;
    struct err err = {0};
    assert_int_equal(json_parse(str_from(deep), &j, &err), 0);
}

static void members_are_checked_by_name_and_type(void **state)
{
    (void)state;
    CLEANUP(json_freep) json_t *j = NULL;
    struct err err = {0};
    assert_int_equal(
        json_parse(S("{\"name\":\"x\",\"n\":3,\"f\":1.5,\"on\":true,\"z\":null}"), &j, &err), 0);
    str s = {0};
    int64_t n = 7;
    double f = 0;
    bool on = false;
    assert_int_equal(json_get_str(j, "name", true, &s, &err), 0);
    assert_true(str_is(s, "x"));
    assert_int_equal(json_get_i64(j, "n", true, &n, &err), 0);
    assert_int_equal(n, 3);
    assert_int_equal(json_get_f64(j, "f", true, &f, &err), 0);
    assert_true(f == 1.5);
    assert_int_equal(json_get_bool(j, "on", true, &on, &err), 0);
    assert_true(on);
    n = 7;
    assert_int_equal(json_get_i64(j, "z", false, &n, &err), 0);
    assert_int_equal(n, 7);
    assert_int_equal(json_get_i64(j, "name", true, &n, &err), E_INVALID);
    assert_string_equal(err.msg, "'name' must be an integer, got a string");
    assert_int_equal(json_get_i64(j, "gone", true, &n, &err), E_INVALID);
    assert_string_equal(err.msg, "'gone' is required");
    const char *known[] = {"name", "number", "f", "on", "z", NULL};
    assert_int_equal(json_only(j, known, &err), E_INVALID);
    assert_string_equal(err.msg, "unknown member 'n'");
}

static void doubles_and_text_round_trip(void **state)
{
    (void)state;
    json_t *j = json_pack("{s:f,s:o}", "x", 0.1 + 0.2, "s", json_strn(S("a\"\n\x01\xc3\xa9")));
    char *text = json_text(j);
    CLEANUP(json_freep) json_t *back = NULL;
    struct err err = {0};
    assert_int_equal(json_parse(str_from(text), &back, &err), 0);
    assert_true(json_real_value(json_object_get(back, "x")) == 0.1 + 0.2);
    assert_true(json_equal(j, back));
    free(text);
    json_decref(j);
    struct buf b = BUF(100);
    json_quote(&b, S("a\"\\\n\x01"));
    assert_string_equal(buf_cstr(&b), "\"a\\\"\\\\\\n\\u0001\"");
    buf_free(&b);
}

static void what_is_quoted_is_json_whatever_the_bytes(void **state)
{
    (void)state;
    struct buf b = BUF(100);
    json_quote(&b, S("caf\xc3\xa9 \xff\n\xc3"));
    assert_string_equal(buf_cstr(&b), "\"caf\xc3\xa9 \xef\xbf\xbd\\n\xef\xbf\xbd\"");
    buf_free(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names_the_place_of_a_mistake),
        cmocka_unit_test(bounds_depth),
        cmocka_unit_test(members_are_checked_by_name_and_type),
        cmocka_unit_test(doubles_and_text_round_trip),
        cmocka_unit_test(what_is_quoted_is_json_whatever_the_bytes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
