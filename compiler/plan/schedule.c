/* Decides which kernels a graph becomes, in which order they run, and what each reads. A node is
 * placed right behind the nodes that it reads. Sinks of one level share a sweep as far as one sweep
 * can serve them. Nodes that read the same arrays may share a kernel (together.h). */
#include "compiler/graph/sample_shards.h"
#include "compiler/graph/visit.h"
#include "compiler/plan/abreast.h"
#include "compiler/plan/arguments.h"
#include "compiler/plan/bucket.h"
#include "compiler/plan/contraction.h"
#include "compiler/plan/sweep.h"
#include "compiler/plan/together.h"

#include <string.h>

typedef struct Collect {
    Kernel *kernel;
    bool draws;  /* the kernel draws random numbers */
    bool fits;   /* the kernel reads no more arrays than it may */
    bool sweeps; /* the target has sweeps, so a streamed array has no buffer */
} Collect;

static void add_operand(Collect *c, const GNode *node) {
    Kernel *k = c->kernel;
    for (int i = 0; i < k->operand_count; i++)
        if (k->operands[i] == node) return;
    for (int i = 0; i + 1 < kernel_node_count(k); i++)
        /* The array is made in this kernel, a tile at a time. */
        if (kernel_node(k, i) == node) return;
    if (k->operand_count == MAX_KERNEL_OPERANDS - 3) {
        c->fits = false;
        return;
    }
    k->operands[k->operand_count++] = node;
}

static VisitStep collect_operands(void *context, const GExpr *e) {
    Collect *c = context;
    if (!c->fits) return VISIT_END;
    c->draws |= e->op == G_RANDOM;
    if (e->op == G_LOAD && !(c->sweeps && e->tensor->streamed)) {
        add_operand(c, e->tensor);
    }
    return VISIT_INSIDE;
}

static GNode *run_scalar(Graph *g, const char *name, int64_t count, int rank) {
    return graph_input(g, name, GT_INT, rank, &count, (Span){0});
}

/* Adds the last operands: the run scalars that draws read, and then the output. */
static void close_kernel(Collect *c, const GNode *output) {
    Kernel *k = c->kernel;
    k->output_count = 1;
    if (c->draws) { /* right ahead of the output */
        k->operands[k->operand_count++] = run_scalar(k->graph, "seed", 2, 1);
        k->operands[k->operand_count++] = run_scalar(k->graph, "step", 1, 0);
    }
    k->operands[k->operand_count++] = output;
}

/* Makes a buffer that belongs to no node of the graph, and returns its own node. */
static GNode *extra_node(Arena *arena, KernelList *kernels, GType type, int64_t count,
                         const GNode *like) {
    GNode *n = arena_new_of(arena, GNode);
    n->kind = GN_COMPUTE;
    n->type = type;
    n->rank = 1;
    n->shape[0] = count;
    n->span = like->span;
    array_push(arena, &kernels->extra, ((ExtraBuffer){.node = n}));
    return n;
}

static GNode *extra_table(Arena *arena, KernelList *kernels, const int32_t *entries, int64_t count,
                          const GNode *like) {
    GNode *n = extra_node(arena, kernels, GT_INT, count, like);
    n->kind = GN_CONST;
    kernels->extra.items[kernels->extra.count - 1].entries = entries;
    return n;
}

static GNode *arguments_node(Arena *arena, KernelList *kernels, const Arguments *a,
                             const GNode *node) {
    int count;
    const int32_t *table = arguments_table(arena, a, &count);
    return extra_table(arena, kernels, table, count, node);
}

static void topk_kernel(Arena *arena, Graph *g, GNode *node, KernelList *kernels) {
    Kernel k = {.kind = KERNEL_TOPK,
                .graph = g,
                .node = node,
                .tiles = 1,
                .operands = {node->operand},
                .operand_count = 1};
    for (int i = 0; i + 1 < node->rank; i++)
        k.tiles *= node->shape[i];
    Collect c = {.kernel = &k};
    close_kernel(&c, node);
    array_push(arena, &kernels->items, k);
}

/* ---- library calls --------------------------------------------------------------------------- */

/* True of an argsort or a select whose rows the device sorts by itself. */
static bool is_order(const GNode *node, const CoupletCallSize *size, int64_t most) {
    return (node->call == COUPLET_CALL_ARGSORT || node->call == COUPLET_CALL_SELECT) &&
           size->rows <= most;
}

static void call_kernel(Arena *arena, Graph *g, GNode *node, const PlanTarget *target,
                        KernelList *kernels) {
    CoupletCallSize size;
    int64_t rows = graph_call_size(node, &size);
    if (is_order(node, &size, target->order)) {
        Kernel order = {.kind = KERNEL_ORDER,
                        .graph = g,
                        .node = node,
                        .tiles = rows,
                        .operands = {node->operands[0], node},
                        .operand_count = 2,
                        .output_count = 1};
        array_push(arena, &kernels->items, order);
        return;
    }
    Kernel k = {.kind = KERNEL_CALL, .graph = g, .node = node, .tiles = rows, .output_count = 1};
    int32_t *head = arena_array(arena, int32_t, 4);
    head[0] = (int32_t)node->call;
    head[1] = (int32_t)size.rows;
    head[2] = (int32_t)size.columns;
    head[3] = (int32_t)size.result;
    k.operands[k.operand_count++] = extra_table(arena, kernels, head, 4, node);
    for (int i = 0; i < node->operand_count; i++)
        k.operands[k.operand_count++] = node->operands[i];
    k.operands[k.operand_count++] = node;
    array_push(arena, &kernels->items, k);
}

/* ---- reductions by key ----------------------------------------------------------------------- */

/* Makes the two kernels of a segment reduction, the sort and the sum. Returns false if one of them
 * reads too many arrays. */
static bool bucket_kernels(Arena *arena, Graph *g, const Bucket *b, KernelList *kernels) {
    const GNode *node = b->node;
    GNode *lists = extra_node(arena, kernels, GT_INT, b->segments * bucket_list_size(b), node);
    Kernel sort;
    Kernel sum;
    memset(&sort, 0, sizeof sort);
    sort.kind = KERNEL_BUCKET_SORT;
    sort.graph = g;
    sort.node = node;
    sort.as.bucket.bucket = b;
    sort.tiles = b->segments;
    sum = sort;
    Collect c = {.kernel = &sort, .fits = true};
    for (int i = 0; i < b->conjuncts.count; i++) {
        if (b->targets[i] >= 0)
            expr_visit(b->keys[i], collect_operands, &c);
        else if (b->filters[i])
            expr_visit(b->conjuncts.items[i], collect_operands, &c);
    }
    close_kernel(&c, lists);
    array_push(arena, &kernels->items, sort);
    sum.kind = KERNEL_BUCKET;
    sum.tiles = bucket_sum_tiles(b);
    Collect d = {.kernel = &sum, .fits = true};
    expr_visit(node->value, collect_operands, &d);
    expr_visit(b->rest, collect_operands, &d);
    sum.as.bucket.sorted = sum.operand_count;
    add_operand(&d, lists);
    close_kernel(&d, node);
    array_push(arena, &kernels->items, sum);
    return c.fits && d.fits;
}

/* ---- contractions ---------------------------------------------------------------------------- */

/* The buffers that contractions of a graph share. Contractions of equal shape share a table. Those
 * that read one operand in the same panels share its packed copy, as for weights that every view
 * uses. */
typedef struct Shared {
    uint64_t hash;
    const GNode *b;
    GNode *tables;
    const GNode *packed;
} Shared;

typedef struct SharedList {
    ARRAY(Shared) items;
} SharedList;

static void push_kernel(Arena *arena, KernelList *kernels, KernelKind kind, Graph *g,
                        const Contraction *c, int64_t tiles, int count,
                        const GNode *const *operands) {
    Kernel k;
    memset(&k, 0, sizeof k);
    k.kind = kind;
    k.graph = g;
    k.node = c->node;
    k.as.contraction = c;
    k.tiles = tiles;
    k.output_count = 1;
    for (int i = 0; i < count; i++)
        k.operands[k.operand_count++] = operands[i];
    array_push(arena, &kernels->items, k);
}

/* Finds the table and the operand b of a contraction among those made before, or adds them. */
static void share_operands(Arena *arena, Graph *g, Contraction *c, KernelList *kernels,
                           SharedList *shared, GNode **tables, const GNode **b) {
    const GNode *from = c->form.b->tensor;
    const GNode *packed = NULL;
    for (int i = 0; i < shared->items.count; i++) {
        const Shared *s = &shared->items.items[i];
        if (s->hash != c->hash) continue;
        *tables = s->tables;
        if (s->b == from) packed = s->packed;
    }
    if (!*tables) {
        *tables = extra_table(arena, kernels, c->tables, c->table_count, c->node);
    }
    if (!packed && c->packed) {
        GNode *made = extra_node(arena, kernels, GT_REAL, contraction_pack_count(c), c->node);
        push_kernel(arena, kernels, KERNEL_PACK, g, c, contraction_pack_tiles(c), 3,
                    (const GNode *[]){from, *tables, made});
        packed = made;
    }
    if (!packed) packed = from;
    array_push(arena, &shared->items, ((Shared){c->hash, from, *tables, packed}));
    *b = packed;
}

/* Makes the kernels of a contraction: the product, and if needed one that packs b ahead of it and
 * one that adds parts behind it. */
static void contraction_kernels(Arena *arena, Graph *g, Contraction *c, KernelList *kernels,
                                SharedList *shared) {
    const GNode *a = c->form.a->tensor;
    const GNode *b = c->form.b->tensor;
    GNode *tables = NULL;
    if (c->plain) {
        push_kernel(
            arena, kernels, KERNEL_PRODUCT, g, c, 1, 3,
            (const GNode *[]){c->plain->swapped ? b : a, c->plain->swapped ? a : b, c->node});
        return;
    }
    share_operands(arena, g, c, kernels, shared, &tables, &b);
    const GNode *sums =
        c->direct ? c->node
                  : extra_node(arena, kernels, GT_REAL, contraction_part_count(c), c->node);
    push_kernel(arena, kernels, KERNEL_PRODUCT, g, c, c->tasks, 4,
                (const GNode *[]){a, tables, b, sums});
    if (!c->direct)
        push_kernel(arena, kernels, KERNEL_GATHER_PARTIALS, g, c, contraction_gather_tiles(c), 3,
                    (const GNode *[]){sums, tables, c->node});
}

/* ---- sweeps ---------------------------------------------------------------------------------- */

static void join_kernel(Arena *arena, const Kernel *sweep, int sink, const GNode *parts,
                        KernelList *kernels) {
    Kernel k = {.kind = KERNEL_SWEEP_JOIN,
                .graph = sweep->graph,
                .node = sweep->as.sweep.sweep->sinks[sink].pair.node,
                .as.sweep = {sweep->as.sweep.sweep, sink},
                .tiles = 1};
    k.operands[k.operand_count++] = parts;
    k.operands[k.operand_count++] = k.node;
    k.output_count = 1;
    array_push(arena, &kernels->items, k);
}

/* Makes the kernel of a sweep, and those that join its parts. Returns false if the sweep reads too
 * many arrays, or draws. */
static bool sweep_kernel(Arena *arena, Graph *g, Sweep *sweep, KernelList *kernels) {
    Kernel k;
    memset(&k, 0, sizeof k);
    k.kind = KERNEL_SWEEP;
    k.graph = g;
    k.node = sweep->sinks[0].pair.node;
    k.as.sweep.sweep = sweep;
    k.tiles = sweep->tasks;
    k.rounds = sweep->rounds;
    Collect c = {.kernel = &k, .fits = true, .sweeps = true};
    for (int i = 0; i < sweep->source_count; i++) {
        add_operand(&c, sweep->sources[i].row.array);
        add_operand(&c, sweep->sources[i].column.array);
    }
    for (int i = 0; i < sweep->sink_count; i++) {
        expr_visit(sweep->sinks[i].pair.node->value, collect_operands, &c);
        expr_visit(sweep->sinks[i].pair.node->guard, collect_operands, &c);
    }
    if (!c.fits || c.draws || k.operand_count + sweep->sink_count + 1 > MAX_KERNEL_OPERANDS)
        return false;
    int64_t state = sweep_state_count(sweep);
    const GNode *kept = state ? extra_node(arena, kernels, GT_REAL, state, k.node) : NULL;
    bool joins = sweep->parts > 1;
    if (kept) k.operands[k.operand_count++] = kept;
    for (int i = 0; !joins && i < sweep->sink_count; i++)
        k.operands[k.operand_count++] = sweep->sinks[i].pair.node;
    k.output_count = (joins ? 0 : sweep->sink_count) + (kept ? 1 : 0);
    array_push(arena, &kernels->items, k);
    for (int i = 0; joins && i < sweep->sink_count; i++)
        join_kernel(arena, &k, i, kept, kernels);
    return true;
}

/* ---- what is placed, and what can be --------------------------------------------------------- */

typedef struct Order {
    Arena *arena;
    Graph *g;
    const PlanTarget *target;
    KernelList *kernels;
    SharedList shared;
    PairSink **sinks; /* by node id; NULL: the node is no sink, or the target has no sweeps */
    bool *done;       /* by node id: the node has a kernel */
    /* By node id, for the sweep at hand: 1 if the node can be computed before the sweep, 2 if it
     * must wait for a sink, 0 if that is not known. */
    unsigned char *waits;
    unsigned char *late; /* by node id: the depth of a deferred node (abreast.h) */
    uint32_t ids;
    Alike alike;
} Order;

typedef bool (*OperandVisit)(Order *o, GNode *operand);

typedef struct Operands {
    Order *order;
    OperandVisit visit;
} Operands;

static VisitStep visit_read(void *context, const GExpr *e) {
    const Operands *o = context;
    return e->op == G_LOAD && !o->visit(o->order, e->tensor) ? VISIT_END : VISIT_INSIDE;
}

/* Visits the operands of a node. Returns false as soon as a visit does. */
static bool each_operand_of(Order *o, const GNode *n, OperandVisit visit) {
    Operands operands = {o, visit};
    if (n->operand && !visit(o, n->operand)) return false;
    for (int i = 0; i < n->operand_count; i++)
        if (!visit(o, n->operands[i])) return false;
    return !expr_visit_node(n, visit_read, &operands);
}

/* True if the node can be computed before the sweep at hand, since it is made of no sink that
 * waits. */
static bool does_not_wait(Order *o, GNode *n) {
    if (o->done[n->id]) return true;
    if (o->waits[n->id]) return o->waits[n->id] == 1;
    bool free = !o->sinks[n->id] && each_operand_of(o, n, does_not_wait);
    o->waits[n->id] = free ? 1 : 2;
    return free;
}

static bool place_node(Order *o, GNode *node);

/* Places the sweep of a sink, with every other sink that it can serve. The operands of all these
 * sinks are placed first, so no sink may depend on another one of the sweep. */
static bool place_sweep(Order *o, GNode *seed) {
    Sweep *sweep = arena_new_of(o->arena, Sweep);
    ARRAY(GNode *) members = {0};
    if (!sweep_add(o->g, sweep, o->sinks[seed->id], o->target)) return false;
    array_push(o->arena, &members, seed);
    memset(o->waits, 0, o->ids);
    for (int i = 0; i < o->g->nodes.count; i++) {
        GNode *n = o->g->nodes.items[i];
        if (n == seed || n->id >= o->ids || o->done[n->id] || !o->sinks[n->id]) continue;
        if (each_operand_of(o, n, does_not_wait) &&
            sweep_add(o->g, sweep, o->sinks[n->id], o->target))
            array_push(o->arena, &members, n);
    }
    for (int i = 0; i < members.count; i++)
        if (!each_operand_of(o, members.items[i], place_node)) return false;
    for (int i = 0; i < members.count; i++)
        o->done[members.items[i]->id] = true;
    sweep_finish(o->g, sweep, o->target);
    return sweep_kernel(o->arena, o->g, sweep, o->kernels);
}

/* Places a node, unless it is rematerialised, and so comes right ahead of its reader. */
static bool place_kept(Order *o, GNode *node) {
    return node->again || place_node(o, node);
}

/* Places the operands of a node. A rematerialised operand comes last, right ahead of its reader. */
static bool place_operands(Order *o, const GNode *node) {
    return (!o->g->again.count || each_operand_of(o, node, place_kept)) &&
           each_operand_of(o, node, place_node);
}

bool kernel_combines(const Graph *g, const GNode *node) {
    ShardSum sum;
    return g->settings.shards > 1 && shard_sum(node, g->settings.shards, &sum);
}

/* ---- compute nodes --------------------------------------------------------------------------- */

static bool is_computed(Order *o, GNode *n) {
    return o->done[n->id] || !node_is_made(n);
}

/* True if the node has no kernel yet, and could get a plain kernel of its own now. */
static bool waits_for_kernel(Order *o, GNode *n) {
    /* Extra nodes have no kernel; others may have theirs. */
    if (n->id >= o->ids || o->done[n->id]) return false;
    if (n->again || n->streamed || o->sinks[n->id] || kernel_combines(o->g, n)) return false;
    if (!each_operand_of(o, n, is_computed)) return false;
    Product product;
    return !product_of(o->arena, n, &product) &&
           !(o->target->buckets && bucket_of(o->arena, o->g, n));
}

/* Adds `node` to the kernel. Does nothing if the kernel would then read too many arrays, or could
 * no longer share its code with other kernels. */
static void join_with_kernel(Order *o, Collect *c, GNode *node) {
    Kernel joined = *c->kernel;
    Collect with = {.kernel = &joined, .draws = c->draws, .fits = true};
    ComputeKernel *compute = &joined.as.compute;
    compute->beside[compute->beside_count++] = node;
    expr_visit_node(node, collect_operands, &with);
    const bool shared_code = compute->arguments != NULL;
    compute->arguments = shared_code ? arguments_of(o->arena, &joined) : NULL;
    if (!with.fits || joined.operand_count + compute->beside_count > MAX_KERNEL_OPERANDS - 3 ||
        (shared_code && !compute->arguments))
        return;
    *c->kernel = joined;
    c->draws = with.draws;
    o->done[node->id] = true;
}

/* Adds nodes that read what the kernel reads or makes, in the order of the graph. A node that joins
 * may bring more candidates. */
static void join_alike(Order *o, Collect *c, GNode *node) {
    const Kernel *k = c->kernel;
    Alike *alike = &o->alike;
    alike_begin(alike, node);
    for (int i = 0; i < k->operand_count; i++)
        alike_note(alike, k->operands[i]);
    for (int at = 0; at < alike->candidates.count && kernel_node_count(k) < MOST_TOGETHER; at++) {
        GNode *other = alike->candidates.items[at];
        int operands = k->operand_count;
        int nodes = kernel_node_count(k);
        if (o->done[other->id] ||
            !kernel_joins(o->arena, k, other, k->late && o->late[other->id]) ||
            !waits_for_kernel(o, other))
            continue;
        join_with_kernel(o, c, other);
        if (kernel_node_count(k) == nodes) continue;
        alike_note(alike, other);
        for (int i = operands; i < k->operand_count; i++)
            alike_note(alike, k->operands[i]);
        /* New candidates before `other` are not looked at, since their place in the order has
         * passed. */
        for (at = 0; alike->candidates.items[at] != other;)
            at++;
    }
}

/* Makes the kernel of a compute node, with the nodes that join it. Returns false if it reads too
 * many arrays. */
static bool compute_kernel(Order *o, GNode *node) {
    Kernel k = {.kind = KERNEL_COMPUTE,
                .graph = o->g,
                .node = node,
                .tiles = compute_tiles(node, &o->g->settings),
                .late = o->late[node->id]};
    Collect c = {.kernel = &k, .fits = true};
    expr_visit_node(node, collect_operands, &c);
    ComputeKernel *compute = &k.as.compute;
    compute->arguments = o->target->arguments ? arguments_of(o->arena, &k) : NULL;
    const bool alone = !o->target->together || o->g->settings.no_fuse || node->again ||
                       kernel_combines(o->g, node);
    if (!alone) join_alike(o, &c, node);
    if (compute->arguments) { /* the table is the first operand */
        memmove(k.operands + 1, k.operands, sizeof *k.operands * (size_t)k.operand_count++);
        k.operands[0] = arguments_node(o->arena, o->kernels, compute->arguments, node);
    }
    close_kernel(&c, node);
    for (int i = 0; i < compute->beside_count; i++)
        k.operands[k.operand_count++] = compute->beside[i];
    k.output_count = 1 + compute->beside_count;
    for (int i = 0; i < compute->beside_count; i++)
        k.late = k.late && o->late[compute->beside[i]->id];
    array_push(o->arena, &o->kernels->items, k);
    return c.fits;
}

/* ---- the order ------------------------------------------------------------------------------- */

/* Places a node behind its operands. Returns false if a kernel would read too many arrays. */
static bool place_node(Order *o, GNode *node) {
    if (o->done[node->id]) return true;
    if (!place_operands(o, node)) return false;
    if (o->done[node->id]) return true; /* it joined the kernel of an operand */
    if (o->sinks[node->id]) return place_sweep(o, node);
    o->done[node->id] = true;
    if (node->kind == GN_CALL) call_kernel(o->arena, o->g, node, o->target, o->kernels);
    if (node->kind != GN_COMPUTE && node->kind != GN_TOPK) return true;
    if (node->streamed && o->target->sweeps) return true;
    if (node->kind == GN_TOPK) {
        topk_kernel(o->arena, o->g, node, o->kernels);
        return true;
    }
    Contraction *c = contraction_of(o->arena, node, o->target, o->g->settings.shards);
    Bucket *b = c || !o->target->buckets ? NULL : bucket_of(o->arena, o->g, node);
    if (b) return bucket_kernels(o->arena, o->g, b, o->kernels);
    if (!c) return compute_kernel(o, node);
    contraction_kernels(o->arena, o->g, c, o->kernels, &o->shared);
    return true;
}

static VisitStep find_span(void *span, const GExpr *e) {
    Span *found = span;
    if (e->place) *found = e->place->span;
    if (!found->source && e->op == G_LOAD) *found = e->tensor->span;
    return found->source ? VISIT_END : VISIT_INSIDE;
}

/* Returns the place of node `at`. A node that a pass has made has the place of a formula in it, or
 * of the nearest node ahead of it, since a pass puts its nodes beside those that they are made of.
 */
static Span span_of(const Graph *g, int at) {
    Span span = {.source = NULL};
    for (; at >= 0 && !span.source; at--) {
        span = g->nodes.items[at]->span;
        if (!span.source) {
            expr_visit_node(g->nodes.items[at], find_span, &span);
        }
    }
    return span;
}

bool schedule(Arena *arena, Graph *g, const PlanTarget *target, KernelList *kernels,
              const char **error) {
    Order o = {.arena = arena, .g = g, .target = target, .kernels = kernels};
    int count = g->nodes.count;
    for (int i = 0; i < count; i++)
        if (g->nodes.items[i]->id >= o.ids) o.ids = g->nodes.items[i]->id + 1;
    o.sinks = arena_array(arena, PairSink *, o.ids);
    o.done = arena_array(arena, bool, o.ids);
    o.waits = arena_array(arena, unsigned char, o.ids);
    o.alike = alike_of(arena, g);
    for (int i = 0; target->sweeps && i < count; i++) {
        PairSink sink;
        GNode *n = g->nodes.items[i];
        if (!pair_sink(n, &sink)) continue;
        o.sinks[n->id] = arena_new_of(arena, PairSink);
        *o.sinks[n->id] = sink;
    }
    const bool abreast = target->abreast && !g->settings.no_fuse;
    int deepest = 0;
    o.late =
        abreast ? plan_late_nodes(arena, g, &deepest) : arena_array(arena, unsigned char, o.ids);
    for (int depth = 0; depth <= deepest; depth++) {
        /* `count` is that of the start, since kernels with draws add run scalars to the graph. */
        for (int i = 0; i < count; i++) {
            GNode *node = g->nodes.items[i];
            if (o.late[node->id] != depth || place_kept(&o, node)) continue;
            const Span at = span_of(g, i);
            *error = arena_printf(
                arena,
                "%s:%d:%d: error: one formula reads more than %d arrays; name a part of it with "
                "`let`",
                at.source ? at.source->path : g->name, at.line, at.column, MAX_KERNEL_OPERANDS - 3);
            return false;
        }
    }
    plan_set_launches(g, kernels, abreast);
    return true;
}
