/* Finds out whether an index expression is a constant plus multiples of indices. Contractions,
 * arrays of pairs and proofs of ranges work on this form.
 *
 * Only sums, differences, negation and products with a constant are affine here. Quotients and
 * remainders are not, even where they could be solved: graph/product.c handles those of a region,
 * and passes/solve.c those of a gradient. An expression that is large as a tree counts as not
 * affine, since it is walked as a tree. */
#include "compiler/graph/affine.h"

#include "compiler/graph/visit.h"

#include <string.h>

static void add_scaled(Affine *to, const Affine *from, int64_t by) {
    to->constant += by * from->constant;
    for (int i = 0; i < GRAPH_MAX_INDICES; i++)
        to->factor[i] += by * from->factor[i];
}

/* ---- addends --------------------------------------------------------------------------------- */

typedef struct Addends {
    int64_t constant;
    AffineTerm term;
    void *context;
} Addends;

static bool add_constant(Addends *a, int64_t value, int64_t by) {
    int64_t product;
    return !__builtin_mul_overflow(by, value, &product) &&
           !__builtin_add_overflow(a->constant, product, &a->constant);
}

static const GExpr *whole_factor(const GExpr *product, int *other) {
    for (*other = 0; *other < 2; ++*other) {
        const GExpr *factor = product->args[1 - *other];
        if (factor->op == G_CONST) return factor;
    }
    return NULL;
}

/* Walks an expression that is small as a tree, with `by` as the factor so far. */
static bool find_addends(Addends *a, const GExpr *e, int64_t by) {
    int64_t scaled;
    int other;
    const bool is_sum = e->op == G_ADD || e->op == G_SUB;
    expr_count_step();
    if (e->op == G_CONST) return add_constant(a, e->integer, by);
    if (is_sum || e->op == G_NEG) {
        if (is_sum && !find_addends(a, e->args[0], by)) return false;
        if (e->op == G_ADD) return find_addends(a, e->args[1], by);
        return !__builtin_sub_overflow(0, by, &scaled) &&
               find_addends(a, e->args[is_sum ? 1 : 0], scaled);
    }
    const GExpr *factor = e->op == G_MUL ? whole_factor(e, &other) : NULL;
    if (factor)
        return !__builtin_mul_overflow(by, factor->integer, &scaled) &&
               find_addends(a, e->args[other], scaled);
    return a->term(a->context, e, by);
}

static bool each_addend(const GExpr *e, int64_t by, int64_t *constant, AffineTerm term,
                        void *context) {
    Addends a = {0, term, context};
    if (e->type != GT_INT || !expr_is_small_tree(e) || !find_addends(&a, e, by)) return false;
    *constant = a.constant;
    return true;
}

bool affine_each(const GExpr *e, int64_t *constant, AffineTerm term, void *context) {
    return each_addend(e, 1, constant, term, context);
}

/* ---- sums ------------------------------------------------------------------------------------ */

static bool add_affine_part(void *context, const GExpr *part, int64_t factor) {
    AffineSum *sum = context;
    for (int i = 0; i < sum->count; i++)
        if (sum->part[i] == part)
            return !__builtin_add_overflow(sum->factor[i], factor, &sum->factor[i]);
    if (sum->count == GRAPH_MAX_INDICES) return false;
    sum->part[sum->count] = part;
    sum->factor[sum->count++] = factor;
    return true;
}

bool affine_add(AffineSum *sum, const GExpr *e, int64_t by) {
    int64_t constant;
    return each_addend(e, by, &constant, add_affine_part, sum) &&
           !__builtin_add_overflow(sum->constant, constant, &sum->constant);
}

static bool add_index(void *context, const GExpr *part, int64_t factor) {
    return part->op == G_INDEX && add_affine_part(context, part, factor);
}

bool affine_of_indices(const GExpr *e, AffineSum *sum) {
    sum->count = 0;
    return each_addend(e, 1, &sum->constant, add_index, sum);
}

/* ---- forms over the indices of a node -------------------------------------------------------- */

static bool add_own_index(void *context, const GExpr *part, int64_t factor) {
    Affine *out = context;
    if (part->op != G_INDEX || part->index < 0 || part->index >= GRAPH_MAX_INDICES) return false;
    return !__builtin_add_overflow(out->factor[part->index], factor, &out->factor[part->index]);
}

bool affine_of(const GExpr *e, Affine *out) {
    memset(out, 0, sizeof *out);
    return affine_each(e, &out->constant, add_own_index, out);
}

bool affine_load(const GExpr *load, Affine *out) {
    memset(out, 0, sizeof *out);
    int64_t stride = 1;
    for (int i = load->tensor->rank - 1; i >= 0; i--) {
        Affine axis;
        if (!affine_of(load->args[i], &axis)) return false;
        add_scaled(out, &axis, stride);
        stride *= load->tensor->shape[i];
    }
    return true;
}

static void extents_of(const GNode *node, int64_t *extents) {
    memset(extents, 0, sizeof(int64_t) * 2 * GRAPH_MAX_RANK);
    for (int i = 0; i < node->rank; i++)
        extents[i] = node->shape[i];
    for (int i = 0; i < node->red_rank; i++)
        extents[node->rank + i] = node->red_shape[i];
}

bool load_is_inside(Graph *g, const GNode *node, const GExpr *load) {
    int64_t extents[2 * GRAPH_MAX_RANK];
    int64_t low;
    int64_t high;
    extents_of(node, extents);
    for (int i = 0; i < load->tensor->rank; i++)
        if (!gx_range(g, load->args[i], extents, &low, &high) || low < 0 ||
            high >= load->tensor->shape[i])
            return false;
    return true;
}
