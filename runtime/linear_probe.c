/* The linear probe: multinomial logistic regression by L-BFGS on standardised features.
 *
 * The gradient is summed in 64 parts, whatever the number of threads, and the parts are added in
 * order: the same bits always. Sums over rows are in float32, which is why the search ends when
 * no shorter step lowers the loss, rather than at an exact gradient. */
#include "runtime/evaluate.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum {
    PARTS = 64 /* fixed, so that sums do not depend on the threads */,
    HISTORY = 10,
    MOST_ITERATIONS = 200
};
static const double enough = 1e-5; /* the gradient at which the fit ends */

#if defined(__x86_64__) && !defined(__SANITIZE_ADDRESS__)
#define FOR_THIS_MACHINE __attribute__((target_clones("avx512f", "avx2", "default")))
#else
#define FOR_THIS_MACHINE
#endif

typedef struct Probe {
    CoupletThreads *threads;
    const float *x; /* standardised [count, width] */
    const int32_t *labels;
    int64_t count, width;
    int classes;
    double decay;
    float *weights;       /* [classes, width + 1], the last is the bias */
    float *part_gradient; /* [PARTS, classes, width + 1] */
    double *part_loss;    /* [PARTS] */
    double *chances;      /* [workers, classes] */
} Probe;

static int64_t parameters(const Probe *p) {
    return p->classes * (p->width + 1);
}

FOR_THIS_MACHINE
static float dot(const float *a, const float *b, int64_t n) {
    float lanes[16] = {0};
    int64_t i = 0;
    for (; i + 16 <= n; i += 16)
        for (int k = 0; k < 16; k++)
            lanes[k] += a[i + k] * b[i + k];
    float sum = 0;
    for (; i < n; i++)
        sum += a[i] * b[i];
    for (int k = 0; k < 16; k++)
        sum += lanes[k];
    return sum;
}

FOR_THIS_MACHINE
static void add_scaled(float *to, const float *from, float by, int64_t n) {
    for (int64_t i = 0; i < n; i++)
        to[i] += by * from[i];
}

/* Log-odds of one row, then probabilities; returns the log of the sum of exps. */
static double probabilities(const Probe *p, const float *x, double *out) {
    double top = -INFINITY, sum = 0;
    for (int c = 0; c < p->classes; c++) {
        const float *w = p->weights + c * (p->width + 1);
        out[c] = (double)dot(x, w, p->width) + (double)w[p->width];
        if (out[c] > top) top = out[c];
    }
    for (int c = 0; c < p->classes; c++)
        sum += exp(out[c] - top);
    double log_sum = top + log(sum);
    for (int c = 0; c < p->classes; c++)
        out[c] = exp(out[c] - log_sum);
    return log_sum;
}

static void one_part(void *context, int64_t begin, int64_t end, int worker) {
    Probe *p = context;
    double *chance = p->chances + (int64_t)worker * p->classes;
    for (int64_t part = begin; part < end; part++) {
        float *gradient = p->part_gradient + part * parameters(p);
        memset(gradient, 0, sizeof *gradient * (size_t)parameters(p));
        double loss = 0;
        for (int64_t i = p->count * part / PARTS; i < p->count * (part + 1) / PARTS; i++) {
            const float *x = p->x + i * p->width;
            if (couplet_threads_stopped(p->threads)) return; /* nobody asks for the sum any more */
            probabilities(p, x, chance);
            loss -= log(chance[p->labels[i]] > 1e-300 ? chance[p->labels[i]] : 1e-300);
            chance[p->labels[i]] -= 1;
            for (int c = 0; c < p->classes; c++) {
                float *g = gradient + c * (p->width + 1);
                add_scaled(g, x, (float)chance[c], p->width);
                g[p->width] += (float)chance[c];
            }
        }
        p->part_loss[part] = loss;
    }
}

static double evaluate(Probe *p, const double *at, double *gradient) {
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
        if (i % (p->width + 1) == p->width) continue; /* the bias is not decayed */
        loss += p->decay * at[i] * at[i];
        gradient[i] += 2 * p->decay * at[i];
    }
    return loss;
}

/* ---- L-BFGS (Nocedal, Wright: Numerical Optimization, algorithms 7.4 and 7.5) ---------------- */

typedef struct Memory {
    double *s, *y, rho[HISTORY]; /* [HISTORY, n] rings */
    int count, head;
} Memory;

static double inner(const double *a, const double *b, int64_t n) {
    double sum = 0;
    for (int64_t i = 0; i < n; i++)
        sum += a[i] * b[i];
    return sum;
}

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

static void remember(Memory *m, const double *from, const double *to, const double *old_gradient,
                     const double *gradient, int64_t n) {
    double *s = m->s + m->head * n, *y = m->y + m->head * n;
    for (int64_t i = 0; i < n; i++) {
        s[i] = to[i] - from[i];
        y[i] = gradient[i] - old_gradient[i];
    }
    double curvature = inner(s, y, n);
    if (curvature <= 1e-12 * inner(y, y, n)) return; /* keeps the approximation positive */
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

static int minimise(Probe *p, double *x, double *work) {
    int64_t n = parameters(p);
    Memory m = {.s = work, .y = work + HISTORY * n};
    double *gradient = work + 2 * HISTORY * n, *next_gradient = gradient + n,
           *next = gradient + 2 * n, *step = gradient + 3 * n;
    double loss = evaluate(p, x, gradient);
    int iteration = 0;
    for (; iteration < MOST_ITERATIONS && largest(gradient, n) > enough &&
           !couplet_threads_stopped(p->threads);
         iteration++) {
        direction(&m, gradient, step, n);
        double slope = inner(gradient, step, n),
               length = m.count ? 1 : 1 / (1e-12 + sqrt(inner(gradient, gradient, n))),
               next_loss = loss;
        bool lower = false;
        for (int tries = 0; tries < 20 && !lower; tries++, length *= lower ? 1 : 0.5) { /* Armijo */
            for (int64_t i = 0; i < n; i++)
                next[i] = x[i] + length * step[i];
            next_loss = evaluate(p, next, next_gradient);
            lower = next_loss <= loss + 1e-4 * length * slope;
        }
        if (!lower) break; /* float32 sums cannot tell a lower loss */
        remember(&m, x, next, gradient, next_gradient, n);
        memcpy(x, next, sizeof *x * (size_t)n);
        memcpy(gradient, next_gradient, sizeof *gradient * (size_t)n);
        loss = next_loss;
    }
    for (int64_t i = 0; i < n; i++)
        p->weights[i] = (float)x[i];
    return iteration;
}

/* ---- the whole ------------------------------------------------------------------------------- */

static bool standardise(const CoupletFeatures *bank, const CoupletFeatures *query, float *x,
                        float *q) {
    int64_t width = bank->width;
    double *mean = calloc((size_t)(2 * width) + 1, sizeof *mean), *deviation = mean + width;
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
    for (int64_t i = 0; i < bank->count * width; i++)
        x[i] = (float)(((double)bank->values[i] - mean[i % width]) / deviation[i % width]);
    for (int64_t i = 0; i < query->count * width; i++)
        q[i] = (float)(((double)query->values[i] - mean[i % width]) / deviation[i % width]);
    free(mean);
    return true;
}

static double accuracy(const Probe *p, const float *q, const CoupletFeatures *query,
                       int32_t *guess) {
    double *chance = p->chances;
    int64_t right = 0;
    for (int64_t i = 0; i < query->count; i++) {
        probabilities(p, q + i * p->width, chance);
        int best = 0;
        for (int c = 1; c < p->classes; c++)
            if (chance[c] > chance[best]) best = c;
        right += best == query->labels[i];
        if (guess) guess[i] = best;
    }
    return 100.0 * (double)right / (double)(query->count ? query->count : 1);
}

double couplet_linear_probe(CoupletThreads *threads, const CoupletFeatures *bank,
                            const CoupletFeatures *query, int class_count, double decay,
                            int *iterations, int32_t *guess) {
    Probe p = {.threads = threads,
               .labels = bank->labels,
               .count = bank->count,
               .width = bank->width,
               .classes = class_count,
               .decay = decay};
    size_t n = (size_t)parameters(&p);
    float *x = malloc(((size_t)(bank->count * bank->width) + 1) * sizeof *x),
          *q = malloc(((size_t)(query->count * bank->width) + 1) * sizeof *q);
    p.x = x;
    p.weights = calloc(n, sizeof *p.weights);
    p.part_gradient = malloc(n * PARTS * sizeof *p.part_gradient);
    p.part_loss = malloc(PARTS * sizeof *p.part_loss);
    p.chances =
        malloc((size_t)couplet_threads_count(threads) * (size_t)class_count * sizeof *p.chances);
    double *at = calloc(n, sizeof *at), *work = malloc(n * (2 * HISTORY + 4) * sizeof *work),
           percent = -1;
    bool memory = x && q && p.weights && p.part_gradient && p.part_loss && p.chances && at && work;
    if (memory && standardise(bank, query, x, q)) {
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
    free(at);
    free(work);
    return percent;
}
