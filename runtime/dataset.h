/* Labelled images in memory. */
#ifndef COUPLET_RUNTIME_DATASET_H
#define COUPLET_RUNTIME_DATASET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct CoupletDataset {
    char name[160];       /* for messages: "fashion_mnist (train)" */
    char folder[1024];    /* that the files lie in, from the root of the disk */
    uint64_t hash;        /* of all labels and images as they were read; 0: the images were not */
    int64_t held;         /* images in the files; a selection leaves `count` of them */
    int64_t count;
    int64_t shape[3];     /* of one image: channels, rows, columns */
    int64_t image_bytes;
    uint8_t *images;      /* [count, channels, rows, columns], 0 .. 255 */
    int32_t *labels;      /* [count] */
    int class_count;
    int32_t *origin;      /* [count] ascending: the number of each image in its file. NULL: all of the file, in order */
} CoupletDataset;

/* `reader` is fashion_mnist, `split` train or test. `folder` holds the files, with or without .gz; NULL: $COUPLET_DATA, else where Debian's package dataset-fashion-mnist
 * puts them. False with a sentence in `error`; nothing is then owned by the caller. */
bool couplet_dataset_open(const char *reader, const char *split, const char *folder, CoupletDataset *out, char *error, size_t error_bytes);
/* The same without the images: `images` is NULL. */
bool couplet_dataset_labels(const char *reader, const char *split, const char *folder, CoupletDataset *out, char *error, size_t error_bytes);
void couplet_dataset_free(CoupletDataset *data);

#endif
