/* Tests parts of a table: by class, by a share of the rows, by conditions. */
#include "runtime/selection.h"

#include "runtime/classes.h"
#include "tests/runtime/made_table.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

enum { COUNT = 103 };

static char error[1024];

static CoupletTable chosen(const CoupletSelection *selection) {
    CoupletTable data = made_table(COUNT);
    error[0] = 0;
    if (!couplet_selection_apply(selection, &data, NULL, error, sizeof error))
        print_message("%s\n", error);
    assert_string_equal(error, "");
    return data;
}

static int64_t count_of(const CoupletSelection *selection) {
    CoupletTable data = chosen(selection);
    const int64_t count = data.count;
    couplet_table_close(&data);
    return count;
}

static void by_class(void **state) {
    (void)state;
    const CoupletSelection few = {.per_class = 3, .seed = -1};
    const CoupletSelection share = {.fraction = 0.2, .seed = -1};
    const CoupletSelection tail = {.imbalance = 10, .seed = -1};
    const CoupletSelection drawn = {.per_class = 3, .seed = 7};
    CoupletTable data = chosen(&few);
    assert_int_equal(data.count, 30);
    /* the first three of each class are the first thirty */
    for (int i = 0; i < 30; i++)
        assert_int_equal(data.origin[i], i);
    couplet_table_close(&data);
    data = chosen(&drawn);
    CoupletTable again = chosen(&drawn);
    static const int32_t as_always[30] = {3,  10, 11, 16, 22, 26, 29, 31, 32, 33,
                                          38, 41, 44, 47, 48, 54, 55, 57, 69, 70,
                                          74, 75, 79, 86, 87, 88, 92, 93, 95, 100};
    assert_int_equal(data.count, 30);
    assert_memory_equal(data.origin, again.origin, 30 * sizeof *data.origin);
    assert_memory_equal(data.origin, as_always, sizeof as_always);
    couplet_table_close(&again);
    couplet_table_close(&data);
    assert_int_equal(count_of(&share), 20); /* a fifth of 10 or 11 is 2 */
    data = chosen(&tail);
    int seen[10] = {0};
    for (int64_t i = 0; i < data.count; i++)
        seen[data.origin[i] % 10]++;
    assert_int_equal(seen[0], 11);
    assert_int_equal(seen[9], 1);
    for (int c = 1; c < 10; c++)
        assert_true(seen[c] <= seen[c - 1]);
    couplet_table_close(&data);
}

static void some_classes(void **state) {
    (void)state;
    const CoupletSelection last = {.classes = 3, .first_class = 7, .per_class = 2, .seed = -1};
    const CoupletSelection beyond = {.classes = 3, .first_class = 8};
    CoupletTable data = chosen(&last);
    static const int32_t rows[] = {7, 8, 9, 17, 18, 19};
    assert_int_equal(data.count, 6);
    assert_memory_equal(data.origin, rows, sizeof rows);
    /* A second selection chooses among what the first one left. */
    const CoupletSelection one = {.classes = 1, .first_class = 9, .by = "label"};
    assert_true(couplet_selection_apply(&one, &data, NULL, error, sizeof error));
    assert_int_equal(data.count, 2);
    assert_int_equal(data.origin[1], 19);
    couplet_table_close(&data);
    data = made_table(COUNT);
    assert_false(couplet_selection_apply(&beyond, &data, NULL, error, sizeof error));
    assert_string_equal(error, "numbers has the classes 0 to 9, and 8 to 10 were asked for");
    assert_true(data.count == COUNT && !data.origin);
    couplet_table_close(&data);
}

static void conditions(void **state) {
    (void)state;
    const struct {
        CoupletCondition where[2];
        int count;
        int64_t rows;
    } cases[] = {{{{"label", COUPLET_EQUAL, 3}}, 1, 10},
                 {{{"label", COUPLET_UNEQUAL, 3}}, 1, 93},
                 {{{"label", COUPLET_BELOW, 2}}, 1, 22},
                 {{{"label", COUPLET_AT_MOST, 2}}, 1, 33},
                 {{{"label", COUPLET_ABOVE, 8}}, 1, 10},
                 {{{"label", COUPLET_AT_LEAST, 8}}, 1, 20},
                 {{{"label", COUPLET_AT_LEAST, 3}, {"label", COUPLET_BELOW, 4}}, 2, 10},
                 {{{"index", COUPLET_BELOW, 50}, {"label", COUPLET_EQUAL, 4}}, 2, 5}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const CoupletSelection selection = {.where = cases[i].where, .where_count = cases[i].count};
        assert_int_equal(count_of(&selection), cases[i].rows);
    }
    const struct {
        CoupletCondition where;
        const char *word;
    } wrong[] = {{{"label", COUPLET_EQUAL, 11}, "leaves none"},
                 {{"labels", COUPLET_EQUAL, 1}, "no field `labels`"},
                 {{"x", COUPLET_EQUAL, 1}, "real[3], and rows are kept by a number"},
                 {{"image", COUPLET_EQUAL, 1}, "u8[1, 1, 1]"},
                 {{"label", COUPLET_EQUAL, NAN}, "leaves none"}};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        CoupletTable data = made_table(COUNT);
        const CoupletSelection selection = {.where = &wrong[i].where, .where_count = 1};
        assert_false(couplet_selection_apply(&selection, &data, NULL, error, sizeof error));
        if (!strstr(error, wrong[i].word)) fail_msg("%s: lacks `%s`", error, wrong[i].word);
        couplet_table_close(&data);
    }
}

static void name_row(const CoupletTable *table, int64_t row, char *out, size_t bytes) {
    snprintf(out, bytes, "%s/%lld.png", table->path, (long long)(row + 1000));
}

/* Parts that divide a table have each row once, and about as many rows as they should. A row that
 * has a name stays in its part wherever the table lies. */
static void parts(void **state) {
    (void)state;
    static const CoupletReader named = {.name = "named", .name_row = name_row};
    enum { MANY = 5000 };
    for (int with_names = 0; with_names < 2; with_names++) {
        const CoupletSelection first = {.part_from = 0, .part_to = 0.8};
        const CoupletSelection rest = {.part_from = 0.8, .part_to = 1};
        CoupletTable tables[] = {made_table(MANY), made_table(MANY), made_table(MANY)};
        for (int i = 0; i < 3; i++) {
            if (with_names) tables[i].reader = &named;
            strcpy(tables[i].path, i == 2 ? "/elsewhere/photos" : "/here");
            assert_true(couplet_selection_apply(i == 0 ? &first : &rest, &tables[i], NULL, error,
                                                sizeof error));
        }
        assert_int_equal(tables[0].count + tables[1].count, MANY);
        assert_in_range(tables[0].count, 4000 - 140, 4000 + 140); /* the standard deviation is 28 */
        int seen[MANY] = {0};
        for (int i = 0; i < 2; i++)
            for (int64_t k = 0; k < tables[i].count; k++)
                assert_int_equal(seen[tables[i].origin[k]]++, 0);
        assert_int_equal(tables[1].count, tables[2].count);
        assert_memory_equal(tables[1].origin, tables[2].origin,
                            (size_t)tables[1].count * sizeof(int32_t));
        for (int i = 0; i < 3; i++)
            couplet_table_close(&tables[i]);
    }
}

/* If a field does not say how many classes it has, its values are the classes. */
static void values_are_classes(void **state) {
    (void)state;
    CoupletTable data = made_table(COUNT);
    data.fields[MADE_LABEL].classes = 0;
    int32_t *labels = made_labels(&data);
    for (int i = 0; i < COUNT; i++)
        labels[i] = 1000 * (i % 3) - 7;
    CoupletClasses classes;
    bool known;
    assert_true(couplet_classes_read(&data, "label", &classes, &known, error, sizeof error));
    assert_int_equal(classes.count, 3);
    assert_int_equal(classes.values[0], -7);
    assert_int_equal(classes.values[2], 1993);
    for (int i = 0; i < COUNT; i++)
        assert_int_equal(classes.of[i], i % 3);
    couplet_classes_free(&classes);
    const CoupletSelection second = {.classes = 1000, .first_class = 993};
    assert_true(couplet_selection_apply(&second, &data, NULL, error, sizeof error));
    assert_int_equal(data.count, 34);
    assert_int_equal(data.origin[1], 4);
    couplet_table_close(&data);
    data = made_table(COUNT);
    made_labels(&data)[57] = 10;
    assert_false(couplet_classes_read(&data, "label", &classes, &known, error, sizeof error));
    assert_string_equal(error, "numbers: `label` of sample 57 is 10, and 0 to 9 is expected");
    couplet_table_close(&data);
}

/* Rows that could not be decoded stay out, and are not counted. */
static void left_out_before(void **state) {
    (void)state;
    CoupletTable data = made_table(COUNT);
    data.origin = malloc(COUNT * sizeof *data.origin);
    data.count = 0;
    for (int i = 0; i < COUNT; i++)
        if (i != 10) data.origin[data.count++] = i;
    const CoupletSelection two = {.per_class = 2, .seed = -1};
    assert_true(couplet_selection_apply(&two, &data, NULL, error, sizeof error));
    assert_int_equal(data.count, 20);
    assert_int_equal(data.origin[10], 11);
    assert_int_equal(data.origin[19], 20); /* the second of class 0, for 10 is missing */
    couplet_table_close(&data);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(by_class),           cmocka_unit_test(some_classes),
        cmocka_unit_test(conditions),         cmocka_unit_test(parts),
        cmocka_unit_test(values_are_classes), cmocka_unit_test(left_out_before),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
