/* SPDX-License-Identifier: Apache-2.0
 *
 * The blocking HTTP client of the command line, of steps and of tests, on libcurl.
 *
 * Each thread keeps one easy handle, so calls in a row reuse the connection. Redirects are not
 * followed (a token must not travel to where an answer points), other protocols are off, and an
 * answer is bounded. Any thread but a loop's.
 */
#include "net/net.h"

#include <curl/curl.h>
#include <pthread.h>
#include <string.h>
#include <unistd.h>

enum { TIMEOUT_MS = 30 * 1000, CONNECT_MS = 10 * 1000, ANSWER_BYTES = 64 << 20 };

static pthread_once_t once = PTHREAD_ONCE_INIT;
static pthread_key_t handle_key;

static void make_key(void)
{
    curl_global_init(CURL_GLOBAL_DEFAULT);
    pthread_key_create(&handle_key, curl_easy_cleanup);
}

/* The thread's handle, with connections alive and options forgotten. */
static CURL *thread_handle(void)
{
    pthread_once(&once, make_key);
    CURL *h = pthread_getspecific(handle_key);
    if (!h) {
        h = curl_easy_init();
        pthread_setspecific(handle_key, h);
    } else {
        curl_easy_reset(h);
    }
    return h;
}

struct transfer {
    const struct http_call *call;
    struct buf body;
    int64_t sent;
    bool stopped; /* by on_data */
};

static size_t on_piece(char *p, size_t size, size_t n, void *arg)
{
    struct transfer *t = arg;
    (void)size;
    if (t->call->on_data) {
        t->stopped = t->call->on_data(t->call->ctx, str_n(p, n)) != 0;
        return t->stopped ? 0 : n;
    }
    buf_put(&t->body, p, n);
    return buf_ok(&t->body) ? n : 0;
}

static size_t give_piece(char *p, size_t size, size_t n, void *arg)
{
    struct transfer *t = arg;
    int64_t left = t->call->body_size - t->sent;
    size_t want = (size_t)MIN((int64_t)(size * n), left);
    ssize_t got = want ? pread(t->call->body_fd, p, want, t->sent) : 0;
    if (got < 0 || (got == 0 && want))
        return CURL_READFUNC_ABORT;
    t->sent += got;
    return (size_t)got;
}

/* curl asks to go back when a reused connection turns out to be closed. */
static int seek_piece(void *arg, curl_off_t to, int origin)
{
    struct transfer *t = arg;
    if (origin != SEEK_SET)
        return CURL_SEEKFUNC_CANTSEEK;
    t->sent = to;
    return CURL_SEEKFUNC_OK;
}

static void set_body(CURL *h, const struct http_call *c, struct transfer *t)
{
    if (c->body_fd > 0) {
        curl_easy_setopt(h, CURLOPT_UPLOAD, 1L);
        curl_easy_setopt(h, CURLOPT_READFUNCTION, give_piece);
        curl_easy_setopt(h, CURLOPT_READDATA, t);
        curl_easy_setopt(h, CURLOPT_SEEKFUNCTION, seek_piece);
        curl_easy_setopt(h, CURLOPT_SEEKDATA, t);
        curl_easy_setopt(h, CURLOPT_INFILESIZE_LARGE, (curl_off_t)c->body_size);
    } else if (c->body.n || strcmp(c->method, "POST") == 0 || strcmp(c->method, "PUT") == 0) {
        curl_easy_setopt(h, CURLOPT_POSTFIELDS, c->body.n ? c->body.p : "");
        curl_easy_setopt(h, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)c->body.n);
    } else if (strcmp(c->method, "HEAD") == 0) {
        curl_easy_setopt(h, CURLOPT_NOBODY, 1L);
    }
    curl_easy_setopt(h, CURLOPT_CUSTOMREQUEST, c->method);
}

static struct curl_slist *make_headers(const struct http_call *c)
{
    const char *type = c->content_type ? c->content_type : "application/json";
    CLEANUP(freep) char *type_line = xasprintf("Content-Type: %s", type);
    struct curl_slist *list = curl_slist_append(NULL, type_line);
    list = curl_slist_append(list, "Expect:"); /* a wait that our own server does not need */
    if (c->token) {
        CLEANUP(freep) char *auth = xasprintf("Authorization: Bearer %s", c->token);
        list = curl_slist_append(list, auth);
    }
    return list;
}

static void set_options(CURL *h, const struct http_call *c, struct transfer *t,
                        struct curl_slist *headers, char *why)
{
    long timeout = c->timeout_ms ? (long)c->timeout_ms : TIMEOUT_MS;
    curl_easy_setopt(h, CURLOPT_URL, c->url);
    curl_easy_setopt(h, CURLOPT_ERRORBUFFER, why);
    curl_easy_setopt(h, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(h, CURLOPT_FOLLOWLOCATION, 0L);
#if LIBCURL_VERSION_NUM >= 0x075500
    curl_easy_setopt(h, CURLOPT_PROTOCOLS_STR, "http,https");
#else
    curl_easy_setopt(h, CURLOPT_PROTOCOLS, (long)(CURLPROTO_HTTP | CURLPROTO_HTTPS));
#endif
    curl_easy_setopt(h, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
    curl_easy_setopt(h, CURLOPT_TIMEOUT_MS, timeout);
    curl_easy_setopt(h, CURLOPT_CONNECTTIMEOUT_MS, MIN(timeout, (long)CONNECT_MS));
    curl_easy_setopt(h, CURLOPT_HTTPHEADER, headers);
    curl_easy_setopt(h, CURLOPT_WRITEFUNCTION, on_piece);
    curl_easy_setopt(h, CURLOPT_WRITEDATA, t);
    set_body(h, c, t);
}

/* "http://host:port" of a URL, for messages: paths and queries are noise there. */
static str origin_of(const char *url)
{
    const char *start = strstr(url, "://");
    return str_n(url, start ? (size_t)(start + 3 - url) + strcspn(start + 3, "/?#") : strlen(url));
}

static int explain(CURLcode code, const struct http_call *c, const struct transfer *t,
                   const char *why, struct err *err)
{
    str origin = origin_of(c->url);
    unsigned timeout = c->timeout_ms ? c->timeout_ms : TIMEOUT_MS;
    switch (code) {
    case CURLE_COULDNT_CONNECT:
        return err_hint(
            err_set(err, E_UNAVAILABLE, "cannot reach %.*s: connection refused", STR(origin)), err,
            "is the server running? start it with: tenon up");
    case CURLE_COULDNT_RESOLVE_HOST:
        return err_hint(err_set(err, E_UNAVAILABLE, "cannot reach %.*s: no such host", STR(origin)),
                        err, "check the server's address");
    case CURLE_OPERATION_TIMEDOUT:
        return err_set(err, E_TIMEOUT, "no answer from %.*s within %u ms", STR(origin), timeout);
    case CURLE_URL_MALFORMAT:
    case CURLE_UNSUPPORTED_PROTOCOL:
        return err_set(err, E_INVALID, "'%s' is not an http or https URL", c->url);
    case CURLE_ABORTED_BY_CALLBACK:
        return err_set(err, E_IO, "cannot read what is to be sent to %.*s", STR(origin));
    case CURLE_WRITE_ERROR:
        if (t->stopped)
            return err_set(err, E_CANCELLED, "stopped reading the answer of %.*s", STR(origin));
        return err_set(err, E_TOOBIG, "the answer of %.*s is longer than %zu bytes", STR(origin),
                       t->body.max);
    default:
        return err_set(err, E_IO, "the talk with %.*s broke off: %s", STR(origin),
                       why[0] ? why : curl_easy_strerror(code));
    }
}

int http_do(const struct http_call *c, struct http_answer *ret, struct err *err)
{
    CURL *h = thread_handle();
    if (!h)
        return err_set(err, E_INTERNAL, "libcurl cannot be initialised");
    char why[CURL_ERROR_SIZE] = "";
    struct transfer t = {.call = c, .body = BUF(c->max_answer ? c->max_answer : ANSWER_BYTES)};
    struct curl_slist *headers = make_headers(c);
    set_options(h, c, &t, headers, why);
    CURLcode code = curl_easy_perform(h);
    curl_slist_free_all(headers);
    if (code != CURLE_OK) {
        int rc = explain(code, c, &t, why, err);
        buf_free(&t.body);
        return rc;
    }
    long status = 0;
    char *type = NULL;
    curl_easy_getinfo(h, CURLINFO_RESPONSE_CODE, &status);
    curl_easy_getinfo(h, CURLINFO_CONTENT_TYPE, &type);
    *ret = (struct http_answer){.status = (int)status, .body = t.body};
    str kept = str_from(type);
    memcpy(ret->content_type, kept.p ? kept.p : "", MIN(kept.n, sizeof(ret->content_type) - 1));
    return 0;
}

void http_answer_free(struct http_answer *a)
{
    buf_free(&a->body);
}

/* The code that fits a status, for answers that do not carry ours. */
static enum errcode code_of_status(int status)
{
#define X(code, name, http, grpc, exit)                                                            \
    if (status == http)                                                                            \
        return code;
    ERR_TABLE(X)
#undef X
    return status >= 400 && status < 500 ? E_INVALID : E_INTERNAL;
}

/* {"error":{code,message,hint}}, {"error":"text"}, or just the status. */
static int remote_error(const struct http_call *c, const struct http_answer *a, struct err *err)
{
    CLEANUP(json_freep) json_t *body = NULL;
    enum errcode code = code_of_status(a->status);
    json_parse(buf_view(&a->body), &body, NULL);
    const json_t *e = json_object_get(body, "error");
    if (json_is_string(e))
        return err_set(err, code, "%s", json_string_value(e));
    const char *message = json_string_value(json_object_get(e, "message"));
    const char *name = json_string_value(json_object_get(e, "code"));
    const char *hint = json_string_value(json_object_get(e, "hint"));
    if (!message)
        return err_set(err, code, "%s %s was answered with status %d", c->method, c->url,
                       a->status);
    enum errcode named = name ? err_from_name(name) : code;
    err_set(err, named, "%s", message);
    return hint ? err_hint(named, err, "%s", hint) : (int)named;
}

int http_json(const struct http_call *c, json_t **ret, struct err *err)
{
    struct http_answer a;
    int rc = http_do(c, &a, err);
    if (rc)
        return rc;
    if (a.status < 200 || a.status > 299)
        rc = remote_error(c, &a, err);
    else if (a.body.n == 0)
        *ret = json_object();
    else if (json_parse(buf_view(&a.body), ret, err))
        rc = err ? err_wrap(err, "the answer of %s", c->url) : E_INVALID;
    http_answer_free(&a);
    return rc;
}
