/* SPDX-License-Identifier: Apache-2.0
 *
 * A pipeline while it is read: what parse.c collects, graph.c links and plan.c writes down. All of
 * it lives in the caller's arena; lists keep the order of the document.
 */
#ifndef TENON_PIPELINE_SPEC_INT_H
#define TENON_PIPELINE_SPEC_INT_H

#include "base/map.h"
#include "codec/yaml.h"
#include "pipeline/kinds.h"
#include "pipeline/pipeline.h"
#include "pipeline/scheduler.h"

#define VERSION_MADE (-2)   /* by a step of this run if there is one, else the latest */
#define VERSION_LATEST (-1) /* that exists when the step starts: NAME@latest */

struct spec_input { /* a dataset that is read */
    struct spec_input *next;
    const char *alias, *dataset;
    int64_t version; /* >= 0: exactly this */
    const struct ynode *at;
    uint32_t *makers; /* steps that make it */
    uint32_t maker_count;
};

struct spec_mention { /* a step, or a model, that is named */
    struct spec_mention *next;
    const char *name;
    const struct ynode *at;
    const struct kind_key *key;
    int64_t step; /* graph.c: its position, -1 for a model of the registry */
};

struct spec_name { /* a dataset, model or file */
    struct spec_name *next;
    const char *name;
    const struct ynode *at;
};

struct spec_edge {
    uint32_t on;
    const struct ynode *at;
};

struct spec_step {
    const char *name;
    const struct kind *kind;
    const struct ynode *node;
    struct spec_input *inputs;
    struct spec_mention *mentions, *last_mention;
    struct spec_name *makes, *registers, *files;
    bool append;
    struct sched_retry retry;
    int64_t timeout_ms, memory_mb, disk_mb;
    struct spec_edge *edges; /* graph.c: the steps it waits for, without duplicates */
    uint32_t edge_count;
};

struct pipeline_spec {
    struct arena *arena;
    struct ydoc doc;
    const char *name;
    struct spec_step *steps;
    uint32_t step_count;
    const struct ynode *params; /* with --param applied; NULL if there are none */
    size_t substituted;         /* bytes of text made by params_apply */
    const char **files;
    size_t file_count;
};

/* params.c: the declared params with `given` in their place, then the same tree with every
 * ${params.x} replaced. Nodes keep the place they were written at. */
int params_resolve(struct pipeline_spec *p, const struct ynode *declared, const json_t *given,
                   struct err *err);
int params_apply(struct pipeline_spec *p, const struct ynode *from, const struct ynode **ret,
                 struct err *err);

/* graph.c: who makes what, edges, cycles. */
int graph_link(struct pipeline_spec *p, struct err *err);

const char *spec_path(struct arena *a,
                      str written); /* without "./"; NULL if it leaves the folder */

#endif
