/* SPDX-License-Identifier: Apache-2.0 */
#include "codec/json.h"

#include <math.h>
#include <string.h>

enum { DEPTH_MAX = 100 };

/* jansson recurses while it parses, so the depth is checked on the text before it may. */
static int check_depth(str text, struct err *err)
{
    unsigned depth = 0, line = 1;
    bool quoted = false;
    for (size_t i = 0; i < text.n; i++) {
        char c = text.p[i];
        line += c == '\n';
        if (quoted) {
            if (c == '\\')
                i++;
            else if (c == '"')
                quoted = false;
        } else if (c == '"') {
            quoted = true;
        } else if (c == '{' || c == '[') {
            if (++depth > DEPTH_MAX)
                return err_set(err, E_INVALID, "JSON is nested deeper than %d levels (line %u)",
                               DEPTH_MAX, line);
        } else if ((c == '}' || c == ']') && depth) {
            depth--;
        }
    }
    return 0;
}

int json_parse(str text, json_t **ret, struct err *err)
{
    int rc = check_depth(text, err);
    if (rc)
        return rc;
    if (!str_trim(text).n)
        return err_set(err, E_INVALID, "expected JSON, got nothing");
    json_error_t why;
    json_t *j = json_loadb(text.p, text.n, JSON_REJECT_DUPLICATES | JSON_DECODE_ANY, &why);
    if (!j)
        return err_set(err, E_INVALID, "JSON, line %d, column %d: %s", why.line, why.column,
                       why.text);
    *ret = j;
    return 0;
}

void json_freep(json_t **j)
{
    json_decref(*j);
    *j = NULL;
}

static int append(const char *p, size_t n, void *b)
{
    buf_put(b, p, n);
    return 0;
}

void json_write(const json_t *j, struct buf *b)
{
    json_dump_callback(j, append, b, JSON_COMPACT | JSON_ENCODE_ANY | JSON_REAL_PRECISION(17));
}

char *json_text(const json_t *j)
{
    char *text = json_dumps(j, JSON_COMPACT | JSON_ENCODE_ANY | JSON_REAL_PRECISION(17));
    return text ? text : xstrdup("null");
}

const char *json_kind(const json_t *j)
{
    switch (j ? json_typeof(j) : JSON_NULL) {
    case JSON_OBJECT:
        return "an object";
    case JSON_ARRAY:
        return "an array";
    case JSON_STRING:
        return "a string";
    case JSON_INTEGER:
    case JSON_REAL:
        return "a number";
    case JSON_TRUE:
    case JSON_FALSE:
        return "a boolean";
    default:
        return "null";
    }
}

int json_need_object(const json_t *j, const char *what, struct err *err)
{
    if (json_is_object(j))
        return 0;
    return err_set(err, E_INVALID, "%s must be a JSON object, got %s", what, json_kind(j));
}

/* The member, or NULL with *rc set: 0 if it may be absent, E_INVALID if it may not. */
static const json_t *member(const json_t *obj, const char *key, bool required, int *rc,
                            struct err *err)
{
    const json_t *j = json_object_get(obj, key);
    *rc = 0;
    if (j && !json_is_null(j))
        return j;
    if (required)
        *rc = err_set(err, E_INVALID, "'%s' is required", key);
    return NULL;
}

static int wrong(const json_t *j, const char *key, const char *want, struct err *err)
{
    return err_set(err, E_INVALID, "'%s' must be %s, got %s", key, want, json_kind(j));
}

int json_get_str(const json_t *obj, const char *key, bool required, str *ret, struct err *err)
{
    int rc;
    const json_t *j = member(obj, key, required, &rc, err);
    if (!j)
        return rc;
    if (!json_is_string(j))
        return wrong(j, key, "a string", err);
    *ret = str_n(json_string_value(j), json_string_length(j));
    return 0;
}

int json_get_i64(const json_t *obj, const char *key, bool required, int64_t *ret, struct err *err)
{
    int rc;
    const json_t *j = member(obj, key, required, &rc, err);
    if (!j)
        return rc;
    if (!json_is_integer(j))
        return wrong(j, key, "an integer", err);
    *ret = json_integer_value(j);
    return 0;
}

int json_get_f64(const json_t *obj, const char *key, bool required, double *ret, struct err *err)
{
    int rc;
    const json_t *j = member(obj, key, required, &rc, err);
    if (!j)
        return rc;
    if (!json_is_number(j))
        return wrong(j, key, "a number", err);
    *ret = json_number_value(j);
    return 0;
}

int json_get_bool(const json_t *obj, const char *key, bool required, bool *ret, struct err *err)
{
    int rc;
    const json_t *j = member(obj, key, required, &rc, err);
    if (!j)
        return rc;
    if (!json_is_boolean(j))
        return wrong(j, key, "a boolean", err);
    *ret = json_is_true(j);
    return 0;
}

static size_t count(const char *const *names)
{
    size_t n = 0;
    while (names[n])
        n++;
    return n;
}

int json_only(const json_t *obj, const char *const *known, struct err *err)
{
    const char *key;
    json_t *value;
    size_t n = count(known);
    json_object_foreach ((json_t *)obj, key, value) {
        size_t i = 0;
        while (i < n && strcmp(known[i], key) != 0)
            i++;
        if (i < n)
            continue;
        int rc = err_set(err, E_INVALID, "unknown member '%s'", key);
        const char *near = str_nearest(str_from(key), known, n);
        return near ? err_hint(rc, err, "did you mean '%s'?", near) : rc;
    }
    return 0;
}

const char *json_s(const json_t *obj, const char *key)
{
    const char *s = json_string_value(json_object_get(obj, key));
    return s ? s : "";
}

int64_t json_i(const json_t *obj, const char *key)
{
    return json_integer_value(json_object_get(obj, key));
}

json_t *json_strn(str s)
{
    if (str_is_utf8(s))
        return json_stringn_nocheck(s.n ? s.p : "", s.n);
    struct buf b = BUF(s.n * 3 + 3);
    for (size_t i = 0; i < s.n; i++) {
        if ((unsigned char)s.p[i] < 0x80)
            buf_char(&b, s.p[i]);
        else
            buf_puts(&b, "\xef\xbf\xbd");
    }
    json_t *j = json_stringn(b.n ? b.p : "", b.n);
    buf_free(&b);
    return j;
}

static void quote_text(struct buf *b, str s)
{
    size_t plain = 0;
    for (size_t i = 0; i < s.n; i++) {
        unsigned char c = (unsigned char)s.p[i];
        if (c >= 0x20 && c != '"' && c != '\\')
            continue;
        buf_put(b, s.p + plain, i - plain);
        plain = i + 1;
        if (c == '"' || c == '\\')
            buf_printf(b, "\\%c", c);
        else if (c == '\n')
            buf_puts(b, "\\n");
        else
            buf_printf(b, "\\u%04x", c);
    }
    if (s.n > plain)
        buf_put(b, s.p + plain, s.n - plain);
}

/* Messages are cut to fit and quote what clients sent: a byte that is no UTF-8 becomes U+FFFD. */
static void quote_broken(struct buf *b, str s)
{
    for (size_t i = 0; i < s.n;) {
        size_t n = MIN(s.n - i, (size_t)4);
        while (n && !str_is_utf8(str_n(s.p + i, n)))
            n--;
        if (n)
            quote_text(b, str_n(s.p + i, n));
        else
            buf_puts(b, "\xef\xbf\xbd");
        i += MAX(n, (size_t)1);
    }
}

void json_quote(struct buf *b, str s)
{
    buf_char(b, '"');
    if (str_is_utf8(s))
        quote_text(b, s);
    else
        quote_broken(b, s);
    buf_char(b, '"');
}
