/* Finds a node that mixes samples where each row of an output should be made of one sample
 * (graph_mixing).
 *
 * The places of the samples are followed from node to node. A block of a result belongs to one
 * sample if it reads nothing of other samples. A formula treats all samples alike, so a
 * few blocks are tried: the first ones, one in the middle, the last one. */
#include "compiler/graph/mixing.h"
#include "compiler/graph/node_set.h"

#include "compiler/graph/loads.h"

enum {
    PROBES = 4,
    MOST_SIZES = 2 * GRAPH_MAX_RANK,
};

/* The places of the samples in an array. Each sample has `size` neighbouring places of an axis, one
 * sample after the other; behind the last sample, the first one comes again. */
typedef struct Place {
    int axis; /* -1: the array does not depend on samples */
    int64_t size;
} Place;

typedef struct Mixing {
    Graph *g;
    Arena *scratch;
    int64_t rows;
    Place *of; /* by the id of a node */
} Mixing;

/* ---- formulas -------------------------------------------------------------------------------- */

/* True if the read touches only entries that belong to sample `row`, or to no sample. */
static bool stays(const Mixing *m, const GExpr *load, int64_t row) {
    const Place *p = &m->of[load->tensor->id];
    int64_t low;
    int64_t high;
    if (p->axis < 0) return true;
    if (!gx_range(m->g, load->args[p->axis], NULL, &low, &high) || low < 0 ||
        high >= load->tensor->shape[p->axis])
        return false;
    return low / p->size == high / p->size && low / p->size % m->rows == row;
}

/* True if one block of the result's axis, which belongs to a sample, reads nothing of other
 * samples. */
static bool block_stays(const Mixing *m, const GNode *n, const Place *result, int64_t block) {
    ComputeSpec spec;
    graph_open(m->g, n, &spec);
    const GExpr *index = spec.out[result->axis];
    const GExpr *within = graph_fresh_index(m->g, result->size);
    const GExpr *at = gx2(m->g, G_ADD, within, gx_int(m->g, block * result->size));
    const GExpr *parts[] = {spec.value, spec.guard, spec.active};
    for (int i = 0; i < 3; i++)
        parts[i] = gx_substitute(m->g, parts[i], 1, &index, &at);
    const Loads loads = loads_of_all(m->scratch, 3, parts);
    for (int i = 0; i < loads.items.count; i++)
        if (!stays(m, loads.items.items[i], block % m->rows)) return false;
    return true;
}

/* True if each block that is tried reads its own sample. A formula treats all samples alike, so the
 * tries are the first samples, one in the middle and the last one, each in its first block and in
 * its last. */
static bool result_stays(const Mixing *m, const GNode *n, const Place *result) {
    const int64_t blocks = n->shape[result->axis] / result->size;
    const int64_t rows = m->rows;
    const int64_t probes[PROBES] = {0, rows > 1, rows / 2, rows - 1};
    for (int i = 0; i < PROBES; i++)
        if (!block_stays(m, n, result, probes[i]) ||
            !block_stays(m, n, result, blocks - rows + probes[i]))
            return false;
    return true;
}

/* Lists the sizes of blocks to try along an axis: those of the arrays that are read, and one block
 * for each sample. */
static int sizes_along(const Mixing *m, const Loads *loads, int64_t extent, int64_t *out) {
    int count = 0;
    if (extent % m->rows == 0) out[count++] = extent / m->rows;
    for (int i = 0; i < loads->items.count && count < MOST_SIZES; i++) {
        const Place *p = &m->of[loads->items.items[i]->tensor->id];
        bool known = p->axis < 0 || extent % (p->size * m->rows) != 0;
        for (int k = 0; k < count; k++)
            known |= out[k] == p->size;
        if (!known) out[count++] = p->size;
    }
    return count;
}

static bool place_result(const Mixing *m, const GNode *n, const Loads *loads, Place *out) {
    for (int axis = 0; axis < n->rank; axis++) {
        int64_t sizes[MOST_SIZES];
        const int count = sizes_along(m, loads, n->shape[axis], sizes);
        for (int i = 0; i < count; i++) {
            *out = (Place){axis, sizes[i]};
            if (result_stays(m, n, out)) return true;
        }
    }
    return false;
}

static bool place_formula(const Mixing *m, const GNode *n, Place *out) {
    const Loads loads = loads_of(m->scratch, n);
    bool any = false;
    *out = (Place){-1, 1};
    for (int i = 0; i < loads.items.count; i++)
        any |= m->of[loads.items.items[i]->tensor->id].axis >= 0;
    return !any || place_result(m, n, &loads, out);
}

/* ---- calls ----------------------------------------------------------------------------------- */

/* Follows samples through a library call. The call works along the last axes, two of a matrix and
 * one of anything else. The result of a matrix may have an axis less. */
static bool place_call(const Mixing *m, const GNode *n, const GNode *operand, Place *out) {
    const Place *p = &m->of[operand->id];
    const int own = operand->rank > n->rank ? 2 : 1;
    if (p->axis < 0) return true;
    *out = *p;
    return p->axis < operand->rank - own;
}

static bool place_operands(const Mixing *m, const GNode *n, Place *out) {
    *out = (Place){-1, 1};
    if (n->operand && !place_call(m, n, n->operand, out)) return false;
    for (int i = 0; i < n->operand_count; i++)
        if (!place_call(m, n, n->operands[i], out)) return false;
    return true;
}

/* ---- the whole ------------------------------------------------------------------------------- */

/* Finds the places of the samples in a node. Returns false if the node mixes samples. */
static bool batch_place(const Mixing *m, const GNode *n, Place *out) {
    switch (n->kind) {
    case GN_INPUT:
        *out = (Place){graph_is_batch(n) ? 0 : -1, 1};
        return true;
    case GN_STATE:
    case GN_CONST:
        *out = (Place){-1, 1};
        return true;
    case GN_COMPUTE:
        return place_formula(m, n, out);
    case GN_TOPK:
    case GN_CALL:
        return place_operands(m, n, out);
    case GN_STOP:
        *out = m->of[n->operand->id];
        return true;
    }
    return true;
}

/* Returns the number of samples, or 0 if the graph has no field of a batch. */
static int64_t count_samples(const Graph *g) {
    for (int i = 0; i < g->nodes.count; i++)
        if (graph_is_batch(g->nodes.items[i])) return g->nodes.items[i]->shape[0];
    return 0;
}

const GNode *graph_mixing(Graph *g) {
    const GNode *found = NULL;
    const int count = g->nodes.count;
    Mixing m = {g, arena_new(), count_samples(g), NULL};
    m.of = arena_array(m.scratch, Place, graph_node_ids(g));
    NodeSet reached;
    node_set_open(&reached, g);
    graph_add_reached(g, &reached);
    for (int i = 0; i < count && m.rows && !found; i++) {
        const GNode *n = g->nodes.items[i];
        if (node_set_holds(&reached, n) && !batch_place(&m, n, &m.of[n->id])) {
            found = n;
        }
    }
    node_set_close(&reached);
    arena_free(m.scratch);
    return found;
}
