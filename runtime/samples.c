/* Binds the samples of a table, or the arrays of a caller, to the inputs of a plan that makes
 * features. An input is called "sample.FIELD". Fields are in the order of the plan's inputs. */
#include "runtime/samples.h"

#include "runtime/executor.h"

#include <stdio.h>
#include <string.h>

static const char prefix[] = "sample.";

const CoupletPlan *couplet_program_features(const CoupletProgram *program, const char *name) {
    for (int i = 0; i < program->feature_count; i++)
        if (strcmp(program->features[i]->name, name) == 0) return program->features[i];
    return NULL;
}

static const CoupletNamed *field_input(const CoupletPlan *plan, int number) {
    for (int i = 0; plan && i < plan->input_count; i++)
        if (strncmp(plan->inputs[i].name, prefix, strlen(prefix)) == 0 && number-- == 0)
            return &plan->inputs[i];
    return NULL;
}

const CoupletBuffer *couplet_features_field(const CoupletPlan *plan, int number,
                                            const char **name) {
    const CoupletNamed *input = field_input(plan, number);
    if (input && name) *name = input->name + strlen(prefix);
    return input ? &plan->buffers[input->buffer] : NULL;
}

int couplet_features_field_count(const CoupletPlan *plan) {
    int count = 0;
    while (field_input(plan, count))
        count++;
    return count;
}

int64_t couplet_features_field_bytes(const CoupletPlan *plan, int number) {
    const CoupletBuffer *b = couplet_features_field(plan, number, NULL);
    return b ? couplet_buffer_count(b) / b->shape[0] * couplet_type_bytes(b->type) : 0;
}

const char *couplet_features_fields_text(const CoupletPlan *plan, char *out, size_t bytes) {
    const char *name;
    size_t at = 0;
    *out = 0;
    for (int i = 0; at < bytes && couplet_features_field(plan, i, &name); i++)
        at += (size_t)snprintf(out + at, bytes - at, "%s`%s`", i ? ", " : "", name);
    return out;
}

/* True if the field of the table is as the plan was compiled for it. */
static bool is_field(const CoupletField *field, const CoupletBuffer *b) {
    bool same = field->type == b->type && field->rank == b->rank - 1;
    for (int i = 0; same && i < field->rank; i++)
        same = field->shape[i] == b->shape[i + 1];
    return same;
}

bool couplet_samples_of(const CoupletPlan *plan, const CoupletTable *table, const void **rows,
                        CoupletSamples *out, char *error, size_t error_bytes) {
    const char *name;
    const CoupletBuffer *b;
    for (int i = 0; (b = couplet_features_field(plan, i, &name)); i++) {
        int number;
        const CoupletField *field = couplet_table_field(table, name, &number);
        if (!field || !is_field(field, b)) {
            snprintf(error, error_bytes, "%s: %s `%s`, which the features are made of%s",
                     table->name,
                     field ? "another type or shape of the field" : "there is no field", name,
                     field ? ", than the method was compiled for" : "");
            return false;
        }
        rows[i] = table->columns[number];
    }
    *out = (CoupletSamples){
        .name = table->name, .rows = rows, .count = table->count, .origin = table->origin};
    return true;
}
