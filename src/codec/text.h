/* SPDX-License-Identifier: Apache-2.0
 *
 * Small text encodings: hex, base64 (RFC 4648), percent-encoding (RFC 3986). Pure; any thread.
 */
#ifndef TENON_CODEC_TEXT_H
#define TENON_CODEC_TEXT_H

#include "base/arena.h"
#include "base/buf.h"
#include "base/err.h"

void hex_encode(const void *p, size_t n, char *ret);           /* 2n + 1 bytes, NUL-terminated */
bool hex_decode(str text, uint8_t *ret);                       /* text.n / 2 bytes */
void base64url_encode(const void *p, size_t n, struct buf *b); /* no padding */
/* Decodes %XX once; refuses bad escapes and NUL. '+' stays '+'. Result in the arena. */
int percent_decode(struct arena *a, str text, str *ret, struct err *err);
void percent_encode(str text, struct buf *b); /* keeps unreserved characters */

#endif
