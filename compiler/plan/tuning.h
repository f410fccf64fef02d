/* The cuts of contractions that were measured on a machine (`couplet tune`). A measured choice
 * replaces that of the model of costs (choice.c). */
#ifndef COUPLET_COMPILER_PLAN_TUNING_H
#define COUPLET_COMPILER_PLAN_TUNING_H

#include "lang/support.h"

/* A block of sums that is kept in registers: its rows of y and its vectors of a panel. */
typedef struct ContractionBlock {
    int rows;
    int vectors;
} ContractionBlock;

/* A cut of the work of a contraction. Every choice gives the same sums to rounding, and the same
 * bits for any number of threads. */
typedef struct ContractionChoice {
    ContractionBlock block;
    int64_t parts;       /* the most ranges of k that are summed apart */
    int64_t task_rows;   /* about how many rows a task has */
    int64_t task_panels; /* the panels of a task */
    int64_t chunk;       /* the longest range of k that a task does at a time */
} ContractionChoice;

typedef struct Tuned {
    uint64_t key; /* the contraction, by contraction_key */
    ContractionChoice choice;
} Tuned;

typedef struct Tuning {
    ARRAY(Tuned) items;
} Tuning;

/* Returns the choice for a contraction, or NULL if it was not measured. `tuning` may be NULL. */
const ContractionChoice *tuning_find(const Tuning *tuning, uint64_t key);
void tuning_set(Arena *arena, Tuning *tuning, uint64_t key, const ContractionChoice *choice);
/* Reads a file of choices. The file is a cache: a missing file, or a line that is not understood,
 * gives no choice and is no error. */
Tuning *tuning_read(Arena *arena, const char *path);
bool tuning_write(const Tuning *tuning, const char *path);

#endif
