/* SPDX-License-Identifier: Apache-2.0
 *
 * The shape of a CSV text: rows, fields, header.
 */
#include "data/csv_int.h"

#include <string.h>

/* Moves past the newline at `at` and notes its kind; false if there is none. */
static bool newline(str t, struct csv_cursor *k)
{
    bool cr = k->at < t.n && t.p[k->at] == '\r' && k->at + 1 < t.n && t.p[k->at + 1] == '\n';
    if (k->at >= t.n || (!cr && t.p[k->at] != '\n'))
        return false;
    k->at += cr ? 2 : 1;
    k->line++;
    k->crlf |= cr;
    k->lf |= !cr;
    return true;
}

static void skip_line(str t, struct csv_cursor *k)
{
    const char *lf = memchr(t.p + k->at, '\n', t.n - k->at);
    k->at = lf ? (size_t)(lf - t.p) : t.n;
}

/* A field that begins with a quote; leaves the cursor behind the closing one. */
static void quoted_field(str t, struct csv_cursor *k, struct csv_row *row)
{
    uint64_t opened = k->line;
    size_t start = ++k->at;
    for (; k->at < t.n; k->at++) {
        k->line += t.p[k->at] == '\n';
        if (t.p[k->at] != '"')
            continue;
        if (k->at + 1 < t.n && t.p[k->at + 1] == '"') {
            k->at++;
            continue;
        }
        vec_push(&row->fields)->text = str_n(t.p + start, k->at - start);
        k->at++;
        return;
    }
    row->fault = "a quote is opened and never closed";
    row->fault_line = opened;
}

static void plain_field(str t, char delimiter, struct csv_cursor *k, struct csv_row *row)
{
    size_t start = k->at;
    while (k->at < t.n && t.p[k->at] != delimiter && t.p[k->at] != '\n' && t.p[k->at] != '\r')
        k->at++;
    vec_push(&row->fields)->text = str_n(t.p + start, k->at - start);
}

/* One row from the cursor to its newline, which is left to the caller. */
static void read_row(str t, char delimiter, struct csv_cursor *k, struct csv_row *row)
{
    for (;;) {
        if (k->at < t.n && t.p[k->at] == '"')
            quoted_field(t, k, row);
        else
            plain_field(t, delimiter, k, row);
        if (row->fault || k->at >= t.n || t.p[k->at] == '\n')
            return;
        if (t.p[k->at] == delimiter) {
            k->at++;
            continue;
        }
        if (t.p[k->at] == '\r' && (k->at + 1 == t.n || t.p[k->at + 1] == '\n'))
            return;
        row->fault = t.p[k->at] == '\r' ? "a carriage return stands without a line feed"
                                        : "text follows a closing quote";
        row->fault_line = k->line;
        skip_line(t, k);
        return;
    }
}

bool csv_next(const struct csv *c, struct csv_cursor *k, struct csv_row *row)
{
    while (newline(c->text, k))
        k->blank = true;
    if (k->at >= c->text.n)
        return false;
    row->fields.n = 0;
    row->fault = NULL;
    row->line = k->line;
    row->start = k->at;
    read_row(c->text, c->delimiter, k, row);
    row->end = k->at;
    str whole = str_n(c->text.p + row->start, row->end - row->start);
    if (!row->fault &&
        (whole.n > CSV_ROW_MAX || !str_is_utf8(whole) || memchr(whole.p, 0, whole.n))) {
        row->fault =
            whole.n > CSV_ROW_MAX ? "the row is longer than 2 MB" : "the row is not UTF-8 text";
        row->fault_line = row->line;
    }
    if (!newline(c->text, k))
        k->at = c->text.n; /* the last line has none, or ends in a lone carriage return */
    return true;
}

bool csv_is_null(const struct csv *c, str value)
{
    if (value.n == 0)
        return true;
    for (size_t i = 0; i < c->nulls.n; i++)
        if (str_is(value, c->nulls.p[i]))
            return true;
    return false;
}

/* Of the usual four the most frequent outside quotes in the first line. */
static char find_delimiter(str t)
{
    static const char candidates[] = ",;\t|";
    size_t counts[sizeof(candidates)] = {0}, best = 0;
    bool quoted = false;
    for (size_t i = 0; i < t.n && (quoted || t.p[i] != '\n'); i++) {
        const char *hit = strchr(candidates, t.p[i]);
        quoted ^= t.p[i] == '"';
        if (hit && *hit && !quoted)
            counts[hit - candidates]++;
    }
    for (size_t i = 1; i < sizeof(candidates) - 1; i++)
        if (counts[i] > counts[best])
            best = i;
    return candidates[best];
}

static int check_encoding(const char *file, str *text, struct err *err)
{
    if (str_starts(*text, S("\xef\xbb\xbf")))
        *text = str_skip(*text, 3);
    if (!str_trim(*text).n)
        return err_set(err, E_INVALID, "%s is empty", file);
    if (str_starts(*text, S("\xff\xfe")) || str_starts(*text, S("\xfe\xff")))
        return err_hint(err_set(err, E_INVALID, "%s is UTF-16, not UTF-8", file), err,
                        "convert it: iconv -f UTF-16 -t UTF-8 %s > utf8.csv", file);
    if (memchr(text->p, 0, MIN(text->n, 4096)))
        return err_hint(err_set(err, E_INVALID, "%s is not text", file), err,
                        "set 'format' if the extension does not tell it");
    return 0;
}

/* Undoes doubled quotes. */
static char *field_copy(str text)
{
    char *copy = xmalloc(text.n + 1), *to = copy;
    for (size_t i = 0; i < text.n; i++) {
        *to++ = text.p[i];
        i += text.p[i] == '"' && i + 1 < text.n && text.p[i + 1] == '"';
    }
    *to = 0;
    return copy;
}

static int check_names(const struct csv *c, struct err *err)
{
    for (size_t i = 0; i < c->columns.n; i++) {
        if (!c->columns.p[i].name[0])
            return err_hint(err_set(err, E_INVALID, "%s:1: column %zu has no name", c->file, i + 1),
                            err, "the first line must name every column");
        for (size_t j = 0; j < i; j++)
            if (str_ieq(str_from(c->columns.p[i].name), str_from(c->columns.p[j].name)))
                return err_hint(err_set(err, E_INVALID,
                                        "%s:1: columns %zu '%s' and %zu '%s' have the same name",
                                        c->file, j + 1, c->columns.p[j].name, i + 1,
                                        c->columns.p[i].name),
                                err, "column names must differ in more than case: rename one");
    }
    return 0;
}

static int read_header(struct csv *c, struct err *err)
{
    struct csv_cursor k = {.line = 1};
    struct csv_row row = {0};
    csv_next(c, &k, &row);
    int rc = 0;
    if (row.fault)
        rc = err_set(err, E_INVALID, "%s:%llu: %s", c->file, (unsigned long long)row.fault_line,
                     row.fault);
    else if (row.fields.n > CSV_COLUMNS_MAX)
        rc = err_set(err, E_TOOBIG, "%s has %zu columns; at most %d are possible", c->file,
                     row.fields.n, CSV_COLUMNS_MAX);
    for (size_t i = 0; !rc && i < row.fields.n; i++)
        vec_push(&c->columns)->name = field_copy(str_trim(row.fields.p[i].text));
    c->body = k;
    vec_free(&row.fields);
    return rc ? rc : check_names(c, err);
}

int csv_open(const char *file, str text, struct csv **ret, struct err *err)
{
    int rc = check_encoding(file, &text, err);
    if (rc)
        return rc;
    CLEANUP(csv_freep) struct csv *c = xcalloc(1, sizeof(*c));
    c->file = file;
    c->text = text;
    c->delimiter = find_delimiter(text);
    rc = read_header(c, err);
    if (rc)
        return rc;
    *ret = c;
    c = NULL;
    return 0;
}

void csv_free(struct csv *c)
{
    if (!c)
        return;
    for (size_t i = 0; i < c->columns.n; i++)
        free(c->columns.p[i].name);
    vec_free(&c->columns);
    for (size_t i = 0; i < c->nulls.n; i++)
        free(c->nulls.p[i]);
    vec_free(&c->nulls);
    free(c);
}

void csv_freep(struct csv **c)
{
    csv_free(*c);
}

char csv_delimiter(const struct csv *c)
{
    return c->delimiter;
}

size_t csv_columns(const struct csv *c)
{
    return c->columns.n;
}

const char *csv_name(const struct csv *c, size_t column)
{
    return c->columns.p[column].name;
}

void csv_null(struct csv *c, str word)
{
    *vec_push(&c->nulls) = xstrndup(word.p, word.n);
}
