/* Kernels: the pieces of work that a graph becomes before any back end sees it. A kernel does the
 * work of one node, or of several nodes over one space, in tiles that write disjoint memory. The
 * function schedule lists the kernels in their order, with what each reads. Nothing here depends on
 * LLVM or OpenCL. */
#ifndef COUPLET_COMPILER_PLAN_KERNEL_H
#define COUPLET_COMPILER_PLAN_KERNEL_H

#include "compiler/graph/graph.h"
#include "runtime/abi.h"

enum {
    MAX_KERNEL_OPERANDS = COUPLET_MAX_KERNEL_BUFFERS - 2,
    SYMBOL_BYTES = 36,
    MOST_TOGETHER = 12 /* the most nodes in a kernel */
};

typedef enum {
    KERNEL_COMPUTE,
    KERNEL_TOPK,
    /* A library call: couplet_call in the runtime. The first operand is a table of the call and its
     * sizes. */
    KERNEL_CALL,
    KERNEL_ORDER,           /* an argsort or a select that the device does by itself */
    KERNEL_PACK,            /* copies the vector operand of a contraction into panels */
    KERNEL_PRODUCT,         /* the contraction itself */
    KERNEL_GATHER_PARTIALS, /* adds the parts of a contraction whose k is split, in their order */
    KERNEL_SWEEP,           /* a pass over an array of pairs, tile by tile */
    KERNEL_SWEEP_JOIN,      /* joins the parts of one sink of a sweep, in their order */
    KERNEL_BUCKET_SORT,     /* lists the members of every key (bucket.h) */
    KERNEL_BUCKET           /* reduces each key's members */
} KernelKind;
enum { KERNEL_KINDS = KERNEL_BUCKET + 1 };

struct Arguments;
struct Contraction;
struct Sweep;
struct Bucket;

/* The form of a kernel: which member of Kernel.as its kind has. */
typedef enum {
    FORM_NONE, /* no member: TOPK, CALL, ORDER */
    FORM_COMPUTE,
    FORM_CONTRACTION,
    FORM_SWEEP,
    FORM_BUCKET
} KernelForm;

typedef struct ComputeKernel {
    /* The nodes that are computed in the same tiles, after Kernel.node and in this order
     * (together.h). */
    GNode *beside[MOST_TOGETHER - 1];
    int beside_count;
    /* The arguments whose table is the first operand (arguments.h). NULL: all sizes and constants
     * are in the code. */
    const struct Arguments *arguments;
    /* The operand whose memory the result of Kernel.node takes, element by element (in place).
     * NULL: none (placement.c). */
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
    /* The kernel's member, by its form (kernel_form). Code that serves several kinds asks the
     * functions below, which check the form. */
    union {
        ComputeKernel compute;
        const struct Contraction *contraction;
        SweepKernel sweep;
        BucketKernel bucket;
    } as;
    char symbol[SYMBOL_BYTES];
    /* The tiles of one round write disjoint memory, and rounds follow each other. 0 rounds count as
     * one. */
    int64_t tiles;
    int64_t rounds;
    bool late; /* all results of the kernel can wait for the end of the step */
    /* The first and the last kernel of the launch that this kernel belongs to, as positions in the
     * list (abreast.h). */
    int first;
    int last;
    const GNode *operands[MAX_KERNEL_OPERANDS + 1];
    int operand_count;
    int output_count;
} Kernel;

/* A buffer that belongs to no node of the graph. Its own node is a GN_CONST for a table, and a
 * GN_COMPUTE without a formula for anything else. plan_make gives the node an id behind those of
 * the graph. */
typedef struct ExtraBuffer {
    GNode *node;
    const int32_t *entries; /* the entries of a table; NULL: no table */
} ExtraBuffer;

/* Return the kernel's contraction, sweep, segment reduction or arguments; NULL if a kernel of its
 * kind has none. */
const struct Contraction *kernel_contraction(const Kernel *kernel);
const struct Sweep *kernel_sweep(const Kernel *kernel);
const struct Bucket *kernel_bucket(const Kernel *kernel);
const struct Arguments *kernel_arguments(const Kernel *kernel);
/* Returns the operand that the result is written over, or NULL. */
const GNode *kernel_over(const Kernel *kernel);
/* Return the number of nodes that the kernel computes, and each of them. A COMPUTE kernel has its
 * first node and those beside it, in their order; any other kernel has one node. */
int kernel_node_count(const Kernel *kernel);
const GNode *kernel_node(const Kernel *kernel, int number);

typedef struct KernelList {
    ARRAY(Kernel) items;
    ARRAY(ExtraBuffer) extra;
} KernelList;

/* The demands of a back end on its kernels. Contractions are either blocked for vector registers,
 * with a packed operand, or cut into tiles that read their operands in place. */
typedef struct PlanTarget {
    const char *name;  /* the back end's name, which is part of the plan's hash */
    int64_t alignment; /* the alignment of buffers in the arena, in bytes */
    int64_t lanes;     /* floats in a vector register; 0: the target works in tiles */
    int64_t tile;      /* the rows and columns of a sweep's tile */
    bool wide_tiles;   /* contractions: the registers of a work-item hold more than 16 sums */
    bool has_products; /* a library computes plain matrix products */
    /* The back end has code for KERNEL_SWEEP. Without it, streamed arrays are stored like any
     * other. */
    bool sweeps;
    /* The longest row that the device sorts by itself; a library call sorts longer rows. 0: library
     * calls sort all rows. */
    int64_t order;
    /* Measured cuts of contractions; NULL: the model of costs decides alone. */
    const struct Tuning *tuning;
    /* The back end has kernels for segment reductions. Without them, each key looks at every
     * term. */
    bool buckets;
    bool sends_inputs; /* inputs are copied into the arena on the device, before the first step */
    /* Kernels of one form share their code, and read sizes and constants from a table. */
    bool arguments;
    bool together; /* a kernel may compute several nodes */
    bool abreast;  /* a launch may consist of several kernels */
} PlanTarget;

/* Makes the kernels of a graph in the order in which they run. Returns false, with a sentence in
 * *error, if a node has too many operands to be compiled. */
bool schedule(Arena *arena, Graph *graph, const PlanTarget *target, KernelList *kernels,
              const char **error);
/* True if the node adds results of several ranks. Such a node has a kernel of its own. */
bool kernel_combines(const Graph *g, const GNode *node);
/* Sets the kernel's symbol, which is a hash of everything that its code depends on. */
void sign_kernel(Arena *arena, Kernel *kernel);

/* ---- the loops of a compute node ------------------------------------------------------------- */

/* Collapses loops: adjacent axes that every read and the output walk as one become a single loop,
 * at the last of these axes. The other axes get one turn. `extents` has an entry for each index of
 * the node. */
void compute_collapse_axes(const GNode *node, int64_t *extents);
/* Returns the number of collapsed axes that make tiles; the others are loops inside a tile. A long
 * single axis is cut into chunks of *chunk turns; *chunk is 0 if no axis is cut. With shards in the
 * settings, each shard of the axis has whole chunks. */
int compute_tile_axes(const GNode *node, const int64_t *extents, const GraphSettings *settings,
                      int64_t *chunk);
int64_t compute_tiles(const GNode *node, const GraphSettings *settings);
/* Returns the bytes that totals take in a worker's scratch: a double for each column of a tile, for
 * each node that may go down the columns (compiler/cpu/emit_columns.c). */
int64_t compute_column_totals(const Kernel *kernel);

#endif
