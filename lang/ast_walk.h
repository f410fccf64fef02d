/* Walks over every expression below a statement, for code that need not know which statement holds
 * which expressions. */
#ifndef COUPLET_LANG_AST_WALK_H
#define COUPLET_LANG_AST_WALK_H

#include "lang/ast.h"

/* Called for an expression before the expressions below it. If it returns false, those are not
 * visited. */
typedef bool (*ExprVisitor)(void *context, Expr *e);

void ast_walk_expr(Expr *e, ExprVisitor visit, void *context);
/* Visits the expressions of a statement, and of the statements in its blocks. */
void ast_walk_stmt(Stmt *s, ExprVisitor visit, void *context);

/* True if two trees are the same, apart from places. */
bool ast_same_module(const Module *a, const Module *b);

#endif
