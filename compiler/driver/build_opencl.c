/* `couplet build --emit opencl`. The compilation is the one of a run. Its text goes to a file,
 * with comments, and is made for any GPU instead of for a device of this machine. */
#include "compiler/driver/build_opencl.h"

#include "compiler/driver/assemble.h"
#include "compiler/driver/report.h"
#include "runtime/files.h"

bool build_opencl(Arena *arena, const Method *method, const LoweredProgram *lowered, const char *path) {
    int graph_count, kernel_count;
    Graph **graphs = program_graphs(arena, lowered, &graph_count);
    CoupletPlan **plans = arena_array(arena, CoupletPlan *, graph_count);
    OpenclOptions options = device_opencl_options(&(DeviceChoice){ON_OPENCL, ANY_GPU});
    options.comments = true;
    const char *failed = "out of memory";
    char error[512];
    if (!opencl_compile(arena, graphs, graph_count, lowered->states.items, lowered->states.count, &options, plans, &kernel_count, &failed)) {
        report_error(CODE_OUTPUT, failed);
        return false;
    }
    const char *text = arena_printf(arena, "/* %s: the kernels of %s for OpenCL C 1.2, as `couplet train --device opencl` runs them. Operands a0, a1, ... are read, y is written; each is an\n"
                                           " * array that begins at element _at of what it lies in.\n"
                                           " * `fault` gets min(number * 8 + kind) when a kernel meets an index out of range, an empty set or too few candidates. */\n\n%s",
                                    method->spec->name, method->spec->source->path, plans[0]->kernels);
    if (couplet_text_write(path, text, error, sizeof error)) {
        printf("%s: %d kernels\n", path, kernel_count);
        return true;
    }
    report_error(CODE_OUTPUT, error);
    return false;
}
