/* SPDX-License-Identifier: Apache-2.0
 *
 * kind: sql. A SELECT over pinned datasets becomes a version of another.
 *
 *   {inputs: [dataset] or {alias: dataset[@version]}, sql: text or file: path, dataset, mode,
 *    description}
 *
 * The query is a user's: it sees its inputs as views and the database is locked, so that it reads
 * no other file, reaches no network and changes no setting. Mistakes are told with line and column
 * of the user's own text.
 */
#include "step/step_int.h"

#include "sys/fs.h"

#include <string.h>

enum { SQL_MAX = 1 << 20 };

/* The text and a name for it in messages. */
static int read_sql(struct step_context *c, struct buf *ret, const char **ret_name, struct err *err)
{
    str text = {0}, file = {0};
    int rc = json_get_str(c->with, "sql", false, &text, err);
    if (!rc)
        rc = json_get_str(c->with, "file", false, &file, err);
    if (rc)
        return rc;
    if ((text.n == 0) == (file.n == 0))
        return err_set(err, E_INVALID,
                       text.n ? "either 'sql' or 'file', not both"
                              : "a step of kind sql needs 'sql' or 'file'");
    *ret_name = file.n ? arena_cstr(c->arena, file) : "sql";
    if (text.n) {
        buf_str(ret, text);
        return 0;
    }
    rc = step_check_path(file, err);
    if (rc)
        return rc;
    struct buf content = {0};
    rc = fs_read(*ret_name, SQL_MAX, &content, err);
    if (!rc)
        buf_str(ret, buf_view(&content));
    buf_free(&content);
    return rc;
}

/* A trailing ';' ends a statement, but inside (…) it would be an error. */
static str without_end(str sql)
{
    sql = str_trim(sql);
    while (str_ends(sql, S(";")))
        sql = str_trim(str_n(sql.p, sql.n - 1));
    return sql;
}

static int name_place(struct err *err, int rc, const char *file)
{
    if (!rc || !err)
        return rc;
    bool placed = err->msg[0] >= '1' && err->msg[0] <= '9';
    char message[sizeof(err->msg)], hint[sizeof(err->hint)];
    memcpy(message, err->msg, sizeof(message));
    memcpy(hint, err->hint, sizeof(hint));
    rc = err_set(err, err->code, placed ? "%s:%s" : "%s: %s", file, message);
    return hint[0] ? err_hint(rc, err, "%s", hint) : rc;
}

static int query(struct step_context *c, struct duck *d, str sql, const char *name,
                 struct step_table *t, struct err *err)
{
    CLEANUP(freep) char *text = xstrndup(sql.p, sql.n);
    int rc = duck_check_select(d, sql, err);
    duck_focus(d, sql);
    if (!rc)
        rc = step_table_write(c, d, text, t, err);
    duck_focus(d, (str){0});
    return name_place(err, rc, name);
}

static int run_sql(struct step_context *c, struct duck *d, struct buf *sql, struct step_table *t,
                   struct err *err)
{
    static const char *const known[] = {"inputs", "sql",         "file", "dataset",
                                        "mode",   "description", NULL};
    const char *name = "sql", *dataset = NULL;
    int rc = json_only(c->with, known, err);
    if (!rc)
        rc = step_text(c, "dataset", NULL, &dataset, err);
    if (!rc)
        rc = step_table_open(c, str_from(dataset), t, err);
    if (!rc)
        rc = read_sql(c, sql, &name, err);
    if (!rc)
        rc = step_inputs(c, d, NULL, err);
    if (rc)
        return rc;
    t->source = name;
    rc = query(c, d, without_end(buf_view(sql)), name, t, err);
    return rc ? rc : step_table_keep(c, t, err);
}

int step_sql(struct step_context *c, struct err *err)
{
    CLEANUP(duck_closep) struct duck *d = NULL;
    CLEANUP(step_table_closep) struct step_table t = {0};
    struct buf sql = BUF(SQL_MAX);
    int rc = step_duck(c, &d, err);
    if (!rc)
        rc = run_sql(c, d, &sql, &t, err);
    buf_free(&sql);
    if (rc)
        return rc;
    step_summary(c, "%lld rows, %zu columns in %s", (long long)t.rows,
                 json_array_size(json_object_get(t.result, "schema")), t.dataset);
    return 0;
}
