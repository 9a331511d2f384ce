/* SPDX-License-Identifier: Apache-2.0
 *
 * Reading and writing an attempt's directory. Everything here may find the directory half-made: a
 * crash can come between any two files, so what is absent or cut off reads as "not there".
 */
#include "compute/compute_int.h"

#include "base/str.h"
#include "sys/clock.h"
#include "sys/fs.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#define LOG_MAX_DEFAULT ((int64_t)16 << 20)
#define GRACE_DEFAULT 10000

static int read_json(const char *dir, const char *name, size_t max, json_t **ret, struct err *err)
{
    CLEANUP(freep) char *path = fs_join(dir, name);
    struct buf text = BUF(0);
    int rc = fs_read(path, max, &text, err);
    if (!rc)
        rc = json_parse(buf_view(&text), ret, err);
    buf_free(&text);
    return rc;
}

int attempt_limits_read(const char *dir, struct attempt_limits *ret, struct err *err)
{
    CLEANUP(json_freep) json_t *j = NULL;
    int rc = read_json(dir, "attempt.json", 256 << 20, &j, err);
    if (rc)
        return rc;
    *ret = (struct attempt_limits){.timeout_ms = json_i(j, "timeout_ms"),
                                   .grace_ms = json_i(j, "grace_ms"),
                                   .memory_mb = json_i(j, "memory_mb"),
                                   .disk_mb = json_i(j, "disk_mb"),
                                   .log_max = json_i(j, "log_max")};
    if (!ret->grace_ms)
        ret->grace_ms = GRACE_DEFAULT;
    if (!ret->log_max)
        ret->log_max = LOG_MAX_DEFAULT;
    return 0;
}

int attempt_write(const char *dir, const char *name, const json_t *j, struct err *err)
{
    CLEANUP(freep) char *path = fs_join(dir, name);
    CLEANUP(freep) char *temporary = xasprintf("%s.tmp", path);
    CLEANUP(freep) char *text = json_text(j);
    CLEANUP(closep) int fd = open(temporary, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (fd < 0)
        return err_errno(err, errno, "create %s", temporary);
    int rc = fs_write_all(fd, text, strlen(text), err);
    if (!rc && rename(temporary, path) < 0)
        rc = err_errno(err, errno, "rename to %s", path);
    if (rc)
        unlink(temporary);
    return rc;
}

bool attempt_has(const char *dir, const char *name)
{
    CLEANUP(freep) char *path = fs_join(dir, name);
    return fs_exists(path);
}

int attempt_exit_read(const char *dir, struct attempt_exit *ret, struct err *err)
{
    CLEANUP(json_freep) json_t *j = NULL;
    int rc = read_json(dir, "exit.json", 65536, &j, err);
    if (rc)
        return rc == E_NOTFOUND || rc == E_INVALID
                   ? err_set(err, E_NOTFOUND, "%s/exit.json is not there", dir)
                   : rc;
    *ret = (struct attempt_exit){.code = (int)json_i(j, "code"),
                                 .signal = (int)json_i(j, "signal"),
                                 .started_at = json_i(j, "started_at"),
                                 .ended_at = json_i(j, "ended_at"),
                                 .max_rss_kb = json_i(j, "max_rss_kb")};
    snprintf(ret->reason, sizeof(ret->reason), "%s", json_s(j, "reason"));
    return 0;
}

int attempt_lock(const char *dir, int *ret_fd, struct err *err)
{
    CLEANUP(freep) char *path = fs_join(dir, "shim.lock");
    return fs_lock(path, ret_fd, err);
}

pid_t attempt_shim_pid(const char *dir)
{
    CLEANUP(json_freep) json_t *j = NULL;
    return read_json(dir, "shim.json", 65536, &j, NULL) ? 0 : (pid_t)json_i(j, "pid");
}

/* True if the environment of a process holds exactly this NUL-terminated entry. */
static bool environment_has(const char *pid, const char *entry)
{
    char path[64];
    snprintf(path, sizeof(path), "/proc/%s/environ", pid);
    struct buf env = BUF(0);
    if (fs_read(path, 4 << 20, &env, NULL))
        return false;
    size_t n = strlen(entry) + 1; /* with its NUL, so that a longer path does not match */
    bool found = false;
    for (size_t at = 0; at + n <= env.n && !found;) {
        found = memcmp(env.p + at, entry, n) == 0;
        const char *end = memchr(env.p + at, 0, env.n - at);
        at = end ? (size_t)(end - env.p) + 1 : env.n;
    }
    buf_free(&env);
    return found;
}

/* The pidfd is opened before the look at the environment: if the pid was reused in between, the
 * signal goes to the process that is gone, never to its successor. */
static bool kill_if_ours(const char *pid, const char *entry)
{
    int64_t number;
    if (!str_i64(str_from(pid), &number) || number == getpid())
        return false;
    CLEANUP(closep) int fd = (int)syscall(SYS_pidfd_open, (pid_t)number, 0);
    return fd >= 0 && environment_has(pid, entry) &&
           syscall(SYS_pidfd_send_signal, fd, SIGKILL, NULL, 0) == 0;
}

static unsigned kill_round(const char *entry)
{
    DIR *proc = opendir("/proc");
    unsigned killed = 0;
    for (struct dirent *e = proc ? readdir(proc) : NULL; e; e = readdir(proc))
        killed += kill_if_ours(e->d_name, entry);
    if (proc)
        closedir(proc);
    return killed;
}

void attempt_kill_strays(const char *dir)
{
    CLEANUP(freep) char *entry = xasprintf(ATTEMPT_ENV "=%s", dir);
    for (int round = 0; round < 10 && kill_round(entry); round++)
        usleep(1000); /* they may have forked while we looked */
}
