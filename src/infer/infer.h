/* SPDX-License-Identifier: Apache-2.0
 *
 * ONNX Runtime behind a small door: open a model, know its tensors, run a batch.
 *
 * The library is opened with dlopen, from $TENON_ORT, the build's own folder, or the system, so one
 * binary runs with whatever ONNX Runtime the machine has. Its ABI is one append-only table of
 * functions; infer/ort_abi.h names the slots we call. A session is thread-safe and refcounted:
 * readers share it while an endpoint swaps versions.
 *
 * Threads: open and close block; infer_run may be called from any thread, loops included, for
 * models whose measured cost allows it.
 */
#ifndef TENON_INFER_INFER_H
#define TENON_INFER_INFER_H

#include "base/err.h"
#include "base/str.h"

struct ort;     /* the library */
struct session; /* one loaded model */

enum datatype {
    DT_NONE,
    DT_BOOL,
    DT_UINT8,
    DT_UINT16,
    DT_UINT32,
    DT_UINT64,
    DT_INT8,
    DT_INT16,
    DT_INT32,
    DT_INT64,
    DT_FP16,
    DT_FP32,
    DT_FP64,
    DT_BYTES
};

enum { TENSOR_RANK_MAX = 8, SESSION_OUTPUTS_MAX = 256 };

struct tensor_info {
    const char *name;
    enum datatype type;
    unsigned rank;
    int64_t shape[TENSOR_RANK_MAX]; /* -1 = free */
};

struct tensor {
    enum datatype type;
    unsigned rank;
    int64_t shape[TENSOR_RANK_MAX];
    void *data;   /* row-major elements; for DT_BYTES an array of str */
    size_t count; /* elements */
};

const char *datatype_name(enum datatype t); /* "FP32": Open Inference Protocol */
enum datatype datatype_from(str name);      /* DT_NONE if unknown */
size_t datatype_size(enum datatype t);      /* bytes of one element; sizeof(str) for BYTES */

int ort_open(struct ort **ret, struct err *err); /* E_UNAVAILABLE, naming where it looked */
void ort_close(struct ort *o);
const char *ort_version(const struct ort *o);
const char *ort_path(const struct ort *o);

/* threads: intra-op; 1 for models run inline on loops. The bytes may be freed afterwards. */
int session_open(struct ort *o, const void *onnx, size_t n, unsigned threads, struct session **ret,
                 struct err *err);
struct session *session_ref(struct session *s);
void session_unref(struct session *s);
size_t session_inputs(const struct session *s, const struct tensor_info **ret);
size_t session_outputs(const struct session *s, const struct tensor_info **ret);
/* A row model: each tensor's first dimension is the same free number of rows and nothing else of
 * its inputs is free, so rows of several requests may share a run. That is what the model declares;
 * who has run it with different numbers of rows says whether it was true, before sharing the
 * session between threads. */
bool session_by_rows(const struct session *s);
void session_prove_rows(struct session *s, bool proven);

/* Inputs and wanted outputs by index. Output data belongs to the returned handle until
 * outputs_free; strings of BYTES outputs point into it as well. */
struct outputs;
int session_run(struct session *s, const struct tensor *inputs, const unsigned *wanted,
                size_t n_wanted, struct outputs **ret, struct tensor *ret_tensors, struct err *err);
void outputs_free(struct outputs *o);

/* The fast way for many runs of one session: columns that keep their memory, and ONNX Runtime's
 * values over them that are made once for each small number of rows. One thread at a time. The
 * caller makes room, writes data, sets shape and count of every input, and runs; a column may move
 * when it gets more room, but keeps its elements. Output tensors are valid until the next run. */
enum { BATCH_BYTES_MAX = 1 << 30 }; /* of one column */
struct batch;
struct batch *batch_new(struct session *s);
void batch_free(struct batch *b); /* NULL is fine */
struct tensor *batch_inputs(struct batch *b);
int batch_room(struct batch *b, size_t input, size_t elements, struct err *err); /* E_TOOBIG */
int batch_run(struct batch *b, const struct tensor **ret_outputs, struct err *err);

#endif
