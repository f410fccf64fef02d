/* Chooses how a contraction is cut: the block of sums in registers, the ranges of k, and the rows
 * and panels of a task. A small model of costs decides, whose constants were measured. Where
 * `couplet tune` has measured a contraction, its choice replaces that of the model (tuning.h). */
#include "compiler/plan/contraction.h"
#include "compiler/plan/whole.h"

#include <stdlib.h>

enum {
    ENOUGH_TASKS = 24, /* tasks that keep a few threads busy */
    MOST_TASK_ROWS = 192,
    FEWEST_BLOCKS = 3, /* the fewest blocks in a task */
    /* The floats of a and b in one part of k. So many stay in the second-level cache while all
     * regions use them. */
    PART_FLOATS = 128 * 1024,
    MAX_PARTS = 64,
    MIN_PART_K = 64,
    /* The longest part of k that is chosen where the parts take no more memory than the
     * operands. */
    LONGEST_PART = 4096,
    SMALLEST_TRIED = 8,        /* the fewest sums in a block that is tried */
    CACHE_FLOATS = 256 * 1024, /* the floats that a second-level cache holds */
    /* The floats of a task's panels for one chunk of k: a quarter of the second-level cache. */
    PANEL_FLOATS = 64 * 1024,
    /* With fewer panels than this in a task, the rows of a are read too often. */
    FEW_PANELS = 2,
    /* The chunk of k if so few panels do not fit into the cache with all of k. */
    CHUNK = 512,
    STRIDED_CHUNK = 256, /* the chunk of k if each k of a lies in another cache line */
    LINE_FLOATS = 16,
    JOIN_COST = 32, /* the cost of adding the lanes of a sum, in multiply-adds */
    PACK_COST = 16, /* the cost of copying a float into a panel, in multiply-adds */
    /* The most floats of a with which dots pay, since a is read again for each panel. */
    DOT_FLOATS = 128 * 1024
};

/* Costs in multiply-adds: reading a float from the third-level cache, and writing and adding a
 * float of a part. UNEVEN is the number of tasks' worth of time that threads wait for the last. */
static const double FLOAT_COST = 2, PART_COST = 8, UNEVEN = 2;

/* ---- the block ------------------------------------------------------------------------------- */

/* The shapes of blocks. Large ones reach the peak of the multiply-add units on 32 vector registers
 * (the narrow ones on 16). Small ones serve thin sides. */
static const ContractionBlock wide_shapes[] = {{6, 4}, {8, 3}, {9, 2}, {8, 2}, {14, 1},
                                               {8, 1}, {4, 2}, {2, 2}, {1, 2}},
                              narrow_shapes[] = {{4, 2}, {6, 2}, {8, 1}, {2, 2}, {1, 2}};

const ContractionBlock *contraction_shapes(int64_t lanes, int *count) {
    bool wide = lanes == 16;
    *count = (int)(wide ? sizeof wide_shapes / sizeof *wide_shapes
                        : sizeof narrow_shapes / sizeof *narrow_shapes);
    return wide ? wide_shapes : narrow_shapes;
}

/* Estimates the relative time of a multiply-add in a block of this shape. Loads beside the sums
 * have measured costs. Few sums wait for each other: narrow vectors have two units of four cycles
 * each, and eight sums leave them no slack (1.2 times the time of twelve, measured). */
static double shape_price(const Contraction *c, ContractionBlock s) {
    double loads = 1 + 0.12 / s.vectors + 0.2 / s.rows;
    double latency = (c->lanes >= MASKED_LANES ? 4.0 : 10.5) / (s.rows * s.vectors);
    return loads > latency ? loads : latency;
}

int64_t contraction_region_rows(const Product *p, const ProductRegion *r) {
    int64_t rows = 1;
    for (int i = 0; i < p->m_count; i++)
        rows *= r->index[p->m[i]].count;
    return rows;
}

/* Returns the rows that are computed for `rows` rows of a region, since the last block of each task
 * is filled up. */
static double padded_rows(int64_t rows, int64_t block) {
    int64_t task = smaller(rows, MOST_TASK_ROWS);
    return task ? (double)round_up(task, block) * (double)rows / (double)task : 0;
}

/* Returns the columns of a row of blocks, each times the price of its block. The last panel has
 * only as many vectors as it needs. */
static double priced_columns(const Contraction *c, ContractionBlock shape) {
    int64_t panel = shape.vectors * c->lanes;
    int64_t left = c->form.n_size % panel;
    ContractionBlock last = {shape.rows, (int)divide_up(left, c->lanes)};
    return (double)(c->form.n_size - left) * shape_price(c, shape) +
           (left ? (double)(last.vectors * c->lanes) * shape_price(c, last) : 0);
}

/* Chooses the block whose shape costs least, with the rows and columns that it fills up in vain. */
static void choose_block(Contraction *c) {
    const Product *p = &c->form;
    int count;
    const ContractionBlock *shapes = contraction_shapes(c->lanes, &count);
    double best = 0;
    for (int i = 0; i < count; i++) {
        double rows = 0;
        for (int r = 0; r < p->region_count; r++)
            rows += padded_rows(contraction_region_rows(p, &p->regions[r]), shapes[i].rows);
        double cost = priced_columns(c, shapes[i]) * rows;
        if (best > 0 && cost >= best) continue;
        best = cost;
        c->choice.block = shapes[i];
    }
}

/* ---- splitting k ----------------------------------------------------------------------------- */

int contraction_split_index(const Contraction *c) {
    const Product *p = &c->form;
    for (int i = 0; i < p->k_count; i++) {
        bool whole = true;
        for (int r = 0; r < p->region_count; r++)
            whole &= p->regions[r].index[p->k[i]].count == graph_extent(c->node, p->k[i]);
        if (whole && graph_extent(c->node, p->k[i]) > 1) return p->k[i];
    }
    return -1;
}

/* Returns the floats of a and b that all regions read, one region after the other, if k is not
 * split. */
static double read_by_regions(const Contraction *c) {
    const Product *p = &c->form;
    double floats = 0;
    for (int i = 0; i < p->region_count; i++) {
        double k = 1;
        double m = (double)contraction_region_rows(p, &p->regions[i]);
        for (int d = 0; d < p->k_count; d++)
            k *= (double)p->regions[i].index[p->k[d]].count;
        double a = m * k * (double)p->z_size;
        double all_of_a = (double)graph_element_count(p->a->tensor);
        floats += (a < all_of_a ? a : all_of_a) + (double)(p->n_size * p->z_size) * k;
    }
    return floats;
}

/* Returns the parts of k for which the regions find a and b in the cache when they read them again.
 * If writing and adding the parts costs more than that saves, there is one part. */
static int64_t fewest_parts(const Contraction *c) {
    const Product *p = &c->form;
    double outputs = (double)(p->m_size * p->n_size) * (double)p->z_size;
    double read =
        (double)graph_element_count(p->a->tensor) + (double)graph_element_count(p->b->tensor);
    double again = read_by_regions(c) - read;
    int64_t parts = read > 16 * PART_FLOATS ? (int64_t)(read / PART_FLOATS) + 1 : 1;
    while (parts > 1 && 2 * (double)parts * outputs > again)
        parts /= 2;
    return parts;
}

/* Returns the parts of k that keep each of them within LONGEST_PART. If these parts take more
 * memory than the operands, there is one part. */
static int64_t parts_of_long_sums(const Contraction *c) {
    const Product *p = &c->form;
    double outputs = (double)(p->m_size * p->n_size) * (double)p->z_size;
    double read =
        (double)graph_element_count(p->a->tensor) + (double)graph_element_count(p->b->tensor);
    int64_t parts = divide_up(p->k_size, LONGEST_PART);
    return (double)parts * outputs <= read ? parts : 1;
}

/* ---- tasks ----------------------------------------------------------------------------------- */

static int64_t row_tasks(const Contraction *c, int64_t rows) {
    int64_t tasks = 0;
    for (int i = 0; i < c->form.region_count; i++)
        tasks += divide_up(contraction_region_rows(&c->form, &c->form.regions[i]), rows);
    return c->choice.parts * c->form.z_size * tasks;
}

/* Gives the distance in a from one k to the next: the step of the innermost index of k with more
 * than one value. */
static int64_t step_in_a(const Product *p) {
    for (int i = p->k_count - 1; i >= 0; i--)
        if (p->regions[0].index[p->k[i]].count > 1) return p->regions[0].at_a.factor[p->k[i]];
    return 1;
}

bool contraction_strides_a(const Contraction *c) {
    return llabs(step_in_a(&c->form)) >= LINE_FLOATS;
}

bool contraction_misses_a(const Contraction *c) {
    return graph_element_count(c->form.a->tensor) > CACHE_FLOATS;
}

/* Chooses the chunk of k. If the rows of a lie side by side, each k is another cache line, which
 * the next block wants too. With few k at a time, the line is still in the cache then. */
static int64_t choose_chunk(const Contraction *c) {
    int64_t k = divide_up(c->form.k_size, c->choice.parts);
    int64_t panel = c->choice.block.vectors * c->lanes;
    int64_t few = smaller(FEW_PANELS, divide_up(c->form.n_size, panel));
    if (contraction_strides_a(c)) return k > STRIDED_CHUNK ? STRIDED_CHUNK : c->form.k_size;
    return k > CHUNK && few * panel * k > PANEL_FLOATS ? CHUNK : c->form.k_size;
}

/* Makes tasks large, unless there would be too few for the threads. Then a task gets fewer rows
 * first, and then fewer panels. All panels of a task stay in the cache while its rows pass by. */
static void choose_tasks(Contraction *c) {
    ContractionChoice *choice = &c->choice;
    int64_t fewest = FEWEST_BLOCKS * choice->block.rows;
    int64_t panel = choice->block.vectors * c->lanes;
    int64_t panels = divide_up(c->form.n_size, panel);
    choice->task_rows = MOST_TASK_ROWS;
    while (choice->task_rows > fewest && row_tasks(c, choice->task_rows) * panels < ENOUGH_TASKS)
        choice->task_rows -= choice->block.rows;
    int64_t tasks = row_tasks(c, choice->task_rows);
    int64_t wanted = tasks >= ENOUGH_TASKS ? 1 : divide_up(ENOUGH_TASKS, tasks);
    int64_t together = smaller(choice->chunk, divide_up(c->form.k_size, choice->parts));
    int64_t most = PANEL_FLOATS / (together * panel);
    if (most < 1) most = 1;
    if (wanted * most < panels) wanted = divide_up(panels, most);
    choice->task_panels = divide_up(panels, smaller(wanted, panels));
}

/* Returns the cost of all tasks in multiply-adds. It has three parts: the arithmetic, the waiting
 * when few tasks are shared unevenly, and the reads and writes beyond the second-level cache. */
static double cost_of_tasks(const Contraction *c) {
    const Product *p = &c->form;
    const ContractionChoice *choice = &c->choice;
    double panels = (double)divide_up(p->n_size, choice->block.vectors * c->lanes);
    double groups = (double)divide_up((int64_t)panels, choice->task_panels);
    double k = (double)p->k_size;
    double rows = 0;
    double turns = 0;
    for (int i = 0; i < p->region_count; i++) {
        int64_t here = contraction_region_rows(p, &p->regions[i]);
        rows += (double)here;
        turns += (double)divide_up(here, choice->task_rows);
    }
    double z = (double)p->z_size;
    double tasks = (double)choice->parts * z * turns * groups;
    double read = z * k * (rows * groups + (double)p->n_size * turns);
    double written = z * (double)p->m_size * (double)p->n_size *
                     (choice->parts > 1 ? PART_COST * (double)choice->parts : 1);
    if (graph_element_count(p->a->tensor) + graph_element_count(p->b->tensor) <= CACHE_FLOATS)
        read = 0;
    double chunks = (double)divide_up(divide_up(p->k_size, choice->parts), choice->chunk);
    /* Each chunk but the first reads and writes y again. */
    written += 2 * (chunks - 1) * z * (double)p->m_size * (double)p->n_size;
    double uneven = tasks < ENOUGH_TASKS ? UNEVEN / tasks - UNEVEN / ENOUGH_TASKS : 0;
    return p->terms * (1 + uneven) + FLOAT_COST * (read + written);
}

/* Chooses parts and tasks for the block at hand. */
static void divide_work(Contraction *c) {
    int64_t fewest = 1;
    int64_t most = 1;
    if (contraction_split_index(c) >= 0 && !c->shards) {
        most = smaller(MAX_PARTS, c->form.k_size / MIN_PART_K);
        fewest = smaller(fewest_parts(c), most);
        int64_t wanted = parts_of_long_sums(c);
        if (wanted > fewest) fewest = wanted;
        if (wanted > most) most = wanted;
    }
    ContractionChoice best = {0};
    double least = 0;
    for (int64_t parts = fewest < 1 ? 1 : fewest; parts <= most || least == 0;
         parts += divide_up(parts, 4)) {
        c->choice.parts = parts;
        c->choice.chunk = choose_chunk(c);
        choose_tasks(c);
        double cost = cost_of_tasks(c);
        if (least > 0 && cost >= least) continue;
        least = cost;
        best = c->choice;
    }
    c->choice = best;
}

/* ---- sums along k ---------------------------------------------------------------------------- */

bool contraction_prefers_dots(const Contraction *c) {
    const Product *p = &c->form;
    return JOIN_COST * p->m_size < PACK_COST * p->k_size && p->m_size * p->k_size <= DOT_FLOATS;
}

static const int wide_rows[] = {6, 4}, narrow_rows[] = {2};

const int *contraction_dot_rows(int64_t lanes, int *count) {
    bool wide = lanes == 16;
    *count = (int)(wide ? sizeof wide_rows / sizeof *wide_rows
                        : sizeof narrow_rows / sizeof *narrow_rows);
    return wide ? wide_rows : narrow_rows;
}

/* Chooses a cut in which each task has all rows, so that b is read once. */
static void choose_dots(Contraction *c) {
    const Product *p = &c->form;
    int count;
    const int *heights = contraction_dot_rows(c->lanes, &count);
    int rows = heights[0];
    for (int i = 1; i < count; i++)
        if (round_up(p->m_size, heights[i]) < round_up(p->m_size, rows)) rows = heights[i];
    int64_t panels = divide_up(p->n_size, DOT_COLUMNS);
    int64_t groups = smaller(divide_up(ENOUGH_TASKS, p->z_size), panels);
    c->choice = (ContractionChoice){.block = {rows, DOT_COLUMNS},
                                    .parts = 1,
                                    .task_rows = round_up(p->m_size, rows),
                                    .task_panels = divide_up(panels, groups),
                                    .chunk = p->k_size};
}

void contraction_choose(Contraction *c) {
    if (c->dots) {
        choose_dots(c);
        return;
    }
    choose_block(c);
    divide_work(c);
}

/* ---- what may be tried ----------------------------------------------------------------------- */

int contraction_candidates(const Contraction *of, ContractionChoice *out) {
    Contraction c = *of;
    int count = 0;
    int shapes;
    contraction_choose(&c);
    const ContractionChoice model = out[count++] = c.choice;
    if (c.dots) return count;
    const ContractionBlock *blocks = contraction_shapes(c.lanes, &shapes);
    for (int i = 0; i < shapes; i++) {
        c.choice.block = blocks[i];
        if (blocks[i].rows * blocks[i].vectors < SMALLEST_TRIED) continue;
        if (blocks[i].rows == model.block.rows && blocks[i].vectors == model.block.vectors)
            continue;
        divide_work(&c);
        out[count++] = c.choice;
    }
    int64_t longest =
        contraction_split_index(of) >= 0 ? smaller(MAX_PARTS, c.form.k_size / MIN_PART_K) : 1;
    out[count] = model;
    out[count++].task_rows = divide_up(model.task_rows, 2);
    out[count] = model;
    out[count++].task_panels = divide_up(model.task_panels, 2);
    out[count] = model;
    out[count++].chunk =
        model.chunk == CHUNK || model.chunk == STRIDED_CHUNK ? 2 * model.chunk : CHUNK;
    out[count] = model;
    if (2 * model.parts <= longest) {
        out[count++].parts = 2 * model.parts;
    }
    out[count] = model;
    if (model.parts > 1) out[count++].parts = model.parts / 2;
    return count;
}

uint64_t contraction_key(const Contraction *c) {
    const Product *p = &c->form;
    int indices = c->node->rank + c->node->red_rank;
    const int64_t sides[] = {c->lanes,  c->packed, p->z_size,       p->m_size,
                             p->n_size, p->k_size, p->region_count, indices};
    uint64_t key = 1469598103934665603u;
    for (size_t i = 0; i < sizeof sides / sizeof *sides; i++)
        key = (key ^ (uint64_t)sides[i]) * 1099511628211u;
    for (int i = 0; i < p->region_count; i++) {
        const ProductRegion *r = &p->regions[i];
        for (int d = 0; d < indices; d++) {
            const int64_t walk[] = {r->index[d].begin, r->index[d].step,  r->index[d].count,
                                    r->at_a.factor[d], r->at_b.factor[d], r->at_y.factor[d]};
            for (size_t k = 0; k < sizeof walk / sizeof *walk; k++)
                key = (key ^ (uint64_t)walk[k]) * 1099511628211u;
        }
    }
    return key;
}
