/* Emits a compute node as loops. A guard chooses between a term and the reducer's neutral value
 * instead of branching, so that LLVM can make vectors of the loop. */
#include "compiler/cpu/emit.h"

#include "compiler/graph/reducer.h"
#include "compiler/graph/walk.h"
#include "compiler/plan/together.h"

#include <math.h>

/* ---- one element ----------------------------------------------------------------------------- */

typedef struct Reduction {
    const GNode *node;
    const int64_t *extents;
    LLVMTypeRef type; /* the type of a term */
    /* The type of `best`, which is double for sums of many reals (node_sums_many). */
    LLVMTypeRef kept;
    /* Local variables, NULL if the reducer does not need them: the value so far, the number of
     * terms, the position of the term at hand, and the position of the best term. In the second
     * pass of a log-sum-exp `winner` is the shift instead. */
    LLVMValueRef best;
    LLVMValueRef count;
    LLVMValueRef position;
    LLVMValueRef winner;
    LLVMValueRef power; /* a local variable; the product so far is best * 2^power */
    /* True for a sum of whole numbers that 64 bits may not hold. */
    bool may_wrap;
    bool exponentials;      /* true in the second pass of a log-sum-exp over its terms */
    const Members *members; /* the members of a key; NULL: all terms */
} Reduction;

/* The lanes of a loop that adds floats to a sum in double. LLVM would take as many lanes as a
 * vector has doubles, and would compute the terms in halves of vectors. */
enum { SUM_LANES = 16 };

static bool takes_smallest(const GNode *n) {
    return reducer_takes_least(n->reducer);
}
static bool takes_position(const GNode *n) {
    return graph_reducers[n->reducer].gives_place;
}

/* True for a maximum or a minimum of numbers that 32 bits may not hold. */
static bool is_wide_best(Frame *f, const GNode *n) {
    return (n->reducer == GR_MAX || n->reducer == GR_MIN) && !gx_entries_fit(f->e->graph, n);
}

/* Returns the value of a term that the guard leaves out, from which the reduction also starts. */
static LLVMValueRef neutral(Frame *f, const Reduction *r) {
    const GNode *n = r->node;
    const double start = reducer_value(graph_reducers[n->reducer].start);
    if (r->type == f->e->f32) return emit_number(f, r->exponentials ? 0 : start);
    if (r->type == f->e->i1) return LLVMConstInt(r->type, start != 0, 0);
    if (isfinite(start)) return emit_whole(f, (int64_t)start);
    return is_wide_best(f, n) ? emit_whole(f, takes_smallest(n) ? INT64_MAX : INT64_MIN)
                              : emit_whole(f, takes_smallest(n) ? INT32_MAX : INT32_MIN);
}

/* Folds a term into the best one so far. `holds` is the guard, or NULL. A NaN is better than any
 * number. */
static void fold_best(Frame *f, Reduction *r, LLVMValueRef v, LLVMValueRef holds) {
    LLVMBuilderRef b = f->e->builder;
    LLVMValueRef old = local_get(f, r->type, r->best);
    bool smallest = takes_smallest(r->node);
    bool real = r->type == f->e->f32;
    if (!takes_position(r->node) && real) { /* the intrinsic keeps a NaN */
        LLVMValueRef pair[2] = {old, v};
        local_set(f, r->best,
                  math_intrinsic(f, smallest ? "llvm.minimum" : "llvm.maximum", pair, 2));
        return;
    }
    LLVMValueRef better;
    if (real) {
        better = LLVMBuildFCmp(b, smallest ? LLVMRealOLT : LLVMRealOGT, v, old, "");
        LLVMValueRef new_nan = LLVMBuildAnd(b, LLVMBuildFCmp(b, LLVMRealUNO, v, v, ""),
                                            LLVMBuildFCmp(b, LLVMRealORD, old, old, ""), "");
        better = LLVMBuildOr(b, better, new_nan, "");
    } else {
        better = LLVMBuildICmp(b, smallest ? LLVMIntSLT : LLVMIntSGT, v, old, "");
    }
    if (takes_position(r->node)) {
        /* The first term wins against the neutral value even if the two are equal. */
        LLVMValueRef unset =
            LLVMBuildICmp(b, LLVMIntSLT, local_get(f, f->e->i64, r->winner), emit_whole(f, 0), "");
        better = LLVMBuildOr(b, better, unset, "");
        if (holds) better = LLVMBuildAnd(b, better, holds, "");
        LLVMValueRef position = local_get(f, f->e->i64, r->position);
        local_set(f, r->winner,
                  LLVMBuildSelect(b, better, position, local_get(f, f->e->i64, r->winner), ""));
    }
    local_set(f, r->best, LLVMBuildSelect(b, better, v, old, ""));
}

static void emit_term(Frame *f, const Reduction *r, LLVMValueRef v) {
    LLVMValueRef old = local_get(f, r->kept, r->best);
    if (r->kept == f->e->f64) {
        v = LLVMBuildFPExt(f->e->builder, v, f->e->f64, "");
    }
    if (r->may_wrap) {
        LLVMValueRef wraps;
        LLVMValueRef sum = emit_add_whole(f, old, v, &wraps);
        frame_raise(f, wraps, COUPLET_FAULT_WHOLE);
        local_set(f, r->best, sum);
        return;
    }
    local_set(f, r->best,
              r->type == f->e->f32 ? emit_add_in_any_order(f, old, v)
                                   : LLVMBuildAdd(f->e->builder, old, v, ""));
}

/* The bits of a double: 2^(exponent - 1023) times a number from 1 to 2. The exponent of 0 and of
 * subnormal numbers is 0, and that of infinities and NaN is 2047. */
enum {
    DOUBLE_DIGITS = 52,
    DOUBLE_ONE = 1023,
    DOUBLE_ENDLESS = 2047,
};

/* Multiplies in double, and moves the exponent of the product to `power`. So no part of a product
 * overflows or vanishes, in whatever order its terms come. A product that is 0, infinite or NaN
 * stays as it is. */
static void multiply_term(Frame *f, const Reduction *r, LLVMValueRef v) {
    LLVMBuilderRef b = f->e->builder;
    LLVMTypeRef i64 = f->e->i64;
    v = LLVMBuildFPExt(b, v, f->e->f64, "");
    LLVMValueRef product = LLVMBuildFMul(b, local_get(f, f->e->f64, r->best), v, "");
    LLVMValueRef bits = LLVMBuildBitCast(b, product, i64, "");
    LLVMValueRef high = LLVMBuildLShr(b, bits, emit_whole(f, DOUBLE_DIGITS), "");
    LLVMValueRef exponent = LLVMBuildAnd(b, high, emit_whole(f, DOUBLE_ENDLESS), "");
    LLVMValueRef plain =
        LLVMBuildAnd(b, LLVMBuildICmp(b, LLVMIntNE, exponent, emit_whole(f, 0), ""),
                     LLVMBuildICmp(b, LLVMIntNE, exponent, emit_whole(f, DOUBLE_ENDLESS), ""), "");
    LLVMValueRef more =
        LLVMBuildSelect(b, plain, LLVMBuildNSWSub(b, exponent, emit_whole(f, DOUBLE_ONE), ""),
                        emit_whole(f, 0), "");
    LLVMValueRef digits =
        LLVMBuildSub(b, bits, LLVMBuildShl(b, more, emit_whole(f, DOUBLE_DIGITS), ""), "");
    local_set(f, r->best, LLVMBuildBitCast(b, digits, f->e->f64, ""));
    local_set(f, r->power, LLVMBuildAdd(b, local_get(f, i64, r->power), more, ""));
}

static void begin_product(Frame *f, Reduction *r) {
    r->kept = f->e->f64;
    r->best = frame_local(f, r->kept);
    r->power = frame_local(f, f->e->i64);
    local_set(f, r->best, LLVMConstReal(r->kept, 1));
    local_set(f, r->power, emit_whole(f, 0));
}

/* Returns the product as a float. Its digits are from 1 to 2, so with a power beyond 1000 it is
 * infinite or 0 in float, as it is with 1000. */
static LLVMValueRef end_product(Frame *f, const Reduction *r) {
    enum { BEYOND = 1000 };
    LLVMBuilderRef b = f->e->builder;
    LLVMValueRef power = local_get(f, f->e->i64, r->power);
    LLVMValueRef most = emit_whole(f, BEYOND);
    LLVMValueRef least = emit_whole(f, -BEYOND);
    power = LLVMBuildSelect(b, LLVMBuildICmp(b, LLVMIntSGT, power, most, ""), most, power, "");
    power = LLVMBuildSelect(b, LLVMBuildICmp(b, LLVMIntSLT, power, least, ""), least, power, "");
    LLVMValueRef bits = LLVMBuildShl(b, LLVMBuildNSWAdd(b, power, emit_whole(f, DOUBLE_ONE), ""),
                                     emit_whole(f, DOUBLE_DIGITS), "");
    LLVMValueRef scale = LLVMBuildBitCast(b, bits, f->e->f64, "");
    return LLVMBuildFPTrunc(b, LLVMBuildFMul(b, local_get(f, f->e->f64, r->best), scale, ""),
                            f->e->f32, "");
}

/* Begins the sum, in double if it has many real terms (node_sums_many). */
static void begin_sum(Frame *f, Reduction *r) {
    r->kept = node_sums_many(r->node) ? f->e->f64 : r->type;
    r->may_wrap = gx_sum_may_wrap(f->e->graph, r->node);
    r->best = frame_local(f, r->kept);
    local_set(f, r->best, LLVMConstNull(r->kept));
}

static LLVMValueRef end_sum(Frame *f, const Reduction *r) {
    LLVMValueRef sum = local_get(f, r->kept, r->best);
    return r->kept == f->e->f64 ? LLVMBuildFPTrunc(f->e->builder, sum, f->e->f32, "") : sum;
}

static void fold_term(Frame *f, Reduction *r) {
    LLVMBuilderRef b = f->e->builder;
    const GNode *n = r->node;
    const GExpr *guard = r->members ? r->members->rest : n->guard;
    LLVMValueRef holds = guard ? emit_expr(f, guard) : NULL;
    LLVMValueRef v = emit_expr_where(f, n->value, holds);
    if (r->type == f->e->i64 && n->value->type == GT_BOOL) v = LLVMBuildZExt(b, v, f->e->i64, "");
    if (r->exponentials) {
        /* -inf minus -inf is NaN, so a term of -inf is left out. */
        LLVMValueRef weighs = LLVMBuildFCmp(b, LLVMRealUNE, v, emit_number(f, -INFINITY), "");
        v = math_exp(f, LLVMBuildFSub(b, v, local_get(f, f->e->f32, r->winner), ""));
        v = LLVMBuildSelect(b, weighs, v, emit_number(f, 0), "");
    }
    if (holds) v = LLVMBuildSelect(b, holds, v, neutral(f, r), "");
    LLVMValueRef old = local_get(f, r->kept, r->best);
    switch (n->reducer) {
    case GR_SUM:
        emit_term(f, r, v);
        break;
    case GR_ANY:
        local_set(f, r->best, LLVMBuildOr(b, old, v, ""));
        break;
    case GR_ALL:
        local_set(f, r->best, LLVMBuildAnd(b, old, v, ""));
        break;
    case GR_LSE:
    case GR_LSE_REST:
        if (r->exponentials)
            emit_term(f, r, v);
        else
            fold_best(f, r, v, holds);
        break;
    case GR_PROD:
        multiply_term(f, r, v);
        break;
    case GR_MAX:
    case GR_MIN:
    case GR_ARGMAX:
    case GR_ARGMIN:
        fold_best(f, r, v, holds);
        break;
    case GR_NONE:
    case GRAPH_REDUCERS:
        break;
    }
    if (r->count) {
        LLVMValueRef one = holds ? LLVMBuildZExt(b, holds, f->e->i64, "") : emit_whole(f, 1);
        local_set(f, r->count, LLVMBuildAdd(b, local_get(f, f->e->i64, r->count), one, ""));
    }
    if (r->position)
        local_set(f, r->position,
                  LLVMBuildAdd(b, local_get(f, f->e->i64, r->position), emit_whole(f, 1), ""));
}

/* Fold the members of a key, and all terms in loops over the reduced axes. */
static void sweep_members(Frame *f, Reduction *r) {
    LLVMValueRef member;
    Loop loop = loop_begin_members(f, r->members, &member);
    if (r->position) local_set(f, r->position, member);
    fold_term(f, r);
    loop_end(f, &loop);
}

static void sweep_all(Frame *f, Reduction *r) {
    const GNode *n = r->node;
    Loop loops[GRAPH_MAX_RANK];
    int depth = 0;
    for (int i = 0; i < n->red_rank; i++) {
        f->indices[n->rank + i] = emit_whole(f, 0);
        if (r->extents[n->rank + i] == 1) continue;
        loops[depth] = loop_begin(f, emit_whole(f, 0), loop_axis_count(f, r->extents, n->rank + i));
        f->indices[n->rank + i] = loops[depth++].index;
    }
    fold_term(f, r);
    int innermost = depth - 1;
    while (depth > 0) {
        LLVMValueRef back = loop_end(f, &loops[--depth]);
        if (depth == innermost && r->kept == f->e->f64 && !r->power)
            loop_take_lanes(f, back, SUM_LANES);
    }
}

static void emit_terms(Frame *f, Reduction *r) {
    if (r->count) local_set(f, r->count, emit_whole(f, 0));
    if (r->position) local_set(f, r->position, emit_whole(f, 0));
    if (frame_settled(f, r->node->guard) == 0) return;
    if (r->members)
        sweep_members(f, r);
    else
        sweep_all(f, r);
}

static Reduction begin_reduction(Frame *f, const int64_t *extents, const Members *members) {
    const GNode *n = f->node;
    Reduction r = {.node = n, .extents = extents, .members = members};
    const bool counts = n->reducer == GR_SUM && n->value->type == GT_BOOL;
    r.type = counts ? f->e->i64 : element_value_type(f->e, n->value->type);
    if (n->reducer == GR_SUM) {
        begin_sum(f, &r);
    } else if (n->reducer == GR_PROD) {
        begin_product(f, &r);
    } else {
        r.kept = r.type;
        r.best = frame_local(f, r.type);
        local_set(f, r.best, neutral(f, &r));
    }
    if (n->empty_is_error && n->guard) {
        r.count = frame_local(f, f->e->i64);
    }
    if (takes_position(n)) {
        r.position = frame_local(f, f->e->i64);
        r.winner = frame_local(f, f->e->i64);
        local_set(f, r.winner, emit_whole(f, -1));
    }
    return r;
}

/* Makes the second pass of a log-sum-exp, which sums exp(term - largest). A row without terms, or
 * with none above -inf, is shifted by 0 and stays -inf. A row with +inf is +inf. */
static void emit_exponentials(Frame *f, Reduction *r) {
    LLVMBuilderRef b = f->e->builder;
    LLVMValueRef top = local_get(f, f->e->f32, r->best);
    LLVMValueRef size = math_intrinsic(f, "llvm.fabs", &top, 1);
    LLVMValueRef endless = LLVMBuildFCmp(b, LLVMRealOEQ, size, emit_number(f, INFINITY), "");
    r->winner = frame_local(f, f->e->f32);
    local_set(f, r->winner, LLVMBuildSelect(b, endless, emit_number(f, 0), top, ""));
    r->exponentials = true;
    begin_sum(f, r);
    emit_terms(f, r);
}

/* Returns the position of the best term, or 0 if there is none. */
static LLVMValueRef end_position(Frame *f, const Reduction *r) {
    LLVMValueRef winner = local_get(f, f->e->i64, r->winner);
    LLVMValueRef zero = emit_whole(f, 0);
    LLVMValueRef none = LLVMBuildICmp(f->e->builder, LLVMIntSLT, winner, zero, "");
    return LLVMBuildSelect(f->e->builder, none, zero, winner, "");
}

LLVMValueRef emit_reduction(Frame *f, const int64_t *extents, const Members *members) {
    LLVMBuilderRef b = f->e->builder;
    const GNode *n = f->node;
    Reduction r = begin_reduction(f, extents, members);
    emit_terms(f, &r);
    if (node_sums_exponentials(n)) emit_exponentials(f, &r);
    if (r.count) {
        LLVMValueRef count = local_get(f, f->e->i64, r.count);
        frame_raise(f, LLVMBuildICmp(b, LLVMIntEQ, count, emit_whole(f, 0), ""),
                    COUPLET_FAULT_EMPTY);
    }
    if (takes_position(n)) return end_position(f, &r);
    if (n->reducer == GR_SUM) return end_sum(f, &r);
    if (n->reducer == GR_PROD) return end_product(f, &r);
    if (!node_sums_exponentials(n)) return local_get(f, r.type, r.best);
    LLVMValueRef rest = math_log(f, end_sum(f, &r));
    if (n->reducer == GR_LSE_REST) return rest;
    return LLVMBuildFAdd(b, local_get(f, f->e->f32, r.winner), rest, "");
}

/* An entry has 32 bits in memory, and arithmetic has 64. The neutral value of a maximum without
 * terms raises no fault, because such an entry is not read. */
void frame_raise_if_wide(Frame *f, const GNode *n, LLVMValueRef value) {
    LLVMBuilderRef b = f->e->builder;
    if (n->type != GT_INT || takes_position(n) || gx_entries_fit(f->e->graph, n)) return;
    LLVMValueRef kept = LLVMBuildSExt(b, LLVMBuildTrunc(b, value, f->e->i32, ""), f->e->i64, "");
    LLVMValueRef cut = LLVMBuildICmp(b, LLVMIntNE, kept, value, "");
    if (is_wide_best(f, n))
        cut = LLVMBuildAnd(b, cut,
                           LLVMBuildICmp(b, LLVMIntNE, value,
                                         emit_whole(f, takes_smallest(n) ? INT64_MAX : INT64_MIN),
                                         ""),
                           "");
    frame_raise(f, cut, COUPLET_FAULT_WHOLE);
}

static void emit_element(Frame *f, const int64_t *extents) {
    LLVMBuilderRef b = f->e->builder;
    const GNode *n = f->node;
    const int settled = frame_settled(f, n->active);
    LLVMValueRef active = n->active && settled == UNSETTLED ? emit_expr(f, n->active) : NULL;
    LLVMValueRef value;
    if (settled == 0) {
        value = LLVMConstNull(element_value_type(f->e, n->type));
    } else if (!active || n->reducer == GR_NONE) {
        value = n->reducer == GR_NONE ? emit_expr_where(f, n->value, active)
                                      : emit_reduction(f, extents, NULL);
        if (active)
            value = LLVMBuildSelect(b, active, value,
                                    LLVMConstNull(element_value_type(f->e, n->type)), "");
    } else {
        /* Where the element is not active, the reduction is left out, so it cannot fault for want
         * of terms. */
        LLVMValueRef slot = frame_local(f, element_value_type(f->e, n->type));
        LLVMBasicBlockRef then = frame_block(f, "active");
        LLVMBasicBlockRef after = frame_block(f, "after");
        local_set(f, slot, LLVMConstNull(element_value_type(f->e, n->type)));
        LLVMBuildCondBr(b, active, then, after);
        LLVMPositionBuilderAtEnd(b, then);
        frame_forget(f);
        local_set(f, slot, emit_reduction(f, extents, NULL));
        LLVMBuildBr(b, after);
        LLVMPositionBuilderAtEnd(b, after);
        frame_forget(f);
        value = local_get(f, element_value_type(f->e, n->type), slot);
    }
    LLVMValueRef at = NULL;
    for (int i = 0; i < n->rank; i++)
        at = emit_step_along(f, at, i, n->shape[i]);
    frame_raise_if_wide(f, n, value);
    element_store(f, n->type, frame_result(f), at ? at : emit_whole(f, 0), value);
}

/* ---- the kernel ------------------------------------------------------------------------------ */

/* Sets the indices of the first `axes` axes from the number of the tile. */
static void set_tile(Frame *f, int axes, const int64_t *extents, LLVMValueRef tile) {
    LLVMBuilderRef b = f->e->builder;
    for (int i = axes - 1; i >= 0; i--) {
        bool outermost = true;
        for (int k = 0; k < i; k++)
            outermost &= extents[k] == 1;
        f->indices[i] = extents[i] == 1 ? emit_whole(f, 0)
                        : outermost     ? tile
                                    : LLVMBuildURem(b, tile, loop_axis_count(f, extents, i), "");
        if (extents[i] != 1 && !outermost)
            tile = LLVMBuildUDiv(b, tile, loop_axis_count(f, extents, i), "");
    }
}

/* Sets the range of an axis in the tile: all its values or, if the axis is cut, a chunk of them. */
static void axis_range(Frame *f, const int64_t *extents, int axis, bool cut, int64_t chunk,
                       LLVMValueRef tile, LLVMValueRef *begin, LLVMValueRef *end) {
    LLVMBuilderRef b = f->e->builder;
    LLVMValueRef size = f->chunk ? f->chunk : emit_whole(f, chunk);
    *begin = emit_whole(f, 0);
    *end = loop_axis_count(f, extents, axis);
    if (!cut) return;
    *begin = LLVMBuildNSWMul(b, tile, size, "");
    LLVMValueRef next = LLVMBuildNSWAdd(b, *begin, size, "");
    *end = LLVMBuildSelect(b, LLVMBuildICmp(b, LLVMIntSLT, next, *end, ""), next, *end, "");
}

/* The tiles of a kernel, and the number of the one at hand. The number sets the indices of the
 * first `axes` axes. If `cut`, the axis after these is cut into chunks, and the number says which
 * one. */
typedef struct Tile {
    int64_t extents[2 * GRAPH_MAX_RANK];
    int64_t chunk;
    int axes;
    bool cut;
    LLVMValueRef number;
} Tile;

static void emit_axis(Frame *f, const Tile *t, int axis);

/* Emits the loops of the axes from `axis` on. The indices below `axis` have their values, so a
 * condition that needs no others becomes a branch around these loops. */
static void emit_from(Frame *f, const Tile *t, int axis) {
    const GExpr *condition = frame_version_condition(f, &f->node, 1, axis);
    if (!condition) {
        emit_axis(f, t, axis);
        return;
    }
    const Versions v = versions_begin(f, condition);
    emit_from(f, t, axis);
    versions_otherwise(f, &v);
    emit_from(f, t, axis);
    versions_end(f, &v);
}

static void emit_axis(Frame *f, const Tile *t, int axis) {
    const GNode *n = f->node;
    LLVMValueRef begin;
    LLVMValueRef end;
    if (axis == n->rank) {
        emit_element(f, t->extents);
        return;
    }
    f->indices[axis] = emit_whole(f, 0);
    if (t->extents[axis] == 1) {
        emit_axis(f, t, axis + 1);
        return;
    }
    axis_range(f, t->extents, axis, t->cut && axis == t->axes, t->chunk, t->number, &begin, &end);
    Loop loop = loop_begin(f, begin, end);
    f->indices[axis] = loop.index;
    if (axis + 1 < n->rank || n->red_rank)
        emit_from(f, t, axis + 1);
    else
        emit_element(f, t->extents);
    loop_end(f, &loop);
}

static void emit_elements(Frame *f, const Tile *t) {
    f->versions = 1;
    emit_from(f, t, t->axes);
}

/* Lists the nodes of the kernel, from number `first` on, that go down their columns together.
 * Returns their number. */
static int side_by_side(const Frame *f, int first, const GNode **nodes) {
    int count = 0;
    for (int i = first; i < kernel_node_count(f->kernel); i++) {
        const GNode *n = kernel_node(f->kernel, i);
        bool joins = node_sums_columns(n);
        for (int k = 0; k < count; k++)
            joins = joins && !kernel_reads_node(f->e->arena, n, nodes[k]);
        if (!joins) break;
        nodes[count++] = n;
    }
    return count;
}

/* Emits columns under branches for the conditions that stay as they are in a tile. */
static void emit_column_versions(Frame *f, const GNode *const *nodes, int count, bool is_cached,
                                 const Tile *t, LLVMValueRef begin, LLVMValueRef end) {
    const GExpr *condition = frame_version_condition(f, nodes, count, t->axes);
    if (!condition) {
        emit_columns(f, nodes, count, is_cached, t->extents, begin, end);
        return;
    }
    const Versions v = versions_begin(f, condition);
    emit_column_versions(f, nodes, count, is_cached, t, begin, end);
    versions_otherwise(f, &v);
    emit_column_versions(f, nodes, count, is_cached, t, begin, end);
    versions_end(f, &v);
}

void emit_compute(Emitter *e, Kernel *kernel) {
    Frame f;
    Tile t;
    compute_collapse_axes(kernel->node, t.extents);
    t.axes = compute_tile_axes(kernel->node, t.extents, &kernel->graph->settings, &t.chunk);
    t.cut = kernel->as.compute.arguments ? kernel->as.compute.arguments->chunk != 0 : t.chunk != 0;
    frame_begin(&f, e, kernel);
    frame_gather_faults(&f);
    Loop tiles = loop_begin(&f, f.begin, f.end);
    t.number = tiles.index;
    set_tile(&f, t.axes, t.extents, t.number);
    for (int i = 0; i < kernel_node_count(kernel);) {
        const GNode *nodes[MOST_TOGETHER];
        const int columns = side_by_side(&f, i, nodes);
        f.node = kernel_node(kernel, i);
        if (columns) {
            LLVMValueRef begin;
            LLVMValueRef end;
            axis_range(&f, t.extents, t.axes, t.cut, t.chunk, t.number, &begin, &end);
            f.versions = 1;
            emit_column_versions(&f, nodes, columns, i > 0, &t, begin, end);
        } else {
            emit_elements(&f, &t);
        }
        i += columns ? columns : 1;
    }
    /* Tiles are taken one by one. Vectors of tiles would round in another way than the tiles left
     * over, and which tiles are left over depends on the threads and ranks that share them. */
    loop_take_lanes(&f, loop_end(&f, &tiles), 1);
    frame_raise_gathered(&f);
    frame_end(&f);
}
