/* SPDX-License-Identifier: Apache-2.0
 *
 * The console's files, compiled into the binary. Loop thread.
 *
 * Every path of the console is the same page (the page routes by itself); a strict content security
 * policy keeps anything a user uploaded from running as script in it.
 */
#include "api/api_int.h"

#include "web_assets.h"

static const struct asset *find(str path)
{
    for (size_t i = 0; i < web_asset_count; i++)
        if (str_is(path, web_assets[i].path))
            return &web_assets[i];
    return NULL;
}

static int answer(struct request *rq, str path, const char *caching, struct err *err)
{
    const struct asset *a = find(path);
    if (!a)
        return err_set(err, E_NOTFOUND, "no such file");
    request_set_header(rq, "Cache-Control", caching);
    request_set_header(rq, "Content-Security-Policy",
                       "default-src 'self'; img-src 'self' data:; object-src 'none'; "
                       "base-uri 'none'; frame-ancestors 'none'; form-action 'self'");
    return net_answer_asset(rq, a);
}

int api_console_page(struct request *rq, void *ctx, struct err *err)
{
    (void)ctx;
    return answer(rq, S("/"), "no-cache", err);
}

int api_console_asset(struct request *rq, void *ctx, struct err *err)
{
    (void)ctx;
    return answer(rq, rq->path, "no-cache", err);
}
