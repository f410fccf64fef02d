/* One function of the language on given arrays, with the gradient of its value: what `couplet grad` and the differential tests run. */
#include "compiler/lower/internal.h"
#include "compiler/passes/passes.h"

#include <stdlib.h>
#include <string.h>

static const Stmt *function_of(const Module *module, const char *name) {
    for (int i = 0; i < module->stmt_count; i++)
        if (module->stmts[i]->kind == STMT_FN && strcmp(module->stmts[i]->name, name) == 0) return module->stmts[i];
    return NULL;
}

const Stmt *find_function(const Method *method, const char *name) {
    const char *dot = strchr(name, '.');
    if (!dot) return function_of(method->spec, name);
    size_t length = (size_t)(dot - name);
    for (int i = 0; i < method->module_count; i++) {
        const Module *module = method->modules[i];
        if (module != method->spec && strlen(module->name) == length && strncmp(module->name, name, length) == 0) return function_of(module, dot + 1);
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
    for (int i = 0; i < fn->param_count; i++) names[i] = fn->params[i].name;
    diag_report(l->diag, CODE_FUNCTION_INPUT, fn->name_span, "`%s` has no parameter `%s`", fn->name, name);
    const char *near = diag_nearest(name, names, fn->param_count);
    if (near) diag_suggest(l->diag, "did you mean `%s`?", near);
}

static void read_hypers(Lower *l, const Module *spec, const FunctionInput *inputs, int count) {
    for (int i = 0; i < spec->stmt_count; i++) {
        const Stmt *s = spec->stmts[i];
        for (int p = 0; s->kind == STMT_HYPER && p < s->param_count; p++) {
            double value = 0;
            const FunctionInput *set = find_input(inputs, count, s->params[p].name);
            if (set && set->is_constant) value = set->value;
            else if (!lower_static(l, s->params[p].value, &value)) continue;
            const Param *hyper = &s->params[p];
            double holds;
            frame_set(l, l->root, hyper->symbol, value_static(l, value, hyper->value->is_integer));
            if (hyper->guard && lower_static(l, hyper->guard, &holds) && holds == 0)
                diag_report(l->diag, CODE_HYPER, hyper->guard->span, "the hyper `%s` is %g, which is out of the range written here",
                            hyper->name, value);
        }
    }
}

Graph *lower_function(Arena *arena, Diag *diag, const Method *method, const char *name, const FunctionInput *inputs, int input_count,
                      const LowerOptions *options) {
    Lower *l = arena_new_of(arena, Lower);
    l->arena = arena;
    l->diag = diag;
    l->method = method;
    l->g = graph_new(arena, name);
    l->root = arena_new_of(arena, Frame);
    l->frame = frame_new(l, l->root);
    l->site = name;
    l->training = true;
    const Stmt *fn = find_function(method, name);
    if (!fn) {
        const Span nowhere = {.source = NULL};
        diag_report(diag, CODE_FUNCTION_INPUT, nowhere, "`%s` has no function `%s`", method->spec->source->path, name);
        suggest_function(diag, method->spec, name);
        return NULL;
    }
    read_hypers(l, method->spec, inputs, input_count);
    Value *args = arena_array(arena, Value, fn->param_count);
    GNode **wrt = arena_array(arena, GNode *, fn->param_count), **grads = arena_array(arena, GNode *, fn->param_count);
    const char **wrt_names = arena_array(arena, const char *, fn->param_count);
    int wrt_count = 0;
    for (int i = 0; i < input_count; i++) {
        bool known = false;
        for (int p = 0; p < fn->param_count; p++) known |= strcmp(fn->params[p].name, inputs[i].name) == 0;
        if (!known && !inputs[i].is_constant) unknown_input(l, fn, inputs[i].name);
    }
    for (int p = 0; p < fn->param_count; p++) {
        const Param *param = &fn->params[p];
        const FunctionInput *input = find_input(inputs, input_count, param->name);
        args[p] = value_scalar(gx_real(l->g, 0));
        if (!input && param->value) {
            args[p].kind = VALUE_NONE; /* call_function makes it */
        } else if (!input) {
            diag_report(diag, CODE_FUNCTION_INPUT, param->span, "`%s` needs `%s`: give it with --in %s=FILE.npy, or --set %s=VALUE if it is a number", name, param->name,
                       param->name, param->name);
        } else if (input->is_constant) {
            args[p] = value_static(l, input->value, param->type && param->type->kind == KIND_INT);
        } else {
            bool wants_real = !param->type || param->type->kind == KIND_REAL;
            GNode *node = graph_input(l->g, input->name, input->type, input->rank, input->shape, param->span);
            node->holds_infinity = input->holds_infinity;
            args[p] = input->rank ? value_array(node) : value_scalar(gx_load(l->g, node, 0, NULL, NULL));
            bool truth = param->type && param->type->kind == KIND_BOOL;
            if (truth && input->type == GT_INT && input->rank) {
                /* masks come as 0 and 1 */
                const GExpr *axes[GRAPH_MAX_RANK];
                for (int a = 0; a < input->rank; a++) axes[a] = graph_fresh_index(l->g, input->shape[a]);
                args[p] = array_from(l, gx2(l->g, G_NE, gx_load(l->g, node, input->rank, axes, NULL), gx_int(l->g, 0)), axes, input->rank, NULL, param->span);
            }
            if (wants_real && input->type != GT_REAL)
                diag_report(diag, CODE_FUNCTION_INPUT, param->span, "`%s` is a real array, and the file given for it holds integers", param->name);
            if (!wants_real && input->type == GT_REAL)
                diag_report(diag, CODE_FUNCTION_INPUT, param->span, "`%s` holds integers or truth values, and the file given for it holds reals", param->name);
            if (input->type == GT_REAL && !input->no_gradient) {
                wrt_names[wrt_count] = input->name;
                wrt[wrt_count++] = node;
            }
        }
    }
    if (diag_error_count(diag)) return NULL;
    Value result = call_function(l, fn, l->root, args, fn->param_count, NULL);
    if (result.kind == VALUE_ARRAY && value_rank(&result) == 0)
        result = value_scalar(gx_load(l->g, result.tensor, result.prefix_count, result.prefix, NULL));
    if (result.kind != VALUE_SCALAR) {
        diag_report(diag, CODE_FUNCTION_INPUT, fn->name_span, "`%s` must give one number for its gradient to mean anything; it gives an array", name);
        return NULL;
    }
    ComputeSpec spec;
    memset(&spec, 0, sizeof spec);
    spec.value = as_real(l, result.scalar);
    spec.name = "value";
    spec.span = fn->name_span;
    GNode *value = graph_compute(l->g, &spec);
    graph_output(l->g, "value", value);
    if (diag_error_count(diag)) return NULL;
    pass_ran(l, l->g, "lower", options);
    run_passes(l, l->g, PASS_before, options);
    value = l->g->outputs.items[0].node;
    if (wrt_count) pass_differentiate(l->g, value, wrt, wrt_count, grads);
    for (int i = 0; i < wrt_count; i++) {
        GNode *grad = grads[i];
        if (!grad) { /* nothing flows back: zeros of its shape */
            memset(&spec, 0, sizeof spec);
            spec.out_rank = wrt[i]->rank;
            for (int a = 0; a < wrt[i]->rank; a++) spec.out[a] = graph_fresh_index(l->g, wrt[i]->shape[a]);
            spec.value = gx_real(l->g, 0);
            spec.span = wrt[i]->span;
            grad = graph_compute(l->g, &spec);
        }
        graph_output(l->g, arena_printf(arena, "grad_%s", wrt_names[i]), grad);
    }
    pass_ran(l, l->g, "differentiate", options);
    run_passes(l, l->g, PASS_after, options);
    return diag_error_count(diag) ? NULL : l->g;
}
