/* Computes means, ranges and sizes of classes of a table's fields, in one pass over the chosen
 * rows. Bytes are counted by value, which is exact and fast. Other numbers go through Welford's
 * recurrence, which keeps the digits of a small deviation around a large mean. NaN and infinities
 * are counted apart. */
#include "compiler/driver/data_statistics.h"

#include "runtime/hash.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* ---- ranges and means ------------------------------------------------------------------------ */

enum { BYTES = 256 };

static void add_value(Spread *s, double value) {
    if (isnan(value)) {
        s->nan++;
        return;
    }
    if (isinf(value)) {
        s->infinite++;
        return;
    }
    s->low = s->count == 0 || value < s->low ? value : s->low;
    s->high = s->count == 0 || value > s->high ? value : s->high;
    s->count++;
    /* Welford's recurrence: `deviation` holds the sum of squares until the end. */
    const double off = value - s->mean;
    s->mean += off / (double)s->count;
    s->deviation += off * (value - s->mean);
}

static void end_spread(Spread *s) {
    s->deviation = s->count ? sqrt(s->deviation / (double)s->count) : 0;
}

/* Returns the spread of bytes, from the number of times that each value occurs. */
static Spread spread_of_bytes(const int64_t *times) {
    Spread s = {.count = 0};
    double sum = 0;
    double squares = 0;
    for (int b = 0; b < BYTES; b++) {
        if (times[b] == 0) continue;
        if (s.count == 0) s.low = b / 255.0;
        s.high = b / 255.0;
        s.count += times[b];
        sum += (double)b * (double)times[b];
    }
    s.mean = s.count ? sum / (double)s.count : 0;
    for (int b = 0; b < BYTES; b++)
        squares += (b - s.mean) * (b - s.mean) * (double)times[b];
    s.deviation = s.count ? sqrt(squares / (double)s.count) / 255 : 0;
    s.mean /= 255;
    return s;
}

/* Counts the bytes of each part. The elements of a sample are `parts` runs of equal length. */
static void count_bytes(Arena *arena, const CoupletTable *t, int number, int64_t elements,
                        int parts, FieldStatistics *out) {
    int64_t all[BYTES] = {0};
    int64_t(*times)[BYTES] = arena_alloc(arena, (size_t)parts * sizeof *times);
    const uint8_t *column = t->columns[number];
    const int64_t run = elements / parts;
    for (int64_t row = 0; row < t->count; row++) {
        const uint8_t *sample = column + couplet_table_origin(t, row) * elements;
        for (int p = 0; p < parts; p++)
            for (int64_t i = 0; i < run; i++)
                times[p][sample[p * run + i]]++;
    }
    for (int p = 0; p < parts; p++) {
        for (int b = 0; b < BYTES; b++)
            all[b] += times[p][b];
        if (out->part_count) out->parts[p] = spread_of_bytes(times[p]);
    }
    out->all = spread_of_bytes(all);
}

static double field_value(const CoupletField *field, const void *column, int64_t place) {
    return field->type == COUPLET_F32 ? (double)((const float *)column)[place]
                                      : (double)((const int32_t *)column)[place];
}

static void count_values(const CoupletTable *t, int number, int64_t elements, int parts,
                         FieldStatistics *out) {
    const int64_t run = elements / parts;
    for (int64_t row = 0; row < t->count; row++) {
        const int64_t first = couplet_table_origin(t, row) * elements;
        const int64_t missing = out->all.nan + out->all.infinite;
        for (int64_t i = 0; i < elements; i++) {
            const double value = field_value(out->field, t->columns[number], first + i);
            add_value(&out->all, value);
            if (out->part_count) add_value(&out->parts[i / run], value);
        }
        out->rows_missing += out->all.nan + out->all.infinite > missing;
    }
    end_spread(&out->all);
    for (int p = 0; p < out->part_count; p++)
        end_spread(&out->parts[p]);
}

/* ---- classes --------------------------------------------------------------------------------- */

static void count_classes(Arena *arena, const CoupletTable *t, const int32_t *column,
                          FieldStatistics *out) {
    out->class_count = out->field->classes;
    out->counts = arena_array(arena, int64_t, out->class_count);
    const int64_t elements = couplet_field_elements(out->field);
    for (int64_t row = 0; row < t->count; row++) {
        const int32_t *values = column + couplet_table_origin(t, row) * elements;
        for (int64_t i = 0; i < elements; i++)
            if (values[i] >= 0 && values[i] < out->class_count) out->counts[values[i]]++;
    }
}

static int by_value(const void *a, const void *b) {
    const int32_t x = *(const int32_t *)a;
    const int32_t y = *(const int32_t *)b;
    return (x > y) - (x < y);
}

/* Counts the values of an int without classes, if they are few. The arrays stay sorted. */
static void count_few(Arena *arena, const CoupletTable *t, const int32_t *column,
                      FieldStatistics *out) {
    int32_t values[MOST_VALUES + 1];
    int64_t counts[MOST_VALUES] = {0};
    int count = 0;
    for (int64_t row = 0; row < t->count; row++) {
        const int32_t value = column[couplet_table_origin(t, row)];
        if (count && bsearch(&value, values, (size_t)count, sizeof *values, by_value)) continue;
        if (count == MOST_VALUES) return;
        values[count++] = value;
        qsort(values, (size_t)count, sizeof *values, by_value);
    }
    for (int64_t row = 0; row < t->count; row++) {
        const int32_t value = column[couplet_table_origin(t, row)];
        const int32_t *found = bsearch(&value, values, (size_t)count, sizeof *values, by_value);
        if (found) counts[found - values]++;
    }
    out->values = arena_array(arena, int32_t, count + 1);
    out->counts = arena_array(arena, int64_t, count + 1);
    out->class_count = count;
    if (count == 0) return;
    memcpy(out->values, values, (size_t)count * sizeof *values);
    memcpy(out->counts, counts, (size_t)count * sizeof *counts);
}

/* ---- a field --------------------------------------------------------------------------------- */

/* Returns the number of parts whose statistics are computed apart: the channels of a picture, or
 * the entries of a short vector. Returns 0 for other fields. */
static int planes_of(const CoupletField *field, bool *channels) {
    const bool picture = field->rank == 3 && field->shape[0] >= 2 && field->shape[0] <= 4;
    /* a field of four axes with one channel is a row of grey frames, without parts */
    const bool frames = field->rank == 4 && field->shape[1] == 1;
    const bool vector = field->rank == 1 && field->shape[0] >= 2 && field->shape[0] <= MOST_ENTRIES;
    *channels = picture;
    return frames ? 0 : picture || vector ? (int)field->shape[0] : 0;
}

FieldStatistics field_statistics(Arena *arena, const CoupletTable *t, int number) {
    FieldStatistics out = {.field = &t->fields[number]};
    const int64_t elements = couplet_field_elements(out.field);
    out.part_count = planes_of(out.field, &out.channels);
    out.parts = arena_array(arena, Spread, out.part_count + 1);
    const int parts = out.part_count ? out.part_count : 1;
    if (out.field->type == COUPLET_U8)
        count_bytes(arena, t, number, elements, parts, &out);
    else
        count_values(t, number, elements, parts, &out);
    if (out.field->type != COUPLET_I32) return out;
    if (out.field->classes)
        count_classes(arena, t, t->columns[number], &out);
    else if (!out.field->rank)
        count_few(arena, t, t->columns[number], &out);
    return out;
}
