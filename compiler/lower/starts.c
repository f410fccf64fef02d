/* The starts of parameters and states, which one graph computes before the first step. A start may
 * read what is known then: numbers, hypers and draws of its own. */
#include "compiler/graph/visit.h"
#include "compiler/lower/internal.h"
#include "lang/ast_walk.h"

#include <stdlib.h>
#include <string.h>

static GNode *fill_with(Lower *l, const ProgramState *s, const GExpr *const *axes,
                        const GExpr *value) {
    ComputeSpec spec;
    memset(&spec, 0, sizeof spec);
    spec.reducer = GR_NONE;
    spec.out_rank = s->rank;
    memcpy(spec.out, axes, sizeof *axes * (size_t)s->rank);
    spec.value = s->type == GT_REAL ? lower_as_real(l, value) : value;
    spec.name = s->name;
    spec.span = s->span;
    return graph_compute(l->g, &spec);
}

static bool is_of_graph(const Graph *g, const GNode *node) {
    for (int i = g->nodes.count - 1; i >= 0; i--)
        if (g->nodes.items[i] == node) return true;
    return false;
}

/* True for the names whose value is that of the moment, `step`, `steps` and `epoch`. */
static bool is_clock(const char *name) {
    return strcmp(name, "step") == 0 || strcmp(name, "steps") == 0 || strcmp(name, "epoch") == 0;
}

/* What a start reads and nothing provides before the first step. */
typedef struct StartReads {
    const Graph *g;
    bool found;
} StartReads;

/* Finds a read of a batch or of a whole table, which are the inputs with axes, of the clock, or of
 * a node of another graph, which is that of the steps. */
static VisitStep find_absent(void *context, const GExpr *e) {
    StartReads *r = context;
    if (e->op != G_LOAD) return VISIT_INSIDE;
    const GNode *read = e->tensor;
    const bool is_absent = read->kind == GN_INPUT && (read->rank > 0 || is_clock(read->name));
    r->found |= is_absent || !is_of_graph(r->g, read);
    return r->found ? VISIT_END : VISIT_INSIDE;
}

/* True for a name whose value belongs to a step, unless it is a let. */
static bool is_of_step(const Symbol *symbol) {
    switch (symbol->kind) {
    case SYMBOL_DRAW:
    case SYMBOL_PARAM:
    case SYMBOL_STATE:
    case SYMBOL_NET:
    case SYMBOL_NET_PART:
    case SYMBOL_NET_STATE:
    case SYMBOL_QUEUE:
    case SYMBOL_COLUMN:
    case SYMBOL_FIELD:
    case SYMBOL_VIEW:
    case SYMBOL_STAGE:
    case SYMBOL_ARGUMENT:
        return true;
    case SYMBOL_BUILTIN:
        return is_clock(symbol->name);
    case SYMBOL_POISON:
    case SYMBOL_MODULE:
    case SYMBOL_DATA:
    case SYMBOL_HYPER:
    case SYMBOL_FN:
    case SYMBOL_OPTIMISER:
    case SYMBOL_LET:
    case SYMBOL_LET_FN:
    case SYMBOL_CONFIG:
    case SYMBOL_DIMENSION:
    case SYMBOL_INDEX:
        return false;
    }
    return false;
}

/* True if the nodes from number `first` on read something of a step. */
static bool reads_step_since(const Lower *l, int first) {
    StartReads r = {.g = l->g};
    for (int i = first; i < l->g->nodes.count && !r.found; i++) {
        const GNode *n = l->g->nodes.items[i];
        if (n->kind == GN_COMPUTE) expr_visit_node(n, find_absent, &r);
        for (int k = 0; k < n->operand_count && !r.found; k++)
            r.found = !is_of_graph(l->g, n->operands[k]);
        r.found |= n->operand && !is_of_graph(l->g, n->operand);
    }
    return r.found;
}

/* ---- lets in starts -------------------------------------------------------------------------- */

/* Of a hyper s, `let t = 2 * s` has its value in the graph of the steps. For a start that reads t,
 * the value is made anew in the graph of the starts, in a frame of its own. */
typedef struct StartLets {
    Lower *l;
    Frame *frame;
    ARRAY(const Symbol *) lets; /* those that the start reads, directly or by another let */
    Map found;                  /* by the symbol of a let: the symbol, if it is among them */
    Map known;                  /* the same, if its value is made anew */
    const Expr *of_step;        /* the first name of a step in the expression at hand; or NULL */
} StartLets;

static const Symbol *named_by(const Expr *e) {
    return e->kind == EXPR_NAME || e->kind == EXPR_MEMBER ? e->symbol : NULL;
}

/* True for a let whose value is an array or a number that the graph computes. */
static bool is_computed_let(const StartLets *s, const Symbol *symbol) {
    if (symbol->kind != SYMBOL_LET) return false;
    const Value *value = frame_find(s->frame, symbol);
    return value && !value->is_static &&
           (value->kind == VALUE_SCALAR || value->kind == VALUE_ARRAY);
}

static bool find_lets(void *context, Expr *e) {
    StartLets *s = context;
    const Symbol *symbol = named_by(e);
    if (!symbol || !is_computed_let(s, symbol) || map_get(&s->found, symbol)) return true;
    map_put(s->l->arena, &s->found, symbol, (void *)(uintptr_t)symbol);
    array_push(s->l->arena, &s->lets, symbol);
    return true;
}

/* Finds the first name whose value belongs to a step. */
static bool find_of_step(void *context, Expr *e) {
    StartLets *s = context;
    const Symbol *symbol = named_by(e);
    if (!s->of_step && symbol &&
        (is_of_step(symbol) || (is_computed_let(s, symbol) && !map_get(&s->known, symbol))))
        s->of_step = e;
    return !s->of_step;
}

static const Expr *name_of_step(StartLets *s, const Expr *e) {
    s->of_step = NULL;
    ast_walk_expr((Expr *)(uintptr_t)e, find_of_step, s);
    return s->of_step;
}

static VisitStep find_draw(void *context, const GExpr *e) {
    (void)context;
    return e->op == G_RANDOM ? VISIT_END : VISIT_INSIDE;
}

/* Makes the value of a let in the graph of the starts, if it is made of numbers and hypers. */
static void make_let(StartLets *s, const Symbol *let) {
    Lower *l = s->l;
    if (let->stmt->kind != STMT_LET || let->stmt->scan || name_of_step(s, let->stmt->value)) return;
    const int first = l->g->nodes.count;
    const Value value = let_value(l, let->stmt);
    bool is_drawn = false;
    for (int i = first; i < l->g->nodes.count; i++)
        is_drawn |= expr_visit_node(l->g->nodes.items[i], find_draw, NULL);
    if (is_drawn || reads_step_since(l, first)) {
        l->g->nodes.count = first;
        return;
    }
    frame_set(l, s->frame, let, value);
    map_put(l->arena, &s->known, let, (void *)(uintptr_t)let);
}

static int in_text(const void *a, const void *b) {
    const Symbol *const *x = a, *const *y = b;
    return ((*x)->span.begin > (*y)->span.begin) - ((*x)->span.begin < (*y)->span.begin);
}

/* Makes the lets that a start reads. A let reads only lets that stand before it. */
static void make_lets(StartLets *s, const Expr *start) {
    ast_walk_expr((Expr *)(uintptr_t)start, find_lets, s);
    for (int i = 0; i < s->lets.count; i++)
        ast_walk_stmt(s->lets.items[i]->stmt, find_lets, s);
    if (s->lets.count) qsort(s->lets.items, (size_t)s->lets.count, sizeof *s->lets.items, in_text);
    for (int i = 0; i < s->lets.count; i++)
        make_let(s, s->lets.items[i]);
}

/* True if the start can be computed before the first step. False after a message. `first` is the
 * first of the nodes that were made for the start. */
static bool is_known_at_start(StartLets *s, const StateRecord *record, int first) {
    Lower *l = s->l;
    if (!reads_step_since(l, first)) return true;
    const Expr *named = name_of_step(s, record->start);
    const Span span = named ? named->span : record->start->span;
    diag_report(l->diag, CODE_START_READS, span,
                "the start of `%s` reads `%.*s`, which is not there before the first step",
                record->state.name, span.end - span.begin, span.source->text + span.begin);
    diag_suggest(
        l->diag,
        "a start is made of numbers, hypers, distributions, and lets and functions of them");
    return false;
}

/* Makes the start of a state: rows of unit length, zeros, a draw, or the expression that is
 * declared. */
static GNode *start_of(Lower *l, const StateRecord *record) {
    Graph *g = l->g;
    const ProgramState *s = &record->state;
    const GExpr *axes[GRAPH_MAX_RANK];
    for (int i = 0; i < s->rank; i++)
        axes[i] = graph_fresh_index(g, s->shape[i]);
    int64_t site = site_key(record->origin);
    if (record->init_name && strcmp(record->init_name, "unit_normal") == 0 && s->rank >= 1) {
        GNode *raw = fill_with(l, s, axes, draw_at(l, NULL, site, axes, s->rank));
        Value rows = value_array(raw);
        return lower_normalise(l, &rows, 1e-12, s->span).tensor;
    }
    if (!record->start)
        return fill_with(l, s, axes, s->type == GT_REAL ? gx_real(g, 0) : gx_int(g, 0));
    Frame *outer = l->frame;
    l->frame = frame_new(l, record->frame);
    StartLets lets = {.l = l, .frame = l->frame};
    make_lets(&lets, record->start);
    const int first = g->nodes.count;
    GNode *node;
    if (call_is_distribution(record->start)) {
        node = fill_with(l, s, axes, draw_at(l, record->start, site, axes, s->rank));
    } else {
        Value value = lower_value(l, record->start);
        node = fill_with(l, s, axes, value_element(l, &value, axes, s->span));
    }
    l->frame = outer;
    if (!is_known_at_start(&lets, record, first)) g->nodes.count = first;
    return node;
}

void lower_starts(Lower *l) {
    for (int i = 0; i < l->records.count; i++) {
        const StateRecord *record = &l->records.items[i];
        const ProgramState *s = &record->state;
        GNode *value = start_of(l, record);
        GCommit commit;
        memset(&commit, 0, sizeof commit);
        commit.kind = COMMIT_ASSIGN;
        commit.state = graph_state(l->g, s->name, s->type, s->rank, s->shape, s->span);
        commit.value = value;
        array_push(l->g->arena, &l->g->commits, commit);
    }
}
