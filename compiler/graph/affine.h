/* Index expressions that are sums of multiples of indices, and sums of products made of such reads: what matrix products, similarities and
 * convolutions with both their gradients have in common. */
#ifndef COUPLET_COMPILER_AFFINE_H
#define COUPLET_COMPILER_AFFINE_H

#include "compiler/graph/graph.h"

/* constant + sum of factor[i] * index i, over the indices of a finished node. */
typedef struct Affine {
    int64_t constant;
    int64_t factor[GRAPH_MAX_INDICES];
} Affine;

/* False when the expression is anything else. Fresh indices are none. */
bool affine_of(const GExpr *e, Affine *out);
/* The position in memory of a load, in elements, when every subscript is affine. */
bool affine_load(const GExpr *load, Affine *out);
/* Whether every subscript is proved to stay inside its array, indices ranging over the node's extents. */
bool load_is_inside(Graph *g, const GNode *node, const GExpr *load);

/* y[m, n, z] = sum over k of a[m, k, z] * b[k, n, z]: `a` and `b` are loads of real arrays, affine and inside. */
typedef struct ProductForm {
    const GExpr *a, *b;
    Affine at_a, at_b, at_y;
    int m[GRAPH_MAX_RANK], n[GRAPH_MAX_RANK], z[GRAPH_MAX_RANK], k[GRAPH_MAX_RANK]; /* indices of the node */
    int m_count, n_count, z_count, k_count;
    int64_t m_size, n_size, z_size, k_size;
} ProductForm;

/* Whether a node is such a sum of products and large enough to be worth register blocks. The operand whose own part (n, k) is smaller is `b`. */
bool product_form(Graph *g, const GNode *node, ProductForm *out);

#endif
