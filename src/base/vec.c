/* SPDX-License-Identifier: Apache-2.0 */
#include "base/vec.h"

#include <string.h>

void *vec_grow(void *p, size_t n, size_t *cap, size_t size)
{
    if (n == *cap) {
        size_t more = *cap ? *cap * 2 : 8;
        if (more > SIZE_MAX / size)
            abort();
        p = xrealloc(p, more * size);
        *cap = more;
    }
    memset((char *)p + n * size, 0, size);
    return p;
}
