/* The file metrics.csv: the numbers of metrics.jsonl as a table, for spreadsheets and other
 * programs. It has a row for each step and a column for each number. It is made of rows of
 * metrics.jsonl alone, so a resumed run makes the table anew from the rows that it keeps. */
#ifndef COUPLET_RUNTIME_METRICS_CSV_H
#define COUPLET_RUNTIME_METRICS_CSV_H

#include "runtime/metrics.h"

typedef struct CoupletCsv CoupletCsv;

/* Opens the table at `path`, with the rows that `metrics_path` has already. The first name is
 * "step". Evaluations and reports of `eval` fill the column "eval.NAME", what is reported before an
 * epoch or a step "before.NAME", and every other number the column of its key. Raw values, and
 * numbers without a column, are left out. Returns NULL with a sentence, also if a file of another
 * kind has the name. */
CoupletCsv *couplet_csv_open(const char *path, const char *const *names, int count,
                             const char *metrics_path, char *error, size_t error_bytes);
/* Takes a row of metrics.jsonl. The line of a step is written when a later step comes, or by
 * couplet_csv_close. */
bool couplet_csv_row(CoupletCsv *csv, const CoupletMetric *metrics, int count, char *error,
                     size_t error_bytes);
bool couplet_csv_close(CoupletCsv *csv, char *error, size_t error_bytes);

#endif
