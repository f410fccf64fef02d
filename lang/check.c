/* Checks modules, scopes and statements. A function, net or optimiser is checked once, with the
 * dimensions of its signature as symbols. A call unifies these with the dimensions of what it is
 * given. */
#include "lang/check.h"
#include "lang/edges.h"

#include <assert.h>
#include <math.h>
#include <string.h>

/* ---- scopes ---------------------------------------------------------------------------------- */

Type *type_make(Check *c, TypeKind kind, int rank, Dim *const *dims) {
    Type *t = arena_new_of(c->arena, Type);
    t->kind = kind;
    assert(rank <= MAX_RANK);
    t->rank = rank;
    for (int i = 0; i < t->rank; i++)
        t->dims[i] = dims[i];
    return t;
}

Type *type_poison(Check *c) {
    return type_make(c, KIND_POISON, 0, NULL);
}

Scope *scope_push(Check *c) {
    Scope *scope = arena_new_of(c->arena, Scope);
    scope->parent = c->at.scope;
    return c->at.scope = scope;
}

void scope_pop(Check *c) {
    assert(c->at.scope->parent);
    c->at.scope = c->at.scope->parent;
}

/* A scope with more symbols than these looks names up in a map. */
enum { FEW_SYMBOLS = 12 };

Symbol *scope_find_in(const Scope *scope, const char *name) {
    if (scope->by_name.count) return map_get(&scope->by_name, name);
    for (int i = scope->symbols.count - 1; i >= 0; i--)
        if (strcmp(scope->symbols.items[i]->name, name) == 0) return scope->symbols.items[i];
    return NULL;
}

Symbol *scope_find(const Scope *scope, const char *name) {
    Symbol *found = NULL;
    for (; scope && !found; scope = scope->parent)
        found = scope_find_in(scope, name);
    return found;
}

static void add_to_scope(Arena *arena, Scope *scope, Symbol *s) {
    array_push(arena, &scope->symbols, s);
    if (scope->symbols.count <= FEW_SYMBOLS) return;
    scope->by_name.of_texts = true;
    for (int i = scope->by_name.count ? scope->symbols.count - 1 : 0; i < scope->symbols.count; i++)
        map_put(arena, &scope->by_name, scope->symbols.items[i]->name, scope->symbols.items[i]);
}

Symbol *scope_declare(Check *c, SymbolKind kind, const char *name, Span span, Stmt *stmt,
                      Param *param) {
    const Symbol *other = scope_find_in(c->at.scope, name);
    if (other) {
        diag_report(c->diag, CODE_DECLARED_TWICE, span, "`%s` is declared twice", name);
        diag_note(c->diag, other->span, "the first time is here");
    }
    Symbol *s = arena_new_of(c->arena, Symbol);
    *s = (Symbol){.kind = kind,
                  .name = name,
                  .span = span,
                  .stmt = stmt,
                  .param = param,
                  .module = c->at.module};
    add_to_scope(c->arena, c->at.scope, s);
    return s;
}

/* Returns the visible name that is nearest to this one, or NULL if none is near. */
static const char *nearest_name(Check *c, const char *name) {
    int most = 0;
    int count = 0;
    for (const Scope *scope = c->at.scope; scope; scope = scope->parent)
        most += scope->symbols.count;
    const char **names = arena_array(c->arena, const char *, most);
    for (const Scope *scope = c->at.scope; scope; scope = scope->parent)
        for (int i = 0; i < scope->symbols.count; i++)
            names[count++] = scope->symbols.items[i]->name;
    return diag_nearest(name, names, count);
}

/* Returns the name by which the module that is being checked uses another module. Returns NULL for
 * itself, and for a file or a folder of the user's that it does not use. Modules of the library
 * have their own names. */
static const char *name_of_module(const Check *c, const Module *m) {
    if (m == c->at.module) return NULL;
    if (!m->used) return m->name;
    const Scope *scope = module_scope(c, c->at.module);
    for (int i = 0; scope && i < scope->symbols.count; i++)
        if (scope->symbols.items[i]->module == m && scope->symbols.items[i]->kind == SYMBOL_MODULE)
            return scope->symbols.items[i]->name;
    return NULL;
}

void scope_suggest(Check *c, const char *name, Span span) {
    for (int m = 0; m < c->modules.count; m++) {
        const char *module = name_of_module(c, c->modules.items[m]);
        if (!module || !scope_find_in(c->module_scopes.items[m], name)) continue;
        diag_suggest(c->diag, "the module %s has it: `%s.%s`", module, module, name);
        diag_fix(c->diag, span, arena_printf(c->arena, "%s.%s", module, name));
        return;
    }
    const char *near = nearest_name(c, name);
    if (near) diag_mean(c->diag, span, near);
}

Scope *module_scope(const Check *c, const Module *module) {
    for (int i = 0; i < c->modules.count; i++)
        if (c->modules.items[i] == module) return c->module_scopes.items[i];
    return NULL;
}

/* Makes the outermost scope, which has the built-in names, and enters it. */
static Scope *builtin_scope(Check *c) {
    static const char *const names[] = {
#define BUILTIN(name, low, high, rule, call, meaning) #name,
#include "lang/builtins.def"
#undef BUILTIN
    };
    c->at.scope = NULL;
    Scope *scope = scope_push(c);
    for (int i = 0; i < (int)(sizeof names / sizeof *names); i++) {
        Symbol *s =
            scope_declare(c, SYMBOL_BUILTIN, arena_intern(c->arena, names[i], strlen(names[i])),
                          (Span){0}, NULL, NULL);
        TypeKind kind = KIND_FN;
        if (strcmp(s->name, "training") == 0)
            kind = KIND_BOOL;
        else if (strcmp(s->name, "pi") == 0)
            kind = KIND_REAL;
        else if (strcmp(s->name, "step") == 0 || strcmp(s->name, "steps") == 0 ||
                 strcmp(s->name, "epoch") == 0)
            kind = KIND_INT;
        s->type = type_make(c, kind, 0, NULL);
    }
    return scope;
}

/* ---- signatures ------------------------------------------------------------------------------ */

/* Returns the kind of element that the parameter names: real if it names none, or after a
 * message. */
static TypeKind kind_named(Check *c, const Param *p) {
    if (!p->kind_name) return KIND_REAL;
    if (strcmp(p->kind_name, "int") == 0) return KIND_INT;
    if (strcmp(p->kind_name, "bool") == 0) return KIND_BOOL;
    if (strcmp(p->kind_name, "real") != 0) {
        diag_report(c->diag, CODE_UNKNOWN_KIND, p->span,
                    "`%s` is no kind of element; there are real, int and bool", p->kind_name);
        static const char *const kinds[] = {"real", "int", "bool"};
        const char *near = diag_nearest(p->kind_name, kinds, 3);
        if (near) diag_suggest(c->diag, "did you mean `%s`?", near);
    }
    return KIND_REAL;
}

/* True if a name in a signature's shape is taken already: by the signature itself, or by a
 * dimension or an argument of a function around it. Names of the method do not count: a hyper F or
 * a bank M has nothing to do with the F and M of a function. */
static bool is_of_function(const Check *c, const char *name) {
    const Symbol *known = scope_find_in(c->at.scope, name);
    if (known) return true;
    for (const Scope *scope = c->at.scope->parent; scope && !known; scope = scope->parent)
        known = scope_find_in(scope, name);
    return known && (known->kind == SYMBOL_DIMENSION || known->kind == SYMBOL_CONFIG ||
                     known->kind == SYMBOL_ARGUMENT);
}

/* Declares the names in an axis of a signature that begin with a capital letter. A name that is an
 * axis by itself hides a name of the method; a name in a formula, `x[2 * N]`, is declared only if
 * nothing else has it. */
static void declare_dimensions(Check *c, Expr *dim, bool is_axis) {
    if (dim->kind == EXPR_NAME) {
        const Symbol *known = is_axis ? NULL : scope_find(c->at.scope, dim->name);
        if (is_of_function(c, dim->name) || (known && known->kind != SYMBOL_BUILTIN)) return;
        if (dim->name[0] < 'A' || dim->name[0] > 'Z') return;
        Symbol *s = scope_declare(c, SYMBOL_DIMENSION, dim->name, dim->span, NULL, NULL);
        s->type = type_make(c, KIND_INT, 0, NULL);
        return;
    }
    for (int i = 0; i < dim->arg_count; i++)
        declare_dimensions(c, dim->args[i], false);
}

Type *type_of_shape(Check *c, TypeKind kind, Expr **exprs, int count) {
    Dim *dims[MAX_RANK];
    if (count > MAX_RANK) {
        diag_report(c->diag, CODE_TOO_MANY_AXES, exprs[MAX_RANK]->span,
                    "an array has at most %d axes, and here are %d", MAX_RANK, count);
        count = MAX_RANK;
    }
    for (int i = 0; i < count; i++) {
        Type *t = check_expr(c, exprs[i]);
        dims[i] = t->kind == KIND_POISON ? NULL : dim_of(c, exprs[i]);
        dim_report_fault(c, exprs[i]->span);
        if (dims[i]) continue;
        if (t->kind != KIND_POISON) {
            const Symbol *other = exprs[i]->kind == EXPR_NAME ? exprs[i]->symbol : NULL;
            diag_report(c->diag, CODE_DIMENSION_UNKNOWN, exprs[i]->span,
                        "a dimension is a whole number known at compile time; this is %s",
                        type_text(c->arena, t));
            if (other && other->span.source && c->at.in_signature) {
                diag_note(c->diag, other->span, "`%s` is declared here", other->name);
                diag_suggest(c->diag, "give the dimension another name than `%s`", other->name);
            }
        }
        return type_poison(c);
    }
    return type_make(c, kind, count, dims);
}

/* Returns the type of a parameter that has a shape. */
static Type *signature_type(Check *c, const Param *p) {
    const bool was = c->at.in_signature;
    c->at.in_signature = true;
    Type *t = type_of_shape(c, kind_named(c, p), p->dims, p->dim_count);
    c->at.in_signature = was;
    return t;
}

/* Declares the dimensions and the names of a list of parameters. `ints` says that a scalar without
 * a kind is an int, as in `let f(i) = ..`. */
static void declare_params(Check *c, Stmt *s, SymbolKind kind, Param *params, int count,
                           bool ints) {
    for (int formulas = 0; formulas < 2;
         /* Axes that are names come in the first round, and formulas in the second, because a
          * formula may stand before the axis that introduces its name. */
         formulas++)
        for (int i = 0; i < count; i++)
            for (int d = 0; d < params[i].dim_count; d++)
                if ((params[i].dims[d]->kind != EXPR_NAME) == formulas)
                    declare_dimensions(c, params[i].dims[d], true);
    for (int i = 0; i < count; i++) {
        Param *p = &params[i];
        /* A configuration parameter of a net without a kind counts something (channels, a stride),
         * unless its default is a real. */
        bool counts = kind == SYMBOL_CONFIG && s->kind == STMT_NET && !p->kind_name &&
                      !(p->value && p->value->kind == EXPR_NUMBER && !p->value->is_integer);
        p->type = counts ? type_make(c, KIND_INT, 0, NULL)
                  : p->has_shape
                      ? signature_type(c, p)
                      : type_make(c, ints && !p->kind_name ? KIND_INT : kind_named(c, p), 0, NULL);
        if (p->value) check_expr(c, p->value);
        p->symbol = scope_declare(c, kind, p->name, p->span, s, p);
        p->symbol->type = p->type;
    }
}

/* ---- schemes --------------------------------------------------------------------------------- */

static Scheme *find_scheme(Check *c, const Stmt *stmt) {
    Scheme *scheme = map_get(&c->schemes, stmt);
    if (scheme) return scheme;
    scheme = arena_new_of(c->arena, Scheme);
    map_put(c->arena, &c->schemes, stmt, scheme);
    return scheme;
}

/* True if the one list of a network is its configuration, and a composition stands behind its `=`.
 * A network with an array in that list, or with statements in braces, works on data and lacks the
 * second list. False after a message. */
static bool lists_of_network(Check *c, const Stmt *s) {
    if (s->kind != STMT_NET || !s->has_config || s->has_params) return true;
    const Param *array = NULL;
    for (int i = 0; !array && i < s->config_count; i++)
        if (s->config[i].has_shape) array = &s->config[i];
    if (s->value && !array) return true;
    if (array)
        diag_report(c->diag, CODE_NETWORK_LISTS, array->span,
                    "`%s` is an array, and the one list of `%s` is its configuration", array->name,
                    s->name);
    else
        diag_report(c->diag, CODE_NETWORK_LISTS, s->name_span,
                    "`%s` has statements, and no list for the data that they work on", s->name);
    const char *first = array ? "" : "..";
    const char *data = array ? array->name : "x";
    diag_suggest(c->diag, "the data has a second list: `net %s(%s)(%s[..])`", s->name, first, data);
    return false;
}

static void declare_optimiser_params(Check *c, Stmt *s) {
    for (int i = 0; i < s->param_count; i++) {
        Param *p = &s->params[i];
        p->type = type_make(c, KIND_ANY_SHAPE, 0, NULL);
        p->symbol = scope_declare(c, SYMBOL_ARGUMENT, p->name, p->span, s, p);
        p->symbol->type = p->type;
    }
    if (s->param_count != 2)
        diag_report(c->diag, CODE_OPTIMISER, s->name_span,
                    "an optimiser is a rule for one parameter and its gradient: `optimiser "
                    "%s(..)(p, g)`",
                    s->name);
}

/* Returns the type of a formula that has to give numbers or conditions, or poison after a message.
 * `what` begins the sentence of the message: "`f` gives". */
static Type *check_numbers(Check *c, Expr *value, const char *what) {
    Type *t = check_expr(c, value);
    if (t->kind == KIND_POISON || type_is_numeric(t) || t->kind == KIND_BOOL) return t;
    diag_report(c->diag, CODE_NEEDS_NUMBER, value->span, "%s numbers or conditions, and this is %s",
                what, type_text(c->arena, t));
    return type_poison(c);
}

/* Returns the type of the body's result, or NULL for an optimiser, which returns nothing. */
static Type *check_result(Check *c, Stmt *s) {
    const bool composes = s->kind == STMT_NET && !s->has_params;
    if (s->value)
        return composes ? check_expr(c, s->value)
                        : check_numbers(c, s->value, arena_printf(c->arena, "`%s` gives", s->name));
    check_body(c, s->body, s->body_count);
    if (c->at.result || s->kind == STMT_OPTIMISER) return c->at.result;
    if (!c->is_broken)
        diag_report(c->diag, CODE_RETURN, s->name_span,
                    "`%s` returns nothing; its last statement should be `return ..`", s->name);
    return type_poison(c);
}

/* Checks the ranges of parameters, which may name all parameters and dimensions. */
static void check_ranges(Check *c, const Param *params, int count) {
    for (int i = 0; i < count; i++) {
        if (!params[i].guard) continue;
        const Type *t = check_expr(c, params[i].guard);
        if (type_is_poison(t) || (t->kind == KIND_BOOL && t->rank == 0)) continue;
        diag_report(c->diag, CODE_GUARD, params[i].guard->span,
                    "the range of a parameter is a condition, true or false; this is %s",
                    type_text(c->arena, t));
    }
}

/* Checks a function, a network or an optimiser in the scope in which it was declared. Its first
 * call may stand in the middle of another body, so what the checker knows of that place is put
 * aside and restored. A function inside a function is checked where it is declared, and belongs to
 * that place. */
static void check_scheme(Check *c, Scheme *scheme, Stmt *s, Scope *outer, Module *module) {
    if (!lists_of_network(c, s)) {
        scheme->state = 2;
        s->result = scheme->result = type_poison(c);
        return;
    }
    const CheckPlace caller = c->at;
    if (!s->is_function)
        c->at = (CheckPlace){.scope = outer,
                             .outside = outer,
                             .module = module,
                             .in_rule = s->kind == STMT_OPTIMISER};
    c->at.body = scheme;
    scope_push(c);
    scheme->state = 1;
    c->calls++;
    if (s->has_config) {
        declare_params(c, s, SYMBOL_CONFIG, s->config, s->config_count, false);
    }
    if (s->kind == STMT_OPTIMISER)
        declare_optimiser_params(c, s);
    else if (s->has_params)
        declare_params(c, s, SYMBOL_ARGUMENT, s->params, s->param_count, s->is_function);
    check_ranges(c, s->config, s->config_count);
    check_ranges(c, s->params, s->param_count);
    s->result = scheme->result = check_result(c, s);
    scheme->state = 2;
    c->calls--;
    c->at = caller;
}

void check_doubt(Check *c, Doubt doubt) {
    if (c->at.in_choice) return;
    if (c->at.body) {
        array_push(c->arena, &c->at.body->doubts, doubt);
        return;
    }
    diag_report(c->diag, doubt.code, doubt.span, "%s", doubt.sentence);
    if (doubt.help) {
        diag_suggest(c->diag, "%s", doubt.help);
    }
}

/* Reports the doubts of a body that is called at the place at hand, or leaves them to the calls of
 * the body in which this call stands. */
static void raise_doubts(Check *c, Scheme *scheme) {
    if (c->at.in_choice || scheme == c->at.body) return;
    for (int i = 0; i < scheme->doubts.count; i++)
        check_doubt(c, scheme->doubts.items[i]);
    scheme->doubts.count = 0;
}

Scheme *type_scheme_of(Check *c, Symbol *symbol) {
    Scheme *scheme = find_scheme(c, symbol->stmt);
    if (scheme->state == 1) {
        diag_report(c->diag, CODE_RECURSION, symbol->span,
                    "`%s` uses itself; functions and networks here do not recurse", symbol->name);
        scheme->result = type_poison(c);
        scheme->state = 2;
    }
    if (scheme->state == 0 && c->calls == MOST_NESTED_CALLS) {
        diag_report(c->diag, CODE_TOO_DEEP, symbol->span,
                    "calls nest deeper than %d where `%s` is called", MOST_NESTED_CALLS,
                    symbol->name);
        scheme->result = type_poison(c);
        scheme->state = 2;
    }
    if (scheme->state == 0)
        check_scheme(c, scheme, symbol->stmt, module_scope(c, symbol->module), symbol->module);
    raise_doubts(c, scheme);
    return scheme;
}

/* ---- statements ------------------------------------------------------------------------------ */

/* Returns the type of the array that `s[i, j] = E` defines by its elements, or poison after a
 * message. */
static Type *elements_type(Check *c, Stmt *s) {
    if (binders_too_many(c, s->binders, s->binder_count, "an array")) return type_poison(c);
    scope_push(c);
    for (int i = 0; i < s->binder_count; i++)
        binder_open(c, s->binders[i]);
    const int untyped = c->at.untyped;
    Type *value = check_numbers(c, s->value, arena_printf(c->arena, "`%s` holds", s->name));
    scope_pop(c);
    const bool is_said = value->kind == KIND_POISON || c->at.untyped > untyped;
    bool endless = false;
    for (int i = 0; i < s->binder_count; i++)
        endless |= !s->binders[i]->extent;
    binders_close(c, s->binders, s->binder_count, is_said);
    /* After the message about the value or an index, readers of the array are not at fault. */
    if (value->kind == KIND_POISON || endless) return type_poison(c);
    /* `let z[v] = encoder(g[v])` applies the network once for each v, and stacks the results. */
    bool unrolls = false;
    for (int i = 0; i < s->binder_count; i++)
        unrolls |= net_takes_index(s->value, s->binders[i]);
    if (unrolls && s->binder_count + value->rank > MAX_RANK) {
        diag_report(c->diag, CODE_TOO_MANY_AXES, s->value->span,
                    "an array has at most %d axes, and `%s` would have %d", MAX_RANK, s->name,
                    s->binder_count + value->rank);
        return type_poison(c);
    }
    if (value->rank > 0 && !unrolls) {
        diag_report(c->diag, CODE_INDEX_MISSING, s->value->span,
                    "each element of `%s` must be a number, and this is %s: an index is missing",
                    s->name, type_text(c->arena, value));
        diag_suggest(c->diag, "an element has an index for each axis, `x[i, d]`; `dot`, `norm` or "
                              "a reduction makes one number of a row");
        return type_poison(c);
    }
    Dim *dims[MAX_RANK];
    for (int i = 0; i < s->binder_count; i++)
        dims[i] = s->binders[i]->extent;
    for (int i = 0; i < value->rank; i++)
        dims[s->binder_count + i] = value->dims[i];
    return type_make(c, value->kind, s->binder_count + value->rank, dims);
}

Type *type_of_let(Check *c, Stmt *s) {
    if (s->binder_count) return elements_type(c, s);
    Type *t = check_numbers(c, s->value, arena_printf(c->arena, "`%s` holds", s->name));
    if (!s->has_dims) return t;
    Type *claim = type_of_shape(c, t->kind, s->dims, s->dim_count);
    if (claim->kind == KIND_POISON || t->kind == KIND_POISON || type_same_shape(claim, t)) return t;
    bool fits = claim->rank == t->rank;
    for (int i = 0; fits && i < t->rank; i++)
        fits = dim_may_be_equal(c, claim->dims[i], t->dims[i]);
    if (fits) return claim; /* lowering compares the sizes, which it knows */
    diag_report(c->diag, CODE_CLAIM_FALSE, s->name_span, "`%s` is claimed to be %s", s->name,
                type_text(c->arena, claim));
    diag_note(c->diag, s->value->span, "and this is %s", type_text(c->arena, t));
    return t;
}

/* Reports an array that has the name of a reduction, because `all[i]` would then reduce over i. A
 * number may have such a name, since it has no index. */
static void refuse_reserved(Check *c, const char *name, Span span) {
    for (int i = 0; i < REDUCE_KINDS; i++)
        if (strcmp(reduce_rows[i].word, name) == 0)
            diag_report(
                c->diag, CODE_RESERVED_NAME, span,
                "`%s` is a reduction and cannot name an array: `%s[i]` would reduce over `i`", name,
                name);
}

void check_let(Check *c, Stmt *s) {
    if (s->is_function) {
        s->symbol = scope_declare(c, SYMBOL_LET_FN, s->name, s->name_span, s, NULL);
        s->symbol->type = type_make(c, KIND_FN, 0, NULL);
        check_scheme(c, find_scheme(c, s), s, c->at.scope, c->at.module);
        return;
    }
    Type *t = type_of_let(c, s);
    s->symbol = scope_declare(c, SYMBOL_LET, s->name, s->name_span, s, NULL);
    s->symbol->type = t;
    if (t->rank) refuse_reserved(c, s->name, s->name_span);
}

/* Returns the kind of the elements of a parameter or a state. */
static TypeKind owned_kind(Check *c, const Param *p, SymbolKind kind) {
    if (p->kind_name && kind == SYMBOL_STATE) {
        const TypeKind named = kind_named(c, p);
        if (named != KIND_BOOL) return named;
        diag_report(c->diag, CODE_START_SHAPE, p->span,
                    "a state holds reals or whole numbers, and `%s` is declared to hold conditions",
                    p->name);
        diag_suggest(c->diag, "`state %s : int = 0` keeps one, and `%s == 1` reads it", p->name,
                     p->name);
        return KIND_POISON;
    }
    if (p->kind_name)
        diag_report(c->diag, CODE_START_SHAPE, p->span,
                    "a parameter holds reals; only a state may hold something else");
    return KIND_REAL;
}

/* True if elements of a kind may start as this: an int may be the start of reals. */
static bool starts_kind(TypeKind element, TypeKind start) {
    return start == element || start == KIND_ANY_SHAPE ||
           (element == KIND_REAL && start == KIND_INT);
}

static void report_start_kind(Check *c, const Param *p, TypeKind element, const Type *start) {
    diag_report(c->diag, CODE_START_SHAPE, p->value->span, "`%s` holds %s, and its start is %s",
                p->name, element == KIND_INT ? "whole numbers" : "reals",
                type_text(c->arena, start));
    if (start->kind == KIND_BOOL) diag_suggest(c->diag, "a number starts as `0` or `1`");
}

void check_owned(Check *c, Stmt *s, SymbolKind kind, bool optimiser) {
    for (int i = 0; i < s->param_count; i++) {
        Param *p = &s->params[i];
        c->at.drawn = p->value;
        Type *value =
            p->value ? check_numbers(c, p->value, arena_printf(c->arena, "`%s` holds", p->name))
                     : type_make(c, KIND_REAL, 0, NULL);
        TypeKind element = owned_kind(c, p, kind);
        p->type = optimiser && ast_is_like_parameter(p)
                      ? type_make(c, KIND_ANY_SHAPE, 0, NULL)
                      : type_of_shape(c, element, p->dims, p->dim_count);
        if (value->kind != KIND_POISON && p->type->kind != KIND_POISON &&
            p->type->kind != KIND_ANY_SHAPE && value->rank && !type_same_shape(value, p->type))
            diag_report(c->diag, CODE_START_SHAPE, p->value->span, "`%s` is %s, and starts as %s",
                        p->name, type_text(c->arena, p->type), type_text(c->arena, value));
        if (element == KIND_POISON)
            p->type = type_poison(c);
        else if (value->kind != KIND_POISON && !starts_kind(element, value->kind))
            report_start_kind(c, p, element, value);
        p->symbol = scope_declare(c, kind, p->name, p->span, s, p);
        p->symbol->type = p->type;
    }
}

void check_net(Check *c, Stmt *s) {
    if (!s->has_config) check_expr(c, s->value);
    if (s->value && s->value->type && s->value->type->kind != KIND_NET &&
        s->value->type->kind != KIND_POISON && s->value->type->kind != KIND_FN)
        diag_report(c->diag, CODE_NOT_A_NETWORK, s->value->span,
                    "`%s` is declared a net, and this is %s", s->name,
                    type_text(c->arena, s->value->type));
}

static void check_net_of_body(Check *c, Stmt *s) {
    check_net(c, s);
    s->symbol = scope_declare(c, SYMBOL_NET, s->name, s->name_span, s, NULL);
    s->symbol->type = type_make(c, KIND_NET, 0, NULL);
}

static void check_statement_of_body(Check *c, Stmt *s) {
    if (s->kind == STMT_LET)
        check_let(c, s);
    else if (s->kind == STMT_PARAM)
        check_owned(c, s, SYMBOL_PARAM, false);
    else if (s->kind == STMT_STATE)
        check_owned(c, s, SYMBOL_STATE, c->at.in_rule);
    else if (s->kind == STMT_DRAW)
        check_draw(c, s);
    else if (s->kind == STMT_UPDATE)
        check_update(c, s);
    else if (s->kind == STMT_NET)
        check_net_of_body(c, s);
    else if (s->kind == STMT_SCAN)
        check_scan(c, s);
    else if (s->kind == STMT_NEXT)
        check_next(c, s);
    else
        diag_report(c->diag, CODE_STATEMENT_PLACE, s->span,
                    "this statement belongs to a method, not into a body");
}

static const Symbol *updated_by(const Stmt *s) {
    return s->kind == STMT_UPDATE && s->target_count == 1 ? s->targets[0]->symbol : NULL;
}

/* Refuses an update of what the body updates already. All right sides are computed before any is
 * stored, so the first of the two would be lost. */
static void refuse_second_update(Check *c, Stmt *const *body, int at) {
    const Symbol *symbol = updated_by(body[at]);
    for (int i = 0; symbol && i < at; i++) {
        if (updated_by(body[i]) != symbol) continue;
        diag_report(c->diag, CODE_UPDATE, body[at]->span, "`%s` is updated twice", symbol->name);
        diag_note(c->diag, body[i]->span, "the first update is here");
        return;
    }
}

void check_body(Check *c, Stmt **body, int count) {
    for (int i = 0; i < count; i++) {
        if (body[i]->kind != STMT_RETURN) {
            check_statement_of_body(c, body[i]);
            refuse_second_update(c, body, i);
            continue;
        }
        c->at.result = check_numbers(c, body[i]->value, "`return` gives");
        if (i + 1 < count)
            diag_report(c->diag, CODE_RETURN, body[i + 1]->span,
                        "nothing after `return` is ever reached");
    }
}

/* ---- the module ------------------------------------------------------------------------------ */

static void declare_module_names(Check *c, Module *m) {
    for (int i = 0; i < m->stmt_count; i++) {
        Stmt *s = m->stmts[i];
        SymbolKind kind = s->kind == STMT_FN          ? SYMBOL_FN
                          : s->kind == STMT_NET       ? SYMBOL_NET
                          : s->kind == STMT_OPTIMISER ? SYMBOL_OPTIMISER
                                                      : SYMBOL_POISON;
        if (s->kind == STMT_USE) check_use(c, s);
        if (kind == SYMBOL_POISON) continue;
        s->symbol = scope_declare(c, kind, s->name, s->name_span, s, NULL);
        s->symbol->type = type_make(c,
                                    s->kind == STMT_FN    ? KIND_FN
                                    : s->kind == STMT_NET ? KIND_NET
                                                          : KIND_OPTIMISER,
                                    0, NULL);
    }
}

/* Returns the batch that all stages name, or 0 if they name different ones or a stage names
 * none. */
static int64_t batch_of_stages(const Module *m) {
    int64_t batch = 0;
    for (int i = 0; i < m->stmt_count; i++) {
        const Stmt *s = m->stmts[i];
        if (s->kind != STMT_STAGE) continue;
        if (!s->batch || (batch && s->batch != batch)) return 0;
        batch = s->batch;
    }
    return batch;
}

/* Returns the batch of statements that belong to no stage: that of `train`, or that of all stages
 * if `train` names none. A value that is no known batch is reported with its setting, and the
 * standard batch is returned. */
static int64_t method_batch(Check *c, Module *m) {
    const Param *batch = setting_of_train(m, "batch");
    const int64_t of_stages = batch ? 0 : batch_of_stages(m);
    c->names_batch = batch || of_stages;
    if (of_stages) return of_stages;
    if (!batch || !batch->value || check_expr(c, batch->value)->kind == KIND_POISON)
        return STANDARD_BATCH;
    const Expr *value = batch->value;
    const bool known =
        value->is_constant && !value->is_named && value->constant == floor(value->constant);
    return known && value->constant >= 1 && value->constant <= INT32_MAX ? (int64_t)value->constant
                                                                         : STANDARD_BATCH;
}

/* Hypers and data are checked before other statements, because functions may use them wherever they
 * stand. */
static bool is_checked_first(const Stmt *s) {
    return s->kind == STMT_HYPER || s->kind == STMT_DATA;
}

/* Gives the method's batch to data without a batch of their own. */
static void share_batch(Check *c, Module *m) {
    c->batch = method_batch(c, m);
    for (int i = 0; i < m->stmt_count; i++) {
        DataSource *data = m->stmts[i]->kind == STMT_DATA ? m->stmts[i]->data : NULL;
        if (!data || data->batch) continue;
        data->batch = c->batch;
        data->follows = true;
    }
}

/* Checks what needs all names of the module: pushes into queues, and bodies that no call has
 * checked. */
static void check_bodies(Check *c, const Module *m) {
    for (int i = 0; i < m->stmt_count; i++) {
        Stmt *s = m->stmts[i];
        if (s->kind == STMT_QUEUE) check_push(c, s);
        const bool has_body = s->kind == STMT_FN || s->kind == STMT_OPTIMISER ||
                              (s->kind == STMT_NET && s->has_config);
        if (has_body && s->symbol && s->symbol->stmt == s && find_scheme(c, s)->state == 0)
            type_scheme_of(c, s->symbol);
    }
}

void check_module(Check *c, Module *m) {
    const CheckPlace user = c->at;
    Scope *builtins = user.scope;
    while (builtins->parent)
        builtins = builtins->parent;
    c->at = (CheckPlace){.scope = builtins, .module = m};
    Scope *scope = scope_push(c);
    array_push(c->arena, &c->modules, m);
    array_push(c->arena, &c->module_scopes, scope);
    declare_module_names(c, m);
    for (int i = 0; i < m->stmt_count; i++)
        if (is_checked_first(m->stmts[i])) check_statement(c, m, m->stmts[i]);
    check_declare_stages(c, m);
    share_batch(c, m);
    for (; m->checked_count < m->stmt_count; m->checked_count++)
        if (!is_checked_first(m->stmts[m->checked_count]))
            check_statement(c, m, m->stmts[m->checked_count]);
    check_bodies(c, m);
    for (int i = 0; i < m->stmt_count; i++)
        if (m->stmts[i]->kind == STMT_DATA) check_weights(c, m->stmts[i]);
    c->at = user;
}

/* True if a statement of this kind is in the list, or in a branch of a `when` in it. */
static bool has_statement(Stmt *const *stmts, int count, StmtKind kind) {
    for (int i = 0; i < count; i++) {
        const Stmt *s = stmts[i];
        if (s->kind == kind) return true;
        if (s->kind == STMT_WHEN && (has_statement(s->body, s->body_count, kind) ||
                                     has_statement(s->otherwise, s->otherwise_count, kind)))
            return true;
    }
    return false;
}

Method *check_method(Arena *arena, Diag *diag, Module *spec, const CheckHooks *hooks) {
    Check *c = arena_new_of(arena, Check);
    c->arena = arena;
    c->diag = diag;
    c->dims = dim_table_new(arena);
    c->hooks = hooks;
    c->is_broken = diag_error_count(diag) > 0;
    c->batch = STANDARD_BATCH;
    c->method = arena_new_of(arena, Method);
    c->method->spec = spec;
    c->at.scope = builtin_scope(c);
    check_module(c, spec);
    c->method->batch = c->batch;
    c->method->modules = c->modules.items;
    c->method->module_count = c->modules.count;
    bool trains = has_statement(spec->stmts, spec->stmt_count, STMT_TRAIN) ||
                  has_statement(spec->stmts, spec->stmt_count, STMT_STAGE);
    bool loses = has_statement(spec->stmts, spec->stmt_count, STMT_LOSS);
    /* Statements that did not fit the grammar are missing here. What seems to be forgotten may be
     * one of them. */
    if (spec->broken_count) return c->method;
    if (trains && !loses)
        diag_report(diag, CODE_TRAIN_OR_LOSS, spec->stmts[spec->stmt_count - 1]->span,
                    "the method has `train` and no `loss`");
    if (loses && !trains)
        diag_report(diag, CODE_TRAIN_OR_LOSS, spec->stmts[spec->stmt_count - 1]->span,
                    "the method has a `loss` and no `train { .. }`");
    if (loses && !trains)
        diag_suggest(
            diag,
            "`train { epochs 10, batch 256, optimiser optim.sgd(lr = 0.1, momentum = 0.9) }`");
    check_edges(arena, diag, c->method);
    return c->method;
}
