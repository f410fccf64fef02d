/* metrics.jsonl and evaluations.jsonl: one JSON object a line, flushed as it is written. */
#ifndef COUPLET_RUNTIME_METRICS_H
#define COUPLET_RUNTIME_METRICS_H

#include "runtime/evaluation.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

typedef struct CoupletMetric {
    const char *name;
    double value;     /* not finite: null */
    const char *text; /* in place of the value, when not NULL */
} CoupletMetric;

/* What the rows of a run up to a step say. */
typedef struct CoupletMetricsSeen {
    bool complete[COUPLET_SUBJECTS]; /* all evaluations of the subject are there: at step 0, and after training at the step */
    double lowest_deviation;         /* of the embedding, over the epochs; INFINITY: no epoch has ended */
} CoupletMetricsSeen;

/* What a method measures, by name: of raw values the first `raw`, else all. */
typedef struct CoupletMetricsNames {
    const char *const *names;
    int raw, count;
} CoupletMetricsNames;

/* Reads the rows whose "step" is at most `step`; an evaluation of another name counts for none. No file is no row. False with a sentence. */
bool couplet_metrics_survey(const char *path, int64_t step, const CoupletMetricsNames *wanted, CoupletMetricsSeen *seen, char *error, size_t error_bytes);

/* Opens for writing from the start; or after `first`, rows that come before all others, and the rows whose "step" is at most `step`, byte for byte, but without
 * the evaluations that `seen` does not find complete and what was reported before the epoch that begins with the next step: it is done again. NULL with a sentence. */
FILE *couplet_metrics_begin(const char *path, char *error, size_t error_bytes);
FILE *couplet_metrics_go_on(const char *path, const char *first, int64_t step, const CoupletMetricsSeen *seen, char *error, size_t error_bytes);
bool couplet_metrics_row(FILE *file, const char *path, const CoupletMetric *metrics, int count, char *error, size_t error_bytes);

#endif
