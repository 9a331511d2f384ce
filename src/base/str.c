/* SPDX-License-Identifier: Apache-2.0 */
#include "base/str.h"

#include "base/mem.h"

#include <ctype.h>
#include <errno.h>
#include <locale.h>
#include <math.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

str str_from(const char *cstr)
{
    return (str){cstr, cstr ? strlen(cstr) : 0};
}

str str_n(const char *p, size_t n)
{
    return (str){p, n};
}

bool str_eq(str a, str b)
{
    return a.n == b.n && (a.n == 0 || memcmp(a.p, b.p, a.n) == 0);
}

bool str_ieq(str a, str b)
{
    return a.n == b.n && (a.n == 0 || strncasecmp(a.p, b.p, a.n) == 0);
}

bool str_is(str a, const char *cstr)
{
    return str_eq(a, str_from(cstr));
}

int str_cmp(str a, str b)
{
    size_t n = MIN(a.n, b.n);
    int order = n ? memcmp(a.p, b.p, n) : 0;
    return order ? order : (a.n > b.n) - (a.n < b.n);
}

bool str_starts(str s, str prefix)
{
    return s.n >= prefix.n && str_eq(str_n(s.p, prefix.n), prefix);
}

bool str_ends(str s, str suffix)
{
    return s.n >= suffix.n && str_eq(str_n(s.p + s.n - suffix.n, suffix.n), suffix);
}

static bool is_space(char c)
{
    return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

str str_trim(str s)
{
    while (s.n && is_space(s.p[0]))
        s = str_skip(s, 1);
    while (s.n && is_space(s.p[s.n - 1]))
        s.n--;
    return s;
}

str str_skip(str s, size_t n)
{
    n = MIN(n, s.n);
    return n ? str_n(s.p + n, s.n - n) : s;
}

bool str_find(str s, char c, size_t *at)
{
    const char *hit = s.n ? memchr(s.p, c, s.n) : NULL;
    if (!hit)
        return false;
    *at = (size_t)(hit - s.p);
    return true;
}

bool str_cut(str s, char c, str *head, str *tail)
{
    size_t at;
    if (!str_find(s, c, &at)) {
        *head = s;
        *tail = str_n(s.p ? s.p + s.n : NULL, 0);
        return false;
    }
    *head = str_n(s.p, at);
    *tail = str_skip(s, at + 1);
    return true;
}

uint64_t str_hash(str s)
{
    uint64_t h = 14695981039346656037ull; /* FNV-1a */
    for (size_t i = 0; i < s.n; i++)
        h = (h ^ (unsigned char)s.p[i]) * 1099511628211ull;
    return h ^ (h >> 32);
}

bool str_u64(str s, uint64_t *ret)
{
    uint64_t value = 0;
    if (!s.n)
        return false;
    for (size_t i = 0; i < s.n; i++) {
        if (s.p[i] < '0' || s.p[i] > '9')
            return false;
        if (__builtin_mul_overflow(value, (uint64_t)10, &value) ||
            __builtin_add_overflow(value, (uint64_t)(s.p[i] - '0'), &value))
            return false;
    }
    *ret = value;
    return true;
}

bool str_i64(str s, int64_t *ret)
{
    bool negative = s.n && s.p[0] == '-';
    uint64_t magnitude;
    if (!str_u64(negative ? str_skip(s, 1) : s, &magnitude))
        return false;
    if (magnitude > (uint64_t)INT64_MAX + negative)
        return false;
    *ret = negative ? (int64_t)(0 - magnitude) : (int64_t)magnitude;
    return true;
}

static locale_t c_locale;
static pthread_once_t c_locale_once = PTHREAD_ONCE_INIT;

static void make_c_locale(void)
{
    c_locale = newlocale(LC_ALL_MASK, "C", 0);
}

bool str_f64(str s, double *ret)
{
    char text[64];
    if (!s.n || s.n >= sizeof(text))
        return false;
    for (size_t i = 0; i < s.n; i++)
        if (!strchr("0123456789+-.eE", s.p[i]))
            return false;
    memcpy(text, s.p, s.n);
    text[s.n] = 0;
    char *end;
    pthread_once(&c_locale_once, make_c_locale);
    double value = strtod_l(text, &end, c_locale);
    if (end != text + s.n || !isfinite(value))
        return false;
    *ret = value;
    return true;
}

bool str_is_name(str s)
{
    if (s.n < 1 || s.n > 128 || !isalnum((unsigned char)s.p[0]))
        return false;
    for (size_t i = 0; i < s.n; i++) {
        char c = s.p[i];
        if (!isalnum((unsigned char)c) && c != '.' && c != '_' && c != '-')
            return false;
        if (c == '.' && i + 1 < s.n && s.p[i + 1] == '.')
            return false;
    }
    return true;
}

/* Length of the well-formed sequence at p, 0 if there is none (RFC 3629, section 4). */
static size_t utf8_sequence(const unsigned char *p, size_t n)
{
    if (p[0] < 0x80)
        return 1;
    size_t length = p[0] >= 0xf0 ? 4 : p[0] >= 0xe0 ? 3 : 2;
    if (p[0] < 0xc2 || p[0] > 0xf4 || n < length)
        return 0;
    for (size_t i = 1; i < length; i++)
        if ((p[i] & 0xc0) != 0x80)
            return 0;
    if ((p[0] == 0xe0 && p[1] < 0xa0) || (p[0] == 0xed && p[1] > 0x9f))
        return 0;
    if ((p[0] == 0xf0 && p[1] < 0x90) || (p[0] == 0xf4 && p[1] > 0x8f))
        return 0;
    return length;
}

bool str_is_utf8(str s)
{
    for (size_t i = 0; i < s.n;) {
        size_t length = utf8_sequence((const unsigned char *)s.p + i, s.n - i);
        if (!length)
            return false;
        i += length;
    }
    return true;
}

unsigned str_distance(str a, str b)
{
    enum { MOST = 64 };
    unsigned row[MOST + 1];
    a.n = MIN(a.n, (size_t)MOST);
    b.n = MIN(b.n, (size_t)MOST);
    for (size_t j = 0; j <= b.n; j++)
        row[j] = (unsigned)j;
    for (size_t i = 1; i <= a.n; i++) {
        unsigned diagonal = row[0];
        row[0] = (unsigned)i;
        for (size_t j = 1; j <= b.n; j++) {
            unsigned above = row[j];
            unsigned change = diagonal + (a.p[i - 1] != b.p[j - 1]);
            row[j] = MIN(MIN(above, row[j - 1]) + 1, change);
            diagonal = above;
        }
    }
    return row[b.n];
}

const char *str_nearest(str typed, const char *const *candidates, size_t n)
{
    const char *best = NULL;
    unsigned best_distance = (unsigned)MIN(typed.n, (size_t)9) / 3 + 1;
    for (size_t i = 0; i < n; i++) {
        unsigned d = str_distance(typed, str_from(candidates[i]));
        if (d <= best_distance && (!best || d < best_distance)) {
            best = candidates[i];
            best_distance = d;
        }
    }
    return best;
}
