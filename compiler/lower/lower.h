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
    bool is_truth; /* the value is 1 or 0, for `true` and `false` */
    /* The hyper reached a dimension or another compile-time place, so another value needs another
     * compilation. */
    bool is_static;
    /* The condition on its value, and its text, as in runtime/abi.h. */
    const char *range;
    const char *range_text;
} LoweredHyper;

typedef struct LoweredSource {
    const char *name;
    const DataSource *data;
    bool drawn;  /* true if the step reads the source */
    bool *reads; /* by field: true if some graph reads it */
} LoweredSource;

typedef struct LoweredEval {
    const char *method; /* "knn", "linear" and so on */
    double fraction;
    double clusters;
    double ways;
    double shots;
    double episodes;
    double t;
    double k;
    double temperature;
    double decay;
    double epochs, rate; /* for finetune */
    bool by_class;
    /* For finetune: the network, which is given the field `of` (NULL: features are a formula); the
     * graph of a step; the states of its classifier. */
    const Expr *network;
    const char *of;
    const char *weights;
    const char *bias;
    Graph *tune;
    int features; /* the number of its graph in LoweredProgram.features */
    /* A field of both sources. The fields that features are made of are inputs "sample.NAME" of
     * their graph. */
    const char *labels;
    int bank, query; /* the numbers of its sources */
    /* The evaluation is measured after every so many epochs or steps. 0: only before and after the
     * training. */
    int64_t every;
    bool of_steps;
    Span span;
} LoweredEval;

/* A statement, or a few, of `every epoch` or `eval`. A number that it reports is the output "report
 * NAME". */
typedef enum {
    ACTION_ONCE,
    ACTION_SWEEP,
    ACTION_KMEANS,
} LoweredActionKind;
typedef struct LoweredAction {
    LoweredActionKind kind;
    /* Work is done before the first epoch or step, and then before every so many epochs or steps.
     * An action of `eval` is done behind every so many; 0: only before and after the training. */
    int64_t every;
    bool of_steps;
    int block;                     /* for `eval`: the number of the block in the spec */
    Graph *g;                      /* for KMEANS: the graph with the output "points" */
    int source;                    /* for SWEEP: the number of the source */
    const char *centres, *members; /* for KMEANS: the names of states */
    int64_t iterations;
    int64_t site;
    bool spherical;
    bool sampled;
    Span span;
} LoweredAction;
typedef ARRAY(LoweredAction) LoweredActions;

/* A part of the run with a clock of its own. Stages follow each other. */
typedef struct LoweredStage {
    const char *name;
    double epochs;
    int64_t batch;       /* the batch for sources without one of their own; 0: that of `train` */
    int train_source;    /* the source whose size sets the epoch; -1: the steps read no data */
    int64_t epoch_steps; /* the number of steps in an epoch that no source sets */
    int64_t views;       /* the number of views that a step makes */
} LoweredStage;

/* The rate of an optimiser of a phase, as CoupletRate in runtime/abi.h. */
typedef struct LoweredRate {
    const char *name;
    const char *formula;
} LoweredRate;

/* A phase begins with an epoch and a step of its stage, and lasts until a later phase begins. */
typedef struct LoweredPhase {
    int64_t from_epoch;
    int64_t from_step;
    int stage; /* 0 in a method without stages */
    Graph *train;
    LoweredActions actions;      /* the work before an epoch's first step */
    ARRAY(const char *) renewed; /* the states that its steps renew, for `ema` edges */
    ARRAY(LoweredRate) rates;
} LoweredPhase;

/* A view as an output of a graph of METHOD_VIEWS: "view NAME". */
typedef struct LoweredView {
    const char *name;
    int source; /* the source whose fields the view reads; -1: the view is of computed arrays */
    /* The number of views along a leading axis, as in `g[2]`; 0: a single view without that
     * axis. */
    int64_t copies;
} LoweredView;

/* A value that steps give by a name, as their output "given NAME". */
typedef struct GivenArray {
    const char *name;
    bool is_integer;
    int rank;
    int64_t shape[GRAPH_MAX_RANK];
    Span span;
} GivenArray;

typedef struct LoweredProgram {
    Graph *init, *train;        /* `train` is the step of the first phase */
    ARRAY(LoweredPhase) phases; /* in order of stages */
    ARRAY(LoweredStage) stages; /* empty: the whole run is one stage */
    ARRAY(Graph *) features;
    ARRAY(const char *) feature_names;
    ARRAY(ProgramState) states;
    ARRAY(LoweredHyper) hypers;
    ARRAY(LoweredSource) sources;
    ARRAY(GivenArray) given;
    /* The names of losses, whose values are the outputs "loss NAME" of steps. */
    ARRAY(const char *) losses;
    ARRAY(LoweredEval) evals;
    LoweredActions measures;  /* the statements of all `eval` */
    ARRAY(LoweredView) shown; /* the views for METHOD_VIEWS, each name once */
    int train_source;         /* the source whose size sets the epoch; -1: the steps read no data */
    /* The number of steps in an epoch that no source sets: `train { steps .. }`. Else 0. */
    int64_t epoch_steps;
    int64_t batch;
    int64_t views; /* the images that the views of a step make */
    double epochs;
    int64_t memory;   /* bytes, from `train { memory 512MiB }`; 0: not stated */
    Span memory_span; /* the place of that setting */
} LoweredProgram;

/* A scalar, and the nodes with respect to which it is differentiated. */
typedef struct UnitLoss {
    GNode *value;
    GNode **wanted;    /* states or inputs whose gradient is wanted */
    GNode **gradients; /* the gradient of each wanted node; NULL: none reaches the node */
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
    UnitLoss *losses; /* from lower_losses */
    int loss_count;
    const LoweredEval *eval; /* for UNIT_FINETUNE */
} GraphUnit;

/* The graphs of a method that are wanted. */
typedef enum {
    METHOD_STEPS,
    /* Steps alone. Each step has an output grad_NAME for each parameter that a gradient reaches,
     * before any clipping. */
    METHOD_GRADIENTS,
    /* Each phase's graph ends with the views that the step would make of the same rows at the same
     * seed and step. There are no evaluations. */
    METHOD_VIEWS
} MethodWanted;

/* Lowering of one method or function, graph by graph: lower_next hands out a graph that ends with
 * its loss, lower_losses says what is differentiated once the loss has its final form,
 * lower_optimisers and lower_updates go on where its gradients are used. Errors are in diag; after
 * one there is no next graph. */
typedef struct Lower Lower;
Lower *lower_begin(Arena *arena, Diag *diag, const Method *method, MethodWanted wanted);
GraphUnit *lower_next(Lower *l); /* Returns NULL after the last graph, and after errors. */
void lower_losses(Lower *l, GraphUnit *unit);
void lower_optimisers(Lower *l, GraphUnit *unit);
void lower_updates(Lower *l, GraphUnit *unit);
/* Gives a step the output "gradient norm", the length of all gradients together, before any
 * clipping. It comes after lower_meaning, since watching the gradients does not make another
 * method. */
void lower_watch_gradients(Lower *l, GraphUnit *unit);
/* Hashes what the text says, once the graph is complete and before the passes for a back end. */
void lower_meaning(Graph *g);
/* Returns the program of all graphs that were handed out. NULL after errors, and for a function. */
LoweredProgram *lower_end(Lower *l);

/* An input of a function on given arrays (`couplet grad`). */
typedef struct FunctionInput {
    const char *name;
    GType type; /* GT_REAL or GT_INT */
    int rank;
    int64_t shape[GRAPH_MAX_RANK];
    /* Some entries are infinite, so a log of them, or a softmax, is guarded. */
    bool holds_infinity;
    bool is_constant; /* a scalar that --set gives: its `value` is compiled in, and no array */
    double value;
    bool no_gradient; /* for a real array: true if its gradient is not wanted */
} FunctionInput;
/* Returns a function of the spec, or of a module that it uses ("losses.nt_xent"), or NULL. */
const Stmt *method_find_function(const Method *method, const char *name);
/* Begins to lower a function. Its graph has the outputs "value", and "grad_NAME" for every real
 * input whose gradient is wanted. */
Lower *lower_begin_function(Arena *arena, Diag *diag, const Method *method, const char *fn,
                            const FunctionInput *inputs, int input_count);
/* Allows that the function's value is an array, for callers that want no gradient. */
void lower_allow_array(Lower *lower);

#endif
