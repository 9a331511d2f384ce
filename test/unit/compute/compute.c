/* SPDX-License-Identifier: Apache-2.0
 *
 * Real shims and real steps: this binary runs itself in all three roles.
 */
#include "compute/compute.h"
#include "step.h"

#include "base/str.h"
#include "sys/fs.h"
#include "sys/spawn.h"

#include <dirent.h>
#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#ifdef __SANITIZE_THREAD__
#define THREAD_SANITIZED true
#else
#define THREAD_SANITIZED false
#endif
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define SANITIZED true
#else
#define SANITIZED false
#endif

static struct {
    char *root, *self;
    int attempts;
    pthread_mutex_t mutex;
    pthread_cond_t changed;
    int exits;
    char last_dir[512];
    struct attempt_exit last;
} T = {.mutex = PTHREAD_MUTEX_INITIALIZER, .changed = PTHREAD_COND_INITIALIZER};

static void on_exit_(void *ctx, const char *dir, const struct attempt_exit *e)
{
    (void)ctx;
    pthread_mutex_lock(&T.mutex);
    T.exits++;
    T.last = *e;
    snprintf(T.last_dir, sizeof(T.last_dir), "%s", dir);
    pthread_cond_broadcast(&T.changed);
    pthread_mutex_unlock(&T.mutex);
}

static struct compute *open_compute(void)
{
    struct compute_config config = {.binary = T.self, .slots = 3, .on_exit = on_exit_};
    struct compute *c = NULL;
    struct err err = {0};
    assert_int_equal(compute_open(&config, &c, &err), 0);
    return c;
}

static char *attempt(const char *todo, const char *more)
{
    char *dir = xasprintf("%s/a%d", T.root, T.attempts++);
    CLEANUP(freep) char *path = fs_join(dir, "attempt.json");
    CLEANUP(freep) char *text = xasprintf("{\"do\":\"%s\",\"grace_ms\":300%s}", todo, more);
    assert_int_equal(fs_mkdirs(dir, 0700, NULL), 0);
    assert_int_equal(fs_write_atomic(path, text, strlen(text), 0600, NULL), 0);
    return dir;
}

static struct attempt_exit await(int exits)
{
    pthread_mutex_lock(&T.mutex);
    while (T.exits < exits)
        pthread_cond_wait(&T.changed, &T.mutex);
    struct attempt_exit e = T.last;
    pthread_mutex_unlock(&T.mutex);
    return e;
}

static int exits_so_far(void)
{
    pthread_mutex_lock(&T.mutex);
    int n = T.exits;
    pthread_mutex_unlock(&T.mutex);
    return n;
}

static struct attempt_exit run_one(const char *todo, const char *more, char **ret_dir)
{
    struct compute *c = open_compute();
    CLEANUP(freep) char *dir = attempt(todo, more);
    struct err err = {0};
    int before = exits_so_far();
    if (compute_start(c, dir, &err))
        fail_msg("%s", err.msg);
    struct attempt_exit e = await(before + 1);
    assert_string_equal(T.last_dir, dir);
    compute_close(c);
    if (ret_dir) {
        *ret_dir = dir;
        dir = NULL;
    }
    return e;
}

static char *content(const char *dir, const char *name, int64_t *size)
{
    CLEANUP(freep) char *path = fs_join(dir, name);
    struct buf b = BUF(0);
    if (fs_read(path, 64 << 20, &b, NULL))
        return NULL;
    if (size)
        *size = (int64_t)b.n;
    char *text = xstrndup(b.n ? b.p : "", b.n);
    buf_free(&b);
    return text;
}

static int64_t executions(const char *dir)
{
    CLEANUP(freep) char *path = fs_join(dir, "ledger");
    int64_t n = fs_size(path);
    return n < 0 ? 0 : n;
}

static pid_t pid_in(const char *dir, const char *name)
{
    for (;; usleep(1000)) {
        CLEANUP(freep) char *text = content(dir, name, NULL);
        if (text)
            return atoi(text);
    }
}

static bool alive(pid_t pid)
{
    return kill(pid, 0) == 0;
}

static void vanishes(pid_t pid)
{
    for (int i = 0; alive(pid); i++, usleep(1000))
        if (i > 20000)
            fail_msg("process %d is still there", (int)pid);
}

static pid_t shim_pid(const char *dir)
{
    CLEANUP(freep) char *text = NULL;
    while (!(text = content(dir, "shim.json", NULL)))
        usleep(1000);
    json_t *j = NULL;
    assert_int_equal(json_parse(str_from(text), &j, NULL), 0);
    pid_t pid = (pid_t)json_i(j, "pid");
    json_freep(&j);
    return pid;
}

/* --- how a step can end --- */

static void output_and_status(void **state)
{
    (void)state;
    CLEANUP(freep) char *dir = NULL;
    struct attempt_exit e = run_one("hello", "", &dir);
    CLEANUP(freep) char *log = content(dir, "log", NULL);
    assert_int_equal(e.code, 0);
    assert_string_equal(e.reason, "");
    assert_true(e.ended_at >= e.started_at && e.started_at > 0);
    assert_true(e.max_rss_kb > 0);
    assert_string_equal(log, "hello from the step\n");
    assert_int_equal(run_one("exit 7", "", NULL).code, 7);
}

static void crash(void **state)
{
    (void)state;
    struct attempt_exit e = run_one("segv", "", NULL);
    assert_int_equal(e.signal, SIGSEGV);
    assert_int_equal(e.code, -1);
}

static void timeout_kills_the_whole_family(void **state)
{
    (void)state;
    CLEANUP(freep) char *dir = NULL;
    struct attempt_exit e = run_one("stubborn", ",\"timeout_ms\":200", &dir);
    assert_string_equal(e.reason, "timeout");
    assert_int_equal(e.signal, SIGKILL);
    vanishes(pid_in(dir, "work/step"));
    vanishes(pid_in(dir, "work/grandchild"));
}

static void daemons_end_with_the_attempt(void **state)
{
    (void)state;
    CLEANUP(freep) char *dir = NULL;
    assert_int_equal(run_one("daemon", "", &dir).code, 0);
    vanishes(pid_in(dir, "work/grandchild"));
}

static void a_gigabyte_of_output(void **state)
{
    (void)state;
    CLEANUP(freep) char *dir = NULL;
    struct attempt_exit e = run_one("gigabyte", ",\"log_max\":1000000", &dir);
    int64_t size = 0;
    CLEANUP(freep) char *log = content(dir, "log", &size);
    assert_int_equal(e.code, 0);
    assert_in_range(size, 1000000, 1000200);
    assert_non_null(strstr(log, "the log is cut here"));
}

static void disk_limits(void **state)
{
    (void)state;
    assert_string_equal(run_one("many files", ",\"disk_mb\":8", NULL).reason, "disk");
    assert_string_equal(run_one("one file", ",\"disk_mb\":8", NULL).reason, "disk");
}

static void memory_limit(void **state)
{
    (void)state;
    if (SANITIZED)
        skip(); /* a sanitizer's shadow needs more address space than any limit leaves */
    assert_int_equal(run_one("memory", ",\"memory_mb\":512", NULL).code, 12);
}

static void cancel(void **state)
{
    (void)state;
    struct compute *c = open_compute();
    CLEANUP(freep) char *dir = attempt("sleep", "");
    int before = exits_so_far();
    assert_int_equal(compute_start(c, dir, NULL), 0);
    pid_t step = pid_in(dir, "work/step");
    assert_int_equal(compute_cancel(c, dir, NULL), 0);
    struct attempt_exit e = await(before + 1);
    assert_string_equal(e.reason, "cancelled");
    vanishes(step);
    assert_int_equal(compute_cancel(c, dir, NULL), E_NOTFOUND);
    compute_close(c);
}

static void no_such_binary(void **state)
{
    (void)state;
    if (THREAD_SANITIZED)
        skip(); /* it makes a fork of vfork: the child's error stays in the child */
    struct compute_config config = {.binary = "/no/such/tenon", .on_exit = on_exit_};
    struct compute *c = NULL;
    struct err err = {0};
    CLEANUP(freep) char *dir = attempt("hello", "");
    assert_int_equal(compute_open(&config, &c, &err), 0);
    assert_true(compute_slots(c) > 0);
    assert_int_equal(compute_start(c, dir, &err), E_NOTFOUND);
    assert_non_null(strstr(err.msg, "/no/such/tenon"));
    compute_close(c);
}

/* --- losing the shim, losing the server --- */

static void shim_killed(void **state)
{
    (void)state;
    struct compute *c = open_compute();
    CLEANUP(freep) char *dir = attempt("stubborn", "");
    int before = exits_so_far();
    assert_int_equal(compute_start(c, dir, NULL), 0);
    pid_t step = pid_in(dir, "work/step"), grandchild = pid_in(dir, "work/grandchild");
    kill(shim_pid(dir), SIGKILL);
    assert_string_equal(await(before + 1).reason, "lost");
    vanishes(step);
    vanishes(grandchild);
    enum attempt_state what;
    struct attempt_exit e;
    assert_int_equal(compute_adopt(c, dir, &what, &e, NULL), 0);
    assert_int_equal(what, ATTEMPT_LOST);
    compute_close(c);
}

static void a_fenced_attempt_never_runs(void **state)
{
    (void)state;
    struct compute *c = open_compute();
    CLEANUP(freep) char *dir = attempt("hello", "");
    enum attempt_state what;
    struct attempt_exit e;
    int before = exits_so_far();
    assert_int_equal(compute_adopt(c, dir, &what, &e, NULL), 0);
    assert_int_equal(what, ATTEMPT_NEVER);
    assert_int_equal(compute_start(c, dir, NULL), 0);
    assert_string_equal(await(before + 1).reason, "lost");
    assert_int_equal(executions(dir), 0);
    compute_close(c);
}

static void adoption(void **state)
{
    (void)state;
    struct compute *first = open_compute(), *second;
    CLEANUP(freep) char *dir = attempt("sleep", ""), *ended = attempt("exit 7", "");
    int before = exits_so_far();
    assert_int_equal(compute_start(first, ended, NULL), 0);
    await(before + 1);
    assert_int_equal(compute_start(first, dir, NULL), 0);
    pid_in(dir, "work/step");
    compute_close(first);
    second = open_compute();
    enum attempt_state what;
    struct attempt_exit e;
    assert_int_equal(compute_adopt(second, ended, &what, &e, NULL), 0);
    assert_int_equal(what, ATTEMPT_ENDED);
    assert_int_equal(e.code, 7);
    assert_int_equal(compute_adopt(second, dir, &what, &e, NULL), 0);
    assert_int_equal(what, ATTEMPT_RUNNING);
    assert_int_equal(compute_cancel(second, dir, NULL), 0);
    assert_string_equal(await(before + 2).reason, "cancelled");
    compute_close(second);
}

/* A server of its own process starts attempts until it is killed. */
static pid_t controller(char **dirs, int n)
{
    pid_t pid = fork();
    if (pid)
        return pid;
    struct compute *c = open_compute();
    for (int i = 0; i < n; i++)
        if (compute_start(c, dirs[i], NULL))
            _exit(1);
    for (;;)
        pause();
}

static void judge(struct compute *c, const char *dir, int counts[4])
{
    enum attempt_state what;
    struct attempt_exit e;
    struct err err = {0};
    int before = exits_so_far();
    if (compute_adopt(c, dir, &what, &e, &err))
        fail_msg("%s", err.msg);
    if (what == ATTEMPT_RUNNING)
        e = await(before + 1);
    counts[what]++;
    bool ran = what == ATTEMPT_RUNNING || what == ATTEMPT_ENDED;
    if (ran)
        assert_int_equal(e.code, 0);
    assert_int_equal(executions(dir), ran ? 1 : 0);
}

static void server_killed_at_any_moment(void **state)
{
    (void)state;
    enum { N = 4 };
    int counts[4] = {0};
    if (THREAD_SANITIZED)
        skip(); /* it ends a forked process that starts a thread, and the controller is one */
    for (int round = 0; round < 60; round++) {
        char *dirs[N];
        for (int i = 0; i < N; i++)
            dirs[i] = attempt("nap", "");
        pid_t server = controller(dirs, N);
        usleep((useconds_t)(rand() % 25000));
        kill(server, SIGKILL);
        waitpid(server, NULL, 0);
        struct compute *c = open_compute();
        for (int i = 0; i < N; i++)
            judge(c, dirs[i], counts);
        compute_close(c);
        for (int i = 0; i < N; i++) {
            assert_true(executions(dirs[i]) <= 1); /* a fenced shim did not wake up later */
            free(dirs[i]);
        }
    }
    print_message("never %d, adopted %d, ended %d, lost %d\n", counts[ATTEMPT_NEVER],
                  counts[ATTEMPT_RUNNING], counts[ATTEMPT_ENDED], counts[ATTEMPT_LOST]);
    assert_int_equal(counts[ATTEMPT_LOST], 0);
    assert_true(counts[ATTEMPT_NEVER] > 0 && counts[ATTEMPT_RUNNING] + counts[ATTEMPT_ENDED] > 0);
}

static int set_up(void **state)
{
    (void)state;
    char pattern[] = "/tmp/tenon-compute-XXXXXX";
    T.root = xstrdup(mkdtemp(pattern));
    T.self = spawn_self();
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    fs_remove_tree(T.root, NULL);
    free(T.root);
    free(T.self);
    return 0;
}

int main(int argc, char **argv)
{
    if (argc == 3 && !strcmp(argv[1], "shim"))
        return shim_main(argv[2]);
    if (argc == 3 && !strcmp(argv[1], "step"))
        return test_step(argv[2]);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(output_and_status),
        cmocka_unit_test(crash),
        cmocka_unit_test(timeout_kills_the_whole_family),
        cmocka_unit_test(daemons_end_with_the_attempt),
        cmocka_unit_test(a_gigabyte_of_output),
        cmocka_unit_test(disk_limits),
        cmocka_unit_test(memory_limit),
        cmocka_unit_test(cancel),
        cmocka_unit_test(no_such_binary),
        cmocka_unit_test(shim_killed),
        cmocka_unit_test(a_fenced_attempt_never_runs),
        cmocka_unit_test(adoption),
        cmocka_unit_test(server_killed_at_any_moment),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
