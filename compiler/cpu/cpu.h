/* The CPU back end, seen from outside: a graph in, a plan out. One kernel for each compute node, through the LLVM C API and LLJIT; every
 * intermediate has a place in one arena. */
#ifndef COUPLET_COMPILER_CPU_H
#define COUPLET_COMPILER_CPU_H

#include "compiler/graph/graph.h"
#include "runtime/abi.h"

typedef struct CpuCode CpuCode; /* owns the machine code of its plan */

/* Slot i of the plan's inputs is the i-th input or state of the graph, in order. NULL, with a sentence in *error (in the arena), on failure:
 * a node that this back end does not emit yet (top-k, random draws) is named with its source line. */
CpuCode *cpu_compile(Arena *arena, Graph *graph, CoupletPlan **plan, const char **error);
void cpu_free(CpuCode *code);

#endif
