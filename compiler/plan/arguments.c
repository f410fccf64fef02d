/* Finds the differences between two kernels of one form: extents, constants, and where a part of an
 * array begins. The kernels share their code and take the differences from a table. So fewer
 * kernels are compiled, and the training of a deep network starts sooner.
 *
 * A compute node qualifies if each read walks along with the node's loops, because its addresses
 * then depend on the extents alone. Short extents stay in the code, since a loop of three turns is
 * better unrolled. */
#include "compiler/plan/arguments.h"

#include "compiler/graph/affine.h"
#include "compiler/graph/visit.h"

#include <string.h>

enum { LONGEST_LITERAL = 16 };

typedef struct Walk {
    const GNode *node;
    Arguments *found;
    ExprMap met;
} Walk;

bool argument_is_literal(const Arguments *a, int loop) {
    return a->extents[loop] <= LONGEST_LITERAL;
}

int argument_find(const Arguments *a, const GExpr *constant) {
    for (int i = 0; i < a->constant_count; i++)
        if (a->constants[i] == constant) return i;
    return -1;
}

bool argument_is_position(const Arguments *a, const GNode *n, const GExpr *e) {
    Affine affine;
    int loops = 0;
    for (int i = 0; i < n->rank; i++)
        loops += a->loop_of[i] >= 0;
    if (loops != 1 || e->op == G_CONST || !affine_of(e, &affine) || affine.constant != 0)
        return false;
    for (int i = n->rank; i < n->rank + n->red_rank; i++)
        if (affine.factor[i] != 0) return false;
    int64_t stride = 1;
    for (int i = n->rank - 1; i >= 0; stride *= n->shape[i--])
        if (n->shape[i] > 1 && affine.factor[i] != stride) return false;
    return true;
}

static bool add_constant(Arguments *a, const GNode *of, const GExpr *e) {
    if (argument_find(a, e) >= 0) return true;
    if (a->constant_count == MOST_CONSTANTS) return false;
    a->owners[a->constant_count] = of;
    a->constants[a->constant_count++] = e;
    return true;
}

const GExpr *argument_subscript(const GExpr *load, int axis) {
    const GExpr *at = load->args[axis];
    return axis == 0 && at->op == G_ADD && at->args[1]->op == G_CONST ? at->args[0] : at;
}

/* True if the read is of a part of the array along the first axis; *shift is the element at which
 * the part begins. The rows of the part have a length that the loops know. */
bool argument_shift(const GNode *n, const GExpr *load, int64_t *shift) {
    if (load->tensor->rank == 0) return false;
    const GExpr *index = argument_subscript(load, 0);
    const GExpr *at = load->args[0];
    int64_t rows = at == index ? 0 : at->args[1]->integer;
    if (index->op != G_INDEX || rows < 0 ||
        rows + graph_extent(n, index->index) > load->tensor->shape[0])
        return false;
    *shift = rows;
    for (int i = 1; i < load->tensor->rank; i++)
        *shift *= load->tensor->shape[i];
    return at != index || graph_extent(n, index->index) < load->tensor->shape[0];
}

/* True if every subscript of the read is an index of the node that covers its axis. The place in
 * memory then depends on the extents of the loops and on the shift alone. */
static bool walks_along(Arguments *a, const GNode *n, const GExpr *load) {
    int64_t shift;
    if (load->has_else || load->tensor->streamed) return false;
    const bool is_part = argument_shift(n, load, &shift);
    for (int i = is_part ? 1 : 0; i < load->tensor->rank; i++)
        if (load->args[i]->op != G_INDEX ||
            graph_extent(n, load->args[i]->index) != load->tensor->shape[i])
            return false;
    return !is_part || (shift <= INT32_MAX && add_constant(a, n, load));
}

/* Collects what differs between nodes of one form. Ends the visit at a part that cannot come from
 * the table. */
static VisitStep take_arguments(void *context, const GExpr *e) {
    Walk *w = context;
    bool fits = true;
    if (e->op == G_INDEX) return VISIT_PAST;
    if (e->op == G_CONST) {
        fits = e->type != GT_REAL || e->real == 0 || add_constant(w->found, w->node, e);
        return fits ? VISIT_PAST : VISIT_END;
    }
    if (e->op == G_LOAD) return walks_along(w->found, w->node, e) ? VISIT_PAST : VISIT_END;
    if (argument_is_position(w->found, w->node, e)) return VISIT_PAST;
    if (e->op != G_RANDOM) return VISIT_INSIDE;
    fits = e->args[0]->op == G_CONST && add_constant(w->found, w->node, e->args[0]);
    return fits && !expr_visit_rest(&w->met, e->args[1], take_arguments, w) ? VISIT_PAST
                                                                            : VISIT_END;
}

static bool has_arguments(Arguments *found, const GNode *n) {
    Walk w = {.node = n, .found = found};
    const GExpr *parts[3] = {n->value, n->guard, n->active};
    bool fits = true;
    expr_map_open(&w.met);
    for (int i = 0; fits && i < 3; i++)
        fits = !expr_visit_rest(&w.met, parts[i], take_arguments, &w);
    expr_map_close(&w.met);
    return fits;
}

const Arguments *arguments_of(Arena *arena, const Kernel *kernel) {
    const GNode *n = kernel->node;
    Arguments *a = arena_new_of(arena, Arguments);
    int64_t extents[2 * GRAPH_MAX_RANK];
    compute_collapse_axes(n, extents);
    int axes = compute_tile_axes(n, extents, &kernel->graph->settings, &a->chunk);
    bool one_tile = axes < n->rank;
    for (int i = 0; i < axes; i++)
        one_tile &= extents[i] == 1;
    /* An axis of one tile counts as cut too, so that short and long axes share the code. */
    if (one_tile && a->chunk == 0 && extents[axes] > 1) {
        a->chunk = extents[axes];
    }
    for (int i = 0; i < n->rank + n->red_rank; i++) {
        a->loop_of[i] = extents[i] == 1 ? -1 : a->loop_count;
        if (extents[i] > INT32_MAX) return NULL;
        if (extents[i] != 1) a->extents[a->loop_count++] = extents[i];
    }
    for (int i = 0; i < kernel_node_count(kernel); i++) {
        if (!has_arguments(a, kernel_node(kernel, i))) return NULL;
    }
    return a;
}

const int32_t *arguments_table(Arena *arena, const Arguments *a, int *count) {
    *count = argument_of_constant(a, a->constant_count);
    int32_t *table = arena_array(arena, int32_t, *count);
    for (int i = 0; i < a->loop_count; i++)
        table[i] = (int32_t)a->extents[i];
    table[argument_of_chunk(a)] = (int32_t)a->chunk;
    for (int i = 0; i < a->constant_count; i++) {
        const GExpr *e = a->constants[i];
        float real = (float)e->real;
        /* Draws use the low 32 bits of a site (runtime/random.h). */
        uint32_t word = (uint32_t)e->integer;
        int64_t shift = 0;
        if (e->op == G_LOAD && argument_shift(a->owners[i], e, &shift))
            word = (uint32_t)shift;
        else if (e->type == GT_REAL)
            memcpy(&word, &real, sizeof word);
        memcpy(&table[argument_of_constant(a, i)], &word, sizeof word);
    }
    return table;
}
