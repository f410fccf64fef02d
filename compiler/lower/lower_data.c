/* Lowers data: sources, their fields, and the views that are drawn from them. */
#include "compiler/lower/internal.h"
#include "lang/ast_walk.h"

#include <assert.h>
#include <string.h>

/* Fixes the hypers of a source's declaration at compile time: `fraction = f` decides how many rows
 * there are, and a claim decides how long an axis is. */
static bool fix_hyper(void *context, Expr *e) {
    if (e->kind == EXPR_NAME && e->symbol) {
        lower_mark_static(context, e->symbol);
    }
    return true;
}

void lower_declare_source(Lower *l, const Stmt *s) {
    ast_walk_stmt((Stmt *)(uintptr_t)s, fix_hyper, l);
    LoweredSource source = {s->name, s->data, false,
                            arena_array(l->arena, bool, s->data->field_count + 1)};
    array_push(l->arena, &l->program->sources, source);
}

int lower_find_source(const Lower *l, const char *name) {
    for (int i = 0; name && i < l->program->sources.count; i++)
        if (strcmp(l->program->sources.items[i].name, name) == 0) return i;
    return -1;
}

/* ---- fields ---------------------------------------------------------------------------------- */

/* Notes that the step draws from a source. The source that it draws from first sets the epoch. */
static void mark_drawn(Lower *l, const Stmt *source) {
    int found = l->program && !l->between ? lower_find_source(l, source->name) : -1;
    if (found < 0) return;
    l->program->sources.items[found].drawn = true;
    if (l->program->train_source < 0) l->program->train_source = found;
    if (l->drawn_first < 0) l->drawn_first = found;
}

static int64_t batch_of(const Lower *l, const DataSource *data) {
    if (l->sweep == data) return l->sweep_rows;
    const LoweredProgram *p = l->program;
    const int64_t own = data->follows && l->phase && p && p->stages.count
                            ? p->stages.items[l->phase->stage].batch
                            : 0;
    return own ? own : data->batch;
}

static GType type_of_field(const DataField *field) {
    if (!field) return GT_INT; /* the name `index` belongs to no field */
    switch (field->type) {
    case DATA_U8:
        return GT_U8;
    case DATA_INT:
        return GT_INT;
    case DATA_REAL:
        return GT_REAL;
    }
    return GT_REAL;
}

const DataField *lower_source_field(Lower *l, const DataSource *data, const char *name) {
    const int source = lower_find_source(l, data->name);
    for (int i = 0; i < data->field_count; i++) {
        if (strcmp(data->fields[i].name, name) != 0) continue;
        if (source >= 0) l->program->sources.items[source].reads[i] = true;
        return &data->fields[i];
    }
    return NULL;
}

GNode *lower_rows_input(Lower *l, const char *name, const DataField *field, int64_t rows,
                        Span span) {
    int64_t shape[GRAPH_MAX_RANK] = {rows};
    const int own = field ? field->rank : 0;
    for (int i = 0; i < own; i++)
        shape[i + 1] = field->shape[i];
    return graph_input(l->g, name, type_of_field(field), own + 1, shape, span);
}

static GNode *data_input(Lower *l, const Stmt *source, const char *prefix, const char *field,
                         int64_t rows, Span span) {
    const char *key = arena_printf(l->arena, "%s.%s", l->evaluates ? "sample" : prefix, field);
    return lower_rows_input(l, arena_intern(l->arena, key, strlen(key)),
                            lower_source_field(l, source->data, field), rows, span);
}

static GNode *field_input(Lower *l, const Stmt *source, const char *field, Span span) {
    mark_drawn(l, source);
    return data_input(l, source, source->name, field, batch_of(l, source->data), span);
}

Value lower_field(Lower *l, const Expr *e) {
    const Stmt *source = e->symbol->stmt;
    if (e->args[0]->kind == EXPR_MEMBER) /* a name such as train.all.image */
        return value_array(data_input(l, source, arena_printf(l->arena, "%s.all", source->name),
                                      e->name, source->data->rows, e->span));
    Value value = value_array(field_input(l, source, e->name, e->span));
    if (!l->sample) return value;
    value.prefix[value.prefix_count++] = l->sample;
    return value_rank(&value) ? value
                              : value_scalar(gx_load(l->g, value.tensor, 1, value.prefix, NULL));
}

Value lower_recipe(Lower *l, const DataSource *data, const Expr *recipe) {
    Graph *g = l->g;
    const GExpr *axes[GRAPH_MAX_RANK];
    l->sample = axes[0] = graph_fresh_index(g, batch_of(l, data));
    Value value = lower_value(l, recipe);
    l->sample = NULL;
    if (value.kind != VALUE_ARRAY && value.kind != VALUE_SCALAR) return value_none();
    const int own = value.kind == VALUE_ARRAY ? value_rank(&value) : 0;
    for (int i = 0; i < own; i++)
        axes[1 + i] = graph_fresh_index(g, value_extent(&value, i));
    return lower_array_from(l, value_element(l, &value, axes + 1, recipe->span), axes, 1 + own,
                            "of", recipe->span);
}

/* ---- views ----------------------------------------------------------------------------------- */

/* Returns the view's sample along an axis. In `view g[2] = ..` the axis of the samples is behind
 * that of the views, so the other axes are put in front of it. */
static Value sample_along(Lower *l, const Expr *name, const Value *whole) {
    const GExpr *axes[GRAPH_MAX_RANK];
    const GExpr *at[GRAPH_MAX_RANK];
    const int rank = value_rank(whole);
    for (int i = 0, own = 0; i < rank; i++)
        at[i] =
            i == 1 ? l->sample : (axes[own++] = graph_fresh_index(l->g, value_extent(whole, i)));
    return lower_array_from(l, value_element(l, whole, at, name->span), axes, rank - 1, name->name,
                            name->span);
}

Value lower_sample(Lower *l, const Expr *name, Value whole) {
    assert(l->sample && whole.kind == VALUE_ARRAY && value_rank(&whole) > 0);
    const Symbol *s = name->symbol;
    if (s->kind == SYMBOL_VIEW && s->param->has_shape) return sample_along(l, name, &whole);
    whole.prefix[whole.prefix_count++] = l->sample;
    return value_rank(&whole)
               ? whole
               : value_scalar(gx_load(l->g, whole.tensor, whole.prefix_count, whole.prefix, NULL));
}

static const Stmt *source_in(const Expr *e) {
    if (e->kind == EXPR_MEMBER && e->symbol && e->symbol->kind == SYMBOL_FIELD &&
        e->args[0]->kind == EXPR_NAME)
        return e->symbol->stmt;
    for (int i = 0; i < e->arg_count; i++) {
        const Stmt *found = source_in(e->args[i]);
        if (found) return found;
    }
    return NULL;
}

/* Returns the number of views: `a` is one view, and `g[2]` are two along an axis of their own. */
static int64_t view_count(Lower *l, const Param *view) {
    double count = 1;
    if (view->has_shape) lower_static(l, view->dims[0], &count);
    return (int64_t)count;
}

/* Returns the key of a draw in view number `number` of sample `n`: the sample's index in the data,
 * so that a sample draws the same wherever the shuffle puts it. A source that is balanced, weighed
 * or in episodes may have a row twice in a batch; its key is the place in the batch, and so is the
 * key of a view of arrays that are computed. */
static const GExpr *draw_key(Lower *l, const Stmt *source, const GExpr *n, int64_t views,
                             const GExpr *number, Span span) {
    Graph *g = l->g;
    const GExpr *sample = n;
    const bool repeats =
        source && (source->data->balanced || source->data->weights || source->data->ways);
    if (source && !repeats) {
        sample = gx_load(g, field_input(l, source, "index", span), 1, &n, NULL);
    }
    return gx2(g, G_ADD, gx2(g, G_MUL, sample, gx_int(g, views)), number);
}

/* The part that all views of a statement share. */
typedef struct Views {
    /* The source whose batch the samples are from; NULL: they are computed arrays. */
    const Stmt *source;
    int64_t rows;
    int64_t count;
} Views;

/* Lowers one view: the recipe for each sample of the batch. Its draws are keyed by the sample and
 * the view's number, `first` or those that follow. */
static void lower_one_view(Lower *l, const Stmt *s, const Views *views, const Param *view,
                           const Expr *recipe, int64_t first) {
    Graph *g = l->g;
    const GExpr *axes[GRAPH_MAX_RANK];
    const GExpr *number = gx_int(g, first);
    int rank = 0;
    if (view->has_shape) {
        axes[rank++] = graph_fresh_index(g, view_count(l, view));
        number = gx2(g, G_ADD, number, axes[0]);
    }
    const GExpr *n = axes[rank++] = graph_fresh_index(g, views->rows);
    l->draw_element = draw_key(l, views->source, n, views->count, number, s->span);
    l->sample = n;
    l->view_axes[0] = axes[0];
    l->view_axes[1] = n;
    l->site = arena_printf(l->arena, "view %s", s->params[0].name);
    l->site_count = 0;
    Value value = lower_value(l, recipe);
    l->sample = l->draw_element = l->view_axes[0] = l->view_axes[1] = NULL;
    l->site = "";
    const int own = value.kind == VALUE_ARRAY ? value_rank(&value) : 0;
    if ((value.kind != VALUE_ARRAY && value.kind != VALUE_SCALAR) || rank + own > GRAPH_MAX_RANK) {
        diag_report(
            l->diag, CODE_VIEW, s->span,
            "a view is a number or an array of at most %d axes for each sample; this has %d",
            GRAPH_MAX_RANK - rank, own);
        return;
    }
    for (int i = 0; i < own; i++)
        axes[rank + i] = graph_fresh_index(g, value_extent(&value, i));
    const GExpr *element = value_element(l, &value, axes + rank, s->span);
    frame_set(l, l->frame, view->symbol,
              lower_array_from(l, element, axes, rank + own, view->name, view->span));
}

/* Finds the number of samples by the type of a view: the axis behind that of the views, if there is
 * one. */
static bool rows_of_view(Lower *l, const Param *view, int64_t *rows) {
    return view->type->rank > view->has_shape &&
           lower_eval_dim(l, view->type->dims[view->has_shape], view->span, rows);
}

void lower_view(Lower *l, const Stmt *s) {
    Views views = {.source = source_in(s->value)};
    if (!rows_of_view(l, &s->params[0], &views.rows)) return;
    for (int v = 0; v < s->param_count; v++)
        views.count += view_count(l, &s->params[v]);
    l->view_images += views.count * views.rows;
    if (s->each) views.count = 1; /* all views are drawn alike */
    int64_t first = 0;
    for (int v = 0; v < s->param_count; v++) {
        lower_one_view(l, s, &views, &s->params[v], s->each ? s->each[v] : s->value, first);
        if (!s->each) first += view_count(l, &s->params[v]);
    }
}

/* ---- views that are shown -------------------------------------------------------------------- */

static bool is_shown(const Lower *l, const char *name) {
    for (int i = 0; i < l->program->shown.count; i++)
        if (strcmp(l->program->shown.items[i].name, name) == 0) return true;
    return false;
}

void lower_show_view(Lower *l, const Stmt *s) {
    const Stmt *source = source_in(s->value);
    for (int v = 0; v < s->param_count; v++) {
        const Param *view = &s->params[v];
        const Value *value = frame_find(l->frame, view->symbol);
        const GExpr *free[GRAPH_MAX_FREE];
        int count;
        if (!value || value->kind != VALUE_ARRAY) continue;
        graph_output(l->g, arena_printf(l->arena, "view %s", view->name),
                     lower_materialise(l, value, free, &count, view->span));
        const LoweredView shown = {view->name, source ? lower_find_source(l, source->name) : -1,
                                   view->has_shape ? view_count(l, view) : 0};
        if (!is_shown(l, view->name)) {
            array_push(l->arena, &l->program->shown, shown);
        }
    }
}
