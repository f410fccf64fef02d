/* Checks the statements of a method, each by its kind. The checks of hypers, ema edges, trained
 * parts, phases, losses, `start` and `give` are here; the other statements have files of their
 * own. */
#include "lang/check.h"

#include <string.h>

static void check_hyper(Check *c, Stmt *s) {
    for (int i = 0; i < s->param_count; i++) {
        Param *p = &s->params[i];
        Type *t = check_expr(c, p->value);
        if (t->kind != KIND_POISON && (t->rank || (!type_is_numeric(t) && t->kind != KIND_BOOL)))
            diag_report(c->diag, CODE_HYPER, p->value->span, "a hyper is a number; this is %s",
                        type_text(c->arena, t));
        p->type = t;
        p->symbol = scope_declare(c, SYMBOL_HYPER, p->name, p->span, s, p);
        p->symbol->type = t;
        if (!p->guard) continue;
        Type *g = check_expr(c, p->guard);
        if (g->kind != KIND_POISON && g->kind != KIND_BOOL)
            diag_report(c->diag, CODE_HYPER, p->guard->span,
                        "the range of a hyper is a condition; this is %s", type_text(c->arena, g));
    }
}

static void check_ema(Check *c, Stmt *s) {
    Type *rate = check_expr(c, s->value);
    Type *target = check_expr(c, s->targets[0]);
    Type *source = check_expr(c, s->source);
    if (target->kind == KIND_NET && s->targets[0]->kind == EXPR_NAME &&
        s->source->kind == EXPR_NAME && s->targets[0]->symbol == s->source->symbol) {
        diag_report(c->diag, CODE_EMA_ENDS, s->span,
                    "an ema edge joins two networks, and `%s` stands on both sides",
                    s->source->name);
        diag_suggest(c->diag,
                     "`net target = copy %s` makes the second one: `ema target <- %s rate 0.99`",
                     s->source->name, s->source->name);
    }
    if (rate->kind != KIND_POISON && (!type_is_numeric(rate) || rate->rank))
        diag_report(c->diag, CODE_EMA_RATE, s->value->span,
                    "the rate is a number in 0..1; this is %s", type_text(c->arena, rate));
    if (target->kind != KIND_POISON && target->kind != KIND_NET)
        diag_report(c->diag, CODE_EMA_ENDS, s->targets[0]->span,
                    "an ema edge joins two networks; this is %s", type_text(c->arena, target));
    if (source->kind != KIND_POISON && source->kind != KIND_NET)
        diag_report(c->diag, CODE_EMA_ENDS, s->source->span,
                    "an ema edge joins two networks; this is %s", type_text(c->arena, source));
}

/* ---- trained parts and phases ---------------------------------------------------------------- */

static void check_part(Check *c, Expr *part) {
    Type *t = check_expr(c, part);
    if (t->kind == KIND_POISON || t->kind == KIND_NET ||
        (part->symbol && part->symbol->kind == SYMBOL_PARAM))
        return;
    diag_report(
        c->diag, CODE_PART, part->span,
        "a part that is trained is a network, a named part of one, or a `param`; this is %s",
        type_text(c->arena, t));
}

/* Checks a path such as `online`, `online.head.b` or `online.trunk.conv3_1`: a network, one of its
 * layers or one of its parameters, by the names in a checkpoint. Returns false if the path does not
 * begin with a network. Which layers and parameters exist is known when the network is built
 * (lower/optimise.c). */
static bool check_path(Check *c, Expr *part) {
    if (part->kind != EXPR_MEMBER) return check_expr(c, part)->kind == KIND_NET;
    Expr *base = part->args[0];
    if (!check_path(c, base)) return false;
    const bool composed = base->symbol && base->symbol->kind == SYMBOL_NET;
    if (composed && (net_has_part(base->symbol, part->name) || net_names_all_parts(base->symbol)))
        return check_expr(c, part)->kind == KIND_NET;
    part->symbol = arena_new_of(c->arena, Symbol);
    *part->symbol = (Symbol){.kind = SYMBOL_NET_STATE, .name = part->name, .span = part->span};
    part->type = part->symbol->type = type_make(c, KIND_NET, 0, NULL);
    return true;
}

static bool names_word(const Expr *part, const char *word) {
    return part->kind == EXPR_NAME && strcmp(part->name, word) == 0;
}

void check_trained_part(Check *c, Expr *part, bool optimiser) {
    if ((optimiser && names_word(part, "rest")) || names_word(part, "biases")) return;
    const int errors = diag_error_count(c->diag);
    if (part->kind == EXPR_MEMBER && (check_path(c, part) || diag_error_count(c->diag) > errors))
        return;
    check_part(c, part);
}

void check_condition(Check *c, Expr *condition, const char *of) {
    Type *t = check_expr(c, condition);
    if (t->kind == KIND_POISON || (t->kind == KIND_BOOL && t->rank == 0)) return;
    diag_report(c->diag, CODE_PHASE, condition->span,
                "%s is a condition, like `epoch >= 2`; this is %s", of, type_text(c->arena, t));
}

/* Checks the statements of a branch of `when`. What is declared for the whole run may not stand
 * there. */
static void check_branch(Check *c, Module *m, Stmt *const *body, int count) {
    static const StmtKind allowed[] = {STMT_LET,    STMT_DRAW,   STMT_VIEW,  STMT_LOSS,
                                       STMT_UPDATE, STMT_EMA,    STMT_QUEUE, STMT_SCAN,
                                       STMT_EVERY,  STMT_REPORT, STMT_GIVE,  STMT_WHEN};
    scope_push(c);
    for (int i = 0; i < count; i++) {
        bool fits = false;
        for (size_t k = 0; k < sizeof allowed / sizeof *allowed; k++)
            fits |= body[i]->kind == allowed[k];
        if (fits)
            check_statement(c, m, body[i]);
        else
            diag_report(c->diag, CODE_STATEMENT_PLACE, body[i]->span,
                        "this is declared once for the whole run, outside of `when`");
    }
    for (int i = 0; i < count; i++)
        if (body[i]->kind == STMT_QUEUE) check_push(c, body[i]);
    scope_pop(c);
}

/* Checks both branches. A branch under the name of a stage is checked for the batch of that
 * stage. */
static void check_when(Check *c, Module *m, Stmt *s) {
    const Stmt *outer = c->at.stage;
    check_condition(c, s->value, "what stands after `when`");
    const Symbol *name = s->value->kind == EXPR_NAME ? s->value->symbol : NULL;
    if (name && name->kind == SYMBOL_STAGE) c->at.stage = name->stmt;
    check_branch(c, m, s->body, s->body_count);
    c->at.stage = outer;
    check_branch(c, m, s->otherwise, s->otherwise_count);
}

/* ---- what a step gives ----------------------------------------------------------------------- */

/* Checks `start PART from "file"`. Whether the arrays of the part and of the file fit is found out
 * when a run begins. */
static void check_start(Check *c, const Stmt *s) {
    check_trained_part(c, s->targets[0], false);
    if (!*s->value->text)
        diag_report(c->diag, CODE_START, s->value->span,
                    "the path of a file of safetensors is expected, and it is empty");
    for (int i = 0; i < s->param_count; i++)
        for (int k = 0; k < i; k++) {
            if (strcmp(s->params[i].name, s->params[k].name) != 0) continue;
            diag_report(c->diag, CODE_START, s->params[i].span, "`%s` is named twice",
                        s->params[i].name);
            diag_note(c->diag, s->params[k].span, "the first time is here");
        }
}

static void check_give(Check *c, const Stmt *s) {
    if (s->is_function || s->binder_count || s->has_dims) {
        diag_report(c->diag, CODE_GIVE, s->span,
                    "what a step gives is a name and a value: `give %s = ..`", s->name);
        diag_suggest(c->diag, "a `let` makes the array: `let %s[..] = ..`, then `give %s = %s`",
                     s->name, s->name, s->name);
        return;
    }
    const Type *t = check_expr(c, s->value);
    if (t->kind == KIND_POISON || type_is_numeric(t)) return;
    diag_report(c->diag, CODE_GIVE, s->value->span,
                "a step gives numbers, reals or ints; this is %s", type_text(c->arena, t));
    if (t->kind == KIND_BOOL) {
        diag_suggest(c->diag, "`real(..)` makes 1 and 0 of conditions");
    }
}

/* ---- training -------------------------------------------------------------------------------- */

Param *setting_of_train(Module *spec, const char *name) {
    for (int i = 0; i < spec->stmt_count; i++)
        for (int p = 0; spec->stmts[i]->kind == STMT_TRAIN && p < spec->stmts[i]->param_count; p++)
            if (strcmp(spec->stmts[i]->params[p].name, name) == 0)
                return &spec->stmts[i]->params[p];
    return NULL;
}

static void check_loss(Check *c, const Stmt *s) {
    const Type *t = check_expr(c, s->value);
    if (t->kind != KIND_POISON && (t->rank || !type_is_numeric(t))) {
        diag_report(c->diag, CODE_LOSS_KIND, s->value->span, "a loss is one number; this is %s",
                    type_text(c->arena, t));
        if (t->rank == 1 && s->value->kind == EXPR_NAME)
            diag_suggest(c->diag, "take the mean over the samples: `loss mean[i] %s[i]`",
                         s->value->name);
    }
    for (int i = 0; i < s->target_count; i++)
        check_part(c, s->targets[i]);
    if (s->name && check_is_key_of_log(s->name))
        diag_report(c->diag, CODE_LOSS_NAME, s->name_span,
                    "the log has a key `%s` already; the column of a loss has a name of its own",
                    s->name);
}

void check_statement(Check *c, Module *m, Stmt *s) {
    switch (s->kind) {
    case STMT_DATA:
        check_data(c, s);
        break;
    case STMT_HYPER:
        check_hyper(c, s);
        break;
    case STMT_VIEW:
        check_view(c, s);
        break;
    case STMT_LET:
        check_let(c, s);
        break;
    case STMT_PARAM:
        check_owned(c, s, SYMBOL_PARAM, false);
        break;
    case STMT_STATE:
        check_owned(c, s, SYMBOL_STATE, false);
        break;
    case STMT_DRAW:
        check_draw(c, s);
        break;
    case STMT_QUEUE:
        check_queue(c, s);
        break;
    case STMT_BANK:
        check_bank(c, s);
        break;
    case STMT_UPDATE:
        check_update(c, s);
        break;
    case STMT_EMA:
        check_ema(c, s);
        break;
    case STMT_TRAIN:
        check_train(c, m, s);
        break;
    case STMT_STAGE:
        check_stage(c, s);
        break;
    case STMT_EVAL:
        check_eval(c, s);
        break;
    case STMT_WHEN:
        check_when(c, m, s);
        break;
    case STMT_EVERY:
        check_every(c, s);
        break;
    case STMT_OVER:
        diag_report(c->diag, CODE_EVERY_EPOCH, s->span,
                    "a sweep over a data set is no part of a step: it stands in `every epoch { .. "
                    "}` or in `eval { .. }`");
        break;
    case STMT_REPORT:
        check_misplaced_report(c, s);
        break;
    case STMT_START:
        check_start(c, s);
        break;
    case STMT_GIVE:
        check_give(c, s);
        break;
    case STMT_NET:
        if (!s->has_config) check_net(c, s);
        break;
    case STMT_LOSS:
        check_loss(c, s);
        break;
    case STMT_SCAN:
        check_scan(c, s);
        break;
    case STMT_NEXT:
        check_next(c, s);
        break;
    case STMT_RETURN:
        if (!m->broken_count)
            diag_report(c->diag, CODE_STATEMENT_PLACE, s->span,
                        "`return` belongs into a function or a net");
        break;
    case STMT_USE:
    case STMT_FN:
    case STMT_OPTIMISER:
        break; /* functions are checked with their module */
    }
}
