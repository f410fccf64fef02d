/* The comparison of the back ends' answers with those of the reference evaluator. */
#ifndef COUPLET_TESTS_DIFFER_COMPARE_H
#define COUPLET_TESTS_DIFFER_COMPARE_H

#include "tests/differ/backends.h"

/* The kind of a disagreement. A smaller formula is accepted when it shows the same kind. */
typedef enum {
    AGREES,
    NOT_COMPILED,
    WRONG_BEFORE /* a pass or a gradient is wrong, which shows before any back end runs */,
    OTHER_BITS,
    OTHER_VALUE /* the number of the back end is added to it */
} VerdictKind;

typedef struct Verdict {
    int kind;             /* a VerdictKind, or OTHER_VALUE plus the number of the back end */
    const char *sentence; /* in the subject's arena */
} Verdict;

/* Compares result[backend] of one subject. All back ends but the device must agree bit for bit with
 * the CPU on one thread. All back ends must agree with the reference evaluator within the answers'
 * tolerance, or as far as rounding takes the reference. */
Verdict compare(Subject *s, const Result *const result[BACKENDS], unsigned wanted);

/* Compiles subjects together, or one by one if that fails, and gives their verdicts. */
void judge(Backends *b, Subject *subjects, int count, unsigned wanted, Verdict *verdicts);

#endif
