/* fuse: elementwise work is done where it is used. A node without a reducer is put into its
 * consumers in place of their reads of it when that saves memory traffic and repeats no work worth
 * mentioning:
 *
 *   - A constant, or a plain read of another node, is always put in. A read whose place is no
 *     multiple of indices, as at the mirrored edge of an image, falls under the rules below.
 *   - A node with one consumer that reads it once is put in, whatever it costs.
 *   - A node with several consumers is put in if it is cheap, if all of them take it, so that it is
 *     never stored, and if they then read no more than it would cost to store it.
 *
 * A node that is stored for others is still computed anew where that is cheap and everything it
 * reads is read there anyway (the activation, from the convolution, in the gradient of batch
 * normalisation).
 *
 * It is never computed more often than it has elements, unless it costs nothing. Sums of products
 * keep plain reads (contract). */
#include "compiler/graph/affine.h"
#include "compiler/graph/loads.h"
#include "compiler/graph/pairs.h"
#include "compiler/graph/product.h"
#include "compiler/graph/visit.h"
#include "compiler/graph/walk.h"
#include "compiler/passes/passes.h"
#include "compiler/passes/rewrite.h"

#include <string.h>

enum {
    CHEAP = 8,
    MOST_ANEW = 8,
    MOST_OPERATIONS = 160,
    MOST_OPERANDS = 24,
    MOST_IN_KERNEL = 48,
};

/* ---- what a node costs ----------------------------------------------------------------------- */

static int64_t points(const GNode *n) {
    int64_t count = graph_element_count(n);
    for (int i = 0; i < n->red_rank; i++)
        count *= n->red_shape[i];
    /* A log-sum-exp goes over its terms twice. */
    return count * (node_sums_exponentials(n) ? 2 : 1);
}

typedef struct Survey {
    Arena *arena;
    ExprMap met; /* the parts that were visited; open only while the survey is made */
    ARRAY(const GExpr *) loads;
    ARRAY(GNode *) operands;
    int cost;
    int large_reads;
    /* An array with so many elements counts as large: a quarter of the node's own. */
    int64_t large;
    bool depends; /* true if the expression depends on an index of the space */
} Survey;

/* Index arithmetic of reads is not counted, since the loop does it. Other arithmetic of ints is not
 * counted either, but for divisions. */
static VisitStep survey_part(void *context, const GExpr *e) {
    Survey *s = context;
    s->cost += e->type == GT_INT && e->op != G_MOD && e->op != G_FLOORDIV ? 0 : gx_price(e->op);
    if (e->op != G_LOAD) return VISIT_INSIDE;
    bool known = false;
    for (int i = 0; i < s->operands.count; i++)
        known |= s->operands.items[i] == e->tensor;
    if (!known) array_push(s->arena, &s->operands, e->tensor);
    array_push(s->arena, &s->loads, e);
    if (graph_element_count(e->tensor) >= s->large) s->large_reads++;
    for (int i = e->tensor->rank; i < e->arg_count; i++)
        expr_visit_rest(&s->met, e->args[i], survey_part, s);
    return VISIT_PAST;
}

static void survey(Graph *g, Survey *s, int count, const GExpr *const *exprs) {
    s->arena = g->arena;
    expr_map_open(&s->met);
    for (int i = 0; i < count; i++)
        expr_visit_rest(&s->met, exprs[i], survey_part, s);
    expr_map_close(&s->met);
}

static void survey_node(Graph *g, Survey *s, const GNode *n) {
    memset(s, 0, sizeof *s);
    s->large = graph_element_count(n) / 4 > 1 ? graph_element_count(n) / 4 : 2;
    const GExpr *exprs[3] = {n->value, n->guard, n->active};
    survey(g, s, 3, exprs);
}

/* ---- who uses what, before anything changes -------------------------------------------------- */

typedef struct Use {
    GNode *consumer;
    const GExpr *first; /* the first of its reads */
    int reads;          /* the number of reads with different subscripts */
    bool takes;         /* true if the consumer could have the expression in place of the read */
} Use;

typedef struct Uses {
    ARRAY(Use) items;
    bool pinned; /* true for an output, a commit or an operand of a call, which needs the array */
} Uses;

typedef struct Pass {
    Uses *of; /* by the id of a node */
} Pass;

static void note_read(Graph *g, Pass *p, GNode *consumer, const GExpr *load, bool takes) {
    Uses *uses = &p->of[load->tensor->id];
    Use *use = uses->items.count && uses->items.items[uses->items.count - 1].consumer == consumer
                   ? &uses->items.items[uses->items.count - 1]
                   : NULL;
    if (!use) {
        Use fresh = {consumer, load, 0, takes};
        array_push(g->arena, &uses->items, fresh);
        use = &uses->items.items[uses->items.count - 1];
    }
    use->reads++;
}

typedef struct Reader {
    Graph *g;
    Pass *pass;
    GNode *node;
    bool takes;
} Reader;

static VisitStep note_if_read(void *context, const GExpr *e) {
    const Reader *r = context;
    if (e->op == G_LOAD) note_read(r->g, r->pass, r->node, e, r->takes);
    return VISIT_INSIDE;
}

static void note_reads(Graph *g, Pass *p, GNode *consumer, bool takes) {
    Reader reader = {g, p, consumer, takes};
    expr_visit_node(consumer, note_if_read, &reader);
}

/* Notes the readers of each node, and which nodes must stay arrays. */
static void note_all(Graph *g, Pass *p) {
    Product form;
    for (int i = 0; i < g->nodes.count; i++) {
        GNode *n = g->nodes.items[i];
        if (n->operand) p->of[n->operand->id].pinned = true;
        for (int k = 0; k < n->operand_count; k++)
            p->of[n->operands[k]->id].pinned = true;
        if (n->kind != GN_COMPUTE) continue;
        note_reads(g, p, n, !product_of(g->arena, n, &form));
    }
    for (int i = 0; i < g->outputs.count; i++)
        p->of[g->outputs.items[i].node->id].pinned = true;
    for (int i = 0; i < g->commits.count; i++) {
        p->of[g->commits.items[i].value->id].pinned = true;
        if (g->commits.items[i].rows) {
            p->of[g->commits.items[i].rows->id].pinned = true;
        }
    }
}

/* ---- the decision ---------------------------------------------------------------------------- */

/* Finds a read whose place depends on indices alone, but is no sum of multiples of them. */
static VisitStep is_uneven(void *context, const GExpr *e) {
    (void)context;
    Affine at;
    if (e->op != G_LOAD) return VISIT_INSIDE;
    for (int i = 0; i < e->tensor->rank; i++)
        if (!expr_reads(e->args[i]) && !affine_of(e->args[i], &at)) return VISIT_END;
    return VISIT_PAST;
}

/* True if the node is put into all its consumers. `old` is the node as it was when uses were noted,
 * `now` as it is after its own operands were put in. */
static bool goes_everywhere(Graph *g, const Pass *p, const GNode *old, const GNode *now) {
    const Uses *uses = &p->of[old->id];
    if (now->kind != GN_COMPUTE || now->reducer != GR_NONE || now->active) return false;
    Survey s;
    survey_node(g, &s, now);
    if (s.cost == 0 && s.operands.count <= 1 && s.large_reads <= 1 && now->value->op != G_SELECT &&
        !expr_visit(now->value, is_uneven, NULL))
        return true;
    if (uses->pinned || uses->items.count == 0 || s.cost > MOST_OPERATIONS ||
        s.operands.count > MOST_OPERANDS)
        return false;
    const int64_t size = graph_element_count(now);
    int reads = 0;
    for (int i = 0; i < uses->items.count; i++) {
        const Use *use = &uses->items.items[i];
        if (!use->takes) return false;
        if (points(use->consumer) > 2 * size) return false;
        reads += use->reads;
    }
    if (reads == 1) return true;
    /* If stored, the array is written once, and each consumer reads it. If put in, each consumer
     * reads all that the expression reads. */
    return s.cost <= CHEAP &&
           s.large_reads * uses->items.count <= s.large_reads + 1 + uses->items.count;
}

/* ---- putting in ------------------------------------------------------------------------------ */

typedef struct Insert {
    GNode **now;   /* by old id: the node in its new form */
    bool *inlined; /* by old id: true if the expression is put into its consumers */
    uint32_t count;
} Insert;

/* Returns the node's expression at the place of a read without an `else`. NULL: the read has one,
 * or a check of its subscripts would be lost. */
static const GExpr *in_place_of(Graph *g, const GExpr *load, const GNode *node) {
    ComputeSpec spec;
    graph_open(g, node, &spec);
    const GExpr *value = gx_substitute(g, spec.value, spec.out_rank, spec.out, load->args);
    return load->has_else || !load_keeps_checks(g, load, value) ? NULL : value;
}

static const GExpr *soften(void *context, Graph *g, const GExpr *e) {
    (void)context;
    if (e->op != G_LOAD || e->has_else) return e;
    const GExpr *otherwise = e->type == GT_REAL  ? gx_real(g, 0)
                             : e->type == GT_INT ? gx_int(g, 0)
                                                 : gx_bool(g, false);
    return gx_load(g, e->tensor, e->tensor->rank, e->args, otherwise);
}

/* Replaces a read that may be outside its array by a choice: the node's expression inside, and the
 * read's `else` outside. The reads of the expression get an `else` as well, so that none of them
 * stops the run where the choice does not take it. Returns NULL if a subscript reads data. */
static const GExpr *in_place_of_guarded(Graph *g, const GExpr *load, const GNode *node) {
    ComputeSpec spec;
    graph_open(g, node, &spec);
    const GExpr *inside = NULL;
    for (int i = 0; i < node->rank; i++) {
        if (expr_reads(load->args[i])) return NULL;
        int64_t low;
        int64_t high;
        bool known = gx_range(g, load->args[i], NULL, &low, &high);
        if (!known || low < 0)
            inside = gx_and(g, inside, gx2(g, G_LE, gx_int(g, 0), load->args[i]));
        if (!known || high >= node->shape[i])
            inside = gx_and(g, inside, gx2(g, G_LT, load->args[i], gx_int(g, node->shape[i])));
    }
    const GExpr *value = gx_substitute(g, spec.value, spec.out_rank, spec.out, load->args);
    value = gx_rewrite(g, value, soften, NULL);
    return inside ? gx_select(g, inside, value, load->args[load->arg_count - 1]) : value;
}

static const GExpr *insert(void *context, Graph *g, const GExpr *e) {
    const Insert *in = context;
    if (e->op != G_LOAD || e->tensor->id >= in->count || !in->now[e->tensor->id]) return e;
    GNode *node = in->now[e->tensor->id];
    if (in->inlined[e->tensor->id]) {
        const GExpr *value =
            e->has_else ? in_place_of_guarded(g, e, node) : in_place_of(g, e, node);
        if (value) return value;
    }
    return node == e->tensor ? e
                             : gx_load(g, node, node->rank, e->args,
                                       e->has_else ? e->args[e->arg_count - 1] : NULL);
}

static GNode *as_it_is(void *context, GNode *node) {
    return ((const Insert *)context)->now[node->id];
}

static GNode *renew(Graph *g, Insert *in, GNode *n) {
    return rewrite_node(g, n, as_it_is, insert, in);
}

/* Renews a sum of products. Plain views of other arrays are put in as long as the sum stays a
 * contraction with wide regions. The rows of a streamed product must stay evenly spaced, too. */
static GNode *renew_product(Graph *g, Insert *in, GNode *n) {
    Product form;
    PairProduct pairs;
    const bool was_thin = product_of(g->arena, n, &form) && product_is_thin(&form);
    GNode *made = renew(g, in, n);
    if (product_of(g->arena, made, &form) && (was_thin || !product_is_thin(&form)) &&
        (!n->streamed || pair_product(g, made, &pairs)))
        return made;
    memset(in->inlined, 0, sizeof *in->inlined * in->count);
    return renew(g, in, n);
}

static bool reads_streamed(const Survey *s) {
    for (int i = 0; i < s->operands.count; i++)
        if (s->operands.items[i]->streamed) return true;
    return false;
}

/* Renews a sink that would be none with all its operands put in, since the rows of a sink must be
 * evenly spaced. Only expressions that read a streamed product are put in. */
static GNode *renew_sink(Graph *g, Insert *in, GNode *n) {
    Survey s;
    for (uint32_t i = 0; i < in->count; i++) {
        if (!in->inlined[i]) continue;
        survey_node(g, &s, in->now[i]);
        in->inlined[i] = reads_streamed(&s);
    }
    return renew(g, in, n);
}

/* ---- computing anew what is stored ----------------------------------------------------------- */

typedef struct Known {
    const Survey *survey;
    int64_t large;
} Known;

static VisitStep is_new_read(void *context, const GExpr *e) {
    const Known *k = context;
    if (e->op != G_LOAD) return VISIT_INSIDE;
    bool known = graph_element_count(e->tensor) < k->large;
    for (int i = 0; !known && i < k->survey->loads.count; i++)
        known = k->survey->loads.items[i] == e;
    return known ? VISIT_PAST : VISIT_END;
}

/* True if every large array that `e` reads is read by the survey's formula at the same place. */
static bool reads_known(const Survey *s, const GExpr *e, int64_t large) {
    Known known = {s, large};
    return !expr_visit(e, is_new_read, &known);
}

typedef struct Anew {
    const Survey *reads;
    int64_t large;
} Anew;

static const GExpr *compute_anew(void *context, Graph *g, const GExpr *e) {
    const Anew *anew = context;
    if (e->op != G_LOAD || e->has_else || e->tensor->kind != GN_COMPUTE ||
        e->tensor->reducer != GR_NONE || e->tensor->active || e->tensor->streamed)
        return e;
    Survey s;
    survey_node(g, &s, e->tensor);
    if (graph_element_count(e->tensor) < anew->large || s.cost > CHEAP ||
        s.operands.count > MOST_ANEW)
        return e;
    const GExpr *value = in_place_of(g, e, e->tensor);
    return value && reads_known(anew->reads, value, anew->large) ? value : e;
}

/* Computes stored operands anew in a node that reads several large arrays, where it reads all that
 * they are made of anyway. */
static GNode *renew_stored(Graph *g, GNode *made) {
    if (made->kind != GN_COMPUTE || (made->reducer != GR_NONE && made->reducer != GR_SUM))
        return made;
    ComputeSpec spec;
    Survey s;
    PairSink sink;
    if (made->streamed || pair_sink(made, &sink)) return made;
    memset(&s, 0, sizeof s);
    graph_open(g, made, &spec);
    s.large = points(made) / 4 > 1 ? points(made) / 4 : 2;
    survey(g, &s, 1, &spec.value);
    if (s.large_reads < 2) return made;
    Anew anew = {&s, s.large};
    spec.value = gx_rewrite(g, spec.value, compute_anew, &anew);
    return graph_compute(g, &spec);
}

/* Renews a compute node. Many operands, each with operands of its own, may be more than one kernel
 * reads; then all stay stored. */
static GNode *renew_compute(Graph *g, Insert *in, GNode *n) {
    GNode *made = renew(g, in, n);
    if (made->kind != GN_COMPUTE) return made;
    Survey s;
    PairSink sink;
    PairProduct pairs;
    survey_node(g, &s, made);
    bool uneven = n->streamed && !pair_product(g, made, &pairs);
    if (made->reducer != GR_NONE && reads_streamed(&s) && !pair_sink(made, &sink))
        return renew_sink(g, in, n);
    if (s.operands.count <= MOST_IN_KERNEL && !uneven) return renew_stored(g, made);
    memset(in->inlined, 0, sizeof *in->inlined * in->count);
    return renew(g, in, n);
}

/* Returns the node that an output or a commit takes in place of this one. An output is often a
 * plain copy of another node: the gradient of a factor may be the whole product. The node that is
 * copied is returned then, so that nothing is copied. A copy of an input, a state or a constant
 * stays a copy. */
static GNode *itself(GNode *node) {
    const GExpr *e = node->value;
    if (node->kind != GN_COMPUTE || node->reducer != GR_NONE || node->guard || node->active ||
        e->op != G_LOAD || !load_is_at_own_place(e))
        return node;
    if (e->tensor->kind != GN_COMPUTE || e->tensor->streamed || e->tensor->rank != node->rank)
        return node;
    return memcmp(e->tensor->shape, node->shape, sizeof *node->shape * (size_t)node->rank) == 0
               ? e->tensor
               : node;
}

void pass_fuse(Graph *g) {
    graph_prune(g);
    if (g->settings.no_fuse) return;
    uint32_t ids = 0;
    int count = g->nodes.count;
    GNode **nodes = arena_array(g->arena, GNode *, count + 1);
    for (int i = 0; i < count; i++) {
        nodes[i] = g->nodes.items[i];
        if (nodes[i]->id >= ids) ids = nodes[i]->id + 1;
    }
    Pass pass = {arena_array(g->arena, Uses, ids + 1)};
    note_all(g, &pass);
    bool *everywhere = arena_array(g->arena, bool, ids + 1);
    Insert in = {arena_array(g->arena, GNode *, ids + 1), arena_array(g->arena, bool, ids + 1),
                 ids};
    for (int i = 0; i < count; i++) {
        GNode *n = nodes[i];
        Product form;
        memcpy(in.inlined, everywhere, sizeof *everywhere * ids);
        GNode *made =
            product_of(g->arena, n, &form) ? renew_product(g, &in, n) : renew_compute(g, &in, n);
        in.now[n->id] = made;
        everywhere[n->id] = goes_everywhere(g, &pass, n, made);
    }
    for (int i = 0; i < g->outputs.count; i++)
        g->outputs.items[i].node = itself(in.now[g->outputs.items[i].node->id]);
    for (int i = 0; i < g->commits.count; i++) {
        GCommit *c = &g->commits.items[i];
        c->value = itself(in.now[c->value->id]);
        if (c->rows) c->rows = in.now[c->rows->id];
    }
    graph_prune(g);
}
