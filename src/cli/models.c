/* SPDX-License-Identifier: Apache-2.0
 *
 * tenon model, tenon endpoint.
 */
#include "cli/cli_int.h"

#include <string.h>

/* {"champion": 3} of a model, ["champion"] of a version */
static void cell_aliases(const struct cli *c, const json_t *row, const char *member,
                         struct buf *out)
{
    json_t *aliases = json_object_get(row, "aliases"), *value;
    const char *key;
    size_t i;
    (void)c, (void)member;
    json_object_foreach (aliases, key, value) {
        buf_printf(out, "%s@%s→%lld", out->n ? " " : "", key, (long long)json_integer_value(value));
    }
    json_array_foreach (aliases, i, value) {
        buf_printf(out, "%s@%s", i ? " " : "", json_string_value(value));
    }
}

static void cell_metrics(const struct cli *c, const json_t *row, const char *member,
                         struct buf *out)
{
    const char *key;
    json_t *value;
    int shown = 0;
    (void)c, (void)member;
    json_object_foreach (json_object_get(row, "metrics"), key, value) {
        if (json_is_number(value) && shown++ < 4)
            buf_printf(out, "%s%s %.4g", out->n ? "  " : "", key, json_number_value(value));
    }
}

static int show(struct cli *c, const json_t *j, const char *member, const struct column *columns,
                size_t n, const char *hint)
{
    if (c->json)
        print_json(j);
    else
        print_table(c, json_object_get(j, member), columns, n, hint);
    return 0;
}

int cmd_model_list(struct cli *c, struct err *err)
{
    static const struct column columns[] = {{"MODEL", "name", cell_text},
                                            {"LATEST", "latest_version", cell_count},
                                            {"ALIASES", NULL, cell_aliases},
                                            {"METRICS", NULL, cell_metrics},
                                            {"MADE", "created_at", cell_ago}};
    CLEANUP(json_freep) json_t *j = NULL;
    int rc = cli_get(c, &j, err, "/api/v1/models");
    return rc ? rc
              : show(c, j, "models", columns, LENGTH(columns),
                     "a pipeline's register step makes one");
}

static void print_signature(const struct cli *c, const json_t *signature)
{
    static const char *const parts[] = {"inputs", "outputs"};
    for (size_t k = 0; k < LENGTH(parts); k++) {
        size_t i;
        json_t *t;
        printf("\n%s%s%s\n", paint(c, DIM), parts[k], unpaint(c));
        json_array_foreach (json_object_get(signature, parts[k]), i, t) {
            printf("  %-24s %s%s\n", json_s(t, "name"), json_s(t, "datatype"),
                   json_is_true(json_object_get(t, "optional")) ? "  optional" : "");
        }
    }
}

/* Six digits are what a person compares; -o json has them all. */
static void print_fact(const char *key, const json_t *value)
{
    CLEANUP(freep) char *text = json_is_string(value) ? NULL : json_text(value);
    if (json_is_real(value))
        printf("  %-24s %.6g\n", key, json_real_value(value));
    else
        printf("  %-24s %s\n", key, text ? text : json_string_value(value));
}

static void print_numbers(const struct cli *c, const char *title, json_t *object)
{
    const char *key;
    json_t *value;
    if (!json_object_size(object))
        return;
    printf("\n%s%s%s\n", paint(c, DIM), title, unpaint(c));
    json_object_foreach (object, key, value) {
        if (!json_is_array(value))
            print_fact(key, value);
    }
}

static int show_version(struct cli *c, const char *name, const char *ref, struct err *err)
{
    CLEANUP(json_freep) json_t *j = NULL;
    int rc = cli_get(c, &j, err, "/api/v1/models/%s/versions/%s", name, ref);
    if (rc || c->json) {
        if (!rc)
            print_json(j);
        return rc;
    }
    printf("%s%s%s version %lld\ndigest  %s\nrun     %s\n", paint(c, BOLD), json_s(j, "name"),
           unpaint(c), (long long)json_i(j, "version"), json_s(j, "digest"), json_s(j, "run"));
    size_t i;
    json_t *d;
    json_array_foreach (json_object_get(j, "datasets"), i, d) {
        printf("%s    %s version %lld (%s)\n", i ? "    " : "data", json_s(d, "name"),
               (long long)json_i(d, "version"), json_s(d, "role"));
    }
    print_numbers(c, "metrics", json_object_get(j, "metrics"));
    print_numbers(c, "parameters", json_object_get(j, "params"));
    print_signature(c, json_object_get(j, "signature"));
    return 0;
}

static int check_name(const char *name, struct err *err)
{
    return str_is_name(str_from(name)) ? 0 : err_set(err, E_INVALID, "'%s' is not a name", name);
}

int cmd_model_show(struct cli *c, struct err *err)
{
    static const struct column columns[] = {{"VERSION", "version", cell_count},
                                            {"ALIASES", NULL, cell_aliases},
                                            {"METRICS", NULL, cell_metrics},
                                            {"MADE", "created_at", cell_ago},
                                            {"RUN", "run", cell_text}};
    str name, ref;
    bool one = str_cut(str_from(c->args[0]), ':', &name, &ref);
    const char *model = arena_cstr(c->arena, name), *version = arena_cstr(c->arena, ref);
    int rc = check_name(model, err);
    if (!rc && one)
        rc = check_name(version[0] == '@' ? version + 1 : version, err);
    if (rc || one)
        return rc ? rc : show_version(c, model, version, err);
    CLEANUP(json_freep) json_t *j = NULL;
    rc = cli_get(c, &j, err, "/api/v1/models/%s/versions", model);
    return rc ? rc : show(c, j, "versions", columns, LENGTH(columns), "no versions");
}

int cmd_model_alias(struct cli *c, struct err *err)
{
    int64_t version;
    int rc = check_name(c->args[0], err);
    rc = rc ? rc : check_name(c->args[1], err);
    if (!rc && !str_i64(str_from(c->args[2]), &version))
        rc = err_set(err, E_INVALID, "'%s' is not a version number", c->args[2]);
    if (rc)
        return rc;
    CLEANUP(json_freep) json_t *body = json_pack("{s:I}", "version", (json_int_t)version);
    CLEANUP(json_freep) json_t *answer = NULL;
    return cli_send(c, "PUT", body, &answer, err, "/api/v1/models/%s/aliases/%s", c->args[0],
                    c->args[1]);
}

static void cell_model(const struct cli *c, const json_t *row, const char *member, struct buf *out)
{
    (void)c, (void)member;
    buf_printf(out, "%s:%lld", json_s(row, "model"), (long long)json_i(row, "version"));
}

static void cell_mean(const struct cli *c, const json_t *row, const char *member, struct buf *out)
{
    (void)c, (void)member;
    buf_printf(out, "%.0f µs", json_number_value(json_object_get(row, "mean_us")));
}

int cmd_endpoint_list(struct cli *c, struct err *err)
{
    static const struct column columns[] = {{"ENDPOINT", "name", cell_text},
                                            {"MODEL", NULL, cell_model},
                                            {"STATE", "state", cell_status},
                                            {"REQUESTS", "requests", cell_count},
                                            {"MEAN", NULL, cell_mean}};
    CLEANUP(json_freep) json_t *j = NULL;
    int rc = cli_get(c, &j, err, "/api/v1/endpoints");
    return rc ? rc
              : show(c, j, "endpoints", columns, LENGTH(columns),
                     "make one with: tenon endpoint deploy NAME MODEL");
}

static int print_endpoint(struct cli *c, const json_t *j)
{
    if (c->json) {
        print_json(j);
        return 0;
    }
    printf("%s%s%s  %s %s  model %s version %lld\n", paint(c, BOLD), json_s(j, "name"), unpaint(c),
           status_mark(c, json_s(j, "state")), json_s(j, "state"), json_s(j, "model"),
           (long long)json_i(j, "version"));
    if (json_s(j, "reason")[0])
        printf("%s\n", json_s(j, "reason"));
    print_signature(c, json_object_get(j, "signature"));
    return 0;
}

int cmd_endpoint_show(struct cli *c, struct err *err)
{
    CLEANUP(json_freep) json_t *j = NULL;
    int rc = check_name(c->args[0], err);
    rc = rc ? rc : cli_get(c, &j, err, "/api/v1/endpoints/%s", c->args[0]);
    return rc ? rc : print_endpoint(c, j);
}

int cmd_endpoint_deploy(struct cli *c, struct err *err)
{
    const char *version = cli_option(c, "version");
    int rc = check_name(c->args[0], err);
    if (rc)
        return rc;
    CLEANUP(json_freep)
    json_t *body =
        json_pack("{s:s,s:s}", "model", c->args[1], "version", version ? version : "latest");
    CLEANUP(json_freep) json_t *j = NULL;
    if (!body)
        return err_set(err, E_INVALID, "the model's name is not valid UTF-8");
    rc = cli_send(c, "PUT", body, &j, err, "/api/v1/endpoints/%s", c->args[0]);
    return rc ? rc : print_endpoint(c, j);
}

int cmd_endpoint_remove(struct cli *c, struct err *err)
{
    CLEANUP(json_freep) json_t *j = NULL;
    int rc = check_name(c->args[0], err);
    return rc ? rc : cli_send(c, "DELETE", NULL, &j, err, "/api/v1/endpoints/%s", c->args[0]);
}
