/* The command line's options, as a table a command reads. */
#ifndef COUPLET_DRIVER_OPTIONS_H
#define COUPLET_DRIVER_OPTIONS_H

#include "lang/support.h"
#include "runtime/data/place.h"
#include "runtime/group.h"

typedef struct Setting {
    const char *name, *value; /* --set name=value, --in name=file */
} Setting;
typedef ARRAY(Setting) SettingList;

typedef struct Options {
    CoupletGroup *group; /* the ranks that the command runs on; NULL: there is one */
    const char *file;    /* the first of `files`, or NULL */
    /* the contents of `file`, for a program that has them in memory; NULL: the file is read */
    const char *text;
    ARRAY(const char *) files; /* the arguments that are no options */
    const char *out, *fn, *emit, *target, *embed_weights, *print_after, *device, *diagnostics,
        *color, *reader;
    const char *samples, *split;     /* for embed: an array of samples; a split of the data */
    const char *range;               /* --range 1e-5..1, of find */
    const char *best;                /* --best knn: what the best checkpoint is chosen by */
    const char *start;               /* --start RUN: what a new run begins with */
    const char *against;             /* of verify: --against MODULE:FUNCTION */
    const char *part, *onnx, *torch; /* of export: which network; the file to write */
    const char *change;              /* --change tau,epochs: what --resume may find otherwise */
    int64_t seed, seeds, threads, max_steps, checkpoint_every, give_every, steps, step, rows, batch,
        skip_bad, keep, stop_early, random, ranks, /* --ranks 4, of check */
        shards;           /* --shards 8: the places where ranks may cut a step; 0: nowhere */
    double epochs;        /* 0: as the spec says */
    int64_t memory_bytes; /* --memory 512MiB; 0: as the spec says */
    bool all_errors, resume, quiet, numerics, passes, by_kernel, bench, no_stream, no_fuse,
        gradient_norm, check, write, json, cache, clear, stdio, tensorboard, dry_run, unordered;
    bool has_seed;
    bool memory; /* --memory was given, with a size or alone */
    SettingList sets, inputs, sizes;
    ARRAY(const char *) data; /* each --data: FOLDER, or NAME=PATH */
    /* the record of the run that is resumed or evaluated; NULL */
    const struct CoupletRecord *record;
    /* the facts about the run's own data are taken from the record */
    bool trusts_record;
    const struct CoupletTensorFile *kept; /* the checkpoint of that run; NULL */
    /* The tables that the check of a spec opened are kept here; NULL: they are closed. */
    struct CoupletOpenedTables *opened;
} Options;

/* Reads a command line; false after a message. `allowed` lists the option names of the command,
 * separated by spaces, and what is special about it:
 *
 *   [file]    it works without a file
 *   [files]   it takes several
 *   [memory]  --memory may stand without a size
 *   [lists]   --set takes several values, name=1,2,3 or name=1..3
 *   [texts]   --set takes any text, and the command looks at it
 *
 * Every command takes --diagnostics, --all-errors and --color. No option and no name of --set, --in
 * and --size is given twice, and each number is within its range. */
bool options_read(Arena *arena, Options *options, const char *command, const char *allowed,
                  int argc, char **argv);

/* The shards of a new run that several ranks begin: as many as few ranks need, whatever their
 * number, so that the run is the same on 1 to 8 of them. 0 for one rank. */
int64_t options_shards_for(int64_t ranks);

/* Returns the places of the data for the spec at `path`: beside the spec, where the resumed run had
 * them, or where --data says; "": there is no spec, so the places begin at the current folder. */
CoupletPlaces options_places(const Options *options, const char *path);

int check_command(int argc, char **argv);
int data_command(int argc, char **argv);
int show_command(int argc, char **argv);
int doc_command(int argc, char **argv);
int tex_command(int argc, char **argv);
int verify_command(int argc, char **argv);
int new_command(int argc, char **argv);
int export_command(int argc, char **argv);
int grad_command(int argc, char **argv);
int gradcheck_command(int argc, char **argv);
int train_command(int argc, char **argv);
int eval_command(int argc, char **argv);
int embed_command(int argc, char **argv);
int bench_command(int argc, char **argv);
int profile_command(int argc, char **argv);
int tune_command(int argc, char **argv);
int find_command(int argc, char **argv);
int fmt_command(int argc, char **argv);
int compare_command(int argc, char **argv);
int graph_command(int argc, char **argv);
int describe_command(int argc, char **argv);
int build_command(int argc, char **argv);
int devices_command(int argc, char **argv);
int explain_command(int argc, char **argv);
int report_command(int argc, char **argv);

#endif
