/* SPDX-License-Identifier: Apache-2.0
 *
 * tenon status, tenon doctor.
 */
#include "cli/cli_int.h"

#include "sys/dl.h"
#include "sys/fs.h"

#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

int cmd_status(struct cli *c, struct err *err)
{
    CLEANUP(json_freep) json_t *j = NULL;
    int rc = cli_get(c, &j, err, "/api/v1/status");
    if (rc)
        return rc;
    if (c->json) {
        print_json(j);
        return 0;
    }
    const json_t *n = json_object_get(j, "counts"), *slots = json_object_get(j, "slots");
    struct buf up = BUF(64), free_space = BUF(64), memory = BUF(64);
    print_duration(&up, json_i(j, "uptime_ms"));
    print_bytes(&free_space, json_i(j, "disk_free"));
    print_bytes(&memory, json_i(j, "rss"));
    printf("%stenon %s%s at %s, up %.*s\n\n", paint(c, BOLD), json_s(j, "version"), unpaint(c),
           json_s(j, "url"), STR(buf_view(&up)));
    printf("  project    %s\n  data       %s (%.*s free)\n  memory     %.*s\n",
           json_s(j, "project"), json_s(j, "data_dir"), STR(buf_view(&free_space)),
           STR(buf_view(&memory)));
    printf("  runs       %lld running of %lld; %lld of %lld slots busy\n",
           (long long)json_i(n, "runs_running"), (long long)json_i(n, "runs"),
           (long long)json_i(slots, "busy"), (long long)json_i(slots, "total"));
    printf("  datasets   %lld\n  models     %lld\n  endpoints  %lld\n",
           (long long)json_i(n, "datasets"), (long long)json_i(n, "models"),
           (long long)json_i(n, "endpoints"));
    const char *read_only = json_string_value(json_object_get(j, "read_only"));
    if (read_only)
        printf("\n%sstorage is read-only: %s%s\n", paint(c, RED), read_only, unpaint(c));
    buf_free(&up);
    buf_free(&free_space);
    buf_free(&memory);
    return 0;
}

/* One finding of the doctor. A finding without advice is good news. */
static bool finding(const struct cli *c, json_t *all, bool good, const char *what,
                    const char *advice)
{
    json_array_append_new(
        all, json_pack("{s:b,s:s,s:s}", "ok", good, "what", what, "advice", good ? "" : advice));
    if (!c->json) {
        printf("%s %s\n", status_mark(c, good ? "succeeded" : "failed"), what);
        if (!good)
            printf("    %s\n", advice);
    }
    return good;
}

static bool check_library(const struct cli *c, json_t *all, const char *title, const char *env,
                          const char *const *names)
{
    void *library;
    CLEANUP(freep) char *path = NULL;
    struct err err = {0};
    if (dl_open(env, names, &library, &path, &err))
        return finding(c, all, false, err.msg, err.hint);
    return finding(c, all, true, arena_printf(c->arena, "%s: %s", title, path), "");
}

static bool check_libraries(const struct cli *c, json_t *all)
{
    static const char *const ort[] = {"libonnxruntime.so", "libonnxruntime.so.1.21",
                                      "libonnxruntime.so.1", NULL};
    static const char *const duck[] = {"libduckdb.so", NULL};
    static const char *const trees[] = {"libxgboost.so.0", "libxgboost.so", NULL};
    bool good = check_library(c, all, "ONNX Runtime (serving)", "TENON_ORT", ort);
    good &= check_library(c, all, "DuckDB (data)", "TENON_DUCKDB", duck);
    return check_library(c, all, "XGBoost (training)", "TENON_XGBOOST", trees) && good;
}

static bool check_data_dir(const struct cli *c, json_t *all)
{
    const char *dir = cli_data_dir(c);
    struct stat st;
    if (stat(dir, &st) < 0)
        return finding(c, all, true, arena_printf(c->arena, "no data directory yet: %s", dir), "");
    bool good = finding(c, all, S_ISDIR(st.st_mode) && access(dir, W_OK) == 0,
                        arena_printf(c->arena, "data directory %s", dir),
                        "it must be a directory this user can write");
    CLEANUP(freep) char *token = fs_join(dir, "owner.token");
    if (stat(token, &st) == 0)
        good &= finding(c, all, (st.st_mode & 077) == 0, "owner.token is for its owner only",
                        arena_printf(c->arena, "others can read it: chmod 600 %s", token));
    int64_t space = fs_free(dir);
    struct buf b = BUF(64);
    print_bytes(&b, space);
    good &= finding(c, all, space > 1000000000,
                    arena_printf(c->arena, "%.*s free on its disk", STR(buf_view(&b))),
                    "free some space: below 1 GB runs will soon be refused");
    buf_free(&b);
    return good;
}

static bool check_server(struct cli *c, json_t *all)
{
    CLEANUP(json_freep) json_t *j = NULL;
    struct err err = {0};
    if (cli_get(c, &j, &err, "/api/v1/status"))
        return finding(c, all, false, err.msg, err.hint[0] ? err.hint : "see the server's log");
    bool writable = !json_is_string(json_object_get(j, "read_only"));
    return finding(
        c, all, writable,
        arena_printf(c->arena, "server %s at %s", json_s(j, "version"), json_s(j, "url")),
        "its storage is read-only; restart it once the disk is well");
}

int cmd_doctor(struct cli *c, struct err *err)
{
    CLEANUP(json_freep) json_t *all = json_array();
    bool good = check_libraries(c, all);
    good &= check_data_dir(c, all);
    good &= check_server(c, all);
    if (c->json)
        print_json(all);
    return good ? 0 : err_set(err, E_UNAVAILABLE, "not everything is well");
}
