/* Chooses nodes that join another node's kernel (horizontal fusion). Asking of every pair of nodes
 * would take quadratic time, so the readers of each array are listed once, and only those with a
 * result of the right shape are looked at.
 *
 * Joining must save something: the largest array that the node reads is read or made by the kernel
 * already. Draws never join, since draws of one kind share code as kernels of their own. */
#include "compiler/plan/together.h"

#include "compiler/graph/loads.h"
#include "compiler/graph/walk.h"

/* The bytes of a result that may be made early, whatever it adds to the peak of memory. */
enum { SMALL_BYTES = 1 << 20 };

/* ---- who is worth looking at ----------------------------------------------------------------- */

static bool same_shape(int rank, const int64_t *a, const int64_t *b) {
    for (int i = 0; i < rank; i++)
        if (a[i] != b[i]) return false;
    return true;
}

Alike alike_of(Arena *arena, const Graph *g) {
    uint32_t ids = 0;
    for (int i = 0; i < g->nodes.count; i++)
        if (g->nodes.items[i]->id >= ids) ids = g->nodes.items[i]->id + 1;
    Alike alike = {.arena = arena,
                   .readers = arena_array(arena, Readers, ids),
                   .largest = arena_array(arena, int64_t, ids),
                   .position = arena_array(arena, int, ids),
                   .noted = arena_array(arena, int, ids)};
    for (int i = 0; i < g->nodes.count; i++) {
        GNode *n = g->nodes.items[i];
        alike.position[n->id] = i;
        if (n->kind != GN_COMPUTE) continue;
        const Loads loads = loads_of(arena, n);
        for (int k = 0; k < loads.items.count; k++) {
            const GNode *from = loads.items.items[k]->tensor;
            Readers *readers = &alike.readers[from->id];
            if (graph_element_count(from) > alike.largest[n->id])
                alike.largest[n->id] = graph_element_count(from);
            bool known =
                readers->items.count && readers->items.items[readers->items.count - 1] == n;
            if (!known) array_push(arena, &readers->items, n);
        }
    }
    return alike;
}

void alike_begin(Alike *alike, const GNode *first) {
    alike->kernel++;
    alike->first = first;
    alike->candidates.count = 0;
    alike_note(alike, first);
}

/* Adds a node behind the kernel's first one to the candidates, in the order of the graph, if its
 * result has the kernel's shape. */
static void list_alike(Alike *alike, GNode *node) {
    const GNode *first = alike->first;
    if (alike->noted[node->id] == alike->kernel ||
        alike->position[node->id] <= alike->position[first->id])
        return;
    alike->noted[node->id] = alike->kernel;
    if (node->rank != first->rank || !same_shape(node->rank, node->shape, first->shape)) return;
    array_push(alike->arena, &alike->candidates, node);
    GNode **items = alike->candidates.items;
    for (int at = alike->candidates.count - 1;
         at > 0 && alike->position[items[at - 1]->id] > alike->position[node->id]; at--) {
        items[at] = items[at - 1];
        items[at - 1] = node;
    }
}

void alike_note(Alike *alike, const GNode *array) {
    const Readers *readers = &alike->readers[array->id];
    const int64_t size = graph_element_count(array);
    for (int i = 0; i < readers->items.count; i++)
        /* If the reader reads a larger array, too, joining would save nothing. */
        if (size >= alike->largest[readers->items.items[i]->id])
            list_alike(alike, readers->items.items[i]);
}

/* ---- the decision ---------------------------------------------------------------------------- */

static bool is_member(const Kernel *k, const GNode *n) {
    for (int i = 0; i < kernel_node_count(k); i++)
        if (kernel_node(k, i) == n) return true;
    return false;
}

bool kernel_reads_node(Arena *arena, const GNode *reader, const GNode *node) {
    const Loads loads = loads_of(arena, reader);
    for (int i = 0; i < loads.items.count; i++)
        if (loads.items.items[i]->tensor == node) return true;
    return false;
}

/* True if the loops of the kernel's first node serve `other`: axes that it collapses can be
 * collapsed in `other`, too. */
static bool loops_serve(const GNode *first, const GNode *other) {
    int64_t loops[2 * GRAPH_MAX_RANK];
    int64_t own[2 * GRAPH_MAX_RANK];
    if (first->rank != other->rank || !same_shape(first->rank, first->shape, other->shape))
        return false;
    if (other->red_rank && (first->red_rank != other->red_rank ||
                            !same_shape(first->red_rank, first->red_shape, other->red_shape)))
        return false;
    if (other->red_rank && node_sums_columns(first) != node_sums_columns(other)) return false;
    compute_collapse_axes(first, loops);
    compute_collapse_axes(other, own);
    for (int i = 0; i < other->rank + other->red_rank; i++)
        if (loops[i] == 1 && own[i] > 1) return false;
    return true;
}

bool kernel_joins(Arena *arena, const Kernel *k, const GNode *node, bool late) {
    if (kernel_node_count(k) == MOST_TOGETHER) return false;
    const Loads loads = loads_of(arena, node);
    /* Nodes with draws keep kernels of their own, whose code they share. */
    if (loads.draws) return false;
    int64_t largest = 0;
    int64_t shared = 0;
    bool takes_on = false;
    for (int i = 0; i < loads.items.count; i++) {
        const GNode *from = loads.items.items[i]->tensor;
        const int64_t size = graph_element_count(from);
        bool known = is_member(k, from);
        if (known && !load_is_at_own_place(loads.items.items[i])) return false;
        takes_on |= known;
        for (int o = 0; o < k->operand_count; o++)
            known |= k->operands[o] == from;
        if (size > largest) largest = size;
        if (known && size > shared) shared = size;
    }
    if (shared == 0 || shared < largest) return false;
    const int64_t made = graph_element_count(node);
    return (takes_on || late || 4 * made <= shared || 4 * made <= SMALL_BYTES) &&
           loops_serve(k->node, node);
}
