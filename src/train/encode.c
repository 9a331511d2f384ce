/* SPDX-License-Identifier: Apache-2.0
 *
 * Categories as numbers: each one's code is its rank by how its training rows answer.
 *
 * For one split of a tree on a category of K values there are 2^(K-1) ways to part them. Sorted by
 * their mean answer, the best way is one of K-1 cuts (Fisher 1958; Breiman 1984, section 4.2); for
 * more than two classes, sorting by the first principal component of the categories' class
 * probabilities comes close to it (Coppersmith, Hong and Hosking 1999). So the codes keep what a
 * tree needs and stay one float per column.
 *
 * The answer of a rare category is mostly chance, and an order made of chance is a leak of the
 * target. Means are therefore drawn towards the mean of all rows as if SMOOTHING rows of it had
 * been seen as well (m-estimate: Micci-Barreca 2001), which puts rare categories in the middle.
 * Only training rows count; equal scores are ordered by their text, so the result is one.
 */
#include "train/train_int.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { SMOOTHING = 20, POWER_ROUNDS = 60, FORM_VALUES = 200 };

/* Per category of one column: rows and the sum of answers (one per class, or the values'). */
struct tally {
    size_t n, width;
    size_t *rows;
    double *sums; /* n × width; turned into smoothed differences from the prior */
    double *prior;
};

static void tally_free(struct tally *t)
{
    free(t->rows);
    free(t->sums);
    free(t->prior);
}

static void count_row(struct tally *t, size_t category, size_t row, const struct answers *a)
{
    double *sum = t->sums + category * t->width;
    t->rows[category]++;
    if (a->task == TASK_REGRESSION) {
        sum[0] += (double)a->value[row];
        t->prior[0] += (double)a->value[row];
    } else {
        sum[a->label[row]] += 1;
        t->prior[a->label[row]] += 1;
    }
}

static void tally_column(const struct column *c, const bool *train, size_t rows,
                         const struct answers *a, struct tally *t)
{
    t->n = c->texts.n;
    t->width = a->task == TASK_REGRESSION ? 1 : a->classes;
    t->rows = xcalloc(MAX(t->n, 1), sizeof(*t->rows));
    t->sums = xcalloc(MAX(t->n, 1) * t->width, sizeof(*t->sums));
    t->prior = xcalloc(t->width, sizeof(*t->prior));
    size_t seen = 0;
    for (size_t row = 0; row < rows; row++) {
        if (!train[row] || c->code[row] == 0)
            continue;
        count_row(t, c->code[row] - 1, row, a);
        seen++;
    }
    for (size_t w = 0; w < t->width; w++)
        t->prior[w] /= (double)MAX(seen, 1);
}

/* sums become smoothed means minus the prior. */
static void smooth(struct tally *t)
{
    for (size_t k = 0; k < t->n; k++) {
        for (size_t w = 0; w < t->width; w++) {
            double *cell = &t->sums[k * t->width + w];
            double n = (double)t->rows[k];
            *cell = (*cell - n * t->prior[w]) / (n + SMOOTHING);
        }
    }
}

static double dot(const double *a, const double *b, size_t n)
{
    double sum = 0;
    for (size_t i = 0; i < n; i++)
        sum += a[i] * b[i];
    return sum;
}

static bool normalize(double *v, size_t n)
{
    double length = sqrt(dot(v, v, n));
    for (size_t i = 0; length > 0 && i < n; i++)
        v[i] /= length;
    return length > 0;
}

/* The direction in which the categories differ most, weighted by their rows: power iteration on
 * sum n_k d_k d_k'. Starts from the difference of the largest category and has a fixed sign. */
static void principal(const struct tally *t, double *axis)
{
    CLEANUP(freep) double *next = xcalloc(t->width, sizeof(*next));
    double best = -1;
    for (size_t k = 0; k < t->n; k++) {
        const double *d = t->sums + k * t->width;
        double weight = (double)t->rows[k] * dot(d, d, t->width);
        if (weight > best) {
            best = weight;
            memcpy(axis, d, t->width * sizeof(*axis));
        }
    }
    for (unsigned round = 0; round < POWER_ROUNDS && normalize(axis, t->width); round++) {
        memset(next, 0, t->width * sizeof(*next));
        for (size_t k = 0; k < t->n; k++) {
            const double *d = t->sums + k * t->width;
            double along = (double)t->rows[k] * dot(d, axis, t->width);
            for (size_t w = 0; w < t->width; w++)
                next[w] += along * d[w];
        }
        memcpy(axis, next, t->width * sizeof(*axis));
    }
    size_t largest = 0;
    for (size_t w = 1; w < t->width; w++)
        largest = fabs(axis[w]) > fabs(axis[largest]) * (1 + 1e-9) ? w : largest;
    for (size_t w = 0; axis[largest] < 0 && w < t->width; w++)
        axis[w] = -axis[w];
}

struct ranked {
    double score;
    size_t rows;
    str text;
};

static int by_score(const void *a, const void *b)
{
    const struct ranked *x = a, *y = b;
    if (x->score != y->score)
        return x->score < y->score ? -1 : 1;
    return str_cmp(x->text, y->text);
}

static void rank(const struct column *c, const struct tally *t, enum task task, struct arena *a,
                 struct feature *f)
{
    CLEANUP(freep) struct ranked *order = xcalloc(MAX(t->n, 1), sizeof(*order));
    CLEANUP(freep) double *axis = xcalloc(t->width, sizeof(*axis));
    if (task == TASK_MULTICLASS)
        principal(t, axis);
    else
        axis[t->width - 1] = 1; /* the positive class, or the value itself */
    for (size_t k = 0; k < t->n; k++) {
        if (t->rows[k] == 0)
            continue; /* seen in validation rows alone: as good as unseen */
        order[f->n++] =
            (struct ranked){dot(t->sums + k * t->width, axis, t->width), t->rows[k], c->texts.p[k]};
    }
    qsort(order, f->n, sizeof(*order), by_score);
    f->categories = arena_alloc(a, MAX(f->n, 1) * sizeof(*f->categories));
    f->counts = arena_alloc(a, MAX(f->n, 1) * sizeof(*f->counts));
    for (size_t i = 0; i < f->n; i++) {
        f->categories[i] = arena_str(a, order[i].text);
        f->counts[i] = order[i].rows;
    }
}

static void fit_feature(const struct column *c, const bool *train, size_t rows,
                        const struct answers *answers, struct arena *a, struct feature *f)
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
    if (c->kind != COLUMN_CATEGORY)
        return;
    struct tally t = {0};
    tally_column(c, train, rows, answers, &t);
    smooth(&t);
    rank(c, &t, answers->task, a, f);
    tally_free(&t);
}

int features_fit(const struct table *t, size_t target, const bool *train,
                 const struct answers *answers, struct arena *a, struct features *ret,
                 struct err *err)
{
    size_t n = t->columns.n;
    if (n < 2)
        return err_set(err, E_INVALID, "there is no column to learn from beside the target");
    struct features f = {.p = arena_alloc(a, n * sizeof(*f.p))};
    for (size_t i = 0; i < n; i++) {
        if (i != target)
            fit_feature(&t->columns.p[i], train, table_rows(t), answers, a, &f.p[f.n++]);
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

static int by_count(const void *a, const void *b)
{
    const struct ranked *x = a, *y = b;
    if (x->rows != y->rows)
        return x->rows > y->rows ? -1 : 1;
    return str_cmp(x->text, y->text);
}

static int by_text(const void *a, const void *b)
{
    return str_cmp(((const struct ranked *)a)->text, ((const struct ranked *)b)->text);
}

/* The most frequent categories, in the order people look for them, and the first as example. */
static void describe_categories(const struct feature *f, json_t *input)
{
    CLEANUP(freep) struct ranked *order = xcalloc(MAX(f->n, 1), sizeof(*order));
    for (size_t i = 0; i < f->n; i++)
        order[i] = (struct ranked){.rows = f->counts[i], .text = f->categories[i]};
    qsort(order, f->n, sizeof(*order), by_count);
    json_object_set_new(input, "example", f->n ? json_strn(order[0].text) : json_string(""));
    size_t n = MIN(f->n, (size_t)FORM_VALUES);
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
