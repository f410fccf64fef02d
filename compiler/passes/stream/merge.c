/* Merges weighted sums of the same rows into one sum, whose weights are added. The gradient of a
 * similarity to both of its operands has two such terms:
 *
 *     sum over j of w[i, j] * u[j]  +  sum over j of w[j, i] * u[j]
 *         = sum over j of (w[i, j] + w[j, i]) * u[j]
 *
 * One product of matrices then does the work of two. */
#include "compiler/passes/rewrite.h"
#include "compiler/passes/stream/internal.h"

#include <string.h>

enum { MOST_ADDENDS = 16 };

typedef struct Addends {
    const GExpr *items[MOST_ADDENDS];
    int count;
} Addends;

static bool is_weighted_read(const GExpr *e, PairSink *sink) {
    return e->op == G_LOAD && !e->has_else && e->tensor->rank == 2 && pair_sink(e->tensor, sink) &&
           sink->payload >= 0;
}

/* Returns the formula of a node that adds to a weighted sum the parts that chosen places send back
 * (passes/zeros). Any other expression is returned as it is. */
static const GExpr *looked_through(Graph *g, const GExpr *e) {
    PairSink sink;
    if (e->op != G_LOAD || e->has_else || e->tensor->kind != GN_COMPUTE ||
        e->tensor->reducer != GR_NONE || e->tensor->rank != 2 || e->tensor->active)
        return e;
    const GExpr *value = e->tensor->value;
    if (value->op != G_ADD) return e;
    for (; value->op == G_ADD; value = value->args[0])
        if (value->args[1]->op != G_LOAD) return e;
    if (!is_weighted_read(value, &sink)) return e;
    ComputeSpec spec;
    graph_open(g, e->tensor, &spec);
    return gx_substitute(g, spec.value, 2, spec.out, e->args);
}

static bool addends(Graph *g, const GExpr *e, Addends *a) {
    e = looked_through(g, e);
    if (e->op == G_ADD) return addends(g, e->args[0], a) && addends(g, e->args[1], a);
    if (a->count == MOST_ADDENDS) return false;
    a->items[a->count++] = e;
    return true;
}

/* Merges two sums. Returns NULL if they are of different rows. */
static const GExpr *merged(Graph *g, const GExpr *a, const GExpr *b) {
    PairSink first;
    PairSink second;
    if (a->op != G_LOAD || b->op != G_LOAD) return NULL;
    if (a->args[0] != b->args[0] || a->args[1] != b->args[1]) return NULL;
    if (!is_weighted_read(a, &first) || !is_weighted_read(b, &second)) return NULL;
    const bool same_rows = first.own == second.own && first.rows == second.rows;
    const bool same_count = first.node->red_shape[0] == second.node->red_shape[0];
    if (!same_rows || !same_count) return NULL;
    ComputeSpec sum;
    ComputeSpec other;
    graph_open(g, a->tensor, &sum);
    graph_open(g, b->tensor, &other);
    const GExpr *from[3] = {other.out[0], other.out[1], other.red[0]};
    const GExpr *to[3] = {sum.out[0], sum.out[1], sum.red[0]};
    /* split_weight distinguishes the rows from the weight. Both specs hold them in the order of
     * their nodes' values. */
    int at_a = first.node->value->args[0] == first.weight ? 0 : 1;
    int at_b = second.node->value->args[0] == second.weight ? 0 : 1;
    const GExpr *other_weight = gx_substitute(g, other.value->args[at_b], 3, from, to);
    const GExpr *weight = gx2(g, G_ADD, sum.value->args[at_a], other_weight);
    sum.value = gx2(g, G_MUL, weight, sum.value->args[1 - at_a]);
    GNode *both = graph_compute(g, &sum);
    return gx_load(g, both, 2, a->args, NULL);
}

static const GExpr *merge(void *context, Graph *g, const GExpr *e) {
    (void)context;
    Addends a = {.count = 0};
    if (e->op != G_ADD || e->type != GT_REAL || !addends(g, e, &a)) return e;
    bool changed = false;
    for (int i = 0; i < a.count; i++) {
        for (int k = i + 1; k < a.count; k++) {
            const GExpr *both = merged(g, a.items[i], a.items[k]);
            if (!both) continue;
            a.items[i] = both;
            memmove(&a.items[k], &a.items[k + 1], sizeof a.items[0] * (size_t)(a.count - k - 1));
            a.count--;
            k = i;
            changed = true;
        }
    }
    if (!changed) return e;
    const GExpr *sum = a.items[0];
    for (int i = 1; i < a.count; i++)
        sum = gx2(g, G_ADD, sum, a.items[i]);
    return sum;
}

void stream_merge(Graph *g) {
    rewrite_nodes(g, merge, NULL, false);
    graph_prune(g);
}
