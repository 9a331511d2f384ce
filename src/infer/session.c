/* SPDX-License-Identifier: Apache-2.0
 *
 * One loaded model: options, and the names and shapes of its tensors, copied at opening so that no
 * request ever asks ONNX Runtime what the model looks like.
 *
 * Options: sequential execution and no spinning (loops and other models need the cores more than
 * one run needs a hot thread pool); no CPU arena and no memory pattern, because both keep memory
 * for every batch size ever seen, while malloc serves a small graph's temporaries just as fast.
 */
#include "infer/infer_int.h"

#include <stdio.h>
#include <string.h>

static int check(const struct session *s, struct ort_status *status, struct err *err)
{
    return ort_check(s->ort, status, err);
}

static int make_options(const struct ort *o, unsigned threads, struct ort_options **ret,
                        struct err *err)
{
    const struct ort_api *api = &o->api;
    struct ort_options *opt;
    int rc = ort_check(o, api->create_options(&opt), err);
    if (rc)
        return rc;
    rc = ort_check(o, api->set_execution_mode(opt, ORT_SEQUENTIAL), err);
    if (!rc)
        rc = ort_check(o, api->set_intra_threads(opt, (int)(threads ? threads : 1)), err);
    if (!rc)
        rc = ort_check(o, api->set_inter_threads(opt, 1), err);
    if (!rc)
        rc = ort_check(o, api->set_log_severity(opt, ORT_LOG_FATAL), err);
    if (!rc)
        rc = ort_check(o, api->set_optimization(opt, ORT_OPTIMIZE_ALL), err);
    if (!rc)
        rc = ort_check(o, api->disable_mem_pattern(opt), err);
    if (!rc)
        rc = ort_check(o, api->disable_cpu_arena(opt), err);
    if (!rc)
        rc = ort_check(o, api->add_config(opt, "session.intra_op.allow_spinning", "0"), err);
    if (!rc)
        rc = ort_check(o, api->add_config(opt, "session.inter_op.allow_spinning", "0"), err);
    if (rc)
        api->release_options(opt);
    else
        *ret = opt;
    return rc;
}

static int refuse_kind(int kind, const char *name, struct err *err)
{
    const char *what = kind == ORT_TYPE_SEQUENCE   ? "a sequence"
                       : kind == ORT_TYPE_MAP      ? "a map"
                       : kind == ORT_TYPE_OPTIONAL ? "an optional"
                                                   : "no dense tensor";
    return err_hint(err_set(err, E_UNSUPPORTED, "the model's '%s' is %s, not a tensor", name, what),
                    err, "scikit-learn models: convert with zipmap=False");
}

/* The shape, and in symbol the name of a free first dimension ("" if it has none). */
static int read_shape(const struct session *s, const struct ort_shape *shape,
                      struct tensor_info *info, char symbol[64], struct err *err)
{
    const struct ort_api *api = &s->ort->api;
    size_t rank;
    int element, rc = check(s, api->shape_element(shape, &element), err);
    if (!rc)
        rc = check(s, api->shape_rank(shape, &rank), err);
    if (rc)
        return rc;
    info->type = type_of(element);
    if (info->type == DT_NONE)
        return err_set(err, E_UNSUPPORTED,
                       "the model's '%s' has an element type that cannot be served (ONNX type %d)",
                       info->name, element);
    if (rank > TENSOR_RANK_MAX)
        return err_set(err, E_UNSUPPORTED, "the model's '%s' has %zu dimensions; at most %d",
                       info->name, rank, TENSOR_RANK_MAX);
    info->rank = (unsigned)rank;
    symbol[0] = 0;
    if (!rank)
        return 0;
    const char *symbols[TENSOR_RANK_MAX];
    rc = check(s, api->shape_dims(shape, info->shape, rank), err);
    if (!rc)
        rc = check(s, api->shape_symbols(shape, symbols, rank), err);
    if (!rc)
        snprintf(symbol, 64, "%s", symbols[0]);
    for (size_t i = 0; !rc && i < rank; i++)
        if (info->shape[i] < 0)
            info->shape[i] = -1;
    return rc;
}

static int read_info(const struct session *s, struct ort_type *type, struct tensor_info *info,
                     char symbol[64], struct err *err)
{
    const struct ort_api *api = &s->ort->api;
    const struct ort_shape *shape; /* belongs to type */
    int kind, rc = check(s, api->type_kind(type, &kind), err);
    if (!rc && kind != ORT_TYPE_TENSOR)
        rc = refuse_kind(kind, info->name, err);
    if (!rc)
        rc = check(s, api->as_tensor(type, &shape), err);
    if (!rc)
        rc = read_shape(s, shape, info, symbol, err);
    return rc;
}

static int copy_name(struct session *s, bool output, size_t i, const char **ret, struct err *err)
{
    const struct ort_api *api = &s->ort->api;
    char *name;
    int rc = check(
        s, (output ? api->output_name : api->input_name)(s->handle, i, s->ort->allocator, &name),
        err);
    if (rc)
        return rc;
    *ret = xstrdup(name);
    return check(s, api->allocator_free(s->ort->allocator, name), err);
}

/* Row models only: every tensor starts with the same free dimension, inputs have no other one. */
static void judge_rows(struct session *s, const struct tensor_info *info, bool output,
                       const char *symbol, char rows[64])
{
    if (info->rank == 0 || info->shape[0] != -1)
        s->by_rows = false;
    for (unsigned d = 1; !output && d < info->rank; d++)
        if (info->shape[d] < 0)
            s->by_rows = false;
    /* Exporters often name an output's dimension otherwise, or not at all; two differently named
     * inputs however are two lengths. */
    if (!output && rows[0] && strcmp(rows, symbol) != 0)
        s->by_rows = false;
    if (!output && !rows[0])
        snprintf(rows, 64, "%s", symbol);
}

static int read_tensors(struct session *s, bool output, char rows[64], struct err *err)
{
    const struct ort_api *api = &s->ort->api;
    size_t n;
    int rc = check(s, (output ? api->output_count : api->input_count)(s->handle, &n), err);
    if (rc)
        return rc;
    struct tensor_info *infos = xcalloc(n + 1, sizeof(*infos));
    const char **names = xcalloc(n + 1, sizeof(*names));
    *(output ? &s->outputs : &s->inputs) = infos;
    *(output ? &s->output_names : &s->input_names) = names;
    *(output ? &s->output_n : &s->input_n) = n;
    for (size_t i = 0; !rc && i < n; i++) {
        struct ort_type *type = NULL;
        char symbol[64] = "";
        rc = copy_name(s, output, i, &names[i], err);
        if (rc)
            return rc;
        infos[i].name = names[i];
        rc = check(s, (output ? api->output_type : api->input_type)(s->handle, i, &type), err);
        if (!rc)
            rc = read_info(s, type, &infos[i], symbol, err);
        if (type)
            api->release_type(type);
        if (!rc)
            judge_rows(s, &infos[i], output, symbol, rows);
    }
    return rc;
}

int session_open(struct ort *o, const void *onnx, size_t n, unsigned threads, struct session **ret,
                 struct err *err)
{
    struct ort_options *options;
    int rc = make_options(o, threads, &options, err);
    if (rc)
        return rc;
    struct session *s = xcalloc(1, sizeof(*s));
    s->ort = o;
    s->by_rows = true;
    atomic_init(&s->refs, 1);
    rc = check(s, o->api.create_session(o->env, onnx, n, options, &s->handle), err);
    o->api.release_options(options);
    if (rc)
        rc = err_hint(err_set(err, E_INVALID, "this is not a model that can be served: %s",
                              err ? err->msg : ""),
                      err, "expected an ONNX file for ONNX Runtime %s or older", o->version);
    char rows[64] = "";
    if (!rc)
        rc = read_tensors(s, false, rows, err);
    if (!rc)
        rc = read_tensors(s, true, rows, err);
    if (!rc && (!s->input_n || !s->output_n))
        rc = err_set(err, E_INVALID, "the model has no %s", s->input_n ? "outputs" : "inputs");
    if (!rc && s->output_n > SESSION_OUTPUTS_MAX)
        rc = err_set(err, E_UNSUPPORTED, "the model has %zu outputs; at most %d", s->output_n,
                     SESSION_OUTPUTS_MAX);
    if (rc) {
        session_unref(s);
        return rc;
    }
    *ret = s;
    return 0;
}

struct session *session_ref(struct session *s)
{
    atomic_fetch_add_explicit(&s->refs, 1, memory_order_relaxed);
    return s;
}

static void free_names(const char **names, size_t n)
{
    for (size_t i = 0; i < n; i++)
        free((void *)names[i]);
    free(names);
}

void session_unref(struct session *s)
{
    if (!s || atomic_fetch_sub_explicit(&s->refs, 1, memory_order_acq_rel) != 1)
        return;
    if (s->handle)
        s->ort->api.release_session(s->handle);
    free_names(s->input_names, s->input_n);
    free_names(s->output_names, s->output_n);
    free(s->inputs);
    free(s->outputs);
    free(s);
}

size_t session_inputs(const struct session *s, const struct tensor_info **ret)
{
    *ret = s->inputs;
    return s->input_n;
}

size_t session_outputs(const struct session *s, const struct tensor_info **ret)
{
    *ret = s->outputs;
    return s->output_n;
}

bool session_by_rows(const struct session *s)
{
    return s->by_rows;
}

void session_prove_rows(struct session *s, bool proven)
{
    s->by_rows = s->by_rows && proven;
    s->rows_proven = s->by_rows;
}
