/* Turns a graph into a model of ONNX, node by node. Each kind of node has a function. */
#include "compiler/graph/node_set.h"
#include "compiler/onnx/internal.h"

#include <string.h>

Value onnx_refuse(Onnx *o, Span span, const char *format, ...) {
    va_list args;
    char sentence[512];
    va_start(args, format);
    vsnprintf(sentence, sizeof sentence, format, args);
    va_end(args);
    if (!o->failed) {
        diag_report(o->diag, CODE_EXPORT, span, "%s", sentence);
    }
    o->failed = true;
    return (Value){"", GT_REAL, 0};
}

OnnxType onnx_type(GType type) {
    switch (type) {
    case GT_REAL:
        return ONNX_FLOAT;
    case GT_INT:
        return ONNX_INT64;
    case GT_BOOL:
        return ONNX_BOOL;
    case GT_U8:
        return ONNX_UINT8;
    }
    return ONNX_FLOAT;
}

/* ---- arrays that come in --------------------------------------------------------------------- */

static uint32_t all_axes(const GNode *n) {
    return (1u << n->rank) - 1;
}

static const char sample[] = "sample.", hyper[] = "hyper.";

static bool begins_with(const char *name, const char *beginning) {
    return strncmp(name, beginning, strlen(beginning)) == 0;
}

/* Adds a field of the samples, with a first axis for any number of them. Bytes are pictures, and
 * stand for 0 to 1. */
static void add_sample_field(Onnx *o, const GNode *n) {
    const char *name = n->name + strlen(sample);
    int64_t shape[GRAPH_MAX_RANK] = {ONNX_ANY};
    for (int i = 1; i < n->rank; i++)
        shape[i] = n->shape[i];
    onnx_input(o->m, name, onnx_type(n->type), n->rank, shape);
    Value read = {name, n->type, all_axes(n)};
    if (n->type == GT_U8) {
        read = onnx_cast(o, read, GT_REAL);
        read = onnx_two(o, "Div", read, onnx_real(o, 255), GT_REAL);
    }
    o->tensors[n->id] = (Tensor){read.name, all_axes(n), 0};
}

static void add_input(Onnx *o, const GNode *n) {
    double value;
    if (graph_is_batch(n) && begins_with(n->name, sample)) {
        add_sample_field(o, n);
    } else if (begins_with(n->name, hyper) && !n->rank &&
               o->request->hyper(o->request->context, n->name + strlen(hyper), &value)) {
        const Value number =
            n->type == GT_INT ? onnx_whole(o, (int64_t)value) : onnx_real(o, value);
        o->tensors[n->id] = (Tensor){number.name, 0, -1};
    } else {
        onnx_refuse(o, n->span,
                    "features of a model are made of samples and weights, and `%s` is neither",
                    n->name);
    }
}

/* Returns the entries of a constant as the model stores them. Whole numbers of 32 bits become
 * numbers of 64 bits, which the operators take, and truth values become bytes. */
static const void *as_stored(Onnx *o, const GNode *n, const int32_t *numbers) {
    const int64_t count = graph_element_count(n);
    int64_t *wide = arena_array(o->arena, int64_t, count + 1);
    unsigned char *narrow = (unsigned char *)wide;
    for (int64_t i = 0; i < count; i++) {
        if (n->type == GT_BOOL)
            narrow[i] = numbers[i] != 0;
        else
            wide[i] = numbers[i];
    }
    return wide;
}

static void add_state(Onnx *o, const GNode *n) {
    const void *data = o->request->state(o->request->context, n);
    if (!data) {
        onnx_refuse(o, n->span, "the run has no `%s` of this shape", n->name);
        return;
    }
    if (n->type != GT_REAL) data = as_stored(o, n, data);
    /* An array of a network has a dot in its name. Any other state gets a name with a slash, so
     * that its name is not that of a field or an output, which have neither. */
    const char *name = strchr(n->name, '.') ? n->name : arena_printf(o->arena, "state/%s", n->name);
    onnx_parameter(o->m, name, onnx_type(n->type), n->rank, n->shape, data);
    o->tensors[n->id] = (Tensor){name, all_axes(n), -1};
}

static void add_initialiser(Onnx *o, const GNode *n) {
    const int64_t count = graph_element_count(n);
    const char *name;
    if (n->type == GT_REAL) {
        float *reals = arena_array(o->arena, float, count + 1);
        for (int64_t i = 0; i < count; i++)
            reals[i] = (float)n->data[i];
        name = onnx_constant(o->m, ONNX_FLOAT, n->rank, n->shape, reals);
    } else {
        int32_t *numbers = arena_array(o->arena, int32_t, count + 1);
        for (int64_t i = 0; i < count; i++)
            numbers[i] = (int32_t)n->data[i];
        name = onnx_constant(o->m, onnx_type(n->type), n->rank, n->shape, as_stored(o, n, numbers));
    }
    o->tensors[n->id] = (Tensor){name, all_axes(n), -1};
}

/* ---- places of the largest ------------------------------------------------------------------- */

/* Returns the places of the `count` largest entries, or of all entries in ascending order. An entry
 * that is not finite is no candidate, and a run stops if too few candidates are left. So its place
 * is set behind the end of the axis, where a read stops the model, too. */
static const char *places_of(Onnx *o, const GNode *n, const GNode *operand, int64_t count,
                             bool ascending) {
    const Tensor *t = &o->tensors[operand->id];
    const int64_t last = operand->shape[operand->rank - 1];
    const OnnxAttribute largest = {
        .name = "largest", .kind = ONNX_ATTRIBUTE_INT, .number = !ascending};
    const char *const inputs[] = {t->name, onnx_ints(o->m, 1, &count)};
    if (!(t->axes >> (operand->rank - 1) & 1) || t->samples == operand->rank - 1) {
        onnx_refuse(o, n->span, "the largest are looked for among entries that are all the same");
        return "";
    }
    const char *places = onnx_operator_last(o->m, "TopK", 2, inputs, 1, &largest, 2);
    if (ascending) return places;
    const OnnxAttribute axis = {
        .name = "axis", .kind = ONNX_ATTRIBUTE_INT, .number = onnx_count(t->axes) - 1};
    const char *const gathered[] = {t->name, places};
    const char *values = onnx_operator(o->m, "GatherElements", 2, gathered, 1, &axis);
    const Value found = {values, GT_REAL, 0};
    const Value none = onnx_two(o, "Or", onnx_one(o, "IsInf", found, GT_BOOL),
                                onnx_one(o, "IsNaN", found, GT_BOOL), GT_BOOL);
    return onnx_where(o, none, onnx_whole(o, last), (Value){places, GT_INT, 0}).name;
}

static void add_places(Onnx *o, const GNode *n, const GNode *operand, bool ascending) {
    const Tensor *t = &o->tensors[operand->id];
    const char *name = places_of(o, n, operand, n->shape[n->rank - 1], ascending);
    o->tensors[n->id] = (Tensor){name, t->axes, t->samples};
}

static void add_call(Onnx *o, const GNode *n) {
    switch (n->call) {
    case COUPLET_CALL_ARGSORT:
        add_places(o, n, n->operands[0], true);
        return;
    case COUPLET_CALL_SELECT:
        add_places(o, n, n->operands[0], false);
        return;
    case COUPLET_CALL_SOLVE:
    case COUPLET_CALL_ASSIGNMENT:
    case COUPLET_CALL_BETA_QUANTILE:
    case COUPLET_CALL_COUNT:
        break;
    }
    onnx_refuse(o, n->span, "ONNX has no operator for `%s`", couplet_calls[n->call].name);
}

/* ---- the graph ------------------------------------------------------------------------------- */

static void add_node(Onnx *o, const GNode *n) {
    switch (n->kind) {
    case GN_INPUT:
        add_input(o, n);
        break;
    case GN_STATE:
        add_state(o, n);
        break;
    case GN_CONST:
        add_initialiser(o, n);
        break;
    case GN_STOP:
        o->tensors[n->id] = o->tensors[n->operand->id];
        break;
    case GN_TOPK:
        add_places(o, n, n->operand, false);
        break;
    case GN_CALL:
        add_call(o, n);
        break;
    case GN_COMPUTE:
        onnx_compute(o, n);
        break;
    }
}

/* Adds the output as reals of [N, D], with all its axes even if its formula depends on fewer. */
static void add_output(Onnx *o, const GNode *n, const char *name) {
    const Tensor *t = &o->tensors[n->id];
    int64_t shape[GRAPH_MAX_RANK];
    int64_t repeats[GRAPH_MAX_RANK];
    if (t->samples != 0) {
        onnx_refuse(o, n->span, "the rows of the features are not those of the samples");
        return;
    }
    for (int i = 0; i < n->rank; i++) {
        shape[i] = i ? n->shape[i] : ONNX_ANY;
        repeats[i] = i && !(t->axes >> i & 1) ? n->shape[i] : 1;
    }
    const char *result = t->name;
    if (t->axes != all_axes(n)) {
        const Value all = onnx_widen(o, (Value){t->name, n->type, t->axes}, all_axes(n));
        const char *const inputs[] = {all.name, onnx_ints(o->m, n->rank, repeats)};
        result = onnx_operator(o->m, "Expand", 2, inputs, 0, NULL);
    }
    onnx_output(o->m, name, result, onnx_type(n->type), n->rank, shape);
}

static const char *source_line_of(Arena *arena, Span span) {
    return span.source ? arena_printf(arena, "%s:%d", span.source->path, span.line) : NULL;
}

bool onnx_add_graph(OnnxModel *model, Arena *arena, Diag *diag, Graph *g, const char *name,
                    const OnnxRequest *request) {
    Onnx o = {.m = model, .arena = arena, .diag = diag, .g = g, .request = request};
    o.tensors = arena_array(arena, Tensor, graph_node_ids(g));
    NodeSet reached;
    node_set_open(&reached, g);
    graph_add_reached(g, &reached);
    for (int i = 0; i < g->nodes.count && !o.failed; i++) {
        const GNode *n = g->nodes.items[i];
        onnx_model_place(model, source_line_of(arena, n->span));
        if (node_set_holds(&reached, n)) add_node(&o, n);
    }
    node_set_close(&reached);
    onnx_model_place(model, NULL);
    if (!o.failed) add_output(&o, g->outputs.items[0].node, name);
    return !o.failed;
}
