/* SPDX-License-Identifier: Apache-2.0
 *
 * Small allocations abort, user-sized ones are capped elsewhere.
 *
 * A server that cannot get forty bytes cannot explain itself either, so the x-functions abort and
 * every caller stays straight-line. Whatever a user can size goes through struct buf (which has a
 * maximum and refuses with E_TOOBIG) or through a checked malloc.
 *
 * Any thread. Memory returned is owned by the caller and freed with free().
 */
#ifndef TENON_BASE_MEM_H
#define TENON_BASE_MEM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

/* Runs fn(&variable) when the variable leaves its scope. */
#define CLEANUP(fn) __attribute__((cleanup(fn)))
#define UNUSED __attribute__((unused))
#define PRINTF(fmt, args) __attribute__((format(printf, fmt, args)))
#define MUST_USE __attribute__((warn_unused_result))

#define LENGTH(array) (sizeof(array) / sizeof((array)[0]))
#define MIN(a, b) ((a) < (b) ? (a) : (b))
#define MAX(a, b) ((a) > (b) ? (a) : (b))

void *xmalloc(size_t n);
void *xcalloc(size_t count, size_t n);
void *xrealloc(void *p, size_t n);
char *xstrdup(const char *s);
char *xstrndup(const char *s, size_t n);
char *xasprintf(const char *fmt, ...) PRINTF(1, 2);

/* For CLEANUP(freep): frees what the pointer points to. */
static inline void freep(void *p)
{
    free(*(void **)p);
}

/* For CLEANUP(closep): closes a file descriptor that is not -1. */
void closep(int *fd);

#endif
