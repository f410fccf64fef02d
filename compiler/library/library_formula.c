/* Compiles one function for the shapes of its arguments, and runs it. */
#include "compiler/compile/compile.h"
#include "compiler/cpu/cpu.h"
#include "compiler/driver/report.h"
#include "compiler/library/file.h"
#include "compiler/library/problem.h"
#include "compiler/library/workers.h"
#include "runtime/executor.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

enum { MOST_THREADS = 256 };

struct CoupletFormula {
    CoupletFile *file;
    Arena *arena; /* the arena of the code and the plan */
    CpuCode *code;
    CoupletPlan *plan;
    int *argument; /* the argument of each input of the plan; -1: a run scalar */
    CoupletUse *use;
    /* the output with the gradient of each argument; NULL: none is computed */
    const char **gradient;
    int argument_count;
    CoupletFormulaOptions options;
    /* The run, which is made when a process first asks for one. */
    CoupletDevice *device;
    CoupletRun *run;
    unsigned process;
    void **inputs;
    int32_t seed[2];
    int32_t step_word;
    int32_t zero;
    _Atomic int32_t step;
    /* The callers that wait for runs, and the request that runs end. */
    pthread_mutex_t callers_lock;
    int callers;
    _Atomic bool stop;
};

/* ---- what the function is given -------------------------------------------------------------- */

typedef struct Making {
    CoupletFile *file;
    const char *function;
    const CoupletArgument *arguments;
    int count;
    CoupletFormula *formula;
    CoupletProblem *problem;
    CoupletStatus status;
} Making;

static const Param *find_parameter(const Stmt *fn, const char *name) {
    for (int i = 0; i < fn->param_count; i++)
        if (strcmp(fn->params[i].name, name) == 0) return &fn->params[i];
    return NULL;
}

static void report_unknown(Arena *arena, Diag *diag, const Stmt *fn, const char *name) {
    const char **names = arena_array(arena, const char *, fn->param_count + 1);
    for (int i = 0; i < fn->param_count; i++)
        names[i] = fn->params[i].name;
    diag_report(diag, CODE_FUNCTION_INPUT, fn->name_span, "`%s` has no parameter `%s`", fn->name,
                name);
    const char *near = diag_nearest(name, names, fn->param_count);
    if (near) diag_suggest(diag, "did you mean `%s`?", near);
}

static const char *element_text(CoupletElement element) {
    switch (element) {
    case COUPLET_FLOAT32:
        return "reals";
    case COUPLET_INT32:
        return "whole numbers";
    case COUPLET_UINT8:
        return "bytes";
    }
    return "elements of no kind";
}

static bool axes_fit(Diag *diag, const Param *p, const CoupletArgument *a) {
    int64_t elements = 1;
    for (int i = 0; i < a->rank; i++) {
        if (a->extent[i] < 1) {
            diag_report(diag, CODE_FUNCTION_INPUT, p->span,
                        "axis %d of `%s` has %lld entries; at least 1 is expected", i + 1, p->name,
                        (long long)a->extent[i]);
            return false;
        }
        if (__builtin_mul_overflow(elements, a->extent[i], &elements) || elements > MOST_ELEMENTS) {
            diag_report(diag, CODE_FUNCTION_INPUT, p->span,
                        "an array has at most %lld elements, and `%s` has more",
                        (long long)MOST_ELEMENTS, p->name);
            return false;
        }
    }
    return true;
}

/* True if the elements are of the parameter's kind, and each axis has entries. Returns false after
 * a message. */
static bool array_fits(Diag *diag, const Param *p, const CoupletArgument *a) {
    const TypeKind kind = p->type ? p->type->kind : KIND_REAL;
    const bool wants_reals = kind == KIND_REAL, reals = a->element == COUPLET_FLOAT32;
    const char *name = p->name;
    if (kind != KIND_REAL && kind != KIND_INT && kind != KIND_BOOL)
        diag_report(diag, CODE_FUNCTION_INPUT, p->span,
                    "`%s` is no array and no number, so a program cannot give it", name);
    else if (wants_reals != reals || a->element == COUPLET_UINT8)
        diag_report(diag, CODE_FUNCTION_INPUT, p->span,
                    "`%s` is made of %s, and an array of %s was given", name,
                    wants_reals        ? "reals"
                    : kind == KIND_INT ? "whole numbers"
                                       : "truth values",
                    element_text(a->element));
    else if (a->rank < 0 || a->rank > GRAPH_MAX_RANK)
        diag_report(diag, CODE_FUNCTION_INPUT, p->span,
                    "`%s` is given %d axes; at most %d are allowed", name, a->rank, GRAPH_MAX_RANK);
    else if (a->use == COUPLET_GRADIENT && !reals)
        diag_report(diag, CODE_FUNCTION_INPUT, p->span,
                    "`%s` is not made of reals, and has no gradient", name);
    else
        return axes_fit(diag, p, a);
    return false;
}

static bool constant_fits(Diag *diag, const Param *p, const CoupletArgument *a) {
    int64_t whole;
    const TypeKind kind = p->type ? p->type->kind : KIND_REAL;
    if (p->has_shape)
        diag_report(diag, CODE_FUNCTION_INPUT, p->span,
                    "`%s` is an array, and one number was given", p->name);
    else if (kind == KIND_INT && !whole_of(a->value, &whole))
        diag_report(diag, CODE_FUNCTION_INPUT, p->span, "`%s` is a whole number, and %g was given",
                    p->name, a->value);
    else if (kind != KIND_REAL && kind != KIND_INT && kind != KIND_BOOL)
        diag_report(diag, CODE_FUNCTION_INPUT, p->span,
                    "`%s` is neither a number nor a truth value, and one number was given",
                    p->name);
    else
        return true;
    return false;
}

static bool argument_fits(Arena *arena, Diag *diag, const Stmt *fn, const Making *m, int number) {
    const CoupletArgument *a = &m->arguments[number];
    const Param *p = a->name ? find_parameter(fn, a->name) : NULL;
    if (!p) {
        report_unknown(arena, diag, fn, a->name ? a->name : "");
        return false;
    }
    for (int i = 0; i < number; i++) {
        if (strcmp(m->arguments[i].name, a->name) != 0) continue;
        diag_report(diag, CODE_FUNCTION_INPUT, p->span, "`%s` is given twice", a->name);
        return false;
    }
    switch (a->use) {
    case COUPLET_CONSTANT:
        return constant_fits(diag, p, a);
    case COUPLET_PLAIN:
    case COUPLET_GRADIENT:
        return array_fits(diag, p, a);
    }
    diag_report(diag, CODE_FUNCTION_INPUT, p->span,
                "`%s` is given for the use %d, and there are COUPLET_PLAIN, COUPLET_GRADIENT and "
                "COUPLET_CONSTANT",
                a->name, (int)a->use);
    return false;
}

static bool is_given(const Making *m, const char *name) {
    for (int i = 0; i < m->count; i++)
        if (strcmp(m->arguments[i].name, name) == 0) return true;
    return false;
}

/* True if the arguments fit. Returns false after messages. Lowering reports a function that does
 * not exist. */
static bool arguments_fit(Arena *arena, Diag *diag, const Making *m) {
    const Stmt *fn = method_find_function(m->file->method, m->function);
    bool good = true;
    for (int i = 0; fn && good && i < m->count; i++)
        good = argument_fits(arena, diag, fn, m, i);
    for (int p = 0; fn && good && p < fn->param_count; p++) {
        const Param *param = &fn->params[p];
        if (param->value || is_given(m, param->name)) continue;
        diag_report(diag, CODE_FUNCTION_INPUT, param->span, "`%s` needs `%s`, which was not given",
                    fn->name, param->name);
        good = false;
    }
    return good;
}

static FunctionInput *function_inputs(Arena *arena, const Making *m) {
    FunctionInput *inputs = arena_array(arena, FunctionInput, m->count + 1);
    for (int i = 0; i < m->count; i++) {
        const CoupletArgument *a = &m->arguments[i];
        FunctionInput *input = &inputs[i];
        *input = (FunctionInput){.name = arena_strndup(arena, a->name, strlen(a->name)),
                                 .type = a->element == COUPLET_FLOAT32 ? GT_REAL : GT_INT,
                                 .rank = a->rank,
                                 .holds_infinity = a->holds_infinity,
                                 .is_constant = a->use == COUPLET_CONSTANT,
                                 .value = a->value,
                                 .no_gradient = a->use != COUPLET_GRADIENT};
        for (int k = 0; !input->is_constant && k < a->rank; k++)
            input->shape[k] = a->extent[k];
    }
    return inputs;
}

/* ---- compiling ------------------------------------------------------------------------------- */

static int find_argument(const Making *m, const char *name) {
    for (int i = 0; i < m->count; i++)
        if (m->arguments[i].use != COUPLET_CONSTANT && strcmp(m->arguments[i].name, name) == 0)
            return i;
    return -1;
}

/* Connects arguments with the plan's arrays. */
static void fill_tables(CoupletFormula *f, const Making *m) {
    const CoupletPlan *plan = f->plan;
    f->argument_count = m->count;
    f->argument = arena_array(f->arena, int, plan->input_count + 1);
    f->inputs = arena_array(f->arena, void *, plan->input_count + 1);
    f->use = arena_array(f->arena, CoupletUse, m->count + 1);
    f->gradient = arena_array(f->arena, const char *, m->count + 1);
    for (int i = 0; i < plan->input_count; i++)
        f->argument[i] = find_argument(m, plan->inputs[i].name);
    for (int i = 0; i < m->count; i++) {
        f->use[i] = m->arguments[i].use;
        if (f->use[i] == COUPLET_GRADIENT)
            f->gradient[i] = arena_printf(f->arena, "grad_%s", m->arguments[i].name);
    }
}

static bool compile_formula(Making *m, Diag *diag) {
    CoupletFormula *f = m->formula;
    const PlanTarget target = cpu_plan_target(f->arena);
    const CompileOptions options = {
        .memory = f->options.memory_bytes, .target = &target, .may_give_array = true};
    const FunctionInput *inputs = function_inputs(f->arena, m);
    Graph *g =
        compile_function(f->arena, diag, m->file->method, m->function, inputs, m->count, &options);
    const CpuOptions cpu = {cpu_cache_folder(f->arena)};
    const char *error = "out of memory";
    if (!g) return false;
    f->code = cpu_compile(f->arena, &g, 1, NULL, 0, &cpu, &f->plan, &error);
    if (f->code)
        fill_tables(f, m);
    else
        report_error(CODE_RUN_STOPPED, error);
    return f->code != NULL;
}

static void make_formula(void *context) {
    Making *m = context;
    m->formula->arena = arena_new();
    Diag *diag = diag_new(m->formula->arena);
    report_collect(m->formula->arena, diag, m->file->method);
    const bool good = arguments_fit(m->formula->arena, diag, m) && compile_formula(m, diag);
    report_collect(NULL, NULL, NULL);
    m->status = good ? COUPLET_OK : COUPLET_ERROR_TEXT;
    if (!good) m->problem = problem_new(diag);
}

static CoupletFormula *formula_of(CoupletFile *file, const CoupletFormulaOptions *options) {
    CoupletFormula *f = calloc(1, sizeof *f);
    if (!f) return NULL;
    f->file = file;
    atomic_fetch_add(&file->holders, 1);
    if (options) f->options = *options;
    f->seed[0] = (int32_t)(uint32_t)f->options.seed;
    f->seed[1] = (int32_t)(uint32_t)(f->options.seed >> 32);
    pthread_mutex_init(&f->callers_lock, NULL);
    return f;
}

static CoupletStatus refuse_call(CoupletProblem **problem, const char *sentence) {
    if (problem) {
        *problem = problem_of_sentence(CODE_COMMAND_LINE, "%s", sentence);
    }
    return COUPLET_ERROR_ARGUMENT;
}

CoupletStatus couplet_formula_new(CoupletFile *file, const char *function,
                                  const CoupletArgument *arguments, int argument_count,
                                  const CoupletFormulaOptions *options, CoupletFormula **formula,
                                  CoupletProblem **problem) {
    if (formula) *formula = NULL;
    if (problem) *problem = NULL;
    if (!file || !function || !formula || argument_count < 0 || (argument_count > 0 && !arguments))
        return refuse_call(problem,
                           "couplet_formula_new: a pointer is NULL, or a count is negative");
    if (options && (options->threads < 0 || options->memory_bytes < 0))
        return refuse_call(problem,
                           "couplet_formula_new: the number of threads, or of bytes, is negative");
    Making m = {file,
                function,
                arguments,
                argument_count,
                formula_of(file, options),
                NULL,
                COUPLET_ERROR_MEMORY};
    if (!m.formula) return COUPLET_ERROR_MEMORY;
    if (m.formula->options.threads > MOST_THREADS) m.formula->options.threads = MOST_THREADS;
    library_compiling_begin();
    const bool had_memory = arena_guard(make_formula, &m);
    report_collect(NULL, NULL, NULL);
    library_compiling_end();
    if (!had_memory) {
        m.status = COUPLET_ERROR_MEMORY;
        m.problem =
            problem_of_sentence(CODE_MEMORY, "out of memory while `%s` was compiled", function);
    }
    if (m.status == COUPLET_OK)
        *formula = m.formula;
    else
        couplet_formula_free(m.formula);
    if (problem)
        *problem = m.problem;
    else
        couplet_problem_free(m.problem);
    return m.status;
}

static void drop_run(CoupletFormula *f) {
    couplet_run_free(f->run);
    couplet_device_free(f->device);
    f->run = NULL;
    f->device = NULL;
}

void couplet_formula_free(CoupletFormula *f) {
    if (!f) return;
    drop_run(f);
    cpu_free(f->code);
    arena_free(f->arena);
    couplet_file_free(f->file);
    pthread_mutex_destroy(&f->callers_lock);
    free(f);
}

/* ---- a run ----------------------------------------------------------------------------------- */

typedef struct Running {
    CoupletFormula *f;
    const void *const *arrays;
    float *const *gradients;
    /* the place of a result that is one number; NULL: the result goes into `result` */
    double *value;
    void *result;
    CoupletProblem *problem;
    CoupletStatus status;
} Running;

static CoupletProblem *fault_problem(const CoupletFormula *f, const CoupletFault *fault) {
    char text[2048];
    Arena *arena = arena_new();
    Diag *diag = diag_new(arena);
    couplet_fault_text(fault, NULL, text, sizeof text);
    report_collect(arena, diag, f->file->method);
    report_error(CODE_RUN_FAULT, text);
    report_collect(NULL, NULL, NULL);
    CoupletProblem *problem = problem_new(diag);
    arena_free(arena);
    return problem;
}

/* Makes the run and its arrays on the threads of this process, unless they are there. Returns false
 * if memory is out. */
static bool make_ready(CoupletFormula *f, CoupletThreads *threads, unsigned process) {
    if (f->run && f->process == process) return true;
    drop_run(f);
    f->process = process;
    f->device = couplet_host_device_new(threads);
    if (f->device) couplet_host_device_heed(f->device, &f->stop);
    f->run = f->device ? couplet_run_on(f->device, f->plan) : NULL;
    return f->run != NULL;
}

static void take_inputs(CoupletFormula *f, const void *const *arrays) {
    for (int i = 0; i < f->plan->input_count; i++) {
        const int from = f->argument[i];
        const char *name = f->plan->inputs[i].name;
        if (from >= 0)
            f->inputs[i] = (void *)(uintptr_t)arrays[from];
        else if (strcmp(name, "seed") == 0)
            f->inputs[i] = f->seed;
        else
            f->inputs[i] = strcmp(name, "step") == 0 ? &f->step_word : &f->zero;
    }
    f->step_word = atomic_load(&f->step);
}

static void give_results(const Running *r) {
    const CoupletFormula *f = r->f;
    const void *value = couplet_run_output(f->run, "value");
    const CoupletBuffer *of = couplet_plan_output(f->plan, "value");
    const int64_t bytes = couplet_buffer_count(of) * couplet_type_bytes(of->type);
    if (r->value)
        *r->value = (double)*(const float *)value;
    else
        memcpy(r->result, value, (size_t)bytes);
    for (int i = 0; r->gradients && i < f->argument_count; i++) {
        if (!r->gradients[i]) continue;
        const CoupletBuffer *b = couplet_plan_output(f->plan, f->gradient[i]);
        memcpy(r->gradients[i], couplet_run_output(f->run, f->gradient[i]),
               sizeof(float) * (size_t)couplet_buffer_count(b));
    }
}

static CoupletStatus run_ready(Running *r) {
    CoupletFormula *f = r->f;
    CoupletFault fault;
    take_inputs(f, r->arrays);
    bool good = couplet_run_steps(f->run, f->inputs, NULL, &fault);
    if (good && !f->options.allows_infinity) {
        good = couplet_run_finite(f->run, &fault);
    }
    if (atomic_load(&f->stop)) {
        r->problem = problem_of_sentence(CODE_RUN_STOPPED, "the run was stopped by its caller");
        return COUPLET_ERROR_STOPPED;
    }
    if (!good) {
        r->problem = fault_problem(f, &fault);
        return fault.kind == COUPLET_FAULT_MEMORY ? COUPLET_ERROR_MEMORY : COUPLET_ERROR_NUMBERS;
    }
    give_results(r);
    return COUPLET_OK;
}

static void run_in_turn(void *context) {
    Running *r = context;
    unsigned process;
    CoupletThreads *threads = workers_enter(r->f->options.threads, &process);
    const bool ready = threads && make_ready(r->f, threads, process);
    if (ready)
        r->status = run_ready(r);
    else if (!threads)
        r->problem = problem_of_sentence(CODE_MEMORY, "the threads of a run cannot be started");
    else
        r->problem =
            problem_of_sentence(CODE_MEMORY, "out of memory: the arrays of a run take %.1f MB",
                                (double)couplet_run_bytes(r->f->plan) / 1e6);
    if (threads) workers_leave();
}

/* Counts the callers of a formula. When the last one leaves, the flag that asks runs to end is
 * cleared, so that it does not end the next run. */
static void count_callers(CoupletFormula *f, int more) {
    pthread_mutex_lock(&f->callers_lock);
    f->callers += more;
    if (f->callers == 0) atomic_store(&f->stop, false);
    pthread_mutex_unlock(&f->callers_lock);
}

CoupletStatus couplet_formula_set_step(CoupletFormula *f, int64_t step) {
    if (!f || step < 0 || step > INT32_MAX) return COUPLET_ERROR_ARGUMENT;
    atomic_store(&f->step, (int32_t)step);
    return COUPLET_OK;
}

int couplet_formula_draws(const CoupletFormula *f) {
    for (int i = 0; f && i < f->plan->input_count; i++)
        if (f->argument[i] < 0 && strcmp(f->plan->inputs[i].name, "seed") == 0) return 1;
    return 0;
}

void couplet_formula_stop(CoupletFormula *f) {
    if (!f) return;
    pthread_mutex_lock(&f->callers_lock);
    if (f->callers > 0) atomic_store(&f->stop, true);
    pthread_mutex_unlock(&f->callers_lock);
}

static const char *what_is_missing(const Running *r) {
    const CoupletFormula *f = r->f;
    if (!f || (!r->value && !r->result) || (!r->arrays && f->argument_count > 0))
        return "couplet_formula_run: a pointer is NULL";
    if (r->value && couplet_plan_output(f->plan, "value")->rank > 0)
        return "couplet_formula_run gives one number, and the function gives an array: "
               "couplet_formula_run_array";
    for (int i = 0; i < f->argument_count; i++) {
        if (f->use[i] != COUPLET_CONSTANT && !r->arrays[i])
            return "couplet_formula_run: the array of an argument is NULL";
        if (r->gradients && r->gradients[i] && f->use[i] != COUPLET_GRADIENT)
            return "couplet_formula_run: the gradient of an argument is wanted that was not given "
                   "as COUPLET_GRADIENT";
    }
    return NULL;
}

static CoupletStatus run_formula(Running *r, CoupletProblem **problem) {
    if (problem) *problem = NULL;
    const char *missing = what_is_missing(r);
    if (missing) return refuse_call(problem, missing);
    count_callers(r->f, 1);
    run_in_turn(r);
    count_callers(r->f, -1);
    if (problem)
        *problem = r->problem;
    else
        couplet_problem_free(r->problem);
    return r->status;
}

CoupletStatus couplet_formula_run(CoupletFormula *formula, const void *const *arrays,
                                  float *const *gradients, double *value,
                                  CoupletProblem **problem) {
    Running r = {formula, arrays, gradients, value, NULL, NULL, COUPLET_ERROR_MEMORY};
    return run_formula(&r, problem);
}

CoupletStatus couplet_formula_run_array(CoupletFormula *formula, const void *const *arrays,
                                        void *result, CoupletProblem **problem) {
    Running r = {formula, arrays, NULL, NULL, result, NULL, COUPLET_ERROR_MEMORY};
    return run_formula(&r, problem);
}

/* ---- about it -------------------------------------------------------------------------------- */

double couplet_formula_operations(const CoupletFormula *f) {
    double operations = 0;
    for (int i = 0; f && i < f->plan->step_count; i++)
        operations += f->plan->steps[i].flops;
    return operations;
}

int64_t couplet_formula_bytes(const CoupletFormula *f) {
    return f ? couplet_run_bytes(f->plan) : 0;
}
int couplet_formula_kernels(const CoupletFormula *f) {
    return f ? cpu_kernel_count(f->code) : 0;
}
int couplet_formula_was_cached(const CoupletFormula *f) {
    return f ? cpu_was_cached(f->code) : 0;
}

static CoupletElement element_of(CoupletType type) {
    switch (type) {
    case COUPLET_F32:
        return COUPLET_FLOAT32;
    case COUPLET_I32:
        return COUPLET_INT32;
    case COUPLET_U8:
        return COUPLET_UINT8;
    }
    return COUPLET_FLOAT32;
}

int couplet_formula_result(const CoupletFormula *f, CoupletShape *shape) {
    if (!f || !shape) return 0;
    const CoupletBuffer *of = couplet_plan_output(f->plan, "value");
    *shape = (CoupletShape){.name = "value", .element = element_of(of->type), .rank = of->rank};
    for (int i = 0; i < of->rank; i++)
        shape->extent[i] = of->shape[i];
    return 1;
}
