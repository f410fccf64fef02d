/* The table of passes, made from the rows of passes.def, and questions about it. compile/stage.c
 * runs them. */
#include "compiler/passes/passes.h"

#include <string.h>

#define PASS_POINTER_graph(name)  pass_##name
#define PASS_POINTER_called(name) NULL
static const PassRow rows[] = {
#define PASS(name, stage, how, needs, gives, sentence)                                             \
    {#name, PASS_##stage, PASS_POINTER_##how(name), needs, gives, sentence},
#include "compiler/passes/passes.def"
#undef PASS
};

enum { ROWS = sizeof rows / sizeof *rows };

const PassRow *passes_table(int *count) {
    *count = ROWS;
    return rows;
}

const PassRow *pass_find(const char *name) {
    for (int i = 0; i < ROWS; i++)
        if (strcmp(rows[i].name, name) == 0) return &rows[i];
    return NULL;
}

bool pass_exists(const char *name) {
    return strcmp(name, "lower") == 0 || pass_find(name);
}

const char *passes_list(Arena *arena) {
    const char *list = "lower";
    for (int i = 0; i < ROWS; i++)
        list = arena_printf(arena, "%s%s%s", list, i + 1 < ROWS ? ", " : " and ", rows[i].name);
    return list;
}
