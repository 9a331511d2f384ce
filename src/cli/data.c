/* SPDX-License-Identifier: Apache-2.0
 *
 * tenon data.
 */
#include "cli/cli_int.h"

#include "sys/fs.h"

#include <string.h>

static void cell_columns(const struct cli *c, const json_t *row, const char *member,
                         struct buf *out)
{
    (void)c, (void)member;
    buf_printf(out, "%zu", json_array_size(json_object_get(row, "schema")));
}

int cmd_data_list(struct cli *c, struct err *err)
{
    static const struct column columns[] = {
        {"DATASET", "name", cell_text},  {"VERSION", "version", cell_count},
        {"ROWS", "rows", cell_count},    {"SIZE", "bytes", cell_bytes},
        {"COLUMNS", NULL, cell_columns}, {"CHANGED", "created_at", cell_ago}};
    CLEANUP(json_freep) json_t *j = NULL;
    int rc = cli_get(c, &j, err, "/api/v1/datasets");
    if (rc)
        return rc;
    if (c->json)
        print_json(j);
    else
        print_table(c, json_object_get(j, "datasets"), columns, LENGTH(columns),
                    "make one with: tenon data ingest FILE");
    return 0;
}

/* Adds to each column of the schema a few values from the sample. */
static void add_examples(json_t *dataset)
{
    size_t i, k;
    json_t *column, *row;
    json_array_foreach (json_object_get(dataset, "schema"), i, column) {
        struct buf text = BUF(256);
        json_array_foreach (json_object_get(dataset, "sample"), k, row) {
            const json_t *value = json_object_get(row, json_s(column, "name"));
            if (k >= 4 || text.n > 40)
                break;
            CLEANUP(freep)
            char *plain = json_is_string(value) ? xstrdup(json_string_value(value))
                                                : json_text(value ? value : json_null());
            buf_printf(&text, "%s%.24s", k ? ", " : "", plain);
        }
        json_object_set_new(column, "examples", json_strn(buf_view(&text)));
        buf_free(&text);
    }
}

int cmd_data_show(struct cli *c, struct err *err)
{
    static const struct column columns[] = {{"COLUMN", "name", cell_text},
                                            {"TYPE", "type", cell_text},
                                            {"VALUES", "examples", cell_text}};
    int64_t version;
    CLEANUP(json_freep) json_t *j = NULL;
    int rc = cli_option_i64(c, "version", -1, &version, err);
    if (!rc && !str_is_name(str_from(c->args[0])))
        rc = err_set(err, E_INVALID, "'%s' is not the name of a dataset", c->args[0]);
    if (!rc && version >= 0)
        rc =
            cli_get(c, &j, err, "/api/v1/datasets/%s?version=%lld", c->args[0], (long long)version);
    else if (!rc)
        rc = cli_get(c, &j, err, "/api/v1/datasets/%s", c->args[0]);
    if (rc)
        return rc;
    if (c->json) {
        print_json(j);
        return 0;
    }
    struct buf facts = BUF(512);
    print_count(&facts, json_i(j, "rows"));
    buf_puts(&facts, " rows, ");
    print_bytes(&facts, json_i(j, "bytes"));
    printf("%s%s%s  version %lld, %.*s\nmade from %s\n\n", paint(c, BOLD), json_s(j, "name"),
           unpaint(c), (long long)json_i(j, "version"), STR(buf_view(&facts)), json_s(j, "source"));
    buf_free(&facts);
    add_examples(j);
    print_table(c, json_object_get(j, "schema"), columns, LENGTH(columns), "no columns");
    return 0;
}

/* "trips.csv" → "trips"; what a name may not hold becomes '-'. */
static char *name_of(struct cli *c, const char *base)
{
    str stem = str_from(base);
    size_t dot;
    if (str_find(stem, '.', &dot) && dot)
        stem = str_n(stem.p, dot);
    char *name = arena_cstr(c->arena, stem);
    for (char *p = name; *p; p++)
        if (!str_is_name(str_n(p, 1)) && *p != '_' && *p != '-')
            *p = '-';
    return name;
}

int cmd_data_ingest(struct cli *c, struct err *err)
{
    const char *path = c->args[0], *slash = strrchr(path, '/'), *base = slash ? slash + 1 : path;
    const char *name = cli_option(c, "name");
    name = name ? name : name_of(c, base);
    if (!str_is_name(str_from(name)))
        return err_hint(err_set(err, E_INVALID, "'%s' is not a name for a dataset", name), err,
                        "choose one with --name");
    CLEANUP(freep) char *dir = fs_dirname(path);
    CLEANUP(json_freep) json_t *none = json_object();
    struct buf yaml = BUF(65536);
    buf_printf(&yaml,
               "kind: pipeline\nname: ingest-%s\nsteps:\n  - name: ingest\n"
               "    kind: ingest\n    path: ",
               name);
    json_quote(&yaml, str_from(base)); /* a JSON string is a YAML one */
    buf_printf(&yaml, "\n    dataset: %s\n    mode: %s\n", name,
               cli_switch(c, "append") ? "append" : "overwrite");
    int rc = run_and_follow(c, "data-ingest", dir, buf_view(&yaml), none, false, err);
    buf_free(&yaml);
    return rc;
}
