/* SPDX-License-Identifier: Apache-2.0
 *
 * Time and randomness. Everything above asks here, so tests can fix both. Any thread.
 */
#ifndef TENON_SYS_CLOCK_H
#define TENON_SYS_CLOCK_H

#include "base/id.h"

int64_t clock_ms(void);               /* Unix time, milliseconds UTC */
int64_t clock_mono_ns(void);          /* monotonic, for measuring */
void random_bytes(void *p, size_t n); /* kernel CSPRNG; aborts if the kernel has none */
id id_new(void);                      /* id_make of now and fresh randomness */
/* RFC 3339 with milliseconds, UTC: 2013-06-01T12:00:00.000Z; ret holds 25 bytes. */
void clock_rfc3339(int64_t unix_ms, char ret[25]);

/* For tests: ms < 0 returns to the real clock. */
void clock_fix_ms(int64_t unix_ms);

#endif
