/* The report that `couplet data` prints about the sources. */
#ifndef COUPLET_DRIVER_DATA_REPORT_H
#define COUPLET_DRIVER_DATA_REPORT_H

#include "compiler/driver/data_sets.h"
#include "compiler/driver/data_statistics.h"

/* A loaded source with its statistics. */
typedef struct DataFindings {
    const DataSet *set;
    FieldStatistics *fields; /* the statistics of each field of the table */
    Twins twins;
} DataFindings;

/* The rows of one source that are in another one, too. */
typedef struct SharedRows {
    const DataSet *first;
    const DataSet *second;
    Twins twins;
} SharedRows;

void data_report_text(Arena *arena, const DataFindings *findings, int count,
                      const SharedRows *shared, int shared_count, FILE *out);
/* Writes the report as a JSON object. Returns false if memory is out. */
bool data_report_json(Arena *arena, const DataFindings *findings, int count,
                      const SharedRows *shared, int shared_count, FILE *out);

#endif
