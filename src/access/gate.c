/* SPDX-License-Identifier: Apache-2.0
 *
 * Who is calling? Runs on the loops: no lock, no allocation, no wait.
 *
 * A loop reads the table through one atomic pointer and holds it for this call only; the table is
 * retired (loops_retire), not freed, when another takes its place. The hash is libcrypto's plain
 * one, deprecated or not: its newer interface allocates and takes references on each use.
 *
 * A wrong bearer token is an error, which net lets pass only where anyone may call. A stale cookie
 * makes the caller nobody: browsers keep sending it, and the page that signs in must still load.
 */
#define OPENSSL_SUPPRESS_DEPRECATED
#include "access/access_int.h"

#include "sys/clock.h"

#include <openssl/sha.h>
#include <string.h>

#define COOKIE "tenon_session="
#define PREFIX "tn_"

void access_hash(str secret, uint8_t ret[HASH_SIZE])
{
    SHA256_CTX ctx;
    SHA256_Init(&ctx);
    SHA256_Update(&ctx, secret.p, secret.n);
    SHA256_Final(ret, &ctx);
}

/* The value of our cookie in a Cookie header (RFC 6265: "a=b; c=d"), or of a header that is just
 * the value. Empty if it is not there. */
static str session_of(str cookie)
{
    if (str_starts(cookie, S(PREFIX)))
        return cookie;
    str pair;
    while (cookie.n) {
        str_cut(cookie, ';', &pair, &cookie);
        pair = str_trim(pair);
        if (str_starts(pair, S(COOKIE)))
            return str_skip(pair, strlen(COOKIE));
    }
    return S("");
}

static const struct token *find(const struct access *a, str secret, bool session)
{
    uint8_t hash[HASH_SIZE];
    const struct table *t = atomic_load_explicit(&a->table, memory_order_acquire);
    if (secret.n >= TOKEN_MAX || !str_starts(secret, S(PREFIX)))
        return NULL;
    access_hash(secret, hash);
    const struct token *it = token_table_find(t, hash);
    bool fits = it && it->session == session;
    return fits && (!it->expires_at || it->expires_at > clock_ms()) ? it : NULL;
}

int access_identify(void *ctx, struct loop *loop, str bearer, str cookie, struct principal *ret,
                    struct err *err)
{
    (void)loop;
    const struct access *a = ctx;
    const struct token *it = bearer.n ? find(a, bearer, false) : find(a, session_of(cookie), true);
    if (bearer.n && !it)
        return err_hint(err_set(err, E_UNAUTHENTICATED, "the token is unknown, revoked or expired"),
                        err, "the owner's token is in the file owner.token of the data directory");
    *ret = it ? it->who : (struct principal){.perms = PERM_NONE};
    return 0;
}
