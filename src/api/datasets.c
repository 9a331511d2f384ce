/* SPDX-License-Identifier: Apache-2.0
 *
 * /api/v1/datasets. Blocking pool.
 */
#include "api/api_int.h"

#include "data/data.h"

static int list(struct tx *tx, const struct json_read *q, json_t **ret, struct err *err)
{
    return data_list(tx, q->rq->who.project, ret, err);
}

int api_dataset_list(struct request *rq, void *ctx, struct err *err)
{
    return api_answer_read(ctx, rq, &(struct json_read){.fn = list}, "datasets", err);
}

static int get(struct tx *tx, const struct json_read *q, json_t **ret, struct err *err)
{
    return data_version_get(tx, q->rq->who.project, q->text, q->number, ret, err);
}

int api_dataset_get(struct request *rq, void *ctx, struct err *err)
{
    struct json_read q = {.fn = get, .text = param(rq, "name")};
    int rc = request_query_i64(rq, "version", -1, 0, INT64_MAX, &q.number, err);
    return rc ? rc : api_answer_read(ctx, rq, &q, NULL, err);
}

static int versions(struct tx *tx, const struct json_read *q, json_t **ret, struct err *err)
{
    return data_versions(tx, q->rq->who.project, q->text, ret, err);
}

int api_dataset_versions(struct request *rq, void *ctx, struct err *err)
{
    struct json_read q = {.fn = versions, .text = param(rq, "name")};
    return api_answer_read(ctx, rq, &q, "versions", err);
}
