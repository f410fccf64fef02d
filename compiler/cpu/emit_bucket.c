/* Emits reductions by key (compiler/plan/bucket.h): a counting sort of the keys of one segment, and
 * a sum over each target's members. */
#include "compiler/cpu/emit.h"

#include "compiler/plan/bucket.h"

static LLVMValueRef emit_sum(Frame *f, LLVMValueRef a, LLVMValueRef b) {
    return LLVMBuildNSWAdd(f->e->builder, a, b, "");
}
static LLVMValueRef emit_scaled(Frame *f, LLVMValueRef a, int64_t b) {
    return LLVMBuildNSWMul(f->e->builder, a, emit_whole(f, b), "");
}

/* ---- the sort -------------------------------------------------------------------------------- */

/* Sets the indices of the axes that have one of these roles, from their common position in
 * row-major order. */
static void set_axes(Frame *f, const Bucket *b, int role_bits, LLVMValueRef place) {
    LLVMBuilderRef build = f->e->builder;
    for (int a = b->node->rank - 1; a >= 0; a--) {
        if (!(role_bits & 1 << b->role[a])) continue;
        int64_t extent = b->node->shape[a];
        f->indices[a] = LLVMBuildURem(build, place, emit_whole(f, extent), "");
        place = LLVMBuildUDiv(build, place, emit_whole(f, extent), "");
    }
}

/* Returns the row-major position of the values that the axes of a role have. */
static LLVMValueRef place_of(Frame *f, const Bucket *b, int role, LLVMValueRef *values) {
    LLVMValueRef place = emit_whole(f, 0);
    for (int a = 0; a < b->node->rank; a++)
        if ((int)b->role[a] == role)
            place = emit_sum(f, emit_scaled(f, place, b->node->shape[a]), values[a]);
    return place;
}

/* Returns the key of the member at hand, as the position of its list. *listed is an i1 that is true
 * if the member is in a list at all. The conjuncts are evaluated in the guard's order, each only
 * where those before it hold. */
static LLVMValueRef emit_key(Frame *f, const Bucket *b, LLVMValueRef *listed) {
    LLVMBuilderRef build = f->e->builder;
    LLVMValueRef values[GRAPH_MAX_RANK] = {NULL};
    LLVMValueRef mask = NULL;
    for (int i = 0; i < b->conjuncts.count; i++) {
        LLVMValueRef holds;
        if (b->targets[i] >= 0) {
            LLVMValueRef key = emit_expr_where(f, b->keys[i], mask);
            LLVMValueRef extent = emit_whole(f, b->node->shape[b->targets[i]]);
            holds = LLVMBuildICmp(build, LLVMIntULT, key, extent, "");
            values[b->targets[i]] = LLVMBuildSelect(build, holds, key, emit_whole(f, 0), "");
        } else if (b->filters[i]) {
            holds = emit_expr_where(f, b->conjuncts.items[i], mask);
        } else {
            continue;
        }
        mask = mask ? LLVMBuildAnd(build, mask, holds, "") : holds;
    }
    *listed = mask;
    return place_of(f, b, BUCKET_TARGET, values);
}

typedef void (*MemberVisit)(Frame *f, const Bucket *b, LLVMValueRef list, LLVMValueRef key,
                            LLVMValueRef member);

/* Goes over all members of the segment in row-major order, and visits those that are in a list. */
static void each_member(Frame *f, const Bucket *b, LLVMValueRef list, MemberVisit visit) {
    const GNode *n = b->node;
    Loop loops[GRAPH_MAX_RANK];
    LLVMValueRef member = emit_whole(f, 0);
    LLVMValueRef listed;
    for (int i = 0; i < n->red_rank; i++) {
        loops[i] = loop_begin(f, emit_whole(f, 0), emit_whole(f, n->red_shape[i]));
        f->indices[n->rank + i] = loops[i].index;
        member = emit_sum(f, emit_scaled(f, member, n->red_shape[i]), loops[i].index);
    }
    LLVMValueRef key = emit_key(f, b, &listed);
    LLVMBasicBlockRef then = frame_block(f, "listed");
    LLVMBasicBlockRef after = frame_block(f, "after");
    LLVMBuildCondBr(f->e->builder, listed, then, after);
    LLVMPositionBuilderAtEnd(f->e->builder, then);
    frame_forget(f);
    visit(f, b, list, key, member);
    LLVMBuildBr(f->e->builder, after);
    LLVMPositionBuilderAtEnd(f->e->builder, after);
    frame_forget(f);
    for (int i = n->red_rank - 1; i >= 0; i--)
        loop_end(f, &loops[i]);
}

static void count_member(Frame *f, const Bucket *b, LLVMValueRef list, LLVMValueRef key,
                         LLVMValueRef member) {
    (void)b, (void)member;
    LLVMValueRef at = emit_sum(f, list, key);
    LLVMValueRef base = f->bases[f->kernel->operand_count - 1];
    element_store(f, GT_INT, base, at,
                  emit_sum(f, element_load(f, GT_INT, base, at), emit_whole(f, 1)));
}

/* Writes the member where its list begins, and moves the begin on. In the end each begin has become
 * the end of its list. */
static void list_member(Frame *f, const Bucket *b, LLVMValueRef list, LLVMValueRef key,
                        LLVMValueRef member) {
    LLVMValueRef at = emit_sum(f, list, key);
    LLVMValueRef base = f->bases[f->kernel->operand_count - 1];
    LLVMValueRef place = element_load(f, GT_INT, base, at);
    element_store(f, GT_INT, base,
                  emit_sum(f, emit_sum(f, list, emit_whole(f, b->targets_size)), place), member);
    element_store(f, GT_INT, base, at, emit_sum(f, place, emit_whole(f, 1)));
}

void emit_bucket_sort(Emitter *e, Kernel *kernel) {
    Frame f;
    const Bucket *b = kernel->as.bucket.bucket;
    frame_begin(&f, e, kernel);
    LLVMValueRef out = f.bases[kernel->operand_count - 1];
    LLVMValueRef sum = frame_local(&f, e->i64);
    Loop segments = loop_begin(&f, f.begin, f.end);
    LLVMValueRef list = emit_scaled(&f, segments.index, bucket_list_size(b));
    set_axes(&f, b, 1 << BUCKET_SEGMENT, segments.index);
    Loop clear = loop_begin(&f, emit_whole(&f, 0), emit_whole(&f, b->targets_size));
    element_store(&f, GT_INT, out, emit_sum(&f, list, clear.index), emit_whole(&f, 0));
    loop_end(&f, &clear);
    each_member(&f, b, list, count_member);
    local_set(&f, sum, emit_whole(&f, 0));
    Loop begins = loop_begin(&f, emit_whole(&f, 0), emit_whole(&f, b->targets_size));
    LLVMValueRef at = emit_sum(&f, list, begins.index);
    LLVMValueRef count = element_load(&f, GT_INT, out, at);
    LLVMValueRef begin = local_get(&f, e->i64, sum);
    element_store(&f, GT_INT, out, at, begin);
    local_set(&f, sum, emit_sum(&f, begin, count));
    loop_end(&f, &begins);
    each_member(&f, b, list, list_member);
    loop_end(&f, &segments);
    frame_end(&f);
}

/* ---- the sum --------------------------------------------------------------------------------- */

/* Returns the members of the key that the output's indices name. */
static Members members_of(Frame *f, const Bucket *b, int sorted) {
    LLVMBuilderRef build = f->e->builder;
    LLVMValueRef key = place_of(f, b, BUCKET_TARGET, f->indices);
    LLVMValueRef base = f->bases[sorted];
    LLVMValueRef list =
        emit_scaled(f, place_of(f, b, BUCKET_SEGMENT, f->indices), bucket_list_size(b));
    LLVMValueRef first = LLVMBuildICmp(build, LLVMIntEQ, key, emit_whole(f, 0), "");
    LLVMValueRef before = LLVMBuildSelect(build, first, emit_whole(f, 0),
                                          LLVMBuildSub(build, key, emit_whole(f, 1), ""), "");
    Members m = {.base = base, .rest = b->rest};
    m.begin = LLVMBuildSelect(build, first, emit_whole(f, 0),
                              element_load(f, GT_INT, base, emit_sum(f, list, before)), "");
    m.end = element_load(f, GT_INT, base, emit_sum(f, list, key));
    m.list = emit_sum(f, list, emit_whole(f, b->targets_size));
    return m;
}

Loop loop_begin_members(Frame *f, const Members *m, LLVMValueRef *member) {
    LLVMBuilderRef build = f->e->builder;
    const GNode *n = f->node;
    Loop loop = loop_begin(f, m->begin, m->end);
    LLVMValueRef place = *member =
        element_load(f, GT_INT, m->base, emit_sum(f, m->list, loop.index));
    for (int i = n->red_rank - 1; i >= 0; i--) {
        bool outermost = i == 0;
        f->indices[n->rank + i] =
            outermost ? place : LLVMBuildURem(build, place, emit_whole(f, n->red_shape[i]), "");
        if (!outermost) {
            place = LLVMBuildUDiv(build, place, emit_whole(f, n->red_shape[i]), "");
        }
    }
    return loop;
}

static LLVMValueRef output_place(Frame *f) {
    LLVMValueRef at = emit_whole(f, 0);
    for (int a = 0; a < f->node->rank; a++)
        at = emit_sum(f, emit_scaled(f, at, f->node->shape[a]), f->indices[a]);
    return at;
}

static int payload_loops(Frame *f, const Bucket *b, Loop *loops) {
    int depth = 0;
    for (int a = 0; a < b->node->rank; a++) {
        if (b->role[a] != BUCKET_PAYLOAD) continue;
        loops[depth] = loop_begin(f, emit_whole(f, 0), emit_whole(f, b->node->shape[a]));
        f->indices[a] = loops[depth++].index;
    }
    return depth;
}

/* ---- rows of sums ---------------------------------------------------------------------------- */

/* The payload is the inner loop, so that the rows of members are read along memory. The result
 * holds the float sums of up to LEAF_MEMBERS members, which then go to a row of doubles in the
 * worker's scratch. */
enum { LEAF_MEMBERS = 14 };

typedef struct Row {
    Frame *f;
    const Bucket *b;
    LLVMValueRef out;
    LLVMValueRef member;
    const Members *members;
} Row;

/* Returns the address of the total for the payload's entry at hand. */
static LLVMValueRef total_of(const Row *row) {
    Frame *f = row->f;
    LLVMValueRef at = emit_whole(f, 0);
    for (int a = 0; a < row->b->node->rank; a++)
        if (row->b->role[a] == BUCKET_PAYLOAD)
            at = emit_sum(f, emit_scaled(f, at, row->b->node->shape[a]), f->indices[a]);
    return LLVMBuildInBoundsGEP2(f->e->builder, f->e->f64, f->scratch, &at, 1, "");
}

static void each_entry(const Row *row, void (*visit)(const Row *row)) {
    Loop loops[GRAPH_MAX_RANK];
    int depth = payload_loops(row->f, row->b, loops);
    visit(row);
    while (depth > 0)
        loop_end(row->f, &loops[--depth]);
}

static void clear_entry(const Row *row) {
    element_store(row->f, GT_REAL, row->out, output_place(row->f), emit_number(row->f, 0));
}
static void clear_total(const Row *row) {
    LLVMBuildStore(row->f->e->builder, LLVMConstNull(row->f->e->f64), total_of(row));
}

static void add_entry(const Row *row) {
    Frame *f = row->f;
    LLVMBuilderRef build = f->e->builder;
    LLVMValueRef holds = row->members->rest ? emit_expr(f, row->members->rest) : NULL;
    LLVMValueRef value = emit_expr_where(f, row->b->node->value, holds);
    LLVMValueRef at = output_place(f);
    if (holds) {
        value = LLVMBuildSelect(build, holds, value, emit_number(f, 0), "");
    }
    element_store(f, GT_REAL, row->out, at,
                  LLVMBuildFAdd(build, element_load(f, GT_REAL, row->out, at), value, ""));
}

static void add_leaf(const Row *row) {
    Frame *f = row->f;
    LLVMBuilderRef build = f->e->builder;
    LLVMValueRef total = total_of(row);
    LLVMValueRef leaf =
        LLVMBuildFPExt(build, element_load(f, GT_REAL, row->out, output_place(f)), f->e->f64, "");
    LLVMBuildStore(
        build, LLVMBuildFAdd(build, LLVMBuildLoad2(build, f->e->f64, total, ""), leaf, ""), total);
    clear_entry(row);
}

static void store_total(const Row *row) {
    Frame *f = row->f;
    LLVMValueRef total = LLVMBuildLoad2(f->e->builder, f->e->f64, total_of(row), "");
    element_store(f, GT_REAL, row->out, output_place(f),
                  LLVMBuildFPTrunc(f->e->builder, total, f->e->f32, ""));
}

static void add_members(Row *row, LLVMValueRef begin, LLVMValueRef end) {
    Members m = *row->members;
    m.begin = begin;
    m.end = end;
    Loop members = loop_begin_members(row->f, &m, &row->member);
    each_entry(row, add_entry);
    loop_end(row->f, &members);
}

/* Sums the rows of the members. If there are no more members than a leaf has, their sum stays in
 * the result and needs no totals. */
static void add_member_rows(Frame *f, const Bucket *b, const Members *m) {
    LLVMBuilderRef build = f->e->builder;
    Row row = {.f = f, .b = b, .out = f->bases[f->kernel->operand_count - 1], .members = m};
    LLVMBasicBlockRef few = frame_block(f, "few");
    LLVMBasicBlockRef many = frame_block(f, "many");
    LLVMBasicBlockRef after = frame_block(f, "added");
    each_entry(&row, clear_entry);
    LLVMValueRef is_few =
        LLVMBuildICmp(build, LLVMIntSLE, LLVMBuildNSWSub(build, m->end, m->begin, ""),
                      emit_whole(f, LEAF_MEMBERS), "");
    LLVMBuildCondBr(build, is_few, few, many);
    LLVMPositionBuilderAtEnd(build, few);
    add_members(&row, m->begin, m->end);
    LLVMBuildBr(build, after);
    LLVMPositionBuilderAtEnd(build, many);
    frame_forget(f);
    each_entry(&row, clear_total);
    Loop leaves = loop_begin_step(f, m->begin, m->end, LEAF_MEMBERS);
    LLVMValueRef next = emit_sum(f, leaves.index, emit_whole(f, LEAF_MEMBERS));
    add_members(&row, leaves.index,
                LLVMBuildSelect(build, LLVMBuildICmp(build, LLVMIntSLT, next, m->end, ""), next,
                                m->end, ""));
    each_entry(&row, add_leaf);
    loop_end(f, &leaves);
    each_entry(&row, store_total);
    LLVMBuildBr(build, after);
    LLVMPositionBuilderAtEnd(build, after);
    frame_forget(f);
}

static void reduce_elements(Frame *f, const Bucket *b, const Members *m) {
    Loop loops[GRAPH_MAX_RANK];
    int depth = payload_loops(f, b, loops);
    LLVMValueRef value = emit_reduction(f, NULL, m);
    frame_raise_if_wide(f, f->node, value);
    element_store(f, f->node->type, f->bases[f->kernel->operand_count - 1], output_place(f), value);
    while (depth > 0)
        loop_end(f, &loops[--depth]);
}

/* Emits the reduction. Its operands are the arrays that the formula reads, with the sorted lists at
 * BucketKernel.sorted, and the node, which is written. */
void emit_bucket(Emitter *e, Kernel *kernel) {
    Frame f;
    const Bucket *b = kernel->as.bucket.bucket;
    const GNode *n = b->node;
    frame_begin(&f, e, kernel);
    LLVMBuilderRef build = e->builder;
    int64_t rows = b->targets_size * b->segments;
    Loop tiles = loop_begin(&f, f.begin, f.end);
    LLVMValueRef first = emit_scaled(&f, tiles.index, bucket_chunk(b));
    LLVMValueRef last = emit_sum(&f, first, emit_whole(&f, bucket_chunk(b)));
    LLVMValueRef end =
        LLVMBuildSelect(build, LLVMBuildICmp(build, LLVMIntSLT, last, emit_whole(&f, rows), ""),
                        last, emit_whole(&f, rows), "");
    Loop row = loop_begin(&f, first, end);
    set_axes(&f, b, 1 << BUCKET_TARGET | 1 << BUCKET_SEGMENT, row.index);
    Members m = members_of(&f, b, kernel->as.bucket.sorted);
    bool whole_rows =
        n->reducer == GR_SUM && n->type == GT_REAL && !n->empty_is_error && b->payload > 1;
    if (whole_rows)
        add_member_rows(&f, b, &m);
    else
        reduce_elements(&f, b, &m);
    loop_end(&f, &row);
    loop_end(&f, &tiles);
    frame_end(&f);
}
