/* The inner loop of nearest neighbours and k-means: dot products of a block of rows with a panel of
 * 32 others, with all sums in registers. There is a version for 32 wide registers and one for 16
 * narrow ones. In both, each sum runs over the width in order. */
#include "runtime/similarity.h"
#include "runtime/lanes.h"

#include <assert.h>
#include <math.h>
#include <string.h>

/* A block of sums stays in registers: eight rows by two wide vectors with 32 registers, four rows
 * by two narrow vectors with 16. */
static_assert(2 * COUPLET_WIDE_LANES == COUPLET_PANEL_ROWS, "a row of a block is two vectors");

/* These macros write the statements out, so that each sum has a name. */
#define FOUR(DO)   DO(0) DO(1) DO(2) DO(3)
#define EIGHT(DO)  FOUR(DO) DO(4) DO(5) DO(6) DO(7)
#define DECLARE(q) Vector low##q = {0}, high##q = {0};
#define MULTIPLY(q)                                                                                \
    low##q += queries[q * width + d] * low;                                                        \
    high##q += queries[q * width + d] * high;
#define STORE(q)                                                                                   \
    memcpy(out + q * COUPLET_PANEL_ROWS, &low##q, sizeof low##q);                                  \
    memcpy(out + q * COUPLET_PANEL_ROWS + lanes, &high##q, sizeof high##q);
#define SIMILARITIES(EACH_ROW)                                                                     \
    const int64_t lanes = (int64_t)(sizeof(Vector) / sizeof(float));                               \
    EACH_ROW(DECLARE)                                                                              \
    for (int64_t d = 0; d < width; d++) {                                                          \
        Vector low, high;                                                                          \
        memcpy(&low, panel + d * COUPLET_PANEL_ROWS, sizeof low);                                  \
        memcpy(&high, panel + d * COUPLET_PANEL_ROWS + lanes, sizeof high);                        \
        EACH_ROW(MULTIPLY)                                                                         \
    }                                                                                              \
    EACH_ROW(STORE)

COUPLET_FOR_WIDE
static void eight_by_wide(const float *queries, const float *panel, int64_t width, float *out) {
    typedef CoupletWide Vector;
    SIMILARITIES(EIGHT)
}

COUPLET_FOR_NARROW
static void four_by_narrow(const float *queries, const float *panel, int64_t width, float *out) {
    typedef CoupletNarrow Vector;
    SIMILARITIES(FOUR)
}

void couplet_similarities(const float *queries, const float *panel, int64_t width, float *out) {
    if (couplet_has_wide()) {
        eight_by_wide(queries, panel, width, out);
        return;
    }
    for (int64_t q = 0; q < COUPLET_BLOCK_ROWS; q += 4)
        for (int64_t i = 0; i < COUPLET_PANEL_ROWS; i += 2 * COUPLET_NARROW_LANES)
            four_by_narrow(queries + q * width, panel + i, width, out + q * COUPLET_PANEL_ROWS + i);
}

void couplet_unit_row(const float *from, int64_t width, float *to, int64_t stride) {
    double sum = 0;
    for (int64_t d = 0; d < width; d++)
        sum += (double)from[d] * (double)from[d];
    double scale = sum > 0 ? 1 / sqrt(sum) : 0;
    for (int64_t d = 0; d < width; d++)
        to[d * stride] = (float)((double)from[d] * scale);
}
