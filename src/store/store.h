/* SPDX-License-Identifier: Apache-2.0
 *
 * The store: metadata rows, the event log, and blobs. Everything that must not be lost.
 *
 * Writes are closures. One writer thread takes whatever closures are queued, runs each inside a
 * savepoint of one transaction, commits with synchronous=FULL, and only then answers every caller:
 * an acknowledged write has been fsynced, yet many share the fsync. A closure that fails is rolled
 * back alone; its neighbours commit. A closure must be free of network, files and waiting, and safe
 * to run again (PostgreSQL will replay serialization failures).
 *
 * Reads run on the caller's thread against a snapshot, on a pooled connection; they never wait for
 * the writer. An event row is appended in the same transaction as the change it tells of, gets the
 * next number of one ordered log, and is announced after the commit. Streams, triggers and lineage
 * read that log.
 *
 * After a failed fsync, a corrupt page or an I/O error the store turns read-only: each later write
 * is E_READONLY with the reason, until a restart has re-read what the disk really holds. A full
 * disk is not that: the write is refused with E_IO and the next one may succeed.
 *
 * SQL is written once, in the dialect both backends share: $1 placeholders, BIGINT, DOUBLE
 * PRECISION, TEXT, BYTEA-free (JSON and digests are TEXT), no AUTOINCREMENT, ON CONFLICT upserts.
 * Backends are const vtables (store_int.h); SQLite is the first.
 *
 * Threads: every function may be called from any thread that may block (never a loop's).
 */
#ifndef TENON_STORE_STORE_H
#define TENON_STORE_STORE_H

#include "base/arena.h"
#include "base/err.h"
#include "codec/json.h"

struct store;
struct tx;
struct rows;

/* One step of the schema, numbered from 1 without gaps. All pending ones are applied in order in
 * one transaction: an upgrade happens whole or not at all. Never edited after release. Several
 * statements may be separated by ';'. The store's own tables (events) are not listed here. */
struct migration {
    int version;
    const char *sql;
};

struct store_config {
    const char *dir; /* data directory; holds tenon.db, blobs/, tmp/ */
    const struct migration *migrations;
    size_t migration_count;
};

/* Makes the directory (0700) if needed and locks it. E_CONFLICT if another process has it open, or
 * if a newer Tenon wrote the data (names both schema versions). */
int store_open(const struct store_config *config, struct store **ret, struct err *err);
/* Answers queued writes first. Nobody may be inside store_read any more. NULL is fine. */
void store_close(struct store *s);

typedef int (*store_fn)(struct tx *tx, void *arg, struct err *err);

/* Returns after the commit is durable, or with the closure's error after its rollback. E_BUSY when
 * 4,096 writes wait already. A closure may run more than once before its answer: it must set, not
 * add to, what arg points to. Never called from inside a write closure. */
int store_write(struct store *s, store_fn fn, void *arg, struct err *err);
int store_read(struct store *s, store_fn fn, void *arg, struct err *err);
bool store_read_only(struct store *s, char reason[256]);

/* Statements, inside a closure. `types` has a letter per $n: i int64_t (cast int literals!), d
 * double, s const char * (NULL = SQL null), v str, n SQL null (takes no argument). Prepared
 * statements are cached by text: keep SQL literal and pass values as parameters. A unique violation
 * is E_CONFLICT. Cursors end with their closure. */
int tx_exec(struct tx *tx, struct err *err, const char *sql, const char *types, ...);
int64_t tx_changes(struct tx *tx); /* rows the last tx_exec touched */
int tx_query(struct tx *tx, struct rows **ret, struct err *err, const char *sql, const char *types,
             ...);
/* 1 = a row, 0 = the end, negative = failed: minus the code. */
int rows_next(struct rows *r, struct err *err);
int64_t rows_i64(struct rows *r, int column);
double rows_f64(struct rows *r, int column);
str rows_str(struct rows *r, int column); /* valid until the next rows_next or rows_free */
bool rows_null(struct rows *r, int column);
void rows_free(struct rows *r);
void rows_freep(struct rows **r); /* for CLEANUP */
/* One row expected: E_NOTFOUND ("no such row": callers say what) if there is none. ret stands on
 * the row; the caller frees it. */
int tx_one(struct tx *tx, struct rows **ret, struct err *err, const char *sql, const char *types,
           ...);

/* Events. kind is "noun.verb" ("run.submitted"); subject names the object ("run/ID"); data is
 * borrowed and may be NULL. */
int tx_event(struct tx *tx, const char *project, const char *kind, const char *subject,
             const json_t *data, struct err *err);

struct event {
    int64_t seq;
    int64_t time_ms;
    const char *project, *kind, *subject, *data; /* data: JSON text or "" */
};

/* Up to max events with seq > after, of one project or of all (NULL), into the arena. */
int store_events(struct store *s, const char *project, int64_t after, size_t max, struct arena *a,
                 struct event **ret, size_t *ret_n, struct err *err);
int64_t store_last_event(struct store *s); /* highest committed seq; cheap, any thread, loops too */
/* fn runs on the writer thread after each commit that appended events; it must not block. Up to 8
 * listeners. fn NULL removes the listeners with this ctx and returns when none is being called. */
void store_on_event(struct store *s, void (*fn)(void *ctx, int64_t last_seq), void *ctx);

/* Blobs: content-addressed by SHA-256 ("digest" is 64 lower-case hex digits). Written to a
 * temporary file while hashing, synced, then linked to the final name, so that a blob either is
 * whole or is not there; writing one that exists costs no second copy. Constant memory. Usable
 * without a store (steps run in other processes): blobs_open on the same directory. */
struct blobs;
struct blob_writer;

int blobs_open(const char *data_dir, struct blobs **ret, struct err *err);
void blobs_close(struct blobs *b);
struct blobs *store_blobs(struct store *s);

int blob_begin(struct blobs *b, struct blob_writer **ret, struct err *err);
int blob_append(struct blob_writer *w, const void *p, size_t n, struct err *err);
/* Ends and frees the writer, whether it succeeds or not. */
int blob_commit(struct blob_writer *w, char ret_digest[65], int64_t *ret_size, struct err *err);
void blob_abort(struct blob_writer *w); /* instead of blob_commit; NULL is fine */

int blob_put(struct blobs *b, const void *p, size_t n, char ret_digest[65], struct err *err);
int blob_put_file(struct blobs *b, const char *path, char ret_digest[65], int64_t *ret_size,
                  struct err *err);
bool blob_digest_ok(str digest); /* well formed */
int blob_open(struct blobs *b, const char *digest, int *ret_fd, int64_t *ret_size,
              struct err *err); /* E_NOTFOUND */
int blob_read(struct blobs *b, const char *digest, size_t max, struct buf *ret,
              struct err *err); /* whole, and verified against the digest: E_CORRUPT */
/* A private copy (or reflink) of the content at path. Never a hard link: a step could write it. */
int blob_export(struct blobs *b, const char *digest, const char *path, struct err *err);

#endif
