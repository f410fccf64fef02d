/* couplet explain: what a code means. The messages shown are those that the compiler gives for the example, made here and now. */
#include "compiler/driver/load.h"

#include <string.h>
#include <strings.h>

static void list_codes(void) {
    for (int i = 0; i < CODE_COUNT; i++) printf("%s  %s\n", diag_codes[i].code, diag_codes[i].meaning);
}

/* Breaks at spaces, so that no line is longer than the width. */
static void print_wrapped(const char *text, int width) {
    int column = 0;
    for (const char *word = text; *word;) {
        int length = (int)strcspn(word, " ");
        if (column && column + 1 + length > width) {
            putchar('\n');
            column = 0;
        }
        column += printf("%s%.*s", column ? " " : "", length, word);
        word += length;
        word += strspn(word, " ");
    }
    putchar('\n');
}

static void print_indented(const char *text) {
    for (const char *line = text; *line; line += strcspn(line, "\n") + 1) {
        printf("    %.*s\n", (int)strcspn(line, "\n"), line);
        if (!line[strcspn(line, "\n")]) break;
    }
}

static void explain(const DiagCodeInfo *info) {
    printf("%s, %s: %s\n\n", info->code, info->severity == DIAG_ERROR ? "an error" : "a warning", info->meaning);
    print_wrapped(info->why, 100);
    if (!info->failing) return;
    printf("\nThis gives it:\n\n");
    print_indented(info->failing);
    printf("\n");
    Arena *arena = arena_new();
    Diag *diag = diag_new(arena);
    Method *method = load_text(arena, diag, "example.cpl", info->failing);
    if (!diag_error_count(diag)) load_lowered(arena, diag, method, NULL);
    diag_print(diag, stdout);
    arena_free(arena);
    printf("\nThis is right:\n\n");
    print_indented(info->repaired);
}

int explain_command(int argc, char **argv) {
    if (argc > 1) {
        fprintf(stderr, "couplet explain: one code at a time, like E101; without one, all are listed\n");
        return 2;
    }
    if (argc == 0) {
        list_codes();
        return 0;
    }
    const char *names[CODE_COUNT];
    for (int i = 0; i < CODE_COUNT; i++) {
        names[i] = diag_codes[i].code;
        if (strcasecmp(argv[0], names[i]) != 0) continue;
        explain(&diag_codes[i]);
        return 0;
    }
    fprintf(stderr, "couplet explain: there is no code `%s`", argv[0]);
    const char *near = diag_nearest(argv[0], names, CODE_COUNT);
    if (near) fprintf(stderr, "; did you mean %s?", near);
    fprintf(stderr, "; `couplet explain` lists all\n");
    return 2;
}
