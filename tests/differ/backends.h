/* The back ends that must agree with the reference evaluator. Each is given many subjects at once,
 * because compiling takes the time, and subjects share kernels. */
#ifndef COUPLET_TESTS_DIFFER_BACKENDS_H
#define COUPLET_TESTS_DIFFER_BACKENDS_H

#include "tests/differ/subject.h"

typedef enum {
    ON_ONE_THREAD,
    ON_TWO_THREADS,
    IN_A_BINARY,
    ON_A_DEVICE,
    ON_TWO_RANKS,
    ON_THREE_RANKS,
    BACKENDS
} Backend;
extern const char *const backend_names[BACKENDS];

typedef struct Result {
    const char *fault; /* what stopped the run */
    void **values;     /* by answer of the subject: f32, i32 or u8; in the arena */
} Result;

/* Opens the back ends that are `wanted` (a bit for each Backend), once. False after a sentence. */
typedef struct Backends Backends;
Backends *backends_open(unsigned wanted);
void backends_close(Backends *b);

/* results[backend][subject], for every backend that is wanted. False, with a sentence, when one
 * cannot compile the subjects at all.
 *
 * CPU: the JIT of `couplet train`. Binary: the graphs are planned again, written as objects by what
 * `couplet build` calls, linked by it with the runtime and client.c, and run in a process of their
 * own. (`couplet build` itself takes methods; here the features of the program are any plans.)
 * Device: the first OpenCL one. Ranks: the plan of the JIT on ranks that are threads of this
 * process; where their answers differ, the result is one that is not the first rank's. */
bool backends_run(Backends *b, Arena *arena, Subject *const *subjects, int count,
                  Result *results[BACKENDS], const char **error);

/* Gives the share of the steps so far that ranks have cut. A test of ranks that cuts nothing tests
 * nothing. */
double backends_cut(const Backends *b);

#endif
