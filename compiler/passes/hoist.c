/* hoist: what does not depend on every index of a large space is computed once for the indices that
 * it depends on: the root of a channel's variance for each channel, not for each pixel.
 *
 * Only what costs something is taken out: roots, quotients, transcendental functions. A quotient by
 * such a value becomes a product with its reciprocal, which is computed once as well (one rounding
 * more). Places that are rounded to whole numbers are taken out, too, even in subscripts: the row
 * of an image that is resized is computed for each row, not for each pixel, and the fraction of the
 * place comes from the same whole number.
 *
 * Nothing is taken out from under a guard or an `if`, where it might not be defined. */
#include "compiler/graph/pairs.h"
#include "compiler/graph/visit.h"
#include "compiler/passes/passes.h"
#include "compiler/passes/rewrite.h"

#include <string.h>

enum {
    LARGE_SPACE = 4096,
    FEWER = 8,       /* how many times fewer elements are worth a node */
    COSTLY_PLACE = 4 /* the price from which on a number that is rounded to a place has a node */
};

typedef struct Hoist {
    const GNode *node;
    const ComputeSpec *spec;
    ExprMap done; /* by part: its new form */
} Hoist;

static bool is_costly(const GExpr *e) {
    static const GOp costly[] = {G_DIV, G_SQRT, G_RSQRT, G_EXP, G_LOG, G_SIGMOID, G_TANH, G_POW};
    if (e->op == G_FLOOR || e->op == G_CEIL || e->op == G_ROUND)
        return expr_price(e) >= COSTLY_PLACE;
    for (size_t i = 0; i < sizeof costly / sizeof *costly; i++)
        if (e->op == costly[i]) return true;
    return false;
}

static int64_t points(const GNode *n) {
    int64_t count = 1;
    for (int i = 0; i < n->rank; i++)
        count *= n->shape[i];
    for (int i = 0; i < n->red_rank; i++)
        count *= n->red_shape[i];
    return count;
}

/* Lists the indices of an expression. Returns the size of their space, or 0 if they are too many
 * for a node. */
static int64_t space_of(Graph *g, const GExpr *e, const GExpr **indices, int *count) {
    int64_t size = 1;
    *count = gx_free_indices(g, e, indices);
    if (*count > GRAPH_MAX_RANK) return 0;
    for (int i = 0; i < *count; i++)
        size *= graph_index_extent(g, indices[i]);
    return size;
}

static bool is_draw(const void *context, const GExpr *e) {
    (void)context;
    return e->op == G_RANDOM;
}

/* Orders the indices as the node has them, so that its innermost loop walks along what was taken
 * out. */
static void order_indices(const Hoist *h, const GExpr **indices, int count) {
    int done = 0;
    for (int i = 0; i < h->spec->out_rank + h->spec->red_rank; i++) {
        const GExpr *own =
            i < h->spec->out_rank ? h->spec->out[i] : h->spec->red[i - h->spec->out_rank];
        for (int k = done; k < count; k++) {
            if (indices[k] != own) continue;
            indices[k] = indices[done];
            indices[done++] = own;
        }
    }
}

/* Returns a read of a node that holds the expression for its own indices. NULL: there are too many
 * of these elements, or the expression draws. */
static const GExpr *as_node(Graph *g, Hoist *h, const GExpr *e) {
    const GExpr *indices[GRAPH_MAX_FREE];
    int count;
    int64_t size = space_of(g, e, indices, &count);
    if (size == 0 || size * FEWER > points(h->node) || expr_any(e, is_draw, NULL)) return NULL;
    order_indices(h, indices, count);
    ComputeSpec spec;
    memset(&spec, 0, sizeof spec);
    spec.out_rank = count;
    for (int i = 0; i < count; i++)
        spec.out[i] = indices[i];
    spec.value = e;
    spec.span = h->node->span;
    GNode *made = graph_compute(g, &spec);
    return gx_load(g, made, count, indices, NULL);
}

static const GExpr *hoist(Graph *g, Hoist *h, const GExpr *e);

/* Takes out the largest parts that can be taken out, beginning at the top: a costly part as a
 * whole, or the reciprocal of its divisor, or parts of its arguments. */
static const GExpr *hoist_new(Graph *g, Hoist *h, const GExpr *e) {
    const GExpr *taken = is_costly(e) ? as_node(g, h, e) : NULL;
    if (taken) return taken;
    if (e->op == G_DIV && e->args[1]->op != G_CONST) {
        const GExpr *reciprocal = as_node(g, h, gx2(g, G_DIV, gx_real(g, 1), e->args[1]));
        if (reciprocal) return gx2(g, G_MUL, hoist(g, h, e->args[0]), reciprocal);
    }
    const GExpr *args[GRAPH_MAX_RANK + 1];
    bool changed = false;
    for (int i = 0; i < e->arg_count; i++) {
        args[i] = hoist(g, h, e->args[i]);
        changed |= args[i] != e->args[i];
    }
    if (!changed) return e;
    return e->op == G_LOAD ? gx_load(g, e->tensor, e->arg_count, args, NULL)
                           : gx_op(g, e->op, e->arg_count, args);
}

static const GExpr *hoist(Graph *g, Hoist *h, const GExpr *e) {
    if (e->type == GT_BOOL || e->op == G_CONST || e->op == G_SELECT || e->op == G_RANDOM ||
        (e->op == G_LOAD && e->has_else))
        return e;
    const ExprValue *known = expr_map_find(&h->done, e);
    if (known) return known->pointer;
    const GExpr *made = hoist_new(g, h, e);
    expr_map_set(&h->done, e, (ExprValue){.pointer = made});
    return made;
}

static GNode *hoist_node(Graph *g, GNode *node) {
    if (node->kind != GN_COMPUTE || node->type != GT_REAL || node->guard || node->active ||
        points(node) < LARGE_SPACE)
        return node;
    PairSink sink;
    if ((node->reducer != GR_NONE && node->reducer != GR_SUM) || node->streamed ||
        pair_sink(node, &sink))
        return node;
    ComputeSpec spec;
    Hoist h = {.node = node, .spec = &spec};
    graph_open(g, node, &spec);
    expr_map_open(&h.done);
    spec.value = hoist(g, &h, spec.value);
    expr_map_close(&h.done);
    return graph_compute(g, &spec);
}

void pass_hoist(Graph *g) {
    rewrite_each(g, hoist_node);
    graph_prune(g);
}
