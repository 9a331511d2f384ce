/* SPDX-License-Identifier: Apache-2.0
 *
 * Endpoints: a name that answers predictions, and the model version behind it.
 *
 * An endpoint is a row; the set of loaded endpoints is one immutable table that loops read without
 * a lock and that every change replaces (loops_retire). Changing the version loads and warms the
 * new session first, then swaps the table: a request sees the old version or the new one, never
 * none.
 *
 * Tick batching: requests for one endpoint that arrive in the same turn of a loop are parsed
 * straight into the rows of one input batch; at the end of the turn (loop_defer) the batch runs
 * once, inline if the warm-up measured the model as cheap, else on the endpoint's instance threads,
 * and each request gets its rows of the outputs. A model without a free first dimension runs one by
 * one.
 *
 * Threads: serve_infer on loops; the rest blocks.
 */
#ifndef TENON_SERVE_SERVE_H
#define TENON_SERVE_SERVE_H

#include "infer/infer.h"
#include "net/net.h"
#include "store/store.h"

struct serve;

int serve_open(struct store *s, struct loops *loops, struct serve **ret, struct err *err);
void serve_close(struct serve *s); /* after net_drain, before loops_stop */

/* Creates or changes an endpoint; returns when the version is loaded, warmed and durable.
 * ref: "7", "@alias", "latest". */
int serve_deploy(struct serve *s, const char *project, const char *endpoint, const char *model,
                 str ref, const char *who, struct err *err);
int serve_remove(struct serve *s, const char *project, const char *endpoint, struct err *err);
/* {"name","model","version","state":"ready|loading|failed","reason","signature","inline":bool,
 *  "requests","failures","rows","batches","mean_us"} */
int serve_list(struct serve *s, const char *project, json_t **ret, struct err *err);
int serve_get(struct serve *s, const char *project, const char *endpoint, json_t **ret,
              struct err *err);

/* Handlers of the data plane (ROUTE_FAST; ctx is the struct serve). {name} selects the endpoint. */
int serve_infer(struct request *rq, void *serve, struct err *err);       /* POST …/infer */
int serve_invocations(struct request *rq, void *serve, struct err *err); /* POST …/invocations */
int serve_metadata(struct request *rq, void *serve, struct err *err);    /* GET /v2/models/{name} */
int serve_ready(struct request *rq, void *serve, struct err *err);       /* GET …/ready */
bool serve_all_ready(struct serve *s); /* no endpoint is loading; loops too */
/* Version of ONNX Runtime, or NULL while no model has needed it. */
const char *serve_runtime(struct serve *s);
/* {"error":"text"}, with the hint behind the text: what clients of this protocol read. For the
 * route table's error_shape. */
void serve_error_shape(struct buf *b, const struct err *err);

/* SQL of this room's tables, as main.c lists it among the migrations (store.h). */
extern const char serve_schema_1[];

#endif
