/* A method made by `couplet build`, for programs in C99 or C++.
 *
 * A method is a constant object, `couplet_NAME`, declared by the header that was built with it. A
 * model is a method with its states: weights, running statistics, the optimiser's memory, queues.
 * Models are independent of each other; one model is used by one thread at a time, and uses
 * `threads` of its own. Threads do not survive fork: a child process makes models anew. The same
 * seed and the same inputs give the same bits for any number of threads.
 *
 * Nothing here prints, exits or aborts, but for couplet_command. A function that fails returns a
 * status other than COUPLET_OK, leaves a sentence for couplet_model_error, and changes neither the
 * model nor its arrays. A pointer that is NULL where it may not be is such a failure,
 * COUPLET_ERROR_ARGUMENT; functions that return no status then return 0, NULL or "". */
#ifndef COUPLET_H
#define COUPLET_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* The version of this header. Within one major version, programs that were compiled with an older
 * header still compile and work. */
#define COUPLET_VERSION_MAJOR 0
#define COUPLET_VERSION_MINOR 2
#define COUPLET_VERSION_PATCH 0
#define COUPLET_VERSION       "0.2.0"
/* Returns the version of the library that is linked: "0.2.0". */
const char *couplet_version(void);

typedef struct CoupletMethod CoupletMethod;
typedef struct CoupletModel CoupletModel;

typedef enum CoupletStatus {
    COUPLET_OK = 0,
    /* memory, or the caller's arena, does not suffice; or a thread cannot be started */
    COUPLET_ERROR_MEMORY,
    /* a file that cannot be read or written, a full disk among the reasons */
    COUPLET_ERROR_FILE,
    COUPLET_ERROR_WEIGHTS, /* a checkpoint that is damaged, or of another method */
    /* a missing input, a wrong count, a name that the method does not have */
    COUPLET_ERROR_ARGUMENT,
    /* a loss that is no number, an index out of range: the sentence names the line of the method */
    COUPLET_ERROR_NUMBERS,
    COUPLET_ERROR_PROCESSOR, /* the method was compiled for processors that this machine has not */
    /* a formula that has mistakes, or that does not fit the arrays it is given */
    COUPLET_ERROR_TEXT,
    COUPLET_ERROR_STOPPED /* the caller asked for an early end */
} CoupletStatus;

/* ---- what a method needs and gives ----------------------------------------------------------- */

typedef enum CoupletElement { COUPLET_FLOAT32, COUPLET_INT32, COUPLET_UINT8 } CoupletElement;

typedef struct CoupletShape {
    const char *name; /* "train.image": field of a data source of the method */
    /* COUPLET_UINT8, 0 .. 255, are reals of 0 .. 1 to the method; classes and indices are
     * COUPLET_INT32, from 0 */
    CoupletElement element;
    int rank;
    /* samples first; then the shape of one, such as channels, rows, columns */
    int64_t extent[8];
} CoupletShape;

/* Arrays that couplet_model_step reads, numbered from 0; -1 when this machine has no processor that
 * the method was compiled for, or the method is NULL. */
int couplet_method_input_count(const CoupletMethod *method);
/* Fills *shape. False (0) when there is no such input. */
int couplet_method_input(const CoupletMethod *method, int number, CoupletShape *shape);
/* Arrays that steps give by a name, `give NAME = E`, numbered from 0; -1 as above. A method with
 * phases may give some in some of its steps alone. */
int couplet_method_given_count(const CoupletMethod *method);
int couplet_method_given(const CoupletMethod *method, int number, CoupletShape *shape);
const char *couplet_method_name(const CoupletMethod *method);
int64_t couplet_method_batch(const CoupletMethod *method); /* samples of a step */
/* The fields of a sample that features are made of, numbered from 0: most methods have one. Fills
 * *shape with the name of the field ("image"), its element, and the extents without that of the
 * samples. False (0) when there is no such field. */
int couplet_method_field_count(const CoupletMethod *method);
int couplet_method_field(const CoupletMethod *method, int number, CoupletShape *shape);
/* Fills *shape with one sample that couplet_model_embed takes, which is its one field. False (0)
 * when the method has no features, or makes them of several fields. */
int couplet_method_sample(const CoupletMethod *method, CoupletShape *shape);
/* Returns the size of one such sample in bytes; 0 where there is none. */
int64_t couplet_method_sample_bytes(const CoupletMethod *method);
/* Returns the same as couplet_method_sample_bytes; this is the name of version 0.1. */
int64_t couplet_method_image_bytes(const CoupletMethod *method);
/* floats of one sample's features; 0: the method has no features */
int64_t couplet_method_feature_width(const CoupletMethod *method);
int64_t couplet_method_parameter_count(const CoupletMethod *method);
/* Returns the size in bytes of the largest arena that a model needs, see CoupletModelOptions. */
size_t couplet_method_arena_bytes(const CoupletMethod *method);
/* For a method that is NULL, the name is "" and the numbers are 0. */

/* ---- models ---------------------------------------------------------------------------------- */

typedef struct CoupletModelOptions {
    int threads;   /* 0: one for each core. Negative numbers are refused, here and below */
    uint64_t seed; /* the seed of the initial weights and of all draws */
    /* The number of steps of the whole training, which schedules span. couplet_model_step needs it,
     * and makes no more steps than these. */
    int64_t total_steps;
    /* for methods whose phases or schedules read `epoch`; 0: all steps are of epoch 0 */
    int64_t steps_per_epoch;
    /* aligned to 128 bytes; all large arrays are placed in it. NULL: the model allocates them */
    void *arena;
    size_t arena_bytes; /* 0 if there is no arena */
} CoupletModelOptions;

/* A model with its initial weights, or with those embedded in the method. `options` may be NULL,
 * all zero: enough to embed. On failure *model is NULL, and `error`, which may be NULL, gets a
 * sentence of at most error_bytes: it is how failures before there is a model are told. The method,
 * and the arena if there is one, must outlive the model. */
CoupletStatus couplet_model_new(const CoupletMethod *method, const CoupletModelOptions *options,
                                CoupletModel **model, char *error, size_t error_bytes);
/* once. NULL is fine; any other use of a model after that is undefined */
void couplet_model_free(CoupletModel *model);

/* Load all states from a checkpoint (safetensors, as `couplet train` writes it), and save them to
 * one. Saving replaces the file as a whole or not at all. */
CoupletStatus couplet_model_load(CoupletModel *model, const char *path);
CoupletStatus couplet_model_save(CoupletModel *model, const char *path);

typedef struct CoupletInput {
    const char *name; /* the name, as in CoupletShape */
    const void *data; /* the elements of that shape and type, dense, row major */
    int64_t count;    /* the number of elements: it is checked */
} CoupletInput;

/* Makes one step of training: forward, backward, optimiser, updates. *loss receives the loss, in
 * nats or in the unit of the method's formula; `loss` may be NULL. Inputs may come in any order,
 * each once, under the names "SOURCE.FIELD" and "SOURCE.index" of the method's sources; inputs that
 * the step does not read need not be given and are not looked at. */
CoupletStatus couplet_model_step(CoupletModel *model, const CoupletInput *inputs, int input_count,
                                 float *loss);
/* Copies what the last step gave as `name` into out[count]: float32 or int32, dense, row major, of
 * the shape that couplet_method_given says; `count` is checked. Before the first step, after a step
 * that failed and after a checkpoint was loaded the call fails. */
CoupletStatus couplet_model_given(CoupletModel *model, const char *name, void *out, int64_t count);
int64_t couplet_model_steps(const CoupletModel *model); /* completed */

/* Features of `count` samples, in evaluation mode, into out[count, feature width]. Element and
 * shape of a sample are what couplet_method_sample says: couplet_method_sample_bytes are read for
 * each, one sample after the other. */
CoupletStatus couplet_model_embed(CoupletModel *model, const void *samples, int64_t count,
                                  float *out);
/* Does the same as couplet_model_embed for samples of any number of fields: each field of
 * couplet_method_field is given once, in any order, as [count, shape of one]. */
CoupletStatus couplet_model_embed_fields(CoupletModel *model, const CoupletInput *fields,
                                         int field_count, int64_t count, float *out);

/* Returns the sentence of the last call for the model that failed; "" if the last call succeeded.
 * It is valid until the next call for the model. */
const char *couplet_model_error(const CoupletModel *model);
const char *couplet_status_text(CoupletStatus status);

/* The command line of a program that `couplet build` makes: train, eval, embed. Prints; returns
 * what main returns. `arguments` are those of main. */
int couplet_command(const CoupletMethod *method, int argument_count, char **arguments);

#ifdef __cplusplus
}
#endif

#endif
