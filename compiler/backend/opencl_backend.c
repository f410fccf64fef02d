/* OpenCL devices as a back end. Kernels are text in the plans; the device builds them when it runs
 * them, and keeps what it built beside the CPU's objects. */
#include "compiler/backend/backend.h"
#include "compiler/cpu/cpu.h"
#include "compiler/opencl/opencl_compile.h"
#include "runtime/opencl/opencl.h"

#include <string.h>

static OpenclOptions options_for(int number) {
    return (OpenclOptions){.has_products = couplet_opencl_has_products(),
                           .is_gpu = number == ANY_DEVICE || couplet_opencl_is_gpu(number)};
}

static PlanTarget target(Arena *arena, int number) {
    (void)arena;
    const OpenclOptions options = options_for(number);
    return opencl_plan_target(&options);
}

static void print_device(FILE *out, int number, const CoupletOpenclInfo *d) {
    fprintf(out, "opencl:%-3d %s (%s), %.1f GB of memory, at most %.1f GB in one piece\n", number,
            d->name, d->kind, (double)d->memory / 1e9, (double)d->piece / 1e9);
    fprintf(out, "           platform %s; %s, driver %s, %s\n", d->platform, d->version, d->driver,
            d->c_version);
}

static void print_devices(FILE *out) {
    CoupletOpenclInfo infos[COUPLET_OPENCL_MAX_DEVICES];
    const int count = couplet_opencl_list(infos, COUPLET_OPENCL_MAX_DEVICES);
    for (int i = 0; i < count; i++)
        print_device(out, i, &infos[i]);
    if (count == 0)
        fprintf(out, "There is no OpenCL device here%s.\n",
                couplet_opencl_is_built() ? "" : ", and this build of Couplet has no OpenCL");
    else
        fprintf(out, "Plain matrix products on OpenCL: %s.\n",
                couplet_opencl_has_products()
                    ? "CLBlast"
                    : "Couplet's own kernels, since this build has no CLBlast");
}

/* Deals out devices of the same name alone, because ranks on different devices would not have equal
 * bits. */
static int deal(int process) {
    CoupletOpenclInfo infos[COUPLET_OPENCL_MAX_DEVICES];
    int alike[COUPLET_OPENCL_MAX_DEVICES];
    int count = 0;
    const int all = couplet_opencl_list(infos, COUPLET_OPENCL_MAX_DEVICES);
    for (int i = 0; i < all && i < COUPLET_OPENCL_MAX_DEVICES; i++)
        if (strcmp(infos[i].name, infos[0].name) == 0) alike[count++] = i;
    return count > 0 ? alike[process % count] : 0;
}

static bool compile_with(Arena *arena, const GraphList *list, const OpenclOptions *options,
                         BackEndCode *out, const char **error) {
    *out = (BackEndCode){.backend = &opencl_backend,
                         .plans = arena_array(arena, CoupletPlan *, list->count)};
    return opencl_compile(arena, list->graphs, list->count, list->states, list->state_count,
                          options, out->plans, &out->kernel_count, error);
}

static bool compile(Arena *arena, const GraphList *list, int number, BackEndCode *out,
                    const char **error) {
    const OpenclOptions options = options_for(number);
    return compile_with(arena, list, &options, out, error);
}

static CoupletDevice *open_device(Arena *arena, int number, CoupletThreads *threads, char *error,
                                  size_t error_bytes) {
    (void)threads;
    return couplet_opencl_open(number, cpu_cache_folder(arena), error, error_bytes);
}

static bool was_cached(const BackEndCode *code, const CoupletDevice *device) {
    (void)code;
    return couplet_opencl_was_cached(device);
}

static const char heading[] =
    "/* %s: the kernels of %s for OpenCL C 1.2, as `couplet train --device opencl` runs them. "
    "Operands a0, a1, ... are read, y is written; each is an\n"
    " * array that begins at element _at of what it lies in.\n"
    " * `fault` gets min(number * 8 + kind) when a kernel meets an index out of range, an empty "
    "set or too few candidates. */\n\n%s";

/* The compilation is the one of a run, but with comments, and for any GPU instead of one of this
 * machine. */
static bool write_text(Arena *arena, const GraphList *list, const char *name, const char *path,
                       const char **text, int *kernel_count, const char **error) {
    BackEndCode code;
    OpenclOptions options = options_for(ANY_DEVICE);
    options.comments = true;
    if (!compile_with(arena, list, &options, &code, error)) return false;
    *kernel_count = code.kernel_count;
    *text = arena_printf(arena, heading, name, path, code.plans[0]->kernels);
    return true;
}

const BackEnd opencl_backend = {.name = "opencl",
                                .sentence = "an OpenCL device, through OpenCL C 1.2",
                                .most_devices = COUPLET_OPENCL_MAX_DEVICES,
                                .deal = deal,
                                .print_devices = print_devices,
                                .target = target,
                                .compile = compile,
                                .open = open_device,
                                .was_cached = was_cached,
                                .write = write_text,
                                .suffix = ".cl"};
