/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "data/delta.h"

#include <string.h>

#define META                                                                                       \
    "{\"metaData\":{\"id\":\"i\",\"schemaString\":\"{\\\"type\\\":\\\"struct\\\",\\\"fields\\\":[" \
    "{\\\"name\\\":\\\"a\\\",\\\"type\\\":\\\"long\\\",\\\"nullable\\\":true,\\\"metadata\\\":{}}" \
    "]}\",\"partitionColumns\":[],\"configuration\":{}}}\n"
#define ADD(path)                                                                                  \
    "{\"add\":{\"path\":\"" path "\",\"size\":5,\"stats\":\"{\\\"numRecords\\\":7}\"}}\n"
#define REMOVE(path) "{\"remove\":{\"path\":\"" path "\"}}\n"

static int apply(struct delta *d, const char *text, struct err *err)
{
    return delta_apply(d, d->version + 1, str_from(text), err);
}

static void replay_keeps_the_living_files(void **state)
{
    (void)state;
    CLEANUP(delta_freep) struct delta *d = delta_new();
    struct err err = {0};
    assert_int_equal(apply(d, META ADD("x%20y.parquet") ADD("b.parquet"), &err), 0);
    assert_int_equal(apply(d, REMOVE("b.parquet") "\n{\"later\":{}}\n", &err), 0);
    assert_int_equal(d->version, 1);
    assert_int_equal(map_count(d->files), 1);
    const struct delta_file *f = map_get(d->files, S("x y.parquet"));
    assert_non_null(f);
    assert_int_equal(f->rows, 7);
    assert_int_equal(f->size, 5);
    assert_string_equal(json_s(json_array_get(d->schema, 0), "type"), "long");
}

static void the_first_commit_of_an_attempt_counts(void **state)
{
    (void)state;
    CLEANUP(delta_freep) struct delta *d = delta_new();
    struct err err = {0};
    assert_int_equal(apply(d, META, &err), 0);
    assert_int_equal(apply(d, "{\"txn\":{\"appId\":\"r/s/1\",\"version\":0}}", &err), 0);
    assert_int_equal(apply(d, "{\"txn\":{\"appId\":\"r/s/1\",\"version\":0}}", &err), 0);
    const int64_t *v = map_get(d->txns, S("r/s/1"));
    assert_non_null(v);
    assert_int_equal(*v, 1);
}

static void what_cannot_be_read_is_refused(void **state)
{
    (void)state;
    static const struct {
        const char *commit, *says;
        int code;
    } cases[] = {
        {"{", "line 1", E_CORRUPT},
        {META "[]\n", "line 2", E_CORRUPT},
        {ADD("../x.parquet"), "outside", E_UNSUPPORTED},
        {ADD("a/../../x.parquet"), "outside", E_UNSUPPORTED},
        {ADD("ab/.."), "outside", E_UNSUPPORTED},
        {ADD("/x.parquet"), "outside", E_UNSUPPORTED},
        {ADD(""), "outside", E_UNSUPPORTED},
        {ADD("a//b.parquet"), "outside", E_UNSUPPORTED},
        {ADD("s3:%2F%2Fb/x"), "outside", E_UNSUPPORTED},
        {ADD("x%zz"), "", E_CORRUPT},
        {"{\"add\":{\"path\":\"a\"}}", "'size'", E_CORRUPT},
        {"{\"add\":{\"path\":\"a\",\"size\":1,\"deletionVector\":{}}}", "deletion", E_UNSUPPORTED},
        {"{\"protocol\":{\"minReaderVersion\":4}}", "version 4", E_UNSUPPORTED},
        {"{\"protocol\":{\"minReaderVersion\":3,\"readerFeatures\":[\"timestampNtz\",\"v2Checkpoint"
         "\"]}}",
         "'v2Checkpoint'", E_UNSUPPORTED},
        {"{\"metaData\":{\"id\":\"i\",\"schemaString\":\"{}\",\"partitionColumns\":[\"a\"]}}",
         "partitioned", E_UNSUPPORTED},
        {"{\"metaData\":{\"id\":\"i\",\"schemaString\":\"{}\"}}", "struct", E_CORRUPT},
        {"{\"metaData\":{\"id\":\"i\",\"schemaString\":\"{}\",\"configuration\":"
         "{\"delta.columnMapping.mode\":\"name\"}}}",
         "maps column names", E_UNSUPPORTED},
    };
    for (size_t i = 0; i < LENGTH(cases); i++) {
        CLEANUP(delta_freep) struct delta *d = delta_new();
        struct err err = {0};
        assert_int_equal(apply(d, cases[i].commit, &err), cases[i].code);
        assert_non_null(strstr(err.msg, cases[i].says));
    }
}

static void versions_leave_no_gap(void **state)
{
    (void)state;
    CLEANUP(delta_freep) struct delta *d = delta_new();
    struct err err = {0};
    assert_int_equal(delta_apply(d, 1, str_from(META), &err), E_CORRUPT);
    assert_non_null(strstr(err.msg, "commit 0"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(replay_keeps_the_living_files),
        cmocka_unit_test(the_first_commit_of_an_attempt_counts),
        cmocka_unit_test(what_cannot_be_read_is_refused),
        cmocka_unit_test(versions_leave_no_gap),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
