/* Reports a loss that compares samples with each other on data that has nothing to compare.
 *
 * The batch of a loss is the batch of the sources whose views it reads: a batch of their own, or
 * that of the stage in which the loss stands, or that of `train`. The classes of a source are its
 * labels as they are known when the spec is checked (DataField.is_one_class). A comparison counts
 * only if both its sides are one field and numbers, or a queue's column of that field. */
#include "lang/compared.h"

#include "lang/ast_walk.h"
#include "lang/edges.h"
#include "lang/flow.h"

#include <string.h>

typedef struct Compared {
    Arena *arena;
    Diag *diag;
    const Method *method;
    const Stmt *stage; /* the stage that contains the loss at hand, or NULL */
    const Expr *batch; /* the batch that was reported last, so that it is not again; or NULL */
} Compared;

/* ---- losses and the stage that each belongs to ----------------------------------------------- */

typedef void (*LossVisitor)(Compared *c, const Stmt *loss);

/* Returns the stage whose name a condition is, or NULL. */
static const Stmt *stage_of(const Expr *condition) {
    const Symbol *s = condition->kind == EXPR_NAME ? condition->symbol : NULL;
    return s && s->kind == SYMBOL_STAGE ? s->stmt : NULL;
}

/* Calls `visit` with each loss, while c->stage is the stage in which the loss stands. */
static void each_loss(Compared *c, Stmt *const *stmts, int count, LossVisitor visit) {
    for (int i = 0; i < count; i++) {
        const Stmt *s = stmts[i];
        const Stmt *outer = c->stage;
        if (s->kind == STMT_LOSS) visit(c, s);
        if (s->kind != STMT_WHEN) continue;
        if (stage_of(s->value)) c->stage = stage_of(s->value);
        each_loss(c, s->body, s->body_count, visit);
        c->stage = outer;
        each_loss(c, s->otherwise, s->otherwise_count, visit);
    }
}

/* ---- a batch of one -------------------------------------------------------------------------- */

/* The sources of the fields that a loss reads, by itself or through views. */
typedef struct Sources {
    ARRAY(const Stmt *) items;
    Arena *arena;
} Sources;

static bool add_source(void *context, Expr *e) {
    Sources *sources = context;
    if (e->symbol && e->symbol->kind == SYMBOL_FIELD)
        array_push(sources->arena, &sources->items, e->symbol->stmt);
    return true;
}

static bool find_sources(void *context, const FlowVisit *v) {
    const Symbol *s = v->e->symbol;
    if (s && s->kind == SYMBOL_FIELD) add_source(context, (Expr *)v->e);
    if (s && s->kind == SYMBOL_VIEW && s->stmt) ast_walk_stmt(s->stmt, add_source, context);
    return true;
}

static const Param *batch_param(const Stmt *settings) {
    for (int i = 0; settings && i < settings->param_count; i++)
        if (strcmp(settings->params[i].name, "batch") == 0 && settings->params[i].value)
            return &settings->params[i];
    return NULL;
}

static const Stmt *find_train(const Method *method) {
    for (int i = 0; i < method->spec->stmt_count; i++)
        if (method->spec->stmts[i]->kind == STMT_TRAIN) return method->spec->stmts[i];
    return NULL;
}

/* Returns the value of the option `batch` of a source, or NULL. */
static const Expr *own_batch(const Stmt *source) {
    const Expr *call = source->value;
    for (int i = 0; call && call->arg_names && i < call->arg_count; i++)
        if (call->arg_names[i] && strcmp(call->arg_names[i], "batch") == 0) return call->args[i];
    return NULL;
}

/* Returns the expression that makes a batch of the source one sample, or NULL if a batch has more,
 * or if no expression says so. */
static const Expr *batch_of_one(const Compared *c, const Stmt *source) {
    const Param *staged = batch_param(c->stage);
    const Param *trained = batch_param(find_train(c->method));
    const DataSource *data = source->data;
    if (!data->follows) return data->batch == 1 ? own_batch(source) : NULL;
    const int64_t batch = staged ? c->stage->batch : c->method->batch;
    return batch != 1 ? NULL : staged ? staged->value : trained ? trained->value : NULL;
}

/* Reports a loss that compares samples although each source that it reads comes in batches of one.
 * A queue or a bank has other samples to compare with. */
static void check_batch(Compared *c, const Stmt *loss) {
    Sources sources = {.arena = c->arena};
    const Expr *said = NULL;
    flow_walk(flow_new(c->arena, c->method), loss->value, NULL, find_sources, &sources);
    for (int i = 0; i < sources.items.count; i++) {
        said = batch_of_one(c, sources.items.items[i]);
        if (!said) return;
    }
    const Separation s = edges_separation(c->arena, c->method, loss);
    if (!said || said == c->batch || s.memory || !(s.pairs || s.statistic || s.itself)) return;
    c->batch = said;
    diag_report(
        c->diag, CODE_BATCH_OF_ONE, said->span,
        s.pairs    ? "a batch of 1 has no negatives: the loss compares its samples with each other"
        : s.itself ? "a batch of 1 has no other sample: where the loss reads one, it reads the same"
                   : "a batch of 1 has no variance: the loss takes statistics over its samples");
    diag_note(c->diag, s.itself && !s.pairs ? s.itself->span : loss->span,
              s.itself && !s.pairs ? "the read is here" : "the loss is here");
    diag_suggest(c->diag, "a batch of 2 and more, or negatives from a queue or a bank");
}

/* ---- one class ------------------------------------------------------------------------------- */

/* What one side of `==` is made of. */
typedef struct Side {
    Compared *compared;
    const Stmt *source;     /* the source of the field; NULL: no field was found */
    const DataField *field; /* the last field that was found, or NULL */
    bool is_other;          /* true if there is more than numbers and one field */
} Side;

static bool find_field(void *context, const FlowVisit *v);

static void add_to_side(Side *side, const Expr *e) {
    const Stmt *source = e->symbol->stmt;
    const DataSource *data = source->data;
    const DataField *field = NULL;
    for (int i = 0; i < data->field_count; i++)
        if (strcmp(data->fields[i].name, e->symbol->name) == 0) field = &data->fields[i];
    side->is_other |= !field || (side->field && side->field != field);
    side->source = source;
    side->field = field;
}

static void look_at_side(Side *side, const Expr *e, const FlowFrame *frame) {
    flow_walk(flow_new(side->compared->arena, side->compared->method), e, frame, find_field, side);
}

/* True for names behind which the walk finds their value by itself. */
static bool leads_on(SymbolKind kind) {
    return kind == SYMBOL_LET || kind == SYMBOL_ARGUMENT || kind == SYMBOL_HYPER ||
           kind == SYMBOL_DATA;
}

static bool find_field(void *context, const FlowVisit *v) {
    Side *side = context;
    const Symbol *s = v->e->symbol;
    const Symbol *callee = v->e->kind == EXPR_CALL ? v->e->callee->symbol : NULL;
    if (v->stopped) return true;
    side->is_other |= v->e->kind == EXPR_REDUCE || v->e->kind == EXPR_IF;
    side->is_other |=
        callee && callee->kind == SYMBOL_BUILTIN && strcmp(callee->name, "range") == 0;
    if (!s) return true;
    if (s->kind == SYMBOL_FIELD)
        add_to_side(side, v->e);
    else if (s->kind == SYMBOL_COLUMN && s->param->value)
        look_at_side(side, s->param->value, NULL);
    else if (s->kind != SYMBOL_COLUMN && !leads_on(s->kind))
        side->is_other = true;
    return true;
}

/* True if both sides of a comparison are made of numbers and one and the same field. *a is the
 * first side. */
static bool compares_a_field(Compared *c, const FlowVisit *v, Side *a) {
    Side b = {.compared = c};
    *a = b;
    look_at_side(a, v->e->args[0], v->frame);
    if (!a->field || a->is_other) return false;
    look_at_side(&b, v->e->args[1], v->frame);
    return b.field == a->field && !b.is_other;
}

/* True if the spec says that all rows have one value of the field, or the data says so if it is
 * there. */
static bool has_one_class(const DataSource *data, const DataField *field) {
    const DataSelection *chosen = &data->selection;
    const bool is_counted = strcmp(field->name, chosen->by ? chosen->by : "label") == 0;
    bool is_one =
        field->is_one_class || field->classes == 1 || (is_counted && chosen->classes == 1);
    for (int i = 0; i < chosen->where_count; i++)
        is_one |=
            chosen->where[i].is == DATA_EQUAL && strcmp(chosen->where[i].field, field->name) == 0;
    return is_one;
}

/* True if each batch is an episode of one class, and the field says the class. */
static bool has_one_way(const DataSource *data, const DataField *field) {
    const char *by = data->selection.by;
    return data->ways == 1 && strcmp(field->name, by ? by : "label") == 0;
}

/* The search for the first comparison of a loss that tells no samples apart. */
typedef struct Comparison {
    Compared *compared;
    bool said;
} Comparison;

static void report_one_class(const Comparison *at, const FlowVisit *v, const Side *side) {
    const Expr *call = flow_call(v);
    const DataSource *data = side->source->data;
    const char *field = side->field->name;
    const bool episodes = !has_one_class(data, side->field);
    Diag *diag = at->compared->diag;
    diag_report(diag, CODE_ONE_CLASS, call ? call->span : v->e->span,
                "all samples of %s`%s` have one `%s`, so comparing it tells no two of them apart",
                episodes ? "a batch of " : "", data->name, field);
    if (call) diag_note(diag, v->e->span, "it is compared here");
    diag_note(diag, side->source->name_span, "the data is declared here");
    diag_suggest(diag, "%s",
                 episodes ? "episodes of 2 classes and more: `episodes(ways = 2, ..)`"
                          : "data of 2 classes and more, or a loss that needs no labels");
}

static bool is_comparison(const Expr *e) {
    return e->kind == EXPR_BINARY && (e->op == OP_EQ || e->op == OP_NE);
}

static bool is_one_class(const Side *side) {
    const DataSource *data = side->source->data;
    return has_one_class(data, side->field) || has_one_way(data, side->field);
}

static bool find_comparison(void *context, const FlowVisit *v) {
    Comparison *at = context;
    Side side;
    if (at->said || !is_comparison(v->e) || !compares_a_field(at->compared, v, &side) ||
        !is_one_class(&side))
        return true;
    report_one_class(at, v, &side);
    at->said = true;
    return true;
}

static void check_classes(Compared *c, const Stmt *loss) {
    Comparison at = {.compared = c};
    flow_walk(flow_new(c->arena, c->method), loss->value, NULL, find_comparison, &at);
}

void check_compared(Arena *arena, Diag *diag, const Method *method) {
    Compared c = {.arena = arena, .diag = diag, .method = method};
    each_loss(&c, method->spec->stmts, method->spec->stmt_count, check_batch);
    each_loss(&c, method->spec->stmts, method->spec->stmt_count, check_classes);
}

/* ---- the fields that are compared -------------------------------------------------------------
 */

typedef struct FieldList {
    Compared *compared;
    ARRAY(ComparedField) items;
    int of_loss; /* the number of the first field of the loss at hand */
} FieldList;

static bool add_compared(void *context, const FlowVisit *v) {
    FieldList *list = context;
    Side side;
    if (!is_comparison(v->e) || !compares_a_field(list->compared, v, &side)) return true;
    for (int i = list->of_loss; i < list->items.count; i++)
        if (list->items.items[i].field == side.field) return true;
    const Expr *call = flow_call(v);
    const ComparedField one = {.source = side.source,
                               .field = side.field,
                               .place = call ? call->span : v->e->span,
                               .is_said = is_one_class(&side)};
    array_push(list->compared->arena, &list->items, one);
    return true;
}

static void add_fields_of(FieldList *list, Stmt *const *stmts, int count) {
    for (int i = 0; i < count; i++) {
        const Stmt *s = stmts[i];
        list->of_loss = list->items.count;
        if (s->kind == STMT_LOSS)
            flow_walk(flow_new(list->compared->arena, list->compared->method), s->value, NULL,
                      add_compared, list);
        if (s->kind != STMT_WHEN) continue;
        add_fields_of(list, s->body, s->body_count);
        add_fields_of(list, s->otherwise, s->otherwise_count);
    }
}

int compared_fields(Arena *arena, const Method *method, const ComparedField **fields) {
    Compared c = {.arena = arena, .method = method};
    FieldList list = {.compared = &c};
    add_fields_of(&list, method->spec->stmts, method->spec->stmt_count);
    *fields = list.items.items;
    return list.items.count;
}
