/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "data/csv.h"

#include <string.h>

/* The type told for the column of these lines. */
static const char *told(const char *lines)
{
    static char type[32];
    CLEANUP(csv_freep) struct csv *c = NULL;
    CLEANUP(freep) char *text = xasprintf("c\n%s", lines);
    struct err err = {0};
    assert_int_equal(csv_open("f", str_from(text), &c, &err), 0);
    csv_null(c, S("NA"));
    assert_int_equal(csv_infer(c, &err), 0);
    strcpy(type, csv_type(c, 0));
    return type;
}

static void types_are_told_from_all_values(void **state)
{
    (void)state;
    static const struct {
        const char *lines, *type;
    } cases[] = {
        {"1\n-2\n+3\n", "long"},
        {"9223372036854775807\n", "long"},
        {"9223372036854775808\n", "double"},
        {"1\n2.5\n", "double"},
        {".5\n1.\n-1e-3\nnan\ninf\n", "double"},
        {"1e\n", "string"},
        {".\n-\n", "string"},
        {"1e12345\n", "string"},
        {"0x10\n1_000\n", "string"},
        {"007\n1\n", "string"},
        {"0\n0.5\n-0\n", "double"},
        {"true\nFALSE\n", "boolean"},
        {"2012-02-29\n2013-12-31\n", "date"},
        {"2013-02-29\n", "string"},
        {"2013-13-01\n", "string"},
        {"2013-01-01\n2013-01-01 05:00\n", "timestamp"},
        {"2013-01-01T05:00:00.123Z\n2013-01-01 05:00:00+02:00\n", "timestamp"},
        {"2013-01-01T05:00Z\n", "string"},
        {"2013-01-01 24:00:00\n", "string"},
        {"1\n\n NA\nNA\n2\n", "long"},
        {"NA\nNA\n", "string"},
        {"1\n2\nx\n", "long"}, /* one stray word does not end the numbers: it is an error */
        {"1\nx\n", "string"},  /* but here it is half of them */
        {"1\n2\n3\n4\nx\ny\n", "string"},
        {"\"1\"\n\"2\"\n", "long"},
        {"2013-01-01x\n", "string"},
    };
    for (size_t i = 0; i < LENGTH(cases); i++)
        assert_string_equal(told(cases[i].lines), cases[i].type);
}

static void check(const char *text, struct csv_report *r)
{
    CLEANUP(csv_freep) struct csv *c = NULL;
    struct err err = {0};
    assert_int_equal(csv_open("f", str_from(text), &c, &err), 0);
    assert_int_equal(csv_infer(c, &err), 0);
    assert_int_equal(csv_check(c, -1, r, &err), 0);
}

static void lines_are_counted_through_quotes_and_blanks(void **state)
{
    (void)state;
    struct csv_report r;
    check("a,b\r\n\"x\ny\n\",1\n\n\n2\n", &r);
    assert_int_equal(r.rows, 2);
    assert_int_equal(r.bad, 1);
    assert_string_equal(r.shown[0], "f:7: the row has 1 columns, the header 2: 2");
    assert_false(r.plain);
    csv_report_free(&r);
}

static void only_the_first_bad_rows_are_shown(void **state)
{
    (void)state;
    struct csv_report r;
    check("a,b\n1\n1\n1\n1\n1\n1\n1\n1,2\n", &r);
    assert_int_equal(r.bad, 7);
    assert_int_equal(r.rows, 8);
    assert_non_null(r.shown[CSV_SHOWN - 1]);
    csv_report_free(&r);
}

static void a_clean_text_is_plain(void **state)
{
    (void)state;
    struct csv_report r;
    check("a,b\r\n1,2\r\n3,4", &r);
    assert_true(r.plain);
    assert_int_equal(r.rows, 2);
    csv_report_free(&r);
    check("a,b\n1,2\r\n", &r);
    assert_int_equal(r.bad, 0);
    assert_false(r.plain); /* two kinds of newline: DuckDB wants one */
    csv_report_free(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(types_are_told_from_all_values),
        cmocka_unit_test(lines_are_counted_through_quotes_and_blanks),
        cmocka_unit_test(only_the_first_bad_rows_are_shown),
        cmocka_unit_test(a_clean_text_is_plain),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
