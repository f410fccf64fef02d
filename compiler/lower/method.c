/* Lowers a method: its statements in order, then the end of the step in the order that the language
 * promises: loss, gradients, optimiser, updates, ema edges, queue pushes.
 *
 * A renewal is a commit of the graph, and the runtime does all commits together behind the step. So
 * every right side sees the states as they were before the step. */
#include "compiler/lower/internal.h"
#include "runtime/range.h"

#include <assert.h>
#include <math.h>
#include <string.h>

static Frame *method_frame(Lower *l) {
    /* Hypers and networks live in the root frame. What belongs to one graph lives in a frame above
     * it. */
    Frame *frame = frame_new(l, l->root);
    return frame;
}

void lower_begin_graph(Lower *l, const char *name, bool training) {
    l->g = graph_new(l->arena, name);
    l->training = training;
    l->current.count = l->renewed.count = l->applied.count = 0;
    l->embedding = l->encoded = NULL;
    l->named_losses.count = l->given.count = 0;
    l->finishing = l->between = false;
    l->condition = l->draw_element = l->sample = NULL;
    l->site = "";
    l->site_count = 0;
    l->view_images = 0;
    l->frame = method_frame(l);
}

const Expr *lower_find_setting(const Stmt *block, const char *name) {
    for (int i = 0; block && i < block->param_count; i++)
        if (strcmp(block->params[i].name, name) == 0) return block->params[i].value;
    return NULL;
}

/* ---- statements of the method ---------------------------------------------------------------- */

/* Checks the range of the hyper that was declared last. The range may name earlier hypers. */
static void check_range(Lower *l, const Param *param, LoweredHyper *hyper) {
    const Span span = param->guard->span;
    const int count = l->program->hypers.count;
    hyper->range = lower_range(l, param->guard);
    if (!hyper->range) {
        diag_report(l->diag, CODE_HYPER, span,
                    "the range of the hyper `%s` must be known before a run: it may name numbers, "
                    "this hyper and those before it",
                    param->name);
        return;
    }
    hyper->range_text = span_text(l->arena, span);
    CoupletHyper *hypers = arena_array(l->arena, CoupletHyper, count);
    for (int i = 0; i < count; i++)
        hypers[i] = (CoupletHyper){.name = l->program->hypers.items[i].name,
                                   .value = l->program->hypers.items[i].value};
    if (!couplet_range_holds(hyper->range, hypers, count))
        diag_report(l->diag, CODE_HYPER, span,
                    "the hyper `%s` is %g, which is out of the range written here", param->name,
                    hyper->value);
}

/* Declares hypers with their values as set, and checks their ranges. */
static void declare_hypers(Lower *l, const Stmt *s) {
    for (int i = 0; i < s->param_count; i++) {
        const Param *param = &s->params[i];
        double value;
        if (!param->value || !lower_static(l, param->value, &value)) {
            diag_report(l->diag, CODE_HYPER, param->span,
                        "the hyper `%s` needs a number known at compile time", param->name);
            continue;
        }
        const bool truth = param->value->type && param->value->type->kind == KIND_BOOL;
        bool integer =
            param->value->type ? param->value->type->kind == KIND_INT : param->value->is_integer;
        if (integer && fabs(value) > INT32_MAX)
            diag_report(l->diag, CODE_HYPER, param->value->span,
                        "the hyper `%s` is %.0f, and whole numbers have 32 bits in a run: up to %d",
                        param->name, value, INT32_MAX);
        const LoweredHyper hyper = {
            .name = param->name, .value = value, .is_integer = integer, .is_truth = truth};
        array_push(l->arena, &l->program->hypers, hyper);
        frame_set(l, l->root, param->symbol,
                  truth ? value_scalar(gx_bool(l->g, value != 0))
                        : value_static(l, value, integer));
        if (param->guard)
            check_range(l, param, &l->program->hypers.items[l->program->hypers.count - 1]);
    }
    /* Lowering the ranges has marked hypers as static. A range alone does not make them so. */
    for (int i = 0; i < l->program->hypers.count; i++)
        l->program->hypers.items[i].is_static = false;
}

static void declare_net(Lower *l, const Stmt *s) {
    if (s->has_config) return; /* a definition is no value */
    Value value = value_none();
    value.kind = VALUE_NET;
    value.net = lower_net(l, s->value, s->name);
    if (value.net) frame_set(l, l->root, s->symbol, value);
}

GNode *lower_scalar_node(Lower *l, const GExpr *value, const char *name, Span span) {
    ComputeSpec spec;
    memset(&spec, 0, sizeof spec);
    spec.value = value;
    spec.name = name;
    spec.span = span;
    return graph_compute(l->g, &spec);
}

enum { MOST_LOSSES = 16 };

bool lower_is_embedding(const Lower *l, const Value *value) {
    if (value->kind != VALUE_ARRAY || value->prefix_count || value->tensor->type != GT_REAL)
        return false;
    int rank = value_rank(value);
    return (rank == 2 || rank == 3) && value->tensor->shape[rank - 2] == l->batch;
}

/* Notes the first rows that have a name. They are watched for collapse. */
static void take_embedding(Lower *l, const Stmt *let) {
    const Value *value = l->embedding || !let->value ? NULL : frame_find(l->frame, let->symbol);
    if (value && lower_is_embedding(l, value)) {
        l->embedding = value->tensor;
    }
}

static int count_losses(const Lower *l) {
    int count = 0;
    for (int i = 0; i < l->statements.count; i++)
        count += l->statements.items[i]->kind == STMT_LOSS;
    return count;
}

/* Returns the name of a loss in the log, or NULL if it has no column. If there are several losses,
 * those that train parts always have a column. Their sum may say nothing, as for two players who
 * play against each other, where it is 0. */
static const char *loss_name(Lower *l, const Stmt *s) {
    if (s->name || !s->target_count || count_losses(l) < 2) return s->name;
    const char *name = "loss";
    for (int i = 0; i < s->target_count; i++) {
        const Span span = s->targets[i]->span;
        name = arena_printf(l->arena, "%s_%.*s", name, span.end - span.begin,
                            span.source->text + span.begin);
    }
    return name;
}

/* Gives the loss a column. Returns its value as the total reads it. */
static const GExpr *name_loss(Lower *l, const Stmt *s, const char *name, const GExpr *value) {
    for (int i = 0; i < l->named_losses.count; i++) {
        if (strcmp(l->named_losses.items[i].name, name) != 0) continue;
        diag_report(l->diag, CODE_LOSS_NAME, s->span, "two losses of a step have one column, `%s`",
                    name);
        diag_note(l->diag, l->named_losses.items[i].span, "the first one is here");
        diag_suggest(l->diag, "`loss NAME: ..` gives this one a name of its own");
        return value;
    }
    const NamedNode named = {name, lower_scalar_node(l, value, name, s->span), s->span};
    array_push(l->arena, &l->named_losses, named);
    return gx_load(l->g, named.node, 0, NULL, NULL);
}

static void show_losses(Lower *l) {
    for (int i = 0; i < l->named_losses.count; i++) {
        const NamedNode *named = &l->named_losses.items[i];
        graph_output(l->g, arena_printf(l->arena, "loss %s", named->name), named->node);
        bool known = false;
        for (int k = 0; k < l->program->losses.count; k++)
            known |= strcmp(l->program->losses.items[k], named->name) == 0;
        if (!known) {
            array_push(l->arena, &l->program->losses, named->name);
        }
    }
}

/* Adds a loss to its group. Losses that train everything are one group, and each `loss .. trains
 * PARTS` is a group of its own. */
static void add_loss(Lower *l, const Stmt *s) {
    const GExpr *value = lower_as_real(l, lower_scalar(l, s->value));
    const char *name = loss_name(l, s);
    if (name) value = name_loss(l, s, name, value);
    int at = 0;
    while (at < l->terms.count && (s->target_count || l->terms.items[at].trains))
        at++;
    if (at == MOST_LOSSES) {
        diag_report(l->diag, CODE_PART, s->span,
                    "a method has at most %d losses with parts of their own", MOST_LOSSES - 1);
        return;
    }
    const LossTerm empty = {NULL, s->target_count ? s : NULL, s->span};
    if (at == l->terms.count) array_push(l->arena, &l->terms, empty);
    LossTerm *term = &l->terms.items[at];
    term->sum = term->sum ? gx2(l->g, G_ADD, term->sum, value) : value;
    term->span = s->span;
}

/* Lowers a statement whose value belongs to this step. All other statements are lowered where they
 * belong: updates behind the gradient, evaluations and actions in graphs of their own. */
static void lower_statement(Lower *l, const Stmt *s) {
    if (s->kind == STMT_VIEW)
        lower_view(l, s);
    else if (s->kind == STMT_QUEUE)
        lower_declare_queue(l, s);
    else if (s->kind == STMT_PARAM)
        state_declare_of_method(l, s, ROLE_PARAM);
    else if (s->kind == STMT_BANK || s->kind == STMT_STATE)
        state_declare_of_method(l, s, ROLE_STATE);
    else if (s->kind == STMT_DRAW)
        lower_draw(l, s);
    else if (s->kind == STMT_SCAN)
        lower_scan(l, s);
    else if (s->kind == STMT_LOSS)
        add_loss(l, s);
    else if (s->kind == STMT_GIVE)
        lower_give(l, s);
    if (s->kind != STMT_LET) return;
    lower_let(l, s);
    take_embedding(l, s);
}

static void lower_statements(Lower *l) {
    l->terms.count = 0;
    for (int i = 0; i < l->statements.count; i++) {
        lower_statement(l, l->statements.items[i]);
    }
}

/* Makes the loss an output. If it has several terms, each is an output too until it is
 * differentiated, since an output follows what passes make of a node. */
static void output_losses(Lower *l) {
    Graph *g = l->g;
    const GExpr *total = NULL;
    const int count = l->terms.count;
    for (int i = 0; i < count; i++) {
        const LossTerm *term = &l->terms.items[i];
        const GExpr *part = term->sum;
        if (count > 1)
            part = gx_load(g, lower_scalar_node(l, term->sum, "part of the loss", term->span), 0,
                           NULL, NULL);
        total = total ? gx2(g, G_ADD, total, part) : part;
    }
    GNode *loss = lower_scalar_node(l, total, "loss", l->terms.items[count - 1].span);
    lower_note_loss_formulas(l, loss);
    graph_output(g, "loss", loss);
    GNode *embedding = l->embedding ? l->embedding : l->encoded;
    if (embedding) graph_output(g, "embedding", embedding);
    show_losses(l);
    lower_show_given(l);
    l->loss_outputs = g->outputs.count;
    for (int i = 0; i < count && count > 1; i++) {
        const LossTerm *term = &l->terms.items[i];
        graph_output(g, "part", lower_scalar_node(l, term->sum, "part of the loss", term->span));
    }
}

static void step_losses(Lower *l, GraphUnit *unit) {
    Graph *g = unit->graph;
    const int count = l->terms.count;
    GNode **values = arena_array(l->arena, GNode *, count);
    for (int i = 0; i < count; i++)
        values[i] = g->outputs.items[count > 1 ? l->loss_outputs + i : 0].node;
    g->outputs.count = l->loss_outputs;
    lower_find_losses(l, unit, l->terms.items, values, count, l->settings);
}

void lower_losses(Lower *l, GraphUnit *unit) {
    if (unit->kind == UNIT_FUNCTION) function_losses(l, unit);
    if (unit->kind == UNIT_STEP) step_losses(l, unit);
    if (unit->kind == UNIT_FINETUNE) lower_finetune_loss(unit);
}

void lower_meaning(Graph *g) {
    graph_prune(g);
    g->meaning = graph_hash(g);
}

static void each_statement(Lower *l, StmtKind kind, void (*lower)(Lower *l, const Stmt *s)) {
    for (int i = 0; i < l->statements.count; i++)
        if (l->statements.items[i]->kind == kind) lower(l, l->statements.items[i]);
}

void lower_optimisers(Lower *l, GraphUnit *unit) {
    if (unit->kind == UNIT_FUNCTION) function_gradients(l, unit);
    if (unit->kind == UNIT_FINETUNE) lower_finetune_updates(l, unit);
    if (unit->kind != UNIT_STEP) return;
    lower_add_gradients(l, unit, l->settings);
    optimise(l, l->settings);
}

/* Lowers the updates at the end of a step, in the order that the language promises. */
void lower_updates(Lower *l, GraphUnit *unit) {
    if (unit->kind != UNIT_STEP) return;
    l->finishing = true;
    lower_refuse_second_updates(l);
    lower_update_parameters(l);
    each_statement(l, STMT_EMA, lower_ema);
    lower_update_states(l);
    for (int i = 0; i < l->current.count; i++)
        state_commit(l, state_node(l, l->current.items[i].name), l->current.items[i].now);
    each_statement(l, STMT_QUEUE, lower_push_queues);
}

static void miss_loss(Lower *l, const LoweredPhase *phase) {
    const bool has_phases = l->program->phases.count > 1;
    diag_report(l->diag, CODE_TRAIN_OR_LOSS, l->settings ? l->settings->span : (Span){0},
                "the method has no `loss`%s", has_phases ? " in one of its phases" : "");
    if (has_phases)
        diag_suggest(l->diag, "the phase from epoch %lld, step %lld has none",
                     (long long)phase->from_epoch, (long long)phase->from_step);
}

static void lower_phase(Lower *l, LoweredPhase *phase) {
    lower_begin_graph(l, "train", true);
    lower_enter_phase(l, phase);
    lower_statements(l);
    if (!l->only_views && !l->terms.count && !diag_error_count(l->diag)) miss_loss(l, phase);
    if (diag_error_count(l->diag)) return;
    if (l->only_views)
        each_statement(l, STMT_VIEW, lower_show_view);
    else
        output_losses(l);
    phase->train = l->g;
    lower_add_unit(l, l->only_views ? UNIT_VIEWS : UNIT_STEP);
}

/* Finds the length of an epoch: once through the data or, if no step reads any, a number of
 * steps. */
static void read_epoch(Lower *l, const Stmt *train, int source, int64_t *epoch_steps) {
    const Expr *steps = lower_find_setting(train, "steps");
    if (source < 0 && steps)
        *epoch_steps = (int64_t)lower_known_number(l, steps);
    else if (source < 0) {
        diag_report(l->diag, CODE_TRAIN_SETTING, train->span,
                    "no step reads data, by a `view` or a field, so that nothing says how long an "
                    "epoch is");
        diag_suggest(l->diag, "`steps 100` in `train`: an epoch is so many steps");
    } else if (steps)
        diag_report(
            l->diag, CODE_TRAIN_SETTING, steps->span,
            "an epoch is once through `%s`; `steps` is for a method whose steps read no data",
            l->program->sources.items[source].name);
}

static const Stmt *stage_of(const Lower *l, int number) {
    const Module *spec = l->method->spec;
    for (int i = 0; i < spec->stmt_count; i++)
        if (spec->stmts[i]->kind == STMT_STAGE && number-- == 0) return spec->stmts[i];
    return NULL;
}

static void find_stages(Lower *l) {
    const Stmt *s;
    for (int i = 0; (s = stage_of(l, i)); i++) {
        const LoweredStage stage = {.name = s->name,
                                    .epochs =
                                        lower_known_number(l, lower_find_setting(s, "epochs")),
                                    .batch = s->batch,
                                    .train_source = -1};
        array_push(l->arena, &l->program->stages, stage);
        if (i == 0) l->program->epochs = 0;
        l->program->epochs += stage.epochs;
    }
}

/* True if a setting of `train` holds in a stage too. If both have the setting, the stage's holds;
 * but a part that either freezes is frozen. */
static bool holds_in(const Stmt *stage, const Param *p) {
    return strcmp(p->name, "freeze") == 0 || !lower_find_setting(stage, p->name);
}

/* Returns the settings of a phase: those of its stage, and those of `train`. */
static const Stmt *phase_settings(Lower *l, const Stmt *train, const LoweredPhase *phase) {
    const Stmt *stage = stage_of(l, phase->stage);
    if (!stage) return train;
    Stmt *both = arena_new_of(l->arena, Stmt);
    ARRAY(Param) params = {0};
    for (int i = 0; i < stage->param_count; i++)
        array_push(l->arena, &params, stage->params[i]);
    for (int i = 0; train && i < train->param_count; i++)
        if (holds_in(stage, &train->params[i])) array_push(l->arena, &params, train->params[i]);
    *both = *stage;
    both->params = params.items;
    both->param_count = params.count;
    return both;
}

/* Begins a phase with the batch of its stage and, if the stage begins too, with what its steps draw
 * from first. */
static void enter_stage(Lower *l, const LoweredPhase *phase, bool begins) {
    const LoweredStage *stage =
        l->program->stages.count ? &l->program->stages.items[phase->stage] : NULL;
    l->batch = stage && stage->batch ? stage->batch : l->program->batch;
    if (begins) l->drawn_first = -1;
}

static void leave_stage(Lower *l, const LoweredPhase *phase, const Stmt *settings, int64_t views) {
    LoweredStage *stage = l->program->stages.count ? &l->program->stages.items[phase->stage] : NULL;
    if (!stage) return;
    stage->train_source = l->drawn_first;
    if (!stage->views) stage->views = views;
    read_epoch(l, settings, stage->train_source, &stage->epoch_steps);
}

/* True if networks may be applied behind an ema edge: in updates and pushes, between epochs, in
 * `eval`, in a later phase. */
static bool has_later_work(const Lower *l) {
    const Module *spec = l->method->spec;
    for (int i = 0; i < spec->stmt_count; i++) {
        const StmtKind kind = spec->stmts[i]->kind;
        if (kind == STMT_EVERY || kind == STMT_UPDATE || kind == STMT_QUEUE) return true;
        if (kind == STMT_EVAL && spec->stmts[i]->body_count) return true;
    }
    return l->program->phases.count > 1;
}

/* Lowers the right sides of updates and pushes, which come behind the edges of a step, for the
 * states that they read. */
static void foresee_updates(Lower *l, LoweredPhase *phase) {
    l->finishing = true;
    lower_update_parameters(l);
    lower_update_states(l);
    each_statement(l, STMT_QUEUE, lower_push_queues);
    for (int i = 0; i < l->current.count; i++)
        array_push(l->arena, &phase->renewed, l->current.items[i].name);
}

/* Finds the states of networks ahead of time. They are known once a network is applied, but an ema
 * edge moves them all from the first step on. If a network may be applied later than the edge,
 * everything is lowered once to find its states. */
static void foresee_states(Lower *l) {
    const int known = l->records.count;
    if (!l->edges.count || !has_later_work(l)) return;
    l->foresees = true;
    for (int i = 0; i < l->program->phases.count && !diag_error_count(l->diag); i++) {
        LoweredPhase *phase = &l->program->phases.items[i];
        lower_begin_graph(l, "train", true);
        lower_enter_phase(l, phase);
        enter_stage(l, phase, true);
        lower_statements(l);
        if (!diag_error_count(l->diag)) foresee_updates(l, phase);
        if (!diag_error_count(l->diag)) lower_epochs(l, phase);
    }
    if (!diag_error_count(l->diag)) lower_measures(l);
    l->foresees = false;
    for (int i = known; i < l->records.count; i++)
        array_push(l->arena, &l->foreseen, l->records.items[i]);
    l->records.count = known;
}

static bool ends_stage(const Lower *l, const LoweredPhase *phase) {
    const bool is_last = phase == &l->program->phases.items[l->program->phases.count - 1];
    return is_last || phase[1].stage != phase->stage;
}

static bool begins_stage(const Lower *l, const LoweredPhase *phase) {
    return phase == l->program->phases.items || phase->stage != phase[-1].stage;
}

static void read_budget(Lower *l) {
    for (int i = 0; l->train && i < l->train->param_count; i++) {
        const Param *setting = &l->train->params[i];
        if (strcmp(setting->name, "memory") != 0 || l->program->memory) continue;
        l->program->memory_span = setting->span;
        l->program->memory = (int64_t)lower_known_number(l, setting->value);
    }
}

/* ---- the whole, graph by graph --------------------------------------------------------------- */

/* Declares hypers, sources and settings as they are written, and then the networks, which may use
 * all of them. */
static void declare_method(Lower *l) {
    const Module *spec = l->method->spec;
    lower_begin_graph(l, "declarations", true);
    l->frame = l->root;
    for (int i = 0; i < spec->stmt_count; i++) {
        const Stmt *s = spec->stmts[i];
        if (s->kind == STMT_HYPER) declare_hypers(l, s);
        if (s->kind == STMT_DATA) lower_declare_source(l, s);
        if (s->kind == STMT_TRAIN) l->train = s;
    }
    double batch = (double)l->method->batch;
    double epochs = 1;
    if (lower_find_setting(l->train, "batch"))
        batch = lower_known_number(l, lower_find_setting(l->train, "batch"));
    if (lower_find_setting(l->train, "epochs"))
        epochs = lower_known_number(l, lower_find_setting(l->train, "epochs"));
    l->program->batch = (int64_t)batch;
    l->program->epochs = epochs;
    l->program->train_source = l->drawn_first = -1;
    l->batch = l->program->batch;
    read_budget(l);
    for (int i = 0; i < spec->stmt_count; i++)
        if (spec->stmts[i]->kind == STMT_NET) declare_net(l, spec->stmts[i]);
}

Lower *lower_begin(Arena *arena, Diag *diag, const Method *method, MethodWanted wanted) {
    Lower *l = arena_new_of(arena, Lower);
    l->keep_gradients = wanted == METHOD_GRADIENTS;
    l->only_views = wanted == METHOD_VIEWS;
    l->arena = arena;
    l->diag = diag;
    l->method = method;
    l->program = arena_new_of(arena, LoweredProgram);
    l->root = arena_new_of(arena, Frame);
    declare_method(l);
    return l;
}

GraphUnit *lower_add_unit(Lower *l, UnitKind kind) {
    GraphUnit *unit = arena_new_of(l->arena, GraphUnit);
    *unit = (GraphUnit){.kind = kind, .graph = l->g};
    array_push(l->arena, &l->units, unit);
    return unit;
}

/* Evaluations come first, so that the states of a network that is only evaluated are known where an
 * ema edge moves them. */
static void lower_evaluations(Lower *l) {
    const Module *spec = l->method->spec;
    for (int i = 0; i < spec->stmt_count && !diag_error_count(l->diag); i++)
        if (spec->stmts[i]->kind == STMT_EVAL && !l->only_views) lower_eval(l, spec->stmts[i]);
    if (diag_error_count(l->diag)) return;
    find_stages(l);
    lower_find_phases(l);
    if (!diag_error_count(l->diag) && !l->only_views) foresee_states(l);
    l->at = AT_PHASE;
}

static void lower_next_phase(Lower *l) {
    LoweredPhase *phase = &l->program->phases.items[l->phase_at];
    l->settings = phase_settings(l, l->train, phase);
    enter_stage(l, phase, begins_stage(l, phase));
    lower_phase(l, phase);
    l->at = AT_ACTIONS;
}

/* Lowers the actions of a phase whose step is complete. */
static void lower_phase_actions(Lower *l) {
    LoweredPhase *phase = &l->program->phases.items[l->phase_at++];
    const int64_t views = l->view_images;
    if (!l->only_views) {
        if (!l->program->views) l->program->views = views;
        lower_epochs(l, phase);
        if (ends_stage(l, phase) && !diag_error_count(l->diag))
            leave_stage(l, phase, l->settings, views);
    }
    l->at = l->phase_at < l->program->phases.count ? AT_PHASE : AT_MEASURES;
}

static void lower_whole_measures(Lower *l) {
    l->program->train = l->program->phases.items[0].train;
    l->at = AT_INIT;
    if (l->only_views) return;
    lower_warn_unreached(l);
    if (!l->program->stages.count)
        read_epoch(l, l->train, l->program->train_source, &l->program->epoch_steps);
    lower_measures(l);
    lower_finetunes(l);
}

static void lower_init(Lower *l) {
    lower_begin_graph(l, "init", true);
    lower_starts(l);
    l->program->init = l->g;
    lower_add_unit(l, UNIT_INIT);
    l->at = AT_END;
}

static void lower_more(Lower *l) {
    switch (l->at) {
    case AT_EVALUATIONS:
        lower_evaluations(l);
        break;
    case AT_PHASE:
        lower_next_phase(l);
        break;
    case AT_ACTIONS:
        lower_phase_actions(l);
        break;
    case AT_MEASURES:
        lower_whole_measures(l);
        break;
    case AT_INIT:
        lower_init(l);
        break;
    case AT_FUNCTION:
        lower_whole_function(l);
        break;
    case AT_END:
        break;
    }
}

GraphUnit *lower_next(Lower *l) {
    while (!diag_error_count(l->diag) && l->at != AT_END && l->handed == l->units.count)
        lower_more(l);
    if (diag_error_count(l->diag) || l->handed == l->units.count) return NULL;
    return l->units.items[l->handed++];
}

LoweredProgram *lower_end(Lower *l) {
    if (l->function || diag_error_count(l->diag)) return NULL;
    for (int i = 0; i < l->records.count; i++) {
        ProgramState state = l->records.items[i].state;
        const char *origin = l->records.items[i].origin;
        if (origin && strcmp(origin, state.name) != 0 && state_find_record(l, origin))
            state.origin = origin;
        array_push(l->arena, &l->program->states, state);
    }
    return l->program;
}
