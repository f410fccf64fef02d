/* Looks at every user of a large product of pairs, and decides whether tiles serve it. A user may
 * be a sink, or an element that can be put into its own users. It may read a few places, which are
 * computed by themselves, or whole rows.
 *
 * One user that tiles do not serve keeps the product stored, with the reason and its line for
 * `couplet check --memory`. Refusing one product can turn what was made of two products into
 * something made of one, so all is looked at again until nothing changes. */
#include "compiler/graph/visit.h"
#include "compiler/passes/stream/internal.h"

#include <string.h>

enum {
    /* The most places, for each row and column of a product, that are read on their own. */
    MOST_GATHERS = 8,
    /* More places are read on their own, too, if they are so many times fewer than the product's
     * elements. */
    SMALL_PART = 16
};

typedef struct Loads {
    const Stream *s;
    ARRAY(const GExpr *) items; /* the loads of products and of elements */
} Loads;

static VisitStep note_load(void *context, const GExpr *e) {
    Loads *loads = context;
    bool is_made = e->op == G_LOAD && loads->s->made_of[e->tensor->id];
    if (is_made) array_push(loads->s->g->arena, &loads->items, e);
    return VISIT_INSIDE;
}

static uint64_t roots_of(const Stream *s, const Loads *loads) {
    uint64_t roots = 0;
    for (int i = 0; i < loads->items.count; i++)
        roots |= s->made_of[loads->items.items[i]->tensor->id];
    return roots;
}

static bool is_pair(const GExpr *load) {
    return !load->has_else && load->args[0]->op == G_INDEX && load->args[1]->op == G_INDEX &&
           load->args[0] != load->args[1];
}

/* True if the places are few enough to be computed by themselves, each as a product of two rows:
 * there are not many more of them than rows. */
static bool few_places(const GNode *n, const GExpr *load) {
    uint32_t mask = 0;
    int64_t places = 1;
    for (int i = 0; i < load->tensor->rank; i++)
        mask |= expr_index_mask(load->args[i]);
    for (int i = 0; i < n->rank + n->red_rank; i++)
        if (mask & 1u << i) places *= graph_extent(n, i);
    int64_t rows = load->tensor->shape[0];
    int64_t columns = load->tensor->shape[1];
    return !load->has_else &&
           (places <= MOST_GATHERS * (rows + columns) || SMALL_PART * places <= rows * columns);
}

static bool reads_product_rows(const Stream *s, const GNode *array);

/* Ends at a read of a product, or of an array whose every element reads rows of a product. */
static VisitStep reads_product(void *context, const GExpr *e) {
    const Stream *s = context;
    bool is_made = e->op == G_LOAD && !e->has_else && s->made_of[e->tensor->id];
    return is_made && is_pair(e) && reads_product_rows(s, e->tensor) ? VISIT_END : VISIT_INSIDE;
}

/* True if each element of the array reads rows of a product at both of its indices, and so meets
 * the fault of a place outside. An element that a choice leaves out does not. */
static bool reads_product_rows(const Stream *s, const GNode *array) {
    if (s->root_of[array->id] >= 0) return true;
    ExprMap met;
    expr_map_open(&met);
    bool keeps = expr_visit_sure(&met, array->value, reads_product, (void *)(uintptr_t)s);
    expr_map_close(&met);
    return keeps;
}

static bool place_is_data(const GExpr *load) {
    return expr_reads(load->args[0]) || expr_reads(load->args[1]);
}

/* ---- weighted sums --------------------------------------------------------------------------- */

/* The indices of a weighted sum: the one that the sum keeps of the pair, and that of the rows. */
typedef struct Sides {
    Stream *s;
    uint32_t own;
    uint32_t payload;
} Sides;

/* Ends at a factor that reads the rows and the pair. A factor that reads the index `payload` is one
 * of the rows, and must not read the index that the sum keeps of the pair. */
static VisitStep mixes_sides(void *context, const GExpr *e) {
    const Sides *sides = context;
    const uint32_t mask = expr_index_mask(e);
    if (!(mask & sides->payload)) return VISIT_PAST;
    if (e->op == G_MUL || e->op == G_DIV || e->op == G_NEG) return VISIT_INSIDE;
    Loads loads = {.s = sides->s};
    expr_visit(e, note_load, &loads);
    return mask & sides->own || loads.items.count > 0 ? VISIT_END : VISIT_PAST;
}

static bool is_weighted(Stream *s, const GNode *n, int own) {
    if (n->reducer != GR_SUM || n->type != GT_REAL) return false;
    uint32_t payload = 1u << (1 - own);
    if (!(expr_index_mask(n->value) & payload)) return false;
    if (n->guard && (expr_index_mask(n->guard) & payload)) return false;
    Sides sides = {s, 1u << own, payload};
    return !expr_visit(n->value, mixes_sides, &sides);
}

/* ---- one user -------------------------------------------------------------------------------- */

/* Returns the reason for which tiles do not serve a user that reads products at its indices x and
 * y, and at no others; NULL: tiles serve it. *use is the way in which it uses products. */
static const char *classify_pair(Stream *s, const GNode *n, int x, int y, Use *use) {
    bool x_out = x < n->rank;
    bool y_out = y < n->rank;
    if (n->reducer == GR_NONE) {
        *use = USE_ELEMENT;
        return n->rank == 2 ? NULL : "each of its elements is used for several others";
    }
    if (n->reducer == GR_PROD) return "tiles do not multiply their elements";
    if (!x_out && !y_out) {
        *use = USE_TOTAL;
        bool placed = n->reducer == GR_ARGMAX || n->reducer == GR_ARGMIN;
        return n->rank == 0 && n->red_rank == 2 && !placed
                   ? NULL
                   : "both of its indices are reduced together with another one";
    }
    if (n->red_rank != 1 || (x_out && y_out))
        return "it is reduced over an index that is none of its own";
    *use = n->rank == 1 ? USE_SINK : USE_WEIGHTS;
    s->own[n->id] = x_out ? x : y;
    if (n->rank == 1) return NULL;
    return n->rank == 2 && is_weighted(s, n, x_out ? x : y)
               ? NULL
               : "its elements are no plain weights of a sum of rows";
}

/* True if a sink would read more products than it may. */
static bool too_many(const Stream *s, const Loads *loads) {
    uint64_t roots = roots_of(s, loads);
    int count = 0;
    for (; roots; roots &= roots - 1)
        count++;
    return count > MOST_PAIR_SOURCES;
}

/* Returns the reason for which tiles do not serve this user, or NULL if they do. *use is the way in
 * which it uses products. */
static const char *classify(Stream *s, const GNode *n, const Loads *loads, Use *use) {
    const GExpr *pair = NULL;
    *use = USE_GATHER;
    if (stream_is_scatter(s->g, n)) {
        *use = USE_PLACES;
        return NULL;
    }
    for (int i = 0; i < loads->items.count; i++) {
        const GExpr *load = loads->items.items[i];
        if (!is_pair(load)) {
            if (!few_places(n, load))
                return "it is read at as many chosen places as it has elements";
            if (!place_is_data(load) || reads_product_rows(s, load->tensor)) continue;
            return "it is read at places from data, and not each of its elements is computed from "
                   "rows there";
        }
        bool same = !pair || load->args[0] == pair->args[0] || load->args[0] == pair->args[1];
        if (!same || (pair && load->args[1] != pair->args[0] && load->args[1] != pair->args[1]))
            return "one formula reads it along two different pairs of indices";
        if (!pair) pair = load;
    }
    if (!pair) return NULL;
    if (n->active) return "it is reduced for some rows only";
    const char *why = classify_pair(s, n, pair->args[0]->index, pair->args[1]->index, use);
    return !why && *use != USE_ELEMENT && too_many(s, loads)
               ? "one formula reads more than four arrays of pairs"
               : why;
}

static void refuse_roots(Stream *s, uint64_t roots, const char *why, Span where) {
    for (int i = 0; i < s->root_count; i++) {
        Root *r = &s->roots[i];
        if (!(roots & (uint64_t)1 << i) || r->refusal) continue;
        r->refusal = why;
        r->where = where;
    }
}

/* Returns the number of the root that the node is, or -1 if it is none, was refused, or is kept. */
static int candidate_of(const Stream *s, const GNode *n) {
    for (int i = 0; i < s->root_count; i++)
        if (s->roots[i].node == n && !s->roots[i].refusal && !s->roots[i].kept) return i;
    return -1;
}

/* Refuses the products of an operand that the node wants to have stored. */
static void visit_held(Stream *s, const GNode *n, const GNode *operand, const char *why,
                       uint64_t *refused) {
    if (!s->made_of[operand->id]) return;
    refuse_roots(s, s->made_of[operand->id], why, n->span);
    *refused |= s->made_of[operand->id];
}

/* True if the node is larger than each of these roots. */
static bool is_larger(const Stream *s, const GNode *n, uint64_t roots) {
    for (int i = 0; i < s->root_count; i++)
        if (roots & (uint64_t)1 << i &&
            graph_element_count(s->roots[i].node) >= graph_element_count(n))
            return false;
    return true;
}

/* Finds how a node uses products, and what it is made of. Refuses the products that tiles do not
 * serve for this user, and adds them to *refused. */
static void visit_user(Stream *s, GNode *n, uint64_t *refused) {
    Loads loads = {.s = s};
    bool rows = stream_takes_rows(n);
    if (rows && s->made_of[n->operand ? n->operand->id : n->operands[0]->id])
        s->use[n->id] = USE_ROWS;
    if (n->operand && !rows)
        visit_held(s, n, n->operand,
                   n->kind == GN_TOPK ? "as many places of each row are chosen as it has"
                                      : "a stop holds it",
                   refused);
    for (int i = 0; i < n->operand_count && !rows; i++)
        visit_held(s, n, n->operands[i], "a library call wants whole rows of it", refused);
    if (n->kind != GN_COMPUTE) return;
    expr_visit_node(n, note_load, &loads);
    int root = candidate_of(s, n);
    /* A product that reads another product is a user of it, and no root. */
    if (loads.items.count == 0 && root >= 0) {
        s->root_of[n->id] = root;
        s->made_of[n->id] = (uint64_t)1 << root;
    }
    if (loads.items.count == 0) return;
    /* Of two products, one made of the other, the larger one stays a root. */
    if (root >= 0 && is_larger(s, n, roots_of(s, &loads))) {
        uint64_t smaller = roots_of(s, &loads);
        refuse_roots(s, smaller, "a larger product is made of it", n->span);
        *refused |= smaller;
        return;
    }
    const char *why = classify(s, n, &loads, &s->use[n->id]);
    uint64_t roots = roots_of(s, &loads);
    if (why) {
        refuse_roots(s, roots, why, n->span);
        *refused |= roots;
    } else if (s->use[n->id] == USE_ELEMENT) {
        s->made_of[n->id] = roots;
    }
}

/* Refuses the products of an array that outlives the step. */
static void visit_kept(Stream *s, const GNode *n, const char *why, uint64_t *refused) {
    if (!n || !s->made_of[n->id]) return;
    refuse_roots(s, s->made_of[n->id], why, n->span);
    *refused |= s->made_of[n->id];
}

/* ---- all ------------------------------------------------------------------------------------- */

static void forget_marks(Stream *s) {
    memset(s->made_of, 0, sizeof *s->made_of * s->ids);
    memset(s->use, 0, sizeof *s->use * s->ids);
    for (uint32_t i = 0; i < s->ids; i++)
        s->root_of[i] = -1;
}

/* Finds the users. A refusal can leave elements that were made of two products with one, so all is
 * looked at again without the refused ones, until nothing changes. */
void stream_find(Stream *s) {
    Graph *g = s->g;
    for (uint64_t refused = 1; refused;) {
        refused = 0;
        forget_marks(s);
        for (int i = 0; i < g->nodes.count; i++)
            visit_user(s, g->nodes.items[i], &refused);
        for (int i = 0; i < g->outputs.count; i++)
            visit_kept(s, g->outputs.items[i].node, "it is a result", &refused);
        for (int i = 0; i < g->commits.count; i++) {
            visit_kept(s, g->commits.items[i].value, "it is kept from step to step", &refused);
            visit_kept(s, g->commits.items[i].rows, "it is kept from step to step", &refused);
        }
    }
}
