/* Contractions, whatever their index expressions: y[m, n, z] = sum over k of a[m, k, z] * b[k, n,
 * z].
 *
 * Which k take part may depend on the output element, as at the edge of a convolution or in the
 * gradient of a strided one. A guard says so, or a read whose value outside its array is 0. If each
 * such condition joins at most one output index with one reduced index, the output falls into few
 * regions. A region is a product of arithmetic progressions, in which the same k take part for all
 * elements. So a region is a plain product without a guard, without padding and without terms that
 * are known to be 0. */
#ifndef COUPLET_COMPILER_PRODUCT_H
#define COUPLET_COMPILER_PRODUCT_H

#include "compiler/graph/affine.h"

/* The `count` values begin, begin + step, and so on; there may be none. */
typedef struct Progression {
    int64_t begin, step, count;
} Progression;

typedef struct ProductRegion {
    /* By index of the node. If a reduced index takes no value, the region is 0. */
    Progression index[GRAPH_MAX_INDICES];
    /* Positions in memory, in elements, by the place in each progression. */
    Affine at_a, at_b, at_y;
} ProductRegion;

typedef struct Product {
    const GExpr *a, *b; /* loads of real arrays; regions never cut an index that only `b` has */
    /* The indices of the node, each list from the widest stride down: that in b of n, else that in
     * a. */
    int m[GRAPH_MAX_RANK], n[GRAPH_MAX_RANK], z[GRAPH_MAX_RANK], k[GRAPH_MAX_RANK];
    int m_count, n_count, z_count, k_count;
    int64_t m_size, n_size, z_size, k_size; /* extents over all regions */
    double terms;                           /* multiply-adds that take part */
    ProductRegion *regions;
    int region_count;
} Product;

/* Takes a node apart. True if it is a contraction, and large enough to be worth register blocks. */
bool product_of(Arena *arena, const GNode *node, Product *out);
/* True if the regions have so few rows that each reads the whole of b again for a block of sums
 * that is nearly empty. */
bool product_is_thin(const Product *p);

#endif
