/* SPDX-License-Identifier: Apache-2.0
 *
 * A table through an ONNX session, batch by batch: the same door the server uses, so what is
 * measured here is what will be served.
 */
#include "train/train_int.h"

#include <math.h>
#include <string.h>

enum { VERIFY_BATCH = 1024 };

struct plan {
    const struct column **columns; /* per input */
    struct tensor *inputs;
    size_t n;
    unsigned output;
};

static int find_output(struct session *s, unsigned *ret, struct err *err)
{
    const struct tensor_info *outputs;
    size_t n = session_outputs(s, &outputs);
    for (size_t i = 0; i < n; i++) {
        if (strcmp(outputs[i].name, "probability") == 0 ||
            strcmp(outputs[i].name, "prediction") == 0) {
            *ret = (unsigned)i;
            return 0;
        }
    }
    return err_set(err, E_INVALID, "the model has no output 'probability' or 'prediction'");
}

static int check_kind(const struct column *c, const struct tensor_info *input, struct err *err)
{
    enum datatype need = c->kind == COLUMN_CATEGORY ? DT_BYTES : DT_FP32;
    if (input->type == need)
        return 0;
    return err_set(err, E_INVALID, "column '%s' is %s, but the model takes %s for it", c->name,
                   datatype_name(need), datatype_name(input->type));
}

static int bind_columns(struct plan *p, const struct tensor_info *inputs, const struct table *t,
                        size_t batch, struct err *err)
{
    for (size_t i = 0; i < p->n; i++) {
        size_t at;
        int rc = table_find(t, inputs[i].name, &at, err);
        if (rc)
            return rc;
        p->columns[i] = &t->columns.p[at];
        if ((rc = check_kind(p->columns[i], &inputs[i], err)))
            return rc;
        p->inputs[i] = (struct tensor){.type = inputs[i].type, .rank = 2, .shape = {0, 1}};
        if (inputs[i].type == DT_BYTES)
            p->inputs[i].data = xcalloc(batch, sizeof(str));
    }
    return 0;
}

static void fill(struct plan *p, size_t first, size_t rows)
{
    for (size_t i = 0; i < p->n; i++) {
        const struct column *c = p->columns[i];
        struct tensor *t = &p->inputs[i];
        t->shape[0] = (int64_t)rows;
        t->count = rows;
        if (t->type != DT_BYTES) {
            t->data = c->number + first;
            continue;
        }
        str *texts = t->data;
        for (size_t r = 0; r < rows; r++) {
            uint32_t code = c->code[first + r];
            texts[r] = code ? c->texts.p[code - 1] : S("");
        }
    }
}

static int run_batch(struct session *s, struct plan *p, size_t first, size_t rows, size_t total,
                     float **values, size_t *width, struct err *err)
{
    struct outputs *out;
    struct tensor result;
    fill(p, first, rows);
    int rc = session_run(s, p->inputs, &p->output, 1, &out, &result, err);
    if (rc)
        return rc;
    size_t per_row = result.count / rows;
    if (!*values) {
        *width = per_row;
        *values = malloc(total * MAX(per_row, 1) * sizeof(float));
    }
    if (!*values)
        rc = err_set(err, E_TOOBIG, "%zu predictions do not fit into memory", total);
    else if (result.type != DT_FP32 || per_row != *width || result.count != rows * per_row)
        rc = err_set(err, E_INVALID, "the model's output has an unexpected shape");
    else
        memcpy(*values + first * per_row, result.data, result.count * sizeof(float));
    outputs_free(out);
    return rc;
}

static void plan_free(struct plan *p)
{
    for (size_t i = 0; p->inputs && i < p->n; i++) {
        if (p->inputs[i].type == DT_BYTES)
            free(p->inputs[i].data);
    }
    free(p->inputs);
    free(p->columns);
}

int score_table(struct session *s, const struct table *t, size_t rows, size_t batch, float **ret,
                size_t *ret_width, struct err *err)
{
    const struct tensor_info *inputs;
    size_t width = 0;
    float *values = NULL;
    struct plan p = {.n = session_inputs(s, &inputs)};
    p.columns = xcalloc(MAX(p.n, 1), sizeof(struct column *));
    p.inputs = xcalloc(MAX(p.n, 1), sizeof(*p.inputs));
    int rc = find_output(s, &p.output, err);
    if (!rc)
        rc = bind_columns(&p, inputs, t, batch, err);
    for (size_t first = 0; !rc && first < rows; first += batch)
        rc = run_batch(s, &p, first, MIN(batch, rows - first), rows, &values, &width, err);
    plan_free(&p);
    if (rc) {
        free(values);
        return rc;
    }
    *ret = values;
    *ret_width = width;
    return 0;
}

int trained_verify(const struct trained *t, struct ort *ort, const struct table *table, size_t rows,
                   double *ret, struct err *err)
{
    str file = trained_onnx(t);
    struct session *s;
    size_t width = 0;
    double worst = 0, scale = 1;
    CLEANUP(freep) float *ours = NULL;
    int rc = session_open(ort, file.p, file.n, 0, &s, err);
    if (rc)
        return err_wrap(err, "the exported model");
    rc = score_table(s, table, rows, VERIFY_BATCH, &ours, &width, err);
    session_unref(s);
    if (rc)
        return rc;
    size_t skip = width == 2 ? 1 : 0; /* of two classes, XGBoost gives the positive one alone */
    CLEANUP(freep) float *theirs = xcalloc(MAX(rows, 1) * width, sizeof(*theirs));
    if ((rc = trained_predict(t, table, rows, theirs, err)))
        return rc;
    for (size_t i = 0; i < rows * (width - skip); i++) {
        double a = (double)(skip ? ours[2 * i + 1] : ours[i]), b = (double)theirs[i];
        worst = fmax(worst, fabs(a - b));
        scale = fmax(scale, fabs(b));
    }
    *ret = worst / scale;
    return 0;
}
