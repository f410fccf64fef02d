/* Batches of a table's chosen rows, gathered ahead of time by a thread of its own. Which rows a batch has is a function of the seed and its number (and, where rows
 * are weighed, of the weights of its epoch) alone, so that a run which starts in the middle sees the same batches. What is left over at an epoch's end is dropped. */
#ifndef COUPLET_RUNTIME_LOADER_H
#define COUPLET_RUNTIME_LOADER_H

#include "runtime/data/table.h"

typedef struct CoupletLoader CoupletLoader;

typedef struct CoupletBatch {
    const void *const *fields; /* by the table's field: [batch, sample]; NULL: it is not gathered */
    const int32_t *indices;    /* [batch]: numbers of chosen rows */
    int64_t number;            /* counted over all epochs */
} CoupletBatch;

/* How batches are drawn; one of `balanced`, `weighed` and `ways`, or each row once an epoch, in an order that is shuffled anew. */
typedef struct CoupletFeed {
    int64_t batch;
    uint32_t stream;      /* sources side by side shuffle apart: a number for each */
    const bool *gathered; /* by the table's field: those that are wanted; copied. NULL: all */
    bool balanced;        /* with replacement: a class first, all alike, then a row of it */
    bool weighed;         /* with replacement, in proportion to the weights that couplet_loader_weigh hands over for each epoch */
    int64_t ways, each;   /* above 0: so many classes a batch, all different, and so many rows of each, all different, class by class; ways * each is the batch */
    const char *by;       /* the int field whose values are the classes */
} CoupletFeed;

/* Begins at batch `first`. NULL with a sentence when the batch is larger than the data, the classes do not suffice, or memory or threads run out. The table is
 * loaded, and outlives the loader. */
CoupletLoader *couplet_loader_new(const CoupletTable *table, const CoupletFeed *feed, uint64_t seed, int64_t first, char *error, size_t error_bytes);
int64_t couplet_loader_batches(const CoupletTable *table, int64_t batch); /* of one epoch */
/* Of a loader that weighs: the weights of the chosen rows, for the batches from the next one up to, not including, `until`. Nothing is gathered beyond. False with
 * a sentence when a weight is negative or no number, or none is above 0. */
bool couplet_loader_weigh(CoupletLoader *loader, const float *weights, int64_t until, char *error, size_t error_bytes);
/* The next batch, valid until the next call. */
void couplet_loader_next(CoupletLoader *loader, CoupletBatch *out);
void couplet_loader_free(CoupletLoader *loader);

#endif
