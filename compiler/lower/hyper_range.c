/* Compiles the range of a hyper to postfix text (runtime/range.h). A built program has no parser,
 * and refuses a value outside its range by this text. */
#include "compiler/lower/internal.h"
#include "runtime/range.h"

#include <string.h>

static const char *word_of(Operator op) {
    static const CoupletRangeWord words[] = {
        [OP_ADD] = COUPLET_RANGE_ADD,
        [OP_SUB] = COUPLET_RANGE_SUB,
        [OP_MUL] = COUPLET_RANGE_MUL,
        [OP_DIV] = COUPLET_RANGE_DIV,
        [OP_FLOORDIV] = COUPLET_RANGE_FLOORDIV,
        [OP_MOD] = COUPLET_RANGE_MOD,
        [OP_POW] = COUPLET_RANGE_POW,
        [OP_LT] = COUPLET_RANGE_LT,
        [OP_LE] = COUPLET_RANGE_LE,
        [OP_GT] = COUPLET_RANGE_GT,
        [OP_GE] = COUPLET_RANGE_GE,
        [OP_EQ] = COUPLET_RANGE_EQ,
        [OP_NE] = COUPLET_RANGE_NE,
        [OP_AND] = COUPLET_RANGE_AND,
        [OP_OR] = COUPLET_RANGE_OR,
        [OP_NEG] = COUPLET_RANGE_NEG,
        [OP_NOT] = COUPLET_RANGE_NOT,
    };
    return couplet_range_words[words[op]];
}

/* Returns the word of a built-in function, or NULL. */
static const char *word_of_call(const Expr *call) {
    const bool builtin = call->callee->kind == EXPR_NAME && call->callee->symbol &&
                         call->callee->symbol->kind == SYMBOL_BUILTIN;
    for (int i = COUPLET_RANGE_MIN; builtin && i < COUPLET_RANGE_WORDS; i++) {
        const int wanted = i == COUPLET_RANGE_MIN || i == COUPLET_RANGE_MAX ? 2 : 1;
        if (strcmp(call->callee->name, couplet_range_words[i]) == 0 && call->arg_count == wanted)
            return couplet_range_words[i];
    }
    return NULL;
}

static const char *operation(Lower *l, const Expr *e, const char *word) {
    const char *text = "";
    for (int i = 0; word && i < e->arg_count; i++) {
        const char *operand = lower_range(l, e->args[i]);
        if (!operand) return NULL;
        text = arena_printf(l->arena, "%s%s ", text, operand);
    }
    return word ? arena_printf(l->arena, "%s%s", text, word) : NULL;
}

const char *lower_range(Lower *l, const Expr *e) {
    double number;
    if (e->kind == EXPR_NAME && e->symbol && e->symbol->kind == SYMBOL_HYPER) {
        for (int i = 0; i < l->program->hypers.count; i++)
            if (strcmp(l->program->hypers.items[i].name, e->name) == 0)
                return arena_printf(l->arena, "$%s", e->name);
        return NULL; /* the other name is declared further down */
    }
    if (e->kind == EXPR_UNARY || e->kind == EXPR_BINARY) return operation(l, e, word_of(e->op));
    if (e->kind == EXPR_CALL) return operation(l, e, word_of_call(e));
    return lower_static(l, e, &number) ? arena_printf(l->arena, "%.17g", number) : NULL;
}
