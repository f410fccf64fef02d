/* Reverse-mode derivative of a graph. There is one rule: for a compute node y[o] = R over r of e(o, r), each load T[f(o, r)] in e gets
 *     dT[m] += sum over (o, r) with f(o, r) = m of  gy[o] * weight of the reducer * de/dload,
 * which is again a compute node over m. Equations f_k(o, r) = m_k are solved for an index where they can be (a plain or shifted index,
 * a rotation modulo its extent), and the index disappears from the sum; what cannot be solved stays as a guard EQ(f_k, m_k), which a back
 * end does by counting sort. Contributions are added in source order of the consumers: no atomics, one result. */
#include "compiler/passes/derivative.h"
#include "compiler/passes/passes.h"

#include <stdlib.h>
#include <string.h>

typedef struct Adjoint {
    ARRAY(GNode *) parts; /* collected last consumer first */
    bool needed;
} Adjoint;

typedef struct Pass {
    Graph *g;
    Adjoint *of; /* by position in the node list at the start */
    int count;
} Pass;

/* ---- solving f(o, r) = m ----------------------------------------------------------------------------- */

typedef struct Solver {
    Graph *g;
    int count;
    const GExpr *index[2 * GRAPH_MAX_RANK];  /* the node's indices, fresh */
    const GExpr *solved[2 * GRAPH_MAX_RANK]; /* in terms of m and unsolved indices, or NULL */
    const GExpr *guard;
} Solver;

/* expr = factor * index + rest, affine in the index; false otherwise. */
static bool split_affine(Graph *g, const GExpr *e, const GExpr *index, int64_t *factor, const GExpr **rest) {
    int64_t f0, f1;
    const GExpr *r0, *r1;
    *factor = 0;
    *rest = e;
    if (e == index) {
        *factor = 1;
        *rest = gx_int(g, 0);
        return true;
    }
    if (e->op == G_ADD || e->op == G_SUB) {
        if (!split_affine(g, e->args[0], index, &f0, &r0) || !split_affine(g, e->args[1], index, &f1, &r1)) return false;
        *factor = e->op == G_ADD ? f0 + f1 : f0 - f1;
        *rest = gx2(g, e->op, r0, r1);
        return true;
    }
    if (e->op == G_MUL && e->args[1]->op == G_CONST) {
        if (!split_affine(g, e->args[0], index, &f0, &r0)) return false;
        *factor = f0 * e->args[1]->integer;
        *rest = gx2(g, G_MUL, r0, e->args[1]);
        return true;
    }
    if (e->op == G_NEG) {
        if (!split_affine(g, e->args[0], index, &f0, &r0)) return false;
        *factor = -f0;
        *rest = gx1(g, G_NEG, r0);
        return true;
    }
    const GExpr *found[GRAPH_MAX_INDICES];
    int count = gx_free_indices(g, e, found);
    for (int i = 0; i < count; i++)
        if (found[i] == index) return false;
    return true;
}

static const GExpr *in_range(Graph *g, const GExpr *e, int64_t extent) {
    const GExpr *low = gx2(g, G_LE, gx_int(g, 0), e), *high = gx2(g, G_LT, e, gx_int(g, extent));
    return gx_and(g, gx_and(g, NULL, low), gx_and(g, NULL, high));
}

static const GExpr *apply(const Solver *s, const GExpr *e) {
    const GExpr *from[2 * GRAPH_MAX_RANK], *to[2 * GRAPH_MAX_RANK];
    int count = 0;
    for (int i = 0; i < s->count; i++) {
        if (!s->solved[i]) continue;
        from[count] = s->index[i];
        to[count++] = s->solved[i];
    }
    return count ? gx_substitute(s->g, e, count, from, to) : e;
}

static void settle(Solver *s, int at, const GExpr *value) {
    Graph *g = s->g;
    for (int i = 0; i < s->count; i++)
        if (s->solved[i]) s->solved[i] = gx_substitute(g, s->solved[i], 1, &s->index[at], &value);
    if (s->guard) s->guard = gx_substitute(g, s->guard, 1, &s->index[at], &value);
    s->solved[at] = value;
    /* In front: what the other conditions read at this index is read only where the index is one. */
    s->guard = gx_and(g, in_range(g, value, graph_index_extent(g, s->index[at])), s->guard);
}

/* f = m, through one index: the one with the largest extent, so that the smallest loop is left. */
static bool solve_unit(Solver *s, const GExpr *f, const GExpr *m) {
    Graph *g = s->g;
    int best = -1;
    const GExpr *best_value = NULL;
    for (int i = 0; i < s->count; i++) {
        int64_t factor;
        const GExpr *rest;
        if (s->solved[i] || !split_affine(g, f, s->index[i], &factor, &rest) || (factor != 1 && factor != -1)) continue;
        if (best >= 0 && graph_index_extent(g, s->index[i]) <= graph_index_extent(g, s->index[best])) continue;
        best = i;
        best_value = factor == 1 ? gx2(g, G_SUB, m, rest) : gx2(g, G_SUB, rest, m);
    }
    if (best < 0) return false;
    settle(s, best, best_value);
    return true;
}

/* factor * index + rest = m with |factor| > 1 (a strided convolution): the index is (m - rest) / factor where that is whole. */
static bool solve_strided(Solver *s, const GExpr *f, const GExpr *m) {
    Graph *g = s->g;
    for (int i = 0; i < s->count; i++) {
        int64_t factor;
        const GExpr *rest;
        if (s->solved[i] || !split_affine(g, f, s->index[i], &factor, &rest) || factor <= 1) continue;
        const GExpr *difference = gx2(g, G_SUB, m, rest), *by = gx_int(g, factor);
        const GExpr *whole = gx2(g, G_EQ, gx2(g, G_MOD, difference, by), gx_int(g, 0));
        settle(s, i, gx2(g, G_FLOORDIV, difference, by));
        s->guard = gx_and(g, s->guard, gx_and(g, NULL, whole));
        return true;
    }
    return false;
}

/* (+-index + rest) mod M = m with the index over the full range of M: the rotation backwards. */
static bool solve_rotation(Solver *s, const GExpr *f, const GExpr *m) {
    Graph *g = s->g;
    if (f->op != G_MOD || f->args[1]->op != G_CONST) return false;
    for (int i = 0; i < s->count; i++) {
        int64_t factor;
        const GExpr *rest;
        if (s->solved[i] || !split_affine(g, f->args[0], s->index[i], &factor, &rest) || (factor != 1 && factor != -1)) continue;
        if (graph_index_extent(g, s->index[i]) > f->args[1]->integer) continue;
        const GExpr *back = factor == 1 ? gx2(g, G_SUB, m, rest) : gx2(g, G_SUB, rest, m);
        settle(s, i, gx2(g, G_MOD, back, f->args[1]));
        return true;
    }
    return false;
}

static void solve(Solver *s, const GExpr *f, const GExpr *m) {
    f = apply(s, f);
    /* A strided index leaves a small loop (the taps); solving for the tap instead would leave the large one. */
    if (f->op == G_INDEX && solve_unit(s, f, m)) return;
    if (solve_strided(s, f, m) || solve_unit(s, f, m) || solve_rotation(s, f, m)) return;
    s->guard = gx_and(s->g, s->guard, gx_and(s->g, NULL, gx2(s->g, G_EQ, f, m)));
}

typedef struct Equation {
    const GExpr *f, *m;
} Equation;

/* e div c = high and e mod c = low are the digits of e = high * c + low: a merge or a split of axes, whose adjoint needs no search. */
static int join_digits(Solver *s, Equation *equations, int count) {
    Graph *g = s->g;
    for (int i = 0; i < count; i++) {
        const GExpr *f = equations[i].f;
        if (f->op != G_MOD || f->args[1]->op != G_CONST || f->args[1]->integer <= 0) continue;
        const GExpr *quotient = gx2(g, G_FLOORDIV, f->args[0], f->args[1]);
        for (int k = 0; k < count; k++) {
            if (k == i || equations[k].f != quotient) continue;
            const GExpr *low = equations[i].m;
            /* An axis longer than the digit's range: its rest is never read. */
            int64_t from, to;
            if (!gx_range(g, low, NULL, &from, &to) || to >= f->args[1]->integer) s->guard = gx_and(g, s->guard, gx2(g, G_LT, low, f->args[1]));
            Equation joined = {f->args[0], gx2(g, G_ADD, gx2(g, G_MUL, equations[k].m, f->args[1]), low)};
            int first = i < k ? i : k, last = i < k ? k : i;
            equations[first] = joined;
            memmove(&equations[last], &equations[last + 1], sizeof *equations * (size_t)(count - last - 1));
            return join_digits(s, equations, count - 1);
        }
    }
    return count;
}

/* ---- one node ---------------------------------------------------------------------------------------- */

typedef struct Loads {
    ARRAY(const GExpr *) items;
} Loads;

static void collect_loads(Graph *g, const GExpr *e, Loads *loads) {
    if (e->op == G_LOAD) {
        if (e->type != GT_REAL) return;
        for (int i = 0; i < loads->items.count; i++)
            if (loads->items.items[i] == e) return;
        array_push(g->arena, &loads->items, e);
        return;
    }
    for (int i = 0; i < e->arg_count; i++) collect_loads(g, e->args[i], loads);
}

static int position_of(const Pass *p, const GNode *node) {
    return node->mark > 0 && node->mark <= p->count ? node->mark - 1 : -1;
}

static const GExpr *flat_position(Graph *g, const ComputeSpec *y) {
    const GExpr *flat = gx_int(g, 0);
    for (int i = 0; i < y->red_rank; i++)
        flat = gx2(g, G_ADD, gx2(g, G_MUL, flat, gx_int(g, graph_index_extent(g, y->red[i]))), y->red[i]);
    return flat;
}

/* What a change of the reducer's term does to y[o]: 1 for sums, the softmax weight, or being the winner. */
static const GExpr *reducer_weight(Graph *g, GNode *node, const ComputeSpec *y, const GExpr *gradient, const GExpr **condition) {
    const GExpr *result = gx_load(g, node, y->out_rank, y->out, NULL);
    switch (node->reducer) {
    case GR_LSE: {
        const GExpr *weight = gx1(g, G_EXP, gx2(g, G_SUB, y->value, result));
        *condition = gx1(g, G_IS_FINITE, y->value); /* a term of -inf weighs nothing, even in a row that is all -inf */
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
    default: return gradient;
    }
}

static GNode *adjoint_of_load(Graph *g, GNode *node, GNode *gradient, int number) {
    ComputeSpec y;
    graph_open(g, node, &y);
    Loads loads;
    memset(&loads, 0, sizeof loads);
    collect_loads(g, y.value, &loads);
    const GExpr *load = loads.items.items[number];
    const GExpr *slope = derivative_by_load(g, y.value, load);
    if (!slope) return NULL;
    const GExpr *condition = NULL;
    const GExpr *weight = reducer_weight(g, node, &y, gx_load(g, gradient, y.out_rank, y.out, NULL), &condition);
    const GExpr *value = gx2(g, G_MUL, weight, slope);
    const GExpr *guard = gx_and(g, gx_and(g, y.active, y.guard), condition);
    GNode *tensor = load->tensor;
    Solver s;
    memset(&s, 0, sizeof s);
    s.g = g;
    for (int i = 0; i < y.out_rank; i++) s.index[s.count++] = y.out[i];
    for (int i = 0; i < y.red_rank; i++) s.index[s.count++] = y.red[i];
    ComputeSpec adjoint;
    memset(&adjoint, 0, sizeof adjoint);
    Equation equations[GRAPH_MAX_RANK];
    for (int k = 0; k < tensor->rank; k++) {
        adjoint.out[k] = graph_fresh_index(g, tensor->shape[k]);
        equations[k] = (Equation){load->args[k], adjoint.out[k]};
    }
    int count = join_digits(&s, equations, tensor->rank);
    for (int k = 0; k < count; k++) solve(&s, equations[k].f, equations[k].m);
    adjoint.out_rank = tensor->rank;
    adjoint.value = apply(&s, value);
    adjoint.guard = gx_and(g, s.guard, guard ? apply(&s, guard) : NULL);
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

/* first + parts[count - 1] + ... + parts[0]; `first` may be NULL. */
static GNode *add_parts(Graph *g, GNode *first, GNode *const *parts, int count) {
    ComputeSpec sum;
    memset(&sum, 0, sizeof sum);
    sum.out_rank = parts[0]->rank;
    for (int i = 0; i < sum.out_rank; i++) sum.out[i] = graph_fresh_index(g, parts[0]->shape[i]);
    if (first) sum.value = gx_load(g, first, sum.out_rank, sum.out, NULL);
    for (int i = count - 1; i >= 0; i--) {
        const GExpr *part = gx_load(g, parts[i], sum.out_rank, sum.out, NULL);
        sum.value = sum.value ? gx2(g, G_ADD, sum.value, part) : part;
    }
    sum.span = parts[count - 1]->span;
    return graph_compute(g, &sum);
}

/* Collected from the last consumer backwards: added from the first, a few at a time, since a kernel reads only so many arrays. */
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

static void differentiate_node(Pass *p, GNode *node, GNode *gradient) {
    Graph *g = p->g;
    Loads loads;
    memset(&loads, 0, sizeof loads);
    collect_loads(g, node->value, &loads);
    for (int i = loads.items.count - 1; i >= 0; i--) {
        int at = position_of(p, loads.items.items[i]->tensor);
        if (at < 0 || !p->of[at].needed) continue;
        GNode *part = adjoint_of_load(g, node, gradient, i);
        if (part) array_push(g->arena, &p->of[at].parts, part);
    }
}

/* x = solve(a, b): b gets solve(a transposed, gradient), and a its negated outer product with x. */
static void differentiate_solve(Pass *p, GNode *node, GNode *gradient) {
    Graph *g = p->g;
    GNode *a = node->operands[0];
    const GExpr *at[GRAPH_MAX_RANK], *row[GRAPH_MAX_RANK], *column[GRAPH_MAX_RANK];
    ComputeSpec spec;
    memset(&spec, 0, sizeof spec);
    int last = a->rank - 1;
    for (int i = 0; i <= last; i++) spec.out[i] = at[i] = graph_fresh_index(g, a->shape[i]);
    spec.out_rank = a->rank;
    spec.span = node->span;
    memcpy(row, at, sizeof row);
    memcpy(column, at, sizeof column);
    column[last - 1] = at[last];
    at[last - 1] = spec.out[last], at[last] = spec.out[last - 1];
    spec.value = gx_load(g, a, a->rank, at, NULL);
    GNode *operands[2] = {graph_compute(g, &spec), gradient};
    GNode *of_b = graph_call(g, COUPLET_CALL_SOLVE, operands, 0, node->span);
    spec.value = gx1(g, G_NEG, gx2(g, G_MUL, gx_load(g, of_b, last, row, NULL), gx_load(g, node, last, column, NULL)));
    GNode *of_a = graph_compute(g, &spec);
    GNode *parts[2] = {of_a, of_b};
    for (int i = 1; i >= 0; i--) {
        int k = position_of(p, node->operands[i]);
        if (k >= 0 && p->of[k].needed) array_push(g->arena, &p->of[k].parts, parts[i]);
    }
}

/* Of the calls only solve has a derivative; positions have none, and draws are constants. */
static bool call_needed(const Pass *p, const GNode *node) {
    bool needed = false;
    for (int i = 0; node->call == COUPLET_CALL_SOLVE && i < node->operand_count; i++) {
        int at = position_of(p, node->operands[i]);
        needed |= at >= 0 && p->of[at].needed;
    }
    return needed;
}

static void mark_needed(Pass *p, const GExpr *e, bool *needed) {
    if (*needed) return;
    if (e->op == G_LOAD) {
        int at = position_of(p, e->tensor);
        *needed = at >= 0 && e->type == GT_REAL && p->of[at].needed;
        return;
    }
    for (int i = 0; i < e->arg_count; i++) mark_needed(p, e->args[i], needed);
}

void pass_differentiate(Graph *g, GNode *loss, GNode *const *wrt, int count, GNode **grads) {
    Pass pass = {g, NULL, g->nodes.count};
    pass.of = arena_array(g->arena, Adjoint, g->nodes.count + 1);
    GNode **nodes = arena_array(g->arena, GNode *, g->nodes.count + 1);
    for (int i = 0; i < pass.count; i++) {
        nodes[i] = g->nodes.items[i];
        nodes[i]->mark = i + 1;
    }
    for (int i = 0; i < count; i++) {
        int at = position_of(&pass, wrt[i]);
        if (at >= 0) pass.of[at].needed = true;
    }
    for (int i = 0; i < pass.count; i++) {
        if (nodes[i]->kind == GN_COMPUTE && nodes[i]->type == GT_REAL) mark_needed(&pass, nodes[i]->value, &pass.of[i].needed);
        else if (nodes[i]->kind == GN_CALL) pass.of[i].needed = call_needed(&pass, nodes[i]);
    }
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
    for (int i = 0; i < g->nodes.count; i++) g->nodes.items[i]->mark = 0;
}
