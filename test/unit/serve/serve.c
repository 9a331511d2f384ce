/* SPDX-License-Identifier: Apache-2.0
 *
 * The room as a whole: a store with registered models, loops, a door, and clients that call it.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "model/model.h"
#include "serve/serve.h"
#include "sys/fs.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

struct house {
    char dir[64];
    struct store *store;
    struct loops *loops;
    struct pool *pool;
    struct serve *serve;
    struct net *net;
    struct route routes[6];
    struct err err;
};

static int anyone(UNUSED void *ctx, UNUSED struct loop *loop, UNUSED str bearer, UNUSED str cookie,
                  struct principal *ret, UNUSED struct err *err)
{
    *ret = (struct principal){.id = "t", .name = "t", .project = "default", .perms = 31};
    return 0;
}

static void must(int rc, const struct err *err)
{
    if (rc)
        fail_msg("%s", err->msg);
}

static void open_rooms(struct house *h)
{
    static const struct migration migrations[] = {{1, model_schema_1}, {2, serve_schema_1}};
    const struct store_config config = {
        .dir = h->dir, .migrations = migrations, .migration_count = LENGTH(migrations)};
    must(loops_start(2, &h->loops, &h->err), &h->err);
    must(pool_new("test", 2, 64, &h->pool, &h->err), &h->err);
    must(store_open(&config, &h->store, &h->err), &h->err);
    must(serve_open(h->store, h->loops, &h->serve, &h->err), &h->err);
    const struct route routes[] = {
        {"POST", "/v2/models/{name}/infer", ROUTE_FAST, PERM_PREDICT, 1 << 20, serve_infer,
         h->serve, "", serve_error_shape},
        {"POST", "/v2/models/{name}/versions/{n:int}/infer", ROUTE_FAST, PERM_PREDICT, 1 << 20,
         serve_infer, h->serve, "", serve_error_shape},
        {"POST", "/v2/models/{name}/invocations", ROUTE_FAST, PERM_PREDICT, 1 << 20,
         serve_invocations, h->serve, "", serve_error_shape},
        {"GET", "/v2/models/{name}", ROUTE_FAST, PERM_READ, 0, serve_metadata, h->serve, "",
         serve_error_shape},
        {"GET", "/v2/models/{name}/ready", ROUTE_FAST, PERM_READ, 0, serve_ready, h->serve, "",
         serve_error_shape},
        {"GET", "/v2/models/{name}/versions/{n:int}", ROUTE_FAST, PERM_READ, 0, serve_metadata,
         h->serve, "", serve_error_shape},
    };
    memcpy(h->routes, routes, sizeof(routes));
    const struct net_config net = {.host = "127.0.0.1",
                                   .routes = h->routes,
                                   .route_count = LENGTH(routes),
                                   .gate = {anyone, NULL},
                                   .pool = h->pool,
                                   .spool_dir = h->dir};
    must(net_start(h->loops, &net, &h->net, &h->err), &h->err);
}

static void close_rooms(struct house *h)
{
    net_drain(h->net, 1000);
    serve_close(h->serve);
    pool_free(h->pool);
    loops_stop(h->loops);
    net_free(h->net);
    store_close(h->store);
    loops_free(h->loops);
}

static int setup(void **state)
{
    struct house *h = xcalloc(1, sizeof(*h));
    snprintf(h->dir, sizeof(h->dir), "/tmp/tenon-serve-XXXXXX");
    assert_non_null(mkdtemp(h->dir));
    open_rooms(h);
    *state = h;
    return 0;
}

static int teardown(void **state)
{
    struct house *h = *state;
    close_rooms(h);
    fs_remove_tree(h->dir, NULL);
    free(h);
    return 0;
}

struct registering {
    struct model_version_spec spec;
    int64_t version;
};

static int register_now(struct tx *tx, void *arg, struct err *err)
{
    struct registering *r = arg;
    return model_register(tx, &r->spec, &r->version, err);
}

static int64_t add_bytes(struct house *h, const char *model, str bytes, const char *signature)
{
    char digest[65];
    json_t *j = NULL;
    must(blob_put(store_blobs(h->store), bytes.p, bytes.n, digest, &h->err), &h->err);
    must(json_parse(str_from(signature), &j, &h->err), &h->err);
    struct registering r = {
        .spec = {.project = "default", .model = model, .digest = digest, .signature = j}};
    must(store_write(h->store, register_now, &r, &h->err), &h->err);
    json_decref(j);
    return r.version;
}

#define MIXED                                                                                      \
    "{\"inputs\":[{\"name\":\"x\",\"datatype\":\"FP32\",\"optional\":true},"                       \
    "{\"name\":\"city\",\"datatype\":\"BYTES\",\"optional\":true}],"                               \
    "\"outputs\":[{\"name\":\"label\",\"datatype\":\"BYTES\",\"shape\":[-1,1]}],"                  \
    "\"task\":\"binary\",\"target\":\"late\"}"
#define PLAIN                                                                                      \
    "{\"inputs\":[{\"name\":\"x\",\"datatype\":\"FP32\",\"optional\":false}],"                     \
    "\"outputs\":[{\"name\":\"y\",\"datatype\":\"FP32\",\"shape\":[-1]}],\"task\":\"regression\"}"

static int64_t add_model(struct house *h, const char *model, const char *file,
                         const char *signature)
{
    struct buf bytes = BUF(1 << 20);
    CLEANUP(freep) char *path = xasprintf("%s/%s.onnx", TEST_MODELS, file);
    must(fs_read(path, 1 << 20, &bytes, &h->err), &h->err);
    int64_t version = add_bytes(h, model, buf_view(&bytes), signature);
    buf_free(&bytes);
    return version;
}

static void deploy(struct house *h, const char *endpoint, const char *model, const char *ref)
{
    must(serve_deploy(h->serve, "default", endpoint, model, str_from(ref), "tester", &h->err),
         &h->err);
}

/* Status of a call; the body in text. */
static int call(struct house *h, const char *method, const char *path, const char *body, char *text,
                size_t size)
{
    CLEANUP(freep) char *url = xasprintf("http://127.0.0.1:%u%s", net_port(h->net), path);
    struct http_answer a = {0};
    struct err err;
    const struct http_call c = {
        .method = method, .url = url, .body = str_from(body), .body_fd = -1, .token = "t"};
    if (http_do(&c, &a, &err))
        fail_msg("%s: %s", path, err.msg);
    int status = a.status;
    snprintf(text, size, "%.*s", (int)a.body.n, a.body.n ? a.body.p : "");
    http_answer_free(&a);
    return status;
}

static void expect(struct house *h, const char *path, const char *body, int status,
                   const char *want)
{
    char text[2048];
    int got = call(h, body ? "POST" : "GET", path, body ? body : "", text, sizeof(text));
    assert_string_equal(text, want);
    assert_int_equal(got, status);
}

#define ROW "{\"rows\":[{\"x\":1.5,\"city\":\"rome\"}]}"
#define HIGH "{\"predictions\":[{\"late\":\"high\",\"score\":21.5}]}"

static void a_deployed_version_answers(void **state)
{
    struct house *h = *state;
    add_model(h, "delay", "mixed", MIXED);
    deploy(h, "late", "delay", "latest");
    expect(h, "/v2/models/late/invocations", ROW, 200, HIGH);
    expect(h, "/v2/models/late/infer",
           "{\"id\":\"7\",\"inputs\":[{\"name\":\"x\",\"shape\":[1,1],\"datatype\":\"FP32\","
           "\"data\":[3]}],\"outputs\":[{\"name\":\"score\"}]}",
           200,
           "{\"model_name\":\"late\",\"model_version\":\"1\",\"id\":\"7\",\"outputs\":[{\"name\":"
           "\"score\",\"datatype\":\"FP32\",\"shape\":[1,1],\"data\":[3]}]}");
    expect(h, "/v2/models/late", NULL, 200,
           "{\"name\":\"late\",\"versions\":[\"1\"],\"platform\":\"onnxruntime_onnx\",\"inputs\":["
           "{\"name\":\"x\",\"datatype\":\"FP32\",\"shape\":[-1,1]},{\"name\":\"city\","
           "\"datatype\":\"BYTES\",\"shape\":[-1,1]}],\"outputs\":[{\"name\":\"label\","
           "\"datatype\":\"BYTES\",\"shape\":[-1,1]},{\"name\":\"score\",\"datatype\":\"FP32\","
           "\"shape\":[-1,1]}]}");
    expect(h, "/v2/models/late/ready", NULL, 200, "");
    expect(h, "/v2/models/lat", NULL, 404,
           "{\"error\":\"no endpoint 'lat': did you mean 'late'? (list them with: tenon endpoint "
           "list)\"}");
    expect(h, "/v2/models/late/versions/2", NULL, 404,
           "{\"error\":\"the endpoint 'late' serves version 1 of 'delay', not 2\"}");
    expect(h, "/v2/models/late/invocations", "{\"rows\":[{\"x\":\"a\"}]}", 400,
           "{\"error\":\"row 1, column 'x': at byte 14: expected a number, got a string\"}");
    assert_non_null(serve_runtime(h->serve));
}

static void endpoints_can_be_looked_at(void **state)
{
    struct house *h = *state;
    json_t *e = NULL;
    add_model(h, "delay", "mixed", MIXED);
    deploy(h, "late", "delay", "1");
    expect(h, "/v2/models/late/invocations", "{\"rows\":[{},{\"x\":1}]}", 200,
           "{\"predictions\":[{\"late\":\"low\",\"score\":null},{\"late\":\"low\",\"score\":1}]}");
    char text[2048];
    assert_int_equal(call(h, "POST", "/v2/models/late/infer", "{", text, sizeof(text)), 400);
    must(serve_get(h->serve, "default", "late", &e, &h->err), &h->err);
    assert_string_equal(json_s(e, "name"), "late");
    assert_string_equal(json_s(e, "model"), "delay");
    assert_string_equal(json_s(e, "state"), "ready");
    assert_int_equal(json_i(e, "version"), 1);
    assert_int_equal(json_i(e, "requests"), 2);
    assert_int_equal(json_i(e, "failures"), 1);
    assert_int_equal(json_i(e, "rows"), 2);
    assert_int_equal(json_i(e, "batches"), 1);
    assert_true(json_is_true(json_object_get(e, "inline")));
    assert_true(json_is_null(json_object_get(e, "reason")));
    assert_string_equal(json_s(json_object_get(e, "signature"), "target"), "late");
    json_decref(e);
    assert_int_equal(serve_get(h->serve, "other", "late", &e, &h->err), E_NOTFOUND);
    must(serve_list(h->serve, "default", &e, &h->err), &h->err);
    assert_int_equal(json_array_size(e), 1);
    json_decref(e);
}

static void a_bad_version_does_not_become_the_endpoint(void **state)
{
    struct house *h = *state;
    add_model(h, "delay", "mixed", MIXED);
    add_bytes(h, "delay", S("this is not a model"), MIXED);
    assert_int_equal(serve_deploy(h->serve, "default", "late", "delay", S("2"), "t", &h->err),
                     E_INVALID);
    assert_non_null(strstr(h->err.msg, "model 'delay' version 2: this is not a model that can be"));
    expect(h, "/v2/models/late/ready", NULL, 404,
           "{\"error\":\"no endpoint 'late' (list them with: tenon endpoint list)\"}");
    deploy(h, "late", "delay", "1");
    assert_int_equal(serve_deploy(h->serve, "default", "late", "delay", S("2"), "t", &h->err),
                     E_INVALID);
    expect(h, "/v2/models/late/invocations", ROW, 200, HIGH);
    assert_int_equal(serve_deploy(h->serve, "default", "late", "dely", S("1"), "t", &h->err),
                     E_NOTFOUND);
    assert_int_equal(serve_deploy(h->serve, "default", "a/b", "delay", S("1"), "t", &h->err),
                     E_INVALID);
    assert_string_equal(h->err.msg, "'a/b' cannot be an endpoint's name");
}

static void removed_means_gone(void **state)
{
    struct house *h = *state;
    add_model(h, "delay", "mixed", MIXED);
    deploy(h, "late", "delay", "1");
    must(serve_remove(h->serve, "default", "late", &h->err), &h->err);
    char text[256];
    assert_int_equal(call(h, "POST", "/v2/models/late/invocations", ROW, text, sizeof(text)), 404);
    assert_int_equal(serve_remove(h->serve, "default", "late", &h->err), E_NOTFOUND);
}

static void wait_until_loaded(struct house *h)
{
    for (int i = 0; i < 1000 && !serve_all_ready(h->serve); i++)
        usleep(10000);
    assert_true(serve_all_ready(h->serve));
}

static void endpoints_come_back_after_a_restart(void **state)
{
    struct house *h = *state;
    add_model(h, "delay", "mixed", MIXED);
    deploy(h, "late", "delay", "1");
    deploy(h, "broken", "delay", "1");
    add_model(h, "other", "picky", PLAIN);
    deploy(h, "broken", "other", "1");
    json_t *row = NULL;
    must(serve_get(h->serve, "default", "broken", &row, &h->err), &h->err);
    json_decref(row);
    close_rooms(h);
    /* The blob of one of them is lost meanwhile. */
    CLEANUP(freep) char *cmd = xasprintf("grep -rlZ picky %s/blobs | xargs -0 rm -f", h->dir);
    assert_int_equal(system(cmd), 0);
    open_rooms(h);
    wait_until_loaded(h);
    expect(h, "/v2/models/late/invocations", ROW, 200, HIGH);
    expect(h, "/v2/models/broken/ready", NULL, 400, "");
    char text[512];
    assert_int_equal(call(h, "POST", "/v2/models/broken/infer", "{}", text, sizeof(text)), 503);
    assert_non_null(strstr(text, "the endpoint 'broken' could not be loaded: model 'other'"));
    must(serve_get(h->serve, "default", "broken", &row, &h->err), &h->err);
    assert_string_equal(json_s(row, "state"), "failed");
    assert_true(json_s(row, "reason")[0]);
    json_decref(row);
}

struct caller {
    struct house *h;
    pthread_t thread;
    int number, failures, seen[3];
    atomic_bool *stop;
};

static void *call_until_told(void *arg)
{
    struct caller *c = arg;
    for (int i = 0; !*c->stop; i++) {
        CLEANUP(freep)
        char *body = xasprintf("{\"inputs\":[{\"name\":\"x\",\"shape\":[2,1],\"datatype\":\"FP32\","
                               "\"data\":[%d,%d]}],\"outputs\":[{\"name\":\"score\"}]}",
                               c->number, i);
        CLEANUP(freep) char *want = xasprintf("\"data\":[%d,%d]}]}", c->number, i);
        char text[512];
        int status = call(c->h, "POST", "/v2/models/late/infer", body, text, sizeof(text));
        const char *version = strstr(text, "\"model_version\":\"");
        c->failures += status != 200 || !strstr(text, want);
        if (version)
            c->seen[version[17] == '1' ? 1 : 2]++;
        usleep(500); /* six callers that never rest can starve the one who swaps */
    }
    return NULL;
}

static void swapping_versions_drops_no_request(void **state)
{
    struct house *h = *state;
    atomic_bool stop = false;
    struct caller callers[6];
    add_model(h, "delay", "mixed", MIXED);
    add_model(h, "delay", "mixed", MIXED);
    deploy(h, "late", "delay", "1");
    for (int i = 0; i < 6; i++) {
        callers[i] = (struct caller){.h = h, .number = i, .stop = &stop};
        pthread_create(&callers[i].thread, NULL, call_until_told, &callers[i]);
    }
    for (int i = 0; i < 30; i++)
        deploy(h, "late", "delay", i % 2 ? "1" : "2");
    stop = true;
    int first = 0, second = 0;
    for (int i = 0; i < 6; i++) {
        pthread_join(callers[i].thread, NULL);
        assert_int_equal(callers[i].failures, 0);
        first += callers[i].seen[1];
        second += callers[i].seen[2];
    }
    assert_true(first > 0 && second > 0);
}

static void *call_picky(void *arg)
{
    struct caller *c = arg;
    bool bad = c->number % 3 == 0;
    for (int i = 0; i < 100; i++) {
        char text[512];
        int status =
            call(c->h, "POST", "/v2/models/pick/invocations",
                 bad ? "{\"instances\":[9]}" : "{\"instances\":[1,2]}", text, sizeof(text));
        bool good = strstr(text, "[{\"value\":1.5},{\"value\":2.5}]") != NULL;
        c->failures += bad ? status != 400 : status != 200 || !good;
    }
    return NULL;
}

/* A row that makes the run fail must not fail its neighbours in the batch. */
static void one_bad_row_fails_one_request(void **state)
{
    struct house *h = *state;
    struct caller callers[9];
    add_model(h, "picky", "picky", PLAIN);
    deploy(h, "pick", "picky", "1");
    for (int i = 0; i < 9; i++) {
        callers[i] = (struct caller){.h = h, .number = i};
        pthread_create(&callers[i].thread, NULL, call_picky, &callers[i]);
    }
    for (int i = 0; i < 9; i++) {
        pthread_join(callers[i].thread, NULL);
        assert_int_equal(callers[i].failures, 0);
    }
}

/* Too much for a loop's turn: it runs on an instance thread, and small ones go on meanwhile. */
static void large_requests_leave_the_loop(void **state)
{
    struct house *h = *state;
    struct buf body = BUF(1 << 20);
    add_model(h, "delay", "mixed", MIXED);
    deploy(h, "late", "delay", "1");
    buf_puts(&body, "{\"inputs\":{\"x\":[0");
    for (int i = 1; i < 100000; i++)
        buf_printf(&body, ",%d", i % 10);
    buf_puts(&body, "]}}");
    CLEANUP(freep)
    char *url = xasprintf("http://127.0.0.1:%u/v2/models/late/invocations", net_port(h->net));
    const struct http_call c = {
        .method = "POST", .url = url, .body = buf_view(&body), .body_fd = -1, .token = "t"};
    json_t *j = NULL;
    must(http_json(&c, &j, &h->err), &h->err);
    json_t *rows = json_object_get(j, "predictions");
    assert_int_equal(json_array_size(rows), 100000);
    assert_true(json_number_value(json_object_get(json_array_get(rows, 99997), "score")) == 7);
    json_decref(j);
    buf_free(&body);
    expect(h, "/v2/models/late/invocations", ROW, 200, HIGH);
}

static void models_without_rows_run_one_by_one(void **state)
{
    struct house *h = *state;
    add_model(h, "grid", "fixed", PLAIN);
    deploy(h, "grid", "grid", "1");
    expect(
        h, "/v2/models/grid/infer",
        "{\"inputs\":[{\"name\":\"a\",\"shape\":[2,3],\"datatype\":\"FP32\",\"data\":[1,2,3,4,5,"
        "6]},{\"name\":\"b\",\"shape\":[2,3],\"datatype\":\"FP32\",\"data\":[[1,1,1],[2,2,2]]}]}",
        200,
        "{\"model_name\":\"grid\",\"model_version\":\"1\",\"outputs\":[{\"name\":\"sum\","
        "\"datatype\":\"FP32\",\"shape\":[2,3],\"data\":[2,3,4,6,7,8]}]}");
    expect(h, "/v2/models/grid/invocations", "{\"rows\":[]}", 501,
           "{\"error\":\"this model does not take rows of columns (send its tensors to "
           "/v2/models/grid/infer)\"}");
    add_model(h, "odd", "nonzero", PLAIN);
    deploy(h, "odd", "odd", "1");
    expect(h, "/v2/models/odd/infer",
           "{\"inputs\":[{\"name\":\"x\",\"shape\":[3],\"datatype\":\"FP32\",\"data\":[0,5,6]}]}",
           200,
           "{\"model_name\":\"odd\",\"model_version\":\"1\",\"outputs\":[{\"name\":\"places\","
           "\"datatype\":\"INT64\",\"shape\":[2,1],\"data\":[1,2]}]}");
}

int main(void)
{
#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        CASE(a_deployed_version_answers),
        CASE(endpoints_can_be_looked_at),
        CASE(a_bad_version_does_not_become_the_endpoint),
        CASE(removed_means_gone),
        CASE(endpoints_come_back_after_a_restart),
        CASE(swapping_versions_drops_no_request),
        CASE(one_bad_row_fails_one_request),
        CASE(large_requests_leave_the_loop),
        CASE(models_without_rows_run_one_by_one),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
