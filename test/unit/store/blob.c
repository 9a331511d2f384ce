/* SPDX-License-Identifier: Apache-2.0
 *
 * Blobs: whole or absent, verified, stored once; what dead writers left is removed. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "scratch.h"
#include "store/store.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>

#define ABC "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad" /* FIPS 180-2 */
#define EMPTY "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"

struct fixture {
    struct scratch scratch;
    struct blobs *b;
};

static int setup(void **state)
{
    struct fixture *f = xcalloc(1, sizeof(*f));
    scratch_make(&f->scratch);
    *state = f;
    return fs_mkdirs(f->scratch.dir, 0700, NULL) || blobs_open(f->scratch.dir, &f->b, NULL);
}

static int teardown(void **state)
{
    struct fixture *f = *state;
    blobs_close(f->b);
    scratch_remove(&f->scratch);
    free(f);
    return 0;
}

static char *path_of(struct fixture *f, const char *digest)
{
    return xasprintf("%s/blobs/%.2s/%s", f->scratch.dir, digest, digest + 2);
}

static int entries(struct fixture *f, const char *folder)
{
    CLEANUP(freep) char *path = fs_join(f->scratch.dir, folder);
    DIR *dir = opendir(path);
    assert_non_null(dir);
    int n = -2; /* . and .. */
    while (readdir(dir))
        n++;
    closedir(dir);
    return n;
}

static void assert_content(struct fixture *f, const char *digest, const void *p, size_t n)
{
    struct buf b;
    assert_int_equal(blob_read(f->b, digest, n + 1, &b, NULL), 0);
    assert_int_equal(b.n, n);
    if (n)
        assert_memory_equal(b.p, p, n);
    buf_free(&b);
}

static void what_is_put_is_read(void **state)
{
    struct fixture *f = *state;
    char digest[65];
    assert_int_equal(blob_put(f->b, "abc", 3, digest, NULL), 0);
    assert_string_equal(digest, ABC);
    assert_content(f, ABC, "abc", 3);
    assert_int_equal(blob_put(f->b, "", 0, digest, NULL), 0);
    assert_string_equal(digest, EMPTY);
    assert_content(f, EMPTY, "", 0);
    assert_int_equal(entries(f, "tmp"), 0);
}

static void pieces_make_the_same_blob(void **state)
{
    struct fixture *f = *state;
    struct blob_writer *w;
    char digest[65];
    int64_t size = -1;
    assert_int_equal(blob_begin(f->b, &w, NULL), 0);
    assert_int_equal(blob_append(w, "a", 1, NULL), 0);
    assert_int_equal(blob_append(w, "", 0, NULL), 0);
    assert_int_equal(blob_append(w, "bc", 2, NULL), 0);
    int fd;
    assert_int_equal(blob_open(f->b, ABC, &fd, &size, NULL), E_NOTFOUND);
    assert_int_equal(blob_commit(w, digest, &size, NULL), 0);
    assert_string_equal(digest, ABC);
    assert_int_equal(size, 3);
}

static void a_file_of_megabytes_goes_in_and_out(void **state)
{
    struct fixture *f = *state;
    size_t n = (3 << 20) + 17;
    CLEANUP(freep) char *content = xmalloc(n);
    for (size_t i = 0; i < n; i++)
        content[i] = (char)(i * 2654435761u >> 13);
    CLEANUP(freep) char *in = fs_join(f->scratch.top, "in");
    CLEANUP(freep) char *out = fs_join(f->scratch.top, "out");
    assert_int_equal(fs_write_atomic(in, content, n, 0600, NULL), 0);
    char digest[65];
    int64_t size;
    assert_int_equal(blob_put_file(f->b, in, digest, &size, NULL), 0);
    assert_int_equal(size, n);
    assert_int_equal(blob_export(f->b, digest, out, NULL), 0);
    struct buf b;
    assert_int_equal(fs_read(out, n, &b, NULL), 0);
    assert_int_equal(b.n, n);
    assert_memory_equal(b.p, content, n);
    buf_free(&b);
    assert_int_equal(blob_put_file(f->b, "/nonexistent", digest, &size, NULL), E_NOTFOUND);
}

/* A step may write to its copy: the blob must not notice. */
static void an_export_is_a_private_copy(void **state)
{
    struct fixture *f = *state;
    char digest[65];
    CLEANUP(freep) char *out = fs_join(f->scratch.top, "out");
    assert_int_equal(blob_put(f->b, "abc", 3, digest, NULL), 0);
    assert_int_equal(blob_export(f->b, digest, out, NULL), 0);
    int fd = open(out, O_WRONLY);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, "xyz", 3), 3);
    close(fd);
    assert_content(f, ABC, "abc", 3);
    assert_int_equal(blob_export(f->b, digest, out, NULL), 0); /* again, over the first */
}

static void an_aborted_blob_leaves_nothing(void **state)
{
    struct fixture *f = *state;
    struct blob_writer *w;
    assert_int_equal(blob_begin(f->b, &w, NULL), 0);
    assert_int_equal(blob_append(w, "abc", 3, NULL), 0);
    blob_abort(w);
    blob_abort(NULL);
    assert_int_equal(entries(f, "tmp"), 0);
    assert_int_equal(entries(f, "blobs"), 0);
}

static void equal_content_is_stored_once(void **state)
{
    struct fixture *f = *state;
    char digest[65];
    CLEANUP(freep) char *path = path_of(f, ABC);
    struct stat first, second;
    assert_int_equal(blob_put(f->b, "abc", 3, digest, NULL), 0);
    assert_int_equal(stat(path, &first), 0);
    assert_int_equal(blob_put(f->b, "abc", 3, digest, NULL), 0);
    assert_int_equal(stat(path, &second), 0);
    assert_int_equal(first.st_ino, second.st_ino);
    assert_int_equal(second.st_nlink, 1);
    assert_int_equal(entries(f, "blobs/ba"), 1);
}

static void *put_same(void *arg)
{
    struct fixture *f = arg;
    for (int i = 0; i < 50; i++) {
        char content[16], digest[65];
        int n = snprintf(content, sizeof(content), "blob %d", i);
        if (blob_put(f->b, content, (size_t)n, digest, NULL))
            return (void *)1;
        struct buf b;
        if (blob_read(f->b, digest, 100, &b, NULL))
            return (void *)1;
        buf_free(&b);
    }
    return NULL;
}

static void equal_writers_do_not_hurt_each_other(void **state)
{
    struct fixture *f = *state;
    pthread_t threads[8];
    for (int i = 0; i < 8; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, put_same, f), 0);
    for (int i = 0; i < 8; i++) {
        void *failed;
        pthread_join(threads[i], &failed);
        assert_null(failed);
    }
    assert_int_equal(entries(f, "tmp"), 0);
}

static void overwrite(const char *path, const char *content)
{
    assert_int_equal(chmod(path, 0600), 0);
    int fd = open(path, O_WRONLY | O_TRUNC);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, content, strlen(content)), strlen(content));
    close(fd);
}

static void changed_bytes_are_noticed(void **state)
{
    struct fixture *f = *state;
    char digest[65];
    CLEANUP(freep) char *path = path_of(f, ABC);
    CLEANUP(freep) char *out = fs_join(f->scratch.top, "out");
    assert_int_equal(blob_put(f->b, "abc", 3, digest, NULL), 0);
    overwrite(path, "abd");
    struct buf b;
    struct err err;
    assert_int_equal(blob_read(f->b, ABC, 10, &b, &err), E_CORRUPT);
    assert_non_null(strstr(err.msg, ABC));
    assert_int_equal(blob_export(f->b, ABC, out, NULL), E_CORRUPT);
    assert_false(fs_exists(out));
    assert_int_equal(entries(f, "../"), 1); /* no temporary copy either: only data/ */
}

/* A torn file (lost by a disk, not by us) is replaced when the content is stored again. */
static void a_torn_blob_is_repaired_by_its_content(void **state)
{
    struct fixture *f = *state;
    char digest[65];
    CLEANUP(freep) char *path = path_of(f, ABC);
    assert_int_equal(blob_put(f->b, "abc", 3, digest, NULL), 0);
    overwrite(path, "");
    assert_int_equal(blob_put(f->b, "abc", 3, digest, NULL), 0);
    assert_content(f, ABC, "abc", 3);
}

static void bounds_and_names_are_checked(void **state)
{
    struct fixture *f = *state;
    char digest[65];
    struct buf b;
    int fd;
    int64_t size;
    assert_int_equal(blob_put(f->b, "abc", 3, digest, NULL), 0);
    assert_int_equal(blob_read(f->b, ABC, 2, &b, NULL), E_TOOBIG);
    assert_int_equal(blob_read(f->b, EMPTY, 2, &b, NULL), E_NOTFOUND);
    static const char *const bad[] = {
        "", "abc", "../../../../../../../../../../../../../../../../../../../../../etc/passwd",
        "BA7816BF8F01CFEA414140DE5DAE2223B00361A396177A9CB410FF61F20015AD", ABC "0"};
    for (size_t i = 0; i < LENGTH(bad); i++) {
        assert_false(blob_digest_ok(str_from(bad[i])));
        assert_int_equal(blob_open(f->b, bad[i], &fd, &size, NULL), E_INVALID);
    }
    assert_true(blob_digest_ok(S(ABC)));
}

static void blobs_are_private_and_read_only(void **state)
{
    struct fixture *f = *state;
    char digest[65];
    struct stat st;
    CLEANUP(freep) char *path = path_of(f, ABC);
    CLEANUP(freep) char *dir = fs_dirname(path);
    assert_int_equal(blob_put(f->b, "abc", 3, digest, NULL), 0);
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0400);
    assert_int_equal(stat(dir, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0700);
}

/* One writer dies, one lives: opening the folder once more removes what the dead one left. */
static void only_dead_writers_are_cleaned_up_after(void **state)
{
    struct fixture *f = *state;
    CLEANUP(freep) char *other = xasprintf("%s/tmp/spool-of-somebody", f->scratch.dir);
    assert_int_equal(fs_write_atomic(other, "x", 1, 0600, NULL), 0);
    struct blob_writer *w;
    assert_int_equal(blob_begin(f->b, &w, NULL), 0);
    assert_int_equal(blob_append(w, "ab", 2, NULL), 0);
    pid_t pid = fork();
    if (pid == 0) {
        struct blobs *b;
        struct blob_writer *child;
        if (blobs_open(f->scratch.dir, &b, NULL) || blob_begin(b, &child, NULL) ||
            blob_append(child, "left behind", 11, NULL))
            _exit(1);
        raise(SIGKILL);
    }
    int status;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFSIGNALED(status));
    assert_int_equal(entries(f, "tmp"), 3);
    struct blobs *again;
    assert_int_equal(blobs_open(f->scratch.dir, &again, NULL), 0);
    blobs_close(again);
    assert_int_equal(entries(f, "tmp"), 2);
    assert_true(fs_exists(other));
    char digest[65];
    assert_int_equal(blob_append(w, "c", 1, NULL), 0);
    assert_int_equal(blob_commit(w, digest, NULL, NULL), 0);
    assert_content(f, ABC, "abc", 3);
}

/* The limit stands in for a full disk: the write fails, nothing half-made stays, the next fits. */
static void no_room_is_an_error_and_not_the_end(void **state)
{
    struct fixture *f = *state;
    struct rlimit was, small;
    char digest[65] = "same";
    CLEANUP(freep) char *big = xcalloc(1, 1 << 20);
    struct err err;
    getrlimit(RLIMIT_FSIZE, &was);
    small = was;
    small.rlim_cur = 64 << 10;
    signal(SIGXFSZ, SIG_IGN);
    setrlimit(RLIMIT_FSIZE, &small);
    int rc = blob_put(f->b, big, 1 << 20, digest, &err);
    int next = blob_put(f->b, "abc", 3, digest, NULL);
    setrlimit(RLIMIT_FSIZE, &was);
    assert_int_not_equal(rc, 0);
    assert_true(err.msg[0]);
    assert_int_equal(next, 0);
    assert_content(f, ABC, "abc", 3);
    assert_int_equal(entries(f, "tmp"), 0);
    assert_int_equal(entries(f, "blobs"), 1);
}

#define TEST(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(what_is_put_is_read),
        TEST(pieces_make_the_same_blob),
        TEST(a_file_of_megabytes_goes_in_and_out),
        TEST(an_export_is_a_private_copy),
        TEST(an_aborted_blob_leaves_nothing),
        TEST(equal_content_is_stored_once),
        TEST(equal_writers_do_not_hurt_each_other),
        TEST(changed_bytes_are_noticed),
        TEST(a_torn_blob_is_repaired_by_its_content),
        TEST(bounds_and_names_are_checked),
        TEST(blobs_are_private_and_read_only),
        TEST(only_dead_writers_are_cleaned_up_after),
        TEST(no_room_is_an_error_and_not_the_end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
