/* SPDX-License-Identifier: Apache-2.0
 *
 * A growing byte buffer that always knows its maximum.
 *
 * Appending past the maximum sets `full` and drops the bytes; callers append freely and check once
 * at the end (buf_ok), so a long writer needs one test, not fifty. Not thread-safe; one owner.
 */
#ifndef TENON_BASE_BUF_H
#define TENON_BASE_BUF_H

#include "base/mem.h"
#include "base/str.h"

#include <stdarg.h>

struct buf {
    char *p;
    size_t n;   /* bytes in use */
    size_t cap; /* bytes allocated */
    size_t max; /* bytes allowed */
    bool full;  /* something did not fit: the content is incomplete */
};

#define BUF(maximum) ((struct buf){.max = (maximum)})

void buf_free(struct buf *b); /* keeps max; usable again */
void buf_clear(struct buf *b);
bool buf_reserve(struct buf *b, size_t more); /* room for `more` bytes after n; false sets full */
void buf_put(struct buf *b, const void *p, size_t n);
void buf_str(struct buf *b, str s);
void buf_puts(struct buf *b, const char *cstr);
void buf_char(struct buf *b, char c);
void buf_printf(struct buf *b, const char *fmt, ...) PRINTF(2, 3);
void buf_vprintf(struct buf *b, const char *fmt, va_list ap);
void buf_consume(struct buf *b, size_t n); /* drops the first n bytes */
const char *buf_cstr(struct buf *b);       /* NUL-terminated view, valid until the next change */

static inline str buf_view(const struct buf *b)
{
    return str_n(b->p, b->n);
}

static inline bool buf_ok(const struct buf *b)
{
    return !b->full;
}

#endif
