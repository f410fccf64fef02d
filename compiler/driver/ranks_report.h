/* couplet check --ranks N: which steps of a training step are cut among ranks, what these hand to
 * each other, and the bytes of it. */
#ifndef COUPLET_DRIVER_RANKS_REPORT_H
#define COUPLET_DRIVER_RANKS_REPORT_H

#include "compiler/lower/lower.h"
#include "compiler/plan/kernel.h"

/* The program is compiled for shards, and for the device of the target. False after a message on
 * stderr. */
bool ranks_report(Arena *arena, const LoweredProgram *program, const PlanTarget *target, int ranks,
                  FILE *out);

#endif
