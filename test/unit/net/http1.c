/* SPDX-License-Identifier: Apache-2.0
 *
 * What goes over the wire: framing, order, refusals of what is not HTTP.
 */
#include "harness.h"

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

static void expect_next(int fd, int status, const char *body)
{
    struct answer a;
    hear(fd, &a);
    assert_int_equal(a.status, status);
    if (body)
        assert_string_equal(a.body, body);
    answer_free(&a);
}

static void a_connection_serves_many_requests(void **state)
{
    (void)state;
    int fd = dial(server);
    for (int i = 0; i < 3; i++) {
        say(fd, GET("/fast"));
        expect_next(fd, 200, "\"fast\"");
        say(fd, GET("/block/a"));
        expect_next(fd, 200, "block a");
    }
    say(fd, "GET /fast HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
    expect_next(fd, 200, NULL);
    assert_true(heard_end(fd));
    close(fd);
}

static void old_clients_get_what_they_understand(void **state)
{
    (void)state;
    char text[64];
    struct answer a;
    int fd = dial(server);
    say(fd, "GET /fast HTTP/1.0\r\nConnection: keep-alive\r\n\r\n");
    hear(fd, &a);
    assert_string_equal(field(&a, "Connection", text, sizeof(text)), "keep-alive");
    answer_free(&a);
    say(fd, "GET /count HTTP/1.0\r\nConnection: keep-alive\r\n\r\n");
    hear_head(fd, &a); /* no chunks in 1.0: the end of the connection ends the body */
    assert_null(field(&a, "Transfer-Encoding", text, sizeof(text)));
    char body[32] = "";
    size_t n = 0;
    for (ssize_t got; (got = recv(fd, body + n, sizeof(body) - 1 - n, 0)) > 0;)
        n += (size_t)got;
    assert_string_equal(body, "5,4,3,2,1,");
    close(fd);
}

static void every_answer_names_itself_and_is_hardened(void **state)
{
    (void)state;
    char text[128];
    struct answer a, b;
    int fd = dial(server);
    say(fd, GET("/fast") GET("/nothing"));
    hear(fd, &a);
    hear(fd, &b);
    assert_int_equal(strlen(field(&a, "X-Request-Id", text, sizeof(text))), 32);
    char other[128];
    assert_string_not_equal(text, field(&b, "X-Request-Id", other, sizeof(other)));
    assert_string_equal(field(&b, "X-Content-Type-Options", text, sizeof(text)), "nosniff");
    assert_string_equal(field(&b, "Referrer-Policy", text, sizeof(text)), "no-referrer");
    assert_string_equal(field(&b, "Cache-Control", text, sizeof(text)), "no-store");
    assert_non_null(field(&b, "Date", text, sizeof(text)));
    answer_free(&a);
    answer_free(&b);
    close(fd);
}

static void pipelined_answers_keep_their_order(void **state)
{
    (void)state;
    int fd = dial(server);
    say(fd, GET("/late") GET("/fast") GET("/block/b") GET("/late") GET("/nothing") GET("/fast"));
    expect_next(fd, 200, "late");
    expect_next(fd, 200, "\"fast\"");
    expect_next(fd, 200, "block b");
    expect_next(fd, 200, "late");
    expect_next(fd, 404, NULL);
    expect_next(fd, 200, "\"fast\"");
    close(fd);
}

static void a_long_pipeline_is_answered_in_full(void **state)
{
    (void)state;
    int fd = dial(server);
    struct buf b = BUF(1 << 20);
    for (int i = 0; i < 1000; i++) {
        buf_puts(&b, i % 100 == 7 ? GET("/block/x") : i % 50 == 3 ? GET("/late") : GET("/fast"));
        if (i % 10 == 0)
            buf_puts(&b,
                     "POST /fastecho HTTP/1.1\r\nHost: localhost\r\nContent-Length: 3\r\n\r\nabc");
    }
    say_n(fd, b.p, b.n);
    for (int i = 0; i < 1000; i++) {
        expect_next(fd, 200, i % 100 == 7 ? "block x" : i % 50 == 3 ? "late" : "\"fast\"");
        if (i % 10 == 0)
            expect_next(fd, 200, "abc");
    }
    buf_free(&b);
    close(fd);
}

static void requests_of_one_turn_form_one_tick(void **state)
{
    (void)state;
    int fd = dial(server);
    say(fd, GET("/tick") GET("/tick") GET("/tick"));
    expect_next(fd, 200, "1 of 3");
    expect_next(fd, 200, "2 of 3");
    expect_next(fd, 200, "3 of 3");
    close(fd);
}

static void requests_may_come_byte_by_byte(void **state)
{
    (void)state;
    static const char text[] =
        "POST /echo HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: "
        "chunked\r\nX-A: b\r\n\r\n3\r\nabc\r\n2;x=y\r\nde\r\n0\r\nT: v\r\n\r\n";
    int fd = dial(server);
    for (size_t i = 0; i < sizeof(text) - 1; i++) {
        say_n(fd, text + i, 1);
        if (i % 16 == 0)
            usleep(500); /* so that the server sees pieces */
    }
    expect_next(fd, 200, "abcde");
    say(fd, GET("/fast"));
    expect_next(fd, 200, NULL);
    close(fd);
}

static void head_has_the_fields_but_no_body(void **state)
{
    (void)state;
    char text[64];
    struct answer a;
    int fd = dial(server);
    say(fd, "HEAD /fast HTTP/1.1\r\nHost: localhost\r\n\r\n"
            "HEAD /file HTTP/1.1\r\nHost: localhost\r\n\r\n"
            "HEAD /count HTTP/1.1\r\nHost: localhost\r\n\r\n" GET("/fast"));
    hear_head(fd, &a);
    assert_string_equal(field(&a, "Content-Length", text, sizeof(text)), "6");
    hear_head(fd, &a);
    assert_string_equal(field(&a, "Content-Length", text, sizeof(text)), "3000000");
    hear_head(fd, &a);
    assert_int_equal(a.status, 200);
    expect_next(fd, 200, "\"fast\"");
    close(fd);
}

static void smuggling_is_refused_and_ends_the_connection(void **state)
{
    (void)state;
    static const char *const attacks[] = {
        "POST /echo HTTP/1.1\r\nHost: localhost\r\nContent-Length: 4\r\nTransfer-Encoding: "
        "chunked\r\n\r\n0\r\n\r\n",
        "POST /echo HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\nContent-Length: "
        "4\r\n\r\n0\r\n\r\n",
        "POST /echo HTTP/1.1\r\nHost: localhost\r\nContent-Length: 4\r\nContent-Length: "
        "5\r\n\r\nabcde",
        "POST /echo HTTP/1.1\r\nHost: localhost\r\nContent-Length: 4\r\nContent-Length: "
        "4\r\n\r\nabcd",
        "POST /echo HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: gzip, "
        "chunked\r\n\r\n0\r\n\r\n",
        "POST /echo HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: xchunked\r\n\r\n0\r\n\r\n",
        "POST /echo HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: "
        "chunked\r\nTransfer-Encoding: "
        "chunked\r\n\r\n0\r\n\r\n",
        "POST /echo HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding : chunked\r\n\r\n0\r\n\r\n",
        "POST /echo HTTP/1.1\r\nHost: localhost\r\nContent-Length: +4\r\n\r\nabcd",
        "POST /echo HTTP/1.1\r\nHost: localhost\r\nContent-Length: 99999999999999999999\r\n\r\n",
        "GET /fast HTTP/1.1\r\nHost: localhost\r\nX: a\rGET /fast HTTP/1.1\r\n\r\n",
        "GET /fast HTTP/1.1\r\nHost: localhost\r\nX: a\r\n folded\r\n\r\n",
        "GET /fast HTTP/1.1\r\nHost: localhost\r\nHost: evil\r\n\r\n",
        "GET /fast HTTP/1.1\r\nHost: localhost\r\nX(): a\r\n\r\n",
    };
    for (size_t i = 0; i < LENGTH(attacks); i++) {
        struct answer a;
        int fd = dial(server);
        say(fd, attacks[i]);
        hear(fd, &a);
        if (a.status != 400)
            fail_msg("status %d for attack %zu: %s", a.status, i, attacks[i]);
        answer_free(&a);
        shutdown(fd, SHUT_WR);
        assert_true(heard_end(fd)); /* nothing behind it is taken for a request */
        close(fd);
    }
}

static void what_is_not_http_is_refused(void **state)
{
    (void)state;
    expect(server, "hello there\r\n\r\n", 400, "not HTTP");
    expect(server, "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 400, NULL);
    expect(server, "GET /fast HTTP/2.0\r\nHost: localhost\r\n\r\n", 505, "HTTP/1.1");
    expect(server, "GET fast HTTP/1.1\r\nHost: localhost\r\n\r\n", 400, NULL);
    expect(server, "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", 400, NULL);
    expect(server, "OPTIONS * HTTP/1.1\r\nHost: localhost\r\n\r\n", 400, NULL);
    expect(server, "CONNECT localhost:1 HTTP/1.1\r\nHost: localhost\r\n\r\n", 400, NULL);
}

static void an_upgrade_is_ignored(void **state)
{
    (void)state;
    int fd = dial(server);
    say(fd, "GET /fast HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\n");
    expect_next(fd, 200, NULL);
    say(fd, "\r\n\r\n" GET("/fast"));
    expect_next(fd, 200, NULL);
    close(fd);
}

static void absolute_targets_name_the_host(void **state)
{
    (void)state;
    expect(server, "GET http://localhost/fast HTTP/1.1\r\nHost: localhost\r\n\r\n", 200, NULL);
    expect(server, "GET http://evil/fast HTTP/1.1\r\nHost: localhost\r\n\r\n", 403, NULL);
}

static void too_much_header_is_431(void **state)
{
    (void)state;
    struct buf b = BUF(1 << 20);
    buf_puts(&b, "GET /fast HTTP/1.1\r\nHost: localhost\r\nX: ");
    while (b.n < 40000)
        buf_char(&b, 'x');
    buf_puts(&b, "\r\n\r\n");
    expect(server, buf_cstr(&b), 431, "32768 bytes");
    buf_clear(&b);
    buf_puts(&b, "GET /fast HTTP/1.1\r\nHost: localhost\r\n");
    for (int i = 0; i < 101; i++)
        buf_printf(&b, "X%d: y\r\n", i);
    buf_puts(&b, "\r\n");
    expect(server, buf_cstr(&b), 431, "100 fields");
    buf_clear(&b);
    buf_puts(&b, "GET /fast HTTP/1.1\r\nHost: localhost\r\n");
    for (int i = 0; i < 90; i++)
        buf_printf(&b, "X%d: y\r\n", i);
    buf_puts(&b, "\r\n");
    expect(server, buf_cstr(&b), 200, "fast");
    buf_free(&b);
}

static void a_half_closed_client_still_gets_its_answers(void **state)
{
    (void)state;
    int fd = dial(server);
    say(fd, GET("/late") GET("/block/z"));
    shutdown(fd, SHUT_WR);
    expect_next(fd, 200, "late");
    expect_next(fd, 200, "block z");
    assert_true(heard_end(fd));
    close(fd);
}

static void clients_that_leave_do_no_harm(void **state)
{
    (void)state;
    static const char *const stories[] = {
        GET("/late"),
        GET("/block/q"),
        GET("/file"),
        GET("/flood"),
        GET("/big?n=9000000"),
        "PUT /upload HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100\r\n\r\nabc",
        "GET /fa"};
    for (size_t i = 0; i < LENGTH(stories) * 4; i++) {
        int fd = dial(server);
        say(fd, stories[i % LENGTH(stories)]);
        struct linger now = {1, 0};
        if (i % 2)
            setsockopt(fd, SOL_SOCKET, SO_LINGER, &now, sizeof(now)); /* close sends RST */
        close(fd);
    }
    expect(server, GET("/late"), 200, "late");
}

static void big_answers_arrive_whole(void **state)
{
    (void)state;
    struct answer a;
    int fd = dial(server);
    say(fd, GET("/big?n=20000000") GET("/fast") GET("/big?n=17000") GET("/big?n=100"));
    hear(fd, &a);
    assert_int_equal(a.n, 20000000);
    for (size_t i = 0; i < a.n; i++)
        if (a.body[i] != (char)('a' + i % 26))
            fail_msg("byte %zu is wrong", i);
    answer_free(&a);
    expect_next(fd, 200, "\"fast\"");
    hear(fd, &a);
    assert_int_equal(a.n, 17000);
    answer_free(&a);
    hear(fd, &a);
    assert_int_equal(a.n, 100);
    answer_free(&a);
    close(fd);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_connection_serves_many_requests),
        cmocka_unit_test(old_clients_get_what_they_understand),
        cmocka_unit_test(every_answer_names_itself_and_is_hardened),
        cmocka_unit_test(pipelined_answers_keep_their_order),
        cmocka_unit_test(a_long_pipeline_is_answered_in_full),
        cmocka_unit_test(requests_of_one_turn_form_one_tick),
        cmocka_unit_test(requests_may_come_byte_by_byte),
        cmocka_unit_test(head_has_the_fields_but_no_body),
        cmocka_unit_test(smuggling_is_refused_and_ends_the_connection),
        cmocka_unit_test(what_is_not_http_is_refused),
        cmocka_unit_test(an_upgrade_is_ignored),
        cmocka_unit_test(absolute_targets_name_the_host),
        cmocka_unit_test(too_much_header_is_431),
        cmocka_unit_test(a_half_closed_client_still_gets_its_answers),
        cmocka_unit_test(clients_that_leave_do_no_harm),
        cmocka_unit_test(big_answers_arrive_whole),
    };
    return cmocka_run_group_tests(tests, start, stop);
}
