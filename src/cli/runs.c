/* SPDX-License-Identifier: Apache-2.0
 *
 * tenon runs, tenon logs. RUN may be an id, the beginning of one, or "latest".
 */
#include "cli/cli_int.h"

#include <string.h>

static void cell_steps(const struct cli *c, const json_t *row, const char *member, struct buf *out)
{
    (void)c, (void)member;
    buf_printf(out, "%lld/%lld", (long long)json_i(row, "steps_done"),
               (long long)json_i(row, "steps_total"));
}

static void cell_took(const struct cli *c, const json_t *row, const char *member, struct buf *out)
{
    (void)c, (void)member;
    if (json_i(row, "ended_at"))
        print_duration(out, json_i(row, "ended_at") - json_i(row, "created_at"));
}

int cmd_runs_list(struct cli *c, struct err *err)
{
    static const struct column columns[] = {{"RUN", "id", cell_text},
                                            {"PIPELINE", "pipeline", cell_text},
                                            {"STATUS", "status", cell_status},
                                            {"STEPS", NULL, cell_steps},
                                            {"STARTED", "created_at", cell_ago},
                                            {"TOOK", NULL, cell_took}};
    int64_t limit;
    CLEANUP(json_freep) json_t *j = NULL;
    int rc = cli_option_i64(c, "limit", 20, &limit, err);
    rc = rc ? rc : cli_get(c, &j, err, "/api/v1/runs?limit=%lld", (long long)limit);
    if (rc)
        return rc;
    if (c->json)
        print_json(j);
    else
        print_table(c, json_object_get(j, "runs"), columns, LENGTH(columns),
                    "run one with: tenon run pipeline.yaml");
    return 0;
}

static int find_run(struct cli *c, const char *wanted, char ret[33], struct err *err)
{
    id exact;
    if (id_parse(str_from(wanted), &exact)) {
        memcpy(ret, exact.s, 33);
        return 0;
    }
    CLEANUP(json_freep) json_t *j = NULL;
    int rc = cli_get(c, &j, err, "/api/v1/runs?limit=1000");
    if (rc)
        return rc;
    size_t i, hits = 0;
    json_t *run;
    json_array_foreach (json_object_get(j, "runs"), i, run) {
        bool latest = strcmp(wanted, "latest") == 0;
        if (!latest && !str_starts(str_from(json_s(run, "id")), str_from(wanted)))
            continue;
        if (!hits++)
            snprintf(ret, 33, "%s", json_s(run, "id"));
        if (latest)
            break;
    }
    if (hits == 1)
        return 0;
    if (hits)
        return err_hint(err_set(err, E_INVALID, "%zu runs start with '%s'", hits, wanted), err,
                        "type more of the id");
    return err_hint(err_set(err, E_NOTFOUND, "no run '%s'", wanted), err,
                    "list them with: tenon runs list");
}

static void cell_step_took(const struct cli *c, const json_t *row, const char *member,
                           struct buf *out)
{
    (void)c, (void)member;
    if (json_i(row, "ended_at") && json_i(row, "started_at"))
        print_duration(out, json_i(row, "ended_at") - json_i(row, "started_at"));
}

static void cell_note(const struct cli *c, const json_t *row, const char *member, struct buf *out)
{
    const json_t *error = json_object_get(row, "error");
    (void)c, (void)member;
    buf_puts(out, json_is_object(error)       ? json_s(error, "message")
                  : json_s(row, "summary")[0] ? json_s(row, "summary")
                                              : json_s(row, "why"));
}

int cmd_runs_show(struct cli *c, struct err *err)
{
    static const struct column columns[] = {{"STEP", "name", cell_text},
                                            {"KIND", "kind", cell_text},
                                            {"STATUS", "status", cell_status},
                                            {"TOOK", NULL, cell_step_took},
                                            {"", NULL, cell_note}};
    char run[33];
    CLEANUP(json_freep) json_t *j = NULL;
    int rc = find_run(c, c->args[0], run, err);
    rc = rc ? rc : cli_get(c, &j, err, "/api/v1/runs/%s", run);
    if (rc)
        return rc;
    if (c->json) {
        print_json(j);
        return 0;
    }
    printf("%s%s%s  %s %s  run %s by %s\n\n", paint(c, BOLD), json_s(j, "pipeline"), unpaint(c),
           status_mark(c, json_s(j, "status")), json_s(j, "status"), run, json_s(j, "who"));
    print_table(c, json_object_get(j, "steps"), columns, LENGTH(columns), "no steps");
    return 0;
}

int cmd_runs_cancel(struct cli *c, struct err *err)
{
    char run[33];
    CLEANUP(json_freep) json_t *j = NULL;
    int rc = find_run(c, c->args[0], run, err);
    rc = rc ? rc : cli_send(c, "POST", NULL, &j, err, "/api/v1/runs/%s/cancel", run);
    if (!rc)
        fprintf(stderr, "cancelling %s\n", run);
    return rc;
}

static int print_piece(void *ctx, str piece)
{
    (void)ctx;
    return fwrite(piece.p, 1, piece.n, stdout) != piece.n || fflush(stdout) != 0;
}

/* Checked before the stream starts, so that a typo is an error with advice and not bytes. */
static int check_step(struct cli *c, const char *run, const char *step, struct err *err)
{
    const char *names[256];
    size_t i, n = 0;
    json_t *each;
    CLEANUP(json_freep) json_t *j = NULL;
    int rc = cli_get(c, &j, err, "/api/v1/runs/%s", run);
    if (rc)
        return rc;
    json_array_foreach (json_object_get(j, "steps"), i, each) {
        if (strcmp(json_s(each, "name"), step) == 0)
            return 0;
        if (n < LENGTH(names))
            names[n++] = json_s(each, "name");
    }
    const char *near = str_nearest(str_from(step), names, n);
    rc = err_set(err, E_NOTFOUND, "the run has no step '%s'", step);
    return near ? err_hint(rc, err, "did you mean '%s'?", near)
                : err_hint(rc, err, "see its steps with: tenon runs show %s", run);
}

/* Also before it starts: an error is for standard error, in its own words. */
static int check_log(struct cli *c, const char *path, struct err *err)
{
    struct http_answer answer = {0};
    const struct http_call call = {.method = "HEAD",
                                   .url = arena_printf(c->arena, "%s%s", c->url, path),
                                   .token = c->token,
                                   .body_fd = -1};
    CLEANUP(json_freep) json_t *none = NULL;
    int rc = http_do(&call, &answer, err);
    if (!rc && answer.status != 200)
        rc = cli_get(c, &none, err, "%s", path);
    http_answer_free(&answer);
    return rc;
}

int cmd_logs(struct cli *c, struct err *err)
{
    enum { DAY_MS = 24 * 3600 * 1000, MINUTE_MS = 60000 };
    char run[33];
    int64_t attempt, tail;
    bool follow = cli_switch(c, "follow");
    int rc = cli_option_i64(c, "attempt", 0, &attempt, err);
    rc = rc ? rc : cli_option_i64(c, "tail", 0, &tail, err);
    rc = rc ? rc : find_run(c, c->args[0], run, err);
    rc = rc ? rc : cli_connect(c, err);
    rc = rc ? rc : check_step(c, run, c->args[1], err);
    if (rc)
        return rc;
    const char *path =
        arena_printf(c->arena, "/api/v1/runs/%s/steps/%s/log?attempt=%lld&tail=%lld&follow=%d", run,
                     c->args[1], (long long)attempt, (long long)tail, follow);
    rc = check_log(c, path, err);
    if (rc)
        return rc;
    struct http_answer answer = {0};
    const struct http_call call = {
        .method = "GET",
        .url = arena_printf(c->arena, "%s%s", c->url, path),
        .token = c->token,
        .body_fd = -1,
        .timeout_ms = follow ? DAY_MS : MINUTE_MS,
        .on_data = print_piece,
    };
    rc = http_do(&call, &answer, err);
    if (!rc && answer.status != 200)
        rc = err_set(err, E_NOTFOUND, "no log of attempt %lld (HTTP %d)", (long long)attempt,
                     answer.status);
    http_answer_free(&answer);
    return rc;
}
