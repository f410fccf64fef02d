/* Gives an operand of a product of pairs an array of its own if it is no plain rows of an array:
 * rows that an index chooses, merged axes, rows that are computed. The array is as large as the
 * rows are, and the product becomes one that tiles can serve. */
#include "compiler/passes/rewrite.h"
#include "compiler/passes/stream/internal.h"

#include <string.h>

/* True if the factor reads these two indices, and no others. */
static bool reads_only(Graph *g, const GExpr *e, const GExpr *index, const GExpr *depth) {
    const GExpr *found[GRAPH_MAX_FREE];
    int count = gx_free_indices(g, e, found);
    for (int i = 0; i < count; i++)
        if (found[i] != index && found[i] != depth) return false;
    return count == 2;
}

static bool is_rows(const GExpr *e) {
    if (e->op != G_LOAD || e->has_else || e->tensor->rank != 2) return false;
    return e->args[0]->op == G_INDEX && e->args[1]->op == G_INDEX && e->args[0] != e->args[1];
}

static const GExpr *own_rows(Graph *g, const GExpr *e, const GExpr *index, const GExpr *depth,
                             Span span) {
    const GExpr *from[2] = {index, depth};
    ComputeSpec rows = {.out_rank = 2, .span = span};
    for (int i = 0; i < 2; i++)
        rows.out[i] = graph_fresh_index(g, graph_index_extent(g, from[i]));
    rows.value = gx_substitute(g, e, 2, from, rows.out);
    return gx_load(g, graph_compute(g, &rows), 2, from, NULL);
}

GNode *stream_own_operands(Graph *g, GNode *n) {
    PairProduct p;
    if (!node_is_real_sum(n) || !node_is_unconditional(n)) return n;
    if (n->rank != 2 || n->red_rank != 1) return n;
    if (n->value->op != G_MUL || pair_product(g, n, &p)) return n;
    int64_t threshold = stream_threshold(g);
    if (4 * n->shape[0] * n->shape[1] < threshold) return n;
    if (!g->settings.stream_bytes &&
        n->shape[0] * n->shape[1] < (n->shape[0] + n->shape[1]) * n->red_shape[0])
        return n;
    ComputeSpec spec;
    graph_open(g, n, &spec);
    for (int first = 0; first < 2; first++) {
        const GExpr *factors[2];
        bool fits = true;
        for (int i = 0; i < 2; i++) {
            factors[i] = spec.value->args[i];
            fits &= reads_only(g, factors[i], spec.out[i == first ? 0 : 1], spec.red[0]);
        }
        if (!fits) continue;
        for (int i = 0; i < 2; i++)
            if (!is_rows(factors[i]))
                factors[i] =
                    own_rows(g, factors[i], spec.out[i == first ? 0 : 1], spec.red[0], n->span);
        spec.value = gx2(g, G_MUL, factors[0], factors[1]);
        return graph_compute(g, &spec);
    }
    return n;
}
