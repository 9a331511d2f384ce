/* SPDX-License-Identifier: Apache-2.0
 *
 * From a SELECT to a data file in a table's folder, described well enough to be published.
 *
 * The file is written in the attempt's own folder and moved, synced, as the last act: a step that
 * fails leaves nothing in the lake. It stays invisible there until the server commits it.
 */
#include "step/step_int.h"

#include "base/vec.h"
#include "data/data.h"
#include "data/schema.h"
#include "sys/fs.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

enum { SAMPLE_ROWS = 20, STATS_COLUMNS = 200, STATS_TEXT_MAX = 64 };

int step_duck(struct step_context *c, struct duck **ret, struct err *err)
{
    int64_t memory = json_i(c->attempt, "memory_mb");
    struct duck_config config = {.temp_dir = "tmp", .memory_mb = memory * 7 / 10};
    int rc = fs_mkdirs(STEP_OUT_DIR, 0700, err);
    return rc ? rc : duck_open(&config, ret, err);
}

/* CREATE VIEW alias AS SELECT its columns FROM its files. */
static void put_view(struct buf *sql, const char *alias, const json_t *snapshot)
{
    size_t i;
    json_t *item;
    buf_puts(sql, "CREATE VIEW ");
    duck_quote_name(sql, str_from(alias));
    buf_puts(sql, " AS SELECT ");
    json_array_foreach (json_object_get(snapshot, "schema"), i, item) {
        buf_puts(sql, i ? ", " : "");
        duck_quote_name(sql, str_from(json_s(item, "name")));
    }
    buf_puts(sql, " FROM read_parquet([");
    json_array_foreach (json_object_get(snapshot, "files"), i, item) {
        CLEANUP(freep) char *path = fs_join(json_s(snapshot, "dir"), json_s(item, "path"));
        buf_puts(sql, i ? ", " : "");
        duck_quote_text(sql, str_from(path));
    }
    buf_puts(sql, "], union_by_name = true, hive_partitioning = false); ");
}

/* A dataset emptied by an overwrite has columns but no file to read them from. */
static int put_empty_view(struct buf *sql, const char *alias, const json_t *snapshot,
                          struct err *err)
{
    size_t i;
    json_t *column;
    char type[32];
    buf_puts(sql, "CREATE VIEW ");
    duck_quote_name(sql, str_from(alias));
    buf_puts(sql, " AS SELECT ");
    json_array_foreach (json_object_get(snapshot, "schema"), i, column) {
        int rc = schema_sql_type(str_from(json_s(column, "type")), type, err);
        if (rc)
            return rc;
        buf_printf(sql, "%sCAST(NULL AS %s) AS ", i ? ", " : "", type);
        duck_quote_name(sql, str_from(json_s(column, "name")));
    }
    buf_puts(sql, " WHERE false; ");
    return 0;
}

static int make_views(struct step_context *c, struct duck *d, struct err *err)
{
    struct buf sql = BUF(16 << 20);
    const char *alias;
    json_t *snapshot;
    int rc = 0;
    json_object_foreach (json_object_get(c->attempt, "inputs"), alias, snapshot) {
        if (json_array_size(json_object_get(snapshot, "files")))
            put_view(&sql, alias, snapshot);
        else if (!rc)
            rc = put_empty_view(&sql, alias, snapshot, err);
    }
    if (!rc && !buf_ok(&sql))
        rc = err_set(err, E_TOOBIG, "the inputs have too many files for one query");
    if (!rc && sql.n)
        rc = duck_exec(d, err, "%s", buf_cstr(&sql));
    buf_free(&sql);
    return rc;
}

int step_inputs(struct step_context *c, struct duck *d, const char *const *files, struct err *err)
{
    VEC(const char *) allowed = {0};
    const char *alias;
    json_t *snapshot, *file;
    size_t i;
    json_object_foreach (json_object_get(c->attempt, "inputs"), alias, snapshot)
        json_array_foreach (json_object_get(snapshot, "files"), i, file)
            *vec_push(&allowed) =
                arena_printf(c->arena, "%s/%s", json_s(snapshot, "dir"), json_s(file, "path"));
    for (i = 0; files && files[i]; i++)
        *vec_push(&allowed) = files[i];
    *vec_push(&allowed) = NULL;
    CLEANUP(freep) char *out = realpath(STEP_OUT_DIR, NULL);
    const char *dirs[] = {out, NULL};
    int rc = make_views(c, d, err);
    if (!rc)
        rc = duck_lock(d, allowed.p, dirs, err);
    vec_free(&allowed);
    return rc;
}

int step_table_open(struct step_context *c, str dataset, struct step_table *ret, struct err *err)
{
    struct step_table t = {0};
    const char *mode;
    if (!str_is_name(dataset))
        return err_hint(err_set(err, E_INVALID, "'%.*s' is no name for a dataset", STR(dataset)),
                        err, "names have letters, digits, '.', '_' and '-'");
    t.dataset = arena_cstr(c->arena, dataset);
    int rc = step_text(c, "mode", "overwrite", &mode, err);
    if (!rc)
        rc = step_text(c, "description", "", &t.description, err);
    if (rc)
        return rc;
    t.append = !strcmp(mode, "append");
    if (!t.append && strcmp(mode, "overwrite") != 0)
        return err_hint(err_set(err, E_INVALID, "no mode '%s'", mode), err,
                        "modes: overwrite, append");
    t.source = "";
    if (t.append) {
        rc = data_snapshot(c->data_dir, c->project, t.dataset, -1, &t.snapshot, err);
        if (rc && rc != E_NOTFOUND) /* appending to nothing begins the table */
            return rc;
        t.schema = rc ? NULL : json_object_get(t.snapshot, "schema");
    }
    *ret = t;
    return 0;
}

void step_table_close(struct step_table *t)
{
    json_decref(t->snapshot);
    json_decref(t->result);
    free(t->out);
    *t = (struct step_table){0};
}

void step_table_closep(struct step_table *t)
{
    step_table_close(t);
}

/* Lists and structs become JSON text: nothing is lost, and SQL can take them apart. */
static bool is_nested(str sql_type)
{
    return str_ends(sql_type, S("]")) || str_starts(sql_type, S("STRUCT(")) ||
           str_starts(sql_type, S("MAP(")) || str_starts(sql_type, S("UNION("));
}

/* Adds one column to the schema and its cast to the list of the SELECT. */
static int add_column(const struct step_table *t, const char *name, str sql_type, json_t *schema,
                      struct buf *list, struct err *err)
{
    char type[32] = "string", target[32];
    bool nested = is_nested(sql_type);
    int rc = nested ? 0 : schema_from_sql(name, sql_type, type, err);
    if (rc)
        return rc;
    const json_t *old = schema_column(t->schema, name);
    if (old && schema_widens(str_from(type), str_from(json_s(old, "type"))))
        snprintf(type, sizeof(type), "%s", json_s(old, "type"));
    rc = schema_sql_type(str_from(type), target, err);
    if (rc)
        return rc;
    if (nested)
        step_say("column '%s' is nested (%.*s): kept as JSON text", name,
                 (int)MIN(sql_type.n, (size_t)60), sql_type.p);
    buf_puts(list, list->n ? ", " : "");
    buf_puts(list, nested ? "CAST(to_json(" : "CAST(");
    duck_quote_name(list, str_from(name));
    buf_printf(list, "%s AS %s) AS ", nested ? ")" : "", target);
    duck_quote_name(list, str_from(name));
    json_array_append_new(schema, schema_new_column(name, type));
    return 0;
}

/* What the SELECT yields, as schema and as list of casts. */
static int describe(struct duck *d, const char *select, const struct step_table *t, json_t *schema,
                    struct buf *list, struct err *err)
{
    CLEANUP(duck_rows_freep) struct duck_rows *r = NULL;
    size_t n;
    int more,
        rc = duck_query(d, &r, err, "SELECT column_name, column_type FROM (DESCRIBE %s\n)", select);
    while (!rc && (more = duck_next_chunk(r, &n, err)) != 0) {
        if (more < 0)
            return -more;
        for (size_t i = 0; !rc && i < n; i++) {
            str name = duck_cell_text(r, 0, i);
            CLEANUP(freep) char *column = xstrndup(name.p, name.n);
            rc = add_column(t, column, duck_cell_text(r, 1, i), schema, list, err);
        }
    }
    if (!rc)
        rc = schema_check(schema, err);
    if (!rc && t->schema)
        rc = schema_fits(t->schema, schema, err);
    return rc;
}

/* min, max, null count of the columns, three aggregates each, from the file as written. */
static void put_statistics(struct buf *sql, const json_t *schema, const char *file)
{
    size_t i;
    json_t *c;
    buf_puts(sql, "SELECT count(*)");
    json_array_foreach (schema, i, c) {
        if (i == STATS_COLUMNS)
            break;
        static const char *const aggregates[] = {", count(", ", min(", ", max("};
        for (size_t a = 0; a < (schema_has_order(str_from(json_s(c, "type"))) ? 3 : 1); a++) {
            buf_puts(sql, aggregates[a]);
            duck_quote_name(sql, str_from(json_s(c, "name")));
            buf_char(sql, ')');
        }
    }
    buf_puts(sql, " FROM read_parquet(");
    duck_quote_text(sql, str_from(file));
    buf_char(sql, ')');
}

/* Delta's statistics may leave out what they cannot say exactly: null, NaN, long text, decimals. */
static void set_bound(json_t *bounds, const json_t *column, json_t *value)
{
    bool exact = !json_is_null(value) && json_string_length(value) <= STATS_TEXT_MAX &&
                 !str_starts(str_from(json_s(column, "type")), S("decimal("));
    if (exact)
        json_object_set(bounds, json_s(column, "name"), value);
    json_decref(value);
}

static json_t *collect_statistics(struct duck_rows *r, const json_t *schema, int64_t rows)
{
    json_t *low = json_object(), *high = json_object(), *nulls = json_object();
    size_t i, at = 1;
    json_t *c;
    json_array_foreach (schema, i, c) {
        if (i == STATS_COLUMNS)
            break;
        json_object_set_new(nulls, json_s(c, "name"),
                            json_integer(rows - duck_cell_i64(r, at++, 0)));
        if (!schema_has_order(str_from(json_s(c, "type"))))
            continue;
        set_bound(low, c, duck_cell_json(r, at++, 0));
        set_bound(high, c, duck_cell_json(r, at++, 0));
    }
    json_t *stats = json_object();
    json_object_set_new(stats, "minValues", low);
    json_object_set_new(stats, "maxValues", high);
    json_object_set_new(stats, "nullCount", nulls);
    return stats;
}

static int statistics(struct duck *d, const json_t *schema, const char *file, int64_t *ret_rows,
                      json_t **ret, struct err *err)
{
    CLEANUP(duck_rows_freep) struct duck_rows *r = NULL;
    struct buf sql = BUF(16 << 20);
    size_t n;
    put_statistics(&sql, schema, file);
    int rc = duck_query(d, &r, err, "%s", buf_cstr(&sql));
    buf_free(&sql);
    if (rc)
        return rc;
    int more = duck_next_chunk(r, &n, err);
    if (more <= 0)
        return more < 0 ? -more : err_set(err, E_INTERNAL, "no statistics of %s", file);
    *ret_rows = duck_cell_i64(r, 0, 0);
    *ret = collect_statistics(r, schema, *ret_rows);
    return 0;
}

static int sample(struct duck *d, const char *file, json_t **ret, struct err *err)
{
    CLEANUP(duck_rows_freep) struct duck_rows *r = NULL;
    struct buf name = BUF(8192);
    duck_quote_text(&name, str_from(file));
    int rc = duck_query(d, &r, err, "SELECT * FROM read_parquet(%s) LIMIT %d", buf_cstr(&name),
                        SAMPLE_ROWS);
    buf_free(&name);
    return rc ? rc : duck_rows_json(r, SAMPLE_ROWS, ret, err);
}

/* RUN/STEP/N as part of a file name. */
static char *part_name(const struct step_context *c)
{
    char *name = xasprintf("part-%s-%zu.parquet", c->attempt_id,
                           json_array_size(json_object_get(c->result, "datasets")));
    for (char *at = name; *at; at++)
        if (*at == '/')
            *at = '-';
    return name;
}

static void set_result(struct step_context *c, struct step_table *t, json_t *schema, json_t *stats,
                       json_t *rows)
{
    CLEANUP(freep) char *name = part_name(c);
    json_t *file = json_object();
    json_object_set_new(file, "path", json_string(name));
    json_object_set_new(file, "size", json_integer(fs_size(t->out)));
    json_object_set_new(file, "rows", json_integer(t->rows));
    json_object_set_new(file, "stats", stats);
    json_t *o = json_object();
    json_object_set_new(o, "name", json_string(t->dataset));
    json_object_set_new(o, "mode", json_string(t->append ? "append" : "overwrite"));
    json_object_set(o, "schema", schema);
    json_object_set_new(o, "files", json_array());
    json_array_append_new(json_object_get(o, "files"), file);
    json_object_set_new(o, "rows", json_integer(t->rows));
    json_object_set_new(o, "sample", rows);
    json_object_set_new(o, "source", json_strn(str_from(t->source)));
    json_object_set_new(o, "description", json_strn(str_from(t->description)));
    json_decref(t->result);
    t->result = o;
}

static int copy_out(struct duck *d, const char *select, const char *list, const char *file,
                    struct err *err)
{
    struct buf name = BUF(8192);
    duck_quote_text(&name, str_from(file));
    int rc =
        duck_exec(d, err, "COPY (SELECT %s FROM (%s\n)) TO %s (FORMAT parquet, COMPRESSION zstd)",
                  list, select, buf_cstr(&name));
    buf_free(&name);
    return rc;
}

int step_table_write(struct step_context *c, struct duck *d, const char *select,
                     struct step_table *t, struct err *err)
{
    CLEANUP(json_freep) json_t *schema = json_array();
    CLEANUP(json_freep) json_t *rows = NULL;
    CLEANUP(freep) char *dir = realpath(STEP_OUT_DIR, NULL);
    struct buf list = BUF(16 << 20);
    json_t *stats = NULL;
    int rc = dir ? 0 : err_set(err, E_IO, "the folder '%s' is gone", STEP_OUT_DIR);
    if (rc)
        return rc;
    free(t->out);
    t->out = xasprintf("%s/%s.parquet", dir, t->dataset);
    rc = describe(d, select, t, schema, &list, err);
    if (!rc)
        rc = copy_out(d, select, buf_cstr(&list), t->out, err);
    if (!rc)
        rc = sample(d, t->out, &rows, err);
    if (!rc)
        rc = statistics(d, schema, t->out, &t->rows, &stats, err);
    if (!rc)
        set_result(c, t, schema, stats, json_incref(rows));
    buf_free(&list);
    return rc;
}

int step_table_keep(struct step_context *c, struct step_table *t, struct err *err)
{
    CLEANUP(freep) char *dir = data_table_dir(c->data_dir, c->project, t->dataset);
    const json_t *file = json_array_get(json_object_get(t->result, "files"), 0);
    CLEANUP(freep) char *final = fs_join(dir, json_s(file, "path"));
    int rc = fs_mkdirs(dir, 0700, err);
    if (!rc && chmod(t->out, 0444) < 0) /* commands get links to it: nobody writes it again */
        rc = err_errno(err, errno, "protect %s", t->out);
    if (!rc)
        rc = fs_publish(t->out, final, err);
    if (rc)
        return rc;
    json_t *all = json_object_get(c->result, "datasets");
    if (!all) {
        all = json_array();
        json_object_set_new(c->result, "datasets", all);
    }
    json_array_append(all, t->result);
    return 0;
}
