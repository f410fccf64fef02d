/* Counter-based random numbers: Philox 4x32-10 (Salmon, Moraes, Dror, Shaw: Parallel Random
 * Numbers: As Easy as 1, 2, 3. SC 2011). A draw is a pure function of seed, step, site and element.
 * So it does not depend on the order of evaluation or on the number of threads. */
#ifndef COUPLET_RUNTIME_RANDOM_H
#define COUPLET_RUNTIME_RANDOM_H

#include <stdint.h>
#include <string.h>

/* Returns one of the four words that the generator makes; `lane` is 0..3. */
static inline uint32_t couplet_random_bits(uint32_t seed_low, uint32_t seed_high, uint32_t step,
                                           uint32_t site, uint64_t element, int lane) {
    uint32_t x[4] = {(uint32_t)element, (uint32_t)(element >> 32), site, step};
    uint32_t k0 = seed_low;
    uint32_t k1 = seed_high;
    for (int round = 0; round < 10; round++) {
        uint64_t a = (uint64_t)0xD2511F53u * x[0];
        uint64_t b = (uint64_t)0xCD9E8D57u * x[2];
        uint32_t y[4] = {(uint32_t)(b >> 32) ^ x[1] ^ k0, (uint32_t)b,
                         (uint32_t)(a >> 32) ^ x[3] ^ k1, (uint32_t)a};
        memcpy(x, y, sizeof x);
        k0 += 0x9E3779B9u;
        k1 += 0xBB67AE85u;
    }
    return x[lane & 3];
}

/* Returns a number in [0, 1) with 24 bits, which float32 holds exactly. */
static inline double couplet_random_unit(uint32_t seed_low, uint32_t seed_high, uint32_t step,
                                         uint32_t site, uint64_t element, int lane) {
    return (double)(couplet_random_bits(seed_low, seed_high, step, site, element, lane) >> 8) *
           0x1p-24;
}

#endif
