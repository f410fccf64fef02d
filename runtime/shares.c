/* Counts, for each class, how many samples an evaluation classifies correctly (shares.h). */
#include "runtime/shares.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { NAME_BYTES = 400 };

/* The queries of a class: their number, the number of correct ones, and one of them. */
typedef struct Tally {
    int64_t queries;
    int64_t right;
    int64_t row;
} Tally;

void couplet_class_of_row(const CoupletTable *table, const char *name, int64_t row, char *out,
                          size_t bytes) {
    int at;
    int32_t value;
    const CoupletField *field = couplet_table_field(table, name, &at);
    const int32_t *column = table->columns[at];
    memcpy(&value, column + couplet_table_origin(table, row), sizeof value);
    if (field->class_names)
        snprintf(out, bytes, "%s", field->class_names[value]);
    else
        snprintf(out, bytes, "%d", value);
}

static void count_rows(const CoupletGuesses *of, Tally *tallies) {
    for (int64_t i = 0; i < of->table->count; i++) {
        Tally *t = &tallies[of->label[i]];
        t->row = i;
        t->queries++;
        t->right += of->guess[i] == of->label[i];
    }
}

static bool add_class(const CoupletGuesses *of, const Tally *tally, CoupletShares *out) {
    char name[NAME_BYTES];
    if (!tally->queries) return true;
    couplet_class_of_row(of->table, of->field, tally->row, name, sizeof name);
    CoupletShare *share = &out->classes[out->count];
    *share = (CoupletShare){strdup(name), 100.0 * (double)tally->right / (double)tally->queries};
    out->count += share->name != NULL;
    return share->name != NULL;
}

bool couplet_shares_count(const CoupletGuesses *of, CoupletShares *out) {
    const size_t classes = (size_t)of->class_count + 1;
    Tally *tallies = calloc(classes, sizeof *tallies);
    *out = (CoupletShares){calloc(classes, sizeof *out->classes), 0};
    bool good = tallies && out->classes;
    if (good) count_rows(of, tallies);
    for (int64_t c = 0; good && c < of->class_count; c++)
        good = add_class(of, &tallies[c], out);
    free(tallies);
    return good;
}

double couplet_shares_mean(const CoupletShares *shares) {
    double sum = 0;
    for (int64_t c = 0; c < shares->count; c++)
        sum += shares->classes[c].percent;
    return shares->count ? sum / (double)shares->count : (double)NAN;
}

void couplet_shares_free(CoupletShares *shares) {
    for (int64_t c = 0; c < shares->count; c++)
        free(shares->classes[c].name);
    free(shares->classes);
    *shares = (CoupletShares){NULL, 0};
}
