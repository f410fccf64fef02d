/* Compares every loss of stdlib/losses in float32 on the CPU with the reference evaluator in
 * float64, value and gradients, on ordinary arrays and on those that naive formulas fail on. All
 * functions of the module that give a number are tried, so a new one is tested as soon as it is
 * written.
 *
 *     test_losses FOLDER [NAME...] */
#include "compiler/cpu/cpu.h"
#include "compiler/driver/function_arrays.h"
#include "compiler/driver/gradcheck.h"
#include "compiler/driver/load.h"
#include "compiler/reference/reference.h"
#include "runtime/executor.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* ---- what is done to the arrays -------------------------------------------------------------- */

static bool is_features(const FunctionInput *in) {
    return in->type == GT_REAL && in->rank >= 2;
}

static void scale_features(FunctionArrays *a, double factor) {
    for (int i = 0; i < a->count; i++)
        for (int64_t k = 0; is_features(&a->inputs[i]) && k < arrays_elements(a, i); k++)
            a->values[i][k] = (float)(a->values[i][k] * factor);
}

static void leave_as_is(FunctionArrays *a) {
    (void)a;
}
static void large(FunctionArrays *a) {
    scale_features(a, 1e4);
}
static void small(FunctionArrays *a) {
    scale_features(a, 1e-4);
}

static void cold(FunctionArrays *a) {
    for (int i = 0; i < a->count; i++)
        if (a->inputs[i].rank == 0 && a->values[i] && strncmp(a->inputs[i].name, "tau", 3) == 0 &&
            strcmp(a->inputs[i].name, "tau_plus") != 0)
            a->values[i][0] = 0.005f;
}

/* Makes pairs of equal rows in every array, and the second array of two views equal to the
 * first. */
static void duplicated(FunctionArrays *a) {
    for (int i = 0; i < a->count; i++) {
        const FunctionInput *in = &a->inputs[i];
        int64_t row = is_features(in) ? arrays_elements(a, i) / in->shape[0] : 0;
        for (int64_t k = 0; row && k + row < arrays_elements(a, i); k++)
            if ((k / row) % 2 == 0) a->values[i][k + row] = a->values[i][k];
        if (i && is_features(in) && in->rank == a->inputs[i - 1].rank &&
            arrays_elements(a, i) == arrays_elements(a, i - 1))
            memcpy(a->values[i], a->values[i - 1], sizeof(double) * (size_t)arrays_elements(a, i));
    }
}

static void all_equal(FunctionArrays *a) {
    for (int i = 0; i < a->count; i++) {
        const FunctionInput *in = &a->inputs[i];
        int64_t width = is_features(in) ? in->shape[in->rank - 1] : 0;
        for (int64_t k = width; width && k < arrays_elements(a, i); k++)
            a->values[i][k] = a->values[i][k - width];
    }
}

static void zero_vectors(FunctionArrays *a) {
    for (int i = 0; i < a->count; i++) {
        const FunctionInput *in = &a->inputs[i];
        int64_t width = is_features(in) ? in->shape[in->rank - 1] : 0;
        for (int64_t k = 0; k < width; k++)
            a->values[i][k] = 0;
    }
}

/* Makes all labels different and all masks false. */
static void empty_masks(FunctionArrays *a) {
    for (int i = 0; i < a->count; i++) {
        int64_t count = a->inputs[i].type == GT_INT && a->values[i] ? arrays_elements(a, i) : 0;
        for (int64_t k = 0; k < count; k++)
            a->values[i][k] = a->is_index[i] && a->inputs[i].rank == 1
                                  ? (double)(a->extent[i] ? k % a->extent[i] : k)
                                  : 0;
    }
}

enum { MOST_OUTPUTS = 32 }; /* of a loss of the library: its value and its gradients */

/* A change of the arrays, and the tolerance for it, which is relative to the largest entry of an
 * output or, if that is more, to `usual` times the value or the largest entry with unchanged
 * arrays, whichever is larger. Where equal rows make a gradient vanish, what is left is rounding of
 * that size. At temperature 0.005 the last bit of a cosine is 1e-5 of an exponent. */
typedef struct Condition {
    const char *name;
    void (*change)(FunctionArrays *arrays);
    double tolerance, usual;
} Condition;

static const Condition conditions[] = {
    {"as it is", leave_as_is, 1e-5, 0},          {"tau = 0.005", cold, 2e-4, 0},
    {"duplicated rows", duplicated, 2e-5, 0.05}, {"all rows equal", all_equal, 2e-5, 0.2},
    {"zero vectors", zero_vectors, 2e-5, 0.05},  {"scaled by 1e4", large, 2e-5, 0.05 * 1e-4},
    {"scaled by 1e-4", small, 2e-5, 0.05},       {"empty masks", empty_masks, 2e-5, 0.05},
};
enum { CONDITIONS = sizeof conditions / sizeof *conditions };

/* The losses and conditions that are known to fail. */
typedef struct Known {
    const char *function, *condition, *why;
} Known;
static const Known known[] = {
    {"moco_v3", "tau = 0.005",
     "the gradient to tau is a difference of terms some hundred times its size"},
    {"sup_con_scaled", "tau = 0.005", "the same"},
    {"barlow", "all rows equal",
     "a column that does not vary is 0/0, as the paper writes it; with eps = 1e-5 it is defined"},
    {"dice", "scaled by 1e4",
     "a softmax of one winner: p (g - sum p g) is rounding of terms some 1e4 times its size"},
    {NULL, NULL, NULL},
};

static const Known *find_known(const char *function, const char *condition) {
    for (const Known *k = known; k->function; k++)
        if (strcmp(k->function, function) == 0 && strcmp(k->condition, condition) == 0) return k;
    return NULL;
}

/* ---- one loss -------------------------------------------------------------------------------- */

typedef struct Loss {
    Arena *arena;
    const Stmt *fn;
    FunctionArrays arrays;
    Graph *graph; /* the graph after all passes for the CPU */
    CoupletPlan *plan;
    CpuCode *code;
    /* By output: the largest entry with unchanged arrays. The value is the first output. */
    double usual[MOST_OUTPUTS + 1];
    char fault[512]; /* the fault of the condition that is tried */
} Loss;

static bool build_loss(Loss *l, const Method *method, const Stmt *fn) {
    static Options none;
    Diag *diag = diag_new(l->arena);
    Snapshot written = {.name = fn->name, .pass = "lower"};
    const CompileOptions lower = {.after = gradient_snapshot_pass, .context = &written};
    l->fn = fn;
    l->arrays.arena = l->arena;
    if (!arrays_make_up(&l->arrays, fn, &none)) return false;
    l->graph = compile_function(l->arena, diag, method, fn->name, l->arrays.inputs, l->arrays.count,
                                &lower);
    diag_print(diag, stdout);
    if (!l->graph) return false;
    arrays_fit_indices(&l->arrays, &written.graph);
    const CpuOptions cpu = {cpu_cache_folder(l->arena)};
    const char *error = "";
    l->code = cpu_compile(l->arena, &l->graph, 1, NULL, 0, &cpu, &l->plan, &error);
    if (!l->code) printf("%s: %s\n", fn->name, error);
    return l->code != NULL;
}

static double largest_entry(const double *values, int64_t count) {
    double largest = 0;
    for (int64_t i = 0; i < count; i++)
        largest = fmax(largest, fabs(values[i]));
    return largest;
}

static bool differs(Loss *l, const char *name, const double *expected, const float *found,
                    int64_t count, double tolerance, double usual) {
    double largest = fmax(fmax(1e-12, usual), largest_entry(expected, count));
    for (int64_t i = 0; i < count; i++) {
        /* A NaN fails this comparison, too. */
        if (fabs((double)found[i] - expected[i]) <= tolerance * largest) continue;
        snprintf(l->fault, sizeof l->fault, "%s, entry %lld: %g, and %g in float64 (largest %g)",
                 name, (long long)i, (double)found[i], expected[i], largest);
        return true;
    }
    return false;
}

/* True if both evaluators give the same finite numbers, or if both stop with a named error. */
static bool condition_holds(Loss *l, const Condition *condition) {
    l->fault[0] = 0;
    Reference *exact = reference_run(l->graph, arrays_find, &l->arrays);
    CoupletRun *run = couplet_run_new(l->plan, NULL);
    CoupletFault fault = {.sentence = "", .source = ""};
    Span span;
    bool stopped =
        !couplet_run_steps(run, arrays_narrow(&l->arrays, l->graph, l->plan), NULL, &fault);
    bool should = reference_fault(exact, &span) != NULL;
    if (stopped != should)
        snprintf(l->fault, sizeof l->fault, "%s: %s",
                 stopped ? "the CPU stops" : "only the reference stops",
                 stopped ? fault.sentence : reference_fault(exact, &span));
    for (int i = 0; !stopped && !should && !l->fault[0] && i < l->graph->outputs.count; i++) {
        const GOutput *output = &l->graph->outputs.items[i];
        const double *expected = reference_value(exact, output->node);
        int64_t count = graph_element_count(output->node);
        for (int64_t k = 0; k < count; k++)
            if (!isfinite(expected[k]))
                snprintf(l->fault, sizeof l->fault, "%s is %g in float64 too", output->name,
                         expected[k]);
        if (condition == conditions) l->usual[i] = largest_entry(expected, count);
        if (!l->fault[0])
            differs(l, output->name, expected, couplet_run_output(run, output->name), count,
                    condition->tolerance, condition->usual * fmax(l->usual[0], l->usual[i]));
    }
    couplet_run_free(run);
    reference_free(exact);
    return !l->fault[0];
}

static int try_conditions(Loss *l) {
    double *kept[MOST_OUTPUTS];
    int wrong = 0;
    for (int i = 0; i < l->arrays.count; i++) {
        int64_t count = l->arrays.values[i] ? arrays_elements(&l->arrays, i) : 0;
        kept[i] = arena_array(l->arena, double, count + 1);
        if (count) memcpy(kept[i], l->arrays.values[i], sizeof(double) * (size_t)count);
    }
    for (int c = 0; c < CONDITIONS; c++) {
        conditions[c].change(&l->arrays);
        bool good = condition_holds(l, &conditions[c]);
        const Known *expected = find_known(l->fn->name, conditions[c].name);
        if (good && expected)
            printf("%s, %s: holds now; take it from the list of what does not\n", l->fn->name,
                   conditions[c].name);
        if (!good && !expected) printf("%s, %s: %s\n", l->fn->name, conditions[c].name, l->fault);
        wrong += !good && !expected;
        for (int i = 0; i < l->arrays.count; i++)
            if (l->arrays.values[i])
                memcpy(l->arrays.values[i], kept[i],
                       sizeof(double) * (size_t)arrays_elements(&l->arrays, i));
    }
    return wrong;
}

static bool is_asked_for(const char *name, int argc, char **argv) {
    for (int i = 2; i < argc; i++)
        if (strcmp(argv[i], name) == 0) return true;
    return argc < 3;
}

int main(int argc, char **argv) {
    static Options none;
    Arena *library = arena_new();
    Diag *diag = diag_new(library);
    Method *method = argc > 1 ? load_method(library, diag, argv[1], &none) : NULL;
    int tried = 0;
    int wrong = 0;
    diag_print(diag, stdout);
    for (int i = 0; method && i < method->spec->stmt_count; i++) {
        const Stmt *s = method->spec->stmts[i];
        bool loss =
            s->kind == STMT_FN && s->result && s->result->kind == KIND_REAL && s->result->rank == 0;
        if (!loss || !is_asked_for(s->name, argc, argv)) continue;
        Loss l = {.arena = arena_new()};
        tried++;
        wrong += build_loss(&l, method, s) ? try_conditions(&l) : 1;
        cpu_free(l.code);
        arena_free(l.arena);
    }
    arena_free(library);
    printf("%d losses under %d conditions, %d wrong\n", tried, CONDITIONS, wrong);
    return tried == 0 || wrong;
}
