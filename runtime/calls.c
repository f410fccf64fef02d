/* The library calls, one row at a time, in double precision. They are operations that a formula
 * does not express well: order, linear equations, assignment, the quantile of a beta distribution.
 *
 * The reference evaluator and the kernels run the same functions, because both must choose alike:
 * which of two equal entries comes first, which row an assignment takes. No function here draws by
 * rejection. A draw is one quantile of one uniform number, so it does not depend on the order of
 * evaluation. */
#include "runtime/calls.h"

#include <math.h>
#include <string.h>

/* ---- order ----------------------------------------------------------------------------------- */

/* True if position p comes before q in ascending order. Ties go to the lower position, and NaN
 * comes last. */
static bool ascends(const double *x, int64_t p, int64_t q) {
    if (isnan(x[p]) || isnan(x[q])) return isnan(x[p]) == isnan(x[q]) ? p < q : isnan(x[q]);
    return x[p] < x[q] || (x[p] == x[q] && p < q);
}

/* Returns the score by which candidates are sorted. A NaN counts as infinite, so both come
 * first. */
static double worth(double score) {
    return isnan(score) ? INFINITY : score;
}

/* True if position p comes before q in descending order. Ties go to the lower position. */
static bool descends(const double *x, int64_t p, int64_t q) {
    double a = worth(x[p]);
    double b = worth(x[q]);
    return a > b || (a == b && p < q);
}

typedef bool (*Before)(const double *x, int64_t p, int64_t q);

/* Sorts positions by a bottom-up merge sort. Positions are whole numbers, held as doubles. The
 * result is in `at`. */
static void sort_positions(const double *x, double *at, double *spare, int64_t count,
                           Before before) {
    double *from = at;
    double *to = spare;
    for (int64_t width = 1; width < count; width *= 2) {
        for (int64_t low = 0; low < count; low += 2 * width) {
            int64_t middle = low + width < count ? low + width : count;
            int64_t high = low + 2 * width < count ? low + 2 * width : count;
            int64_t i = low;
            int64_t j = middle;
            for (int64_t k = low; k < high; k++) {
                bool left =
                    j == high || (i < middle && !before(x, (int64_t)from[j], (int64_t)from[i]));
                to[k] = left ? from[i++] : from[j++];
            }
        }
        double *swap = from;
        from = to;
        to = swap;
    }
    if (from != at) memcpy(at, from, sizeof *at * (size_t)count);
}

static CoupletFaultKind couplet_call_argsort(const CoupletCallSize *size, double *const *in,
                                             double *out, double *work) {
    for (int64_t i = 0; i < size->rows; i++)
        out[i] = (double)i;
    sort_positions(in[0], out, work, size->rows, ascends);
    return COUPLET_NO_FAULT;
}

/* Brings the first `want` positions in order to the front of `at`, in any order (quickselect). No
 * two positions are equal in the order, so there is one such set. */
static void gather_first(const double *x, double *at, int64_t count, int64_t want) {
    int64_t low = 0;
    int64_t high = count;
    while (high - low > 1 && low < want) {
        int64_t pivot = (int64_t)at[low + (high - low) / 2];
        int64_t i = low;
        int64_t j = high - 1;
        for (;;) {
            while (descends(x, (int64_t)at[i], pivot))
                i++;
            while (descends(x, pivot, (int64_t)at[j]))
                j--;
            if (i >= j) break;
            double swap = at[i];
            at[i] = at[j];
            at[j] = swap;
        }
        if (j + 1 == want) return;
        if (j >= want)
            high = j;
        else
            low = j + 1;
    }
}

/* Writes the positions of the size->result largest scores, in descending order (top-k). */
static CoupletFaultKind couplet_call_select(const CoupletCallSize *size, double *const *in,
                                            double *out, double *work) {
    double *at = work;
    double *spare = work + size->rows;
    for (int64_t i = 0; i < size->rows; i++)
        at[i] = (double)i;
    gather_first(in[0], at, size->rows, size->result);
    sort_positions(in[0], at, spare, size->result, descends);
    memcpy(out, at, sizeof *out * (size_t)size->result);
    double last = worth(in[0][(int64_t)out[size->result - 1]]);
    /* A guard gives the terms that it excludes the score -inf, so such a term among the results
     * means that there were too few candidates. */
    return last > -INFINITY ? COUPLET_NO_FAULT : COUPLET_FAULT_FEW;
}

/* ---- linear equations ------------------------------------------------------------------------ */

static void swap_rows(double *a, double *b, int64_t count) {
    for (int64_t i = 0; i < count; i++) {
        double kept = a[i];
        a[i] = b[i];
        b[i] = kept;
    }
}

/* Solves equations by Gaussian elimination with partial pivoting. */
static CoupletFaultKind couplet_call_solve(const CoupletCallSize *size, double *const *in,
                                           double *out, double *work) {
    int64_t n = size->rows;
    double *a = work;
    memcpy(a, in[0], sizeof *a * (size_t)(n * n));
    memcpy(out, in[1], sizeof *out * (size_t)n);
    for (int64_t k = 0; k < n; k++) {
        int64_t pivot = k;
        for (int64_t i = k + 1; i < n; i++)
            if (fabs(a[i * n + k]) > fabs(a[pivot * n + k])) pivot = i;
        if (a[pivot * n + k] == 0) return COUPLET_FAULT_SINGULAR;
        if (pivot != k) {
            swap_rows(a + k * n, a + pivot * n, n);
            swap_rows(out + k, out + pivot, 1);
        }
        for (int64_t i = k + 1; i < n; i++) {
            double factor = a[i * n + k] / a[k * n + k];
            for (int64_t j = k + 1; j < n; j++)
                a[i * n + j] -= factor * a[k * n + j];
            out[i] -= factor * out[k];
        }
    }
    for (int64_t i = n - 1; i >= 0; i--) {
        for (int64_t j = i + 1; j < n; j++)
            out[i] -= a[i * n + j] * out[j];
        out[i] /= a[i * n + i];
    }
    return COUPLET_NO_FAULT;
}

/* ---- assignment ------------------------------------------------------------------------------ */

/* The state of an assignment by shortest augmenting paths with potentials (Kuhn, Munkres; Jonker,
 * Volgenant 1987), which takes a row at a time, in O(n^2 m). Rows and columns are numbered from 1,
 * and 0 stands for none. owner[j] is the row to which column j is assigned, before[j] the column
 * ahead of j on its path, and slack[j] the least cost at which a path reaches j. */
typedef struct Matching {
    const double *cost;
    int64_t n;
    int64_t m;
    double *row_price;
    double *column_price;
    double *owner;
    double *before;
    double *slack;
    double *seen;
} Matching;

/* Finds the shortest augmenting path from the row that column 0 owns. Returns the free column at
 * its end. Each turn adds the nearest column to the paths, and changes the prices so that the costs
 * along the paths stay 0. */
static int64_t free_column(Matching *t) {
    int64_t column = 0;
    for (int64_t j = 0; j <= t->m; j++)
        t->slack[j] = INFINITY, t->seen[j] = 0;
    do {
        int64_t row = (int64_t)t->owner[column];
        int64_t nearest = 0;
        double step = INFINITY;
        t->seen[column] = 1;
        for (int64_t j = 1; j <= t->m; j++) {
            if (t->seen[j] != 0) continue;
            double distance =
                t->cost[(row - 1) * t->m + j - 1] - t->row_price[row] - t->column_price[j];
            if (distance < t->slack[j]) t->slack[j] = distance, t->before[j] = (double)column;
            if (t->slack[j] < step) step = t->slack[j], nearest = j;
        }
        for (int64_t j = 0; j <= t->m; j++) {
            if (t->seen[j] != 0)
                t->row_price[(int64_t)t->owner[j]] += step, t->column_price[j] -= step;
            else
                t->slack[j] -= step;
        }
        column = nearest;
    } while (t->owner[column] != 0);
    return column;
}

/* Assigns each row a column of its own so that the sum of costs is least. */
static CoupletFaultKind couplet_call_assignment(const CoupletCallSize *size, double *const *in,
                                                double *out, double *work) {
    Matching t = {.cost = in[0], .n = size->rows, .m = size->columns};
    for (int64_t i = 0; i < t.n * t.m; i++)
        if (!isfinite(in[0][i])) return COUPLET_FAULT_COST;
    double **arrays[] = {&t.column_price, &t.owner, &t.before, &t.slack, &t.seen, &t.row_price};
    for (int a = 0; a < 6; a++)
        *arrays[a] = work + a * (t.m + 1);
    memset(work, 0, sizeof *work * (size_t)(5 * (t.m + 1) + t.n + 1));
    for (int64_t row = 1; row <= t.n; row++) {
        t.owner[0] = (double)row;
        for (int64_t column = free_column(&t); column != 0;) {
            int64_t previous = (int64_t)t.before[column];
            t.owner[column] = t.owner[previous];
            column = previous;
        }
    }
    for (int64_t j = 1; j <= t.m; j++)
        if (t.owner[j] != 0) out[(int64_t)t.owner[j] - 1] = (double)(j - 1);
    return COUPLET_NO_FAULT;
}

/* ---- the beta distribution ------------------------------------------------------------------- */

/* Computes the continued fraction of the incomplete beta function, by Lentz's method. It converges
 * fast for x < (a + 1) / (a + b + 2). */
static double beta_fraction(double a, double b, double x) {
    const double tiny = 1e-300;
    double c = 1;
    double d = 1 - (a + b) * x / (a + 1);
    d = 1 / (fabs(d) < tiny ? tiny : d);
    double product = d;
    for (int m = 1; m < 500; m++) {
        double even = m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m));
        double odd = -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1));
        d = 1 + even * d, c = 1 + even / c;
        d = 1 / (fabs(d) < tiny ? tiny : d), c = fabs(c) < tiny ? tiny : c;
        product *= d * c;
        d = 1 + odd * d, c = 1 + odd / c;
        d = 1 / (fabs(d) < tiny ? tiny : d), c = fabs(c) < tiny ? tiny : c;
        product *= d * c;
        if (fabs(d * c - 1) < 1e-15) break;
    }
    return product;
}

/* Returns I_x(a, b) at x = 1 / (1 + exp(-t)), and its slope in t. */
static double incomplete_beta(double a, double b, double t, double *slope) {
    double log_x = -log1p(exp(-t));
    double log_rest = -log1p(exp(t));
    double x = exp(log_x);
    double rest = exp(log_rest);
    *slope = exp(a * log_x + b * log_rest + lgamma(a + b) - lgamma(a) - lgamma(b));
    if (x <= (a + 1) / (a + b + 2)) return *slope * beta_fraction(a, b, x) / a;
    return 1 - *slope * beta_fraction(b, a, rest) / b;
}

/* Computes quantiles by Newton's steps in the logit of x, kept inside a bracket. So a draw needs no
 * rejection and is monotone in u. */
static CoupletFaultKind couplet_call_beta_quantile(const CoupletCallSize *size, double *const *in,
                                                   double *out, double *work) {
    (void)size, (void)work;
    double u = *in[0];
    double a = *in[1];
    double b = *in[2];
    double low = -700;
    double high = 700;
    double t = log(a / b);
    double slope;
    if (!(a > 0) || !(b > 0)) return COUPLET_FAULT_BETA;
    for (int turn = 0; turn < 200 && high - low > 1e-13; turn++) {
        double miss = incomplete_beta(a, b, t, &slope) - u;
        if (miss < 0)
            low = t;
        else
            high = t;
        double next = t - miss / slope;
        if (!(next > low && next < high)) next = (low + high) / 2;
        if (fabs(next - t) < 1e-14 * (1 + fabs(t))) break;
        t = next;
    }
    *out = t < 0 ? exp(t) / (1 + exp(t)) : 1 / (1 + exp(-t));
    return COUPLET_NO_FAULT;
}

/* ---- the table, and the kernel --------------------------------------------------------------- */

const CoupletCall couplet_calls[COUPLET_CALL_COUNT] = {
#define CALL(name, text, result, axes, a, b, c)                                                    \
    {#text, result, axes, {a, b, c}, couplet_call_##text},
#include "runtime/calls.def"
#undef CALL
};

int64_t couplet_call_elements(int axes, const CoupletCallSize *size) {
    return axes < 0 ? 0 : axes == 0 ? 1 : axes == 1 ? size->rows : size->rows * size->columns;
}

/* The working memory is a copy of the operands, and a few numbers for each row and column. */
int64_t couplet_call_work(const CoupletCallSize *size) {
    return size->rows * size->columns + 6 * (size->rows + size->columns + 2);
}

int64_t couplet_call_scratch(CoupletCallKind call, const CoupletCallSize *size) {
    int64_t doubles = size->result + couplet_call_work(size);
    for (int i = 0; i < COUPLET_CALL_OPERANDS; i++)
        doubles += couplet_call_elements(couplet_calls[call].operand_axes[i], size);
    return doubles * (int64_t)sizeof(double);
}

/* Does library calls. The buffers are the call and its sizes as int32 (call, rows, columns,
 * result), the operands, and the result. */
void couplet_call(void *const *buffers, int64_t begin, int64_t end, const CoupletWorker *worker) {
    const int32_t *head = buffers[0];
    const CoupletCall *call = &couplet_calls[head[0]];
    CoupletCallSize size = {head[1], head[2], head[3]};
    double *in[COUPLET_CALL_OPERANDS] = {NULL};
    double *at = worker->scratch;
    int64_t lengths[COUPLET_CALL_OPERANDS];
    int count = 0;
    for (; count < COUPLET_CALL_OPERANDS && call->operand_axes[count] >= 0; count++) {
        in[count] = at;
        at += lengths[count] = couplet_call_elements(call->operand_axes[count], &size);
    }
    double *out = at;
    double *work = at + size.result;
    for (int64_t row = begin; row < end; row++) {
        for (int i = 0; i < count; i++) {
            const float *from = (const float *)buffers[1 + i] + row * lengths[i];
            for (int64_t k = 0; k < lengths[i]; k++)
                in[i][k] = (double)from[k];
        }
        CoupletFaultKind fault = call->run(&size, in, out, work);
        if (fault && !*worker->fault) *worker->fault = fault;
        for (int64_t k = 0; k < size.result; k++) {
            if (fault) out[k] = 0;
            if (call->result == COUPLET_F32)
                ((float *)buffers[1 + count])[row * size.result + k] = (float)out[k];
            else
                ((int32_t *)buffers[1 + count])[row * size.result + k] = (int32_t)out[k];
        }
    }
}
