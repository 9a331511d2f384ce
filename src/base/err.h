/* SPDX-License-Identifier: Apache-2.0
 *
 * One way to fail: return a code, explain in `struct err`.
 *
 * A function that can fail returns int (0 or a code below) and takes `struct err *` last. The error
 * says what is wrong and where in `msg`, and what to do next in `hint`. The table of codes carries
 * what each door needs: HTTP status, gRPC status, process exit status. `err` may be NULL where the
 * caller only wants the code. Library code never logs; the root of the work logs the err once.
 *
 *     if (!model)
 *         return err_hint(err_set(err, E_NOTFOUND, "no model '%.*s'", STR(name)), err,
 *                         "list them with: tenon model list");
 */
#ifndef TENON_BASE_ERR_H
#define TENON_BASE_ERR_H

#include "base/mem.h"

/*        code           name               HTTP  gRPC  exit */
#define ERR_TABLE(X)                                                                               \
    X(E_INVALID, "invalid", 400, 3, 2)                  /* the request does not make sense */      \
    X(E_UNAUTHENTICATED, "unauthenticated", 401, 16, 4) /* no or unknown credential */             \
    X(E_FORBIDDEN, "forbidden", 403, 7, 4)              /* known, but not allowed */               \
    X(E_NOTFOUND, "not_found", 404, 5, 3)                                                          \
    X(E_METHOD, "method_not_allowed", 405, 12, 2)                                                  \
    X(E_TIMEOUT, "timeout", 408, 4, 5)                                                             \
    X(E_CONFLICT, "conflict", 409, 10, 6)       /* exists, or state forbids it now */              \
    X(E_TOOBIG, "too_big", 413, 8, 2)           /* over a stated bound */                          \
    X(E_TYPE, "unsupported_type", 415, 3, 2)    /* content type not accepted */                    \
    X(E_RANGE, "range", 416, 11, 2)             /* range cannot be satisfied */                    \
    X(E_BUSY, "busy", 503, 14, 5)               /* a bounded queue is full: retry */               \
    X(E_UNAVAILABLE, "unavailable", 503, 14, 5) /* not ready, or a part is missing */              \
    X(E_READONLY, "read_only", 503, 14, 5)      /* storage failed: nothing is written */           \
    X(E_UNSUPPORTED, "unsupported", 501, 12, 2)                                                    \
    X(E_CANCELLED, "cancelled", 499, 1, 7)                                                         \
    X(E_IO, "io", 500, 13, 1)             /* disk, network or child process */                     \
    X(E_CORRUPT, "corrupt", 500, 15, 1)   /* stored bytes are not what was written */              \
    X(E_INTERNAL, "internal", 500, 13, 1) /* a defect of ours */

enum errcode {
    E_OK = 0,
#define X(code, name, http, grpc, exit) code,
    ERR_TABLE(X)
#undef X
};

struct err {
    enum errcode code;
    char msg[1024];
    char hint[256]; /* empty if there is nothing to suggest */
};

/* Sets code and message (cut to fit), clears the hint; returns the code. Control characters in the
 * message become '?', so a hostile name cannot forge a log line. */
int err_set(struct err *err, enum errcode code, const char *fmt, ...) PRINTF(3, 4);
/* Sets the hint; returns code unchanged so that it composes with err_set. */
int err_hint(int code, struct err *err, const char *fmt, ...) PRINTF(3, 4);
/* Puts "context: " in front of the message; returns err's code. */
int err_wrap(struct err *err, const char *fmt, ...) PRINTF(2, 3);
/* From errno: "what: No such file or directory"; ENOSPC, EACCES and friends get fitting codes. */
int err_errno(struct err *err, int errnum, const char *fmt, ...) PRINTF(3, 4);

const char *err_name(enum errcode code);
int err_http(enum errcode code);
int err_grpc(enum errcode code);
int err_exit(enum errcode code);
enum errcode err_from_name(const char *name); /* E_INTERNAL if unknown */

#endif
