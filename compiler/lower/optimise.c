/* From the loss to renewed parameters: gradients, the optimiser's rule for each, and what follows them along ema edges. */
#include "compiler/lower/internal.h"
#include "compiler/passes/passes.h"

#include <string.h>

/* ---- optimiser ---------------------------------------------------------------------------------------- */

/* One parameter's rule: its states, its lets, its simultaneous updates. Returns the renewed parameter. */
static GNode *apply_rule(Lower *l, const Stmt *rule, Frame *config, const char *parameter, GNode *p, GNode *gradient) {
    Frame *outer = l->frame;
    Frame *frame = frame_new(l, config);
    frame->owner = NULL;
    l->frame = frame;
    frame_set(l, frame, rule->params[0].symbol, value_array(p));
    frame_set(l, frame, rule->params[1].symbol, value_array(gradient));
    GNode *renewed = p;
    for (int i = 0; i < rule->body_count; i++) {
        const Stmt *s = rule->body[i];
        if (s->kind == STMT_LET) {
            lower_let(l, s);
        } else if (s->kind == STMT_STATE) {
            for (int k = 0; k < s->param_count; k++) {
                const char *path = arena_printf(l->arena, "optimiser.%s", parameter);
                declare_state(l, path, path, &s->params[k], ROLE_OPTIMISER, p->shape, p->rank);
                const char *name = arena_printf(l->arena, "%s.%s", path, s->params[k].name);
                frame_set(l, frame, s->params[k].symbol, value_array(state_node(l, name)));
            }
        } else if (s->kind == STMT_UPDATE) {
            Value value = lower_value(l, s->value);
            const Symbol *target = s->targets[0]->symbol;
            const Value *bound = frame_find(frame, target);
            if (!bound || bound->kind != VALUE_ARRAY) continue;
            GNode *made = shaped_like(l, &value, bound->tensor, s->span);
            commit_state(l, bound->tensor, made);
            if (bound->tensor == p) renewed = made;
        } else {
            diag_report(l->diag, CODE_OPTIMISER, s->span, "an optimiser's rule is made of state, let and update");
        }
    }
    l->frame = outer;
    return renewed;
}

/* clip: all gradients scaled by min(1, limit / norm of them all). */
static void clip_gradients(Lower *l, GNode **grads, int count, double limit, Span span) {
    Graph *g = l->g;
    const GExpr *total = gx_real(g, 0);
    for (int i = 0; i < count; i++) {
        if (!grads[i]) continue;
        const GExpr *axes[GRAPH_MAX_RANK], *free[GRAPH_MAX_INDICES];
        int none;
        for (int a = 0; a < grads[i]->rank; a++) axes[a] = graph_fresh_index(g, grads[i]->shape[a]);
        const GExpr *x = gx_load(g, grads[i], grads[i]->rank, axes, NULL);
        GNode *squares = sum_node(l, gx2(g, G_MUL, x, x), NULL, axes, grads[i]->rank, free, &none, span);
        total = gx2(g, G_ADD, total, gx_load(g, squares, 0, NULL, NULL));
    }
    const GExpr *norm = hoist_scalar(l, gx1(g, G_SQRT, total), "gradient norm", span);
    const GExpr *scale = gx2(g, G_MIN, gx_real(g, 1), gx2(g, G_DIV, gx_real(g, limit), gx2(g, G_MAX, norm, gx_real(g, 1e-30))));
    scale = hoist_scalar(l, scale, "clip", span);
    for (int i = 0; i < count; i++) {
        if (!grads[i]) continue;
        const GExpr *axes[GRAPH_MAX_RANK];
        for (int a = 0; a < grads[i]->rank; a++) axes[a] = graph_fresh_index(g, grads[i]->shape[a]);
        grads[i] = array_from(l, gx2(g, G_MUL, scale, gx_load(g, grads[i], grads[i]->rank, axes, NULL)), axes, grads[i]->rank, NULL, span).tensor;
    }
}

/* ---- ema ----------------------------------------------------------------------------------------------- */

static bool under(const char *name, const char *path) {
    size_t length = strlen(path);
    return strncmp(name, path, length) == 0 && (name[length] == '.' || name[length] == 0);
}

void lower_ema(Lower *l, const Stmt *s, GNode *const *renewed, const int *record_of, int renewed_count) {
    Net *target = lower_net(l, s->targets[0], "");
    Net *source = lower_net(l, s->source, "");
    if (!target || !source) return;
    const GExpr *rate = hoist_scalar(l, as_real(l, lower_scalar(l, s->value)), "rate", s->span);
    Graph *g = l->g;
    const GExpr *rest = gx2(g, G_SUB, gx_real(g, 1), rate);
    int moved = 0;
    for (int r = 0; r < l->records.count; r++) {
        const StateRecord *record = &l->records.items[r];
        bool moves = record->state.role == ROLE_PARAM || (s->with_state && record->state.role == ROLE_STATE);
        if (!moves || !under(record->state.name, target->path)) continue;
        const char *name = arena_printf(l->arena, "%s%s", source->path, record->state.name + strlen(target->path));
        if (!find_record(l, name)) continue;
        GNode *now = state_node(l, record->state.name);
        GNode *followed = record->state.role == ROLE_PARAM ? state_node(l, name) : state_now(l, name);
        for (int k = 0; k < renewed_count; k++)
            if (strcmp(l->records.items[record_of[k]].state.name, name) == 0) followed = renewed[k];
        const GExpr *axes[GRAPH_MAX_RANK];
        for (int a = 0; a < now->rank; a++) axes[a] = graph_fresh_index(g, now->shape[a]);
        const GExpr *value = gx2(g, G_ADD, gx2(g, G_MUL, rate, gx_load(g, now, now->rank, axes, NULL)),
                                 gx2(g, G_MUL, rest, gx_load(g, followed, now->rank, axes, NULL)));
        commit_state(l, now, array_from(l, value, axes, now->rank, NULL, s->span).tensor);
        moved++;
    }
    if (!moved) diag_report(l->diag, CODE_EMA_ENDS, s->span, "this ema edge moves nothing: `%s` and `%s` share no parameter path", target->path, source->path);
}

/* ---- the step ------------------------------------------------------------------------------------------ */

static bool is_ema_target(Lower *l, const char *name) {
    const Module *spec = l->method->spec;
    for (int i = 0; i < spec->stmt_count; i++) {
        if (spec->stmts[i]->kind != STMT_EMA) continue;
        Net *target = lower_net(l, spec->stmts[i]->targets[0], "");
        if (target && under(name, target->path)) return true;
    }
    return false;
}

void backward(Lower *l, GNode *loss, const Stmt *train, Renewed *out) {
    Arena *a = l->arena;
    int capacity = l->records.count;
    out->states = arena_array(a, GNode *, capacity + 1);
    out->grads = arena_array(a, GNode *, capacity + 1);
    out->renewed = arena_array(a, GNode *, capacity + 1);
    out->record_of = arena_array(a, int, capacity + 1);
    out->count = 0;
    for (int r = 0; r < capacity; r++) {
        const ProgramState *s = &l->records.items[r].state;
        if (s->role != ROLE_PARAM || is_ema_target(l, s->name)) continue;
        out->record_of[out->count] = r;
        out->states[out->count++] = state_node(l, s->name);
    }
    pass_differentiate(l->g, loss, out->states, out->count, out->grads);
    const Expr *limit = find_setting(train, "clip");
    double clip;
    if (limit && lower_static(l, limit, &clip)) clip_gradients(l, out->grads, out->count, clip, limit->span);
}

void optimise(Lower *l, const Stmt *train, Renewed *r) {
    const Expr *call = find_setting(train, "optimiser");
    const Symbol *symbol = call && call->kind == EXPR_CALL ? call->callee->symbol : NULL;
    if (!symbol || symbol->kind != SYMBOL_OPTIMISER) {
        diag_report(l->diag, CODE_OPTIMISER, call ? call->span : train->span, "`train` needs `optimiser`, a call of one: optim.sgd(lr = 0.1)");
        return;
    }
    const Stmt *rule = symbol->stmt;
    Frame *config = frame_new(l, l->root);
    for (int i = 0; i < rule->config_count; i++) {
        const Expr *given = NULL;
        int position = 0;
        for (int k = 0; k < call->arg_count; k++) {
            const char *name = call->arg_names ? call->arg_names[k] : NULL;
            if (name ? strcmp(name, rule->config[i].name) == 0 : position++ == i) given = call->args[k];
        }
        if (!given) given = rule->config[i].value;
        if (!given) {
            diag_report(l->diag, CODE_MISSING_ARGUMENT, call->span, "the optimiser `%s` needs its setting `%s`", rule->name, rule->config[i].name);
            continue;
        }
        const GExpr *value = hoist_scalar(l, as_real(l, lower_scalar(l, given)), rule->config[i].name, given->span);
        frame_set(l, config, rule->config[i].symbol, value_scalar(value));
    }
    for (int i = 0; i < r->count; i++) {
        r->renewed[i] = r->states[i];
        const ProgramState *s = &l->records.items[r->record_of[i]].state;
        if (r->grads[i]) r->renewed[i] = apply_rule(l, rule, config, s->name, r->states[i], r->grads[i]);
        else diag_report(l->diag, CODE_NO_GRADIENT, s->span, "no gradient reaches the parameter `%s`; it stays as it starts", s->name);
    }
}

