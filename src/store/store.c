/* SPDX-License-Identifier: Apache-2.0
 *
 * Opening, closing, and the two ways in. Any thread that may block.
 *
 * The event numbers live in memory, so one process owns a data directory: a lock file says so, and
 * the kernel lets go of it when the process dies, however it dies.
 */
#include "store/store_int.h"

#include "sys/fs.h"

#include <time.h>

static int make_dir(const char *dir, struct err *err)
{
    if (fs_exists(dir))
        return fs_mkdirs(dir, 0700, err); /* says so if it is not a directory */
    CLEANUP(freep) char *parent = fs_dirname(dir);
    int rc = fs_mkdirs(dir, 0700, err);
    return rc ? rc : fs_sync_dir(parent, err);
}

/* A killed server's child holds the lock from its fork to its exec: milliseconds, worth a wait. */
static int lock_dir(const char *dir, int *ret, struct err *err)
{
    enum { TRIES = 20, PAUSE_MS = 50 };
    CLEANUP(freep) char *path = fs_join(dir, "tenon.lock");
    int rc = E_CONFLICT;
    for (int i = 0; i < TRIES && rc == E_CONFLICT; i++) {
        if (i)
            nanosleep(&(struct timespec){.tv_nsec = PAUSE_MS * 1000000}, NULL);
        rc = fs_lock(path, ret, err);
    }
    if (rc == E_CONFLICT)
        return err_hint(err_set(err, E_CONFLICT, "the data directory %s is in use", dir), err,
                        "another server is running on it; stop that one or choose --data DIR");
    return rc;
}

static int open_parts(struct store *s, const struct store_config *config, struct err *err)
{
    int64_t last = 0;
    int rc = s->ops->open(config->dir, &s->health, &s->db, err);
    if (!rc)
        rc = s->ops->connect(s->db, true, &s->conn, err);
    if (!rc)
        rc = store_migrate(s->conn, config->migrations, config->migration_count, err);
    if (!rc)
        rc = event_last(s->conn, &last, err);
    if (!rc)
        rc = blobs_open_with(config->dir, &s->health, &s->blobs, err);
    if (rc)
        return rc;
    atomic_store(&s->last_event, last);
    s->readers = readers_new(s->ops, s->db);
    return writer_start(s, s->conn, &s->writer, err);
}

int store_open_backend(const struct store_backend *ops, const struct store_config *config,
                       struct store **ret, struct err *err)
{
    int lock_fd = -1;
    int rc = make_dir(config->dir, err);
    if (!rc)
        rc = lock_dir(config->dir, &lock_fd, err);
    if (rc)
        return rc;
    struct store *s = xcalloc(1, sizeof(*s));
    s->ops = ops;
    s->lock_fd = lock_fd;
    health_init(&s->health);
    pthread_mutex_init(&s->listeners_lock, NULL);
    rc = open_parts(s, config, err);
    if (rc) {
        store_close(s);
        return rc;
    }
    *ret = s;
    return 0;
}

int store_open(const struct store_config *config, struct store **ret, struct err *err)
{
    return store_open_backend(&store_sqlite, config, ret, err);
}

void store_close(struct store *s)
{
    if (!s)
        return;
    writer_stop(s->writer);
    readers_free(s->readers);
    if (s->conn)
        s->ops->disconnect(s->conn); /* last: it can fold the log into the database */
    if (s->db)
        s->ops->close(s->db);
    blobs_close(s->blobs);
    closep(&s->lock_fd);
    pthread_mutex_destroy(&s->listeners_lock);
    health_destroy(&s->health);
    free(s);
}

/* A closure may end with what rows_next gave it: minus a code. */
static int code_of(int rc)
{
    return rc < 0 ? -rc : rc;
}

int store_write(struct store *s, store_fn fn, void *arg, struct err *err)
{
    int rc = health_check(&s->health, err);
    return rc ? rc : code_of(writer_run(s->writer, fn, arg, err));
}

int store_read(struct store *s, store_fn fn, void *arg, struct err *err)
{
    struct conn *c;
    int rc = readers_take(s->readers, &c, err);
    if (rc)
        return rc;
    rc = s->ops->begin(c, err);
    if (!rc) {
        struct tx tx = {.store = s, .conn = c};
        rc = fn(&tx, arg, err);
        tx_close_rows(&tx);
    }
    s->ops->rollback(c);
    readers_give(s->readers, c, s->ops->in_tx(c));
    return code_of(rc);
}

bool store_read_only(struct store *s, char reason[256])
{
    return health_failed(&s->health, reason);
}

struct blobs *store_blobs(struct store *s)
{
    return s->blobs;
}
