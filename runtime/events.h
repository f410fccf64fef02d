/* Event files, which TensorBoard reads: the numbers of metrics.jsonl as scalars over the steps. The
 * format is TensorFlow's: records with masked CRC32C (tensorflow/core/lib/io/record_writer.h), each
 * an `Event` of tensorflow/core/util/event.proto. */
#ifndef COUPLET_RUNTIME_EVENTS_H
#define COUPLET_RUNTIME_EVENTS_H

#include "runtime/metrics.h"

typedef struct CoupletEvents CoupletEvents;

/* The beginning and the end of the names of event files, with the step that each begins behind
 * between them: "events.out.tfevents.0000000470.couplet". A reader takes them in this order. */
#define COUPLET_EVENTS_BEGIN "events.out.tfevents."
#define COUPLET_EVENTS_END   ".couplet"

/* Opens the file of a run that begins, or goes on, behind the step; what other files have of later
 * steps no longer counts for a reader. Unless `start` is NULL, the file gets the rows of step 0 in
 * that log. NULL with a sentence. */
CoupletEvents *couplet_events_open(const char *folder, int64_t step, const char *start, char *error,
                                   size_t error_bytes);
/* Takes a row of metrics.jsonl. Each finite number but those of time is a scalar at the row's step:
 * "loss", "eval/NAME" of an evaluation or a report of `eval`, "raw/NAME" of raw values,
 * "before/NAME" of what is reported before an epoch or a step. */
bool couplet_events_row(CoupletEvents *events, const CoupletMetric *metrics, int count, char *error,
                        size_t error_bytes);
void couplet_events_close(CoupletEvents *events);

/* The CRC-32 with the polynomial of Castagnoli (RFC 3720, appendix B.4), which records are checked
 * by. */
uint32_t couplet_crc32c(const void *bytes, size_t length);

#endif
