/* metrics.jsonl: one JSON object a line, flushed as it is written. */
#ifndef COUPLET_RUNTIME_METRICS_H
#define COUPLET_RUNTIME_METRICS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

typedef struct CoupletMetric {
    const char *name;
    double value;     /* not finite: null */
    const char *text; /* in place of the value, when not NULL */
} CoupletMetric;

/* Opens for writing from the start, or, with `keep_up_to` >= 0, after the rows whose "step" is at most that (a run that goes on). NULL with a
 * sentence. */
FILE *couplet_metrics_open(const char *path, int64_t keep_up_to, char *error, size_t error_bytes);
bool couplet_metrics_row(FILE *file, const char *path, const CoupletMetric *metrics, int count, char *error, size_t error_bytes);

#endif
