/* Compares clusters with classes, and classifies from few examples (quality.h). */
#include "runtime/calls.h"
#include "runtime/kmeans.h"
#include "runtime/quality.h"
#include "runtime/random.h"
#include "runtime/similarity.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* ---- clusters -------------------------------------------------------------------------------- */

static double entropy(const double *counts, int64_t n, double all) {
    double sum = 0;
    for (int64_t i = 0; i < n; i++)
        if (counts[i] > 0) sum -= counts[i] / all * log(counts[i] / all);
    return sum;
}

static double pairs(double count) {
    return count * (count - 1) / 2;
}

/* A table of samples by cluster and class, with the sums of its rows and columns. */
typedef struct Table {
    double *at; /* [clusters, classes] */
    double *rows;
    double *columns;
    int64_t clusters;
    int64_t classes;
    double all;
} Table;

/* Computes the normalised mutual information and the adjusted Rand index (quality.h). */
static void compare_groupings(const Table *t, CoupletAgreement *out) {
    double shared = 0;
    double together = 0;
    double of_rows = 0;
    double of_columns = 0;
    for (int64_t g = 0; g < t->clusters; g++)
        for (int64_t c = 0; c < t->classes; c++) {
            const double n = t->at[g * t->classes + c];
            if (n > 0) {
                shared += n / t->all * log(n * t->all / (t->rows[g] * t->columns[c]));
            }
            together += pairs(n);
        }
    for (int64_t g = 0; g < t->clusters; g++)
        of_rows += pairs(t->rows[g]);
    for (int64_t c = 0; c < t->classes; c++)
        of_columns += pairs(t->columns[c]);
    const double entropies =
        entropy(t->rows, t->clusters, t->all) + entropy(t->columns, t->classes, t->all);
    const double expected = of_rows * of_columns / fmax(pairs(t->all), 1);
    const double most = (of_rows + of_columns) / 2;
    out->nmi = 100 * (entropies > 0 ? fmax(2 * shared / entropies, 0) : 1);
    out->ari = 100 * (most != expected ? (together - expected) / (most - expected) : 1);
}

/* Counts the samples whose class is that of their cluster, for the best assignment of classes to
 * clusters. A cluster may have no class, so there is a column of zeros for each cluster. */
static bool name_clusters(const Table *t, double *named) {
    const CoupletCallSize size = {t->clusters, t->classes + t->clusters, t->clusters};
    const size_t cells = (size_t)(size.rows * size.columns);
    double *cost = calloc(cells + 1, sizeof *cost);
    double *column = malloc(((size_t)t->clusters + 1) * sizeof *column);
    double *work = malloc(((size_t)couplet_call_work(&size) + 1) * sizeof *work);
    const bool good = cost && column && work;
    for (int64_t g = 0; good && g < t->clusters; g++)
        for (int64_t c = 0; c < t->classes; c++)
            cost[g * size.columns + c] = -t->at[g * t->classes + c];
    if (good) {
        double *in[COUPLET_CALL_OPERANDS] = {cost};
        couplet_calls[COUPLET_CALL_ASSIGNMENT].run(&size, in, column, work);
        *named = 0;
        for (int64_t g = 0; g < t->clusters; g++)
            *named -= cost[g * size.columns + (int64_t)column[g]];
    }
    free(cost);
    free(column);
    free(work);
    return good;
}

bool couplet_agreement(const int32_t *members, int64_t clusters, const int32_t *labels,
                       int64_t classes, int64_t count, CoupletAgreement *out) {
    Table t = {.clusters = clusters, .classes = classes, .all = (double)(count ? count : 1)};
    t.at = calloc((size_t)(clusters * classes) + 1, sizeof *t.at);
    t.rows = calloc((size_t)clusters + 1, sizeof *t.rows);
    t.columns = calloc((size_t)classes + 1, sizeof *t.columns);
    bool good = t.at && t.rows && t.columns;
    for (int64_t i = 0; good && i < count; i++) {
        t.at[members[i] * classes + labels[i]]++;
        t.rows[members[i]]++;
        t.columns[labels[i]]++;
    }
    double named = 0;
    good = good && name_clusters(&t, &named);
    if (good) {
        compare_groupings(&t, out);
        out->accuracy = 100 * named / t.all;
    }
    free(t.at);
    free(t.rows);
    free(t.columns);
    return good;
}

bool couplet_cluster_agreement(CoupletThreads *threads, const CoupletFeatures *rows,
                               int64_t clusters, int64_t classes, CoupletAgreement *out) {
    const CoupletKmeans how = {
        .clusters = clusters, .iterations = 100, .spherical = true, .site = 0x4e4d4931};
    float *centres = malloc(((size_t)(clusters * rows->width) + 1) * sizeof *centres);
    int32_t *members = malloc(((size_t)rows->count + 1) * sizeof *members);
    const bool good = centres && members &&
                      couplet_kmeans(threads, rows->values, rows->count, rows->width, &how, 0, 0,
                                     centres, members) &&
                      !couplet_threads_stopped(threads) &&
                      couplet_agreement(members, clusters, rows->labels, classes, rows->count, out);
    free(centres);
    free(members);
    return good;
}

/* ---- few examples ---------------------------------------------------------------------------- */

enum {
    /* The most rows of a class that an episode asks for. */
    ASKED = 15,
    SITE = 0x46455753,
};

/* The rows of the classes that have enough for an episode, one class after the other. */
typedef struct Classes {
    int64_t count;
    int64_t *begins; /* [count + 1] */
    int32_t *rows;
} Classes;

int64_t couplet_few_shot_classes(const CoupletFeatures *rows, int64_t classes, int64_t shots) {
    int64_t enough = 0;
    for (int64_t c = 0; c < classes; c++) {
        int64_t count = 0;
        for (int64_t i = 0; i < rows->count && count <= shots; i++)
            count += rows->labels[i] == c;
        enough += count > shots;
    }
    return enough;
}

static bool sort_classes(const CoupletFeatures *rows, int64_t classes, int64_t shots,
                         Classes *out) {
    out->begins = malloc(((size_t)classes + 1) * sizeof *out->begins);
    out->rows = malloc(((size_t)rows->count + 1) * sizeof *out->rows);
    if (!out->begins || !out->rows) return false;
    int64_t at = 0;
    out->begins[0] = 0;
    for (int64_t c = 0; c < classes; c++) {
        const int64_t first = at;
        for (int64_t i = 0; i < rows->count; i++)
            if (rows->labels[i] == c) out->rows[at++] = (int32_t)i;
        if (at - first > shots)
            out->begins[++out->count] = at;
        else
            at = first;
    }
    return true;
}

/* Draws `wanted` entries of a list without replacement and puts them at its front. */
static void draw_rows(int32_t *list, int64_t count, int64_t wanted, int64_t episode,
                      int64_t stream) {
    for (int64_t i = 0; i < wanted; i++) {
        const uint32_t bits =
            couplet_random_bits((uint32_t)stream, 0, (uint32_t)episode, SITE, (uint64_t)i, 0);
        const int64_t other = i + (int64_t)(((uint64_t)bits * (uint64_t)(count - i)) >> 32);
        const int32_t kept = list[i];
        list[i] = list[other];
        list[other] = kept;
    }
}

typedef struct Episodes {
    const CoupletFewShot *how;
    const float *units; /* [rows, width], of length 1 */
    int64_t width;
    Classes *classes;
    int32_t *chosen; /* [classes]: the numbers of the chosen classes come first */
    double *means;   /* [ways, width] */
    int64_t right;
    int64_t asked;
} Episodes;

static void make_means(Episodes *e) {
    const CoupletFewShot *how = e->how;
    memset(e->means, 0, sizeof *e->means * (size_t)(how->ways * e->width));
    for (int64_t w = 0; w < how->ways; w++)
        for (int64_t s = 0; s < how->shots; s++) {
            const int32_t row = e->classes->rows[e->classes->begins[e->chosen[w]] + s];
            for (int64_t d = 0; d < e->width; d++)
                e->means[w * e->width + d] +=
                    (double)e->units[row * e->width + d] / (double)how->shots;
        }
}

static int64_t nearest_mean(const Episodes *e, const float *unit) {
    int64_t best = 0;
    double least = INFINITY;
    for (int64_t w = 0; w < e->how->ways; w++) {
        double distance = 0;
        for (int64_t d = 0; d < e->width; d++) {
            const double gap = e->means[w * e->width + d] - (double)unit[d];
            distance += gap * gap;
        }
        if (distance < least) least = distance, best = w;
    }
    return best;
}

/* Plays an episode: draws its classes and their rows, and counts the rows that are asked for and
 * those that are assigned correctly. */
static void play(Episodes *e, int64_t episode) {
    const CoupletFewShot *how = e->how;
    draw_rows(e->chosen, e->classes->count, how->ways, episode, 0);
    for (int64_t w = 0; w < how->ways; w++) {
        const int64_t c = e->chosen[w];
        const int64_t first = e->classes->begins[c];
        const int64_t count = e->classes->begins[c + 1] - first;
        const int64_t wanted = count < how->shots + ASKED ? count : how->shots + ASKED;
        draw_rows(e->classes->rows + first, count, wanted, episode, 1 + c);
    }
    make_means(e);
    for (int64_t w = 0; w < how->ways; w++) {
        const int64_t first = e->classes->begins[e->chosen[w]];
        const int64_t count = e->classes->begins[e->chosen[w] + 1] - first;
        for (int64_t i = how->shots; i < count && i < how->shots + ASKED; i++, e->asked++)
            e->right += nearest_mean(e, e->units + e->classes->rows[first + i] * e->width) == w;
    }
}

bool couplet_few_shot(const CoupletFeatures *rows, int64_t classes, const CoupletFewShot *how,
                      double *percent) {
    Classes sorted = {0};
    float *units = malloc(((size_t)(rows->count * rows->width) + 1) * sizeof *units);
    Episodes e = {.how = how, .units = units, .width = rows->width, .classes = &sorted};
    e.chosen = malloc(((size_t)classes + 1) * sizeof *e.chosen);
    e.means = malloc(((size_t)(how->ways * rows->width) + 1) * sizeof *e.means);
    const bool good =
        units && e.chosen && e.means && sort_classes(rows, classes, how->shots, &sorted);
    for (int64_t i = 0; good && i < rows->count; i++)
        couplet_unit_row(rows->values + i * rows->width, rows->width, units + i * rows->width, 1);
    for (int64_t c = 0; good && c < sorted.count; c++)
        e.chosen[c] = (int32_t)c;
    for (int64_t i = 0; good && i < how->episodes; i++)
        play(&e, i);
    if (good) {
        *percent = 100.0 * (double)e.right / (double)(e.asked ? e.asked : 1);
    }
    free(units);
    free(e.chosen);
    free(e.means);
    free(sorted.begins);
    free(sorted.rows);
    return good;
}
