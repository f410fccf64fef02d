/* Names a kernel by a hash of everything that its code depends on. Two nodes of one shape, such as
 * those of two views, then share their code. The name also finds an object in the cache on disk. An
 * operand counts by its position among the operands, and not by its name. */
#include "compiler/plan/arguments.h"
#include "compiler/plan/contraction.h"
#include "compiler/plan/sweep.h"

#include "compiler/graph/walk.h"

#include <stdio.h>
#include <string.h>

typedef struct Hash {
    uint64_t a;
    uint64_t b;
} Hash;

typedef struct Signing {
    const Kernel *kernel;
    const GNode *node; /* the node at hand */
    const GExpr **keys;
    Hash *values;
    int capacity;
    int count;
    Arena *arena;
} Signing;

static uint64_t mix(uint64_t h, uint64_t v) {
    h ^= v + 0x9E3779B97F4A7C15u + (h << 6) + (h >> 2);
    h ^= h >> 29;
    h *= 0xBF58476D1CE4E5B9u;
    return h ^ (h >> 32);
}

static void add(Hash *h, uint64_t v) {
    h->a = mix(h->a, v);
    h->b = mix(h->b ^ 0x94D049BB133111EBu, v * 3 + 1);
}

static int slot(const Signing *s, const GExpr *e) {
    int at = (int)(e->id * 2654435761u) & (s->capacity - 1);
    while (s->keys[at] && s->keys[at] != e)
        at = (at + 1) & (s->capacity - 1);
    return at;
}

static void grow_signing(Signing *s) {
    Signing old = *s;
    s->capacity = old.capacity ? 2 * old.capacity : 64;
    s->keys = arena_array(s->arena, const GExpr *, s->capacity);
    s->values = arena_array(s->arena, Hash, s->capacity);
    for (int i = 0; i < old.capacity; i++) {
        if (!old.keys[i]) continue;
        int at = slot(s, old.keys[i]);
        s->keys[at] = old.keys[i];
        s->values[at] = old.values[i];
    }
}

static void hash_array(Hash *h, const GNode *n) {
    add(h, n->type);
    add(h, (uint64_t)n->rank);
    for (int i = 0; i < n->rank; i++)
        add(h, (uint64_t)n->shape[i]);
}

/* Tags in a hash, for parts that are no operations. */
typedef enum {
    IS_ARGUMENT = 1000,
    IS_POSITION,
    IS_LOOP,
    HAS_ONE_TURN,
} Tag;

static Hash sign_expr(Signing *s, const GExpr *e);

static void sign_loop(Hash *h, const Arguments *a, int axis) {
    add(h, a->loop_of[axis] < 0 ? HAS_ONE_TURN : IS_LOOP);
    add(h, (uint64_t)(a->loop_of[axis] + 1));
}

static void add_argument(Hash *h, const Arguments *a, const GExpr *constant) {
    add(h, IS_ARGUMENT);
    add(h, (uint64_t)argument_find(a, constant));
}

/* Hashes a part that the code takes from the table, by its position there. Returns false if the
 * code holds the part itself. */
static bool sign_by_argument(Signing *s, Hash *h, const GExpr *e) {
    const Arguments *a = kernel_arguments(s->kernel);
    if (!a) return false;
    if (e->op == G_CONST && e->type == GT_REAL && argument_find(a, e) >= 0)
        add_argument(h, a, e);
    else if (argument_is_position(a, s->node, e))
        add(h, IS_POSITION);
    else if (e->op == G_INDEX)
        sign_loop(h, a, e->index);
    else if (e->op == G_LOAD) {
        add(h, G_LOAD);
        add(h, e->tensor->type);
        for (int i = 0; i < s->kernel->operand_count; i++)
            if (s->kernel->operands[i] == e->tensor) add(h, (uint64_t)i);
        for (int i = 0; i < e->tensor->rank; i++)
            if (a->loop_of[argument_subscript(e, i)->index] >= 0)
                sign_loop(h, a, argument_subscript(e, i)->index);
        if (argument_find(a, e) >= 0) add_argument(h, a, e);
    } else if (e->op == G_RANDOM) {
        Hash element = sign_expr(s, e->args[1]);
        add(h, G_RANDOM);
        add_argument(h, a, e->args[0]);
        add(h, element.a);
        add(h, element.b);
        add(h, (uint64_t)e->args[2]->integer);
    } else
        return false;
    return true;
}

static Hash sign_expr(Signing *s, const GExpr *e) {
    Hash h = {11, 13};
    if (!e || sign_by_argument(s, &h, e)) return h;
    if (s->capacity) {
        int at = slot(s, e);
        if (s->keys[at]) return s->values[at];
    }
    uint64_t bits;
    memcpy(&bits, &e->real, sizeof bits);
    add(&h, e->op);
    add(&h, e->type);
    if (e->op == G_CONST) add(&h, e->type == GT_REAL ? bits : (uint64_t)e->integer);
    if (e->op == G_INDEX) add(&h, (uint64_t)e->index);
    if (e->op == G_LOAD) {
        for (int i = 0; i < s->kernel->operand_count; i++)
            if (s->kernel->operands[i] == e->tensor) add(&h, (uint64_t)i);
        const Sweep *sweep = kernel_sweep(s->kernel);
        for (int i = 0; sweep && i < sweep->source_count; i++)
            if (sweep->sources[i].node == e->tensor) add(&h, (uint64_t)(100 + i));
        hash_array(&h, e->tensor);
        add(&h, e->has_else);
    }
    add(&h, (uint64_t)e->arg_count);
    for (int i = 0; i < e->arg_count; i++) {
        Hash part = sign_expr(s, e->args[i]);
        add(&h, part.a);
        add(&h, part.b);
    }
    if (2 * s->count >= s->capacity) grow_signing(s);
    int at = slot(s, e);
    s->keys[at] = e;
    s->values[at] = h;
    s->count++;
    return h;
}

/* Hashes a contraction: only its block and its form count, because the tables hold all other
 * differences. */
static void sign_contraction(Hash *h, const Kernel *kernel) {
    const Contraction *c = kernel->as.contraction;
    add(h, (uint64_t)c->lanes);
    add(h, c->plain != NULL);
    if (kernel->kind == KERNEL_GATHER_PARTIALS) return;
    add(h, (uint64_t)c->panel);
    add(h, c->masked);
    add(h, c->dots);
    add(h, c->masked && c->packed);
    if (kernel->kind == KERNEL_PRODUCT) {
        add(h, (uint64_t)c->rows);
        add(h, (uint64_t)c->last_vectors);
        add(h, c->ahead);
        add(h, c->gathered);
        add(h, c->leaves);
        add(h, c->rows_ahead);
        add(h, c->a_along_k);
        add(h, c->b_along_k);
        return;
    }
    add(h, contraction_columns_contiguous(c) ? 1 : contraction_k_contiguous(c) ? 2 : 3);
}

static void name_kernel(Kernel *kernel, const Hash *h) {
    snprintf(kernel->symbol, sizeof kernel->symbol, "k%016llx%016llx", (unsigned long long)h->a,
             (unsigned long long)h->b);
}

/* Hashes the loops of a node whose kernel reads their extents from a table: their number, which of
 * them are in tiles, and in which order a tile goes. */
static void sign_loops(Hash *h, const Arguments *a, const GNode *n, const GraphSettings *settings) {
    int64_t extents[2 * GRAPH_MAX_RANK];
    int64_t chunk;
    compute_collapse_axes(n, extents);
    int axes = compute_tile_axes(n, extents, settings, &chunk);
    add(h, n->type);
    add(h, n->reducer);
    add(h, n->empty_is_error);
    add(h, node_sums_columns(n));
    add(h, node_sums_many(n));
    add(h, a->chunk != 0);
    for (int i = 0; i < n->rank + n->red_rank; i++) {
        if (a->loop_of[i] < 0) continue;
        add(h, i >= n->rank ? 3 : i >= axes ? 2 : 1);
        add(h, argument_is_literal(a, a->loop_of[i]) ? (uint64_t)a->extents[a->loop_of[i]] : 0);
    }
}

static void sign_shape(Hash *h, const GNode *n) {
    hash_array(h, n);
    for (int i = 0; i < n->operand_count; i++)
        hash_array(h, n->operands[i]);
    if (n->kind == GN_CALL) add(h, n->call);
    add(h, n->reducer);
    add(h, (uint64_t)n->red_rank);
    add(h, n->empty_is_error);
    for (int i = 0; i < n->red_rank; i++)
        add(h, (uint64_t)n->red_shape[i]);
    if (n->operand) hash_array(h, n->operand);
}

/* Hashes a node that uses the loops of the kernel's first node. */
static void sign_beside(Hash *h, const GNode *n) {
    add(h, n->type);
    add(h, n->reducer);
    add(h, n->empty_is_error);
    add(h, (uint64_t)n->red_rank);
    add(h, node_sums_columns(n));
    add(h, node_sums_many(n));
}

/* Hashes the chunk of a kernel without a table. Its code holds the turns of a tile, which differ
 * with shards. */
static void sign_chunk(Hash *h, const Kernel *kernel) {
    int64_t extents[2 * GRAPH_MAX_RANK];
    int64_t chunk;
    if (kernel->as.compute.arguments || kernel->graph->settings.shards < 2) return;
    compute_collapse_axes(kernel->node, extents);
    compute_tile_axes(kernel->node, extents, &kernel->graph->settings, &chunk);
    add(h, (uint64_t)chunk);
}

/* Hashes a node of the kernel: its space or its loops, and its expressions. */
static void sign_node(Signing *s, Hash *h, const GNode *n) {
    s->node = n;
    if (kernel_node_count(s->kernel) > 1 && n != s->kernel->node)
        sign_beside(h, n);
    else if (kernel_arguments(s->kernel))
        sign_loops(h, kernel_arguments(s->kernel), n, &s->kernel->graph->settings);
    else
        sign_shape(h, n);
    if (s->kernel->kind == KERNEL_COMPUTE && n == s->kernel->node) {
        sign_chunk(h, s->kernel);
    }
    const GExpr *parts[3] = {n->value, n->guard, n->active};
    for (int i = 0; i < 3; i++) {
        Hash part = sign_expr(s, parts[i]);
        add(h, part.a);
        add(h, part.b);
    }
}

static void sign_operand(const Kernel *kernel, Hash *h, const SweepOperand *o) {
    for (int i = 0; i < kernel->operand_count; i++)
        if (kernel->operands[i] == o->array) add(h, (uint64_t)i);
    add(h, (uint64_t)o->start);
    add(h, (uint64_t)o->line);
    add(h, (uint64_t)o->step);
}

static void sign_sweep(Signing *s, Hash *h, const Sweep *w) {
    const int64_t numbers[] = {w->mode,       w->lanes,         w->rows,
                               w->columns,    w->source_count,  w->sink_count,
                               w->block_rows, w->block_columns, w->strip,
                               w->line,       w->parts,         s->kernel->as.sweep.sink};
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++)
        add(h, (uint64_t)numbers[i]);
    for (int i = 0; i < w->source_count; i++) {
        const SweepSource *source = &w->sources[i];
        add(h, (uint64_t)source->depth);
        add(h, source->flipped);
        add(h, source->symmetric);
        sign_operand(s->kernel, h, &source->row);
        sign_operand(s->kernel, h, &source->column);
    }
    for (int i = 0; i < w->sink_count; i++) {
        const SweepSink *sink = &w->sinks[i];
        add(h, sink->by_column);
        add(h, sink->is_wide);
        if (sink->payload) sign_operand(s->kernel, h, &sink->rows);
        sign_node(s, h, sink->pair.node);
    }
}

void sign_kernel(Arena *arena, Kernel *kernel) {
    Signing s = {.kernel = kernel, .arena = arena};
    Hash h = {1, 2};
    add(&h, kernel->kind);
    add(&h, kernel_arguments(kernel) != NULL);
    if (kernel_contraction(kernel)) {
        sign_contraction(&h, kernel);
    } else {
        add(&h, (uint64_t)kernel->operand_count);
        for (int i = 0; kernel_over(kernel) && i < kernel->operand_count; i++)
            if (kernel->operands[i] == kernel_over(kernel)) add(&h, (uint64_t)i);
        if (kernel_sweep(kernel))
            sign_sweep(&s, &h, kernel_sweep(kernel));
        else
            sign_node(&s, &h, kernel->node);
        for (int i = 1; i < kernel_node_count(kernel); i++)
            sign_node(&s, &h, kernel_node(kernel, i));
    }
    name_kernel(kernel, &h);
}
