/* SPDX-License-Identifier: Apache-2.0
 *
 * Numbers as JSON text, the shortest that reads back as the same number. Pure.
 *
 * A float has at least six good decimal digits: any decimal of up to six digits survives the way
 * into a float and back to six digits (FLT_DIG). So the six-digit form, without its trailing zeros,
 * is the shortest one if it reads back; else seven, eight or nine digits do. For the magnitudes
 * that models answer, both the digits and the reading back are one exact power of ten away in
 * double.
 */
#include "serve/contract.h"

#include <float.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

enum { NUMBER_MAX = 40 };

static size_t digits_of(uint64_t v, char *out)
{
    char text[20];
    size_t n = 0;
    do
        text[n++] = (char)('0' + v % 10);
    while (v /= 10);
    for (size_t i = 0; i < n; i++)
        out[i] = text[n - 1 - i];
    return n;
}

void put_u64(struct buf *b, uint64_t v)
{
    if (buf_reserve(b, NUMBER_MAX))
        b->n += digits_of(v, b->p + b->n);
}

void put_i64(struct buf *b, int64_t v)
{
    if (v < 0)
        buf_char(b, '-');
    put_u64(b, v < 0 ? 0 - (uint64_t)v : (uint64_t)v);
}

static const double powers[] = {1e0, 1e1, 1e2,  1e3,  1e4,  1e5,  1e6,  1e7,
                                1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15};

/* 10^places * value as a whole number of at most nine digits, whose reading gives v back. A reader
 * may go through double or not, so the text must be clear of the halfway points to v's neighbours:
 * a double's rounding is 2^29 times finer than half a float's spacing. */
static bool short_digits(float v, int exponent, uint64_t *ret_digits, int *ret_places)
{
    for (int digits = 6; digits <= 9; digits++) {
        int places = digits - 1 - exponent;
        double scaled = places >= 0 ? (double)v * powers[places] : (double)v / powers[-places];
        double whole = (double)(uint64_t)(scaled + 0.5);
        double back = places >= 0 ? whole / powers[places] : whole * powers[-places];
        double near = back * (1 - 0x1p-50), far = back * (1 + 0x1p-50);
        if ((float)near == v && (float)far == v) {
            *ret_digits = (uint64_t)whole;
            *ret_places = places;
            return true;
        }
    }
    return false;
}

/* digits / 10^places in positional notation. */
static size_t positional(uint64_t digits, int places, char *out)
{
    while (places > 0 && digits % 10 == 0) {
        digits /= 10;
        places--;
    }
    char text[NUMBER_MAX];
    for (; places < 0; places++)
        digits *= 10;
    size_t n = digits_of(digits, text), at = 0, point = n > (size_t)places ? n - (size_t)places : 0;
    if (!point)
        out[at++] = '0';
    memcpy(out + at, text, point);
    at += point;
    if (!places)
        return at;
    out[at++] = '.';
    for (size_t zeros = (size_t)places - (n - point); zeros; zeros--)
        out[at++] = '0';
    memcpy(out + at, text + point, n - point);
    return at + (n - point);
}

static int exponent_of(double v)
{
    int e = -5;
    while (e < 8 && v >= (e < -1 ? 1 / powers[-e - 1] : powers[e + 1]))
        e++;
    return e;
}

void put_f32(struct buf *b, float v)
{
    float size = fabsf(v);
    uint64_t digits;
    int places;
    if (!isfinite(v)) {
        buf_puts(b, "null");
        return;
    }
    if (size == 0) {
        buf_puts(b, signbit(v) ? "-0" : "0");
        return;
    }
    if (size >= 1e-5f && size < 1e8f && buf_reserve(b, NUMBER_MAX) &&
        short_digits(size, exponent_of(size), &digits, &places)) {
        if (v < 0)
            b->p[b->n++] = '-';
        b->n += positional(digits, places, b->p + b->n);
        return;
    }
    char text[NUMBER_MAX];
    for (int digits_wanted = 1; digits_wanted <= 9; digits_wanted++) {
        snprintf(text, sizeof(text), "%.*g", digits_wanted, (double)v);
        if (strtof(text, NULL) == v)
            break;
    }
    buf_puts(b, text);
}

void put_f64(struct buf *b, double v)
{
    if (!isfinite(v)) {
        buf_puts(b, "null");
        return;
    }
    char text[NUMBER_MAX];
    for (int digits = DBL_DIG; digits <= 17; digits++) {
        snprintf(text, sizeof(text), "%.*g", digits, v);
        if (strtod(text, NULL) == v)
            break;
    }
    buf_puts(b, text);
}
