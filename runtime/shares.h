/* The share of each class that an evaluation classifies rightly. */
#ifndef COUPLET_RUNTIME_SHARES_H
#define COUPLET_RUNTIME_SHARES_H

#include "runtime/data/table.h"

typedef struct CoupletShare {
    char *name;     /* of the class; the value of its field where that has no names */
    double percent; /* of its queries */
} CoupletShare;

/* The classes that occur among the queries, in the order of their numbers. */
typedef struct CoupletShares {
    CoupletShare *classes;
    int64_t count;
} CoupletShares;

/* Guesses and labels of all rows of a table, as numbers from 0 to class_count - 1. */
typedef struct CoupletGuesses {
    const int32_t *guess, *label; /* [rows] */
    int64_t class_count;
    const CoupletTable *table;
    const char *field; /* the int field that has the labels */
} CoupletGuesses;

/* Counts what is told rightly of each class. False when memory is out; couplet_shares_free in any
 * case. */
bool couplet_shares_count(const CoupletGuesses *of, CoupletShares *out);
/* The mean over the classes, in percent: each counts alike, however many queries it has. NaN where
 * there are none. */
double couplet_shares_mean(const CoupletShares *shares);
void couplet_shares_free(CoupletShares *shares);
/* Writes the class of a row: its name where the field has names, and else its value. */
void couplet_class_of_row(const CoupletTable *table, const char *field, int64_t row, char *out,
                          size_t bytes);

#endif
