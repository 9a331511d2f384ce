/* SPDX-License-Identifier: Apache-2.0
 *
 * Reusable input columns, and the values made over them. One thread at a time.
 *
 * A small model runs in a few microseconds, so what surrounds the run counts: making fifteen input
 * values and releasing them costs about as much as the run. For a row model (session_by_rows) the
 * shapes depend on the number of rows alone, so the values for each small number of rows are made
 * once and kept: inputs over our columns, string inputs with their strings' memory, and outputs
 * that ONNX Runtime writes into directly. The kept values point into the columns, so growing a
 * column drops them.
 */
#include "infer/infer_int.h"

#include <string.h>

enum { KEPT_ROWS = 64 }; /* about 300 bytes a value */

struct kept {
    struct ort_value **inputs;  /* NULL = not made yet */
    struct ort_value **outputs; /* entries NULL where ONNX Runtime must allocate */
};

struct batch {
    struct session *s;
    struct tensor *inputs;
    size_t *caps; /* elements each column has room for */
    struct tensor *outputs;
    struct texts *texts;
    struct ort_value **loose; /* outputs of the last run that no kept set owns */
    struct kept kept[KEPT_ROWS + 1];
};

struct batch *batch_new(struct session *s)
{
    struct batch *b = xcalloc(1, sizeof(*b));
    b->s = session_ref(s);
    b->inputs = xcalloc(s->input_n, sizeof(*b->inputs));
    b->caps = xcalloc(s->input_n, sizeof(*b->caps));
    b->outputs = xcalloc(s->output_n, sizeof(*b->outputs));
    b->texts = xcalloc(s->output_n, sizeof(*b->texts));
    b->loose = xcalloc(s->output_n, sizeof(struct ort_value *));
    for (size_t i = 0; i < s->input_n; i++) {
        b->inputs[i].type = s->inputs[i].type;
        b->inputs[i].rank = s->inputs[i].rank;
        memcpy(b->inputs[i].shape, s->inputs[i].shape, sizeof(s->inputs[i].shape));
    }
    return b;
}

static void release(struct batch *b, struct ort_value **values, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (values[i])
            b->s->ort->api.release_value(values[i]);
        values[i] = NULL;
    }
}

static void drop_kept(struct batch *b, struct kept *k)
{
    if (k->inputs)
        release(b, k->inputs, b->s->input_n);
    if (k->outputs)
        release(b, k->outputs, b->s->output_n);
    free(k->inputs);
    free(k->outputs);
    *k = (struct kept){0};
}

void batch_free(struct batch *b)
{
    if (!b)
        return;
    for (size_t i = 0; i <= KEPT_ROWS; i++)
        drop_kept(b, &b->kept[i]);
    release(b, b->loose, b->s->output_n);
    free(b->loose);
    for (size_t i = 0; i < b->s->input_n; i++)
        free(b->inputs[i].data);
    for (size_t i = 0; i < b->s->output_n; i++)
        texts_free(&b->texts[i]);
    free(b->inputs);
    free(b->caps);
    free(b->outputs);
    free(b->texts);
    session_unref(b->s);
    free(b);
}

struct tensor *batch_inputs(struct batch *b)
{
    return b->inputs;
}

int batch_room(struct batch *b, size_t input, size_t elements, struct err *err)
{
    if (elements <= b->caps[input])
        return 0;
    size_t size = datatype_size(b->inputs[input].type);
    if (elements > BATCH_BYTES_MAX / size)
        return err_set(err, E_TOOBIG, "input '%s' has more than %zu elements",
                       b->s->inputs[input].name, BATCH_BYTES_MAX / size);
    size_t cap = MIN(MAX(elements, b->caps[input] * 2), BATCH_BYTES_MAX / size);
    cap = MAX(cap, 16);
    void *p = realloc(b->inputs[input].data, cap * size);
    if (!p)
        return err_set(err, E_TOOBIG, "no memory for %zu elements of input '%s'", cap,
                       b->s->inputs[input].name);
    b->inputs[input].data = p;
    b->caps[input] = cap;
    for (size_t i = 0; i <= KEPT_ROWS; i++)
        drop_kept(b, &b->kept[i]);
    return 0;
}

/* Outputs whose shape the rows decide; the others stay NULL and are allocated by the run. */
static int make_outputs(struct batch *b, int64_t rows, struct ort_value **outputs, struct err *err)
{
    const struct session *s = b->s;
    for (size_t i = 0; i < s->output_n; i++) {
        const struct tensor_info *info = &s->outputs[i];
        int64_t shape[TENSOR_RANK_MAX] = {rows};
        bool known = s->rows_proven;
        for (unsigned d = 1; d < info->rank; d++) {
            shape[d] = info->shape[d];
            known = known && shape[d] >= 0;
        }
        if (!known)
            continue;
        int rc = ort_check(s->ort,
                           s->ort->api.create_tensor(s->ort->allocator, shape, info->rank,
                                                     element_of(info->type), &outputs[i]),
                           err);
        if (rc)
            return rc;
    }
    return 0;
}

static int make_inputs(struct batch *b, struct ort_value **inputs, struct err *err)
{
    for (size_t i = 0; i < b->s->input_n; i++) {
        int rc = value_wrap(b->s, &b->inputs[i], &inputs[i], err);
        if (rc)
            return rc;
    }
    return 0;
}

static int refill_strings(struct batch *b, struct kept *k, struct err *err)
{
    int rc = 0;
    for (size_t i = 0; !rc && i < b->s->input_n; i++)
        if (b->inputs[i].type == DT_BYTES)
            rc = value_fill_strings(b->s, k->inputs[i], &b->inputs[i], err);
    return rc;
}

static int prepare(struct batch *b, int64_t rows, struct kept *k, struct err *err)
{
    if (k->inputs)
        return refill_strings(b, k, err);
    k->inputs = xcalloc(b->s->input_n, sizeof(struct ort_value *));
    k->outputs = xcalloc(b->s->output_n, sizeof(struct ort_value *));
    int rc = make_inputs(b, k->inputs, err);
    if (!rc && b->s->by_rows)
        rc = make_outputs(b, rows, k->outputs, err);
    return rc;
}

static int run(struct batch *b, struct kept *k, struct err *err)
{
    struct session *s = b->s;
    struct ort_value *outputs[SESSION_OUTPUTS_MAX];
    memcpy(outputs, k->outputs, s->output_n * sizeof(*outputs));
    int rc = ort_check(s->ort,
                       s->ort->api.run(s->handle, NULL, s->input_names,
                                       (const struct ort_value *const *)k->inputs, s->input_n,
                                       s->output_names, s->output_n, outputs),
                       err);
    for (size_t i = 0; i < s->output_n; i++)
        if (outputs[i] != k->outputs[i])
            b->loose[i] = outputs[i];
    for (size_t i = 0; !rc && i < s->output_n; i++)
        rc = value_read(s, outputs[i], &s->outputs[i], &b->texts[i], &b->outputs[i], err);
    return rc;
}

/* Checks every column and finds the number of rows; -1 where the shapes are not by rows. */
static int check_inputs(const struct batch *b, int64_t *ret_rows, struct err *err)
{
    int64_t rows = b->s->by_rows ? b->inputs[0].shape[0] : -1;
    for (size_t i = 0; i < b->s->input_n; i++) {
        int rc = tensor_check(&b->s->inputs[i], &b->inputs[i], err);
        if (rc)
            return rc;
        if (b->s->by_rows && b->inputs[i].shape[0] != rows)
            return err_set(err, E_INVALID, "input '%s' has %lld rows, '%s' has %lld",
                           b->s->inputs[i].name, (long long)b->inputs[i].shape[0],
                           b->s->inputs[0].name, (long long)rows);
    }
    *ret_rows = rows;
    return 0;
}

/* A graph may drop rows depending on their values, which no warm-up can know. To answer then would
 * give a request the rows of another. */
static int check_outputs(const struct batch *b, int64_t rows, struct err *err)
{
    for (size_t i = 0; i < b->s->output_n; i++) {
        const struct tensor *t = &b->outputs[i];
        if (!t->rank || t->shape[0] != rows)
            return err_set(err, E_UNSUPPORTED, "the model answered %lld rows with %lld of '%s'",
                           (long long)rows, (long long)(t->rank ? t->shape[0] : 0),
                           b->s->outputs[i].name);
    }
    return 0;
}

int batch_run(struct batch *b, const struct tensor **ret_outputs, struct err *err)
{
    int64_t rows = -1;
    int rc = check_inputs(b, &rows, err);
    if (rc)
        return rc;
    release(b, b->loose, b->s->output_n);
    struct kept once = {0};
    struct kept *k = rows >= 0 && rows <= KEPT_ROWS ? &b->kept[rows] : &once;
    rc = prepare(b, rows, k, err);
    if (!rc)
        rc = run(b, k, err);
    if (!rc && b->s->rows_proven)
        rc = check_outputs(b, rows, err);
    if (rc || k == &once) {
        /* Outputs made for this run alone live until the next one, as the loose ones do. */
        for (size_t i = 0; k->outputs && i < b->s->output_n; i++) {
            if (k->outputs[i] && !rc) {
                b->loose[i] = k->outputs[i];
                k->outputs[i] = NULL;
            }
        }
        drop_kept(b, k);
    }
    if (!rc)
        *ret_outputs = b->outputs;
    return rc;
}
