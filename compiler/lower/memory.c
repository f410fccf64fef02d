/* Lowers the arrays that outlive a step beside the parameters: states and queues, and their renewal
 * by a step. */
#include "compiler/lower/internal.h"

#include <string.h>

void state_commit(Lower *l, GNode *state, GNode *value) {
    for (int i = 0; i < l->g->commits.count; i++) {
        GCommit *earlier = &l->g->commits.items[i];
        if (earlier->kind != COMMIT_ASSIGN || earlier->state != state) continue;
        earlier->value = value;
        return;
    }
    GCommit c;
    memset(&c, 0, sizeof c);
    c.kind = COMMIT_ASSIGN;
    c.state = state;
    c.value = value;
    array_push(l->g->arena, &l->g->commits, c);
}

void lower_renew_parameter(Lower *l, const char *name, GNode *value) {
    StateValue renewed = {name, value, value->span};
    for (int i = 0; i < l->renewed.count; i++) {
        if (strcmp(l->renewed.items[i].name, name) != 0) continue;
        l->renewed.items[i] = renewed;
        return;
    }
    array_push(l->arena, &l->renewed, renewed);
}

GNode *state_node(Lower *l, const char *name) {
    const ProgramState *s = &state_find_record(l, name)->state;
    return graph_state(l->g, s->name, s->type, s->rank, s->shape, s->span);
}

GNode *lower_shaped_like(Lower *l, const Value *value, GNode *shape_of, Span span) {
    const GExpr *axes[GRAPH_MAX_RANK];
    for (int i = 0; i < shape_of->rank; i++)
        axes[i] = graph_fresh_index(l->g, shape_of->shape[i]);
    const GExpr *element = value_element(l, value, axes, span);
    if (shape_of->type == GT_REAL) element = lower_as_real(l, element);
    ComputeSpec spec;
    memset(&spec, 0, sizeof spec);
    spec.reducer = GR_NONE;
    spec.out_rank = shape_of->rank;
    memcpy(spec.out, axes, sizeof *axes * (size_t)shape_of->rank);
    spec.value = element;
    spec.span = span;
    return graph_compute(l->g, &spec);
}

/* Returns rows to be stored in a memory. No gradient follows them. */
static GNode *pushed_rows(Lower *l, const Stmt *s, const Expr *rows, GType type) {
    Value value = lower_value(l, rows);
    if (value.kind == VALUE_ARRAY && type == GT_REAL && value.tensor->type != GT_REAL) {
        const GExpr *axes[GRAPH_MAX_RANK];
        int rank = value_rank(&value);
        for (int i = 0; i < rank; i++)
            axes[i] = graph_fresh_index(l->g, value_extent(&value, i));
        value = lower_array_from(l, lower_as_real(l, value_element(l, &value, axes, s->span)), axes,
                                 rank, NULL, s->span);
    }
    const GExpr *free[GRAPH_MAX_FREE];
    int count;
    GNode *node = lower_materialise(l, &value, free, &count, s->span);
    return type == GT_REAL ? graph_stop(l->g, node, s->span) : node;
}

static const char *column_name(Lower *l, const Stmt *queue, const Param *column) {
    return column ? arena_printf(l->arena, "%s.%s", queue->name, column->name) : queue->name;
}

static const GExpr *counter(Lower *l, const Stmt *queue, const char *which) {
    return gx_load(l->g, state_node(l, arena_printf(l->arena, "%s.%s", queue->name, which)), 0,
                   NULL, NULL);
}

/* Returns the ring after this step's push. Row j is pushed row (j - head) mod K if so many rows are
 * pushed, and stays as it is if not. */
static Value queue_after(Lower *l, const Stmt *s, const Param *column) {
    Graph *g = l->g;
    GNode *ring = state_node(l, column_name(l, s, column));
    GNode *rows = pushed_rows(l, s, column ? column->value : s->value, ring->type);
    const GExpr *axes[GRAPH_MAX_RANK];
    const GExpr *at[GRAPH_MAX_RANK];
    for (int a = 0; a < ring->rank; a++)
        at[a] = axes[a] = graph_fresh_index(g, ring->shape[a]);
    const GExpr *behind_head = gx2(g, G_SUB, axes[0], counter(l, s, "head"));
    at[0] = gx2(g, G_MOD, behind_head, gx_int(g, ring->shape[0]));
    const GExpr *kept = gx_load(g, ring, ring->rank, axes, NULL);
    const GExpr *element = gx_load(g, rows, ring->rank, at, kept);
    return lower_array_from(l, element, axes, ring->rank, "new", s->span);
}

static Value queue_read(Lower *l, const Stmt *s, const Param *column) {
    return s->order == QUEUE_PUSH_FIRST ? queue_after(l, s, column)
                                        : value_array(state_now(l, column_name(l, s, column)));
}

const GExpr *lower_filled(Lower *l, const Expr *queue, const GExpr *row) {
    Graph *g = l->g;
    const Stmt *s = queue->symbol->stmt;
    const GExpr *fill = counter(l, s, "fill");
    if (s->order == QUEUE_PUSH_FIRST && !l->between) {
        const Expr *pushed = s->param_count ? s->params[0].value : s->value;
        fill = gx2(g, G_ADD, fill, gx_int(g, lower_tensor(l, pushed)->shape[0]));
    }
    return gx2(g, G_LT, row, fill);
}

/* Returns the record of a state of a queue. `queue Q[K, D] <- k` has a ring of rows, a head and a
 * fill; a queue with columns has a ring for each, and they share the head and the fill. */
static StateRecord state_of_queue(Lower *l, const Stmt *s, const char *name, StateRole role,
                                  GType type) {
    StateRecord record;
    memset(&record, 0, sizeof record);
    record.state.name = name;
    record.state.role = role;
    record.state.type = type;
    record.state.span = s->span;
    record.origin = name;
    record.frame = l->root;
    return record;
}

static void add_once(Lower *l, const StateRecord *record) {
    if (!state_find_record(l, record->state.name)) {
        array_push(l->arena, &l->records, *record);
    }
}

/* Declares the rows of a queue: of one of its columns or, if `column` is NULL, of a queue without
 * columns. */
static void declare_rows(Lower *l, const Stmt *s, const Param *column, int64_t length) {
    const char *name = column ? arena_printf(l->arena, "%s.%s", s->name, column->name) : s->name;
    const Expr *pushed = column ? column->value : s->value;
    const bool whole = pushed && pushed->type && pushed->type->kind == KIND_INT;
    StateRecord record = state_of_queue(l, s, name, ROLE_QUEUE, whole ? GT_INT : GT_REAL);
    record.state.rank = column ? 1 + column->dim_count : s->dim_count;
    record.state.shape[0] = length;
    for (int i = 1; i < record.state.rank; i++) {
        int64_t extent = 1;
        if (!lower_extent(l, column ? column->dims[i - 1] : s->dims[i], &extent))
            diag_report(l->diag, CODE_DIMENSION_UNKNOWN, s->span,
                        "axis %d of the queue `%s` is no dimension known at compile time", i + 1,
                        name);
        record.state.shape[i] = extent;
    }
    if (!whole && (s->init_name || record.state.rank > 1))
        record.init_name = s->init_name ? s->init_name : "unit_normal";
    add_once(l, &record);
}

void lower_declare_queue(Lower *l, const Stmt *s) {
    bool columns = s->param_count > 0;
    double length = 1;
    if (!s->dim_count || !lower_static(l, s->dims[0], &length))
        diag_report(l->diag, CODE_DIMENSION_UNKNOWN, s->span,
                    "the length of the queue `%s` is not known at compile time", s->name);
    for (int c = 0; c < s->param_count; c++)
        declare_rows(l, s, &s->params[c], (int64_t)length);
    if (!columns) declare_rows(l, s, NULL, (int64_t)length);
    static const char *const counters[] = {"head", "fill"};
    for (int c = 0; c < 2; c++) {
        const char *name = arena_printf(l->arena, "%s.%s", s->name, counters[c]);
        const StateRecord record = state_of_queue(l, s, name, ROLE_COUNTER, GT_INT);
        add_once(l, &record);
    }
    /* A read sees the queue as it was before this step's push, unless the queue says otherwise. */
    if (!columns) {
        frame_set(l, l->frame, s->symbol, queue_read(l, s, NULL));
    }
    for (int c = 0; c < s->param_count && s->order == QUEUE_PUSH_FIRST; c++)
        frame_set(l, l->frame, s->params[c].symbol, queue_after(l, s, &s->params[c]));
}

void state_declare_of_method(Lower *l, const Stmt *s, StateRole role) {
    for (int p = 0; p < s->param_count; p++) {
        const Param *param = &s->params[p];
        bool known = state_find_record(l, param->name) != NULL;
        state_declare(l, "", "", param, role, NULL, 0);
        if (!known && s->init_name) {
            l->records.items[l->records.count - 1].init_name = s->init_name;
        }
        frame_set(l, l->frame, param->symbol, value_array(state_now(l, param->name)));
    }
}

/* ---- queues ---------------------------------------------------------------------------------- */

/* True if a push has rows of the queue's shape, and no more than the queue holds. Returns false
 * after a message. */
static bool queue_fits(Lower *l, const Stmt *s, Span span, const GNode *value, const GNode *state) {
    bool same_rows = value->rank == state->rank;
    for (int i = 1; same_rows && i < value->rank; i++)
        same_rows = value->shape[i] == state->shape[i];
    if (same_rows && value->shape[0] <= state->shape[0]) return true;
    if (!same_rows) {
        diag_report(l->diag, CODE_QUEUE_ROW, span, "what is pushed is %s: its rows do not fit",
                    lower_shape_text(l, value));
        diag_note(l->diag, s->name_span, "and the rows of the queue `%s` are those of %s", s->name,
                  lower_shape_text(l, state));
        return false;
    }
    diag_report(l->diag, CODE_QUEUE_ROW, span,
                "a step pushes %lld rows, and the queue `%s` holds %lld",
                (long long)value->shape[0], s->name, (long long)state->shape[0]);
    diag_suggest(l->diag, "%s", "a queue holds a batch at least; a smaller batch does, too");
    return false;
}

void lower_push_queues(Lower *l, const Stmt *s) {
    bool columns = s->param_count > 0;
    for (int c = 0; c < (columns ? s->param_count : 1); c++) {
        const Expr *pushed = columns ? s->params[c].value : s->value;
        GCommit push;
        memset(&push, 0, sizeof push);
        push.kind = COMMIT_PUSH;
        push.state = state_node(
            l, columns ? arena_printf(l->arena, "%s.%s", s->name, s->params[c].name) : s->name);
        push.value = pushed_rows(l, s, pushed, push.state->type);
        push.head = state_node(l, arena_printf(l->arena, "%s.head", s->name));
        push.fill = state_node(l, arena_printf(l->arena, "%s.fill", s->name));
        if (!queue_fits(l, s, pushed->span, push.value, push.state)) continue;
        array_push(l->g->arena, &l->g->commits, push);
    }
}

/* ---- new(s) ---------------------------------------------------------------------------------- */

static bool updates(const Stmt *s, const Symbol *state) {
    return s->kind == STMT_UPDATE && state && s->targets[0]->symbol == state;
}

static bool writes_rows(const Stmt *update) {
    return update->targets[0]->kind == EXPR_INDEX;
}

void lower_refuse_second_updates(Lower *l) {
    for (int i = 0; i < l->statements.count; i++) {
        const Stmt *s = l->statements.items[i];
        if (s->kind != STMT_UPDATE) continue;
        for (int k = 0; k < i; k++) {
            const Stmt *earlier = l->statements.items[k];
            if (!updates(earlier, s->targets[0]->symbol)) continue;
            if (writes_rows(s) && writes_rows(earlier)) continue;
            diag_report(l->diag, CODE_UPDATE, s->span, "`%s` is updated twice in a step",
                        s->targets[0]->symbol->name);
            diag_note(l->diag, earlier->span, "the first update is here");
            break;
        }
    }
}

/* Returns the array with row rows[i] replaced by values[i]. If a row number occurs several times,
 * the last one counts. */
static Value bank_after(Lower *l, const Stmt *update) {
    Graph *g = l->g;
    GNode *bank = frame_find(l->frame, update->targets[0]->symbol)->tensor;
    GNode *rows = lower_tensor(l, update->targets[0]->args[0]);
    GNode *values = pushed_rows(l, update, update->value, bank->type);
    const GExpr *axes[GRAPH_MAX_RANK];
    const GExpr *at[GRAPH_MAX_RANK];
    for (int a = 0; a < bank->rank; a++)
        at[a] = axes[a] = graph_fresh_index(g, bank->shape[a]);
    ComputeSpec spec;
    memset(&spec, 0, sizeof spec);
    spec.reducer = GR_MAX;
    spec.out_rank = spec.red_rank = 1;
    spec.out[0] = axes[0];
    const GExpr *i = spec.red[0] = graph_fresh_index(g, rows->shape[0]);
    spec.value =
        gx_select(g, gx2(g, G_EQ, gx_load(g, rows, 1, &i, NULL), axes[0]), i, gx_int(g, -1));
    spec.name = "last writer";
    spec.span = update->span;
    at[0] = gx_load(g, graph_compute(g, &spec), 1, &axes[0], NULL);
    const GExpr *element =
        gx_load(g, values, bank->rank, at, gx_load(g, bank, bank->rank, axes, NULL));
    return lower_array_from(l, element, axes, bank->rank, "new", update->span);
}

/* Returns the value that a state will have after this step, for new(s). */
static Value state_after(Lower *l, const Expr *target) {
    const Value *bound = frame_find(l->frame, target->symbol);
    int count = 0;
    const Stmt *update = NULL;
    for (int i = 0; i < l->statements.count; i++) {
        if (!updates(l->statements.items[i], target->symbol)) continue;
        update = l->statements.items[i];
        count++;
    }
    if (count > 1)
        diag_report(l->diag, CODE_UPDATE, target->span,
                    "`new(%s)` is what one update leaves, and %d write rows of `%s`", target->name,
                    count, target->name);
    if (!update) return *bound;
    if (writes_rows(update)) return bank_after(l, update);
    if (!l->finishing) {
        diag_report(l->diag, CODE_UPDATE, target->span,
                    "the new value of `%s` is known when the forward pass is over: `new(%s)` "
                    "stands to the right of an update or a push",
                    target->name, target->name);
        diag_suggest(l->diag, "name it in a `let`, and use that here and in the update");
        return *bound;
    }
    /* With more updates at work than there are statements, one update asks for itself. */
    if (l->news++ > l->statements.count) {
        diag_report(l->diag, CODE_UPDATE, target->span, "`%s` is renewed from its own new value",
                    target->name);
        l->news--;
        return *bound;
    }
    Value value = lower_value(l, update->value);
    l->news--;
    return value_array(lower_shaped_like(l, &value, bound->tensor, update->span));
}

Value lower_new(Lower *l, const Expr *target) {
    const Symbol *s = target->symbol;
    if (l->between) {
        diag_report(l->diag, CODE_EVERY_EPOCH, target->span,
                    "`new` is about a step, and between two epochs there is none: `%s` alone is "
                    "what stands there",
                    s->name);
        return value_scalar(gx_real(l->g, 0));
    }
    if (s->kind == SYMBOL_QUEUE && s->stmt->param_count) {
        diag_report(l->diag, CODE_QUEUE_ROW, target->span,
                    "the queue `%s` has columns: `new(%s.%s)`", s->name, s->name,
                    s->stmt->params[0].name);
        return value_scalar(gx_real(l->g, 0));
    }
    if (s->kind == SYMBOL_QUEUE) return queue_after(l, s->stmt, NULL);
    if (s->kind == SYMBOL_COLUMN) return queue_after(l, s->stmt, s->param);
    return state_after(l, target);
}

/* ---- updates --------------------------------------------------------------------------------- */

void lower_write_rows(Lower *l, const Stmt *s) {
    GNode *state = state_node(l, s->targets[0]->symbol->name);
    GCommit c;
    memset(&c, 0, sizeof c);
    c.kind = COMMIT_ROWS;
    c.state = state;
    c.value = pushed_rows(l, s, s->value, state->type);
    c.rows = lower_tensor(l, s->targets[0]->args[0]);
    array_push(l->g->arena, &l->g->commits, c);
}

GNode *state_new_value(Lower *l, const Stmt *s, GNode *state) {
    Value value = lower_value(l, s->value);
    if (value.kind != VALUE_SCALAR && value_rank(&value) != state->rank) {
        diag_report(l->diag, CODE_UPDATE, s->span,
                    "the new value of `%s` has %d axes, and `%s` has %d", s->targets[0]->name,
                    value_rank(&value), s->targets[0]->name, state->rank);
        return state;
    }
    return lower_shaped_like(l, &value, state, s->span);
}

static bool updates_parameter(const Stmt *s) {
    return s->kind == STMT_UPDATE && s->targets[0]->symbol &&
           s->targets[0]->symbol->kind == SYMBOL_PARAM;
}

/* Makes reads of the parameters give the optimiser's results from here on. */
static void show_renewed(Lower *l) {
    for (int i = 0; i < l->statements.count; i++) {
        const Stmt *s = l->statements.items[i];
        for (int p = 0; s->kind == STMT_PARAM && p < s->param_count; p++)
            frame_set(l, l->frame, s->params[p].symbol,
                      value_array(state_now(l, s->params[p].name)));
    }
}

void lower_update_parameters(Lower *l) {
    GNode **values = arena_array(l->arena, GNode *, l->statements.count + 1);
    show_renewed(l);
    for (int i = 0; i < l->statements.count; i++) {
        const Stmt *s = l->statements.items[i];
        if (updates_parameter(s))
            values[i] = state_new_value(l, s, state_node(l, s->targets[0]->name));
    }
    for (int i = 0; i < l->statements.count; i++) {
        if (!values[i]) continue;
        const char *name = l->statements.items[i]->targets[0]->name;
        state_commit(l, state_node(l, name), values[i]);
        lower_renew_parameter(l, name, values[i]);
    }
    show_renewed(l);
}

void lower_update_states(Lower *l) {
    for (int i = 0; i < l->statements.count; i++) {
        const Stmt *s = l->statements.items[i];
        if (s->kind != STMT_UPDATE || updates_parameter(s)) continue;
        const Value *bound = frame_find(l->frame, s->targets[0]->symbol);
        if (!bound || bound->kind != VALUE_ARRAY) continue;
        if (s->targets[0]->kind == EXPR_INDEX)
            lower_write_rows(l, s);
        else
            state_commit(l, bound->tensor, state_new_value(l, s, bound->tensor));
    }
}
