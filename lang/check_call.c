/* Finds the types of calls: of functions of the language by their signatures, and of constructors
 * and applications of networks. */
#include "lang/check.h"

#include <math.h>
#include <string.h>

/* The values of a signature's dimensions and numbers in one call. */
typedef struct Bindings {
    ARRAY(Symbol *) from;
    ARRAY(Dim *) to;
} Bindings;

/* Returns the dimension that a symbol of the signature stands for in this call, or NULL if it is
 * not bound yet. */
static Dim *bound(const Bindings *b, const Symbol *s) {
    for (int i = 0; i < b->from.count; i++)
        if (b->from.items[i] == s) return b->to.items[i];
    return NULL;
}

static void bind_dim(Check *c, Bindings *b, Symbol *s, Dim *to) {
    array_push(c->arena, &b->from, s);
    array_push(c->arena, &b->to, to);
}

/* Returns a dimension of the signature in the dimensions of the call. */
static Dim *replaced(Check *c, Dim *dim, const Bindings *b) {
    return dim_substitute(c->dims, dim, b->from.items, b->to.items, b->from.count);
}

static Type *substituted(Check *c, const Type *t, const Bindings *b) {
    Dim *dims[MAX_RANK];
    for (int i = 0; i < t->rank; i++)
        dims[i] = replaced(c, t->dims[i], b);
    return type_make(c, t->kind, t->rank, dims);
}

static void note_parameter(Check *c, const Param *param) {
    diag_note(c->diag, param->span, "`%s` is declared here", param->name);
}

/* True if an argument fits a parameter by the kind of its elements: an int counts as a real. An
 * array of ints for an array of reals is refused before. */
static bool kinds_fit(const Type *want, const Type *given) {
    return want->kind == given->kind || (want->kind == KIND_REAL && type_is_numeric(given)) ||
           want->kind == KIND_ANY_SHAPE;
}

static void report_kind(Check *c, const Param *param, const Type *given, Span span) {
    diag_report(c->diag, CODE_ARGUMENT_KIND, span, "`%s` is %s, and this is %s", param->name,
                type_text(c->arena, param->type), type_text(c->arena, given));
}

/* Suggests, below the message about the kind of an argument, what makes it one of the kind. */
static void suggest_kind(Check *c, const Type *want, const Type *given, Span span) {
    const bool from_numbers = type_is_numeric(given);
    if (want->kind == KIND_BOOL && from_numbers && given->rank)
        diag_suggest(c->diag, "a comparison makes conditions of numbers: `let m[i] = y[i] != 0`");
    else if (want->kind == KIND_BOOL && want->rank == 0)
        option_suggest_truth(c, span);
    else if (want->kind == KIND_INT && given->kind == KIND_REAL)
        diag_suggest(c->diag, "`floor(x)` and `round(x)` make whole numbers of reals");
    else if (want->kind == KIND_REAL && given->kind == KIND_BOOL)
        diag_suggest(c->diag, "`real(..)` makes 1 and 0 of conditions");
}

/* True after a message: the argument differs from the parameter in kind or in its number of
 * axes. */
static bool refuse_kind_or_rank(Check *c, const Param *param, const Type *given, Span span) {
    const Type *want = param->type;
    bool lacks_flat = false, is_other_kind = false;
    if (want->kind == KIND_REAL && given->kind == KIND_INT && want->rank > 0) {
        diag_report(c->diag, CODE_LABEL_AS_FEATURE, span,
                    "`%s` is an array of reals, and this is %s: labels and indices are no features",
                    param->name, type_text(c->arena, given));
    } else if (!kinds_fit(want, given)) {
        report_kind(c, param, given, span);
        is_other_kind = true;
    } else if (want->rank != given->rank) {
        diag_report(c->diag, CODE_ARGUMENT_RANK, span, "`%s` has %d %s, and this is %s",
                    param->name, want->rank, want->rank == 1 ? "axis" : "axes",
                    type_text(c->arena, given));
        lacks_flat = want->rank == 2 && given->rank > 2;
    } else {
        return false;
    }
    note_parameter(c, param);
    if (lacks_flat) diag_suggest(c->diag, "%s", "`flatten(x)` makes one row of each sample");
    if (is_other_kind) suggest_kind(c, want, given, span);
    return true;
}

/* True if an argument of this type fits the parameter, or if one of both types is poison. False
 * after a message. A dimension of the signature that is not bound yet is bound where it stands
 * alone as an axis. */
static bool unify(Check *c, const Param *param, const Type *given, Bindings *b, Span span) {
    const Type *want = param->type;
    if (type_is_poison(given) || type_is_poison(want)) return true;
    if (refuse_kind_or_rank(c, param, given, span)) return false;
    for (int i = 0; i < want->rank; i++) {
        Dim *dim = want->dims[i];
        if (dim->kind == DIM_NAME && dim->symbol->kind == SYMBOL_DIMENSION &&
            !bound(b, dim->symbol)) {
            bind_dim(c, b, dim->symbol, given->dims[i]);
            continue;
        }
        Dim *expected = replaced(c, dim, b);
        if (expected == given->dims[i]) continue;
        const char *value = dim_text(c->arena, expected);
        bool plain = strcmp(value, dim_text(c->arena, dim)) == 0;
        diag_report(c->diag, CODE_ARGUMENT_DIMENSION, span,
                    "axis %d of `%s` must be %s%s%s%s here, and it is %s", i + 1, param->name,
                    plain ? "" : "`", plain ? "" : dim_text(c->arena, dim),
                    plain ? "" : "`, which is ", value, dim_text(c->arena, given->dims[i]));
        note_parameter(c, param);
        return false;
    }
    return true;
}

/* Binds the names that stand alone in a signature's axes to the given extents. This is done for all
 * parameters before any comparison, because a formula may stand ahead of the axis that introduces
 * its name: `x[2 * N], y[N]`. */
static void introduce(Check *c, const Param *param, const Type *given, Bindings *b) {
    const Type *want = param->type;
    if (!want || type_is_poison(want) || want->rank != given->rank) return;
    for (int i = 0; i < want->rank; i++) {
        const Dim *dim = want->dims[i];
        if (dim->kind == DIM_NAME && dim->symbol->kind == SYMBOL_DIMENSION &&
            !bound(b, dim->symbol))
            bind_dim(c, b, dim->symbol, given->dims[i]);
    }
}

/* ---- arguments ------------------------------------------------------------------------------- */

/* Returns the number of the parameter of this name, or -1. */
static int find_param(const Param *params, int count, const char *name) {
    for (int i = 0; i < count; i++)
        if (strcmp(params[i].name, name) == 0) return i;
    return -1;
}

/* Returns the names as text, as in "z, w and tau". There is at least one. */
static const char *list_names(Check *c, const char *const *names, int count) {
    const char *text = names[0];
    for (int i = 1; i < count; i++)
        text = arena_printf(c->arena, "%s%s %s", text, i + 1 == count ? " and" : ",", names[i]);
    return text;
}

static void unknown_argument(Check *c, Span span, const char *name, const char *callee,
                             const Param *params, int count) {
    const char **names = arena_array(c->arena, const char *, count + 1);
    for (int i = 0; i < count; i++)
        names[i] = params[i].name;
    diag_report(c->diag, CODE_UNKNOWN_ARGUMENT, span, "`%s` has no argument `%s`", callee, name);
    const char *near = diag_nearest(name, names, count);
    if (near)
        diag_mean(c->diag, span, near);
    else if (count)
        diag_suggest(c->diag, "its arguments are %s", list_names(c, names, count));
}

/* Returns the arguments in the order of the parameters. An entry is NULL where the call leaves out
 * a parameter that has a default. Reports unknown, repeated, missing and superfluous arguments, and
 * returns NULL after such a message. */
static Expr **place_arguments(Check *c, const Expr *call, const char *callee, const Param *params,
                              int count, Span declared) {
    Expr **placed = arena_array(c->arena, Expr *, count + 1);
    bool good = true;
    int position = 0;
    for (int i = 0; i < call->arg_count; i++) {
        const char *name = call->arg_names ? call->arg_names[i] : NULL;
        int at = name ? find_param(params, count, name) : position++;
        if (name && at < 0) {
            unknown_argument(c, call_argument_span(call, i), name, callee, params, count);
            good = false;
        } else if (at >= count) {
            diag_report(c->diag, CODE_ARGUMENT_COUNT, call->args[i]->span,
                        "`%s` takes %d %s, and %d are given", callee, count,
                        count == 1 ? "argument" : "arguments", call->arg_count);
            if (declared.source) {
                diag_note(c->diag, declared, "it is declared here");
            }
            return NULL;
        } else if (placed[at]) {
            diag_report(c->diag, CODE_ARGUMENT_TWICE, call_argument_span(call, i),
                        "the argument `%s` is given twice", params[at].name);
            good = false;
        } else {
            placed[at] = call->args[i];
        }
    }
    /* After an unknown name nothing is said about missing arguments, because the one that is
     * missing is most likely the one whose name was misspelt. */
    for (int i = 0; good && i < count; i++) {
        if (placed[i] || params[i].value) continue;
        diag_report(c->diag, CODE_MISSING_ARGUMENT, call->span, "`%s` needs its argument `%s`",
                    callee, params[i].name);
        if (declared.source)
            diag_note(c->diag, params[i].span, "it is declared here, without a default");
        good = false;
    }
    return good ? placed : NULL;
}

/* ---- functions ------------------------------------------------------------------------------- */

/* True if every parameter is a scalar. Such a function acts element by element on arrays. */
static bool all_scalars(const Stmt *fn) {
    for (int i = 0; i < fn->param_count; i++)
        if (fn->params[i].has_shape) return false;
    return true;
}

/* True if the parameters have their symbols. A function has none after the message that it calls
 * itself, or that calls nest too deep, and no call of it can be checked. */
static bool is_checked(const Stmt *fn) {
    for (int i = 0; i < fn->param_count; i++)
        if (!fn->params[i].symbol) return false;
    return true;
}

/* Binds the numbers that the call leaves out to their defaults, which may depend on the given
 * numbers. */
static void bind_defaults(Check *c, const Stmt *fn, Expr *const *placed, Bindings *b) {
    for (int i = 0; i < fn->param_count; i++) {
        const Param *param = &fn->params[i];
        Dim *number =
            placed[i] || !param->value || param->has_shape ? NULL : dim_of(c, param->value);
        if (number) {
            bind_dim(c, b, param->symbol, replaced(c, number, b));
        }
    }
}

/* Notes the shape of an array to whose elements a function of scalars is applied. False after a
 * message: the array before it has another shape, or its elements do not fit the parameter. */
static bool maps_over(Check *c, const Stmt *fn, const Param *param, const Expr *array,
                      Type **shape) {
    Type *given = array->type;
    if (*shape && !type_same_shape(*shape, given)) {
        diag_report(c->diag, CODE_SHAPES_DIFFER, array->span,
                    "`%s` acts element by element, and the shapes differ: %s and %s", fn->name,
                    type_text(c->arena, *shape), type_text(c->arena, given));
        return false;
    }
    *shape = given;
    if (type_is_poison(param->type) || kinds_fit(param->type, given)) return true;
    report_kind(c, param, given, array->span);
    note_parameter(c, param);
    suggest_kind(c, param->type, given, array->span);
    return false;
}

static Type *check_function(Check *c, Expr *e, Symbol *symbol) {
    const Stmt *fn = symbol->stmt;
    Scheme *scheme = type_scheme_of(c, symbol);
    if (!is_checked(fn) || !check_reads_of_body(c, scheme, fn->name, e->span))
        return type_poison(c);
    Expr **placed = place_arguments(c, e, fn->name, fn->params, fn->param_count, fn->name_span);
    if (!placed) return type_poison(c);
    Bindings b = {0};
    Type *shape = NULL;
    bool scalars = all_scalars(fn);
    bool good = true;
    for (int i = 0; i < fn->param_count; i++)
        if (placed[i]) introduce(c, &fn->params[i], placed[i]->type, &b);
    for (int i = 0; i < fn->param_count; i++) {
        if (!placed[i]) continue;
        Type *given = placed[i]->type;
        if (type_is_poison(given)) {
            good = false;
            continue;
        }
        if (given->kind == KIND_ANY_SHAPE) return given;
        if (scalars && given->rank > 0) {
            good &= maps_over(c, fn, &fn->params[i], placed[i], &shape);
            continue;
        }
        good &= unify(c, &fn->params[i], given, &b, placed[i]->span);
        /* A number may size an array inside the function, as d0 does in the shape of a slice. */
        Dim *number = given->rank == 0 ? dim_of(c, placed[i]) : NULL;
        if (number) bind_dim(c, &b, fn->params[i].symbol, number);
    }
    if (!good || !scheme->result || type_is_poison(scheme->result)) return type_poison(c);
    bind_defaults(c, fn, placed, &b);
    Type *result = substituted(c, scheme->result, &b);
    return shape ? type_make(c, result->kind, shape->rank, shape->dims) : result;
}

/* ---- networks -------------------------------------------------------------------------------- */

/* Binds the configuration of a network to the numbers that its constructor gives, or to the
 * defaults. Arguments that do not fit are passed over here, since `configure` reports them. */
static void bind_config(Check *c, const Stmt *net, Expr *call, Bindings *b) {
    Expr **placed = arena_array(c->arena, Expr *, net->config_count + 1);
    int position = 0;
    for (int i = 0; call->kind == EXPR_CALL && i < call->arg_count; i++) {
        const char *name = call->arg_names ? call->arg_names[i] : NULL;
        int at = name ? find_param(net->config, net->config_count, name) : position++;
        if (at >= 0 && at < net->config_count) {
            placed[at] = call->args[i];
        }
    }
    for (int i = 0; i < net->config_count; i++) {
        const Expr *value = placed[i] ? placed[i] : net->config[i].value;
        Dim *dim = value ? dim_of(c, value) : NULL;
        if (dim) bind_dim(c, b, net->config[i].symbol, dim);
    }
}

static Type *apply_definition(Check *c, Symbol *symbol, Expr *call, Type *argument, Span span) {
    const Stmt *net = symbol->stmt;
    Bindings b = {0};
    /* The body of the network is checked first, wherever its statement stands, because only then do
     * the names in it have symbols and types. */
    Scheme *scheme = type_scheme_of(c, symbol);
    bind_config(c, net, call, &b);
    if (!net->has_params) {
        Type *result = net->value ? net_typed_apply(c, net->value, argument, span) : type_poison(c);
        return type_is_poison(result) ? result : substituted(c, result, &b);
    }
    if (!is_checked(net) || !check_reads_of_body(c, scheme, net->name, span)) return type_poison(c);
    if (net->param_count != 1) {
        diag_report(c->diag, CODE_NETWORK_ARGUMENT, span,
                    "a network is applied to one array, and `%s` has %d parameters", net->name,
                    net->param_count);
        return type_poison(c);
    }
    if (!unify(c, &net->params[0], argument, &b, span) || !scheme->result ||
        type_is_poison(scheme->result))
        return type_poison(c);
    return substituted(c, scheme->result, &b);
}

void check_part_of_chain(Check *c, const Expr *part) {
    if (part->symbol && part->symbol->kind == SYMBOL_BUILTIN) {
        builtin_takes_one(c, part);
    }
}

/* Returns the type of a function or a built-in in a composition. It is the type of a call whose one
 * argument, `x`, is made up here. */
static Type *apply_function(Check *c, Expr *name, Type *argument, Span span) {
    Symbol *input = arena_new_of(c->arena, Symbol);
    *input = (Symbol){.kind = SYMBOL_LET, .name = "x", .span = span, .type = argument};
    Expr *given = arena_new_of(c->arena, Expr);
    Expr *call = arena_new_of(c->arena, Expr);
    *given =
        (Expr){.kind = EXPR_NAME, .span = span, .name = "x", .symbol = input, .type = argument};
    *call = (Expr){.kind = EXPR_CALL,
                   .span = name->span,
                   .callee = name,
                   .args = arena_array(c->arena, Expr *, 1),
                   .arg_count = 1};
    call->args[0] = given;
    if (name->symbol->kind != SYMBOL_BUILTIN) return check_function(c, call, name->symbol);
    return builtin_takes_one(c, name) ? check_builtin(c, call) : type_poison(c);
}

Type *net_typed_apply(Check *c, Expr *net, Type *argument, Span span) {
    if (type_is_poison(argument)) return argument;
    if (net->type && type_is_poison(net->type)) return net->type;
    Symbol *s = net->symbol;
    switch (net->kind) {
    case EXPR_COMPOSE:
        for (int i = 0; i < net->arg_count && !type_is_poison(argument); i++)
            argument = net_typed_apply(c, net->args[i], argument, span);
        return argument;
    case EXPR_COPY:
        return net_typed_apply(c, net->args[0], argument, span);
    case EXPR_CALL:
        s = net->callee->symbol;
        if (s && s->kind == SYMBOL_NET) return apply_definition(c, s, net, argument, span);
        return type_poison(c);
    case EXPR_NAME:
    case EXPR_MEMBER:
        if (!s) return type_poison(c);
        if (s->kind == SYMBOL_NET_PART) {
            /* Names and copies may stand between the network and the composition that has its
             * parts. The number of steps is bounded in case they lead in a circle. */
            const Expr *whole = net->args[0];
            for (int hop = 0;
                 whole && whole->kind != EXPR_COMPOSE && hop <= 2 * c->at.module->stmt_count; hop++)
                whole = whole->kind == EXPR_COPY               ? whole->args[0]
                        : whole->symbol && whole->symbol->stmt ? whole->symbol->stmt->value
                                                               : NULL;
            return whole && s->item < whole->arg_count
                       ? net_typed_apply(c, whole->args[s->item], argument, span)
                       : type_poison(c);
        }
        if (s->kind == SYMBOL_NET)
            return s->stmt->has_config ? apply_definition(c, s, net, argument, span)
                                       : net_typed_apply(c, s->stmt->value, argument, span);
        if (s->kind == SYMBOL_BUILTIN || s->kind == SYMBOL_FN || s->kind == SYMBOL_LET_FN)
            return apply_function(c, net, argument, span);
        return type_poison(c);
    case EXPR_NUMBER:
    case EXPR_STRING:
    case EXPR_BOOL:
    case EXPR_INDEX:
    case EXPR_UNARY:
    case EXPR_BINARY:
    case EXPR_REDUCE:
    case EXPR_IF:
    case EXPR_DEFAULT:
    case EXPR_STOP:
    case EXPR_RANGE:
        break; /* the name is no network */
    }
    return type_poison(c);
}

/* True if the expression contains the index that the binder brings into scope. */
static bool speaks_of(const Expr *e, const Binder *binder) {
    if (!e) return false;
    if (e->kind == EXPR_NAME && e->symbol && e->symbol->kind == SYMBOL_INDEX &&
        e->symbol->binder == binder)
        return true;
    for (int i = 0; i < e->arg_count; i++)
        if (speaks_of(e->args[i], binder)) return true;
    return speaks_of(e->callee, binder) || speaks_of(e->guard, binder);
}

bool net_takes_index(const Expr *e, const Binder *binder) {
    if (!e) return false;
    bool application = e->kind == EXPR_CALL && e->callee->type && e->callee->type->kind == KIND_NET;
    for (int i = 0; i < e->arg_count; i++)
        if ((application && speaks_of(e->args[i], binder)) || net_takes_index(e->args[i], binder))
            return true;
    return net_takes_index(e->callee, binder) || net_takes_index(e->guard, binder);
}

/* Returns the declaration of a network's weights that has this setting as an extent, or NULL. */
static const Param *sized_by(const Stmt *net, const char *setting) {
    for (int i = 0; i < net->body_count; i++)
        for (int k = 0; net->body[i]->kind == STMT_PARAM && k < net->body[i]->param_count; k++) {
            const Param *weights = &net->body[i]->params[k];
            for (int d = 0; d < weights->dim_count; d++)
                if (weights->dims[d]->kind == EXPR_NAME &&
                    strcmp(weights->dims[d]->name, setting) == 0)
                    return weights;
        }
    return NULL;
}

/* True if all settings that are extents of weights are whole and at least 1. False after a
 * message. */
static bool sizes_are_whole(Check *c, const Stmt *net, Expr *const *placed) {
    bool good = true;
    for (int i = 0; i < net->config_count; i++) {
        const Expr *size = placed[i];
        if (!size || !size->is_constant ||
            (size->constant >= 1 && size->constant == floor(size->constant)))
            continue;
        const Param *weights = sized_by(net, net->config[i].name);
        if (!weights) continue;
        diag_report(c->diag, CODE_DIMENSION_UNKNOWN, size->span,
                    "`%s` of `%s` is a whole number of at least 1, and this is %.9g",
                    net->config[i].name, net->name, size->constant);
        diag_note(c->diag, weights->span, "it is an axis of `%s`", weights->name);
        good = false;
    }
    return good;
}

/* ---- the call -------------------------------------------------------------------------------- */

static Type *apply_net(Check *c, Expr *e) {
    if (e->arg_count == 1) return net_typed_apply(c, e->callee, e->args[0]->type, e->args[0]->span);
    diag_report(c->diag, CODE_NETWORK_ARGUMENT, e->span,
                "a network is applied to one array, and %d are given", e->arg_count);
    if (e->arg_count > 1)
        diag_suggest(
            c->diag, "%s",
            "two views are two applications, which share the weights: `let z = encoder(a), "
            "w = encoder(b)`");
    return type_poison(c);
}

/* Checks the settings of a net or an optimiser, in parentheses behind its name, and returns its
 * type. A net whose settings do not fit is poison. */
static Type *configure(Check *c, Expr *e, Symbol *s) {
    const Stmt *stmt = s->stmt;
    Expr **placed =
        place_arguments(c, e, s->name, stmt->config, stmt->config_count, stmt->name_span);
    const bool is_net = s->kind == SYMBOL_NET;
    if (is_net && (!placed || !sizes_are_whole(c, stmt, placed))) return type_poison(c);
    if (!is_net || stmt->has_params) type_scheme_of(c, s);
    return type_make(c, is_net ? KIND_NET : KIND_OPTIMISER, 0, NULL);
}

Type *check_call(Check *c, Expr *e) {
    if (call_is_reduction(c, e)) {
        for (int i = 0; i < e->arg_count; i++)
            check_expr(c, e->args[i]);
        return call_report_reduction(c, e);
    }
    Type *callee = check_expr(c, e->callee);
    for (int i = 0; i < e->arg_count; i++)
        check_expr(c, e->args[i]);
    if (type_is_poison(callee)) return callee;
    Symbol *s = e->callee->symbol;
    if (s && s->kind == SYMBOL_BUILTIN) return check_builtin(c, e);
    if (s && (s->kind == SYMBOL_FN || s->kind == SYMBOL_LET_FN)) return check_function(c, e, s);
    if (s && s->kind == SYMBOL_OPTIMISER) return configure(c, e, s);
    if (s && s->kind == SYMBOL_NET && s->stmt->has_config) return configure(c, e, s);
    if (callee->kind == KIND_NET) return apply_net(c, e);
    diag_report(c->diag, CODE_NOT_CALLABLE, e->callee->span, "this is %s and cannot be called",
                type_text(c->arena, callee));
    return type_poison(c);
}
