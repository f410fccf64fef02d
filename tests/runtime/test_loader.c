/* Tests batches that are shuffled, balanced, weighed, or in episodes. They are the same for the
 * same seed wherever a run begins. */
#include "runtime/loader.h"

#include "tests/runtime/made_table.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

enum { COUNT = 103, BATCH = 10 };

static char error[1024];
static const CoupletFeed plain = {.batch = BATCH}, too_large = {.batch = COUNT + 1};

static void shuffles(void **state) {
    (void)state;
    CoupletTable data = made_table(COUNT);
    CoupletLoader *loader = couplet_loader_new(&data, &plain, 9, 0, error, sizeof error);
    assert_non_null(loader);
    int first[COUNT] = {0};
    int moved = 0;
    for (int epoch = 0; epoch < 3; epoch++) {
        int seen[COUNT] = {0};
        for (int b = 0; b < COUNT / BATCH; b++) {
            CoupletBatch batch;
            couplet_loader_next(loader, &batch);
            assert_int_equal(batch.number, epoch * (COUNT / BATCH) + b);
            for (int i = 0; i < BATCH; i++) {
                int row = batch.indices[i];
                assert_in_range(row, 0, COUNT - 1);
                assert_int_equal(((const uint8_t *)batch.fields[MADE_IMAGE])[i], row);
                assert_int_equal(((const int32_t *)batch.fields[MADE_LABEL])[i], row % 10);
                assert_true(((const float *)batch.fields[MADE_X])[3 * i + 2] == -(float)row);
                assert_int_equal(seen[row]++, 0); /* once an epoch */
                if (epoch == 0)
                    first[b * BATCH + i] = row;
                else
                    moved += first[b * BATCH + i] != row;
            }
        }
    }
    assert_true(moved > COUNT);
    couplet_loader_free(loader);
    couplet_table_close(&data);
}

/* The order of a seed does not change between versions, so that old runs go on to the bit. */
static void order_is_kept(void **state) {
    (void)state;
    static const int32_t plain_rows[BATCH] = {58, 14, 60, 82, 65, 88, 39, 87, 12, 75};
    static const int32_t balanced_rows[BATCH] = {93, 56, 17, 90, 71, 18, 96, 94, 49, 37};
    CoupletTable data = made_table(COUNT);
    const CoupletFeed balanced = {.batch = BATCH, .balanced = true, .by = "label", .stream = 3};
    CoupletLoader *a = couplet_loader_new(&data, &plain, 5, 12, error, sizeof error);
    CoupletLoader *b = couplet_loader_new(&data, &balanced, 5, 12, error, sizeof error);
    CoupletBatch batch;
    couplet_loader_next(a, &batch);
    assert_memory_equal(batch.indices, plain_rows, sizeof plain_rows);
    couplet_loader_next(b, &batch);
    assert_memory_equal(batch.indices, balanced_rows, sizeof balanced_rows);
    couplet_loader_free(a);
    couplet_loader_free(b);
    couplet_table_close(&data);
}

static void starts_anywhere(void **state) {
    (void)state;
    CoupletTable data = made_table(COUNT);
    const CoupletFeed feeds[] = {plain,
                                 {.batch = BATCH, .balanced = true, .by = "label"},
                                 {.batch = 6, .ways = 3, .each = 2, .by = "label"}};
    for (size_t f = 0; f < sizeof feeds / sizeof *feeds; f++) {
        CoupletLoader *whole = couplet_loader_new(&data, &feeds[f], 4, 0, error, sizeof error);
        for (int64_t start = 0; start < 25; start++) {
            CoupletLoader *late =
                couplet_loader_new(&data, &feeds[f], 4, start, error, sizeof error);
            CoupletBatch a, b;
            couplet_loader_next(whole, &a);
            couplet_loader_next(late, &b);
            assert_int_equal(a.number, b.number);
            assert_memory_equal(a.indices, b.indices, (size_t)feeds[f].batch * sizeof *a.indices);
            couplet_loader_free(late);
        }
        couplet_loader_free(whole);
    }
    assert_null(couplet_loader_new(&data, &too_large, 4, 0, error, sizeof error));
    assert_non_null(strstr(error, "104"));
    assert_non_null(strstr(error, "103"));
    couplet_table_close(&data);
}

/* Of 103 rows, class 9 has 3, and it is drawn as often as the other classes. */
static void balances(void **state) {
    (void)state;
    CoupletTable data = made_table(COUNT);
    int32_t *labels = made_labels(&data);
    for (int i = 0; i < COUNT; i++)
        labels[i] = i < 100 ? i % 9 : 9;
    const CoupletFeed balanced = {.batch = BATCH, .balanced = true, .by = "label"};
    const CoupletFeed other = {.batch = BATCH, .balanced = true, .stream = 1, .by = "label"};
    CoupletLoader *loader = couplet_loader_new(&data, &balanced, 9, 0, error, sizeof error);
    CoupletLoader *apart = couplet_loader_new(&data, &other, 9, 0, error, sizeof error);
    assert_non_null(loader);
    assert_non_null(apart);
    int seen[10] = {0};
    int same = 0;
    int total = 0;
    for (int b = 0; b < 500; b++) {
        CoupletBatch batch, beside;
        couplet_loader_next(loader, &batch);
        couplet_loader_next(apart, &beside);
        for (int i = 0; i < BATCH; i++) {
            const int32_t label = ((const int32_t *)batch.fields[MADE_LABEL])[i];
            assert_int_equal(label, labels[batch.indices[i]]);
            seen[label]++;
            same += batch.indices[i] == beside.indices[i];
            total++;
        }
    }
    /* The standard deviation is 21. */
    for (int c = 0; c < 10; c++)
        assert_in_range(seen[c], total / 10 - 80, total / 10 + 80);
    assert_true(same < total / 20);
    couplet_loader_free(loader);
    couplet_loader_free(apart);
    couplet_table_close(&data);
}

/* Only the fields that are asked for are gathered, from the chosen rows. */
static void chosen_rows(void **state) {
    (void)state;
    CoupletTable data = made_table(COUNT);
    data.count = 20;
    data.origin = malloc(20 * sizeof *data.origin);
    for (int i = 0; i < 20; i++)
        data.origin[i] = 5 * i + 3;
    const bool wanted[MADE_FIELDS] = {[MADE_X] = true};
    const CoupletFeed feed = {.batch = BATCH, .gathered = wanted};
    CoupletLoader *loader = couplet_loader_new(&data, &feed, 9, 0, error, sizeof error);
    CoupletBatch batch;
    for (int b = 0; b < 4; b++) {
        couplet_loader_next(loader, &batch);
        assert_null(batch.fields[MADE_IMAGE]);
        assert_null(batch.fields[MADE_LABEL]);
        for (int i = 0; i < BATCH; i++)
            assert_true(((const float *)batch.fields[MADE_X])[3 * i] ==
                        (float)(5 * batch.indices[i] + 3));
    }
    couplet_loader_free(loader);
    couplet_table_close(&data);
}

/* Rows come as often as their weights say, and a row of weight 0 never comes. Nothing is gathered
 * before the weights of an epoch are known. */
static void weighs(void **state) {
    (void)state;
    CoupletTable data = made_table(COUNT);
    const CoupletFeed feed = {.batch = BATCH, .weighed = true};
    float weights[COUNT] = {0};
    weights[7] = 1;
    weights[50] = 3;
    CoupletLoader *loader = couplet_loader_new(&data, &feed, 9, 0, error, sizeof error);
    CoupletLoader *late = couplet_loader_new(&data, &feed, 9, 399, error, sizeof error);
    int seen[COUNT] = {0};
    CoupletBatch batch, other;
    assert_true(couplet_loader_weigh(loader, weights, 400, error, sizeof error));
    for (int b = 0; b < 400; b++) {
        couplet_loader_next(loader, &batch);
        for (int i = 0; i < BATCH; i++)
            seen[batch.indices[i]]++;
    }
    assert_int_equal(seen[7] + seen[50], 4000);
    assert_in_range(seen[50], 3000 - 140, 3000 + 140); /* the standard deviation is 27 */
    assert_true(couplet_loader_weigh(late, weights, 400, error, sizeof error));
    couplet_loader_next(late, &other);
    assert_memory_equal(batch.indices, other.indices, BATCH * sizeof *batch.indices);
    usleep(20000); /* a loader that ran ahead would have made its next batches by the old weights */
    memset(weights, 0, sizeof weights);
    weights[102] = 1e-30f;
    assert_true(couplet_loader_weigh(loader, weights, 402, error, sizeof error));
    for (int b = 0; b < 2; b++) {
        couplet_loader_next(loader, &batch);
        for (int i = 0; i < BATCH; i++)
            assert_int_equal(batch.indices[i], 102);
    }
    couplet_loader_free(loader);
    couplet_loader_free(late);
    couplet_table_close(&data);
}

static void refuses_weights(void **state) {
    (void)state;
    CoupletTable data = made_table(COUNT);
    const CoupletFeed feed = {.batch = BATCH, .weighed = true};
    CoupletLoader *loader = couplet_loader_new(&data, &feed, 9, 0, error, sizeof error);
    float weights[COUNT] = {0};
    assert_false(couplet_loader_weigh(loader, weights, 10, error, sizeof error));
    assert_string_equal(error, "the weights of all 103 samples of numbers are 0, and batches are "
                               "drawn in proportion to them");
    const float wrong[] = {-1, NAN, INFINITY};
    for (int i = 0; i < 3; i++) {
        weights[41] = wrong[i];
        assert_false(couplet_loader_weigh(loader, weights, 10, error, sizeof error));
        assert_non_null(strstr(error, "the weight of sample 41 of numbers is "));
    }
    weights[41] = 1;
    assert_true(couplet_loader_weigh(loader, weights, 10, error, sizeof error));
    couplet_loader_free(loader);
    couplet_table_close(&data);
}

/* A table of ten classes, of which the last has 3 rows and the others 11 or 12. */
static CoupletTable table_of_classes(int32_t **labels) {
    CoupletTable data = made_table(COUNT);
    *labels = made_labels(&data);
    for (int i = 0; i < COUNT; i++)
        (*labels)[i] = i < 100 ? i % 9 : 9;
    return data;
}

/* Batches are class by class, with different rows. Classes with too few rows are never drawn, and
 * all others equally often. */
static void episodes(void **state) {
    (void)state;
    int32_t *labels;
    CoupletTable data = table_of_classes(&labels);
    const CoupletFeed feed = {.batch = 20, .ways = 5, .each = 4, .by = "label"};
    CoupletLoader *loader = couplet_loader_new(&data, &feed, 9, 0, error, sizeof error);
    assert_non_null(loader);
    int classes[10] = {0};
    int rows[COUNT] = {0};
    for (int b = 0; b < 900; b++) {
        CoupletBatch batch;
        couplet_loader_next(loader, &batch);
        int in_batch[10] = {0};
        int drawn[COUNT] = {0};
        for (int i = 0; i < 20; i++) {
            const int row = batch.indices[i];
            const int label = labels[row];
            assert_int_equal(label, labels[batch.indices[i / 4 * 4]]);
            in_batch[label]++;
            rows[row]++;
            assert_int_equal(drawn[row]++, 0);
        }
        for (int c = 0; c < 10; c++) {
            assert_true(in_batch[c] == 0 || in_batch[c] == 4);
            classes[c] += in_batch[c] == 4;
        }
    }
    assert_int_equal(classes[9], 0);
    for (int c = 0; c < 9; c++)
        assert_in_range(classes[c], 500 - 75, 500 + 75); /* the standard deviation is 15 */
    for (int i = 0; i < 99; i++)
        assert_in_range(rows[i], 182 - 70, 182 + 70); /* the standard deviation is 13 */
    couplet_loader_free(loader);
    couplet_table_close(&data);
}

/* An episode may have more rows than a thread's stack holds. */
static void episodes_of_many_rows(void **state) {
    (void)state;
    enum { HUGE_ROWS = 1 << 21 };
    CoupletTable huge = made_table(HUGE_ROWS);
    int32_t *each_its_own = made_labels(&huge);
    huge.fields[MADE_LABEL].classes = 0;
    for (int i = 0; i < HUGE_ROWS; i++)
        each_its_own[i] = i;
    const bool none_gathered[MADE_FIELDS] = {false};
    const CoupletFeed wide = {
        .batch = HUGE_ROWS, .gathered = none_gathered, .ways = HUGE_ROWS, .each = 1, .by = "label"};
    CoupletLoader *loader = couplet_loader_new(&huge, &wide, 9, 0, error, sizeof error);
    assert_non_null(loader);
    CoupletBatch all;
    couplet_loader_next(loader, &all);
    couplet_loader_free(loader);
    couplet_table_close(&huge);
}

static void refuses_episodes(void **state) {
    (void)state;
    int32_t *labels;
    CoupletTable data = table_of_classes(&labels);
    const CoupletFeed many = {.batch = 40, .ways = 10, .each = 4, .by = "label"};
    const CoupletFeed none = {.batch = 4, .ways = 2, .each = 2, .by = "batch"};
    assert_null(couplet_loader_new(&data, &many, 9, 0, error, sizeof error));
    assert_string_equal(
        error,
        "an episode takes 4 samples of each of 10 classes, and 9 classes of numbers have so many");
    assert_null(couplet_loader_new(&data, &none, 9, 0, error, sizeof error));
    assert_non_null(strstr(error, "`batch`"));
    couplet_table_close(&data);
}

/* Of some fields, a rank has its own rows alone, at their places in the whole batch. The rows ahead
 * of its own have no memory. */
static void own_rows(void **state) {
    (void)state;
    CoupletTable data = made_table(COUNT);
    const bool own[MADE_FIELDS] = {[MADE_IMAGE] = true, [MADE_X] = true};
    const CoupletFeed part = {.batch = BATCH, .own = own, .own_first = 6, .own_end = 9};
    CoupletLoader *whole = couplet_loader_new(&data, &plain, 9, 3, error, sizeof error);
    CoupletLoader *some = couplet_loader_new(&data, &part, 9, 3, error, sizeof error);
    CoupletBatch a, b;
    for (int batch = 0; batch < 12; batch++) {
        uint8_t image[BATCH];
        couplet_loader_next(whole, &a);
        couplet_loader_next(some, &b);
        assert_memory_equal(a.indices, b.indices, BATCH * sizeof *a.indices);
        assert_memory_equal(a.fields[MADE_LABEL], b.fields[MADE_LABEL], BATCH * sizeof(int32_t));
        for (int64_t i = 6; i < 9; i++) {
            assert_int_equal(((const uint8_t *)b.fields[MADE_IMAGE])[i],
                             ((const uint8_t *)a.fields[MADE_IMAGE])[i]);
            assert_memory_equal((const float *)b.fields[MADE_X] + 3 * i,
                                (const float *)a.fields[MADE_X] + 3 * i, 3 * sizeof(float));
        }
        couplet_loader_whole(some, MADE_IMAGE, image);
        assert_memory_equal(image, a.fields[MADE_IMAGE], BATCH);
    }
    couplet_loader_free(whole);
    couplet_loader_free(some);
    couplet_table_close(&data);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(shuffles),
        cmocka_unit_test(order_is_kept),
        cmocka_unit_test(starts_anywhere),
        cmocka_unit_test(balances),
        cmocka_unit_test(chosen_rows),
        cmocka_unit_test(weighs),
        cmocka_unit_test(refuses_weights),
        cmocka_unit_test(episodes),
        cmocka_unit_test(episodes_of_many_rows),
        cmocka_unit_test(refuses_episodes),
        cmocka_unit_test(own_rows),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
