/* SPDX-License-Identifier: Apache-2.0
 *
 * A hash table from strings to pointers. Keys are copied; values are borrowed.
 *
 * Iteration follows insertion order, so output made from a map is stable. Not thread-safe for
 * writers; any number of readers may share a map that nobody changes.
 */
#ifndef TENON_BASE_MAP_H
#define TENON_BASE_MAP_H

#include "base/str.h"

struct map;

struct map *map_new(void);
void map_free(struct map *m, void (*free_value)(void *)); /* free_value may be NULL */
size_t map_count(const struct map *m);
void *map_get(const struct map *m, str key);        /* NULL if absent */
void *map_put(struct map *m, str key, void *value); /* the value it replaces, or NULL */
void *map_del(struct map *m, str key);              /* the value removed, or NULL */
bool map_next(const struct map *m, size_t *cursor, str *key, void **value); /* start at 0 */

#endif
