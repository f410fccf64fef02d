/* Checks that need the whole method, after its types: where the gradient goes, what nothing uses,
 * what a queue holds at the start, and whether anything keeps the features apart. Most of them are
 * about edges of the method's picture. */
#ifndef COUPLET_LANG_EDGES_H
#define COUPLET_LANG_EDGES_H

#include "lang/ast.h"

/* The parts of a method that keep features from becoming one constant. Each field is an expression
 * of its kind, or NULL if the method has none. */
typedef struct Separation {
    /* An application of a network that a gradient reaches. NULL: the loss trains no network. */
    const Expr *applied;
    const Expr *stop;  /* a stopped gradient */
    const Expr *pairs; /* a reduction over other samples, which makes them negatives */
    /* A reduction over the samples for each feature or cluster, which makes batch statistics. */
    const Expr *statistic;
    const Expr *memory; /* a queue, bank or state */
    const Expr *label;  /* labels or other fields of the data */
    const Expr *other;  /* a draw, a read of another sample's row, or a margin */
    /* A read of another sample's row in an array of a single row. It is the same row, and separates
     * nothing. */
    const Expr *itself;
} Separation;

/* Returns what keeps features apart in all losses of a method. */
Separation method_separation(Arena *arena, const Method *method);
/* Returns the same for one loss. It counts only what compares samples, so the target of an
 * autoencoder is not in `other`. */
Separation edges_separation(Arena *arena, const Method *method, const Stmt *loss);

/* Does these checks. Gradients and rates are checked in any method, as far as its names are known.
 * The other checks are done only for a method without errors, because an error may stand where the
 * missing use or stop was meant. */
void check_edges(Arena *arena, Diag *diag, const Method *method);

#endif
