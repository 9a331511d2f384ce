/* SPDX-License-Identifier: Apache-2.0
 *
 * A server with routes of every kind on a free port, and a client that speaks raw bytes, so that a
 * test can say exactly what goes over the wire. A peer that does not answer within ten seconds
 * fails the test instead of hanging it.
 */
#ifndef TENON_TEST_NET_HARNESS_H
#define TENON_TEST_NET_HARNESS_H

#include "net/net.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <string.h>

struct server {
    struct loops *loops;
    struct pool *pool;
    struct net *net;
    unsigned port;
    char url[64];
};

enum { ECHO_MAX = 1 << 20, UPLOAD_MAX = 64 << 20, FILE_SIZE = 3 * 1000 * 1000 };

/* Fields of config that are 0 get values that suit tests. */
struct server *server_start(const struct net_config *config, unsigned pool_queue);
void server_stop(struct server *s);
/* What /gate routes wait for, and a count of those that have come. */
void gate_reset(void);
void gate_await(unsigned n);
void gate_open(unsigned n);
unsigned streams_closed(void);
void event_add(void); /* one more event for /events */

int dial(const struct server *s);
void say(int fd, const char *text); /* fails the test if the peer does not take it */
void say_n(int fd, const void *p, size_t n);
/* One answer: status line and fields in head, the body decoded (length, chunks or the end). */
struct answer {
    int status;
    char head[16384];
    char *body;
    size_t n;
};
void hear(int fd, struct answer *ret);      /* of anything but HEAD */
void hear_head(int fd, struct answer *ret); /* fields only */
void answer_free(struct answer *a);
const char *field(const struct answer *a, const char *name, char *ret, size_t size);
bool heard_end(int fd); /* the peer has closed: true; sent more: false */

/* Says text on a new connection and checks what comes back. */
void expect(const struct server *s, const char *text, int status, const char *body_part);

#define GET(path) "GET " path " HTTP/1.1\r\nHost: localhost\r\n\r\n"

#endif
