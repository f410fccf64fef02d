/* The graph: what every pass, the reference evaluator and every back end see.
 *
 * A node makes one tensor. Nearly every node is a COMPUTE: an index space, a reducer, a guard and
 * one scalar expression over loads at index expressions. Elementwise work, broadcast, transpose,
 * slice, concat, gather, normalisation, convolution and matrix product are all compute nodes.
 *
 *     y[o...] = reduce over r... of value(o, r)  where guard(o, r)
 *
 * An element for which active(o) is false is 0. All extents are concrete numbers. Expressions are
 * hash-consed: equal ones are the same pointer. Equal compute nodes are the same node.
 *
 * In a finished node the indices are 0 .. out_rank-1 for the output's axes, then out_rank ..
 * out_rank+red_rank-1 for the reduced ones. A node that is being built has fresh indices instead
 * (graph_fresh_index), and graph_compute renumbers them.
 *
 * Reals are float32 in the back ends and float64 in the reference evaluator. Everything lives in
 * the arena of the graph. Nodes are listed in topological order: operands come before their
 * users. */
#ifndef COUPLET_COMPILER_GRAPH_H
#define COUPLET_COMPILER_GRAPH_H

#include "lang/diag.h"
#include "lang/limits.h"
#include "lang/support.h"
#include "runtime/calls.h"

/* U8 is for inputs only. A load of it is a real, x / 255. */
typedef enum { GT_REAL, GT_INT, GT_BOOL, GT_U8 } GType;

enum {
    GRAPH_MAX_RANK = MOST_AXES,
    GRAPH_MAX_INDICES = 2 * MOST_AXES, /* the indices of a node: its axes and the reduced ones */
    /* The free indices of an expression: those that lowering has open, and the axes that work
     * element by element adds. */
    GRAPH_MAX_FREE = MOST_OPEN_INDICES + 4 * MOST_AXES
};

/* Scalar operations: compiler/graph/scalars.def, one row each. */
typedef enum {
    G_CONST, /* a real, an integer or a truth value */
    G_INDEX, /* index number `index`; graph_index_extent has the extent of a fresh one */
    /* tensor [ args ]. A read outside is allowed only if `has_else`; the last argument is its
     * value. */
    G_LOAD,
    /* A uniform number in [0, 1) of 24 bits. The arguments are ints: site, element, and lane 0..3.
     * It is a pure function of seed, step, site, element and lane (Philox 4x32-10,
     * runtime/random.h), and reads the graph's run scalars seed and step. */
    G_RANDOM,
#define SCALAR(name, ...) G_##name,
#include "compiler/graph/scalars.def"
#undef SCALAR
    G_OP_COUNT
} GOp;

/* The place of a formula in the text, and the call that led there. A line of the library is of
 * little use without the line that called it. */
typedef struct GPlace {
    Span span;
    const struct GPlace *call; /* the call whose function holds the formula; NULL: none does */
    bool is_slope; /* differentiation made it: the slope of the formula that stands there */
} GPlace;

typedef struct GNode GNode;
typedef struct GExpr GExpr;
struct GExpr {
    GOp op;
    GType type;
    uint32_t id;     /* unique in the graph; arguments have lower ids than who uses them */
    int depth;       /* the number of expressions that nest in it, itself among them */
    double real;     /* G_CONST of GT_REAL */
    int64_t integer; /* G_CONST of GT_INT, GT_BOOL */
    int index;       /* G_INDEX */
    GNode *tensor;   /* G_LOAD */
    bool has_else;   /* G_LOAD */
    int arg_count;
    const GExpr *args[GRAPH_MAX_RANK + 1];
    /* The place of the first formula that asked for it, for messages: equal expressions are one,
     * wherever they stand. NULL: unknown. */
    const GPlace *place;
};

/* compiler/graph/reducers.def, one row each. */
typedef enum {
#define REDUCER(name, ...) GR_##name,
#include "compiler/graph/reducers.def"
#undef REDUCER
    GRAPH_REDUCERS
} GReducer;

typedef enum {
    GN_INPUT, /* an array that is handed over at each run: data, run scalars (step, seed, hypers) */
    /* A named array that outlives the step: a parameter, a running statistic, a queue. It is only
     * read; its renewal is an entry of graph->commits. */
    GN_STATE,
    GN_CONST, /* an array of constants */
    GN_COMPUTE,
    /* The positions of the R largest entries along the last axis, operand[.., J] real -> int[..,
     * R], in descending order, of equal entries the lower position first. What a guard excludes
     * comes in as -inf. Fewer than R finite entries are a run-time error. */
    GN_TOPK,
    /* A library call, by runtime/calls.def. The last axes of an operand are a row; those before
     * count the rows. */
    GN_CALL,
    GN_STOP /* the gradient ends here; the node vanishes after differentiate */
} GNodeKind;

struct GNode {
    GNodeKind kind;
    uint32_t id; /* the position in the order of creation */
    /* The key of an input or a state; else the name in the source, for printing, or NULL. */
    const char *name;
    GType type;
    int rank; /* the axes of the result */
    int64_t shape[GRAPH_MAX_RANK];
    Span span; /* the formula that the node came from; spans survive every pass */
    /* By index: its name in the source, or NULL. NULL: no index has a name. */
    const char *const *index_names;
    bool holds_infinity; /* for an input whose entries are known: some are infinite */
    /* compute */
    GReducer reducer;
    int red_rank;
    int64_t red_shape[GRAPH_MAX_RANK];
    const GExpr *guard;  /* a condition over all indices; NULL: it always holds */
    const GExpr *active; /* a condition over the output's indices; NULL: it always holds */
    const GExpr *value;
    /* A result without a term is a run-time error (a guarded mean asks this of its count). Else its
     * value is 0 (SUM, ARGMAX, ARGMIN), -inf (LSE, MAX) or +inf (MIN). ANY, ALL and PROD have no
     * such error. */
    bool empty_is_error;
    /* Above 0: the node repeats an earlier one, so that the earlier one need not be kept
     * (rematerialisation). It is scheduled right ahead of who reads it. The number tells
     * repetitions apart. */
    int again;
    /* The result is made tile by tile where it is used, and never stored whole (pairs.h). Its value
     * is the same without the mark. */
    bool streamed;
    /* call */
    CoupletCallKind call;
    GNode *operands[COUPLET_CALL_OPERANDS];
    int operand_count;
    /* stop, topk */
    GNode *operand;
    /* const */
    const double *data; /* reals, or ints and truth values as whole numbers */
};

/* The way in which a commit renews a state. PUSH writes the rows of the value at the head of the
 * queue, a ring. ROWS sets state[rows[i]] = value[i] for each i in order. */
typedef enum { COMMIT_ASSIGN, COMMIT_PUSH, COMMIT_ROWS } CommitKind;
typedef struct GCommit {
    CommitKind kind;
    GNode *state, *value, *rows;
    GNode *head; /* PUSH: the state "<queue>.head", an int */
    GNode *fill; /* PUSH: the state "<queue>.fill", an int */
} GCommit;

typedef struct GOutput {
    const char *name;
    GNode *node;
} GOutput;

/* A pass's note about a formula that it changed. `couplet check --numerics` prints it. */
typedef struct GNote {
    Span span;
    const char *text;
} GNote;

/* The decision of the stream pass about a large array that a contraction makes. `couplet check
 * --memory` prints it. Times are those of the model (compiler/passes/stream/cost.c). */
typedef struct GChoice {
    Span span;
    int rank;
    /* Bytes: what the array and what is made of it take, stored. */
    int64_t shape[GRAPH_MAX_RANK], bytes;
    int passes;              /* the sweeps over the pairs, if it is streamed */
    double stored, streamed; /* milliseconds of a step; 0: not compared, since there is no choice */
    bool is_streamed;
    /* Why the array is stored although there is no room for it, or cannot be streamed. NULL: the
     * faster way was taken. */
    const char *reason;
    Span where; /* the formula that the reason speaks of */
} GChoice;

/* An array that is rematerialised: computed again instead of kept. */
typedef struct GAgain {
    Span span;
    int64_t bytes;
} GAgain;

/* The largest array that must stay whole when the batch is taken in microbatches, and the formula
 * that asks for it because it looks at several samples at a time. */
typedef struct GMix {
    Span span;
    int64_t bytes; /* 0: there is no such array */
} GMix;

/* The permissions of a graph's passes, by the command line and the budget of memory. */
typedef struct GraphSettings {
    bool no_stream; /* large products of pairs are stored */
    bool no_fuse;   /* every node has a kernel of its own */
    /* On this target every node has a kernel of its own, fused or not (PlanTarget.together is
     * false). So a sum reads memory by itself, whatever the one before it read. */
    bool apart;
    /* Products of pairs from this size on are streamed, whatever is faster. 0: the pass decides. */
    int64_t stream_bytes;
    bool is_bounded; /* `stored_bytes` holds; else the pass has a bound of its own */
    /* Above 0: arrays are rematerialised until about so much is alive at once. */
    int64_t kept_bytes;
    int64_t chunks; /* above 1: the batch goes through the network in so many microbatches */
    /* The memory that the products of pairs that are faster stored may take together. */
    int64_t stored_bytes;
    /* Above 1, a power of two: steps over samples can be cut at so many places, the same for any
     * number of ranks, and sums over samples are a tree with so many leaves. */
    int64_t shards;
    /* Whatever can be cut at shards is, in the smallest of tiles, and nothing asks whether that is
     * faster. So small formulas try what large ones do. */
    bool cut_always;
} GraphSettings;

typedef struct Graph {
    Arena *arena;
    const char *name; /* "init", "step", "embed", ... */
    ARRAY(GNode *) nodes;
    /* The results that the caller reads: "loss", "features", "grad_z" ... */
    ARRAY(GOutput) outputs;
    ARRAY(GCommit) commits; /* done together, after the finite check */
    /* The hash of what was lowered, ahead of the passes that serve a back end. A checkpoint must
     * agree with it, and may go on with another plan, device or budget. */
    uint64_t meaning;
    ARRAY(GNote) notes;
    ARRAY(GChoice) choices;
    ARRAY(GAgain) again;
    int64_t chunks; /* the microbatches of the batch; 0: it goes through the network as a whole */
    GMix mix;
    /* The formulas of the loss, behind the networks. `couplet check --memory` says what they
     * need. */
    ARRAY(Span) loss;
    GraphSettings settings;
    const GPlace *place;        /* the place that new expressions get */
    struct GraphTables *tables; /* hash-consing; private to graph.c */
} Graph;

/* ---- building -------------------------------------------------------------------------------- */
Graph *graph_new(Arena *arena, const char *name);
/* An input or a state. The same name gives the same node. */
GNode *graph_input(Graph *g, const char *name, GType type, int rank, const int64_t *shape,
                   Span span);
GNode *graph_state(Graph *g, const char *name, GType type, int rank, const int64_t *shape,
                   Span span);
GNode *graph_constant(Graph *g, GType type, int rank, const int64_t *shape, const double *data,
                      Span span);
GNode *graph_stop(Graph *g, GNode *operand, Span span);
GNode *graph_topk(Graph *g, GNode *operand, int64_t count, Span span);
/* A library call of real arrays. `count` is the number of entries in a row of the result if the
 * call leaves that open (select), else 0. */
GNode *graph_call(Graph *g, CoupletCallKind call, GNode *const *operands, int64_t count, Span span);
/* The call of `node` with other operands. */
GNode *graph_call_again(Graph *g, const GNode *node, GNode *const *operands);
/* Sets the sizes of a row of a call, and returns the number of rows. */
int64_t graph_call_size(const GNode *node, CoupletCallSize *size);

/* A fresh index of the given extent, for use in expressions until graph_compute renumbers it. */
const GExpr *graph_fresh_index(Graph *g, int64_t extent);
/* A fresh index with a name for messages, which may be NULL. */
const GExpr *graph_named_index(Graph *g, int64_t extent, const char *name);
int64_t graph_index_extent(Graph *g, const GExpr *fresh);
/* Gives the first indices of a node, a call or a top-k, the names of the indices that it was asked
 * for with. */
void graph_name_indices(Graph *g, GNode *node, const GExpr *const *indices, int count);
/* The name of a fresh index; NULL: it has none. */
const char *graph_index_name(const Graph *g, const GExpr *fresh);

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
/* Makes a compute node, or returns an equal node that exists. Every index in the expressions must
 * be one of out or red. */
GNode *graph_compute(Graph *g, const ComputeSpec *spec);
/* Takes a compute node apart for rewriting, with fresh indices in place of its own. */
void graph_open(Graph *g, const GNode *node, ComputeSpec *spec);

void graph_output(Graph *g, const char *name, GNode *node);
uint32_t graph_expr_count(const Graph *g); /* ids of expressions are 1 .. this */

/* Expressions. Constructors fold constants and apply the exact identities (x + 0, x * 1, select on
 * a constant, integer div and mod of known ranges); they never apply one that changes a NaN or an
 * infinity. */
const GExpr *gx_real(Graph *g, double value);
const GExpr *gx_int(Graph *g, int64_t value);
const GExpr *gx_bool(Graph *g, bool value);
/* `otherwise` is the value of a read outside the array, or NULL. */
const GExpr *gx_load(Graph *g, GNode *tensor, int count, const GExpr *const *indices,
                     const GExpr *otherwise);
const GExpr *gx_random(Graph *g, int64_t site, const GExpr *element, int lane);
const GExpr *gx_op(Graph *g, GOp op, int count, const GExpr *const *args);
const GExpr *gx1(Graph *g, GOp op, const GExpr *a);
const GExpr *gx2(Graph *g, GOp op, const GExpr *a, const GExpr *b);
const GExpr *gx_select(Graph *g, const GExpr *condition, const GExpr *then, const GExpr *otherwise);
/* The conjunction of two conditions. NULL stands for true, as an argument and as the result. */
const GExpr *gx_and(Graph *g, const GExpr *a, const GExpr *b);

/* Rewrites an expression, memoised over the DAG: `visit` gets each sub-expression with its
 * arguments already rewritten and returns its replacement (itself, to leave it). */
typedef const GExpr *(*GVisit)(void *context, Graph *g, const GExpr *expr);
const GExpr *gx_rewrite(Graph *g, const GExpr *expr, GVisit visit, void *context);
/* Makes the operation, read or draw of `expr` with other arguments. */
const GExpr *gx_with_args(Graph *g, const GExpr *expr, const GExpr *const *args);
/* Replaces indices: from[i] (G_INDEX) becomes to[i]. */
const GExpr *gx_substitute(Graph *g, const GExpr *expr, int count, const GExpr *const *from,
                           const GExpr *const *to);
/* Collects the distinct fresh indices of an expression in order of first occurrence; returns the
 * count (<= GRAPH_MAX_FREE). */
int gx_free_indices(Graph *g, const GExpr *expr, const GExpr **indices);
/* Computes an operation on whole numbers and truth values (0, 1). `values` has one for each
 * argument, and at least two. False if it is no operation on these, or divides by 0. */
bool gx_of_ints(GOp op, const int64_t *values, int64_t *out);
/* Converts a whole real to an int of 32 bits. False for a real beyond them, an infinity and a NaN,
 * which stop the run (COUPLET_FAULT_WHOLE); *out is then 0. */
bool gx_to_int(double value, int32_t *out);
/* Rounds towards minus infinity, as div of the language does; b is not 0. */
static inline int64_t gx_floor_div(int64_t a, int64_t b) {
    int64_t q = a / b;
    return (a % b != 0 && ((a % b < 0) != (b < 0))) ? q - 1 : q;
}
/* The remainder of gx_floor_div, which is 0 or has the sign of b. */
static inline int64_t gx_floor_mod(int64_t a, int64_t b) {
    return a - b * gx_floor_div(a, b);
}

/* The range of an int expression, min and max included, while indices go over their extents.
 * `extents` are those of a node's indices; fresh ones know their own. False if the range depends on
 * data. */
bool gx_range(Graph *g, const GExpr *expr, const int64_t *extents, int64_t *min, int64_t *max);
/* True if 32 bits hold a whole number, whatever the data are. */
bool gx_fits_32_bits(Graph *g, const GExpr *expr, const int64_t *extents);
/* True if an operation on whole numbers, or a sum of them, may leave the 64 bits that it is
 * computed in, or divide by 0, for some data. A back end then checks each result
 * (COUPLET_FAULT_WHOLE). */
bool gx_may_wrap(Graph *g, const GExpr *expr, const int64_t *extents);
bool gx_sum_may_wrap(Graph *g, const GNode *n);
/* True if 32 bits hold every entry of a compute node of whole numbers, as far as its formula tells.
 * A back end checks the entries of other nodes as it stores them. */
bool gx_entries_fit(Graph *g, const GNode *n);
/* The price of an operation for one element, in multiply-adds. From GX_COSTLY on it is an
 * exponential or the like. */
enum { GX_COSTLY = 16 };
int gx_price(GOp op);
/* The condition that an index lies in an axis of this extent; NULL: it is known to. */
const GExpr *gx_inside(Graph *g, const GExpr *index, int64_t extent);
/* The range with what is known of the entries of arrays: counts, places of a maximum, stored
 * indices. It is for back ends and what serves them; a formula is not judged by it. */
bool gx_range_of_data(Graph *g, const GExpr *expr, const int64_t *extents, int64_t *min,
                      int64_t *max);

/* ---- text, checks ---------------------------------------------------------------------------- */
/* Prints the text form for --print-after, a line or a few for each node. text.c describes it. */
void graph_print(const Graph *g, FILE *out);
/* The hash of that text without places in the source. */
uint64_t graph_hash(const Graph *g);
/* Equal for graphs that differ in the numbers of their nodes alone. */
uint64_t graph_form_hash(const Graph *g);
/* Reads the graph that such a text says. Printed again, it is the same text. NULL after errors,
 * which are in diag. */
Graph *graph_read(Arena *arena, Diag *diag, const Source *source);
/* Checks shapes, index numbers, types, order, names, and that loads stay inside where that can be
 * proved. Returns NULL, or the first violation as a sentence. */
const char *graph_verify(const Graph *g);
/* Drops what neither an output nor a commit reaches, and puts the rest in topological order. */
void graph_prune(Graph *g);
/* Prunes the graph and puts its nodes in order: the given ones first, as they stand, and right
 * ahead of each what it reads. */
void graph_arrange(Graph *g, GNode *const *first, int count);
/* True if a kernel makes the node's array, which else comes from outside or stands in the text. */
static inline bool node_is_made(const GNode *node) {
    return node->kind == GN_COMPUTE || node->kind == GN_TOPK || node->kind == GN_CALL;
}
static inline bool node_reduces(const GNode *node, GReducer reducer) {
    return node->kind == GN_COMPUTE && node->reducer == reducer;
}
static inline bool node_is_real_sum(const GNode *node) {
    return node_reduces(node, GR_SUM) && node->type == GT_REAL;
}
/* True if the node has all elements, and all terms of each. */
static inline bool node_is_unconditional(const GNode *node) {
    return !node->guard && !node->active;
}
/* True of a read that may be replaced by the formula of what it reads: the node has this reducer
 * and all of its elements, and the read stays inside. */
static inline bool gx_reads_all(const GExpr *e, GReducer reducer) {
    return e->op == G_LOAD && !e->has_else && node_reduces(e->tensor, reducer) &&
           !e->tensor->active;
}
/* True if the node is an array of the step's samples with a row for each: "train.image" and
 * "train.label", and not "train.all.image" (runtime/abi.h). */
bool graph_is_batch(const GNode *node);
/* Adds to the set the nodes that an output or a commit reaches (node_set.h). */
struct NodeSet;
void graph_add_reached(Graph *g, struct NodeSet *reached);
/* One more than the largest id of a node. */
uint32_t graph_node_ids(const Graph *g);
/* The extent of an index of a compute node. The axes of its result come first, then the reduced
 * ones. */
int64_t graph_extent(const GNode *n, int index);
int64_t graph_element_count(const GNode *n);
int64_t graph_bytes(const GNode *n); /* the size of the node's array in memory */

/* A named state. A method is lowered to graphs over one set of these. */
typedef enum { ROLE_PARAM, ROLE_OPTIMISER, ROLE_STATE, ROLE_QUEUE, ROLE_COUNTER } StateRole;
typedef struct ProgramState {
    /* The key in a checkpoint: "online.trunk.conv1.K", "optimiser.online.trunk.conv1.K.v", "Q",
     * "Q.head". */
    const char *name;
    StateRole role;
    GType type;
    int rank;
    int64_t shape[GRAPH_MAX_RANK];
    Span span;
    const char *origin; /* for a copy: the state that it starts as; NULL: the state is no copy */
} ProgramState;

#endif
