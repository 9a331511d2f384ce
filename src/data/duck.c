/* SPDX-License-Identifier: Apache-2.0
 *
 * Loading DuckDB, opening a database that is shut in from the start, and making its errors ours.
 *
 * DuckDB is asked for errors as JSON (errors_as_json), so that the place of a mistake arrives as a
 * byte position and not as a drawing with a caret. Thread: the owner of the struct duck.
 */
#include "data/duck_int.h"

#include "sys/dl.h"

#include <string.h>
#include <unistd.h>

static int load(struct duck_api *api, struct err *err)
{
    static const char *const names[] = {"libduckdb.so", NULL};
    void *library;
    int rc = dl_open("TENON_DUCKDB", names, &library, NULL, err);
#define X(name)                                                                                    \
    if (!rc)                                                                                       \
        rc = dl_symbol(library, "duckdb_" #name, &api->name, err);
    DUCK_FUNCTIONS(X)
#undef X
    return rc;
}

static int64_t default_memory_mb(void)
{
    int64_t all = (int64_t)sysconf(_SC_PHYS_PAGES) / 1024 * sysconf(_SC_PAGESIZE) / 1024;
    return MAX(256, MIN(4096, all * 6 / 10));
}

/* Options that must hold before the first statement runs. */
static int make_config(struct duck *d, const struct duck_config *c, duckdb_config *ret,
                       struct err *err)
{
    CLEANUP(freep)
    char *memory =
        xasprintf("%lldMB", (long long)(c->memory_mb ? c->memory_mb : default_memory_mb()));
    CLEANUP(freep) char *threads = xasprintf("%u", c->threads);
    const char *const options[][2] = {
        {"autoinstall_known_extensions", "false"},
        {"autoload_known_extensions", "false"},
        {"allow_community_extensions", "false"},
        {"memory_limit", memory},
        {"temp_directory", c->temp_dir ? c->temp_dir : ""},
        {c->threads ? "threads" : NULL, threads},
    };
    if (d->api.create_config(ret) == DuckDBError)
        return err_set(err, E_INTERNAL, "DuckDB gives no configuration");
    for (size_t i = 0; i < LENGTH(options); i++)
        if (options[i][0] && d->api.set_config(*ret, options[i][0], options[i][1]) == DuckDBError)
            return err_set(err, E_UNAVAILABLE, "this DuckDB (%s) does not know the option %s",
                           d->api.library_version(), options[i][0]);
    return 0;
}

static int open_database(struct duck *d, const struct duck_config *c, struct err *err)
{
    duckdb_config config = NULL;
    char *message = NULL;
    int rc = make_config(d, c, &config, err);
    if (!rc && d->api.open_ext(":memory:", &d->database, config, &message) == DuckDBError)
        rc = err_set(err, E_UNAVAILABLE, "DuckDB does not open: %s", message ? message : "?");
    if (message)
        d->api.free(message);
    if (config)
        d->api.destroy_config(&config);
    if (!rc && d->api.connect(d->database, &d->connection) == DuckDBError)
        rc = err_set(err, E_UNAVAILABLE, "DuckDB accepts no connection");
    return rc;
}

int duck_open(const struct duck_config *config, struct duck **ret, struct err *err)
{
    CLEANUP(duck_closep) struct duck *d = xcalloc(1, sizeof(*d));
    int rc = load(&d->api, err);
    if (!rc)
        rc = open_database(d, config, err);
    if (!rc)
        rc = duck_exec(d, err,
                       "SET errors_as_json = true; SET TimeZone = 'UTC'; "
                       "SET enable_progress_bar = false");
    if (rc)
        return rc;
    *ret = d;
    d = NULL;
    return 0;
}

void duck_close(struct duck *d)
{
    if (!d)
        return;
    if (d->connection)
        d->api.disconnect(&d->connection);
    if (d->database)
        d->api.close(&d->database);
    free(d);
}

void duck_closep(struct duck **d)
{
    duck_close(*d);
}

const char *duck_version(const struct duck *d)
{
    return d->api.library_version();
}

static void put_list(struct buf *b, const char *setting, const char *const *items)
{
    buf_printf(b, "SET %s = [", setting);
    for (size_t i = 0; items && items[i]; i++) {
        if (i)
            buf_puts(b, ", ");
        duck_quote_text(b, str_from(items[i]));
    }
    buf_puts(b, "]; ");
}

int duck_lock(struct duck *d, const char *const *files, const char *const *dirs, struct err *err)
{
    struct buf sql = BUF(DUCK_SQL_MAX);
    put_list(&sql, "allowed_paths", files);
    put_list(&sql, "allowed_directories", dirs);
    buf_puts(&sql, "SET enable_external_access = false; SET lock_configuration = true");
    int rc = buf_ok(&sql) ? duck_exec(d, err, "%s", buf_cstr(&sql))
                          : err_set(err, E_TOOBIG, "too many files for one query");
    buf_free(&sql);
    return rc;
}

void duck_focus(struct duck *d, str sql)
{
    d->focus = sql;
}

/* Writes "line:column: " for a byte position of sql that lies in the focus; else nothing. */
static void put_place(struct buf *b, const struct duck *d, str sql, int64_t position)
{
    const char *focus = d->focus.n ? memmem(sql.p, sql.n, d->focus.p, d->focus.n) : NULL;
    if (!focus || position < focus - sql.p || position > focus - sql.p + (int64_t)d->focus.n)
        return;
    unsigned line = 1, column = 1;
    for (const char *at = focus; at < sql.p + position; at++) {
        bool inside = ((unsigned char)*at & 0xc0) == 0x80; /* columns count characters */
        column = *at == '\n' ? 1 : column + !inside;
        line += *at == '\n';
    }
    buf_printf(b, "%u:%u: ", line, column);
}

static enum errcode code_of(const char *type)
{
    static const struct {
        const char *type;
        enum errcode code;
    } table[] = {
        {"Permission", E_FORBIDDEN}, {"Out of Memory", E_TOOBIG}, {"IO", E_IO},
        {"INTERNAL", E_INTERNAL},    {"Interrupt", E_CANCELLED},
    };
    for (size_t i = 0; i < LENGTH(table); i++)
        if (!strcmp(table[i].type, type))
            return table[i].code;
    return E_INVALID;
}

static int fail_json(const struct duck *d, str sql, const json_t *j, struct err *err)
{
    str head, tail, rest = str_from(json_s(j, "exception_message"));
    struct buf place = BUF(64);
    int64_t position;
    str_cut(rest, '\n', &head, &tail);
    if (str_starts(head, S("CSV Error"))) /* the line is followed by its text, then the reason */
        head = str_n(rest.p, MIN(rest.n, 300));
    if (str_i64(str_from(json_s(j, "position")), &position))
        put_place(&place, d, sql, position);
    int rc =
        err_set(err, code_of(json_s(j, "exception_type")), "%s%.*s", buf_cstr(&place), STR(head));
    buf_free(&place);
    str_cut(str_trim(tail), '\n', &head, &tail);
    if (rc == E_FORBIDDEN)
        return err_hint(rc, err, "a query reads its inputs only: name datasets under 'inputs'");
    return head.n ? err_hint(rc, err, "%.*s", STR(head)) : rc;
}

int duck_fail(const struct duck *d, str sql, const char *message, struct err *err)
{
    const char *brace = message ? strchr(message, '{') : NULL;
    CLEANUP(json_freep) json_t *j = NULL;
    if (brace && json_parse(str_from(brace), &j, NULL) == 0 && json_s(j, "exception_message")[0])
        return fail_json(d, sql, j, err);
    return err_set(err, E_INVALID, "%s", message ? message : "DuckDB failed without a message");
}

static int exec_text(struct duck *d, str sql, const char *text, struct err *err)
{
    duckdb_result result;
    int rc = 0;
    if (d->api.query(d->connection, text, &result) == DuckDBError)
        rc = duck_fail(d, sql, d->api.result_error(&result), err);
    d->api.destroy_result(&result);
    return rc;
}

int duck_exec(struct duck *d, struct err *err, const char *fmt, ...)
{
    struct buf sql = BUF(DUCK_SQL_MAX);
    va_list ap;
    va_start(ap, fmt);
    buf_vprintf(&sql, fmt, ap);
    va_end(ap);
    int rc = buf_ok(&sql) ? exec_text(d, buf_view(&sql), buf_cstr(&sql), err)
                          : err_set(err, E_TOOBIG, "the query is larger than 16 MB");
    buf_free(&sql);
    return rc;
}

/* The statement must bind as well, so that a wrong column is found before anything is written. */
static int check_bound(struct duck *d, const char *text, struct err *err)
{
    duckdb_prepared_statement p = NULL;
    int rc = 0;
    if (d->api.prepare(d->connection, text, &p) == DuckDBError)
        rc = duck_fail(d, str_from(text), d->api.prepare_error(p), err);
    else if (d->api.prepared_statement_type(p) != DUCKDB_STATEMENT_TYPE_SELECT)
        rc = err_hint(err_set(err, E_INVALID, "the SQL must be a SELECT"), err,
                      "its rows become the dataset: leave out CREATE, INSERT, COPY and SET");
    d->api.destroy_prepare(&p);
    return rc;
}

int duck_check_select(struct duck *d, str sql, struct err *err)
{
    CLEANUP(freep) char *text = xstrndup(sql.p ? sql.p : "", sql.n);
    str before = d->focus;
    d->focus = str_from(text);
    duckdb_extracted_statements all = NULL;
    idx_t n = d->api.extract_statements(d->connection, text, &all);
    const char *message = all ? d->api.extract_statements_error(all) : NULL;
    int rc;
    if (n == 0 && message && message[0])
        rc = duck_fail(d, str_from(text), message, err);
    else if (n != 1)
        rc = err_hint(
            err_set(err, E_INVALID, "the SQL has %llu statements, not one", (unsigned long long)n),
            err, "use WITH for intermediate tables");
    else
        rc = check_bound(d, text, err);
    d->api.destroy_extracted(&all);
    d->focus = before;
    return rc;
}

static void quote(struct buf *b, str s, char with)
{
    buf_char(b, with);
    for (size_t i = 0; i < s.n; i++) {
        if (s.p[i] == with)
            buf_char(b, with);
        buf_char(b, s.p[i]);
    }
    buf_char(b, with);
}

void duck_quote_text(struct buf *b, str s)
{
    quote(b, s, '\'');
}

void duck_quote_name(struct buf *b, str s)
{
    quote(b, s, '"');
}
