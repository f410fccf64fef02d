/* The arrays that a function is tried on: read from files, given as numbers, or made up. */
#ifndef COUPLET_DRIVER_FUNCTION_ARRAYS_H
#define COUPLET_DRIVER_FUNCTION_ARRAYS_H

#include "compiler/driver/options.h"
#include "compiler/lower/lower.h"
#include "runtime/executor.h"

typedef struct FunctionArrays {
    Arena *arena;
    FunctionInput *inputs; /* in the arena, as the lists below are: one entry an array */
    double **values;       /* NULL for a number that is compiled in */
    /* the exact entries of an array of whole numbers that came from a file; else NULL */
    const int64_t **wholes;
    bool *is_unsigned;  /* the entries are those of uint64_t, bit for bit */
    const char **files; /* NULL: made up, or a number */
    bool *is_index;     /* ints that are made up: they must stay inside what they index */
    int64_t *extent;    /* the extent of the axis that such an array indexes; 0: it indexes none */
    int count, capacity;
    /* arrays that are made up have no values, for callers that do not run the function */
    bool only_shapes;
} FunctionArrays;

/* --in NAME=FILE.npy, --in NAME=FILE.npz (its array NAME) and --set NAME=NUMBER. False after a
 * message on stderr. */
bool arrays_read(FunctionArrays *arrays, const Options *options);

/* True if each dimension of --size is one of the function that --fn names, or of some function;
 * false after a message on stderr. A function that is not there is for others to report. */
bool arrays_know_sizes(const Method *method, const Options *options);

/* Adds what is not there yet of the function's parameters, as random numbers of the kind that the
 * parameter is likely to be:
 *
 *   real arrays of two axes and more  features: normal numbers
 *   real vectors, and numbers         weights, temperatures, coefficients: uniform in 0.25 .. 0.75.
 *                                     A number with a default has that, and is compiled in if it
 *                                     is 0: an epsilon, or a term that is switched off
 *   bool arrays                       true or false alike
 *   int arrays                        classes 0, 1, 2. An array that indexes another one stays
 *                                     inside it (arrays_fit_indices)
 *   int numbers                       their default, else 2: compiled in
 *
 * Dimensions are as --size says, else by their name: N is 6, D is 5, K is 7, C is 3, others 4; they
 * must fit the arrays that are given. */
bool arrays_make_up(FunctionArrays *arrays, const Stmt *fn, const Options *options);

/* Makes made-up ints valid: what indexes an axis is taken modulo its extent, the rest become
 * classes. `g` is the function as lowered. */
void arrays_fit_indices(FunctionArrays *arrays, const Graph *g);

/* True if an array holds what is no finite number, or none in float32, as a sentence: "z.npy: z[3,
 * 7] is nan". */
bool arrays_not_finite(const FunctionArrays *arrays, const Options *options, char *text,
                       size_t bytes);

int64_t arrays_elements(const FunctionArrays *arrays, int i);
/* A ReferenceSource over FunctionArrays. Run scalars are those of the first step of a run with seed
 * 0. */
const double *arrays_find(void *context, const GNode *node);
/* Returns the arrays as a plan takes them: float32 or int32, by input of the plan. */
void **arrays_narrow(FunctionArrays *arrays, const Graph *g, const CoupletPlan *plan);

#endif
