/* Recognises segment reductions: sums whose guard compares an index of the result with a number
 * that depends on the terms, as in `sum[i | label[i] == k]`. The number is the key.
 *
 * The key must read a reduced index, or there would be nothing to sort, and must not read the
 * index that it is compared with. What becomes of such a reduction is decided in plan/bucket.c. */
#include "compiler/graph/key.h"
#include "compiler/graph/visit.h"

static VisitStep note_index(void *context, const GExpr *e) {
    if (e->op == G_INDEX) *(uint32_t *)context |= 1u << e->index;
    return VISIT_INSIDE;
}

uint32_t key_indices(const GExpr *e) {
    uint32_t bits = 0;
    expr_visit(e, note_index, &bits);
    return bits;
}

bool expr_list_conjuncts(const GExpr *e, Conjuncts *c) {
    if (!e) return true;
    if (e->op == G_AND)
        return expr_list_conjuncts(e->args[0], c) && expr_list_conjuncts(e->args[1], c);
    if (c->count == MOST_CONJUNCTS) return false;
    c->items[c->count++] = e;
    return true;
}

const GExpr *key_of(const GNode *n, const GExpr *conjunct, int *target) {
    if (conjunct->op != G_EQ || conjunct->args[0]->type != GT_INT) return NULL;
    uint32_t reduced = ((1u << (n->rank + n->red_rank)) - 1) & ~((1u << n->rank) - 1);
    for (int side = 0; side < 2; side++) {
        const GExpr *index = conjunct->args[side], *key = conjunct->args[1 - side];
        if (index->op != G_INDEX || index->index >= n->rank) continue;
        uint32_t read = key_indices(key);
        if (!(read & reduced) || read & 1u << index->index) continue;
        *target = index->index;
        return key;
    }
    return NULL;
}

static bool has_key(const GNode *n, const GExpr *guard) {
    int target;
    if (guard->op == G_AND) return has_key(n, guard->args[0]) || has_key(n, guard->args[1]);
    return key_of(n, guard, &target) != NULL;
}

bool node_reduces_by_key(const GNode *n) {
    return n->kind == GN_COMPUTE && n->reducer != GR_NONE && n->guard && !n->active &&
           has_key(n, n->guard);
}
