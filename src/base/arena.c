/* SPDX-License-Identifier: Apache-2.0 */
#include "base/arena.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

enum { FIRST_BLOCK = 4096, LARGEST_BLOCK = 1 << 20, ALIGN = 16 };

struct block {
    struct block *next;
    size_t used, size;
    _Alignas(16) char data[];
};

struct arena {
    struct block *top;
    size_t total, max;
};

struct arena *arena_new(size_t max)
{
    struct arena *a = xcalloc(1, sizeof(*a));
    a->max = max ? max : (size_t)64 << 20;
    return a;
}

static void free_blocks(struct block *b)
{
    while (b) {
        struct block *next = b->next;
        free(b);
        b = next;
    }
}

void arena_free(struct arena *a)
{
    if (!a)
        return;
    free_blocks(a->top);
    free(a);
}

void arena_freep(struct arena **a)
{
    arena_free(*a);
    *a = NULL;
}

void arena_reset(struct arena *a)
{
    if (!a->top)
        return;
    struct block *first = a->top;
    while (first->next)
        first = first->next;
    while (a->top != first) {
        struct block *next = a->top->next;
        free(a->top);
        a->top = next;
    }
    first->used = 0;
    a->total = first->size;
}

static bool add_block(struct arena *a, size_t n)
{
    size_t size = a->top ? MIN(a->top->size * 2, (size_t)LARGEST_BLOCK) : FIRST_BLOCK;
    size = MAX(size, n);
    if (size > a->max - MIN(a->total, a->max))
        size = n;
    if (n > a->max - MIN(a->total, a->max))
        return false;
    struct block *b = malloc(sizeof(*b) + size);
    if (!b)
        return false;
    *b = (struct block){.next = a->top, .size = size};
    a->top = b;
    a->total += size;
    return true;
}

void *arena_try(struct arena *a, size_t n)
{
    if (n > SIZE_MAX - ALIGN)
        return NULL;
    n = (n + ALIGN - 1) & ~(size_t)(ALIGN - 1);
    if ((!a->top || a->top->size - a->top->used < n) && !add_block(a, n))
        return NULL;
    void *p = a->top->data + a->top->used;
    a->top->used += n;
    return memset(p, 0, n);
}

void *arena_alloc(struct arena *a, size_t n)
{
    void *p = arena_try(a, n);
    if (!p) {
        fprintf(stderr, "tenon: arena exhausted (%zu of %zu bytes)\n", a->total, a->max);
        abort();
    }
    return p;
}

str arena_str(struct arena *a, str s)
{
    char *copy = arena_alloc(a, s.n + 1);
    if (s.n)
        memcpy(copy, s.p, s.n);
    return str_n(copy, s.n);
}

char *arena_cstr(struct arena *a, str s)
{
    return (char *)arena_str(a, s).p;
}

char *arena_printf(struct arena *a, const char *fmt, ...)
{
    va_list ap, again;
    va_start(ap, fmt);
    va_copy(again, ap);
    int n = vsnprintf(NULL, 0, fmt, ap);
    va_end(ap);
    char *out = arena_alloc(a, (size_t)MAX(n, 0) + 1);
    vsnprintf(out, (size_t)MAX(n, 0) + 1, fmt, again);
    va_end(again);
    return out;
}
