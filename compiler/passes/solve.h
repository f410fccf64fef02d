/* Solves f_k(o, r) = m_k for the indices o and r. So an adjoint finds its way back through the
 * subscripts of a read. */
#ifndef COUPLET_COMPILER_PASSES_SOLVE_H
#define COUPLET_COMPILER_PASSES_SOLVE_H

#include "compiler/graph/graph.h"

enum { MOST_UNKNOWNS = 3 * GRAPH_MAX_RANK };

typedef struct Solver {
    Graph *g;
    int count;
    const GExpr *index[MOST_UNKNOWNS]; /* fresh indices; indices that solving adds come last */
    /* Each index in terms of m and unsolved indices; NULL: not solved. */
    const GExpr *solved[MOST_UNKNOWNS];
    const GExpr *guard; /* the condition for which there is a solution; NULL: there always is one */
} Solver;

/* Solves the equations subscripts[k] = targets[k], in which each target is a fresh index. An index
 * that stays unsolved must be reduced over. */
void solve(Solver *s, const GExpr *const *subscripts, const GExpr *const *targets, int count);
/* Returns the expression with the solution in place of the solved indices. */
const GExpr *solver_apply(const Solver *s, const GExpr *e);

#endif
