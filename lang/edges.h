/* The edges of a method's picture, which are checked after its types: where the gradient goes, what
 * nothing uses, what a queue holds at the start, and whether anything keeps the features apart. */
#ifndef COUPLET_LANG_EDGES_H
#define COUPLET_LANG_EDGES_H

#include "lang/ast.h"

/* The parts of a method that keep features from becoming one constant: an expression for each kind
 * that was found, or NULL. */
typedef struct Separation {
    /* A network application that a gradient reaches. NULL: the loss trains none. */
    const Expr *applied;
    const Expr *stop;  /* a stopped gradient */
    const Expr *pairs; /* a reduction over other samples, which makes them negatives */
    /* A reduction over the samples for each feature or cluster, which makes batch statistics. */
    const Expr *statistic;
    const Expr *memory; /* a queue, bank or state */
    const Expr *label;  /* labels or other fields of the data */
    const Expr *other;  /* a draw, a read of another sample's row, or a margin */
    /* A read of another sample's row, in an array of a single row. It separates nothing. */
    const Expr *itself;
} Separation;

Separation method_separation(Arena *arena, const Method *method);
/* Finds the same for one loss, as far as it compares samples: without `other`, for autoencoders. */
Separation edges_separation(Arena *arena, const Method *method, const Stmt *loss);

/* Checks the edges. Gradients and rates are checked in any method, as far as its names are known;
 * the rest only in one without errors. */
void check_edges(Arena *arena, Diag *diag, const Method *method);

#endif
