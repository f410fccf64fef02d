/* A libFuzzer target that gives any bytes to the reader of the graph's text form. The reader may
 * complain, but must not crash, hang or lose memory. A graph that it takes must print as a text
 * that it takes again. If the target is built without libFuzzer, it runs the files that it is
 * given. See docs/hacking.md for how to run it. */
#include "compiler/graph/graph.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

static Graph *read_text(Arena *arena, const char *text, size_t length) {
    Diag *diag = diag_new(arena);
    Source *source = arena_new_of(arena, Source);
    *source = (Source){"fuzz.graph", arena_strndup(arena, text, length), length};
    Graph *g = graph_read(arena, diag, source);
    static FILE *nowhere;
    if (!nowhere) nowhere = fopen("/dev/null", "w");
    if (nowhere) diag_print(diag, nowhere);
    return g;
}

static char *print_text(const Graph *g) {
    char *text = NULL;
    size_t length = 0;
    FILE *memory = open_memstream(&text, &length);
    assert(memory);
    graph_print(g, memory);
    fclose(memory);
    return text;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t length);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t length) {
    Arena *arena = arena_new();
    Graph *g = read_text(arena, (const char *)data, length);
    char *first = g ? print_text(g) : NULL;
    Graph *again = first ? read_text(arena, first, strlen(first)) : NULL;
    char *second = again ? print_text(again) : NULL;
    if (first && (!second || strcmp(first, second) != 0)) abort();
    free(first);
    free(second);
    arena_free(arena);
    return 0;
}

#include "tests/fuzz_main.h"
