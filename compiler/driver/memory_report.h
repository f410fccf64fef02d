/* couplet check --memory: what a training step allocates, what its loss does, and what became of
 * its arrays of pairs, and why. */
#ifndef COUPLET_DRIVER_MEMORY_REPORT_H
#define COUPLET_DRIVER_MEMORY_REPORT_H

#include "compiler/lower/lower.h"

/* `stored` is the same method lowered with every array of pairs stored; `asked` the budget that
 * goes before the spec's, or 0. False after a message on stderr. */
bool memory_report(Arena *arena, const LoweredProgram *program, const LoweredProgram *stored,
                   int64_t asked, FILE *out);

/* Reports the same about one function with its gradient, and its largest array. */
bool memory_report_function(Arena *arena, const char *name, Graph *g, FILE *out);

/* Prints what became of one array of pairs, without its place. */
void memory_report_choice(const GChoice *choice, FILE *out);

#endif
