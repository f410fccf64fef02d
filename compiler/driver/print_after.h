/* --print-after PASS: prints the graphs as they stand after a pass. For the last pass, `place`,
 * prints the plan. */
#ifndef COUPLET_DRIVER_PRINT_AFTER_H
#define COUPLET_DRIVER_PRINT_AFTER_H

#include "compiler/compile/compile.h"
#include "compiler/driver/device_option.h"

/* True if there is a pass of that name, or if `pass` is NULL. Returns false after a message on
 * stderr. */
bool print_after_exists(const char *pass);
/* The form of a graph when it was last looked at. */
typedef struct GraphForm {
    const Graph *graph;
    uint64_t hash; /* graph_form_hash; 0: not looked at yet */
} GraphForm;

typedef struct PrintAfter {
    Arena *arena;
    const char *pass; /* the pass; NULL: nothing is printed */
    ARRAY(GraphForm) forms;
} PrintAfter;
PrintAfter *print_after_new(Arena *arena, const char *pass);
/* Serves as CompileOptions.after, with a PrintAfter as the context. Prints the graph after the
 * pass. If the pass did nothing, a comment ahead of the graph says so. */
void print_after_pass(void *context, const Graph *g, const char *done);
/* Prints the plan of the graph for the device, if `pass` is "place". */
void print_after_place(Arena *arena, const char *pass, Graph *g, const ProgramState *states,
                       int state_count, const DeviceChoice *device);

#endif
