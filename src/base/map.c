/* SPDX-License-Identifier: Apache-2.0
 *
 * Open addressing over indices into an insertion-ordered array of entries. A deleted entry keeps
 * its slot as a tombstone (key NULL) until the next rehash.
 */
#include "base/map.h"

#include "base/mem.h"

#include <string.h>

struct entry {
    char *key;
    size_t n;
    uint64_t hash;
    void *value;
};

struct map {
    struct entry *entries;
    size_t used, live, cap; /* used counts tombstones */
    uint32_t *slots;        /* index + 1 into entries; 0 = empty */
    size_t slot_count;      /* power of two */
};

struct map *map_new(void)
{
    return xcalloc(1, sizeof(struct map));
}

void map_free(struct map *m, void (*free_value)(void *))
{
    if (!m)
        return;
    for (size_t i = 0; i < m->used; i++) {
        if (m->entries[i].key && free_value)
            free_value(m->entries[i].value);
        free(m->entries[i].key);
    }
    free(m->entries);
    free(m->slots);
    free(m);
}

size_t map_count(const struct map *m)
{
    return m->live;
}

static struct entry *find(const struct map *m, str key, uint64_t hash)
{
    if (!m->slot_count)
        return NULL;
    for (size_t i = hash & (m->slot_count - 1);; i = (i + 1) & (m->slot_count - 1)) {
        if (!m->slots[i])
            return NULL;
        struct entry *e = &m->entries[m->slots[i] - 1];
        if (e->key && e->hash == hash && str_eq(str_n(e->key, e->n), key))
            return e;
    }
}

static void place(struct map *m, size_t index)
{
    size_t i = m->entries[index].hash & (m->slot_count - 1);
    while (m->slots[i])
        i = (i + 1) & (m->slot_count - 1);
    m->slots[i] = (uint32_t)(index + 1);
}

static void rehash(struct map *m)
{
    size_t live = 0;
    for (size_t i = 0; i < m->used; i++)
        if (m->entries[i].key)
            m->entries[live++] = m->entries[i];
    m->used = m->live = live;
    m->slot_count = 16;
    while (m->slot_count < (live + 1) * 4)
        m->slot_count *= 2;
    free(m->slots);
    m->slots = xcalloc(m->slot_count, sizeof(*m->slots));
    m->cap = m->slot_count / 2;
    m->entries = xrealloc(m->entries, m->cap * sizeof(*m->entries));
    for (size_t i = 0; i < m->used; i++)
        place(m, i);
}

void *map_get(const struct map *m, str key)
{
    struct entry *e = find(m, key, str_hash(key));
    return e ? e->value : NULL;
}

void *map_put(struct map *m, str key, void *value)
{
    uint64_t hash = str_hash(key);
    struct entry *e = find(m, key, hash);
    if (e) {
        void *old = e->value;
        e->value = value;
        return old;
    }
    if (m->used == m->cap)
        rehash(m);
    m->entries[m->used] = (struct entry){xstrndup(key.p, key.n), key.n, hash, value};
    place(m, m->used);
    m->used++;
    m->live++;
    return NULL;
}

void *map_del(struct map *m, str key)
{
    struct entry *e = find(m, key, str_hash(key));
    if (!e)
        return NULL;
    free(e->key);
    e->key = NULL;
    m->live--;
    return e->value;
}

bool map_next(const struct map *m, size_t *cursor, str *key, void **value)
{
    while (*cursor < m->used) {
        struct entry *e = &m->entries[(*cursor)++];
        if (!e->key)
            continue;
        *key = str_n(e->key, e->n);
        *value = e->value;
        return true;
    }
    return false;
}
