/* Makes the tables of a contraction on a target with vector registers: its blocks, tasks, row lists
 * and runs of k (contraction.h). tiled.c does so for devices with tiles, matrix.c for libraries. */
#include "compiler/plan/contraction.h"
#include "compiler/plan/whole.h"

#include <stdlib.h>
#include <string.h>

enum {
    /* The distance of b's rows, in floats, beyond which reading b in place thrashes the first-level
     * cache. That costs a twentieth of the product, as much as packing does for FEW_ROWS rows of
     * y. */
    FAR_APART = 512,
    FEW_ROWS = 512,
    /* The two bounds for narrow vectors, whose blocks do less with a row of b. Packing gains 3 to
     * 15 % beyond the first bound and loses below the second (measured). */
    FAR_APART_NARROW = 16,
    FEW_ROWS_NARROW = 96,
    /* The panels beyond which a block of rows of a is copied first. Copying gains a quarter for
     * sixteen panels and nothing for four (measured). */
    FEW_GATHERED = 3
};

/* ---- words ----------------------------------------------------------------------------------- */

typedef struct Words {
    int32_t *items;
    int64_t count;
    int64_t capacity;
} Words;

/* Appends words. Returns the position of the first. */
static int64_t add_words(Arena *arena, Words *w, const int32_t *words, int64_t count) {
    if (w->count + count > w->capacity) {
        int64_t capacity = 2 * w->capacity + count + 256;
        int32_t *items = arena_array(arena, int32_t, capacity);
        if (w->count) {
            memcpy(items, w->items, sizeof *items * (size_t)w->count);
        }
        w->items = items;
        w->capacity = capacity;
    }
    if (count) {
        memcpy(w->items + w->count, words, sizeof *words * (size_t)count);
    }
    w->count += count;
    return w->count - count;
}

static uint64_t hash_words(const int32_t *words, int64_t count) {
    uint64_t hash = 1469598103934665603u;
    for (int64_t i = 0; i < count; i++)
        hash = (hash ^ (uint32_t)words[i]) * 1099511628211u;
    return hash;
}

/* A list that was stored in the table. An equal list is not stored again. */
typedef struct Known {
    uint64_t hash;
    int64_t at;
    int64_t count;
} Known;

typedef struct Builder {
    Arena *arena;
    Contraction *c;
    Words table;
    Words list;
    ARRAY(Known) known;
    /* Entries of TAGGED_WORDS words: a task of the table, and the shard whose work it is. */
    ARRAY(int32_t) tasks;
} Builder;

enum {
    TASK_SHARD = TASK_WORDS,
    TAGGED_WORDS,
};

/* Stores the list at hand, unless an equal list is in the table. Returns its position. */
static int64_t store_list(Builder *b) {
    uint64_t hash = hash_words(b->list.items, b->list.count);
    for (int i = b->known.count - 1; i >= 0; i--) {
        const Known *k = &b->known.items[i];
        if (k->hash == hash && k->count == b->list.count &&
            memcmp(b->table.items + k->at, b->list.items, sizeof(int32_t) * (size_t)k->count) == 0)
            return k->at;
    }
    int64_t at = add_words(b->arena, &b->table, b->list.items, b->list.count);
    array_push(b->arena, &b->known, ((Known){hash, at, b->list.count}));
    return at;
}

/* ---- walking indices ------------------------------------------------------------------------- */

/* A counter over some indices of a region, the last one fastest. It keeps the offset that each of
 * two operands has at the values at hand. */
typedef struct Walk {
    int count;
    int64_t extent[GRAPH_MAX_RANK], value[GRAPH_MAX_RANK], first[GRAPH_MAX_RANK],
        second[GRAPH_MAX_RANK];
    int64_t at_first;
    int64_t at_second;
} Walk;

static Walk walk_of(const ProductRegion *r, const int *list, int count, const Affine *first,
                    const Affine *second) {
    Walk w;
    memset(&w, 0, sizeof w);
    w.count = count;
    for (int i = 0; i < count; i++) {
        w.extent[i] = r->index[list[i]].count;
        w.first[i] = first->factor[list[i]];
        w.second[i] = second->factor[list[i]];
    }
    return w;
}

static void walk_on(Walk *w) {
    for (int d = w->count - 1; d >= 0; d--) {
        w->at_first += w->first[d];
        w->at_second += w->second[d];
        if (++w->value[d] < w->extent[d]) return;
        w->at_first -= w->value[d] * w->first[d];
        w->at_second -= w->value[d] * w->second[d];
        w->value[d] = 0;
    }
}

static int64_t walk_size(const Walk *w) {
    int64_t size = 1;
    for (int d = 0; d < w->count; d++)
        size *= w->extent[d];
    return size;
}

/* Joins neighbouring indices that both operands walk without a gap, and drops indices of one
 * value. */
static void walk_merge(Walk *w) {
    int kept = 0;
    for (int d = 0; d < w->count; d++) {
        if (w->extent[d] == 1) continue;
        w->extent[kept] = w->extent[d];
        w->first[kept] = w->first[d];
        w->second[kept++] = w->second[d];
        while (kept > 1 && w->first[kept - 2] == w->extent[kept - 1] * w->first[kept - 1] &&
               w->second[kept - 2] == w->extent[kept - 1] * w->second[kept - 1]) {
            w->extent[kept - 2] *= w->extent[kept - 1];
            w->first[kept - 2] = w->first[kept - 1];
            w->second[kept - 2] = w->second[kept - 1];
            kept--;
        }
    }
    w->count = kept;
}

/* ---- where things lie ------------------------------------------------------------------------ */

/* Returns the offsets of b as the product reads it: in place, or in packed panels, whose rows are
 * all k in the order of the list. */
static Affine b_of(const Contraction *c, const ProductRegion *r) {
    if (!c->packed) return r->at_b;
    const Product *p = &c->form;
    Affine at;
    memset(&at, 0, sizeof at);
    int64_t stride = c->panel;
    for (int i = p->k_count - 1; i >= 0; i--) {
        const Progression *k = &r->index[p->k[i]];
        at.constant += stride * k->begin;
        at.factor[p->k[i]] = stride * k->step;
        stride *= graph_extent(c->node, p->k[i]);
    }
    int64_t z_stride = p->k_size * c->panel * c->panels;
    for (int i = p->z_count - 1; i >= 0; i--) {
        at.factor[p->z[i]] = z_stride;
        z_stride *= graph_extent(c->node, p->z[i]);
    }
    return at;
}

static int innermost_index(const int *list, int count) {
    return count ? list[count - 1] : -1;
}

bool contraction_columns_contiguous(const Contraction *c) {
    const Product *p = &c->form;
    return p->n_count == 1 && p->regions[0].at_b.factor[p->n[0]] == 1;
}

bool contraction_k_contiguous(const Contraction *c) {
    const Product *p = &c->form;
    int k = innermost_index(p->k, p->k_count);
    return k >= 0 && p->regions[0].at_b.factor[k] == 1 && graph_extent(c->node, k) % c->lanes == 0;
}

/* True if the elements of y along n, in the product's order, are contiguous: n is the last axis, or
 * a run of the last axes. */
static bool y_contiguous(const Contraction *c) {
    const Product *p = &c->form;
    int64_t stride = 1;
    for (int i = p->n_count - 1; i >= 0; i--) {
        if (p->regions[0].at_y.factor[p->n[i]] != stride) return false;
        stride *= graph_extent(c->node, p->n[i]);
    }
    return true;
}

/* True if b is read in place. Its columns must be contiguous, and must fill vectors or be masked.
 * Its rows must be near each other, unless packing would serve few rows of y or take more memory
 * than b. */
static bool reads_in_place(const Contraction *c) {
    const Product *p = &c->form;
    if (!contraction_columns_contiguous(c)) return false;
    if (c->lanes < MASKED_LANES && p->n_size % c->lanes != 0) return false;
    const Affine *at = &p->regions[0].at_b;
    const bool narrow = c->lanes < MASKED_LANES;
    int k = innermost_index(p->k, p->k_count);
    if (k < 0 || at->factor[k] <= (narrow ? FAR_APART_NARROW : FAR_APART) ||
        p->m_size <= (narrow ? FEW_ROWS_NARROW : FEW_ROWS))
        return true;
    /* A convolution reads each element for several taps, so a packed image is that many times
     * larger. */
    return narrow && p->z_size * p->n_size * p->k_size > graph_element_count(p->b->tensor);
}

/* True if b would be packed, yet both operands have their k side by side in whole vectors, for all
 * rows and columns alike. */
static bool sums_along_k(const Contraction *c) {
    const Product *p = &c->form;
    if (p->region_count != 1 || p->k_count != 1 || p->n_count != 1 ||
        !contraction_k_contiguous(c) || !y_contiguous(c))
        return false;
    const ProductRegion *r = &p->regions[0];
    return r->at_a.factor[p->k[0]] == 1 && r->index[p->k[0]].count == p->k_size &&
           contraction_prefers_dots(c);
}

/* ---- tasks ----------------------------------------------------------------------------------- */

/* True if the lists mark where leaves end. Sums along k count their leaves by themselves. */
static bool lists_leaves(const Contraction *c) {
    return c->leaves && !c->dots;
}

/* Marks the run listed last as the last one of its leaf. */
static void end_leaf(Builder *b) {
    int32_t *length = &b->list.items[b->list.count - 1];
    if (lists_leaves(b->c)) *length = -*length;
}

/* Makes a chunk of all runs that were listed after the first `runs`: where it begins, relative to
 * the list, and its number of runs. Returns the number of runs listed so far. */
static int64_t close_chunk(Builder *b, Words *chunks, int64_t runs) {
    int64_t listed = b->list.count / 3;
    if (listed > runs) end_leaf(b);
    add_words(b->arena, chunks, (const int32_t[2]){(int32_t)(3 * runs), (int32_t)(listed - runs)},
              2);
    return listed;
}

/* Lists the runs of a walk, whose innermost index takes `length` values `times` times, and the
 * chunks that the runs fall into. */
static void store_runs(Builder *b, Walk *w, int64_t length, int64_t times, Words *chunks) {
    const int32_t *head = b->table.items;
    const int64_t chunk = b->c->choice.chunk;
    const int64_t most = lists_leaves(b->c) && LEAF_K < chunk ? LEAF_K : chunk;
    const int64_t piece = most < length ? divide_up(length, divide_up(length, most)) : length;
    int64_t runs = 0;
    int64_t in_chunk = 0;
    int64_t in_leaf = 0;
    b->list.count = 0;
    for (int64_t i = 0; i < times; i++, walk_on(w)) {
        for (int64_t at = 0; at < length; at += piece) {
            const int64_t here = smaller(piece, length - at);
            if (in_chunk && in_chunk + here > chunk) {
                runs = close_chunk(b, chunks, runs);
                in_chunk = in_leaf = 0;
            }
            if (in_leaf && in_leaf + here > LEAF_K) {
                end_leaf(b);
                in_leaf = 0;
            }
            const int32_t run[3] = {(int32_t)(w->at_first + at * head[HEAD_A_STEP]),
                                    (int32_t)(w->at_second + at * head[HEAD_B_STEP]),
                                    (int32_t)here};
            add_words(b->arena, &b->list, run, 3);
            in_chunk += here;
            in_leaf += here;
        }
    }
    close_chunk(b, chunks, runs);
}

/* Stores the runs of one part's k, relative to its first k and none longer than a chunk. Then
 * stores the chunks, each as a number of those runs. Returns where the chunks begin. */
static int64_t store_chunks(Builder *b, const ProductRegion *r, const Affine *at_b,
                            int64_t *chunk_count) {
    const Product *p = &b->c->form;
    Walk w = walk_of(r, p->k, p->k_count, &r->at_a, at_b);
    walk_merge(&w);
    int64_t length = w.count ? w.extent[w.count - 1] : 1;
    int64_t count = walk_size(&w);
    const int32_t *head = b->table.items;
    bool steps_fit = w.count == 0 || (w.first[w.count - 1] == head[HEAD_A_STEP] &&
                                      w.second[w.count - 1] == head[HEAD_B_STEP]);
    /* A region with one value of the innermost index moves along another index, so its runs have
     * length 1. */
    if (!steps_fit)
        length = 1;
    else if (w.count)
        w.count--;
    Words chunks = {0};
    store_runs(b, &w, length, count / (length ? length : 1), &chunks);
    int64_t runs_at = store_list(b);
    for (int64_t i = 0; i < chunks.count; i += 2)
        chunks.items[i] += (int32_t)runs_at;
    *chunk_count = chunks.count / 2;
    b->list.count = 0;
    add_words(b->arena, &b->list, chunks.items, chunks.count);
    return store_list(b);
}

/* Stores the walk's next `count` rows, relative to the first. The last row is repeated until the
 * last block is full. */
static int64_t store_rows(Builder *b, Walk *w, int64_t count, int64_t y_step) {
    int64_t first_a = w->at_first;
    int64_t first_y = w->at_second;
    int32_t row[2] = {0, 0};
    b->list.count = 0;
    for (int64_t i = 0; i < round_up(count, b->c->rows); i++) {
        if (i < count) {
            row[0] = (int32_t)(w->at_first - first_a);
            row[1] = (int32_t)(y_step ? i * y_step : w->at_second - first_y);
            walk_on(w);
        }
        add_words(b->arena, &b->list, row, 2);
    }
    return store_list(b);
}

/* A cut of a region's rows into tasks. A task is a range of one index, with whole turns of the
 * indices inside it, so that the tasks' relative lists are equal. */
typedef struct Cut {
    int64_t inside, extent, turns; /* the rows of one turn; the turns in all, and in a task */
} Cut;

/* Cuts the rows of a walk so that a task has about as many as the choice says. */
static Cut cut_rows(const Contraction *c, const Walk *m) {
    Cut cut = {1, 1, 1};
    for (int d = m->count - 1; d >= 0; d--) {
        cut.extent = m->extent[d];
        if (cut.inside * cut.extent > c->choice.task_rows + c->choice.task_rows / 4) {
            int64_t turns = cut.inside == 1 ? round_up(c->choice.task_rows, c->rows)
                                            : c->choice.task_rows / cut.inside;
            if (turns < 1) turns = 1;
            cut.turns = divide_up(cut.extent, divide_up(cut.extent, turns));
            if (cut.inside == 1) {
                cut.turns = round_up(cut.turns, c->rows);
            }
            return cut;
        }
        cut.inside *= cut.extent;
    }
    cut.extent = 1;
    return cut;
}

typedef struct Place {
    int64_t a;
    int64_t b;
    int64_t y;
} Place;

static void add_task(Builder *b, Place at, int64_t rows_at, int64_t rows, int64_t chunks_at,
                     int64_t chunks, int64_t panel_begin, int64_t panel_end, int64_t shard) {
    const int64_t task[TAGGED_WORDS] = {at.a,      at.b,   at.y,        rows_at,   rows,
                                        chunks_at, chunks, panel_begin, panel_end, shard};
    for (int i = 0; i < TAGGED_WORDS; i++)
        array_push(b->arena, &b->tasks, (int32_t)task[i]);
}

/* Adds the tasks of one z of one region, for one range of k. `r` has that range alone, and `at` is
 * where its first element lies. */
static void add_region_tasks(Builder *b, const ProductRegion *r, const Affine *at_b, Place at,
                             int64_t shard) {
    const Contraction *c = b->c;
    const Product *p = &c->form;
    int64_t chunks;
    int64_t chunks_at = store_chunks(b, r, at_b, &chunks);
    int64_t together = c->choice.task_panels;
    Walk m = walk_of(r, p->m, p->m_count, &r->at_a, &r->at_y);
    Walk part = m;
    int64_t rows = walk_size(&m);
    int64_t turn = 0;
    /* A shard is a range of the rows. No task has rows of two shards. */
    const bool by_rows = c->shards && !p->z_count;
    if (by_rows) part.extent[0] /= c->shards;
    Cut cut = cut_rows(c, &part);
    for (int64_t first = 0, here; first < rows; first += here) {
        here = smaller(cut.turns, cut.extent - turn) * cut.inside;
        turn = (turn + cut.turns) >= cut.extent ? 0 : turn + cut.turns;
        Place place = {at.a + m.at_first, at.b,
                       c->direct ? at.y + m.at_second : at.y + first * p->n_size};
        int64_t rows_at = store_rows(b, &m, here, c->direct ? 0 : p->n_size);
        for (int64_t panel = 0; panel < c->panels; panel += together)
            add_task(b, place, rows_at, here, chunks_at, chunks, panel,
                     smaller(panel + together, c->panels),
                     by_rows ? first * c->shards / rows : shard);
    }
}

/* Adds the tasks of one part of k, which has `step` values of the split index, for all z and
 * regions. */
static void add_part_tasks(Builder *b, int64_t part, int64_t step) {
    const Contraction *c = b->c;
    const Product *p = &c->form;
    /* `ahead` counts the rows, at one z, of the regions before the one at hand. */
    int64_t row = 0;
    int64_t ahead = 0;
    int index = contraction_split_index(c);
    for (int i = 0; i < p->region_count; i++) {
        ProductRegion r = p->regions[i];
        Affine at_b = b_of(c, &r);
        Walk z = walk_of(&r, p->z, p->z_count, &r.at_a, &at_b);
        Walk z_of_y = walk_of(&r, p->z, p->z_count, &r.at_y, &r.at_y);
        int64_t first = 0;
        if (c->parts > 1 && r.index[index].count) {
            first = part * step;
            r.index[index].count = smaller(step, r.index[index].count - first);
        }
        for (int64_t k = 0; k < walk_size(&z); k++) {
            if (contraction_goes_by_z(c)) {
                row = k * (c->part_rows / p->z_size) + ahead;
            }
            Place at = {r.at_a.constant + z.at_first +
                            (index < 0 ? 0 : first * r.at_a.factor[index]),
                        at_b.constant + z.at_second + (index < 0 ? 0 : first * at_b.factor[index]),
                        c->direct ? r.at_y.constant + z_of_y.at_first
                                  : (part * c->part_rows + row) * p->n_size};
            add_region_tasks(b, &r, &at_b, at, c->shards ? k * c->shards / walk_size(&z) : 0);
            row += contraction_region_rows(p, &r);
            walk_on(&z);
            walk_on(&z_of_y);
        }
        ahead += contraction_region_rows(p, &r);
    }
}

/* Orders tasks by their shard, and then by where they begin in a. Data that several regions read,
 * as in a strided convolution, are then still in a cache. The other members break ties, so that the
 * order is total. */
static int by_place(const void *first, const void *second) {
    const int32_t *x = first;
    const int32_t *y = second;
    if (x[TASK_SHARD] != y[TASK_SHARD]) return x[TASK_SHARD] < y[TASK_SHARD] ? -1 : 1;
    for (int i = TASK_A; i < TASK_WORDS; i++)
        if (x[i] != y[i]) return x[i] < y[i] ? -1 : 1;
    return 0;
}

/* ---- tables ---------------------------------------------------------------------------------- */

/* Sets how far a and b move from one k to the next within a run: along the innermost index, in the
 * largest region. */
static void set_steps(Contraction *c, int32_t *head) {
    const Product *p = &c->form;
    const ProductRegion *widest = &p->regions[0];
    for (int i = 0; i < p->region_count; i++) {
        bool wider = false;
        for (int k = 0; k < p->k_count; k++)
            wider |= p->regions[i].index[p->k[k]].count > widest->index[p->k[k]].count;
        if (wider) widest = &p->regions[i];
    }
    Affine at_b = b_of(c, widest);
    Walk w = walk_of(widest, p->k, p->k_count, &widest->at_a, &at_b);
    walk_merge(&w);
    head[HEAD_A_STEP] = (int32_t)(w.count ? w.first[w.count - 1] : 1);
    head[HEAD_B_STEP] = (int32_t)(w.count ? w.second[w.count - 1] : c->panel);
    head[HEAD_COLUMN_STEP] = (int32_t)(c->dots ? p->regions[0].at_b.factor[p->n[0]] : 1);
    head[HEAD_PANEL_STEP] = (int32_t)(c->packed ? p->k_size * c->panel : c->panel);
    head[HEAD_COLUMNS] = (int32_t)p->n_size;
    head[HEAD_PANELS] = (int32_t)c->panels;
    head[HEAD_K] = (int32_t)p->k_size;
    head[HEAD_PARTS] = (int32_t)c->parts;
    head[HEAD_PART_ROWS] = (int32_t)c->part_rows;
}

/* Stores the offsets for all values of the listed indices, the last one repeated up to `padded`
 * entries. Returns the position of the first. */
static int64_t store_offsets(Builder *b, const ProductRegion *r, const int *list, int count,
                             const Affine *at, int64_t padded, int64_t base) {
    Walk w = walk_of(r, list, count, at, at);
    int64_t size = walk_size(&w);
    b->list.count = 0;
    int32_t last = 0;
    for (int64_t i = 0; i < padded; i++) {
        if (i < size) last = (int32_t)(base + w.at_first);
        if (i < size) walk_on(&w);
        add_words(b->arena, &b->list, &last, 1);
    }
    return add_words(b->arena, &b->table, b->list.items, b->list.count);
}

static void set_head(Builder *b, ContractionHead word, int64_t at) {
    b->table.items[word] = (int32_t)at;
}

/* Stores where b's elements lie for each k, n and z, for the kernel that packs b. */
static void store_pack_offsets(Builder *b) {
    Contraction *c = b->c;
    const Product *p = &c->form;
    /* b's strides are the same in all regions, but a region's progression may take several steps at
     * once. Dividing by its step gives the stride back. */
    ProductRegion whole = p->regions[0];
    for (int i = 0; i < c->node->rank + c->node->red_rank; i++) {
        int64_t step = whole.index[i].step;
        if (step > 1) whole.at_b.factor[i] /= step;
        whole.index[i] = (Progression){0, 1, graph_extent(c->node, i)};
    }
    set_head(b, HEAD_B_OF_K, store_offsets(b, &whole, p->k, p->k_count, &whole.at_b, p->k_size, 0));
    set_head(b, HEAD_B_OF_N,
             store_offsets(b, &whole, p->n, p->n_count, &whole.at_b, c->panels * c->panel, 0));
    set_head(b, HEAD_B_OF_Z,
             store_offsets(b, &whole, p->z, p->z_count, &whole.at_b, p->z_size, c->b_base));
}

/* Lists the offsets in y of a region's rows, at one z. */
static void list_rows_of_y(Builder *b, const ProductRegion *r, int64_t at_z) {
    const Product *p = &b->c->form;
    Walk m = walk_of(r, p->m, p->m_count, &r->at_y, &r->at_y);
    for (int64_t row = 0; row < walk_size(&m); row++, walk_on(&m)) {
        int32_t at = (int32_t)(r->at_y.constant + at_z + m.at_first);
        add_words(b->arena, &b->list, &at, 1);
    }
}

/* Lists the offsets in y of a part's rows, in the order in which the tasks write these rows. */
static void store_gather_offsets(Builder *b) {
    Contraction *c = b->c;
    const Product *p = &c->form;
    const int64_t rounds = contraction_goes_by_z(c) ? p->z_size : 1;
    b->list.count = 0;
    for (int64_t round = 0; round < rounds; round++) {
        for (int i = 0; i < p->region_count; i++) {
            const ProductRegion *r = &p->regions[i];
            Walk z = walk_of(r, p->z, p->z_count, &r->at_y, &r->at_y);
            for (int64_t k = 0; k < walk_size(&z); k++, walk_on(&z))
                if (rounds == 1 || k == round) list_rows_of_y(b, r, z.at_first);
        }
    }
    set_head(b, HEAD_Y_OF_ROW, add_words(b->arena, &b->table, b->list.items, b->list.count));
    set_head(b, HEAD_Y_OF_N,
             store_offsets(b, &p->regions[0], p->n, p->n_count, &p->regions[0].at_y,
                           round_up(p->n_size, c->lanes), 0));
}

/* Returns the number of values that the split index takes in one part. */
static int64_t part_extent(const Contraction *c) {
    int index = contraction_split_index(c);
    return index < 0 ? 1 : divide_up(graph_extent(c->node, index), c->parts);
}

/* True if each shard has as many tasks as any other, one shard after the other. */
static bool are_equal_runs(const Builder *b) {
    const Contraction *c = b->c;
    if (!c->shards || c->tasks % c->shards) return false;
    for (int64_t i = 0; i < c->tasks; i++)
        if (b->tasks.items[i * TAGGED_WORDS + TASK_SHARD] != i / (c->tasks / c->shards))
            return false;
    return true;
}

/* Makes the table: its head, the lists, the tasks in order, and the offsets for packing and for
 * adding parts. */
static void make_tables(Arena *arena, Contraction *c) {
    Builder b = {.arena = arena, .c = c};
    int32_t head[HEAD_COUNT] = {0};
    set_steps(c, head);
    add_words(arena, &b.table, head, HEAD_COUNT);
    for (int64_t part = 0; part < c->parts; part++)
        add_part_tasks(&b, part, part_extent(c));
    c->tasks = b.tasks.count / TAGGED_WORDS;
    if (c->form.region_count > 1)
        qsort(b.tasks.items, (size_t)c->tasks, TAGGED_WORDS * sizeof *b.tasks.items, by_place);
    if (!are_equal_runs(&b)) c->shards = 0;
    set_head(&b, HEAD_TASKS, b.table.count);
    for (int64_t i = 0; i < c->tasks; i++)
        add_words(arena, &b.table, b.tasks.items + i * TAGGED_WORDS, TASK_WORDS);
    if (c->packed) store_pack_offsets(&b);
    if (!c->direct) store_gather_offsets(&b);
    c->tables = b.table.items;
    c->table_count = b.table.count;
    const int32_t block[] = {(int32_t)c->rows, (int32_t)c->panel, c->packed, c->dots, c->direct};
    c->hash = hash_words(c->tables, c->table_count) ^ 31 * hash_words(block, 5);
}

/* ---- the whole ------------------------------------------------------------------------------- */

static bool addressable(double count) {
    return count < (double)INT32_MAX;
}

/* True if b can be packed once for all regions. Packing reads b at every k, n and z, so strides and
 * start must be the same in all regions. Sets the start, b_base. */
static bool can_pack(Contraction *c) {
    const Product *p = &c->form;
    bool known = false;
    for (int r = 0; r < p->region_count; r++) {
        const ProductRegion *region = &p->regions[r];
        int64_t start = region->at_b.constant;
        bool empty = false;
        for (int i = 0; i < p->k_count; i++) {
            const Progression *k = &region->index[p->k[i]];
            empty |= k->count == 0;
            if (region->at_b.factor[p->k[i]] % k->step) return false;
            start -= k->begin * (region->at_b.factor[p->k[i]] / k->step);
        }
        if (empty) continue;
        if (known && start != c->b_base) return false;
        known = true;
        c->b_base = start;
    }
    return true;
}

/* Makes the contraction for a target with tiles: a product for a library if one may do it, else
 * tiles. Returns NULL if the arrays are too large to index. */
static Contraction *for_tiles(Arena *arena, Contraction *c, const PlanTarget *target,
                              int64_t shards) {
    const Product *p = &c->form;
    if (contraction_leads(c, shards)) c->shards = shards;
    if (!addressable((double)graph_element_count(p->a->tensor)) ||
        !addressable((double)graph_element_count(p->b->tensor)))
        return NULL;
    MatrixProduct plain;
    c->leaves = p->k_size > LONG_K;
    /* A library adds a sum term by term, so it gets short sums only, and in another order for
     * another number of rows, so it gets no rows that are cut among ranks. */
    if (target->has_products && !c->shards && p->k_size <= LEAF_K &&
        matrix_product(c->node, p, &plain)) {
        c->plain = memcpy(arena_alloc(arena, sizeof plain), &plain, sizeof plain);
        c->parts = c->tasks = 1;
        return c;
    }
    return contraction_cut(arena, c, target) ? c : NULL;
}

/* True if the block is one of today's shapes. A file of choices may be of another version. */
static bool is_known(const Contraction *c, ContractionBlock block) {
    int count;
    const ContractionBlock *shapes = contraction_shapes(c->lanes, &count);
    for (int i = 0; i < count; i++)
        if (shapes[i].rows == block.rows && shapes[i].vectors == block.vectors) return true;
    return false;
}

/* True if blocks of rows of a are copied first. A narrow target's blocks have few rows. Each panel
 * would fetch a cache line for every k of them again, and many of these lines share one set of the
 * first-level cache. */
static bool gathers_a(const Contraction *c) {
    return c->lanes < MASKED_LANES && !c->dots && contraction_strides_a(c) &&
           c->choice.task_panels >= FEW_GATHERED;
}

/* Sets the members of the contraction that follow from its choice. */
static void take_choice(Contraction *c) {
    const Product *p = &c->form;
    c->rows = c->choice.block.rows;
    c->panel = c->dots ? DOT_COLUMNS : c->choice.block.vectors * c->lanes;
    c->panels = divide_up(p->n_size, c->panel);
    c->masked = p->n_size % c->panel != 0;
    c->last_vectors = (int)divide_up(c->masked ? p->n_size % c->panel : c->panel, c->lanes);
    c->gathered = gathers_a(c);
    c->leaves = p->k_size > (c->dots ? DOT_LEAF * c->lanes : LEAF_K);
    c->ahead = contraction_strides_a(c) && !c->gathered;
    c->rows_ahead = !c->dots && !c->gathered && !c->ahead && contraction_misses_a(c);
    int index = contraction_split_index(c);
    int64_t extent = index < 0 ? 1 : graph_extent(c->node, index);
    int64_t parts = smaller(c->choice.parts, extent);
    c->parts = divide_up(extent, divide_up(extent, parts));
}

bool contraction_goes_by_z(const Contraction *c) {
    return c->shards && c->form.z_count == 1;
}

bool contraction_leads(const Contraction *c, int64_t shards) {
    const Product *p = &c->form;
    const int first = p->z_count ? p->z[0] : p->m_count ? p->m[0] : -1;
    if (shards < 2 || first != 0 || c->node->shape[0] % shards) return false;
    for (int i = 0; i < p->region_count; i++) {
        const Progression *values = &p->regions[i].index[0];
        if (values->begin != 0 || values->step != 1 || values->count != c->node->shape[0])
            return false;
    }
    return true;
}

Contraction *contraction_of(Arena *arena, const GNode *node, const PlanTarget *target,
                            int64_t shards) {
    Contraction *c = arena_new_of(arena, Contraction);
    Product *p = &c->form;
    if (!product_of(arena, node, p)) return NULL;
    c->node = node;
    if (!target->lanes) return for_tiles(arena, c, target, shards);
    c->lanes = target->lanes;
    c->packed = !reads_in_place(c);
    c->dots = c->packed && sums_along_k(c);
    if (c->dots) c->packed = false;
    if (c->packed && !can_pack(c)) return NULL;
    /* With shards k is not split, because parts of k, one after the other, would separate the
     * shards. */
    if (contraction_leads(c, shards)) c->shards = shards;
    const ContractionChoice *measured = tuning_find(target->tuning, contraction_key(c));
    if (measured && !c->dots && is_known(c, measured->block) &&
        (!c->shards || measured->parts == 1))
        c->choice = *measured;
    else
        contraction_choose(c);
    take_choice(c);
    c->direct = y_contiguous(c) && c->parts == 1;
    c->part_rows = p->m_size * p->z_size;
    double largest = (double)graph_element_count(node) * (double)c->parts;
    double packed = (double)(p->z_size * c->panels) * (double)(p->k_size * c->panel);
    if (!addressable(largest) || !addressable((double)graph_element_count(p->a->tensor)) ||
        !addressable((double)graph_element_count(p->b->tensor)) || !addressable(packed))
        return NULL;
    make_tables(arena, c);
    return c;
}

int64_t contraction_pack_count(const Contraction *c) {
    return c->packed ? c->form.z_size * c->panels * c->form.k_size * c->panel : 0;
}
int64_t contraction_part_count(const Contraction *c) {
    return c->direct ? 0
                     : c->parts * c->part_rows * c->form.n_size +
                           c->lanes /* the last vector reads past the end */;
}
int64_t contraction_pack_tiles(const Contraction *c) {
    return c->form.z_size * c->panels * divide_up(c->form.k_size, PACK_ROWS);
}

int64_t contraction_totals(const Contraction *c) {
    if (!c->leaves) return 0;
    return c->dots ? 2 * c->rows * DOT_COLUMNS * c->lanes : c->rows * c->panel;
}

static int64_t gathered_count(const Contraction *c) {
    if (!c->gathered) return 0;
    int index = contraction_split_index(c);
    int64_t k =
        index < 0 ? c->form.k_size : c->form.k_size / graph_extent(c->node, index) * part_extent(c);
    return smaller(c->choice.chunk, k) * c->rows;
}

int64_t contraction_scratch(const Contraction *c) {
    return (contraction_totals(c) + gathered_count(c)) * (int64_t)sizeof(float);
}

int64_t contraction_gather_tiles(const Contraction *c) {
    return divide_up(c->part_rows, GATHER_ROWS);
}
