/* SPDX-License-Identifier: Apache-2.0
 *
 * A contract over a small model, and requests as text.
 */
#ifndef TENON_TEST_SERVE_FIXTURE_H
#define TENON_TEST_SERVE_FIXTURE_H

#include "../infer/fixture.h"
#include "serve/contract.h"

struct desk {
    struct session *session;
    struct contract *c;
    struct batch *b;
    struct arena *a;
    int64_t rows;
    struct err err;
    char out[4096];
};

static inline void desk_open(struct desk *d, const char *model, const char *signature)
{
    *d = (struct desk){.session = fixture_session(model), .a = arena_new(0)};
    CLEANUP(json_freep) json_t *j = NULL;
    if (signature)
        assert_int_equal(json_parse(str_from(signature), &j, NULL), 0);
    d->c = contract_new(d->session, j, "late", 3);
    d->b = batch_new(d->session);
}

static inline void desk_close(struct desk *d)
{
    batch_free(d->b);
    contract_free(d->c);
    session_unref(d->session);
    arena_free(d->a);
}

/* The request is read, run by itself, and answered; its answer is d->out. */
static inline int desk_ask(struct desk *d, bool invocation, const char *body)
{
    struct ask ask;
    const struct tensor *outputs;
    struct buf out = BUF(sizeof(d->out) - 1);
    d->err = (struct err){0};
    int rc = (invocation ? ask_invocation : ask_infer)(d->c, d->b, 0, str_from(body), d->a, &ask,
                                                       &d->err);
    if (!rc)
        rc = batch_run(d->b, &outputs, &d->err);
    if (!rc)
        rc = answer_write(d->c, &ask, outputs, &out, &d->err);
    snprintf(d->out, sizeof(d->out), "%s", buf_cstr(&out));
    buf_free(&out);
    return rc;
}

static inline void desk_expect(struct desk *d, bool invocation, const char *body, const char *want)
{
    if (desk_ask(d, invocation, body))
        fail_msg("%s: %s", body, d->err.msg);
    assert_string_equal(d->out, want);
}

static inline void desk_refuse(struct desk *d, bool invocation, const char *body, const char *why)
{
    if (!desk_ask(d, invocation, body))
        fail_msg("%s: answered %s", body, d->out);
    assert_string_equal(d->err.msg, why);
}

#endif
