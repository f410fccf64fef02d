/* t-SNE of features for a page. */
#ifndef COUPLET_DRIVER_REPORT_MAP_H
#define COUPLET_DRIVER_REPORT_MAP_H

#include "runtime/threads.h"

#include <stdbool.h>
#include <stdint.h>

enum { REPORT_MAP_LEAST = 12 /* rows; fewer have no neighbourhoods */ };

/* Places rows[count, width] in the plane by exact t-SNE (van der Maaten, Hinton, JMLR 9, 2008), of
 * rows of length 1, with a perplexity of 30 or a third of the rows. What is minimised is the
 * library's measure.t_sne, differentiated and compiled here. It begins with start[count, 2], the
 * principal components, so that the same rows give the same points[count, 2]. *divergence is the
 * Kullback-Leibler divergence at the end. False after a message, or when a signal ended it. */
bool report_map_tsne(CoupletThreads *threads, const float *rows, int64_t count, int64_t width,
                     const double *start, double *points, double *divergence);

#endif
