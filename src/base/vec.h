/* SPDX-License-Identifier: Apache-2.0
 *
 * A typed growing array: VEC(struct step) steps = {0}; *vec_push(&steps) = (struct step){…};
 *
 * Elements move when the array grows, so keep indices, not pointers. The element type must be
 * trivially copyable. Not thread-safe. vec_free frees the array, not what elements own.
 */
#ifndef TENON_BASE_VEC_H
#define TENON_BASE_VEC_H

#include "base/mem.h"

#define VEC(T)                                                                                     \
    struct {                                                                                       \
        T *p;                                                                                      \
        size_t n, cap;                                                                             \
    }

/* Grows by one zeroed element and yields its address. */
#define vec_push(v)                                                                                \
    ((v)->p = vec_grow((v)->p, (v)->n, &(v)->cap, sizeof(*(v)->p)), &(v)->p[(v)->n++])

/* An empty array has no address to count from. */
#define vec_each(v, it) for (__typeof__((v)->p) it = (v)->p; (v)->n && it < (v)->p + (v)->n; it++)

#define vec_free(v) (free((v)->p), (v)->p = NULL, (v)->n = (v)->cap = 0)

void *vec_grow(void *p, size_t n, size_t *cap, size_t size); /* of vec_push */

#endif
