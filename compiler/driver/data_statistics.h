/* Statistics of the values in a table's fields: ranges, means, missing values, sizes of classes,
 * and rows that are the same. */
#ifndef COUPLET_DRIVER_DATA_STATISTICS_H
#define COUPLET_DRIVER_DATA_STATISTICS_H

#include "lang/support.h"
#include "runtime/data/table.h"

/* The spread of some of a field's values, over all chosen rows. Bytes are counted as the language
 * reads them, 0 .. 1. NaN and infinite values are counted apart and are in no other member; without
 * any other value, low to deviation are 0. */
typedef struct Spread {
    int64_t count, nan, infinite;
    double low, high, mean, deviation;
} Spread;

typedef struct FieldStatistics {
    const CoupletField *field;
    Spread all;
    /* [part_count]: of each channel of a picture (three axes, at most four channels), or of each
     * entry of a short vector */
    Spread *parts;
    int part_count;       /* 0: there are no parts */
    bool channels;        /* the parts are channels */
    int64_t rows_missing; /* with a NaN or an infinite value */
    /* [class_count]: entries of each class; of an int that has classes, or is a number and has few
     * values */
    int64_t *counts;
    int32_t *values;     /* [class_count]: what an int without classes holds; NULL: 0, 1, .. */
    int64_t class_count; /* 0: not counted */
} FieldStatistics;

enum {
    MOST_ENTRIES = 32 /* the most entries of a vector that are told apart */,
    MOST_VALUES = 64 /* the most values of an int without classes that are counted apart */
};

/* Computes the statistics of the chosen rows. The arena holds the result. */
FieldStatistics field_statistics(Arena *arena, const CoupletTable *table, int field);

/* Two rows of the source that are the same, or one of each of two sources. */
typedef struct Twin {
    int64_t first, second;
} Twin;

/* Rows that agree in every field with an axis (in all fields, where there is none). */
typedef struct Twins {
    /* by the second row: each row that is the same as an earlier one, with the first that is */
    ARRAY(Twin) pairs;
    /* the number of repeated rows that have a number, like a label, unlike that of the first such
     * row */
    int64_t unlike;
} Twins;

/* False when memory is out. */
bool twins_within(Arena *arena, const CoupletTable *table, Twins *out);
/* Rows of `second` that are also in `first`: a test sample that was trained on. None where the
 * fields with axes have other names, types or shapes. False when memory is out. */
bool twins_between(Arena *arena, const CoupletTable *first, const CoupletTable *second, Twins *out);

#endif
