/* SPDX-License-Identifier: Apache-2.0
 *
 * Inside access: the table of live tokens, and what its files share. */
#ifndef TENON_ACCESS_ACCESS_INT_H
#define TENON_ACCESS_ACCESS_INT_H

#include "access/access.h"
#include "base/id.h"
#include "base/vec.h"

#include <pthread.h>
#include <stdatomic.h>

#define HASH_SIZE 32

struct token {
    uint8_t hash[HASH_SIZE]; /* SHA-256 of the secret */
    int64_t expires_at;      /* 0 = never */
    bool session;            /* may come in the cookie, and only there */
    struct principal who;
};

/* Every token that may be presented now. Immutable once built; table.c. */
struct table;
struct table *table_build(const struct token *tokens, size_t n);
void token_table_free(void *table);
/* NULL if there is none. Constant time in what the stored hashes are. */
const struct token *token_table_find(const struct table *t, const uint8_t hash[HASH_SIZE]);

struct access {
    struct store *store;
    struct loops *loops;         /* NULL: nobody reads on loops (offline commands) */
    struct table *_Atomic table; /* loops read it; replaced, never changed */
    pthread_mutex_t change;      /* held while live and gone change and a table is published */
    VEC(struct token) live;      /* what the table is made from */
    VEC(id) gone;                /* revoked before their creator had made them live */
};

int access_identify(void *ctx, struct loop *loop, str bearer, str cookie, struct principal *ret,
                    struct err *err);
void access_hash(str secret, uint8_t ret[HASH_SIZE]); /* allocates nothing */

void access_add_live(struct access *a, const struct token *t);
void access_drop_live(struct access *a, const char *id);

/* tokens.c */
struct draft { /* a token about to be stored */
    struct token_spec spec;
    id id;
    char secret[TOKEN_MAX];
    char hash_hex[2 * HASH_SIZE + 1];
    struct token token;
};
int draft_make(const struct token_spec *spec, struct draft *ret, struct err *err);
int draft_insert(struct tx *tx, const struct draft *d, struct err *err);
int access_load(struct access *a, struct err *err);

#endif
