/* Chooses rows of a table: by conditions, by a hashed part, by classes, and then a number from each
 * class. The order matters, since the last counts what the first three leave.
 *
 * `part` hashes the name of a row and not its number, so a row stays in its part when other files
 * are added or removed. Kept rows are in the order of the source. Values are loaded only if the
 * reader does not know them otherwise. */
#include "runtime/selection.h"

#include "runtime/classes.h"
#include "runtime/data/reader.h"
#include "runtime/hash.h"
#include "runtime/random.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { SELECTION_SITE = 0x53454c45 /* "SELE" */, PART_SITE = 0x50415254 /* "PART" */ };

const char *couplet_selection_by(const CoupletSelection *s) {
    return s->by ? s->by : "label";
}

int64_t couplet_selection_keep(const CoupletSelection *s, int64_t class_number, int64_t class_count,
                               int64_t available) {
    double kept = (double)available;
    if (s->per_class > 0)
        kept = s->per_class;
    else if (s->fraction > 0)
        kept = round(s->fraction * (double)available);
    /* A long tail as in Cui, Jia, Lin, Song, Belongie: Class-Balanced Loss Based on Effective
     * Number of Samples. CVPR 2019, section 5.1. */
    else if (s->imbalance > 0 && class_count > 1)
        kept = floor((double)available *
                         pow(s->imbalance, -(double)class_number / (double)(class_count - 1)) +
                     1e-9);
    if (kept < 1) kept = 1;
    return kept < (double)available ? (int64_t)kept : available;
}

typedef struct Choosing {
    const CoupletSelection *selection;
    CoupletTable *table;
    const CoupletLoading *loading;
    uint8_t *kept; /* [held]: true for kept rows */
    char *error;
    size_t error_bytes;
} Choosing;

static bool out_of_memory(const Choosing *c) {
    snprintf(c->error, c->error_bytes, "out of memory for a selection of %s", c->table->name);
    return false;
}

/* Drops the rows that were left out before this selection. */
static void drop_left_out(const Choosing *c) {
    const CoupletTable *t = c->table;
    for (int64_t row = 0, at = 0; t->origin && row < t->held; row++) {
        if (at < t->count && t->origin[at] == row)
            at++;
        else
            c->kept[row] = 0;
    }
}

static bool load_chosen(const Choosing *c) {
    static const CoupletLoading standard;
    if (!couplet_table_load(c->table, c->loading ? c->loading : &standard, c->error,
                            c->error_bytes))
        return false;
    drop_left_out(c); /* rows that cannot be decoded are dropped */
    return true;
}

/* ---- where FIELD == 3 ------------------------------------------------------------------------ */

static bool compares(double value, const CoupletCondition *condition) {
    switch (condition->is) {
    case COUPLET_EQUAL:
        return value == condition->value;
    case COUPLET_UNEQUAL:
        return value != condition->value;
    case COUPLET_BELOW:
        return value < condition->value;
    case COUPLET_AT_MOST:
        return value <= condition->value;
    case COUPLET_ABOVE:
        return value > condition->value;
    case COUPLET_AT_LEAST:
        return value >= condition->value;
    }
    return false;
}

/* Returns a column of numbers that the reader knows without samples, or NULL if it does not, or if
 * memory is out. */
static int32_t *ask_for(const Choosing *c, int number, const CoupletField *field) {
    if (c->table->columns || field->type != COUPLET_I32) return NULL;
    int32_t *values = malloc(((size_t)c->table->held + 1) * sizeof *values);
    if (values && couplet_table_column(c->table, number, values, c->error, c->error_bytes))
        return values;
    free(values);
    return NULL;
}

/* Drops the rows for which the condition does not hold. */
static bool keep_condition(const Choosing *c, const CoupletCondition *condition) {
    const CoupletTable *t = c->table;
    int number;
    /* `index` is the number of a row in its source, before any row is left out */
    if (strcmp(condition->field, "index") == 0) {
        for (int64_t i = 0; i < t->held; i++)
            if (!compares((double)i, condition)) c->kept[i] = 0;
        return true;
    }
    const CoupletField *field = couplet_table_field(t, condition->field, &number);
    char text[128];
    if (!field) {
        snprintf(c->error, c->error_bytes, "%s has no field `%s` that rows could be kept by",
                 t->name, condition->field);
        return false;
    }
    if (field->rank > 0 || field->type == COUPLET_U8) {
        snprintf(c->error, c->error_bytes,
                 "%s: its field `%s` is %s, and rows are kept by a number", t->name, field->name,
                 couplet_field_text(field, text, sizeof text));
        return false;
    }
    int32_t *asked = ask_for(c, number, field);
    if (!asked && !t->columns && !load_chosen(c)) return false;
    const int32_t *wholes = asked ? asked : t->columns[number];
    const float *reals = asked ? NULL : t->columns[number];
    for (int64_t i = 0; i < t->held; i++)
        if (!compares(field->type == COUPLET_I32 ? (double)wholes[i] : (double)reals[i], condition))
            c->kept[i] = 0;
    free(asked);
    return true;
}

/* ---- part = 0.0 .. 0.8 ----------------------------------------------------------------------- */

uint64_t couplet_selection_row_hash(const CoupletTable *t, int64_t row) {
    char name[2 * COUPLET_PATH_BYTES];
    if (t->row_hashes) return t->row_hashes[row];
    if (!t->reader || !t->reader->name_row)
        return couplet_hash(COUPLET_HASH_START, &row, sizeof row);
    const char *at = name;
    const char *const before[] = {t->path, t->name};
    t->reader->name_row(t, row, name, sizeof name);
    for (size_t i = 0; i < sizeof before / sizeof *before; i++) {
        const size_t length = strlen(before[i]);
        if (length && strncmp(at, before[i], length) == 0) at += length;
    }
    while (*at == '/')
        at++;
    return couplet_hash(COUPLET_HASH_START, at, strlen(at));
}

static void keep_part(const Choosing *c) {
    const CoupletSelection *s = c->selection;
    for (int64_t i = 0; i < c->table->held; i++) {
        const uint64_t hash = couplet_selection_row_hash(c->table, i);
        const double place = (double)couplet_random_bits((uint32_t)hash, (uint32_t)(hash >> 32), 0,
                                                         PART_SITE, 0, 0) *
                             0x1p-32;
        if (place < s->part_from || place >= s->part_to) c->kept[i] = 0;
    }
}

/* ---- classes --------------------------------------------------------------------------------- */

typedef struct Ranked {
    uint32_t key;
    int32_t row;
} Ranked;

static int by_key(const void *a, const void *b) {
    const Ranked *x = a;
    const Ranked *y = b;
    if (x->key != y->key) return x->key < y->key ? -1 : 1;
    return x->row < y->row ? -1 : 1;
}

/* Keeps some rows of one class: the first ones, or those with the smallest drawn keys. `ranked` has
 * room for all rows of the class. */
static void thin_class(const Choosing *c, const int32_t *rows, int64_t count, int64_t class_number,
                       int64_t class_count, Ranked *ranked) {
    const CoupletSelection *s = c->selection;
    const uint32_t seed = s->seed < 0 ? 0 : (uint32_t)s->seed;
    int64_t found = 0;
    for (int64_t i = 0; i < count; i++) {
        if (!c->kept[rows[i]]) continue;
        const uint32_t key =
            s->seed < 0 ? 0 : couplet_random_bits(seed, 0, 0, SELECTION_SITE, (uint64_t)rows[i], 0);
        ranked[found++] = (Ranked){key, rows[i]};
    }
    qsort(ranked, (size_t)found, sizeof *ranked, by_key);
    for (int64_t i = couplet_selection_keep(s, class_number, class_count, found); i < found; i++)
        c->kept[ranked[i].row] = 0;
}

static bool thin(const Choosing *c, const CoupletClasses *classes, int64_t first, int64_t count) {
    CoupletByClass sorted;
    Ranked *ranked = malloc(((size_t)c->table->held + 1) * sizeof *ranked);
    const bool good = ranked && couplet_classes_sort(classes, c->table->held, &sorted);
    for (int64_t k = first; good && k < first + count; k++)
        thin_class(c, sorted.rows + sorted.begins[k], sorted.begins[k + 1] - sorted.begins[k],
                   k - first, count, ranked);
    if (good) couplet_by_class_free(&sorted);
    free(ranked);
    return good || out_of_memory(c);
}

/* True if the selection keeps a number of rows of each class. */
static bool counts(const CoupletSelection *s) {
    return s->per_class > 0 || s->fraction > 0 || s->imbalance > 0;
}

/* Keeps some classes. `counted` says that the field has a number of classes, so that a higher class
 * is a mistake. */
static bool keep_classes(const Choosing *c, const CoupletClasses *classes, bool counted) {
    const CoupletSelection *s = c->selection;
    int64_t first = 0;
    int64_t count = classes->count;
    if (s->classes > 0) {
        const double end = s->first_class + s->classes;
        while (first < classes->count && classes->values[first] < s->first_class)
            first++;
        count = 0;
        while (first + count < classes->count && classes->values[first + count] < end)
            count++;
        if (count == 0 || (counted && end > (double)classes->count)) {
            snprintf(c->error, c->error_bytes,
                     "%s has the classes %d to %d, and %.0f to %.0f were asked for", c->table->name,
                     classes->values[0], classes->values[classes->count - 1], s->first_class,
                     end - 1);
            return false;
        }
        for (int64_t i = 0; i < c->table->held; i++)
            if (classes->of[i] < first || classes->of[i] >= first + count) c->kept[i] = 0;
    }
    return !counts(s) || thin(c, classes, first, count);
}

static bool keep_by_class(const Choosing *c) {
    const char *by = couplet_selection_by(c->selection);
    CoupletClasses classes;
    bool known;
    if (!couplet_classes_read(c->table, by, &classes, &known, c->error, c->error_bytes)) {
        if (known || !load_chosen(c)) return false;
        if (!couplet_classes_read(c->table, by, &classes, &known, c->error, c->error_bytes))
            return false;
    }
    const bool good =
        keep_classes(c, &classes, couplet_table_field(c->table, by, NULL)->classes > 0);
    couplet_classes_free(&classes);
    return good;
}

/* ---- the whole ------------------------------------------------------------------------------- */

static bool choose(const Choosing *c) {
    const CoupletSelection *s = c->selection;
    for (int i = 0; i < s->where_count; i++)
        if (!keep_condition(c, &s->where[i])) return false;
    if (s->part_to > s->part_from) keep_part(c);
    return !(counts(s) || s->classes > 0) || keep_by_class(c);
}

/* Makes the kept rows the chosen rows of the table, if there are any. */
static bool take_kept(const Choosing *c) {
    CoupletTable *t = c->table;
    int64_t count = 0;
    for (int64_t i = 0; i < t->count; i++)
        count += c->kept[couplet_table_origin(t, i)];
    if (count == 0) {
        snprintf(c->error, c->error_bytes, "%s: of its %lld samples the selection leaves none",
                 t->name, (long long)t->held);
        return false;
    }
    int32_t *origin = malloc((size_t)count * sizeof *origin);
    if (!origin) return out_of_memory(c);
    count = 0;
    for (int64_t i = 0; i < t->count; i++) {
        const int64_t row = couplet_table_origin(t, i);
        if (c->kept[row]) origin[count++] = (int32_t)row;
    }
    free(t->origin);
    t->origin = origin;
    t->count = count;
    return true;
}

bool couplet_selection_apply(const CoupletSelection *s, CoupletTable *table,
                             const CoupletLoading *loading, char *error, size_t error_bytes) {
    if (!counts(s) && s->classes <= 0 && s->where_count == 0 && !(s->part_to > s->part_from))
        return true;
    const Choosing c = {s, table, loading, malloc((size_t)table->held + 1), error, error_bytes};
    if (!c.kept) return out_of_memory(&c);
    memset(c.kept, 1, (size_t)table->held);
    drop_left_out(&c);
    const bool good = choose(&c) && take_kept(&c);
    free(c.kept);
    return good;
}
