/* Statistics of the values in a table's fields: ranges, means, missing values, sizes of classes,
 * and equal rows. */
#ifndef COUPLET_DRIVER_DATA_STATISTICS_H
#define COUPLET_DRIVER_DATA_STATISTICS_H

#include "lang/support.h"
#include "runtime/data/table.h"

/* The spread of some of a field's values, over all chosen rows. Bytes count as the numbers 0 .. 1
 * that the language reads. NaN and infinite values are counted apart and do not enter the other
 * members. If there are no other values, low to deviation are 0. */
typedef struct Spread {
    int64_t count;
    int64_t nan;
    int64_t infinite;
    double low;
    double high;
    double mean;
    double deviation;
} Spread;

typedef struct FieldStatistics {
    const CoupletField *field;
    Spread all;
    /* [part_count]: the spread of each channel of a picture (three axes, at most four channels), or
     * of each entry of a short vector */
    Spread *parts;
    int part_count;       /* the number of parts; 0: there are none */
    bool channels;        /* true if the parts are channels */
    int64_t rows_missing; /* the number of rows with a NaN or an infinite value */
    /* [class_count]: the number of entries of each class, for an int that has classes or few
     * values */
    int64_t *counts;
    /* [class_count]: the values of an int without classes; NULL: the classes are 0, 1, .. */
    int32_t *values;
    int64_t class_count; /* the number of classes or values; 0: entries are not counted */
} FieldStatistics;

enum {
    MOST_ENTRIES = 32 /* the most entries of a vector whose spreads are computed apart */,
    MOST_VALUES = 64 /* the most values of an int without classes that are counted */
};

/* Computes the statistics of the chosen rows. The arena holds the result. */
FieldStatistics field_statistics(Arena *arena, const CoupletTable *table, int field);

/* Two equal rows of one source, or of two sources. */
typedef struct Twin {
    int64_t first;
    int64_t second;
} Twin;

/* Equal rows. Two rows are equal if they agree in every field with an axis, or in all fields if
 * none has an axis. */
typedef struct Twins {
    /* A pair for each row that equals an earlier one: the first row that equals it, and the row
     * itself. The pairs are sorted by that row. */
    ARRAY(Twin) pairs;
    /* the number of these rows that differ from the first row in a plain number, such as a label */
    int64_t unlike;
} Twins;

/* Finds equal rows of a table. Returns false if memory is out. */
bool twins_within(Arena *arena, const CoupletTable *table, Twins *out);
/* Finds the rows of `second` that are also in `first`, such as test samples that are trained on.
 * Finds none if the fields with axes have other names, types or shapes. Returns false if memory is
 * out. */
bool twins_between(Arena *arena, const CoupletTable *first, const CoupletTable *second, Twins *out);

#endif
