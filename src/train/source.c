/* SPDX-License-Identifier: Apache-2.0
 *
 * A dataset version as tables: DuckDB reads the Parquet files and applies the user's condition; we
 * take its vectors column by column.
 *
 * Class names are what SQL makes of the value as text ("true", "3", "UA"), here and in evaluation
 * alike, so that a class is one string everywhere.
 */
#include "train/train_int.h"

#include "data/duck.h"
#include "sys/fs.h"

#include <math.h>
#include <string.h>

struct source {
    struct duck *duck;
    const json_t *snapshot, *schema;
    char *where;
    size_t rows;
};

static int create_view(struct source *s, struct err *err)
{
    struct buf sql = BUF(4 << 20);
    const char *dir = json_s(s->snapshot, "dir");
    const json_t *file;
    size_t i;
    buf_puts(&sql, "CREATE VIEW source AS SELECT * FROM read_parquet([");
    json_array_foreach (json_object_get(s->snapshot, "files"), i, file) {
        CLEANUP(freep) char *path = fs_join(dir, json_s(file, "path"));
        buf_puts(&sql, i ? ", " : "");
        duck_quote_text(&sql, str_from(path));
    }
    buf_puts(&sql, "], union_by_name = true, hive_partitioning = false)");
    if (s->where[0]) /* the line break ends a comment in it */
        buf_printf(&sql, " WHERE (%s\n)", s->where);
    int rc = buf_ok(&sql) ? 0 : err_set(err, E_TOOBIG, "the dataset has too many files");
    duck_focus(s->duck, str_from(s->where));
    if (!rc && (rc = duck_exec(s->duck, err, "%s", buf_cstr(&sql))) && s->where[0])
        err_wrap(err, "where");
    buf_free(&sql);
    return rc;
}

static int count_rows(struct source *s, struct err *err)
{
    int64_t rows;
    int rc = duck_one_i64(s->duck, &rows, err, "SELECT count(*) FROM source");
    if (rc)
        return s->where[0] ? err_wrap(err, "where") : rc;
    if (rows == 0 && s->where[0])
        return err_set(err, E_INVALID, "no row of dataset '%s' satisfies where: %s",
                       json_s(s->snapshot, "name"), s->where);
    if (rows == 0)
        return err_set(err, E_INVALID, "dataset '%s' has no rows", json_s(s->snapshot, "name"));
    s->rows = (size_t)rows;
    return 0;
}

int source_pick(const json_t *inputs, str name, const json_t **ret, struct err *err)
{
    const char *alias;
    json_t *snapshot;
    json_object_foreach ((json_t *)(uintptr_t)inputs, alias, snapshot) {
        if (str_is(name, alias) || json_object_size(inputs) == 1) {
            *ret = snapshot;
            return 0;
        }
    }
    return err_set(err, E_INVALID, "the step has no input dataset '%.*s'", STR(name));
}

int source_open(struct duck *duck, const json_t *snapshot, str where, struct source **ret,
                struct err *err)
{
    CLEANUP(source_freep) struct source *s = xcalloc(1, sizeof(*s));
    s->duck = duck;
    s->snapshot = snapshot;
    s->schema = json_object_get(snapshot, "schema");
    where = str_trim(where);
    s->where = xstrndup(where.n ? where.p : "", where.n);
    if (json_array_size(json_object_get(snapshot, "files")) == 0)
        return err_set(err, E_INVALID, "dataset '%s' has no rows", json_s(snapshot, "name"));
    const char *const dirs[] = {json_s(snapshot, "dir"), NULL};
    int rc = duck_lock(duck, NULL, dirs, err);
    if (!rc)
        rc = create_view(s, err);
    if (!rc)
        rc = count_rows(s, err);
    if (rc)
        return rc;
    *ret = s;
    s = NULL;
    return 0;
}

void source_free(struct source *s)
{
    if (!s)
        return;
    duck_focus(s->duck, S(""));
    free(s->where);
    free(s);
}

void source_freep(struct source **s)
{
    source_free(*s);
}

size_t source_rows(const struct source *s)
{
    return s->rows;
}

/* The type of a column; E_NOTFOUND with "did you mean". */
static int find_type(const struct source *s, const char *name, str *ret, struct err *err)
{
    size_t i, n = json_array_size(s->schema);
    const json_t *column;
    CLEANUP(freep) const char **names = xcalloc(MAX(n, 1), sizeof(*names));
    json_array_foreach (s->schema, i, column) {
        names[i] = json_s(column, "name");
        if (strcmp(names[i], name) == 0) {
            *ret = str_from(json_s(column, "type"));
            return 0;
        }
    }
    const char *near = str_nearest(str_from(name), names, n);
    int rc = err_set(err, E_NOTFOUND, "dataset '%s' has no column '%s'",
                     json_s(s->snapshot, "name"), name);
    return near ? err_hint(rc, err, "did you mean '%s'?", near) : rc;
}

static bool is_whole(str type)
{
    return str_is(type, "byte") || str_is(type, "short") || str_is(type, "integer") ||
           str_is(type, "long");
}

static bool is_number(str type)
{
    return is_whole(type) || str_is(type, "float") || str_is(type, "double") ||
           str_starts(type, S("decimal"));
}

static int kind_of(const char *name, str type, enum column_kind *ret, struct err *err)
{
    if (is_number(type)) {
        *ret = COLUMN_NUMBER;
    } else if (str_is(type, "boolean")) {
        *ret = COLUMN_BOOLEAN;
    } else if (str_is(type, "string")) {
        *ret = COLUMN_CATEGORY;
    } else if (str_is(type, "date") || str_starts(type, S("timestamp"))) {
        return err_hint(err_set(err, E_INVALID,
                                "column '%s' is a %.*s; trees take numbers, text "
                                "and booleans",
                                name, STR(type)),
                        err, "derive numbers from it in SQL (hour, weekday), or exclude: [%s]",
                        name);
    } else {
        return err_hint(err_set(err, E_INVALID,
                                "column '%s' is of type %.*s; trees take numbers, "
                                "text and booleans",
                                name, STR(type)),
                        err, "unpack it in SQL, or exclude: [%s]", name);
    }
    return 0;
}

static int check_names(const struct source *s, const json_t *names, const char *key,
                       struct err *err)
{
    size_t i;
    const json_t *name;
    str type;
    if (names && !json_is_array(names))
        return err_set(err, E_INVALID, "'%s' must be a list of column names, got %s", key,
                       json_kind(names));
    json_array_foreach (names, i, name) {
        if (!json_is_string(name))
            return err_set(err, E_INVALID, "'%s' must be a list of column names, got %s in it", key,
                           json_kind(name));
        if (find_type(s, json_string_value(name), &type, err))
            return err_wrap(err, "%s", key);
    }
    return 0;
}

static bool listed(const json_t *names, const char *name)
{
    size_t i;
    const json_t *item;
    json_array_foreach (names, i, item) {
        if (strcmp(json_string_value(item), name) == 0)
            return true;
    }
    return false;
}

int source_features(const struct source *s, const json_t *features, const json_t *exclude,
                    const char *target, json_t **ret, struct err *err)
{
    str type;
    enum column_kind kind;
    int rc = check_names(s, features, "features", err);
    if (!rc)
        rc = check_names(s, exclude, "exclude", err);
    if (!rc && find_type(s, target, &type, err))
        rc = err_wrap(err, "target");
    if (rc)
        return rc;
    if (listed(features, target))
        return err_set(err, E_INVALID, "features: '%s' is the target", target);
    CLEANUP(json_freep) json_t *chosen = json_array();
    const json_t *pool = json_array_size(features) ? features : s->schema, *item;
    size_t i;
    json_array_foreach (pool, i, item) {
        const char *name = pool == features ? json_string_value(item) : json_s(item, "name");
        if (strcmp(name, target) == 0 || listed(exclude, name) || listed(chosen, name))
            continue;
        rc = find_type(s, name, &type, err);
        if (!rc)
            rc = kind_of(name, type, &kind, err);
        if (rc)
            return rc;
        json_array_append_new(chosen, json_string(name));
    }
    if (json_array_size(chosen) == 0)
        return err_set(err, E_INVALID, "there is no column to learn from beside the target '%s'",
                       target);
    *ret = chosen;
    chosen = NULL;
    return 0;
}

/* count over the target column: "count(*) - count(%s)", "count(DISTINCT %s)". */
static int count_target(const struct source *s, const char *target, const char *before,
                        int64_t *ret, struct err *err)
{
    struct buf name = BUF(4096);
    duck_quote_name(&name, str_from(target));
    int rc = duck_one_i64(s->duck, ret, err, "SELECT %s%s) FROM source", before, buf_cstr(&name));
    buf_free(&name);
    return rc;
}

int source_task(const struct source *s, const char *target, enum task *ret, struct err *err)
{
    str type;
    int64_t missing = 0, values = 0;
    int rc = find_type(s, target, &type, err);
    if (rc)
        return err_wrap(err, "target");
    if ((rc = count_target(s, target, "count(*) - count(", &missing, err)) ||
        (rc = count_target(s, target, "count(DISTINCT ", &values, err)))
        return rc;
    if (missing)
        return err_hint(err_set(err, E_INVALID, "the target '%s' is missing in %lld of %zu rows",
                                target, (long long)missing, s->rows),
                        err, "leave those rows out: where: %s is not null", target);
    if (str_is(type, "boolean"))
        *ret = TASK_BINARY;
    else if (str_is(type, "string"))
        *ret = values <= 2 ? TASK_BINARY : TASK_MULTICLASS;
    else if (is_number(type))
        *ret = is_whole(type) && values == 2 ? TASK_BINARY : TASK_REGRESSION;
    else
        return err_set(err, E_INVALID,
                       "the target '%s' is of type %.*s; it must be a number, text "
                       "or a boolean",
                       target, STR(type));
    return 0;
}

/* Adds a column to the table and its expression to the query. */
static int choose(const struct source *s, struct table *t, struct buf *sql, const char *name,
                  bool target, enum task task, struct err *err)
{
    str type;
    enum column_kind kind = COLUMN_CATEGORY;
    int rc = find_type(s, name, &type, err);
    if (!rc && !(target && task != TASK_REGRESSION))
        rc = kind_of(name, type, &kind, err);
    if (!rc && target && task == TASK_REGRESSION && kind != COLUMN_NUMBER)
        return err_hint(err_set(err, E_INVALID, "the target '%s' is %s; regression needs numbers",
                                name, kind == COLUMN_BOOLEAN ? "a boolean" : "text"),
                        err, "use objective: binary or multiclass");
    if (!rc)
        rc = table_add(t, name, kind, err);
    if (rc)
        return rc;
    buf_puts(sql, sql->n ? ", CAST(" : "SELECT CAST(");
    duck_quote_name(sql, str_from(name));
    buf_puts(sql, kind == COLUMN_CATEGORY ? " AS VARCHAR)" : " AS DOUBLE)");
    return 0;
}

static int take_chunk(struct duck_rows *r, size_t rows, struct table *t, struct err *err)
{
    int rc = 0;
    for (size_t c = 0; !rc && c < t->columns.n; c++) {
        bool text = t->columns.p[c].kind == COLUMN_CATEGORY;
        for (size_t i = 0; !rc && i < rows; i++) {
            bool null = duck_cell_null(r, c, i);
            if (text)
                rc = table_text(t, c, null ? S("") : duck_cell_text(r, c, i), err);
            else
                rc = table_number(t, c, null ? NAN : duck_cell_f64(r, c, i), err);
        }
    }
    return rc;
}

static int take_rows(const struct source *s, struct buf *sql, struct table *t, struct err *err)
{
    CLEANUP(duck_rows_freep) struct duck_rows *r = NULL;
    size_t n;
    buf_puts(sql, " FROM source");
    if (!buf_ok(sql))
        return err_set(err, E_TOOBIG, "too many columns");
    int rc = duck_query(s->duck, &r, err, "%s", buf_cstr(sql));
    while (!rc) {
        int more = duck_next_chunk(r, &n, err);
        if (more <= 0)
            return more < 0 ? (int)err->code : 0;
        rc = take_chunk(r, n, t, err);
    }
    return rc;
}

int source_read(const struct source *s, const json_t *columns, const char *target, enum task task,
                struct table **ret, struct err *err)
{
    CLEANUP(table_freep) struct table *t = table_new(s->rows);
    struct buf sql = BUF(4 << 20);
    const json_t *name;
    size_t i;
    int rc = 0;
    json_array_foreach (columns, i, name) {
        if (!rc)
            rc = choose(s, t, &sql, json_string_value(name), false, task, err);
    }
    if (!rc)
        rc = choose(s, t, &sql, target, true, task, err);
    if (!rc)
        rc = take_rows(s, &sql, t, err);
    buf_free(&sql);
    if (rc)
        return rc;
    *ret = t;
    t = NULL;
    return 0;
}
