/* Adds sums of products: `MatMul` if there are two arrays and one is a matrix, and `Einsum` for all
 * others. */
#include "compiler/onnx/internal.h"

enum { MOST_FACTORS = 8 };

typedef struct Factors {
    const GExpr *parts[MOST_FACTORS];
    Value items[MOST_FACTORS];
    int count;
} Factors;

static bool take_factors(Factors *f, const GExpr *e) {
    if (e->op == G_MUL) return take_factors(f, e->args[0]) && take_factors(f, e->args[1]);
    if (f->count == MOST_FACTORS) return false;
    f->parts[f->count++] = e;
    return true;
}

/* Multiplies two factors entry by entry if one depends on no index that the other lacks. So fewer
 * factors are left for the sum of products. */
static void join_factors(Onnx *o, Factors *f) {
    for (int i = 0; i < f->count; i++)
        for (int k = f->count - 1; k >= 0; k--) {
            const uint32_t a = f->items[i].mask;
            const uint32_t b = f->items[k].mask;
            if (i == k || (b & ~a)) continue;
            f->items[i] = onnx_two(o, "Mul", f->items[i], f->items[k], GT_REAL);
            f->items[k] = f->items[--f->count];
            f->parts[k] = f->parts[f->count];
            i = -1;
            break;
        }
}

static void put_letters(char *to, uint32_t mask) {
    for (int i = 0; i < GRAPH_MAX_INDICES; i++)
        if (mask >> i & 1) *to++ = (char)('a' + i);
    *to = 0;
}

static Value einsum(Onnx *o, const Factors *f, uint32_t result) {
    char letters[GRAPH_MAX_INDICES + 1];
    const char *equation = "";
    const char *names[MOST_FACTORS];
    for (int i = 0; i < f->count; i++) {
        put_letters(letters, f->items[i].mask);
        equation = arena_printf(o->arena, "%s%s%s", equation, i ? "," : "", letters);
        names[i] = f->items[i].name;
    }
    put_letters(letters, result);
    const OnnxAttribute a = {.name = "equation",
                             .kind = ONNX_ATTRIBUTE_TEXT,
                             .text = arena_printf(o->arena, "%s->%s", equation, letters)};
    return (Value){onnx_operator(o->m, "Einsum", f->count, names, 1, &a), GT_REAL, result};
}

/* True if the bits of `below` are all lower than those of `above`. */
static bool is_in_front(uint32_t below, uint32_t above) {
    return !below || !above || (above & -above) > below;
}

/* Adds a product with a matrix: rows of `a` times `b`, whose columns come last in the result.
 * Returns false if the product has another form. */
static bool matrix(Onnx *o, Value a, Value b, uint32_t result, Value *out) {
    const uint32_t inner = a.mask & b.mask;
    const uint32_t columns = b.mask & ~inner;
    const uint32_t rows = a.mask & ~inner;
    const bool is_plain = onnx_count(inner) == 1 && onnx_count(columns) == 1 && rows &&
                          !(inner & result) && (columns | rows) == result &&
                          is_in_front(rows, columns);
    if (!is_plain) return false;
    /* The reduced index has the highest number, so it is the last axis of `a` and of `b`. MatMul
     * wants it first in `b`. */
    const int swap[] = {1, 0};
    const char *const inputs[] = {a.name, onnx_transpose(o, b.name, 2, swap)};
    *out = (Value){onnx_operator(o->m, "MatMul", 2, inputs, 0, NULL), GT_REAL, result};
    return true;
}

static Value product(Onnx *o, const Factors *f, uint32_t result) {
    Value out;
    if (f->count == 2 && (matrix(o, f->items[0], f->items[1], result, &out) ||
                          matrix(o, f->items[1], f->items[0], result, &out)))
        return out;
    return einsum(o, f, result);
}

bool onnx_product(Onnx *o, Value *out) {
    const GNode *n = o->node;
    Factors f = {.count = 0};
    if (n->reducer != GR_SUM || n->guard || n->type != GT_REAL || n->value->op != G_MUL ||
        !take_factors(&f, n->value))
        return false;
    uint32_t all = 0;
    for (int i = 0; i < f.count; i++) {
        f.items[i] = onnx_value(o, f.parts[i]);
        if (o->failed) return *out = f.items[i], true;
        all |= f.items[i].mask;
    }
    join_factors(o, &f);
    if (f.count == 1) {
        *out = onnx_reduce(o, f.items[0], NULL);
        return true;
    }
    const uint32_t reduced = ((1u << n->red_rank) - 1) << n->rank;
    int64_t repeats = 1;
    for (int i = 0; i < GRAPH_MAX_INDICES; i++)
        if ((reduced & ~all) >> i & 1) repeats *= o->extents[i];
    *out = product(o, &f, all & ~reduced);
    if (repeats > 1) {
        *out = onnx_two(o, "Mul", *out, onnx_real(o, (double)repeats), GT_REAL);
    }
    return true;
}
