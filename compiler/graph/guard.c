/* Walks over the conjuncts of a guard (guard.h). A conjunct that stands in a guard more than once
 * is met once, since a guard is a graph like any expression. */
#include "compiler/graph/guard.h"

#include "compiler/graph/visit.h"

static bool add_conjunct(void *context, const GExpr *conjunct) {
    Conjuncts *c = context;
    if (c->count == MOST_CONJUNCTS) return false;
    c->items[c->count++] = conjunct;
    return true;
}

bool guard_list(const GExpr *guard, Conjuncts *c) {
    return guard_all(guard, add_conjunct, c);
}

typedef struct Question {
    GuardPredicate is;
    void *context;
    bool ends_at; /* the answer for a conjunct that ends the walk */
} Question;

static VisitStep ask_conjunct(void *context, const GExpr *e) {
    const Question *q = context;
    if (e->op == G_AND) return VISIT_INSIDE;
    return q->is(q->context, e) == q->ends_at ? VISIT_END : VISIT_PAST;
}

bool guard_any(const GExpr *guard, GuardPredicate is, void *context) {
    Question q = {is, context, true};
    return expr_visit(guard, ask_conjunct, &q);
}

bool guard_all(const GExpr *guard, GuardPredicate is, void *context) {
    Question q = {is, context, false};
    return !expr_visit(guard, ask_conjunct, &q);
}

static bool is_same(void *context, const GExpr *conjunct) {
    return conjunct == context;
}

bool guard_has(const GExpr *guard, const GExpr *condition) {
    return guard_any(guard, is_same, (void *)(uintptr_t)condition);
}

typedef struct Kept {
    Graph *g;
    GuardKeep keep;
    void *context;
} Kept;

static bool is_conjunction(void *context, const GExpr *e) {
    (void)context;
    return e->op == G_AND;
}

static ExprValue join_kept(void *context, const GExpr *e, const ExprValue *args) {
    const Kept *k = context;
    const GExpr *left =
        args ? gx_and(k->g, args[0].pointer, args[1].pointer) : k->keep(k->context, k->g, e);
    return (ExprValue){.pointer = left};
}

const GExpr *guard_keep(Graph *g, const GExpr *guard, GuardKeep keep, void *context) {
    Kept k = {g, keep, context};
    return guard ? expr_fold_inside(guard, is_conjunction, join_kept, &k).pointer : NULL;
}
