/* Takes out of a formula over pairs what depends on one index of the pair alone. It becomes a node
 * of its own, so that a tile reads a number per row or column instead of computing it for every
 * pair.
 *
 * A part that is evaluated only under a guard could meet a fault elsewhere. Such a part gets a
 * node that is made where all of its reads are inside, and the tile asks whether it could be made
 * (checked_node). The pass passes/hoist.c has the same idea for any large space, and is a
 * different code: it has no tile to ask. */
#include "compiler/graph/rewriter.h"
#include "compiler/passes/stream/internal.h"

#include <string.h>

enum { MOST_UNSURE = 4 /* the most reads in one part */ };

typedef struct Hoist {
    Graph *g;
    const GExpr *own;
    const GExpr *other;
    Span span;
    /* The rewriters for parts that are always evaluated, and for parts under a guard or a
     * choice. */
    GRewriter sure;
    GRewriter chosen;
} Hoist;

bool stream_reads_index(Graph *g, const GExpr *expr, const GExpr *index) {
    const GExpr *found[GRAPH_MAX_FREE];
    int count = gx_free_indices(g, expr, found);
    for (int i = 0; i < count; i++)
        if (found[i] == index) return true;
    return false;
}

/* Ends at a part that is work. Index arithmetic, comparisons and plain reads cost a tile nothing;
 * anything else is worth a node. */
static VisitStep is_work(void *context, const GExpr *e) {
    static const bool is_cheap[G_OP_COUNT] = {
        [G_LT] = true,  [G_LE] = true, [G_EQ] = true, [G_NE] = true,
        [G_AND] = true, [G_OR] = true, [G_NOT] = true};
    (void)context;
    if (e->op == G_CONST || e->op == G_INDEX) return VISIT_PAST;
    if (e->op == G_LOAD) {
        for (int i = 0; i < e->arg_count; i++)
            if (e->args[i]->op != G_INDEX && e->args[i]->op != G_CONST) return VISIT_END;
        return VISIT_PAST;
    }
    if (e->op == G_ADD || e->op == G_SUB || e->op == G_MUL || e->op == G_NEG)
        return e->type == GT_INT ? VISIT_INSIDE : VISIT_END;
    return is_cheap[e->op] ? VISIT_INSIDE : VISIT_END;
}

static bool holds_work(const GExpr *e) {
    return expr_visit(e, is_work, NULL);
}

static VisitStep visit_faults(void *context, const GExpr *e) {
    Graph *g = context;
    if (e->op == G_TO_INT) return VISIT_END;
    if (e->op != G_LOAD || e->has_else) return VISIT_INSIDE;
    for (int i = 0; i < e->tensor->rank; i++) {
        int64_t low;
        int64_t high;
        if (!gx_range_of_data(g, e->args[i], NULL, &low, &high) || low < 0 ||
            high >= e->tensor->shape[i])
            return VISIT_END;
    }
    return VISIT_INSIDE;
}

/* True if every read is proved to stay inside its array, and no real is made an int. */
static bool cannot_fault(Graph *g, const GExpr *e) {
    return !expr_visit(e, visit_faults, g);
}

static const GExpr *hoisted_read(Hoist *h, const GExpr *e, const GExpr *index) {
    ComputeSpec spec;
    memset(&spec, 0, sizeof spec);
    spec.span = h->span;
    spec.value = e;
    if (index) {
        spec.out_rank = 1;
        spec.out[0] = graph_fresh_index(h->g, graph_index_extent(h->g, index));
        spec.value = gx_substitute(h->g, e, 1, &index, spec.out);
    }
    return gx_load(h->g, graph_compute(h->g, &spec), spec.out_rank, &index, NULL);
}

/* ---- parts that may fault -------------------------------------------------------------------- */

/* The reads that every evaluation of an expression makes and that are not known to be inside their
 * arrays. Reads within subscripts come first. */
typedef struct Reads {
    Graph *g;
    const GExpr *items[MOST_UNSURE];
    int count;
    bool fails; /* there are too many reads, or a choice makes one */
} Reads;

/* Returns how many arguments, from the first on, are evaluated whenever the expression is. */
static int sure_arguments(const GExpr *e) {
    if (e->op == G_SELECT || e->op == G_AND || e->op == G_OR) return 1;
    return e->op == G_LOAD ? e->tensor->rank : e->arg_count;
}

static bool may_be_unsure(void *context, const GExpr *e) {
    const Reads *r = context;
    return !r->fails && !cannot_fault(r->g, e);
}

static ExprValue note_unsure(void *context, const GExpr *e, const ExprValue *args) {
    Reads *r = context;
    if (!args) return (ExprValue){.pointer = NULL};
    for (int i = sure_arguments(e); i < e->arg_count; i++)
        r->fails |= !cannot_fault(r->g, e->args[i]);
    if (e->op != G_LOAD || e->has_else) return (ExprValue){.pointer = NULL};
    if (r->count == MOST_UNSURE)
        r->fails = true;
    else
        r->items[r->count++] = e;
    return (ExprValue){.pointer = NULL};
}

static bool unsure_reads(Graph *g, const GExpr *e, Reads *r) {
    *r = (Reads){.g = g};
    expr_fold_inside(e, may_be_unsure, note_unsure, r);
    return !r->fails;
}

static const GExpr *all_inside(Graph *g, const Reads *r) {
    const GExpr *all = NULL;
    for (int i = 0; i < r->count; i++) {
        const GExpr *load = r->items[i];
        for (int k = 0; k < load->tensor->rank; k++)
            all = gx_and(g, all, gx_inside(g, load->args[k], load->tensor->shape[k]));
    }
    return all;
}

/* Returns a read outside the array, of the type of `e`, which faults where it is evaluated. NULL:
 * there is no array of that type. */
static const GExpr *faulting(Graph *g, const GExpr *load, GType type) {
    const GExpr *args[GRAPH_MAX_RANK];
    for (int i = 0; i < load->tensor->rank; i++)
        args[i] = gx_int(g, -1);
    const GExpr *read = gx_load(g, load->tensor, load->tensor->rank, args, NULL);
    if (read->type == type) return read;
    return read->type == GT_INT && type == GT_REAL ? gx1(g, G_TO_REAL, read) : NULL;
}

/* Makes a node for a part that is evaluated only under a guard or a choice, and that could fault
 * elsewhere. It is computed wherever that is possible, and a tile asks whether it was. */
static const GExpr *checked_node(Hoist *h, const GExpr *e, const GExpr *index) {
    Graph *g = h->g;
    Reads reads;
    if (!index || (e->type != GT_REAL && e->type != GT_INT) || !unsure_reads(g, e, &reads) ||
        reads.count == 0)
        return NULL;
    const GExpr *fault = faulting(g, reads.items[0], e->type);
    const GExpr *inside = all_inside(g, &reads);
    if (!fault) return NULL;
    const GExpr *value = hoisted_read(
        h, gx_select(g, inside, e, e->type == GT_REAL ? gx_real(g, 0) : gx_int(g, 0)), index);
    return gx_select(g, hoisted_read(h, inside, index), value, fault);
}

/* Returns what replaces a part that depends on one index of the pair alone, or NULL if it is not
 * worth a node. `chosen`: a guard or a choice decides whether it is evaluated. */
static const GExpr *taken_out(Hoist *h, const GExpr *e, bool chosen) {
    const bool own = stream_reads_index(h->g, e, h->own);
    const bool other = stream_reads_index(h->g, e, h->other);
    const GExpr *index = own ? h->own : other ? h->other : NULL;
    if ((own && other) || !holds_work(e)) return NULL;
    return !chosen || cannot_fault(h->g, e) ? hoisted_read(h, e, index) : checked_node(h, e, index);
}

static const GExpr *hoist_chosen(void *context, Graph *g, const GExpr *e) {
    (void)g;
    return e->op == G_CONST || e->op == G_INDEX ? e : taken_out(context, e, true);
}

static const GExpr *hoist_sure(void *context, Graph *g, const GExpr *e) {
    Hoist *h = context;
    const GExpr *args[GRAPH_MAX_RANK + 1];
    if (e->op == G_CONST || e->op == G_INDEX) return e;
    const GExpr *taken = taken_out(h, e, false);
    if (taken) return taken;
    for (int i = 0; i < e->arg_count; i++) {
        const bool is_choice = (e->op == G_SELECT && i > 0) || (e->op == G_AND && i > 0) ||
                               (e->op == G_LOAD && i == e->tensor->rank);
        args[i] = gx_rewriter_apply(is_choice ? &h->chosen : &h->sure, e->args[i]);
    }
    return gx_with_args(g, e, args);
}

/* A value of the pair that is divided by a value of one index alone becomes a product with its
 * reciprocal, which is taken out. */
typedef struct Reciprocal {
    const GExpr *own;
    const GExpr *other;
} Reciprocal;

static bool reads_both(Graph *g, const GExpr *e, const Reciprocal *r) {
    return stream_reads_index(g, e, r->own) && stream_reads_index(g, e, r->other);
}

static const GExpr *multiply_instead(void *context, Graph *g, const GExpr *e) {
    const Reciprocal *r = context;
    if (e->op != G_DIV || e->args[0]->op == G_CONST) return e;
    const GExpr *value = e->args[0];
    const GExpr *divisor = e->args[1];
    if (!reads_both(g, value, r) || reads_both(g, divisor, r)) return e;
    const GExpr *reciprocal = gx2(g, G_DIV, gx_real(g, 1), divisor);
    return gx2(g, G_MUL, value, reciprocal);
}

const GExpr *stream_hoist(Graph *g, const GExpr *expr, const GExpr *own, const GExpr *other,
                          bool guarded, Span span) {
    if (!expr) return NULL;
    Reciprocal r = {own, other};
    Hoist h = {.g = g, .own = own, .other = other, .span = span};
    gx_rewriter_open(&h.sure, g, hoist_sure, NULL, &h);
    gx_rewriter_open(&h.chosen, g, hoist_chosen, NULL, &h);
    const GExpr *plain = gx_rewrite(g, expr, multiply_instead, &r);
    const GExpr *hoisted = gx_rewriter_apply(guarded ? &h.chosen : &h.sure, plain);
    gx_rewriter_close(&h.sure);
    gx_rewriter_close(&h.chosen);
    return hoisted;
}
