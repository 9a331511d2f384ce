/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "codec/text.h"

#include <string.h>

static void hex_and_base64url_follow_their_vectors(void **state)
{
    (void)state;
    char hex[13];
    uint8_t bytes[6];
    hex_encode("foobar", 6, hex);
    assert_string_equal(hex, "666f6f626172");
    assert_true(hex_decode(S("666F6f626172"), bytes));
    assert_memory_equal(bytes, "foobar", 6);
    assert_false(hex_decode(S("666"), bytes));
    assert_false(hex_decode(S("6g"), bytes));
    /* RFC 4648, section 10, without padding */
    static const char *const vectors[][2] = {
        {"", ""},           {"f", "Zg"},          {"fo", "Zm8"},          {"foo", "Zm9v"},
        {"foob", "Zm9vYg"}, {"fooba", "Zm9vYmE"}, {"foobar", "Zm9vYmFy"}, {"\xff\xfe\xfd", "__79"}};
    for (size_t i = 0; i < LENGTH(vectors); i++) {
        struct buf b = BUF(100);
        base64url_encode(vectors[i][0], strlen(vectors[i][0]), &b);
        assert_string_equal(buf_cstr(&b), vectors[i][1]);
        buf_free(&b);
    }
}

static void percent_encoding_is_undone_once(void **state)
{
    (void)state;
    CLEANUP(arena_freep) struct arena *a = arena_new(0);
    struct err err = {0};
    str s = {0};
    assert_int_equal(percent_decode(a, S("a%20b%2Fc+d%252e"), &s, &err), 0);
    assert_true(str_is(s, "a b/c+d%2e"));
    assert_int_equal(percent_decode(a, S("a%2"), &s, &err), E_INVALID);
    assert_int_equal(percent_decode(a, S("%zz"), &s, &err), E_INVALID);
    assert_string_equal(err.msg, "bad percent-encoding at byte 1");
    assert_int_equal(percent_decode(a, S("a%00b"), &s, &err), E_INVALID);
    struct buf b = BUF(100);
    percent_encode(S("a b/~ü"), &b);
    assert_string_equal(buf_cstr(&b), "a%20b%2F~%C3%BC");
    assert_int_equal(percent_decode(a, buf_view(&b), &s, &err), 0);
    assert_true(str_is(s, "a b/~ü"));
    buf_free(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(hex_and_base64url_follow_their_vectors),
        cmocka_unit_test(percent_encoding_is_undone_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
