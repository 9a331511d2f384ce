/* SPDX-License-Identifier: Apache-2.0
 *
 * An arena: many allocations, one free. The lifetime of a request, a parse or a run.
 *
 * Blocks double up to 1 MB; larger wishes get a block of their own. The arena refuses to grow past
 * its maximum by returning NULL from arena_try; arena_alloc aborts instead and is for sizes that no
 * user controls. Not thread-safe; one owner.
 */
#ifndef TENON_BASE_ARENA_H
#define TENON_BASE_ARENA_H

#include "base/mem.h"
#include "base/str.h"

struct arena;

struct arena *arena_new(size_t max); /* max bytes over all blocks; 0 = 64 MB */
void arena_free(struct arena *a);    /* NULL is fine */
void arena_freep(struct arena **a);
void arena_reset(struct arena *a); /* forgets everything, keeps the first block */

void *arena_alloc(struct arena *a, size_t n); /* zeroed, aligned to 16 */
void *arena_try(struct arena *a, size_t n) MUST_USE;
str arena_str(struct arena *a, str s);    /* copy, NUL-terminated behind its length */
char *arena_cstr(struct arena *a, str s); /* the same copy as a C string */
char *arena_printf(struct arena *a, const char *fmt, ...) PRINTF(2, 3);

#endif
