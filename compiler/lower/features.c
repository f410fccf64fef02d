/* Evaluation: a graph for each network whose features are asked for, and what to do with them. */
#include "compiler/lower/internal.h"
#include "lang/evals.h"

#include <string.h>

enum { FEATURE_ROWS = 500 };

static bool is_same(const DataField *a, const DataField *b) {
    if (strcmp(a->name, b->name) != 0 || a->type != b->type || a->rank != b->rank) return false;
    return memcmp(a->shape, b->shape, sizeof *a->shape * (size_t)a->rank) == 0;
}

/* The graph of features with this name, of such a field; -1: there is none. */
static int find_features(const LoweredProgram *program, const char *name, const DataField *field) {
    for (int i = 0; i < program->features.count; i++)
        if (strcmp(program->feature_names.items[i], name) == 0 && is_same(program->feature_fields.items[i], field)) return i;
    return -1;
}

/* Networks are told apart by their paths; where one is applied to several fields, the later ones have the field in their name. */
static const char *features_name(Lower *l, const char *path, const char *of) {
    for (int i = 0; i < l->program->feature_names.count; i++)
        if (strcmp(l->program->feature_names.items[i], path) == 0) return arena_printf(l->arena, "%s of %s", path, of);
    return path;
}

static int feature_graph(Lower *l, const Expr *features, const DataSource *data, const char *of, const LowerOptions *options) {
    LoweredProgram *program = l->program;
    begin_graph(l, "features", false);
    Net *net = lower_net(l, features, "");
    const DataField *field = source_field(l, data, of);
    if (!net || !field) return -1;
    int found = find_features(program, net->path, field);
    if (found < 0) found = find_features(program, arena_printf(l->arena, "%s of %s", net->path, of), field);
    if (found >= 0) return found;
    Value samples = value_array(rows_input(l, of, field, FEATURE_ROWS, features->span));
    Value value = net_apply(l, net, samples, features);
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
    const char *name = features_name(l, net->path, of);
    array_push(l->arena, &program->feature_names, name);
    array_push(l->arena, &program->feature_fields, field);
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

/* The field that an option names, noted as one that is read of both sources. */
static const char *field_argument(Lower *l, const Expr *call, const LoweredEval *eval, const char *option) {
    const Expr *given = named_argument(call, option);
    const DataSource *bank = l->program->sources.items[eval->bank].data, *query = l->program->sources.items[eval->query].data;
    const char *name = given ? given->name : eval_field(bank, option)->name;
    source_field(l, bank, name);
    source_field(l, query, name);
    return name;
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
        eval.of = field_argument(l, call, &eval, "of");
        eval.labels = field_argument(l, call, &eval, "labels");
        eval.features = feature_graph(l, features, l->program->sources.items[eval.bank].data, eval.of, options);
        array_push(l->arena, &l->program->evals, eval);
    }
}

