/* The samples that features are made of: an array for each field that a plan of features reads. */
#ifndef COUPLET_RUNTIME_SAMPLES_H
#define COUPLET_RUNTIME_SAMPLES_H

#include "runtime/data/table.h"

/* The plan of features with this name; NULL: there is none. */
const CoupletPlan *couplet_program_features(const CoupletProgram *program, const char *name);
/* The fields of a plan of features, in the order of its inputs: the buffer of field `number`, [rows, shape of one sample], and its name, where `name` is not NULL.
 * NULL: there are fewer. */
const CoupletBuffer *couplet_features_field(const CoupletPlan *plan, int number, const char **name);
int couplet_features_field_count(const CoupletPlan *plan);
int64_t couplet_features_field_bytes(const CoupletPlan *plan, int number); /* of one sample */
/* "`number`, `word`", for messages; `out`. */
const char *couplet_features_fields_text(const CoupletPlan *plan, char *out, size_t bytes);

typedef struct CoupletSamples {
    const char *name;        /* for messages */
    const void *const *rows; /* by field of the plan: one sample after the other */
    int64_t count;
    const int32_t *origin;   /* [count]: which row each sample is; NULL: in order */
} CoupletSamples;

/* The samples of a table, whose columns are read; `rows` has room for the fields of the plan. False with a sentence when the table lacks a field, or has another type or
 * shape of it. */
bool couplet_samples_of(const CoupletPlan *plan, const CoupletTable *table, const void **rows, CoupletSamples *out, char *error, size_t error_bytes);

#endif
