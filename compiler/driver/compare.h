/* couplet compare: trains several methods and settings with several seeds each, in one folder.
 * compare_command.c plans and runs. compare_results.c reads what the runs left and prints the
 * table. compare_plot.c draws the picture. */
#ifndef COUPLET_DRIVER_COMPARE_H
#define COUPLET_DRIVER_COMPARE_H

#include "compiler/driver/options.h"
#include "compiler/driver/uses.h"

typedef struct Variant { /* a row of the table: a spec with settings */
    const char *spec;    /* the path of the spec */
    const char *name;    /* its name without folder and ending, which is unique among the specs */
    ARRAY(Setting) sets;
    const char *label; /* the spec's name with its settings: "moco tau=0.1" */
    bool evaluates;    /* true if the spec has `eval` */
    KeptFiles files;   /* the files of the spec and of what it uses */
} Variant;

typedef struct Outcome { /* the results of one run */
    bool finished;
    double loss;          /* the mean over the last epoch */
    ARRAY(double) losses; /* the loss of each step */
    /* The evaluations of the trained network; the two lists below have an entry for each. */
    ARRAY(const char *) evaluations;
    ARRAY(double) percents; /* the last figure: a percentage, or a plain number */
    /* True if the figure is a plain number that the spec reports. */
    ARRAY(bool) reported;
} Outcome;

typedef struct Comparison {
    Arena *arena;
    const char *folder;
    ARRAY(Variant) variants;
    const Options *options; /* the options of the command line, which say where the data lies */
    long first_seed;
    long seeds;
    Outcome *outcomes; /* the results of each variant, seed by seed */
} Comparison;

/* Reads a run folder. `finished` tells whether the run came to its end. */
void outcome_read(Arena *arena, const char *folder, bool evaluates, Outcome *outcome);

/* The names of all evaluations, in the order in which the runs have them. */
typedef struct Columns {
    ARRAY(const char *) names;
    ARRAY(bool) reported;
} Columns;
Columns comparison_columns(const Comparison *c);

/* Computes mean and sample deviation of a column over the seeds that finished; NULL stands for the
 * loss. Returns the number of values; the deviation of a single value is NAN. */
int comparison_statistics(const Comparison *c, int variant, const char *column, double *mean,
                          double *deviation);

void comparison_print(const Comparison *c, FILE *out);
/* Write results.csv, with a line for each run, and comparison.svg, drawn by gnuplot. Return false
 * after a message. */
bool comparison_write_csv(const Comparison *c);
bool comparison_plot(const Comparison *c);

#endif
