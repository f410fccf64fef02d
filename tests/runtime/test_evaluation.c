/* Tests nearest neighbours, the linear probe, and the watch on collapse. */
#include "runtime/evaluate.h"
#include "runtime/random.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { ROWS = 600, QUERIES = 150, WIDTH = 12 };

static float *noise(int64_t count, uint32_t site) {
    float *values = malloc((size_t)count * sizeof *values);
    for (int64_t i = 0; i < count; i++)
        values[i] = (float)(couplet_random_unit(1, 0, 0, site, (uint64_t)i, 0) - 0.5);
    return values;
}

/* Makes three blobs along the axes, `spread` wide. */
static CoupletFeatures blobs(int64_t count, uint32_t site, float spread, float **values,
                             int32_t **labels) {
    *values = noise(count * WIDTH, site);
    *labels = malloc((size_t)count * sizeof **labels);
    for (int64_t i = 0; i < count; i++) {
        (*labels)[i] = (int32_t)(i % 3);
        for (int d = 0; d < WIDTH; d++)
            (*values)[i * WIDTH + d] =
                spread * (*values)[i * WIDTH + d] + (d == i % 3 ? 1.0f : 0.0f);
    }
    return (CoupletFeatures){*values, *labels, count, WIDTH};
}

static void knn_by_hand(void **state) {
    (void)state;
    /* The bank has the query's two directions. The query is nearer to the second, which has label
     * 1, but label 0 has two neighbours. So a cold vote goes by the nearest, and a warm vote by the
     * count. */
    const float bank_rows[] = {1, 0, 2, 0.1f, 0, 3};
    const float query_row[] = {1, 1.6f};
    const int32_t labels[] = {0, 0, 1};
    const int32_t one = 1;
    const int32_t zero = 0;
    CoupletFeatures bank = {bank_rows, labels, 3, 2};
    assert_true(couplet_knn(NULL, &bank, &(CoupletFeatures){query_row, &one, 1, 2}, 2,
                            &(CoupletNeighbours){.k = 3, .temperature = 0.02}) == 100);
    assert_true(couplet_knn(NULL, &bank, &(CoupletFeatures){query_row, &zero, 1, 2}, 2,
                            &(CoupletNeighbours){.k = 3, .temperature = 10}) == 100);
    assert_true(couplet_knn(NULL, &bank, &(CoupletFeatures){query_row, &one, 1, 2}, 2,
                            &(CoupletNeighbours){.k = 1, .temperature = 10}) == 100);
    /* However cold the vote is, the nearest row decides. A setting outside its range gives no
     * percentage. */
    for (double cold = 0.02; cold > 0; cold /= 1e30)
        assert_true(couplet_knn(NULL, &bank, &(CoupletFeatures){query_row, &one, 1, 2}, 2,
                                &(CoupletNeighbours){.k = 3, .temperature = cold}) == 100);
    assert_true(couplet_knn(NULL, &bank, &(CoupletFeatures){query_row, &zero, 1, 2}, 2,
                            &(CoupletNeighbours){.k = 99, .temperature = 10}) < 0);
    assert_true(couplet_knn(NULL, &bank, &(CoupletFeatures){query_row, &zero, 1, 2}, 2,
                            &(CoupletNeighbours){.k = 0, .temperature = 10}) < 0);
    assert_true(couplet_knn(NULL, &bank, &(CoupletFeatures){query_row, &zero, 1, 2}, 2,
                            &(CoupletNeighbours){.k = 3, .temperature = 0}) < 0);
}

/* Each row is asked for in its own bank. Without itself, the nearest of a row is its twin, which
 * has the other label. Of two rows that are equally near, the earlier is taken. */
static void knn_without_itself(void **state) {
    (void)state;
    const float rows[] = {1, 0, 1, 0, 0, 1, 0, 1, 0, 1};
    const int32_t labels[] = {0, 1, 0, 1, 1};
    const int32_t own[] = {0, 1, 2, 3, 4};
    CoupletFeatures all = {rows, labels, 5, 2};
    assert_true(
        couplet_knn(NULL, &all, &all, 2, &(CoupletNeighbours){.k = 1, .temperature = 0.07}) == 40);
    assert_true(couplet_knn(NULL, &all, &all, 2,
                            &(CoupletNeighbours){.k = 1, .temperature = 0.07, .own = own}) == 0);
    /* All four other rows vote, all alike near or far. Rows 0 and 1 find each other, row 2 finds
     * two of label 1, and rows 3 and 4 find one of each label, where the tie goes to 0. */
    assert_true(couplet_knn(NULL, &all, &all, 2,
                            &(CoupletNeighbours){.k = 4, .temperature = 0.07, .own = own}) == 0);
}

/* Every row of the bank may vote, however many there are: a warm vote of all rows is won by the
 * larger class. */
static void knn_of_all(void **state) {
    (void)state;
    enum { MANY = 5003 };
    float *rows = malloc(MANY * 2 * sizeof *rows);
    int32_t *labels = malloc(MANY * sizeof *labels);
    int32_t zero = 0;
    int32_t one = 1;
    for (int i = 0; i < MANY; i++) {
        labels[i] = i < MANY / 2; /* 2501 of label 1, all nearer than the 2502 of label 0 */
        rows[2 * i] = labels[i] ? 1 : 0.9f;
        rows[2 * i + 1] = labels[i] ? 0 : 0.1f;
    }
    const float query[] = {1, 0};
    CoupletFeatures bank = {rows, labels, MANY, 2};
    assert_true(couplet_knn(NULL, &bank, &(CoupletFeatures){query, &one, 1, 2}, 2,
                            &(CoupletNeighbours){.k = MANY - 2, .temperature = 1e6}) == 100);
    assert_true(couplet_knn(NULL, &bank, &(CoupletFeatures){query, &zero, 1, 2}, 2,
                            &(CoupletNeighbours){.k = MANY, .temperature = 1e6}) == 100);
    free(rows);
    free(labels);
}

/* Returns the accuracy by its definition, with all rows sorted. */
static double slow_knn(const CoupletFeatures *bank, const CoupletFeatures *query, int classes,
                       int k, double temperature) {
    int64_t right = 0;
    double *sims = malloc((size_t)bank->count * sizeof *sims);
    for (int64_t q = 0; q < query->count; q++) {
        const float *a = query->values + q * query->width;
        double aa = 0;
        for (int64_t d = 0; d < query->width; d++)
            aa += (double)a[d] * (double)a[d];
        for (int64_t i = 0; i < bank->count; i++) {
            const float *b = bank->values + i * bank->width;
            double ab = 0;
            double bb = 0;
            for (int64_t d = 0; d < bank->width; d++) {
                ab += (double)a[d] * (double)b[d];
                bb += (double)b[d] * (double)b[d];
            }
            sims[i] = ab / sqrt(aa * bb);
        }
        double votes[8] = {0};
        for (int n = 0; n < k; n++) {
            int64_t best = 0;
            for (int64_t i = 1; i < bank->count; i++)
                if (sims[i] > sims[best]) best = i;
            votes[bank->labels[best]] += exp(sims[best] / temperature);
            sims[best] = -9;
        }
        int winner = 0;
        for (int c = 1; c < classes; c++)
            if (votes[c] > votes[winner]) winner = c;
        right += winner == query->labels[q];
    }
    free(sims);
    return 100.0 * (double)right / (double)query->count;
}

static void knn_as_defined(void **state) {
    (void)state;
    float *a, *b;
    int32_t *x, *y;
    CoupletFeatures bank = blobs(ROWS - 3, 1, 3.5f, &a, &x);
    CoupletFeatures query = blobs(QUERIES, 2, 3.5f, &b, &y);
    CoupletThreads *two = couplet_threads_new(2);
    for (int k = 1; k <= ROWS - 3; k += 149)
        assert_true(fabs(couplet_knn(two, &bank, &query, 3,
                                     &(CoupletNeighbours){.k = k, .temperature = 0.07}) -
                         slow_knn(&bank, &query, 3, k, 0.07)) < 1e-9);
    double fast =
        couplet_knn(two, &bank, &query, 3, &(CoupletNeighbours){.k = 20, .temperature = 0.07});
    double slow = slow_knn(&bank, &query, 3, 20, 0.07);
    assert_true(fast > 40 && fast < 95); /* hard enough for a difference to show */
    assert_true(fabs(fast - slow) < 1e-9);
    assert_true(fast == couplet_knn(NULL, &bank, &query, 3,
                                    &(CoupletNeighbours){.k = 20, .temperature = 0.07}));
    couplet_threads_free(two);
    free(a);
    free(b);
    free(x);
    free(y);
}

static double cosine(const float *a, const float *b) {
    double ab = 0;
    double aa = 0;
    double bb = 0;
    for (int d = 0; d < WIDTH; d++) {
        ab += (double)a[d] * (double)b[d];
        aa += (double)a[d] * (double)a[d];
        bb += (double)b[d] * (double)b[d];
    }
    return ab / sqrt(aa * bb);
}

/* The answers about single queries add up to the percentage. The neighbours of a query are those of
 * a plain search: no other row of the bank is nearer than the last of them. */
static void knn_tells_each_query(void **state) {
    (void)state;
    enum { K = 7 };
    float *a, *b;
    int32_t *x, *y, guess[QUERIES], guess_probe[QUERIES];
    CoupletFeatures bank = blobs(ROWS, 7, 3, &a, &x);
    CoupletFeatures query = blobs(QUERIES, 8, 3, &b, &y);
    CoupletNear near[QUERIES * K];
    const CoupletNeighbours how = {.k = K, .temperature = 0.07, .guess = guess, .near = near};
    const double percent = couplet_knn(NULL, &bank, &query, 3, &how);
    const double probe = couplet_linear_probe(NULL, &bank, &query, 3, 1e-4, NULL, guess_probe);
    int right = 0;
    int right_probe = 0;
    for (int q = 0; q < QUERIES; q++) {
        right += guess[q] == y[q];
        right_probe += guess_probe[q] == y[q];
        const CoupletNear *of = near + q * K;
        int nearer = 0;
        for (int r = 0; r < ROWS; r++)
            nearer += cosine(b + q * WIDTH, a + r * WIDTH) > (double)of[K - 1].similarity + 1e-6;
        assert_true(nearer <= K - 1);
        for (int i = 0; i < K; i++)
            assert_true(fabs(cosine(b + q * WIDTH, a + of[i].row * WIDTH) -
                             (double)of[i].similarity) < 1e-6);
        for (int i = 1; i < K; i++)
            assert_true(of[i].similarity <= of[i - 1].similarity && of[i].row != of[i - 1].row);
    }
    assert_true(percent == 100.0 * right / QUERIES && percent > 34 && percent < 100);
    assert_true(probe == 100.0 * right_probe / QUERIES && probe > 34 && probe < 100);
    free(a);
    free(b);
    free(x);
    free(y);
}

static void probe_separates(void **state) {
    (void)state;
    float *a, *b;
    int32_t *x, *y;
    CoupletFeatures bank = blobs(ROWS, 3, 0.5f, &a, &x);
    CoupletFeatures query = blobs(QUERIES, 4, 0.5f, &b, &y);
    CoupletThreads *two = couplet_threads_new(2);
    int iterations = 0;
    int again = 0;
    assert_true(couplet_linear_probe(two, &bank, &query, 3, 1e-4, &iterations, NULL) == 100);
    assert_in_range(iterations, 2, 200);
    assert_true(couplet_linear_probe(NULL, &bank, &query, 3, 1e-4, &again, NULL) == 100);
    assert_int_equal(iterations, again);
    bank.count = query.count = 30;
    /* The number of classes is not limited. */
    assert_true(couplet_linear_probe(two, &bank, &query, 1100, 1e-4, NULL, NULL) > 60);
    couplet_threads_free(two);
    free(a);
    free(b);
    free(x);
    free(y);
}

/* Rows of noise with a label that the first columns tell in part, and zeros from `told` on. */
static CoupletFeatures widened(int64_t count, uint32_t seed, int64_t told, int64_t width,
                               int classes, float *values, int32_t *labels) {
    for (int64_t i = 0; i < count; i++) {
        labels[i] = (int32_t)(i % classes);
        for (int64_t d = 0; d < width; d++)
            values[i * width + d] =
                d >= told ? 0
                          : (float)couplet_random_unit(seed, 0, 0, 1, (uint32_t)(i * told + d), 0) +
                                (d == labels[i]);
    }
    return (CoupletFeatures){values, labels, count, width};
}

/* Columns of zeros change no bit of a fit. They change which columns fill a block of registers and
 * which are left over; the numbers of rows and classes leave some over too. */
static void probe_in_blocks(void **state) {
    (void)state;
    enum { COUNT = 203, ASKED = 101, MOST = 150 };
    static const int64_t told[] = {3, 16, 17, 63, 64, 65, 130};
    static const int64_t widths[] = {64, 80, 130, 150};
    float *values = malloc(sizeof *values * (COUNT + ASKED) * MOST);
    float *asked = values + COUNT * MOST;
    int32_t labels[COUNT], answers[ASKED], guess[ASKED], again[ASKED];
    assert_non_null(values);
    for (int classes = 2; classes < 6; classes++)
        for (size_t t = 0; t < sizeof told / sizeof *told; t++)
            for (size_t w = 0; w < sizeof widths / sizeof *widths; w++) {
                int iterations[2];
                if (widths[w] < told[t]) continue;
                for (int wide = 0; wide < 2; wide++) {
                    int64_t width = wide ? widths[w] : told[t];
                    CoupletFeatures bank =
                        widened(COUNT, 9, told[t], width, classes, values, labels);
                    CoupletFeatures query =
                        widened(ASKED, 10, told[t], width, classes, asked, answers);
                    assert_true(couplet_linear_probe(NULL, &bank, &query, classes, 1e-2,
                                                     iterations + wide, wide ? again : guess) >= 0);
                }
                assert_int_equal(iterations[0], iterations[1]);
                assert_memory_equal(guess, again, sizeof guess);
            }
    free(values);
}

/* Labels that are independent of the features give no better accuracy than chance. */
static void probe_finds_nothing(void **state) {
    (void)state;
    float *a = noise(ROWS * WIDTH, 5);
    float *b = noise(QUERIES * WIDTH, 6);
    int32_t labels[ROWS];
    for (int i = 0; i < ROWS; i++)
        labels[i] = (int32_t)(couplet_random_bits(1, 1, 1, 1, (uint64_t)i, 0) % 3);
    CoupletFeatures bank = {a, labels, ROWS, WIDTH};
    CoupletFeatures query = {b, labels, QUERIES, WIDTH};
    double percent = couplet_linear_probe(NULL, &bank, &query, 3, 1e-4, NULL, NULL);
    assert_true(percent > 18 && percent < 50);
    free(a);
    free(b);
}

static void collapse(void **state) {
    (void)state;
    float *spread = noise(ROWS * WIDTH, 7);
    float same[ROWS * WIDTH];
    for (int i = 0; i < ROWS * WIDTH; i++)
        same[i] = (float)(1 + i % WIDTH);
    double one = couplet_embedding_deviation(spread, ROWS, WIDTH);
    double none = couplet_embedding_deviation(same, ROWS, WIDTH);
    assert_true(one > 0.95 && one < 1.05);
    assert_true(none < 1e-3);
    free(spread);
}

typedef struct Count {
    int tiles[1000];
    int64_t wide;
} Count;

static void mark(void *context, int64_t begin, int64_t end, int worker) {
    (void)worker;
    Count *c = context;
    for (int64_t i = begin; i < end; i++)
        c->tiles[i]++;
}

static void every_tile_once(void **state) {
    (void)state;
    for (int threads = 1; threads <= 4; threads++) {
        CoupletThreads *pool = couplet_threads_new(threads);
        assert_non_null(pool);
        assert_int_equal(couplet_threads_count(pool), threads);
        for (int round = 0; round < 3000; round++) {
            Count count;
            memset(&count, 0, sizeof count);
            int64_t tiles = round * 7 % 1000;
            couplet_threads_run(pool, tiles, mark, &count);
            for (int64_t i = 0; i < 1000; i++)
                assert_int_equal(count.tiles[i], i < tiles);
        }
        couplet_threads_free(pool);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(knn_by_hand),
        cmocka_unit_test(knn_as_defined),
        cmocka_unit_test(knn_tells_each_query),
        cmocka_unit_test(probe_separates),
        cmocka_unit_test(probe_in_blocks),
        cmocka_unit_test(probe_finds_nothing),
        cmocka_unit_test(collapse),
        cmocka_unit_test(every_tile_once),
        cmocka_unit_test(knn_without_itself),
        cmocka_unit_test(knn_of_all),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
