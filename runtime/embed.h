/* Features of samples, from an array or from a data source, into a file: what the command `embed` does. */
#ifndef COUPLET_RUNTIME_EMBED_H
#define COUPLET_RUNTIME_EMBED_H

#include "runtime/data/place.h"
#include "runtime/session.h"

typedef struct CoupletEmbedding {
    const char *array;  /* a .npy of [count, shape of a sample]; NULL: a data source, with the reader and the settings that the method evaluates on */
    const char *data;   /* in place of that source's path; for readers of a split, the folder. NULL: where the spec has it */
    CoupletPlaces places; /* where that source lies, if `data` does not say */
    const char *split;  /* for readers of a split; NULL: as the method evaluates */
    const char *out;    /* .npy of float32 [count, width] */
    CoupletLoading loading;
} CoupletEmbedding;

/* Sets *count, the samples. False with a sentence in `error`; the file is then not written. An array of one channel, [count, 1, ..], may leave the axis out. */
bool couplet_embed(CoupletSession *session, const CoupletEmbedding *what, int64_t *count, char *error, size_t error_bytes);

#endif
