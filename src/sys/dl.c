/* SPDX-License-Identifier: Apache-2.0 */
#include "sys/dl.h"

#include "base/buf.h"
#include "sys/fs.h"

#include <dlfcn.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static char *binary_dir(void)
{
    char path[4096];
    ssize_t n = readlink("/proc/self/exe", path, sizeof(path) - 1);
    if (n <= 0)
        return NULL;
    path[n] = 0;
    return fs_dirname(path);
}

static void *attempt(const char *path, struct buf *tried)
{
    void *library = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    if (!library) {
        const char *why = dlerror();
        /* A library that is there but does not load is worth its reason; an absent one is not. */
        bool present = strchr(path, '/') && fs_exists(path);
        buf_printf(tried, "%s%s", tried->n ? ", " : "", present && why ? why : path);
    }
    return library;
}

static void *search(const char *const *names, char **ret_path, struct buf *tried)
{
    static const char *const places[] = {"../.deps/lib", "../../.deps/lib", "../lib/tenon",
                                         "../lib"};
    CLEANUP(freep) char *dir = binary_dir();
    for (size_t i = 0; dir && i < LENGTH(places); i++) {
        for (const char *const *name = names; *name; name++) {
            CLEANUP(freep) char *path = xasprintf("%s/%s/%s", dir, places[i], *name);
            if (!fs_exists(path))
                continue;
            void *library = attempt(path, tried);
            if (library) {
                *ret_path = path;
                path = NULL;
                return library;
            }
        }
    }
    for (const char *const *name = names; *name; name++) {
        void *library = attempt(*name, tried);
        if (library) {
            *ret_path = xstrdup(*name);
            return library;
        }
    }
    return NULL;
}

int dl_open(const char *env, const char *const *names, void **ret, char **ret_path, struct err *err)
{
    struct buf tried = BUF(768);
    CLEANUP(freep) char *path = NULL;
    const char *chosen = getenv(env);
    void *library;
    if (chosen && chosen[0]) {
        library = attempt(chosen, &tried);
        path = xstrdup(chosen);
    } else {
        library = search(names, &path, &tried);
    }
    int rc = 0;
    if (!library)
        rc = err_hint(
            err_set(err, E_UNAVAILABLE, "cannot load %s (tried %s)", names[0], buf_cstr(&tried)),
            err, "run tools/deps, or set %s to the library's path", env);
    buf_free(&tried);
    if (rc)
        return rc;
    *ret = library;
    if (ret_path) {
        *ret_path = path;
        path = NULL;
    }
    return 0;
}

int dl_symbol(void *library, const char *name, void *ret, struct err *err)
{
    void *symbol = dlsym(library, name);
    if (!symbol)
        return err_set(err, E_UNAVAILABLE, "the library has no function %s: too old?", name);
    memcpy(ret, &symbol, sizeof(symbol)); /* POSIX allows it; ISO C has no cast for it */
    return 0;
}
