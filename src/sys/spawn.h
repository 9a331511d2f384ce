/* SPDX-License-Identifier: Apache-2.0
 *
 * Starting child processes: argv only (never a shell), an explicit environment, own session.
 *
 * The child gets exactly the three descriptors named here; everything else is closed on exec. Any
 * thread. spawn fails as a whole: a command that cannot be executed is an error here, not an exit
 * code of 127. Signals start at their defaults with nothing blocked, whatever the parent does with
 * them. The parent's memory is not copied (vfork), so a large server starts a child as fast as a
 * small one.
 */
#ifndef TENON_SYS_SPAWN_H
#define TENON_SYS_SPAWN_H

#include "base/err.h"

#include <sys/types.h>

struct spawn {
    const char *const *argv; /* NULL-terminated; argv[0] is looked up in PATH of env */
    const char *const *env;  /* NULL-terminated "K=V"; NULL = inherit */
    const char *cwd;         /* NULL = inherit */
    int in, out, errfd;      /* descriptors for 0, 1, 2; -1 = /dev/null */
    bool new_session;        /* setsid: survives the parent's terminal and process group */
    bool new_group;          /* setpgid: killable as a group with kill(-pid) */
    bool die_with_parent;    /* SIGKILL when the calling thread ends, however it ends */
    uint64_t memory_max;     /* RLIMIT_AS in bytes, 0 = none */
    uint64_t file_max;       /* RLIMIT_FSIZE in bytes, 0 = none */
};

/* E_NOTFOUND if there is no such command or directory, E_FORBIDDEN if it may not be executed. */
int spawn(const struct spawn *s, pid_t *ret, struct err *err);
char *spawn_self(void); /* path of the running tenon binary, malloc'ed */

#endif
