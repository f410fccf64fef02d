/* The order in which messages are shown: file by file, as the files were first spoken of, and in
 * each by place; equal messages once. */
#include "lang/diag_messages.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { FILES = 3, MESSAGES = 200 };

static void report(Diag *diag, const Source *source, int begin, const char *text) {
    const Span span = {source, begin, begin + 1, 1, begin + 1};
    diag_report(diag, CODE_SYNTAX, span, "%s", text);
}

/* The reports come from files in turn, so that no two neighbours are of one file, and the places of
 * a file go down. */
static void test_files_in_turn(void **state) {
    (void)state;
    Arena *arena = arena_new();
    Diag *diag = diag_new(arena);
    diag_unlimited(diag);
    Source sources[FILES];
    for (int i = 0; i < FILES; i++)
        sources[i] = (Source){.path = "file.cpl"};
    for (int i = 0; i < MESSAGES; i++)
        report(diag, &sources[(i * 2) % FILES], MESSAGES - i / 4, "found");
    DiagList list = diag_sorted(diag);
    int file = 0;
    const int order[FILES] = {0, 2, 1};
    for (int i = 1; i < list.count; i++) {
        const Span before = list.messages[i - 1]->parts.items[0].span;
        const Span span = list.messages[i]->parts.items[0].span;
        if (before.source != span.source)
            file++;
        else
            assert_true(before.begin < span.begin); /* at one place stand equal messages alone */
        assert_true(file < FILES);
        assert_ptr_equal(span.source, &sources[order[file]]);
    }
    assert_int_equal(file, FILES - 1);
    free(list.messages);
    arena_free(arena);
}

static void test_equal_messages_of_one_place(void **state) {
    (void)state;
    Arena *arena = arena_new();
    Diag *diag = diag_new(arena);
    const Source source = {.path = "file.cpl"};
    report(diag, &source, 7, "first");
    report(diag, &source, 7, "second");
    report(diag, &source, 3, "ahead");
    report(diag, &source, 7, "first");
    DiagList list = diag_sorted(diag);
    assert_int_equal(list.count, 3);
    assert_string_equal(list.messages[0]->parts.items[0].text, "ahead");
    assert_string_equal(list.messages[1]->parts.items[0].text, "first");
    assert_string_equal(list.messages[2]->parts.items[0].text, "second");
    free(list.messages);
    arena_free(arena);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_files_in_turn),
        cmocka_unit_test(test_equal_messages_of_one_place),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
