/* SPDX-License-Identifier: Apache-2.0
 *
 * A version's bytes become a model: opened, warmed, proven and measured. Control threads.
 *
 * The warm-up runs one row and many rows of zeros and empty strings. It pays for what ONNX Runtime
 * does lazily, shows whether the outputs follow the rows as the graph declares, and measures what a
 * row costs: a model of a few microseconds runs on the loops, a heavier one on instance threads.
 */
#include "serve/serve_int.h"

#include "sys/clock.h"
#include "sys/pool.h"

#include <string.h>
#include <unistd.h>

enum {
    WARM_RUNS = 5,
    WARM_ROWS = 32,
    CHEAP_NS = 300 * 1000,      /* one row on a loop; its callbacks stay under a millisecond */
    HEAVY_NS = 5 * 1000 * 1000, /* one row: worth several threads */
};

struct model *model_ref(struct model *m)
{
    atomic_fetch_add_explicit(&m->refs, 1, memory_order_relaxed);
    return m;
}

static void release(void *arg)
{
    struct model *m = arg;
    lanes_free(m->lanes, m->lane_n);
    contract_free(m->contract);
    session_unref(m->session);
    tallies_unref(m->tallies);
    free(m);
}

void model_unref(struct model *m)
{
    if (!m || atomic_fetch_sub_explicit(&m->refs, 1, memory_order_acq_rel) != 1)
        return;
    /* Freeing a large session takes milliseconds, and this may be a loop. */
    if (atomic_load(&m->serve->closing) || pool_submit(m->serve->instances, release, m, NULL))
        release(m);
}

/* Zeros and empty strings; a dimension that is free besides the rows is 1. */
static int fill(struct batch *b, const struct contract *c, int64_t rows, struct err *err)
{
    struct tensor *in = batch_inputs(b);
    for (size_t i = 0; i < c->column_n; i++) {
        const struct column *col = &c->columns[i];
        in[i].count = 1;
        for (unsigned d = 0; d < col->rank; d++) {
            in[i].shape[d] = col->shape[d] >= 0 ? col->shape[d] : d == 0 ? rows : 1;
            in[i].count *= (size_t)in[i].shape[d];
        }
        int rc = batch_room(b, i, in[i].count, err);
        if (rc)
            return rc;
        if (in[i].count)
            memset(in[i].data, 0, in[i].count * datatype_size(col->type));
    }
    return 0;
}

/* The fastest of a few runs, and whether each output has the rows that the inputs have. */
static int measure(struct batch *b, const struct contract *c, int64_t rows, int64_t *ret_ns,
                   bool *ret_follows, struct err *err)
{
    int64_t best = INT64_MAX;
    const struct tensor *out = NULL;
    int rc = fill(b, c, rows, err);
    for (int i = 0; !rc && i < WARM_RUNS && best > -1; i++) {
        int64_t start = clock_mono_ns();
        rc = batch_run(b, &out, err);
        int64_t ns = clock_mono_ns() - start;
        best = MIN(best, ns);
        if (ns > HEAVY_NS * 20)
            break;
    }
    for (size_t i = 0; !rc && i < c->output_n; i++)
        *ret_follows = *ret_follows && out[i].rank && out[i].shape[0] == rows;
    *ret_ns = best;
    return rc;
}

static void warm(struct model *m)
{
    struct contract *c = m->contract;
    struct batch *b = batch_new(m->session);
    int64_t one = 0, many = 0;
    bool follows = true;
    /* A graph may refuse zeros (an index, a logarithm): then nothing is known, and it is treated
     * as a model that is not by rows and not cheap. */
    bool known = !measure(b, c, 1, &one, &follows, NULL);
    if (known && c->by_rows)
        follows = !measure(b, c, WARM_ROWS, &many, &follows, NULL) && follows;
    batch_free(b);
    session_prove_rows(m->session, known && follows);
    c->by_rows = session_by_rows(m->session);
    m->one_ns = known ? one : HEAVY_NS;
    m->row_ns = c->by_rows ? MAX(many - one, 0) / (WARM_ROWS - 1) : m->one_ns;
    m->cheap = m->one_ns < CHEAP_NS;
}

static int open_session(struct model *m, str bytes, unsigned threads, struct err *err)
{
    struct ort *ort;
    struct session *session;
    int rc = serve_ort(m->serve, &ort, err);
    if (!rc)
        rc = session_open(ort, bytes.p, bytes.n, threads, &session, err);
    if (rc)
        return rc;
    session_unref(m->session);
    m->session = session;
    return 0;
}

int model_load(struct serve *s, str bytes, const json_t *signature, const char *endpoint,
               int64_t version, struct tallies *tallies, struct model **ret, struct err *err)
{
    struct model *m = xcalloc(1, sizeof(*m));
    atomic_init(&m->refs, 1);
    m->serve = s;
    m->tallies = tallies_ref(tallies);
    int rc = open_session(m, bytes, 1, err);
    if (!rc) {
        m->contract = contract_new(m->session, signature, endpoint, version);
        warm(m);
    }
    long cores = sysconf(_SC_NPROCESSORS_ONLN);
    if (!rc && m->one_ns > HEAVY_NS && cores > 1) {
        rc = open_session(m, bytes, (unsigned)cores, err);
        if (!rc)
            session_prove_rows(m->session, m->contract->by_rows);
    }
    if (rc) {
        release(m);
        return rc;
    }
    m->lane_n = loops_count(s->loops);
    m->lanes = lanes_new(m, m->lane_n);
    *ret = m;
    return 0;
}
