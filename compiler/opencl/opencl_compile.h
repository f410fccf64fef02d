/* The OpenCL back end, seen from outside. Graphs come in. Plans go out, with the source of one
 * program that holds the kernels of all of them. The runtime builds that program (runtime/opencl),
 * since only the device at hand can. */
#ifndef COUPLET_COMPILER_OPENCL_OPENCL_COMPILE_H
#define COUPLET_COMPILER_OPENCL_OPENCL_COMPILE_H

#include "compiler/plan/kernel.h"
#include "runtime/abi.h"

typedef struct OpenclOptions {
    bool has_products; /* plain matrix products go to CLBlast */
    bool is_gpu;       /* tiles may be as large as a GPU's registers hold */
    /* Each kernel stands below the formulas that it computes, for readers. The runtime is given no
     * comments, so that a line that has moved builds nothing anew. */
    bool comments;
} OpenclOptions;

/* The target of its plans. */
PlanTarget opencl_plan_target(const OpenclOptions *options);

/* Makes plans[i] to run graphs[i]. States are numbered as in `states`. Everything lives in the
 * arena, and plans[i]->kernels is the source. False on failure, with a sentence in *error. */
bool opencl_compile(Arena *arena, Graph *const *graphs, int graph_count, const ProgramState *states,
                    int state_count, const OpenclOptions *options, CoupletPlan **plans,
                    int *kernel_count, const char **error);

#endif
