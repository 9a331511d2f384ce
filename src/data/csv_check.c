/* SPDX-License-Identifier: Apache-2.0
 *
 * The values of a CSV text: what type they have, and which rows break it.
 */
#include "data/csv_int.h"

#include "sys/fs.h"

#include <stdio.h>
#include <string.h>

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static size_t digits(str s)
{
    size_t n = 0;
    while (n < s.n && is_digit(s.p[n]))
        n++;
    return n;
}

static str unsign(str s)
{
    return s.n && (s.p[0] == '-' || s.p[0] == '+') ? str_skip(s, 1) : s;
}

static bool whole(str s, int64_t *ret)
{
    str number = s.n && s.p[0] == '+' ? str_skip(s, 1) : s;
    return digits(unsign(s)) == unsign(s).n && str_i64(number, ret);
}

static bool is_number(str s)
{
    s = unsign(s);
    if (str_ieq(s, S("inf")) || str_ieq(s, S("infinity")) || str_ieq(s, S("nan")))
        return true;
    size_t before = digits(s), after = 0;
    s = str_skip(s, before);
    if (s.n && s.p[0] == '.') {
        s = str_skip(s, 1);
        after = digits(s);
        s = str_skip(s, after);
    }
    if (before + after == 0)
        return false;
    if (s.n && (s.p[0] == 'e' || s.p[0] == 'E')) {
        s = unsign(str_skip(s, 1));
        return s.n && s.n <= 4 && digits(s) == s.n;
    }
    return s.n == 0;
}

/* `width` digits between low and high; moves s behind them. */
static bool part(str *s, size_t width, unsigned low, unsigned high, unsigned *ret)
{
    unsigned v = 0;
    if (s->n < width || digits(str_n(s->p, width)) != width)
        return false;
    for (size_t i = 0; i < width; i++)
        v = v * 10 + (unsigned)(s->p[i] - '0');
    *s = str_skip(*s, width);
    *ret = v;
    return v >= low && v <= high;
}

static bool mark(str *s, const char *any)
{
    if (!s->n || !strchr(any, s->p[0]))
        return false;
    *s = str_skip(*s, 1);
    return true;
}

static bool eat_date(str *s)
{
    static const unsigned char days[] = {31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    unsigned y, m, d;
    if (!part(s, 4, 0, 9999, &y) || !mark(s, "-") || !part(s, 2, 1, 12, &m) || !mark(s, "-") ||
        !part(s, 2, 1, days[m - 1], &d))
        return false;
    bool leap = (y % 4 == 0 && y % 100 != 0) || y % 400 == 0;
    return m != 2 || d < 29 || leap;
}

/* hh:mm[:ss[.fraction]][Z|+hh[:mm]] to the end; an offset needs the seconds, as in DuckDB. */
static bool is_clock(str s)
{
    unsigned v;
    bool seconds = false;
    if (!part(&s, 2, 0, 23, &v) || !mark(&s, ":") || !part(&s, 2, 0, 59, &v))
        return false;
    if (mark(&s, ":")) {
        if (!part(&s, 2, 0, 59, &v))
            return false;
        seconds = true;
        if (mark(&s, ".")) {
            size_t n = digits(s);
            s = str_skip(s, n);
            if (!n || n > 9)
                return false;
        }
    }
    if (s.n == 0)
        return true;
    if (!seconds)
        return false;
    if (mark(&s, "Z"))
        return s.n == 0;
    if (!mark(&s, "+-") || !part(&s, 2, 0, 15, &v))
        return false;
    return s.n == 0 || (mark(&s, ":") && part(&s, 2, 0, 59, &v) && s.n == 0);
}

unsigned csv_classify(str s)
{
    unsigned is = 0;
    int64_t v;
    str d = unsign(s);
    if (is_number(s)) {
        bool zeros = d.n > 1 && d.p[0] == '0' && is_digit(d.p[1]);
        is |= CSV_NUMBER | (zeros ? CSV_ZEROS : whole(s, &v) ? CSV_WHOLE : 0);
    }
    if (str_ieq(s, S("true")) || str_ieq(s, S("false")))
        is |= CSV_BOOLEAN;
    if (s.n >= 10 && eat_date(&s)) {
        if (s.n == 0)
            is |= CSV_DATE | CSV_TIME;
        else if (mark(&s, "T ") && is_clock(s))
            is |= CSV_TIME;
    }
    return is;
}

/* The classes a value may have in a column of each type, and how to say that it has none. */
static const struct kind {
    const char *type;
    unsigned wants;
    const char *noun;
    int64_t limit; /* whole numbers lie from -limit - 1 to limit */
} kinds[] = {
    {"string", 0, "text", 0},
    {"long", CSV_WHOLE, "a whole number", INT64_MAX},
    {"double", CSV_NUMBER, "a number", 0},
    {"boolean", CSV_BOOLEAN, "true or false", 0},
    {"date", CSV_DATE, "a date (YYYY-MM-DD)", 0},
    {"timestamp", CSV_TIME, "a time (YYYY-MM-DD HH:MM:SS)", 0},
    {"integer", CSV_WHOLE, "a whole number of 32 bits", INT32_MAX},
    {"short", CSV_WHOLE, "a whole number of 16 bits", INT16_MAX},
    {"byte", CSV_WHOLE, "a whole number of 8 bits", INT8_MAX},
    {"float", CSV_NUMBER, "a number", 0},
    {"decimal", CSV_NUMBER, "a number", 0},
    {"binary", 0, "text", 0},
};

static const struct kind *kind_of(const char *type)
{
    for (size_t i = 0; i < LENGTH(kinds); i++)
        if (str_starts(str_from(type), str_from(kinds[i].type)))
            return &kinds[i];
    return &kinds[0];
}

void csv_set_type(struct csv *c, size_t column, const char *type)
{
    c->columns.p[column].type = type;
    c->columns.p[column].wants = kind_of(type)->wants;
    c->columns.p[column].limit = kind_of(type)->limit;
}

const char *csv_type(const struct csv *c, size_t column)
{
    const char *type = c->columns.p[column].type;
    return type ? type : "string";
}

struct tally {
    uint64_t values, whole, numbers, booleans, dates, times, zeros;
};

static void count(struct tally *t, unsigned is)
{
    t->values++;
    t->whole += (is & CSV_WHOLE) != 0;
    t->numbers += (is & CSV_NUMBER) != 0;
    t->booleans += (is & CSV_BOOLEAN) != 0;
    t->dates += (is & CSV_DATE) != 0;
    t->times += (is & CSV_TIME) != 0;
    t->zeros += (is & CSV_ZEROS) != 0;
}

static const char *verdict(const struct tally *t)
{
    uint64_t odd = t->values - t->numbers;
    if (t->values == 0 || t->zeros)
        return "string";
    if (t->numbers > odd && (odd <= 1 || odd * 10 <= t->values))
        return t->whole == t->numbers ? "long" : "double";
    if (t->booleans == t->values)
        return "boolean";
    if (t->dates == t->values)
        return "date";
    return t->times == t->values ? "timestamp" : "string";
}

int csv_infer(struct csv *c, struct err *err)
{
    CLEANUP(freep) struct tally *tallies = xcalloc(c->columns.n, sizeof(*tallies));
    struct csv_cursor k = c->body;
    struct csv_row row = {0};
    (void)err;
    while (csv_next(c, &k, &row)) {
        if (row.fault || row.fields.n != c->columns.n)
            continue; /* csv_check will say it */
        for (size_t i = 0; i < row.fields.n; i++)
            if (!c->columns.p[i].type && !csv_is_null(c, row.fields.p[i].text))
                count(&tallies[i], csv_classify(row.fields.p[i].text));
    }
    vec_free(&row.fields);
    for (size_t i = 0; i < c->columns.n; i++)
        if (!c->columns.p[i].type)
            csv_set_type(c, i, verdict(&tallies[i]));
    return 0;
}

static str shorten(str s, size_t max)
{
    if (s.n <= max)
        return s;
    while (max && ((unsigned char)s.p[max] & 0xc0) == 0x80)
        max--;
    return str_n(s.p, max);
}

static void note(struct csv_report *r, char *text, char *hint)
{
    if (r->bad < CSV_SHOWN)
        r->shown[r->bad] = text;
    else
        free(text);
    if (!r->bad)
        r->hint = hint;
    else
        free(hint);
    r->bad++;
}

static void note_shape(const struct csv *c, const struct csv_row *row, struct csv_report *r)
{
    str text = shorten(str_n(c->text.p + row->start, row->end - row->start), 120);
    if (row->fault)
        note(r, xasprintf("%s:%llu: %s", c->file, (unsigned long long)row->fault_line, row->fault),
             xasprintf("repair the row, or leave such rows out with on_error: skip"));
    else
        note(r,
             xasprintf("%s:%llu: the row has %zu columns, the header %zu: %.*s", c->file,
                       (unsigned long long)row->line, row->fields.n, c->columns.n, STR(text)),
             xasprintf("repair the row, or leave such rows out with on_error: skip"));
}

static void note_value(const struct csv *c, const struct csv_row *row, size_t i,
                       struct csv_report *r)
{
    const struct csv_column *column = &c->columns.p[i];
    str value = shorten(row->fields.p[i].text, 60);
    note(r,
         xasprintf("%s:%llu: column '%s': '%.*s' is not %s", c->file, (unsigned long long)row->line,
                   column->name, STR(value), kind_of(column->type)->noun),
         xasprintf("if the column is text say columns: {%s: string}; if '%.*s' means missing say"
                   " nulls: ['%.*s']",
                   column->name, STR(value), STR(value)));
}

static bool fits(const struct csv *c, const struct csv_column *column, str value)
{
    int64_t v = 0;
    if (!column->wants || csv_is_null(c, value))
        return true;
    if (!(csv_classify(value) & column->wants))
        return false;
    return !column->limit || !whole(value, &v) || (v <= column->limit && v >= -column->limit - 1);
}

/* Notes the first thing wrong with a row; true if nothing is. */
static bool row_is_good(const struct csv *c, const struct csv_row *row, struct csv_report *r)
{
    if (row->fault || row->fields.n != c->columns.n) {
        note_shape(c, row, r);
        return false;
    }
    for (size_t i = 0; i < row->fields.n; i++) {
        if (!fits(c, &c->columns.p[i], row->fields.p[i].text)) {
            note_value(c, row, i, r);
            return false;
        }
    }
    return true;
}

static int keep(int fd, struct buf *b, str row, bool flush, struct err *err)
{
    buf_str(b, row);
    if (row.n)
        buf_char(b, '\n');
    if (!flush && b->n < 1 << 20)
        return 0;
    int rc = fs_write_all(fd, b->p, b->n, err);
    buf_clear(b);
    return rc;
}

int csv_check(const struct csv *c, int keep_fd, struct csv_report *ret, struct err *err)
{
    struct csv_cursor k = c->body;
    struct csv_row row = {0};
    struct csv_report r = {0};
    struct buf kept = BUF(8 << 20);
    int rc = 0;
    if (keep_fd >= 0)
        rc = keep(keep_fd, &kept, str_trim(str_n(c->text.p, c->body.at)), false, err);
    while (!rc && csv_next(c, &k, &row)) {
        r.rows++;
        if (row_is_good(c, &row, &r) && keep_fd >= 0)
            rc =
                keep(keep_fd, &kept, str_n(c->text.p + row.start, row.end - row.start), false, err);
    }
    if (!rc && keep_fd >= 0)
        rc = keep(keep_fd, &kept, (str){0}, true, err);
    r.plain = !r.bad && !(k.lf && k.crlf) && !k.blank;
    vec_free(&row.fields);
    buf_free(&kept);
    if (rc) {
        csv_report_free(&r);
        return rc;
    }
    *ret = r;
    return 0;
}

void csv_report_free(struct csv_report *r)
{
    for (size_t i = 0; i < CSV_SHOWN; i++)
        free(r->shown[i]);
    free(r->hint);
    *r = (struct csv_report){0};
}
