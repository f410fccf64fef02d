/* Arithmetic of whole numbers for code that cuts work into pieces. */
#ifndef COUPLET_COMPILER_PLAN_WHOLE_H
#define COUPLET_COMPILER_PLAN_WHOLE_H

#include <stdint.h>

/* Returns the quotient of two numbers, rounded up; `a` is not negative and `by` is positive. */
static inline int64_t divide_up(int64_t a, int64_t by) {
    return (a + by - 1) / by;
}
/* Returns the smallest multiple of `by` that is at least `a`. */
static inline int64_t round_up(int64_t a, int64_t by) {
    return divide_up(a, by) * by;
}
static inline int64_t smaller(int64_t a, int64_t b) {
    return a < b ? a : b;
}

#endif
