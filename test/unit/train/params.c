/* SPDX-License-Identifier: Apache-2.0 */
#include "fixture.h"

static int read(const char *text, struct train_params *p, struct err *err)
{
    CLEANUP(json_freep) json_t *j = json_loads(text, 0, NULL);
    assert_non_null(j);
    return train_params_read(j, p, err);
}

static void absent_ones_have_defaults(UNUSED void **state)
{
    struct train_params p, q;
    OK(train_params_read(NULL, &p, &err));
    OK(read("{}", &q, &err));
    assert_memory_equal(&p, &q, sizeof(p));
    assert_true(p.rounds == 200 && p.max_depth == 6 && p.eta == 0.1);
}

static void given_ones_replace_them_and_print_back(UNUSED void **state)
{
    struct train_params p, q;
    OK(read("{\"rounds\": 7, \"eta\": 0.5, \"lambda\": 0}", &p, &err));
    assert_true(p.rounds == 7 && p.eta == 0.5 && p.lambda == 0 && p.max_depth == 6);
    CLEANUP(json_freep) json_t *j = train_params_json(&p);
    assert_true(json_is_integer(json_object_get(j, "rounds")));
    OK(train_params_read(j, &q, &err));
    assert_memory_equal(&p, &q, sizeof(p));
}

static void bad_ones_are_named(UNUSED void **state)
{
    struct train_params p = {.rounds = -1};
    struct err err = {0};
    assert_int_equal(read("{\"max_dept\": 3}", &p, &err), E_INVALID);
    assert_non_null(strstr(err.msg, "max_dept"));
    assert_non_null(strstr(err.hint, "max_depth"));
    REFUSED(read("{\"eta\": 0}", &p, &err), E_INVALID, "params.eta must be between");
    REFUSED(read("{\"rounds\": 1.5}", &p, &err), E_INVALID, "params.rounds must be a whole");
    REFUSED(read("{\"rounds\": \"many\"}", &p, &err), E_INVALID, "rounds");
    REFUSED(read("[3]", &p, &err), E_INVALID, "params");
    assert_true(p.rounds == -1);
}

static void tasks_have_names(UNUSED void **state)
{
    enum task t = TASK_BINARY;
    assert_true(task_from(S("regression"), &t));
    assert_int_equal(t, TASK_REGRESSION);
    assert_string_equal(task_name(TASK_MULTICLASS), "multiclass");
    assert_false(task_from(S("ranking"), &t));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(absent_ones_have_defaults),
        cmocka_unit_test(given_ones_replace_them_and_print_back),
        cmocka_unit_test(bad_ones_are_named),
        cmocka_unit_test(tasks_have_names),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
