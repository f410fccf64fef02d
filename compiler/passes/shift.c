/* shift: a log-sum-exp of large terms is kept as two numbers. In float32 a log-sum-exp near 1e4 has
 * its last bit at 1e-3, and so would every weight exp(x - logsumexp x) and every logsumexp x - x[y]
 * that is taken from it. Its largest term is exact. The other terms add at most the log of their
 * number, which is small. With the two apart, exp((x - largest) - rest) keeps all digits.
 *
 * A log-sum-exp of terms with a proved bound, such as similarities of unit vectors over a
 * temperature, stays one number, since nothing is to be gained. The pass runs behind simplify, when
 * the gradient has been taken. */
#include "compiler/passes/shift.h"

#include "compiler/passes/bound.h"
#include "compiler/passes/passes.h"
#include "compiler/passes/rewrite.h"

/* A value as the sum of two parts: one that may be large and is exact, and the rest. */
typedef struct Parts {
    const GExpr *large;
    const GExpr *rest;
} Parts;

typedef struct Shift {
    const GNode *node; /* the node at hand (rewrite.h) */
    Logs *logs;
    ExprMap parts; /* by expression: its parts; NULL: it is no sum of two */
    /* By the id of a log-sum-exp: its parts at the indices it was opened with. */
    ARRAY(const Parts *) of;
} Shift;

static const Parts *parts_of(Shift *s, Graph *g, const GExpr *e);

/* ---- a log-sum-exp --------------------------------------------------------------------------- */

static const GExpr *made(Graph *g, const ComputeSpec *spec) {
    return gx_load(g, graph_compute(g, spec), spec->out_rank, spec->out, NULL);
}

static const GExpr *finite_or_zero(Graph *g, const GExpr *e) {
    return gx_select(g, gx1(g, G_IS_FINITE, e), e, gx_real(g, 0));
}

/* Each part of the sum has left out its own largest term, so its rest is lowered to the largest
 * term of all parts before the rests are added. */
GNode *shift_rest_of_parts(Graph *g, ComputeSpec *over, const GExpr *largest, const GExpr *rest) {
    over->reducer = GR_MAX;
    over->value = largest;
    const GExpr *apart =
        gx2(g, G_SUB, finite_or_zero(g, largest), finite_or_zero(g, made(g, over)));
    over->reducer = GR_LSE;
    over->value = gx2(g, G_ADD, apart, rest);
    return graph_compute(g, over);
}

/* Returns the largest term, or 0 where it is infinite; there the rest is the whole value. */
static const GExpr *finite_maximum(Graph *g, const ComputeSpec *terms, const GExpr *value) {
    ComputeSpec spec = *terms;
    spec.name = NULL;
    spec.reducer = GR_MAX;
    spec.value = value;
    const GExpr *largest = made(g, &spec);
    spec.reducer = GR_NONE;
    spec.red_rank = 0;
    spec.guard = NULL;
    spec.empty_is_error = false;
    spec.value = finite_or_zero(g, largest);
    return made(g, &spec);
}

/* Makes the two parts of a log-sum-exp. If its terms have two parts themselves, the largest term is
 * found by their large parts. */
static Parts *split_sum(Shift *s, Graph *g, const ComputeSpec *spec) {
    Parts *p = arena_new_of(g->arena, Parts);
    ComputeSpec rest = *spec;
    const Parts *terms = parts_of(s, g, spec->value);
    rest.name = NULL;
    if (terms) {
        p->large = finite_maximum(g, spec, terms->large);
        rest.value = gx2(g, G_ADD, gx2(g, G_SUB, terms->large, p->large), terms->rest);
    } else {
        p->large = finite_maximum(g, spec, spec->value);
        rest.reducer = GR_LSE_REST;
    }
    p->rest = made(g, &rest);
    return p;
}

static const GExpr *at(Graph *g, const GExpr *part, const GExpr *load, const GExpr *otherwise) {
    return gx_load(g, part->tensor, load->tensor->rank, load->args,
                   load->has_else ? otherwise : NULL);
}

static const Parts *known_parts(const Shift *s, const GNode *node) {
    return node->id < (uint32_t)s->of.count ? s->of.items[node->id] : NULL;
}

static Parts read_parts(Graph *g, const Parts *parts, const GExpr *load) {
    const GExpr *otherwise = load->has_else ? load->args[load->arg_count - 1] : NULL;
    return (Parts){at(g, parts->large, load, gx_real(g, 0)), at(g, parts->rest, load, otherwise)};
}

static bool is_wide(Shift *s, const GNode *n) {
    Bound bound;
    if (!node_reduces(n, GR_LSE)) return false;
    return !bound_of(s->logs, logs_opened(s->logs, n)->value, &bound);
}

static bool parts_of_read(Shift *s, Graph *g, const GExpr *load, Parts *out) {
    const GNode *n = load->tensor;
    if (!is_wide(s, n)) return false;
    while ((uint32_t)s->of.count <= n->id)
        array_push(g->arena, &s->of, NULL);
    if (!s->of.items[n->id]) {
        const Parts *made_now = split_sum(s, g, logs_opened(s->logs, n));
        s->of.items[n->id] = made_now;
    }
    *out = read_parts(g, s->of.items[n->id], load);
    return true;
}

/* ---- values made of a log-sum-exp ------------------------------------------------------------ */

/* An expression without parts is the sum of itself and 0. */
static Parts parts_or_whole(const Parts *parts, Graph *g, const GExpr *e) {
    return parts ? *parts : (Parts){e, gx_real(g, 0)};
}

static bool parts_of_choice(Shift *s, Graph *g, const GExpr *e, Parts *out) {
    const Parts *then = parts_of(s, g, e->args[1]);
    const Parts *otherwise = parts_of(s, g, e->args[2]);
    if (!then && !otherwise) return false;
    const Parts a = parts_or_whole(then, g, e->args[1]);
    const Parts b = parts_or_whole(otherwise, g, e->args[2]);
    *out = (Parts){gx_select(g, e->args[0], a.large, b.large),
                   gx_select(g, e->args[0], a.rest, b.rest)};
    return true;
}

/* Recognises the log of weighted exponentials with a finite shift (logform.c). */
static bool is_shifted_log(const GExpr *e) {
    const GExpr *shift = e->args[0];
    const GExpr *log = e->args[1];
    const bool is_map = shift->op == G_LOAD && node_reduces(shift->tensor, GR_NONE);
    if (is_map) shift = shift->tensor->value;
    return log->op == G_LOG && shift->op == G_MAX && shift->args[1]->op == G_CONST;
}

/* Finds the parts of a sum. An addend that has no parts goes to the rest: mostly it is the number
 * that a log adds. */
static bool parts_of_sum(Shift *s, Graph *g, const GExpr *e, Parts *out) {
    const Parts *a = parts_of(s, g, e->args[0]);
    const Parts *b = parts_of(s, g, e->args[1]);
    if (!a && !b) {
        *out = (Parts){e->args[0], e->args[1]};
        return is_shifted_log(e);
    }
    const GExpr *large = !a ? b->large : !b ? a->large : gx2(g, G_ADD, a->large, b->large);
    *out = (Parts){large, gx2(g, G_ADD, a ? a->rest : e->args[0], b ? b->rest : e->args[1])};
    return true;
}

static bool find_parts(Shift *s, Graph *g, const GExpr *e, Parts *out) {
    const Parts *a;
    if (e->type != GT_REAL) return false;
    if (e->op == G_LOAD) return parts_of_read(s, g, e, out);
    if (e->op == G_SELECT) return parts_of_choice(s, g, e, out);
    if (e->op == G_ADD) return parts_of_sum(s, g, e, out);
    if (e->op != G_NEG || !(a = parts_of(s, g, e->args[0]))) return false;
    *out = (Parts){gx1(g, G_NEG, a->large), gx1(g, G_NEG, a->rest)};
    return true;
}

/* Returns the two parts of a value, or NULL if it is a single number. */
static const Parts *parts_of(Shift *s, Graph *g, const GExpr *e) {
    const ExprValue *known = expr_map_find(&s->parts, e);
    if (known) return known->pointer;
    Parts found;
    Parts *kept = NULL;
    if (find_parts(s, g, e, &found)) {
        kept = arena_new_of(g->arena, Parts);
        *kept = found;
    }
    expr_map_set(&s->parts, e, (ExprValue){.pointer = kept});
    return kept;
}

/* ---- differences ----------------------------------------------------------------------------- */

/* Subtracts the large parts first, where they cancel. */
static const GExpr *difference(Shift *s, Graph *g, const GExpr *a, const GExpr *b,
                               const GExpr *as_it_is) {
    const Parts *x = parts_of(s, g, a);
    const Parts *y = parts_of(s, g, b);
    if (!x && !y) return as_it_is;
    const GExpr *large = gx2(g, G_SUB, x ? x->large : a, y ? y->large : b);
    if (!x) return gx2(g, G_SUB, large, y->rest);
    return gx2(g, G_ADD, large, y ? gx2(g, G_SUB, x->rest, y->rest) : x->rest);
}

static const GExpr *visit_difference(void *context, Graph *g, const GExpr *e) {
    Shift *s = context;
    if (e->type != GT_REAL) return e;
    if (e->op == G_SUB) return difference(s, g, e->args[0], e->args[1], e);
    if (e->op != G_ADD) return e;
    for (int side = 0; side < 2; side++) {
        const GExpr *negative = e->args[side];
        if (negative->op == G_NEG) return difference(s, g, e->args[1 - side], negative->args[0], e);
    }
    return e;
}

/* Makes the other reads of a log-sum-exp that has two parts the sum of these, so that it is not
 * computed as one number as well. */
static const GExpr *visit_read(void *context, Graph *g, const GExpr *e) {
    const Shift *s = context;
    const Parts *parts = e->op == G_LOAD ? known_parts(s, e->tensor) : NULL;
    if (!parts) return e;
    const Parts p = read_parts(g, parts, e);
    return gx2(g, G_ADD, p.large, p.rest);
}

void pass_shift(Graph *g) {
    Logs logs;
    Shift s = {.logs = &logs};
    logs_open(&logs, g);
    expr_map_open(&s.parts);
    rewrite_nodes(g, visit_difference, &s, false);
    if (s.of.count) {
        rewrite_nodes(g, visit_read, &s, false);
        graph_prune(g);
    }
    expr_map_close(&s.parts);
}
