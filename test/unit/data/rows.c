/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "data/data.h"
#include "data/schema.h"
#include "sys/fs.h"

#include <stdlib.h>
#include <string.h>

struct fixture {
    char dir[64];
    struct store *store;
};

static int setup(void **state)
{
    static const struct migration migrations[] = {{1, data_schema_1}};
    struct fixture *f = xcalloc(1, sizeof(*f));
    struct err err = {0};
    strcpy(f->dir, "/tmp/tenon-data-XXXXXX");
    if (!mkdtemp(f->dir) ||
        store_open(&(struct store_config){f->dir, migrations, 1}, &f->store, &err))
        return -1;
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;
    store_close(f->store);
    fs_remove_tree(f->dir, NULL);
    free(f);
    return 0;
}

/* What a step reports; `rows` in one file that is really there. */
static json_t *result(const struct fixture *f, const char *name, const char *mode, const char *file,
                      int64_t rows)
{
    CLEANUP(freep) char *dir = data_table_dir(f->dir, "p", name);
    CLEANUP(freep) char *path = fs_join(dir, file);
    struct err err = {0};
    assert_int_equal(fs_mkdirs(dir, 0700, &err), 0);
    assert_int_equal(fs_write_atomic(path, "1234", 4, 0600, &err), 0);
    return json_pack("{s:s, s:s, s:[o], s:[{s:s, s:i, s:I}], s:[{s:i}], s:s}", "name", name, "mode",
                     mode, "schema", schema_new_column("a", "long"), "files", "path", file, "size",
                     4, "rows", (json_int_t)rows, "sample", "a", 1, "source", "s.csv");
}

struct call {
    const char *name, *attempt;
    const json_t *result;
    int64_t version;
    json_t *json;
};

static int do_record(struct tx *tx, void *arg, struct err *err)
{
    struct call *c = arg;
    return data_record(tx, "p", c->attempt, "run1", "load", NULL, c->result, c->version, err);
}

static int do_get(struct tx *tx, void *arg, struct err *err)
{
    struct call *c = arg;
    return data_version_get(tx, "p", c->name, c->version, &c->json, err);
}

static int do_list(struct tx *tx, void *arg, struct err *err)
{
    struct call *c = arg;
    return data_list(tx, "p", &c->json, err);
}

static int do_versions(struct tx *tx, void *arg, struct err *err)
{
    struct call *c = arg;
    return data_versions(tx, "p", c->name, &c->json, err);
}

static int64_t publish(struct fixture *f, const char *attempt, const json_t *r)
{
    int64_t version = -1;
    struct err err = {0};
    assert_int_equal(data_publish(f->dir, "p", attempt, r, &version, &err), 0);
    return version;
}

static void record(struct fixture *f, const char *attempt, const json_t *r, int64_t version)
{
    struct call c = {.attempt = attempt, .result = r, .version = version};
    struct err err = {0};
    assert_int_equal(store_write(f->store, do_record, &c, &err), 0);
}

static json_t *get(struct fixture *f, const char *name, int64_t version)
{
    struct call c = {.name = name, .version = version};
    struct err err = {0};
    assert_int_equal(store_read(f->store, do_get, &c, &err), 0);
    return c.json;
}

static void sizes_add_up_since_the_overwrite_in_any_order(void **state)
{
    struct fixture *f = *state;
    json_t *r[] = {
        result(f, "t", "overwrite", "a.parquet", 10), result(f, "t", "append", "b.parquet", 5),
        result(f, "t", "overwrite", "c.parquet", 3), result(f, "t", "append", "d.parquet", 4)};
    static const char *const attempts[] = {"r/a/1", "r/b/1", "r/c/1", "r/d/1"};
    static const int64_t expected[] = {10, 15, 3, 7};
    for (int i = 0; i < 4; i++)
        assert_int_equal(publish(f, attempts[i], r[i]), i);
    for (int i = 3; i >= 0; i--) {
        record(f, attempts[i], r[i], i);
        record(f, attempts[i], r[i], i); /* a replayed finalization */
    }
    assert_int_equal(store_last_event(f->store), 4);
    for (int i = 0; i < 4; i++) {
        CLEANUP(json_freep) json_t *j = get(f, "t", i);
        assert_int_equal(json_i(j, "rows"), expected[i]);
    }
    CLEANUP(json_freep) json_t *latest = get(f, "t", -1);
    assert_int_equal(json_i(latest, "version"), 3);
    assert_string_equal(json_s(latest, "source"), "s.csv");
    assert_int_equal(json_array_size(json_object_get(latest, "sample")), 1);
    for (int i = 0; i < 4; i++)
        json_decref(r[i]);
}

static void lists_show_the_latest_and_all(void **state)
{
    struct fixture *f = *state;
    json_t *r[] = {result(f, "t", "overwrite", "a.parquet", 1),
                   result(f, "t", "append", "b.parquet", 2),
                   result(f, "u", "overwrite", "c.parquet", 3)};
    record(f, "r/a/1", r[0], 0);
    record(f, "r/b/1", r[1], 1);
    record(f, "r/c/1", r[2], 0);
    struct call c = {.name = "t"};
    struct err err = {0};
    assert_int_equal(store_read(f->store, do_list, &c, &err), 0);
    assert_int_equal(json_array_size(c.json), 2);
    assert_int_equal(json_i(json_array_get(c.json, 0), "version"), 1);
    assert_int_equal(json_i(json_array_get(c.json, 0), "rows"), 3);
    json_decref(c.json);
    assert_int_equal(store_read(f->store, do_versions, &c, &err), 0);
    assert_int_equal(json_array_size(c.json), 2);
    assert_int_equal(json_i(json_array_get(c.json, 0), "version"), 1);
    json_decref(c.json);
    for (int i = 0; i < 3; i++)
        json_decref(r[i]);
}

static void unknown_names_get_the_nearest(void **state)
{
    struct fixture *f = *state;
    json_t *r = result(f, "flights", "overwrite", "a.parquet", 1);
    record(f, "r/a/1", r, 0);
    struct call c = {.name = "fligths", .version = -1};
    struct err err = {0};
    assert_int_equal(store_read(f->store, do_get, &c, &err), E_NOTFOUND);
    assert_non_null(strstr(err.hint, "'flights'"));
    assert_int_equal(store_read(f->store, do_versions, &c, &err), E_NOTFOUND);
    assert_non_null(strstr(err.hint, "'flights'"));
    c = (struct call){.name = "flights", .version = 9};
    assert_int_equal(store_read(f->store, do_get, &c, &err), E_NOTFOUND);
    assert_non_null(strstr(err.msg, "no version 9"));
    json_decref(r);
}

/* A step's report is foreign input. */
static void false_reports_are_refused(void **state)
{
    struct fixture *f = *state;
    static const struct {
        const char *key, *json, *says;
    } cases[] = {
        {"name", "\"../x\"", "no name for a dataset"},
        {"mode", "\"replace\"", "no mode"},
        {"schema", "[]", "at least one column"},
        {"schema", "[{\"name\":\"a\",\"type\":\"long\"},{\"name\":\"A\",\"type\":\"long\"}]",
         "but for case"},
        {"schema", "[{\"name\":\"a\",\"type\":\"lon\"}]", "'lon'"},
        {"files", "[{\"path\":\"../a.parquet\",\"size\":4,\"rows\":1}]", "no name for a data file"},
        {"files", "[{\"path\":\"none.parquet\",\"size\":4,\"rows\":1}]", "has -1 bytes"},
        {"files", "[{\"path\":\"a.parquet\",\"size\":5,\"rows\":1}]", "has 4 bytes"},
        {"files", "{}", "array"},
    };
    for (size_t i = 0; i < LENGTH(cases); i++) {
        CLEANUP(json_freep) json_t *r = result(f, "t", "overwrite", "a.parquet", 1);
        struct err err = {0};
        int64_t version = -1;
        json_object_set_new(r, cases[i].key, json_loads(cases[i].json, JSON_DECODE_ANY, NULL));
        assert_int_not_equal(data_publish(f->dir, "p", "r/a/1", r, &version, &err), 0);
        assert_non_null(strstr(err.msg, cases[i].says));
        assert_int_equal(version, -1);
    }
}

static void appends_keep_the_schema(void **state)
{
    struct fixture *f = *state;
    CLEANUP(json_freep) json_t *first = result(f, "t", "overwrite", "a.parquet", 1);
    CLEANUP(json_freep) json_t *other = result(f, "t", "append", "b.parquet", 1);
    struct err err = {0};
    int64_t version = -1;
    publish(f, "r/a/1", first);
    json_object_set_new(other, "schema", json_pack("[o]", schema_new_column("a", "double")));
    assert_int_equal(data_publish(f->dir, "p", "r/b/1", other, &version, &err), E_CONFLICT);
    assert_non_null(strstr(err.msg, "column 'a' is double, but the table has long"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(sizes_add_up_since_the_overwrite_in_any_order, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(lists_show_the_latest_and_all, setup, teardown),
        cmocka_unit_test_setup_teardown(unknown_names_get_the_nearest, setup, teardown),
        cmocka_unit_test_setup_teardown(false_reports_are_refused, setup, teardown),
        cmocka_unit_test_setup_teardown(appends_keep_the_schema, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
