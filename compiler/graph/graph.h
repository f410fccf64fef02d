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
typedef enum {
    GT_REAL,
    GT_INT,
    GT_BOOL,
    GT_U8,
} GType;

enum {
    GRAPH_MAX_RANK = MOST_AXES,
    GRAPH_MAX_INDICES = 2 * MOST_AXES, /* the indices of a node: its axes and the reduced ones */
    /* The free indices of an expression: those that lowering has open, and the axes that work
     * element by element adds. */
    GRAPH_MAX_FREE = MOST_OPEN_INDICES + 4 * MOST_AXES
};

/* The operations of scalar expressions: one for each row of compiler/graph/scalars.def. */
typedef enum {
    G_CONST, /* a real, an integer or a truth value */
    G_INDEX, /* index number `index`; graph_index_extent has the extent of a fresh one */
    /* tensor [ args ]. If `has_else`, the last argument is the value of a read outside the array;
     * else no read may be outside. */
    G_LOAD,
    /* A uniform number in [0, 1) of 24 bits. The arguments are ints: site, element, and lane 0..3.
     * The number depends on seed, step, site, element and lane alone (Philox 4x32-10,
     * runtime/random.h). Seed and step are read from the graph's run scalars. */
    G_RANDOM,
#define SCALAR(name, ...) G_##name,
#include "compiler/graph/scalars.def"
#undef SCALAR
    G_OP_COUNT
} GOp;

/* The place of a formula in the text, with the call that led there. A line of the library says
 * little without the line that called it. */
typedef struct GPlace {
    Span span;
    /* The call of the function that holds the formula; NULL: the method holds it. */
    const struct GPlace *call;
    /* The expression is the slope of the formula at this place, made by differentiation. */
    bool is_slope;
} GPlace;

/* The parts of the largest expression that is walked as a tree (expr_is_small_tree). */
enum { EXPR_LARGEST_TREE = 256 };

typedef struct GNode GNode;
typedef struct GExpr GExpr;
struct GExpr {
    GOp op;
    GType type;
    uint32_t id;     /* unique in the graph; an argument has a lower id than its users */
    int depth;       /* the number of nested expressions, itself among them */
    double real;     /* G_CONST of GT_REAL */
    int64_t integer; /* G_CONST of GT_INT, GT_BOOL */
    int index;       /* G_INDEX */
    GNode *tensor;   /* G_LOAD */
    bool has_else;   /* G_LOAD */
    /* The parts of the expression as a tree, in which shared parts count at every use; at most one
     * more than EXPR_LARGEST_TREE. */
    uint16_t tree_size;
    int arg_count;
    const GExpr *args[GRAPH_MAX_RANK + 1];
    /* The place of the first formula that asked for the expression, for messages. Equal expressions
     * are one, so other places may have it too. NULL: unknown. */
    const GPlace *place;
};

/* The reducers: one for each row of compiler/graph/reducers.def. */
typedef enum {
#define REDUCER(name, ...) GR_##name,
#include "compiler/graph/reducers.def"
#undef REDUCER
    GRAPH_REDUCERS
} GReducer;

typedef enum {
    /* An array that the caller hands over at each run: data, run scalars (step, seed, hypers). */
    GN_INPUT,
    /* A named array that outlives the step: a parameter, a running statistic, a queue. The node
     * only reads it; an entry of graph->commits renews it. */
    GN_STATE,
    GN_CONST, /* an array of constants */
    GN_COMPUTE,
    /* The positions of the R largest entries along the last axis, operand[.., J] real -> int[..,
     * R], in descending order. Of equal entries the lower position comes first. An entry that a
     * guard excludes is -inf. Fewer than R entries above -inf are a run-time error. */
    GN_TOPK,
    /* A library call (runtime/calls.def). The last axes of an operand make a row, and the axes
     * before them count the rows. */
    GN_CALL,
    GN_STOP /* the gradient ends here; the pass differentiate removes the node */
} GNodeKind;

struct GNode {
    GNodeKind kind;
    uint32_t id; /* the number of the node in the order of creation */
    /* The key of an input or a state. For any other node, its name in the source, for printing, or
     * NULL. */
    const char *name;
    GType type;
    int rank; /* the axes of the result */
    int64_t shape[GRAPH_MAX_RANK];
    Span span; /* the formula that the node came from; spans survive every pass */
    /* By index: its name in the source, or NULL. The whole array may be NULL. */
    const char *const *index_names;
    bool holds_infinity; /* for an input whose entries are known: some are infinite */
    /* compute */
    GReducer reducer;
    int red_rank;
    int64_t red_shape[GRAPH_MAX_RANK];
    const GExpr *guard;  /* a condition over all indices; NULL: it always holds */
    const GExpr *active; /* a condition over the output's indices; NULL: it always holds */
    const GExpr *value;
    /* A result without a term is a run-time error, as in a mean with a guard, which asks this of
     * its count. If false, such a result is 0 (SUM, ARGMAX, ARGMIN), -inf (LSE, MAX) or +inf (MIN).
     * ANY, ALL and PROD are never an error. */
    bool empty_is_error;
    /* Above 0: the node repeats an earlier node, whose result then need not be kept
     * (rematerialisation). It is scheduled right ahead of its reader. The number tells repetitions
     * apart. */
    int again;
    /* The result is computed tile by tile where it is used, and never stored whole (pairs.h). The
     * mark does not change its value. */
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

/* How a commit renews a state. ASSIGN replaces it. PUSH writes the rows of the value at the head of
 * a queue, which is a ring. ROWS sets state[rows[i]] = value[i] for each i in order. */
typedef enum {
    COMMIT_ASSIGN,
    COMMIT_PUSH,
    COMMIT_ROWS,
} CommitKind;
typedef struct GCommit {
    CommitKind kind;
    GNode *state;
    GNode *value;
    GNode *rows;
    GNode *head; /* PUSH: the state "<queue>.head", an int */
    GNode *fill; /* PUSH: the state "<queue>.fill", an int */
} GCommit;

typedef struct GOutput {
    const char *name;
    GNode *node;
} GOutput;

/* A note of a pass about a formula that it changed. `couplet check --numerics` prints it. */
typedef struct GNote {
    Span span;
    const char *text;
} GNote;

/* The decision of the stream pass about a large array that a contraction makes. `couplet check
 * --memory` prints it. Times are those of the model (compiler/passes/stream/cost.c). */
typedef struct GChoice {
    Span span;
    int rank;
    /* The shape of the array, and the bytes of the array and of the arrays made of it, if all are
     * stored. */
    int64_t shape[GRAPH_MAX_RANK];
    int64_t bytes;
    int passes; /* the number of sweeps over the pairs, if the array is streamed */
    /* Milliseconds of a step; 0: not compared, because there is no choice. */
    double stored;
    double streamed;
    bool is_streamed;
    /* The reason for which the array is stored without room for it, or cannot be streamed. NULL:
     * the faster way was taken. */
    const char *reason;
    Span where; /* the formula that the reason speaks of */
} GChoice;

/* An array that is rematerialised: computed again instead of kept. */
typedef struct GAgain {
    Span span;
    int64_t bytes;
} GAgain;

/* The largest array that stays whole in microbatches, and the formula that causes it because it
 * looks at several samples at a time. */
typedef struct GMix {
    Span span;
    int64_t bytes; /* 0: there is no such array */
} GMix;

/* The limits and choices of passes, from the command line and the budget of memory. */
typedef struct GraphSettings {
    bool no_stream; /* all products of pairs are stored */
    bool no_fuse;   /* every node has a kernel of its own */
    /* The target gives every node a kernel of its own, fused or not (PlanTarget.together is false).
     * So each sum reads memory by itself, even if the sum before it has read the same array. */
    bool apart;
    /* Products of pairs of at least this size are streamed, even if storing is faster. 0: the pass
     * decides. */
    int64_t stream_bytes;
    bool is_bounded; /* `stored_bytes` holds; if false, the pass has a bound of its own */
    /* Above 0: the bytes alive at once. Arrays are rematerialised until about this number is
     * reached. */
    int64_t kept_bytes;
    int64_t chunks; /* above 1: the number of microbatches */
    /* The most bytes that stored products of pairs may take together, where storing is faster. */
    int64_t stored_bytes;
    /* Above 1: a power of two, the number of shards. Steps over samples can then be cut at this
     * many places, for any number of ranks, and sums over samples are a tree with this many
     * leaves. */
    int64_t shards;
    /* For tests: whatever can be cut at shards is cut, in the smallest tiles, whether that is
     * faster or not. So small formulas try what large ones do. */
    bool cut_always;
} GraphSettings;

typedef struct Graph {
    Arena *arena;
    const char *name; /* "init", "step", "embed", ... */
    ARRAY(GNode *) nodes;
    /* The results that the caller reads: "loss", "features", "grad_z" and so on. */
    ARRAY(GOutput) outputs;
    ARRAY(GCommit) commits; /* all commits are done together, after the check for finite values */
    /* The hash of the lowered graph, ahead of the passes that serve a back end. A checkpoint must
     * agree with it, and may go on with another plan, device or budget. */
    uint64_t meaning;
    ARRAY(GNote) notes;
    ARRAY(GChoice) choices;
    ARRAY(GAgain) again;
    /* The number of microbatches; 0: the batch goes through the network as a whole. */
    int64_t chunks;
    GMix mix;
    /* The places of the loss's formulas, which come behind the networks. `couplet check --memory`
     * says what they need. */
    ARRAY(Span) loss;
    GraphSettings settings;
    const GPlace *place;        /* the place that new expressions are given */
    struct GraphTables *tables; /* the tables of hash-consing, private to graph.c */
} Graph;

/* ---- building -------------------------------------------------------------------------------- */
Graph *graph_new(Arena *arena, const char *name);
/* Return an input, or a state. The same name gives the same node. */
GNode *graph_input(Graph *g, const char *name, GType type, int rank, const int64_t *shape,
                   Span span);
GNode *graph_state(Graph *g, const char *name, GType type, int rank, const int64_t *shape,
                   Span span);
GNode *graph_constant(Graph *g, GType type, int rank, const int64_t *shape, const double *data,
                      Span span);
GNode *graph_stop(Graph *g, GNode *operand, Span span);
GNode *graph_topk(Graph *g, GNode *operand, int64_t count, Span span);
/* Returns a library call of real arrays. `count` is the number of entries in a row of the result if
 * the kind of call leaves that open (select), else 0. */
GNode *graph_call(Graph *g, CoupletCallKind call, GNode *const *operands, int64_t count, Span span);
/* Returns the call of `node` with other operands. */
GNode *graph_call_again(Graph *g, const GNode *node, GNode *const *operands);
/* Sets the sizes of a row of a call, and returns the number of rows. */
int64_t graph_call_size(const GNode *node, CoupletCallSize *size);

/* Returns a fresh index of the given extent. It serves in expressions until graph_compute renumbers
 * it. */
const GExpr *graph_fresh_index(Graph *g, int64_t extent);
/* Returns a fresh index with a name for messages, which may be NULL. */
const GExpr *graph_named_index(Graph *g, int64_t extent, const char *name);
int64_t graph_index_extent(Graph *g, const GExpr *fresh);
/* Names the first indices of a node, a call or a top-k, after the given indices. */
void graph_name_indices(Graph *g, GNode *node, const GExpr *const *indices, int count);
/* Returns the name of a fresh index, or NULL. */
const char *graph_index_name(const Graph *g, const GExpr *fresh);

typedef struct ComputeSpec {
    GReducer reducer;
    int out_rank;
    int red_rank;
    const GExpr *out[GRAPH_MAX_RANK]; /* the fresh indices of the output's axes, in order */
    const GExpr *red[GRAPH_MAX_RANK];
    const GExpr *value;
    const GExpr *guard;
    const GExpr *active;
    bool empty_is_error;
    bool streamed;
    int again;
    const char *name;
    Span span;
} ComputeSpec;
/* Makes a compute node, or returns an equal node that exists. Every index in the expressions must
 * be one of out or red. */
GNode *graph_compute(Graph *g, const ComputeSpec *spec);
/* Takes a compute node apart for rewriting. In `spec`, fresh indices stand in place of the node's
 * own. */
void graph_open(Graph *g, const GNode *node, ComputeSpec *spec);

void graph_output(Graph *g, const char *name, GNode *node);
/* Returns the largest id of an expression; ids begin at 1. */
uint32_t graph_expr_count(const Graph *g);

/* Constructors of expressions. They fold constants and apply exact identities: x + 0, x * 1, select
 * on a constant, integer div and mod of known ranges. They never apply an identity that changes a
 * NaN or an infinity. */
const GExpr *gx_real(Graph *g, double value);
const GExpr *gx_int(Graph *g, int64_t value);
const GExpr *gx_bool(Graph *g, bool value);
/* Returns a read. `otherwise` is the value of a read outside the array, or NULL. */
const GExpr *gx_load(Graph *g, GNode *tensor, int count, const GExpr *const *indices,
                     const GExpr *otherwise);
const GExpr *gx_random(Graph *g, int64_t site, const GExpr *element, int lane);
const GExpr *gx_op(Graph *g, GOp op, int count, const GExpr *const *args);
const GExpr *gx1(Graph *g, GOp op, const GExpr *a);
const GExpr *gx2(Graph *g, GOp op, const GExpr *a, const GExpr *b);
const GExpr *gx_select(Graph *g, const GExpr *condition, const GExpr *then, const GExpr *otherwise);
/* Returns the conjunction of two conditions. NULL stands for true, as an argument and as the
 * result. */
const GExpr *gx_and(Graph *g, const GExpr *a, const GExpr *b);

/* Rewrites an expression, each part once. `visit` gets a part whose arguments are rewritten
 * already, and returns its replacement, or the part itself to leave it. */
typedef const GExpr *(*GVisit)(void *context, Graph *g, const GExpr *expr);
const GExpr *gx_rewrite(Graph *g, const GExpr *expr, GVisit visit, void *context);
/* Returns the operation, read or draw of `expr` with other arguments. */
const GExpr *gx_with_args(Graph *g, const GExpr *expr, const GExpr *const *args);
/* Returns the expression with each index from[i] (G_INDEX) replaced by to[i]. */
const GExpr *gx_substitute(Graph *g, const GExpr *expr, int count, const GExpr *const *from,
                           const GExpr *const *to);
/* Collects the distinct fresh indices of an expression in order of first occurrence. Returns their
 * number, at most GRAPH_MAX_FREE. */
int gx_free_indices(Graph *g, const GExpr *expr, const GExpr **indices);
/* Computes an operation on whole numbers and truth values (0, 1). `values` has one for each
 * argument, and at least two. Returns false if the operation is none on these, or divides by 0. */
bool gx_of_ints(GOp op, const int64_t *values, int64_t *out);
/* Converts a whole real to an int of 32 bits. Returns false for a real beyond these, an infinity
 * and a NaN, which stop a run (COUPLET_FAULT_WHOLE); *out is then 0. */
bool gx_to_int(double value, int32_t *out);
/* Returns the quotient rounded towards minus infinity, as div of the language; b is not 0. */
static inline int64_t gx_floor_div(int64_t a, int64_t b) {
    int64_t q = a / b;
    return (a % b != 0 && ((a % b < 0) != (b < 0))) ? q - 1 : q;
}
/* Returns the remainder of gx_floor_div, which is 0 or has the sign of b. */
static inline int64_t gx_floor_mod(int64_t a, int64_t b) {
    return a - b * gx_floor_div(a, b);
}

/* Finds the range of an int expression while indices go over their extents; min and max are among
 * its values or bounds of them. `extents` are those of a node's indices; fresh indices know their
 * own. Returns false if the range depends on data. */
bool gx_range(Graph *g, const GExpr *expr, const int64_t *extents, int64_t *min, int64_t *max);
/* True if 32 bits hold the whole number, whatever the data is. */
bool gx_fits_32_bits(Graph *g, const GExpr *expr, const int64_t *extents);
/* True if for some data an operation on whole numbers, or a sum of them, may exceed the 64 bits
 * that it is computed in, or may divide by 0. A back end then checks each result
 * (COUPLET_FAULT_WHOLE). */
bool gx_may_wrap(Graph *g, const GExpr *expr, const int64_t *extents);
bool gx_sum_may_wrap(Graph *g, const GNode *n);
/* True if 32 bits hold every entry of a compute node of whole numbers, as far as its formula tells.
 * If not, a back end checks the entries as it stores them. */
bool gx_entries_fit(Graph *g, const GNode *n);
/* Returns the price of an operation for one element, in multiply-adds. An operation of price
 * GX_COSTLY or more is an exponential or the like. */
enum { GX_COSTLY = 16 };
int gx_price(GOp op);
/* Returns the condition that an index is inside an axis of this extent, or NULL if it always is. */
const GExpr *gx_inside(Graph *g, const GExpr *index, int64_t extent);
/* Finds the range as gx_range does, and also uses what is known of the entries of arrays: counts,
 * places of a maximum, stored indices. It serves back ends. A formula is not judged by it. */
bool gx_range_of_data(Graph *g, const GExpr *expr, const int64_t *extents, int64_t *min,
                      int64_t *max);

/* ---- text, checks ---------------------------------------------------------------------------- */
/* Prints the text form for --print-after, one line or a few for each node (text.c). */
void graph_print(const Graph *g, FILE *out);
/* Returns the hash of the text form without the places in the source. */
uint64_t graph_hash(const Graph *g);
/* Returns a hash that is equal for graphs which differ in the numbers of their nodes alone. */
uint64_t graph_form_hash(const Graph *g);
/* Reads a graph from its text form. Printed again, the graph gives the same text. Returns NULL
 * after errors, which are in `diag`. */
Graph *graph_read(Arena *arena, Diag *diag, const Source *source);
/* Checks shapes, index numbers, types, order, names, and that loads stay inside where that can be
 * proved. Returns NULL, or the first violation as a sentence. */
const char *graph_verify(const Graph *g);
/* Drops the nodes that no output and no commit reaches, and sorts the rest topologically. */
void graph_prune(Graph *g);
/* Prunes the graph and orders its nodes: those of `first` come first, as they stand, and each is
 * right behind what it reads. */
void graph_arrange(Graph *g, GNode *const *first, int count);
/* True if a kernel computes the node's array. If not, the array comes from outside or is a
 * constant. */
static inline bool node_is_made(const GNode *node) {
    return node->kind == GN_COMPUTE || node->kind == GN_TOPK || node->kind == GN_CALL;
}
static inline bool node_reduces(const GNode *node, GReducer reducer) {
    return node->kind == GN_COMPUTE && node->reducer == reducer;
}
static inline bool node_is_real_sum(const GNode *node) {
    return node_reduces(node, GR_SUM) && node->type == GT_REAL;
}
/* True if every element of the node is computed, of all its terms. */
static inline bool node_is_unconditional(const GNode *node) {
    return !node->guard && !node->active;
}
/* True of a read that may be replaced by the formula of the node that it reads. The node must have
 * this reducer and all of its elements, and the read must stay inside. */
static inline bool gx_reads_all(const GExpr *e, GReducer reducer) {
    return e->op == G_LOAD && !e->has_else && node_reduces(e->tensor, reducer) &&
           !e->tensor->active;
}
/* True if the node is an array of the step's samples, with a row for each. That is so of
 * "train.image" and "train.label", and not of "train.all.image" (runtime/abi.h). */
bool graph_is_batch(const GNode *node);
/* Adds the nodes that an output or a commit reaches to the set (node_set.h). */
struct NodeSet;
void graph_add_reached(Graph *g, struct NodeSet *reached);
/* Returns the largest id of a node, + 1. */
uint32_t graph_node_ids(const Graph *g);
/* Returns the extent of an index of a compute node. The axes of the result come first, then the
 * reduced ones. */
int64_t graph_extent(const GNode *n, int index);
int64_t graph_element_count(const GNode *n);
int64_t graph_bytes(const GNode *n); /* Returns the bytes of the node's array. */

/* A named state. All graphs of a method share the same states. */
typedef enum {
    ROLE_PARAM,
    ROLE_OPTIMISER,
    ROLE_STATE,
    ROLE_QUEUE,
    ROLE_COUNTER,
} StateRole;
typedef struct ProgramState {
    /* The key in a checkpoint, such as "online.trunk.conv1.K", "optimiser.online.trunk.conv1.K.v",
     * "Q" or "Q.head". */
    const char *name;
    StateRole role;
    GType type;
    int rank;
    int64_t shape[GRAPH_MAX_RANK];
    Span span;
    /* For a copy: the state whose value it starts with; NULL: the state is no copy. */
    const char *origin;
} ProgramState;

#endif
