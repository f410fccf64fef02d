/* Measures how features are spread: uniformity and the effective rank (quality.h). */
#include "runtime/quality.h"
#include "runtime/similarity.h"

#include <math.h>
#include <stdlib.h>

/* ---- uniformity ------------------------------------------------------------------------------ */

typedef struct Spread {
    CoupletThreads *threads;
    int64_t count;
    int64_t width;
    double t;
    float *units; /* [count, width], of length 1 or 0 */
    double *sums; /* [count]: the sums over the pairs of a row with later rows */
    /* For alignment: only rows with the same label make a pair. NULL: all rows do. */
    const int32_t *labels;
} Spread;

enum { LANES = 8 };

/* Returns |x - y|^2. It is summed in eight lanes, which are added in order, so the bits are the
 * same on any machine. */
static double square(const float *x, const float *y, int64_t width) {
    double lanes[LANES] = {0};
    double sum = 0;
    int64_t d = 0;
    for (; d + LANES <= width; d += LANES)
        for (int k = 0; k < LANES; k++) {
            const double gap = (double)x[d + k] - (double)y[d + k];
            lanes[k] += gap * gap;
        }
    for (; d < width; d++)
        sum += ((double)x[d] - (double)y[d]) * ((double)x[d] - (double)y[d]);
    for (int k = 0; k < LANES; k++)
        sum += lanes[k];
    return sum;
}

static double inner_product(const float *x, const float *y, int64_t width) {
    double lanes[LANES] = {0};
    double sum = 0;
    int64_t d = 0;
    for (; d + LANES <= width; d += LANES)
        for (int k = 0; k < LANES; k++)
            lanes[k] += (double)x[d + k] * (double)y[d + k];
    for (; d < width; d++)
        sum += (double)x[d] * (double)y[d];
    for (int k = 0; k < LANES; k++)
        sum += lanes[k];
    return sum;
}

static void sum_pairs(void *context, int64_t begin, int64_t end, int worker) {
    Spread *s = context;
    (void)worker;
    for (int64_t i = begin; i < end && !couplet_threads_stopped(s->threads); i++) {
        s->sums[i] = 0;
        for (int64_t j = i + 1; j < s->count; j++) {
            if (s->labels && s->labels[i] != s->labels[j]) continue;
            const double apart = square(s->units + i * s->width, s->units + j * s->width, s->width);
            s->sums[i] += s->labels ? apart : exp(-s->t * apart);
        }
    }
}

/* Computes the sum over all pairs of rows or, with labels, over those of one label. Returns false
 * if memory is out, or if a signal ended the work. */
static bool sum_all(Spread *s, const CoupletFeatures *rows, double *sum) {
    s->units = malloc(((size_t)(s->count * s->width) + 1) * sizeof *s->units);
    s->sums = calloc((size_t)s->count + 1, sizeof *s->sums);
    const bool memory = s->units && s->sums;
    for (int64_t i = 0; memory && i < s->count; i++)
        couplet_unit_row(rows->values + i * s->width, s->width, s->units + i * s->width, 1);
    if (memory) couplet_threads_run(s->threads, s->count, sum_pairs, s);
    *sum = 0;
    for (int64_t i = 0; memory && i < s->count; i++)
        *sum += s->sums[i];
    free(s->units);
    free(s->sums);
    return memory && !couplet_threads_stopped(s->threads);
}

bool couplet_uniformity(CoupletThreads *threads, const CoupletFeatures *rows, double t,
                        double *value) {
    Spread s = {.threads = threads, .count = rows->count, .width = rows->width, .t = t};
    double sum;
    const bool good = sum_all(&s, rows, &sum);
    *value = log(sum / ((double)s.count * (double)(s.count - 1) / 2));
    return good;
}

bool couplet_alignment(CoupletThreads *threads, const CoupletFeatures *rows, double *value) {
    Spread s = {.threads = threads, .count = rows->count, .width = rows->width};
    double sum;
    double pairs = 0;
    s.labels = rows->labels;
    for (int64_t i = 0; i < rows->count; i++)
        for (int64_t j = i + 1; j < rows->count; j++)
            pairs += rows->labels[i] == rows->labels[j];
    const bool good = sum_all(&s, rows, &sum);
    *value = sum / pairs;
    return good;
}

/* ---- eigenvalues ----------------------------------------------------------------------------- */

/* Reduces the matrix to a tridiagonal one by Householder's reflections. Its diagonal is then in d,
 * and the elements beside the diagonal are in e[1 .. n - 1]. */
static void tridiagonalise(double *a, int64_t n, double *d, double *e) {
    for (int64_t i = n - 1; i > 0; i--) {
        double *row = a + i * n;
        double scale = 0;
        double h = 0;
        for (int64_t k = 0; k < i; k++)
            scale += fabs(row[k]);
        e[i] = row[i - 1];
        if (i > 1 && scale > 0) {
            for (int64_t k = 0; k < i; k++) {
                row[k] /= scale;
                h += row[k] * row[k];
            }
            const double g = row[i - 1] >= 0 ? -sqrt(h) : sqrt(h);
            e[i] = scale * g;
            h -= row[i - 1] * g;
            row[i - 1] -= g;
            double along = 0;
            for (int64_t j = 0; j < i; j++) {
                double sum = 0;
                for (int64_t k = 0; k <= j; k++)
                    sum += a[j * n + k] * row[k];
                for (int64_t k = j + 1; k < i; k++)
                    sum += a[k * n + j] * row[k];
                e[j] = sum / h;
                along += e[j] * row[j];
            }
            for (int64_t j = 0; j < i; j++) {
                e[j] -= along / (h + h) * row[j];
                for (int64_t k = 0; k <= j; k++)
                    a[j * n + k] -= row[j] * e[k] + e[j] * row[k];
            }
        }
    }
    for (int64_t i = 0; i < n; i++)
        d[i] = a[i * n + i];
}

/* Does one sweep of the QL algorithm with an implicit shift over the block l .. m. */
static void sweep_block(double *d, double *e, int64_t l, int64_t m) {
    double g = (d[l + 1] - d[l]) / (2 * e[l]);
    g = d[m] - d[l] + e[l] / (g + copysign(hypot(g, 1), g));
    double s = 1;
    double c = 1;
    double p = 0;
    int64_t i = m - 1;
    for (; i >= l; i--) {
        const double f = s * e[i];
        const double b = c * e[i];
        const double r = hypot(f, g);
        e[i + 1] = r;
        if (r == 0) {
            d[i + 1] -= p;
            e[m] = 0;
            return;
        }
        s = f / r;
        c = g / r;
        g = d[i + 1] - p;
        const double q = (d[i] - g) * s + 2 * c * b;
        p = s * q;
        d[i + 1] = g + p;
        g = c * q - b;
    }
    d[l] -= p;
    e[l] = g;
    e[m] = 0;
}

static int by_value(const void *a, const void *b) {
    const double x = *(const double *)a;
    const double y = *(const double *)b;
    return (x > y) - (x < y);
}

bool couplet_eigenvalues(double *a, int64_t n, double *values, double *work) {
    enum { MOST_SWEEPS = 60 };
    if (n == 0) return true;
    tridiagonalise(a, n, values, work);
    for (int64_t i = 1; i < n; i++)
        work[i - 1] = work[i];
    work[n - 1] = 0;
    for (int64_t l = 0; l < n; l++)
        for (int sweeps = 0;; sweeps++) {
            int64_t m = l;
            for (; m < n - 1; m++) {
                const double near = fabs(values[m]) + fabs(values[m + 1]);
                if (fabs(work[m]) + near == near) break;
            }
            if (m == l) break;
            if (sweeps == MOST_SWEEPS) return false;
            sweep_block(values, work, l, m);
        }
    qsort(values, (size_t)n, sizeof *values, by_value);
    return true;
}

/* ---- the effective rank ---------------------------------------------------------------------- */

/* The products of rows with each other. */
typedef struct Products {
    CoupletThreads *threads;
    const float *rows; /* [count, width] */
    int64_t count;
    int64_t width;
    double *out; /* [count, count] */
} Products;

static void make_products(void *context, int64_t begin, int64_t end, int worker) {
    Products *p = context;
    (void)worker;
    for (int64_t i = begin; i < end && !couplet_threads_stopped(p->threads); i++)
        for (int64_t j = 0; j <= i; j++)
            p->out[i * p->count + j] = p->out[j * p->count + i] =
                inner_product(p->rows + i * p->width, p->rows + j * p->width, p->width);
}

static float *transposed(const CoupletFeatures *rows) {
    float *out = malloc(((size_t)(rows->count * rows->width) + 1) * sizeof *out);
    for (int64_t i = 0; out && i < rows->count; i++)
        for (int64_t d = 0; d < rows->width; d++)
            out[d * rows->count + i] = rows->values[i * rows->width + d];
    return out;
}

/* Returns exp of the entropy of the singular values divided by their sum, given their squares; 0 if
 * all are 0. */
static double rank_of(const double *squares, int64_t n) {
    double sum = 0;
    double entropy = 0;
    for (int64_t i = 0; i < n; i++)
        sum += sqrt(fmax(squares[i], 0));
    for (int64_t i = 0; sum > 0 && i < n; i++) {
        const double p = sqrt(fmax(squares[i], 0)) / sum;
        if (p > 0) entropy -= p * log(p);
    }
    return sum > 0 ? exp(entropy) : 0;
}

/* The squares of the singular values are the eigenvalues of the products of the rows with each
 * other, and of the columns with each other. The smaller of these two matrices is used. */
bool couplet_effective_rank(CoupletThreads *threads, const CoupletFeatures *rows, double *value) {
    const bool of_rows = rows->count < rows->width;
    float *columns = of_rows ? NULL : transposed(rows);
    Products p = {.threads = threads, .rows = of_rows ? rows->values : columns};
    p.count = of_rows ? rows->count : rows->width;
    p.width = of_rows ? rows->width : rows->count;
    p.out = malloc(((size_t)(p.count * p.count) + 1) * sizeof *p.out);
    double *values = malloc(((size_t)(2 * p.count) + 1) * sizeof *values);
    bool good = p.rows && p.out && values;
    if (good) couplet_threads_run(threads, p.count, make_products, &p);
    good = good && !couplet_threads_stopped(threads) &&
           couplet_eigenvalues(p.out, p.count, values, values + p.count);
    if (good) *value = rank_of(values, p.count);
    free(columns);
    free(p.out);
    free(values);
    return good;
}
