/* SPDX-License-Identifier: Apache-2.0
 *
 * Composition: builds the rooms from the ground up, passes them to each other, waits for a signal,
 * and takes them down again. No logic lives here.
 *
 * One program, four roles: `tenon up` is the server, `tenon shim` the parent of one attempt,
 * `tenon step` a built-in step, and everything else the command line.
 */
#include "access/access.h"
#include "api/api.h"
#include "base/log.h"
#include "cli/cli.h"
#include "compute/compute.h"
#include "data/data.h"
#include "model/model.h"
#include "net/net.h"
#include "pipeline/pipeline.h"
#include "serve/serve.h"
#include "step/step.h"
#include "store/store.h"
#include "sys/clock.h"
#include "sys/fs.h"
#include "sys/loop.h"
#include "sys/pool.h"
#include "sys/spawn.h"
#include "track/track.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

enum {
    API_THREADS = 16,
    API_QUEUE = 1024,
    DESCRIPTORS = 65536,
    DRAIN_MS = 10000,
    LINK_MS = 30 * 60 * 1000,
    ATTEMPT_TOKEN_MS = 24 * 3600 * 1000,
};

/* Every table there is, in the order it came to be. Never edited after a release: appended to. */
static const struct migration migrations[] = {
    {1, access_schema_1}, {2, data_schema_1},     {3, model_schema_1},
    {4, track_schema_1},  {5, pipeline_schema_1}, {6, serve_schema_1},
};

/* The whole server. Fields are in the order in which they are built; taken down in reverse. */
struct server {
    char *data_dir, *binary, *spool_dir, *info_path;
    struct loops *loops;
    struct pool *pool;
    struct store *store;
    struct access *access;
    struct serve *serve;
    struct engine *engine;
    struct route *routes;
    struct net *net;
    struct api api;
};

static int attempt_token(void *ctx, const char *project, char ret[64], struct err *err)
{
    struct server *s = ctx;
    char token_id[33];
    const struct token_spec spec = {.name = "attempt",
                                    .project = project,
                                    .role = "editor",
                                    .kind = "attempt",
                                    .ttl_ms = ATTEMPT_TOKEN_MS};
    return access_token_create(s->access, &spec, token_id, ret, err);
}

static int attempt_over(void *ctx, const char *token, struct err *err)
{
    struct server *s = ctx;
    return access_token_revoke_secret(s->access, str_from(token), err);
}

static void wake_streams(void *ctx, int64_t last_seq)
{
    struct server *s = ctx;
    (void)last_seq;
    if (s->net)
        net_wake(s->net);
}

/* The directory is ours alone: created for the owner only; the store locks it. */
static int open_data_dir(struct server *s, const char *dir, struct err *err)
{
    int rc = fs_mkdirs(dir, 0700, err);
    if (rc)
        return rc;
    s->data_dir = realpath(dir, NULL);
    if (!s->data_dir)
        return err_errno(err, errno, "open %s", dir);
    s->info_path = fs_join(s->data_dir, "server.json");
    s->spool_dir = fs_join(s->data_dir, "tmp");
    return fs_mkdirs(s->spool_dir, 0700, err);
}

static int open_rooms(struct server *s, struct err *err)
{
    const struct store_config store = {
        .dir = s->data_dir, .migrations = migrations, .migration_count = LENGTH(migrations)};
    int rc = loops_start(0, &s->loops, err);
    rc = rc ? rc : pool_new("api", API_THREADS, API_QUEUE, &s->pool, err);
    rc = rc ? rc : store_open(&store, &s->store, err);
    rc = rc ? rc : access_open(s->store, s->loops, s->data_dir, &s->access, err);
    rc = rc ? rc : serve_open(s->store, s->loops, &s->serve, err);
    if (rc)
        return rc;
    const struct engine_config engine = {.store = s->store,
                                         .data_dir = s->data_dir,
                                         .binary = s->binary,
                                         .attempt_token = attempt_token,
                                         .attempt_over = attempt_over,
                                         .ctx = s};
    return engine_start(&engine, &s->engine, err);
}

static int open_door(struct server *s, const struct up_options *o, struct err *err)
{
    s->api = (struct api){.store = s->store,
                          .access = s->access,
                          .engine = s->engine,
                          .serve = s->serve,
                          .data_dir = s->data_dir,
                          .started_ms = clock_ms()};
    struct net_config net = {.host = o->host,
                             .port = o->port,
                             .gate = access_gate(s->access),
                             .pool = s->pool,
                             .spool_dir = s->spool_dir};
    s->routes = api_routes(&s->api, &net.route_count);
    net.routes = s->routes;
    int rc = net_start(s->loops, &net, &s->net, err);
    if (rc)
        return rc;
    bool v6 = strchr(o->host, ':') != NULL;
    snprintf(s->api.url, sizeof(s->api.url), "http://%s%s%s:%u", v6 ? "[" : "", o->host,
             v6 ? "]" : "", net_port(s->net));
    s->api.net = s->net;
    store_on_event(s->store, wake_streams, s);
    engine_set_url(s->engine, s->api.url);
    CLEANUP(freep)
    char *info = xasprintf("{\"url\":\"%s\",\"pid\":%d}\n", s->api.url, (int)getpid());
    return fs_write_atomic(s->info_path, info, strlen(info), 0600, err);
}

static int greet(struct server *s, int64_t began_ns, struct err *err)
{
    char token_id[33], secret[TOKEN_MAX];
    const struct token_spec link = {
        .name = "owner", .project = "default", .role = "owner", .kind = "link", .ttl_ms = LINK_MS};
    int rc = access_token_create(s->access, &link, token_id, secret, err);
    if (rc)
        return rc;
    printf("Tenon %s is ready at %s (%lld ms)\n\n"
           "  console   %s/#link=%s\n"
           "            works once, for 30 minutes; another: tenon token link\n"
           "  data      %s\n"
           "  token     %s/owner.token\n"
           "  predict   curl -H \"Authorization: Bearer $(cat %s/owner.token)\" \\\n"
           "              -d '{\"rows\":[…]}' %s/v2/models/NAME/invocations\n"
           "  next      tenon run examples/flights/pipeline.yaml\n",
           TENON_VERSION, s->api.url, (long long)((clock_mono_ns() - began_ns) / 1000000),
           s->api.url, secret, s->data_dir, s->data_dir, s->data_dir, s->api.url);
    fflush(stdout);
    log_info("server_ready", "url=%s data=%s pid=%d", s->api.url, s->data_dir, (int)getpid());
    return 0;
}

/* No new requests, the handlers still at work, no new attempts, then what they stood on. */
static void close_all(struct server *s)
{
    if (s->net)
        net_drain(s->net, DRAIN_MS);
    if (s->pool)
        pool_free(s->pool);
    if (s->engine)
        engine_stop(s->engine);
    if (s->serve)
        serve_close(s->serve);
    if (s->loops)
        loops_stop(s->loops);
    if (s->net)
        net_free(s->net);
    if (s->access)
        access_close(s->access);
    if (s->store)
        store_close(s->store);
    if (s->loops)
        loops_free(s->loops);
    if (s->info_path && s->net)
        unlink(s->info_path);
    free(s->routes);
    free(s->info_path);
    free(s->spool_dir);
    free(s->binary);
    free(s->data_dir);
}

static int wait_for_signal(const sigset_t *set)
{
    int sig = 0;
    while (sigwait(set, &sig) == EINTR)
        ;
    log_info("server_stopping", "signal=%d", sig);
    return 0;
}

/* The usual 1,024 descriptors are for programs that use select(); connections want more. */
static void raise_descriptors(void)
{
    struct rlimit files;
    if (getrlimit(RLIMIT_NOFILE, &files) || files.rlim_cur >= DESCRIPTORS)
        return;
    files.rlim_cur = MIN(files.rlim_max, (rlim_t)DESCRIPTORS);
    setrlimit(RLIMIT_NOFILE, &files);
}

static int up(const struct up_options *o, struct err *err)
{
    int64_t began = clock_mono_ns();
    /* Blocked before any thread exists, so that all inherit it and only sigwait sees them. */
    sigset_t stop;
    sigemptyset(&stop);
    sigaddset(&stop, SIGTERM);
    sigaddset(&stop, SIGINT);
    sigaddset(&stop, SIGHUP);
    pthread_sigmask(SIG_BLOCK, &stop, NULL);
    signal(SIGPIPE, SIG_IGN);
    raise_descriptors();
    struct server s = {.binary = spawn_self()};
    int rc = open_data_dir(&s, o->data_dir, err);
    rc = rc ? rc : open_rooms(&s, err);
    rc = rc ? rc : open_door(&s, o, err);
    rc = rc ? rc : greet(&s, began, err);
    rc = rc ? rc : wait_for_signal(&stop);
    close_all(&s);
    return rc;
}

int main(int argc, char **argv)
{
    if (argc == 3 && strcmp(argv[1], "shim") == 0)
        return shim_main(argv[2]);
    if (argc == 3 && strcmp(argv[1], "step") == 0)
        return step_main(argv[2]);
    return cli_main(argc, argv, &(struct cli_hooks){.up = up});
}
