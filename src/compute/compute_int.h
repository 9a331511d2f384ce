/* SPDX-License-Identifier: Apache-2.0
 *
 * The files of an attempt's directory, as the server and the shim share them. Names and meaning are
 * in compute.h; only a holder of shim.lock writes any of them.
 */
#ifndef TENON_COMPUTE_INT_H
#define TENON_COMPUTE_INT_H

#include "compute/compute.h"

struct attempt_limits {
    int64_t timeout_ms, grace_ms, memory_mb, disk_mb, log_max; /* 0 = none, but for the last: */
};

int attempt_limits_read(const char *dir, struct attempt_limits *ret, struct err *err);
/* Whole or not at all, but not synced: what only has to survive a crash of processes. */
int attempt_write(const char *dir, const char *name, const json_t *j, struct err *err);
bool attempt_has(const char *dir, const char *name);
/* E_NOTFOUND if there is no exit.json, or none that can be read. */
int attempt_exit_read(const char *dir, struct attempt_exit *ret, struct err *err);
int attempt_lock(const char *dir, int *ret_fd, struct err *err); /* E_CONFLICT while a shim lives */
pid_t attempt_shim_pid(const char *dir);                         /* 0 if shim.json is missing */

/* SIGKILL for every process whose environment says that it belongs to this attempt. For attempts
 * whose shim died and could not do it; a process that has cleared its environment escapes. */
void attempt_kill_strays(const char *dir);

#define ATTEMPT_ENV "TENON_ATTEMPT_DIR"

#endif
