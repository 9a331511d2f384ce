/* SPDX-License-Identifier: Apache-2.0 */
#include "fixture.h"

#include <math.h>

enum { ROWS = 400 };

/* A column "kind" of repeated texts, then a target nobody reads. */
static struct table *table_of(const char *const *texts, size_t n)
{
    struct table *t = table_new(ROWS);
    OK(table_add(t, "kind", COLUMN_CATEGORY, &err));
    OK(table_add(t, "target", COLUMN_NUMBER, &err));
    for (size_t i = 0; i < ROWS; i++) {
        put_text(t, 0, texts[i % n]);
        put_number(t, 1, 0);
    }
    return t;
}

static void assert_order(const struct feature *f, const char *want)
{
    struct buf got = BUF(1024);
    for (size_t i = 0; i < f->n; i++)
        buf_printf(&got, "%s%.*s", i ? " " : "", STR(f->categories[i]));
    assert_string_equal(buf_cstr(&got), want);
    buf_free(&got);
}

static void rank_follows_the_answer(UNUSED void **state)
{
    static const char *const texts[] = {"never", "always", "often", ""};
    CLEANUP(table_freep) struct table *t = table_of(texts, 4);
    CLEANUP(arena_freep) struct arena *a = arena_new(0);
    bool train[ROWS];
    uint32_t label[ROWS];
    for (size_t i = 0; i < ROWS; i++) {
        train[i] = true;
        label[i] = i % 4 == 1 || (i % 4 == 2 && i % 8 == 2);
    }
    struct answers answers = {TASK_BINARY, 2, label, NULL};
    struct features f;
    OK(features_fit(t, 1, train, &answers, a, &f, &err));
    assert_int_equal(f.n, 1);
    assert_order(&f.p[0], "never often always");
    assert_true(f.p[0].optional);
    float codes[4];
    const size_t rows[] = {0, 1, 2, 3};
    OK(features_encode(&f, t, rows, 4, codes, &err));
    assert_true(codes[0] == 0 && codes[1] == 2 && codes[2] == 1 && isnan(codes[3]));
}

static void rare_categories_stay_in_the_middle(UNUSED void **state)
{
    CLEANUP(table_freep) struct table *t = table_new(ROWS);
    CLEANUP(arena_freep) struct arena *a = arena_new(0);
    bool train[ROWS];
    float value[ROWS];
    OK(table_add(t, "kind", COLUMN_CATEGORY, &err));
    OK(table_add(t, "target", COLUMN_NUMBER, &err));
    for (size_t i = 0; i < ROWS; i++) {
        bool lucky = i == 5; /* one row with the highest answer of all */
        put_text(t, 0, lucky ? "lucky" : i % 2 ? "high" : "low");
        put_number(t, 1, 0);
        train[i] = true;
        value[i] = lucky ? 3 : i % 2 ? 2 : 1;
    }
    struct answers answers = {TASK_REGRESSION, 0, NULL, value};
    struct features f;
    OK(features_fit(t, 1, train, &answers, a, &f, &err));
    assert_order(&f.p[0], "low lucky high");
}

static void only_training_rows_count(UNUSED void **state)
{
    static const char *const texts[] = {"a", "b", "c"};
    CLEANUP(table_freep) struct table *t = table_of(texts, 3);
    CLEANUP(arena_freep) struct arena *a = arena_new(0);
    bool train[ROWS];
    uint32_t label[ROWS];
    for (size_t i = 0; i < ROWS; i++) {
        bool flip = i >= ROWS / 2; /* the other half says the opposite, and alone has c */
        train[i] = !flip && i % 3 != 2;
        label[i] = (i % 3 == 1) != flip;
    }
    struct answers answers = {TASK_BINARY, 2, label, NULL};
    struct features f;
    OK(features_fit(t, 1, train, &answers, a, &f, &err));
    assert_order(&f.p[0], "a b");
    assert_false(f.p[0].optional);
    float codes[ROWS];
    OK(features_encode(&f, t, NULL, ROWS, codes, &err));
    assert_true(isnan(codes[2]));
}

/* Two groups of classes: {0, 1} and {2, 3}. The first principal axis parts them. */
static void many_classes_are_ordered_along_their_main_axis(UNUSED void **state)
{
    static const char *const texts[] = {"p", "x", "q", "y"};
    CLEANUP(table_freep) struct table *t = table_of(texts, 4);
    CLEANUP(arena_freep) struct arena *a = arena_new(0);
    bool train[ROWS];
    uint32_t label[ROWS];
    for (size_t i = 0; i < ROWS; i++) {
        train[i] = true;
        bool left = i % 2 == 0; /* p and q */
        label[i] = (left ? 0 : 2) + (i / 4) % 2;
        if (i % 4 == 0 && i % 40 == 0)
            label[i] = 3; /* p is a little less so than q */
    }
    struct answers answers = {TASK_MULTICLASS, 4, label, NULL};
    struct features f;
    OK(features_fit(t, 1, train, &answers, a, &f, &err));
    assert_int_equal(f.p[0].n, 4);
    float codes[4];
    const size_t rows[] = {0, 1, 2, 3};
    OK(features_encode(&f, t, rows, 4, codes, &err));
    bool p_first = codes[0] < codes[1];
    assert_true(p_first == (codes[0] < codes[3]) && p_first == (codes[2] < codes[1]));
    assert_true(p_first ? codes[2] < codes[0] : codes[0] < codes[2]);
}

static void another_table_may_have_met_texts_in_another_order(UNUSED void **state)
{
    static const char *const texts[] = {"no", "yes"}, *const other[] = {"new", "yes", "no", ""};
    CLEANUP(table_freep) struct table *t = table_of(texts, 2), *u = table_of(other, 4);
    CLEANUP(arena_freep) struct arena *a = arena_new(0);
    bool train[ROWS];
    uint32_t label[ROWS];
    for (size_t i = 0; i < ROWS; i++) {
        train[i] = true;
        label[i] = i % 2;
    }
    struct answers answers = {TASK_BINARY, 2, label, NULL};
    struct features f;
    OK(features_fit(t, 1, train, &answers, a, &f, &err));
    float codes[ROWS];
    OK(features_encode(&f, u, NULL, ROWS, codes, &err));
    assert_true(isnan(codes[0]) && codes[1] == 1 && codes[2] == 0 && isnan(codes[3]));
    CLEANUP(json_freep) json_t *inputs = features_signature(&f);
    const json_t *kind = json_array_get(inputs, 0);
    assert_string_equal(json_s(kind, "datatype"), "BYTES");
    assert_string_equal(json_s(kind, "example"), "no");
    assert_int_equal(json_array_size(json_object_get(kind, "values")), 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rank_follows_the_answer),
        cmocka_unit_test(rare_categories_stay_in_the_middle),
        cmocka_unit_test(only_training_rows_count),
        cmocka_unit_test(many_classes_are_ordered_along_their_main_axis),
        cmocka_unit_test(another_table_may_have_met_texts_in_another_order),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
