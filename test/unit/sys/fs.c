/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "sys/clock.h"
#include "sys/fs.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static char dir[64];

static int setup(void **state)
{
    (void)state;
    strcpy(dir, "/tmp/tenon-fs-XXXXXX");
    return mkdtemp(dir) ? 0 : -1;
}

static int teardown(void **state)
{
    (void)state;
    return fs_remove_tree(dir, NULL);
}

static void expect(const char *path, const char *content)
{
    struct buf b = BUF(1000);
    struct err err = {0};
    assert_int_equal(fs_read(path, 1000, &b, &err), 0);
    assert_string_equal(buf_cstr(&b), content);
    buf_free(&b);
}

static void a_write_is_whole_and_leaves_nothing_beside_it(void **state)
{
    (void)state;
    CLEANUP(freep) char *path = fs_join(dir, "f");
    struct err err = {0};
    assert_int_equal(fs_write_atomic(path, "one", 3, 0600, &err), 0);
    assert_int_equal(fs_write_atomic(path, "two", 3, 0600, &err), 0);
    expect(path, "two");
    assert_int_equal(fs_write_new(path, "three", 5, 0600, &err), E_CONFLICT);
    expect(path, "two");
    struct stat st;
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0600);
    assert_int_equal(fs_tree_size(dir), 3); /* no temporary file was left */
    CLEANUP(freep) char *nowhere = fs_join(dir, "no/such/f");
    assert_int_equal(fs_write_atomic(nowhere, "x", 1, 0600, &err), E_NOTFOUND);
    assert_non_null(strstr(err.msg, "no/such/f"));
}

static void one_of_many_writers_wins_put_if_absent(void **state)
{
    (void)state;
    CLEANUP(freep) char *path = fs_join(dir, "commit");
    int won = 0;
    for (int i = 0; i < 8; i++) {
        if (fork() == 0)
            _exit(fs_write_new(path, "x", 1, 0600, NULL) == 0);
    }
    for (int i = 0, status; i < 8; i++) {
        assert_true(wait(&status) > 0);
        won += WEXITSTATUS(status);
    }
    assert_int_equal(won, 1);
}

static void a_read_is_bounded_and_says_its_bound(void **state)
{
    (void)state;
    CLEANUP(freep) char *path = fs_join(dir, "f");
    struct buf b = BUF(1);
    struct err err = {0};
    assert_int_equal(fs_write_atomic(path, "12345", 5, 0600, &err), 0);
    assert_int_equal(fs_read(path, 4, &b, &err), E_TOOBIG);
    assert_non_null(strstr(err.msg, "4 bytes"));
    assert_int_equal(fs_read(dir, 4, &b, &err), E_INVALID);
}

static void a_lock_has_one_holder_and_dies_with_it(void **state)
{
    (void)state;
    CLEANUP(freep) char *path = fs_join(dir, "lock");
    struct err err = {0};
    int pipes[2], fd = -1;
    assert_int_equal(pipe(pipes), 0);
    pid_t child = fork();
    if (child == 0) {
        int held;
        char ok = fs_lock(path, &held, NULL) == 0;
        if (write(pipes[1], &ok, 1) == 1)
            pause();
        _exit(1);
    }
    char ok = 0;
    assert_int_equal(read(pipes[0], &ok, 1), 1);
    assert_int_equal(ok, 1);
    assert_int_equal(fs_lock(path, &fd, &err), E_CONFLICT);
    kill(child, 9);
    waitpid(child, NULL, 0);
    assert_int_equal(fs_lock(path, &fd, &err), 0);
    close(fd);
    close(pipes[0]);
    close(pipes[1]);
}

static void removing_a_tree_does_not_follow_links(void **state)
{
    (void)state;
    CLEANUP(freep) char *keep = fs_join(dir, "keep");
    CLEANUP(freep) char *precious = fs_join(keep, "precious");
    CLEANUP(freep) char *tree = fs_join(dir, "tree");
    CLEANUP(freep) char *deep = fs_join(tree, "a/b/c");
    CLEANUP(freep) char *trap = fs_join(tree, "a/link");
    struct err err = {0};
    assert_int_equal(fs_mkdirs(keep, 0700, &err), 0);
    assert_int_equal(fs_mkdirs(deep, 0700, &err), 0);
    assert_int_equal(fs_write_atomic(precious, "x", 1, 0600, &err), 0);
    assert_int_equal(symlink(keep, trap), 0);
    assert_int_equal(fs_remove_tree(tree, &err), 0);
    assert_false(fs_exists(tree));
    expect(precious, "x");
    assert_int_equal(fs_remove_tree(tree, &err), 0); /* absent is fine */
    assert_int_equal(fs_mkdirs(precious, 0700, &err), E_CONFLICT);
}

static void times_print_and_can_be_fixed(void **state)
{
    (void)state;
    char text[25];
    clock_rfc3339(1370044800123, text);
    assert_string_equal(text, "2013-06-01T00:00:00.123Z");
    clock_rfc3339(-1, text);
    assert_string_equal(text, "1969-12-31T23:59:59.999Z");
    clock_fix_ms(42);
    assert_int_equal(clock_ms(), 42);
    assert_true(strncmp(id_new().s, "00000000002a7", 13) == 0);
    clock_fix_ms(-1);
    assert_true(clock_ms() > 1000000000000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_write_is_whole_and_leaves_nothing_beside_it, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(one_of_many_writers_wins_put_if_absent, setup, teardown),
        cmocka_unit_test_setup_teardown(a_read_is_bounded_and_says_its_bound, setup, teardown),
        cmocka_unit_test_setup_teardown(a_lock_has_one_holder_and_dies_with_it, setup, teardown),
        cmocka_unit_test_setup_teardown(removing_a_tree_does_not_follow_links, setup, teardown),
        cmocka_unit_test(times_print_and_can_be_fixed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
