/* SPDX-License-Identifier: Apache-2.0
 *
 * Categories as numbers: each one's code is its rank by the number of training rows that have it.
 *
 * Trees cut an order, so which order matters. Ordering by the mean of the target makes the best
 * single cut possible (Fisher 1958), but the order is then made from the very answers the trees are
 * to learn, and they come to trust it too much: on the flights example, spring to June, it cost
 * 0.005 of AUC over four seeds against frequency, even with means of rare categories drawn towards
 * the mean of all. Frequency looks at no answer, so it cannot leak one; it puts rare categories
 * together at one end, where a single cut takes them all; and it is the same for every task.
 *
 * Only training rows count; equal counts are ordered by their text, so the result is one.
 */
#include "train/train_int.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

enum { FORM_VALUES = 200 };

struct ranked {
    size_t rows;
    str text;
};

static int by_count(const void *a, const void *b)
{
    const struct ranked *x = a, *y = b;
    if (x->rows != y->rows)
        return x->rows < y->rows ? -1 : 1;
    return str_cmp(x->text, y->text);
}

static int by_text(const void *a, const void *b)
{
    return str_cmp(((const struct ranked *)a)->text, ((const struct ranked *)b)->text);
}

static void rank(const struct column *c, const bool *train, size_t rows, struct arena *a,
                 struct feature *f)
{
    CLEANUP(freep) struct ranked *order = xcalloc(MAX(c->texts.n, 1), sizeof(*order));
    for (size_t i = 0; i < c->texts.n; i++)
        order[i].text = c->texts.p[i];
    for (size_t row = 0; row < rows; row++) {
        if (train[row] && c->code[row])
            order[c->code[row] - 1].rows++;
    }
    qsort(order, c->texts.n, sizeof(*order), by_count);
    f->categories = arena_alloc(a, MAX(c->texts.n, 1) * sizeof(*f->categories));
    f->counts = arena_alloc(a, MAX(c->texts.n, 1) * sizeof(*f->counts));
    for (size_t i = 0; i < c->texts.n; i++) {
        if (order[i].rows == 0)
            continue; /* seen in validation rows alone: as good as unseen */
        f->categories[f->n] = arena_str(a, order[i].text);
        f->counts[f->n++] = order[i].rows;
    }
}

static void fit_feature(const struct column *c, const bool *train, size_t rows, struct arena *a,
                        struct feature *f)
{
    *f = (struct feature){.name = arena_cstr(a, str_from(c->name)), .kind = c->kind};
    for (size_t row = 0; row < rows; row++) {
        if (!train[row])
            continue;
        bool missing = c->kind == COLUMN_CATEGORY ? c->code[row] == 0 : isnan(c->number[row]);
        f->optional |= missing;
        if (c->kind != COLUMN_CATEGORY && !missing && !f->has_example) {
            f->has_example = true;
            f->example = (double)c->number[row];
        }
    }
    if (c->kind == COLUMN_CATEGORY)
        rank(c, train, rows, a, f);
}

int features_fit(const struct table *t, size_t target, const bool *train, struct arena *a,
                 struct features *ret, struct err *err)
{
    size_t n = t->columns.n;
    if (n < 2)
        return err_set(err, E_INVALID, "there is no column to learn from beside the target");
    struct features f = {.p = arena_alloc(a, n * sizeof(*f.p))};
    for (size_t i = 0; i < n; i++) {
        if (i != target)
            fit_feature(&t->columns.p[i], train, table_rows(t), a, &f.p[f.n++]);
    }
    *ret = f;
    return 0;
}

/* code_of[c->code] for one column: the table may have met the texts in another order. */
static float *codes_for(const struct feature *f, const struct column *c)
{
    float *code_of = xmalloc((c->texts.n + 1) * sizeof(*code_of));
    for (size_t i = 0; i <= c->texts.n; i++)
        code_of[i] = NAN;
    for (size_t i = 0; i < f->n; i++)
        code_of[(size_t)(uintptr_t)map_get(c->index, f->categories[i])] = (float)i;
    code_of[0] = NAN; /* where categories the table lacks were put */
    return code_of;
}

int features_encode(const struct features *f, const struct table *t, const size_t *list,
                    size_t rows, float *ret, struct err *err)
{
    for (size_t i = 0; i < f->n; i++) {
        size_t at;
        int rc = table_find(t, f->p[i].name, &at, err);
        if (rc)
            return rc;
        const struct column *c = &t->columns.p[at];
        if ((c->kind == COLUMN_CATEGORY) != (f->p[i].kind == COLUMN_CATEGORY))
            return err_set(err, E_INVALID, "column '%s' is not of the kind the model learnt",
                           c->name);
        CLEANUP(freep) float *code_of = c->kind == COLUMN_CATEGORY ? codes_for(&f->p[i], c) : NULL;
        for (size_t r = 0; r < rows; r++) {
            size_t row = list ? list[r] : r;
            ret[r * f->n + i] = code_of ? code_of[c->code[row]] : c->number[row];
        }
    }
    return 0;
}

static const char *const kind_names[] = {"number", "boolean", "category"};

json_t *features_encoding(const struct features *f)
{
    json_t *columns = json_array();
    for (size_t i = 0; i < f->n; i++) {
        const struct feature *p = &f->p[i];
        json_t *column = json_pack("{s:s, s:s}", "name", p->name, "kind", kind_names[p->kind]);
        if (p->kind == COLUMN_CATEGORY) {
            json_t *categories = json_array();
            for (size_t k = 0; k < p->n; k++)
                json_array_append_new(categories, json_strn(p->categories[k]));
            json_object_set_new(column, "categories", categories);
        }
        json_array_append_new(columns, column);
    }
    return json_pack("{s:o}", "columns", columns);
}

/* The most frequent categories, in the order people look for them, and the first as example. */
static void describe_categories(const struct feature *f, json_t *input)
{
    size_t n = MIN(f->n, (size_t)FORM_VALUES);
    CLEANUP(freep) struct ranked *order = xcalloc(MAX(n, 1), sizeof(*order));
    for (size_t i = 0; i < n; i++)
        order[i].text = f->categories[f->n - 1 - i];
    json_object_set_new(input, "example", f->n ? json_strn(order[0].text) : json_string(""));
    qsort(order, n, sizeof(*order), by_text);
    json_t *values = json_array();
    for (size_t i = 0; i < n; i++)
        json_array_append_new(values, json_strn(order[i].text));
    json_object_set_new(input, "values", values);
}

static json_t *example_number(const struct feature *f)
{
    if (!f->has_example)
        return json_null();
    if (f->kind == COLUMN_BOOLEAN)
        return json_boolean(f->example != 0);
    if (f->example == floor(f->example) && fabs(f->example) < 1e15)
        return json_integer((json_int_t)f->example);
    char text[32]; /* the shortest decimal that is this float: 0.1, not 0.10000000149 */
    for (int digits = 6; digits <= 9; digits++) {
        snprintf(text, sizeof(text), "%.*g", digits, f->example);
        if (strtof(text, NULL) == (float)f->example)
            break;
    }
    double shortest = f->example;
    str_f64(str_from(text), &shortest);
    return json_real(shortest);
}

json_t *features_signature(const struct features *f)
{
    json_t *inputs = json_array();
    for (size_t i = 0; i < f->n; i++) {
        const struct feature *p = &f->p[i];
        json_t *input = json_pack("{s:s, s:s, s:b, s:s}", "name", p->name, "datatype",
                                  p->kind == COLUMN_CATEGORY ? "BYTES" : "FP32", "optional",
                                  p->optional, "kind", kind_names[p->kind]);
        if (p->kind == COLUMN_CATEGORY)
            describe_categories(p, input);
        else
            json_object_set_new(input, "example", example_number(p));
        json_array_append_new(inputs, input);
    }
    return inputs;
}
