/* SPDX-License-Identifier: Apache-2.0
 *
 * What is particular to the SQLite backend: its files, and a log that readers cannot make grow. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "scratch.h"
#include "store/store.h"

#include <pthread.h>
#include <stdatomic.h>
#include <sys/stat.h>

static const struct migration steps[] = {
    {1, "CREATE TABLE pages (n BIGINT PRIMARY KEY, content TEXT)"}};

struct fixture {
    struct scratch scratch;
    struct store *s;
};

static int setup(void **state)
{
    struct fixture *f = xcalloc(1, sizeof(*f));
    scratch_make(&f->scratch);
    *state = f;
    struct store_config config = {f->scratch.dir, steps, LENGTH(steps)};
    return store_open(&config, &f->s, NULL);
}

static int teardown(void **state)
{
    struct fixture *f = *state;
    store_close(f->s);
    scratch_remove(&f->scratch);
    free(f);
    return 0;
}

static int add_page(struct tx *tx, void *arg, struct err *err)
{
    static const char content[64 << 10];
    return tx_exec(tx, err, "INSERT INTO pages (n, content) VALUES ($1, $2)", "iv", *(int64_t *)arg,
                   str_n(content, sizeof(content)));
}

static void assert_mode(struct fixture *f, const char *name, mode_t mode)
{
    CLEANUP(freep) char *path = fs_join(f->scratch.dir, name);
    struct stat st;
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mode & 0777, mode);
}

static void files_are_for_their_owner(void **state)
{
    struct fixture *f = *state;
    int64_t n = 1;
    assert_int_equal(store_write(f->s, add_page, &n, NULL), 0);
    assert_mode(f, "", 0700);
    assert_mode(f, "blobs", 0700);
    assert_mode(f, "tmp", 0700);
    assert_mode(f, "tenon.db", 0600);
    assert_mode(f, "tenon.db-wal", 0600);
    assert_mode(f, "tenon.db-shm", 0600);
    assert_mode(f, "tenon.lock", 0600);
}

static void closing_folds_the_log_into_the_database(void **state)
{
    struct fixture *f = *state;
    CLEANUP(freep) char *log = fs_join(f->scratch.dir, "tenon.db-wal");
    int64_t n = 1;
    assert_int_equal(store_write(f->s, add_page, &n, NULL), 0);
    store_close(f->s);
    f->s = NULL;
    assert_false(fs_exists(log));
}

static int read_slowly(struct tx *tx, void *arg, struct err *err)
{
    (void)arg;
    CLEANUP(rows_freep) struct rows *r = NULL;
    int rc = tx_one(tx, &r, err, "SELECT COUNT(*) FROM pages", "");
    usleep(20000);
    return rc;
}

static atomic_bool stop;

static void *keep_reading(void *arg)
{
    while (!stop)
        store_read(arg, read_slowly, NULL, NULL);
    return NULL;
}

/* Four readers that take turns leave no moment without one; the log must start over all the same.
 */
static void readers_cannot_make_the_log_grow(void **state)
{
    struct fixture *f = *state;
    pthread_t readers[4];
    CLEANUP(freep) char *log = fs_join(f->scratch.dir, "tenon.db-wal");
    stop = false;
    for (size_t i = 0; i < LENGTH(readers); i++) {
        assert_int_equal(pthread_create(&readers[i], NULL, keep_reading, f->s), 0);
        usleep(5000);
    }
    int64_t largest = 0;
    for (int64_t n = 0; n < 3000; n++) { /* about 200 MB */
        assert_int_equal(store_write(f->s, add_page, &n, NULL), 0);
        largest = MAX(largest, fs_size(log));
    }
    stop = true;
    for (size_t i = 0; i < LENGTH(readers); i++)
        pthread_join(readers[i], NULL);
    assert_true(largest > 0);
    assert_true(largest < 100 << 20);
}

#define TEST(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(files_are_for_their_owner),
        TEST(closing_folds_the_log_into_the_database),
        TEST(readers_cannot_make_the_log_grow),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
