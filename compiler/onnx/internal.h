/* A graph on its way into a model.
 *
 * While a compute node is taken, an array of the model is a Value: it has an axis for each index of
 * the node that it depends on, in the order of the indices, and no other. Between nodes it is a
 * Tensor, with an axis for each axis of the node that it depends on. Where a formula of one array
 * meets one of another, missing axes are added with one entry, which operators repeat. */
#ifndef COUPLET_COMPILER_ONNX_INTERNAL_H
#define COUPLET_COMPILER_ONNX_INTERNAL_H

#include "compiler/graph/visit.h"
#include "compiler/onnx/onnx.h"

typedef struct Value {
    const char *name;
    GType type;
    uint32_t mask; /* the indices of the node that the array depends on, a bit for each */
} Value;

typedef struct Tensor {
    /* the name of the array in the model; NULL: the node is no part of the model */
    const char *name;
    uint32_t axes; /* the axes of the node that the array has, a bit for each */
    int samples;   /* the axis that counts the samples, or -1 */
} Tensor;

typedef struct Onnx {
    OnnxModel *m;
    Arena *arena;
    Diag *diag;
    Graph *g;
    const OnnxRequest *request;
    Tensor *tensors; /* [id of a node] */
    /* the compute node that is added, and the extents of its indices */
    const GNode *node;
    int64_t extents[GRAPH_MAX_INDICES];
    int samples;  /* the index that counts the samples, or -1 */
    ExprMap done; /* the values of expressions that were written */
    bool failed;
} Onnx;

/* Reports that a formula has no place in a model, once for each graph. Returns a value that nobody
 * reads, since `failed` is then set. */
Value onnx_refuse(Onnx *o, Span span, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* ---- operators ------------------------------------------------------------------------------- */

OnnxType onnx_type(GType type);
Value onnx_real(Onnx *o, double value);
Value onnx_whole(Onnx *o, int64_t value);
Value onnx_truth(Onnx *o, bool value);
Value onnx_one(Onnx *o, const char *op, Value a, GType type);
/* Add an operator of two or three arrays, whose axes are lined up first. */
Value onnx_two(Onnx *o, const char *op, Value a, Value b, GType type);
Value onnx_where(Onnx *o, Value condition, Value then, Value otherwise);
Value onnx_cast(Onnx *o, Value a, GType type);
/* Returns the array with all axes of the mask. Each added axis has one entry. */
Value onnx_widen(Onnx *o, Value a, uint32_t mask);
const char *onnx_transpose(Onnx *o, const char *name, int rank, const int *order);
/* Returns the number of axes that a value with this mask has in front of the axis of the index. */
int onnx_axis(uint32_t mask, int index);
/* Returns the number of indices in the mask. */
int onnx_count(uint32_t mask);

/* ---- the parts of a formula ------------------------------------------------------------------ */

/* True if the expression, of whole numbers or truth values, is known when the model is made. Such
 * an expression reads only indices, and not the index of the samples. */
bool onnx_is_known(const Onnx *o, const GExpr *e);
/* Computes the value of a known expression at the given indices. Returns false if it has none
 * there. */
bool onnx_known(const GExpr *e, const int64_t *indices, int64_t *out);
/* Returns all values of a known expression, over the indices of the mask in their order. Returns
 * NULL if there are too many for a model. */
int64_t *onnx_known_values(Onnx *o, const GExpr *e, uint32_t mask, int64_t *count);
Value onnx_known_array(Onnx *o, const int64_t *values, uint32_t mask, GType type);

/* Adds the operators of an expression, once for each node, and returns its value. */
Value onnx_value(Onnx *o, const GExpr *e);
/* Adds the read of an array at its subscripts. */
Value onnx_read(Onnx *o, const GExpr *load);
/* Adds a convolution, or a maximum over windows. Returns false, with nothing added, if the node is
 * neither. */
bool onnx_window(Onnx *o, Value *out);
/* Adds a sum of products of two arrays or more. Returns false if the node is no such sum. */
bool onnx_product(Onnx *o, Value *out);
/* Adds the reduction of the node over the value, without the terms that the guard leaves out. */
Value onnx_reduce(Onnx *o, Value value, const GExpr *guard);

/* Adds one compute node. Returns false after a message. */
bool onnx_compute(Onnx *o, const GNode *node);

#endif
