/* The edges of a method's picture, checked after its types: where the gradient goes, what nothing uses, what a queue holds at the start,
 * and whether anything keeps the features apart. */
#ifndef COUPLET_LANG_EDGES_H
#define COUPLET_LANG_EDGES_H

#include "lang/ast.h"

/* What the loss rests on to keep features from becoming one constant. */
typedef struct Separation {
    const Expr *applied;   /* a network application that gradients reach; NULL: the loss trains none */
    const Expr *stop;      /* a stopped gradient */
    const Expr *pairs;     /* a reduction over other samples: negatives */
    const Expr *statistic; /* a reduction over the samples for each feature or cluster: batch statistics */
    const Expr *memory;    /* a queue, bank or state */
    const Expr *label;     /* labels or other fields of the data */
    const Expr *other;     /* a draw, a read of another sample's row, or a margin */
} Separation;

Separation method_separation(Arena *arena, const Method *method);

/* Gradients and rates are checked in any method, as far as its names are known; the rest where there are no errors. */
void check_edges(Arena *arena, Diag *diag, const Method *method);

#endif
