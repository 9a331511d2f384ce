/* SPDX-License-Identifier: Apache-2.0
 *
 * Who may call what, from which page, under which name. Numbers are rows of the attack list in
 * reference/security-reliability.md.
 */
#include "harness.h"

#include <stdio.h>
#include <unistd.h>

static struct server *server;

static int start(void **state)
{
    static const char *const hosts[] = {"tenon.example", NULL};
    (void)state;
    server = server_start(&(struct net_config){.extra_hosts = hosts}, 0);
    return 0;
}

static int stop(void **state)
{
    (void)state;
    server_stop(server);
    return 0;
}

static void expect_get(const char *path, const char *fields, int status, const char *part)
{
    char text[2048];
    snprintf(text, sizeof(text), "GET %s HTTP/1.1\r\n%s\r\n", path, fields);
    expect(server, text, status, part);
}

/* 29 */
static void only_our_own_names_are_hosts(void **state)
{
    (void)state;
    static const char *const ours[] = {
        "localhost", "LOCALHOST:1", "127.0.0.1",     "127.0.0.1:8700",
        "[::1]",     "[::1]:8700",  "tenon.example", "Tenon.Example:443"};
    static const char *const foreign[] = {"evil.example",
                                          "localhost.evil.example",
                                          "evil.example:8700",
                                          "127.0.0.1.evil.example",
                                          "localhost:80@evil",
                                          "localhost:x",
                                          "localhost:99999",
                                          "[::1",
                                          "::1",
                                          "127.1",
                                          "0.0.0.0",
                                          "localhost evil",
                                          "localhost,evil"};
    char field_line[128];
    for (size_t i = 0; i < LENGTH(ours); i++) {
        snprintf(field_line, sizeof(field_line), "Host: %s\r\n", ours[i]);
        expect_get("/fast", field_line, 200, NULL);
    }
    for (size_t i = 0; i < LENGTH(foreign); i++) {
        snprintf(field_line, sizeof(field_line), "Host: %s\r\n", foreign[i]);
        expect_get("/fast", field_line, 403, "does not answer for the host");
        expect_get("/nothing", field_line, 403, NULL);
    }
    expect_get("/fast", "", 400, "no Host");
    expect_get("/fast", "Host:\r\n", 403, NULL);
    expect(server, "GET /fast HTTP/1.0\r\n\r\n", 200, NULL);
}

static void post_from(const char *fields, int status)
{
    char text[1024];
    snprintf(text, sizeof(text),
             "POST /block/x HTTP/1.1\r\nHost: localhost:%u\r\n%sContent-Length: 0\r\n\r\n",
             server->port, fields);
    expect(server, text, status, NULL);
}

/* 28 */
static void only_our_own_pages_may_post(void **state)
{
    (void)state;
    char origin[128];
    post_from("", 200);
    snprintf(origin, sizeof(origin), "Origin: http://localhost:%u\r\n", server->port);
    post_from(origin, 200);
    snprintf(origin, sizeof(origin), "Origin: http://127.0.0.1:%u\r\n", server->port);
    post_from(origin, 200);
    post_from("Origin: http://evil.example\r\n", 403);
    post_from("Origin: http://localhost:1\r\n", 403); /* another program of this machine */
    post_from("Origin: http://localhost\r\n", 403);
    post_from("Origin: null\r\n", 403);
    post_from("Origin: \r\n", 403);
    post_from("Origin: file://\r\n", 403);
    snprintf(origin, sizeof(origin), "Origin: http://localhost:%u.evil.example\r\n", server->port);
    post_from(origin, 403);
    post_from("Sec-Fetch-Site: cross-site\r\n", 403);
    post_from("Sec-Fetch-Site: same-origin\r\n", 200);
}

/* 12 */
static void what_is_not_open_needs_a_token_that_may(void **state)
{
    (void)state;
    struct answer a;
    char text[128];
    int fd = dial(server);
    say(fd, GET("/secret"));
    hear(fd, &a);
    assert_int_equal(a.status, 401);
    assert_string_equal(field(&a, "WWW-Authenticate", text, sizeof(text)),
                        "Bearer realm=\"tenon\"");
    assert_non_null(strstr(a.body, "unauthenticated"));
    answer_free(&a);
    close(fd);
    const char *host = "Host: localhost\r\n";
    char fields[256];
    snprintf(fields, sizeof(fields), "%sAuthorization: Bearer wrong\r\n", host);
    expect_get("/secret", fields, 401, "not known here");
    expect_get("/fast", fields, 200, NULL); /* open to anyone, so also to them */
    snprintf(fields, sizeof(fields), "%sAuthorization: Basic b3duZXI=\r\n", host);
    expect_get("/secret", fields, 401, NULL);
    snprintf(fields, sizeof(fields), "%sAuthorization: bearer reader\r\n", host);
    expect_get("/secret", fields, 200, "hello reader");
    snprintf(fields, sizeof(fields), "%sCookie: a=b; tenon_session=reader; c=d\r\n", host);
    expect_get("/secret", fields, 200, "hello reader");
    snprintf(fields, sizeof(fields), "%sCookie: xtenon_session=reader\r\n", host);
    expect_get("/secret", fields, 401, NULL);
}

static void a_token_may_do_only_what_it_may(void **state)
{
    (void)state;
    expect(server,
           "POST /secret HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer "
           "reader\r\nContent-Length: 2\r\n\r\n{}",
           403, "token 'reader' may not call POST /secret");
    expect(server,
           "POST /secret HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer "
           "owner\r\nContent-Length: 2\r\n\r\n{}",
           200, "hello owner");
    expect(server,
           "PUT /secret HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer "
           "reader\r\nContent-Length: 50000000\r\n\r\n",
           403, "may not"); /* before a byte of the body */
}

static void a_path_without_the_method_says_which_it_has(void **state)
{
    (void)state;
    struct answer a;
    char text[64];
    int fd = dial(server);
    say(fd, "DELETE /block/x HTTP/1.1\r\nHost: localhost\r\n\r\n");
    hear(fd, &a);
    assert_int_equal(a.status, 405);
    assert_string_equal(field(&a, "Allow", text, sizeof(text)), "GET, HEAD, POST");
    answer_free(&a);
    close(fd);
    expect(server, GET("/nothing"), 404, "nothing at /nothing");
    expect(server, GET("/"), 404, NULL);
}

static void errors_have_our_shape_or_the_doors(void **state)
{
    (void)state;
    expect(server, GET("/fail"), 409,
           "{\"error\":{\"code\":\"conflict\",\"message\":\"no \\\"luck\\\"\",\"hint\":\"try "
           "harder\"}}");
    expect(server, GET("/fail/fast"), 409, "\"hint\":\"try harder\"");
    expect(server, GET("/unpackable"), 500,
           "\"code\":\"internal\",\"message\":\"the answer to "
           "/unpackable cannot be written as JSON\"");
    expect(server, GET("/unpackable/fast"), 500, "cannot be written as JSON");
    expect(server, GET("/fail/shape"), 409, "{\"error\":\"no \"luck\"\"}");
    expect(server, "POST /secret HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0\r\n\r\n", 401,
           "{\"error\":\"/secret needs a token\"}");
}

/* 45, 1, 3, 4 */
static void hostile_paths_are_refused_before_any_handler(void **state)
{
    (void)state;
    static const char *const bad[] = {"/files/../../etc/passwd",
                                      "/files/%2e%2e/x",
                                      "/files/a/%2E%2e%2fb",
                                      "/files/a\\b",
                                      "/files/a%5cb",
                                      "/files/a%00b",
                                      "/files/a%0ab",
                                      "/files/a%1b%5b31m",
                                      "/files/a%7fb",
                                      "/files/a%zz",
                                      "/files/a%2",
                                      "/files/%",
                                      "/files/a//b",
                                      "/files//etc/passwd",
                                      "/files/a/",
                                      "/files/%ff",
                                      "/files/x;/../y",
                                      "/../fast",
                                      "/./fast"};
    char fields[] = "Host: localhost\r\n";
    for (size_t i = 0; i < LENGTH(bad); i++)
        expect_get(bad[i], fields, 400, "invalid");
    expect_get("/files/%252e%252e", fields, 200, "rest=%2e%2e"); /* decoded once */
    expect_get("/files/a%20b/c.txt?q=x%26y+z", fields, 200, "rest=a b/c.txt q=x&y z");
    expect_get("/files/", fields, 200, "rest= ");
    expect_get("/items/a%2fb", fields, 404, NULL);
    expect_get("/items/a%20b", fields, 404, NULL);
    expect_get("/items/%61b", fields, 200, "name=ab");
    expect_get("/fast%0d%0aX-Injected:%20yes", fields, 400, NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(only_our_own_names_are_hosts),
        cmocka_unit_test(only_our_own_pages_may_post),
        cmocka_unit_test(what_is_not_open_needs_a_token_that_may),
        cmocka_unit_test(a_token_may_do_only_what_it_may),
        cmocka_unit_test(a_path_without_the_method_says_which_it_has),
        cmocka_unit_test(errors_have_our_shape_or_the_doors),
        cmocka_unit_test(hostile_paths_are_refused_before_any_handler),
    };
    return cmocka_run_group_tests(tests, start, stop);
}
