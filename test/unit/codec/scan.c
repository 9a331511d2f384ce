/* SPDX-License-Identifier: Apache-2.0 */
#include "codec/scan.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <math.h>
#include <stdio.h>
#include <string.h>

static struct arena *arena;

static int setup(UNUSED void **state)
{
    arena = arena_new(0);
    return 0;
}

static int teardown(UNUSED void **state)
{
    arena_free(arena);
    return 0;
}

static void a_document_is_walked_once(UNUSED void **state)
{
    struct scan s;
    scan_init(&s, S(" {\"id\" : \"a\\u00e9\", \"rows\":[[1,-2.5],[ ]], \"x\":null,\"t\":true} "),
              arena);
    str key, id = {0};
    int rc = scan_object(&s, NULL), numbers = 0, rows = 0, members = 0;
    double sum = 0;
    while (!rc && scan_member(&s, &key, &rc, NULL)) {
        members++;
        if (str_is(key, "id")) {
            rc = scan_string(&s, &id, NULL);
        } else if (str_is(key, "rows")) {
            rc = scan_array(&s, NULL);
            while (!rc && scan_element(&s, &rc, NULL)) {
                rows++;
                rc = scan_array(&s, NULL);
                while (!rc && scan_element(&s, &rc, NULL)) {
                    struct scan_number n;
                    rc = scan_number(&s, &n, NULL);
                    assert_int_equal(rc, 0);
                    sum += n.value;
                    numbers++;
                }
            }
        } else {
            rc = scan_skip(&s, NULL);
        }
    }
    assert_int_equal(rc, 0);
    assert_int_equal(scan_end(&s, NULL), 0);
    assert_int_equal(members, 4);
    assert_int_equal(rows, 2);
    assert_int_equal(numbers, 2);
    assert_true(sum == -1.5);
    assert_true(str_is(id, "a\xc3\xa9"));
}

static int read_number(const char *text, struct scan_number *ret, struct err *err)
{
    struct scan s;
    scan_init(&s, str_from(text), arena);
    int rc = scan_number(&s, ret, err);
    return rc ? rc : scan_end(&s, err);
}

static void numbers_are_the_nearest_doubles(UNUSED void **state)
{
    static const char *const texts[] = {"0",
                                        "-0",
                                        "1",
                                        "-1",
                                        "17.0",
                                        "0.1",
                                        "1e22",
                                        "1e23",
                                        "123456789012345678",
                                        "0.30000000000000004",
                                        "3.14159265358979323846264338327950288",
                                        "1e-5",
                                        "2.5E+3",
                                        "1e308",
                                        "1.7976931348623157e308",
                                        "5e-324",
                                        "2.2250738585072014e-308",
                                        "1e-400",
                                        "9007199254740993",
                                        "0.000000000000000000000000000001",
                                        "100000000000000000000000",
                                        "8.41",
                                        "1.1754944e-38",
                                        "7.2057594037927933e16",
                                        "9223372036854775807",
                                        "18446744073709551615",
                                        "0.5e0",
                                        "1E2",
                                        "179769313486231570000000000000000000000",
                                        "6.103515625e-05",
                                        "4503599627370497.5"};
    for (size_t i = 0; i < LENGTH(texts); i++) {
        struct scan_number n;
        assert_int_equal(read_number(texts[i], &n, NULL), 0);
        double want = strtod(texts[i], NULL);
        if (memcmp(&n.value, &want, sizeof(want)) != 0)
            fail_msg("%s: %.17g, not %.17g", texts[i], n.value, want);
    }
}

/* Two hundred thousand doubles printed with every precision that round-trips, from a fixed seed. */
static void random_numbers_too(UNUSED void **state)
{
    uint64_t x = 88172645463325252u;
    for (int i = 0; i < 200000; i++) {
        x ^= x << 13, x ^= x >> 7, x ^= x << 17;
        double v;
        uint64_t bits = i % 2 ? x : (x & 0x800fffffffffffffu) | (1023 - 20 + x % 40) << 52;
        memcpy(&v, &bits, sizeof(v));
        if (!isfinite(v))
            continue;
        char text[40];
        snprintf(text, sizeof(text), "%.*g", 6 + i % 12, v);
        struct scan_number n;
        assert_int_equal(read_number(text, &n, NULL), 0);
        double want = strtod(text, NULL);
        if (memcmp(&n.value, &want, sizeof(want)) != 0)
            fail_msg("%s: %.17g, not %.17g", text, n.value, want);
    }
}

static void whole_numbers_keep_all_64_bits(UNUSED void **state)
{
    static const struct {
        const char *text;
        bool whole, negative;
        uint64_t magnitude;
    } cases[] = {
        {"18446744073709551615", true, false, UINT64_MAX},
        {"18446744073709551616", false, false, 0},
        {"-9223372036854775808", true, true, (uint64_t)1 << 63},
        {"9007199254740993", true, false, 9007199254740993u},
        {"-0", true, true, 0},
        {"1.0", false, false, 0},
        {"1e3", false, false, 0},
        {"100000000000000000000000000", false, false, 0},
    };
    for (size_t i = 0; i < LENGTH(cases); i++) {
        struct scan_number n;
        assert_int_equal(read_number(cases[i].text, &n, NULL), 0);
        assert_int_equal(n.whole, cases[i].whole);
        if (n.whole) {
            assert_int_equal(n.magnitude, cases[i].magnitude);
            assert_int_equal(n.negative, cases[i].negative);
        }
    }
    struct scan_number n;
    assert_int_equal(read_number("1e999", &n, NULL), 0);
    assert_true(isinf(n.value));
    assert_int_equal(read_number("-1e999", &n, NULL), 0);
    assert_true(isinf(n.value) && n.value < 0);
}

static void strings_are_decoded(UNUSED void **state)
{
    static const struct {
        const char *text, *want;
    } cases[] = {
        {"\"\"", ""},
        {"\"a longer plain string than eight\"", "a longer plain string than eight"},
        {"\"quote \\\" slash \\\\ \\/ \\b\\f\\n\\r\\t\"", "quote \" slash \\ / \b\f\n\r\t"},
        {"\"\\u6994\\u536F\"", "\xe6\xa6\x94\xe5\x8d\xaf"},
        {"\"\\ud83d\\ude00!\"", "\xf0\x9f\x98\x80!"},
        {"\"\xe6\xa6\x94 raw\"", "\xe6\xa6\x94 raw"},
        {"\"12345678\\\\\"", "12345678\\"},
    };
    for (size_t i = 0; i < LENGTH(cases); i++) {
        struct scan s;
        str text = {0};
        scan_init(&s, str_from(cases[i].text), arena);
        assert_int_equal(scan_string(&s, &text, NULL), 0);
        assert_true(str_is(text, cases[i].want));
        assert_int_equal(scan_end(&s, NULL), 0);
    }
}

static int skip_all(str text, struct err *err)
{
    struct scan s;
    scan_init(&s, text, arena);
    int rc = scan_skip(&s, err);
    return rc ? rc : scan_end(&s, err);
}

static void what_is_not_json_is_refused_at_its_byte(UNUSED void **state)
{
    static const struct {
        const char *text, *message;
    } cases[] = {
        {"", "at byte 0: the text ends where a value should be"},
        {"[1,", "at byte 3: the text ends where a value should be"},
        {"[1,]", "at byte 3: expected a value, got ']'"},
        {"[1 2]", "at byte 3: expected ',' or ']', got '2'"},
        {"[1}", "at byte 2: expected ',' or ']', got '}'"},
        {"{\"a\"}", "at byte 4: expected ':' after a member's name"},
        {"{\"a\":1,}", "at byte 7: expected a string, got '}'"},
        {"{a:1}", "at byte 1: expected a string, got 'a'"},
        {"{\"a\":1", "at byte 6: the text ends inside an object"},
        {"[\"abc", "at byte 5: the text ends inside a string"},
        {"[\"abc\\", "at byte 6: the text ends inside a string"},
        {"\"a\nb\"", "at byte 2: a control character inside a string"},
        {"\"\\n a\nb\"", "at byte 5: a control character inside a string"},
        {"\"\\x\"", "at byte 2: a backslash must be followed by one of \"\\/bfnrtu"},
        {"\"\\u12g4\"", "at byte 5: \\u needs four hex digits"},
        {"\"\\ud800\"", "at byte 7: half of a surrogate pair"},
        {"\"\\ude00x\"", "at byte 7: half of a surrogate pair"},
        {"\"\xff\"", "at byte 3: a string that is not UTF-8 ends here"},
        {"\"\\t\xff\"", "at byte 5: a string that is not UTF-8 ends here"},
        {"NaN", "at byte 0: NaN and Infinity are not JSON"},
        {"[-Infinity]", "at byte 2: NaN and Infinity are not JSON"},
        {"01", "at byte 2: a number must not begin with 0"},
        {"+1", "at byte 0: expected a value, got '+'"},
        {".5", "at byte 0: expected a value, got '.'"},
        {"1.", "at byte 2: the text ends inside a number"},
        {"[1.x]", "at byte 3: a digit must stand here"},
        {"1e", "at byte 2: an exponent needs digits"},
        {"-", "at byte 1: the text ends inside a number"},
        {"tru", "at byte 0: expected true or false"},
        {"nul", "at byte 0: expected null"},
        {"1 x", "at byte 2: 1 bytes of text after the end of the JSON"},
        {"{}{}", "at byte 2: 2 bytes of text after the end of the JSON"},
        {"// no", "at byte 0: expected a value, got '/'"},
    };
    for (size_t i = 0; i < LENGTH(cases); i++) {
        struct err err = {0};
        assert_int_equal(skip_all(str_from(cases[i].text), &err), E_INVALID);
        assert_string_equal(err.msg, cases[i].message);
    }
}

static void depth_is_bounded(UNUSED void **state)
{
    char text[2 * SCAN_DEPTH_MAX + 2];
    struct err err;
    memset(text, '[', SCAN_DEPTH_MAX);
    memset(text + SCAN_DEPTH_MAX, ']', SCAN_DEPTH_MAX);
    assert_int_equal(skip_all(str_n(text, 2 * SCAN_DEPTH_MAX), &err), 0);
    memset(text, '[', sizeof(text));
    assert_int_equal(skip_all(str_n(text, sizeof(text)), &err), E_INVALID);
    assert_string_equal(err.msg, "at byte 100: nested deeper than 100 levels");
}

static void another_kind_is_named(UNUSED void **state)
{
    struct scan s;
    struct err err;
    str text = S("untouched");
    scan_init(&s, S(" {}"), arena);
    assert_int_equal(scan_string(&s, &text, &err), E_INVALID);
    assert_string_equal(err.msg, "at byte 1: expected a string, got an object");
    assert_true(str_is(text, "untouched"));
    scan_init(&s, S("12"), arena);
    assert_int_equal(scan_array(&s, &err), E_INVALID);
    assert_string_equal(err.msg, "at byte 0: expected an array, got a number");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_document_is_walked_once),
        cmocka_unit_test(numbers_are_the_nearest_doubles),
        cmocka_unit_test(random_numbers_too),
        cmocka_unit_test(whole_numbers_keep_all_64_bits),
        cmocka_unit_test(strings_are_decoded),
        cmocka_unit_test(what_is_not_json_is_refused_at_its_byte),
        cmocka_unit_test(depth_is_bounded),
        cmocka_unit_test(another_kind_is_named),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
