/* A sum of products in register blocks: packing of the vector operand, the micro-kernel, the sum of split parts. */
#include "compiler/cpu/emit.h"

static LLVMValueRef add(Frame *f, LLVMValueRef a, LLVMValueRef b) { return LLVMBuildNSWAdd(f->e->builder, a, b, ""); }
static LLVMValueRef times(Frame *f, LLVMValueRef a, int64_t b) { return LLVMBuildNSWMul(f->e->builder, a, whole(f, b), ""); }

static LLVMValueRef table_at(Frame *f, LLVMValueRef tables, int64_t start, LLVMValueRef at) {
    LLVMValueRef index = add(f, at, whole(f, start));
    LLVMTypeRef i32 = f->e->i32;
    LLVMValueRef value = LLVMBuildLoad2(f->e->builder, i32, LLVMBuildInBoundsGEP2(f->e->builder, i32, tables, &index, 1, ""), "");
    return LLVMBuildSExt(f->e->builder, value, f->e->i64, "");
}

static LLVMValueRef float_at(Frame *f, LLVMValueRef base, LLVMValueRef at) {
    return LLVMBuildInBoundsGEP2(f->e->builder, f->e->f32, base, &at, 1, "");
}

static LLVMValueRef smaller(Frame *f, LLVMValueRef a, LLVMValueRef b) {
    return LLVMBuildSelect(f->e->builder, LLVMBuildICmp(f->e->builder, LLVMIntSLT, a, b, ""), a, b, "");
}

void emit_pack(Emitter *e, Kernel *kernel) {
    Frame f;
    const Contraction *c = kernel->contraction;
    const ProductForm *p = &c->form;
    frame_begin(&f, e, kernel);
    LLVMBuilderRef b = e->builder;
    LLVMValueRef source = f.bases[0], tables = f.bases[1], packed = f.bases[2];
    int64_t chunks = (p->k_size + PACK_ROWS - 1) / PACK_ROWS;
    Loop tiles = loop_begin(&f, f.begin, f.end);
    LLVMValueRef chunk = LLVMBuildURem(b, tiles.index, whole(&f, chunks), ""), rest = LLVMBuildUDiv(b, tiles.index, whole(&f, chunks), "");
    LLVMValueRef panel = LLVMBuildURem(b, rest, whole(&f, c->panels), ""), z = LLVMBuildUDiv(b, rest, whole(&f, c->panels), "");
    LLVMValueRef from = float_at(&f, source, add(&f, table_at(&f, tables, c->b_of_z, z), whole(&f, p->at_b.constant)));
    LLVMValueRef first = times(&f, panel, c->panel), k0 = times(&f, chunk, PACK_ROWS);
    Loop ks = loop_begin(&f, k0, smaller(&f, add(&f, k0, whole(&f, PACK_ROWS)), whole(&f, p->k_size)));
    LLVMValueRef row = float_at(&f, from, table_at(&f, tables, c->b_of_k, ks.index));
    LLVMValueRef to = float_at(&f, packed, times(&f, add(&f, times(&f, rest, p->k_size), ks.index), c->panel));
    bool contiguous = p->n_count == 1 && p->at_b.factor[p->n[0]] == 1;
    Loop ns = loop_begin(&f, whole(&f, 0), whole(&f, c->panel));
    LLVMValueRef n = add(&f, first, ns.index), value;
    LLVMValueRef offset = contiguous ? smaller(&f, n, whole(&f, p->n_size - 1)) : table_at(&f, tables, c->b_of_n, n);
    value = LLVMBuildLoad2(b, e->f32, float_at(&f, row, offset), "");
    LLVMBuildStore(b, value, float_at(&f, to, ns.index));
    loop_end(&f, &ns);
    loop_end(&f, &ks);
    loop_end(&f, &tiles);
    frame_end(&f);
}

typedef struct Block {
    Frame *f;
    const Contraction *c;
    LLVMTypeRef vector;
    int columns; /* vectors in a panel */
    LLVMValueRef sums[PRODUCT_ROWS * 2];
} Block;

static LLVMValueRef vector_at(Block *k, LLVMValueRef base, int64_t at) {
    return at ? float_at(k->f, base, whole(k->f, at)) : base;
}

static LLVMValueRef load_vector(Block *k, LLVMValueRef base, int64_t at) {
    LLVMValueRef v = LLVMBuildLoad2(k->f->e->builder, k->vector, vector_at(k, base, at), "");
    LLVMSetAlignment(v, 4);
    return v;
}

static LLVMValueRef splat(Block *k, LLVMValueRef scalar) {
    Emitter *e = k->f->e;
    LLVMValueRef none = LLVMGetUndef(k->vector), zeros = LLVMConstNull(LLVMVectorType(e->i32, (unsigned)k->c->lanes));
    LLVMValueRef one = LLVMBuildInsertElement(e->builder, none, scalar, LLVMConstInt(e->i32, 0, 0), "");
    return LLVMBuildShuffleVector(e->builder, one, none, zeros, "");
}

/* sums[r][v] += over `count` rows of the panel; `row` are the starts of the broadcast operand's rows, `offsets` the table of k from here. */
static void micro_kernel(Block *k, const LLVMValueRef *row, LLVMValueRef offsets, LLVMValueRef panel, LLVMValueRef count, LLVMValueRef store, int64_t store_row) {
    Frame *f = k->f;
    LLVMBuilderRef b = f->e->builder;
    int sums = PRODUCT_ROWS * k->columns;
    LLVMValueRef start[PRODUCT_ROWS * 2], phi[PRODUCT_ROWS * 2], next[PRODUCT_ROWS * 2];
    for (int i = 0; i < sums; i++) start[i] = load_vector(k, store, (i / k->columns) * store_row + (i % k->columns) * k->c->lanes);
    LLVMBasicBlockRef before = LLVMGetInsertBlock(b), body = frame_block(f, "k"), after = frame_block(f, "stored");
    LLVMBuildBr(b, body);
    LLVMPositionBuilderAtEnd(b, body);
    LLVMValueRef at = LLVMBuildPhi(b, f->e->i64, "k"), zero = whole(f, 0);
    LLVMAddIncoming(at, &zero, &before, 1);
    for (int i = 0; i < sums; i++) {
        phi[i] = LLVMBuildPhi(b, k->vector, "");
        LLVMAddIncoming(phi[i], &start[i], &before, 1);
    }
    LLVMValueRef offset = LLVMBuildSExt(b, LLVMBuildLoad2(b, f->e->i32, LLVMBuildInBoundsGEP2(b, f->e->i32, offsets, &at, 1, ""), ""), f->e->i64, "");
    LLVMValueRef line = float_at(f, panel, times(f, at, k->c->panel)), column[2];
    for (int v = 0; v < k->columns; v++) column[v] = load_vector(k, line, v * k->c->lanes);
    for (int r = 0; r < PRODUCT_ROWS; r++) {
        LLVMValueRef value = splat(k, LLVMBuildLoad2(b, f->e->f32, float_at(f, row[r], offset), ""));
        for (int v = 0; v < k->columns; v++) next[r * k->columns + v] = multiply_add(f, value, column[v], phi[r * k->columns + v]);
    }
    LLVMValueRef more = add(f, at, whole(f, 1));
    LLVMAddIncoming(at, &more, &body, 1);
    for (int i = 0; i < sums; i++) LLVMAddIncoming(phi[i], &next[i], &body, 1);
    LLVMBuildCondBr(b, LLVMBuildICmp(b, LLVMIntSLT, more, count, ""), body, after);
    LLVMPositionBuilderAtEnd(b, after);
    for (int i = 0; i < sums; i++) {
        LLVMValueRef stored = LLVMBuildStore(b, next[i], vector_at(k, store, (i / k->columns) * store_row + (i % k->columns) * k->c->lanes));
        LLVMSetAlignment(stored, 4);
    }
}

/* From the scratch block to where y lies. */
static void store_block(Block *k, LLVMValueRef tables, LLVMValueRef to, LLVMValueRef m0, LLVMValueRef rows) {
    Frame *f = k->f;
    LLVMBuilderRef b = f->e->builder;
    const Contraction *c = k->c;
    const ProductForm *p = &c->form;
    int64_t width = c->panels * c->panel;
    bool by_row = p->n_count == 1 && p->at_y.factor[p->n[0]] == 1;
    Loop outer = loop_begin(f, whole(f, 0), by_row ? rows : whole(f, p->n_size));
    LLVMValueRef start = by_row ? table_at(f, tables, c->y_of_m, add(f, m0, outer.index)) : table_at(f, tables, c->y_of_n, outer.index);
    Loop inner = loop_begin(f, whole(f, 0), by_row ? whole(f, p->n_size) : rows);
    LLVMValueRef r = by_row ? outer.index : inner.index, n = by_row ? inner.index : outer.index;
    LLVMValueRef value = LLVMBuildLoad2(b, f->e->f32, float_at(f, f->scratch, add(f, times(f, r, width), n)), "");
    LLVMValueRef offset = by_row ? n : table_at(f, tables, c->y_of_m, add(f, m0, r));
    LLVMBuildStore(b, value, float_at(f, to, add(f, start, offset)));
    loop_end(f, &inner);
    loop_end(f, &outer);
}

void emit_product(Emitter *e, Kernel *kernel) {
    Frame f;
    const Contraction *c = kernel->contraction;
    const ProductForm *p = &c->form;
    frame_begin(&f, e, kernel);
    LLVMBuilderRef b = e->builder;
    LLVMValueRef a = f.bases[0], tables = f.bases[1], packed = f.bases[2], y = f.bases[3];
    int64_t width = c->panels * c->panel, panel_floats = p->k_size * c->panel, y_count = 1;
    for (int i = 0; i < c->node->rank; i++) y_count *= c->node->shape[i];
    Block block = {.f = &f, .c = c, .vector = LLVMVectorType(e->f32, (unsigned)c->lanes), .columns = (int)(c->panel / c->lanes)};

    Loop tasks = loop_begin(&f, f.begin, f.end);
    LLVMValueRef split = LLVMBuildURem(b, tasks.index, whole(&f, c->splits), ""), rest = LLVMBuildUDiv(b, tasks.index, whole(&f, c->splits), "");
    LLVMValueRef z = LLVMBuildUDiv(b, rest, whole(&f, c->blocks), ""), m0 = times(&f, LLVMBuildURem(b, rest, whole(&f, c->blocks), ""), c->row_block);
    LLVMValueRef rows = smaller(&f, whole(&f, c->row_block), LLVMBuildNSWSub(b, whole(&f, p->m_size), m0, ""));
    LLVMValueRef k_begin = times(&f, split, c->split_k), k_end = smaller(&f, add(&f, k_begin, whole(&f, c->split_k)), whole(&f, p->k_size));
    LLVMValueRef from = float_at(&f, a, add(&f, table_at(&f, tables, c->a_of_z, z), whole(&f, p->at_a.constant)));
    LLVMValueRef panels = float_at(&f, packed, times(&f, z, c->panels * panel_floats));
    LLVMBuildMemSet(b, f.scratch, LLVMConstInt(e->i8, 0, 0), whole(&f, c->row_block * width * 4), 64);

    Loop blocks = loop_begin_step(&f, k_begin, k_end, PRODUCT_KC);
    LLVMValueRef left = smaller(&f, LLVMBuildNSWSub(b, k_end, blocks.index, ""), whole(&f, PRODUCT_KC));
    LLVMValueRef table = add(&f, blocks.index, whole(&f, c->a_of_k));
    LLVMValueRef offsets = LLVMBuildInBoundsGEP2(b, e->i32, tables, &table, 1, "");
    Loop columns = loop_begin(&f, whole(&f, 0), whole(&f, c->panels));
    LLVMValueRef panel = float_at(&f, panels, add(&f, times(&f, columns.index, panel_floats), times(&f, blocks.index, c->panel)));
    Loop strips = loop_begin_step(&f, whole(&f, 0), rows, PRODUCT_ROWS);
    LLVMValueRef row[PRODUCT_ROWS];
    for (int r = 0; r < PRODUCT_ROWS; r++) row[r] = float_at(&f, from, table_at(&f, tables, c->a_of_m, add(&f, add(&f, m0, strips.index), whole(&f, r))));
    LLVMValueRef store = float_at(&f, f.scratch, add(&f, times(&f, strips.index, width), times(&f, columns.index, c->panel)));
    micro_kernel(&block, row, offsets, panel, left, store, width);
    loop_end(&f, &strips);
    loop_end(&f, &columns);
    loop_end(&f, &blocks);

    LLVMValueRef to = float_at(&f, y, table_at(&f, tables, c->y_of_z, z));
    if (c->splits > 1) to = float_at(&f, to, times(&f, split, y_count));
    store_block(&block, tables, to, m0, rows);
    loop_end(&f, &tasks);
    frame_end(&f);
}

void emit_gather_partials(Emitter *e, Kernel *kernel) {
    Frame f;
    const Contraction *c = kernel->contraction;
    int64_t count = contraction_partial_count(c) / c->splits;
    frame_begin(&f, e, kernel);
    LLVMBuilderRef b = e->builder;
    Loop tiles = loop_begin(&f, f.begin, f.end);
    LLVMValueRef begin = times(&f, tiles.index, GATHER_CHUNK);
    Loop elements = loop_begin(&f, begin, smaller(&f, add(&f, begin, whole(&f, GATHER_CHUNK)), whole(&f, count)));
    LLVMValueRef sum = NULL;
    for (int64_t s = 0; s < c->splits; s++) {
        LLVMValueRef part = LLVMBuildLoad2(b, e->f32, float_at(&f, f.bases[0], add(&f, elements.index, whole(&f, s * count))), "");
        sum = sum ? LLVMBuildFAdd(b, sum, part, "") : part;
    }
    LLVMBuildStore(b, sum, float_at(&f, f.bases[1], elements.index));
    loop_end(&f, &elements);
    loop_end(&f, &tiles);
    frame_end(&f);
}
