/* stabilise: the log of a value that is made of exps is computed in the log domain, so that no exp overflows or vanishes. It runs before
 * differentiate, so the gradient inherits the shifted form. With lf(e) the log of e,
 *     lf(exp(a)) = a          lf(a * b) = lf(a) + lf(b)       lf(a / b) = lf(a) - lf(b)      lf(c) = log(c), c > 0
 *     lf(sum over r of v) = logsumexp over r of lf(v)          lf(a + b) = m + log1p(exp(-|lf(a) - lf(b)|)), m the larger
 * through the nodes that hold the parts. A log whose argument holds anything else is left as it stands. */
#include "compiler/passes/passes.h"
#include "compiler/passes/rewrite.h"

#include <math.h>

enum { MAX_DEPTH = 32 };

typedef struct LogDomain {
    Graph *g;
    bool has_exp; /* without one there is nothing to gain */
    int depth;
} LogDomain;

static const GExpr *log_form(LogDomain *domain, const GExpr *e);

static const GExpr *log_of_sum_node(LogDomain *domain, const GExpr *load) {
    Graph *g = domain->g;
    ComputeSpec spec;
    graph_open(g, load->tensor, &spec);
    if (spec.active) return NULL; /* inactive elements are 0, whose log is no log-sum-exp */
    spec.value = log_form(domain, spec.value);
    if (!spec.value) return NULL;
    spec.reducer = GR_LSE;
    return gx_load(g, graph_compute(g, &spec), load->tensor->rank, load->args, NULL);
}

static const GExpr *log_of_plain_node(LogDomain *domain, const GExpr *load) {
    ComputeSpec spec;
    graph_open(domain->g, load->tensor, &spec);
    if (spec.active) return NULL;
    return log_form(domain, gx_substitute(domain->g, spec.value, spec.out_rank, spec.out, load->args));
}

static const GExpr *log_of_pair(LogDomain *domain, const GExpr *e) {
    Graph *g = domain->g;
    const GExpr *a = log_form(domain, e->args[0]), *b = a ? log_form(domain, e->args[1]) : NULL;
    if (!b) return NULL;
    if (e->op == G_MUL) return gx2(g, G_ADD, a, b);
    if (e->op == G_DIV) return gx2(g, G_SUB, a, b);
    const GExpr *distance = gx1(g, G_ABS, gx2(g, G_SUB, a, b));
    return gx2(g, G_ADD, gx2(g, G_MAX, a, b), gx1(g, G_LOG1P, gx1(g, G_EXP, gx1(g, G_NEG, distance))));
}

static const GExpr *log_form(LogDomain *domain, const GExpr *e) {
    const GExpr *result = NULL;
    if (++domain->depth > MAX_DEPTH) return NULL;
    switch (e->op) {
    case G_EXP:
        domain->has_exp = true;
        result = e->args[0];
        break;
    case G_CONST:
        if (e->type == GT_REAL && e->real > 0) result = gx_real(domain->g, log(e->real));
        break;
    case G_MUL:
    case G_DIV:
    case G_ADD: result = log_of_pair(domain, e); break;
    case G_LOAD:
        if (e->has_else || e->tensor->kind != GN_COMPUTE || e->type != GT_REAL) break;
        if (e->tensor->reducer == GR_SUM) result = log_of_sum_node(domain, e);
        if (e->tensor->reducer == GR_NONE) result = log_of_plain_node(domain, e);
        break;
    default: break;
    }
    domain->depth--;
    return result;
}

static const GExpr *visit(void *context, Graph *g, const GExpr *e) {
    (void)context;
    if (e->op != G_LOG) return e;
    LogDomain domain = {.g = g};
    const GExpr *form = log_form(&domain, e->args[0]);
    return form && domain.has_exp ? form : e;
}

/* Old nodes stay: names of the method may still stand for them. What nothing uses goes with simplify. */
void pass_stabilise(Graph *g) { rewrite_nodes(g, visit, false); }
