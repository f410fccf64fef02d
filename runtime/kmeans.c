/* Lloyd's k-means on all threads, with the same bits for any number of them. A stable counting sort
 * groups the points by cluster, so each centre adds its members in their order, whichever thread
 * does it. No sum is shared between threads.
 *
 * Distances come from similarity.c: eight points by a panel of 32 centres, in registers. */
#include "runtime/kmeans.h"

#include "runtime/random.h"
#include "runtime/similarity.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* BLOCK points by PANEL centres are a block of distances. TILE is the number of points in a
 * tile. */
enum {
    BLOCK = COUPLET_BLOCK_ROWS,
    PANEL = COUPLET_PANEL_ROWS,
    TILE = 64 * BLOCK,
};

typedef struct Job {
    const float *points;
    float *rows; /* the points, padded to whole blocks, and of length 1 if spherical */
    float *centres, *panels, *squares; /* `squares` are the squared lengths of the centres */
    /* By point: the squared distance to its centre, without the squared length of the point. While
     * k-means++ chooses the start: the squared distance to the nearest centre so far. */
    float *near;
    float *point_squares;
    /* `members` has the cluster of each point. `order` has the points sorted by cluster, and
     * first[c] is where cluster c begins in it. */
    int32_t *members;
    int32_t *order;
    int32_t *first;
    int64_t count;
    int64_t width;
    int64_t clusters;
    int64_t panel_count;
    const CoupletKmeans *options;
    uint64_t seed;
    int64_t step;
    int64_t newest; /* for k-means++: the centre that was added last */
    bool *changed;  /* by tile */
} Job;

static double square_of(const float *x, int64_t width) {
    double sum = 0;
    for (int64_t d = 0; d < width; d++)
        sum += (double)x[d] * (double)x[d];
    return sum;
}

static void scale_to_one(float *x, int64_t width) {
    double square = square_of(x, width);
    double scale = square > 0 ? 1 / sqrt(square) : 0;
    for (int64_t d = 0; d < width; d++)
        x[d] = (float)((double)x[d] * scale);
}

static double draw_unit(const Job *j, int64_t element, int lane) {
    return couplet_random_unit((uint32_t)j->seed, (uint32_t)(j->seed >> 32), (uint32_t)j->step,
                               j->options->site, (uint64_t)element, lane);
}

/* ---- the points ------------------------------------------------------------------------------ */

static void prepare_points(void *context, int64_t begin, int64_t end, int worker) {
    (void)worker;
    Job *j = context;
    for (int64_t i = begin * TILE; i < end * TILE && i < j->count; i++) {
        float *row = j->rows + i * j->width;
        memcpy(row, j->points + i * j->width, (size_t)j->width * sizeof *row);
        if (j->options->spherical) scale_to_one(row, j->width);
        j->point_squares[i] = (float)square_of(row, j->width);
    }
}

/* ---- assignment ------------------------------------------------------------------------------ */

static void lay_out_centres(Job *j) {
    memset(j->panels, 0, (size_t)(j->panel_count * PANEL * j->width) * sizeof *j->panels);
    for (int64_t c = 0; c < j->clusters; c++) {
        const float *centre = j->centres + c * j->width;
        float *panel = j->panels + c / PANEL * PANEL * j->width;
        for (int64_t d = 0; d < j->width; d++)
            panel[d * PANEL + c % PANEL] = centre[d];
        j->squares[c] = (float)square_of(centre, j->width);
    }
}

/* Assigns a block of points to their nearest centres. The distances lack the squared length of the
 * point, which is the same for all centres. */
static void assign_block(Job *j, int64_t first, bool *changed) {
    float block[BLOCK * PANEL];
    float best[BLOCK];
    int32_t nearest[BLOCK] = {0};
    for (int q = 0; q < BLOCK; q++)
        best[q] = INFINITY;
    for (int64_t p = 0; p < j->panel_count; p++) {
        couplet_similarities(j->rows + first * j->width, j->panels + p * PANEL * j->width, j->width,
                             block);
        int64_t here = j->clusters - p * PANEL < PANEL ? j->clusters - p * PANEL : PANEL;
        for (int q = 0; q < BLOCK; q++) {
            for (int64_t i = 0; i < here; i++) {
                float distance = j->squares[p * PANEL + i] - 2 * block[q * PANEL + i];
                if (distance >= best[q]) continue;
                best[q] = distance;
                nearest[q] = (int32_t)(p * PANEL + i);
            }
        }
    }
    for (int64_t q = 0; q < BLOCK && first + q < j->count; q++) {
        *changed |= j->members[first + q] != nearest[q];
        j->members[first + q] = nearest[q];
        j->near[first + q] = best[q];
    }
}

static void assign_tiles(void *context, int64_t begin, int64_t end, int worker) {
    (void)worker;
    Job *j = context;
    for (int64_t tile = begin; tile < end; tile++) {
        j->changed[tile] = false;
        for (int64_t first = tile * TILE; first < (tile + 1) * TILE && first < j->count;
             first += BLOCK)
            assign_block(j, first, &j->changed[tile]);
    }
}

static int64_t tile_count(const Job *j) {
    return (j->count + TILE - 1) / TILE;
}

/* Assigns all points. Returns true if the cluster of a point has changed. */
static bool assign(Job *j, CoupletThreads *threads) {
    lay_out_centres(j);
    couplet_threads_run(threads, tile_count(j), assign_tiles, j);
    bool changed = false;
    for (int64_t i = 0; i < tile_count(j); i++)
        changed |= j->changed[i];
    return changed;
}

/* ---- empty clusters -------------------------------------------------------------------------- */

static void count_members(Job *j, int64_t *sizes) {
    memset(sizes, 0, (size_t)j->clusters * sizeof *sizes);
    for (int64_t i = 0; i < j->count; i++)
        sizes[j->members[i]]++;
}

/* Gives each empty cluster the point that is farthest from its centre, among the points of clusters
 * that have more than one. */
static void fill_empty(Job *j, int64_t *sizes) {
    count_members(j, sizes);
    for (int64_t c = 0; c < j->clusters; c++) {
        if (sizes[c]) continue;
        int64_t farthest = -1;
        float distance = -INFINITY;
        for (int64_t i = 0; i < j->count; i++) {
            float far = j->near[i] + j->point_squares[i];
            if (sizes[j->members[i]] < 2 || far <= distance) continue;
            distance = far;
            farthest = i;
        }
        if (farthest < 0) return; /* there are fewer points than clusters */
        sizes[j->members[farthest]]--;
        sizes[c] = 1;
        j->members[farthest] = (int32_t)c;
        j->near[farthest] = -INFINITY; /* a point is given away once */
    }
}

/* ---- centres --------------------------------------------------------------------------------- */

/* Sorts points by cluster with a stable counting sort. So each cluster adds its points in their
 * order, whichever thread does it. */
static void sort_by_cluster(Job *j, const int64_t *sizes) {
    int64_t at = 0;
    for (int64_t c = 0; c < j->clusters; c++) {
        j->first[c] = (int32_t)at;
        at += sizes[c];
    }
    j->first[j->clusters] = (int32_t)at;
    for (int64_t i = 0; i < j->count; i++)
        j->order[j->first[j->members[i]]++] = (int32_t)i;
    for (int64_t c = j->clusters; c > 0; c--)
        j->first[c] = j->first[c - 1];
    j->first[0] = 0;
}

static void mean_of_cluster(const Job *j, int64_t c) {
    float *centre = j->centres + c * j->width;
    int64_t members = j->first[c + 1] - j->first[c];
    for (int64_t d = 0; d < j->width; d++) {
        double sum = 0;
        for (int64_t k = j->first[c]; k < j->first[c + 1]; k++)
            sum += (double)j->rows[j->order[k] * j->width + d];
        if (members) centre[d] = (float)(sum / (double)members);
    }
    if (j->options->spherical) scale_to_one(centre, j->width);
}

static void mean_tiles(void *context, int64_t begin, int64_t end, int worker) {
    (void)worker;
    for (int64_t c = begin; c < end; c++)
        mean_of_cluster(context, c);
}

/* ---- the start ------------------------------------------------------------------------------- */

static void take_centre(Job *j, int64_t cluster, int64_t point) {
    memcpy(j->centres + cluster * j->width, j->rows + point * j->width,
           (size_t)j->width * sizeof *j->centres);
}

/* Starts from the first entries of a shuffle. */
static void start_sampled(Job *j) {
    for (int64_t i = 0; i < j->count; i++)
        j->order[i] = (int32_t)i;
    for (int64_t c = 0; c < j->clusters; c++) {
        int64_t other = c + (int64_t)(draw_unit(j, c, 0) * (double)(j->count - c));
        int32_t point = j->order[other];
        j->order[other] = j->order[c];
        take_centre(j, c, point);
    }
}

/* Returns the squared distance. Sixteen sums run side by side and are added at the end: a fixed
 * order, which vector registers can keep. */
static float squared_distance(const float *a, const float *b, int64_t width) {
    enum { LANES = 16 };
    float sums[LANES] = {0};
    float sum = 0;
    int64_t d = 0;
    for (; d + LANES <= width; d += LANES)
        for (int l = 0; l < LANES; l++)
            sums[l] += (a[d + l] - b[d + l]) * (a[d + l] - b[d + l]);
    for (; d < width; d++)
        sum += (a[d] - b[d]) * (a[d] - b[d]);
    for (int l = 0; l < LANES; l++)
        sum += sums[l];
    return sum;
}

/* Notes for each point the distance to the newest centre, if no other centre is nearer. */
static void renew_distances(void *context, int64_t begin, int64_t end, int worker) {
    (void)worker;
    Job *j = context;
    const float *centre = j->centres + j->newest * j->width;
    for (int64_t i = begin * TILE; i < end * TILE && i < j->count; i++) {
        float sum = squared_distance(j->rows + i * j->width, centre, j->width);
        if (j->newest == 0 || sum < j->near[i]) j->near[i] = sum;
    }
}

/* Returns the point at which the running sum of squared distances passes `share` of the total. */
static int64_t weighted_point(const Job *j, double share) {
    double total = 0;
    double sum = 0;
    for (int64_t i = 0; i < j->count; i++)
        total += (double)j->near[i];
    for (int64_t i = 0; i < j->count; i++) {
        sum += (double)j->near[i];
        if (sum > share * total) return i;
    }
    return (int64_t)(share * (double)j->count); /* all points are centres already */
}

static void start_plus_plus(Job *j, CoupletThreads *threads) {
    take_centre(j, 0, (int64_t)(draw_unit(j, 0, 0) * (double)j->count));
    for (int64_t c = 1; c < j->clusters && !couplet_threads_stopped(threads); c++) {
        j->newest = c - 1;
        couplet_threads_run(threads, tile_count(j), renew_distances, j);
        take_centre(j, c, weighted_point(j, draw_unit(j, c, 0)));
    }
}

/* ---- the whole ------------------------------------------------------------------------------- */

static bool allocate_job(Job *j, int64_t **sizes) {
    int64_t padded = (j->count + BLOCK - 1) / BLOCK * BLOCK;
    j->rows = calloc((size_t)(padded * j->width), sizeof *j->rows);
    j->panels = malloc((size_t)(j->panel_count * PANEL * j->width) * sizeof *j->panels);
    j->squares = malloc((size_t)j->clusters * sizeof *j->squares);
    j->near = malloc((size_t)j->count * sizeof *j->near);
    j->point_squares = malloc((size_t)j->count * sizeof *j->point_squares);
    j->order = malloc((size_t)j->count * sizeof *j->order);
    j->first = malloc((size_t)(j->clusters + 1) * sizeof *j->first);
    j->changed = malloc((size_t)tile_count(j) * sizeof *j->changed);
    *sizes = malloc((size_t)j->clusters * sizeof **sizes);
    return j->rows && j->panels && j->squares && j->near && j->point_squares && j->order &&
           j->first && j->changed && *sizes;
}

static void free_job(Job *j, int64_t *sizes) {
    free(j->rows);
    free(j->panels);
    free(j->squares);
    free(j->near);
    free(j->point_squares);
    free(j->order);
    free(j->first);
    free(j->changed);
    free(sizes);
}

bool couplet_kmeans(CoupletThreads *threads, const float *points, int64_t count, int64_t width,
                    const CoupletKmeans *options, uint64_t seed, int64_t step, float *centres,
                    int32_t *members) {
    Job j = {.points = points,
             .centres = centres,
             .members = members,
             .count = count,
             .width = width,
             .clusters = options->clusters,
             .panel_count = (options->clusters + PANEL - 1) / PANEL,
             .options = options,
             .seed = seed,
             .step = step};
    int64_t *sizes = NULL;
    bool good = allocate_job(&j, &sizes);
    if (good) {
        couplet_threads_run(threads, tile_count(&j), prepare_points, &j);
        if (options->sampled)
            start_sampled(&j);
        else
            start_plus_plus(&j, threads);
        for (int64_t i = 0; i < count; i++)
            members[i] = -1;
        for (int64_t round = 0; round < options->iterations && !couplet_threads_stopped(threads);
             round++) {
            bool changed = assign(&j, threads);
            if (!changed) break;
            fill_empty(&j, sizes);
            sort_by_cluster(&j, sizes);
            couplet_threads_run(threads, j.clusters, mean_tiles, &j);
        }
    }
    free_job(&j, sizes);
    return good && !couplet_threads_stopped(threads);
}
