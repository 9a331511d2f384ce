/* SPDX-License-Identifier: Apache-2.0
 *
 * What handlers ask of a request, and what they put into its answer. The handler's thread.
 */
#include "net/net_int.h"

#include "codec/text.h"

#include <string.h>

str request_param(const struct request *rq, const char *name)
{
    const struct match *m = &exchange_of(rq)->match;
    for (size_t i = 0; i < m->param_count; i++)
        if (str_is(m->params[i].name, name))
            return m->params[i].value;
    return (str){0};
}

str request_header(const struct request *rq, const char *name)
{
    const struct exchange *x = exchange_of(rq);
    str wanted = str_from(name);
    for (size_t i = 0; i < x->header_count; i++)
        if (str_ieq(x->headers[i].name, wanted))
            return x->headers[i].value;
    return (str){0};
}

/* In forms '+' is a space; a broken escape leaves the text as it came. */
static str decode_query(struct arena *a, str raw)
{
    str ret;
    if (!memchr(raw.p, '%', raw.n) && !memchr(raw.p, '+', raw.n))
        return raw;
    str copy = arena_str(a, raw);
    for (size_t i = 0; i < copy.n; i++)
        if (copy.p[i] == '+')
            ((char *)copy.p)[i] = ' ';
    return percent_decode(a, copy, &ret, NULL) ? copy : ret;
}

str request_query(const struct request *rq, const char *name)
{
    const struct exchange *x = exchange_of(rq);
    str rest = x->query, pair, key, value;
    for (bool more = rest.n > 0; more;) {
        more = str_cut(rest, '&', &pair, &rest);
        str_cut(pair, '=', &key, &value);
        if (!key.n || !str_is(decode_query(rq->arena, key), name))
            continue;
        return value.n ? decode_query(rq->arena, value) : S("");
    }
    return (str){0};
}

int request_query_i64(const struct request *rq, const char *name, int64_t fallback, int64_t min,
                      int64_t max, int64_t *ret, struct err *err)
{
    str text = request_query(rq, name);
    int64_t value = fallback;
    if (text.p && (!str_i64(text, &value) || value < min || value > max))
        return err_set(err, E_INVALID, "'%s' must be a whole number from %lld to %lld, got '%.*s'",
                       name, (long long)min, (long long)max, STR(text));
    *ret = value;
    return 0;
}

static void put_header_text(struct buf *b, const char *text)
{
    for (; *text; text++)
        buf_char(b, (unsigned char)*text < 0x20 || *text == 0x7f ? ' ' : *text);
}

void request_set_header(struct request *rq, const char *name, const char *value)
{
    struct exchange *x = exchange_of(rq);
    x->has_cache_control |= strcasecmp(name, "Cache-Control") == 0;
    x->has_csp |= strcasecmp(name, "Content-Security-Policy") == 0;
    put_header_text(&x->extra, name);
    buf_puts(&x->extra, ": ");
    put_header_text(&x->extra, value);
    buf_puts(&x->extra, "\r\n");
}

static bool is_json_type(str type)
{
    str name, parameters;
    str_cut(type, ';', &name, &parameters);
    name = str_trim(name);
    return str_ieq(name, S("application/json")) ||
           (name.n > 5 && str_ieq(str_skip(name, name.n - 5), S("+json")));
}

int request_need_json(const struct request *rq, struct err *err)
{
    str type = request_header(rq, "Content-Type");
    if (!type.n || is_json_type(type))
        return 0;
    return err_hint(err_set(err, E_TYPE, "the body must be JSON, not '%.*s'", STR(type)), err,
                    "send 'Content-Type: application/json'");
}

int request_json(struct request *rq, json_t **ret, struct err *err)
{
    int rc = request_need_json(rq, err);
    if (rc)
        return rc;
    if (!rq->body.n)
        return err_set(err, E_INVALID, "the body is empty; JSON was expected");
    return json_parse(rq->body, ret, err);
}

int request_answer_json(struct request *rq, int status, const json_t *j)
{
    buf_clear(&rq->answer);
    if (!j) /* json_pack was given NULL or bytes that are not UTF-8; an empty 200 would hide it */
        return err_set(&exchange_of(rq)->err, E_INTERNAL,
                       "the answer to %.*s cannot be written as JSON", STR(rq->path));
    rq->status = status;
    rq->content_type = "application/json";
    json_write(j, &rq->answer);
    return 0;
}
