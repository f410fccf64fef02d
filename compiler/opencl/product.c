/* Contractions in tiles: a group of work-items makes a square tile of y for one range of k. Strips of both operands go to local memory through the
 * table's lists of offsets, so that any index expression is read the same way; each work-item keeps a small block of sums in registers, whose
 * rows and columns are neighbours: a vector of each is read from local memory at once. Nothing in
 * the text depends on the contraction: all of them are one kernel. */
#include "compiler/opencl/emit.h"

enum { SIDE = 16 /* work-items along each side of a tile */, STRIP = 16 /* of k */, BLOCK = TILE / SIDE /* a vector */, SHARE = TILE * STRIP / GROUP };

/* Which tile this group makes, and where its lists begin. */
static void find_task(Frame *f) {
    write_line(f, "const int me = get_local_id(0), across = me %% %d, down = me / %d;", SIDE, SIDE);
    write_line(f, "const global int *task = a1 + a1[%d] + get_group_id(0) * %d;", TILED_TASKS, TILED_TASK_WORDS);
    write_line(f, "const global float *a = a0 + task[%d], *b = a2 + task[%d];", TILED_A, TILED_B);
    write_line(f, "global float *to = y + task[%d];", TILED_Y);
    write_line(f, "const global int *rows = a1 + task[%d], *columns = a1 + task[%d], *ks = a1 + task[%d];", TILED_ROWS, TILED_COLUMNS, TILED_K);
    write_line(f, "const int row_count = task[%d], column_count = task[%d], k_count = task[%d];", TILED_ROW_COUNT, TILED_COLUMN_COUNT, TILED_K_COUNT);
}

/* One of the two operands: what its strip is called and made from. */
typedef struct Side {
    const char *name, *lines, *line_count;
    int along_k, side_of_k;
} Side;

static const Side left = {"a", "rows", "row_count", TILED_A_ALONG_K, 0}, right = {"b", "columns", "column_count", TILED_B_ALONG_K, 1};

/* Each element of a work-item's share of a strip: neighbouring work-items read neighbouring elements, along k or across it. */
static void open_share(Frame *f, const Side *s) {
    write_open(f, "for (int t = 0; t < %d; t++)", SHARE);
    write_line(f, "const int i = me + t * %d, depth = a1[%d] ? i %% %d : i / %d, line = a1[%d] ? i / %d : i %% %d;", GROUP, s->along_k, STRIP, TILE, s->along_k, STRIP, TILE);
}

static void read_share(Frame *f, const Side *s, const char *k0) {
    open_share(f, s);
    write_line(f, "const int k = %s + depth;", k0);
    write_line(f, "%s_next[t] = k < k_count ? %s[%s[2 * min(line, %s - 1)] + ks[2 * k + %d]] : 0.0f;", s->name, s->name, s->lines, s->line_count, s->side_of_k);
    write_close(f);
}

static void store_share(Frame *f, const Side *s) {
    open_share(f, s);
    write_line(f, "%s_strip[depth][line] = %s_next[t];", s->name, s->name);
    write_close(f);
}

static void multiply(Frame *f) {
    write_open(f, "for (int depth = 0; depth < %d; depth++)", STRIP);
    write_line(f, "const float4 left = *(const local float4 *)&a_strip[depth][down * %d], right = *(const local float4 *)&b_strip[depth][across * %d];", BLOCK, BLOCK);
    for (int i = 0; i < BLOCK; i++) write_line(f, "sums%d = fma((float4)(left.s%d), right, sums%d);", i, i, i);
    write_close(f);
}

static void store_block(Frame *f) {
    write_line(f, "const int row = down * %d, column = across * %d;", BLOCK, BLOCK);
    for (int i = 0; i < BLOCK; i++) {
        write_open(f, "if (row + %d < row_count)", i);
        write_line(f, "global float *line = to + rows[2 * (row + %d) + 1];", i);
        for (int j = 0; j < BLOCK; j++) write_line(f, "if (column + %d < column_count) line[columns[2 * (column + %d) + 1]] = sums%d.s%d;", j, j, i, j);
        write_close(f);
    }
}

Geometry write_product(Frame *f) {
    find_task(f);
    /* Longer than is used, so that a walk down meets other banks; by a vector, so that each begins where one may. */
    write_line(f, "local float a_strip[%d][%d] __attribute__((aligned(16))), b_strip[%d][%d] __attribute__((aligned(16)));", STRIP, TILE + BLOCK, STRIP, TILE + BLOCK);
    write_line(f, "float4 sums0 = 0.0f, sums1 = 0.0f, sums2 = 0.0f, sums3 = 0.0f;");
    write_line(f, "float a_next[%d], b_next[%d];", SHARE, SHARE);
    read_share(f, &left, "0");
    read_share(f, &right, "0");
    write_open(f, "for (int k0 = 0; k0 < k_count; k0 += %d)", STRIP);
    store_share(f, &left);
    store_share(f, &right);
    write_line(f, "barrier(CLK_LOCAL_MEM_FENCE);");
    /* The next strips are on their way while these are multiplied. */
    write_open(f, "if (k0 + %d < k_count)", STRIP);
    read_share(f, &left, arena_printf(f->arena, "k0 + %d", STRIP));
    read_share(f, &right, arena_printf(f->arena, "k0 + %d", STRIP));
    write_close(f);
    multiply(f);
    write_line(f, "barrier(CLK_LOCAL_MEM_FENCE);");
    write_close(f);
    store_block(f);
    return product_geometry(f->kernel);
}

Geometry product_geometry(const Kernel *k) { return (Geometry){k->tiles * GROUP, k->tiles}; }

Geometry gather_geometry(const Kernel *k) {
    int64_t count = graph_element_count(k->node);
    return (Geometry){(count + GROUP - 1) / GROUP * GROUP, count};
}

Geometry write_gather_partials(Frame *f) {
    write_line(f, "const int at = get_global_id(0);");
    write_line(f, "if (at >= count) return;");
    write_line(f, "float sum = a0[at];");
    write_line(f, "for (int part = 1; part < a1[%d]; part++) sum += a0[at + part * count];", TILED_PARTS);
    write_line(f, "y[at] = sum;");
    return gather_geometry(f->kernel);
}
