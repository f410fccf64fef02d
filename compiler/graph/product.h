/* Sums of products, whatever their index expressions: y[m, n, z] = sum over k of a[m, k, z] * b[k, n, z].
 *
 * Which k take part may depend on the output element, as at the edge of a convolution or in the gradient of a strided one: by a guard, or by reads
 * whose value outside their array is 0. When each such condition joins at most one output index with one reduced index, the output falls into few
 * regions, products of arithmetic progressions, in each of which the same k take part for all elements. A region is a plain product: no guard, no
 * padding, no terms that are known to be 0. */
#ifndef COUPLET_COMPILER_PRODUCT_H
#define COUPLET_COMPILER_PRODUCT_H

#include "compiler/graph/affine.h"

/* begin, begin + step, ... : `count` values, perhaps none. */
typedef struct Progression {
    int64_t begin, step, count;
} Progression;

typedef struct ProductRegion {
    Progression index[GRAPH_MAX_INDICES]; /* by index of the node; when a reduced one takes no value, the region is 0 */
    Affine at_a, at_b, at_y;              /* positions in memory, in elements, by the place in each progression */
} ProductRegion;

typedef struct Product {
    const GExpr *a, *b; /* loads of real arrays; regions never cut an index that only `b` has */
    int m[GRAPH_MAX_RANK], n[GRAPH_MAX_RANK], z[GRAPH_MAX_RANK], k[GRAPH_MAX_RANK]; /* indices of the node, each list from the widest stride in a (n: in b) down */
    int m_count, n_count, z_count, k_count;
    int64_t m_size, n_size, z_size, k_size; /* over all regions */
    double terms;                           /* multiply-adds that take part */
    ProductRegion *regions;
    int region_count;
} Product;

/* Whether a node is such a sum and large enough to be worth register blocks. */
bool product_of(Arena *arena, const GNode *node, Product *out);
/* Regions of few rows: each reads the whole of b again, for a block of sums that is all but empty. */
bool product_is_thin(const Product *p);

#endif
