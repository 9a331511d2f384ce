/* SPDX-License-Identifier: Apache-2.0
 *
 * How good predictions are. With p the predicted probability of the true class (clipped to
 * [1e-15, 1 - 1e-15]), y the truth, f the prediction, and sums over n rows:
 *
 *   auc         (R - P(P+1)/2) / (P·N): R the rank sum of the P positives among P+N scores, tied
 *               scores sharing their mean rank (Mann-Whitney U; exact, ties count one half)
 *   logloss     -Σ ln p / n
 *   accuracy    share of rows whose most probable class is true (binary: p > 0.5)
 *   precision   TP / (TP + FP); recall TP / (TP + FN); f1 2TP / (2TP + FP + FN); 0 if undefined
 *   brier       Σ (p₁ - y)² / n
 *   macro_f1    mean over classes that occur (as truth or prediction) of their f1
 *   rmse √(Σ(f-y)²/n)   mae Σ|f-y|/n   r2 1 - Σ(f-y)²/Σ(y-ȳ)², null if all y are equal
 *
 * Pure; any thread.
 */
#include "train/train.h"

#include <math.h>
#include <stdlib.h>

struct scored {
    float score;
    uint32_t label;
};

static int by_score(const void *a, const void *b)
{
    float x = ((const struct scored *)a)->score, y = ((const struct scored *)b)->score;
    return (x > y) - (x < y);
}

double metric_auc(const float *scores, const uint32_t *labels, size_t n)
{
    CLEANUP(freep) struct scored *s = xcalloc(n ? n : 1, sizeof(*s));
    for (size_t i = 0; i < n; i++)
        s[i] = (struct scored){scores[i], labels[i]};
    qsort(s, n, sizeof(*s), by_score);
    double rank_sum = 0, positives = 0;
    for (size_t i = 0, end; i < n; i = end) {
        double tied = 0;
        for (end = i; end < n && s[end].score == s[i].score; end++)
            tied += s[end].label != 0;
        rank_sum += tied * ((double)i + 1 + (double)end) / 2; /* ranks i+1 … end share their mean */
        positives += tied;
    }
    double negatives = (double)n - positives;
    if (positives == 0 || negatives == 0)
        return NAN;
    return (rank_sum - positives * (positives + 1) / 2) / (positives * negatives);
}

static double surprise(double p)
{
    return -log(MIN(MAX(p, 1e-15), 1 - 1e-15));
}

/* null where a metric is undefined: JSON has no NaN. */
static void put(json_t *j, const char *key, double v)
{
    json_object_set_new(j, key, isfinite(v) ? json_real(v) : json_null());
}

static double ratio(double a, double b)
{
    return b > 0 ? a / b : 0;
}

json_t *metrics_binary(const float *probability, const uint32_t *labels, size_t n)
{
    CLEANUP(freep) float *positive = xcalloc(n ? n : 1, sizeof(*positive));
    double hits[2][2] = {{0}}, loss = 0, brier = 0, rows = (double)n; /* hits[truth][prediction] */
    for (size_t i = 0; i < n; i++) {
        unsigned truth = labels[i] != 0;
        double p = (double)probability[2 * i + 1];
        positive[i] = probability[2 * i + 1];
        hits[truth][p > 0.5]++;
        loss += surprise(truth ? p : 1 - p);
        brier += (p - truth) * (p - truth);
    }
    json_t *j = json_object();
    double tp = hits[1][1], fp = hits[0][1], fn = hits[1][0];
    put(j, "auc", metric_auc(positive, labels, n));
    put(j, "logloss", loss / rows);
    put(j, "accuracy", (hits[0][0] + tp) / rows);
    put(j, "precision", ratio(tp, tp + fp));
    put(j, "recall", ratio(tp, tp + fn));
    put(j, "f1", ratio(2 * tp, 2 * tp + fp + fn));
    put(j, "brier", brier / rows);
    put(j, "base_rate", (tp + fn) / rows);
    json_object_set_new(j, "rows", json_integer((json_int_t)n));
    return j;
}

static size_t most_probable(const float *p, size_t classes)
{
    size_t best = 0;
    for (size_t c = 1; c < classes; c++)
        best = p[c] > p[best] ? c : best;
    return best;
}

json_t *metrics_multiclass(const float *probability, const uint32_t *labels, size_t n,
                           size_t classes)
{
    CLEANUP(freep) double *counts = xcalloc(3 * (classes ? classes : 1), sizeof(*counts));
    double *tp = counts, *predicted = counts + classes, *actual = counts + 2 * classes;
    double loss = 0, right = 0, f1 = 0, occurring = 0;
    for (size_t i = 0; i < n; i++) {
        const float *p = probability + i * classes;
        size_t guess = most_probable(p, classes), truth = labels[i];
        loss += surprise((double)p[truth]);
        right += guess == truth;
        tp[truth] += guess == truth;
        predicted[guess]++;
        actual[truth]++;
    }
    for (size_t c = 0; c < classes; c++) {
        occurring += predicted[c] + actual[c] > 0;
        f1 += ratio(2 * tp[c], predicted[c] + actual[c]);
    }
    json_t *j = json_object();
    put(j, "accuracy", right / (double)n);
    put(j, "logloss", loss / (double)n);
    put(j, "macro_f1", ratio(f1, occurring));
    json_object_set_new(j, "rows", json_integer((json_int_t)n));
    return j;
}

json_t *metrics_regression(const float *prediction, const double *truth, size_t n)
{
    double squares = 0, absolute = 0, mean = 0, spread = 0, rows = (double)n;
    for (size_t i = 0; i < n; i++)
        mean += truth[i] / rows;
    for (size_t i = 0; i < n; i++) {
        double off = (double)prediction[i] - truth[i];
        squares += off * off;
        absolute += fabs(off);
        spread += (truth[i] - mean) * (truth[i] - mean);
    }
    json_t *j = json_object();
    put(j, "rmse", sqrt(squares / rows));
    put(j, "mae", absolute / rows);
    put(j, "r2", spread > 0 ? 1 - squares / spread : NAN);
    json_object_set_new(j, "rows", json_integer((json_int_t)n));
    return j;
}
