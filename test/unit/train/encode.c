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

static void rank_is_by_frequency(UNUSED void **state)
{
    static const char *const texts[] = {"most", "few", "most", "", "some", "some", "most", "also"};
    CLEANUP(table_freep) struct table *t = table_of(texts, 8);
    CLEANUP(arena_freep) struct arena *a = arena_new(0);
    bool train[ROWS];
    struct features f;
    memset(train, true, sizeof(train));
    OK(features_fit(t, 1, train, a, &f, &err));
    assert_int_equal(f.n, 1);
    assert_order(&f.p[0], "also few some most"); /* equal counts: by text */
    assert_true(f.p[0].optional);
    float codes[8];
    OK(features_encode(&f, t, NULL, 8, codes, &err));
    assert_true(codes[0] == 3 && codes[1] == 1 && codes[4] == 2 && codes[7] == 0);
    assert_true(isnan(codes[3]));
}

static void only_training_rows_count(UNUSED void **state)
{
    static const char *const texts[] = {"a", "b", "c", "b"};
    CLEANUP(table_freep) struct table *t = table_of(texts, 4);
    CLEANUP(arena_freep) struct arena *a = arena_new(0);
    bool train[ROWS];
    for (size_t i = 0; i < ROWS; i++) /* c in none of them, and b in fewer than a */
        train[i] = i % 4 == 0 || (i % 4 == 1 && i < ROWS / 2);
    struct features f;
    OK(features_fit(t, 1, train, a, &f, &err));
    assert_order(&f.p[0], "b a");
    assert_false(f.p[0].optional);
    float codes[ROWS];
    OK(features_encode(&f, t, NULL, ROWS, codes, &err));
    assert_true(isnan(codes[2]));
}

static void another_table_may_have_met_texts_in_another_order(UNUSED void **state)
{
    static const char *const texts[] = {"no", "yes"}, *const other[] = {"new", "yes", "no", ""};
    CLEANUP(table_freep) struct table *t = table_of(texts, 2), *u = table_of(other, 4);
    CLEANUP(arena_freep) struct arena *a = arena_new(0);
    bool train[ROWS];
    struct features f;
    memset(train, true, sizeof(train));
    OK(features_fit(t, 1, train, a, &f, &err));
    float codes[ROWS];
    OK(features_encode(&f, u, NULL, ROWS, codes, &err));
    assert_true(isnan(codes[0]) && codes[1] == 1 && codes[2] == 0 && isnan(codes[3]));
    CLEANUP(json_freep) json_t *inputs = features_signature(&f);
    const json_t *kind = json_array_get(inputs, 0);
    assert_string_equal(json_s(kind, "datatype"), "BYTES");
    assert_string_equal(json_s(kind, "example"), "yes");
    assert_int_equal(json_array_size(json_object_get(kind, "values")), 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rank_is_by_frequency),
        cmocka_unit_test(only_training_rows_count),
        cmocka_unit_test(another_table_may_have_met_texts_in_another_order),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
