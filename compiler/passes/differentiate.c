/* differentiate: the reverse-mode derivative of a graph. There is one rule. For a compute node y[o]
 * = R over r of e(o, r), each load T[f(o, r)] in e gets
 *
 *     dT[m] += sum over (o, r) with f(o, r) = m of  gy[o] * weight of the reducer * de/dload
 *
 * which is again a compute node over m. An equation f_k(o, r) = m_k is solved for an index where it
 * can be (solve.c), and the index disappears from the sum. An equation that depends on data stays
 * as a guard EQ(f_k, m_k), which a back end does by counting sort (plan/bucket.h). Contributions
 * are added in the source order of the consumers, so there is one result and there are no
 * atomics. */
#include "compiler/graph/visit.h"
#include "compiler/passes/derivative.h"
#include "compiler/passes/passes.h"
#include "compiler/passes/solve.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

typedef struct Adjoint {
    ARRAY(GNode *) parts; /* the parts of the gradient, beginning with that of the last consumer */
    bool needed;
} Adjoint;

typedef struct Pass {
    Graph *g;
    Adjoint *of; /* by position in the list of nodes at the start */
    int count;
    /* By the id of a node: its position in that list + 1, or 0. Nodes of the gradient have larger
     * ids than the table. */
    int *places;
    uint32_t ids;
} Pass;

/* ---- one node -------------------------------------------------------------------------------- */

typedef struct RealLoads {
    Graph *g;
    ARRAY(const GExpr *) items;
} RealLoads;

static VisitStep note_load(void *context, const GExpr *e) {
    RealLoads *loads = context;
    if (e->op != G_LOAD) return VISIT_INSIDE;
    if (e->type == GT_REAL) array_push(loads->g->arena, &loads->items, e);
    /* Subscripts are ints and have no slope; an `else` may have one. */
    return e->has_else ? VISIT_INSIDE : VISIT_PAST;
}

/* Returns the real loads of an expression, each once, in the order in which they occur. */
static RealLoads real_loads(Graph *g, const GExpr *e) {
    RealLoads loads = {.g = g};
    expr_visit(e, note_load, &loads);
    return loads;
}

static int position_of(const Pass *p, const GNode *node) {
    return node->id < p->ids ? p->places[node->id] - 1 : -1;
}

static const GExpr *flat_position(Graph *g, const ComputeSpec *y) {
    const GExpr *flat = gx_int(g, 0);
    for (int i = 0; i < y->red_rank; i++)
        flat = gx2(g, G_ADD, gx2(g, G_MUL, flat, gx_int(g, graph_index_extent(g, y->red[i]))),
                   y->red[i]);
    return flat;
}

/* Returns a condition that holds at every place of the reduced space but `at`. */
static const GExpr *is_elsewhere(Graph *g, const ComputeSpec *y, const GExpr *const *at) {
    const GExpr *same = NULL;
    for (int i = 0; i < y->red_rank; i++)
        same = gx_and(g, same, gx2(g, G_EQ, y->red[i], at[i]));
    return gx1(g, G_NOT, same);
}

/* Returns the product of all terms but the one at hand, read from an array with the axes of the
 * result and one more axis for all reduced indices together. To divide the whole product by the
 * term would take less work, and would be wrong where the term is 0. */
static const GExpr *product_of_others(Graph *g, const ComputeSpec *y) {
    ComputeSpec others = *y;
    int64_t places = 1;
    for (int i = 0; i < y->red_rank; i++)
        places *= graph_index_extent(g, y->red[i]);
    const GExpr *place = graph_fresh_index(g, places);
    const GExpr *rest = place;
    const GExpr *at[GRAPH_MAX_RANK];
    const GExpr *read[GRAPH_MAX_RANK];
    for (int i = y->red_rank - 1; i >= 0; i--) {
        const GExpr *extent = gx_int(g, graph_index_extent(g, y->red[i]));
        at[i] = i ? gx2(g, G_MOD, rest, extent) : rest;
        rest = i ? gx2(g, G_FLOORDIV, rest, extent) : rest;
    }
    others.guard = gx_and(g, y->guard, is_elsewhere(g, y, at));
    memcpy(read, y->out, sizeof *read * (size_t)y->out_rank);
    read[y->out_rank] = flat_position(g, y);
    others.out[others.out_rank++] = place;
    return gx_load(g, graph_compute(g, &others), others.out_rank, read, NULL);
}

/* Returns the gradient that arrives at one term: `gradient` times the effect of the term on y[o].
 * That effect is 1 in a sum, the softmax weight in a log-sum-exp, the product of the other terms in
 * a product, and 1 for the winner of an extremum. *condition says of which terms this holds; it is
 * left alone if it holds of all. */
static const GExpr *reducer_weight(Graph *g, GNode *node, const ComputeSpec *y,
                                   const GExpr *gradient, const GExpr **condition) {
    const GExpr *result = gx_load(g, node, y->out_rank, y->out, NULL);
    switch (node->reducer) {
    case GR_LSE: {
        const GExpr *weight = gx1(g, G_EXP, gx2(g, G_SUB, y->value, result));
        /* A term of -inf has weight 0, even in a row of nothing else. */
        *condition = gx1(g, G_IS_FINITE, y->value);
        return gx2(g, G_MUL, gradient, weight);
    }
    case GR_MAX:
    case GR_MIN: {
        ComputeSpec winner = *y;
        winner.reducer = node->reducer == GR_MAX ? GR_ARGMAX : GR_ARGMIN;
        GNode *at = graph_compute(g, &winner);
        *condition = gx2(g, G_EQ, flat_position(g, y), gx_load(g, at, y->out_rank, y->out, NULL));
        return gradient;
    }
    case GR_PROD:
        /* The product of the others may be infinite where the gradient is 0, as behind a log that
         * is taken factor by factor. Such a term is left out. */
        *condition = gx2(g, G_NE, gradient, gx_real(g, 0));
        return gx2(g, G_MUL, gradient, product_of_others(g, y));
    case GR_NONE:
    case GR_SUM:
    case GR_ARGMAX:
    case GR_ARGMIN:
    case GR_ANY:
    case GR_ALL:
    case GR_LSE_REST:
    case GRAPH_REDUCERS:
        break;
    }
    return gradient;
}

/* ---- where a read is reached ----------------------------------------------------------------- */

typedef struct Reach {
    Graph *g;
    const GExpr *load;
    ExprMap known;
} Reach;

static const GExpr *either(Graph *g, const GExpr *a, const GExpr *b) {
    if (!a || !b) return a ? a : b;
    return gx2(g, G_OR, a, b);
}

static const GExpr *slope_condition(Reach *r, const GExpr *e);

static const GExpr *reach_new(Reach *r, const GExpr *e) {
    Graph *g = r->g;
    const GExpr *found = NULL;
    if (e == r->load) return gx_bool(g, true);
    /* Subscripts are ints and have no slope. */
    if (e->op == G_LOAD && !e->has_else) return NULL;
    if (e->op == G_LOAD) {
        found = slope_condition(r, e->args[e->arg_count - 1]);
        return found ? gx_and(g, gx1(g, G_NOT, derivative_read_is_inside(g, e)), found) : NULL;
    }
    if (e->op == G_SELECT) {
        const GExpr *then = slope_condition(r, e->args[1]);
        const GExpr *otherwise = slope_condition(r, e->args[2]);
        if (then) found = gx_and(g, e->args[0], then);
        if (otherwise) found = either(g, found, gx_and(g, gx1(g, G_NOT, e->args[0]), otherwise));
        return found;
    }
    for (int i = 0; i < e->arg_count; i++)
        found = either(g, found, slope_condition(r, e->args[i]));
    return found;
}

/* Returns the condition under which the value of `e` has a slope by the read, or NULL if it never
 * has. */
static const GExpr *slope_condition(Reach *r, const GExpr *e) {
    const ExprValue *known = expr_map_find(&r->known, e);
    if (known) return known->pointer;
    const GExpr *found = reach_new(r, e);
    expr_map_set(&r->known, e, (ExprValue){.pointer = found});
    return found;
}

/* True of an expression that may stop the run: a read of a place that the data decide, a real made
 * whole, or arithmetic with a check. */
static bool may_stop(const void *context, const GExpr *e) {
    Graph *g = *(Graph *const *)context;
    if (e->op == G_TO_INT || gx_may_wrap(g, e, NULL)) return true;
    for (int i = 0; e->op == G_LOAD && !e->has_else && i < e->tensor->rank; i++)
        if (gx_inside(g, e->args[i], e->tensor->shape[i])) return true;
    return false;
}

/* Lists the subscripts of a read. They must not stop a run where the read is not made, so they are
 * -1 there, which is no place. `guard` is the condition of the read. */
static void subscripts_of(Graph *g, const ComputeSpec *y, const GExpr *load, const GExpr *guard,
                          const GExpr **out) {
    bool stops[GRAPH_MAX_RANK];
    bool any = false;
    for (int k = 0; k < load->tensor->rank; k++) {
        out[k] = load->args[k];
        stops[k] = expr_any(load->args[k], may_stop, &g);
        any |= stops[k];
    }
    if (!any) return;
    Reach r = {.g = g, .load = load};
    expr_map_open(&r.known);
    const GExpr *reach = slope_condition(&r, y->value);
    const GExpr *made = reach ? gx_and(g, guard, reach) : guard;
    expr_map_close(&r.known);
    for (int k = 0; made && k < load->tensor->rank; k++)
        if (stops[k]) out[k] = gx_select(g, made, load->args[k], gx_int(g, -1));
}

/* Returns a part of the gradient of the array that `load`, a read in y.value, reads. NULL: it is
 * 0. */
static GNode *adjoint_of_load(Graph *g, GNode *node, const ComputeSpec *y, GNode *gradient,
                              const GExpr *load) {
    g->place = node->value->place;
    const GExpr *slope = derivative_by_load(g, y->value, load);
    if (!slope) return NULL;
    const GExpr *condition = NULL, *arriving = gx_load(g, gradient, y->out_rank, y->out, NULL);
    const GExpr *weight = reducer_weight(g, node, y, arriving, &condition);
    const GExpr *value = gx2(g, G_MUL, weight, slope);
    const GExpr *guard = gx_and(g, gx_and(g, y->active, y->guard), condition);
    GNode *tensor = load->tensor;
    Solver s;
    memset(&s, 0, sizeof s);
    s.g = g;
    for (int i = 0; i < y->out_rank; i++)
        s.index[s.count++] = y->out[i];
    for (int i = 0; i < y->red_rank; i++)
        s.index[s.count++] = y->red[i];
    ComputeSpec adjoint;
    memset(&adjoint, 0, sizeof adjoint);
    for (int k = 0; k < tensor->rank; k++) {
        const GExpr *at = load->args[k];
        adjoint.out[k] = graph_named_index(g, tensor->shape[k],
                                           at->op == G_INDEX ? graph_index_name(g, at) : NULL);
    }
    const GExpr *subscripts[GRAPH_MAX_RANK];
    subscripts_of(g, y, load, gx_and(g, y->active, y->guard), subscripts);
    solve(&s, subscripts, adjoint.out, tensor->rank);
    adjoint.out_rank = tensor->rank;
    adjoint.value = solver_apply(&s, value);
    adjoint.guard = gx_and(g, s.guard, guard ? solver_apply(&s, guard) : NULL);
    for (int i = 0; i < s.count; i++)
        if (!s.solved[i]) adjoint.red[adjoint.red_rank++] = s.index[i];
    adjoint.reducer = adjoint.red_rank ? GR_SUM : GR_NONE;
    if (!adjoint.red_rank && adjoint.guard) {
        adjoint.value = gx_select(g, adjoint.guard, adjoint.value, gx_real(g, 0));
        adjoint.guard = NULL;
    }
    adjoint.span = node->span;
    return graph_compute(g, &adjoint);
}

/* Returns first + parts[count - 1] + ... + parts[0]; `first` may be NULL. */
static GNode *add_parts(Graph *g, GNode *first, GNode *const *parts, int count) {
    ComputeSpec sum;
    memset(&sum, 0, sizeof sum);
    sum.out_rank = parts[0]->rank;
    for (int i = 0; i < sum.out_rank; i++)
        sum.out[i] = graph_fresh_index(g, parts[0]->shape[i]);
    if (first) {
        sum.value = gx_load(g, first, sum.out_rank, sum.out, NULL);
    }
    for (int i = count - 1; i >= 0; i--) {
        const GExpr *part = gx_load(g, parts[i], sum.out_rank, sum.out, NULL);
        sum.value = sum.value ? gx2(g, G_ADD, sum.value, part) : part;
    }
    sum.span = parts[count - 1]->span;
    return graph_compute(g, &sum);
}

/* Adds the parts, which were collected from the last consumer to the first. A few are added at a
 * time, since a kernel reads only so many arrays. */
static GNode *sum_of(Graph *g, GNode *const *parts, int count) {
    enum { AT_ONCE = 16 };
    if (count == 1) return parts[0];
    GNode *sum = NULL;
    for (int left = count; left > 0;) {
        int some = left < AT_ONCE ? left : AT_ONCE;
        left -= some;
        sum = add_parts(g, sum, parts + left, some);
    }
    return sum;
}

/* Adds what the node sends back to each array that it reads, if a gradient is wanted there. */
static void differentiate_node(Pass *p, GNode *node, GNode *gradient) {
    Graph *g = p->g;
    ComputeSpec y;
    graph_open(g, node, &y);
    const RealLoads loads = real_loads(g, y.value);
    for (int i = loads.items.count - 1; i >= 0; i--) {
        const GExpr *load = loads.items.items[i];
        int at = position_of(p, load->tensor);
        if (at < 0 || !p->of[at].needed) continue;
        GNode *part = adjoint_of_load(g, node, &y, gradient, load);
        if (part) array_push(g->arena, &p->of[at].parts, part);
    }
}

/* Differentiates x = solve(a, b): b gets solve(a transposed, gradient), and a its negated outer
 * product with x. */
static void differentiate_solve(Pass *p, GNode *node, GNode *gradient) {
    Graph *g = p->g;
    GNode *a = node->operands[0];
    const GExpr *at[GRAPH_MAX_RANK];
    const GExpr *row[GRAPH_MAX_RANK];
    const GExpr *column[GRAPH_MAX_RANK];
    ComputeSpec spec;
    memset(&spec, 0, sizeof spec);
    int last = a->rank - 1;
    for (int i = 0; i <= last; i++)
        spec.out[i] = at[i] = graph_fresh_index(g, a->shape[i]);
    spec.out_rank = a->rank;
    spec.span = node->span;
    memcpy(row, at, sizeof row);
    memcpy(column, at, sizeof column);
    column[last - 1] = at[last];
    at[last - 1] = spec.out[last], at[last] = spec.out[last - 1];
    spec.value = gx_load(g, a, a->rank, at, NULL);
    GNode *operands[2] = {graph_compute(g, &spec), gradient};
    GNode *of_b = graph_call(g, COUPLET_CALL_SOLVE, operands, 0, node->span);
    spec.value =
        gx1(g, G_NEG,
            gx2(g, G_MUL, gx_load(g, of_b, last, row, NULL), gx_load(g, node, last, column, NULL)));
    GNode *of_a = graph_compute(g, &spec);
    GNode *parts[2] = {of_a, of_b};
    for (int i = 1; i >= 0; i--) {
        int k = position_of(p, node->operands[i]);
        if (k >= 0 && p->of[k].needed) {
            array_push(g->arena, &p->of[k].parts, parts[i]);
        }
    }
}

/* True if a gradient goes through a library call. Only solve has a derivative: positions have none,
 * and draws are constants. */
static bool call_needed(const Pass *p, const GNode *node) {
    bool needed = false;
    for (int i = 0; node->call == COUPLET_CALL_SOLVE && i < node->operand_count; i++) {
        int at = position_of(p, node->operands[i]);
        needed |= at >= 0 && p->of[at].needed;
    }
    return needed;
}

static VisitStep is_needed_read(void *context, const GExpr *e) {
    const Pass *p = context;
    if (e->op != G_LOAD) return VISIT_INSIDE;
    int at = position_of(p, e->tensor);
    if (at >= 0 && e->type == GT_REAL && p->of[at].needed) return VISIT_END;
    return e->has_else && expr_visit(e->args[e->arg_count - 1], is_needed_read, context)
               ? VISIT_END
               : VISIT_PAST;
}

/* Notes the nodes that a gradient goes through on its way to one of the nodes `wrt`. */
static void note_needed(Pass *p, GNode *const *nodes, GNode *const *wrt, int count) {
    for (int i = 0; i < count; i++) {
        int at = position_of(p, wrt[i]);
        if (at >= 0) p->of[at].needed = true;
    }
    for (int i = 0; i < p->count; i++) {
        if (nodes[i]->kind == GN_COMPUTE && nodes[i]->type == GT_REAL)
            p->of[i].needed |= expr_visit(nodes[i]->value, is_needed_read, p);
        else if (nodes[i]->kind == GN_CALL)
            p->of[i].needed = call_needed(p, nodes[i]);
    }
}

void pass_differentiate(Graph *g, GNode *loss, GNode *const *wrt, int count, GNode **grads) {
    assert(loss->rank == 0 && loss->type == GT_REAL && count >= 0);
    Pass pass = {.g = g, .count = g->nodes.count, .ids = graph_node_ids(g)};
    pass.of = arena_array(g->arena, Adjoint, g->nodes.count + 1);
    pass.places = arena_array(g->arena, int, pass.ids);
    GNode **nodes = arena_array(g->arena, GNode *, g->nodes.count + 1);
    for (int i = 0; i < pass.count; i++) {
        nodes[i] = g->nodes.items[i];
        pass.places[nodes[i]->id] = i + 1;
    }
    note_needed(&pass, nodes, wrt, count);
    int root = position_of(&pass, loss);
    if (root >= 0) {
        ComputeSpec one;
        memset(&one, 0, sizeof one);
        one.value = gx_real(g, 1);
        one.span = loss->span;
        GNode *start = graph_compute(g, &one);
        array_push(g->arena, &pass.of[root].parts, start);
    }
    for (int i = root; i >= 0; i--) {
        Adjoint *a = &pass.of[i];
        if (!a->needed || a->parts.count == 0) continue;
        GNode *gradient = sum_of(g, a->parts.items, a->parts.count);
        a->parts.items[0] = gradient;
        a->parts.count = 1;
        if (nodes[i]->kind == GN_COMPUTE) differentiate_node(&pass, nodes[i], gradient);
        if (nodes[i]->kind == GN_CALL) differentiate_solve(&pass, nodes[i], gradient);
    }
    for (int i = 0; i < count; i++) {
        int at = position_of(&pass, wrt[i]);
        grads[i] = at >= 0 && pass.of[at].parts.count ? pass.of[at].parts.items[0] : NULL;
    }
}
