/* A compute node with a reducer. A group of work-items makes `columns` elements, each by `lanes` work-items; lane l takes the terms l, l + lanes, ...
 * in order, and the lanes are joined by a tree in local memory. One lane is a work-item that sweeps alone. The order is fixed by the shape, so
 * the same bits come out at every run; nothing is atomic. */
#include "compiler/opencl/emit.h"

#include <math.h>
#include <string.h>

enum { LONG_ROW = 512, SHORT_ROW = 64, COLUMNS = 32 };

typedef struct Reduction {
    Frame *f;
    const GNode *node;
    const int64_t *extents;
    int64_t columns, lanes, terms;
    const char *type; /* of the accumulator */
    bool is_sum, counts, exponentials;
} Reduction;

static bool takes_smallest(const GNode *n) { return n->reducer == GR_MIN || n->reducer == GR_ARGMIN; }
static bool takes_position(const GNode *n) { return n->reducer == GR_ARGMAX || n->reducer == GR_ARGMIN; }

/* ---- the shape of a group -------------------------------------------------------------------------------------- */

/* Whether neighbouring outputs read neighbouring elements: some read ends in the output's last axis, and none in a reduced one. */
static bool reads_columns(const GExpr *e, const GNode *n, bool *by_output) {
    if (!e) return true;
    if (e->op == G_LOAD && e->tensor->rank > 0) {
        const GExpr *last = e->args[e->tensor->rank - 1];
        if (last->op == G_INDEX && last->index >= n->rank) return false;
        *by_output |= last->op == G_INDEX && last->index == n->rank - 1;
    }
    for (int i = 0; i < e->arg_count; i++)
        if (!reads_columns(e->args[i], n, by_output)) return false;
    return true;
}

static int64_t power_of_two_for(int64_t count) {
    int64_t power = 1;
    while (power < count) power *= 2;
    return power;
}

static void shape_group(Reduction *r) {
    bool by_output = false;
    int64_t outputs = elements_of(r->node);
    if (r->terms < SHORT_ROW) r->columns = GROUP;
    else if (reads_columns(r->node->value, r->node, &by_output) && by_output) r->columns = outputs < COLUMNS ? power_of_two_for(outputs) : COLUMNS;
    else r->columns = r->terms < LONG_ROW ? GROUP / SHORT_ROW : 1;
    r->lanes = GROUP / r->columns;
}

/* ---- folding ------------------------------------------------------------------------------------------------------ */

static Value neutral(const Reduction *r) {
    const GNode *n = r->node;
    if (strcmp(r->type, "float") == 0) return r->is_sum ? "0.0f" : takes_smallest(n) ? "INFINITY" : "-INFINITY";
    if (n->reducer == GR_ALL) return "1";
    if (n->reducer == GR_SUM || n->reducer == GR_ANY) return "0";
    return takes_smallest(n) ? "INT_MAX" : "INT_MIN";
}

/* `a` against `b`, where a NaN is better than any number. */
static Value better(const Reduction *r, Value a, Value b) {
    const char *sign = takes_smallest(r->node) ? "<" : ">";
    if (strcmp(r->type, "float") != 0) return arena_printf(r->f->arena, "%s %s %s", a, sign, b);
    return arena_printf(r->f->arena, "%s %s %s || (isnan(%s) && !isnan(%s))", a, sign, b, a, b);
}

static void fold(const Reduction *r, Value term, Value holds) {
    Frame *f = r->f;
    switch (r->node->reducer) {
    case GR_ANY: write_line(f, "best |= %s;", term); return;
    case GR_ALL: write_line(f, "best &= %s;", term); return;
    default: break;
    }
    if (r->is_sum) {
        write_line(f, "best += %s;", term);
    } else if (takes_position(r->node)) {
        /* The first term wins against the neutral value even when it equals it. */
        write_open(f, "if (%s(winner < 0 || %s))", holds ? arena_printf(f->arena, "%s && ", holds) : "", better(r, term, "best"));
        write_line(f, "best = %s;", term);
        write_line(f, "winner = term;");
        write_close(f);
    } else {
        write_line(f, "if (%s) best = %s;", better(r, term, "best"), term);
    }
}

static void fold_term(const Reduction *r, Value active) {
    Frame *f = r->f;
    const GNode *n = r->node;
    Value holds = n->guard ? write_expr(f, n->guard, active) : NULL, term = write_expr(f, n->value, mask_and(f, active, holds));
    /* -inf - -inf is no number: such a term weighs nothing. */
    if (r->exponentials) term = write_const(f, "float", "%s != -INFINITY ? exp(%s - top) : 0.0f", term, term);
    if (holds) term = write_const(f, r->type, "%s ? %s : %s", holds, term, neutral(r));
    fold(r, term, holds);
    if (r->counts) write_line(f, holds ? "terms += %s;" : "terms++;", holds);
}

/* ---- a sweep over the terms ------------------------------------------------------------------------------------------ */

static void sweep_alone(const Reduction *r, Value active) {
    Frame *f = r->f;
    const GNode *n = r->node;
    int depth = 0;
    if (active) write_open(f, "if (%s)", active), depth++;
    if (takes_position(n)) write_line(f, "int term = 0;");
    for (int i = n->rank; i < n->rank + n->red_rank; i++) {
        f->indices[i] = "0";
        if (r->extents[i] == 1) continue;
        f->indices[i] = arena_printf(f->arena, "i%d", i);
        write_open(f, "for (int i%d = 0; i%d < %lld; i%d++)", i, i, (long long)r->extents[i], i);
        depth++;
    }
    fold_term(r, NULL);
    if (takes_position(n)) write_line(f, "term++;");
    while (depth-- > 0) write_close(f);
}

static void sweep_lanes(const Reduction *r, Value active) {
    Frame *f = r->f;
    const GNode *n = r->node;
    Value terms = active ? arena_printf(f->arena, "(%s ? %lld : 0)", active, (long long)r->terms) : arena_printf(f->arena, "%lld", (long long)r->terms);
    write_open(f, "for (int term = lane; term < %s; term += %lld)", terms, (long long)r->lanes);
    write_unravel(f, "term", n->rank, n->red_rank, r->extents);
    fold_term(r, NULL);
    write_close(f);
}

/* Two work-items' shares, `here` and `there`, become one. */
static void join(const Reduction *r) {
    Frame *f = r->f;
    write_line(f, "const %s there = bests[me + reach * %lld];", r->type, (long long)r->columns);
    switch (r->node->reducer) {
    case GR_ANY: write_line(f, "bests[me] |= there;"); return;
    case GR_ALL: write_line(f, "bests[me] &= there;"); return;
    default: break;
    }
    if (r->is_sum) {
        write_line(f, "bests[me] += there;");
        return;
    }
    write_line(f, "const %s here = bests[me];", r->type);
    if (!takes_position(r->node)) {
        write_line(f, "if (%s) bests[me] = there;", better(r, "there", "here"));
        return;
    }
    write_line(f, "const int mine = winners[me], other = winners[me + reach * %lld];", (long long)r->columns);
    write_open(f, "if (other >= 0 && (mine < 0 || %s || (!(%s) && other < mine)))", better(r, "there", "here"), better(r, "here", "there"));
    write_line(f, "bests[me] = there;");
    write_line(f, "winners[me] = other;");
    write_close(f);
}

/* Every work-item of a column ends with the column's result. */
static void join_lanes(const Reduction *r) {
    Frame *f = r->f;
    bool positions = takes_position(r->node);
    write_line(f, "barrier(CLK_LOCAL_MEM_FENCE);");
    write_line(f, "bests[me] = best;");
    if (positions) write_line(f, "winners[me] = winner;");
    if (r->counts) write_line(f, "counts[me] = terms;");
    write_open(f, "for (int reach = %lld; reach > 0; reach /= 2)", (long long)(r->lanes / 2));
    write_line(f, "barrier(CLK_LOCAL_MEM_FENCE);");
    write_open(f, "if (lane < reach)");
    join(r);
    if (r->counts) write_line(f, "counts[me] += counts[me + reach * %lld];", (long long)r->columns);
    write_close(f);
    write_close(f);
    write_line(f, "barrier(CLK_LOCAL_MEM_FENCE);");
    write_line(f, "best = bests[column];");
    if (positions) write_line(f, "winner = winners[column];");
    if (r->counts) write_line(f, "terms = counts[column];");
}

static void sweep(const Reduction *r, Value active) {
    if (r->lanes == 1) {
        sweep_alone(r, active);
        return;
    }
    sweep_lanes(r, active);
    join_lanes(r);
}

/* ---- the kernel ---------------------------------------------------------------------------------------------------------- */

static void declare(const Reduction *r) {
    Frame *f = r->f;
    write_line(f, "const int me = get_local_id(0);");
    if (r->lanes == 1) {
        write_line(f, "const int at = get_global_id(0);");
        write_line(f, "if (at >= count) return;");
    } else {
        write_line(f, "const int column = me %% %lld, lane = me / %lld;", (long long)r->columns, (long long)r->columns);
        write_line(f, "const int place = get_group_id(0) * %lld + column;", (long long)r->columns);
        write_line(f, "const int at = min(place, count - 1);");
        write_line(f, "local %s bests[%d];", r->type, GROUP);
        if (takes_position(r->node)) write_line(f, "local int winners[%d];", GROUP);
        if (r->counts) write_line(f, "local int counts[%d];", GROUP);
    }
    write_line(f, "%s best = %s;", r->type, neutral(r));
    if (takes_position(r->node)) write_line(f, "int winner = -1;");
    if (r->counts) write_line(f, "int terms = 0;");
}

static Value finish(Reduction *r, Value active) {
    Frame *f = r->f;
    if (r->node->reducer == GR_LSE) {
        /* A row that is all -inf, or empty, shifts by 0 and stays -inf; one with +inf is +inf. */
        write_line(f, "const float top = isinf(best) ? 0.0f : best;");
        write_line(f, "best = 0.0f;");
        r->is_sum = r->exponentials = true;
        if (r->counts) write_line(f, "terms = 0;");
        sweep(r, active);
        return "top + log(best)";
    }
    if (takes_position(r->node)) return "max(winner, 0)";
    return "best";
}

Geometry write_reduction(Frame *f) {
    const GNode *n = f->node;
    int64_t extents[2 * GRAPH_MAX_RANK];
    collapse_axes(n, extents);
    Reduction r = {.f = f, .node = n, .extents = extents, .terms = 1, .is_sum = n->reducer == GR_SUM, .counts = n->empty_is_error && n->guard};
    for (int i = 0; i < n->red_rank; i++) r.terms *= n->red_shape[i];
    r.type = n->reducer == GR_SUM && n->value->type == GT_BOOL ? "long" : value_c_type(n->value->type);
    shape_group(&r);
    declare(&r);
    write_unravel(f, "at", 0, n->rank, extents);
    Value active = n->active ? write_expr(f, n->active, NULL) : NULL;
    sweep(&r, active);
    Value result = finish(&r, active);
    if (r.counts) write_fault(f, mask_and(f, active, "terms == 0"), COUPLET_FAULT_EMPTY);
    if (active) result = arena_printf(f->arena, "%s ? %s : 0", active, result);
    if (r.lanes > 1) write_open(f, "if (lane == 0 && place < count)");
    write_store(f, "at", result);
    if (r.lanes > 1) write_close(f);
    return (Geometry){(elements_of(n) + r.columns - 1) / r.columns * GROUP, elements_of(n)};
}
