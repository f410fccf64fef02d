/* The CPU back end, seen from outside: graphs come in, plans go out. All plans of a program share
 * one table of states and one body of machine code. Equal kernels share code, and the code is kept
 * on disk by content, so that the second start compiles nothing. */
#ifndef COUPLET_COMPILER_CPU_H
#define COUPLET_COMPILER_CPU_H

#include "compiler/plan/kernel.h"

/* The machine code of plans. The plans cannot run any more after cpu_free. */
typedef struct CpuCode CpuCode;

/* Plans and their kernels, before there is code for them. They lie in the arena. */
typedef struct CpuPlans CpuPlans;

typedef struct CpuOptions {
    const char *cache_folder; /* the folder in which objects are kept; NULL: objects are not kept */
} CpuOptions;

/* The target of plans: a processor, and measured choices. */
typedef struct CpuTarget {
    const char *processor; /* a processor by its name in processor.h; NULL: this machine's */
    /* The measured cuts of contractions (plan/tuning.h). NULL: the model of costs cuts them. */
    const struct Tuning *tuning;
} CpuTarget;

/* Makes plans[i] to run graphs[i]. States are numbered as in `states`. A graph that draws random
 * numbers gets the inputs "seed" and "step". Without a target the plans are for this machine, with
 * what was measured on it. Returns NULL on failure, with a sentence in *error, which lies in the
 * arena. */
CpuPlans *cpu_plans(Arena *arena, Graph *const *graphs, int graph_count, const ProgramState *states,
                    int state_count, const CpuTarget *wanted, CoupletPlan **plans,
                    const char **error);
/* Makes machine code in this process, and sets the kernels of the plans. Returns NULL on failure,
 * with a sentence in *error. cpu_free releases the code. */
CpuCode *cpu_jit(Arena *arena, CpuPlans *plans, const CpuOptions *options, const char **error);
/* Makes plans for this machine, and their code as cpu_jit does. */
CpuCode *cpu_compile(Arena *arena, Graph *const *graphs, int graph_count,
                     const ProgramState *states, int state_count, const CpuOptions *options,
                     CoupletPlan **plans, const char **error);

/* Returns the number of kernels in the code, which users see when they wait; cpu_was_cached tells
 * whether the code came from the cache. */
int cpu_kernel_count(const CpuCode *code);
bool cpu_was_cached(const CpuCode *code);
const char *cpu_llvm_version(Arena *arena); /* "19.1.7" */
/* Returns the folder of couplet_cache_folder (runtime/data/cache.h), which is made if necessary.
 * NULL: there is none, or it cannot be made. */
const char *cpu_cache_folder(Arena *arena);
/* Returns the back end's demands on its kernels, on this machine. */
PlanTarget cpu_plan_target(Arena *arena);
/* Returns the file of the measured choices for this machine, beside the objects, or NULL. */
const char *cpu_tuning_path(Arena *arena);
/* Returns the kernel of step number `step` in the plan of graphs[plan]. */
const Kernel *cpu_plan_kernel(const CpuPlans *plans, int plan, int step);
void cpu_free(CpuCode *code);

/* ---- ahead of time --------------------------------------------------------------------------- */

/* Writes kernels and program as an object, whose only visible name is the hidden `symbol` of the
 * program. Several threads may do so at once, each with plans of its own. With `llvm`, writes
 * LLVM's text instead. Returns false on failure, with a sentence in *error. */
bool cpu_write_program(Arena *arena, const CpuPlans *plans, const CoupletProgram *program,
                       const char *symbol, bool llvm, const char *path, const char **error);

typedef struct CpuVariant {
    /* The processor of the plans and the symbol that one call of cpu_write_program was given. */
    const char *processor;
    const char *symbol;
} CpuVariant;

typedef struct CpuBinding {
    /* The method's name, and the symbol of its CoupletMethod, by which other programs find it. */
    const char *name;
    const char *symbol;
    /* The programs that were written. The binding itself is compiled for the processor of the last
     * one. */
    const CpuVariant *variants;
    int variant_count;
    /* The bytes of a checkpoint that the object carries with it. NULL: it carries no weights. */
    const void *weights;
    size_t weight_bytes;
    bool with_main; /* adds a `main`, which hands the command line to couplet_command */
} CpuBinding;
/* Writes the object with the CoupletMethod, which points to programs that were written before.
 * Returns false on failure, with a sentence in *error. */
bool cpu_write_binding(Arena *arena, const CpuBinding *binding, const char *path,
                       const char **error);
/* Returns NULL if code can be made for `processor`, else a sentence that says why not. */
const char *cpu_refuses(Arena *arena, const char *processor);

#endif
