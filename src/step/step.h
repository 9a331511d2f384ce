/* SPDX-License-Identifier: Apache-2.0
 *
 * Built-in pipeline steps, run as processes: `tenon step` in an attempt's directory.
 *
 * In: attempt.json. Out: result.json and the exit status. Nothing else connects a step to the
 * server, so a step needs no server to finish and no step can hurt one.
 *
 * attempt.json
 *   {"project","run","step","attempt":N,"attempt_id":"RUN/STEP/N","pipeline","kind",
 *    "data_dir":absolute,"url":server or "","token":for calls to it or "",
 *    "with":{the step's keys of the YAML after substitution},
 *    "inputs":{alias:{data_snapshot}},              datasets, pinned to a version
 *    "upstream":{step:{its result.json}},            of the steps it names
 *    "files":{"path":digest},                        exported into work/ before it runs
 *    "timeout_ms","memory_mb","disk_mb","log_max"}   0 = default
 *
 * result.json (all members optional)
 *   {"datasets":[{data_publish's result}],
 *    "artifacts":{name:{"digest","size","file"}},    in the blob store already
 *    "signature":{…},                                of the artifact "model" (model.h)
 *    "params":{…},"metrics":{…},                     go to track
 *    "register":{"model","digest","signature","metrics","params","datasets"},
 *    "inputs":[{"alias","name","version"}],          what it read; written for every kind
 *    "summary":"one line for people"}
 *
 * A step that fails prints "error: message" and "hint: …" as its last lines, writes
 * error.json {"code","message","hint"} beside result.json, and exits with err_exit of the code.
 */
#ifndef TENON_STEP_STEP_H
#define TENON_STEP_STEP_H

#include "base/arena.h"
#include "base/err.h"
#include "codec/json.h"

struct step_context {
    struct arena *arena;
    const json_t *attempt; /* attempt.json */
    const json_t *with;    /* its "with" */
    const char *project, *run, *step, *attempt_id, *data_dir;
    json_t *result; /* an object the kind fills */
    int exit_code;  /* nonzero: what a failed step exits with instead of err_exit */
};

/* One function per kind; the table in step.c maps names to them. */
int step_ingest(struct step_context *c, struct err *err);
int step_sql(struct step_context *c, struct err *err);
int step_train(struct step_context *c, struct err *err);
int step_evaluate(struct step_context *c, struct err *err);
int step_register(struct step_context *c, struct err *err);
int step_deploy(struct step_context *c, struct err *err);
int step_run(struct step_context *c, struct err *err);

/* One line of progress on stdout, flushed; the CLI and the console show the latest. */
void step_say(const char *fmt, ...) PRINTF(1, 2);

/* `tenon step ATTEMPT_DIR`, started by the shim; works in ATTEMPT_DIR/work. Returns the process's
 * exit status. */
int step_main(const char *attempt_dir);

#endif
