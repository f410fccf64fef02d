/* The arrays that a function is tried on: read from files, given as numbers, or made up. */
#ifndef COUPLET_DRIVER_FUNCTION_ARRAYS_H
#define COUPLET_DRIVER_FUNCTION_ARRAYS_H

#include "compiler/driver/options.h"
#include "compiler/lower/lower.h"
#include "runtime/executor.h"

typedef struct FunctionArrays {
    Arena *arena;
    FunctionInput *inputs; /* one entry for each array, in the arena, as in all lists below */
    double **values;       /* NULL for a number that is compiled in */
    /* the exact entries of an array of whole numbers that came from a file; NULL: no such array */
    const int64_t **wholes;
    bool *is_unsigned;  /* true if the exact entries are uint64_t, bit for bit */
    const char **files; /* the file of each array; NULL: the array is made up, or a number */
    bool *is_index;     /* true if the array has made-up ints, which must be valid indices */
    int64_t *extent;    /* the extent of the axis that the array indexes; 0: it indexes none */
    int count;
    int capacity;
    /* true if made-up arrays have no values, because the caller does not run the function */
    bool only_shapes;
} FunctionArrays;

/* Takes --in NAME=FILE.npy, --in NAME=FILE.npz (the array NAME in it) and --set NAME=NUMBER.
 * Returns false after a message on stderr. */
bool arrays_read(FunctionArrays *arrays, const Options *options);

/* True if each dimension of --size belongs to the function that --fn names, or without --fn to some
 * function. Returns false after a message on stderr. A function that does not exist is left for the
 * caller to report. */
bool arrays_know_sizes(const Method *method, const Options *options);

/* Makes up an input for each parameter of the function that is not given. Its random numbers are of
 * the kind that the parameter is likely to be:
 *
 *   real arrays of two axes and more  features: normal numbers
 *   real vectors, and numbers         weights, temperatures, coefficients: uniform in 0.25 .. 0.75.
 *                                     A number with a default has its default. A default of 0 (an
 *                                     epsilon, or a term that is switched off) is compiled in
 *   bool arrays                       true or false alike
 *   int arrays                        classes 0, 1, 2. An array that indexes another array
 *                                     stays inside it (arrays_fit_indices)
 *   int numbers                       their default, else 2: compiled in
 *
 * A dimension is as large as in an array that is given, or as --size says. Otherwise its name
 * decides: N is 6, D is 5, K is 7, C, V and L are 3, G is 2, and others are 4. */
bool arrays_make_up(FunctionArrays *arrays, const Stmt *fn, const Options *options);

/* Makes the made-up ints valid. An array that indexes an axis is taken modulo the extent; the
 * others become classes. `g` is the function as lowered. */
void arrays_fit_indices(FunctionArrays *arrays, const Graph *g);

/* Returns the sentence "z.npy: z[3, 7] is nan" if an array holds a number that is not finite, or
 * not finite in float32; else NULL. */
const char *arrays_not_finite(const FunctionArrays *arrays, const Options *options);

int64_t arrays_elements(const FunctionArrays *arrays, int i);
/* A ReferenceSource over FunctionArrays. Run scalars have the values of the first step of a run
 * with seed 0. */
const double *arrays_find(void *context, const GNode *node);
/* Returns the arrays as a plan takes them, float32 or int32, by number of the plan's input. */
void **arrays_narrow(FunctionArrays *arrays, const Graph *g, const CoupletPlan *plan);

#endif
