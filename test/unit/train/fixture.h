/* SPDX-License-Identifier: Apache-2.0
 *
 * What the tests of this room share.
 */
#ifndef TENON_TEST_TRAIN_FIXTURE_H
#define TENON_TEST_TRAIN_FIXTURE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "train/train_int.h"

#define OK(call)                                                                                   \
    do {                                                                                           \
        struct err err = {0};                                                                      \
        if (call)                                                                                  \
            fail_msg("%s: %s", #call, err.msg);                                                    \
    } while (0)

/* Fails with this code, and the message has this text. */
#define REFUSED(call, want, text)                                                                  \
    do {                                                                                           \
        struct err err = {0};                                                                      \
        assert_int_equal((call), want);                                                            \
        assert_non_null(strstr(err.msg, text));                                                    \
    } while (0)

static inline void put_number(struct table *t, size_t column, double v)
{
    struct err err;
    assert_int_equal(table_number(t, column, v, &err), 0);
}

static inline void put_text(struct table *t, size_t column, const char *v)
{
    struct err err;
    assert_int_equal(table_text(t, column, str_from(v), &err), 0);
}

#endif
