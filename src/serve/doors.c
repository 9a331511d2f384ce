/* SPDX-License-Identifier: Apache-2.0
 *
 * The handlers of the data plane. Loop threads: they look the endpoint up in the published table,
 * which stays valid until the callback returns, and take no lock.
 */
#include "serve/serve_int.h"

#include <string.h>

enum { NAMES_MAX = 256 };

static int not_found(const struct roster *t, const struct request *rq, str name, struct err *err)
{
    const char *names[NAMES_MAX];
    size_t n = 0, cursor = 0;
    void *value;
    str key;
    while (n < NAMES_MAX && map_next(t->by_key, &cursor, &key, &value)) {
        const struct endpoint *e = value;
        if (!strcmp(e->project, rq->who.project))
            names[n++] = e->name;
    }
    const char *near = str_nearest(name, names, n);
    err_set(err, E_NOTFOUND, "no endpoint '%.*s'%s%s%s", STR(name), near ? ": did you mean '" : "",
            near ? near : "", near ? "'?" : "");
    return err_hint(E_NOTFOUND, err, "list them with: tenon endpoint list");
}

/* {n} of …/versions/{n}, where the route has it, must be the version that is served. */
static int check_version(const struct endpoint *e, const struct request *rq, struct err *err)
{
    str wanted = request_param(rq, "n");
    int64_t n;
    if (!wanted.n || (str_i64(wanted, &n) && n == e->version))
        return 0;
    return err_set(err, E_NOTFOUND, "the endpoint '%s' serves version %lld of '%s', not %.*s",
                   e->name, (long long)e->version, e->model_name, (int)MIN(wanted.n, 24), wanted.p);
}

static int find(struct serve *s, const struct request *rq, const struct endpoint **ret,
                struct err *err)
{
    const struct roster *t = atomic_load_explicit(&s->roster, memory_order_acquire);
    str name = request_param(rq, "name");
    const struct endpoint *e = roster_find(t, str_from(rq->who.project), name);
    if (!e)
        return not_found(t, rq, name, err);
    int rc = check_version(e, rq, err);
    if (rc)
        return rc;
    if (e->state == STATE_LOADING)
        return err_hint(err_set(err, E_UNAVAILABLE, "the endpoint '%s' is still loading", e->name),
                        err, "try again in a moment");
    if (e->state == STATE_FAILED)
        return err_set(err, E_UNAVAILABLE, "the endpoint '%s' could not be loaded: %s", e->name,
                       e->reason.msg);
    *ret = e;
    return 0;
}

/* JSON, or what curl calls any body that one gives it with -d. */
static int check_type(const struct request *rq, struct err *err)
{
    str type = request_header(rq, "Content-Type");
    return str_ieq(type, S("application/x-www-form-urlencoded")) ? 0 : request_need_json(rq, err);
}

static int predict(struct request *rq, struct serve *s, bool invocation, struct err *err)
{
    const struct endpoint *e;
    int rc = check_type(rq, err);
    rc = rc ? rc : find(s, rq, &e, err);
    if (rc)
        return rc;
    rc = lane_take(lane_of(e->loaded, rq->loop), rq, invocation, err);
    return rc ? rc : REQUEST_LATER;
}

int serve_infer(struct request *rq, void *serve, struct err *err)
{
    return predict(rq, serve, false, err);
}

int serve_invocations(struct request *rq, void *serve, struct err *err)
{
    return predict(rq, serve, true, err);
}

int serve_metadata(struct request *rq, void *serve, struct err *err)
{
    const struct endpoint *e;
    int rc = find(serve, rq, &e, err);
    if (!rc)
        contract_metadata(e->loaded->contract, &rq->answer);
    return rc;
}

/* Clients look at the status alone, and know 400 as "not ready" (Triton). */
int serve_ready(struct request *rq, void *serve, struct err *err)
{
    const struct endpoint *e;
    int rc = find(serve, rq, &e, err);
    if (rc == E_UNAVAILABLE) {
        rq->status = 400;
        rc = 0;
    }
    return rc;
}

void serve_error_shape(struct buf *b, const struct err *err)
{
    buf_puts(b, "{\"error\":");
    CLEANUP(freep)
    char *text = err->hint[0] ? xasprintf("%s (%s)", err->msg, err->hint) : xstrdup(err->msg);
    json_quote(b, str_from(text));
    buf_char(b, '}');
}
