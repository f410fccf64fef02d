/* Sums of products along k (Contraction.dots): both operands are read where they lie, a vector of k
 * at a time, and the lanes of a sum are added at its end, in a fixed order. A lane adds up to
 * DOT_LEAF products in float. A longer sum is made of such leaves, which are added in double. */
#include "compiler/cpu/vector.h"

enum { MAX_ROWS = 8 };

typedef struct Dots {
    Frame *f;
    const Contraction *c;
    LLVMTypeRef vector;
    LLVMValueRef tables;
    LLVMValueRef column[DOT_COLUMNS]; /* the columns of b in the panel */
    /* The extent of k, and where the panel begins in y. */
    LLVMValueRef k, y;
    LLVMValueRef mask; /* the mask of the panel's columns; NULL: the panel is full */
} Dots;

static LLVMValueRef shuffle_lanes(Dots *d, LLVMValueRef a, LLVMValueRef b, const int *places,
                                  unsigned count) {
    LLVMValueRef at[16];
    for (unsigned i = 0; i < count; i++)
        at[i] = LLVMConstInt(d->f->e->i32, (unsigned long long)places[i], 0);
    return LLVMBuildShuffleVector(d->f->e->builder, a, b, LLVMConstVector(at, count), "");
}

/* Picks lanes of two vectors twice, and adds the two picks. In each four lanes, `first` and
 * `second` name the lanes of `a` by 0 to 3 and those of `b` by 4 to 7. */
static LLVMValueRef fold_pairs(Dots *d, LLVMValueRef a, LLVMValueRef b, const int *first,
                               const int *second) {
    int low[16];
    int high[16];
    int lanes = (int)d->c->lanes;
    for (int i = 0; i < lanes; i++) {
        int in = i % 4;
        int four = i - in;
        low[i] = four + (first[in] < 4 ? first[in] : lanes + first[in] - 4);
        high[i] = four + (second[in] < 4 ? second[in] : lanes + second[in] - 4);
    }
    return LLVMBuildFAdd(d->f->e->builder, shuffle_lanes(d, a, b, low, (unsigned)lanes),
                         shuffle_lanes(d, a, b, high, (unsigned)lanes), "");
}

/* Returns four sums side by side, each over the lanes of one of four vectors. */
static LLVMValueRef join_lanes(Dots *d, const LLVMValueRef *sums) {
    static const int even[] = {0, 4, 1, 5};
    static const int odd[] = {2, 6, 3, 7};
    static const int left[] = {0, 1, 4, 5};
    static const int right[] = {2, 3, 6, 7};
    LLVMValueRef one = fold_pairs(d, sums[0], sums[1], even, odd);
    LLVMValueRef two = fold_pairs(d, sums[2], sums[3], even, odd);
    LLVMValueRef all = fold_pairs(d, one, two, left, right);
    for (int width = (int)d->c->lanes / 2; width >= DOT_COLUMNS; width /= 2) {
        int low[16];
        int high[16];
        for (int i = 0; i < width; i++) {
            low[i] = i;
            high[i] = width + i;
        }
        all = LLVMBuildFAdd(d->f->e->builder, shuffle_lanes(d, all, all, low, (unsigned)width),
                            shuffle_lanes(d, all, all, high, (unsigned)width), "");
    }
    return all;
}

/* Sums the products of a block for k in [begin, end) into `slot`. */
static void sum_leaf(Dots *d, const LLVMValueRef *row, const LLVMValueRef *slot, LLVMValueRef begin,
                     LLVMValueRef end) {
    Frame *f = d->f;
    int rows = d->c->rows;
    LLVMValueRef b[DOT_COLUMNS];
    for (int i = 0; i < rows * DOT_COLUMNS; i++)
        local_set(f, slot[i], LLVMConstNull(d->vector));
    Loop ks = loop_begin_step(f, begin, end, d->c->lanes);
    for (int j = 0; j < DOT_COLUMNS; j++)
        b[j] = vector_load(f, d->vector, vector_float_at(f, d->column[j], ks.index), 0);
    for (int r = 0; r < rows; r++) {
        LLVMValueRef values = vector_load(f, d->vector, vector_float_at(f, row[r], ks.index), 0);
        for (int j = 0; j < DOT_COLUMNS; j++) {
            LLVMValueRef sum = slot[r * DOT_COLUMNS + j];
            local_set(f, sum, emit_multiply_add(f, values, b[j], local_get(f, d->vector, sum)));
        }
    }
    loop_keep_rolled(f, loop_end(f, &ks));
}

/* Returns the address of total number i. Totals lie in the worker's scratch in order, and are read
 * and written as volatile (emit_product.c says why). */
static LLVMValueRef total_at(Dots *d, int i) {
    LLVMValueRef at = emit_whole(d->f, i * d->c->lanes);
    LLVMTypeRef f64 = d->f->e->f64;
    return LLVMBuildInBoundsGEP2(d->f->e->builder, f64, d->f->scratch, &at, 1, "");
}

static LLVMTypeRef wide_vector(Dots *d) {
    return LLVMVectorType(d->f->e->f64, (unsigned)d->c->lanes);
}

static LLVMValueRef wide_sum(Dots *d, LLVMValueRef slot) {
    LLVMValueRef sum = local_get(d->f, d->vector, slot);
    return LLVMBuildFPExt(d->f->e->builder, sum, wide_vector(d), "");
}

static LLVMValueRef plus_total(Dots *d, int i, LLVMValueRef sum) {
    LLVMBuilderRef build = d->f->e->builder;
    LLVMValueRef total = LLVMBuildLoad2(build, wide_vector(d), total_at(d, i), "");
    LLVMSetVolatile(total, true);
    return LLVMBuildFAdd(build, total, sum, "");
}

/* Adds the sums of a leaf that is not the last to the totals. */
static void keep_leaf(Dots *d, const LLVMValueRef *slot, bool is_first) {
    for (int i = 0; i < d->c->rows * DOT_COLUMNS; i++) {
        LLVMValueRef sum = wide_sum(d, slot[i]);
        if (!is_first) sum = plus_total(d, i, sum);
        LLVMSetVolatile(LLVMBuildStore(d->f->e->builder, sum, total_at(d, i)), true);
    }
}

/* Adds the last leaf and the totals, and puts the results into `slot`. */
static void join_leaves(Dots *d, const LLVMValueRef *slot) {
    for (int i = 0; i < d->c->rows * DOT_COLUMNS; i++) {
        LLVMValueRef sum = plus_total(d, i, wide_sum(d, slot[i]));
        local_set(d->f, slot[i], LLVMBuildFPTrunc(d->f->e->builder, sum, d->vector, ""));
    }
}

/* Sums a block of more than one leaf. Leaves are added to totals in double, lane by lane, and a
 * lane's total is rounded once, at the end. */
static void sum_leaves(Dots *d, const LLVMValueRef *row, const LLVMValueRef *slot) {
    Frame *f = d->f;
    LLVMBuilderRef build = f->e->builder;
    const int64_t leaf = DOT_LEAF * d->c->lanes;
    LLVMValueRef place = frame_local(f, f->e->i64);
    LLVMBasicBlockRef body = frame_block(f, "leaf");
    LLVMBasicBlockRef after = frame_block(f, "leaves");
    sum_leaf(d, row, slot, emit_whole(f, 0), emit_whole(f, leaf));
    keep_leaf(d, slot, true);
    local_set(f, place, emit_whole(f, leaf));
    LLVMBuildBr(build, body);
    LLVMPositionBuilderAtEnd(build, body);
    LLVMValueRef begin = local_get(f, f->e->i64, place);
    LLVMValueRef end = vector_add(f, begin, emit_whole(f, leaf));
    sum_leaf(d, row, slot, begin, vector_smaller(f, end, d->k));
    LLVMBasicBlockRef again = frame_block(f, "again");
    LLVMBuildCondBr(build, LLVMBuildICmp(build, LLVMIntSLT, end, d->k, ""), again, after);
    LLVMPositionBuilderAtEnd(build, again);
    keep_leaf(d, slot, false);
    local_set(f, place, end);
    loop_keep_rolled(f, LLVMBuildBr(build, body));
    LLVMPositionBuilderAtEnd(build, after);
    join_leaves(d, slot);
}

/* Emits a block of the panel, for the rows whose list begins at `rows_at` in the table. */
static void emit_dot_block(Dots *d, LLVMValueRef a, LLVMValueRef rows_at) {
    Frame *f = d->f;
    int rows = d->c->rows;
    LLVMValueRef row[MAX_ROWS];
    LLVMValueRef slot[MAX_ROWS * DOT_COLUMNS];
    LLVMValueRef sums[DOT_COLUMNS];
    for (int r = 0; r < rows; r++)
        row[r] = vector_float_at(f, a, vector_table_at(f, d->tables, rows_at, 2 * r));
    for (int i = 0; i < rows * DOT_COLUMNS; i++)
        slot[i] = frame_local(f, d->vector);
    if (d->c->leaves)
        sum_leaves(d, row, slot);
    else
        sum_leaf(d, row, slot, emit_whole(f, 0), d->k);
    for (int r = 0; r < rows; r++) {
        for (int j = 0; j < DOT_COLUMNS; j++)
            sums[j] = local_get(f, d->vector, slot[r * DOT_COLUMNS + j]);
        vector_store(f, join_lanes(d, sums),
                     vector_float_at(f, d->y, vector_table_at(f, d->tables, rows_at, 2 * r + 1)), 0,
                     d->mask);
    }
}

/* Sets the panel: its columns in b, its place in y, and its mask. A column behind the last one
 * repeats the last, and its sums are not stored. */
static void set_panel(Dots *d, LLVMValueRef b, LLVMValueRef y, LLVMValueRef panel) {
    Frame *f = d->f;
    LLVMValueRef head = emit_whole(f, 0);
    LLVMValueRef columns = vector_table_at(f, d->tables, head, HEAD_COLUMNS);
    LLVMValueRef step = vector_table_at(f, d->tables, head, HEAD_COLUMN_STEP);
    LLVMValueRef first = vector_times(f, panel, DOT_COLUMNS);
    LLVMValueRef last = vector_add(f, columns, emit_whole(f, -1));
    for (int j = 0; j < DOT_COLUMNS; j++) {
        LLVMValueRef column = vector_add(f, first, emit_whole(f, j));
        if (d->c->masked) column = vector_smaller(f, column, last);
        d->column[j] = vector_float_at(f, b, LLVMBuildNSWMul(f->e->builder, column, step, ""));
    }
    d->y = vector_float_at(f, y, first);
    d->mask = d->c->masked ? vector_mask(f, LLVMVectorType(f->e->f32, DOT_COLUMNS),
                                         LLVMBuildNSWSub(f->e->builder, columns, first, ""), 0)
                           : NULL;
}

void emit_dots(Emitter *e, Kernel *kernel) {
    Frame f;
    const Contraction *c = kernel->as.contraction;
    frame_begin(&f, e, kernel);
    Dots d = {.f = &f,
              .c = c,
              .vector = LLVMVectorType(e->f32, (unsigned)c->lanes),
              .tables = f.bases[1]};
    LLVMValueRef first_task = vector_table_at(&f, d.tables, emit_whole(&f, 0), HEAD_TASKS);
    d.k = vector_table_at(&f, d.tables, emit_whole(&f, 0), HEAD_K);
    Loop tasks = loop_begin(&f, f.begin, f.end);
    LLVMValueRef task = vector_add(&f, first_task, vector_times(&f, tasks.index, TASK_WORDS));
    LLVMValueRef words[TASK_WORDS];
    for (int i = 0; i < TASK_WORDS; i++)
        words[i] = vector_table_at(&f, d.tables, task, i);
    LLVMValueRef a = vector_float_at(&f, f.bases[0], words[TASK_A]);
    LLVMValueRef b = vector_float_at(&f, f.bases[2], words[TASK_B]);
    LLVMValueRef y = vector_float_at(&f, f.bases[3], words[TASK_Y]);
    /* Rows are the inner loop, so b is read once, and a comes from the caches. */
    Loop panels = loop_begin(&f, words[TASK_PANEL_BEGIN], words[TASK_PANEL_END]);
    set_panel(&d, b, y, panels.index);
    Loop blocks = loop_begin_step(&f, emit_whole(&f, 0), words[TASK_ROW_COUNT], c->rows);
    emit_dot_block(&d, a, vector_add(&f, words[TASK_ROWS], vector_times(&f, blocks.index, 2)));
    loop_end(&f, &blocks);
    loop_end(&f, &panels);
    loop_end(&f, &tasks);
    frame_end(&f);
}
