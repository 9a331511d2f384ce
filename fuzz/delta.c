/* SPDX-License-Identifier: Apache-2.0
 *
 * A Delta log: the bytes are commits, separated by lines of "---".
 */
#include "data/delta.h"

#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    CLEANUP(delta_freep) struct delta *d = delta_new();
    str rest = str_n((const char *)data, n);
    struct err err;
    int rc = 0;
    for (int64_t version = 0; !rc && rest.n; version++) {
        const char *mark = memmem(rest.p, rest.n, "---\n", 4);
        str commit = str_n(rest.p, mark ? (size_t)(mark - rest.p) : rest.n);
        rest = str_skip(rest, commit.n + 4);
        rc = delta_apply(d, version, commit, &err);
    }
    return 0;
}
