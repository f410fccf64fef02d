/* Computes the t-SNE of features, for a page. */
#ifndef COUPLET_DRIVER_REPORT_MAP_H
#define COUPLET_DRIVER_REPORT_MAP_H

#include "runtime/threads.h"

#include <stdbool.h>
#include <stdint.h>

enum { REPORT_MAP_LEAST = 12 /* the fewest rows; fewer have no neighbourhoods */ };

/* Places rows[count, width], of length 1, in the plane by exact t-SNE (van der Maaten, Hinton, JMLR
 * 9, 2008). The perplexity is 30 or a third of the rows. The library's measure.t_sne is the
 * function that is minimised; it is differentiated and compiled here. The descent begins with
 * start[count, 2], the principal components, so the same rows give the same points[count, 2].
 * *divergence is the Kullback-Leibler divergence at the end. Returns false after a message, or if a
 * signal ended it. */
bool report_map_tsne(CoupletThreads *threads, const float *rows, int64_t count, int64_t width,
                     const double *start, double *points, double *divergence);

#endif
