/* k-means over a whole data set (Lloyd: Least Squares Quantization in PCM. IEEE Transactions on
 * Information Theory 28(2), 1982). The result has the same bits for any number of threads. */
#ifndef COUPLET_RUNTIME_KMEANS_H
#define COUPLET_RUNTIME_KMEANS_H

#include "runtime/threads.h"

#include <stdbool.h>
#include <stdint.h>

typedef struct CoupletKmeans {
    int64_t clusters;
    int64_t iterations; /* the most iterations; it ends sooner if no point changes its cluster */
    /* Points and centres are scaled to length 1, so that cosine similarity decides. */
    bool spherical;
    /* Start from points drawn without replacement. If false, start by k-means++ (Arthur,
     * Vassilvitskii, SODA 2007). */
    bool sampled;
    uint32_t site; /* a key for the draws, so that two calls draw different numbers */
} CoupletKmeans;

/* Clusters points.
 *   points   [count, width], count >= clusters >= 1
 *   centres  [clusters, width]: the mean of the members of each, scaled to length 1 if spherical
 *   members  [count]: the number of each point's cluster
 * A point goes to the nearest centre, of equal ones to the lowest number. A cluster that loses its
 * last point gets the point that is farthest from its own centre, among clusters that have more
 * than one point. Draws are keyed by seed, step and site. False when memory runs out. */
bool couplet_kmeans(CoupletThreads *threads, const float *points, int64_t count, int64_t width,
                    const CoupletKmeans *options, uint64_t seed, int64_t step, float *centres,
                    int32_t *members);

#endif
