/* The rewriter of expressions. It meets each part once, constants and indices as often as they
 * stand, and rewrites equal parts alike. gx_rewrite (graph.h) is a rewriter that is used once. */
#ifndef COUPLET_COMPILER_GRAPH_REWRITER_H
#define COUPLET_COMPILER_GRAPH_REWRITER_H

#include "compiler/graph/visit.h"

typedef struct GRewriter {
    Graph *g;
    /* Gives what replaces a part, whose arguments are then left out; NULL goes on with them. May
     * itself be NULL. */
    GVisit before;
    /* Gives what replaces a part whose arguments are rewritten. May be NULL. */
    GVisit after;
    void *context;
    ExprMap done;
} GRewriter;

/* A rewriter that was opened must be closed. It remembers what it has rewritten from one expression
 * to the next. */
void gx_rewriter_open(GRewriter *r, Graph *g, GVisit before, GVisit after, void *context);
void gx_rewriter_close(GRewriter *r);
/* Rewrites an expression; NULL gives NULL. `before` and `after` may call this function. */
const GExpr *gx_rewriter_apply(GRewriter *r, const GExpr *e);

#endif
