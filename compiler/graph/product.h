/* Contractions, whatever their index expressions: y[m, n, z] = sum over k of a[m, k, z] * b[k, n,
 * z].
 *
 * Which k take part may depend on the output element, as at the edge of a convolution, or in the
 * gradient of a strided one. A guard says so, or a read whose value outside its array is 0. If each
 * such condition joins at most one output index with one reduced index, the output falls into few
 * regions. In a region the same k take part for all elements, and both form a product of arithmetic
 * progressions. So a region is a plain product, without a guard, without padding and without terms
 * that are known to be 0. */
#ifndef COUPLET_COMPILER_PRODUCT_H
#define COUPLET_COMPILER_PRODUCT_H

#include "compiler/graph/affine.h"

/* The values begin, begin + step, and so on. There are `count` of them, maybe none. */
typedef struct Progression {
    int64_t begin;
    int64_t step;
    int64_t count;
} Progression;

typedef struct ProductRegion {
    /* By index of the node: its values in the region. If a reduced index has no value, the region's
     * results are 0. */
    Progression index[GRAPH_MAX_INDICES];
    /* The positions in memory, in elements, as functions of the place in each progression. */
    Affine at_a;
    Affine at_b;
    Affine at_y;
} ProductRegion;

typedef struct Product {
    const GExpr *a, *b; /* loads of real arrays; no region cuts an index that `b` alone has */
    /* The indices of the node on each side, sorted by descending stride: in b for n, in a for the
     * others. */
    int m[GRAPH_MAX_RANK];
    int n[GRAPH_MAX_RANK];
    int z[GRAPH_MAX_RANK];
    int k[GRAPH_MAX_RANK];
    int m_count;
    int n_count;
    int z_count;
    int k_count;
    int64_t m_size, n_size, z_size, k_size; /* the extents of the sides, over all regions */
    double terms;                           /* the multiply-adds that are done */
    ProductRegion *regions;
    int region_count;
} Product;

/* Takes a node apart as a contraction. Returns false if it is none, or too small to be worth
 * register blocks. */
bool product_of(Arena *arena, const GNode *node, Product *out);
/* True if the regions have few rows. Each region would then read all of b again for blocks of sums
 * that are nearly empty. */
bool product_is_thin(const Product *p);

#endif
