/* couplet explain: explains a code. The messages shown are those that the compiler gives for the
 * code's example, when the command runs. */
#include "compiler/driver/load.h"
#include "compiler/driver/report.h"

#include <string.h>
#include <strings.h>

static void list_codes(void) {
    for (int i = 0; i < CODE_COUNT; i++)
        printf("%s  %s\n", diag_codes[i].code, diag_codes[i].meaning);
}

/* Prints a text with lines broken at spaces, so that no line is longer than the width. */
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
    printf("%s, %s: %s\n\n", info->code, info->severity == DIAG_ERROR ? "an error" : "a warning",
           info->meaning);
    print_wrapped(info->why, 100);
    if (!info->failing) return;
    printf("\nThis gives it:\n\n");
    print_indented(info->failing);
    printf("\n");
    Arena *arena = arena_new();
    Diag *diag = diag_new(arena);
    Method *method = load_text(arena, diag, "example.cpl", info->failing);
    if (!diag_error_count(diag)) {
        load_lowered(arena, diag, method, NULL);
    }
    diag_print(diag, stdout);
    arena_free(arena);
    printf("\nThis is right:\n\n");
    print_indented(info->repaired);
}

/* Returns the code in a message, such as E402 of "error[E402]: ..". */
static const char *bare_code(Arena *arena, const char *text) {
    const char *open = strchr(text, '[');
    return open ? arena_strndup(arena, open + 1, strcspn(open + 1, "]"))
                : arena_strndup(arena, text, strcspn(text, ": "));
}

static bool explain_code(Arena *arena, const char *text) {
    const char *names[CODE_COUNT];
    const char *code = bare_code(arena, text);
    for (int i = 0; i < CODE_COUNT; i++) {
        names[i] = diag_codes[i].code;
        if (strcasecmp(code, names[i]) != 0) continue;
        explain(&diag_codes[i]);
        return true;
    }
    const char *near = diag_nearest(code, names, CODE_COUNT);
    return report_with_help(
        CODE_COMMAND_LINE,
        near ? arena_printf(arena, "did you mean %s? `couplet explain` lists all", near)
             : "`couplet explain` lists all",
        "there is no code `%s`", text);
}

int explain_command(int argc, char **argv) {
    Arena *arena = arena_new();
    Options o;
    bool good = options_read(arena, &o, "explain", "[file] [files]", argc, argv);
    if (good && o.files.count > 1)
        good =
            report(CODE_COMMAND_LINE, "one code at a time, like E101; without one, all are listed");
    if (good && o.file)
        good = explain_code(arena, o.file);
    else if (good)
        list_codes();
    arena_free(arena);
    return good ? 0 : 2;
}
