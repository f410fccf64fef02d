/* Every expression below a statement, for tools that look at a tree without caring which statement
 * holds what. */
#ifndef COUPLET_LANG_AST_WALK_H
#define COUPLET_LANG_AST_WALK_H

#include "lang/ast.h"

/* Called before what is below; false: nothing below is visited. */
typedef bool (*ExprVisitor)(void *context, Expr *e);

void ast_walk_expr(Expr *e, ExprVisitor visit, void *context);
/* The expressions of the statement and of the statements in its body. */
void ast_walk_stmt(Stmt *s, ExprVisitor visit, void *context);
void ast_walk_module(Module *m, ExprVisitor visit, void *context);

/* Do two trees mean the same, apart from places? */
bool ast_same_module(const Module *a, const Module *b);

#endif
