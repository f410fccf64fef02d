/* Shuffled epochs of full batches, gathered ahead of time by a thread of its own. The order of an epoch is a function of the seed and the epoch
 * alone, so that a run which starts in the middle sees the same batches. What is left over at an epoch's end is dropped. */
#ifndef COUPLET_RUNTIME_LOADER_H
#define COUPLET_RUNTIME_LOADER_H

#include "runtime/dataset.h"

typedef struct CoupletLoader CoupletLoader;

typedef struct CoupletBatch {
    const uint8_t *images;  /* [batch, image] */
    const int32_t *labels;  /* [batch] */
    const int32_t *indices; /* [batch]: rows of the data set */
    int64_t number;         /* counted over all epochs */
} CoupletBatch;

/* How batches are drawn. */
typedef struct CoupletFeed {
    int64_t batch;
    uint32_t stream; /* sources side by side shuffle apart: a number for each */
    bool balanced;   /* with replacement: a class first, all alike, then an image of it. Else each image once an epoch */
    bool without_images; /* they are gathered elsewhere, by their indices */
} CoupletFeed;

/* Begins at batch `first`. NULL with a sentence when the batch is larger than the data, or memory or threads run out. The data must outlive it. */
CoupletLoader *couplet_loader_new(const CoupletDataset *data, const CoupletFeed *feed, uint64_t seed, int64_t first, char *error, size_t error_bytes);
int64_t couplet_loader_batches(const CoupletDataset *data, int64_t batch); /* of one epoch */
/* The next batch, valid until the next call. */
void couplet_loader_next(CoupletLoader *loader, CoupletBatch *out);
void couplet_loader_free(CoupletLoader *loader);

#endif
