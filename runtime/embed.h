/* The command `embed`: writes features of samples, which come from an array or a data source, to a
 * file. */
#ifndef COUPLET_RUNTIME_EMBED_H
#define COUPLET_RUNTIME_EMBED_H

#include "runtime/data/place.h"
#include "runtime/session.h"

typedef struct CoupletEmbedding {
    /* A .npy of [count, shape of a sample]. NULL: samples come from a data source, with the reader
     * and the settings that the method is evaluated on. */
    const char *array;
    /* The path of that source, or its folder for readers of a split. NULL: the spec names it. */
    const char *data;
    CoupletPlaces places; /* the places of data, if `data` is NULL */
    /* The split, for readers of a split; NULL: the split that the method is evaluated on. */
    const char *split;
    const char *out; /* a .npy of float32 [count, width] */
    CoupletLoading loading;
} CoupletEmbedding;

/* Writes the features. For a data source, also writes a .jsonl beside them that tells the row of
 * each. Sets *count, the number of samples. An array with one channel, [count, 1, ..], may leave
 * that axis out. Returns false with a sentence in `error`; the file is then not written. */
bool couplet_embed(CoupletSession *session, const CoupletEmbedding *what, int64_t *count,
                   char *error, size_t error_bytes);

#endif
