/* SPDX-License-Identifier: Apache-2.0
 *
 * `tenon shim DIR`: the parent of one attempt.
 *
 * One thread, one poll loop over two descriptors (the step's output, signals) and the next
 * deadline. It is small on purpose: it must outlive servers, so it talks to nobody and keeps all it
 * knows in the attempt's directory. It is a child subreaper, so whatever the step leaves behind (a
 * daemon, a grandchild that ignores SIGTERM) becomes its child and dies with the attempt.
 *
 * The record of the exit is reserved on disk before the step starts: a step that fills the disk
 * cannot make its own end unrecordable.
 */
#include "compute/compute_int.h"

#include "sys/clock.h"
#include "sys/fs.h"
#include "sys/spawn.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <unistd.h>

extern char **environ;

#define DISK_LOOK_MS 250
#define DISK_RESERVE ((int64_t)64 << 20) /* left for the server, whatever the step does */
#define RECORD_BYTES 4096

struct shim {
    const char *dir;
    char *work;
    struct attempt_limits limits;
    int lock, record, log, output, signals;
    bool guard_disk; /* there was more than the reserve when the step started */
    pid_t step;
    int64_t started_at;                 /* Unix ms */
    int64_t deadline, kill_at, look_at; /* monotonic ms; 0 = never */
    int64_t logged;
    bool cut, ended;
    int status;
    struct rusage usage;
    const char *reason;
};

static int64_t mono_ms(void)
{
    return clock_mono_ns() / 1000000;
}

/* --- the log --- */

static void log_bytes(struct shim *s, const char *p, size_t n)
{
    int64_t room = s->limits.log_max - s->logged;
    size_t keep = (size_t)MIN((int64_t)n, MAX(room, 0));
    if (keep && fs_write_all(s->log, p, keep, NULL))
        s->logged = s->limits.log_max; /* a full disk cuts the log, not the step */
    else
        s->logged += (int64_t)keep;
    if (keep == n || s->cut)
        return;
    s->cut = true;
    dprintf(s->log, "\n[the log is cut here: it reached its limit of %lld bytes]\n",
            (long long)s->limits.log_max);
}

/* Takes what is there; the step never waits for a log that is full. */
static void drain(struct shim *s)
{
    char chunk[65536];
    for (int round = 0; s->output >= 0 && round < 64; round++) {
        ssize_t n = read(s->output, chunk, sizeof(chunk));
        if (n > 0)
            log_bytes(s, chunk, (size_t)n);
        else if (n == 0)
            closep(&s->output);
        else if (errno != EINTR)
            return;
    }
}

/* --- ending it --- */

static void signal_group(struct shim *s, int sig)
{
    if (!s->ended)
        kill(-s->step, sig);
}

/* The first reason counts: a step that is being timed out and then cancelled timed out. */
static void stop(struct shim *s, const char *reason)
{
    if (s->reason[0] || s->ended)
        return;
    s->reason = reason;
    s->kill_at = mono_ms() + s->limits.grace_ms;
    s->deadline = s->look_at = 0;
    signal_group(s, SIGTERM);
}

static void reap(struct shim *s)
{
    struct rusage usage;
    int status;
    pid_t pid;
    while ((pid = wait4(-1, &status, WNOHANG, &usage)) > 0) {
        if (pid != s->step)
            continue;
        s->ended = true;
        s->status = status;
        s->usage = usage;
    }
}

static void on_signals(struct shim *s)
{
    struct signalfd_siginfo info;
    while (read(s->signals, &info, sizeof(info)) == (ssize_t)sizeof(info))
        if (info.ssi_signo == SIGTERM)
            stop(s, "cancelled");
    reap(s);
}

static bool disk_over(const struct shim *s)
{
    if (s->limits.disk_mb && fs_tree_size(s->work) >= s->limits.disk_mb << 20)
        return true;
    int64_t left = s->guard_disk ? fs_free(s->dir) : -1;
    return left >= 0 && left < DISK_RESERVE;
}

static void enforce(struct shim *s)
{
    int64_t now = mono_ms();
    if (s->deadline && now >= s->deadline)
        stop(s, "timeout");
    if (s->kill_at && now >= s->kill_at) {
        signal_group(s, SIGKILL);
        s->kill_at = now + 1000;
    }
    if (s->look_at && now >= s->look_at) {
        s->look_at = now + DISK_LOOK_MS;
        if (disk_over(s))
            stop(s, "disk");
    }
}

static int until_next(const struct shim *s)
{
    int64_t next = INT64_MAX, at[] = {s->deadline, s->kill_at, s->look_at};
    for (size_t i = 0; i < LENGTH(at); i++)
        if (at[i])
            next = MIN(next, at[i]);
    return next == INT64_MAX ? -1 : (int)MIN(MAX(next - mono_ms(), 0), 60000);
}

static void watch(struct shim *s)
{
    while (!s->ended) {
        struct pollfd fds[] = {{s->output, POLLIN, 0}, {s->signals, POLLIN, 0}};
        if (poll(fds, 2, until_next(s)) < 0 && errno != EINTR)
            break;
        if (fds[0].revents)
            drain(s);
        if (fds[1].revents)
            on_signals(s);
        enforce(s);
    }
}

/* Kills the direct children; theirs become ours, and are met in the next round. */
static void kill_children(void)
{
    char path[64], list[16384];
    snprintf(path, sizeof(path), "/proc/self/task/%d/children", getpid());
    CLEANUP(closep) int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t n = fd < 0 ? 0 : read(fd, list, sizeof(list) - 1);
    list[MAX(n, 0)] = 0;
    char *at = list, *end;
    for (long pid = strtol(at, &end, 10); end != at && pid > 0; pid = strtol(at, &end, 10)) {
        kill((pid_t)pid, SIGKILL); /* ours and not reaped: the number cannot be another's */
        at = end;
    }
}

static void clear_descendants(struct shim *s)
{
    kill(-s->step, SIGKILL);
    for (int round = 0; round < 5000; round++) {
        pid_t pid = waitpid(-1, NULL, WNOHANG);
        if (pid < 0 && errno == ECHILD)
            return;
        if (pid > 0)
            continue;
        kill_children();
        usleep(1000);
    }
}

/* --- the record --- */

static int reserve_record(struct shim *s, struct err *err)
{
    CLEANUP(freep) char *path = fs_join(s->dir, "exit.json.tmp");
    s->record = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    int failed = s->record < 0 ? errno : posix_fallocate(s->record, 0, RECORD_BYTES);
    return failed ? err_errno(err, failed, "reserve %s", path) : 0;
}

static bool record_once(struct shim *s, const char *text)
{
    CLEANUP(freep) char *from = fs_join(s->dir, "exit.json.tmp");
    CLEANUP(freep) char *to = fs_join(s->dir, "exit.json");
    size_t n = strlen(text);
    return pwrite(s->record, text, n, 0) == (ssize_t)n && ftruncate(s->record, (off_t)n) == 0 &&
           fs_publish(from, to, NULL) == 0;
}

static int record(struct shim *s, int code, int sig)
{
    char text[RECORD_BYTES];
    snprintf(text, sizeof(text),
             "{\"code\":%d,\"signal\":%d,\"reason\":\"%s\",\"started_at\":%lld,\"ended_at\":%lld,"
             "\"max_rss_kb\":%ld}\n",
             code, sig, s->reason, (long long)s->started_at, (long long)clock_ms(),
             s->usage.ru_maxrss);
    while (!record_once(s, text)) {
        if ((errno != ENOSPC && errno != EDQUOT) || !fs_exists(s->dir))
            return 1; /* without a record the attempt counts as lost, which is the truth */
        sleep(1);
    }
    return 0;
}

/* --- starting it --- */

static int open_signals(struct shim *s, struct err *err)
{
    sigset_t set;
    sigemptyset(&set);
    int wanted[] = {SIGTERM, SIGCHLD, SIGINT, SIGHUP};
    for (size_t i = 0; i < LENGTH(wanted); i++)
        sigaddset(&set, wanted[i]);
    sigprocmask(SIG_SETMASK, &set, NULL);
    signal(SIGPIPE, SIG_IGN);
    prctl(PR_SET_CHILD_SUBREAPER, 1);
    s->signals = signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC);
    return s->signals < 0 ? err_errno(err, errno, "signalfd") : 0;
}

static int open_files(struct shim *s, struct err *err)
{
    CLEANUP(freep) char *path = fs_join(s->dir, "log");
    s->log = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    if (s->log < 0)
        return err_errno(err, errno, "open %s", path);
    s->work = fs_join(s->dir, "work");
    int rc = fs_mkdirs(s->work, 0700, err);
    return rc ? rc : reserve_record(s, err);
}

static int announce(struct shim *s, struct err *err)
{
    s->started_at = clock_ms();
    CLEANUP(json_freep)
    json_t *j =
        json_pack("{s:i, s:I}", "pid", (int)getpid(), "started_at", (json_int_t)s->started_at);
    return attempt_write(s->dir, "shim.json", j, err);
}

static const char **step_env(char *mark)
{
    size_t n = 0;
    while (environ[n])
        n++;
    const char **env = xcalloc(n + 2, sizeof(*env));
    size_t kept = 0;
    for (size_t i = 0; i < n; i++)
        if (!str_starts(str_from(environ[i]), S(ATTEMPT_ENV "=")))
            env[kept++] = environ[i];
    env[kept] = mark;
    return env;
}

static int start_step(struct shim *s, struct err *err)
{
    int ends[2];
    if (pipe2(ends, O_CLOEXEC) < 0)
        return err_errno(err, errno, "pipe");
    CLEANUP(closep) int write_end = ends[1];
    s->output = ends[0];
    fcntl(s->output, F_SETFL, O_NONBLOCK);
    CLEANUP(freep) char *self = spawn_self();
    CLEANUP(freep) char *mark = xasprintf(ATTEMPT_ENV "=%s", s->dir);
    CLEANUP(freep) const char **env = step_env(mark);
    const char *argv[] = {self, "step", s->dir, NULL};
    struct spawn step = {.argv = argv,
                         .env = env,
                         .cwd = s->work,
                         .in = -1,
                         .out = write_end,
                         .errfd = write_end,
                         .new_session = true,
                         .die_with_parent = true,
                         .memory_max = (uint64_t)s->limits.memory_mb << 20,
                         .file_max = (uint64_t)s->limits.disk_mb << 20};
    s->guard_disk = fs_free(s->dir) > DISK_RESERVE;
    int rc = spawn(&step, &s->step, err);
    if (rc)
        return rc;
    int64_t now = mono_ms();
    s->deadline = s->limits.timeout_ms ? now + s->limits.timeout_ms : 0;
    s->look_at = now + DISK_LOOK_MS;
    return 0;
}

static int run(struct shim *s)
{
    struct err err = {0};
    if (start_step(s, &err)) {
        dprintf(s->log, "error: the step could not be started: %s\n", err.msg);
        return record(s, err_exit(err.code), 0);
    }
    watch(s);
    clear_descendants(s);
    drain(s);
    int sig = WIFSIGNALED(s->status) ? WTERMSIG(s->status) : 0;
    if (sig == SIGXFSZ && !s->reason[0])
        s->reason = "disk";
    return record(s, sig ? -1 : WEXITSTATUS(s->status), sig);
}

/* Nobody reads a shim's stderr; the attempt's log is where a person will look. */
static int complain(const char *dir, const struct err *err)
{
    CLEANUP(freep) char *path = fs_join(dir, "log");
    CLEANUP(closep) int log = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    if (log >= 0)
        dprintf(log, "error: the attempt could not be started: %s\n", err->msg);
    return err_exit(err->code);
}

int shim_main(const char *attempt_dir)
{
    struct err err = {0};
    struct shim s = {.dir = attempt_dir,
                     .lock = -1,
                     .record = -1,
                     .log = -1,
                     .output = -1,
                     .signals = -1,
                     .reason = ""};
    int rc = attempt_lock(attempt_dir, &s.lock, &err);
    if (rc)
        return complain(attempt_dir, &err);
    if (attempt_has(attempt_dir, "fence") || attempt_has(attempt_dir, "shim.json") ||
        attempt_has(attempt_dir, "exit.json"))
        return 0; /* decided already: by a server, or by a shim before us */
    rc = attempt_limits_read(attempt_dir, &s.limits, &err);
    if (!rc)
        rc = open_signals(&s, &err);
    if (!rc)
        rc = open_files(&s, &err);
    if (!rc)
        rc = announce(&s, &err);
    rc = rc ? complain(attempt_dir, &err) : run(&s);
    free(s.work);
    return rc; /* descriptors, and with them the lock, go with the process */
}
