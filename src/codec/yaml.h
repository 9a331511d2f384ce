/* SPDX-License-Identifier: Apache-2.0
 *
 * YAML documents as a tree whose every node knows its line and column (libfyaml).
 *
 * Only what configuration needs: one document, maps with string keys, sequences, scalars. Anchors
 * are resolved but bounded (100,000 nodes), duplicate keys are refused, tags are refused. Errors
 * read "pipeline.yaml:12:5: …". Pure apart from memory; any thread.
 */
#ifndef TENON_CODEC_YAML_H
#define TENON_CODEC_YAML_H

#include "base/arena.h"
#include "base/err.h"
#include "codec/json.h"

enum ykind { Y_NULL, Y_BOOL, Y_INT, Y_FLOAT, Y_STR, Y_SEQ, Y_MAP };

struct ynode {
    enum ykind kind;       /* of YAML 1.2's core schema; a quoted scalar is always Y_STR */
    unsigned line, column; /* from 1 */
    str text;              /* scalars: as written, unescaped */
    bool boolean;
    int64_t integer;
    double number;        /* Y_INT and Y_FLOAT */
    size_t n;             /* items, or pairs of a map */
    struct ynode **keys;  /* Y_MAP */
    struct ynode **items; /* Y_SEQ, Y_MAP values */
};

struct ydoc {
    const char *file; /* for messages */
    struct ynode *root;
};

/* The tree lives in the arena; text need not outlive the call. At most 4 MB. */
int yaml_parse(struct arena *a, const char *file, str text, struct ydoc *ret, struct err *err);
const struct ynode *yaml_get(const struct ynode *map, const char *key); /* NULL if absent */
/* E_INVALID with "file:line:column: message". */
int yaml_err(struct err *err, const struct ydoc *d, const struct ynode *n, const char *fmt, ...)
    PRINTF(4, 5);
/* Refuses keys of a map that are not in known (NULL-terminated), with "did you mean 'x'?". */
int yaml_only(const struct ydoc *d, const struct ynode *map, const char *const *known,
              struct err *err);
int yaml_get_str(const struct ydoc *d, const struct ynode *map, const char *key, bool required,
                 str *ret, struct err *err);
json_t *yaml_to_json(const struct ynode *n);  /* new reference */
const char *yaml_kind(const struct ynode *n); /* "a map", "a number", … */

#endif
