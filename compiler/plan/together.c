#include "compiler/plan/together.h"

#include "compiler/graph/loads.h"
#include "compiler/graph/walk.h"

enum { SMALL_BYTES = 1 << 20 }; /* a result that may be made early, whatever it does to the memory alive at once */

/* ---- who is worth looking at ---------------------------------------------------------------------------------------- */

static bool same_shape(int rank, const int64_t *a, const int64_t *b) {
    for (int i = 0; i < rank; i++)
        if (a[i] != b[i]) return false;
    return true;
}

static uint64_t hash_shape(const GNode *n) {
    uint64_t hash = 1469598103934665603u ^ (uint64_t)n->rank;
    for (int i = 0; i < n->rank; i++) hash = (hash ^ (uint64_t)n->shape[i]) * 1099511628211u;
    return hash ^ (hash >> 31);
}

Alike alike_of(Arena *arena, const Graph *g) {
    uint32_t ids = 0;
    uint64_t slots = 16;
    for (int i = 0; i < g->nodes.count; i++)
        if (g->nodes.items[i]->id >= ids) ids = g->nodes.items[i]->id + 1;
    while (slots < 2 * (uint64_t)g->nodes.count) slots *= 2;
    Alike alike = {arena_array(arena, GNode *, (int64_t)ids + 1)};
    GNode **first = arena_array(arena, GNode *, (int64_t)slots);
    for (int i = g->nodes.count - 1; i >= 0; i--) {
        GNode *n = g->nodes.items[i];
        if (n->kind != GN_COMPUTE) continue;
        uint64_t at = hash_shape(n) & (slots - 1);
        while (first[at] && (first[at]->rank != n->rank || !same_shape(n->rank, first[at]->shape, n->shape))) at = (at + 1) & (slots - 1);
        alike.next[n->id] = first[at];
        first[at] = n;
    }
    return alike;
}

/* ---- the decision ------------------------------------------------------------------------------------------------------ */

static bool is_member(const Kernel *k, const GNode *n) {
    for (int i = 0; i <= k->beside_count; i++)
        if (kernel_node(k, i) == n) return true;
    return false;
}

bool reads_node(Arena *arena, const GNode *reader, const GNode *node) {
    const Loads loads = loads_of(arena, reader);
    for (int i = 0; i < loads.items.count; i++)
        if (loads.items.items[i]->tensor == node) return true;
    return false;
}

/* The loops of the kernel's first node serve: axes that it takes as one, the other takes as one too. */
static bool loops_serve(const GNode *first, const GNode *other) {
    int64_t loops[2 * GRAPH_MAX_RANK], own[2 * GRAPH_MAX_RANK];
    if (first->rank != other->rank || !same_shape(first->rank, first->shape, other->shape)) return false;
    if (other->red_rank && (first->red_rank != other->red_rank || !same_shape(first->red_rank, first->red_shape, other->red_shape))) return false;
    if (other->red_rank && sums_columns(first) != sums_columns(other)) return false;
    collapse_axes(first, loops);
    collapse_axes(other, own);
    for (int i = 0; i < other->rank + other->red_rank; i++)
        if (loops[i] == 1 && own[i] > 1) return false;
    return true;
}

bool joins_kernel(Arena *arena, const Kernel *k, const GNode *node, bool late) {
    if (k->beside_count == MOST_TOGETHER - 1 || !loops_serve(k->node, node)) return false;
    const Loads loads = loads_of(arena, node);
    if (loads.draws) return false; /* draws are alike, and share code as kernels of their own */
    int64_t largest = 0, shared = 0;
    bool takes_on = false;
    for (int i = 0; i < loads.items.count; i++) {
        const GNode *from = loads.items.items[i]->tensor;
        const int64_t size = graph_element_count(from);
        bool known = is_member(k, from);
        if (known && !load_is_at_own_place(loads.items.items[i])) return false;
        takes_on |= known;
        for (int o = 0; o < k->operand_count; o++) known |= k->operands[o] == from;
        if (size > largest) largest = size;
        if (known && size > shared) shared = size;
    }
    if (shared == 0 || shared < largest) return false;
    const int64_t made = graph_element_count(node);
    return takes_on || late || 4 * made <= shared || 4 * made <= SMALL_BYTES;
}
