/* Measures of a frozen encoder: its features under two classifiers, and a watch on collapse. All
 * give the same bits for any number of threads. */
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
    int64_t count, width;
} CoupletFeatures;

/* A row of the bank, and its cosine similarity to a query. */
typedef struct CoupletNear {
    float similarity;
    int32_t row; /* -1: the query has fewer neighbours */
} CoupletNear;

/* The way in which neighbours vote, and what is asked of each query beside the percentage. */
typedef struct CoupletNeighbours {
    /* The neighbours of a query, from 1 to the rows of the bank that may vote. */
    int64_t k;
    double temperature; /* above 0 */
    /* [queries] the row of the bank that is the query itself, which has no vote, or -1. NULL: no
     * query is in the bank. */
    const int32_t *own;
    int32_t *guess;    /* [queries] set to the label that wins each vote; NULL: nobody asks */
    CoupletNear *near; /* [queries, k] set to the neighbours, the nearest first; NULL */
} CoupletNeighbours;

/* Weighted k nearest neighbours (Wu, Xiong, Yu, Lin: Unsupervised Feature Learning via
 * Non-Parametric Instance Discrimination. CVPR 2018, section 3.4). The k rows of the bank of the
 * largest cosine similarity s vote for their labels with the weight exp(s / temperature), taken
 * relative to the nearest row's. Ties go to the earlier row and to the lower label; a row of zeros
 * has similarity 0 to all. Returns the percent of queries whose label wins; negative when memory
 * runs out, when `how` is outside its ranges, or when a signal ends it (threads.h). */
double couplet_knn(CoupletThreads *threads, const CoupletFeatures *bank,
                   const CoupletFeatures *query, int class_count, const CoupletNeighbours *how);

/* Multinomial logistic regression on features that are standardised by the bank's mean and
 * deviation. It minimises mean cross-entropy + decay * sum of W^2 by L-BFGS, until the largest
 * entry of the gradient is below 1e-5, for 200 iterations at most. Returns the percent of queries
 * that are classified rightly; negative when memory runs out or a signal ends it. guess[queries] is
 * set to the class that each query is told to be; it may be NULL, and so may `iterations`. */
double couplet_linear_probe(CoupletThreads *threads, const CoupletFeatures *bank,
                            const CoupletFeatures *query, int class_count, double decay,
                            int *iterations, int32_t *guess);

/* The spread of an embedding. Rows are scaled to length 1. The result is the mean over dimensions
 * of the standard deviation over rows, times sqrt(width). It is about 1 when the rows spread over
 * the sphere, and 0 when they have collapsed to one point (Chen, He: Exploring Simple Siamese
 * Representation Learning. CVPR 2021, section 4.1). */
double couplet_embedding_deviation(const float *rows, int64_t count, int64_t width);

#endif
