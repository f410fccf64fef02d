/* Where compiled code meets the runtime: kernels, plans and the program that holds them. The compiler fills
 * these structures (in memory for the JIT, as static data in a binary); the runtime only reads them. */
#ifndef COUPLET_RUNTIME_ABI_H
#define COUPLET_RUNTIME_ABI_H

#include "runtime/couplet.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef enum { COUPLET_F32, COUPLET_I32, COUPLET_U8 /* inputs; and truth values, 0 or 1 */ } CoupletType;
enum { COUPLET_MAX_RANK = 8, COUPLET_MAX_KERNEL_BUFFERS = 64, COUPLET_MAX_ABREAST = 64 /* steps of a launch */ };

/* What can go wrong in a kernel; the step says where. */
typedef enum {
    COUPLET_NO_FAULT,
    COUPLET_FAULT_INDEX, /* an index read from data is outside its array */
    COUPLET_FAULT_EMPTY, /* a mean, maximum or log-sum-exp has no term */
    COUPLET_FAULT_FEW,   /* a top-k has too few candidates */
    COUPLET_FAULT_SINGULAR, /* equations without a solution, or with many */
    COUPLET_FAULT_COST,  /* an assignment with a cost that is no number */
    COUPLET_FAULT_BETA,  /* a beta distribution with a parameter that is not positive */
    COUPLET_FAULT_WHOLE, /* a whole number that 32 bits do not hold */
    COUPLET_FAULT_MEMORY, /* no memory, met by the executor */
    COUPLET_FAULT_DEVICE, /* a device that fails or is lost, met by the executor */
    COUPLET_FAULT_NAN,    /* a result is no number, */
    COUPLET_FAULT_INFINITE /* or is infinite: met by the finite check */
} CoupletFaultKind;

/* What a kernel may touch beside its buffers. One per worker thread. */
typedef struct CoupletWorker {
    void *scratch;         /* plan->scratch_bytes, 64-byte aligned, private to the worker */
    int64_t *fault;        /* 0, or the CoupletFaultKind of what a kernel met */
} CoupletWorker;

/* Does tiles [begin, end) of its work. Tiles write disjoint memory, so that any split over threads gives the same bits. */
typedef void (*CoupletKernel)(void *const *buffers, int64_t begin, int64_t end, const CoupletWorker *worker);

/* The kernel of every library call (runtime/calls.h). */
void couplet_call(void *const *buffers, int64_t begin, int64_t end, const CoupletWorker *worker);

typedef enum { COUPLET_IN_ARENA, COUPLET_IN_STATE, COUPLET_IN_INPUT, COUPLET_IN_CONST, COUPLET_NOWHERE /* an array of pairs that is never stored */ } CoupletPlace;

typedef struct CoupletBuffer {
    CoupletPlace place;
    CoupletType type;
    int rank;
    int64_t shape[COUPLET_MAX_RANK];
    int64_t offset;       /* IN_ARENA: bytes, a multiple of 128. IN_INPUT of a plan for another device: where it is sent to, or -1: memory of its own */
    int slot;             /* IN_STATE: program->states; IN_INPUT: plan->inputs */
    const void *constant; /* IN_CONST */
    int64_t packed_bytes; /* IN_CONST: above 0, `constant` is so many bytes that runtime/packed.h unpacks */
} CoupletBuffer;

/* A plain product of matrices, for a device's library: out[z] = left[z] right[z], rows one after the other in memory. Offsets and strides in elements. */
typedef struct CoupletProduct {
    bool left_transposed, right_transposed; /* as they lie */
    int64_t rows, columns, inner, batch;
    int64_t left_offset, right_offset, out_offset;
    int64_t left_row, right_row, out_row;       /* from row to row */
    int64_t left_batch, right_batch, out_batch; /* from matrix to matrix */
} CoupletProduct;

/* How a device other than the host runs a step: a kernel of plan->kernels over the step's buffers and a count, or a product of its first two buffers. */
typedef struct CoupletLaunch {
    const char *symbol;    /* steps of one shape but for their count share a kernel */
    int64_t global, local; /* work-items in all, and in a group */
    int64_t count;         /* the argument after the buffers: how many elements there are */
    bool can_fault;        /* two more arguments: the word for faults, and the step's number; min(number * 8 + CoupletFaultKind) goes into the word */
    const CoupletProduct *product; /* NULL: the kernel */
} CoupletLaunch;

typedef struct CoupletStep {
    CoupletKernel kernel; /* on the host; runtime calls (bucket sort, top-k) have the same shape */
    const CoupletLaunch *launch; /* on another device; NULL: there, too, `kernel` does it on the host */
    int64_t tiles;
    int64_t rounds;       /* 0 or 1: one. Round r does tiles [r * tiles, (r + 1) * tiles); only tiles of one round write disjoint memory */
    int buffer_count;
    const int *buffers;   /* indices into plan->buffers; the last `output_count` are written, the others read */
    int output_count;
    int abreast;          /* so many steps, from this one on, are one launch: they read nothing of each other's and write disjoint memory. 0: it alone, or it is in one */
    const char *symbol;
    const char *source;   /* "examples/simclr.cpl:14" */
    const char *label;    /* what it does, for profiles: "product 512 x 64 x 576" */
    double flops, bytes;  /* estimates, for profiles */
} CoupletStep;

typedef enum { COUPLET_ASSIGN, COUPLET_PUSH, COUPLET_ROWS } CoupletCommitKind;
typedef struct CoupletCommit {
    CoupletCommitKind kind;
    int state;      /* slot in program->states */
    int value;      /* buffer */
    int rows;       /* ROWS: buffer of int row numbers */
    int head, fill; /* PUSH: slots of the int counters */
    const char *source; /* "examples/pcl.cpl:14" */
    const char *name;   /* of the state, as in a checkpoint */
} CoupletCommit;

typedef struct CoupletNamed {
    const char *name;
    int buffer;
} CoupletNamed;

/* One graph, compiled. Inputs are arrays the caller hands over at each run, found by name: such as "train.image" (u8), "train.label",
 * "train.index" (i32), run scalars "step", "steps", "epoch" (i32[]), "seed" (i32[2], low and high word), "hyper.tau" (f32[] or i32[]); the
 * whole of a source is "train.all.image" and so on. */
typedef struct CoupletPlan {
    const char *name;
    const CoupletBuffer *buffers;
    int buffer_count;
    const CoupletStep *steps;
    int step_count;
    const CoupletCommit *commits; /* all done after the last step and the finite check; right sides are complete before any */
    int commit_count;
    const CoupletNamed *inputs;
    int input_count;
    const CoupletNamed *outputs;
    int output_count;
    int64_t arena_bytes, scratch_bytes;
    const unsigned char *formulas; /* of the steps, for messages (runtime/formula.h) */
    int64_t formula_bytes;
    const char *kernels; /* source of the device's program, shared by the plans of a method; NULL in plans for the host */
    uint64_t hash;
} CoupletPlan;

typedef enum { COUPLET_ROLE_PARAM, COUPLET_ROLE_OPTIMISER, COUPLET_ROLE_STATE, COUPLET_ROLE_QUEUE, COUPLET_ROLE_COUNTER } CoupletRole;
typedef struct CoupletStateInfo {
    const char *name; /* key in the checkpoint */
    const char *origin; /* of a copied network's: the state that it starts as; NULL: it is none */
    CoupletRole role;
    CoupletType type;
    int rank;
    int64_t shape[COUPLET_MAX_RANK];
} CoupletStateInfo;

typedef struct CoupletHyper {
    const char *name;  /* "tau" */
    bool is_integer, is_static; /* static: part of the compiled program */
    double value;
    const char *range;      /* what the value must fulfil, as runtime/range.h reads it; NULL: any number will do */
    const char *range_text; /* as the spec writes it: "tau > 0" */
    const char *written; /* its value as the spec's text has it, "0.5": what --set did not change */
} CoupletHyper;

/* One column of a table of data (runtime/data/table.h): a name, and the type and shape of one sample. */
typedef struct CoupletField {
    const char *name;
    CoupletType type;  /* COUPLET_U8: bytes that the language reads as reals, 0 .. 255 as 0 .. 1; COUPLET_I32; COUPLET_F32 */
    int rank;          /* axes of one sample; 0: a number */
    int64_t shape[COUPLET_MAX_RANK];
    int64_t classes;   /* of an int: its values are 0 .. classes - 1; 0: any number */
    const char *const *class_names; /* [classes]; NULL: they have none, and always in a compiled program */
} CoupletField;

/* A setting of a reader, as the spec gives it: `size = 64`. */
typedef struct CoupletSetting {
    const char *name;
    double number;    /* 1 and 0 for true and false */
    const char *text; /* NULL: it is a number */
} CoupletSetting;

typedef enum { COUPLET_EQUAL, COUPLET_UNEQUAL, COUPLET_BELOW, COUPLET_AT_MOST, COUPLET_ABOVE, COUPLET_AT_LEAST } CoupletComparison;

/* A row is kept when its value of `field`, a number, compares so. */
typedef struct CoupletCondition {
    const char *field;
    CoupletComparison is;
    double value;
} CoupletCondition;

/* Which rows of a source are kept; at most one of the first three is above 0. Conditions, part and classes come first, what they leave is then counted by class. */
typedef struct CoupletSelection {
    double per_class; /* so many of each class */
    double fraction;  /* this share of each class */
    double imbalance; /* class c of C keeps imbalance^(-c / (C - 1)) of its rows: a long tail */
    double seed;      /* draws which ones; negative: the first ones of the source */
    const char *by;   /* the int field whose values are the classes; NULL: "label" */
    double part_from, part_to; /* keeps the rows whose hash, as a number of 0 .. 1, is in [from, to); both 0: all */
    double first_class, classes; /* keeps the classes first .. first + classes - 1; 0 classes: all */
    const CoupletCondition *where; /* all of them hold */
    int where_count;
} CoupletSelection;

typedef struct CoupletSource {
    const char *name;   /* "train": the name in the spec */
    const char *reader; /* "fashion_mnist": a row of runtime/data/readers.def */
    const char *path;   /* the argument without a name, as the spec writes it: "photos/train", or a split, "train" */
    const CoupletSetting *settings;
    int setting_count;
    const CoupletField *claim; /* what the spec says of the fields */
    int claim_count;
    const CoupletField *fields; /* that the program reads, as it was compiled for them */
    int field_count;
    CoupletSelection selection;
    int64_t rows;       /* that the program was compiled for; 0: any number, no array of it has a row for each sample */
    int64_t batch;      /* samples a step */
    bool follows;       /* in a stage with a batch of its own, that one */
    bool drawn;         /* the step reads it */
    bool balanced;      /* batches draw a class first, all alike, then a row of it */
    int weights;        /* the state f32[rows] that batches are drawn in proportion to, with replacement; -1: none */
    int64_t ways, each; /* episodes: so many classes a batch, so many rows of each, class by class; 0: none */
} CoupletSource;

/* A loss that has a name: the output "loss NAME" f32[] of those steps that have it. */
typedef struct CoupletLoss {
    const char *name;
} CoupletLoss;

typedef struct CoupletEval {
    const char *method;   /* "knn" or "linear" */
    double k, temperature; /* knn */
    double decay;          /* linear: L2 */
    const char *features; /* the plan that makes features: output "features" of inputs that are fields of both sources, "sample.image" */
    const char *labels;   /* the int field that is to be told from them */
    int bank, query;      /* sources */
    const char *place;    /* "examples/pcl.cpl:20:9" */
} CoupletEval;

/* What `every epoch` does, one after the other, before the epoch's first step; and `eval`, where it measures. An output "report NAME" f32[] of a plan is a number that is told. */
typedef enum {
    COUPLET_ACTION_ONCE,  /* runs the plan and commits */
    COUPLET_ACTION_SWEEP, /* the same for each batch of a source, in order; the last one reaches back so that it is full */
    COUPLET_ACTION_KMEANS /* runs the plan and commits; then its output "points" f32[rows, width] is clustered into two states */
} CoupletActionKind;
#define COUPLET_REPORT "report " /* what the name of an output that is told begins with */
typedef struct CoupletAction {
    CoupletActionKind kind;
    int64_t every;        /* epochs: before the first, and then before each of so many */
    CoupletPlan *plan;
    int source;           /* SWEEP: inputs "train.image" ... are of the plan's batch */
    int centres, members; /* KMEANS: states f32[clusters, width] and i32[rows] */
    int64_t iterations;
    bool spherical, sampled;
    uint32_t site;
    const char *place;    /* "examples/pcl.cpl:20" */
} CoupletAction;

/* A part of the run with its own clock, batch and epoch: the steps, epochs and draws of each are counted from 0. */
typedef struct CoupletStage {
    const char *name;
    double epochs;
    int64_t batch;       /* of the sources that follow it; 0: they have their own */
    int train_source;    /* sets its epoch; -1: an epoch is epoch_steps */
    int64_t epoch_steps;
    int64_t views;       /* samples that the views of a step make */
} CoupletStage;

/* A stretch of a stage, or of the whole run: from this epoch and this step on, until a later phase of it has begun. All phases share the program's states. */
typedef struct CoupletPhase {
    int64_t from_epoch, from_step;
    int stage; /* of program->stages; 0 where there are none */
    CoupletPlan *train; /* one step: outputs "loss" (f32[]), "loss NAME" of those with names, and "embedding" (f32[batch, D] or [views, batch, D]) for the watch on collapse, if there is one */
    const CoupletAction *actions;
    int action_count;
} CoupletPhase;

/* A file of the spec, as it stands. */
typedef struct CoupletSpecFile {
    const char *name; /* in a run folder: "spec.cpl", or "spec/NAME.cpl" for each file of a folder that is a spec */
    const char *text;
} CoupletSpecFile;

/* How a program was compiled: for the record of a run. */
typedef struct CoupletOrigin {
    const char *couplet, *llvm; /* versions */
    const char *library;        /* hash of the library's modules */
    const char *modules;        /* the folder of the modules of readers, beside the compiler; NULL: none */
    int64_t memory_bytes;       /* --memory; 0: as the spec says */
    bool no_stream, no_fuse;
} CoupletOrigin;

/* A method, compiled. */
typedef struct CoupletProgram {
    const char *name;      /* "simclr" */
    const char *spec_path;
    const CoupletSpecFile *files;
    int file_count;
    const CoupletOrigin *origin;
    uint64_t method_hash;
    const CoupletStateInfo *states;
    int state_count;
    const CoupletHyper *hypers;
    int hyper_count;
    const CoupletSource *sources;
    int source_count;
    int train_source;      /* the one that sets the epoch; -1: the steps read no data, and an epoch is epoch_steps of them */
    int64_t epoch_steps;   /* from `train { steps .. }`; 0 where a source sets the epoch */
    const CoupletEval *evals;
    int eval_count;
    const CoupletLoss *losses;
    int loss_count;
    const CoupletAction *measures; /* of `eval`; what they change in states is undone behind the last of them */
    int measure_count;
    int64_t batch;
    int64_t views;         /* samples that the views of a step make, for the rate that is shown */
    double epochs;         /* from `train { epochs .. }` */
    const char *written_epochs; /* as the spec's text has it; "": it does not say */
    CoupletPlan *init;     /* assigns every state its start */
    CoupletPlan *train;    /* of the first phase */
    const CoupletStage *stages; /* one after the other; none: the run is one stage without a name */
    int stage_count;
    const CoupletPhase *phases; /* in order; the last one that has begun holds */
    int phase_count;
    uint64_t plan_hash;    /* of all phases: whether going on with a checkpoint is exact to the bit */
    CoupletPlan *const *features; /* one for each name in evals: output "features" f32[rows, D], inputs "sample.image" and so on */
    int feature_count;
} CoupletProgram;

/* What a binary holds: one method, compiled for several levels of processor, the highest first, and weights to start from. */
typedef struct CoupletVariant {
    const char *level; /* "x86-64-v4"; NULL: any machine of this architecture */
    const CoupletProgram *program;
} CoupletVariant;

struct CoupletMethod {
    const char *name;
    const CoupletVariant *variants;
    int64_t variant_count;
    const void *weights; /* a checkpoint, as in a file; NULL: none */
    int64_t weight_bytes;
};

#endif
