/* SPDX-License-Identifier: Apache-2.0 */
#include "step.h"

#include "codec/json.h"
#include "sys/fs.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* Every execution leaves one byte, written with O_APPEND: its size counts executions. */
static void tick(const char *path)
{
    CLEANUP(closep) int fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    if (write(fd, "x", 1) != 1)
        _exit(99);
}

static void leave_pid(const char *name)
{
    CLEANUP(freep) char *temporary = xasprintf("%s.tmp", name);
    FILE *f = fopen(temporary, "w");
    fprintf(f, "%d", getpid());
    fclose(f);
    rename(temporary, name);
}

/* A step and a grandchild in a session of its own, both deaf to SIGTERM. */
static void stubborn(void)
{
    signal(SIGTERM, SIG_IGN);
    if (fork() == 0) {
        setsid();
        leave_pid("grandchild");
        for (;;)
            pause();
    }
    leave_pid("step");
    for (;;)
        pause();
}

static int gigabyte(void)
{
    static char chunk[1 << 20];
    memset(chunk, 'g', sizeof(chunk));
    for (int i = 0; i < 1024; i++)
        if (write(1, chunk, sizeof(chunk)) < 0)
            return 1;
    return 0;
}

static int fill(int files, size_t each)
{
    CLEANUP(freep) char *bytes = xcalloc(1, each);
    for (int i = 0; i < files; i++) {
        CLEANUP(freep) char *name = xasprintf("file%d", i);
        CLEANUP(closep) int fd = open(name, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
        if (fs_write_all(fd, bytes, each, NULL))
            return 1;
    }
    for (;;)
        pause();
}

/* A daemon that keeps the output open must not keep the attempt alive. */
static int daemonize(void)
{
    if (fork() == 0) {
        setsid();
        leave_pid("grandchild");
        for (;;)
            pause();
    }
    while (access("grandchild", F_OK) < 0)
        usleep(1000);
    return 0;
}

int test_step(const char *attempt_dir)
{
    CLEANUP(freep) char *path = fs_join(attempt_dir, "attempt.json");
    CLEANUP(buf_free) struct buf text = BUF(0);
    CLEANUP(json_freep) json_t *j = NULL;
    if (fs_read(path, 65536, &text, NULL) || json_parse(buf_view(&text), &j, NULL))
        return 98;
    const char *todo = json_s(j, "do");
    tick("../ledger");
    if (!strcmp(todo, "hello"))
        return printf("hello from the step\n") < 0;
    if (!strcmp(todo, "exit 7"))
        return 7;
    if (!strcmp(todo, "segv"))
        return signal(SIGSEGV, SIG_DFL), raise(SIGSEGV);
    if (!strcmp(todo, "stubborn"))
        stubborn();
    if (!strcmp(todo, "sleep"))
        return leave_pid("step"), pause();
    if (!strcmp(todo, "nap"))
        return usleep(20000);
    if (!strcmp(todo, "gigabyte"))
        return gigabyte();
    if (!strcmp(todo, "many files"))
        return fill(64, 1 << 20);
    if (!strcmp(todo, "one file"))
        return fill(1, 64 << 20);
    if (!strcmp(todo, "daemon"))
        return daemonize();
    if (!strcmp(todo, "memory")) {
        volatile char *p = malloc((size_t)4 << 30);
        return p ? 0 : 12;
    }
    return 97;
}
