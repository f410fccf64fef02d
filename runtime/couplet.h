/* A method made by `couplet build`, for programs in C99 or C++.
 *
 * A method is a constant object, `couplet_NAME`, declared by the header that was built with it. A
 * model is a method with its states: weights, running statistics, the optimiser's memory, queues.
 * Models are independent of each other. A model may be used by one thread at a time, and has
 * `threads` threads of its own. Threads do not survive fork, so a child process must make new
 * models. The same seed and the same inputs give the same bits for any number of threads.
 *
 * No function prints, exits or aborts, except couplet_command. A function that fails returns a
 * status other than COUPLET_OK, leaves a sentence for couplet_model_error, and changes neither the
 * model nor its arrays. A pointer that must not be NULL and is makes a call fail with
 * COUPLET_ERROR_ARGUMENT. Functions that return no status then return 0, NULL or "". */
#ifndef COUPLET_H
#define COUPLET_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* The version of this header. Programs that were compiled with an older header of the same major
 * version still compile and work. */
#define COUPLET_VERSION_MAJOR 0
#define COUPLET_VERSION_MINOR 2
#define COUPLET_VERSION_PATCH 0
#define COUPLET_VERSION       "0.2.0"
/* Returns the version of the linked library, such as "0.2.0". */
const char *couplet_version(void);

typedef struct CoupletMethod CoupletMethod;
typedef struct CoupletModel CoupletModel;

typedef enum CoupletStatus {
    COUPLET_OK = 0,
    /* memory, or the caller's arena, does not suffice; or a thread cannot be started */
    COUPLET_ERROR_MEMORY,
    /* a file cannot be read or written, for instance because the disk is full */
    COUPLET_ERROR_FILE,
    COUPLET_ERROR_WEIGHTS, /* a checkpoint is damaged, or belongs to another method */
    /* an input is missing, a count is wrong, or the method does not have a name */
    COUPLET_ERROR_ARGUMENT,
    /* a loss is no number, or an index is out of range; the sentence names the line of the
     * method */
    COUPLET_ERROR_NUMBERS,
    COUPLET_ERROR_PROCESSOR, /* the method was compiled for other processors than this machine's */
    /* a formula has mistakes, or does not fit the arrays that it is given */
    COUPLET_ERROR_TEXT,
    COUPLET_ERROR_STOPPED /* the caller asked for an early end */
} CoupletStatus;

/* ---- what a method needs and gives ----------------------------------------------------------- */

typedef enum CoupletElement {
    COUPLET_FLOAT32,
    COUPLET_INT32,
    COUPLET_UINT8,
} CoupletElement;

typedef struct CoupletShape {
    const char *name; /* "train.image": a field of a data source of the method */
    /* The type of the entries. The bytes 0 .. 255 of COUPLET_UINT8 are the reals 0 .. 1 to the
     * method. Classes and indices are COUPLET_INT32, from 0. */
    CoupletElement element;
    int rank;
    /* Samples come first, then the shape of one sample, such as channels, rows, columns. */
    int64_t extent[8];
} CoupletShape;

/* Returns the number of arrays that couplet_model_step reads, or -1 if the method is NULL or was
 * not compiled for this machine's processor. */
int couplet_method_input_count(const CoupletMethod *method);
/* Fills *shape with input `number`, from 0. Returns 0 if there is no such input. */
int couplet_method_input(const CoupletMethod *method, int number, CoupletShape *shape);
/* Return the number of arrays that steps give by a name (`give NAME = E`), or -1 as above; and
 * array `number` of them, from 0. A method with phases may give an array in some of its steps
 * only. */
int couplet_method_given_count(const CoupletMethod *method);
int couplet_method_given(const CoupletMethod *method, int number, CoupletShape *shape);
const char *couplet_method_name(const CoupletMethod *method);
int64_t couplet_method_batch(const CoupletMethod *method); /* Returns the samples of a step. */
/* Return the number of fields of a sample that features are made of, which is one for most methods;
 * and field `number` of them, from 0. *shape gets the name of the field ("image"), its type, and
 * its extents without that of the samples. couplet_method_field returns 0 if there is no such
 * field. */
int couplet_method_field_count(const CoupletMethod *method);
int couplet_method_field(const CoupletMethod *method, int number, CoupletShape *shape);
/* Fills *shape with one sample for couplet_model_embed, if features are made of a single field.
 * Returns 0 if the method has no features, or makes them of several fields. */
int couplet_method_sample(const CoupletMethod *method, CoupletShape *shape);
/* Returns the bytes of such a sample; 0 if there is none. */
int64_t couplet_method_sample_bytes(const CoupletMethod *method);
/* Returns the same as couplet_method_sample_bytes. This is the name in version 0.1. */
int64_t couplet_method_image_bytes(const CoupletMethod *method);
/* Returns the number of floats in the features of one sample; 0: the method has no features. */
int64_t couplet_method_feature_width(const CoupletMethod *method);
int64_t couplet_method_parameter_count(const CoupletMethod *method);
/* Returns the bytes of the largest arena that a model needs (CoupletModelOptions). */
size_t couplet_method_arena_bytes(const CoupletMethod *method);
/* If the method is NULL, the name is "" and the numbers are 0. */

/* ---- models ---------------------------------------------------------------------------------- */

typedef struct CoupletModelOptions {
    int threads;   /* 0: one for each core. Negative numbers are refused, here and below. */
    uint64_t seed; /* the seed of the initial weights and of all random draws */
    /* The number of steps in the whole training, over which schedules extend. couplet_model_step
     * needs it, and refuses further steps. */
    int64_t total_steps;
    /* For methods whose phases or schedules read `epoch`. 0: all steps are in epoch 0. */
    int64_t steps_per_epoch;
    /* Memory for all large arrays, aligned to 128 bytes. NULL: the model allocates it. */
    void *arena;
    size_t arena_bytes; /* the bytes of the arena; 0: there is none */
} CoupletModelOptions;

/* Makes a model with its initial weights, or with the weights in the method. `options` may be NULL,
 * which stands for zeros and is enough to embed. On failure *model is NULL, and `error` receives a
 * sentence of at most error_bytes bytes, because there is no model yet to ask for it; `error` may
 * be NULL. The method, and the arena if there is one, must outlive the model. */
CoupletStatus couplet_model_new(const CoupletMethod *method, const CoupletModelOptions *options,
                                CoupletModel **model, char *error, size_t error_bytes);
/* Frees a model, which may be NULL. Any other use of the model after that is undefined. */
void couplet_model_free(CoupletModel *model);

/* Load all states from a checkpoint (safetensors, as `couplet train` writes it), and save them to
 * one. Saving replaces the file as a whole or not at all. */
CoupletStatus couplet_model_load(CoupletModel *model, const char *path);
CoupletStatus couplet_model_save(CoupletModel *model, const char *path);

typedef struct CoupletInput {
    const char *name; /* the name, as in CoupletShape */
    const void *data; /* the elements, of that shape and type, dense and row major */
    int64_t count;    /* the number of elements, which is checked */
} CoupletInput;

/* Makes one step of training: forward, backward, optimiser, updates. *loss receives the loss, in
 * nats or in the unit of the method's formula; `loss` may be NULL. Inputs may come in any order,
 * each once. Their names are "SOURCE.FIELD" and "SOURCE.index" for the method's sources. Inputs
 * that the step does not read may be left out, and are not looked at. */
CoupletStatus couplet_model_step(CoupletModel *model, const CoupletInput *inputs, int input_count,
                                 float *loss);
/* Copies what the last step gave as `name` into out[count]. The elements are float32 or int32,
 * dense and row major, in the shape that couplet_method_given says; `count` is checked. Fails
 * before the first step, after a step that failed, and after a checkpoint was loaded. */
CoupletStatus couplet_model_given(CoupletModel *model, const char *name, void *out, int64_t count);
int64_t couplet_model_steps(const CoupletModel *model); /* Returns the number of completed steps. */

/* Computes features of `count` samples, in evaluation mode, into out[count, feature width]
 * (float32). The samples follow each other, in the type and shape that couplet_method_sample says:
 * couplet_method_sample_bytes are read for each. */
CoupletStatus couplet_model_embed(CoupletModel *model, const void *samples, int64_t count,
                                  float *out);
/* Computes features of samples with any number of fields. Each field of couplet_method_field is
 * given once, in any order, as [count, shape of one]. */
CoupletStatus couplet_model_embed_fields(CoupletModel *model, const CoupletInput *fields,
                                         int field_count, int64_t count, float *out);

/* Returns the sentence of the model's last call if that failed, else "". It is valid until the
 * model's next call. */
const char *couplet_model_error(const CoupletModel *model);
const char *couplet_status_text(CoupletStatus status);

/* Does what the command line of a program made by `couplet build` says: train, eval, embed.
 * `arguments` are those of main. Prints, and returns the exit status for main. */
int couplet_command(const CoupletMethod *method, int argument_count, char **arguments);

#ifdef __cplusplus
}
#endif

#endif
