/* What a frozen encoder is worth: its features under two classifiers, and a watch on collapse. All are the same bits for any number of threads. */
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

/* Weighted k nearest neighbours (Wu, Xiong, Yu, Lin: Unsupervised Feature Learning via Non-Parametric Instance Discrimination. CVPR 2018, section 3.4):
 * cosine similarity s, each of the k nearest rows of the bank votes exp(s / temperature) for its label; ties go to the earlier row and the lower label.
 * Percent of queries whose label wins; negative when memory runs out. */
double couplet_knn(CoupletThreads *threads, const CoupletFeatures *bank, const CoupletFeatures *query, int class_count, int k, double temperature);

/* Multinomial logistic regression on features standardised by the bank's mean and deviation: mean cross-entropy + decay * sum of W^2, by L-BFGS, until the
 * gradient's largest entry is below 1e-5 or 200 iterations. Percent of queries that are classified rightly; negative when memory runs out. */
double couplet_linear_probe(CoupletThreads *threads, const CoupletFeatures *bank, const CoupletFeatures *query, int class_count, double decay, int *iterations);

/* Rows scaled to length 1; the mean over dimensions of the standard deviation over rows, times sqrt(width): about 1 when the rows spread over the sphere, 0
 * when they have collapsed to one point (Chen, He: Exploring Simple Siamese Representation Learning. CVPR 2021, section 4.1). */
double couplet_embedding_deviation(const float *rows, int64_t count, int64_t width);

#endif
