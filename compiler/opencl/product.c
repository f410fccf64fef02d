/* Contractions in tiles: a group of work-items makes a square tile of y for one range of k. Strips of both operands go to local memory through the
 * table's lists of offsets, so that any index expression is read the same way; each work-item keeps a small block of sums in registers, whose
 * rows and columns are neighbours: a vector of each is read from local memory at once. Nothing in
 * the text depends on the contraction: all of them are one kernel. */
#include "compiler/opencl/emit.h"

enum { SIDE = 16 /* work-items along each side of a tile */, STRIP = 16 /* of k */, BLOCK = TILE / SIDE /* a vector */ };

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
