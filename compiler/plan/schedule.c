/* Which kernels a graph becomes, in which order, and what each reads. */
#include "compiler/plan/contraction.h"

#include <string.h>

typedef struct Collect {
    Kernel *kernel;
    bool draws, fits;
} Collect;

static void add_operand(Collect *c, const GNode *node) {
    Kernel *k = c->kernel;
    for (int i = 0; i < k->operand_count; i++)
        if (k->operands[i] == node) return;
    if (k->operand_count == MAX_KERNEL_OPERANDS - 3) {
        c->fits = false;
        return;
    }
    k->operands[k->operand_count++] = node;
}

/* Marks keep shared parts of an expression from being walked twice. */
typedef struct Seen {
    const GExpr **items;
    int count, capacity;
} Seen;

static void collect(Arena *arena, Collect *c, Seen *seen, const GExpr *e) {
    if (!e || !c->fits || e->op == G_CONST || e->op == G_INDEX) return;
    if (e->arg_count > 1 || e->op == G_LOAD) {
        for (int i = 0; i < seen->count; i++)
            if (seen->items[i] == e) return;
        array_push(arena, seen, e);
    }
    c->draws |= e->op == G_RANDOM;
    if (e->op == G_LOAD) add_operand(c, e->tensor);
    for (int i = 0; i < e->arg_count; i++) collect(arena, c, seen, e->args[i]);
}

static GNode *run_scalar(Graph *g, const char *name, int64_t count, int rank) {
    return graph_input(g, name, GT_INT, rank, &count, (Span){0});
}

static bool one_kernel(Arena *arena, Graph *g, GNode *node, KernelList *kernels) {
    Kernel k;
    memset(&k, 0, sizeof k);
    k.kind = node->kind == GN_TOPK ? KERNEL_TOPK : KERNEL_COMPUTE;
    k.graph = g;
    k.node = node;
    k.output_count = 1;
    Collect c = {&k, false, true};
    if (k.kind == KERNEL_TOPK) {
        add_operand(&c, node->operand);
        k.tiles = 1;
        for (int i = 0; i + 1 < node->rank; i++) k.tiles *= node->shape[i];
    } else {
        Seen seen = {0};
        collect(arena, &c, &seen, node->value);
        collect(arena, &c, &seen, node->guard);
        collect(arena, &c, &seen, node->active);
        k.tiles = compute_tiles(node);
    }
    if (c.draws) {
        k.operands[k.operand_count++] = run_scalar(g, "seed", 2, 1);
        k.operands[k.operand_count++] = run_scalar(g, "step", 1, 0);
    }
    k.operands[k.operand_count++] = node;
    array_push(arena, &kernels->items, k);
    return c.fits;
}

/* ---- library calls ---------------------------------------------------------------------------------------------- */

static GNode *extra_node(Arena *arena, KernelList *kernels, GNodeKind kind, GType type, int64_t count, const GNode *like) {
    GNode *n = arena_new_of(arena, GNode);
    n->kind = kind;
    n->type = type;
    n->rank = 1;
    n->shape[0] = count;
    n->span = like->span;
    array_push(arena, &kernels->extra, n);
    return n;
}

static void call_kernel(Arena *arena, Graph *g, GNode *node, KernelList *kernels) {
    CoupletCallSize size;
    int64_t rows = graph_call_size(node, &size);
    Kernel k = {.kind = KERNEL_CALL, .graph = g, .node = node, .tiles = rows, .output_count = 1};
    int32_t *head = arena_array(arena, int32_t, 4);
    head[0] = (int32_t)node->call;
    head[1] = (int32_t)size.rows;
    head[2] = (int32_t)size.columns;
    head[3] = (int32_t)size.result;
    GNode *table = extra_node(arena, kernels, GN_CONST, GT_INT, 4, node);
    table->aux = head;
    k.operands[k.operand_count++] = table;
    for (int i = 0; i < node->operand_count; i++) k.operands[k.operand_count++] = node->operands[i];
    k.operands[k.operand_count++] = node;
    array_push(arena, &kernels->items, k);
}

/* ---- contractions ---------------------------------------------------------------------------------------------- */

/* What contractions of one graph share: tables of equal shapes, and panels of one operand packed the same way (weights, used by every view). */
typedef struct Shared {
    uint64_t hash;
    const GNode *b;
    GNode *tables;
    const GNode *packed;
} Shared;

typedef struct SharedList {
    ARRAY(Shared) items;
} SharedList;

static void push_kernel(Arena *arena, KernelList *kernels, KernelKind kind, Graph *g, const Contraction *c, int64_t tiles, int count, const GNode *const *operands) {
    Kernel k;
    memset(&k, 0, sizeof k);
    k.kind = kind;
    k.graph = g;
    k.node = c->node;
    k.contraction = c;
    k.tiles = tiles;
    k.output_count = 1;
    for (int i = 0; i < count; i++) k.operands[k.operand_count++] = operands[i];
    array_push(arena, &kernels->items, k);
}

/* Tables of equal content, and panels of one array packed the same way, are made once. */
static void share_operands(Arena *arena, Graph *g, Contraction *c, KernelList *kernels, SharedList *shared, GNode **tables, const GNode **b) {
    const GNode *from = c->form.b->tensor;
    const GNode *packed = NULL;
    for (int i = 0; i < shared->items.count; i++) {
        const Shared *s = &shared->items.items[i];
        if (s->hash != c->hash) continue;
        *tables = s->tables;
        if (s->b == from) packed = s->packed;
    }
    if (!*tables) {
        *tables = extra_node(arena, kernels, GN_CONST, GT_INT, c->table_count, c->node);
        (*tables)->aux = (void *)(uintptr_t)c->tables;
    }
    if (!packed && c->packed) {
        GNode *made = extra_node(arena, kernels, GN_COMPUTE, GT_REAL, contraction_pack_count(c), c->node);
        push_kernel(arena, kernels, KERNEL_PACK, g, c, contraction_pack_tiles(c), 3, (const GNode *[]){from, *tables, made});
        packed = made;
    }
    if (!packed) packed = from;
    array_push(arena, &shared->items, ((Shared){c->hash, from, *tables, packed}));
    *b = packed;
}

static void contraction_kernels(Arena *arena, Graph *g, Contraction *c, KernelList *kernels, SharedList *shared) {
    const GNode *a = c->form.a->tensor, *b;
    GNode *tables = NULL;
    share_operands(arena, g, c, kernels, shared, &tables, &b);
    const GNode *sums = c->direct ? c->node : extra_node(arena, kernels, GN_COMPUTE, GT_REAL, contraction_part_count(c), c->node);
    push_kernel(arena, kernels, KERNEL_PRODUCT, g, c, c->tasks, 4, (const GNode *[]){a, tables, b, sums});
    if (!c->direct) push_kernel(arena, kernels, KERNEL_GATHER_PARTIALS, g, c, contraction_gather_tiles(c), 3, (const GNode *[]){sums, tables, c->node});
}

bool schedule(Arena *arena, Graph *g, const PlanTarget *target, KernelList *kernels, const char **error) {
    SharedList shared = {0};
    for (int i = 0; i < g->nodes.count; i++) {
        GNode *node = g->nodes.items[i];
        if (node->kind == GN_CALL) call_kernel(arena, g, node, kernels);
        if (node->kind != GN_COMPUTE && node->kind != GN_TOPK) continue;
        Contraction *c = contraction_of(arena, node, target);
        if (c) contraction_kernels(arena, g, c, kernels, &shared);
        if (c || one_kernel(arena, g, node, kernels)) continue;
        *error = arena_printf(arena, "%s:%d: one formula reads more than %d arrays; name a part of it with `let`", node->span.source ? node->span.source->path : "?",
                              node->span.line, MAX_KERNEL_OPERANDS - 3);
        return false;
    }
    return true;
}
