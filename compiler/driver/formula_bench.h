/* Compiles one formula and times it, for `couplet bench` and for the comparison with other
 * libraries. */
#ifndef COUPLET_DRIVER_FORMULA_BENCH_H
#define COUPLET_DRIVER_FORMULA_BENCH_H

#include "compiler/cpu/cpu.h"
#include "runtime/executor.h"

enum { BENCH_MAX_INPUTS = 6 };

typedef struct FormulaBench {
    Arena *arena;
    CpuCode *code;
    CoupletPlan *plan;
    CoupletRun *run;
    void *inputs[BENCH_MAX_INPUTS]; /* by the plan's inputs */
    const char *names[BENCH_MAX_INPUTS];
    float *arrays[BENCH_MAX_INPUTS];
} FormulaBench;

typedef struct BenchInput {
    const char *name;
    int rank;
    int64_t shape[4];
} BenchInput;

/* Compiles the value or a gradient (`output`: "value", "grad_a", ...; NULL: all gradients) of a
 * function in formula_bench.c. Arrays hold small made-up numbers. False after a message on stderr.
 */
bool formula_open(FormulaBench *b, const char *function, const BenchInput *inputs, int input_count,
                  const char *output, CoupletThreads *threads);
/* The same of a function of a module of the library. */
bool formula_open_library(FormulaBench *b, const char *module, const char *function,
                          const BenchInput *inputs, int input_count, CoupletThreads *threads);
void formula_run(FormulaBench *b); /* once */
float *formula_input(FormulaBench *b, const char *name);
const float *formula_output(const FormulaBench *b, const char *output);
void formula_close(FormulaBench *b);

#endif
