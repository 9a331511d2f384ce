/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "sys/fs.h"
#include "track/track.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

struct call {
    const char *attempt;
    json_t *params, *metrics, *json;
    const char *run, *key;
};

static int do_log(struct tx *tx, void *arg, struct err *err)
{
    struct call *c = arg;
    return track_log_attempt(tx, "p", "flights", "run1", "train", c->attempt, c->params, c->metrics,
                             err);
}

static int do_runs(struct tx *tx, void *arg, struct err *err)
{
    struct call *c = arg;
    return track_runs(tx, "p", c->run, 100, &c->json, err);
}

static int do_history(struct tx *tx, void *arg, struct err *err)
{
    struct call *c = arg;
    return track_history(tx, "p", c->run, c->key, &c->json, err);
}

static void an_attempt_is_logged_once_with_its_history(void **state)
{
    (void)state;
    static const struct migration migrations[] = {{1, track_schema_1}};
    char dir[] = "/tmp/tenon-track-XXXXXX";
    struct store *s = NULL;
    struct err err = {0};
    assert_non_null(mkdtemp(dir));
    assert_int_equal(store_open(&(struct store_config){dir, migrations, 1}, &s, &err), 0);
    struct call c = {.attempt = "run1/train/1",
                     .params = json_pack("{s:i,s:s}", "rounds", 3, "objective", "binary"),
                     .metrics = json_pack("{s:f,s:[f,f,f]}", "auc", 0.8, "loss", 0.6, 0.5, 0.4)};
    json_array_append_new(json_object_get(c.metrics, "loss"), json_null());
    for (int i = 0; i < 3; i++)
        assert_int_equal(store_write(s, do_log, &c, &err), 0);
    assert_int_equal(store_read(s, do_runs, &c, &err), 0);
    assert_int_equal(json_array_size(c.json), 1);
    const json_t *run = json_array_get(c.json, 0);
    assert_string_equal(json_s(json_object_get(run, "params"), "rounds"), "3");
    assert_true(json_real_value(json_object_get(json_object_get(run, "metrics"), "loss")) == 0.4);
    assert_true(json_real_value(json_object_get(json_object_get(run, "metrics"), "auc")) == 0.8);
    struct call h = {.run = json_s(run, "id"), .key = "loss"};
    assert_int_equal(store_read(s, do_history, &h, &err), 0);
    assert_int_equal(json_array_size(h.json), 3); /* the null one is absent */
    assert_int_equal(json_i(json_array_get(h.json, 2), "step"), 2);
    json_decref(h.json);
    json_decref(c.json);
    c.json = NULL;
    c.run = "another";
    assert_int_equal(store_read(s, do_runs, &c, &err), 0);
    assert_int_equal(json_array_size(c.json), 0);
    json_decref(c.json);
    json_decref(c.params);
    json_decref(c.metrics);
    store_close(s);
    fs_remove_tree(dir, NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_attempt_is_logged_once_with_its_history),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
