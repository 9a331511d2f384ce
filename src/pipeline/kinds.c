/* SPDX-License-Identifier: Apache-2.0
 *
 * See kinds.h. What the values mean is said by the step itself (src/step/KIND.c); here is only what
 * can be checked before anything runs.
 */
#include "pipeline/kinds.h"

#include "pipeline/pipeline.h"

#include <stdio.h>

#define MODES "overwrite|append"
#define DESCRIPTION                                                                                \
    {                                                                                              \
        "description", ROLE_TEXT, OPTIONAL, NULL, "goes with the dataset"                          \
    }
#define REQUIRED true
#define OPTIONAL false

const struct kind_key common_keys[] = {
    {"name", ROLE_TEXT, REQUIRED, NULL, "unique in the pipeline"},
    {"kind", ROLE_TEXT, REQUIRED, NULL, "what the step does"},
    {"description", ROLE_TEXT, OPTIONAL, NULL, "for people"},
    {"after", ROLE_AFTER, OPTIONAL, NULL, "steps to wait for, beside those whose results it uses"},
    {"retries", ROLE_RETRIES, OPTIONAL, NULL, "2, or {count: 2, delay: 10s, factor: 2}"},
    {"timeout", ROLE_DURATION, OPTIONAL, NULL, "for one attempt: 90s, 10m, 2h"},
    {"memory", ROLE_SIZE, OPTIONAL, NULL, "address space of one attempt: 512m, 2g"},
    {"disk", ROLE_SIZE, OPTIONAL, NULL, "bytes an attempt may write: 5g"},
    {NULL, 0, 0, NULL, NULL},
};

static const struct kind_key ingest_keys[] = {
    {"path", ROLE_FILE, REQUIRED, NULL, "CSV, Parquet or JSON lines"},
    {"dataset", ROLE_DATASET_OUT, REQUIRED, NULL, "the dataset it becomes a version of"},
    {"format", ROLE_CHOICE, OPTIONAL, "csv|parquet|jsonl|json", "if the file's name does not tell"},
    {"columns", ROLE_VALUE, OPTIONAL, NULL, "types of columns: {dep_time: integer}"},
    {"nulls", ROLE_TEXTS, OPTIONAL, NULL, "words that mean no value: [NA, none]"},
    {"mode", ROLE_CHOICE, OPTIONAL, MODES, "default overwrite"},
    DESCRIPTION,
    {"on_error", ROLE_CHOICE, OPTIONAL, "fail|skip", "rows that do not fit; default fail"},
    {NULL, 0, 0, NULL, NULL},
};

static const struct kind_key sql_keys[] = {
    {"inputs", ROLE_DATASETS_IN, OPTIONAL, NULL,
     "datasets, seen as tables: [a, b] or {t: a@3}; versions count from 0, as in Delta's log"},
    {"sql", ROLE_TEXT, OPTIONAL, NULL, "one SELECT (DuckDB)"},
    {"file", ROLE_FILE, OPTIONAL, NULL, "a file with it"},
    {"dataset", ROLE_DATASET_OUT, REQUIRED, NULL, "where the rows go"},
    DESCRIPTION,
    {"mode", ROLE_CHOICE, OPTIONAL, MODES, "default overwrite"},
    {NULL, 0, 0, NULL, NULL},
};

static const struct kind_key train_keys[] = {
    {"input", ROLE_DATASET_IN, REQUIRED, NULL, "rows to learn from"},
    {"where", ROLE_TEXT, OPTIONAL, NULL, "SQL condition that picks them"},
    {"target", ROLE_TEXT, REQUIRED, NULL, "column to predict"},
    {"features", ROLE_TEXTS, OPTIONAL, NULL, "columns to learn from; default all others"},
    {"exclude", ROLE_TEXTS, OPTIONAL, NULL, "columns not to learn from"},
    {"objective", ROLE_CHOICE, OPTIONAL, "binary|multiclass|regression", "default by the target"},
    {"params", ROLE_OPTIONS, OPTIONAL,
     "rounds|max_depth|eta|subsample|colsample|min_child_weight|lambda|alpha|gamma|max_bin|"
     "scale_pos_weight|early_stopping_rounds|seed|threads",
     "of gradient boosting"},
    {"validation", ROLE_NUMBER, OPTIONAL, NULL, "share of rows held out; default 0.1"},
    {NULL, 0, 0, NULL, NULL},
};

static const struct kind_key evaluate_keys[] = {
    {"model", ROLE_STEP, REQUIRED, "train|run", "the step that made it"},
    {"input", ROLE_DATASET_IN, REQUIRED, NULL, "rows it has not seen"},
    {"where", ROLE_TEXT, OPTIONAL, NULL, "SQL condition that picks them"},
    {"target", ROLE_TEXT, OPTIONAL, NULL, "default: what the model was trained for"},
    {NULL, 0, 0, NULL, NULL},
};

static const struct kind_key register_keys[] = {
    {"model", ROLE_STEP, REQUIRED, "train|run", "the step that made it"},
    {"metrics", ROLE_STEPS, OPTIONAL, "evaluate|train|run", "the steps whose metrics go with it"},
    {"as", ROLE_MODEL_OUT, REQUIRED, NULL, "the model's name in the registry"},
    {"require", ROLE_MAP, OPTIONAL, NULL, "least metrics, else the step fails: {auc: 0.7}"},
    {NULL, 0, 0, NULL, NULL},
};

static const struct kind_key deploy_keys[] = {
    {"model", ROLE_MODEL, REQUIRED, NULL, "a register step, or a registered model"},
    {"version", ROLE_TEXT, OPTIONAL, NULL, "7, @alias or latest; default what the step registered"},
    {"endpoint", ROLE_TEXT, REQUIRED, NULL, "the name that will answer predictions"},
    {NULL, 0, 0, NULL, NULL},
};

static const struct kind_key run_keys[] = {
    {"command", ROLE_COMMAND, REQUIRED, NULL, "[python3, train.py], or a line for sh"},
    {"env", ROLE_MAP, OPTIONAL, NULL, "variables it gets"},
    {"inputs", ROLE_DATASETS_IN, OPTIONAL, NULL, "datasets it reads"},
    {"outputs", ROLE_DATASETS_OUT, OPTIONAL, NULL, "datasets it makes: {scores: scores.parquet}"},
    {"artifacts", ROLE_ARTIFACTS, OPTIONAL, NULL,
     "files to keep: [report.html] or {model: m.onnx}"},
    {"files", ROLE_FILES, OPTIONAL, NULL, "local files it needs"},
    {"model", ROLE_STEP, OPTIONAL, "train|run", "a model it uses"},
    {NULL, 0, 0, NULL, NULL},
};

const struct kind step_kinds[] = {
    {"ingest", "a file becomes a version of a dataset", ingest_keys, NULL},
    {"sql", "a query over datasets makes a dataset", sql_keys, "sql|file"},
    {"train", "gradient-boosted trees learn from a dataset", train_keys, NULL},
    {"evaluate", "a model is measured on rows it has not seen", evaluate_keys, NULL},
    {"register", "a model becomes a version in the registry", register_keys, NULL},
    {"deploy", "an endpoint serves a registered version", deploy_keys, NULL},
    {"run", "any command", run_keys, NULL},
};
const size_t step_kind_count = LENGTH(step_kinds);

const struct kind *kind_find(str name)
{
    for (size_t i = 0; i < LENGTH(step_kinds); i++)
        if (str_is(name, step_kinds[i].name))
            return &step_kinds[i];
    return NULL;
}

static const struct kind_key *key_in(const struct kind_key *keys, str name)
{
    for (; keys->name; keys++)
        if (str_is(name, keys->name))
            return keys;
    return NULL;
}

const struct kind_key *kind_key_find(const struct kind *k, str name)
{
    const struct kind_key *own = key_in(k->keys, name);
    return own ? own : key_in(common_keys, name);
}

bool kind_key_is_common(const struct kind_key *key)
{
    return key_in(common_keys, str_from(key->name)) == key;
}

bool choice_has(const char *choices, str word)
{
    str rest = str_from(choices), choice;
    while (rest.n) {
        str_cut(rest, '|', &choice, &rest);
        if (str_eq(choice, word))
            return true;
    }
    return false;
}

const char *choice_nearest(const char *choices, str word, char ret[64])
{
    char copies[32][64];
    const char *candidates[32];
    size_t n = 0;
    str rest = str_from(choices), choice;
    for (; rest.n && n < LENGTH(candidates); n++) {
        str_cut(rest, '|', &choice, &rest);
        snprintf(copies[n], sizeof(copies[n]), "%.*s", STR(choice));
        candidates[n] = copies[n];
    }
    const char *near = str_nearest(word, candidates, n);
    if (!near)
        return NULL;
    snprintf(ret, 64, "%s", near);
    return ret;
}

static void describe_keys(const struct kind_key *keys, struct buf *b)
{
    for (; keys->name; keys++)
        buf_printf(b, "    %-12s %s%s%s%s\n", keys->name, keys->help,
                   keys->required ? " (required)" : "", keys->role == ROLE_CHOICE ? ": " : "",
                   keys->role == ROLE_CHOICE ? keys->choices : "");
}

void pipeline_describe(struct buf *b)
{
    buf_puts(b, "Every step:\n");
    describe_keys(common_keys, b);
    for (size_t i = 0; i < LENGTH(step_kinds); i++) {
        buf_printf(b, "\nkind: %s: %s\n", step_kinds[i].name, step_kinds[i].help);
        describe_keys(step_kinds[i].keys, b);
    }
}
