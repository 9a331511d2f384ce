/* SPDX-License-Identifier: Apache-2.0
 *
 * POST …/infer of the Open Inference Protocol, version 2: {"id", "parameters", "inputs": [{"name",
 * "shape", "datatype", "parameters", "data"}], "outputs": [{"name", "parameters"}]}. Pure.
 *
 * Members may come in any order. Data that comes before the name, shape or datatype that it needs
 * is stepped over and read when they are known.
 */
#include "serve/read_int.h"

#include <stdio.h>
#include <string.h>

struct given {
    str name, datatype;
    int64_t shape[TENSOR_RANK_MAX];
    unsigned rank;
    bool has_shape, has_data, binary;
    struct scan data; /* standing before it */
};

struct reader {
    const struct contract *c;
    struct batch *b;
    struct scan s;
    int64_t base, rows;  /* rows: -1 until the first input has told */
    size_t first_column; /* that told */
    size_t next;         /* the column that probably comes next */
    uint64_t *seen;      /* a bit per column */
    size_t seen_n;
    struct ask ask;
};

static bool mark(uint64_t *bits, size_t i)
{
    uint64_t bit = (uint64_t)1 << (i % 64);
    bool before = bits[i / 64] & bit;
    bits[i / 64] |= bit;
    return before;
}

static void shape_text(const int64_t *shape, unsigned rank, char *text, size_t size)
{
    struct buf b = BUF(240);
    for (unsigned i = 0; i < rank; i++)
        buf_printf(&b, "%s%lld", i ? "," : "", (long long)shape[i]);
    snprintf(text, size, "[%s]", buf_cstr(&b));
    buf_free(&b);
}

static int read_shape(struct scan *s, struct given *g, struct err *err)
{
    int rc = scan_array(s, err);
    g->rank = 0;
    g->has_shape = true;
    while (!rc && scan_element(s, &rc, err)) {
        struct scan_number n;
        rc = scan_number(s, &n, err);
        if (rc)
            return rc;
        if (!n.whole || (n.negative && n.magnitude) || n.magnitude > INT32_MAX)
            return scan_fail(s, err, "a shape has whole numbers from 0 to %d", INT32_MAX);
        if (g->rank == TENSOR_RANK_MAX)
            return scan_fail(s, err, "a shape has at most %d dimensions", TENSOR_RANK_MAX);
        g->shape[g->rank++] = (int64_t)n.magnitude;
    }
    return rc;
}

/* The elements of a shape; a product past the body's size cannot be right and is not computed. */
static int count_of(const struct reader *r, const struct given *g, size_t *ret, struct err *err)
{
    size_t count = 1, most = (size_t)(r->s.end - r->s.begin);
    for (unsigned i = 0; i < g->rank; i++) {
        count *= (size_t)g->shape[i];
        if (count > most)
            return err_set(err, E_INVALID,
                           "the shape needs more elements than the whole request has bytes");
    }
    *ret = count;
    return 0;
}

/* The rank the model has, or for single columns also [rows] for [rows,1] and the other way round.
 */
static int check_shape(const struct reader *r, const struct column *col, const struct given *g,
                       struct err *err)
{
    bool fits = g->rank == col->rank;
    for (unsigned d = 0; fits && d < g->rank; d++)
        fits = col->shape[d] < 0 || col->shape[d] == g->shape[d];
    if (r->c->by_rows && col->width == 1 && !fits)
        fits = g->rank == 1 || (g->rank == 2 && g->shape[1] == 1);
    if (fits)
        return 0;
    char have[256], want[256];
    shape_text(g->shape, g->rank, have, sizeof(have));
    shape_text(col->shape, col->rank, want, sizeof(want));
    return err_set(err, E_INVALID, "the shape %s does not fit the model's %s", have, want);
}

static int check_rows(struct reader *r, size_t at, const struct given *g, struct err *err)
{
    if (r->rows < 0) {
        r->rows = g->shape[0];
        r->first_column = at;
        return room_for(r->c, r->b, (size_t)(r->base + r->rows), err);
    }
    if (g->shape[0] != r->rows)
        return err_set(err, E_INVALID, "it has %lld rows, but '%.*s' has %lld",
                       (long long)g->shape[0], STR(r->c->columns[r->first_column].name),
                       (long long)r->rows);
    return 0;
}

static int place_data(struct reader *r, size_t at, struct given *g, struct err *err)
{
    const struct column *col = &r->c->columns[at];
    struct tensor *in = &batch_inputs(r->b)[at];
    size_t count = 0, start = 0;
    int rc = check_shape(r, col, g, err);
    if (!rc)
        rc = count_of(r, g, &count, err);
    if (rc)
        return rc;
    if (r->c->by_rows) {
        rc = check_rows(r, at, g, err);
        start = (size_t)r->base * col->width;
    } else {
        rc = batch_room(r->b, at, count, err);
        memcpy(in->shape, g->shape, sizeof(g->shape));
        in->count = count;
    }
    if (!rc)
        rc = read_tensor(&g->data, col, g->shape, g->rank, count, in->data, start, err);
    return rc;
}

static int check_given(const struct reader *r, const struct given *g, size_t at, struct err *err)
{
    const struct column *col = &r->c->columns[at];
    if (!g->datatype.p)
        return err_set(err, E_INVALID, "it has no 'datatype'");
    if (!g->has_shape)
        return err_set(err, E_INVALID, "it has no 'shape'");
    if (!g->has_data && g->binary)
        return err_hint(err_set(err, E_UNSUPPORTED, "binary tensor data is not supported yet"), err,
                        "send the data as JSON (binary_data=False)");
    if (!g->has_data)
        return err_set(err, E_INVALID, "it has no 'data'");
    if (str_is(g->datatype, datatype_name(col->type)))
        return 0;
    if (datatype_from(g->datatype) == DT_NONE)
        return err_set(err, E_INVALID, "there is no datatype '%.*s'", (int)MIN(g->datatype.n, 40),
                       g->datatype.p);
    return err_set(err, E_INVALID, "its datatype is %.*s, the model wants %s", STR(g->datatype),
                   datatype_name(col->type));
}

static int named(str name, int rc, struct err *err)
{
    if (rc)
        err_wrap(err, "input '%.*s'", (int)MIN(name.n, 100), name.p);
    return rc;
}

static int read_parameters(struct scan *s, struct given *g, struct err *err)
{
    str key;
    int rc = scan_object(s, err);
    while (!rc && scan_member(s, &key, &rc, err)) {
        g->binary =
            g->binary || str_is(key, "binary_data_size") || str_is(key, "shared_memory_region");
        rc = scan_skip(s, err);
    }
    return rc;
}

static int read_member(struct reader *r, str key, struct given *g, struct err *err)
{
    struct scan *s = &r->s;
    if (str_is(key, "name"))
        return scan_string(s, &g->name, err);
    if (str_is(key, "datatype"))
        return scan_string(s, &g->datatype, err);
    if (str_is(key, "shape"))
        return read_shape(s, g, err);
    if (str_is(key, "parameters"))
        return read_parameters(s, g, err);
    if (!str_is(key, "data"))
        return scan_skip(s, err);
    if (g->has_data)
        return scan_fail(s, err, "'data' stands twice in one input");
    g->has_data = true;
    g->data = *s;
    return 0;
}

static int settle(struct reader *r, struct given *g, bool ready, struct err *err)
{
    size_t at;
    int rc = find_column(r->c, g->name, r->next, &at, err);
    if (rc)
        return rc;
    if (mark(r->seen, at))
        return err_set(err, E_INVALID, "the input '%.*s' stands twice", STR(g->name));
    r->next = at + 1;
    r->seen_n++;
    rc = check_given(r, g, at, err);
    if (!rc)
        rc = place_data(r, at, g, err);
    if (!rc && ready)
        r->s = g->data; /* read in place: go on behind it */
    return named(g->name, rc, err);
}

static int read_input(struct reader *r, struct err *err)
{
    struct given g = {0};
    bool settled = false;
    str key;
    int rc = scan_object(&r->s, err);
    while (!rc && scan_member(&r->s, &key, &rc, err)) {
        bool data = str_is(key, "data");
        if (settled && (str_is(key, "name") || str_is(key, "shape") || str_is(key, "datatype")))
            return scan_fail(&r->s, err, "'%.*s' stands twice in one input", STR(key));
        rc = read_member(r, key, &g, err);
        if (rc || !data)
            continue;
        if (g.name.p && g.datatype.p && g.has_shape) {
            settled = true;
            rc = settle(r, &g, true, err);
        } else {
            rc = scan_skip(&r->s, err);
        }
    }
    if (rc || settled)
        return rc;
    if (!g.name.p)
        return scan_fail(&r->s, err, "an input has no 'name'");
    return settle(r, &g, false, err);
}

static int read_inputs(struct reader *r, struct err *err)
{
    int rc = scan_array(&r->s, err);
    while (!rc && scan_element(&r->s, &rc, err))
        rc = read_input(r, err);
    return rc;
}

static int find_output(const struct contract *c, str name, size_t *ret, struct err *err)
{
    for (size_t i = 0; i < c->output_n; i++) {
        if (str_eq(c->outputs[i].name, name)) {
            *ret = i;
            return 0;
        }
    }
    const char *near = str_nearest(name, c->output_names, c->output_n);
    return err_set(err, E_INVALID, "the model has no output '%.*s'%s%s%s", (int)MIN(name.n, 100),
                   name.p, near ? ": did you mean '" : "", near ? near : "", near ? "'?" : "");
}

static int read_output(struct reader *r, struct err *err)
{
    str key, name = {0};
    size_t at = 0;
    int rc = scan_object(&r->s, err);
    while (!rc && scan_member(&r->s, &key, &rc, err))
        rc = str_is(key, "name") ? scan_string(&r->s, &name, err) : scan_skip(&r->s, err);
    if (!rc && !name.p)
        rc = scan_fail(&r->s, err, "an output has no 'name'");
    if (!rc)
        rc = find_output(r->c, name, &at, err);
    for (size_t i = 0; !rc && i < r->ask.wanted_n; i++)
        if (r->ask.wanted[i] == at)
            rc = err_set(err, E_INVALID, "the output '%.*s' stands twice", STR(name));
    if (!rc)
        r->ask.wanted[r->ask.wanted_n++] = (uint16_t)at;
    return rc;
}

/* "outputs": [] asks for all of them, as no "outputs" does. */
static int read_outputs(struct reader *r, struct err *err)
{
    if (!r->ask.wanted)
        r->ask.wanted = arena_alloc(r->s.arena, r->c->output_n * sizeof(*r->ask.wanted));
    int rc = scan_array(&r->s, err);
    while (!rc && scan_element(&r->s, &rc, err))
        rc = read_output(r, err);
    return rc;
}

/* Inputs that were not sent: fine where the model can miss them. */
static int fill_absent(struct reader *r, struct err *err)
{
    for (size_t i = 0; r->seen_n < r->c->column_n && i < r->c->column_n; i++) {
        const struct column *col = &r->c->columns[i];
        if (mark(r->seen, i))
            continue;
        if (!r->c->by_rows || !can_miss(col))
            return err_set(err, E_INVALID, "the input '%.*s' is missing", STR(col->name));
        if (r->rows < 0)
            return err_set(err, E_INVALID,
                           "the request has no inputs, so how many rows it has is "
                           "not known");
        put_missing(col, batch_inputs(r->b)[i].data, (size_t)r->base * col->width,
                    (size_t)r->rows * col->width);
    }
    return 0;
}

static int read_body(struct reader *r, struct err *err)
{
    bool inputs = false;
    str key;
    int rc = scan_object(&r->s, err);
    while (!rc && scan_member(&r->s, &key, &rc, err)) {
        if (str_is(key, "inputs")) {
            if (inputs)
                return scan_fail(&r->s, err, "'inputs' stands twice");
            inputs = true;
            rc = read_inputs(r, err);
        } else if (str_is(key, "outputs")) {
            rc = read_outputs(r, err);
        } else if (str_is(key, "id")) {
            rc = scan_string(&r->s, &r->ask.id, err);
        } else {
            rc = scan_skip(&r->s, err); /* parameters, and what later versions add */
        }
    }
    if (!rc)
        rc = scan_end(&r->s, err);
    if (!rc && !inputs)
        rc = err_set(err, E_INVALID, "the request has no 'inputs'");
    return rc;
}

int ask_infer(const struct contract *c, struct batch *b, int64_t rows, str body, struct arena *a,
              struct ask *ret, struct err *err)
{
    uint64_t few[4] = {0};
    struct reader r = {.c = c, .b = b, .base = rows, .rows = -1, .seen = few};
    if (c->column_n > 64 * LENGTH(few))
        r.seen = arena_alloc(a, c->column_n / 8 + 8);
    scan_init(&r.s, body, a);
    int rc = read_body(&r, err);
    if (!rc)
        rc = fill_absent(&r, err);
    if (rc)
        return rc;
    if (c->by_rows)
        set_rows(c, b, rows + r.rows);
    r.ask.first = rows;
    r.ask.rows = c->by_rows ? r.rows : 1;
    if (!r.ask.wanted_n)
        r.ask.wanted = NULL;
    *ret = r.ask;
    return 0;
}
