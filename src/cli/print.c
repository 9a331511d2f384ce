/* SPDX-License-Identifier: Apache-2.0
 *
 * How things look on a terminal. Cells are written into buffers first, so that a table's columns
 * are as wide as their widest cell and no wider.
 */
#include "cli/cli_int.h"

#include "sys/clock.h"

#include <string.h>

const char *paint(const struct cli *c, const char *code)
{
    static const char *const all[][2] = {{BOLD, "\x1b[1m"},    {DIM, "\x1b[2m"},
                                         {RED, "\x1b[31m"},    {GREEN, "\x1b[32m"},
                                         {YELLOW, "\x1b[33m"}, {CYAN, "\x1b[36m"}};
    for (size_t i = 0; c->color && i < LENGTH(all); i++)
        if (strcmp(all[i][0], code) == 0)
            return all[i][1];
    return "";
}

const char *unpaint(const struct cli *c)
{
    return c->color ? "\x1b[0m" : "";
}

size_t text_width(str s)
{
    size_t width = 0;
    for (size_t i = 0; i < s.n; i++) {
        if (s.p[i] == '\x1b') {
            while (i < s.n && s.p[i] != 'm')
                i++;
        } else if (((unsigned char)s.p[i] & 0xc0) != 0x80) {
            width++;
        }
    }
    return width;
}

static void pad(size_t n)
{
    while (n--)
        putchar(' ');
}

void print_table(const struct cli *c, const json_t *rows, const struct column *columns, size_t n,
                 const char *empty_hint)
{
    enum { COLUMNS = 16 };
    size_t count = json_array_size(rows), width[COLUMNS] = {0};
    n = MIN(n, (size_t)COLUMNS);
    if (!count) {
        fprintf(stderr, "nothing yet; %s\n", empty_hint);
        return;
    }
    struct buf *cells = xcalloc(count * n, sizeof(*cells));
    for (size_t i = 0; i < count * n; i++) {
        cells[i] = BUF(4096);
        const struct column *column = &columns[i % n];
        column->cell(c, json_array_get(rows, i / n), column->member, &cells[i]);
        width[i % n] = MAX(width[i % n], text_width(buf_view(&cells[i])));
    }
    for (size_t k = 0; k < n; k++) {
        width[k] = MAX(width[k], strlen(columns[k].heading));
        printf("%s%s%s", paint(c, DIM), columns[k].heading, unpaint(c));
        pad(k + 1 < n ? width[k] - strlen(columns[k].heading) + 2 : 0);
    }
    putchar('\n');
    for (size_t i = 0; i < count * n; i++) {
        printf("%.*s", STR(buf_view(&cells[i])));
        if (i % n + 1 < n)
            pad(width[i % n] - text_width(buf_view(&cells[i])) + 2);
        else
            putchar('\n');
        buf_free(&cells[i]);
    }
    free(cells);
}

void cell_text(const struct cli *c, const json_t *row, const char *member, struct buf *out)
{
    (void)c;
    buf_puts(out, json_s(row, member));
}

void cell_count(const struct cli *c, const json_t *row, const char *member, struct buf *out)
{
    (void)c;
    print_count(out, json_i(row, member));
}

void cell_bytes(const struct cli *c, const json_t *row, const char *member, struct buf *out)
{
    (void)c;
    print_bytes(out, json_i(row, member));
}

void cell_ago(const struct cli *c, const json_t *row, const char *member, struct buf *out)
{
    (void)c;
    print_ago(out, json_i(row, member));
}

void cell_status(const struct cli *c, const json_t *row, const char *member, struct buf *out)
{
    buf_printf(out, "%s %s", status_mark(c, json_s(row, member)), json_s(row, member));
}

void print_json(const json_t *j)
{
    CLEANUP(freep) char *text = json_dumps(j, JSON_INDENT(2) | JSON_ENCODE_ANY);
    printf("%s\n", text ? text : "null");
}

void print_duration(struct buf *out, int64_t ms)
{
    if (ms < 1000)
        buf_printf(out, "%lld ms", (long long)MAX(ms, 0));
    else if (ms < 60000)
        buf_printf(out, "%.1f s", (double)ms / 1000);
    else
        buf_printf(out, "%lldm %02llds", (long long)(ms / 60000), (long long)(ms / 1000 % 60));
}

void print_ago(struct buf *out, int64_t unix_ms)
{
    int64_t s = (clock_ms() - unix_ms) / 1000;
    if (s < 60)
        buf_puts(out, "just now");
    else if (s < 3600)
        buf_printf(out, "%lld min ago", (long long)(s / 60));
    else if (s < 86400)
        buf_printf(out, "%lld h ago", (long long)(s / 3600));
    else
        buf_printf(out, "%lld d ago", (long long)(s / 86400));
}

void print_count(struct buf *out, int64_t n)
{
    char digits[32];
    int length = snprintf(digits, sizeof(digits), "%lld", (long long)n);
    for (int i = 0; i < length; i++) {
        if (i && (length - i) % 3 == 0 && digits[i - 1] != '-')
            buf_char(out, ',');
        buf_char(out, digits[i]);
    }
}

void print_bytes(struct buf *out, int64_t n)
{
    static const char *const units[] = {"B", "KB", "MB", "GB", "TB"};
    double v = (double)n;
    size_t u = 0;
    while (v >= 1000 && u + 1 < LENGTH(units)) {
        v /= 1000;
        u++;
    }
    buf_printf(out, u && v < 10 ? "%.1f %s" : "%.0f %s", v, units[u]);
}

const char *status_mark(const struct cli *c, const char *status)
{
    static const struct {
        const char *status, *plain, *painted;
    } marks[] = {
        {"succeeded", "✓", "\x1b[32m✓\x1b[0m"}, {"ready", "✓", "\x1b[32m✓\x1b[0m"},
        {"failed", "✗", "\x1b[31m✗\x1b[0m"},    {"running", "●", "\x1b[36m●\x1b[0m"},
        {"loading", "●", "\x1b[36m●\x1b[0m"},   {"cancelled", "⊘", "\x1b[33m⊘\x1b[0m"},
        {"skipped", "–", "\x1b[2m–\x1b[0m"},
    };
    for (size_t i = 0; i < LENGTH(marks); i++)
        if (strcmp(marks[i].status, status) == 0)
            return c->color ? marks[i].painted : marks[i].plain;
    return "○";
}

void print_err(const struct err *err)
{
    fprintf(stderr, "error: %s\n", err->msg);
    if (err->hint[0])
        fprintf(stderr, "hint: %s\n", err->hint);
}
