/* Puts rows of features into the plane. */
#ifndef COUPLET_PAGE_PROJECTION_H
#define COUPLET_PAGE_PROJECTION_H

#include <stdbool.h>
#include <stdint.h>

/* Computes the first two principal components (Pearson 1901): points[count, 2], and the share of
 * the variance that they have, 0 to 1. The sign of a component is such that its largest weight is
 * positive, so that the same rows give the same picture. Returns false if memory is out, or if the
 * rows are not finite. */
bool projection_pca(const float *rows, int64_t count, int64_t width, double *points, double *share);

#endif
