/* SPDX-License-Identifier: Apache-2.0
 *
 * kill -9 at random moments: whatever was acknowledged is there, whole, and nothing is half-made.
 *
 *     store_crash [CYCLES [SEED]]
 *
 * A child writes from several threads. Each write is one transaction: a row, the thread's counter,
 * an event, for some a blob put before; then the child says over a pipe what was acknowledged. The
 * parent kills it, opens the store itself and compares. Some cycles start on an empty directory and
 * are killed within milliseconds, so that they die while it is made; some die while they upgrade
 * the schema; some are killed again before anybody looked. */
#include "store/store.h"
#include "sys/clock.h"
#include "sys/fs.h"

#include <dirent.h>
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define THREADS 6
#define BLOB_EVERY 8
#define CYCLES_PER_DIRECTORY 25

#define CHECK(condition, ...)                                                                      \
    do {                                                                                           \
        if (!(condition)) {                                                                        \
            fprintf(stderr, "FAILED at cycle %d: ", cycle);                                        \
            fprintf(stderr, __VA_ARGS__);                                                          \
            fprintf(stderr, "\n  %s:%d: %s\n", __FILE__, __LINE__, #condition);                    \
            exit(1);                                                                               \
        }                                                                                          \
    } while (0)

static const struct migration steps[] = {
    {1, "CREATE TABLE entries (thread BIGINT NOT NULL, n BIGINT NOT NULL, digest TEXT,"
        " filler TEXT NOT NULL, PRIMARY KEY (thread, n))"},
    {2, "CREATE TABLE counters (thread BIGINT PRIMARY KEY, n BIGINT NOT NULL)"},
    {3, "CREATE TABLE copies AS SELECT * FROM entries;"
        "CREATE INDEX copies_by_filler ON copies (filler, n);"},
};

static size_t step_count = 2; /* the third is the upgrade that some children die in */

static int cycle;
static char top[64], dir[80];

struct entry {
    int64_t thread, n;
};

/* ---- the child: writes until it is killed */

static struct store *store;
static int report;

static void content_of(const struct entry *e, char ret[4096])
{
    for (int at = 0; at < 4000;)
        at += snprintf(ret + at, 64, "thread %d entry %d;", (int)e->thread, (int)e->n);
}

struct job {
    struct entry entry;
    char digest[65];
};

static int add_entry(struct tx *tx, void *arg, struct err *err)
{
    static const char filler[] = "................................................................"
                                 "................................................................";
    struct job *j = arg;
    const struct entry *e = &j->entry;
    int rc =
        tx_exec(tx, err, "INSERT INTO entries (thread, n, digest, filler) VALUES ($1, $2, $3, $4)",
                "iiss", e->thread, e->n, j->digest[0] ? j->digest : NULL, filler);
    if (!rc)
        rc = tx_exec(tx, err,
                     "INSERT INTO counters (thread, n) VALUES ($1, $2)"
                     " ON CONFLICT (thread) DO UPDATE SET n = $2",
                     "ii", e->thread, e->n);
    if (rc)
        return rc;
    CLEANUP(json_freep)
    json_t *data = json_pack("{s:I,s:I}", "thread", (json_int_t)e->thread, "n", (json_int_t)e->n);
    return tx_event(tx, "crash", "entry.added", "entry", data, err);
}

static int fail_after_writing(struct tx *tx, void *arg, struct err *err)
{
    int rc = add_entry(tx, arg, err);
    return rc ? rc : err_set(err, E_INVALID, "rolled back on purpose");
}

static int read_counter(struct tx *tx, void *arg, struct err *err)
{
    struct entry *e = arg;
    CLEANUP(rows_freep) struct rows *r = NULL;
    int rc = tx_one(tx, &r, err, "SELECT n FROM counters WHERE thread = $1", "i", e->thread);
    e->n = rc ? 0 : rows_i64(r, 0);
    return rc == E_NOTFOUND ? 0 : rc;
}

static void *write_entries(void *arg)
{
    struct job j = {.entry = {.thread = (intptr_t)arg}};
    struct entry *e = &j.entry;
    char content[4096];
    if (store_read(store, read_counter, e, NULL))
        _exit(2);
    for (;;) {
        e->n++;
        j.digest[0] = 0;
        if (e->n % BLOB_EVERY == 0) {
            content_of(e, content);
            if (blob_put(store_blobs(store), content, strlen(content), j.digest, NULL))
                _exit(2);
        }
        if (e->n % 5 == 0 && store_write(store, fail_after_writing, &j, NULL) != E_INVALID)
            _exit(2);
        if (store_write(store, add_entry, &j, NULL))
            _exit(2);
        if (write(report, e, sizeof(*e)) != sizeof(*e))
            _exit(2);
    }
    return NULL;
}

static int open_store(struct store **ret, struct err *err)
{
    struct store_config config = {dir, steps, step_count};
    return store_open(&config, ret, err);
}

static void child_main(int fd)
{
    report = fd;
    struct err err;
    if (open_store(&store, &err)) {
        fprintf(stderr, "child: %s\n", err.msg);
        _exit(2);
    }
    pthread_t threads[THREADS];
    for (intptr_t i = 0; i < THREADS; i++)
        pthread_create(&threads[i], NULL, write_entries, (void *)i);
    pthread_join(threads[0], NULL);
}

/* ---- the parent: kills, then looks */

static int64_t acknowledged[THREADS]; /* in this directory, by any child so far */
static int64_t total;
static int upgrades[2];    /* died before and after the commit */
static int64_t seen_event; /* events up to here have been compared */

static uint64_t random_state;

static unsigned below(unsigned n)
{
    random_state = random_state * 6364136223846793005u + 1442695040888963407u;
    return (unsigned)(random_state >> 33) % n;
}

static void take_reports(int fd, int64_t until_ns)
{
    struct entry e;
    for (;;) {
        int64_t left = until_ns - clock_mono_ns();
        struct pollfd p = {.fd = fd, .events = POLLIN};
        struct timespec wait = {left / 1000000000, left % 1000000000};
        if (left <= 0 || ppoll(&p, 1, &wait, NULL) == 0)
            return;
        if (read(fd, &e, sizeof(e)) != sizeof(e))
            return; /* the end: the child is gone */
        CHECK(e.n > acknowledged[e.thread], "entry %d of thread %d came again", (int)e.n,
              (int)e.thread);
        acknowledged[e.thread] = e.n;
        total++;
    }
}

static void run_and_kill(int64_t delay_ns)
{
    int fds[2];
    CHECK(pipe(fds) == 0, "pipe: %s", strerror(errno));
    int64_t until = clock_mono_ns() + delay_ns;
    pid_t pid = fork();
    if (pid == 0) {
        close(fds[0]);
        child_main(fds[1]);
        _exit(2);
    }
    close(fds[1]);
    take_reports(fds[0], until);
    kill(pid, SIGKILL);
    int status;
    waitpid(pid, &status, 0);
    CHECK(WIFSIGNALED(status), "the child ended by itself with status %d", WEXITSTATUS(status));
    take_reports(fds[0], INT64_MAX);
    close(fds[0]);
}

static int64_t number(struct tx *tx, const char *sql, int64_t arg, struct err *err)
{
    CLEANUP(rows_freep) struct rows *r = NULL;
    int rc = tx_one(tx, &r, err, sql, "i", arg);
    CHECK(rc == 0, "%s: %s", sql, err->msg);
    return rows_i64(r, 0);
}

static int check_rows(struct tx *tx, void *arg, struct err *err)
{
    struct store *s = arg;
    int64_t all = 0;
    for (int64_t t = 0; t < THREADS; t++) {
        int64_t counter =
            number(tx, "SELECT COALESCE(MAX(n), 0) FROM counters WHERE thread = $1", t, err);
        int64_t rows = number(tx, "SELECT COUNT(*) FROM entries WHERE thread = $1", t, err);
        int64_t last =
            number(tx, "SELECT COALESCE(MAX(n), 0) FROM entries WHERE thread = $1", t, err);
        CHECK(counter >= acknowledged[t], "thread %d: %lld acknowledged, %lld there", (int)t,
              (long long)acknowledged[t], (long long)counter);
        CHECK(rows == counter && last == counter,
              "thread %d: half-made: counter %lld, rows %lld, last %lld", (int)t,
              (long long)counter, (long long)rows, (long long)last);
        acknowledged[t] = counter; /* the next child goes on from here */
        all += rows;
    }
    int64_t events = number(tx, "SELECT COUNT(*) FROM events WHERE seq > $1", 0, err);
    CHECK(events == all, "%lld rows but %lld events", (long long)all, (long long)events);
    CHECK(store_last_event(s) == events, "the last event is %lld of %lld",
          (long long)store_last_event(s), (long long)events);
    return 0;
}

struct lookup {
    struct entry entry;
    char digest[65];
};

static int find_entry(struct tx *tx, void *arg, struct err *err)
{
    struct lookup *l = arg;
    CLEANUP(rows_freep) struct rows *r = NULL;
    int rc = tx_one(tx, &r, err, "SELECT digest FROM entries WHERE thread = $1 AND n = $2", "ii",
                    l->entry.thread, l->entry.n);
    CHECK(rc == 0, "an event without its entry: %s", err->msg);
    snprintf(l->digest, sizeof(l->digest), "%.*s", STR(rows_str(r, 0)));
    return 0;
}

static void check_blob(struct store *s, const struct lookup *l)
{
    char content[4096];
    struct buf b;
    struct err err;
    CHECK(!l->digest[0] == (l->entry.n % BLOB_EVERY != 0), "an entry with the wrong blob");
    if (!l->digest[0])
        return;
    content_of(&l->entry, content);
    int rc = blob_read(store_blobs(s), l->digest, sizeof(content), &b, &err);
    CHECK(rc == 0, "%s", err.msg);
    CHECK(str_is(buf_view(&b), content), "blob %s has other content", l->digest);
    buf_free(&b);
}

static void check_events(struct store *s)
{
    for (;;) {
        CLEANUP(arena_freep) struct arena *a = arena_new(0);
        struct event *e;
        size_t n;
        struct err err;
        int rc = store_events(s, "crash", seen_event, 1000, a, &e, &n, &err);
        CHECK(rc == 0, "%s", err.msg);
        for (size_t i = 0; i < n; i++) {
            CHECK(e[i].seq == ++seen_event, "event %lld after %lld", (long long)e[i].seq,
                  (long long)seen_event - 1);
            CLEANUP(json_freep) json_t *data = NULL;
            CHECK(json_parse(str_from(e[i].data), &data, &err) == 0, "%s", err.msg);
            struct lookup l = {.entry = {json_i(data, "thread"), json_i(data, "n")}};
            rc = store_read(s, find_entry, &l, &err);
            CHECK(rc == 0, "%s", err.msg);
            check_blob(s, &l);
        }
        if (n == 0)
            return;
    }
}

static void check_no_leftovers(void)
{
    CLEANUP(freep) char *tmp = fs_join(dir, "tmp");
    DIR *d = opendir(tmp);
    CHECK(d, "%s: %s", tmp, strerror(errno));
    struct dirent *e;
    while ((e = readdir(d)))
        CHECK(e->d_name[0] == '.', "%s is left in tmp", e->d_name);
    closedir(d);
}

static void look(void)
{
    struct store *s;
    struct err err = {0};
    int rc = open_store(&s, &err);
    CHECK(rc == 0, "open: %s", err.msg);
    check_no_leftovers();
    rc = store_read(s, check_rows, s, &err);
    CHECK(rc == 0, "%s", err.msg);
    check_events(s);
    store_close(s);
}

static int count_copies(struct tx *tx, void *arg, struct err *err)
{
    CLEANUP(rows_freep) struct rows *r = NULL;
    int rc = tx_one(tx, &r, err, "SELECT COUNT(*) FROM copies", "");
    if (!rc)
        *(int64_t *)arg = rows_i64(r, 0);
    return rc;
}

/* Killed while it upgrades: the old program opens it and finds the old schema, or is told by its
 * version and the new one finds the new schema whole. */
static void kill_during_upgrade(void)
{
    struct store *s;
    struct err err = {0};
    int64_t copies = -1;
    step_count = 3;
    run_and_kill((int64_t)below(30000) * 1000);
    step_count = 2;
    int rc = open_store(&s, &err);
    bool upgraded = rc == E_CONFLICT;
    if (upgraded) {
        step_count = 3;
        rc = open_store(&s, &err);
    }
    CHECK(rc == 0, "open after an upgrade that died: %s", err.msg);
    rc = store_read(s, count_copies, &copies, &err);
    CHECK((rc == 0) == upgraded, "a half-made upgrade: %s", err.msg);
    store_close(s);
    upgrades[upgraded]++;
}

static void fresh_directory(void)
{
    step_count = 2;
    fs_remove_tree(dir, NULL);
    memset(acknowledged, 0, sizeof(acknowledged));
    seen_event = 0;
}

int main(int argc, char **argv)
{
    int cycles = argc > 1 ? atoi(argv[1]) : 40, looked = 0;
    uint64_t seed = argc > 2 ? strtoull(argv[2], NULL, 10) : (uint64_t)clock_mono_ns();
    random_state = seed;
    snprintf(top, sizeof(top), "/tmp/tenon-crash-XXXXXX");
    if (!mkdtemp(top))
        return 1;
    snprintf(dir, sizeof(dir), "%s/data", top);
    printf("seed %llu\n", (unsigned long long)seed);
    fflush(stdout);
    for (cycle = 0; cycle < cycles; cycle++) {
        bool fresh = cycle % CYCLES_PER_DIRECTORY == 0 || below(5) == 0;
        if (fresh)
            fresh_directory();
        unsigned most_us = fresh && below(2) ? 8000 : 150000;
        if (!fresh && step_count == 2 && below(8) == 0)
            kill_during_upgrade();
        else
            run_and_kill((int64_t)below(most_us) * 1000);
        if (below(4) == 0 && cycle + 1 < cycles)
            continue; /* killed again before anybody looked */
        look();
        looked++;
    }
    fs_remove_tree(top, NULL);
    printf("%d kills, %d looks, %lld acknowledged writes, none lost; upgrades killed before their "
           "commit: %d, after: %d\n",
           cycles, looked, (long long)total, upgrades[0], upgrades[1]);
    return total > 0 ? 0 : 1;
}
