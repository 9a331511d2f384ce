/* SPDX-License-Identifier: Apache-2.0
 *
 * An immutable hash table of tokens: one allocation, open addressing, at most half full.
 *
 * A SHA-256 is its own hash function. What is compared are hashes of secrets, in constant time, so
 * neither a timing nor a stolen table helps anyone to a secret. Any thread.
 */
#include "access/access_int.h"

#include <openssl/crypto.h>
#include <string.h>

struct table {
    size_t mask;
    uint32_t *slots; /* index into tokens + 1; 0 = free */
    struct token tokens[];
};

static size_t slot_of(const struct table *t, const uint8_t hash[HASH_SIZE])
{
    uint64_t start;
    memcpy(&start, hash, sizeof(start));
    return (size_t)start & t->mask;
}

struct table *table_build(const struct token *tokens, size_t n)
{
    size_t slots = 8;
    while (slots < 2 * n)
        slots *= 2;
    struct table *t = xcalloc(1, sizeof(*t) + n * sizeof(*tokens) + slots * sizeof(uint32_t));
    t->mask = slots - 1;
    t->slots = (uint32_t *)(void *)&t->tokens[n];
    for (size_t i = 0; i < n; i++) {
        t->tokens[i] = tokens[i];
        size_t at = slot_of(t, tokens[i].hash);
        while (t->slots[at])
            at = (at + 1) & t->mask;
        t->slots[at] = (uint32_t)i + 1;
    }
    return t;
}

void token_table_free(void *table)
{
    free(table);
}

const struct token *token_table_find(const struct table *t, const uint8_t hash[HASH_SIZE])
{
    for (size_t at = slot_of(t, hash); t->slots[at]; at = (at + 1) & t->mask) {
        const struct token *it = &t->tokens[t->slots[at] - 1];
        if (CRYPTO_memcmp(it->hash, hash, HASH_SIZE) == 0)
            return it;
    }
    return NULL;
}
