/* Finds what a name stands for, and what a name behind a dot picks out of a module, a network, a
 * source or a queue. Most of this file is what is said of a name that is not known. */
#include "lang/check.h"
#include "lang/habits.h"

#include <ctype.h>
#include <string.h>

/* True for the statements that declare the name in front of their `=`, `<-` or brackets. The name
 * of a loss or a report is none that a formula can speak of. */
static bool declares_its_name(const Stmt *s) {
    return s->kind == STMT_LET || s->kind == STMT_NET || s->kind == STMT_FN ||
           s->kind == STMT_OPTIMISER || s->kind == STMT_DATA || s->kind == STMT_QUEUE ||
           s->kind == STMT_BANK;
}

static bool declares_params(const Stmt *s) {
    return s->kind == STMT_VIEW || s->kind == STMT_PARAM || s->kind == STMT_STATE ||
           s->kind == STMT_DRAW || s->kind == STMT_HYPER;
}

/* Returns the place where a statement declares the name, or NULL. */
static const Span *declared_in(const Stmt *s, const char *name) {
    if (declares_its_name(s) && strcmp(s->name, name) == 0) return &s->name_span;
    for (int i = 0; declares_params(s) && i < s->param_count; i++)
        if (strcmp(s->params[i].name, name) == 0) return &s->params[i].span;
    for (int i = 0; i < s->carry_count; i++)
        if (strcmp(s->carry[i]->name, name) == 0) return &s->carry[i]->name_span;
    return NULL;
}

/* Returns the place where the module will declare the name, or NULL. Values are defined from top to
 * bottom, and a body is checked at its first call, so what counts is which statements were checked,
 * and not where the name stands. */
static const Span *declared_later(const Check *c, const char *name) {
    const Module *m = c->at.module;
    const Span *found = NULL;
    for (int i = m->checked_count; i < m->stmt_count && !found; i++)
        found = declared_in(m->stmts[i], name);
    return found;
}

/* Help for an unknown name takes a search through all names. A text of thousands of errors gets
 * help for the first ones only, which are more than are shown. */
enum { ENOUGH_ERRORS = 100 };

static bool is_of_word(char c) {
    return isalnum((unsigned char)c) || c == '_';
}

/* True if the second word of a text begins with the name. A declaration that lacks its bracket,
 * such as `param CD, c] = 0`, may have been that of C. */
static bool is_glued(const char *text, int length, const char *name) {
    int at = 0;
    while (at < length && is_of_word(text[at]))
        at++;
    while (at < length && text[at] == ' ')
        at++;
    return length - at > (int)strlen(name) && strncmp(text + at, name, strlen(name)) == 0;
}

/* True if the name stands as a word in a part of the module that the parser left out. */
static bool stands_in_broken(const Module *module, const char *name) {
    const int length = (int)strlen(name);
    for (int i = 0; i < module->broken_count; i++) {
        const Span span = module->broken[i];
        const char *text = span.source->text;
        if (is_glued(text + span.begin, span.end - span.begin, name)) return true;
        for (int at = span.begin; at + length <= span.end; at++) {
            const bool begins = at == 0 || !is_of_word(text[at - 1]);
            const bool ends = !is_of_word(text[at + length]);
            if (begins && ends && strncmp(text + at, name, (size_t)length) == 0) return true;
        }
    }
    return false;
}

bool parse_was_broken(Check *c, const char *name) {
    const bool broken = c->at.module->lacks_name || stands_in_broken(c->at.module, name);
    c->misses_declaration |= broken;
    return broken;
}

/* True for a character outside ASCII, about which the scanner has said what to write instead. */
static bool is_foreign(Span span) {
    return (unsigned char)span.source->text[span.begin] >= 0x80;
}

/* Attaches the fix of an unknown module: a line `use NAME` ahead of the first statement of the file
 * in which the name stands. */
static void fix_use(Check *c, const Expr *name) {
    const Module *m = c->at.module;
    for (int i = 0; i < m->stmt_count; i++) {
        Span at = m->stmts[i]->span;
        if (at.source != name->span.source) continue;
        while (at.begin > 0 && at.source->text[at.begin - 1] != '\n')
            at.begin--;
        at.end = at.begin;
        at.column = 1;
        diag_fix(c->diag, at, arena_printf(c->arena, "use %s\n", name->name));
        return;
    }
}

/* Reports an unknown name, but not the same name twice in a row on one line, since the second
 * message would say nothing new. The help is the first guess that fits. */
static void unknown_name(Check *c, const Expr *e) {
    if (is_foreign(e->span)) return;
    if (diag_error_count(c->diag) <= ENOUGH_ERRORS && parse_was_broken(c, e->name)) return;
    Span last = c->unknown;
    bool again = last.source == e->span.source && last.line == e->span.line &&
                 last.end - last.begin == e->span.end - e->span.begin &&
                 memcmp(last.source->text + last.begin, e->name, strlen(e->name)) == 0;
    if (again) return;
    c->unknown = e->span;
    diag_report(c->diag, CODE_UNKNOWN_NAME, e->span, "the name `%s` is not known here", e->name);
    if (diag_error_count(c->diag) > ENOUGH_ERRORS) return;
    const char *meant = habit_of_name(e->name);
    scope_suggest(c, e->name, e->span);
    if (meant)
        diag_suggest(c->diag, "%s", meant);
    else if (c->at.in_signature)
        diag_suggest(c->diag,
                     "the dimensions of a signature begin with a capital letter: `x[N, D]`");
    else if (habit_is_behind_reduction(e->span, e->name))
        diag_suggest(c->diag,
                     "a reduction ends ahead of `+` and `-`: `sum[%s] (a[%s] + b[%s])` goes on",
                     e->name, e->name, e->name);
    else if (c->at.in_index && !e->name[1])
        diag_suggest(c->diag,
                     "an index is bound by a reduction, `sum[%s] ..`, or by the head of a let, "
                     "`let y[%s] = ..`",
                     e->name, e->name);
    else if (c->hooks && c->hooks->module &&
             c->hooks->module(c->hooks->context, c->arena, e->name, 0)) {
        diag_suggest(c->diag, "`use %s` makes the names of the library's module visible", e->name);
        fix_use(c, e);
    }
}

Type *check_name(Check *c, Expr *e) {
    Symbol *s = scope_find(c->at.scope, e->name);
    const Span *later =
        s || diag_error_count(c->diag) > ENOUGH_ERRORS ? NULL : declared_later(c, e->name);
    if (later) {
        diag_report(c->diag, CODE_USED_EARLY, e->span, "`%s` is used before it is defined",
                    e->name);
        diag_note(c->diag, *later, "its definition is here");
        return type_poison(c);
    }
    if (!s) {
        unknown_name(c, e);
        return type_poison(c);
    }
    s->used = true;
    e->symbol = s;
    if (!s->type) {
        diag_report(c->diag, CODE_USED_EARLY, e->span, "`%s` is used before it is defined",
                    e->name);
        diag_note(c->diag, s->span, "its definition is here");
        return type_poison(c);
    }
    return type_of_sample(c, e, s->type);
}

/* A network may be a copy of a copy, each with a name of its own. So many names are followed. */
enum { MOST_HOPS = 1 << 16 };

/* Returns the composition that the network stands for, or NULL for a single layer. */
static const Expr *composition_of(const Symbol *net) {
    const Expr *whole = net && net->stmt ? net->stmt->value : NULL;
    for (int hop = 0; whole && whole->kind != EXPR_COMPOSE && hop < MOST_HOPS; hop++) {
        if (whole->kind == EXPR_COPY)
            whole = whole->args[0];
        else if (whole->symbol && whole->symbol->stmt && whole->symbol->stmt->value != whole)
            whole = whole->symbol->stmt->value;
        else
            break;
    }
    return whole && whole->kind == EXPR_COMPOSE ? whole : NULL;
}

/* Returns the number of the part of this name in the composition, or -1. */
static int number_of_part(const Expr *composition, const char *name) {
    for (int i = 0; composition && composition->arg_names && i < composition->arg_count; i++)
        if (composition->arg_names[i] && strcmp(composition->arg_names[i], name) == 0) return i;
    return -1;
}

bool net_has_part(const Symbol *net, const char *name) {
    return number_of_part(composition_of(net), name) >= 0;
}

bool net_names_all_parts(const Symbol *net) {
    const Expr *whole = composition_of(net);
    bool all = whole && whole->arg_names;
    for (int i = 0; all && i < whole->arg_count; i++)
        all = whole->arg_names[i] != NULL;
    return all;
}

/* Suggests the names of a module, or the command that lists them if they are many. */
static void suggest_names_of(Check *c, const char *module, const Scope *scope) {
    enum { MOST = 12 };
    const char *text = "";
    int count = 0;
    for (int i = 0; scope && i < scope->symbols.count; i++) {
        const Symbol *s = scope->symbols.items[i];
        if (s->kind != SYMBOL_FN && s->kind != SYMBOL_NET && s->kind != SYMBOL_OPTIMISER) continue;
        if (count++ < MOST)
            text = arena_printf(c->arena, "%s%s%s", text, *text ? ", " : "", s->name);
    }
    if (count > MOST)
        diag_suggest(c->diag, "`couplet doc %s` lists its %d names", module, count);
    else if (count)
        diag_suggest(c->diag, "it has %s", text);
}

/* Reports a name that the module does not have. Says nothing if it stands in text of the module
 * that the parser left out. */
static Type *miss_in_module(Check *c, const Expr *e, const Module *m, const Scope *scope) {
    if (stands_in_broken(m, e->name)) return type_poison(c);
    const char *name = e->args[0]->symbol->name;
    const int count = scope ? scope->symbols.count : 0;
    const char **names = arena_array(c->arena, const char *, count);
    for (int i = 0; i < count; i++)
        names[i] = scope->symbols.items[i]->name;
    diag_report(c->diag, CODE_UNKNOWN_MEMBER, e->span, "the module `%s` has no `%s`", name,
                e->name);
    const char *near = diag_nearest(e->name, names, count);
    if (near)
        diag_mean(c->diag, e->span, arena_printf(c->arena, "%s.%s", name, near));
    else
        suggest_names_of(c, m->used ? m->source->path : name, scope);
    return type_poison(c);
}

static Type *check_member_of_module(Check *c, Expr *e, Module *m) {
    Scope *scope = module_scope(c, m);
    Symbol *found = scope ? scope_find_in(scope, e->name) : NULL;
    if (!found) return miss_in_module(c, e, m, scope);
    found->used = true;
    e->symbol = found;
    return found->type ? found->type : type_poison(c);
}

/* Reports a name that no part of the composition has. `whole` is NULL for a single layer. */
static Type *miss_part(Check *c, const Expr *e, const Expr *whole) {
    if (parse_was_broken(c, e->name)) return type_poison(c);
    const char **names = arena_array(c->arena, const char *, (whole ? whole->arg_count : 0) + 1);
    int count = 0;
    for (int i = 0; whole && whole->arg_names && i < whole->arg_count; i++)
        if (whole->arg_names[i]) names[count++] = whole->arg_names[i];
    diag_report(c->diag, CODE_UNKNOWN_MEMBER, e->span, "the network has no part named `%s`",
                e->name);
    const char *near = diag_nearest(e->name, names, count);
    if (near)
        diag_mean(c->diag, member_name_span(e), near);
    else
        diag_suggest(c->diag, "parts are named where they are composed: `%s: nn.convnet() >> ...`",
                     e->name);
    return type_poison(c);
}

static Type *check_part_of_net(Check *c, Expr *e, const Symbol *net) {
    const Expr *whole = composition_of(net);
    const int item = number_of_part(whole, e->name);
    if (item < 0) return miss_part(c, e, whole);
    Symbol *s = arena_new_of(c->arena, Symbol);
    *s = (Symbol){.kind = SYMBOL_NET_PART,
                  .name = e->name,
                  .span = whole->arg_spans[item],
                  .stmt = net ? net->stmt : NULL,
                  .item = item};
    e->symbol = s;
    return s->type = type_make(c, KIND_NET, 0, NULL);
}

/* Returns the column of the queue that has this name, or NULL. */
static const Param *column_of(const Symbol *queue, const char *name) {
    for (int i = 0; i < queue->stmt->param_count; i++)
        if (strcmp(queue->stmt->params[i].name, name) == 0) return &queue->stmt->params[i];
    return NULL;
}

Type *check_member(Check *c, Expr *e) {
    Type *t = check_expr(c, e->args[0]);
    if (type_is_poison(t)) return t;
    Symbol *b = e->args[0]->symbol;
    if (b && b->kind == SYMBOL_MODULE) return check_member_of_module(c, e, b->module);
    if (b && (b->kind == SYMBOL_DATA || (b->kind == SYMBOL_FIELD && t->kind == KIND_DATA)))
        return check_field(c, e, b);
    if (t->kind == KIND_NET) return check_part_of_net(c, e, b);
    const Param *column = b && b->kind == SYMBOL_QUEUE && b->stmt ? column_of(b, e->name) : NULL;
    if (column) {
        e->symbol = column->symbol;
        return column->type ? column->type : type_poison(c);
    }
    if (parse_was_broken(c, e->name)) return type_poison(c);
    diag_report(c->diag, CODE_UNKNOWN_MEMBER, e->span, "%s has no parts to pick `%s` from",
                type_text(c->arena, t), e->name);
    const char *meant = habit_of_member(e->name);
    if (meant) diag_suggest(c->diag, "%s", meant);
    return type_poison(c);
}
