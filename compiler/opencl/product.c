/* Contractions in tiles: a group of work-items makes a square tile of y for one range of k. Strips of both operands go to local memory through the
 * table's lists of offsets, so that any index expression is read the same way; each work-item keeps a small block of sums in registers. Nothing in
 * the text depends on the contraction: all of them are one kernel. */
#include "compiler/opencl/emit.h"

enum { SIDE = 16 /* work-items along each side of a tile */, STRIP = 16 /* of k */, BLOCK = TILE / SIDE };

/* Which tile this group makes, and where its lists begin. */
static void find_task(Frame *f) {
    write_line(f, "const int me = get_local_id(0), across = me %% %d, down = me / %d;", SIDE, SIDE);
    write_line(f, "const global int *task = a1 + a1[%d] + get_group_id(0) * %d;", TILED_TASKS, TILED_TASK_WORDS);
    write_line(f, "const global float *a = a0 + task[%d], *b = a2 + task[%d];", TILED_A, TILED_B);
    write_line(f, "global float *to = y + task[%d];", TILED_Y);
    write_line(f, "const global int *rows = a1 + task[%d], *columns = a1 + task[%d], *ks = a1 + task[%d];", TILED_ROWS, TILED_COLUMNS, TILED_K);
    write_line(f, "const int row_count = task[%d], column_count = task[%d], k_count = task[%d];", TILED_ROW_COUNT, TILED_COLUMN_COUNT, TILED_K_COUNT);
}

/* Neighbouring work-items read neighbouring elements, along k or across it. */
static void load_strip(Frame *f, const char *into, const char *from, int along_k, const char *list, const char *count, int side_of_k) {
    write_open(f, "for (int i = me; i < %d; i += %d)", TILE * STRIP, GROUP);
    write_line(f, "const int depth = a1[%d] ? i %% %d : i / %d, line = a1[%d] ? i / %d : i %% %d, k = k0 + depth;", along_k, STRIP, TILE, along_k, STRIP, TILE);
    write_line(f, "%s[depth][line] = k < k_count ? %s[%s[2 * min(line, %s - 1)] + ks[2 * k + %d]] : 0.0f;", into, from, list, count, side_of_k);
    write_close(f);
}

static void multiply(Frame *f) {
    write_open(f, "for (int depth = 0; depth < %d; depth++)", STRIP);
    write_line(f, "float left[%d], right[%d];", BLOCK, BLOCK);
    write_line(f, "for (int i = 0; i < %d; i++) left[i] = a_strip[depth][down + i * %d];", BLOCK, SIDE);
    write_line(f, "for (int i = 0; i < %d; i++) right[i] = b_strip[depth][across + i * %d];", BLOCK, SIDE);
    write_line(f, "for (int i = 0; i < %d; i++)", BLOCK);
    write_line(f, "    for (int j = 0; j < %d; j++) sums[i][j] = fma(left[i], right[j], sums[i][j]);", BLOCK);
    write_close(f);
}

static void store_block(Frame *f) {
    write_open(f, "for (int i = 0; i < %d; i++)", BLOCK);
    write_line(f, "const int row = down + i * %d;", SIDE);
    write_line(f, "if (row >= row_count) continue;");
    write_open(f, "for (int j = 0; j < %d; j++)", BLOCK);
    write_line(f, "const int column = across + j * %d;", SIDE);
    write_line(f, "if (column < column_count) to[rows[2 * row + 1] + columns[2 * column + 1]] = sums[i][j];");
    write_close(f);
    write_close(f);
}

Geometry write_product(Frame *f) {
    find_task(f);
    /* A column more than is used, so that a walk down meets other banks. */
    write_line(f, "local float a_strip[%d][%d], b_strip[%d][%d];", STRIP, TILE + 1, STRIP, TILE + 1);
    write_line(f, "float sums[%d][%d];", BLOCK, BLOCK);
    write_line(f, "for (int i = 0; i < %d; i++)", BLOCK);
    write_line(f, "    for (int j = 0; j < %d; j++) sums[i][j] = 0.0f;", BLOCK);
    write_open(f, "for (int k0 = 0; k0 < k_count; k0 += %d)", STRIP);
    load_strip(f, "a_strip", "a", TILED_A_ALONG_K, "rows", "row_count", 0);
    load_strip(f, "b_strip", "b", TILED_B_ALONG_K, "columns", "column_count", 1);
    write_line(f, "barrier(CLK_LOCAL_MEM_FENCE);");
    multiply(f);
    write_line(f, "barrier(CLK_LOCAL_MEM_FENCE);");
    write_close(f);
    store_block(f);
    return product_geometry(f->kernel);
}

Geometry product_geometry(const Kernel *k) { return (Geometry){k->tiles * GROUP, k->tiles}; }

Geometry gather_geometry(const Kernel *k) {
    int64_t count = elements_of(k->node);
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
