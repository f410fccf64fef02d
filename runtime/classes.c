/* Finds the classes of a table's rows by one of its int fields. A field that knows its number of
 * classes is trusted. For any other field, its different values are the classes, in ascending
 * order.
 *
 * If a reader knows the column without reading samples, as for folders that are classes, nothing is
 * loaded for it. Selections, balanced batches, episodes and evaluations all count classes here. */
#include "runtime/classes.h"

#include "runtime/data/reader.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static bool out_of_memory(const CoupletTable *table, char *error, size_t error_bytes) {
    snprintf(error, error_bytes, "%s: out of memory for the classes of its %lld samples",
             table->name, (long long)table->held);
    return false;
}

/* ---- the column ------------------------------------------------------------------------------ */

/* Returns the field of this name, if it is one int for each sample. Sets *number. Returns NULL with
 * a sentence. */
static const CoupletField *find_whole(const CoupletTable *table, const char *name, int *number,
                                      char *error, size_t error_bytes) {
    const CoupletField *field = couplet_table_field(table, name, number);
    char text[128];
    if (field && field->type == COUPLET_I32 && field->rank == 0) return field;
    if (field)
        snprintf(error, error_bytes, "%s: its field `%s` is %s, and classes are an int",
                 table->name, name, couplet_field_text(field, text, sizeof text));
    else
        snprintf(error, error_bytes, "%s has no field `%s` that could say its classes", table->name,
                 name);
    return NULL;
}

/* Returns a copy of the column. Returns NULL with a sentence, or without one if the column is not
 * known. */
static int32_t *copy_column(const CoupletTable *table, int number, char *error,
                            size_t error_bytes) {
    int32_t *values = malloc(((size_t)table->held + 1) * sizeof *values);
    *error = 0;
    if (!values) {
        out_of_memory(table, error, error_bytes);
        return NULL;
    }
    if (table->columns) {
        memcpy(values, table->columns[number], (size_t)table->held * sizeof *values);
        return values;
    }
    if (couplet_table_column(table, number, values, error, error_bytes)) return values;
    free(values);
    return NULL;
}

/* ---- numbers of classes ---------------------------------------------------------------------- */

static int by_value(const void *a, const void *b) {
    const int32_t x = *(const int32_t *)a;
    const int32_t y = *(const int32_t *)b;
    return x < y ? -1 : x > y;
}

/* Takes the numbers from 0 to the field's own count as classes. */
static bool take_counted(const CoupletTable *table, const CoupletField *field, CoupletClasses *out,
                         char *error, size_t error_bytes) {
    out->count = field->classes;
    out->values = malloc(((size_t)out->count + 1) * sizeof *out->values);
    if (!out->values) return out_of_memory(table, error, error_bytes);
    for (int64_t c = 0; c < out->count; c++)
        out->values[c] = (int32_t)c;
    for (int64_t i = 0; i < table->held; i++) {
        if (out->of[i] >= 0 && out->of[i] < out->count) continue;
        snprintf(error, error_bytes, "%s: `%s` of sample %lld is %d, and 0 to %lld is expected",
                 table->name, field->name, (long long)i, out->of[i], (long long)out->count - 1);
        return false;
    }
    return true;
}

/* Takes each value that occurs as a class, and replaces the values in out->of by the numbers of
 * their classes. */
static bool take_values(const CoupletTable *table, CoupletClasses *out, char *error,
                        size_t error_bytes) {
    out->values = malloc(((size_t)table->held + 1) * sizeof *out->values);
    if (!out->values) return out_of_memory(table, error, error_bytes);
    memcpy(out->values, out->of, (size_t)table->held * sizeof *out->values);
    qsort(out->values, (size_t)table->held, sizeof *out->values, by_value);
    for (int64_t i = 0; i < table->held; i++)
        if (i == 0 || out->values[i] != out->values[out->count - 1])
            out->values[out->count++] = out->values[i];
    for (int64_t i = 0; i < table->held; i++) {
        const int32_t *found =
            bsearch(&out->of[i], out->values, (size_t)out->count, sizeof *found, by_value);
        out->of[i] = (int32_t)(found - out->values);
    }
    return true;
}

bool couplet_classes_read(const CoupletTable *table, const char *name, CoupletClasses *out,
                          bool *known, char *error, size_t error_bytes) {
    int number;
    *out = (CoupletClasses){0};
    *known = true;
    const CoupletField *field = find_whole(table, name, &number, error, error_bytes);
    if (!field) return false;
    out->of = copy_column(table, number, error, error_bytes);
    *known = out->of || *error;
    if (!out->of) return false;
    if (field->classes ? take_counted(table, field, out, error, error_bytes)
                       : take_values(table, out, error, error_bytes))
        return true;
    couplet_classes_free(out);
    return false;
}

bool couplet_classes_chosen(const CoupletTable *table, const char *name, CoupletClasses *out,
                            char *error, size_t error_bytes) {
    bool known;
    if (!couplet_classes_read(table, name, out, &known, error, error_bytes)) {
        if (!known)
            snprintf(error, error_bytes, "%s: its field `%s` was not read", table->name, name);
        return false;
    }
    /* Origins ascend, so origin(i) is at least i, and no entry is read after it was written. */
    for (int64_t i = 0; i < table->count; i++)
        out->of[i] = out->of[couplet_table_origin(table, i)];
    return true;
}

void couplet_classes_free(CoupletClasses *classes) {
    free(classes->of);
    free(classes->values);
    *classes = (CoupletClasses){0};
}

bool couplet_classes_is_one(const CoupletTable *table, const char *name) {
    char ignored[400];
    CoupletClasses classes;
    if (!couplet_classes_chosen(table, name, &classes, ignored, sizeof ignored)) return false;
    bool is_one = table->count > 0;
    for (int64_t i = 1; is_one && i < table->count; i++)
        is_one = classes.of[i] == classes.of[0];
    couplet_classes_free(&classes);
    return is_one;
}

/* ---- one class after the other --------------------------------------------------------------- */

bool couplet_classes_sort(const CoupletClasses *classes, int64_t rows, CoupletByClass *out) {
    out->begins = calloc((size_t)classes->count + 2, sizeof *out->begins);
    out->rows = malloc(((size_t)rows + 1) * sizeof *out->rows);
    if (!out->begins || !out->rows) {
        couplet_by_class_free(out);
        return false;
    }
    /* at[c] is the position of the next row of class c. In the end it is the beginning of class c +
     * 1, so `begins` is complete. */
    int64_t *at = out->begins + 1;
    for (int64_t i = 0; i < rows; i++)
        if (classes->of[i] + 1 < classes->count) at[classes->of[i] + 1]++;
    for (int64_t c = 1; c < classes->count; c++)
        at[c] += at[c - 1];
    for (int64_t i = 0; i < rows; i++)
        out->rows[at[classes->of[i]]++] = (int32_t)i;
    return true;
}

void couplet_by_class_free(CoupletByClass *sorted) {
    free(sorted->begins);
    free(sorted->rows);
    *sorted = (CoupletByClass){0};
}
