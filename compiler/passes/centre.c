/* centre: a difference from a mean is as good as the data are. In float32 a mean near 1e4 is
 * rounded to 1e-3. Values that lie 0.01 apart are exact, and so are their distances from the
 * rounded mean, but all of these are off by the same amount. The pass therefore takes off two
 * numbers: the rounded mean, and what it has lost, which is the mean of the distances from it.
 *
 * The second number is 0, and is not computed, in a row whose mean is at most 8 deviations from 0.
 * Such rows keep their bits and their time. A sum of squares about a mean is taken anew in the
 * other rows alone.
 *
 * A mean of what sums of products have made, such as the layers of a network, is left as it is.
 * Each entry has been rounded by then, by as much as the mean. */
#include "compiler/passes/logform.h"
#include "compiler/passes/passes.h"
#include "compiler/passes/rewrite.h"

#include <math.h>
#include <string.h>

static const double most_deviations = 8;

/* A sum of squares about a mean, with what the mean has lost taken off, and the node that stands
 * for the sum. */
typedef struct Square {
    const GNode *sum;
    GNode *instead;
} Square;

typedef struct Centre {
    const GNode *node; /* the node at hand (rewrite.h) */
    Graph *g;
    Logs logs;
    /* By expression: the rounding error of a mean; NULL: the expression is no mean. */
    ExprMap lost;
    /* By the id of a sum: the rounding error of its mean, at the opened indices. */
    ARRAY(const GExpr *) of_sums;
    ARRAY(Square) squares;
    ARRAY(char) of_products; /* by the id of a node: the answer of is_of_products */
} Centre;

/* ---- entries that were rounded before -------------------------------------------------------- */

static bool is_product_of_reads(const void *context, const GExpr *e) {
    (void)context;
    return e->op == G_MUL && expr_reads(e->args[0]) && expr_reads(e->args[1]);
}

static bool sums_products(const GNode *n) {
    return n->reducer == GR_SUM && expr_any(n->value, is_product_of_reads, NULL);
}

static bool is_of_products(Centre *c, const GNode *n);

static VisitStep find_products(void *centre, const GExpr *e) {
    const bool ends = e->op == G_LOAD && e->type == GT_REAL && is_of_products(centre, e->tensor);
    return ends ? VISIT_END : VISIT_INSIDE;
}

static bool finds_products(Centre *c, const GNode *n) {
    if (n->operand) return is_of_products(c, n->operand);
    for (int i = 0; i < n->operand_count; i++)
        if (is_of_products(c, n->operands[i])) return true;
    if (n->kind != GN_COMPUTE) return false;
    return sums_products(n) || expr_visit(n->value, find_products, c);
}

/* True if a sum of products is among what the node is made of. */
static bool is_of_products(Centre *c, const GNode *n) {
    enum { UNKNOWN, NO, YES };
    while ((uint32_t)c->of_products.count <= n->id)
        array_push(c->g->arena, &c->of_products, UNKNOWN);
    if (c->of_products.items[n->id] == UNKNOWN) {
        const char found = finds_products(c, n) ? YES : NO;
        c->of_products.items[n->id] = found;
    }
    return c->of_products.items[n->id] == YES;
}

/* ---- the mean of a sum's terms --------------------------------------------------------------- */

static const GExpr *made(Graph *g, const ComputeSpec *spec) {
    return gx_load(g, graph_compute(g, spec), spec->out_rank, spec->out, NULL);
}

/* A value for each result of the sum. */
static const GExpr *map_over(Graph *g, const ComputeSpec *sum, const GExpr *value) {
    ComputeSpec map;
    memset(&map, 0, sizeof map);
    map.out_rank = sum->out_rank;
    memcpy(map.out, sum->out, sizeof map.out);
    map.value = value;
    map.span = sum->span;
    return made(g, &map);
}

static bool is_one(const GExpr *e) {
    if (e->op != G_CONST) return false;
    return e->type == GT_REAL ? e->real == 1 : e->type == GT_INT && e->integer == 1;
}

/* True of a read of the sum of ones under the guard of the sum, at the results that the guard
 * depends on. */
static bool counts_under_guard(Graph *g, const ComputeSpec *sum, const GExpr *count) {
    if (count->op == G_TO_REAL) count = count->args[0];
    if (count->op != G_LOAD || count->has_else || count->tensor->kind != GN_COMPUTE) return false;
    const GNode *n = count->tensor;
    if (n->reducer != GR_SUM || !is_one(n->value) || n->active) return false;
    ComputeSpec ones = *sum;
    ones.name = NULL;
    ones.value = n->value;
    ones.empty_is_error = n->empty_is_error;
    ones.out_rank = 0;
    for (int i = 0; i < sum->out_rank; i++)
        if (expr_holds_any(sum->guard, 1, &sum->out[i])) ones.out[ones.out_rank++] = sum->out[i];
    if (graph_compute(g, &ones) != n) return false;
    for (int i = 0; i < n->rank; i++)
        if (count->args[i] != ones.out[i]) return false;
    return true;
}

/* Returns the count at the results of the sum, for a count at the indices of a read of the sum.
 * NULL: the count is not the number of the sum's terms. */
static const GExpr *count_of_terms(Graph *g, const ComputeSpec *sum, const GExpr *load,
                                   const GExpr *count) {
    double terms = 1;
    for (int i = 0; i < sum->red_rank; i++)
        terms *= (double)graph_index_extent(g, sum->red[i]);
    if (!sum->guard) return count->op == G_CONST && count->real == terms ? count : NULL;
    for (int i = 0; i < sum->out_rank; i++)
        if (load->args[i]->op != G_INDEX) return NULL;
    count = gx_substitute(g, count, sum->out_rank, load->args, sum->out);
    return counts_under_guard(g, sum, count) ? count : NULL;
}

static void note_squares(Centre *c, const ComputeSpec *sum, const GExpr *away, const GExpr *lost,
                         GNode *instead) {
    ComputeSpec spec = *sum;
    const GExpr *d = gx2(c->g, G_SUB, away, lost);
    spec.value = gx2(c->g, G_MUL, d, d);
    const Square square = {graph_compute(c->g, &spec), instead};
    array_push(c->g->arena, &c->squares, square);
}

/* Returns the rounding error of the mean of the terms, at the results of the sum. */
static const GExpr *lost_by_mean(Centre *c, const ComputeSpec *sum, const GExpr *total,
                                 const GExpr *count) {
    Graph *g = c->g;
    ComputeSpec spec = *sum;
    spec.name = NULL;
    const GExpr *quotient = gx2(g, G_DIV, total, count), *mean = map_over(g, sum, quotient);
    const GExpr *away = gx2(g, G_SUB, sum->value, mean);
    spec.value = gx2(g, G_MUL, away, away);
    const GExpr *plain = made(g, &spec);
    const GExpr *deviation = gx1(g, G_SQRT, gx2(g, G_DIV, plain, count));
    const GExpr *bound = gx2(g, G_MUL, gx_real(g, most_deviations), deviation);
    const GExpr *is_ordinary = gx2(g, G_AND, gx2(g, G_LE, gx1(g, G_ABS, mean), bound),
                                   gx2(g, G_LT, plain, gx_real(g, INFINITY)));
    const GExpr *is_far = map_over(g, sum, gx1(g, G_NOT, is_ordinary));
    spec.active = gx_and(g, spec.active, is_far);
    spec.value = away;
    const GExpr *lost = map_over(g, sum, gx2(g, G_DIV, made(g, &spec), count));
    const GExpr *d = gx2(g, G_SUB, away, lost);
    spec.value = gx2(g, G_MUL, d, d);
    const GExpr *squares = map_over(g, sum, gx_select(g, is_far, made(g, &spec), plain));
    note_squares(c, sum, away, lost, squares->tensor);
    note_squares(c, sum, gx2(g, G_SUB, sum->value, quotient), lost, squares->tensor);
    return lost;
}

static bool is_sum(const GExpr *e) {
    return e->op == G_LOAD && !e->has_else && e->type == GT_REAL && e->tensor->kind == GN_COMPUTE &&
           e->tensor->reducer == GR_SUM && !e->tensor->streamed;
}

static const GExpr *lost_by_quotient(Centre *c, const GExpr *load, const GExpr *count) {
    Graph *g = c->g;
    const uint32_t id = load->tensor->id;
    const ComputeSpec *sum = logs_opened(&c->logs, load->tensor);
    count = count_of_terms(g, sum, load, count);
    if (!count || expr_visit(sum->value, find_products, c) || sums_products(load->tensor))
        return NULL;
    while ((uint32_t)c->of_sums.count <= id)
        array_push(g->arena, &c->of_sums, NULL);
    if (!c->of_sums.items[id]) {
        const GExpr *total = gx_load(g, load->tensor, sum->out_rank, sum->out, NULL);
        const GExpr *lost = lost_by_mean(c, sum, total, count);
        c->of_sums.items[id] = lost;
    }
    return gx_substitute(g, c->of_sums.items[id], sum->out_rank, sum->out, load->args);
}

/* ---- differences ----------------------------------------------------------------------------- */

static const GExpr *lost_by(Centre *c, const GExpr *e);

static const GExpr *lost_by_choice(Centre *c, const GExpr *e) {
    const GExpr *then = lost_by(c, e->args[1]), *otherwise = lost_by(c, e->args[2]);
    const GExpr *zero = gx_real(c->g, 0);
    if (!then && !otherwise) return NULL;
    return gx_select(c->g, e->args[0], then ? then : zero, otherwise ? otherwise : zero);
}

static bool is_elementwise_read(const GExpr *e) {
    return e->op == G_LOAD && !e->has_else && e->tensor->kind == GN_COMPUTE &&
           e->tensor->reducer == GR_NONE && !e->tensor->active;
}

/* Returns the rounding error of a read of an array of means, at any place. */
static const GExpr *lost_by_read(Centre *c, const GExpr *load) {
    const ComputeSpec *array = logs_opened(&c->logs, load->tensor);
    const GExpr *lost = lost_by(c, array->value);
    if (!lost) return NULL;
    /* The choice gets an array of its own. It may be of an array that is a choice itself, as in
     * rounds of k-means, and the formula of the last round would read the arrays of all. */
    if (lost->op != G_LOAD) lost = map_over(c->g, array, lost);
    return gx_substitute(c->g, lost, array->out_rank, array->out, load->args);
}

static const GExpr *find_lost(Centre *c, const GExpr *e) {
    if (e->type != GT_REAL) return NULL;
    if (is_elementwise_read(e)) return lost_by_read(c, e);
    if (e->op == G_SELECT) return lost_by_choice(c, e);
    if (e->op != G_DIV || !is_sum(e->args[0])) return NULL;
    return lost_by_quotient(c, e->args[0], e->args[1]);
}

/* Returns the rounding error of a mean, or of a choice between means. NULL: the value is something
 * else. */
static const GExpr *lost_by(Centre *c, const GExpr *e) {
    const ExprValue *known = expr_map_find(&c->lost, e);
    if (known) return known->pointer;
    const GExpr *lost = find_lost(c, e);
    expr_map_set(&c->lost, e, (ExprValue){.pointer = lost});
    return lost;
}

static const GExpr *difference(Centre *c, const GExpr *a, const GExpr *b, const GExpr *as_it_is) {
    const GExpr *of_a = lost_by(c, a), *of_b = lost_by(c, b), *e = as_it_is;
    if (of_b) e = gx2(c->g, G_SUB, e, of_b);
    return of_a ? gx2(c->g, G_ADD, e, of_a) : e;
}

static const GExpr *visit_difference(void *context, Graph *g, const GExpr *e) {
    (void)g;
    if (e->type != GT_REAL) return e;
    if (e->op == G_SUB) return difference(context, e->args[0], e->args[1], e);
    if (e->op != G_ADD) return e;
    for (int side = 0; side < 2; side++) {
        const GExpr *negative = e->args[side];
        if (negative->op == G_NEG)
            return difference(context, e->args[1 - side], negative->args[0], e);
    }
    return e;
}

static GNode *choose_squares(void *context, Graph *g, GNode *node) {
    const Centre *c = context;
    (void)g;
    for (int i = 0; i < c->squares.count; i++)
        if (node == c->squares.items[i].sum) return c->squares.items[i].instead;
    return node;
}

void pass_centre(Graph *g) {
    Centre c = {.g = g};
    logs_open(&c.logs, g);
    expr_map_open(&c.lost);
    rewrite_nodes(g, visit_difference, &c, false);
    if (c.squares.count) {
        rewrite_each_in(g, choose_squares, &c);
        graph_prune(g);
    }
    expr_map_close(&c.lost);
}
