/* SPDX-License-Identifier: Apache-2.0
 *
 * Handlers of the route table, and what they share. Private to api/.
 */
#ifndef TENON_API_INT_H
#define TENON_API_INT_H

#include "api/api.h"

#include <string.h>

/* X-macro-free on purpose: routes.c names each handler once, the compiler checks that it exists. */
int api_healthz(struct request *rq, void *ctx, struct err *err);
int api_readyz(struct request *rq, void *ctx, struct err *err);
int api_status(struct request *rq, void *ctx, struct err *err);
int api_events(struct request *rq, void *ctx, struct err *err);

int api_session_create(struct request *rq, void *ctx, struct err *err);
int api_session_get(struct request *rq, void *ctx, struct err *err);
int api_session_delete(struct request *rq, void *ctx, struct err *err);
int api_link_create(struct request *rq, void *ctx, struct err *err);
int api_token_list(struct request *rq, void *ctx, struct err *err);
int api_token_create(struct request *rq, void *ctx, struct err *err);
int api_token_revoke(struct request *rq, void *ctx, struct err *err);

int api_blob_put(struct request *rq, void *ctx, struct err *err);
int api_blob_get(struct request *rq, void *ctx, struct err *err);

int api_dataset_list(struct request *rq, void *ctx, struct err *err);
int api_dataset_get(struct request *rq, void *ctx, struct err *err);
int api_dataset_versions(struct request *rq, void *ctx, struct err *err);

int api_run_submit(struct request *rq, void *ctx, struct err *err);
int api_run_list(struct request *rq, void *ctx, struct err *err);
int api_run_get(struct request *rq, void *ctx, struct err *err);
int api_run_cancel(struct request *rq, void *ctx, struct err *err);
int api_run_log(struct request *rq, void *ctx, struct err *err);
int api_run_tracking(struct request *rq, void *ctx, struct err *err);

int api_model_list(struct request *rq, void *ctx, struct err *err);
int api_model_versions(struct request *rq, void *ctx, struct err *err);
int api_model_version(struct request *rq, void *ctx, struct err *err);
int api_model_alias(struct request *rq, void *ctx, struct err *err);
int api_model_download(struct request *rq, void *ctx, struct err *err);

int api_endpoint_list(struct request *rq, void *ctx, struct err *err);
int api_endpoint_get(struct request *rq, void *ctx, struct err *err);
int api_endpoint_put(struct request *rq, void *ctx, struct err *err);
int api_endpoint_delete(struct request *rq, void *ctx, struct err *err);

int api_v2_server(struct request *rq, void *ctx, struct err *err);
int api_v2_live(struct request *rq, void *ctx, struct err *err);
int api_v2_ready(struct request *rq, void *ctx, struct err *err);

int api_console_page(struct request *rq, void *ctx, struct err *err);
int api_console_asset(struct request *rq, void *ctx, struct err *err);

/* A read of one JSON value: fn puts it into the arena-free *ret; the answer is {member: value}, or
 * the value itself when member is NULL. */
struct json_read {
    const struct request *rq;
    int (*fn)(struct tx *tx, const struct json_read *q, json_t **ret, struct err *err);
    json_t *value;
    int64_t number; /* for fn: a limit, a version */
    const char *text;
};
int api_answer_read(struct api *api, struct request *rq, struct json_read *q, const char *member,
                    struct err *err);

/* A path parameter as a C string in the request's arena. */
static inline const char *param(const struct request *rq, const char *name)
{
    return arena_cstr(rq->arena, request_param(rq, name));
}

#endif
