/* The structures through which compiled code meets the runtime: kernels, plans and the program that
 * holds them. The compiler fills these structures (in memory for the JIT, as static data in a
 * binary); the runtime only reads them. */
#ifndef COUPLET_RUNTIME_ABI_H
#define COUPLET_RUNTIME_ABI_H

#include "runtime/couplet.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* U8 is a byte of an input, or a truth value, 0 or 1. */
typedef enum {
    COUPLET_F32,
    COUPLET_I32,
    COUPLET_U8,
} CoupletType;
enum {
    COUPLET_MAX_RANK = 8,
    COUPLET_MAX_KERNEL_BUFFERS = 64,
    COUPLET_MAX_ABREAST = 64,   /* the most steps of a launch */
    COUPLET_MOST_SHARDS = 1024, /* the most shards of a plan */
    COUPLET_MOST_ADDENDS = 8    /* the most addends of a leaf in a sum over shards */
};

/* The faults of a kernel. The step of the plan tells where a fault happened. */
typedef enum {
    COUPLET_NO_FAULT,
    COUPLET_FAULT_INDEX,    /* an index read from data is outside its array */
    COUPLET_FAULT_EMPTY,    /* a mean, maximum or log-sum-exp has no term */
    COUPLET_FAULT_FEW,      /* a top-k has fewer candidates than it needs */
    COUPLET_FAULT_SINGULAR, /* equations without a solution, or with many */
    COUPLET_FAULT_COST,     /* an assignment has a cost that is no number */
    COUPLET_FAULT_BETA,     /* a beta distribution has a parameter that is not positive */
    COUPLET_FAULT_WHOLE,    /* a whole number does not fit 32 bits */
    COUPLET_FAULT_MEMORY,   /* memory runs out; the executor finds this */
    COUPLET_FAULT_DEVICE,   /* a device fails or is lost; the executor finds this */
    COUPLET_FAULT_NAN,      /* a result is no number; the finite check finds this */
    COUPLET_FAULT_INFINITE  /* a result is infinite; the finite check finds this */
} CoupletFaultKind;

/* The memory of a worker that a kernel may write to beside its buffers. There is one worker for
 * each thread. */
typedef struct CoupletWorker {
    void *scratch;  /* plan->scratch_bytes, aligned to 64 bytes and private to the worker */
    int64_t *fault; /* 0, or the CoupletFaultKind that a kernel has met */
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
    /* IN_ARENA: where the buffer begins in the arena, in bytes, a multiple of 128. IN_INPUT in a
     * plan for another device: where in the arena the input is copied to, or -1 if it has memory of
     * its own. */
    int64_t offset;
    /* IN_STATE: the number in program->states; IN_INPUT: the number in plan->inputs. */
    int slot;
    const void *constant; /* IN_CONST */
    /* IN_CONST: above 0 if the bytes at `constant` are packed, and then their number (packed.h). */
    int64_t packed_bytes;
    /* The bytes of one shard, of a buffer that a cut step (CoupletStep) writes, or of an input in
     * rows. Shard s begins s * slab bytes behind the buffer's beginning. 0: no cut step writes the
     * buffer. */
    int64_t slab;
    /* True if all steps that write or read the buffer are cut, and each shard of a step uses that
     * shard of the buffer alone. A rank then needs no memory for other shards. */
    bool in_rows;
    int block; /* IN_ARENA in a plan with shards: the number in plan->blocks */
} CoupletBuffer;

/* A piece of the arena: the memory of one buffer, or of several that are written one over another.
 * It is needed from step `first` to step `last`. Each rank places its blocks by itself, because
 * their sizes depend on the number of its shards (runtime/arena.h). */
typedef struct CoupletBlock {
    int64_t bytes;
    /* The bytes of a shard, if the buffers are in rows; 0: all of `bytes` are needed. */
    int64_t slab;
    int first;
    int last;
} CoupletBlock;

/* A plain product of matrices for a device's library: out[z] = left[z] right[z]. Each matrix is
 * stored row by row. Offsets and strides are in elements. */
typedef struct CoupletProduct {
    bool left_transposed, right_transposed; /* the matrix lies transposed in memory */
    int64_t rows;
    int64_t columns;
    int64_t inner;
    int64_t batch;
    int64_t left_offset;
    int64_t right_offset;
    int64_t out_offset;
    int64_t left_row, right_row, out_row;       /* strides from row to row */
    int64_t left_batch, right_batch, out_batch; /* strides from matrix to matrix */
} CoupletProduct;

/* How a device other than the host runs a step: as a kernel of plan->kernels, given the step's
 * buffers and a count, or as a product of the step's first two buffers. */
typedef struct CoupletLaunch {
    /* The kernel's name; steps that differ in their count alone share a kernel. */
    const char *symbol;
    /* The pieces of work: elements, rows or tiles. A group of `local` work-items does `each` of
     * them. A launch does the pieces from its global offset on, up to the argument after the
     * buffers: all of them, or, if the step is cut, those of some shards. */
    int64_t count, each, local;
    /* The kernel has two more arguments: the word for faults, and the step's number. It sets the
     * word to step number * 8 + CoupletFaultKind, and the least of all such values stays. */
    bool can_fault;
    const CoupletProduct *product; /* NULL: the step is a kernel */
} CoupletLaunch;

typedef struct CoupletStep {
    CoupletKernel kernel; /* the code on the host */
    /* The code on another device. NULL: `kernel` runs on the host there, too. */
    const CoupletLaunch *launch;
    int64_t tiles;
    /* The number of rounds; 0 counts as one. Round r has the tiles r * tiles to (r + 1) * tiles -
     * 1. Tiles of one round write disjoint memory; tiles of different rounds may not. */
    int64_t rounds;
    int buffer_count;
    /* The step is cut: its tiles fit the plan's shards, and a rank does the tiles of its own. The
     * tiles of shard s begin at tiles * s / shards. They write slab s of each output and nothing
     * else, and read shard s, or arrays that are whole. On another device this holds for the pieces
     * of the launch. */
    bool is_cut;
    /* Numbers in plan->buffers. The last `output_count` buffers are written, the others are
     * read. */
    const int *buffers;
    int output_count;
    /* The number of steps, from this one on, that form one launch: they read nothing of each
     * other's results and write disjoint memory. 0: the step belongs to an earlier launch, or runs
     * alone. */
    int abreast;
    const char *symbol;
    const char *source;  /* its place, such as "examples/simclr.cpl:14" */
    const char *label;   /* a description of the step for profiles: "product 512 x 64 x 576" */
    double flops, bytes; /* estimates for profiles */
} CoupletStep;

/* A new value for a state. The commits of a plan are done after its last step and the finite check.
 * All values are complete before any state is written. */
typedef enum {
    COUPLET_ASSIGN,
    COUPLET_PUSH,
    COUPLET_ROWS,
} CoupletCommitKind;
typedef struct CoupletCommit {
    CoupletCommitKind kind;
    int state;          /* the number in program->states */
    int value;          /* the number of the buffer that holds the value */
    int rows;           /* ROWS: the number of the buffer with the row numbers, which are ints */
    int head, fill;     /* PUSH: the numbers of the states that count, which are ints */
    const char *source; /* its place, such as "examples/pcl.cpl:14" */
    const char *name;   /* the name of the state in a checkpoint */
} CoupletCommit;

/* An exchange makes an array whole on all ranks. It starts behind step `made`, which computes what
 * is sent. It ends ahead of `step`, the first step that reads the whole array, or behind the last
 * step if `step` is step_count.
 *
 * GATHER: ranks have computed the array in slabs, one or several shards each. COMBINE: each of
 * `leaves` rows of the arrays `from` was computed by one rank. A leaf is the sum of one such row of
 * all these arrays, in order. `buffer` gets the sum of the leaves, added by a binary tree,
 * neighbours first. Step `instead` does the same if one process has all rows, and is left out if
 * there are several ranks. */
typedef enum {
    COUPLET_GATHER,
    COUPLET_COMBINE,
} CoupletExchangeKind;
typedef struct CoupletExchange {
    CoupletExchangeKind kind;
    int made;
    int step;
    int buffer;
    int leaves, instead, from_count, from[COUPLET_MOST_ADDENDS]; /* for COMBINE */
} CoupletExchange;

typedef struct CoupletNamed {
    const char *name;
    int buffer;
} CoupletNamed;

/* A compiled graph. Its inputs are arrays that the caller hands over at each run, found by name.
 * The fields of a batch are called "train.image" and the like, the row numbers "train.index" (i32),
 * and all rows of a source "train.all.image". Run scalars are "step", "steps", "epoch" (i32[]),
 * "seed" (i32[2], low and high word), and "hyper.tau" and the like (f32[] or i32[]). */
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
    int64_t arena_bytes;
    int64_t scratch_bytes;
    const unsigned char *formulas; /* the formulas of the steps, for messages (runtime/formula.h) */
    int64_t formula_bytes;
    /* The source text of the device's program, which all plans of a method share. NULL in plans for
     * the host. */
    const char *kernels;
    uint64_t hash;
    /* The number of places at which steps over samples can be cut among ranks. There may be as many
     * ranks. 0: every rank does everything. */
    int64_t shards;
    const CoupletExchange *exchanges; /* sorted by their step */
    int exchange_count;
    int block_count;
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
    /* For a copied network, the state whose value this one starts with. NULL: no copy. */
    const char *origin;
    CoupletRole role;
    CoupletType type;
    int rank;
    int64_t shape[COUPLET_MAX_RANK];
} CoupletStateInfo;

typedef struct CoupletHyper {
    const char *name;           /* as in "tau" */
    bool is_integer, is_static; /* `is_static`: the value is compiled into the program */
    bool is_truth;              /* the value is 1 or 0, which the spec writes `true` or `false` */
    double value;
    /* The condition that the value must fulfil (runtime/range.h). NULL: there is no condition. */
    const char *range;
    const char *range_text; /* the range as the spec has it: "tau > 0" */
    /* The value in the text of the spec, such as "0.5", whatever --set says. */
    const char *written;
} CoupletHyper;

/* A column of a table of data (runtime/data/table.h): a name, and the type and shape of one
 * sample. */
typedef struct CoupletField {
    const char *name;
    CoupletType type; /* the language reads the bytes 0 .. 255 of COUPLET_U8 as the reals 0 .. 1 */
    int rank;         /* the number of axes of one sample; 0: a number */
    int64_t shape[COUPLET_MAX_RANK];
    /* For an int: the number of its values, which are 0 .. classes - 1; 0: any int. */
    int64_t classes;
    /* [classes]; NULL if the classes have no names. NULL in every compiled program. */
    const char *const *class_names;
} CoupletField;

/* A setting of a reader, as the spec gives it: `size = 64`. */
typedef struct CoupletSetting {
    const char *name;
    double number;    /* the value; 1 and 0 for true and false */
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

/* A condition on rows. A row is kept if comparing its number in `field` with `value` gives true. */
typedef struct CoupletCondition {
    const char *field;
    CoupletComparison is;
    double value;
} CoupletCondition;

/* A choice of rows of a source. Conditions, part and classes are applied first, and the rows that
 * remain are counted by class. At most one of the first three members is above 0. */
typedef struct CoupletSelection {
    double per_class; /* the number of rows that each class keeps */
    double fraction;  /* the share of its rows that each class keeps */
    /* Class c of C keeps imbalance^(-c / (C - 1)) of its rows, which makes a long tail. */
    double imbalance;
    /* The seed for drawing the rows that are kept; negative: the first rows are kept. */
    double seed;
    const char *by; /* the int field whose values are the classes; NULL: "label" */
    /* Rows are kept if their hash, as a number in 0 .. 1, is in [from, to). All rows are kept if
     * both are 0. */
    double part_from;
    double part_to;
    /* The classes first .. first + classes - 1 are kept. All are kept if `classes` is 0. */
    double first_class;
    double classes;
    const CoupletCondition *where; /* conditions that all hold for a kept row */
    int where_count;
} CoupletSelection;

typedef struct CoupletSource {
    const char *name;   /* the name in the spec, such as "train" */
    const char *reader; /* a row of runtime/data/readers.def, such as "fashion_mnist" */
    /* The argument without a name: a path such as "photos/train", or a split such as "train". */
    const char *path;
    const CoupletSetting *settings;
    int setting_count;
    const CoupletField *claim; /* the fields as the spec claims them */
    int claim_count;
    const CoupletField *fields; /* the fields that the program reads, as it was compiled for them */
    int field_count;
    CoupletSelection selection;
    /* The rows that the program was compiled for. 0: any number, because no array of the program
     * has a row for each sample. */
    int64_t rows;
    int64_t batch; /* the samples of a step */
    bool follows;  /* in a stage with a batch of its own, the source has the stage's batch */
    bool drawn;    /* the step reads the source */
    bool balanced; /* a batch first draws a class, all with equal chance, and then a row of it */
    /* The state f32[rows] to which the chance of a row is proportional; rows are drawn with
     * replacement. -1: none. */
    int weights;
    /* Episodes: the number of classes in a batch, and of rows in each; rows are in order of
     * classes. 0: no episodes. */
    int64_t ways;
    int64_t each;
} CoupletSource;

/* A loss with a name. A step that has it gives its value as the output "loss NAME", f32[]. */
typedef struct CoupletLoss {
    const char *name;
} CoupletLoss;

/* A field whose values a loss compares between samples. */
typedef struct CoupletCompared {
    int source;
    bool is_said;      /* the compiler has warned that the field has one value */
    const char *field; /* "label" */
    const char *place; /* "supcon.cpl:12:9" */
} CoupletCompared;

typedef struct CoupletEval {
    const char *method;    /* an evaluation of lang/evals.def, such as "knn" or "linear" */
    double k, temperature; /* the settings of knn; k of recall */
    double decay;          /* the L2 decay of linear */
    double fraction;       /* linear: the part of each class whose labels are used */
    /* Nmi, ari and cluster_accuracy: the number of clusters; 0: the number of classes. */
    double clusters;
    double ways, shots, episodes; /* the settings of few_shot */
    double t;                     /* the factor of the squared distances of uniformity */
    double epochs, rate;          /* the settings of finetune */
    /* finetune: the plan of a step, whose inputs are "sample.NAME", "step" and "steps"; the states
     * of its classifier, [classes, D] and [classes]. NULL and -1 for other evaluations. */
    CoupletPlan *tune;
    int weights;
    int bias;
    /* The name of the plan that makes features. Its inputs, such as "sample.image", are fields of
     * both sources; its output is "features". */
    const char *features;
    /* The int field that is predicted from the features. "": the evaluation needs none. */
    const char *labels;
    int bank, query; /* the numbers of the sources */
    /* The number of epochs, or of steps, of the stage after each of which the training evaluates.
     * 0: only before and after the training. */
    int64_t every;
    bool of_steps; /* true if `every` counts steps */
    /* knn and linear: true if the figure is the mean over the classes of their parts that are
     * predicted correctly. False: the part of all queries. */
    bool by_class;
    const char *place; /* its place, such as "examples/pcl.cpl:20:9" */
} CoupletEval;

/* The work of a statement in `every epoch`, `every 100 steps` or `eval`. In `every` it is done
 * before the first step of an epoch, or before such a step; in `eval` it is done where the training
 * evaluates. Actions are done in order. An output "report NAME", f32[], of a plan is a number that
 * is reported. */
typedef enum {
    COUPLET_ACTION_ONCE, /* runs the plan and commits */
    /* Runs the plan and commits for each batch of a source, in order. The last batch reaches back
     * so that it is full. */
    COUPLET_ACTION_SWEEP,
    /* Runs the plan and commits. Then clusters the output "points", f32[rows, width], into two
     * states. */
    COUPLET_ACTION_KMEANS
} CoupletActionKind;
/* The prefix of the names of outputs that `give` hands out. */
#define COUPLET_GIVEN  "given "
#define COUPLET_REPORT "report " /* the prefix of the names of outputs that are reported */
typedef struct CoupletAction {
    CoupletActionKind kind;
    /* The period of the action, in epochs or steps of the stage. The action is done before the
     * first step, and then after each period. An action of `eval` is done behind each period; 0:
     * only before and after the training. */
    int64_t every;
    CoupletPlan *plan;
    /* SWEEP: the number of the source whose fields are inputs, in the plan's batch. */
    int source;
    int centres, members; /* KMEANS: the numbers of the states f32[clusters, width] and i32[rows] */
    int64_t iterations;
    bool spherical;
    bool sampled;
    bool of_steps; /* true if `every` counts steps */
    int block;     /* eval: the number of the block to which the action belongs */
    uint32_t site;
    const char *place; /* its place, such as "examples/pcl.cpl:20" */
} CoupletAction;

/* A part of the run with its own clock, batch and epoch. Steps, epochs and draws are counted from 0
 * in each stage. */
typedef struct CoupletStage {
    const char *name;
    double epochs;
    /* The batch of the sources that follow the stage. 0: sources keep their own batch. */
    int64_t batch;
    /* The number of the source that sets the epoch; -1: an epoch has epoch_steps steps. */
    int train_source;
    int64_t epoch_steps;
    int64_t views; /* the number of samples in the views of a step */
} CoupletStage;

/* The rate of an optimiser, for the log. Its name is "learning_rate", with the trained parts behind
 * it if there are several rates. */
typedef struct CoupletRate {
    const char *name;
    /* in postfix form (runtime/range.h), over hypers, and over $step, $steps and $epoch of the
     * stage */
    const char *formula;
} CoupletRate;

/* A part of a stage, or of the whole run. It begins at this epoch and this step, and ends where a
 * later phase of the stage begins. All phases share the program's states. */
typedef struct CoupletPhase {
    int64_t from_epoch;
    int64_t from_step;
    int stage; /* the number in program->stages; 0 if there are none */
    /* The plan of one step. Its outputs are "loss" (f32[]) and "loss NAME" for each loss with a
     * name. If there is an embedding, "embedding" (f32[batch, D] or [views, batch, D]) serves the
     * watch on collapse. If it was asked for, there is "gradient norm" (f32[]). */
    CoupletPlan *train;
    const CoupletAction *actions;
    int action_count;
    const CoupletRate *rates;
    int rate_count;
} CoupletPhase;

/* A file of the spec, with its text. */
typedef struct CoupletSpecFile {
    /* The name in a run folder: "spec.cpl", or "spec/NAME.cpl" if there are several files. */
    const char *name;
    const char *text;
} CoupletSpecFile;

/* An array of a part: its name below the part, and its name in a file. */
typedef struct CoupletStartName {
    const char *ours;
    const char *theirs;
} CoupletStartName;

/* A statement such as `start encoder.trunk from "resnet18.safetensors"`: what a new run takes from
 * a file. */
typedef struct CoupletStart {
    const char *part; /* the prefix of the names of the part's arrays, such as "encoder.trunk" */
    const char *path;
    const char *place; /* its place, such as "simclr.cpl:9:1" */
    const CoupletStartName *names;
    int name_count;
} CoupletStart;

/* The versions and settings with which a program was compiled, for the record of a run. */
typedef struct CoupletOrigin {
    const char *couplet, *llvm; /* versions */
    const char *library;        /* a hash of the library's modules */
    const char *modules;  /* the folder of the readers' modules, beside the compiler; NULL: none */
    int64_t memory_bytes; /* --memory; 0: the spec decides */
    int64_t shards;       /* --shards; 0: no shards */
    bool no_stream;
    bool no_fuse;
    bool gradient_norm; /* --gradient-norm: steps have the output of that name */
} CoupletOrigin;

/* A compiled method. */
typedef struct CoupletProgram {
    const char *name; /* as in "simclr" */
    const char *spec_path;
    /* The compiled text, as a path in a run folder: "spec.cpl", a file below spec/, or a folder of
     * files. */
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
    /* The number of the source that sets the epoch. -1: the steps read no data, and an epoch has
     * epoch_steps steps. */
    int train_source;
    int64_t epoch_steps; /* from `train { steps .. }`; 0 if a source sets the epoch */
    const CoupletEval *evals;
    int eval_count;
    const CoupletLoss *losses;
    int loss_count;
    const CoupletCompared *compared;
    int compared_count;
    /* The actions of `eval`. What they change in states is undone after the last action of a
     * block. */
    const CoupletAction *measures;
    int measure_count;
    int64_t batch;
    int64_t views; /* the number of samples in the views of a step, for the rate that is shown */
    double epochs; /* from `train { epochs .. }` */
    /* The number of epochs in the text of the spec; "": the text does not say. */
    const char *written_epochs;
    CoupletPlan *init;          /* the plan that sets every state to its start */
    CoupletPlan *train;         /* the step of the first phase */
    const CoupletStage *stages; /* in order; empty: the run is one stage without a name */
    int stage_count;
    const CoupletPhase *phases; /* in order; the last phase that has begun is the current one */
    int phase_count;
    /* The hash of the plans of all phases. If it is equal, a resumed run has the same bits. */
    uint64_t plan_hash;
    /* A plan for each name in `evals`. Its output is "features", f32[rows, D]; its inputs are
     * "sample.image" and the like. */
    CoupletPlan *const *features;
    int feature_count;
} CoupletProgram;

/* A method in a binary: a program for each of several levels of processor, the highest first, and
 * weights to start from. */
typedef struct CoupletVariant {
    const char *level; /* a level such as "x86-64-v4"; NULL: any machine of this architecture */
    const CoupletProgram *program;
} CoupletVariant;

struct CoupletMethod {
    const char *name;
    const CoupletVariant *variants;
    int64_t variant_count;
    const void *weights; /* a checkpoint in the form of a file; NULL: none */
    int64_t weight_bytes;
};

#endif
