/* SPDX-License-Identifier: Apache-2.0 */
#include "sys/spawn.h"

#include "base/buf.h"

#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

/* Runs a shell line and returns what it prints; the status goes to *status. */
static char *shell(struct spawn s, const char *line, int *status)
{
    int ends[2];
    const char *argv[] = {"sh", "-c", line, NULL};
    assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
    s.argv = argv;
    s.in = s.errfd = -1;
    s.out = ends[1];
    pid_t pid;
    struct err err = {0};
    if (spawn(&s, &pid, &err))
        fail_msg("%s", err.msg);
    close(ends[1]);
    struct buf b = BUF(65536);
    char chunk[4096];
    ssize_t n;
    while ((n = read(ends[0], chunk, sizeof(chunk))) > 0)
        buf_put(&b, chunk, (size_t)n);
    close(ends[0]);
    waitpid(pid, status, 0);
    char *text = xstrdup(buf_cstr(&b));
    buf_free(&b);
    return text;
}

static void expect(struct spawn s, const char *line, const char *output)
{
    int status;
    CLEANUP(freep) char *text = shell(s, line, &status);
    assert_string_equal(text, output);
    assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

static void runs_in_the_given_surroundings(void **state)
{
    (void)state;
    const char *env[] = {"PATH=/usr/bin:/bin", "GREETING=good day", NULL};
    expect((struct spawn){.env = env}, "echo $GREETING", "good day\n");
    expect((struct spawn){.cwd = "/usr"}, "pwd", "/usr\n");
    expect((struct spawn){.in = -1}, "cat; echo end", "end\n");
}

static void leaks_no_descriptor(void **state)
{
    (void)state;
    int leak = open("/dev/null", O_RDONLY); /* not close-on-exec, on purpose */
    int far = fcntl(leak, F_DUPFD, 900);
    expect(
        (struct spawn){.in = -1},
        "for f in /proc/self/fd/*; do case ${f##*/} in [3-9]|9[0-9][0-9]) readlink $f;; esac; done "
        "| grep -v /proc | grep null; echo done",
        "done\n");
    close(leak);
    close(far);
}

static void signals_are_as_new(void **state)
{
    (void)state;
    signal(SIGPIPE, SIG_IGN);
    sigset_t set, old;
    sigemptyset(&set);
    sigaddset(&set, SIGTERM);
    sigprocmask(SIG_BLOCK, &set, &old);
    int status;
    CLEANUP(freep)
    char *text = shell((struct spawn){.in = -1}, "kill -TERM $$; echo alive", &status);
    assert_string_equal(text, "");
    assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGTERM);
    CLEANUP(freep)
    char *more = shell((struct spawn){.in = -1}, "kill -PIPE $$; echo alive", &status);
    assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGPIPE);
    sigprocmask(SIG_SETMASK, &old, NULL);
    signal(SIGPIPE, SIG_DFL);
}

static void own_session_and_group(void **state)
{
    (void)state;
    const char *own = "set -- $(cut -d')' -f2 /proc/$$/stat); [ $3 = $$ ] && echo own";
    expect((struct spawn){.new_group = true}, own, "own\n");
    expect((struct spawn){.new_session = true}, own, "own\n");
}

static void limits_hold(void **state)
{
    (void)state;
    expect((struct spawn){.memory_max = 512 << 20}, "ulimit -v", "524288\n");
    expect((struct spawn){.file_max = 1 << 20}, "ulimit -f", "2048\n");
}

static void refuses(struct spawn s, const char *program, int code, const char *part)
{
    const char *argv[] = {program, NULL};
    s.argv = argv;
    s.in = s.out = s.errfd = -1;
    pid_t pid = 0;
    struct err err = {0};
    assert_int_equal(spawn(&s, &pid, &err), code);
    assert_int_equal(pid, 0);
    if (!strstr(err.msg, part) && !strstr(err.hint, part))
        fail_msg("'%s' does not say '%s'", err.msg, part);
    assert_int_equal(waitpid(-1, NULL, WNOHANG), -1); /* nothing is left to reap */
}

static void a_command_that_cannot_run_is_an_error(void **state)
{
    (void)state;
#ifdef __SANITIZE_THREAD__
    skip(); /* ThreadSanitizer makes a fork of vfork: the child's error stays in the child */
#endif
    char script[] = "/tmp/tenon-spawn-XXXXXX";
    int fd = mkstemp(script);
    assert_int_equal(write(fd, "echo hello\n", 11), 11);
    close(fd);
    refuses((struct spawn){.in = 0}, "no-such-command-at-all", E_NOTFOUND,
            "no-such-command-at-all");
    refuses((struct spawn){.in = 0}, "", E_NOTFOUND, "no command");
    refuses((struct spawn){.in = 0}, "/no/such/program", E_NOTFOUND, "/no/such/program");
    refuses((struct spawn){.in = 0}, "/tmp", E_FORBIDDEN, "/tmp");
    refuses((struct spawn){.cwd = "/no/such/dir"}, "true", E_NOTFOUND, "directory");
    chmod(script, 0700);
    refuses((struct spawn){.in = 0}, script, E_INVALID, "#!/bin/sh");
    unlink(script);
    const char *none[] = {NULL};
    pid_t pid;
    assert_int_equal(spawn(&(struct spawn){.argv = none}, &pid, NULL), E_INVALID);
}

static void dies_with_its_parent(void **state)
{
    (void)state;
    int ends[2];
    assert_int_equal(pipe(ends), 0);
    pid_t parent = fork();
    if (parent == 0) {
        const char *argv[] = {"sleep", "1000", NULL};
        struct spawn s = {.argv = argv, .in = -1, .out = -1, .errfd = -1, .die_with_parent = true};
        pid_t pid;
        if (spawn(&s, &pid, NULL) || write(ends[1], &pid, sizeof(pid)) < 0)
            _exit(1);
        pause();
    }
    pid_t child;
    assert_int_equal(read(ends[0], &child, sizeof(child)), sizeof(child));
    kill(parent, SIGKILL);
    waitpid(parent, NULL, 0);
    for (int i = 0; kill(child, 0) == 0; i++, usleep(1000)) {
        char path[64], line[256] = "";
        snprintf(path, sizeof(path), "/proc/%d/stat", child);
        FILE *f = fopen(path, "r");
        bool zombie = f && fgets(line, sizeof(line), f) && strstr(line, ") Z ");
        if (f)
            fclose(f);
        if (zombie)
            break; /* dead; whoever inherited it has not looked yet */
        assert_true(i < 20000);
    }
}

static void knows_its_own_binary(void **state)
{
    (void)state;
    CLEANUP(freep) char *self = spawn_self();
    assert_int_equal(access(self, X_OK), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(runs_in_the_given_surroundings),
        cmocka_unit_test(leaks_no_descriptor),
        cmocka_unit_test(signals_are_as_new),
        cmocka_unit_test(own_session_and_group),
        cmocka_unit_test(limits_hold),
        cmocka_unit_test(a_command_that_cannot_run_is_an_error),
        cmocka_unit_test(dies_with_its_parent),
        cmocka_unit_test(knows_its_own_binary),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
