/* Random draws, and the starts of states. A draw is keyed by seed, step, site (the path of calls) and logical element, so it does
 * not depend on threads, on the order of evaluation, or on where in the file it stands. */
#include "compiler/lower/internal.h"

#include <math.h>
#include <string.h>

/* FNV-1a, folded to 31 bits: a stable number for a path of calls. */
int64_t site_key(const char *path) {
    uint64_t hash = 1469598103934665603u;
    for (; *path; path++) hash = (hash ^ (unsigned char)*path) * 1099511628211u;
    return (int64_t)((hash ^ (hash >> 32)) & 0x7fffffff);
}

static const GExpr *uniform(Lower *l, int64_t site, const GExpr *element, int lane) { return gx_random(l->g, site, element, lane); }

/* Box-Muller on two lanes of one draw; 1 - u keeps the logarithm away from 0. */
static const GExpr *standard_normal(Lower *l, int64_t site, const GExpr *element) {
    Graph *g = l->g;
    const GExpr *u = gx2(g, G_SUB, gx_real(g, 1), uniform(l, site, element, 0));
    const GExpr *angle = gx2(g, G_MUL, gx_real(g, 6.283185307179586477), uniform(l, site, element, 1));
    return gx2(g, G_MUL, gx1(g, G_SQRT, gx2(g, G_MUL, gx_real(g, -2), gx1(g, G_LOG, u))), gx1(g, G_COS, angle));
}

/* One draw of the distribution written as a call: uniform(a, b), log_uniform(a, b), normal(mean, deviation), bernoulli(p). */
static const GExpr *draw_from(Lower *l, const Expr *call, int64_t site, const GExpr *element) {
    Graph *g = l->g;
    const char *name = call->kind == EXPR_CALL && call->callee->name ? call->callee->name : "";
    const GExpr *a = call->kind == EXPR_CALL && call->arg_count > 0 ? as_real(l, lower_scalar(l, call->args[0])) : gx_real(g, 0);
    const GExpr *b = call->kind == EXPR_CALL && call->arg_count > 1 ? as_real(l, lower_scalar(l, call->args[1])) : gx_real(g, 1);
    if (strcmp(name, "uniform") == 0) return gx2(g, G_ADD, a, gx2(g, G_MUL, gx2(g, G_SUB, b, a), uniform(l, site, element, 0)));
    if (strcmp(name, "log_uniform") == 0) {
        const GExpr *low = gx1(g, G_LOG, a), *high = gx1(g, G_LOG, b);
        return gx1(g, G_EXP, gx2(g, G_ADD, low, gx2(g, G_MUL, gx2(g, G_SUB, high, low), uniform(l, site, element, 0))));
    }
    if (strcmp(name, "normal") == 0) return gx2(g, G_ADD, a, gx2(g, G_MUL, b, standard_normal(l, site, element)));
    if (strcmp(name, "bernoulli") == 0) return gx2(g, G_LT, uniform(l, site, element, 0), a);
    diag_report(l->diag, CODE_ARGUMENT_KIND, call->span, "a distribution is needed here: uniform, log_uniform, normal or bernoulli");
    return gx_real(g, 0);
}

static bool is_distribution(const Expr *e) {
    if (!e || e->kind != EXPR_CALL || !e->callee->name) return false;
    const char *name = e->callee->name;
    return strcmp(name, "uniform") == 0 || strcmp(name, "log_uniform") == 0 || strcmp(name, "normal") == 0 || strcmp(name, "bernoulli") == 0;
}

static const GExpr *flat_index(Lower *l, const GExpr *const *axes, int rank) {
    const GExpr *flat = gx_int(l->g, 0);
    for (int i = 0; i < rank; i++)
        flat = gx2(l->g, G_ADD, gx2(l->g, G_MUL, flat, gx_int(l->g, graph_index_extent(l->g, axes[i]))), axes[i]);
    return flat;
}

void lower_draw(Lower *l, const Stmt *s) {
    Graph *g = l->g;
    for (int p = 0; p < s->param_count; p++) {
        const Param *param = &s->params[p];
        const char *path = arena_printf(l->arena, "%s/%s@%d", l->site, param->name, l->site_count++);
        const GExpr *axes[GRAPH_MAX_RANK];
        int64_t count = 1;
        for (int i = 0; i < param->dim_count; i++) {
            double extent = 1;
            if (!lower_static(l, param->dims[i], &extent) || extent < 1)
                diag_report(l->diag, CODE_DIMENSION_UNKNOWN, param->dims[i]->span, "this dimension of `%s` is not a positive number known at compile time", param->name);
            axes[i] = graph_fresh_index(g, extent < 1 ? 1 : (int64_t)extent);
            count *= graph_index_extent(g, axes[i]);
        }
        const GExpr *element = flat_index(l, axes, param->dim_count);
        if (l->draw_element) element = gx2(g, G_ADD, gx2(g, G_MUL, l->draw_element, gx_int(g, count)), element);
        const GExpr *drawn = draw_from(l, param->value, site_key(path), element);
        /* In a node of its own: a draw costs ten rounds of Philox, and its uses may be many. */
        Value value = array_from(l, drawn, axes, param->dim_count, param->name, param->span);
        if (param->dim_count == 0)
            value = value_scalar(gx_load(g, value.tensor, value.prefix_count, value.prefix, NULL));
        frame_set(l, l->frame, param->symbol, value);
    }
}

/* ---- starts ------------------------------------------------------------------------------------------ */

static GNode *fill(Lower *l, const ProgramState *s, const GExpr *const *axes, const GExpr *value) {
    ComputeSpec spec;
    memset(&spec, 0, sizeof spec);
    spec.reducer = GR_NONE;
    spec.out_rank = s->rank;
    memcpy(spec.out, axes, sizeof *axes * (size_t)s->rank);
    spec.value = s->type == GT_REAL ? as_real(l, value) : value;
    spec.name = s->name;
    spec.span = s->span;
    return graph_compute(l->g, &spec);
}

static GNode *start_of(Lower *l, const StateRecord *record) {
    Graph *g = l->g;
    const ProgramState *s = &record->state;
    const GExpr *axes[GRAPH_MAX_RANK];
    for (int i = 0; i < s->rank; i++) axes[i] = graph_fresh_index(g, s->shape[i]);
    int64_t site = site_key(record->origin);
    if (record->init_name && strcmp(record->init_name, "unit_normal") == 0 && s->rank >= 1) {
        GNode *raw = fill(l, s, axes, standard_normal(l, site, flat_index(l, axes, s->rank)));
        Value rows = value_array(raw);
        return normalise_array(l, &rows, 1e-12, s->span).tensor;
    }
    if (!record->start) return fill(l, s, axes, s->type == GT_REAL ? gx_real(g, 0) : gx_int(g, 0));
    Frame *outer = l->frame;
    l->frame = record->frame;
    GNode *node;
    if (is_distribution(record->start)) {
        node = fill(l, s, axes, draw_from(l, record->start, site, flat_index(l, axes, s->rank)));
    } else {
        Value value = lower_value(l, record->start);
        node = fill(l, s, axes, value_element(l, &value, axes, s->span));
    }
    l->frame = outer;
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
