/* SPDX-License-Identifier: Apache-2.0 */
#include "sys/fs.h"

#include "sys/clock.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

char *fs_join(const char *dir, const char *name)
{
    return xasprintf("%s%s%s", dir, dir[0] && dir[strlen(dir) - 1] == '/' ? "" : "/", name);
}

char *fs_dirname(const char *path)
{
    const char *slash = strrchr(path, '/');
    if (!slash)
        return xstrdup(".");
    return slash == path ? xstrdup("/") : xstrndup(path, (size_t)(slash - path));
}

int fs_mkdirs(const char *path, mode_t mode, struct err *err)
{
    CLEANUP(freep) char *copy = xstrdup(path);
    for (char *at = copy + 1;; at++) {
        if (*at && *at != '/')
            continue;
        char was = *at;
        *at = 0;
        if (mkdir(copy, mode) < 0 && errno != EEXIST)
            return err_errno(err, errno, "create directory %s", copy);
        *at = was;
        if (!was)
            break;
    }
    struct stat st;
    if (stat(path, &st) < 0 || !S_ISDIR(st.st_mode))
        return err_set(err, E_CONFLICT, "%s exists and is not a directory", path);
    return 0;
}

int fs_read(const char *path, size_t max, struct buf *ret, struct err *err)
{
    CLEANUP(closep) int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return err_errno(err, errno, "open %s", path);
    struct stat st;
    if (fstat(fd, &st) == 0 && S_ISDIR(st.st_mode))
        return err_set(err, E_INVALID, "%s is a directory", path);
    struct buf b = BUF(max);
    for (;;) {
        char chunk[65536];
        ssize_t n = read(fd, chunk, sizeof(chunk));
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0) {
            buf_free(&b);
            return err_errno(err, errno, "read %s", path);
        }
        if (n == 0)
            break;
        buf_put(&b, chunk, (size_t)n);
        if (!buf_ok(&b)) {
            buf_free(&b);
            return err_set(err, E_TOOBIG, "%s is larger than %zu bytes", path, max);
        }
    }
    *ret = b;
    return 0;
}

int fs_write_all(int fd, const void *p, size_t n, struct err *err)
{
    const char *at = p;
    while (n) {
        ssize_t done = write(fd, at, n);
        if (done < 0 && errno == EINTR)
            continue;
        if (done < 0)
            return err_errno(err, errno, "write");
        at += done;
        n -= (size_t)done;
    }
    return 0;
}

int fs_sync_dir(const char *path, struct err *err)
{
    CLEANUP(closep) int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0 || fsync(fd) < 0)
        return err_errno(err, errno, "sync directory %s", path);
    return 0;
}

static int sync_parent(const char *path, struct err *err)
{
    CLEANUP(freep) char *dir = fs_dirname(path);
    return fs_sync_dir(dir, err);
}

/* Leaves a synced file beside path under a name nobody else uses. */
static int write_beside(const char *path, const void *p, size_t n, mode_t mode, char **ret,
                        struct err *err)
{
    CLEANUP(freep) char *temporary = xasprintf("%s.%s.tmp", path, id_new().s);
    CLEANUP(closep) int fd = open(temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, mode);
    if (fd < 0)
        return err_errno(err, errno, "create %s", temporary);
    int rc = fs_write_all(fd, p, n, err);
    if (!rc && fsync(fd) < 0)
        rc = err_errno(err, errno, "sync");
    if (rc) {
        unlink(temporary);
        return err ? err_wrap(err, "%s", path) : rc;
    }
    *ret = temporary;
    temporary = NULL;
    return 0;
}

int fs_write_atomic(const char *path, const void *p, size_t n, mode_t mode, struct err *err)
{
    CLEANUP(freep) char *temporary = NULL;
    int rc = write_beside(path, p, n, mode, &temporary, err);
    if (rc)
        return rc;
    if (rename(temporary, path) < 0) {
        rc = err_errno(err, errno, "rename to %s", path);
        unlink(temporary);
        return rc;
    }
    return sync_parent(path, err);
}

int fs_write_new(const char *path, const void *p, size_t n, mode_t mode, struct err *err)
{
    CLEANUP(freep) char *temporary = NULL;
    int rc = write_beside(path, p, n, mode, &temporary, err);
    if (rc)
        return rc;
    if (link(temporary, path) < 0)
        rc = err_errno(err, errno, "link %s", path);
    unlink(temporary);
    return rc ? rc : sync_parent(path, err);
}

int fs_publish(const char *temporary, const char *path, struct err *err)
{
    CLEANUP(closep) int fd = open(temporary, O_RDONLY | O_CLOEXEC);
    if (fd < 0 || fsync(fd) < 0)
        return err_errno(err, errno, "sync %s", temporary);
    if (rename(temporary, path) < 0)
        return err_errno(err, errno, "rename to %s", path);
    return sync_parent(path, err);
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *at)
{
    (void)st, (void)at;
    int rc = type == FTW_DP ? rmdir(path) : unlink(path);
    return rc < 0 && errno != ENOENT ? -1 : 0;
}

int fs_remove_tree(const char *path, struct err *err)
{
    if (nftw(path, remove_one, 32, FTW_DEPTH | FTW_PHYS) < 0 && errno != ENOENT)
        return err_errno(err, errno, "remove %s", path);
    return 0;
}

bool fs_exists(const char *path)
{
    struct stat st;
    return lstat(path, &st) == 0;
}

int64_t fs_size(const char *path)
{
    struct stat st;
    return stat(path, &st) == 0 ? (int64_t)st.st_size : -1;
}

static _Thread_local int64_t tree_bytes; /* nftw hands its callback no context */

static int add_size(const char *path, const struct stat *st, int type, struct FTW *at)
{
    (void)path, (void)at;
    if (type == FTW_F)
        tree_bytes += st->st_size;
    return 0;
}

int64_t fs_tree_size(const char *path)
{
    tree_bytes = 0;
    nftw(path, add_size, 32, FTW_PHYS);
    return tree_bytes;
}

int64_t fs_free(const char *path)
{
    struct statvfs v;
    return statvfs(path, &v) == 0 ? (int64_t)v.f_bavail * (int64_t)v.f_frsize : -1;
}

int fs_copy(const char *from, const char *to, mode_t mode, struct err *err)
{
    CLEANUP(closep) int in = open(from, O_RDONLY | O_CLOEXEC);
    if (in < 0)
        return err_errno(err, errno, "open %s", from);
    CLEANUP(closep) int out = open(to, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, mode);
    if (out < 0)
        return err_errno(err, errno, "create %s", to);
    for (;;) {
        char chunk[65536];
        ssize_t n = read(in, chunk, sizeof(chunk));
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return err_errno(err, errno, "read %s", from);
        if (n == 0)
            return 0;
        int rc = fs_write_all(out, chunk, (size_t)n, err);
        if (rc)
            return err ? err_wrap(err, "%s", to) : rc;
    }
}

int fs_lock(const char *path, int *ret_fd, struct err *err)
{
    CLEANUP(closep) int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (fd < 0)
        return err_errno(err, errno, "open %s", path);
    if (flock(fd, LOCK_EX | LOCK_NB) < 0)
        return errno == EWOULDBLOCK
                   ? err_set(err, E_CONFLICT, "%s is locked by another process", path)
                   : err_errno(err, errno, "lock %s", path);
    *ret_fd = fd;
    fd = -1;
    return 0;
}
