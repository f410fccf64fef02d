/* Rows of features in the plane. */
#ifndef COUPLET_PAGE_PROJECTION_H
#define COUPLET_PAGE_PROJECTION_H

#include <stdbool.h>
#include <stdint.h>

/* Gives the first two principal components (Pearson 1901): points[count, 2], and the share of the
 * variance that they have, 0 to 1. The larger part of each component's weights points along its
 * largest weight, so that the same rows give the same picture. False when memory is out, or for
 * rows that are not finite. */
bool projection_pca(const float *rows, int64_t count, int64_t width, double *points, double *share);

#endif
