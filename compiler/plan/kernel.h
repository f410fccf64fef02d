/* Kernels: what a graph becomes before any back end sees it. A kernel does the work of a node, or
 * of several nodes over one space, in tiles that write disjoint memory. schedule() says which
 * kernels there are, in which order, and what each reads. Nothing here knows LLVM or OpenCL. */
#ifndef COUPLET_COMPILER_PLAN_KERNEL_H
#define COUPLET_COMPILER_PLAN_KERNEL_H

#include "compiler/graph/graph.h"
#include "runtime/abi.h"

enum {
    MAX_KERNEL_OPERANDS = COUPLET_MAX_KERNEL_BUFFERS - 2,
    SYMBOL_BYTES = 36,
    MOST_TOGETHER = 12 /* nodes in a kernel */
};

typedef enum {
    KERNEL_COMPUTE,
    KERNEL_TOPK,
    /* a library call: couplet_call in the runtime. Its first operand is a table of the call and its
       sizes */
    KERNEL_CALL,
    KERNEL_ORDER,           /* an argsort or a select that the device does itself */
    KERNEL_PACK,            /* the vector operand of a contraction, in panels */
    KERNEL_PRODUCT,         /* the contraction itself */
    KERNEL_GATHER_PARTIALS, /* adds the parts of a split contraction in their order */
    KERNEL_SWEEP,           /* a pass over an array of pairs, tile by tile */
    KERNEL_SWEEP_JOIN,      /* joins the parts of one sink of a sweep in their order */
    KERNEL_BUCKET_SORT,     /* lists the members of every key (bucket.h) */
    KERNEL_BUCKET           /* reduces each key's members */
} KernelKind;
enum { KERNEL_KINDS = KERNEL_BUCKET + 1 };

struct Arguments;
struct Contraction;
struct Sweep;
struct Bucket;

/* The members that a kind of kernel has beside the head that all kinds share (Kernel.as). */
typedef enum {
    FORM_NONE, /* nothing: TOPK, CALL, ORDER */
    FORM_COMPUTE,
    FORM_CONTRACTION,
    FORM_SWEEP,
    FORM_BUCKET
} KernelForm;

typedef struct ComputeKernel {
    /* The nodes that are done in the same tiles, after Kernel.node and in this order
     * (together.h). */
    GNode *beside[MOST_TOGETHER - 1];
    int beside_count;
    /* The arguments whose table is the first operand (arguments.h). NULL: all sizes and constants
     * are in the code. */
    const struct Arguments *arguments;
    /* The operand whose memory the result of Kernel.node takes, element by element (in place), or
     * NULL (placement.c). */
    const GNode *over;
} ComputeKernel;

typedef struct SweepKernel {
    const struct Sweep *sweep;
    int sink; /* SWEEP_JOIN: the number of the sink */
} SweepKernel;

typedef struct BucketKernel {
    const struct Bucket *bucket;
    int sorted; /* BUCKET: the operand that holds the lists */
} BucketKernel;

/* A kernel, with the buffers that it reads and writes. A node stands for its buffer. A buffer that
 * belongs to no node of the graph (packed panels, tables, partial sums) has a node of its own in
 * KernelList.extra. The last `output_count` operands are written; a COMPUTE kernel has one for each
 * of its nodes, in their order. */
typedef struct Kernel {
    KernelKind kind;
    Graph *graph;
    const GNode *node;
    /* The member that kernel_form names. Code that serves several kinds asks the functions below,
     * which look at the kind first. */
    union {
        ComputeKernel compute;
        const struct Contraction *contraction;
        SweepKernel sweep;
        BucketKernel bucket;
    } as;
    char symbol[SYMBOL_BYTES];
    /* Tiles of one round write disjoint memory; rounds follow each other. 0 rounds are one. */
    int64_t tiles, rounds;
    bool late; /* everything that the kernel makes can wait for the end of the step */
    /* The launch that the kernel belongs to: the first and the last kernel of it, by their places
     * in the list (abreast.h). */
    int first, last;
    const GNode *operands[MAX_KERNEL_OPERANDS + 1];
    int operand_count, output_count;
} Kernel;

/* A buffer that belongs to no node of the graph. Its own node is GN_CONST for a table, and
 * GN_COMPUTE without a formula for anything else. plan_make gives it an id behind the graph's. */
typedef struct ExtraBuffer {
    GNode *node;
    const int32_t *entries; /* of a table, else NULL */
} ExtraBuffer;

KernelForm kernel_form(KernelKind kind);
/* Return the kernel's contraction, sweep, segment reduction or arguments; NULL if a kernel of its
 * kind has none. */
const struct Contraction *kernel_contraction(const Kernel *kernel);
const struct Sweep *kernel_sweep(const Kernel *kernel);
const struct Bucket *kernel_bucket(const Kernel *kernel);
const struct Arguments *kernel_arguments(const Kernel *kernel);
/* The operand that the result is written over, or NULL. */
const GNode *kernel_over(const Kernel *kernel);
/* The nodes that the kernel does: one, and for COMPUTE those beside it, in their order. */
int kernel_node_count(const Kernel *kernel);
const GNode *kernel_node(const Kernel *kernel, int number);

typedef struct KernelList {
    ARRAY(Kernel) items;
    ARRAY(ExtraBuffer) extra;
} KernelList;

/* The demands of a back end on its kernels. Contractions are either blocked for vector registers,
 * with a packed operand, or cut into tiles whose operands are read where they lie. */
typedef struct PlanTarget {
    const char *name;  /* part of the plan's hash */
    int64_t alignment; /* the alignment of buffers in the arena, in bytes */
    int64_t lanes;     /* floats in a vector register; 0: tiles */
    int64_t tile;      /* rows and columns of a sweep's tile */
    bool wide_tiles;   /* contractions: a work-item has registers for more than 16 sums */
    bool has_products; /* a library does plain matrix products */
    /* the back end has code for KERNEL_SWEEP; else streamed arrays are stored like any other */
    bool sweeps;
    /* The longest row that the device puts in order itself; longer ones are library calls. 0: all
     * are. */
    int64_t order;
    /* Measured cuts of contractions; NULL: the model of costs decides alone. */
    const struct Tuning *tuning;
    /* the back end has kernels for reductions by key; else each key looks at every term */
    bool buckets;
    bool sends_inputs; /* inputs are copied into the arena on the device before the first step */
    bool arguments; /* kernels of one form share code and read sizes and constants from a table */
    bool together;  /* a kernel may do several nodes */
    bool abreast;   /* a launch may be several kernels */
} PlanTarget;

/* Makes the kernels of a graph in the order in which they run. False with a sentence when a node
 * cannot be compiled, because it has too many operands. */
bool schedule(Arena *arena, Graph *graph, const PlanTarget *target, KernelList *kernels,
              const char **error);
/* True if the node adds what ranks have made, so that its kernel stands alone. */
bool kernel_combines(const Graph *g, const GNode *node);
/* Gives a kernel its symbol, which is a hash of everything that its code depends on. */
void sign_kernel(Arena *arena, Kernel *kernel);

/* ---- the loops of a compute node ------------------------------------------------------------- */

/* Collapses loops: adjacent axes that every read and the output walk as one become one loop, in the
 * place of the last of them. The others get one turn. `extents` has an entry for each index of the
 * node. */
void compute_collapse_axes(const GNode *node, int64_t *extents);
/* The number of collapsed axes that make tiles; the others are loops inside a tile. A single axis
 * that is long is cut into chunks of *chunk turns, which is 0 if none is. Where the settings have
 * shards, each shard of the axis has whole chunks. */
int compute_tile_axes(const GNode *node, const int64_t *extents, const GraphSettings *settings,
                      int64_t *chunk);
int64_t compute_tiles(const GNode *node, const GraphSettings *settings);
/* The bytes of a worker's scratch that totals take: a double for each column of a tile, for each
 * node that may go down the columns (compiler/cpu/emit_columns.c). */
int64_t compute_column_totals(const Kernel *kernel);

#endif
