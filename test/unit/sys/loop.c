/* SPDX-License-Identifier: Apache-2.0 */
#include "sys/loop.h"

#include <pthread.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <stdarg.h>
#include <setjmp.h>
#include <cmocka.h>

struct trace {
    sem_t done;
    unsigned n;
    int seen[1000];
    pthread_t thread;
    bool one_thread;
};

struct step {
    struct trace *trace;
    int value;
};

static void note(struct loop *l, void *arg)
{
    (void)l;
    struct step *s = arg;
    struct trace *t = s->trace;
    if (!t->n)
        t->thread = pthread_self();
    t->one_thread = (!t->n || t->one_thread) && pthread_equal(t->thread, pthread_self());
    t->seen[t->n++] = s->value;
    if (s->value < 0)
        sem_post(&t->done);
}

static void posts_run_in_order_on_the_loops_thread(void **state)
{
    (void)state;
    struct loops *all;
    assert_int_equal(loops_start(2, &all, NULL), 0);
    assert_int_equal(loops_count(all), 2);
    assert_int_equal(loop_index(loops_get(all, 1)), 1);
    struct trace t = {0};
    sem_init(&t.done, 0, 0);
    struct step steps[1000];
    for (int i = 0; i < 1000; i++) {
        steps[i] = (struct step){&t, i == 999 ? -1 : i};
        loop_post(loops_get(all, 1), note, &steps[i]);
    }
    sem_wait(&t.done);
    assert_int_equal(t.n, 1000);
    for (int i = 0; i < 999; i++)
        assert_int_equal(t.seen[i], i);
    assert_true(t.one_thread);
    assert_false(pthread_equal(t.thread, pthread_self()));
    loops_stop(all);
    loops_free(all);
    sem_destroy(&t.done);
}

/* The tick: two events of one turn, what each defers, and what that defers in turn. */
struct tick {
    struct trace trace;
    struct step io[2], late[2], nested, last;
    struct loop *loop;
};

static void defer_last(struct loop *l, void *arg)
{
    struct tick *k = arg;
    note(l, &k->nested);
    loop_defer(l, note, &k->last);
}

static void first_event(struct loop *l, void *arg)
{
    struct tick *k = arg;
    note(l, &k->io[0]);
    loop_defer(l, note, &k->late[0]);
    loop_defer(l, defer_last, k);
}

static void second_event(struct loop *l, void *arg)
{
    struct tick *k = arg;
    note(l, &k->io[1]);
    loop_defer(l, note, &k->late[1]);
}

static void post_both(struct loop *l, void *arg)
{
    /* From the loop itself, so that both are of one turn. */
    loop_post(l, first_event, arg);
    loop_post(l, second_event, arg);
}

static void deferred_run_after_all_events_of_the_turn(void **state)
{
    (void)state;
    struct loops *all;
    assert_int_equal(loops_start(1, &all, NULL), 0);
    struct tick k = {.loop = loops_get(all, 0)};
    sem_init(&k.trace.done, 0, 0);
    k.io[0] = (struct step){&k.trace, 1};
    k.io[1] = (struct step){&k.trace, 2};
    k.late[0] = (struct step){&k.trace, 3};
    k.nested = (struct step){&k.trace, 4};
    k.late[1] = (struct step){&k.trace, 5};
    k.last = (struct step){&k.trace, -6};
    loop_post(k.loop, post_both, &k);
    sem_wait(&k.trace.done);
    const int expected[] = {1, 2, 3, 4, 5, -6};
    assert_int_equal(k.trace.n, LENGTH(expected));
    for (size_t i = 0; i < LENGTH(expected); i++)
        assert_int_equal(k.trace.seen[i], expected[i]);
    loops_stop(all);
    loops_free(all);
    sem_destroy(&k.trace.done);
}

static void defer_from_timer(uv_timer_t *timer)
{
    struct tick *k = timer->data;
    loop_defer(k->loop, note, &k->last);
    uv_close((uv_handle_t *)timer, NULL);
}

static void start_timer(struct loop *l, void *arg)
{
    uv_timer_t *timer = arg;
    uv_timer_init(loop_uv(l), timer);
    uv_timer_start(timer, defer_from_timer, 1, 0);
}

static void deferred_by_a_timer_do_not_wait_for_io(void **state)
{
    (void)state;
    struct loops *all;
    assert_int_equal(loops_start(1, &all, NULL), 0);
    struct tick k = {.loop = loops_get(all, 0)};
    sem_init(&k.trace.done, 0, 0);
    k.last = (struct step){&k.trace, -1};
    uv_timer_t timer = {.data = &k};
    loop_post(k.loop, start_timer, &timer);
    sem_wait(&k.trace.done); /* hangs if the loop polls first: nothing else would wake it */
    loops_stop(all);
    loops_free(all);
    sem_destroy(&k.trace.done);
}

static void count_free(void *p)
{
    atomic_fetch_add((atomic_int *)p, 1);
}

static void posts_after_stop_are_dropped_but_retired_values_are_freed(void **state)
{
    (void)state;
    struct loops *all;
    atomic_int freed = 0;
    assert_int_equal(loops_start(2, &all, NULL), 0);
    loops_retire(all, count_free, &freed);
    loops_stop(all);
    struct trace t = {0};
    struct step s = {&t, 1};
    assert_false(loop_post(loops_get(all, 0), note, &s));
    loops_retire(all, count_free, &freed);
    loops_free(all);
    assert_int_equal(freed, 2);
    assert_int_equal(t.n, 0);
}

/* Readers on every loop follow a published pointer while a writer replaces it. Under ASan or TSan a
 * value freed too early is caught; here its content is checked too. */
struct published {
    int magic;
};

struct swap {
    struct loops *all;
    struct published *_Atomic now;
    atomic_bool stop;
    atomic_uint reads, readers;
    sem_t done;
};

static void free_published(void *p)
{
    ((struct published *)p)->magic = 0;
    free(p);
}

static void read_published(struct loop *l, void *arg)
{
    struct swap *s = arg;
    struct published *p = atomic_load(&s->now);
    for (int i = 0; i < 100; i++)
        if (*(volatile int *)&p->magic != 42)
            abort();
    atomic_fetch_add(&s->reads, 1);
    if (!atomic_load(&s->stop))
        loop_post(l, read_published, s);
    else
        sem_post(&s->done);
}

static void retired_values_outlive_their_readers(void **state)
{
    (void)state;
    struct swap s = {0};
    sem_init(&s.done, 0, 0);
    assert_int_equal(loops_start(2, &s.all, NULL), 0);
    struct published *p = xmalloc(sizeof(*p));
    p->magic = 42;
    atomic_store(&s.now, p);
    for (unsigned i = 0; i < 2; i++)
        loop_post(loops_get(s.all, i), read_published, &s);
    for (int i = 0; i < 2000; i++) {
        p = xmalloc(sizeof(*p));
        p->magic = 42;
        loops_retire(s.all, free_published, atomic_exchange(&s.now, p));
    }
    atomic_store(&s.stop, true);
    sem_wait(&s.done);
    sem_wait(&s.done);
    assert_true(s.reads >= 2);
    loops_stop(s.all);
    loops_free(s.all);
    free(atomic_load(&s.now));
    sem_destroy(&s.done);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(posts_run_in_order_on_the_loops_thread),
        cmocka_unit_test(deferred_run_after_all_events_of_the_turn),
        cmocka_unit_test(deferred_by_a_timer_do_not_wait_for_io),
        cmocka_unit_test(posts_after_stop_are_dropped_but_retired_values_are_freed),
        cmocka_unit_test(retired_values_outlive_their_readers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
