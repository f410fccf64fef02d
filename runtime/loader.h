/* Batches of a table's chosen rows, which a thread of its own gathers ahead of time. The rows of a
 * batch are a function of the seed and the batch's number alone, and of the weights of its epoch if
 * rows are weighed. So a run that starts in the middle sees the same batches. Rows that are left
 * over at the end of an epoch are dropped. */
#ifndef COUPLET_RUNTIME_LOADER_H
#define COUPLET_RUNTIME_LOADER_H

#include "runtime/data/table.h"

typedef struct CoupletLoader CoupletLoader;

typedef struct CoupletBatch {
    /* By the table's field: [batch, sample]; NULL: it was not gathered. */
    const void *const *fields;
    const int32_t *indices; /* [batch]: numbers of chosen rows */
    int64_t number;         /* the number of the batch, counted over all epochs */
} CoupletBatch;

/* The way in which batches are drawn. At most one of `balanced`, `weighed` and `ways` is set.
 * Without them each row comes once an epoch, in an order that is shuffled anew. */
typedef struct CoupletFeed {
    int64_t batch;
    uint32_t stream;      /* another number for each source, so that sources shuffle apart */
    const bool *gathered; /* by the table's field: true if it is wanted; copied. NULL: all are */
    bool balanced;        /* draws a class first, all alike, then a row of it, with replacement */
    /* Draws in proportion to the weights that couplet_loader_weigh is given for each epoch, with
     * replacement. */
    bool weighed;
    /* Above 0: draws `ways` different classes for a batch and `each` different rows of each class,
     * class by class. ways * each is the batch. */
    int64_t ways, each;
    const char *by; /* the int field whose values are the classes */
    /* By the table's field: true if only the rows own_first to own_end - 1 of a batch are wanted;
     * row r lies r rows behind the field's address all the same, and the others have no memory.
     * Copied; NULL: all rows of all fields are. */
    const bool *own;
    int64_t own_first, own_end;
} CoupletFeed;

/* Makes a loader that begins at batch `first`. NULL with a sentence when the batch is larger than
 * the data, the classes do not suffice, or memory or threads run out. The table is loaded, and
 * outlives the loader. */
CoupletLoader *couplet_loader_new(const CoupletTable *table, const CoupletFeed *feed, uint64_t seed,
                                  int64_t first, char *error, size_t error_bytes);
/* The batches of one epoch. */
int64_t couplet_loader_batches(const CoupletTable *table, int64_t batch);
/* Gives a loader that weighs the weights of the chosen rows, for the batches from the next one up
 * to, not including, `until`. No batch beyond is gathered. False with a sentence when a weight is
 * negative or no number, or none is above 0. */
bool couplet_loader_weigh(CoupletLoader *loader, const float *weights, int64_t until, char *error,
                          size_t error_bytes);
/* Waits for the next batch, which is valid until the next call. */
void couplet_loader_next(CoupletLoader *loader, CoupletBatch *out);
/* Gathers all rows of a field of the batch that was handed out last, into `out`. */
void couplet_loader_whole(const CoupletLoader *loader, int field, void *out);
void couplet_loader_free(CoupletLoader *loader);

#endif
