/* oneDNN's side of the comparison (version 2, as Debian 12 has it). An operation is a list of
 * primitives over arrays in the layouts that oneDNN itself asks for. Putting arrays into these
 * layouts belongs to the preparation and is not timed, as in a network whose neighbouring layers
 * use them, too. */
#ifndef COUPLET_TESTS_BENCH_ONEDNN_H
#define COUPLET_TESTS_BENCH_ONEDNN_H

#include <stdbool.h>
#include <stdint.h>

/* Functions that make one return NULL if oneDNN refuses it. */
typedef struct DnnOperation DnnOperation;

typedef struct ProductShape {
    int64_t m, n, k;
    bool transposed_a, transposed_b;
} ProductShape;

typedef struct ConvolutionShape {
    int64_t batch, channels, size, out, stride; /* 3 x 3, padded by 1 */
} ConvolutionShape;

typedef enum { PASS_FORWARD, PASS_INPUT, PASS_WEIGHTS, PASS_COUNT } Pass;

/* Makes y[m, n] = sum over k of a b, by the matmul primitive and by the BLAS call. */
DnnOperation *dnn_product(const ProductShape *shape, const float *a, const float *b);
void dnn_sgemm(const ProductShape *shape, const float *a, const float *b, float *y);
/* Makes a convolution of x [n, h, w, c], k [o, c, 3, 3] and g (of the result's shape) [n, h, w, o],
 * laid out as Couplet's, in blocked layouts or in channels last. */
DnnOperation *dnn_convolution(const ConvolutionShape *shape, Pass pass, bool channels_last,
                              const float *x, const float *k, const float *g);
/* Makes batch normalisation with scale and shift, relu and a convolution, forward and backward, as
 * in training. */
DnnOperation *dnn_layer(const ConvolutionShape *shape, const float *x, const float *gamma,
                        const float *beta, const float *k, const float *g);

void dnn_run(void *operation);
/* Returns the result in the plain layout (weights: [o, c, 3, 3]). The result of a layer is the
 * gradient of its input. The caller frees it. */
float *dnn_result(DnnOperation *operation, int64_t *count);
void dnn_free(DnnOperation *operation);

#endif
