/* The CPU back end, seen from outside: graphs in, plans out.
 *
 * cpu_compile emits one kernel (or a few, in order) for each compute node, through the LLVM C API, shares
 * equal kernels, places every intermediate in one arena by liveness, and links the code with LLJIT. Object code is
 * cached on disk by the content of the kernel and the target, so that a second start compiles nothing. */
#ifndef COUPLET_COMPILER_CPU_H
#define COUPLET_COMPILER_CPU_H

#include "compiler/graph/graph.h"
#include "runtime/abi.h"

typedef struct CpuCode CpuCode; /* owns the machine code and the plans made from it */

typedef struct CpuOptions {
    const char *cache_dir;  /* NULL: $XDG_CACHE_HOME/couplet, else ~/.cache/couplet, else no cache */
    const char *target_cpu; /* NULL: this machine */
    FILE *dump_ir;          /* NULL, or where the LLVM IR is printed */
    int compile_threads;    /* 0: as many as there are processors */
} CpuOptions;

/* Compiles several graphs over one table of states (slot i of the table is slot i of the program). plans[i] belongs to the
 * result. Returns NULL and a sentence in *error (in the arena) on failure. */
CpuCode *cpu_compile(Arena *arena, Graph *const *graphs, int graph_count, const ProgramState *states, int state_count,
                     const CpuOptions *options, CoupletPlan **plans, const char **error);
void cpu_free(CpuCode *code);

#endif
