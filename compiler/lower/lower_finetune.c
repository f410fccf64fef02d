/* `eval { finetune(..) }`: one step of training a network and a linear classifier of its features
 * on labelled rows of the bank. The runtime makes the steps and puts all states back (finetune.c
 * there).
 *
 * The classifier is softmax regression that starts at 0. Every parameter goes down its gradient,
 * without momentum, at a rate that falls to 0 along half a cosine. */
#include "compiler/lower/internal.h"

#include <math.h>
#include <string.h>

enum { ROWS = 64 /* the samples of a step */ };

/* ---- forward --------------------------------------------------------------------------------- */

static GNode *classifier_state(Lower *l, const char *name, int rank, const int64_t *shape,
                               Span span) {
    StateRecord record;
    memset(&record, 0, sizeof record);
    record.state = (ProgramState){.name = arena_intern(l->arena, name, strlen(name)),
                                  .role = ROLE_OPTIMISER,
                                  .type = GT_REAL,
                                  .rank = rank,
                                  .span = span};
    memcpy(record.state.shape, shape, sizeof *shape * (size_t)rank);
    record.frame = l->root;
    record.origin = record.state.name;
    array_push(l->arena, &l->records, record);
    return state_node(l, record.state.name);
}

static GNode *compute_node(Lower *l, GReducer reducer, int out_count, const GExpr *const *out,
                           const GExpr *reduced, const GExpr *value, Span span) {
    ComputeSpec spec;
    memset(&spec, 0, sizeof spec);
    spec.reducer = reducer;
    spec.out_rank = out_count;
    for (int i = 0; i < out_count; i++)
        spec.out[i] = out[i];
    spec.red_rank = reduced != NULL;
    spec.red[0] = reduced;
    spec.value = value;
    spec.span = span;
    return graph_compute(l->g, &spec);
}

/* z[i, c] = b[c] + sum[d] features[i, d] * W[c, d] */
static GNode *log_odds(Lower *l, GNode *features, GNode *weights, GNode *bias, Span span) {
    Graph *g = l->g;
    const GExpr *i = graph_fresh_index(g, ROWS);
    const GExpr *c = graph_fresh_index(g, weights->shape[0]);
    const GExpr *d = graph_fresh_index(g, features->shape[1]);
    const GExpr *const out[] = {i, c};
    const GExpr *const row[] = {i, d};
    const GExpr *const column[] = {c, d};
    const GExpr *product =
        gx2(g, G_MUL, gx_load(g, features, 2, row, NULL), gx_load(g, weights, 2, column, NULL));
    GNode *sum = compute_node(l, GR_SUM, 2, out, d, product, span);
    const GExpr *j = graph_fresh_index(g, ROWS);
    const GExpr *k = graph_fresh_index(g, weights->shape[0]);
    const GExpr *const at[] = {j, k};
    return compute_node(l, GR_NONE, 2, at, NULL,
                        gx2(g, G_ADD, gx_load(g, sum, 2, at, NULL), gx_load(g, bias, 1, &k, NULL)),
                        span);
}

/* mean[i] (logsumexp[c] z[i, c] - z[i, label[i]]) */
static GNode *cross_entropy(Lower *l, GNode *z, GNode *labels, Span span) {
    Graph *g = l->g;
    const GExpr *i = graph_fresh_index(g, ROWS);
    const GExpr *c = graph_fresh_index(g, z->shape[1]);
    const GExpr *k = graph_fresh_index(g, ROWS);
    const GExpr *const at[] = {i, c};
    const GExpr *const chosen[] = {k, gx_load(g, labels, 1, &k, NULL)};
    GNode *totals = compute_node(l, GR_LSE, 1, &i, c, gx_load(g, z, 2, at, NULL), span);
    const GExpr *total = gx_load(g, totals, 1, &k, NULL);
    const GExpr *loss = gx2(g, G_SUB, total, gx_load(g, z, 2, chosen, NULL));
    GNode *sum = compute_node(l, GR_SUM, 0, NULL, k, loss, span);
    const GExpr *all = gx_load(g, sum, 0, NULL, NULL);
    const GExpr *mean = gx2(g, G_DIV, all, gx_real(g, ROWS));
    return compute_node(l, GR_NONE, 0, NULL, NULL, mean, span);
}

/* ---- backward -------------------------------------------------------------------------------- */

static bool is_trained(Lower *l, const GNode *n, const LoweredEval *eval) {
    const StateRecord *record = n->kind == GN_STATE ? state_find_record(l, n->name) : NULL;
    if (!record || n->type != GT_REAL) return false;
    return record->state.role == ROLE_PARAM || strcmp(n->name, eval->weights) == 0 ||
           strcmp(n->name, eval->bias) == 0;
}

static void find_wanted(Lower *l, GraphUnit *unit, const LoweredEval *eval) {
    Graph *g = unit->graph;
    UnitLoss *loss = arena_new_of(l->arena, UnitLoss);
    loss->wanted = arena_array(l->arena, GNode *, g->nodes.count + 1);
    loss->gradients = arena_array(l->arena, GNode *, g->nodes.count + 1);
    for (int i = 0; i < g->nodes.count; i++)
        if (is_trained(l, g->nodes.items[i], eval)) loss->wanted[loss->count++] = g->nodes.items[i];
    unit->losses = loss;
    unit->loss_count = 1;
}

void lower_finetune_loss(GraphUnit *unit) {
    unit->losses[0].value = unit->graph->outputs.items[0].node;
}

/* rate * (1 + cos(pi * step / steps)) / 2 */
static const GExpr *rate_now(Lower *l, double rate, Span span) {
    Graph *g = l->g;
    const GExpr *part = NULL;
    static const char *const names[] = {"step", "steps"};
    for (int i = 0; i < 2; i++) {
        GNode *clock = graph_input(g, names[i], GT_INT, 0, NULL, span);
        const GExpr *now = gx1(g, G_TO_REAL, gx_load(g, clock, 0, NULL, NULL));
        part = part ? gx2(g, G_DIV, part, now) : now;
    }
    const GExpr *wave = gx1(g, G_COS, gx2(g, G_MUL, gx_real(g, acos(-1)), part));
    const GExpr *now = gx2(g, G_MUL, gx_real(g, rate / 2), gx2(g, G_ADD, gx_real(g, 1), wave));
    return lower_hoist_scalar(l, now, "rate", span);
}

void lower_finetune_updates(Lower *l, GraphUnit *unit) {
    const UnitLoss *loss = &unit->losses[0];
    Graph *g = l->g = unit->graph;
    const GExpr *rate = rate_now(l, unit->eval->rate, unit->eval->span);
    for (int i = 0; i < loss->count; i++) {
        GNode *p = loss->wanted[i];
        GNode *slope = loss->gradients[i];
        const GExpr *axes[GRAPH_MAX_RANK];
        if (!slope) continue;
        for (int a = 0; a < p->rank; a++)
            axes[a] = graph_fresh_index(g, p->shape[a]);
        const GExpr *moved = gx2(g, G_SUB, gx_load(g, p, p->rank, axes, NULL),
                                 gx2(g, G_MUL, rate, gx_load(g, slope, p->rank, axes, NULL)));
        state_commit(l, p, lower_array_from(l, moved, axes, p->rank, NULL, p->span).tensor);
    }
}

/* ---- the step -------------------------------------------------------------------------------- */

static bool can_be_tuned(Lower *l, const LoweredEval *eval, int64_t classes) {
    if (!eval->network) {
        diag_report(l->diag, CODE_EVALUATION, eval->span,
                    "fine-tuning trains one network that is given one field, and these features "
                    "are a formula");
        return false;
    }
    if (classes > 0) return true;
    diag_report(l->diag, CODE_EVALUATION, eval->span,
                "fine-tuning tells classes, and the values of `%s` are any numbers", eval->labels);
    return false;
}

static GNode *feature_node(Lower *l, const LoweredEval *eval, const DataSource *bank) {
    const char *name = arena_printf(l->arena, "sample.%s", eval->of);
    const GExpr *free[GRAPH_MAX_FREE];
    int count;
    Net *net = lower_net(l, eval->network, "");
    if (!net) return NULL;
    const Value rows =
        value_array(lower_rows_input(l, arena_intern(l->arena, name, strlen(name)),
                                     lower_source_field(l, bank, eval->of), ROWS, eval->span));
    const Value value = net_apply(l, net, rows, eval->network);
    return value.kind == VALUE_ARRAY ? lower_materialise(l, &value, free, &count, eval->span)
                                     : NULL;
}

/* Commits what the forward pass renews beside the parameters, such as running statistics. */
static void renew_statistics(Lower *l) {
    for (int i = 0; i < l->current.count; i++)
        state_commit(l, state_node(l, l->current.items[i].name), l->current.items[i].now);
}

static void lower_step(Lower *l, LoweredEval *eval, int number) {
    const DataSource *bank = l->program->sources.items[eval->bank].data;
    const DataField *labels = lower_source_field(l, bank, eval->labels);
    if (!can_be_tuned(l, eval, labels->classes)) return;
    lower_begin_graph(l, "finetune", true);
    GNode *features = feature_node(l, eval, bank);
    if (!features || diag_error_count(l->diag)) return;
    const int64_t shape[] = {labels->classes, features->shape[1]};
    eval->weights = arena_printf(l->arena, "finetune.%d.W", number);
    eval->bias = arena_printf(l->arena, "finetune.%d.b", number);
    GNode *weights = classifier_state(l, eval->weights, 2, shape, eval->span);
    GNode *bias = classifier_state(l, eval->bias, 1, shape, eval->span);
    const char *name = arena_printf(l->arena, "sample.%s", eval->labels);
    GNode *label =
        lower_rows_input(l, arena_intern(l->arena, name, strlen(name)), labels, ROWS, eval->span);
    GNode *z = log_odds(l, features, weights, bias, eval->span);
    graph_output(l->g, "loss", cross_entropy(l, z, label, eval->span));
    renew_statistics(l);
    GraphUnit *unit = lower_add_unit(l, UNIT_FINETUNE);
    unit->eval = eval;
    find_wanted(l, unit, eval);
    eval->tune = l->g;
}

void lower_finetunes(Lower *l) {
    /* An `ema` target is renewed ahead of the forward pass of a training step. In these steps it
     * stays as it is. */
    const int edges = l->edges.count;
    l->edges.count = 0;
    for (int i = 0; i < l->program->evals.count && !diag_error_count(l->diag); i++)
        if (strcmp(l->program->evals.items[i].method, "finetune") == 0)
            lower_step(l, &l->program->evals.items[i], i);
    l->edges.count = edges;
}
