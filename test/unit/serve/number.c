/* SPDX-License-Identifier: Apache-2.0 */
#include "serve/contract.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <float.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

static void floats_are_short_and_exact(UNUSED void **state)
{
    static const struct {
        float v;
        const char *text;
    } cases[] = {
        {0, "0"},
        {-0.0f, "-0"},
        {1, "1"},
        {-1, "-1"},
        {0.1f, "0.1"},
        {0.25f, "0.25"},
        {100, "100"},
        {123456, "123456"},
        {16777216, "16777216"},
        {99999992, "99999990"},
        {0.00012f, "0.00012"},
        {1e-5f, "0.00001"},
        {0.3f, "0.3"},
        {0.81234567f, "0.8123457"},
        {1.0f / 3, "0.33333334"},
        {12.3f, "12.3"},
        {-2.5f, "-2.5"},
        {NAN, "null"},
        {INFINITY, "null"},
        {-INFINITY, "null"},
        {0.99999994f, "0.99999994"},
        {8388608.5f, "8388608"},
        {9999999, "9999999"},
        {0.5f, "0.5"},
    };
    for (size_t i = 0; i < LENGTH(cases); i++) {
        struct buf b = BUF(64);
        put_f32(&b, cases[i].v);
        assert_string_equal(buf_cstr(&b), cases[i].text);
        buf_free(&b);
    }
}

/* Not half way to a neighbour, where reading back is a matter of rounding. */
static bool surely(const char *text, float v)
{
    double d = strtod(text, NULL);
    return (float)(d * (1 - 0x1p-50)) == v && (float)(d * (1 + 0x1p-50)) == v;
}

/* The shortest decimal by brute force, for floats of every magnitude. */
static void any_float_reads_back(UNUSED void **state)
{
    uint32_t x = 2463534242u;
    for (int i = 0; i < 300000; i++) {
        x ^= x << 13, x ^= x >> 17, x ^= x << 5;
        uint32_t bits = i % 2 ? x : (x & 0x807fffff) | (127 - 18 + x % 45) << 23;
        float v;
        memcpy(&v, &bits, sizeof(v));
        if (!isfinite(v))
            continue;
        struct buf b = BUF(64);
        put_f32(&b, v);
        float once = strtof(buf_cstr(&b), NULL), twice = (float)strtod(b.p, NULL);
        if (once != v || twice != v)
            fail_msg("%.9g became %s", (double)v, b.p);
        size_t digits = 0, zeros = 0; /* zeros at the end of a whole number are places */
        for (const char *p = b.p; *p && *p != 'e'; p++) {
            digits += (*p >= '1' && *p <= '9') || (*p == '0' && digits);
            zeros = *p == '0' ? zeros + 1 : 0;
        }
        digits -= strchr(b.p, '.') ? 0 : zeros;
        char shortest[40];
        for (int n = 1; n <= 9; n++) {
            snprintf(shortest, sizeof(shortest), "%.*g", n, (double)v);
            if (surely(shortest, v)) {
                if (digits > (size_t)n)
                    fail_msg("%.9g became %s, %s would do", (double)v, b.p, shortest);
                break;
            }
        }
        buf_free(&b);
    }
}

static void doubles_and_whole_numbers(UNUSED void **state)
{
    struct buf b = BUF(256);
    put_f64(&b, 0.1), buf_char(&b, ' ');
    put_f64(&b, 0.30000000000000004), buf_char(&b, ' ');
    put_f64(&b, NAN), buf_char(&b, ' ');
    put_i64(&b, INT64_MIN), buf_char(&b, ' ');
    put_u64(&b, UINT64_MAX), buf_char(&b, ' ');
    put_i64(&b, 0);
    assert_string_equal(buf_cstr(&b), "0.1 0.30000000000000004 null -9223372036854775808 "
                                      "18446744073709551615 0");
    buf_free(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(floats_are_short_and_exact),
        cmocka_unit_test(any_float_reads_back),
        cmocka_unit_test(doubles_and_whole_numbers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
