/* A graph as a model of ONNX, for inference in other programs.
 *
 * The model has the fields of the samples as its inputs, with a first axis of any length, and the
 * graph's output as its output. Its values are those of the graph up to rounding. There is no model
 * if no operator computes a formula, or if a formula would fail for some data where the model gives
 * a number. This is an error at the place of the formula. */
#ifndef COUPLET_COMPILER_ONNX_ONNX_H
#define COUPLET_COMPILER_ONNX_ONNX_H

#include "compiler/graph/graph.h"
#include "compiler/onnx/onnx_model.h"

typedef struct OnnxRequest {
    /* Returns the elements of a state: float32 for reals, int32 for whole numbers and truth values.
     * Returns NULL if there is no state of that name and shape. */
    const void *(*state)(void *context, const GNode *node);
    /* Finds the value of a hyper by its name. Returns false if there is no such hyper. */
    bool (*hyper)(void *context, const char *name, double *out);
    void *context;
} OnnxRequest;

/* Adds the graph, as lowering made it, to the model. Each input "sample.NAME" becomes an input
 * NAME, and the output becomes `name`, reals of [N, D]. Returns false after errors, which are in
 * diag. */
bool onnx_add_graph(OnnxModel *model, Arena *arena, Diag *diag, Graph *g, const char *name,
                    const OnnxRequest *request);

#endif
