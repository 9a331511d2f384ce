/* SPDX-License-Identifier: Apache-2.0
 *
 * Prediction requests as bytes: the scanner and both readers, over contracts with rows of numbers
 * and strings, with every element type, and with free shapes. What was read must lie within the
 * columns, and its strings must be readable and UTF-8. The first byte picks contract and reader.
 */
#include "codec/scan.h"
#include "serve/contract.h"
#include "sys/fs.h"

#include <stdio.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { MODELS = 3, EARLIER_ROWS = 3 };

static struct contract *contracts[MODELS];
static struct batch *batches[MODELS];
static struct arena *arena;

static const char signature[] =
    "{\"inputs\":[{\"name\":\"city\",\"optional\":true},{\"name\":\"x\",\"optional\":true,\"kind\":"
    "\"boolean\"},{\"name\":\"fp64_in\",\"optional\":true}],\"target\":\"t\"}";

static void prepare(void)
{
    static const char *const names[MODELS] = {"mixed", "types", "free"};
    struct ort *ort;
    struct err err = {0};
    json_t *j = NULL;
    arena = arena_new(1 << 20);
    if (ort_open(&ort, &err) || json_parse(str_from(signature), &j, &err)) {
        fprintf(stderr, "%s\n", err.msg);
        abort();
    }
    for (int i = 0; i < MODELS; i++) {
        struct session *s = NULL;
        struct buf bytes = BUF(1 << 20);
        CLEANUP(freep) char *path = xasprintf("%s/%s.onnx", TEST_MODELS, names[i]);
        if (fs_read(path, 1 << 20, &bytes, &err) ||
            session_open(ort, bytes.p, bytes.n, 1, &s, &err)) {
            fprintf(stderr, "%s\n", err.msg);
            abort();
        }
        contracts[i] = contract_new(s, j, names[i], 1);
        batches[i] = batch_new(s);
        buf_free(&bytes);
    }
    json_decref(j);
}

static void check_column(const struct column *col, const struct tensor *t)
{
    size_t count = 1;
    for (unsigned d = 0; d < t->rank; d++)
        count *= (size_t)t->shape[d];
    if (count != t->count)
        abort();
    for (size_t i = 0; i < t->count && col->type == DT_BYTES; i++)
        if (!str_is_utf8(((str *)t->data)[i]))
            abort();
    /* Every element was written or filled: reading them is for the sanitizers. */
    volatile unsigned char sum = 0;
    for (size_t i = 0; i < t->count * datatype_size(col->type); i++)
        sum = (unsigned char)(sum + ((unsigned char *)t->data)[i]);
}

static int64_t earlier(const struct contract *c, struct batch *b, size_t pick)
{
    struct ask ask;
    if (pick != 0)
        return 0;
    int rc = ask_invocation(c, b, 0, S("{\"inputs\":{\"x\":[1,2,3],\"city\":[\"a\",\"b\",\"c\"]}}"),
                            arena, &ask, NULL);
    return rc ? 0 : EARLIER_ROWS;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (!arena)
        prepare();
    if (size < 1)
        return 0;
    size_t pick = data[0] % MODELS;
    bool invocation = data[0] / MODELS % 2;
    struct contract *c = contracts[pick];
    struct batch *b = batches[pick];
    str body = str_n((const char *)data + 1, size - 1);
    struct ask ask;
    struct err err = {0};
    arena_reset(arena);
    int64_t rows = earlier(c, b, pick);
    int rc = (invocation ? ask_invocation : ask_infer)(c, b, rows, body, arena, &ask, &err);
    struct scan s;
    scan_init(&s, body, arena);
    int plain = scan_skip(&s, NULL) || scan_end(&s, NULL);
    if (rc && (!err.code || !err.msg[0]))
        abort();
    if (!rc && plain) /* accepted what is not JSON */
        abort();
    if (rc)
        return 0;
    if (c->by_rows && ask.first != rows)
        abort();
    for (size_t i = 0; i < c->column_n; i++)
        check_column(&c->columns[i], &batch_inputs(b)[i]);
    return 0;
}
