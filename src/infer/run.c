/* SPDX-License-Identifier: Apache-2.0
 *
 * One run of a session, with shapes of the caller's choosing. Any thread.
 *
 * The checks before the run exist for their messages: ONNX Runtime would refuse the same tensors,
 * but names dimensions by number and types by enum.
 */
#include "infer/infer_int.h"

struct outputs {
    struct session *s;
    struct texts *texts;
    struct ort_value **values;
    size_t n;
};

int tensor_check(const struct tensor_info *info, const struct tensor *t, struct err *err)
{
    if (t->type != info->type)
        return err_set(err, E_INVALID, "input '%s' is %s, the model wants %s", info->name,
                       datatype_name(t->type), datatype_name(info->type));
    if (t->rank != info->rank)
        return err_set(err, E_INVALID, "input '%s' has %u dimensions, the model wants %u",
                       info->name, t->rank, info->rank);
    for (unsigned i = 0; i < t->rank; i++)
        if (info->shape[i] >= 0 && t->shape[i] != info->shape[i])
            return err_set(err, E_INVALID,
                           "input '%s' has length %lld in dimension %u, the model wants %lld",
                           info->name, (long long)t->shape[i], i + 1, (long long)info->shape[i]);
    return 0;
}

static void release_values(const struct session *s, struct ort_value **values, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (values[i])
            s->ort->api.release_value(values[i]);
    free(values);
}

void outputs_free(struct outputs *o)
{
    if (!o)
        return;
    release_values(o->s, o->values, o->n);
    for (size_t i = 0; i < o->n; i++)
        texts_free(&o->texts[i]);
    free(o->texts);
    session_unref(o->s);
    free(o);
}

static int make_inputs(const struct session *s, const struct tensor *inputs,
                       struct ort_value **values, struct err *err)
{
    for (size_t i = 0; i < s->input_n; i++) {
        int rc = tensor_check(&s->inputs[i], &inputs[i], err);
        if (!rc)
            rc = value_wrap(s, &inputs[i], &values[i], err);
        if (rc)
            return rc;
    }
    return 0;
}

static int run(struct session *s, const struct tensor *inputs, const unsigned *wanted,
               struct outputs *out, struct err *err)
{
    struct ort_value **values = xcalloc(s->input_n, sizeof(struct ort_value *));
    const char **names = xcalloc(out->n + 1, sizeof(*names));
    for (size_t i = 0; i < out->n; i++)
        names[i] = s->output_names[wanted[i]];
    int rc = make_inputs(s, inputs, values, err);
    if (!rc)
        rc = ort_check(s->ort,
                       s->ort->api.run(s->handle, NULL, s->input_names,
                                       (const struct ort_value *const *)values, s->input_n, names,
                                       out->n, out->values),
                       err);
    release_values(s, values, s->input_n);
    free(names);
    return rc;
}

int session_run(struct session *s, const struct tensor *inputs, const unsigned *wanted,
                size_t n_wanted, struct outputs **ret, struct tensor *ret_tensors, struct err *err)
{
    struct outputs *out = xcalloc(1, sizeof(*out));
    struct tensor *tensors = xcalloc(n_wanted + 1, sizeof(*tensors));
    out->s = session_ref(s);
    out->n = n_wanted;
    out->values = xcalloc(n_wanted + 1, sizeof(struct ort_value *));
    out->texts = xcalloc(n_wanted + 1, sizeof(*out->texts));
    int rc = run(s, inputs, wanted, out, err);
    for (size_t i = 0; !rc && i < n_wanted; i++)
        rc =
            value_read(s, out->values[i], &s->outputs[wanted[i]], &out->texts[i], &tensors[i], err);
    if (rc) {
        outputs_free(out);
    } else {
        for (size_t i = 0; i < n_wanted; i++)
            ret_tensors[i] = tensors[i];
        *ret = out;
    }
    free(tensors);
    return rc;
}
