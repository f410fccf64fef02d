/* couplet check --memory: prints what a training step and its loss allocate, and what became of
 * each array of pairs, and why. */
#ifndef COUPLET_DRIVER_MEMORY_REPORT_H
#define COUPLET_DRIVER_MEMORY_REPORT_H

#include "compiler/lower/lower.h"

/* Reports on a method. `stored` is the same method lowered with every array of pairs stored.
 * `asked` is the budget of the command line, or 0. Returns false after a message on stderr. */
bool memory_report(Arena *arena, const LoweredProgram *program, const LoweredProgram *stored,
                   int64_t asked, FILE *out);

/* Reports the same on one function with its gradient, and names its largest array. */
bool memory_report_function(Arena *arena, const char *name, Graph *g, FILE *out);

/* Prints what became of one array of pairs, without the array's place. */
void memory_report_choice(const GChoice *choice, FILE *out);

#endif
