/* Emits the kernel that packs the vector operand of a contraction into panels. A panel has a row of
 * columns for each k, and there is one for each z and each range of columns. */
#include "compiler/cpu/vector.h"

typedef struct Packing {
    Frame *f;
    const Contraction *c;
    LLVMTypeRef vector;
    LLVMValueRef tables;
    LLVMValueRef b_of_k;
    LLVMValueRef b_of_n;
    LLVMValueRef columns;
    /* `from` is where b begins at this z, `to` is the panel, and `first` is its first column. */
    LLVMValueRef from;
    LLVMValueRef to;
    LLVMValueRef first;
    LLVMValueRef k_begin;
    LLVMValueRef k_end;
} Packing;

/* Copies rows of a panel. The columns are side by side in b. */
static void copy_rows(Packing *p) {
    Frame *f = p->f;
    LLVMValueRef left = LLVMBuildNSWSub(f->e->builder, p->columns, p->first, "");
    Loop ks = loop_begin(f, p->k_begin, p->k_end);
    LLVMValueRef row = vector_float_at(
        f,
        vector_float_at(f, p->from,
                        vector_table_at(f, p->tables, vector_add(f, p->b_of_k, ks.index), 0)),
        p->first);
    LLVMValueRef to = vector_float_at(f, p->to, vector_times(f, ks.index, p->c->panel));
    for (int64_t v = 0; v < p->c->panel; v += p->c->lanes) {
        LLVMValueRef value = p->c->masked ? vector_load_masked(f, p->vector, row, v,
                                                               vector_mask(f, p->vector, left, v))
                                          : vector_load(f, p->vector, row, v);
        vector_store(f, value, to, v, NULL);
    }
    loop_end(f, &ks);
}

/* Transposes squares in registers. In b, k is side by side in runs of whole vectors. Columns behind
 * the last repeat it, and their sums are not kept. */
static void transpose_squares(Packing *p) {
    Frame *f = p->f;
    int64_t lanes = p->c->lanes;
    Loop columns = loop_begin_step(f, emit_whole(f, 0), emit_whole(f, p->c->panel), lanes);
    LLVMValueRef column = vector_add(f, p->b_of_n, vector_add(f, p->first, columns.index));
    LLVMValueRef start[16];
    LLVMValueRef rows[16];
    for (int64_t i = 0; i < lanes; i++)
        start[i] = vector_float_at(f, p->from, vector_table_at(f, p->tables, column, i));
    Loop ks = loop_begin_step(f, p->k_begin, p->k_end, lanes);
    LLVMValueRef at = vector_table_at(f, p->tables, vector_add(f, p->b_of_k, ks.index), 0);
    for (int64_t i = 0; i < lanes; i++)
        rows[i] = vector_load(f, p->vector, vector_float_at(f, start[i], at), 0);
    vector_transpose(f, rows, lanes);
    LLVMValueRef to = vector_float_at(
        f, p->to, vector_add(f, vector_times(f, ks.index, p->c->panel), columns.index));
    for (int64_t i = 0; i < lanes; i++)
        vector_store(f, rows[i], to, i * p->c->panel, NULL);
    loop_end(f, &ks);
    loop_end(f, &columns);
}

/* Copies a panel element by element, wherever the elements lie in b. */
static void copy_each(Packing *p) {
    Frame *f = p->f;
    LLVMBuilderRef b = f->e->builder;
    Loop ks = loop_begin(f, p->k_begin, p->k_end);
    LLVMValueRef row = vector_float_at(
        f, p->from, vector_table_at(f, p->tables, vector_add(f, p->b_of_k, ks.index), 0));
    LLVMValueRef to = vector_float_at(f, p->to, vector_times(f, ks.index, p->c->panel));
    Loop ns = loop_begin(f, emit_whole(f, 0), emit_whole(f, p->c->panel));
    LLVMValueRef at = vector_table_at(
        f, p->tables, vector_add(f, p->b_of_n, vector_add(f, p->first, ns.index)), 0);
    LLVMBuildStore(b, LLVMBuildLoad2(b, f->e->f32, vector_float_at(f, row, at), ""),
                   vector_float_at(f, to, ns.index));
    loop_end(f, &ns);
    loop_end(f, &ks);
}

void emit_pack(Emitter *e, Kernel *kernel) {
    Frame f;
    const Contraction *c = kernel->as.contraction;
    frame_begin(&f, e, kernel);
    LLVMBuilderRef b = e->builder;
    LLVMValueRef tables = f.bases[1];
    LLVMValueRef head = emit_whole(&f, 0);
    LLVMValueRef k = vector_table_at(&f, tables, head, HEAD_K);
    LLVMValueRef panels = vector_table_at(&f, tables, head, HEAD_PANELS);
    LLVMValueRef b_of_z = vector_table_at(&f, tables, head, HEAD_B_OF_Z);
    Packing p = {
        .f = &f, .c = c, .vector = LLVMVectorType(e->f32, (unsigned)c->lanes), .tables = tables};
    p.b_of_k = vector_table_at(&f, tables, head, HEAD_B_OF_K);
    p.b_of_n = vector_table_at(&f, tables, head, HEAD_B_OF_N);
    p.columns = vector_table_at(&f, tables, head, HEAD_COLUMNS);
    LLVMValueRef chunks = LLVMBuildUDiv(b, vector_add(&f, k, emit_whole(&f, PACK_ROWS - 1)),
                                        emit_whole(&f, PACK_ROWS), "");
    Loop tiles = loop_begin(&f, f.begin, f.end);
    LLVMValueRef chunk = LLVMBuildURem(b, tiles.index, chunks, "");
    LLVMValueRef rest = LLVMBuildUDiv(b, tiles.index, chunks, "");
    LLVMValueRef panel = LLVMBuildURem(b, rest, panels, "");
    LLVMValueRef z = LLVMBuildUDiv(b, rest, panels, "");
    p.from =
        vector_float_at(&f, f.bases[0], vector_table_at(&f, tables, vector_add(&f, b_of_z, z), 0));
    p.to = vector_float_at(&f, f.bases[2],
                           vector_times(&f, LLVMBuildNSWMul(b, rest, k, ""), c->panel));
    p.first = vector_times(&f, panel, c->panel);
    p.k_begin = vector_times(&f, chunk, PACK_ROWS);
    p.k_end = vector_smaller(&f, vector_add(&f, p.k_begin, emit_whole(&f, PACK_ROWS)), k);
    if (contraction_columns_contiguous(c))
        copy_rows(&p);
    else if (contraction_k_contiguous(c))
        transpose_squares(&p);
    else
        copy_each(&p);
    loop_end(&f, &tiles);
    frame_end(&f);
}
