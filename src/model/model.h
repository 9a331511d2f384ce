/* SPDX-License-Identifier: Apache-2.0
 *
 * The registry: models and their immutable, content-addressed versions.
 *
 * A version is the digest of its ONNX file plus everything needed to trust it: signature, metrics,
 * the run and attempt that made it, the dataset versions it learnt from. Nothing of a version ever
 * changes but its aliases. Registering the same attempt's model twice yields the first version
 * (idempotent, so a replayed finalization cannot make two).
 *
 * A signature is JSON: {"inputs":[{"name","datatype","optional"}],"outputs":[{"name","datatype",
 * "shape"}],"classes":[…]?,"task":"binary|multiclass|regression"}; datatypes are those of the Open
 * Inference Protocol ("FP32", "INT64", "BYTES").
 *
 * Blocking; any thread but a loop's. Functions taking tx run inside the caller's transaction.
 */
#ifndef TENON_MODEL_MODEL_H
#define TENON_MODEL_MODEL_H

#include "store/store.h"

struct model_version_spec {
    const char *project, *model;
    const char *digest;      /* blob of model.onnx */
    const char *attempt;     /* "RUN/STEP/N": idempotence key; NULL for uploads */
    const char *run;         /* pipeline run id, or NULL */
    const json_t *signature; /* required */
    const json_t *metrics;   /* object of numbers, may be NULL */
    const json_t *params;    /* object, may be NULL */
    const json_t *datasets;  /* [{"name","version","role":"train|evaluate"}], may be NULL */
};

int model_register(struct tx *tx, const struct model_version_spec *spec, int64_t *ret_version,
                   struct err *err);
int model_set_alias(struct tx *tx, const char *project, const char *model, const char *alias,
                    int64_t version, struct err *err);
/* ref is "7", "@champion" or "latest". E_NOTFOUND with a hint. */
int model_resolve(struct tx *tx, const char *project, const char *model, str ref,
                  int64_t *ret_version, struct err *err);
/* {"name","version","digest","signature","metrics","params","datasets","run","created_at",
 *  "aliases"}; new reference. */
int model_version_get(struct tx *tx, const char *project, const char *model, int64_t version,
                      json_t **ret, struct err *err);
/* [{"name","latest_version","versions","aliases",…}] and newest-first versions of one model. */
int model_list(struct tx *tx, const char *project, json_t **ret, struct err *err);
int model_count(struct tx *tx, const char *project, int64_t *ret, struct err *err); /* names */
int model_versions(struct tx *tx, const char *project, const char *model, json_t **ret,
                   struct err *err);

/* SQL of this room's tables, as main.c lists it among the migrations (store.h). */
extern const char model_schema_1[];

#endif
