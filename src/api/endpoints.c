/* SPDX-License-Identifier: Apache-2.0
 *
 * /api/v1/endpoints and the server's own part of /v2. Predictions themselves are serve's handlers.
 */
#include "api/api_int.h"

int api_endpoint_list(struct request *rq, void *ctx, struct err *err)
{
    struct api *api = ctx;
    json_t *list = NULL;
    int rc = serve_list(api->serve, rq->who.project, &list, err);
    if (rc)
        return rc;
    CLEANUP(json_freep) json_t *answer = json_pack("{s:o}", "endpoints", list);
    return request_answer_json(rq, 200, answer);
}

int api_endpoint_get(struct request *rq, void *ctx, struct err *err)
{
    struct api *api = ctx;
    CLEANUP(json_freep) json_t *answer = NULL;
    int rc = serve_get(api->serve, rq->who.project, param(rq, "name"), &answer, err);
    return rc ? rc : request_answer_json(rq, 200, answer);
}

int api_endpoint_put(struct request *rq, void *ctx, struct err *err)
{
    static const char *const known[] = {"model", "version", NULL};
    struct api *api = ctx;
    str model, version = S("latest");
    CLEANUP(json_freep) json_t *body = NULL;
    int rc = request_json(rq, &body, err);
    rc = rc ? rc : json_need_object(body, "the body", err);
    rc = rc ? rc : json_only(body, known, err);
    rc = rc ? rc : json_get_str(body, "model", true, &model, err);
    rc = rc ? rc : json_get_str(body, "version", false, &version, err);
    rc = rc ? rc
            : serve_deploy(api->serve, rq->who.project, param(rq, "name"),
                           arena_cstr(rq->arena, model), version, rq->who.name, err);
    return rc ? rc : api_endpoint_get(rq, ctx, err);
}

int api_endpoint_delete(struct request *rq, void *ctx, struct err *err)
{
    struct api *api = ctx;
    int rc = serve_remove(api->serve, rq->who.project, param(rq, "name"), err);
    if (rc)
        return rc;
    buf_puts(&rq->answer, "{}");
    return 0;
}

int api_v2_server(struct request *rq, void *ctx, struct err *err)
{
    (void)ctx, (void)err;
    buf_puts(&rq->answer,
             "{\"name\":\"tenon\",\"version\":\"" TENON_VERSION "\",\"extensions\":[]}");
    request_answer(rq);
    return 0;
}

int api_v2_live(struct request *rq, void *ctx, struct err *err)
{
    (void)ctx, (void)err;
    buf_puts(&rq->answer, "{\"live\":true}");
    request_answer(rq);
    return 0;
}

int api_v2_ready(struct request *rq, void *ctx, struct err *err)
{
    struct api *api = ctx;
    (void)err;
    rq->status = serve_all_ready(api->serve) ? 200 : 400;
    if (rq->status == 200)
        buf_puts(&rq->answer, "{\"ready\":true}");
    request_answer(rq);
    return 0;
}
