/* couplet check --ranks N: which steps of a training step are cut among ranks, what these hand to
 * each other, and the bytes of it. */
#ifndef COUPLET_DRIVER_RANKS_REPORT_H
#define COUPLET_DRIVER_RANKS_REPORT_H

#include "compiler/lower/lower.h"

/* The program is compiled for shards. False after a message on stderr. */
bool ranks_report(Arena *arena, const LoweredProgram *program, int ranks, FILE *out);

#endif
