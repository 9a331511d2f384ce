/* SPDX-License-Identifier: Apache-2.0
 *
 * ONNX Runtime and the models of test/models, for tests.
 */
#ifndef TENON_TEST_INFER_FIXTURE_H
#define TENON_TEST_INFER_FIXTURE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "infer/infer.h"
#include "sys/fs.h"

#include <stdio.h>
#include <string.h>

static struct ort *fixture_ort;

static inline int fixture_open(UNUSED void **state)
{
    struct err err;
    if (ort_open(&fixture_ort, &err)) {
        fprintf(stderr, "%s (%s)\n", err.msg, err.hint);
        return -1;
    }
    return 0;
}

static inline int fixture_close(UNUSED void **state)
{
    ort_close(fixture_ort);
    return 0;
}

static inline int fixture_try(const char *model, struct session **ret, struct err *err)
{
    struct buf bytes = BUF(1 << 20);
    CLEANUP(freep) char *path = xasprintf("%s/%s.onnx", TEST_MODELS, model);
    int rc = fs_read(path, 1 << 20, &bytes, err);
    if (!rc)
        rc = session_open(fixture_ort, bytes.p, bytes.n, 1, ret, err);
    buf_free(&bytes);
    return rc;
}

static inline struct session *fixture_session(const char *model)
{
    struct session *s = NULL;
    struct err err = {0};
    if (fixture_try(model, &s, &err))
        fail_msg("%s: %s", model, err.msg);
    return s;
}

#endif
