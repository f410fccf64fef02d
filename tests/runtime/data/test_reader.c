/* Tests readers by name, settings with their standard values, and the claims of a spec. */
#include "runtime/data/reader.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static char said[1024];

static void names_that_are_not_there(void **state) {
    (void)state;
    assert_null(couplet_reader_find("imagse", said, sizeof said));
    assert_non_null(strstr(said, "`imagse`"));
    assert_non_null(strstr(said, "images"));
}

static void settings_have_standard_values(void **state) {
    (void)state;
    const CoupletSetting given[] = {{"rate", 8000, NULL}};
    const CoupletRequest sounds = {.reader = "sounds", .settings = given, .setting_count = 1};
    assert_true(couplet_request_number(&sounds, "rate") == 8000);
    assert_true(couplet_request_number(&sounds, "seconds") == 1);
    assert_true(couplet_request_gives(&sounds, "rate"));
    assert_false(couplet_request_gives(&sounds, "seconds"));
    const CoupletSetting column[] = {{"label", 0, "income"}};
    const CoupletRequest table = {.reader = "table", .settings = column, .setting_count = 1};
    assert_string_equal(couplet_request_text(&table, "label"), "income");
    const CoupletRequest idx = {.reader = "idx"};
    assert_string_equal(couplet_request_text(&idx, "labels"), "");
}

static void claims_are_compared(void **state) {
    (void)state;
    CoupletTable table = {.name = "cells.npz", .held = 3};
    assert_non_null(couplet_table_add(&table, "expr", COUPLET_F32, 1, (const int64_t[]){2000}));
    CoupletField *batch = couplet_table_add(&table, "batch", COUPLET_I32, 0, NULL);
    assert_non_null(batch);
    assert_true(couplet_field_classes(batch, (const char *const[]){"one", "two"}, 2));
    assert_string_equal(couplet_table_field(&table, "batch", NULL)->class_names[1], "two");
    const CoupletField right[] = {
        {.name = "batch", .type = COUPLET_I32},
        {.name = "expr", .type = COUPLET_F32, .rank = 1, .shape = {2000}}};
    assert_true(couplet_table_claims(&table, right, 2, said, sizeof said));
    const CoupletField missing = {.name = "x", .type = COUPLET_F32, .rank = 1, .shape = {50}};
    assert_false(couplet_table_claims(&table, &missing, 1, said, sizeof said));
    assert_string_equal(said, "cells.npz has no field `x`, and `x : real[50]` is expected; it has "
                              "expr : real[2000], batch : int");
    const CoupletField other = {.name = "expr", .type = COUPLET_F32, .rank = 1, .shape = {50}};
    assert_false(couplet_table_claims(&table, &other, 1, said, sizeof said));
    assert_string_equal(said,
                        "cells.npz: its field `expr` is real[2000], and real[50] is expected");
    const CoupletField classes = {.name = "batch", .type = COUPLET_I32, .classes = 5};
    assert_false(couplet_table_claims(&table, &classes, 1, said, sizeof said));
    couplet_table_close(&table);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names_that_are_not_there),
        cmocka_unit_test(settings_have_standard_values),
        cmocka_unit_test(claims_are_compared),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
