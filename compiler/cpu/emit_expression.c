/* Emits expressions as straight-line LLVM IR, in which each shared part is computed once. */
#include "compiler/cpu/emit.h"
#include "compiler/graph/loads.h"
#include "compiler/graph/visit.h"

#include <assert.h>
#include <math.h>
#include <string.h>

/* ---- values emitted so far ------------------------------------------------------------------- */

static void forget_values(ValueMap *map) {
    if (!map->count) return;
    memset(map->keys, 0, sizeof *map->keys * (size_t)map->capacity);
    map->count = 0;
}

void frame_forget(Frame *f) {
    forget_values(&f->known);
    forget_values(&f->faults);
}

static int slot_of(const ValueMap *map, const GExpr *expr, LLVMValueRef mask) {
    int at = (int)(expr->id * 2654435761u) & (map->capacity - 1);
    while (map->keys[at] && (map->keys[at] != expr || map->masks[at] != mask))
        at = (at + 1) & (map->capacity - 1);
    return at;
}

static void remember(Frame *f, ValueMap *map, const GExpr *expr, LLVMValueRef mask,
                     LLVMValueRef value) {
    if (2 * map->count >= map->capacity) {
        ValueMap old = *map;
        map->capacity = old.capacity ? 2 * old.capacity : 64;
        map->keys = arena_array(f->e->arena, const GExpr *, map->capacity);
        map->values = arena_array(f->e->arena, LLVMValueRef, map->capacity);
        map->masks = arena_array(f->e->arena, LLVMValueRef, map->capacity);
        for (int i = 0; i < old.capacity; i++) {
            if (!old.keys[i]) continue;
            int at = slot_of(map, old.keys[i], old.masks[i]);
            map->keys[at] = old.keys[i];
            map->values[at] = old.values[i];
            map->masks[at] = old.masks[i];
        }
    }
    int at = slot_of(map, expr, mask);
    map->keys[at] = expr;
    map->masks[at] = mask;
    map->values[at] = value;
    map->count++;
}

static LLVMValueRef recall(const ValueMap *map, const GExpr *expr, LLVMValueRef mask) {
    if (!map->capacity) return NULL;
    int at = slot_of(map, expr, mask);
    return map->keys[at] ? map->values[at] : NULL;
}

/* Looks for a value that was emitted under a wider condition. Where a condition holds, its
 * conjuncts hold too, so values that were emitted under some of them serve here. */
static LLVMValueRef recall_wider(const ValueMap *map, const GExpr *expr, LLVMValueRef mask) {
    LLVMValueRef value = recall(map, expr, mask);
    while (!value && mask) {
        mask = LLVMIsAInstruction(mask) && LLVMGetInstructionOpcode(mask) == LLVMAnd
                   ? LLVMGetOperand(mask, 0)
                   : NULL;
        value = recall(map, expr, mask);
    }
    return value;
}

/* ---- reads ----------------------------------------------------------------------------------- */

static LLVMValueRef emit(Frame *s, const GExpr *e, LLVMValueRef mask);

LLVMValueRef emit_masked(Frame *s, LLVMValueRef mask, LLVMValueRef condition) {
    return mask ? LLVMBuildAnd(s->e->builder, mask, condition, "") : condition;
}

/* Reads a streamed product from its tile. A product that is read in both orders of its indices is
 * two sources, unless it is symmetric. */
static LLVMValueRef emit_tile_read(Frame *s, const GExpr *load) {
    assert(load->tensor->rank == 2);
    const TileReads *t = s->tile;
    bool flipped = load->args[0]->index != t->row_index;
    for (int i = 0; i < t->sweep->source_count; i++) {
        const SweepSource *source = &t->sweep->sources[i];
        if (source->node == load->tensor && (source->symmetric || source->flipped == flipped))
            return element_load(s, GT_REAL, t->bases[i], t->at);
    }
    return LLVMGetUndef(s->e->f32); /* cannot happen: a sink's sources are all in its sweep */
}

/* Emits a read that walks memory with the loops. Either every subscript is an index that covers its
 * axis, or the read is of a part of the array that begins where the table says (arguments.h). */
static LLVMValueRef emit_walk(Frame *s, const GExpr *load, LLVMValueRef base) {
    LLVMValueRef at = NULL;
    for (int i = 0; i < load->tensor->rank; i++)
        at = emit_step_along(s, at, argument_subscript(load, i)->index, load->tensor->shape[i]);
    if (!at) at = emit_whole(s, 0);
    int part = argument_find(kernel_arguments(s->kernel), load);
    if (part >= 0) {
        at = LLVMBuildNSWAdd(s->e->builder, at, s->constants[part], "");
    }
    return element_load(s, load->tensor->type, base, at);
}

/* Emits a read. A subscript outside its axis is replaced by 0, so that the read is safe. `inside`
 * is the condition that all subscripts are in the array, and `checked` is the part of it whose
 * failure is a fault. */
static LLVMValueRef emit_load(Frame *s, const GExpr *load, LLVMValueRef mask) {
    LLVMBuilderRef b = s->e->builder;
    GNode *tensor = load->tensor;
    if (s->tile && tensor->streamed) return emit_tile_read(s, load);
    LLVMValueRef base = NULL, at = NULL, inside = NULL, checked = NULL;
    for (int i = 0; i < s->kernel->operand_count; i++)
        if (s->kernel->operands[i] == tensor) base = s->bases[i];
    if (kernel_arguments(s->kernel)) return emit_walk(s, load, base);
    for (int i = 0; i < tensor->rank; i++) {
        LLVMValueRef index = emit(s, load->args[i], mask);
        int64_t low;
        int64_t high;
        bool safe = gx_range_of_data(s->e->graph, load->args[i], s->extents, &low, &high) &&
                    low >= 0 && high < tensor->shape[i];
        if (!safe) {
            LLVMValueRef fits =
                LLVMBuildICmp(b, LLVMIntULT, index, emit_whole(s, tensor->shape[i]), "");
            inside = inside ? LLVMBuildAnd(b, inside, fits, "") : fits;
            index = LLVMBuildSelect(b, fits, index, emit_whole(s, 0), "");
            if (subscript_may_fault(s->e->graph, load->args[i], s->extents, tensor->shape[i]))
                checked = checked ? LLVMBuildAnd(b, checked, fits, "") : fits;
        }
        at = at ? LLVMBuildNSWAdd(b, LLVMBuildNSWMul(b, at, emit_whole(s, tensor->shape[i]), ""),
                                  index, "")
                : index;
    }
    if (!at) at = emit_whole(s, 0);
    LLVMValueRef value = element_load(s, tensor->type, base, at);
    if (!inside) return value;
    if (load->has_else) {
        LLVMValueRef outside = emit_masked(s, mask, LLVMBuildNot(b, inside, ""));
        return LLVMBuildSelect(b, inside, value, emit(s, load->args[load->arg_count - 1], outside),
                               "");
    }
    if (checked) {
        LLVMValueRef bad = emit_masked(s, mask, LLVMBuildNot(b, checked, ""));
        frame_raise(s, bad, COUPLET_FAULT_INDEX);
    }
    return value;
}

/* ---- what may fault -------------------------------------------------------------------------- */

static bool read_may_fault(Frame *s, const GExpr *load) {
    if (load->has_else || kernel_arguments(s->kernel) || (s->tile && load->tensor->streamed))
        return false;
    for (int i = 0; i < load->tensor->rank; i++)
        if (subscript_may_fault(s->e->graph, load->args[i], s->extents, load->tensor->shape[i]))
            return true;
    return false;
}

/* True if an index read from data may leave its array, a real may not fit as an int, or an int may
 * leave 64 bits. No other expression depends on the mask that it is emitted under. */
static bool may_fault(Frame *s, const GExpr *e) {
    if (e->arg_count == 0) return false;
    LLVMValueRef no = LLVMConstInt(s->e->i1, 0, 0);
    LLVMValueRef yes = LLVMConstInt(s->e->i1, 1, 0);
    LLVMValueRef known = recall(&s->faults, e, NULL);
    if (known) return known == yes;
    bool may = e->op == G_TO_INT || (e->op == G_LOAD && read_may_fault(s, e)) ||
               gx_may_wrap(s->e->graph, e, s->extents);
    for (int i = 0; i < e->arg_count && !may; i++)
        may = may_fault(s, e->args[i]);
    remember(s, &s->faults, e, NULL, may ? yes : no);
    return may;
}

bool frame_may_fault(Frame *f, const GExpr *expr) {
    return may_fault(f, expr);
}

typedef struct Arms {
    Frame *frame;
    LLVMValueRef mask;
    const ExprMap *sure; /* the parts that the first arm evaluates in any case */
} Arms;

static VisitStep go_on(void *context, const GExpr *e) {
    (void)context, (void)e;
    return VISIT_INSIDE;
}

static VisitStep emit_if_sure(void *context, const GExpr *e) {
    const Arms *a = context;
    if (!may_fault(a->frame, e)) return VISIT_PAST;
    if (!expr_map_find(a->sure, e)) return VISIT_INSIDE;
    emit(a->frame, e, a->mask);
    return VISIT_PAST;
}

void emit_ahead(Frame *s, const GExpr *then, const GExpr *otherwise, LLVMValueRef mask) {
    if (!may_fault(s, then) || !may_fault(s, otherwise)) return;
    ExprMap sure;
    ExprMap met;
    Arms arms = {s, mask, &sure};
    expr_map_open(&sure);
    expr_map_open(&met);
    expr_visit_sure(&sure, then, go_on, NULL);
    expr_visit_sure(&met, otherwise, emit_if_sure, &arms);
    expr_map_close(&met);
    expr_map_close(&sure);
}

/* Emits Philox 4x32-10, as in runtime/random.h. Seed and step are the kernel's operands right ahead
 * of its outputs. */
static LLVMValueRef emit_random(Frame *s, const GExpr *e, LLVMValueRef mask) {
    LLVMBuilderRef b = s->e->builder;
    LLVMTypeRef i32 = s->e->i32;
    LLVMTypeRef i64 = s->e->i64;
    const Arguments *arguments = kernel_arguments(s->kernel);
    LLVMValueRef site =
        arguments ? s->constants[argument_find(arguments, e->args[0])] : emit(s, e->args[0], mask);
    LLVMValueRef element = emit(s, e->args[1], mask);
    LLVMValueRef key[2];
    LLVMValueRef x[4];
    const int first = s->kernel->operand_count - s->kernel->output_count - 2;
    for (int i = 0; i < 2; i++) {
        LLVMValueRef at = emit_whole(s, i);
        key[i] =
            LLVMBuildLoad2(b, i32, LLVMBuildInBoundsGEP2(b, i32, s->bases[first], &at, 1, ""), "");
    }
    x[0] = LLVMBuildTrunc(b, element, i32, "");
    x[1] = LLVMBuildTrunc(b, LLVMBuildLShr(b, element, emit_whole(s, 32), ""), i32, "");
    x[2] = LLVMBuildTrunc(b, site, i32, "");
    x[3] = LLVMBuildLoad2(b, i32, s->bases[first + 1], "");
    for (int round = 0; round < 10; round++) {
        LLVMValueRef p =
            LLVMBuildMul(b, LLVMBuildZExt(b, x[0], i64, ""), emit_whole(s, 0xD2511F53), "");
        LLVMValueRef q =
            LLVMBuildMul(b, LLVMBuildZExt(b, x[2], i64, ""), emit_whole(s, 0xCD9E8D57), "");
        LLVMValueRef p_high =
            LLVMBuildTrunc(b, LLVMBuildLShr(b, p, emit_whole(s, 32), ""), i32, "");
        LLVMValueRef q_high =
            LLVMBuildTrunc(b, LLVMBuildLShr(b, q, emit_whole(s, 32), ""), i32, "");
        x[0] = LLVMBuildXor(b, LLVMBuildXor(b, q_high, x[1], ""), key[0], "");
        x[2] = LLVMBuildXor(b, LLVMBuildXor(b, p_high, x[3], ""), key[1], "");
        x[1] = LLVMBuildTrunc(b, q, i32, "");
        x[3] = LLVMBuildTrunc(b, p, i32, "");
        key[0] = LLVMBuildAdd(b, key[0], LLVMConstInt(i32, 0x9E3779B9u, 0), "");
        key[1] = LLVMBuildAdd(b, key[1], LLVMConstInt(i32, 0xBB67AE85u, 0), "");
    }
    LLVMValueRef high = LLVMBuildLShr(b, x[e->args[2]->integer & 3], LLVMConstInt(i32, 8, 0), "");
    return LLVMBuildFMul(b, LLVMBuildUIToFP(b, high, s->e->f32, ""), emit_number(s, 0x1p-24), "");
}

static LLVMValueRef emit_real_constant(Frame *s, const GExpr *e) {
    int number_of =
        kernel_arguments(s->kernel) ? argument_find(kernel_arguments(s->kernel), e) : -1;
    return number_of < 0 ? emit_number(s, e->real) : s->constants[number_of];
}

static LLVMValueRef emit_constant(Frame *s, const GExpr *e) {
    if (e->type == GT_REAL) return emit_real_constant(s, e);
    return e->type == GT_INT ? emit_whole(s, e->integer)
                             : LLVMConstInt(s->e->i1, (unsigned long long)e->integer, 0);
}

static LLVMValueRef emit_new(Frame *s, const GExpr *e, LLVMValueRef mask) {
    if (e->op == G_CONST) return emit_constant(s, e);
    if (e->op == G_INDEX) {
        assert(s->indices[e->index]); /* a loop around the expression sets the index */
        return s->indices[e->index];
    }
    if (e->op == G_LOAD) return emit_load(s, e, mask);
    return e->op == G_RANDOM ? emit_random(s, e, mask) : emit_scalar(s, e, mask);
}

static LLVMValueRef emit(Frame *s, const GExpr *e, LLVMValueRef mask) {
    if (e->op == G_CONST || e->op == G_INDEX) return emit_new(s, e, mask);
    const int assumed = e->type == GT_BOOL ? frame_assumed(s, e) : UNSETTLED;
    if (assumed != UNSETTLED) return LLVMConstInt(s->e->i1, (unsigned long long)assumed, 0);
    if (mask && !may_fault(s, e)) mask = NULL;
    LLVMValueRef known = recall_wider(&s->known, e, mask);
    if (known) return known;
    int map = s->tile && !s->tile->makes_maps ? sweep_map_of(s->tile->sweep, s->tile->view, e) : -1;
    LLVMValueRef value =
        map < 0 ? emit_new(s, e, mask) : element_load(s, GT_REAL, s->tile->maps[map], s->tile->at);
    remember(s, &s->known, e, mask, value);
    return value;
}

LLVMValueRef emit_expr(Frame *f, const GExpr *expr) {
    return emit(f, expr, NULL);
}
LLVMValueRef emit_expr_where(Frame *f, const GExpr *expr, LLVMValueRef mask) {
    return emit(f, expr, mask);
}
