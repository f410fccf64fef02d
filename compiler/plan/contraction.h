/* A sum of products as register blocks: what its kernels and their tables agree on.
 *
 * The vector operand b is packed into panels of LANES * 2 columns, a row of the panel for each k. The other operand is read where it lies,
 * one value at a time, broadcast: row m of it starts at table[m], and k adds another offset. A micro-kernel keeps a block of
 * ROWS x PANEL sums in registers over KC values of k; a task does a block of rows for one range of k (and one z). When there are too few
 * tasks for the cores, k is split into a number of parts that only the shape decides, and the parts are added in order. */
#ifndef COUPLET_COMPILER_PLAN_CONTRACTION_H
#define COUPLET_COMPILER_PLAN_CONTRACTION_H

#include "compiler/graph/affine.h"
#include "compiler/plan/kernel.h"

enum { PRODUCT_ROWS = 8, PRODUCT_KC = 256, PACK_ROWS = 64 /* of k, in a tile */, GATHER_CHUNK = 2048 /* elements in a tile */ };

typedef struct Contraction {
    ProductForm form;
    const GNode *node;
    int64_t lanes, panel;      /* floats in a vector; columns in a panel */
    int64_t panels;            /* of one z */
    int64_t row_block, blocks; /* rows in a task; tasks along m */
    int64_t splits, split_k;   /* ranges of k */
    /* Tables of element offsets, one after the other in one constant array. */
    const int32_t *tables;
    int64_t a_of_m, a_of_k, b_of_n, b_of_k, y_of_m, y_of_n, a_of_z, b_of_z, y_of_z, table_count;
} Contraction;

/* NULL when the node is none. */
Contraction *contraction_of(Arena *arena, Graph *g, const GNode *node, const PlanTarget *target);
uint64_t contraction_scratch(const Contraction *c);      /* bytes of a worker's scratch */
int64_t contraction_pack_count(const Contraction *c);    /* floats */
int64_t contraction_partial_count(const Contraction *c); /* floats; 0 when k is not split */
int64_t contraction_tasks(const Contraction *c);
int64_t contraction_pack_tiles(const Contraction *c);
int64_t contraction_gather_tiles(const Contraction *c);

/* Equal for contractions that have the same tables and code. */
uint64_t contraction_hash(const Contraction *c);

#endif
