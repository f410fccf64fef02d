/* The command line's options, as a table a command reads. */
#ifndef COUPLET_DRIVER_OPTIONS_H
#define COUPLET_DRIVER_OPTIONS_H

#include "lang/support.h"

typedef struct Setting {
    const char *name, *value; /* --set name=value, --in name=file */
} Setting;

typedef struct Options {
    const char *file;       /* the first argument that is no option */
    const char *data, *out, *fn, *emit, *target, *embed_weights, *print_after, *device, *diagnostics;
    long seed, threads, max_steps, checkpoint_every, steps, batch;
    double epochs; /* 0: as the spec says */
    int64_t memory_bytes; /* --memory 512MiB; 0: as the spec says */
    bool has_seed, resume, quiet, numerics, by_kernel, bench, no_stream, no_fuse, memory;
    ARRAY(Setting) sets, inputs, sizes;
} Options;

/* False after a message on stderr. `allowed` lists the option names of the command, separated by spaces; `[file]` among them: it works without one. */
bool options_read(Arena *arena, Options *options, const char *command, const char *allowed, int argc, char **argv);

int check_command(int argc, char **argv);
int doc_command(int argc, char **argv);
int grad_command(int argc, char **argv);
int gradcheck_command(int argc, char **argv);
int train_command(int argc, char **argv);
int eval_command(int argc, char **argv);
int bench_command(int argc, char **argv);
int profile_command(int argc, char **argv);
int tune_command(int argc, char **argv);
int fmt_command(int argc, char **argv);
int compare_command(int argc, char **argv);
int graph_command(int argc, char **argv);
int describe_command(int argc, char **argv);
int build_command(int argc, char **argv);
int devices_command(int argc, char **argv);
int explain_command(int argc, char **argv);

#endif
