/* Recognises segment reductions: sums whose guard compares an index of the result with a number
 * that depends on the terms, as in `sum[i | label[i] == k]`. This number is the key.
 *
 * The key must read a reduced index, since there is nothing to sort otherwise. It must not read the
 * index that it is compared with. plan/bucket.c decides how such a reduction is computed. */
#include "compiler/graph/key.h"

#include "compiler/graph/visit.h"

const GExpr *key_of(const GNode *n, const GExpr *conjunct, int *target) {
    if (conjunct->op != G_EQ || conjunct->args[0]->type != GT_INT) return NULL;
    uint32_t reduced = ((1u << (n->rank + n->red_rank)) - 1) & ~((1u << n->rank) - 1);
    for (int side = 0; side < 2; side++) {
        const GExpr *index = conjunct->args[side];
        const GExpr *key = conjunct->args[1 - side];
        if (index->op != G_INDEX || index->index >= n->rank) continue;
        uint32_t read = expr_index_mask(key);
        if (!(read & reduced) || read & 1u << index->index) continue;
        *target = index->index;
        return key;
    }
    return NULL;
}

static bool is_key(void *context, const GExpr *conjunct) {
    int target;
    return key_of(context, conjunct, &target) != NULL;
}

bool node_reduces_by_key(const GNode *n) {
    return n->kind == GN_COMPUTE && n->reducer != GR_NONE && !n->active &&
           guard_any(n->guard, is_key, (void *)(uintptr_t)n);
}
