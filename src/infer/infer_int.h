/* SPDX-License-Identifier: Apache-2.0
 *
 * What the files of this room share. Never included elsewhere.
 */
#ifndef TENON_INFER_INFER_INT_H
#define TENON_INFER_INFER_INT_H

#include "infer/infer.h"
#include "infer/ort_abi.h"

#include <stdatomic.h>

struct ort {
    struct ort_api api;
    struct ort_env *env;
    struct ort_memory *memory;       /* where our own buffers live: plain CPU memory */
    struct ort_allocator *allocator; /* ONNX Runtime's; not owned */
    char *path, *version;
};

struct session {
    struct ort *ort;
    struct ort_session *handle;
    atomic_uint refs;
    struct tensor_info *inputs, *outputs;
    const char **input_names, **output_names; /* as ORT's run wants them */
    size_t input_n, output_n;
    bool by_rows;     /* every shape is decided by one number of rows */
    bool rows_proven; /* and runs have shown that the outputs follow it */
};

/* Takes the status: 0 for success, else its message and our code; frees it. */
int ort_check(const struct ort *o, struct ort_status *status, struct err *err);

int element_of(enum datatype t);    /* ONNXTensorElementDataType */
enum datatype type_of(int element); /* DT_NONE for those we do not serve */

/* An input value of the tensor's shape: numbers are wrapped where they lie, strings are copied. */
int value_wrap(const struct session *s, const struct tensor *t, struct ort_value **ret,
               struct err *err);
int value_fill_strings(const struct session *s, struct ort_value *v, const struct tensor *t,
                       struct err *err);

/* The type and shape a model wants against what it is given; E_INVALID naming the input. */
int tensor_check(const struct tensor_info *info, const struct tensor *t, struct err *err);

/* Scratch memory for the texts of string outputs; grows, never shrinks. */
struct texts {
    char *bytes;
    size_t bytes_cap;
    size_t *offsets;
    str *strs;
    size_t cap; /* of offsets and strs */
};
void texts_free(struct texts *t);

/* What ORT wrote into v, as a tensor whose data lives in v or in texts. */
int value_read(const struct session *s, struct ort_value *v, const struct tensor_info *info,
               struct texts *texts, struct tensor *ret, struct err *err);

#endif
