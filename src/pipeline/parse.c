/* SPDX-License-Identifier: Apache-2.0
 *
 * YAML → struct pipeline_spec. Every key goes through the table of kinds: its role says how its
 * value is checked and what it means for the graph. Errors name the place of the value that is
 * wrong; the first one ends the reading.
 */
#include "pipeline/spec_int.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#define RETRIES_MAX 100
#define LIST_MAX 1000 /* inputs, outputs or files of one step */
#define DURATION_MAX_MS ((int64_t)30 * 24 * 3600 * 1000)

static bool is_scalar(const struct ynode *n)
{
    return n->kind != Y_SEQ && n->kind != Y_MAP && n->kind != Y_NULL;
}

static int wrong_kind(const struct pipeline_spec *p, const struct ynode *at,
                      const struct kind_key *key, const char *wanted, struct err *err)
{
    return yaml_err(err, &p->doc, at, "%s must be %s, got %s", key->name, wanted, yaml_kind(at));
}

static void append_name(struct arena *a, struct spec_name **list, const char *name,
                        const struct ynode *at)
{
    while (*list)
        list = &(*list)->next;
    *list = arena_alloc(a, sizeof(**list));
    **list = (struct spec_name){.name = name, .at = at};
}

static void append_input(struct arena *a, struct spec_input **list, const struct spec_input *in)
{
    while (*list)
        list = &(*list)->next;
    *list = arena_alloc(a, sizeof(**list));
    **list = *in;
}

static int check_length(const struct pipeline_spec *p, const struct ynode *n,
                        const struct kind_key *key, struct err *err)
{
    return n->n <= LIST_MAX
               ? 0
               : yaml_err(err, &p->doc, n, "%s has %zu entries, at most %d are allowed", key->name,
                          n->n, LIST_MAX);
}

/* --- values with units --- */

struct unit {
    const char *name;
    double factor;
};

static bool with_unit(str text, const struct unit *units, size_t n, double *ret)
{
    size_t digits = 0;
    while (digits < text.n && strchr("0123456789.", text.p[digits]))
        digits++;
    double number;
    str unit = str_trim(str_skip(text, digits));
    if (!str_f64(str_n(text.p, digits), &number))
        return false;
    for (size_t i = 0; i < n; i++)
        if (str_is(unit, units[i].name)) {
            *ret = number * units[i].factor;
            return true;
        }
    return false;
}

static int read_duration(const struct pipeline_spec *p, const struct ynode *n, const char *what,
                         int64_t *ret, struct err *err)
{
    static const struct unit units[] = {{"", 1000},   {"ms", 1},      {"s", 1000},
                                        {"m", 60000}, {"h", 3600000}, {"d", 86400000}};
    double ms = 0;
    if (!is_scalar(n) || !with_unit(n->text, units, LENGTH(units), &ms))
        return err_hint(yaml_err(err, &p->doc, n, "%s must be a duration, got %s%s%.*s", what,
                                 yaml_kind(n), n->text.n ? " " : "", STR(n->text)),
                        err, "write it like 500ms, 90s, 10m, 2h or 1d");
    if (!(ms >= 0 && ms <= DURATION_MAX_MS))
        return yaml_err(err, &p->doc, n, "%s must not be longer than 30 days", what);
    *ret = (int64_t)ceil(ms);
    return 0;
}

static int read_size_mb(const struct pipeline_spec *p, const struct ynode *n, const char *what,
                        int64_t *ret, struct err *err)
{
    static const struct unit units[] = {{"k", 1.0 / 1024}, {"m", 1}, {"g", 1024}, {"t", 1 << 20},
                                        {"K", 1.0 / 1024}, {"M", 1}, {"G", 1024}, {"T", 1 << 20}};
    double mb = 0;
    if (!is_scalar(n) || !with_unit(n->text, units, LENGTH(units), &mb) || mb <= 0 || mb > 1 << 30)
        return err_hint(yaml_err(err, &p->doc, n, "%s must be a size, got %s%s%.*s", what,
                                 yaml_kind(n), n->text.n ? " " : "", STR(n->text)),
                        err, "write it like 512m or 2g");
    *ret = (int64_t)ceil(mb);
    return 0;
}

static int read_retries(const struct pipeline_spec *p, const struct ynode *n,
                        struct sched_retry *ret, struct err *err)
{
    static const char *const known[] = {"count", "delay", "factor", NULL};
    struct sched_retry r = {.count = 1, .delay_ms = 1000, .factor = 2};
    const struct ynode *count = n, *delay = NULL, *factor = NULL;
    int rc = 0;
    if (n->kind == Y_MAP) {
        if ((rc = yaml_only(&p->doc, n, known, err)))
            return rc;
        count = yaml_get(n, "count");
        delay = yaml_get(n, "delay");
        factor = yaml_get(n, "factor");
    }
    if (count && (count->kind != Y_INT || count->integer < 0 || count->integer > RETRIES_MAX))
        return yaml_err(err, &p->doc, count, "retries must be a number from 0 to %d", RETRIES_MAX);
    if (count)
        r.count = (uint32_t)count->integer;
    if (delay && (rc = read_duration(p, delay, "retries.delay", &r.delay_ms, err)))
        return rc;
    if (factor) {
        if ((factor->kind != Y_INT && factor->kind != Y_FLOAT) || !(factor->number >= 1) ||
            factor->number > 100)
            return yaml_err(err, &p->doc, factor, "retries.factor must be a number from 1 to 100");
        r.factor = factor->number;
    }
    *ret = r;
    return 0;
}

/* --- names, files, datasets --- */

static int read_name(const struct pipeline_spec *p, const struct ynode *n, const char *what,
                     const char **ret, struct err *err)
{
    if (!is_scalar(n))
        return yaml_err(err, &p->doc, n, "%s must be a name, got %s", what, yaml_kind(n));
    if (!str_is_name(n->text))
        return err_hint(yaml_err(err, &p->doc, n, "'%.*s' cannot be %s", STR(n->text), what), err,
                        "letters, digits, '.', '_' and '-', beginning with a letter or digit");
    *ret = arena_cstr(p->arena, n->text);
    return 0;
}

const char *spec_path(struct arena *a, str written)
{
    while (str_starts(written, S("./")))
        written = str_skip(written, 2);
    if (!written.n || written.n > 512 || written.p[0] == '/' || memchr(written.p, 0, written.n) ||
        written.p[written.n - 1] == '/')
        return NULL;
    str rest = written, part;
    while (rest.n) {
        str_cut(rest, '/', &part, &rest);
        if (!part.n || str_is(part, ".") || str_is(part, ".."))
            return NULL;
    }
    return arena_cstr(a, written);
}

static int add_file(struct pipeline_spec *p, struct spec_step *s, const struct ynode *n,
                    const struct kind_key *key, struct err *err)
{
    if (!is_scalar(n))
        return wrong_kind(p, n, key, "the path of a file", err);
    const char *path = spec_path(p->arena, n->text);
    if (!path)
        return err_hint(yaml_err(err, &p->doc, n,
                                 "%s '%.*s' is not a file in the pipeline's folder", key->name,
                                 STR(n->text)),
                        err, "paths are relative to %s and stay below its folder", p->doc.file);
    append_name(p->arena, &s->files, path, n);
    return 0;
}

static int add_input(struct pipeline_spec *p, struct spec_step *s, const struct ynode *n,
                     const char *alias, const struct kind_key *key, struct err *err)
{
    if (!is_scalar(n))
        return wrong_kind(p, n, key, "the name of a dataset", err);
    str name, version;
    struct spec_input in = {.at = n, .version = VERSION_MADE};
    bool pinned = str_cut(n->text, '@', &name, &version);
    if (!str_is_name(name))
        return yaml_err(err, &p->doc, n, "'%.*s' cannot be a dataset's name", STR(name));
    if (pinned && str_is(version, "latest"))
        in.version = VERSION_LATEST;
    else if (pinned && (!str_i64(version, &in.version) || in.version < 0))
        return err_hint(yaml_err(err, &p->doc, n, "'%.*s' is not a version", STR(version)), err,
                        "write %.*s@7 or %.*s@latest", STR(name), STR(name));
    in.dataset = arena_cstr(p->arena, name);
    in.alias = alias ? alias : in.dataset;
    for (struct spec_input *other = s->inputs; other; other = other->next)
        if (strcmp(other->alias, in.alias) == 0)
            return err_hint(yaml_err(err, &p->doc, n, "two inputs are called '%s'", in.alias), err,
                            "give one another alias: inputs: {other: %s}", in.dataset);
    append_input(p->arena, &s->inputs, &in);
    return 0;
}

static int add_inputs(struct pipeline_spec *p, struct spec_step *s, const struct ynode *n,
                      const struct kind_key *key, struct err *err)
{
    int rc = check_length(p, n, key, err);
    if (is_scalar(n))
        return add_input(p, s, n, NULL, key, err);
    if (n->kind == Y_NULL)
        return wrong_kind(p, n, key, "a list or map of datasets", err);
    for (size_t i = 0; !rc && i < n->n; i++) {
        const char *alias = NULL;
        if (n->kind == Y_MAP)
            rc = read_name(p, n->keys[i], "an alias", &alias, err);
        if (!rc)
            rc = add_input(p, s, n->items[i], alias, key, err);
    }
    return rc;
}

static int add_product(struct pipeline_spec *p, struct spec_name **list, const struct ynode *n,
                       const char *what, struct err *err)
{
    const char *name = NULL;
    int rc = read_name(p, n, what, &name, err);
    if (rc)
        return rc;
    for (struct spec_name *other = *list; other; other = other->next)
        if (strcmp(other->name, name) == 0)
            return yaml_err(err, &p->doc, n, "'%s' is named twice", name);
    append_name(p->arena, list, name, n);
    return 0;
}

/* Files that are there only when the step has run; nobody should wait that long to hear of a path
 * that cannot be. */
static int check_written(const struct pipeline_spec *p, const struct ynode *n,
                         const struct kind_key *key, struct err *err)
{
    int rc = check_length(p, n, key, err);
    for (size_t i = 0; !rc && i < n->n; i++) {
        const struct ynode *file = n->items[i];
        if (!is_scalar(file))
            return wrong_kind(p, file, key, "a file's path", err);
        if (!spec_path(p->arena, file->text))
            return err_hint(yaml_err(err, &p->doc, file,
                                     "%s '%.*s' is not a file in the step's folder", key->name,
                                     STR(file->text)),
                            err, "paths are relative to where the command starts and stay below");
    }
    return rc;
}

static int add_products(struct pipeline_spec *p, struct spec_step *s, const struct ynode *n,
                        const struct kind_key *key, struct err *err)
{
    if (n->kind != Y_MAP)
        return err_hint(wrong_kind(p, n, key, "a map of datasets to files", err), err,
                        "write {scores: scores.parquet}");
    int rc = check_written(p, n, key, err);
    for (size_t i = 0; !rc && i < n->n; i++)
        rc = add_product(p, &s->makes, n->keys[i], "a dataset's name", err);
    return rc;
}

static int add_mention(struct pipeline_spec *p, struct spec_step *s, const struct ynode *n,
                       const struct kind_key *key, struct err *err)
{
    struct spec_mention m = {.at = n, .key = key, .step = -1};
    int rc =
        read_name(p, n, key->role == ROLE_MODEL ? "a model's name" : "a step's name", &m.name, err);
    if (rc)
        return rc;
    struct spec_mention *new = arena_alloc(p->arena, sizeof(m));
    *new = m;
    if (s->last_mention) /* a step may wait for thousands: no walk to the end */
        s->last_mention->next = new;
    else
        s->mentions = new;
    s->last_mention = new;
    return 0;
}

/* --- the roles --- */

static int check_choice(const struct pipeline_spec *p, const struct ynode *n,
                        const struct kind_key *key, struct err *err)
{
    if (is_scalar(n) && choice_has(key->choices, n->text))
        return 0;
    char near[64], list[512];
    snprintf(list, sizeof(list), "%s", key->choices);
    for (char *bar = list; (bar = strchr(bar, '|'));)
        *bar = ' ';
    int rc = yaml_err(err, &p->doc, n, "%s must be one of: %s; got %.*s", key->name, list,
                      is_scalar(n) ? (int)MIN(n->text.n, 100) : (int)strlen(yaml_kind(n)),
                      is_scalar(n) ? n->text.p : yaml_kind(n));
    if (is_scalar(n) && choice_nearest(key->choices, n->text, near))
        return err_hint(rc, err, "did you mean '%s'?", near);
    return rc;
}

static int check_options(const struct pipeline_spec *p, const struct ynode *n,
                         const struct kind_key *key, struct err *err)
{
    if (n->kind != Y_MAP)
        return wrong_kind(p, n, key, "a map", err);
    for (size_t i = 0; i < n->n; i++) {
        char near[64];
        str name = n->keys[i]->text;
        if (choice_has(key->choices, name))
            continue;
        int rc = yaml_err(err, &p->doc, n->keys[i], "%s has no '%.*s'", key->name, STR(name));
        if (choice_nearest(key->choices, name, near))
            return err_hint(rc, err, "did you mean '%s'?", near);
        return err_hint(rc, err, "it has: %s", key->choices);
    }
    return 0;
}

static int check_scalars(const struct pipeline_spec *p, const struct ynode *n,
                         const struct kind_key *key, struct err *err)
{
    for (size_t i = 0; i < n->n; i++)
        if (!is_scalar(n->items[i]))
            return yaml_err(err, &p->doc, n->items[i], "%s holds plain values only, got %s",
                            key->name, yaml_kind(n->items[i]));
    return 0;
}

static int each_item(struct pipeline_spec *p, struct spec_step *s, const struct ynode *n,
                     const struct kind_key *key,
                     int (*fn)(struct pipeline_spec *, struct spec_step *, const struct ynode *,
                               const struct kind_key *, struct err *),
                     struct err *err)
{
    if (n->kind != Y_SEQ)
        return fn(p, s, n, key, err);
    int rc = 0;
    for (size_t i = 0; !rc && i < n->n; i++)
        rc = fn(p, s, n->items[i], key, err);
    return rc;
}

static int read_common(struct pipeline_spec *p, struct spec_step *s, const struct ynode *n,
                       const struct kind_key *key, struct err *err)
{
    if (key->role == ROLE_RETRIES)
        return read_retries(p, n, &s->retry, err);
    if (key->role == ROLE_DURATION)
        return read_duration(p, n, key->name, &s->timeout_ms, err);
    return read_size_mb(p, n, key->name, key->name[0] == 'm' ? &s->memory_mb : &s->disk_mb, err);
}

static int read_value(struct pipeline_spec *p, struct spec_step *s, const struct ynode *n,
                      const struct kind_key *key, struct err *err)
{
    switch (key->role) {
    case ROLE_TEXT:
        return is_scalar(n) ? 0 : wrong_kind(p, n, key, "a text", err);
    case ROLE_NUMBER:
        return n->kind == Y_INT || n->kind == Y_FLOAT ? 0 : wrong_kind(p, n, key, "a number", err);
    case ROLE_TEXTS:
    case ROLE_COMMAND:
        if (!is_scalar(n) && (n->kind != Y_SEQ || !n->n))
            return wrong_kind(p, n, key, "a text or a list of texts", err);
        return check_scalars(p, n, key, err);
    case ROLE_MAP:
        return n->kind == Y_MAP ? check_scalars(p, n, key, err)
                                : wrong_kind(p, n, key, "a map", err);
    case ROLE_VALUE:
        return n->kind == Y_MAP || n->kind == Y_SEQ ? 0
                                                    : wrong_kind(p, n, key, "a map or a list", err);
    case ROLE_ARTIFACTS:
        return n->kind == Y_MAP || n->kind == Y_SEQ
                   ? check_written(p, n, key, err)
                   : wrong_kind(p, n, key, "a list of files, or a map of names to files", err);
    case ROLE_CHOICE:
        return check_choice(p, n, key, err);
    case ROLE_OPTIONS:
        return check_options(p, n, key, err);
    case ROLE_FILE:
        return add_file(p, s, n, key, err);
    case ROLE_FILES:
        return check_length(p, n, key, err) ? E_INVALID : each_item(p, s, n, key, add_file, err);
    case ROLE_DATASET_IN:
        return add_input(p, s, n, NULL, key, err);
    case ROLE_DATASETS_IN:
        return add_inputs(p, s, n, key, err);
    case ROLE_DATASET_OUT:
        return add_product(p, &s->makes, n, "a dataset's name", err);
    case ROLE_DATASETS_OUT:
        return add_products(p, s, n, key, err);
    case ROLE_MODEL_OUT:
        return add_product(p, &s->registers, n, "a model's name", err);
    case ROLE_STEP:
    case ROLE_MODEL:
        return add_mention(p, s, n, key, err);
    case ROLE_STEPS:
    case ROLE_AFTER:
        return each_item(p, s, n, key, add_mention, err);
    case ROLE_RETRIES:
    case ROLE_DURATION:
    case ROLE_SIZE:
        return read_common(p, s, n, key, err);
    }
    return err_set(err, E_INTERNAL, "the key %s has no role", key->name);
}

/* --- steps --- */

static int unknown_key(const struct pipeline_spec *p, const struct kind *k, const struct ynode *at,
                       struct err *err)
{
    const char *names[64];
    size_t n = 0;
    const struct kind_key *lists[] = {k->keys, common_keys};
    for (size_t l = 0; l < 2; l++)
        for (const struct kind_key *key = lists[l]; key->name && n < LENGTH(names); key++)
            names[n++] = key->name;
    int rc = yaml_err(err, &p->doc, at, "kind: %s has no key '%.*s'", k->name, STR(at->text));
    const char *near = str_nearest(at->text, names, n);
    if (near)
        return err_hint(rc, err, "did you mean '%s'?", near);
    return err_hint(rc, err, "tenon help pipeline lists the keys of each kind");
}

static int read_kind(struct pipeline_spec *p, struct spec_step *s, struct err *err)
{
    const char *names[16];
    size_t n = 0;
    for (; n < step_kind_count && n < LENGTH(names); n++)
        names[n] = step_kinds[n].name;
    const struct ynode *kind = yaml_get(s->node, "kind");
    if (!kind)
        return yaml_err(err, &p->doc, s->node, "the step '%s' has no kind", s->name);
    s->kind = is_scalar(kind) ? kind_find(kind->text) : NULL;
    if (s->kind)
        return 0;
    int rc = yaml_err(err, &p->doc, kind, "there is no kind '%.*s'", STR(kind->text));
    const char *near = str_nearest(kind->text, names, n);
    if (near)
        return err_hint(rc, err, "did you mean '%s'?", near);
    return err_hint(rc, err, "kinds are: ingest, sql, train, evaluate, register, deploy, run");
}

static int check_required(const struct pipeline_spec *p, const struct spec_step *s, struct err *err)
{
    for (const struct kind_key *key = s->kind->keys; key->name; key++)
        if (key->required && !yaml_get(s->node, key->name))
            return err_hint(
                yaml_err(err, &p->doc, s->node, "the step '%s' has no '%s'", s->name, key->name),
                err, "%s: %s", key->name, key->help);
    if (!s->kind->one_of)
        return 0;
    unsigned given = 0;
    for (size_t i = 0; i < s->node->n; i++)
        given += choice_has(s->kind->one_of, s->node->keys[i]->text);
    if (given == 1)
        return 0;
    return yaml_err(err, &p->doc, s->node, "the step '%s' needs exactly one of: %s", s->name,
                    s->kind->one_of);
}

static int read_step(struct pipeline_spec *p, const struct ynode *node, struct spec_step *s,
                     struct err *err)
{
    *s = (struct spec_step){.node = node, .retry = {.factor = 1}};
    if (node->kind != Y_MAP)
        return yaml_err(err, &p->doc, node, "a step must be a map, got %s", yaml_kind(node));
    const struct ynode *name = yaml_get(node, "name");
    if (!name)
        return yaml_err(err, &p->doc, node, "the step has no name");
    int rc = read_name(p, name, "a step's name", &s->name, err);
    if (!rc)
        rc = read_kind(p, s, err);
    for (size_t i = 0; !rc && i < node->n; i++) {
        const struct kind_key *key = kind_key_find(s->kind, node->keys[i]->text);
        rc = key ? read_value(p, s, node->items[i], key, err)
                 : unknown_key(p, s->kind, node->keys[i], err);
    }
    const struct ynode *mode = yaml_get(node, "mode");
    s->append = mode && str_is(mode->text, "append");
    return rc ? rc : check_required(p, s, err);
}

static int read_steps(struct pipeline_spec *p, const struct ynode *steps, struct err *err)
{
    if (!steps || steps->kind == Y_NULL)
        return yaml_err(err, &p->doc, steps ? steps : p->doc.root, "the pipeline has no steps");
    if (steps->kind != Y_SEQ || !steps->n)
        return yaml_err(err, &p->doc, steps, "steps must be a list of steps, got %s%s",
                        steps->n ? "" : "an empty list or ", yaml_kind(steps));
    p->step_count = (uint32_t)steps->n;
    p->steps = arena_alloc(p->arena, steps->n * sizeof(*p->steps));
    int rc = 0;
    for (size_t i = 0; !rc && i < steps->n; i++)
        rc = read_step(p, steps->items[i], &p->steps[i], err);
    return rc;
}

/* --- the document --- */

static int read_head(struct pipeline_spec *p, struct err *err)
{
    static const char *const known[] = {"kind", "name", "description", "params", "steps", NULL};
    const struct ynode *root = p->doc.root;
    if (root->kind != Y_MAP)
        return err_hint(
            yaml_err(err, &p->doc, root, "a pipeline must be a map, got %s", yaml_kind(root)), err,
            "begin with: kind: pipeline");
    int rc = yaml_only(&p->doc, root, known, err);
    if (rc)
        return rc;
    const struct ynode *kind = yaml_get(root, "kind"), *name = yaml_get(root, "name");
    if (!kind || !is_scalar(kind) || !str_is(kind->text, "pipeline"))
        return err_hint(yaml_err(err, &p->doc, kind ? kind : root, "this is not a pipeline"), err,
                        "it must say: kind: pipeline");
    if (!name)
        return yaml_err(err, &p->doc, root, "the pipeline has no name");
    return read_name(p, name, "a pipeline's name", &p->name, err);
}

static void collect_files(struct pipeline_spec *p)
{
    size_t n = 0;
    for (uint32_t i = 0; i < p->step_count; i++)
        for (struct spec_name *f = p->steps[i].files; f; f = f->next)
            n++;
    p->files = arena_alloc(p->arena, (n + 1) * sizeof(*p->files));
    struct map *seen = map_new();
    for (uint32_t i = 0; i < p->step_count; i++)
        for (struct spec_name *f = p->steps[i].files; f; f = f->next)
            if (!map_put(seen, str_from(f->name), f))
                p->files[p->file_count++] = f->name;
    map_free(seen, NULL);
}

/* In { } and [ ] a plain word cannot hold braces; YAML's own message about it helps nobody. */
static int explain_braces(str yaml, int rc, struct err *err)
{
    str line;
    while (yaml.n) {
        str_cut(yaml, '\n', &line, &yaml);
        size_t open = 0;
        while (open < line.n && line.p[open] != '{' && line.p[open] != '[')
            open++;
        for (size_t i = open + 1; i < line.n; i++)
            if (str_starts(str_skip(line, i), S("${params.")) && !strchr("\"'", line.p[i - 1]))
                return err_hint(rc, err, "inside { } and [ ] write \"${params.x}\" with quotes");
    }
    return rc;
}

int pipeline_parse(struct arena *a, const char *file, str yaml, const json_t *params,
                   struct pipeline_spec **ret, struct err *err)
{
    struct pipeline_spec *p = arena_alloc(a, sizeof(*p));
    *p = (struct pipeline_spec){.arena = a};
    int rc = yaml_parse(a, file, yaml, &p->doc, err);
    if (rc)
        return explain_braces(yaml, rc, err);
    const struct ynode *steps = NULL;
    rc = read_head(p, err);
    if (!rc)
        rc = params_resolve(p, yaml_get(p->doc.root, "params"), params, err);
    if (!rc && yaml_get(p->doc.root, "steps"))
        rc = params_apply(p, yaml_get(p->doc.root, "steps"), &steps, err);
    if (!rc)
        rc = read_steps(p, steps, err);
    if (!rc)
        rc = graph_link(p, err);
    if (rc)
        return rc;
    collect_files(p);
    *ret = p;
    return 0;
}

const char *pipeline_name(const struct pipeline_spec *p)
{
    return p->name;
}

size_t pipeline_files(const struct pipeline_spec *p, const char *const **ret)
{
    *ret = p->files;
    return p->file_count;
}
