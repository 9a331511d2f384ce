/* SPDX-License-Identifier: Apache-2.0
 *
 * Params: declared with defaults in the YAML, replaced by --param, referred to as ${params.x}.
 *
 * A scalar that is one reference takes the param's value with its type; a reference inside a longer
 * text puts the value's text there. What was given on the command line is brought to the type of
 * the default ("7" for a number is 7) or refused.
 */
#include "pipeline/spec_int.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#define TEXT_MAX ((size_t)8 << 20) /* of all texts made by substitution */

static const char *nearest_key(const struct ynode *map, str typed)
{
    const char *candidates[256];
    size_t n = 0;
    for (size_t i = 0; map && i < map->n && n < LENGTH(candidates); i++)
        if (map->keys[i]->text.n)
            candidates[n++] = map->keys[i]->text.p;
    return str_nearest(typed, candidates, n);
}

static int unknown(const struct ynode *declared, int code, str name, struct err *err)
{
    const char *near = nearest_key(declared, name);
    if (near)
        return err_hint(code, err, "did you mean '%s'?", near);
    return err_hint(code, err, "declare it under params: with a default");
}

/* --- values --- */

static struct ynode *node_like(struct arena *a, const struct ynode *at, enum ykind kind)
{
    struct ynode *n = arena_alloc(a, sizeof(*n));
    *n = (struct ynode){.kind = kind, .line = at->line, .column = at->column};
    return n;
}

static struct ynode *scalar(struct arena *a, const struct ynode *at, const json_t *j)
{
    struct ynode *n = node_like(a, at, Y_NULL);
    if (json_is_boolean(j)) {
        n->kind = Y_BOOL;
        n->boolean = json_is_true(j);
        n->text = n->boolean ? S("true") : S("false");
    } else if (json_is_integer(j)) {
        n->kind = Y_INT;
        n->integer = json_integer_value(j);
        n->number = (double)n->integer;
        n->text = str_from(arena_printf(a, "%lld", (long long)n->integer));
    } else if (json_is_real(j)) {
        n->kind = Y_FLOAT;
        n->number = json_real_value(j);
        n->text = str_from(arena_printf(a, "%.17g", n->number));
    } else if (json_is_string(j)) {
        n->kind = Y_STR;
        n->text = arena_str(a, str_n(json_string_value(j), json_string_length(j)));
    }
    return n;
}

/* The text a person gave, read as the type the default has. */
static struct ynode *coerce(const struct ynode *preset, struct ynode *given)
{
    int64_t i;
    double d;
    if (given->kind == preset->kind || preset->kind == Y_NULL)
        return given;
    if (preset->kind == Y_STR) { /* "--param day=7" is the text 7 there */
        given->kind = Y_STR;
        return given;
    }
    if (preset->kind == Y_FLOAT && given->kind == Y_INT)
        return given;
    if (given->kind != Y_STR)
        return NULL;
    if ((preset->kind == Y_INT || preset->kind == Y_FLOAT) && str_i64(given->text, &i)) {
        given->kind = Y_INT;
        given->integer = i;
        given->number = (double)i;
        return given;
    }
    if (preset->kind == Y_FLOAT && str_f64(given->text, &d)) {
        given->kind = Y_FLOAT;
        given->number = d;
        return given;
    }
    if (preset->kind == Y_BOOL && (str_is(given->text, "true") || str_is(given->text, "false"))) {
        given->kind = Y_BOOL;
        given->boolean = str_is(given->text, "true");
        return given;
    }
    return NULL;
}

static int replace(struct pipeline_spec *p, const struct ynode *key, const struct ynode *preset,
                   const json_t *given, const struct ynode **ret, struct err *err)
{
    if (json_is_array(given) || json_is_object(given))
        return err_set(err, E_INVALID, "param '%.*s' must be one value, got %s", STR(key->text),
                       json_kind(given));
    struct ynode *made = coerce(preset, scalar(p->arena, preset, given));
    if (!made)
        return err_hint(err_set(err, E_INVALID, "param '%.*s' must be %s, got %s", STR(key->text),
                                yaml_kind(preset), json_kind(given)),
                        err, "its default is declared at %s:%u", p->doc.file, preset->line);
    *ret = made;
    return 0;
}

static int check_given(const struct ynode *declared, const json_t *given, struct err *err)
{
    const char *name;
    json_t *value;
    json_object_foreach ((json_t *)(uintptr_t)given, name, value) {
        if (declared && yaml_get(declared, name))
            continue;
        int rc = err_set(err, E_INVALID, "the pipeline has no param '%s'", name);
        return unknown(declared, rc, str_from(name), err);
    }
    return 0;
}

int params_resolve(struct pipeline_spec *p, const struct ynode *declared, const json_t *given,
                   struct err *err)
{
    if (declared && declared->kind == Y_NULL)
        declared = NULL;
    if (declared && declared->kind != Y_MAP)
        return yaml_err(err, &p->doc, declared, "params must be a map of names to defaults, got %s",
                        yaml_kind(declared));
    int rc = check_given(declared, given, err);
    if (rc || !declared)
        return rc;
    struct ynode *all = arena_alloc(p->arena, sizeof(*all));
    *all = *declared;
    all->items = arena_alloc(p->arena, declared->n * sizeof(*all->items));
    for (size_t i = 0; i < declared->n; i++) {
        const struct ynode *key = declared->keys[i], *value = declared->items[i];
        CLEANUP(freep) char *name = xstrndup(key->text.p, key->text.n);
        const json_t *j = given ? json_object_get(given, name) : NULL;
        if (!str_is_name(key->text))
            return yaml_err(err, &p->doc, key, "'%.*s' cannot be a param's name", STR(key->text));
        if (!j && value->kind == Y_NULL)
            return err_hint(yaml_err(err, &p->doc, key, "param '%s' has no value", name), err,
                            "give it with --param %s=…", name);
        if (j && !json_is_null(j) && (rc = replace(p, key, value, j, &value, err)))
            return rc;
        all->items[i] = (struct ynode *)(uintptr_t)value;
    }
    p->params = all;
    return 0;
}

/* --- references --- */

/* Finds the next ${params.NAME} or $${ in text from *at on. */
static bool next_reference(str text, size_t from, size_t *ret_at, size_t *ret_end, str *ret_name)
{
    static const char open[] = "${params.";
    for (size_t i = from; i + 2 < text.n; i++) {
        if (text.p[i] != '$')
            continue;
        if (str_starts(str_skip(text, i), S("$${"))) {
            *ret_at = i;
            *ret_end = i + 3;
            *ret_name = (str){0};
            return true;
        }
        if (!str_starts(str_skip(text, i), S("${params.")))
            continue;
        size_t close;
        str rest = str_skip(text, i + sizeof(open) - 1);
        if (!str_find(rest, '}', &close))
            return false;
        *ret_at = i;
        *ret_end = i + sizeof(open) + close;
        *ret_name = str_trim(str_n(rest.p, close));
        return true;
    }
    return false;
}

static int look_up(const struct pipeline_spec *p, const struct ynode *at, str name,
                   const struct ynode **ret, struct err *err)
{
    for (size_t i = 0; p->params && i < p->params->n; i++)
        if (str_eq(p->params->keys[i]->text, name)) {
            *ret = p->params->items[i];
            return 0;
        }
    int rc = yaml_err(err, &p->doc, at, "there is no param '%.*s'", STR(name));
    return unknown(p->params, rc, name, err);
}

static int interpolate(struct pipeline_spec *p, const struct ynode *from, const struct ynode **ret,
                       struct err *err)
{
    struct buf out = BUF(TEXT_MAX - p->substituted);
    size_t done = 0, at, end;
    str name;
    int rc = 0;
    while (!rc && next_reference(from->text, done, &at, &end, &name)) {
        const struct ynode *value = NULL;
        buf_put(&out, from->text.p + done, at - done);
        done = end;
        if (!name.p) {
            buf_puts(&out, "${");
            continue;
        }
        rc = look_up(p, from, name, &value, err);
        if (!rc && (value->kind == Y_MAP || value->kind == Y_SEQ))
            rc = yaml_err(err, &p->doc, from, "param '%.*s' is %s and cannot be part of a text",
                          STR(name), yaml_kind(value));
        if (!rc)
            buf_str(&out, value->text);
    }
    buf_str(&out, str_skip(from->text, done));
    if (!rc && !buf_ok(&out))
        rc = yaml_err(err, &p->doc, from, "substituting params makes more than 8 MB of text");
    if (!rc) {
        p->substituted += out.n;
        struct ynode *n = node_like(p->arena, from, Y_STR);
        n->text = arena_str(p->arena, buf_view(&out));
        *ret = n;
    }
    buf_free(&out);
    return rc;
}

static int apply_text(struct pipeline_spec *p, const struct ynode *from, const struct ynode **ret,
                      struct err *err)
{
    size_t at, end;
    str name;
    const struct ynode *value = NULL;
    if (!next_reference(from->text, 0, &at, &end, &name)) {
        *ret = from;
        return 0;
    }
    if (at > 0 || end < from->text.n || !name.p)
        return interpolate(p, from, ret, err);
    int rc = look_up(p, from, name, &value, err);
    if (rc)
        return rc;
    struct ynode *n = arena_alloc(p->arena, sizeof(*n));
    *n = *value;
    n->line = from->line;
    n->column = from->column;
    *ret = n;
    return 0;
}

/* Recursion is as deep as the document, which yaml_parse bounds. */
int params_apply(struct pipeline_spec *p, const struct ynode *from, const struct ynode **ret,
                 struct err *err)
{
    if (from->kind == Y_STR)
        return apply_text(p, from, ret, err);
    if (from->kind != Y_MAP && from->kind != Y_SEQ) {
        *ret = from;
        return 0;
    }
    struct ynode *n = arena_alloc(p->arena, sizeof(*n));
    *n = *from;
    n->items = arena_alloc(p->arena, MAX(from->n, 1) * sizeof(*n->items));
    for (size_t i = 0; i < from->n; i++) {
        const struct ynode *item = NULL;
        int rc = params_apply(p, from->items[i], &item, err);
        if (rc)
            return rc;
        n->items[i] = (struct ynode *)(uintptr_t)item;
    }
    *ret = n;
    return 0;
}
