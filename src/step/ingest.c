/* SPDX-License-Identifier: Apache-2.0
 *
 * kind: ingest. A file becomes a version of a dataset.
 *
 *   {path, format: csv|parquet|json, columns: {name: type}, nulls: [word], dataset,
 *    mode: overwrite|append, on_error: fail|skip, description}
 *
 * Each format ends as one SELECT whose rows step_table_write turns into Parquet. CSV is read twice:
 * first by our own strict reader (data/csv.h), then by DuckDB with every type given. on_error: skip
 * leaves out rows of CSV and lines of JSON lines; an array or a Parquet file is read whole or not.
 */
#include "step/step_int.h"

#include "data/csv.h"
#include "data/schema.h"
#include "sys/clock.h"
#include "sys/fs.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

enum format { CSV, PARQUET, JSON };
enum { COPY_PIECE = 1 << 20 };

struct ingest {
    struct step_context *c;
    const char *path;
    enum format format;
    bool lines;            /* JSON: one object a line */
    bool skip;             /* on_error: skip */
    const json_t *columns; /* declared, may be NULL */
    struct step_table table;
    const char *read; /* the file DuckDB reads: path, or the rows that are good */
    struct csv_report report;
};

static int find_format(struct ingest *in, struct err *err)
{
    static const struct {
        const char *name;
        enum format format;
    } formats[] = {
        {"csv", CSV},    {"tsv", CSV},    {"txt", CSV},     {"parquet", PARQUET},
        {"pq", PARQUET}, {"jsonl", JSON}, {"ndjson", JSON}, {"json", JSON},
    };
    const char *dot = strrchr(in->path, '.'), *name;
    int rc = step_text(in->c, "format", dot ? dot + 1 : "", &name, err);
    if (rc)
        return rc;
    for (size_t i = 0; i < LENGTH(formats); i++)
        if (str_ieq(str_from(name), str_from(formats[i].name))) {
            in->format = formats[i].format;
            in->lines = strcmp(formats[i].name, "json") != 0;
            return 0;
        }
    return err_hint(err_set(err, E_INVALID, "'%s': cannot read the format '%s'", in->path, name),
                    err, "formats: csv, parquet, json (one object a line or one array)");
}

static int read_options(struct ingest *in, struct err *err)
{
    static const char *const known[] = {"path", "format",   "columns",     "nulls", "dataset",
                                        "mode", "on_error", "description", NULL};
    struct step_context *c = in->c;
    const char *dataset, *on_error;
    int rc = json_only(c->with, known, err);
    if (!rc)
        rc = step_text(c, "path", NULL, &in->path, err);
    if (!rc)
        rc = step_check_path(str_from(in->path), err);
    if (!rc)
        rc = step_text(c, "dataset", NULL, &dataset, err);
    if (!rc)
        rc = step_text(c, "on_error", "fail", &on_error, err);
    if (!rc)
        rc = find_format(in, err);
    if (!rc)
        rc = step_table_open(c, str_from(dataset), &in->table, err);
    if (rc)
        return rc;
    in->skip = !strcmp(on_error, "skip");
    if (!in->skip && strcmp(on_error, "fail") != 0)
        return err_hint(err_set(err, E_INVALID, "no on_error '%s'", on_error), err,
                        "on_error: fail or skip");
    in->columns = json_object_get(c->with, "columns");
    if (json_is_null(in->columns))
        in->columns = NULL;
    in->table.source = in->path;
    in->read = in->path;
    return in->columns ? json_need_object(in->columns, "'columns'", err) : 0;
}

/* The declared type of a column, else that of the table it is appended to; NULL if neither. */
static int wanted_type(struct ingest *in, const char *column, const char **ret, struct err *err)
{
    const json_t *said = json_object_get(in->columns, column);
    const json_t *old = schema_column(in->table.schema, column);
    char type[32];
    *ret = old && !said ? json_s(old, "type") : NULL;
    if (!said)
        return 0;
    if (!json_is_string(said))
        return err_set(err, E_INVALID, "the type of column '%s' must be a name, got %s", column,
                       json_kind(said));
    int rc = schema_type(str_from(json_string_value(said)), type, err);
    if (rc)
        return err_wrap(err, "column '%s'", column);
    *ret = arena_cstr(in->c->arena, str_from(type));
    return 0;
}

/* Every declared column must be there. names: what the file has. */
static int check_declared(const struct ingest *in, const char *const *names, size_t n,
                          struct err *err)
{
    const char *declared;
    json_t *type;
    json_object_foreach ((json_t *)in->columns, declared, type) {
        size_t i = 0;
        while (i < n && strcmp(names[i], declared) != 0)
            i++;
        if (i < n)
            continue;
        const char *near = str_nearest(str_from(declared), names, n);
        int rc = err_set(err, E_INVALID, "%s has no column '%s'", in->path, declared);
        return near ? err_hint(rc, err, "did you mean '%s'?", near)
                    : err_hint(rc, err, "'columns' names columns of the file");
    }
    return 0;
}

static int set_csv_types(struct ingest *in, struct csv *csv, struct err *err)
{
    size_t n = csv_columns(csv);
    CLEANUP(freep) const char **names = xcalloc(n, sizeof(*names));
    for (size_t i = 0; i < n; i++)
        names[i] = csv_name(csv, i);
    int rc = check_declared(in, names, n, err);
    for (size_t i = 0; !rc && i < n; i++) {
        const char *type = NULL;
        rc = wanted_type(in, names[i], &type, err);
        if (!rc && type)
            csv_set_type(csv, i, type);
    }
    return rc ? rc : csv_infer(csv, err);
}

/* Words that mean null: nulls: [NA, "-"]. */
static int set_nulls(struct ingest *in, struct csv *csv, struct err *err)
{
    const json_t *nulls = json_object_get(in->c->with, "nulls");
    size_t i;
    json_t *word;
    if (nulls && !json_is_null(nulls) && !json_is_array(nulls))
        return err_set(err, E_INVALID, "'nulls' must be a list of words, got %s", json_kind(nulls));
    json_array_foreach (nulls, i, word) {
        if (!json_is_string(word))
            return err_set(err, E_INVALID, "'nulls' must be a list of words, one is %s",
                           json_kind(word));
        csv_null(csv, str_from(json_string_value(word)));
    }
    return 0;
}

/* A file for the rows that are good. Its name is no other file's: the source is mapped, and cutting
 * short a file of the user's that happens to be called the same would end us. */
static int open_copy(struct ingest *in, int *ret_fd, struct err *err)
{
    in->read = arena_printf(in->c->arena, "%s.%s.good", in->path, id_new().s);
    *ret_fd = open(in->read, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    return *ret_fd < 0 ? err_errno(err, errno, "create %s", in->read) : 0;
}

/* Bad rows end the step, or with on_error: skip are left out of a copy that is then read. */
static int settle_rows(struct ingest *in, const struct csv *csv, struct err *err)
{
    int rc = csv_check(csv, -1, &in->report, err);
    if (rc)
        return rc;
    const struct csv_report *r = &in->report;
    for (size_t i = 0; i < CSV_SHOWN && r->shown[i]; i++)
        step_say("%s", r->shown[i]);
    if (r->bad && !in->skip) {
        rc = r->bad == 1 ? err_set(err, E_INVALID, "%s", r->shown[0])
                         : err_set(err, E_INVALID, "%s (and %llu more bad rows)", r->shown[0],
                                   (unsigned long long)r->bad - 1);
        return err_hint(rc, err, "%s", r->hint);
    }
    if (r->plain)
        return 0;
    CLEANUP(closep) int fd = -1;
    struct csv_report again;
    rc = open_copy(in, &fd, err);
    if (!rc)
        rc = csv_check(csv, fd, &again, err);
    if (!rc)
        csv_report_free(&again);
    return rc;
}

/* FROM read_csv(…) with nothing left to guess. */
static int put_csv(struct ingest *in, const struct csv *csv, struct buf *sql, struct err *err)
{
    char delimiter = csv_delimiter(csv), type[32];
    const json_t *nulls = json_object_get(in->c->with, "nulls");
    size_t i;
    json_t *word;
    buf_puts(sql, "SELECT * FROM read_csv(");
    duck_quote_text(sql, str_from(in->read));
    buf_puts(sql, ", auto_detect = false, header = true, quote = '\"', escape = '\"', delim = ");
    duck_quote_text(sql, str_n(&delimiter, 1));
    buf_puts(sql, ", max_line_size = 4000000, nullstr = [''");
    json_array_foreach (nulls, i, word) {
        buf_puts(sql, ", ");
        duck_quote_text(sql, str_from(json_string_value(word)));
    }
    buf_puts(sql, "], columns = {");
    for (i = 0; i < csv_columns(csv); i++) {
        int rc = schema_sql_type(str_from(csv_type(csv, i)), type, err);
        if (rc)
            return rc;
        buf_puts(sql, i ? ", " : "");
        duck_quote_text(sql, str_from(csv_name(csv, i)));
        buf_printf(sql, ": '%s'", type);
    }
    buf_puts(sql, "})");
    return 0;
}

static int plan_csv(struct ingest *in, str text, struct buf *sql, struct err *err)
{
    CLEANUP(csv_freep) struct csv *csv = NULL;
    int rc = csv_open(in->path, text, &csv, err);
    if (!rc)
        rc = set_nulls(in, csv, err);
    if (!rc)
        rc = set_csv_types(in, csv, err);
    if (!rc)
        rc = settle_rows(in, csv, err);
    return rc ? rc : put_csv(in, csv, sql, err);
}

/* The file is our private copy below work/, so nothing cuts it short while it is mapped. */
static int map_text(struct ingest *in,
                    int (*plan)(struct ingest *in, str text, struct buf *sql, struct err *err),
                    struct buf *sql, struct err *err)
{
    CLEANUP(closep) int fd = open(in->path, O_RDONLY | O_CLOEXEC);
    struct stat st;
    if (fd < 0 || fstat(fd, &st) < 0)
        return err_errno(err, errno, "open %s", in->path);
    if (st.st_size == 0)
        return err_set(err, E_INVALID, "%s is empty", in->path);
    size_t n = (size_t)st.st_size;
    void *p = mmap(NULL, n, PROT_READ, MAP_PRIVATE, fd, 0);
    if (p == MAP_FAILED)
        return err_errno(err, errno, "map %s", in->path);
    madvise(p, n, MADV_SEQUENTIAL);
    int rc = plan(in, str_n(p, n), sql, err);
    munmap(p, n);
    return rc;
}

static void note_bad_line(struct ingest *in, uint64_t number, const char *why)
{
    if (in->report.bad < CSV_SHOWN) {
        in->report.shown[in->report.bad] =
            xasprintf("%s:%llu: %s", in->path, (unsigned long long)number, why);
        step_say("%s", in->report.shown[in->report.bad]);
    }
    in->report.bad++;
}

/* Why a line is no row; NULL if it is one. A line of its own is always JSON's line 1. */
static const char *line_fault(str line, struct err *why)
{
    CLEANUP(json_freep) json_t *j = NULL;
    static const char place[] = "JSON, line 1, ";
    if (!json_parse(line, &j, why) && !json_need_object(j, "the line", why))
        return NULL;
    return str_starts(str_from(why->msg), S("JSON, line 1, ")) ? why->msg + sizeof(place) - 1
                                                               : why->msg;
}

/* DuckDB counts the lines of its own buffers; a person counts those of the file. */
static int name_bad_line(struct ingest *in, str text, struct buf *sql, struct err *err)
{
    str line;
    (void)sql;
    for (uint64_t number = 1; text.n; number++) {
        struct err why = {0};
        str_cut(text, '\n', &line, &text);
        const char *fault = str_trim(line).n ? line_fault(line, &why) : NULL;
        if (fault)
            return err_hint(
                err_set(err, E_INVALID, "%s:%llu: %s", in->path, (unsigned long long)number, fault),
                err, "mend the line, or leave such lines out with on_error: skip");
    }
    return 0;
}

/* on_error: skip. Asked to ignore errors, DuckDB makes a row of nulls of a line it cannot read; so
 * lines that are no objects are left out of a copy, counted and told. */
static int keep_objects(struct ingest *in, str text, struct buf *sql, struct err *err)
{
    CLEANUP(closep) int fd = -1;
    struct buf kept = BUF(text.n + 1);
    str line;
    (void)sql;
    int rc = open_copy(in, &fd, err);
    for (uint64_t number = 1; !rc && text.n; number++) {
        struct err why = {0};
        str_cut(text, '\n', &line, &text);
        if (!str_trim(line).n)
            continue;
        const char *fault = line_fault(line, &why);
        if (fault) {
            note_bad_line(in, number, fault);
            continue;
        }
        buf_str(&kept, line);
        buf_char(&kept, '\n');
        if (kept.n < COPY_PIECE)
            continue;
        rc = fs_write_all(fd, kept.p, kept.n, err);
        buf_clear(&kept);
    }
    if (!rc)
        rc = fs_write_all(fd, kept.p, kept.n, err);
    buf_free(&kept);
    return rc;
}

/* Parquet and JSON carry their types; declared ones are casts on top. */
static int put_casts(struct ingest *in, struct duck *d, const char *from, struct buf *sql,
                     struct err *err)
{
    CLEANUP(duck_rows_freep) struct duck_rows *r = NULL;
    int rc = duck_query(d, &r, err, "SELECT * FROM %s LIMIT 0", from);
    if (rc)
        return rc;
    size_t n = duck_columns(r);
    CLEANUP(freep) const char **names = xcalloc(n, sizeof(*names));
    for (size_t i = 0; i < n; i++)
        names[i] = duck_column_name(r, i);
    rc = check_declared(in, names, n, err);
    buf_puts(sql, "SELECT ");
    for (size_t i = 0; !rc && i < n; i++) {
        const char *type = NULL;
        char target[32];
        rc = wanted_type(in, names[i], &type, err);
        type = json_object_get(in->columns, names[i]) ? type : NULL;
        if (!rc && type)
            rc = schema_sql_type(str_from(type), target, err);
        buf_puts(sql, i ? ", " : "");
        buf_puts(sql, type ? "CAST(" : "");
        duck_quote_name(sql, str_from(names[i]));
        if (!rc && type) {
            buf_printf(sql, " AS %s) AS ", target);
            duck_quote_name(sql, str_from(names[i]));
        }
    }
    buf_printf(sql, " FROM %s", from);
    return rc;
}

/* DuckDB gives the second of two columns that differ in case only a name of its own. */
static int check_parquet_names(struct ingest *in, struct duck *d, const char *from,
                               const char *file, struct err *err)
{
    CLEANUP(duck_rows_freep) struct duck_rows *r = NULL;
    size_t n;
    int rc =
        duck_query(d, &r, err,
                   "SELECT column_name FROM (DESCRIBE SELECT * FROM %s) WHERE column_name NOT IN"
                   " (SELECT name FROM parquet_schema(%s)) LIMIT 1",
                   from, file);
    if (rc)
        return rc;
    int more = duck_next_chunk(r, &n, err);
    if (more <= 0)
        return -more;
    str name = duck_cell_text(r, 0, 0);
    return err_hint(err_set(err, E_INVALID, "another column has the name of '%.*s' but for case",
                            (int)(name.n - MIN(name.n, 2)), name.p),
                    err, "column names must differ in more than case: rename one in %s", in->path);
}

static int plan_typed(struct ingest *in, struct duck *d, struct buf *sql, struct err *err)
{
    struct buf from = BUF(16384), file = BUF(8192);
    int rc = 0;
    if (fs_size(in->path) == 0)
        return err_set(err, E_INVALID, "%s is empty", in->path);
    if (in->format == JSON && in->lines && in->skip && (rc = map_text(in, keep_objects, sql, err)))
        return rc;
    duck_quote_text(&file, str_from(in->read));
    buf_puts(&from, in->format == PARQUET ? "read_parquet(" : "read_json(");
    buf_str(&from, buf_view(&file));
    if (in->format == JSON)
        buf_printf(&from, ", sample_size = -1, format = '%s'",
                   in->lines ? "newline_delimited" : "auto");
    buf_puts(&from, in->format == PARQUET ? ", hive_partitioning = false)" : ")");
    if (in->format == PARQUET)
        rc = check_parquet_names(in, d, buf_cstr(&from), buf_cstr(&file), err);
    if (!rc)
        rc = put_casts(in, d, buf_cstr(&from), sql, err);
    buf_free(&from);
    buf_free(&file);
    if (rc && err)
        err_wrap(err, "%s", in->path);
    if (rc == E_INVALID && in->format == JSON && in->lines)
        map_text(in, name_bad_line, sql, err); /* says more, if it finds one */
    return rc;
}

static int write_table(struct ingest *in, struct duck *d, const char *select, struct err *err)
{
    struct step_table *t = &in->table;
    int rc = step_table_write(in->c, d, select, t, err);
    if (!rc && t->rows == 0 && !t->schema && in->report.bad)
        rc = err_hint(
            err_set(err, E_INVALID, "%s has no good rows: %s", in->path, in->report.shown[0]), err,
            "is the file of the format that its name tells?");
    else if (!rc && t->rows == 0 && !t->schema)
        rc = err_hint(err_set(err, E_INVALID, "%s has no rows", in->path), err,
                      "a new dataset needs at least one row to tell its types from");
    if (rc)
        return err ? err_wrap(err, "dataset '%s'", t->dataset) : rc;
    return step_table_keep(in->c, t, err);
}

static int plan(struct ingest *in, struct duck *d, struct buf *sql, struct err *err)
{
    int rc = in->format == CSV ? map_text(in, plan_csv, sql, err) : plan_typed(in, d, sql, err);
    if (!rc)
        rc = step_inputs(in->c, d, (const char *const[]){in->read, NULL}, err);
    if (!rc && !buf_ok(sql))
        rc = err_set(err, E_TOOBIG, "%s has too many columns", in->path);
    return rc ? rc : write_table(in, d, buf_cstr(sql), err);
}

static int ingest(struct ingest *in, struct err *err)
{
    CLEANUP(duck_closep) struct duck *d = NULL;
    struct buf sql = BUF(16 << 20);
    int rc = read_options(in, err);
    if (!rc && !fs_exists(in->path))
        rc = err_set(err, E_NOTFOUND, "no file '%s'", in->path);
    if (!rc)
        rc = step_duck(in->c, &d, err);
    if (!rc)
        rc = plan(in, d, &sql, err);
    buf_free(&sql);
    return rc;
}

static void ingest_free(struct ingest *in)
{
    csv_report_free(&in->report);
    step_table_close(&in->table);
}

int step_ingest_file(struct step_context *c, const json_t *with, int64_t *ret_rows, struct err *err)
{
    struct step_context sub = *c; /* the same result, other wishes */
    sub.with = with;
    struct ingest in = {.c = &sub};
    int rc = ingest(&in, err);
    if (!rc)
        *ret_rows = in.table.rows;
    ingest_free(&in);
    return rc;
}

static void summarize(struct ingest *in)
{
    const json_t *schema = json_object_get(in->table.result, "schema");
    if (in->report.bad)
        step_summary(in->c, "%lld rows, %zu columns from %s; %llu bad rows left out",
                     (long long)in->table.rows, json_array_size(schema), in->path,
                     (unsigned long long)in->report.bad);
    else
        step_summary(in->c, "%lld rows, %zu columns from %s", (long long)in->table.rows,
                     json_array_size(schema), in->path);
    json_object_set_new(in->table.result, "skipped", json_integer((json_int_t)in->report.bad));
}

int step_ingest(struct step_context *c, struct err *err)
{
    struct ingest in = {.c = c};
    int rc = ingest(&in, err);
    if (!rc)
        summarize(&in);
    ingest_free(&in);
    return rc;
}
