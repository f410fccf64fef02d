/* From a checked method to graphs. Every function and net is specialised where it is called:
 * dimensions become numbers, indices become index spaces, and reductions become compute nodes.
 *
 * A method becomes several graphs over one table of states: `init` with the start of every state, a
 * graph for the step of each phase (forward, backward, optimiser, updates, ema, queues), and a
 * graph for each network whose features an evaluation asks for. Messages that need to know extents,
 * such as a read out of range, are made here. */
#ifndef COUPLET_COMPILER_LOWER_H
#define COUPLET_COMPILER_LOWER_H

#include "compiler/graph/graph.h"
#include "lang/ast.h"

typedef struct LoweredHyper {
    const char *name;
    double value;
    bool is_integer;
    /* the hyper reached a dimension or another compile-time place: sweeping it recompiles */
    bool is_static;
    const char *range, *range_text; /* the condition on its value, as in runtime/abi.h */
} LoweredHyper;

typedef struct LoweredSource {
    const char *name;
    const DataSource *data;
    bool drawn;  /* the step reads it */
    bool *reads; /* by field: some graph reads it */
} LoweredSource;

typedef struct LoweredEval {
    const char *method; /* "knn", "linear", .. */
    double fraction, clusters, ways, shots, episodes, t;
    double k, temperature, decay;
    double epochs, rate; /* of finetune */
    bool by_class;
    /* Of finetune: the network, whose field `of` is given to it (NULL: features are a formula); the
     * graph of a step, and the states of its classifier. */
    const Expr *network;
    const char *of, *weights, *bias;
    Graph *tune;
    int features; /* which of LoweredProgram.features */
    /* a field of both sources; those that features are made of are the inputs "sample.NAME" of
     * their graph */
    const char *labels;
    int bank, query; /* which of sources */
    /* epochs or steps, behind each of which it is measured in training; 0: around it alone */
    int64_t every;
    bool of_steps;
    Span span;
} LoweredEval;

/* A statement, or a few, of `every epoch` or `eval`. A number that it reports is the output "report
 * NAME". */
typedef enum { ACTION_ONCE, ACTION_SWEEP, ACTION_KMEANS } LoweredActionKind;
typedef struct LoweredAction {
    LoweredActionKind kind;
    /* Epochs or steps. Work is done before the first, and then before each of so many; an action of
     * `eval` behind each of so many, and around the training alone where this is 0. */
    int64_t every;
    bool of_steps;
    int block;                     /* of `eval`: which one of the spec's */
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
    int64_t batch;       /* the batch of the sources without one of their own; 0: that of `train` */
    int train_source;    /* sets its epoch; -1: its steps read no data */
    int64_t epoch_steps; /* the number of steps in such an epoch */
    int64_t views;       /* the number of views that a step makes */
} LoweredStage;

/* The rate of an optimiser of a phase, as CoupletRate in runtime/abi.h. */
typedef struct LoweredRate {
    const char *name, *formula;
} LoweredRate;

/* A phase begins with an epoch and a step of its stage, and lasts until a later phase begins. */
typedef struct LoweredPhase {
    int64_t from_epoch, from_step;
    int stage; /* 0 in a method without stages */
    Graph *train;
    LoweredActions actions;      /* before an epoch's first step */
    ARRAY(const char *) renewed; /* states that its steps renew, where ema edges may need to know */
    ARRAY(LoweredRate) rates;
} LoweredPhase;

/* A view as an output of a graph of METHOD_VIEWS: "view NAME". */
typedef struct LoweredView {
    const char *name;
    int source;     /* whose fields it reads; -1: it is of computed arrays */
    int64_t copies; /* views along a leading axis, as in `g[2]`; 0: one, without that axis */
} LoweredView;

/* A value that steps give by a name: the output "given NAME" of the steps that give it. */
typedef struct GivenArray {
    const char *name;
    bool is_integer;
    int rank;
    int64_t shape[GRAPH_MAX_RANK];
    Span span;
} GivenArray;

typedef struct LoweredProgram {
    Graph *init, *train;        /* train: of the first phase */
    ARRAY(LoweredPhase) phases; /* stage by stage */
    ARRAY(LoweredStage) stages; /* none: the whole run is one */
    ARRAY(Graph *) features;
    ARRAY(const char *) feature_names;
    ARRAY(ProgramState) states;
    ARRAY(LoweredHyper) hypers;
    ARRAY(LoweredSource) sources;
    ARRAY(GivenArray) given;
    ARRAY(const char *) losses; /* the losses that have names: the outputs "loss NAME" of steps */
    ARRAY(LoweredEval) evals;
    LoweredActions measures;  /* the statements of `eval` */
    ARRAY(LoweredView) shown; /* the views of METHOD_VIEWS: each name once */
    int train_source;         /* sets the epoch; -1: the steps read no data */
    /* the number of steps in such an epoch, from `train { steps .. }`; else 0 */
    int64_t epoch_steps;
    int64_t batch;
    int64_t views; /* images that the views of a step make */
    double epochs;
    int64_t memory;   /* bytes: `train { memory 512MiB }`; 0: not stated */
    Span memory_span; /* the place of that setting */
} LoweredProgram;

/* A scalar, and the nodes with respect to which it is differentiated. */
typedef struct UnitLoss {
    GNode *value;
    GNode **wanted;    /* states or inputs */
    GNode **gradients; /* the gradient of each wanted node; NULL where none reaches it */
    int count;
} UnitLoss;

/* A graph on the road of compiler/compile/compile.c. */
typedef enum {
    UNIT_FUNCTION, /* a function and its gradient */
    UNIT_STEP,     /* a step of a phase */
    UNIT_VIEWS,    /* a step that ends with its views */
    UNIT_ACTION,   /* a statement of `every epoch` or `eval` */
    UNIT_FEATURES, /* the features of an evaluation */
    UNIT_FINETUNE, /* a step of fine-tuning in an evaluation */
    UNIT_INIT      /* the start of every state */
} UnitKind;
typedef struct GraphUnit {
    UnitKind kind;
    Graph *graph;
    UnitLoss *losses; /* lower_losses */
    int loss_count;
    const LoweredEval *eval; /* of UNIT_FINETUNE */
} GraphUnit;

/* The graphs of a method that are wanted. */
typedef enum {
    METHOD_STEPS,
    /* steps, and their graphs get an output grad_NAME for each parameter that a gradient reaches,
       before any clipping */
    METHOD_GRADIENTS,
    METHOD_VIEWS /* each phase's graph makes the views that the step would make of the same rows at
                    the same seed and step, and ends there; there are no evaluations */
} MethodWanted;

/* Lowering of one method or function, graph by graph: lower_next hands out a graph that ends with
 * its loss, lower_losses says what is differentiated once the loss has its final form,
 * lower_optimisers and lower_updates go on where its gradients are used. Errors are in diag; after
 * one there is no next graph. */
typedef struct Lower Lower;
Lower *lower_begin(Arena *arena, Diag *diag, const Method *method, MethodWanted wanted);
GraphUnit *lower_next(Lower *l); /* NULL: that was the last, or there are errors */
void lower_losses(Lower *l, GraphUnit *unit);
void lower_optimisers(Lower *l, GraphUnit *unit);
void lower_updates(Lower *l, GraphUnit *unit);
/* Gives a step the output "gradient norm": the length of all gradients together, ahead of any
 * clipping. Comes behind lower_meaning, since a run that watches it is the same method. */
void lower_watch_gradients(Lower *l, GraphUnit *unit);
/* Hashes what the text says, once the graph is complete: no pass that serves a back end counts. */
void lower_meaning(Graph *g);
/* The program of all graphs that were handed out; NULL after errors, and of a function. */
LoweredProgram *lower_end(Lower *l);

/* An input of a function on given arrays (`couplet grad`). */
typedef struct FunctionInput {
    const char *name;
    GType type; /* GT_REAL or GT_INT */
    int rank;
    int64_t shape[GRAPH_MAX_RANK];
    /* some entries are infinite: a log of them, or a softmax, is guarded for it */
    bool holds_infinity;
    bool is_constant; /* a scalar given by --set: value, not an array */
    double value;
    bool no_gradient; /* for a real array: its gradient is not wanted */
} FunctionInput;
/* A function of the spec, or of a module that it uses: "losses.nt_xent". NULL when there is none.
 */
const Stmt *method_find_function(const Method *method, const char *name);
/* Begins to lower a function. Its graph has the outputs "value", and "grad_NAME" for every real
 * input whose gradient is wanted. */
Lower *lower_begin_function(Arena *arena, Diag *diag, const Method *method, const char *fn,
                            const FunctionInput *inputs, int input_count);
/* Allows that the function's value is an array, for callers that want no gradient. */
void lower_allow_array(Lower *lower);

#endif
