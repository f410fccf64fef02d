/* Nodes and expressions: hash-consing, building, renumbering. Equal expressions are one pointer and
 * equal compute nodes one node, so that two views normalised alike, or one similarity written
 * twice, are computed once. */
#include "compiler/graph/graph.h"

#include "compiler/graph/node_set.h"
#include "compiler/graph/private.h"
#include "compiler/graph/visit.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

enum { FIRST_FRESH = 1 << 20 }; /* fresh indices are numbered from here, a finished node's from 0 */

static uint64_t mix(uint64_t hash, uint64_t value) {
    hash ^= value + 0x9e3779b97f4a7c15u + (hash << 6) + (hash >> 2);
    return hash * 0xff51afd7ed558ccdu;
}

Graph *graph_new(Arena *arena, const char *name) {
    Graph *g = arena_new_of(arena, Graph);
    g->arena = arena;
    g->name = name;
    g->tables = arena_new_of(arena, GraphTables);
    g->tables->next_fresh = FIRST_FRESH;
    return g;
}

/* ---- tables ---------------------------------------------------------------------------------- */

static uint64_t expr_hash(const GExpr *e) {
    uint64_t hash = mix((uint64_t)e->op, (uint64_t)e->type);
    uint64_t bits;
    memcpy(&bits, &e->real, sizeof bits);
    hash = mix(hash, bits);
    hash = mix(hash, (uint64_t)e->integer);
    hash = mix(hash, (uint64_t)e->index);
    hash = mix(hash, e->tensor ? e->tensor->id + 1 : 0);
    hash = mix(hash, e->has_else);
    for (int i = 0; i < e->arg_count; i++)
        hash = mix(hash, e->args[i]->id);
    return hash ^ (hash >> 32); /* the table takes the low bits of the hash */
}

static bool expr_same(const GExpr *a, const GExpr *b) {
    if (a->op != b->op || a->type != b->type || a->integer != b->integer || a->index != b->index ||
        a->tensor != b->tensor || a->has_else != b->has_else || a->arg_count != b->arg_count ||
        memcmp(&a->real, &b->real, sizeof a->real) != 0)
        return false;
    for (int i = 0; i < a->arg_count; i++)
        if (a->args[i] != b->args[i]) return false;
    return true;
}

static void grow_table(Graph *g, Slot **slots, int *capacity, int count) {
    if (2 * count < *capacity) return;
    int grown = *capacity ? 2 * *capacity : 1024;
    Slot *table = arena_array(g->arena, Slot, grown);
    for (int i = 0; i < *capacity; i++) {
        if (!(*slots)[i].item) continue;
        uint64_t at = (*slots)[i].hash & (uint64_t)(grown - 1);
        while (table[at].item)
            at = (at + 1) & (uint64_t)(grown - 1);
        table[at] = (*slots)[i];
    }
    *slots = table;
    *capacity = grown;
}

const GExpr *graph_intern_expr(Graph *g, const GExpr *e) {
    GraphTables *t = g->tables;
    grow_table(g, &t->exprs, &t->expr_capacity, t->expr_count);
    const uint64_t hash = expr_hash(e);
    uint64_t at = hash & (uint64_t)(t->expr_capacity - 1);
    for (; t->exprs[at].item; at = (at + 1) & (uint64_t)(t->expr_capacity - 1))
        if (t->exprs[at].hash == hash && expr_same(t->exprs[at].item, e)) return t->exprs[at].item;
    GExpr *kept = arena_new_of(g->arena, GExpr);
    *kept = *e;
    kept->id = ++t->last_expr;
    kept->depth = 1;
    int parts = 1;
    for (int i = 0; i < e->arg_count; i++) {
        if (e->args[i]->depth >= kept->depth) kept->depth = e->args[i]->depth + 1;
        parts += e->args[i]->tree_size;
    }
    kept->tree_size = (uint16_t)(parts <= EXPR_LARGEST_TREE ? parts : EXPR_LARGEST_TREE + 1);
    kept->place = g->place;
    t->exprs[at] = (Slot){kept, hash};
    t->expr_count++;
    return kept;
}

static uint64_t node_hash(const GNode *n) {
    uint64_t hash = mix(n->reducer, (uint64_t)n->rank);
    for (int i = 0; i < n->rank; i++)
        hash = mix(hash, (uint64_t)n->shape[i]);
    for (int i = 0; i < n->red_rank; i++)
        hash = mix(hash, (uint64_t)n->red_shape[i]);
    hash = mix(hash, n->value->id + ((uint64_t)n->again << 32));
    hash = mix(hash, n->guard ? n->guard->id : 0);
    hash = mix(hash, n->active ? n->active->id : 0);
    return hash ^ (hash >> 32);
}

static bool node_same(const GNode *a, const GNode *b) {
    return a->reducer == b->reducer && a->rank == b->rank && a->red_rank == b->red_rank &&
           a->value == b->value && a->guard == b->guard && a->active == b->active &&
           a->empty_is_error == b->empty_is_error && a->streamed == b->streamed &&
           a->again == b->again && memcmp(a->shape, b->shape, sizeof a->shape) == 0 &&
           memcmp(a->red_shape, b->red_shape, sizeof a->red_shape) == 0;
}

/* ---- nodes ----------------------------------------------------------------------------------- */

static GNode *node_new(Graph *g, GNodeKind kind, const char *name, GType type, int rank,
                       const int64_t *shape, Span span) {
    GNode *node = arena_new_of(g->arena, GNode);
    node->kind = kind;
    node->id = ++g->tables->last_node;
    node->name = name;
    node->type = type;
    node->rank = rank;
    for (int i = 0; i < rank; i++)
        node->shape[i] = shape[i];
    node->span = span;
    array_push(g->arena, &g->nodes, node);
    return node;
}

GNode *graph_find_named(const Graph *g, GNodeKind kind, const char *name) {
    for (int i = 0; i < g->nodes.count; i++) {
        GNode *node = g->nodes.items[i];
        if (node->kind == kind && node->name && strcmp(node->name, name) == 0) return node;
    }
    return NULL;
}

GNode *graph_input(Graph *g, const char *name, GType type, int rank, const int64_t *shape,
                   Span span) {
    GNode *known = graph_find_named(g, GN_INPUT, name);
    return known ? known : node_new(g, GN_INPUT, name, type, rank, shape, span);
}

bool graph_is_batch(const GNode *n) {
    const char *dot = n->kind == GN_INPUT && n->rank > 0 ? strchr(n->name, '.') : NULL;
    return dot && !strchr(dot + 1, '.');
}

GNode *graph_state(Graph *g, const char *name, GType type, int rank, const int64_t *shape,
                   Span span) {
    GNode *known = graph_find_named(g, GN_STATE, name);
    return known ? known : node_new(g, GN_STATE, name, type, rank, shape, span);
}

GNode *graph_constant(Graph *g, GType type, int rank, const int64_t *shape, const double *data,
                      Span span) {
    GNode *node = node_new(g, GN_CONST, NULL, type, rank, shape, span);
    int64_t count = 1;
    for (int i = 0; i < rank; i++)
        count *= shape[i];
    double *copy = arena_array(g->arena, double, count);
    memcpy(copy, data, sizeof *copy * (size_t)count);
    node->data = copy;
    return node;
}

GNode *graph_stop(Graph *g, GNode *operand, Span span) {
    if (operand->kind == GN_STOP) return operand;
    for (int i = 0; i < g->nodes.count; i++)
        if (g->nodes.items[i]->kind == GN_STOP && g->nodes.items[i]->operand == operand)
            return g->nodes.items[i];
    GNode *node = node_new(g, GN_STOP, NULL, operand->type, operand->rank, operand->shape, span);
    node->operand = operand;
    return node;
}

GNode *graph_topk(Graph *g, GNode *operand, int64_t count, Span span) {
    int64_t shape[GRAPH_MAX_RANK];
    memcpy(shape, operand->shape, sizeof shape);
    shape[operand->rank - 1] = count;
    for (int i = 0; i < g->nodes.count; i++) {
        GNode *other = g->nodes.items[i];
        if (other->kind == GN_TOPK && other->operand == operand &&
            other->shape[operand->rank - 1] == count)
            return other;
    }
    GNode *node = node_new(g, GN_TOPK, NULL, GT_INT, operand->rank, shape, span);
    node->operand = operand;
    return node;
}

GNode *graph_call(Graph *g, CoupletCallKind call, GNode *const *operands, int64_t count,
                  Span span) {
    const CoupletCall *row = &couplet_calls[call];
    const GNode *first = operands[0];
    int operand_count = 0;
    int batch = first->rank - row->operand_axes[0];
    while (operand_count < COUPLET_CALL_OPERANDS && row->operand_axes[operand_count] >= 0)
        operand_count++;
    int64_t shape[GRAPH_MAX_RANK];
    memcpy(shape, first->shape, sizeof shape);
    if (count) shape[batch] = count;
    for (int i = 0; i < g->nodes.count; i++) {
        GNode *other = g->nodes.items[i];
        bool same = other->kind == GN_CALL && other->call == call &&
                    memcmp(other->shape, shape, sizeof *shape * (size_t)other->rank) == 0;
        for (int k = 0; same && k < operand_count; k++)
            same = other->operands[k] == operands[k];
        if (same) return other;
    }
    GNode *node = node_new(g, GN_CALL, NULL, row->result == COUPLET_I32 ? GT_INT : GT_REAL,
                           batch + row->result_axes, shape, span);
    node->call = call;
    node->operand_count = operand_count;
    for (int k = 0; k < operand_count; k++)
        node->operands[k] = operands[k];
    return node;
}

GNode *graph_call_again(Graph *g, const GNode *node, GNode *const *operands) {
    CoupletCallSize size;
    graph_call_size(node, &size);
    GNode *made =
        graph_call(g, node->call, operands, size.result == size.rows ? 0 : size.result, node->span);
    if (!made->index_names) made->index_names = node->index_names;
    return made;
}

int64_t graph_call_size(const GNode *node, CoupletCallSize *size) {
    const CoupletCall *row = &couplet_calls[node->call];
    const GNode *first = node->operands[0];
    int axes = row->operand_axes[0];
    int batch = first->rank - axes;
    int64_t rows = 1;
    for (int i = 0; i < batch; i++)
        rows *= first->shape[i];
    *size = (CoupletCallSize){axes > 0 ? first->shape[batch] : 1,
                              axes > 1 ? first->shape[batch + 1] : 1,
                              row->result_axes ? node->shape[batch] : 1};
    return rows;
}

const GExpr *graph_named_index(Graph *g, int64_t extent, const char *name) {
    GExpr e = {.op = G_INDEX, .type = GT_INT, .index = g->tables->next_fresh++};
    array_push(g->arena, &g->tables->fresh_extents, extent);
    array_push(g->arena, &g->tables->fresh_names, name);
    return graph_intern_expr(g, &e);
}

const GExpr *graph_fresh_index(Graph *g, int64_t extent) {
    return graph_named_index(g, extent, NULL);
}

const char *graph_index_name(const Graph *g, const GExpr *fresh) {
    assert(fresh->op == G_INDEX && fresh->index >= FIRST_FRESH);
    return g->tables->fresh_names.items[fresh->index - FIRST_FRESH];
}

/* Returns the names of these indices, in order, or NULL if none has a name. */
static const char *const *index_names(Graph *g, const GExpr *const *indices, int count) {
    bool named = false;
    for (int i = 0; i < count; i++)
        named |= graph_index_name(g, indices[i]) != NULL;
    if (!named) return NULL;
    const char **names = arena_array(g->arena, const char *, count);
    for (int i = 0; i < count; i++)
        names[i] = graph_index_name(g, indices[i]);
    return names;
}

int64_t graph_index_extent(Graph *g, const GExpr *fresh) {
    assert(fresh->op == G_INDEX && fresh->index >= FIRST_FRESH);
    return g->tables->fresh_extents.items[fresh->index - FIRST_FRESH];
}

const GExpr *graph_node_index(Graph *g, int number) {
    GExpr e = {.op = G_INDEX, .type = GT_INT, .index = number};
    return graph_intern_expr(g, &e);
}

bool graph_index_is_fresh(const GExpr *e) {
    return e->index >= FIRST_FRESH;
}

static GType reduced_type(GReducer reducer, GType value) {
    enum {
        same,
        counted,
        place,
        truth,
    };
    static const int gives[GRAPH_REDUCERS] = {
#define REDUCER(name, word, label, takes, result, ...) result,
#include "compiler/graph/reducers.def"
#undef REDUCER
    };
    if (gives[reducer] == place) return GT_INT;
    if (gives[reducer] == truth) return GT_BOOL;
    return gives[reducer] == counted && value == GT_BOOL ? GT_INT : value;
}

void graph_name_indices(Graph *g, GNode *node, const GExpr *const *indices, int count) {
    if (node->index_names || !index_names(g, indices, count)) return;
    const char **names = arena_array(g->arena, const char *, node->rank);
    for (int i = 0; i < count && i < node->rank; i++)
        names[i] = graph_index_name(g, indices[i]);
    node->index_names = names;
}

GNode *graph_intern_compute(Graph *g, GNode *draft, const char *name, Span span) {
    draft->type = reduced_type(draft->reducer, draft->value->type);
    GraphTables *t = g->tables;
    grow_table(g, &t->computes, &t->compute_capacity, t->compute_count);
    const uint64_t hash = node_hash(draft);
    uint64_t at = hash & (uint64_t)(t->compute_capacity - 1);
    for (; t->computes[at].item; at = (at + 1) & (uint64_t)(t->compute_capacity - 1))
        if (t->computes[at].hash == hash && node_same(t->computes[at].item, draft))
            return t->computes[at].item;
    GNode *node = node_new(g, GN_COMPUTE, name, draft->type, draft->rank, draft->shape, span);
    node->reducer = draft->reducer;
    node->red_rank = draft->red_rank;
    memcpy(node->red_shape, draft->red_shape, sizeof draft->red_shape);
    node->value = draft->value;
    node->guard = draft->guard;
    node->active = draft->active;
    node->empty_is_error = draft->empty_is_error;
    node->streamed = draft->streamed;
    node->again = draft->again;
    node->index_names = draft->index_names;
    t->computes[at] = (Slot){node, hash};
    t->compute_count++;
    return node;
}

GNode *graph_compute(Graph *g, const ComputeSpec *spec) {
    assert(spec->out_rank <= GRAPH_MAX_RANK && spec->red_rank <= GRAPH_MAX_RANK);
    assert(spec->value && (spec->reducer != GR_NONE || spec->red_rank == 0));
    assert(!spec->guard || spec->guard->type == GT_BOOL);
    assert(!spec->active || spec->active->type == GT_BOOL);
    GNode draft;
    memset(&draft, 0, sizeof draft);
    const GExpr *from[2 * GRAPH_MAX_RANK];
    const GExpr *to[2 * GRAPH_MAX_RANK];
    int count = 0;
    for (int i = 0; i < spec->out_rank; i++, count++) {
        from[count] = spec->out[i];
        draft.shape[i] = graph_index_extent(g, spec->out[i]);
    }
    for (int i = 0; i < spec->red_rank; i++, count++) {
        from[count] = spec->red[i];
        draft.red_shape[i] = graph_index_extent(g, spec->red[i]);
    }
    for (int i = 0; i < count; i++)
        to[i] = graph_node_index(g, i);
    draft.index_names = index_names(g, from, count);
    draft.kind = GN_COMPUTE;
    draft.reducer = spec->reducer;
    draft.rank = spec->out_rank;
    draft.red_rank = spec->red_rank;
    draft.value = graph_renumber(g, spec->value, count, from, to);
    draft.guard = spec->guard ? graph_renumber(g, spec->guard, count, from, to) : NULL;
    draft.active = spec->active ? graph_renumber(g, spec->active, count, from, to) : NULL;
    if (draft.guard && draft.guard->op == G_CONST && draft.guard->integer) draft.guard = NULL;
    if (draft.active && draft.active->op == G_CONST && draft.active->integer) draft.active = NULL;
    draft.empty_is_error = spec->empty_is_error && draft.guard;
    draft.streamed = spec->streamed;
    draft.again = spec->again;
    return graph_intern_compute(g, &draft, spec->name, spec->span);
}

void graph_open(Graph *g, const GNode *node, ComputeSpec *spec) {
    assert(node->kind == GN_COMPUTE);
    memset(spec, 0, sizeof *spec);
    const GExpr *from[2 * GRAPH_MAX_RANK];
    const GExpr *to[2 * GRAPH_MAX_RANK];
    int count = 0;
    spec->reducer = node->reducer;
    spec->out_rank = node->rank;
    spec->red_rank = node->red_rank;
    const char *const *names = node->index_names;
    for (int i = 0; i < node->rank; i++, count++)
        to[count] = spec->out[i] =
            graph_named_index(g, node->shape[i], names ? names[count] : NULL);
    for (int i = 0; i < node->red_rank; i++, count++)
        to[count] = spec->red[i] =
            graph_named_index(g, node->red_shape[i], names ? names[count] : NULL);
    for (int i = 0; i < count; i++)
        from[i] = graph_node_index(g, i);
    spec->value = gx_substitute(g, node->value, count, from, to);
    spec->guard = node->guard ? gx_substitute(g, node->guard, count, from, to) : NULL;
    spec->active = node->active ? gx_substitute(g, node->active, count, from, to) : NULL;
    spec->empty_is_error = node->empty_is_error;
    spec->streamed = node->streamed;
    spec->again = node->again;
    spec->name = node->name;
    spec->span = node->span;
}

uint32_t graph_expr_count(const Graph *g) {
    return g->tables->last_expr;
}

void graph_output(Graph *g, const char *name, GNode *node) {
    assert(name && node);
    GOutput output = {name, node};
    array_push(g->arena, &g->outputs, output);
}

/* ---- pruning --------------------------------------------------------------------------------- */

typedef struct Walk {
    Graph *g;
    NodeSet *reached;
    ARRAY(GNode *) order;
    ExprMap met; /* the expressions, of all nodes, that were visited */
} Walk;

static void visit_node(Walk *w, GNode *node);

static VisitStep visit_tensor(void *context, const GExpr *e) {
    if (e->tensor) visit_node(context, e->tensor);
    return VISIT_INSIDE;
}

static void visit_node(Walk *w, GNode *node) {
    if (!node || !node_set_add(w->reached, node)) return;
    visit_node(w, node->operand);
    for (int i = 0; i < node->operand_count; i++)
        visit_node(w, node->operands[i]);
    expr_visit_rest(&w->met, node->guard, visit_tensor, w);
    expr_visit_rest(&w->met, node->active, visit_tensor, w);
    expr_visit_rest(&w->met, node->value, visit_tensor, w);
    array_push(w->g->arena, &w->order, node);
}

/* Finds the nodes that `first`, an output or a commit reach, and lists them in topological order.
 */
static void walk_reached(Graph *g, Walk *w, NodeSet *reached, GNode *const *first, int count) {
    memset(w, 0, sizeof *w);
    w->g = g;
    w->reached = reached;
    expr_map_open(&w->met);
    for (int i = 0; i < count; i++)
        visit_node(w, first[i]);
    for (int i = 0; i < g->outputs.count; i++)
        visit_node(w, g->outputs.items[i].node);
    /* Gradients of the last layers come first, since each frees the arrays that it reads. */
    for (int i = g->commits.count - 1; i >= 0; i--) {
        const GCommit *c = &g->commits.items[i];
        visit_node(w, c->state);
        visit_node(w, c->value);
        visit_node(w, c->rows);
        visit_node(w, c->head);
        visit_node(w, c->fill);
    }
    expr_map_close(&w->met);
}

int64_t graph_extent(const GNode *n, int index) {
    return index < n->rank ? n->shape[index] : n->red_shape[index - n->rank];
}

int64_t graph_bytes(const GNode *n) {
    return graph_element_count(n) * (n->type == GT_REAL || n->type == GT_INT ? 4 : 1);
}

int64_t graph_element_count(const GNode *n) {
    int64_t count = 1;
    for (int i = 0; i < n->rank; i++)
        count *= n->shape[i];
    return count;
}

void graph_add_reached(Graph *g, NodeSet *reached) {
    Walk w;
    walk_reached(g, &w, reached, NULL, 0);
}

uint32_t graph_node_ids(const Graph *g) {
    return g->tables->last_node + 1;
}

void graph_prune(Graph *g) {
    graph_arrange(g, NULL, 0);
}

void graph_arrange(Graph *g, GNode *const *first, int count) {
    Walk w;
    NodeSet reached;
    node_set_open(&reached, g);
    walk_reached(g, &w, &reached, first, count);
    node_set_close(&reached);
    /* graph_compute must no longer find the nodes that were dropped. */
    GraphTables *t = g->tables;
    t->compute_count = 0;
    t->computes = NULL;
    t->compute_capacity = 0;
    g->nodes.count = w.order.count;
    g->nodes.items = w.order.items;
    g->nodes.capacity = w.order.capacity;
    for (int i = 0; i < g->nodes.count; i++) {
        GNode *node = g->nodes.items[i];
        if (node->kind != GN_COMPUTE) continue;
        grow_table(g, &t->computes, &t->compute_capacity, t->compute_count);
        const uint64_t hash = node_hash(node);
        uint64_t at = hash & (uint64_t)(t->compute_capacity - 1);
        while (t->computes[at].item)
            at = (at + 1) & (uint64_t)(t->compute_capacity - 1);
        t->computes[at] = (Slot){node, hash};
        t->compute_count++;
    }
}
