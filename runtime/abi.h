/* The structures through which compiled code meets the runtime: kernels, plans and the program that
 * holds them. The compiler fills these structures (in memory for the JIT, as static data in a
 * binary); the runtime only reads them. */
#ifndef COUPLET_RUNTIME_ABI_H
#define COUPLET_RUNTIME_ABI_H

#include "runtime/couplet.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* U8 are bytes of inputs, and truth values, 0 or 1. */
typedef enum { COUPLET_F32, COUPLET_I32, COUPLET_U8 } CoupletType;
enum {
    COUPLET_MAX_RANK = 8,
    COUPLET_MAX_KERNEL_BUFFERS = 64,
    COUPLET_MAX_ABREAST = 64,   /* steps of a launch */
    COUPLET_MOST_SHARDS = 1024, /* of a plan */
    COUPLET_MOST_ADDENDS = 8    /* of a leaf of a sum over shards */
};

/* The faults of a kernel. The step of the plan says where one happened. */
typedef enum {
    COUPLET_NO_FAULT,
    COUPLET_FAULT_INDEX,    /* an index read from data is outside its array */
    COUPLET_FAULT_EMPTY,    /* a mean, maximum or log-sum-exp has no term */
    COUPLET_FAULT_FEW,      /* a top-k has too few candidates */
    COUPLET_FAULT_SINGULAR, /* equations without a solution, or with many */
    COUPLET_FAULT_COST,     /* an assignment with a cost that is no number */
    COUPLET_FAULT_BETA,     /* a beta distribution with a parameter that is not positive */
    COUPLET_FAULT_WHOLE,    /* a whole number that 32 bits do not hold */
    COUPLET_FAULT_MEMORY,   /* there is no memory; the executor meets this */
    COUPLET_FAULT_DEVICE,   /* a device fails or is lost; the executor meets this */
    COUPLET_FAULT_NAN,      /* a result is no number; the finite check meets this */
    COUPLET_FAULT_INFINITE  /* a result is infinite; the finite check meets this */
} CoupletFaultKind;

/* The memory that a kernel may touch beside its buffers. There is one worker for each thread. */
typedef struct CoupletWorker {
    void *scratch;  /* plan->scratch_bytes, aligned to 64 bytes and private to the worker */
    int64_t *fault; /* 0, or the CoupletFaultKind of what a kernel met */
} CoupletWorker;

/* A kernel does the tiles [begin, end) of its work. Tiles write disjoint memory, so any split over
 * threads gives the same bits. */
typedef void (*CoupletKernel)(void *const *buffers, int64_t begin, int64_t end,
                              const CoupletWorker *worker);

/* The kernel of every library call (runtime/calls.h). */
void couplet_call(void *const *buffers, int64_t begin, int64_t end, const CoupletWorker *worker);

/* The places of a buffer. An array of pairs that is never stored has none. */
typedef enum {
    COUPLET_IN_ARENA,
    COUPLET_IN_STATE,
    COUPLET_IN_INPUT,
    COUPLET_IN_CONST,
    COUPLET_NOWHERE
} CoupletPlace;

typedef struct CoupletBuffer {
    CoupletPlace place;
    CoupletType type;
    int rank;
    int64_t shape[COUPLET_MAX_RANK];
    /* IN_ARENA: where the buffer begins, in bytes, a multiple of 128. IN_INPUT of a plan for
     * another device: where in the arena the input is sent to, or -1 if it has memory of its
     * own. */
    int64_t offset;
    int slot;             /* IN_STATE: a place in program->states; IN_INPUT: in plan->inputs */
    const void *constant; /* IN_CONST */
    int64_t packed_bytes; /* IN_CONST: if above 0, the bytes at `constant` are packed (packed.h) */
    /* The bytes of a shard of a buffer that a step which is cut (CoupletStep) writes, or of an
     * input in rows: shard s lies at s * slab. 0: no such step writes the buffer. */
    int64_t slab;
    /* All steps that make or read the buffer are cut, and those of a shard touch that shard of it
     * alone, so a rank needs no memory for other shards. */
    bool in_rows;
    int block; /* IN_ARENA of a plan with shards: a place in plan->blocks */
} CoupletBuffer;

/* Memory of the arena of a rank: of one buffer, or of several that are written one over another,
 * from the first step to the last in which it is needed. Each rank places its blocks by itself,
 * since how large they are depends on how many shards it has (runtime/arena.h). */
typedef struct CoupletBlock {
    int64_t bytes;
    int64_t slab; /* of a shard, if the buffers are in rows; 0: all of `bytes` are needed */
    int first, last;
} CoupletBlock;

/* A plain product of matrices for a device's library: out[z] = left[z] right[z]. Rows lie one after
 * the other in memory. Offsets and strides are in elements. */
typedef struct CoupletProduct {
    bool left_transposed, right_transposed; /* the matrix lies transposed in memory */
    int64_t rows, columns, inner, batch;
    int64_t left_offset, right_offset, out_offset;
    int64_t left_row, right_row, out_row;       /* from row to row */
    int64_t left_batch, right_batch, out_batch; /* from matrix to matrix */
} CoupletProduct;

/* The way in which a device other than the host runs a step: as a kernel of plan->kernels over the
 * step's buffers and a count, or as a product of its first two buffers. */
typedef struct CoupletLaunch {
    const char *symbol;    /* steps that differ only in their count share a kernel */
    int64_t global, local; /* work-items in all, and in a group */
    int64_t count;         /* the number of elements, which is the argument after the buffers */
    /* The kernel has two more arguments, the word for faults and the step's number. It puts the
     * least of all number * 8 + CoupletFaultKind into the word. */
    bool can_fault;
    const CoupletProduct *product; /* NULL: the kernel */
} CoupletLaunch;

typedef struct CoupletStep {
    CoupletKernel kernel; /* the code on the host */
    /* The code on another device. NULL: `kernel` does the step on the host there, too. */
    const CoupletLaunch *launch;
    int64_t tiles;
    /* The number of rounds; 0 is one. Round r does tiles [r * tiles, (r + 1) * tiles). Only tiles
     * of one round write disjoint memory. */
    int64_t rounds;
    int buffer_count;
    /* The tiles fit the plan's shards: those from tiles * s / shards on write slab s of each output
     * and nothing else, and read shard s, or arrays that are whole. A rank does those of its
     * shards. */
    bool is_cut;
    /* Indices into plan->buffers. The last `output_count` are written, the others read. */
    const int *buffers;
    int output_count;
    /* The number of steps, from this one on, that are one launch: they read nothing of each other's
     * results and write disjoint memory. 0: the step runs alone, or belongs to an earlier
     * launch. */
    int abreast;
    const char *symbol;
    const char *source;  /* "examples/simclr.cpl:14" */
    const char *label;   /* a description of the step for profiles: "product 512 x 64 x 576" */
    double flops, bytes; /* estimates for profiles */
} CoupletStep;

/* A new value for a state. All commits of a plan are done after the last step and the finite check,
 * and all right sides are complete before any state is written. */
typedef enum { COUPLET_ASSIGN, COUPLET_PUSH, COUPLET_ROWS } CoupletCommitKind;
typedef struct CoupletCommit {
    CoupletCommitKind kind;
    int state;          /* the slot in program->states */
    int value;          /* the buffer of the value */
    int rows;           /* ROWS: the buffer of the row numbers, ints */
    int head, fill;     /* PUSH: the slots of the counters, ints */
    const char *source; /* "examples/pcl.cpl:14" */
    const char *name;   /* the name of the state in a checkpoint */
} CoupletCommit;

/* What ranks hand to each other, so that an array is whole on all of them. It begins behind the
 * step `made`, which makes what travels, and is done ahead of `step`, the first that reads the
 * whole, or behind the last one if that is step_count. GATHER: the array was made in slabs, by
 * ranks that have a shard each, or several. COMBINE: each of `leaves` rows of the arrays `from` was
 * made by one rank, a leaf is the sum of such a row of all of them, in order, and `buffer` is the
 * sum of the leaves by a binary tree, neighbours first; with several ranks the step `instead`,
 * which does the same for rows that are all here, is left out. */
typedef enum { COUPLET_GATHER, COUPLET_COMBINE } CoupletExchangeKind;
typedef struct CoupletExchange {
    CoupletExchangeKind kind;
    int made, step;
    int buffer;
    int leaves, instead, from_count, from[COUPLET_MOST_ADDENDS]; /* COMBINE */
} CoupletExchange;

typedef struct CoupletNamed {
    const char *name;
    int buffer;
} CoupletNamed;

/* A graph, compiled. Inputs are arrays that the caller hands over at each run, found by name.
 * Fields of a batch are called "train.image" and the like, row numbers "train.index" (i32), and the
 * whole of a source "train.all.image". Run scalars are "step", "steps", "epoch" (i32[]), "seed"
 * (i32[2], low and high word) and "hyper.tau" (f32[] or i32[]). */
typedef struct CoupletPlan {
    const char *name;
    const CoupletBuffer *buffers;
    int buffer_count;
    const CoupletStep *steps;
    int step_count;
    const CoupletCommit *commits;
    int commit_count;
    const CoupletNamed *inputs;
    int input_count;
    const CoupletNamed *outputs;
    int output_count;
    int64_t arena_bytes, scratch_bytes;
    const unsigned char *formulas; /* the formulas of the steps, for messages (runtime/formula.h) */
    int64_t formula_bytes;
    /* The source of the device's program, which the plans of a method share; NULL in plans for the
     * host. */
    const char *kernels;
    uint64_t hash;
    /* The places at which steps over samples can be cut among ranks, at most one rank for each.
     * 0: every rank does everything. */
    int64_t shards;
    const CoupletExchange *exchanges; /* by step */
    int exchange_count, block_count;
    const CoupletBlock *blocks;
} CoupletPlan;

typedef enum {
    COUPLET_ROLE_PARAM,
    COUPLET_ROLE_OPTIMISER,
    COUPLET_ROLE_STATE,
    COUPLET_ROLE_QUEUE,
    COUPLET_ROLE_COUNTER
} CoupletRole;
typedef struct CoupletStateInfo {
    const char *name; /* the key in a checkpoint */
    /* For a copied network, the state that this one starts as. NULL: it is no copy. */
    const char *origin;
    CoupletRole role;
    CoupletType type;
    int rank;
    int64_t shape[COUPLET_MAX_RANK];
} CoupletStateInfo;

typedef struct CoupletHyper {
    const char *name;           /* "tau" */
    bool is_integer, is_static; /* static: the value is part of the compiled program */
    double value;
    /* The condition that the value must fulfil (runtime/range.h); NULL: any number will do. */
    const char *range;
    const char *range_text; /* the range as the spec writes it: "tau > 0" */
    const char *written;    /* the value in the text of the spec, "0.5", whatever --set says */
} CoupletHyper;

/* A column of a table of data (runtime/data/table.h): a name, and the type and shape of one
 * sample. */
typedef struct CoupletField {
    const char *name;
    CoupletType type; /* the language reads COUPLET_U8 as reals, 0 .. 255 as 0 .. 1 */
    int rank;         /* the axes of one sample; 0: a number */
    int64_t shape[COUPLET_MAX_RANK];
    int64_t classes; /* for an int: its values are 0 .. classes - 1; 0: any number */
    /* [classes]; NULL if the classes have no names, and in every compiled program. */
    const char *const *class_names;
} CoupletField;

/* A setting of a reader as the spec gives it: `size = 64`. */
typedef struct CoupletSetting {
    const char *name;
    double number;    /* 1 and 0 for true and false */
    const char *text; /* NULL: the setting is a number */
} CoupletSetting;

typedef enum {
    COUPLET_EQUAL,
    COUPLET_UNEQUAL,
    COUPLET_BELOW,
    COUPLET_AT_MOST,
    COUPLET_ABOVE,
    COUPLET_AT_LEAST
} CoupletComparison;

/* A condition on rows. A row is kept if its value of `field`, a number, compares so with
 * `value`. */
typedef struct CoupletCondition {
    const char *field;
    CoupletComparison is;
    double value;
} CoupletCondition;

/* A choice of the rows of a source. Conditions, part and classes come first; what they leave is
 * then counted by class. At most one of the first three members is above 0. */
typedef struct CoupletSelection {
    double per_class; /* the number of rows of each class that are kept */
    double fraction;  /* the share of each class that is kept */
    double imbalance; /* class c of C keeps imbalance^(-c / (C - 1)) of its rows: a long tail */
    double seed;      /* draws which rows are kept; negative: the first ones of the source */
    const char *by;   /* the int field whose values are the classes; NULL: "label" */
    /* Keeps the rows whose hash, as a number of 0 .. 1, is in [from, to); all rows if both are
     * 0. */
    double part_from, part_to;
    /* Keeps the classes first .. first + classes - 1; all of them if `classes` is 0. */
    double first_class, classes;
    const CoupletCondition *where; /* conditions, all of which hold for a row that is kept */
    int where_count;
} CoupletSelection;

typedef struct CoupletSource {
    const char *name;   /* the name in the spec, "train" */
    const char *reader; /* a row of runtime/data/readers.def, "fashion_mnist" */
    const char *path;   /* the argument without a name: "photos/train", or a split, "train" */
    const CoupletSetting *settings;
    int setting_count;
    const CoupletField *claim; /* the fields as the spec claims them */
    int claim_count;
    const CoupletField *fields; /* the fields that the program reads, as it was compiled for them */
    int field_count;
    CoupletSelection selection;
    /* The rows that the program was compiled for. 0: any number will do, since no array of the
     * program has a row for each sample. */
    int64_t rows;
    int64_t batch; /* samples of a step */
    bool follows;  /* in a stage with a batch of its own, the source has that batch */
    bool drawn;    /* the step reads the source */
    bool balanced; /* batches draw a class first, all alike, then a row of it */
    /* The state f32[rows] that batches are drawn in proportion to, with replacement; -1: none. */
    int weights;
    /* Episodes: the classes of a batch, and the rows of each, class by class; 0: there are none. */
    int64_t ways, each;
} CoupletSource;

/* A loss that has a name. Steps that have it give it as the output "loss NAME", f32[]. */
typedef struct CoupletLoss {
    const char *name;
} CoupletLoss;

typedef struct CoupletEval {
    const char *method;    /* "knn", "linear": an evaluation of lang/evals.def */
    double k, temperature; /* the settings of knn; k of recall */
    double decay;          /* the L2 decay of linear */
    double fraction;       /* of linear: the part of each class whose labels are used */
    double clusters;       /* of nmi, ari and cluster_accuracy; 0: as many as there are classes */
    double ways, shots, episodes; /* the settings of few_shot */
    double t;                     /* the factor of the squared distances of uniformity */
    double epochs, rate;          /* the settings of finetune */
    /* Of finetune: a step, of inputs "sample.NAME" and "step", "steps"; and the states of its
     * classifier, [classes, D] and [classes]. NULL and -1 of other evaluations. */
    CoupletPlan *tune;
    int weights, bias;
    /* The plan that makes features. Its inputs, "sample.image", are fields of both sources; its
     * output is "features". */
    const char *features;
    /* The int field that is to be told from the features; "": the evaluation needs none. */
    const char *labels;
    int bank, query; /* the sources */
    /* Epochs, or steps, of the stage: it is measured in training behind each of so many. 0: around
     * the training alone. */
    int64_t every;
    bool of_steps; /* `every` counts steps */
    /* Of knn and linear: the part of each class that is told rightly, and the mean of these in
     * place of the part of all queries. */
    bool by_class;
    const char *place; /* "examples/pcl.cpl:20:9" */
} CoupletEval;

/* A thing that `every epoch` or `every 100 steps` does before the first step of an epoch, or before
 * such a step, or that `eval` does where it measures. Actions follow each other. An output
 * "report NAME", f32[], of a plan is a number that is reported. */
typedef enum {
    COUPLET_ACTION_ONCE, /* runs the plan and commits */
    /* Does so for each batch of a source in order. The last batch reaches back so that it is
     * full. */
    COUPLET_ACTION_SWEEP,
    /* Runs the plan and commits. Then clusters its output "points", f32[rows, width], into two
     * states. */
    COUPLET_ACTION_KMEANS
} CoupletActionKind;
/* The beginning of the name of a step's output that is handed out: `give`. */
#define COUPLET_GIVEN  "given "
#define COUPLET_REPORT "report " /* the beginning of the name of an output that is reported */
typedef struct CoupletAction {
    CoupletActionKind kind;
    /* Epochs, or steps of the stage: the action is done before the first, and then after each so
     * many. An action of `eval` is done behind each of so many; 0: around the training alone. */
    int64_t every;
    CoupletPlan *plan;
    int source;           /* SWEEP: the source whose fields are inputs, in the plan's batch */
    int centres, members; /* KMEANS: the states f32[clusters, width] and i32[rows] */
    int64_t iterations;
    bool spherical, sampled;
    bool of_steps; /* `every` counts steps */
    int block;     /* of `eval`: actions of one block have one number, in order */
    uint32_t site;
    const char *place; /* "examples/pcl.cpl:20" */
} CoupletAction;

/* A part of the run with its own clock, batch and epoch. Its steps, epochs and draws are counted
 * from 0. */
typedef struct CoupletStage {
    const char *name;
    double epochs;
    /* The batch of the sources that follow the stage; 0: they have their own. */
    int64_t batch;
    int train_source; /* the source that sets the epoch; -1: an epoch is epoch_steps */
    int64_t epoch_steps;
    int64_t views; /* the samples that the views of a step make */
} CoupletStage;

/* The rate of an optimiser, for the log: "learning_rate", or with the parts that it is of behind
 * that. */
typedef struct CoupletRate {
    const char *name;
    /* in postfix form (runtime/range.h): of hypers, and of $step, $steps and $epoch of the stage */
    const char *formula;
} CoupletRate;

/* A stretch of a stage, or of the whole run. It lasts from this epoch and this step on until a
 * later phase of the stage begins. All phases share the program's states. */
typedef struct CoupletPhase {
    int64_t from_epoch, from_step;
    int stage; /* the phase's place in program->stages; 0 if there are none */
    /* The plan of one step. Its outputs are "loss" (f32[]), "loss NAME" for each loss with a name,
     * and "embedding" (f32[batch, D] or [views, batch, D]), if there is one, for the watch on
     * collapse; "gradient norm" (f32[]) where that is asked for. */
    CoupletPlan *train;
    const CoupletAction *actions;
    int action_count;
    const CoupletRate *rates;
    int rate_count;
} CoupletPhase;

/* A file of the spec with its text. */
typedef struct CoupletSpecFile {
    /* The name in a run folder: "spec.cpl", or "spec/NAME.cpl" where there are several files. */
    const char *name;
    const char *text;
} CoupletSpecFile;

/* An array of a part by its name below the part, and the name that a file has for it. */
typedef struct CoupletStartName {
    const char *ours, *theirs;
} CoupletStartName;

/* `start encoder.trunk from "resnet18.safetensors"`: what a new run takes from a file. */
typedef struct CoupletStart {
    const char *part; /* "encoder.trunk": the names of its arrays begin with that */
    const char *path;
    const char *place; /* "simclr.cpl:9:1" */
    const CoupletStartName *names;
    int name_count;
} CoupletStart;

/* The versions and settings with which a program was compiled, for the record of a run. */
typedef struct CoupletOrigin {
    const char *couplet, *llvm; /* versions */
    const char *library;        /* hash of the library's modules */
    const char *modules;  /* the folder of the readers' modules, beside the compiler; NULL: none */
    int64_t memory_bytes; /* --memory; 0: the spec decides */
    int64_t shards;       /* --shards; 0: none */
    bool no_stream, no_fuse;
    bool gradient_norm; /* steps have that output */
} CoupletOrigin;

/* A method, compiled. */
typedef struct CoupletProgram {
    const char *name; /* "simclr" */
    const char *spec_path;
    /* What is compiled in a run folder: "spec.cpl", a file below spec/, or a folder of files. */
    const char *main;
    const CoupletSpecFile *files;
    int file_count;
    const CoupletOrigin *origin;
    const CoupletStart *starts;
    int start_count;
    uint64_t method_hash;
    const CoupletStateInfo *states;
    int state_count;
    const CoupletHyper *hypers;
    int hyper_count;
    const CoupletSource *sources;
    int source_count;
    /* The source that sets the epoch. -1: the steps read no data, and an epoch is epoch_steps. */
    int train_source;
    int64_t epoch_steps; /* from `train { steps .. }`; 0 if a source sets the epoch */
    const CoupletEval *evals;
    int eval_count;
    const CoupletLoss *losses;
    int loss_count;
    /* The actions of `eval`. What they change in states is undone behind the last one of a block.
     */
    const CoupletAction *measures;
    int measure_count;
    int64_t batch;
    int64_t views; /* the samples that the views of a step make, for the rate that is shown */
    double epochs; /* from `train { epochs .. }` */
    const char *written_epochs; /* the epochs in the text of the spec; "": it does not say */
    CoupletPlan *init;          /* assigns every state its start */
    CoupletPlan *train;         /* the step of the first phase */
    const CoupletStage *stages; /* in order; none: the run is one stage without a name */
    int stage_count;
    const CoupletPhase *phases; /* in order; the last one that has begun holds */
    int phase_count;
    /* The hash of all phases' plans. If it is equal, going on with a checkpoint is exact to the
     * bit. */
    uint64_t plan_hash;
    /* A plan for each name in `evals`: output "features", f32[rows, D], of inputs "sample.image"
     * and the like. */
    CoupletPlan *const *features;
    int feature_count;
} CoupletProgram;

/* A method in a binary, compiled for several levels of processor, the highest first, with weights
 * to start from. */
typedef struct CoupletVariant {
    const char *level; /* "x86-64-v4"; NULL: any machine of this architecture will do */
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
