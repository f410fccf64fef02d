/* Nearest neighbours of an image under a trained encoder.
 *
 *     couplet train examples/simclr.cpl --out run
 *     couplet build examples/simclr.cpl --emit lib -o simclr
 *     cc neighbours.c -I. libsimclr.a libcouplet.a -lz -lm -pthread -o neighbours
 *     ./neighbours run/checkpoint.safetensors images.raw 7
 *
 * images.raw holds images of SIMCLR_IMAGE_BYTES bytes one after the other, 0 .. 255; the last word
 * is the number of the image that is asked about. Prints the five nearest others, nearest first,
 * with their cosine similarity. */
#include "simclr.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

enum { NEAREST = 5 };

static unsigned char *read_all(const char *path, long *length) {
    FILE *file = fopen(path, "rb");
    unsigned char *bytes = NULL;
    if (!file) return NULL;
    if (fseek(file, 0, SEEK_END) == 0 && (*length = ftell(file)) > 0)
        bytes = malloc((size_t)*length);
    rewind(file);
    if (bytes && fread(bytes, 1, (size_t)*length, file) != (size_t)*length) *length = 0;
    fclose(file);
    return bytes;
}

static double cosine(const float *a, const float *b) {
    double ab = 0, aa = 0, bb = 0;
    for (int d = 0; d < SIMCLR_FEATURES; d++) {
        ab += (double)a[d] * (double)b[d];
        aa += (double)a[d] * (double)a[d];
        bb += (double)b[d] * (double)b[d];
    }
    return aa > 0 && bb > 0 ? ab / sqrt(aa * bb) : 0;
}

static void print_nearest(const float *features, long count, long asked) {
    double below = INFINITY;
    for (int n = 0; n < NEAREST; n++) {
        long best = -1;
        for (long i = 0; i < count; i++) {
            double s = cosine(features + i * SIMCLR_FEATURES, features + asked * SIMCLR_FEATURES);
            if (i != asked && s < below &&
                (best < 0 ||
                 s > cosine(features + best * SIMCLR_FEATURES, features + asked * SIMCLR_FEATURES)))
                best = i;
        }
        if (best < 0) return;
        below = cosine(features + best * SIMCLR_FEATURES, features + asked * SIMCLR_FEATURES);
        printf("%ld %.4f\n", best, below);
    }
}

int main(int count, char **words) {
    char error[256];
    long bytes = 0, asked = count == 4 ? atol(words[3]) : -1;
    unsigned char *images = count == 4 ? read_all(words[2], &bytes) : NULL;
    long samples = bytes / SIMCLR_IMAGE_BYTES;
    if (asked < 0 || asked >= samples) {
        fprintf(stderr, "usage: neighbours CHECKPOINT IMAGES NUMBER\n");
        return 2;
    }
    CoupletModel *model;
    if (couplet_model_new(&couplet_simclr, NULL, &model, error, sizeof error) != COUPLET_OK) {
        fprintf(stderr, "%s\n", error);
        return 1;
    }
    float *features = malloc((size_t)samples * SIMCLR_FEATURES * sizeof *features);
    int good = features && couplet_model_load(model, words[1]) == COUPLET_OK &&
               couplet_model_embed(model, images, samples, features) == COUPLET_OK;
    if (good)
        print_nearest(features, samples, asked);
    else
        fprintf(stderr, "%s\n", couplet_model_error(model));
    couplet_model_free(model);
    free(features);
    free(images);
    return good ? 0 : 1;
}
