/* SPDX-License-Identifier: Apache-2.0
 *
 * CSV: header, types, rows. The report must be consistent whatever the bytes.
 */
#include "data/csv.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    CLEANUP(csv_freep) struct csv *c = NULL;
    struct csv_report r;
    struct err err;
    if (csv_open("f", str_n((const char *)data, n), &c, &err))
        return 0;
    csv_null(c, S("NA"));
    if (csv_infer(c, &err) || csv_check(c, -1, &r, &err))
        abort();
    if (r.bad > r.rows || (r.bad && !r.shown[0]))
        abort();
    csv_report_free(&r);
    return 0;
}
