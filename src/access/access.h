/* SPDX-License-Identifier: Apache-2.0
 *
 * Who may do what. Deny by default.
 *
 * Tokens are random 256-bit secrets shown once ("tn_" + base64url) and stored as SHA-256, which is
 * enough for a secret nobody could guess; passwords come with users. All live tokens are kept in
 * one immutable table; loops read it without a lock and whoever changes it publishes a new one
 * (loops_retire). A token has a project, a role and an expiry:
 *
 *   owner    read, write, predict, admin
 *   editor   read, write, predict
 *   reader   read
 *   caller   predict
 *
 * First start writes the owner's token to DATA/owner.token (0600) and a one-time console link
 * valid for 30 minutes; redeeming it makes a session (a token of kind "session", 12 hours) that
 * travels in an HttpOnly, SameSite=Strict cookie. A link works once; `tenon token link` makes more.
 * Steps get a token of their own (kind "attempt") that its time ends, whatever becomes of the step.
 *
 * A credential has one place: API and attempt tokens come as bearer, sessions only in the cookie
 * "tenon_session", links only to be redeemed. A wrong bearer is refused; a stale cookie makes the
 * caller nobody.
 *
 * The owner's token is made on the first start only. If its file is lost later, nothing silently
 * makes another.
 *
 * identify runs on loops and never blocks; everything else may block.
 */
#ifndef TENON_ACCESS_ACCESS_H
#define TENON_ACCESS_ACCESS_H

#include "net/net.h"
#include "store/store.h"

struct access;

#define ROLE_TABLE(X)                                                                              \
    X(owner, PERM_NONE | PERM_READ | PERM_WRITE | PERM_PREDICT | PERM_ADMIN)                       \
    X(editor, PERM_NONE | PERM_READ | PERM_WRITE | PERM_PREDICT)                                   \
    X(reader, PERM_NONE | PERM_READ)                                                               \
    X(caller, PERM_NONE | PERM_PREDICT)

int access_open(struct store *s, struct loops *loops, const char *data_dir, struct access **ret,
                struct err *err);    /* makes owner.token on first start */
void access_close(struct access *a); /* once no door is open any more; NULL is fine */
struct gate access_gate(struct access *a);

#define TOKEN_MAX 64 /* bytes of a secret with its NUL */
struct token_spec {
    const char *name, *project, *role, *kind; /* kind: "api", "session", "attempt", "link" */
    int64_t ttl_ms; /* 0 = does not expire; a link then lives 30 minutes, a session 12 hours */
};
/* Usable by every loop when it returns. E_INVALID for a senseless spec (with "did you mean"). */
int access_token_create(struct access *a, const struct token_spec *spec, char ret_id[33],
                        char ret_secret[TOKEN_MAX], struct err *err);
/* Refused by every loop from its next callback on. E_NOTFOUND. Also ends sessions and links. */
int access_token_revoke(struct access *a, const char *id, struct err *err);
/* The same by its secret; 0 if no live token has it (any more). */
int access_token_revoke_secret(struct access *a, str secret, struct err *err);
/* Array of {id,name,project,role,kind,created_at,expires_at (null = never)}, oldest first; never a
 * secret or its hash. */
int access_token_list(struct access *a, json_t **ret, struct err *err);
/* A link secret, once, for a session secret. */
int access_link_redeem(struct access *a, str link_secret, char ret_session[TOKEN_MAX],
                       struct err *err);

/* SQL of this room's tables, as main.c lists it among the migrations (store.h). */
extern const char access_schema_1[];

#endif
