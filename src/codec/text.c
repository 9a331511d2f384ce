/* SPDX-License-Identifier: Apache-2.0 */
#include "codec/text.h"

#include <string.h>

void hex_encode(const void *p, size_t n, char *ret)
{
    const uint8_t *at = p;
    for (size_t i = 0; i < n; i++) {
        ret[2 * i] = "0123456789abcdef"[at[i] >> 4];
        ret[2 * i + 1] = "0123456789abcdef"[at[i] & 15];
    }
    ret[2 * n] = 0;
}

static int digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c |= 0x20;
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static int octet(const char *p)
{
    int high = digit(p[0]), low = digit(p[1]);
    return high < 0 || low < 0 ? -1 : high << 4 | low;
}

bool hex_decode(str text, uint8_t *ret)
{
    if (text.n % 2)
        return false;
    for (size_t i = 0; i < text.n; i += 2)
        if (octet(text.p + i) < 0)
            return false;
    for (size_t i = 0; i < text.n; i += 2)
        ret[i / 2] = (uint8_t)octet(text.p + i);
    return true;
}

void base64url_encode(const void *p, size_t n, struct buf *b)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    const uint8_t *at = p;
    for (size_t i = 0; i < n; i += 3) {
        uint32_t v = (uint32_t)at[i] << 16;
        v |= i + 1 < n ? (uint32_t)at[i + 1] << 8 : 0;
        v |= i + 2 < n ? at[i + 2] : 0;
        size_t characters = MIN(n - i, (size_t)3) + 1;
        for (size_t c = 0; c < characters; c++)
            buf_char(b, digits[v >> (18 - 6 * c) & 63]);
    }
}

int percent_decode(struct arena *a, str text, str *ret, struct err *err)
{
    char *out = arena_try(a, text.n + 1);
    if (!out)
        return err_set(err, E_TOOBIG, "percent-encoded text of %zu bytes is too long", text.n);
    size_t n = 0;
    for (size_t i = 0; i < text.n; i++) {
        int c = (unsigned char)text.p[i];
        if (c == '%') {
            c = text.n - i > 2 ? octet(text.p + i + 1) : -1;
            if (c < 0)
                return err_set(err, E_INVALID, "bad percent-encoding at byte %zu", i + 1);
            i += 2;
        }
        if (!c)
            return err_set(err, E_INVALID, "a NUL byte is not allowed");
        out[n++] = (char)c;
    }
    *ret = str_n(out, n);
    return 0;
}

void percent_encode(str text, struct buf *b)
{
    for (size_t i = 0; i < text.n; i++) {
        unsigned char c = (unsigned char)text.p[i];
        if ((c >= '0' && c <= '9') || ((c | 0x20) >= 'a' && (c | 0x20) <= 'z') ||
            (c && strchr("-._~", c)))
            buf_char(b, (char)c);
        else
            buf_printf(b, "%%%02X", c);
    }
}
