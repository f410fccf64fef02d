/* Builds the graph of a step in microbatches (chunk.c): the blocks, the sums over samples, the
 * arrays that are put together from blocks, and the order of all of them. */
#include "compiler/passes/chunk/chunk.h"
#include "compiler/passes/rewrite.h"

#include <string.h>

enum { FAN_IN = 8 /* the most blocks that one node joins */ };

/* ---- the new graph --------------------------------------------------------------------------- */

static GNode *block(Chunk *c, Part *p, int64_t number);

static GNode **table(Chunk *c, int64_t count) {
    return arena_array(c->g->arena, GNode *, (int)count);
}

/* Copies a block of a whole array that blocks read, so that the formulas of all chunks are the
 * same. */
static GNode *slice(Chunk *c, Part *p, int64_t number) {
    Graph *g = c->g;
    GNode ***of = &p->slices[c->second];
    if (!*of) *of = table(c, p->blocks);
    if ((*of)[number]) return (*of)[number];
    ComputeSpec spec = {.out_rank = p->node->rank,
                        .span = p->node->span,
                        .name = p->node->name,
                        .again = c->second};
    const GExpr *at[GRAPH_MAX_RANK];
    for (int i = 0; i < p->node->rank; i++) {
        at[i] = spec.out[i] =
            graph_fresh_index(g, i == p->index ? block_size(p) : p->node->shape[i]);
        if (i == p->index) {
            at[i] = gx2(g, G_ADD, at[i], gx_int(g, number * block_size(p)));
        }
    }
    spec.value = gx_load(g, p->now, p->node->rank, at, NULL);
    return (*of)[number] = graph_compute(g, &spec);
}

/* Redirects a read in a block: to a block, to a copy of that part of a whole array, or to a whole
 * array. */
static const GExpr *read_block(void *context, Graph *g, const GExpr *e) {
    Chunk *c = context;
    if (e->op != G_LOAD || e->tensor->id >= c->ids) return e;
    Part *p = part_of(c, e->tensor);
    const GExpr *args[GRAPH_MAX_RANK + 1];
    const GExpr *otherwise = e->has_else ? e->args[e->arg_count - 1] : NULL;
    memcpy(args, e->args, sizeof args);
    int64_t number = has_samples(p) ? chunk_block_read(c, e) : -1;
    if (number < 0)
        return p->now == e->tensor ? e : gx_load(g, p->now, e->tensor->rank, args, otherwise);
    GNode *made = p->form == FORM_GIVEN || (p->is_cut && c->second) ? slice(c, p, number)
                                                                    : block(c, p, number);
    args[p->index] = gx2(g, G_SUB, args[p->index], gx_int(g, number * block_size(p)));
    return gx_load(g, made, e->tensor->rank, args, otherwise);
}

static GNode *make_block(Chunk *c, Part *p, int64_t number) {
    ComputeSpec spec = chunk_open_block(c, p, number);
    spec.value = gx_rewrite(c->g, spec.value, read_block, c);
    spec.guard = gx_rewrite(c->g, spec.guard, read_block, c);
    spec.active = gx_rewrite(c->g, spec.active, read_block, c);
    /* An array that the whole step would rematerialise is rematerialised in either loop. */
    spec.again += c->second && !p->is_after;
    return graph_compute(c->g, &spec);
}

static GNode *block(Chunk *c, Part *p, int64_t number) {
    GNode ***of = c->second && !p->is_after ? &p->again : &p->made;
    if (!*of) *of = table(c, p->blocks);
    if (!(*of)[number]) (*of)[number] = make_block(c, p, number);
    return (*of)[number];
}

static GNode *add_nodes(Graph *g, GNode *a, GNode *b, Span span) {
    ComputeSpec spec = {.out_rank = a->rank, .span = span};
    for (int i = 0; i < a->rank; i++)
        spec.out[i] = graph_fresh_index(g, a->shape[i]);
    spec.value = gx2(g, G_ADD, gx_load(g, a, a->rank, spec.out, NULL),
                     gx_load(g, b, b->rank, spec.out, NULL));
    return graph_compute(g, &spec);
}

/* Adds the blocks, chunk after chunk, and view after view within a chunk. The order is that of the
 * plan, for any number of threads. */
static void add_up(Chunk *c, Part *p) {
    GNode *sum = NULL;
    p->sums = table(c, c->chunks);
    c->second = p->is_after;
    for (int64_t chunk = 0; chunk < c->chunks; chunk++) {
        for (int64_t number = chunk; number < p->blocks; number += c->chunks) {
            GNode *term = block(c, p, number);
            sum = sum ? add_nodes(c->g, sum, term, p->node->span) : term;
        }
        p->sums[chunk] = sum;
    }
    p->now = sum;
}

/* Joins `count` arrays, one after another along an axis. */
static GNode *join_arrays(Graph *g, GNode *const *parts, int count, int axis, const GNode *like) {
    ComputeSpec spec = {.out_rank = like->rank, .name = like->name, .span = like->span};
    const GExpr *at[GRAPH_MAX_RANK];
    int64_t extent = 0;
    /* The value behind the last part is never read. */
    spec.value = like->type == GT_REAL  ? gx_real(g, 0)
                 : like->type == GT_INT ? gx_int(g, 0)
                                        : gx_bool(g, false);
    for (int i = 0; i < count; i++)
        extent += parts[i]->shape[axis];
    for (int i = 0; i < like->rank; i++)
        at[i] = spec.out[i] = graph_fresh_index(g, i == axis ? extent : like->shape[i]);
    for (int i = count - 1; i >= 0; i--) {
        extent -= parts[i]->shape[axis];
        at[axis] = gx2(g, G_SUB, spec.out[axis], gx_int(g, extent));
        spec.value = gx_load(g, parts[i], like->rank, at, spec.value);
    }
    return graph_compute(g, &spec);
}

static GNode *join_all(Graph *g, GNode **parts, int64_t count, int axis, const GNode *like) {
    while (count > 1) {
        int64_t joined = 0;
        for (int64_t i = 0; i < count; i += FAN_IN, joined++) {
            int some = count - i < FAN_IN ? (int)(count - i) : FAN_IN;
            parts[joined] = some == 1 ? parts[i] : join_arrays(g, parts + i, some, axis, like);
        }
        count = joined;
    }
    return parts[0];
}

static void put_together(Chunk *c, Part *p) {
    GNode **parts = table(c, p->blocks);
    c->second = false;
    for (int64_t i = 0; i < p->blocks; i++)
        parts[i] = block(c, p, i);
    p->now = join_all(c->g, parts, p->blocks, p->index, p->node);
}

static const GExpr *read_whole_array(void *context, Graph *g, const GExpr *e) {
    Chunk *c = context;
    if (e->op != G_LOAD || e->tensor->id >= c->ids) return e;
    GNode *now = part_of(c, e->tensor)->now;
    return now == e->tensor ? e
                            : gx_load(g, now, now->rank, e->args,
                                      e->has_else ? e->args[e->arg_count - 1] : NULL);
}

static GNode *as_it_is(void *context, GNode *node) {
    return part_of(context, node)->now;
}

static void rebuild_graph(Chunk *c) {
    Graph *g = c->g;
    for (int i = 0; i < c->count; i++) {
        Part *p = &c->parts[i];
        switch (p->form) {
        case FORM_SUM:
            add_up(c, p);
            break;
        case FORM_BLOCKS:
            if (p->is_cut) put_together(c, p);
            break;
        case FORM_WHOLE:
        case FORM_GIVEN:
            p->now = rewrite_node(g, p->node, as_it_is, read_whole_array, c);
            break;
        }
    }
    rewrite_ends(g, as_it_is, c);
}

/* ---- the order ------------------------------------------------------------------------------- */

/* Orders the results of a loop for one chunk: blocks of the cut, and sums over samples. */
static void mark_loop(Chunk *c, bool second, int64_t chunk) {
    for (int i = 0; i < c->count; i++) {
        const Part *p = &c->parts[i];
        if (p->is_after != second) continue;
        for (int64_t number = chunk; p->is_cut && number < p->blocks; number += c->chunks)
            array_push(c->g->arena, &c->order, p->made[number]);
        if (p->form == FORM_SUM) {
            array_push(c->g->arena, &c->order, p->sums[chunk]);
        }
    }
}

/* Orders the whole work between the loops: no sum of the second loop goes into it. */
static void mark_whole(Chunk *c) {
    bool *waits = arena_array(c->g->arena, bool, c->count + 1);
    for (int i = 0; i < c->count; i++) {
        const Part *p = &c->parts[i];
        waits[i] = in_second_loop(p);
        for (int k = 0; k < p->operands.count; k++)
            waits[i] |= waits[p->operands.items[k]];
        if (!waits[i] && p->depends && (p->form == FORM_WHOLE || p->form == FORM_GIVEN))
            array_push(c->g->arena, &c->order, p->now);
    }
}

static void order_nodes(Chunk *c) {
    for (int64_t chunk = 0; chunk < c->chunks; chunk++)
        mark_loop(c, false, chunk);
    mark_whole(c);
    for (int64_t chunk = 0; chunk < c->chunks; chunk++)
        mark_loop(c, true, chunk);
    graph_arrange(c->g, c->order.items, c->order.count);
}

void build_chunks(Chunk *c) {
    rebuild_graph(c);
    order_nodes(c);
}
