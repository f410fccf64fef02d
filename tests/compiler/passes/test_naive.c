/* Tests naive formulas at temperature 0.005: value and gradient, compiled for the CPU in float32
 * after all passes, are compared with the reference evaluator in float64 on the graph as it was
 * written. The embeddings are of many sizes, with equal rows, opposite rows and rows of zeros.
 *
 *     test_naive SPEC [FUNCTION] */
#include "compiler/compile/compile.h"
#include "compiler/cpu/cpu.h"
#include "compiler/driver/load.h"
#include "compiler/driver/options.h"
#include "compiler/reference/reference.h"
#include "runtime/executor.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { MOST_INPUTS = 8, MOST_OUTPUTS = 8 };

typedef struct Variant {
    const char *name;
    double size;
    bool equal_rows, zero_row;
} Variant;

static const Variant variants[] = {
    {"plain", 1, false, false},
    {"large", 1e4, false, false},
    {"small", 1e-4, false, false},
    {"equal rows", 1, true, false},
    {"large, equal rows", 1e4, true, false},
    {"a row of zeros", 1, false, true},
    {"equal rows, zeros", 1e-4, true, true},
};

typedef struct Case {
    Arena *arena;
    const Stmt *fn;
    const Variant *variant;
    FunctionInput inputs[MOST_INPUTS];
    double *data[MOST_INPUTS];
    int count;
    double *expected[MOST_OUTPUTS]; /* by output: first the value, then the gradients */
    const char *fault;
} Case;

static int64_t elements(int rank, const int64_t *shape) {
    int64_t count = 1;
    for (int i = 0; i < rank; i++)
        count *= shape[i];
    return count;
}

static int64_t extent_of(const Expr *dim) {
    return strcmp(dim->name, "N") == 0   ? 6
           : strcmp(dim->name, "D") == 0 ? 5
           : strcmp(dim->name, "C") == 0 ? 3
                                         : 7;
}

static double element(const Case *c, int input, int64_t i, int64_t row_size) {
    int64_t row = i / row_size;
    int64_t column = i % row_size;
    if (c->variant->equal_rows && row == 1) row = 0;
    if (c->variant->equal_rows && row < 2) input = 0; /* these rows are equal in all arrays, too */
    if (c->variant->zero_row && row == 2) return 0;
    double x = sin(1.0 + 1.7 * (double)(row * row_size + column) + 0.6 * input);
    if (row == 3) x = -sin(1.0 + 1.7 * (double)column); /* the opposite of row 0 */
    return (double)(float)(c->variant->size * x);
}

static void make_inputs(Case *c) {
    for (int p = 0; p < c->fn->param_count; p++) {
        const Param *param = &c->fn->params[p];
        FunctionInput *in = &c->inputs[c->count];
        bool whole = param->type->kind != KIND_REAL;
        in->name = param->name;
        in->type = whole ? GT_INT : GT_REAL;
        in->is_constant = !param->has_shape;
        in->value = 0.005;
        in->rank = param->dim_count;
        for (int i = 0; i < in->rank; i++)
            in->shape[i] = extent_of(param->dims[i]);
        int64_t size = elements(in->rank, in->shape);
        int64_t row = in->rank > 1 ? in->shape[1] : 1;
        c->data[c->count] = arena_array(c->arena, double, size);
        for (int64_t i = 0; i < size; i++)
            c->data[c->count][i] = whole           ? (double)(i % 3)
                                   : in->rank == 1 ? (double)(float)cos((double)i)
                                                   : element(c, c->count, i, row);
        c->count++;
    }
}

static const double *find(void *context, const GNode *node) {
    const Case *c = context;
    for (int i = 0; i < c->count; i++)
        if (strcmp(c->inputs[i].name, node->name) == 0) return c->data[i];
    return NULL;
}

/* Copies the graph, as it was lowered and before any pass, and adds its gradient. */
static void take_reference(void *context, const Graph *lowered, const char *pass) {
    Case *c = context;
    if (strcmp(pass, "lower") != 0) return;
    char *text = NULL;
    size_t length = 0;
    FILE *memory = open_memstream(&text, &length);
    graph_print(lowered, memory);
    fclose(memory);
    const Source source = {"lowered", text, length};
    Graph *g = graph_read(c->arena, diag_new(c->arena), &source);
    GNode *wrt[MOST_INPUTS], *grads[MOST_INPUTS];
    int count = 0;
    for (int i = 0; i < c->count; i++)
        for (int n = 0;
             n < g->nodes.count && !c->inputs[i].is_constant && c->inputs[i].type == GT_REAL; n++)
            if (g->nodes.items[n]->kind == GN_INPUT &&
                strcmp(g->nodes.items[n]->name, c->inputs[i].name) == 0)
                wrt[count++] = g->nodes.items[n];
    pass_differentiate(g, g->outputs.items[0].node, wrt, count, grads);
    Reference *run = reference_run(g, find, c);
    c->fault = reference_fault(run, NULL);
    for (int i = 0; i <= count && !c->fault; i++) {
        const GNode *n = i == 0 ? g->outputs.items[0].node : grads[i - 1];
        const GNode *like = i == 0 ? n : wrt[i - 1];
        c->expected[i] = arena_array(c->arena, double, elements(like->rank, like->shape));
        if (n)
            memcpy(c->expected[i], reference_value(run, n),
                   sizeof(double) * (size_t)elements(like->rank, like->shape));
    }
    if (c->fault) c->fault = arena_printf(c->arena, "%s", c->fault);
    reference_free(run);
    free(text);
}

static bool compare_with_reference(Case *c, const Graph *g, const CoupletRun *run) {
    bool good = true;
    for (int i = 0; i < g->outputs.count; i++) {
        const GNode *n = g->outputs.items[i].node;
        const float *got = couplet_run_output(run, g->outputs.items[i].name);
        int64_t count = elements(n->rank, n->shape);
        double most = 0;
        double scale = 0;
        bool finite = true;
        for (int64_t k = 0; k < count; k++) {
            double off = fabs((double)got[k] - c->expected[i][k]);
            if (!(off <= most)) most = isnan(off) ? HUGE_VAL : off;
            scale = fmax(scale, fabs(c->expected[i][k]));
            finite = finite && isfinite((double)got[k]);
        }
        /* A logit of 200 has 1.5e-5 as its last digit, which the exponential keeps. A value near 0
         * is the difference of two such logits. */
        double allowed = i == 0 ? 2e-4 * (1 + scale) : 5e-3 * scale + 1e-25;
        if (most <= allowed) continue;
        /* The formula as it is written is no finite number even in float64, but the compiled one
         * is. */
        if (!isfinite(c->expected[0][0]) && finite) continue;
        printf("  %s, %s: `%s` is off by %.2g; its largest entry is %.6g\n", c->fn->name,
               c->variant->name, g->outputs.items[i].name, most, scale);
        good = false;
    }
    return good;
}

static void *narrow(Arena *arena, const Case *c, const GNode *n) {
    int64_t count = elements(n->rank, n->shape);
    const double *wide = find((void *)(uintptr_t)c, n);
    char *bytes = arena_alloc(arena, (size_t)count * 4 + 4);
    for (int64_t k = 0; wide && k < count; k++) {
        float value = (float)wide[k];
        int32_t integer = (int32_t)wide[k];
        memcpy(bytes + 4 * k, n->type == GT_INT ? (void *)&integer : (void *)&value, 4);
    }
    return bytes;
}

static bool run_case(const char *path, const char *name, const Variant *variant) {
    Case c = {.arena = arena_new(), .variant = variant};
    Diag *diag = diag_new(c.arena);
    Method *method = load_method(c.arena, diag, path, NULL);
    for (int i = 0; method && i < method->spec->stmt_count; i++)
        if (method->spec->stmts[i]->kind == STMT_FN &&
            strcmp(method->spec->stmts[i]->name, name) == 0)
            c.fn = method->spec->stmts[i];
    bool good = c.fn != NULL;
    if (good) make_inputs(&c);
    const CompileOptions options = {.after = take_reference, .context = &c};
    Graph *g =
        good ? compile_function(c.arena, diag, method, name, c.inputs, c.count, &options) : NULL;
    diag_print(diag, stdout);
    good = g && !c.fault;
    if (c.fault) printf("  %s, %s: reference: %s\n", name, variant->name, c.fault);
    CoupletPlan *plan;
    const char *error = "";
    const CpuOptions cpu = {cpu_cache_folder(c.arena)};
    CpuCode *code = good ? cpu_compile(c.arena, &g, 1, NULL, 0, &cpu, &plan, &error) : NULL;
    if (code) {
        void **inputs = arena_array(c.arena, void *, plan->input_count + 1);
        for (int i = 0; i < plan->input_count; i++)
            inputs[i] = narrow(c.arena, &c, g->nodes.items[plan->inputs[i].buffer]);
        CoupletRun *run = couplet_run_new(plan, NULL);
        CoupletFault fault;
        good = couplet_run_steps(run, inputs, NULL, &fault);
        if (good)
            good = compare_with_reference(&c, g, run);
        else
            printf("  %s, %s: %s\n", name, variant->name, fault.sentence);
        couplet_run_free(run);
    } else {
        good = false;
    }
    cpu_free(code);
    arena_free(c.arena);
    return good;
}

int main(int argc, char **argv) {
    Arena *arena = arena_new();
    Diag *diag = diag_new(arena);
    Method *method = argc > 1 ? load_method(arena, diag, argv[1], NULL) : NULL;
    int passed = 0;
    int failed = 0;
    diag_print(diag, stdout);
    for (int i = 0; method && i < method->spec->stmt_count; i++) {
        const Stmt *s = method->spec->stmts[i];
        if (s->kind != STMT_FN || (argc > 2 && strcmp(argv[2], s->name) != 0)) continue;
        bool good = true;
        for (size_t v = 0; v < sizeof variants / sizeof *variants; v++)
            good &= run_case(argv[1], s->name, &variants[v]);
        printf("%s: %s\n", s->name, good ? "ok" : "FAILED");
        if (good)
            passed++;
        else
            failed++;
    }
    arena_free(arena);
    printf("%d passed, %d failed\n", passed, failed);
    return failed != 0 || passed == 0;
}
