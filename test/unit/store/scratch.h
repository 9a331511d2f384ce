/* SPDX-License-Identifier: Apache-2.0
 *
 * A fresh data directory for one test, removed after it. */
#ifndef TEST_SCRATCH_H
#define TEST_SCRATCH_H

#include "base/mem.h"
#include "sys/fs.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

struct scratch {
    char top[64];
    char dir[80]; /* does not exist yet */
};

static inline void scratch_make(struct scratch *s)
{
    snprintf(s->top, sizeof(s->top), "/tmp/tenon-store-XXXXXX");
    if (!mkdtemp(s->top))
        abort();
    snprintf(s->dir, sizeof(s->dir), "%s/data", s->top);
}

static inline void scratch_remove(struct scratch *s)
{
    fs_remove_tree(s->top, NULL);
}

#endif
