/* The comparison of the back ends' answers with those of the reference evaluator. */
#ifndef COUPLET_TESTS_DIFFER_COMPARE_H
#define COUPLET_TESTS_DIFFER_COMPARE_H

#include "tests/differ/backends.h"

/* The kind of a disagreement. A smaller formula is accepted when it shows the same kind. */
typedef enum {
    AGREES,
    NOT_COMPILED,
    WRONG_BEFORE /* a pass or a gradient */,
    OTHER_BITS,
    OTHER_VALUE /* + the backend */
} VerdictKind;

typedef struct Verdict {
    int kind;             /* a VerdictKind; OTHER_VALUE + backend */
    const char *sentence; /* in the subject's arena */
} Verdict;

/* Compares result[backend] of one subject. CPU on one thread, CPU on two and the binary must agree
 * bit for bit. All others must agree within the answers' tolerance, or as far as rounding takes the
 * reference. */
Verdict compare(Subject *s, const Result *const result[BACKENDS], unsigned wanted);

/* Compiles subjects together, or one by one if that fails, and gives their verdicts. */
void judge(Backends *b, Subject *subjects, int count, unsigned wanted, Verdict *verdicts);

#endif
