/* SPDX-License-Identifier: Apache-2.0
 *
 * What bench/predict measures against: the same doors as `tenon up` with the one model of DIR, and
 * a route that reads the same request and answers a constant of the same size.
 *
 *     predict_server model DIR          trains DIR/model.onnx on made-up flights; also row.json
 *     predict_server serve DIR LOOPS    prints its port, serves until its input ends
 *     predict_server ort DIR SECONDS    ONNX Runtime alone, one row at a time: runs per second
 */
#include "model/model.h"
#include "serve/serve.h"
#include "sys/clock.h"
#include "sys/fs.h"
#include "train/train.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { ROWS = 20000, NUMBERS = 10, TEXTS = 5, ROUNDS = 200 };

static const char *const numbers[NUMBERS] = {"month", "day",   "hour",     "minute",   "distance",
                                             "temp",  "humid", "wind_dir", "pressure", "seats"};
static const char *const texts[TEXTS] = {"carrier", "origin", "dest", "tailnum", "manufacturer"};
static const int categories[TEXTS] = {16, 3, 105, 2000, 30};

static int fail(const struct err *err)
{
    fprintf(stderr, "predict_server: error: %s\n", err->msg);
    return 1;
}

static uint64_t random_next(void)
{
    static uint64_t x = 88172645463325252u;
    x ^= x << 13, x ^= x >> 7, x ^= x << 17;
    return x;
}

static int make_table(struct table **ret, struct err *err)
{
    struct table *t = table_new(ROWS);
    int rc = 0;
    for (int i = 0; !rc && i < NUMBERS; i++)
        rc = table_add(t, numbers[i], COLUMN_NUMBER, err);
    for (int i = 0; !rc && i < TEXTS; i++)
        rc = table_add(t, texts[i], COLUMN_CATEGORY, err);
    rc = rc ? rc : table_add(t, "late", COLUMN_CATEGORY, err);
    for (int r = 0; !rc && r < ROWS; r++) {
        double late = 0;
        for (int i = 0; !rc && i < NUMBERS; i++) {
            double v = (double)(random_next() % 1000) / 10;
            late += sin(v * (i + 1) / 20);
            rc = table_number(t, (size_t)i, random_next() % 20 ? v : NAN, err);
        }
        for (int i = 0; !rc && i < TEXTS; i++) {
            char text[16];
            int code = (int)(random_next() % (uint64_t)categories[i]);
            late += cos(code);
            int n = snprintf(text, sizeof(text), "%c%05d", 'A' + i, code);
            rc = table_text(t, (size_t)(NUMBERS + i), str_n(text, (size_t)n), err);
        }
        rc = rc ? rc : table_text(t, NUMBERS + TEXTS, late > 1 ? S("true") : S("false"), err);
    }
    *ret = t;
    return rc;
}

static int write_file(const char *dir, const char *name, str bytes, struct err *err)
{
    CLEANUP(freep) char *path = fs_join(dir, name);
    return fs_write_atomic(path, bytes.p, bytes.n, 0644, err);
}

static int make_model(const char *dir)
{
    struct err err;
    struct table *t = NULL;
    struct trained *trained = NULL;
    struct train_spec spec = {.target = NUMBERS + TEXTS, .task = TASK_BINARY};
    int rc = make_table(&t, &err);
    rc = rc ? rc : train_params_read(NULL, &spec.params, &err);
    spec.table = t;
    spec.params.rounds = ROUNDS;
    rc = rc ? rc : train_fit(&spec, &trained, &err);
    if (rc)
        return fail(&err);
    CLEANUP(freep) char *signature = json_text(trained_signature(trained));
    struct buf row = BUF(4096);
    buf_puts(&row, "{\"rows\":[{");
    for (int i = 0; i < NUMBERS; i++)
        buf_printf(&row, "%s\"%s\":%d.%d", i ? "," : "", numbers[i], 10 + 7 * i, i);
    for (int i = 0; i < TEXTS; i++)
        buf_printf(&row, ",\"%s\":\"%c%05d\"", texts[i], 'A' + i, i);
    buf_puts(&row, "}]}");
    rc = write_file(dir, "model.onnx", trained_onnx(trained), &err);
    rc = rc ? rc : write_file(dir, "signature.json", str_from(signature), &err);
    rc = rc ? rc : write_file(dir, "row.json", buf_view(&row), &err);
    trained_free(trained);
    table_free(t);
    buf_free(&row);
    return rc ? fail(&err) : 0;
}

static int read_file(const char *dir, const char *name, struct buf *ret, struct err *err)
{
    CLEANUP(freep) char *path = fs_join(dir, name);
    return fs_read(path, 64 << 20, ret, err);
}

/* --- ONNX Runtime alone -------------------------------------------------------------------------
 */

static int ort_alone(const char *dir, int seconds)
{
    struct err err;
    struct ort *ort;
    struct session *s;
    struct buf bytes = BUF(64 << 20);
    int rc = read_file(dir, "model.onnx", &bytes, &err);
    rc = rc ? rc : ort_open(&ort, &err);
    rc = rc ? rc : session_open(ort, bytes.p, bytes.n, 1, &s, &err);
    if (rc)
        return fail(&err);
    float v = 12.5f;
    str text = S("A00001");
    struct tensor in[NUMBERS + TEXTS], out[2];
    const struct tensor_info *infos;
    size_t n = session_inputs(s, &infos);
    for (size_t i = 0; i < n; i++)
        in[i] = (struct tensor){.type = infos[i].type,
                                .rank = infos[i].rank,
                                .shape = {1, 1},
                                .data = infos[i].type == DT_BYTES ? (void *)&text : (void *)&v,
                                .count = 1};
    const unsigned wanted[] = {0, 1};
    int64_t end = clock_mono_ns() + (int64_t)seconds * 1000000000, start = clock_mono_ns();
    uint64_t runs = 0;
    for (; clock_mono_ns() < end && !rc; runs++) {
        struct outputs *o;
        rc = session_run(s, in, wanted, session_outputs(s, &infos), &o, out, &err);
        if (!rc)
            outputs_free(o);
    }
    if (rc)
        return fail(&err);
    printf("%.0f\n", (double)runs * 1e9 / (double)(clock_mono_ns() - start));
    session_unref(s);
    ort_close(ort);
    buf_free(&bytes);
    return 0;
}

/* --- the server ---------------------------------------------------------------------------------
 */

static int anyone(void *ctx, struct loop *loop, str bearer, str cookie, struct principal *ret,
                  struct err *err)
{
    (void)ctx, (void)loop, (void)bearer, (void)cookie, (void)err;
    *ret = (struct principal){.id = "bench", .project = "default", .perms = 31};
    return 0;
}

static int constant(struct request *rq, void *ctx, struct err *err)
{
    (void)ctx, (void)err;
    buf_puts(&rq->answer, "{\"predictions\":[{\"late\":\"false\",\"probability\":{\"false\":"
                          "0.8123456,\"true\":0.1876544}}]}");
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

static int deploy(struct store *store, struct serve *serve, const char *dir, struct err *err)
{
    char digest[65];
    json_t *signature = NULL;
    struct buf model = BUF(64 << 20), text = BUF(1 << 20);
    int rc = read_file(dir, "model.onnx", &model, err);
    rc = rc ? rc : read_file(dir, "signature.json", &text, err);
    rc = rc ? rc : json_parse(buf_view(&text), &signature, err);
    rc = rc ? rc : blob_put(store_blobs(store), model.p, model.n, digest, err);
    struct registering r = {
        .spec = {.project = "default", .model = "m", .digest = digest, .signature = signature}};
    rc = rc ? rc : store_write(store, register_now, &r, err);
    rc = rc ? rc : serve_deploy(serve, "default", "m", "m", S("latest"), "bench", err);
    json_decref(signature);
    buf_free(&model);
    buf_free(&text);
    return rc;
}

static int run_server(const char *dir, unsigned count)
{
    static const struct migration migrations[] = {{1, model_schema_1}, {2, serve_schema_1}};
    CLEANUP(freep) char *data = fs_join(dir, "data");
    const struct store_config config = {data, migrations, LENGTH(migrations)};
    struct err err;
    struct loops *loops;
    struct pool *pool;
    struct store *store;
    struct serve *serve;
    struct net *net;
    fs_remove_tree(data, NULL);
    int rc = loops_start(count, &loops, &err);
    rc = rc ? rc : pool_new("bench", 1, 64, &pool, &err);
    rc = rc ? rc : store_open(&config, &store, &err);
    rc = rc ? rc : serve_open(store, loops, &serve, &err);
    rc = rc ? rc : deploy(store, serve, dir, &err);
    if (rc)
        return fail(&err);
    const struct route routes[] = {
        {"POST", "/v2/models/{name}/invocations", ROUTE_FAST, PERM_PREDICT, 1 << 20,
         serve_invocations, serve, "", serve_error_shape},
        {"POST", "/constant", ROUTE_FAST, PERM_PREDICT, 1 << 20, constant, NULL, "", NULL},
    };
    const struct net_config door = {.host = "127.0.0.1",
                                    .routes = routes,
                                    .route_count = LENGTH(routes),
                                    .gate = {anyone, NULL},
                                    .pool = pool,
                                    .spool_dir = data};
    if (net_start(loops, &door, &net, &err))
        return fail(&err);
    printf("%u\n", net_port(net));
    fflush(stdout);
    while (getchar() != EOF)
        ;
    net_drain(net, 1000);
    serve_close(serve);
    pool_free(pool);
    loops_stop(loops);
    net_free(net);
    store_close(store);
    loops_free(loops);
    return 0;
}

int main(int argc, char **argv)
{
    if (argc == 3 && !strcmp(argv[1], "model"))
        return make_model(argv[2]);
    if (argc == 4 && !strcmp(argv[1], "serve"))
        return run_server(argv[2], (unsigned)atoi(argv[3]));
    if (argc == 4 && !strcmp(argv[1], "ort"))
        return ort_alone(argv[2], atoi(argv[3]));
    fprintf(stderr, "usage: predict_server model DIR | serve DIR LOOPS | ort DIR SECONDS\n");
    return 2;
}
