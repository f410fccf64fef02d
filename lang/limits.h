/* Every limit of the language. A text that goes past a limit is refused with a code and a place,
 * and nothing is cut off in silence. Parameters, settings, arguments, names, carries, queue
 * columns, evaluations, phases, losses, networks and data sets have no line here and no limit but
 * memory. tests/lang/limits.py tries each limit with one more than it allows.
 *
 * Three limits stand in the file that they come from: MOST_LOSSES (compiler/lower/method.c),
 * MOST_APPLICATIONS (compiler/lower/unroll.c) and MAX_KERNEL_OPERANDS (compiler/plan/kernel.h).
 * Limits named MOST_.. in compiler/passes bound how far a rewrite looks; past them the graph stays
 * as it is, and right.
 *
 * The compiler takes its own sizes from here (GRAPH_MAX_RANK in compiler/graph/graph.h). Limits of
 * a machine, such as the memory that a step may take, are checked where the machine is asked. */
#ifndef COUPLET_LANG_LIMITS_H
#define COUPLET_LANG_LIMITS_H

enum {
    MOST_AXES = 8, /* the axes of an array, and the indices of one reduction or of its results */
    /* The indices that are bound around one place, including those that the functions called on the
     * way there have bound. */
    MOST_OPEN_INDICES = 32,
    MOST_VIEWS = 64,    /* the views along one axis: view v[64] = .. */
    MOST_ROUNDS = 1024, /* the rounds of a scan, each of which is written out */
    /* The phases of a run. Each phase has a step of its own. */
    MOST_PHASES = 64,
    MOST_NESTED_BRACKETS = 1000, /* the brackets that are open at one place */
    /* The depth of expressions. A sum of n terms is n deep, and a level takes about 1 KiB of the
     * stack. */
    MOST_NESTED_TERMS = 2000,
    MOST_NESTED_CALLS = 256, /* the depth of calls of functions and networks */
    /* The terms of a dimension that is multiplied out, and the factors of a term. */
    MOST_DIMENSION_TERMS = 4096,
    MOST_FILE_BYTES = 1 << 28 /* the bytes of one file */
};

/* The largest whole number in a text, and the largest that sizes something: 2^53 - 1. Double
 * precision holds every whole number up to there. */
#define MOST_WHOLE 9007199254740991.0
/* The elements of an array, and the terms of one formula: its results times the terms of each. */
#define MOST_ELEMENTS ((int64_t)1 << 48)
/* Reals are computed in float32. A real in the text is 0, or lies between these in size. */
#define MOST_REAL  3.402823466e+38
#define LEAST_REAL 1.401298464e-45

#endif
