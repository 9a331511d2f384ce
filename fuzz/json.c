/* SPDX-License-Identifier: Apache-2.0
 *
 * Documents: what parses must print and parse again to the same value; quoting must parse back.
 */
#include "codec/json.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct err err = {0};
    str text = str_n((const char *)data, size);
    json_t *j = NULL, *back = NULL;
    if (!json_parse(text, &j, &err)) {
        char *printed = json_text(j);
        if (json_parse(str_from(printed), &back, &err) || !json_equal(j, back))
            abort();
        free(printed);
        json_decref(back);
        json_decref(j);
    }
    json_t *string = json_strn(text), *quoted = NULL;
    if (!string)
        abort();
    if (str_is_utf8(text) && size < 4096 && !memchr(data, 0, size)) { /* NUL is refused */
        struct buf b = BUF(65536);
        json_quote(&b, text);
        if (json_parse(buf_view(&b), &quoted, &err) || !json_equal(string, quoted))
            abort();
        buf_free(&b);
    }
    json_decref(string);
    json_decref(quoted);
    return 0;
}
