/* What a reducer does with a term, and with another's share of the terms: for reductions and sweeps alike. */
#ifndef COUPLET_COMPILER_OPENCL_FOLD_H
#define COUPLET_COMPILER_OPENCL_FOLD_H

#include "compiler/opencl/emit.h"

typedef struct Fold {
    Frame *f;
    const GNode *node;
    const char *type; /* of the value so far */
    bool is_sum;      /* terms are added, be it a sum or the exponentials of a log-sum-exp */
    bool keeps_lost;  /* and what each addition rounds off is kept */
    bool may_wrap;    /* 64 bits may not hold a sum of whole numbers: each addition is checked */
    bool counts;      /* how many terms there were, where none is an error */
} Fold;

/* Where it is kept, as C: variables or elements of arrays. Only what the reducer needs is read. */
typedef struct Cells {
    Value best;   /* the value so far; of a log-sum-exp its largest term */
    Value sum;    /* of a log-sum-exp in one pass: of the exponentials, shifted by `best` */
    Value lost;   /* what the sum so far has lost by rounding */
    Value winner; /* where the best is, -1 for nowhere */
    Value terms;
} Cells;

bool takes_smallest(const GNode *n);
bool takes_position(const GNode *n);
Fold fold_of(Frame *f, const GNode *node);
Value fold_neutral(const Fold *fold);
/* `place` ascends from term to term. `holds` NULL: always; where it does not hold, the term is already neutral. */
void fold_term(const Fold *fold, const Cells *cells, Value term, Value holds, Value place);
/* The sum, with what it has lost. */
Value fold_sum(const Fold *fold, const Cells *cells);
/* A term joins the sum of a log-sum-exp in one pass. */
void fold_exponential(const Fold *fold, const Cells *cells, Value term);
/* Two shares become one; of equal values the lower place stays. */
void fold_join(const Fold *fold, const Cells *mine, const Cells *other);
/* The same for the largest terms and shifted sums of a log-sum-exp, and its value. */
void fold_join_exponentials(const Fold *fold, const Cells *mine, const Cells *other);
Value fold_log(const Fold *fold, const Cells *cells);

#endif
