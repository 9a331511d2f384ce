/* SPDX-License-Identifier: Apache-2.0
 *
 * The scheduler's core: state + event + time → new state + effects. No clock, no disk, no threads.
 *
 * Each function below is one event. It changes the state at once and appends effects: rows that
 * must be committed, and moves that may be made only after that commit. The caller (engine.c, or
 * the simulator of the tests) commits all rows of a batch in one transaction and then makes the
 * moves; whatever it loses by crashing in between, sched_restore finds again in the rows:
 *
 *   row not committed            the event will be seen again (the exit record is still there)
 *   row committed, not started   the attempt is adopted as "never": a new one is started, for free
 *   started, server gone         the attempt is adopted and waited for
 *   ended, not committed         finalized again; finalization is idempotent by attempt
 *   step committed, not the run  sched_restore ends the run
 *
 * Slots are counted from rows: a step whose row says running holds one. Steps become ready in the
 * order in which their inputs became complete; nothing is ever rescanned, an event costs what it
 * changes (times log of the waiting retries).
 *
 * A failed step is retried `count` times with growing delays, then it is failed, and what depends
 * on it is skipped; other branches go on. An attempt that was lost (the machine's fault, not the
 * step's) is repeated without costing a retry, SCHED_LOST_MAX times.
 */
#ifndef TENON_PIPELINE_SCHEDULER_H
#define TENON_PIPELINE_SCHEDULER_H

#include "base/vec.h"

enum step_status {
    STEP_WAITING,
    STEP_QUEUED,
    STEP_RUNNING,
    STEP_SUCCEEDED,
    STEP_FAILED,
    STEP_CANCELLED,
    STEP_SKIPPED,
};

enum run_status { RUN_RUNNING, RUN_SUCCEEDED, RUN_FAILED, RUN_CANCELLED };

enum attempt_outcome {
    OUTCOME_OK,     /* finalized: its outputs are visible */
    OUTCOME_FAILED, /* by itself, by its timeout, or cancelled */
    OUTCOME_LOST,   /* it may have begun, nobody knows how it ended */
    OUTCOME_NEVER,  /* it provably did not begin */
};

#define SCHED_LOST_MAX 3
#define SCHED_DELAY_MAX_MS (3600 * 1000)

struct sched_retry {
    uint32_t count;
    int64_t delay_ms;
    double factor; /* of each delay to the one before */
};

struct sched_step_plan {
    struct sched_retry retry;
    const uint32_t *deps; /* positions of the steps it waits for; without duplicates, no cycles */
    uint32_t dep_count;
};

/* The part of a step's row that the scheduler owns. */
struct sched_row {
    enum step_status status;
    uint32_t attempt;  /* the latest, 0 = none yet */
    uint32_t failures; /* attempts that used up a retry */
    uint32_t lost;
    int64_t retry_at; /* Unix ms; 0 = no delay */
};

typedef uint64_t sched_run; /* a handle; never 0, never used again */

enum sched_effect_kind {
    EFFECT_ROW,   /* write `row` as the step's row; at most once per step in a batch */
    EFFECT_RUN,   /* write the run's end; the handle is dead after this batch */
    EFFECT_START, /* after the commit: start attempt row.attempt, whose row was written with it */
    EFFECT_STOP,  /* after the commit: end attempt row.attempt */
};

struct sched_effect {
    enum sched_effect_kind kind;
    sched_run run;
    uint32_t step;
    struct sched_row row;
    enum run_status status; /* EFFECT_RUN */
};

/* One per scheduler, zeroed at first; the batch's number tells which rows it holds already. */
struct sched_effects {
    VEC(struct sched_effect) list;
    uint64_t batch;
};

struct sched;

struct sched *sched_new(unsigned slots);
void sched_free(struct sched *s);
void sched_effects_clear(struct sched_effects *fx); /* begins the next batch */
void sched_effects_free(struct sched_effects *fx);

/* A new run: every step waits. Its rows have been written as waiting. */
sched_run sched_submit(struct sched *s, const struct sched_step_plan *steps, uint32_t n,
                       struct sched_effects *fx);
/* A run of an earlier server, from its rows; each running step will be answered by sched_ended. */
sched_run sched_restore(struct sched *s, const struct sched_step_plan *steps, uint32_t n,
                        const struct sched_row *rows, bool cancelled, struct sched_effects *fx);
/* Ignored unless that attempt is the running one: an exit may be reported twice. */
void sched_ended(struct sched *s, sched_run run, uint32_t step, uint32_t attempt,
                 enum attempt_outcome outcome, int64_t now, struct sched_effects *fx);
void sched_cancel(struct sched *s, sched_run run, struct sched_effects *fx);
/* Ends a batch: retries whose time has come join the queue, free slots are filled. */
void sched_dispatch(struct sched *s, int64_t now, struct sched_effects *fx);

int64_t sched_next(const struct sched *s); /* when to dispatch again by itself; INT64_MAX = never */
const struct sched_row *sched_row(const struct sched *s, sched_run run, uint32_t step);
unsigned sched_running(const struct sched *s);
/* Recounts everything that is kept incrementally; the first difference, or NULL. For tests. */
const char *sched_check(const struct sched *s);

bool step_over(enum step_status status); /* succeeded, failed, cancelled or skipped */
const char *step_status_name(enum step_status status);
const char *run_status_name(enum run_status status);
bool step_status_parse(const char *name, enum step_status *ret);

#endif
