/* SPDX-License-Identifier: Apache-2.0
 *
 * What every backend of the store must do, run over the table of backends at the bottom. A new
 * backend adds a row. Only the public interface is used, apart from choosing the backend. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "scratch.h"
#include "store/store_int.h"

static const struct store_backend *backend; /* the row being tested */

static const struct migration steps[] = {
    {1, "CREATE TABLE things (name TEXT PRIMARY KEY, n BIGINT NOT NULL DEFAULT 0,"
        " x DOUBLE PRECISION, note TEXT);"},
    {2, "CREATE TABLE owners (id BIGINT PRIMARY KEY);"
        "CREATE TABLE pets (name TEXT PRIMARY KEY,"
        " owner BIGINT NOT NULL REFERENCES owners (id));"},
};

struct fixture {
    struct scratch scratch;
    struct store *s;
};

static int open_steps(struct fixture *f, const struct migration *m, size_t n, struct err *err)
{
    struct store_config config = {f->scratch.dir, m, n};
    return store_open_backend(backend, &config, &f->s, err);
}

static void reopen(struct fixture *f)
{
    store_close(f->s);
    f->s = NULL;
    assert_int_equal(open_steps(f, steps, LENGTH(steps), NULL), 0);
}

static int setup(void **state)
{
    struct fixture *f = xcalloc(1, sizeof(*f));
    scratch_make(&f->scratch);
    *state = f;
    return open_steps(f, steps, LENGTH(steps), NULL);
}

static int teardown(void **state)
{
    struct fixture *f = *state;
    store_close(f->s);
    scratch_remove(&f->scratch);
    free(f);
    return 0;
}

static int add_thing(struct tx *tx, void *arg, struct err *err)
{
    return tx_exec(tx, err, "INSERT INTO things (name) VALUES ($1)", "s", (const char *)arg);
}

struct count {
    const char *name; /* NULL counts all */
    int64_t n;
};

static int count_things(struct tx *tx, void *arg, struct err *err)
{
    struct count *c = arg;
    CLEANUP(rows_freep) struct rows *r = NULL;
    int rc = tx_one(tx, &r, err, "SELECT COUNT(*) FROM things WHERE name = $1 OR $2 = 1", "si",
                    c->name, (int64_t)!c->name);
    if (!rc)
        c->n = rows_i64(r, 0);
    return rc;
}

static int64_t things(struct store *s, const char *name)
{
    struct count c = {name, -1};
    assert_int_equal(store_read(s, count_things, &c, NULL), 0);
    return c.n;
}

/* ---- rows and values */

static int write_values(struct tx *tx, void *arg, struct err *err)
{
    (void)arg;
    return tx_exec(tx, err, "INSERT INTO things (note, x, n, name) VALUES ($4, $3, $2, $1)", "sidv",
                   "a", INT64_C(-9007199254740993), 0.1, S("snow \xe2\x98\x83 'quoted' \n"));
}

static int read_values(struct tx *tx, void *arg, struct err *err)
{
    (void)arg;
    CLEANUP(rows_freep) struct rows *r = NULL;
    assert_int_equal(tx_one(tx, &r, err, "SELECT name, n, x, note FROM things", ""), 0);
    assert_true(str_is(rows_str(r, 0), "a"));
    assert_true(rows_i64(r, 1) == INT64_C(-9007199254740993));
    assert_true(rows_f64(r, 2) == 0.1);
    assert_true(str_is(rows_str(r, 3), "snow \xe2\x98\x83 'quoted' \n"));
    assert_int_equal(rows_next(r, err), 0);
    assert_int_equal(rows_next(r, err), 0);
    return 0;
}

static void values_round_trip(void **state)
{
    struct fixture *f = *state;
    assert_int_equal(store_write(f->s, write_values, NULL, NULL), 0);
    reopen(f);
    assert_int_equal(store_read(f->s, read_values, NULL, NULL), 0);
}

static int nulls(struct tx *tx, void *arg, struct err *err)
{
    (void)arg;
    int rc = tx_exec(tx, err, "INSERT INTO things (name, x, note) VALUES ($1, $2, $3)", "sns",
                     "null", (const char *)NULL);
    assert_int_equal(rc, 0);
    assert_int_equal(
        tx_exec(tx, err, "INSERT INTO things (name, note) VALUES ($1, $2)", "sv", "empty", S("")),
        0);
    CLEANUP(rows_freep) struct rows *r = NULL;
    assert_int_equal(tx_query(tx, &r, err, "SELECT x, note FROM things ORDER BY name DESC", ""), 0);
    assert_int_equal(rows_next(r, err), 1);
    assert_true(rows_null(r, 0) && rows_null(r, 1));
    assert_int_equal(rows_str(r, 1).n, 0);
    assert_int_equal(rows_next(r, err), 1);
    assert_false(rows_null(r, 1));
    assert_int_equal(rows_str(r, 1).n, 0);
    return 0;
}

static void null_is_not_the_empty_string(void **state)
{
    struct fixture *f = *state;
    assert_int_equal(store_write(f->s, nulls, NULL, NULL), 0);
}

static int update_all(struct tx *tx, void *arg, struct err *err)
{
    int rc = tx_exec(tx, err, "UPDATE things SET n = n + 1", "");
    *(int64_t *)arg = tx_changes(tx);
    return rc;
}

static void changes_counts_rows(void **state)
{
    struct fixture *f = *state;
    int64_t n = -1;
    assert_int_equal(store_write(f->s, update_all, &n, NULL), 0);
    assert_int_equal(n, 0);
    assert_int_equal(store_write(f->s, add_thing, "a", NULL), 0);
    assert_int_equal(store_write(f->s, add_thing, "b", NULL), 0);
    assert_int_equal(store_write(f->s, update_all, &n, NULL), 0);
    assert_int_equal(n, 2);
}

static int same_query_twice(struct tx *tx, void *arg, struct err *err)
{
    int *pairs = arg;
    static const char sql[] = "SELECT name FROM things ORDER BY name";
    CLEANUP(rows_freep) struct rows *outer = NULL;
    assert_int_equal(tx_query(tx, &outer, err, sql, ""), 0);
    while (rows_next(outer, err) == 1) {
        CLEANUP(rows_freep) struct rows *inner = NULL;
        assert_int_equal(tx_query(tx, &inner, err, sql, ""), 0);
        while (rows_next(inner, err) == 1)
            ++*pairs;
    }
    return 0;
}

static void a_query_may_nest_in_itself(void **state)
{
    struct fixture *f = *state;
    int pairs = 0;
    for (char name[] = "a"; name[0] <= 'c'; name[0]++)
        assert_int_equal(store_write(f->s, add_thing, name, NULL), 0);
    assert_int_equal(store_read(f->s, same_query_twice, &pairs, NULL), 0);
    assert_int_equal(pairs, 9);
}

static int many_texts(struct tx *tx, void *arg, struct err *err)
{
    (void)arg;
    for (int i = 0; i < 1000; i++) {
        char sql[64];
        snprintf(sql, sizeof(sql), "SELECT %d", i);
        CLEANUP(rows_freep) struct rows *r = NULL;
        assert_int_equal(tx_one(tx, &r, err, sql, ""), 0);
        assert_int_equal(rows_i64(r, 0), i);
    }
    return 0;
}

/* The buffer of the text is the same each time: a cache by address alone would answer 0. */
static void statements_are_told_apart_by_text(void **state)
{
    struct fixture *f = *state;
    assert_int_equal(store_read(f->s, many_texts, NULL, NULL), 0);
}

/* ---- errors */

static void unique_violation_is_a_conflict(void **state)
{
    struct fixture *f = *state;
    struct err err;
    assert_int_equal(store_write(f->s, add_thing, "a", &err), 0);
    assert_int_equal(store_write(f->s, add_thing, "a", &err), E_CONFLICT);
    assert_int_equal(err.code, E_CONFLICT);
    assert_int_equal(things(f->s, NULL), 1);
}

static int orphan(struct tx *tx, void *arg, struct err *err)
{
    (void)arg;
    return tx_exec(tx, err, "INSERT INTO pets (name, owner) VALUES ('rex', 7)", "");
}

static void references_are_enforced(void **state)
{
    struct fixture *f = *state;
    assert_int_equal(store_write(f->s, orphan, NULL, NULL), E_CONFLICT);
}

static int find_none(struct tx *tx, void *arg, struct err *err)
{
    struct rows **untouched = arg;
    return tx_one(tx, untouched, err, "SELECT 1 FROM things WHERE name = 'nobody'", "");
}

static void no_row_is_not_found(void **state)
{
    struct fixture *f = *state;
    struct rows *before = (struct rows *)state, *r = before;
    struct err err;
    assert_int_equal(store_read(f->s, find_none, &r, &err), E_NOTFOUND);
    assert_ptr_equal(r, before);
    assert_int_equal(err.code, E_NOTFOUND);
}

static int wrong_sql(struct tx *tx, void *arg, struct err *err)
{
    (void)arg;
    assert_int_equal(tx_exec(tx, err, "INSERT INTO nowhere VALUES (1)", ""), E_INTERNAL);
    assert_int_equal(tx_exec(tx, err, "DELETE FROM things WHERE name = $1", ""), E_INTERNAL);
    assert_int_equal(tx_exec(tx, err, "DELETE FROM things; DELETE FROM pets", ""), E_INTERNAL);
    return 0;
}

static void defects_of_ours_are_internal(void **state)
{
    struct fixture *f = *state;
    assert_int_equal(store_write(f->s, wrong_sql, NULL, NULL), 0);
}

static void a_reader_cannot_write(void **state)
{
    struct fixture *f = *state;
    assert_int_equal(store_read(f->s, add_thing, "a", NULL), E_INTERNAL);
    assert_int_equal(things(f->s, NULL), 0);
}

/* ---- transactions */

static int add_then_fail(struct tx *tx, void *arg, struct err *err)
{
    int rc = add_thing(tx, arg, err);
    if (!rc)
        rc = tx_event(tx, "p", "thing.made", "thing/x", NULL, err);
    return rc ? rc : err_set(err, E_INVALID, "changed my mind");
}

static void a_failed_closure_leaves_nothing(void **state)
{
    struct fixture *f = *state;
    struct err err;
    assert_int_equal(store_write(f->s, add_then_fail, "a", &err), E_INVALID);
    assert_string_equal(err.msg, "changed my mind");
    assert_int_equal(things(f->s, NULL), 0);
    assert_int_equal(store_last_event(f->s), 0);
}

static int forget_cursors(struct tx *tx, void *arg, struct err *err)
{
    (void)arg;
    for (int i = 0; i < 3; i++) {
        struct rows *r;
        assert_int_equal(tx_query(tx, &r, err, "SELECT name FROM things", ""), 0);
        assert_int_equal(rows_next(r, err), 1);
    }
    return 0;
}

static void forgotten_cursors_hold_nothing(void **state)
{
    struct fixture *f = *state;
    assert_int_equal(store_write(f->s, add_thing, "a", NULL), 0);
    assert_int_equal(store_read(f->s, forget_cursors, NULL, NULL), 0);
    assert_int_equal(store_write(f->s, forget_cursors, NULL, NULL), 0);
    assert_int_equal(store_write(f->s, add_thing, "b", NULL), 0);
    assert_int_equal(things(f->s, NULL), 2);
}

struct snapshot {
    struct store *s;
    int64_t before, after;
};

static int write_meanwhile(struct tx *tx, void *arg, struct err *err)
{
    struct snapshot *p = arg;
    struct count c = {0};
    int rc = count_things(tx, &c, err);
    p->before = c.n;
    if (!rc)
        rc = store_write(p->s, add_thing, "late", err);
    if (!rc)
        rc = count_things(tx, &c, err);
    p->after = c.n;
    return rc;
}

static void a_reader_sees_one_moment(void **state)
{
    struct fixture *f = *state;
    struct snapshot p = {.s = f->s};
    assert_int_equal(store_read(f->s, write_meanwhile, &p, NULL), 0);
    assert_int_equal(p.before, 0);
    assert_int_equal(p.after, 0);
    assert_int_equal(things(f->s, NULL), 1);
}

static int write_in_write(struct tx *tx, void *arg, struct err *err)
{
    (void)tx;
    return store_write(arg, add_thing, "inner", err);
}

static void a_write_inside_a_write_is_refused(void **state)
{
    struct fixture *f = *state;
    assert_int_equal(store_write(f->s, write_in_write, f->s, NULL), E_INTERNAL);
}

/* ---- many writers */

#define THREADS 16
#define EACH 50

struct crowd {
    struct store *s;
    int number;
    int committed, refused;
};

/* Every third write of a thread fails: its neighbours in the group must not notice. */
static void *crowd_main(void *arg)
{
    struct crowd *c = arg;
    for (int i = 0; i < EACH; i++) {
        char name[32];
        snprintf(name, sizeof(name), "t%d-%d", c->number, i);
        bool fail = i % 3 == 2;
        int rc = store_write(c->s, fail ? add_then_fail : add_thing, name, NULL);
        c->committed += rc == 0;
        c->refused += rc == E_INVALID;
        if (!rc && things(c->s, name) != 1)
            abort(); /* acknowledged, yet not to be seen */
    }
    return NULL;
}

static void neighbours_in_a_group_are_independent(void **state)
{
    struct fixture *f = *state;
    pthread_t threads[THREADS];
    struct crowd crowd[THREADS] = {0};
    for (int i = 0; i < THREADS; i++) {
        crowd[i].s = f->s;
        crowd[i].number = i;
        assert_int_equal(pthread_create(&threads[i], NULL, crowd_main, &crowd[i]), 0);
    }
    int committed = 0, refused = 0;
    for (int i = 0; i < THREADS; i++) {
        pthread_join(threads[i], NULL);
        committed += crowd[i].committed;
        refused += crowd[i].refused;
    }
    assert_int_equal(committed + refused, THREADS * EACH);
    assert_int_equal(refused, THREADS * (EACH / 3));
    assert_int_equal(things(f->s, NULL), committed);
    reopen(f);
    assert_int_equal(things(f->s, NULL), committed);
}

struct gate {
    pthread_mutex_t lock;
    pthread_cond_t open;
    bool is_open;
};

static int wait_at_gate(struct tx *tx, void *arg, struct err *err)
{
    (void)tx, (void)err;
    struct gate *g = arg;
    pthread_mutex_lock(&g->lock);
    while (!g->is_open)
        pthread_cond_wait(&g->open, &g->lock);
    pthread_mutex_unlock(&g->lock);
    return 0;
}

struct waiter {
    struct store *s;
    struct gate *gate;
    _Atomic int *busy;
};

static int do_nothing(struct tx *tx, void *arg, struct err *err)
{
    (void)tx, (void)arg, (void)err;
    return 0;
}

static void *hold_writer(void *arg)
{
    struct waiter *w = arg;
    store_write(w->s, wait_at_gate, w->gate, NULL);
    return NULL;
}

static void *queue_one(void *arg)
{
    struct waiter *w = arg;
    if (store_write(w->s, do_nothing, NULL, NULL) == E_BUSY)
        atomic_fetch_add(w->busy, 1);
    return NULL;
}

#define FLOOD 4200

/* While the writer is held, more writes arrive than may wait: some are refused, at once, and the
 * others are answered once the writer goes on. */
static void a_full_queue_is_busy(void **state)
{
    struct fixture *f = *state;
    struct gate gate = {PTHREAD_MUTEX_INITIALIZER, PTHREAD_COND_INITIALIZER, false};
    _Atomic int busy = 0;
    struct waiter w = {f->s, &gate, &busy};
    pthread_t holder, *flood = xcalloc(FLOOD, sizeof(*flood));
    pthread_attr_t small;
    pthread_attr_init(&small);
    pthread_attr_setstacksize(&small, 64 << 10);
    assert_int_equal(pthread_create(&holder, NULL, hold_writer, &w), 0);
    int started = 0;
    while (started < FLOOD && !atomic_load(&busy) &&
           pthread_create(&flood[started], &small, queue_one, &w) == 0)
        started++;
    if (started == FLOOD)
        while (!atomic_load(&busy))
            usleep(1000);
    bool enough = atomic_load(&busy) > 0;
    pthread_mutex_lock(&gate.lock);
    gate.is_open = true;
    pthread_cond_broadcast(&gate.open);
    pthread_mutex_unlock(&gate.lock);
    for (int i = 0; i < started; i++)
        pthread_join(flood[i], NULL);
    pthread_join(holder, NULL);
    free(flood);
    pthread_attr_destroy(&small);
    if (!enough)
        skip(); /* this machine does not allow so many threads */
    assert_int_equal(store_write(f->s, add_thing, "after", NULL), 0);
}

/* ---- events */

struct made {
    const char *project, *subject;
    const json_t *data;
};

static int emit(struct tx *tx, void *arg, struct err *err)
{
    struct made *m = arg;
    return tx_event(tx, m->project, "thing.made", m->subject, m->data, err);
}

static size_t read_events(struct store *s, const char *project, int64_t after, size_t max,
                          struct arena *a, struct event **ret)
{
    size_t n = 99;
    assert_int_equal(store_events(s, project, after, max, a, ret, &n, NULL), 0);
    return n;
}

static void events_come_in_order(void **state)
{
    struct fixture *f = *state;
    json_t *data = json_pack("{s:s}", "text", "line\n\"quoted\"");
    assert_int_equal(store_write(f->s, emit, &(struct made){"p", "thing/1", data}, NULL), 0);
    assert_int_equal(store_write(f->s, emit, &(struct made){"q", "thing/2", NULL}, NULL), 0);
    assert_int_equal(store_write(f->s, emit, &(struct made){"p", "thing/3", NULL}, NULL), 0);
    json_decref(data);
    assert_int_equal(store_last_event(f->s), 3);
    CLEANUP(arena_freep) struct arena *a = arena_new(0);
    struct event *e;
    assert_int_equal(read_events(f->s, NULL, 0, 100, a, &e), 3);
    assert_true(e[0].seq == 1 && e[1].seq == 2 && e[2].seq == 3);
    assert_string_equal(e[0].data, "{\"text\":\"line\\n\\\"quoted\\\"\"}");
    assert_string_equal(e[1].data, "");
    assert_string_equal(e[1].kind, "thing.made");
    assert_int_equal(read_events(f->s, "p", 0, 100, a, &e), 2);
    assert_string_equal(e[1].subject, "thing/3");
    assert_int_equal(read_events(f->s, "p", 1, 100, a, &e), 1);
    assert_int_equal(read_events(f->s, NULL, 0, 2, a, &e), 2);
    assert_int_equal(read_events(f->s, NULL, 3, 2, a, &e), 0);
    assert_int_equal(read_events(f->s, "nobody", 0, 2, a, &e), 0);
}

static void event_numbers_go_on_after_a_restart(void **state)
{
    struct fixture *f = *state;
    for (int i = 0; i < 3; i++)
        assert_int_equal(store_write(f->s, emit, &(struct made){"p", "s", NULL}, NULL), 0);
    reopen(f);
    assert_int_equal(store_last_event(f->s), 3);
    assert_int_equal(store_write(f->s, add_then_fail, "a", NULL), E_INVALID);
    assert_int_equal(store_write(f->s, emit, &(struct made){"p", "s", NULL}, NULL), 0);
    assert_int_equal(store_last_event(f->s), 4);
}

static void *emit_main(void *arg)
{
    struct crowd *c = arg;
    for (int i = 0; i < EACH; i++) {
        store_write(c->s, emit, &(struct made){"p", "s", NULL}, NULL);
        store_write(c->s, add_then_fail, "x", NULL);
    }
    return NULL;
}

struct heard {
    _Atomic int64_t last;
    _Atomic int calls, backwards;
};

static void hear(void *ctx, int64_t last)
{
    struct heard *h = ctx;
    if (last <= atomic_exchange(&h->last, last))
        h->backwards++;
    h->calls++;
}

static void event_numbers_have_no_gaps_and_are_announced(void **state)
{
    struct fixture *f = *state;
    struct heard heard = {0};
    store_on_event(f->s, hear, &heard);
    pthread_t threads[THREADS];
    struct crowd crowd[THREADS] = {0};
    for (int i = 0; i < THREADS; i++) {
        crowd[i].s = f->s;
        assert_int_equal(pthread_create(&threads[i], NULL, emit_main, &crowd[i]), 0);
    }
    for (int i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    CLEANUP(arena_freep) struct arena *a = arena_new(0);
    struct event *e;
    assert_int_equal(read_events(f->s, NULL, 0, 10000, a, &e), THREADS * EACH);
    for (int i = 0; i < THREADS * EACH; i++)
        assert_int_equal(e[i].seq, i + 1);
    reopen(f); /* closing has waited for the last announcement */
    assert_int_equal(heard.last, THREADS * EACH);
    assert_int_equal(heard.backwards, 0);
    assert_true(heard.calls > 0);
}

static void a_removed_listener_is_quiet(void **state)
{
    struct fixture *f = *state;
    struct heard heard = {0};
    store_on_event(f->s, hear, &heard);
    store_on_event(f->s, NULL, &heard);
    assert_int_equal(store_write(f->s, emit, &(struct made){"p", "s", NULL}, NULL), 0);
    reopen(f);
    assert_int_equal(heard.calls, 0);
}

static void an_oversized_event_is_refused(void **state)
{
    struct fixture *f = *state;
    char *big = xmalloc((2 << 20) + 1);
    memset(big, 'x', 2 << 20);
    big[2 << 20] = 0;
    json_t *data = json_string(big);
    assert_int_equal(store_write(f->s, emit, &(struct made){"p", "s", data}, NULL), E_TOOBIG);
    json_decref(data);
    free(big);
    assert_int_equal(store_last_event(f->s), 0);
}

/* ---- the schema */

static void an_upgrade_keeps_the_rows(void **state)
{
    struct fixture *f = *state;
    static const struct migration more[] = {
        {1, "unused: applied long ago"},
        {2, "unused: applied long ago"},
        {3, "ALTER TABLE things ADD COLUMN colour TEXT; UPDATE things SET colour = 'red'"},
    };
    assert_int_equal(store_write(f->s, add_thing, "a", NULL), 0);
    store_close(f->s);
    f->s = NULL;
    assert_int_equal(open_steps(f, more, LENGTH(more), NULL), 0);
    assert_int_equal(things(f->s, "a"), 1);
}

static void a_failed_upgrade_changes_nothing(void **state)
{
    struct fixture *f = *state;
    static const struct migration bad[] = {
        {1, ""}, {2, ""}, {3, "CREATE TABLE half (n BIGINT)"}, {4, "CREATE TABLE nonsense ("}};
    store_close(f->s);
    f->s = NULL;
    struct err err;
    assert_int_not_equal(open_steps(f, bad, LENGTH(bad), &err), 0);
    assert_non_null(strstr(err.msg, "version 4"));
    assert_null(f->s);
    static const struct migration good[] = {
        {1, ""}, {2, ""}, {3, "CREATE TABLE half (n BIGINT, m BIGINT)"}};
    assert_int_equal(open_steps(f, good, LENGTH(good), &err), 0);
}

static void newer_data_is_refused_by_name(void **state)
{
    struct fixture *f = *state;
    store_close(f->s);
    f->s = NULL;
    struct err err;
    assert_int_equal(open_steps(f, steps, 1, &err), E_CONFLICT);
    assert_non_null(strstr(err.msg, "version 2"));
    assert_non_null(strstr(err.msg, "version 1"));
    assert_true(err.hint[0]);
    assert_null(f->s);
    assert_int_equal(open_steps(f, steps, 2, &err), 0);
}

static void one_store_per_directory(void **state)
{
    struct fixture *f = *state;
    struct fixture other = *f;
    other.s = NULL;
    struct err err;
    assert_int_equal(open_steps(&other, steps, LENGTH(steps), &err), E_CONFLICT);
    assert_non_null(strstr(err.msg, "in use"));
    assert_int_equal(store_write(f->s, add_thing, "a", NULL), 0);
}

#define TEST(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)

static const struct CMUnitTest tests[] = {
    TEST(values_round_trip),
    TEST(null_is_not_the_empty_string),
    TEST(changes_counts_rows),
    TEST(a_query_may_nest_in_itself),
    TEST(statements_are_told_apart_by_text),
    TEST(unique_violation_is_a_conflict),
    TEST(references_are_enforced),
    TEST(no_row_is_not_found),
    TEST(defects_of_ours_are_internal),
    TEST(a_reader_cannot_write),
    TEST(a_failed_closure_leaves_nothing),
    TEST(forgotten_cursors_hold_nothing),
    TEST(a_reader_sees_one_moment),
    TEST(a_write_inside_a_write_is_refused),
    TEST(neighbours_in_a_group_are_independent),
    TEST(a_full_queue_is_busy),
    TEST(events_come_in_order),
    TEST(event_numbers_go_on_after_a_restart),
    TEST(event_numbers_have_no_gaps_and_are_announced),
    TEST(a_removed_listener_is_quiet),
    TEST(an_oversized_event_is_refused),
    TEST(an_upgrade_keeps_the_rows),
    TEST(a_failed_upgrade_changes_nothing),
    TEST(newer_data_is_refused_by_name),
    TEST(one_store_per_directory),
};

static const struct store_backend *const backends[] = {&store_sqlite};

int main(void)
{
    int failed = 0;
    for (size_t i = 0; i < LENGTH(backends); i++) {
        backend = backends[i];
        failed += cmocka_run_group_tests_name(backend->name, tests, NULL, NULL);
    }
    return failed;
}
