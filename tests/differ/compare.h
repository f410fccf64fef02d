/* Whether the back ends say what the reference evaluator says. */
#ifndef COUPLET_TESTS_DIFFER_COMPARE_H
#define COUPLET_TESTS_DIFFER_COMPARE_H

#include "tests/differ/backends.h"

/* What kind of disagreement: a smaller formula is accepted when it shows the same kind. */
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

/* result[backend] of one subject. Bit for bit: CPU on one thread, on two, binary. All others:
 * within the answers' tolerance, or as far as rounding takes the reference. */
Verdict compare(Subject *s, const Result *const result[BACKENDS], unsigned wanted);

/* Subjects with their verdicts; compiles them together, and one by one when that fails. */
void judge(Backends *b, Subject *subjects, int count, unsigned wanted, Verdict *verdicts);

#endif
