/* The helpers of emit_sweep.c that move and multiply blocks in a worker's scratch: products of
 * blocks, packing into panels, and copies.
 *
 * Each is a function of its own in the module. Its pointers are declared not to alias and its
 * strides are constants, so that LLVM makes the inner loops into vectors. Sums are taken in leaves
 * of a bounded length (plan/contraction.h says why). */
#include "compiler/cpu/tile.h"

#include <stdio.h>
#include <string.h>

enum {
    MOST_LANES = 16,
    MOST_SUMS = 16,
};

LLVMValueRef helper_sum_of(Frame *f, LLVMValueRef a, LLVMValueRef b) {
    return LLVMBuildNSWAdd(f->e->builder, a, b, "");
}
LLVMValueRef helper_scaled(Frame *f, LLVMValueRef a, int64_t by) {
    return by == 1 ? a : LLVMBuildNSWMul(f->e->builder, a, emit_whole(f, by), "");
}

LLVMValueRef helper_smaller_of(Frame *f, LLVMValueRef a, LLVMValueRef b) {
    return LLVMBuildSelect(f->e->builder, LLVMBuildICmp(f->e->builder, LLVMIntSLT, a, b, ""), a, b,
                           "");
}

LLVMValueRef helper_float_pointer(Frame *f, LLVMValueRef base, LLVMValueRef at) {
    return LLVMBuildInBoundsGEP2(f->e->builder, f->e->f32, base, &at, 1, "");
}

/* ---- helpers --------------------------------------------------------------------------------- */

static void set_attribute(Emitter *e, LLVMValueRef function, unsigned at, const char *name) {
    unsigned kind = LLVMGetEnumAttributeKindForName(name, strlen(name));
    LLVMAddAttributeAtIndex(function, at, LLVMCreateEnumAttribute(e->context, kind, 0));
}

void helper_begin(OpenHelper *open, Frame *outer, const char *name, int number, int pointers,
                  int numbers) {
    Emitter *e = outer->e;
    memset(open, 0, sizeof *open);
    open->back = LLVMGetInsertBlock(e->builder);
    LLVMTypeRef params[MOST_HELPER_POINTERS + MOST_HELPER_NUMBERS];
    for (int i = 0; i < pointers; i++)
        params[i] = e->ptr;
    for (int i = 0; i < numbers; i++)
        params[pointers + i] = e->i64;
    char symbol[SYMBOL_BYTES + 32];
    snprintf(symbol, sizeof symbol, "%s_%s%d", outer->kernel->symbol, name, number);
    Helper *h = &open->helper;
    h->pointers = pointers;
    h->numbers = numbers;
    h->type = LLVMFunctionType(e->nothing, params, (unsigned)(pointers + numbers), 0);
    h->function = LLVMAddFunction(e->module, symbol, h->type);
    LLVMSetLinkage(h->function, LLVMInternalLinkage);
    set_attribute(e, h->function, (unsigned)LLVMAttributeFunctionIndex, "noinline");
    set_attribute(e, h->function, (unsigned)LLVMAttributeFunctionIndex, "nounwind");
    for (int i = 0; i < pointers; i++)
        set_attribute(e, h->function, (unsigned)i + 1, "noalias");
    open->inner =
        (Frame){.e = e, .kernel = outer->kernel, .node = outer->node, .function = h->function};
    LLVMPositionBuilderAtEnd(e->builder, frame_block(&open->inner, "entry"));
}

LLVMValueRef helper_pointer(const OpenHelper *open, int i) {
    return LLVMGetParam(open->helper.function, (unsigned)i);
}
LLVMValueRef helper_number(const OpenHelper *open, int i) {
    return LLVMGetParam(open->helper.function, (unsigned)(open->helper.pointers + i));
}

Helper helper_end(OpenHelper *open) {
    LLVMBuildRetVoid(open->inner.e->builder);
    LLVMPositionBuilderAtEnd(open->inner.e->builder, open->back);
    return open->helper;
}

void helper_call(Frame *f, const Helper *helper, const LLVMValueRef *pointers,
                 const LLVMValueRef *numbers) {
    LLVMValueRef args[MOST_HELPER_POINTERS + MOST_HELPER_NUMBERS];
    for (int i = 0; i < helper->pointers; i++)
        args[i] = pointers[i];
    for (int i = 0; i < helper->numbers; i++)
        args[helper->pointers + i] = numbers[i];
    LLVMBuildCall2(f->e->builder, helper->type, helper->function, args,
                   (unsigned)(helper->pointers + helper->numbers), "");
}

/* ---- vectors --------------------------------------------------------------------------------- */

typedef struct Vectors {
    Frame *f;
    LLVMTypeRef type;
    int64_t lanes;
} Vectors;

static Vectors vectors_of(Frame *f, int64_t lanes) {
    return (Vectors){f, LLVMVectorType(f->e->f32, (unsigned)lanes), lanes};
}

static LLVMValueRef load_vectors(const Vectors *v, LLVMValueRef base, int64_t at) {
    LLVMValueRef value =
        LLVMBuildLoad2(v->f->e->builder, v->type,
                       at ? helper_float_pointer(v->f, base, emit_whole(v->f, at)) : base, "");
    LLVMSetAlignment(value, 4);
    return value;
}

static LLVMValueRef store_vectors(const Vectors *v, LLVMValueRef value, LLVMValueRef base,
                                  int64_t at) {
    LLVMValueRef stored =
        LLVMBuildStore(v->f->e->builder, value,
                       at ? helper_float_pointer(v->f, base, emit_whole(v->f, at)) : base);
    LLVMSetAlignment(stored, 4);
    return stored;
}

static LLVMValueRef splat(const Vectors *v, LLVMValueRef scalar) {
    Emitter *e = v->f->e;
    LLVMValueRef one = LLVMBuildInsertElement(e->builder, LLVMGetUndef(v->type), scalar,
                                              LLVMConstInt(e->i32, 0, 0), "");
    return LLVMBuildShuffleVector(e->builder, one, LLVMGetUndef(v->type),
                                  LLVMConstNull(LLVMVectorType(e->i32, (unsigned)v->lanes)), "");
}

/* Returns the lanes of the low or of the high halves of two vectors in turn: a_0 b_0 a_1 b_1 and so
 * on. */
static LLVMValueRef interleave(const Vectors *v, LLVMValueRef a, LLVMValueRef b, bool high) {
    LLVMValueRef mask[MOST_LANES];
    for (int64_t i = 0; i < v->lanes; i++)
        mask[i] = LLVMConstInt(
            v->f->e->i32,
            (unsigned long long)((high ? v->lanes / 2 : 0) + i / 2 + (i % 2) * v->lanes), 0);
    return LLVMBuildShuffleVector(v->f->e->builder, a, b, LLVMConstVector(mask, (unsigned)v->lanes),
                                  "");
}

/* Transposes a square of lanes x lanes, by as many perfect shuffles of its rows as the number of
 * lanes has factors of 2. */
static void transpose(const Vectors *v, LLVMValueRef *rows) {
    LLVMValueRef next[MOST_LANES];
    for (int64_t done = 1; done < v->lanes; done *= 2) {
        for (int64_t i = 0; i < v->lanes / 2; i++) {
            next[2 * i] = interleave(v, rows[i], rows[i + v->lanes / 2], false);
            next[2 * i + 1] = interleave(v, rows[i], rows[i + v->lanes / 2], true);
        }
        memcpy(rows, next, sizeof *rows * (size_t)v->lanes);
    }
}

/* ---- products -------------------------------------------------------------------------------- */

/* Adds a[rows, k] * b[k, panel] over k = 0 .. count - 1 to the sums, which are in registers. */
static void register_block(const Vectors *v, const BlockShape *s, LLVMValueRef a,
                           LLVMValueRef panel, LLVMValueRef count, LLVMValueRef *sums) {
    Frame *f = v->f;
    LLVMBuilderRef b = f->e->builder;
    int columns = 2;
    int total = (int)s->rows * columns;
    LLVMValueRef phi[MOST_SUMS];
    LLVMValueRef next[MOST_SUMS];
    LLVMValueRef zero = emit_whole(f, 0);
    LLVMBasicBlockRef before = LLVMGetInsertBlock(b);
    LLVMBasicBlockRef body = frame_block(f, "k");
    LLVMBasicBlockRef after = frame_block(f, "summed");
    LLVMBuildBr(b, body);
    LLVMPositionBuilderAtEnd(b, body);
    LLVMValueRef k = LLVMBuildPhi(b, f->e->i64, "k");
    LLVMAddIncoming(k, &zero, &before, 1);
    for (int i = 0; i < total; i++) {
        phi[i] = LLVMBuildPhi(b, v->type, "");
        LLVMAddIncoming(phi[i], &sums[i], &before, 1);
    }
    LLVMValueRef line = helper_float_pointer(f, panel, helper_scaled(f, k, columns * s->lanes));
    LLVMValueRef from = helper_float_pointer(f, a, helper_scaled(f, k, s->a_step));
    LLVMValueRef column[2];
    for (int c = 0; c < columns; c++)
        column[c] = load_vectors(v, line, c * s->lanes);
    for (int r = 0; r < (int)s->rows; r++) {
        LLVMValueRef value = splat(
            v, LLVMBuildLoad2(b, f->e->f32,
                              helper_float_pointer(f, from, emit_whole(f, r * s->a_line)), ""));
        for (int c = 0; c < columns; c++)
            next[r * columns + c] = emit_multiply_add(f, value, column[c], phi[r * columns + c]);
    }
    LLVMValueRef more = helper_sum_of(f, k, emit_whole(f, 1));
    LLVMAddIncoming(k, &more, &body, 1);
    for (int i = 0; i < total; i++)
        LLVMAddIncoming(phi[i], &next[i], &body, 1);
    LLVMBuildCondBr(b, LLVMBuildICmp(b, LLVMIntSLT, more, count, ""), body, after);
    LLVMPositionBuilderAtEnd(b, after);
    memcpy(sums, next, sizeof *sums * (size_t)total);
}

/* Adds the sums to c, or stores them if they are the first. In a loop over leaves, the sums in c
 * are read and written as volatile, because there are no registers to keep them in
 * (emit_product.c). */
static void put_sums(const Vectors *v, const BlockShape *s, LLVMValueRef to, LLVMValueRef is_first,
                     LLVMValueRef *sums) {
    LLVMBuilderRef b = v->f->e->builder;
    for (int i = 0; i < 2 * (int)s->rows; i++) {
        const int64_t at = (i / 2) * s->c_line + (i % 2) * s->lanes;
        if (s->adds || s->leaf) {
            LLVMValueRef old = load_vectors(v, to, at);
            LLVMValueRef zeros = LLVMConstNull(v->type);
            LLVMSetVolatile(old, s->leaf > 0);
            if (!s->adds) {
                old = LLVMBuildSelect(b, is_first, zeros, old, "");
            }
            sums[i] = LLVMBuildFAdd(b, old, sums[i], "");
        }
        LLVMSetVolatile(store_vectors(v, sums[i], to, at), s->leaf > 0);
    }
}

/* Emits one register block of c. */
static void emit_register_block(const Vectors *v, const BlockShape *s, LLVMValueRef a,
                                LLVMValueRef panel, LLVMValueRef count, LLVMValueRef to) {
    Frame *f = v->f;
    LLVMValueRef sums[MOST_SUMS];
    LLVMValueRef zero = emit_whole(f, 0);
    Loop leaves = {0};
    if (s->leaf) {
        leaves = loop_begin_step(f, zero, count, s->leaf);
        a = helper_float_pointer(f, a, helper_scaled(f, leaves.index, s->a_step));
        panel = helper_float_pointer(f, panel, helper_scaled(f, leaves.index, 2 * s->lanes));
        LLVMValueRef left = LLVMBuildNSWSub(f->e->builder, count, leaves.index, "");
        count = helper_smaller_of(f, left, emit_whole(f, s->leaf));
    }
    for (int i = 0; i < 2 * (int)s->rows; i++)
        sums[i] = LLVMConstNull(v->type);
    register_block(v, s, a, panel, count, sums);
    LLVMValueRef is_first =
        s->leaf ? LLVMBuildICmp(f->e->builder, LLVMIntEQ, leaves.index, zero, "") : NULL;
    put_sums(v, s, to, is_first, sums);
    if (s->leaf) loop_keep_rolled(f, loop_end(f, &leaves));
}

Helper emit_block_product(Frame *outer, const BlockShape *s, int number) {
    OpenHelper open;
    helper_begin(&open, outer, "product", number, 3, 3);
    Frame *f = &open.inner;
    Vectors v = vectors_of(f, s->lanes);
    LLVMValueRef a = helper_pointer(&open, 0);
    LLVMValueRef b = helper_pointer(&open, 1);
    LLVMValueRef c = helper_pointer(&open, 2);
    Loop panels = loop_begin(f, emit_whole(f, 0), helper_number(&open, 1));
    LLVMValueRef panel = helper_float_pointer(f, b, helper_scaled(f, panels.index, s->b_panel));
    LLVMValueRef column = helper_scaled(f, panels.index, 2 * s->lanes);
    Loop strips = loop_begin_step(f, emit_whole(f, 0), helper_number(&open, 0), s->rows);
    LLVMValueRef from = helper_float_pointer(f, a, helper_scaled(f, strips.index, s->a_line));
    LLVMValueRef to = helper_float_pointer(
        f, c, helper_sum_of(f, helper_scaled(f, strips.index, s->c_line), column));
    emit_register_block(&v, s, from, panel, helper_number(&open, 2), to);
    loop_end(f, &strips);
    loop_end(f, &panels);
    return helper_end(&open);
}

/* ---- copies ---------------------------------------------------------------------------------- */

/* Fills the rows [y_begin, y_end) of a panel element by element. An x behind the last one repeats
 * the last, so nothing is read outside the source. */
static void panel_by_element(Frame *f, const PanelShape *s, LLVMValueRef source, LLVMValueRef to,
                             LLVMValueRef first, LLVMValueRef last, LLVMValueRef y_begin,
                             LLVMValueRef y_end) {
    Loop ys = loop_begin(f, y_begin, y_end);
    LLVMValueRef from = helper_float_pointer(f, source, helper_scaled(f, ys.index, s->y_step));
    LLVMValueRef row = helper_float_pointer(f, to, helper_scaled(f, ys.index, 2 * s->lanes));
    Loop xs = loop_begin(f, emit_whole(f, 0), emit_whole(f, 2 * s->lanes));
    LLVMValueRef x = helper_smaller_of(f, helper_sum_of(f, first, xs.index), last);
    LLVMValueRef value =
        LLVMBuildLoad2(f->e->builder, f->e->f32,
                       helper_float_pointer(f, from, helper_scaled(f, x, s->x_step)), "");
    LLVMBuildStore(f->e->builder, value, helper_float_pointer(f, row, xs.index));
    loop_end(f, &xs);
    loop_end(f, &ys);
}

/* Transposes squares of the source in registers. The y behind the last whole square are copied one
 * by one. */
static void panel_by_squares(const Vectors *v, const PanelShape *s, LLVMValueRef source,
                             LLVMValueRef to, LLVMValueRef first, LLVMValueRef last,
                             LLVMValueRef count) {
    Frame *f = v->f;
    LLVMValueRef squares = LLVMBuildAnd(f->e->builder, count, emit_whole(f, -s->lanes), "");
    for (int64_t half = 0; half < 2; half++) {
        LLVMValueRef line[MOST_LANES];
        LLVMValueRef rows[MOST_LANES];
        for (int64_t i = 0; i < s->lanes; i++)
            line[i] = helper_float_pointer(
                f, source,
                helper_scaled(
                    f,
                    helper_smaller_of(
                        f, helper_sum_of(f, first, emit_whole(f, half * s->lanes + i)), last),
                    s->x_step));
        Loop ys = loop_begin_step(f, emit_whole(f, 0), squares, s->lanes);
        for (int64_t i = 0; i < s->lanes; i++)
            rows[i] = load_vectors(v, helper_float_pointer(f, line[i], ys.index), 0);
        transpose(v, rows);
        LLVMValueRef at = helper_float_pointer(f, to, helper_scaled(f, ys.index, 2 * s->lanes));
        for (int64_t i = 0; i < s->lanes; i++)
            store_vectors(v, rows[i], at, i * 2 * s->lanes + half * s->lanes);
        loop_end(f, &ys);
    }
    panel_by_element(f, s, source, to, first, last, squares, count);
}

/* Copies a full panel whose x lie side by side in the source, a vector at a time. */
static void panel_by_lines(const Vectors *v, const PanelShape *s, LLVMValueRef source,
                           LLVMValueRef to, LLVMValueRef first, LLVMValueRef count) {
    Frame *f = v->f;
    LLVMValueRef from = helper_float_pointer(f, source, first);
    Loop ys = loop_begin(f, emit_whole(f, 0), count);
    LLVMValueRef line = helper_float_pointer(f, from, helper_scaled(f, ys.index, s->y_step));
    LLVMValueRef row = helper_float_pointer(f, to, helper_scaled(f, ys.index, 2 * s->lanes));
    for (int64_t half = 0; half < 2; half++)
        store_vectors(v, load_vectors(v, line, half * s->lanes), row, half * s->lanes);
    loop_end(f, &ys);
}

Helper emit_panels(Frame *outer, const PanelShape *s, int number) {
    OpenHelper open;
    helper_begin(&open, outer, "panels", number, 2, 2);
    Frame *f = &open.inner;
    Vectors v = vectors_of(f, s->lanes);
    LLVMBuilderRef b = f->e->builder;
    LLVMValueRef source = helper_pointer(&open, 0);
    LLVMValueRef target = helper_pointer(&open, 1);
    LLVMValueRef xs = helper_number(&open, 0);
    LLVMValueRef ys = helper_number(&open, 1);
    LLVMValueRef last = helper_sum_of(f, xs, emit_whole(f, -1));
    LLVMValueRef zero = emit_whole(f, 0);
    Loop panels = loop_begin_step(f, zero, xs, 2 * s->lanes);
    LLVMValueRef to = helper_float_pointer(
        f, target,
        helper_scaled(f, LLVMBuildUDiv(b, panels.index, emit_whole(f, 2 * s->lanes), ""),
                      s->to_panel));
    if (s->x_step == 1) {
        LLVMBasicBlockRef full = frame_block(f, "full"), ragged = frame_block(f, "ragged"),
                          after = frame_block(f, "after");
        LLVMBuildCondBr(b,
                        LLVMBuildICmp(b, LLVMIntSLE,
                                      helper_sum_of(f, panels.index, emit_whole(f, 2 * s->lanes)),
                                      xs, ""),
                        full, ragged);
        LLVMPositionBuilderAtEnd(b, full);
        panel_by_lines(&v, s, source, to, panels.index, ys);
        LLVMBuildBr(b, after);
        LLVMPositionBuilderAtEnd(b, ragged);
        panel_by_element(f, s, source, to, panels.index, last, zero, ys);
        LLVMBuildBr(b, after);
        LLVMPositionBuilderAtEnd(b, after);
    } else if (s->y_step == 1) {
        panel_by_squares(&v, s, source, to, panels.index, last, ys);
    } else {
        panel_by_element(f, s, source, to, panels.index, last, zero, ys);
    }
    loop_end(f, &panels);
    return helper_end(&open);
}

/* Returns the target plus the value. `lost` is where the rounding error is kept, or NULL. An
 * infinite sum has no rounding error. */
static LLVMValueRef added(Frame *f, LLVMValueRef place, LLVMValueRef value, LLVMValueRef lost) {
    LLVMBuilderRef b = f->e->builder;
    LLVMTypeRef f32 = f->e->f32;
    LLVMValueRef old = LLVMBuildLoad2(b, f32, place, "");
    if (!lost) return LLVMBuildFAdd(b, old, value, "");
    LLVMValueRef more = LLVMBuildFAdd(b, value, LLVMBuildLoad2(b, f32, lost, ""), "");
    LLVMValueRef after = LLVMBuildFAdd(b, old, more, "");
    LLVMValueRef left = LLVMBuildFSub(b, more, LLVMBuildFSub(b, after, old, ""), "");
    LLVMValueRef none = LLVMConstReal(f32, 0);
    LLVMValueRef is_number = LLVMBuildFCmp(b, LLVMRealOEQ, left, left, "");
    LLVMBuildStore(b, LLVMBuildSelect(b, is_number, left, none, ""), lost);
    return after;
}

Helper emit_copy(Frame *outer, const CopyShape *s, int number) {
    OpenHelper open;
    helper_begin(&open, outer, "copy", number, s->lost_line ? 3 : 2, 2);
    Frame *f = &open.inner;
    LLVMBuilderRef b = f->e->builder;
    LLVMValueRef source = helper_pointer(&open, 0);
    LLVMValueRef target = helper_pointer(&open, 1);
    Loop xs = loop_begin(f, emit_whole(f, 0), helper_number(&open, 0));
    LLVMValueRef from = helper_float_pointer(f, source, helper_scaled(f, xs.index, s->line));
    LLVMValueRef to = helper_float_pointer(f, target, helper_scaled(f, xs.index, s->to_line));
    LLVMValueRef lost = NULL;
    if (s->lost_line)
        lost = helper_float_pointer(f, helper_pointer(&open, 2),
                                    helper_scaled(f, xs.index, s->lost_line));
    Loop ys = loop_begin(f, emit_whole(f, 0), helper_number(&open, 1));
    LLVMValueRef at = helper_float_pointer(f, from, helper_scaled(f, ys.index, s->step));
    LLVMValueRef value = LLVMBuildLoad2(b, f->e->f32, at, "");
    LLVMValueRef place = helper_float_pointer(f, to, helper_scaled(f, ys.index, s->to_step));
    LLVMValueRef lost_at = lost ? helper_float_pointer(f, lost, ys.index) : NULL;
    if (s->adds)
        value = added(f, place, value, lost_at);
    else if (lost)
        LLVMBuildStore(b, LLVMConstReal(f->e->f32, 0), lost_at);
    LLVMBuildStore(b, value, place);
    loop_end(f, &ys);
    loop_end(f, &xs);
    return helper_end(&open);
}
