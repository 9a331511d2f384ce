/* SPDX-License-Identifier: Apache-2.0
 *
 * libfyaml's events become our tree. Collections under construction stand on an explicit stack, so
 * depth costs no C stack. An alias points at the node it names instead of copying it; each node
 * carries the weight it would have if it were copied, and the document's weight is bounded, which
 * is what defuses the billion laughs. An anchor is known only once its node is complete: a node
 * cannot contain itself.
 */
#include "codec/yaml.h"

#include "base/map.h"
#include "base/vec.h"

#include <libfyaml.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

enum { TEXT_MAX = 4 << 20, DEPTH_MAX = 64, WEIGHT_MAX = 100000 };

struct frame {
    struct ynode *node;
    str anchor;
    size_t weight;
    struct ynode *key; /* of a map: the key whose value comes next */
    VEC(struct ynode *) keys;
    VEC(struct ynode *) items;
};

struct anchored {
    struct ynode *node;
    size_t weight;
};

struct builder {
    struct arena *arena;
    struct ydoc *doc;
    struct map *anchors; /* name → struct anchored in the arena */
    struct frame stack[DEPTH_MAX];
    size_t depth, nodes;
    bool done; /* one whole document has been read */
};

int yaml_err(struct err *err, const struct ydoc *d, const struct ynode *n, const char *fmt, ...)
{
    char text[768];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(text, sizeof(text), fmt, ap);
    va_end(ap);
    return err_set(err, E_INVALID, "%s:%u:%u: %s", d->file, n ? n->line : 1, n ? n->column : 1,
                   text);
}

const char *yaml_kind(const struct ynode *n)
{
    static const char *const names[] = {
        [Y_NULL] = "nothing",   [Y_BOOL] = "a boolean", [Y_INT] = "an integer",
        [Y_FLOAT] = "a number", [Y_STR] = "a string",   [Y_SEQ] = "a list",
        [Y_MAP] = "a map"};
    return names[n ? n->kind : Y_NULL];
}

static bool one_of(str s, const char *words)
{
    str word, rest = str_from(words);
    while (str_cut(rest, ' ', &word, &rest) || word.n) {
        if (str_eq(word, s))
            return true;
        if (!rest.n)
            break;
    }
    return false;
}

/* The core schema of YAML 1.2 (chapter 10.3), without octal and hexadecimal. */
static void resolve_plain(struct ynode *n)
{
    str s = n->text;
    if (!s.n || one_of(s, "~ null Null NULL")) {
        n->kind = Y_NULL;
    } else if (one_of(s, "true True TRUE false False FALSE")) {
        n->kind = Y_BOOL;
        n->boolean = (s.p[0] | 0x20) == 't';
    } else if (str_i64(s.p[0] == '+' ? str_skip(s, 1) : s, &n->integer)) {
        n->kind = Y_INT;
        n->number = (double)n->integer;
    } else if (str_f64(s, &n->number)) {
        n->kind = Y_FLOAT;
    } else if (one_of(s, ".inf .Inf .INF +.inf")) {
        n->kind = Y_FLOAT;
        n->number = INFINITY;
    } else if (one_of(s, "-.inf -.Inf -.INF")) {
        n->kind = Y_FLOAT;
        n->number = -INFINITY;
    } else if (one_of(s, ".nan .NaN .NAN")) {
        n->kind = Y_FLOAT;
        n->number = NAN;
    } else {
        n->kind = Y_STR;
    }
}

/* NULL once the document has too many nodes, which also bounds what the arena must hold. */
static struct ynode *new_node(struct builder *b, struct fy_event *event, enum ykind kind)
{
    struct ynode *n = ++b->nodes > WEIGHT_MAX ? NULL : arena_try(b->arena, sizeof(*n));
    if (!n)
        return NULL;
    const struct fy_mark *mark = fy_event_start_mark(event);
    n->kind = kind;
    n->line = mark ? (unsigned)mark->line + 1 : 1;
    n->column = mark ? (unsigned)mark->column + 1 : 1;
    return n;
}

static str token_text(struct arena *a, struct fy_token *token)
{
    size_t n = 0;
    const char *p = token ? fy_token_get_text(token, &n) : NULL;
    return p ? arena_str(a, str_n(p, n)) : (str){0};
}

static int add_child(struct builder *b, struct ynode *n, size_t weight, struct err *err);

static int finish_node(struct builder *b, struct ynode *n, str anchor, size_t weight,
                       struct err *err)
{
    if (anchor.n) {
        struct anchored *a = arena_alloc(b->arena, sizeof(*a));
        *a = (struct anchored){n, weight};
        map_put(b->anchors, anchor, a);
    }
    return add_child(b, n, weight, err);
}

static int add_pair(struct builder *b, struct frame *top, struct ynode *n, struct err *err)
{
    if (!top->key) {
        if (n->kind == Y_SEQ || n->kind == Y_MAP)
            return yaml_err(err, b->doc, n, "a key must be a plain word, got %s", yaml_kind(n));
        for (size_t i = 0; i < top->keys.n; i++)
            if (str_eq(top->keys.p[i]->text, n->text))
                return yaml_err(err, b->doc, n, "'%.*s' is given twice (first in line %u)",
                                STR(n->text), top->keys.p[i]->line);
        top->key = n;
        return 0;
    }
    *vec_push(&top->keys) = top->key;
    *vec_push(&top->items) = n;
    top->key = NULL;
    return 0;
}

static int add_child(struct builder *b, struct ynode *n, size_t weight, struct err *err)
{
    if (!b->depth) {
        b->doc->root = n;
        return 0;
    }
    struct frame *top = &b->stack[b->depth - 1];
    top->weight += weight;
    if (top->weight > WEIGHT_MAX)
        return yaml_err(err, b->doc, n, "the document has more than %d values", WEIGHT_MAX);
    if (top->node->kind == Y_MAP)
        return add_pair(b, top, n, err);
    *vec_push(&top->items) = n;
    return 0;
}

static int on_scalar(struct builder *b, struct fy_event *event, struct err *err)
{
    struct ynode *n = new_node(b, event, Y_STR);
    struct fy_token *value = event->scalar.value;
    if (!n)
        return err_set(err, E_TOOBIG, "%s: the document has more than %d values", b->doc->file,
                       WEIGHT_MAX);
    n->text = token_text(b->arena, value);
    if (event->scalar.tag)
        return yaml_err(err, b->doc, n, "tags (!…) are not supported");
    if (!str_is_utf8(n->text))
        return yaml_err(err, b->doc, n, "the text is not valid UTF-8");
    if (!value || fy_token_scalar_style(value) == FYSS_PLAIN)
        resolve_plain(n);
    return finish_node(b, n, token_text(b->arena, event->scalar.anchor), 1, err);
}

static int on_open(struct builder *b, struct fy_event *event, enum ykind kind,
                   struct fy_token *anchor, struct fy_token *tag, struct err *err)
{
    struct ynode *n = new_node(b, event, kind);
    if (!n)
        return err_set(err, E_TOOBIG, "%s: the document has more than %d values", b->doc->file,
                       WEIGHT_MAX);
    if (tag)
        return yaml_err(err, b->doc, n, "tags (!…) are not supported");
    if (b->depth == DEPTH_MAX)
        return yaml_err(err, b->doc, n, "nested deeper than %d levels", DEPTH_MAX);
    b->stack[b->depth++] =
        (struct frame){.node = n, .anchor = token_text(b->arena, anchor), .weight = 1};
    return 0;
}

static struct ynode **to_arena(struct arena *a, struct ynode **p, size_t n)
{
    struct ynode **copy = arena_alloc(a, (n + 1) * sizeof(*copy));
    if (n)
        memcpy(copy, p, n * sizeof(*copy));
    return copy;
}

static int on_close(struct builder *b, struct err *err)
{
    struct frame top = b->stack[--b->depth];
    top.node->n = top.items.n;
    top.node->items = to_arena(b->arena, top.items.p, top.items.n);
    top.node->keys = to_arena(b->arena, top.keys.p, top.keys.n);
    vec_free(&top.items);
    vec_free(&top.keys);
    return finish_node(b, top.node, top.anchor, top.weight, err);
}

static int on_alias(struct builder *b, struct fy_event *event, struct err *err)
{
    str name = token_text(b->arena, event->alias.anchor);
    struct anchored *a = map_get(b->anchors, name);
    if (!a)
        return yaml_err(err, b->doc, new_node(b, event, Y_NULL), "no anchor '&%.*s' before this",
                        STR(name));
    return add_child(b, a->node, a->weight, err);
}

static int on_event(struct builder *b, struct fy_event *event, struct err *err)
{
    switch (event->type) {
    case FYET_DOCUMENT_START:
        if (b->done)
            return yaml_err(err, b->doc, new_node(b, event, Y_NULL),
                            "a second document starts here; put it into a file of its own");
        return 0;
    case FYET_DOCUMENT_END:
        b->done = true;
        return 0;
    case FYET_SCALAR:
        return on_scalar(b, event, err);
    case FYET_ALIAS:
        return on_alias(b, event, err);
    case FYET_SEQUENCE_START:
        return on_open(b, event, Y_SEQ, event->sequence_start.anchor, event->sequence_start.tag,
                       err);
    case FYET_MAPPING_START:
        return on_open(b, event, Y_MAP, event->mapping_start.anchor, event->mapping_start.tag, err);
    case FYET_SEQUENCE_END:
    case FYET_MAPPING_END:
        return on_close(b, err);
    default:
        return 0;
    }
}

static int syntax_error(const char *file, struct fy_diag *diag, struct err *err)
{
    void *at = NULL;
    struct fy_diag_error *e = fy_diag_errors_iterate(diag, &at);
    if (!e)
        return err_set(err, E_INVALID, "%s: not valid YAML", file);
    return err_hint(err_set(err, E_INVALID, "%s:%d:%d: %s", file, e->line, e->column, e->msg), err,
                    "check the indentation and quotes around there");
}

static int read_events(struct builder *b, struct fy_parser *parser, struct fy_diag *diag,
                       struct err *err)
{
    int rc = 0;
    while (!rc) {
        struct fy_event *event = fy_parser_parse(parser);
        if (!event)
            return fy_parser_get_stream_error(parser) ? syntax_error(b->doc->file, diag, err) : 0;
        bool end = event->type == FYET_STREAM_END;
        rc = on_event(b, event, err);
        fy_parser_event_free(parser, event);
        if (end)
            break;
    }
    return rc;
}

static int parse(struct builder *b, str text, struct err *err)
{
    struct fy_diag_cfg diag_config;
    fy_diag_cfg_default(&diag_config);
    struct fy_diag *diag = fy_diag_create(&diag_config);
    if (!diag)
        return err_set(err, E_INTERNAL, "libfyaml gave no diagnostics object");
    fy_diag_set_collect_errors(diag, true);
    struct fy_parse_cfg config = {.flags = FYPCF_QUIET | FYPCF_COLLECT_DIAG, .diag = diag};
    struct fy_parser *parser = fy_parser_create(&config);
    int rc = parser && fy_parser_set_string(parser, text.p, text.n) == 0
                 ? read_events(b, parser, diag, err)
                 : err_set(err, E_INTERNAL, "libfyaml did not take the text");
    if (parser)
        fy_parser_destroy(parser);
    fy_diag_destroy(diag);
    return rc;
}

/* What libfyaml 0.7 must not see: it loops for ever on a byte that is not UTF-8 inside a directive.
 * Directives have no use in configuration, so both are refused here. */
static int check_text(const char *file, str text, struct err *err)
{
    unsigned line = 0;
    for (str rest = text, one; rest.n;) {
        str_cut(rest, '\n', &one, &rest);
        line++;
        if (!str_is_utf8(one) || (one.n && memchr(one.p, 0, one.n)))
            return err_set(err, E_INVALID, "%s:%u:1: the line is not valid UTF-8 text", file, line);
        if (one.n && one.p[0] == '%')
            return err_set(err, E_INVALID, "%s:%u:1: directives (%%…) are not supported", file,
                           line);
    }
    return 0;
}

int yaml_parse(struct arena *a, const char *file, str text, struct ydoc *ret, struct err *err)
{
    if (text.n > TEXT_MAX)
        return err_set(err, E_TOOBIG, "%s is larger than %d bytes", file, TEXT_MAX);
    if (!str_trim(text).n)
        return err_set(err, E_INVALID, "%s:1:1: the file is empty", file);
    int rc = check_text(file, text, err);
    if (rc)
        return rc;
    struct ydoc doc = {.file = arena_cstr(a, str_from(file))};
    struct builder b = {.arena = a, .doc = &doc, .anchors = map_new()};
    rc = parse(&b, text, err);
    while (b.depth) {
        b.depth--;
        vec_free(&b.stack[b.depth].items);
        vec_free(&b.stack[b.depth].keys);
    }
    map_free(b.anchors, NULL);
    if (!rc && !doc.root)
        rc = err_set(err, E_INVALID, "%s:1:1: the file holds no document", file);
    if (!rc)
        *ret = doc;
    return rc;
}

const struct ynode *yaml_get(const struct ynode *map, const char *key)
{
    if (!map || map->kind != Y_MAP)
        return NULL;
    for (size_t i = 0; i < map->n; i++)
        if (str_is(map->keys[i]->text, key))
            return map->items[i];
    return NULL;
}

int yaml_only(const struct ydoc *d, const struct ynode *map, const char *const *known,
              struct err *err)
{
    size_t n = 0;
    while (known[n])
        n++;
    for (size_t i = 0; i < map->n; i++) {
        const struct ynode *key = map->keys[i];
        size_t k = 0;
        while (k < n && !str_is(key->text, known[k]))
            k++;
        if (k < n)
            continue;
        int rc = yaml_err(err, d, key, "unknown key '%.*s'", STR(key->text));
        const char *near = str_nearest(key->text, known, n);
        return near ? err_hint(rc, err, "did you mean '%s'?", near) : rc;
    }
    return 0;
}

int yaml_get_str(const struct ydoc *d, const struct ynode *map, const char *key, bool required,
                 str *ret, struct err *err)
{
    const struct ynode *n = yaml_get(map, key);
    if (!n || n->kind == Y_NULL)
        return required ? yaml_err(err, d, n ? n : map, "'%s' is required", key) : 0;
    if (n->kind == Y_SEQ || n->kind == Y_MAP)
        return yaml_err(err, d, n, "'%s' must be a string, got %s", key, yaml_kind(n));
    *ret = n->text;
    return 0;
}

json_t *yaml_to_json(const struct ynode *n)
{
    json_t *j;
    switch (n->kind) {
    case Y_BOOL:
        return json_boolean(n->boolean);
    case Y_INT:
        return json_integer(n->integer);
    case Y_FLOAT:
        return isfinite(n->number) ? json_real(n->number) : json_strn(n->text);
    case Y_STR:
        return json_strn(n->text);
    case Y_SEQ:
        j = json_array();
        for (size_t i = 0; i < n->n; i++)
            json_array_append_new(j, yaml_to_json(n->items[i]));
        return j;
    case Y_MAP:
        j = json_object();
        for (size_t i = 0; i < n->n; i++)
            json_object_set_new(j, n->keys[i]->text.n ? n->keys[i]->text.p : "",
                                yaml_to_json(n->items[i]));
        return j;
    default:
        return json_null();
    }
}
