/* k-means over a whole data set (Lloyd: Least Squares Quantization in PCM. IEEE Transactions on Information Theory 28(2), 1982). The same bits for any number
 * of threads. */
#ifndef COUPLET_RUNTIME_KMEANS_H
#define COUPLET_RUNTIME_KMEANS_H

#include "runtime/threads.h"

#include <stdbool.h>
#include <stdint.h>

typedef struct CoupletKmeans {
    int64_t clusters;
    int64_t iterations; /* at most; it ends sooner when no point changes its cluster */
    bool spherical;     /* points and centres scaled to length 1: cosine similarity decides */
    bool sampled;       /* starts from points drawn without replacement; else by k-means++ (Arthur, Vassilvitskii, SODA 2007) */
    uint32_t site;      /* draws of one call differ from those of another */
} CoupletKmeans;

/* `points` [count, width] to `centres` [clusters, width] and `members` [count], the number of each point's cluster. Each centre is the mean of its
 * members (scaled to length 1 if spherical). A point goes to the nearest centre, of equal ones to the lowest number. A cluster that loses its last point
 * gets the point that is farthest from its own centre, among clusters that have more than one. Draws are keyed by seed, step and site. False when memory runs
 * out; count >= clusters >= 1. */
bool couplet_kmeans(CoupletThreads *threads, const float *points, int64_t count, int64_t width, const CoupletKmeans *options, uint64_t seed, int64_t step,
                    float *centres, int32_t *members);

#endif
