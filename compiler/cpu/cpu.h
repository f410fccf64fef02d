/* The CPU back end, seen from outside: graphs in, plans out. Every plan of one program shares one table of states and one body of machine
 * code; equal kernels share code, and the code is kept on disk by content, so that the second start compiles nothing. */
#ifndef COUPLET_COMPILER_CPU_H
#define COUPLET_COMPILER_CPU_H

#include "compiler/plan/kernel.h"

typedef struct CpuCode CpuCode; /* owns the machine code of its plans */

typedef struct CpuOptions {
    const char *cache_folder; /* where objects are kept; NULL: nowhere */
} CpuOptions;

/* plans[i] runs graphs[i]; states are numbered as in `states`. A graph that draws random numbers gets the inputs "seed" and "step". NULL, with a
 * sentence in *error (in the arena), on failure. */
CpuCode *cpu_compile(Arena *arena, Graph *const *graphs, int graph_count, const ProgramState *states, int state_count, const CpuOptions *options,
                     CoupletPlan **plans, const char **error);
/* What was done, for those who wait: kernels in the code, and whether they came from the cache. */
int cpu_kernel_count(const CpuCode *code);
bool cpu_was_cached(const CpuCode *code);
/* $COUPLET_CACHE, else $XDG_CACHE_HOME/couplet, else $HOME/.cache/couplet; NULL when there is none or it cannot be made. */
const char *cpu_cache_folder(Arena *arena);
PlanTarget cpu_plan_target(void); /* what it asks of its kernels */
void cpu_free(CpuCode *code);

#endif
