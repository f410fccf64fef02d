/* The cuts of contractions that were measured on a machine (`couplet tune`). A measured choice
 * replaces that of the model of costs (choice.c). */
#ifndef COUPLET_COMPILER_PLAN_TUNING_H
#define COUPLET_COMPILER_PLAN_TUNING_H

#include "lang/support.h"

/* A block of sums that is kept in registers: rows of y, by the vectors of a panel. */
typedef struct ContractionBlock {
    int rows, vectors;
} ContractionBlock;

/* A cut of the work of a contraction. Every choice gives the same sums to rounding, and the same
 * bits for any number of threads. */
typedef struct ContractionChoice {
    ContractionBlock block;
    int64_t parts;       /* the number of ranges of k that are summed apart, at most */
    int64_t task_rows;   /* rows in a task, about */
    int64_t task_panels; /* panels in a task */
    int64_t chunk;       /* the longest range of k that a task does before the next */
} ContractionChoice;

typedef struct Tuned {
    uint64_t key; /* contraction_key */
    ContractionChoice choice;
} Tuned;

typedef struct Tuning {
    ARRAY(Tuned) items;
} Tuning;

/* The choice for a contraction; NULL: it was not measured. `tuning` may be NULL. */
const ContractionChoice *tuning_find(const Tuning *tuning, uint64_t key);
void tuning_set(Arena *arena, Tuning *tuning, uint64_t key, const ContractionChoice *choice);
/* Reads a file of choices. The file is a cache, so one that is missing, or has a line that is not
 * understood, gives no choices and is no error. */
Tuning *tuning_read(Arena *arena, const char *path);
bool tuning_write(const Tuning *tuning, const char *path);

#endif
