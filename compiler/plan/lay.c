/* Decides how the steps of a plan lie over ranks.
 *
 * A step is *cut* if its tiles fit the shards: each rank then computes the tiles of its own shards,
 * and holds the corresponding slabs of the results. A step that is not cut is done by every rank,
 * which has the whole result with the same bits. An array that was made in slabs becomes whole, by
 * an exchange, ahead of the first step that reads more of it than its own shard. A sum over samples
 * that the pass `shard` has made a tree is combined: each rank adds the rows that it has made, and
 * only sums travel.
 *
 * Cutting a step changes its time and never its result, because a tile has the same bits on any
 * rank. Whether cutting saves time is judged for a fixed number of ranks, so the plan is the same
 * on any number of them. */
#include "compiler/plan/plan.h"

#include "compiler/graph/loads.h"
#include "compiler/graph/sample_shards.h"
#include "compiler/plan/contraction.h"
#include "compiler/plan/sweep.h"

#include <stdlib.h>

/* The typical run for which times are compared: its number of ranks, their speed, and the network
 * between them. */
typedef struct Typical {
    double ranks, operations, memory; /* `operations` and `memory` (bytes) are per second */
    /* `network` is in bytes per second, and `start` in seconds before the first byte. */
    double network;
    double start;
} Typical;
static const Typical host = {4, 50e9, 10e9, 1e9, 20e-6};
/* A transfer from a device goes through the memory of the host. */
static const Typical device = {4, 5e12, 500e9, 0.8e9, 60e-6};

typedef struct Laying {
    Plan *p;
    Graph *g;
    int64_t shards;
    bool is_tiled; /* for a device of work-items, whose launches have pieces (CoupletLaunch) */
    const Typical *typical;
    bool *in_slabs;     /* by buffer: each rank has its own slabs of it alone */
    bool *wanted;       /* by buffer: some reader wants the whole array */
    bool *in_parts;     /* by buffer: an input of which no step reads more than its own shard */
    bool *is_scattered; /* by buffer: a shard of it is no single slab */
    int *made;          /* by buffer: the step that makes it */
    ARRAY(CoupletExchange) exchanges;
} Laying;

static const Kernel *kernel_at(const Laying *l, int step) {
    return &l->p->kernels.items.items[step];
}

/* ---- what can be cut ------------------------------------------------------------------------- */

/* True if tiles cut the rows evenly. The last chunk of a cut axis must be as long as the others. */
static bool has_even_tiles(const Laying *l, const GNode *n) {
    int64_t extents[2 * GRAPH_MAX_RANK];
    int64_t chunk;
    compute_collapse_axes(n, extents);
    const int axes = compute_tile_axes(n, extents, &l->g->settings, &chunk);
    return !chunk || extents[axes] % chunk == 0;
}

static bool sweep_is_cut(const Laying *l, const Sweep *s) {
    if (s->mode != SWEEP_ROWS || s->rows % l->shards || s->rows / l->shards % s->block_rows)
        return false;
    for (int i = 0; i < s->sink_count; i++)
        if (s->sinks[i].pair.own != 0) return false;
    return true;
}

/* True if the rows of a part are ordered by shard. In tiles a part is ordered as the result is. */
static bool has_slabs_of_parts(const Contraction *c) {
    return !c->lanes || c->form.region_count == 1 || contraction_goes_by_z(c);
}

/* True if the tiles that add up parts have rows of one shard each. */
static bool has_even_parts(const Laying *l, const Contraction *c) {
    return !c->lanes || c->part_rows % (l->shards * GATHER_ROWS) == 0;
}

/* True if all shards have as many tiles. The pieces of a launch are elements or rows of the result,
 * or tasks of a contraction or a sweep, which can_be_cut looks at. */
static bool has_tiles_of_shards(const Laying *l, const Kernel *k) {
    return l->is_tiled || (k->tiles > 0 && k->tiles % l->shards == 0 && k->rounds <= 1);
}

/* True if the tiles of the kernel fit the shards. */
static bool can_be_cut(const Laying *l, const Kernel *k) {
    const Contraction *c = kernel_contraction(k);
    if (!has_tiles_of_shards(l, k)) return false;
    switch (k->kind) {
    case KERNEL_COMPUTE:
        return shard_has_rows(k->node, l->shards) && (l->is_tiled || has_even_tiles(l, k->node));
    case KERNEL_TOPK:
        return k->node->rank > 1 && shard_has_rows(k->node, l->shards);
    case KERNEL_PACK:
        return c->shards && c->form.z_count;
    case KERNEL_PRODUCT:
        return c->shards && (c->direct || has_slabs_of_parts(c));
    case KERNEL_GATHER_PARTIALS:
        return c->shards && has_slabs_of_parts(c) && has_even_parts(l, c);
    case KERNEL_SWEEP:
    case KERNEL_SWEEP_JOIN:
        return sweep_is_cut(l, k->as.sweep.sweep);
    case KERNEL_CALL:
    case KERNEL_ORDER:
    case KERNEL_BUCKET_SORT:
    case KERNEL_BUCKET:
        return false;
    }
    return false;
}

/* Returns the bytes of an output that belong to one shard. */
static int64_t slab_of(const Laying *l, const Kernel *k, const GNode *output) {
    if (k->kind == KERNEL_PRODUCT &&
        !k->as.contraction->direct) /* the buffer has some floats more than the parts need */
        return k->as.contraction->part_rows * k->as.contraction->form.n_size / l->shards *
               (int64_t)sizeof(float);
    return graph_bytes(output) / l->shards;
}

/* True if a shard of the result is no single slab, because each part of a split sum, or of a sweep
 * whose columns are split, holds a piece of the shard. */
static bool makes_scattered(const Kernel *k) {
    const Contraction *c = kernel_contraction(k);
    return k->kind == KERNEL_PRODUCT ? !c->direct && c->parts > 1
                                     : k->kind == KERNEL_SWEEP && k->as.sweep.sweep->parts > 1;
}

/* ---- what is read ---------------------------------------------------------------------------- */

/* True if each read of the operand stays in the shard of the result. */
static bool loads_stay(const Laying *l, const GNode *n, const GNode *operand) {
    const Loads loads = loads_of(l->p->arena, n);
    for (int i = 0; i < loads.items.count; i++)
        if (loads.items.items[i]->tensor == operand &&
            !shard_reads_own(l->g, n, 0, loads.items.items[i], l->shards))
            return false;
    return true;
}

/* True if row r of the product reads row r of the array. */
static bool goes_by_rows(const Sweep *s, const SweepOperand *o) {
    return o->array->shape[0] == s->rows && o->start == 0 &&
           o->line * s->rows == graph_element_count(o->array);
}

static bool sweep_reads_own(const Laying *l, const Sweep *s, const GNode *operand) {
    for (int i = 0; i < s->source_count; i++) {
        const SweepSource *source = &s->sources[i];
        if (source->column.array == operand) return false;
        if (source->row.array == operand && !goes_by_rows(s, &source->row)) return false;
    }
    for (int i = 0; i < s->sink_count; i++)
        if (!loads_stay(l, s->sinks[i].pair.node, operand)) return false;
    return true;
}

/* True if the tiles of a shard read that shard of the operand alone. */
static bool reads_own(const Laying *l, const Kernel *k, const GNode *operand) {
    const Contraction *c = kernel_contraction(k);
    switch (k->kind) {
    case KERNEL_COMPUTE:
        for (int i = 0; i < kernel_node_count(k); i++)
            if (!loads_stay(l, kernel_node(k, i), operand)) return false;
        return true;
    case KERNEL_TOPK:
        return operand->rank > 1 && operand->shape[0] == k->node->shape[0];
    case KERNEL_PACK:
        return shard_reads_own(l->g, k->node, 0, c->form.b, l->shards);
    case KERNEL_PRODUCT:
        /* Any other operand is a table, or the packed copy of b, of which a task reads its own
         * shard. */
        if (operand != c->form.a->tensor && operand != c->form.b->tensor) return true;
        return (operand != c->form.a->tensor ||
                shard_reads_own(l->g, k->node, 0, c->form.a, l->shards)) &&
               (operand != c->form.b->tensor || c->packed ||
                shard_reads_own(l->g, k->node, 0, c->form.b, l->shards));
    case KERNEL_GATHER_PARTIALS:
    case KERNEL_SWEEP_JOIN:
        return true;
    case KERNEL_SWEEP:
        return sweep_reads_own(l, k->as.sweep.sweep, operand);
    case KERNEL_CALL:
    case KERNEL_ORDER:
    case KERNEL_BUCKET_SORT:
    case KERNEL_BUCKET:
        return false;
    }
    return false;
}

static int first_output(const Kernel *k) {
    return k->operand_count - k->output_count;
}

/* True if a kernel other than `k` reads the array. */
static bool has_other_readers(const Laying *l, const Kernel *k, const GNode *array) {
    for (int s = 0; s < l->p->out->step_count; s++) {
        const Kernel *other = kernel_at(l, s);
        for (int i = 0; other != k && i < first_output(other); i++)
            if (other->operands[i] == array) return true;
    }
    return l->wanted[plan_buffer(l->p, array)];
}

/* True if the kernel adds rows of its operands by a tree, and ranks hold these rows in slabs. Then
 * *out is the exchange that makes the sums, in place of the kernel. */
static bool combines(const Laying *l, const Kernel *k, CoupletExchange *out) {
    ShardSum sum;
    if (k->kind != KERNEL_COMPUTE || kernel_node_count(k) > 1 ||
        !shard_sum(k->node, l->shards, &sum))
        return false;
    *out = (CoupletExchange){.kind = COUPLET_COMBINE,
                             .buffer = plan_buffer(l->p, k->node),
                             .leaves = sum.leaves,
                             .from_count = sum.count};
    for (int i = 0; i < sum.count; i++) {
        const int from = plan_buffer(l->p, sum.arrays[i]);
        if (!l->in_slabs[from] || has_other_readers(l, k, sum.arrays[i])) return false;
        out->from[i] = from;
        if (l->made[from] > out->made) out->made = l->made[from];
    }
    return true;
}

/* Returns the first step of the first launch behind `step` that reads the array. It is the end of
 * the plan if none does. */
static int first_reader(const Laying *l, int step, const GNode *array) {
    for (int s = step + 1; s < l->p->out->step_count; s++) {
        const Kernel *k = kernel_at(l, s);
        for (int i = 0; i < first_output(k); i++)
            if (k->operands[i] == array) return k->first;
    }
    return l->p->out->step_count;
}

/* ---- what is worth it ------------------------------------------------------------------------ */

/* Marks the arrays of which some reader wants more than its own shard, if each kernel that can be
 * cut is cut. */
static void find_wanted(Laying *l) {
    for (int s = 0; s < l->p->out->step_count; s++) {
        const Kernel *k = kernel_at(l, s);
        const bool cut = can_be_cut(l, k);
        for (int i = 0; i < first_output(k); i++)
            if (!kernel_combines(l->g, k->node) && !(cut && reads_own(l, k, k->operands[i])))
                l->wanted[plan_buffer(l->p, k->operands[i])] = true;
    }
    for (int i = 0; i < l->p->out->output_count; i++)
        l->wanted[l->p->out->outputs[i].buffer] = true;
    for (int i = 0; i < l->p->out->commit_count; i++) {
        const CoupletCommit *c = &l->p->out->commits[i];
        l->wanted[c->value] = true;
        if (c->rows >= 0) l->wanted[c->rows] = true;
    }
}

static double time_of_gather(const Laying *l, const GNode *array) {
    return l->typical->start + (double)graph_bytes(array) / l->typical->network;
}

/* True if a kernel reads a scattered array. Such an array cannot be gathered, so the kernel must be
 * cut. */
static bool reads_scattered(const Laying *l, const Kernel *k) {
    for (int i = 0; i < first_output(k); i++) {
        const int buffer = plan_buffer(l->p, k->operands[i]);
        if (l->in_slabs[buffer] && l->is_scattered[buffer]) return true;
    }
    return false;
}

/* True if the step is faster when it is cut, with the exchanges that either way needs. */
static bool is_worth_cutting(const Laying *l, int step) {
    const Kernel *k = kernel_at(l, step);
    const CoupletStep *s = &l->p->out->steps[step];
    if (l->g->settings.cut_always || reads_scattered(l, k)) return true;
    const double alone = s->flops / l->typical->operations + s->bytes / l->typical->memory;
    double whole = alone;
    double cut = alone / l->typical->ranks;
    for (int i = 0; i < first_output(k); i++) {
        if (!l->in_slabs[plan_buffer(l->p, k->operands[i])]) continue;
        whole += time_of_gather(l, k->operands[i]);
        if (!reads_own(l, k, k->operands[i])) {
            cut += time_of_gather(l, k->operands[i]);
        }
    }
    for (int i = first_output(k); i < k->operand_count; i++)
        if (l->wanted[plan_buffer(l->p, k->operands[i])]) cut += time_of_gather(l, k->operands[i]);
    return cut < whole;
}

/* ---- the plan -------------------------------------------------------------------------------- */

/* Adds the exchange that makes an array whole ahead of a step, if it is in slabs. */
static void gather(Laying *l, int buffer, int step) {
    if (!l->in_slabs[buffer]) return;
    l->in_slabs[buffer] = false;
    array_push(l->p->arena, &l->exchanges,
               ((CoupletExchange){.kind = COUPLET_GATHER,
                                  .step = step,
                                  .made = l->made[buffer],
                                  .buffer = buffer,
                                  .instead = -1}));
}

/* Decides whether a step is cut, combined or done by every rank, and adds the exchanges ahead of
 * it. */
static void lay_step(Laying *l, int step) {
    const Kernel *k = kernel_at(l, step);
    CoupletExchange combine;
    for (int i = first_output(k); i < k->operand_count; i++)
        l->made[plan_buffer(l->p, k->operands[i])] = step;
    if (combines(l, k, &combine)) {
        combine.instead = step;
        combine.step = first_reader(l, step, k->node);
        array_push(l->p->arena, &l->exchanges, combine);
        return;
    }
    const bool cut = can_be_cut(l, k) && is_worth_cutting(l, step);
    for (int i = 0; i < first_output(k); i++) {
        const int buffer = plan_buffer(l->p, k->operands[i]);
        if (cut && reads_own(l, k, k->operands[i])) continue;
        l->in_parts[buffer] = false;
        gather(l, buffer, k->first); /* the exchange is done ahead of the whole launch */
    }
    l->p->steps[step].is_cut = cut;
    for (int i = first_output(k); cut && i < k->operand_count; i++) {
        const int buffer = plan_buffer(l->p, k->operands[i]);
        l->in_slabs[buffer] = true;
        l->p->buffers[buffer].slab = slab_of(l, k, k->operands[i]);
        l->is_scattered[buffer] = makes_scattered(k);
    }
}

static void gather_result(Laying *l, int buffer) {
    l->in_parts[buffer] = false;
    gather(l, buffer, l->p->out->step_count);
}

static void gather_results(Laying *l) {
    const CoupletPlan *out = l->p->out;
    for (int i = 0; i < out->output_count; i++)
        gather_result(l, out->outputs[i].buffer);
    for (int i = 0; i < out->commit_count; i++) {
        gather_result(l, out->commits[i].value);
        if (out->commits[i].rows >= 0) {
            gather_result(l, out->commits[i].rows);
        }
    }
}

/* ---- the memory of a rank -------------------------------------------------------------------- */

/* Marks the fields of a batch. A rank may read only its own samples of them. */
static void find_inputs(Laying *l) {
    for (int i = 0; i < l->p->g->nodes.count; i++) {
        const GNode *n = l->p->g->nodes.items[i];
        l->in_parts[plan_buffer(l->p, n)] = graph_is_batch(n) && shard_has_rows(n, l->shards);
    }
}

/* Marks the buffers whose rows are with their ranks to the end of the plan. No step has read more
 * of them than its own shard. */
static void mark_rows(Laying *l) {
    for (int i = 0; i < l->p->out->buffer_count; i++) {
        CoupletBuffer *b = &l->p->buffers[i];
        b->in_rows = (l->in_slabs[i] && !l->is_scattered[i]) || l->in_parts[i];
    }
    for (int i = 0; i < l->p->g->nodes.count; i++) {
        const GNode *n = l->p->g->nodes.items[i];
        const int buffer = plan_buffer(l->p, n);
        if (l->in_parts[buffer]) {
            l->p->buffers[buffer].slab = graph_bytes(n) / l->shards;
        }
    }
}

/* Returns the memory that buffers share because each is written over the one before it. A rank
 * needs only its slab of the memory if all of the buffers are in rows of equal slabs. */
static CoupletBlock block_of(const Laying *l, const Life *head) {
    const int64_t slab = l->p->buffers[head->buffer].slab;
    CoupletBlock block = {.bytes = head->bytes, .slab = slab, .first = head->first};
    for (const Life *life = head; life; life = life->next) {
        const CoupletBuffer *b = &l->p->buffers[life->buffer];
        if (!b->in_rows || b->slab != slab) block.slab = 0;
        block.last = life->last;
    }
    return block;
}

/* Lists the blocks of memory, and the block of each buffer. */
static void make_blocks(Laying *l) {
    CoupletPlan *out = l->p->out;
    const Life **heads = arena_array(l->p->arena, const Life *, out->buffer_count + 1);
    CoupletBlock *blocks;
    out->block_count = life_heads(l->p, heads);
    out->blocks = blocks = arena_array(l->p->arena, CoupletBlock, out->block_count + 1);
    for (int i = 0; i < out->block_count; i++) {
        blocks[i] = block_of(l, heads[i]);
        for (const Life *life = heads[i]; life; life = life->next)
            l->p->buffers[life->buffer].block = i;
    }
    /* A sum may arrive as soon as its leaves are made, so its memory must be free by then. */
    for (int i = 0; i < out->exchange_count; i++) {
        const CoupletExchange *e = &out->exchanges[i];
        CoupletBlock *b = &blocks[l->p->buffers[e->buffer].block];
        if (e->made < b->first) b->first = e->made;
    }
}

static int by_step(const void *first, const void *second) {
    const CoupletExchange *a = first;
    const CoupletExchange *b = second;
    return a->step != b->step      ? (a->step < b->step ? -1 : 1)
           : a->buffer < b->buffer ? -1
                                   : a->buffer > b->buffer;
}

void plan_lay(Plan *p, const PlanTarget *target) {
    const int count = p->out->buffer_count;
    Laying l = {.p = p,
                .g = p->g,
                .shards = p->g->settings.shards,
                .is_tiled = !target->lanes,
                .typical = target->lanes ? &host : &device};
    if (l.shards < 2) return;
    p->out->shards = l.shards;
    p->out->hash = (p->out->hash ^ (uint64_t)l.shards) * 1099511628211u;
    l.in_slabs = arena_array(p->arena, bool, count + 1);
    l.wanted = arena_array(p->arena, bool, count + 1);
    l.in_parts = arena_array(p->arena, bool, count + 1);
    l.is_scattered = arena_array(p->arena, bool, count + 1);
    l.made = arena_array(p->arena, int, count + 1);
    find_inputs(&l);
    find_wanted(&l);
    for (int s = 0; s < p->out->step_count; s++)
        lay_step(&l, s);
    gather_results(&l);
    if (l.exchanges.count)
        qsort(l.exchanges.items, (size_t)l.exchanges.count, sizeof *l.exchanges.items, by_step);
    p->out->exchanges = l.exchanges.items;
    p->out->exchange_count = l.exchanges.count;
    if (l.is_tiled) return; /* a device has memory for all rows */
    mark_rows(&l);
    make_blocks(&l);
}
