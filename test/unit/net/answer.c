/* SPDX-License-Identifier: Apache-2.0
 *
 * Answers on their way out: files and ranges, streams, assets.
 */
#include "harness.h"

#include <stdio.h>
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

static void ask(int fd, const char *path, const char *fields, struct answer *ret)
{
    char text[1024];
    snprintf(text, sizeof(text), "GET %s HTTP/1.1\r\nHost: localhost\r\n%s\r\n", path, fields);
    say(fd, text);
    hear(fd, ret);
}

/* The file's byte at i, as harness.c writes it. */
static char file_byte(size_t i)
{
    char line[16];
    snprintf(line, sizeof(line), "%09zu\n", i / 10);
    return line[i % 10];
}

static void check_bytes(const struct answer *a, size_t from, size_t n)
{
    assert_int_equal(a->n, n);
    for (size_t i = 0; i < n; i++)
        if (a->body[i] != file_byte(from + i))
            fail_msg("byte %zu is wrong", from + i);
}

static void files_arrive_whole(void **state)
{
    (void)state;
    struct answer a;
    char text[128];
    int fd = dial(server);
    for (int i = 0; i < 2; i++) {
        ask(fd, "/file", "", &a);
        assert_int_equal(a.status, 200);
        check_bytes(&a, 0, FILE_SIZE);
        assert_string_equal(field(&a, "ETag", text, sizeof(text)), "\"v1\"");
        assert_string_equal(field(&a, "Accept-Ranges", text, sizeof(text)), "bytes");
        assert_non_null(
            strstr(field(&a, "Content-Security-Policy", text, sizeof(text)), "sandbox"));
        answer_free(&a);
    }
    close(fd);
}

static void ranges_give_the_part_asked_for(void **state)
{
    (void)state;
    static const struct {
        const char *range;
        int status;
        size_t from, n;
    } cases[] = {
        {"bytes=0-0", 206, 0, 1},
        {"bytes=5-14", 206, 5, 10},
        {"bytes=2999990-", 206, 2999990, 10},
        {"bytes=-7", 206, 2999993, 7},
        {"bytes=-99999999", 206, 0, FILE_SIZE},
        {"bytes=1000000-99999999", 206, 1000000, 2000000},
        {"bytes=3000000-", 416, 0, 0},
        {"bytes=-0", 416, 0, 0},
        {"bytes=5-4", 200, 0, FILE_SIZE},
        {"bytes=0-1,4-5", 200, 0, FILE_SIZE},
        {"bytes=a-b", 200, 0, FILE_SIZE},
        {"bytes=-", 200, 0, FILE_SIZE},
        {"lines=1-2", 200, 0, FILE_SIZE},
    };
    int fd = dial(server);
    for (size_t i = 0; i < LENGTH(cases); i++) {
        struct answer a;
        char fields[128], text[128], want[128];
        snprintf(fields, sizeof(fields), "Range: %s\r\n", cases[i].range);
        ask(fd, "/file", fields, &a);
        if (a.status != cases[i].status)
            fail_msg("%s gives %d", cases[i].range, a.status);
        if (a.status != 416)
            check_bytes(&a, cases[i].from, cases[i].n);
        snprintf(want, sizeof(want), "bytes %zu-%zu/%d", cases[i].from,
                 cases[i].from + cases[i].n - 1, FILE_SIZE);
        if (a.status == 416)
            snprintf(want, sizeof(want), "bytes */%d", FILE_SIZE);
        const char *got = field(&a, "Content-Range", text, sizeof(text));
        if (a.status == 200)
            assert_null(got);
        else
            assert_string_equal(got, want);
        answer_free(&a);
    }
    close(fd);
}

static void conditions_on_files_hold(void **state)
{
    (void)state;
    struct answer a;
    int fd = dial(server);
    ask(fd, "/file", "Range: bytes=0-9\r\nIf-Range: \"v1\"\r\n", &a);
    assert_int_equal(a.status, 206);
    answer_free(&a);
    ask(fd, "/file", "Range: bytes=0-9\r\nIf-Range: \"v0\"\r\n", &a);
    assert_int_equal(a.status, 200);
    check_bytes(&a, 0, FILE_SIZE);
    answer_free(&a);
    ask(fd, "/file", "If-None-Match: \"v0\", W/\"v1\"\r\n", &a);
    assert_int_equal(a.status, 304);
    assert_int_equal(a.n, 0);
    answer_free(&a);
    ask(fd, "/fast", "", &a);
    assert_int_equal(a.status, 200);
    answer_free(&a);
    close(fd);
}

static void assets_are_sent_once_and_then_known(void **state)
{
    (void)state;
    struct answer a;
    char text[128];
    int fd = dial(server);
    ask(fd, "/asset", "", &a);
    assert_int_equal(a.status, 200);
    assert_string_equal(a.body, "alert(1)");
    assert_string_equal(field(&a, "Content-Type", text, sizeof(text)), "text/javascript");
    assert_string_equal(field(&a, "Content-Security-Policy", text, sizeof(text)),
                        "default-src 'self'");
    answer_free(&a);
    ask(fd, "/asset", "If-None-Match: \"e1\"\r\n", &a);
    assert_int_equal(a.status, 304);
    assert_string_equal(field(&a, "ETag", text, sizeof(text)), "\"e1\"");
    answer_free(&a);
    ask(fd, "/asset", "If-None-Match: \"e0\"\r\n", &a);
    assert_int_equal(a.status, 200);
    answer_free(&a);
    close(fd);
}

static void streams_end_when_they_are_done(void **state)
{
    (void)state;
    struct answer a;
    char text[64];
    int fd = dial(server);
    unsigned before = streams_closed();
    ask(fd, "/count", "", &a);
    assert_string_equal(a.body, "5,4,3,2,1,");
    assert_string_equal(field(&a, "Transfer-Encoding", text, sizeof(text)), "chunked");
    answer_free(&a);
    ask(fd, "/fast", "", &a);
    answer_free(&a);
    for (int i = 0; i < 500 && streams_closed() == before; i++)
        usleep(10000);
    assert_int_equal(streams_closed(), before + 1);
    close(fd);
}

static void expect_text(int fd, const char *text)
{
    char got[256];
    size_t n = strlen(text);
    for (size_t at = 0; at < n; at++)
        if (read(fd, got + at, 1) != 1)
            fail_msg("'%s' did not come", text);
    assert_memory_equal(got, text, n);
}

static void a_wake_brings_what_happened(void **state)
{
    (void)state;
    struct answer a;
    int fd = dial(server);
    event_add();
    say(fd, GET("/events"));
    hear_head(fd, &a);
    expect_text(fd, "8\r\nevent 1\n\r\n");
    for (int i = 2; i <= 200; i++) {
        char want[64];
        event_add();
        net_wake(server->net);
        int n = snprintf(want, sizeof(want), "event %d\n", i);
        char framed[80];
        snprintf(framed, sizeof(framed), "%x\r\n%s\r\n", (unsigned)n, want);
        expect_text(fd, framed); /* hangs if the wake is lost: only a wake brings more */
    }
    unsigned before = streams_closed();
    close(fd);
    for (int i = 0; i < 500 && streams_closed() == before; i++)
        usleep(10000);
    assert_int_equal(streams_closed(), before + 1);
}

static void a_reader_that_stops_stops_the_stream(void **state)
{
    (void)state;
    struct answer a;
    int fd = dial(server);
    unsigned before = streams_closed();
    say(fd, GET("/flood"));
    hear_head(fd, &a);
    usleep(50000); /* the server meets its bound and waits */
    expect(server, GET("/fast"), 200, NULL);
    close(fd);
    for (int i = 0; i < 500 && streams_closed() == before; i++)
        usleep(10000);
    assert_int_equal(streams_closed(), before + 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(files_arrive_whole),
        cmocka_unit_test(ranges_give_the_part_asked_for),
        cmocka_unit_test(conditions_on_files_hold),
        cmocka_unit_test(assets_are_sent_once_and_then_known),
        cmocka_unit_test(streams_end_when_they_are_done),
        cmocka_unit_test(a_wake_brings_what_happened),
        cmocka_unit_test(a_reader_that_stops_stops_the_stream),
    };
    return cmocka_run_group_tests(tests, start, stop);
}
