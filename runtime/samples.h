/* The samples that features are made of: an array for each field that a plan of features reads. */
#ifndef COUPLET_RUNTIME_SAMPLES_H
#define COUPLET_RUNTIME_SAMPLES_H

#include "runtime/data/table.h"

/* Returns the plan of features with this name, or NULL. */
const CoupletPlan *couplet_program_features(const CoupletProgram *program, const char *name);
/* Returns the buffer of a field of a plan of features, [rows, shape of one sample], by its number
 * in the order of the plan's inputs. Sets *name, unless `name` is NULL. Returns NULL if there are
 * fewer fields. */
const CoupletBuffer *couplet_features_field(const CoupletPlan *plan, int number, const char **name);
int couplet_features_field_count(const CoupletPlan *plan);
/* Returns the bytes of the field in one sample. */
int64_t couplet_features_field_bytes(const CoupletPlan *plan, int number);
/* Writes the names of the fields for messages, as in "`number`, `word`". Returns `out`. */
const char *couplet_features_fields_text(const CoupletPlan *plan, char *out, size_t bytes);

typedef struct CoupletSamples {
    const char *name;        /* a name for messages */
    const void *const *rows; /* by field of the plan: the samples, one after the other */
    int64_t count;
    const int32_t *origin; /* [count]: the row of each sample; NULL: the rows are in order */
} CoupletSamples;

/* Takes the samples of a table, which must be loaded. `rows` has room for the fields of the plan.
 * Returns false with a sentence if the table lacks a field, or has it with another type or
 * shape. */
bool couplet_samples_of(const CoupletPlan *plan, const CoupletTable *table, const void **rows,
                        CoupletSamples *out, char *error, size_t error_bytes);

#endif
