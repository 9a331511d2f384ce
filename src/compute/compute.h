/* SPDX-License-Identifier: Apache-2.0
 *
 * Running attempts as processes that outlive the server.
 *
 * One attempt = one directory DATA/runs/RUN/STEP/N, written ahead of being started:
 *
 *   attempt.json  what to run (compute_start's caller writes it); the shim reads timeout_ms,
 *                 grace_ms, memory_mb, disk_mb and log_max, the step the rest (step.h)
 *   work/         the step's current directory
 *   log           its stdout and stderr, at most log_max bytes, then one line saying so
 *   shim.lock     held (flock) by the shim for as long as it lives
 *   shim.json     {"pid","started_at"}
 *   result.json   the step's outputs, written atomically by the step before it exits 0
 *   exit.json     {"code","signal","reason","started_at","ended_at","max_rss_kb"}, written
 *                 atomically by the shim: its presence is the truth about how the attempt ended
 *   fence         written by a server that decided the attempt never started: a shim that finds it
 *                 exits without running anything
 *
 * The shim (`tenon shim DIR`) is the parent of the step: it takes the lock, checks the fence, caps
 * the log and the disk, enforces the timeout (SIGTERM to the step's group, grace_ms or 10 s, then
 * SIGKILL to it and to all it left behind), and records the exit. It needs no server. A shim that
 * is killed takes its step with it. After `kill -9` the server looks at each attempt that was not
 * finished: exit.json → it ended; lock held → adopt it and wait; neither → take the lock, write the
 * fence, and it provably never ran or its shim died without a record (shim.json tells which).
 *
 * reason: "" (exited by itself), "timeout", "cancelled", "disk" (its own limit, or the machine's
 * disk nearly full), "lost" (the shim ended without a record: killed, or the machine went down).
 * Every step sees its directory in $TENON_ATTEMPT_DIR. Nothing here is fsynced but exit.json: after
 * a power cut an attempt without one is lost, and a lost attempt never counts.
 *
 * Threads: compute_* from any blocking thread; on_exit runs on compute's own watcher thread.
 */
#ifndef TENON_COMPUTE_COMPUTE_H
#define TENON_COMPUTE_COMPUTE_H

#include "base/err.h"
#include "codec/json.h"

struct compute;

struct attempt_exit {
    int code;        /* exit status, or -1 if ended by a signal */
    int signal;      /* 0 if none */
    char reason[16]; /* as above */
    int64_t started_at, ended_at, max_rss_kb;
};

struct compute_config {
    const char *binary; /* the tenon to run as shim and step */
    unsigned slots;     /* attempts at once; 0 = number of cores */
    void (*on_exit)(void *ctx, const char *attempt_dir, const struct attempt_exit *e);
    void *ctx;
};

enum attempt_state { ATTEMPT_NEVER, ATTEMPT_RUNNING, ATTEMPT_ENDED, ATTEMPT_LOST };

int compute_open(const struct compute_config *config, struct compute **ret, struct err *err);
void compute_close(struct compute *c); /* leaves running attempts running */
unsigned compute_slots(const struct compute *c);
/* dir is absolute and holds attempt.json. Returns once the shim process exists. on_exit will
 * follow. */
int compute_start(struct compute *c, const char *dir, struct err *err);
/* After a restart: finds out what became of it; RUNNING will be followed by on_exit, ENDED fills
 * ret_exit at once. NEVER and LOST have been fenced. */
int compute_adopt(struct compute *c, const char *dir, enum attempt_state *ret,
                  struct attempt_exit *ret_exit, struct err *err);
int compute_cancel(struct compute *c, const char *dir, struct err *err); /* on_exit follows */

int shim_main(const char *attempt_dir); /* `tenon shim DIR`; returns the process's exit status */

#endif
