/* Writes, for every function of the library, a file that calls it on arrays of small sizes
 * (library.h). The arrays are declared as in the function's own signature. */
#include "tests/differ/library.h"

#include "compiler/driver/load.h"

#include <string.h>

static const char *piece(Arena *arena, Span span) {
    return arena_printf(arena, "%.*s", span.end - span.begin, span.source->text + span.begin);
}

/* Returns a parameter as the function's own signature has it, defaults included. */
static const char *declaration(Arena *arena, const Param *p) {
    const char *dims = "";
    for (int i = 0; i < p->dim_count; i++)
        dims = arena_printf(arena, "%s%s%s", dims, i ? ", " : "", piece(arena, p->dims[i]->span));
    if (p->dim_count) dims = arena_printf(arena, "[%s]", dims);
    const char *head = p->kind_name ? arena_printf(arena, "%s : %s%s", p->name, p->kind_name, dims)
                                    : arena_printf(arena, "%s%s", p->name, dims);
    bool number = p->value && p->value->kind == EXPR_NUMBER;
    return number ? arena_printf(arena, "%s = %s", head, piece(arena, p->value->span)) : head;
}

/* Returns an expression for one number of the call's result. */
static const char *result(Arena *arena, const Type *type, const char *call) {
    const char *indices = "";
    const char *weight = "1";
    if (type->rank == 0)
        return arena_printf(
            arena, type->kind == KIND_REAL ? "  return %s\n" : "  return real(%s)\n", call);
    for (int i = 0; i < type->rank; i++) {
        indices = arena_printf(arena, "%s%si%d", indices, i ? ", " : "", i);
        weight = arena_printf(arena, "%s + %d * i%d", weight, 2 + i, i);
    }
    const char *element =
        arena_printf(arena, type->kind == KIND_REAL ? "result[%s]" : "real(result[%s])", indices);
    return arena_printf(arena, "  let result = %s\n  return sum[%s] %s * sin(%s)\n", call, indices,
                        element, weight);
}

/* Gives the expression that turns any number into an argument of this name. */
static const char *fit(Arena *arena, const char *name) {
    /* A prior is positive. */
    if (strcmp(name, "prior") == 0) return arena_printf(arena, "exp(%s)", name);
    if (strcmp(name, "from") == 0) /* With 3 channels, this is 2. */
        return arena_printf(arena, "%s - 1", name);
    return name;
}

/* Returns the file of a function. Arguments whose defaults are no numbers keep their defaults. */
static const char *text_of(Arena *arena, const char *module, const Stmt *fn, bool on_ranks) {
    const char *sizes = on_ranks ? "N=8 D=5 K=16 C=3 H=9 W=8 B=8 M=8 E=4 shards=8"
                                 : "N=6 D=5 K=7 C=3 H=9 W=8 B=2 M=4 E=4";
    const char *params = "";
    const char *args = "";
    for (int i = 0; i < fn->param_count; i++) {
        const Param *p = &fn->params[i];
        if (p->value && p->value->kind != EXPR_NUMBER) continue;
        const char *comma = *params ? ", " : "";
        params = arena_printf(arena, "%s%s%s", params, comma, declaration(arena, p));
        args = arena_printf(arena, "%s%s%s = %s", args, comma, p->name, fit(arena, p->name));
    }
    const char *call = arena_printf(arena, "%s.%s(%s)", module, fn->name, args);
    return arena_printf(arena, "# %s seed=3 stream=1\nuse %s\nfn differ_%s(%s) {\n%s}\n", sizes,
                        module, fn->name, params, result(arena, fn->result, call));
}

LibraryCase *library_cases(Arena *arena, bool on_ranks) {
    ARRAY(LibraryCase) cases = {NULL, 0, 0};
    const char *last = "";
    for (const LibraryFile *f = library_files; f->module; f++) {
        if (strcmp(f->module, last) == 0) continue; /* a module of several files is read once */
        last = f->module;
        Diag *diag = diag_new(arena);
        const Method *method = load_method(arena, diag, f->module, NULL);
        for (int i = 0; method && i < method->spec->stmt_count; i++) {
            const Stmt *s = method->spec->stmts[i];
            bool takes_parts = s->kind == STMT_FN && s->result && s->result->kind <= KIND_BOOL &&
                               s->result->kind != KIND_POISON;
            if (takes_parts)
                array_push(arena, &cases,
                           ((LibraryCase){arena_printf(arena, "%s.%s", f->module, s->name),
                                          text_of(arena, f->module, s, on_ranks)}));
        }
    }
    array_push(arena, &cases, ((LibraryCase){NULL, NULL}));
    return cases.items;
}
