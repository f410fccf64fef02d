/* The samples that features are made of. There is an array for each field that a plan of features
 * reads. */
#ifndef COUPLET_RUNTIME_SAMPLES_H
#define COUPLET_RUNTIME_SAMPLES_H

#include "runtime/data/table.h"

/* The plan of features with this name; NULL: there is none. */
const CoupletPlan *couplet_program_features(const CoupletProgram *program, const char *name);
/* A field of a plan of features, by its number in the order of the plan's inputs. Returns its
 * buffer, [rows, shape of one sample], and sets *name unless `name` is NULL. NULL: there are fewer
 * fields. */
const CoupletBuffer *couplet_features_field(const CoupletPlan *plan, int number, const char **name);
int couplet_features_field_count(const CoupletPlan *plan);
/* The bytes of one sample. */
int64_t couplet_features_field_bytes(const CoupletPlan *plan, int number);
/* Writes the names of the fields for messages: "`number`, `word`". Returns `out`. */
const char *couplet_features_fields_text(const CoupletPlan *plan, char *out, size_t bytes);

typedef struct CoupletSamples {
    const char *name;        /* for messages */
    const void *const *rows; /* by field of the plan: samples one after the other */
    int64_t count;
    const int32_t *origin; /* [count]: the row of each sample; NULL: rows in order */
} CoupletSamples;

/* Takes the samples of a table that is loaded. `rows` has room for the fields of the plan. False
 * with a sentence when the table lacks a field, or has it with another type or shape. */
bool couplet_samples_of(const CoupletPlan *plan, const CoupletTable *table, const void **rows,
                        CoupletSamples *out, char *error, size_t error_bytes);

#endif
