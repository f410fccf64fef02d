/* contract: brings sums of products into a form that the register-blocked kernels take
 * (compiler/graph/product.h). A sum that falls into regions is left as it is, unless its regions
 * have few rows and a padded copy of one operand makes one region of them. For other sums:
 *
 *   - A sum whose guard asks for a whole quotient, as in the gradient of a strided convolution, is
 *     split by the remainder of the output index: each piece is a dense product over the taps that
 *     fit, and no piece looks at the others' taps.
 *   - A guard that leaves rows of the result out, as in the gradient of a similarity of some rows
 *     of an array with all of them, makes a sum of the other rows alone.
 *   - A guard that only keeps a read inside its array becomes a read with the value 0 outside.
 *   - A read with the value 0 outside becomes a plain read of a padded copy. */
#include "compiler/graph/guard.h"
#include "compiler/graph/product.h"
#include "compiler/passes/passes.h"
#include "compiler/passes/rewrite.h"

#include <string.h>

enum {
    MAX_STRIDE = 8,
    SMALLER_COPY = 4 /* how many times smaller than the other operand the padded operand must be */
};

/* ---- affine expressions of fresh indices ----------------------------------------------------- */

static const GExpr *expr_of(Graph *g, const AffineSum *t, int64_t divided_by) {
    const GExpr *sum = NULL;
    for (int i = 0; i < t->count; i++) {
        int64_t factor = t->factor[i] / divided_by;
        if (!factor) continue;
        const GExpr *term = factor == 1 ? t->part[i] : gx2(g, G_MUL, t->part[i], gx_int(g, factor));
        sum = sum ? gx2(g, G_ADD, sum, term) : term;
    }
    const GExpr *constant = gx_int(g, gx_floor_div(t->constant, divided_by));
    if (!sum) return constant;
    return constant->integer ? gx2(g, G_ADD, sum, constant) : sum;
}

/* (s X + c) div s = X + c div s; (s X + c) mod s = c mod s. */
static const GExpr *divide_out(void *context, Graph *g, const GExpr *e) {
    (void)context;
    if ((e->op != G_FLOORDIV && e->op != G_MOD) || e->args[1]->op != G_CONST ||
        e->args[1]->integer <= 0)
        return e;
    AffineSum t;
    int64_t by = e->args[1]->integer;
    if (!affine_of_indices(e->args[0], &t)) return e;
    for (int i = 0; i < t.count; i++)
        if (t.factor[i] % by) return e;
    return e->op == G_MOD ? gx_int(g, gx_floor_mod(t.constant, by)) : expr_of(g, &t, by);
}

/* ---- splitting by the remainder -------------------------------------------------------------- */

typedef struct Split {
    int out, red; /* positions of indices in the spec */
    /* A term takes part if out - red + shift (or out + red + shift) is a multiple of stride. */
    int64_t stride;
    int64_t shift;
    int64_t red_sign;
} Split;

static int position(const GExpr *const *list, int count, const GExpr *e) {
    for (int i = 0; i < count; i++)
        if (list[i] == e) return i;
    return -1;
}

/* True if an addend of the guard's remainder is the output index or the reduced one. */
static bool takes_part(const ComputeSpec *spec, const GExpr *index, int64_t sign, Split *split,
                       int64_t *out_sign) {
    const int out = position(spec->out, spec->out_rank, index);
    const int red = position(spec->red, spec->red_rank, index);
    if (sign != 1 && sign != -1) return false;
    if (out >= 0 && split->out < 0) {
        split->out = out;
        *out_sign = sign;
        return true;
    }
    if (red < 0 || split->red >= 0) return false;
    split->red = red;
    split->red_sign = sign;
    return true;
}

typedef struct SplitSearch {
    const ComputeSpec *spec;
    Split *split;
} SplitSearch;

/* True of a conjunct EQ(MOD(+-out +- red + c, s), 0). */
static bool is_split(void *context, const GExpr *guard) {
    const SplitSearch *search = context;
    Split *split = search->split;
    if (guard->op != G_EQ || guard->args[0]->op != G_MOD || guard->args[1]->op != G_CONST ||
        guard->args[1]->integer != 0)
        return false;
    const GExpr *mod = guard->args[0];
    AffineSum t;
    if (mod->args[1]->op != G_CONST || !affine_of_indices(mod->args[0], &t)) return false;
    *split = (Split){.out = -1, .red = -1, .stride = mod->args[1]->integer};
    int64_t out_sign = 0;
    for (int i = 0; i < t.count; i++)
        if (t.factor[i] % split->stride != 0 &&
            !takes_part(search->spec, t.part[i], t.factor[i], split, &out_sign))
            return false;
    if (split->out < 0 || split->red < 0 || split->stride < 2 || split->stride > MAX_STRIDE)
        return false;
    split->shift = out_sign * t.constant;
    split->red_sign *= out_sign;
    return true;
}

static bool find_split(const ComputeSpec *spec, const GExpr *guard, Split *split) {
    SplitSearch search = {spec, split};
    return guard_any(guard, is_split, &search);
}

/* Returns the piece with output index stride * i + remainder, or NULL if no tap fits it. */
static GNode *strided_piece(Graph *g, const ComputeSpec *spec, const Split *split,
                            int64_t remainder) {
    int64_t s = split->stride;
    int64_t out_extent = graph_index_extent(g, spec->out[split->out]);
    int64_t red_extent = graph_index_extent(g, spec->red[split->red]);
    int64_t first = gx_floor_mod(-split->red_sign * (remainder + split->shift), s);
    int64_t rows = (out_extent - remainder + s - 1) / s;
    int64_t taps = (red_extent - first + s - 1) / s;
    if (rows <= 0 || taps <= 0) return NULL;
    const GExpr *row = graph_fresh_index(g, rows);
    const GExpr *tap = graph_fresh_index(g, taps);
    const GExpr *from[2] = {spec->out[split->out], spec->red[split->red]};
    const GExpr *to[2] = {gx2(g, G_ADD, gx2(g, G_MUL, row, gx_int(g, s)), gx_int(g, remainder)),
                          gx2(g, G_ADD, gx2(g, G_MUL, tap, gx_int(g, s)), gx_int(g, first))};
    ComputeSpec part = *spec;
    part.out[split->out] = row;
    part.red[split->red] = tap;
    part.value = gx_rewrite(g, gx_substitute(g, spec->value, 2, from, to), divide_out, NULL);
    part.guard = gx_rewrite(g, gx_substitute(g, spec->guard, 2, from, to), divide_out, NULL);
    if (part.guard && part.guard->op == G_CONST && part.guard->integer) {
        part.guard = NULL;
    }
    return graph_compute(g, &part);
}

static GNode *contract_node(Graph *g, GNode *node);

/* Makes a node that chooses, for each element, the piece of the remainder of its output index. */
static GNode *split_by_remainder(Graph *g, const ComputeSpec *spec, const Split *split,
                                 const GNode *node) {
    ComputeSpec whole;
    memset(&whole, 0, sizeof whole);
    whole.out_rank = spec->out_rank;
    for (int i = 0; i < spec->out_rank; i++)
        whole.out[i] = graph_fresh_index(g, node->shape[i]);
    whole.name = spec->name;
    whole.span = spec->span;
    const GExpr *at = whole.out[split->out];
    const GExpr *by = gx_int(g, split->stride);
    const GExpr *indices[GRAPH_MAX_RANK];
    memcpy(indices, whole.out, sizeof indices);
    indices[split->out] = gx2(g, G_FLOORDIV, at, by);
    for (int64_t remainder = split->stride - 1; remainder >= 0; remainder--) {
        GNode *part = strided_piece(g, spec, split, remainder);
        if (part) part = contract_node(g, part);
        /* The last pieces may be a row shorter. The read stays inside, because only rows of this
         * remainder use it. */
        const GExpr *value =
            part ? gx_load(g, part, whole.out_rank, indices, gx_real(g, 0)) : gx_real(g, 0);
        const GExpr *here = gx2(g, G_EQ, gx2(g, G_MOD, at, by), gx_int(g, remainder));
        whole.value = whole.value ? gx_select(g, here, value, whole.value) : value;
    }
    return graph_compute(g, &whole);
}

/* ---- rows that a guard leaves out ------------------------------------------------------------ */

typedef struct Rows {
    int64_t low[GRAPH_MAX_RANK], high[GRAPH_MAX_RANK]; /* by output index: low <= index < high */
} Rows;

static bool is_int_const(const GExpr *e) {
    return e->op == G_CONST && e->type == GT_INT;
}

/* Returns the position of the output index that the expression equals up to a constant, or -1. */
static int row_of(const ComputeSpec *spec, const GExpr *e, int64_t *shift) {
    AffineSum t;
    if (!affine_of_indices(e, &t) || t.count != 1 || t.factor[0] != 1) return -1;
    *shift = t.constant;
    return position(spec->out, spec->out_rank, t.part[0]);
}

typedef struct RowsTaken {
    const ComputeSpec *spec;
    Rows *rows;
} RowsTaken;

/* Returns a conjunct of the guard without what it says of rows, or NULL if that was all. */
static const GExpr *without_rows(void *context, Graph *g, const GExpr *guard) {
    const RowsTaken *taken = context;
    Rows *rows = taken->rows;
    (void)g;
    if (guard->op != G_LT && guard->op != G_LE) return guard;
    const int64_t more = guard->op == G_LE ? 1 : 0;
    int64_t shift;
    const int below = row_of(taken->spec, guard->args[0], &shift);
    if (below >= 0 && is_int_const(guard->args[1])) { /* a guard such as row + shift < c */
        const int64_t high = guard->args[1]->integer + more - shift;
        if (high < rows->high[below]) rows->high[below] = high;
        return NULL;
    }
    const int above = row_of(taken->spec, guard->args[1], &shift);
    if (above >= 0 && is_int_const(guard->args[0])) { /* a guard such as c < row + shift */
        const int64_t low = guard->args[0]->integer + 1 - more - shift;
        if (low > rows->low[above]) rows->low[above] = low;
        return NULL;
    }
    return guard;
}

/* Returns the sum over the rows that the guard leaves, which reads 0 elsewhere. NULL: the guard
 * leaves all rows, or none. */
static GNode *of_some_rows(Graph *g, const ComputeSpec *spec) {
    Rows rows;
    for (int i = 0; i < spec->out_rank; i++) {
        rows.low[i] = 0;
        rows.high[i] = graph_index_extent(g, spec->out[i]);
    }
    ComputeSpec some = *spec;
    ComputeSpec all;
    RowsTaken taken = {spec, &rows};
    some.guard = guard_keep(g, spec->guard, without_rows, &taken);
    memset(&all, 0, sizeof all);
    all.out_rank = spec->out_rank;
    all.name = spec->name;
    all.span = spec->span;
    const GExpr *row[GRAPH_MAX_RANK];
    const GExpr *at[GRAPH_MAX_RANK];
    bool fewer = false;
    for (int i = 0; i < spec->out_rank; i++) {
        const int64_t extent = graph_index_extent(g, spec->out[i]);
        const int64_t count = rows.high[i] - rows.low[i];
        if (count <= 0) return NULL;
        fewer |= count < extent;
        some.out[i] = graph_fresh_index(g, count);
        all.out[i] = graph_fresh_index(g, extent);
        row[i] = gx2(g, G_ADD, some.out[i], gx_int(g, rows.low[i]));
        at[i] = gx2(g, G_SUB, all.out[i], gx_int(g, rows.low[i]));
    }
    if (!fewer) return NULL;
    some.value = gx_substitute(g, spec->value, spec->out_rank, spec->out, row);
    some.guard = gx_substitute(g, some.guard, spec->out_rank, spec->out, row);
    all.value =
        gx_load(g, contract_node(g, graph_compute(g, &some)), spec->out_rank, at, gx_real(g, 0));
    return graph_compute(g, &all);
}

/* ---- guards into reads ----------------------------------------------------------------------- */

/* True if `condition` says no more than that the subscript of one of the factors is inside its
 * array. */
static bool keeps_inside(const GExpr *condition, const GExpr *load, bool *used) {
    if (load->op != G_LOAD) return false;
    for (int i = 0; i < load->tensor->rank; i++) {
        const GExpr *at = load->args[i];
        bool low = condition->op == G_LE && condition->args[1] == at &&
                   condition->args[0]->op == G_CONST && condition->args[0]->integer == 0;
        bool high = condition->op == G_LT && condition->args[0] == at &&
                    condition->args[1]->op == G_CONST &&
                    condition->args[1]->integer == load->tensor->shape[i];
        if (low || high) return *used = true;
    }
    return false;
}

/* A sum of products of two reads, and which of them a guard keeps inside its array. */
typedef struct KeptReads {
    const GExpr *read[2];
    bool is_kept[2];
} KeptReads;

static bool keeps_one_inside(void *context, const GExpr *conjunct) {
    KeptReads *k = context;
    return keeps_inside(conjunct, k->read[0], &k->is_kept[0]) ||
           keeps_inside(conjunct, k->read[1], &k->is_kept[1]);
}

static const GExpr *zero_outside(Graph *g, const GExpr *load) {
    if (load->has_else) return load;
    return gx_load(g, load->tensor, load->tensor->rank, load->args, gx_real(g, 0));
}

/* ---- padding --------------------------------------------------------------------------------- */

/* Returns a read that is 0 outside its array as a plain read of a copy with the zeros. NULL: its
 * subscripts have no known range, or one that is far larger than the array. */
static const GExpr *padded(Graph *g, const ComputeSpec *spec, const GExpr *load) {
    if (!load->has_else) return load;
    const GExpr *otherwise = load->args[load->arg_count - 1];
    if (otherwise->op != G_CONST || otherwise->real != 0) return NULL;
    GNode *t = load->tensor;
    ComputeSpec copy;
    memset(&copy, 0, sizeof copy);
    const GExpr *inside[GRAPH_MAX_RANK];
    const GExpr *outside[GRAPH_MAX_RANK];
    copy.out_rank = t->rank;
    for (int i = 0; i < t->rank; i++) {
        int64_t low;
        int64_t high;
        if (!gx_range(g, load->args[i], NULL, &low, &high)) return NULL;
        if (low >= 0) low = 0;
        if (high < t->shape[i]) high = t->shape[i] - 1;
        if (high - low + 1 > 4 * t->shape[i] + 64) return NULL;
        copy.out[i] = graph_fresh_index(g, high - low + 1);
        inside[i] = low ? gx2(g, G_ADD, copy.out[i], gx_int(g, low)) : copy.out[i];
        outside[i] = low ? gx2(g, G_SUB, load->args[i], gx_int(g, low)) : load->args[i];
    }
    copy.value = gx_load(g, t, t->rank, inside, otherwise);
    copy.span = spec->span;
    GNode *node = graph_compute(g, &copy);
    return gx_load(g, node, t->rank, outside, NULL);
}

/* ---- one node -------------------------------------------------------------------------------- */

static bool is_affine(const GExpr *load) {
    for (int i = 0; i < load->tensor->rank; i++) {
        AffineSum t;
        if (!affine_of_indices(load->args[i], &t)) return false;
    }
    return true;
}

/* In the weight gradient of a convolution each tap is a region. If the image has few channels, a
 * region has few rows. A copy of the image with zeros around it makes one region of all taps.
 * Returns the node itself where a copy does not help, or is not small enough. */
static GNode *without_regions(Graph *g, GNode *node, const Product *p) {
    ComputeSpec spec;
    graph_open(g, node, &spec);
    const GExpr *a = spec.value->args[0];
    const GExpr *b = spec.value->args[1];
    if (spec.guard || spec.value->op != G_MUL || a->op != G_LOAD || b->op != G_LOAD ||
        a->has_else == b->has_else)
        return node;
    const GExpr *framed = a->has_else ? a : b;
    const GExpr *whole = a->has_else ? b : a;
    if (!product_is_thin(p) ||
        SMALLER_COPY * graph_element_count(framed->tensor) > graph_element_count(whole->tensor))
        return node;
    a = padded(g, &spec, a);
    b = padded(g, &spec, b);
    if (!a || !b) return node;
    spec.value = gx2(g, G_MUL, a, b);
    GNode *made = graph_compute(g, &spec);
    Product form;
    return product_of(g->arena, made, &form) && form.region_count == 1 ? made : node;
}

static GNode *contract_node(Graph *g, GNode *node) {
    Product form;
    if (!node_is_real_sum(node) || node->active) return node;
    ComputeSpec spec;
    graph_open(g, node, &spec);
    GNode *fewer = spec.guard && spec.value->op == G_MUL ? of_some_rows(g, &spec) : NULL;
    if (fewer) return fewer;
    if (product_of(g->arena, node, &form)) return without_regions(g, node, &form);
    if (spec.value->op != G_MUL || spec.value->args[0]->op != G_LOAD ||
        spec.value->args[1]->op != G_LOAD)
        return node;
    Split split;
    if (find_split(&spec, spec.guard, &split)) return split_by_remainder(g, &spec, &split, node);
    const GExpr *a = spec.value->args[0];
    const GExpr *b = spec.value->args[1];
    if (!is_affine(a) || !is_affine(b) || a->type != GT_REAL || b->type != GT_REAL) return node;
    KeptReads kept = {.read = {a, b}};
    if (!guard_all(spec.guard, keeps_one_inside, &kept)) return node;
    spec.guard = NULL;
    if (kept.is_kept[0]) a = zero_outside(g, a);
    if (kept.is_kept[1]) b = zero_outside(g, b);
    a = padded(g, &spec, a);
    b = padded(g, &spec, b);
    if (!a || !b) return node;
    spec.value = gx2(g, G_MUL, a, b);
    GNode *made = graph_compute(g, &spec);
    return product_of(g->arena, made, &form) ? made : node;
}

void pass_contract(Graph *g) {
    rewrite_each(g, contract_node);
    graph_prune(g);
}
