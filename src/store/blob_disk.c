/* SPDX-License-Identifier: Apache-2.0
 *
 * Blobs on a local disk: DATA/blobs/ab/cdef…, one read-only file each.
 *
 * Content is written to DATA/tmp/blob-ID, synced, and linked to its name: link(2) cannot replace,
 * so the first of two equal writers wins and the other finds its work done. Either way the folder
 * is synced before the answer, since the winner may not have got there yet.
 *
 * A temporary file is locked for as long as its writer lives. Whoever opens the store removes those
 * whose lock is free: the kernel knows about dead processes what a pid in a file name would guess.
 *
 * After a failed fsync the content is thrown away, never synced again, and the store is told.
 */
#include "store/store_int.h"

#include "codec/text.h"
#include "sys/clock.h"
#include "sys/fs.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#define PREFIX "blob-"

struct disk {
    char *blobs, *tmp;
    struct health *health;
    atomic_bool known[256]; /* folders that are there and durable */
};

struct put {
    struct disk *disk;
    char *path;
    int fd;
};

static int sync_failed(struct disk *d, int errnum, const char *path, struct err *err)
{
    health_fail(d->health, "sync of %s: %s", path, strerror(errnum));
    return err_errno(err, errnum, "sync %s", path);
}

static int sync_dir(struct disk *d, const char *path, struct err *err)
{
    CLEANUP(closep) int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return err_errno(err, errno, "open %s", path);
    return fsync(fd) < 0 ? sync_failed(d, errno, path, err) : 0;
}

/* Removes what dead writers left. A live one holds its lock, or takes it and then sees that the
 * file is gone (create_locked). */
static void clean(struct disk *d)
{
    DIR *dir = opendir(d->tmp);
    if (!dir)
        return;
    struct dirent *e;
    while ((e = readdir(dir))) {
        if (strncmp(e->d_name, PREFIX, strlen(PREFIX)) != 0)
            continue;
        CLEANUP(closep) int fd = openat(dirfd(dir), e->d_name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
        if (fd >= 0 && flock(fd, LOCK_EX | LOCK_NB) == 0)
            unlinkat(dirfd(dir), e->d_name, 0);
    }
    closedir(dir);
}

static void disk_close(void *self)
{
    struct disk *d = self;
    free(d->blobs);
    free(d->tmp);
    free(d);
}

static int disk_open(const char *data_dir, struct health *h, void **ret, struct err *err)
{
    struct disk *d = xcalloc(1, sizeof(*d));
    d->blobs = fs_join(data_dir, "blobs");
    d->tmp = fs_join(data_dir, "tmp");
    d->health = h;
    int rc = fs_mkdirs(d->blobs, 0700, err);
    if (!rc)
        rc = fs_mkdirs(d->tmp, 0700, err);
    if (!rc)
        rc = sync_dir(d, data_dir, err);
    if (rc) {
        disk_close(d);
        return rc;
    }
    clean(d);
    *ret = d;
    return 0;
}

static int create_locked(struct disk *d, char **ret_path, int *ret_fd, struct err *err)
{
    for (;;) {
        CLEANUP(freep) char *path = xasprintf("%s/" PREFIX "%s", d->tmp, id_new().s);
        CLEANUP(closep) int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0400);
        if (fd < 0)
            return err_errno(err, errno, "create %s", path);
        struct stat st;
        if (flock(fd, LOCK_EX) < 0 || fstat(fd, &st) < 0)
            return err_errno(err, errno, "lock %s", path);
        if (st.st_nlink == 0)
            continue; /* cleaned between its creation and its lock */
        *ret_path = path;
        *ret_fd = fd;
        path = NULL;
        fd = -1;
        return 0;
    }
}

static int disk_begin(void *self, void **ret, struct err *err)
{
    char *path = NULL;
    int fd = -1;
    int rc = create_locked(self, &path, &fd, err);
    if (rc)
        return rc;
    struct put *p = xcalloc(1, sizeof(*p));
    *p = (struct put){self, path, fd};
    *ret = p;
    return 0;
}

static int disk_append(void *put, const void *p, size_t n, struct err *err)
{
    return fs_write_all(((struct put *)put)->fd, p, n, err);
}

/* The folder of a digest. One that exists may have been made a moment ago by somebody who has not
 * synced it yet, so each process syncs each folder's entry once. */
static int make_dir(struct disk *d, const char *digest, const char *dir, struct err *err)
{
    uint8_t first;
    hex_decode(str_n(digest, 2), &first);
    if (atomic_load(&d->known[first]))
        return 0;
    if (mkdir(dir, 0700) < 0 && errno != EEXIST)
        return err_errno(err, errno, "create directory %s", dir);
    int rc = sync_dir(d, d->blobs, err);
    if (!rc)
        atomic_store(&d->known[first], true);
    return rc;
}

/* Linked before, by us or another: whole by construction, unless the disk lost part of it. Then
 * what we just wrote takes its place. */
static int keep_or_repair(struct put *p, const char *path, int64_t size, struct err *err)
{
    if (fs_size(path) == size)
        return 0;
    if (fsync(p->fd) < 0)
        return sync_failed(p->disk, errno, path, err);
    return rename(p->path, path) < 0 ? err_errno(err, errno, "replace %s", path) : 0;
}

static int place(struct put *p, const char *path, int64_t size, struct err *err)
{
    if (fs_exists(path))
        return keep_or_repair(p, path, size, err);
    if (fsync(p->fd) < 0)
        return sync_failed(p->disk, errno, path, err);
    if (link(p->path, path) == 0)
        return 0;
    return errno == EEXIST ? keep_or_repair(p, path, size, err)
                           : err_errno(err, errno, "link %s", path);
}

static int disk_publish(void *put, const char *digest, int64_t size, struct err *err)
{
    struct put *p = put;
    CLEANUP(freep) char *dir = xasprintf("%s/%.2s", p->disk->blobs, digest);
    CLEANUP(freep) char *path = xasprintf("%s/%s", dir, digest + 2);
    int rc = make_dir(p->disk, digest, dir, err);
    if (!rc)
        rc = place(p, path, size, err);
    return rc ? rc : sync_dir(p->disk, dir, err);
}

static void disk_drop(void *put)
{
    struct put *p = put;
    unlink(p->path);
    closep(&p->fd);
    free(p->path);
    free(p);
}

static int disk_open_read(void *self, const char *digest, int *ret_fd, int64_t *ret_size,
                          struct err *err)
{
    struct disk *d = self;
    CLEANUP(freep) char *path = xasprintf("%s/%.2s/%s", d->blobs, digest, digest + 2);
    CLEANUP(closep) int fd = open(path, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0)
        return errno == ENOENT ? err_set(err, E_NOTFOUND, "no blob %s", digest)
                               : err_errno(err, errno, "open %s", path);
    struct stat st;
    if (fstat(fd, &st) < 0)
        return err_errno(err, errno, "stat %s", path);
    *ret_fd = fd;
    *ret_size = (int64_t)st.st_size;
    fd = -1;
    return 0;
}

const struct blob_backend blob_disk = {
    .name = "disk",
    .open = disk_open,
    .close = disk_close,
    .begin = disk_begin,
    .append = disk_append,
    .publish = disk_publish,
    .drop = disk_drop,
    .open_read = disk_open_read,
};
