/* Weighted nearest neighbours (evaluate.h), and the deviation of an embedding.
 *
 * Each query keeps a heap of its k best. In nearly every block of similarities, none is better than
 * the heap's root, and one comparison in vectors shows that. Before the votes the heap is sorted.
 * So the order in which weights are added, and with it a tie, does not depend on how the heap was
 * built. */
#include "runtime/evaluate.h"
#include "runtime/similarity.h"

#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

/* The sides of a block of similarities: eight queries by thirty-two rows of the bank, in registers.
 * The bank is stored in panels for that, and a fetched panel serves all queries of a tile. */
enum {
    QUERIES = COUPLET_BLOCK_ROWS,
    TILE = 8 * QUERIES,
    PANEL = COUPLET_PANEL_ROWS,
};

typedef struct Job {
    const CoupletThreads *threads;
    const CoupletFeatures *bank;
    const CoupletFeatures *query;
    const CoupletNeighbours *how;
    float *panels, *queries; /* rows of length 1: [panel, width, PANEL] and [query, width] */
    int64_t panel_count;
    CoupletNear *near; /* [worker, TILE, k] */
    double *votes;
    uint8_t *right;
    int class_count;
} Job;

static void lay_out(void *context, int64_t begin, int64_t end, int worker) {
    (void)worker;
    Job *j = context;
    int64_t width = j->bank->width;
    for (int64_t p = begin; p < end; p++)
        for (int64_t i = 0; i < PANEL && p * PANEL + i < j->bank->count; i++)
            couplet_unit_row(j->bank->values + (p * PANEL + i) * width, width,
                             j->panels + p * width * PANEL + i, PANEL);
}

/* ---- the k nearest: a heap whose root gives way first ---------------------------------------- */

/* True if `a` is the worse neighbour. Of equally near rows, the later one is. */
static bool is_further(CoupletNear a, CoupletNear b) {
    return a.similarity < b.similarity || (a.similarity == b.similarity && a.row > b.row);
}

/* Replaces the root by `with` and restores the heap. */
static void replace_root(CoupletNear *heap, int64_t count, CoupletNear with) {
    int64_t at = 0;
    int64_t child;
    while ((child = 2 * at + 1) < count) {
        if (child + 1 < count && is_further(heap[child + 1], heap[child])) child++;
        if (!is_further(heap[child], with)) break;
        heap[at] = heap[child];
        at = child;
    }
    heap[at] = with;
}

/* Sorts the heap into a list, the best first. Two labels with equal weights are then added in the
 * same order, so their tie stays a tie. */
static void sort_heap(CoupletNear *heap, int64_t count) {
    for (int64_t left = count - 1; left > 0; left--) {
        CoupletNear worst = heap[0];
        replace_root(heap, left, heap[left]);
        heap[left] = worst;
    }
}

/* Returns the label with the most votes. Weights are relative to that of the nearest row, so no
 * temperature makes all of them vanish. */
static int32_t vote(const Job *j, const CoupletNear *near, double *votes) {
    const double nearest = (double)near[0].similarity;
    memset(votes, 0, sizeof *votes * (size_t)j->class_count);
    for (int64_t i = 0; i < j->how->k && near[i].row >= 0; i++)
        votes[j->bank->labels[near[i].row]] +=
            exp(((double)near[i].similarity - nearest) / j->how->temperature);
    int32_t best = 0;
    for (int32_t c = 1; c < j->class_count; c++)
        if (votes[c] > votes[best]) best = c;
    return best;
}

/* Takes the rows of a block that are nearer than the heap's root. Rows come in order, so a row that
 * is only as near as the root is worse. Nearly every block has no nearer row, which vectors show at
 * once. */
static void take_block(CoupletNear *heap, int64_t k, const float *similarity, int64_t first,
                       int64_t rows, int64_t own) {
    const float root = heap[0].similarity;
    int nearer = 0;
    /* The rows of the last panel behind the bank are zeros. They may count here, and not below. */
    for (int i = 0; i < PANEL; i++)
        nearer |= similarity[i] > root;
    if (!nearer) return;
    for (int64_t i = 0; i < rows; i++)
        if (similarity[i] > heap[0].similarity && first + i != own)
            replace_root(heap, k, (CoupletNear){similarity[i], (int32_t)(first + i)});
}

static void classify_tile(Job *j, int64_t first, CoupletNear *near, double *votes) {
    const int64_t width = j->bank->width;
    const int64_t left = j->query->count - first;
    const int64_t k = j->how->k;
    const int64_t count = left < TILE ? left : TILE;
    float block[QUERIES * PANEL];
    for (int64_t i = 0; i < TILE * k; i++)
        near[i] = (CoupletNear){-INFINITY, -1};
    for (int64_t p = 0; p < j->panel_count; p++) {
        int64_t rows = j->bank->count - p * PANEL < PANEL ? j->bank->count - p * PANEL : PANEL;
        for (int64_t q = 0; q < count; q++) {
            if (q % QUERIES == 0)
                couplet_similarities(j->queries + (first + q) * width,
                                     j->panels + p * width * PANEL, width, block);
            int64_t own = j->how->own ? j->how->own[first + q] : -1;
            take_block(near + q * k, k, block + q % QUERIES * PANEL, p * PANEL, rows, own);
        }
    }
    for (int64_t q = 0; q < count; q++) {
        sort_heap(near + q * k, k);
        const int32_t told = vote(j, near + q * k, votes);
        j->right[first + q] = told == j->query->labels[first + q];
        if (j->how->guess) j->how->guess[first + q] = told;
        if (j->how->near)
            memcpy(j->how->near + (first + q) * k, near + q * k, (size_t)k * sizeof *near);
    }
}

static void classify(void *context, int64_t begin, int64_t end, int worker) {
    Job *j = context;
    for (int64_t tile = begin; tile < end && !couplet_threads_stopped(j->threads); tile++)
        classify_tile(j, tile * TILE, j->near + (int64_t)worker * TILE * j->how->k,
                      j->votes + (int64_t)worker * j->class_count);
}

double couplet_knn(CoupletThreads *threads, const CoupletFeatures *bank,
                   const CoupletFeatures *query, int class_count, const CoupletNeighbours *how) {
    if (how->k < 1 || how->k > bank->count || !(how->temperature > 0)) return -1;
    int64_t tiles = (query->count + TILE - 1) / TILE;
    int64_t width = bank->width;
    int64_t workers = couplet_threads_count(threads);
    Job j = {.threads = threads,
             .bank = bank,
             .query = query,
             .how = how,
             .class_count = class_count,
             .panel_count = (bank->count + PANEL - 1) / PANEL};
    j.panels = calloc((size_t)(j.panel_count * PANEL * width) + 1, sizeof *j.panels);
    j.queries = calloc((size_t)(tiles * TILE * width) + 1, sizeof *j.queries);
    j.near = malloc((size_t)(workers * TILE * how->k) * sizeof *j.near);
    j.votes = malloc((size_t)(workers * class_count) * sizeof *j.votes);
    j.right = calloc((size_t)query->count + 1, 1);
    double percent = -1;
    if (j.panels && j.queries && j.near && j.votes && j.right) {
        for (int64_t q = 0; q < query->count; q++)
            couplet_unit_row(query->values + q * width, width, j.queries + q * width, 1);
        couplet_threads_run(threads, j.panel_count, lay_out, &j);
        couplet_threads_run(threads, tiles, classify, &j);
        int64_t right = 0;
        for (int64_t q = 0; q < query->count; q++)
            right += j.right[q];
        if (!couplet_threads_stopped(threads))
            percent = 100.0 * (double)right / (double)(query->count ? query->count : 1);
    }
    free(j.panels);
    free(j.queries);
    free(j.near);
    free(j.votes);
    free(j.right);
    return percent;
}

double couplet_embedding_deviation(const float *rows, int64_t count, int64_t width) {
    double *sums = calloc((size_t)(2 * width) + 1, sizeof *sums);
    double total = 0;
    float *row = malloc((size_t)width * sizeof *row + 1);
    for (int64_t i = 0; sums && row && i < count; i++) {
        couplet_unit_row(rows + i * width, width, row, 1);
        for (int64_t d = 0; d < width; d++) {
            sums[d] += (double)row[d];
            sums[width + d] += (double)row[d] * (double)row[d];
        }
    }
    for (int64_t d = 0; sums && row && d < width; d++) {
        double mean = sums[d] / (double)count;
        double variance = sums[width + d] / (double)count - mean * mean;
        total += sqrt(variance > 0 ? variance : 0);
    }
    free(sums);
    free(row);
    return total / (double)width * sqrt((double)width);
}
