/* Dot products of a few rows with a panel of others, in registers. Nearest neighbours and k-means
 * spend their time here. */
#ifndef COUPLET_RUNTIME_SIMILARITY_H
#define COUPLET_RUNTIME_SIMILARITY_H

#include <stdint.h>

enum {
    COUPLET_BLOCK_ROWS = 8,
    COUPLET_PANEL_ROWS = 32,
};

/* Sets out[q * COUPLET_PANEL_ROWS + i] to the dot product of row q of `queries` [8, width] and row
 * i of the panel, which is stored as [width, 32]. Each sum runs over the width in order. */
void couplet_similarities(const float *queries, const float *panel, int64_t width, float *out);

/* Writes a row scaled to length 1, with its elements `stride` apart. A row of zeros stays zeros. */
void couplet_unit_row(const float *from, int64_t width, float *to, int64_t stride);

#endif
