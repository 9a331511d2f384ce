/* SPDX-License-Identifier: Apache-2.0
 *
 * base is small types; one file tests them all.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/arena.h"
#include "base/buf.h"
#include "base/err.h"
#include "base/id.h"
#include "base/map.h"
#include "base/vec.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

static void numbers_are_whole_or_refused(void **state)
{
    (void)state;
    int64_t i = 7;
    uint64_t u = 7;
    double d = 7;
    assert_true(str_i64(S("-9223372036854775808"), &i));
    assert_true(i == INT64_MIN);
    assert_false(str_i64(S("9223372036854775808"), &i));
    assert_false(str_i64(S(""), &i));
    assert_false(str_i64(S("12x"), &i));
    assert_false(str_i64(S(" 12"), &i));
    assert_true(str_u64(S("18446744073709551615"), &u));
    assert_true(u == UINT64_MAX);
    assert_false(str_u64(S("18446744073709551616"), &u));
    assert_true(str_f64(S("-1.5e3"), &d));
    assert_true(d == -1500);
    assert_false(str_f64(S("nan"), &d));
    assert_false(str_f64(S("0x10"), &d));
    assert_false(str_f64(S("1e999"), &d));
    assert_true(d == -1500);
}

static void names_are_safe_path_components(void **state)
{
    (void)state;
    assert_true(str_is_name(S("late-arrival_2.v1")));
    assert_false(str_is_name(S("")));
    assert_false(str_is_name(S("..")));
    assert_false(str_is_name(S(".hidden")));
    assert_false(str_is_name(S("a..b")));
    assert_false(str_is_name(S("a/b")));
    assert_false(str_is_name(S("a b")));
    assert_false(str_is_name(str_n("a\0b", 3)));
    char name[130];
    memset(name, 'a', sizeof(name));
    assert_true(str_is_name(str_n(name, 128)));
    assert_false(str_is_name(str_n(name, 129)));
}

static void utf8_is_strict(void **state)
{
    (void)state;
    assert_true(str_is_utf8(S("flüge 航班 \xf0\x9f\x9b\xab")));
    assert_false(str_is_utf8(S("\xc0\xaf")));         /* overlong */
    assert_false(str_is_utf8(S("\xed\xa0\x80")));     /* surrogate */
    assert_false(str_is_utf8(S("\xf4\x90\x80\x80"))); /* beyond U+10FFFF */
    assert_false(str_is_utf8(S("\xe2\x82")));         /* cut */
}

static void the_nearest_name_is_suggested(void **state)
{
    (void)state;
    const char *names[] = {"train", "evaluate", "deploy"};
    assert_string_equal(str_nearest(S("trian"), names, 3), "train");
    assert_string_equal(str_nearest(S("evalute"), names, 3), "evaluate");
    assert_null(str_nearest(S("xyz"), names, 3));
    assert_int_equal(str_distance(S("kitten"), S("sitting")), 3);
}

static void cut_and_trim(void **state)
{
    (void)state;
    str head, tail;
    assert_true(str_cut(S("a=b=c"), '=', &head, &tail));
    assert_true(str_is(head, "a") && str_is(tail, "b=c"));
    assert_false(str_cut(S("abc"), '=', &head, &tail));
    assert_true(str_is(head, "abc") && tail.n == 0);
    assert_true(str_is(str_trim(S(" \t x y\r\n")), "x y"));
    assert_true(str_cmp(S("ab"), S("abc")) < 0);
}

static void a_buffer_stops_at_its_maximum(void **state)
{
    (void)state;
    struct buf b = BUF(10);
    buf_puts(&b, "12345");
    buf_puts(&b, "6789");
    assert_true(buf_ok(&b));
    buf_puts(&b, "abc");
    assert_false(buf_ok(&b));
    assert_true(str_is(buf_view(&b), "123456789"));
    buf_free(&b);
    assert_true(buf_ok(&b));
    struct buf big = BUF(5000);
    for (int i = 0; i < 100; i++)
        buf_printf(&big, "%d,", i);
    buf_consume(&big, 2);
    assert_true(str_starts(buf_view(&big), S("1,2,3,")));
    assert_int_equal(strlen(buf_cstr(&big)), big.n);
    buf_free(&big);
    struct buf long_line = BUF(5000);
    buf_printf(&long_line, "%1000d", 7);
    assert_int_equal(long_line.n, 1000);
    buf_free(&long_line);
}

static void an_arena_is_bounded_zeroed_and_aligned(void **state)
{
    (void)state;
    CLEANUP(arena_freep) struct arena *a = arena_new(10000);
    for (int i = 0; i < 20; i++) {
        char *p = arena_alloc(a, 33);
        assert_int_equal((uintptr_t)p % 16, 0);
        for (int k = 0; k < 33; k++)
            assert_int_equal(p[k], 0);
        memset(p, 0xff, 33);
    }
    assert_null(arena_try(a, 20000));
    assert_null(arena_try(a, SIZE_MAX));
    assert_string_equal(arena_printf(a, "%s-%d", "x", 5), "x-5");
    arena_reset(a);
    assert_non_null(arena_try(a, 4000));
}

static void a_map_keeps_order_and_survives_deletes(void **state)
{
    (void)state;
    struct map *m = map_new();
    char key[16];
    static int values[1000];
    for (int i = 0; i < 1000; i++) {
        snprintf(key, sizeof(key), "k%d", i);
        assert_null(map_put(m, str_from(key), &values[i]));
    }
    for (int i = 0; i < 1000; i += 2) {
        snprintf(key, sizeof(key), "k%d", i);
        assert_ptr_equal(map_del(m, str_from(key)), &values[i]);
        assert_null(map_get(m, str_from(key)));
    }
    assert_int_equal(map_count(m), 500);
    assert_null(map_put(m, S("k0"), &values[0]));
    size_t cursor = 0;
    str k;
    void *v;
    int expect = 1;
    while (map_next(m, &cursor, &k, &v) && expect < 1000) {
        assert_ptr_equal(v, &values[expect]);
        expect += 2;
    }
    assert_ptr_equal(map_put(m, S("k0"), &values[1]), &values[0]);
    map_free(m, NULL);
}

static void errors_carry_code_message_hint_and_cannot_forge_lines(void **state)
{
    (void)state;
    struct err err = {0};
    int rc =
        err_hint(err_set(&err, E_NOTFOUND, "no model '%s'", "a\nb\x1b[31m"), &err, "do %s", "this");
    assert_int_equal(rc, E_NOTFOUND);
    assert_string_equal(err.msg, "no model 'a b?[31m'");
    assert_string_equal(err.hint, "do this");
    assert_int_equal(err_wrap(&err, "run %d", 7), E_NOTFOUND);
    assert_string_equal(err.msg, "run 7: no model 'a b?[31m'");
    assert_int_equal(err_http(E_NOTFOUND), 404);
    assert_int_equal(err_grpc(E_NOTFOUND), 5);
    assert_int_equal(err_from_name("not_found"), E_NOTFOUND);
    assert_int_equal(err_set(NULL, E_BUSY, "nobody listens"), E_BUSY);
    assert_int_equal(err_errno(&err, ENOENT, "open %s", "x"), E_NOTFOUND);
    assert_string_equal(err.msg, "open x: No such file or directory");
    char very_long[3000];
    memset(very_long, 'x', sizeof(very_long) - 1);
    very_long[sizeof(very_long) - 1] = 0;
    err_set(&err, E_INVALID, "%s", very_long);
    err_wrap(&err, "%s", "context");
    assert_true(strlen(err.msg) < sizeof(err.msg));
}

static void ids_sort_by_time_and_parse_strictly(void **state)
{
    (void)state;
    uint8_t ff[10], zero[10] = {0};
    memset(ff, 0xff, sizeof(ff));
    id early = id_make(1000, ff), late = id_make(1001, zero), back;
    assert_true(strcmp(early.s, late.s) < 0);
    assert_int_equal(early.s[12], '7');
    assert_true(id_parse(id_str(&early), &back));
    assert_string_equal(back.s, early.s);
    assert_false(id_parse(S("0"), &back));
    assert_false(id_parse(S("0000000000000000000000000000000G"), &back));
    assert_false(id_parse(S("0000000000000000000000000000000A"), &back));
}

struct pair {
    int a, b;
};

static void a_vector_grows_zeroed(void **state)
{
    (void)state;
    VEC(struct pair) v = {0};
    for (int i = 0; i < 100; i++) {
        int b = vec_push(&v)->b;
        assert_int_equal(b, 0);
        v.p[i].a = i;
        v.p[i].b = i;
    }
    int sum = 0;
    vec_each (&v, it) {
        sum += it->a;
    }
    assert_int_equal(sum, 4950);
    vec_free(&v);
    assert_int_equal(v.n, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(numbers_are_whole_or_refused),
        cmocka_unit_test(names_are_safe_path_components),
        cmocka_unit_test(utf8_is_strict),
        cmocka_unit_test(the_nearest_name_is_suggested),
        cmocka_unit_test(cut_and_trim),
        cmocka_unit_test(a_buffer_stops_at_its_maximum),
        cmocka_unit_test(an_arena_is_bounded_zeroed_and_aligned),
        cmocka_unit_test(a_map_keeps_order_and_survives_deletes),
        cmocka_unit_test(errors_carry_code_message_hint_and_cannot_forge_lines),
        cmocka_unit_test(ids_sort_by_time_and_parse_strictly),
        cmocka_unit_test(a_vector_grows_zeroed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
