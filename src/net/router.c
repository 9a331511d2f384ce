/* SPDX-License-Identifier: Apache-2.0
 *
 * Routes as a tree of path segments, compiled once.
 *
 * A node has literal children and at most one child per kind of parameter. Literals are tried
 * first, then kinds from the narrowest to the widest; a path that dies in one child tries the next,
 * so /models/search and /models/{name} live side by side. The depth is bounded by the longest
 * pattern, and matching allocates nothing but the decoded path, in the request's arena, if it has
 * escapes.
 *
 * The path is decoded exactly once and checked as a whole before any route sees it.
 */
#include "net/net_int.h"

#include <stdio.h>
#include <string.h>

enum kind { KIND_INT, KIND_ID, KIND_DIGEST, KIND_NAME, KIND_REF, KIND_PATH, KIND_COUNT };

enum { SEGMENTS_MAX = 32, METHODS_MAX = 8 };

static const char *const kind_names[] = {"int", "id", "digest", "name", "ref", "path"};

struct leaf {
    const struct route *route;
    str params[PARAMS_MAX]; /* names */
    size_t param_count;
};

struct edge;

struct node {
    VEC(struct edge) edges;
    struct node *param[KIND_COUNT];
    struct leaf leaves[METHODS_MAX];
    size_t leaf_count;
};

struct edge {
    str literal;
    struct node *node;
};

struct router {
    struct node *root;
};

static void free_node(struct node *n)
{
    if (!n)
        return;
    vec_each (&n->edges, e)
        free_node(e->node);
    for (int k = 0; k < KIND_COUNT; k++)
        free_node(n->param[k]);
    vec_free(&n->edges);
    free(n);
}

void router_free(struct router *r)
{
    if (!r)
        return;
    free_node(r->root);
    free(r);
}

static struct node *literal_child(struct node *n, str literal)
{
    vec_each (&n->edges, e)
        if (str_eq(e->literal, literal))
            return e->node;
    struct node *child = xcalloc(1, sizeof(*child));
    *vec_push(&n->edges) = (struct edge){.literal = literal, .node = child};
    return child;
}

static bool parse_kind(str name, enum kind *ret)
{
    for (int k = 0; k < KIND_COUNT; k++)
        if (str_is(name, kind_names[k])) {
            *ret = (enum kind)k;
            return true;
        }
    return false;
}

/* "{name}" or "{n:int}" */
static int param_child(struct node *n, str segment, struct leaf *leaf, bool last, struct node **ret,
                       struct err *err)
{
    str inside = str_n(segment.p + 1, segment.n - 2), name, kind_name;
    enum kind kind = KIND_NAME;
    if (str_cut(inside, ':', &name, &kind_name) && !parse_kind(kind_name, &kind))
        return err_set(err, E_INVALID, "unknown kind of parameter '%.*s'", STR(kind_name));
    if (!name.n || leaf->param_count == PARAMS_MAX || (kind == KIND_PATH && !last))
        return err_set(err, E_INVALID, "parameter '%.*s' cannot stand here", STR(segment));
    leaf->params[leaf->param_count++] = name;
    if (!n->param[kind])
        n->param[kind] = xcalloc(1, sizeof(*n->param[kind]));
    *ret = n->param[kind];
    return 0;
}

static int check_route(const struct route *t, struct err *err)
{
    if (!t->method || !t->pattern || t->pattern[0] != '/' || !t->handler || t->kind < ROUTE_FAST ||
        t->kind > ROUTE_UPLOAD)
        return err_set(err, E_INVALID, "it is incomplete");
    if (!t->perm)
        return err_hint(err_set(err, E_INVALID, "it names no permission"), err,
                        "spell PERM_NONE if anyone may call it");
    return 0;
}

static int add_route(struct router *r, const struct route *t, struct err *err)
{
    int rc = check_route(t, err);
    struct node *n = r->root;
    struct leaf leaf = {.route = t};
    bool more = rc == 0;
    str rest = str_from(t->pattern), segment;
    for (rest = str_skip(rest, 1); more && !rc;) {
        more = str_cut(rest, '/', &segment, &rest);
        if (segment.n > 2 && segment.p[0] == '{' && segment.p[segment.n - 1] == '}')
            rc = param_child(n, segment, &leaf, !more, &n, err);
        else
            n = literal_child(n, segment);
    }
    if (rc)
        return rc;
    for (size_t i = 0; i < n->leaf_count; i++)
        if (strcmp(n->leaves[i].route->method, t->method) == 0)
            return err_set(err, E_INVALID, "it is there twice");
    if (n->leaf_count == METHODS_MAX)
        return err_set(err, E_INVALID, "it has too many methods");
    n->leaves[n->leaf_count++] = leaf;
    return 0;
}

int router_new(const struct route *routes, size_t count, struct router **ret, struct err *err)
{
    struct router *r = xcalloc(1, sizeof(*r));
    r->root = xcalloc(1, sizeof(*r->root));
    for (size_t i = 0; i < count; i++) {
        int rc = add_route(r, &routes[i], err);
        if (rc) {
            router_free(r);
            return err ? err_wrap(err, "route %s %s", routes[i].method ? routes[i].method : "?",
                                  routes[i].pattern ? routes[i].pattern : "?")
                       : rc;
        }
    }
    *ret = r;
    return 0;
}

static bool is_hex(str s, size_t n)
{
    if (s.n != n)
        return false;
    for (size_t i = 0; i < n; i++)
        if (!((s.p[i] >= '0' && s.p[i] <= '9') || (s.p[i] >= 'a' && s.p[i] <= 'f')))
            return false;
    return true;
}

static bool fits(enum kind kind, str s)
{
    int64_t number;
    switch (kind) {
    case KIND_INT:
        return s.n && s.p[0] >= '0' && s.p[0] <= '9' && str_i64(s, &number);
    case KIND_ID:
        return is_hex(s, 32);
    case KIND_DIGEST:
        return is_hex(s, 64);
    case KIND_NAME:
        return str_is_name(s);
    case KIND_REF:
        return str_is_name(s.n && s.p[0] == '@' ? str_skip(s, 1) : s);
    default:
        return true;
    }
}

/* The segments of one path on their way down the tree. */
struct walk {
    str method, path;
    str segments[SEGMENTS_MAX];
    size_t count;
    str values[PARAMS_MAX];
    struct match *match;
};

static void note_allowed(struct match *m, const char *method)
{
    size_t n = strlen(m->allow);
    if (!strstr(m->allow, method))
        snprintf(m->allow + n, sizeof(m->allow) - n, "%s%s", n ? ", " : "", method);
}

static bool take_leaf(struct walk *w, const struct node *n, size_t params)
{
    const struct leaf *found = NULL;
    for (size_t i = 0; i < n->leaf_count; i++) {
        const char *method = n->leaves[i].route->method;
        note_allowed(w->match, method);
        bool get = strcmp(method, "GET") == 0;
        if (get)
            note_allowed(w->match, "HEAD");
        if (str_is(w->method, method) || (get && !found && str_eq(w->method, S("HEAD"))))
            found = &n->leaves[i];
    }
    if (!found)
        return false;
    w->match->route = found->route;
    w->match->param_count = params;
    for (size_t i = 0; i < params; i++)
        w->match->params[i] = (struct header){.name = found->params[i], .value = w->values[i]};
    return true;
}

static bool descend(struct walk *w, const struct node *n, size_t at, size_t params)
{
    if (at == w->count)
        return take_leaf(w, n, params);
    str segment = w->segments[at];
    for (size_t i = 0; i < n->edges.n; i++)
        if (str_eq(n->edges.p[i].literal, segment) &&
            descend(w, n->edges.p[i].node, at + 1, params))
            return true;
    for (int k = 0; k < KIND_PATH; k++) {
        if (!n->param[k] || !fits((enum kind)k, segment))
            continue;
        w->values[params] = segment;
        if (descend(w, n->param[k], at + 1, params + 1))
            return true;
    }
    if (!n->param[KIND_PATH])
        return false;
    w->values[params] = str_skip(w->path, (size_t)(segment.p - w->path.p));
    return take_leaf(w, n->param[KIND_PATH], params + 1);
}

static int hex_value(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

/* Cuts at the slashes that were written as such, decoding into out (as long as raw). */
static int decode_path(str raw, char *out, struct walk *w, struct err *err)
{
    size_t n = 0, start = 0;
    for (size_t i = 0; i < raw.n; i++) {
        char c = raw.p[i];
        if (c == '/') {
            if (i && w->count == SEGMENTS_MAX - 1)
                return err_set(err, E_INVALID, "the path has more than %d segments", SEGMENTS_MAX);
            if (i)
                w->segments[w->count++] = str_n(out + start, n - start);
            start = n + 1;
        } else if (c == '%') {
            int high = i + 2 < raw.n ? hex_value(raw.p[i + 1]) : -1;
            int low = high < 0 ? -1 : hex_value(raw.p[i + 2]);
            if (low < 0)
                return err_set(err, E_INVALID, "the path has a '%%' without two hex digits");
            c = (char)(high * 16 + low);
            i += 2;
        }
        out[n++] = c;
    }
    w->segments[w->count++] = str_n(out + start, n - start);
    w->path = str_n(out, n);
    return 0;
}

static int check_path(str path, struct err *err)
{
    for (size_t i = 0; i < path.n; i++)
        if ((unsigned char)path.p[i] < 0x20 || path.p[i] == 0x7f || path.p[i] == '\\')
            return err_set(err, E_INVALID, "the path has a control character or a backslash");
    if (!str_is_utf8(path))
        return err_set(err, E_INVALID, "the path is not UTF-8");
    str rest = path, part;
    for (bool more = true; more;) {
        more = str_cut(rest, '/', &part, &rest);
        if (str_eq(part, S("..")) || str_eq(part, S(".")))
            return err_set(err, E_INVALID, "the path has a '%.*s' segment", STR(part));
    }
    return 0;
}

/* {rest:path} stands for at least nothing, but never for an empty segment within. */
static int check_rest(const struct match *m, struct err *err)
{
    for (size_t i = 0; m->route && i < m->param_count; i++) {
        str v = m->params[i].value;
        for (size_t j = 0; j < v.n; j++)
            if (v.p[j] == '/' && (j == 0 || j + 1 == v.n || v.p[j + 1] == '/'))
                return err_set(err, E_INVALID, "the path has an empty segment");
    }
    return 0;
}

int router_match(const struct router *r, str method, str raw, struct arena *a, str *ret_path,
                 struct match *ret, struct err *err)
{
    struct walk w = {.method = method, .match = ret};
    char *out = arena_try(a, raw.n + 1);
    if (!out || !raw.n || raw.p[0] != '/')
        return err_set(err, E_INVALID, "the path must start with '/'");
    int rc = decode_path(raw, out, &w, err);
    rc = rc ? rc : check_path(w.path, err);
    if (rc)
        return rc;
    *ret_path = w.path;
    ret->route = NULL;
    ret->param_count = 0;
    ret->allow[0] = 0;
    descend(&w, r->root, 0, 0);
    return check_rest(ret, err);
}
