/* Makes the new values of parameters from the loss: the gradients, the optimiser's rule for each
 * parameter, and the averages that follow parameters along ema edges. */
#include "compiler/lower/internal.h"

#include <math.h>
#include <string.h>

/* ---- optimiser ------------------------------------------------------------------------------- */

/* Applies the rule to one parameter: makes its states, under the name of their owner, its lets and
 * its simultaneous updates. Returns the renewed parameter. */
static GNode *apply_rule(Lower *l, const Stmt *rule, Frame *config, const char *owner,
                         const char *parameter, GNode *p, GNode *gradient) {
    Frame *outer = l->frame;
    Frame *frame = frame_new(l, config);
    frame->owner = NULL;
    l->frame = frame;
    frame_set(l, frame, rule->params[0].symbol, value_array(p));
    frame_set(l, frame, rule->params[1].symbol, value_array(gradient));
    GNode *renewed = p;
    l->in_rule = true;
    for (int i = 0; i < rule->body_count; i++) {
        const Stmt *s = rule->body[i];
        if (s->kind == STMT_LET) {
            lower_let(l, s);
        } else if (s->kind == STMT_STATE) {
            for (int k = 0; k < s->param_count; k++) {
                const char *path = arena_printf(l->arena, "%s.%s", owner, parameter);
                state_declare(l, path, path, &s->params[k], ROLE_OPTIMISER, p->shape, p->rank);
                const char *name = arena_printf(l->arena, "%s.%s", path, s->params[k].name);
                frame_set(l, frame, s->params[k].symbol, value_array(state_node(l, name)));
            }
        } else if (s->kind == STMT_UPDATE) {
            Value value = lower_value(l, s->value);
            const Symbol *target = s->targets[0]->symbol;
            const Value *bound = frame_find(frame, target);
            if (!bound || bound->kind != VALUE_ARRAY) continue;
            GNode *made = lower_shaped_like(l, &value, bound->tensor, s->span);
            state_commit(l, bound->tensor, made);
            if (bound->tensor == p) renewed = made;
        } else {
            diag_report(l->diag, CODE_OPTIMISER, s->span,
                        "an optimiser's rule is made of state, let and update");
        }
    }
    l->in_rule = false;
    l->frame = outer;
    return renewed;
}

enum {
    /* The sums of squares that one formula adds, since one formula may read only so many arrays
     * (compiler/plan/schedule.c). */
    SQUARES_TOGETHER = 16
};

/* Returns the length of all gradients together. */
static const GExpr *gradient_norm(Lower *l, GNode *const *grads, int count, Span span) {
    Graph *g = l->g;
    const GExpr *total = gx_real(g, 0);
    int added = 0;
    for (int i = 0; i < count; i++) {
        if (!grads[i]) continue;
        if (added++ && added % SQUARES_TOGETHER == 0)
            total = lower_hoist_scalar(l, total, "gradient norm", span);
        const GExpr *axes[GRAPH_MAX_RANK];
        const GExpr *free[GRAPH_MAX_FREE];
        int none;
        for (int a = 0; a < grads[i]->rank; a++)
            axes[a] = graph_fresh_index(g, grads[i]->shape[a]);
        const GExpr *x = gx_load(g, grads[i], grads[i]->rank, axes, NULL);
        GNode *squares =
            lower_sum_node(l, gx2(g, G_MUL, x, x), NULL, axes, grads[i]->rank, free, &none, span);
        total = gx2(g, G_ADD, total, gx_load(g, squares, 0, NULL, NULL));
    }
    /* Squares that overflow give NaN here. A scale of 0 would stop the training without a word. */
    total = gx_select(g, gx2(g, G_EQ, total, gx_real(g, INFINITY)), gx_real(g, NAN), total);
    return gx1(g, G_SQRT, total);
}

/* Clips gradients: scales all of them by min(1, limit / norm of all together). */
static void clip_gradients(Lower *l, GNode **grads, int count, double limit, Span span) {
    Graph *g = l->g;
    const GExpr *norm =
        lower_hoist_scalar(l, gradient_norm(l, grads, count, span), "gradient norm", span);
    const GExpr *scale =
        gx2(g, G_MIN, gx_real(g, 1),
            gx2(g, G_DIV, gx_real(g, limit), gx2(g, G_MAX, norm, gx_real(g, 1e-30))));
    scale = lower_hoist_scalar(l, scale, "clip", span);
    for (int i = 0; i < count; i++) {
        if (!grads[i]) continue;
        const GExpr *axes[GRAPH_MAX_RANK];
        for (int a = 0; a < grads[i]->rank; a++)
            axes[a] = graph_fresh_index(g, grads[i]->shape[a]);
        grads[i] = lower_array_from(
                       l, gx2(g, G_MUL, scale, gx_load(g, grads[i], grads[i]->rank, axes, NULL)),
                       axes, grads[i]->rank, NULL, span)
                       .tensor;
    }
}

/* ---- parts ----------------------------------------------------------------------------------- */

static bool under(const char *name, const char *path) {
    size_t length = strlen(path);
    return strncmp(name, path, length) == 0 && (name[length] == '.' || name[length] == 0);
}

/* Returns the prefix of the states' paths for `encoder`, `encoder.trunk`, `encoder.head.b` or a
 * `param` of the method. */
static const char *part_path(Lower *l, const Expr *part) {
    if (part->symbol && part->symbol->kind == SYMBOL_PARAM) return part->symbol->name;
    if (part->symbol && part->symbol->kind == SYMBOL_NET_STATE) {
        const char *owner = part_path(l, part->args[0]);
        return owner ? arena_printf(l->arena, "%s.%s", owner, part->name) : NULL;
    }
    Net *net = lower_net(l, part, "");
    return net ? net->path : NULL;
}

/* True for the word `biases`, which means every parameter of at most one axis: biases, and the
 * gains and shifts of normalisations. They are commonly excluded from weight decay and from rates
 * by norms (You et al., LARS, 2017). */
static bool is_biases(const Expr *part) {
    return part->kind == EXPR_NAME && !part->symbol && strcmp(part->name, "biases") == 0;
}

static bool in_parts(Lower *l, const char *name, Expr *const *parts, int count) {
    for (int i = 0; i < count; i++) {
        if (is_biases(parts[i])) {
            if (state_find_record(l, name)->state.rank <= 1) return true;
            continue;
        }
        const char *path = part_path(l, parts[i]);
        if (path && under(name, path)) return true;
    }
    return false;
}

static bool is_rest(const Param *setting) {
    return setting->part_count == 0 ||
           (setting->part_count == 1 && setting->parts[0]->kind == EXPR_NAME &&
            strcmp(setting->parts[0]->name, "rest") == 0);
}

static bool is_frozen(Lower *l, const Stmt *train, const char *name) {
    for (int i = 0; train && i < train->param_count; i++) {
        const Param *p = &train->params[i];
        if (strcmp(p->name, "freeze") == 0 && (!p->guard || phase_holds(l, p->guard)) &&
            in_parts(l, name, p->parts, p->part_count))
            return true;
    }
    return false;
}

static bool is_ema_target(Lower *l, const char *name) {
    for (int i = 0; i < l->edges.count; i++) {
        const char *path = part_path(l, l->edges.items[i]->targets[0]);
        if (path && under(name, path)) return true;
    }
    return false;
}

/* ---- ema ------------------------------------------------------------------------------------- */

/* Returns rate * now + (1 - rate) * followed. */
static GNode *moved_average(Lower *l, const Stmt *edge, GNode *now, GNode *followed) {
    Graph *g = l->g;
    const GExpr *written = lower_as_real(l, lower_scalar(l, edge->value));
    const GExpr *rate = lower_hoist_scalar(l, written, "rate", edge->span);
    const GExpr *axes[GRAPH_MAX_RANK];
    const GExpr *rest = gx2(g, G_SUB, gx_real(g, 1), rate);
    for (int a = 0; a < now->rank; a++)
        axes[a] = graph_fresh_index(g, now->shape[a]);
    const GExpr *to = gx_load(g, followed, now->rank, axes, NULL);
    const GExpr *from = gx_load(g, now, now->rank, axes, NULL);
    const GExpr *value = gx2(g, G_ADD, gx2(g, G_MUL, rate, from), gx2(g, G_MUL, rest, to));
    return lower_array_from(l, value, axes, now->rank, NULL, edge->span).tensor;
}

/* Returns the state that `name` follows along the edge, or NULL if the edge does not move it. */
static const char *followed_name(Lower *l, const Stmt *edge, const StateRecord *record) {
    const char *target = part_path(l, edge->targets[0]);
    const char *source = part_path(l, edge->source);
    bool moves =
        record->state.role == ROLE_PARAM || (edge->with_state && record->state.role == ROLE_STATE);
    if (!target || !source || !moves || !under(record->state.name, target)) return NULL;
    const char *name = arena_printf(l->arena, "%s%s", source, record->state.name + strlen(target));
    return state_find_record(l, name) ? name : NULL;
}

static bool is_of_phase(const Lower *l, const Stmt *s) {
    for (int i = 0; i < l->statements.count; i++)
        if (l->statements.items[i] == s) return true;
    return false;
}

/* Returns the value that the target of an edge `before forward` has in this step already, or NULL.
 */
GNode *lower_moved_before(Lower *l, const StateRecord *record) {
    for (int i = 0; i < l->edges.count; i++) {
        const Stmt *edge = l->edges.items[i];
        const char *followed =
            edge->before_forward && is_of_phase(l, edge) ? followed_name(l, edge, record) : NULL;
        if (!followed || !l->training) continue;
        GNode *moved =
            moved_average(l, edge, state_node(l, record->state.name), state_node(l, followed));
        return graph_stop(l->g, moved, edge->span);
    }
    return NULL;
}

/* Checks that a target with running statistics is applied in training, because nothing else renews
 * them. */
static void check_statistics(Lower *l, const Stmt *edge, const StateRecord *record) {
    const char *target = part_path(l, edge->targets[0]);
    if (edge->with_state || record->state.role != ROLE_STATE || !target ||
        !under(record->state.name, target))
        return;
    for (int i = 0; i < l->current.count; i++)
        if (strcmp(l->current.items[i].name, record->state.name) == 0) return;
    for (int i = 0; i < l->phase->renewed.count; i++)
        if (strcmp(l->phase->renewed.items[i], record->state.name) == 0) return;
    diag_report(l->diag, CODE_EMA_STATE, edge->span,
                "`%s` is not applied in training, so its state `%s` would stay as it starts",
                target, record->state.name);
    diag_suggest(l->diag,
                 "write `with state` behind the rate, so that the average takes the state too");
}

static bool is_applied(const Lower *l, const char *path) {
    for (int r = 0; path && r < l->records.count; r++)
        if (under(l->records.items[r].state.name, path)) return true;
    return false;
}

/* Declares the parameters of a network that a later phase, work between epochs or an evaluation
 * will apply: they exist from the first step on. */
static void declare_foreseen(Lower *l, const Expr *part) {
    const char *path = part_path(l, part);
    for (int i = 0; path && i < l->foreseen.count; i++) {
        const StateRecord *record = &l->foreseen.items[i];
        if (under(record->state.name, path) && !state_find_record(l, record->state.name))
            array_push(l->arena, &l->records, *record);
    }
}

void lower_ema(Lower *l, const Stmt *s) {
    int moved = 0;
    declare_foreseen(l, s->targets[0]);
    declare_foreseen(l, s->source);
    for (int r = 0; r < l->records.count; r++) {
        const StateRecord *record = &l->records.items[r];
        const char *name = followed_name(l, s, record);
        if (!name) {
            int errors = diag_error_count(l->diag);
            check_statistics(l, s, record);
            if (diag_error_count(l->diag) > errors) return; /* one message is enough */
            continue;
        }
        moved++;
        if (s->before_forward) {
            state_now(l, record->state.name);
            continue;
        }
        GNode *value = moved_average(l, s, state_node(l, record->state.name), state_now(l, name));
        state_commit(l, state_node(l, record->state.name), value);
        lower_renew_parameter(l, record->state.name, value);
    }
    if (moved || diag_error_count(l->diag)) return;
    const char *target = part_path(l, s->targets[0]);
    const char *source = part_path(l, s->source);
    const char *idle = !is_applied(l, target) ? target : !is_applied(l, source) ? source : NULL;
    if (idle)
        diag_report(
            l->diag, CODE_EMA_ENDS, s->span,
            "this ema edge moves nothing: `%s` is applied neither in training nor in an evaluation",
            idle);
    else
        diag_report(l->diag, CODE_EMA_ENDS, s->span,
                    "this ema edge moves nothing: `%s` and `%s` share no parameter", target,
                    source);
}

/* ---- gradients ------------------------------------------------------------------------------- */

/* Finds the parameters that this phase trains. */
static void find_trained(Lower *l, const Stmt *train) {
    Trained *out = &l->trained;
    *out = (Trained){.count = 0};
    out->records = arena_array(l->arena, int, l->records.count + 1);
    out->states = arena_array(l->arena, GNode *, l->records.count + 1);
    out->grads = arena_array(l->arena, GNode *, l->records.count + 1);
    out->whole = arena_array(l->arena, GNode *, l->records.count + 1);
    for (int r = 0; r < l->records.count; r++) {
        StateRecord *record = &l->records.items[r];
        if (record->state.role != ROLE_PARAM || is_ema_target(l, record->state.name)) continue;
        if (is_frozen(l, train, record->state.name)) {
            record->was_frozen = true;
            continue;
        }
        out->records[out->count] = r;
        out->states[out->count++] = state_node(l, record->state.name);
    }
}

static bool is_trained_by(Lower *l, const LossTerm *term, int trained) {
    const char *name = l->records.items[l->trained.records[trained]].state.name;
    return !term->trains || in_parts(l, name, term->trains->targets, term->trains->target_count);
}

/* Finds the losses of a step. Each term is differentiated by the parameters that it trains. */
void lower_find_losses(Lower *l, GraphUnit *unit, const LossTerm *terms, GNode *const *values,
                       int count, const Stmt *train) {
    find_trained(l, train);
    unit->losses = arena_array(l->arena, UnitLoss, count);
    unit->loss_count = count;
    for (int i = 0; i < count; i++) {
        UnitLoss *loss = &unit->losses[i];
        loss->value = values[i];
        loss->wanted = arena_array(l->arena, GNode *, l->trained.count + 1);
        loss->gradients = arena_array(l->arena, GNode *, l->trained.count + 1);
        for (int t = 0; t < l->trained.count; t++)
            if (is_trained_by(l, &terms[i], t)) loss->wanted[loss->count++] = l->trained.states[t];
    }
}

static GNode *sum_of_gradients(Lower *l, GNode *a, GNode *b) {
    const GExpr *axes[GRAPH_MAX_RANK];
    for (int i = 0; i < a->rank; i++)
        axes[i] = graph_fresh_index(l->g, a->shape[i]);
    const GExpr *sum = gx2(l->g, G_ADD, gx_load(l->g, a, a->rank, axes, NULL),
                           gx_load(l->g, b, b->rank, axes, NULL));
    return lower_array_from(l, sum, axes, a->rank, NULL, b->span).tensor;
}

/* Adds the gradients of one term to those of the terms before it. */
static void add_loss_gradients(Lower *l, const UnitLoss *loss) {
    Trained *t = &l->trained;
    for (int i = 0, at = 0; i < loss->count; i++, at++) {
        while (t->states[at] != loss->wanted[i])
            at++;
        GNode **sum = &t->grads[at];
        GNode *gradient = loss->gradients[i];
        if (gradient) {
            *sum = *sum ? sum_of_gradients(l, *sum, gradient) : gradient;
        }
    }
}

void lower_add_gradients(Lower *l, const GraphUnit *unit, const Stmt *train) {
    Trained *t = &l->trained;
    for (int i = 0; i < unit->loss_count; i++)
        add_loss_gradients(l, &unit->losses[i]);
    for (int i = 0; l->keep_gradients && i < t->count; i++)
        if (t->grads[i])
            graph_output(l->g, arena_printf(l->arena, "grad_%s", t->states[i]->name), t->grads[i]);
    for (int i = 0; i < t->count; i++)
        t->whole[i] = t->grads[i];
    const Expr *limit = lower_find_setting(train, "clip");
    if (limit) {
        clip_gradients(l, t->grads, t->count, lower_known_number(l, limit), limit->span);
    }
}

void lower_watch_gradients(Lower *l, GraphUnit *unit) {
    if (unit->kind != UNIT_STEP) return;
    const Span span = l->settings->span;
    const GExpr *norm = gradient_norm(l, l->trained.whole, l->trained.count, span);
    graph_output(unit->graph, "gradient norm", lower_scalar_node(l, norm, "gradient norm", span));
    graph_prune(unit->graph);
}

/* ---- the optimisers -------------------------------------------------------------------------- */

/* Returns the settings of one `optimiser` as scalars of this step, or NULL after an error. */
static Frame *bind_rule(Lower *l, const Expr *call) {
    const Stmt *rule = call->callee->symbol->stmt;
    Frame *config = frame_new(l, l->root);
    for (int i = 0; i < rule->config_count; i++) {
        const Expr *given = NULL;
        int position = 0;
        for (int k = 0; k < call->arg_count; k++) {
            const char *name = call->arg_names ? call->arg_names[k] : NULL;
            if (name ? strcmp(name, rule->config[i].name) == 0 : position++ == i)
                given = call->args[k];
        }
        if (!given) given = rule->config[i].value;
        if (!given) {
            diag_report(l->diag, CODE_OPTIMISER, call->span,
                        "the optimiser `%s` needs its setting `%s`", rule->name,
                        rule->config[i].name);
            return NULL;
        }
        const GExpr *value = lower_hoist_scalar(l, lower_as_real(l, lower_scalar(l, given)),
                                                rule->config[i].name, given->span);
        frame_set(l, config, rule->config[i].symbol, value_scalar(value));
    }
    return lower_test_ranges(l, rule, rule->config, rule->config_count, config, call->span) ? config
                                                                                            : NULL;
}

/* Returns the first `optimiser` whose parts have the parameter, else that of the rest, else NULL.
 */
static const Param *optimiser_of(Lower *l, const Stmt *train, const char *name) {
    const Param *rest = NULL;
    for (int i = 0; train && i < train->param_count; i++) {
        const Param *p = &train->params[i];
        if (strcmp(p->name, "optimiser") != 0 || (p->guard && !phase_holds(l, p->guard))) continue;
        if (is_rest(p))
            rest = rest ? rest : p;
        else if (in_parts(l, name, p->parts, p->part_count))
            return p;
    }
    return rest;
}

/* Returns the parameter, layer or network whose name is the nearest. */
static const char *nearest_path(Lower *l, const char *path) {
    ARRAY(const char *) names = {NULL, 0, 0};
    for (int r = 0; r < l->records.count; r++) {
        const char *name = l->records.items[r].state.name;
        for (const char *dot = strchr(name, '.'); dot; dot = strchr(dot + 1, '.'))
            array_push(l->arena, &names, arena_strndup(l->arena, name, (size_t)(dot - name)));
        array_push(l->arena, &names, name);
    }
    return diag_nearest(path, names.items, names.count);
}

/* Reports a part that no parameter belongs to, which is a slip of the pen. Returns true if it is
 * one. */
static bool names_nothing(Lower *l, const Expr *part) {
    const char *path =
        part->symbol && part->symbol->kind == SYMBOL_NET_STATE ? part_path(l, part) : NULL;
    if (!path) return false;
    for (int r = 0; r < l->records.count; r++)
        if (l->records.items[r].state.role == ROLE_PARAM &&
            under(l->records.items[r].state.name, path))
            return false;
    diag_report(l->diag, CODE_UNKNOWN_MEMBER, part->span,
                "the network has no layer and no parameter `%s`", path);
    const char *near = nearest_path(l, path);
    if (near) diag_suggest(l->diag, "did you mean `%s`?", near);
    return true;
}

static bool parts_exist(Lower *l, const Stmt *train) {
    bool exist = true;
    for (int i = 0; train && i < train->param_count; i++)
        for (int k = 0; k < train->params[i].part_count; k++)
            exist &= !names_nothing(l, train->params[i].parts[k]);
    return exist;
}

/* Counts the optimisers that a stage has of its own. */
static int count_own(const Lower *l, const char *stage) {
    const Module *spec = l->method->spec;
    int count = 0;
    for (int i = 0; i < spec->stmt_count; i++) {
        const Stmt *s = spec->stmts[i];
        for (int k = 0; s->kind == STMT_STAGE && strcmp(s->name, stage) == 0 && k < s->param_count;
             k++)
            count += strcmp(s->params[k].name, "optimiser") == 0;
    }
    return count;
}

/* Returns the name under which an `optimiser` has its states. An optimiser that holds for a part of
 * the run, or that is a stage's, has states of its own, which it shares with no other. */
static const char *rule_owner(Lower *l, const Stmt *train, const Param *setting) {
    int number = 0;
    const char *stage =
        l->program->stages.count ? l->program->stages.items[l->phase->stage].name : NULL;
    for (const Param *p = train->params; p <= setting; p++)
        number += strcmp(p->name, "optimiser") == 0;
    if (stage && train->kind == STMT_STAGE && number <= count_own(l, stage))
        return setting->guard ? arena_printf(l->arena, "optimiser.%s.%d", stage, number)
                              : arena_printf(l->arena, "optimiser.%s", stage);
    return setting->guard ? arena_printf(l->arena, "optimiser.%d", number) : "optimiser";
}

/* ---- their rates in the log ------------------------------------------------------------------ */

/* Returns the setting that is the rate, by its usual names, or NULL. */
static const GExpr *rate_of(const Stmt *rule, const Frame *config) {
    static const char *const names[] = {"lr", "rate", "learning_rate"};
    for (int i = 0; i < rule->config_count; i++)
        for (size_t k = 0; k < sizeof names / sizeof *names; k++) {
            if (strcmp(rule->config[i].name, names[k]) != 0) continue;
            const Value *value = frame_find(config, rule->config[i].symbol);
            return value && value->kind == VALUE_SCALAR ? value->scalar : NULL;
        }
    return NULL;
}

/* Returns the name of a rate: "learning_rate" for the only optimiser, or for that of the rest; for
 * others, their parts stand behind it. */
static const char *rate_name(Lower *l, const Param *setting, bool is_only) {
    const char *name = "learning_rate";
    if (is_only || is_rest(setting)) return name;
    for (int i = 0; i < setting->part_count; i++)
        name = arena_printf(l->arena, "%s_%s", name, span_text(l->arena, setting->parts[i]->span));
    return name;
}

static bool has_rate(const LoweredPhase *phase, const char *name) {
    for (int i = 0; i < phase->rates.count; i++)
        if (strcmp(phase->rates.items[i].name, name) == 0) return true;
    return false;
}

enum { MOST_RATE_WORDS = 400 /* a longer formula gets no column in the log */ };

/* Notes the rates of the optimisers that this phase uses. */
static void note_rates(Lower *l, const Stmt *train, Frame *const *bound) {
    int used = 0;
    for (int i = 0; i < train->param_count; i++)
        used += bound[i] != NULL;
    for (int i = 0; i < train->param_count; i++) {
        const Param *setting = &train->params[i];
        const GExpr *rate =
            bound[i] ? rate_of(setting->value->callee->symbol->stmt, bound[i]) : NULL;
        LoweredRate noted = {NULL, rate ? lower_run_formula(l, rate, MOST_RATE_WORDS) : NULL};
        if (!noted.formula) continue;
        noted.name = rate_name(l, setting, used == 1);
        if (!has_rate(l->phase, noted.name)) {
            array_push(l->arena, &l->phase->rates, noted);
        }
    }
}

void optimise(Lower *l, const Stmt *train) {
    const Trained *t = &l->trained;
    if (!parts_exist(l, train)) return;
    Frame **bound = arena_array(l->arena, Frame *, (train ? train->param_count : 0) + 1);
    if (!lower_find_setting(train, "optimiser")) {
        diag_report(l->diag, CODE_OPTIMISER, train ? train->span : (Span){0},
                    "`train` needs `optimiser`, a call of one: optim.sgd(lr = 0.1)");
        return;
    }
    for (int i = 0; i < t->count; i++) {
        StateRecord *record = &l->records.items[t->records[i]];
        if (!t->grads[i]) continue;
        record->was_reached = true;
        const Param *setting = optimiser_of(l, train, record->state.name);
        const Expr *call = setting ? setting->value : NULL;
        if (!call || call->kind != EXPR_CALL || !call->callee->symbol ||
            call->callee->symbol->kind != SYMBOL_OPTIMISER) {
            diag_report(l->diag, CODE_OPTIMISER, call ? call->span : train->span,
                        "the parameter `%s` has no optimiser", record->state.name);
            diag_suggest(l->diag, l->program->phases.count > 1
                                      ? "add `optimiser optim.sgd(lr = 0.1) on rest`; each moment "
                                        "of the run needs one"
                                      : "add `optimiser optim.sgd(lr = 0.1) on rest`");
            return;
        }
        Frame **config = &bound[setting - train->params];
        if (!*config) *config = bind_rule(l, call);
        if (!*config) return;
        lower_renew_parameter(l, record->state.name,
                              apply_rule(l, call->callee->symbol->stmt, *config,
                                         rule_owner(l, train, setting), record->state.name,
                                         t->states[i], t->grads[i]));
    }
    note_rates(l, train, bound);
}

/* ---- what is not trained --------------------------------------------------------------------- */

static bool is_unreached(Lower *l, const StateRecord *record) {
    return record->state.role == ROLE_PARAM && !record->was_reached && !record->was_frozen &&
           !is_ema_target(l, record->state.name);
}

/* Returns the statement that declares the network to which a state belongs. NULL: the state is a
 * parameter of the method. */
static const Stmt *owner_of(Lower *l, const char *name) {
    const Module *spec = l->method->spec;
    for (int i = 0; i < spec->stmt_count; i++)
        if (spec->stmts[i]->kind == STMT_NET && under(name, spec->stmts[i]->name))
            return spec->stmts[i];
    return NULL;
}

static void warn_net(Lower *l, const Stmt *net, int first) {
    int unreached = 0;
    int all = 0;
    for (int i = 0; i < l->records.count; i++) {
        const StateRecord *record = &l->records.items[i];
        if (record->state.role != ROLE_PARAM || !under(record->state.name, net->name)) continue;
        all++;
        unreached += is_unreached(l, record);
    }
    const ProgramState *s = &l->records.items[first].state;
    if (unreached == all)
        diag_report(l->diag, CODE_NO_GRADIENT, net->name_span,
                    "no gradient reaches the network `%s`: it stays as it starts", net->name);
    else
        diag_report(l->diag, CODE_NO_GRADIENT, net->name_span,
                    "no gradient reaches %d of the %d parameters of `%s`, `%s` among them: they "
                    "stay as they start",
                    unreached, all, net->name, s->name);
    const Expr *copied = net->value && net->value->kind == EXPR_COPY ? net->value->args[0] : NULL;
    if (unreached == all && copied && copied->name)
        diag_suggest(l->diag, "a target that follows needs an edge: `ema %s <- %s rate 0.99`",
                     net->name, copied->name);
}

/* Warns of parameters that no phase trains, once for each network. */
void lower_warn_unreached(Lower *l) {
    for (int i = 0; i < l->records.count; i++) {
        const StateRecord *record = &l->records.items[i];
        if (!is_unreached(l, record)) continue;
        const Stmt *net = owner_of(l, record->state.name);
        bool said = false;
        for (int k = 0; net && k < i; k++)
            said |= is_unreached(l, &l->records.items[k]) &&
                    owner_of(l, l->records.items[k].state.name) == net;
        if (net && !said) warn_net(l, net, i);
        if (!net)
            diag_report(l->diag, CODE_NO_GRADIENT, record->state.span,
                        "no gradient reaches the parameter `%s`: it stays as it starts",
                        record->state.name);
    }
}
