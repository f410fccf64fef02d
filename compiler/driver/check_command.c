#include "compiler/driver/load.h"
#include "compiler/driver/memory_report.h"
#include "compiler/driver/print_after.h"

static void print_placements(Arena *arena, const char *pass, const LoweredProgram *program) {
    for (int i = 0; i < program->phases.count; i++) print_after_place(arena, pass, program->phases.items[i].train, program->states.items, program->states.count, false);
    for (int i = 0; i < program->features.count; i++) print_after_place(arena, pass, program->features.items[i], program->states.items, program->states.count, false);
    print_after_place(arena, pass, program->init, program->states.items, program->states.count, false);
}

/* What was done so that the numbers stay finite and exact, a line for each formula. */
static void print_numerics(const Graph *g, FILE *out) {
    if (g->notes.count == 0) fprintf(out, "no formula needed another form\n");
    for (int i = 0; i < g->notes.count; i++) {
        const GNote *n = &g->notes.items[i];
        bool said = false;
        for (int k = 0; k < i; k++) said |= g->notes.items[k].span.line == n->span.line && g->notes.items[k].text == n->text;
        if (!said && n->span.source) fprintf(out, "%s:%d: %s\n", n->span.source->path, n->span.line, n->text);
    }
}

static bool report_memory(Arena *arena, Method *method, const LoweredProgram *program, int64_t asked) {
    const LowerOptions options = {.settings = {.no_stream = true}};
    return memory_report(arena, program, lower_method(arena, diag_new(arena), method, &options), asked, stdout);
}

int check_command(int argc, char **argv) {
    Arena *arena = arena_new();
    Options options;
    int status = 2;
    if (options_read(arena, &options, "check", "set epochs print-after numerics memory [memory] no-fuse diagnostics", argc, argv) && print_after_exists("check", options.print_after)) {
        Diag *diag = diag_new(arena);
        Method *method = load_method(arena, diag, options.file, &options, true);
        if (method) {
            LowerOptions lower = {.after = print_after_pass, .context = (void *)(uintptr_t)options.print_after, .settings = {.no_fuse = options.no_fuse}, .memory = options.memory_bytes};
            LoweredProgram *program = load_lowered(arena, diag, method, &lower);
            for (int i = 0; program && options.numerics && i < program->phases.count; i++) print_numerics(program->phases.items[i].train, stdout);
            if (program) print_placements(arena, options.print_after, program);
            if (program && options.memory && !report_memory(arena, method, program, options.memory_bytes)) return 1;
        }
        show_messages(&options, diag);
        bool good = method && diag_error_count(diag) == 0;
        if (good && !options.print_after && !options.numerics && !options.memory) check_print(method, stdout);
        status = good ? 0 : 1;
    }
    arena_free(arena);
    return status;
}
