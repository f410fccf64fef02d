/* weigh: a log that is infinite does not reach a result where its weight is 0. The pass runs before
 * stabilise, and so before the gradient is taken.
 *
 *   - A product of a factor without a log and one with a log is 0 where the first is 0 and the
 *     second infinite. t * log t at t = 0 is 0, and so is the term of a cross-entropy whose target
 *     is 0 and whose logit is -inf. A log that is a NaN stays one, whatever its weight.
 *   - exp(v - logsumexp v), a softmax, is 0 where the whole row is -inf, as the terms of the
 *     log-sum-exp weigh 0 there.
 *
 * The slope by such a log is the weight, with or without the choice. simplify therefore drops the
 * choice there, and a gradient need not wait for the log.
 *
 * Both rules cost a comparison, so they are left alone where the log is provably finite: the log of
 * exponentials, of sums of these, or of a similarity. */
#include "compiler/graph/visit.h"
#include "compiler/passes/passes.h"
#include "compiler/passes/rewrite.h"

#include <math.h>
#include <string.h>

typedef struct Weigh {
    const GNode *node; /* the node at hand (rewrite.h) */
    ExprMap answers;   /* by expression: bits of Question */
} Weigh;

/* ---- what is asked of an expression ---------------------------------------------------------- */

/* Bits of an entry: each question has one for its answer, and the next for having been asked. */
typedef enum {
    HOLDS_LOG = 1,
    ENDLESS = 4,
    POSITIVE = 16,
} Question;

typedef bool (*Answer)(Weigh *w, const GExpr *e);

static bool ask(Weigh *w, const GExpr *e, Question question, Answer answer) {
    const int asked = question << 1;
    if (e->type != GT_REAL) return false;
    const ExprValue *known = expr_map_find(&w->answers, e);
    if (known && known->integer & asked) return known->integer & question;
    const int found = asked | (answer(w, e) ? (int)question : 0);
    known = expr_map_find(&w->answers, e); /* `answer` may have moved the entries of the map */
    expr_map_set(&w->answers, e, (ExprValue){.integer = found | (known ? known->integer : 0)});
    return found & question;
}

static bool holds_log(Weigh *w, const GExpr *e);
static bool is_endless(Weigh *w, const GExpr *e);
static bool is_positive(Weigh *w, const GExpr *e);

typedef bool (*Asked)(Weigh *w, const GExpr *e);

static bool any_argument(Weigh *w, const GExpr *e, int first, Asked asked) {
    for (int i = first; i < e->arg_count; i++)
        if (asked(w, e->args[i])) return true;
    return false;
}

static bool is_arithmetic(GOp op) {
    return op == G_ADD || op == G_SUB || op == G_MUL || op == G_DIV || op == G_NEG || op == G_MAX ||
           op == G_MIN;
}

/* Returns the node that makes the array that the load reads. */
static const GNode *maker(const GExpr *load) {
    const GNode *n = load->tensor;
    while (n->kind == GN_STOP)
        n = n->operand;
    return n;
}

/* True if the value is a log, or a sum, product, choice or reduction of one. */
static bool finds_log(Weigh *w, const GExpr *e) {
    if (e->op == G_LOG || e->op == G_LOG1P) return true;
    if (is_arithmetic(e->op)) return any_argument(w, e, 0, holds_log);
    if (e->op == G_SELECT) return any_argument(w, e, 1, holds_log);
    if (e->op != G_LOAD) return false;
    const GNode *n = maker(e);
    return n->kind == GN_COMPUTE && n->value->type == GT_REAL &&
           (n->reducer == GR_LSE || holds_log(w, n->value));
}

/* True if a value of finite parameters and data may be infinite without an overflow: a log of 0, a
 * constant, an array that holds an infinity. A sum of products is taken to be finite. */
static bool finds_endless(Weigh *w, const GExpr *e) {
    if (e->op == G_CONST) return isinf(e->real);
    if (e->op == G_LOG || e->op == G_LOG1P) return !is_positive(w, e->args[0]);
    if (e->op == G_DIV) return is_endless(w, e->args[0]);
    if (is_arithmetic(e->op)) return any_argument(w, e, 0, is_endless);
    if (e->op == G_SELECT) return any_argument(w, e, 1, is_endless);
    if (e->op != G_LOAD) return false;
    if (e->has_else && is_endless(w, e->args[e->arg_count - 1])) return true;
    const GNode *n = maker(e);
    if (n->kind == GN_INPUT) return n->holds_infinity;
    if (n->kind != GN_COMPUTE || n->value->type != GT_REAL ||
        (n->reducer == GR_SUM && !holds_log(w, n->value)))
        return false;
    return is_endless(w, n->value);
}

/* True if the load reads an array of positive values. */
static bool reads_positive(Weigh *w, const GExpr *load) {
    const GNode *n = maker(load);
    const bool of_terms = node_reduces(n, GR_NONE) || node_reduces(n, GR_SUM) ||
                          node_reduces(n, GR_MAX) || node_reduces(n, GR_MIN);
    return of_terms && !n->active && is_positive(w, n->value);
}

static bool is_one_less_sigmoid(const GExpr *difference) {
    const GExpr *from = difference->args[0];
    return from->op == G_CONST && from->real == 1 && difference->args[1]->op == G_SIGMOID;
}

/* True if the value is above 0, up to underflow: exponentials and values made of them. A positive
 * addend is taken to keep its sum off 0. */
static bool finds_positive(Weigh *w, const GExpr *e) {
    const GExpr *a = e->arg_count > 0 ? e->args[0] : NULL;
    const GExpr *b = e->arg_count > 1 ? e->args[1] : NULL;
    if (e->op == G_CONST) return e->real > 0;
    if (e->op == G_EXP) return !is_endless(w, a);
    if (e->op == G_SIGMOID || e->op == G_SOFTPLUS) return true;
    if (e->op == G_SUB) return is_one_less_sigmoid(e);
    const bool needs_one = e->op == G_ADD || e->op == G_MAX;
    const bool needs_both = e->op == G_MUL || e->op == G_DIV || e->op == G_MIN;
    if (needs_one) return is_positive(w, a) || is_positive(w, b);
    if (needs_both) return is_positive(w, a) && is_positive(w, b);
    if (e->op == G_SQRT || e->op == G_POW) return is_positive(w, a);
    if (e->op == G_SELECT) return is_positive(w, b) && is_positive(w, e->args[2]);
    return e->op == G_LOAD && !e->has_else && reads_positive(w, e);
}

static bool holds_log(Weigh *w, const GExpr *e) {
    return ask(w, e, HOLDS_LOG, finds_log);
}
static bool is_endless(Weigh *w, const GExpr *e) {
    return ask(w, e, ENDLESS, finds_endless);
}
static bool is_positive(Weigh *w, const GExpr *e) {
    return ask(w, e, POSITIVE, finds_positive);
}

/* ---- the two rules --------------------------------------------------------------------------- */

static bool is_weight(Weigh *w, const GExpr *e) {
    return !(e->op == G_CONST && e->real != 0) && !holds_log(w, e);
}

static const GExpr *weighted_log(Weigh *w, Graph *g, const GExpr *e) {
    for (int side = 0; side < 2; side++) {
        const GExpr *weight = e->args[side];
        const GExpr *log = e->args[1 - side];
        if (!holds_log(w, log) || !is_endless(w, log) || !is_weight(w, weight)) continue;
        const GExpr *is_infinite = gx2(g, G_EQ, gx1(g, G_ABS, log), gx_real(g, INFINITY));
        const GExpr *is_nothing = gx2(g, G_AND, gx2(g, G_EQ, weight, gx_real(g, 0)), is_infinite);
        return gx_select(g, is_nothing, gx_real(g, 0), e);
    }
    return e;
}

static const GExpr *softmax(Weigh *w, Graph *g, const GExpr *e) {
    const GExpr *difference = e->args[0];
    const GExpr *sum = difference->op == G_SUB ? difference->args[1] : e;
    if (sum->op != G_LOAD || !node_reduces(sum->tensor, GR_LSE)) return e;
    if (!is_endless(w, sum->tensor->value)) return e;
    const GExpr *is_empty = gx2(g, G_EQ, sum, gx_real(g, -INFINITY));
    return gx1(g, G_EXP,
               gx2(g, G_SUB, difference->args[0], gx_select(g, is_empty, gx_real(g, 0), sum)));
}

static const GExpr *visit(void *context, Graph *g, const GExpr *e) {
    if (e->type != GT_REAL) return e;
    if (e->op == G_MUL) return weighted_log(context, g, e);
    return e->op == G_EXP ? softmax(context, g, e) : e;
}

void pass_weigh(Graph *g) {
    Weigh w = {.node = NULL};
    expr_map_open(&w.answers);
    rewrite_nodes(g, visit, &w, false);
    expr_map_close(&w.answers);
}
