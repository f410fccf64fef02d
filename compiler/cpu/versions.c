/* A condition that stays as it is inside a loop becomes a branch around the loop. An augmentation
 * chooses an operation for a whole image. With a branch ahead of the image's loops, only the
 * operation that was chosen is computed, and its loops have no choices in them. Each branch makes a
 * second version of the loops, which is emitted with the condition assumed to hold or not to
 * hold. */
#include "compiler/cpu/emit.h"
#include "compiler/graph/visit.h"

enum {
    MOST_VERSIONS = 16, /* the most versions of the loops of one node */
    WORTH_A_VERSION = 4 /* the operations that a settled choice must save */
};

/* ---- what is assumed ------------------------------------------------------------------------- */

int frame_assumed(const Frame *f, const GExpr *e) {
    for (int i = 0; i < f->assumed_count; i++)
        if (f->assumed[i].condition == e) return f->assumed[i].holds;
    return UNSETTLED;
}

/* Returns the truth of a conjunction or a disjunction of `a` and `b`. A side that is `deciding`
 * settles it alone. */
static int64_t truth_of_junction(int64_t a, int64_t b, int64_t deciding) {
    if (a == deciding || b == deciding) return deciding;
    return a == !deciding && b == !deciding ? !deciding : UNSETTLED;
}

/* Finds the truth of an expression from what is assumed of it, or else of its parts. */
static ExprValue fold_truth(void *context, const GExpr *e, const ExprValue *args) {
    int64_t truth = e->type == GT_BOOL ? frame_assumed(context, e) : UNSETTLED;
    if (truth != UNSETTLED) return (ExprValue){.integer = truth};
    const int64_t left = e->arg_count > 0 ? args[0].integer : UNSETTLED;
    const int64_t right = e->arg_count > 1 ? args[1].integer : UNSETTLED;
    if (e->op == G_CONST && e->type == GT_BOOL) truth = e->integer != 0;
    if (e->op == G_NOT && left != UNSETTLED) truth = !left;
    if (e->op == G_AND) truth = truth_of_junction(left, right, 0);
    if (e->op == G_OR) truth = truth_of_junction(left, right, 1);
    return (ExprValue){.integer = truth};
}

int frame_settled(Frame *f, const GExpr *e) {
    if (!e || f->assumed_count == 0) return UNSETTLED;
    return (int)expr_fold(e, fold_truth, f).integer;
}

/* ---- the next condition ---------------------------------------------------------------------- */

typedef struct Search {
    Frame *frame;
    int bound; /* indices below this number have their values at the branch */
    ExprMap met;
    const GExpr *found;
} Search;

static bool is_unbound(const void *context, const GExpr *e) {
    const Search *s = context;
    return e->op == G_INDEX && e->index >= s->bound;
}

static bool is_joined(GOp op) {
    return op == G_AND || op == G_OR || op == G_NOT;
}

/* Looks, among the parts that AND, OR and NOT join to a condition, for one that is known ahead of
 * the loops, is not assumed yet, and cannot fault. */
static VisitStep find_part(void *context, const GExpr *e) {
    Search *s = context;
    if (e->type != GT_BOOL || e->op == G_CONST) return VISIT_PAST;
    if (is_joined(e->op)) return VISIT_INSIDE;
    if (frame_assumed(s->frame, e) != UNSETTLED || expr_any(e, is_unbound, s) ||
        frame_may_fault(s->frame, e))
        return VISIT_PAST;
    s->found = e;
    return VISIT_END;
}

static VisitStep add_price(void *context, const GExpr *e) {
    int *price = context;
    *price += gx_price(e->op);
    return e->op == G_LOAD ? VISIT_PAST : VISIT_INSIDE;
}

static bool is_worth_it(const GExpr *choice) {
    int price = 0;
    expr_visit(choice->args[1], add_price, &price);
    expr_visit(choice->args[2], add_price, &price);
    return price >= WORTH_A_VERSION;
}

/* Looks for a choice that is worth a version, and for such a part of its condition. */
static VisitStep find_choice(void *context, const GExpr *e) {
    Search *s = context;
    if (e->op != G_SELECT) return VISIT_INSIDE;
    const int settled = frame_settled(s->frame, e->args[0]);
    if (settled != UNSETTLED) { /* this version has no code for the other arm */
        if (expr_visit_rest(&s->met, e->args[settled ? 1 : 2], find_choice, s)) return VISIT_END;
        return VISIT_PAST;
    }
    if (!is_worth_it(e)) return VISIT_INSIDE;
    return expr_visit(e->args[0], find_part, s) ? VISIT_END : VISIT_INSIDE;
}

/* Returns the next condition of a node that is worth a branch, or NULL. */
static const GExpr *next_condition(Frame *f, const GNode *n, int bound) {
    Search s = {.frame = f, .bound = bound};
    if (frame_settled(f, n->active) == 0 || frame_settled(f, n->guard) == 0) return NULL;
    expr_map_open(&s.met);
    const bool found = expr_visit(n->active, find_part, &s) ||
                       expr_visit(n->guard, find_part, &s) ||
                       expr_visit_rest(&s.met, n->value, find_choice, &s);
    expr_map_close(&s.met);
    return found ? s.found : NULL;
}

const GExpr *frame_version_condition(Frame *f, const GNode *const *nodes, int count, int bound) {
    const GExpr *found = NULL;
    if (f->versions >= MOST_VERSIONS || f->assumed_count == MOST_ASSUMED) return NULL;
    for (int i = 0; i < count && !found; i++)
        found = next_condition(f, nodes[i], bound);
    return found;
}

/* ---- the branch ------------------------------------------------------------------------------ */

static void assume(Frame *f, const GExpr *condition, bool holds) {
    f->assumed[f->assumed_count++] = (Assumption){condition, holds};
    frame_forget(f);
}

Versions versions_begin(Frame *f, const GExpr *condition) {
    Versions v = {.condition = condition,
                  .otherwise = frame_block(f, "otherwise"),
                  .after = frame_block(f, "after")};
    LLVMBasicBlockRef then = frame_block(f, "then");
    LLVMBuildCondBr(f->e->builder, emit_expr(f, condition), then, v.otherwise);
    LLVMPositionBuilderAtEnd(f->e->builder, then);
    f->versions++;
    assume(f, condition, true);
    return v;
}

void versions_otherwise(Frame *f, const Versions *v) {
    LLVMBuildBr(f->e->builder, v->after);
    LLVMPositionBuilderAtEnd(f->e->builder, v->otherwise);
    f->assumed_count--;
    assume(f, v->condition, false);
}

void versions_end(Frame *f, const Versions *v) {
    LLVMBuildBr(f->e->builder, v->after);
    LLVMPositionBuilderAtEnd(f->e->builder, v->after);
    f->assumed_count--;
    frame_forget(f);
}
