/* The arrays on which `couplet grad` and `couplet gradcheck` try a function. They are read from
 * .npy and .npz files, given as numbers, or made up by the name and type of the parameter.
 *
 * Made-up ints must be valid indices. After lowering, the graph shows which input subscripts which
 * axis, and the input's entries are taken modulo that extent. Made-up reals have 24 bits, so
 * float32 and the float64 reference see the same numbers. */
#include "compiler/driver/function_arrays.h"
#include "compiler/driver/report.h"

#include "compiler/graph/visit.h"
#include "runtime/formula.h"
#include "runtime/npz.h"
#include "runtime/random.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static int find_input(const FunctionArrays *a, const char *name) {
    for (int i = 0; i < a->count; i++)
        if (strcmp(a->inputs[i].name, name) == 0) return i;
    return -1;
}

int64_t arrays_elements(const FunctionArrays *a, int i) {
    int64_t count = 1;
    for (int k = 0; k < a->inputs[i].rank; k++)
        count *= a->inputs[i].shape[k];
    return count;
}

/* Grows a list that has the capacity of all lists of the arrays. */
static void *grown_list(const FunctionArrays *a, void *list, size_t entry_bytes) {
    int capacity = a->capacity;
    return arena_grow(a->arena, list, entry_bytes, &capacity);
}

static void make_room(FunctionArrays *a) {
    if (a->count < a->capacity) return;
    a->values = grown_list(a, a->values, sizeof *a->values);
    a->is_index = grown_list(a, a->is_index, sizeof *a->is_index);
    a->extent = grown_list(a, a->extent, sizeof *a->extent);
    a->wholes = grown_list(a, a->wholes, sizeof *a->wholes);
    a->is_unsigned = grown_list(a, a->is_unsigned, sizeof *a->is_unsigned);
    a->files = grown_list(a, a->files, sizeof *a->files);
    a->inputs = arena_grow(a->arena, a->inputs, sizeof *a->inputs, &a->capacity);
}

static FunctionInput *add_input(FunctionArrays *a, const char *name) {
    make_room(a);
    FunctionInput *input = &a->inputs[a->count];
    memset(input, 0, sizeof *input);
    input->name = name;
    a->is_index[a->count] = a->is_unsigned[a->count] = false;
    a->wholes[a->count] = NULL;
    a->files[a->count] = NULL;
    a->extent[a->count] = 0;
    a->values[a->count++] = NULL;
    return input;
}

/* ---- from files ------------------------------------------------------------------------------ */

/* Takes the entries of a file for the array that was added last. */
static void take_values(FunctionArrays *a, const CoupletNpy *file) {
    double *values = a->values[a->count - 1] = arena_array(a->arena, double, file->count);
    if (!file->is_integer) {
        memcpy(values, file->values, sizeof *values * (size_t)file->count);
        return;
    }
    int64_t *wholes = arena_array(a->arena, int64_t, file->count);
    memcpy(wholes, file->wholes, sizeof *wholes * (size_t)file->count);
    for (int64_t i = 0; i < file->count; i++)
        values[i] = file->is_unsigned ? (double)(uint64_t)wholes[i] : (double)wholes[i];
    a->wholes[a->count - 1] = wholes;
    a->is_unsigned[a->count - 1] = file->is_unsigned;
}

static bool read_array(FunctionArrays *a, const Setting *setting) {
    char error[REPORT_BYTES];
    CoupletNpy file;
    bool archive = text_ends_with(setting->value, ".npz");
    bool good = archive
                    ? couplet_npz_read(setting->value, setting->name, &file, error, sizeof error)
                    : couplet_npy_read(setting->value, &file, error, sizeof error);
    if (!good) {
        report_error(CODE_FUNCTION_INPUT, error);
        return false;
    }
    FunctionInput *input = add_input(a, setting->name);
    input->type = file.is_integer ? GT_INT : GT_REAL;
    input->rank = file.rank;
    memcpy(input->shape, file.shape, sizeof *file.shape * (size_t)file.rank);
    take_values(a, &file);
    a->files[a->count - 1] = setting->value;
    for (int64_t i = 0; i < file.count && !file.is_integer; i++)
        input->holds_infinity |= isinf(file.values[i]) != 0;
    couplet_npy_free(&file);
    return true;
}

/* Reads a number, or one of the words `true` and `false`, as an input. */
static bool read_setting_number(FunctionArrays *a, const Setting *setting) {
    char *end;
    double value = strtod(setting->value, &end);
    if (strcmp(setting->value, "true") == 0 || strcmp(setting->value, "false") == 0) {
        value = *setting->value == 't';
    } else if (*end || !*setting->value) {
        report(CODE_SETTING, "--set %s needs a number, true or false, and `%s` was given",
               setting->name, setting->value);
        return false;
    }
    FunctionInput *input = add_input(a, setting->name);
    input->is_constant = true;
    input->value = value;
    return true;
}

bool arrays_read(FunctionArrays *a, const Options *options) {
    for (int i = 0; i < options->inputs.count; i++)
        if (!read_array(a, &options->inputs.items[i])) return false;
    for (int i = 0; i < options->sets.count; i++)
        if (!read_setting_number(a, &options->sets.items[i])) return false;
    return true;
}

static const char *file_of(const Options *options, const char *name) {
    for (int i = 0; i < options->inputs.count; i++)
        if (strcmp(options->inputs.items[i].name, name) == 0) return options->inputs.items[i].value;
    return "made up";
}

const char *arrays_not_finite(const FunctionArrays *a, const Options *options) {
    for (int i = 0; i < a->count; i++) {
        const FunctionInput *input = &a->inputs[i];
        for (int64_t k = 0; a->values[i] && input->type == GT_REAL && k < arrays_elements(a, i);
             k++) {
            const double value = a->values[i][k];
            char element[256];
            if (isfinite((float)value)) continue;
            couplet_element_text(input->name, input->rank, input->shape, k, element,
                                 sizeof element);
            return arena_printf(a->arena,
                                isfinite(value) ? "%s: %s is %g, and float32 ends at 3.4e38"
                                                : "%s: %s is %g",
                                file_of(options, input->name), element, isnan(value) ? NAN : value);
        }
    }
    return NULL;
}

/* ---- made up --------------------------------------------------------------------------------- */

typedef struct Sizes {
    const FunctionArrays *arrays;
    const Options *options;
    const Stmt *fn;
} Sizes;

/* Finds the extent of a dimension: from an array that is given, from --size, or by the name of the
 * dimension. */
static bool size_of_dim(void *context, const struct Symbol *symbol, int64_t *value) {
    static const struct {
        const char *name;
        int64_t size;
    } usual[] = {{"N", 6}, {"D", 5}, {"K", 7}, {"C", 3}, {"V", 3}, {"L", 3}, {"G", 2}};
    const Sizes *s = context;
    for (int p = 0; p < s->fn->param_count; p++) {
        const Param *param = &s->fn->params[p];
        int given = find_input(s->arrays, param->name);
        for (int d = 0; given >= 0 && param->type && d < param->type->rank &&
                        d < s->arrays->inputs[given].rank;
             d++) {
            const Dim *dim = param->type->dims[d];
            bool known = dim->kind == DIM_NAME && dim->symbol == symbol &&
                         s->arrays->inputs[given].shape[d] > 0;
            if (!known) continue;
            *value = s->arrays->inputs[given].shape[d];
            return true;
        }
    }
    for (int i = 0; i < s->options->sizes.count; i++) {
        if (strcmp(s->options->sizes.items[i].name, symbol->name) != 0) continue;
        *value = strtol(s->options->sizes.items[i].value, NULL, 10);
        return true;
    }
    *value = 4;
    for (size_t i = 0; i < sizeof usual / sizeof *usual; i++)
        if (strcmp(usual[i].name, symbol->name) == 0) *value = usual[i].size;
    return true;
}

static double normal(uint32_t seed, uint32_t site, int64_t at) {
    double u = 1 - couplet_random_unit(seed, 0, 0, site, (uint64_t)at, 0);
    double angle = 6.283185307179586 * couplet_random_unit(seed, 0, 0, site, (uint64_t)at, 1);
    return sqrt(-2 * log(u)) * cos(angle);
}

/* Returns a number that float32 holds exactly, so that both evaluators see the same. */
static double sampled_entry(const Param *param, uint32_t seed, uint32_t site, int64_t at) {
    double u = couplet_random_unit(seed, 0, 0, site, (uint64_t)at, 0);
    if (param->type->kind == KIND_BOOL) return u < 0.5;
    if (param->type->kind == KIND_INT)
        return (double)couplet_random_bits(seed, 0, 0, site, (uint64_t)at, 0);
    return (float)(param->type->rank > 1 ? normal(seed, site, at) : 0.25 + u / 2);
}

/* Finds the default of a parameter. Returns false if there is none, or if the default is no plain
 * number. */
static bool default_number(const Param *param, double *value) {
    const Expr *e = param->value;
    bool negative = e && e->kind == EXPR_UNARY && e->op == OP_NEG;
    if (negative) e = e->args[0];
    if (!e || e->kind != EXPR_NUMBER) return false;
    *value = negative ? -e->number : e->number;
    return true;
}

static bool make_up(FunctionArrays *a, const Param *param, Sizes *sizes, uint32_t site) {
    enum { COUNT = 2 };
    const Type *type = param->type;
    FunctionInput *input = add_input(a, param->name);
    input->type = type->kind == KIND_REAL ? GT_REAL : GT_INT;
    input->rank = type->rank;
    for (int d = 0; d < type->rank; d++) {
        if (dim_eval(type->dims[d], size_of_dim, sizes, &input->shape[d]) && input->shape[d] > 0)
            continue;
        report(CODE_SETTING, "axis %d of `%s` has no size; --size N=8,D=5 gives some", d + 1,
               param->name);
        return false;
    }
    double given = type->kind == KIND_BOOL ? 1 : COUNT;
    bool has_default = type->rank == 0 && default_number(param, &given);
    if (type->rank == 0 && (type->kind != KIND_REAL || (has_default && given == 0))) {
        input->is_constant = true;
        input->value = given;
        return true;
    }
    if (a->only_shapes) return true;
    int64_t count = arrays_elements(a, a->count - 1);
    double *values = a->values[a->count - 1] = arena_array(a->arena, double, count);
    for (int64_t i = 0; i < count; i++)
        values[i] = has_default ? (float)given
                                : sampled_entry(param, (uint32_t)sizes->options->seed, site, i);
    a->is_index[a->count - 1] = type->kind == KIND_INT;
    return true;
}

/* True if the expression has the name. */
static bool says(const Expr *e, const char *name) {
    if (e->kind == EXPR_NAME) return strcmp(e->name, name) == 0;
    for (int i = 0; i < e->arg_count; i++)
        if (says(e->args[i], name)) return true;
    return false;
}

static bool has_dimension(const Stmt *s, const char *name) {
    for (int p = 0; p < s->param_count; p++)
        for (int d = 0; d < s->params[p].dim_count; d++)
            if (says(s->params[p].dims[d], name)) return true;
    return false;
}

bool arrays_know_sizes(const Method *method, const Options *options) {
    const bool searched = !options->fn || method_find_function(method, options->fn);
    for (int i = 0; searched && i < options->sizes.count; i++) {
        const char *name = options->sizes.items[i].name;
        bool known = false;
        for (int k = 0; k < method->spec->stmt_count; k++) {
            const Stmt *s = method->spec->stmts[k];
            known |= s->kind == STMT_FN && (!options->fn || strcmp(s->name, options->fn) == 0) &&
                     has_dimension(s, name);
        }
        if (known) continue;
        if (options->fn)
            report(CODE_SETTING, "--size says how large `%s` is, and `%s` has no such dimension",
                   name, options->fn);
        else
            report(CODE_SETTING,
                   "--size says how large `%s` is, and no function of `%s` has such a dimension",
                   name, options->file);
        return false;
    }
    return true;
}

bool arrays_make_up(FunctionArrays *a, const Stmt *fn, const Options *options) {
    Sizes sizes = {a, options, fn};
    for (int p = 0; p < fn->param_count; p++) {
        const Param *param = &fn->params[p];
        if (!param->type || find_input(a, param->name) >= 0) continue;
        /* A default that is an expression stays in the function. */
        double number;
        if (param->type->rank == 0 && param->value && !default_number(param, &number)) continue;
        if (!make_up(a, param, &sizes, (uint32_t)p)) return false;
    }
    return true;
}

/* ---- labels and row numbers ------------------------------------------------------------------ */

static void take_modulo(FunctionArrays *a, int at, int64_t extent) {
    for (int64_t i = 0; i < arrays_elements(a, at); i++)
        a->values[at][i] = fmod(a->values[at][i], (double)extent);
}

typedef struct Fit {
    FunctionArrays *arrays;
    ExprMap met; /* the parts of the subscript that were visited */
    int64_t extent;
} Fit;

/* Finds the made-up inputs whose elements may become the value of a subscript unchanged, and takes
 * them modulo the extent of the axis, so that they stay on it. */
static VisitStep fit_subscript(void *context, const GExpr *e) {
    Fit *fit = context;
    if (e->op == G_MAX || e->op == G_MIN) return VISIT_INSIDE;
    for (int i = 1; e->op == G_SELECT && i < e->arg_count; i++)
        expr_visit_rest(&fit->met, e->args[i], fit_subscript, fit);
    if (e->op != G_LOAD || e->type != GT_INT) return VISIT_PAST;
    const GNode *n = e->tensor;
    if (n->kind == GN_COMPUTE && n->reducer == GR_NONE)
        expr_visit_rest(&fit->met, n->value, fit_subscript, fit);
    int at = n->kind == GN_INPUT ? find_input(fit->arrays, n->name) : -1;
    if (at < 0 || !fit->arrays->is_index[at]) return VISIT_PAST;
    take_modulo(fit->arrays, at, fit->extent);
    fit->arrays->extent[at] = fit->extent;
    return VISIT_PAST;
}

static VisitStep fit_load(void *context, const GExpr *e) {
    for (int i = 0; e->op == G_LOAD && i < e->tensor->rank; i++) {
        Fit fit = {.arrays = context, .extent = e->tensor->shape[i]};
        expr_map_open(&fit.met);
        expr_visit_rest(&fit.met, e->args[i], fit_subscript, &fit);
        expr_map_close(&fit.met);
    }
    return VISIT_INSIDE;
}

void arrays_fit_indices(FunctionArrays *a, const Graph *g) {
    enum { CLASSES = 3 };
    for (int i = 0; i < g->nodes.count; i++)
        expr_visit_node(g->nodes.items[i], fit_load, a);
    for (int i = 0; i < a->count; i++)
        if (a->is_index[i] && !a->extent[i]) take_modulo(a, i, CLASSES);
}

/* ---- as a back end wants them ---------------------------------------------------------------- */

const double *arrays_find(void *context, const GNode *node) {
    const FunctionArrays *a = context;
    static const double zero[2] = {0, 0};
    int at = find_input(a, node->name);
    if (at >= 0 && a->values[at]) return a->values[at];
    bool run_scalar =
        node->kind == GN_INPUT && (node->rank == 0 || strcmp(node->name, "seed") == 0);
    return run_scalar ? zero : NULL;
}

void **arrays_narrow(FunctionArrays *a, const Graph *g, const CoupletPlan *plan) {
    void **inputs = arena_array(a->arena, void *, plan->input_count + 1);
    for (int i = 0; i < plan->input_count; i++) {
        const GNode *node = g->nodes.items[plan->inputs[i].buffer];
        const double *wide = arrays_find(a, node);
        int64_t count = 1;
        for (int k = 0; k < node->rank; k++)
            count *= node->shape[k];
        inputs[i] = arena_alloc(a->arena, (size_t)count * 4);
        for (int64_t k = 0; wide && k < count; k++) {
            if (node->type == GT_INT)
                ((int32_t *)inputs[i])[k] = (int32_t)wide[k];
            else
                ((float *)inputs[i])[k] = (float)wide[k];
        }
    }
    return inputs;
}
