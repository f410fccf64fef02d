/* Lowers formulas: scalar expressions over indices, reads, and arithmetic of whole arrays. A
 * formula that stands for an array becomes a compute node, and a formula inside another one becomes
 * an expression of it. */
#include "compiler/lower/internal.h"

#include "compiler/graph/point.h"
#include "compiler/graph/visit.h"

#include <assert.h>
#include <float.h>
#include <math.h>
#include <string.h>

static const GExpr *zero(Lower *l) {
    return gx_real(l->g, 0);
}

bool lower_is_library(const Source *source) {
    return source && strncmp(source->path, "stdlib/", strlen("stdlib/")) == 0;
}

/* ---- reads ----------------------------------------------------------------------------------- */

/* Reports that subscript i of a read reaches `bad`, outside the axis. */
static void report_outside(Lower *l, const Expr *e, int i, int64_t extent, int64_t bad) {
    const char *array = e->callee->kind == EXPR_NAME
                            ? arena_printf(l->arena, "`%s`", e->callee->name)
                            : "the array";
    diag_report(l->diag, CODE_OUT_OF_RANGE, e->args[i]->span,
                "this index reaches %lld, and axis %d of %s has entries 0 to %lld", (long long)bad,
                i + 1, array, (long long)extent - 1);
    diag_suggest(l->diag,
                 lower_is_library(e->span.source)
                     ? "a line of the library fits other sizes: change what the call gives it"
                     : "write `(x[..] else 0)` to say what a read outside is worth, or narrow the "
                       "index with a guard");
}

/* Lowers a read. With fewer subscripts than axes it gives an array whose first axes are indexed. A
 * subscript that may leave its axis is an error, unless the read has an `else` (`otherwise`). */
static Value lower_index(Lower *l, const Expr *e, const Expr *otherwise) {
    Value base = lower_value(l, e->callee);
    if (base.kind != VALUE_ARRAY) return base;
    Value value = base;
    bool may_miss = false;
    for (int i = 0; i < e->arg_count; i++) {
        const GExpr *index = lower_scalar(l, e->args[i]);
        int64_t extent = value_extent(&base, i);
        int64_t bad = 0;
        bool data;
        if (!prove_in_range(l, index, extent, &data, &bad)) {
            may_miss = true;
            if (!otherwise) {
                report_outside(l, e, i, extent, bad);
                index = gx_int(l->g, 0);
            }
        } else if (data && otherwise) {
            may_miss = true;
        }
        value.prefix[value.prefix_count++] = index;
    }
    if (otherwise && value_rank(&value) == 0) {
        const GExpr *instead = lower_scalar(l, otherwise);
        bool real = base.tensor->type == GT_REAL || base.tensor->type == GT_U8;
        return value_scalar(
            gx_load(l->g, value.tensor, value.prefix_count, value.prefix,
                    may_miss ? (real ? lower_as_real(l, instead) : instead) : NULL));
    }
    if (value_rank(&value) == 0)
        return value_scalar(gx_load(l->g, value.tensor, value.prefix_count, value.prefix, NULL));
    return value;
}

/* ---- operators ------------------------------------------------------------------------------- */

static const GExpr *power(Lower *l, const GExpr *base, const GExpr *exponent) {
    base = lower_as_real(l, base);
    if (exponent->op == G_CONST) {
        double n = exponent->type == GT_REAL ? exponent->real : (double)exponent->integer;
        if (n == 1) return base;
        if (n == 2) return gx2(l->g, G_MUL, base, base);
        if (n == 3) return gx2(l->g, G_MUL, base, gx2(l->g, G_MUL, base, base));
        if (n == 0.5) return lower_root(l, base);
        if (n == -1) return lower_quotient(l, gx_real(l->g, 1), base);
    }
    return lower_power(l, base, lower_as_real(l, exponent));
}

/* Applies an operator to two scalars. Ints become reals beside a real, in a quotient and in a
 * power. */
static const GExpr *binary(Lower *l, Operator op, const GExpr *a, const GExpr *b) {
    Graph *g = l->g;
    if (op == OP_POW) return power(l, a, b);
    if (op == OP_AND) return gx2(g, G_AND, a, b);
    if (op == OP_OR) return gx2(g, G_OR, a, b);
    if (op == OP_DIV || a->type == GT_REAL || b->type == GT_REAL) {
        a = lower_as_real(l, a);
        b = lower_as_real(l, b);
    }
    switch (op) {
    case OP_ADD:
        return gx2(g, G_ADD, a, b);
    case OP_SUB:
        return gx2(g, G_SUB, a, b);
    case OP_MUL:
        return gx2(g, G_MUL, a, b);
    case OP_DIV:
        return lower_quotient(l, a, b);
    case OP_FLOORDIV:
        return a->type == GT_REAL ? gx1(g, G_FLOOR, gx2(g, G_DIV, a, b)) : gx2(g, G_FLOORDIV, a, b);
    case OP_MOD:
        return a->type == GT_REAL
                   ? gx2(g, G_SUB, a, gx2(g, G_MUL, b, gx1(g, G_FLOOR, gx2(g, G_DIV, a, b))))
                   : gx2(g, G_MOD, a, b);
    case OP_LT:
        return gx2(g, G_LT, a, b);
    case OP_LE:
        return gx2(g, G_LE, a, b);
    case OP_GT:
        return gx2(g, G_LT, b, a);
    case OP_GE:
        return gx2(g, G_LE, b, a);
    case OP_EQ:
        return gx2(g, G_EQ, a, b);
    case OP_NE:
        return gx2(g, G_NE, a, b);
    case OP_POW:
    case OP_AND:
    case OP_OR:
    case OP_NEG:
    case OP_NOT:
        break;
    }
    assert(false && "answered above, or of one operand");
    return a;
}

/* Applies a function element by element to values of equal shape, or to scalars beside them. */
typedef const GExpr *(*Elementwise)(Lower *l, void *context, const GExpr *const *elements);
static Value map_values(Lower *l, const Value *values, int count, Elementwise apply, void *context,
                        Span span) {
    const Value *shaped = NULL;
    for (int i = 0; i < count; i++)
        if (value_rank(&values[i]) > 0) shaped = &values[i];
    const GExpr *axes[GRAPH_MAX_RANK];
    const GExpr *elements[8] = {NULL};
    int rank = shaped ? value_rank(shaped) : 0;
    for (int i = 0; i < rank; i++)
        axes[i] = graph_fresh_index(l->g, value_extent(shaped, i));
    for (int i = 0; i < count; i++) {
        if (shaped && value_rank(&values[i]) > 0) {
            bool same = value_rank(&values[i]) == rank;
            for (int a = 0; same && a < rank; a++)
                same = value_extent(&values[i], a) == value_extent(shaped, a);
            if (!same) {
                diag_report(l->diag, CODE_SHAPES_DIFFER, span,
                            "element by element work needs equal shapes, and these are %s and %s",
                            value_shape_text(l, shaped), value_shape_text(l, &values[i]));
                return value_scalar(zero(l));
            }
        }
        elements[i] = value_element(l, &values[i], axes, span);
    }
    const GExpr *result = apply(l, context, elements);
    return rank ? lower_array_from(l, result, axes, rank, NULL, span) : value_scalar(result);
}

static const GExpr *apply_binary(Lower *l, void *context, const GExpr *const *e) {
    return binary(l, *(Operator *)context, e[0], e[1]);
}
static const GExpr *apply_unary(Lower *l, void *context, const GExpr *const *e) {
    return *(Operator *)context == OP_NOT ? gx1(l->g, G_NOT, e[0]) : gx1(l->g, G_NEG, e[0]);
}
static const GExpr *apply_select(Lower *l, void *context, const GExpr *const *e) {
    (void)context;
    bool real = e[1]->type == GT_REAL || e[2]->type == GT_REAL;
    return gx_select(l->g, e[0], real ? lower_as_real(l, e[1]) : e[1],
                     real ? lower_as_real(l, e[2]) : e[2]);
}

/* ---- numbers made of constants and hypers ---------------------------------------------------- */

static bool is_number_arithmetic(void *context, const GExpr *e) {
    (void)context;
    return e->op == G_TO_REAL || e->op == G_NEG || e->op == G_ADD || e->op == G_SUB ||
           e->op == G_MUL;
}

/* Returns the value to which a hyper is set, if the node is one, else NULL. */
static const double *hyper_value(const Lower *l, const GNode *n) {
    const bool is_scalar = n->kind == GN_INPUT && n->rank == 0 && l->program;
    for (int i = 0; is_scalar && i < l->program->hypers.count; i++)
        if (strncmp(n->name, "hyper.", 6) == 0 &&
            strcmp(n->name + 6, l->program->hypers.items[i].name) == 0)
            return &l->program->hypers.items[i].value;
    return NULL;
}

/* Returns the value of a part, or NULL if it is not known. */
static ExprValue find_number(void *context, const GExpr *e, const ExprValue *args) {
    const Lower *l = context;
    double value = 0;
    for (int i = 0; args && i < e->arg_count; i++)
        if (!args[i].pointer) return (ExprValue){.pointer = NULL};
    const double *a = args ? args[0].pointer : NULL;
    const double *b = args && e->arg_count > 1 ? args[1].pointer : NULL;
    if (e->op == G_LOAD) return (ExprValue){.pointer = hyper_value(l, e->tensor)};
    if (e->op == G_CONST)
        value = e->type == GT_REAL ? e->real : (double)e->integer;
    else if (!args)
        return (ExprValue){.pointer = NULL};
    else if (!b)
        value = e->op == G_NEG ? -*a : *a;
    else
        value = e->op == G_ADD ? *a + *b : e->op == G_SUB ? *a - *b : *a * *b;
    double *kept = arena_new_of(l->arena, double);
    *kept = value;
    return (ExprValue){.pointer = kept};
}

/* True if a number is made of constants and hypers, and has a value as they are set. */
static bool number_known(Lower *l, const GExpr *e, double *out) {
    const double *value = expr_fold_inside(e, is_number_arithmetic, find_number, l).pointer;
    if (value) *out = *value;
    return value != NULL;
}

/* Refuses a divisor that is 0 for the arguments and dimensions of this call, which the checker
 * cannot see. Behind a condition the quotient may never be computed. */
static void refuse_zero_divisor(Lower *l, const Expr *e, const Value *divisor) {
    double value;
    const bool divides =
        e->kind == EXPR_BINARY && (e->op == OP_DIV || e->op == OP_MOD || e->op == OP_FLOORDIV);
    if (!divides || l->condition || divisor->kind != VALUE_SCALAR ||
        !number_known(l, divisor->scalar, &value) || value != 0)
        return;
    const Span span = e->args[1]->span;
    const Span user = lower_user_span(l, span);
    diag_report(l->diag, CODE_NO_VALUE, user, "`%.*s` is 0 here, and something is divided by it",
                span.end - span.begin, span.source->text + span.begin);
    if (!span_same(user, span)) {
        diag_note(l->diag, span, "in the library");
    }
}

/* True if whole numbers are known and their result is not, because it does not fit 64 bits. */
static bool is_unheld(const Value *values, int count, const Value *result) {
    if (result->kind != VALUE_SCALAR || result->scalar->type != GT_INT ||
        result->scalar->op == G_CONST)
        return false;
    for (int i = 0; i < count; i++)
        if (values[i].kind != VALUE_SCALAR || values[i].scalar->op != G_CONST) return false;
    return true;
}

static Value lower_operator(Lower *l, const Expr *e) {
    Value values[2];
    const GExpr *saved = l->condition;
    for (int i = 0; i < e->arg_count; i++) {
        values[i] = lower_value(l, e->args[i]);
        /* `and` is lazy: its right side is read only if the left one is true. */
        if (i == 0 && e->kind == EXPR_BINARY && e->op == OP_AND && values[0].kind == VALUE_SCALAR)
            l->condition = gx_and(l->g, saved, values[0].scalar);
    }
    l->condition = saved;
    if (e->arg_count == 2) refuse_zero_divisor(l, e, &values[1]);
    Operator op = e->op;
    Value result = map_values(l, values, e->arg_count,
                              e->kind == EXPR_UNARY ? apply_unary : apply_binary, &op, e->span);
    if (is_unheld(values, e->arg_count, &result))
        diag_report(l->diag, CODE_NUMBER_RANGE, e->span,
                    "the result of these whole numbers is beyond 64 bits");
    return result;
}

/* Lowers a choice. If the condition is known now, only the arm that it picks is lowered. */
static Value lower_if(Lower *l, const Expr *e) {
    Value values[3];
    values[0] = lower_value(l, e->args[0]);
    if (values[0].is_static) return lower_value(l, e->args[values[0].constant != 0 ? 1 : 2]);
    const GExpr *saved = l->condition;
    bool scalar = values[0].kind == VALUE_SCALAR;
    if (scalar) l->condition = gx_and(l->g, saved, values[0].scalar);
    values[1] = lower_value(l, e->args[1]);
    if (scalar) {
        l->condition = gx_and(l->g, saved, gx1(l->g, G_NOT, values[0].scalar));
    }
    values[2] = lower_value(l, e->args[2]);
    l->condition = saved;
    return map_values(l, values, 3, apply_select, NULL, e->span);
}

static Value lower_stop(Lower *l, const Expr *e) {
    Value value = lower_value(l, e->args[0]);
    if (value.kind == VALUE_SCALAR) {
        if (value.is_static || value.scalar->type != GT_REAL) return value;
        value = lower_array_from(l, value.scalar, NULL, 0, NULL, e->span);
        GNode *stopped = graph_stop(l->g, value.tensor, e->span);
        return value_scalar(gx_load(l->g, stopped, value.prefix_count, value.prefix, NULL));
    }
    if (value.kind != VALUE_ARRAY || value.tensor->type != GT_REAL) return value;
    /* A stop acts on each element alone, so the whole tensor gets one node. */
    value.tensor = graph_stop(l->g, value.tensor, e->span);
    return value;
}

/* Lowers `training`, `pi`, and the names step, steps and epoch, whose values each run hands over.
 */
static Value lower_builtin_name(Lower *l, const Expr *e) {
    const char *name = e->symbol->name;
    if (strcmp(name, "training") == 0) return value_scalar(gx_bool(l->g, l->training));
    if (strcmp(name, "pi") == 0) return value_scalar(gx_real(l->g, 3.14159265358979323846));
    GNode *input = graph_input(l->g, name, GT_INT, 0, NULL, e->span);
    return value_scalar(gx_load(l->g, input, 0, NULL, NULL));
}

/* Returns a hyper as a scalar of the run, so that another value needs no new compilation.
 * lower_static evaluates hypers that must be known before. */
static Value lower_hyper(Lower *l, const Symbol *symbol, GType type) {
    char name[256];
    snprintf(name, sizeof name, "hyper.%s", symbol->name);
    GNode *input = graph_input(l->g, arena_intern(l->arena, name, strlen(name)),
                               type == GT_BOOL ? GT_INT : type, 0, NULL, symbol->span);
    const GExpr *number = gx_load(l->g, input, 0, NULL, NULL);
    return value_scalar(type == GT_BOOL ? gx2(l->g, G_NE, number, gx_int(l->g, 0)) : number);
}

static bool is_function(const Symbol *symbol) {
    return symbol->stmt && (symbol->kind == SYMBOL_FN || symbol->kind == SYMBOL_OPTIMISER ||
                            symbol->kind == SYMBOL_NET);
}

/* Handles a name that no frame holds: a function, or a mistake. */
static Value lower_unknown_name(Lower *l, const Expr *e) {
    const Symbol *symbol = e->symbol;
    if (is_function(symbol)) {
        Value function = value_none();
        function.kind = VALUE_FUNCTION;
        function.function = symbol->stmt;
        function.frame = l->root;
        return function;
    }
    if (l->between)
        diag_report(l->diag, CODE_EVERY_EPOCH, e->span,
                    "`%s` has no value here: it belongs to a step, or to the part of `every "
                    "epoch` before the last sweep or k-means",
                    symbol->name);
    else
        diag_report(l->diag, CODE_NEEDS_NUMBER, e->span, "`%s` has no value here", symbol->name);
    return value_scalar(zero(l));
}

static Value lower_stage_name(Lower *l, const Expr *e) {
    if (!stage_is_known(l)) {
        diag_report(l->diag, CODE_STAGE, e->span,
                    "the stage `%s` is no condition here: this has one value for the whole run, "
                    "whichever stage is running",
                    e->symbol->name);
        diag_suggest(l->diag,
                     "steps and what stands between epochs may name a stage; a `state` "
                     "keeps it for `eval`: `when %s { update now <- 1 }`",
                     e->symbol->name);
    }
    return value_scalar(gx_bool(l->g, stage_holds(l, e->symbol)));
}

static Value lower_name(Lower *l, const Expr *e) {
    Symbol *symbol = e->symbol;
    assert(symbol);
    if (symbol->kind == SYMBOL_INDEX) return value_scalar(lower_binder_index(l, symbol->binder));
    if (symbol->kind == SYMBOL_BUILTIN) return lower_builtin_name(l, e);
    if (symbol->kind == SYMBOL_STAGE) return lower_stage_name(l, e);
    const Value *value = frame_find(l->frame, symbol);
    if (!value) return lower_unknown_name(l, e);
    if (symbol->kind == SYMBOL_HYPER && l->program)
        return lower_hyper(l, symbol, value->scalar->type);
    /* The constant is made anew, because an expression belongs to one graph, and frames outlive
     * graphs. */
    if (value->is_static) {
        if (value->scalar->type == GT_BOOL)
            return value_scalar(gx_bool(l->g, value->constant != 0));
        return value_static(l, value->constant, value->scalar->type == GT_INT);
    }
    if (e->is_sample) return lower_sample(l, e, *value);
    if (value->kind == VALUE_ARRAY && value_rank(value) == 0)
        return value_scalar(gx_load(l->g, value->tensor, value->prefix_count, value->prefix, NULL));
    return *value;
}

static Value lower_member(Lower *l, const Expr *e) {
    Symbol *symbol = e->symbol;
    assert(symbol);
    if (symbol->kind == SYMBOL_FIELD) return lower_field(l, e);
    if (symbol->kind == SYMBOL_NET_PART) {
        Value value = value_none();
        value.kind = VALUE_NET;
        value.net = lower_net(l, e, "");
        return value;
    }
    if (symbol->kind == SYMBOL_COLUMN) {
        const Value *value = frame_find(l->frame, symbol);
        if (value) return *value;
        char key[256];
        snprintf(key, sizeof key, "%s.%s", e->args[0]->name, e->name);
        return value_array(state_now(l, key));
    }
    return lower_name(l, e);
}

static Value value_of(Lower *l, const Expr *e) {
    switch (e->kind) {
    case EXPR_NUMBER:
        return value_static(l, e->number, e->is_integer);
    case EXPR_BOOL:
        return value_scalar(gx_bool(l->g, e->boolean));
    case EXPR_NAME:
        return lower_name(l, e);
    case EXPR_MEMBER:
        return lower_member(l, e);
    case EXPR_INDEX:
        return lower_index(l, e, NULL);
    case EXPR_UNARY:
    case EXPR_BINARY:
        return lower_operator(l, e);
    case EXPR_REDUCE:
        return value_scalar(lower_reduce(l, e, NULL));
    case EXPR_IF:
        return lower_if(l, e);
    case EXPR_DEFAULT:
        if (e->args[0]->kind == EXPR_REDUCE)
            return value_scalar(lower_reduce(l, e->args[0], e->args[1]));
        return lower_index(l, e->args[0], e->args[1]);
    case EXPR_STOP:
        return lower_stop(l, e);
    case EXPR_CALL:
        return lower_call(l, e);
    case EXPR_COPY:
    case EXPR_COMPOSE: {
        Value value = value_none();
        value.kind = VALUE_NET;
        value.net = lower_net(l, e, "net");
        return value;
    }
    case EXPR_STRING:
    case EXPR_RANGE:
        break;
    }
    diag_report(l->diag, CODE_NEEDS_NUMBER, e->span, "this has no numeric value");
    return value_scalar(zero(l));
}

Value lower_value(Lower *l, const Expr *e) {
    if (l->nested == MOST_NESTED_TERMS) {
        diag_report(l->diag, CODE_TOO_DEEP, e->span,
                    "with those of the functions called, expressions nest deeper than %d here",
                    MOST_NESTED_TERMS);
        return value_scalar(zero(l));
    }
    Graph *g = l->g;
    const GPlace *outer = g->place;
    g->place = trail_place_at(l, e->span);
    l->nested++;
    Value value = value_of(l, e);
    l->nested--;
    g->place = outer;
    return value;
}

const GExpr *lower_scalar(Lower *l, const Expr *e) {
    Value value = lower_value(l, e);
    if (value.kind == VALUE_SCALAR) return value.scalar;
    if (value.kind == VALUE_ARRAY && value_rank(&value) == 0)
        return gx_load(l->g, value.tensor, value.prefix_count, value.prefix, NULL);
    diag_report(l->diag, CODE_NEEDS_NUMBER, e->span,
                "a number is needed here, and this is an array of %d axes", value_rank(&value));
    return zero(l);
}

GNode *lower_tensor(Lower *l, const Expr *e) {
    Value value = lower_value(l, e);
    const GExpr *free[GRAPH_MAX_FREE];
    int free_count;
    if (value.kind != VALUE_SCALAR && value.kind != VALUE_ARRAY) {
        diag_report(l->diag, CODE_NEEDS_NUMBER, e->span, "a number or an array is needed here");
        value = value_scalar(zero(l));
    }
    GNode *node = lower_materialise(l, &value, free, &free_count, e->span);
    assert(free_count == 0);
    return node;
}
