/* Writes the formulas of a plan's steps as bytes, from which the runtime explains a fault or a NaN
 * (runtime/formula.h describes the layout).
 *
 * Strings, places and expressions are stored once and named by number. An expression names its
 * arguments by how far back they stand. Nothing reads the bytes while all goes well, so they cost a
 * run only their size. The runtime includes no header of the compiler: its enums repeat those of
 * graph.h, and the assertions below hold the two together. */
#include "compiler/graph/formulas.h"

#include "compiler/graph/loads.h"
#include "compiler/graph/visit.h"
#include "runtime/formula.h"

#include <string.h>

/* The enums of the runtime must equal those of the graph. */
_Static_assert((int)COUPLET_OP_RANDOM == (int)G_RANDOM && (int)COUPLET_OP_ADD == (int)G_ADD &&
                   (int)COUPLET_OP_ERF == (int)G_ERF && (int)COUPLET_OP_TO_INT == (int)G_TO_INT &&
                   (int)COUPLET_OP_SELECT == (int)G_SELECT &&
                   (int)COUPLET_OP_REAL == (int)G_OP_COUNT,
               "CoupletFormulaOp and scalars.def list the same operations");
_Static_assert((int)COUPLET_REDUCE_SUM == (int)GR_SUM && (int)COUPLET_REDUCE_PROD == (int)GR_PROD,
               "CoupletFormulaReducer and GReducer list the same reducers");

typedef struct Bytes {
    ARRAY(unsigned char) items;
} Bytes;

/* A place in the text, with the number of its call + 1. Equal places are stored once, however often
 * a function was lowered. */
typedef struct Place {
    Span span;
    uint64_t call;
    bool is_slope;
    uint64_t path; /* the number of its string */
} Place;

struct Formulas {
    Arena *arena;
    Graph *g;
    const int *buffers; /* by the id of a node: the number of the buffer that holds its result */
    bool stores_all;
    ARRAY(const char *) strings;
    ARRAY(Place) places;
    /* Hash tables with open addressing, whose slots hold numbers + 1. */
    int *string_slots;
    int *place_slots;
    int string_capacity;
    int place_capacity;
    Bytes out;                  /* the bytes of the steps so far */
    ARRAY(int) ends;            /* by step: the end of its bytes */
    ARRAY(const GNode *) nodes; /* the nodes of the step */
    ARRAY(const GExpr *) order; /* the expressions of the node at hand */
    int *number_of;             /* by the id of an expression: its position in `order`, + 1 */
};

static uint64_t buffer_of(const Formulas *w, const GNode *n) {
    return (uint64_t)w->buffers[n->id];
}

static void put_byte(Formulas *w, unsigned char byte) {
    array_push(w->arena, &w->out.items, byte);
}

static void put_varint(Formulas *w, uint64_t value) {
    for (; value >= 128; value >>= 7)
        put_byte(w, (unsigned char)(value | 128));
    put_byte(w, (unsigned char)value);
}

static void put_signed(Formulas *w, int64_t value) {
    put_varint(w, ((uint64_t)value << 1) ^ (value < 0 ? ~(uint64_t)0 : 0));
}

static void put_real(Formulas *w, double value) {
    unsigned char bytes[sizeof value];
    memcpy(bytes, &value, sizeof value);
    for (size_t i = 0; i < sizeof value; i++)
        put_byte(w, bytes[i]);
}

static uint64_t mix(uint64_t hash, uint64_t value) {
    return (hash ^ value ^ (hash >> 29)) * 0x9e3779b97f4a7c15u;
}

static uint64_t place_hash(const Place *p) {
    return mix(mix(mix(1, (uint64_t)p->span.begin << 32 | (uint32_t)p->span.end), p->call),
               (uint64_t)(uintptr_t)p->span.source + p->is_slope);
}

static uint64_t string_hash(const char *string) {
    return mix(1, (uint64_t)(uintptr_t)string);
}

/* Returns the number of a string + 1, or 0 for NULL. Strings are compared by address, since most of
 * them are interned. */
static uint64_t string_of(Formulas *w, const char *string) {
    if (!string) return 0;
    if (2 * w->strings.count >= w->string_capacity) {
        w->string_capacity = w->string_capacity ? 2 * w->string_capacity : 256;
        w->string_slots = arena_array(w->arena, int, w->string_capacity);
        for (int i = 0; i < w->strings.count; i++) {
            uint64_t at = string_hash(w->strings.items[i]) >> 20;
            while (w->string_slots[at % (uint64_t)w->string_capacity])
                at++;
            w->string_slots[at % (uint64_t)w->string_capacity] = i + 1;
        }
    }
    uint64_t at = string_hash(string) >> 20;
    for (int number; (number = w->string_slots[at % (uint64_t)w->string_capacity]) != 0; at++)
        if (w->strings.items[number - 1] == string) return (uint64_t)number;
    array_push(w->arena, &w->strings, string);
    w->string_slots[at % (uint64_t)w->string_capacity] = w->strings.count;
    return (uint64_t)w->strings.count;
}

static bool same_place(const Place *a, const Place *b) {
    return span_same(a->span, b->span) && a->call == b->call && a->is_slope == b->is_slope;
}

static uint64_t add_place(Formulas *w, const Place *place) {
    if (2 * w->places.count >= w->place_capacity) {
        w->place_capacity = w->place_capacity ? 2 * w->place_capacity : 256;
        w->place_slots = arena_array(w->arena, int, w->place_capacity);
        for (int i = 0; i < w->places.count; i++) {
            uint64_t at = place_hash(&w->places.items[i]) >> 20;
            while (w->place_slots[at % (uint64_t)w->place_capacity])
                at++;
            w->place_slots[at % (uint64_t)w->place_capacity] = i + 1;
        }
    }
    uint64_t at = place_hash(place) >> 20;
    for (int number; (number = w->place_slots[at % (uint64_t)w->place_capacity]) != 0; at++)
        if (same_place(&w->places.items[number - 1], place)) return (uint64_t)number;
    array_push(w->arena, &w->places, *place);
    w->place_slots[at % (uint64_t)w->place_capacity] = w->places.count;
    return (uint64_t)w->places.count;
}

/* Returns the number of a place + 1, or 0 if the place is not known. The number of its call is
 * smaller. */
static uint64_t number_of_place(Formulas *w, const GPlace *place) {
    if (!place || !place->span.source) return 0;
    const Place own = {place->span, number_of_place(w, place->call), place->is_slope,
                       string_of(w, place->span.source->path)};
    return add_place(w, &own);
}

/* ---- expressions ----------------------------------------------------------------------------- */

static int number_of(const Formulas *w, const GExpr *e) {
    return w->number_of[e->id] - 1;
}

static bool is_stored(const Formulas *w, const GNode *n) {
    return w->stores_all || !n->streamed;
}

static int node_number(Formulas *w, const GNode *n) {
    for (int i = 0; i < w->nodes.count; i++)
        if (w->nodes.items[i] == n) return i;
    array_push(w->arena, &w->nodes, n);
    return w->nodes.count - 1;
}

/* Lists the parts of an expression, each once and behind its arguments. */
static ExprValue list_expr(void *context, const GExpr *e, const ExprValue *args) {
    Formulas *w = context;
    (void)args;
    if (!w->number_of[e->id]) {
        array_push(w->arena, &w->order, e);
        w->number_of[e->id] = w->order.count;
    }
    return (ExprValue){.integer = 0};
}

static void put_load(Formulas *w, const GNode *n, const GExpr *e) {
    const GNode *array = e->tensor;
    int64_t extents[2 * GRAPH_MAX_RANK];
    for (int i = 0; i < n->rank + n->red_rank; i++)
        extents[i] = graph_extent(n, i);
    put_varint(w, is_stored(w, array) ? 2 * buffer_of(w, array)
                                      : 2 * (uint64_t)node_number(w, array) + 1);
    put_varint(w, string_of(w, array->name));
    put_varint(w, array->type == GT_U8);
    put_varint(w, e->has_else);
    put_varint(w, (uint64_t)array->rank);
    for (int i = 0; i < array->rank; i++) {
        put_varint(w, (uint64_t)array->shape[i]);
        put_varint(w, subscript_may_fault(w->g, e->args[i], extents, array->shape[i]));
    }
}

static void put_expr(Formulas *w, const GNode *n, const GExpr *e, int number) {
    const bool real = e->op == G_CONST && e->type == GT_REAL;
    const uint64_t op = e->op != G_CONST ? (uint64_t)e->op
                        : real           ? COUPLET_OP_REAL
                                         : COUPLET_OP_INT;
    put_varint(w, 2 * op + (e->type == GT_REAL));
    put_varint(w, number_of_place(w, e->place));
    put_varint(w, (uint64_t)e->arg_count);
    for (int i = 0; i < e->arg_count; i++)
        put_varint(w, (uint64_t)(number - number_of(w, e->args[i])));
    if (real)
        put_real(w, e->real);
    else if (e->op == G_CONST)
        put_signed(w, e->integer);
    else if (e->op == G_INDEX)
        put_varint(w, (uint64_t)e->index);
    else if (e->op == G_LOAD)
        put_load(w, n, e);
}

static void put_root(Formulas *w, const GExpr *e) {
    put_varint(w, e ? (uint64_t)number_of(w, e) + 1 : 0);
}

/* ---- nodes ----------------------------------------------------------------------------------- */

static const char *index_name(const GNode *n, int index) {
    return n->index_names ? n->index_names[index] : NULL;
}

static void put_axes(Formulas *w, const GNode *n, int from, int count) {
    put_varint(w, (uint64_t)count);
    for (int i = from; i < from + count; i++) {
        put_varint(w, (uint64_t)graph_extent(n, i));
        put_varint(w, string_of(w, index_name(n, i)));
    }
}

static void put_compute(Formulas *w, const GNode *n) {
    put_varint(w, (uint64_t)n->reducer);
    put_varint(w, n->empty_is_error);
    put_axes(w, n, n->rank, n->red_rank);
    w->order.count = 0;
    if (n->guard) expr_fold(n->guard, list_expr, w);
    if (n->active) expr_fold(n->active, list_expr, w);
    expr_fold(n->value, list_expr, w);
    put_varint(w, (uint64_t)w->order.count);
    for (int i = 0; i < w->order.count; i++)
        put_expr(w, n, w->order.items[i], i);
    put_root(w, n->guard);
    put_root(w, n->active);
    put_root(w, n->value);
    for (int i = 0; i < w->order.count; i++)
        w->number_of[w->order.items[i]->id] = 0;
}

static void put_call(Formulas *w, const GNode *n) {
    CoupletCallSize size;
    const int64_t rows = graph_call_size(n, &size);
    put_varint(w, (uint64_t)n->call);
    put_varint(w, (uint64_t)rows);
    put_varint(w, (uint64_t)size.rows);
    put_varint(w, (uint64_t)size.columns);
    put_varint(w, (uint64_t)size.result);
    put_varint(w, (uint64_t)n->operand_count);
    for (int i = 0; i < n->operand_count; i++)
        put_varint(w, buffer_of(w, n->operands[i]));
}

static void put_node(Formulas *w, const GNode *n) {
    const GPlace *made = n->kind == GN_COMPUTE ? n->value->place : NULL;
    const GPlace own = {n->span, made && span_same(made->span, n->span) ? made->call : NULL, false};
    put_varint(w, n->kind == GN_TOPK   ? COUPLET_FORMULA_TOPK
                  : n->kind == GN_CALL ? COUPLET_FORMULA_CALL
                                       : COUPLET_FORMULA_COMPUTE);
    put_varint(w, buffer_of(w, n));
    put_varint(w, string_of(w, n->name));
    put_varint(w, number_of_place(w, &own));
    put_axes(w, n, 0, n->rank);
    if (n->kind == GN_TOPK) {
        put_varint(w, buffer_of(w, n->operand));
        put_varint(w, (uint64_t)n->operand->shape[n->rank - 1]);
    } else if (n->kind == GN_CALL) {
        put_call(w, n);
    } else {
        put_compute(w, n);
    }
}

/* ---- steps ----------------------------------------------------------------------------------- */

Formulas *formulas_new(Arena *arena, Graph *g, const int *buffers, bool stores_all) {
    Formulas *w = arena_new_of(arena, Formulas);
    w->arena = arena;
    w->g = g;
    w->buffers = buffers;
    w->stores_all = stores_all;
    w->number_of = arena_array(arena, int, graph_expr_count(g) + 1);
    return w;
}

static bool has_formula(const GNode *n) {
    return n->kind == GN_TOPK || n->kind == GN_CALL || (n->kind == GN_COMPUTE && n->value);
}

void formulas_step(Formulas *w, const GNode *const *results, int count) {
    w->nodes.count = 0;
    for (int i = 0; i < count; i++)
        if (has_formula(results[i])) node_number(w, results[i]);
    const int result_count = w->nodes.count;
    const Bytes before = w->out;
    w->out = (Bytes){{0}};
    /* The loads of a node may append arrays of pairs to the list. */
    for (int i = 0; i < w->nodes.count; i++)
        put_node(w, w->nodes.items[i]);
    const Bytes nodes = w->out;
    w->out = before;
    put_varint(w, (uint64_t)w->nodes.count);
    put_varint(w, (uint64_t)result_count);
    for (int i = 0; i < nodes.items.count; i++)
        put_byte(w, nodes.items.items[i]);
    array_push(w->arena, &w->ends, w->out.items.count);
}

static uint64_t scalar_input(const Formulas *w, const char *name) {
    for (int i = 0; i < w->g->nodes.count; i++) {
        const GNode *n = w->g->nodes.items[i];
        if (n->kind == GN_INPUT && strcmp(n->name, name) == 0) return buffer_of(w, n) + 1;
    }
    return 0;
}

static void put_strings(Formulas *w) {
    put_varint(w, (uint64_t)w->strings.count);
    for (int i = 0; i < w->strings.count; i++) {
        const size_t length = strlen(w->strings.items[i]);
        put_varint(w, length);
        for (size_t k = 0; k < length; k++)
            put_byte(w, (unsigned char)w->strings.items[i][k]);
    }
}

static void put_places(Formulas *w) {
    put_varint(w, (uint64_t)w->places.count);
    for (int i = 0; i < w->places.count; i++) {
        const Place *place = &w->places.items[i];
        put_varint(w, place->path - 1);
        put_varint(w, (uint64_t)place->span.line);
        put_varint(w, (uint64_t)place->span.column);
        put_varint(w, place->call);
        put_varint(w, place->is_slope);
    }
}

const unsigned char *formulas_finish(Formulas *w, int64_t *bytes) {
    const Bytes steps = w->out;
    w->out = (Bytes){{0}};
    put_varint(w, scalar_input(w, "seed"));
    put_varint(w, scalar_input(w, "step"));
    put_strings(w);
    put_places(w);
    put_varint(w, (uint64_t)w->ends.count);
    for (int i = 0; i < w->ends.count; i++)
        put_varint(w, (uint64_t)(w->ends.items[i] - (i ? w->ends.items[i - 1] : 0)));
    for (int i = 0; i < steps.items.count; i++)
        put_byte(w, steps.items.items[i]);
    *bytes = w->out.items.count;
    return w->out.items.items;
}
