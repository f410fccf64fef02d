/* --print-after PASS: the graphs as they stand after a pass, or the plan after the last one,
 * `place`. */
#ifndef COUPLET_DRIVER_PRINT_AFTER_H
#define COUPLET_DRIVER_PRINT_AFTER_H

#include "compiler/compile/compile.h"
#include "compiler/driver/device_option.h"

/* False after a message on stderr: there is no pass of that name. NULL is none and fine. */
bool print_after_exists(const char *pass);
/* The form of a graph when it was last looked at. */
typedef struct GraphForm {
    const Graph *graph;
    uint64_t hash; /* graph_form_hash; 0: it was not looked at yet */
} GraphForm;

typedef struct PrintAfter {
    Arena *arena;
    const char *pass; /* NULL: nothing is printed */
    ARRAY(GraphForm) forms;
} PrintAfter;
PrintAfter *print_after_new(Arena *arena, const char *pass);
/* For CompileOptions, with a PrintAfter as the context: prints the graph after the pass, and ahead
 * of it, as a comment of the text form, that the pass did nothing. */
void print_after_pass(void *context, const Graph *g, const char *done);
/* The plan of the graph for the device, when `pass` is `place`. */
void print_after_place(Arena *arena, const char *pass, Graph *g, const ProgramState *states,
                       int state_count, const DeviceChoice *device);

#endif
