/* Tests every row of codes.def: the failing example gives the code, and the repaired example gives
 * no message. */
#include "compiler/driver/load.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* Returns the messages of `couplet check` for a text, as JSON lines. The caller frees them. */
static char *messages_of(const char *text) {
    Arena *arena = arena_new();
    Diag *diag = diag_new(arena);
    Method *method = load_text(arena, diag, "example.cpl", text);
    if (!diag_error_count(diag)) load_lowered(arena, diag, method, NULL);
    char *messages = NULL;
    size_t length = 0;
    FILE *memory = open_memstream(&messages, &length);
    diag_print_json(diag, memory);
    fclose(memory);
    arena_free(arena);
    return messages;
}

static void test_failing_examples(void **state) {
    (void)state;
    int wrong = 0;
    for (int i = 0; i < CODE_COUNT; i++) {
        if (!diag_codes[i].failing) continue;
        char *found = messages_of(diag_codes[i].failing);
        char wanted[64];
        snprintf(wanted, sizeof wanted, "\"code\": \"%s\"", diag_codes[i].code);
        if (!strstr(found, wanted)) {
            wrong++;
            print_error("%s: the failing example gives instead:\n%s\n", diag_codes[i].code, found);
        }
        free(found);
    }
    assert_int_equal(wrong, 0);
}

static void test_repaired_examples(void **state) {
    (void)state;
    int wrong = 0;
    for (int i = 0; i < CODE_COUNT; i++) {
        if (!diag_codes[i].repaired) continue;
        char *found = messages_of(diag_codes[i].repaired);
        if (found[0]) {
            wrong++;
            print_error("%s: the repaired example gives:\n%s\n", diag_codes[i].code, found);
        }
        free(found);
    }
    assert_int_equal(wrong, 0);
}

/* Codes are unique, in order, and begin with the letter of their severity. */
static void test_codes_are_stable(void **state) {
    (void)state;
    for (int i = 0; i < CODE_COUNT; i++) {
        assert_int_equal(diag_codes[i].code[0], diag_codes[i].severity == DIAG_ERROR ? 'E' : 'W');
        assert_int_equal(strlen(diag_codes[i].code), 4);
        assert_true(strlen(diag_codes[i].meaning) > 10 && strlen(diag_codes[i].why) > 20);
        assert_int_equal(diag_codes[i].failing == NULL, diag_codes[i].repaired == NULL);
        if (i > 0) assert_true(strcmp(diag_codes[i - 1].code + 1, diag_codes[i].code + 1) < 0);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_codes_are_stable),
        cmocka_unit_test(test_failing_examples),
        cmocka_unit_test(test_repaired_examples),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
