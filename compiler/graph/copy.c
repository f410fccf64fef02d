/* Copies a whole graph into another arena. Expressions and nodes keep their numbers, and the tables
 * that find equal ones are copied with them. So a pass does to the copy exactly what it would do to
 * the original, down to the numbers of new nodes. Names, spans and constants are shared, and the
 * original must outlive the copy. */
#include "compiler/graph/copy.h"

#include "compiler/graph/private.h"

#include <string.h>

typedef struct Copy {
    Arena *arena;
    GExpr **exprs;       /* by the id of an expression */
    GNode **nodes;       /* by the id of a node */
    ARRAY(GNode *) made; /* copied nodes whose pointers still lead to the original graph */
} Copy;

static GExpr *expr_of(const Copy *c, const GExpr *e) {
    return e ? c->exprs[e->id] : NULL;
}

static GNode *copied_node(Copy *c, GNode *node) {
    if (!node) return NULL;
    GNode **copy = &c->nodes[node->id];
    if (!*copy) {
        *copy = arena_new_of(c->arena, GNode);
        **copy = *node;
        array_push(c->arena, &c->made, *copy);
    }
    return *copy;
}

static void copy_expr(Copy *c, const GExpr *e) {
    GExpr *copy = c->exprs[e->id];
    *copy = *e;
    copy->tensor = copied_node(c, e->tensor);
    for (int i = 0; i < e->arg_count; i++)
        copy->args[i] = expr_of(c, e->args[i]);
}

static void redirect_node(Copy *c, GNode *n) {
    n->value = expr_of(c, n->value);
    n->guard = expr_of(c, n->guard);
    n->active = expr_of(c, n->active);
    n->operand = copied_node(c, n->operand);
    for (int i = 0; i < n->operand_count; i++)
        n->operands[i] = copied_node(c, n->operands[i]);
}

static void *copy_bytes(const Copy *c, const void *from, size_t bytes) {
    void *copy = arena_alloc(c->arena, bytes + 1);
    if (bytes) memcpy(copy, from, bytes);
    return copy;
}

/* Copies the entries of an array into the arena of the copy, with no room for more. */
#define COPY_ARRAY(c, array)                                                                       \
    do {                                                                                           \
        const size_t entry = sizeof *(array)->items;                                               \
        (array)->items = copy_bytes((c), (array)->items, entry * (size_t)(array)->count);          \
        (array)->capacity = (array)->count;                                                        \
    } while (0)

static Slot *copy_slots(const Copy *c, const Slot *slots, int capacity) {
    if (!capacity) return NULL;
    return copy_bytes(c, slots, sizeof *slots * (size_t)capacity);
}

/* Copies every expression that the table holds, also those that no node uses. A pass may ask for
 * such an expression again, and must then find it under its number. */
static void copy_exprs(Copy *c, GraphTables *t) {
    t->exprs = copy_slots(c, t->exprs, t->expr_capacity);
    for (int i = 0; i < t->expr_capacity; i++) {
        const GExpr *e = t->exprs[i].item;
        if (e) c->exprs[e->id] = arena_new_of(c->arena, GExpr);
    }
    for (int i = 0; i < t->expr_capacity; i++) {
        const GExpr *e = t->exprs[i].item;
        if (!e) continue;
        copy_expr(c, e);
        t->exprs[i].item = c->exprs[e->id];
    }
}

static GraphTables *copy_tables(Copy *c, const GraphTables *from) {
    GraphTables *t = arena_new_of(c->arena, GraphTables);
    *t = *from;
    COPY_ARRAY(c, &t->fresh_extents);
    COPY_ARRAY(c, &t->fresh_names);
    copy_exprs(c, t);
    t->computes = copy_slots(c, t->computes, t->compute_capacity);
    for (int i = 0; i < t->compute_capacity; i++)
        t->computes[i].item = copied_node(c, t->computes[i].item);
    return t;
}

static void copy_ends(Copy *c, Graph *g) {
    COPY_ARRAY(c, &g->outputs);
    COPY_ARRAY(c, &g->commits);
    for (int i = 0; i < g->outputs.count; i++)
        g->outputs.items[i].node = copied_node(c, g->outputs.items[i].node);
    for (int i = 0; i < g->commits.count; i++) {
        GCommit *commit = &g->commits.items[i];
        commit->state = copied_node(c, commit->state);
        commit->value = copied_node(c, commit->value);
        commit->rows = copied_node(c, commit->rows);
        commit->head = copied_node(c, commit->head);
        commit->fill = copied_node(c, commit->fill);
    }
}

Graph *graph_copy(Arena *arena, const Graph *from) {
    Copy c = {.arena = arena};
    Graph *g = arena_new_of(arena, Graph);
    *g = *from;
    g->arena = arena;
    c.exprs = arena_array(arena, GExpr *, from->tables->last_expr + 1);
    c.nodes = arena_array(arena, GNode *, from->tables->last_node + 1);
    g->tables = copy_tables(&c, from->tables);
    COPY_ARRAY(&c, &g->nodes);
    for (int i = 0; i < g->nodes.count; i++)
        g->nodes.items[i] = copied_node(&c, g->nodes.items[i]);
    copy_ends(&c, g);
    COPY_ARRAY(&c, &g->notes);
    COPY_ARRAY(&c, &g->choices);
    COPY_ARRAY(&c, &g->again);
    COPY_ARRAY(&c, &g->loss);
    for (int i = 0; i < c.made.count; i++)
        redirect_node(&c, c.made.items[i]);
    return g;
}
