/* Reducers, by the rows of reducers.def. */
#ifndef COUPLET_COMPILER_GRAPH_REDUCER_H
#define COUPLET_COMPILER_GRAPH_REDUCER_H

#include "compiler/graph/graph.h"

/* The value that a reduction starts from, which is also its result without a term. */
typedef enum {
    REDUCER_ZERO,
    REDUCER_ONE,
    REDUCER_LEAST, /* -inf; for whole numbers, the smallest of the type */
    REDUCER_MOST,  /* inf; for whole numbers, the largest of the type */
    REDUCER_FALSE,
    REDUCER_TRUE
} ReducerValue;

typedef struct ReducerRow {
    /* `word` stands in the text of a graph, `label` in profiles and names of kernels. */
    const char *word;
    const char *label;
    ReducerValue start;
    ReducerValue empty;
    /* The operation that joins two results; G_OP_COUNT: the reducer has a rule of its own. */
    GOp join;
    bool in_parts;    /* a large reduction may be taken in two levels (passes/split.c) */
    bool gives_place; /* the result is the place of a term */
} ReducerRow;

extern const ReducerRow graph_reducers[GRAPH_REDUCERS];

/* True if the smallest term is the best: for a minimum, and for its place. */
bool reducer_takes_least(GReducer reducer);
/* Returns the value as a double; truth values are 0 and 1. */
double reducer_value(ReducerValue value);
/* Returns the value of a term that the guard leaves out, as a constant of the terms' type. Not to
 * be called for whole numbers if the reducer starts from the least or the most value, because whole
 * numbers have no infinity. */
const GExpr *reducer_start(Graph *g, GReducer reducer, GType type);

#endif
