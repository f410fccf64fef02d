/* --print-after PASS: the graphs as they stand after a pass, or the plan after the last one, `place`. */
#ifndef COUPLET_DRIVER_PRINT_AFTER_H
#define COUPLET_DRIVER_PRINT_AFTER_H

#include "compiler/driver/device.h"
#include "compiler/compile/compile.h"

/* False after a message on stderr: there is no pass of that name. NULL is none and fine. */
bool print_after_exists(const char *pass);
/* For CompileOptions: the context is the name of the pass; NULL prints nothing. */
void print_after_pass(void *pass, const Graph *g, const char *done);
/* The plan of the graph for the device, when `pass` is `place`. */
void print_after_place(Arena *arena, const char *pass, Graph *g, const ProgramState *states, int state_count, const DeviceChoice *device);

#endif
