/* The method: its statements in order, then the step's tail in the order that the language promises: loss, backward, optimiser,
 * updates, ema edges, queue pushes. All right sides are complete before any state is renewed, because they are nodes of one graph
 * and the renewals are its commits. */
#include "compiler/lower/internal.h"
#include "compiler/passes/passes.h"

#include <assert.h>
#include <math.h>
#include <string.h>

static Frame *method_frame(Lower *l) {
    /* Hypers and networks live in the root; what belongs to one graph lives in a frame above it. */
    Frame *frame = frame_new(l, l->root);
    return frame;
}

void begin_graph(Lower *l, const char *name, bool training) {
    l->g = graph_new(l->arena, name);
    l->training = training;
    l->current.count = 0;
    l->condition = l->draw_element = l->sample = NULL;
    l->site = "";
    l->site_count = 0;
    l->view_images = 0;
    l->frame = method_frame(l);
}

const Expr *find_setting(const Stmt *block, const char *name) {
    for (int i = 0; block && i < block->param_count; i++)
        if (strcmp(block->params[i].name, name) == 0) return block->params[i].value;
    return NULL;
}

/* ---- statements of the method ------------------------------------------------------------------------ */

static void declare_hypers(Lower *l, const Stmt *s) {
    for (int i = 0; i < s->param_count; i++) {
        const Param *param = &s->params[i];
        double value;
        if (!param->value || !lower_static(l, param->value, &value)) {
            diag_report(l->diag, CODE_HYPER, param->span, "the hyper `%s` needs a number known at compile time", param->name);
            continue;
        }
        bool integer = param->value->type ? param->value->type->kind == KIND_INT : param->value->is_integer;
        LoweredHyper hyper = {param->name, value, integer, false};
        array_push(l->arena, &l->program->hypers, hyper);
        frame_set(l, l->root, param->symbol, value_static(l, value, integer));
        double holds = 1;
        if (param->guard && lower_static(l, param->guard, &holds) && holds == 0)
            diag_report(l->diag, CODE_HYPER, param->guard->span, "the hyper `%s` is %g, which is out of the range written here", param->name, value);
    }
    /* Reading its own range does not make a hyper static. */
    for (int i = 0; i < l->program->hypers.count; i++) l->program->hypers.items[i].is_static = false;
}

static void declare_net(Lower *l, const Stmt *s) {
    if (s->has_config) return; /* a definition */
    Value value = value_none();
    value.kind = VALUE_NET;
    value.net = lower_net(l, s->value, s->name);
    if (value.net) frame_set(l, l->root, s->symbol, value);
}

static GNode *scalar_node(Lower *l, const GExpr *value, const char *name, Span span) {
    ComputeSpec spec;
    memset(&spec, 0, sizeof spec);
    spec.value = value;
    spec.name = name;
    spec.span = span;
    return graph_compute(l->g, &spec);
}

/* Statements whose meaning is a value of this step. */
static void lower_statements(Lower *l, const Module *spec, const GExpr **loss, Span *loss_span) {
    for (int i = 0; i < spec->stmt_count; i++) {
        const Stmt *s = spec->stmts[i];
        switch (s->kind) {
        case STMT_VIEW: lower_view(l, s); break;
        case STMT_LET:
            lower_let(l, s);
            if (!l->embedding && s->value) {
                const Value *value = frame_find(l->frame, s->symbol);
                bool rows = value && value->kind == VALUE_ARRAY && value_rank(value) == 2 && value->prefix_count == 0;
                if (rows && value->tensor->type == GT_REAL && value->tensor->shape[0] == l->program->batch) l->embedding = value->tensor;
            }
            break;
        case STMT_QUEUE: declare_queue(l, s); break;
        case STMT_PARAM: declare_method_state(l, s, ROLE_PARAM); break;
        case STMT_STATE: declare_method_state(l, s, ROLE_STATE); break;
        case STMT_DRAW: lower_draw(l, s); break;
        case STMT_SCAN: lower_scan(l, s); break;
        case STMT_LOSS: {
            if (s->target_count) diag_report(l->diag, CODE_NOT_BUILT, s->span, "`trains` is not built yet: a loss trains every parameter it reaches");
            const GExpr *value = as_real(l, lower_scalar(l, s->value));
            *loss = *loss ? gx2(l->g, G_ADD, *loss, value) : value;
            *loss_span = s->span;
            break;
        }
        default: break;
        }
    }
}

static void report(Lower *l, const char *wrong) {
    Span nowhere = l->method->spec->stmt_count ? l->method->spec->stmts[0]->span : (Span){0};
    if (wrong) diag_report(l->diag, CODE_SYNTAX, nowhere, "%s", wrong);
}

void run_passes(Lower *l, Graph *g, PassStage stage, const LowerOptions *options) {
    if (diag_error_count(l->diag)) return;
    report(l, passes_run(g, stage, options ? options->after : NULL, options ? options->context : NULL));
}

void pass_ran(Lower *l, Graph *g, const char *pass, const LowerOptions *options) {
    report(l, pass_done(g, pass, options ? options->after : NULL, options ? options->context : NULL));
}

static void lower_train(Lower *l, const Module *spec, const Stmt *train, const LowerOptions *options) {
    begin_graph(l, "train", true);
    const GExpr *loss = NULL;
    Span span = train ? train->span : (Span){0};
    lower_statements(l, spec, &loss, &span);
    if (!loss) {
        diag_report(l->diag, CODE_TRAIN_OR_LOSS, span, "the method has no `loss`");
        return;
    }
    GNode *loss_node = scalar_node(l, loss, "loss", span);
    graph_output(l->g, "loss", loss_node);
    if (l->embedding) graph_output(l->g, "embedding", l->embedding);
    if (diag_error_count(l->diag)) return;
    pass_ran(l, l->g, "lower", options);
    run_passes(l, l->g, PASS_before, options);
    loss_node = l->g->outputs.items[0].node;
    Renewed renewed;
    backward(l, loss_node, train, &renewed);
    optimise(l, train, &renewed);
    pass_ran(l, l->g, "differentiate", options);
    lower_updates(l, spec);
    for (int i = 0; i < spec->stmt_count; i++)
        if (spec->stmts[i]->kind == STMT_EMA) lower_ema(l, spec->stmts[i], renewed.renewed, renewed.record_of, renewed.count);
    for (int i = 0; i < l->current.count; i++) commit_state(l, state_node(l, l->current.items[i].name), l->current.items[i].now);
    for (int i = 0; i < spec->stmt_count; i++)
        if (spec->stmts[i]->kind == STMT_QUEUE) push_queues(l, spec->stmts[i]);
    run_passes(l, l->g, PASS_after, options);
    l->program->train = l->g;
    l->program->views = l->view_images;
    if (l->program->train_source < 0) diag_report(l->diag, CODE_VIEW, span, "the method draws from no data: it has no `view` and reads no field of a data set");
}

/* ---- the whole ------------------------------------------------------------------------------------------ */

LoweredProgram *lower_method(Arena *arena, Diag *diag, const Method *method, const LowerOptions *options) {
    Lower *l = arena_new_of(arena, Lower);
    l->arena = arena;
    l->diag = diag;
    l->method = method;
    l->program = arena_new_of(arena, LoweredProgram);
    l->root = arena_new_of(arena, Frame);
    const Module *spec = method->spec;
    const Stmt *train = NULL;
    begin_graph(l, "declarations", true);
    l->frame = l->root;
    for (int i = 0; i < spec->stmt_count; i++) {
        const Stmt *s = spec->stmts[i];
        if (s->kind == STMT_HYPER) declare_hypers(l, s);
        if (s->kind == STMT_DATA) declare_source(l, s);
        if (s->kind == STMT_TRAIN) train = s;
    }
    double batch = 256, epochs = 1;
    if (find_setting(train, "batch")) lower_static(l, find_setting(train, "batch"), &batch);
    if (find_setting(train, "epochs")) lower_static(l, find_setting(train, "epochs"), &epochs);
    l->program->batch = (int64_t)batch;
    l->program->epochs = epochs;
    l->program->train_source = -1;
    if (batch < 1 || epochs <= 0) diag_report(diag, CODE_TRAIN_SETTING, train->span, "batch and epochs are positive numbers");
    for (int i = 0; i < spec->stmt_count; i++)
        if (spec->stmts[i]->kind == STMT_NET) declare_net(l, spec->stmts[i]);
    if (diag_error_count(diag)) return NULL;
    lower_train(l, spec, train, options);
    for (int i = 0; i < spec->stmt_count && !diag_error_count(diag); i++)
        if (spec->stmts[i]->kind == STMT_EVAL) lower_eval(l, spec->stmts[i], options);
    if (diag_error_count(diag)) return NULL;
    begin_graph(l, "init", true);
    lower_starts(l);
    if (diag_error_count(diag)) return NULL;
    pass_ran(l, l->g, "lower", options);
    run_passes(l, l->g, PASS_after, options);
    l->program->init = l->g;
    for (int i = 0; i < l->records.count; i++) array_push(arena, &l->program->states, l->records.items[i].state);
    return diag_error_count(diag) ? NULL : l->program;
}
