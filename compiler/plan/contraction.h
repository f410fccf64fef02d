/* A sum of products in blocks: what its kernels and their tables agree on. For a target with vector registers:
 *
 * A micro-kernel keeps a block of `rows` x `panel` sums in registers. The vector operand b gives a row of `panel` floats for each k: either where it
 * lies, when its columns lie side by side, or packed into panels first. The other operand is read where it lies, one value at a time, broadcast. The k
 * that take part come as runs, in which both operands advance by constant steps.
 *
 * Where b's k lie side by side it would have to be turned over into panels. When that serves few rows, a's k lie side by side too and there are many of them,
 * the vectors run along k instead (dots): a block's sums are vectors whose lanes are added at the end.
 *
 * A task does some rows of y, for a range of panels and a range of k, which it takes in chunks: all its rows and panels with one chunk of k, so that what is read stays in the caches, then
 * with the next, added to what y holds by then. Everything that a task needs is in tables, so that one piece of code serves
 * all contractions that have the same block: the regions of a convolution, its gradients, other layers. Row lists and lists of runs are relative to
 * the task's bases, and equal ones are stored once.
 *
 * Where y is not contiguous along the vector side, or where there are too few tasks, sums go to an array of parts first, and a last kernel adds the
 * parts in order. How k is split is decided by the shape alone.
 *
 * For a target with tiles (a device of many work-items), tiled.c: a task is a tile for one range of k, nothing is packed, and rows, columns and k
 * are lists of offsets in the table. A plain matrix product needs none of this where a library does it. */
#ifndef COUPLET_COMPILER_PLAN_CONTRACTION_H
#define COUPLET_COMPILER_PLAN_CONTRACTION_H

#include "compiler/graph/product.h"
#include "compiler/plan/kernel.h"
#include "compiler/plan/tuning.h"

enum {
    DOT_LEAF = 64,   /* products that a lane of dots sums in float */
    LEAF_K = 64,     /* terms that a register block sums before its sums go to totals: 64 equal terms are within 1e-6 of the sum of their magnitudes */
    SHORT_LEAF = 32, /* terms of a leaf in a tile, where a total adds its leaves plainly: up to LONG_K, equal terms are within 1e-6 so */
    LONG_K = 1024    /* beyond which a tile keeps what its totals lose */
};
enum { DOT_COLUMNS = 4 /* of y in a panel of dots */, MASKED_LANES = 16 /* in a vector, where masks have registers of their own */, MOST_CANDIDATES = 16, PACK_ROWS = 64 /* of k, in a tile */, GATHER_ROWS = 4 /* in a tile */ };

/* The table begins with these. */
typedef enum {
    HEAD_A_STEP,     /* floats from one k of a run to the next */
    HEAD_B_STEP,
    HEAD_PANEL_STEP, /* floats from a panel of b to the next, at one k */
    HEAD_COLUMNS,    /* n */
    HEAD_COLUMN_STEP, /* dots: floats from a column of b to the next */
    HEAD_TASKS,      /* where the tasks begin */
    /* for packing: panels of one z, k; where the offsets in b of k, n and z begin */
    HEAD_PANELS,
    HEAD_K,
    HEAD_B_OF_K,
    HEAD_B_OF_N,
    HEAD_B_OF_Z,
    /* for adding the parts: how many, rows of one; where the offsets in y of row and n begin */
    HEAD_PARTS,
    HEAD_PART_ROWS,
    HEAD_Y_OF_ROW,
    HEAD_Y_OF_N,
    HEAD_COUNT
} ContractionHead;

/* A task in the table. Bases are in floats; row lists hold pairs (in a, in y), chunks pairs (where their runs begin, how many), runs triples (in a, in b, length; a negative one ends a leaf). */
typedef enum { TASK_A, TASK_B, TASK_Y, TASK_ROWS, TASK_ROW_COUNT, TASK_CHUNKS, TASK_CHUNK_COUNT, TASK_PANEL_BEGIN, TASK_PANEL_END, TASK_WORDS } ContractionTask;

/* The table of a contraction in tiles. Positions in the table are in words; lists hold pairs: rows (in a, in y), columns (in b, in y), k (in a, in b). */
typedef enum { TILED_TASKS /* where they begin */, TILED_PARTS, TILED_HEAD_WORDS } TiledHead;
typedef enum { TILED_A, TILED_B, TILED_Y, TILED_ROWS, TILED_ROW_COUNT, TILED_COLUMNS, TILED_COLUMN_COUNT, TILED_K, TILED_K_COUNT, TILED_TASK_WORDS } TiledTask;

/* y[z] = left[z] right[z] as matrices in memory, row by row; offsets and strides in elements. */
typedef struct MatrixProduct {
    bool swapped; /* left is the form's b */
    bool left_transposed, right_transposed;
    int64_t rows, columns, inner, batch;
    int64_t left_offset, right_offset, y_offset;
    int64_t left_row, right_row, y_row;          /* between rows, as they lie in memory */
    int64_t left_batch, right_batch, y_batch;    /* between matrices */
} MatrixProduct;

typedef struct Contraction {
    Product form;
    const GNode *node;
    ContractionChoice choice;
    int64_t lanes, panel, panels; /* floats in a vector; columns in a panel, or in a tile; panels of one z */
    int rows;                     /* of a block, or of a tile */
    bool packed;                  /* b is, into panels; else it is read where it lies */
    bool dots;                    /* sums are along k, with neither operand packed; a panel has DOT_COLUMNS */
    bool direct;                  /* y is written by the product, else by the kernel that adds the parts */
    bool leaves;                  /* k is more than LEAF_K: its sums are taken in leaves, then of chunks, of parts; of dots, a lane has more than DOT_LEAF; in tiles, k is more than LONG_K */
    bool masked;                  /* the last panel is not full */
    int last_vectors;             /* of it; all of a panel where it is */
    bool ahead;                   /* the product asks for a's cache lines some k before it reads them: contraction_strides_a */
    bool rows_ahead;              /* or for those of the next block of rows: contraction_misses_a */
    bool gathered;                /* or it copies what a block of rows reads of a in a chunk of k to the worker's scratch, for all panels of the task */
    bool a_along_k, b_along_k;    /* tiles: neighbours in k are neighbours in the operand */
    int64_t parts;                /* ranges of k */
    int64_t part_rows;            /* rows of a part: elements of y along m and z, region by region */
    int64_t tasks;
    int64_t b_base;               /* packed: the position of k = n = z = 0 in b */
    const MatrixProduct *plain;   /* for a library; else NULL */
    const int32_t *tables;
    int64_t table_count;
    uint64_t hash; /* equal for contractions with equal tables and code */
} Contraction;

/* The blocks there are for so many lanes; a contraction takes the one that wastes least. */
const ContractionBlock *contraction_shapes(int64_t lanes, int *count);
/* Whether sums along k cost less than packing b does; for operands whose k lie side by side. */
bool contraction_prefers_dots(const Contraction *c);
/* Rows of a block of such sums. */
const int *contraction_dot_rows(int64_t lanes, int *count);
/* choice.c: the choice by a model of costs, for a form whose operands' places are known. */
void contraction_choose(Contraction *c);
/* What is worth measuring, the model's choice first; how many. `out` has room for MOST_CANDIDATES. */
int contraction_candidates(const Contraction *c, ContractionChoice *out);
/* Equal for contractions among whose cuts one is the fastest for all: the same sides and strides, for as many lanes. */
uint64_t contraction_key(const Contraction *c);
int contraction_split_index(const Contraction *c); /* parts are ranges of the outermost reduced index that no region cuts; -1: there is none */
bool contraction_strides_a(const Contraction *c); /* each k of a is in another cache line: no processor foresees that beyond a page */
bool contraction_misses_a(const Contraction *c);  /* a is more than the second-level cache holds; processors foresee a row, not where the next one begins */
int64_t contraction_region_rows(const Product *p, const ProductRegion *r);

/* NULL when the node is none. */
Contraction *contraction_of(Arena *arena, const GNode *node, const PlanTarget *target);
/* tiled.c: the tile's sides, tasks and tables; false when they are too large to index. */
bool contraction_cut(Arena *arena, Contraction *c, const PlanTarget *target);
/* matrix.c: whether the sum is one of matrices (or a batch of them) that lie in memory row by row or column by column. */
bool matrix_product(const GNode *node, const Product *product, MatrixProduct *out);
int64_t contraction_pack_count(const Contraction *c); /* floats */
int64_t contraction_part_count(const Contraction *c); /* floats of all parts; 0 when y is written directly */
int64_t contraction_pack_tiles(const Contraction *c);
int64_t contraction_gather_tiles(const Contraction *c);
int64_t contraction_scratch(const Contraction *c); /* bytes of a worker's scratch for a product */
int64_t contraction_totals(const Contraction *c);  /* its first floats: a block's sums of the leaves that are done, those of dots in double */
/* How b is packed decides the packing kernel's code: b's columns, or its rows, may be contiguous. */
bool contraction_columns_contiguous(const Contraction *c);
bool contraction_k_contiguous(const Contraction *c);

#endif
