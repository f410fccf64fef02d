/* The table of passes, made from the rows of passes.def, and questions about it. compile/stage.c
 * runs them. */
#include "compiler/passes/passes.h"

#include <string.h>

static const PassRow rows[] = {
#define PASS(name, stage, function, sentence) {#name, PASS_##stage, function, sentence},
#include "compiler/passes/passes.def"
#undef PASS
};

enum { ROWS = sizeof rows / sizeof *rows };

const PassRow *passes_table(int *count) {
    *count = ROWS;
    return rows;
}

bool pass_exists(const char *name) {
    bool exists = strcmp(name, "lower") == 0;
    for (int i = 0; i < ROWS; i++) exists |= strcmp(rows[i].name, name) == 0;
    return exists;
}

const char *passes_list(Arena *arena) {
    const char *list = "lower";
    for (int i = 0; i < ROWS; i++) list = arena_printf(arena, "%s%s%s", list, i + 1 < ROWS ? ", " : " and ", rows[i].name);
    return list;
}
