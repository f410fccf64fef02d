/* Writes a sweep over an array of pairs (compiler/plan/sweep.h). A group of work-items takes a
 * block of rows and goes over the columns of its part, a square tile at a time. It makes the tile
 * of every product in registers, and lets each statistic take the tile's terms. For each weighted
 * sum it puts the weights of the tile into local memory, and multiplies them with the rows that are
 * summed. Statistics and sums stay in registers to the end of the part, so nothing is added in
 * memory, and the text alone decides the order of every sum. */
#include "compiler/graph/walk.h"
#include "compiler/opencl/fold.h"
#include "compiler/plan/sweep.h"

enum {
    SIDE = 16, /* the work-items along each side of a tile */
    /* The neighbouring rows and columns of a work-item. They are a vector, which is read from local
     * memory at once. */
    BLOCK = TILE / SIDE,
    STRIP = 16, /* the depth of a strip of a product */
    /* A line has some floats more than are used, so that a walk down a column meets other banks.
     * These are whole vectors, because each line must begin at a vector. */
    LINE = TILE + BLOCK,
    /* The floats of two strips, one for each operand. */
    STRIPS = 2 * STRIP * LINE,
    SHARE = TILE * STRIP / GROUP /* the part of a strip that each work-item loads */
};

typedef struct Writing {
    Frame *f;
    const Sweep *s;
    int first_output; /* the first operand that holds the results of sinks, or their parts */
} Writing;

/* ---- texts ----------------------------------------------------------------------------------- */

/* Returns the text of offset + at. */
static Value behind(Frame *f, int64_t offset, Value at) {
    return offset ? arena_printf(f->arena, "%lld + %s", (long long)offset, at) : at;
}

static Value number_text(Frame *f, int64_t n) {
    return arena_printf(f->arena, "%lld", (long long)n);
}

/* Returns the text of at * by. */
static Value times_text(Frame *f, Value at, int64_t by) {
    return by == 1 ? at : arena_printf(f->arena, "%s * %lld", at, (long long)by);
}

/* Returns the text of element (r, k) of an operand. */
static Value element_text(Frame *f, const SweepOperand *o, Value r, Value k) {
    Value at =
        arena_printf(f->arena, "%s + %s", times_text(f, r, o->line), times_text(f, k, o->step));
    return arena_printf(f->arena, "a%d[%s]", frame_operand_of(f, o->array),
                        behind(f, o->start, at));
}

static Cells cells_of(Frame *f, const char *row, int sink) {
    return (Cells){.best = arena_printf(f->arena, "best%d[%s]", sink, row),
                   .sum = arena_printf(f->arena, "sum%d[%s]", sink, row),
                   .lost = arena_printf(f->arena, "lost%d[%s]", sink, row),
                   .winner = arena_printf(f->arena, "winner%d[%s]", sink, row),
                   .terms = arena_printf(f->arena, "terms%d[%s]", sink, row)};
}

static bool is_log(const SweepSink *k) {
    return node_sums_exponentials(k->pair.node);
}

/* Returns the fold of a sink. Whole numbers are kept in 32 bits, as they are stored, except for
 * sums that may need more. */
static Fold fold_of_sink(Frame *f, const SweepSink *k) {
    Fold fold = fold_of(f, k->pair.node);
    if (k->pair.node->value->type != GT_REAL) {
        fold.type = k->is_wide ? "long" : "int";
    }
    fold.keeps_lost = sweep_keeps_lost(k->pair.node);
    return fold;
}

/* The cells of a statistic, in the order of the parts in memory: their names, types and starts. */
typedef struct CellList {
    Value name[SWEEP_CELLS];
    const char *type[SWEEP_CELLS];
    Value start[SWEEP_CELLS];
    int count;
} CellList;

static void add_cell(CellList *l, Value name, const char *type, Value start) {
    l->name[l->count] = name;
    l->type[l->count] = type;
    l->start[l->count++] = start;
}

static CellList list_cells(const SweepSink *k, const Fold *fold, const Cells *c) {
    CellList l = {.count = 0};
    add_cell(&l, c->best, fold->type, fold_neutral(fold));
    if (is_log(k)) add_cell(&l, c->sum, "float", "0.0f");
    if (fold->keeps_lost) add_cell(&l, c->lost, "float", "0.0f");
    if (fold_takes_position(k->pair.node)) add_cell(&l, c->winner, "int", "-1");
    if (fold->counts) add_cell(&l, c->terms, "int", "0");
    return l;
}

/* The cells go through arrays of floats, whole numbers bit by bit. A long takes two slots, with its
 * lower half first, and any other type takes one. */
static int slots_of(const char *type) {
    return type[0] == 'l' ? 2 : 1;
}

static Value packed(Frame *f, const char *type, Value v, int half) {
    if (type[0] == 'l')
        return arena_printf(f->arena, "as_float((int)(%s%s))", v, half ? " >> 32" : "");
    return type[0] == 'i' ? arena_printf(f->arena, "as_float(%s)", v) : v;
}

static Value unpacked(Frame *f, const char *type, Value v, Value upper) {
    if (type[0] == 'l')
        return arena_printf(f->arena, "(long)(((ulong)as_uint(%s) << 32) | as_uint(%s))", upper, v);
    return type[0] == 'i' ? arena_printf(f->arena, "as_int(%s)", v) : v;
}

/* ---- what a group keeps ---------------------------------------------------------------------- */

static void write_task(Writing *w) {
    Frame *f = w->f;
    const Sweep *s = w->s;
    write_line(f, "const int rows = %lld, columns = %lld;", (long long)s->rows,
               (long long)s->columns);
    write_line(f, "const int me = get_local_id(0), across = me %% %d, down = me / %d, task = %s;",
               SIDE, SIDE, write_first_piece(f, 1));
    write_line(f, "const int first_row = task / %lld * %d;", (long long)(s->chunks * s->parts),
               TILE);
    if (s->chunks > 1)
        write_line(f, "const int first_entry = task / %lld %% %lld * %lld;", (long long)s->parts,
                   (long long)s->chunks, (long long)s->chunk);
    if (s->parts > 1)
        write_line(
            f,
            "const int part = task %% %lld, begin = part * %lld, end = min(begin + %lld, columns);",
            (long long)s->parts, (long long)s->part_columns, (long long)s->part_columns);
    write_line(f,
               "local float strips[%d] __attribute__((aligned(16))), tile[%d] "
               "__attribute__((aligned(16)));",
               STRIPS, TILE * LINE);
    write_line(f, "float left_next[%d], right_next[%d];", SHARE, SHARE);
}

/* Returns the entries of a weighted sum that each work-item keeps of a row. */
static int64_t sum_columns(const Writing *w, const SweepSink *k) {
    int64_t width = w->s->chunks > 1
                        ? w->s->chunk
                        : (k->payload + SWEEP_CHUNK_UNIT - 1) / SWEEP_CHUNK_UNIT * SWEEP_CHUNK_UNIT;
    return width / SIDE;
}

/* True if each weighted sum has a total beside the sum of the present tile, because a part of the
 * columns has more than one tile. */
static bool keeps_totals(const Writing *w) {
    return w->s->part_columns > TILE;
}

static void declare_array(Writing *w, const char *name, int i) {
    const long long columns = (long long)sum_columns(w, &w->s->sinks[i]);
    write_line(w->f, "float %s%d[%d][%lld];", name, i, BLOCK, columns);
    write_line(w->f, "for (int i = 0; i < %d; i++)", BLOCK);
    write_line(w->f, "    for (int j = 0; j < %lld; j++) %s%d[i][j] = 0.0f;", columns, name, i);
}

static void declare_sink(Writing *w, int i) {
    Frame *f = w->f;
    const SweepSink *k = &w->s->sinks[i];
    if (k->payload) {
        declare_array(w, "sums", i);
        if (keeps_totals(w)) declare_array(w, "totals", i);
        return;
    }
    const Cells size = cells_of(f, number_text(f, BLOCK), i);
    const Cells at = cells_of(f, "i", i);
    const Fold fold = fold_of_sink(f, k);
    const CellList sizes = list_cells(k, &fold, &size);
    const CellList list = list_cells(k, &fold, &at);
    for (int c = 0; c < list.count; c++) {
        write_line(f, "%s %s;", list.type[c], sizes.name[c]);
        write_line(f, "for (int i = 0; i < %d; i++) %s = %s;", BLOCK, list.name[c], list.start[c]);
    }
}

/* ---- the tile of a product ------------------------------------------------------------------- */

/* One operand of a product, of which a strip of lines along k is made. `first` and `count` are
 * variables of the text: the first line of the tile, and the lines of the array. `lines` is the
 * number of these, and `strip` is where the strip begins in local memory. */
typedef struct Side {
    const SweepOperand *operand;
    const char *name;
    const char *first;
    const char *count;
    int64_t depth;
    int64_t lines;
    int strip;
} Side;

/* Opens the loop over a work-item's share of a strip. Neighbouring work-items read neighbouring
 * elements. */
static void open_share(Frame *f, const Side *s) {
    write_open(f, "for (int t = 0; t < %d; t++)", SHARE);
    if (s->operand->step == 1)
        write_line(f, "const int i = me + t * %d, depth = i %% %d, line = i / %d;", GROUP, STRIP,
                   STRIP);
    else
        write_line(f, "const int i = me + t * %d, depth = i / %d, line = i %% %d;", GROUP, TILE,
                   TILE);
}

static void read_share(Frame *f, const Side *s, const char *k) {
    Value line = s->lines % TILE
                     ? arena_printf(f->arena, "min(%s + line, %s - 1)", s->first, s->count)
                     : arena_printf(f->arena, "(%s + line)", s->first);
    Value element = element_text(f, s->operand, line, arena_printf(f->arena, "(%s + depth)", k));
    if (s->depth % STRIP)
        element = arena_printf(f->arena, "%s + depth < %lld ? %s : 0.0f", k, (long long)s->depth,
                               element);
    open_share(f, s);
    write_line(f, "%s_next[t] = %s;", s->name, element);
    write_close(f);
}

static void store_share(Frame *f, const Side *s) {
    open_share(f, s);
    write_line(f, "strips[%sdepth * %d + line] = %s_next[t];",
               s->strip ? arena_printf(f->arena, "%d + ", s->strip) : "", LINE, s->name);
    write_close(f);
}

/* Loads four floats of local memory, as `const float NAME[4]`. */
static void load_vector(Frame *f, const char *name, Value place) {
    write_line(f, "const float4 %s4 = *(const local float4 *)&%s;", name, place);
    write_line(f, "const float %s[4] = {%s4.s0, %s4.s1, %s4.s2, %s4.s3};", name, name, name, name,
               name);
}

/* True if the product is so deep that the sums of a leaf have a name of their own beside the
 * tile. */
static bool has_leaves(const SweepSource *s) {
    return s->depth > SHORT_LEAF;
}

static void declare_tile(Frame *f, const char *name, int source) {
    write_line(f, "float %s%d[%d][%d];", name, source, BLOCK, BLOCK);
    write_line(f, "for (int i = 0; i < %d; i++)", BLOCK);
    write_line(f, "    for (int j = 0; j < %d; j++) %s%d[i][j] = 0.0f;", BLOCK, name, source);
}

/* Ends a leaf. The order of the additions is that of a product (write_product.c). */
static void end_tile_leaf(Frame *f, const SweepSource *s, int i) {
    const bool is_long = s->depth > LONG_K;
    const int leaf = is_long ? LEAF_K : SHORT_LEAF;
    write_open(f, "if (k %% %d == %d || k + %d >= %lld)", leaf, leaf - STRIP, STRIP,
               (long long)s->depth);
    write_line(f, "for (int i = 0; i < %d; i++)", BLOCK);
    write_open(f, "for (int j = 0; j < %d; j++)", BLOCK);
    if (is_long) {
        write_line(f,
                   "const float more = leaf%d[i][j] + missing%d[i][j], after = t%d[i][j] + more;",
                   i, i, i);
        write_line(f, "missing%d[i][j] = isinf(after) ? 0.0f : more - (after - t%d[i][j]);", i, i);
        write_line(f, "t%d[i][j] = after;", i);
    } else {
        write_line(f, "t%d[i][j] += leaf%d[i][j];", i, i);
    }
    write_line(f, "leaf%d[i][j] = 0.0f;", i);
    write_close(f);
    write_close(f);
}

static void multiply_strips(Frame *f, const char *sums, int source) {
    write_open(f, "for (int depth = 0; depth < %d; depth++)", STRIP);
    load_vector(f, "left", arena_printf(f->arena, "strips[depth * %d + down * %d]", LINE, BLOCK));
    load_vector(
        f, "right",
        arena_printf(f->arena, "strips[%d + depth * %d + across * %d]", STRIP * LINE, LINE, BLOCK));
    write_line(f, "for (int i = 0; i < %d; i++)", BLOCK);
    write_line(f,
               "    for (int j = 0; j < %d; j++) %s%d[i][j] = fma(left[i], right[j], %s%d[i][j]);",
               BLOCK, sums, source, sums, source);
    write_close(f);
}

static void make_tile(Writing *w, int i) {
    Frame *f = w->f;
    const SweepSource *source = &w->s->sources[i];
    write_line(f,
               "/* A tile of the product of a%d and a%d: this work-item's %d rows from %d * down "
               "and columns from %d * across on. */",
               frame_operand_of(f, source->row.array), frame_operand_of(f, source->column.array),
               BLOCK, BLOCK, BLOCK);
    declare_tile(f, "t", i);
    if (has_leaves(source)) declare_tile(f, "leaf", i);
    if (source->depth > LONG_K) declare_tile(f, "missing", i);
    const Side sides[2] = {
        {&source->row, "left", "first_row", "rows", source->depth, w->s->rows, 0},
        {&source->column, "right", "first_column", "columns", source->depth, w->s->columns,
         STRIP * LINE}};
    for (int k = 0; k < 2; k++)
        read_share(f, &sides[k], "0");
    write_open(f, "for (int k = 0; k < %lld; k += %d)", (long long)source->depth, STRIP);
    for (int k = 0; k < 2; k++)
        store_share(f, &sides[k]);
    write_line(f, "barrier(CLK_LOCAL_MEM_FENCE);");
    /* The loads of the next strips are under way while these strips are multiplied. */
    if (source->depth > STRIP) {
        write_open(f, "if (k + %d < %lld)", STRIP, (long long)source->depth);
        for (int n = 0; n < 2; n++)
            read_share(f, &sides[n], arena_printf(f->arena, "k + %d", STRIP));
        write_close(f);
    }
    multiply_strips(f, has_leaves(source) ? "leaf" : "t", i);
    if (has_leaves(source)) end_tile_leaf(f, source, i);
    write_line(f, "barrier(CLK_LOCAL_MEM_FENCE);");
    write_close(f);
}

Value sweep_element(Frame *f, const GExpr *load) {
    bool flipped = load->args[0]->index != f->row_index;
    for (int i = 0; i < f->kernel->as.sweep.sweep->source_count; i++) {
        const SweepSource *source = &f->kernel->as.sweep.sweep->sources[i];
        if (source->node == load->tensor && (source->symmetric || source->flipped == flipped))
            return arena_printf(f->arena, "t%d[i][j]", i);
    }
    return "NAN"; /* cannot happen: a sink's sources are all in its sweep */
}

/* ---- what a sink does with a tile ------------------------------------------------------------ */

/* Sets the frame up for the expressions of a sink. Its indices are the variables `row` and
 * `column`, which open_row and open_column write. */
static void enter_sink(Writing *w, const SweepSink *k) {
    Frame *f = w->f;
    const GNode *n = f->node = k->pair.node;
    for (int i = 0; i < n->rank; i++)
        f->extents[i] = n->shape[i];
    for (int i = 0; i < n->red_rank; i++)
        f->extents[n->rank + i] = n->red_shape[i];
    f->checked = (Known){.count = 0};
    f->row_index = k->pair.own;
    f->indices[k->pair.own] = "row";
    f->indices[k->pair.other] = "column";
}

/* Opens the loop over a work-item's rows. Rows behind the last one repeat the last, and are dropped
 * at the end. */
static void open_row(Writing *w) {
    write_open(w->f, "for (int i = 0; i < %d; i++)", BLOCK);
    write_line(w->f,
               w->s->rows % TILE ? "const int row = min(first_row + down * %d + i, rows - 1);"
                                 : "const int row = first_row + down * %d + i;",
               BLOCK);
}

/* Opens the loop over a work-item's columns. Returns the mask of the columns that exist, or NULL if
 * all do. Columns behind the last count for nothing. */
static Value open_column(Writing *w) {
    write_open(w->f, "for (int j = 0; j < %d; j++)", BLOCK);
    if (w->s->columns % TILE == 0) {
        write_line(w->f, "const int column = first_column + across * %d + j;", BLOCK);
        return NULL;
    }
    write_line(
        w->f, "const int place = first_column + across * %d + j, column = min(place, columns - 1);",
        BLOCK);
    return write_const(w->f, "int", "place < columns");
}

/* Returns a term of an extremum or a place of ints in the 32 bits that its cell has. A term that
 * needs more raises a fault. */
static Value whole_term(Frame *f, const GNode *n, Value term, Value holds) {
    if (n->reducer == GR_SUM || n->value->type != GT_INT ||
        gx_fits_32_bits(f->kernel->graph, n->value, f->extents))
        return term;
    Value whole = write_const(f, "long", "%s", term);
    write_fault(f, mask_and(f, holds, arena_printf(f->arena, "%s != (int)%s", whole, whole)),
                COUPLET_FAULT_WHOLE);
    return write_const(f, "int", "(int)%s", whole);
}

static void take_terms(Writing *w, int i) {
    Frame *f = w->f;
    const SweepSink *k = &w->s->sinks[i];
    const GNode *n = k->pair.node;
    const Fold fold = fold_of_sink(f, k);
    const Cells cells = cells_of(f, "i", i);
    enter_sink(w, k);
    write_line(f, "/* What the statistic %d keeps of each row takes the tile's terms. */", i);
    open_row(w);
    if (is_log(k)) write_line(f, "const float before = %s;", cells.best);
    if (is_log(k)) write_line(f, "float exponents[%d];", BLOCK);
    Value holds = open_column(w);
    if (n->guard) {
        Value guard = write_expr(f, n->guard, holds);
        holds = holds ? write_const(f, "int", "%s && %s", holds, guard) : guard;
    }
    Value term = write_expr(f, n->value, holds);
    if (n->type == GT_INT || fold_takes_position(n)) term = whole_term(f, n, term, holds);
    if (holds) term = write_const(f, fold.type, "%s ? %s : %s", holds, term, fold_neutral(&fold));
    if (is_log(k)) write_line(f, "exponents[j] = %s;", term);
    fold_term(&fold, &cells, term, holds, "column");
    write_close(f);
    if (is_log(k)) { /* a term of -inf is left out, because -inf minus -inf is NaN */
        write_line(f, "const float shift = isinf(%s) ? 0.0f : %s;", cells.best, cells.best);
        write_open(f, "if (%s > before)", cells.best);
        write_line(f, "%s *= exp(before - shift);", cells.sum);
        write_line(f, "%s *= exp(before - shift);", cells.lost);
        write_close(f);
        write_line(f, "float exponentials = 0.0f;");
        write_line(f,
                   "for (int j = 0; j < %d; j++) exponentials += exponents[j] != -INFINITY ? "
                   "exp(exponents[j] - shift) : 0.0f;",
                   BLOCK);
        fold_exponential(&fold, &cells, "exponentials");
    }
    write_close(f);
}

static void write_weights(Writing *w, const SweepSink *k) {
    Frame *f = w->f;
    enter_sink(w, k);
    write_line(f, "/* The tile's weights, and then their sum of the rows of a%d. */",
               frame_operand_of(f, k->rows.array));
    open_row(w);
    Value holds = open_column(w);
    Value weight = write_expr(f, k->pair.weight, holds);
    write_line(f,
               holds ? "tile[(down * %d + i) * %d + across * %d + j] = %s ? %s : 0.0f;"
                     : "tile[(down * %d + i) * %d + across * %d + j] = %s%s;",
               BLOCK, LINE, BLOCK, holds ? holds : "", weight);
    write_close(f);
    write_close(f);
}

/* Returns the largest power of two of rows that have room in the place of the strips. */
static int64_t rows_at_once(int64_t width) {
    int64_t rows = TILE;
    while (rows * width > STRIPS)
        rows /= 2;
    return rows;
}

/* Loads `at_once` rows of the array whose rows are summed. They take the place of the strips. */
static void load_rows(Writing *w, const SweepSink *k, int64_t width, int64_t at_once) {
    Frame *f = w->f;
    write_open(f, "for (int i = me; i < %lld; i += %d)", (long long)(at_once * width), GROUP);
    if (k->rows.step == 1)
        write_line(f, "const int line = i / %lld, entry = i %% %lld;", (long long)width,
                   (long long)width);
    else
        write_line(f, "const int line = i %% %lld, entry = i / %lld;", (long long)at_once,
                   (long long)at_once);
    write_line(f, "const int column = first_column + first + line, k = %sentry;",
               w->s->chunks > 1 ? "first_entry + " : "");
    Value inside = NULL;
    if (w->s->columns % TILE) inside = "column < columns";
    if (k->payload % width)
        inside = mask_and(f, inside, arena_printf(f->arena, "k < %lld", (long long)k->payload));
    Value element = element_text(f, &k->rows, "column", "k");
    write_line(f,
               inside ? "strips[line * %lld + entry] = %s ? %s : 0.0f;"
                      : "strips[line * %lld + entry] = %s%s;",
               (long long)width, inside ? inside : "", element);
    write_close(f);
}

/* Returns how many of a work-item's `columns` entries of a row are read at once. */
static int64_t vector_of(int64_t columns) {
    return columns % 4 == 0 ? 4 : columns % 2 == 0 ? 2 : 1;
}

/* Returns the text of the place of a work-item's entry j in its row. A row is dealt out in groups
 * of `vector` neighbours, one for each work-item across, again and again. */
static Value entry_text(Frame *f, int64_t columns) {
    long long vector = (long long)vector_of(columns);
    return vector == 1 ? arena_printf(f->arena, "across + j * %d", SIDE)
                       : arena_printf(f->arena, "j / %lld * %lld + across * %lld + j %% %lld",
                                      vector, vector * SIDE, vector, vector);
}

/* Adds row `part` of the four whose weights the work-item has read, one vector of entries after the
 * other. */
static void add_line(Writing *w, int i, int part, int64_t columns) {
    Frame *f = w->f;
    long long vector = (long long)vector_of(columns);
    Value place = arena_printf(f->arena, "strips[(line + %d) * %lld + across * %lld + j * %d]",
                               part, (long long)(columns * SIDE), vector, SIDE);
    write_open(f, "for (int j = 0; j < %lld; j += %lld)", (long long)columns, vector);
    if (vector == 1)
        write_line(f, "const float right = %s;", place);
    else
        write_line(f, "const float%lld right = *(const local float%lld *)&%s;", vector, vector,
                   place);
    for (int v = 0; v < vector; v++)
        write_line(f,
                   "for (int i = 0; i < %d; i++) sums%d[i][j + %d] = fma(weights[i].s%d, right%s, "
                   "sums%d[i][j + %d]);",
                   BLOCK, i, v, part, vector == 1 ? "" : arena_printf(f->arena, ".s%d", v), i, v);
    write_close(f);
}

/* Adds a tile's sum to its total by Kahan's rule: what the addition has rounded off begins the next
 * tile's sum. An infinite total loses nothing. */
static void end_tile(Writing *w, int i) {
    Frame *f = w->f;
    write_open(f, "for (int i = 0; i < %d; i++)", BLOCK);
    write_open(f, "for (int j = 0; j < %lld; j++)", (long long)sum_columns(w, &w->s->sinks[i]));
    write_line(f, "const float after = totals%d[i][j] + sums%d[i][j];", i, i);
    write_line(f, "sums%d[i][j] = isinf(after) ? 0.0f : sums%d[i][j] - (after - totals%d[i][j]);",
               i, i, i);
    write_line(f, "totals%d[i][j] = after;", i);
    write_close(f);
    write_close(f);
}

static void add_rows(Writing *w, int i) {
    Frame *f = w->f;
    const SweepSink *k = &w->s->sinks[i];
    long long columns = (long long)sum_columns(w, k);
    long long width = columns * SIDE;
    long long at_once = (long long)rows_at_once(width);
    write_weights(w, k);
    write_open(f, "for (int first = 0; first < %d; first += %lld)", TILE, at_once);
    load_rows(w, k, width, at_once);
    write_line(f, "barrier(CLK_LOCAL_MEM_FENCE);");
    write_open(f, "for (int line = 0; line < %lld; line += %d)", at_once, BLOCK);
    write_line(f, "float4 weights[%d];", BLOCK);
    write_line(f,
               "for (int i = 0; i < %d; i++) weights[i] = *(const local float4 *)&tile[(down * %d "
               "+ i) * %d + first + line];",
               BLOCK, BLOCK, LINE);
    for (int part = 0; part < BLOCK; part++)
        add_line(w, i, part, columns);
    write_close(f);
    write_line(f, "barrier(CLK_LOCAL_MEM_FENCE);");
    write_close(f);
    if (keeps_totals(w)) end_tile(w, i);
}

/* ---- the end --------------------------------------------------------------------------------- */

static Value output_of(const Writing *w, int sink) {
    return frame_output_name(w->f, w->first_output + (w->s->parts > 1 ? 0 : sink));
}

/* Returns the text of the place where entry k of row `row` of a weighted sum is stored. */
static Value sum_place(const Writing *w, int i) {
    Frame *f = w->f;
    const SweepSink *k = &w->s->sinks[i];
    if (w->s->parts > 1)
        return behind(
            f, sweep_part_offset(w->s, i),
            arena_printf(f->arena, "(part * rows + row) * %lld + k", (long long)k->payload));
    return k->pair.own == 0
               ? arena_printf(f->arena, "row * %lld + k", (long long)k->payload)
               : arena_printf(f->arena, "k * %lld + row", (long long)k->pair.node->shape[1]);
}

static void store_sums(Writing *w, int i) {
    Frame *f = w->f;
    const SweepSink *k = &w->s->sinks[i];
    write_open(f, "for (int i = 0; i < %d; i++)", BLOCK);
    write_open(f, "for (int j = 0; j < %lld; j++)", (long long)sum_columns(w, k));
    write_line(f, "const int row = first_row + down * %d + i, k = %s%s;", BLOCK,
               w->s->chunks > 1 ? "first_entry + " : "", entry_text(f, sum_columns(w, k)));
    Value sum = arena_printf(
        f->arena, keeps_totals(w) ? "totals%d[i][j] + sums%d[i][j]" : "sums%d[i][j]", i, i);
    write_line(f, "if (row < rows && k < %lld) %s[%s] = %s;", (long long)k->payload,
               output_of(w, i), sum_place(w, i), sum);
    write_close(f);
    write_close(f);
}

static void declare_cells(Frame *f, const CellList *l) {
    for (int c = 0; c < l->count; c++)
        write_line(f, "%s %s = %s;", l->type[c], l->name[c], l->start[c]);
}

/* Reads the cells of a share into variables. Each slot is `apart` floats behind the one before. */
static void read_cells(Frame *f, const CellList *l, const char *array, int64_t offset,
                       int64_t apart, Value at) {
    for (int c = 0, slot = 0; c < l->count; slot += slots_of(l->type[c++])) {
        Value lower = arena_printf(f->arena, "%s[%s]", array, behind(f, offset + slot * apart, at));
        Value upper =
            arena_printf(f->arena, "%s[%s]", array, behind(f, offset + (slot + 1) * apart, at));
        write_line(f, "const %s %s = %s;", l->type[c], l->name[c],
                   unpacked(f, l->type[c], lower, upper));
    }
}

static void join_cells(const SweepSink *k, const Fold *fold, const Cells *mine,
                       const Cells *other) {
    if (is_log(k))
        fold_join_exponentials(fold, mine, other);
    else
        fold_join(fold, mine, other);
}

/* Stores the result of a statistic, and raises the faults that only the whole of the terms can
 * show. */
static void store_statistic(Frame *f, const SweepSink *k, const Fold *fold, const Cells *c,
                            Value to) {
    if (fold->counts)
        write_fault(f, arena_printf(f->arena, "%s == 0", c->terms), COUPLET_FAULT_EMPTY);
    if (k->is_wide)
        write_fault(f, arena_printf(f->arena, "%s != (int)%s", c->best, c->best),
                    COUPLET_FAULT_WHOLE);
    write_line(f, fold_takes_position(k->pair.node) ? "%s[row] = max(%s, 0);" : "%s[row] = %s;", to,
               fold_takes_position(k->pair.node) ? c->winner
               : is_log(k)                       ? fold_log(fold, c)
               : fold->keeps_lost                ? fold_sum(fold, c)
                                                 : c->best);
}

static const Cells mine = {
    .best = "best", .sum = "sum", .lost = "lost", .winner = "winner", .terms = "terms"};
static const Cells other = {.best = "other_best",
                            .sum = "other_sum",
                            .lost = "other_lost",
                            .winner = "other_winner",
                            .terms = "other_terms"};

/* Joins the shares of the work-items across a row. They go to local memory, and one work-item joins
 * them in order. */
static void finish_statistic(Writing *w, int i) {
    Frame *f = w->f;
    const SweepSink *k = &w->s->sinks[i];
    const Fold fold = fold_of_sink(f, k);
    const Cells own = cells_of(f, "i", i);
    const CellList list = list_cells(k, &fold, &own);
    const CellList to = list_cells(k, &fold, &mine);
    const CellList from = list_cells(k, &fold, &other);
    write_line(f, "/* The shares of the work-items across a row become one. */");
    write_line(f, "barrier(CLK_LOCAL_MEM_FENCE);");
    for (int c = 0, slot = 0; c < list.count; c++)
        for (int half = 0; half < slots_of(list.type[c]); half++, slot++)
            write_line(f, "for (int i = 0; i < %d; i++) tile[%s] = %s;", BLOCK,
                       behind(f, slot * TILE * SIDE,
                              arena_printf(f->arena, "(down * %d + i) * %d + across", BLOCK, SIDE)),
                       packed(f, list.type[c], list.name[c], half));
    write_line(f, "barrier(CLK_LOCAL_MEM_FENCE);");
    write_open(f, "if (me < %d && first_row + me < rows%s)", TILE,
               w->s->chunks > 1 ? " && first_entry == 0" : "");
    write_line(f, "const int row = first_row + me;");
    declare_cells(f, &to);
    write_open(f, "for (int lane = 0; lane < %d; lane++)", SIDE);
    read_cells(f, &from, "tile", 0, TILE * SIDE, arena_printf(f->arena, "me * %d + lane", SIDE));
    join_cells(k, &fold, &mine, &other);
    write_close(f);
    if (w->s->parts == 1) {
        store_statistic(f, k, &fold, &mine, output_of(w, i));
    }
    for (int c = 0, slot = 0; w->s->parts > 1 && c < to.count; c++)
        for (int half = 0; half < slots_of(to.type[c]); half++, slot++)
            write_line(f, "%s[%s] = %s;", output_of(w, i),
                       behind(f, sweep_part_offset(w->s, i) + slot * w->s->parts * w->s->rows,
                              "part * rows + row"),
                       packed(f, to.type[c], to.name[c], half));
    write_close(f);
}

/* ---- the kernels ----------------------------------------------------------------------------- */

Geometry write_sweep(Frame *f) {
    const Sweep *s = f->kernel->as.sweep.sweep;
    Writing w = {
        .f = f, .s = s, .first_output = f->kernel->operand_count - f->kernel->output_count};
    write_task(&w);
    for (int i = 0; i < s->sink_count; i++)
        declare_sink(&w, i);
    write_open(f,
               s->parts > 1
                   ? "for (int first_column = begin; first_column < end; first_column += %d)"
                   : "for (int first_column = 0; first_column < columns; first_column += %d)",
               TILE);
    for (int i = 0; i < s->source_count; i++)
        make_tile(&w, i);
    for (int i = 0; i < s->sink_count; i++) {
        if (s->sinks[i].payload)
            add_rows(&w, i);
        else
            take_terms(&w, i);
    }
    write_close(f);
    for (int i = 0; i < s->sink_count; i++) {
        if (s->sinks[i].payload)
            store_sums(&w, i);
        else
            finish_statistic(&w, i);
    }
    return (Geometry){s->tasks, 1};
}

static void join_sums(Frame *f, const Sweep *s, const SweepSink *k) {
    Value place = arena_printf(f->arena, "part * %lld + at", (long long)(s->rows * k->payload));
    write_line(f, "float sum = 0.0f, lost = 0.0f;");
    write_open(f, "for (int part = 0; part < %lld; part++)", (long long)s->parts);
    write_line(f, "const float more = a0[%s] + lost, after = sum + more;",
               behind(f, sweep_part_offset(s, f->kernel->as.sweep.sink), place));
    write_line(f, "lost = isinf(after) ? 0.0f : more - (after - sum);");
    write_line(f, "sum = after;");
    write_close(f);
    if (k->pair.own == 0)
        write_line(f, "y[at] = sum + lost;");
    else
        write_line(f, "y[at %% %lld * %lld + at / %lld] = sum + lost;", (long long)k->payload,
                   (long long)s->rows, (long long)k->payload);
}

static void join_statistic(Frame *f, const Sweep *s, const SweepSink *k) {
    const Fold fold = fold_of_sink(f, k);
    const CellList to = list_cells(k, &fold, &mine);
    const CellList from = list_cells(k, &fold, &other);
    write_line(f, "const int row = at;");
    declare_cells(f, &to);
    write_open(f, "for (int part = 0; part < %lld; part++)", (long long)s->parts);
    read_cells(f, &from, "a0", sweep_part_offset(s, f->kernel->as.sweep.sink), s->parts * s->rows,
               arena_printf(f->arena, "part * %lld + row", (long long)s->rows));
    join_cells(k, &fold, &mine, &other);
    write_close(f);
    store_statistic(f, k, &fold, &mine, "y");
}

Geometry write_sweep_join(Frame *f) {
    const Sweep *s = f->kernel->as.sweep.sweep;
    const SweepSink *k = &s->sinks[f->kernel->as.sweep.sink];
    write_line(f, "const int at = get_global_id(0);");
    write_line(f, "if (at >= count) return;");
    if (k->payload)
        join_sums(f, s, k);
    else
        join_statistic(f, s, k);
    return (Geometry){graph_element_count(k->pair.node), GROUP};
}
