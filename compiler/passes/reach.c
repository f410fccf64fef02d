/* How near the exponentials of a value are, and whether the value is made of exponentials alone:
 * what logform.c asks before it takes a value apart. Each expression is looked at once. */
#include "compiler/passes/logform.h"

#include "compiler/passes/bound.h"

enum {
    DEEPEST_DRAW = 8,
    SAFE_DRAW = 20, /* a drawn factor with a smaller exponent is below 5e8 */
};

/* The number of reductions between a value and its nearest exponential, and between the value and
 * the nearest exponential of bounded size, such as a softmax or a sigmoid. */
typedef struct Reach {
    int exp;
    int softmax;
} Reach;

enum { OUT_OF_REACH = 100 };

static const Reach nowhere = {OUT_OF_REACH, OUT_OF_REACH};

static Reach reach_of(Logs *l, const GExpr *e);

static Reach nearest(Logs *l, const GExpr *e, int first) {
    Reach found = nowhere;
    for (int i = first; i < e->arg_count; i++) {
        const Reach r = reach_of(l, e->args[i]);
        if (r.exp < found.exp) found.exp = r.exp;
        if (r.softmax < found.softmax) found.softmax = r.softmax;
    }
    return found;
}

/* Finds the reach through a read. A reduction behind the read counts as one more. */
static Reach reach_behind(Logs *l, const GExpr *load) {
    if (log_made_as(l, load->tensor)) return nowhere;
    if (log_is_stop_read(load)) return reach_of(l, log_behind_stop(l->g, load));
    if (!log_is_node(load)) return nowhere;
    const GReducer r = load->tensor->reducer;
    if (r == GR_NONE) return load->tensor->active ? nowhere : reach_of(l, load->tensor->value);
    if (r != GR_SUM && r != GR_MAX && r != GR_MIN) return nowhere;
    Reach found = reach_of(l, load->tensor->value);
    if (found.exp < OUT_OF_REACH) found.exp++;
    if (found.softmax < OUT_OF_REACH) found.softmax++;
    return found;
}

static bool has_bound(Logs *l, const GExpr *exp) {
    Softmax softmax;
    const GExpr *u = exp->args[0];
    return log_is_softmax(l, exp, &softmax) || (u->op == G_NEG && u->args[0]->op == G_SOFTPLUS);
}

/* True for a number that is drawn, and for a formula of draws and constants alone. */
static bool is_drawn(Logs *l, const GExpr *e, int depth) {
    const GExpr *v = log_value_behind(l, e);
    if (v->op == G_CONST || v->op == G_RANDOM) return true;
    if (v->op != G_ADD && v->op != G_SUB && v->op != G_MUL && v->op != G_DIV && v->op != G_NEG)
        return false;
    for (int i = 0; i < v->arg_count; i++)
        if (depth == DEEPEST_DRAW || !is_drawn(l, v->args[i], depth + 1)) return false;
    return true;
}

/* True for a ratio or a loudness that an augmentation draws evenly in its log. It is an ordinary
 * factor. If it counted as an exponential, every step of the augmented array would be opened. */
static bool is_drawn_factor(Logs *l, const GExpr *exp) {
    Bound bound;
    return is_drawn(l, exp->args[0], 0) && bound_of(l, exp->args[0], &bound) && !bound.over &&
           bound.size < SAFE_DRAW;
}

/* Finds how far the exponentials and softmaxes of a formula are, by its outermost operation. */
static Reach reach_of_exp(Logs *l, const GExpr *e) {
    if (is_drawn_factor(l, e)) return nowhere;
    return has_bound(l, e) ? (Reach){OUT_OF_REACH, 0} : (Reach){0, OUT_OF_REACH};
}

static Reach reach_of_expm1(Logs *l, const GExpr *e) {
    (void)l, (void)e;
    return (Reach){0, OUT_OF_REACH};
}

static Reach reach_of_sigmoid(Logs *l, const GExpr *e) {
    (void)l, (void)e;
    return (Reach){OUT_OF_REACH, 0};
}

static Reach reach_of_args(Logs *l, const GExpr *e) {
    return nearest(l, e, 0);
}

static Reach reach_of_arms(Logs *l, const GExpr *e) {
    return nearest(l, e, 1);
}

static Reach reach_of_power(Logs *l, const GExpr *e) {
    return e->args[1]->op == G_CONST ? reach_of(l, e->args[0]) : nowhere;
}

static Reach find_reach(Logs *l, const GExpr *e) {
    static Reach (*const rules[G_OP_COUNT])(Logs * l, const GExpr *e) = {
        [G_EXP] = reach_of_exp,   [G_EXPM1] = reach_of_expm1, [G_SIGMOID] = reach_of_sigmoid,
        [G_ADD] = reach_of_args,  [G_SUB] = reach_of_args,    [G_MUL] = reach_of_args,
        [G_DIV] = reach_of_args,  [G_MAX] = reach_of_args,    [G_MIN] = reach_of_args,
        [G_NEG] = reach_of_args,  [G_SQRT] = reach_of_args,   [G_SELECT] = reach_of_arms,
        [G_POW] = reach_of_power, [G_LOAD] = reach_behind};
    return rules[e->op] ? rules[e->op](l, e) : nowhere;
}

/* Finds the reach of an expression. Each expression is looked at once, since every quotient of a
 * whole network asks for its reach. */
static Reach reach_of(Logs *l, const GExpr *e) {
    if (e->type != GT_REAL || e->op == G_CONST) return nowhere;
    const ExprValue *known = expr_map_find(&l->reach, e);
    if (known) return (Reach){(int)(known->integer / 256), (int)(known->integer % 256)};
    const Reach found = find_reach(l, e);
    expr_map_set(&l->reach, e, (ExprValue){.integer = 256 * (int64_t)found.exp + found.softmax});
    return found;
}

int log_reach_of_exp(Logs *l, const GExpr *e) {
    return reach_of(l, e).exp;
}

bool log_holds_within(Logs *l, const GExpr *e, int way) {
    const Reach r = reach_of(l, e);
    const int opened = way % PER_MOVE;
    return r.exp + opened <= REACH_OF_EXP || r.softmax + opened <= REACH_OF_SOFTMAX;
}

bool logs_hold_exp(Logs *l, const GExpr *e) {
    return log_holds_within(l, e, 0);
}

bool logs_hold_bare_exp(Logs *l, const GExpr *e) {
    const Reach r = reach_of(l, e);
    return r.exp <= REACH_OF_EXP || r.softmax == 0;
}

/* ---- exponentials alone ---------------------------------------------------------------------- */

/* Why they are told apart: Note [Exponentials alone] in logform.c. */

static int64_t pure_depth_of_args(Logs *l, const GExpr *e, int first, int end) {
    int64_t deepest = 1;
    for (int i = first; i < end; i++) {
        const int64_t depth = log_pure_depth(l, e->args[i]);
        if (!depth) return 0;
        if (depth > deepest) deepest = depth;
    }
    return deepest;
}

static int64_t pure_depth_behind(Logs *l, const GExpr *load) {
    const GNode *n = load->tensor;
    if (log_made_as(l, n)) return 0;
    if (log_is_stop_read(load)) return log_pure_depth(l, log_behind_stop(l->g, load));
    if (!log_is_node(load) || n->active) return 0;
    const bool is_reduced = n->reducer == GR_SUM || n->reducer == GR_MAX || n->reducer == GR_MIN;
    if (n->reducer != GR_NONE && !is_reduced) return 0;
    if (n->reducer == GR_NONE && log_is_moved(load)) return 0;
    const int64_t depth = log_pure_depth(l, n->value);
    return is_reduced && depth ? 1 : depth ? depth + 1 : 0;
}

static bool is_pure_leaf(const GExpr *e) {
    if (e->op == G_CONST) return e->real >= 0;
    if (e->op == G_TO_REAL) return e->args[0]->type == GT_BOOL;
    return e->op == G_EXP || e->op == G_SIGMOID;
}

static int64_t find_pure_depth(Logs *l, const GExpr *e) {
    /* By operation: the range, first to end - 1, of the arguments that have to be made of
     * exponentials alone. */
    static const struct {
        int first;
        int end;
    } asked[G_OP_COUNT] = {
        [G_MUL] = {0, 2}, [G_DIV] = {0, 2},    [G_ADD] = {0, 2},  [G_MAX] = {0, 2},
        [G_MIN] = {0, 2}, [G_SELECT] = {1, 3}, [G_SQRT] = {0, 1}, [G_POW] = {0, 1}};
    if (is_pure_leaf(e)) return 1;
    if (e->op == G_LOAD) return logs_hold_exp(l, e) ? pure_depth_behind(l, e) : 0;
    if (e->op == G_POW && e->args[1]->op != G_CONST) return 0;
    return asked[e->op].end ? pure_depth_of_args(l, e, asked[e->op].first, asked[e->op].end) : 0;
}

int64_t log_pure_depth(Logs *l, const GExpr *e) {
    if (e->type != GT_REAL) return 0;
    const ExprValue *known = expr_map_find(&l->pure, e);
    if (known) return known->integer;
    const int64_t depth = find_pure_depth(l, e);
    expr_map_set(&l->pure, e, (ExprValue){.integer = depth});
    return depth;
}

bool log_is_moved(const GExpr *e) {
    for (int i = 0; log_is_node(e) && i < e->tensor->rank; i++)
        if (e->args[i]->op != G_INDEX && e->args[i]->op != G_CONST) return true;
    return false;
}
