/* Lowers one function of the language on given arrays, with the gradient of its value. `couplet
 * grad` and the differential tests run such functions. */
#include "compiler/lower/internal.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

struct FunctionUnit {
    const char *name;
    const FunctionInput *inputs;
    int input_count;
    /* The real inputs whose gradient is wanted, in the order of the parameters. */
    GNode **reals;
    const char **real_names;
    int real_count;
    bool may_give_array;
};

static const Stmt *function_of(const Module *module, const char *name) {
    for (int i = 0; i < module->stmt_count; i++)
        if (module->stmts[i]->kind == STMT_FN && strcmp(module->stmts[i]->name, name) == 0)
            return module->stmts[i];
    return NULL;
}

/* Returns the module that the spec uses by this name, or NULL. */
static const Module *used_as(const Module *spec, const char *name, size_t length) {
    for (int i = 0; i < spec->stmt_count; i++) {
        const Stmt *s = spec->stmts[i];
        for (int p = 0; s->kind == STMT_USE && p < s->param_count; p++) {
            const Param *use = &s->params[p];
            if (use->symbol && strlen(use->name) == length && strncmp(use->name, name, length) == 0)
                return use->symbol->module;
        }
    }
    return NULL;
}

const Stmt *method_find_function(const Method *method, const char *name) {
    const char *dot = strchr(name, '.');
    if (!dot) return function_of(method->spec, name);
    size_t length = (size_t)(dot - name);
    const Module *used = used_as(method->spec, name, length);
    if (used) return function_of(used, dot + 1);
    for (int i = 0; i < method->module_count; i++) {
        const Module *module = method->modules[i];
        if (module != method->spec && strlen(module->name) == length &&
            strncmp(module->name, name, length) == 0)
            return function_of(module, dot + 1);
    }
    return NULL;
}

static void suggest_function(Diag *diag, const Module *module, const char *name) {
    const char *names[256];
    int count = 0;
    for (int i = 0; i < module->stmt_count && count < 256; i++)
        if (module->stmts[i]->kind == STMT_FN) names[count++] = module->stmts[i]->name;
    const char *near = diag_nearest(name, names, count);
    if (near) diag_suggest(diag, "did you mean `%s`?", near);
}

static const FunctionInput *find_input(const FunctionInput *inputs, int count, const char *name) {
    for (int i = 0; i < count; i++)
        if (strcmp(inputs[i].name, name) == 0) return &inputs[i];
    return NULL;
}

static void unknown_input(Lower *l, const Stmt *fn, const char *name) {
    const char **names = arena_array(l->arena, const char *, fn->param_count + 1);
    for (int i = 0; i < fn->param_count; i++)
        names[i] = fn->params[i].name;
    diag_report(l->diag, CODE_FUNCTION_INPUT, fn->name_span, "`%s` has no parameter `%s`", fn->name,
                name);
    const char *near = diag_nearest(name, names, fn->param_count);
    if (near) diag_suggest(l->diag, "did you mean `%s`?", near);
}

static void read_hypers(Lower *l, const Module *spec, const FunctionInput *inputs, int count) {
    for (int i = 0; i < spec->stmt_count; i++) {
        const Stmt *s = spec->stmts[i];
        for (int p = 0; s->kind == STMT_HYPER && p < s->param_count; p++) {
            double value = 0;
            const FunctionInput *set = find_input(inputs, count, s->params[p].name);
            if (set && set->is_constant)
                value = set->value;
            else if (!lower_static(l, s->params[p].value, &value))
                continue;
            const Param *hyper = &s->params[p];
            double holds;
            frame_set(l, l->root, hyper->symbol, value_static(l, value, hyper->value->is_integer));
            if (hyper->guard && lower_static(l, hyper->guard, &holds) && holds == 0)
                diag_report(l->diag, CODE_HYPER, hyper->guard->span,
                            "the hyper `%s` is %g, which is out of the range written here",
                            hyper->name, value);
        }
    }
}

/* Returns a mask, which is handed over as 0 and 1, as an array of truth values. */
static Value truth_of(Lower *l, GNode *node, Span span) {
    const GExpr *axes[GRAPH_MAX_RANK];
    for (int a = 0; a < node->rank; a++)
        axes[a] = graph_fresh_index(l->g, node->shape[a]);
    const GExpr *read = gx_load(l->g, node, node->rank, axes, NULL);
    return lower_array_from(l, gx2(l->g, G_NE, read, gx_int(l->g, 0)), axes, node->rank, NULL,
                            span);
}

/* Makes the array that is given for a parameter an input, and returns it as the parameter's value.
 */
static Value given_array(Lower *l, const Param *param, const FunctionInput *input) {
    FunctionUnit *f = l->function;
    const bool wants_real = !param->type || param->type->kind == KIND_REAL;
    const bool wants_truth = param->type && param->type->kind == KIND_BOOL;
    GNode *node =
        graph_input(l->g, input->name, input->type, input->rank, input->shape, param->span);
    node->holds_infinity = input->holds_infinity;
    Value value =
        input->rank ? value_array(node) : value_scalar(gx_load(l->g, node, 0, NULL, NULL));
    if (wants_truth && input->type == GT_INT)
        value = input->rank ? truth_of(l, node, param->span)
                            : value_scalar(gx2(l->g, G_NE, value.scalar, gx_int(l->g, 0)));
    if (wants_real && input->type != GT_REAL)
        diag_report(l->diag, CODE_FUNCTION_INPUT, param->span,
                    "`%s` is a real array, and the file given for it holds integers", param->name);
    if (!wants_real && input->type == GT_REAL)
        diag_report(l->diag, CODE_FUNCTION_INPUT, param->span,
                    "`%s` holds integers or truth values, and the file given for it holds reals",
                    param->name);
    if (input->type == GT_REAL && !input->no_gradient) {
        f->real_names[f->real_count] = input->name;
        f->reals[f->real_count++] = node;
    }
    return value;
}

/* Returns a number that is given for a scalar; truth values are 0 and 1. */
static Value given_number(Lower *l, const Param *param, double number) {
    const bool is_int = param->type && param->type->kind == KIND_INT;
    if (!param->type || param->type->kind != KIND_BOOL) return value_static(l, number, is_int);
    if (number != 0 && number != 1)
        diag_report(l->diag, CODE_FUNCTION_INPUT, param->span,
                    "`%s` is a truth value, 0 or 1, and %g is given for it", param->name, number);
    return value_scalar(gx2(l->g, G_NE, gx_int(l->g, number != 0), gx_int(l->g, 0)));
}

static Value argument_of(Lower *l, const Param *param) {
    const FunctionUnit *f = l->function;
    const FunctionInput *input = find_input(f->inputs, f->input_count, param->name);
    Value value = value_scalar(gx_real(l->g, 0));
    if (input && input->is_constant) return given_number(l, param, input->value);
    if (input) return given_array(l, param, input);
    if (param->value)
        value.kind = VALUE_NONE; /* call_function sets the value */
    else
        diag_report(
            l->diag, CODE_FUNCTION_INPUT, param->span,
            "`%s` needs `%s`: give it with --in %s=FILE.npy, or --set %s=VALUE if it is a number",
            f->name, param->name, param->name, param->name);
    return value;
}

static void check_inputs(Lower *l, const Stmt *fn) {
    const FunctionUnit *f = l->function;
    for (int i = 0; i < f->input_count; i++) {
        bool known = f->inputs[i].is_constant;
        for (int p = 0; p < fn->param_count; p++)
            known |= strcmp(fn->params[p].name, f->inputs[i].name) == 0;
        if (!known) unknown_input(l, fn, f->inputs[i].name);
    }
}

/* Makes an array the function's value. There is no gradient of it. */
static void output_array(Lower *l, const Stmt *fn, const Value *array) {
    const GExpr *free[GRAPH_MAX_RANK];
    int free_count = 0;
    GNode *node = lower_materialise(l, array, free, &free_count, fn->name_span);
    assert(free_count == 0); /* outside of a function's body no index is bound */
    graph_output(l->g, "value", node);
    if (!diag_error_count(l->diag)) lower_add_unit(l, UNIT_FUNCTION);
}

/* Makes the function's value the output "value". */
static void output_value(Lower *l, const Stmt *fn, Value result) {
    const FunctionUnit *f = l->function;
    const bool is_array = result.kind == VALUE_ARRAY && value_rank(&result) > 0;
    if (is_array && f->may_give_array && !f->real_count) {
        output_array(l, fn, &result);
        return;
    }
    if (result.kind == VALUE_ARRAY && value_rank(&result) == 0)
        result =
            value_scalar(gx_load(l->g, result.tensor, result.prefix_count, result.prefix, NULL));
    if (result.kind != VALUE_SCALAR) {
        diag_report(
            l->diag, CODE_FUNCTION_INPUT, fn->name_span,
            "`%s` must give one number for its gradient to mean anything; it gives an array",
            l->function->name);
        return;
    }
    graph_output(l->g, "value",
                 lower_scalar_node(l, lower_as_real(l, result.scalar), "value", fn->name_span));
    if (!diag_error_count(l->diag)) lower_add_unit(l, UNIT_FUNCTION);
}

void lower_whole_function(Lower *l) {
    FunctionUnit *f = l->function;
    const Stmt *fn = method_find_function(l->method, f->name);
    l->at = AT_END;
    if (!fn) {
        const Span nowhere = {.source = NULL};
        diag_report(l->diag, CODE_FUNCTION_INPUT, nowhere, "`%s` has no function `%s`",
                    l->method->spec->source->path, f->name);
        suggest_function(l->diag, l->method->spec, f->name);
        return;
    }
    read_hypers(l, l->method->spec, f->inputs, f->input_count);
    check_inputs(l, fn);
    Value *args = arena_array(l->arena, Value, fn->param_count);
    f->reals = arena_array(l->arena, GNode *, fn->param_count);
    f->real_names = arena_array(l->arena, const char *, fn->param_count);
    for (int p = 0; p < fn->param_count; p++)
        args[p] = argument_of(l, &fn->params[p]);
    if (diag_error_count(l->diag)) return;
    output_value(l, fn, call_function(l, fn, l->root, args, fn->param_count, NULL));
}

Lower *lower_begin_function(Arena *arena, Diag *diag, const Method *method, const char *name,
                            const FunctionInput *inputs, int input_count) {
    Lower *l = arena_new_of(arena, Lower);
    l->arena = arena;
    l->diag = diag;
    l->method = method;
    l->g = graph_new(arena, name);
    l->root = arena_new_of(arena, Frame);
    l->frame = frame_new(l, l->root);
    l->site = name;
    l->training = true;
    l->at = AT_FUNCTION;
    l->function = arena_new_of(arena, FunctionUnit);
    *l->function = (FunctionUnit){.name = name, .inputs = inputs, .input_count = input_count};
    return l;
}

void lower_allow_array(Lower *l) {
    l->function->may_give_array = true;
}

/* ---- its gradient ---------------------------------------------------------------------------- */

void function_losses(Lower *l, GraphUnit *unit) {
    const FunctionUnit *f = l->function;
    unit->loss_count = 1;
    unit->losses = arena_new_of(l->arena, UnitLoss);
    *unit->losses = (UnitLoss){.value = unit->graph->outputs.items[0].node,
                               .wanted = f->reals,
                               .count = f->real_count,
                               .gradients = arena_array(l->arena, GNode *, f->real_count + 1)};
}

static GNode *zeros_like(Lower *l, const GNode *like) {
    ComputeSpec spec;
    memset(&spec, 0, sizeof spec);
    spec.out_rank = like->rank;
    for (int a = 0; a < like->rank; a++)
        spec.out[a] = graph_fresh_index(l->g, like->shape[a]);
    spec.value = gx_real(l->g, 0);
    spec.span = like->span;
    return graph_compute(l->g, &spec);
}

void function_gradients(Lower *l, const GraphUnit *unit) {
    const FunctionUnit *f = l->function;
    for (int i = 0; i < f->real_count; i++) {
        GNode *gradient = unit->losses->gradients[i]; /* NULL: no gradient reaches it */
        graph_output(l->g, arena_printf(l->arena, "grad_%s", f->real_names[i]),
                     gradient ? gradient : zeros_like(l, f->reals[i]));
    }
}
