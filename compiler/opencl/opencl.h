/* The OpenCL back end, seen from outside: graphs in, plans out, with the source of one program that holds the kernels of all of them. Building it is
 * the runtime's business (runtime/opencl), since only the device at hand can. */
#ifndef COUPLET_COMPILER_OPENCL_H
#define COUPLET_COMPILER_OPENCL_H

#include "compiler/plan/kernel.h"
#include "runtime/abi.h"

typedef struct OpenclOptions {
    bool has_products; /* plain matrix products go to CLBlast */
    bool is_gpu;       /* tiles may be as large as a GPU's registers hold */
    bool comments;     /* for readers: each kernel below the formulas it computes. The runtime is given none, so that a moved line builds nothing anew. */
} OpenclOptions;

/* What its plans are made for. */
PlanTarget opencl_plan_target(const OpenclOptions *options);

/* plans[i] runs graphs[i]; states are numbered as in `states`. Everything lives in the arena; plans[i]->kernels is the source. False, with a
 * sentence in *error, on failure. */
bool opencl_compile(Arena *arena, Graph *const *graphs, int graph_count, const ProgramState *states, int state_count, const OpenclOptions *options,
                    CoupletPlan **plans, int *kernel_count, const char **error);

#endif
