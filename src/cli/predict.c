/* SPDX-License-Identifier: Apache-2.0
 *
 * tenon predict: one row from COLUMN=VALUE arguments, or rows of a file beside the truth.
 *
 * The endpoint's signature says which columns of a file are its inputs; the rest stays here.
 */
#include "cli/cli_int.h"

#include "data/duck.h"

#include <string.h>

enum { LIMIT = 10, LIMIT_MAX = 10000 };

static const json_t *find_input(const json_t *signature, const char *name)
{
    size_t i;
    json_t *input;
    json_array_foreach (json_object_get(signature, "inputs"), i, input) {
        if (strcmp(json_s(input, "name"), name) == 0)
            return input;
    }
    return NULL;
}

/* The value as the input's type wants it: text stays text, numbers become numbers. */
static json_t *typed(const json_t *input, str value)
{
    double number;
    bool text = input && strcmp(json_s(input, "datatype"), "BYTES") == 0;
    if (!value.n)
        return json_null();
    if (!text && (str_is(value, "true") || str_is(value, "false")))
        return json_boolean(value.p[0] == 't');
    return !text && str_f64(value, &number) ? json_real(number) : json_strn(value);
}

static int row_from_args(struct cli *c, const json_t *signature, json_t *rows, struct err *err)
{
    json_t *row = json_object();
    json_array_append_new(rows, row);
    for (int i = 1; i < c->n_args; i++) {
        str key, value;
        if (!str_cut(str_from(c->args[i]), '=', &key, &value) || !key.n)
            return err_set(err, E_INVALID, "'%s': use COLUMN=VALUE", c->args[i]);
        const char *name = arena_cstr(c->arena, key);
        json_object_set_new(row, name, typed(find_input(signature, name), value));
    }
    return 0;
}

static const char *reader_of(str file)
{
    if (str_ends(file, S(".csv")) || str_ends(file, S(".csv.gz")))
        return "read_csv";
    if (str_ends(file, S(".json")) || str_ends(file, S(".jsonl")) || str_ends(file, S(".ndjson")))
        return "read_json";
    return str_ends(file, S(".parquet")) ? "read_parquet" : NULL;
}

static int rows_from_file(struct cli *c, const char *file, int64_t limit, json_t **ret,
                          struct err *err)
{
    const char *reader = reader_of(str_from(file)), *where = cli_option(c, "where");
    if (!reader)
        return err_set(err, E_INVALID, "%s: rows come from .parquet, .csv or .json files", file);
    CLEANUP(duck_closep) struct duck *duck = NULL;
    CLEANUP(duck_rows_freep) struct duck_rows *r = NULL;
    struct buf path = BUF(8192);
    duck_quote_text(&path, str_from(file));
    int rc = duck_open(&(struct duck_config){.threads = 1}, &duck, err);
    rc = rc ? rc
            : duck_query(duck, &r, err, "SELECT * FROM %s(%s) WHERE %s LIMIT %lld", reader,
                         buf_cstr(&path), where ? where : "true", (long long)limit);
    buf_free(&path);
    return rc ? rc : duck_rows_json(r, (size_t)limit, ret, err);
}

/* Only what the endpoint takes; NULL stays out, so that the model sees it as missing. */
static json_t *inputs_of(const json_t *rows, const json_t *signature)
{
    json_t *picked = json_array();
    size_t i, k;
    json_t *row, *input;
    json_array_foreach (rows, i, row) {
        json_t *one = json_object();
        json_array_foreach (json_object_get(signature, "inputs"), k, input) {
            json_t *value = json_object_get(row, json_s(input, "name"));
            if (value)
                json_object_set(one, json_s(input, "name"), value);
        }
        json_array_append_new(picked, one);
    }
    return picked;
}

static void print_value(struct buf *out, const json_t *value)
{
    if (json_is_string(value))
        buf_puts(out, json_string_value(value));
    else if (json_is_real(value))
        buf_printf(out, "%.4g", json_real_value(value));
    else if (value)
        json_write(value, out);
}

/* The prediction's own members first ("late": "true"), then the probabilities in brackets. */
static void cell_prediction(const struct cli *c, const json_t *row, const char *member,
                            struct buf *out)
{
    const json_t *prediction = json_object_get(row, "prediction");
    const char *key, *class;
    json_t *value, *p;
    (void)c, (void)member;
    json_object_foreach ((json_t *)prediction, key, value) {
        if (json_is_object(value))
            continue;
        buf_printf(out, "%s%s ", out->n ? "  " : "", key);
        print_value(out, value);
    }
    json_object_foreach (json_object_get(prediction, "probability"), class, p) {
        buf_printf(out, "  P(%s) %.3f", class, json_number_value(p));
    }
}

static void cell_truth(const struct cli *c, const json_t *row, const char *member, struct buf *out)
{
    (void)c, (void)member;
    print_value(out, json_object_get(row, "truth"));
}

static void cell_row(const struct cli *c, const json_t *row, const char *member, struct buf *out)
{
    const char *key;
    json_t *value;
    (void)c, (void)member;
    json_object_foreach (json_object_get(row, "row"), key, value) {
        if (out->n > 64)
            break;
        buf_printf(out, "%s%s=", out->n ? " " : "", key);
        print_value(out, value);
    }
    if (out->n > 72)
        out->n = 72;
}

static void print_predictions(struct cli *c, const json_t *rows, const json_t *inputs,
                              const json_t *predictions)
{
    static const struct column with_truth[] = {{"PREDICTION", NULL, cell_prediction},
                                               {"TRUTH", NULL, cell_truth},
                                               {"ROW", NULL, cell_row}};
    static const struct column without[] = {{"PREDICTION", NULL, cell_prediction},
                                            {"ROW", NULL, cell_row}};
    const char *truth = cli_option(c, "truth");
    CLEANUP(json_freep) json_t *lines = json_array();
    size_t i;
    json_t *prediction;
    json_array_foreach ((json_t *)predictions, i, prediction) {
        json_t *line =
            json_pack("{s:O,s:O}", "prediction", prediction, "row", json_array_get(inputs, i));
        json_t *known = truth ? json_object_get(json_array_get(rows, i), truth) : NULL;
        if (known)
            json_object_set(line, "truth", known);
        json_array_append_new(lines, line);
    }
    print_table(c, lines, truth ? with_truth : without, truth ? 3 : 2, "no rows matched");
}

static int check_truth(struct cli *c, const json_t *rows, struct err *err)
{
    const char *truth = cli_option(c, "truth");
    if (!truth || !json_array_size(rows) || json_object_get(json_array_get(rows, 0), truth) != NULL)
        return 0;
    return err_set(err, E_INVALID, "--truth %s: the file has no such column", truth);
}

int cmd_predict(struct cli *c, struct err *err)
{
    const char *file = cli_option(c, "rows");
    int64_t limit;
    CLEANUP(json_freep) json_t *endpoint = NULL, *rows = NULL, *answer = NULL;
    int rc = cli_option_i64(c, "limit", LIMIT, &limit, err);
    if (!rc && (limit < 1 || limit > LIMIT_MAX))
        rc = err_set(err, E_INVALID, "--limit must be between 1 and %d", LIMIT_MAX);
    if (!rc && !str_is_name(str_from(c->args[0])))
        rc = err_set(err, E_INVALID, "'%s' is not the name of an endpoint", c->args[0]);
    rc = rc ? rc : cli_get(c, &endpoint, err, "/api/v1/endpoints/%s", c->args[0]);
    if (rc)
        return rc;
    const json_t *signature = json_object_get(endpoint, "signature");
    if (file) {
        rc = rows_from_file(c, file, limit, &rows, err);
    } else {
        rows = json_array();
        rc = row_from_args(c, signature, rows, err);
    }
    rc = rc ? rc : check_truth(c, rows, err);
    if (rc)
        return rc;
    CLEANUP(json_freep) json_t *inputs = file ? inputs_of(rows, signature) : json_incref(rows);
    CLEANUP(json_freep) json_t *body = json_pack("{s:O}", "rows", inputs);
    rc = cli_send(c, "POST", body, &answer, err, "/v2/models/%s/invocations", c->args[0]);
    if (rc)
        return rc;
    if (c->json)
        print_json(answer);
    else
        print_predictions(c, rows, inputs, json_object_get(answer, "predictions"));
    return 0;
}
