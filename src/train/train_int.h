/* SPDX-License-Identifier: Apache-2.0
 *
 * What the files of this room share: the table's insides, encodings, the forest, the writer.
 */
#ifndef TENON_TRAIN_TRAIN_INT_H
#define TENON_TRAIN_TRAIN_INT_H

#include "base/arena.h"
#include "base/map.h"
#include "base/vec.h"
#include "train/train.h"

struct column {
    char *name;
    enum column_kind kind;
    size_t n;       /* cells so far */
    size_t missing; /* of them */
    float *number;  /* COLUMN_NUMBER, COLUMN_BOOLEAN */
    uint32_t *code; /* COLUMN_CATEGORY: 0 = missing, else 1 + index into texts */
    struct map *index;
    VEC(str) texts;
};

struct table {
    size_t rows_max;
    VEC(struct column) columns;
    struct arena *arena; /* names and texts */
};

/* One input of the model. */
struct feature {
    const char *name;
    enum column_kind kind;
    bool optional; /* was missing in some training row */
    size_t n;      /* categories; the code of categories[i] is i */
    str *categories;
    size_t *counts; /* training rows of each */
    double example; /* a number seen in training */
    bool has_example;
};

struct features {
    struct feature *p;
    size_t n;
};

/* Learns every column but the target from the rows with train[row] set. Lives in the arena; names
 * and texts are copied. */
int features_fit(const struct table *t, size_t target, const bool *train, struct arena *a,
                 struct features *ret, struct err *err);
/* Fills ret (row-major, rows × f->n) with the rows listed, or with all rows if list is NULL. */
int features_encode(const struct features *f, const struct table *t, const size_t *list,
                    size_t rows, float *ret, struct err *err);
json_t *features_encoding(const struct features *f);  /* of trained_encoding */
json_t *features_signature(const struct features *f); /* the signature's "inputs" */

/* Trees, all nodes in one array; leaves have left < 0. */
struct tree_node {
    int32_t left, right; /* index into the same tree; -1 for a leaf */
    int32_t feature;
    float value; /* threshold (x < value goes left), or the leaf's weight */
    bool missing_left;
};

struct tree {
    size_t first, n; /* nodes of it in forest.nodes; the root is the first */
    uint32_t output; /* class it adds to */
};

struct forest {
    VEC(struct tree_node) nodes;
    VEC(struct tree) trees;
    size_t outputs;
    float *base; /* margin added to each output */
};

/* From the model XGBoost saves as JSON (1.7 to 3.x). */
int forest_read(str json, enum task task, size_t outputs, struct forest *ret, struct err *err);
void forest_free(struct forest *f);

struct onnx_spec {
    const struct features *features;
    const struct forest *forest;
    enum task task;
    const str *classes;
    size_t n_classes;
    const char *description;          /* doc_string, may be NULL */
    const char *const (*metadata)[2]; /* key, value */
    size_t n_metadata;
};

/* Appends the file to ret (which bounds it). */
int onnx_write(const struct onnx_spec *spec, struct buf *ret, struct err *err);

#endif
