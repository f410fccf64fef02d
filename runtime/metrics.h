/* The files metrics.jsonl and evaluations.jsonl: one JSON object a line, flushed when it is
 * written. */
#ifndef COUPLET_RUNTIME_METRICS_H
#define COUPLET_RUNTIME_METRICS_H

#include "runtime/evaluation.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

typedef struct CoupletMetric {
    const char *name;
    double value;     /* written as null if it is not finite */
    const char *text; /* a text to write instead of the value; NULL: none */
} CoupletMetric;

/* The facts about a run that the rows of its log show, up to a step. */
typedef struct CoupletMetricsSeen {
    /* By subject: true if the log has all its evaluations, at step 0 or, in and after training, at
     * the step. */
    bool complete[COUPLET_SUBJECTS];
    /* The lowest deviation of the embedding in any epoch, or INFINITY. */
    double lowest_deviation;
} CoupletMetricsSeen;

/* The names of the evaluations and reports of a method. For raw values, the first `raw` of them are
 * measured; in training, those that are due at the step; for other subjects, all. */
typedef struct CoupletMetricsNames {
    const char *const *names;
    const bool *due; /* by name: true if it is due; NULL: none */
    int raw;
    int count;
} CoupletMetricsNames;

/* Surveys the rows whose "step" is at most `step`. Evaluations of other names do not count. A
 * missing file counts as empty. Returns false with a sentence. */
bool couplet_metrics_survey(const char *path, int64_t step, const CoupletMetricsNames *wanted,
                            CoupletMetricsSeen *seen, char *error, size_t error_bytes);

/* couplet_metrics_begin opens an empty log. couplet_metrics_go_on opens a log that keeps `first`,
 * which are rows before all others, and then the rows whose "step" is at most `step`, byte for
 * byte. It drops evaluations that are not complete by `seen`, and what was reported before the
 * epoch that begins with the next step, because the run will make these again. Both return NULL
 * with a sentence. */
FILE *couplet_metrics_begin(const char *path, char *error, size_t error_bytes);
FILE *couplet_metrics_go_on(const char *path, const char *first, int64_t step,
                            const CoupletMetricsSeen *seen, char *error, size_t error_bytes);
/* Hands each row of a log to `take`, until that returns false. A missing file counts as empty.
 * Returns false with a sentence, its own or that of `take`. */
bool couplet_metrics_each(const char *path,
                          bool (*take)(void *context, const CoupletMetric *metrics, int count),
                          void *context, char *error, size_t error_bytes);
/* Returns the entry of a row that has the name, or NULL. */
const CoupletMetric *couplet_metrics_find(const CoupletMetric *row, int count, const char *name);

bool couplet_metrics_row(FILE *file, const char *path, const CoupletMetric *metrics, int count,
                         char *error, size_t error_bytes);

#endif
