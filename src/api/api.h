/* SPDX-License-Identifier: Apache-2.0
 *
 * The doors: one file per resource or protocol, and the one table of routes.
 *
 * A handler checks its arguments, calls one room, and turns the answer into JSON; whatever is longer
 * than that belongs into the room. docs/api.md is the contract, and routes.c is the only place that
 * says which permission a path needs. The walk through the table in test/api proves that nothing
 * answers without one.
 *
 * Threads: handlers of ROUTE_BLOCK and ROUTE_UPLOAD run on net's pool, those of ROUTE_FAST on loops.
 */
#ifndef TENON_API_API_H
#define TENON_API_API_H

#include "access/access.h"
#include "net/net.h"
#include "pipeline/pipeline.h"
#include "serve/serve.h"
#include "store/store.h"

/* Everything a handler may need, filled by main.c before net starts; never changed afterwards but
 * for `url`, which is known once the port is. */
struct api {
    struct store *store;
    struct access *access;
    struct engine *engine;
    struct serve *serve;
    struct net *net;
    const char *data_dir;
    char url[128];
    int64_t started_ms;
};

/* The table, with ctx set to api (or to serve for the data plane). malloc'ed; api must outlive it. */
struct route *api_routes(struct api *api, size_t *ret_n);

#endif
