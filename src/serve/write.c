/* SPDX-License-Identifier: Apache-2.0
 *
 * The answer to one request, cut out of its batch's outputs. Pure.
 *
 * infer:        {"model_name","model_version","id","outputs":[{"name","datatype","shape","data"}]}
 * invocations:  {"predictions":[{"late":"false","probability":{"false":0.81,"true":0.19}}]}: per
 * row a member for each output; the label bears the target's name, and an output with one number
 * per class is an object by class.
 *
 * JSON has no NaN and no infinity; an answer has null in their place.
 */
#include "serve/contract.h"

#include <string.h>

static void put_element(struct buf *b, const struct tensor *t, size_t i)
{
    switch (t->type) {
    case DT_BOOL:
        buf_puts(b, ((bool *)t->data)[i] ? "true" : "false");
        break;
    case DT_UINT8:
        put_u64(b, ((uint8_t *)t->data)[i]);
        break;
    case DT_UINT16:
        put_u64(b, ((uint16_t *)t->data)[i]);
        break;
    case DT_UINT32:
        put_u64(b, ((uint32_t *)t->data)[i]);
        break;
    case DT_UINT64:
        put_u64(b, ((uint64_t *)t->data)[i]);
        break;
    case DT_INT8:
        put_i64(b, ((int8_t *)t->data)[i]);
        break;
    case DT_INT16:
        put_i64(b, ((int16_t *)t->data)[i]);
        break;
    case DT_INT32:
        put_i64(b, ((int32_t *)t->data)[i]);
        break;
    case DT_INT64:
        put_i64(b, ((int64_t *)t->data)[i]);
        break;
    case DT_FP32:
        put_f32(b, ((float *)t->data)[i]);
        break;
    case DT_FP64:
        put_f64(b, ((double *)t->data)[i]);
        break;
    case DT_BYTES:
        json_quote(b, ((str *)t->data)[i]);
        break;
    default:
        buf_puts(b, "null");
    }
}

static void put_elements(struct buf *b, const struct tensor *t, size_t from, size_t n)
{
    for (size_t i = from; i < from + n; i++) {
        if (i > from)
            buf_char(b, ',');
        put_element(b, t, i);
    }
}

/* Elements of a row of an output; its first dimension counts rows. */
static size_t row_size(const struct tensor *t)
{
    size_t n = 1;
    for (unsigned d = 1; d < t->rank; d++)
        n *= (size_t)t->shape[d];
    return n;
}

static int put_output(const struct contract *c, const struct ask *ask, const struct tensor *t,
                      str name, struct buf *b, struct err *err)
{
    if (t->type == DT_FP16)
        return err_hint(err_set(err, E_UNSUPPORTED,
                                "the output '%.*s' is FP16, which has no JSON "
                                "form",
                                STR(name)),
                        err, "export the model with FP32 outputs, or ask for other outputs");
    buf_puts(b, "{\"name\":");
    json_quote(b, name);
    buf_puts(b, ",\"datatype\":\"");
    buf_puts(b, datatype_name(t->type));
    buf_puts(b, "\",\"shape\":[");
    for (unsigned d = 0; d < t->rank; d++) {
        if (d)
            buf_char(b, ',');
        put_i64(b, d == 0 && c->by_rows ? ask->rows : t->shape[d]);
    }
    buf_puts(b, "],\"data\":[");
    size_t width = row_size(t);
    if (c->by_rows)
        put_elements(b, t, (size_t)ask->first * width, (size_t)ask->rows * width);
    else
        put_elements(b, t, 0, t->count);
    buf_puts(b, "]}");
    return 0;
}

static int write_tensors(const struct contract *c, const struct ask *ask,
                         const struct tensor *outputs, struct buf *b, struct err *err)
{
    buf_put(b, c->head, c->head_n);
    if (ask->id.p) {
        buf_puts(b, ",\"id\":");
        json_quote(b, ask->id);
    }
    buf_puts(b, ",\"outputs\":[");
    size_t n = ask->wanted ? ask->wanted_n : c->output_n;
    int rc = 0;
    for (size_t i = 0; !rc && i < n; i++) {
        size_t at = ask->wanted ? ask->wanted[i] : i;
        if (i)
            buf_char(b, ',');
        rc = put_output(c, ask, &outputs[at], c->outputs[at].name, b, err);
    }
    buf_puts(b, "]}");
    return rc;
}

static void put_classes(const struct contract *c, const struct tensor *t, size_t from,
                        struct buf *b)
{
    for (size_t i = 0; i < c->class_n; i++) {
        buf_char(b, i ? ',' : '{');
        buf_puts(b, c->classes[i]);
        put_element(b, t, from + i);
    }
    buf_char(b, '}');
}

static void put_prediction(const struct contract *c, const struct tensor *outputs, size_t row,
                           struct buf *b)
{
    for (size_t i = 0; i < c->output_n; i++) {
        const struct tensor *t = &outputs[i];
        size_t width = row_size(t);
        str name = c->outputs[i].name;
        buf_char(b, i ? ',' : '{');
        json_quote(b, c->target && str_is(name, "label") ? str_from(c->target) : name);
        buf_char(b, ':');
        if (width == c->class_n && width > 1) {
            put_classes(c, t, row * width, b);
        } else if (width == 1) {
            put_element(b, t, row);
        } else {
            buf_char(b, '[');
            put_elements(b, t, row * width, width);
            buf_char(b, ']');
        }
    }
    buf_char(b, '}');
}

int answer_write(const struct contract *c, const struct ask *ask, const struct tensor *outputs,
                 struct buf *out, struct err *err)
{
    int rc = 0;
    if (!ask->invocation) {
        rc = write_tensors(c, ask, outputs, out, err);
    } else {
        buf_puts(out, "{\"predictions\":[");
        for (int64_t i = 0; i < ask->rows; i++) {
            if (i)
                buf_char(out, ',');
            put_prediction(c, outputs, (size_t)(ask->first + i), out);
        }
        buf_puts(out, "]}");
    }
    if (!rc && !buf_ok(out))
        rc = err_set(err, E_TOOBIG, "the answer is larger than %zu bytes", out->max);
    return rc;
}
