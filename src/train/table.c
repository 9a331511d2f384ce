/* SPDX-License-Identifier: Apache-2.0
 *
 * Rows in memory, one array per column: float for numbers, dictionary codes for text.
 *
 * The number of rows is known before reading (the step counts first), so each column is one
 * checked allocation and a dataset too large for the machine is refused before any work is done.
 */
#include "train/train_int.h"

#include <math.h>
#include <string.h>

enum { TEXT_MAX = 1024 };

struct table *table_new(size_t rows_max)
{
    struct table *t = xcalloc(1, sizeof(*t));
    t->rows_max = rows_max;
    t->arena = arena_new((size_t)1 << 32);
    return t;
}

void table_free(struct table *t)
{
    if (!t)
        return;
    for (size_t i = 0; i < t->columns.n; i++) {
        struct column *c = &t->columns.p[i];
        free(c->number);
        free(c->code);
        if (c->index)
            map_free(c->index, NULL);
        vec_free(&c->texts);
    }
    vec_free(&t->columns);
    arena_free(t->arena);
    free(t);
}

void table_freep(struct table **t)
{
    table_free(*t);
}

static int reserve(struct column *c, size_t rows, struct err *err)
{
    size_t bytes;
    if (__builtin_mul_overflow(MAX(rows, 1), sizeof(float), &bytes))
        bytes = 0;
    void *cells = bytes ? malloc(bytes) : NULL;
    if (!cells)
        return err_hint(
            err_set(err, E_TOOBIG, "column '%s': %zu rows do not fit into memory", c->name, rows),
            err, "train on fewer rows (where: …) or fewer columns (exclude: […])");
    if (c->kind == COLUMN_CATEGORY)
        c->code = cells;
    else
        c->number = cells;
    return 0;
}

int table_add(struct table *t, const char *name, enum column_kind kind, struct err *err)
{
    if (t->columns.n > TRAIN_FEATURES_MAX)
        return err_hint(err_set(err, E_TOOBIG, "more than %d columns", TRAIN_FEATURES_MAX), err,
                        "name the ones to use with features: […]");
    struct column c = {.name = arena_cstr(t->arena, str_from(name)), .kind = kind};
    int rc = reserve(&c, t->rows_max, err);
    if (rc)
        return rc;
    if (kind == COLUMN_CATEGORY)
        c.index = map_new();
    *vec_push(&t->columns) = c;
    return 0;
}

static int check_room(const struct table *t, const struct column *c, struct err *err)
{
    if (c->n < t->rows_max)
        return 0;
    return err_set(err, E_TOOBIG, "column '%s' has more than the %zu rows counted before", c->name,
                   t->rows_max);
}

int table_number(struct table *t, size_t column, double v, struct err *err)
{
    struct column *c = &t->columns.p[column];
    int rc = check_room(t, c, err);
    if (rc)
        return rc;
    if (isinf((float)v))
        return err_hint(err_set(err, E_INVALID,
                                "column '%s', row %zu: %g does not fit a 32-bit "
                                "float",
                                c->name, c->n + 1, v),
                        err, "make it null in SQL, or leave the column out with exclude: [%s]",
                        c->name);
    c->missing += isnan(v) != 0;
    c->number[c->n++] = (float)v;
    return 0;
}

static int new_category(struct table *t, struct column *c, str v, uint32_t *ret, struct err *err)
{
    if (c->texts.n >= TRAIN_CATEGORIES_MAX)
        return err_hint(err_set(err, E_TOOBIG,
                                "column '%s' has more than %d categories, too many to learn from",
                                c->name, TRAIN_CATEGORIES_MAX),
                        err, "leave it out with exclude: [%s], or group its values in SQL",
                        c->name);
    if (v.n > TEXT_MAX)
        return err_hint(err_set(err, E_TOOBIG,
                                "column '%s' has a text of %zu bytes; a category "
                                "has at most %d",
                                c->name, v.n, TEXT_MAX),
                        err, "leave it out with exclude: [%s]", c->name);
    str copy = arena_str(t->arena, v);
    *vec_push(&c->texts) = copy;
    *ret = (uint32_t)c->texts.n;
    map_put(c->index, copy, (void *)(uintptr_t)*ret);
    return 0;
}

int table_text(struct table *t, size_t column, str v, struct err *err)
{
    struct column *c = &t->columns.p[column];
    int rc = check_room(t, c, err);
    if (rc)
        return rc;
    uint32_t code = 0;
    if (v.n) {
        code = (uint32_t)(uintptr_t)map_get(c->index, v);
        if (!code && (rc = new_category(t, c, v, &code, err)))
            return rc;
    } else {
        c->missing++;
    }
    c->code[c->n++] = code;
    return 0;
}

size_t table_columns(const struct table *t)
{
    return t->columns.n;
}

size_t table_rows(const struct table *t)
{
    size_t rows = t->columns.n ? SIZE_MAX : 0;
    for (size_t i = 0; i < t->columns.n; i++)
        rows = MIN(rows, t->columns.p[i].n);
    return rows;
}

const char *table_name(const struct table *t, size_t column)
{
    return t->columns.p[column].name;
}

enum column_kind table_kind(const struct table *t, size_t column)
{
    return t->columns.p[column].kind;
}

int table_find(const struct table *t, const char *name, size_t *ret, struct err *err)
{
    size_t n = t->columns.n;
    for (size_t i = 0; i < n; i++) {
        if (strcmp(t->columns.p[i].name, name) == 0) {
            *ret = i;
            return 0;
        }
    }
    CLEANUP(freep) const char **names = xcalloc(MAX(n, 1), sizeof(*names));
    for (size_t i = 0; i < n; i++)
        names[i] = t->columns.p[i].name;
    const char *near = str_nearest(str_from(name), names, n);
    int rc = err_set(err, E_NOTFOUND, "no column '%s'", name);
    return near ? err_hint(rc, err, "did you mean '%s'?", near) : rc;
}

str table_text_at(const struct table *t, size_t column, size_t row)
{
    const struct column *c = &t->columns.p[column];
    return c->code[row] ? c->texts.p[c->code[row] - 1] : S("");
}

float table_number_at(const struct table *t, size_t column, size_t row)
{
    return t->columns.p[column].number[row];
}
