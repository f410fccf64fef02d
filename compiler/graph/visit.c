/* The walks of visit.h. The map keeps a few entries unsorted in the struct itself, since most
 * expressions have fewer than sixteen parts; beyond that it is a hash table by id.
 *
 * Recursion is as deep as the expression nests. Lowering bounds that: a scalar that nests deep
 * gets a node of its own (value_shallow in lower/value.c). */
#include "compiler/graph/visit.h"

#include <stdlib.h>
#include <string.h>

/* The count is of the thread, because walks have no graph at hand. Only --passes reads it. */
static _Thread_local uint64_t steps;

uint64_t expr_steps(void) {
    return steps;
}

void expr_count_step(void) {
    steps++;
}

static bool is_leaf(const GExpr *e) {
    return e->op == G_CONST || e->op == G_INDEX;
}

/* ---- the map --------------------------------------------------------------------------------- */

void expr_map_open_in(ExprMap *map, Arena *arena) {
    map->count = map->capacity = 0;
    map->keys = NULL;
    map->values = NULL;
    map->arena = arena;
}

void expr_map_open(ExprMap *map) {
    expr_map_open_in(map, NULL);
}

static void free_table(const ExprMap *map) {
    if (map->arena) return;
    free(map->keys);
    free(map->values);
}

void expr_map_close(ExprMap *map) {
    free_table(map);
    expr_map_open_in(map, map->arena);
}

static uint32_t map_slot(const ExprMap *map, const GExpr *e) {
    uint32_t at = (e->id * 2654435761u) & (map->capacity - 1);
    while (map->keys[at] && map->keys[at] != e)
        at = (at + 1) & (map->capacity - 1);
    return at;
}

static void *zeroed(Arena *arena, size_t count, size_t size) {
    void *memory = arena ? arena_alloc(arena, count * size) : calloc(count, size);
    if (memory) return memory;
    /* As in the arena, a compilation without memory has no way to go on. */
    fprintf(stderr, "couplet: out of memory: %zu bytes more were needed\n", count * size);
    abort();
}

static void grow_map(ExprMap *map) {
    const ExprMap old = *map;
    const GExpr *const *keys = old.capacity ? old.keys : map->few;
    const ExprValue *values = old.capacity ? old.values : map->few_values;
    uint32_t slots = old.capacity ? old.capacity : old.count;
    map->capacity = old.capacity ? 2 * old.capacity : 4 * EXPR_MAP_FEW;
    map->keys = zeroed(map->arena, map->capacity, sizeof *map->keys);
    map->values = zeroed(map->arena, map->capacity, sizeof *map->values);
    for (uint32_t i = 0; i < slots; i++) {
        if (!keys[i]) continue;
        uint32_t at = map_slot(map, keys[i]);
        map->keys[at] = keys[i];
        map->values[at] = values[i];
    }
    free_table(&old);
}

ExprValue *expr_map_find(const ExprMap *map, const GExpr *e) {
    /* The caller may change the value, and nothing else of the map. */
    ExprMap *m = (ExprMap *)(uintptr_t)map;
    if (!map->capacity) {
        for (uint32_t i = 0; i < map->count; i++)
            if (map->few[i] == e) return &m->few_values[i];
        return NULL;
    }
    uint32_t at = map_slot(map, e);
    return map->keys[at] ? &m->values[at] : NULL;
}

void expr_map_add_new(ExprMap *map, const GExpr *e, ExprValue value) {
    bool is_full =
        map->capacity ? 2 * (map->count + 1) > map->capacity : map->count == EXPR_MAP_FEW;
    if (is_full) grow_map(map);
    uint32_t at = map->capacity ? map_slot(map, e) : map->count;
    (map->capacity ? map->keys : map->few)[at] = e;
    (map->capacity ? map->values : map->few_values)[at] = value;
    map->count++;
}

void expr_map_set(ExprMap *map, const GExpr *e, ExprValue value) {
    ExprValue *known = expr_map_find(map, e);
    if (known)
        *known = value;
    else
        expr_map_add_new(map, e, value);
}

bool expr_map_add(ExprMap *map, const GExpr *e) {
    if (expr_map_find(map, e)) return false;
    expr_map_add_new(map, e, (ExprValue){.integer = 0});
    return true;
}

/* ---- walks ----------------------------------------------------------------------------------- */

bool expr_visit_rest(ExprMap *met, const GExpr *e, ExprVisit visit, void *context) {
    steps++;
    if (!e || (!is_leaf(e) && !expr_map_add(met, e))) return false;
    VisitStep step = visit(context, e);
    if (step == VISIT_END) return true;
    for (int i = 0; step == VISIT_INSIDE && i < e->arg_count; i++)
        if (expr_visit_rest(met, e->args[i], visit, context)) return true;
    return false;
}

static int sure_arguments(const GExpr *e) {
    if (e->op == G_SELECT || e->op == G_AND || e->op == G_OR) return 1;
    return e->op == G_LOAD ? e->tensor->rank : e->arg_count;
}

bool expr_visit_sure(ExprMap *met, const GExpr *e, ExprVisit visit, void *context) {
    steps++;
    if (!is_leaf(e) && !expr_map_add(met, e)) return false;
    VisitStep step = visit(context, e);
    if (step == VISIT_END) return true;
    for (int i = 0; step == VISIT_INSIDE && i < sure_arguments(e); i++)
        if (expr_visit_sure(met, e->args[i], visit, context)) return true;
    return false;
}

bool expr_visit(const GExpr *e, ExprVisit visit, void *context) {
    ExprMap met;
    expr_map_open(&met);
    bool ended = expr_visit_rest(&met, e, visit, context);
    expr_map_close(&met);
    return ended;
}

bool expr_visit_node(const GNode *node, ExprVisit visit, void *context) {
    const GExpr *parts[3] = {node->value, node->guard, node->active};
    bool ended = false;
    ExprMap met;
    expr_map_open(&met);
    for (int i = 0; i < 3 && !ended; i++)
        ended = expr_visit_rest(&met, parts[i], visit, context);
    expr_map_close(&met);
    return ended;
}

typedef struct Any {
    ExprPredicate is;
    const void *context;
} Any;

static VisitStep end_where(void *context, const GExpr *e) {
    const Any *any = context;
    return any->is(any->context, e) ? VISIT_END : VISIT_INSIDE;
}

bool expr_any(const GExpr *e, ExprPredicate is, const void *context) {
    Any any = {is, context};
    return expr_visit(e, end_where, &any);
}

typedef struct Folding {
    ExprMap *done;
    ExprEnters enters; /* NULL: the walk enters every part */
    ExprFold fold;
    void *context;
} Folding;

static ExprValue fold_in(const Folding *f, const GExpr *e) {
    ExprValue args[GRAPH_MAX_RANK + 1];
    steps++;
    const ExprValue *known = is_leaf(e) ? NULL : expr_map_find(f->done, e);
    if (known) return *known;
    const bool enters = !f->enters || f->enters(f->context, e);
    for (int i = 0; enters && i < e->arg_count; i++)
        args[i] = fold_in(f, e->args[i]);
    ExprValue value = f->fold(f->context, e, enters ? args : NULL);
    if (!is_leaf(e)) expr_map_add_new(f->done, e, value);
    return value;
}

ExprValue expr_fold_rest(ExprMap *done, const GExpr *e, ExprEnters enters, ExprFold fold,
                         void *context) {
    const Folding f = {done, enters, fold, context};
    return fold_in(&f, e);
}

ExprValue expr_fold_inside(const GExpr *e, ExprEnters enters, ExprFold fold, void *context) {
    ExprMap done;
    const Folding f = {&done, enters, fold, context};
    expr_map_open(&done);
    ExprValue value = fold_in(&f, e);
    expr_map_close(&done);
    return value;
}

ExprValue expr_fold(const GExpr *e, ExprFold fold, void *context) {
    return expr_fold_inside(e, NULL, fold, context);
}

/* ---- frequent questions ---------------------------------------------------------------------- */

static VisitStep count_part(void *context, const GExpr *e) {
    *(int *)context += !is_leaf(e);
    return VISIT_INSIDE;
}

int expr_size(const GExpr *e) {
    int size = 0;
    expr_visit(e, count_part, &size);
    return size;
}

static VisitStep count_operation(void *context, const GExpr *e) {
    *(int *)context += !is_leaf(e) && e->op != G_LOAD;
    return VISIT_INSIDE;
}

int expr_operations(const GExpr *e) {
    int count = 0;
    expr_visit(e, count_operation, &count);
    return count;
}

bool expr_is_small_tree(const GExpr *e) {
    return e->tree_size <= EXPR_LARGEST_TREE;
}

static VisitStep add_price(void *context, const GExpr *e) {
    *(int64_t *)context += gx_price(e->op);
    return VISIT_INSIDE;
}

int64_t expr_price(const GExpr *e) {
    int64_t price = 0;
    expr_visit(e, add_price, &price);
    return price;
}

static bool is_read(const void *context, const GExpr *e) {
    (void)context;
    return e->op == G_LOAD;
}

bool expr_reads(const GExpr *e) {
    return expr_any(e, is_read, NULL);
}

static bool is_data(const void *context, const GExpr *e) {
    (void)context;
    return e->op == G_LOAD || e->op == G_RANDOM || e->op == G_TO_INT;
}

bool expr_is_data(const GExpr *e) {
    return expr_any(e, is_data, NULL);
}

static VisitStep note_index(void *context, const GExpr *e) {
    const bool counts = e->op == G_INDEX && e->index >= 0 && e->index < GRAPH_MAX_INDICES;
    if (counts) *(uint32_t *)context |= 1u << e->index;
    return VISIT_INSIDE;
}

uint32_t expr_index_mask(const GExpr *e) {
    uint32_t bits = 0;
    expr_visit(e, note_index, &bits);
    return bits;
}

typedef struct Parts {
    int count;
    const GExpr *const *items;
} Parts;

static bool is_one_of(const void *context, const GExpr *e) {
    const Parts *parts = context;
    for (int i = 0; i < parts->count; i++)
        if (parts->items[i] == e) return true;
    return false;
}

bool expr_holds_any(const GExpr *e, int count, const GExpr *const *parts) {
    Parts wanted = {count, parts};
    return expr_any(e, is_one_of, &wanted);
}
