/* Cuts contractions into tiles, for a device of many work-items. One kernel serves all contractions
 * that agree in the sides of the tile and in how the operands lie. The other differences are in
 * each contraction's table, which begins with TiledHead and has a TiledTask for each group of
 * work-items. */
#include "compiler/plan/contraction.h"
#include "compiler/plan/whole.h"

#include <string.h>

enum {
    /* Tiles of 256 work-items that keep a large device busy: a few for each of its cores. */
    ENOUGH_TILES = 512,
    AT_ONCE = 256, /* tiles that such a device computes at one time */
    /* The cost of writing and reading back a part of a sum, in products of the smallest tile. It is
     * estimated from the bandwidth of memory. */
    COST_OF_SUM = 50,
    MAX_PARTS = 256,
    MIN_PART_K = 128,
    PART_UNIT = 16
};

typedef ARRAY(int32_t) Words;

typedef struct Cutting {
    Arena *arena;
    Contraction *c;
    int64_t part_k;
    Words table;
    Words tasks;
} Cutting;

static int64_t size_of(const ProductRegion *r, const int *list, int count) {
    int64_t size = 1;
    for (int i = 0; i < count; i++)
        size *= r->index[list[i]].count;
    return size;
}

/* Stores the offsets of two operands, as pairs, for all values that the indices of a list take in a
 * region, the last index fastest. Returns where the pairs begin. */
static int64_t add_pairs(Cutting *t, const ProductRegion *r, const int *list, int count,
                         const Affine *first, const Affine *second) {
    int64_t at = t->table.count;
    int64_t value[GRAPH_MAX_RANK] = {0};
    int64_t one = 0;
    int64_t two = 0;
    int64_t size = size_of(r, list, count);
    for (int64_t i = 0; i < size; i++) {
        array_push(t->arena, &t->table, (int32_t)one);
        array_push(t->arena, &t->table, (int32_t)two);
        for (int d = count - 1; d >= 0; d--) {
            one += first->factor[list[d]];
            two += second->factor[list[d]];
            if (++value[d] < r->index[list[d]].count) break;
            one -= value[d] * first->factor[list[d]];
            two -= value[d] * second->factor[list[d]];
            value[d] = 0;
        }
    }
    return at;
}

/* Stores the tiles of one region. All its z and parts share the lists of rows. */
static void cut_region(Cutting *t, const ProductRegion *r) {
    const Product *p = &t->c->form;
    int64_t rows = size_of(r, p->m, p->m_count);
    int64_t columns = size_of(r, p->n, p->n_count);
    int64_t inner = size_of(r, p->k, p->k_count);
    int64_t depth = size_of(r, p->z, p->z_count);
    int64_t of_rows = add_pairs(t, r, p->m, p->m_count, &r->at_a, &r->at_y);
    int64_t of_columns = add_pairs(t, r, p->n, p->n_count, &r->at_b, &r->at_y);
    int64_t of_inner = add_pairs(t, r, p->k, p->k_count, &r->at_a, &r->at_b);
    int64_t in = add_pairs(t, r, p->z, p->z_count, &r->at_a, &r->at_b);
    int64_t out = add_pairs(t, r, p->z, p->z_count, &r->at_y, &r->at_y);
    int64_t part_size = t->c->part_rows * p->n_size;
    for (int64_t part = 0; part < t->c->parts; part++) {
        int64_t begin = smaller(part * t->part_k, inner);
        int64_t here = smaller(t->part_k, inner - begin);
        for (int64_t z = 0; z < depth; z++) {
            const int32_t *in_z = t->table.items + in + 2 * z;
            const int32_t *out_z = t->table.items + out + 2 * z;
            for (int64_t m = 0; m < rows; m += t->c->rows) {
                for (int64_t n = 0; n < columns; n += t->c->panel) {
                    const int64_t task[TILED_TASK_WORDS] = {r->at_a.constant + in_z[0],
                                                            r->at_b.constant + in_z[1],
                                                            r->at_y.constant + out_z[0] +
                                                                part * part_size,
                                                            of_rows + 2 * m,
                                                            smaller(t->c->rows, rows - m),
                                                            of_columns + 2 * n,
                                                            smaller(t->c->panel, columns - n),
                                                            of_inner + 2 * begin,
                                                            here};
                    for (int i = 0; i < TILED_TASK_WORDS; i++)
                        array_push(t->arena, &t->tasks, (int32_t)task[i]);
                }
            }
        }
    }
}

/* A way to cut the whole contraction into tiles of given sides. */
typedef struct Tiling {
    int rows;
    int columns;
    int64_t parts;
    int64_t part_k;
    double cost;
} Tiling;

/* The sides of tiles, each with the measured cost (H100) of a product of two elements, relative to
 * the smallest tile. A work-item with more rows reads fewer words from local memory for each
 * product. But if neighbours in k are far apart in a, each of its rows needs an offset of its
 * own. */
static const struct {
    int rows;
    int columns;
    double along_k;
    double across_k;
} sides[] = {{64, 64, 1, 1}, {128, 64, 0.8, 1.2}};

static int64_t tiles_of(const Product *p, const ProductRegion *r, const Tiling *t) {
    return size_of(r, p->z, p->z_count) * divide_up(size_of(r, p->m, p->m_count), t->rows) *
           divide_up(size_of(r, p->n, p->n_count), t->columns);
}

/* Chooses the number of ranges of k. Also estimates the time of all tiles, in products of the
 * smallest tile. */
static void weigh(Tiling *t, const Product *p, double of_product) {
    int64_t tiles = 0;
    int64_t longest = 0;
    double products = 0;
    for (int i = 0; i < p->region_count; i++) {
        const ProductRegion *r = &p->regions[i];
        int64_t inner = size_of(r, p->k, p->k_count);
        int64_t here = tiles_of(p, r, t);
        tiles += here;
        products += (double)here * (double)inner * t->rows * t->columns;
        if (inner > longest) longest = inner;
    }
    int64_t parts = smaller(
        smaller(tiles ? divide_up(ENOUGH_TILES, tiles) : 1, longest / MIN_PART_K), MAX_PARTS);
    if (parts < 1) parts = 1;
    t->part_k = divide_up(divide_up(longest, parts), PART_UNIT) * PART_UNIT;
    t->parts = longest ? divide_up(longest, t->part_k) : 1;
    double groups = (double)(tiles * t->parts);
    double idle = groups < AT_ONCE ? AT_ONCE / (groups > 1 ? groups : 1) : 1;
    t->cost = products * of_product * idle;
    if (t->parts > 1)
        t->cost += (double)(t->parts * p->m_size * p->z_size * p->n_size) * COST_OF_SUM;
}

/* Chooses the sides of tiles. The choice depends on the shape alone. */
static Tiling choose_tiling(const Product *p, bool along_k, bool wide) {
    Tiling best = {0};
    for (size_t i = 0; i < (wide ? sizeof sides / sizeof *sides : 1); i++) {
        Tiling t = {.rows = sides[i].rows, .columns = sides[i].columns};
        weigh(&t, p, along_k ? sides[i].along_k : sides[i].across_k);
        if (!best.rows || t.cost < best.cost) best = t;
    }
    return best;
}

static bool along_inner(const Product *p, const Affine *at) {
    return p->k_count > 0 && at->factor[p->k[p->k_count - 1]] == 1;
}

bool contraction_cut(Arena *arena, Contraction *c, const PlanTarget *target) {
    const Product *p = &c->form;
    c->a_along_k = along_inner(p, &p->regions[0].at_a);
    c->b_along_k = along_inner(p, &p->regions[0].at_b);
    const Tiling tiling = choose_tiling(p, c->a_along_k, target->wide_tiles);
    Cutting t = {.arena = arena, .c = c, .part_k = tiling.part_k};
    c->rows = tiling.rows;
    c->panel = tiling.columns;
    c->parts = tiling.parts;
    c->part_rows = p->m_size * p->z_size;
    if ((double)c->parts * (double)c->part_rows * (double)p->n_size >= (double)INT32_MAX)
        return false;
    c->direct = c->parts == 1;
    const int32_t head[TILED_HEAD_WORDS] = {0, (int32_t)c->parts};
    for (int i = 0; i < TILED_HEAD_WORDS; i++)
        array_push(arena, &t.table, head[i]);
    for (int i = 0; i < p->region_count; i++)
        cut_region(&t, &p->regions[i]);
    t.table.items[TILED_TASKS] = t.table.count;
    for (int i = 0; i < t.tasks.count; i++)
        array_push(arena, &t.table, t.tasks.items[i]);
    c->tasks = t.tasks.count / TILED_TASK_WORDS;
    c->tables = t.table.items;
    c->table_count = t.table.count;
    c->hash = 1469598103934665603u;
    for (int64_t i = 0; i < c->table_count; i++)
        c->hash = (c->hash ^ (uint32_t)c->tables[i]) * 1099511628211u;
    return true;
}
