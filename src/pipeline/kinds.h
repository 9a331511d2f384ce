/* SPDX-License-Identifier: Apache-2.0
 *
 * The kinds of steps and the keys each may have: one table for the parser, the errors and the help.
 */
#ifndef TENON_PIPELINE_KINDS_H
#define TENON_PIPELINE_KINDS_H

#include "base/buf.h"

/* What a key's value is, and with that which edges of the graph it makes. */
enum key_role {
    ROLE_TEXT,         /* one scalar */
    ROLE_TEXTS,        /* a list of scalars, or one */
    ROLE_COMMAND,      /* the same, kept as it is written: a list is argv, a text a shell line */
    ROLE_NUMBER,       /* integer or not */
    ROLE_MAP,          /* names to scalars */
    ROLE_VALUE,        /* a map or a list of anything */
    ROLE_CHOICE,       /* one of `choices` */
    ROLE_OPTIONS,      /* a map whose keys are `choices` */
    ROLE_FILE,         /* a local file below the YAML's folder */
    ROLE_FILES,        /* a list of them, or one */
    ROLE_DATASET_IN,   /* NAME or NAME@VERSION; waits for the steps that make it */
    ROLE_DATASETS_IN,  /* a list of them, or alias: NAME */
    ROLE_DATASET_OUT,  /* a name */
    ROLE_DATASETS_OUT, /* NAME: file it is read from */
    ROLE_ARTIFACTS,    /* files the step will write: a list, or NAME: file */
    ROLE_STEP,         /* STEP or STEP.ARTIFACT, of a kind in `choices`; waits for it */
    ROLE_STEPS,        /* the same, or a list of them */
    ROLE_MODEL_OUT,    /* the name a model is registered under */
    ROLE_MODEL,        /* a step that makes or registers a model, or a registered model's name */
    ROLE_AFTER,        /* steps to wait for, nothing else */
    ROLE_RETRIES,      /* count, or {count, delay, factor} */
    ROLE_DURATION,     /* "10m"; a bare number is seconds */
    ROLE_SIZE,         /* "2g" */
};

struct kind_key {
    const char *name; /* NULL ends the list */
    enum key_role role;
    bool required;
    const char *choices; /* "a|b|c" */
    const char *help;
};

struct kind {
    const char *name;
    const char *help;
    const struct kind_key *keys;
    const char *one_of; /* "sql|file": exactly one of these must be there */
};

extern const struct kind step_kinds[];
extern const size_t step_kind_count;
extern const struct kind_key common_keys[]; /* of every kind */

const struct kind *kind_find(str name);
const struct kind_key *kind_key_find(const struct kind *k, str name); /* its own or a common one */
bool kind_key_is_common(const struct kind_key *key);
bool choice_has(const char *choices, str word);
const char *choice_nearest(const char *choices, str word, char ret[64]); /* NULL: none is near */

#endif
