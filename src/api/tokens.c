/* SPDX-License-Identifier: Apache-2.0
 *
 * /api/v1/session, /links and /tokens: signing in, and the tokens of programs. Blocking pool.
 */
#include "api/api_int.h"

#include "sys/clock.h"

enum { LINK_MS = 30 * 60 * 1000, SESSION_S = 12 * 3600 };

static const struct {
    unsigned bit;
    const char *name;
} perm_names[] = {
    {PERM_READ, "read"}, {PERM_WRITE, "write"}, {PERM_PREDICT, "predict"}, {PERM_ADMIN, "admin"}};

int api_session_get(struct request *rq, void *ctx, struct err *err)
{
    (void)ctx, (void)err;
    json_t *perms = json_array();
    for (size_t i = 0; i < LENGTH(perm_names); i++)
        if (rq->who.perms & perm_names[i].bit)
            json_array_append_new(perms, json_string(perm_names[i].name));
    CLEANUP(json_freep)
    json_t *answer = json_pack("{s:s,s:s,s:o}", "name", rq->who.name, "project", rq->who.project,
                               "perms", perms);
    return request_answer_json(rq, 200, answer);
}

int api_session_create(struct request *rq, void *ctx, struct err *err)
{
    static const char *const known[] = {"link", NULL};
    struct api *api = ctx;
    str link;
    char session[TOKEN_MAX];
    CLEANUP(json_freep) json_t *body = NULL;
    int rc = request_json(rq, &body, err);
    rc = rc ? rc : json_need_object(body, "the body", err);
    rc = rc ? rc : json_only(body, known, err);
    rc = rc ? rc : json_get_str(body, "link", true, &link, err);
    rc = rc ? rc : access_link_redeem(api->access, link, session, err);
    if (rc)
        return rc;
    request_set_header(
        rq, "Set-Cookie",
        arena_printf(rq->arena, "tenon_session=%s; Path=/; HttpOnly; SameSite=Strict; Max-Age=%d",
                     session, SESSION_S));
    buf_puts(&rq->answer, "{}");
    return 0;
}

int api_session_delete(struct request *rq, void *ctx, struct err *err)
{
    struct api *api = ctx;
    int rc = 0;
    /* Only the session ends: a program's token that calls this stays alive. */
    if (request_header(rq, "Authorization").p == NULL)
        rc = access_token_revoke(api->access, rq->who.id, err);
    if (rc)
        return rc;
    request_set_header(rq, "Set-Cookie",
                       "tenon_session=; Path=/; HttpOnly; SameSite=Strict; Max-Age=0");
    buf_puts(&rq->answer, "{}");
    return 0;
}

int api_link_create(struct request *rq, void *ctx, struct err *err)
{
    struct api *api = ctx;
    char token_id[33], secret[TOKEN_MAX];
    struct token_spec spec = {.name = rq->who.name,
                              .project = rq->who.project,
                              .role = "owner",
                              .kind = "link",
                              .ttl_ms = LINK_MS};
    int rc = access_token_create(api->access, &spec, token_id, secret, err);
    if (rc)
        return rc;
    CLEANUP(json_freep)
    json_t *answer =
        json_pack("{s:s,s:I}", "url", arena_printf(rq->arena, "%s/#link=%s", api->url, secret),
                  "expires_at", (json_int_t)(clock_ms() + LINK_MS));
    return request_answer_json(rq, 201, answer);
}

int api_token_list(struct request *rq, void *ctx, struct err *err)
{
    struct api *api = ctx;
    json_t *list = NULL;
    int rc = access_token_list(api->access, &list, err);
    if (rc)
        return rc;
    CLEANUP(json_freep) json_t *answer = json_pack("{s:o}", "tokens", list);
    return request_answer_json(rq, 200, answer);
}

int api_token_create(struct request *rq, void *ctx, struct err *err)
{
    static const char *const known[] = {"name", "role", "ttl_s", NULL};
    struct api *api = ctx;
    str name, role = S("reader");
    int64_t ttl_s = 0;
    CLEANUP(json_freep) json_t *body = NULL;
    int rc = request_json(rq, &body, err);
    rc = rc ? rc : json_need_object(body, "the body", err);
    rc = rc ? rc : json_only(body, known, err);
    rc = rc ? rc : json_get_str(body, "name", true, &name, err);
    rc = rc ? rc : json_get_str(body, "role", false, &role, err);
    rc = rc ? rc : json_get_i64(body, "ttl_s", false, &ttl_s, err);
    if (!rc && (ttl_s < 0 || ttl_s > (int64_t)10 * 366 * 86400))
        rc = err_set(err, E_INVALID, "'ttl_s' must be between 0 (no end) and ten years");
    if (rc)
        return rc;
    struct token_spec spec = {.name = arena_cstr(rq->arena, name),
                              .project = rq->who.project,
                              .role = arena_cstr(rq->arena, role),
                              .kind = "api",
                              .ttl_ms = ttl_s * 1000};
    char token_id[33], secret[TOKEN_MAX];
    rc = access_token_create(api->access, &spec, token_id, secret, err);
    if (rc)
        return rc;
    CLEANUP(json_freep) json_t *answer = json_pack("{s:s,s:s}", "id", token_id, "secret", secret);
    return request_answer_json(rq, 201, answer);
}

int api_token_revoke(struct request *rq, void *ctx, struct err *err)
{
    struct api *api = ctx;
    int rc = access_token_revoke(api->access, param(rq, "id"), err);
    if (rc)
        return rc;
    buf_puts(&rq->answer, "{}");
    return 0;
}
