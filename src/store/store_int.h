/* SPDX-License-Identifier: Apache-2.0
 *
 * Inside the store: the seam under it (struct store_backend) and what its files share.
 *
 * A backend gives connections: transactions, savepoints, statements. Everything that makes the
 * store a store (the one writer and its groups, the pool of readers, migrations, the event log, the
 * read-only state) stands above the seam and is written once. A backend reports damage by calling
 * health_fail and returns ordinary codes; it never retries a write that the disk refused.
 *
 * A connection is used by one thread at a time.
 */
#ifndef TENON_STORE_STORE_INT_H
#define TENON_STORE_STORE_INT_H

#include "store/store.h"

#include <pthread.h>
#include <stdarg.h>
#include <stdatomic.h>

/* Whether the disk can still be trusted. The first reason wins and stays until a restart. */
struct health {
    pthread_mutex_t lock;
    atomic_bool failed;
    char reason[256];
};

void health_init(struct health *h);
void health_destroy(struct health *h);
void health_fail(struct health *h, const char *fmt, ...) PRINTF(2, 3);
bool health_failed(struct health *h, char reason[256]);
int health_check(struct health *h, struct err *err); /* E_READONLY with the reason */

struct value {
    char type; /* 'i', 'd', 's' (a str), 'n' (null) */
    int64_t i;
    double d;
    str s;
};

#define VALUES_MAX 64

/* What every backend's connection and cursor start with. */
struct conn {
    const struct store_backend *ops;
};

struct rows {
    const struct store_backend *ops;
    struct tx *tx;            /* NULL once its transaction has ended */
    struct rows *prev, *next; /* open cursors of tx */
};

struct store_backend {
    const char *name;
    int (*open)(const char *dir, struct health *h, void **ret, struct err *err);
    void (*close)(void *db);
    int (*connect)(void *db, bool writer, struct conn **ret, struct err *err);
    void (*disconnect)(struct conn *c);

    int (*begin)(struct conn *c, struct err *err); /* readers: a snapshot until commit */
    int (*commit)(struct conn *c, struct err *err);
    void (*rollback)(struct conn *c); /* harmless outside a transaction */
    bool (*in_tx)(struct conn *c);    /* false: the database gave the transaction up by itself */
    int (*save)(struct conn *c, struct err *err);
    int (*save_keep)(struct conn *c, struct err *err);
    int (*save_undo)(struct conn *c, struct err *err);
    void (*maintain)(struct conn *c); /* writer, between groups: checkpoints */

    int (*script)(struct conn *c, const char *sql, struct err *err); /* statements with ';' */
    int (*exec)(struct conn *c, const char *sql, const struct value *v, size_t n,
                int64_t *ret_changes, struct err *err);
    int (*query)(struct conn *c, const char *sql, const struct value *v, size_t n,
                 struct rows **ret, struct err *err);
    int (*next)(struct rows *r, struct err *err); /* 1, 0, or minus the code */
    int64_t (*i64)(struct rows *r, int column);
    double (*f64)(struct rows *r, int column);
    str (*text)(struct rows *r, int column);
    bool (*null)(struct rows *r, int column);
    void (*done)(struct rows *r); /* ends the cursor and frees it */
};

extern const struct store_backend store_sqlite;

/* store_open on a chosen backend; the contract suite runs over each. */
int store_open_backend(const struct store_backend *ops, const struct store_config *config,
                       struct store **ret, struct err *err);

struct tx {
    struct store *store; /* NULL while migrating */
    struct conn *conn;
    bool writable;
    int64_t seq; /* writer: the last event number taken in this transaction */
    int64_t changes;
    struct rows *open;
};

void tx_close_rows(struct tx *tx); /* cursors the closure left open */

int store_migrate(struct conn *c, const struct migration *m, size_t n, struct err *err);
int event_last(struct conn *c, int64_t *ret, struct err *err);

/* The one writer (writer.c). */
struct writer;
int writer_start(struct store *s, struct conn *c, struct writer **ret, struct err *err);
void writer_stop(struct writer *w); /* answers what is queued, joins, frees; NULL is fine */
int writer_run(struct writer *w, store_fn fn, void *arg, struct err *err);

/* The pool of readers (readers.c). */
struct readers;
struct readers *readers_new(const struct store_backend *ops, void *db);
void readers_free(struct readers *r);
int readers_take(struct readers *r, struct conn **ret, struct err *err);
void readers_give(struct readers *r, struct conn *c, bool broken);

#define LISTENERS_MAX 8

struct store {
    const struct store_backend *ops;
    void *db;
    int lock_fd;
    struct health health;
    struct blobs *blobs;
    struct conn *conn; /* the writer's */
    struct writer *writer;
    struct readers *readers;
    _Atomic int64_t last_event;
    pthread_mutex_t listeners_lock; /* held while they are called: removal waits for the call */
    struct {
        void (*fn)(void *ctx, int64_t last_seq);
        void *ctx;
    } listeners[LISTENERS_MAX];
};

void store_announce(struct store *s, int64_t last_seq);

/* The seam under blobs. Content arrives in pieces and becomes visible whole or not at all. */
struct blob_backend {
    const char *name;
    int (*open)(const char *data_dir, struct health *h, void **ret, struct err *err);
    void (*close)(void *self);
    int (*begin)(void *self, void **ret_put, struct err *err);
    int (*append)(void *put, const void *p, size_t n, struct err *err);
    /* Durable under digest when it returns; the put lives on until drop. */
    int (*publish)(void *put, const char *digest, int64_t size, struct err *err);
    void (*drop)(void *put);
    int (*open_read)(void *self, const char *digest, int *ret_fd, int64_t *ret_size,
                     struct err *err);
};

extern const struct blob_backend blob_disk;

/* blobs_open with a health shared with its store; h NULL = one of its own. */
int blobs_open_with(const char *data_dir, struct health *h, struct blobs **ret, struct err *err);

#endif
