/* Tests the C interface from outside: two methods in one program, wrong calls, damaged files, a
 * full disk, a kill. build.py builds and runs it, with the sanitizers of the build if it has
 * some. */
#define _POSIX_C_SOURCE 200809L
#include "other.h"
#include "small.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static int faults;

static void check(int truth, const char *sentence, const char *detail) {
    printf("%s %s\n", truth ? "ok     " : "FAILED ", sentence);
    if (truth) return;
    faults++;
    printf("        %s\n", detail);
}

static void expect(CoupletModel *model, CoupletStatus found, CoupletStatus wanted, const char *word,
                   const char *sentence) {
    int good =
        found == wanted && (wanted == COUPLET_OK || strstr(couplet_model_error(model), word));
    check(good, sentence, found == COUPLET_OK ? "no error came back" : couplet_model_error(model));
}

static unsigned char images[SMALL_BATCH * SMALL_IMAGE_BYTES];
static int32_t indices[SMALL_BATCH];

static CoupletStatus step(CoupletModel *model, int64_t image_count, float *loss) {
    const CoupletInput inputs[] = {{"train.image", images, image_count},
                                   {"train.index", indices, SMALL_BATCH}};
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

static size_t read_file(const char *path, char *bytes, size_t most) {
    FILE *file = fopen(path, "rb");
    size_t length = file ? fread(bytes, 1, most, file) : 0;
    if (file) fclose(file);
    return length;
}

static char bytes[1 << 20];

/* Flips one bit in many places. A number among the weights may have changed; any other change is an
 * error. */
static void flipped_bits(CoupletModel *model, size_t length) {
    int taken = 0;
    int refused = 0;
    int other = 0;
    for (size_t at = 0; at < length; at += at < 2048 ? 23 : 997) {
        bytes[at] = (char)(bytes[at] ^ 0x14);
        write_file("flipped.safetensors", bytes, length);
        CoupletStatus status = couplet_model_load(model, "flipped.safetensors");
        taken += status == COUPLET_OK;
        refused += status == COUPLET_ERROR_WEIGHTS &&
                   strstr(couplet_model_error(model), "flipped.safetensors");
        other += status != COUPLET_OK && status != COUPLET_ERROR_WEIGHTS;
        bytes[at] = (char)(bytes[at] ^ 0x14);
    }
    check(taken && refused && !other, "weights with a bit inverted, in many places",
          "a status that does not fit");
}

static void cut_weights(CoupletModel *model, size_t length) {
    int refused = 0;
    int tried = 0;
    for (size_t cut = 0; cut < length; cut += 1 + length / 40, tried++) {
        write_file("cut.safetensors", bytes, cut);
        refused += couplet_model_load(model, "cut.safetensors") == COUPLET_ERROR_WEIGHTS;
    }
    check(refused == tried, "weights cut anywhere", "one was taken");
}

static void damaged_weights(CoupletModel *model) {
    size_t length = read_file("saved.safetensors", bytes, sizeof bytes);
    float *before = features_of(model);
    write_file("cut.safetensors", bytes, length / 2);
    expect(model, couplet_model_load(model, "cut.safetensors"), COUPLET_ERROR_WEIGHTS,
           "cut.safetensors", "weights cut short");
    bytes[3] = 0x7f;
    write_file("changed.safetensors", bytes, length);
    expect(model, couplet_model_load(model, "changed.safetensors"), COUPLET_ERROR_WEIGHTS,
           "changed.safetensors", "weights with a damaged header");
    expect(model, couplet_model_load(model, "none.safetensors"), COUPLET_ERROR_FILE,
           "none.safetensors", "weights that are not there");
    float *after = features_of(model);
    check(before && after && memcmp(before, after, sizeof(float) * 3 * SMALL_FEATURES) == 0,
          "the model is as it was", "its features changed");
    free(before);
    free(after);
    bytes[3] = 0;
    flipped_bits(model, length);
    cut_weights(model, length);
    expect(model, couplet_model_load(model, "saved.safetensors"), COUPLET_OK, "",
           "and after all that the whole file");
}

/* Saves on a full disk. The file is first written as PATH.partial, so the old file stays. */
static void full_disk_keeps_file(CoupletModel *model) {
    static char after[1 << 20];
    size_t length = read_file("saved.safetensors", bytes, sizeof bytes);
    if (access("/dev/full", W_OK) != 0 || symlink("/dev/full", "saved.safetensors.partial") != 0)
        return;
    expect(model, couplet_model_save(model, "saved.safetensors"), COUPLET_ERROR_FILE,
           "No space left", "saving on a full disk");
    unlink("saved.safetensors.partial");
    check(read_file("saved.safetensors", after, sizeof after) == length &&
              memcmp(bytes, after, length) == 0,
          "what was saved before is still there", "it changed");
}

static void save_without_end(void) {
    CoupletModel *model;
    CoupletModelOptions options = {0};
    options.threads = 1;
    if (couplet_model_new(&couplet_small, &options, &model, NULL, 0) != COUPLET_OK) _exit(1);
    while (couplet_model_save(model, "killed.safetensors") == COUPLET_OK)
        continue;
    _exit(1);
}

static void killed_while_saving(CoupletModel *model) {
    int whole = 0;
    for (int i = 0; i < 5; i++) {
        pid_t child = fork();
        if (child == 0) save_without_end();
        for (int waited = 0; waited < 500 && access("killed.safetensors", F_OK) != 0; waited++)
            nanosleep(&(struct timespec){0, 10000000}, NULL);
        nanosleep(&(struct timespec){0, 3100000 * (i + 1)}, NULL);
        kill(child, SIGKILL);
        waitpid(child, NULL, 0);
        whole += couplet_model_load(model, "killed.safetensors") == COUPLET_OK;
    }
    check(whole == 5, "killed while saving, five times: the file is whole",
          couplet_model_error(model));
    expect(model, couplet_model_load(model, "saved.safetensors"), COUPLET_OK, "",
           "and the model goes on");
}

static void wrong_shapes(CoupletModel *model) {
    static const struct {
        const char *name;
        int64_t count;
        const char *sentence;
    } rows[] = {{"train.image", 0, "no images"},
                {"train.image", -1, "fewer than none"},
                {"train.image", (int64_t)1 << 60, "more than there can be"},
                {"train.label", SMALL_BATCH, "a name that the step does not read"},
                {"", 1, "an empty name"},
                {NULL, 1, "no name"}};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        const CoupletInput inputs[] = {{rows[i].name, images, rows[i].count},
                                       {"train.index", indices, SMALL_BATCH}};
        expect(model, couplet_model_step(model, inputs, 2, NULL), COUPLET_ERROR_ARGUMENT,
               "train.image", rows[i].sentence);
    }
    const CoupletInput no_data[] = {{"train.image", NULL, sizeof images},
                                    {"train.index", indices, SMALL_BATCH}};
    expect(model, couplet_model_step(model, no_data, 2, NULL), COUPLET_ERROR_ARGUMENT,
           "train.image", "no array");
    expect(model, couplet_model_embed(model, images, -3, NULL), COUPLET_ERROR_ARGUMENT,
           "-3 samples", "features of fewer than no images");
    expect(model, couplet_model_embed(model, NULL, 0, NULL), COUPLET_OK, "",
           "features of none are none");
}

/* The functions null_.. pass NULL in the place of each pointer of each function, one after the
 * other, and wrong counts. build.py checks that no function is left out. */
static void null_models(CoupletModel *model) {
    char error[256] = "";
    CoupletModel *none = model;
    check(couplet_model_new(NULL, NULL, &none, error, sizeof error) == COUPLET_ERROR_ARGUMENT &&
              !none && strstr(error, "method is NULL"),
          "a model of no method", error);
    check(couplet_model_new(&couplet_small, NULL, NULL, error, sizeof error) ==
                  COUPLET_ERROR_ARGUMENT &&
              strstr(error, "place"),
          "a model without a place", error);
    check(couplet_model_new(NULL, NULL, &none, NULL, 99) == COUPLET_ERROR_ARGUMENT &&
              couplet_model_new(NULL, NULL, NULL, NULL, 0) == COUPLET_ERROR_ARGUMENT,
          "and nothing at all", "it was taken");
}

static void null_methods(void) {
    CoupletShape shape;
    check(couplet_method_input_count(NULL) == -1 && !couplet_method_input(NULL, 0, &shape) &&
              !couplet_method_input(&couplet_small, 0, NULL),
          "inputs of no method", "there are some");
    check(!couplet_method_sample(NULL, &shape) && !couplet_method_sample(&couplet_small, NULL) &&
              !couplet_method_sample_bytes(NULL),
          "the sample of no method", "there is one");
    check(!couplet_method_field_count(NULL) && !couplet_method_field(NULL, 0, &shape) &&
              !couplet_method_field(&couplet_small, 0, NULL) &&
              !couplet_method_field(&couplet_small, -1, &shape) &&
              !couplet_method_field(&couplet_small, 1, &shape) &&
              couplet_method_field_count(&couplet_small) == 1,
          "the fields of a sample of no method", "there are some");
    check(couplet_method_sample(&couplet_small, &shape) && strcmp(shape.name, "image") == 0 &&
              shape.element == COUPLET_UINT8 && shape.rank == 3 && shape.extent[0] == 1 &&
              shape.extent[1] == 28 && shape.extent[2] == 28 &&
              couplet_method_sample_bytes(&couplet_small) == SMALL_IMAGE_BYTES,
          "the sample of a method is its field", "it is something else");
    check(couplet_method_given_count(NULL) == -1 && !couplet_method_given(NULL, 0, &shape) &&
              !couplet_method_given(&couplet_small, 0, NULL),
          "what steps of no method give", "there is some");
    check(!*couplet_method_name(NULL) && !couplet_method_batch(NULL) &&
              !couplet_method_image_bytes(NULL) && !couplet_method_feature_width(NULL) &&
              !couplet_method_parameter_count(NULL) && !couplet_method_arena_bytes(NULL),
          "numbers of no method", "they are not 0");
}

static void null_given(CoupletModel *model) {
    float out[SMALL_FEATURES];
    check(couplet_model_given(NULL, "z", out, 1) == COUPLET_ERROR_ARGUMENT,
          "what is given by no model", "it was given");
    expect(model, couplet_model_given(model, NULL, out, 1), COUPLET_ERROR_ARGUMENT, "NULL",
           "what is given by no name");
    expect(model, couplet_model_given(model, "z", NULL, 1), COUPLET_ERROR_ARGUMENT, "`z` is NULL",
           "what is given into a NULL");
}

static void null_files(CoupletModel *model) {
    check(couplet_model_load(NULL, "saved.safetensors") == COUPLET_ERROR_ARGUMENT &&
              couplet_model_save(NULL, "x") == COUPLET_ERROR_ARGUMENT,
          "files of no model", "they were taken");
    expect(model, couplet_model_load(model, NULL), COUPLET_ERROR_ARGUMENT, "path",
           "weights of no path");
    expect(model, couplet_model_save(model, NULL), COUPLET_ERROR_ARGUMENT, "path",
           "saving to no path");
}

static void null_steps(CoupletModel *model) {
    CoupletInput inputs[] = {{"train.image", images, sizeof images},
                             {"train.index", indices, SMALL_BATCH}};
    float loss = 7;
    check(couplet_model_step(NULL, inputs, 2, &loss) == COUPLET_ERROR_ARGUMENT &&
              couplet_model_steps(NULL) == 0,
          "a step of no model", "it was made");
    expect(model, couplet_model_step(model, NULL, 2, &loss), COUPLET_ERROR_ARGUMENT, "NULL",
           "a step with no inputs");
    expect(model, couplet_model_step(model, inputs, -1, &loss), COUPLET_ERROR_ARGUMENT, "-1 inputs",
           "a step with fewer than no inputs");
    inputs[1].name = "train.imag";
    expect(model, couplet_model_step(model, inputs, 2, &loss), COUPLET_ERROR_ARGUMENT,
           "no input `train.imag`", "an input whose name is misspelt");
    inputs[1].name = "train.image";
    expect(model, couplet_model_step(model, inputs, 2, &loss), COUPLET_ERROR_ARGUMENT, "twice",
           "an input that is given twice");
    inputs[1].name = "train.index";
    inputs[0].data = NULL;
    expect(model, couplet_model_step(model, inputs, 2, &loss), COUPLET_ERROR_ARGUMENT,
           "`train.image` is NULL", "an input without its array");
    check(loss == 7, "none has written a loss", "one has");
}

static void null_features(CoupletModel *model) {
    const CoupletInput missing = {"image", NULL, SMALL_IMAGE_BYTES};
    const CoupletInput nameless = {NULL, images, SMALL_IMAGE_BYTES};
    const CoupletInput image = {"image", images, SMALL_IMAGE_BYTES};
    float out[SMALL_FEATURES];
    check(couplet_model_embed(NULL, images, 1, out) == COUPLET_ERROR_ARGUMENT,
          "features of no model", "they were made");
    expect(model, couplet_model_embed(model, NULL, 1, out), COUPLET_ERROR_ARGUMENT,
           "1 samples is NULL", "features of a NULL");
    expect(model, couplet_model_embed(model, images, 1, NULL), COUPLET_ERROR_ARGUMENT,
           "features of 1 samples is NULL", "features into a NULL");
    check(couplet_model_embed_fields(NULL, &image, 1, 1, out) == COUPLET_ERROR_ARGUMENT,
          "features of fields of no model", "they were made");
    expect(model, couplet_model_embed_fields(model, NULL, 1, 1, out), COUPLET_ERROR_ARGUMENT,
           "as a NULL", "features of no fields");
    expect(model, couplet_model_embed_fields(model, &missing, 1, 1, out), COUPLET_ERROR_ARGUMENT,
           "`image` is NULL", "features of a field that is NULL");
    expect(model, couplet_model_embed_fields(model, &nameless, 1, 1, out), COUPLET_ERROR_ARGUMENT,
           "`image`, which was not given", "a field without a name");
    expect(model, couplet_model_embed_fields(model, &image, 1, 1, NULL), COUPLET_ERROR_ARGUMENT,
           "features of 1 samples is NULL", "features of fields into a NULL");
}

static void null_pointers(CoupletModel *model) {
    null_models(model);
    null_methods();
    null_given(model);
    null_files(model);
    null_steps(model);
    null_features(model);
    check(strstr(couplet_model_error(NULL), "NULL") != NULL, "the error of no model",
          "it says nothing");
    check(*couplet_status_text((CoupletStatus)99) && *couplet_status_text((CoupletStatus)-1),
          "a status that there is not has a text", "it has none");
    check(couplet_command(NULL, 0, NULL) == 2, "the command line of no method", "it did something");
    check(strcmp(couplet_version(), COUPLET_VERSION) == 0, "the library is of the header's version",
          couplet_version());
    couplet_model_free(NULL);
}

/* Reads the arrays that a step gives, by name and shape; before a step there are none. */
static void given_arrays(CoupletModel *model, CoupletModel *fresh) {
    enum { WIDTH = 8 };
    static float z[SMALL_BATCH * WIDTH];
    static int32_t rows[SMALL_BATCH];
    CoupletShape shape;
    check(couplet_method_given_count(&couplet_small) == 2 &&
              couplet_method_given(&couplet_small, 0, &shape),
          "two arrays are given", "there are others");
    check(strcmp(shape.name, "z") == 0 && shape.element == COUPLET_FLOAT32 && shape.rank == 2 &&
              shape.extent[0] == SMALL_BATCH && shape.extent[1] == WIDTH,
          "the first is z", shape.name);
    check(couplet_method_given(&couplet_small, 1, &shape) && strcmp(shape.name, "rows") == 0 &&
              shape.element == COUPLET_INT32 && shape.rank == 1,
          "the second has ints", shape.name);
    check(!couplet_method_given(&couplet_small, 2, &shape) &&
              !couplet_method_given(&couplet_small, -1, &shape),
          "there is no third", shape.name);
    expect(fresh, couplet_model_given(fresh, "z", z, SMALL_BATCH * WIDTH), COUPLET_ERROR_ARGUMENT,
           "no step", "before the first step there is nothing");
    expect(model, step(model, sizeof images, NULL), COUPLET_OK, "", "a step");
    expect(model, couplet_model_given(model, "z", z, SMALL_BATCH * WIDTH), COUPLET_OK, "",
           "what it gives");
    expect(model, couplet_model_given(model, "rows", rows, SMALL_BATCH), COUPLET_OK, "",
           "and what it gives beside");
    float size = 0;
    for (int i = 0; i < SMALL_BATCH * WIDTH; i++)
        size += z[i] * z[i];
    check(size > 0 && memcmp(rows, indices, sizeof rows) == 0, "both are what the step was made of",
          "they are not");
    expect(model, couplet_model_given(model, "y", z, SMALL_BATCH * WIDTH), COUPLET_ERROR_ARGUMENT,
           "`y`", "a name that is not given");
    expect(model, couplet_model_given(model, "z", z, SMALL_BATCH), COUPLET_ERROR_ARGUMENT,
           "elements", "too little room");
    expect(model, step(model, 17, NULL), COUPLET_ERROR_ARGUMENT, "train.image",
           "a step that fails");
    expect(model, couplet_model_given(model, "z", z, SMALL_BATCH * WIDTH), COUPLET_ERROR_ARGUMENT,
           "no step", "gives nothing");
}

/* Runs more steps than the schedules have. */
static void too_many_steps(void) {
    CoupletModel *model;
    CoupletModelOptions options = {0};
    options.threads = 1;
    options.total_steps = 2;
    if (couplet_model_new(&couplet_small, &options, &model, NULL, 0) != COUPLET_OK) return;
    for (int i = 0; i < 2; i++)
        expect(model, step(model, sizeof images, NULL), COUPLET_OK, "", "a step of two");
    expect(model, step(model, sizeof images, NULL), COUPLET_ERROR_ARGUMENT, "total_steps",
           "a third step of two");
    couplet_model_free(model);
}

static void wrong_options(void) {
    const CoupletModelOptions rows[] = {
        {-1, 0, 0, 0, NULL, 0}, {257, 0, 0, 0, NULL, 0}, {1, 0, -1, 0, NULL, 0},
        {1, 0, 0, -1, NULL, 0}, {1, 0, 0, 0, NULL, 9},   {1, 0, (int64_t)1 << 31, 0, NULL, 0}};
    const char *const words[] = {"threads",         "threads",     "total_steps",
                                 "steps_per_epoch", "arena_bytes", "total_steps"};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        char error[256] = "";
        CoupletModel *model;
        check(couplet_model_new(&couplet_small, &rows[i], &model, error, sizeof error) ==
                      COUPLET_ERROR_ARGUMENT &&
                  !model && strstr(error, words[i]),
              words[i], error);
    }
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
    if (model)
        expect(model, step(model, sizeof images, &loss), COUPLET_OK, "", "it makes a step there");
    float *features = model ? features_of(model) : NULL;
    check(features != NULL, "and features", model ? couplet_model_error(model) : "");
    free(features);
    couplet_model_free(model);
    options.arena_bytes = 256;
    status = couplet_model_new(&couplet_small, &options, &model, error, sizeof error);
    check(status == COUPLET_ERROR_MEMORY && !model && strstr(error, "the arena of 256 bytes"),
          "an arena that is too small", error);
    options.arena = (char *)options.arena + 4;
    status = couplet_model_new(&couplet_small, &options, &model, error, sizeof error);
    check(status == COUPLET_ERROR_ARGUMENT && !model, "an arena that is not aligned", error);
    free(memory);
}

static CoupletModel *open_model(const CoupletMethod *method, const CoupletModelOptions *options,
                                const char *sentence) {
    char error[256] = "";
    CoupletModel *model;
    check(couplet_model_new(method, options, &model, error, sizeof error) == COUPLET_OK, sentence,
          error);
    return model;
}

/* Steps that fail count for nothing. Returns the loss of the first that is made. */
static float first_steps(CoupletModel *model, CoupletModel *other) {
    float loss = 0;
    expect(other, step(other, sizeof images, &loss), COUPLET_ERROR_ARGUMENT, "total_steps",
           "a step of a training without length");
    expect(model, step(model, 17, &loss), COUPLET_ERROR_ARGUMENT, "train.image",
           "a wrong number of elements");
    expect(model, couplet_model_step(model, NULL, 0, &loss), COUPLET_ERROR_ARGUMENT, "train.i",
           "an input that is missing");
    check(couplet_model_steps(model) == 0, "neither counts as a step", "it does");
    expect(model, step(model, sizeof images, &loss), COUPLET_OK, "", "a step");
    check(loss == loss && couplet_model_steps(model) == 1, "its loss is a number", "it is none");
    return loss;
}

static void saved_weights(CoupletModel *model) {
    expect(model, couplet_model_save(model, "saved.safetensors"), COUPLET_OK, "", "saving");
    expect(model, couplet_model_save(model, "/dev/full/x"), COUPLET_ERROR_FILE, "/dev/full/x",
           "saving where nothing can be");
    damaged_weights(model);
    full_disk_keeps_file(model);
    killed_while_saving(model);
}

int main(void) {
    CoupletModelOptions options = {0};
    float again = 0;
    options.threads = 1;
    options.seed = 3;
    options.total_steps = 10;
    for (int i = 0; i < SMALL_BATCH * SMALL_IMAGE_BYTES; i++)
        images[i] = (unsigned char)(i * 2654435761u >> 24);
    for (int i = 0; i < SMALL_BATCH; i++)
        indices[i] = i;
    CoupletModel *model = open_model(&couplet_small, &options, "a model of one method");
    CoupletModel *other = open_model(&couplet_other, NULL, "a model of another one beside it");
    if (!model || !other) return 1;
    const float loss = first_steps(model, other);
    saved_weights(model);
    wrong_shapes(model);
    null_pointers(model);
    expect(other, couplet_model_load(other, "saved.safetensors"), COUPLET_ERROR_WEIGHTS,
           "another method", "weights of another method");
    expect(model, couplet_model_embed(model, NULL, 3, &again), COUPLET_ERROR_ARGUMENT, "3 samples",
           "features of no images");
    options.threads = 2;
    CoupletModel *twin = open_model(&couplet_small, &options, "the same model on two threads");
    if (twin) expect(twin, step(twin, sizeof images, &again), COUPLET_OK, "", "its step");
    check(loss == again, "the same seed gives the same loss", "it differs");
    if (twin) given_arrays(model, other);
    CoupletShape shape;
    check(couplet_method_input(&couplet_small, 0, &shape) &&
              !couplet_method_input(&couplet_small, 99, &shape),
          "inputs are listed", "they are not");
    couplet_model_free(twin);
    couplet_model_free(other);
    couplet_model_free(model);
    couplet_model_free(NULL);
    arenas();
    wrong_options();
    too_many_steps();
    return faults ? 1 : 0;
}
