/* SPDX-License-Identifier: Apache-2.0
 *
 * Finding the server and calling it.
 */
#include "cli/cli_int.h"

#include "sys/fs.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

/* A small file of the data directory, trimmed, into the arena; NULL if it is not there. */
static char *read_small(struct cli *c, const char *name)
{
    CLEANUP(freep) char *path = fs_join(cli_data_dir(c), name);
    struct buf b = BUF(4096);
    if (fs_read(path, 4096, &b, NULL))
        return NULL;
    char *text = arena_cstr(c->arena, str_trim(buf_view(&b)));
    buf_free(&b);
    return text;
}

static char *find_url(struct cli *c)
{
    const char *given = cli_option(c, "url"), *env = getenv("TENON_URL");
    if (given || (env && env[0]))
        return arena_cstr(c->arena, str_from(given ? given : env));
    char *info = read_small(c, "server.json");
    CLEANUP(json_freep) json_t *j = NULL;
    if (!info || json_parse(str_from(info), &j, NULL))
        return NULL;
    return arena_cstr(c->arena, str_from(json_s(j, "url")));
}

int cli_connect(struct cli *c, struct err *err)
{
    if (c->url)
        return 0;
    char *url = find_url(c);
    if (!url || !url[0])
        return err_hint(
            err_set(err, E_UNAVAILABLE, "no server runs on the data directory %s", cli_data_dir(c)),
            err, "start one with: tenon up   (or name it: --url URL, TENON_URL)");
    const char *token = getenv("TENON_TOKEN");
    c->token =
        token && token[0] ? arena_cstr(c->arena, str_from(token)) : read_small(c, "owner.token");
    size_t n = strlen(url);
    while (n && url[n - 1] == '/')
        url[--n] = 0;
    c->url = url;
    return 0;
}

static int call(struct cli *c, const char *method, const json_t *body, json_t **ret,
                struct err *err, const char *fmt, va_list ap)
{
    char path[1024];
    int rc = cli_connect(c, err);
    if (rc)
        return rc;
    vsnprintf(path, sizeof(path), fmt, ap);
    CLEANUP(freep) char *text = body ? json_text(body) : NULL;
    const struct http_call request = {
        .method = method,
        .url = arena_printf(c->arena, "%s%s", c->url, path),
        .token = c->token,
        .body = str_from(text),
        .body_fd = -1,
        .timeout_ms = 120000,
    };
    return http_json(&request, ret, err);
}

int cli_get(struct cli *c, json_t **ret, struct err *err, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    int rc = call(c, "GET", NULL, ret, err, fmt, ap);
    va_end(ap);
    return rc;
}

int cli_send(struct cli *c, const char *method, const json_t *body, json_t **ret, struct err *err,
             const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    int rc = call(c, method, body, ret, err, fmt, ap);
    va_end(ap);
    return rc;
}

int cli_upload(struct cli *c, const char *path, char ret_digest[65], struct err *err)
{
    int rc = cli_connect(c, err);
    if (rc)
        return rc;
    CLEANUP(closep) int fd = open(path, O_RDONLY | O_CLOEXEC);
    int64_t size = fs_size(path);
    if (fd < 0 || size < 0)
        return err_errno(err, errno, "open %s", path);
    const struct http_call request = {
        .method = "POST",
        .url = arena_printf(c->arena, "%s/api/v1/blobs", c->url),
        .token = c->token,
        .content_type = "application/octet-stream",
        .body_fd = fd,
        .body_size = size,
        .timeout_ms = 3600 * 1000,
    };
    CLEANUP(json_freep) json_t *answer = NULL;
    rc = http_json(&request, &answer, err);
    if (rc)
        return err_wrap(err, "upload %s", path);
    snprintf(ret_digest, 65, "%s", json_s(answer, "digest"));
    return 0;
}
