/* Dot products of a few rows with a panel of others, in registers: what nearest neighbours and k-means spend their time on. */
#ifndef COUPLET_RUNTIME_SIMILARITY_H
#define COUPLET_RUNTIME_SIMILARITY_H

#include <stdint.h>

enum { COUPLET_BLOCK_ROWS = 8, COUPLET_PANEL_ROWS = 32 };

/* out[q * COUPLET_PANEL_ROWS + i] = row q of `queries` [8, width] times row i of the panel, which lies as [width, 32]. Each sum runs over the width in order. */
void couplet_similarities(const float *queries, const float *panel, int64_t width, float *out);

#endif
