/* Reads the formulas of a step from the bytes of a plan (formula.h). A count is accepted only if
 * there are bytes for it. */
#include "runtime/formula_parts.h"

/* The most operations that one explanation may do, which take a few seconds. */
static const int64_t PATIENCE = 200000000;

static uint64_t read_varint(Work *w) {
    uint64_t value = 0;
    for (int shift = 0; shift < 64 && w->at < w->end; shift += 7) {
        const unsigned char byte = *w->at++;
        value |= (uint64_t)(byte & 127) << shift;
        if (byte < 128) return value;
    }
    w->broken = true;
    return 0;
}

static int64_t take_signed(Work *w) {
    const uint64_t value = read_varint(w);
    return (int64_t)(value >> 1) ^ -(int64_t)(value & 1);
}

static double take_real(Work *w) {
    double value = 0;
    if (w->end - w->at < (int64_t)sizeof value)
        w->broken = true;
    else
        memcpy(&value, w->at, sizeof value), w->at += sizeof value;
    return value;
}

/* Takes a number below `limit`. Any other number means that the bytes are damaged. */
static int64_t take_below(Work *w, int64_t limit) {
    const uint64_t value = read_varint(w);
    if (value < (uint64_t)limit) return (int64_t)value;
    w->broken = true;
    return 0;
}

/* Takes a number below `limit` that may be missing. Returns -1 if it is. */
static int take_optional(Work *w, int64_t limit) {
    return (int)take_below(w, limit + 1) - 1;
}

static void *take_memory(Work *w, int64_t count, size_t bytes) {
    void *memory = w->broken ? NULL : calloc((size_t)count + 1, bytes);
    if (!memory) w->broken = true;
    return memory;
}

static void read_strings(Work *w) {
    w->string_count = take_below(w, w->end - w->at + 1);
    w->strings = take_memory(w, w->string_count, sizeof *w->strings);
    for (int64_t i = 0; i < w->string_count && !w->broken; i++) {
        const int64_t length = take_below(w, w->end - w->at + 1);
        w->strings[i] = (String){(const char *)w->at, (int)length};
        w->at += length;
    }
}

static void read_places(Work *w) {
    w->place_count = take_below(w, w->end - w->at + 1);
    w->places = take_memory(w, w->place_count, sizeof *w->places);
    for (int64_t i = 0; i < w->place_count && !w->broken; i++) {
        Place *p = &w->places[i];
        p->path = take_below(w, w->string_count);
        p->line = (int64_t)read_varint(w);
        p->column = (int64_t)read_varint(w);
        /* The place of a call is an earlier place, so that a walk from call to call ends. */
        p->call = take_optional(w, i);
        p->is_slope = read_varint(w) != 0;
    }
}

static void read_axes(Work *w, Formula *f, int from, int *count) {
    *count = (int)take_below(w, COUPLET_MAX_RANK + 1);
    for (int i = from; i < from + *count; i++) {
        f->extent[i] = (int64_t)read_varint(w);
        f->index_name[i] = take_optional(w, w->string_count);
    }
}

static void read_load(Work *w, Expr *e) {
    const uint64_t array = read_varint(w);
    e->is_pairs = array & 1;
    e->array = (int)(array >> 1);
    e->name = take_optional(w, w->string_count);
    e->is_byte = read_varint(w) != 0;
    e->has_else = read_varint(w) != 0;
    e->rank = (int)take_below(w, COUPLET_MAX_RANK + 1);
    for (int i = 0; i < e->rank; i++) {
        e->shape[i] = (int64_t)read_varint(w);
        e->may_leave[i] = read_varint(w) != 0;
    }
    if (e->arg_count != e->rank + e->has_else || (e->is_pairs && e->array >= w->count))
        w->broken = true;
}

static void read_expr(Work *w, Formula *f, int number) {
    Expr *e = &f->exprs[number];
    const int64_t op = take_below(w, 2 * COUPLET_OP_COUNT);
    e->op = (CoupletFormulaOp)(op / 2);
    e->is_real = op & 1;
    e->place = take_optional(w, w->place_count);
    e->arg_count = (int)take_below(w, MOST_ARGS + 1);
    for (int i = 0; i < e->arg_count; i++) {
        const int64_t back = take_below(w, number + 1);
        if (back == 0) w->broken = true;
        e->args[i] = number - (int)back;
        if (!w->broken) e->indices |= f->exprs[e->args[i]].indices;
    }
    if (e->op == COUPLET_OP_REAL) e->number = take_real(w);
    if (e->op == COUPLET_OP_INT) e->number = (double)take_signed(w);
    if (e->op == COUPLET_OP_INDEX) {
        const int64_t index = take_below(w, MOST_INDICES);
        e->number = (double)index;
        e->indices = 1u << index;
    }
    if (e->op == COUPLET_OP_LOAD) read_load(w, e);
}

static void read_compute(Work *w, Formula *f) {
    f->reducer = (CoupletFormulaReducer)take_below(w, COUPLET_REDUCE_PROD + 1);
    f->empty_is_fault = read_varint(w) != 0;
    read_axes(w, f, f->rank, &f->red_rank);
    f->expr_count = (int)take_below(w, w->end - w->at + 1);
    f->exprs = take_memory(w, f->expr_count, sizeof *f->exprs);
    f->known = take_memory(w, f->expr_count, sizeof *f->known);
    f->known_at = take_memory(w, f->expr_count, sizeof *f->known_at);
    for (int i = 0; i < f->expr_count && !w->broken; i++)
        read_expr(w, f, i);
    f->guard = take_optional(w, f->expr_count);
    f->active = take_optional(w, f->expr_count);
    f->value = take_optional(w, f->expr_count);
    if (f->value < 0) w->broken = true;
}

static void read_call(Work *w, Formula *f) {
    f->call = (CoupletCallKind)take_below(w, COUPLET_CALL_COUNT);
    f->rows = (int64_t)read_varint(w);
    f->size.rows = (int64_t)read_varint(w);
    f->size.columns = (int64_t)read_varint(w);
    f->size.result = (int64_t)read_varint(w);
    f->operand_count = (int)take_below(w, COUPLET_CALL_OPERANDS + 1);
    for (int i = 0; i < f->operand_count; i++)
        f->operands[i] = (int)read_varint(w);
}

static void read_formula(Work *w, Formula *f) {
    f->kind = (CoupletFormulaKind)take_below(w, COUPLET_FORMULA_CALL + 1);
    f->buffer = (int)read_varint(w);
    f->name = take_optional(w, w->string_count);
    f->place = take_optional(w, w->place_count);
    read_axes(w, f, 0, &f->rank);
    if (f->kind == COUPLET_FORMULA_CALL) {
        read_call(w, f);
    } else if (f->kind == COUPLET_FORMULA_TOPK) {
        f->candidates_buffer = (int)read_varint(w);
        f->candidates = (int64_t)read_varint(w);
    } else {
        read_compute(w, f);
    }
}

void couplet_formula_work_end(Work *w) {
    for (int i = 0; w->formulas && i < w->count; i++) {
        free(w->formulas[i].exprs);
        free(w->formulas[i].known);
        free(w->formulas[i].known_at);
    }
    free(w->formulas);
    free(w->strings);
    free(w->places);
}

bool couplet_formula_work_begin(Work *w, const CoupletPlan *plan, int step,
                                const CoupletArrays *arrays) {
    memset(w, 0, sizeof *w);
    if (!plan->formulas) return false;
    w->at = plan->formulas;
    w->end = plan->formulas + plan->formula_bytes;
    w->arrays = arrays;
    w->left = PATIENCE;
    w->seed = take_optional(w, plan->buffer_count);
    w->step = take_optional(w, plan->buffer_count);
    read_strings(w);
    read_places(w);
    const int64_t steps = take_below(w, w->end - w->at + 1);
    int64_t before = 0;
    for (int64_t i = 0; i < steps; i++) {
        const int64_t length = (int64_t)read_varint(w);
        if (i < step) before += length;
    }
    if (step >= steps || before > w->end - w->at) w->broken = true;
    if (!w->broken) w->at += before;
    const int64_t count = take_below(w, w->end - w->at + 1);
    w->results = (int)take_below(w, count + 1);
    w->formulas = take_memory(w, count, sizeof *w->formulas);
    w->count = w->formulas ? (int)count : 0;
    for (int i = 0; i < w->count && !w->broken; i++)
        read_formula(w, &w->formulas[i]);
    if (!w->broken) return true;
    couplet_formula_work_end(w);
    return false;
}
