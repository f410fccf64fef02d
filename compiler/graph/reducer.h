/* What the rows of reducers.def say of a reducer. */
#ifndef COUPLET_COMPILER_GRAPH_REDUCER_H
#define COUPLET_COMPILER_GRAPH_REDUCER_H

#include "compiler/graph/graph.h"

/* Values that a reduction starts from, or gives where it has no term. */
typedef enum {
    REDUCER_ZERO,
    REDUCER_ONE,
    REDUCER_LEAST, /* -inf; of whole numbers the smallest that its type holds */
    REDUCER_MOST,  /* inf; of whole numbers the largest */
    REDUCER_FALSE,
    REDUCER_TRUE
} ReducerValue;

typedef struct ReducerRow {
    const char *word, *label; /* in the text of a graph; in profiles and names of kernels */
    ReducerValue start, empty;
    GOp join; /* G_OP_COUNT: results are joined by a rule of their own */
    bool in_parts;
    bool gives_place;
} ReducerRow;

extern const ReducerRow graph_reducers[GRAPH_REDUCERS];

/* True if the smallest term is the best: of a minimum, and of its place. */
bool reducer_takes_least(GReducer reducer);
/* The value, in doubles: truth values are 0 and 1. */
double reducer_value(ReducerValue value);
/* Returns the value of a term that the guard leaves out, as a constant of the type of the terms. It
 * may not be asked of whole numbers whose reducer starts from the least or the most value, since
 * these have no infinity. */
const GExpr *reducer_start(Graph *g, GReducer reducer, GType type);

#endif
