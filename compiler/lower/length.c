/* Lengths of vectors whose squares no float32 holds.
 *
 * The squares of entries from 2e19 on overflow, and those below 1e-19 lose their digits or vanish,
 * though the length itself is an ordinary number. A root of a sum of squares, or of their mean, is
 * therefore computed from entries scaled by a power of two where the plain sum is outside of what
 * float32 adds up well: 2^-100 .. 2^120. The scaled sum is a node that is active only there, so a
 * row of ordinary size costs a comparison, and has the bits that it would have without. Roots of
 * more than squares (a variance plus an epsilon), and quotients by sums of squares, are NaN where
 * the sum is infinite. Otherwise x / inf would be 0, without a word.
 *
 * The gradient of a length is x / length. It goes through scaled squares as well (G_ROOT), since
 * the slope by a plain sum of squares, 1 / (2 length), may itself be outside of float32. Where
 * there are many more squares than entries, as in all pairs of rows, it goes through the plain
 * ones. All pairs of rows have one scale for both arrays, and no second sum. */
#include "compiler/lower/length.h"
#include "compiler/graph/loads.h"
#include "compiler/graph/rewriter.h"
#include "compiler/passes/logform.h"

#include <math.h>
#include <string.h>

/* Between these bounds a sum of squares is nearly exact. */
static const double least = 0x1p-100, most = 0x1p120;
/* The factors for entries whose sum lies outside of these bounds. Float32 holds the squares of the
 * scaled entries. */
static const double up = 0x1p80, down = 0x1p-80;

bool length_stands_for_value(const GExpr *e) {
    return e->op == G_LOAD && !e->has_else && e->tensor->kind == GN_COMPUTE &&
           e->tensor->reducer == GR_NONE && !e->tensor->active;
}

const GExpr *length_behind_reads(Graph *g, const GExpr *e) {
    while (length_stands_for_value(e)) {
        ComputeSpec spec;
        graph_open(g, e->tensor, &spec);
        const GExpr *value = gx_substitute(g, spec.value, spec.out_rank, spec.out, e->args);
        if (!load_keeps_checks(g, e, value)) return e;
        e = value;
    }
    return e;
}

/* Facts about the graph at hand. They are kept from one root to the next, since each of a chain of
 * roots asks the same about its parts. */
struct RootFacts {
    Graph *g;
    Logs logs;
    ExprMap squares; /* by expression: 1 if it contains a sum of squares */
    /* by the id of a node: the answer of pairs_away, and 1 more; 0: not known */
    ARRAY(char) pairs_away;
};

static RootFacts *facts_of(Lower *l) {
    if (l->root_facts && l->root_facts->g == l->g) return l->root_facts;
    RootFacts *facts = l->root_facts = arena_new_of(l->arena, RootFacts);
    facts->g = l->g;
    logs_open(&facts->logs, l->g);
    expr_map_open_in(&facts->squares, l->arena);
    return facts;
}

bool length_is_of_exps(Lower *l, const GExpr *e) {
    return logs_hold_exp(&facts_of(l)->logs, e);
}

/* ---- sums of squares ------------------------------------------------------------------------- */

static bool is_sum_of_squares(const GExpr *e) {
    if (e->op != G_LOAD || e->has_else || e->tensor->kind != GN_COMPUTE ||
        e->tensor->reducer != GR_SUM)
        return false;
    const GExpr *term = e->tensor->value;
    return term->op == G_MUL && term->args[0] == term->args[1] && term->type == GT_REAL;
}

static bool may_hold_squares(void *context, const GExpr *e) {
    (void)context;
    return e->op == G_DIV || e->op == G_ADD || e->op == G_MUL || e->op == G_MAX ||
           e->op == G_SELECT;
}

/* Gives 1 for a sum of squares, and for a sum, product, quotient or choice made of such a sum. */
static ExprValue find_squares(void *context, const GExpr *e, const ExprValue *args) {
    RootFacts *facts = context;
    ExprValue holds = {.integer = is_sum_of_squares(e)};
    const int end = e->op == G_DIV ? 1 : e->arg_count;
    for (int i = e->op == G_SELECT; args && i < end; i++)
        holds.integer |= args[i].integer;
    if (!length_stands_for_value(e) || length_behind_reads(facts->g, e) == e) return holds;
    return expr_fold_rest(&facts->squares, e->tensor->value, may_hold_squares, find_squares, facts);
}

static bool holds_squares(Lower *l, const GExpr *e) {
    RootFacts *facts = facts_of(l);
    return expr_fold_rest(&facts->squares, e, may_hold_squares, find_squares, facts).integer;
}

/* The most arrays between a root and an array of pairs with which it is combined. An array further
 * away, such as the attention of a network, is not made again for the root. */
enum { DEEPEST = 4 };

static int64_t terms_of(const GNode *n) {
    int64_t count = graph_element_count(n);
    for (int i = 0; i < n->red_rank; i++)
        count *= n->red_shape[i];
    return count;
}

static int64_t largest_read(Graph *g, const GNode *n) {
    const Loads loads = loads_of_all(g->arena, 1, &n->value);
    int64_t largest = 0;
    for (int i = 0; i < loads.items.count; i++) {
        const int64_t count = graph_element_count(loads.items.items[i]->tensor);
        if (count > largest) largest = count;
    }
    return largest;
}

/* True if there are about as many terms as entries: the rows of a matrix, and not all pairs of its
 * rows. */
static bool length_is_of_rows(Graph *g, const GNode *squares) {
    return terms_of(squares) <= 2 * largest_read(g, squares);
}

static int pairs_away(RootFacts *facts, const GNode *n);

static int find_pairs_away(RootFacts *facts, const GNode *n) {
    if (n->kind == GN_STOP) return pairs_away(facts, n->operand);
    if (n->kind != GN_COMPUTE) return DEEPEST + 1;
    const Loads loads = loads_of_all(facts->g->arena, 1, &n->value);
    int64_t read = 0;
    int nearest = DEEPEST;
    for (int i = 0; i < loads.items.count; i++) {
        const GNode *from = loads.items.items[i]->tensor;
        const int away = pairs_away(facts, from);
        if (away < nearest) nearest = away;
        read += graph_element_count(from);
    }
    if (n->reducer == GR_SUM && n->rank >= 2 && graph_element_count(n) > read) return 0;
    return nearest + 1;
}

/* Returns the number of arrays between a node and the nearest array of pairs that it is made of: 0
 * for such an array itself, DEEPEST + 1 if none is near. */
static int pairs_away(RootFacts *facts, const GNode *n) {
    while ((uint32_t)facts->pairs_away.count <= n->id)
        array_push(facts->g->arena, &facts->pairs_away, 0);
    if (!facts->pairs_away.items[n->id]) {
        const char found = (char)(find_pairs_away(facts, n) + 1);
        facts->pairs_away.items[n->id] = found;
    }
    return facts->pairs_away.items[n->id] - 1;
}

bool length_is_of_pairs(Lower *l, const GNode *sum) {
    return pairs_away(facts_of(l), sum) <= DEEPEST;
}

/* ---- one root -------------------------------------------------------------------------------- */

const GExpr *length_unless_infinite(Graph *g, const GExpr *e) {
    return gx_select(g, gx2(g, G_EQ, e, gx_real(g, INFINITY)), gx_real(g, NAN), e);
}

GNode *length_beside(Graph *g, const ComputeSpec *sum, const GExpr *value) {
    ComputeSpec spec;
    memset(&spec, 0, sizeof spec);
    spec.out_rank = sum->out_rank;
    memcpy(spec.out, sum->out, sizeof *spec.out * (size_t)spec.out_rank);
    spec.value = value;
    spec.active = sum->active;
    spec.span = sum->span;
    return graph_compute(g, &spec);
}

/* Returns the entry times `scale`, with the slope of the entry itself. The other factor of the
 * slope by scaled squares is in slope_of, since it may exceed float32 by itself. */
static const GExpr *scaled_entry(Graph *g, const GExpr *entry, const GExpr *scale) {
    const GExpr *args[3] = {entry, gx2(g, G_MUL, entry, scale), gx_real(g, 1)};
    return gx_op(g, G_ROOT, 3, args);
}

/* Returns the sum with each entry times `scale`. */
static GNode *scaled_sum(Graph *g, const ComputeSpec *sum, const GExpr *scale,
                         const GExpr *active) {
    ComputeSpec spec = *sum;
    const GExpr *entry = scaled_entry(g, sum->value->args[0], scale);
    spec.name = NULL;
    spec.value = gx2(g, G_MUL, entry, entry);
    spec.active = gx_and(g, spec.active, active);
    return graph_compute(g, &spec);
}

/* Returns the slope of a root of value `root` by its sum of squares of scaled entries; it is 0
 * where the root is 0. */
static const GExpr *slope_of(Graph *g, const GExpr *root, const GExpr *scale) {
    const GExpr *slope = gx2(g, G_DIV, gx_real(g, 0.5), gx2(g, G_MUL, root, scale));
    return gx_select(g, gx2(g, G_EQ, root, gx_real(g, 0)), gx_real(g, 0), slope);
}

/* Returns sqrt(sum / count). `count` may be NULL, and has the axes of the reader. */
static const GExpr *length(Graph *g, const GExpr *load, const GExpr *count) {
    ComputeSpec sum;
    graph_open(g, load->tensor, &sum);
    const int rank = sum.out_rank;
    const GExpr *plain = gx_load(g, load->tensor, rank, sum.out, NULL);
    const GExpr *good = gx2(g, G_AND, gx2(g, G_LT, gx_real(g, least), plain),
                            gx2(g, G_LT, plain, gx_real(g, most)));
    const GExpr *scale = gx_select(
        g, good, gx_real(g, 1),
        gx_select(g, gx2(g, G_LT, plain, gx_real(g, 1)), gx_real(g, up), gx_real(g, down)));
    const GExpr *scaled =
        gx_load(g, scaled_sum(g, &sum, scale, gx1(g, G_NOT, good)), rank, sum.out, NULL);
    const GExpr *root =
        gx_select(g, good, gx1(g, G_SQRT, plain),
                  length_unless_infinite(g, gx2(g, G_DIV, gx1(g, G_SQRT, scaled), scale)));
    GNode *roots = length_beside(g, &sum, root);
    const GExpr *value = gx_load(g, roots, rank, load->args, NULL);
    const GExpr *squares = load;
    const GExpr *slope;
    if (length_is_of_rows(g, load->tensor)) {
        GNode *scales = graph_stop(g, length_beside(g, &sum, scale), sum.span);
        const GExpr *scale_here = gx_load(g, scales, rank, sum.out, NULL);
        const GExpr *root_here = gx_load(g, roots, rank, sum.out, NULL);
        squares = gx_load(g, scaled_sum(g, &sum, scale_here, NULL), rank, load->args, NULL);
        slope = gx_load(g, length_beside(g, &sum, slope_of(g, root_here, scale_here)), rank,
                        load->args, NULL);
    } else {
        slope = slope_of(g, value, gx_real(g, 1));
    }
    if (count) {
        const GExpr *root_of_count = gx1(g, G_SQRT, count);
        squares = gx2(g, G_DIV, squares, count);
        value = gx2(g, G_DIV, value, root_of_count);
        slope = gx2(g, G_MUL, slope, root_of_count);
    }
    const GExpr *args[3] = {squares, value, slope};
    return gx_op(g, G_ROOT, 3, args);
}

/* ---- all pairs of rows ----------------------------------------------------------------------- */

/* Distances of all pairs may be streamed, so no second sum is kept for some of them. Their operands
 * are scaled as a whole instead, by a power of two that their largest entry decides: 1 where that
 * is of an ordinary size, so that ordinary rows keep their bits. */

static const GExpr *larger(Graph *g, const GExpr *a, const GExpr *b) {
    return a ? gx2(g, G_MAX, a, b) : b;
}

/* Returns the largest magnitude in an array. */
static const GExpr *largest_magnitude(Graph *g, GNode *array, Span span) {
    ComputeSpec spec = {.reducer = GR_MAX, .red_rank = array->rank, .span = span};
    for (int i = 0; i < array->rank; i++)
        spec.red[i] = graph_fresh_index(g, array->shape[i]);
    const GExpr *entry = gx_load(g, array, array->rank, spec.red, NULL);
    spec.value = gx1(g, G_ABS, entry);
    GNode *largest = graph_compute(g, &spec);
    return gx_load(g, largest, 0, NULL, NULL);
}

enum { MOST_OPERANDS = 8 };

typedef struct Operands {
    Graph *g;
    const GExpr *top; /* the largest entry of all that is squared */
    Span span;
    int count;
} Operands;

/* Ends where the value is more than reads that are added and subtracted, none of them scaled. */
static VisitStep collect_operand(void *context, const GExpr *e) {
    Operands *o = context;
    if (e->op != G_LOAD)
        return e->op == G_ADD || e->op == G_SUB || e->op == G_NEG ? VISIT_INSIDE : VISIT_END;
    GNode *array = e->tensor;
    if (e->has_else || array->type != GT_REAL || array->rank == 0) return VISIT_END;
    o->top = larger(o->g, o->top, largest_magnitude(o->g, array, o->span));
    return ++o->count <= MOST_OPERANDS ? VISIT_PAST : VISIT_END;
}

typedef struct Scaling {
    const GExpr *scale;
    Span span;
    bool keeps_slope; /* as in scaled_entry */
} Scaling;

/* Replaces a read by a read of the array as scaled as a whole. */
static const GExpr *scale_operand(void *context, Graph *g, const GExpr *e) {
    const Scaling *s = context;
    if (e->op != G_LOAD) return NULL;
    GNode *array = e->tensor;
    ComputeSpec spec = {.out_rank = array->rank, .span = s->span};
    for (int i = 0; i < array->rank; i++)
        spec.out[i] = graph_fresh_index(g, array->shape[i]);
    const GExpr *entry = gx_load(g, array, array->rank, spec.out, NULL);
    spec.value = s->keeps_slope ? scaled_entry(g, entry, s->scale) : gx2(g, G_MUL, entry, s->scale);
    return gx_load(g, graph_compute(g, &spec), array->rank, e->args, NULL);
}

static const GExpr *rewritten(Graph *g, const GExpr *e, GVisit before, void *context) {
    GRewriter r;
    gx_rewriter_open(&r, g, before, NULL, context);
    const GExpr *result = gx_rewriter_apply(&r, e);
    gx_rewriter_close(&r);
    return result;
}

/* Returns the scale that brings a largest entry of this size, and an entry 2^40 times smaller, to
 * squares that float32 holds. */
static const GExpr *scale_for(Graph *g, const GExpr *top) {
    static const struct {
        double below;
        double scale;
    } steps[] = {
        {0x1p-90, 0x1p100}, {0x1p-50, 0x1p60}, {0x1p-20, 0x1p30}, {0x1p50, 1}, {0x1p90, 0x1p-60}};
    const GExpr *scale = gx_real(g, 0x1p-100);
    for (int i = (int)(sizeof steps / sizeof *steps) - 1; i >= 0; i--) {
        const GExpr *is_below = gx2(g, G_LT, top, gx_real(g, steps[i].below));
        scale = gx_select(g, is_below, gx_real(g, steps[i].scale), scale);
    }
    return scale;
}

/* Returns a number from a node of its own, through which no gradient goes. */
static const GExpr *kept(Graph *g, const GExpr *number, Span span) {
    ComputeSpec spec = {.value = number, .span = span};
    return gx_load(g, graph_stop(g, graph_compute(g, &spec), span), 0, NULL, NULL);
}

/* Returns the value as a formula of arrays that are scaled as wholes, or NULL if it is no plain
 * difference. */
static const GExpr *scaled_as_a_whole(Graph *g, const GExpr *e, Span span, bool keeps_slope,
                                      const GExpr **scale) {
    Operands operands = {.g = g, .span = span};
    if (expr_visit(e, collect_operand, &operands) || !operands.top) return NULL;
    Scaling scaling = {kept(g, scale_for(g, operands.top), span), span, keeps_slope};
    *scale = scaling.scale;
    return rewritten(g, e, scale_operand, &scaling);
}

const GExpr *length_scaled_pairs(Graph *g, const GExpr *load, const GExpr *over[2]) {
    ComputeSpec sum;
    graph_open(g, load->tensor, &sum);
    const GExpr *sides[2];
    const bool squares = is_sum_of_squares(load);
    for (int i = 0; i < 2; i++) {
        if (sum.value->op != G_MUL) return NULL;
        sides[i] = scaled_as_a_whole(g, sum.value->args[i], sum.span, squares, &over[i]);
        if (!sides[i]) return NULL;
    }
    sum.value = gx2(g, G_MUL, sides[0], sides[1]);
    return gx_load(g, graph_compute(g, &sum), load->tensor->rank, load->args, NULL);
}

/* Returns the square root of a sum of squares over pairs, or NULL to leave it as it is. */
static const GExpr *root_of_pairs(Graph *g, const GExpr *load, const GExpr *count) {
    const GExpr *over[2];
    const GExpr *squares = length_scaled_pairs(g, load, over);
    const GExpr *scale = over[0];
    if (!squares) return NULL;
    if (count) squares = gx2(g, G_DIV, squares, count);
    const GExpr *value = length_unless_infinite(g, gx2(g, G_DIV, gx1(g, G_SQRT, squares), scale));
    /* The slope is that of the scaled squares, because the slope of the plain squares may exceed
     * float32. */
    const GExpr *args[3] = {squares, value, slope_of(g, value, scale)};
    return gx_op(g, G_ROOT, 3, args);
}

/* ---- squares of entries, one by one ---------------------------------------------------------- */

static bool is_square(const GExpr *e) {
    return e->op == G_MUL && e->args[0] == e->args[1] && e->type == GT_REAL;
}

typedef struct Addends {
    Graph *g;
    ExprMap met;
    const GExpr *top; /* the largest entry of what is squared */
    bool has_squares;
    bool has_products;
    bool has_others;
} Addends;

/* True of a product of two values, which may be beyond float32 where its root is not. */
static bool is_product(const GExpr *e) {
    return e->op == G_MUL && e->type == GT_REAL && e->args[0]->op != G_CONST &&
           e->args[1]->op != G_CONST;
}

static VisitStep collect_addend(void *context, const GExpr *read) {
    Addends *a = context;
    const GExpr *e = length_behind_reads(a->g, read);
    for (int i = 0; e->op == G_ADD && i < 2; i++)
        expr_visit_rest(&a->met, e->args[i], collect_addend, a);
    if (is_square(e)) {
        a->top = larger(a->g, a->top, gx1(a->g, G_ABS, e->args[0]));
    }
    a->has_squares |= is_square(e);
    a->has_products |= !is_square(e) && is_product(e);
    a->has_others |= e->op != G_ADD && !is_square(e) && !is_product(e);
    return VISIT_PAST;
}

static Addends addends_of(Graph *g, const GExpr *e) {
    Addends a = {.g = g};
    expr_map_open(&a.met);
    expr_visit_rest(&a.met, e, collect_addend, &a);
    expr_map_close(&a.met);
    return a;
}

/* Replaces a square, or each square in a sum, by the square of the scaled entry. */
static const GExpr *scale_square(void *scale, Graph *g, const GExpr *read) {
    const GExpr *e = length_behind_reads(g, read);
    if (e->op == G_ADD) return e == read ? NULL : rewritten(g, e, scale_square, scale);
    const GExpr *entry = scaled_entry(g, e->args[0], scale);
    return gx2(g, G_MUL, entry, entry);
}

/* Returns |a| for sqrt(a^2), and a length of two entries for sqrt(a^2 + b^2). If anything else
 * stands beside the squares, there is no common scale, and what overflows is NaN. NULL: there are
 * no squares. */
static const GExpr *root_of_entries(Graph *g, const GExpr *e) {
    const Addends a = addends_of(g, e);
    if (!a.has_squares && !a.has_products) return NULL;
    if (!a.has_squares) return gx1(g, G_SQRT, length_unless_infinite(g, e));
    const GExpr *plain = length_behind_reads(g, e);
    const GExpr *squares = e;
    const GExpr *scale = gx_real(g, 1);
    const GExpr *value;
    if (is_square(plain)) return gx1(g, G_ABS, plain->args[0]);
    if (a.has_others || a.has_products) {
        value = gx1(g, G_SQRT, length_unless_infinite(g, e));
    } else {
        scale = scale_for(g, a.top);
        squares = rewritten(g, e, scale_square, (void *)(uintptr_t)scale);
        value = length_unless_infinite(g, gx2(g, G_DIV, gx1(g, G_SQRT, squares), scale));
    }
    const GExpr *args[3] = {squares, value, slope_of(g, value, scale)};
    return gx_op(g, G_ROOT, 3, args);
}

/* True if the value is a sum of squares of entries, and of nothing else. */
static bool is_of_entries_alone(Graph *g, const GExpr *e) {
    const Addends a = addends_of(g, e);
    return a.has_squares && !a.has_products && !a.has_others;
}

/* Returns sqrt(sum / count) of a sum of squares, or NULL if there is none. */
static const GExpr *root_of_squares(Lower *l, const GExpr *e) {
    const GExpr *v = length_behind_reads(l->g, e);
    const GExpr *count = NULL;
    if (v->op == G_DIV) count = v->args[1], v = length_behind_reads(l->g, v->args[0]);
    if (!is_sum_of_squares(v)) return NULL;
    return length_is_of_pairs(l, v->tensor) ? root_of_pairs(l->g, v, count)
                                            : length(l->g, v, count);
}

const GExpr *lower_root(Lower *l, const GExpr *e) {
    Graph *g = l->g;
    if (length_is_of_exps(l, e)) return gx1(g, G_SQRT, e);
    const bool holds = holds_squares(l, e);
    const GExpr *root = holds                       ? root_of_squares(l, e)
                        : is_of_entries_alone(g, e) ? root_of_entries(g, e)
                                                    : NULL;
    if (!root) root = lower_vanishing(l, e, gx_real(g, 0.5));
    if (!root && !holds) root = root_of_entries(g, e);
    if (root) return root;
    if (!holds) return gx1(g, G_SQRT, e);
    const GExpr *value = gx1(g, G_SQRT, length_unless_infinite(g, e));
    const GExpr *args[3] = {e, value, slope_of(g, value, gx_real(g, 1))};
    return gx_op(g, G_ROOT, 3, args);
}

const GExpr *lower_quotient(Lower *l, const GExpr *a, const GExpr *b) {
    if (length_is_of_exps(l, b)) return gx2(l->g, G_DIV, a, b);
    if (holds_squares(l, b)) b = length_unless_infinite(l->g, b);
    return lower_vanishing_quotient(l, a, b);
}

/* True if the power of a large or a small number may be an ordinary number. An unknown exponent may
 * be any. */
static bool may_shrink(const GExpr *exponent) {
    if (exponent->op != G_CONST) return true;
    return exponent->real > -1 && exponent->real < 1 && exponent->real != 0;
}

const GExpr *lower_power(Lower *l, const GExpr *base, const GExpr *exponent) {
    Graph *g = l->g;
    if (base->op == G_CONST || !may_shrink(exponent) || length_is_of_exps(l, base))
        return gx2(g, G_POW, base, exponent);
    const GExpr *power = lower_vanishing(l, base, exponent);
    return power ? power : gx2(g, G_POW, length_unless_infinite(g, base), exponent);
}
