/* The C interface from outside: two methods in one program, wrong calls, damaged files. Built and run by build.py. */
#include "other.h"
#include "small.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int faults;

static void check(int truth, const char *sentence, const char *detail) {
    printf("%s %s\n", truth ? "ok     " : "FAILED ", sentence);
    if (truth) return;
    faults++;
    printf("        %s\n", detail);
}

static void expect(CoupletModel *model, CoupletStatus found, CoupletStatus wanted, const char *word, const char *sentence) {
    int good = found == wanted && (wanted == COUPLET_OK || strstr(couplet_model_error(model), word));
    check(good, sentence, found == COUPLET_OK ? "no error came back" : couplet_model_error(model));
}

static unsigned char images[SMALL_BATCH * SMALL_IMAGE_BYTES];
static int32_t indices[SMALL_BATCH];

static CoupletStatus step(CoupletModel *model, int64_t image_count, float *loss) {
    const CoupletInput inputs[] = {{"train.image", images, image_count}, {"train.index", indices, SMALL_BATCH}};
    return couplet_model_step(model, inputs, 2, loss);
}

static float *features_of(CoupletModel *model) {
    float *features = malloc(sizeof(float) * 3 * SMALL_FEATURES);
    if (features && couplet_model_embed(model, images, 3, features) == COUPLET_OK) return features;
    free(features);
    return NULL;
}

static void write_file(const char *path, const char *bytes, size_t length) {
    FILE *file = fopen(path, "wb");
    if (!file) return;
    fwrite(bytes, 1, length, file);
    fclose(file);
}

static void damaged_weights(CoupletModel *model) {
    static char bytes[1 << 20];
    FILE *file = fopen("saved.safetensors", "rb");
    size_t length = file ? fread(bytes, 1, sizeof bytes, file) : 0;
    if (file) fclose(file);
    float *before = features_of(model);
    write_file("cut.safetensors", bytes, length / 2);
    expect(model, couplet_model_load(model, "cut.safetensors"), COUPLET_ERROR_WEIGHTS, "cut.safetensors", "weights cut short");
    bytes[3] = 0x7f;
    write_file("changed.safetensors", bytes, length);
    expect(model, couplet_model_load(model, "changed.safetensors"), COUPLET_ERROR_WEIGHTS, "changed.safetensors", "weights with a damaged header");
    expect(model, couplet_model_load(model, "none.safetensors"), COUPLET_ERROR_FILE, "none.safetensors", "weights that are not there");
    float *after = features_of(model);
    check(before && after && memcmp(before, after, sizeof(float) * 3 * SMALL_FEATURES) == 0, "the model is as it was", "its features changed");
    free(before);
    free(after);
}

static void arenas(void) {
    char error[256] = "";
    CoupletModel *model;
    CoupletModelOptions options = {0};
    options.total_steps = 1;
    options.arena_bytes = couplet_method_arena_bytes(&couplet_small);
    void *memory = malloc(options.arena_bytes + 128);
    options.arena = (void *)(((uintptr_t)memory + 127) / 128 * 128);
    float loss;
    CoupletStatus status = couplet_model_new(&couplet_small, &options, &model, error, sizeof error);
    check(status == COUPLET_OK, "a model in the caller's arena", error);
    if (model) expect(model, step(model, sizeof images, &loss), COUPLET_OK, "", "it makes a step there");
    float *features = model ? features_of(model) : NULL;
    check(features != NULL, "and features", model ? couplet_model_error(model) : "");
    free(features);
    couplet_model_free(model);
    options.arena_bytes = 256;
    status = couplet_model_new(&couplet_small, &options, &model, error, sizeof error);
    check(status == COUPLET_ERROR_MEMORY && !model && strstr(error, "arena"), "an arena that is too small", error);
    options.arena = (char *)options.arena + 4;
    status = couplet_model_new(&couplet_small, &options, &model, error, sizeof error);
    check(status == COUPLET_ERROR_ARGUMENT && !model, "an arena that is not aligned", error);
    free(memory);
}

int main(void) {
    char error[256] = "";
    CoupletModel *model, *other;
    CoupletModelOptions options = {0};
    float loss = 0, again = 0;
    options.threads = 1;
    options.seed = 3;
    options.total_steps = 10;
    for (int i = 0; i < SMALL_BATCH * SMALL_IMAGE_BYTES; i++) images[i] = (unsigned char)(i * 2654435761u >> 24);
    for (int i = 0; i < SMALL_BATCH; i++) indices[i] = i;
    check(couplet_model_new(&couplet_small, &options, &model, error, sizeof error) == COUPLET_OK, "a model of one method", error);
    check(couplet_model_new(&couplet_other, NULL, &other, error, sizeof error) == COUPLET_OK, "a model of another one beside it", error);
    if (!model || !other) return 1;
    expect(other, step(other, sizeof images, &loss), COUPLET_ERROR_ARGUMENT, "total_steps", "a step of a training without length");
    expect(model, step(model, 17, &loss), COUPLET_ERROR_ARGUMENT, "train.image", "a wrong number of elements");
    expect(model, couplet_model_step(model, NULL, 0, &loss), COUPLET_ERROR_ARGUMENT, "train.i", "an input that is missing");
    check(couplet_model_steps(model) == 0, "neither counts as a step", "it does");
    expect(model, step(model, sizeof images, &loss), COUPLET_OK, "", "a step");
    check(loss == loss && couplet_model_steps(model) == 1, "its loss is a number", "it is none");
    expect(model, couplet_model_save(model, "saved.safetensors"), COUPLET_OK, "", "saving");
    expect(model, couplet_model_save(model, "/dev/full/x"), COUPLET_ERROR_FILE, "/dev/full/x", "saving where nothing can be");
    damaged_weights(model);
    expect(other, couplet_model_load(other, "saved.safetensors"), COUPLET_ERROR_WEIGHTS, "another method", "weights of another method");
    expect(model, couplet_model_embed(model, NULL, 3, &again), COUPLET_ERROR_ARGUMENT, "3 images", "features of no images");
    options.threads = 2;
    CoupletModel *twin;
    check(couplet_model_new(&couplet_small, &options, &twin, error, sizeof error) == COUPLET_OK, "the same model on two threads", error);
    if (twin) expect(twin, step(twin, sizeof images, &again), COUPLET_OK, "", "its step");
    check(loss == again, "the same seed gives the same loss", "it differs");
    CoupletShape shape;
    check(couplet_method_input(&couplet_small, 0, &shape) && !couplet_method_input(&couplet_small, 99, &shape), "inputs are listed", "they are not");
    couplet_model_free(twin);
    couplet_model_free(other);
    couplet_model_free(model);
    couplet_model_free(NULL);
    arenas();
    return faults ? 1 : 0;
}
