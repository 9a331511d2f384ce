/* SPDX-License-Identifier: Apache-2.0 */
#include "base/err.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static const struct {
    const char *name;
    int http, grpc, exit;
} table[] = {[E_OK] = {"ok", 200, 0, 0},
#define X(code, name, http, grpc, exit) [code] = {name, http, grpc, exit},
             ERR_TABLE(X)
#undef X
};

static void clean(char *text)
{
    for (; *text; text++)
        if ((unsigned char)*text < 0x20 || *text == 0x7f)
            *text = *text == '\n' || *text == '\t' ? ' ' : '?';
}

static void format(char *out, size_t size, const char *fmt, va_list ap)
{
    vsnprintf(out, size, fmt, ap);
    clean(out);
}

int err_set(struct err *err, enum errcode code, const char *fmt, ...)
{
    if (!err)
        return code;
    char text[sizeof(err->msg)];
    va_list ap;
    va_start(ap, fmt);
    format(text, sizeof(text), fmt, ap);
    va_end(ap);
    err->code = code;
    memcpy(err->msg, text, sizeof(text));
    err->hint[0] = 0;
    return code;
}

int err_hint(int code, struct err *err, const char *fmt, ...)
{
    if (!err)
        return code;
    va_list ap;
    va_start(ap, fmt);
    format(err->hint, sizeof(err->hint), fmt, ap);
    va_end(ap);
    return code;
}

int err_wrap(struct err *err, const char *fmt, ...)
{
    if (!err)
        return E_INTERNAL;
    char context[256], text[sizeof(err->msg)];
    va_list ap;
    va_start(ap, fmt);
    format(context, sizeof(context), fmt, ap);
    va_end(ap);
    size_t n = strlen(context), room = sizeof(text) - n - 3;
    size_t m = MIN(strlen(err->msg), room);
    memcpy(text, context, n);
    memcpy(text + n, ": ", 2);
    memcpy(text + n + 2, err->msg, m);
    text[n + 2 + m] = 0;
    memcpy(err->msg, text, n + m + 3);
    return err->code;
}

static enum errcode from_errno(int errnum)
{
    switch (errnum) {
    case ENOENT:
        return E_NOTFOUND;
    case EACCES:
    case EPERM:
        return E_FORBIDDEN;
    case EEXIST:
    case EADDRINUSE:
        return E_CONFLICT;
    case ETIMEDOUT:
        return E_TIMEOUT;
    case EAGAIN:
        return E_BUSY;
    case ECONNREFUSED:
        return E_UNAVAILABLE;
    default:
        return E_IO;
    }
}

int err_errno(struct err *err, int errnum, const char *fmt, ...)
{
    char what[512];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(what, sizeof(what), fmt, ap);
    va_end(ap);
    int code = err_set(err, from_errno(errnum), "%s: %s", what, strerror(errnum));
    if (errnum == ENOSPC || errnum == EDQUOT)
        err_hint(code, err, "free space on the disk, then try again; nothing was half-written");
    return code;
}

const char *err_name(enum errcode code)
{
    return (size_t)code < LENGTH(table) ? table[code].name : "internal";
}

int err_http(enum errcode code)
{
    return (size_t)code < LENGTH(table) ? table[code].http : 500;
}

int err_grpc(enum errcode code)
{
    return (size_t)code < LENGTH(table) ? table[code].grpc : 13;
}

int err_exit(enum errcode code)
{
    return (size_t)code < LENGTH(table) ? table[code].exit : 1;
}

enum errcode err_from_name(const char *name)
{
    for (size_t i = 0; i < LENGTH(table); i++)
        if (strcmp(table[i].name, name) == 0)
            return (enum errcode)i;
    return E_INTERNAL;
}
