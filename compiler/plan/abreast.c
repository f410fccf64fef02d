/* Puts kernels that read nothing of each other into one launch. Nodes that only commits and outputs
 * read are deferred to the end of the step, where the updates of all parameters become one pass
 * over memory.
 *
 * Deferring must not raise the peak of memory. A node is deferred only if the arrays that it keeps
 * alive for longer are no larger than its result. The limits `ample` allow a little more, and the
 * limits `tight`, for bounded memory, next to nothing. */
#include "compiler/plan/abreast.h"

#include "compiler/graph/loads.h"
#include "compiler/graph/visit.h"

#include <string.h>

enum { MOST_DEEP = 16 /* depths of deferred nodes that are told apart, each a launch */ };

/* The bytes that launch groups and deferred nodes may cost. */
typedef struct Limits {
    /* If the arrays that a kernel reads take no more bytes than this, they may live a few kernels
     * longer for the sake of a common launch. */
    int64_t small;
    int64_t tiny; /* the size below which an array may live to the end of the step in any case */
    /* An output or a commit may keep alive twice its own size, or so many bytes if that is more.
     * Beyond that, the node is large enough for a launch of its own. */
    int64_t kept;
} Limits;

static const Limits ample = {256 << 10, 16 << 10, 1 << 20}, tight = {0, 256, 0};

/* Returns the limits for a graph. If memory is short, nothing is kept for the sake of fewer
 * launches. */
static const Limits *limits_of(const Graph *g) {
    return g->settings.is_bounded || g->settings.kept_bytes > 0 || g->settings.chunks > 1 ? &tight
                                                                                          : &ample;
}

/* ---- what can wait --------------------------------------------------------------------------- */

typedef struct Late {
    Arena *arena;
    Graph *g;
    const Limits *limits;
    bool *is_kept;         /* by node id: the node is a commit or an output */
    bool *lives_on;        /* by node id: the node is kept, or deferred elementwise work reads it */
    bool *is_read_early;   /* by node id: a node that is not deferred reads it */
    ExprMap met_early;     /* the parts of expressions that nodes evaluate which are not deferred */
    unsigned char *depths; /* by node id: the depth of a deferred node, or 0 */
    uint32_t ids;
} Late;

/* Marks the arrays that an expression reads as read early. Parts that were visited for another node
 * are skipped, since a read is early whoever makes it. */
static VisitStep mark_early(void *context, const GExpr *e) {
    const Late *l = context;
    if (e->op == G_LOAD && e->tensor->id < l->ids) {
        l->is_read_early[e->tensor->id] = true;
    }
    return VISIT_INSIDE;
}

static void mark_operands_early(Late *l, const GNode *n) {
    if (n->operand) l->is_read_early[n->operand->id] = true;
    for (int i = 0; i < n->operand_count; i++)
        l->is_read_early[n->operands[i]->id] = true;
    expr_visit_rest(&l->met_early, n->value, mark_early, l);
    expr_visit_rest(&l->met_early, n->guard, mark_early, l);
    expr_visit_rest(&l->met_early, n->active, mark_early, l);
}

/* Returns the bytes that live longer if the node with these loads is deferred. Tiny arrays, and
 * arrays that live to the end anyway, do not count. */
static int64_t kept_longer(const Late *l, const Loads *loads) {
    int64_t bytes = 0;
    for (int i = 0; i < loads->items.count; i++) {
        const GNode *from = loads->items.items[i]->tensor;
        bool counted =
            !node_is_made(from) || l->lives_on[from->id] || graph_bytes(from) <= l->limits->tiny;
        for (int k = 0; k < i; k++)
            counted |= loads->items.items[k]->tensor == from;
        if (!counted) bytes += graph_bytes(from);
    }
    return bytes;
}

/* True if the node may be deferred. An output or a commit that is elementwise work may keep alive
 * arrays of up to twice its own size: two parts of a gradient, say, of which it makes a moment. A
 * sum is deferred if the arrays that it reads live on anyway, as for norms of gradients. */
static bool can_wait(Late *l, const GNode *n) {
    if (n->kind != GN_COMPUTE || n->streamed || n->again || l->is_read_early[n->id]) return false;
    const Loads loads = loads_of(l->arena, n);
    for (int i = 0; i < loads.items.count; i++)
        if (loads.items.items[i]->tensor->streamed) return false;
    if (n->reducer != GR_NONE)
        return graph_bytes(n) <= l->limits->tiny && kept_longer(l, &loads) == 0;
    const int64_t longer = kept_longer(l, &loads);
    /* Only an output or a commit may keep arrays alive; any other result is read on. */
    if (longer > 0 &&
        !(l->is_kept[n->id] && (longer <= 2 * graph_bytes(n) || longer <= l->limits->kept)))
        return false;
    for (int i = 0; i < loads.items.count && graph_element_count(n) > 1; i++)
        l->lives_on[loads.items.items[i]->tensor->id] = true;
    return true;
}

/* Sets the depth of a deferred node. A single number has the depth of its operands: a learning
 * rate, or a factor made of a sum's results, is computed in the launch before, beside that sum. */
static void set_depth(Late *l, const GNode *n) {
    const Loads loads = loads_of(l->arena, n);
    int depth = 0;
    for (int i = 0; i < loads.items.count; i++)
        if (l->depths[loads.items.items[i]->tensor->id] > depth)
            depth = l->depths[loads.items.items[i]->tensor->id];
    const bool waits = depth > 0 || graph_element_count(n) > 1 || n->reducer != GR_NONE;
    /* At the largest depth nodes may read each other; their order in the graph keeps this right. */
    l->depths[n->id] = (unsigned char)(depth < MOST_DEEP ? depth + waits : depth);
}

unsigned char *plan_late_nodes(Arena *arena, Graph *g, int *depth) {
    Late l = {.arena = arena, .g = g, .limits = limits_of(g)};
    *depth = 0;
    for (int i = 0; i < g->nodes.count; i++)
        if (g->nodes.items[i]->id >= l.ids) l.ids = g->nodes.items[i]->id + 1;
    l.is_kept = arena_array(arena, bool, l.ids + 1);
    l.lives_on = arena_array(arena, bool, l.ids + 1);
    l.is_read_early = arena_array(arena, bool, l.ids + 1);
    l.depths = arena_array(arena, unsigned char, l.ids + 1);
    expr_map_open(&l.met_early);
    for (int i = 0; i < g->outputs.count; i++)
        l.is_kept[g->outputs.items[i].node->id] = true;
    for (int i = 0; i < g->commits.count; i++) {
        l.is_kept[g->commits.items[i].value->id] = true;
        if (g->commits.items[i].rows) {
            l.is_kept[g->commits.items[i].rows->id] = true;
        }
    }
    memcpy(l.lives_on, l.is_kept, l.ids);
    for (int i = g->nodes.count - 1; i >= 0; i--) {
        GNode *n = g->nodes.items[i];
        l.depths[n->id] = can_wait(&l, n);
        if (!l.depths[n->id]) mark_operands_early(&l, n);
    }
    expr_map_close(&l.met_early);
    for (int i = 0; i < g->nodes.count; i++) {
        const GNode *n = g->nodes.items[i];
        if (!l.depths[n->id]) continue;
        set_depth(&l, n);
        if (l.depths[n->id] > *depth) *depth = l.depths[n->id];
    }
    return l.depths;
}

/* ---- launches -------------------------------------------------------------------------------- */

static bool is_small(const Kernel *k, const Limits *limits) {
    int64_t bytes = 0;
    for (int i = 0; i < k->operand_count; i++)
        if (node_is_made(k->operands[i])) bytes += graph_bytes(k->operands[i]);
    return bytes <= limits->small;
}

static bool reads_results(const Kernel *reader, const Kernel *writer) {
    for (int i = 0; i < reader->operand_count; i++)
        for (int k = writer->operand_count - writer->output_count; k < writer->operand_count; k++)
            if (reader->operands[i] == writer->operands[k]) return true;
    return false;
}

/* True if the kernel can be in one launch with those from `first` up to it. */
static bool joins_launch(const KernelList *kernels, const Limits *limits, int first, int number) {
    const Kernel *k = &kernels->items.items[number];
    const Kernel *before = &kernels->items.items[number - 1];
    if (kernel_combines(k->graph, k->node) || kernel_combines(k->graph, before->node)) return false;
    if (k->rounds > 1 || before->rounds > 1 || number - first == COUPLET_MAX_ABREAST) return false;
    if (k->late != before->late || (!k->late && !(is_small(k, limits) && is_small(before, limits))))
        return false;
    for (int i = first; i < number; i++)
        if (reads_results(k, &kernels->items.items[i])) return false;
    return true;
}

void plan_set_launches(const Graph *g, KernelList *kernels, bool abreast) {
    const int count = kernels->items.count;
    for (int s = 0, first = 0; s < count; s++) {
        if (s && !(abreast && joins_launch(kernels, limits_of(g), first, s))) {
            first = s;
        }
        kernels->items.items[s].first = first;
    }
    for (int s = count - 1; s >= 0; s--) {
        Kernel *k = &kernels->items.items[s];
        k->last = s + 1 < count && k[1].first == k->first ? k[1].last : s;
    }
}
