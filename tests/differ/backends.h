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
    const char *fault; /* the sentence of the fault that ended the run; NULL: none */
    void **values;     /* by answer of the subject: f32, i32 or u8; in the arena */
} Result;

/* Opens the back ends that are `wanted` (a bit for each Backend). They serve any number of runs.
 * Prints a sentence and returns NULL if one cannot be opened. */
typedef struct Backends Backends;
Backends *backends_open(unsigned wanted);
void backends_close(Backends *b);

/* Runs subjects on every back end that is wanted, and writes results[backend][subject]. Returns
 * false with a sentence if a back end cannot compile the subjects.
 *
 * The CPU runs the code of the JIT, as `couplet train` does. For the binary, the graphs are planned
 * again and written as objects by the functions of `couplet build`, which links them with the
 * runtime and client.c; the program then runs in a process of its own. (`couplet build` itself
 * takes methods. Here the features of the program are any plans.) The device is the first OpenCL
 * device. On ranks, which are threads of this process, the plan of the JIT runs; if their answers
 * differ, the result is one that is not the first rank's. */
bool backends_run(Backends *b, Arena *arena, Subject *const *subjects, int count,
                  Result *results[BACKENDS], const char **error);

/* Returns the share of all steps so far that were cut for ranks. If nothing is cut, ranks are not
 * tested. */
double backends_cut(const Backends *b);

#endif
