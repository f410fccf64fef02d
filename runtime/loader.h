/* Batches of a table's chosen rows, gathered ahead of time by a thread. The rows of a batch are a
 * function of the seed and the batch's number alone, and of the epoch's weights if rows are
 * weighed. So a run that starts in the middle sees the same batches. Rows that are left over at the
 * end of an epoch are dropped. */
#ifndef COUPLET_RUNTIME_LOADER_H
#define COUPLET_RUNTIME_LOADER_H

#include "runtime/data/table.h"

typedef struct CoupletLoader CoupletLoader;

typedef struct CoupletBatch {
    /* By number of the table's field: [batch, sample]. NULL: the field was not gathered. */
    const void *const *fields;
    const int32_t *indices; /* [batch]: the numbers of the rows among the chosen rows */
    int64_t number;         /* the number of the batch, counted over all epochs */
} CoupletBatch;

/* How batches are drawn. At most one of `balanced`, `weighed` and `ways` is set. If none is, each
 * row comes once an epoch, in an order that is shuffled for each epoch. */
typedef struct CoupletFeed {
    int64_t batch;
    /* A different number for each source, so that sources are shuffled differently. */
    uint32_t stream;
    /* By number of the table's field: true if the field is wanted; NULL: all are. The array is
     * copied. */
    const bool *gathered;
    /* Draw a class first, all with equal chance, then a row of it, with replacement. */
    bool balanced;
    /* Draw rows with replacement, in proportion to the weights that couplet_loader_weigh receives
     * for each epoch. */
    bool weighed;
    /* Above 0: draw `ways` different classes for a batch, and `each` different rows of each, in
     * order of classes. ways * each is the batch. */
    int64_t ways;
    int64_t each;
    const char *by; /* the int field whose values are the classes */
    /* By number of the table's field: true if only the rows own_first to own_end - 1 of a batch are
     * wanted. Row r still lies r rows behind the field's address; other rows have no memory. NULL:
     * all rows of all fields are wanted. The array is copied. */
    const bool *own;
    int64_t own_first;
    int64_t own_end;
} CoupletFeed;

/* Makes a loader whose first batch is number `first`. Returns NULL with a sentence if the batch is
 * larger than the data, if there are too few classes, or if memory or threads run out. The table
 * must be loaded, and must outlive the loader. */
CoupletLoader *couplet_loader_new(const CoupletTable *table, const CoupletFeed *feed, uint64_t seed,
                                  int64_t first, char *error, size_t error_bytes);
/* Returns the number of batches in an epoch. */
int64_t couplet_loader_batches(const CoupletTable *table, int64_t batch);
/* Sets the weights of the chosen rows for the batches from the next one up to, and without,
 * `until`. The loader gathers no batch beyond. Returns false with a sentence if a weight is
 * negative or no number, or if none is above 0. */
bool couplet_loader_weigh(CoupletLoader *loader, const float *weights, int64_t until, char *error,
                          size_t error_bytes);
/* Waits for the next batch, which is valid until the next call. */
void couplet_loader_next(CoupletLoader *loader, CoupletBatch *out);
/* Gathers all rows of a field of the last batch into `out`. */
void couplet_loader_whole(const CoupletLoader *loader, int field, void *out);
void couplet_loader_free(CoupletLoader *loader);

#endif
