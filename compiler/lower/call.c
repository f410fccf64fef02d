/* Lowers calls (functions of the language, built-ins, constructors and applications of networks)
 * and the bodies that they run. */
#include "compiler/graph/visit.h"
#include "compiler/lower/internal.h"

#include <assert.h>
#include <string.h>

/* ---- bodies ---------------------------------------------------------------------------------- */

static VisitStep is_costly(void *context, const GExpr *e) {
    static const GOp costly[] = {G_RANDOM, G_EXP,  G_LOG, G_SQRT, G_DIV,
                                 G_POW,    G_TANH, G_SIN, G_COS};
    (void)context;
    for (size_t i = 0; i < sizeof costly / sizeof *costly; i++)
        if (e->op == costly[i]) return VISIT_END;
    return e->op == G_LOAD ? VISIT_PAST : VISIT_INSIDE;
}

/* True if a scalar is computed once for each element of its free indices, and not once for each
 * use. It is then expensive, or has so many parts that formulas made of such formulas would grow
 * without bound. */
static bool is_worth_a_node(const GExpr *e) {
    enum { LARGE = 64 };
    return expr_visit(e, is_costly, NULL) || expr_size(e) > LARGE;
}

/* Compares the value of `let y : [N, 8, H, W] = ..` with the sizes that the checker left open. */
static void compare_claim(Lower *l, const Stmt *s, const Value *value) {
    const Type *claim = s->symbol ? s->symbol->type : NULL;
    if (!claim || !s->has_dims || claim->rank != value_rank(value)) return;
    for (int i = 0; i < claim->rank; i++) {
        int64_t wanted;
        if (!lower_eval_dim(l, claim->dims[i], s->name_span, &wanted) ||
            wanted == value_extent(value, i))
            continue;
        diag_report(l->diag, CODE_CLAIM_FALSE, s->name_span,
                    "axis %d of `%s` is claimed to be %s, which is %lld here, and has %lld entries",
                    i + 1, s->name, dim_text(l->arena, claim->dims[i]), (long long)wanted,
                    (long long)value_extent(value, i));
        return;
    }
}

Value let_value(Lower *l, const Stmt *s) {
    if (s->is_function) {
        Value value = value_none();
        value.kind = VALUE_FUNCTION;
        value.function = s;
        value.frame = l->frame;
        return value;
    }
    if (s->binder_count == 0) {
        Value value = lower_value(l, s->value);
        compare_claim(l, s, &value);
        if (value.kind == VALUE_SCALAR && !value.is_static && value.scalar->type == GT_REAL &&
            is_worth_a_node(value.scalar))
            value = value_scalar(lower_hoist_scalar(l, value.scalar, s->name, s->span));
        return value_shallow(l, value, s->name, s->span);
    }
    if (let_unrolls(s)) return let_unrolled_value(l, s);
    Frame *outer = l->frame;
    Frame *frame = frame_new(l, outer);
    const GExpr *axes[GRAPH_MAX_RANK];
    for (int i = 0; i < s->binder_count; i++) {
        int64_t extent;
        lower_eval_dim(l, s->binders[i]->extent, s->binders[i]->span, &extent);
        axes[i] = graph_named_index(l->g, extent, s->binders[i]->name);
        frame_set(l, frame, s->binders[i], value_scalar(axes[i]));
    }
    l->frame = frame;
    const GExpr *saved = l->condition;
    const int open = l->indices;
    lower_open_indices(l, s->binder_count, s->span);
    const GExpr *value = lower_scalar(l, s->value);
    l->condition = saved;
    l->frame = outer;
    l->indices = open;
    return lower_array_from(l, value, axes, s->binder_count, s->name, s->span);
}

void lower_let(Lower *l, const Stmt *s) {
    frame_set(l, l->frame, s->symbol, let_value(l, s));
}

static void lower_net_update(Lower *l, const Stmt *s) {
    if (!l->training) return;
    const Symbol *symbol = s->targets[0]->symbol;
    Net *net = l->frame->owner;
    char name[512];
    assert(net && symbol);
    snprintf(name, sizeof name, "%s.%s", net->path, symbol->name);
    GNode *value = lower_tensor(l, s->value);
    state_renew(l, name, value, s->span);
}

static void lower_net_of_body(Lower *l, const Stmt *s) {
    Value value = value_none();
    value.kind = VALUE_NET;
    value.net = lower_net(l, s->value, s->name);
    if (value.net) frame_set(l, l->frame, s->symbol, value);
}

/* Declares the parameters and states of a network's body. They belong to the network, below its
 * path. */
static void lower_owned_of_body(Lower *l, const Stmt *s) {
    const Net *net = l->frame->owner;
    for (int p = 0; net && p < s->param_count; p++) {
        state_declare(l, net->path, net->origin, &s->params[p],
                      s->kind == STMT_PARAM ? ROLE_PARAM : ROLE_STATE, NULL, 0);
        char name[512];
        snprintf(name, sizeof name, "%s.%s", net->path, s->params[p].name);
        frame_set(l, l->frame, s->params[p].symbol, value_array(state_now(l, name)));
    }
}

static void lower_statement_of_body(Lower *l, const Stmt *s) {
    if (s->kind == STMT_LET)
        lower_let(l, s);
    else if (s->kind == STMT_DRAW)
        lower_draw(l, s);
    else if (s->kind == STMT_SCAN)
        lower_scan(l, s);
    else if (s->kind == STMT_NET)
        lower_net_of_body(l, s);
    else if (s->kind == STMT_PARAM || s->kind == STMT_STATE)
        lower_owned_of_body(l, s);
    else if (s->kind == STMT_UPDATE)
        lower_net_update(l, s);
    else if (s->kind != STMT_FN) /* the symbol of a function is enough to find it */
        diag_report(l->diag, CODE_STATEMENT_PLACE, s->span,
                    "this statement has no meaning inside a function or a net");
}

Value lower_body(Lower *l, Stmt *const *body, int count) {
    Value result = value_none();
    for (int i = 0; i < count; i++) {
        if (body[i]->kind == STMT_RETURN)
            result = lower_value(l, body[i]->value);
        else
            lower_statement_of_body(l, body[i]);
    }
    return result;
}

/* ---- functions ------------------------------------------------------------------------------- */

/* Binds the dimensions of a parameter. Returns false if the value has other axes than the
 * parameter, since the body would then read what does not exist. */
static bool bind_dims(Lower *l, Frame *frame, const Param *param, const Value *value,
                      const Expr *call) {
    int rank = value_rank(value);
    Span span = call ? call->span : param->span;
    if (rank != param->dim_count) {
        /* After an error, the value is a stand-in and is not judged again. */
        if (value->kind != VALUE_ARRAY && diag_error_count(l->diag)) return false;
        const char *given = rank ? arena_printf(l->arena, "one of %d", rank) : "a number";
        diag_report(l->diag, CODE_ARGUMENT_RANK, span, "`%s` needs an array of %d %s, and gets %s",
                    param->name, param->dim_count, param->dim_count == 1 ? "axis" : "axes", given);
        diag_note(l->diag, param->span, "`%s` is declared here", param->name);
        return false;
    }
    Frame *outer = l->frame;
    bool fits = true;
    l->frame = frame;
    for (int i = 0; i < rank; i++) {
        const Expr *dim = param->dims[i];
        int64_t extent = value_extent(value, i);
        double want;
        bool is_symbol =
            dim->kind == EXPR_NAME && dim->symbol && dim->symbol->kind == SYMBOL_DIMENSION;
        if (is_symbol && !frame_find(frame, dim->symbol)) {
            frame_set(l, frame, dim->symbol, value_static(l, (double)extent, true));
        } else if (lower_static(l, dim, &want) && want != (double)extent) {
            diag_report(l->diag, CODE_ARGUMENT_DIMENSION, span,
                        "axis %d of `%s` has %lld entries, and its declaration asks for %.9g",
                        i + 1, param->name, (long long)extent, want);
            diag_note(l->diag, param->span, "`%s` is declared here", param->name);
            fits = false;
        }
    }
    l->frame = outer;
    return fits;
}

/* Binds the dimensions that stand alone as an axis of a parameter, before any axis is compared. */
static void introduce_dims(Lower *l, Frame *frame, const Stmt *fn, const Value *args, int count) {
    for (int i = 0; i < count; i++) {
        const Param *param = &fn->params[i];
        if (!param->has_shape || args[i].kind != VALUE_ARRAY ||
            value_rank(&args[i]) != param->dim_count)
            continue;
        for (int d = 0; d < param->dim_count; d++) {
            const Expr *dim = param->dims[d];
            const bool introduces = dim->kind == EXPR_NAME && dim->symbol &&
                                    dim->symbol->kind == SYMBOL_DIMENSION &&
                                    !frame_find(frame, dim->symbol);
            if (introduces)
                frame_set(l, frame, dim->symbol,
                          value_static(l, (double)value_extent(&args[i], d), true));
        }
    }
}

static int find_param(const Param *params, int count, const char *name) {
    for (int i = 0; i < count; i++)
        if (strcmp(params[i].name, name) == 0) return i;
    return -1;
}

/* Finds the argument of each parameter, by position or by name. It is NULL if none is given. */
static void place_arguments(const Expr *call, const Param *params, int count, const Expr **placed) {
    for (int i = 0; i < count; i++)
        placed[i] = NULL;
    int position = 0;
    for (int i = 0; i < call->arg_count; i++) {
        const char *name = call->arg_names ? call->arg_names[i] : NULL;
        int at = name ? find_param(params, count, name) : position++;
        if (at >= 0 && at < count) placed[at] = call->args[i];
    }
}

/* Applies a function of scalars to arrays, element by element. */
static Value map_function(Lower *l, const Stmt *fn, Frame *parent, const Value *args, int count,
                          const Value *shaped, const Expr *call) {
    const GExpr *axes[GRAPH_MAX_RANK];
    int rank = value_rank(shaped);
    for (int i = 0; i < rank; i++)
        axes[i] = graph_fresh_index(l->g, value_extent(shaped, i));
    Value *scalars = arena_array(l->arena, Value, count);
    for (int i = 0; i < count; i++)
        scalars[i] = args[i].kind == VALUE_NONE
                         ? args[i]
                         : value_scalar(value_element(l, &args[i], axes, fn->span));
    Value result = call_function(l, fn, parent, scalars, count, call);
    if (result.kind != VALUE_SCALAR) return result;
    return lower_array_from(l, result.scalar, axes, rank, fn->name, call ? call->span : fn->span);
}

/* Lowers an argument. An int may size something inside (rounds, neighbours), so a hyper that is
 * given for an int is fixed at compile time. */
static Value lower_argument(Lower *l, const Param *param, const Expr *given) {
    double number;
    bool counts = param->type && param->type->kind == KIND_INT && param->type->rank == 0;
    return counts && lower_static(l, given, &number) ? value_static(l, number, true)
                                                     : lower_value(l, given);
}

/* Returns the default of a parameter, as a value inside the call: it may name the dimensions, and
 * the parameters before it. */
static Value default_argument(Lower *l, const Param *param, Frame *frame) {
    Frame *outer = l->frame;
    l->frame = frame;
    Value value = lower_argument(l, param, param->value);
    l->frame = outer;
    return value;
}

/* Returns the array over which the function is mapped: an array is given, and no parameter takes
 * arrays. NULL: the function is called as it is. */
static const Value *mapped_over(const Stmt *fn, const Value *args, int count) {
    const Value *shaped = NULL;
    for (int i = 0; i < count; i++) {
        if (fn->params[i].has_shape) return NULL;
        if (value_rank(&args[i]) > 0 && args[i].kind == VALUE_ARRAY) shaped = &args[i];
    }
    return shaped;
}

/* Gives the parameters their values in the frame. Returns false after a message. */
static bool bind_parameters(Lower *l, Frame *frame, const Stmt *fn, const Value *args, int count,
                            const Expr *call) {
    bool fits = true;
    introduce_dims(l, frame, fn, args, count);
    for (int i = 0; i < count; i++) {
        const Param *param = &fn->params[i];
        Value value = args[i].kind == VALUE_NONE ? default_argument(l, param, frame) : args[i];
        const bool takes_real = param->type && param->type->kind == KIND_REAL;
        if (param->has_shape)
            fits &= bind_dims(l, frame, param, &value, call);
        else if (takes_real && value.kind == VALUE_SCALAR && value.scalar->type == GT_INT)
            value = value_scalar(lower_as_real(l, value.scalar));
        frame_set(l, frame, param->symbol, value_shallow(l, value, param->name, param->span));
    }
    return fits;
}

/* Returns false after a message: a number is outside the range that its parameter states. */
static bool in_ranges(Lower *l, Frame *frame, const Stmt *fn, const Expr *call) {
    const Span place = call ? call->span : fn->name_span;
    const Made *made = frame->parent->owner ? frame->parent->owner->made : NULL;
    return lower_test_ranges(l, fn, fn->config, fn->config_count, frame,
                             made ? made->place : place) &&
           lower_test_ranges(l, fn, fn->params, fn->param_count, frame, place);
}

/* Returns the result of a function, lowered in the frame of the call. Its draws have a site of
 * their own. */
static Value lower_called(Lower *l, const Stmt *fn, Frame *frame) {
    Frame *outer = l->frame;
    const char *site = l->site;
    const int sites = l->site_count;
    l->site = arena_printf(l->arena, "%s/%s#%d", site, fn->name, l->site_count);
    l->site_count = 0;
    l->frame = frame;
    l->calls++;
    Value result = fn->value ? lower_value(l, fn->value) : lower_body(l, fn->body, fn->body_count);
    l->calls--;
    l->frame = outer;
    l->site = site;
    l->site_count = sites + 1;
    return result;
}

Value call_function(Lower *l, const Stmt *fn, Frame *parent, const Value *args, int count,
                    const Expr *call) {
    if (l->calls == MOST_NESTED_CALLS) {
        diag_report(l->diag, CODE_TOO_DEEP, fn->name_span,
                    "calls nest deeper than %d where `%s` is called", MOST_NESTED_CALLS, fn->name);
        return value_scalar(gx_real(l->g, 0));
    }
    const Value *shaped = mapped_over(fn, args, count);
    if (shaped) return map_function(l, fn, parent, args, count, shaped, call);

    Frame *frame = frame_new(l, parent);
    Call at = {
        .fn = fn, .frame = frame, .net = fn->kind == STMT_NET ? parent->owner : NULL, .call = call};
    call_enter(l, &at);
    const int mapped = draw_map(l, args, count);
    const bool fits = bind_parameters(l, frame, fn, args, count, call);
    const bool good = !fits || in_ranges(l, frame, fn, call);
    const int messages = diag_count(l->diag);
    const Value result = fits ? lower_called(l, fn, frame) : value_scalar(gx_real(l->g, 0));
    if (!good) diag_drop(l->diag, messages); /* what a number outside its range makes follow */
    l->mapped_count = mapped;
    call_leave(l);
    return result;
}

Value lower_function_call(Lower *l, const Stmt *fn, Frame *parent, const Expr *call) {
    int count = fn->param_count;
    const Expr **placed = arena_array(l->arena, const Expr *, count);
    Value *args = arena_array(l->arena, Value, count);
    place_arguments(call, fn->params, count, placed);
    for (int i = 0; i < count; i++) {
        if (placed[i]) {
            args[i] = lower_argument(l, &fn->params[i], placed[i]);
        } else if (fn->params[i].value) {
            args[i].kind = VALUE_NONE; /* call_function sets the value of the argument */
        } else {
            diag_report(l->diag, CODE_MISSING_ARGUMENT, call->span, "`%s` needs its argument `%s`",
                        fn->name, fn->params[i].name);
            args[i] = value_scalar(gx_real(l->g, 0));
        }
    }
    return call_function(l, fn, parent, args, count, call);
}

/* ---- built-ins ------------------------------------------------------------------------------- */

static const struct {
    const char *name;
    GOp op;
    bool keeps_int;
} maps[] = {
    {"exp", G_EXP, false},         {"log", G_LOG, false},
    {"log1p", G_LOG1P, false},     {"expm1", G_EXPM1, false},
    {"sqrt", G_SQRT, false},       {"tanh", G_TANH, false},
    {"sigmoid", G_SIGMOID, false}, {"softplus", G_SOFTPLUS, false},
    {"erf", G_ERF, false},         {"sin", G_SIN, false},
    {"cos", G_COS, false},         {"abs", G_ABS, true},
    {"sign", G_SIGN, true},        {"floor", G_FLOOR, false},
    {"ceil", G_CEIL, false},       {"round", G_ROUND, false},
    {"min", G_MIN, true},          {"max", G_MAX, true},
};

static const GExpr *map_scalar(Lower *l, int row, const GExpr *const *e, int count) {
    const GOp op = maps[row].op;
    const bool of_ints = e[0]->type == GT_INT && (count < 2 || e[1]->type == GT_INT);
    const bool keeps_ints = maps[row].keeps_int && of_ints;
    const bool rounds = op == G_FLOOR || op == G_CEIL || op == G_ROUND;
    if (rounds && e[0]->type == GT_INT) return e[0];
    const GExpr *args[2];
    for (int i = 0; i < count; i++)
        args[i] = keeps_ints ? e[i] : lower_as_real(l, e[i]);
    if (op == G_SQRT) return lower_root(l, args[0]);
    if (op == G_LOG) return lower_log(l, args[0]);
    const GExpr *result = gx_op(l->g, op, count, args);
    return rounds ? gx1(l->g, G_TO_INT, result) : result;
}

static Value map_builtin(Lower *l, int row, const Value *args, int count, Span span) {
    const Value *shaped = NULL;
    for (int i = 0; i < count; i++)
        if (value_rank(&args[i]) > 0) shaped = &args[i];
    const GExpr *axes[GRAPH_MAX_RANK];
    const GExpr *elements[2] = {NULL};
    int rank = shaped ? value_rank(shaped) : 0;
    for (int i = 0; i < rank; i++)
        axes[i] = graph_fresh_index(l->g, value_extent(shaped, i));
    for (int i = 0; i < count; i++)
        elements[i] = value_element(l, &args[i], axes, span);
    const GExpr *result = map_scalar(l, row, elements, count);
    return rank ? lower_array_from(l, result, axes, rank, NULL, span) : value_scalar(result);
}

static int fresh_axes(Lower *l, const Value *value, const GExpr **axes) {
    int rank = value_rank(value);
    for (int i = 0; i < rank; i++)
        axes[i] = graph_fresh_index(l->g, value_extent(value, i));
    return rank;
}

static const GExpr *dot_product(Lower *l, const Value *a, const Value *b, Span span) {
    const GExpr *axes[GRAPH_MAX_RANK];
    const GExpr *free[GRAPH_MAX_FREE];
    int count;
    int rank = fresh_axes(l, a, axes);
    for (int i = 0; i < rank && value_rank(b) == rank; i++)
        if (value_extent(a, i) != value_extent(b, i)) {
            diag_report(l->diag, CODE_SHAPES_DIFFER, span,
                        "the two vectors differ in length: %lld and %lld",
                        (long long)value_extent(a, i), (long long)value_extent(b, i));
            return gx_real(l->g, 0);
        }
    const GExpr *product = gx2(l->g, G_MUL, lower_as_real(l, value_element(l, a, axes, span)),
                               lower_as_real(l, value_element(l, b, axes, span)));
    GNode *sum = lower_sum_node(l, product, NULL, axes, rank, free, &count, span);
    return gx_load(l->g, sum, count, free, NULL);
}

/* Computes x / max(norm(x), eps) along the last axis of the whole tensor. Rows that were already
 * picked (u[i], u[pos(i)]) are rows of that tensor, so every pick shares one normalised array.
 * Inside the ball of eps the gradient is 0. */
Value lower_normalise(Lower *l, const Value *value, double epsilon, Span span) {
    Graph *g = l->g;
    Value whole = *value;
    int keep = whole.prefix_count;
    whole.prefix_count = 0;
    const GExpr *axes[GRAPH_MAX_RANK];
    int rank = fresh_axes(l, &whole, axes);
    const GExpr *x = lower_as_real(l, value_element(l, &whole, axes, span));
    const GExpr *free[GRAPH_MAX_FREE];
    int count;
    GNode *squares =
        lower_sum_node(l, gx2(g, G_MUL, x, x), NULL, &axes[rank - 1], 1, free, &count, span);
    const GExpr *length =
        lower_hoist_scalar(l, lower_root(l, gx_load(g, squares, count, free, NULL)), "norm", span);
    const GExpr *inside = gx_load(g, graph_stop(g, whole.tensor, span), rank, axes, NULL);
    const GExpr *eps = gx_real(g, epsilon);
    /* A row with a NaN counts as outside, too. */
    const GExpr *outside = gx1(g, G_NOT, gx2(g, G_LE, length, eps));
    const GExpr *result = gx_select(g, outside, gx2(g, G_DIV, x, length),
                                    gx2(g, G_DIV, lower_as_real(l, inside), eps));
    Value made = lower_array_from(l, result, axes, rank, "normalised", span);
    Value out = *value;
    out.tensor = made.tensor;
    out.prefix_count = keep;
    return out;
}

static const GExpr *clamped(Graph *g, const GExpr *e, const GExpr *low, const GExpr *high) {
    return gx2(g, G_MIN, gx2(g, G_MAX, e, low), high);
}

/* Returns a + weight * (b - a). */
static const GExpr *between(Graph *g, const GExpr *a, const GExpr *b, const GExpr *weight) {
    const GExpr *apart = gx2(g, G_SUB, b, a);
    return gx2(g, G_ADD, a, gx2(g, G_MUL, weight, apart));
}

/* Samples an image at (row, column) by bilinear interpolation, clamped to the edge. The four
 * corners have integer positions whose range is provable. */
static const GExpr *bilinear(Lower *l, const Value *image, const GExpr *channel, const GExpr *row,
                             const GExpr *column, Span span) {
    Graph *g = l->g;
    const GExpr *low[2];
    const GExpr *high[2];
    const GExpr *weight[2];
    const GExpr *position[2] = {lower_as_real(l, row), lower_as_real(l, column)};
    for (int i = 0; i < 2; i++) {
        int64_t extent = value_extent(image, 1 + i);
        const GExpr *top = gx_real(g, (double)(extent - 1));
        const GExpr *p = clamped(g, position[i], gx_real(g, 0), top);
        const GExpr *whole = gx1(g, G_FLOOR, p);
        weight[i] = gx2(g, G_SUB, p, whole);
        const GExpr *zero = gx_int(g, 0);
        const GExpr *last = gx_int(g, extent - 1);
        low[i] = clamped(g, gx1(g, G_TO_INT, whole), zero, last);
        const GExpr *next = gx2(g, G_ADD, low[i], gx_int(g, 1));
        high[i] = gx2(g, G_MIN, next, last);
    }
    const GExpr *corner[2][2];
    for (int a = 0; a < 2; a++)
        for (int b = 0; b < 2; b++) {
            const GExpr *at[3] = {channel, a ? high[0] : low[0], b ? high[1] : low[1]};
            corner[a][b] = lower_as_real(l, value_element(l, image, at, span));
        }
    const GExpr *rows[2];
    for (int a = 0; a < 2; a++)
        rows[a] = between(g, corner[a][0], corner[a][1], weight[1]);
    return between(g, rows[0], rows[1], weight[0]);
}

/* Applies `real` or `relu` element by element. */
static Value call_elementwise(Lower *l, const Value *given, bool is_relu, Span span) {
    Graph *g = l->g;
    const GExpr *axes[GRAPH_MAX_RANK];
    const int rank = fresh_axes(l, given, axes);
    const GExpr *x = value_element(l, given, axes, span);
    if (!is_relu)
        x = lower_as_real(l, x);
    else /* max(0, x) has the constant first, so that a tie has slope 0 */
        x = gx2(g, G_MAX, x->type == GT_REAL ? gx_real(g, 0) : gx_int(g, 0), x);
    if (!rank) return value_scalar(x);
    return lower_array_from(l, x, axes, rank, is_relu ? "relu" : NULL, span);
}

static Value call_builtin(Lower *l, const Expr *e, const char *name) {
    Graph *g = l->g;
    int count = e->arg_count;
    Value *args = arena_array(l->arena, Value, count);
    if (strcmp(name, "filled") == 0)
        return value_scalar(lower_filled(l, e->args[0], lower_scalar(l, e->args[1])));
    if (strcmp(name, "new") == 0) return lower_new(l, e->args[0]);
    for (int i = 0; i < count; i++)
        args[i] = lower_value(l, e->args[i]);
    Value arranged;
    if (lower_arrangement(l, e, args, &arranged)) return arranged;
    const bool is_relu = strcmp(name, "relu") == 0;
    if (is_relu || strcmp(name, "real") == 0)
        return call_elementwise(l, &args[0], is_relu, e->span);
    if (strcmp(name, "dot") == 0) return value_scalar(dot_product(l, &args[0], &args[1], e->span));
    if (strcmp(name, "cos") == 0 && count == 2) {
        Value a = lower_normalise(l, &args[0], 1e-12, e->span);
        Value b = lower_normalise(l, &args[1], 1e-12, e->span);
        return value_scalar(dot_product(l, &a, &b, e->span));
    }
    if (strcmp(name, "norm") == 0)
        return value_scalar(lower_root(l, dot_product(l, &args[0], &args[0], e->span)));
    if (strcmp(name, "normalise") == 0)
        return lower_normalise(l, &args[0],
                               count > 1 && args[1].is_static ? args[1].constant : 1e-12, e->span);
    Value called;
    if (lower_library(l, name, args, e->span, &called)) return called;
    if (strcmp(name, "bilinear") == 0) {
        const GExpr *c = lower_scalar(l, e->args[1]);
        const GExpr *row = lower_scalar(l, e->args[2]);
        const GExpr *column = lower_scalar(l, e->args[3]);
        return value_scalar(bilinear(l, &args[0], c, row, column, e->span));
    }
    for (int i = 0; i < (int)(sizeof maps / sizeof *maps); i++)
        if (strcmp(maps[i].name, name) == 0)
            return map_builtin(l, i, args, count > 2 ? 2 : count, e->span);
    diag_report(l->diag, CODE_NOT_CALLABLE, e->span, "`%s` cannot be called here", name);
    return value_scalar(gx_real(g, 0));
}

/* ---- the call -------------------------------------------------------------------------------- */

/* True for a value that depends on an index of a formula. A network is not applied to such a value:
 * it would update its running statistics once for each value of the index. */
static bool is_indexed(Lower *l, const Value *value) {
    const GExpr *free[GRAPH_MAX_FREE];
    for (int i = 0; value->kind == VALUE_ARRAY && i < value->prefix_count; i++)
        if (gx_free_indices(l->g, value->prefix[i], free) > 0) return true;
    return false;
}

Value lower_call(Lower *l, const Expr *e) {
    const Expr *callee = e->callee;
    Symbol *symbol =
        callee->kind == EXPR_NAME || callee->kind == EXPR_MEMBER ? callee->symbol : NULL;
    if (symbol) {
        if (symbol->kind == SYMBOL_BUILTIN) return call_builtin(l, e, symbol->name);
        if (symbol->kind == SYMBOL_FN) return lower_function_call(l, symbol->stmt, l->root, e);
        if (symbol->kind == SYMBOL_LET_FN || symbol->kind == SYMBOL_LET) {
            const Value *value = frame_find(l->frame, symbol);
            if (value && value->kind == VALUE_FUNCTION)
                return lower_function_call(l, value->function, value->frame, e);
        }
        if (symbol->kind == SYMBOL_NET && symbol->stmt->has_config) {
            Value value = value_none();
            value.kind = VALUE_NET;
            value.net = lower_net(l, e, "net");
            return value;
        }
    }
    Net *net = lower_net(l, callee, "net");
    if (!net || e->arg_count != 1) {
        diag_report(l->diag, CODE_NETWORK_ARGUMENT, e->span,
                    "this is applied like a network, and a network takes one array");
        return value_scalar(gx_real(l->g, 0));
    }
    Value input = lower_value(l, e->args[0]);
    if (is_indexed(l, &input)) {
        diag_report(l->diag, CODE_NETWORK_ARGUMENT, e->span,
                    "a network is applied to one array at a time, and an index of a formula makes "
                    "this many");
        diag_suggest(l->diag, "name the results first: `let z[v] = encoder(g[v])`");
        /* The value has the right shape even after an error, so that the rest is checked too. */
        for (int i = 0; i < input.prefix_count; i++)
            input.prefix[i] = gx_int(l->g, 0);
    }
    Value result = net_apply(l, net, input, e);
    if (!l->frame->owner && !l->encoded && lower_is_embedding(l, &result))
        l->encoded = result.tensor;
    return result;
}
