/* SPDX-License-Identifier: Apache-2.0
 *
 * A store on a disk that fails: fsync, reads, writes, no room, damaged pages.
 *
 * The program defines fsync, fdatasync, pread and pwrite itself. The dynamic linker gives its
 * definitions to SQLite too, so both the database and the blobs meet the same disk, and no product
 * code knows about it. */
#undef _FILE_OFFSET_BITS /* or pread and pread64 would be two definitions of one name */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "../unit/store/scratch.h"
#include "store/store.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>

/* ---- the disk */

static struct {
    const char *_Atomic name; /* the part of a path that is broken; NULL = all is well */
    _Atomic int sync_errno;   /* every fsync of it fails so, until mended */
    _Atomic int once_errno;   /* only the next fsync of it */
    _Atomic int read_errno;
    _Atomic int write_errno;
    _Atomic int64_t size_max; /* a write that ends beyond it finds no space; 0 = no bound */
    _Atomic int syncs;        /* attempted, of the broken part */
} disk;

static void mend(void)
{
    disk.name = NULL;
    disk.sync_errno = disk.once_errno = disk.read_errno = disk.write_errno = 0;
    disk.size_max = 0;
    disk.syncs = 0;
}

static bool broken(int fd)
{
    const char *name = disk.name;
    if (!name)
        return false;
    char link[64], path[512];
    snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
    ssize_t n = readlink(link, path, sizeof(path) - 1);
    if (n < 0)
        return false;
    path[n] = 0;
    size_t want = strlen(name);
    bool folder = name[want - 1] == '/';
    return folder ? strstr(path, name) != NULL
                  : (size_t)n >= want && strcmp(path + n - want, name) == 0;
}

static int sync_fd(long number, int fd)
{
    if (broken(fd)) {
        disk.syncs++;
        int once = atomic_exchange(&disk.once_errno, 0), always = disk.sync_errno;
        if (once || always) {
            errno = once ? once : always;
            return -1;
        }
    }
    return (int)syscall(number, fd);
}

int fsync(int fd)
{
    return sync_fd(SYS_fsync, fd);
}

int fdatasync(int fd)
{
    return sync_fd(SYS_fdatasync, fd);
}

ssize_t pread64(int fd, void *p, size_t n, off64_t at)
{
    if (disk.read_errno && broken(fd)) {
        errno = disk.read_errno;
        return -1;
    }
    return syscall(SYS_pread64, fd, p, n, at);
}

ssize_t pread(int fd, void *p, size_t n, off_t at)
{
    return pread64(fd, p, n, at);
}

ssize_t pwrite64(int fd, const void *p, size_t n, off64_t at)
{
    int failed = disk.write_errno;
    int64_t max = disk.size_max;
    if ((failed || max) && broken(fd)) {
        errno = failed ? failed : ENOSPC;
        if (failed || at + (int64_t)n > max)
            return -1;
    }
    return syscall(SYS_pwrite64, fd, p, n, at);
}

ssize_t pwrite(int fd, const void *p, size_t n, off_t at)
{
    return pwrite64(fd, p, n, at);
}

/* ---- the store on it */

static const struct migration steps[] = {
    {1, "CREATE TABLE things (name TEXT PRIMARY KEY, content TEXT)"}};

struct fixture {
    struct scratch scratch;
    struct store *s;
};

static void open_store(struct fixture *f)
{
    struct store_config config = {f->scratch.dir, steps, LENGTH(steps)};
    struct err err = {0};
    if (store_open(&config, &f->s, &err))
        fail_msg("%s", err.msg);
}

static void reopen(struct fixture *f)
{
    store_close(f->s);
    mend();
    open_store(f);
}

static int setup(void **state)
{
    struct fixture *f = xcalloc(1, sizeof(*f));
    scratch_make(&f->scratch);
    mend();
    *state = f;
    open_store(f);
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;
    mend();
    store_close(f->s);
    scratch_remove(&f->scratch);
    free(f);
    return 0;
}

struct thing {
    const char *name;
    size_t size;
};

static int add(struct tx *tx, void *arg, struct err *err)
{
    const struct thing *t = arg;
    CLEANUP(freep) char *content = xmalloc(t->size + 1);
    memset(content, 'x', t->size);
    int rc = tx_exec(tx, err, "INSERT INTO things (name, content) VALUES ($1, $2)", "sv", t->name,
                     str_n(content, t->size));
    return rc ? rc : tx_event(tx, "p", "thing.added", t->name, NULL, err);
}

static int put(struct fixture *f, const char *name, size_t size, struct err *err)
{
    return store_write(f->s, add, &(struct thing){name, size}, err);
}

static int count(struct tx *tx, void *arg, struct err *err)
{
    CLEANUP(rows_freep) struct rows *r = NULL;
    int rc = tx_one(tx, &r, err, "SELECT COUNT(*), COUNT(content) FROM things", "");
    if (!rc)
        *(int64_t *)arg = rows_i64(r, 0);
    return rc;
}

static int64_t things(struct fixture *f)
{
    int64_t n = -1;
    assert_int_equal(store_read(f->s, count, &n, NULL), 0);
    return n;
}

static void assert_no_event_gaps(struct fixture *f)
{
    CLEANUP(arena_freep) struct arena *a = arena_new(0);
    struct event *e;
    size_t n;
    assert_int_equal(store_events(f->s, NULL, 0, 10000, a, &e, &n, NULL), 0);
    for (size_t i = 0; i < n; i++)
        assert_int_equal(e[i].seq, i + 1);
    assert_int_equal(store_last_event(f->s), n);
    assert_int_equal(n, things(f));
}

static void assert_read_only(struct fixture *f)
{
    char reason[256];
    struct err err;
    assert_true(store_read_only(f->s, reason));
    assert_true(reason[0]);
    assert_int_equal(put(f, "refused", 1, &err), E_READONLY);
    assert_non_null(strstr(err.msg, reason));
    assert_true(err.hint[0]);
}

static void a_failed_fsync_is_never_tried_again(void **state)
{
    struct fixture *f = *state;
    struct err err;
    assert_int_equal(put(f, "before", 10, NULL), 0);
    disk.once_errno = EIO; /* the next fsync would report success, for pages that are gone */
    disk.name = "tenon.db-wal";
    assert_int_equal(put(f, "lost", 10, &err), E_IO);
    assert_non_null(strstr(err.msg, "durable"));
    assert_int_equal(disk.syncs, 1);
    assert_read_only(f);
    assert_int_equal(things(f), 1); /* reading goes on */
    store_close(f->s);
    assert_int_equal(disk.syncs, 1); /* not even when closing */
    mend();
    open_store(f);
    assert_false(store_read_only(f->s, NULL));
    assert_true(things(f) == 1 || things(f) == 2); /* what was not acknowledged may be there */
    assert_int_equal(put(f, "after", 10, NULL), 0);
    assert_no_event_gaps(f);
}

static void no_space_during_fsync_is_a_failed_fsync(void **state)
{
    struct fixture *f = *state;
    disk.once_errno = ENOSPC;
    disk.name = "tenon.db-wal";
    assert_int_equal(put(f, "lost", 10, NULL), E_IO);
    assert_read_only(f);
}

struct writer {
    struct fixture *f;
    int number;
    int acknowledged, unsure, refused;
};

static void *write_until_refused(void *arg)
{
    struct writer *w = arg;
    for (int i = 0; !w->refused && !w->unsure; i++) {
        char name[32];
        snprintf(name, sizeof(name), "%d-%d", w->number, i);
        int rc = put(w->f, name, 10, NULL);
        w->acknowledged += rc == 0;
        w->unsure += rc == E_IO;
        w->refused += rc == E_READONLY;
        if (rc && rc != E_IO && rc != E_READONLY)
            abort();
    }
    return NULL;
}

static void nobody_in_a_group_whose_fsync_failed_is_acknowledged(void **state)
{
    struct fixture *f = *state;
    pthread_t threads[16];
    struct writer writers[16];
    for (int i = 0; i < 16; i++) {
        writers[i] = (struct writer){f, i, 0, 0, 0};
        assert_int_equal(pthread_create(&threads[i], NULL, write_until_refused, &writers[i]), 0);
    }
    usleep(20000);
    disk.once_errno = EIO;
    disk.name = "tenon.db-wal";
    int64_t acknowledged = 0, unsure = 0;
    for (int i = 0; i < 16; i++) {
        pthread_join(threads[i], NULL);
        acknowledged += writers[i].acknowledged;
        unsure += writers[i].unsure;
    }
    assert_true(unsure > 0);
    assert_int_equal(disk.syncs, 1);
    assert_read_only(f);
    assert_int_equal(things(f), acknowledged);
    reopen(f);
    assert_in_range(things(f), acknowledged, acknowledged + unsure);
    assert_no_event_gaps(f);
}

static void a_failed_write_is_damage(void **state)
{
    struct fixture *f = *state;
    assert_int_equal(put(f, "before", 10, NULL), 0);
    disk.write_errno = EIO;
    disk.name = "tenon.db-wal";
    assert_int_equal(put(f, "lost", 10, NULL), E_IO);
    assert_read_only(f);
    reopen(f);
    assert_int_equal(things(f), 1);
    assert_int_equal(put(f, "after", 10, NULL), 0);
    assert_no_event_gaps(f);
}

static void a_failed_read_is_damage(void **state)
{
    struct fixture *f = *state;
    assert_int_equal(put(f, "before", 1 << 20, NULL), 0);
    reopen(f);
    disk.read_errno = EIO;
    disk.name = "tenon.db";
    int64_t n;
    struct err err;
    assert_int_equal(store_read(f->s, count, &n, &err), E_IO);
    assert_read_only(f);
    reopen(f);
    assert_int_equal(things(f), 1);
}

static void a_full_disk_refuses_and_recovers(void **state)
{
    struct fixture *f = *state;
    struct err err;
    assert_int_equal(put(f, "before", 10, NULL), 0);
    static const int full[] = {ENOSPC, EDQUOT};
    for (size_t i = 0; i < LENGTH(full); i++) {
        disk.write_errno = full[i];
        disk.name = "tenon.db-wal";
        assert_int_equal(put(f, "no room", 10, &err), E_IO);
        assert_non_null(strstr(err.msg, "space"));
        assert_true(err.hint[0]);
        assert_false(store_read_only(f->s, NULL));
        assert_int_equal(things(f), 1 + (int)i);
        mend();
        assert_int_equal(put(f, i ? "second" : "first", 10, NULL), 0);
    }
    assert_no_event_gaps(f);
    reopen(f);
    assert_int_equal(things(f), 3);
}

struct crowded {
    struct fixture *f;
    char name[16];
    size_t size;
    int rc;
};

static void *put_one(void *arg)
{
    struct crowded *c = arg;
    c->rc = put(c->f, c->name, c->size, NULL);
    return NULL;
}

static _Atomic bool hold, holding;

static int wait_for_the_others(struct tx *tx, void *arg, struct err *err)
{
    (void)tx, (void)arg, (void)err;
    holding = true;
    while (hold)
        usleep(1000);
    return 0;
}

static void *hold_main(void *arg)
{
    return (void *)(intptr_t)store_write(((struct fixture *)arg)->s, wait_for_the_others, NULL,
                                         NULL);
}

/* One write of a group is larger than what is left of the disk: that one is refused. `size` below
 * SQLite's cache makes the commit fail, above it a statement. */
static void only_what_does_not_fit_is_refused(struct fixture *f, size_t size)
{
    enum { CROWD = 9, BIG = 4 };
    pthread_t holder, threads[CROWD];
    struct crowded crowd[CROWD];
    hold = true;
    holding = false;
    assert_int_equal(pthread_create(&holder, NULL, hold_main, f), 0);
    while (!holding) /* nobody may come before */
        usleep(1000);
    for (int i = 0; i < CROWD; i++) {
        crowd[i] = (struct crowded){.f = f, .size = i == BIG ? size : 10, .rc = -1};
        snprintf(crowd[i].name, sizeof(crowd[i].name), "c%d", i);
        assert_int_equal(pthread_create(&threads[i], NULL, put_one, &crowd[i]), 0);
    }
    usleep(50000);
    disk.size_max = 1 << 20;
    disk.name = "tenon.db-wal";
    hold = false;
    void *rc;
    pthread_join(holder, &rc);
    assert_null(rc);
    for (int i = 0; i < CROWD; i++) {
        pthread_join(threads[i], NULL);
        assert_int_equal(crowd[i].rc, i == BIG ? E_IO : 0);
    }
    assert_false(store_read_only(f->s, NULL));
    assert_int_equal(things(f), CROWD - 1);
    assert_no_event_gaps(f);
    reopen(f);
    assert_int_equal(things(f), CROWD - 1);
    assert_no_event_gaps(f);
}

static void a_group_too_large_for_the_disk_splits_at_commit(void **state)
{
    only_what_does_not_fit_is_refused(*state, 2 << 20);
}

static void a_group_too_large_for_the_disk_splits_at_a_statement(void **state)
{
    only_what_does_not_fit_is_refused(*state, 20 << 20);
}

static void a_file_size_limit_is_a_full_disk(void **state)
{
    struct fixture *f = *state;
    struct rlimit was, small;
    struct err err;
    getrlimit(RLIMIT_FSIZE, &was);
    small = was;
    small.rlim_cur = 512 << 10;
    signal(SIGXFSZ, SIG_IGN);
    assert_int_equal(put(f, "before", 10, NULL), 0);
    setrlimit(RLIMIT_FSIZE, &small);
    int rc = put(f, "no room", 1 << 20, &err);
    setrlimit(RLIMIT_FSIZE, &was);
    assert_int_equal(rc, E_IO);
    assert_false(store_read_only(f->s, NULL));
    assert_int_equal(put(f, "after", 1 << 20, NULL), 0);
    assert_int_equal(things(f), 2);
    assert_no_event_gaps(f);
}

/* Everything acknowledged is in the log, so a checkpoint that fails loses nothing. */
static void a_failed_checkpoint_loses_nothing(void **state)
{
    struct fixture *f = *state;
    disk.once_errno = EIO;
    disk.name = "tenon.db";
    int acknowledged = 0, rc = 0;
    while (acknowledged < 100 && !rc) {
        char name[16];
        snprintf(name, sizeof(name), "%d", acknowledged);
        rc = put(f, name, 200 << 10, NULL);
        acknowledged += !rc;
    }
    assert_int_equal(rc, E_READONLY);
    assert_int_equal(disk.syncs, 1);
    assert_int_equal(things(f), acknowledged);
    store_close(f->s);
    assert_int_equal(disk.syncs, 1);
    mend();
    open_store(f);
    assert_int_equal(things(f), acknowledged);
    assert_no_event_gaps(f);
}

static void a_checkpoint_without_space_is_tried_later(void **state)
{
    struct fixture *f = *state;
    disk.size_max = 256 << 10;
    disk.name = "tenon.db";
    for (int i = 0; i < 50; i++) {
        char name[16];
        snprintf(name, sizeof(name), "%d", i);
        assert_int_equal(put(f, name, 200 << 10, NULL), 0);
    }
    assert_false(store_read_only(f->s, NULL));
    reopen(f);
    assert_int_equal(things(f), 50);
}

static void damage_file(struct fixture *f, const char *name, off_t from, size_t n)
{
    CLEANUP(freep) char *path = fs_join(f->scratch.dir, name);
    int fd = open(path, O_WRONLY);
    assert_true(fd >= 0);
    CLEANUP(freep) char *noise = xmalloc(n);
    memset(noise, 0xa5, n);
    assert_int_equal(pwrite(fd, noise, n, from), n);
    close(fd);
}

static void a_corrupt_page_is_damage(void **state)
{
    struct fixture *f = *state;
    for (int i = 0; i < 200; i++) {
        char name[16];
        snprintf(name, sizeof(name), "%d", i);
        assert_int_equal(put(f, name, 1000, NULL), 0);
    }
    store_close(f->s);
    damage_file(f, "tenon.db", 10 * 4096, 30 * 4096);
    open_store(f);
    int64_t n;
    assert_int_equal(store_read(f->s, count, &n, NULL), E_CORRUPT);
    assert_read_only(f);
}

static void something_else_than_a_database_is_refused(void **state)
{
    struct fixture *f = *state;
    store_close(f->s);
    f->s = NULL;
    damage_file(f, "tenon.db", 0, 4096);
    struct store_config config = {f->scratch.dir, steps, LENGTH(steps)};
    struct err err;
    assert_int_equal(store_open(&config, &f->s, &err), E_CORRUPT);
    assert_non_null(strstr(err.msg, "tenon.db"));
    assert_null(f->s);
}

static void a_torn_end_of_the_log_is_ignored(void **state)
{
    struct fixture *f = *state;
    store_close(f->s); /* no threads while forking */
    f->s = NULL;
    pid_t pid = fork(); /* a process that dies leaves its log behind */
    if (pid == 0) {
        struct fixture child = {.scratch = f->scratch};
        snprintf(child.scratch.dir, sizeof(child.scratch.dir), "%s/torn", f->scratch.top);
        open_store(&child);
        _exit(put(&child, "a", 10, NULL) || put(&child, "b", 10, NULL) ? 1 : 0);
    }
    int status;
    waitpid(pid, &status, 0);
    assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    struct fixture torn = {.scratch = f->scratch};
    snprintf(torn.scratch.dir, sizeof(torn.scratch.dir), "%s/torn", f->scratch.top);
    CLEANUP(freep) char *log = fs_join(torn.scratch.dir, "tenon.db-wal");
    int64_t size = fs_size(log);
    assert_true(size > 4096);
    assert_int_equal(truncate(log, size - 2000), 0); /* within the commit of b */
    open_store(&torn);
    assert_int_equal(things(&torn), 1);
    assert_no_event_gaps(&torn);
    store_close(torn.s);
}

static void a_blob_whose_fsync_failed_is_not_stored(void **state)
{
    struct fixture *f = *state;
    struct blobs *b = store_blobs(f->s);
    char digest[65] = "same";
    struct err err;
    disk.once_errno = EIO;
    disk.name = "/data/tmp/";
    assert_int_equal(blob_put(b, "abc", 3, digest, &err), E_IO);
    assert_string_equal(digest, "same");
    assert_read_only(f);
    assert_int_equal(blob_put(b, "abc", 3, digest, &err), E_READONLY);
    reopen(f);
    assert_int_equal(blob_put(store_blobs(f->s), "abc", 3, digest, &err), 0);
}

/* The link is there but its folder is not known to be on the disk: no second fsync may say so. */
static void a_blob_whose_folder_cannot_be_synced_is_not_acknowledged(void **state)
{
    struct fixture *f = *state;
    struct blobs *b = store_blobs(f->s);
    char digest[65];
    struct err err;
    assert_int_equal(blob_put(b, "abc", 3, digest, &err), 0);
    disk.sync_errno = EIO;
    disk.name = "/blobs/ba";
    assert_int_equal(blob_put(b, "abc", 3, digest, &err), E_IO);
    assert_read_only(f);
    mend();
    assert_int_equal(blob_put(b, "abc", 3, digest, &err), E_READONLY);
}

#define TEST(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_failed_fsync_is_never_tried_again),
        TEST(no_space_during_fsync_is_a_failed_fsync),
        TEST(nobody_in_a_group_whose_fsync_failed_is_acknowledged),
        TEST(a_failed_write_is_damage),
        TEST(a_failed_read_is_damage),
        TEST(a_full_disk_refuses_and_recovers),
        TEST(a_group_too_large_for_the_disk_splits_at_commit),
        TEST(a_group_too_large_for_the_disk_splits_at_a_statement),
        TEST(a_file_size_limit_is_a_full_disk),
        TEST(a_failed_checkpoint_loses_nothing),
        TEST(a_checkpoint_without_space_is_tried_later),
        TEST(a_corrupt_page_is_damage),
        TEST(something_else_than_a_database_is_refused),
        TEST(a_torn_end_of_the_log_is_ignored),
        TEST(a_blob_whose_fsync_failed_is_not_stored),
        TEST(a_blob_whose_folder_cannot_be_synced_is_not_acknowledged),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
