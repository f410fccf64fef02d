/* Lowers `every epoch` and the statements of `eval` to a list of actions, which the runtime does in
 * order. Lets and updates that follow one another become one graph. A sweep becomes a graph that is
 * run for each batch, and k-means has a graph for the rows that it groups. Networks are in
 * evaluation mode there. */
#include "compiler/lower/internal.h"

#include <string.h>

typedef ARRAY(const Stmt *) Reported; /* the numbers that a block reports so far */

/* Binds the names of the method's memory, which has one value between two steps. */
static void show_memory(Lower *l) {
    for (int i = 0; i < l->statements.count; i++) {
        const Stmt *s = l->statements.items[i];
        bool kept = s->kind == STMT_PARAM || s->kind == STMT_STATE || s->kind == STMT_BANK;
        for (int p = 0; kept && p < s->param_count; p++)
            frame_set(l, l->frame, s->params[p].symbol,
                      value_array(state_now(l, s->params[p].name)));
        if (s->kind == STMT_QUEUE && !s->param_count)
            frame_set(l, l->frame, s->symbol, value_array(state_now(l, s->name)));
    }
}

static void begin_action(Lower *l) {
    lower_begin_graph(l, "epoch", false);
    l->between = true;
    show_memory(l);
}

/* Ends the graph at hand. It becomes an action if it changes a state or has an output. */
static void end_action(Lower *l, LoweredActions *actions, LoweredAction action) {
    for (int i = 0; i < l->current.count; i++)
        state_commit(l, state_node(l, l->current.items[i].name), l->current.items[i].now);
    bool works = l->g->commits.count || l->g->outputs.count;
    if (works && !l->foresees && !diag_error_count(l->diag)) {
        lower_add_unit(l, UNIT_ACTION);
        action.g = l->g;
        action.every = l->every;
        action.of_steps = l->every_of_steps;
        action.block = l->eval_block;
        array_push(l->arena, actions, action);
    }
    l->between = false;
}

static LoweredAction action_of(LoweredActionKind kind, Span span) {
    LoweredAction action;
    memset(&action, 0, sizeof action);
    action.kind = kind;
    action.span = span;
    return action;
}

/* Updates a whole state. The statements that follow see the new value. */
static void update_now(Lower *l, const Stmt *s) {
    const Symbol *symbol = s->targets[0]->symbol;
    GNode *value = state_new_value(l, s, state_node(l, symbol->name));
    state_renew(l, symbol->name, value, s->span);
    frame_set(l, l->frame, symbol, value_array(value));
}

static void lower_sweep(Lower *l, const Stmt *over, LoweredActions *actions) {
    begin_action(l);
    l->sweep = over->value->symbol->stmt->data;
    l->sweep_rows = over->sweep_rows;
    for (int i = 0; i < over->body_count; i++) {
        const Stmt *s = over->body[i];
        if (s->kind == STMT_LET)
            lower_let(l, s);
        else if (s->kind == STMT_VIEW)
            lower_view(l, s);
        else if (s->targets[0]->kind == EXPR_INDEX)
            lower_write_rows(l, s);
        else
            update_now(l, s);
    }
    l->sweep = NULL;
    LoweredAction action = action_of(ACTION_SWEEP, over->span);
    action.source = lower_find_source(l, over->value->name);
    end_action(l, actions, action);
}

static const Expr *named_option(const Expr *call, const char *name) {
    for (int i = 0; call->arg_names && i < call->arg_count; i++)
        if (call->arg_names[i] && strcmp(call->arg_names[i], name) == 0) return call->args[i];
    return NULL;
}

/* Closes the graph at hand with the points as its output. */
static void lower_kmeans(Lower *l, const Stmt *s, LoweredActions *actions) {
    const Expr *iterations = named_option(s->value, "iterations");
    const Expr *spherical = named_option(s->value, "spherical");
    const Expr *start = named_option(s->value, "start");
    GNode *points = lower_tensor(l, s->value->args[0]);
    graph_output(l->g, "points", points);
    LoweredAction action = action_of(ACTION_KMEANS, s->span);
    action.centres = s->targets[0]->symbol->name;
    action.members = s->targets[1]->symbol->name;
    action.iterations = iterations ? (int64_t)iterations->number : 20;
    action.spherical = spherical && spherical->boolean;
    action.sampled = start && strcmp(start->text, "sample") == 0;
    action.site = site_key(arena_printf(l->arena, "kmeans %s", action.centres));
    if (points->shape[0] < state_find_record(l, action.centres)->state.shape[0])
        diag_report(l->diag, CODE_EVERY_EPOCH, s->span,
                    "k-means needs at least as many points as clusters, and there are %lld",
                    (long long)points->shape[0]);
    end_action(l, actions, action);
}

/* Reports a number by its name, as the output "report NAME". */
static void lower_report(Lower *l, const Stmt *s, Reported *seen) {
    for (int i = 0; i < seen->count; i++) {
        if (strcmp(seen->items[i]->name, s->name) != 0) continue;
        diag_report(l->diag, CODE_REPORT, s->name_span, "`%s` is reported twice", s->name);
        diag_note(l->diag, seen->items[i]->name_span, "the first time is here");
        return;
    }
    array_push(l->arena, seen, s);
    graph_output(
        l->g, arena_printf(l->arena, "report %s", s->name),
        lower_scalar_node(l, lower_as_real(l, lower_scalar(l, s->value)), s->name, s->span));
}

/* Lowers statements in order. Lets and updates that follow each other are one action. */
static void lower_actions(Lower *l, const Stmt *block, LoweredActions *actions, Reported *seen) {
    l->every = block->value ? (int64_t)block->value->number : block->kind == STMT_EVERY;
    l->every_of_steps = block->of_steps;
    begin_action(l);
    for (int i = 0; i < block->body_count && !diag_error_count(l->diag); i++) {
        const Stmt *s = block->body[i];
        bool rows = s->kind == STMT_UPDATE && s->targets[0]->kind == EXPR_INDEX;
        bool clusters = s->kind == STMT_UPDATE && s->target_count == 2;
        if (s->kind == STMT_LET) {
            lower_let(l, s);
        } else if (s->kind == STMT_REPORT) {
            lower_report(l, s, seen);
        } else if (s->kind == STMT_OVER) {
            end_action(l, actions, action_of(ACTION_ONCE, block->span));
            lower_sweep(l, s, actions);
            begin_action(l);
        } else if (clusters || rows) {
            if (clusters)
                lower_kmeans(l, s, actions);
            else
                lower_write_rows(l, s);
            if (rows) {
                end_action(l, actions, action_of(ACTION_ONCE, s->span));
            }
            begin_action(l);
        } else {
            update_now(l, s);
        }
    }
    end_action(l, actions, action_of(ACTION_ONCE, block->span));
}

void lower_epochs(Lower *l, LoweredPhase *phase) {
    Reported seen = {0};
    lower_enter_phase(l, phase);
    for (int i = 0; i < l->statements.count && !diag_error_count(l->diag); i++)
        if (l->statements.items[i]->kind == STMT_EVERY)
            lower_actions(l, l->statements.items[i], &phase->actions, &seen);
}

void lower_measures(Lower *l) {
    const Module *spec = l->method->spec;
    Reported seen = {0};
    lower_enter_phase(l, &l->program->phases.items[l->program->phases.count - 1]);
    for (int i = 0; i < spec->stmt_count && !diag_error_count(l->diag); i++)
        if (spec->stmts[i]->kind == STMT_EVAL) {
            l->eval_block++;
            lower_actions(l, spec->stmts[i], &l->program->measures, &seen);
        }
}
