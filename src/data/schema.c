/* SPDX-License-Identifier: Apache-2.0 */
#include "data/schema.h"

#include <stdio.h>
#include <string.h>

/* Delta's primitive types (PROTOCOL.md, "Primitive Types"), as DuckDB names them. */
static const struct {
    const char *delta, *sql;
    bool ordered;
} types[] = {
    {"string", "VARCHAR", true},
    {"long", "BIGINT", true},
    {"integer", "INTEGER", true},
    {"short", "SMALLINT", true},
    {"byte", "TINYINT", true},
    {"double", "DOUBLE", true},
    {"float", "FLOAT", true},
    {"boolean", "BOOLEAN", false},
    {"date", "DATE", true},
    {"binary", "BLOB", false},
    {"timestamp", "TIMESTAMP WITH TIME ZONE", true},
};

/* What people write for them, and what DuckDB has that narrows to them. Lower case. */
static const struct {
    const char *name, *delta;
} everyday[] = {
    {"text", "string"},    {"str", "string"},         {"varchar", "string"},
    {"bigint", "long"},    {"int64", "long"},         {"int", "long"},
    {"int32", "integer"},  {"smallint", "short"},     {"int16", "short"},
    {"tinyint", "byte"},   {"int8", "byte"},          {"number", "double"},
    {"float64", "double"}, {"real", "float"},         {"float32", "float"},
    {"bool", "boolean"},   {"datetime", "timestamp"}, {"timestamptz", "timestamp"},
    {"blob", "binary"},
};

static const struct {
    const char *sql, *delta;
} narrowed[] = {
    {"UTINYINT", "short"},
    {"USMALLINT", "integer"},
    {"UINTEGER", "long"},
    {"UBIGINT", "long"},
    {"HUGEINT", "long"},
    {"UHUGEINT", "long"},
    {"TIMESTAMP", "timestamp"},
    {"TIMESTAMP_S", "timestamp"},
    {"TIMESTAMP_MS", "timestamp"},
    {"TIMESTAMP_NS", "timestamp"},
    {"UUID", "string"},
    {"JSON", "string"},
    {"TIME", "string"},
    {"INTERVAL", "string"},
    {"\"NULL\"", "string"},
};

/* "decimal(p,s)" in either language, 1 <= p <= 38, 0 <= s <= p. */
static bool is_decimal(str s, unsigned *precision, unsigned *scale)
{
    str head, tail, p, q;
    uint64_t pv, qv;
    if (!str_cut(s, '(', &head, &tail) || !str_ieq(head, S("decimal")) || !str_ends(tail, S(")")) ||
        !str_cut(str_n(tail.p, tail.n - 1), ',', &p, &q) || !str_u64(str_trim(p), &pv) ||
        !str_u64(str_trim(q), &qv) || pv < 1 || pv > 38 || qv > pv)
        return false;
    *precision = (unsigned)pv;
    *scale = (unsigned)qv;
    return true;
}

int schema_type(str name, char ret[32], struct err *err)
{
    unsigned p, s;
    const char *known[LENGTH(types)];
    for (size_t i = 0; i < LENGTH(types); i++) {
        known[i] = types[i].delta;
        if (str_ieq(name, str_from(types[i].delta)))
            return snprintf(ret, 32, "%s", types[i].delta), 0;
    }
    for (size_t i = 0; i < LENGTH(everyday); i++)
        if (str_ieq(name, str_from(everyday[i].name)))
            return snprintf(ret, 32, "%s", everyday[i].delta), 0;
    if (is_decimal(name, &p, &s))
        return snprintf(ret, 32, "decimal(%u,%u)", p, s), 0;
    const char *near = str_nearest(name, known, LENGTH(known));
    int rc = err_set(err, E_INVALID, "no column type '%.*s'", STR(name));
    return near ? err_hint(rc, err, "did you mean '%s'?", near)
                : err_hint(rc, err,
                           "types: string, long, double, boolean, date, timestamp, "
                           "integer, float, decimal(10,2)");
}

int schema_sql_type(str type, char ret[32], struct err *err)
{
    unsigned p, s;
    for (size_t i = 0; i < LENGTH(types); i++)
        if (str_is(type, types[i].delta))
            return snprintf(ret, 32, "%s", types[i].sql), 0;
    if (is_decimal(type, &p, &s))
        return snprintf(ret, 32, "DECIMAL(%u,%u)", p, s), 0;
    return err_set(err, E_UNSUPPORTED, "a column of type '%.*s' cannot be used", STR(type));
}

int schema_from_sql(const char *column, str sql_type, char ret[32], struct err *err)
{
    unsigned p, s;
    for (size_t i = 0; i < LENGTH(types); i++)
        if (str_is(sql_type, types[i].sql))
            return snprintf(ret, 32, "%s", types[i].delta), 0;
    for (size_t i = 0; i < LENGTH(narrowed); i++)
        if (str_is(sql_type, narrowed[i].sql))
            return snprintf(ret, 32, "%s", narrowed[i].delta), 0;
    if (is_decimal(sql_type, &p, &s))
        return snprintf(ret, 32, "decimal(%u,%u)", p, s), 0;
    if (str_starts(sql_type, S("ENUM(")))
        return snprintf(ret, 32, "string"), 0;
    return err_hint(err_set(err, E_UNSUPPORTED,
                            "column '%s' has type %.*s: tables hold plain values", column,
                            STR(sql_type)),
                    err, "take its parts apart in SQL, or cast it to text");
}

bool schema_has_order(str type)
{
    for (size_t i = 0; i < LENGTH(types); i++)
        if (str_is(type, types[i].delta))
            return types[i].ordered;
    return str_starts(type, S("decimal("));
}

bool schema_widens(str from, str to)
{
    /* Each type may become those right of it. */
    static const char *const numbers[] = {"byte", "short", "integer", "long", "float", "double"};
    size_t f = LENGTH(numbers), t = LENGTH(numbers);
    for (size_t i = 0; i < LENGTH(numbers); i++) {
        f = str_is(from, numbers[i]) ? i : f;
        t = str_is(to, numbers[i]) ? i : t;
    }
    if (f < LENGTH(numbers) && t < LENGTH(numbers))
        return f <= t && !(str_is(to, "float") && f > 1);
    return str_eq(from, to) || (str_is(from, "date") && str_is(to, "timestamp"));
}

const json_t *schema_column(const json_t *schema, const char *name)
{
    size_t i;
    json_t *c;
    json_array_foreach (schema, i, c)
        if (!strcmp(json_s(c, "name"), name))
            return c;
    return NULL;
}

json_t *schema_new_column(const char *name, const char *type)
{
    json_t *c = json_object();
    json_object_set_new(c, "name", json_strn(str_from(name)));
    json_object_set_new(c, "type", json_string(type));
    json_object_set_new(c, "nullable", json_true());
    return c;
}

static int check_column(const json_t *column, str *ret_name, struct err *err)
{
    char sql[32];
    str type;
    int rc = json_need_object(column, "a column", err);
    if (!rc)
        rc = json_get_str(column, "name", true, ret_name, err);
    if (!rc)
        rc = json_get_str(column, "type", true, &type, err);
    if (!rc && (ret_name->n == 0 || ret_name->n > SCHEMA_NAME_MAX))
        rc = err_set(err, E_INVALID, "a column has %s name", ret_name->n ? "too long a" : "no");
    return rc ? rc : schema_sql_type(type, sql, err);
}

static int compare_names(const void *a, const void *b)
{
    str x = *(const str *)a, y = *(const str *)b;
    int order = strncasecmp(x.p, y.p, MIN(x.n, y.n));
    return order ? order : (x.n > y.n) - (x.n < y.n);
}

int schema_check(const json_t *schema, struct err *err)
{
    size_t i, n = json_array_size(schema);
    if (!json_is_array(schema) || n == 0)
        return err_set(err, E_INVALID, "a table needs at least one column");
    if (n > SCHEMA_COLUMNS_MAX)
        return err_set(err, E_TOOBIG, "%zu columns; at most %d are possible", n,
                       SCHEMA_COLUMNS_MAX);
    CLEANUP(freep) str *names = xcalloc(n, sizeof(*names));
    for (i = 0; i < n; i++) {
        int rc = check_column(json_array_get(schema, i), &names[i], err);
        if (rc)
            return rc;
    }
    qsort(names, n, sizeof(*names), compare_names);
    for (i = 1; i < n; i++)
        if (compare_names(&names[i - 1], &names[i]) == 0)
            return err_hint(err_set(err, E_INVALID,
                                    "columns '%.*s' and '%.*s' have the same name%s",
                                    STR(names[i - 1]), STR(names[i]),
                                    str_eq(names[i - 1], names[i]) ? "" : " but for case"),
                            err, "column names must differ in more than case: rename one");
    return 0;
}

int schema_fits(const json_t *schema, const json_t *more, struct err *err)
{
    size_t i;
    json_t *c;
    const char *hint = "append needs the table's own columns; use mode: overwrite to change them";
    json_array_foreach (more, i, c) {
        const json_t *old = schema_column(schema, json_s(c, "name"));
        if (!old)
            return err_hint(
                err_set(err, E_CONFLICT, "the table has no column '%s'", json_s(c, "name")), err,
                "%s", hint);
        if (strcmp(json_s(old, "type"), json_s(c, "type")) != 0)
            return err_hint(err_set(err, E_CONFLICT, "column '%s' is %s, but the table has %s",
                                    json_s(c, "name"), json_s(c, "type"), json_s(old, "type")),
                            err, "%s", hint);
    }
    json_array_foreach (schema, i, c)
        if (!schema_column(more, json_s(c, "name")))
            return err_hint(
                err_set(err, E_CONFLICT, "column '%s' of the table is missing", json_s(c, "name")),
                err, "%s", hint);
    return 0;
}

char *schema_to_spark(const json_t *schema)
{
    CLEANUP(json_freep) json_t *fields = json_array();
    size_t i;
    json_t *c;
    json_array_foreach (schema, i, c) {
        json_t *field = json_object();
        json_object_set(field, "name", json_object_get(c, "name"));
        json_object_set(field, "type", json_object_get(c, "type"));
        json_object_set_new(field, "nullable", json_true());
        json_object_set_new(field, "metadata", json_object());
        json_array_append_new(fields, field);
    }
    CLEANUP(json_freep) json_t *type = json_object();
    json_object_set_new(type, "type", json_string("struct"));
    json_object_set(type, "fields", fields);
    return json_text(type);
}

int schema_from_spark(str text, json_t **ret, struct err *err)
{
    CLEANUP(json_freep) json_t *spark = NULL;
    CLEANUP(json_freep) json_t *schema = json_array();
    size_t i;
    json_t *f;
    int rc = json_parse(text, &spark, err);
    if (!rc && !json_is_array(json_object_get(spark, "fields")))
        rc = err_set(err, E_CORRUPT, "a table's schema is not a struct type");
    if (rc)
        return rc;
    json_array_foreach (json_object_get(spark, "fields"), i, f) {
        const json_t *type = json_object_get(f, "type");
        const char *name = json_string_value(json_object_get(f, "name"));
        if (!name)
            return err_set(err, E_CORRUPT, "a column of a table's schema has no name");
        json_t *c = schema_new_column(name, json_is_string(type) ? json_string_value(type)
                                                                 : json_s(type, "type"));
        json_object_set_new(c, "nullable",
                            json_boolean(!json_is_false(json_object_get(f, "nullable"))));
        json_array_append_new(schema, c);
    }
    *ret = schema;
    schema = NULL;
    return 0;
}
