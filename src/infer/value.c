/* SPDX-License-Identifier: Apache-2.0
 *
 * Tensors in and out of ONNX Runtime's values. Any thread; a value belongs to one at a time.
 */
#include "infer/infer_int.h"

#include <string.h>

/* ONNX Runtime wants a pointer even where there are no elements to point to. */
static char nothing[16];

int value_fill_strings(const struct session *s, struct ort_value *v, const struct tensor *t,
                       struct err *err)
{
    /* Written in place: one std::string each that keeps its memory when the value is used again. */
    const str *text = t->data;
    for (size_t i = 0; i < t->count; i++) {
        char *p;
        struct ort_status *status = s->ort->api.resize_string(v, i, text[i].n, &p);
        if (status)
            return ort_check(s->ort, status, err);
        if (text[i].n)
            memcpy(p, text[i].p, text[i].n);
    }
    return 0;
}

int value_wrap(const struct session *s, const struct tensor *t, struct ort_value **ret,
               struct err *err)
{
    const struct ort_api *api = &s->ort->api;
    int element = element_of(t->type);
    struct ort_value *v;
    if (t->type != DT_BYTES) {
        size_t bytes = t->count * datatype_size(t->type);
        return ort_check(s->ort,
                         api->wrap_tensor(s->ort->memory, t->count ? t->data : nothing, bytes,
                                          t->shape, t->rank, element, ret),
                         err);
    }
    int rc = ort_check(s->ort,
                       api->create_tensor(s->ort->allocator, t->shape, t->rank, element, &v), err);
    if (rc)
        return rc;
    rc = value_fill_strings(s, v, t, err);
    if (rc)
        api->release_value(v);
    else
        *ret = v;
    return rc;
}

void texts_free(struct texts *t)
{
    free(t->bytes);
    free(t->offsets);
    free(t->strs);
    *t = (struct texts){0};
}

static int read_strings(const struct session *s, struct ort_value *v, struct texts *texts,
                        struct tensor *t, struct err *err)
{
    size_t bytes;
    int rc = ort_check(s->ort, s->ort->api.strings_length(v, &bytes), err);
    if (rc)
        return rc;
    if (bytes > texts->bytes_cap || !texts->bytes) {
        texts->bytes_cap = bytes + bytes / 2 + 64;
        texts->bytes = xrealloc(texts->bytes, texts->bytes_cap);
    }
    if (t->count > texts->cap || !texts->strs) {
        texts->cap = t->count + t->count / 2 + 8;
        texts->offsets = xrealloc(texts->offsets, texts->cap * sizeof(*texts->offsets));
        texts->strs = xrealloc(texts->strs, texts->cap * sizeof(*texts->strs));
    }
    t->data = texts->strs;
    if (!t->count)
        return 0;
    rc = ort_check(
        s->ort, s->ort->api.strings_content(v, texts->bytes, bytes, texts->offsets, t->count), err);
    for (size_t i = 0; !rc && i < t->count; i++) {
        size_t end = i + 1 < t->count ? texts->offsets[i + 1] : bytes;
        texts->strs[i] = str_n(texts->bytes + texts->offsets[i], end - texts->offsets[i]);
    }
    return rc;
}

static int read_shape(const struct session *s, struct ort_value *v, const struct tensor_info *info,
                      struct tensor *t, struct err *err)
{
    const struct ort_api *api = &s->ort->api;
    struct ort_shape *shape;
    size_t rank = 0;
    int rc = ort_check(s->ort, api->tensor_shape(v, &shape), err);
    if (rc)
        return rc;
    rc = ort_check(s->ort, api->shape_rank(shape, &rank), err);
    if (!rc && rank > TENSOR_RANK_MAX)
        rc = err_set(err, E_UNSUPPORTED, "the output '%s' has %zu dimensions; at most %d",
                     info->name, rank, TENSOR_RANK_MAX);
    if (!rc)
        rc = ort_check(s->ort, api->shape_dims(shape, t->shape, rank), err);
    api->release_shape(shape);
    t->rank = (unsigned)rank;
    t->count = 1;
    for (unsigned i = 0; !rc && i < rank; i++)
        t->count *= (size_t)t->shape[i];
    return rc;
}

int value_read(const struct session *s, struct ort_value *v, const struct tensor_info *info,
               struct texts *texts, struct tensor *ret, struct err *err)
{
    struct tensor t = {.type = info->type};
    int rc = read_shape(s, v, info, &t, err);
    if (!rc && t.type == DT_BYTES)
        rc = read_strings(s, v, texts, &t, err);
    else if (!rc)
        rc = ort_check(s->ort, s->ort->api.tensor_data(v, &t.data), err);
    if (!rc)
        *ret = t;
    return rc;
}
