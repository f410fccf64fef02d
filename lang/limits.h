/* Every limit of the language. What goes past a limit is refused with a code at its place; nothing is cut off without a word. What
 * has no line here has no limit but memory: parameters, settings, arguments, names, carries, queue columns, evaluations, phases,
 * losses, networks, data sets. tests/lang/limits.py tries each limit with one more than it allows.
 *
 * Three limits live beside what sets them: MOST_LOSSES (compiler/lower/method.c), MOST_APPLICATIONS (compiler/lower/unroll.c) and
 * MAX_KERNEL_OPERANDS (compiler/plan/kernel.h). Those named MOST_.. in compiler/passes bound how far a rewrite looks; past them the graph
 * stays as it is, and right.
 *
 * The compiler takes its own sizes from here (GRAPH_MAX_RANK of compiler/graph/graph.h); limits that a machine sets, as the memory
 * that a step may take, are checked where the machine is asked. */
#ifndef COUPLET_LANG_LIMITS_H
#define COUPLET_LANG_LIMITS_H

enum {
    MOST_AXES = 8,             /* of an array; and indices of one reduction, whose results have that many, too */
    MOST_OPEN_INDICES = 32,    /* bound around one place, those of the functions called on the way among them */
    MOST_VIEWS = 64,           /* along one axis: view v[64] = .. */
    MOST_ROUNDS = 256,         /* of a scan, which is unrolled */
    MOST_PHASES = 64,          /* of a run: each is a step of its own, compiled for itself */
    MOST_NESTED_BRACKETS = 1000, /* open at one place */
    MOST_NESTED_TERMS = 2000,  /* one expression within another; a sum of n terms nests n deep. A level takes about 1 KiB of the stack */
    MOST_NESTED_CALLS = 256,   /* of functions and networks, one in the body of the other */
    MOST_DIMENSION_TERMS = 4096, /* of a dimension, multiplied out; and factors of one of its terms */
    MOST_FILE_BYTES = 1 << 28  /* of one file */
};

/* Whole numbers in the text, and those that size something, are at most 2^53 - 1: up to there double precision holds each. */
#define MOST_WHOLE 9007199254740991.0
/* Elements of an array, and terms of one formula: results times what each is made of. */
#define MOST_ELEMENTS ((int64_t)1 << 48)
/* Reals are float32 where they are computed; a written one is 0 or between these. */
#define MOST_REAL 3.402823466e+38
#define LEAST_REAL 1.401298464e-45

#endif
