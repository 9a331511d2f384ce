/* SPDX-License-Identifier: Apache-2.0
 *
 * Libraries opened while running: DuckDB, ONNX Runtime, XGBoost.
 *
 * They are large and only some processes need them, so the linker never sees them. Looked for in
 * this order: the path in an environment variable; beside the running binary (../.deps/lib of a
 * build tree, ../lib/tenon, ../lib of an installation); the system under its plain soname. Once
 * opened a library stays. Blocking; any thread.
 */
#ifndef TENON_SYS_DL_H
#define TENON_SYS_DL_H

#include "base/err.h"

/* names: candidates like "libduckdb.so", NULL-terminated. ret_path (may be NULL) is malloc'ed.
 * E_UNAVAILABLE says every place it looked. */
int dl_open(const char *env, const char *const *names, void **ret, char **ret_path,
            struct err *err);
/* A symbol as a function pointer through *ret (sized like void *). E_UNAVAILABLE if absent. */
int dl_symbol(void *library, const char *name, void *ret, struct err *err);

#endif
