/* Features of images, from an array or from a data source, into a file: what the command `embed` of a built program does. */
#ifndef COUPLET_RUNTIME_EMBED_H
#define COUPLET_RUNTIME_EMBED_H

#include "runtime/couplet.h"

#include <stdbool.h>

typedef struct CoupletEmbedding {
    const char *weights; /* a checkpoint; NULL: those built into the method */
    const char *images;  /* .npy of whole numbers 0 .. 255; NULL: the method's first data source */
    const char *data;    /* folder of that source; NULL: the default */
    const char *split;   /* of that source */
    const char *out;     /* .npy of float32 [count, width] */
    int threads;         /* 0: one for each core */
    uint64_t seed;
} CoupletEmbedding;

/* Sets *count, the images. False with a sentence in `error`; the file is then not written. The shape of the images is
 * [count, channels, rows, columns] of the method's, or [count, rows, columns] for one channel. */
bool couplet_embed(const CoupletMethod *method, const CoupletEmbedding *what, int64_t *count, char *error, size_t error_bytes);

#endif
