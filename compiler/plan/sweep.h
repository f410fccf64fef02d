/* A sweep: one pass over an array of pairs that is never stored (compiler/graph/pairs.h). It makes the array block by block, strip by strip, and
 * feeds every sink of one level: what reads a result of the sweep waits for the next.
 *
 * A task is one block of rows with blocks of columns, and what two tasks that may run at once write never meets:
 *
 *     SWEEP_ROWS       sinks of rows only: a task is a block of rows with all blocks of columns, one round
 *     SWEEP_BOTH       sinks of rows and sinks of columns: in each round every block of the smaller side meets another one of the larger
 *     SWEEP_SYMMETRIC  T[i, j] = T[j, i], half of the tiles: each pair of blocks meets once, and the tile serves the rows of both; in
 *                      round r blocks i and j with i + j = r (mod blocks) meet, a block with itself among them
 *
 * Rounds follow each other, so every result is added up in an order that the plan alone decides, in place and without copies for threads.
 *
 * A device of square tiles knows rows only: a group of work-items keeps what its rows' sinks need in registers and goes over the columns, so that
 * nothing is added in memory. Sinks of columns are a sweep of their own with the product turned, and a symmetric tile serves one side. Where there
 * are too few blocks of rows to fill a device, the columns are cut into parts; KERNEL_SWEEP_JOIN puts the parts of one sink together, in order. */
#ifndef COUPLET_COMPILER_PLAN_SWEEP_H
#define COUPLET_COMPILER_PLAN_SWEEP_H

#include "compiler/graph/pairs.h"
#include "compiler/plan/kernel.h"

enum {
    MOST_SINKS = 12,
    MOST_MAPS = 4,
    SWEEP_CELLS = 4,       /* at most, of 4 bytes, that a statistic keeps for a row */
    SWEEP_CHUNK = 256,     /* floats that the weighted sums of a row take at most in a square-tiled task */
    SWEEP_CHUNK_UNIT = 16
};

typedef enum { SWEEP_ROWS, SWEEP_BOTH, SWEEP_SYMMETRIC } SweepMode;

/* Element (r, k) of an operand lies at start + r * line + k * step. */
typedef struct SweepOperand {
    const GNode *array;
    int64_t start, line, step;
} SweepOperand;

typedef struct SweepSource {
    const GNode *node;
    bool flipped; /* the tile's rows are the node's second index */
    bool symmetric;
    int64_t depth;
    SweepOperand row, column;
} SweepSource;

typedef struct SweepSink {
    PairSink pair;
    bool by_column;        /* its own index is the tile's column */
    int cells;             /* of a statistic, for each row */
    bool is_wide;          /* a sum of ints that 32 bits may not hold: it is kept in two cells */
    int64_t payload;       /* of a weighted sum: its extent, */
    int64_t width;         /* rounded up to panels */
    SweepOperand rows;     /* and what it sums */
} SweepSink;

/* A sink as the tile's rows see it, or (`columns`: its own index is the column) its columns. */
typedef struct SweepView {
    const SweepSink *sink;
    bool columns;
} SweepView;

/* A costly part that is asked for more than once: as one of those that ask for it has it. */
typedef struct SweepMap {
    SweepView view;
    const GExpr *expr;
} SweepMap;

typedef struct Sweep {
    SweepMode mode;
    int64_t lanes, panel, strip_rows; /* floats in a vector; columns and rows in a register block */
    int64_t rows, columns;
    int source_count, sink_count;
    SweepSource sources[MOST_PAIR_SOURCES];
    SweepSink sinks[MOST_SINKS];
    int map_count;
    SweepMap maps[MOST_MAPS];
    int64_t block_rows, block_columns, strip; /* a task's block; rows of a tile */
    int64_t line;                             /* floats from a row of a tile to the next: no power of two, so that a column of it spreads over a cache's sets */
    int64_t row_blocks, column_blocks, rounds, tasks;
    int cells; /* of all statistics */
    /* Square tiles only. */
    int64_t chunk, chunks; /* entries of a payload that a task sums, a multiple of SWEEP_CHUNK_UNIT, and how many such make the payload */
    int64_t parts, part_columns; /* ranges of columns; 1 and all of them on other targets */
} Sweep;

/* Whether a statistic is a sum of reals: it keeps beside the sum what that has lost by rounding. */
bool sweep_keeps_lost(const GNode *statistic);
/* Whether a weighted sum keeps it too: where many blocks add to the result, one after the other. A
 * task that meets all of them keeps it in its scratch, else it lies with the cells. */
bool sweep_sum_keeps_lost(const Sweep *s, const SweepSink *sum);
const char *sweep_mode_name(SweepMode mode);
/* Whether the sweep feeds its sinks on this side of the tile. */
bool sweep_feeds_rows(const Sweep *s, const SweepSink *sink);
bool sweep_feeds_columns(const Sweep *s, const SweepSink *sink);

/* Adds a sink that shares a source and the extents, in the orientation that shares most; false when it does not fit. The first sink decides. */
bool sweep_add(Graph *g, Sweep *s, const PairSink *sink, const PlanTarget *target);
/* Mode, blocks and rounds, when all sinks are known. */
void sweep_finish(Graph *g, Sweep *s, const PlanTarget *target);

/* share.c: finds the maps; the one that an expression of a view is, or -1; whether the weights of two views are the same. */
void sweep_share(Graph *g, Sweep *s);
int sweep_map_of(const Sweep *s, SweepView view, const GExpr *e);
bool sweep_same_weights(const Sweep *s, SweepView a, SweepView b);

int64_t sweep_state_count(const Sweep *s); /* cells that outlive a task, and what sums have lost; or parts that wait to be joined */
int64_t sweep_state_offset(const Sweep *s, int sink); /* where a sink's cells begin, [cell][row], or what its sums have lost, [row][payload] */
int64_t sweep_part_offset(const Sweep *s, int sink); /* where a sink's parts begin in it: [cell][part][row] or [part][row][payload] */
int64_t sweep_scratch(const Sweep *s);     /* bytes; 0 where square tiles have memory of their own */
double sweep_flops(const Sweep *s);

/* Where things lie in a worker's scratch, in floats. */
typedef struct SweepLayout {
    int64_t row_operand[MOST_PAIR_SOURCES];    /* [block_rows][depth] or, when rows are neighbours in memory, [depth][block_rows] */
    int64_t column_panels[MOST_PAIR_SOURCES];  /* [block_columns / panel][depth][panel] */
    int64_t tiles[MOST_PAIR_SOURCES];          /* [strip][line] */
    int64_t maps[MOST_MAPS], weights;          /* the same */
    int64_t row_cells[MOST_SINKS], column_cells[MOST_SINKS]; /* [cells][block] */
    int64_t row_rows[MOST_SINKS], column_rows[MOST_SINKS];   /* V of the tile's rows, of its columns: [width / panel][block][panel] */
    int64_t row_sums[MOST_SINKS], column_sums[MOST_SINKS];   /* weighted sums of the tile's rows, columns: [block][width] */
    int64_t row_lost[MOST_SINKS];              /* what these have lost in a task of all columns: [block][payload] */
    int64_t spare;                             /* two of [block_columns] */
    int64_t count;
} SweepLayout;
void sweep_layout(const Sweep *s, SweepLayout *out);

#endif
