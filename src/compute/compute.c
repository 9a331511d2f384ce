/* SPDX-License-Identifier: Apache-2.0
 *
 * The server's side of attempts: starting shims, adopting those of an earlier server, and one
 * thread that waits for all of them.
 *
 * Own children and adopted shims are watched alike, by a pidfd in an epoll set: no SIGCHLD, no
 * polling. A pid out of shim.json is only believed together with the lock: one shim ever runs in a
 * directory, so if the lock is still held after the pidfd was opened, the pidfd is that shim's.
 *
 * The table of watched attempts is under one mutex; the watcher removes an attempt from it before
 * it calls on_exit, so an attempt is reported exactly once.
 */
#include "compute/compute_int.h"

#include "base/map.h"
#include "sys/clock.h"
#include "sys/fs.h"
#include "sys/spawn.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

struct watch {
    char *dir;
    int pidfd;
    pid_t child; /* to be reaped; 0 if adopted */
    bool cancelled;
};

struct compute {
    struct compute_config config;
    char *binary;
    int epoll, wake;
    pthread_t thread;
    pthread_mutex_t mutex;
    struct map *watched; /* dir → struct watch */
};

static void watch_free(void *p)
{
    struct watch *w = p;
    closep(&w->pidfd);
    free(w->dir);
    free(w);
}

static int pidfd_open_(pid_t pid)
{
    return (int)syscall(SYS_pidfd_open, pid, 0);
}

/* --- the end of an attempt --- */

/* With the lock in hand: nobody will run in this directory any more. */
static int fence(const char *dir, struct err *err)
{
    CLEANUP(json_freep) json_t *j = json_pack("{s:I}", "at", (json_int_t)clock_ms());
    return attempt_write(dir, "fence", j, err);
}

/* The shim is gone and left no record. Its step may live on: it must not. */
static void bury(const char *dir, bool cancelled, struct attempt_exit *e)
{
    CLEANUP(closep) int lock = -1;
    if (attempt_lock(dir, &lock, NULL) == 0)
        fence(dir, NULL);
    attempt_kill_strays(dir);
    *e = (struct attempt_exit){.code = -1, .ended_at = clock_ms()};
    snprintf(e->reason, sizeof(e->reason), "%s", cancelled ? "cancelled" : "lost");
}

/* The pidfd leaves the set before it is closed: a child that is just being started somewhere else
 * holds a copy of it until its exec, and with that the set would go on reporting it. */
static void finish(struct compute *c, struct watch *w)
{
    epoll_ctl(c->epoll, EPOLL_CTL_DEL, w->pidfd, NULL);
    if (w->child)
        while (waitpid(w->child, NULL, 0) < 0 && errno == EINTR)
            ;
    pthread_mutex_lock(&c->mutex);
    map_del(c->watched, str_from(w->dir));
    bool cancelled = w->cancelled;
    pthread_mutex_unlock(&c->mutex);
    struct attempt_exit e;
    if (attempt_exit_read(w->dir, &e, NULL))
        bury(w->dir, cancelled, &e);
    c->config.on_exit(c->config.ctx, w->dir, &e);
    watch_free(w);
}

static void *watcher(void *arg)
{
    struct compute *c = arg;
    for (;;) {
        struct epoll_event events[64];
        int n = epoll_wait(c->epoll, events, 64, -1);
        for (int i = 0; i < n; i++) {
            if (!events[i].data.ptr)
                return NULL;
            finish(c, events[i].data.ptr);
        }
    }
}

/* Takes pidfd. From here on on_exit will follow. */
static int watch_add(struct compute *c, const char *dir, int pidfd, pid_t child, struct err *err)
{
    struct watch *w = xcalloc(1, sizeof(*w));
    *w = (struct watch){.dir = xstrdup(dir), .pidfd = pidfd, .child = child};
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = w};
    pthread_mutex_lock(&c->mutex);
    map_put(c->watched, str_from(w->dir), w);
    int rc = 0;
    if (epoll_ctl(c->epoll, EPOLL_CTL_ADD, pidfd, &event) < 0) {
        rc = err_errno(err, errno, "watch the shim of %s", dir);
        map_del(c->watched, str_from(w->dir));
    }
    pthread_mutex_unlock(&c->mutex);
    if (rc)
        watch_free(w);
    return rc;
}

/* --- starting, adopting, cancelling --- */

static void undo_start(const char *dir, pid_t pid)
{
    struct attempt_exit ignored;
    kill(pid, SIGKILL);
    while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
        ;
    bury(dir, false, &ignored);
}

int compute_start(struct compute *c, const char *dir, struct err *err)
{
    const char *argv[] = {c->binary, "shim", dir, NULL};
    struct spawn shim = {.argv = argv, .cwd = "/", .in = -1, .out = -1, .errfd = -1};
    shim.new_session = true;
    pid_t pid;
    int rc = spawn(&shim, &pid, err);
    if (rc)
        return rc;
    int pidfd = pidfd_open_(pid);
    rc = pidfd < 0 ? err_errno(err, errno, "watch process %d", (int)pid)
                   : watch_add(c, dir, pidfd, pid, err);
    if (rc)
        undo_start(dir, pid);
    return rc;
}

/* The lock is ours, so the directory says all there is to know. */
static int judge(const char *dir, enum attempt_state *ret, struct attempt_exit *ret_exit,
                 struct err *err)
{
    int rc = attempt_exit_read(dir, ret_exit, NULL);
    if (!rc) {
        *ret = ATTEMPT_ENDED;
        return 0;
    }
    bool began = attempt_has(dir, "shim.json");
    rc = fence(dir, err);
    if (rc)
        return rc;
    if (began)
        attempt_kill_strays(dir);
    *ret = began ? ATTEMPT_LOST : ATTEMPT_NEVER;
    return 0;
}

/* The lock is another's: a living shim. True once it is watched, false to look again. */
static bool take_over(struct compute *c, const char *dir, int *rc, struct err *err)
{
    pid_t pid = attempt_shim_pid(dir);
    int pidfd = pid ? pidfd_open_(pid) : -1;
    CLEANUP(closep) int lock = -1;
    if (pidfd < 0 || attempt_lock(dir, &lock, NULL) != E_CONFLICT) {
        closep(&pidfd);
        return false; /* it has not said its pid yet, or died meanwhile */
    }
    *rc = watch_add(c, dir, pidfd, 0, err);
    return true;
}

int compute_adopt(struct compute *c, const char *dir, enum attempt_state *ret,
                  struct attempt_exit *ret_exit, struct err *err)
{
    int rc = fs_mkdirs(dir, 0700, err);
    for (int tries = 0; !rc && tries < 3000; tries++) {
        CLEANUP(closep) int lock = -1;
        rc = attempt_lock(dir, &lock, err);
        if (!rc)
            return judge(dir, ret, ret_exit, err);
        if (rc != E_CONFLICT)
            return rc;
        rc = 0;
        if (take_over(c, dir, &rc, err)) {
            if (!rc)
                *ret = ATTEMPT_RUNNING;
            return rc;
        }
        usleep(10000);
    }
    return rc ? rc : err_set(err, E_TIMEOUT, "%s is locked by a shim that says nothing", dir);
}

int compute_cancel(struct compute *c, const char *dir, struct err *err)
{
    pthread_mutex_lock(&c->mutex);
    struct watch *w = map_get(c->watched, str_from(dir));
    int rc = 0;
    if (!w)
        rc = err_set(err, E_NOTFOUND, "%s is not running", dir);
    else if (syscall(SYS_pidfd_send_signal, w->pidfd, SIGTERM, NULL, 0) < 0 && errno != ESRCH)
        rc = err_errno(err, errno, "cancel %s", dir);
    else
        w->cancelled = true;
    pthread_mutex_unlock(&c->mutex);
    return rc;
}

/* --- life of the room --- */

static unsigned cores(void)
{
    long n = sysconf(_SC_NPROCESSORS_ONLN);
    return n > 0 ? (unsigned)n : 1;
}

static void discard(struct compute *c)
{
    if (c->watched)
        map_free(c->watched, watch_free);
    closep(&c->epoll);
    closep(&c->wake);
    pthread_mutex_destroy(&c->mutex);
    free(c->binary);
    free(c);
}

int compute_open(const struct compute_config *config, struct compute **ret, struct err *err)
{
    struct compute *c = xcalloc(1, sizeof(*c));
    c->config = *config;
    c->config.slots = config->slots ? config->slots : cores();
    c->binary = xstrdup(config->binary);
    c->watched = map_new();
    pthread_mutex_init(&c->mutex, NULL);
    c->epoll = epoll_create1(EPOLL_CLOEXEC);
    c->wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    struct epoll_event event = {.events = EPOLLIN}; /* ptr NULL = the end */
    int failed = 0;
    if (c->epoll < 0 || c->wake < 0 || epoll_ctl(c->epoll, EPOLL_CTL_ADD, c->wake, &event) < 0)
        failed = errno;
    else
        failed = pthread_create(&c->thread, NULL, watcher, c);
    if (failed) {
        discard(c);
        return err_errno(err, failed, "start watching processes");
    }
    *ret = c;
    return 0;
}

void compute_close(struct compute *c)
{
    if (!c)
        return;
    eventfd_write(c->wake, 1);
    pthread_join(c->thread, NULL);
    discard(c);
}

unsigned compute_slots(const struct compute *c)
{
    return c->config.slots;
}
