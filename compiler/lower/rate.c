/* Writes a number as a formula of the run's scalars in postfix form (runtime/range.h). The log has
 * the rate of an optimiser by it: the runtime computes the formula beside the step, whose graph,
 * hash and bits know nothing of it. The ranges of parameters are tested by it, too. */
#include "compiler/lower/internal.h"
#include "runtime/range.h"

#include <string.h>

/* Returns the word of an operation, or COUPLET_RANGE_WORDS if it has none. */
static CoupletRangeWord word_of(GOp op) {
    static const CoupletRangeWord words[G_OP_COUNT] = {
        [G_ADD] = COUPLET_RANGE_ADD,   [G_SUB] = COUPLET_RANGE_SUB,
        [G_MUL] = COUPLET_RANGE_MUL,   [G_DIV] = COUPLET_RANGE_DIV,
        [G_NEG] = COUPLET_RANGE_NEG,   [G_POW] = COUPLET_RANGE_POW,
        [G_MAX] = COUPLET_RANGE_MAX,   [G_MIN] = COUPLET_RANGE_MIN,
        [G_EXP] = COUPLET_RANGE_EXP,   [G_LOG] = COUPLET_RANGE_LOG,
        [G_SQRT] = COUPLET_RANGE_SQRT, [G_TANH] = COUPLET_RANGE_TANH,
        [G_SIN] = COUPLET_RANGE_SIN,   [G_COS] = COUPLET_RANGE_COS,
        [G_ABS] = COUPLET_RANGE_ABS,   [G_FLOOR] = COUPLET_RANGE_FLOOR,
        [G_CEIL] = COUPLET_RANGE_CEIL, [G_FLOORDIV] = COUPLET_RANGE_FLOORDIV,
        [G_MOD] = COUPLET_RANGE_MOD,   [G_LT] = COUPLET_RANGE_LT,
        [G_LE] = COUPLET_RANGE_LE,     [G_EQ] = COUPLET_RANGE_EQ,
        [G_NE] = COUPLET_RANGE_NE,     [G_AND] = COUPLET_RANGE_AND,
        [G_OR] = COUPLET_RANGE_OR,     [G_NOT] = COUPLET_RANGE_NOT,
        [G_SELECT] = COUPLET_RANGE_IF};
    /* An operation that the table leaves out is 0 in it, which is also the word of a sum. */
    return op != G_ADD && words[op] == COUPLET_RANGE_ADD ? COUPLET_RANGE_WORDS : words[op];
}

static const char *formula_of(Lower *l, const GExpr *e, int *left);

/* Returns the name of a run scalar, or the formula of a number that the step computes of run
 * scalars. NULL: the node is neither. */
static const char *scalar_name(Lower *l, const GNode *n, int *left) {
    static const char hyper[] = "hyper.";
    if (n->rank) return NULL;
    if (n->kind == GN_COMPUTE && n->reducer == GR_NONE && !n->active)
        return formula_of(l, n->value, left);
    if (n->kind != GN_INPUT) return NULL;
    if (strncmp(n->name, hyper, strlen(hyper)) == 0)
        return arena_printf(l->arena, "$%s", n->name + strlen(hyper));
    const bool is_clock = strcmp(n->name, "step") == 0 || strcmp(n->name, "steps") == 0 ||
                          strcmp(n->name, "epoch") == 0;
    return is_clock ? arena_printf(l->arena, "$%s", n->name) : NULL;
}

/* Returns the postfix form, or NULL if the expression reads something else or is too long. */
static const char *formula_of(Lower *l, const GExpr *e, int *left) {
    if (--*left < 0) return NULL;
    if (e->op == G_CONST)
        return arena_printf(l->arena, "%.17g", e->type == GT_REAL ? e->real : (double)e->integer);
    if (e->op == G_LOAD) return scalar_name(l, e->tensor, left);
    if (e->op == G_TO_REAL || e->op == G_TO_INT) return formula_of(l, e->args[0], left);
    const CoupletRangeWord word = word_of(e->op);
    const char *text = "";
    for (int i = 0; word != COUPLET_RANGE_WORDS && i < e->arg_count; i++) {
        const char *operand = formula_of(l, e->args[i], left);
        if (!operand) return NULL;
        text = arena_printf(l->arena, "%s%s ", text, operand);
    }
    if (word == COUPLET_RANGE_WORDS) return NULL;
    return arena_printf(l->arena, "%s%s", text, couplet_range_words[word]);
}

const char *lower_run_formula(Lower *l, const GExpr *e, int most_words) {
    return formula_of(l, e, &most_words);
}
