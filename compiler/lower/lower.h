/* From a checked method to graphs. Every function and net is specialised where it is called: dimensions are concrete integers from
 * here on, indices become index spaces, reductions become compute nodes, and a method becomes three kinds of graph over one table of
 * states: init (every state's start), train (one step: forward, backward, optimiser, updates, ema, queues) and one for each
 * network whose features an evaluation asks for. Messages that need concrete extents (a read out of range) are made here. */
#ifndef COUPLET_COMPILER_LOWER_H
#define COUPLET_COMPILER_LOWER_H

#include "compiler/graph/graph.h"
#include "compiler/passes/passes.h"
#include "lang/ast.h"

typedef struct LoweredHyper {
    const char *name;
    double value;
    bool is_integer;
    bool is_static; /* it reached a dimension or another compile-time place: sweeping it recompiles */
    const char *range, *range_text; /* as in runtime/abi.h */
} LoweredHyper;

typedef struct LoweredSource {
    const char *name;
    const DataSource *data;
    bool drawn; /* the step reads it */
    bool *reads; /* by field: some graph reads it */
} LoweredSource;

typedef struct LoweredEval {
    const char *method; /* "knn", "linear" */
    double k, temperature, decay;
    int features;    /* which of LoweredProgram.features */
    const char *labels; /* a field of both sources; those that features are made of are the inputs "sample.NAME" of their graph */
    int bank, query; /* which of sources */
    Span span;
} LoweredEval;

/* A statement, or a few, of `every epoch` or `eval`. A number that it reports is the output "report NAME". */
typedef enum { ACTION_ONCE, ACTION_SWEEP, ACTION_KMEANS } LoweredActionKind;
typedef struct LoweredAction {
    LoweredActionKind kind;
    int64_t every;                 /* epochs: it is done before the first, and then before each of so many */
    Graph *g;                      /* KMEANS: its output "points" */
    int source;                    /* SWEEP */
    const char *centres, *members; /* KMEANS: states */
    int64_t iterations, site;
    bool spherical, sampled;
    Span span;
} LoweredAction;
typedef ARRAY(LoweredAction) LoweredActions;

/* A part of the run with a clock of its own; one follows the other. */
typedef struct LoweredStage {
    const char *name;
    double epochs;
    int64_t batch;       /* of the sources without one of their own; 0: that of `train` */
    int train_source;    /* sets its epoch; -1: its steps read no data */
    int64_t epoch_steps; /* of an epoch then */
    int64_t views;       /* that a step makes */
} LoweredStage;

/* From this epoch and this step of its stage on, until a later phase begins; the last one that has begun holds. */
typedef struct LoweredPhase {
    int64_t from_epoch, from_step;
    int stage; /* 0 in a method without stages */
    Graph *train;
    LoweredActions actions; /* before an epoch's first step */
} LoweredPhase;

/* A view as an output of a graph that lower_views makes: "view NAME". */
typedef struct LoweredView {
    const char *name;
    int source;     /* whose fields it reads; -1: it is of computed arrays */
    int64_t copies; /* views along a leading axis, as in `g[2]`; 0: one, without that axis */
} LoweredView;

typedef struct LoweredProgram {
    Graph *init, *train; /* train: of the first phase */
    ARRAY(LoweredPhase) phases; /* stage by stage */
    ARRAY(LoweredStage) stages; /* none: the whole run is one */
    ARRAY(Graph *) features;
    ARRAY(const char *) feature_names;
    ARRAY(ProgramState) states;
    ARRAY(LoweredHyper) hypers;
    ARRAY(LoweredSource) sources;
    ARRAY(const char *) losses; /* that have names: the outputs "loss NAME" of steps */
    ARRAY(LoweredEval) evals;
    LoweredActions measures; /* the statements of `eval` */
    ARRAY(LoweredView) shown; /* of lower_views: each name once */
    int train_source; /* sets the epoch; -1: the steps read no data */
    int64_t epoch_steps; /* of an epoch then, from `train { steps .. }`; else 0 */
    int64_t batch;
    int64_t views; /* images that the views of a step make */
    double epochs;
    int64_t memory; /* bytes: `train { memory 512MiB }`; 0: not stated */
    Span memory_span;
} LoweredProgram;

/* `after` is called with each graph when it is lowered ("lower") and after each pass; may be NULL. */
typedef struct LowerOptions {
    PassWatch after;
    void *context;
    GraphSettings settings;
    int64_t memory; /* bytes that a step may take, in place of what the spec says; 0: as that says. Whoever chooses settings sees to it (driver/budget.h) */
} LowerOptions;

/* NULL after errors, which are in diag. */
LoweredProgram *lower_method(Arena *arena, Diag *diag, const Method *method, const LowerOptions *options);
/* The same, and the training graphs get an output grad_NAME for each parameter that a gradient reaches, before any clipping. */
LoweredProgram *lower_method_with_gradients(Arena *arena, Diag *diag, const Method *method, const LowerOptions *options);

/* The views of the method, and no loss: each phase's graph makes what the step would make of the same rows at the same seed and step, and ends there. It has no evaluations. */
LoweredProgram *lower_views(Arena *arena, Diag *diag, const Method *method, const LowerOptions *options);

/* One function on given arrays, with the gradient of its value: `couplet grad`. */
typedef struct FunctionInput {
    const char *name;
    GType type; /* GT_REAL or GT_INT */
    int rank;
    int64_t shape[GRAPH_MAX_RANK];
    bool holds_infinity; /* some entries are infinite: a log of them, or a softmax, is guarded for it */
    bool is_constant; /* a scalar given by --set: value, not an array */
    double value;
    bool no_gradient; /* of a real array: nobody asks for its gradient */
} FunctionInput;
/* A function of the spec, or of a module that it uses: "losses.nt_xent". NULL when there is none. */
const Stmt *find_function(const Method *method, const char *name);
/* Outputs: "value", and "grad_NAME" for every real input whose gradient is wanted. */
Graph *lower_function(Arena *arena, Diag *diag, const Method *method, const char *fn, const FunctionInput *inputs, int input_count,
                      const LowerOptions *options);

#endif
