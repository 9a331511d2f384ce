/* SPDX-License-Identifier: Apache-2.0
 *
 * tenon run: sends a pipeline with its files, then shows it live until it ends.
 *
 * The run belongs to the server: ending this command (Ctrl-C) does not end the run. The display
 * polls, so it survives a restart of the server as well.
 */
#include "cli/cli_int.h"

#include "pipeline/pipeline.h"
#include "sys/clock.h"
#include "sys/fs.h"

#include <signal.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { POLL_MS = 200, AWAY_MS = 60000, TAIL_BYTES = 4096, TAIL_LINES = 20, YAML_MAX = 4 << 20 };

static volatile sig_atomic_t interrupted;

static void on_interrupt(int sig)
{
    (void)sig;
    interrupted = 1;
}

/* --param k=v: the value is JSON if it reads as a number or a boolean, else text. */
static int collect_params(struct cli *c, json_t *params, struct err *err)
{
    for (int i = 0; i < c->n_given; i++) {
        if (strcmp(c->given[i].name, "param") != 0)
            continue;
        str key, value;
        if (!str_cut(str_from(c->given[i].value), '=', &key, &value) || !key.n)
            return err_set(err, E_INVALID, "--param %s: use NAME=VALUE", c->given[i].value);
        json_t *j = NULL;
        if (json_parse(value, &j, NULL) || json_is_string(j) || json_is_object(j) ||
            json_is_array(j) || json_is_null(j)) {
            json_decref(j);
            j = json_strn(value);
        }
        json_object_set_new(params, arena_cstr(c->arena, key), j);
    }
    return 0;
}

static int upload_files(struct cli *c, const struct pipeline_spec *spec, const char *dir,
                        json_t *files, struct err *err)
{
    const char *const *paths = NULL;
    size_t n = pipeline_files(spec, &paths);
    for (size_t i = 0; i < n; i++) {
        char digest[65];
        const char *path = arena_printf(c->arena, "%s/%s", dir, paths[i]);
        if (c->live)
            fprintf(stderr, "\r\x1b[Kuploading %s", paths[i]);
        int rc = cli_upload(c, path, digest, err);
        if (c->live)
            fprintf(stderr, "\r\x1b[K");
        if (rc)
            return rc;
        json_object_set_new(files, paths[i], json_string(digest));
    }
    return 0;
}

static int submit(struct cli *c, const char *file, const char *dir, str yaml, const json_t *params,
                  char ret_id[33], struct err *err)
{
    struct pipeline_spec *spec = NULL;
    CLEANUP(json_freep) json_t *files = json_object(), *answer = NULL;
    int rc = pipeline_parse(c->arena, file, yaml, params, &spec, err);
    rc = rc ? rc : upload_files(c, spec, dir, files, err);
    if (rc)
        return rc;
    CLEANUP(json_freep)
    json_t *body = json_pack("{s:s,s:o,s:O,s:O}", "file", file, "yaml", json_strn(yaml), "params",
                             params, "files", files);
    if (!body)
        return err_set(err, E_INVALID, "the file's name '%s' is not valid UTF-8", file);
    rc = cli_send(c, "POST", body, &answer, err, "/api/v1/runs");
    if (!rc)
        snprintf(ret_id, 33, "%s", json_s(answer, "id"));
    return rc;
}

static int64_t elapsed(const json_t *step)
{
    int64_t from = json_i(step, "started_at"), to = json_i(step, "ended_at");
    return from ? (to ? to : clock_ms()) - from : -1;
}

/* The last line a running step printed, so that progress is seen where it happens. */
static void last_line(struct cli *c, const char *run, const char *step, struct buf *out)
{
    struct http_answer answer = {0};
    const struct http_call call = {
        .method = "GET",
        .url = arena_printf(c->arena, "%s/api/v1/runs/%s/steps/%s/log?tail=400", c->url, run, step),
        .token = c->token,
        .body_fd = -1,
        .timeout_ms = 2000,
    };
    if (!http_do(&call, &answer, NULL) && answer.status == 200) {
        str line = str_trim(buf_view(&answer.body));
        for (size_t i = line.n; i > 0; i--) {
            if (line.p[i - 1] == '\n') {
                line = str_skip(line, i);
                break;
            }
        }
        for (size_t i = 0; i < line.n && out->n < 60; i++)
            if ((unsigned char)line.p[i] >= 0x20)
                buf_char(out, line.p[i]);
    }
    http_answer_free(&answer);
}

static void describe(struct cli *c, const char *run, const json_t *step, struct buf *out)
{
    const char *status = json_s(step, "status");
    if (strcmp(status, "running") == 0 && c->live)
        last_line(c, run, json_s(step, "name"), out);
    else if (strcmp(status, "failed") == 0)
        buf_puts(out, json_s(json_object_get(step, "error"), "message"));
    else
        buf_puts(out, json_s(step, "summary")[0] ? json_s(step, "summary") : json_s(step, "why"));
    if (out->n > 100)
        out->n = 100;
}

static size_t name_width(const json_t *steps)
{
    size_t i, width = 4;
    json_t *step;
    json_array_foreach (steps, i, step) {
        width = MAX(width, strlen(json_s(step, "name")));
    }
    return width;
}

static void step_line(struct cli *c, const char *run, const json_t *step, size_t width,
                      struct buf *out)
{
    struct buf time = BUF(64), text = BUF(4096);
    if (elapsed(step) >= 0)
        print_duration(&time, elapsed(step));
    describe(c, run, step, &text);
    buf_printf(out, "  %s %-*s %s%-8s%s %8.*s  %.*s", status_mark(c, json_s(step, "status")),
               (int)width, json_s(step, "name"), paint(c, DIM), json_s(step, "kind"), unpaint(c),
               STR(buf_view(&time)), STR(buf_view(&text)));
    const json_t *deps = json_object_get(step, "deps");
    size_t i;
    json_t *dep;
    if (!text.n && json_array_size(deps)) {
        buf_printf(out, "%s← ", paint(c, DIM));
        json_array_foreach ((json_t *)deps, i, dep) {
            buf_printf(out, "%s%s", i ? ", " : "", json_string_value(dep));
        }
        buf_puts(out, unpaint(c));
    }
    buf_free(&time);
    buf_free(&text);
}

/* Redraws the whole table in place; returns the number of lines it took. */
static int draw(struct cli *c, const json_t *run, int lines_before)
{
    const json_t *steps = json_object_get(run, "steps");
    size_t i, width = name_width(steps);
    json_t *step;
    struct buf out = BUF(1 << 20);
    if (lines_before)
        buf_printf(&out, "\x1b[%dA", lines_before);
    json_array_foreach ((json_t *)steps, i, step) {
        buf_puts(&out, "\x1b[K");
        step_line(c, json_s(run, "id"), step, width, &out);
        buf_char(&out, '\n');
    }
    fwrite(out.p, 1, out.n, stdout);
    fflush(stdout);
    buf_free(&out);
    return (int)json_array_size(steps);
}

/* Without a terminal: one line for each change of a step. */
static void print_changes(struct cli *c, const json_t *run, json_t *seen)
{
    const json_t *steps = json_object_get(run, "steps");
    size_t i, width = name_width(steps);
    json_t *step;
    json_array_foreach ((json_t *)steps, i, step) {
        const char *name = json_s(step, "name"), *status = json_s(step, "status");
        if (strcmp(json_s(seen, name), status) == 0 || strcmp(status, "waiting") == 0)
            continue;
        json_object_set_new(seen, name, json_string(status));
        if (strcmp(status, "queued") == 0)
            continue;
        struct buf line = BUF(8192);
        step_line(c, json_s(run, "id"), step, width, &line);
        printf("%.*s\n", STR(buf_view(&line)));
        fflush(stdout);
        buf_free(&line);
    }
}

static void print_tail(struct cli *c, const char *run, const json_t *step)
{
    struct http_answer answer = {0};
    const struct http_call call = {
        .method = "GET",
        .url = arena_printf(c->arena, "%s/api/v1/runs/%s/steps/%s/log?tail=%d", c->url, run,
                            json_s(step, "name"), TAIL_BYTES),
        .token = c->token,
        .body_fd = -1,
    };
    if (!http_do(&call, &answer, NULL) && answer.status == 200 && answer.body.n) {
        str text = str_trim(buf_view(&answer.body));
        size_t start = text.n, lines = 0;
        while (start && (lines += text.p[start - 1] == '\n') < TAIL_LINES)
            start--;
        fprintf(stderr, "\n%s── log of %s ──%s\n%.*s\n", paint(c, DIM), json_s(step, "name"),
                unpaint(c), STR(str_skip(text, start)));
    }
    http_answer_free(&answer);
}

static int report_end(struct cli *c, const json_t *run, struct err *err)
{
    const char *id = json_s(run, "id"), *status = json_s(run, "status");
    struct buf took = BUF(64);
    print_duration(&took, elapsed(run) >= 0 ? elapsed(run)
                                            : json_i(run, "ended_at") - json_i(run, "created_at"));
    printf("\n%s %s %s in %.*s\n", status_mark(c, status), json_s(run, "pipeline"), status,
           STR(buf_view(&took)));
    buf_free(&took);
    if (strcmp(status, "succeeded") == 0)
        return 0;
    size_t i;
    json_t *step;
    json_array_foreach (json_object_get(run, "steps"), i, step) {
        if (strcmp(json_s(step, "status"), "failed") != 0)
            continue;
        print_tail(c, id, step);
        const json_t *why = json_object_get(step, "error");
        int rc = err_set(err, E_IO, "step '%s' failed: %s", json_s(step, "name"),
                         json_s(why, "message"));
        return json_s(why, "hint")[0]
                   ? err_hint(rc, err, "%s", json_s(why, "hint"))
                   : err_hint(rc, err, "the whole log: tenon logs %s %s", id, json_s(step, "name"));
    }
    return err_set(err, E_CANCELLED, "the run was %s", status);
}

static void nap(int ms)
{
    struct timespec t = {ms / 1000, (long)(ms % 1000) * 1000000};
    nanosleep(&t, NULL);
}

static int follow(struct cli *c, const char *id, json_t **ret, struct err *err)
{
    CLEANUP(json_freep) json_t *seen = json_object();
    int lines = 0;
    int64_t away_since = 0;
    while (!interrupted) {
        CLEANUP(json_freep) json_t *run = NULL;
        int rc = cli_get(c, &run, err, "/api/v1/runs/%s", id);
        if (rc == E_UNAVAILABLE || rc == E_BUSY) {
            away_since = away_since ? away_since : clock_ms();
            if (clock_ms() - away_since > AWAY_MS)
                return rc;
            nap(POLL_MS);
            continue; /* it may be restarting; the run goes on without us */
        }
        if (rc)
            return rc;
        away_since = 0;
        if (c->live)
            lines = draw(c, run, lines);
        else if (!c->json)
            print_changes(c, run, seen);
        if (strcmp(json_s(run, "status"), "running") != 0) {
            *ret = json_incref(run);
            return 0;
        }
        nap(POLL_MS);
    }
    fprintf(stderr,
            "\nthe run goes on. Watch it: tenon runs show %s   Stop it: tenon runs cancel %s\n", id,
            id);
    return 0;
}

int run_and_follow(struct cli *c, const char *file, const char *dir, str yaml, const json_t *params,
                   bool detach, struct err *err)
{
    char run_id[33];
    int rc = cli_connect(c, err);
    rc = rc ? rc : submit(c, file, dir, yaml, params, run_id, err);
    if (rc)
        return rc;
    if (detach) {
        printf(c->json ? "{\"id\":\"%s\"}\n" : "%s\n", run_id);
        return 0;
    }
    if (!c->json)
        printf("%srun%s %s\n", paint(c, BOLD), unpaint(c), run_id);
    signal(SIGINT, on_interrupt);
    CLEANUP(json_freep) json_t *run = NULL;
    rc = follow(c, run_id, &run, err);
    if (rc || !run)
        return rc;
    if (c->json) {
        print_json(run);
        return strcmp(json_s(run, "status"), "succeeded") == 0
                   ? 0
                   : err_set(err, E_IO, "the run %s", json_s(run, "status"));
    }
    return report_end(c, run, err);
}

int cmd_run(struct cli *c, struct err *err)
{
    const char *file = c->args[0];
    struct buf yaml = BUF(YAML_MAX);
    CLEANUP(json_freep) json_t *params = json_object();
    int rc = collect_params(c, params, err);
    rc = rc ? rc : fs_read(file, YAML_MAX, &yaml, err);
    if (rc)
        return rc;
    CLEANUP(freep) char *dir = fs_dirname(file);
    rc = run_and_follow(c, file, dir, buf_view(&yaml), params, cli_switch(c, "detach"), err);
    buf_free(&yaml);
    return rc;
}
