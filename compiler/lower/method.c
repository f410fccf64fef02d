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

static Lower *begin_graph(Lower *l, const char *name, bool training) {
    l->g = graph_new(l->arena, name);
    l->training = training;
    l->current.count = 0;
    l->condition = l->draw_element = l->sample = NULL;
    l->site = "";
    l->site_count = 0;
    l->frame = method_frame(l);
    return l;
}

/* ---- statements of the method ------------------------------------------------------------------------ */

static void declare_hypers(Lower *l, const Stmt *s) {
    for (int i = 0; i < s->param_count; i++) {
        const Param *param = &s->params[i];
        double value;
        if (!param->value || !lower_static(l, param->value, &value)) {
            diag_error(l->diag, param->span, "the hyper `%s` needs a number known at compile time", param->name);
            continue;
        }
        bool integer = param->value->type ? param->value->type->kind == KIND_INT : param->value->is_integer;
        LoweredHyper hyper = {param->name, value, integer, false};
        array_push(l->arena, &l->program->hypers, hyper);
        frame_set(l, l->root, param->symbol, value_static(l, value, integer));
        double holds = 1;
        if (param->guard && lower_static(l, param->guard, &holds) && holds == 0)
            diag_error(l->diag, param->guard->span, "the hyper `%s` is %g, which is out of the range written here", param->name, value);
    }
    /* Reading its own range does not make a hyper static. */
    for (int i = 0; i < l->program->hypers.count; i++) l->program->hypers.items[i].is_static = false;
}

static void declare_source(Lower *l, const Stmt *s) {
    LoweredSource source = {s->name, "", "train"};
    const Expr *call = s->value;
    if (call && call->kind == EXPR_CALL && call->callee->name) source.reader = call->callee->name;
    if (call && call->kind == EXPR_CALL && call->arg_count && call->args[0]->kind == EXPR_STRING) source.split = call->args[0]->text;
    array_push(l->arena, &l->program->sources, source);
}

static void declare_net(Lower *l, const Stmt *s) {
    if (s->has_config) return; /* a definition */
    Value value = value_none();
    value.kind = VALUE_NET;
    value.net = lower_net(l, s->value, s->name);
    if (value.net) frame_set(l, l->root, s->symbol, value);
}

static int find_source(const Lower *l, const char *name) {
    for (int i = 0; name && i < l->program->sources.count; i++)
        if (strcmp(l->program->sources.items[i].name, name) == 0) return i;
    return -1;
}

static const char *source_in(const Expr *e) {
    if (e->kind == EXPR_MEMBER && e->symbol && e->symbol->kind == SYMBOL_FIELD) return e->args[0]->name;
    for (int i = 0; i < e->arg_count; i++) {
        const char *found = source_in(e->args[i]);
        if (found) return found;
    }
    return NULL;
}

static void lower_view(Lower *l, const Stmt *s) {
    Graph *g = l->g;
    const char *source = source_in(s->value);
    if (!source) {
        diag_error(l->diag, s->span, "a view is drawn from a field of the data, like `train.image`; none is used here");
        return;
    }
    int found = find_source(l, source);
    if (found >= 0) l->program->train_source = found;
    l->program->views += s->param_count;
    for (int v = 0; v < s->param_count; v++) {
        int64_t shape[1] = {l->program->batch};
        char key[256];
        snprintf(key, sizeof key, "%s.index", source);
        GNode *index = graph_input(g, arena_intern(l->arena, key, strlen(key)), GT_INT, 1, shape, s->span);
        const GExpr *n = graph_fresh_index(g, l->program->batch);
        l->sample = n;
        /* Keyed by dataset index and view number: the same sample draws the same, wherever the shuffle puts it. */
        l->draw_element = gx2(g, G_ADD, gx2(g, G_MUL, gx_load(g, index, 1, &n, NULL), gx_int(g, s->param_count)), gx_int(g, v));
        l->site = arena_printf(l->arena, "view %s", s->params[0].name);
        l->site_count = 0;
        Value value = lower_value(l, s->value);
        l->sample = l->draw_element = NULL;
        l->site = "";
        if (value.kind != VALUE_ARRAY) {
            diag_error(l->diag, s->span, "a view is an array");
            return;
        }
        const GExpr *axes[GRAPH_MAX_RANK];
        axes[0] = n;
        int rank = value_rank(&value);
        for (int i = 0; i < rank; i++) axes[i + 1] = graph_fresh_index(g, value_extent(&value, i));
        const GExpr *element = value_element(l, &value, axes + 1, s->span);
        frame_set(l, l->frame, s->params[v].symbol, array_from(l, element, axes, rank + 1, s->params[v].name, s->params[v].span));
    }
}

/* `queue Q[K, D] <- k`, or columns that move together; one ring, one head, one fill. */
static void declare_queue(Lower *l, const Stmt *s) {
    bool columns = s->param_count > 0;
    double length = 1;
    if (!s->dim_count || !lower_static(l, s->dims[0], &length)) diag_error(l->diag, s->span, "a queue needs a length known at compile time");
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
                diag_error(l->diag, s->span, "the queue's row needs dimensions known at compile time");
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

static void declare_method_state(Lower *l, const Stmt *s, StateRole role) {
    for (int p = 0; p < s->param_count; p++) {
        declare_state(l, "", "", &s->params[p], role, NULL, 0);
        Value value = value_array(state_now(l, s->params[p].name));
        frame_set(l, l->frame, s->params[p].symbol, value);
    }
}

static void commit(Lower *l, GNode *state, GNode *value) {
    GCommit c;
    memset(&c, 0, sizeof c);
    c.kind = COMMIT_ASSIGN;
    c.state = state;
    c.value = value;
    array_push(l->g->arena, &l->g->commits, c);
}

static GNode *state_node(Lower *l, const char *name) {
    const ProgramState *s = &find_record(l, name)->state;
    return graph_state(l->g, s->name, s->type, s->rank, s->shape, s->span);
}

/* ---- optimiser ---------------------------------------------------------------------------------------- */

static const Expr *setting(const Stmt *block, const char *name) {
    for (int i = 0; block && i < block->param_count; i++)
        if (strcmp(block->params[i].name, name) == 0) return block->params[i].value;
    return NULL;
}

static GNode *like(Lower *l, const Value *value, GNode *shape_of, Span span) {
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
            GNode *made = like(l, &value, bound->tensor, s->span);
            commit(l, bound->tensor, made);
            if (bound->tensor == p) renewed = made;
        } else {
            diag_error(l->diag, s->span, "an optimiser's rule is made of state, let and update");
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

static void lower_ema(Lower *l, const Stmt *s, GNode *const *renewed, const int *record_of, int renewed_count) {
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
        commit(l, now, array_from(l, value, axes, now->rank, NULL, s->span).tensor);
        moved++;
    }
    if (!moved) diag_error(l->diag, s->span, "this ema edge moves nothing: `%s` and `%s` share no parameter path", target->path, source->path);
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

static void push_queues(Lower *l, const Stmt *s) {
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
            diag_error(l->diag, s->span, "what is pushed does not fit the rows of `%s`, or is more than its %lld rows", s->name,
                       (long long)push.state->shape[0]);
            continue;
        }
        array_push(l->g->arena, &l->g->commits, push);
    }
}

static GNode *scalar_node(Lower *l, const GExpr *value, const char *name, Span span) {
    ComputeSpec spec;
    memset(&spec, 0, sizeof spec);
    spec.value = value;
    spec.name = name;
    spec.span = span;
    return graph_compute(l->g, &spec);
}

typedef struct Renewed {
    GNode **states, **grads, **renewed;
    int *record_of;
    int count;
} Renewed;

static void backward(Lower *l, GNode *loss, const Stmt *train, Renewed *out) {
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
    const Expr *limit = setting(train, "clip");
    double clip;
    if (limit && lower_static(l, limit, &clip)) clip_gradients(l, out->grads, out->count, clip, limit->span);
}

static void optimise(Lower *l, const Stmt *train, Renewed *r) {
    const Expr *call = setting(train, "optimiser");
    const Symbol *symbol = call && call->kind == EXPR_CALL ? call->callee->symbol : NULL;
    if (!symbol || symbol->kind != SYMBOL_OPTIMISER) {
        diag_error(l->diag, call ? call->span : train->span, "`train` needs `optimiser`, a call of one: optim.sgd(lr = 0.1)");
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
            diag_error(l->diag, call->span, "the optimiser `%s` needs its setting `%s`", rule->name, rule->config[i].name);
            continue;
        }
        const GExpr *value = hoist_scalar(l, as_real(l, lower_scalar(l, given)), rule->config[i].name, given->span);
        frame_set(l, config, rule->config[i].symbol, value_scalar(value));
    }
    for (int i = 0; i < r->count; i++) {
        r->renewed[i] = r->states[i];
        const ProgramState *s = &l->records.items[r->record_of[i]].state;
        if (r->grads[i]) r->renewed[i] = apply_rule(l, rule, config, s->name, r->states[i], r->grads[i]);
        else diag_warning(l->diag, s->span, "no gradient reaches the parameter `%s`; it stays as it starts", s->name);
    }
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
        case STMT_LOSS: {
            if (s->target_count) diag_error(l->diag, s->span, "`trains` is not built yet: a loss trains every parameter it reaches");
            const GExpr *value = as_real(l, lower_scalar(l, s->value));
            *loss = *loss ? gx2(l->g, G_ADD, *loss, value) : value;
            *loss_span = s->span;
            break;
        }
        default: break;
        }
    }
}

static void lower_updates(Lower *l, const Module *spec) {
    for (int i = 0; i < spec->stmt_count; i++) {
        const Stmt *s = spec->stmts[i];
        if (s->kind != STMT_UPDATE) continue;
        if (s->target_count != 1 || s->targets[0]->kind != EXPR_NAME || !s->targets[0]->symbol) {
            diag_error(l->diag, s->span, "this kind of update is not built yet; write `update name <- value`");
            continue;
        }
        const Value *bound = frame_find(l->frame, s->targets[0]->symbol);
        if (!bound || bound->kind != VALUE_ARRAY) continue;
        Value value = lower_value(l, s->value);
        if (value.kind != VALUE_SCALAR && value_rank(&value) != bound->tensor->rank) {
            diag_error(l->diag, s->span, "the new value of `%s` has another number of axes than the state", s->targets[0]->name);
            continue;
        }
        commit(l, bound->tensor, like(l, &value, bound->tensor, s->span));
    }
}

void run_passes(Lower *l, Graph *g, const LowerOptions *options) {
    static const struct {
        const char *name;
        void (*run)(Graph *);
    } rows[] = {{"simplify", pass_simplify}, {"contract", pass_contract}, {"fuse", pass_fuse}};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        rows[i].run(g);
        if (options && options->after) options->after(options->context, g, rows[i].name);
        const char *wrong = graph_verify(g);
        if (wrong) {
            Span nowhere = l->method->spec->stmt_count ? l->method->spec->stmts[0]->span : (Span){0};
            diag_error(l->diag, nowhere, "a fault of the compiler: after %s, %s", rows[i].name, wrong);
        }
    }
}

static void watch(const LowerOptions *options, const Graph *g, const char *pass) {
    if (options && options->after) options->after(options->context, g, pass);
}

static void lower_train(Lower *l, const Module *spec, const Stmt *train, const LowerOptions *options) {
    begin_graph(l, "train", true);
    const GExpr *loss = NULL;
    Span span = train ? train->span : (Span){0};
    lower_statements(l, spec, &loss, &span);
    if (!loss) {
        diag_error(l->diag, span, "the method has no `loss`");
        return;
    }
    GNode *loss_node = scalar_node(l, loss, "loss", span);
    graph_output(l->g, "loss", loss_node);
    if (l->embedding) graph_output(l->g, "embedding", l->embedding);
    if (diag_error_count(l->diag)) return;
    watch(options, l->g, "lower");
    pass_stabilise(l->g);
    watch(options, l->g, "stabilise");
    loss_node = l->g->outputs.items[0].node;
    Renewed renewed;
    backward(l, loss_node, train, &renewed);
    optimise(l, train, &renewed);
    watch(options, l->g, "differentiate");
    lower_updates(l, spec);
    for (int i = 0; i < spec->stmt_count; i++)
        if (spec->stmts[i]->kind == STMT_EMA) lower_ema(l, spec->stmts[i], renewed.renewed, renewed.record_of, renewed.count);
    for (int i = 0; i < l->current.count; i++) commit(l, state_node(l, l->current.items[i].name), l->current.items[i].now);
    for (int i = 0; i < spec->stmt_count; i++)
        if (spec->stmts[i]->kind == STMT_QUEUE) push_queues(l, spec->stmts[i]);
    if (!diag_error_count(l->diag)) run_passes(l, l->g, options);
    l->program->train = l->g;
}

/* ---- evaluation ---------------------------------------------------------------------------------------- */

enum { FEATURE_ROWS = 500 };

static int feature_graph(Lower *l, const Expr *features, const LowerOptions *options) {
    LoweredProgram *program = l->program;
    begin_graph(l, "features", false);
    Net *net = lower_net(l, features, "");
    if (!net) return -1;
    for (int i = 0; i < program->feature_names.count; i++)
        if (strcmp(program->feature_names.items[i], net->path) == 0) return i;
    int64_t shape[GRAPH_MAX_RANK] = {FEATURE_ROWS, 1, 28, 28};
    Value image = value_array(graph_input(l->g, "image", GT_U8, 4, shape, features->span));
    Value value = net_apply(l, net, image, features);
    if (value.kind != VALUE_ARRAY || value_rank(&value) != 2) {
        diag_error(l->diag, features->span, "features are rows: an array of two axes is needed here");
        return -1;
    }
    const GExpr *free[GRAPH_MAX_INDICES];
    int count;
    graph_output(l->g, "features", materialise(l, &value, free, &count, features->span));
    watch(options, l->g, "lower");
    if (!diag_error_count(l->diag)) run_passes(l, l->g, options);
    array_push(l->arena, &program->features, l->g);
    array_push(l->arena, &program->feature_names, net->path);
    return program->features.count - 1;
}

static const Expr *named_argument(const Expr *call, const char *name) {
    for (int i = 0; i < call->arg_count; i++)
        if (call->arg_names && call->arg_names[i] && strcmp(call->arg_names[i], name) == 0) return call->args[i];
    return NULL;
}

static double number_argument(Lower *l, const Expr *call, const char *name, double otherwise) {
    const Expr *given = named_argument(call, name);
    double value;
    return given && lower_static(l, given, &value) ? value : otherwise;
}

static void lower_eval(Lower *l, const Stmt *s, const LowerOptions *options) {
    for (int i = 0; i < s->target_count; i++) {
        const Expr *call = s->targets[i];
        LoweredEval eval;
        memset(&eval, 0, sizeof eval);
        eval.method = call->callee && call->callee->name ? call->callee->name : "";
        eval.k = number_argument(l, call, "k", 20);
        eval.temperature = number_argument(l, call, "temperature", 0.07);
        eval.decay = number_argument(l, call, "decay", 1e-4);
        const Expr *features = named_argument(call, "features"), *bank = named_argument(call, "bank"), *query = named_argument(call, "query");
        if (!features || !bank || !query) {
            diag_error(l->diag, call->span, "`%s` needs features, bank and query", eval.method);
            continue;
        }
        eval.features = feature_graph(l, features, options);
        eval.bank = find_source(l, bank->name);
        eval.query = find_source(l, query->name);
        array_push(l->arena, &l->program->evals, eval);
    }
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
    if (setting(train, "batch")) lower_static(l, setting(train, "batch"), &batch);
    if (setting(train, "epochs")) lower_static(l, setting(train, "epochs"), &epochs);
    l->program->batch = (int64_t)batch;
    l->program->epochs = epochs;
    if (batch < 1 || epochs <= 0) diag_error(diag, train->span, "batch and epochs are positive numbers");
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
    watch(options, l->g, "lower");
    run_passes(l, l->g, options);
    l->program->init = l->g;
    for (int i = 0; i < l->records.count; i++) array_push(arena, &l->program->states, l->records.items[i].state);
    return diag_error_count(diag) ? NULL : l->program;
}
