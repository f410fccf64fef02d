/* Arithmetic of whole numbers that everything which cuts work into pieces needs. */
#ifndef COUPLET_COMPILER_PLAN_WHOLE_H
#define COUPLET_COMPILER_PLAN_WHOLE_H

#include <stdint.h>

static inline int64_t divide_up(int64_t a, int64_t by) { return (a + by - 1) / by; }
static inline int64_t round_up(int64_t a, int64_t by) { return divide_up(a, by) * by; }
static inline int64_t smaller(int64_t a, int64_t b) { return a < b ? a : b; }

#endif
