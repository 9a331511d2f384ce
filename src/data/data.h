/* SPDX-License-Identifier: Apache-2.0
 *
 * Datasets: named, versioned Delta Lake tables under DATA/lake/PROJECT/NAME.
 *
 * Bytes are written by step processes: Parquet files with unique names in the table's own folder,
 * invisible because no commit names them. When the attempt has succeeded, the server publishes them
 * in two moves. data_publish adds DATASET/_delta_log/N.json, put-if-absent, carrying a `txn` action
 * whose appId is the attempt, so publishing the same attempt twice finds its first commit.
 * data_record then writes the dataset_version row inside the transaction that marks the attempt
 * succeeded. A crash between the two is healed by running both again.
 *
 * The engine for SQL, Parquet, CSV and JSON is DuckDB, loaded with dlopen in step processes only
 * (data/duck.h): the server never maps it and no query can take the server down.
 *
 * Columns are described as {"name","type","nullable"} with Delta's primitive types ("string",
 * "long", "integer", "double", "boolean", "date", "timestamp", …). Protocol: reader 1, writer 2
 * (delta-io/delta PROTOCOL.md).
 *
 * Blocking; any thread but a loop's.
 */
#ifndef TENON_DATA_DATA_H
#define TENON_DATA_DATA_H

#include "store/store.h"

/* DATA/lake/PROJECT/NAME, malloc'ed; names have been checked with str_is_name. */
char *data_table_dir(const char *data_dir, const char *project, const char *name);

/* Adds one commit from a step's result: {"name","mode":"overwrite|append","schema":[…],
 * "files":[{"path":file name in the table's folder,"size","rows","stats":{…}}],"sample":[…],
 * "source":text}. Idempotent by attempt. Returns the Delta version. */
int data_publish(const char *data_dir, const char *project, const char *attempt,
                 const json_t *result, int64_t *ret_version, struct err *err);
/* The row of that version, in the caller's transaction; idempotent. run and step for lineage;
 * inputs: [{"name","version"}] it was made from, may be NULL. */
int data_record(struct tx *tx, const char *project, const char *attempt, const char *run,
                const char *step, const json_t *inputs, const json_t *result, int64_t version,
                struct err *err);

/* version < 0 = latest. {"name","version","rows","bytes","schema","sample","run","step","source",
 * "inputs","created_at"}. E_NOTFOUND with "did you mean". */
int data_version_get(struct tx *tx, const char *project, const char *name, int64_t version,
                     json_t **ret, struct err *err);
int data_list(struct tx *tx, const char *project, json_t **ret, struct err *err);
int data_count(struct tx *tx, const char *project, int64_t *ret, struct err *err); /* names */
int data_versions(struct tx *tx, const char *project, const char *name, json_t **ret,
                  struct err *err);

/* The live files of a version by replaying the Delta log: {"name","version","dir":absolute,
 * "files":[{"path","size","rows"}],"schema":[…]}; what a step's attempt.json carries as an input.
 */
int data_snapshot(const char *data_dir, const char *project, const char *name, int64_t version,
                  json_t **ret, struct err *err);

/* SQL of this room's tables, as main.c lists it among the migrations (store.h). */
extern const char data_schema_1[];

#endif
