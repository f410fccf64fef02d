/* A contraction: a sum of products in blocks, and what its kernels and their tables agree on.
 *
 * On a target with vector registers, a micro-kernel keeps a block of `rows` x `panel` sums in
 * registers. The vector operand b gives a row of `panel` floats for each k. If its columns lie side
 * by side, b is read where it lies; else it is packed into panels first. The other operand, a, is
 * read where it lies, one value at a time, and broadcast. The k that take part come as runs, in
 * which both operands advance by constant steps.
 *
 * If the k of b lie side by side, b would have to be turned over into panels. Sometimes that is not
 * worth it: the panels would serve few rows, and the k of a lie side by side too, and are many. The
 * vectors then run along k (dots): a block's sums are vectors whose lanes are added at the end.
 *
 * A task does some rows of y, for a range of panels and a range of k, which it takes in chunks. It
 * does all its rows and panels with one chunk of k, so that what is read stays in the caches, and
 * then with the next chunk, which is added to what y holds by then.
 *
 * Everything that a task needs is in tables. So one piece of code serves all contractions that have
 * the same block: the regions of a convolution, its gradients, other layers. Row lists and lists of
 * runs are relative to the bases of the task, and equal lists are stored once.
 *
 * If y is not contiguous along the vector side, or if there are too few tasks, sums go to an array
 * of parts first, and a last kernel adds the parts in order. The shape alone decides how k is
 * split.
 *
 * On a target with tiles (a device of many work-items; tiled.c), a task is a tile for one range of
 * k. Nothing is packed, and rows, columns and k are lists of offsets in the table. A plain matrix
 * product needs none of this if a library does it. */
#ifndef COUPLET_COMPILER_PLAN_CONTRACTION_H
#define COUPLET_COMPILER_PLAN_CONTRACTION_H

#include "compiler/graph/product.h"
#include "compiler/plan/kernel.h"
#include "compiler/plan/tuning.h"

enum {
    DOT_LEAF = 64, /* the products that a lane of dots sums in float */
    /* The terms that a register block sums before its sums are added to totals. With 64 equal terms
     * the error is within 1e-6 of the sum of their magnitudes. */
    LEAF_K = 64,
    /* The terms of a leaf in a tile, whose total adds its leaves plainly. With up to LONG_K equal
     * terms the error is within 1e-6. */
    SHORT_LEAF = 32,
    LONG_K = 1024 /* the k above which a tile keeps what its totals lose to rounding */
};
enum {
    DOT_COLUMNS = 4,   /* the columns of y in a panel of dots */
    MASKED_LANES = 16, /* the lanes from which on masks have registers of their own */
    MOST_CANDIDATES = 16,
    PACK_ROWS = 64, /* the rows, each of one k, in a tile that packs */
    GATHER_ROWS = 4 /* the rows in a tile that adds parts */
};

/* The words that the table begins with. */
typedef enum {
    HEAD_A_STEP, /* the floats from one k of a run to the next, in a and in b */
    HEAD_B_STEP,
    HEAD_PANEL_STEP,  /* the floats from a panel of b to the next, at one k */
    HEAD_COLUMNS,     /* the extent of n */
    HEAD_COLUMN_STEP, /* dots: the floats from a column of b to the next */
    HEAD_TASKS,       /* the place where the tasks begin */
    /* For packing: the panels of one z, and k; where the offsets in b of k, n and z begin. */
    HEAD_PANELS,
    HEAD_K,
    HEAD_B_OF_K,
    HEAD_B_OF_N,
    HEAD_B_OF_Z,
    /* For adding the parts: their number, and the rows of one; where the offsets in y of the rows
     * and of n begin. */
    HEAD_PARTS,
    HEAD_PART_ROWS,
    HEAD_Y_OF_ROW,
    HEAD_Y_OF_N,
    HEAD_COUNT
} ContractionHead;

/* A task in the table. Bases are in floats. A row list holds pairs (offset in a, offset in y). A
 * list of chunks holds pairs (where the runs of the chunk begin, how many there are). A run is a
 * triple (offset in a, offset in b, length); a negative length ends a leaf. */
typedef enum {
    TASK_A,
    TASK_B,
    TASK_Y,
    TASK_ROWS,
    TASK_ROW_COUNT,
    TASK_CHUNKS,
    TASK_CHUNK_COUNT,
    TASK_PANEL_BEGIN,
    TASK_PANEL_END,
    TASK_WORDS
} ContractionTask;

/* The table of a contraction in tiles. Positions in the table are in words. Lists hold pairs of
 * offsets: of rows (in a, in y), of columns (in b, in y), of k (in a, in b). */
typedef enum {
    TILED_TASKS /* the place where the tasks begin */,
    TILED_PARTS,
    TILED_PART_SIZE, /* floats of a part */
    TILED_HEAD_WORDS
} TiledHead;
typedef enum {
    TILED_A,
    TILED_B,
    TILED_Y,
    TILED_ROWS,
    TILED_ROW_COUNT,
    TILED_COLUMNS,
    TILED_COLUMN_COUNT,
    TILED_K,
    TILED_K_COUNT,
    TILED_TASK_WORDS
} TiledTask;

/* A plain product of matrices in memory, y[z] = left[z] right[z]. Offsets and strides are in
 * elements. */
typedef struct MatrixProduct {
    bool swapped; /* the left matrix is b of the contraction */
    bool left_transposed;
    bool right_transposed;
    int64_t rows;
    int64_t columns;
    int64_t inner;
    int64_t batch;
    int64_t left_offset;
    int64_t right_offset;
    int64_t y_offset;
    int64_t left_row, right_row, y_row;       /* strides between rows, as they lie in memory */
    int64_t left_batch, right_batch, y_batch; /* strides between matrices */
} MatrixProduct;

typedef struct Contraction {
    Product form;
    const GNode *node;
    ContractionChoice choice;
    /* The floats in a vector; the columns of a panel, or of a tile; the panels of one z. */
    int64_t lanes;
    int64_t panel;
    int64_t panels;
    int rows;    /* the rows of a block, or of a tile */
    bool packed; /* b is packed into panels; else it is read where it lies */
    bool dots;   /* sums run along k, with neither operand packed; a panel has DOT_COLUMNS */
    bool direct; /* the product writes y; else the kernel that adds the parts does */
    /* Sums are taken in leaves: k is more than LEAF_K, a lane of dots has more than DOT_LEAF terms,
     * or k of a tile is more than LONG_K. */
    bool leaves;
    bool masked;      /* the last panel is not full */
    int last_vectors; /* the vectors of the last panel, full or not */
    /* At most one of these three is true. `ahead`: the product asks for cache lines of a some k
     * before it reads them (contraction_strides_a). Next, it asks for those of the next block of
     * rows (contraction_misses_a). Last, it copies the part of a that a block of rows reads in a
     * chunk of k to the worker's scratch, once for all panels of the task. */
    bool ahead;
    bool rows_ahead;
    bool gathered;
    bool a_along_k, b_along_k; /* tiles: neighbours in k are neighbours in a, and in b */
    int64_t parts;             /* the number of ranges of k */
    /* The rows of a part: the elements of y along m and z, region by region. */
    int64_t part_rows;
    int64_t tasks;
    /* Above 1: tasks are ordered by the first index of the node. They are as many equal runs as
     * there are shards, and each run has a whole number of the index's values. 0: tasks are in
     * another order. */
    int64_t shards;
    int64_t b_base;             /* packed: the position of k = n = z = 0 in b */
    const MatrixProduct *plain; /* the matrices for a library; NULL: no library does the product */
    const int32_t *tables;
    int64_t table_count;
    uint64_t hash; /* equal for two contractions if their tables and their code are equal */
} Contraction;

/* Returns the shapes of blocks for vectors of a number of lanes. A contraction takes the shape that
 * wastes least. */
const ContractionBlock *contraction_shapes(int64_t lanes, int *count);
/* True if sums along k cost less than packing b. Both operands must have their k side by side. */
bool contraction_prefers_dots(const Contraction *c);
/* Returns the numbers of rows that a block of dots may have, for vectors of a number of lanes. */
const int *contraction_dot_rows(int64_t lanes, int *count);
/* choice.c: chooses the cut by a model of costs. The places of the operands must be known. */
void contraction_choose(Contraction *c);
/* Lists the choices that are worth measuring, the model's first, and returns their number. `out`
 * has room for MOST_CANDIDATES. */
int contraction_candidates(const Contraction *c, ContractionChoice *out);
/* Returns the key of the tuning table. Two contractions have the same key if one cut is the fastest
 * for both: they have the same extents, strides and lanes. */
uint64_t contraction_key(const Contraction *c);
/* Returns the index whose ranges are the parts, or -1. It is the outermost reduced index that no
 * region cuts. */
int contraction_split_index(const Contraction *c);
/* True if each k of a is in another cache line. Processors do not prefetch such reads beyond a
 * page. */
bool contraction_strides_a(const Contraction *c);
/* True if a is larger than the second-level cache. Processors prefetch along a row of a, and not
 * from where the next row begins. */
bool contraction_misses_a(const Contraction *c);
int64_t contraction_region_rows(const Product *p, const ProductRegion *r);

/* Returns the node as a contraction, or NULL. Tasks are cut so that they fit `shards` shards if the
 * node allows it. */
Contraction *contraction_of(Arena *arena, const GNode *node, const PlanTarget *target,
                            int64_t shards);
/* True if the rows of a part are ordered by z and then by region, so that a shard is one slab of
 * the part. */
bool contraction_goes_by_z(const Contraction *c);
/* True if the tasks can be ordered by values of the node's first index, in `shards` runs of equal
 * length. */
bool contraction_leads(const Contraction *c, int64_t shards);
/* tiled.c: sets the sides of the tile, tasks and tables. Returns false if the arrays are too large
 * to index. */
bool contraction_cut(Arena *arena, Contraction *c, const PlanTarget *target);
/* matrix.c: true if the sum is a product of matrices, or a batch of them, that lie in memory row by
 * row or column by column. */
bool matrix_product(const GNode *node, const Product *product, MatrixProduct *out);
/* Returns the floats of the packed operand; 0 if b is read where it lies. */
int64_t contraction_pack_count(const Contraction *c);
/* Returns the floats of all parts; 0 if the product writes y itself. */
int64_t contraction_part_count(const Contraction *c);
int64_t contraction_pack_tiles(const Contraction *c);
int64_t contraction_gather_tiles(const Contraction *c);
/* Return the bytes of a worker's scratch for a product, and the floats of the totals with which the
 * scratch begins. Finished leaves are added to these totals; the totals of dots are doubles. */
int64_t contraction_scratch(const Contraction *c);
int64_t contraction_totals(const Contraction *c);
/* Tell whether the columns of b, and its rows, are contiguous. The code of the packing kernel
 * depends on both. */
bool contraction_columns_contiguous(const Contraction *c);
bool contraction_k_contiguous(const Contraction *c);

#endif
