/* SPDX-License-Identifier: Apache-2.0
 *
 * The state of a Delta table: what replaying its log leaves (private to data/).
 *
 * delta_apply takes the text of one commit after the other and is pure, so the fuzzer can drive it;
 * log.c finds the commits on disk. Source: delta-io/delta PROTOCOL.md, "Action Reconciliation".
 * Unknown actions and members are ignored; reader features we lack are refused, because a table
 * read without them would have wrong rows.
 */
#ifndef TENON_DATA_DELTA_H
#define TENON_DATA_DELTA_H

#include "base/err.h"
#include "base/map.h"
#include "codec/json.h"

struct delta_file {
    char *uri; /* as the log spells it */
    int64_t size, rows;
};

struct delta {
    int64_t version;   /* of the last commit applied; -1 = none */
    char *table_id;    /* NULL before the first metaData */
    json_t *schema;    /* NULL before the first metaData */
    json_t *metadata;  /* the metaData action as written */
    struct map *files; /* decoded relative path -> struct delta_file */
    struct map *txns;  /* appId -> int64_t version that carried it first */
};

struct delta *delta_new(void);
void delta_free(struct delta *d);
void delta_freep(struct delta **d);

/* Applies commit `version`, which must be the next one. After an error the state is useless. */
int delta_apply(struct delta *d, int64_t version, str text, struct err *err);

/* Replays the log below a table's folder up to `version` (-1 = all there is). A table without any
 * commit is not an error: its version stays -1. E_NOTFOUND if the version is not there. */
int delta_replay(const char *table_dir, int64_t version, struct delta **ret, struct err *err);
/* _delta_log/N.json of a table, malloc'ed. */
char *delta_log_path(const char *table_dir, int64_t version);

#endif
