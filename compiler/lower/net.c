/* Lowers networks. A constructor makes a set of weights, composition chains networks, a name shares
 * the weights, and `copy` makes another set that starts equal. A state has the path of its parts as
 * its name ("online.trunk.conv3_1.K"), which is its key in a checkpoint. */
#include "compiler/lower/internal.h"

#include <assert.h>
#include <string.h>

static Net *net_new(Lower *l, NetKind kind, const Stmt *stmt, const char *path) {
    Net *net = arena_new_of(l->arena, Net);
    net->kind = kind;
    net->stmt = stmt;
    net->path = net->origin = path;
    return net;
}

/* The labels of parts, such as "linear_1": the constructor's name, and its number among siblings of
 * that name. */
typedef struct Labels {
    Map taken; /* the labels that the chain has so far */
    Map last;  /* by a constructor's name: the number of its last label */
} Labels;

static const char *part_label(Lower *l, const Expr *part, Labels *labels) {
    const Expr *named = part->kind == EXPR_CALL ? part->callee : part;
    const char *base =
        named->kind == EXPR_NAME || named->kind == EXPR_MEMBER ? named->name : "part";
    for (intptr_t n = (intptr_t)map_get(&labels->last, base) + 1;; n++) {
        const char *label = arena_printf(l->arena, "%s_%d", base, (int)n);
        if (map_get(&labels->taken, label)) continue;
        map_put(l->arena, &labels->last, base, (void *)n);
        return label;
    }
}

static const char *join_path(Lower *l, const char *path, const char *label) {
    return path[0] ? arena_printf(l->arena, "%s.%s", path, label) : label;
}

/* ---- making ---------------------------------------------------------------------------------- */

static const Expr *config_argument(const Expr *call, const Stmt *stmt, int at) {
    int position = 0;
    for (int i = 0; call && call->kind == EXPR_CALL && i < call->arg_count; i++) {
        const char *name = call->arg_names ? call->arg_names[i] : NULL;
        if (name ? strcmp(name, stmt->config[at].name) == 0 : position++ == at)
            return call->args[i];
    }
    return NULL;
}

/* Binds the configuration in a frame of its own, in which compile-time numbers stay numbers. */
static Frame *bind_config(Lower *l, const Stmt *stmt, const Expr *call) {
    Frame *frame = frame_new(l, l->root);
    frame->owner = NULL;
    for (int i = 0; i < stmt->config_count; i++) {
        const Param *param = &stmt->config[i];
        const Expr *given = config_argument(call, stmt, i);
        Frame *outer = l->frame;
        if (!given) {
            given = param->value;
            l->frame = frame; /* a default may use the parameters before it */
        }
        Value value = value_none();
        double constant;
        if (!given) {
            diag_report(l->diag, CODE_MISSING_ARGUMENT, call ? call->span : stmt->span,
                        "`%s` needs its setting `%s`", stmt->name, param->name);
            value = value_static(l, 1, true);
        } else if (lower_static(l, given, &constant)) {
            int64_t number;
            bool whole =
                whole_of(constant, &number) && (!given->type || given->type->kind != KIND_REAL);
            value = value_static(l, constant, whole);
        } else {
            value = lower_value(l, given);
        }
        l->frame = outer;
        frame_set(l, frame, param->symbol, value);
    }
    return frame;
}

Net *net_construct(Lower *l, const Stmt *stmt, const Expr *call, const char *path) {
    Frame *config = bind_config(l, stmt, call);
    Made *made = arena_new_of(l->arena, Made);
    *made = (Made){call ? call->span : stmt->span, stmt->name, l->making};
    if (stmt->has_params) {
        Net *net = net_new(l, NET_LAYER, stmt, path);
        net->frame = config;
        net->made = made;
        return net;
    }
    /* In net mlp(hidden, out) = linear(hidden) >> ..., the body is the chain itself. */
    lower_test_ranges(l, stmt, stmt->config, stmt->config_count, config, made->place);
    Frame *outer = l->frame;
    l->frame = config;
    l->making = made;
    Net *net = lower_net(l, stmt->value, path);
    l->making = made->in;
    l->frame = outer;
    return net;
}

static Net *net_function(Lower *l, const Stmt *fn, const char *builtin, const char *path) {
    Net *net = net_new(l, NET_FUNCTION, fn, path);
    net->origin = builtin ? builtin : path;
    net->function_frame = l->root;
    return net;
}

static Net *lower_chain(Lower *l, const Expr *e, const char *path) {
    Net *net = net_new(l, NET_CHAIN, NULL, path);
    Labels labels = {{.of_texts = true}, {.of_texts = true}};
    for (int i = 0; i < e->arg_count; i++) {
        const char *label = e->arg_names ? e->arg_names[i] : NULL;
        if (!label) label = part_label(l, e->args[i], &labels);
        Net *part = lower_net(l, e->args[i], join_path(l, path, label));
        if (!part) continue;
        array_push(l->arena, &net->parts, part);
        array_push(l->arena, &net->part_names, label);
        map_put(l->arena, &labels.taken, label, net);
    }
    return net;
}

/* Makes a net inside a copy draw its start by the path that it has in the original, so that both
 * start equal. */
static void follow_origin(Lower *l, Net *net, const Net *owner) {
    size_t length = strlen(owner->path);
    if (owner->origin != owner->path && strncmp(net->path, owner->path, length) == 0 &&
        net->kind != NET_FUNCTION)
        net->origin = arena_printf(l->arena, "%s%s", owner->origin, net->path + length);
    for (int i = 0; i < net->parts.count; i++)
        follow_origin(l, net->parts.items[i], owner);
}

static void adopt(Lower *l, Net *owner, const Expr *place, Net *net) {
    NetChild child = {place, net};
    array_push(l->arena, &owner->children, child);
    follow_origin(l, net, owner);
}

/* Returns the net that a constructor call in the body of a net has made before, or NULL. A call
 * makes its weights once per place in the text. */
static Net *child_at(Lower *l, const Expr *place) {
    Net *owner = l->frame->owner;
    if (!owner) return NULL;
    for (int i = 0; i < owner->children.count; i++)
        if (owner->children.items[i].place == place) return owner->children.items[i].net;
    return NULL;
}

/* Returns the net of a constructor call. In the body of a net the call may have made the net
 * before; else it is named after its owner. */
static Net *construct_at(Lower *l, const Stmt *stmt, const Expr *place, const char *path) {
    Net *owner = l->frame->owner;
    Net *net = child_at(l, place);
    if (net) return net;
    if (owner) {
        int n = 1;
        for (int i = 0; i < owner->children.count; i++) {
            const Expr *other = owner->children.items[i].place;
            const Expr *callee = other->kind == EXPR_CALL ? other->callee : other;
            n += callee->name && strcmp(callee->name, stmt->name) == 0;
        }
        path = arena_printf(l->arena, "%s.%s_%d", owner->path, stmt->name, n);
    }
    net = net_construct(l, stmt, place, path);
    if (owner && net) adopt(l, owner, place, net);
    return net;
}

/* Lowers a chain. Its parts belong to the chain, which alone is a child of the owner. */
static Net *lower_composed(Lower *l, const Expr *e, const char *path) {
    Net *made = child_at(l, e);
    Net *owner = l->frame->owner;
    if (made) return made;
    l->frame->owner = NULL;
    made = lower_chain(l, e, owner ? join_path(l, owner->path, path) : path);
    l->frame->owner = owner;
    if (owner) adopt(l, owner, e, made);
    return made;
}

static Net *lower_part(Lower *l, const Expr *e, const char *path) {
    Net *whole = lower_net(l, e->args[0], path);
    Net *part = whole ? net_part(whole, e->name) : NULL;
    if (!part)
        diag_report(l->diag, CODE_UNKNOWN_MEMBER, e->span, "this network has no part named `%s`",
                    e->name);
    return part;
}

static Net *no_network(Lower *l, const Expr *e) {
    diag_report(l->diag, CODE_NOT_A_NETWORK, e->span, "a network is needed here");
    return NULL;
}

static bool is_definition(const Symbol *symbol) {
    return symbol && symbol->kind == SYMBOL_NET && symbol->stmt->has_config;
}

/* Lowers a name, which stands for a network or for a function that is applied as one. */
static Net *lower_named(Lower *l, const Expr *e, const char *path) {
    const Symbol *symbol = e->symbol;
    if (!symbol) return no_network(l, e);
    if (symbol->kind == SYMBOL_NET_PART) return lower_part(l, e, path);
    if (symbol->kind == SYMBOL_FN) return net_function(l, symbol->stmt, NULL, path);
    if (symbol->kind == SYMBOL_BUILTIN) return net_function(l, NULL, symbol->name, path);
    const Value *value = frame_find(l->frame, symbol);
    if (symbol->kind == SYMBOL_LET_FN && value) {
        Net *function = net_function(l, symbol->stmt, NULL, path);
        function->function_frame = value->frame;
        return function;
    }
    if (is_definition(symbol)) return construct_at(l, symbol->stmt, e, path);
    return value && value->kind == VALUE_NET ? value->net : no_network(l, e);
}

Net *lower_net(Lower *l, const Expr *e, const char *path) {
    if (e->kind == EXPR_COMPOSE) return lower_composed(l, e, path);
    if (e->kind == EXPR_COPY) {
        Net *from = lower_net(l, e->args[0], path);
        return from ? net_copy(l, from, path, from->origin) : NULL;
    }
    if (e->kind == EXPR_CALL && is_definition(e->callee->symbol))
        return construct_at(l, e->callee->symbol->stmt, e, path);
    const bool is_name = e->kind == EXPR_NAME || e->kind == EXPR_MEMBER;
    return is_name ? lower_named(l, e, path) : no_network(l, e);
}

/* Returns a net with the same structure and states of its own. Both draw the same start. */
Net *net_copy(Lower *l, Net *from, const char *path, const char *origin) {
    Net *net = net_new(l, from->kind, from->stmt, path);
    net->origin = origin;
    net->frame = from->frame;
    net->function_frame = from->function_frame;
    net->made = from->made;
    for (int i = 0; i < from->parts.count; i++) {
        Net *part = from->parts.items[i];
        const char *label = from->part_names.items[i];
        Net *copy = net_copy(l, part, join_path(l, path, label), part->origin);
        array_push(l->arena, &net->parts, copy);
        array_push(l->arena, &net->part_names, label);
    }
    /* Children of a layer are made when the layer is first applied. Those that exist are copied
     * now. The others find their origin by the path, since construct_at names them alike. */
    for (int i = 0; i < from->children.count; i++) {
        Net *child = from->children.items[i].net;
        const char *tail = child->path + strlen(from->path);
        NetChild copy = {
            from->children.items[i].place,
            net_copy(l, child, arena_printf(l->arena, "%s%s", path, tail), child->origin)};
        array_push(l->arena, &net->children, copy);
    }
    return net;
}

Net *net_part(Net *net, const char *name) {
    for (int i = 0; i < net->parts.count; i++)
        if (strcmp(net->part_names.items[i], name) == 0) return net->parts.items[i];
    return NULL;
}

/* ---- states ---------------------------------------------------------------------------------- */

const StateRecord *state_find_record(const Lower *l, const char *name) {
    for (int i = 0; i < l->records.count; i++)
        if (strcmp(l->records.items[i].state.name, name) == 0) return &l->records.items[i];
    return NULL;
}

/* Sets the shape that the parameter itself declares. */
static void set_own_shape(Lower *l, const Param *param, StateRecord *record) {
    record->state.rank = param->dim_count;
    for (int i = 0; i < param->dim_count; i++) {
        int64_t extent;
        if (!lower_extent(l, param->dims[i], &extent)) {
            diag_report(
                l->diag, CODE_DIMENSION_UNKNOWN, param->dims[i]->span,
                "this dimension of `%s` is not a positive whole number known at compile time",
                param->name);
            extent = 1;
        }
        record->state.shape[i] = extent;
    }
}

static void check_elements(Lower *l, const Param *param, const StateRecord *record) {
    int64_t elements = 1;
    for (int i = 0; i < record->state.rank; i++)
        if (__builtin_mul_overflow(elements, record->state.shape[i], &elements) ||
            elements > MOST_ELEMENTS) {
            diag_report(l->diag, CODE_DIMENSION_RANGE, param->span,
                        "`%s` would have more than 2^48 elements", param->name);
            return;
        }
}

/* Checks that weights that are shared have one shape. */
static void check_same_shape(Lower *l, const Param *param, const StateRecord *known,
                             const StateRecord *record) {
    for (int i = 0; i < known->state.rank; i++) {
        if (known->state.shape[i] == record->state.shape[i]) continue;
        diag_report(
            l->diag, CODE_SHARED_SHAPE, param->span,
            "`%s` needs %lld entries on axis %d here, and %lld where the net was applied before",
            param->name, (long long)record->state.shape[i], i + 1,
            (long long)known->state.shape[i]);
        diag_note(l->diag, param->span,
                  "one net applied twice shares its weights, so each application must give them "
                  "one shape");
        return;
    }
}

void state_declare(Lower *l, const char *path, const char *origin, const Param *param,
                   StateRole role, const int64_t *like_shape, int like_rank) {
    StateRecord record;
    memset(&record, 0, sizeof record);
    const char *name = join_path(l, path, param->name);
    record.state.name = arena_intern(l->arena, name, strlen(name));
    record.state.role = role;
    bool integer = param->type && param->type->kind == KIND_INT;
    record.state.type = integer ? GT_INT : GT_REAL;
    record.state.span = param->span;
    record.start = param->value;
    record.frame = l->frame;
    record.origin = join_path(l, origin, param->name);
    if (like_shape && ast_is_like_parameter(param)) {
        record.state.rank = like_rank;
        memcpy(record.state.shape, like_shape, sizeof *like_shape * (size_t)like_rank);
    } else {
        set_own_shape(l, param, &record);
    }
    check_elements(l, param, &record);
    const StateRecord *known = state_find_record(l, record.state.name);
    if (known)
        check_same_shape(l, param, known, &record);
    else
        array_push(l->arena, &l->records, record);
}

GNode *state_now(Lower *l, const char *name) {
    for (int i = 0; i < l->current.count; i++)
        if (strcmp(l->current.items[i].name, name) == 0) return l->current.items[i].now;
    for (int i = 0; i < l->renewed.count; i++)
        if (strcmp(l->renewed.items[i].name, name) == 0) return l->renewed.items[i].now;
    const StateRecord *record = state_find_record(l, name);
    assert(record);
    GNode *moved = lower_moved_before(l, record);
    if (moved) {
        state_renew(l, name, moved, record->state.span);
        return moved;
    }
    return state_node(l, name);
}

void state_renew(Lower *l, const char *name, GNode *value, Span span) {
    for (int i = 0; i < l->current.count; i++) {
        if (strcmp(l->current.items[i].name, name) != 0) continue;
        l->current.items[i].now = value;
        return;
    }
    StateValue renewed = {arena_intern(l->arena, name, strlen(name)), value, span};
    array_push(l->arena, &l->current, renewed);
}

/* ---- applying -------------------------------------------------------------------------------- */

static Value apply_layer(Lower *l, Net *net, Value input, const Expr *call) {
    Frame *outer = l->frame;
    /* The frame of one application has the dimensions of its input, and its lets. Its parent has
     * the configuration. */
    Frame *frame = frame_new(l, net->frame);
    frame->owner = net;
    l->frame = frame;
    Value result;
    /* call_function binds the dimensions and runs the body in a frame whose parent is this one, so
     * the owner is inherited. */
    result = call_function(l, net->stmt, frame, &input, 1, call);
    l->frame = outer;
    return result;
}

/* Applies a function as a layer, by a call that is made up for it. */
static Value apply_function(Lower *l, Net *net, Value input, const Expr *call) {
    /* The layer is called on a name that stands for the input. */
    Symbol *argument = arena_new_of(l->arena, Symbol);
    argument->kind = SYMBOL_ARGUMENT;
    argument->name = "x";
    Symbol *builtin = arena_new_of(l->arena, Symbol);
    builtin->kind = SYMBOL_BUILTIN;
    builtin->name = net->origin;
    Expr *name = arena_new_of(l->arena, Expr);
    Expr *callee = arena_new_of(l->arena, Expr);
    Expr *made = arena_new_of(l->arena, Expr);
    name->kind = callee->kind = EXPR_NAME;
    name->name = "x";
    name->symbol = argument;
    callee->name = net->origin;
    callee->symbol = builtin;
    made->kind = EXPR_CALL;
    made->callee = callee;
    made->args = arena_array(l->arena, Expr *, 1);
    made->args[0] = name;
    made->arg_count = 1;
    made->span = name->span = callee->span = call->span;
    Frame *outer = l->frame;
    l->frame = frame_new(l, outer);
    frame_set(l, l->frame, argument, input);
    Value result = net->stmt ? lower_function_call(l, net->stmt, net->function_frame, made)
                             : lower_call(l, made);
    l->frame = outer;
    return result;
}

Value net_apply(Lower *l, Net *net, Value input, const Expr *call) {
    switch (net->kind) {
    case NET_LAYER:
        input = apply_layer(l, net, input, call);
        break;
    case NET_FUNCTION:
        input = apply_function(l, net, input, call);
        break;
    case NET_CHAIN:
        for (int i = 0; i < net->parts.count; i++)
            input = net_apply(l, net->parts.items[i], input, call);
        break;
    }
    if (input.kind == VALUE_ARRAY) {
        array_push(l->arena, &l->applied, input.tensor);
    }
    return input;
}
