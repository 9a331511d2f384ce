/* SPDX-License-Identifier: Apache-2.0
 *
 * The plan: a checked pipeline as JSON, stored with the run. It is all that the engine needs, so a
 * server of tomorrow can go on with a run of today whatever happens to the YAML's grammar.
 *
 *   {"name", "params": {…},
 *    "steps": [{"name", "kind", "line", "deps": [position…], "with": {…},
 *      "inputs": [{"alias", "dataset", "version": N | -1 latest, "makers": [position…], "line",
 *                  "column"}],
 *      "upstream": [position…],               whose results it is given
 *      "makes": [dataset…], "files": [path…],
 *      "retries": {"count", "delay_ms", "factor"}, "timeout_ms", "memory_mb", "disk_mb"}]}
 *
 * `with` holds the step's own keys in one form each: names of inputs without their version, lists
 * where one value was given, paths without "./".
 */
#include "pipeline/spec_int.h"

#include <string.h>

static json_t *texts(const struct ynode *n)
{
    json_t *list = json_array();
    if (n->kind != Y_SEQ)
        json_array_append_new(list, json_strn(n->text));
    for (size_t i = 0; n->kind == Y_SEQ && i < n->n; i++)
        json_array_append_new(list, json_strn(n->items[i]->text));
    return list;
}

static json_t *paths(struct arena *a, const struct ynode *n)
{
    json_t *list = json_array();
    if (n->kind != Y_SEQ)
        json_array_append_new(list, json_string(spec_path(a, n->text)));
    for (size_t i = 0; n->kind == Y_SEQ && i < n->n; i++)
        json_array_append_new(list, json_string(spec_path(a, n->items[i]->text)));
    return list;
}

static json_t *aliases(const struct spec_step *s)
{
    json_t *map = json_object();
    for (const struct spec_input *in = s->inputs; in; in = in->next)
        json_object_set_new(map, in->alias, json_string(in->dataset));
    return map;
}

static json_t *value(const struct pipeline_spec *p, const struct spec_step *s,
                     const struct kind_key *key, const struct ynode *n)
{
    switch (key->role) {
    case ROLE_TEXT:
        return json_strn(n->text);
    case ROLE_TEXTS:
        return texts(n);
    case ROLE_COMMAND:
        return n->kind == Y_SEQ ? texts(n) : json_strn(n->text);
    case ROLE_FILE:
        return json_string(spec_path(p->arena, n->text));
    case ROLE_FILES:
        return paths(p->arena, n);
    case ROLE_DATASET_IN:
        return json_string(s->inputs->alias);
    case ROLE_DATASETS_IN:
        return aliases(s);
    default:
        return yaml_to_json(n);
    }
}

static json_t *with(const struct pipeline_spec *p, const struct spec_step *s)
{
    json_t *j = json_object();
    for (size_t i = 0; i < s->node->n; i++) {
        const struct kind_key *key = kind_key_find(s->kind, s->node->keys[i]->text);
        if (!kind_key_is_common(key))
            json_object_set_new(j, key->name, value(p, s, key, s->node->items[i]));
    }
    return j;
}

static json_t *inputs(const struct spec_step *s)
{
    json_t *list = json_array();
    for (const struct spec_input *in = s->inputs; in; in = in->next) {
        json_t *makers = json_array();
        for (uint32_t i = 0; i < in->maker_count; i++)
            json_array_append_new(makers, json_integer(in->makers[i]));
        json_array_append_new(list, json_pack("{s:s, s:s, s:I, s:o, s:i, s:i}", "alias", in->alias,
                                              "dataset", in->dataset, "version",
                                              (json_int_t)MAX(in->version, VERSION_LATEST),
                                              "makers", makers, "line", (int)in->at->line, "column",
                                              (int)in->at->column));
    }
    return list;
}

static json_t *names(const struct spec_name *list)
{
    json_t *j = json_array();
    for (; list; list = list->next)
        json_array_append_new(j, json_string(list->name));
    return j;
}

/* Results are handed on for what a key of the kind names, not for mere `after`. */
static json_t *upstream(const struct spec_step *s)
{
    json_t *j = json_array();
    for (const struct spec_mention *m = s->mentions; m; m = m->next)
        if (m->step >= 0 && m->key->role != ROLE_AFTER)
            json_array_append_new(j, json_integer(m->step));
    return j;
}

static json_t *step(const struct pipeline_spec *p, const struct spec_step *s)
{
    json_t *deps = json_array();
    for (uint32_t i = 0; i < s->edge_count; i++)
        json_array_append_new(deps, json_integer(s->edges[i].on));
    json_t *j = json_pack("{s:s, s:s, s:i, s:o, s:o, s:o, s:o, s:o, s:o}", "name", s->name, "kind",
                          s->kind->name, "line", (int)s->node->line, "deps", deps, "with",
                          with(p, s), "inputs", inputs(s), "upstream", upstream(s), "makes",
                          names(s->makes), "files", names(s->files));
    if (s->retry.count)
        json_object_set_new(j, "retries",
                            json_pack("{s:I, s:I, s:f}", "count", (json_int_t)s->retry.count,
                                      "delay_ms", (json_int_t)s->retry.delay_ms, "factor",
                                      s->retry.factor));
    const struct {
        const char *name;
        int64_t n;
    } limits[] = {
        {"timeout_ms", s->timeout_ms}, {"memory_mb", s->memory_mb}, {"disk_mb", s->disk_mb}};
    for (size_t i = 0; i < LENGTH(limits); i++)
        if (limits[i].n)
            json_object_set_new(j, limits[i].name, json_integer(limits[i].n));
    return j;
}

json_t *pipeline_plan(const struct pipeline_spec *p)
{
    json_t *steps = json_array();
    for (uint32_t i = 0; i < p->step_count; i++)
        json_array_append_new(steps, step(p, &p->steps[i]));
    return json_pack("{s:s, s:o, s:o}", "name", p->name, "params",
                     p->params ? yaml_to_json(p->params) : json_object(), "steps", steps);
}
