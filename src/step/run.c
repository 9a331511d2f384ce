/* SPDX-License-Identifier: Apache-2.0
 *
 * kind: run. Any command, with datasets in and datasets, artifacts and metrics out.
 *
 *   {command: [argv] or a line for /bin/sh, env: {K: V}, inputs: [dataset] or {alias: dataset},
 *    outputs: {dataset: file}, artifacts: [file] or {name: file}, files: [path], model: step}
 *
 * The command finds each input as a folder of Parquet files, inputs/ALIAS/ *.parquet, and in the
 * environment TENON_INPUT_ALIAS (that folder), TENON_URL, TENON_TOKEN, TENON_PROJECT, TENON_RUN,
 * TENON_STEP, TENON_ATTEMPT and, with `model`, TENON_MODEL (a file). The running tenon is first in
 * PATH. It may leave metrics.json, an object of numbers or lists of numbers, and signature.json for
 * an artifact "model".
 *
 * It stays in our process group, so the shim's signals reach it; its exit status is ours.
 */
#include "step/step_int.h"

#include "base/vec.h"
#include "sys/fs.h"
#include "sys/spawn.h"

#include <ctype.h>
#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

enum { REPORT_MAX = 16 << 20, SIGNAL_BASE = 128 };

extern char **environ;

struct command {
    struct step_context *c;
    VEC(const char *) argv, env; /* strings live in the arena */
};

static int read_command(struct command *cmd, struct err *err)
{
    const json_t *said = json_object_get(cmd->c->with, "command");
    size_t i;
    json_t *word;
    if (json_is_string(said)) {
        *vec_push(&cmd->argv) = "/bin/sh";
        *vec_push(&cmd->argv) = "-c";
        *vec_push(&cmd->argv) = json_string_value(said);
    } else if (json_array_size(said) == 0) {
        return err_set(err, E_INVALID, "'command' must be a list of words or a line for the shell");
    }
    json_array_foreach (said, i, word) {
        if (!json_is_string(word))
            return err_hint(
                err_set(err, E_INVALID, "word %zu of 'command' is %s", i + 1, json_kind(word)), err,
                "quote it");
        *vec_push(&cmd->argv) = json_string_value(word);
    }
    *vec_push(&cmd->argv) = NULL;
    return 0;
}

/* Replaces a variable of that name: the user's replace inherited ones, ours replace the user's. */
static void set_env(struct command *cmd, const char *name, const char *value)
{
    size_t n = strlen(name);
    vec_each (&cmd->env, e)
        if (!strncmp(*e, name, n) && (*e)[n] == '=') {
            *e = arena_printf(cmd->c->arena, "%s=%s", name, value);
            return;
        }
    *vec_push(&cmd->env) = arena_printf(cmd->c->arena, "%s=%s", name, value);
}

static int set_user_env(struct command *cmd, struct err *err)
{
    const char *name;
    json_t *value;
    json_object_foreach (json_object_get(cmd->c->with, "env"), name, value) {
        CLEANUP(freep) char *text = json_text(value);
        if (!name[0] || strchr(name, '=') || json_is_array(value) || json_is_object(value))
            return err_set(err, E_INVALID, "env: '%s' must be a name with one value", name);
        set_env(cmd, name,
                json_is_string(value) ? json_string_value(value)
                : json_is_null(value) ? ""
                                      : text);
    }
    return 0;
}

static char *input_variable(struct arena *a, const char *alias)
{
    char *name = arena_printf(a, "TENON_INPUT_%s", alias);
    for (char *at = name; *at; at++)
        *at = isalnum((unsigned char)*at) ? (char)toupper((unsigned char)*at) : '_';
    return name;
}

/* inputs/ALIAS/FILE for every pinned file, as links: the lake's files are large and read-only. */
static int link_input(struct command *cmd, const char *alias, const json_t *snapshot,
                      struct err *err)
{
    size_t i;
    json_t *file;
    if (!str_is_name(str_from(alias)))
        return err_set(err, E_INVALID, "'%s' is no name for an input", alias);
    CLEANUP(freep) char *dir = xasprintf("inputs/%s", alias);
    int rc = fs_mkdirs(dir, 0700, err);
    json_array_foreach (json_object_get(snapshot, "files"), i, file) {
        const char *path = json_s(file, "path"), *slash = strrchr(path, '/');
        CLEANUP(freep) char *from = fs_join(json_s(snapshot, "dir"), path);
        CLEANUP(freep) char *to = fs_join(dir, slash ? slash + 1 : path);
        if (!rc && symlink(from, to) < 0 && errno != EEXIST)
            rc = err_errno(err, errno, "link %s", to);
    }
    CLEANUP(freep) char *full = realpath(dir, NULL);
    if (!rc && full)
        set_env(cmd, input_variable(cmd->c->arena, alias), full);
    return rc;
}

static int link_inputs(struct command *cmd, struct err *err)
{
    const char *alias;
    json_t *snapshot;
    int rc = 0;
    json_object_foreach (json_object_get(cmd->c->attempt, "inputs"), alias, snapshot)
        if (!rc)
            rc = link_input(cmd, alias, snapshot, err);
    return rc;
}

/* model: the step whose model the command uses, laid out as model.onnx. */
static int export_model(struct command *cmd, struct blobs *b, struct err *err)
{
    const json_t *result;
    const char *step;
    int rc = step_text(cmd->c, "model", "", &step, err);
    if (rc || !step[0])
        return rc;
    rc = step_upstream(cmd->c, step, &result, err);
    if (rc)
        return rc;
    const json_t *model = json_object_get(json_object_get(result, "artifacts"), "model");
    if (!model)
        return err_set(err, E_INVALID, "step '%s' made no artifact 'model'", step);
    rc = blob_export(b, json_s(model, "digest"), "model.onnx", err);
    CLEANUP(freep) char *full = realpath("model.onnx", NULL);
    if (!rc && full)
        set_env(cmd, "TENON_MODEL", full);
    return rc;
}

static void set_path(struct command *cmd)
{
    CLEANUP(freep) char *self = spawn_self();
    CLEANUP(freep) char *dir = self ? fs_dirname(self) : NULL;
    const char *path = getenv("PATH");
    if (dir)
        set_env(cmd, "PATH",
                arena_printf(cmd->c->arena, "%s:%s", dir, path ? path : "/usr/bin:/bin"));
}

static int set_environment(struct command *cmd, struct blobs *b, struct err *err)
{
    const struct step_context *c = cmd->c;
    for (char **e = environ; *e; e++)
        *vec_push(&cmd->env) = *e;
    set_path(cmd);
    int rc = set_user_env(cmd, err);
    set_env(cmd, "TENON_URL", json_s(c->attempt, "url"));
    set_env(cmd, "TENON_TOKEN", json_s(c->attempt, "token"));
    set_env(cmd, "TENON_PROJECT", c->project);
    set_env(cmd, "TENON_RUN", c->run);
    set_env(cmd, "TENON_STEP", c->step);
    set_env(cmd, "TENON_ATTEMPT", c->attempt_id);
    if (!rc)
        rc = link_inputs(cmd, err);
    if (!rc)
        rc = export_model(cmd, b, err);
    *vec_push(&cmd->env) = NULL;
    return rc;
}

static int run_command(struct command *cmd, struct err *err)
{
    struct spawn s = {.argv = cmd->argv.p, .env = cmd->env.p, .in = -1, .out = 1, .errfd = 2};
    pid_t pid;
    int status, rc = spawn(&s, &pid, err);
    if (rc)
        return rc;
    while (waitpid(pid, &status, 0) < 0)
        if (errno != EINTR)
            return err_errno(err, errno, "wait for the command");
    if (WIFSIGNALED(status)) {
        cmd->c->exit_code = SIGNAL_BASE + WTERMSIG(status);
        return err_set(err, E_IO, "the command was ended by signal %d (%s)", WTERMSIG(status),
                       strsignal(WTERMSIG(status)));
    }
    cmd->c->exit_code = WEXITSTATUS(status);
    if (cmd->c->exit_code == 0)
        return 0;
    rc = err_set(err, E_IO, "the command ended with exit status %d", cmd->c->exit_code);
    return cmd->c->exit_code == 127 ? err_hint(rc, err, "127: the shell did not find the command")
                                    : err_hint(rc, err, "what it said is above");
}

static bool is_metric(const json_t *v)
{
    size_t i;
    json_t *point;
    if (!json_is_array(v))
        return json_is_number(v);
    json_array_foreach (v, i, point)
        if (!json_is_number(point))
            return false;
    return true;
}

/* An object the command may have written; *ret stays NULL if it did not. */
static int read_report(const char *file, json_t **ret, struct err *err)
{
    struct buf text = {0};
    if (!fs_exists(file))
        return 0;
    int rc = fs_read(file, REPORT_MAX, &text, err);
    if (!rc)
        rc = json_parse(buf_view(&text), ret, err);
    buf_free(&text);
    if (!rc)
        rc = json_need_object(*ret, "the file", err);
    return rc ? err_wrap(err, "%s", file) : 0;
}

static int read_metrics(struct step_context *c, struct err *err)
{
    CLEANUP(json_freep) json_t *metrics = NULL;
    json_t *value;
    const char *key;
    int rc = read_report("metrics.json", &metrics, err);
    if (rc || !metrics)
        return rc;
    json_object_foreach (metrics, key, value)
        if (!is_metric(value))
            return err_set(err, E_INVALID,
                           "metrics.json: '%s' must be a number or a list of numbers, got %s", key,
                           json_kind(value));
    json_object_set(c->result, "metrics", metrics);
    return 0;
}

/* What makes an artifact 'model' servable: its inputs and outputs (model/model.h). */
static int read_signature(struct step_context *c, struct err *err)
{
    CLEANUP(json_freep) json_t *signature = NULL;
    int rc = read_report("signature.json", &signature, err);
    if (!rc && signature)
        json_object_set(c->result, "signature", signature);
    return rc;
}

static int need_file(const char *key, const char *name, const json_t *file, struct err *err)
{
    if (!json_is_string(file))
        return err_set(err, E_INVALID, "%s: '%s' must name a file, got %s", key, name,
                       json_kind(file));
    int rc = step_check_path(str_from(json_string_value(file)), err);
    if (rc)
        return rc;
    struct stat st;
    if (stat(json_string_value(file), &st) < 0 || !S_ISREG(st.st_mode))
        return err_hint(err_set(err, E_NOTFOUND, "%s: the command wrote no file '%s'", key,
                                json_string_value(file)),
                        err, "it is looked for in the step's folder, where the command starts");
    return 0;
}

static int take_outputs(struct step_context *c, struct err *err)
{
    const char *name;
    json_t *file;
    int rc = 0;
    json_object_foreach (json_object_get(c->with, "outputs"), name, file) {
        int64_t rows = 0;
        rc = need_file("outputs", name, file, err);
        CLEANUP(json_freep) json_t *with = json_object();
        json_object_set(with, "path", file);
        json_object_set_new(with, "dataset", json_string(name));
        if (!rc)
            rc = step_ingest_file(c, with, &rows, err);
        if (rc)
            return rc;
        step_say("%lld rows in %s", (long long)rows, name);
    }
    return 0;
}

static int take_artifacts(struct step_context *c, struct blobs *b, struct err *err)
{
    const json_t *said = json_object_get(c->with, "artifacts");
    const char *name;
    json_t *file;
    size_t i;
    int rc = 0;
    json_object_foreach ((json_t *)said, name, file) {
        if (!rc)
            rc = need_file("artifacts", name, file, err);
        if (!rc)
            rc = step_artifact(c, b, name, json_string_value(file), err);
    }
    json_array_foreach (said, i, file) {
        if (!rc)
            rc = need_file("artifacts", "each", file, err);
        if (!rc)
            rc = step_artifact(c, b, json_string_value(file), json_string_value(file), err);
    }
    return rc;
}

static int run_with(struct step_context *c, struct blobs *b, struct err *err)
{
    struct command cmd = {.c = c};
    int rc = read_command(&cmd, err);
    if (!rc)
        rc = set_environment(&cmd, b, err);
    if (!rc)
        rc = run_command(&cmd, err);
    vec_free(&cmd.argv);
    vec_free(&cmd.env);
    if (!rc)
        rc = read_metrics(c, err);
    if (!rc)
        rc = read_signature(c, err);
    if (!rc)
        rc = take_outputs(c, err);
    return rc ? rc : take_artifacts(c, b, err);
}

int step_run(struct step_context *c, struct err *err)
{
    static const char *const known[] = {"command", "env",   "inputs",      "outputs", "artifacts",
                                        "files",   "model", "description", NULL};
    struct blobs *b = NULL;
    int rc = json_only(c->with, known, err);
    if (!rc)
        rc = blobs_open(c->data_dir, &b, err);
    if (!rc)
        rc = run_with(c, b, err);
    if (b)
        blobs_close(b);
    return rc;
}
