/* SPDX-License-Identifier: Apache-2.0
 *
 * Pipelines: a DAG of steps from YAML, and the engine that runs it to an end whatever happens.
 *
 *   kind: pipeline
 *   name: flights
 *   params: {rounds: 300}
 *   steps:
 *     - {name: load, kind: ingest, path: data/flights.parquet, dataset: flights}
 *     - {name: features, kind: sql, inputs: [flights], file: features.sql, dataset:
 * flight_features}
 *     - {name: train, kind: train, input: flight_features, where: month <= 5, target: late,
 *        params: {rounds: "${params.rounds}"}}
 *
 * Edges come from what steps name: a dataset another step makes, a step whose model or metrics are
 * used, and `after: [step, …]`. NAME@7 or NAME@latest reads what exists already and makes no edge.
 * A scalar that is one ${params.x} and nothing else takes the param's type, quoted or not; $${ is a
 * literal ${. The table of kinds (kinds.c) says which keys each kind has and what they mean; it
 * feeds the parser, the errors ("did you mean"), `tenon help pipeline` and the docs.
 *
 * The scheduler is a pure function (scheduler.h): state + event + time → new state + effects. The
 * engine (engine.c) is one thread that feeds it events and carries out effects in an order that
 * makes every crash harmless: the attempt row is committed before the process starts; the outputs
 * of an attempt become visible in the transaction that marks it succeeded; slots are counted from
 * rows.
 *
 * States of a step: waiting, queued, running, succeeded, failed, cancelled, skipped (a step before
 * it did not succeed). Of a run: running, succeeded, failed, cancelled. `why` says why a step is
 * not running ("waits for train", "2 of 2 slots busy", "retry 1 of 2 in 4 s").
 */
#ifndef TENON_PIPELINE_PIPELINE_H
#define TENON_PIPELINE_PIPELINE_H

#include "base/arena.h"
#include "base/id.h"
#include "compute/compute.h"
#include "store/store.h"

struct pipeline_spec; /* parsed and checked; lives in its arena */

/* params: object of values from --param, replacing the defaults (unknown ones are refused), may be
 * NULL. Errors are "FILE:LINE:COLUMN: …". Does not look at datasets that
 * exist; engine_submit does. */
int pipeline_parse(struct arena *a, const char *file, str yaml, const json_t *params,
                   struct pipeline_spec **ret, struct err *err);
const char *pipeline_name(const struct pipeline_spec *p);
/* Local files the steps name, relative to the YAML file; each once, in order. */
size_t pipeline_files(const struct pipeline_spec *p, const char *const **ret);
/* The normalized plan, stored with the run (new reference); its form is in plan.c. */
json_t *pipeline_plan(const struct pipeline_spec *p);
void pipeline_describe(struct buf *b); /* the kinds and their keys, for people */

struct engine;

struct engine_config {
    struct store *store;
    const char *data_dir, *binary;
    unsigned slots; /* 0 = cores */
    /* A short-lived token for an attempt's own calls to the server; ret is "" if none is wanted. */
    int (*attempt_token)(void *ctx, const char *project, char ret[64], struct err *err);
    /* The attempt is over: its token must open nothing any more. May come twice for one token. */
    int (*attempt_over)(void *ctx, const char *token, struct err *err);
    void *ctx;
};

/* Adopts what still runs and goes on with every unfinished run before it returns. */
int engine_start(const struct engine_config *config, struct engine **ret, struct err *err);
void engine_set_url(struct engine *e, const char *url); /* where attempts reach the server */
unsigned engine_slots(const struct engine *e);          /* attempts that may run at once */
void engine_stop(struct engine *e);                     /* running attempts go on without us */

struct run_request {
    const char *project, *who, *file;
    str yaml;
    const json_t *params; /* may be NULL */
    const json_t *files;  /* {"path": digest}; every file of pipeline_files must be there */
};
/* Answers when the run is durable. */
int engine_submit(struct engine *e, const struct run_request *rq, id *ret_run, struct err *err);
int engine_cancel(struct engine *e, const char *project, const char *run, struct err *err);

/* JSON of docs/api.md; new references. */
int run_list(struct tx *tx, const char *project, int64_t limit, json_t **ret, struct err *err);
/* {"runs","runs_running","attempts_running"} of a project; new reference. */
int run_counts(struct tx *tx, const char *project, json_t **ret, struct err *err);
int run_get(struct tx *tx, const char *project, const char *run, json_t **ret, struct err *err);
/* DATA/runs/RUN/STEP/N/log of the given or (attempt 0) latest attempt; malloc'ed. */
int run_log_path(struct tx *tx, const char *data_dir, const char *project, const char *run,
                 const char *step, int64_t attempt, char **ret, bool *ret_ended, struct err *err);

/* SQL of this room's tables, as main.c lists it among the migrations (store.h). */
extern const char pipeline_schema_1[];

#endif
