/* Formulas and methods compiled in the process that uses them. A function of a `.cpl` text becomes
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
 * Arrays are dense and row major. Those of the caller are read where they lie, without a copy, and
 * are not written; only what `gradients` points to is. Arithmetic is float32. The same arrays give
 * the same bits for any number of threads.
 *
 * All functions may be called from several threads at once, for the same objects too: compiling
 * happens one after the other in a process, and so do runs, each of which uses all of its threads.
 * An object is freed once, when no call for it is under way. A process that was forked may go on
 * with all objects: it starts threads of its own.
 *
 * Nothing here prints, exits or aborts; only LLVM ends the process when it meets no memory while it
 * makes machine code. A function that fails returns a status other than COUPLET_OK and, where
 * `problem` is not NULL, sets *problem to what is wrong, for couplet_problem_free; else *problem is
 * NULL. Only where there is no memory is *problem NULL after a failure, too. */
#ifndef COUPLET_FORMULA_H
#define COUPLET_FORMULA_H

#include "couplet.h"

#ifdef __cplusplus
extern "C" {
#endif

/* ---- what is wrong --------------------------------------------------------------------------- */

typedef struct CoupletProblem CoupletProblem;

/* All messages as `couplet check` prints them, with the lines and carets: ends with a line's end.
 * The texts of a problem live as long as it does. */
const char *couplet_problem_text(const CoupletProblem *problem);
/* Parts of the first error: its sentence, its code ("E208"; "" if it has none), the file as it was
 * named ("" if none is to blame), and the place, from 1; 0 where there is none. Columns count
 * bytes. */
const char *couplet_problem_sentence(const CoupletProblem *problem);
const char *couplet_problem_code(const CoupletProblem *problem);
const char *couplet_problem_file(const CoupletProblem *problem);
int couplet_problem_line(const CoupletProblem *problem);
int couplet_problem_column(const CoupletProblem *problem);
void couplet_problem_free(CoupletProblem *problem); /* NULL is fine */

/* ---- files ----------------------------------------------------------------------------------- */

typedef struct CoupletFile CoupletFile;

/* The value of a hyper of the file. It is compiled in. No hyper is given twice. */
typedef struct CoupletValue {
    const char *name;
    double value;
} CoupletValue;

/* Reads and checks a file: `path` names a `.cpl` file, a folder of such files, or a module of the
 * library ("losses"). Where `text` is not NULL, it is what the file holds, and `path` is only its
 * name in messages; the text is copied. Warnings are no failure; couplet_file_warnings has them. */
CoupletStatus couplet_file_open(const char *path, const char *text, const CoupletValue *hypers,
                                int hyper_count, CoupletFile **file, CoupletProblem **problem);
/* Formulas that were made of it go on working. NULL is fine. */
void couplet_file_free(CoupletFile *file);
/* The warnings of the check, as couplet_problem_text has messages; "" if there are none. */
const char *couplet_file_warnings(const CoupletFile *file);

typedef enum CoupletKind {
    COUPLET_KIND_REAL,
    COUPLET_KIND_INT,
    COUPLET_KIND_BOOL,
    COUPLET_KIND_OTHER /* a network or a function, which a caller cannot give */
} CoupletKind;

typedef struct CoupletParameter {
    const char *name;
    CoupletKind kind;
    int rank; /* 0: a number */
    int has_default;
} CoupletParameter;

/* The functions of the file in its order, numbered from 0; NULL behind the last. */
const char *couplet_file_function(const CoupletFile *file, int number);
/* Returns the name of a hyper of the file; NULL behind the last one. */
const char *couplet_file_hyper(const CoupletFile *file, int number);
/* Parameter `number`, from 0, of a function of the file, or of a module that it uses
 * ("losses.nt_xent"). False (0) behind the last, and where there is no such function. */
int couplet_file_parameter(const CoupletFile *file, const char *function, int number,
                           CoupletParameter *parameter);

/* Writes a function's documentation into `text`: its head on one line, "nt_xent(z[N, D], w[N, D],
 * tau = 0.1)", and below it, behind an empty line, the comment above it. At most bytes - 1 of it go
 * into `text`, with a NUL; `text` may be NULL where bytes is 0. Returns the length of the whole; -1
 * where there is no such function. */
int64_t couplet_file_about(const CoupletFile *file, const char *function, char *text, size_t bytes);

/* ---- methods --------------------------------------------------------------------------------- */

/* Reads, checks and compiles a method: a file with a `loss` and a `train { .. }`. What comes of it
 * is for the functions of couplet.h, which this library has, too: couplet_model_new, _step, _embed.
 * A source of data whose file is not there needs a claim of its fields; the arrays of a step are
 * the caller's anyway. Arguments are those of couplet_file_open. */
CoupletStatus couplet_method_open(const char *path, const char *text, const CoupletValue *hypers,
                                  int hyper_count, const CoupletMethod **method,
                                  CoupletProblem **problem);
/* Behind the last of its models. NULL is fine; a method of `couplet build` is none to close. */
void couplet_method_close(const CoupletMethod *method);

/* Features [count, width] and their labels, 0 .. classes - 1. */
typedef struct CoupletRows {
    const float *values;
    const int32_t *labels;
    int64_t count, width;
} CoupletRows;

/* Percent of the queries whose label the k nearest rows of the bank vote for, each with the weight
 * exp(cosine / temperature), as `eval { knn(..) }` has it (Wu et al., CVPR 2018, section 3.4). k is
 * 1 to the rows of the bank, the temperature above 0. Negative when something is outside its range,
 * a feature is not finite, or memory runs out. `threads` as in CoupletFormulaOptions. */
double couplet_score_knn(const CoupletRows *bank, const CoupletRows *query, int classes, int64_t k,
                         double temperature, int threads);
/* Percent of the queries that a multinomial logistic regression on the bank classifies rightly, as
 * `eval { linear(..) }` has it: mean cross-entropy + decay * sum of the squared weights. Negative
 * as above. */
double couplet_score_linear(const CoupletRows *bank, const CoupletRows *query, int classes,
                            double decay, int threads);

/* ---- formulas -------------------------------------------------------------------------------- */

typedef struct CoupletFormula CoupletFormula;

typedef enum CoupletUse {
    COUPLET_PLAIN,    /* an array, or a number that may differ from run to run */
    COUPLET_GRADIENT, /* an array of reals whose gradient is computed, too */
    COUPLET_CONSTANT  /* the number `value`, which is compiled in */
} CoupletUse;

/* The argument for one parameter of the function. */
typedef struct CoupletArgument {
    const char *name;
    CoupletElement element; /* FLOAT32 for reals; INT32 for ints, and for bools as 0 or not 0 */
    int rank;               /* 0: a number, in memory as an array of one */
    int64_t extent[8];      /* each at least 1 */
    int holds_infinity;     /* not 0: some are infinite, and logs of them are guarded for it */
    CoupletUse use;
    double value;
} CoupletArgument;

typedef struct CoupletFormulaOptions {
    int threads;          /* 0: one for each core; more than 256 are 256 */
    int allows_infinity;  /* not 0: a result that is not finite is none of a failure's reasons */
    uint64_t seed;        /* the seed of the function's random draws */
    int64_t memory_bytes; /* the most memory for the arrays of a run; 0: any amount */
} CoupletFormulaOptions;

/* Compiles `function` for arguments of these shapes: checks each against its declaration,
 * differentiates, and makes machine code, or finds it in the cache on the disk. A parameter with a
 * default may be left out. The function's result is one number; where no argument is
 * COUPLET_GRADIENT it may be an array. `options` may be NULL, all zero. */
CoupletStatus couplet_formula_new(CoupletFile *file, const char *function,
                                  const CoupletArgument *arguments, int argument_count,
                                  const CoupletFormulaOptions *options, CoupletFormula **formula,
                                  CoupletProblem **problem);

/* Computes *value and the gradients. arrays[i] is the array of argument i, and NULL for constants.
 * gradients[i] is where the gradient of argument i goes, floats of its shape: NULL where it is not
 * wanted, and for arguments that are not COUPLET_GRADIENT; `gradients` itself may be NULL. A result
 * that is not finite is COUPLET_ERROR_NUMBERS, and the problem says where the first such number
 * arose. After a failure *value and the gradients are as they were, but for a NaN or infinity that
 * `allows_infinity` lets through. */
CoupletStatus couplet_formula_run(CoupletFormula *formula, const void *const *arrays,
                                  float *const *gradients, double *value, CoupletProblem **problem);
/* Fills *shape with the element and the extents of the result; its rank is 0 for a number. Truth
 * values are COUPLET_UINT8, 0 or 1. False (0) when a pointer is NULL. */
int couplet_formula_result(const CoupletFormula *formula, CoupletShape *shape);
/* Computes any result into `result`, dense and row major; the value of one number is a float
 * there. */
CoupletStatus couplet_formula_run_array(CoupletFormula *formula, const void *const *arrays,
                                        void *result, CoupletProblem **problem);
/* The step that runs from here on are of, 0 at first and at most 2147483647. What a function draws
 * at random depends on the seed and the step: one step draws the same numbers at each run. */
CoupletStatus couplet_formula_set_step(CoupletFormula *formula, int64_t step);
/* Not 0: the function draws at random. */
int couplet_formula_draws(const CoupletFormula *formula);
/* Ends the runs that are under way, or wait to be: they return COUPLET_ERROR_STOPPED within
 * milliseconds. May be called at any time from any thread; without a run it does nothing. */
void couplet_formula_stop(CoupletFormula *formula);

/* Returns the number of products and sums of floats in a run, roughly. */
double couplet_formula_operations(const CoupletFormula *formula);
/* Returns the memory of a run's arrays, beside the caller's. They stay until the formula is
 * freed. */
int64_t couplet_formula_bytes(const CoupletFormula *formula);
int couplet_formula_kernels(const CoupletFormula *formula);
/* Not 0: no machine code was made anew. */
int couplet_formula_was_cached(const CoupletFormula *formula);
void couplet_formula_free(CoupletFormula *formula); /* NULL is fine */

#ifdef __cplusplus
}
#endif

#endif
