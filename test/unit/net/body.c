/* SPDX-License-Identifier: Apache-2.0
 *
 * Bodies on their way in: bounds, chunks, Expect, spools. Numbers are rows of the attack list.
 */
#include "harness.h"

#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

static struct server *server;

static int start(void **state)
{
    (void)state;
    server = server_start(NULL, 0);
    return 0;
}

static int stop(void **state)
{
    (void)state;
    server_stop(server);
    return 0;
}

static void expect_next(int fd, int status, const char *part)
{
    struct answer a;
    hear(fd, &a);
    assert_int_equal(a.status, status);
    if (part)
        assert_non_null(strstr(a.body, part));
    answer_free(&a);
}

static void bodies_are_echoed_however_they_are_framed(void **state)
{
    (void)state;
    expect(server, "POST /echo HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\n\r\nhello", 200,
           "hello");
    expect(server, "POST /fastecho HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0\r\n\r\n", 200,
           "");
    expect(server,
           "POST /fastecho HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: "
           "chunked\r\n\r\n5\r\nhello\r\n1\r\n!\r\n0\r\n\r\n",
           200, "hello!");
    expect(server,
           "POST /echo HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
           400, "not HTTP");
}

static void a_body_over_the_bound_is_413_and_says_the_bound(void **state)
{
    (void)state;
    expect(server, "POST /echo HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1048577\r\n\r\n", 413,
           "1048577 bytes, more than the 1048576");
    expect(server, "POST /block/x HTTP/1.1\r\nHost: localhost\r\nContent-Length: 17\r\n\r\n", 413,
           "more than the 16");
    expect(server, "GET /fast HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1\r\n\r\nx", 413,
           "takes no body");
    expect(server,
           "POST /block/x HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: "
           "chunked\r\n\r\n20\r\n12345678901234567890123456789012\r\n",
           413, "more than the 16");
}

static void a_short_refused_body_keeps_the_connection(void **state)
{
    (void)state;
    int fd = dial(server);
    say(fd, "POST /nothing HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100\r\n\r\n0123456789");
    expect_next(fd, 404, NULL); /* before the rest of it */
    for (int i = 0; i < 9; i++)
        say(fd, "0123456789");
    say(fd, GET("/fast"));
    expect_next(fd, 200, "fast");
    close(fd);
}

/* The client is still sending megabytes when it is refused: it must see why, not a reset. */
static void a_long_refused_body_does_not_hide_the_answer(void **state)
{
    (void)state;
    static char piece[1 << 16];
    for (int i = 0; i < 3; i++) {
        int fd = dial(server);
        say(fd, "POST /echo HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100000000\r\n\r\n");
        for (int j = 0; j < 100; j++)
            say_n(fd, piece, sizeof(piece));
        expect_next(fd, 413, NULL);
        shutdown(fd, SHUT_WR);
        assert_true(heard_end(fd));
        close(fd);
    }
}

/* 32: six bytes of chunk for each byte of body */
static void megabytes_in_tiny_chunks_are_read_or_refused(void **state)
{
    (void)state;
    struct buf b = BUF(8 << 20);
    for (int i = 0; i < 500000; i++)
        buf_puts(&b, "1\r\nA\r\n");
    buf_puts(&b, "0\r\n\r\n");
    int fd = dial(server);
    struct answer a;
    say(fd, "POST /echo HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n");
    say_n(fd, b.p, b.n);
    hear(fd, &a);
    assert_int_equal(a.status, 200);
    assert_int_equal(a.n, 500000);
    answer_free(&a);
    say(fd, "POST /block/x HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n");
    say_n(fd, b.p, b.n);
    expect_next(fd, 413, "more than the 16");
    buf_free(&b);
    close(fd);
}

static void endless_trailers_are_refused(void **state)
{
    (void)state;
    struct buf b = BUF(8 << 20);
    buf_puts(&b,
             "POST /echo HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n");
    for (int i = 0; i < 20000; i++)
        buf_puts(&b, "X: y1\r\n");
    buf_puts(&b, "\r\n");
    expect(server, buf_cstr(&b), 400, NULL);
    buf_free(&b);
}

static void expect_continue_is_answered_when_the_body_is_wanted(void **state)
{
    (void)state;
    struct answer a;
    int fd = dial(server);
    say(fd, GET("/late") "POST /echo HTTP/1.1\r\nHost: localhost\r\nExpect: 100-continue\r\n"
                         "Content-Length: 5\r\n\r\n");
    expect_next(fd, 200, "late"); /* in order, even this */
    hear_head(fd, &a);
    assert_int_equal(a.status, 100);
    say(fd, "hello");
    expect_next(fd, 200, "hello");
    say(fd, "POST /echo HTTP/1.1\r\nHost: localhost\r\nExpect: 100-continue\r\n"
            "Content-Length: 9999999\r\n\r\n");
    expect_next(fd, 413, NULL); /* no invitation */
    close(fd);
    expect(server,
           "POST /echo HTTP/1.1\r\nHost: localhost\r\nExpect: tea\r\nContent-Length: 5\r\n\r\n",
           417, "100-continue");
}

static uint64_t checksum(const char *p, size_t n)
{
    uint64_t sum = 0;
    for (size_t i = 0; i < n; i++)
        sum = sum * 31 + (unsigned char)p[i];
    return sum;
}

static void uploads_reach_the_handler_as_a_file(void **state)
{
    (void)state;
    static const size_t sizes[] = {0, 1, 1000, 256 << 10, (256 << 10) + 1, 5000000, 30000000};
    for (size_t i = 0; i < LENGTH(sizes); i++) {
        size_t n = sizes[i];
        char *body = xmalloc(n + 1), want[64], head[128];
        for (size_t j = 0; j < n; j++)
            body[j] = (char)(j * 7 + j / 251);
        snprintf(want, sizeof(want), "%zu %llu", n, (unsigned long long)checksum(body, n));
        int fd = dial(server);
        snprintf(head, sizeof(head),
                 "PUT /upload HTTP/1.1\r\nHost: localhost\r\nContent-Length: %zu\r\n\r\n", n);
        say(fd, head);
        say_n(fd, body, n);
        say(fd, GET("/fast"));
        expect_next(fd, 200, want);
        expect_next(fd, 200, "fast");
        close(fd);
        free(body);
    }
}

/* While a piece is being written and more is there: under ASan nothing is used afterwards. */
static void a_client_that_leaves_in_the_middle_of_an_upload_does_no_harm(void **state)
{
    (void)state;
    static char piece[1 << 20];
    for (int i = 0; i < 40; i++) {
        int fd = dial(server);
        struct linger now = {1, 0};
        say(fd, "PUT /upload HTTP/1.1\r\nHost: localhost\r\nContent-Length: 60000000\r\n\r\n");
        say_n(fd, piece, sizeof(piece));
        usleep((useconds_t)i * 100);
        setsockopt(fd, SOL_SOCKET, SO_LINGER, &now, sizeof(now));
        close(fd);
    }
    expect(server, GET("/fast"), 200, NULL);
}

static void uploads_may_be_chunked_and_are_bounded(void **state)
{
    (void)state;
    static char chunk[100000];
    memset(chunk, 'a', sizeof(chunk));
    char want[64];
    int fd = dial(server);
    say(fd, "PUT /upload HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n");
    for (int i = 0; i < 20; i++) {
        say(fd, "186a0\r\n");
        say_n(fd, chunk, sizeof(chunk));
        say(fd, "\r\n");
    }
    say(fd, "0\r\n\r\n");
    uint64_t sum = 0;
    for (int i = 0; i < 2000000; i++)
        sum = sum * 31 + 'a';
    snprintf(want, sizeof(want), "2000000 %llu", (unsigned long long)sum);
    expect_next(fd, 200, want);
    close(fd);
    expect(server, "PUT /upload HTTP/1.1\r\nHost: localhost\r\nContent-Length: 67108865\r\n\r\n",
           413, "67108864");
}

static void json_is_asked_for_by_name(void **state)
{
    (void)state;
    expect(server,
           "POST /json HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json; "
           "charset=utf-8\r\nContent-Length: 9\r\n\r\n{\"a\": 1 }",
           201, "{\"a\":1}");
    expect(server, "POST /json HTTP/1.1\r\nHost: localhost\r\nContent-Length: 2\r\n\r\n{}", 201,
           "{}");
    expect(server,
           "POST /json HTTP/1.1\r\nHost: localhost\r\nContent-Type: text/plain\r\nContent-Length: "
           "2\r\n\r\n{}",
           415, "must be JSON");
    expect(server, "POST /json HTTP/1.1\r\nHost: localhost\r\nContent-Length: 2\r\n\r\n{]", 400,
           "invalid");
    expect(server, "POST /json HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0\r\n\r\n", 400,
           "empty");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bodies_are_echoed_however_they_are_framed),
        cmocka_unit_test(a_body_over_the_bound_is_413_and_says_the_bound),
        cmocka_unit_test(a_short_refused_body_keeps_the_connection),
        cmocka_unit_test(a_long_refused_body_does_not_hide_the_answer),
        cmocka_unit_test(megabytes_in_tiny_chunks_are_read_or_refused),
        cmocka_unit_test(endless_trailers_are_refused),
        cmocka_unit_test(expect_continue_is_answered_when_the_body_is_wanted),
        cmocka_unit_test(uploads_reach_the_handler_as_a_file),
        cmocka_unit_test(a_client_that_leaves_in_the_middle_of_an_upload_does_no_harm),
        cmocka_unit_test(uploads_may_be_chunked_and_are_bounded),
        cmocka_unit_test(json_is_asked_for_by_name),
    };
    return cmocka_run_group_tests(tests, start, stop);
}
