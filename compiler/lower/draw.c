/* Random draws. A draw is keyed by seed, step, site (the path of calls)
 * and logical element, so it does not depend on threads, on the order of evaluation, or on where in
 * the file it stands. */
#include "compiler/graph/visit.h"
#include "compiler/lower/internal.h"

#include <math.h>
#include <string.h>

/* Returns a stable number for a path of calls: FNV-1a, folded to 31 bits. */
int64_t site_key(const char *path) {
    uint64_t hash = 1469598103934665603u;
    for (; *path; path++)
        hash = (hash ^ (unsigned char)*path) * 1099511628211u;
    return (int64_t)((hash ^ (hash >> 32)) & 0x7fffffff);
}

static const GExpr *uniform(Lower *l, int64_t site, const GExpr *element, int lane) {
    return gx_random(l->g, site, element, lane);
}

/* Returns a normal number by Box-Muller, from two lanes of one draw; 1 - u keeps the logarithm away
 * from 0. */
static const GExpr *standard_normal(Lower *l, int64_t site, const GExpr *element) {
    Graph *g = l->g;
    const GExpr *u = gx2(g, G_SUB, gx_real(g, 1), uniform(l, site, element, 0));
    const GExpr *full_turn = gx_real(g, 6.283185307179586477);
    const GExpr *angle = gx2(g, G_MUL, full_turn, uniform(l, site, element, 1));
    const GExpr *square = gx2(g, G_MUL, gx_real(g, -2), gx1(g, G_LOG, u));
    const GExpr *radius = gx1(g, G_SQRT, square);
    return gx2(g, G_MUL, radius, gx1(g, G_COS, angle));
}

typedef struct Draw {
    int64_t site;
    /* The element that keys the draw, and the parameters of the distribution. */
    const GExpr *element;
    const GExpr *a;
    const GExpr *b;
    Span span;
} Draw;

static const GExpr *draw_uniform(Lower *l, const Draw *d) {
    return gx2(l->g, G_ADD, d->a,
               gx2(l->g, G_MUL, gx2(l->g, G_SUB, d->b, d->a), uniform(l, d->site, d->element, 0)));
}
static const GExpr *draw_log_uniform(Lower *l, const Draw *d) {
    Draw logs = *d;
    logs.a = gx1(l->g, G_LOG, d->a);
    logs.b = gx1(l->g, G_LOG, d->b);
    return gx1(l->g, G_EXP, draw_uniform(l, &logs));
}
static const GExpr *draw_normal(Lower *l, const Draw *d) {
    return gx2(l->g, G_ADD, d->a, gx2(l->g, G_MUL, d->b, standard_normal(l, d->site, d->element)));
}
static const GExpr *draw_bernoulli(Lower *l, const Draw *d) {
    return gx2(l->g, G_LT, uniform(l, d->site, d->element, 0), d->a);
}
/* Draws by the inverse of the distribution function; 1 - u keeps the logarithm away from 0. */
static const GExpr *draw_exponential(Lower *l, const Draw *d) {
    Graph *g = l->g;
    const GExpr *u = gx2(g, G_SUB, gx_real(g, 1), uniform(l, d->site, d->element, 0));
    return gx2(g, G_DIV, gx1(g, G_NEG, gx1(g, G_LOG, u)), d->a);
}
/* Draws from a beta distribution: the quantile of one uniform number, which is at least half of its
 * step above 0. Without rejection, both evaluators make the same choices. */
static const GExpr *draw_beta(Lower *l, const Draw *d) {
    Value args[3] = {
        value_scalar(gx2(l->g, G_MAX, uniform(l, d->site, d->element, 0), gx_real(l->g, 0x1p-25))),
        value_scalar(d->a), value_scalar(d->b)};
    Value x = library_call(l, COUPLET_CALL_BETA_QUANTILE, args, 0, d->span);
    return gx_load(l->g, x.tensor, x.prefix_count, x.prefix, NULL);
}

static const struct {
    const char *name;
    const GExpr *(*draw)(Lower *l, const Draw *d);
} distributions[] = {
    {"uniform", draw_uniform}, {"log_uniform", draw_log_uniform},
    {"normal", draw_normal},   {"exponential", draw_exponential},
    {"beta", draw_beta},       {"bernoulli", draw_bernoulli},
};

static const GExpr *real_argument(Lower *l, const Expr *call, int number) {
    return lower_as_real(l, lower_scalar(l, call->args[number]));
}

/* Makes one draw of the distribution written as a call. */
static const GExpr *draw_from(Lower *l, const Expr *call, int64_t site, const GExpr *element) {
    const char *name = call->callee->name;
    Draw d = {site, element, gx_real(l->g, 0), gx_real(l->g, 1), call->span};
    if (call->arg_count > 0) d.a = real_argument(l, call, 0);
    if (call->arg_count > 1) d.b = real_argument(l, call, 1);
    for (size_t i = 0; i < sizeof distributions / sizeof *distributions; i++)
        if (strcmp(distributions[i].name, name) == 0) return distributions[i].draw(l, &d);
    diag_report(l->diag, CODE_DISTRIBUTION, call->span,
                "one number is drawn here, and `%s` gives an array", name);
    return gx_real(l->g, 0);
}

static bool has_key(const Lower *l, const GExpr *index) {
    for (int i = 0; i < 2; i++)
        if (l->view_axes[i] == index) return true; /* draw_element contains this index already */
    for (int i = 0; i < l->mapped_count; i++)
        if (l->mapped[i] == index) return true;
    return false;
}

int draw_map(Lower *l, const Value *args, int count) {
    const int before = l->mapped_count;
    for (int a = 0; a < count; a++) {
        const GExpr *const *parts = args[a].kind == VALUE_ARRAY ? args[a].prefix : &args[a].scalar;
        const GExpr *free[GRAPH_MAX_INDICES];
        const int part_count =
            args[a].kind == VALUE_ARRAY ? args[a].prefix_count : args[a].kind == VALUE_SCALAR;
        const int found = lower_sorted_free(l, parts, part_count, NULL, 0, free);
        for (int i = 0; i < found; i++)
            if (!has_key(l, free[i]) && l->mapped_count < GRAPH_MAX_INDICES)
                l->mapped[l->mapped_count++] = free[i];
    }
    return before;
}

static const GExpr *flat_index(Lower *l, const GExpr *const *axes, int rank) {
    Graph *g = l->g;
    const GExpr *flat = gx_int(g, 0);
    for (int i = 0; i < rank; i++)
        flat =
            gx2(g, G_ADD, gx2(g, G_MUL, flat, gx_int(g, graph_index_extent(g, axes[i]))), axes[i]);
    return flat;
}

const GExpr *draw_at(Lower *l, const Expr *call, int64_t site, const GExpr *const *axes, int rank) {
    const GExpr *element = flat_index(l, axes, rank);
    return call ? draw_from(l, call, site, element) : standard_normal(l, site, element);
}

static const GExpr *drawn_axis(Lower *l, const Param *param, const Expr *dim) {
    int64_t extent;
    if (!lower_extent(l, dim, &extent)) {
        diag_report(l->diag, CODE_DIMENSION_UNKNOWN, dim->span,
                    "this dimension of `%s` is not a positive whole number known at compile time",
                    param->name);
        extent = 1;
    }
    return graph_fresh_index(l->g, extent);
}

/* Draws one parameter, an array or a permutation. The element that keys a draw counts the axes of
 * the parameter, then the indices that the call is mapped over, then the samples of a view. */
static Value draw_param(Lower *l, const Param *param, int64_t site) {
    Graph *g = l->g;
    const GExpr *axes[GRAPH_MAX_RANK];
    int rank = 0;
    for (; rank < param->dim_count; rank++)
        axes[rank] = drawn_axis(l, param, param->dims[rank]);
    bool permutes = strcmp(param->value->callee->name, "permutation") == 0;
    if (permutes) {
        axes[rank++] = drawn_axis(l, param, param->value->args[0]);
    }
    int64_t count = 1;
    for (int i = 0; i < rank; i++)
        count *= graph_index_extent(g, axes[i]);
    const GExpr *element = flat_index(l, axes, rank);
    if (l->mapped_count) {
        element = gx2(g, G_ADD,
                      gx2(g, G_MUL, flat_index(l, l->mapped, l->mapped_count), gx_int(g, count)),
                      element);
        for (int i = 0; i < l->mapped_count; i++)
            count *= graph_index_extent(g, l->mapped[i]);
    }
    if (l->draw_element)
        element = gx2(g, G_ADD, gx2(g, G_MUL, l->draw_element, gx_int(g, count)), element);
    /* A permutation is the order of as many uniform numbers. */
    const GExpr *drawn =
        permutes ? uniform(l, site, element, 0) : draw_from(l, param->value, site, element);
    /* The draw has a node of its own, because it costs ten rounds of Philox and may have many
     * uses. */
    Value value = lower_array_from(l, drawn, axes, rank, param->name, param->span);
    if (permutes) return library_call(l, COUPLET_CALL_ARGSORT, &value, 0, param->span);
    return rank ? value
                : value_scalar(gx_load(g, value.tensor, value.prefix_count, value.prefix, NULL));
}

void lower_draw(Lower *l, const Stmt *s) {
    for (int p = 0; p < s->param_count; p++) {
        const Param *param = &s->params[p];
        const char *path =
            arena_printf(l->arena, "%s/%s@%d", l->site, param->name, l->site_count++);
        frame_set(l, l->frame, param->symbol, draw_param(l, param, site_key(path)));
    }
}
