/* Contractions in tiles: a group of work-items makes a tile of y for one range of k. Strips of both
 * operands go to local memory through the table's lists of offsets, so any index expression is read
 * in the same way. Each work-item keeps a block of sums in registers.
 *
 * The rows of this block come in fours of neighbours, each a vector of local memory, and the fours
 * of neighbouring work-items lie side by side, so that no two ask one bank for different words. The
 * columns do so, too.
 *
 * The text depends on the tile's sides and on how the operands lie, and on nothing else.
 * Contractions that agree in those are one kernel. */
#include "compiler/opencl/write.h"

enum {
    SIDE = 16 /* the work-items along each side of a tile */,
    STRIP = 16 /* the depth of a strip in k */,
    FOUR = 4 /* the floats of a vector */,
    FOURS_APART = SIDE * FOUR
};

/* Writes the variables that say which tile this group makes, and where its lists begin. */
static void find_task(Frame *f) {
    write_line(f, "const int me = get_local_id(0), across = me %% %d, down = me / %d;", SIDE, SIDE);
    write_line(f, "const global int *task = a1 + a1[%d] + (%s) * %d;", TILED_TASKS,
               write_first_piece(f, 1), TILED_TASK_WORDS);
    write_line(f, "const global float *a = a0 + task[%d], *b = a2 + task[%d];", TILED_A, TILED_B);
    write_line(f, "global float *to = y + task[%d];", TILED_Y);
    write_line(
        f, "const global int *rows = a1 + task[%d], *columns = a1 + task[%d], *ks = a1 + task[%d];",
        TILED_ROWS, TILED_COLUMNS, TILED_K);
    write_line(f, "const int row_count = task[%d], column_count = task[%d], k_count = task[%d];",
               TILED_ROW_COUNT, TILED_COLUMN_COUNT, TILED_K_COUNT);
}

/* One of the two operands: the name of its strip, and the array and the list that the strip is made
 * from. Neighbouring work-items read neighbouring elements, either of one line along k, or of one k
 * across the lines. */
typedef struct Side {
    const char *name;
    const char *list;
    const char *count;
    /* The lines of the tile, and the elements of a strip that each work-item reads. */
    int lines, share;
    bool along_k;
    int of_k; /* the position of this operand in the pairs of offsets for k */
} Side;

static Side side_of(const Contraction *c, bool left) {
    int lines = left ? c->rows : (int)c->panel;
    return (Side){left ? "a" : "b",
                  left ? "rows" : "columns",
                  left ? "row_count" : "column_count",
                  lines,
                  lines * STRIP / GROUP,
                  left ? c->a_along_k : c->b_along_k,
                  !left};
}

/* Returns the step from one element of a share to the next, in lines if the operand is contiguous
 * along k, else in values of k. */
static int stride_of(const Side *s) {
    return GROUP / (s->along_k ? STRIP : s->lines);
}

/* Finds the lines of a share. Their places do not change from strip to strip. Lines behind the last
 * one repeat the last, and their sums are dropped at the end. */
static void find_lines(Frame *f, const Side *s) {
    const char *n = s->name;
    int lines = s->along_k ? s->share : 1;
    if (s->along_k)
        write_line(f, "const int %s_depth = me %% %d, %s_line = me / %d;", n, STRIP, n, STRIP);
    else
        write_line(f, "const int %s_depth = me / %d, %s_line = me %% %d;", n, s->lines, n,
                   s->lines);
    write_line(f, "int %s_places[%d];", n, lines);
    write_line(f,
               "for (int t = 0; t < %d; t++) %s_places[t] = %s[2 * min(%s_line + t * %d, %s - 1)];",
               lines, n, s->list, n, stride_of(s), s->count);
    write_line(f, "float %s_next[%d];", n, s->share);
}

/* Reads a work-item's share of the strip that begins at `k0`, which is 0 behind the last k. */
static void read_share(Frame *f, const Side *s, const char *k0) {
    const char *n = s->name;
    if (s->along_k) {
        write_line(
            f, "const int %s_k = %s + %s_depth, %s_from = %s_k < k_count ? ks[2 * %s_k + %d] : 0;",
            n, k0, n, n, n, n, s->of_k);
        write_line(f,
                   "for (int t = 0; t < %d; t++) %s_next[t] = %s_k < k_count ? %s[%s_places[t] + "
                   "%s_from] : 0.0f;",
                   s->share, n, n, n, n, n);
        return;
    }
    write_open(f, "for (int t = 0; t < %d; t++)", s->share);
    write_line(f, "const int k = %s + %s_depth + t * %d;", k0, n, stride_of(s));
    write_line(f, "%s_next[t] = k < k_count ? %s[%s_places[0] + ks[2 * k + %d]] : 0.0f;", n, n, n,
               s->of_k);
    write_close(f);
}

/* Puts the share into local memory. */
static void store_share(Frame *f, const Side *s) {
    const char *n = s->name;
    int depth = s->along_k ? 0 : stride_of(s);
    int line = s->along_k ? stride_of(s) : 0;
    write_line(
        f,
        "for (int t = 0; t < %d; t++) %s_strip[%s_depth + t * %d][%s_line + t * %d] = %s_next[t];",
        s->share, n, n, depth, n, line, n);
}

/* Loads the vectors of one side that a work-item multiplies at one k: left0, left1. */
static void load_fours(Frame *f, const char *name, const char *strip, const char *place,
                       int lines) {
    for (int i = 0; i < lines / FOURS_APART; i++)
        write_line(f, "const float4 %s%d = *(const local float4 *)&%s_strip[depth][%s * %d + %d];",
                   name, i, strip, place, FOUR, i * FOURS_APART);
}

/* Multiplies the strips. The variable sums3_1 has the sums of row 3 of this work-item, in its
 * second four of columns. */
static void multiply_strips(Frame *f, const Side *left, const Side *right) {
    write_open(f, "for (int depth = 0; depth < %d; depth++)", STRIP);
    load_fours(f, "left", "a", "down", left->lines);
    load_fours(f, "right", "b", "across", right->lines);
    for (int i = 0; i < left->lines / SIDE; i++)
        for (int j = 0; j < right->lines / FOURS_APART; j++)
            write_line(f, "sums%d_%d = fma((float4)(left%d.s%d), right%d, sums%d_%d);", i, j,
                       i / FOUR, i % FOUR, j, i, j);
    write_close(f);
}

static int vectors_down(const Side *left) {
    return left->lines / SIDE;
}
static int vectors_across(const Side *right) {
    return right->lines / FOURS_APART;
}

static bool is_long(const Frame *f) {
    return f->kernel->as.contraction->leaves;
}

/* Adds a leaf's sums to the totals. The totals of a long sum keep what they lose (Kahan). An
 * infinite total loses nothing. */
static void end_leaf(Frame *f, const Side *left, const Side *right) {
    const int leaf = is_long(f) ? LEAF_K : SHORT_LEAF;
    write_open(f, "if (k0 %% %d == %d || k0 + %d >= k_count)", leaf, leaf - STRIP, STRIP);
    for (int i = 0; i < vectors_down(left); i++)
        for (int j = 0; j < vectors_across(right); j++) {
            if (is_long(f)) {
                write_line(f,
                           "const float4 more%d_%d = sums%d_%d + lost%d_%d, after%d_%d = "
                           "total%d_%d + more%d_%d;",
                           i, j, i, j, i, j, i, j, i, j, i, j);
                write_line(f,
                           "lost%d_%d = select(more%d_%d - (after%d_%d - total%d_%d), "
                           "(float4)(0.0f), isinf(after%d_%d));",
                           i, j, i, j, i, j, i, j, i, j);
                write_line(f, "total%d_%d = after%d_%d;", i, j, i, j);
            } else {
                write_line(f, "total%d_%d += sums%d_%d;", i, j, i, j);
            }
            write_line(f, "sums%d_%d = 0.0f;", i, j);
        }
    write_close(f);
}

static void store_block(Frame *f, const Side *left, const Side *right) {
    write_line(f, "const int row = down * %d, column = across * %d;", FOUR, FOUR);
    for (int i = 0; i < left->lines / SIDE; i++) {
        int down = i / FOUR * FOURS_APART + i % FOUR;
        write_open(f, "if (row + %d < row_count)", down);
        write_line(f, "global float *line = to + rows[2 * (row + %d) + 1];", down);
        for (int j = 0; j < right->lines / SIDE; j++) {
            int across = j / FOUR * FOURS_APART + j % FOUR;
            write_line(f,
                       "if (column + %d < column_count) line[columns[2 * (column + %d) + 1]] = "
                       "total%d_%d.s%d;",
                       across, across, i, j / FOUR, j % FOUR);
        }
        write_close(f);
    }
}

static void declare(Frame *f, const Side *left, const Side *right) {
    /* A row has some floats more than are used, so that a walk down a column meets other banks.
     * These are a whole vector, because each row must begin at a vector. */
    write_line(f,
               "local float a_strip[%d][%d] __attribute__((aligned(16))), b_strip[%d][%d] "
               "__attribute__((aligned(16)));",
               STRIP, left->lines + FOUR, STRIP, right->lines + FOUR);
    for (int i = 0; i < left->lines / SIDE; i++)
        for (int j = 0; j < right->lines / FOURS_APART; j++)
            write_line(f, "float4 sums%d_%d = 0.0f, total%d_%d = 0.0f;", i, j, i, j);
    for (int i = 0; is_long(f) && i < vectors_down(left); i++)
        for (int j = 0; j < vectors_across(right); j++)
            write_line(f, "float4 lost%d_%d = 0.0f;", i, j);
    find_lines(f, left);
    find_lines(f, right);
}

Geometry write_product(Frame *f) {
    const Side left = side_of(f->kernel->as.contraction, true);
    const Side right = side_of(f->kernel->as.contraction, false);
    find_task(f);
    declare(f, &left, &right);
    write_open(f, "if (k_count > 0)");
    read_share(f, &left, "0");
    read_share(f, &right, "0");
    write_close(f);
    write_open(f, "for (int k0 = 0; k0 < k_count; k0 += %d)", STRIP);
    store_share(f, &left);
    store_share(f, &right);
    write_line(f, "barrier(CLK_LOCAL_MEM_FENCE);");
    /* The loads of the next strips are under way while these strips are multiplied. */
    write_open(f, "if (k0 + %d < k_count)", STRIP);
    read_share(f, &left, arena_printf(f->arena, "k0 + %d", STRIP));
    read_share(f, &right, arena_printf(f->arena, "k0 + %d", STRIP));
    write_close(f);
    multiply_strips(f, &left, &right);
    end_leaf(f, &left, &right);
    write_line(f, "barrier(CLK_LOCAL_MEM_FENCE);");
    write_close(f);
    store_block(f, &left, &right);
    return product_geometry(f->kernel);
}

Geometry product_geometry(const Kernel *k) {
    return (Geometry){k->tiles, 1};
}

Geometry write_gather_geometry(const Kernel *k) {
    return (Geometry){graph_element_count(k->node), GROUP};
}

Geometry write_gather_partials(Frame *f) {
    write_line(f, "const int at = get_global_id(0);");
    write_line(f, "if (at >= count) return;");
    write_line(f, "float sum = 0.0f, lost = 0.0f;");
    write_open(f, "for (int part = 0; part < a1[%d]; part++)", TILED_PARTS);
    write_line(f, "const float more = a0[at + part * a1[%d]] + lost, after = sum + more;",
               TILED_PART_SIZE);
    write_line(f, "lost = isinf(after) ? 0.0f : more - (after - sum);");
    write_line(f, "sum = after;");
    write_close(f);
    write_line(f, "y[at] = sum + lost;");
    return write_gather_geometry(f->kernel);
}
