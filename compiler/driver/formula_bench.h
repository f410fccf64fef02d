/* Compiles one formula and times it, for `couplet bench` and the comparison with other
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
    void *inputs[BENCH_MAX_INPUTS]; /* the arrays in the order of the plan's inputs */
    const char *names[BENCH_MAX_INPUTS];
    float *arrays[BENCH_MAX_INPUTS];
} FormulaBench;

typedef struct BenchInput {
    const char *name;
    int rank;
    int64_t shape[4];
} BenchInput;

/* Compiles a function of formula_bench.c: its value or one gradient (`output` is "value", "grad_a",
 * ...), or all gradients (NULL). Arrays hold small made-up numbers. Returns false after a message
 * on stderr. */
bool formula_open(FormulaBench *b, const char *function, const BenchInput *inputs, int input_count,
                  const char *output, CoupletThreads *threads);
/* Does the same for a function of a library's module. */
bool formula_open_library(FormulaBench *b, const char *module, const char *function,
                          const BenchInput *inputs, int input_count, CoupletThreads *threads);
void formula_run(FormulaBench *b); /* Runs the formula once. */
float *formula_input(FormulaBench *b, const char *name);
const float *formula_output(const FormulaBench *b, const char *output);
void formula_close(FormulaBench *b);

#endif
