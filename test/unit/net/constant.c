/* SPDX-License-Identifier: Apache-2.0
 *
 * A server that answers a constant, for measuring what the data plane of net costs by itself:
 * constant [PORT [LOOPS]], until standard input ends.
 */
#include "net/net.h"

#include <stdio.h>
#include <unistd.h>

static int answer_constant(struct request *rq, void *ctx, struct err *err)
{
    (void)ctx, (void)err;
    buf_str(&rq->answer, S("{\"status\":\"ok\"}"));
    return 0;
}

static int answer_size(struct request *rq, void *ctx, struct err *err)
{
    (void)ctx, (void)err;
    buf_printf(&rq->answer, "{\"size\":%zu}", rq->body.n);
    return 0;
}

static const struct route routes[] = {
    {"GET", "/constant", ROUTE_FAST, PERM_NONE, 0, answer_constant, NULL, "", NULL},
    {"POST", "/size", ROUTE_FAST, PERM_NONE, 1 << 20, answer_size, NULL, "", NULL},
    {"GET", "/block", ROUTE_BLOCK, PERM_NONE, 0, answer_constant, NULL, "", NULL},
};

int main(int argc, char **argv)
{
    struct loops *loops = NULL;
    struct pool *pool = NULL;
    struct net *net = NULL;
    struct err err = {0};
    unsigned port = argc > 1 ? (unsigned)atoi(argv[1]) : 0;
    struct net_config config = {.host = "127.0.0.1",
                                .port = port,
                                .routes = routes,
                                .route_count = LENGTH(routes),
                                .spool_dir = "/tmp"};
    int rc = loops_start(argc > 2 ? (unsigned)atoi(argv[2]) : 1, &loops, &err);
    rc = rc ? rc : pool_new("block", 2, 1024, &pool, &err);
    config.pool = pool;
    rc = rc ? rc : net_start(loops, &config, &net, &err);
    if (rc) {
        fprintf(stderr, "%s\n", err.msg);
        return err_exit((enum errcode)rc);
    }
    printf("http://127.0.0.1:%u/constant\n", net_port(net));
    fflush(stdout);
    char byte;
    while (read(STDIN_FILENO, &byte, 1) > 0)
        ;
    net_drain(net, 1000);
    loops_stop(loops);
    net_free(net);
    pool_free(pool);
    loops_free(loops);
    return 0;
}
