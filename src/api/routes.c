/* SPDX-License-Identifier: Apache-2.0
 *
 * Every path this server answers, what it needs, and who may call it. Adding a feature to a door is
 * a line here and a handler; nothing answers that is not in this table.
 */
#include "api/api_int.h"

enum { KB = 1024, MB = 1024 * 1024 };

/* A permission is a set of bits of which the caller needs one. */
#define READ_OR_PREDICT (enum perm)(PERM_READ | PERM_PREDICT)
#define ERROR_V2 serve_error_shape

/* clang-format off */
static const struct route table[] = {
    /* method, pattern, kind, permission, largest body, handler, (ctx), summary, error shape */
    {"GET", "/healthz", ROUTE_FAST, PERM_NONE, 0, api_healthz, NULL, "The process turns.", NULL},
    {"GET", "/readyz", ROUTE_BLOCK, PERM_NONE, 0, api_readyz, NULL, "Everything needed is there.", NULL},
    {"GET", "/api/v1/status", ROUTE_BLOCK, PERM_READ, 0, api_status, NULL, "Server, storage and counts.", NULL},
    {"GET", "/api/v1/events", ROUTE_BLOCK, PERM_READ, 0, api_events, NULL, "The event log as server-sent events.", NULL},

    {"POST", "/api/v1/session", ROUTE_BLOCK, PERM_NONE, 4 * KB, api_session_create, NULL, "Redeem a one-time link.", NULL},
    {"GET", "/api/v1/session", ROUTE_BLOCK, PERM_READ, 0, api_session_get, NULL, "Who am I?", NULL},
    {"DELETE", "/api/v1/session", ROUTE_BLOCK, PERM_READ, 0, api_session_delete, NULL, "Sign out.", NULL},
    {"POST", "/api/v1/links", ROUTE_BLOCK, PERM_ADMIN, 4 * KB, api_link_create, NULL, "Make a one-time console link.", NULL},
    {"GET", "/api/v1/tokens", ROUTE_BLOCK, PERM_ADMIN, 0, api_token_list, NULL, "List tokens.", NULL},
    {"POST", "/api/v1/tokens", ROUTE_BLOCK, PERM_ADMIN, 4 * KB, api_token_create, NULL, "Make a token.", NULL},
    {"DELETE", "/api/v1/tokens/{id:id}", ROUTE_BLOCK, PERM_ADMIN, 0, api_token_revoke, NULL, "Revoke a token.", NULL},

    {"POST", "/api/v1/blobs", ROUTE_UPLOAD, PERM_WRITE, (size_t)64 * 1024 * MB, api_blob_put, NULL, "Upload a file.", NULL},
    {"GET", "/api/v1/blobs/{digest:digest}", ROUTE_BLOCK, PERM_READ, 0, api_blob_get, NULL, "Download a file by digest.", NULL},

    {"GET", "/api/v1/datasets", ROUTE_BLOCK, PERM_READ, 0, api_dataset_list, NULL, "List datasets.", NULL},
    {"GET", "/api/v1/datasets/{name}", ROUTE_BLOCK, PERM_READ, 0, api_dataset_get, NULL, "One dataset version.", NULL},
    {"GET", "/api/v1/datasets/{name}/versions", ROUTE_BLOCK, PERM_READ, 0, api_dataset_versions, NULL, "Versions of a dataset.", NULL},

    {"POST", "/api/v1/runs", ROUTE_BLOCK, PERM_WRITE, 8 * MB, api_run_submit, NULL, "Run a pipeline.", NULL},
    {"GET", "/api/v1/runs", ROUTE_BLOCK, PERM_READ, 0, api_run_list, NULL, "List runs.", NULL},
    {"GET", "/api/v1/runs/{id:id}", ROUTE_BLOCK, PERM_READ, 0, api_run_get, NULL, "One run with its steps.", NULL},
    {"POST", "/api/v1/runs/{id:id}/cancel", ROUTE_BLOCK, PERM_WRITE, 4 * KB, api_run_cancel, NULL, "Cancel a run.", NULL},
    {"GET", "/api/v1/runs/{id:id}/steps/{step}/log", ROUTE_BLOCK, PERM_READ, 0, api_run_log, NULL, "A step's log, followed if asked.", NULL},
    {"GET", "/api/v1/runs/{id:id}/tracking", ROUTE_BLOCK, PERM_READ, 0, api_run_tracking, NULL, "Parameters and metrics of a run.", NULL},

    {"GET", "/api/v1/models", ROUTE_BLOCK, PERM_READ, 0, api_model_list, NULL, "List models.", NULL},
    {"GET", "/api/v1/models/{name}/versions", ROUTE_BLOCK, PERM_READ, 0, api_model_versions, NULL, "Versions of a model.", NULL},
    {"GET", "/api/v1/models/{name}/versions/{ref:ref}", ROUTE_BLOCK, PERM_READ, 0, api_model_version, NULL, "One model version.", NULL},
    {"GET", "/api/v1/models/{name}/versions/{ref:ref}/download", ROUTE_BLOCK, PERM_READ, 0, api_model_download, NULL, "Download a version's ONNX file.", NULL},
    {"PUT", "/api/v1/models/{name}/aliases/{alias}", ROUTE_BLOCK, PERM_WRITE, 4 * KB, api_model_alias, NULL, "Point an alias at a version.", NULL},

    {"GET", "/api/v1/endpoints", ROUTE_BLOCK, PERM_READ, 0, api_endpoint_list, NULL, "List endpoints.", NULL},
    {"GET", "/api/v1/endpoints/{name}", ROUTE_BLOCK, PERM_READ, 0, api_endpoint_get, NULL, "One endpoint.", NULL},
    {"PUT", "/api/v1/endpoints/{name}", ROUTE_BLOCK, PERM_WRITE, 4 * KB, api_endpoint_put, NULL, "Create or change an endpoint.", NULL},
    {"DELETE", "/api/v1/endpoints/{name}", ROUTE_BLOCK, PERM_WRITE, 0, api_endpoint_delete, NULL, "Remove an endpoint.", NULL},

    {"GET", "/v2", ROUTE_FAST, PERM_NONE, 0, api_v2_server, NULL, "Server metadata.", ERROR_V2},
    {"GET", "/v2/health/live", ROUTE_FAST, PERM_NONE, 0, api_v2_live, NULL, "Liveness.", ERROR_V2},
    {"GET", "/v2/health/ready", ROUTE_FAST, PERM_NONE, 0, api_v2_ready, NULL, "Readiness.", ERROR_V2},
    {"GET", "/v2/models/{name}", ROUTE_FAST, READ_OR_PREDICT, 0, serve_metadata, NULL, "Model metadata.", ERROR_V2},
    {"GET", "/v2/models/{name}/ready", ROUTE_FAST, READ_OR_PREDICT, 0, serve_ready, NULL, "Model readiness.", ERROR_V2},
    {"GET", "/v2/models/{name}/versions/{n:int}", ROUTE_FAST, READ_OR_PREDICT, 0, serve_metadata, NULL, "Metadata of a served version.", ERROR_V2},
    {"GET", "/v2/models/{name}/versions/{n:int}/ready", ROUTE_FAST, READ_OR_PREDICT, 0, serve_ready, NULL, "Readiness of a served version.", ERROR_V2},
    {"POST", "/v2/models/{name}/infer", ROUTE_FAST, PERM_PREDICT, 64 * MB, serve_infer, NULL, "Tensors in, tensors out.", ERROR_V2},
    {"POST", "/v2/models/{name}/versions/{n:int}/infer", ROUTE_FAST, PERM_PREDICT, 64 * MB, serve_infer, NULL, "Tensors in, tensors out, of a served version.", ERROR_V2},
    {"POST", "/v2/models/{name}/invocations", ROUTE_FAST, PERM_PREDICT, 64 * MB, serve_invocations, NULL, "Rows of named columns in, predictions out.", ERROR_V2},

    {"GET", "/", ROUTE_FAST, PERM_NONE, 0, api_console_page, NULL, "The console.", NULL},
    {"GET", "/console", ROUTE_FAST, PERM_NONE, 0, api_console_page, NULL, "The console.", NULL},
    {"GET", "/console/{rest:path}", ROUTE_FAST, PERM_NONE, 0, api_console_page, NULL, "The console.", NULL},
    {"GET", "/assets/{rest:path}", ROUTE_FAST, PERM_NONE, 0, api_console_asset, NULL, "The console's files.", NULL},
};
/* clang-format on */

struct route *api_routes(struct api *api, size_t *ret_n)
{
    struct route *routes = xcalloc(LENGTH(table), sizeof(*routes));
    memcpy(routes, table, sizeof(table));
    for (size_t i = 0; i < LENGTH(table); i++) {
        bool data_plane = routes[i].handler == serve_infer ||
                          routes[i].handler == serve_invocations ||
                          routes[i].handler == serve_metadata || routes[i].handler == serve_ready;
        routes[i].ctx = data_plane ? (void *)api->serve : (void *)api;
    }
    *ret_n = LENGTH(table);
    return routes;
}
