/* A model of ONNX while it is built: operators, constants, inputs and outputs, which refer to each
 * other by the names of their results (onnx.proto of ONNX 1.12, operator set 17). Everything lives
 * in the arena that the model was made with, but for the finished message. */
#ifndef COUPLET_COMPILER_ONNX_ONNX_MODEL_H
#define COUPLET_COMPILER_ONNX_ONNX_MODEL_H

#include "lang/support.h"
#include "runtime/protobuf.h"

/* The values of TensorProto.DataType. */
typedef enum {
    ONNX_FLOAT = 1,
    ONNX_UINT8 = 2,
    ONNX_INT64 = 7,
    ONNX_BOOL = 9,
    ONNX_DOUBLE = 11
} OnnxType;

enum { ONNX_ANY = -1 }; /* the extent of the axis of samples */

typedef enum {
    ONNX_ATTRIBUTE_INT,
    ONNX_ATTRIBUTE_INTS,
    ONNX_ATTRIBUTE_TEXT,
} OnnxAttributeKind;
typedef struct OnnxAttribute {
    const char *name;
    OnnxAttributeKind kind;
    int64_t number;
    const int64_t *numbers;
    int count; /* the length of `numbers` */
    const char *text;
} OnnxAttribute;

typedef struct OnnxModel OnnxModel;

/* Begins a model. `producer` and `version` say who makes it. */
OnnxModel *onnx_model_new(Arena *arena, const char *producer, const char *version);
/* Sets the documentation of the operators that are added from here on: the place of a formula. */
void onnx_model_place(OnnxModel *m, const char *place);

/* Adds an operator with one result, and returns the result's name. */
const char *onnx_operator(OnnxModel *m, const char *type, int input_count,
                          const char *const *inputs, int attribute_count,
                          const OnnxAttribute *attributes);
/* Adds an operator as above, and returns the name of the last of its `result_count` results. */
const char *onnx_operator_last(OnnxModel *m, const char *type, int input_count,
                               const char *const *inputs, int attribute_count,
                               const OnnxAttribute *attributes, int result_count);

/* Adds an array of known values, or finds the equal one that is there, and returns its name. `data`
 * has the elements of the type, row major, in the order of this machine's bytes (little-endian). */
const char *onnx_constant(OnnxModel *m, OnnxType type, int rank, const int64_t *shape,
                          const void *data);
/* Adds a constant with a name of its own, which is a parameter. An equal one is not looked for. */
const char *onnx_parameter(OnnxModel *m, const char *name, OnnxType type, int rank,
                           const int64_t *shape, const void *data);
/* Adds a constant vector of whole numbers, as onnx_constant does. */
const char *onnx_ints(OnnxModel *m, int count, const int64_t *values);

void onnx_input(OnnxModel *m, const char *name, OnnxType type, int rank, const int64_t *shape);
/* Gives a result the name of an output. */
void onnx_output(OnnxModel *m, const char *name, const char *result, OnnxType type, int rank,
                 const int64_t *shape);

/* Writes the whole into a message, which the caller frees. `is_short` says that memory ran out. */
CoupletMessage onnx_model_finish(OnnxModel *m, const char *graph, const char *documentation);
void onnx_model_free(OnnxModel *m);

#endif
