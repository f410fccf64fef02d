/* Evaluation: a graph for each network whose features are asked for, and what to do with them. */
#include "compiler/lower/internal.h"
#include "lang/evals.h"

#include <string.h>

enum { FEATURE_ROWS = 500 };

static int feature_graph(Lower *l, const Expr *features, const DataSource *data, const LowerOptions *options) {
    LoweredProgram *program = l->program;
    begin_graph(l, "features", false);
    Net *net = lower_net(l, features, "");
    if (!net) return -1;
    for (int i = 0; i < program->feature_names.count; i++)
        if (strcmp(program->feature_names.items[i], net->path) == 0) return i;
    int64_t shape[GRAPH_MAX_RANK] = {FEATURE_ROWS, data->channels, data->height, data->width};
    Value image = value_array(graph_input(l->g, "image", GT_U8, 4, shape, features->span));
    Value value = net_apply(l, net, image, features);
    if (value.kind != VALUE_ARRAY || value_rank(&value) != 2) {
        diag_report(l->diag, CODE_EVALUATION, features->span, "features are rows: an array of two axes is needed here");
        diag_suggest(l->diag, "a named part goes up to the next `>>`; one of several layers stands in parentheses: `trunk: (a >> b) >> head: c`");
        return -1;
    }
    const GExpr *free[GRAPH_MAX_FREE];
    int count;
    graph_output(l->g, "features", materialise(l, &value, free, &count, features->span));
    pass_ran(l, l->g, "lower", options);
    run_passes(l, l->g, PASS_after, options);
    array_push(l->arena, &program->features, l->g);
    array_push(l->arena, &program->feature_names, net->path);
    return program->features.count - 1;
}

static const Expr *named_argument(const Expr *call, const char *name) {
    for (int i = 0; i < call->arg_count; i++)
        if (call->arg_names && call->arg_names[i] && strcmp(call->arg_names[i], name) == 0) return call->args[i];
    return NULL;
}

/* As the checker found it, in its range; else what evals.def says. */
static double number_argument(Lower *l, const Expr *call, const char *name) {
    const Expr *given = named_argument(call, name);
    return given ? known_number(l, given) : eval_standard(call->callee->name, name);
}

void lower_eval(Lower *l, const Stmt *s, const LowerOptions *options) {
    for (int i = 0; i < s->target_count; i++) {
        const Expr *call = s->targets[i];
        LoweredEval eval;
        memset(&eval, 0, sizeof eval);
        eval.span = call->span;
        eval.method = call->callee && call->callee->name ? call->callee->name : "";
        eval.k = number_argument(l, call, "k");
        eval.temperature = number_argument(l, call, "temperature");
        eval.decay = number_argument(l, call, "decay");
        const Expr *features = named_argument(call, "features"), *bank = named_argument(call, "bank"), *query = named_argument(call, "query");
        eval.bank = find_source(l, bank->name);
        eval.query = find_source(l, query->name);
        eval.features = feature_graph(l, features, l->program->sources.items[eval.bank].data, options);
        array_push(l->arena, &l->program->evals, eval);
    }
}

