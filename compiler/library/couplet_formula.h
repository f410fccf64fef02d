/* Compiles formulas and methods in the process that uses them. A function of a `.cpl` text becomes
 * machine code for the shapes that it is given, and runs on arrays of the caller. For programs in
 * C99 or C++; the library is libcouplet_formula.so.
 *
 *     CoupletFile *file;
 *     CoupletFormula *formula;
 *     CoupletProblem *problem;
 *     CoupletArgument arguments[] = {
 *         {"z", COUPLET_FLOAT32, 2, {1024, 128}, 0, COUPLET_GRADIENT, 0},
 *         {"w", COUPLET_FLOAT32, 2, {1024, 128}, 0, COUPLET_GRADIENT, 0}};
 *     if (couplet_file_open("losses", NULL, NULL, 0, &file, &problem) != COUPLET_OK) ...
 *     if (couplet_formula_new(file, "nt_xent", arguments, 2, NULL, &formula, &problem)) ...
 *     const void *arrays[] = {z, w};
 *     float *gradients[] = {grad_z, grad_w};
 *     couplet_formula_run(formula, arrays, gradients, &value, &problem);
 *
 * Arrays are dense and row major. The caller's arrays are read in place and never written, except
 * those that `gradients` points to. Arithmetic is float32. The same arrays give the same bits for
 * any number of threads.
 *
 * All functions may be called from several threads at once, also for the same object. A process
 * compiles one thing at a time and does one run at a time; each run uses all of its threads. An
 * object is freed once, when no call for it is under way. After a fork the child may use all
 * objects: it starts threads of its own.
 *
 * No function prints, exits or aborts. Only LLVM ends the process if it runs out of memory while it
 * makes machine code. A function that fails returns a status other than COUPLET_OK. If `problem` is
 * not NULL, *problem then says what is wrong, and is freed by couplet_problem_free. After success,
 * and if there is no memory for a problem, *problem is NULL. */
#ifndef COUPLET_FORMULA_H
#define COUPLET_FORMULA_H

#include "couplet.h"

#ifdef __cplusplus
extern "C" {
#endif

/* ---- what is wrong --------------------------------------------------------------------------- */

typedef struct CoupletProblem CoupletProblem;

/* Returns all messages as `couplet check` prints them, with lines and carets and a line feed at the
 * end. The texts of a problem live as long as the problem. */
const char *couplet_problem_text(const CoupletProblem *problem);
/* Return the parts of the first error: its sentence; its code, such as "E208", or ""; the file as
 * it was named, or "" if no file is to blame; line and column from 1, or 0 if there is no place.
 * Columns count bytes. */
const char *couplet_problem_sentence(const CoupletProblem *problem);
const char *couplet_problem_code(const CoupletProblem *problem);
const char *couplet_problem_file(const CoupletProblem *problem);
int couplet_problem_line(const CoupletProblem *problem);
int couplet_problem_column(const CoupletProblem *problem);
void couplet_problem_free(CoupletProblem *problem); /* may be NULL */

/* ---- files ----------------------------------------------------------------------------------- */

typedef struct CoupletFile CoupletFile;

/* The value of a hyper of the file, which is compiled in. A hyper may be given once. */
typedef struct CoupletValue {
    const char *name;
    double value;
} CoupletValue;

/* Reads and checks a file. `path` names a `.cpl` file, a folder of such files, or a module of the
 * library ("losses"). If `text` is not NULL, it is the content of the file, and `path` is only its
 * name in messages; the text is copied. Warnings do not make the call fail; couplet_file_warnings
 * returns them. */
CoupletStatus couplet_file_open(const char *path, const char *text, const CoupletValue *hypers,
                                int hyper_count, CoupletFile **file, CoupletProblem **problem);
/* Frees a file, which may be NULL. Formulas that were made of the file remain valid. */
void couplet_file_free(CoupletFile *file);
/* Returns the warnings of the check, in the form of couplet_problem_text; "" if there are none. */
const char *couplet_file_warnings(const CoupletFile *file);

typedef enum CoupletKind {
    COUPLET_KIND_REAL,
    COUPLET_KIND_INT,
    COUPLET_KIND_BOOL,
    COUPLET_KIND_OTHER /* a network or a function; a caller cannot give one */
} CoupletKind;

typedef struct CoupletParameter {
    const char *name;
    CoupletKind kind;
    int rank; /* 0: a number */
    int has_default;
} CoupletParameter;

/* Returns the name of function `number` of the file, from 0 and in the order of the file. NULL
 * behind the last. */
const char *couplet_file_function(const CoupletFile *file, int number);
/* Returns the name of hyper `number` of the file, from 0. NULL behind the last. */
const char *couplet_file_hyper(const CoupletFile *file, int number);
/* Fills in parameter `number`, from 0, of a function of the file, or of a module that the file uses
 * ("losses.nt_xent"). Returns 0 behind the last parameter, and if there is no such function. */
int couplet_file_parameter(const CoupletFile *file, const char *function, int number,
                           CoupletParameter *parameter);

/* Writes the documentation of a function into `text`: its signature on one line, such as
 * "nt_xent(z[N, D], w[N, D], tau = 0.1)", an empty line, and the comment above the function. At
 * most bytes - 1 bytes and a NUL are written; `text` may be NULL if `bytes` is 0. Returns the
 * length of the whole documentation, or -1 if there is no such function. */
int64_t couplet_file_about(const CoupletFile *file, const char *function, char *text, size_t bytes);

/* ---- methods --------------------------------------------------------------------------------- */

/* Reads, checks and compiles a method: a file with a `loss` and a `train { .. }`. The result serves
 * the functions of couplet.h, which this library has too: couplet_model_new, _step, _embed. If the
 * files of a source are missing, the spec must claim the fields of the source; the arrays of a step
 * are the caller's anyway. Arguments are those of couplet_file_open. */
CoupletStatus couplet_method_open(const char *path, const char *text, const CoupletValue *hypers,
                                  int hyper_count, const CoupletMethod **method,
                                  CoupletProblem **problem);
/* Closes a method, which may be NULL, after the last of its models. Not for methods of `couplet
 * build`. */
void couplet_method_close(const CoupletMethod *method);

/* Features [count, width] of float32, and their labels, which are 0 .. classes - 1. */
typedef struct CoupletRows {
    const float *values;
    const int32_t *labels;
    int64_t count;
    int64_t width;
} CoupletRows;

/* Returns the percentage of the queries whose label wins the vote of the k nearest rows of the
 * bank. Each row votes with the weight exp(cosine / temperature), as in `eval { knn(..) }` (Wu et
 * al., CVPR 2018, section 3.4). k is from 1 to the rows of the bank, and the temperature is above
 * 0. Returns a negative number if something is outside its range, if a feature is not finite, or if
 * memory runs out. `threads` is that of CoupletFormulaOptions. */
double couplet_score_knn(const CoupletRows *bank, const CoupletRows *query, int classes, int64_t k,
                         double temperature, int threads);
/* Returns the percentage of the queries that a multinomial logistic regression on the bank
 * classifies correctly, as in `eval { linear(..) }`. The fit minimises mean cross-entropy + decay *
 * sum of squared weights. Returns a negative number as couplet_score_knn does. */
double couplet_score_linear(const CoupletRows *bank, const CoupletRows *query, int classes,
                            double decay, int threads);

/* ---- formulas -------------------------------------------------------------------------------- */

typedef struct CoupletFormula CoupletFormula;

typedef enum CoupletUse {
    COUPLET_PLAIN,    /* an array, or a number that may change from run to run */
    COUPLET_GRADIENT, /* an array of reals whose gradient is computed as well */
    COUPLET_CONSTANT  /* the number `value`, which is compiled in */
} CoupletUse;

/* The argument for one parameter of the function. */
typedef struct CoupletArgument {
    const char *name;
    CoupletElement element; /* FLOAT32 for reals; INT32 for ints, and for bools as 0 or not 0 */
    int rank;               /* 0: a number, in memory as an array of one entry */
    int64_t extent[8];      /* each at least 1 */
    int holds_infinity;     /* not 0: some entries are infinite, so logs of them are guarded */
    CoupletUse use;
    double value;
} CoupletArgument;

typedef struct CoupletFormulaOptions {
    int threads;          /* 0: one for each core; values above 256 count as 256 */
    int allows_infinity;  /* not 0: a result that is not finite does not make a run fail */
    uint64_t seed;        /* the seed of the function's random draws */
    int64_t memory_bytes; /* the most bytes for the arrays of a run; 0: any number */
} CoupletFormulaOptions;

/* Compiles `function` for arguments of these shapes. Each argument is checked against its
 * declaration. The function is differentiated, and its machine code is made, or found in the cache
 * on the disk. A parameter with a default may be left out. The function's result must be one
 * number; without a COUPLET_GRADIENT argument it may be an array. `options` may be NULL, which
 * stands for zeros. */
CoupletStatus couplet_formula_new(CoupletFile *file, const char *function,
                                  const CoupletArgument *arguments, int argument_count,
                                  const CoupletFormulaOptions *options, CoupletFormula **formula,
                                  CoupletProblem **problem);

/* Computes *value and the gradients. arrays[i] is the array of argument i, and NULL for a constant.
 * gradients[i] receives the gradient of argument i, floats of the argument's shape. It is NULL if
 * the gradient is not wanted, and for arguments that are not COUPLET_GRADIENT; `gradients` may be
 * NULL as a whole. A result that is not finite gives COUPLET_ERROR_NUMBERS, and the problem says
 * where the first such number arose. After a failure *value and the gradients are unchanged, except
 * for a NaN or infinity that `allows_infinity` permits. */
CoupletStatus couplet_formula_run(CoupletFormula *formula, const void *const *arrays,
                                  float *const *gradients, double *value, CoupletProblem **problem);
/* Fills *shape with the element type and the extents of the result; a number has rank 0. Truth
 * values are COUPLET_UINT8, 0 or 1. Returns 0 if a pointer is NULL. */
int couplet_formula_result(const CoupletFormula *formula, CoupletShape *shape);
/* Computes any result into `result`, dense and row major. A single number is stored as a float. */
CoupletStatus couplet_formula_run_array(CoupletFormula *formula, const void *const *arrays,
                                        void *result, CoupletProblem **problem);
/* Sets the step to which later runs belong: 0 at first, and at most 2147483647. A function's random
 * draws depend on the seed and the step, so a step draws the same numbers in each run. */
CoupletStatus couplet_formula_set_step(CoupletFormula *formula, int64_t step);
/* Returns 1 if the function draws at random, else 0. */
int couplet_formula_draws(const CoupletFormula *formula);
/* Ends the runs that are under way or waiting: they return COUPLET_ERROR_STOPPED within
 * milliseconds. May be called at any time from any thread. Has no effect if there is no run. */
void couplet_formula_stop(CoupletFormula *formula);

/* Returns the number of products and sums of floats in a run, approximately. */
double couplet_formula_operations(const CoupletFormula *formula);
/* Returns the bytes of a run's arrays, apart from the caller's. They are held until the formula is
 * freed. */
int64_t couplet_formula_bytes(const CoupletFormula *formula);
int couplet_formula_kernels(const CoupletFormula *formula);
/* Returns 1 if the machine code was found in the cache, else 0. */
int couplet_formula_was_cached(const CoupletFormula *formula);
void couplet_formula_free(CoupletFormula *formula); /* may be NULL */

#ifdef __cplusplus
}
#endif

#endif
