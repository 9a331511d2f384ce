/* SPDX-License-Identifier: Apache-2.0
 *
 * /api/v1/models. Blocking pool.
 */
#include "api/api_int.h"

#include "model/model.h"

static int list(struct tx *tx, const struct json_read *q, json_t **ret, struct err *err)
{
    return model_list(tx, q->rq->who.project, ret, err);
}

int api_model_list(struct request *rq, void *ctx, struct err *err)
{
    return api_answer_read(ctx, rq, &(struct json_read){.fn = list}, "models", err);
}

static int versions(struct tx *tx, const struct json_read *q, json_t **ret, struct err *err)
{
    return model_versions(tx, q->rq->who.project, q->text, ret, err);
}

int api_model_versions(struct request *rq, void *ctx, struct err *err)
{
    struct json_read q = {.fn = versions, .text = param(rq, "name")};
    return api_answer_read(ctx, rq, &q, "versions", err);
}

static int version(struct tx *tx, const struct json_read *q, json_t **ret, struct err *err)
{
    int64_t number = 0;
    int rc =
        model_resolve(tx, q->rq->who.project, q->text, request_param(q->rq, "ref"), &number, err);
    return rc ? rc : model_version_get(tx, q->rq->who.project, q->text, number, ret, err);
}

int api_model_version(struct request *rq, void *ctx, struct err *err)
{
    struct json_read q = {.fn = version, .text = param(rq, "name")};
    return api_answer_read(ctx, rq, &q, NULL, err);
}

struct alias {
    const struct request *rq;
    const char *model, *alias;
    int64_t version;
};

static int set_alias(struct tx *tx, void *arg, struct err *err)
{
    const struct alias *a = arg;
    return model_set_alias(tx, a->rq->who.project, a->model, a->alias, a->version, err);
}

int api_model_alias(struct request *rq, void *ctx, struct err *err)
{
    static const char *const known[] = {"version", NULL};
    struct api *api = ctx;
    struct alias a = {.rq = rq, .model = param(rq, "name"), .alias = param(rq, "alias")};
    CLEANUP(json_freep) json_t *body = NULL;
    int rc = request_json(rq, &body, err);
    rc = rc ? rc : json_need_object(body, "the body", err);
    rc = rc ? rc : json_only(body, known, err);
    rc = rc ? rc : json_get_i64(body, "version", true, &a.version, err);
    rc = rc ? rc : store_write(api->store, set_alias, &a, err);
    if (rc)
        return rc;
    buf_puts(&rq->answer, "{}");
    return 0;
}

struct version_read {
    struct json_read q;
    json_t *version;
};

static int read_version(struct tx *tx, void *arg, struct err *err)
{
    struct version_read *v = arg;
    json_decref(v->version);
    v->version = NULL;
    return version(tx, &v->q, &v->version, err);
}

int api_model_download(struct request *rq, void *ctx, struct err *err)
{
    struct api *api = ctx;
    struct version_read v = {.q = {.rq = rq, .text = param(rq, "name")}};
    int rc = store_read(api->store, read_version, &v, err);
    CLEANUP(json_freep) json_t *found = v.version;
    if (rc)
        return rc;
    int fd;
    int64_t size;
    const char *digest = json_s(found, "digest");
    rc = blob_open(store_blobs(api->store), digest, &fd, &size, err);
    if (rc)
        return rc;
    request_set_header(rq, "Content-Disposition", "attachment; filename=\"model.onnx\"");
    return request_answer_file(rq, fd, size, "application/octet-stream",
                               arena_printf(rq->arena, "\"%s\"", digest), err);
}
