/* How contractions are cut: the choices that were measured on a machine (`couplet tune`), by contraction. They replace what the model of costs says (choice.c). */
#ifndef COUPLET_COMPILER_PLAN_TUNING_H
#define COUPLET_COMPILER_PLAN_TUNING_H

#include "lang/support.h"

/* Rows of y by vectors of a panel, whose sums are kept in registers. */
typedef struct ContractionBlock {
    int rows, vectors;
} ContractionBlock;

/* How the work is cut. Any choice gives the same sums to rounding, and the same bits for any number of threads. */
typedef struct ContractionChoice {
    ContractionBlock block;
    int64_t parts;       /* ranges of k that are summed apart, at most */
    int64_t task_rows;   /* about as many rows in a task */
    int64_t task_panels; /* panels in a task */
    int64_t chunk;       /* of k, at most, for all rows and panels of a task before the next */
} ContractionChoice;

typedef struct Tuned {
    uint64_t key; /* contraction_key */
    ContractionChoice choice;
} Tuned;

typedef struct Tuning {
    ARRAY(Tuned) items;
} Tuning;

/* NULL: the contraction was not measured. `tuning` may be NULL. */
const ContractionChoice *tuning_find(const Tuning *tuning, uint64_t key);
void tuning_set(Arena *arena, Tuning *tuning, uint64_t key, const ContractionChoice *choice);
/* What the file says; nothing when there is none, or when a line of it is not understood: it is a cache. */
Tuning *tuning_read(Arena *arena, const char *path);
bool tuning_write(const Tuning *tuning, const char *path);

#endif
