/* Lowers `scan` by unrolling it: the number of rounds is known, and each round is lowered with the
 * carry of the round before. A kernel is named by what it computes, so equal rounds are compiled
 * once. A carry needs memory from one round to the next, or until backward if a gradient reads it.
 * The derivative needs no rule of its own. */
#include "compiler/lower/internal.h"

static bool static_rounds(Lower *l, const Stmt *s, int64_t *rounds) {
    double count;
    const Expr *written = s->binders[0]->bound;
    if (!lower_static(l, written, &count)) {
        diag_report(l->diag, CODE_DIMENSION_UNKNOWN, written->span,
                    "the number of rounds is not known at compile time");
        diag_suggest(l->diag, "a parameter that counts is declared so: `rounds : int`");
        return false;
    }
    *rounds = count >= 0 && count <= MOST_ROUNDS ? (int64_t)count : 0;
    if (count == (double)*rounds) return true;
    diag_report(l->diag, CODE_SCAN, written->span, "a scan has 0 to %d rounds, and this is %g",
                MOST_ROUNDS, count);
    return false;
}

/* Gives values nodes of their own, since each round's formula would otherwise contain the rounds
 * before. An int in place of a real becomes a real. */
static Value settle_value(Lower *l, const Value *value, const Type *type, const Stmt *s) {
    const GExpr *axes[GRAPH_MAX_RANK];
    int rank = value_rank(value);
    for (int i = 0; i < rank; i++)
        axes[i] = graph_fresh_index(l->g, value_extent(value, i));
    const GExpr *element = value_element(l, value, axes, s->span);
    if (type->kind == KIND_REAL) element = lower_as_real(l, element);
    if (rank == 0) return value_scalar(lower_hoist_scalar(l, element, s->name, s->span));
    return lower_array_from(l, element, axes, rank, s->name, s->span);
}

static int carry_at(const Stmt *scan, const Symbol *symbol) {
    int i = 0;
    while (scan->carry[i]->symbol != symbol)
        i++;
    return i;
}

/* Lowers one round: every right side sees the values with which the round began. */
static void lower_round(Lower *l, const Stmt *s, int64_t round, Value *carry) {
    Frame *outer = l->frame;
    l->frame = frame_new(l, outer);
    frame_set(l, l->frame, s->binders[0], value_static(l, (double)round, true));
    for (int i = 0; i < s->carry_count; i++)
        frame_set(l, l->frame, s->carry[i]->symbol, carry[i]);
    for (int i = 0; i < s->body_count; i++) {
        const Stmt *inner = s->body[i];
        if (inner->kind != STMT_NEXT) {
            lower_body(l, &s->body[i], 1);
            continue;
        }
        Value next = let_value(l, inner);
        carry[carry_at(s, inner->symbol)] = settle_value(l, &next, inner->symbol->type, inner);
    }
    l->frame = outer;
}

void lower_scan(Lower *l, const Stmt *s) {
    int64_t rounds = 0;
    if (!static_rounds(l, s, &rounds)) rounds = 0;
    Value *carry = arena_array(l->arena, Value, s->carry_count);
    for (int i = 0; i < s->carry_count; i++) {
        Value start = let_value(l, s->carry[i]);
        carry[i] = settle_value(l, &start, s->carry[i]->symbol->type, s->carry[i]);
    }
    const char *site = l->site;
    int sites = l->site_count;
    for (int64_t round = 0; round < rounds; round++) {
        l->site = arena_printf(l->arena, "%s/scan#%d.%lld", site, sites, (long long)round);
        l->site_count = 0;
        lower_round(l, s, round, carry);
    }
    l->site = site;
    l->site_count = sites + 1;
    for (int i = 0; i < s->carry_count; i++)
        frame_set(l, l->frame, s->carry[i]->symbol, carry[i]);
}
