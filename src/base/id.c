/* SPDX-License-Identifier: Apache-2.0 */
#include "base/id.h"

#include <string.h>

id id_make(uint64_t unix_ms, const uint8_t random[10])
{
    uint8_t b[16];
    for (int i = 0; i < 6; i++)
        b[i] = (uint8_t)(unix_ms >> (40 - 8 * i));
    memcpy(b + 6, random, 10);
    b[6] = (uint8_t)((b[6] & 0x0f) | 0x70); /* version 7 */
    b[8] = (uint8_t)((b[8] & 0x3f) | 0x80); /* variant */
    id out;
    for (int i = 0; i < 16; i++) {
        out.s[2 * i] = "0123456789abcdef"[b[i] >> 4];
        out.s[2 * i + 1] = "0123456789abcdef"[b[i] & 15];
    }
    out.s[32] = 0;
    return out;
}

bool id_parse(str text, id *ret)
{
    if (text.n != 32)
        return false;
    for (size_t i = 0; i < 32; i++)
        if (!strchr("0123456789abcdef", text.p[i]) || !text.p[i])
            return false;
    memcpy(ret->s, text.p, 32);
    ret->s[32] = 0;
    return true;
}
