/* couplet check --memory: what a training step allocates, and what became of its arrays of pairs. */
#ifndef COUPLET_DRIVER_MEMORY_REPORT_H
#define COUPLET_DRIVER_MEMORY_REPORT_H

#include "compiler/lower/lower.h"

/* `stored` is the same method lowered with every array of pairs stored. False after a message on stderr. */
bool memory_report(Arena *arena, const LoweredProgram *program, const LoweredProgram *stored, FILE *out);

#endif
