/* What a sweep does with a tile of an array of pairs: statistics of its rows or columns, weights for sums of rows, and what these share. */
#ifndef COUPLET_COMPILER_CPU_SINK_H
#define COUPLET_COMPILER_CPU_SINK_H

#include "compiler/cpu/tile.h"

/* Pointers: the tiles of the sources and of the maps, the target, the spare row of block_columns floats, the fault, the kernel's operands. Numbers: the first row and
 * the first column of the tile in the whole array; its rows, its columns. The target is the sink's cells for the tile's first row (or column), or the tile of weights. */
Helper emit_statistic(Frame *f, SweepView view, int number);
Helper emit_weights(Frame *f, SweepView view, int number);
/* All maps of the sweep; the target is not used. */
Helper emit_maps(Frame *f, int number);

/* Cells before the first tile, and what becomes of them after the last. Pointers: cells, the fault, the sink's array. Numbers: first element, count. */
Helper emit_first_cells(Frame *f, const SweepSink *sink, int64_t block, int number);
Helper emit_result(Frame *f, const SweepSink *sink, int64_t block, int number);

#endif
