/* SPDX-License-Identifier: Apache-2.0
 *
 * Private to data/duck*.c: DuckDB's functions as pointers, and the open database.
 */
#ifndef TENON_DATA_DUCK_INT_H
#define TENON_DATA_DUCK_INT_H

#include "data/duck.h"

#include <duckdb.h> /* types and prototypes; nothing of it is linked */

/* Every function of DuckDB we call. The table gives each a pointer of the prototype's own type and
 * the loader its name. */
#define DUCK_FUNCTIONS(X)                                                                          \
    X(library_version)                                                                             \
    X(create_config)                                                                               \
    X(set_config)                                                                                  \
    X(destroy_config)                                                                              \
    X(open_ext)                                                                                    \
    X(close)                                                                                       \
    X(connect)                                                                                     \
    X(disconnect)                                                                                  \
    X(query)                                                                                       \
    X(result_error)                                                                                \
    X(destroy_result)                                                                              \
    X(prepare)                                                                                     \
    X(prepare_error)                                                                               \
    X(prepared_statement_type)                                                                     \
    X(destroy_prepare)                                                                             \
    X(pending_prepared_streaming)                                                                  \
    X(pending_error)                                                                               \
    X(execute_pending)                                                                             \
    X(destroy_pending)                                                                             \
    X(extract_statements)                                                                          \
    X(extract_statements_error)                                                                    \
    X(destroy_extracted)                                                                           \
    X(column_count)                                                                                \
    X(column_name)                                                                                 \
    X(column_type)                                                                                 \
    X(column_logical_type)                                                                         \
    X(destroy_logical_type)                                                                        \
    X(decimal_scale)                                                                               \
    X(decimal_internal_type)                                                                       \
    X(fetch_chunk)                                                                                 \
    X(destroy_data_chunk)                                                                          \
    X(data_chunk_get_size)                                                                         \
    X(data_chunk_get_vector)                                                                       \
    X(vector_get_data)                                                                             \
    X(vector_get_validity)                                                                         \
    X(free)

struct duck_api {
#define X(name) __typeof__(duckdb_##name) *name;
    DUCK_FUNCTIONS(X)
#undef X
};

struct duck {
    struct duck_api api;
    duckdb_database database;
    duckdb_connection connection;
    str focus;
};

enum { DUCK_SQL_MAX = 16 << 20 };

/* Translates DuckDB's message about `sql` into an err. */
int duck_fail(const struct duck *d, str sql, const char *message, struct err *err);

#endif
