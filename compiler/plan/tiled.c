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

/* The lengths of a region's lists, and where they begin in the table. */
typedef struct Lists {
    int64_t rows, columns, inner, depth;
    int64_t of_rows, of_columns, of_inner, in_of_depth, out_of_depth;
} Lists;

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

static Lists add_lists(Cutting *t, const ProductRegion *r) {
    const Product *p = &t->c->form;
    Lists l = {.rows = size_of(r, p->m, p->m_count),
               .columns = size_of(r, p->n, p->n_count),
               .inner = size_of(r, p->k, p->k_count),
               .depth = size_of(r, p->z, p->z_count)};
    l.of_rows = add_pairs(t, r, p->m, p->m_count, &r->at_a, &r->at_y);
    l.of_columns = add_pairs(t, r, p->n, p->n_count, &r->at_b, &r->at_y);
    l.of_inner = add_pairs(t, r, p->k, p->k_count, &r->at_a, &r->at_b);
    l.in_of_depth = add_pairs(t, r, p->z, p->z_count, &r->at_a, &r->at_b);
    l.out_of_depth = add_pairs(t, r, p->z, p->z_count, &r->at_y, &r->at_y);
    return l;
}

/* Stores the tiles of a block of rows, side by side. */
static void cut_rows(Cutting *t, const ProductRegion *r, const Lists *l, int64_t part, int64_t z,
                     int64_t row, int64_t end) {
    const Contraction *c = t->c;
    const int64_t begin = smaller(part * t->part_k, l->inner),
                  here = smaller(t->part_k, l->inner - begin),
                  part_size = c->part_rows * c->form.n_size;
    const int32_t *in = t->table.items + l->in_of_depth + 2 * z,
                  *out = t->table.items + l->out_of_depth + 2 * z;
    for (int64_t n = 0; n < l->columns; n += c->panel) {
        const int64_t task[TILED_TASK_WORDS] = {r->at_a.constant + in[0],
                                                r->at_b.constant + in[1],
                                                r->at_y.constant + out[0] + part * part_size,
                                                l->of_rows + 2 * row,
                                                smaller(c->rows, end - row),
                                                l->of_columns + 2 * n,
                                                smaller(c->panel, l->columns - n),
                                                l->of_inner + 2 * begin,
                                                here};
        for (int i = 0; i < TILED_TASK_WORDS; i++)
            array_push(t->arena, &t->tasks, (int32_t)task[i]);
    }
}

/* Stores the tiles of one shard of a region; without shards there is one. A shard has values of z
 * of its own, or rows, since the first index of y comes first among them. All z and parts share the
 * lists of rows. */
static void cut_region(Cutting *t, const ProductRegion *r, const Lists *l, int64_t shard) {
    const int64_t shards = t->c->shards ? t->c->shards : 1;
    const bool by_z = t->c->form.z_count > 0;
    const int64_t depths = by_z ? l->depth / shards : l->depth,
                  rows = by_z ? l->rows : l->rows / shards, z0 = by_z ? shard * depths : 0,
                  m0 = by_z ? 0 : shard * rows;
    for (int64_t part = 0; part < t->c->parts; part++)
        for (int64_t z = z0; z < z0 + depths; z++)
            for (int64_t m = m0; m < m0 + rows; m += t->c->rows)
                cut_rows(t, r, l, part, z, m, m0 + rows);
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

/* Returns the number of tiles of a region. No tile has rows of two shards. */
static int64_t tiles_of(const Product *p, const ProductRegion *r, int64_t shards, const Tiling *t) {
    const int64_t cuts = shards && !p->z_count ? shards : 1;
    return size_of(r, p->z, p->z_count) *
           (cuts * divide_up(size_of(r, p->m, p->m_count) / cuts, t->rows)) *
           divide_up(size_of(r, p->n, p->n_count), t->columns);
}

/* Chooses the number of ranges of k. Also estimates the time of all tiles, in products of the
 * smallest tile. */
static void weigh(Tiling *t, const Product *p, int64_t shards, double of_product) {
    int64_t tiles = 0;
    int64_t longest = 0;
    double products = 0;
    for (int i = 0; i < p->region_count; i++) {
        const ProductRegion *r = &p->regions[i];
        int64_t inner = size_of(r, p->k, p->k_count);
        int64_t here = tiles_of(p, r, shards, t);
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
static Tiling choose_tiling(const Product *p, int64_t shards, bool along_k, bool wide) {
    Tiling best = {0};
    for (size_t i = 0; i < (wide ? sizeof sides / sizeof *sides : 1); i++) {
        Tiling t = {.rows = sides[i].rows, .columns = sides[i].columns};
        weigh(&t, p, shards, along_k ? sides[i].along_k : sides[i].across_k);
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
    const Tiling tiling = choose_tiling(p, c->shards, c->a_along_k, target->wide_tiles);
    Cutting t = {.arena = arena, .c = c, .part_k = tiling.part_k};
    c->rows = tiling.rows;
    c->panel = tiling.columns;
    c->parts = tiling.parts;
    c->part_rows = p->m_size * p->z_size;
    if ((double)c->parts * (double)c->part_rows * (double)p->n_size >= (double)INT32_MAX)
        return false;
    c->direct = c->parts == 1;
    const int32_t head[TILED_HEAD_WORDS] = {0, (int32_t)c->parts,
                                            (int32_t)(c->part_rows * p->n_size)};
    for (int i = 0; i < TILED_HEAD_WORDS; i++)
        array_push(arena, &t.table, head[i]);
    Lists *lists = arena_array(arena, Lists, p->region_count + 1);
    for (int i = 0; i < p->region_count; i++)
        lists[i] = add_lists(&t, &p->regions[i]);
    for (int64_t shard = 0; shard < (c->shards ? c->shards : 1); shard++)
        for (int i = 0; i < p->region_count; i++)
            cut_region(&t, &p->regions[i], &lists[i], shard);
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
