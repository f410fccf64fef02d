/* Tests IDX files of any type, rank and size, gzipped or not, and Fashion-MNIST among them. */
#include "runtime/data/reader.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>

#include <cmocka.h>

static char folder[64], error[2048];

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

static const uint8_t small[] = {0, 0, 8, 3, 0, 0, 0, 2, 0, 0, 0, 2,
                                0, 0, 0, 2, 1, 2, 3, 4, 5, 6, 7, 8};

static bool opens(const char *name, const char *labels, CoupletTable *out) {
    const CoupletSetting settings[] = {{"labels", 0, labels}};
    const CoupletRequest request = {.reader = "idx",
                                    .path = path_of(name),
                                    .settings = settings,
                                    .setting_count = labels != NULL};
    return couplet_table_open(&request, out, error, sizeof error);
}

static CoupletTable loaded(const char *name, const char *labels) {
    static const CoupletLoading standard;
    CoupletTable table;
    if (!opens(name, labels, &table)) fail_msg("%s", error);
    if (!couplet_table_load(&table, &standard, error, sizeof error)) fail_msg("%s", error);
    return table;
}

/* Asserts that a file is refused with these words, when it is opened or loaded. A fault of a packed
 * file may show only when the file is unpacked. */
static void refuse_with(const char *name, const char *labels, const char *word) {
    static const CoupletLoading standard;
    CoupletTable table;
    error[0] = 0;
    if (opens(name, labels, &table)) {
        assert_false(couplet_table_load(&table, &standard, error, sizeof error));
        couplet_table_close(&table);
    }
    if (!strstr(error, word)) fail_msg("%s: lacks `%s`", error, word);
}

static void expect_refusal(const char *name, const char *word) {
    refuse_with(name, NULL, word);
    if (!strstr(error, name)) fail_msg("%s: lacks `%s`", error, name);
}

static void reads(void **state) {
    (void)state;
    write_gz("good.gz", small, sizeof small);
    CoupletTable table = loaded("good.gz", NULL);
    assert_int_equal(table.held, 2);
    assert_int_equal(table.field_count, 1);
    assert_string_equal(table.fields[0].name, "image");
    char text[128];
    assert_string_equal(couplet_field_text(&table.fields[0], text, sizeof text), "u8[1, 2, 2]");
    assert_memory_equal(table.columns[0], small + 16, 8);
    assert_true((uintptr_t)table.columns[0] % 64 == 0);
    couplet_table_close(&table);
}

static void refuses(void **state) {
    (void)state;
    uint8_t bytes[sizeof small + 1];
    memcpy(bytes, small, sizeof small);
    expect_refusal("none.gz", "found");
    write_gz("short.gz", small, sizeof small - 3);
    expect_refusal("short.gz", "3 more bytes");
    bytes[sizeof small] = 9;
    write_gz("long.gz", bytes, sizeof bytes);
    expect_refusal("long.gz", "after the last element");
    bytes[2] = 0x0A;
    write_gz("kind.gz", bytes, sizeof small);
    expect_refusal("kind.gz", "magic number is 00000a03");
    bytes[2] = 8;
    bytes[3] = 9;
    write_gz("axes.gz", bytes, sizeof small);
    expect_refusal("axes.gz", "one to 8 axes");
    bytes[3] = 3;
    memset(bytes + 4, 0xff, 12);
    write_gz("huge.gz", bytes, sizeof small);
    expect_refusal("huge.gz", "axis 1 of the header is 4294967295, which makes no sensible size");
    memset(bytes + 4, 0, 4);
    write_gz("no.gz", bytes, sizeof small);
    expect_refusal("no.gz", "axis 1 of the header is 0");
    assert_false(opens("", NULL, &(CoupletTable){.held = 0}));
    assert_non_null(strstr(error, "cannot be opened: Is a directory"));
}

/* Every truncation of the packed file is an error, never a crash or a success. */
static void truncated_anywhere(void **state) {
    (void)state;
    static const CoupletLoading standard;
    write_gz("whole.gz", small, sizeof small);
    struct stat status;
    assert_int_equal(stat(path_of("whole.gz"), &status), 0);
    for (off_t length = status.st_size - 1; length >= 0; length--) {
        CoupletTable table;
        assert_int_equal(truncate(path_of("whole.gz"), length), 0);
        if (!opens("whole.gz", NULL, &table)) continue;
        assert_false(couplet_table_load(&table, &standard, error, sizeof error));
        couplet_table_close(&table);
    }
}

/* Writes an IDX file, packed if its name ends with .gz. The elements are `bytes` as they stand, the
 * most significant byte first. */
static void write_typed(const char *name, int type, int rank, const int *extents,
                        const uint8_t *elements, size_t count) {
    uint8_t *bytes = malloc(4 + 4 * (size_t)rank + count);
    size_t length = 4;
    memcpy(bytes, (const uint8_t[]){0, 0, (uint8_t)type, (uint8_t)rank}, 4);
    for (int i = 0; i < rank; i++)
        for (int b = 3; b >= 0; b--)
            bytes[length++] = (uint8_t)(extents[i] >> 8 * b);
    memcpy(bytes + length, elements, count);
    length += count;
    if (strstr(name, ".gz"))
        write_gz(name, bytes, length);
    else {
        FILE *file = fopen(path_of(name), "wb");
        assert_non_null(file);
        assert_int_equal(fwrite(bytes, 1, length, file), length);
        fclose(file);
    }
    free(bytes);
}

/* Writes the bytes i % 10 as images of some size, or as labels of 0 to 9. */
static void write_idx(const char *name, int count, int rank, int rows, int columns) {
    static uint8_t bytes[4 * 32 * 32];
    const int extents[] = {count, rows, columns};
    const int elements = count * (rank > 1 ? rows : 1) * (rank > 2 ? columns : 1);
    for (int i = 0; i < elements; i++)
        bytes[i] = (uint8_t)(i % 10);
    write_typed(name, 8, rank, extents, bytes, (size_t)elements);
}

/* An IDX file and the numbers that it holds. Values of reals are given as float. */
typedef struct Typed {
    int code; /* the type in the file's magic number */
    int rank;
    int extents[2];
    size_t bytes;
    uint8_t elements[8];
    CoupletType type;
    int32_t wholes[4];
    float reals[2];
} Typed;

static const Typed typed[] = {
    {0x09, 2, {2, 2}, 4, {0x80, 0xff, 0, 0x7f}, COUPLET_I32, {-128, -1, 0, 127}, {0}},
    {0x0B, 1, {3}, 6, {0x80, 0, 0xff, 0xfe, 0x12, 0x34}, COUPLET_I32, {-32768, -2, 0x1234}, {0}},
    {0x0C,
     1,
     {2},
     8,
     {0x80, 0, 0, 0, 0x7f, 0xff, 0xff, 0xff},
     COUPLET_I32,
     {INT32_MIN, INT32_MAX},
     {0}},
    {0x0D, 1, {2}, 8, {0x3f, 0x80, 0, 0, 0xc0, 0x20, 0, 0}, COUPLET_F32, {0}, {1, -2.5f}},
    {0x0E,
     2,
     {1, 1},
     8,
     {0x3f, 0xb9, 0x99, 0x99, 0x99, 0x99, 0x99, 0x9a},
     COUPLET_F32,
     {0},
     {0.1f}},
};

static void every_type(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof typed / sizeof *typed; i++)
        for (int packed = 0; packed < 2; packed++) {
            const Typed *t = &typed[i];
            const char *name = packed ? "typed.gz" : "typed";
            write_typed(name, t->code, t->rank, t->extents, t->elements, t->bytes);
            CoupletTable table = loaded(name, NULL);
            const int count = t->extents[0] * (t->rank > 1 ? t->extents[1] : 1);
            assert_int_equal(table.fields[0].type, t->type);
            assert_int_equal(table.fields[0].rank, t->rank - 1);
            assert_string_equal(table.fields[0].name, "x");
            if (t->type == COUPLET_I32)
                assert_memory_equal(table.columns[0], t->wholes, 4 * (size_t)count);
            else
                assert_memory_equal(table.columns[0], t->reals, 4 * (size_t)count);
            couplet_table_close(&table);
        }
}

static void reals_out_of_range(void **state) {
    (void)state;
    static const uint8_t nan[] = {0x7f, 0xc0, 0, 0};
    static const uint8_t large[] = {0x7f, 0xe0, 0, 0, 0, 0, 0, 0};
    const int two[] = {2, 2};
    const int one[] = {1, 1};
    write_typed("nan", 0x0D, 2, one, nan, sizeof nan);
    expect_refusal("nan", "element 0 of sample 0 is no number");
    write_typed("large", 0x0E, 2, one, large, sizeof large);
    expect_refusal("large", "element 0 of sample 0 is infinite, or becomes so");
    write_typed("shorter", 0x0D, 2, two, nan, sizeof nan);
    expect_refusal("shorter", "12 more bytes were expected");
}

static uint8_t shaped[2 * 3 * 4 * 5 * 6];

/* Writes the same bytes as an array of some axes: two samples, or with one axis the bytes
 * themselves. */
static void write_shaped(int rank) {
    const int extents[] = {2, 3, 4, 5, 6};
    int shape[5] = {rank == 1 ? (int)sizeof shaped : 2};
    int64_t left = sizeof shaped / 2;
    for (size_t i = 0; i < sizeof shaped; i++)
        shaped[i] = (uint8_t)i;
    for (int i = 1; i < rank; i++) {
        shape[i] = i + 1 < rank ? extents[i] : (int)left;
        left /= shape[i];
    }
    write_typed("shaped", 8, rank, shape, shaped, sizeof shaped);
}

/* Samples may have any rank and size. */
static void any_shape(void **state) {
    (void)state;
    static const char *const shapes[] = {"int", "int[360]", "u8[1, 3, 120]", "u8[3, 4, 30]",
                                         "u8[3, 4, 5, 6]"};
    static const char *const names[] = {"x", "x", "image", "image", "x"};
    for (int rank = 1; rank <= 5; rank++) {
        char text[128];
        write_shaped(rank);
        CoupletTable table = loaded("shaped", NULL);
        assert_string_equal(couplet_field_text(&table.fields[0], text, sizeof text),
                            shapes[rank - 1]);
        assert_string_equal(table.fields[0].name, names[rank - 1]);
        if (table.fields[0].type == COUPLET_U8)
            assert_memory_equal(table.columns[0], shaped, sizeof shaped);
        else
            assert_int_equal(((const int32_t *)table.columns[0])[300], 300 % 256);
        couplet_table_close(&table);
    }
}

static void labels_beside_samples(void **state) {
    (void)state;
    write_shaped(5);
    write_idx("labels.gz", 2, 1, 0, 0);
    CoupletTable table = loaded("shaped", "labels.gz");
    int32_t column[2];
    assert_int_equal(table.field_count, 2);
    assert_int_equal(table.fields[1].classes, 2);
    assert_true(table.reader->column(&table, 1, column, error, sizeof error));
    assert_int_equal(column[1], 1);
    assert_memory_equal(table.columns[1], column, sizeof column);
    couplet_table_close(&table);
    write_idx("labels.gz", 3, 1, 0, 0);
    refuse_with("shaped", "labels.gz", "labels.gz has 3 labels");
    write_idx("labels.gz", 2, 2, 1, 0);
    refuse_with("shaped", "labels.gz", "labels in one axis are expected, and the file has 2");
    refuse_with("shaped", "none.gz", "none.gz: cannot be opened");
}

/* A field may have a name of its own, but not a name that every source has already. */
static void named_field(void **state) {
    (void)state;
    write_idx("named", 4, 2, 3, 0);
    CoupletSetting settings[] = {{"field", 0, "expr"}};
    const CoupletRequest request = {
        .reader = "idx", .path = path_of("named"), .settings = settings, .setting_count = 1};
    CoupletTable table;
    assert_true(couplet_table_open(&request, &table, error, sizeof error));
    assert_string_equal(table.fields[0].name, "expr");
    couplet_table_close(&table);
    settings[0].text = "index";
    assert_false(couplet_table_open(&request, &table, error, sizeof error));
    assert_non_null(strstr(error, "index and all are names that every source has"));
}

/* ---- Fashion-MNIST --------------------------------------------------------------------------- */

static bool opens_fashion(const char *split, const char *place, CoupletTable *out) {
    const CoupletRequest request = {.reader = "fashion_mnist", .path = place, .split = split};
    return couplet_table_open(&request, out, error, sizeof error);
}

static void real_data(void **state) {
    (void)state;
    static const CoupletLoading standard;
    CoupletTable train, test;
    assert_true(opens_fashion("train", NULL, &train));
    assert_true(opens_fashion("test", NULL, &test));
    assert_int_equal(train.held, 60000);
    assert_int_equal(test.held, 10000);
    assert_string_equal(train.fields[1].class_names[9], "Ankle boot");
    assert_true(couplet_table_load(&train, &standard, error, sizeof error));
    /* The records of earlier versions have this hash, so it must not change. */
    assert_int_equal(train.hash, UINT64_C(0x93a59b7c99eccfa4));
    int seen[10] = {0};
    for (int64_t i = 0; i < train.count; i++)
        seen[((const int32_t *)train.columns[1])[i]]++;
    for (int c = 0; c < 10; c++)
        assert_int_equal(seen[c], 6000);
    couplet_table_close(&train);
    couplet_table_close(&test);
    assert_false(opens_fashion("train", "/no/such/folder", &train));
    assert_non_null(strstr(error, "/no/such/folder"));
    assert_non_null(strstr(error, "dataset-fashion-mnist"));
}

static void refuse_set(const char *split, const char *word) {
    CoupletTable table;
    error[0] = 0;
    assert_false(opens_fashion(split, folder, &table));
    if (!strstr(error, word)) fail_msg("%s: lacks `%s`", error, word);
}

/* A folder may have packed files or not; faults of a folder are refused. */
static void own_folder(void **state) {
    (void)state;
    static const CoupletLoading standard;
    CoupletTable table;
    refuse_set("train", "no train-labels-idx1-ubyte.gz, nor one without .gz");
    write_idx("train-labels-idx1-ubyte", 4, 1, 0, 0);
    refuse_set("train", "no train-images-idx3-ubyte.gz");
    write_idx("train-images-idx3-ubyte", 4, 3, 28, 28);
    assert_true(opens_fashion("train", folder, &table));
    assert_true(couplet_table_load(&table, &standard, error, sizeof error));
    assert_true(table.count == 4 && ((const uint8_t *)table.columns[0])[11] == 1 &&
                ((const int32_t *)table.columns[1])[3] == 3 && !table.origin);
    couplet_table_close(&table);
    refuse_set("val", "no split `val`; it has train and test");
    refuse_set("", "no split ``");
    refuse_set("Train", "no split `Train`");
    /* The packed file is taken before the one that is not packed. */
    write_idx("train-images-idx3-ubyte.gz", 4, 3, 32, 30);
    refuse_set(
        "train",
        "its images are 32 x 30, and 28 x 28 is expected; data.idx reads images of any size");
    write_idx("train-images-idx3-ubyte.gz", 4, 2, 28, 0);
    refuse_set("train", "three axes (count, rows, columns) are expected, and the file has 2 axes");
    write_idx("train-images-idx3-ubyte.gz", 3, 3, 28, 28);
    refuse_set("train", "4 labels");
    write_idx("train-labels-idx1-ubyte.gz", 4, 3, 1, 1);
    refuse_set("train", "labels in one axis are expected, and the file has 3");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads),
        cmocka_unit_test(refuses),
        cmocka_unit_test(truncated_anywhere),
        cmocka_unit_test(every_type),
        cmocka_unit_test(reals_out_of_range),
        cmocka_unit_test(any_shape),
        cmocka_unit_test(labels_beside_samples),
        cmocka_unit_test(named_field),
        cmocka_unit_test(real_data),
        cmocka_unit_test(own_folder),
    };
    return cmocka_run_group_tests(tests, make_folder, drop_folder);
}
