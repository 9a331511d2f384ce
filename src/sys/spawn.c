/* SPDX-License-Identifier: Apache-2.0
 *
 * vfork: the child borrows our memory until it execs, so it reports a failure by writing a variable
 * that we read when we go on. Between vfork and exec it may only make system calls; everything it
 * needs (the command's path, the null device, the limits) is made ready before. All signals are
 * blocked meanwhile, so no handler of ours ever runs in the borrowed memory.
 */
#include "sys/spawn.h"

#include "base/str.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

extern char **environ;

/* What the child reads and the one thing it writes. */
struct launch {
    const struct spawn *s;
    const char *path;
    char *const *argv, *const *env;
    int fds[3];
    pid_t parent;
    const char *volatile failed; /* the move that failed, NULL if exec succeeded */
    volatile int errnum;
};

static void fail(struct launch *l, const char *what)
{
    l->errnum = errno;
    l->failed = what;
    _exit(127);
}

static void limit(struct launch *l, int resource, uint64_t max)
{
    struct rlimit r = {max, max};
    if (max && setrlimit(resource, &r) < 0)
        fail(l, "limit");
}

/* Descriptors in l->fds are above 2, so no dup2 can overwrite one that is still needed. */
static void child(struct launch *l)
{
    const struct spawn *s = l->s;
    if (s->die_with_parent) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        if (getppid() != l->parent)
            _exit(127);
    }
    for (int i = 0; i < 3; i++)
        if (dup2(l->fds[i], i) < 0)
            fail(l, "connect descriptors of");
    /* Now, not at exec: a lock of the parent's, should it be killed just now, must not outlive it.
     */
    close_range(3, ~0U, 0);
    if (s->new_session)
        setsid();
    else if (s->new_group)
        setpgid(0, 0);
    if (s->cwd && chdir(s->cwd) < 0)
        fail(l, "enter the directory of");
    limit(l, RLIMIT_AS, s->memory_max);
    limit(l, RLIMIT_FSIZE, s->file_max);
    struct sigaction defaults = {.sa_handler = SIG_DFL};
    for (int sig = 1; sig < SIGRTMIN; sig++)
        sigaction(sig, &defaults, NULL); /* an ignored signal would stay ignored */
    sigset_t none;
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    execve(l->path, l->argv, l->env);
    fail(l, "execute");
}

static pid_t launch(struct launch *l)
{
    sigset_t all, old;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &old);
    pid_t pid = vfork();
    if (pid == 0)
        child(l);
    int errnum = errno;
    pthread_sigmask(SIG_SETMASK, &old, NULL);
    errno = errnum;
    return pid;
}

static const char *variable(const char *const *env, const char *name)
{
    size_t n = strlen(name);
    for (; *env; env++)
        if (strncmp(*env, name, n) == 0 && (*env)[n] == '=')
            return *env + n + 1;
    return NULL;
}

static bool is_program(const char *path)
{
    struct stat st;
    return stat(path, &st) == 0 && S_ISREG(st.st_mode) && access(path, X_OK) == 0;
}

/* execvp's rule: a name with a slash is a path (seen from cwd), any other is looked up. */
static int find(const char *name, const char *const *env, char **ret, struct err *err)
{
    if (strchr(name, '/')) {
        *ret = xstrdup(name);
        return 0;
    }
    const char *path = variable(env, "PATH");
    str rest = str_from(path ? path : "/usr/local/bin:/usr/bin:/bin"), dir;
    while (name[0] && rest.n) {
        str_cut(rest, ':', &dir, &rest);
        CLEANUP(freep) char *at = xasprintf("%.*s/%s", STR(dir), name);
        if (!dir.n || !is_program(at))
            continue;
        *ret = at;
        at = NULL;
        return 0;
    }
    return err_hint(err_set(err, E_NOTFOUND, "no command '%s' in PATH", name), err,
                    "install it, or give its full path");
}

/* A private copy above 2, or the null device. */
static int high_fd(int fd, int *ret, struct err *err)
{
    CLEANUP(closep) int null = -1;
    if (fd < 0)
        fd = null = open("/dev/null", O_RDWR | O_CLOEXEC);
    int copy = fd < 0 ? -1 : fcntl(fd, F_DUPFD_CLOEXEC, 3);
    if (copy < 0)
        return err_errno(err, errno, "duplicate a descriptor");
    *ret = copy;
    return 0;
}

static int explain(const struct launch *l, const char *name, struct err *err)
{
    if (l->errnum == ENOEXEC)
        return err_hint(err_set(err, E_INVALID, "'%s' is not a program", name), err,
                        "a script needs a first line such as #!/bin/sh");
    return err_errno(err, l->errnum, "%s '%s'", l->failed, name);
}

static int start(struct launch *l, pid_t *ret, struct err *err)
{
    pid_t pid = launch(l);
    if (pid < 0)
        return err_errno(err, errno, "start a process");
    if (l->failed) {
        while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
            ;
        return explain(l, l->argv[0], err);
    }
    *ret = pid;
    return 0;
}

int spawn(const struct spawn *s, pid_t *ret, struct err *err)
{
    const char *const *env = s->env ? s->env : (const char *const *)environ;
    if (!s->argv[0])
        return err_set(err, E_INVALID, "no command to start");
    CLEANUP(freep) char *path = NULL;
    int rc = find(s->argv[0], env, &path, err);
    if (rc)
        return rc;
    struct launch l = {.s = s,
                       .path = path,
                       .argv = (char *const *)s->argv,
                       .env = (char *const *)env,
                       .fds = {-1, -1, -1},
                       .parent = getpid()};
    rc = high_fd(s->in, &l.fds[0], err);
    if (!rc)
        rc = high_fd(s->out, &l.fds[1], err);
    if (!rc)
        rc = high_fd(s->errfd, &l.fds[2], err);
    if (!rc)
        rc = start(&l, ret, err);
    for (int i = 0; i < 3; i++)
        closep(&l.fds[i]);
    return rc;
}

char *spawn_self(void)
{
    char path[4096];
    ssize_t n = readlink("/proc/self/exe", path, sizeof(path) - 1);
    return n > 0 ? xstrndup(path, (size_t)n) : xstrdup("tenon");
}
