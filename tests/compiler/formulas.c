/* Random graphs (formulas.h). Each choice takes the next number of one sequence, so the whole graph
 * follows from the seed; an array that is made may be an operand of any later one. */
#include "tests/compiler/formulas.h"

#include "runtime/random.h"

#include <math.h>
#include <string.h>

enum { MOST_NODES = 3, MOST_REALS = 24, MOST_INDICES = 5, LABELS = 33 };

typedef struct Maker {
    Graph *g;
    uint32_t seed, drawn;
    GNode *reals[MOST_REALS];
    int real_count;
    GNode *labels; /* int, 0 .. 2: an index of every axis but the smallest */
    GNode *keys;   /* int, -3 .. 36: an index only under a condition */
    const GExpr *indices[MOST_INDICES];
    int index_count;
} Maker;

static int pick(Maker *m, int count) {
    return (int)(couplet_random_bits(m->seed, 0, 0, 1, m->drawn++, 0) % (uint32_t)count);
}

static const int64_t extents[] = {1, 2, 3, 5, 8, 16, 33};

static const GExpr *any_index(Maker *m) {
    return m->indices[pick(m, m->index_count)];
}
static const GExpr *add(Maker *m, const GExpr *a, const GExpr *b) {
    return gx2(m->g, G_ADD, a, b);
}
static const GExpr *mul(Maker *m, const GExpr *a, const GExpr *b) {
    return gx2(m->g, G_MUL, a, b);
}

/* ---- reads ----------------------------------------------------------------------------------- */

/* Gives an entry of a list of ints, chosen by index i modulo the length. */
static const GExpr *listed(Maker *m, GNode *list, const GExpr *i) {
    const GExpr *at = gx2(m->g, G_MOD, i, gx_int(m->g, list->shape[0]));
    return gx_load(m->g, list, 1, &at, NULL);
}

/* Gives a subscript for an axis of the given extent; *outside is set if it may leave the axis. */
static const GExpr *subscript(Maker *m, int64_t extent, bool *outside) {
    Graph *g = m->g;
    const GExpr *i = any_index(m);
    int64_t own = graph_index_extent(g, i);
    switch (pick(m, 8)) {
    case 0:
        return gx_int(g, pick(m, (int)extent));
    case 1:
        return gx2(g, G_MOD, add(m, i, gx_int(g, pick(m, 5))), gx_int(g, extent));
    case 2:
        return gx2(g, G_MOD, gx2(g, G_SUB, gx_int(g, pick(m, 7)), i), gx_int(g, extent));
    case 3: { /* a read at an index that another array holds */
        const GExpr *label = listed(m, m->labels, i);
        return extent >= 3 ? label : gx2(g, G_MOD, label, gx_int(g, extent));
    }
    case 4:
        *outside = true;
        return add(m, mul(m, i, gx_int(g, 1 + pick(m, 2))), gx_int(g, pick(m, 4) - 2));
    case 5: { /* two digits of one number: i div W, i mod W */
        const GExpr *by = gx_int(g, 2 + pick(m, 3));
        const GExpr *digit = gx2(g, pick(m, 2) ? G_FLOORDIV : G_MOD, i, by);
        return gx2(g, G_MOD, digit, gx_int(g, extent));
    }
    case 6:
        if (own <= extent) return gx2(g, G_SUB, gx_int(g, own - 1), i);
        break;
    default:
        if (own <= extent) return i;
        break;
    }
    for (int k = 0; k < m->index_count; k++)
        if (graph_index_extent(g, m->indices[k]) == extent) return m->indices[k];
    return gx2(g, G_MOD, i, gx_int(g, extent));
}

static const GExpr *random_read(Maker *m, GNode *tensor) {
    const GExpr *at[GRAPH_MAX_RANK];
    bool outside = false;
    for (int i = 0; i < tensor->rank; i++)
        at[i] = subscript(m, tensor->shape[i], &outside);
    return gx_load(m->g, tensor, tensor->rank, at,
                   outside ? gx_real(m->g, pick(m, 2) ? 0 : 0.5) : NULL);
}

static const GExpr *any_read(Maker *m) {
    return random_read(m, m->reals[pick(m, m->real_count)]);
}

/* Returns T[key] where the key is a place in T, and another value elsewhere. */
static const GExpr *guarded_gather(Maker *m) {
    Graph *g = m->g;
    GNode *tensor = m->reals[pick(m, m->real_count)];
    if (tensor->rank == 0) return any_read(m);
    const GExpr *at[GRAPH_MAX_RANK];
    bool outside = false;
    for (int i = 1; i < tensor->rank; i++)
        at[i] = subscript(m, tensor->shape[i], &outside);
    at[0] = listed(m, m->keys, any_index(m));
    const GExpr *inside = gx2(g, G_AND, gx2(g, G_LE, gx_int(g, 0), at[0]),
                              gx2(g, G_LT, at[0], gx_int(g, tensor->shape[0])));
    return gx_select(g, inside,
                     gx_load(g, tensor, tensor->rank, at, outside ? gx_real(g, 0) : NULL),
                     gx_real(g, 0.25));
}

/* ---- scalar formulas ------------------------------------------------------------------------- */

static const GExpr *condition(Maker *m) {
    Graph *g = m->g;
    switch (pick(m, 5)) {
    case 0:
        return gx2(g, G_LT, random_read(m, m->reals[pick(m, FORMULA_INPUTS)]), gx_real(g, 0.1));
    case 1:
        return gx2(g, G_NE, any_index(m), any_index(m));
    case 2:
        return gx2(g, G_EQ, listed(m, m->labels, any_index(m)), listed(m, m->labels, any_index(m)));
    case 3:
        return gx2(g, G_EQ, listed(m, m->labels, any_index(m)), any_index(m));
    default:
        return gx2(g, G_LE, any_index(m), add(m, any_index(m), gx_int(g, pick(m, 3) - 1)));
    }
}

/* Returns a formula whose values stay between about -2 and 2, so that float32 keeps enough
 * digits. */
static const GExpr *formula(Maker *m, int depth) {
    Graph *g = m->g;
    if (depth == 0) return pick(m, 8) ? any_read(m) : gx_real(g, 0.25 * (pick(m, 9) - 4));
    const GExpr *a = formula(m, depth - 1);
    switch (pick(m, 14)) {
    case 0:
        return add(m, a, formula(m, depth - 1));
    case 1:
        return gx2(g, G_SUB, a, formula(m, depth - 1));
    case 2:
    case 3:
    case 4:
        return mul(m, a, formula(m, depth - 1));
    case 5:
        return gx2(g, G_DIV, a, add(m, gx_real(g, 1.5), mul(m, a, a)));
    case 6:
        return gx1(g, G_TANH, a);
    case 7:
        return gx1(g, G_SIGMOID, a);
    case 8:
        return gx1(g, G_EXP, gx1(g, G_SIN, a));
    case 9:
        return gx1(g, G_LOG, add(m, gx_real(g, 1.25), mul(m, a, a)));
    case 10:
    case 11:
        return gx_select(g, condition(m), a, formula(m, depth - 1));
    case 12:
        return add(m, a, guarded_gather(m));
    default:
        return gx1(g, G_SOFTPLUS, a);
    }
}

/* ---- nodes ----------------------------------------------------------------------------------- */

static void open_space(Maker *m, ComputeSpec *spec, int out_rank, int red_rank) {
    memset(spec, 0, sizeof *spec);
    spec->out_rank = out_rank;
    spec->red_rank = red_rank;
    m->index_count = 0;
    for (int i = 0; i < out_rank; i++)
        spec->out[i] = m->indices[m->index_count++] =
            graph_fresh_index(m->g, extents[pick(m, out_rank > 2 ? 5 : 7)]);
    for (int i = 0; i < red_rank; i++)
        spec->red[i] = m->indices[m->index_count++] = graph_fresh_index(m->g, extents[pick(m, 7)]);
}

/* Makes f(element) of every element of a node. */
static GNode *each(Maker *m, GNode *node, const GExpr *(*f)(Maker *m, const GExpr *element)) {
    ComputeSpec spec;
    memset(&spec, 0, sizeof spec);
    spec.out_rank = node->rank;
    for (int i = 0; i < node->rank; i++)
        spec.out[i] = graph_fresh_index(m->g, node->shape[i]);
    spec.value = f(m, gx_load(m->g, node, node->rank, spec.out, NULL));
    return graph_compute(m->g, &spec);
}

/* Brings a large sum back to size. */
static const GExpr *tame(Maker *m, const GExpr *e) {
    return gx1(m->g, G_TANH, mul(m, e, gx_real(m->g, 0.05)));
}

static GNode *reduction_node(Maker *m) {
    static const GReducer reducers[] = {GR_SUM, GR_SUM, GR_SUM, GR_MAX, GR_MIN, GR_LSE, GR_PROD};
    ComputeSpec spec;
    open_space(m, &spec, 1 + pick(m, 3), 1 + pick(m, 2));
    spec.reducer = reducers[pick(m, 7)];
    if (spec.reducer == GR_MAX || spec.reducer == GR_MIN)
        spec.value = random_read(m, m->reals[pick(m, FORMULA_INPUTS)]);
    /* This is a product, which the register blocks of contractions may take. */
    else if (spec.reducer == GR_SUM && pick(m, 2))
        spec.value = mul(m, any_read(m), any_read(m));
    else
        spec.value = formula(m, 1 + pick(m, 2));
    /* Without any term, the result of the other reducers is infinite. */
    if (spec.reducer == GR_SUM && pick(m, 3) == 0) spec.guard = condition(m);
    if (pick(m, 6) == 0) {
        m->index_count = spec.out_rank;
        spec.active = condition(m);
    }
    return each(m, graph_compute(m->g, &spec), tame);
}

static GNode *elementwise_node(Maker *m) {
    ComputeSpec spec;
    open_space(m, &spec, 1 + pick(m, 3), 0);
    spec.value = formula(m, 1 + pick(m, 3));
    return graph_compute(m->g, &spec);
}

/* Makes exp(s[i, j]) / sum[j] exp(s[i, j]) of any formula s, and sometimes its log, because the
 * pass `stabilise` looks for these. */
static GNode *softmax_node(Maker *m) {
    Graph *g = m->g;
    ComputeSpec scores, sum, share;
    open_space(m, &scores, 2, 0);
    scores.value = mul(m, gx_real(g, 1 + pick(m, 8)), formula(m, 1));
    GNode *s = graph_compute(g, &scores);
    memset(&sum, 0, sizeof sum);
    sum.reducer = GR_SUM;
    sum.out_rank = sum.red_rank = 1;
    sum.out[0] = graph_fresh_index(g, s->shape[0]);
    sum.red[0] = graph_fresh_index(g, s->shape[1]);
    sum.value = gx1(g, G_EXP, gx_load(g, s, 2, (const GExpr *[]){sum.out[0], sum.red[0]}, NULL));
    if (pick(m, 2) && s->shape[1] > 1)
        sum.guard = gx2(g, G_NE, sum.red[0], gx2(g, G_MOD, sum.out[0], gx_int(g, s->shape[1])));
    GNode *total = graph_compute(g, &sum);
    memset(&share, 0, sizeof share);
    share.out_rank = 2;
    share.out[0] = graph_fresh_index(g, s->shape[0]);
    share.out[1] = graph_fresh_index(g, s->shape[1]);
    share.value = gx2(g, G_DIV, gx1(g, G_EXP, gx_load(g, s, 2, share.out, NULL)),
                      gx_load(g, total, 1, share.out, NULL));
    if (pick(m, 3)) share.value = gx1(g, G_TANH, gx1(g, G_LOG, share.value));
    return graph_compute(g, &share);
}

/* Makes x / max(norm x, eps) along the last axis. */
static GNode *normalised_node(Maker *m) {
    Graph *g = m->g;
    GNode *x = m->reals[pick(m, m->real_count)];
    if (x->rank != 2) return elementwise_node(m);
    ComputeSpec sum, unit;
    memset(&sum, 0, sizeof sum);
    sum.reducer = GR_SUM;
    sum.out_rank = sum.red_rank = 1;
    sum.out[0] = graph_fresh_index(g, x->shape[0]);
    sum.red[0] = graph_fresh_index(g, x->shape[1]);
    const GExpr *element = gx_load(g, x, 2, (const GExpr *[]){sum.out[0], sum.red[0]}, NULL);
    sum.value = mul(m, element, element);
    GNode *square = graph_compute(g, &sum);
    memset(&unit, 0, sizeof unit);
    unit.out_rank = 2;
    for (int i = 0; i < 2; i++)
        unit.out[i] = graph_fresh_index(g, x->shape[i]);
    const GExpr *norm =
        gx1(g, G_SQRT, gx2(g, G_MAX, gx_load(g, square, 1, unit.out, NULL), gx_real(g, 0.01)));
    unit.value = gx2(g, G_DIV, gx_load(g, x, 2, unit.out, NULL), norm);
    return graph_compute(g, &unit);
}

/* Makes the sum over the largest entries of an input's rows of the entries of another array at
 * these places. */
static GNode *topk_node(Maker *m) {
    Graph *g = m->g;
    ComputeSpec scores, spec;
    open_space(m, &scores, 2, 0);
    scores.value = random_read(m, m->reals[0]);
    GNode *s = graph_compute(g, &scores);
    GNode *top = graph_topk(g, s, s->shape[1] < 3 ? s->shape[1] : 3, (Span){0});
    memset(&spec, 0, sizeof spec);
    spec.reducer = GR_SUM;
    spec.out_rank = spec.red_rank = 1;
    spec.out[0] = graph_fresh_index(g, s->shape[0]);
    spec.red[0] = graph_fresh_index(g, top->shape[1]);
    const GExpr *at[2] = {spec.out[0],
                          gx_load(g, top, 2, (const GExpr *[]){spec.out[0], spec.red[0]}, NULL)};
    spec.value = gx_load(g, s, 2, at, NULL);
    m->index_count = 2;
    m->indices[0] = spec.out[0];
    m->indices[1] = spec.red[0];
    spec.value = mul(m, spec.value, any_read(m));
    return graph_compute(g, &spec);
}

static GNode *stopped_node(Maker *m) {
    Graph *g = m->g;
    GNode *x = m->reals[pick(m, m->real_count)];
    GNode *stopped = graph_stop(g, x, (Span){0});
    ComputeSpec spec;
    memset(&spec, 0, sizeof spec);
    spec.out_rank = x->rank;
    for (int i = 0; i < x->rank; i++)
        spec.out[i] = graph_fresh_index(g, x->shape[i]);
    spec.value = mul(m, gx_load(g, x, x->rank, spec.out, NULL),
                     gx_load(g, stopped, x->rank, spec.out, NULL));
    return graph_compute(g, &spec);
}

static GNode *random_node(Maker *m) {
    static GNode *(*const kinds[])(Maker *) = {reduction_node,   reduction_node,   reduction_node,
                                               elementwise_node, elementwise_node, softmax_node,
                                               normalised_node,  topk_node,        stopped_node};
    return kinds[pick(m, 9)](m);
}

/* ---- the whole ------------------------------------------------------------------------------- */

int64_t formula_elements(const GNode *n) {
    int64_t count = 1;
    for (int i = 0; i < n->rank; i++)
        count *= n->shape[i];
    return count;
}

double formula_sample(const GNode *n, int64_t i) {
    double u = couplet_random_unit(3, 0, 0, (uint32_t)(unsigned char)n->name[0], (uint64_t)i, 0);
    if (n->type == GT_REAL) return (double)(float)(2 * u - 1);
    return n->name[0] == 'k' ? floor(u * 40) - 3 : floor(u * 3);
}

static const GExpr *sum_of_node(Maker *m, GNode *node) {
    ComputeSpec total;
    memset(&total, 0, sizeof total);
    total.reducer = GR_SUM;
    total.red_rank = node->rank;
    for (int k = 0; k < node->rank; k++)
        total.red[k] = graph_fresh_index(m->g, node->shape[k]);
    total.value = gx_load(m->g, node, node->rank, total.red, NULL);
    return gx_load(m->g, graph_compute(m->g, &total), 0, NULL, NULL);
}

Graph *formula_make(Arena *arena, uint32_t seed, GNode **inputs) {
    static const char *const names[FORMULA_INPUTS] = {"a", "b", "c", "d"};
    static const int64_t shapes[FORMULA_INPUTS][3] = {
        {16, 33, 0}, {33, 8, 0}, {5, 8, 16}, {16, 0, 0}};
    static const int64_t list = LABELS;
    static const int ranks[FORMULA_INPUTS] = {2, 2, 3, 1};
    Maker m = {.g = graph_new(arena, arena_printf(arena, "formula%u", seed)), .seed = seed};
    Graph *g = m.g;
    for (int i = 0; i < FORMULA_INPUTS; i++)
        inputs[i] = m.reals[m.real_count++] =
            graph_input(g, names[i], GT_REAL, ranks[i], shapes[i], (Span){0});
    m.labels = graph_input(g, "y", GT_INT, 1, &list, (Span){0});
    m.keys = graph_input(g, "k", GT_INT, 1, &list, (Span){0});
    int count = 1 + pick(&m, MOST_NODES);
    ComputeSpec loss;
    memset(&loss, 0, sizeof loss);
    for (int i = 0; i < count; i++) {
        GNode *node = random_node(&m);
        m.reals[m.real_count++] = node;
        graph_output(g, arena_printf(arena, "node%d", i), node);
        const GExpr *part = sum_of_node(&m, node);
        loss.value = loss.value ? add(&m, loss.value, part) : part;
    }
    graph_output(g, "loss", graph_compute(g, &loss));
    return g;
}
