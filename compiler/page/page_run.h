/* What a run left in its folder: its record, its curves and its results. */
#ifndef COUPLET_COMPILER_PAGE_PAGE_RUN_H
#define COUPLET_COMPILER_PAGE_PAGE_RUN_H

#include "lang/support.h"

#include <jansson.h>

/* A number that the log has at several steps. */
typedef struct PageSeries {
    const char *name; /* the key in the log: "loss" */
    ARRAY(double) steps;
    ARRAY(double) values; /* one for each of `steps`; NAN where the log has null */
} PageSeries;

typedef struct PageResult {
    /* What was evaluated: "raw pixels", "before training", "after training", or a time between
     * these. */
    const char *of;
    const char *name;
    double step;
    double value;
    bool percent;
    bool raw; /* true for the evaluation of the samples themselves */
} PageResult;

typedef struct PageRun {
    const char *folder;
    json_t *settings; /* freed by page_run_close */
    const char *method;
    double seed, steps, last_step; /* steps that are planned, and the last step that was made */
    ARRAY(PageSeries) series;
    ARRAY(PageResult) results;
} PageRun;

/* Reads settings.json and metrics.jsonl of the folder. A log that is not there, or whose last line
 * is cut, gives a run with what there is. False with a sentence in *error when the folder holds no
 * run; page_run_close in any case. */
bool page_run_read(Arena *arena, const char *folder, PageRun *out, const char **error);
void page_run_close(PageRun *run);

/* NULL: the log has no such key. */
const PageSeries *page_run_series(const PageRun *run, const char *name);

/* Runs of one method with the same settings, which differ in their seeds at most. */
typedef struct PageVariant {
    const char *label; /* as in "simclr" or "simclr tau=0.1" */
    ARRAY(const PageRun *) runs;
} PageVariant;
typedef ARRAY(PageVariant) PageVariants;

/* The variants of the runs, in the order of their first ones. A label has what differs between
 * variants of one method: hypers, epochs, batch; else the folder. */
PageVariants page_variants(Arena *arena, const PageRun *runs, int count);

#endif
