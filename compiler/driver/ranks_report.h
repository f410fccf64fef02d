/* couplet check --ranks N: prints which kernels of a training step are cut among ranks, what the
 * ranks exchange, and how many bytes. */
#ifndef COUPLET_DRIVER_RANKS_REPORT_H
#define COUPLET_DRIVER_RANKS_REPORT_H

#include "compiler/lower/lower.h"
#include "compiler/plan/kernel.h"

/* Prints the report. The program must be compiled for shards and for the device of the target.
 * Returns false after a message on stderr. */
bool ranks_report(Arena *arena, const LoweredProgram *program, const PlanTarget *target, int ranks,
                  FILE *out);

#endif
