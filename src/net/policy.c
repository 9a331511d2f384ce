/* SPDX-License-Identifier: Apache-2.0
 *
 * May this request be handled at all? Asked once its head is there, before a byte of its body.
 *
 * In this order: is it for us (Host), did one of our pages send it (Origin), does the path exist
 * and take the method, who is calling and may they, does the body fit. Host and Origin are what
 * keeps a page of a stranger from reaching a server on the reader's own machine (DNS rebinding,
 * cross-site requests). Loop thread.
 */
#include "net/net_int.h"

#include <string.h>

static str header_of(const struct exchange *x, str name)
{
    for (size_t i = 0; i < x->header_count; i++)
        if (str_ieq(x->headers[i].name, name))
            return x->headers[i].value;
    return (str){0};
}

/* "name", "name:port", "[v6]:port"; false if it is none of them. */
static bool split_authority(str authority, str *ret_name, str *ret_port)
{
    size_t end = 0;
    if (authority.n && authority.p[0] == '[') {
        if (!str_find(authority, ']', &end))
            return false;
        end++;
    } else if (!str_find(authority, ':', &end)) {
        end = authority.n;
    }
    *ret_name = str_n(authority.p, end);
    *ret_port = str_skip(authority, end);
    uint64_t number;
    if (!ret_port->n)
        return true;
    *ret_port = str_skip(*ret_port, 1);
    return authority.p[end] == ':' && str_u64(*ret_port, &number) && number <= 65535;
}

static bool name_is_ours(const struct net_config *config, str name)
{
    if (str_ieq(name, S("localhost")) || str_eq(name, S("127.0.0.1")) || str_eq(name, S("[::1]")) ||
        str_is(name, config->host))
        return true;
    for (const char *const *h = config->extra_hosts; h && *h; h++)
        if (str_ieq(name, str_from(*h)))
            return true;
    return false;
}

static int check_host(struct exchange *x, struct err *err)
{
    str name, port;
    if (!x->authority.p)
        x->authority = header_of(x, S("Host"));
    if (!x->authority.p && x->http10)
        return 0;
    if (!x->authority.p) {
        err_set(err, E_INVALID, "the request has no Host header");
        return 400;
    }
    if (split_authority(x->authority, &name, &port) && name_is_ours(&x->nl->net->config, name))
        return 0;
    err_hint(err_set(err, E_FORBIDDEN, "this server does not answer for the host '%.*s'",
                     STR(x->authority)),
             err, "use localhost or 127.0.0.1");
    return 403;
}

/* Ours is what the Host header says, or one of our names on our port. */
static bool origin_is_ours(const struct exchange *x, str origin)
{
    str name, port;
    uint64_t number = 0;
    if (str_starts(origin, S("http://")))
        origin = str_skip(origin, 7);
    else if (str_starts(origin, S("https://")))
        origin = str_skip(origin, 8);
    else
        return false;
    if (str_ieq(origin, x->authority))
        return true;
    return split_authority(origin, &name, &port) && name_is_ours(&x->nl->net->config, name) &&
           str_u64(port, &number) && number == x->nl->net->port;
}

static bool changes_state(str method)
{
    return !str_eq(method, S("GET")) && !str_eq(method, S("HEAD")) && !str_eq(method, S("OPTIONS"));
}

static int check_origin(struct exchange *x, struct err *err)
{
    str origin = header_of(x, S("Origin")), site = header_of(x, S("Sec-Fetch-Site"));
    bool foreign = origin.p && !origin_is_ours(x, origin);
    if (changes_state(x->rq.method) &&
        (str_eq(site, S("cross-site")) || str_eq(site, S("same-site"))))
        foreign = true;
    if (!foreign)
        return 0;
    err_set(err, E_FORBIDDEN, "a page of '%.*s' may not call this server",
            STR(origin.n ? origin : S("another site")));
    return 403;
}

static int check_route(struct exchange *x, struct err *err)
{
    struct request *rq = &x->rq;
    int rc = router_match(x->nl->net->router, rq->method, x->target, rq->arena, &rq->path,
                          &x->match, err);
    if (rc)
        return err_http((enum errcode)rc);
    rq->route = x->match.route;
    if (rq->route)
        return 0;
    if (!x->match.allow[0]) {
        err_set(err, E_NOTFOUND, "there is nothing at %.*s", STR(rq->path));
        return 404;
    }
    request_set_header(rq, "Allow", x->match.allow);
    err_set(err, E_METHOD, "%.*s does not take %.*s", STR(rq->path), STR(rq->method));
    err_hint(E_METHOD, err, "it takes %s", x->match.allow);
    return 405;
}

static str bearer_of(const struct exchange *x)
{
    str value = header_of(x, S("Authorization"));
    if (value.n < 7 || !str_ieq(str_n(value.p, 7), S("Bearer ")))
        return (str){0};
    return str_trim(str_skip(value, 7));
}

static str cookie_of(const struct exchange *x)
{
    str rest = header_of(x, S("Cookie")), pair, name, value;
    for (bool more = rest.n > 0; more;) {
        more = str_cut(rest, ';', &pair, &rest);
        if (str_cut(str_trim(pair), '=', &name, &value) && str_is(name, NET_COOKIE))
            return value;
    }
    return (str){0};
}

static int unauthenticated(struct exchange *x, struct err *err)
{
    request_set_header(&x->rq, "WWW-Authenticate", "Bearer realm=\"tenon\"");
    if (!err->hint[0])
        err_hint(E_UNAUTHENTICATED, err, "send 'Authorization: Bearer TOKEN'");
    return 401;
}

static int check_caller(struct exchange *x, struct err *err)
{
    struct request *rq = &x->rq;
    const struct gate *gate = &x->nl->net->config.gate;
    bool open = (rq->route->perm & PERM_NONE) != 0;
    str bearer = bearer_of(x), cookie = cookie_of(x);
    if (gate->identify && (bearer.n || cookie.n)) {
        struct principal who = {0};
        struct err why = {0};
        int rc = gate->identify(gate->ctx, rq->loop, bearer, cookie, &who, &why);
        if (!rc)
            rq->who = who;
        else if (!open) {
            *err = why;
            return rc == E_UNAUTHENTICATED ? unauthenticated(x, err) : err_http((enum errcode)rc);
        }
    }
    if (open || (rq->who.perms & rq->route->perm))
        return 0;
    if (!rq->who.id[0]) {
        err_set(err, E_UNAUTHENTICATED, "%.*s needs a token", STR(rq->path));
        return unauthenticated(x, err);
    }
    err_set(err, E_FORBIDDEN, "token '%s' may not call %.*s %.*s", rq->who.name, STR(rq->method),
            STR(rq->path));
    return 403;
}

static int check_body(struct exchange *x, struct err *err)
{
    size_t max = x->rq.route->max_body;
    str expect = header_of(x, S("Expect"));
    x->max_body = max;
    x->expects = expect.n > 0;
    if (expect.n && !str_ieq(expect, S("100-continue"))) {
        err_set(err, E_INVALID, "the only Expect is 100-continue");
        return 417;
    }
    if (x->length == 0 || (x->length < 0 && max) || (x->length > 0 && (uint64_t)x->length <= max))
        return 0;
    if (!max)
        err_set(err, E_TOOBIG, "%.*s %.*s takes no body", STR(x->rq.method), STR(x->rq.path));
    else
        err_set(err, E_TOOBIG, "the body has %lld bytes, more than the %zu that are accepted here",
                (long long)x->length, max);
    return 413;
}

/* A connection above the maximum gets nothing but health and the like. */
static int check_lane(struct exchange *x, struct err *err)
{
    const struct route *route = x->rq.route;
    if (!x->conn->surplus || (route->kind == ROUTE_FAST && (route->perm & PERM_NONE)))
        return 0;
    err_set(err, E_BUSY, "%u connections are open, as many as this server takes",
            x->nl->net->connections_max);
    err_hint(E_BUSY, err, "try again in a moment");
    return 503;
}

int policy_check(struct exchange *x, struct err *err)
{
    int status = check_host(x, err);
    status = status ? status : check_origin(x, err);
    status = status ? status : check_route(x, err);
    status = status ? status : check_lane(x, err);
    status = status ? status : check_caller(x, err);
    return status ? status : check_body(x, err);
}
