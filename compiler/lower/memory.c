/* What outlives a step beside the parameters: states, queues, and how a step renews them. */
#include "compiler/lower/internal.h"

#include <string.h>

void commit_state(Lower *l, GNode *state, GNode *value) {
    GCommit c;
    memset(&c, 0, sizeof c);
    c.kind = COMMIT_ASSIGN;
    c.state = state;
    c.value = value;
    array_push(l->g->arena, &l->g->commits, c);
}

GNode *state_node(Lower *l, const char *name) {
    const ProgramState *s = &find_record(l, name)->state;
    return graph_state(l->g, s->name, s->type, s->rank, s->shape, s->span);
}

GNode *shaped_like(Lower *l, const Value *value, GNode *shape_of, Span span) {
    const GExpr *axes[GRAPH_MAX_RANK];
    for (int i = 0; i < shape_of->rank; i++) axes[i] = graph_fresh_index(l->g, shape_of->shape[i]);
    const GExpr *element = as_real(l, value_element(l, value, axes, span));
    ComputeSpec spec;
    memset(&spec, 0, sizeof spec);
    spec.reducer = GR_NONE;
    spec.out_rank = shape_of->rank;
    memcpy(spec.out, axes, sizeof *axes * (size_t)shape_of->rank);
    spec.value = element;
    spec.span = span;
    return graph_compute(l->g, &spec);
}

/* `queue Q[K, D] <- k`, or columns that move together; one ring, one head, one fill. */
void declare_queue(Lower *l, const Stmt *s) {
    bool columns = s->param_count > 0;
    double length = 1;
    if (!s->dim_count || !lower_static(l, s->dims[0], &length)) diag_report(l->diag, CODE_DIMENSION_UNKNOWN, s->span, "a queue needs a length known at compile time");
    for (int c = 0; c < (columns ? s->param_count : 1); c++) {
        StateRecord record;
        memset(&record, 0, sizeof record);
        record.state.name = columns ? arena_printf(l->arena, "%s.%s", s->name, s->params[c].name) : s->name;
        record.state.role = ROLE_QUEUE;
        record.state.type = GT_REAL;
        record.state.span = s->span;
        record.state.rank = columns ? 1 + s->params[c].dim_count : s->dim_count;
        record.state.shape[0] = (int64_t)length;
        for (int i = 1; i < record.state.rank; i++) {
            double extent = 1;
            if (!lower_static(l, columns ? s->params[c].dims[i - 1] : s->dims[i], &extent))
                diag_report(l->diag, CODE_DIMENSION_UNKNOWN, s->span, "the queue's row needs dimensions known at compile time");
            record.state.shape[i] = (int64_t)extent;
        }
        const Expr *pushed = columns ? s->params[c].value : s->value;
        if (pushed && pushed->type && pushed->type->kind == KIND_INT) record.state.type = GT_INT;
        record.origin = record.state.name;
        record.frame = l->root;
        bool real_rows = record.state.type == GT_REAL && record.state.rank > 1;
        record.init_name = s->init_name ? s->init_name : real_rows ? "unit_normal" : NULL;
        if (record.state.type == GT_INT) record.init_name = NULL;
        if (!find_record(l, record.state.name)) array_push(l->arena, &l->records, record);
    }
    static const char *const counters[] = {"head", "fill"};
    for (int c = 0; c < 2; c++) {
        StateRecord record;
        memset(&record, 0, sizeof record);
        record.state.name = arena_printf(l->arena, "%s.%s", s->name, counters[c]);
        record.state.role = ROLE_COUNTER;
        record.state.type = GT_INT;
        record.state.span = s->span;
        record.origin = record.state.name;
        record.frame = l->root;
        if (!find_record(l, record.state.name)) array_push(l->arena, &l->records, record);
    }
    /* A read sees what stood there before this step's push. */
    if (!columns) frame_set(l, l->frame, s->symbol, value_array(state_now(l, s->name)));
}

void declare_method_state(Lower *l, const Stmt *s, StateRole role) {
    for (int p = 0; p < s->param_count; p++) {
        declare_state(l, "", "", &s->params[p], role, NULL, 0);
        Value value = value_array(state_now(l, s->params[p].name));
        frame_set(l, l->frame, s->params[p].symbol, value);
    }
}

void push_queues(Lower *l, const Stmt *s) {
    bool columns = s->param_count > 0;
    for (int c = 0; c < (columns ? s->param_count : 1); c++) {
        const Expr *pushed = columns ? s->params[c].value : s->value;
        GCommit push;
        memset(&push, 0, sizeof push);
        push.kind = COMMIT_PUSH;
        push.state = state_node(l, columns ? arena_printf(l->arena, "%s.%s", s->name, s->params[c].name) : s->name);
        push.value = lower_tensor(l, pushed);
        push.head = state_node(l, arena_printf(l->arena, "%s.head", s->name));
        push.fill = state_node(l, arena_printf(l->arena, "%s.fill", s->name));
        bool fits = push.value->rank == push.state->rank && push.value->shape[0] <= push.state->shape[0];
        for (int i = 1; fits && i < push.value->rank; i++) fits = push.value->shape[i] == push.state->shape[i];
        if (!fits) {
            diag_report(l->diag, CODE_QUEUE_ROW, s->span, "what is pushed does not fit the rows of `%s`, or is more than its %lld rows", s->name,
                       (long long)push.state->shape[0]);
            continue;
        }
        array_push(l->g->arena, &l->g->commits, push);
    }
}

void lower_updates(Lower *l, const Module *spec) {
    for (int i = 0; i < spec->stmt_count; i++) {
        const Stmt *s = spec->stmts[i];
        if (s->kind != STMT_UPDATE) continue;
        if (s->target_count != 1 || s->targets[0]->kind != EXPR_NAME || !s->targets[0]->symbol) {
            diag_report(l->diag, CODE_NOT_BUILT, s->span, "this kind of update is not built yet; write `update name <- value`");
            continue;
        }
        const Value *bound = frame_find(l->frame, s->targets[0]->symbol);
        if (!bound || bound->kind != VALUE_ARRAY) continue;
        Value value = lower_value(l, s->value);
        if (value.kind != VALUE_SCALAR && value_rank(&value) != bound->tensor->rank) {
            diag_report(l->diag, CODE_UPDATE, s->span, "the new value of `%s` has another number of axes than the state", s->targets[0]->name);
            continue;
        }
        commit_state(l, bound->tensor, shaped_like(l, &value, bound->tensor, s->span));
    }
}

