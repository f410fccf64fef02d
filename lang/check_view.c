/* Checks views. A view is a recipe for one sample, which is done to each sample of a batch. Its
 * inputs are fields of data, and any array whose first axis is the batch. */
#include "lang/check.h"

#include "lang/ast_walk.h"

#include <string.h>

/* ---- the samples of a view ------------------------------------------------------------------- */

/* True for an array whose first axis may be the batch, so that a view takes one sample of it. */
static bool may_be_sampled(const Symbol *s) {
    return s && s->type && s->type->rank > 0 &&
           (s->kind == SYMBOL_LET || s->kind == SYMBOL_VIEW || s->kind == SYMBOL_DRAW);
}

/* Returns the axis of the batch. In `view g[2] = ..` it is the second, behind the axis of the
 * views. */
static int batch_axis(const Symbol *s) {
    return s->kind == SYMBOL_VIEW && s->param && s->param->has_shape ? 1 : 0;
}

/* The search for the number of samples that a view is of. */
typedef struct Search {
    Check *c;
    Dim *of_field;     /* the batch of the first field; NULL: the view reads no field */
    Dim *of_name;      /* the extent of the first array that may be sampled, or NULL */
    const Expr *field; /* the first field */
    const Expr *other; /* a field that comes in batches of another size, or NULL */
} Search;

static bool find_row_index(void *context, Expr *e) {
    Search *s = context;
    const Expr *base = e->kind == EXPR_MEMBER ? e->args[0] : NULL;
    const Symbol *symbol = base && base->kind == EXPR_NAME ? scope_find(s->c->at.scope, base->name)
                           : e->kind == EXPR_NAME          ? scope_find(s->c->at.scope, e->name)
                                                           : NULL;
    if (base && symbol && symbol->kind == SYMBOL_DATA && strcmp(e->name, "all") != 0) {
        Dim *rows = dim_const(s->c->dims, source_batch(s->c, symbol->stmt->data));
        if (!s->of_field)
            s->field = e;
        else if (s->of_field != rows && !s->other)
            s->other = e;
        if (!s->of_field) s->of_field = rows;
    }
    if (!base && may_be_sampled(symbol) && !s->of_name && symbol->type->rank > batch_axis(symbol))
        s->of_name = symbol->type->dims[batch_axis(symbol)];
    return true;
}

/* Returns the number of samples that the view is of: the batch of the source that it reads, else
 * the extent of the first array in it. NULL if it reads neither. */
static Dim *rows_of_view(Check *c, Stmt *s) {
    Search search = {.c = c};
    ast_walk_expr(s->value, find_row_index, &search);
    if (search.other) {
        diag_report(
            c->diag, CODE_VIEW, search.other->span,
            "a view is of the samples of one batch, and this field comes in batches of another "
            "size, %s",
            dim_text(c->arena,
                     dim_const(c->dims,
                               source_batch(c, scope_find(c->at.scope, search.other->args[0]->name)
                                                   ->stmt->data))));
        diag_note(c->diag, search.field->span, "this one in batches of %s",
                  dim_text(c->arena, search.of_field));
    }
    return search.of_field ? search.of_field : search.of_name;
}

Type *type_of_sample(Check *c, Expr *name, Type *whole) {
    const Symbol *s = name->symbol;
    name->is_sample = false;
    if (!c->at.in_view || !c->at.view_rows || !may_be_sampled(s) || whole != s->type) return whole;
    const int axis = batch_axis(s);
    if (whole->rank <= axis || whole->dims[axis] != c->at.view_rows) return whole;
    Dim *dims[MAX_RANK];
    int rank = 0;
    for (int i = 0; i < whole->rank; i++)
        if (i != axis) dims[rank++] = whole->dims[i];
    name->is_sample = true;
    array_push(c->arena, &c->at.view->reads, name);
    return type_make(c, whole->kind, rank, dims);
}

/* ---- one recipe for several arrays ----------------------------------------------------------- */

/* Returns the function that is called if it takes a single array, as its first parameter. NULL for
 * other calls, and after a message about the name. */
static const Stmt *recipe_of(Check *c, const Expr *call) {
    if (call->kind != EXPR_CALL || !call->arg_count) return NULL;
    const int errors = diag_error_count(c->diag);
    if (call->callee->kind == EXPR_NAME && !scope_find(c->at.scope, call->callee->name))
        return NULL;
    check_expr(c, call->callee);
    const Symbol *s = call->callee->symbol;
    if (diag_error_count(c->diag) > errors || !s || s->kind != SYMBOL_FN) return NULL;
    int arrays = 0;
    for (int i = 0; i < s->stmt->param_count; i++)
        arrays += s->stmt->params[i].has_shape;
    return arrays == 1 && s->stmt->params[0].has_shape ? s->stmt : NULL;
}

/* Counts the arrays at the front of the call, which stand without the names of parameters. */
static int arrays_given(Check *c, const Expr *call) {
    int count = 0;
    while (count < call->arg_count && !(call->arg_names && call->arg_names[count])) {
        const Expr *e = call->args[count];
        if (e->kind != EXPR_MEMBER && e->kind != EXPR_NAME) break;
        if (e->kind == EXPR_NAME && !scope_find(c->at.scope, e->name)) break;
        const Type *type = check_expr(c, call->args[count]);
        if (type->rank == 0 && type->kind != KIND_POISON)
            break; /* an unknown name may be an array */
        count++;
    }
    return count;
}

/* Returns a copy of the call in which `array` takes the place of all its arrays. */
static Expr *call_with(Check *c, const Expr *call, int arrays, Expr *array) {
    Expr *copy = arena_new_of(c->arena, Expr);
    *copy = *call;
    copy->arg_count = call->arg_count - arrays + 1;
    copy->args = arena_array(c->arena, Expr *, copy->arg_count);
    if (call->arg_names) copy->arg_names = arena_array(c->arena, const char *, copy->arg_count);
    if (call->arg_names) copy->arg_spans = arena_array(c->arena, Span, copy->arg_count);
    copy->args[0] = array;
    for (int i = 1; i < copy->arg_count; i++) {
        copy->args[i] = call->args[i + arrays - 1];
        if (!call->arg_names) continue;
        copy->arg_names[i] = call->arg_names[i + arrays - 1];
        copy->arg_spans[i] = call->arg_spans[i + arrays - 1];
    }
    return copy;
}

/* Counts the arrays that a recipe of one array is given, however many recipes nest:
 * crop(flip(train.image, train.mask)) has 2. If there are fewer than 2, no recipe is shared. */
static int shared_arrays(Check *c, const Expr *e) {
    if (!recipe_of(c, e)) return 0;
    const int own = arrays_given(c, e);
    return own ? own : shared_arrays(c, e->args[0]);
}

/* Returns the recipe for array `at` alone. Recipes may stand in a chain, whose innermost call is
 * given the arrays. */
static Expr *recipe_for(Check *c, const Expr *e, int arrays, int at) {
    if (arrays_given(c, e)) return call_with(c, e, arrays, e->args[at]);
    return call_with(c, e, 1, recipe_for(c, e->args[0], arrays, at));
}

/* Fills `each` for `view x, m = crop(train.image, train.mask)`. Where a recipe of one array is
 * given as many arrays as the view has names, each name is the recipe done to one of them, and all
 * are drawn alike. A function that takes several arrays itself is no such recipe: `each` stays
 * NULL, and each name is a view of its own. After a message the entries of `each` are NULL. */
static void share_recipe(Check *c, Stmt *s) {
    const int errors = diag_error_count(c->diag);
    const int arrays = shared_arrays(c, s->value);
    bool plain = true;
    for (int i = 0; i < s->param_count; i++)
        plain &= !s->params[i].has_shape;
    if (arrays < 2 || diag_error_count(c->diag) > errors) return;
    if (arrays != s->param_count || !plain) {
        diag_report(c->diag, CODE_VIEW, s->value->span,
                    "a recipe of one array is given %d of them, and draws alike for all: the view "
                    "has %d plain names then, and this one has %d",
                    arrays, arrays, s->param_count);
        s->each = arena_array(c->arena, Expr *, s->param_count);
        return;
    }
    s->each = arena_array(c->arena, Expr *, arrays);
    for (int i = 0; i < arrays; i++)
        s->each[i] = recipe_for(c, s->value, arrays, i);
}

/* ---- the statement --------------------------------------------------------------------------- */

/* Returns the type of a name of the view: [B, ..] for `a`, and [2, B, ..] for `g[2]`. Poison after
 * a message. */
static Type *view_type(Check *c, Param *view, const Type *sample) {
    Dim *dims[MAX_RANK];
    int rank = 0;
    if (view->has_shape) {
        Type *t = check_expr(c, view->dims[0]);
        Dim *count = view->dim_count == 1 ? dim_of(c, view->dims[0]) : NULL;
        if (!count || count->kind != DIM_CONST || count->value < 1 || count->value > MOST_VIEWS) {
            if (t->kind != KIND_POISON)
                diag_report(c->diag, CODE_DIMENSION_UNKNOWN, view->span,
                            "views along an axis have one number from 1 to %d, known at compile "
                            "time: `%s[2]`",
                            MOST_VIEWS, view->name);
            return type_poison(c);
        }
        dims[rank++] = count;
    }
    dims[rank++] = c->at.view_rows;
    for (int i = 0; i < sample->rank; i++)
        dims[rank++] = sample->dims[i];
    return type_make(c, sample->kind, rank, dims);
}

/* True for the types whose elements an array can hold. */
static bool is_of_elements(const Type *t) {
    return t->kind == KIND_REAL || t->kind == KIND_INT || t->kind == KIND_BOOL;
}

static Type *named_type(Check *c, const Stmt *s, Param *p, const Expr *recipe, const Type *sample) {
    if (sample->kind == KIND_POISON) return type_poison(c);
    if (!c->at.view_rows) {
        diag_report(c->diag, CODE_VIEW, s->span,
                    "a view is made of what has the batch in front: a field of the data, like "
                    "`train.image`, another view or a `let`; none is used here");
        return type_poison(c);
    }
    if (is_of_elements(sample) && sample->rank + 1 + p->has_shape <= MAX_RANK)
        return view_type(c, p, sample);
    diag_report(c->diag, CODE_VIEW, recipe->span,
                "a view is a number or an array of at most %d axes for each sample; this is %s",
                MAX_RANK - 1 - p->has_shape, type_text(c->arena, sample));
    return type_poison(c);
}

void check_view(Check *c, Stmt *s) {
    Stmt *outer = c->at.view;
    c->at.in_view = true;
    c->at.view = s;
    c->at.view_rows = rows_of_view(c, s);
    share_recipe(c, s);
    const bool refused = s->each && !s->each[0];
    Type **types = arena_array(c->arena, Type *, s->param_count);
    s->reads.count = 0;
    for (int i = 0; i < s->param_count; i++)
        types[i] = refused         ? type_poison(c)
                   : i && !s->each ? types[0]
                                   : check_expr(c, s->each ? s->each[i] : s->value);
    if (s->each) s->value->type = types[0];
    c->at.in_view = false;
    for (int i = 0; i < s->param_count; i++) {
        Param *p = &s->params[i];
        p->type = named_type(c, s, p, s->each && !refused ? s->each[i] : s->value, types[i]);
        p->symbol = scope_declare(c, SYMBOL_VIEW, p->name, p->span, s, p);
        p->symbol->item = i;
        p->symbol->type = p->type;
        /* The names of a view share one value, whose error is reported once. */
        if (p->type->kind == KIND_POISON && !s->each) {
            types[0] = p->type;
        }
    }
    c->at.view = outer;
    c->at.view_rows = NULL;
}
