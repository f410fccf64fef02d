/* stream: a large array that a contraction makes, and that reductions and further contractions use
 * up, is made tile by tile where it is used, and never stored. The pass reads off the graph which
 * arrays these are; it knows no loss.
 *
 * A product T[i, j] is streamed if a tile serves every user (users.c). Elements of T are put into
 * their users, and reads at few chosen places (s[i, pos(i)]) are computed by themselves. It must
 * also be faster than storing T, or there must be no room (cost.c). A product that cannot be
 * streamed is stored, and the reason is kept for `couplet check --memory`. */
#include "compiler/passes/rewrite.h"
#include "compiler/passes/stream/internal.h"

enum {
    SMALLEST = 1 << 20,        /* in bytes; a smaller product stays in the caches and is stored */
    SMALLEST_IN_NEED = 1 << 17 /* in bytes, if memory is short */
};

int64_t stream_threshold(const Graph *g) {
    int64_t forced = g->settings.stream_bytes;
    return forced ? forced : g->settings.is_bounded ? SMALLEST_IN_NEED : SMALLEST;
}

static bool same_read(const GExpr *a, const Affine *at_a, int pair_a, const GExpr *b,
                      const Affine *at_b, int pair_b) {
    return a->tensor == b->tensor && at_a->constant == at_b->constant &&
           at_a->factor[pair_a] == at_b->factor[pair_b] && at_a->factor[2] == at_b->factor[2];
}

/* Returns the root that is the transpose of the product, or -1. */
static int find_mirror(const Stream *s, const PairProduct *p) {
    for (int i = 0; i < s->root_count; i++) {
        const PairProduct *o = &s->roots[i].product;
        if (o->rows != p->columns || o->columns != p->rows || o->depth != p->depth ||
            o->symmetric || s->roots[i].mirror >= 0)
            continue;
        if (same_read(o->a, &o->at_a, 0, p->b, &p->at_b, 1) &&
            same_read(o->b, &o->at_b, 1, p->a, &p->at_a, 0))
            return i;
    }
    return -1;
}

/* True of a product of pairs. Such a product is large against its operands, so making it again
 * costs little against storing and reading it. A layer's output, or the gradient of its weights, is
 * no such product. */
static bool is_of_pairs(const PairProduct *p) {
    return p->rows * p->columns >= (p->rows + p->columns) * p->depth;
}

/* Lists the products that are large enough to be streamed. */
static void find_roots(Stream *s) {
    Graph *g = s->g;
    int64_t forced = g->settings.stream_bytes;
    int64_t threshold = stream_threshold(g);
    for (int i = 0; i < g->nodes.count && s->root_count < MOST_ROOTS; i++) {
        GNode *n = g->nodes.items[i];
        Root *r = &s->roots[s->root_count];
        if (!pair_product(g, n, &r->product) || graph_bytes(n) < threshold ||
            (!forced && !is_of_pairs(&r->product)))
            continue;
        r->node = n;
        r->mirror = find_mirror(s, &r->product);
        s->root_count++;
    }
}

/* Notes for each product whether it is streamed or stored, and why. */
static void report_roots(Stream *s) {
    for (int i = 0; i < s->root_count; i++) {
        const Root *r = &s->roots[i];
        const GNode *n = r->node;
        bool streamed = s->root_of[n->id] >= 0;
        if (!r->refusal && !r->kept && !streamed) continue; /* the node is a user of another root */
        GChoice choice = {.span = n->span,
                          .rank = n->rank,
                          .shape = {n->shape[0], n->shape[1]},
                          .bytes = r->refusal ? graph_bytes(n) : r->cost.bytes,
                          .passes = r->cost.passes,
                          .stored = r->cost.stored,
                          .streamed = r->cost.streamed,
                          .is_streamed = streamed,
                          .reason = r->refusal,
                          .where = r->where};
        array_push(s->g->arena, &s->g->choices, choice);
    }
}

void pass_stream(Graph *g) {
    graph_prune(g);
    Stream s = {.g = g};
    if (g->settings.no_stream) return;
    stream_unstack(g, stream_threshold(g));
    rewrite_each(g, stream_own_operands);
    graph_prune(g);
    stream_elements_in_strips(g);
    find_roots(&s);
    if (s.root_count == 0) return;
    for (int i = 0; i < g->nodes.count; i++)
        if (g->nodes.items[i]->id >= s.ids) s.ids = g->nodes.items[i]->id + 1;
    s.made_of = arena_array(g->arena, uint64_t, s.ids);
    s.use = arena_array(g->arena, Use, s.ids);
    s.own = arena_array(g->arena, int, s.ids);
    s.root_of = arena_array(g->arena, int, s.ids);
    stream_find(&s);
    stream_choose(&s);
    stream_find(&s);
    report_roots(&s);
    bool any = false;
    for (int i = 0; i < s.root_count; i++)
        any |= s.root_of[s.roots[i].node->id] >= 0;
    if (!any) return;
    stream_unfold(&s);
    graph_prune(g);
    stream_merge(g);
}
