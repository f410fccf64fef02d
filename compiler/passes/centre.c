/* centre: a difference from a mean is as good as the data are. In float32 a mean near 1e4 is
 * rounded to 1e-3. Values that lie 0.01 apart are exact, and so are their distances from the
 * rounded mean, but all of these are off by the same amount. The pass therefore takes off two
 * numbers: the rounded mean, and what it has lost, which is the mean of the distances from it.
 *
 * The second number is 0, and is not computed, in a row whose mean is at most 8 deviations from 0.
 * Such rows keep their bits and their time. A sum of squares about a mean is taken anew in the
 * other rows alone.
 *
 * A mean may have weights, sum w x / sum w. Where several means are added and subtracted, as for
 * the rows and columns of a matrix that are centred at once, each is subtracted from a value of its
 * own size.
 *
 * A mean of what sums of products have made, such as the layers of a network, is left as it is.
 * Each entry has been rounded by then, by as much as the mean. */
#include "compiler/passes/mean.h"
#include "compiler/passes/passes.h"
#include "compiler/passes/rewrite.h"

#include <math.h>
#include <string.h>

static const double most_deviations = 8;

/* `sum` is a sum of squares about both numbers of a mean, as the rewritten differences make it.
 * `instead` takes its place. It has the same value, but uses the second number in the rows alone
 * whose mean is far from 0. */
typedef struct Square {
    const GNode *sum;
    GNode *instead;
} Square;

/* The rounding error of a mean, at the opened indices of its sum, and the divisor of the sum. Both
 * are NULL for a sum that is in no mean so far. */
typedef struct Lost {
    const GExpr *count;
    const GExpr *value;
} Lost;

typedef struct Centre {
    const GNode *node; /* the node at hand (rewrite.h) */
    Graph *g;
    Logs logs;
    /* By expression: the rounding error of a mean; NULL: the expression is no mean. */
    ExprMap lost;
    ARRAY(Lost) of_sums; /* by the id of a sum: the rounding error of its mean */
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
    enum {
        UNKNOWN,
        NO,
        YES,
    };
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

/* Returns a read of a new array that holds the value for each result of the sum. */
static const GExpr *map_over(Graph *g, const ComputeSpec *sum, const GExpr *value) {
    ComputeSpec map;
    memset(&map, 0, sizeof map);
    map.out_rank = sum->out_rank;
    memcpy(map.out, sum->out, sizeof map.out);
    map.value = value;
    map.span = sum->span;
    return made(g, &map);
}

static void note_squares(Centre *c, const ComputeSpec *sum, const GExpr *away, const GExpr *lost,
                         GNode *instead) {
    ComputeSpec spec = *sum;
    const GExpr *d = gx2(c->g, G_SUB, away, lost);
    spec.value = gx2(c->g, G_MUL, d, d);
    const Square square = {graph_compute(c->g, &spec), instead};
    array_push(c->g->arena, &c->squares, square);
}

static const GExpr *lost_by(Centre *c, const GExpr *e);

/* Returns the sum of weight * value over the terms of a mean. */
static const GExpr *sum_of(Graph *g, const ComputeSpec *like, const Mean *m, const GExpr *value) {
    ComputeSpec spec = *like;
    spec.value = m->weight ? gx2(g, G_MUL, m->weight, value) : value;
    return made(g, &spec);
}

static const GExpr *square(Graph *g, const GExpr *e) {
    return gx2(g, G_MUL, e, e);
}

/* Returns the rounding error of the mean of the terms, at the results of the sum. Entries that are
 * means themselves have a rounding error of their own. */
static const GExpr *lost_by_mean(Centre *c, const Mean *m) {
    Graph *g = c->g;
    const ComputeSpec *sum = m->sum;
    ComputeSpec spec = *sum;
    spec.name = NULL;
    const GExpr *total = gx_load(g, m->load->tensor, sum->out_rank, sum->out, NULL);
    const GExpr *quotient = gx2(g, G_DIV, total, m->count);
    const GExpr *mean = map_over(g, sum, quotient);
    const GExpr *away = gx2(g, G_SUB, m->entry, mean);
    const GExpr *of_entry = lost_by(c, m->entry);
    if (of_entry) away = gx2(g, G_ADD, away, of_entry);
    const GExpr *plain = sum_of(g, &spec, m, square(g, away));
    const GExpr *deviation = gx1(g, G_SQRT, gx2(g, G_DIV, plain, m->count));
    const GExpr *bound = gx2(g, G_MUL, gx_real(g, most_deviations), deviation);
    const GExpr *is_near = gx2(g, G_LE, gx1(g, G_ABS, mean), bound);
    const GExpr *is_finite = gx2(g, G_LT, plain, gx_real(g, INFINITY));
    const GExpr *is_ordinary = gx2(g, G_AND, is_near, is_finite);
    const GExpr *is_far = map_over(g, sum, gx1(g, G_NOT, is_ordinary));
    spec.active = gx_and(g, spec.active, is_far);
    const GExpr *all_away = sum_of(g, &spec, m, away);
    const GExpr *lost = map_over(g, sum, gx2(g, G_DIV, all_away, m->count));
    if (m->weight || of_entry) return lost;
    const GExpr *centred = gx2(g, G_SUB, away, lost);
    const GExpr *again = sum_of(g, &spec, m, square(g, centred));
    const GExpr *squares = map_over(g, sum, gx_select(g, is_far, again, plain));
    note_squares(c, sum, away, lost, squares->tensor);
    note_squares(c, sum, gx2(g, G_SUB, m->entry, quotient), lost, squares->tensor);
    return lost;
}

/* True if each entry belongs to one result of the sum, so that its formula holds every index of the
 * results. Attention takes weighted sums of the same entries for every result instead: sums over
 * products of all pairs. */
static bool is_entry_of_each_term(const Mean *m) {
    const ComputeSpec *sum = m->sum;
    for (int i = 0; i < sum->out_rank; i++)
        if (!expr_holds_any(m->entry, 1, &sum->out[i])) return false;
    return true;
}

/* True of a mean that stays as it is: its terms have the rounding of sums of products already, or
 * they are products of all pairs. */
static bool is_left_alone(Centre *c, const Mean *m) {
    if (expr_visit(m->entry, find_products, c)) return true;
    return m->weight ? !is_entry_of_each_term(m) || expr_visit(m->weight, find_products, c)
                     : sums_products(m->load->tensor);
}

/* Returns the rounding error of a quotient that is a mean, where it is read. NULL: it is no mean,
 * or stays as it is. */
static const GExpr *lost_by_quotient(Centre *c, const GExpr *quotient) {
    Graph *g = c->g;
    Mean m;
    if (!mean_of(&c->logs, quotient, &m) || is_left_alone(c, &m)) return NULL;
    const uint32_t id = m.load->tensor->id;
    while ((uint32_t)c->of_sums.count <= id)
        array_push(g->arena, &c->of_sums, ((Lost){NULL, NULL}));
    if (!c->of_sums.items[id].count) {
        const Lost lost = {m.count, lost_by_mean(c, &m)};
        c->of_sums.items[id] = lost;
    }
    const Lost *lost = &c->of_sums.items[id];
    /* Of two weighted means of one sum, only the first is corrected. */
    if (lost->count != m.count) return NULL;
    return gx_substitute(g, lost->value, m.sum->out_rank, m.sum->out, m.load->args);
}

/* ---- differences ----------------------------------------------------------------------------- */

static const GExpr *lost_by_choice(Centre *c, const GExpr *e) {
    const GExpr *then = lost_by(c, e->args[1]);
    const GExpr *otherwise = lost_by(c, e->args[2]);
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
    /* A choice gets an array of its own. It may read an array that is a choice itself, as in rounds
     * of k-means, and the formula of the last round would read the arrays of all rounds. */
    if (lost->op != G_LOAD) lost = map_over(c->g, array, lost);
    return gx_substitute(c->g, lost, array->out_rank, array->out, load->args);
}

static const GExpr *find_lost(Centre *c, const GExpr *e) {
    if (e->type != GT_REAL) return NULL;
    if (is_elementwise_read(e)) return lost_by_read(c, e);
    if (e->op == G_SELECT) return lost_by_choice(c, e);
    return e->op == G_DIV ? lost_by_quotient(c, e) : NULL;
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

static const GExpr *centred_difference(Centre *c, const GExpr *a, const GExpr *b,
                                       const GExpr *as_it_is) {
    const GExpr *of_a = lost_by(c, a);
    const GExpr *of_b = lost_by(c, b);
    const GExpr *e = as_it_is;
    if (of_b) e = gx2(c->g, G_SUB, e, of_b);
    return of_a ? gx2(c->g, G_ADD, e, of_a) : e;
}

static const GExpr *visit_difference(void *context, Graph *g, const GExpr *e) {
    (void)g;
    if (e->type != GT_REAL) return e;
    if (e->op == G_SUB) return centred_difference(context, e->args[0], e->args[1], e);
    if (e->op != G_ADD) return e;
    for (int side = 0; side < 2; side++) {
        const GExpr *negative = e->args[side];
        if (negative->op == G_NEG)
            return centred_difference(context, e->args[1 - side], negative->args[0], e);
    }
    return e;
}

/* ---- sums of several means ------------------------------------------------------------------- */

/* x - r - c + m, with the means r and c of a row and a column and the mean m of all, is right to
 * all digits as (m - r) + (x - c), where each large value is subtracted from a large one. From left
 * to right c would be taken from the small difference x - r. */

enum { MOST_ADDENDS = 8 };

typedef struct Addends {
    const GExpr *items[MOST_ADDENDS];
    bool is_negative[MOST_ADDENDS];
    int count;
} Addends;

/* Collects the addends of a sum, with their signs. Returns false if there are more than fit. */
static bool collect(const GExpr *e, bool is_negative, Addends *a) {
    if (e->op == G_ADD || e->op == G_SUB)
        return collect(e->args[0], is_negative, a) &&
               collect(e->args[1], is_negative != (e->op == G_SUB), a);
    if (e->op == G_NEG) return collect(e->args[0], !is_negative, a);
    if (a->count == MOST_ADDENDS) return false;
    a->is_negative[a->count] = is_negative;
    a->items[a->count++] = e;
    return true;
}

/* Returns the place of an addend that has the sign and is still there, or -1. With `is_mean`, only
 * means are looked at. */
static int place_of_addend(Centre *c, const Addends *a, bool is_negative, bool is_mean) {
    for (int i = 0; i < a->count; i++) {
        const GExpr *e = a->items[i];
        if (e && a->is_negative[i] == is_negative && (!is_mean || lost_by(c, e))) return i;
    }
    return -1;
}

/* Subtracts a negative addend from a positive one, as long as there are both, and returns the sum
 * with these differences added. */
static const GExpr *add_pairs(Centre *c, Addends *a, bool are_means, const GExpr *sum) {
    for (;;) {
        const int more = place_of_addend(c, a, false, are_means);
        const int less = more < 0 ? -1 : place_of_addend(c, a, true, are_means);
        if (less < 0) return sum;
        const GExpr *pair = gx2(c->g, G_SUB, a->items[more], a->items[less]);
        sum = sum ? gx2(c->g, G_ADD, sum, pair) : pair;
        a->items[more] = a->items[less] = NULL;
    }
}

/* Returns the sum, in which means are subtracted from means, and other addends from other addends.
 * NULL: there are no two means to subtract. */
static const GExpr *in_pairs(Centre *c, Addends *a) {
    const GExpr *sum = add_pairs(c, a, true, NULL);
    if (!sum) return NULL;
    sum = add_pairs(c, a, false, sum);
    for (int i = 0; i < a->count; i++)
        if (a->items[i]) sum = gx2(c->g, a->is_negative[i] ? G_SUB : G_ADD, sum, a->items[i]);
    return sum;
}

static const GExpr *visit_addends(void *context, Graph *g, const GExpr *e) {
    Addends a = {.count = 0};
    (void)g;
    if ((e->op != G_ADD && e->op != G_SUB) || e->type != GT_REAL) return e;
    if (!collect(e, false, &a) || a.count < 3) return e;
    const GExpr *sum = in_pairs(context, &a);
    return sum ? sum : e;
}

static bool is_in_pairs(const void *context, const GExpr *e) {
    Centre *c = (Centre *)(uintptr_t)context;
    return visit_addends(c, c->g, e) != e;
}

/* True if some node has a sum of several means. Mostly none has, and the nodes need not be made
 * anew. */
static bool has_sums_of_means(Centre *c) {
    const int count = c->g->nodes.count;
    for (int i = 0; i < count; i++) {
        const GNode *n = c->g->nodes.items[i];
        if (n->value && expr_any(n->value, is_in_pairs, c)) return true;
    }
    return false;
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
    const int count = g->nodes.count;
    logs_open(&c.logs, g);
    expr_map_open(&c.lost);
    if (has_sums_of_means(&c)) {
        rewrite_nodes(g, visit_addends, &c, false);
    }
    rewrite_nodes(g, visit_difference, &c, false);
    if (c.squares.count) rewrite_each_in(g, choose_squares, &c);
    if (g->nodes.count != count) graph_prune(g);
    expr_map_close(&c.lost);
}
