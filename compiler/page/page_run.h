/* The files that a run left in its folder: its record, its curves and its results. */
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
    /* The samples or networks that are evaluated: "raw pixels", "before training", "after
     * training", or a moment between these. */
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
    /* `steps` are planned, and `last_step` is the last step that was made */
    double seed, steps, last_step;
    ARRAY(PageSeries) series;
    ARRAY(PageResult) results;
} PageRun;

/* Reads settings.json and metrics.jsonl of the folder. A missing log, or a last line that is cut
 * off, is no error. Returns false with a sentence in *error if the folder holds no run. Call
 * page_run_close in any case. */
bool page_run_read(Arena *arena, const char *folder, PageRun *out, const char **error);
void page_run_close(PageRun *run);

/* Returns the curve of a key of the log, or NULL if the log has no such key. */
const PageSeries *page_run_series(const PageRun *run, const char *name);

/* Runs of one method with the same settings, which differ in their seeds at most. */
typedef struct PageVariant {
    const char *label; /* as in "simclr" or "simclr tau=0.1" */
    ARRAY(const PageRun *) runs;
} PageVariant;
typedef ARRAY(PageVariant) PageVariants;

/* Returns the variants of the runs, in the order of their first runs. A label has the hypers,
 * epochs and batch that differ between variants of one method, and the folder if none differs. */
PageVariants page_variants(Arena *arena, const PageRun *runs, int count);

#endif
