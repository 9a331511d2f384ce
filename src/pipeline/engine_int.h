/* SPDX-License-Identifier: Apache-2.0
 *
 * Inside the engine: its thread (engine.c), the runs it holds in memory (live.c), and the blocking
 * work around an attempt that happens on a pool (launch.c before, finish.c after).
 *
 * Who may touch what: struct live_run and the map of attempts belong to the engine's thread (and to
 * engine_start before that thread exists). A job of the pool owns its struct job alone, which names
 * the attempt by its directory; its answer is a message to the engine's thread, which looks the
 * attempt up again.
 */
#ifndef TENON_PIPELINE_ENGINE_INT_H
#define TENON_PIPELINE_ENGINE_INT_H

#include "base/map.h"
#include "pipeline/pipeline.h"
#include "pipeline/scheduler.h"
#include "sys/pool.h"

#include <pthread.h>

/* The seam to whatever runs attempts; compute is the one there is. `exited` is called from any
 * thread, once for every started or adopted attempt. */
struct executor {
    int (*open)(const struct engine_config *config,
                void (*exited)(void *engine, const char *dir, const struct attempt_exit *e),
                void *engine, void **ret, unsigned *ret_slots, struct err *err);
    void (*close)(void *self);
    int (*start)(void *self, const char *dir, struct err *err);
    int (*adopt)(void *self, const char *dir, enum attempt_state *ret, struct attempt_exit *e,
                 struct err *err);
    int (*cancel)(void *self, const char *dir, struct err *err);
};

extern const struct executor compute_executor;

struct store *engine_store(struct engine *e);
bool engine_stopping(struct engine *e); /* any thread: do not begin what takes long */
int engine_start_on(const struct engine_config *config, const struct executor *executor,
                    struct engine **ret, struct err *err);

/* --- runs in memory --- */

struct live_step {
    json_t *plan;   /* borrowed from the run's plan */
    json_t *result; /* of its successful attempt, for the steps that use it; else NULL */
    bool committed; /* its success was written with its outputs */
};

struct live_run {
    sched_run handle;
    id run;
    char *project, *pipeline;
    json_t *plan, *files;
    struct live_step *steps;
    uint32_t n;
};

/* Takes the references to plan and files. */
struct live_run *live_new(const char *run, const char *project, json_t *plan, json_t *files);
void live_free(void *live_run);
/* What the scheduler needs of the plan; dependencies live in the arena. */
struct sched_step_plan *live_sched_plan(const struct live_run *r, struct arena *a);

struct live_row { /* of recovery */
    struct live_run *run;
    struct sched_row *rows; /* run->n of them */
    bool cancelled;
};

/* Every unfinished run in the order of submission; the caller owns runs and rows. */
int live_load(struct store *s, struct live_row **ret, size_t *ret_n, struct err *err);

/* --- messages to the engine's thread --- */

enum message_kind {
    MSG_SUBMIT,   /* live */
    MSG_CANCEL,   /* run */
    MSG_STARTED,  /* dir: its process exists */
    MSG_EXITED,   /* dir, exit: the process has ended */
    MSG_FINISHED, /* dir, outcome, finish: what that means has been found out */
};

/* How an attempt ended, as it is written to its rows. Strings are JSON or NULL. */
struct finish {
    bool committed; /* success has been written with the outputs, in one transaction */
    struct attempt_exit exit;
    char *error;   /* {"code","message","hint"} */
    char *result;  /* the step's result.json, with versions added */
    char *outputs; /* [{"type","name","version"}] */
};

struct message {
    enum message_kind kind;
    struct live_run *live;
    id run;
    char *dir;
    enum attempt_outcome outcome;
    struct finish finish; /* .exit is MSG_EXITED's too */
};

void engine_post(struct engine *e, const struct message *m); /* any thread; takes what m owns */
void finish_clear(struct finish *f);
void message_clear(struct message *m);

/* --- jobs on the pool --- */

struct job {
    struct engine *engine;
    const struct engine_config *config;
    const struct executor *executor;
    void *executor_self;
    char *dir, *attempt_id, *step, *kind, *project, *pipeline, *url;
    id run;
    uint32_t position, n;
    json_t *plan;    /* of the step */
    json_t *attempt; /* launch: attempt.json but for the inputs */
    json_t *pins;    /* launch: [{"alias","dataset","version"}] */
    struct attempt_exit exit;
};

void job_free(struct job *j);
void launch_job(void *job); /* answers MSG_STARTED, or MSG_FINISHED if it could not be started */
void finish_job(void *job); /* answers MSG_FINISHED */

/* finish.c, in a transaction: the rows of a success. False in *ret if the attempt is not the
 * running one any more: somebody decided otherwise meanwhile. */
int rows_succeed(struct tx *tx, const char *run, uint32_t position, uint32_t attempt,
                 const struct finish *f, int64_t now, bool *ret, struct err *err);
int rows_attempt_ended(struct tx *tx, const char *run, uint32_t position, uint32_t attempt,
                       const char *status, const struct attempt_exit *e, struct err *err);

char *error_json(const struct err *err);
json_t *text_json(str text); /* new reference; null if it is not JSON */
char *attempt_dir(const char *data_dir, const char *run, const char *step, uint32_t attempt);
int step_event(struct tx *tx, const char *project, const char *kind, const char *run,
               const char *step, uint32_t attempt, struct err *err);

#endif
