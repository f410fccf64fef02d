/* Two walks over a tree: one visits every expression, and the other compares two trees.
 *
 * Both know which fields of a statement hold expressions, so a new field of `Stmt`, `Param` or
 * `Expr` must be added to each of them. `couplet fmt` is safe because of the comparison: what it
 * writes is parsed again and must be the same tree (format_source in format.c). */
#include "lang/ast_walk.h"

#include <string.h>

static void walk_exprs(Expr **exprs, int count, ExprVisitor visit, void *context) {
    for (int i = 0; i < count; i++)
        ast_walk_expr(exprs[i], visit, context);
}

void ast_walk_expr(Expr *e, ExprVisitor visit, void *context) {
    if (!e || !visit(context, e)) return;
    ast_walk_expr(e->callee, visit, context);
    for (int i = 0; i < e->binder_count; i++)
        ast_walk_expr(e->binders[i]->bound, visit, context);
    ast_walk_expr(e->guard, visit, context);
    walk_exprs(e->args, e->arg_count, visit, context);
}

static void walk_params(Param *params, int count, ExprVisitor visit, void *context) {
    for (int i = 0; i < count; i++) {
        walk_exprs(params[i].dims, params[i].dim_count, visit, context);
        ast_walk_expr(params[i].value, visit, context);
        ast_walk_expr(params[i].guard, visit, context);
        walk_exprs(params[i].parts, params[i].part_count, visit, context);
    }
}

void ast_walk_stmt(Stmt *s, ExprVisitor visit, void *context) {
    walk_params(s->config, s->config_count, visit, context);
    walk_params(s->params, s->param_count, visit, context);
    for (int i = 0; i < s->binder_count; i++)
        ast_walk_expr(s->binders[i]->bound, visit, context);
    walk_exprs(s->dims, s->dim_count, visit, context);
    ast_walk_expr(s->value, visit, context);
    ast_walk_expr(s->source, visit, context);
    ast_walk_expr(s->where, visit, context);
    walk_exprs(s->targets, s->target_count, visit, context);
    for (int i = 0; i < s->carry_count; i++)
        ast_walk_stmt(s->carry[i], visit, context);
    for (int i = 0; i < s->body_count; i++)
        ast_walk_stmt(s->body[i], visit, context);
    for (int i = 0; i < s->otherwise_count; i++)
        ast_walk_stmt(s->otherwise[i], visit, context);
}

/* ---- sameness -------------------------------------------------------------------------------- */

static bool same_text(const char *a, const char *b) {
    return a == b || (a && b && strcmp(a, b) == 0);
}

static bool same_expr(const Expr *a, const Expr *b);

static bool same_exprs(Expr *const *a, int a_count, Expr *const *b, int b_count) {
    if (a_count != b_count) return false;
    for (int i = 0; i < a_count; i++)
        if (!same_expr(a[i], b[i])) return false;
    return true;
}

static bool same_binders(Binder *const *a, int a_count, Binder *const *b, int b_count) {
    if (a_count != b_count) return false;
    for (int i = 0; i < a_count; i++)
        if (!same_text(a[i]->name, b[i]->name) || !same_expr(a[i]->bound, b[i]->bound))
            return false;
    return true;
}

static bool same_names(const Expr *a, const Expr *b) {
    for (int i = 0; i < a->arg_count; i++)
        if (!same_text(a->arg_names ? a->arg_names[i] : NULL,
                       b->arg_names ? b->arg_names[i] : NULL))
            return false;
    return true;
}

static bool same_expr(const Expr *a, const Expr *b) {
    if (!a || !b) return a == b;
    return a->kind == b->kind && a->number == b->number && a->is_integer == b->is_integer &&
           a->boolean == b->boolean && a->op == b->op && a->reduce == b->reduce &&
           same_text(a->name, b->name) && same_text(a->text, b->text) &&
           same_expr(a->callee, b->callee) && same_expr(a->guard, b->guard) &&
           same_exprs(a->args, a->arg_count, b->args, b->arg_count) && same_names(a, b) &&
           same_binders(a->binders, a->binder_count, b->binders, b->binder_count);
}

static bool same_params(const Param *a, int a_count, const Param *b, int b_count) {
    if (a_count != b_count) return false;
    for (int i = 0; i < a_count; i++) {
        bool same = same_text(a[i].name, b[i].name) && same_text(a[i].kind_name, b[i].kind_name) &&
                    same_text(a[i].path, b[i].path) && a[i].has_shape == b[i].has_shape &&
                    same_exprs(a[i].dims, a[i].dim_count, b[i].dims, b[i].dim_count) &&
                    same_expr(a[i].value, b[i].value) && same_expr(a[i].guard, b[i].guard) &&
                    same_exprs(a[i].parts, a[i].part_count, b[i].parts, b[i].part_count);
        if (!same) return false;
    }
    return true;
}

static bool same_stmts(Stmt *const *a, int a_count, Stmt *const *b, int b_count);

static bool same_stmt(const Stmt *a, const Stmt *b) {
    return a->kind == b->kind && same_text(a->name, b->name) &&
           same_params(a->params, a->param_count, b->params, b->param_count) &&
           same_params(a->config, a->config_count, b->config, b->config_count) &&
           a->has_config == b->has_config && a->has_params == b->has_params &&
           a->is_function == b->is_function && a->with_state == b->with_state &&
           same_binders(a->binders, a->binder_count, b->binders, b->binder_count) &&
           a->has_dims == b->has_dims && same_exprs(a->dims, a->dim_count, b->dims, b->dim_count) &&
           same_expr(a->value, b->value) && same_expr(a->source, b->source) &&
           same_expr(a->where, b->where) &&
           same_exprs(a->targets, a->target_count, b->targets, b->target_count) &&
           same_text(a->init_name, b->init_name) && a->order == b->order &&
           a->before_forward == b->before_forward && a->of_steps == b->of_steps &&
           same_stmts(a->otherwise, a->otherwise_count, b->otherwise, b->otherwise_count) &&
           same_stmts(a->carry, a->carry_count, b->carry, b->carry_count) &&
           same_stmts(a->body, a->body_count, b->body, b->body_count);
}

static bool same_stmts(Stmt *const *a, int a_count, Stmt *const *b, int b_count) {
    if (a_count != b_count) return false;
    for (int i = 0; i < a_count; i++)
        if (!same_stmt(a[i], b[i])) return false;
    return true;
}

bool ast_same_module(const Module *a, const Module *b) {
    return same_stmts(a->stmts, a->stmt_count, b->stmts, b->stmt_count);
}
