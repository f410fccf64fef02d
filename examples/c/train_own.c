/* Trains a method from arrays of one's own: here made-up images, a bright square at a place that
 * the sample's number decides.
 *
 *     couplet build examples/simclr.cpl --emit lib -o simclr
 *     cc train_own.c -I. libsimclr.a libcouplet.a -lz -lm -pthread -o train_own
 *     ./train_own 20 trained.safetensors
 *
 * All large memory is this program's: the model lives in an arena that is handed to it. */
#include "simclr.h"

#include <stdio.h>
#include <stdlib.h>

enum { SIDE = 28, SQUARE = 8 };

static void draw(unsigned char *image, int number) {
    int top = number % (SIDE - SQUARE), left = number / (SIDE - SQUARE) % (SIDE - SQUARE);
    for (int i = 0; i < SIMCLR_IMAGE_BYTES; i++) {
        int row = i / SIDE % SIDE, column = i % SIDE;
        image[i] =
            row >= top && row < top + SQUARE && column >= left && column < left + SQUARE ? 220 : 20;
    }
}

static int train(CoupletModel *model, int steps) {
    static unsigned char images[SIMCLR_BATCH * SIMCLR_IMAGE_BYTES];
    static int indices[SIMCLR_BATCH];
    for (int s = 0; s < steps; s++) {
        for (int i = 0; i < SIMCLR_BATCH; i++) {
            indices[i] = s * SIMCLR_BATCH + i;
            draw(images + i * SIMCLR_IMAGE_BYTES, indices[i]);
        }
        const CoupletInput inputs[] = {{"train.image", images, (int64_t)sizeof images},
                                       {"train.index", indices, SIMCLR_BATCH}};
        float loss;
        if (couplet_model_step(model, inputs, 2, &loss) != COUPLET_OK) return 0;
        printf("%lld %.6f\n", (long long)couplet_model_steps(model), (double)loss);
    }
    return 1;
}

int main(int count, char **words) {
    char error[256];
    if (count != 3) {
        fprintf(stderr, "usage: train_own STEPS CHECKPOINT\n");
        return 2;
    }
    CoupletModelOptions options = {0};
    options.seed = 7;
    options.total_steps = atol(words[1]);
    options.arena_bytes = couplet_method_arena_bytes(&couplet_simclr);
    void *memory = malloc(options.arena_bytes + 127);
    options.arena = (void *)(((uintptr_t)memory + 127) / 128 * 128);
    CoupletModel *model = NULL;
    if (!memory ||
        couplet_model_new(&couplet_simclr, &options, &model, error, sizeof error) != COUPLET_OK) {
        fprintf(stderr, "%s\n", memory ? error : "out of memory");
        free(memory);
        return 1;
    }
    int good = train(model, atoi(words[1])) && couplet_model_save(model, words[2]) == COUPLET_OK;
    if (!good) fprintf(stderr, "%s\n", couplet_model_error(model));
    couplet_model_free(model);
    free(memory);
    return good ? 0 : 1;
}
