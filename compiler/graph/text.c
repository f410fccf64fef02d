/* The graph as text: one node a line or a few, for --print-after and goldens. */
#include "compiler/graph/graph.h"

#include <string.h>

static const char *const names[G_OP_COUNT] = {
#define SCALAR(name, text, arity, result, rule, domain) [G_##name] = text,
#include "compiler/graph/scalars.def"
#undef SCALAR
};
static const char *const types[] = {"real", "int", "bool", "u8"};
static const char *const reducers[] = {"none", "sum", "max", "min", "argmax", "argmin", "any", "all", "lse"};

static void print_expr(const GExpr *e, FILE *out) {
    switch (e->op) {
    case G_CONST:
        if (e->type == GT_REAL) fprintf(out, "%.17g%s", e->real, e->real == (double)(int64_t)e->real ? ".0" : "");
        else if (e->type == GT_BOOL) fprintf(out, "%s", e->integer ? "true" : "false");
        else fprintf(out, "%lld", (long long)e->integer);
        return;
    case G_INDEX: fprintf(out, "i%d", e->index); return;
    case G_LOAD: {
        int rank = e->tensor->rank;
        fprintf(out, "%%%u[", e->tensor->id);
        for (int i = 0; i < rank; i++) {
            if (i) fprintf(out, ", ");
            print_expr(e->args[i], out);
        }
        if (e->has_else) {
            fprintf(out, " else ");
            print_expr(e->args[rank], out);
        }
        fprintf(out, "]");
        return;
    }
    default: break;
    }
    fprintf(out, "%s(", e->op == G_RANDOM ? "random" : names[e->op]);
    for (int i = 0; i < e->arg_count; i++) {
        if (i) fprintf(out, ", ");
        print_expr(e->args[i], out);
    }
    fprintf(out, ")");
}

static void print_shape(const int64_t *shape, int rank, FILE *out) {
    fprintf(out, "[");
    for (int i = 0; i < rank; i++) fprintf(out, "%s%lld", i ? ", " : "", (long long)shape[i]);
    fprintf(out, "]");
}

static void print_compute(const GNode *n, FILE *out) {
    fprintf(out, "compute %s", reducers[n->reducer]);
    if (n->red_rank) print_shape(n->red_shape, n->red_rank, out);
    if (n->empty_is_error) fprintf(out, " nonempty");
    if (n->active) {
        fprintf(out, "\n    active ");
        print_expr(n->active, out);
    }
    if (n->guard) {
        fprintf(out, "\n    where ");
        print_expr(n->guard, out);
    }
    fprintf(out, "\n    = ");
    print_expr(n->value, out);
}

static void print_node(const GNode *n, FILE *out) {
    fprintf(out, "%%%u : %s", n->id, types[n->type]);
    if (n->rank) print_shape(n->shape, n->rank, out);
    fprintf(out, " = ");
    switch (n->kind) {
    case GN_INPUT: fprintf(out, "input \"%s\"", n->name); break;
    case GN_STATE: fprintf(out, "state \"%s\"", n->name); break;
    case GN_CONST: fprintf(out, "const"); break;
    case GN_STOP: fprintf(out, "stop %%%u", n->operand->id); break;
    case GN_TOPK: fprintf(out, "topk %%%u", n->operand->id); break;
    case GN_COMPUTE: print_compute(n, out); break;
    }
    if (n->span.source) fprintf(out, "    # %s:%d", n->span.source->path, n->span.line);
    fprintf(out, "\n");
}

void graph_print(const Graph *g, FILE *out) {
    static const char *const commits[] = {"assign", "push", "rows"};
    fprintf(out, "graph %s {\n", g->name);
    for (int i = 0; i < g->nodes.count; i++) print_node(g->nodes.items[i], out);
    for (int i = 0; i < g->outputs.count; i++) fprintf(out, "output \"%s\" %%%u\n", g->outputs.items[i].name, g->outputs.items[i].node->id);
    for (int i = 0; i < g->commits.count; i++)
        fprintf(out, "commit %s \"%s\" <- %%%u\n", commits[g->commits.items[i].kind], g->commits.items[i].state->name, g->commits.items[i].value->id);
    fprintf(out, "}\n");
}
