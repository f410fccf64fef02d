/* k-means: known clusters are found, empty clusters get a point, and any number of threads gives
 * the same bits. */
#include "runtime/kmeans.h"
#include "runtime/random.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { COUNT = 3001, WIDTH = 19, CLUSTERS = 37 };

static float unit(int64_t i, int lane) {
    return (float)couplet_random_unit(11, 0, 0, 5, (uint64_t)i, lane);
}

/* Makes blobs at CLUSTERS corners of a cube, with noise far smaller than their distance. */
static void blobs(float *points) {
    for (int64_t i = 0; i < COUNT; i++)
        for (int64_t d = 0; d < WIDTH; d++)
            points[i * WIDTH + d] = 10.0f * (float)((i % CLUSTERS >> d % 6) & 1) +
                                    (d < 6 ? 0.1f : 1e-3f) * unit(i * WIDTH + d, 0);
}

static double cost(const float *points, const float *centres, const int32_t *members) {
    double sum = 0;
    for (int64_t i = 0; i < COUNT; i++)
        for (int64_t d = 0; d < WIDTH; d++)
            sum += pow((double)points[i * WIDTH + d] - (double)centres[members[i] * WIDTH + d], 2);
    return sum;
}

static void finds_clusters(void **state) {
    (void)state;
    float *points = malloc(sizeof *points * COUNT * WIDTH);
    float centres[CLUSTERS * WIDTH];
    int32_t members[COUNT];
    blobs(points);
    const CoupletKmeans options = {.clusters = CLUSTERS, .iterations = 50};
    assert_true(couplet_kmeans(NULL, points, COUNT, WIDTH, &options, 1, 0, centres, members));
    for (int i = CLUSTERS; i < COUNT; i++)
        assert_int_equal(members[i], members[i % CLUSTERS]);
    for (int i = 0; i < CLUSTERS; i++)
        for (int k = 0; k < i; k++)
            assert_int_not_equal(members[i], members[k]);
    assert_true(cost(points, centres, members) < 0.01 * COUNT);
    free(points);
}

/* Each centre is the mean of its members, and each point is with its nearest centre. */
static void is_a_fixed_point(void **state) {
    (void)state;
    float *points = malloc(sizeof *points * COUNT * WIDTH);
    float centres[CLUSTERS * WIDTH];
    int32_t members[COUNT];
    for (int64_t i = 0; i < COUNT * WIDTH; i++)
        points[i] = unit(i, 1);
    for (int sampled = 0; sampled < 2; sampled++) {
        const CoupletKmeans options = {
            .clusters = CLUSTERS, .iterations = 500, .sampled = sampled == 1};
        assert_true(couplet_kmeans(NULL, points, COUNT, WIDTH, &options, 1, 3, centres, members));
        double sums[CLUSTERS * WIDTH] = {0};
        double sizes[CLUSTERS] = {0};
        for (int64_t i = 0; i < COUNT; i++) {
            double best = INFINITY;
            for (int32_t c = 0; c < CLUSTERS; c++) {
                double distance = 0;
                for (int64_t d = 0; d < WIDTH; d++)
                    distance +=
                        pow((double)points[i * WIDTH + d] - (double)centres[c * WIDTH + d], 2);
                if (distance < best) best = distance;
            }
            double own = 0;
            for (int64_t d = 0; d < WIDTH; d++) {
                own +=
                    pow((double)points[i * WIDTH + d] - (double)centres[members[i] * WIDTH + d], 2);
                sums[members[i] * WIDTH + d] += (double)points[i * WIDTH + d];
            }
            assert_true(own <= best + 2e-5);
            sizes[members[i]]++;
        }
        for (int c = 0; c < CLUSTERS; c++)
            for (int d = 0; d < WIDTH; d++)
                assert_true(fabs(sums[c * WIDTH + d] / sizes[c] - (double)centres[c * WIDTH + d]) <
                            1e-5);
    }
    free(points);
}

/* With two heaps of equal points and three clusters, no cluster stays empty. */
static void fills_empty_clusters(void **state) {
    (void)state;
    enum { N = 20, K = 3 };
    float points[N], centres[K];
    int32_t members[N];
    int32_t sizes[K] = {0};
    for (int i = 0; i < N; i++)
        points[i] = i < 15 ? 1 : 5;
    const CoupletKmeans options = {.clusters = K, .iterations = 10, .sampled = true};
    for (uint64_t seed = 0; seed < 10; seed++) {
        assert_true(couplet_kmeans(NULL, points, N, 1, &options, seed, 0, centres, members));
        memset(sizes, 0, sizeof sizes);
        for (int i = 0; i < N; i++) {
            assert_in_range(members[i], 0, K - 1);
            sizes[members[i]]++;
            assert_true(fabsf(centres[members[i]] - points[i]) < 1e-6f);
        }
        for (int c = 0; c < K; c++)
            assert_true(sizes[c] > 0);
    }
}

static void spherical_ignores_length(void **state) {
    (void)state;
    enum { N = 40 };
    float points[N * 2], centres[4];
    int32_t members[N];
    for (int i = 0; i < N; i++) {
        float length = 0.1f + 10 * unit(i, 2);
        points[2 * i] = i % 2 ? length : 0.1f * length;
        points[2 * i + 1] = i % 2 ? 0.1f * length : length;
    }
    const CoupletKmeans options = {.clusters = 2, .iterations = 20, .spherical = true};
    assert_true(couplet_kmeans(NULL, points, N, 2, &options, 0, 0, centres, members));
    for (int i = 2; i < N; i++)
        assert_int_equal(members[i], members[i % 2]);
    assert_int_not_equal(members[0], members[1]);
    for (int c = 0; c < 2; c++)
        assert_true(fabsf(hypotf(centres[2 * c], centres[2 * c + 1]) - 1) < 1e-6f);
}

static void same_bits(void **state) {
    (void)state;
    float *points = malloc(sizeof *points * COUNT * WIDTH);
    float first[CLUSTERS * WIDTH], centres[CLUSTERS * WIDTH];
    int32_t of_first[COUNT], members[COUNT];
    for (int64_t i = 0; i < COUNT * WIDTH; i++)
        points[i] = unit(i, 3);
    const CoupletKmeans options = {.clusters = CLUSTERS, .iterations = 15};
    assert_true(couplet_kmeans(NULL, points, COUNT, WIDTH, &options, 9, 2, first, of_first));
    for (int count = 1; count <= 4; count++) {
        CoupletThreads *threads = couplet_threads_new(count);
        assert_true(
            couplet_kmeans(threads, points, COUNT, WIDTH, &options, 9, 2, centres, members));
        assert_memory_equal(centres, first, sizeof first);
        assert_memory_equal(members, of_first, sizeof of_first);
        couplet_threads_free(threads);
    }
    assert_true(couplet_kmeans(NULL, points, COUNT, WIDTH, &options, 10, 2, centres, members));
    assert_memory_not_equal(centres, first, sizeof first);
    free(points);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(finds_clusters),
        cmocka_unit_test(is_a_fixed_point),
        cmocka_unit_test(fills_empty_clusters),
        cmocka_unit_test(spherical_ignores_length),
        cmocka_unit_test(same_bits),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
