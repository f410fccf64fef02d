/* The OpenCL back end, seen from outside. Graphs come in. Plans go out, with the source of one
 * program that holds the kernels of all of them. The runtime builds that program (runtime/opencl),
 * since only the device at hand can. */
#ifndef COUPLET_COMPILER_OPENCL_OPENCL_COMPILE_H
#define COUPLET_COMPILER_OPENCL_OPENCL_COMPILE_H

#include "compiler/plan/kernel.h"
#include "runtime/abi.h"

typedef struct OpenclOptions {
    bool has_products; /* CLBlast computes plain matrix products */
    bool is_gpu;       /* tiles may be as large as the registers of a GPU allow */
    /* For readers, each kernel has a comment above it, with what it does and the lines that it
     * comes from. The runtime gets no comments, so that a formula on another line does not cause a
     * new build. */
    bool comments;
} OpenclOptions;

/* Returns the back end's demands on its kernels. */
PlanTarget opencl_plan_target(const OpenclOptions *options);

/* Makes plans[i], which runs graphs[i]. States are numbered as in `states`. Everything lives in the
 * arena, and plans[i]->kernels is the source. Returns false on failure, with a sentence in
 * *error. */
bool opencl_compile(Arena *arena, Graph *const *graphs, int graph_count, const ProgramState *states,
                    int state_count, const OpenclOptions *options, CoupletPlan **plans,
                    int *kernel_count, const char **error);

#endif
