/* SPDX-License-Identifier: Apache-2.0
 *
 * Private to step/: what several kinds share.
 */
#ifndef TENON_STEP_STEP_INT_H
#define TENON_STEP_STEP_INT_H

#include "step/step.h"

#include "data/duck.h"
#include "store/store.h"

/* The folder tables are written in before they move to the lake; below the current directory. */
#define STEP_OUT_DIR "out"

/* DuckDB within the attempt's memory, spilling to work/tmp. */
int step_duck(struct step_context *c, struct duck **ret, struct err *err);
/* A view for every input of the attempt, named by its alias, over exactly the pinned files; then
 * the database is locked to those files, the out folder and the named extra files (or NULL). */
int step_inputs(struct step_context *c, struct duck *d, const char *const *files, struct err *err);

/* A relative path without "..", as a file of the attempt's folder. E_INVALID. */
int step_check_path(str path, struct err *err);
/* What of the "with" decides where rows go: dataset, mode, description. */
struct step_table {
    const char *dataset, *description, *source;
    bool append;
    const json_t *schema; /* of the table there is when appending; NULL for a new one */
    json_t *snapshot;     /* owns schema */
    /* Filled by step_table_write: */
    json_t *result; /* an entry of result.json's "datasets" */
    char *out;      /* the file written, not yet in the lake */
    int64_t rows;
};

int step_table_open(struct step_context *c, str dataset, struct step_table *ret, struct err *err);
void step_table_close(struct step_table *t);
/* Runs a SELECT into one Parquet file of the out folder, its columns cast to the table's types, and
 * looks at the result: rows, statistics, sample. */
int step_table_write(struct step_context *c, struct duck *d, const char *select,
                     struct step_table *t, struct err *err);
/* Moves the file into the table's folder and adds the result: from here it can be published. */
int step_table_keep(struct step_context *c, struct step_table *t, struct err *err);
void step_table_closep(struct step_table *t); /* for CLEANUP */

/* What kind: ingest does, with other wishes than the attempt's; adds to result's "datasets". */
int step_ingest_file(struct step_context *c, const json_t *with, int64_t *ret_rows,
                     struct err *err);

/* Stores a file as result's artifact `name`. */
int step_artifact(struct step_context *c, struct blobs *b, const char *name, const char *file,
                  struct err *err);
/* The result.json of a step before this one; E_INVALID naming it and what there is. */
int step_upstream(const struct step_context *c, const char *step, const json_t **ret,
                  struct err *err);

/* A member of "with" as text that lives as long as the step; fallback when absent. */
int step_text(struct step_context *c, const char *key, const char *fallback, const char **ret,
              struct err *err);
void step_summary(struct step_context *c, const char *fmt, ...) PRINTF(2, 3);

#endif
