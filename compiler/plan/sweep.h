/* A sweep: one pass over an array of pairs that is never stored (compiler/graph/pairs.h), as in
 * FlashAttention. It makes the array block by block, strip by strip, and feeds every sink of one
 * level. A sink that reads a result of the sweep waits for the next sweep.
 *
 * A task is one block of rows with blocks of columns. Two tasks that may run at once never write
 * the same memory:
 *
 *     SWEEP_ROWS       There are sinks of rows only. A task is a block of rows with all blocks of
 *                      columns, in one round.
 *     SWEEP_BOTH       There are sinks of rows and of columns. In each round every block of the
 *                      smaller side meets another block of the larger one.
 *     SWEEP_SYMMETRIC  T[i, j] is T[j, i], so half of the tiles is made. Each pair of blocks meets
 *                      once, and the tile serves the rows of both. In round r blocks i and j with
 *                      i + j = r (mod blocks) meet, a block with itself among them.
 *
 * Rounds follow each other. So every result is added up in place, without a copy for each thread,
 * in an order that the plan alone decides.
 *
 * A device of square tiles knows rows only. A group of work-items keeps what the sinks of its rows
 * need in registers and goes over the columns, so nothing is added in memory. Sinks of columns are
 * a sweep of their own with the product turned, and a symmetric tile serves one side. If there are
 * too few blocks of rows to fill the device, the columns are cut into parts, and KERNEL_SWEEP_JOIN
 * joins the parts of each sink in order. */
#ifndef COUPLET_COMPILER_PLAN_SWEEP_H
#define COUPLET_COMPILER_PLAN_SWEEP_H

#include "compiler/graph/pairs.h"
#include "compiler/plan/kernel.h"

enum {
    MOST_SINKS = 12,
    MOST_MAPS = 4,
    SWEEP_CELLS = 4,   /* the most cells, of 4 bytes, that a statistic keeps for a row */
    SWEEP_CHUNK = 256, /* the most floats of a row's weighted sums in a task of square tiles */
    SWEEP_CHUNK_UNIT = 16
};

typedef enum {
    SWEEP_ROWS,
    SWEEP_BOTH,
    SWEEP_SYMMETRIC,
} SweepMode;

/* An operand of a streamed product. Its element (r, k) lies at start + r * line + k * step. */
typedef struct SweepOperand {
    const GNode *array;
    int64_t start;
    int64_t line;
    int64_t step;
} SweepOperand;

/* A streamed product that a sweep makes. */
typedef struct SweepSource {
    const GNode *node;
    bool flipped; /* the rows of a tile are the second index of the node */
    bool symmetric;
    int64_t depth;
    SweepOperand row;
    SweepOperand column;
} SweepSource;

typedef struct SweepSink {
    PairSink pair;
    bool by_column; /* the index that the sink keeps is the tile's column */
    int cells;      /* for a statistic: the number of cells for each row */
    bool is_wide;   /* the sum is of ints that may exceed 32 bits, and takes two cells */
    /* For a weighted sum. `payload` is the extent of the axis that the sum keeps beside its row,
     * and `width` is this extent rounded up to panels. `rows` is the array whose rows are summed.
     */
    int64_t payload;
    int64_t width;
    SweepOperand rows;
} SweepSink;

/* A sink as one side of a tile sees it: the rows, or the columns if `columns`. A symmetric tile
 * feeds a sink from both sides. */
typedef struct SweepView {
    const SweepSink *sink;
    bool columns;
} SweepView;

/* A costly part that several sinks of a sweep use, and that is computed once for each tile. `expr`
 * is the part as the sink of `view` has it. */
typedef struct SweepMap {
    SweepView view;
    const GExpr *expr;
} SweepMap;

typedef struct Sweep {
    SweepMode mode;
    /* The floats in a vector; the columns and the rows of a register block. */
    int64_t lanes;
    int64_t panel;
    int64_t strip_rows;
    int64_t rows;
    int64_t columns;
    int source_count;
    int sink_count;
    SweepSource sources[MOST_PAIR_SOURCES];
    SweepSink sinks[MOST_SINKS];
    int map_count;
    SweepMap maps[MOST_MAPS];
    /* The rows and columns of a task's block; the rows of a tile. */
    int64_t block_rows;
    int64_t block_columns;
    int64_t strip;
    /* The floats from one row of a tile to the next. The number is no power of two, so that a
     * column of the tile spreads over the sets of a cache. */
    int64_t line;
    int64_t row_blocks;
    int64_t column_blocks;
    int64_t rounds;
    int64_t tasks;
    int cells; /* the number of cells of all statistics */
    /* For square tiles: the entries of a payload that a task sums, a multiple of SWEEP_CHUNK_UNIT,
     * and the number of such chunks in the payload. */
    int64_t chunk;
    int64_t chunks;
    /* The ranges of columns and the length of one; other targets have a single range. */
    int64_t parts;
    int64_t part_columns;
} Sweep;

/* True if a statistic is a sum of reals. Beside the sum, it then keeps the rounding error of the
 * additions. */
bool sweep_keeps_lost(const GNode *statistic);
/* True if a weighted sum keeps its rounding error too, because many blocks are added to its result
 * one after the other. A task that meets all of these blocks keeps the error in its scratch; else
 * the error lies with the cells. */
bool sweep_sum_keeps_lost(const Sweep *s, const SweepSink *sum);
const char *sweep_mode_name(SweepMode mode);
/* Tell whether the sweep feeds the sink from the rows, and from the columns, of a tile. */
bool sweep_feeds_rows(const Sweep *s, const SweepSink *sink);
bool sweep_feeds_columns(const Sweep *s, const SweepSink *sink);

/* Adds a sink to the sweep, in the orientation that shares most sources. The first sink sets the
 * extents. Returns false if the sink has other extents, shares no source, or has no room. */
bool sweep_add(Graph *g, Sweep *s, const PairSink *sink, const PlanTarget *target);
/* Sets the mode, the blocks and the rounds. All sinks must have been added. */
void sweep_finish(Graph *g, Sweep *s, const PlanTarget *target);

/* common_parts.c. sweep_share finds the maps. sweep_map_of returns the number of the map that
 * equals an expression of a view, or -1. sweep_same_weights tells whether the weights of two views
 * are the same. */
void sweep_share(Graph *g, Sweep *s);
int sweep_map_of(const Sweep *s, SweepView view, const GExpr *e);
bool sweep_same_weights(const Sweep *s, SweepView a, SweepView b);

/* The state of a sweep: cells and rounding errors that outlive a task, or parts that wait to be
 * joined. The first function returns its floats. The second returns where the cells of a sink
 * begin, [cell][row], or its rounding errors, [row][payload]. The third returns where the parts of
 * a sink begin, [cell][part][row] or [part][row][payload]. */
int64_t sweep_state_count(const Sweep *s);
int64_t sweep_state_offset(const Sweep *s, int sink);
int64_t sweep_part_offset(const Sweep *s, int sink);
/* Returns the bytes of a worker's scratch; 0 on devices whose tiles have memory of their own. */
int64_t sweep_scratch(const Sweep *s);
double sweep_flops(const Sweep *s);

/* The places in a worker's scratch, in floats. */
typedef struct SweepLayout {
    /* [block_rows][depth]; if rows are neighbours in memory, [depth][block_rows] */
    int64_t row_operand[MOST_PAIR_SOURCES];
    int64_t column_panels[MOST_PAIR_SOURCES]; /* [block_columns / panel][depth][panel] */
    int64_t tiles[MOST_PAIR_SOURCES];         /* [strip][line] */
    int64_t maps[MOST_MAPS], weights;         /* [strip][line] */
    int64_t row_cells[MOST_SINKS], column_cells[MOST_SINKS]; /* [cells][block] */
    /* The rows that weighted sums read, for the rows and for the columns of a tile: [width /
     * panel][block][panel] */
    int64_t row_rows[MOST_SINKS];
    int64_t column_rows[MOST_SINKS];
    /* Weighted sums of the tile's rows and columns: [block][width] */
    int64_t row_sums[MOST_SINKS];
    int64_t column_sums[MOST_SINKS];
    /* The rounding errors of the sums of rows, in a task of all columns: [block][payload]. */
    int64_t row_lost[MOST_SINKS];
    int64_t spare; /* two arrays of [block_columns] */
    int64_t count;
} SweepLayout;
void sweep_layout(const Sweep *s, SweepLayout *out);

#endif
