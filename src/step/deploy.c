/* SPDX-License-Identifier: Apache-2.0
 *
 * kind: deploy. Asks the server that runs us to serve a model version, and waits until it does.
 *
 *   {model: registered name or the step that registers it, version: 7, @alias or latest,
 *    endpoint: name}
 *
 * The server may be restarting just now: whatever says "not now" is tried again until the attempt's
 * time is over. The call is idempotent, so a lost answer does no harm.
 */
#include "step/step_int.h"

#include "codec/text.h"
#include "net/net.h"
#include "sys/clock.h"

#include <string.h>
#include <unistd.h>

enum { DEFAULT_TIMEOUT_MS = 300000, PAUSE_MS = 250, PAUSE_MAX_MS = 4000, CALL_MS = 120000 };

struct deployment {
    struct step_context *c;
    const char *model, *version, *endpoint, *url;
    int64_t deadline_ns;
};

/* What a register step among those before us registered; its version once the server knows it. */
static void from_upstream(struct deployment *d)
{
    const char *step;
    json_t *result;
    json_object_foreach (json_object_get(d->c->attempt, "upstream"), step, result) {
        const json_t *r = json_object_get(result, "register");
        if (!r || (strcmp(step, d->model) != 0 && strcmp(json_s(r, "model"), d->model) != 0))
            continue;
        d->model = json_s(r, "model");
        if (!d->version[0] && json_i(r, "version") > 0)
            d->version = arena_printf(d->c->arena, "%lld", (long long)json_i(r, "version"));
    }
}

/* YAML reads `version: 7` as a number. */
static int read_version(struct deployment *d, struct err *err)
{
    const json_t *said = json_object_get(d->c->with, "version");
    d->version = "";
    if (json_is_integer(said))
        d->version = arena_printf(d->c->arena, "%lld", (long long)json_integer_value(said));
    else
        return step_text(d->c, "version", "", &d->version, err);
    return 0;
}

static int read_options(struct deployment *d, struct err *err)
{
    static const char *const known[] = {"model", "version", "endpoint", "description", NULL};
    struct step_context *c = d->c;
    const char *endpoint = NULL;
    int rc = json_only(c->with, known, err);
    if (!rc)
        rc = step_text(c, "model", NULL, &d->model, err);
    if (!rc)
        rc = step_text(c, "endpoint", NULL, &endpoint, err);
    if (!rc)
        rc = read_version(d, err);
    if (rc)
        return rc;
    if (!str_is_name(str_from(endpoint)))
        return err_set(err, E_INVALID, "'%s' is no name for an endpoint", endpoint);
    d->endpoint = endpoint;
    from_upstream(d);
    if (!d->version[0])
        d->version = "latest";
    const char *url = json_s(c->attempt, "url");
    if (!url[0])
        return err_hint(err_set(err, E_UNAVAILABLE, "this attempt was given no server to talk to"),
                        err, "steps of kind deploy run under 'tenon up'");
    int64_t ms = json_i(c->attempt, "timeout_ms");
    d->url = arena_printf(c->arena, "%s/api/v1/endpoints/%s", url, endpoint);
    d->deadline_ns = clock_mono_ns() + (ms > 0 ? ms : DEFAULT_TIMEOUT_MS) * 1000000;
    return 0;
}

static bool may_pass(int code)
{
    return code == E_UNAVAILABLE || code == E_BUSY || code == E_IO || code == E_TIMEOUT;
}

/* One call, again and again while the server is away and there is time. */
static int call(const struct deployment *d, const char *method, str body, json_t **ret,
                struct err *err)
{
    unsigned pause = PAUSE_MS;
    for (;;) {
        struct http_call h = {.method = method,
                              .url = d->url,
                              .token = json_s(d->c->attempt, "token"),
                              .body = body,
                              .body_fd = -1,
                              .timeout_ms = CALL_MS};
        int rc = http_json(&h, ret, err);
        int64_t left_ms = (d->deadline_ns - clock_mono_ns()) / 1000000;
        if (!rc || !may_pass(rc) || left_ms < (int64_t)pause)
            return rc;
        step_say("the server does not answer (%s): trying again", err->msg);
        usleep(pause * 1000);
        pause = MIN(pause * 2, PAUSE_MAX_MS);
    }
}

/* The PUT answers when the endpoint is ready; a server that restarted may still be loading it. */
static int wait_ready(const struct deployment *d, json_t **endpoint, struct err *err)
{
    for (;;) {
        const char *state = json_s(*endpoint, "state");
        if (!strcmp(state, "ready"))
            return 0;
        if (!strcmp(state, "failed"))
            return err_set(err, E_CONFLICT, "endpoint '%s' cannot serve %s: %s", d->endpoint,
                           d->model, json_s(*endpoint, "reason"));
        if (clock_mono_ns() > d->deadline_ns)
            return err_set(err, E_TIMEOUT, "endpoint '%s' is still %s", d->endpoint, state);
        usleep(PAUSE_MS * 1000);
        json_t *now = NULL;
        int rc = call(d, "GET", (str){0}, &now, err);
        if (rc)
            return rc;
        json_decref(*endpoint);
        *endpoint = now;
    }
}

int step_deploy(struct step_context *c, struct err *err)
{
    struct deployment d = {.c = c};
    int rc = read_options(&d, err);
    if (rc)
        return rc;
    CLEANUP(json_freep) json_t *endpoint = NULL;
    CLEANUP(json_freep) json_t *wish = json_object();
    json_object_set_new(wish, "model", json_string(d.model));
    json_object_set_new(wish, "version", json_string(d.version));
    CLEANUP(freep) char *body = json_text(wish);
    rc = call(&d, "PUT", str_from(body), &endpoint, err);
    if (!rc)
        rc = wait_ready(&d, &endpoint, err);
    if (rc)
        return err_wrap(err, "deploy %s to '%s'", d.model, d.endpoint);
    json_t *o = json_object();
    json_object_set_new(o, "endpoint", json_string(d.endpoint));
    json_object_set_new(o, "model", json_string(d.model));
    json_object_set(o, "version", json_object_get(endpoint, "version"));
    json_object_set_new(c->result, "deploy", o);
    step_summary(c, "%s serves %s version %lld", d.endpoint, d.model,
                 (long long)json_i(endpoint, "version"));
    return 0;
}
