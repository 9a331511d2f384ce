/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "model/model.h"
#include "sys/fs.h"

#include <stdlib.h>
#include <string.h>

static const char DIGEST[] = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";

struct fixture {
    char dir[64];
    struct store *store;
};

static int setup(void **state)
{
    static const struct migration migrations[] = {{1, model_schema_1}};
    struct fixture *f = xcalloc(1, sizeof(*f));
    struct err err = {0};
    strcpy(f->dir, "/tmp/tenon-model-XXXXXX");
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

struct call {
    struct model_version_spec spec;
    const char *alias, *ref;
    int64_t version;
    json_t *json;
};

static int do_register(struct tx *tx, void *arg, struct err *err)
{
    struct call *c = arg;
    return model_register(tx, &c->spec, &c->version, err);
}

static int do_alias(struct tx *tx, void *arg, struct err *err)
{
    struct call *c = arg;
    return model_set_alias(tx, "p", c->spec.model, c->alias, c->version, err);
}

static int do_resolve(struct tx *tx, void *arg, struct err *err)
{
    struct call *c = arg;
    return model_resolve(tx, "p", c->spec.model, str_from(c->ref), &c->version, err);
}

static int do_get(struct tx *tx, void *arg, struct err *err)
{
    struct call *c = arg;
    return model_version_get(tx, "p", c->spec.model, c->version, &c->json, err);
}

static int do_list(struct tx *tx, void *arg, struct err *err)
{
    struct call *c = arg;
    return model_list(tx, "p", &c->json, err);
}

static json_t *signature(void)
{
    return json_pack("{s:[{s:s,s:s}],s:[{s:s,s:s}]}", "inputs", "name", "x", "datatype", "FP32",
                     "outputs", "name", "y", "datatype", "FP32");
}

static int64_t register_one(struct fixture *f, const char *model, const char *attempt)
{
    struct err err = {0};
    CLEANUP(json_freep) json_t *s = signature();
    CLEANUP(json_freep) json_t *metrics = json_pack("{s:f}", "auc", 0.75);
    struct call c = {.spec = {.project = "p",
                              .model = model,
                              .digest = DIGEST,
                              .attempt = attempt,
                              .run = "r",
                              .signature = s,
                              .metrics = metrics}};
    if (store_write(f->store, do_register, &c, &err))
        fail_msg("%s", err.msg);
    return c.version;
}

static void versions_count_up_and_a_replay_makes_none(void **state)
{
    struct fixture *f = *state;
    assert_int_equal(register_one(f, "m", "r/s/1"), 1);
    assert_int_equal(register_one(f, "m", "r/s/2"), 2);
    assert_int_equal(register_one(f, "m", "r/s/1"), 1);
    assert_int_equal(register_one(f, "m", NULL), 3);
    assert_int_equal(register_one(f, "m", NULL), 4); /* uploads have no key to be equal by */
    assert_int_equal(register_one(f, "other", "r/s/1"), 1);
    assert_int_equal(store_last_event(f->store), 5);
}

static void references_resolve_or_say_what_there_is(void **state)
{
    struct fixture *f = *state;
    struct err err = {0};
    register_one(f, "late-arrival", "r/s/1");
    register_one(f, "late-arrival", "r/s/2");
    struct call c = {.spec.model = "late-arrival", .alias = "champion", .version = 1};
    assert_int_equal(store_write(f->store, do_alias, &c, &err), 0);
    c.ref = "@champion";
    assert_int_equal(store_read(f->store, do_resolve, &c, &err), 0);
    assert_int_equal(c.version, 1);
    c.ref = "latest";
    assert_int_equal(store_read(f->store, do_resolve, &c, &err), 0);
    assert_int_equal(c.version, 2);
    c.ref = "7";
    assert_int_equal(store_read(f->store, do_resolve, &c, &err), E_NOTFOUND);
    assert_string_equal(err.msg, "model 'late-arrival' has no version '7'");
    assert_non_null(strstr(err.hint, "latest is 2"));
    c.ref = "1 OR 1=1";
    assert_int_equal(store_read(f->store, do_resolve, &c, &err), E_NOTFOUND);
    c.spec.model = "late-arival";
    assert_int_equal(store_read(f->store, do_resolve, &c, &err), E_NOTFOUND);
    assert_string_equal(err.hint, "did you mean 'late-arrival'?");
    c = (struct call){.spec.model = "late-arrival", .alias = "latest", .version = 1};
    assert_int_equal(store_write(f->store, do_alias, &c, &err), E_INVALID);
    c.alias = "7";
    assert_int_equal(store_write(f->store, do_alias, &c, &err), E_INVALID);
    c.alias = "ok";
    c.version = 99;
    assert_int_equal(store_write(f->store, do_alias, &c, &err), E_NOTFOUND);
}

static void a_version_carries_what_it_was_made_of(void **state)
{
    struct fixture *f = *state;
    struct err err = {0};
    register_one(f, "m", "r/s/1");
    struct call c = {.spec.model = "m", .version = 1};
    assert_int_equal(store_read(f->store, do_get, &c, &err), 0);
    assert_string_equal(json_s(c.json, "digest"), DIGEST);
    assert_string_equal(json_s(c.json, "run"), "r");
    CLEANUP(json_freep) json_t *s = signature();
    assert_true(json_equal(json_object_get(c.json, "signature"), s));
    json_decref(c.json);
    c.json = NULL;
    assert_int_equal(store_read(f->store, do_list, &c, &err), 0);
    assert_int_equal(json_array_size(c.json), 1);
    assert_int_equal(json_i(json_array_get(c.json, 0), "versions"), 1);
    json_decref(c.json);
}

static void what_cannot_be_trusted_is_not_registered(void **state)
{
    struct fixture *f = *state;
    struct err err = {0};
    CLEANUP(json_freep) json_t *s = signature();
    CLEANUP(json_freep) json_t *empty = json_object();
    struct call c = {.spec = {.project = "p", .model = "../x", .digest = DIGEST, .signature = s}};
    assert_int_equal(store_write(f->store, do_register, &c, &err), E_INVALID);
    c.spec.model = "m";
    c.spec.digest = "file:///etc/passwd";
    assert_int_equal(store_write(f->store, do_register, &c, &err), E_INVALID);
    c.spec.digest = DIGEST;
    c.spec.signature = empty;
    assert_int_equal(store_write(f->store, do_register, &c, &err), E_INVALID);
    assert_int_equal(store_last_event(f->store), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(versions_count_up_and_a_replay_makes_none, setup, teardown),
        cmocka_unit_test_setup_teardown(references_resolve_or_say_what_there_is, setup, teardown),
        cmocka_unit_test_setup_teardown(a_version_carries_what_it_was_made_of, setup, teardown),
        cmocka_unit_test_setup_teardown(what_cannot_be_trusted_is_not_registered, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
