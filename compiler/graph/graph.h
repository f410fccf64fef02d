/* The graph: what every pass, the reference evaluator and every back end see.
 *
 * A node makes one tensor. Nearly every node is a COMPUTE: an index space, a reducer, a guard and one
 * scalar expression over loads at index expressions. Elementwise work, broadcast, transpose, slice,
 * concat, gather, normalisation, convolution and matrix product are all compute nodes.
 *
 *     y[o...] = reduce over r... of value(o, r)  where guard(o, r)       (elements with active(o) false are 0)
 *
 * All extents are concrete. Expressions are hash-consed: equal ones are the same pointer. In a finished
 * node the indices are 0 .. out_rank-1 (the output's axes), then out_rank .. out_rank+red_rank-1 (reduced).
 * While a node is being built, indices are fresh ones (graph_fresh_index); graph_compute renumbers them.
 * Equal compute nodes are the same node.
 *
 * Reals are float32 in the back ends and float64 in the reference evaluator. Everything lives in the arena
 * of the graph. Nodes are listed in topological order: operands come before their users. */
#ifndef COUPLET_COMPILER_GRAPH_H
#define COUPLET_COMPILER_GRAPH_H

#include "lang/diag.h"
#include "lang/limits.h"
#include "lang/support.h"
#include "runtime/calls.h"

typedef enum { GT_REAL, GT_INT, GT_BOOL, GT_U8 /* inputs only; a load of it is a real, x / 255 */ } GType;

enum {
    GRAPH_MAX_RANK = MOST_AXES,
    GRAPH_MAX_INDICES = 2 * MOST_AXES,                /* of a node: its axes and what it reduces */
    GRAPH_MAX_FREE = MOST_OPEN_INDICES + 4 * MOST_AXES /* in an expression: what lowering has open, and axes that work element by element adds */
};

/* Scalar operations: compiler/graph/scalars.def, one row each. */
typedef enum {
    G_CONST, /* real, integer or truth value */
    G_INDEX, /* index number `index`; while building, extent in graph_index_extent */
    G_LOAD,  /* tensor [ args ]; out-of-range reads are allowed only when `has_else`, last arg then is the value */
    G_RANDOM,/* uniform in [0, 1), 24 bits: args[0] = site, args[1] = element, args[2] = lane 0..3 (ints).
              * A pure function of (seed, step, site, element, lane): Philox 4x32-10, see runtime/random.h.
              * Reads the graph's run scalars seed and step. */
#define SCALAR(name, ...) G_##name,
#include "compiler/graph/scalars.def"
#undef SCALAR
    G_OP_COUNT
} GOp;

/* Where in the text a formula stands, and which call led there: a line of the library is of use to nobody without the line that called it. */
typedef struct GPlace {
    Span span;
    const struct GPlace *call; /* the call whose function the formula is in; NULL: it is in none */
    bool is_slope;             /* the slope of what stands there, which differentiation made */
} GPlace;

typedef struct GNode GNode;
typedef struct GExpr GExpr;
struct GExpr {
    GOp op;
    GType type;
    uint32_t id; /* unique in the graph, increasing */
    int depth;   /* how many expressions nest in it, itself among them: walks are recursive */
    double real;      /* G_CONST of GT_REAL */
    int64_t integer;  /* G_CONST of GT_INT, GT_BOOL */
    int index;        /* G_INDEX */
    GNode *tensor;    /* G_LOAD */
    bool has_else;    /* G_LOAD */
    int arg_count;
    const GExpr *args[GRAPH_MAX_RANK + 1];
    const GPlace *place; /* of the first formula that asked for it, for messages: equal expressions are one wherever they stand. NULL: unknown */
};

typedef enum {
    GR_NONE, GR_SUM, GR_MAX, GR_MIN, GR_ARGMAX /* int: flat position in the reduced space, ties to the lowest */,
    GR_ARGMIN, GR_ANY, GR_ALL,
    GR_LSE, /* log(sum(exp(value))), shifted by the maximum; -inf terms weigh 0 */
    GR_LSE_REST /* the same without the maximum: log(sum(exp(value - maximum))); where the maximum is
                 * infinite, as GR_LSE. Only the pass shift makes it, so it has no derivative */
    /* count is a GR_SUM of int 1; mean is a sum divided; var is two nodes */
} GReducer;

typedef enum {
    GN_INPUT,   /* an array handed over at each run: batch data, run scalars (step, seed, hypers) */
    GN_STATE,   /* a named array that outlives the step: parameter, running statistic, queue. Read only;
                 * its renewal is an entry of graph->commits */
    GN_CONST,   /* an array of constants */
    GN_COMPUTE,
    GN_TOPK,    /* call: operand[.., J] real -> int[.., R]: positions of the R largest along the last axis, descending, ties to
                 * the lower; a guard comes in as -inf entries; fewer than R finite ones is a run-time error */
    GN_CALL,    /* a library call: operands -> one array, by runtime/calls.def. An operand's last axes are a row; those before count the rows */
    GN_STOP     /* the gradient ends here; vanishes after differentiate */
} GNodeKind;

struct GNode {
    GNodeKind kind;
    uint32_t id;       /* position in creation order */
    const char *name;  /* inputs and states: their key; others: the source name, for printing, may be NULL */
    GType type;
    int rank;          /* == out rank of a compute */
    int64_t shape[GRAPH_MAX_RANK];
    Span span;         /* the formula this came from; spans survive every pass */
    const char *const *index_names; /* of its indices, as the source calls them, NULL where it does not; NULL: no index has a name */
    bool holds_infinity; /* an input whose entries are known: some are infinite */
    /* compute */
    GReducer reducer;
    int red_rank;
    int64_t red_shape[GRAPH_MAX_RANK];
    const GExpr *guard;  /* GT_BOOL over all indices, or NULL: always */
    const GExpr *active; /* GT_BOOL over output indices, or NULL: always */
    const GExpr *value;
    bool empty_is_error; /* every reducer but ANY and ALL: no term is a named error at run time (a guarded mean asks this of its count);
                          * when false: 0 (SUM), -inf (LSE, MAX), +inf (MIN), 0 (ARGMAX, ARGMIN) */
    int again;     /* above 0: the same as an earlier node, computed so many times more so that the earlier one need not be kept: scheduled right ahead of who reads it */
    bool streamed; /* made tile by tile where it is used, and never stored whole: compiler/graph/pairs.h. Its value is what it is without */
    /* call */
    CoupletCallKind call;
    GNode *operands[COUPLET_CALL_OPERANDS];
    int operand_count;
    /* stop, topk */
    GNode *operand;
    /* const */
    const double *data; /* reals; ints and bools as whole numbers */
    /* scratch for passes; meaningless between them */
    int mark;
    void *aux;
};

typedef enum { COMMIT_ASSIGN, COMMIT_PUSH /* ring: rows of value at the head of the queue */, COMMIT_ROWS /* state[rows[i]] = value[i], later i wins */ } CommitKind;
typedef struct GCommit {
    CommitKind kind;
    GNode *state, *value, *rows;
    GNode *head; /* PUSH: the int state "<queue>.head"; "<queue>.fill" goes with it */
    GNode *fill;
} GCommit;

typedef struct GOutput {
    const char *name;
    GNode *node;
} GOutput;

/* What a pass did to a formula, for those who want to know: `couplet check --numerics`. */
typedef struct GNote {
    Span span;
    const char *text;
} GNote;

/* What the stream pass decided about a large array that a contraction makes: `couplet check --memory`. Times are the model's (compiler/passes/stream/cost.c). */
typedef struct GChoice {
    Span span;
    int rank;
    int64_t shape[GRAPH_MAX_RANK], bytes; /* bytes: of the array and of what is made of it, stored */
    int passes;              /* over the pairs, streamed */
    double stored, streamed; /* milliseconds of a step; 0: not compared, since there is no choice */
    bool is_streamed;
    const char *reason; /* why it is stored although there is no room for it, or cannot be streamed; NULL: the faster of the two */
    Span where;         /* of the formula that the reason speaks of */
} GChoice;

/* An array that is computed again instead of kept. */
typedef struct GAgain {
    Span span;
    int64_t bytes;
} GAgain;

/* The largest array that the chunks of a batch must leave whole, and the formula that looks at more than one sample at a time and so asks for it. */
typedef struct GMix {
    Span span;
    int64_t bytes; /* 0: there is none */
} GMix;

/* What whoever asks for a graph leaves to its passes, or does not. */
typedef struct GraphSettings {
    bool no_stream;       /* large products of pairs are stored */
    bool no_fuse;         /* every node has a kernel of its own */
    bool apart;           /* it has one, fused or not, on this target: a sum reads memory by itself, whatever the one before it read (PlanTarget.together) */
    int64_t stream_bytes; /* products of pairs from this size on are streamed, whatever is faster; 0: the pass decides */
    bool is_bounded;      /* `stored_bytes` holds; else the pass has a bound of its own */
    int64_t kept_bytes;   /* above 0: arrays are computed again until about so much is alive at once */
    int64_t chunks;       /* above 1: the batch goes through the network in so many parts */
    int64_t stored_bytes; /* what the products of pairs that are faster stored may take together */
} GraphSettings;

typedef struct Graph {
    Arena *arena;
    const char *name; /* "init", "step", "embed", ... */
    ARRAY(GNode *) nodes;
    ARRAY(GOutput) outputs; /* what the caller reads: "loss", "features", "grad_z" ... */
    ARRAY(GCommit) commits; /* done together, after the finite check */
    uint64_t meaning; /* hash of what was lowered, ahead of the passes that serve a back end: what a checkpoint must agree with */
    ARRAY(GNote) notes;
    ARRAY(GChoice) choices;
    ARRAY(GAgain) again;
    int64_t chunks; /* that the batch goes through the network in; 0: as a whole */
    GMix mix;
    ARRAY(Span) loss; /* the formulas of the loss, behind the networks: `couplet check --memory` says what they need */
    GraphSettings settings;
    ARRAY(signed char) marks; /* scratch of the pass at work, by expression id */
    const GPlace *place; /* that new expressions get */
    struct GraphTables *tables; /* hash-consing; private to graph.c */
} Graph;

/* ---- building --------------------------------------------------------------------------------- */
Graph *graph_new(Arena *arena, const char *name);
GNode *graph_input(Graph *g, const char *name, GType type, int rank, const int64_t *shape, Span span); /* same name: same node */
GNode *graph_state(Graph *g, const char *name, GType type, int rank, const int64_t *shape, Span span); /* same name: same node */
GNode *graph_constant(Graph *g, GType type, int rank, const int64_t *shape, const double *data, Span span);
GNode *graph_stop(Graph *g, GNode *operand, Span span);
GNode *graph_topk(Graph *g, GNode *operand, int64_t count, Span span);
/* `count`: entries of a result's row when the call leaves that open (select), else 0. Operands are real arrays. */
GNode *graph_call(Graph *g, CoupletCallKind call, GNode *const *operands, int64_t count, Span span);
/* The same call of other operands. */
GNode *graph_call_again(Graph *g, const GNode *node, GNode *const *operands);
/* The sizes of a row of it; returns how many rows there are. */
int64_t graph_call_size(const GNode *node, CoupletCallSize *size);

/* A fresh index of the given extent, for use in expressions until graph_compute renumbers it. */
const GExpr *graph_fresh_index(Graph *g, int64_t extent);
/* The same, with the name that messages say; NULL: it has none. */
const GExpr *graph_named_index(Graph *g, int64_t extent, const char *name);
int64_t graph_index_extent(Graph *g, const GExpr *fresh);
/* Names the first indices of a node that a call or a top-k makes as those that it was asked for with. */
void graph_name_indices(Graph *g, GNode *node, const GExpr *const *indices, int count);
const char *graph_index_name(const Graph *g, const GExpr *fresh); /* NULL: it has none */

typedef struct ComputeSpec {
    GReducer reducer;
    int out_rank, red_rank;
    const GExpr *out[GRAPH_MAX_RANK]; /* fresh indices, in the order of the output's axes */
    const GExpr *red[GRAPH_MAX_RANK];
    const GExpr *value, *guard, *active;
    bool empty_is_error, streamed;
    int again;
    const char *name;
    Span span;
} ComputeSpec;
/* Every index in the expressions must be one of out or red. Returns an equal existing node if there is one. */
GNode *graph_compute(Graph *g, const ComputeSpec *spec);
/* The reverse: fresh indices in place of a compute node's own, for rewriting it. */
void graph_open(Graph *g, const GNode *node, ComputeSpec *spec);

void graph_output(Graph *g, const char *name, GNode *node);
uint32_t graph_expr_count(const Graph *g); /* ids of expressions are 1 .. this */

/* Expressions. Constructors fold constants and apply the exact identities (x + 0, x * 1, select on a constant,
 * integer div and mod of known ranges); they never apply one that changes a NaN or an infinity. */
const GExpr *gx_real(Graph *g, double value);
const GExpr *gx_int(Graph *g, int64_t value);
const GExpr *gx_bool(Graph *g, bool value);
const GExpr *gx_load(Graph *g, GNode *tensor, int count, const GExpr *const *indices, const GExpr *otherwise /* or NULL */);
const GExpr *gx_random(Graph *g, int64_t site, const GExpr *element, int lane);
const GExpr *gx_op(Graph *g, GOp op, int count, const GExpr *const *args);
const GExpr *gx1(Graph *g, GOp op, const GExpr *a);
const GExpr *gx2(Graph *g, GOp op, const GExpr *a, const GExpr *b);
const GExpr *gx_select(Graph *g, const GExpr *condition, const GExpr *then, const GExpr *otherwise);
const GExpr *gx_and(Graph *g, const GExpr *a, const GExpr *b); /* NULL means true, in and out */

/* Rewrites an expression, memoised over the DAG: `visit` gets each sub-expression with its arguments already
 * rewritten and returns its replacement (itself, to leave it). */
typedef const GExpr *(*GVisit)(void *context, Graph *g, const GExpr *expr);
const GExpr *gx_rewrite(Graph *g, const GExpr *expr, GVisit visit, void *context);
/* Replaces indices: from[i] (G_INDEX) becomes to[i]. */
const GExpr *gx_substitute(Graph *g, const GExpr *expr, int count, const GExpr *const *from, const GExpr *const *to);
/* Collects the distinct fresh indices of an expression in order of first occurrence; returns the count (<= GRAPH_MAX_FREE). */
int gx_free_indices(Graph *g, const GExpr *expr, const GExpr **indices);
/* What an operation makes of whole numbers and truth values (0, 1): `values` has one for each argument, at least two. False when it is no operation of
 * these, or divides by 0. */
bool gx_of_ints(GOp op, const int64_t *values, int64_t *out);
/* What a whole real is as an int of 32 bits; false for one beyond them, an infinity and a NaN, which stop the run (COUPLET_FAULT_WHOLE): `out` is 0 then. */
bool gx_to_int(double value, int32_t *out);
/* Integer range of an int expression, indices ranging over their extents (min and max inclusive); false if unknown
 * (data dependent). `extents` are of node indices; fresh ones know their own. */
bool gx_range(Graph *g, const GExpr *expr, const int64_t *extents, int64_t *min, int64_t *max);
/* Whether 32 bits hold a whole number, whatever the data are. */
bool gx_fits_32_bits(Graph *g, const GExpr *expr, const int64_t *extents);
/* Whether an operation of whole numbers may leave the 64 bits that it is computed in, or divide by 0, for data of any kind; whether a sum of whole numbers may. A back end
 * then checks each result (COUPLET_FAULT_WHOLE). */
bool gx_may_wrap(Graph *g, const GExpr *expr, const int64_t *extents);
bool gx_sum_may_wrap(Graph *g, const GNode *n);
/* Whether 32 bits hold every entry of a compute node of whole numbers, as far as its formula tells. A back end checks the others as it stores them. */
bool gx_entries_fit(Graph *g, const GNode *n);
/* What an operation costs for one element, in multiply-adds; GX_COSTLY: an exponential and the like. */
enum { GX_COSTLY = 16 };
int gx_price(GOp op);
/* Where an index lies in an axis, as a condition; NULL: that is known. */
const GExpr *gx_inside(Graph *g, const GExpr *index, int64_t extent);
/* The same, with what is known of the entries of arrays: counts, places of a maximum, stored indices. For back ends and what serves them; a formula is not judged by it. */
bool gx_range_of_data(Graph *g, const GExpr *expr, const int64_t *extents, int64_t *min, int64_t *max);

/* ---- text, checks ------------------------------------------------------------------------------ */
/* The text form, one node a line or a few, for --print-after; described in text.c. */
void graph_print(const Graph *g, FILE *out);
/* Of that text, without places in the source. */
uint64_t graph_hash(const Graph *g);
/* The graph that such a text says: printed again it is the same text. NULL after errors, which are in diag. */
Graph *graph_read(Arena *arena, Diag *diag, const Source *source);
/* Shapes, index numbers, types, order, in-range loads where provable, names. Returns NULL, or the first violation as a sentence. */
const char *graph_verify(const Graph *g);
/* Drops what neither an output nor a commit reaches, and puts the rest in topological order. */
void graph_prune(Graph *g);
/* The same, those nodes first, in their order, each with what it reads right ahead of it. */
void graph_arrange(Graph *g, GNode *const *first, int count);
/* Whether it is an array of the step's samples, a row for each: "train.image", "train.label", not "train.all.image" (runtime/abi.h). */
bool graph_is_batch(const GNode *node);
/* Sets `mark` of those nodes to 1, of all others to 0. */
void graph_mark_reached(Graph *g);
/* Of an index of a compute node: the axes of its result come first, then those that are reduced. */
int64_t graph_extent(const GNode *n, int index);
int64_t graph_element_count(const GNode *n);
int64_t graph_bytes(const GNode *n); /* of its array in memory */

/* What a method is lowered to: graphs over one set of named states. */
typedef enum { ROLE_PARAM, ROLE_OPTIMISER, ROLE_STATE, ROLE_QUEUE, ROLE_COUNTER } StateRole;
typedef struct ProgramState {
    const char *name; /* "online.trunk.conv1.K", "optimiser.online.trunk.conv1.K.v", "Q", "Q.head", ... : keys of the checkpoint */
    StateRole role;
    GType type;
    int rank;
    int64_t shape[GRAPH_MAX_RANK];
    Span span;
    const char *origin; /* of a copy: the state that it starts as; NULL: it is none */
} ProgramState;

#endif
