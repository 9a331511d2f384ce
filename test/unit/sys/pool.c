/* SPDX-License-Identifier: Apache-2.0 */
#include "sys/pool.h"

#include <pthread.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <stdarg.h>
#include <setjmp.h>
#include <cmocka.h>
#include <string.h>

struct gate {
    sem_t entered, open;
};

static void wait_at_gate(void *arg)
{
    struct gate *g = arg;
    sem_post(&g->entered);
    sem_wait(&g->open);
}

static void count(void *arg)
{
    atomic_fetch_add((atomic_uint *)arg, 1);
}

static struct gate *gate_new(void)
{
    struct gate *g = xcalloc(1, sizeof(*g));
    sem_init(&g->entered, 0, 0);
    sem_init(&g->open, 0, 0);
    return g;
}

static void gate_free(struct gate *g)
{
    sem_destroy(&g->entered);
    sem_destroy(&g->open);
    free(g);
}

static void full_queue_is_busy_and_says_so(void **state)
{
    (void)state;
    struct pool *p;
    struct gate *g = gate_new();
    atomic_uint ran = 0;
    assert_int_equal(pool_new("small", 1, 2, &p, NULL), 0);
    assert_int_equal(pool_submit(p, wait_at_gate, g, NULL), 0);
    sem_wait(&g->entered);
    assert_int_equal(pool_submit(p, count, &ran, NULL), 0);
    assert_int_equal(pool_submit(p, count, &ran, NULL), 0);
    assert_int_equal(pool_depth(p), 3);
    struct err err;
    assert_int_equal(pool_submit(p, count, &ran, &err), E_BUSY);
    assert_non_null(strstr(err.msg, "'small'"));
    sem_post(&g->open);
    pool_free(p);
    assert_int_equal(ran, 2);
    gate_free(g);
}

struct order {
    unsigned n;
    unsigned seen[100];
    unsigned value[100];
};

struct order_job {
    struct order *order;
    unsigned i;
};

static void note(void *arg)
{
    struct order_job *j = arg;
    j->order->seen[j->order->n++] = j->i;
}

static void one_thread_keeps_submission_order(void **state)
{
    (void)state;
    struct pool *p;
    struct order order = {0};
    struct order_job jobs[100];
    assert_int_equal(pool_new("order", 1, 100, &p, NULL), 0);
    for (unsigned i = 0; i < 100; i++) {
        jobs[i] = (struct order_job){&order, i};
        assert_int_equal(pool_submit(p, note, &jobs[i], NULL), 0);
    }
    pool_free(p);
    assert_int_equal(order.n, 100);
    for (unsigned i = 0; i < 100; i++)
        assert_int_equal(order.seen[i], i);
}

static void threads_run_side_by_side(void **state)
{
    (void)state;
    struct pool *p;
    struct gate *g = gate_new();
    assert_int_equal(pool_new("wide", 3, 8, &p, NULL), 0);
    for (int i = 0; i < 3; i++)
        assert_int_equal(pool_submit(p, wait_at_gate, g, NULL), 0);
    for (int i = 0; i < 3; i++)
        sem_wait(&g->entered); /* hangs unless all three run at once */
    for (int i = 0; i < 3; i++)
        sem_post(&g->open);
    pool_free(p);
    gate_free(g);
}

struct submitter {
    struct pool *pool;
    atomic_uint *ran;
    unsigned accepted;
};

static void *submit_many(void *arg)
{
    struct submitter *s = arg;
    for (int i = 0; i < 2000; i++)
        s->accepted += pool_submit(s->pool, count, s->ran, NULL) == 0;
    return NULL;
}

static void every_accepted_job_runs_once(void **state)
{
    (void)state;
    struct pool *p;
    atomic_uint ran = 0;
    assert_int_equal(pool_new("many", 3, 16, &p, NULL), 0);
    struct submitter s[4];
    pthread_t t[4];
    for (int i = 0; i < 4; i++) {
        s[i] = (struct submitter){.pool = p, .ran = &ran};
        pthread_create(&t[i], NULL, submit_many, &s[i]);
    }
    unsigned accepted = 0;
    for (int i = 0; i < 4; i++) {
        pthread_join(t[i], NULL);
        accepted += s[i].accepted;
    }
    pool_free(p);
    assert_true(accepted > 0);
    assert_int_equal(ran, accepted);
}

static void nonsense_sizes_are_refused(void **state)
{
    (void)state;
    struct pool *p = NULL;
    assert_int_equal(pool_new("none", 0, 1, &p, NULL), E_INVALID);
    assert_int_equal(pool_new("none", 1, 0, &p, NULL), E_INVALID);
    assert_null(p);
    pool_free(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(full_queue_is_busy_and_says_so),
        cmocka_unit_test(one_thread_keeps_submission_order),
        cmocka_unit_test(threads_run_side_by_side),
        cmocka_unit_test(every_accepted_job_runs_once),
        cmocka_unit_test(nonsense_sizes_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
