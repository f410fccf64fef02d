#include "runtime/similarity.h"

#include <string.h>

enum { LANES = COUPLET_PANEL_ROWS / 2 };
typedef float Lane __attribute__((vector_size(LANES * sizeof(float))));

#if defined(__x86_64__) && !defined(__SANITIZE_ADDRESS__)
#define FOR_THIS_MACHINE __attribute__((target_clones("avx512f", "avx2", "default")))
#else
#define FOR_THIS_MACHINE
#endif

/* Written out, so that the sums stay in registers. */
#define EACH_QUERY(DO) DO(0) DO(1) DO(2) DO(3) DO(4) DO(5) DO(6) DO(7)

FOR_THIS_MACHINE
void couplet_similarities(const float *queries, const float *panel, int64_t width, float *out) {
#define DECLARE(q) Lane low##q = {0}, high##q = {0};
    EACH_QUERY(DECLARE)
    for (int64_t d = 0; d < width; d++) {
        Lane low, high;
        memcpy(&low, panel + d * COUPLET_PANEL_ROWS, sizeof low);
        memcpy(&high, panel + d * COUPLET_PANEL_ROWS + LANES, sizeof high);
#define MULTIPLY(q)                                 \
    low##q += queries[q * width + d] * low;         \
    high##q += queries[q * width + d] * high;
        EACH_QUERY(MULTIPLY)
    }
#define STORE(q)                                                       \
    memcpy(out + q * COUPLET_PANEL_ROWS, &low##q, sizeof low##q);      \
    memcpy(out + q * COUPLET_PANEL_ROWS + LANES, &high##q, sizeof high##q);
    EACH_QUERY(STORE)
}
