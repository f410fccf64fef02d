/* Compiles a whole method in the process that trains it, for couplet_model_new of couplet.h. */
#include "compiler/driver/assemble.h"
#include "compiler/driver/load.h"
#include "compiler/driver/report.h"
#include "compiler/library/couplet_formula.h"
#include "compiler/library/file.h"
#include "compiler/library/problem.h"
#include "compiler/library/workers.h"
#include "runtime/evaluate.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* The method that the caller sees is the first member, so that couplet_method_close finds the
 * rest. */
typedef struct Compiled {
    CoupletMethod method;
    CoupletVariant variant;
    Assembled assembled;
    Arena *arena;
} Compiled;

typedef struct Opening {
    const char *path;
    const char *text;
    const CoupletValue *hypers;
    int hyper_count;
    Compiled *compiled;
    CoupletProblem *problem;
    bool good;
} Opening;

static bool compile_model(Opening *o, Arena *arena, Diag *diag) {
    const char *path = arena_strndup(arena, o->path, strlen(o->path));
    const char *error = "out of memory";
    const DeviceChoice cpu = {.backend = &cpu_backend};
    Options options = {.file = path, .text = o->text, .quiet = true};
    for (int i = 0; i < o->hyper_count; i++) {
        const char *name = arena_strndup(arena, o->hypers[i].name, strlen(o->hypers[i].name));
        const Setting setting = {name, arena_printf(arena, "%.17g", o->hypers[i].value)};
        array_push(arena, &options.sets, setting);
    }
    const Method *method = load_method(arena, diag, path, &options);
    Compiled *c = o->compiled;
    const LoweredProgram *lowered =
        method ? lower_checked(arena, &options, diag, method, &cpu) : NULL;
    if (!lowered) return false;
    if (!assemble(arena, method, lowered, &c->assembled, &error))
        return report_error(CODE_RUN_STOPPED, error);
    assemble_origin(arena, &options, &c->assembled);
    c->variant.program = c->assembled.program;
    c->method = (CoupletMethod){
        .name = c->assembled.program->name, .variants = &c->variant, .variant_count = 1};
    return true;
}

static void open_method(void *context) {
    Opening *o = context;
    Arena *arena = o->compiled->arena = arena_new();
    Diag *diag = diag_new(arena);
    report_collect(arena, diag, NULL);
    o->good = compile_model(o, arena, diag);
    report_collect(NULL, NULL, NULL);
    if (!o->good) o->problem = problem_new(diag);
}

void couplet_method_close(const CoupletMethod *method) {
    Compiled *c = (Compiled *)(uintptr_t)method;
    if (!c) return;
    backend_free(&c->assembled.code);
    arena_free(c->arena);
    free(c);
}

CoupletStatus couplet_method_open(const char *path, const char *text, const CoupletValue *hypers,
                                  int hyper_count, const CoupletMethod **method,
                                  CoupletProblem **problem) {
    if (method) *method = NULL;
    if (problem) *problem = NULL;
    char wrong[200] = "couplet_method_open: a pointer is NULL";
    if (!path || !method ||
        file_values_are_wrong("couplet_method_open", hypers, hyper_count, wrong, sizeof wrong)) {
        if (problem) {
            *problem = problem_of_sentence(CODE_COMMAND_LINE, "%s", wrong);
        }
        return COUPLET_ERROR_ARGUMENT;
    }
    Opening o = {path, text, hypers, hyper_count, calloc(1, sizeof(Compiled)), NULL, false};
    if (!o.compiled) return COUPLET_ERROR_MEMORY;
    library_compiling_begin();
    const bool had_memory = arena_guard(open_method, &o);
    report_collect(NULL, NULL, NULL);
    library_compiling_end();
    if (had_memory && o.good) {
        *method = &o.compiled->method;
        return COUPLET_OK;
    }
    couplet_method_close(&o.compiled->method);
    if (!had_memory)
        o.problem = problem_of_sentence(CODE_MEMORY, "out of memory while `%s` was compiled", path);
    if (problem)
        *problem = o.problem;
    else
        couplet_problem_free(o.problem);
    return had_memory ? COUPLET_ERROR_TEXT : COUPLET_ERROR_MEMORY;
}

/* ---- what features are worth ----------------------------------------------------------------- */

static bool labels_fit(const CoupletFeatures *f, int classes) {
    for (int64_t i = 0; i < f->count; i++)
        if (f->labels[i] < 0 || f->labels[i] >= classes) return false;
    return true;
}

static bool rows_are_there(const CoupletFeatures *f) {
    return f->values && f->labels && f->count > 0 && f->width > 0;
}

static bool rows_are_finite(const CoupletFeatures *f) {
    for (int64_t i = 0; i < f->count * f->width; i++)
        if (!isfinite(f->values[i])) return false;
    return true;
}

static bool rows_are_sound(const CoupletFeatures *f, int classes) {
    return rows_are_there(f) && labels_fit(f, classes) && rows_are_finite(f);
}

double couplet_score_knn(const CoupletRows *bank, const CoupletRows *query, int classes, int64_t k,
                         double temperature, int threads) {
    unsigned process;
    if (!bank || !query || bank->width != query->width || classes < 1) return -1;
    const CoupletFeatures a = {bank->values, bank->labels, bank->count, bank->width};
    const CoupletFeatures b = {query->values, query->labels, query->count, query->width};
    if (!rows_are_sound(&a, classes) || !rows_are_sound(&b, classes)) return -1;
    const CoupletNeighbours how = {.k = k, .temperature = temperature};
    CoupletThreads *pool = workers_enter(threads, &process);
    if (!pool) return -1;
    const double percent = couplet_knn(pool, &a, &b, classes, &how);
    workers_leave();
    return percent;
}

double couplet_score_linear(const CoupletRows *bank, const CoupletRows *query, int classes,
                            double decay, int threads) {
    unsigned process;
    if (!bank || !query || bank->width != query->width || classes < 1 || !(decay >= 0) ||
        !isfinite(decay))
        return -1;
    const CoupletFeatures a = {bank->values, bank->labels, bank->count, bank->width};
    const CoupletFeatures b = {query->values, query->labels, query->count, query->width};
    if (!rows_are_sound(&a, classes) || !rows_are_sound(&b, classes)) return -1;
    CoupletThreads *pool = workers_enter(threads, &process);
    if (!pool) return -1;
    const double percent = couplet_linear_probe(pool, &a, &b, classes, decay, NULL, NULL);
    workers_leave();
    return percent;
}
