/* couplet tex: prints functions of a file as LaTeX, as a paper would print their formulas. */
#include "compiler/driver/load.h"
#include "compiler/driver/report.h"
#include "compiler/picture/mathml.h"
#include "compiler/picture/tex.h"

#include <stdlib.h>
#include <string.h>

/* Prints the formula of a function, as LaTeX or as MathML. */
static bool print_formula(Arena *arena, const Options *o, const Stmt *fn) {
    if (!o->emit) {
        tex_print(arena, fn, stdout);
        return true;
    }
    char *latex = NULL;
    size_t bytes = 0;
    Text text = {0};
    FILE *out = open_memstream(&latex, &bytes);
    if (out) {
        tex_print(arena, fn, out);
        fclose(out);
    }
    const bool good = latex && mathml_append(latex, &text);
    if (good) printf("%s", text.data);
    text_free(&text);
    free(latex);
    return good || report(CODE_NOTHING_TO_DO, "`%s` has no form in MathML", fn->name);
}

static bool print_functions(Arena *arena, const Options *o, const Method *method) {
    int printed = 0;
    for (int i = 0; i < method->spec->stmt_count; i++) {
        const Stmt *s = method->spec->stmts[i];
        if (s->kind != STMT_FN || (o->fn && strcmp(s->name, o->fn) != 0)) continue;
        if (!o->fn) printf(o->emit ? "%s<!-- %s -->\n" : "%s%% %s\n", printed ? "\n" : "", s->name);
        if (!print_formula(arena, o, s)) return false;
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
    const bool read = options_read(arena, &options, "tex", "fn data emit", argc, argv);
    if (read && options.emit && strcmp(options.emit, "mathml") != 0)
        report(CODE_COMMAND_LINE, "--emit of tex is mathml, and this is `%s`", options.emit);
    else if (read) {
        Diag *diag = diag_new(arena);
        const Method *method = load_method(arena, diag, options.file, NULL);
        report_messages(diag);
        status = method && print_functions(arena, &options, method) ? 0 : 1;
    }
    arena_free(arena);
    return status;
}
