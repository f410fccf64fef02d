/* Constructors of scalar expressions, and rewriting. constant_fold.c folds what they make, and
 * intervals.c finds the values that an expression may have. */
#include "compiler/graph/private.h"
#include "compiler/graph/rewriter.h"
#include "compiler/graph/text.h"
#include "compiler/graph/visit.h"

#include <assert.h>
#include <math.h>

const GExpr *gx_real(Graph *g, double value) {
    GExpr e = {.op = G_CONST, .type = GT_REAL, .real = value};
    return graph_intern_expr(g, &e);
}

const GExpr *gx_int(Graph *g, int64_t value) {
    GExpr e = {.op = G_CONST, .type = GT_INT, .integer = value};
    return graph_intern_expr(g, &e);
}

const GExpr *gx_bool(Graph *g, bool value) {
    GExpr e = {.op = G_CONST, .type = GT_BOOL, .integer = value};
    return graph_intern_expr(g, &e);
}

static bool is_true(const GExpr *e) {
    return e->op == G_CONST && e->type == GT_BOOL && e->integer;
}

const GExpr *gx_load(Graph *g, GNode *tensor, int count, const GExpr *const *indices,
                     const GExpr *otherwise) {
    assert(count == tensor->rank);
    GExpr e = {.op = G_LOAD,
               .type = tensor->type == GT_U8 ? GT_REAL : tensor->type,
               .tensor = tensor,
               .arg_count = count};
    for (int i = 0; i < count; i++) {
        assert(indices[i]->type == GT_INT);
        e.args[i] = indices[i];
    }
    if (otherwise) {
        bool inside = true;
        for (int i = 0; i < count && inside; i++) {
            int64_t low;
            int64_t high;
            inside =
                gx_range(g, indices[i], NULL, &low, &high) && low >= 0 && high < tensor->shape[i];
        }
        if (!inside) {
            e.has_else = true;
            e.args[e.arg_count++] = otherwise;
        }
    }
    return graph_intern_expr(g, &e);
}

const GExpr *gx_random(Graph *g, int64_t site, const GExpr *element, int lane) {
    GExpr e = {.op = G_RANDOM, .type = GT_REAL, .arg_count = 3};
    e.args[0] = gx_int(g, site);
    e.args[1] = element;
    e.args[2] = gx_int(g, lane);
    return graph_intern_expr(g, &e);
}

/* ---- operations ------------------------------------------------------------------------------ */

GType graph_op_type(GOp op, int count, const GExpr *const *args) {
    typedef enum {
        R_real,
        R_int,
        R_bool,
        R_same,
        R_arms,
    } Rule;
    static const Rule rules[G_OP_COUNT] = {
#define SCALAR(name, text, arity, takes, result, ...) [G_##name] = R_##result,
#include "compiler/graph/scalars.def"
#undef SCALAR
    };
    switch (rules[op]) {
    case R_real:
        return GT_REAL;
    case R_int:
        return GT_INT;
    case R_bool:
        return GT_BOOL;
    case R_same:
        return args[0]->type == GT_BOOL ? GT_INT : args[0]->type;
    case R_arms:
        return args[1]->type;
    }
    (void)count;
    return GT_REAL;
}

const GExpr *gx_op(Graph *g, GOp op, int count, const GExpr *const *args) {
    assert(op > G_RANDOM && op < G_OP_COUNT && count == graph_op_arity[op]);
    const GExpr *folded = graph_fold(g, op, count, args);
    if (folded) return folded;
    GExpr e = {.op = op, .arg_count = count};
    for (int i = 0; i < count; i++)
        e.args[i] = args[i];
    e.type = graph_op_type(op, count, args);
    return graph_intern_expr(g, &e);
}

const GExpr *gx1(Graph *g, GOp op, const GExpr *a) {
    return gx_op(g, op, 1, &a);
}

const GExpr *gx2(Graph *g, GOp op, const GExpr *a, const GExpr *b) {
    const GExpr *args[2] = {a, b};
    return gx_op(g, op, 2, args);
}

const GExpr *gx_select(Graph *g, const GExpr *condition, const GExpr *then,
                       const GExpr *otherwise) {
    assert(condition->type == GT_BOOL && then->type == otherwise->type);
    const GExpr *args[3] = {condition, then, otherwise};
    return gx_op(g, G_SELECT, 3, args);
}

const GExpr *gx_and(Graph *g, const GExpr *a, const GExpr *b) {
    if (!a) return b && is_true(b) ? NULL : b;
    if (!b) return is_true(a) ? NULL : a;
    const GExpr *both = gx2(g, G_AND, a, b);
    return is_true(both) ? NULL : both;
}

/* ---- rewriting ------------------------------------------------------------------------------- */

const GExpr *gx_with_args(Graph *g, const GExpr *e, const GExpr *const *args) {
    bool same = true;
    for (int i = 0; i < e->arg_count; i++)
        same &= args[i] == e->args[i];
    if (same) return e;
    if (e->op == G_LOAD)
        return gx_load(g, e->tensor, e->tensor->rank, args,
                       e->has_else ? args[e->arg_count - 1] : NULL);
    if (e->op == G_RANDOM)
        return gx_random(g, e->args[0]->integer, args[1], (int)e->args[2]->integer);
    return gx_op(g, e->op, e->arg_count, args);
}

void gx_rewriter_open(GRewriter *r, Graph *g, GVisit before, GVisit after, void *context) {
    *r = (GRewriter){.g = g, .before = before, .after = after, .context = context};
    expr_map_open(&r->done);
}

void gx_rewriter_close(GRewriter *r) {
    expr_map_close(&r->done);
}

static const GExpr *rewrite_new(GRewriter *r, const GExpr *e) {
    const GExpr *args[GRAPH_MAX_RANK + 1];
    const GExpr *replaced = r->before ? r->before(r->context, r->g, e) : NULL;
    if (replaced) return replaced;
    for (int i = 0; i < e->arg_count; i++)
        args[i] = gx_rewriter_apply(r, e->args[i]);
    const GPlace *outer = r->g->place;
    r->g->place = e->place;
    const GExpr *result = gx_with_args(r->g, e, args);
    if (r->after) result = r->after(r->context, r->g, result);
    r->g->place = outer;
    return result;
}

const GExpr *gx_rewriter_apply(GRewriter *r, const GExpr *e) {
    if (!e) return NULL;
    expr_count_step();
    const bool is_leaf = e->op == G_CONST || e->op == G_INDEX;
    const ExprValue *known = is_leaf ? NULL : expr_map_find(&r->done, e);
    if (known) return known->pointer;
    const GExpr *result = rewrite_new(r, e);
    if (!is_leaf) expr_map_add_new(&r->done, e, (ExprValue){.pointer = result});
    return result;
}

const GExpr *gx_rewrite(Graph *g, const GExpr *expr, GVisit visit, void *context) {
    if (!expr) return NULL;
    GRewriter r;
    gx_rewriter_open(&r, g, NULL, visit, context);
    const GExpr *result = gx_rewriter_apply(&r, expr);
    gx_rewriter_close(&r);
    return result;
}

typedef struct Substitution {
    int count;
    const GExpr *const *from;
    const GExpr *const *to;
} Substitution;

static const GExpr *substitute_index(void *context, Graph *g, const GExpr *e) {
    const Substitution *s = context;
    (void)g;
    if (e->op != G_INDEX) return e;
    for (int i = 0; i < s->count; i++)
        if (s->from[i] == e) return s->to[i];
    return e;
}

const GExpr *gx_substitute(Graph *g, const GExpr *expr, int count, const GExpr *const *from,
                           const GExpr *const *to) {
    Substitution s = {count, from, to};
    return gx_rewrite(g, expr, substitute_index, &s);
}

/* Replaces fresh indices by a node's own ones. Nothing is folded on the way: folding by ranges
 * would need the extents of a node's own indices, which an expression does not know (gx_range
 * answers false). */
const GExpr *graph_renumber(Graph *g, const GExpr *e, int count, const GExpr *const *from,
                            const GExpr *const *to) {
    return gx_substitute(g, e, count, from, to);
}

typedef struct Indices {
    const GExpr **items;
    int count;
} Indices;

static VisitStep note_fresh_index(void *context, const GExpr *e) {
    Indices *found = context;
    if (e->op != G_INDEX || !graph_index_is_fresh(e)) return VISIT_INSIDE;
    for (int i = 0; i < found->count; i++)
        if (found->items[i] == e) return VISIT_INSIDE;
    assert(found->count < GRAPH_MAX_FREE);
    found->items[found->count++] = e;
    return VISIT_INSIDE;
}

int gx_free_indices(Graph *g, const GExpr *expr, const GExpr **indices) {
    (void)g;
    Indices found = {indices, 0};
    expr_visit(expr, note_fresh_index, &found);
    return found.count;
}

/* ---- what an operation costs ----------------------------------------------------------------- */

int gx_price(GOp op) {
    enum { costly = GX_COSTLY };
    static const int prices[G_OP_COUNT] = {
        [G_RANDOM] = costly,
#define SCALAR(name, text, arity, takes, result, price, ...) [G_##name] = price,
#include "compiler/graph/scalars.def"
#undef SCALAR
    };
    return prices[op];
}
