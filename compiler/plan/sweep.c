/* Puts the sinks of one level into sweeps, and cuts a sweep into tasks and rounds (sweep.h).
 *
 * Blocks are as large as a core's second-level cache allows, because copying a block costs as much
 * as computing one row of it. They are small enough that every thread has some in each round.
 *
 * On a device of many work-items a task is a block of rows with its sums in registers. Columns are
 * cut into parts only if rows alone would not fill the device.
 *
 * In a plan with shards, a task is a block of rows of one shard. A symmetric product is then
 * computed for all pairs, since a rank has its own rows alone. */
#include "compiler/plan/sweep.h"

#include "compiler/graph/walk.h"
#include "compiler/plan/whole.h"

#include <string.h>

enum {
    /* The memory of a task in floats, which stays in a core's second-level cache. */
    SCRATCH_FLOATS = 208 * 1024,
    ENOUGH_BLOCKS = 16, /* the blocks that give every thread some in each round */
    LARGEST_BLOCK = 256,
    SMALLEST_BLOCK = 32,
    /* The least factor of a shard's rows that serves as a block of rows. */
    SMALLEST_SHARD_BLOCK = 8,
    LARGEST_STRIP = 64,
    SHORT_CHAIN = 64, /* the most blocks whose sums are added without compensation */
    /* The groups of work-items that fill a device if each uses all the registers that weighted sums
     * may take. */
    ENOUGH_TASKS = 256,
    /* The groups that fill a device if statistics alone, which need few registers, are computed. */
    ENOUGH_LIGHT_TASKS = 1024,
    MOST_PARTS = 16
};

/* ---- sources and sinks ----------------------------------------------------------------------- */

static SweepOperand operand(const GExpr *load, const Affine *at, int index, int k) {
    return (SweepOperand){load->tensor, at->constant, at->factor[index], at->factor[k]};
}

static SweepSource source_of(Graph *g, const GNode *node, bool flipped) {
    PairProduct p;
    SweepSource s = {.node = node, .flipped = flipped};
    pair_product(g, node, &p); /* a streamed node is always a product of pairs */
    s.symmetric = p.symmetric;
    s.depth = p.depth;
    s.row = operand(p.a, &p.at_a, 0, 2);
    s.column = operand(p.b, &p.at_b, 1, 2);
    if (flipped) {
        SweepOperand row = s.row;
        s.row = s.column;
        s.column = row;
    }
    return s;
}

static bool has_source(const Sweep *s, const SweepSource *source) {
    for (int i = 0; i < s->source_count; i++)
        if (s->sources[i].node == source->node && s->sources[i].flipped == source->flipped)
            return true;
    return false;
}

static int gather_sources(Graph *g, const PairSink *sink, bool by_column, SweepSource *out) {
    for (int i = 0; i < sink->source_count; i++) {
        out[i] = source_of(g, sink->sources[i], sink->swapped[i] != by_column);
        if (out[i].symmetric) {
            out[i] = source_of(g, sink->sources[i], false);
        }
    }
    return sink->source_count;
}

/* True if the sweep can serve the sink in this orientation. *shared is how many of the sink's
 * sources the sweep has already. */
static bool fits_sweep(Graph *g, const Sweep *s, const PairSink *sink, bool by_column,
                       int *shared) {
    SweepSource sources[MOST_PAIR_SOURCES];
    int count = gather_sources(g, sink, by_column, sources);
    int fresh = 0;
    int64_t own = graph_extent(sink->node, sink->own);
    int64_t other = graph_extent(sink->node, sink->other);
    *shared = 0;
    for (int i = 0; i < count; i++) {
        if (has_source(s, &sources[i]))
            ++*shared;
        else
            fresh++;
    }
    bool extents = s->sink_count == 0 || (s->rows == (by_column ? other : own) &&
                                          s->columns == (by_column ? own : other));
    return extents && (s->sink_count == 0 || *shared > 0) &&
           s->source_count + fresh <= MOST_PAIR_SOURCES && s->sink_count < MOST_SINKS;
}

/* True if there is room for the sink. A task of square tiles keeps its sums in registers. A single
 * wide sum is cut into chunks; several sums share the registers. */
static bool fits_registers(const Sweep *s, const PairSink *sink) {
    int64_t floats = 0;
    for (int i = 0; i < s->sink_count; i++)
        floats += round_up(s->sinks[i].payload, SWEEP_CHUNK_UNIT);
    if (sink->payload >= 0) {
        floats += round_up(sink->node->shape[sink->payload], SWEEP_CHUNK_UNIT);
    }
    return s->sink_count == 0 || floats <= SWEEP_CHUNK;
}

bool sweep_keeps_lost(const GNode *n) {
    return node_sums_exponentials(n) || (n->reducer == GR_SUM && n->value->type == GT_REAL);
}

static bool is_wide_sum(Graph *g, const GNode *n) {
    return n->reducer == GR_SUM && n->value->type == GT_INT && !gx_entries_fit(g, n);
}

static int cell_count(const GNode *n) {
    int cells =
        node_sums_exponentials(n) || n->reducer == GR_ARGMAX || n->reducer == GR_ARGMIN ? 2 : 1;
    return cells + sweep_keeps_lost(n) + (n->empty_is_error && n->guard ? 1 : 0);
}

bool sweep_add(Graph *g, Sweep *s, const PairSink *pair, const PlanTarget *target) {
    int row_shared;
    int column_shared;
    bool tiles = target->lanes == 0;
    if (tiles && !fits_registers(s, pair)) return false;
    bool as_row = fits_sweep(g, s, pair, false, &row_shared);
    bool as_column =
        !tiles && g->settings.shards < 2 && fits_sweep(g, s, pair, true, &column_shared);
    if (!as_row && !as_column) return false;
    bool by_column = as_column && (!as_row || column_shared > row_shared);
    SweepSource sources[MOST_PAIR_SOURCES];
    int count = gather_sources(g, pair, by_column, sources);
    for (int i = 0; i < count; i++)
        if (!has_source(s, &sources[i])) s->sources[s->source_count++] = sources[i];
    if (s->sink_count == 0) {
        s->rows = graph_extent(pair->node, pair->own);
        s->columns = graph_extent(pair->node, pair->other);
    }
    SweepSink *sink = &s->sinks[s->sink_count++];
    *sink = (SweepSink){.pair = *pair, .by_column = by_column};
    if (pair->payload < 0) {
        sink->is_wide = is_wide_sum(g, pair->node);
        sink->cells = cell_count(pair->node) + sink->is_wide;
    } else {
        sink->payload = pair->node->shape[pair->payload];
        sink->rows = operand(pair->rows, &pair->at_rows, pair->other, pair->payload);
    }
    return true;
}

const char *sweep_mode_name(SweepMode mode) {
    return mode == SWEEP_ROWS   ? "rows"
           : mode == SWEEP_BOTH ? "rows and columns"
                                : "half of the tiles";
}

bool sweep_feeds_rows(const Sweep *s, const SweepSink *sink) {
    return s->mode == SWEEP_SYMMETRIC || !sink->by_column;
}
bool sweep_feeds_columns(const Sweep *s, const SweepSink *sink) {
    return s->mode == SWEEP_SYMMETRIC || sink->by_column;
}

/* ---- blocks ---------------------------------------------------------------------------------- */

static int64_t reserve(int64_t *at, int64_t floats) {
    int64_t here = *at;
    *at += round_up(floats, 32);
    return here;
}

bool sweep_sum_keeps_lost(const Sweep *s, const SweepSink *sum) {
    const int64_t blocks = sum->by_column ? divide_up(s->rows, s->block_rows)
                                          : divide_up(s->columns, s->block_columns);
    return sum->payload && blocks > SHORT_CHAIN;
}

void sweep_layout(const Sweep *s, SweepLayout *l) {
    memset(l, 0, sizeof *l);
    int64_t at = 0;
    int64_t tile = s->strip * s->line;
    bool weighs = false;
    for (int i = 0; i < s->source_count; i++) {
        l->row_operand[i] =
            reserve(&at, round_up(s->block_rows, s->strip_rows) * s->sources[i].depth);
        l->column_panels[i] = reserve(&at, s->block_columns * s->sources[i].depth);
        l->tiles[i] = reserve(&at, tile);
    }
    for (int i = 0; i < s->sink_count; i++) {
        const SweepSink *k = &s->sinks[i];
        bool rows = sweep_feeds_rows(s, k);
        bool columns = sweep_feeds_columns(s, k);
        if (rows) l->row_cells[i] = reserve(&at, k->cells * s->block_rows);
        if (columns) l->column_cells[i] = reserve(&at, k->cells * s->block_columns);
        weighs |= k->payload > 0;
        if (rows) l->column_rows[i] = reserve(&at, k->width * s->block_columns);
        if (rows) l->row_sums[i] = reserve(&at, k->width * s->block_rows);
        if (s->mode == SWEEP_ROWS && sweep_sum_keeps_lost(s, k))
            l->row_lost[i] = reserve(&at, k->payload * s->block_rows);
        if (columns) l->row_rows[i] = reserve(&at, k->width * s->block_rows);
        if (columns) l->column_sums[i] = reserve(&at, k->width * s->block_columns);
    }
    for (int i = 0; i < s->map_count; i++)
        l->maps[i] = reserve(&at, tile);
    if (weighs) l->weights = reserve(&at, tile);
    l->spare = reserve(&at, 2 * s->block_columns);
    l->count = at;
}

int64_t sweep_scratch(const Sweep *s) {
    if (s->lanes == 0) return 0;
    SweepLayout l;
    sweep_layout(s, &l);
    return 4 * l.count;
}

/* Chooses the largest blocks that fit the cache and leave work for all threads. Copying a block
 * into the scratch costs as much as computing one row of it. */
static void choose_blocks(Sweep *s) {
    int64_t smaller = s->rows < s->columns ? s->rows : s->columns;
    for (int64_t block = LARGEST_BLOCK; block >= SMALLEST_BLOCK; block /= 2) {
        s->block_rows = s->block_columns = block;
        if (s->mode == SWEEP_ROWS) {
            while (s->block_rows > SMALLEST_BLOCK &&
                   divide_up(s->rows, s->block_rows) < ENOUGH_BLOCKS)
                s->block_rows /= 2;
        }
        s->line = s->block_columns + s->lanes;
        s->strip = s->block_rows < LARGEST_STRIP ? s->block_rows : LARGEST_STRIP;
        bool enough = s->mode == SWEEP_ROWS || divide_up(smaller, block) >= ENOUGH_BLOCKS;
        if (sweep_scratch(s) <= 4 * SCRATCH_FLOATS && enough) return;
    }
}

/* Chooses blocks of rows that do not cross shards, unless these would be too small. */
static void fit_shards(Sweep *s, int64_t shards) {
    if (s->rows % shards) return;
    int64_t block = s->block_rows;
    const int64_t shard = s->rows / shards;
    while (block > SMALLEST_SHARD_BLOCK && shard % block)
        block -= SMALLEST_SHARD_BLOCK;
    if (shard % block) return;
    s->block_rows = block;
    if (s->strip > block) s->strip = block;
}

/* Cuts the sweep into square tiles. A task is a block of rows, a chunk of the payload and a part of
 * the columns. */
static void cut_into_tiles(Sweep *s, int64_t tile) {
    int64_t widest = 0;
    for (int i = 0; i < s->sink_count; i++) {
        if (s->sinks[i].payload > widest) widest = s->sinks[i].payload;
        s->cells += s->sinks[i].cells;
    }
    s->mode = SWEEP_ROWS;
    s->rounds = 1;
    s->block_rows = s->block_columns = s->strip = tile;
    s->row_blocks = divide_up(s->rows, tile);
    s->column_blocks = divide_up(s->columns, tile);
    s->chunks = widest ? divide_up(widest, SWEEP_CHUNK) : 1;
    s->chunk = round_up(divide_up(widest, s->chunks), SWEEP_CHUNK_UNIT);
    int64_t parts =
        divide_up(widest ? ENOUGH_TASKS : ENOUGH_LIGHT_TASKS, s->row_blocks * s->chunks);
    int64_t most = s->column_blocks < MOST_PARTS ? s->column_blocks : MOST_PARTS;
    if (parts > most) parts = most;
    s->part_columns = divide_up(s->column_blocks, parts) * tile;
    s->parts = divide_up(s->columns, s->part_columns);
    s->tasks = s->row_blocks * s->chunks * s->parts;
}

void sweep_finish(Graph *g, Sweep *s, const PlanTarget *target) {
    bool columns = false;
    bool symmetric = true;
    s->parts = s->chunks = 1;
    if (target->lanes == 0) {
        cut_into_tiles(s, target->tile);
        return;
    }
    s->lanes = target->lanes;
    s->panel = 2 * s->lanes;
    s->strip_rows = s->lanes >= 16 ? 8 : 4;
    for (int i = 0; i < s->source_count; i++)
        symmetric &= s->sources[i].symmetric;
    for (int i = 0; i < s->sink_count; i++) {
        SweepSink *k = &s->sinks[i];
        columns |= k->by_column;
        k->width = round_up(k->payload, s->panel);
        s->cells += k->cells;
    }
    /* With shards, a rank computes its own rows with all columns. */
    const bool sharded = g->settings.shards > 1;
    s->mode = columns ? SWEEP_BOTH : symmetric && !sharded ? SWEEP_SYMMETRIC : SWEEP_ROWS;
    sweep_share(g, s);
    choose_blocks(s);
    if (sharded) fit_shards(s, g->settings.shards);
    s->row_blocks = divide_up(s->rows, s->block_rows);
    s->column_blocks = divide_up(s->columns, s->block_columns);
    int64_t less = s->row_blocks < s->column_blocks ? s->row_blocks : s->column_blocks;
    int64_t more = s->row_blocks + s->column_blocks - less;
    s->rounds = s->mode == SWEEP_ROWS ? 1 : more;
    s->tasks = s->mode == SWEEP_ROWS   ? s->row_blocks
               : s->mode == SWEEP_BOTH ? less
                                       : s->row_blocks / 2 + 1;
}

int64_t sweep_part_offset(const Sweep *s, int sink) {
    int64_t offset = 0;
    for (int i = 0; i < sink; i++)
        offset +=
            (s->sinks[i].payload ? s->sinks[i].payload : s->sinks[i].cells) * s->parts * s->rows;
    return offset;
}

static int64_t own_extent(const Sweep *s, const SweepSink *sink) {
    return sink->by_column ? s->columns : s->rows;
}

int64_t sweep_state_offset(const Sweep *s, int sink) {
    int64_t offset = 0;
    for (int i = 0; i < sink; i++) {
        const SweepSink *k = &s->sinks[i];
        offset += (k->cells + (sweep_sum_keeps_lost(s, k) ? k->payload : 0)) * own_extent(s, k);
    }
    return offset;
}

int64_t sweep_state_count(const Sweep *s) {
    if (s->parts > 1) return sweep_part_offset(s, s->sink_count);
    if (s->mode == SWEEP_ROWS) return 0;
    return sweep_state_offset(s, s->sink_count);
}

double sweep_flops(const Sweep *s) {
    double pairs = (double)s->rows * (double)s->columns;
    double half = s->mode == SWEEP_SYMMETRIC ? 0.5 : 1;
    double flops = 0;
    for (int i = 0; i < s->source_count; i++)
        flops += half * 2 * pairs * (double)s->sources[i].depth;
    for (int i = 0; i < s->sink_count; i++)
        flops += s->sinks[i].payload ? 2 * pairs * (double)s->sinks[i].payload : 20 * pairs;
    return flops;
}
