/* SPDX-License-Identifier: Apache-2.0
 *
 * Streamed results: a chunk of at most 2,048 rows at a time, read through typed cells.
 *
 * Vectors come as DuckDB lays them out: an array of the element type and an optional bit mask where
 * 0 means null. Thread: the owner of the struct duck.
 */
#include "data/duck_int.h"

#include <math.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

struct column {
    enum duck_kind kind;
    duckdb_type internal; /* DUCK_DECIMAL: the integer that carries it */
    double scale;         /* DUCK_DECIMAL: divide by this */
    const void *data;     /* of the current chunk */
    uint64_t *valid;      /* NULL: no nulls */
};

struct duck_rows {
    struct duck *duck;
    char *sql;
    duckdb_prepared_statement statement;
    duckdb_result result;
    duckdb_data_chunk chunk;
    size_t n;
    struct column *columns;
};

static enum duck_kind kind_of(duckdb_type type)
{
    static const enum duck_kind kinds[] = {
        [DUCKDB_TYPE_BOOLEAN] = DUCK_BOOL,
        [DUCKDB_TYPE_TINYINT] = DUCK_I8,
        [DUCKDB_TYPE_SMALLINT] = DUCK_I16,
        [DUCKDB_TYPE_INTEGER] = DUCK_I32,
        [DUCKDB_TYPE_BIGINT] = DUCK_I64,
        [DUCKDB_TYPE_UTINYINT] = DUCK_U8,
        [DUCKDB_TYPE_USMALLINT] = DUCK_U16,
        [DUCKDB_TYPE_UINTEGER] = DUCK_U32,
        [DUCKDB_TYPE_UBIGINT] = DUCK_U64,
        [DUCKDB_TYPE_FLOAT] = DUCK_F32,
        [DUCKDB_TYPE_DOUBLE] = DUCK_F64,
        [DUCKDB_TYPE_VARCHAR] = DUCK_TEXT,
        [DUCKDB_TYPE_DATE] = DUCK_DATE,
        [DUCKDB_TYPE_TIMESTAMP] = DUCK_TIME_US,
        [DUCKDB_TYPE_TIMESTAMP_TZ] = DUCK_TIME_US,
        [DUCKDB_TYPE_DECIMAL] = DUCK_DECIMAL,
    };
    return (size_t)type < LENGTH(kinds) ? kinds[type] : DUCK_OTHER;
}

static void learn_columns(struct duck_rows *r)
{
    const struct duck_api *api = &r->duck->api;
    r->n = api->column_count(&r->result);
    r->columns = xcalloc(r->n + 1, sizeof(*r->columns));
    for (size_t i = 0; i < r->n; i++) {
        struct column *c = &r->columns[i];
        c->kind = kind_of(api->column_type(&r->result, i));
        if (c->kind != DUCK_DECIMAL)
            continue;
        duckdb_logical_type type = api->column_logical_type(&r->result, i);
        c->internal = api->decimal_internal_type(type);
        c->scale = pow(10, api->decimal_scale(type));
        api->destroy_logical_type(&type);
    }
}

static int start(struct duck_rows *r, struct err *err)
{
    struct duck *d = r->duck;
    duckdb_pending_result pending = NULL;
    str sql = str_from(r->sql);
    if (d->api.prepare(d->connection, r->sql, &r->statement) == DuckDBError)
        return duck_fail(d, sql, d->api.prepare_error(r->statement), err);
    int rc = 0;
    if (d->api.pending_prepared_streaming(r->statement, &pending) == DuckDBError)
        rc = duck_fail(d, sql, d->api.pending_error(pending), err);
    else if (d->api.execute_pending(pending, &r->result) == DuckDBError)
        rc = duck_fail(d, sql, d->api.result_error(&r->result), err);
    d->api.destroy_pending(&pending);
    return rc;
}

static int query(struct duck *d, const char *fmt, va_list ap, struct duck_rows **ret,
                 struct err *err)
{
    CLEANUP(duck_rows_freep) struct duck_rows *r = xcalloc(1, sizeof(*r));
    struct buf sql = BUF(DUCK_SQL_MAX);
    buf_vprintf(&sql, fmt, ap);
    r->duck = d;
    r->sql = xstrdup(buf_cstr(&sql));
    int rc = buf_ok(&sql) ? 0 : err_set(err, E_TOOBIG, "the query is larger than 16 MB");
    buf_free(&sql);
    if (!rc)
        rc = start(r, err);
    if (rc)
        return rc;
    learn_columns(r);
    *ret = r;
    r = NULL;
    return 0;
}

int duck_query(struct duck *d, struct duck_rows **ret, struct err *err, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    int rc = query(d, fmt, ap, ret, err);
    va_end(ap);
    return rc;
}

int duck_one_i64(struct duck *d, int64_t *ret, struct err *err, const char *fmt, ...)
{
    CLEANUP(duck_rows_freep) struct duck_rows *r = NULL;
    size_t n = 0;
    va_list ap;
    va_start(ap, fmt);
    int rc = query(d, fmt, ap, &r, err);
    va_end(ap);
    if (rc)
        return rc;
    rc = duck_next_chunk(r, &n, err);
    if (rc < 0)
        return -rc;
    if (rc == 0 || r->n < 1)
        return err_set(err, E_INTERNAL, "a query that counts returned nothing");
    *ret = duck_cell_i64(r, 0, 0);
    return 0;
}

void duck_rows_free(struct duck_rows *r)
{
    if (!r)
        return;
    const struct duck_api *api = &r->duck->api;
    if (r->chunk)
        api->destroy_data_chunk(&r->chunk);
    api->destroy_result(&r->result);
    if (r->statement)
        api->destroy_prepare(&r->statement);
    free(r->columns);
    free(r->sql);
    free(r);
}

void duck_rows_freep(struct duck_rows **r)
{
    duck_rows_free(*r);
}

size_t duck_columns(const struct duck_rows *r)
{
    return r->n;
}

const char *duck_column_name(const struct duck_rows *r, size_t column)
{
    return r->duck->api.column_name((duckdb_result *)&r->result, column);
}

enum duck_kind duck_column_kind(const struct duck_rows *r, size_t column)
{
    return r->columns[column].kind;
}

int duck_next_chunk(struct duck_rows *r, size_t *ret_n, struct err *err)
{
    const struct duck_api *api = &r->duck->api;
    do {
        if (r->chunk)
            api->destroy_data_chunk(&r->chunk);
        r->chunk = api->fetch_chunk(r->result);
    } while (r->chunk && api->data_chunk_get_size(r->chunk) == 0);
    if (!r->chunk) {
        const char *message = api->result_error(&r->result);
        return message && message[0] ? -duck_fail(r->duck, str_from(r->sql), message, err) : 0;
    }
    for (size_t i = 0; i < r->n; i++) {
        duckdb_vector v = api->data_chunk_get_vector(r->chunk, i);
        r->columns[i].data = api->vector_get_data(v);
        r->columns[i].valid = api->vector_get_validity(v);
    }
    *ret_n = api->data_chunk_get_size(r->chunk);
    return 1;
}

const void *duck_vector(struct duck_rows *r, size_t column)
{
    return r->columns[column].data;
}

bool duck_cell_null(struct duck_rows *r, size_t column, size_t row)
{
    const struct column *c = &r->columns[column];
    return c->kind == DUCK_OTHER || (c->valid && !(c->valid[row / 64] >> (row % 64) & 1));
}

str duck_cell_text(struct duck_rows *r, size_t column, size_t row)
{
    const struct column *c = &r->columns[column];
    if (c->kind != DUCK_TEXT || duck_cell_null(r, column, row))
        return (str){0};
    const duckdb_string_t *s = (const duckdb_string_t *)c->data + row;
    uint32_t n = s->value.inlined.length;
    return str_n(
        n <= sizeof(s->value.inlined.inlined) ? s->value.inlined.inlined : s->value.pointer.ptr, n);
}

static double decimal(const struct column *c, size_t row)
{
    switch (c->internal) {
    case DUCKDB_TYPE_SMALLINT:
        return ((const int16_t *)c->data)[row] / c->scale;
    case DUCKDB_TYPE_INTEGER:
        return ((const int32_t *)c->data)[row] / c->scale;
    case DUCKDB_TYPE_BIGINT:
        return (double)((const int64_t *)c->data)[row] / c->scale;
    default: {
        const duckdb_hugeint *h = (const duckdb_hugeint *)c->data + row;
        return ((double)h->upper * 18446744073709551616.0 + (double)h->lower) / c->scale;
    }
    }
}

static int64_t integer(const struct column *c, size_t row)
{
    switch (c->kind) {
    case DUCK_BOOL:
    case DUCK_U8:
        return ((const uint8_t *)c->data)[row];
    case DUCK_I8:
        return ((const int8_t *)c->data)[row];
    case DUCK_I16:
        return ((const int16_t *)c->data)[row];
    case DUCK_U16:
        return ((const uint16_t *)c->data)[row];
    case DUCK_DATE:
    case DUCK_I32:
        return ((const int32_t *)c->data)[row];
    case DUCK_U32:
        return ((const uint32_t *)c->data)[row];
    case DUCK_TIME_US:
    case DUCK_I64:
    case DUCK_U64:
        return ((const int64_t *)c->data)[row];
    default:
        return 0;
    }
}

static double number(const struct column *c, size_t row)
{
    switch (c->kind) {
    case DUCK_F32:
        return ((const float *)c->data)[row];
    case DUCK_F64:
        return ((const double *)c->data)[row];
    case DUCK_DECIMAL:
        return decimal(c, row);
    case DUCK_U64:
        return (double)((const uint64_t *)c->data)[row];
    default:
        return (double)integer(c, row);
    }
}

double duck_cell_f64(struct duck_rows *r, size_t column, size_t row)
{
    return duck_cell_null(r, column, row) ? NAN : number(&r->columns[column], row);
}

int64_t duck_cell_i64(struct duck_rows *r, size_t column, size_t row)
{
    const struct column *c = &r->columns[column];
    if (duck_cell_null(r, column, row))
        return 0;
    bool is_real = c->kind == DUCK_F32 || c->kind == DUCK_F64 || c->kind == DUCK_DECIMAL;
    return is_real ? (int64_t)number(c, row) : integer(c, row);
}

/* 2013-06-01, or with a time of day 2013-06-01T12:00:00Z (fraction only if there is one). */
static json_t *iso8601(int64_t days, bool with_time, int64_t us)
{
    char text[64];
    struct tm tm;
    time_t seconds = (time_t)(days * 86400 + us / 1000000);
    if (!gmtime_r(&seconds, &tm))
        return json_null();
    size_t n = strftime(text, sizeof(text), with_time ? "%Y-%m-%dT%H:%M:%S" : "%Y-%m-%d", &tm);
    if (with_time && us % 1000000)
        n += (size_t)snprintf(text + n, sizeof(text) - n, ".%06d", (int)(us % 1000000));
    if (with_time)
        snprintf(text + n, sizeof(text) - n, "Z");
    return json_string(text);
}

static json_t *real(double v)
{
    return isfinite(v) ? json_real(v) : json_null();
}

json_t *duck_cell_json(struct duck_rows *r, size_t column, size_t row)
{
    const int64_t day = 86400000000;
    if (duck_cell_null(r, column, row))
        return json_null();
    int64_t i = integer(&r->columns[column], row);
    switch (r->columns[column].kind) {
    case DUCK_BOOL:
        return json_boolean(i != 0);
    case DUCK_TEXT:
        return json_strn(duck_cell_text(r, column, row));
    case DUCK_DATE:
        return iso8601(i, false, 0);
    case DUCK_TIME_US: {
        int64_t days = i / day - (i % day < 0);
        return iso8601(days, true, i - days * day);
    }
    case DUCK_F32:
    case DUCK_F64:
    case DUCK_DECIMAL:
        return real(duck_cell_f64(r, column, row));
    default:
        return json_integer(i);
    }
}

json_t *duck_row_json(struct duck_rows *r, size_t row)
{
    json_t *o = json_object();
    for (size_t i = 0; i < r->n; i++)
        json_object_set_new(o, duck_column_name(r, i), duck_cell_json(r, i, row));
    return o;
}

int duck_rows_json(struct duck_rows *r, size_t max, json_t **ret, struct err *err)
{
    CLEANUP(json_freep) json_t *all = json_array();
    size_t n;
    int rc = 0;
    while (json_array_size(all) < max && (rc = duck_next_chunk(r, &n, err)) > 0)
        for (size_t i = 0; i < n && json_array_size(all) < max; i++)
            json_array_append_new(all, duck_row_json(r, i));
    if (rc < 0)
        return -rc;
    *ret = all;
    all = NULL;
    return 0;
}
