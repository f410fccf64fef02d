/* Recognises contractions and cuts them into regions (product.h).
 *
 * A condition is a conjunct of the guard, or a read that is 0 outside its array. It may join one
 * index of the result with one reduced index, and is tried on all pairs of their values. Values of
 * the result's index for which the same terms take part form a class. A region is one choice of a
 * class for each index, so a 3 x 3 convolution with a border has nine regions.
 *
 * Because values are tried and no inequality is solved, strides, dilations and their gradients are
 * one case. MAX_GRID and MAX_CLASSES bound the work. A sum beyond these bounds is compiled as an
 * ordinary node. */
#include "compiler/graph/product.h"

#include "compiler/graph/guard.h"
#include "compiler/graph/point.h"
#include "compiler/graph/visit.h"

#include <stdlib.h>
#include <string.h>

enum {
    SMALLEST_PRODUCT = 1 << 15, /* the fewest multiply-adds of a contraction */
    SMALLEST_SIDE = 4,
    MAX_CONDITIONS = 32,
    MAX_GRID = 1 << 16, /* the most pairs of index values on which a condition is tried */
    MAX_CLASSES = 24,   /* the most classes of one output index */
    MAX_REGIONS = 64
};

/* ---- conditions ------------------------------------------------------------------------------ */

/* A condition on the values of indices: a conjunct of the guard, or 0 <= subscript < extent for a
 * read that is 0 outside. */
typedef struct Condition {
    PointFormula *value; /* the truth value, or the subscript */
    bool is_truth;
    int64_t extent;
    int out, red; /* the indices that the condition joins; -1: none */
    /* The subscript in affine form, as numbers, because it is evaluated for many values. */
    bool is_affine;
    int64_t constant;
    int64_t of_out;
    int64_t of_red;
} Condition;

typedef struct Conditions {
    Arena *arena;
    const GNode *node;
    Condition items[MAX_CONDITIONS];
    int count;
    /* By reduced index: the output index that a condition joins it with, or -1. */
    int partner[GRAPH_MAX_INDICES];
} Conditions;

static bool condition_holds(const Condition *c, const int64_t *values, bool *out) {
    int64_t v = 0;
    if (c->is_affine) {
        v = c->constant + (c->out < 0 ? 0 : c->of_out * values[c->out]) +
            (c->red < 0 ? 0 : c->of_red * values[c->red]);
        *out = v >= 0 && v < c->extent;
        return true;
    }
    if (!point_value(c->value, values, &v)) return false;
    *out = c->is_truth ? v != 0 : v >= 0 && v < c->extent;
    return true;
}

static bool always_holds(const GNode *node, const Condition *c) {
    int64_t last = c->out < 0 ? 0 : c->of_out * (graph_extent(node, c->out) - 1);
    int64_t low = c->constant + (last < 0 ? last : 0);
    int64_t high = c->constant + (last > 0 ? last : 0);
    return low >= 0 && high < c->extent;
}

/* Adds a condition. Returns false if it joins more than one index of a kind. */
static bool add_condition(Conditions *c, const GExpr *truth, const GExpr *subscript,
                          int64_t extent) {
    const uint32_t used = expr_index_mask(truth ? truth : subscript);
    Condition made = {.is_truth = truth, .extent = extent, .out = -1, .red = -1};
    Affine affine;
    if (c->count == MAX_CONDITIONS || !expr_is_small_tree(truth ? truth : subscript)) return false;
    for (int i = 0; i < c->node->rank + c->node->red_rank; i++) {
        int *place = i < c->node->rank ? &made.out : &made.red;
        if (!(used & 1u << i)) continue;
        if (*place >= 0) return false;
        *place = i;
    }
    int64_t grid = (made.out < 0 ? 1 : graph_extent(c->node, made.out)) *
                   (made.red < 0 ? 1 : graph_extent(c->node, made.red));
    if (grid > MAX_GRID) return false;
    made.is_affine = !truth && affine_of(subscript, &affine);
    if (made.is_affine) {
        made.constant = affine.constant;
        made.of_out = made.out < 0 ? 0 : affine.factor[made.out];
        made.of_red = made.red < 0 ? 0 : affine.factor[made.red];
        /* The output index is inside the array for all its values. */
        if (made.red < 0 && always_holds(c->node, &made)) return true;
    }
    if (!made.is_affine) {
        made.value = point_formula(c->arena, truth ? truth : subscript, NULL, 0);
    }
    if (made.out >= 0 && made.red >= 0) {
        int *partner = &c->partner[made.red];
        if (*partner >= 0 && *partner != made.out) return false;
        *partner = made.out;
    }
    c->items[c->count++] = made;
    return true;
}

static bool add_conjunct(void *context, const GExpr *conjunct) {
    return add_condition(context, conjunct, NULL, 0);
}

static bool add_guard(Conditions *c, const GExpr *guard) {
    return guard_all(guard, add_conjunct, c);
}

static bool add_edges(Conditions *c, const GExpr *load) {
    if (!load->has_else) return true;
    const GExpr *otherwise = load->args[load->arg_count - 1];
    if (otherwise->op != G_CONST || otherwise->real != 0) return false;
    for (int i = 0; i < load->tensor->rank; i++)
        if (!add_condition(c, NULL, load->args[i], load->tensor->shape[i])) return false;
    return true;
}

/* ---- classes of an output index's values ----------------------------------------------------- */

typedef struct Class {
    Progression values;
    /* By reduced index that is joined with the output index: the values that take part. */
    Progression partners[GRAPH_MAX_INDICES];
} Class;

typedef struct Classes {
    Class items[MAX_CLASSES];
    int count;
} Classes;

/* Finds the allowed values as a progression. Returns false if they are none. */
static bool progression_of(const bool *allowed, int64_t extent, Progression *out) {
    int64_t last = -1;
    *out = (Progression){0, 1, 0};
    for (int64_t v = 0; v < extent; v++) {
        if (!allowed[v]) continue;
        if (out->count == 0)
            out->begin = v;
        else if (out->count == 1)
            out->step = v - out->begin;
        else if (v - last != out->step)
            return false;
        out->count++;
        last = v;
    }
    return true;
}

/* Finds the values of `red` that take part when `out` has the value at hand; -1 stands for no
 * output index. */
static bool partners_of(const Conditions *c, int out, int red, int64_t *values, bool *allowed,
                        Progression *p) {
    int64_t extent = graph_extent(c->node, red);
    for (int64_t v = 0; v < extent; v++) {
        allowed[v] = true;
        values[red] = v;
        for (int i = 0; i < c->count; i++) {
            const Condition *k = &c->items[i];
            bool concerns = (k->red == red && (k->out < 0 || k->out == out)) ||
                            (k->red < 0 && k->out == out && out >= 0);
            bool good = true;
            if (concerns && !condition_holds(k, values, &good)) return false;
            allowed[v] = allowed[v] && good;
        }
    }
    return progression_of(allowed, extent, p);
}

static bool same_partners(const Class *a, const Class *b) {
    return memcmp(a->partners, b->partners, sizeof a->partners) == 0;
}

/* Adds a value to a class that it continues, or opens a new class. */
static bool join_class(Classes *all, const Class *one) {
    int64_t v = one->values.begin;
    for (int i = all->count - 1; i >= 0; i--) {
        Class *c = &all->items[i];
        if (!same_partners(c, one)) continue;
        int64_t last = c->values.begin + (c->values.count - 1) * c->values.step;
        if (c->values.count > 1 && v - last != c->values.step) continue;
        if (c->values.count == 1) c->values.step = v - last;
        c->values.count++;
        return true;
    }
    if (all->count == MAX_CLASSES) return false;
    all->items[all->count++] = *one;
    return true;
}

/* Finds the classes of an output index. Without conditions on the index, all its values are one
 * class. */
static bool classes_of(Arena *arena, const Conditions *c, int out, Classes *all) {
    const GNode *n = c->node;
    bool cut = false;
    int64_t values[GRAPH_MAX_INDICES] = {0};
    int64_t widest = 1;
    for (int i = 0; i < c->count; i++)
        cut |= c->items[i].out == out;
    for (int r = n->rank; r < n->rank + n->red_rank; r++)
        if (graph_extent(n, r) > widest) widest = graph_extent(n, r);
    all->count = 0;
    Class one;
    memset(&one, 0, sizeof one);
    one.values = (Progression){0, 1, graph_extent(n, out)};
    if (!cut) return join_class(all, &one);
    bool *allowed = arena_array(arena, bool, widest);
    for (int64_t v = 0; v < graph_extent(n, out); v++) {
        one.values = (Progression){v, 1, 1};
        values[out] = v;
        for (int r = n->rank; r < n->rank + n->red_rank; r++) {
            /* A condition on the output index alone, if it fails, leaves no value of the first
             * reduced index. */
            bool alone = true;
            for (int k = n->rank; k < n->rank + n->red_rank; k++)
                alone &= c->partner[k] != out;
            if (c->partner[r] != out && !(alone && r == n->rank)) continue;
            if (graph_extent(n, r) * graph_extent(n, out) > MAX_GRID ||
                !partners_of(c, out, r, values, allowed, &one.partners[r]))
                return false;
            if (one.partners[r].count == 0) one.partners[r] = (Progression){0, 1, 0};
        }
        if (!join_class(all, &one)) return false;
    }
    return true;
}

/* ---- regions --------------------------------------------------------------------------------- */

/* An index expression over a region, as a constant plus a sum of factor * place in the
 * progression. */
typedef struct InRegion {
    const ProductRegion *region;
    Affine *out;
} InRegion;

static bool affine_in(const GExpr *e, const ProductRegion *r, Affine *out);

/* Adds a quotient or a remainder that a region makes affine: floor((s X + c) / s) is X + floor(c /
 * s), and the remainder is that of c. */
static bool add_quotient(const InRegion *in, const GExpr *e, int64_t by) {
    const ProductRegion *r = in->region;
    Affine inner;
    Affine *out = in->out;
    if (e->args[1]->op != G_CONST || e->args[1]->integer <= 0 || !affine_in(e->args[0], r, &inner))
        return false;
    const int64_t s = e->args[1]->integer;
    for (int i = 0; i < GRAPH_MAX_INDICES; i++) {
        if (inner.factor[i] % s && r->index[i].count > 1) return false;
        if (e->op == G_FLOORDIV) out->factor[i] += by * (inner.factor[i] / s);
    }
    out->constant += by * (e->op == G_FLOORDIV ? gx_floor_div(inner.constant, s)
                                               : gx_floor_mod(inner.constant, s));
    return true;
}

static bool add_in_region(void *context, const GExpr *part, int64_t by) {
    const InRegion *in = context;
    if (part->op == G_FLOORDIV || part->op == G_MOD) return add_quotient(in, part, by);
    if (part->op != G_INDEX) return false;
    in->out->constant += by * in->region->index[part->index].begin;
    in->out->factor[part->index] += by * in->region->index[part->index].step;
    return true;
}

static bool affine_in(const GExpr *e, const ProductRegion *r, Affine *out) {
    InRegion in = {r, out};
    int64_t constant;
    memset(out, 0, sizeof *out);
    if (!affine_each(e, &constant, add_in_region, &in)) return false;
    out->constant += constant;
    return true;
}

/* Finds the position of a load. Returns false if the load may leave its array in the region. A
 * region without terms reads nothing, but all regions must step through b alike. */
static bool place_load(const GNode *node, const GExpr *load, const ProductRegion *r, Affine *out) {
    int64_t stride = 1;
    bool inside = true;
    bool is_read = true;
    memset(out, 0, sizeof *out);
    for (int i = load->tensor->rank - 1; i >= 0; i--) {
        Affine axis;
        if (!affine_in(load->args[i], r, &axis)) return false;
        int64_t low = axis.constant;
        int64_t high = axis.constant;
        for (int d = 0; d < node->rank + node->red_rank; d++) {
            int64_t reach = axis.factor[d] * (r->index[d].count - 1);
            is_read &= r->index[d].count > 0;
            *(reach < 0 ? &low : &high) += reach;
            out->factor[d] += stride * axis.factor[d];
        }
        inside &= low >= 0 && high < load->tensor->shape[i];
        out->constant += stride * axis.constant;
        stride *= load->tensor->shape[i];
    }
    return inside || !is_read;
}

static void place_output(const GNode *node, const ProductRegion *r, Affine *out) {
    int64_t stride = 1;
    memset(out, 0, sizeof *out);
    for (int i = node->rank - 1; i >= 0; i--) {
        out->constant += stride * r->index[i].begin;
        out->factor[i] = stride * r->index[i].step;
        stride *= node->shape[i];
    }
}

/* Makes a region for each choice of a class for every output index. */
static bool make_regions(Arena *arena, const Conditions *c, Product *p) {
    const GNode *n = c->node;
    Classes *classes = arena_array(arena, Classes, n->rank + 1);
    ProductRegion plain;
    int64_t count = 1, values[GRAPH_MAX_INDICES] = {0};
    memset(&plain, 0, sizeof plain);
    for (int r = n->rank; r < n->rank + n->red_rank; r++) {
        plain.index[r] = (Progression){0, 1, graph_extent(n, r)};
        bool alone = false; /* true if some condition is on this reduced index alone */
        for (int i = 0; i < c->count; i++)
            alone |= c->items[i].red == r && c->items[i].out < 0;
        if (alone && c->partner[r] < 0 &&
            !partners_of(c, -1, r, values, arena_array(arena, bool, graph_extent(n, r)),
                         &plain.index[r]))
            return false;
    }
    for (int i = 0; i < n->rank; i++) {
        if (!classes_of(arena, c, i, &classes[i])) return false;
        count *= classes[i].count;
        if (count > MAX_REGIONS) return false;
    }
    p->regions = arena_array(arena, ProductRegion, count);
    p->region_count = (int)count;
    for (int64_t at = 0; at < count; at++) {
        ProductRegion *r = &p->regions[at];
        int64_t rest = at;
        *r = plain;
        for (int i = n->rank - 1; i >= 0; i--) {
            const Class *class = &classes[i].items[rest % classes[i].count];
            rest /= classes[i].count;
            r->index[i] = class->values;
            for (int k = n->rank; k < n->rank + n->red_rank; k++)
                if (class->partners[k].step && class->partners[k].count < r->index[k].count)
                    r->index[k] = class->partners[k];
        }
        if (!place_load(n, p->a, r, &r->at_a) || !place_load(n, p->b, r, &r->at_b)) return false;
        place_output(n, r, &r->at_y);
    }
    return true;
}

/* ---- sides ----------------------------------------------------------------------------------- */

static void append_index(int *list, int *count, int64_t *size, int index, int64_t extent) {
    list[(*count)++] = index;
    *size *= extent;
}

static bool has_index(const GExpr *load, int index) {
    for (int i = 0; i < load->tensor->rank; i++)
        if (expr_index_mask(load->args[i]) & 1u << index) return true;
    return false;
}

/* Sorts indices by descending stride. Indices of equal stride keep the node's order. */
static void sort_by_stride(int *list, int count, const Affine *at) {
    for (int i = 1; i < count; i++)
        for (int k = i; k > 0 && llabs(at->factor[list[k]]) > llabs(at->factor[list[k - 1]]); k--) {
            int kept = list[k];
            list[k] = list[k - 1];
            list[k - 1] = kept;
        }
}

/* Returns the region with the most elements. Its strides decide the order in which indices are
 * walked. */
static const ProductRegion *main_region(const GNode *node, const Product *p) {
    const ProductRegion *best = &p->regions[0];
    double most = -1;
    for (int i = 0; i < p->region_count; i++) {
        double size = 1;
        for (int d = 0; d < node->rank + node->red_rank; d++)
            size *= (double)p->regions[i].index[d].count;
        if (size <= most) continue;
        most = size;
        best = &p->regions[i];
    }
    return best;
}

static double count_terms(const GNode *node, const Product *p) {
    double terms = 0;
    for (int i = 0; i < p->region_count; i++) {
        double size = 1;
        for (int d = 0; d < node->rank + node->red_rank; d++)
            size *= (double)p->regions[i].index[d].count;
        terms += size;
    }
    return terms;
}

/* Sorts the indices into sides. Returns false if a side would be too small, or if a region would
 * cut the n side. */
static bool sort_sides(const GNode *node, Product *p) {
    p->m_count = p->n_count = p->z_count = p->k_count = 0;
    p->m_size = p->n_size = p->z_size = p->k_size = 1;
    for (int i = 0; i < node->rank; i++) {
        bool a = has_index(p->a, i);
        bool b = has_index(p->b, i);
        bool cut = false;
        for (int r = 0; r < p->region_count; r++)
            cut |= p->regions[r].index[i].count != node->shape[i];
        if (cut && b) return false;
        if (a && b)
            append_index(p->z, &p->z_count, &p->z_size, i, node->shape[i]);
        else if (b)
            append_index(p->n, &p->n_count, &p->n_size, i, node->shape[i]);
        else
            append_index(p->m, &p->m_count, &p->m_size, i, node->shape[i]);
    }
    for (int i = 0; i < node->red_rank; i++)
        append_index(p->k, &p->k_count, &p->k_size, node->rank + i, node->red_shape[i]);
    if (p->n_size < SMALLEST_SIDE || p->m_size < SMALLEST_SIDE || p->terms < SMALLEST_PRODUCT)
        return false;
    const ProductRegion *r = main_region(node, p);
    sort_by_stride(p->m, p->m_count, &r->at_a);
    sort_by_stride(p->k, p->k_count, &r->at_a);
    sort_by_stride(p->n, p->n_count, &r->at_b);
    return true;
}

static void swap_operands(Product *p) {
    const GExpr *a = p->a;
    p->a = p->b;
    p->b = a;
    for (int i = 0; i < p->region_count; i++) {
        Affine at = p->regions[i].at_a;
        p->regions[i].at_a = p->regions[i].at_b;
        p->regions[i].at_b = at;
    }
}

/* True if the vector side lies side by side in memory, so that it needs no packing. */
static bool is_side_by_side(const Product *p) {
    return p->n_count == 1 && p->n_size >= 16 && p->regions[0].at_b.factor[p->n[0]] == 1;
}

/* True if packing the vector side of p, which `other` avoids, costs more than writing y in another
 * order. */
static bool packs_too_much(const Product *p, const Product *other) {
    return is_side_by_side(other) && !is_side_by_side(p) &&
           4 * p->m_size * p->n_size * p->z_size < p->n_size * p->k_size * p->z_size;
}

/* True if `other` has the better vector side. That is the side whose elements lie side by side in
 * y, unless y is small and the other side needs no packing. Between equals, the smaller side is
 * packed more cheaply. */
static bool prefers_other(const GNode *node, const Product *p, const Product *other) {
    bool first = p->n_count > 0 && p->n[p->n_count - 1] == node->rank - 1;
    bool second = other->n_count > 0 && other->n[other->n_count - 1] == node->rank - 1;
    if (packs_too_much(p, other)) return true;
    if (packs_too_much(other, p)) return false;
    if (first != second) return second && other->n_size >= 16;
    return other->n_size < p->n_size && other->n_size >= 16;
}

static bool is_real_load(const GExpr *e) {
    return e->op == G_LOAD && e->tensor->type == GT_REAL;
}

bool product_of(Arena *arena, const GNode *node, Product *p) {
    memset(p, 0, sizeof *p);
    if (!node_is_real_sum(node) || node->active || node->empty_is_error) return false;
    const GExpr *v = node->value;
    if (v->op != G_MUL || !is_real_load(v->args[0]) || !is_real_load(v->args[1])) return false;
    p->a = v->args[0];
    p->b = v->args[1];
    Conditions conditions = {.arena = arena, .node = node};
    for (int i = 0; i < GRAPH_MAX_INDICES; i++)
        conditions.partner[i] = -1;
    if (!add_guard(&conditions, node->guard) || !add_edges(&conditions, p->a) ||
        !add_edges(&conditions, p->b))
        return false;
    if (!make_regions(arena, &conditions, p)) return false;
    p->terms = count_terms(node, p);
    Product other = *p;
    other.regions = arena_array(arena, ProductRegion, p->region_count);
    memcpy(other.regions, p->regions, sizeof *p->regions * (size_t)p->region_count);
    swap_operands(&other);
    bool first = sort_sides(node, p);
    bool second = sort_sides(node, &other);
    if (!first && !second) return false;
    if (!first || (second && prefers_other(node, p, &other))) *p = other;
    return true;
}

/* The most rows of a thin region, whose blocks of sums are too small for the multiply-add units. */
enum { MOST_THIN_ROWS = 6 };

bool product_is_thin(const Product *p) {
    return p->region_count > 1 && p->m_size < MOST_THIN_ROWS * p->region_count;
}
