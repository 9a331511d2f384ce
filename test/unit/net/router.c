/* SPDX-License-Identifier: Apache-2.0 */
#include "net/net_int.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <string.h>

static int handler(struct request *rq, void *ctx, struct err *err)
{
    (void)rq, (void)ctx, (void)err;
    return 0;
}

#define ROUTE(method, pattern)                                                                     \
    {                                                                                              \
        method, pattern, ROUTE_FAST, PERM_NONE, 0, handler, NULL, "", NULL                         \
    }

static const struct route routes[] = {
    ROUTE("GET", "/"),
    ROUTE("GET", "/models"),
    ROUTE("GET", "/models/search"),
    ROUTE("GET", "/models/{name}"),
    ROUTE("DELETE", "/models/{name}"),
    ROUTE("GET", "/models/{model}/versions/{n:int}"),
    ROUTE("GET", "/models/{name}/versions/{ref:ref}"),
    ROUTE("GET", "/runs/{id:id}"),
    ROUTE("GET", "/blobs/{digest:digest}"),
    ROUTE("HEAD", "/blobs/{digest:digest}"),
    ROUTE("GET", "/files/{rest:path}"),
    ROUTE("GET", "/files/readme"),
    ROUTE("POST", "/a/b/c"),
    ROUTE("GET", "/a/{x}/d"),
};

static struct router *router;
static struct arena *arena;

static int setup(void **state)
{
    (void)state;
    arena = arena_new(0);
    return router_new(routes, LENGTH(routes), &router, NULL);
}

static int teardown(void **state)
{
    (void)state;
    router_free(router);
    arena_free(arena);
    return 0;
}

static int match(const char *method, const char *path, struct match *ret)
{
    str decoded;
    return router_match(router, str_from(method), str_from(path), arena, &decoded, ret, NULL);
}

static void expect_pattern(const char *method, const char *path, const char *pattern,
                           const char *param)
{
    struct match m;
    assert_int_equal(match(method, path, &m), 0);
    if (!m.route && pattern)
        fail_msg("%s %s matches nothing", method, path);
    if (!pattern) {
        if (m.route)
            fail_msg("%s %s matches %s", method, path, m.route->pattern);
        return;
    }
    assert_string_equal(m.route->pattern, pattern);
    if (param)
        assert_true(str_is(m.params[m.param_count - 1].value, param));
}

#define HEX32 "0123456789abcdef0123456789abcdef"

static void the_narrowest_route_wins(void **state)
{
    (void)state;
    expect_pattern("GET", "/", "/", NULL);
    expect_pattern("GET", "/models", "/models", NULL);
    expect_pattern("GET", "/models/search", "/models/search", NULL);
    expect_pattern("GET", "/models/searches", "/models/{name}", "searches");
    expect_pattern("DELETE", "/models/search", "/models/{name}", "search");
    expect_pattern("GET", "/models/m/versions/7", "/models/{model}/versions/{n:int}", "7");
    expect_pattern("GET", "/models/m/versions/@best", "/models/{name}/versions/{ref:ref}", "@best");
    expect_pattern("GET", "/models/m/versions/latest", "/models/{name}/versions/{ref:ref}",
                   "latest");
    expect_pattern("GET", "/files/readme", "/files/readme", NULL);
    expect_pattern("GET", "/files/readme/x", "/files/{rest:path}", "readme/x");
    expect_pattern("GET", "/files/a%2Fb", "/files/{rest:path}", "a/b");
    expect_pattern("GET", "/a/b/d", "/a/{x}/d", "b"); /* back out of /a/b */
}

static void parameters_are_typed(void **state)
{
    (void)state;
    expect_pattern("GET", "/runs/" HEX32, "/runs/{id:id}", HEX32);
    expect_pattern("GET", "/runs/" HEX32 "0", NULL, NULL);
    expect_pattern("GET", "/runs/0123456789ABCDEF0123456789ABCDEF", NULL, NULL);
    expect_pattern("GET", "/blobs/" HEX32 HEX32, "/blobs/{digest:digest}", HEX32 HEX32);
    expect_pattern("GET", "/blobs/" HEX32, NULL, NULL);
    expect_pattern("GET", "/models/m/versions/99999999999999999999",
                   "/models/{name}/versions/{ref:ref}", NULL);
    expect_pattern("GET", "/models/m/versions/-1", NULL, NULL);
    expect_pattern("GET", "/models/m/versions/@", NULL, NULL);
    expect_pattern("GET", "/models/a b", NULL, NULL);
    expect_pattern("GET", "/models/", NULL, NULL);
    expect_pattern("GET", "/models/a/", NULL, NULL);
    expect_pattern("GET", "//models", NULL, NULL);
}

static void head_is_get_unless_it_has_its_own(void **state)
{
    (void)state;
    struct match m;
    expect_pattern("HEAD", "/models/x", "/models/{name}", "x");
    assert_int_equal(match("HEAD", "/blobs/" HEX32 HEX32, &m), 0);
    assert_string_equal(m.route->method, "HEAD");
}

static void allowed_methods_are_gathered_from_all_that_match(void **state)
{
    (void)state;
    struct match m;
    assert_int_equal(match("PUT", "/models/search", &m), 0);
    assert_null(m.route);
    assert_string_equal(m.allow, "GET, HEAD, DELETE");
    assert_int_equal(match("PUT", "/nothing", &m), 0);
    assert_string_equal(m.allow, "");
}

static void deep_paths_are_bounded(void **state)
{
    (void)state;
    char path[4096] = "/files";
    for (size_t n = 6; n + 2 < sizeof(path); n += 2)
        memcpy(path + n, "/a", 3);
    struct match m;
    assert_int_equal(match("GET", path, &m), E_INVALID);
}

static void expect_refused(struct route route, const char *why)
{
    struct router *r = NULL;
    struct err err;
    assert_int_equal(router_new(&route, 1, &r, &err), E_INVALID);
    assert_null(r);
    if (!strstr(err.msg, why))
        fail_msg("%s", err.msg);
}

static void tables_that_make_no_sense_do_not_compile(void **state)
{
    (void)state;
    struct route good = ROUTE("GET", "/x");
    struct route r = good;
    r.perm = 0; /* deny by default: nobody forgets a permission */
    expect_refused(r, "names no permission");
    r = good;
    r.handler = NULL;
    expect_refused(r, "incomplete");
    r = good;
    r.pattern = "x";
    expect_refused(r, "incomplete");
    r.pattern = "/{x:color}";
    expect_refused(r, "unknown kind of parameter 'color'");
    r.pattern = "/{x:path}/y";
    expect_refused(r, "cannot stand here");
    r.pattern = "/{a}/{b}/{c}/{d}/{e}/{f}/{g}/{h}/{i}";
    expect_refused(r, "cannot stand here");
    struct route twice[] = {ROUTE("GET", "/x/{a}"), ROUTE("GET", "/x/{b}")};
    struct router *none = NULL;
    struct err err;
    assert_int_equal(router_new(twice, 2, &none, &err), E_INVALID);
    assert_non_null(strstr(err.msg, "GET /x/{b}: it is there twice"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_narrowest_route_wins),
        cmocka_unit_test(parameters_are_typed),
        cmocka_unit_test(head_is_get_unless_it_has_its_own),
        cmocka_unit_test(allowed_methods_are_gathered_from_all_that_match),
        cmocka_unit_test(deep_paths_are_bounded),
        cmocka_unit_test(tables_that_make_no_sense_do_not_compile),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
