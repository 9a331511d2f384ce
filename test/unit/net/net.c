/* SPDX-License-Identifier: Apache-2.0
 *
 * Bounds that every connection meets, and the beginning and end of the server.
 */
#include "harness.h"

#include <pthread.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

static void expect_next(int fd, int status, const char *part)
{
    struct answer a;
    hear(fd, &a);
    assert_int_equal(a.status, status);
    if (part)
        assert_non_null(strstr(a.body, part));
    answer_free(&a);
}

static void a_header_that_drips_is_cut_off(void **state)
{
    (void)state;
    struct server *s = server_start(&(struct net_config){.header_ms = 50, .idle_ms = 60000}, 0);
    int fd = dial(s), silent = dial(s);
    say(fd, "GET /fast HTTP/1.1\r\nHost: localhost\r\n");
    for (int i = 0; i < 20; i++) {
        send(fd, "X", 1, MSG_NOSIGNAL); /* each byte in time, the whole not */
        usleep(5000);
    }
    expect_next(fd, 408, "header took too long");
    assert_true(heard_end(silent));
    close(fd);
    close(silent);
    server_stop(s);
}

static void a_body_that_stops_is_cut_off(void **state)
{
    (void)state;
    struct server *s = server_start(&(struct net_config){.body_ms = 50}, 0);
    int fd = dial(s);
    say(fd, "POST /echo HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100\r\n\r\nabc");
    expect_next(fd, 408, "body stopped");
    close(fd);
    fd = dial(s);
    say(fd, "PUT /upload HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100\r\n\r\nabc");
    expect_next(fd, 408, "body stopped");
    close(fd);
    server_stop(s);
}

static void an_idle_connection_is_closed_but_not_a_busy_one(void **state)
{
    (void)state;
    struct server *s = server_start(&(struct net_config){.idle_ms = 50}, 0);
    int idle = dial(s), busy = dial(s);
    say(idle, GET("/fast"));
    expect_next(idle, 200, NULL);
    say(busy, GET("/gate"));
    gate_await(1);
    assert_true(heard_end(idle));
    gate_open(1);
    expect_next(busy, 200, "passed");
    close(idle);
    close(busy);
    server_stop(s);
}

static void a_reader_that_takes_nothing_is_dropped(void **state)
{
    (void)state;
    struct server *s = server_start(&(struct net_config){.write_ms = 50}, 0);
    int fd = dial(s);
    say(fd, GET("/big?n=60000000"));
    sleep(1); /* longer than it is waited for, twice and more */
    struct answer a;
    hear_head(fd, &a);
    static char piece[1 << 20];
    size_t total = 0;
    for (ssize_t n; (n = recv(fd, piece, sizeof(piece), 0)) > 0;)
        total += (size_t)n;
    assert_true(total < 60000000);
    close(fd);
    server_stop(s);
}

static void above_the_maximum_only_health_is_answered(void **state)
{
    (void)state;
    struct server *s = server_start(&(struct net_config){.connections_max = 3}, 0);
    int open[3];
    for (int i = 0; i < 3; i++) {
        open[i] = dial(s);
        say(open[i], GET("/fast"));
        expect_next(open[i], 200, NULL);
    }
    int fd = dial(s);
    struct answer a;
    char text[64];
    say(fd, GET("/block/a"));
    hear(fd, &a);
    assert_int_equal(a.status, 503);
    assert_non_null(field(&a, "Retry-After", text, sizeof(text)));
    assert_non_null(strstr(a.body, "3 connections"));
    answer_free(&a);
    assert_true(heard_end(fd));
    close(fd);
    fd = dial(s);
    say(fd, GET("/fast"));
    expect_next(fd, 200, "fast");
    assert_true(heard_end(fd)); /* the lane is for one question */
    close(fd);
    close(open[0]);
    for (int i = 0; i < 100; i++) {
        fd = dial(s);
        say(fd, GET("/block/a"));
        hear(fd, &a);
        int status = a.status;
        answer_free(&a);
        close(fd);
        if (status == 200)
            break;
        usleep(10000);
        assert_true(i < 99); /* room was made, but not noticed */
    }
    close(open[1]);
    close(open[2]);
    server_stop(s);
}

static void silent_connections_do_not_block_the_lane(void **state)
{
    (void)state;
    struct server *s = server_start(&(struct net_config){.connections_max = 1}, 0);
    int fds[100];
    for (size_t i = 0; i < LENGTH(fds); i++)
        fds[i] = dial(s);
    for (int i = 0;; i++) {
        int fd = dial(s);
        char first = 0;
        send(fd, GET("/fast"), strlen(GET("/fast")), MSG_NOSIGNAL);
        bool answered = recv(fd, &first, 1, 0) == 1;
        close(fd);
        if (answered)
            break;
        assert_true(i < 500);
        usleep(10000);
    }
    for (size_t i = 0; i < LENGTH(fds); i++)
        close(fds[i]);
    server_stop(s);
}

static void a_full_pool_is_503_with_retry_after(void **state)
{
    (void)state;
    struct server *s = server_start(NULL, 1);
    struct answer a;
    char text[64];
    int busy[2], queued = dial(s), fd = dial(s);
    for (int i = 0; i < 2; i++) {
        busy[i] = dial(s);
        say(busy[i], GET("/gate"));
        gate_await(1);
    }
    say(queued, GET("/block/queued"));
    while (pool_depth(s->pool) < 3)
        usleep(1000);
    say(fd, GET("/block/a") GET("/fast"));
    hear(fd, &a);
    assert_int_equal(a.status, 503);
    assert_string_equal(field(&a, "Retry-After", text, sizeof(text)), "1");
    answer_free(&a);
    expect_next(fd, 200, "fast"); /* the data plane does not notice */
    gate_open(2);
    for (int i = 0; i < 2; i++) {
        expect_next(busy[i], 200, "passed");
        close(busy[i]);
    }
    expect_next(queued, 200, "queued");
    close(queued);
    close(fd);
    server_stop(s);
}

static void *drain(void *arg)
{
    struct server *s = arg;
    net_drain(s->net, 10000);
    return NULL;
}

static void draining_finishes_what_runs(void **state)
{
    (void)state;
    struct server *s = server_start(NULL, 0);
    struct answer a;
    char text[64];
    int busy = dial(s), idle = dial(s), stream = dial(s);
    say(idle, GET("/fast"));
    expect_next(idle, 200, NULL);
    say(stream, GET("/events"));
    hear_head(stream, &a);
    say(busy, GET("/gate"));
    gate_await(1);
    pthread_t thread;
    pthread_create(&thread, NULL, drain, s);
    assert_true(heard_end(idle));
    char rest[16];
    assert_int_equal(recv(stream, rest, 5, MSG_WAITALL), 5);
    assert_memory_equal(rest, "0\r\n\r\n", 5); /* a stream ends as a stream does */
    assert_true(heard_end(stream));
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    close(fd);
    gate_open(1);
    hear(busy, &a);
    assert_int_equal(a.status, 200);
    assert_string_equal(field(&a, "Connection", text, sizeof(text)), "close");
    answer_free(&a);
    assert_true(heard_end(busy));
    pthread_join(thread, NULL);
    close(busy);
    close(idle);
    close(stream);
    server_stop(s);
}

static void stopping_in_the_middle_of_everything_is_clean(void **state)
{
    (void)state;
    static const char *const stories[] = {
        GET("/events"),
        GET("/file"),
        GET("/flood"),
        GET("/big?n=9000000"),
        "PUT /upload HTTP/1.1\r\nHost: localhost\r\nContent-Length: 900000\r\n\r\nabc",
        "GET /fa"};
    for (int round = 0; round < 5; round++) {
        struct server *s = server_start(NULL, 0);
        int fds[LENGTH(stories)];
        for (size_t i = 0; i < LENGTH(stories); i++) {
            fds[i] = dial(s);
            say(fds[i], stories[i]);
        }
        usleep((useconds_t)round * 3000);
        server_stop(s); /* under ASan: nothing is leaked or used afterwards */
        for (size_t i = 0; i < LENGTH(stories); i++)
            close(fds[i]);
    }
}

static void loops_may_be_stopped_without_draining(void **state)
{
    (void)state;
    struct server *s = server_start(NULL, 0);
    int fd = dial(s), late = dial(s);
    say(fd, GET("/flood"));
    say(late, GET("/gate"));
    gate_await(1);
    loops_stop(s->loops);
    gate_open(1);
    server_stop(s);
    close(fd);
    close(late);
}

static void a_port_in_use_is_a_conflict_that_names_it(void **state)
{
    (void)state;
    struct server *s = server_start(NULL, 0);
    struct net_config c = {.host = "127.0.0.1", .port = s->port};
    struct net *net = NULL;
    struct err err;
    char address[32];
    assert_int_equal(net_start(s->loops, &c, &net, &err), E_CONFLICT);
    snprintf(address, sizeof(address), "127.0.0.1:%u", s->port);
    assert_non_null(strstr(err.msg, address));
    assert_non_null(strstr(err.hint, "--listen"));
    assert_null(net);
    expect(s, GET("/fast"), 200, NULL);
    server_stop(s);
}

/* Row 17 of the attack list. */
static void only_loopback_is_listened_on(void **state)
{
    (void)state;
    struct loops *loops;
    struct net *net = NULL;
    struct err err;
    assert_int_equal(loops_start(1, &loops, NULL), 0);
    static const char *const open[] = {"0.0.0.0", "::", "192.168.1.1"};
    for (size_t i = 0; i < LENGTH(open); i++) {
        struct net_config c = {.host = open[i]};
        assert_int_equal(net_start(loops, &c, &net, &err), E_FORBIDDEN);
        assert_non_null(strstr(err.msg, open[i]));
    }
    struct net_config name = {.host = "localhost"};
    assert_int_equal(net_start(loops, &name, &net, &err), E_INVALID);
    assert_null(net);
    loops_stop(loops);
    loops_free(loops);
}

static void an_upload_without_room_is_refused(void **state)
{
    (void)state;
    static char piece[1 << 16];
    struct server *s = server_start(&(struct net_config){.spool_dir = "/nowhere/at/all"}, 0);
    int fd = dial(s);
    say(fd, "PUT /upload HTTP/1.1\r\nHost: localhost\r\nContent-Length: 655360\r\n\r\n");
    for (int i = 0; i < 10; i++)
        say_n(fd, piece, sizeof(piece));
    struct answer a;
    hear(fd, &a);
    assert_int_equal(a.status, 500);
    assert_non_null(strstr(a.body, "cannot make a temporary file"));
    answer_free(&a);
    close(fd);
    server_stop(s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_header_that_drips_is_cut_off),
        cmocka_unit_test(a_body_that_stops_is_cut_off),
        cmocka_unit_test(an_idle_connection_is_closed_but_not_a_busy_one),
        cmocka_unit_test(a_reader_that_takes_nothing_is_dropped),
        cmocka_unit_test(above_the_maximum_only_health_is_answered),
        cmocka_unit_test(silent_connections_do_not_block_the_lane),
        cmocka_unit_test(a_full_pool_is_503_with_retry_after),
        cmocka_unit_test(draining_finishes_what_runs),
        cmocka_unit_test(stopping_in_the_middle_of_everything_is_clean),
        cmocka_unit_test(loops_may_be_stopped_without_draining),
        cmocka_unit_test(a_port_in_use_is_a_conflict_that_names_it),
        cmocka_unit_test(only_loopback_is_listened_on),
        cmocka_unit_test(an_upload_without_room_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
