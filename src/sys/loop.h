/* SPDX-License-Identifier: Apache-2.0
 *
 * I/O loops: one libuv loop on one thread, one per core; only loop_post crosses between them.
 *
 * A callback on a loop stays under a millisecond and never blocks. Readers on loops may hold a
 * published pointer (loops_retire) during one callback, never across callbacks; whoever replaces
 * the pointer retires the old value, which is freed after every loop has turned once. That is what
 * lets the data plane read tables without a lock.
 */
#ifndef TENON_SYS_LOOP_H
#define TENON_SYS_LOOP_H

#include "base/err.h"

#include <uv.h>

struct loop;
struct loops;

int loops_start(unsigned count, struct loops **ret, struct err *err); /* 0 = one per core */
/* Ends each loop after the functions posted so far and joins its thread; handles still open are
 * closed without their callbacks. Structs of loops stay valid (posts are dropped) until loops_free,
 * so: net_drain, loops_stop, net_free, pool_free, loops_free. Not from a loop. */
void loops_stop(struct loops *l);
void loops_free(struct loops *l);
unsigned loops_count(const struct loops *l);
struct loop *loops_get(struct loops *l, unsigned i);

/* Any thread. fn runs on the loop's thread, in posting order. After loops_stop: dropped, false. */
bool loop_post(struct loop *l, void (*fn)(struct loop *l, void *arg), void *arg);
uv_loop_t *loop_uv(struct loop *l); /* for handles owned by code running on this loop */
unsigned loop_index(const struct loop *l);
/* Loop thread. fn runs once at the end of the current turn, after all I/O callbacks of it and
 * before the loop polls again: the "tick" of tick batching. What fn defers runs in the same tick,
 * behind what is deferred already; a function must not defer itself for ever. */
void loop_defer(struct loop *l, void (*fn)(struct loop *l, void *arg), void *arg);
/* Any thread. Frees p by free_fn once every loop has turned, so none still reads it. free_fn runs
 * on the last loop to turn (what takes longer than a callback may hands itself to a pool). */
void loops_retire(struct loops *l, void (*free_fn)(void *p), void *p);

#endif
