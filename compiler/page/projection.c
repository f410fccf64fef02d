/* Computes principal components by the power method: a vector is multiplied by the rows and by
 * their transpose, without their covariance. The second component is kept at right angles to the
 * first. */
#include "compiler/page/projection.h"

#include <math.h>
#include <stdlib.h>

enum { MOST_ROUNDS = 500 };
static const double close_enough = 1e-9;

typedef struct Rows {
    double *values; /* [count, width], with their mean subtracted */
    int64_t count;
    int64_t width;
} Rows;

static double dot(const double *a, const double *b, int64_t n) {
    double sum = 0;
    for (int64_t i = 0; i < n; i++)
        sum += a[i] * b[i];
    return sum;
}

static bool centre(const float *from, Rows *r) {
    for (int64_t d = 0; d < r->width; d++) {
        double mean = 0;
        for (int64_t i = 0; i < r->count; i++)
            mean += (double)from[i * r->width + d];
        mean /= (double)r->count;
        if (!isfinite(mean)) return false;
        for (int64_t i = 0; i < r->count; i++)
            r->values[i * r->width + d] = (double)from[i * r->width + d] - mean;
    }
    return true;
}

/* Sets out to the sum over the rows of row (row . v). */
static void apply_scatter(const Rows *r, const double *v, double *out) {
    for (int64_t d = 0; d < r->width; d++)
        out[d] = 0;
    for (int64_t i = 0; i < r->count; i++) {
        const double *row = r->values + i * r->width;
        const double by = dot(row, v, r->width);
        for (int64_t d = 0; d < r->width; d++)
            out[d] += by * row[d];
    }
}

/* Takes the part along `first`, if it is not NULL, away from v, and scales v to length 1. Returns
 * false if nothing is left of v. */
static bool set_apart(double *v, const double *first, int64_t width) {
    const double along = first ? dot(v, first, width) : 0;
    for (int64_t d = 0; first && d < width; d++)
        v[d] -= along * first[d];
    const double length = sqrt(dot(v, v, width));
    for (int64_t d = 0; length > 0 && d < width; d++)
        v[d] /= length;
    return length > 0;
}

/* Sets v to the component of the largest variance at right angles to `first`, and returns that
 * variance times the count. Rows without variance give a component of zeros. */
static double find_component(const Rows *r, const double *first, double *v, double *next) {
    double variance = 0;
    for (int64_t d = 0; d < r->width; d++)
        /* A start at right angles to a component would never find it, and this one is at right
         * angles to no likely component. */
        v[d] = 1 + 0.5 * sin((double)(d + 1));
    if (!set_apart(v, first, r->width)) return 0;
    for (int round = 0; round < MOST_ROUNDS; round++) {
        apply_scatter(r, v, next);
        const double before = variance;
        variance = dot(v, next, r->width);
        if (!set_apart(next, first, r->width)) break;
        for (int64_t d = 0; d < r->width; d++)
            v[d] = next[d];
        if (fabs(variance - before) <= close_enough * variance) break;
    }
    int64_t largest = 0;
    for (int64_t d = 0; d < r->width; d++)
        if (fabs(v[d]) > fabs(v[largest])) largest = d;
    for (int64_t d = 0, turns = v[largest] < 0; turns && d < r->width; d++)
        v[d] = -v[d];
    return variance;
}

bool projection_pca(const float *rows, int64_t count, int64_t width, double *points,
                    double *share) {
    Rows r = {malloc((size_t)(count * width) * sizeof *r.values + 1), count, width};
    double *first = malloc((size_t)(3 * width) * sizeof *first + 1);
    double *second = first + width;
    const bool good = r.values && first && centre(rows, &r);
    if (good) {
        const double all = dot(r.values, r.values, count * width);
        const double one = find_component(&r, NULL, first, first + 2 * width);
        const double two = find_component(&r, first, second, first + 2 * width);
        *share = all > 0 ? (one + two) / all : 0;
        for (int64_t i = 0; i < count; i++) {
            points[2 * i] = dot(r.values + i * width, first, width);
            points[2 * i + 1] = dot(r.values + i * width, second, width);
        }
    }
    free(r.values);
    free(first);
    return good;
}
