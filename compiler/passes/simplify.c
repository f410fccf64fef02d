/* simplify: STOP nodes vanish (their work is done once differentiate has run), what became equal is shared, dead nodes go. Every node is
 * built anew in order, so the constructors' folding applies to it again. */
#include "compiler/passes/passes.h"
#include "compiler/passes/rewrite.h"

void pass_simplify(Graph *g) {
    graph_prune(g);
    rewrite_nodes(g, NULL, true);
    graph_prune(g);
}
