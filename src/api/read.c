/* SPDX-License-Identifier: Apache-2.0
 *
 * The shape most answers have: one snapshot read that yields one JSON value. Blocking pool.
 */
#include "api/api_int.h"

static int run_read(struct tx *tx, void *arg, struct err *err)
{
    struct json_read *q = arg;
    json_decref(q->value);
    q->value = NULL;
    return q->fn(tx, q, &q->value, err);
}

int api_answer_read(struct api *api, struct request *rq, struct json_read *q, const char *member,
                    struct err *err)
{
    q->rq = rq;
    int rc = store_read(api->store, run_read, q, err);
    if (rc) {
        json_decref(q->value);
        return rc;
    }
    CLEANUP(json_freep) json_t *answer = q->value;
    if (member)
        answer = json_pack("{s:o}", member, q->value);
    return request_answer_json(rq, 200, answer);
}
