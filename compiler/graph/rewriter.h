/* The rewriter of expressions. It meets each part once (constants and indices as often as they
 * stand), and rewrites equal parts alike. gx_rewrite (graph.h) is a rewriter that is used once. */
#ifndef COUPLET_COMPILER_GRAPH_REWRITER_H
#define COUPLET_COMPILER_GRAPH_REWRITER_H

#include "compiler/graph/visit.h"

typedef struct GRewriter {
    Graph *g;
    /* Returns what replaces a part, whose arguments are then not rewritten. Returns NULL to go on
     * with the arguments. May itself be NULL. */
    GVisit before;
    /* Returns what replaces a part whose arguments have been rewritten. May be NULL. */
    GVisit after;
    void *context;
    ExprMap done;
} GRewriter;

/* Open and close a rewriter. An open rewriter remembers what it has rewritten, from one expression
 * to the next. */
void gx_rewriter_open(GRewriter *r, Graph *g, GVisit before, GVisit after, void *context);
void gx_rewriter_close(GRewriter *r);
/* Returns the rewritten expression; NULL gives NULL. `before` and `after` may call this
 * function. */
const GExpr *gx_rewriter_apply(GRewriter *r, const GExpr *e);

#endif
