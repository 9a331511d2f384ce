/* SPDX-License-Identifier: Apache-2.0
 *
 * The SQLite backend: connections, transactions, checkpoints, and what its errors mean.
 *
 * WAL with synchronous=FULL: a commit returns after the log's fsync, readers never wait for the
 * writer. Checkpoints run on the writer's thread between groups and not inside commits, so that
 * their errors are seen (SQLite's automatic ones are silent) and their fsyncs delay no answer. Once
 * health has failed no connection checkpoints on close either: the log stays as evidence for the
 * next start.
 *
 * Which errors are damage? Failing reads, writes and fsyncs and corrupt pages are. A full disk, a
 * quota or a file size limit is not: that write is refused and the next may succeed. But any error
 * of an fsync is damage, whatever its errno, since what was dropped is unknown.
 */
#include "store/sqlite_int.h"

#include "sys/fs.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#define CHECKPOINT_FRAMES 1000 /* 4 MB of log */
#define RESTART_FRAMES 16000   /* 64 MB: now readers are waited for, briefly */
#define WRITER_BUSY_MS 200

struct sqlite_db {
    char *path;
    struct health *health;
};

static int constraint(struct sqlite_conn *c, int rc, struct err *err)
{
    const char *msg = sqlite3_errmsg(c->db);
    switch (rc) {
    case SQLITE_CONSTRAINT_UNIQUE:
    case SQLITE_CONSTRAINT_PRIMARYKEY:
    case SQLITE_CONSTRAINT_ROWID:
        return err_set(err, E_CONFLICT, "exists already (%s)", msg);
    case SQLITE_CONSTRAINT_FOREIGNKEY:
        return err_set(err, E_CONFLICT, "refers to something that does not exist (%s)", msg);
    default:
        return err_set(err, E_INVALID, "not accepted by the schema (%s)", msg);
    }
}

static bool is_full(int rc, int sys)
{
    if ((rc & 0xff) == SQLITE_FULL)
        return true;
    if (rc == SQLITE_IOERR_FSYNC || rc == SQLITE_IOERR_DIR_FSYNC)
        return false;
    return (rc & 0xff) == SQLITE_IOERR && (sys == ENOSPC || sys == EDQUOT || sys == EFBIG);
}

static int damaged(struct sqlite_conn *c, enum errcode code, int sys, struct err *err)
{
    const char *msg = sqlite3_errmsg(c->db);
    const char *why = sys ? strerror(sys) : "";
    health_fail(c->health, "%s%s%s", msg, sys ? ": " : "", why);
    return err_set(err, code, "the database cannot be trusted: %s%s%s", msg, sys ? ": " : "", why);
}

int sqlite_fail(struct sqlite_conn *c, int rc, struct err *err)
{
    int sys = errno ? errno : sqlite3_system_errno(c->db); /* it keeps none for a failed commit */
    if (is_full(rc, sys))
        return err_hint(err_set(err, E_IO, "no space left for the database"), err,
                        "free some disk space, then try again; nothing was changed");
    switch (rc & 0xff) {
    case SQLITE_CONSTRAINT:
        return constraint(c, rc, err);
    case SQLITE_IOERR:
        if (rc == SQLITE_IOERR_NOMEM)
            return err_set(err, E_UNAVAILABLE, "out of memory in the database");
        return damaged(c, E_IO, sys, err);
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
        return damaged(c, E_CORRUPT, 0, err);
    case SQLITE_NOMEM:
        return err_set(err, E_UNAVAILABLE, "out of memory in the database");
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
        return err_set(err, E_BUSY, "the database is locked by another program");
    case SQLITE_TOOBIG:
        return err_set(err, E_TOOBIG, "a value is too large for the database");
    case SQLITE_CANTOPEN:
        return err_set(err, E_IO, "cannot open the database%s%s", sys ? ": " : "",
                       sys ? strerror(sys) : "");
    case SQLITE_READONLY:
        return err_set(err, E_READONLY, "the database file is not writable");
    case SQLITE_INTERRUPT:
        return err_set(err, E_CANCELLED, "interrupted");
    default:
        return err_set(err, E_INTERNAL, "SQL: %s", sqlite3_errmsg(c->db));
    }
}

/* SQLite would create the file readable for everyone; its log and index copy the file's mode. */
static int create_private(const char *path, struct err *err)
{
    CLEANUP(closep) int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    return fd < 0 ? err_errno(err, errno, "open %s", path) : 0;
}

static int db_open(const char *dir, struct health *h, void **ret, struct err *err)
{
    CLEANUP(freep) char *path = fs_join(dir, "tenon.db");
    int rc = create_private(path, err);
    if (rc)
        return rc;
    struct sqlite_db *db = xcalloc(1, sizeof(*db));
    db->path = path;
    db->health = h;
    path = NULL;
    *ret = db;
    return 0;
}

static void db_close(void *self)
{
    struct sqlite_db *db = self;
    free(db->path);
    free(db);
}

static int script(struct conn *base, const char *sql, struct err *err)
{
    struct sqlite_conn *c = (struct sqlite_conn *)base;
    errno = 0;
    int rc = sqlite3_exec(c->db, sql, NULL, NULL, NULL);
    return rc ? sqlite_fail(c, rc, err) : 0;
}

static void disconnect(struct conn *base)
{
    struct sqlite_conn *c = (struct sqlite_conn *)base;
    sqlite_forget(c);
    if (health_failed(c->health, NULL))
        sqlite3_db_config(c->db, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, NULL);
    sqlite3_close(c->db);
    free(c);
}

static int note_frames(void *ctx, sqlite3 *db, const char *name, int frames)
{
    (void)db, (void)name;
    ((struct sqlite_conn *)ctx)->wal_frames = frames;
    return SQLITE_OK;
}

static int configure(struct sqlite_conn *c, bool writer, struct err *err)
{
    sqlite3_extended_result_codes(c->db, 1);
    sqlite3_busy_timeout(c->db, WRITER_BUSY_MS);
    sqlite3_db_config(c->db, SQLITE_DBCONFIG_DQS_DML, 0, NULL);
    sqlite3_db_config(c->db, SQLITE_DBCONFIG_DQS_DDL, 0, NULL);
    sqlite3_db_config(c->db, SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0, NULL);
    sqlite3_db_config(c->db, SQLITE_DBCONFIG_DEFENSIVE, writer, NULL);
    sqlite3_wal_hook(c->db, note_frames, c); /* also takes the place of automatic checkpoints */
    return script(&c->base,
                  writer ? "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL;"
                           "PRAGMA foreign_keys = ON; PRAGMA journal_size_limit = 67108864;"
                           "PRAGMA cell_size_check = ON; PRAGMA temp_store = MEMORY;"
                           "PRAGMA cache_size = -4000"
                         : "PRAGMA query_only = ON; PRAGMA cell_size_check = ON;"
                           "PRAGMA temp_store = MEMORY; PRAGMA cache_size = -1000",
                  err);
}

static int connect_to(void *self, bool writer, struct conn **ret, struct err *err)
{
    struct sqlite_db *db = self;
    struct sqlite_conn *c = xcalloc(1, sizeof(*c));
    c->base.ops = &store_sqlite;
    c->health = db->health;
    c->prepared = map_new();
    c->checkpoint_at = CHECKPOINT_FRAMES;
    int mode = writer ? SQLITE_OPEN_READWRITE : SQLITE_OPEN_READONLY;
    errno = 0;
    int rc = sqlite3_open_v2(db->path, &c->db, mode | SQLITE_OPEN_NOMUTEX, NULL);
    if (rc)
        rc = sqlite_fail(c, rc, err);
    else
        rc = configure(c, writer, err);
    if (rc) {
        disconnect(&c->base);
        return err ? err_wrap(err, "%s", db->path) : rc;
    }
    *ret = &c->base;
    return 0;
}

static int begin(struct conn *c, struct err *err)
{
    bool writer = !sqlite3_db_readonly(((struct sqlite_conn *)c)->db, "main");
    return sqlite_exec(c, writer ? "BEGIN IMMEDIATE" : "BEGIN", NULL, 0, NULL, err);
}

static int commit(struct conn *c, struct err *err)
{
    return sqlite_exec(c, "COMMIT", NULL, 0, NULL, err);
}

static bool in_tx(struct conn *c)
{
    return !sqlite3_get_autocommit(((struct sqlite_conn *)c)->db);
}

static void rollback(struct conn *c)
{
    if (in_tx(c))
        sqlite_exec(c, "ROLLBACK", NULL, 0, NULL, NULL);
}

static int save(struct conn *c, struct err *err)
{
    return sqlite_exec(c, "SAVEPOINT closure", NULL, 0, NULL, err);
}

static int save_keep(struct conn *c, struct err *err)
{
    return sqlite_exec(c, "RELEASE closure", NULL, 0, NULL, err);
}

static int save_undo(struct conn *c, struct err *err)
{
    int rc = sqlite_exec(c, "ROLLBACK TO closure", NULL, 0, NULL, err);
    return rc ? rc : save_keep(c, err);
}

/* A reader can keep a checkpoint from finishing; the next is due only after the log has grown, so
 * that a slow reader does not make every commit pay for another attempt. */
static void maintain(struct conn *base)
{
    struct sqlite_conn *c = (struct sqlite_conn *)base;
    if (c->wal_frames < CHECKPOINT_FRAMES)
        c->checkpoint_at = CHECKPOINT_FRAMES;
    if (c->wal_frames < c->checkpoint_at)
        return;
    int mode =
        c->wal_frames < RESTART_FRAMES ? SQLITE_CHECKPOINT_PASSIVE : SQLITE_CHECKPOINT_RESTART;
    errno = 0;
    int rc = sqlite3_wal_checkpoint_v2(c->db, NULL, mode, NULL, NULL);
    if (rc && rc != SQLITE_BUSY)
        sqlite_fail(c, rc, NULL);
    c->checkpoint_at = c->wal_frames + CHECKPOINT_FRAMES;
}

const struct store_backend store_sqlite = {
    .name = "sqlite",
    .open = db_open,
    .close = db_close,
    .connect = connect_to,
    .disconnect = disconnect,
    .begin = begin,
    .commit = commit,
    .rollback = rollback,
    .in_tx = in_tx,
    .save = save,
    .save_keep = save_keep,
    .save_undo = save_undo,
    .maintain = maintain,
    .script = script,
    .exec = sqlite_exec,
    .query = sqlite_query,
    .next = sqlite_next,
    .i64 = sqlite_i64,
    .f64 = sqlite_f64,
    .text = sqlite_text,
    .null = sqlite_null,
    .done = sqlite_done,
};
