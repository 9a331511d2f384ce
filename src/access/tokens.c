/* SPDX-License-Identifier: Apache-2.0
 *
 * Tokens as rows: making, revoking, listing, redeeming. Blocks; any thread but a loop's.
 *
 * The rows are the truth, the table follows: a token is presented only after its commit, and what
 * was revoked is refused by every loop from its next callback on. A link is spent by deleting its
 * row in the transaction that makes the session: the store runs one write at a time, so of any
 * number of racing redemptions, before or after a crash, exactly one finds the row.
 */
#include "access/access_int.h"

#include "codec/text.h"
#include "sys/clock.h"

#include <openssl/crypto.h>
#include <string.h>

#define LINK_MS (INT64_C(30) * 60 * 1000)
#define SESSION_MS (INT64_C(12) * 3600 * 1000)
#define TTL_MAX_MS (INT64_C(100) * 366 * 86400 * 1000)
#define LIVE_MAX 100000

const char access_schema_1[] =
    "CREATE TABLE tokens ("
    " id TEXT PRIMARY KEY,"
    " kind TEXT NOT NULL,"
    " name TEXT NOT NULL,"
    " project TEXT NOT NULL,"
    " role TEXT NOT NULL,"
    " hash TEXT NOT NULL UNIQUE,"
    " created_at BIGINT NOT NULL,"
    " expires_at BIGINT NOT NULL);" /* 0 = never */
    "CREATE INDEX tokens_by_expiry ON tokens (expires_at);"
    "CREATE TABLE access_state (name TEXT PRIMARY KEY, value TEXT NOT NULL);";

static const char *const kinds[] = {"api", "session", "attempt", "link"};

static const struct {
    const char *name;
    unsigned perms;
} roles[] = {
#define X(role, perms) {#role, perms},
    ROLE_TABLE(X)
#undef X
};

static bool role_perms(str role, unsigned *ret)
{
    for (size_t i = 0; i < LENGTH(roles); i++)
        if (str_is(role, roles[i].name)) {
            *ret = roles[i].perms;
            return true;
        }
    return false;
}

static bool is_kind(const char *kind)
{
    for (size_t i = 0; i < LENGTH(kinds); i++)
        if (strcmp(kind, kinds[i]) == 0)
            return true;
    return false;
}

static bool is_printable(str s)
{
    for (size_t i = 0; i < s.n; i++)
        if ((unsigned char)s.p[i] < ' ' || s.p[i] == 0x7f)
            return false;
    return str_is_utf8(s);
}

static int check_spec(const struct token_spec *spec, unsigned *ret_perms, struct err *err)
{
    str name = str_from(spec->name), project = str_from(spec->project);
    struct principal *sized = NULL;
    if (!name.n || name.n >= sizeof(sized->name) || !is_printable(name))
        return err_set(err, E_INVALID, "a token's name has 1 to %zu printable bytes",
                       sizeof(sized->name) - 1);
    if (!str_is_name(project) || project.n >= sizeof(sized->project))
        return err_set(err, E_INVALID, "'%.80s' is not a project's name",
                       spec->project ? spec->project : "");
    if (!spec->kind || !is_kind(spec->kind))
        return err_set(err, E_INVALID, "'%.80s' is not a kind of token",
                       spec->kind ? spec->kind : "");
    if (spec->ttl_ms < 0 || spec->ttl_ms > TTL_MAX_MS)
        return err_set(err, E_INVALID, "a token lives between 0 (no end) and 100 years");
    if (role_perms(str_from(spec->role), ret_perms))
        return 0;
    const char *known[LENGTH(roles)];
    for (size_t i = 0; i < LENGTH(roles); i++)
        known[i] = roles[i].name;
    const char *near = str_nearest(str_from(spec->role), known, LENGTH(known));
    int rc = err_set(err, E_INVALID, "no role '%.80s'", spec->role ? spec->role : "");
    return near ? err_hint(rc, err, "did you mean '%s'?", near)
                : err_hint(rc, err, "roles are owner, editor, reader and caller");
}

static int64_t ttl_of(const struct token_spec *spec)
{
    if (spec->ttl_ms)
        return spec->ttl_ms;
    if (strcmp(spec->kind, "link") == 0)
        return LINK_MS;
    return strcmp(spec->kind, "session") == 0 ? SESSION_MS : 0;
}

static void make_secret(char ret[TOKEN_MAX])
{
    uint8_t random[32];
    struct buf b = BUF(TOKEN_MAX);
    random_bytes(random, sizeof(random));
    buf_puts(&b, "tn_");
    base64url_encode(random, sizeof(random), &b);
    memcpy(ret, b.p, b.n);
    ret[b.n] = 0;
    OPENSSL_cleanse(random, sizeof(random));
    OPENSSL_cleanse(b.p, b.n);
    buf_free(&b);
}

static void fill_principal(struct principal *p, str token_id, str name, str project, unsigned perms)
{
    *p = (struct principal){.perms = perms};
    memcpy(p->id, token_id.p, MIN(token_id.n, sizeof(p->id) - 1));
    memcpy(p->name, name.p, MIN(name.n, sizeof(p->name) - 1));
    memcpy(p->project, project.p, MIN(project.n, sizeof(p->project) - 1));
}

int draft_make(const struct token_spec *spec, struct draft *ret, struct err *err)
{
    unsigned perms = 0;
    struct draft d = {.spec = *spec, .id = id_new()};
    int rc = check_spec(spec, &perms, err);
    if (rc)
        return rc;
    make_secret(d.secret);
    access_hash(str_from(d.secret), d.token.hash);
    hex_encode(d.token.hash, HASH_SIZE, d.hash_hex);
    int64_t ttl = ttl_of(spec);
    d.token.expires_at = ttl ? clock_ms() + ttl : 0;
    d.token.session = strcmp(spec->kind, "session") == 0;
    fill_principal(&d.token.who, id_str(&d.id), str_from(spec->name), str_from(spec->project),
                   perms);
    *ret = d;
    return 0;
}

/* Tokens of attempts come and go with every step; the run's own events tell that story. */
static int tell(struct tx *tx, const char *verb, const char *token_id, const char *kind,
                const char *name, const char *project, struct err *err)
{
    if (strcmp(kind, "attempt") == 0)
        return 0;
    char event[64], subject[64];
    snprintf(event, sizeof(event), "%s.%s", strcmp(kind, "api") == 0 ? "token" : kind, verb);
    snprintf(subject, sizeof(subject), "token/%s", token_id);
    CLEANUP(json_freep) json_t *data = json_pack("{s:s}", "name", name);
    return tx_event(tx, project, event, subject, data, err);
}

int draft_insert(struct tx *tx, const struct draft *d, struct err *err)
{
    const struct token_spec *s = &d->spec;
    int64_t now = clock_ms();
    int rc =
        tx_exec(tx, err, "DELETE FROM tokens WHERE expires_at > 0 AND expires_at <= $1", "i", now);
    if (!rc)
        rc = tx_exec(tx, err,
                     "INSERT INTO tokens (id, kind, name, project, role, hash, created_at,"
                     " expires_at) VALUES ($1, $2, $3, $4, $5, $6, $7, $8)",
                     "ssssssii", d->id.s, s->kind, s->name, s->project, s->role, d->hash_hex, now,
                     d->token.expires_at);
    return rc ? rc : tell(tx, "created", d->id.s, s->kind, s->name, s->project, err);
}

static int insert(struct tx *tx, void *arg, struct err *err)
{
    return draft_insert(tx, arg, err);
}

static int check_room(struct access *a, struct err *err)
{
    pthread_mutex_lock(&a->change);
    bool room = a->live.n < LIVE_MAX;
    pthread_mutex_unlock(&a->change);
    return room ? 0
                : err_hint(err_set(err, E_TOOBIG, "%d tokens are live already", LIVE_MAX), err,
                           "revoke some, or give new ones an expiry");
}

int access_token_create(struct access *a, const struct token_spec *spec, char ret_id[33],
                        char ret_secret[TOKEN_MAX], struct err *err)
{
    struct draft d;
    int rc = draft_make(spec, &d, err);
    if (!rc)
        rc = check_room(a, err);
    if (!rc)
        rc = store_write(a->store, insert, &d, err);
    if (rc)
        return rc;
    if (strcmp(spec->kind, "link") != 0)
        access_add_live(a, &d.token);
    memcpy(ret_id, d.id.s, sizeof(d.id.s));
    memcpy(ret_secret, d.secret, sizeof(d.secret));
    OPENSSL_cleanse(d.secret, sizeof(d.secret));
    return 0;
}

struct revocation {
    const char *id;
    bool was_live; /* presentable until now, so the table must forget it */
};

static int delete_token(struct tx *tx, void *arg, struct err *err)
{
    struct revocation *x = arg;
    CLEANUP(rows_freep) struct rows *r = NULL;
    int rc = tx_one(tx, &r, err, "SELECT kind, name, project, expires_at FROM tokens WHERE id = $1",
                    "s", x->id);
    if (rc == E_NOTFOUND)
        return err_hint(err_set(err, E_NOTFOUND, "no token '%.80s'", x->id), err,
                        "list them with: tenon token list");
    if (rc)
        return rc;
    CLEANUP(freep) char *kind = xstrndup(rows_str(r, 0).p, rows_str(r, 0).n);
    CLEANUP(freep) char *name = xstrndup(rows_str(r, 1).p, rows_str(r, 1).n);
    CLEANUP(freep) char *project = xstrndup(rows_str(r, 2).p, rows_str(r, 2).n);
    int64_t expires_at = rows_i64(r, 3);
    x->was_live = strcmp(kind, "link") != 0 && (!expires_at || expires_at > clock_ms());
    rc = tx_exec(tx, err, "DELETE FROM tokens WHERE id = $1", "s", x->id);
    return rc ? rc : tell(tx, "revoked", x->id, kind, name, project, err);
}

int access_token_revoke(struct access *a, const char *token_id, struct err *err)
{
    struct revocation x = {.id = token_id};
    int rc = store_write(a->store, delete_token, &x, err);
    if (!rc && x.was_live)
        access_drop_live(a, token_id);
    return rc;
}

int access_token_revoke_secret(struct access *a, str secret, struct err *err)
{
    uint8_t hash[HASH_SIZE];
    char token_id[33] = "";
    access_hash(secret, hash);
    pthread_mutex_lock(&a->change);
    vec_each (&a->live, it) {
        if (CRYPTO_memcmp(it->hash, hash, sizeof(hash)) == 0)
            memcpy(token_id, it->who.id, sizeof(token_id));
    }
    pthread_mutex_unlock(&a->change);
    return token_id[0] ? access_token_revoke(a, token_id, err) : 0;
}

static int list(struct tx *tx, void *arg, struct err *err)
{
    json_t *array = arg;
    CLEANUP(rows_freep) struct rows *r = NULL;
    int rc = tx_query(tx, &r, err,
                      "SELECT id, name, project, role, kind, created_at, expires_at FROM tokens"
                      " WHERE expires_at = 0 OR expires_at > $1 ORDER BY created_at, id",
                      "i", clock_ms());
    if (rc)
        return rc;
    while ((rc = rows_next(r, err)) > 0) {
        int64_t expires_at = rows_i64(r, 6);
        json_array_append_new(
            array, json_pack("{s:o,s:o,s:o,s:o,s:o,s:I,s:o}", "id", json_strn(rows_str(r, 0)),
                             "name", json_strn(rows_str(r, 1)), "project",
                             json_strn(rows_str(r, 2)), "role", json_strn(rows_str(r, 3)), "kind",
                             json_strn(rows_str(r, 4)), "created_at", (json_int_t)rows_i64(r, 5),
                             "expires_at", expires_at ? json_integer(expires_at) : json_null()));
    }
    return -rc;
}

int access_token_list(struct access *a, json_t **ret, struct err *err)
{
    CLEANUP(json_freep) json_t *array = json_array();
    int rc = store_read(a->store, list, array, err);
    if (rc)
        return rc;
    *ret = array;
    array = NULL;
    return 0;
}

struct redemption {
    char link_hash[2 * HASH_SIZE + 1];
    struct draft session;
};

static int redeem(struct tx *tx, void *arg, struct err *err)
{
    struct redemption *x = arg;
    CLEANUP(rows_freep) struct rows *r = NULL;
    int rc = tx_one(tx, &r, err,
                    "SELECT id, name, project, role FROM tokens"
                    " WHERE hash = $1 AND kind = 'link' AND expires_at > $2",
                    "si", x->link_hash, clock_ms());
    if (rc == E_NOTFOUND)
        return err_hint(err_set(err, E_UNAUTHENTICATED,
                                "this link was used already, has expired or never existed"),
                        err, "make another with: tenon token link");
    if (rc)
        return rc;
    CLEANUP(freep) char *name = xstrndup(rows_str(r, 1).p, rows_str(r, 1).n);
    CLEANUP(freep) char *project = xstrndup(rows_str(r, 2).p, rows_str(r, 2).n);
    CLEANUP(freep) char *role = xstrndup(rows_str(r, 3).p, rows_str(r, 3).n);
    rc = tx_exec(tx, err, "DELETE FROM tokens WHERE id = $1", "v", rows_str(r, 0));
    if (!rc)
        rc = draft_make(&(struct token_spec){name, project, role, "session", 0}, &x->session, err);
    return rc ? rc : draft_insert(tx, &x->session, err);
}

int access_link_redeem(struct access *a, str link_secret, char ret_session[TOKEN_MAX],
                       struct err *err)
{
    struct redemption x = {0};
    uint8_t hash[HASH_SIZE];
    int rc = check_room(a, err);
    if (rc)
        return rc;
    access_hash(link_secret, hash);
    hex_encode(hash, HASH_SIZE, x.link_hash);
    rc = store_write(a->store, redeem, &x, err);
    if (rc)
        return rc;
    access_add_live(a, &x.session.token);
    memcpy(ret_session, x.session.secret, TOKEN_MAX);
    OPENSSL_cleanse(x.session.secret, TOKEN_MAX);
    return 0;
}

static int load(struct tx *tx, void *arg, struct err *err)
{
    struct access *a = arg;
    CLEANUP(rows_freep) struct rows *r = NULL;
    int rc = tx_query(tx, &r, err,
                      "SELECT id, name, project, role, kind, hash, expires_at FROM tokens"
                      " WHERE kind <> 'link' AND (expires_at = 0 OR expires_at > $1)",
                      "i", clock_ms());
    if (rc)
        return rc;
    while ((rc = rows_next(r, err)) > 0) {
        struct token t = {.expires_at = rows_i64(r, 6),
                          .session = str_is(rows_str(r, 4), "session")};
        unsigned perms;
        str hash = rows_str(r, 5);
        if (!role_perms(rows_str(r, 3), &perms) || hash.n != 2 * HASH_SIZE ||
            !hex_decode(hash, t.hash))
            continue; /* a role this program does not know grants nothing */
        fill_principal(&t.who, rows_str(r, 0), rows_str(r, 1), rows_str(r, 2), perms);
        *vec_push(&a->live) = t;
    }
    return -rc;
}

int access_load(struct access *a, struct err *err)
{
    return store_read(a->store, load, a, err);
}
