#include "compiler/graph/walk.h"

enum { FEWEST_COLUMNS = 4 };

static bool mentions_reduced(const GNode *n, const GExpr *e) {
    if (e->op == G_INDEX) return e->index >= n->rank;
    for (int i = 0; i < e->arg_count; i++)
        if (mentions_reduced(n, e->args[i])) return true;
    return false;
}

/* Counts reads whose last subscript is the last axis of the results, and those whose last subscript moves with a reduced index. */
static void count_reads(const GNode *n, const GExpr *e, int *columns, int *rows, int depth) {
    if (!e || depth > 32) return;
    if (e->op == G_LOAD && e->tensor->rank > 0) {
        const GExpr *last = e->args[e->tensor->rank - 1];
        if (last->op == G_INDEX && last->index == n->rank - 1) ++*columns;
        else if (mentions_reduced(n, last)) ++*rows;
    }
    for (int i = 0; i < e->arg_count; i++) count_reads(n, e->args[i], columns, rows, depth + 1);
}

bool sums_columns(const GNode *n) {
    bool folds = n->reducer == GR_SUM || n->reducer == GR_MAX || n->reducer == GR_MIN;
    if (n->kind != GN_COMPUTE || !folds || n->type != GT_REAL || n->value->type != GT_REAL || n->active || (n->empty_is_error && n->guard)) return false;
    if (n->rank == 0 || n->red_rank == 0 || n->shape[n->rank - 1] < FEWEST_COLUMNS) return false;
    int columns = 0, rows = 0;
    count_reads(n, n->value, &columns, &rows, 0);
    return columns > 0 && columns >= rows;
}
