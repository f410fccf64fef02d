/* The CPU as a back end. Its code lies in this process, and its device is made from the caller's
 * threads. */
#include "compiler/backend/backend.h"
#include "compiler/cpu/cpu.h"
#include "runtime/threads.h"

static void print_devices(FILE *out) {
    CoupletThreads *threads = couplet_threads_new(0);
    const int count = couplet_threads_count(threads);
    fprintf(out, "cpu        %d %s\n", count, count == 1 ? "thread" : "threads");
    couplet_threads_free(threads);
}

static PlanTarget target(Arena *arena, int number) {
    (void)number;
    return cpu_plan_target(arena);
}

static bool compile(Arena *arena, const GraphList *list, int number, BackEndCode *out,
                    const char **error) {
    (void)number;
    const CpuOptions options = {cpu_cache_folder(arena)};
    *out = (BackEndCode){.backend = &cpu_backend,
                         .plans = arena_array(arena, CoupletPlan *, list->count)};
    CpuCode *code = cpu_compile(arena, list->graphs, list->count, list->states, list->state_count,
                                &options, out->plans, error);
    if (!code) return false;
    out->own = code;
    out->kernel_count = cpu_kernel_count(code);
    return true;
}

static void free_code(BackEndCode *code) {
    cpu_free(code->own);
}

static CoupletDevice *open_device(Arena *arena, int number, CoupletThreads *threads, char *error,
                                  size_t error_bytes) {
    (void)arena;
    (void)number;
    CoupletDevice *device = couplet_host_device_new(threads);
    if (!device) snprintf(error, error_bytes, "out of memory");
    return device;
}

static bool was_cached(const BackEndCode *code, const CoupletDevice *device) {
    (void)device;
    return cpu_was_cached(code->own);
}

const BackEnd cpu_backend = {.name = "cpu",
                             .sentence = "the cores of this machine, through LLVM",
                             .is_host = true,
                             .most_devices = 1,
                             .print_devices = print_devices,
                             .target = target,
                             .compile = compile,
                             .free = free_code,
                             .open = open_device,
                             .was_cached = was_cached};
