/* Tests formulas that are compiled and run by a program which includes couplet_formula.h alone. */
#include "couplet_formula.h"

#include <math.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

static const char text[] = "hyper scale = 2 | scale > 0\n"
                           "fn near(x[N, D], y[N, D], tau = 0.5) = scale * (mean[i] log(sum[j] "
                           "exp(dot(x[i], y[j]) / tau)))\n"
                           "fn same(x[N, D], c : int[N], w : bool[N], k : int = 1) =\n"
                           "  sum[i, j | c[i] == c[j] and w[i]] dot(x[i], x[j]) * k\n"
                           "fn at(x[N], c : int[M]) = sum[m] x[c[m]]^2\n"
                           "fn root(x[N]) = sum[i] sqrt(x[i])\n"
                           "fn all(x[N, D]) = normalise(x)\n";

static CoupletFile *open_text(void) {
    CoupletFile *file;
    assert_int_equal(couplet_file_open("made.cpl", text, NULL, 0, &file, NULL), COUPLET_OK);
    return file;
}

static CoupletArgument reals(const char *name, int64_t rows, int64_t columns, CoupletUse use) {
    return (CoupletArgument){.name = name,
                             .element = COUPLET_FLOAT32,
                             .rank = columns ? 2 : 1,
                             .extent = {rows, columns},
                             .use = use};
}

static CoupletArgument wholes(const char *name, int64_t rows) {
    return (CoupletArgument){.name = name, .element = COUPLET_INT32, .rank = 1, .extent = {rows}};
}

static CoupletArgument number_argument(const char *name, CoupletUse use, double value) {
    return (CoupletArgument){.name = name, .use = use, .value = value};
}

static CoupletFormula *make(CoupletFile *file, const char *function,
                            const CoupletArgument *arguments, int count) {
    CoupletFormula *formula;
    CoupletProblem *problem;
    const CoupletStatus status =
        couplet_formula_new(file, function, arguments, count, NULL, &formula, &problem);
    if (status != COUPLET_OK) print_message("%s", couplet_problem_text(problem));
    assert_int_equal(status, COUPLET_OK);
    assert_null(problem);
    return formula;
}

/* ---- values ---------------------------------------------------------------------------------- */

enum { N = 6, D = 3 };

static void fill_samples(float *x, int count, int by) {
    for (int i = 0; i < count; i++)
        x[i] = (float)((i * by + 3) % 11 - 5) / 7;
}

static double near_value(const float *x, const float *y, double tau) {
    double all = 0;
    for (int i = 0; i < N; i++) {
        double sum = 0;
        for (int j = 0; j < N; j++) {
            double dot = 0;
            for (int d = 0; d < D; d++)
                dot += (double)x[i * D + d] * (double)y[j * D + d];
            sum += exp(dot / tau);
        }
        all += log(sum) / N;
    }
    return 2 * all;
}

static void value_and_gradient(void **state) {
    (void)state;
    float x[N * D + 1], y[N * D], grad_x[N * D], grad_tau;
    float tau = 0.7f;
    CoupletFile *file = open_text();
    const CoupletArgument arguments[] = {reals("x", N, D, COUPLET_GRADIENT),
                                         reals("y", N, D, COUPLET_PLAIN),
                                         number_argument("tau", COUPLET_GRADIENT, 0)};
    CoupletFormula *formula = make(file, "near", arguments, 3);
    couplet_file_free(file); /* the formula keeps what it needs of it */
    float *const at = x + 1; /* aligned to a float only */
    fill_samples(at, N * D, 5);
    fill_samples(y, N * D, 7);
    const void *arrays[] = {at, y, &tau};
    float *gradients[] = {grad_x, NULL, &grad_tau};
    double value;
    double step = 1e-4;
    assert_int_equal(couplet_formula_run(formula, arrays, gradients, &value, NULL), COUPLET_OK);
    assert_true(fabs(value - near_value(at, y, (double)tau)) < 1e-5);
    const double slope =
        (near_value(at, y, (double)tau + step) - near_value(at, y, (double)tau - step)) /
        (2 * step);
    assert_true(fabs((double)grad_tau - slope) < 1e-4 * fabs(slope));
    for (int i = 0; i < N * D; i++) {
        float more[N * D], less[N * D];
        memcpy(more, at, sizeof more);
        memcpy(less, at, sizeof less);
        more[i] += 1e-3f;
        less[i] -= 1e-3f;
        const double by = (double)more[i] - (double)less[i];
        const double want =
            (near_value(more, y, (double)tau) - near_value(less, y, (double)tau)) / by;
        assert_true(fabs((double)grad_x[i] - want) < 1e-4);
    }
    tau = 0.3f; /* another value needs no new code */
    assert_int_equal(couplet_formula_run(formula, arrays, NULL, &value, NULL), COUPLET_OK);
    assert_true(fabs(value - near_value(at, y, (double)tau)) < 1e-5);
    couplet_formula_free(formula);
}

static void whole_numbers_and_constants(void **state) {
    (void)state;
    const float x[] = {1, 2, 3, 4};
    const int32_t classes[] = {0, 1, 0, 1};
    const int32_t mask[] = {7, 0, 1, 1};
    CoupletFile *file = open_text();
    const CoupletArgument arguments[] = {reals("x", 4, 1, COUPLET_PLAIN), wholes("c", 4),
                                         wholes("w", 4), number_argument("k", COUPLET_CONSTANT, 3)};
    CoupletFormula *formula = make(file, "same", arguments, 4);
    const void *arrays[] = {x, classes, mask, NULL};
    double value;
    assert_int_equal(couplet_formula_run(formula, arrays, NULL, &value, NULL), COUPLET_OK);
    assert_true(fabs(value - 3 * (1 * 4.0 + 3 * 4.0 + 4 * 6.0)) < 1e-5);
    assert_true(couplet_formula_kernels(formula) > 0);
    couplet_formula_free(formula);
    couplet_file_free(file);
}

static void hypers(void **state) {
    (void)state;
    const CoupletValue three[] = {{"scale", 3}};
    CoupletFile *file;
    float x[N * D];
    fill_samples(x, N * D, 5);
    assert_int_equal(couplet_file_open("made.cpl", text, three, 1, &file, NULL), COUPLET_OK);
    const CoupletArgument arguments[] = {reals("x", N, D, COUPLET_PLAIN),
                                         reals("y", N, D, COUPLET_PLAIN)};
    CoupletFormula *formula = make(file, "near", arguments, 2);
    const void *arrays[] = {x, x};
    double value;
    assert_int_equal(couplet_formula_run(formula, arrays, NULL, &value, NULL), COUPLET_OK);
    assert_true(fabs(value - 1.5 * near_value(x, x, 0.5)) < 1e-5);
    couplet_formula_free(formula);
    couplet_file_free(file);
}

static void refused_hypers(void **state) {
    (void)state;
    const CoupletValue wrong[] = {{"skale", 3}};
    const CoupletValue outside[] = {{"scale", -1}};
    const CoupletArgument arguments[] = {reals("x", N, D, COUPLET_PLAIN),
                                         reals("y", N, D, COUPLET_PLAIN)};
    CoupletFile *file;
    CoupletFormula *formula;
    CoupletProblem *problem;
    assert_int_equal(couplet_file_open("made.cpl", text, wrong, 1, &file, &problem),
                     COUPLET_ERROR_TEXT);
    assert_non_null(strstr(couplet_problem_text(problem), "did you mean `scale`?"));
    couplet_problem_free(problem);
    assert_int_equal(couplet_file_open("made.cpl", text, outside, 1, &file, NULL), COUPLET_OK);
    assert_int_equal(couplet_formula_new(file, "near", arguments, 2, NULL, &formula, &problem),
                     COUPLET_ERROR_TEXT);
    assert_string_equal(couplet_problem_code(problem), "E510");
    couplet_problem_free(problem);
    couplet_file_free(file);
}

static void wrong_lists_of_hypers(void **state) {
    (void)state;
    const CoupletValue three[] = {{"scale", 3}};
    const CoupletValue twice[] = {{"scale", 3}, {"scale", 4}};
    const CoupletValue nameless[] = {{NULL, 3}};
    const CoupletMethod *method;
    CoupletFile *file;
    CoupletProblem *problem;
    assert_int_equal(couplet_file_open("made.cpl", text, twice, 2, &file, &problem),
                     COUPLET_ERROR_ARGUMENT);
    assert_non_null(strstr(couplet_problem_text(problem), "the hyper `scale` is given twice"));
    couplet_problem_free(problem);
    assert_int_equal(couplet_file_open("made.cpl", text, nameless, 1, &file, NULL),
                     COUPLET_ERROR_ARGUMENT);
    assert_int_equal(couplet_file_open("made.cpl", text, three, -1, &file, NULL),
                     COUPLET_ERROR_ARGUMENT);
    assert_int_equal(couplet_method_open("made.cpl", text, nameless, 1, &method, NULL),
                     COUPLET_ERROR_ARGUMENT);
    assert_int_equal(couplet_method_open("made.cpl", text, twice, 2, &method, NULL),
                     COUPLET_ERROR_ARGUMENT);
}

static void draws(void **state) {
    (void)state;
    const float x[] = {1, 1, 1, 1};
    double first, second, again;
    CoupletFile *file;
    const char *drawn = "fn f(x[N]) {\n  draw e[N] ~ normal(0, 1)\n  return sum[i] x[i] * e[i]\n}\n"
                        "fn g(x[N]) = sum[i] x[i]\n";
    assert_int_equal(couplet_file_open("d.cpl", drawn, NULL, 0, &file, NULL), COUPLET_OK);
    const CoupletArgument argument = reals("x", 4, 0, COUPLET_PLAIN);
    const void *arrays[] = {x};
    CoupletFormula *formula = make(file, "f", &argument, 1);
    CoupletFormula *plain = make(file, "g", &argument, 1);
    assert_true(couplet_formula_draws(formula) && !couplet_formula_draws(plain));
    assert_int_equal(couplet_formula_run(formula, arrays, NULL, &first, NULL), COUPLET_OK);
    assert_int_equal(couplet_formula_set_step(formula, 1), COUPLET_OK);
    assert_int_equal(couplet_formula_run(formula, arrays, NULL, &second, NULL), COUPLET_OK);
    assert_int_equal(couplet_formula_set_step(formula, 0), COUPLET_OK);
    assert_int_equal(couplet_formula_run(formula, arrays, NULL, &again, NULL), COUPLET_OK);
    assert_true(first == again && first != second);
    assert_int_equal(couplet_formula_set_step(formula, -1), COUPLET_ERROR_ARGUMENT);
    assert_int_equal(couplet_formula_set_step(NULL, 1), COUPLET_ERROR_ARGUMENT);
    couplet_formula_free(formula);
    couplet_formula_free(plain);
    couplet_file_free(file);
}

static const char several[] = "fn all(x[N, D]) = normalise(x)\n"
                              "fn same(x[N, D]) = x\n"
                              "fn many(c : int[N]) {\n"
                              "  let k[i] = count[j | c[i] == c[j]]\n  return k\n}\n"
                              "fn first(c : int[N]) {\n  let k[i] = c[i] > 1\n  return k\n}\n"
                              "fn one(x[N, D]) = sum[i, d] x[i, d]\n";

static void result_of_rows(void **state) {
    (void)state;
    const float x[] = {3, 4, 0, 5, 5, 12};
    float result[6];
    double value;
    CoupletShape shape;
    CoupletProblem *problem;
    CoupletFile *file;
    assert_int_equal(couplet_file_open("a.cpl", several, NULL, 0, &file, NULL), COUPLET_OK);
    const CoupletArgument rows = reals("x", 3, 2, COUPLET_PLAIN);
    const void *arrays[] = {x};
    CoupletFormula *formula = make(file, "all", &rows, 1);
    assert_true(couplet_formula_result(formula, &shape));
    assert_true(shape.rank == 2 && shape.extent[0] == 3 && shape.extent[1] == 2);
    assert_int_equal(shape.element, COUPLET_FLOAT32);
    assert_int_equal(couplet_formula_run_array(formula, arrays, result, NULL), COUPLET_OK);
    assert_true(fabsf(result[0] - 0.6f) < 1e-6f && fabsf(result[5] - 12.0f / 13) < 1e-6f);
    assert_int_equal(couplet_formula_run(formula, arrays, NULL, &value, &problem),
                     COUPLET_ERROR_ARGUMENT);
    assert_non_null(strstr(couplet_problem_text(problem), "couplet_formula_run_array"));
    couplet_problem_free(problem);
    assert_int_equal(couplet_formula_run_array(formula, arrays, NULL, NULL),
                     COUPLET_ERROR_ARGUMENT);
    couplet_formula_free(formula);
    couplet_file_free(file);
}

/* Runs a function of one array into `result`, and returns the result's shape. */
static CoupletShape run_into(CoupletFile *file, const char *function, CoupletArgument argument,
                             const void *array, void *result) {
    CoupletFormula *formula = make(file, function, &argument, 1);
    CoupletShape shape;
    assert_true(couplet_formula_result(formula, &shape));
    assert_int_equal(couplet_formula_run_array(formula, &array, result, NULL), COUPLET_OK);
    couplet_formula_free(formula);
    return shape;
}

static void results_of_every_type(void **state) {
    (void)state;
    const float x[] = {3, 4, 0, 5, 5, 12};
    const int32_t classes[] = {2, 1, 2};
    float result[6];
    int32_t counts[3];
    uint8_t truths[3];
    CoupletFile *file;
    assert_int_equal(couplet_file_open("a.cpl", several, NULL, 0, &file, NULL), COUPLET_OK);
    const CoupletArgument rows = reals("x", 3, 2, COUPLET_PLAIN);
    const CoupletArgument c = wholes("c", 3);
    run_into(file, "same", rows, x, result);
    assert_memory_equal(result, x, sizeof x);
    assert_int_equal(run_into(file, "many", c, classes, counts).element, COUPLET_INT32);
    assert_true(counts[0] == 2 && counts[1] == 1 && counts[2] == 2);
    assert_int_equal(run_into(file, "first", c, classes, truths).element, COUPLET_UINT8);
    assert_true(truths[0] == 1 && truths[1] == 0 && truths[2] == 1);
    assert_int_equal(run_into(file, "one", rows, x, result).rank, 0);
    assert_true(result[0] == 29);
    assert_false(couplet_formula_result(NULL, &(CoupletShape){0}));
    couplet_file_free(file);
}

/* ---- what is there --------------------------------------------------------------------------- */

static void names(void **state) {
    (void)state;
    CoupletParameter p;
    CoupletFile *file = open_text();
    assert_string_equal(couplet_file_function(file, 0), "near");
    assert_string_equal(couplet_file_function(file, 4), "all");
    assert_null(couplet_file_function(file, 5));
    assert_null(couplet_file_function(file, -1));
    assert_string_equal(couplet_file_hyper(file, 0), "scale");
    assert_null(couplet_file_hyper(file, 1));
    assert_true(couplet_file_parameter(file, "same", 1, &p));
    assert_string_equal(p.name, "c");
    assert_int_equal(p.kind, COUPLET_KIND_INT);
    assert_int_equal(p.rank, 1);
    assert_false(p.has_default);
    assert_true(couplet_file_parameter(file, "near", 2, &p));
    assert_true(p.has_default && p.rank == 0 && p.kind == COUPLET_KIND_REAL);
    assert_false(couplet_file_parameter(file, "near", 3, &p));
    assert_false(couplet_file_parameter(file, "neer", 0, &p));
    couplet_file_free(file);
    assert_int_equal(couplet_file_open("losses", NULL, NULL, 0, &file, NULL), COUPLET_OK);
    assert_true(couplet_file_parameter(file, "nt_xent", 0, &p));
    const char *wanted = "nt_xent(z[N, D], w[N, D], tau = 0.1 | tau > 0)\n\nNT-Xent (L02). Chen, ";
    char about[4096], few[8];
    const int64_t length = couplet_file_about(file, "nt_xent", about, sizeof about);
    assert_int_equal(length, strlen(about));
    assert_memory_equal(about, wanted, strlen(wanted));
    assert_int_equal(couplet_file_about(file, "nt_xent", few, sizeof few), length);
    assert_string_equal(few, "nt_xent");
    assert_int_equal(couplet_file_about(file, "nt_xent", NULL, 0), length);
    assert_int_equal(couplet_file_about(file, "nt_xint", NULL, 0), -1);
    assert_int_equal(couplet_file_about(NULL, "nt_xent", NULL, 0), -1);
    couplet_file_free(file);
}

/* ---- problems -------------------------------------------------------------------------------- */

static void a_text_with_mistakes(void **state) {
    (void)state;
    CoupletFile *file;
    CoupletProblem *problem;
    const char *wrong = "fn f(x[N]) = sum[i] x[i]\nfn g(x[N]) = sum[i] z[i]\n";
    assert_int_equal(couplet_file_open("wrong.cpl", wrong, NULL, 0, &file, &problem),
                     COUPLET_ERROR_TEXT);
    assert_null(file);
    assert_string_equal(couplet_problem_code(problem), "E101");
    assert_string_equal(couplet_problem_file(problem), "wrong.cpl");
    assert_int_equal(couplet_problem_line(problem), 2);
    assert_int_equal(couplet_problem_column(problem), 21);
    assert_non_null(strstr(couplet_problem_text(problem),
                           "    2 | fn g(x[N]) = sum[i] z[i]\n      |                     ^\n"));
    couplet_problem_free(problem);
    assert_int_equal(couplet_file_open("/nowhere/at/all.cpl", NULL, NULL, 0, &file, &problem),
                     COUPLET_ERROR_TEXT);
    assert_non_null(strstr(couplet_problem_sentence(problem), "cannot be read"));
    couplet_problem_free(problem);
    assert_int_equal(couplet_file_open("wrong.cpl", wrong, NULL, 0, &file, NULL),
                     COUPLET_ERROR_TEXT);
}

static void expect_refused(CoupletFile *file, const char *function,
                           const CoupletArgument *arguments, int count, const char *code,
                           const char *words) {
    CoupletFormula *formula;
    CoupletProblem *problem;
    assert_int_equal(
        couplet_formula_new(file, function, arguments, count, NULL, &formula, &problem),
        COUPLET_ERROR_TEXT);
    assert_null(formula);
    if (!strstr(couplet_problem_text(problem), words))
        print_message("%s", couplet_problem_text(problem));
    assert_non_null(strstr(couplet_problem_text(problem), words));
    assert_string_equal(couplet_problem_code(problem), code);
    couplet_problem_free(problem);
}

static void arguments_that_do_not_fit(void **state) {
    (void)state;
    CoupletFile *file = open_text();
    const CoupletArgument x = reals("x", N, D, COUPLET_PLAIN);
    const CoupletArgument y = reals("y", N + 1, D, COUPLET_PLAIN);
    const CoupletArgument unequal[] = {x, y};
    expect_refused(file, "near", unequal, 2, "E208", "axis 1 of `y` has 7 entries");
    expect_refused(file, "near", unequal, 1, "E601", "`near` needs `y`, which was not given");
    const CoupletArgument misspelt[] = {x, reals("y", N, D, COUPLET_PLAIN),
                                        number_argument("tua", COUPLET_CONSTANT, 1)};
    expect_refused(file, "near", misspelt, 3, "E601", "did you mean `tau`?");
    const CoupletArgument twice[] = {x, x};
    expect_refused(file, "near", twice, 2, "E601", "`x` is given twice");
    const CoupletArgument flat[] = {reals("x", N, 0, COUPLET_PLAIN),
                                    reals("y", N, D, COUPLET_PLAIN)};
    expect_refused(file, "near", flat, 2, "E207",
                   "`x` needs an array of 2 axes, and gets one of 1");
    CoupletArgument empty[] = {x, x};
    empty[0].extent[0] = 0;
    expect_refused(file, "near", empty, 2, "E601", "axis 1 of `x` has 0 entries");
    const CoupletArgument kinds[] = {x, reals("c", N, 0, COUPLET_PLAIN), wholes("w", N)};
    expect_refused(file, "same", kinds, 3, "E601",
                   "`c` is made of whole numbers, and an array of reals was given");
    const CoupletArgument half[] = {x, wholes("c", N), wholes("w", N),
                                    number_argument("k", COUPLET_CONSTANT, 1.5)};
    expect_refused(file, "same", half, 4, "E601", "`k` is a whole number, and 1.5 was given");
    const CoupletArgument one[] = {number_argument("x", COUPLET_CONSTANT, 1)};
    expect_refused(file, "all", one, 1, "E601", "`x` is an array, and one number was given");
    const CoupletArgument learns = reals("x", N, D, COUPLET_GRADIENT);
    expect_refused(file, "all", &learns, 1, "E601", "must give one number");
    expect_refused(file, "nearr", &x, 1, "E601", "did you mean `near`?");
    const CoupletArgument useless = reals("x", N, D, (CoupletUse)9);
    expect_refused(file, "all", &useless, 1, "E601", "`x` is given for the use 9");
    CoupletArgument huge = reals("x", INT64_MAX / 2, 8, COUPLET_PLAIN);
    expect_refused(file, "all", &huge, 1, "E601", "elements, and `x` has more");
    couplet_file_free(file);
}

static void pointers_that_are_null(void **state) {
    (void)state;
    CoupletFile *file = open_text();
    CoupletFormula *formula;
    CoupletProblem *problem;
    float x = 1;
    double value;
    const CoupletArgument argument = reals("x", 1, 0, COUPLET_PLAIN);
    assert_int_equal(couplet_file_open(NULL, NULL, NULL, 0, NULL, NULL), COUPLET_ERROR_ARGUMENT);
    assert_int_equal(couplet_formula_new(NULL, "root", &argument, 1, NULL, &formula, NULL),
                     COUPLET_ERROR_ARGUMENT);
    assert_int_equal(couplet_formula_new(file, "root", NULL, 1, NULL, &formula, &problem),
                     COUPLET_ERROR_ARGUMENT);
    assert_non_null(problem);
    couplet_problem_free(problem);
    formula = make(file, "root", &argument, 1);
    const void *none[] = {NULL};
    const void *arrays[] = {&x};
    float *gradients[] = {&x};
    assert_int_equal(couplet_formula_run(formula, NULL, NULL, &value, NULL),
                     COUPLET_ERROR_ARGUMENT);
    assert_int_equal(couplet_formula_run(formula, none, NULL, &value, NULL),
                     COUPLET_ERROR_ARGUMENT);
    assert_int_equal(couplet_formula_run(formula, arrays, NULL, NULL, NULL),
                     COUPLET_ERROR_ARGUMENT);
    assert_int_equal(couplet_formula_run(formula, arrays, gradients, &value, NULL),
                     COUPLET_ERROR_ARGUMENT);
    assert_string_equal(couplet_problem_text(NULL), "");
    assert_int_equal(couplet_problem_line(NULL), 0);
    assert_null(couplet_file_function(NULL, 0));
    couplet_formula_stop(NULL);
    couplet_formula_free(NULL);
    couplet_problem_free(NULL);
    couplet_file_free(NULL);
    couplet_formula_free(formula);
    couplet_file_free(file);
}

static void indices_outside(void **state) {
    (void)state;
    CoupletFile *file = open_text();
    const CoupletArgument arguments[] = {reals("x", 3, 0, COUPLET_GRADIENT), wholes("c", 2)};
    CoupletFormula *formula = make(file, "at", arguments, 2);
    const float x[] = {1, 2, 3};
    const int32_t inside[] = {2, 0};
    const int32_t outside[] = {0, 3};
    const void *arrays[] = {x, outside};
    float gradient[] = {7, 7, 7};
    float *gradients[] = {gradient, NULL};
    double value = 7;
    CoupletProblem *problem;
    assert_int_equal(couplet_formula_run(formula, arrays, gradients, &value, &problem),
                     COUPLET_ERROR_NUMBERS);
    assert_non_null(strstr(couplet_problem_text(problem), "c[1] is 3"));
    assert_string_equal(couplet_problem_file(problem), "made.cpl");
    assert_int_equal(couplet_problem_line(problem), 5);
    assert_non_null(strstr(couplet_problem_text(problem),
                           "    5 | fn at(x[N], c : int[M]) = sum[m] x[c[m]]^2\n"));
    couplet_problem_free(problem);
    /* The results of the run before are still there. */
    assert_true(value == 7 && gradient[0] == 7);
    arrays[1] = inside;
    assert_int_equal(couplet_formula_run(formula, arrays, gradients, &value, NULL), COUPLET_OK);
    assert_true(value == 10 && gradient[1] == 0 && gradient[2] == 6);
    couplet_formula_free(formula);
    couplet_file_free(file);
}

static void roots_of_negative_numbers(void **state) {
    (void)state;
    CoupletFile *file = open_text();
    const CoupletArgument argument = reals("x", 3, 0, COUPLET_GRADIENT);
    const float negative[] = {1, -2, 3};
    const void *arrays[] = {negative};
    float gradient[3];
    float *gradients[] = {gradient};
    double value;
    CoupletProblem *problem;
    CoupletFormula *formula = make(file, "root", &argument, 1);
    assert_int_equal(couplet_formula_run(formula, arrays, gradients, &value, &problem),
                     COUPLET_ERROR_NUMBERS);
    assert_non_null(strstr(couplet_problem_text(problem), "-2"));
    couplet_problem_free(problem);
    couplet_formula_free(formula);
    const CoupletFormulaOptions lets_through = {.allows_infinity = 1};
    assert_int_equal(couplet_formula_new(file, "root", &argument, 1, &lets_through, &formula, NULL),
                     COUPLET_OK);
    assert_int_equal(couplet_formula_run(formula, arrays, gradients, &value, NULL), COUPLET_OK);
    assert_true(isnan(value));
    couplet_formula_free(formula);
    couplet_file_free(file);
}

/* ---- methods --------------------------------------------------------------------------------- */

static const char method_text[] =
    "use nn, columns, optim, losses\n"
    "data train = data.arrays(\"nowhere.npz\") { row : real[6], label : int }\n"
    "hyper tau = 0.5 | tau > 0\n"
    "view a, b = columns.noise(train.row, deviation = 0.3)\n"
    "net encoder = trunk: nn.linear(4) >> head: nn.linear(3)\n"
    "loss losses.nt_xent(encoder(a), encoder(b), tau)\n"
    "train { epochs 1, batch 8, optimiser optim.sgd(lr = 0.1) }\n"
    "eval { knn(k = 2, features = encoder.trunk, of = train.row, bank = train, query = train) }\n";

static void a_method(void **state) {
    (void)state;
    enum { BATCH = 8, WIDTH = 6, FEATURES = 4 };
    const CoupletValue outside[] = {{"tau", -1}};
    const CoupletMethod *method;
    CoupletProblem *problem;
    CoupletModel *model;
    CoupletShape shape;
    float rows[BATCH * WIDTH], features[BATCH * FEATURES];
    float loss = 0;
    int32_t numbers[BATCH];
    assert_int_equal(couplet_method_open("m.cpl", method_text, outside, 1, &method, &problem),
                     COUPLET_ERROR_TEXT);
    assert_null(method);
    assert_string_equal(couplet_problem_code(problem), "E510");
    couplet_problem_free(problem);
    assert_int_equal(couplet_method_open("f.cpl", text, NULL, 0, &method, &problem),
                     COUPLET_ERROR_TEXT);
    assert_string_equal(couplet_problem_code(problem), "E506"); /* the text has no loss */
    couplet_problem_free(problem);
    assert_int_equal(couplet_method_open(NULL, NULL, NULL, 0, NULL, NULL), COUPLET_ERROR_ARGUMENT);
    assert_int_equal(couplet_method_open("m.cpl", method_text, NULL, 0, &method, NULL), COUPLET_OK);
    assert_true(couplet_method_input(method, 0, &shape) && shape.extent[0] == BATCH);
    fill_samples(rows, BATCH * WIDTH, 5);
    for (int i = 0; i < BATCH; i++)
        numbers[i] = i;
    const CoupletModelOptions options = {.threads = 1, .seed = 3, .total_steps = 2};
    assert_int_equal(couplet_model_new(method, &options, &model, NULL, 0), COUPLET_OK);
    const CoupletInput inputs[] = {{"train.row", rows, BATCH * WIDTH},
                                   {"train.index", numbers, BATCH}};
    assert_int_equal(couplet_model_step(model, inputs, 2, &loss), COUPLET_OK);
    assert_true(loss > 0);
    assert_int_equal(couplet_model_embed(model, rows, BATCH, features), COUPLET_OK);
    couplet_model_free(model);
    couplet_method_close(method);
    couplet_method_close(NULL);
}

static void what_features_are_worth(void **state) {
    (void)state;
    const float bank[] = {1, 0, 2, 0.1f, 0, 1, 0.1f, 3};
    const float query[] = {5, 1, 1, 5};
    const int32_t labels[] = {0, 0, 1, 1};
    const int32_t right[] = {0, 1};
    const int32_t half[] = {0, 0};
    const int32_t outside[] = {0, 2};
    const CoupletRows known = {bank, labels, 4, 2};
    const CoupletRows narrow = {bank, labels, 4, 1};
    CoupletRows asked = {query, right, 2, 2};
    assert_true(couplet_score_knn(&known, &asked, 2, 2, 0.07, 1) == 100);
    assert_true(couplet_score_linear(&known, &asked, 2, 1e-4, 0) == 100);
    assert_true(couplet_score_knn(&narrow, &asked, 2, 2, 0.07, 1) < 0);
    assert_true(couplet_score_knn(&known, &asked, 2, 5, 0.07, 1) < 0);
    assert_true(couplet_score_linear(NULL, &asked, 2, 1e-4, 1) < 0);
    assert_true(couplet_score_linear(&known, &asked, 2, -1, 1) < 0);
    assert_true(couplet_score_linear(&known, &asked, 2, (double)INFINITY, 1) < 0);
    const float hole[] = {5, 1, NAN, 5};
    const CoupletRows holed = {hole, right, 2, 2};
    assert_true(couplet_score_knn(&known, &holed, 2, 2, 0.07, 1) < 0);
    assert_true(couplet_score_linear(&holed, &asked, 2, 1e-4, 1) < 0);
    asked.labels = half;
    assert_true(couplet_score_knn(&known, &asked, 2, 2, 0.07, 1) == 50);
    asked.labels = outside;
    assert_true(couplet_score_knn(&known, &asked, 2, 2, 0.07, 1) < 0);
}

/* ---- several at once ------------------------------------------------------------------------- */

enum { ROWS = 96, WIDE = 16, CALLERS = 4 };

typedef struct Caller {
    CoupletFormula *formula;
    const float *x;
    float gradient[ROWS * WIDE];
    double value;
    CoupletStatus status;
} Caller;

static void *call(void *context) {
    Caller *c = context;
    const void *arrays[] = {c->x, c->x};
    float *gradients[] = {c->gradient, NULL};
    for (int i = 0; i < 20; i++)
        c->status = couplet_formula_run(c->formula, arrays, gradients, &c->value, NULL);
    return NULL;
}

static void callers_at_once(void **state) {
    (void)state;
    static Caller callers[CALLERS];
    static float x[ROWS * WIDE];
    pthread_t threads[CALLERS];
    CoupletFile *file = open_text();
    const CoupletArgument arguments[] = {reals("x", ROWS, WIDE, COUPLET_GRADIENT),
                                         reals("y", ROWS, WIDE, COUPLET_PLAIN)};
    const CoupletFormulaOptions one_thread = {.threads = 1};
    CoupletFormula *both = make(file, "near", arguments, 2);
    CoupletFormula *alone;
    assert_int_equal(couplet_formula_new(file, "near", arguments, 2, &one_thread, &alone, NULL),
                     COUPLET_OK);
    fill_samples(x, ROWS * WIDE, 5);
    for (int i = 0; i < CALLERS; i++) {
        callers[i].formula = i % 2 ? both : alone;
        callers[i].x = x;
        assert_int_equal(pthread_create(&threads[i], NULL, call, &callers[i]), 0);
    }
    for (int i = 0; i < CALLERS; i++)
        pthread_join(threads[i], NULL);
    for (int i = 0; i < CALLERS; i++) {
        assert_int_equal(callers[i].status, COUPLET_OK);
        assert_memory_equal(callers[i].gradient, callers[0].gradient, sizeof callers[0].gradient);
    }
    couplet_formula_free(both);
    couplet_formula_free(alone);
    couplet_file_free(file);
}

/* Runs a formula in a child process, which has none of the threads that its parent started. */
static void a_fork(void **state) {
    (void)state;
    float x[N * D];
    double value, again;
    fill_samples(x, N * D, 5);
    CoupletFile *file = open_text();
    const CoupletArgument arguments[] = {reals("x", N, D, COUPLET_PLAIN),
                                         reals("y", N, D, COUPLET_PLAIN)};
    CoupletFormula *formula = make(file, "near", arguments, 2);
    const void *arrays[] = {x, x};
    assert_int_equal(couplet_formula_run(formula, arrays, NULL, &value, NULL), COUPLET_OK);
    const pid_t child = fork();
    if (child == 0) {
        const int good = couplet_formula_run(formula, arrays, NULL, &again, NULL) == COUPLET_OK &&
                         again == value;
        _exit(good ? 0 : 1);
    }
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    assert_int_equal(couplet_formula_run(formula, arrays, NULL, &again, NULL), COUPLET_OK);
    couplet_formula_free(formula);
    couplet_file_free(file);
}

static void *stop_soon(void *formula) {
    const struct timespec soon = {0, 50000000};
    nanosleep(&soon, NULL);
    couplet_formula_stop(formula);
    return NULL;
}

/* Stops a run early. The whole run compares forty thousand rows with each other, which takes
 * seconds. */
static void an_early_end(void **state) {
    (void)state;
    enum { MANY = 40000, FEW = 128 };
    float *x = malloc(sizeof *x * MANY * FEW);
    float *gradient = malloc(sizeof *x * MANY * FEW);
    pthread_t stopper;
    double value = 7;
    CoupletProblem *problem;
    CoupletFile *file = open_text();
    const CoupletArgument arguments[] = {reals("x", MANY, FEW, COUPLET_GRADIENT),
                                         reals("y", MANY, FEW, COUPLET_PLAIN)};
    CoupletFormula *formula = make(file, "near", arguments, 2);
    fill_samples(x, MANY * FEW, 5);
    const void *arrays[] = {x, x};
    float *gradients[] = {gradient, NULL};
    /* No run is under way, so this does not stop the next run. */
    couplet_formula_stop(formula);
    assert_int_equal(pthread_create(&stopper, NULL, stop_soon, formula), 0);
    assert_int_equal(couplet_formula_run(formula, arrays, gradients, &value, &problem),
                     COUPLET_ERROR_STOPPED);
    assert_true(value == 7);
    assert_non_null(problem);
    couplet_problem_free(problem);
    pthread_join(stopper, NULL);
    couplet_formula_free(formula);
    couplet_file_free(file);
    free(x);
    free(gradient);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(value_and_gradient),
                                       cmocka_unit_test(whole_numbers_and_constants),
                                       cmocka_unit_test(hypers),
                                       cmocka_unit_test(refused_hypers),
                                       cmocka_unit_test(wrong_lists_of_hypers),
                                       cmocka_unit_test(draws),
                                       cmocka_unit_test(result_of_rows),
                                       cmocka_unit_test(results_of_every_type),
                                       cmocka_unit_test(names),
                                       cmocka_unit_test(a_text_with_mistakes),
                                       cmocka_unit_test(arguments_that_do_not_fit),
                                       cmocka_unit_test(pointers_that_are_null),
                                       cmocka_unit_test(indices_outside),
                                       cmocka_unit_test(roots_of_negative_numbers),
                                       cmocka_unit_test(callers_at_once),
                                       cmocka_unit_test(a_fork),
                                       cmocka_unit_test(an_early_end),
                                       cmocka_unit_test(a_method),
                                       cmocka_unit_test(what_features_are_worth)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
