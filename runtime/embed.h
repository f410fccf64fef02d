/* The command `embed`: features of samples, from an array or from a data source, into a file. */
#ifndef COUPLET_RUNTIME_EMBED_H
#define COUPLET_RUNTIME_EMBED_H

#include "runtime/data/place.h"
#include "runtime/session.h"

typedef struct CoupletEmbedding {
    /* A .npy of [count, shape of a sample]. NULL: samples come from a data source, with the reader
     * and the settings that the method evaluates on. */
    const char *array;
    /* The path of that source, or its folder for readers of a split. NULL: the spec says it. */
    const char *data;
    CoupletPlaces places; /* the place of the source, if `data` does not say it */
    const char *split;    /* for readers of a split; NULL: the split that the method evaluates */
    const char *out;      /* .npy of float32 [count, width] */
    CoupletLoading loading;
} CoupletEmbedding;

/* Writes the features, and of a data source which row each is, into a .jsonl beside them. Sets
 * *count, the number of samples. An array of one channel, [count, 1,
 * ..], may leave that axis out. False with a sentence in `error`; the file is then not written. */
bool couplet_embed(CoupletSession *session, const CoupletEmbedding *what, int64_t *count,
                   char *error, size_t error_bytes);

#endif
