/* couplet tex: functions of a file as LaTeX, as a paper would print their formulas. */
#include "compiler/driver/load.h"
#include "compiler/driver/report.h"
#include "compiler/picture/tex.h"

#include <string.h>

static bool print_functions(Arena *arena, const Options *o, const Method *method) {
    int printed = 0;
    for (int i = 0; i < method->spec->stmt_count; i++) {
        const Stmt *s = method->spec->stmts[i];
        if (s->kind != STMT_FN || (o->fn && strcmp(s->name, o->fn) != 0)) continue;
        if (!o->fn) printf("%s%% %s\n", printed ? "\n" : "", s->name);
        tex_print(arena, s, stdout);
        printed++;
    }
    if (printed) return true;
    if (o->fn)
        report(CODE_FUNCTION_INPUT, "`%s` has no function `%s`", o->file, o->fn);
    else
        report(CODE_NOTHING_TO_DO, "`%s` has no function whose formula could be printed", o->file);
    return false;
}

int tex_command(int argc, char **argv) {
    Arena *arena = arena_new();
    Options options;
    int status = 2;
    if (options_read(arena, &options, "tex", "fn data", argc, argv)) {
        Diag *diag = diag_new(arena);
        const Method *method = load_method(arena, diag, options.file, NULL);
        report_messages(diag);
        status = method && print_functions(arena, &options, method) ? 0 : 1;
    }
    arena_free(arena);
    return status;
}
