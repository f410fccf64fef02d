#ifndef COUPLET_RUNTIME_LANES_H
#define COUPLET_RUNTIME_LANES_H

/* Vectors of floats for the inner loops of evaluations.
 *
 * A loop that keeps a block of sums in registers is a macro over the type `Vector`. One function
 * has it with CoupletWide, for processors with 32 registers of 16 floats (AVX-512), and one with
 * CoupletNarrow, for those with 16 registers of 8 (AVX2 with FMA). Each sum has the same terms in
 * the same order in both, and both multiply and add in one rounding, so the bits agree. Processors
 * without FMA, which have the narrow one, too, round twice.
 *
 * A vector wider than the registers must not be used in their place: GCC keeps it in memory, and
 * the loop takes eight times as long. */
#include <stdbool.h>

enum { COUPLET_WIDE_LANES = 16, COUPLET_NARROW_LANES = COUPLET_WIDE_LANES / 2 };

/* Both may begin at any float of an array. */
typedef float CoupletWide
    __attribute__((vector_size(COUPLET_WIDE_LANES * sizeof(float)), aligned(4), may_alias));
typedef float CoupletNarrow
    __attribute__((vector_size(COUPLET_NARROW_LANES * sizeof(float)), aligned(4), may_alias));

#if defined(__x86_64__) && !defined(__SANITIZE_ADDRESS__)
#define COUPLET_FOR_WIDE   __attribute__((target("avx512f")))
#define COUPLET_FOR_NARROW __attribute__((target_clones("fma", "default")))
/* For a plain loop, whose vectors the compiler chooses. */
#define COUPLET_FOR_ANY __attribute__((target_clones("avx512f", "fma", "default")))
static inline bool couplet_has_wide(void) {
    return __builtin_cpu_supports("avx512f");
}
#else
#define COUPLET_FOR_WIDE
#define COUPLET_FOR_NARROW
#define COUPLET_FOR_ANY
static inline bool couplet_has_wide(void) {
    return false;
}
#endif

#endif
