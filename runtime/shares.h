/* The share of each class that an evaluation classifies correctly. */
#ifndef COUPLET_RUNTIME_SHARES_H
#define COUPLET_RUNTIME_SHARES_H

#include "runtime/data/table.h"

typedef struct CoupletShare {
    char *name;     /* the name of the class, or its value if the field has no names */
    double percent; /* the percentage of its queries */
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

/* Counts the correct guesses of each class. Returns false if memory is out. couplet_shares_free
 * must be called in any case. */
bool couplet_shares_count(const CoupletGuesses *of, CoupletShares *out);
/* Returns the mean over the classes, in percent. Each class has the same weight, however many
 * queries it has. NaN if there are none. */
double couplet_shares_mean(const CoupletShares *shares);
void couplet_shares_free(CoupletShares *shares);
/* Writes the class of a row: its name, or its value if the field has no names. */
void couplet_class_of_row(const CoupletTable *table, const char *field, int64_t row, char *out,
                          size_t bytes);

#endif
