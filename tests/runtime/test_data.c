/* Random numbers, IDX files, data sets, the loader. */
#include "runtime/dataset.h"
#include "runtime/idx.h"
#include "runtime/loader.h"
#include "runtime/selection.h"
#include "runtime/random.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>

#include <cmocka.h>

static char folder[64], error[512];

static int make_folder(void **state) {
    (void)state;
    strcpy(folder, "/tmp/couplet_data_XXXXXX");
    return mkdtemp(folder) ? 0 : 1;
}

static int drop_folder(void **state) {
    (void)state;
    char command[96];
    snprintf(command, sizeof command, "rm -r %s", folder);
    return system(command);
}

static const char *path_of(const char *name) {
    static char path[160];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    return path;
}

static void write_gz(const char *name, const uint8_t *bytes, size_t count) {
    gzFile file = gzopen(path_of(name), "wb1");
    assert_non_null(file);
    assert_int_equal(gzwrite(file, bytes, (unsigned)count), count);
    gzclose(file);
}

/* Known answers of the authors' Random123 library. */
static void philox_known_answers(void **state) {
    (void)state;
    const uint32_t zeros[4] = {0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8}, ones[4] = {0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd};
    for (int lane = 0; lane < 4; lane++) {
        assert_int_equal(couplet_random_bits(0, 0, 0, 0, 0, lane), zeros[lane]);
        assert_int_equal(couplet_random_bits(~0u, ~0u, ~0u, ~0u, ~(uint64_t)0, lane), ones[lane]);
    }
    for (uint64_t i = 0; i < 1000; i++) {
        double u = couplet_random_unit(1, 2, 3, 4, i, 0);
        assert_true(u >= 0 && u < 1);
    }
}

static const uint8_t small[] = {0, 0, 8, 3, 0, 0, 0, 2, 0, 0, 0, 2, 0, 0, 0, 2, 1, 2, 3, 4, 5, 6, 7, 8};

static void idx_reads(void **state) {
    (void)state;
    CoupletIdx idx;
    write_gz("good.gz", small, sizeof small);
    assert_true(couplet_idx_read(path_of("good.gz"), &idx, error, sizeof error));
    assert_int_equal(idx.rank, 3);
    assert_int_equal(idx.count, 8);
    assert_memory_equal(idx.bytes, small + 16, 8);
    couplet_idx_free(&idx);
}

static void refuse(const char *name, const char *word) {
    CoupletIdx idx;
    error[0] = 0;
    assert_false(couplet_idx_read(path_of(name), &idx, error, sizeof error));
    assert_non_null(strstr(error, name));
    if (!strstr(error, word)) print_message("%s\n", error);
    assert_non_null(strstr(error, word));
    assert_null(idx.bytes);
}

static void idx_refuses(void **state) {
    (void)state;
    uint8_t bytes[sizeof small + 1];
    memcpy(bytes, small, sizeof small);
    refuse("none.gz", "opened");
    write_gz("short.gz", small, sizeof small - 3);
    refuse("short.gz", "3 more bytes");
    bytes[sizeof small] = 9;
    write_gz("long.gz", bytes, sizeof bytes);
    refuse("long.gz", "after the last element");
    bytes[2] = 0x0D;
    write_gz("kind.gz", bytes, sizeof small);
    refuse("kind.gz", "magic");
    bytes[2] = 8;
    memset(bytes + 4, 0xff, 12);
    write_gz("huge.gz", bytes, sizeof small);
    refuse("huge.gz", "axis 1");
}

/* Every truncation of the packed file is an error, never a crash or a success. */
static void idx_truncated_anywhere(void **state) {
    (void)state;
    write_gz("whole.gz", small, sizeof small);
    struct stat status;
    assert_int_equal(stat(path_of("whole.gz"), &status), 0);
    for (off_t length = status.st_size - 1; length >= 0; length--) {
        CoupletIdx idx;
        assert_int_equal(truncate(path_of("whole.gz"), length), 0);
        assert_false(couplet_idx_read(path_of("whole.gz"), &idx, error, sizeof error));
    }
}

static void real_data(void **state) {
    (void)state;
    CoupletDataset train, test;
    assert_true(couplet_dataset_open("fashion_mnist", "train", NULL, &train, error, sizeof error));
    assert_true(couplet_dataset_open("fashion_mnist", "test", NULL, &test, error, sizeof error));
    assert_int_equal(train.count, 60000);
    assert_int_equal(test.count, 10000);
    int seen[10] = {0};
    for (int64_t i = 0; i < train.count; i++) seen[train.labels[i]]++;
    for (int c = 0; c < 10; c++) assert_int_equal(seen[c], 6000);
    couplet_dataset_free(&train);
    couplet_dataset_free(&test);
    assert_false(couplet_dataset_open("fashion_mnist", "train", "/no/such/folder", &train, error, sizeof error));
    assert_non_null(strstr(error, "/no/such/folder"));
    assert_non_null(strstr(error, "dataset-fashion-mnist"));
    assert_false(couplet_dataset_open("imagenet", "train", NULL, &train, error, sizeof error));
}

/* An IDX file, packed if its name ends with .gz: images of some size, or labels of 0 to 9. */
static void write_idx(const char *name, int count, int rank, int rows, int columns) {
    static uint8_t bytes[16 + 4 * 32 * 32];
    const int extents[] = {count, rows, columns};
    size_t length = 4;
    memcpy(bytes, (const uint8_t[]){0, 0, 8, (uint8_t)rank}, 4);
    for (int i = 0; i < rank; i++)
        for (int b = 3; b >= 0; b--) bytes[length++] = (uint8_t)(extents[i] >> 8 * b);
    for (int i = 0; i < count * (rank > 1 ? rows : 1) * (rank > 2 ? columns : 1); i++) bytes[length++] = (uint8_t)(i % 10);
    if (strstr(name, ".gz")) {
        write_gz(name, bytes, length);
        return;
    }
    FILE *file = fopen(path_of(name), "wb");
    assert_non_null(file);
    assert_int_equal(fwrite(bytes, 1, length, file), length);
    fclose(file);
}

static void refuse_set(const char *split, const char *word) {
    CoupletDataset data;
    error[0] = 0;
    assert_false(couplet_dataset_open("fashion_mnist", split, folder, &data, error, sizeof error));
    if (!strstr(error, word)) fail_msg("%s: lacks `%s`", error, word);
}

/* A folder of one's own: packed files or not, and what is wrong with it. */
static void own_folder(void **state) {
    (void)state;
    CoupletDataset data;
    refuse_set("train", "no train-labels-idx1-ubyte.gz, nor one without .gz");
    write_idx("train-labels-idx1-ubyte", 4, 1, 0, 0);
    refuse_set("train", "no train-images-idx3-ubyte.gz");
    write_idx("train-images-idx3-ubyte", 4, 3, 28, 28);
    assert_true(couplet_dataset_open("fashion_mnist", "train", folder, &data, error, sizeof error));
    assert_true(data.count == 4 && data.images[11] == 1 && data.labels[3] == 3 && data.shape[1] == 28 && !data.origin);
    couplet_dataset_free(&data);
    refuse_set("val", "no split `val`; it has train and test");
    refuse_set("", "no split ``");
    refuse_set("Train", "no split `Train`");
    write_idx("train-images-idx3-ubyte.gz", 4, 3, 32, 30); /* is taken before the one that is not packed */
    refuse_set("train", "its images are 32 x 30, and 28 x 28 is expected");
    write_idx("train-images-idx3-ubyte.gz", 4, 2, 28, 0);
    refuse_set("train", "three axes (count, rows, columns) are expected, and the file has 2");
    write_idx("train-images-idx3-ubyte.gz", 3, 3, 28, 28);
    refuse_set("train", "4 labels");
    write_idx("train-labels-idx1-ubyte.gz", 4, 3, 1, 1);
    refuse_set("train", "labels in one axis are expected, and the file has 3");
}

enum { COUNT = 103, BATCH = 10 };

static CoupletDataset numbered(void) {
    CoupletDataset data = {.name = "numbers", .count = COUNT, .shape = {1, 1, 1}, .image_bytes = 1, .class_count = 10};
    data.images = malloc(COUNT);
    data.labels = malloc(COUNT * sizeof *data.labels);
    for (int i = 0; i < COUNT; i++) {
        data.images[i] = (uint8_t)i;
        data.labels[i] = i % 10;
    }
    return data;
}

static const CoupletFeed plain = {.batch = BATCH}, too_large = {.batch = COUNT + 1};

static void loader_shuffles(void **state) {
    (void)state;
    CoupletDataset data = numbered();
    CoupletLoader *loader = couplet_loader_new(&data, &plain, 9, 0, error, sizeof error);
    assert_non_null(loader);
    int first[COUNT] = {0}, moved = 0;
    for (int epoch = 0; epoch < 3; epoch++) {
        int seen[COUNT] = {0};
        for (int b = 0; b < COUNT / BATCH; b++) {
            CoupletBatch batch;
            couplet_loader_next(loader, &batch);
            assert_int_equal(batch.number, epoch * (COUNT / BATCH) + b);
            for (int i = 0; i < BATCH; i++) {
                int row = batch.indices[i];
                assert_in_range(row, 0, COUNT - 1);
                assert_int_equal(batch.images[i], row);
                assert_int_equal(batch.labels[i], row % 10);
                assert_int_equal(seen[row]++, 0); /* once an epoch */
                if (epoch == 0) first[b * BATCH + i] = row;
                else moved += first[b * BATCH + i] != row;
            }
        }
    }
    assert_true(moved > COUNT);
    couplet_loader_free(loader);
    couplet_dataset_free(&data);
}

static void loader_starts_anywhere(void **state) {
    (void)state;
    CoupletDataset data = numbered();
    CoupletLoader *whole = couplet_loader_new(&data, &plain, 4, 0, error, sizeof error);
    for (int64_t start = 0; start < 25; start++) {
        CoupletLoader *late = couplet_loader_new(&data, &plain, 4, start, error, sizeof error);
        CoupletBatch a, b;
        couplet_loader_next(whole, &a);
        couplet_loader_next(late, &b);
        assert_int_equal(a.number, b.number);
        assert_memory_equal(a.indices, b.indices, BATCH * sizeof *a.indices);
        couplet_loader_free(late);
    }
    couplet_loader_free(whole);
    assert_null(couplet_loader_new(&data, &too_large, 4, 0, error, sizeof error));
    assert_non_null(strstr(error, "104"));
    assert_non_null(strstr(error, "103"));
    couplet_dataset_free(&data);
}

/* 103 images of which class 9 has 3: drawn as often as the others. */
static void loader_balances(void **state) {
    (void)state;
    CoupletDataset data = numbered();
    for (int i = 0; i < COUNT; i++) data.labels[i] = i < 100 ? i % 9 : 9;
    const CoupletFeed balanced = {.batch = BATCH, .balanced = true}, other = {.batch = BATCH, .balanced = true, .stream = 1};
    CoupletLoader *loader = couplet_loader_new(&data, &balanced, 9, 0, error, sizeof error), *apart = couplet_loader_new(&data, &other, 9, 0, error, sizeof error);
    assert_non_null(loader);
    assert_non_null(apart);
    int seen[10] = {0}, same = 0, total = 0;
    for (int b = 0; b < 500; b++) {
        CoupletBatch batch, beside;
        couplet_loader_next(loader, &batch);
        couplet_loader_next(apart, &beside);
        for (int i = 0; i < BATCH; i++) {
            assert_int_equal(batch.labels[i], data.labels[batch.indices[i]]);
            seen[batch.labels[i]]++;
            same += batch.indices[i] == beside.indices[i];
            total++;
        }
    }
    for (int c = 0; c < 10; c++) assert_in_range(seen[c], total / 10 - 80, total / 10 + 80); /* deviation 21 */
    assert_true(same < total / 20);
    couplet_loader_free(loader);
    couplet_loader_free(apart);
    couplet_dataset_free(&data);
}

static void selections(void **state) {
    (void)state;
    const CoupletSelection few = {.per_class = 3, .seed = -1}, share = {.fraction = 0.2, .seed = -1}, tail = {.imbalance = 10, .seed = -1}, drawn = {.per_class = 3, .seed = 7};
    CoupletDataset data = numbered(), again = numbered();
    assert_true(couplet_selection_apply(&few, &data, error, sizeof error));
    assert_int_equal(data.count, 30);
    for (int i = 0; i < 30; i++) assert_int_equal(data.images[i], i); /* the first three of each class are the first thirty */
    couplet_dataset_free(&data);
    data = numbered();
    assert_true(couplet_selection_apply(&drawn, &data, error, sizeof error));
    assert_true(couplet_selection_apply(&drawn, &again, error, sizeof error));
    assert_int_equal(data.count, 30);
    assert_memory_equal(data.images, again.images, 30);
    int moved = 0;
    for (int i = 0; i < 30; i++) {
        assert_int_equal(data.labels[i], data.images[i] % 10);
        moved += data.images[i] >= 30;
    }
    assert_true(moved > 10);
    couplet_dataset_free(&again);
    couplet_dataset_free(&data);
    data = numbered();
    assert_true(couplet_selection_apply(&share, &data, error, sizeof error)); /* a fifth of 10 or 11 is 2 */
    assert_int_equal(data.count, 20);
    couplet_dataset_free(&data);
    data = numbered();
    assert_true(couplet_selection_apply(&tail, &data, error, sizeof error));
    int seen[10] = {0};
    for (int64_t i = 0; i < data.count; i++) seen[data.labels[i]]++;
    assert_int_equal(seen[0], 11);
    assert_int_equal(seen[9], 1);
    for (int c = 1; c < 10; c++) assert_true(seen[c] <= seen[c - 1]);
    couplet_dataset_free(&data);
    assert_int_equal(couplet_selection_rows(&few, "fashion_mnist", "train", NULL), 30);
    const CoupletSelection hundred = {.imbalance = 100, .seed = -1};
    assert_int_equal(couplet_selection_rows(&hundred, "fashion_mnist", "train", NULL), 6000 + 3596 + 2156 + 1292 + 774 + 464 + 278 + 166 + 100 + 60);
    assert_int_equal(couplet_selection_rows(&few, "fashion_mnist", "train", "/no/such/folder"), -1);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(philox_known_answers), cmocka_unit_test(idx_reads), cmocka_unit_test(idx_refuses),           cmocka_unit_test(idx_truncated_anywhere),
        cmocka_unit_test(real_data), cmocka_unit_test(own_folder),            cmocka_unit_test(loader_shuffles), cmocka_unit_test(loader_starts_anywhere),
        cmocka_unit_test(loader_balances),      cmocka_unit_test(selections),
    };
    return cmocka_run_group_tests(tests, make_folder, drop_folder);
}
