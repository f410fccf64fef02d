/* Retrieval: the ranks of the bank's rows by their similarity to a query (quality.h).
 *
 * A ranking is not sorted as a whole. Only the rows with the query's label are sorted. For each
 * other row, it is then counted behind how many of them it stands. */
#include "runtime/quality.h"
#include "runtime/similarity.h"

#include <stdlib.h>

bool couplet_recall(CoupletThreads *threads, const CoupletFeatures *bank,
                    const CoupletFeatures *query, int class_count, const CoupletNeighbours *how,
                    double *percent) {
    CoupletNear *near = malloc(((size_t)(query->count * how->k) + 1) * sizeof *near);
    const CoupletNeighbours asked = {.k = how->k, .temperature = 1, .own = how->own, .near = near};
    const bool good = near && couplet_knn(threads, bank, query, class_count, &asked) >= 0;
    int64_t found = 0;
    for (int64_t q = 0; good && q < query->count; q++) {
        bool is = false;
        for (int64_t i = 0; i < how->k; i++) {
            const int32_t row = near[q * how->k + i].row;
            is |= row >= 0 && bank->labels[row] == query->labels[q];
        }
        found += is;
    }
    free(near);
    if (good) {
        *percent = 100.0 * (double)found / (double)(query->count ? query->count : 1);
    }
    return good;
}

/* ---- mean average precision ------------------------------------------------------------------ */

enum {
    QUERIES = COUPLET_BLOCK_ROWS,
    PANEL = COUPLET_PANEL_ROWS,
};

typedef struct Ranking {
    CoupletThreads *threads;
    const CoupletFeatures *bank;
    const CoupletFeatures *query;
    const int32_t *own;
    float *panels, *queries; /* rows of length 1: [panel, width, PANEL] and [query, width] */
    int64_t panel_count;
    float *similarities; /* [worker, QUERIES, panels * PANEL] */
    CoupletNear *alike;  /* [worker, bank]: the rows with the query's label */
    int64_t *ahead;      /* [worker, bank + 1]: the counts of average_precision */
    double *precision;   /* [query]; negative: no row has its label */
} Ranking;

/* True if `a` comes before `b`. Of equally similar rows, the earlier one does. */
static bool is_ahead(CoupletNear a, CoupletNear b) {
    return a.similarity > b.similarity || (a.similarity == b.similarity && a.row < b.row);
}

static int by_rank(const void *a, const void *b) {
    const CoupletNear *x = a;
    const CoupletNear *y = b;
    return is_ahead(*y, *x) - is_ahead(*x, *y);
}

/* Returns how many of the sorted rows come before `one`. */
static int64_t rows_ahead_of(const CoupletNear *sorted, int64_t count, CoupletNear one) {
    int64_t low = 0;
    int64_t high = count;
    while (low < high) {
        const int64_t middle = low + (high - low) / 2;
        if (is_ahead(sorted[middle], one))
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

/* Returns the average precision of a query, or -1 if no row of the bank has its label. ahead[i]
 * counts the rows of other labels that come right before row i of `alike`. */
static double average_precision(const Ranking *r, int64_t q, const float *similarity,
                                CoupletNear *alike, int64_t *ahead) {
    const int32_t label = r->query->labels[q];
    const int64_t own = r->own ? r->own[q] : -1;
    int64_t count = 0;
    for (int64_t row = 0; row < r->bank->count; row++)
        if (r->bank->labels[row] == label && row != own)
            alike[count++] = (CoupletNear){similarity[row], (int32_t)row};
    qsort(alike, (size_t)count, sizeof *alike, by_rank);
    for (int64_t i = 0; i <= count; i++)
        ahead[i] = 0;
    for (int64_t row = 0; row < r->bank->count; row++)
        if (r->bank->labels[row] != label && row != own)
            ahead[rows_ahead_of(alike, count, (CoupletNear){similarity[row], (int32_t)row})]++;
    double sum = 0;
    int64_t others = 0;
    for (int64_t i = 0; i < count; i++) {
        others += ahead[i];
        sum += (double)(i + 1) / (double)(i + 1 + others);
    }
    return count ? sum / (double)count : -1;
}

static void rank_block(Ranking *r, int64_t first, int worker) {
    const int64_t width = r->bank->width;
    const int64_t stride = r->panel_count * PANEL;
    float block[QUERIES * PANEL];
    float *similarities = r->similarities + worker * QUERIES * stride;
    for (int64_t p = 0; p < r->panel_count; p++) {
        couplet_similarities(r->queries + first * width, r->panels + p * width * PANEL, width,
                             block);
        for (int q = 0; q < QUERIES; q++)
            for (int i = 0; i < PANEL; i++)
                similarities[q * stride + p * PANEL + i] = block[q * PANEL + i];
    }
    for (int64_t q = 0; q < QUERIES && first + q < r->query->count; q++)
        r->precision[first + q] = average_precision(r, first + q, similarities + q * stride,
                                                    r->alike + worker * r->bank->count,
                                                    r->ahead + worker * (r->bank->count + 1));
}

static void rank(void *context, int64_t begin, int64_t end, int worker) {
    Ranking *r = context;
    for (int64_t b = begin; b < end && !couplet_threads_stopped(r->threads); b++)
        rank_block(r, b * QUERIES, worker);
}

static bool rank_all(Ranking *r) {
    const int64_t width = r->bank->width;
    const int64_t blocks = (r->query->count + QUERIES - 1) / QUERIES;
    for (int64_t row = 0; row < r->bank->count; row++)
        couplet_unit_row(r->bank->values + row * width, width,
                         r->panels + row / PANEL * width * PANEL + row % PANEL, PANEL);
    for (int64_t q = 0; q < r->query->count; q++)
        couplet_unit_row(r->query->values + q * width, width, r->queries + q * width, 1);
    couplet_threads_run(r->threads, blocks, rank, r);
    return !couplet_threads_stopped(r->threads);
}

bool couplet_mean_precision(CoupletThreads *threads, const CoupletFeatures *bank,
                            const CoupletFeatures *query, const int32_t *own, double *percent) {
    const size_t workers = (size_t)couplet_threads_count(threads);
    const size_t rows = (size_t)bank->count + 1;
    const size_t width = (size_t)bank->width + 1;
    Ranking r = {.threads = threads,
                 .bank = bank,
                 .query = query,
                 .own = own,
                 .panel_count = (bank->count + PANEL - 1) / PANEL};
    const size_t padded = (size_t)r.panel_count * PANEL + 1;
    r.panels = calloc(padded * width, sizeof *r.panels);
    r.queries = calloc(((size_t)query->count + QUERIES) * width, sizeof *r.queries);
    r.similarities = malloc(workers * QUERIES * padded * sizeof *r.similarities);
    r.alike = malloc(workers * rows * sizeof *r.alike);
    r.ahead = malloc(workers * rows * sizeof *r.ahead);
    r.precision = malloc(((size_t)query->count + 1) * sizeof *r.precision);
    const bool good = r.panels && r.queries && r.similarities && r.alike && r.ahead &&
                      r.precision && rank_all(&r);
    double sum = 0;
    int64_t counted = 0;
    for (int64_t q = 0; good && q < query->count; q++) {
        if (r.precision[q] < 0) continue;
        sum += r.precision[q];
        counted++;
    }
    if (good) *percent = counted ? 100 * sum / (double)counted : 0;
    free(r.panels);
    free(r.queries);
    free(r.similarities);
    free(r.alike);
    free(r.ahead);
    free(r.precision);
    return good;
}
