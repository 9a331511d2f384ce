/* SPDX-License-Identifier: Apache-2.0
 *
 * One JSON value into one element, and arrays of them. Pure.
 */
#include "serve/read_int.h"

#include <float.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

int find_column(const struct contract *c, str name, size_t guess, size_t *ret, struct err *err)
{
    if (guess < c->column_n && str_eq(c->columns[guess].name, name)) {
        *ret = guess;
        return 0;
    }
    size_t at = (size_t)map_get(c->column_index, name);
    if (at) {
        *ret = at - 1;
        return 0;
    }
    err_set(err, E_INVALID, "the model has no input '%.*s'", (int)MIN(name.n, 100), name.p);
    const char *near = str_nearest(name, c->column_names, c->column_n);
    if (near)
        err_set(err, E_INVALID, "the model has no input '%.*s': did you mean '%s'?",
                (int)MIN(name.n, 100), name.p, near);
    return E_INVALID;
}

bool can_miss(const struct column *col)
{
    return col->optional && (col->type == DT_FP32 || col->type == DT_FP64 || col->type == DT_BYTES);
}

void put_missing(const struct column *col, void *data, size_t at, size_t n)
{
    for (size_t i = at; i < at + n; i++) {
        if (col->type == DT_FP32)
            ((float *)data)[i] = NAN;
        else if (col->type == DT_FP64)
            ((double *)data)[i] = NAN;
        else
            ((str *)data)[i] = S("");
    }
}

struct range {
    uint64_t negative, positive; /* largest magnitudes */
};

static struct range range_of(enum datatype t)
{
    switch (t) {
    case DT_INT8:
        return (struct range){(uint64_t)1 << 7, INT8_MAX};
    case DT_INT16:
        return (struct range){(uint64_t)1 << 15, INT16_MAX};
    case DT_INT32:
        return (struct range){(uint64_t)1 << 31, INT32_MAX};
    case DT_INT64:
        return (struct range){(uint64_t)1 << 63, INT64_MAX};
    case DT_UINT8:
        return (struct range){0, UINT8_MAX};
    case DT_UINT16:
        return (struct range){0, UINT16_MAX};
    case DT_UINT32:
        return (struct range){0, UINT32_MAX};
    default:
        return (struct range){0, UINT64_MAX};
    }
}

static int number_fail(const struct scan *s, const char *start, const char *why,
                       const struct column *col, struct err *err)
{
    struct scan at = *s;
    at.p = start;
    return scan_fail(&at, err, "%.*s %s %s", (int)MIN(s->p - start, 40), start, why,
                     datatype_name(col->type));
}

/* A whole number, or one written as 17.0: data frames turn integers with gaps into floats. */
static int read_whole(struct scan *s, const struct column *col, uint64_t *ret, struct err *err)
{
    struct scan_number n;
    scan_peek(s);
    const char *start = s->p;
    int rc = scan_number(s, &n, err);
    if (rc)
        return rc;
    double limit = 9007199254740992.0; /* 2^53: beyond it a double hides digits */
    if (!n.whole && fabs(n.value) <= limit && n.value == floor(n.value)) {
        n.magnitude = (uint64_t)fabs(n.value);
        n.whole = true;
    }
    struct range range = range_of(col->type);
    if (!n.whole && n.value == floor(n.value))
        return number_fail(s, start, "is out of range for", col, err);
    if (!n.whole)
        return number_fail(s, start, "is not a whole number, as needed for", col, err);
    if (n.magnitude > (n.negative ? range.negative : range.positive))
        return number_fail(s, start, "is out of range for", col, err);
    *ret = n.negative ? 0 - n.magnitude : n.magnitude;
    return 0;
}

static int read_real(struct scan *s, const struct column *col, double *ret, struct err *err)
{
    struct scan_number n;
    enum scan_kind kind = scan_peek(s);
    if (col->boolean && (kind == SCAN_TRUE || kind == SCAN_FALSE)) {
        bool v;
        int rc = scan_bool(s, &v, err);
        if (!rc)
            *ret = v;
        return rc;
    }
    const char *start = s->p;
    int rc = scan_number(s, &n, err);
    if (rc)
        return rc;
    /* The largest double that still rounds to FLT_MAX. */
    double limit = col->type == DT_FP32 ? 0x1.fffffefffffffp127 : DBL_MAX;
    if (fabs(n.value) > limit)
        return number_fail(s, start, "is out of range for", col, err);
    *ret = n.value;
    return 0;
}

static int read_truth(struct scan *s, bool *ret, struct err *err)
{
    if (scan_peek(s) != SCAN_NUMBER)
        return scan_bool(s, ret, err);
    struct scan_number n;
    int rc = scan_number(s, &n, err);
    if (!rc && (!n.whole || n.magnitude > 1 || (n.negative && n.magnitude)))
        return scan_fail(s, err, "a BOOL is true, false, 1 or 0");
    if (!rc)
        *ret = n.magnitude == 1;
    return rc;
}

static int read_null(struct scan *s, const struct column *col, void *data, size_t at,
                     struct err *err)
{
    if (!can_miss(col))
        return scan_fail(s, err, "null, but the model cannot do without '%.*s'", STR(col->name));
    int rc = scan_null(s, err);
    if (!rc)
        put_missing(col, data, at, 1);
    return rc;
}

static int read_integer(struct scan *s, const struct column *col, void *data, size_t at,
                        struct err *err)
{
    uint64_t v = 0;
    int rc = read_whole(s, col, &v, err);
    size_t size = datatype_size(col->type);
    if (!rc) /* little-endian: the low bytes of two's complement are the value */
        memcpy((char *)data + at * size, &v, size);
    return rc;
}

int read_cell(struct scan *s, const struct column *col, void *data, size_t at, struct err *err)
{
    double v;
    int rc;
    if (scan_peek(s) == SCAN_NULL)
        return read_null(s, col, data, at, err);
    switch (col->type) {
    case DT_BYTES:
        return scan_string(s, &((str *)data)[at], err);
    case DT_FP32:
        rc = read_real(s, col, &v, err);
        if (!rc)
            ((float *)data)[at] = (float)v;
        return rc;
    case DT_FP64:
        return read_real(s, col, &((double *)data)[at], err);
    case DT_BOOL:
        return read_truth(s, &((bool *)data)[at], err);
    case DT_FP16:
        return err_hint(scan_fail(s, err, "FP16 has no JSON form"), err,
                        "export the model with FP32 inputs");
    default:
        return read_integer(s, col, data, at, err);
    }
}

struct walk {
    const struct column *col;
    const int64_t *dims;
    unsigned rank;
    void *data;
    size_t at;
    int64_t place[TENSOR_RANK_MAX]; /* where in the nesting, for messages */
};

static void describe(const struct walk *w, unsigned depth, char *text, size_t size)
{
    struct buf b = BUF(200);
    buf_puts(&b, "data");
    for (unsigned d = 0; d < depth; d++)
        buf_printf(&b, "[%lld]", (long long)w->place[d]);
    snprintf(text, size, "%s", buf_cstr(&b));
    buf_free(&b);
}

static int ragged(struct scan *s, const struct walk *w, unsigned depth, int64_t n, struct err *err)
{
    char place[200];
    describe(w, depth, place, sizeof(place));
    return scan_fail(s, err, "%s has %lld elements, the shape says %lld", place, (long long)n,
                     (long long)w->dims[depth]);
}

static int read_nested(struct scan *s, struct walk *w, unsigned depth, struct err *err)
{
    if (depth == w->rank)
        return read_cell(s, w->col, w->data, w->at++, err);
    int64_t n = 0;
    int rc = scan_array(s, err);
    while (!rc && scan_element(s, &rc, err)) {
        w->place[depth] = n++;
        if (n <= w->dims[depth])
            rc = read_nested(s, w, depth + 1, err);
        else
            rc = scan_skip(s, err);
    }
    if (!rc && n != w->dims[depth])
        rc = ragged(s, w, depth, n, err);
    return rc;
}

/* Behind the '[' of flat data. */
static int read_flat(struct scan *s, const struct walk *w, size_t count, struct err *err)
{
    size_t n = 0;
    int rc = 0;
    while (!rc && scan_element(s, &rc, err)) {
        rc = n < count ? read_cell(s, w->col, w->data, w->at + n, err) : scan_skip(s, err);
        n++;
    }
    if (!rc && n != count)
        rc = scan_fail(s, err, "the data has %zu elements, the shape needs %zu", n, count);
    return rc;
}

int read_tensor(struct scan *s, const struct column *col, const int64_t *dims, unsigned rank,
                size_t count, void *data, size_t at, struct err *err)
{
    struct walk w = {.col = col, .dims = dims, .rank = rank, .data = data, .at = at};
    struct scan ahead = *s;
    int rc = scan_array(&ahead, err);
    if (rc) {
        scan_peek(s);
        return rank == 0 ? read_cell(s, col, data, at, err) : scan_array(s, err);
    }
    /* Nested if its first element is an array and the shape has room for one. */
    if (rank > 1 && scan_peek(&ahead) == SCAN_ARRAY)
        return read_nested(s, &w, 0, err);
    *s = ahead;
    return read_flat(s, &w, count, err);
}

void set_rows(const struct contract *c, struct batch *b, int64_t n)
{
    struct tensor *in = batch_inputs(b);
    for (size_t i = 0; i < c->column_n; i++) {
        in[i].shape[0] = n;
        in[i].count = (size_t)n * c->columns[i].width;
    }
}

/* Eight times the largest body: rows with their values in them always fit, while a body full of
 * empty rows for a model that can miss its columns does not grow a hundredfold. */
enum { ROOM_MAX = 512 << 20 };

int room_for(const struct contract *c, struct batch *b, size_t n, struct err *err)
{
    int rc = 0;
    size_t row = 0;
    for (size_t i = 0; i < c->column_n; i++)
        row += c->columns[i].width * datatype_size(c->columns[i].type);
    if (n > ROOM_MAX / MAX(row, (size_t)1))
        return err_hint(err_set(err, E_TOOBIG, "the rows need more than %d MB", ROOM_MAX >> 20),
                        err, "send fewer of them in one request");
    for (size_t i = 0; !rc && i < c->column_n; i++)
        rc = batch_room(b, i, n * c->columns[i].width, err);
    return rc;
}
