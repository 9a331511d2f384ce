/* SPDX-License-Identifier: Apache-2.0 */
#include "codec/scan.h"

#include <float.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

void scan_init(struct scan *s, str text, struct arena *arena)
{
    *s = (struct scan){.begin = text.p, .p = text.p, .end = text.p + text.n, .arena = arena};
}

size_t scan_at(const struct scan *s)
{
    return (size_t)(s->p - s->begin);
}

int scan_fail(const struct scan *s, struct err *err, const char *fmt, ...)
{
    char text[512];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(text, sizeof(text), fmt, ap);
    va_end(ap);
    return err_set(err, E_INVALID, "at byte %zu: %s", scan_at(s), text);
}

static inline void skip_space(struct scan *s)
{
    while (s->p < s->end && (*s->p == ' ' || *s->p == '\n' || *s->p == '\t' || *s->p == '\r'))
        s->p++;
}

static enum scan_kind kind_of(char c)
{
    switch (c) {
    case '{':
        return SCAN_OBJECT;
    case '[':
        return SCAN_ARRAY;
    case '"':
        return SCAN_STRING;
    case 't':
        return SCAN_TRUE;
    case 'f':
        return SCAN_FALSE;
    case 'n':
        return SCAN_NULL;
    default:
        return c == '-' || (c >= '0' && c <= '9') ? SCAN_NUMBER : SCAN_BAD;
    }
}

enum scan_kind scan_peek(struct scan *s)
{
    skip_space(s);
    return s->p < s->end ? kind_of(*s->p) : SCAN_BAD;
}

const char *scan_kind_name(enum scan_kind kind)
{
    static const char *const names[] = {"nothing",  "an object", "an array", "a string",
                                        "a number", "true",      "false",    "null"};
    return names[kind];
}

/* What stands here is not what was asked for. */
static int unexpected(struct scan *s, const char *wanted, struct err *err)
{
    enum scan_kind kind = scan_peek(s);
    if (s->p == s->end)
        return scan_fail(s, err, "the text ends where %s should be", wanted);
    if (kind != SCAN_BAD)
        return scan_fail(s, err, "expected %s, got %s", wanted, scan_kind_name(kind));
    if (*s->p == 'N' || *s->p == 'I')
        return err_hint(scan_fail(s, err, "NaN and Infinity are not JSON"), err,
                        "send null for a missing value");
    return scan_fail(s, err, "expected %s, got '%c'", wanted, *s->p);
}

/* --- strings ------------------------------------------------------------------------------------
 */

/* True if none of eight bytes ends a plain run: no quote, backslash, control or non-ASCII byte. */
static inline bool plain8(const char *p)
{
    const uint64_t ones = 0x0101010101010101u, high = 0x8080808080808080u;
    uint64_t x, quote, slash;
    memcpy(&x, p, sizeof(x));
    quote = x ^ (ones * '"');
    slash = x ^ (ones * '\\');
    return !(((quote - ones) | (slash - ones) | (x - ones * 0x20) | x) & high);
}

static int hex4(struct scan *s, unsigned *ret, struct err *err)
{
    unsigned v = 0;
    for (int i = 0; i < 4; i++, s->p++) {
        char c = s->p < s->end ? *s->p : 0;
        unsigned digit = c >= '0' && c <= '9'   ? (unsigned)(c - '0')
                         : c >= 'a' && c <= 'f' ? (unsigned)(c - 'a' + 10)
                         : c >= 'A' && c <= 'F' ? (unsigned)(c - 'A' + 10)
                                                : 16;
        if (digit == 16)
            return scan_fail(s, err, "\\u needs four hex digits");
        v = v * 16 + digit;
    }
    *ret = v;
    return 0;
}

static size_t put_utf8(char *out, unsigned c)
{
    if (c < 0x80) {
        out[0] = (char)c;
        return 1;
    }
    if (c < 0x800) {
        out[0] = (char)(0xc0 | (c >> 6));
        out[1] = (char)(0x80 | (c & 0x3f));
        return 2;
    }
    if (c < 0x10000) {
        out[0] = (char)(0xe0 | (c >> 12));
        out[1] = (char)(0x80 | ((c >> 6) & 0x3f));
        out[2] = (char)(0x80 | (c & 0x3f));
        return 3;
    }
    out[0] = (char)(0xf0 | (c >> 18));
    out[1] = (char)(0x80 | ((c >> 12) & 0x3f));
    out[2] = (char)(0x80 | ((c >> 6) & 0x3f));
    out[3] = (char)(0x80 | (c & 0x3f));
    return 4;
}

static int unicode_escape(struct scan *s, char *out, size_t *n, struct err *err)
{
    unsigned c, low = 0;
    int rc = hex4(s, &c, err);
    if (rc)
        return rc;
    if (c >= 0xd800 && c < 0xdc00 && s->end - s->p >= 2 && s->p[0] == '\\' && s->p[1] == 'u') {
        s->p += 2;
        rc = hex4(s, &low, err);
        if (rc)
            return rc;
        if (low >= 0xdc00 && low < 0xe000)
            c = 0x10000 + ((c - 0xd800) << 10) + (low - 0xdc00);
    }
    if (c >= 0xd800 && c < 0xe000)
        return scan_fail(s, err, "half of a surrogate pair");
    *n += put_utf8(out + *n, c);
    return 0;
}

static int escape(struct scan *s, char *out, size_t *n, struct err *err)
{
    static const char from[] = "\"\\/bfnrt", to[] = "\"\\/\b\f\n\r\t";
    char c = s->p < s->end ? *s->p : 0;
    if (c == 'u') {
        s->p++;
        return unicode_escape(s, out, n, err);
    }
    const char *at = c ? strchr(from, c) : NULL;
    if (!at)
        return scan_fail(s, err, "a backslash must be followed by one of \"\\/bfnrtu");
    out[(*n)++] = to[at - from];
    s->p++;
    return 0;
}

/* From the first backslash on: decoded text is never longer than its source. */
static int decode(struct scan *s, const char *start, str *ret, struct err *err)
{
    const char *close = s->p;
    while (close < s->end && *close != '"')
        close += *close == '\\' ? 2 : 1;
    if (close >= s->end) {
        s->p = s->end;
        return scan_fail(s, err, "the text ends inside a string");
    }
    char *out = arena_try(s->arena, (size_t)(close - start) + 1);
    if (!out)
        return err_set(err, E_TOOBIG,
                       "at byte %zu: the escaped strings of this request are too "
                       "large",
                       scan_at(s));
    size_t n = (size_t)(s->p - start);
    memcpy(out, start, n);
    int rc = 0;
    while (!rc && s->p < close) {
        if ((unsigned char)*s->p < 0x20)
            return scan_fail(s, err, "a control character inside a string");
        if (*s->p == '\\') {
            s->p++;
            rc = escape(s, out, &n, err);
        } else {
            out[n++] = *s->p++;
        }
    }
    if (rc)
        return rc;
    s->p = close + 1;
    *ret = str_n(out, n);
    return 0;
}

int scan_string(struct scan *s, str *ret, struct err *err)
{
    skip_space(s);
    if (s->p == s->end || *s->p != '"')
        return unexpected(s, "a string", err);
    const char *start = ++s->p;
    unsigned char seen = 0;
    for (;;) {
        while (s->end - s->p >= 8 && plain8(s->p))
            s->p += 8;
        if (s->p == s->end)
            return scan_fail(s, err, "the text ends inside a string");
        unsigned char c = (unsigned char)*s->p;
        if (c == '"' || c == '\\')
            break;
        if (c < 0x20)
            return scan_fail(s, err, "a control character inside a string");
        seen |= c;
        s->p++;
    }
    str text = str_n(start, (size_t)(s->p - start));
    int rc = 0;
    if (*s->p == '"')
        s->p++;
    else
        rc = decode(s, start, &text, err);
    /* Bytes behind the first escape were not looked at above, so those are always checked. */
    if (!rc && (seen >= 0x80 || text.p != start) && !str_is_utf8(text))
        return scan_fail(s, err, "a string that is not UTF-8 ends here");
    if (!rc)
        *ret = text;
    return rc;
}

/* --- numbers ------------------------------------------------------------------------------------
 */

struct digits {
    uint64_t mantissa; /* the first 19 significant digits */
    int exponent;      /* value = mantissa * 10^exponent, if nothing was cut */
    bool cut, more;    /* there were more digits; among them one that is not 0 */
    bool whole, negative;
};

enum { MANTISSA_DIGITS = 19, EXPONENT_CAP = 100000 };

static inline bool digit_here(const struct scan *s)
{
    return s->p < s->end && (unsigned char)(*s->p - '0') < 10;
}

static int take_digits(struct scan *s, struct digits *d, unsigned *significant, bool fraction,
                       struct err *err)
{
    if (!digit_here(s))
        return scan_fail(
            s, err, s->p == s->end ? "the text ends inside a number" : "a digit must stand here");
    for (; digit_here(s); s->p++) {
        unsigned digit = (unsigned)(*s->p - '0');
        if (*significant < MANTISSA_DIGITS) {
            d->mantissa = d->mantissa * 10 + digit;
            *significant += d->mantissa != 0;
            d->exponent -= fraction && d->exponent > -EXPONENT_CAP;
        } else {
            d->cut = true;
            d->more = d->more || digit;
            d->exponent += !fraction && d->exponent < EXPONENT_CAP;
        }
    }
    return 0;
}

static int take_exponent(struct scan *s, struct digits *d, struct err *err)
{
    s->p++;
    bool minus = s->p < s->end && *s->p == '-';
    if (s->p < s->end && (*s->p == '-' || *s->p == '+'))
        s->p++;
    if (!digit_here(s))
        return scan_fail(s, err, "an exponent needs digits");
    int e = 0;
    for (; digit_here(s); s->p++)
        if (e < EXPONENT_CAP)
            e = e * 10 + (*s->p - '0');
    d->exponent += minus ? -e : e;
    return 0;
}

/* The grammar of RFC 8259, section 6. */
static int take_number(struct scan *s, struct digits *d, struct err *err)
{
    unsigned significant = 0;
    *d = (struct digits){.whole = true, .negative = *s->p == '-'};
    if (d->negative)
        s->p++;
    const char *first = s->p;
    int rc = take_digits(s, d, &significant, false, err);
    if (rc)
        return rc;
    if (*first == '0' && s->p - first > 1)
        return scan_fail(s, err, "a number must not begin with 0");
    if (s->p < s->end && *s->p == '.') {
        s->p++;
        d->whole = false;
        rc = take_digits(s, d, &significant, true, err);
    }
    if (!rc && s->p < s->end && (*s->p == 'e' || *s->p == 'E')) {
        d->whole = false;
        rc = take_exponent(s, d, err);
    }
    return rc;
}

/* With 64 bits of mantissa any 19 digits and any power of ten up to 27 are exact, so only one
 * rounding stands before the one to double; that it could mislead shows in its last bits. */
static bool value_extended(const struct digits *d, double *ret)
{
#if LDBL_MANT_DIG == 64
    static const long double powers[] = {1e0L,  1e1L,  1e2L,  1e3L,  1e4L,  1e5L,  1e6L,
                                         1e7L,  1e8L,  1e9L,  1e10L, 1e11L, 1e12L, 1e13L,
                                         1e14L, 1e15L, 1e16L, 1e17L, 1e18L, 1e19L, 1e20L,
                                         1e21L, 1e22L, 1e23L, 1e24L, 1e25L, 1e26L, 1e27L};
    if (d->more || d->exponent < -27 || d->exponent > 27)
        return false;
    long double v = (long double)d->mantissa;
    v = d->exponent < 0 ? v / powers[-d->exponent] : v * powers[d->exponent];
    uint64_t bits;
    memcpy(&bits, &v, sizeof(bits));
    if ((bits & 0x7ff) == 0x400) /* half way between two doubles, as far as can be seen */
        return false;
    *ret = (double)v;
    return true;
#else
    (void)d, (void)ret;
    return false;
#endif
}

/* Both factors exact and one rounding (Clinger 1990), which covers nearly all numbers sent; then
 * the same with more bits, for numbers printed with 17 digits; else strtod decides. Digits past the
 * 19th count for the value only as "and a bit more". */
static double value_of(const struct digits *d)
{
    static const double powers[] = {1e0,  1e1,  1e2,  1e3,  1e4,  1e5,  1e6,  1e7,
                                    1e8,  1e9,  1e10, 1e11, 1e12, 1e13, 1e14, 1e15,
                                    1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22};
    double v;
    if (!d->more && d->mantissa <= (uint64_t)1 << 53 && d->exponent >= -22 && d->exponent <= 22) {
        v = (double)d->mantissa;
        v = d->exponent < 0 ? v / powers[-d->exponent] : v * powers[d->exponent];
    } else if (!value_extended(d, &v)) {
        char text[64];
        int n = snprintf(text, sizeof(text), "%llu%se%d", (unsigned long long)d->mantissa,
                         d->more ? "1" : "", d->exponent - d->more);
        if (!d->mantissa)
            v = 0;
        else if (!str_f64(str_n(text, (size_t)n), &v))
            v = HUGE_VAL;
    }
    return d->negative ? -v : v;
}

/* Nineteen digits always fit; of twenty some do. */
static bool twentieth(const struct digits *d, const char *text, size_t n, uint64_t *ret)
{
    return d->cut && d->whole && str_u64(str_n(text + d->negative, n - d->negative), ret);
}

int scan_number(struct scan *s, struct scan_number *ret, struct err *err)
{
    skip_space(s);
    if (s->p == s->end || kind_of(*s->p) != SCAN_NUMBER)
        return unexpected(s, "a number", err);
    const char *start = s->p;
    struct digits d;
    int rc = take_number(s, &d, err);
    if (rc && s->p < s->end && *s->p == 'I')
        return unexpected(s, "a number", err);
    if (rc)
        return rc;
    struct scan_number n = {.value = value_of(&d), .negative = d.negative};
    n.magnitude = d.mantissa;
    n.whole = (d.whole && !d.cut) || twentieth(&d, start, (size_t)(s->p - start), &n.magnitude);
    *ret = n;
    return 0;
}

/* --- the rest -----------------------------------------------------------------------------------
 */

static int literal(struct scan *s, str word, const char *wanted, struct err *err)
{
    if ((size_t)(s->end - s->p) < word.n || memcmp(s->p, word.p, word.n) != 0)
        return scan_fail(s, err, "expected %s", wanted);
    s->p += word.n;
    return 0;
}

int scan_bool(struct scan *s, bool *ret, struct err *err)
{
    enum scan_kind kind = scan_peek(s);
    if (kind != SCAN_TRUE && kind != SCAN_FALSE)
        return unexpected(s, "true or false", err);
    int rc = literal(s, kind == SCAN_TRUE ? S("true") : S("false"), "true or false", err);
    if (!rc)
        *ret = kind == SCAN_TRUE;
    return rc;
}

int scan_null(struct scan *s, struct err *err)
{
    if (scan_peek(s) != SCAN_NULL)
        return unexpected(s, "null", err);
    return literal(s, S("null"), "null", err);
}

static int enter(struct scan *s, char open, const char *wanted, struct err *err)
{
    skip_space(s);
    if (s->p == s->end || *s->p != open)
        return unexpected(s, wanted, err);
    if (s->depth == SCAN_DEPTH_MAX)
        return scan_fail(s, err, "nested deeper than %d levels", SCAN_DEPTH_MAX);
    s->p++;
    s->depth++;
    s->first = true;
    return 0;
}

/* To the next value of a container, or past its end; *rc is set if neither stands here. */
static bool next(struct scan *s, char close, int *rc, struct err *err)
{
    skip_space(s);
    bool first = s->first;
    s->first = false;
    if (s->p == s->end) {
        *rc = scan_fail(s, err, "the text ends inside %s", close == '}' ? "an object" : "an array");
        return false;
    }
    if (*s->p == close) {
        s->p++;
        s->depth--;
        return false;
    }
    if (first)
        return true;
    if (*s->p == ',') {
        s->p++;
        return true;
    }
    *rc = scan_fail(s, err, "expected ',' or '%c', got '%c'", close, *s->p);
    return false;
}

int scan_object(struct scan *s, struct err *err)
{
    return enter(s, '{', "an object", err);
}

bool scan_member(struct scan *s, str *key, int *rc, struct err *err)
{
    if (!next(s, '}', rc, err))
        return false;
    *rc = scan_string(s, key, err);
    if (*rc)
        return false;
    skip_space(s);
    if (s->p == s->end || *s->p != ':') {
        *rc = scan_fail(s, err, "expected ':' after a member's name");
        return false;
    }
    s->p++;
    return true;
}

int scan_array(struct scan *s, struct err *err)
{
    return enter(s, '[', "an array", err);
}

bool scan_element(struct scan *s, int *rc, struct err *err)
{
    return next(s, ']', rc, err);
}

/* At most SCAN_DEPTH_MAX deep, so recursion is safe. */
int scan_skip(struct scan *s, struct err *err)
{
    str text;
    bool truth;
    struct scan_number number;
    int rc;
    switch (scan_peek(s)) {
    case SCAN_OBJECT:
        rc = scan_object(s, err);
        while (!rc && scan_member(s, &text, &rc, err))
            rc = scan_skip(s, err);
        return rc;
    case SCAN_ARRAY:
        rc = scan_array(s, err);
        while (!rc && scan_element(s, &rc, err))
            rc = scan_skip(s, err);
        return rc;
    case SCAN_STRING:
        return scan_string(s, &text, err);
    case SCAN_NUMBER:
        return scan_number(s, &number, err);
    case SCAN_TRUE:
    case SCAN_FALSE:
        return scan_bool(s, &truth, err);
    case SCAN_NULL:
        return scan_null(s, err);
    default:
        return unexpected(s, "a value", err);
    }
}

int scan_end(struct scan *s, struct err *err)
{
    skip_space(s);
    if (s->p != s->end)
        return scan_fail(s, err, "%zu bytes of text after the end of the JSON",
                         (size_t)(s->end - s->p));
    return 0;
}
