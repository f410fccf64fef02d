/* Measures the two lines of this machine's roofline: operations in registers, and bytes through
 * memory, with all threads. Also measures the time to wake the threads. A profile is a fraction of
 * what was measured in the same minute, because on a shared machine, or at another clock rate, any
 * fixed figure would be wrong. */
#include "compiler/driver/yardstick.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#if defined(__x86_64__)
#include <immintrin.h>
#endif

enum {
    REPEATS = 9,
    /* the independent accumulators: more than latency times units of any core so far */
    SUMS = 12,
    ROUNDS = 100000,       /* how often SUMS operations are done in one measurement */
    SWEEP_BYTES = 1 << 27, /* the size of one array */
    FORKS = 10000          /* the wake-ups in one measurement */
};

double yardstick_now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

static int by_value(const void *a, const void *b) {
    double x = *(const double *)a;
    double y = *(const double *)b;
    return x < y ? -1 : x > y;
}

double yardstick_median(double *values, int count) {
    if (count < 1) return 0;
    qsort(values, (size_t)count, sizeof *values, by_value);
    return values[count / 2];
}

/* ---- arithmetic ------------------------------------------------------------------------------ */

static float portable_rounds(void) {
    float sums[SUMS] = {0};
    for (int r = 0; r < ROUNDS; r++)
        for (int i = 0; i < SUMS; i++)
            sums[i] = sums[i] * 0.5f + 1.0f;
    float all = 0;
    for (int i = 0; i < SUMS; i++)
        all += sums[i];
    return all;
}

#if defined(__x86_64__)
__attribute__((target("avx512f"))) static float wide_rounds(void) {
    __m512 sums[SUMS];
    __m512 half = _mm512_set1_ps(0.5f);
    __m512 one = _mm512_set1_ps(1.0f);
    for (int i = 0; i < SUMS; i++)
        sums[i] = _mm512_setzero_ps();
    for (int r = 0; r < ROUNDS; r++) {
#pragma GCC unroll 12
        for (int i = 0; i < SUMS; i++)
            sums[i] = _mm512_fmadd_ps(sums[i], half, one);
    }
    for (int i = 1; i < SUMS; i++)
        sums[0] = _mm512_add_ps(sums[0], sums[i]);
    return _mm512_cvtss_f32(sums[0]);
}

__attribute__((target("avx2,fma"))) static float narrow_rounds(void) {
    __m256 sums[SUMS];
    __m256 half = _mm256_set1_ps(0.5f);
    __m256 one = _mm256_set1_ps(1.0f);
    for (int i = 0; i < SUMS; i++)
        sums[i] = _mm256_setzero_ps();
    for (int r = 0; r < ROUNDS; r++) {
#pragma GCC unroll 12
        for (int i = 0; i < SUMS; i++)
            sums[i] = _mm256_fmadd_ps(sums[i], half, one);
    }
    for (int i = 1; i < SUMS; i++)
        sums[0] = _mm256_add_ps(sums[0], sums[i]);
    return _mm256_cvtss_f32(sums[0]);
}
#endif

typedef struct Rounds {
    float (*run)(void);
    int lanes;
    volatile float sink;
} Rounds;

static Rounds best_rounds(void) {
#if defined(__x86_64__)
    if (__builtin_cpu_supports("avx512f")) return (Rounds){wide_rounds, 16, 0};
    if (__builtin_cpu_supports("fma")) return (Rounds){narrow_rounds, 8, 0};
#endif
    return (Rounds){portable_rounds, 1, 0};
}

static void run_rounds(void *context, int64_t begin, int64_t end, int worker) {
    Rounds *rounds = context;
    (void)worker;
    for (int64_t i = begin; i < end; i++)
        rounds->sink = rounds->run();
}

static double best_flops(CoupletThreads *threads) {
    Rounds rounds = best_rounds();
    int count = couplet_threads_count(threads);
    double best = INFINITY;
    for (int i = 0; i < REPEATS; i++) {
        double start = yardstick_now();
        couplet_threads_run(threads, count, run_rounds, &rounds);
        best = fmin(best, yardstick_now() - start);
    }
    return 2.0 * ROUNDS * SUMS * rounds.lanes * count / best;
}

/* ---- memory ---------------------------------------------------------------------------------- */

typedef struct Sweep {
    const float *from;
    float *to;
} Sweep;

enum {
    SWEEP_TILES = 64,
    TILE_FLOATS = SWEEP_BYTES / 4 / SWEEP_TILES,
};

static void run_sweep(void *context, int64_t begin, int64_t end, int worker) {
    const Sweep *s = context;
    (void)worker;
    for (int64_t i = begin * TILE_FLOATS; i < end * TILE_FLOATS; i++)
        s->to[i] = s->from[i] * 0.5f;
}

static double best_bytes(CoupletThreads *threads) {
    float *from = malloc(SWEEP_BYTES);
    float *to = malloc(SWEEP_BYTES);
    double best = INFINITY;
    if (from && to) {
        memset(from, 0, SWEEP_BYTES);
        memset(to, 0, SWEEP_BYTES);
        Sweep sweep = {from, to};
        for (int i = 0; i < REPEATS / 2; i++) {
            double start = yardstick_now();
            couplet_threads_run(threads, SWEEP_TILES, run_sweep, &sweep);
            best = fmin(best, yardstick_now() - start);
        }
    }
    free(from);
    free(to);
    return 2.0 * SWEEP_BYTES / best;
}

/* ---- forks ----------------------------------------------------------------------------------- */

static void run_nothing(void *context, int64_t begin, int64_t end, int worker) {
    (void)context, (void)begin, (void)end, (void)worker;
}

static double median_fork(CoupletThreads *threads) {
    double seconds[REPEATS];
    for (int i = 0; i < REPEATS; i++) {
        double start = yardstick_now();
        for (int k = 0; k < FORKS; k++)
            couplet_threads_run(threads, couplet_threads_count(threads), run_nothing, NULL);
        seconds[i] = (yardstick_now() - start) / FORKS;
    }
    return yardstick_median(seconds, REPEATS);
}

Yardstick yardstick_measure(CoupletThreads *threads) {
    return (Yardstick){best_flops(threads), best_bytes(threads), median_fork(threads)};
}
