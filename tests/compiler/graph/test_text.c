/* Tests the text form of graphs: what is printed after any pass reads back to a graph that prints
 * the same. The graphs are those of the specs given as arguments, and of random formulas.
 *
 *     test_text [[--data FOLDER] SPEC]... */
#include "compiler/compile/compile.h"
#include "compiler/driver/load.h"
#include "compiler/driver/options.h"
#include "compiler/graph/copy.h"
#include "tests/compiler/formulas.h"

#include <stdlib.h>
#include <string.h>

enum { FORMULAS = 150 };

static int tried, faults;

static char *printed(const Graph *g) {
    char *text = NULL;
    size_t length = 0;
    FILE *memory = open_memstream(&text, &length);
    graph_print(g, memory);
    fclose(memory);
    return text;
}

/* Shows the place where two texts begin to differ, as a line of each. */
static void show_difference(const char *a, const char *b) {
    while (*a && *a == *b)
        a++, b++;
    while (a[-1] != '\n')
        a--, b--;
    printf("    %.*s\n    %.*s\n", (int)strcspn(a, "\n"), a, (int)strcspn(b, "\n"), b);
}

static void round_trip(void *context, const Graph *g, const char *pass) {
    Arena *arena = arena_new();
    Diag *diag = diag_new(arena);
    char *text = printed(g);
    Source source = {"graph", text, strlen(text)};
    Graph *again = graph_read(arena, diag, &source);
    char *twice = again ? printed(again) : NULL;
    tried++;
    if (!twice || strcmp(text, twice) != 0) {
        printf("%s: graph %s after %s %s\n", (const char *)context, g->name, pass,
               twice ? "reads back to another graph:" : "does not read back:");
        if (twice) show_difference(text, twice);
        diag_print(diag, stdout);
        faults++;
    }
    free(twice);
    free(text);
    arena_free(arena);
}

static void try_spec(const char *path, const char *data) {
    Arena *arena = arena_new();
    Diag *diag = diag_new(arena);
    Options given;
    memset(&given, 0, sizeof given);
    if (data) array_push(arena, &given.data, data);
    Method *method = load_method(arena, diag, path, &given);
    const CompileOptions options = {.after = round_trip, .context = (void *)(uintptr_t)path};
    if (!method || !compile_method(arena, diag, method, METHOD_STEPS, &options)) {
        diag_print(diag, stdout);
        faults++;
    }
    arena_free(arena);
}

/* Compares two texts, and frees both. */
static void compare_texts(const char *name, const char *what, char *a, char *b) {
    tried++;
    if (strcmp(a, b) != 0) {
        printf("%s: %s: no\n", name, what);
        show_difference(a, b);
        faults++;
    }
    free(a);
    free(b);
}

static void try_formula(uint32_t seed) {
    Arena *arena = arena_new();
    GNode *inputs[FORMULA_INPUTS], *grads[FORMULA_INPUTS];
    Graph *g = formula_make(arena, seed, inputs);
    char *name = arena_printf(arena, "formula %u", seed);
    round_trip(name, g, "lower");
    stage_run(g, PASS_before, round_trip, name, NULL);
    pass_differentiate(g, g->outputs.items[g->outputs.count - 1].node, inputs, FORMULA_INPUTS,
                       grads);
    for (int i = 0; i < FORMULA_INPUTS; i++)
        if (grads[i]) graph_output(g, arena_printf(arena, "grad_%s", inputs[i]->name), grads[i]);
    round_trip(name, g, "differentiate");
    char *before = printed(g);
    Graph *copy = graph_copy(arena_new(), g);
    stage_run(copy, PASS_after, NULL, NULL, NULL);
    compare_texts(name, "passes of a copy leave the original alone", before, printed(g));
    stage_run(g, PASS_after, round_trip, name, NULL);
    compare_texts(name, "passes make of a copy what they make of the original", printed(copy),
                  printed(g));
    arena_free(copy->arena);
    arena_free(arena);
}

int main(int argc, char **argv) {
    const char *data = NULL; /* the data folder for the specs that follow it */
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--data") == 0 && i + 1 < argc)
            data = argv[++i];
        else
            try_spec(argv[i], data);
    }
    for (uint32_t seed = 1; seed <= FORMULAS; seed++)
        try_formula(seed);
    printf("%d graphs, %d faults\n", tried, faults);
    return faults != 0 || tried == 0;
}
