/* The options of a command line, as one struct for all commands. */
#ifndef COUPLET_DRIVER_OPTIONS_H
#define COUPLET_DRIVER_OPTIONS_H

#include "lang/support.h"
#include "runtime/data/place.h"
#include "runtime/group.h"

typedef struct Setting {
    const char *name, *value; /* as in --set name=value and --in name=file */
} Setting;
typedef ARRAY(Setting) SettingList;

typedef struct Options {
    /* the ranks that the command runs on; NULL: the command runs on one rank */
    CoupletGroup *group;
    const char *file; /* the first of `files`; NULL: none */
    /* the contents of `file`, if a program has them in memory; NULL: the file is read */
    const char *text;
    ARRAY(const char *) files; /* the arguments that are no options */
    const char *out, *fn, *emit, *target, *embed_weights, *print_after, *device, *diagnostics,
        *color, *reader;
    const char *samples, *split; /* embed: an array of samples; a part of the data */
    const char *range;           /* find: --range 1e-5..1 */
    /* --best knn: the evaluation that chooses the best checkpoint */
    const char *best;
    const char *start;               /* --start RUN: the weights that a new run begins with */
    const char *against;             /* verify: --against MODULE:FUNCTION */
    const char *part, *onnx, *torch; /* export: the network, and the file to write */
    const char *change;              /* --change tau,epochs: what may differ under --resume */
    int64_t seed, seeds, threads, max_steps, checkpoint_every, give_every, steps, step, rows, batch,
        skip_bad, keep, stop_early, random, ranks, /* check: --ranks 4 */
        shards;           /* --shards 8: the places where ranks may cut a step; 0: nowhere */
    double epochs;        /* --epochs; 0: the spec says */
    int64_t memory_bytes; /* --memory 512MiB; 0: the spec says */
    bool all_errors, resume, quiet, numerics, passes, by_kernel, bench, no_stream, no_fuse,
        gradient_norm, check, write, json, cache, clear, stdio, tensorboard, dry_run, unordered;
    bool has_seed;
    bool memory; /* --memory was given, with a size or without */
    SettingList sets;
    SettingList inputs;
    SettingList sizes;
    ARRAY(const char *) data; /* each --data: FOLDER, or NAME=PATH */
    /* the record of the run that is resumed or evaluated; NULL: there is none */
    const struct CoupletRecord *record;
    /* true if the facts about the run's own data come from the record */
    bool trusts_record;
    const struct CoupletTensorFile *kept; /* the checkpoint of that run; NULL: there is none */
    /* the list for the tables that the check of a spec opens; NULL: the tables are closed */
    struct CoupletOpenedTables *opened;
} Options;

/* Reads a command line. Returns false after a message. `allowed` lists the option names of the
 * command, separated by spaces, and what is special about the command:
 *
 *   [file]    the command works without a file
 *   [files]   the command takes several files
 *   [memory]  --memory may stand without a size
 *   [lists]   --set takes several values, name=1,2,3 or name=1..3
 *   [texts]   --set takes any text, and the command looks at it
 *
 * Every command takes --diagnostics, --all-errors and --color. No option and no name of --set, --in
 * and --size is given twice, and each number is within its range. */
bool options_read(Arena *arena, Options *options, const char *command, const char *allowed,
                  int argc, char **argv);

/* Returns the shards of a new run that several ranks begin: 8, or more if there are more ranks.
 * With 8 shards a run is the same on 1 to 8 ranks. Returns 0 for one rank. */
int64_t options_shards_for(int64_t ranks);

/* Returns the places of the data for the spec at `path`: beside the spec, where the resumed run had
 * them, or where --data says. If `path` is "", there is no spec, and the places begin at the
 * current folder. */
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
