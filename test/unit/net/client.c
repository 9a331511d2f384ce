/* SPDX-License-Identifier: Apache-2.0 */
#include "harness.h"

#include "base/log.h"

#include <fcntl.h>
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

static struct http_call call(const char *method, const char *path)
{
    static char url[256];
    snprintf(url, sizeof(url), "%s%s", server->url, path);
    return (struct http_call){.method = method, .url = url};
}

static void answers_come_with_status_and_type(void **state)
{
    (void)state;
    struct http_answer a;
    struct err err;
    struct http_call c = call("GET", "/fast");
    for (int i = 0; i < 3; i++) {
        assert_int_equal(http_do(&c, &a, &err), 0);
        assert_int_equal(a.status, 200);
        assert_string_equal(a.content_type, "application/json");
        assert_string_equal(buf_cstr(&a.body), "\"fast\"");
        http_answer_free(&a);
    }
    c = call("HEAD", "/file");
    assert_int_equal(http_do(&c, &a, &err), 0);
    assert_int_equal(a.status, 200);
    assert_int_equal(a.body.n, 0);
    http_answer_free(&a);
    c = call("GET", "/nothing");
    assert_int_equal(http_do(&c, &a, &err), 0);
    assert_int_equal(a.status, 404);
    http_answer_free(&a);
}

static void json_goes_there_and_back(void **state)
{
    (void)state;
    struct err err;
    json_t *j = NULL;
    struct http_call c = call("POST", "/json");
    c.body = S("{\"a\":[1,2]}");
    assert_int_equal(http_json(&c, &j, &err), 0);
    assert_int_equal(json_array_size(json_object_get(j, "a")), 2);
    json_decref(j);
    c = call("GET", "/secret");
    assert_int_equal(http_json(&c, &j, &err), E_UNAUTHENTICATED);
    assert_non_null(strstr(err.msg, "/secret needs a token"));
    c.token = "reader";
    assert_int_equal(http_json(&c, &j, &err), E_INVALID); /* "hello reader" is no JSON */
    assert_non_null(strstr(err.msg, "the answer of"));
    c.method = "POST";
    assert_int_equal(http_json(&c, &j, &err), E_FORBIDDEN);
    assert_non_null(strstr(err.msg, "may not call"));
}

static void remote_errors_arrive_as_they_left(void **state)
{
    (void)state;
    struct err err;
    json_t *j = NULL;
    struct http_call c = call("GET", "/fail");
    assert_int_equal(http_json(&c, &j, &err), E_CONFLICT);
    assert_string_equal(err.msg, "no \"luck\"");
    assert_string_equal(err.hint, "try harder");
    assert_null(j);
}

static void a_file_is_sent_in_constant_memory(void **state)
{
    (void)state;
    char path[] = "/tmp/tenon-client-XXXXXX";
    int fd = mkstemp(path);
    unlink(path);
    assert_int_equal(ftruncate(fd, 10000000), 0);
    struct http_answer a;
    struct err err;
    struct http_call c = call("PUT", "/upload");
    c.body_fd = fd;
    c.body_size = 10000000;
    assert_int_equal(http_do(&c, &a, &err), 0);
    assert_int_equal(a.status, 200);
    assert_string_equal(buf_cstr(&a.body), "10000000 0");
    http_answer_free(&a);
    close(fd);
}

static int count_pieces(void *ctx, str piece)
{
    size_t *total = ctx;
    *total += piece.n;
    return *total > 1000000;
}

static void pieces_can_be_taken_as_they_come(void **state)
{
    (void)state;
    struct http_answer a;
    struct err err;
    size_t total = 0;
    struct http_call c = call("GET", "/file");
    c.on_data = count_pieces;
    c.ctx = &total;
    assert_int_equal(http_do(&c, &a, &err), E_CANCELLED);
    assert_in_range(total, 1000001, FILE_SIZE);
    total = 0;
    c = call("GET", "/big?n=5000");
    c.on_data = count_pieces;
    c.ctx = &total;
    assert_int_equal(http_do(&c, &a, &err), 0);
    assert_int_equal(total, 5000);
    http_answer_free(&a);
}

static void an_answer_over_the_bound_is_refused(void **state)
{
    (void)state;
    struct http_answer a;
    struct err err;
    struct http_call c = call("GET", "/file");
    c.max_answer = 1000;
    assert_int_equal(http_do(&c, &a, &err), E_TOOBIG);
    assert_non_null(strstr(err.msg, "longer than 1000 bytes"));
}

static void a_server_that_is_not_there_is_named(void **state)
{
    (void)state;
    struct http_answer a;
    struct err err;
    struct http_call c = {.method = "GET", .url = "http://127.0.0.1:1/api/v1/status?x=y"};
    assert_int_equal(http_do(&c, &a, &err), E_UNAVAILABLE);
    assert_string_equal(err.msg, "cannot reach http://127.0.0.1:1: connection refused");
    assert_string_equal(err.hint, "is the server running? start it with: tenon up");
    c.url = "file:///etc/passwd";
    assert_int_equal(http_do(&c, &a, &err), E_INVALID);
    c.url = "gopher://127.0.0.1/";
    assert_int_equal(http_do(&c, &a, &err), E_INVALID);
}

static void an_answer_that_does_not_come_is_a_timeout(void **state)
{
    (void)state;
    struct http_answer a;
    struct err err;
    struct http_call c = call("GET", "/events");
    c.timeout_ms = 100;
    assert_int_equal(http_do(&c, &a, &err), E_TIMEOUT);
    assert_non_null(strstr(err.msg, "within 100 ms"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(answers_come_with_status_and_type),
        cmocka_unit_test(json_goes_there_and_back),
        cmocka_unit_test(remote_errors_arrive_as_they_left),
        cmocka_unit_test(a_file_is_sent_in_constant_memory),
        cmocka_unit_test(pieces_can_be_taken_as_they_come),
        cmocka_unit_test(an_answer_over_the_bound_is_refused),
        cmocka_unit_test(a_server_that_is_not_there_is_named),
        cmocka_unit_test(an_answer_that_does_not_come_is_a_timeout),
    };
    return cmocka_run_group_tests(tests, start, stop);
}
