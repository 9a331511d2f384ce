/* SPDX-License-Identifier: Apache-2.0
 *
 * What the files of this room share.
 *
 *   serve.c    opening, closing, the list: control threads
 *   deploy.c   a version becomes an endpoint's: control threads
 *   roster.c   the published set of endpoints
 *   load.c     a version's bytes become a loaded, measured model
 *   lane.c     requests of one model on one loop become batches
 *   doors.c    the handlers on loops
 */
#ifndef TENON_SERVE_SERVE_INT_H
#define TENON_SERVE_SERVE_INT_H

#include "base/vec.h"
#include "serve/contract.h"
#include "serve/serve.h"

#include <pthread.h>
#include <stdatomic.h>

/* Counters of one endpoint on one loop: written by that loop alone, read by anyone. They outlive
 * versions. A cache line each, so that loops do not share any. */
struct tally {
    _Alignas(64) atomic_ullong requests;
    atomic_ullong failures, rows, batches, ns; /* ns: from a request's reading to its answer */
};

struct tallies {
    atomic_uint refs;
    unsigned n;
    struct tally at[];
};

static inline void tally_add(atomic_ullong *counter, uint64_t n)
{
    /* One writer: a load and a store are enough, and cost no locked instruction. */
    atomic_store_explicit(counter, atomic_load_explicit(counter, memory_order_relaxed) + n,
                          memory_order_relaxed);
}

struct tallies *tallies_new(unsigned loops);
struct tallies *tallies_ref(struct tallies *t);
void tallies_unref(struct tallies *t);

/* A loaded version. Shared by tables, lanes with work, and jobs; the last of them frees it. */
struct model {
    atomic_uint refs;
    struct serve *serve;
    struct session *session;
    struct contract *contract;
    struct tallies *tallies;
    int64_t one_ns, row_ns; /* measured: a run with one row, and each row more */
    bool cheap;             /* one row may run on a loop */
    unsigned lane_n;
    struct lane *lanes; /* one per loop */
};

struct model *model_ref(struct model *m);
void model_unref(struct model *m); /* any thread; frees on the pool when called on a loop */

/* bytes: the ONNX file. Opens, warms and measures. */
int model_load(struct serve *s, str bytes, const json_t *signature, const char *endpoint,
               int64_t version, struct tallies *tallies, struct model **ret, struct err *err);

/* Lanes: loop thread only. */
struct lane *lanes_new(struct model *m, unsigned n);
void lanes_free(struct lane *lanes, unsigned n);
struct lane *lane_of(struct model *m, const struct loop *loop);
/* Reads the request into the lane's batch; it is answered at the end of the loop's turn, or when an
 * instance has run the batch. 0 = accepted. */
int lane_take(struct lane *l, struct request *rq, bool invocation, struct err *err);

enum state { STATE_LOADING, STATE_READY, STATE_FAILED };

struct endpoint {
    char *project, *name, *model_name;
    int64_t version;
    enum state state;
    struct err reason;    /* of STATE_FAILED */
    struct model *loaded; /* of STATE_READY */
    struct tallies *tallies;
};

/* The published set. Immutable once published; every change makes another. */
struct roster {
    struct map *by_key; /* "project/name" to struct endpoint */
    unsigned loading;
};

struct serve {
    struct store *store;
    struct loops *loops;
    struct pool *instances;
    _Atomic(struct roster *) roster;
    atomic_uint loading;    /* endpoints of the table that are not loaded yet */
    pthread_mutex_t change; /* held while the table is replaced */
    pthread_mutex_t deploy; /* held while a version is loaded: one at a time */
    _Atomic(struct ort *) ort;
    pthread_t loader;
    bool loader_runs;
    atomic_bool closing;
};

struct endpoint *endpoint_copy(const struct endpoint *e); /* shares model and tallies */
void endpoint_free(struct endpoint *e);
struct roster *roster_new(void);
void roster_free(struct roster *t);
struct endpoint *roster_find(const struct roster *t, str project, str name);

/* Publishes the table with e in the place of what had its name (takes e), or without the name. */
void roster_put(struct serve *s, struct endpoint *e);
void roster_remove(struct serve *s, const char *project, const char *name);

/* Control threads may hold endpoints of the table only as copies. NULL if there is none. */
struct endpoint *endpoint_get(struct serve *s, const char *project, const char *name);

int serve_ort(struct serve *s, struct ort **ret, struct err *err); /* opens it the first time */
/* Loads, in a thread of its own, what rows of the last life say. */
void loader_start(struct serve *s);

#endif
