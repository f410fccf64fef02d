/* Splits a method into phases. A method with `when epoch >= E { .. }` has one step for each stretch
 * of the run in which no condition changes. All phases share one table of states, so a queue that
 * was filled in one phase is read in the next. */
#include "compiler/lower/internal.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

typedef struct Starts { /* the first epochs or steps of the phases, ascending */
    ARRAY(int64_t) at;
    Span last; /* the place of the condition that was met last */
} Starts;

/* Adds the start of a phase, in order, unless it is known or is the start of the run. */
static void add_start(Lower *l, Starts *starts, double at, Span span) {
    for (int i = 0; i < starts->at.count; i++)
        if ((double)starts->at.items[i] == at) return;
    if (at <= 0) return;
    if (!(at <= MOST_WHOLE)) {
        diag_report(l->diag, CODE_PHASE, span,
                    "this phase would begin at %g, and the last that can be counted is %.0f", at,
                    MOST_WHOLE);
        return;
    }
    starts->last = span;
    array_push(l->arena, &starts->at, (int64_t)at);
    int64_t *sorted = starts->at.items;
    int k = starts->at.count - 1;
    for (; k > 0 && (double)sorted[k - 1] > at; k--)
        sorted[k] = sorted[k - 1];
    sorted[k] = (int64_t)at;
}

static const char *clock_name(const Expr *e) {
    bool clock = e->kind == EXPR_NAME && e->symbol && e->symbol->kind == SYMBOL_BUILTIN &&
                 (strcmp(e->name, "epoch") == 0 || strcmp(e->name, "step") == 0);
    return clock ? e->name : NULL;
}

static bool speaks_of_clock(const Expr *e) {
    if (clock_name(e)) return true;
    for (int i = 0; i < e->arg_count; i++)
        if (speaks_of_clock(e->args[i])) return true;
    return false;
}

/* Adds the starts that a comparison makes. `epoch >= E` begins a phase at E, `epoch > E` at the
 * next whole number, `==` at both. */
static void add_comparison(Lower *l, const Expr *e, Starts *epochs, Starts *steps) {
    bool left = clock_name(e->args[0]) != NULL;
    const char *clock = clock_name(e->args[left ? 0 : 1]);
    double at;
    if (!clock || !lower_static(l, e->args[left ? 1 : 0], &at)) {
        diag_report(l->diag, CODE_PHASE, e->span,
                    "the condition of a phase compares `epoch` or `step` with a number known at "
                    "compile time");
        return;
    }
    Starts *starts = strcmp(clock, "epoch") == 0 ? epochs : steps;
    Operator op = e->op;
    bool at_or_above =
        op == OP_EQ || op == OP_NE || op == (left ? OP_GE : OP_LE) || op == (left ? OP_LT : OP_GT);
    bool above = op == OP_EQ || op == OP_NE || !at_or_above;
    if (at_or_above) add_start(l, starts, ceil(at), e->span);
    if (above) add_start(l, starts, floor(at) + 1, e->span);
}

/* Adds the starts of phases that a condition makes, by each comparison in it. */
static void add_boundary(Lower *l, const Expr *e, Starts *epochs, Starts *steps) {
    bool comparison = e->kind == EXPR_BINARY && e->op >= OP_LT && e->op <= OP_NE;
    bool connective = (e->kind == EXPR_BINARY && (e->op == OP_AND || e->op == OP_OR)) ||
                      (e->kind == EXPR_UNARY && e->op == OP_NOT);
    /* A condition on a stage holds in whole stages, and splits none. */
    if (e->kind == EXPR_NAME && e->symbol && e->symbol->kind == SYMBOL_STAGE) return;
    if (comparison && speaks_of_clock(e)) {
        add_comparison(l, e, epochs, steps);
    } else if (connective) {
        for (int i = 0; i < e->arg_count; i++)
            add_boundary(l, e->args[i], epochs, steps);
    } else {
        double value;
        if (!lower_static(l, e, &value))
            diag_report(l->diag, CODE_PHASE, e->span,
                        "the condition of a phase compares `epoch` or `step` with a number known "
                        "at compile time");
    }
}

static void add_statements(Lower *l, Stmt *const *stmts, int count, Starts *epochs, Starts *steps) {
    for (int i = 0; i < count; i++) {
        const Stmt *s = stmts[i];
        if (s->kind == STMT_EMA) array_push(l->arena, &l->edges, s);
        for (int p = 0; (s->kind == STMT_TRAIN || s->kind == STMT_STAGE) && p < s->param_count; p++)
            if (s->params[p].guard) add_boundary(l, s->params[p].guard, epochs, steps);
        if (s->kind != STMT_WHEN) continue;
        add_boundary(l, s->value, epochs, steps);
        add_statements(l, s->body, s->body_count, epochs, steps);
        add_statements(l, s->otherwise, s->otherwise_count, epochs, steps);
    }
}

void lower_find_phases(Lower *l) {
    Starts epochs = {0};
    Starts steps = {0};
    add_statements(l, l->method->spec->stmts, l->method->spec->stmt_count, &epochs, &steps);
    const int stages = l->program->stages.count ? l->program->stages.count : 1;
    const int64_t count = ((int64_t)epochs.at.count + 1) * (steps.at.count + 1) * stages;
    if (count > MOST_PHASES) {
        Span last = steps.at.count ? steps.last : epochs.last;
        diag_report(l->diag, CODE_PHASE, last,
                    "with this condition the method has %lld phases, and at most %d are compiled",
                    (long long)count, MOST_PHASES);
        return;
    }
    for (int stage = 0; stage < stages; stage++) {
        for (int e = 0; e <= epochs.at.count; e++) {
            for (int s = 0; s <= steps.at.count; s++) {
                LoweredPhase phase;
                memset(&phase, 0, sizeof phase);
                phase.stage = stage;
                if (e) phase.from_epoch = epochs.at.items[e - 1];
                if (s) phase.from_step = steps.at.items[s - 1];
                array_push(l->arena, &l->program->phases, phase);
            }
        }
    }
}

bool stage_is_known(const Lower *l) {
    return l->phase && (l->foresees || l->at == AT_PHASE || l->at == AT_ACTIONS);
}

bool stage_holds(const Lower *l, const Symbol *stage) {
    return l->phase && l->program->stages.count > l->phase->stage &&
           strcmp(l->program->stages.items[l->phase->stage].name, stage->name) == 0;
}

bool phase_holds(Lower *l, const Expr *condition) {
    double value = 0;
    l->in_condition = true;
    lower_static(l, condition, &value);
    l->in_condition = false;
    return value != 0;
}

static void take_statements(Lower *l, Stmt *const *stmts, int count) {
    for (int i = 0; i < count; i++) {
        const Stmt *s = stmts[i];
        if (s->kind != STMT_WHEN)
            array_push(l->arena, &l->statements, s);
        else if (phase_holds(l, s->value))
            take_statements(l, s->body, s->body_count);
        else
            take_statements(l, s->otherwise, s->otherwise_count);
    }
}

void lower_enter_phase(Lower *l, LoweredPhase *phase) {
    l->phase = phase;
    l->statements.count = 0;
    take_statements(l, l->method->spec->stmts, l->method->spec->stmt_count);
}
