/* Checks what must hold of every graph: after every pass, and of every text that graph_read
 * takes. */
#include "compiler/graph/node_set.h"
#include "compiler/graph/private.h"
#include "compiler/graph/visit.h"

#include <string.h>

typedef struct Verify {
    const Graph *g;
    const GNode *node;
    NodeSet before;  /* the nodes that come before the node at hand */
    ExprMap checked; /* by part that was checked: its largest index */
    char *sentence;
    size_t size;
} Verify;

static bool wrong(Verify *v, const char *what) {
    if (v->sentence[0]) return false;
    snprintf(v->sentence, v->size, "node %%%u%s%s %s", v->node->id, v->node->name ? " " : "",
             v->node->name ? v->node->name : "", what);
    return false;
}

/* ---- expressions ----------------------------------------------------------------------------- */

/* The types that an operation takes, as sets of bits. */
enum {
    REAL = 1 << GT_REAL,
    INT = 1 << GT_INT,
    BOOL = 1 << GT_BOOL,
    NUMBER = REAL | INT,
    ANY_TYPE = NUMBER | BOOL
};

static int taken_types(GOp op) {
    enum {
        real = REAL,
        integer = INT,
        truth = BOOL,
        number = NUMBER,
        whole = INT | BOOL,
        any = ANY_TYPE
    };
    static const int types[G_OP_COUNT] = {
        [G_RANDOM] = INT,
#define SCALAR(name, text, arity, takes, ...) [G_##name] = takes,
#include "compiler/graph/scalars.def"
#undef SCALAR
    };
    return types[op];
}

static bool check_load(Verify *v, const GExpr *e) {
    int rank = e->tensor->rank;
    if (!node_set_holds(&v->before, e->tensor))
        return wrong(v, "reads a node that does not come before it");
    if (e->arg_count != rank + (e->has_else ? 1 : 0))
        return wrong(v, "reads with a wrong number of indices");
    for (int i = 0; i < rank; i++)
        if (e->args[i]->type != GT_INT) return wrong(v, "reads at an index that is no integer");
    if (e->has_else && e->args[rank]->type != e->type)
        return wrong(v, "reads with an else of another type");
    return true;
}

static bool check_types(Verify *v, const GExpr *e) {
    if (e->op == G_CONST || e->op == G_INDEX) return true;
    if (e->op == G_LOAD) return check_load(v, e);
    if (e->op == G_SELECT)
        return (e->args[0]->type == GT_BOOL && e->args[1]->type == e->args[2]->type) ||
               wrong(v, "selects between unlike types");
    int taken = taken_types(e->op);
    for (int i = 0; i < e->arg_count; i++) {
        if (!(taken & 1 << e->args[i]->type))
            return wrong(v, "hands an operation a type that it does not take");
        if (e->args[i]->type != e->args[0]->type) return wrong(v, "mixes types in one operation");
    }
    if (e->op != G_RANDOM) return true;
    bool fixed = e->args[0]->op == G_CONST && e->args[2]->op == G_CONST &&
                 e->args[2]->integer >= 0 && e->args[2]->integer < 4;
    return fixed || wrong(v, "draws at a site or lane that is no constant");
}

/* Checks a part. Each part is checked once for all nodes, because the nodes before one node are
 * also before all later ones. Returns the largest number of an index in the part. */
static ExprValue check_part(void *context, const GExpr *e, const ExprValue *args) {
    Verify *v = context;
    ExprValue largest = {.integer = -1};
    if (e->op == G_INDEX) {
        largest.integer = e->index < 0 ? INT64_MAX : e->index;
    }
    for (int i = 0; i < e->arg_count; i++)
        if (args[i].integer > largest.integer) largest = args[i];
    if (!v->sentence[0]) check_types(v, e);
    return largest;
}

static bool check_expr(Verify *v, const GExpr *e, int index_count) {
    const int64_t largest = expr_fold_rest(&v->checked, e, NULL, check_part, v).integer;
    if (largest >= index_count) {
        wrong(v, "uses an index that is not its own");
    }
    return !v->sentence[0];
}

static bool check_condition(Verify *v, const GExpr *e, int index_count) {
    if (!e) return true;
    return (e->type == GT_BOOL || wrong(v, "has a guard or an active that is no condition")) &&
           check_expr(v, e, index_count);
}

/* ---- nodes ----------------------------------------------------------------------------------- */

static int reduced_types(GReducer reducer) {
    enum {
        any = ANY_TYPE,
        number = NUMBER,
        real = REAL,
        truth = BOOL,
    };
    static const int types[GRAPH_REDUCERS] = {
#define REDUCER(name, word, label, takes, ...) takes,
#include "compiler/graph/reducers.def"
#undef REDUCER
    };
    return types[reducer];
}

static bool check_compute(Verify *v, const GNode *n) {
    int all = n->rank + n->red_rank;
    if (n->reducer == GR_NONE && n->red_rank) return wrong(v, "has reduced indices and no reducer");
    if (n->reducer == GR_NONE && n->guard) return wrong(v, "has a guard and no reducer");
    for (int i = 0; i < n->red_rank; i++)
        if (n->red_shape[i] < 1) return wrong(v, "reduces over an empty axis");
    if (!check_condition(v, n->guard, all) || !check_condition(v, n->active, n->rank)) return false;
    if (!check_expr(v, n->value, all)) return false;
    return (reduced_types(n->reducer) & 1 << n->value->type) ||
           wrong(v, "reduces a type that its reducer does not take");
}

static bool check_topk(Verify *v, const GNode *n) {
    bool same = n->operand->rank == n->rank && n->rank > 0;
    for (int i = 0; same && i + 1 < n->rank; i++)
        same = n->shape[i] == n->operand->shape[i];
    return (same && n->shape[n->rank - 1] <= n->operand->shape[n->rank - 1]) ||
           wrong(v, "takes more of a row than there is");
}

/* Checks a library call: every operand must be a real array whose last axes make a row, and all
 * operands must have as many rows. */
static bool check_call(Verify *v, const GNode *n) {
    const CoupletCall *row = &couplet_calls[n->call];
    int batch = n->rank - row->result_axes;
    for (int i = 0; i < n->operand_count; i++) {
        const GNode *operand = n->operands[i];
        if (!node_set_holds(&v->before, operand) || operand->type != GT_REAL)
            return wrong(v, "calls with an array that is not real, or does not come before it");
        if (operand->rank != batch + row->operand_axes[i])
            return wrong(v, "calls with an array of a wrong number of axes");
        for (int k = 0; k < batch; k++)
            if (operand->shape[k] != n->shape[k])
                return wrong(v, "calls with arrays of unequal numbers of rows");
        for (int k = batch; k < operand->rank; k++)
            if (i > 0 && operand->shape[k] != n->operands[0]->shape[k])
                return wrong(v, "calls with rows of unequal sizes");
    }
    int64_t *first = n->operands[0]->shape + batch;
    switch (n->call) {
    case COUPLET_CALL_SOLVE:
        return first[0] == first[1] || wrong(v, "solves with a matrix that is not square");
    case COUPLET_CALL_ASSIGNMENT:
        return first[0] <= first[1] || wrong(v, "assigns more rows than there are columns");
    case COUPLET_CALL_ARGSORT:
    case COUPLET_CALL_SELECT:
    case COUPLET_CALL_BETA_QUANTILE:
    case COUPLET_CALL_COUNT:
        break;
    }
    return n->rank == batch || n->shape[batch] <= first[0] ||
           wrong(v, "takes more of a row than there is");
}

static bool check_node(Verify *v, const GNode *n) {
    v->node = n;
    for (int i = 0; i < n->rank; i++)
        if (n->shape[i] < 1) return wrong(v, "has an empty axis");
    if (n->operand && !node_set_holds(&v->before, n->operand))
        return wrong(v, "reads a node that does not come before it");
    if (n->kind == GN_TOPK) return check_topk(v, n);
    if (n->kind == GN_CALL) return check_call(v, n);
    return n->kind != GN_COMPUTE || check_compute(v, n);
}

/* ---- what the graph leaves behind ------------------------------------------------------------ */

static bool same_rows(const GNode *a, const GNode *b) {
    bool same = a->type == b->type && a->rank == b->rank;
    for (int i = 1; same && i < a->rank; i++)
        same = a->shape[i] == b->shape[i];
    return same;
}

static bool check_commit(Verify *v, const GCommit *c) {
    v->node = c->state;
    if (c->state->kind != GN_STATE) return wrong(v, "is renewed and no state");
    if (!node_set_holds(&v->before, c->value) || (c->rows && !node_set_holds(&v->before, c->rows)))
        return wrong(v, "is renewed by a node that is not in the graph");
    if (!same_rows(c->state, c->value)) return wrong(v, "is renewed by an array of another shape");
    switch (c->kind) {
    case COMMIT_ASSIGN:
        return c->state->rank == 0 || c->state->shape[0] == c->value->shape[0] ||
               wrong(v, "is renewed by an array of another shape");
    case COMMIT_PUSH:
        return (c->head && c->fill && c->state->rank > 0 &&
                c->value->shape[0] <= c->state->shape[0]) ||
               wrong(v, "is a queue that takes more rows than it has");
    case COMMIT_ROWS:
        return (c->rows && c->rows->type == GT_INT && c->rows->rank == 1 && c->state->rank > 0 &&
                c->rows->shape[0] == c->value->shape[0]) ||
               wrong(v, "is written at rows that do not fit its values");
    }
    return true;
}

static bool check_graph(Verify *v) {
    const Graph *g = v->g;
    for (int i = 0; i < g->nodes.count; i++) {
        if (!check_node(v, g->nodes.items[i])) return false;
        node_set_add(&v->before, g->nodes.items[i]);
    }
    for (int i = 0; i < g->outputs.count; i++) {
        v->node = g->outputs.items[i].node;
        if (!node_set_holds(&v->before, v->node))
            return wrong(v, "is an output and not in the graph");
    }
    for (int i = 0; i < g->commits.count; i++)
        if (!check_commit(v, &g->commits.items[i])) return false;
    return true;
}

const char *graph_verify(const Graph *g) {
    Verify v = {.g = g, .sentence = arena_alloc(g->arena, 512), .size = 512};
    node_set_open(&v.before, g);
    expr_map_open(&v.checked);
    bool good = check_graph(&v);
    expr_map_close(&v.checked);
    node_set_close(&v.before);
    return good ? NULL : v.sentence;
}
