/* SPDX-License-Identifier: Apache-2.0
 *
 * The executor there is: processes on this machine (compute).
 */
#include "pipeline/engine_int.h"

static int open_compute(const struct engine_config *config,
                        void (*exited)(void *engine, const char *dir, const struct attempt_exit *e),
                        void *engine, void **ret, unsigned *ret_slots, struct err *err)
{
    const struct compute_config c = {
        .binary = config->binary, .slots = config->slots, .on_exit = exited, .ctx = engine};
    struct compute *made = NULL;
    int rc = compute_open(&c, &made, err);
    if (rc)
        return rc;
    *ret = made;
    *ret_slots = compute_slots(made);
    return 0;
}

static void close_compute(void *self)
{
    compute_close(self);
}

static int start(void *self, const char *dir, struct err *err)
{
    return compute_start(self, dir, err);
}

static int adopt(void *self, const char *dir, enum attempt_state *ret, struct attempt_exit *e,
                 struct err *err)
{
    return compute_adopt(self, dir, ret, e, err);
}

static int cancel(void *self, const char *dir, struct err *err)
{
    return compute_cancel(self, dir, err);
}

const struct executor compute_executor = {open_compute, close_compute, start, adopt, cancel};
