/* SPDX-License-Identifier: Apache-2.0
 *
 * Named, bounded pools of threads for blocking work.
 *
 * A full queue is E_BUSY, which the doors turn into 503 with Retry-After; nothing waits without a
 * bound. Submit from any thread, loops included (it never blocks beyond a mutex held for a few
 * instructions). Jobs run in submission order, one per thread.
 */
#ifndef TENON_SYS_POOL_H
#define TENON_SYS_POOL_H

#include "base/err.h"

struct pool;

int pool_new(const char *name, unsigned threads, unsigned queue_max, struct pool **ret,
             struct err *err);
/* Runs what is queued, then joins the threads. */
void pool_free(struct pool *p);
int pool_submit(struct pool *p, void (*fn)(void *arg), void *arg, struct err *err);
unsigned pool_depth(struct pool *p); /* jobs queued and running */

#endif
