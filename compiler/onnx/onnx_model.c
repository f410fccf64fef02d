/* Writes the protocol buffer of a model (onnx_model.h). Its parts are messages of their own,
 * because the length of a part stands ahead of it. */
#include "compiler/onnx/onnx_model.h"

#include <string.h>

/* The numbers of fields in onnx.proto. */
enum {
    MODEL_IR_VERSION = 1,
    MODEL_PRODUCER_NAME = 2,
    MODEL_PRODUCER_VERSION = 3,
    MODEL_DOC_STRING = 6,
    MODEL_GRAPH = 7,
    MODEL_OPSET_IMPORT = 8,
    OPSET_VERSION = 2,
    GRAPH_NODE = 1,
    GRAPH_NAME = 2,
    GRAPH_INITIALIZER = 5,
    GRAPH_INPUT = 11,
    GRAPH_OUTPUT = 12,
    NODE_INPUT = 1,
    NODE_OUTPUT = 2,
    NODE_NAME = 3,
    NODE_OP_TYPE = 4,
    NODE_ATTRIBUTE = 5,
    NODE_DOC_STRING = 6,
    ATTRIBUTE_NAME = 1,
    ATTRIBUTE_I = 3,
    ATTRIBUTE_S = 4,
    ATTRIBUTE_INTS = 8,
    ATTRIBUTE_TYPE = 20,
    TENSOR_DIMS = 1,
    TENSOR_DATA_TYPE = 2,
    TENSOR_NAME = 8,
    TENSOR_RAW_DATA = 9,
    VALUE_NAME = 1,
    VALUE_TYPE = 2,
    TYPE_TENSOR_TYPE = 1,
    TENSOR_TYPE_ELEM_TYPE = 1,
    TENSOR_TYPE_SHAPE = 2,
    SHAPE_DIM = 1,
    DIM_VALUE = 1,
    DIM_PARAM = 2
};
/* the values of AttributeProto.AttributeType, by OnnxAttributeKind */
static const int attribute_types[] = {2, 7, 3};
enum {
    IR_VERSION = 8,
    OPERATOR_SET = 17,
    KNOWN_LISTS = 1024,
};

/* A constant of the model, in a list of constants whose hashes are equal modulo KNOWN_LISTS. */
typedef struct Constant {
    const char *name;
    OnnxType type;
    int rank;
    const int64_t *shape;
    size_t length;
    const void *data;
    struct Constant *next;
} Constant;

struct OnnxModel {
    Arena *arena;
    const char *producer;
    const char *version;
    const char *place;
    CoupletMessage graph; /* the fields of the graph so far; protocol buffers allow any order */
    Constant *known[KNOWN_LISTS];
    int64_t results;
};

OnnxModel *onnx_model_new(Arena *arena, const char *producer, const char *version) {
    OnnxModel *m = arena_new_of(arena, OnnxModel);
    m->arena = arena;
    m->producer = producer;
    m->version = version;
    return m;
}

void onnx_model_free(OnnxModel *m) {
    couplet_message_free(&m->graph);
}

void onnx_model_place(OnnxModel *m, const char *place) {
    m->place = place;
}

/* Puts a message into another as a field, and frees it. */
static void put_part(CoupletMessage *m, int field, CoupletMessage *part) {
    couplet_message_part(m, field, part);
    couplet_message_free(part);
}

/* ---- operators ------------------------------------------------------------------------------- */

static void put_attribute(CoupletMessage *node, const OnnxAttribute *a) {
    CoupletMessage m = {0};
    couplet_message_text(&m, ATTRIBUTE_NAME, a->name);
    switch (a->kind) {
    case ONNX_ATTRIBUTE_INT:
        couplet_message_int(&m, ATTRIBUTE_I, a->number);
        break;
    case ONNX_ATTRIBUTE_INTS:
        for (int i = 0; i < a->count; i++)
            couplet_message_int(&m, ATTRIBUTE_INTS, a->numbers[i]);
        break;
    case ONNX_ATTRIBUTE_TEXT:
        couplet_message_text(&m, ATTRIBUTE_S, a->text);
        break;
    }
    couplet_message_int(&m, ATTRIBUTE_TYPE, attribute_types[a->kind]);
    put_part(node, NODE_ATTRIBUTE, &m);
}

const char *onnx_operator_last(OnnxModel *m, const char *type, int input_count,
                               const char *const *inputs, int attribute_count,
                               const OnnxAttribute *attributes, int result_count) {
    CoupletMessage node = {0};
    const char *result = "";
    for (int i = 0; i < input_count; i++)
        couplet_message_text(&node, NODE_INPUT, inputs[i]);
    for (int i = 0; i < result_count; i++) {
        result = arena_printf(m->arena, "%s/%lld", type, (long long)++m->results);
        couplet_message_text(&node, NODE_OUTPUT, result);
    }
    couplet_message_text(&node, NODE_NAME, result);
    couplet_message_text(&node, NODE_OP_TYPE, type);
    for (int i = 0; i < attribute_count; i++)
        put_attribute(&node, &attributes[i]);
    if (m->place) {
        couplet_message_text(&node, NODE_DOC_STRING, m->place);
    }
    put_part(&m->graph, GRAPH_NODE, &node);
    return result;
}

const char *onnx_operator(OnnxModel *m, const char *type, int input_count,
                          const char *const *inputs, int attribute_count,
                          const OnnxAttribute *attributes) {
    return onnx_operator_last(m, type, input_count, inputs, attribute_count, attributes, 1);
}

/* ---- arrays ---------------------------------------------------------------------------------- */

static size_t bytes_of(OnnxType type) {
    switch (type) {
    case ONNX_FLOAT:
        return 4;
    case ONNX_INT64:
    case ONNX_DOUBLE:
        return 8;
    case ONNX_UINT8:
    case ONNX_BOOL:
        return 1;
    }
    return 0;
}

static size_t length_of(OnnxType type, int rank, const int64_t *shape) {
    size_t length = bytes_of(type);
    for (int i = 0; i < rank; i++)
        length *= (size_t)shape[i];
    return length;
}

const char *onnx_parameter(OnnxModel *m, const char *name, OnnxType type, int rank,
                           const int64_t *shape, const void *data) {
    CoupletMessage tensor = {0};
    for (int i = 0; i < rank; i++)
        couplet_message_int(&tensor, TENSOR_DIMS, shape[i]);
    couplet_message_int(&tensor, TENSOR_DATA_TYPE, type);
    couplet_message_text(&tensor, TENSOR_NAME, name);
    couplet_message_bytes(&tensor, TENSOR_RAW_DATA, data, length_of(type, rank, shape));
    put_part(&m->graph, GRAPH_INITIALIZER, &tensor);
    return name;
}

static uint64_t hash_constant(const Constant *c) {
    const unsigned char *bytes = c->data;
    uint64_t hash = 1469598103934665603u ^ (uint64_t)c->type ^ (uint64_t)c->rank << 8;
    for (size_t i = 0; i < c->length; i++)
        hash = (hash ^ bytes[i]) * 1099511628211u;
    return hash ^ hash >> 32;
}

static bool is_equal(const Constant *a, const Constant *b) {
    return a->type == b->type && a->rank == b->rank && a->length == b->length &&
           (!a->rank || memcmp(a->shape, b->shape, sizeof(int64_t) * (size_t)a->rank) == 0) &&
           memcmp(a->data, b->data, a->length) == 0;
}

/* Returns a copy of the bytes in the arena. */
static void *kept(Arena *arena, const void *bytes, size_t length) {
    void *copy = arena_alloc(arena, length + 1);
    if (length) memcpy(copy, bytes, length);
    return copy;
}

const char *onnx_constant(OnnxModel *m, OnnxType type, int rank, const int64_t *shape,
                          const void *data) {
    Constant c = {.type = type,
                  .rank = rank,
                  .shape = shape,
                  .length = length_of(type, rank, shape),
                  .data = data};
    Constant **list = &m->known[hash_constant(&c) % KNOWN_LISTS];
    for (const Constant *k = *list; k; k = k->next)
        if (is_equal(k, &c)) return k->name;
    Constant *added = arena_new_of(m->arena, Constant);
    c.name = arena_printf(m->arena, "constant/%lld", (long long)++m->results);
    c.shape = kept(m->arena, shape, sizeof(int64_t) * (size_t)rank);
    c.data = kept(m->arena, data, c.length);
    c.next = *list;
    *added = c;
    *list = added;
    return onnx_parameter(m, c.name, type, rank, c.shape, c.data);
}

const char *onnx_ints(OnnxModel *m, int count, const int64_t *values) {
    const int64_t shape = count;
    return onnx_constant(m, ONNX_INT64, 1, &shape, values);
}

/* ---- inputs, outputs, the whole -------------------------------------------------------------- */

static void put_value(OnnxModel *m, int field, const char *name, OnnxType type, int rank,
                      const int64_t *shape) {
    CoupletMessage value = {0};
    CoupletMessage kind = {0};
    CoupletMessage tensor = {0};
    CoupletMessage axes = {0};
    for (int i = 0; i < rank; i++) {
        CoupletMessage axis = {0};
        if (shape[i] == ONNX_ANY)
            couplet_message_text(&axis, DIM_PARAM, "N");
        else
            couplet_message_int(&axis, DIM_VALUE, shape[i]);
        put_part(&axes, SHAPE_DIM, &axis);
    }
    couplet_message_int(&tensor, TENSOR_TYPE_ELEM_TYPE, type);
    put_part(&tensor, TENSOR_TYPE_SHAPE, &axes);
    put_part(&kind, TYPE_TENSOR_TYPE, &tensor);
    couplet_message_text(&value, VALUE_NAME, name);
    put_part(&value, VALUE_TYPE, &kind);
    put_part(&m->graph, field, &value);
}

void onnx_input(OnnxModel *m, const char *name, OnnxType type, int rank, const int64_t *shape) {
    put_value(m, GRAPH_INPUT, name, type, rank, shape);
}

void onnx_output(OnnxModel *m, const char *name, const char *result, OnnxType type, int rank,
                 const int64_t *shape) {
    CoupletMessage node = {0};
    couplet_message_text(&node, NODE_INPUT, result);
    couplet_message_text(&node, NODE_OUTPUT, name);
    couplet_message_text(&node, NODE_OP_TYPE, "Identity");
    put_part(&m->graph, GRAPH_NODE, &node);
    put_value(m, GRAPH_OUTPUT, name, type, rank, shape);
}

CoupletMessage onnx_model_finish(OnnxModel *m, const char *graph, const char *documentation) {
    CoupletMessage model = {0};
    CoupletMessage set = {0};
    couplet_message_text(&m->graph, GRAPH_NAME, graph);
    couplet_message_int(&set, OPSET_VERSION, OPERATOR_SET);
    couplet_message_int(&model, MODEL_IR_VERSION, IR_VERSION);
    couplet_message_text(&model, MODEL_PRODUCER_NAME, m->producer);
    couplet_message_text(&model, MODEL_PRODUCER_VERSION, m->version);
    couplet_message_text(&model, MODEL_DOC_STRING, documentation);
    put_part(&model, MODEL_OPSET_IMPORT, &set);
    put_part(&model, MODEL_GRAPH, &m->graph);
    return model;
}
