/* couplet train, couplet eval: a spec to a trained encoder. */
#include "compiler/driver/assemble.h"
#include "compiler/driver/load.h"
#include "runtime/files.h"
#include "runtime/train.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

static volatile sig_atomic_t stop;

static void ask_to_stop(int signal_number) {
    stop = 1;
    signal(signal_number, SIG_DFL); /* the second time ends at once */
}

static double now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

/* ---- the commands -------------------------------------------------------------------------------------------------- */

typedef bool (*Work)(const CoupletProgram *program, const CoupletTrainOptions *options, char *error, size_t error_bytes);

static int run_program(Arena *arena, const Options *o, const char *path, const char *folder, const char *command, Work work) {
    double start = now();
    Assembled assembled;
    if (!assemble_spec(arena, o, path, command, &assembled)) return 1;
    if (!o->quiet)
        printf("%s in %.2f s (%d kernels%s)\n", cpu_was_cached(assembled.code) ? "loaded" : "compiled", now() - start, cpu_kernel_count(assembled.code),
               cpu_was_cached(assembled.code) ? " from the cache" : "");
    char error[1024], made[COUPLET_PATH_BYTES];
    bool good = folder || o->out || couplet_run_folder(assembled.program->name, o->resume, made, error, sizeof error);
    const CoupletTrainOptions options = {.folder = folder ? folder : o->out ? o->out : made, .data = o->data, .seed = (uint64_t)o->seed,
                                         .threads = (int)o->threads, .max_steps = o->max_steps, .checkpoint_every = o->checkpoint_every, .resume = o->resume,
                                         .quiet = o->quiet, .out = stdout, .stop = &stop};
    signal(SIGINT, ask_to_stop);
    signal(SIGTERM, ask_to_stop);
    good = good && work(assembled.program, &options, error, sizeof error);
    cpu_free(assembled.code);
    if (good) return 0;
    fflush(stdout);
    fprintf(stderr, "couplet %s: %s\n", command, error);
    return 1;
}

int train_command(int argc, char **argv) {
    Arena *arena = arena_new();
    Options o;
    int status = 2;
    if (options_read(arena, &o, "train", "set epochs data seed threads out resume max-steps checkpoint-every no-stream quiet diagnostics", argc, argv))
        status = run_program(arena, &o, o.file, NULL, "train", couplet_train);
    arena_free(arena);
    return status;
}

int eval_command(int argc, char **argv) {
    Arena *arena = arena_new();
    Options o;
    int status = 2;
    if (options_read(arena, &o, "eval", "data threads quiet diagnostics", argc, argv)) {
        char spec[COUPLET_PATH_BYTES], error[256];
        status = 1;
        if (couplet_path_join(o.file, "spec.cpl", spec, error, sizeof error)) status = run_program(arena, &o, spec, o.file, "eval", couplet_evaluate);
        else fprintf(stderr, "couplet eval: %s\n", error);
    }
    arena_free(arena);
    return status;
}
