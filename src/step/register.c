/* SPDX-License-Identifier: Apache-2.0
 *
 * kind: register. Puts together what the server needs to make a model version; the row itself is
 * written in the transaction that marks this step succeeded.
 *
 *   {model: step[.artifact], metrics: step or [step], as: name, require: {metric: 0.7 or "<= 3"}}
 *
 * The metrics are those of the steps named, later ones over earlier ones, over the model step's
 * own. `require` is the gate: a model that is not good enough fails the step, and nothing after it
 * runs. A bare number is a minimum.
 */
#include "step/step_int.h"

#include <math.h>
#include <string.h>

struct registration {
    struct step_context *c;
    const json_t *made; /* result of the step that made the model */
    json_t *metrics;
    json_t *datasets;
};

/* A history's metric is its last point. NaN if there is none. */
static double last_value(const json_t *metric)
{
    if (json_is_array(metric))
        metric = json_array_get(metric, json_array_size(metric) - 1);
    return json_is_number(metric) ? json_number_value(metric) : NAN;
}

static void add_metrics(struct registration *r, const json_t *result)
{
    const char *key;
    json_t *value;
    json_object_foreach (json_object_get(result, "metrics"), key, value)
        if (isfinite(last_value(value)))
            json_object_set_new(r->metrics, key, json_real(last_value(value)));
}

/* What the training run said of itself stands behind what was measured on other data, and never
 * replaces it: an evaluation comes first in every list. */
static void add_training(struct registration *r)
{
    const char *key;
    json_t *value;
    json_object_foreach (json_object_get(r->made, "metrics"), key, value)
        if (isfinite(last_value(value)) && !json_object_get(r->metrics, key))
            json_object_set_new(r->metrics, key, json_real(last_value(value)));
}

static bool listed(const json_t *list, const json_t *item)
{
    const json_t *other;
    size_t i;
    json_array_foreach (list, i, other)
        if (json_equal(other, item))
            return true;
    return false;
}

static void add_datasets(struct registration *r, const json_t *result, const char *role)
{
    size_t i;
    json_t *input;
    json_array_foreach (json_object_get(result, "inputs"), i, input) {
        json_t *o = json_object();
        json_object_set(o, "name", json_object_get(input, "name"));
        json_object_set(o, "version", json_object_get(input, "version"));
        json_object_set_new(o, "role", json_string(role));
        if (listed(r->datasets, o)) /* two evaluations of the same rows, say */
            json_decref(o);
        else
            json_array_append_new(r->datasets, o);
    }
}

static int add_step(struct registration *r, const json_t *name, struct err *err)
{
    const json_t *result;
    if (!json_is_string(name))
        return err_set(err, E_INVALID, "'metrics' must name steps, got %s", json_kind(name));
    int rc = step_upstream(r->c, json_string_value(name), &result, err);
    if (rc || result == r->made)
        return rc;
    add_metrics(r, result);
    add_datasets(r, result, "evaluate");
    return 0;
}

static int collect(struct registration *r, struct err *err)
{
    const json_t *said = json_object_get(r->c->with, "metrics");
    size_t i;
    json_t *name;
    int rc = 0;
    add_datasets(r, r->made, "train");
    if (said && !json_is_null(said) && !json_is_array(said))
        rc = add_step(r, said, err);
    json_array_foreach (said, i, name)
        if (!rc)
            rc = add_step(r, name, err);
    add_training(r);
    return rc;
}

/* "step" or "step.artifact": the step's result and the artifact, which is "model" by default. */
static int find_model(struct registration *r, const json_t **ret_artifact, struct err *err)
{
    const char *said, *artifact = "model";
    const json_t *upstream = json_object_get(r->c->attempt, "upstream");
    int rc = step_text(r->c, "model", NULL, &said, err);
    if (rc)
        return rc;
    const char *step = said, *dot = strrchr(said, '.');
    if (!json_object_get(upstream, said) && dot) { /* a step's own name may have dots */
        step = arena_cstr(r->c->arena, str_n(said, (size_t)(dot - said)));
        artifact = dot + 1;
    }
    rc = step_upstream(r->c, step, &r->made, err);
    if (rc)
        return rc;
    *ret_artifact = json_object_get(json_object_get(r->made, "artifacts"), artifact);
    if (!*ret_artifact)
        return err_hint(err_set(err, E_INVALID, "step '%s' made no artifact '%s'", step, artifact),
                        err, "a step of kind train makes 'model'; one of kind run lists artifacts");
    if (!json_is_object(json_object_get(r->made, "signature")))
        return err_hint(err_set(err, E_INVALID, "the model of step '%s' has no signature", step),
                        err, "a step of kind run writes it to signature.json");
    return 0;
}

static bool holds(double value, str op, double bound)
{
    return str_is(op, ">=")   ? value >= bound
           : str_is(op, "<=") ? value <= bound
           : str_is(op, ">")  ? value > bound
                              : value < bound;
}

/* ">= 0.7" in its parts; a bare number is a minimum. */
static int read_bound(const char *metric, const json_t *said, str *ret_op, double *ret,
                      struct err *err)
{
    str text = str_trim(str_from(json_string_value(said)));
    *ret_op = S(">=");
    if (json_is_number(said)) {
        *ret = json_number_value(said);
        return 0;
    }
    size_t n = 0;
    while (n < text.n && n < 2 && strchr("<>=", text.p[n]))
        n++;
    str op = str_n(text.p, n);
    bool known = !n || str_is(op, ">=") || str_is(op, "<=") || str_is(op, ">") || str_is(op, "<");
    if (!json_is_string(said) || !known || !str_f64(str_trim(str_skip(text, n)), ret))
        return err_hint(err_set(err, E_INVALID, "require: cannot read the bound of '%s'", metric),
                        err, "say {%s: 0.7} or {%s: '<= 12.5'}", metric, metric);
    if (n)
        *ret_op = op;
    return 0;
}

static int unknown_metric(const struct registration *r, const char *metric, struct err *err)
{
    const char *names[256], *key;
    size_t n = 0;
    json_t *value;
    json_object_foreach (r->metrics, key, value)
        if (n < LENGTH(names))
            names[n++] = key;
    const char *near = str_nearest(str_from(metric), names, n);
    int rc = err_set(err, E_INVALID, "require: no metric '%s' was reported", metric);
    return near ? err_hint(rc, err, "did you mean '%s'?", near)
                : err_hint(rc, err, "name the steps that report it under 'metrics'");
}

static int check_one(const struct registration *r, const char *metric, const json_t *said,
                     struct err *err)
{
    const json_t *value = json_object_get(r->metrics, metric);
    double bound;
    str op;
    int rc = read_bound(metric, said, &op, &bound, err);
    if (rc)
        return rc;
    if (!value)
        return unknown_metric(r, metric, err);
    if (holds(json_number_value(value), op, bound))
        return 0;
    return err_hint(err_set(err, E_CONFLICT, "%s is %.6g, required is %.*s %g", metric,
                            json_number_value(value), STR(op), bound),
                    err, "the model is not registered; nothing that serves now has changed");
}

static int check_required(const struct registration *r, struct err *err)
{
    const json_t *require = json_object_get(r->c->with, "require");
    const char *metric;
    json_t *bound;
    int rc = 0;
    if (require && !json_is_null(require))
        rc = json_need_object(require, "'require'", err);
    json_object_foreach ((json_t *)require, metric, bound)
        if (!rc)
            rc = check_one(r, metric, bound, err);
    return rc;
}

static void set_result(struct registration *r, const char *name, const json_t *artifact)
{
    json_t *o = json_object();
    json_object_set_new(o, "model", json_string(name));
    json_object_set(o, "digest", json_object_get(artifact, "digest"));
    json_object_set(o, "signature", json_object_get(r->made, "signature"));
    json_object_set(o, "metrics", r->metrics);
    json_object_set(o, "datasets", r->datasets);
    if (json_object_get(r->made, "params"))
        json_object_set(o, "params", json_object_get(r->made, "params"));
    json_object_set_new(r->c->result, "register", o);
}

static int register_model(struct registration *r, struct err *err)
{
    static const char *const known[] = {"model", "metrics", "as", "require", "description", NULL};
    const json_t *artifact;
    const char *name = NULL;
    int rc = json_only(r->c->with, known, err);
    if (!rc)
        rc = step_text(r->c, "as", NULL, &name, err);
    if (!rc && !str_is_name(str_from(name)))
        rc = err_set(err, E_INVALID, "'%s' is no name for a model", name);
    if (!rc)
        rc = find_model(r, &artifact, err);
    if (!rc)
        rc = collect(r, err);
    if (!rc)
        rc = check_required(r, err);
    if (rc)
        return rc;
    set_result(r, name, artifact);
    step_summary(r->c, "a version of %s, %zu metrics", name, json_object_size(r->metrics));
    return 0;
}

int step_register(struct step_context *c, struct err *err)
{
    CLEANUP(json_freep) json_t *metrics = json_object();
    CLEANUP(json_freep) json_t *datasets = json_array();
    struct registration r = {.c = c, .metrics = metrics, .datasets = datasets};
    return register_model(&r, err);
}
