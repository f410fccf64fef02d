/* Lists the names of a file by one walk over the tree that the checker annotated. Each name has the
 * span of its declaration. Names are compared by this span, because the checker makes more than one
 * symbol of a field or of a part of a network. */
#include "compiler/lsp/names.h"

#include "lang/ast_walk.h"

#include <stdlib.h>
#include <string.h>

typedef struct Collector {
    Arena *arena;
    const Source *file;
    NameList *names;
    const Expr *found; /* the smallest expression at a place */
    int at;
} Collector;

static void add_occurrence(Collector *c, Span span, Name name) {
    if (span.source != c->file || span.end <= span.begin) return;
    name.begin = span.begin;
    name.end = span.end;
    array_push(c->arena, &c->names->of, name);
}

/* ---- declarations ---------------------------------------------------------------------------- */

/* Returns the span of the field that the data statement claims under the name, or else of the name
 * of the statement. */
static Span field_span(const Symbol *s) {
    const Stmt *data = s->stmt;
    for (int i = 0; data && i < data->param_count; i++)
        if (strcmp(data->params[i].name, s->name) == 0) return data->params[i].span;
    return data ? data->name_span : (Span){.source = NULL};
}

static Span symbol_span(const Symbol *s) {
    switch (s->kind) {
    case SYMBOL_POISON:
    case SYMBOL_BUILTIN:
    case SYMBOL_NET_STATE:
        return (Span){.source = NULL};
    case SYMBOL_FIELD:
        return field_span(s);
    case SYMBOL_INDEX:
        return s->binder ? s->binder->span : s->span;
    case SYMBOL_MODULE:
    case SYMBOL_DATA:
    case SYMBOL_HYPER:
    case SYMBOL_VIEW:
    case SYMBOL_NET:
    case SYMBOL_NET_PART:
    case SYMBOL_FN:
    case SYMBOL_OPTIMISER:
    case SYMBOL_LET:
    case SYMBOL_LET_FN:
    case SYMBOL_PARAM:
    case SYMBOL_STATE:
    case SYMBOL_QUEUE:
    case SYMBOL_COLUMN:
    case SYMBOL_DRAW:
    case SYMBOL_STAGE:
    case SYMBOL_ARGUMENT:
    case SYMBOL_CONFIG:
    case SYMBOL_DIMENSION:
        return s->span;
    }
    return (Span){.source = NULL};
}

static void add_symbol(Collector *c, Span span, const Symbol *s, const Expr *e) {
    if (!s) return;
    add_occurrence(c, span,
                   (Name){.declared = symbol_span(s),
                          .symbol = s,
                          .param = s->param,
                          .binder = s->binder,
                          .e = e,
                          .stmt = s->stmt});
}

static void add_param(Collector *c, Span span, const Param *p, const Stmt *of) {
    add_occurrence(c, span,
                   (Name){.declared = p->span, .symbol = p->symbol, .param = p, .stmt = of});
}

static void add_binder(Collector *c, const Binder *b) {
    const Binder *outer = b->same ? b->same : b;
    add_occurrence(c, b->span, (Name){.declared = outer->span, .binder = outer});
}

/* ---- expressions ----------------------------------------------------------------------------- */

/* Returns the function, network or optimiser that a call names, or NULL for other calls. */
static const Stmt *name_called(const Expr *call) {
    const Symbol *s = call->callee ? call->callee->symbol : NULL;
    const bool called = s && (s->kind == SYMBOL_FN || s->kind == SYMBOL_LET_FN ||
                              s->kind == SYMBOL_NET || s->kind == SYMBOL_OPTIMISER);
    return called ? s->stmt : NULL;
}

static const Param *param_named(const Stmt *s, const char *name) {
    for (int i = 0; i < s->config_count; i++)
        if (strcmp(s->config[i].name, name) == 0) return &s->config[i];
    for (int i = 0; i < s->param_count; i++)
        if (s->params[i].name && strcmp(s->params[i].name, name) == 0) return &s->params[i];
    return NULL;
}

/* Adds the names of arguments of a call, `tau = 0.1`. */
static void add_arguments(Collector *c, const Expr *call) {
    const Stmt *called = name_called(call);
    for (int i = 0; called && call->arg_names && i < call->arg_count; i++) {
        const Param *p = call->arg_names[i] ? param_named(called, call->arg_names[i]) : NULL;
        if (p) add_param(c, call->arg_spans[i], p, called);
    }
}

/* Adds the names of parts where they are composed, `trunk: nn.convnet()`. */
static void add_part_names(Collector *c, const Expr *composition) {
    for (int i = 0; composition->arg_names && i < composition->arg_count; i++)
        if (composition->arg_names[i])
            add_occurrence(
                c, composition->arg_spans[i],
                (Name){.declared = composition->arg_spans[i], .e = composition->args[i]});
}

static bool visit_expr(void *context, Expr *e) {
    Collector *c = context;
    if (e->kind == EXPR_NAME) add_symbol(c, e->span, e->symbol, e);
    if (e->kind == EXPR_MEMBER) add_symbol(c, member_name_span(e), e->symbol, e);
    if (e->kind == EXPR_CALL) add_arguments(c, e);
    if (e->kind == EXPR_COMPOSE) add_part_names(c, e);
    for (int i = 0; i < e->binder_count; i++)
        add_binder(c, e->binders[i]);
    return true;
}

/* ---- statements ------------------------------------------------------------------------------ */

static void add_declared_params(Collector *c, const Param *params, int count) {
    for (int i = 0; i < count; i++)
        if (params[i].symbol) add_symbol(c, params[i].span, params[i].symbol, NULL);
}

static void add_statement(Collector *c, const Stmt *s) {
    if (s->symbol) add_symbol(c, s->name_span, s->symbol, NULL);
    add_declared_params(c, s->config, s->config_count);
    if (s->kind != STMT_TRAIN && s->kind != STMT_STAGE && s->kind != STMT_DATA)
        add_declared_params(c, s->params, s->param_count);
    for (int i = 0; i < s->binder_count; i++)
        add_binder(c, s->binders[i]);
    for (int i = 0; i < s->carry_count; i++)
        add_statement(c, s->carry[i]);
    for (int i = 0; i < s->body_count; i++)
        add_statement(c, s->body[i]);
    for (int i = 0; i < s->otherwise_count; i++)
        add_statement(c, s->otherwise[i]);
}

/* Orders names by place. Of two names at one place, a name with an expression goes first. */
static int by_place(const void *left, const void *right) {
    const Name *a = left;
    const Name *b = right;
    if (a->begin != b->begin) return a->begin - b->begin;
    return (b->e != NULL) - (a->e != NULL);
}

NameList name_list(Arena *arena, const Module *module, const Source *file) {
    NameList names = {{NULL, 0, 0}};
    Collector c = {.arena = arena, .file = file, .names = &names};
    for (int i = 0; i < module->stmt_count; i++) {
        add_statement(&c, module->stmts[i]);
        ast_walk_stmt(module->stmts[i], visit_expr, &c);
    }
    if (names.of.count)
        qsort(names.of.items, (size_t)names.of.count, sizeof *names.of.items, by_place);
    int kept = 0;
    for (int i = 0; i < names.of.count; i++)
        if (!kept || names.of.items[kept - 1].begin != names.of.items[i].begin)
            names.of.items[kept++] = names.of.items[i];
    names.of.count = kept;
    return names;
}

const Name *name_at(const NameList *names, int at) {
    for (int i = 0; i < names->of.count; i++) {
        const Name *name = &names->of.items[i];
        if (name->begin <= at && at <= name->end &&
            (at < name->end || i + 1 == names->of.count || names->of.items[i + 1].begin > at))
            return name;
    }
    return NULL;
}

static bool visit_place(void *context, Expr *e) {
    Collector *c = context;
    if (e->span.source != c->file || c->at < e->span.begin || c->at >= e->span.end) return true;
    if (!c->found || e->span.end - e->span.begin <= c->found->span.end - c->found->span.begin)
        c->found = e;
    return true;
}

const Expr *name_expr_at(const Module *module, const Source *file, int at) {
    Collector c = {.file = file, .at = at};
    for (int i = 0; i < module->stmt_count; i++)
        ast_walk_stmt(module->stmts[i], visit_place, &c);
    return c.found;
}

const Stmt *name_find_stmt(const Module *module, const char *name) {
    for (int i = 0; module && i < module->stmt_count; i++) {
        const Stmt *s = module->stmts[i];
        if (s->name && strcmp(s->name, name) == 0) return s;
    }
    return NULL;
}
