/* couplet train, couplet eval: a spec to a trained encoder. */
#include "compiler/driver/assemble.h"
#include "compiler/driver/load.h"
#include "compiler/driver/report.h"
#include "runtime/files.h"
#include "runtime/interrupt.h"
#include "runtime/opencl/opencl.h"
#include "runtime/train.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

static double now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

/* ---- the commands -------------------------------------------------------------------------------------------------- */

typedef bool (*Work)(const CoupletProgram *program, const CoupletTrainOptions *options, char *error, size_t error_bytes);

/* An OpenCL device with the method's program built on it, before anything is said or written; without a device it is the host's turn. */
typedef struct Ready {
    CoupletDevice *device;
    void *code;
} Ready;

static bool make_ready(Ready *r, const CoupletProgram *program) {
    if (!r->device || r->device->calls->prepare(r->device, program->train, &r->code)) return true;
    report(CODE_RUN_STOPPED, "%s: %s", r->device->name, r->device->fault.sentence);
    return false;
}

static void give_up(Ready *r) {
    if (r->code) r->device->calls->forget(r->device, r->code);
    couplet_device_free(r->device);
}

static int run_program(Arena *arena, const Options *o, const char *path, const char *folder, Work work) {
    double start = now();
    DeviceChoice choice;
    Assembled assembled;
    Ready ready = {NULL, NULL};
    if (!device_choose(o->device, false, &choice)) return 2;
    if (choice.kind == ON_OPENCL && !(ready.device = device_open(arena, &choice))) return 1;
    if (!assemble_spec(arena, o, path, &choice, &assembled) || !make_ready(&ready, assembled.program)) {
        give_up(&ready);
        return 1;
    }
    bool cached = ready.device ? couplet_opencl_was_cached(ready.device) : cpu_was_cached(assembled.code);
    if (!o->quiet)
        printf("%s in %.2f s (%d kernels%s%s%s)\n", cached ? "loaded" : "compiled", now() - start, assembled.kernel_count, cached ? " from the cache" : "",
               ready.device ? " for " : "", ready.device ? ready.device->name : "");
    char error[1024], made[COUPLET_PATH_BYTES];
    bool good = folder || o->out || couplet_run_folder(assembled.program->name, o->resume, made, error, sizeof error);
    const CoupletTrainOptions options = {.folder = folder ? folder : o->out ? o->out : made, .data = o->data, .seed = (uint64_t)o->seed,
                                         .threads = (int)o->threads, .max_steps = o->max_steps, .checkpoint_every = o->checkpoint_every, .resume = o->resume,
                                         .quiet = o->quiet, .out = stdout, .stop = couplet_catch_interrupts(), .device = ready.device};
    good = good && work(assembled.program, &options, error, sizeof error);
    give_up(&ready);
    cpu_free(assembled.code);
    if (good) return 0;
    fflush(stdout);
    report_error(CODE_RUN_STOPPED, error);
    return 1;
}

int train_command(int argc, char **argv) {
    Arena *arena = arena_new();
    Options o;
    int status = 2;
    if (options_read(arena, &o, "train", "set epochs data seed threads device out resume max-steps checkpoint-every memory no-stream no-fuse quiet", argc, argv))
        status = run_program(arena, &o, o.file, NULL, couplet_train);
    arena_free(arena);
    return status;
}

int eval_command(int argc, char **argv) {
    Arena *arena = arena_new();
    Options o;
    int status = 2;
    if (options_read(arena, &o, "eval", "data threads device quiet", argc, argv)) {
        char spec[COUPLET_PATH_BYTES], error[256];
        status = 1;
        if (couplet_path_join(o.file, "spec.cpl", spec, error, sizeof error)) status = run_program(arena, &o, spec, o.file, couplet_evaluate);
        else report_error(CODE_RUN_STOPPED, error);
    }
    arena_free(arena);
    return status;
}
