/* The step of a reducer, which takes a term, or the share of the terms that another work-item has.
 * Reductions and sweeps both use it. */
#ifndef COUPLET_COMPILER_OPENCL_FOLD_H
#define COUPLET_COMPILER_OPENCL_FOLD_H

#include "compiler/opencl/write.h"

/* How a reducer folds the terms of one node. The caller of fold_of sets `keeps_lost`. */
typedef struct Fold {
    Frame *f;
    const GNode *node;
    const char *type; /* the C type of the value so far */
    bool is_product;  /* digits, exponent and rounding error are kept apart */
    bool is_sum;      /* terms are added: those of a sum, or the exponentials of a log-sum-exp */
    bool keeps_lost;  /* the rounding error of the additions is kept (Kahan) */
    /* 64 bits may not hold the sum of whole numbers, so each addition is checked. */
    bool may_wrap;
    bool counts; /* terms are counted, because a result without any is an error */
} Fold;

/* The places that hold the value so far, as C text: variables or elements of arrays. A reducer
 * reads only the members that it needs. */
typedef struct Cells {
    Value best; /* the value so far; for a log-sum-exp, its largest term */
    /* for a log-sum-exp in one pass: the sum of the exponentials, shifted by `best` */
    Value sum;
    Value lost;   /* the rounding error of the sum so far */
    Value power;  /* for a product, which is (best + lost) * 2^power */
    Value winner; /* the position of the best term; -1: there is none yet */
    /* the number of terms so far */
    Value terms;
} Cells;

bool fold_takes_position(const GNode *n);
Fold fold_of(Frame *f, const GNode *node);
/* Returns the value from which the fold starts, and which a term has that the guard leaves out. */
Value fold_neutral(const Fold *fold);
/* Takes a term. `place` ascends from term to term. `holds` is the guard, or NULL; a term whose
 * guard does not hold is neutral already. */
void fold_term(const Fold *fold, const Cells *cells, Value term, Value holds, Value place);
/* Returns the sum together with the part that its additions have lost, or the product from its
 * parts. */
Value fold_sum(const Fold *fold, const Cells *cells);
/* Adds an exponential to the sum of a log-sum-exp in one pass. */
void fold_exponential(const Fold *fold, const Cells *cells, Value term);
/* Joins two shares in `mine`. Of equal values the one at the lower place stays. */
void fold_join(const Fold *fold, const Cells *mine, const Cells *other);
/* Joins two shares of a log-sum-exp in `mine`. Each share has a largest term and a shifted sum,
 * from which fold_log makes the value. */
void fold_join_exponentials(const Fold *fold, const Cells *mine, const Cells *other);
Value fold_log(const Fold *fold, const Cells *cells);

#endif
