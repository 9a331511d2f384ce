/* SPDX-License-Identifier: Apache-2.0
 *
 * What a model wants and answers, in the form that reading a request and writing its answer need.
 *
 * These are pure functions from bytes to columns and back, so that they can be tested and fuzzed
 * without a server. A request's values go straight into the columns of a batch, behind the rows of
 * requests that came before it; when a request is refused, the rows it began are simply overwritten
 * by the next one. Strings are slices of the body or of the arena, which live until the answer.
 *
 * A contract is immutable; batches and asks belong to one thread at a time.
 */
#ifndef TENON_SERVE_CONTRACT_H
#define TENON_SERVE_CONTRACT_H

#include "base/arena.h"
#include "base/buf.h"
#include "base/map.h"
#include "codec/json.h"
#include "infer/infer.h"

struct column {
    str name;
    enum datatype type;
    unsigned rank;
    int64_t shape[TENSOR_RANK_MAX];
    size_t width;  /* elements of one row; of row models */
    bool optional; /* null or absent is NaN, or the empty string */
    bool boolean;  /* a number column that also takes true and false */
};

struct contract {
    char *endpoint;
    int64_t version;
    bool by_rows;
    struct column *columns, *outputs;
    size_t column_n, output_n;
    const char **column_names, **output_names; /* for suggestions */
    struct map *column_index;                  /* name to index + 1 */
    char *target;                              /* what a label is called in answers, or NULL */
    char **classes;                            /* each as a JSON member: "\"UA\":" */
    size_t class_n;
    char *head; /* of an infer answer: {"model_name":…,"model_version":… */
    size_t head_n;
    json_t *signature; /* as the registry has it; what the console's form is made from */
};

/* Takes names and shapes from the session; "optional", "kind", "target" and "classes" from the
 * signature, which may be NULL. */
struct contract *contract_new(const struct session *s, const json_t *signature,
                              const char *endpoint, int64_t version);
void contract_free(struct contract *c);

/* One request as read: its rows within the batch, and what its answer must look like. */
struct ask {
    str id; /* p NULL if there was none */
    int64_t first, rows;
    uint16_t *wanted; /* indices of outputs in the order asked for, in the arena; NULL = all */
    size_t wanted_n;
    bool invocation;
};

enum { BODY_MAX = 64 << 20, SUGGEST_MAX = 64 };

/* Reads a request into the batch behind its first `rows` rows. Sets each input's shape and count to
 * the rows read, for models that are not by rows as well. */
int ask_infer(const struct contract *c, struct batch *b, int64_t rows, str body, struct arena *a,
              struct ask *ret, struct err *err);
int ask_invocation(const struct contract *c, struct batch *b, int64_t rows, str body,
                   struct arena *a, struct ask *ret, struct err *err);

/* Appends the answer to one ask, from the outputs of its batch. */
int answer_write(const struct contract *c, const struct ask *ask, const struct tensor *outputs,
                 struct buf *out, struct err *err);
void contract_metadata(const struct contract *c, struct buf *out); /* GET /v2/models/NAME */

void put_f32(struct buf *b, float v);  /* shortest text that reads back as v; null for NaN, inf */
void put_f64(struct buf *b, double v); /* the same */
void put_i64(struct buf *b, int64_t v);
void put_u64(struct buf *b, uint64_t v);

#endif
