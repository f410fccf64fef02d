/* The linear probe: multinomial logistic regression by L-BFGS on standardised features.
 *
 * The gradient is summed in 64 parts, whatever the number of threads, and the parts are added in
 * order, so the bits are always the same. Sums over rows are in float32. The search therefore ends
 * when no shorter step lowers the loss, and not at an exact gradient.
 *
 * Nearly all of the time goes into two products: rows by weights, which gives log-odds, and
 * probabilities by rows, which gives the gradient. Both keep a block of sums in registers, and the
 * second product still finds the rows in the cache. Rows are filled up with zeros to whole vectors.
 * Within a block, sums have the same order as in `dot` and `add_scaled`, which do the rows, classes
 * and columns that fill no block. So the figures do not depend on where the blocks lie. */
#include "runtime/evaluate.h"
#include "runtime/lanes.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum {
    PARTS = 64 /* a fixed number, so that sums do not depend on the threads */,
    HISTORY = 10,
    MOST_ITERATIONS = 200,
    LANES = COUPLET_WIDE_LANES /* the sums that a dot product is made of */,
    ROWS = 4 /* the rows of a block of log-odds */,
    PAIR = 2 /* the classes of a block */,
    VECTORS = 4 /* the vectors in a row of a block of the gradient */,
    SPAN = VECTORS * LANES /* the columns that are added together to the gradient */,
    TOGETHER = 32 /* the rows that are read from memory once for both products */
};
static const double enough = 1e-5; /* the largest entry of the gradient at which the fit ends */

typedef struct Probe {
    CoupletThreads *threads;
    const float *x; /* standardised, [count, width] */
    const int32_t *labels;
    int64_t count, width; /* the width is a multiple of LANES, and additional columns are 0 */
    int classes;
    double decay;
    /* [classes, width + LANES]. The bias is behind the weights, and then come zeros, so that a row
     * begins on a cache line. Gradients have the same form. */
    float *weights;
    float *part_gradient; /* [PARTS, classes, width + LANES] */
    double *part_loss;    /* [PARTS] */
    double *chances;      /* [workers, TOGETHER, classes] */
    float *shares;        /* [workers, TOGETHER, classes]: the factors of rows in the gradient */
} Probe;

static int64_t stride_of(const Probe *p) {
    return p->width + LANES;
}

static int64_t parameters(const Probe *p) {
    return p->classes * stride_of(p);
}

/* ---- the two products ------------------------------------------------------------------------ */

/* The loops of lanes.h. A dot product has LANES sums, in one wide vector or in two narrow ones, and
 * in the end the sums are added in order. */
#define EACH_PART                                                                                  \
    const int64_t lanes = (int64_t)(sizeof(Vector) / sizeof(float));                               \
    for (int64_t part = 0; part < LANES; part += lanes)
#define AT(place)  (*(Vector *)(place))
#define ROW(place) (*(const Vector *)(place))

#define DOT                                                                                        \
    EACH_PART {                                                                                    \
        Vector sum = {0};                                                                          \
        for (int64_t i = part; i < n; i += LANES)                                                  \
            sum += ROW(a + i) * ROW(b + i);                                                        \
        AT(out + part) = sum;                                                                      \
    }

/* The dot products of ROWS rows of x with PAIR rows of weights. */
#define DOTS                                                                                       \
    const float *other = weights + n + LANES;                                                      \
    EACH_PART {                                                                                    \
        Vector first[ROWS] = {0}, second[ROWS] = {0};                                              \
        for (int64_t i = part; i < n; i += LANES)                                                  \
            for (int r = 0; r < ROWS; r++) {                                                       \
                Vector row = ROW(x + r * n + i);                                                   \
                first[r] += row * ROW(weights + i);                                                \
                second[r] += row * ROW(other + i);                                                 \
            }                                                                                      \
        for (int r = 0; r < ROWS; r++) {                                                           \
            AT(out[r][0] + part) = first[r];                                                       \
            AT(out[r][1] + part) = second[r];                                                      \
        }                                                                                          \
    }

/* Adds rows of x to the gradient of PAIR classes, in SPAN columns. */
#define ADD_BLOCK                                                                                  \
    EACH_PART {                                                                                    \
        float *to = gradient + part * VECTORS, *other = to + stride_of(p);                         \
        const float *from = x + part * VECTORS;                                                    \
        Vector first[VECTORS], second[VECTORS];                                                    \
        for (int v = 0; v < VECTORS; v++) {                                                        \
            first[v] = ROW(to + v * lanes);                                                        \
            second[v] = ROW(other + v * lanes);                                                    \
        }                                                                                          \
        for (int64_t i = 0; i < rows; i++)                                                         \
            for (int v = 0; v < VECTORS; v++) {                                                    \
                Vector row = ROW(from + i * p->width + v * lanes);                                 \
                first[v] += shares[i * p->classes] * row;                                          \
                second[v] += shares[i * p->classes + 1] * row;                                     \
            }                                                                                      \
        for (int v = 0; v < VECTORS; v++) {                                                        \
            AT(to + v * lanes) = first[v];                                                         \
            AT(other + v * lanes) = second[v];                                                     \
        }                                                                                          \
    }

typedef float Sums[LANES];

COUPLET_FOR_WIDE
static void wide_dot(const float *a, const float *b, int64_t n, Sums out) {
    typedef CoupletWide Vector;
    DOT
}

COUPLET_FOR_NARROW
static void narrow_dot(const float *a, const float *b, int64_t n, Sums out) {
    typedef CoupletNarrow Vector;
    DOT
}

COUPLET_FOR_WIDE
static void wide_dots(const float *x, const float *weights, int64_t n, Sums out[ROWS][PAIR]) {
    typedef CoupletWide Vector;
    DOTS
}

COUPLET_FOR_NARROW
static void narrow_dots(const float *x, const float *weights, int64_t n, Sums out[ROWS][PAIR]) {
    typedef CoupletNarrow Vector;
    DOTS
}

COUPLET_FOR_WIDE
static void wide_add_block(const Probe *p, const float *x, const float *shares, int64_t rows,
                           float *gradient) {
    typedef CoupletWide Vector;
    ADD_BLOCK
}

COUPLET_FOR_NARROW
static void narrow_add_block(const Probe *p, const float *x, const float *shares, int64_t rows,
                             float *gradient) {
    typedef CoupletNarrow Vector;
    ADD_BLOCK
}

COUPLET_FOR_ANY
static void add_scaled(float *to, const float *from, float by, int64_t n) {
    for (int64_t i = 0; i < n; i++)
        to[i] += by * from[i];
}

static float sum_in_order(const Sums sums) {
    float sum = 0;
    for (int k = 0; k < LANES; k++)
        sum += sums[k];
    return sum;
}

static float dot(const float *a, const float *b, int64_t n) {
    Sums sums;
    (couplet_has_wide() ? wide_dot : narrow_dot)(a, b, n, sums);
    return sum_in_order(sums);
}

static void dots(const float *x, const float *weights, int64_t n, float out[ROWS][PAIR]) {
    Sums sums[ROWS][PAIR];
    (couplet_has_wide() ? wide_dots : narrow_dots)(x, weights, n, sums);
    for (int r = 0; r < ROWS; r++)
        for (int c = 0; c < PAIR; c++)
            out[r][c] = sum_in_order(sums[r][c]);
}

static void add_block(const Probe *p, const float *x, const float *shares, int64_t rows,
                      float *gradient) {
    (couplet_has_wide() ? wide_add_block : narrow_add_block)(p, x, shares, rows, gradient);
}

static int64_t least(int64_t a, int64_t b) {
    return a < b ? a : b;
}

/* Sets out[rows, classes] to the log-odds of rows of x. */
static void log_odds(const Probe *p, const float *x, int64_t rows, double *out) {
    int64_t stride = stride_of(p);
    for (int64_t r = 0; r < rows; r += ROWS)
        for (int64_t c = 0; c < p->classes; c += PAIR) {
            const float *block = x + r * p->width;
            const float *weights = p->weights + c * stride;
            int64_t high = least(ROWS, rows - r);
            int64_t wide = least(PAIR, p->classes - c);
            float sums[ROWS][PAIR];
            if (high == ROWS && wide == PAIR) {
                dots(block, weights, p->width, sums);
            }
            for (int64_t k = 0; k < high; k++)
                for (int64_t l = 0; l < wide; l++) {
                    const float *w = weights + l * stride;
                    float sum = high == ROWS && wide == PAIR
                                    ? sums[k][l]
                                    : dot(block + k * p->width, w, p->width);
                    out[(r + k) * p->classes + c + l] = (double)sum + (double)w[p->width];
                }
        }
}

/* Adds rows of x to the gradient, each times shares[rows, classes], and the shares to the
 * biases. */
static void add_rows(const Probe *p, const float *x, const float *shares, int64_t rows,
                     float *gradient) {
    int64_t stride = stride_of(p);
    int64_t columns = p->width / SPAN * SPAN;
    int64_t paired = p->classes / PAIR * PAIR;
    for (int64_t d = 0; d < columns; d += SPAN)
        for (int64_t c = 0; c < paired; c += PAIR)
            add_block(p, x + d, shares + c, rows, gradient + c * stride + d);
    for (int64_t i = 0; i < rows; i++)
        for (int64_t c = 0; c < p->classes; c++) {
            const float *row = x + i * p->width;
            float *to = gradient + c * stride;
            float share = shares[i * p->classes + c];
            int64_t done = c < paired ? columns : 0;
            add_scaled(to + done, row + done, share, p->width - done);
            to[p->width] += share;
        }
}

/* ---- loss and gradient ----------------------------------------------------------------------- */

/* Turns the log-odds of one row into probabilities. */
static void normalise(double *row, int classes) {
    double top = -INFINITY;
    double sum = 0;
    for (int c = 0; c < classes; c++)
        top = row[c] > top ? row[c] : top;
    for (int c = 0; c < classes; c++)
        sum += exp(row[c] - top);
    double log_sum = top + log(sum);
    for (int c = 0; c < classes; c++)
        row[c] = exp(row[c] - log_sum);
}

/* Adds the gradient of some rows. Returns `loss` plus their losses. */
static double some_rows(Probe *p, int64_t begin, int64_t rows, int worker, float *gradient,
                        double loss) {
    double *chances = p->chances + (int64_t)worker * TOGETHER * p->classes;
    float *shares = p->shares + (int64_t)worker * TOGETHER * p->classes;
    const float *x = p->x + begin * p->width;
    log_odds(p, x, rows, chances);
    for (int64_t i = 0; i < rows; i++) {
        double *chance = chances + i * p->classes;
        int32_t label = p->labels[begin + i];
        normalise(chance, p->classes);
        loss -= log(chance[label] > 1e-300 ? chance[label] : 1e-300);
        chance[label] -= 1;
    }
    for (int64_t k = 0; k < rows * p->classes; k++)
        shares[k] = (float)chances[k];
    add_rows(p, x, shares, rows, gradient);
    return loss;
}

/* Computes the losses and gradients of some parts. */
static void one_part(void *context, int64_t begin, int64_t end, int worker) {
    Probe *p = context;
    for (int64_t part = begin; part < end; part++) {
        float *gradient = p->part_gradient + part * parameters(p);
        memset(gradient, 0, sizeof *gradient * (size_t)parameters(p));
        int64_t last = p->count * (part + 1) / PARTS;
        double loss = 0;
        for (int64_t i = p->count * part / PARTS; i < last; i += TOGETHER) {
            if (couplet_threads_stopped(p->threads)) return; /* nobody wants the sum any more */
            loss = some_rows(p, i, least(TOGETHER, last - i), worker, gradient, loss);
        }
        p->part_loss[part] = loss;
    }
}

/* Returns the loss at a point, and sets its gradient. The parts are added in order. */
static double loss_at(Probe *p, const double *at, double *gradient) {
    int64_t n = parameters(p);
    for (int64_t i = 0; i < n; i++)
        p->weights[i] = (float)at[i];
    couplet_threads_run(p->threads, PARTS, one_part, p);
    double loss = 0;
    memset(gradient, 0, sizeof *gradient * (size_t)n);
    for (int part = 0; part < PARTS; part++) {
        loss += p->part_loss[part];
        for (int64_t i = 0; i < n; i++)
            gradient[i] += (double)p->part_gradient[part * n + i];
    }
    loss /= (double)p->count;
    for (int64_t i = 0; i < n; i++) {
        gradient[i] /= (double)p->count;
        if (i % stride_of(p) == p->width) continue; /* the bias is not decayed */
        loss += p->decay * at[i] * at[i];
        gradient[i] += 2 * p->decay * at[i];
    }
    return loss;
}

/* ---- L-BFGS (Nocedal, Wright: Numerical Optimization, algorithms 7.4 and 7.5) ---------------- */

typedef struct Memory {
    /* Rings of [HISTORY, n]: the last moves, and the changes of the gradient that came with them.
     * rho is 1 / (s y). */
    double *s, *y, rho[HISTORY];
    int count;
    int head;
} Memory;

static double inner(const double *a, const double *b, int64_t n) {
    double sum = 0;
    for (int64_t i = 0; i < n; i++)
        sum += a[i] * b[i];
    return sum;
}

/* Computes the direction of the next step from the gradient and the last moves. */
static void direction(const Memory *m, const double *gradient, double *out, int64_t n) {
    double alpha[HISTORY];
    for (int64_t i = 0; i < n; i++)
        out[i] = -gradient[i];
    for (int k = 0; k < m->count; k++) {
        int at = (m->head - 1 - k + 2 * HISTORY) % HISTORY;
        alpha[at] = m->rho[at] * inner(m->s + at * n, out, n);
        for (int64_t i = 0; i < n; i++)
            out[i] -= alpha[at] * m->y[at * n + i];
    }
    if (m->count) {
        int at = (m->head - 1 + HISTORY) % HISTORY;
        double scale = 1 / (m->rho[at] * inner(m->y + at * n, m->y + at * n, n));
        for (int64_t i = 0; i < n; i++)
            out[i] *= scale;
    }
    for (int k = m->count - 1; k >= 0; k--) {
        int at = (m->head - 1 - k + 2 * HISTORY) % HISTORY;
        double beta = m->rho[at] * inner(m->y + at * n, out, n);
        for (int64_t i = 0; i < n; i++)
            out[i] += (alpha[at] - beta) * m->s[at * n + i];
    }
}

static void remember_step(Memory *m, const double *from, const double *to,
                          const double *old_gradient, const double *gradient, int64_t n) {
    double *s = m->s + m->head * n;
    double *y = m->y + m->head * n;
    for (int64_t i = 0; i < n; i++) {
        s[i] = to[i] - from[i];
        y[i] = gradient[i] - old_gradient[i];
    }
    double curvature = inner(s, y, n);
    /* A small curvature is left out, which keeps the approximation positive. */
    if (curvature <= 1e-12 * inner(y, y, n)) return;
    m->rho[m->head] = 1 / curvature;
    m->head = (m->head + 1) % HISTORY;
    if (m->count < HISTORY) m->count++;
}

static double largest(const double *a, int64_t n) {
    double most = 0;
    for (int64_t i = 0; i < n; i++)
        most = fabs(a[i]) > most ? fabs(a[i]) : most;
    return most;
}

/* Minimises the loss, beginning at x, which becomes the minimum. Returns the number of
 * iterations. */
static int minimise(Probe *p, double *x, double *work) {
    int64_t n = parameters(p);
    Memory m = {.s = work, .y = work + HISTORY * n};
    double *gradient = work + 2 * HISTORY * n;
    double *next_gradient = gradient + n;
    double *next = gradient + 2 * n;
    double *step = gradient + 3 * n;
    double loss = loss_at(p, x, gradient);
    int iteration = 0;
    for (; iteration < MOST_ITERATIONS && largest(gradient, n) > enough &&
           !couplet_threads_stopped(p->threads);
         iteration++) {
        direction(&m, gradient, step, n);
        double slope = inner(gradient, step, n);
        double length = m.count ? 1 : 1 / (1e-12 + sqrt(inner(gradient, gradient, n)));
        double next_loss = loss;
        bool lower = false;
        /* Armijo's rule: the step is halved until the loss falls by enough. */
        for (int tries = 0; tries < 20 && !lower; tries++, length *= lower ? 1 : 0.5) {
            for (int64_t i = 0; i < n; i++)
                next[i] = x[i] + length * step[i];
            next_loss = loss_at(p, next, next_gradient);
            lower = next_loss <= loss + 1e-4 * length * slope;
        }
        if (!lower) break; /* sums in float32 show no lower loss */
        remember_step(&m, x, next, gradient, next_gradient, n);
        memcpy(x, next, sizeof *x * (size_t)n);
        memcpy(gradient, next_gradient, sizeof *gradient * (size_t)n);
        loss = next_loss;
    }
    for (int64_t i = 0; i < n; i++)
        p->weights[i] = (float)x[i];
    return iteration;
}

/* ---- the whole ------------------------------------------------------------------------------- */

/* Writes rows without the mean, divided by the deviation, and filled up with zeros to `width`
 * columns. */
static void standardised_rows(const CoupletFeatures *from, const double *mean,
                              const double *deviation, int64_t width, float *to) {
    for (int64_t i = 0; i < from->count; i++) {
        const float *row = from->values + i * from->width;
        for (int64_t d = 0; d < from->width; d++)
            to[i * width + d] = (float)(((double)row[d] - mean[d]) / deviation[d]);
        for (int64_t d = from->width; d < width; d++)
            to[i * width + d] = 0;
    }
}

/* Writes bank and query as x and q. Each column of the bank gets mean 0 and deviation 1, and the
 * query is changed in the same way. Returns false if memory is out. */
static bool standardise(const CoupletFeatures *bank, const CoupletFeatures *query, int64_t to_width,
                        float *x, float *q) {
    int64_t width = bank->width;
    double *mean = calloc((size_t)(2 * width) + 1, sizeof *mean);
    double *deviation = mean + width;
    if (!mean) return false;
    for (int64_t i = 0; i < bank->count; i++)
        for (int64_t d = 0; d < width; d++)
            mean[d] += (double)bank->values[i * width + d];
    for (int64_t d = 0; d < width; d++)
        mean[d] /= (double)bank->count;
    for (int64_t i = 0; i < bank->count; i++)
        for (int64_t d = 0; d < width; d++)
            deviation[d] += ((double)bank->values[i * width + d] - mean[d]) *
                            ((double)bank->values[i * width + d] - mean[d]);
    for (int64_t d = 0; d < width; d++)
        deviation[d] = sqrt(deviation[d] / (double)(bank->count > 1 ? bank->count - 1 : 1)) + 1e-5;
    standardised_rows(bank, mean, deviation, to_width, x);
    standardised_rows(query, mean, deviation, to_width, q);
    free(mean);
    return true;
}

static double accuracy(const Probe *p, const float *q, const CoupletFeatures *query,
                       int32_t *guess) {
    double *chance = p->chances;
    int64_t right = 0;
    for (int64_t i = 0; i < query->count; i++) {
        log_odds(p, q + i * p->width, 1, chance);
        normalise(chance, p->classes);
        int best = 0;
        for (int c = 1; c < p->classes; c++)
            if (chance[c] > chance[best]) best = c;
        right += best == query->labels[i];
        if (guess) guess[i] = best;
    }
    return 100.0 * (double)right / (double)(query->count ? query->count : 1);
}

/* Allocates values that begin on a cache line. `count` is a multiple of LANES. */
static float *floats(size_t count) {
    return aligned_alloc(sizeof(CoupletWide), (count + LANES) * sizeof(float));
}

double couplet_linear_probe(CoupletThreads *threads, const CoupletFeatures *bank,
                            const CoupletFeatures *query, int class_count, double decay,
                            int *iterations, int32_t *guess) {
    Probe p = {.threads = threads,
               .labels = bank->labels,
               .count = bank->count,
               .width = (bank->width + LANES - 1) / LANES * LANES,
               .classes = class_count,
               .decay = decay};
    size_t n = (size_t)parameters(&p);
    float *x = floats((size_t)(bank->count * p.width));
    float *q = floats((size_t)(query->count * p.width));
    p.x = x;
    p.weights = floats(n);
    p.part_gradient = floats(n * PARTS);
    p.part_loss = malloc(PARTS * sizeof *p.part_loss);
    size_t held = (size_t)couplet_threads_count(threads) * TOGETHER * (size_t)class_count;
    p.chances = malloc(held * sizeof *p.chances);
    p.shares = malloc(held * sizeof *p.shares);
    double *at = calloc(n, sizeof *at);
    double *work = malloc(n * (2 * HISTORY + 4) * sizeof *work);
    double percent = -1;
    bool memory = x && q && p.weights && p.part_gradient && p.part_loss && p.chances && p.shares &&
                  at && work;
    if (memory && standardise(bank, query, p.width, x, q)) {
        int done = minimise(&p, at, work);
        if (iterations) *iterations = done;
        if (!couplet_threads_stopped(threads)) percent = accuracy(&p, q, query, guess);
    }
    free(x);
    free(q);
    free(p.weights);
    free(p.part_gradient);
    free(p.part_loss);
    free(p.chances);
    free(p.shares);
    free(at);
    free(work);
    return percent;
}
