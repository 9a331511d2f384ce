/* SPDX-License-Identifier: Apache-2.0
 *
 * Experiments, runs, parameters, metrics: what training reports (MLflow's model, ours to widen).
 *
 * A tracking run belongs to an experiment (named after the pipeline) and, when a pipeline made it,
 * to one step attempt. Parameters are written once; metrics are points (key, step, time, value) and
 * the latest is the greatest by (step, time, value). Logging the same attempt again changes
 * nothing, so a finalization may be replayed.
 *
 * Blocking; runs inside the caller's transaction.
 */
#ifndef TENON_TRACK_TRACK_H
#define TENON_TRACK_TRACK_H

#include "store/store.h"

/* One finished step's report. metrics: object of numbers, or of arrays of numbers (a history, one
 * point a step). params: object of scalars. Either may be NULL. */
int track_log_attempt(struct tx *tx, const char *project, const char *experiment,
                      const char *pipeline_run, const char *step, const char *attempt,
                      const json_t *params, const json_t *metrics, struct err *err);
/* [{"id","experiment","pipeline_run","step","params":{},"metrics":{},"started_at"}], newest first;
 * pipeline_run NULL = all of the project. */
int track_runs(struct tx *tx, const char *project, const char *pipeline_run, int64_t limit,
               json_t **ret, struct err *err);
/* [{"step","time","value"}] in order. */
int track_history(struct tx *tx, const char *project, const char *run, const char *key,
                  json_t **ret, struct err *err);

/* SQL of this room's tables, as main.c lists it among the migrations (store.h). */
extern const char track_schema_1[];

#endif
