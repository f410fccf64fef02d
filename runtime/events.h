/* Event files for TensorBoard: the numbers of metrics.jsonl as scalars over the steps. The format
 * is TensorFlow's. Each record has masked CRC32C checksums (tensorflow/core/lib/io/record_writer.h)
 * and holds an `Event` of tensorflow/core/util/event.proto. */
#ifndef COUPLET_RUNTIME_EVENTS_H
#define COUPLET_RUNTIME_EVENTS_H

#include "runtime/metrics.h"

typedef struct CoupletEvents CoupletEvents;

/* The prefix and the suffix of the names of event files. Between them stands the step behind which
 * the file begins: "events.out.tfevents.0000000470.couplet". So readers take the files in order. */
#define COUPLET_EVENTS_BEGIN "events.out.tfevents."
#define COUPLET_EVENTS_END   ".couplet"

/* Opens the event file of a run that begins, or is resumed, behind `step`. What earlier files have
 * of later steps no longer counts for readers. If `start` is not NULL, the file gets the rows of
 * step 0 in that log. Returns NULL with a sentence. */
CoupletEvents *couplet_events_open(const char *folder, int64_t step, const char *start, char *error,
                                   size_t error_bytes);
/* Takes a row of metrics.jsonl. Each finite number, except times, becomes a scalar at the row's
 * step. Its name is "loss" and the like, "eval/NAME" for an evaluation or a report of `eval`,
 * "raw/NAME" for raw values, or "before/NAME" for what is reported before an epoch or a step. */
bool couplet_events_row(CoupletEvents *events, const CoupletMetric *metrics, int count, char *error,
                        size_t error_bytes);
void couplet_events_close(CoupletEvents *events);

/* Returns the CRC-32 with Castagnoli's polynomial (RFC 3720, appendix B.4), by which records are
 * checked. */
uint32_t couplet_crc32c(const void *bytes, size_t length);

#endif
