/* layout: the order of a tensor's axes in memory. The reads and writes of sums of products are
 * fastest when the axis that they walk last lies last: the channels of an image, for all three
 * passes of a convolution. A tensor with three axes or more gets that axis put last, and with it
 * all tensors that are computed from it element by element, so that nothing is ever copied from one
 * order into another.
 *
 * Inputs, states and what is returned or committed keep the order that they are declared with, and
 * so does what is computed with them element by element. */
#include "compiler/graph/product.h"
#include "compiler/graph/visit.h"
#include "compiler/passes/passes.h"
#include "compiler/passes/rewrite.h"

#include <string.h>

enum {
    FEWEST_AXES = 3,
    FEW_CHANNELS = 8,
};

typedef struct Layout {
    uint32_t count;
    uint32_t *leader; /* by the id of a node: union-find over tensors with one order of axes */
    /* By leader, for each axis: the multiply-adds that want it as the last axis. */
    double (*votes)[GRAPH_MAX_RANK];
    bool *fixed; /* by leader: true if the order of axes may not change */
    GNode **now; /* by the id of a node: the node with its new order of axes */
} Layout;

static uint32_t leader_of(Layout *l, uint32_t id) {
    while (l->leader[id] != id)
        id = l->leader[id] = l->leader[l->leader[id]];
    return id;
}

static void join_groups(Layout *l, uint32_t a, uint32_t b) {
    a = leader_of(l, a);
    b = leader_of(l, b);
    if (a == b) return;
    l->leader[b] = a;
    l->fixed[a] |= l->fixed[b];
    for (int i = 0; i < GRAPH_MAX_RANK; i++)
        l->votes[a][i] += l->votes[b][i];
}

/* ---- who goes together ----------------------------------------------------------------------- */

static bool reads_its_own_element(const GNode *node, const GExpr *load) {
    if (load->tensor->rank != node->rank) return false;
    for (int i = 0; i < node->rank; i++)
        if (load->args[i]->op != G_INDEX || load->args[i]->index != i ||
            load->tensor->shape[i] != node->shape[i])
            return false;
    return true;
}

typedef struct Join {
    Layout *layout;
    const GNode *node;
} Join;

static VisitStep join_read(void *context, const GExpr *e) {
    const Join *j = context;
    bool joins =
        e->op == G_LOAD && e->tensor->rank >= FEWEST_AXES && reads_its_own_element(j->node, e);
    if (joins) join_groups(j->layout, j->node->id, e->tensor->id);
    return VISIT_INSIDE;
}

static void join_reads(Layout *l, const GNode *node, const GExpr *e) {
    Join j = {l, node};
    expr_visit(e, join_read, &j);
}

/* ---- what sums of products want -------------------------------------------------------------- */

/* Returns the axis whose subscript is one of the indices and nothing else, or -1. Axes of one
 * element do not count. */
static int plain_axis(const GExpr *load, const int *indices, int count) {
    int found = -1;
    for (int i = 0; i < load->tensor->rank; i++)
        for (int k = 0; k < count; k++)
            if (load->args[i]->op == G_INDEX && load->args[i]->index == indices[k] &&
                load->tensor->shape[i] > 1)
                found = i;
    return found;
}

static bool has_sliding_axis(const GExpr *load) {
    for (int i = 0; i < load->tensor->rank; i++)
        if (load->args[i]->op != G_INDEX) return true;
    return false;
}

static void vote(Layout *l, const GNode *tensor, int axis, double weight) {
    if (axis >= 0) l->votes[leader_of(l, tensor->id)][axis] += weight;
}

/* Adds the votes of one sum of products for the last axes of its result and its operands. */
static void vote_product(Layout *l, const GNode *node, const Product *p) {
    if (p->n_count == 1) vote(l, node, p->n[0], p->terms);
    vote(l, p->b->tensor, plain_axis(p->b, p->n, p->n_count), p->terms);
    if (!has_sliding_axis(p->a)) return;
    /* A window slides over `a`. The convolution walks its channels along k, and the gradient of the
     * weights walks them along m; the samples are the other way round. So each gets half a vote,
     * and whatever else is computed with `a` decides. With few channels there is nothing to choose:
     * images keep their rows, along which they are read and augmented. */
    int along_k = plain_axis(p->a, p->k, p->k_count);
    int along_m = plain_axis(p->a, p->m, p->m_count);
    if (along_k < 0 || along_m < 0) return;
    /* Samples are an earlier axis than channels. */
    const int channels = along_k > along_m ? along_k : along_m;
    if (p->a->tensor->shape[channels] < FEW_CHANNELS) return;
    vote(l, p->a->tensor, along_k, p->terms / 2);
    vote(l, p->a->tensor, along_m, p->terms / 2);
}

/* Returns the axis that is to go last, or -1 to leave the order as it is. */
static int last_axis(Layout *l, const GNode *node) {
    uint32_t leader = leader_of(l, node->id);
    if (node->kind != GN_COMPUTE || node->rank < FEWEST_AXES || l->fixed[leader]) return -1;
    int best = node->rank - 1;
    for (int i = 0; i < node->rank; i++)
        if (l->votes[leader][i] > l->votes[leader][best]) best = i;
    return best == node->rank - 1 ? -1 : best;
}

/* ---- building anew --------------------------------------------------------------------------- */

static void move_last(const GExpr **list, int count, int axis) {
    const GExpr *moved = list[axis];
    memmove(list + axis, list + axis + 1, sizeof *list * (size_t)(count - 1 - axis));
    list[count - 1] = moved;
}

static const GExpr *redirect(void *context, Graph *g, const GExpr *e) {
    Layout *l = context;
    if (e->op != G_LOAD || e->tensor->id >= l->count || !l->now[e->tensor->id]) return e;
    const GExpr *indices[GRAPH_MAX_RANK];
    int axis = last_axis(l, e->tensor);
    memcpy(indices, e->args, sizeof *indices * (size_t)e->tensor->rank);
    if (axis >= 0) move_last(indices, e->tensor->rank, axis);
    return gx_load(g, l->now[e->tensor->id], e->tensor->rank, indices,
                   e->has_else ? e->args[e->arg_count - 1] : NULL);
}

static GNode *now(void *context, GNode *node) {
    return ((const Layout *)context)->now[node->id];
}

static GNode *rebuild(Graph *g, Layout *l, GNode *node) {
    if (node->kind != GN_COMPUTE) return rewrite_node(g, node, now, redirect, l);
    ComputeSpec spec;
    int axis = last_axis(l, node);
    graph_open(g, node, &spec);
    spec.value = gx_rewrite(g, spec.value, redirect, l);
    spec.guard = gx_rewrite(g, spec.guard, redirect, l);
    spec.active = gx_rewrite(g, spec.active, redirect, l);
    if (axis >= 0) move_last(spec.out, spec.out_rank, axis);
    return graph_compute(g, &spec);
}

static void fix(Layout *l, const GNode *node) {
    if (node) l->fixed[node->id] = true;
}

/* Opens the groups of tensors, each alone at first, and fixes the order of those that the caller
 * sees. */
static Layout open_layout(Graph *g) {
    Layout l = {0};
    for (int i = 0; i < g->nodes.count; i++) {
        const uint32_t id = g->nodes.items[i]->id;
        if (id >= l.count) l.count = id + 1;
    }
    l.leader = arena_array(g->arena, uint32_t, l.count + 1);
    l.votes = arena_alloc(g->arena, sizeof *l.votes * (l.count + 1));
    memset(l.votes, 0, sizeof *l.votes * (l.count + 1));
    l.fixed = arena_array(g->arena, bool, l.count + 1);
    l.now = arena_array(g->arena, GNode *, l.count + 1);
    for (uint32_t i = 0; i < l.count; i++)
        l.leader[i] = i;
    for (int i = 0; i < g->nodes.count; i++) {
        GNode *n = g->nodes.items[i];
        fix(&l, n->kind == GN_COMPUTE ? NULL : n);
        fix(&l, n->operand);
        for (int k = 0; k < n->operand_count; k++)
            fix(&l, n->operands[k]);
    }
    for (int i = 0; i < g->outputs.count; i++)
        fix(&l, g->outputs.items[i].node);
    for (int i = 0; i < g->commits.count; i++) {
        fix(&l, g->commits.items[i].value);
        fix(&l, g->commits.items[i].rows);
    }
    return l;
}

void pass_layout(Graph *g) {
    if (g->nodes.count == 0) return; /* a method without states has an empty start */
    Layout l = open_layout(g);
    Product product;
    int count = g->nodes.count;
    GNode **nodes = arena_array(g->arena, GNode *, count + 1);
    memcpy(nodes, g->nodes.items, sizeof *nodes * (size_t)count);
    for (int i = 0; i < count; i++) {
        if (nodes[i]->kind != GN_COMPUTE || nodes[i]->rank < FEWEST_AXES) continue;
        join_reads(&l, nodes[i], nodes[i]->value);
    }
    for (int i = 0; i < count; i++)
        if (product_of(g->arena, nodes[i], &product)) vote_product(&l, nodes[i], &product);
    for (int i = 0; i < count; i++)
        l.now[nodes[i]->id] = rebuild(g, &l, nodes[i]);
    rewrite_ends(g, now, &l);
    graph_prune(g);
}
