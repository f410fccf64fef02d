/* The uses that a sweep makes of a tile of an array of pairs: statistics of its rows or columns,
 * weights for sums of rows, and maps that these share. */
#ifndef COUPLET_COMPILER_CPU_SINK_H
#define COUPLET_COMPILER_CPU_SINK_H

#include "compiler/cpu/tile.h"

/* Helpers for one tile. Their pointers are the tiles of the sources and of the maps, the target,
 * two spare rows of block_columns floats each, the fault, and the kernel's operands. Their numbers
 * are the first row and the first column of the tile in the whole array, its rows, and its columns.
 * The target is the sink's cells for the tile's first row (or column), or the tile of weights. */
Helper emit_statistic(Frame *f, SweepView view, int number);
Helper emit_weights(Frame *f, SweepView view, int number);
/* Emits the helper that makes all maps of the sweep. It does not use the target. */
Helper emit_maps(Frame *f, int number);

/* Helpers that set the cells ahead of the first tile, and make the results from them after the
 * last. Their pointers are the cells, the fault and the sink's array; their numbers are the first
 * element and the count. */
Helper emit_first_cells(Frame *f, const SweepSink *sink, int64_t block, int number);
Helper emit_result(Frame *f, const SweepSink *sink, int64_t block, int number);

#endif
