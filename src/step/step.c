/* SPDX-License-Identifier: Apache-2.0
 *
 * The life of a step process: read attempt.json, lay out the files, run the kind, leave result.json
 * or error.json. Its one thread is the process's main thread.
 */
#include "step/step_int.h"

#include "store/store.h"
#include "sys/fs.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { ATTEMPT_MAX = 64 << 20, RESULT_MAX = 64 << 20 };

static const struct {
    const char *kind;
    int (*run)(struct step_context *c, struct err *err);
} kinds[] = {
    {"ingest", step_ingest},     {"sql", step_sql},           {"train", step_train},
    {"evaluate", step_evaluate}, {"register", step_register}, {"deploy", step_deploy},
    {"run", step_run},
};

void step_say(const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    vprintf(fmt, ap);
    va_end(ap);
    putchar('\n');
    fflush(stdout);
}

void step_summary(struct step_context *c, const char *fmt, ...)
{
    struct buf line = BUF(512);
    va_list ap;
    va_start(ap, fmt);
    buf_vprintf(&line, fmt, ap);
    va_end(ap);
    json_object_set_new(c->result, "summary", json_strn(buf_view(&line)));
    step_say("%s", buf_cstr(&line));
    buf_free(&line);
}

int step_text(struct step_context *c, const char *key, const char *fallback, const char **ret,
              struct err *err)
{
    str text = str_from(fallback);
    int rc = json_get_str(c->with, key, fallback == NULL, &text, err);
    if (!rc)
        *ret = arena_cstr(c->arena, text);
    return rc;
}

int step_upstream(const struct step_context *c, const char *step, const json_t **ret,
                  struct err *err)
{
    json_t *all = json_object_get(c->attempt, "upstream"), *result;
    const char *names[256], *name;
    size_t n = 0;
    result = json_object_get(all, step);
    if (result) {
        *ret = result;
        return 0;
    }
    json_object_foreach (all, name, result)
        if (n < LENGTH(names))
            names[n++] = name;
    const char *near = str_nearest(str_from(step), names, n);
    int rc = err_set(err, E_INVALID, "no step '%s' ended before this one", step);
    return near ? err_hint(rc, err, "did you mean '%s'?", near) : rc;
}

int step_artifact(struct step_context *c, struct blobs *b, const char *name, const char *file,
                  struct err *err)
{
    char digest[65];
    int64_t size = 0;
    int rc = blob_put_file(b, file, digest, &size, err);
    if (rc)
        return err_wrap(err, "artifact '%s'", name);
    json_t *all = json_object_get(c->result, "artifacts");
    if (!all) {
        all = json_object();
        json_object_set_new(c->result, "artifacts", all);
    }
    json_t *o = json_object();
    json_object_set_new(o, "digest", json_string(digest));
    json_object_set_new(o, "size", json_integer(size));
    json_object_set_new(o, "file", json_string(file));
    json_object_set_new(all, name, o);
    return 0;
}

int step_check_path(str path, struct err *err)
{
    str head, rest = path;
    bool sound = path.n && path.n < 4096 && path.p[0] != '/' && !memchr(path.p, 0, path.n);
    while (sound && rest.n) {
        str_cut(rest, '/', &head, &rest);
        sound = !str_is(head, "..");
    }
    if (sound)
        return 0;
    return err_hint(
        err_set(err, E_INVALID, "'%.*s' is no path below the pipeline's folder", STR(path)), err,
        "paths are relative and have no '..'");
}

static int export_one(struct blobs *b, const char *path, const json_t *digest, struct err *err)
{
    int rc = step_check_path(str_from(path), err);
    if (!rc && !json_is_string(digest))
        rc = err_set(err, E_INVALID, "file '%s' has no digest", path);
    if (rc)
        return rc;
    CLEANUP(freep) char *dir = fs_dirname(path);
    rc = fs_mkdirs(dir, 0700, err);
    if (!rc && unlink(path) < 0 && errno != ENOENT)
        rc = err_errno(err, errno, "replace %s", path);
    if (!rc)
        rc = blob_export(b, json_string_value(digest), path, err);
    return rc && err ? err_wrap(err, "file '%s'", path) : rc;
}

static int export_files(const struct step_context *c, struct err *err)
{
    json_t *files = json_object_get(c->attempt, "files");
    if (json_object_size(files) == 0)
        return 0;
    struct blobs *b = NULL;
    const char *path;
    json_t *digest;
    int rc = blobs_open(c->data_dir, &b, err);
    json_object_foreach (files, path, digest)
        if (!rc)
            rc = export_one(b, path, digest, err);
    if (b)
        blobs_close(b);
    return rc;
}

static int read_attempt(const char *dir, struct step_context *c, json_t **ret, struct err *err)
{
    CLEANUP(freep) char *path = fs_join(dir, "attempt.json");
    struct buf text = {0};
    int rc = fs_read(path, ATTEMPT_MAX, &text, err);
    if (!rc)
        rc = json_parse(buf_view(&text), ret, err);
    buf_free(&text);
    if (rc)
        return err_wrap(err, "attempt.json");
    c->attempt = *ret;
    c->with = json_object_get(*ret, "with");
    c->project = json_s(*ret, "project");
    c->run = json_s(*ret, "run");
    c->step = json_s(*ret, "step");
    c->attempt_id = json_s(*ret, "attempt_id");
    c->data_dir = json_s(*ret, "data_dir");
    if (!c->project[0] || !c->attempt_id[0] || c->data_dir[0] != '/')
        return err_set(
            err, E_INVALID,
            "attempt.json: 'project', 'attempt_id' and an absolute 'data_dir' are needed");
    return 0;
}

/* Every kind is asked the same way what it read: lineage needs no help from the kinds. */
static json_t *inputs_read(const struct step_context *c)
{
    json_t *list = json_array();
    const char *alias;
    json_t *snapshot;
    json_object_foreach (json_object_get(c->attempt, "inputs"), alias, snapshot) {
        json_t *o = json_object();
        json_object_set_new(o, "alias", json_string(alias));
        json_object_set(o, "name", json_object_get(snapshot, "name"));
        json_object_set(o, "version", json_object_get(snapshot, "version"));
        json_array_append_new(list, o);
    }
    return list;
}

static int dispatch(struct step_context *c, struct err *err)
{
    const char *names[LENGTH(kinds)];
    str kind;
    int rc = json_get_str(c->attempt, "kind", true, &kind, err);
    if (rc)
        return rc;
    for (size_t i = 0; i < LENGTH(kinds); i++) {
        names[i] = kinds[i].kind;
        if (str_is(kind, kinds[i].kind))
            return kinds[i].run(c, err);
    }
    const char *near = str_nearest(kind, names, LENGTH(names));
    rc = err_set(err, E_INVALID, "no step kind '%.*s'", STR(kind));
    return near ? err_hint(rc, err, "did you mean '%s'?", near) : rc;
}

static int write_json(const char *dir, const char *name, const json_t *j, struct err *err)
{
    CLEANUP(freep) char *path = fs_join(dir, name);
    struct buf text = BUF(RESULT_MAX);
    json_write(j, &text);
    int rc = buf_ok(&text) ? fs_write_atomic(path, text.p, text.n, 0600, err)
                           : err_set(err, E_TOOBIG, "%s is larger than 64 MB", name);
    buf_free(&text);
    return rc;
}

static int work(const char *dir, struct step_context *c, json_t **attempt, struct err *err)
{
    CLEANUP(freep) char *folder = fs_join(dir, "work");
    int rc = read_attempt(dir, c, attempt, err);
    if (!rc)
        rc = fs_mkdirs(folder, 0700, err);
    if (!rc && chdir(folder) < 0)
        rc = err_errno(err, errno, "enter %s", folder);
    if (!rc)
        rc = export_files(c, err);
    if (!rc)
        rc = dispatch(c, err);
    if (rc)
        return rc;
    json_object_set_new(c->result, "inputs", inputs_read(c));
    return write_json(dir, "result.json", c->result, err);
}

/* The last lines of the log say why; error.json says it to the server. */
static int tell_failure(const char *dir, const struct step_context *c, const struct err *err)
{
    struct err ignored;
    CLEANUP(json_freep) json_t *o = json_object();
    json_object_set_new(o, "code", json_string(err_name(err->code)));
    json_object_set_new(o, "message", json_strn(str_from(err->msg)));
    json_object_set_new(o, "hint", json_strn(str_from(err->hint)));
    write_json(dir, "error.json", o, &ignored);
    fflush(stdout);
    fprintf(stderr, "error: %s\n", err->msg);
    if (err->hint[0])
        fprintf(stderr, "hint: %s\n", err->hint);
    return c->exit_code ? c->exit_code : err_exit(err->code);
}

int step_main(const char *attempt_dir)
{
    struct err err = {0};
    CLEANUP(freep) char *dir = realpath(attempt_dir, NULL);
    CLEANUP(arena_freep) struct arena *arena = arena_new(0);
    CLEANUP(json_freep) json_t *attempt = NULL;
    CLEANUP(json_freep) json_t *result = json_object();
    struct step_context c = {.arena = arena, .result = result};
    if (!dir) {
        fprintf(stderr, "error: no attempt directory '%s'\n", attempt_dir);
        return err_exit(E_NOTFOUND);
    }
    if (work(dir, &c, &attempt, &err))
        return tell_failure(dir, &c, &err);
    return 0;
}
