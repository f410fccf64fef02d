/* Computes t-SNE: joint probabilities of neighbours by bisection, then gradient descent with
 * momentum and a gain for each number (Jacobs 1988), as in van der Maaten's own program. */
#include "compiler/driver/report_map.h"

#include "compiler/driver/formula_bench.h"
#include "compiler/driver/report.h"
#include "runtime/similarity.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum {
    ROUNDS = 500,
    EARLY_ROUNDS = 125,
    BISECTIONS = 60,
};
static const double perplexity_at_most = 30, early_exaggeration = 12;

/* ---- neighbours ------------------------------------------------------------------------------ */

/* Sets the probabilities of a row's neighbours for squared distances times `beta`. Returns the
 * entropy. */
static double spread_row(const double *distances, int64_t count, int64_t own, double beta,
                         double *out) {
    double least = INFINITY;
    double sum = 0;
    double entropy = 0;
    for (int64_t j = 0; j < count; j++)
        if (j != own) least = fmin(least, distances[j]);
    for (int64_t j = 0; j < count; j++) {
        out[j] = j == own ? 0 : exp(-beta * (distances[j] - least));
        sum += out[j];
    }
    for (int64_t j = 0; j < count; j++) {
        out[j] /= sum;
        if (out[j] > 0) entropy -= out[j] * log(out[j]);
    }
    return entropy;
}

/* Finds the beta at which the entropy of the row is log(perplexity), by bisection. */
static void fit_row(const double *distances, int64_t count, int64_t own, double perplexity,
                    double *out) {
    double low = 0;
    double high = INFINITY;
    double beta = 1;
    for (int i = 0; i < BISECTIONS; i++) {
        if (spread_row(distances, count, own, beta, out) > log(perplexity))
            low = beta;
        else
            high = beta;
        beta = isfinite(high) ? (low + high) / 2 : 2 * beta;
    }
}

static void measure_row(const float *units, int64_t count, int64_t width, int64_t i, double *out) {
    for (int64_t j = 0; j < count; j++) {
        out[j] = 0;
        for (int64_t d = 0; d < width; d++) {
            const double gap = (double)units[i * width + d] - (double)units[j * width + d];
            out[j] += gap * gap;
        }
    }
}

/* Computes p[count, count], which sums to 1. Returns the sum of p log p. */
static double make_affinities(const float *units, int64_t count, int64_t width, double *work,
                              double *all, float *p) {
    const double perplexity = fmin(perplexity_at_most, (double)(count - 1) / 3);
    double sum = 0;
    for (int64_t i = 0; i < count; i++) {
        measure_row(units, count, width, i, work);
        fit_row(work, count, i, perplexity, all + i * count);
    }
    for (int64_t i = 0; i < count; i++)
        for (int64_t j = 0; j < count; j++) {
            const double both = (all[i * count + j] + all[j * count + i]) / (2 * (double)count);
            p[i * count + j] = (float)both;
            if (both > 0) sum += both * log(both);
        }
    return sum;
}

/* ---- descent --------------------------------------------------------------------------------- */

typedef struct Descent {
    FormulaBench formula;
    CoupletThreads *threads;
    int64_t count;
    float *y, *exaggeration; /* the inputs of the formula */
    double *points;
    double *moves;
    double *gains;
} Descent;

static void take_step(Descent *d, const float *slope, double rate, double momentum) {
    double middle[2] = {0, 0};
    for (int64_t i = 0; i < 2 * d->count; i++) {
        const double along = (double)slope[i];
        const bool turned = (along > 0) != (d->moves[i] > 0);
        const double gain = turned ? d->gains[i] + 0.2 : d->gains[i] * 0.8;
        d->gains[i] = fmax(gain, 0.01);
        d->moves[i] = momentum * d->moves[i] - rate * d->gains[i] * along;
        d->points[i] += d->moves[i];
        middle[i % 2] += d->points[i] / (double)d->count;
    }
    for (int64_t i = 0; i < 2 * d->count; i++)
        d->points[i] -= middle[i % 2];
}

/* Moves the points, and returns the value of the formula at the end. */
static double descend(Descent *d) {
    const double rate = fmax((double)d->count / early_exaggeration / 4, 50);
    double value = NAN;
    for (int round = 0; round <= ROUNDS && !couplet_threads_stopped(d->threads); round++) {
        const bool early = round < EARLY_ROUNDS;
        *d->exaggeration = early ? (float)early_exaggeration : 1;
        for (int64_t i = 0; i < 2 * d->count; i++)
            d->y[i] = (float)d->points[i];
        formula_run(&d->formula);
        value = (double)*formula_output(&d->formula, "value");
        if (round < ROUNDS)
            take_step(d, formula_output(&d->formula, "grad_y"), rate, early ? 0.5 : 0.8);
    }
    return value;
}

/* Starts from principal components, scaled so small that no point is held by its place: a deviation
 * of 1e-4. */
static void begin(Descent *d, const double *start) {
    double square = 0;
    for (int64_t i = 0; i < d->count; i++)
        square += start[2 * i] * start[2 * i];
    const double deviation = sqrt(square / (double)d->count);
    for (int64_t i = 0; i < 2 * d->count; i++) {
        d->points[i] = deviation > 0 ? start[i] / deviation * 1e-4 : 0;
        d->moves[i] = 0;
        d->gains[i] = 1;
    }
}

static bool open_descent(Descent *d, float **p) {
    const int64_t n = d->count;
    const BenchInput inputs[] = {{"y", 2, {n, 2}}, {"p", 2, {n, n}}, {"exaggeration", 0, {0}}};
    if (!formula_open_library(&d->formula, "measure", "t_sne", inputs, 3, d->threads)) return false;
    d->y = formula_input(&d->formula, "y");
    d->exaggeration = formula_input(&d->formula, "exaggeration");
    *p = formula_input(&d->formula, "p");
    d->moves = malloc((size_t)(4 * n) * sizeof *d->moves);
    d->gains = d->moves ? d->moves + 2 * n : NULL;
    return d->y && d->exaggeration && *p && d->moves;
}

bool report_map_tsne(CoupletThreads *threads, const float *rows, int64_t count, int64_t width,
                     const double *start, double *points, double *divergence) {
    Descent d = {.threads = threads, .count = count, .points = points};
    float *p;
    float *units = malloc((size_t)(count * width) * sizeof *units + 1);
    double *work = malloc((size_t)(count * (count + 1)) * sizeof *work + 1);
    bool good = units && work && open_descent(&d, &p);
    if (good) {
        for (int64_t i = 0; i < count; i++)
            couplet_unit_row(rows + i * width, width, units + i * width, 1);
        const double entropy = make_affinities(units, count, width, work, work + count, p);
        begin(&d, start);
        *divergence = entropy + descend(&d);
        good = isfinite(*divergence);
    }
    formula_close(&d.formula);
    free(d.moves);
    free(units);
    free(work);
    return good;
}
