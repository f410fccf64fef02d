/* Which kernels a graph becomes, in which order, and what each reads. */
#include "compiler/cpu/emit.h"

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

bool schedule(Arena *arena, Graph *g, KernelList *kernels, const char **error) {
    for (int i = 0; i < g->nodes.count; i++) {
        GNode *node = g->nodes.items[i];
        if (node->kind != GN_COMPUTE && node->kind != GN_TOPK) continue;
        bool good = one_kernel(arena, g, node, kernels);
        if (good) continue;
        *error = arena_printf(arena, "%s:%d: one formula reads more than %d arrays; name a part of it with `let`", node->span.source ? node->span.source->path : "?",
                              node->span.line, MAX_KERNEL_OPERANDS - 3);
        return false;
    }
    return true;
}
