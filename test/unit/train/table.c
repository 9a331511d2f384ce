/* SPDX-License-Identifier: Apache-2.0 */
#include "fixture.h"

#include <math.h>
#include <stdio.h>

static void cells_come_back(UNUSED void **state)
{
    CLEANUP(table_freep) struct table *t = table_new(3);
    OK(table_add(t, "city", COLUMN_CATEGORY, &err));
    OK(table_add(t, "heat", COLUMN_NUMBER, &err));
    put_text(t, 0, "rome");
    put_text(t, 0, "");
    put_text(t, 0, "rome");
    put_number(t, 1, 1.5);
    assert_int_equal(table_rows(t), 1);
    put_number(t, 1, NAN);
    put_number(t, 1, -2);
    assert_int_equal(table_rows(t), 3);
    assert_true(str_is(table_text_at(t, 0, 0), "rome"));
    assert_true(str_is(table_text_at(t, 0, 1), ""));
    assert_true(table_number_at(t, 1, 2) == -2);
    assert_true(isnan(table_number_at(t, 1, 1)));
}

static void columns_are_found_by_name(UNUSED void **state)
{
    CLEANUP(table_freep) struct table *t = table_new(1);
    size_t at = 9;
    OK(table_add(t, "carrier", COLUMN_CATEGORY, &err));
    OK(table_find(t, "carrier", &at, &err));
    assert_int_equal(at, 0);
    struct err err = {0};
    assert_int_equal(table_find(t, "carier", &at, &err), E_NOTFOUND);
    assert_string_equal(err.hint, "did you mean 'carrier'?");
}

static void what_does_not_fit_is_refused(UNUSED void **state)
{
    CLEANUP(table_freep) struct table *t = table_new(1);
    OK(table_add(t, "x", COLUMN_NUMBER, &err));
    OK(table_add(t, "s", COLUMN_CATEGORY, &err));
    REFUSED(table_number(t, 0, INFINITY, &err), E_INVALID, "column 'x', row 1");
    REFUSED(table_number(t, 0, 1e39, &err), E_INVALID, "32-bit");
    put_number(t, 0, 1);
    REFUSED(table_number(t, 0, 1, &err), E_TOOBIG, "'x'");
    char text[2000];
    memset(text, 'a', sizeof(text));
    REFUSED(table_text(t, 1, str_n(text, sizeof(text)), &err), E_TOOBIG, "'s'");
    CLEANUP(table_freep) struct table *huge = table_new(SIZE_MAX / 2);
    REFUSED(table_add(huge, "y", COLUMN_NUMBER, &err), E_TOOBIG, "'y'");
}

static void categories_are_capped(UNUSED void **state)
{
    CLEANUP(table_freep) struct table *t = table_new(TRAIN_CATEGORIES_MAX + 1);
    OK(table_add(t, "tail", COLUMN_CATEGORY, &err));
    char text[16];
    for (int i = 0; i < TRAIN_CATEGORIES_MAX; i++) {
        snprintf(text, sizeof(text), "%d", i);
        put_text(t, 0, text);
    }
    REFUSED(table_text(t, 0, S("one more"), &err), E_TOOBIG, "'tail' has more than 10000");
    put_text(t, 0, "17");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(cells_come_back),
        cmocka_unit_test(columns_are_found_by_name),
        cmocka_unit_test(what_does_not_fit_is_refused),
        cmocka_unit_test(categories_are_capped),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
