/* SPDX-License-Identifier: Apache-2.0 */
#include "fixture.h"

#include <math.h>

/* One tree with a dead pair of nodes (3 and 4), as pruning leaves them. */
#define TREE                                                                                       \
    "{\"left_children\":[1,-1,-1,-1,-1],\"right_children\":[2,-1,-1,-1,-1],"                       \
    "\"split_indices\":[1,0,0,0,0],\"split_conditions\":[5E-1,-2E-1,3E-1,9E0,9E0],"                \
    "\"default_left\":[%s,0,0,0,0]}"
#define MODEL                                                                                      \
    "{\"learner\":{\"learner_model_param\":{\"base_score\":\"%s\"},\"gradient_booster\":{"         \
    "\"name\":\"gbtree\",\"model\":{\"tree_info\":[%s],\"trees\":[%s]}}}}"

static int load(const char *base, const char *info, const char *tree, enum task task,
                size_t outputs, struct forest *ret, struct err *err)
{
    CLEANUP(freep) char *text = xasprintf(MODEL, base, info, tree);
    return forest_read(str_from(text), task, outputs, ret, err);
}

static char *tree_with(const char *default_left)
{
    return xasprintf(TREE, default_left);
}

static void live_nodes_are_kept_in_preorder(UNUSED void **state)
{
    static const char *const truths[] = {"1", "true"};
    for (size_t i = 0; i < LENGTH(truths); i++) {
        CLEANUP(freep) char *tree = tree_with(truths[i]);
        struct forest f;
        OK(load("5E-1", "0", tree, TASK_BINARY, 1, &f, &err));
        assert_int_equal(f.nodes.n, 3);
        assert_true(f.nodes.p[0].left == 1 && f.nodes.p[0].right == 2);
        assert_true(f.nodes.p[0].feature == 1 && f.nodes.p[0].value == 0.5f);
        assert_true(f.nodes.p[0].missing_left);
        assert_true(f.nodes.p[1].value == -0.2f && f.nodes.p[2].value == 0.3f);
        assert_true(f.nodes.p[2].left < 0);
        assert_float_equal(f.base[0], 0, 0);
        forest_free(&f);
    }
}

static void base_score_becomes_a_margin(UNUSED void **state)
{
    CLEANUP(freep) char *tree = tree_with("0");
    struct forest f;
    OK(load("[2E-1]", "0", tree, TASK_BINARY, 1, &f, &err));
    assert_float_equal(f.base[0], log(0.2 / 0.8), 1e-6);
    forest_free(&f);
    OK(load("-1.25E1", "0", tree, TASK_REGRESSION, 1, &f, &err));
    assert_float_equal(f.base[0], -12.5, 0);
    forest_free(&f);
    OK(load("[1E-1, 2E-1,3E-1]", "2", tree, TASK_MULTICLASS, 3, &f, &err));
    assert_float_equal(f.base[1], 0.2f, 1e-7);
    assert_float_equal(f.base[2], 0.3f, 1e-7);
    assert_int_equal(f.trees.p[0].output, 2);
    forest_free(&f);
    OK(load("5E-1", "1", tree, TASK_MULTICLASS, 3, &f, &err));
    assert_float_equal(f.base[2], 0.5, 0);
    forest_free(&f);
}

static void what_is_no_model_is_refused(UNUSED void **state)
{
    CLEANUP(freep) char *tree = tree_with("0");
    struct forest f;
    const char *loop = "{\"left_children\":[0],\"right_children\":[0],\"split_indices\":[0],"
                       "\"split_conditions\":[1],\"default_left\":[0]}";
    const char *outside = "{\"left_children\":[7],\"right_children\":[8],\"split_indices\":[0],"
                          "\"split_conditions\":[1],\"default_left\":[0]}";
    const char *ragged = "{\"left_children\":[-1],\"right_children\":[-1],\"split_indices\":[0],"
                         "\"split_conditions\":[],\"default_left\":[0]}";
    REFUSED(load("5E-1", "0", loop, TASK_BINARY, 1, &f, &err), E_INTERNAL, "tree");
    REFUSED(load("5E-1", "0", outside, TASK_BINARY, 1, &f, &err), E_INTERNAL, "tree");
    REFUSED(load("5E-1", "0", ragged, TASK_BINARY, 1, &f, &err), E_INTERNAL, "tree");
    REFUSED(load("5E-1", "3", tree, TASK_BINARY, 1, &f, &err), E_INTERNAL, "tree_info");
    REFUSED(load("5E-1", "", "", TASK_BINARY, 1, &f, &err), E_INTERNAL, "trees");
    REFUSED(load("1E0", "0", tree, TASK_BINARY, 1, &f, &err), E_INTERNAL, "base_score");
    REFUSED(load("", "0", tree, TASK_BINARY, 1, &f, &err), E_INTERNAL, "base_score");
    REFUSED(forest_read(S("{\"learner\": NaN}"), TASK_BINARY, 1, &f, &err), E_INVALID, "diverged");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(live_nodes_are_kept_in_preorder),
        cmocka_unit_test(base_score_becomes_a_margin),
        cmocka_unit_test(what_is_no_model_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
