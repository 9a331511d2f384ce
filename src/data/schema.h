/* SPDX-License-Identifier: Apache-2.0
 *
 * Columns: {"name","type","nullable"} with Delta's primitive types, and their names in SQL.
 *
 * One table maps the types both ways. What DuckDB has beyond it is narrowed where nothing is lost
 * (a small unsigned integer to the next signed one, an enum to text) or where a sum would otherwise
 * be unusable (HUGEINT to long, which fails on overflow). Nested types are refused. Naive
 * timestamps are taken as UTC: Delta's "timestamp" is an instant. Pure; any thread.
 */
#ifndef TENON_DATA_SCHEMA_H
#define TENON_DATA_SCHEMA_H

#include "base/err.h"
#include "codec/json.h"

enum { SCHEMA_COLUMNS_MAX = 10000, SCHEMA_NAME_MAX = 1024 };

/* "long" or one of its everyday names ("int", "bigint", "float64", "text") to Delta's own name, in
 * ret. E_INVALID with "did you mean". */
int schema_type(str name, char ret[32], struct err *err);
/* DuckDB's name of Delta's type, in ret ("BIGINT", "DECIMAL(10,2)"). E_UNSUPPORTED for others. */
int schema_sql_type(str type, char ret[32], struct err *err);
/* Delta's type for a column DuckDB calls `sql_type`. E_UNSUPPORTED naming column and type. */
int schema_from_sql(const char *column, str sql_type, char ret[32], struct err *err);
/* Whether min and max of the type may stand in Delta's statistics. */
bool schema_has_order(str type);

/* Whether every value of one type is a value of the other (or as good as: a long as a double). */
bool schema_widens(str from, str to);

/* A list of columns is sound: names there, unique ignoring case, types known. */
int schema_check(const json_t *schema, struct err *err);
/* Appending `more` to a table of `schema` keeps its sense: same names and types, any order; else
 * E_CONFLICT saying which column differs how. */
int schema_fits(const json_t *schema, const json_t *more, struct err *err);
/* The column of that name, NULL if there is none; case counts. */
const json_t *schema_column(const json_t *schema, const char *name);
json_t *schema_new_column(const char *name, const char *type); /* nullable; new reference */

/* Spark's JSON of a struct type, as metaData.schemaString wants it, and back. */
char *schema_to_spark(const json_t *schema); /* malloc'ed */
int schema_from_spark(str text, json_t **ret, struct err *err);

#endif
