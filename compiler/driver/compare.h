/* couplet compare: several methods and settings, each trained with several seeds, in one folder.
 * compare_command.c plans and runs, compare_results.c reads what the runs left and prints the
 * table, compare_plot.c draws it. */
#ifndef COUPLET_DRIVER_COMPARE_H
#define COUPLET_DRIVER_COMPARE_H

#include "compiler/driver/options.h"
#include "compiler/driver/uses.h"

typedef struct Variant { /* a row of the table: a spec with its settings */
    /* the file; its name without folder and ending, unique among the files */
    const char *spec, *name;
    ARRAY(Setting) sets;
    const char *label; /* "moco tau=0.1" */
    bool evaluates;    /* the spec has `eval` */
    KeptFiles files;   /* of the spec and of what it uses */
} Variant;

typedef struct Outcome { /* the results of one run */
    bool finished;
    double loss;                     /* mean over the last epoch */
    ARRAY(double) losses;            /* each step's */
    ARRAY(const char *) evaluations; /* and what is reported, */
    ARRAY(double) percents;          /* after training, parallel to evaluations: a percentage, */
    ARRAY(bool) reported;            /* or a number that is reported */
} Outcome;

typedef struct Comparison {
    Arena *arena;
    const char *folder;
    ARRAY(Variant) variants;
    const Options *options; /* the options of the command line, which say where the data lies */
    long first_seed, seeds;
    Outcome *outcomes; /* variants x seeds */
} Comparison;

const char *comparison_run_folder(const Comparison *c, int variant, long seed);

/* Reads a run folder; `finished` tells whether the run came to its end. */
void outcome_read(Arena *arena, const char *folder, bool evaluates, Outcome *outcome);

/* The names of all evaluations, in the order in which the runs have them. */
typedef struct Columns {
    ARRAY(const char *) names;
    ARRAY(bool) reported;
} Columns;
Columns comparison_columns(const Comparison *c);

/* Mean and sample deviation over the seeds that finished; a NULL column is the loss. Returns how
 * many there are; the deviation of one is NAN. */
int comparison_statistics(const Comparison *c, int variant, const char *column, double *mean,
                          double *deviation);

void comparison_print(const Comparison *c, FILE *out);
/* results.csv, a line a run, and comparison.svg through gnuplot. False after a line on stderr. */
bool comparison_write_csv(const Comparison *c);
bool comparison_plot(const Comparison *c);

#endif
