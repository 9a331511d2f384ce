/* SPDX-License-Identifier: Apache-2.0
 *
 * POST …/invocations: rows of named columns, in our form and in MLflow's four. Pure.
 *
 *   {"rows": [{"a": 1, "b": "x"}, …]}            also "dataframe_records"
 *   {"dataframe_split": {"columns": ["a", "b"], "data": [[1, "x"], …]}}
 *   {"instances": [{"a": 1, "b": "x"}, …]}       or [[1, "x"], …] in the model's order
 *   {"inputs": {"a": [1, …], "b": ["x", …]}}     or as instances
 *
 * Errors name row (from 1) and column.
 */
#include "serve/read_int.h"

#include <string.h>

struct rows {
    const struct contract *c;
    struct batch *b;
    struct scan s;
    int64_t base, n;   /* rows before this request, rows read */
    size_t room;       /* rows every column has room for */
    uint32_t *seen;    /* per column: the row that named it last */
    const size_t *map; /* dataframe_split: position to column; NULL = the model's order */
    size_t map_n;
};

enum { ROWS_MAX = 1 << 24 };

static int begin_row(struct rows *r, struct err *err)
{
    r->n++;
    size_t need = (size_t)(r->base + r->n);
    if (r->n > ROWS_MAX)
        return err_set(err, E_TOOBIG, "more than %d rows in one request", ROWS_MAX);
    if (need <= r->room)
        return 0;
    r->room = MAX(need, r->room + r->room / 2);
    return room_for(r->c, r->b, r->room, err);
}

static int cell_fail(const struct rows *r, str name, int rc, struct err *err)
{
    if (rc)
        err_wrap(err, "row %lld, column '%.*s'", (long long)r->n, (int)MIN(name.n, 100), name.p);
    return rc;
}

static int row_fail(const struct rows *r, int rc, struct err *err)
{
    if (rc)
        err_wrap(err, "row %lld", (long long)r->n);
    return rc;
}

/* The value of one column in the row being read. */
static int read_value(struct rows *r, size_t at, struct err *err)
{
    const struct column *col = &r->c->columns[at];
    void *data = batch_inputs(r->b)[at].data;
    size_t start = (size_t)(r->base + r->n - 1) * col->width;
    bool single = col->rank <= 1 || (col->width == 1 && scan_peek(&r->s) != SCAN_ARRAY);
    int rc;
    if (single)
        rc = read_cell(&r->s, col, data, start, err);
    else if (scan_peek(&r->s) == SCAN_NULL && can_miss(col)) {
        rc = scan_null(&r->s, err);
        put_missing(col, data, start, col->width);
    } else
        rc = read_tensor(&r->s, col, col->shape + 1, col->rank - 1, col->width, data, start, err);
    return cell_fail(r, col->name, rc, err);
}

static int fill_row(struct rows *r, struct err *err)
{
    for (size_t i = 0; i < r->c->column_n; i++) {
        const struct column *col = &r->c->columns[i];
        if (r->seen[i] == (uint32_t)r->n)
            continue;
        if (!can_miss(col))
            return err_set(err, E_INVALID, "row %lld: the column '%.*s' is missing",
                           (long long)r->n, STR(col->name));
        put_missing(col, batch_inputs(r->b)[i].data, (size_t)(r->base + r->n - 1) * col->width,
                    col->width);
    }
    return 0;
}

static int claim(struct rows *r, size_t at, struct err *err)
{
    if (r->seen[at] == (uint32_t)r->n)
        return err_set(err, E_INVALID, "row %lld: the column '%.*s' stands twice", (long long)r->n,
                       STR(r->c->columns[at].name));
    r->seen[at] = (uint32_t)r->n;
    return 0;
}

/* {"a": 1, "b": "x"} */
static int read_record(struct rows *r, struct err *err)
{
    size_t at = 0, next = 0, named = 0;
    str key;
    int rc = begin_row(r, err);
    if (!rc)
        rc = row_fail(r, scan_object(&r->s, err), err);
    for (; !rc; named++) {
        if (!scan_member(&r->s, &key, &rc, err)) {
            row_fail(r, rc, err);
            break;
        }
        rc = row_fail(r, find_column(r->c, key, next, &at, err), err);
        if (!rc)
            rc = claim(r, at, err);
        if (!rc)
            rc = read_value(r, at, err);
        next = at + 1;
    }
    return !rc && named < r->c->column_n ? fill_row(r, err) : rc;
}

/* [1, "x"]: values in the order of r->map. */
static int read_positions(struct rows *r, struct err *err)
{
    size_t n = 0, most = r->map ? r->map_n : r->c->column_n;
    int rc = begin_row(r, err);
    if (!rc)
        rc = row_fail(r, scan_array(&r->s, err), err);
    while (!rc && scan_element(&r->s, &rc, err)) {
        size_t at = r->map && n < most ? r->map[n] : n;
        if (n >= most)
            rc = scan_skip(&r->s, err);
        else {
            r->seen[at] = (uint32_t)r->n;
            rc = read_value(r, at, err);
        }
        n++;
    }
    if (!rc && n != most)
        rc = err_set(err, E_INVALID, "row %lld has %zu values for %zu columns", (long long)r->n, n,
                     most);
    return !rc && most < r->c->column_n ? fill_row(r, err) : rc;
}

/* A model with one column takes [1, 2, 3] as three rows. */
static int read_lone(struct rows *r, struct err *err)
{
    if (r->c->column_n != 1)
        return row_fail(r, scan_object(&r->s, err), err);
    int rc = begin_row(r, err);
    return rc ? rc : read_value(r, 0, err);
}

static int read_list(struct rows *r, bool records_only, struct err *err)
{
    int rc = scan_array(&r->s, err);
    while (!rc && scan_element(&r->s, &rc, err)) {
        enum scan_kind kind = scan_peek(&r->s);
        if (kind == SCAN_OBJECT || records_only)
            rc = read_record(r, err);
        else if (kind == SCAN_ARRAY)
            rc = read_positions(r, err);
        else
            rc = read_lone(r, err);
    }
    return rc;
}

/* One column of {"inputs": {"a": [1, 2]}}, down the rows; a lone value is a row. */
static int read_down(struct rows *r, size_t at, int64_t *ret_n, struct err *err)
{
    bool lone = scan_peek(&r->s) != SCAN_ARRAY;
    int rc = lone ? 0 : scan_array(&r->s, err);
    r->n = 0;
    while (!rc && (lone || scan_element(&r->s, &rc, err))) {
        rc = begin_row(r, err);
        if (!rc)
            rc = read_value(r, at, err);
        if (lone)
            break;
    }
    *ret_n = r->n;
    return rc;
}

static int read_columns(struct rows *r, struct err *err)
{
    enum { NAMED = 1 };
    int64_t rows = -1, n = 0;
    size_t at = 0, next = 0, first = 0;
    str key;
    int rc = scan_object(&r->s, err);
    while (!rc && scan_member(&r->s, &key, &rc, err)) {
        rc = find_column(r->c, key, next, &at, err);
        if (!rc && r->seen[at] == NAMED)
            rc = err_set(err, E_INVALID, "the column '%.*s' stands twice", STR(key));
        if (rc)
            return rc;
        r->seen[at] = NAMED;
        next = at + 1;
        rc = read_down(r, at, &n, err);
        if (!rc && rows >= 0 && n != rows)
            rc = err_set(err, E_INVALID, "the column '%.*s' has %lld rows, but '%.*s' has %lld",
                         STR(key), (long long)n, STR(r->c->columns[first].name), (long long)rows);
        if (rows < 0)
            first = at;
        rows = n;
    }
    for (size_t i = 0; !rc && i < r->c->column_n; i++) {
        const struct column *col = &r->c->columns[i];
        if (r->seen[i] == NAMED)
            continue;
        if (!can_miss(col))
            return err_set(err, E_INVALID, "the column '%.*s' is missing", STR(col->name));
        put_missing(col, batch_inputs(r->b)[i].data, (size_t)r->base * col->width,
                    (size_t)MAX(rows, 0) * col->width);
    }
    r->n = MAX(rows, 0);
    return rc;
}

static int read_names(struct rows *r, struct err *err)
{
    size_t *map = arena_alloc(r->s.arena, (r->c->column_n + 1) * sizeof(*map));
    bool *named = arena_alloc(r->s.arena, r->c->column_n + 1);
    r->map = map;
    r->map_n = 0;
    int rc = scan_array(&r->s, err);
    while (!rc && scan_element(&r->s, &rc, err)) {
        str name;
        size_t at;
        rc = scan_string(&r->s, &name, err);
        if (!rc)
            rc = find_column(r->c, name, r->map_n, &at, err);
        if (!rc && named[at])
            rc = err_set(err, E_INVALID, "the column '%.*s' stands twice", STR(name));
        if (rc)
            return rc;
        named[at] = true;
        map[r->map_n++] = at;
    }
    return rc;
}

/* "data" may come before "columns", so both are found first and then read. */
static int read_split(struct rows *r, struct err *err)
{
    struct scan columns = {0}, data = {0};
    str key;
    int rc = scan_object(&r->s, err);
    while (!rc && scan_member(&r->s, &key, &rc, err)) {
        if (str_is(key, "columns"))
            columns = r->s;
        else if (str_is(key, "data"))
            data = r->s;
        rc = scan_skip(&r->s, err);
    }
    if (rc)
        return rc;
    if (!columns.p || !data.p)
        return err_set(err, E_INVALID, "'dataframe_split' has no '%s'",
                       columns.p ? "data" : "columns");
    struct scan after = r->s;
    r->s = columns;
    rc = read_names(r, err);
    r->s = data;
    if (!rc)
        rc = scan_array(&r->s, err);
    while (!rc && scan_element(&r->s, &rc, err))
        rc = read_positions(r, err);
    r->s = after;
    return rc;
}

static const char *const forms[] = {"rows", "dataframe_records", "dataframe_split", "instances",
                                    "inputs"};

static int read_form(struct rows *r, str key, struct err *err)
{
    if (str_is(key, "rows") || str_is(key, "dataframe_records"))
        return read_list(r, true, err);
    if (str_is(key, "dataframe_split"))
        return read_split(r, err);
    if (str_is(key, "inputs") && scan_peek(&r->s) == SCAN_OBJECT)
        return read_columns(r, err);
    return read_list(r, false, err);
}

static int unknown_member(str key, struct err *err)
{
    const char *near = str_nearest(key, forms, LENGTH(forms));
    err_set(err, E_INVALID, "there is no member '%.*s'", (int)MIN(key.n, 100), key.p);
    if (near)
        err_set(err, E_INVALID, "there is no member '%.*s': did you mean '%s'?",
                (int)MIN(key.n, 100), key.p, near);
    return err_hint(E_INVALID, err, "send {\"rows\":[{\"column\":value,…},…]}");
}

static bool is_form(str key)
{
    for (size_t i = 0; i < LENGTH(forms); i++)
        if (str_is(key, forms[i]))
            return true;
    return false;
}

static int read_body(struct rows *r, struct err *err)
{
    str key, form = {0};
    int rc = scan_object(&r->s, err);
    while (!rc && scan_member(&r->s, &key, &rc, err)) {
        if (is_form(key)) {
            if (form.p)
                return err_set(err, E_INVALID, "'%.*s' and '%.*s' both carry rows: send one",
                               STR(form), STR(key));
            form = key;
            rc = read_form(r, key, err);
        } else if (str_is(key, "params") || str_is(key, "parameters") ||
                   str_is(key, "signature_name") || str_is(key, "id")) {
            rc = scan_skip(&r->s, err);
        } else {
            rc = unknown_member(key, err);
        }
    }
    if (!rc)
        rc = scan_end(&r->s, err);
    if (!rc && !form.p)
        rc = err_hint(err_set(err, E_INVALID, "the request has no rows"), err,
                      "send {\"rows\":[{\"column\":value,…},…]}");
    return rc;
}

int ask_invocation(const struct contract *c, struct batch *b, int64_t rows, str body,
                   struct arena *a, struct ask *ret, struct err *err)
{
    uint32_t few[64] = {0};
    if (!c->by_rows)
        return err_hint(err_set(err, E_UNSUPPORTED, "this model does not take rows of columns"),
                        err, "send its tensors to /v2/models/%s/infer", c->endpoint);
    struct rows r = {.c = c, .b = b, .base = rows, .room = (size_t)rows, .seen = few};
    if (c->column_n > LENGTH(few))
        r.seen = arena_alloc(a, c->column_n * sizeof(*r.seen));
    scan_init(&r.s, body, a);
    int rc = read_body(&r, err);
    if (rc)
        return rc;
    if (!r.n)
        rc = room_for(c, b, (size_t)rows + 1, err);
    if (rc)
        return rc;
    set_rows(c, b, rows + r.n);
    *ret = (struct ask){.first = rows, .rows = r.n, .invocation = true};
    return 0;
}
