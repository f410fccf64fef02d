/* Measures of a frozen encoder: its features under two classifiers, and a watch on collapse. All
 * results have the same bits for any number of threads. */
#ifndef COUPLET_RUNTIME_EVALUATE_H
#define COUPLET_RUNTIME_EVALUATE_H

#include "runtime/threads.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Rows of features with their labels. */
typedef struct CoupletFeatures {
    const float *values; /* [count, width] */
    const int32_t *labels;
    int64_t count;
    int64_t width;
} CoupletFeatures;

/* A row of the bank, and its cosine similarity to a query. */
typedef struct CoupletNear {
    float similarity;
    int32_t row; /* the number of the row; -1: the query has fewer neighbours */
} CoupletNear;

/* How neighbours vote, and what is wanted of each query beside the percentage. */
typedef struct CoupletNeighbours {
    /* The number of neighbours of a query, from 1 to the rows of the bank that may vote. */
    int64_t k;
    double temperature; /* above 0 */
    /* [queries]: the row of the bank that is the query itself, and so has no vote, or -1. NULL: no
     * query is in the bank. */
    const int32_t *own;
    int32_t *guess;    /* [queries], set to the label that wins each vote; NULL: not wanted */
    CoupletNear *near; /* [queries, k], set to the neighbours, nearest first; NULL: not wanted */
} CoupletNeighbours;

/* Classifies queries by weighted k nearest neighbours (Wu, Xiong, Yu, Lin: Unsupervised Feature
 * Learning via Non-Parametric Instance Discrimination. CVPR 2018, section 3.4). The k rows of the
 * bank with the largest cosine similarity s vote for their labels. The weight is exp(s /
 * temperature), relative to the nearest row's. Ties go to the earlier row and to the lower label. A
 * row of zeros has similarity 0 to all. Returns the percentage of queries whose label wins. Returns
 * a negative number if memory runs out, if `how` is outside its ranges, or if a signal ends the
 * work (threads.h). */
double couplet_knn(CoupletThreads *threads, const CoupletFeatures *bank,
                   const CoupletFeatures *query, int class_count, const CoupletNeighbours *how);

/* Classifies queries by multinomial logistic regression on features that are standardised by the
 * bank's mean and deviation. L-BFGS minimises mean cross-entropy + decay * sum of W^2, until the
 * largest entry of the gradient is below 1e-5, with at most 200 iterations. Returns the percentage
 * of queries that are classified correctly. Returns a negative number if memory runs out or a
 * signal ends the work. guess[queries] is set to the class predicted for each query. `guess` and
 * `iterations` may be NULL. */
double couplet_linear_probe(CoupletThreads *threads, const CoupletFeatures *bank,
                            const CoupletFeatures *query, int class_count, double decay,
                            int *iterations, int32_t *guess);

/* Returns the spread of an embedding. Rows are scaled to length 1. The result is the mean over
 * dimensions of the standard deviation over rows, times sqrt(width). It is about 1 if the rows
 * spread over the sphere, and 0 if they have collapsed to one point (Chen, He: Exploring Simple
 * Siamese Representation Learning. CVPR 2021, section 4.1). */
double couplet_embedding_deviation(const float *rows, int64_t count, int64_t width);

#endif
