/* Writes a compute node with a reducer. A group of work-items makes `columns` elements, each by
 * `lanes` work-items. Lane l takes the terms l, l + lanes, ... in order, and the lanes are joined
 * by a tree in local memory. With a single lane, a work-item goes over all terms of its element.
 * The order is fixed by the shape and nothing is atomic, so the same bits come out at every run. In
 * a reduction by key an element's terms are the members of its list (write_bucket.c). */
#include "compiler/graph/visit.h"
#include "compiler/graph/walk.h"
#include "compiler/opencl/fold.h"
#include "compiler/opencl/write_bucket.h"

#include <string.h>

enum {
    FEW_TERMS = 8 /* the most terms that a work-item adds without compensation */,
    /* The terms from which on a whole group makes one element, those from which on several lanes
     * do, and the columns of a group whose elements read neighbours. */
    LONG_ROW = 512,
    SHORT_ROW = 64,
    COLUMNS = 32
};

typedef struct Reduction {
    Frame *f;
    const GNode *node;
    const Bucket *bucket; /* the segment reduction; NULL: all terms are visited */
    /* the condition that is still to be asked of each visited term; NULL: none */
    const GExpr *guard;
    const int64_t *extents;
    int64_t columns;
    int64_t lanes;
    int64_t terms;
    Fold fold;
    /* `is_long`: sums keep their rounding error. `exponentials`: this is the second pass of a
     * log-sum-exp. */
    bool is_long, exponentials;
} Reduction;

/* ---- the shape of a group -------------------------------------------------------------------- */

/* What reads_columns has found so far: a read whose last subscript is the output's last index. */
typedef struct Columns {
    const GNode *node;
    bool by_output;
} Columns;

static VisitStep is_row_read(void *context, const GExpr *e) {
    Columns *c = context;
    if (e->op != G_LOAD || e->tensor->rank == 0) return VISIT_INSIDE;
    const GExpr *last = e->args[e->tensor->rank - 1];
    if (last->op == G_INDEX && last->index >= c->node->rank) return VISIT_END;
    c->by_output |= last->op == G_INDEX && last->index == c->node->rank - 1;
    return VISIT_INSIDE;
}

/* True if neighbouring outputs read neighbouring elements: some read ends in the output's last
 * axis, and none in a reduced one. */
static bool reads_columns(const GNode *n) {
    Columns columns = {.node = n};
    return !expr_visit(n->value, is_row_read, &columns) && columns.by_output;
}

static int64_t power_of_two_for(int64_t count) {
    int64_t power = 1;
    while (power < count)
        power *= 2;
    return power;
}

/* Chooses the columns and lanes of a group. Short rows and members of keys get one lane. If
 * neighbouring elements read neighbours, a group takes some of them. Else a group takes a few
 * elements, or a single one if it has many terms. */
static void shape_group(Reduction *r) {
    int64_t outputs = graph_element_count(r->node);
    if (r->bucket || r->terms < SHORT_ROW)
        r->columns = GROUP;
    else if (reads_columns(r->node))
        r->columns = outputs < COLUMNS ? power_of_two_for(outputs) : COLUMNS;
    else
        r->columns = r->terms < LONG_ROW ? GROUP / SHORT_ROW : 1;
    r->lanes = GROUP / r->columns;
}

/* ---- folding --------------------------------------------------------------------------------- */

static const Cells own_cells = {
    .best = "best", .lost = "lost", .power = "power", .winner = "winner", .terms = "terms"};

static void take_term(const Reduction *r, Value active) {
    Frame *f = r->f;
    const GNode *n = r->node;
    Value holds = r->guard ? write_expr(f, r->guard, active) : NULL;
    Value term = write_expr(f, n->value, mask_and(f, active, holds));
    /* -inf minus -inf is NaN, so a term of -inf is left out. */
    if (r->exponentials)
        term = write_const(f, "float", "%s != -INFINITY ? exp(%s - top) : 0.0f", term, term);
    if (holds)
        term = write_const(f, r->fold.type, "%s ? %s : %s", holds, term, fold_neutral(&r->fold));
    fold_term(&r->fold, &own_cells, term, holds, "term");
}

/* ---- a sweep over the terms ------------------------------------------------------------------ */

static void sweep_alone(const Reduction *r, Value active) {
    Frame *f = r->f;
    const GNode *n = r->node;
    int depth = 0;
    if (active) write_open(f, "if (%s)", active), depth++;
    if (fold_takes_position(n)) write_line(f, "int term = 0;");
    for (int i = n->rank; i < n->rank + n->red_rank; i++) {
        f->indices[i] = "0";
        if (r->extents[i] == 1) continue;
        f->indices[i] = arena_printf(f->arena, "i%d", i);
        write_open(f, "for (int i%d = 0; i%d < %lld; i%d++)", i, i, (long long)r->extents[i], i);
        depth++;
    }
    take_term(r, NULL);
    if (fold_takes_position(n)) write_line(f, "term++;");
    while (depth-- > 0)
        write_close(f);
}

static void sweep_lanes(const Reduction *r, Value active) {
    Frame *f = r->f;
    const GNode *n = r->node;
    Value terms = active ? arena_printf(f->arena, "(%s ? %lld : 0)", active, (long long)r->terms)
                         : arena_printf(f->arena, "%lld", (long long)r->terms);
    write_open(f, "for (int term = lane; term < %s; term += %lld)", terms, (long long)r->lanes);
    write_unravel(f, "term", n->rank, n->red_rank, r->extents);
    take_term(r, NULL);
    write_close(f);
}

/* Joins the lanes of a column. Every work-item of the column ends with the column's result. */
static void join_lanes(const Reduction *r) {
    Frame *f = r->f;
    bool positions = fold_takes_position(r->node);
    const Cells mine = {.best = "bests[me]",
                        .lost = "losts[me]",
                        .power = "powers[me]",
                        .winner = "winners[me]",
                        .terms = "counts[me]"};
    const Cells other = {.best = "bests[other]",
                         .lost = "losts[other]",
                         .power = "powers[other]",
                         .winner = "winners[other]",
                         .terms = "counts[other]"};
    write_line(f, "barrier(CLK_LOCAL_MEM_FENCE);");
    write_line(f, "bests[me] = best;");
    if (r->fold.keeps_lost) write_line(f, "losts[me] = lost;");
    if (r->fold.is_product) write_line(f, "powers[me] = power;");
    if (positions) write_line(f, "winners[me] = winner;");
    if (r->fold.counts) write_line(f, "counts[me] = terms;");
    write_open(f, "for (int reach = %lld; reach > 0; reach /= 2)", (long long)(r->lanes / 2));
    write_line(f, "barrier(CLK_LOCAL_MEM_FENCE);");
    write_open(f, "if (lane < reach)");
    write_line(f, "const int other = me + reach * %lld;", (long long)r->columns);
    fold_join(&r->fold, &mine, &other);
    write_close(f);
    write_close(f);
    write_line(f, "barrier(CLK_LOCAL_MEM_FENCE);");
    write_line(f, "best = bests[column];");
    if (r->fold.keeps_lost) write_line(f, "lost = losts[column];");
    if (r->fold.is_product) write_line(f, "power = powers[column];");
    if (positions) write_line(f, "winner = winners[column];");
    if (r->fold.counts) write_line(f, "terms = counts[column];");
}

static void sweep_members(const Reduction *r) {
    Frame *f = r->f;
    write_open(f, "for (int i = begin; i < end; i++)");
    write_line(f, "const int term = listed[i];");
    write_unravel(f, "term", r->node->rank, r->node->red_rank, r->extents);
    take_term(r, NULL);
    write_close(f);
}

static void sweep(const Reduction *r, Value active) {
    if (r->bucket) {
        sweep_members(r);
        return;
    }
    if (r->lanes == 1) {
        sweep_alone(r, active);
        return;
    }
    sweep_lanes(r, active);
    join_lanes(r);
}

/* ---- the kernel ------------------------------------------------------------------------------ */

static void declare_locals(const Reduction *r) {
    Frame *f = r->f;
    write_line(f, "const int me = get_local_id(0);");
    if (r->lanes == 1) {
        write_line(f, "const int at = get_global_id(0);");
        write_line(f, "if (at >= count) return;");
    } else {
        write_line(f, "const int column = me %% %lld, lane = me / %lld;", (long long)r->columns,
                   (long long)r->columns);
        write_line(f, "const int place = %s + column;", write_first_piece(f, r->columns));
        write_line(f, "const int at = min(place, count - 1);");
        write_line(f, "local %s bests[%d];", r->fold.type, GROUP);
        if (r->is_long) write_line(f, "local float losts[%d];", GROUP);
        if (r->fold.is_product) write_line(f, "local int powers[%d];", GROUP);
        if (fold_takes_position(r->node)) write_line(f, "local int winners[%d];", GROUP);
        if (r->fold.counts) write_line(f, "local int counts[%d];", GROUP);
    }
    write_line(f, "%s best = %s;", r->fold.type, fold_neutral(&r->fold));
    if (r->is_long) write_line(f, "float lost = 0.0f;");
    if (r->fold.is_product) write_line(f, "int power = 0;");
    if (fold_takes_position(r->node)) write_line(f, "int winner = -1;");
    if (r->fold.counts) write_line(f, "int terms = 0;");
}

static Value finish_reduction(Reduction *r, Value active) {
    Frame *f = r->f;
    if (node_sums_exponentials(r->node)) {
        /* A row without terms, or with none above -inf, is shifted by 0 and stays -inf. A row with
         * +inf is +inf. */
        write_line(f, "const float top = isinf(best) ? 0.0f : best;");
        write_line(f, "best = 0.0f;");
        r->fold.is_sum = r->exponentials = true;
        r->fold.keeps_lost = r->is_long;
        if (r->fold.counts) write_line(f, "terms = 0;");
        sweep(r, active);
        const char *form = r->node->reducer == GR_LSE ? "top + log(%s)" : "log(%s)";
        return arena_printf(f->arena, form, fold_sum(&r->fold, &own_cells));
    }
    if (fold_takes_position(r->node)) return "max(winner, 0)";
    return fold_sum(&r->fold, &own_cells);
}

Geometry write_reduction(Frame *f) {
    const GNode *n = f->node;
    const Bucket *b = kernel_bucket(f->kernel);
    int64_t extents[2 * GRAPH_MAX_RANK];
    if (b)
        memcpy(extents, f->extents, sizeof extents);
    else
        compute_collapse_axes(n, extents);
    Reduction r = {.f = f,
                   .node = n,
                   .bucket = b,
                   .guard = b ? b->rest : n->guard,
                   .extents = extents,
                   .terms = 1,
                   .fold = fold_of(f, n)};
    for (int i = 0; i < n->red_rank; i++)
        r.terms *= n->red_shape[i];
    if (n->reducer == GR_SUM && n->value->type == GT_BOOL) {
        r.fold.type = "long";
    }
    shape_group(&r);
    r.is_long = r.fold.is_product || (node_sums_many(n) && (b || r.terms > FEW_TERMS * r.lanes));
    r.fold.keeps_lost = r.fold.is_product || (r.is_long && n->reducer == GR_SUM);
    declare_locals(&r);
    write_unravel(f, "at", 0, n->rank, extents);
    if (b) write_members(f, b);
    Value active = n->active ? write_expr(f, n->active, NULL) : NULL;
    sweep(&r, active);
    Value result = finish_reduction(&r, active);
    if (r.fold.counts) write_fault(f, mask_and(f, active, "terms == 0"), COUPLET_FAULT_EMPTY);
    if (active) result = arena_printf(f->arena, "%s ? %s : 0", active, result);
    if (r.lanes > 1) write_open(f, "if (lane == 0 && place < count)");
    write_store(f, "at", result);
    if (r.lanes > 1) write_close(f);
    return (Geometry){graph_element_count(n), r.columns};
}
