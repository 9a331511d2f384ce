/* SPDX-License-Identifier: Apache-2.0
 *
 * Opening the room, the owner's first token, and publishing the table of live tokens.
 *
 * First start is a fact in the database, not the absence of a file: the file is written first, then
 * one transaction stores its token and the fact. Killed in between, the next start writes the file
 * anew. Once the fact is there, a lost file stays lost: to put it back silently would let whoever
 * can delete a file be handed the keys.
 */
#include "access/access_int.h"

#include "sys/clock.h"
#include "sys/fs.h"

#include <openssl/crypto.h>
#include <string.h>

static bool expired(const struct token *t, int64_t now)
{
    return t->expires_at && t->expires_at <= now;
}

/* Under change. What has expired leaves on the way. */
static void publish(struct access *a)
{
    int64_t now = clock_ms();
    size_t kept = 0;
    for (size_t i = 0; i < a->live.n; i++)
        if (!expired(&a->live.p[i], now))
            a->live.p[kept++] = a->live.p[i];
    a->live.n = kept;
    struct table *fresh = table_build(a->live.p, a->live.n);
    struct table *old = atomic_exchange_explicit(&a->table, fresh, memory_order_acq_rel);
    if (old && a->loops)
        loops_retire(a->loops, token_table_free, old);
    else
        token_table_free(old);
}

/* A token may be listed and revoked by another as soon as it is committed, before the thread that
 * made it gets here: then it must not come to life. */
static bool was_revoked(struct access *a, const char *token_id)
{
    for (size_t i = 0; i < a->gone.n; i++)
        if (strcmp(a->gone.p[i].s, token_id) == 0) {
            a->gone.p[i] = a->gone.p[--a->gone.n];
            return true;
        }
    return false;
}

void access_add_live(struct access *a, const struct token *t)
{
    pthread_mutex_lock(&a->change);
    if (!was_revoked(a, t->who.id)) {
        *vec_push(&a->live) = *t;
        publish(a);
    }
    pthread_mutex_unlock(&a->change);
}

void access_drop_live(struct access *a, const char *token_id)
{
    pthread_mutex_lock(&a->change);
    size_t at = 0;
    while (at < a->live.n && strcmp(a->live.p[at].who.id, token_id) != 0)
        at++;
    if (at < a->live.n) {
        a->live.p[at] = a->live.p[--a->live.n];
        publish(a);
    } else {
        id gone;
        if (id_parse(str_from(token_id), &gone))
            *vec_push(&a->gone) = gone;
    }
    pthread_mutex_unlock(&a->change);
}

static int find_owner(struct tx *tx, void *arg, struct err *err)
{
    CLEANUP(rows_freep) struct rows *r = NULL;
    int rc = tx_one(tx, &r, err, "SELECT value FROM access_state WHERE name = 'owner'", "");
    *(bool *)arg = rc == 0;
    return rc == E_NOTFOUND ? 0 : rc;
}

static int insert_owner(struct tx *tx, void *arg, struct err *err)
{
    const struct draft *d = arg;
    int rc = draft_insert(tx, d, err);
    return rc ? rc
              : tx_exec(tx, err, "INSERT INTO access_state (name, value) VALUES ('owner', $1)", "s",
                        d->id.s);
}

static int make_owner(struct access *a, const char *data_dir, struct err *err)
{
    struct draft d;
    char line[TOKEN_MAX + 1];
    int rc = draft_make(&(struct token_spec){"owner", "default", "owner", "api", 0}, &d, err);
    if (rc)
        return rc;
    CLEANUP(freep) char *path = fs_join(data_dir, "owner.token");
    int n = snprintf(line, sizeof(line), "%s\n", d.secret);
    rc = fs_write_atomic(path, line, (size_t)n, 0600, err);
    if (!rc)
        rc = store_write(a->store, insert_owner, &d, err);
    if (!rc)
        *vec_push(&a->live) = d.token;
    OPENSSL_cleanse(line, sizeof(line));
    OPENSSL_cleanse(d.secret, sizeof(d.secret));
    return rc;
}

static int open_parts(struct access *a, const char *data_dir, struct err *err)
{
    bool has_owner = true;
    int rc = access_load(a, err);
    if (!rc)
        rc = store_read(a->store, find_owner, &has_owner, err);
    if (!rc && !has_owner)
        rc = make_owner(a, data_dir, err);
    return rc;
}

int access_open(struct store *s, struct loops *loops, const char *data_dir, struct access **ret,
                struct err *err)
{
    struct access *a = xcalloc(1, sizeof(*a));
    a->store = s;
    a->loops = loops;
    pthread_mutex_init(&a->change, NULL);
    int rc = open_parts(a, data_dir, err);
    if (rc) {
        access_close(a);
        return rc;
    }
    publish(a);
    *ret = a;
    return 0;
}

void access_close(struct access *a)
{
    if (!a)
        return;
    token_table_free(atomic_load(&a->table));
    vec_free(&a->live);
    vec_free(&a->gone);
    pthread_mutex_destroy(&a->change);
    free(a);
}

struct gate access_gate(struct access *a)
{
    return (struct gate){access_identify, a};
}
