/* Lowers evaluations: a graph for each network whose features are asked for, and the options that
 * tell the runtime what to do with the features. */
#include "compiler/graph/mixing.h"
#include "compiler/graph/visit.h"
#include "compiler/lower/internal.h"
#include "lang/evals.h"

#include <string.h>

enum { FEATURE_ROWS = 500 };

static const Expr *named_argument(const Expr *call, const char *name) {
    for (int i = 0; i < call->arg_count; i++)
        if (call->arg_names && call->arg_names[i] && strcmp(call->arg_names[i], name) == 0)
            return call->args[i];
    return NULL;
}

/* Returns the rows of features: those of a formula of fields, of a network that is given one field,
 * or of a formula of fields for each sample. */
static Value lower_rows(Lower *l, const Expr *call, const DataSource *bank, const char *field) {
    const Expr *features = named_argument(call, "features");
    const Expr *of = named_argument(call, "of");
    if (features->type->kind != KIND_NET) return lower_value(l, features);
    Net *net = lower_net(l, features, "");
    if (!net) return value_none();
    if (of && !eval_is_field(of)) {
        Value samples = lower_recipe(l, bank, of);
        return samples.kind == VALUE_ARRAY ? net_apply(l, net, samples, features) : value_none();
    }
    const char *name = arena_printf(l->arena, "sample.%s", field);
    Value samples = value_array(lower_rows_input(l, arena_intern(l->arena, name, strlen(name)),
                                                 lower_source_field(l, bank, field), FEATURE_ROWS,
                                                 features->span));
    return net_apply(l, net, samples, features);
}

/* Names the features by their network. If a network has features of that name already, the name
 * also says what the later ones are made of. Without a network the name is the formula as it is
 * written. */
static const char *features_name(Lower *l, const Expr *call, const char *field) {
    const Expr *features = named_argument(call, "features");
    const Expr *of = named_argument(call, "of");
    const char *name = span_text(l->arena, features->span);
    int again = 0;
    if (features->type->kind == KIND_NET) {
        const Net *net = lower_net(l, features, "");
        name = net ? net->path : name;
    }
    for (int i = 0; i < l->program->feature_names.count; i++)
        again += strcmp(l->program->feature_names.items[i], name) == 0;
    if (again && features->type->kind == KIND_NET)
        name = arena_printf(l->arena, "%s of %s", name,
                            of && !eval_is_field(of) ? span_text(l->arena, of->span) : field);
    else if (again)
        name = arena_printf(l->arena, "%s, %d", name, again + 1);
    return name;
}

/* Returns the number of earlier features with the same meaning, or -1. */
static int find_features(const LoweredProgram *program, const Graph *g) {
    for (int i = 0; i < program->features.count; i++)
        if (program->features.items[i]->meaning == g->meaning) return i;
    return -1;
}

/* Returns the field of an input such as "sample.number", or NULL if the node is no field of the
 * samples. */
static const char *sample_field(const GNode *n) {
    const size_t length = strlen("sample.");
    return n->kind == GN_INPUT && strncmp(n->name, "sample.", length) == 0 ? n->name + length
                                                                           : NULL;
}

static bool reads_samples(const Graph *g) {
    for (int i = 0; i < g->nodes.count; i++)
        if (sample_field(g->nodes.items[i])) return true;
    return false;
}

static VisitStep find_draw(void *context, const GExpr *e) {
    (void)context;
    return e->op == G_RANDOM ? VISIT_END : VISIT_INSIDE;
}

static bool draws(const Graph *g) {
    for (int i = 0; i < g->nodes.count; i++)
        if (expr_visit_node(g->nodes.items[i], find_draw, NULL)) return true;
    return false;
}

/* Reports features that mix samples. Samples come in groups whose cut means nothing, so a row of
 * several samples would be made of whichever happen to stand beside each other. */
static bool keeps_samples_apart(Lower *l, Span features) {
    const GNode *mixing = graph_mixing(l->g);
    if (!mixing) return true;
    diag_report(l->diag, CODE_EVALUATION, mixing->span,
                "features of a sample are made of this sample alone, and this looks at several");
    diag_note(l->diag, features, "these features are made of it");
    diag_suggest(l->diag, "a mean over all samples is a `state` that `every epoch` renews");
    return false;
}

/* Checks the demands on features beyond their type, where the graph tells whether they hold. */
static bool are_features(Lower *l, const Expr *call, const Value *value) {
    const Expr *features = named_argument(call, "features");
    const Expr *of = named_argument(call, "of");
    const bool formula = features->type->kind != KIND_NET || (of && !eval_is_field(of));
    if (value->kind != VALUE_ARRAY || value_rank(value) != 2) {
        if (diag_error_count(l->diag)) return false;
        diag_report(l->diag, CODE_EVALUATION, features->span,
                    "features are rows, an array of two axes, and these are %s",
                    value_shape_text(l, value));
        diag_suggest(l->diag, "a named part goes up to the next `>>`; one of several layers stands "
                              "in parentheses: `trunk: (a >> b) >> head: c`");
        return false;
    }
    const GExpr *free[GRAPH_MAX_FREE];
    int count;
    graph_output(l->g, "features", lower_materialise(l, value, free, &count, features->span));
    lower_meaning(l->g);
    const Span span = features->type->kind == KIND_NET && of ? of->span : features->span;
    if (formula && draws(l->g))
        diag_report(l->diag, CODE_EVALUATION, span,
                    "features are the same whenever they are made, and this formula draws");
    else if (!reads_samples(l->g))
        diag_report(
            l->diag, CODE_EVALUATION, span,
            "these features are the same for every sample: no field of the data comes through");
    else
        keeps_samples_apart(l, span);
    return !diag_error_count(l->diag);
}

/* Lowers the features of an evaluation. Returns the number of their graph, which may be that of an
 * earlier evaluation, or -1 after a message. */
static int feature_graph(Lower *l, const Expr *call, const DataSource *bank, const char *field) {
    LoweredProgram *program = l->program;
    lower_begin_graph(l, "features", false);
    l->between = l->evaluates = true;
    l->sweep = bank;
    l->sweep_rows = sweep_rows(bank);
    const Value value = lower_rows(l, call, bank, field);
    l->between = l->evaluates = false;
    l->sweep = NULL;
    if (!are_features(l, call, &value)) return -1;
    const int found = find_features(program, l->g);
    if (found >= 0) return found;
    const char *name = features_name(l, call, field);
    lower_add_unit(l, UNIT_FEATURES);
    array_push(l->arena, &program->features, l->g);
    array_push(l->arena, &program->feature_names, name);
    return program->features.count - 1;
}

/* Returns the argument that the checker found, which is in its range; else the default in
 * evals.def. */
static double number_argument(Lower *l, const Expr *call, const char *name) {
    const Expr *given = named_argument(call, name);
    return given ? lower_known_number(l, given) : eval_standard(call->callee->name, name);
}

/* Returns the field that an option names, and notes that it is read of both sources. Returns "" if
 * the option is a formula, or is not needed. */
static const char *field_argument(Lower *l, const Expr *call, const LoweredEval *eval,
                                  const char *option) {
    const Expr *given = named_argument(call, option);
    const Expr *features = named_argument(call, "features");
    const DataSource *bank = l->program->sources.items[eval->bank].data;
    const DataSource *query = l->program->sources.items[eval->query].data;
    const bool is_of = strcmp(option, "of") == 0;
    if (is_of && (features->type->kind != KIND_NET || (given && !eval_is_field(given)))) return "";
    const char *name = given ? given->name : eval_field(bank, option)->name;
    lower_source_field(l, bank, name);
    lower_source_field(l, query, name);
    return name;
}

/* Notes that the fields of which features are made are read of both sources. */
static void note_fields(Lower *l, const LoweredEval *eval) {
    const Graph *g = l->program->features.items[eval->features];
    for (int i = 0; i < g->nodes.count; i++) {
        const char *field = sample_field(g->nodes.items[i]);
        if (!field) continue;
        lower_source_field(l, l->program->sources.items[eval->bank].data, field);
        lower_source_field(l, l->program->sources.items[eval->query].data, field);
    }
}

void lower_eval(Lower *l, const Stmt *s) {
    for (int i = 0; i < s->target_count; i++) {
        const Expr *call = s->targets[i];
        LoweredEval eval;
        memset(&eval, 0, sizeof eval);
        eval.span = call->span;
        eval.method = call->callee && call->callee->name ? call->callee->name : "";
        eval.k = number_argument(l, call, "k");
        eval.temperature = number_argument(l, call, "temperature");
        eval.decay = number_argument(l, call, "decay");
        eval.fraction = number_argument(l, call, "fraction");
        eval.clusters = number_argument(l, call, "clusters");
        eval.ways = number_argument(l, call, "ways");
        eval.shots = number_argument(l, call, "shots");
        eval.episodes = number_argument(l, call, "episodes");
        eval.t = number_argument(l, call, "t");
        eval.epochs = number_argument(l, call, "epochs");
        eval.rate = number_argument(l, call, "rate");
        const Expr *by_class = named_argument(call, "by_class");
        eval.by_class = by_class && by_class->boolean;
        eval.every = s->value ? (int64_t)s->value->number : 0;
        eval.of_steps = s->of_steps;
        const Expr *bank = named_argument(call, "bank");
        const Expr *query = named_argument(call, "query");
        eval.bank = lower_find_source(l, bank->name);
        eval.query = lower_find_source(l, query->name);
        eval.labels =
            eval_has_option(eval.method, "labels") ? field_argument(l, call, &eval, "labels") : "";
        const char *of = field_argument(l, call, &eval, "of");
        eval.of = of;
        if (*of) eval.network = named_argument(call, "features");
        eval.features = feature_graph(l, call, l->program->sources.items[eval.bank].data, of);
        if (eval.features >= 0) note_fields(l, &eval);
        array_push(l->arena, &l->program->evals, eval);
    }
}
