/* Finds equal rows. Rows of equal hash are candidates, which are compared byte by byte. */
#include "compiler/driver/data_statistics.h"

#include "runtime/hash.h"

#include <stdlib.h>
#include <string.h>

typedef struct Row {
    uint64_t hash;
    int64_t row; /* the number of the row in the source */
} Row;

static bool has_axes(const CoupletTable *t) {
    for (int f = 0; f < t->field_count; f++)
        if (t->fields[f].rank) return true;
    return false;
}

/* True if two rows must agree in this field to be equal. */
static bool is_content(const CoupletTable *t, int f) {
    return t->fields[f].rank > 0 || !has_axes(t);
}

static const char *cell(const CoupletTable *t, int f, int64_t row) {
    return (const char *)t->columns[f] + row * couplet_field_bytes(&t->fields[f]);
}

static uint64_t hash_row(const CoupletTable *t, int64_t row) {
    uint64_t hash = COUPLET_HASH_START;
    for (int f = 0; f < t->field_count; f++)
        if (is_content(t, f))
            hash = couplet_hash(hash, cell(t, f, row), (size_t)couplet_field_bytes(&t->fields[f]));
    return hash;
}

static int by_hash(const void *a, const void *b) {
    const Row *x = a;
    const Row *y = b;
    if (x->hash != y->hash) return x->hash > y->hash ? 1 : -1;
    return (x->row > y->row) - (x->row < y->row);
}

static Row *sorted_rows(const CoupletTable *t) {
    Row *rows = malloc((size_t)(t->count + 1) * sizeof *rows);
    for (int64_t i = 0; rows && i < t->count; i++) {
        rows[i].row = couplet_table_origin(t, i);
        rows[i].hash = hash_row(t, rows[i].row);
    }
    if (rows) qsort(rows, (size_t)t->count, sizeof *rows, by_hash);
    return rows;
}

/* Returns the number of the other table's field of the same name, type and shape, or -1. */
static int same_field(const CoupletTable *t, const CoupletField *field) {
    int f;
    const CoupletField *other = couplet_table_field(t, field->name, &f);
    if (!other || other->type != field->type || other->rank != field->rank) return -1;
    return memcmp(other->shape, field->shape, (size_t)field->rank * sizeof *field->shape) == 0 ? f
                                                                                               : -1;
}

static bool comparable(const CoupletTable *a, const CoupletTable *b) {
    if (a->field_count != b->field_count) return false;
    for (int f = 0; f < a->field_count; f++)
        if (is_content(a, f) && same_field(b, &a->fields[f]) != f) return false;
    return true;
}

/* True if two rows are equal in all fields of content, or in all other fields if not `content`. */
static bool agree(const CoupletTable *a, int64_t first, const CoupletTable *b, int64_t second,
                  bool content) {
    for (int f = 0; f < a->field_count; f++) {
        if (is_content(a, f) != content) continue;
        const int other = same_field(b, &a->fields[f]);
        if (other >= 0 && memcmp(cell(a, f, first), cell(b, other, second),
                                 (size_t)couplet_field_bytes(&a->fields[f])) != 0)
            return false;
    }
    return true;
}

static void note(Arena *arena, Twins *out, const CoupletTable *a, int64_t first,
                 const CoupletTable *b, int64_t second) {
    const Twin twin = {first, second};
    array_push(arena, &out->pairs, twin);
    out->unlike += has_axes(a) && !agree(a, first, b, second, false);
}

static int by_second(const void *a, const void *b) {
    const Twin *x = a;
    const Twin *y = b;
    return (x->second > y->second) - (x->second < y->second);
}

static void sort(Twins *out) {
    if (out->pairs.count)
        qsort(out->pairs.items, (size_t)out->pairs.count, sizeof *out->pairs.items, by_second);
}

bool twins_within(Arena *arena, const CoupletTable *t, Twins *out) {
    Row *rows = sorted_rows(t);
    *out = (Twins){.unlike = 0};
    for (int64_t i = 1, first = 0; rows && i < t->count; i++) {
        if (rows[i].hash != rows[first].hash)
            first = i;
        else if (agree(t, rows[first].row, t, rows[i].row, true))
            note(arena, out, t, rows[first].row, t, rows[i].row);
    }
    const bool good = rows != NULL;
    free(rows);
    sort(out);
    return good;
}

/* True if both tables choose this row of the same files. The row is then no twin, but one row. */
static bool chooses(const CoupletTable *a, const CoupletTable *b, int64_t row) {
    if (a->asked != b->asked || a->key != b->key) return false;
    const int32_t wanted = (int32_t)row;
    if (!a->origin) return true;
    int64_t low = 0;
    int64_t high = a->count;
    while (low < high) {
        const int64_t middle = (low + high) / 2;
        if (a->origin[middle] < wanted)
            low = middle + 1;
        else
            high = middle;
    }
    return low < a->count && a->origin[low] == wanted;
}

bool twins_between(Arena *arena, const CoupletTable *a, const CoupletTable *b, Twins *out) {
    *out = (Twins){.unlike = 0};
    if (!comparable(a, b)) return true;
    Row *first = sorted_rows(a);
    Row *second = sorted_rows(b);
    for (int64_t i = 0, k = 0; first && second && k < b->count; k++) {
        while (i < a->count && first[i].hash < second[k].hash)
            i++;
        if (i < a->count && first[i].hash == second[k].hash && !chooses(a, b, second[k].row) &&
            agree(a, first[i].row, b, second[k].row, true))
            note(arena, out, a, first[i].row, b, second[k].row);
    }
    const bool good = first && second;
    free(first);
    free(second);
    sort(out);
    return good;
}
