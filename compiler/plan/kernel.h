/* Kernels: what a graph becomes before any back end sees it. A kernel does the work of a node, or of several over one space, over a
 * number of tiles that write disjoint memory; schedule() says which kernels there are, in which order, and what each reads. Nothing here knows LLVM or OpenCL. */
#ifndef COUPLET_COMPILER_PLAN_KERNEL_H
#define COUPLET_COMPILER_PLAN_KERNEL_H

#include "compiler/graph/graph.h"
#include "runtime/abi.h"

enum { MAX_KERNEL_OPERANDS = COUPLET_MAX_KERNEL_BUFFERS - 2, SYMBOL_BYTES = 36, MOST_TOGETHER = 12 /* nodes in a kernel */ };

typedef enum {
    KERNEL_COMPUTE,
    KERNEL_TOPK,
    KERNEL_CALL,    /* a library call: couplet_call in the runtime; its first operand is a table of the call and its sizes */
    KERNEL_ORDER,   /* positions of rows in order: an argsort or select that the device does itself */
    KERNEL_PACK,    /* the vector operand of a contraction, in panels */
    KERNEL_PRODUCT, /* the contraction itself */
    KERNEL_GATHER_PARTIALS, /* adds the parts of a split contraction, in order */
    KERNEL_SWEEP, /* a pass over an array of pairs, tile by tile */
    KERNEL_SWEEP_JOIN, /* puts the parts of one of its sinks together, in order */
    KERNEL_BUCKET_SORT, /* lists the members of every key (bucket.h) */
    KERNEL_BUCKET       /* reduces each key's members */
} KernelKind;

struct Arguments;
struct Contraction;
struct Sweep;
struct Bucket;

/* One kernel: what buffers[i] points to; the last `output_count` are written, of a COMPUTE one for each node, in their order. Nodes stand for their buffers; a buffer that belongs to no node of
 * the graph (packed panels, tables, partial sums) has one of its own, in KernelList.extra. */
typedef struct Kernel {
    KernelKind kind;
    Graph *graph;
    const GNode *node;
    GNode *beside[MOST_TOGETHER - 1]; /* COMPUTE: nodes done in the same tiles, after `node` and in this order (together.h) */
    int beside_count;
    const struct Contraction *contraction;
    const struct Sweep *sweep;
    const struct Bucket *bucket;
    const struct Arguments *arguments; /* COMPUTE: its first operand is their table (arguments.h); NULL: all is in the code */
    const GNode *over; /* COMPUTE: the operand whose memory the result of `node` takes, element by element; NULL: none (place.c) */
    int sorted; /* BUCKET: the operand that holds the lists */
    int sink;   /* SWEEP_JOIN: which one */
    char symbol[SYMBOL_BYTES];
    int64_t tiles, rounds; /* tiles of one round write disjoint memory; rounds follow each other (0: one) */
    bool late;       /* all that it makes can wait for the end of the step */
    int first, last; /* of the kernels that go abreast with it (abreast.h), it among them, by place in the list */
    const GNode *operands[MAX_KERNEL_OPERANDS + 1];
    int operand_count, output_count;
} Kernel;

typedef struct KernelList {
    ARRAY(Kernel) items;
    ARRAY(GNode *) extra; /* tables are GN_CONST, their int32 data in aux; the others GN_COMPUTE without a formula */
} KernelList;

/* What a back end asks of its kernels. Contractions are either blocked for vector registers, with a packed operand, or cut into tiles
 * whose operands are read where they lie. */
typedef struct PlanTarget {
    const char *name;  /* part of the plan's hash */
    int64_t alignment; /* of buffers in the arena, in bytes */
    int64_t lanes;     /* floats in a vector register; 0: tiles */
    int64_t tile;      /* rows and columns of a sweep's tile */
    bool wide_tiles;   /* contractions: a work-item has registers for more than 16 sums */
    bool has_products; /* a library does plain matrix products */
    bool sweeps;   /* has code for KERNEL_SWEEP; without it, streamed arrays are stored like any other */
    int64_t order; /* positions in a row that it puts in order itself; with more it is a call, and 0: always */
    const struct Tuning *tuning; /* how contractions are cut, where it was measured; NULL: by the model of costs alone */
    bool buckets;  /* it has kernels for reductions by key; without, they are sweeps */
    bool sends_inputs; /* inputs are copied to the device before the first step, into the arena */
    bool arguments; /* kernels that differ only in sizes and constants are one, and take these from a table */
    bool together;  /* a kernel may do several nodes */
    bool abreast;   /* a launch may be several kernels */
} PlanTarget;

/* False with a sentence when a node cannot be compiled (too many operands). */
bool schedule(Arena *arena, Graph *graph, const PlanTarget *target, KernelList *kernels, const char **error);
void sign_kernel(Arena *arena, Kernel *kernel);

/* ---- the loops of a compute node ------------------------------------------------------------------------------ */

/* Collapsed loop extents: adjacent axes that every read and the output walk as one become one loop, whose index takes the last axis's
 * place; the others have one turn. `extents` has an entry for each index of the node. */
void collapse_axes(const GNode *node, int64_t *extents);
/* How many of the collapsed axes make tiles, the others being loops inside one. A single axis that is long is cut into chunks of *chunk (else 0). */
int tile_axes(const GNode *node, const int64_t *extents, int64_t *chunk);
int64_t compute_tiles(const GNode *node);
/* Bytes of a worker's scratch: a total in double for each column of a tile, for each node that may go down the columns (compiler/cpu/columns.c). */
int64_t column_totals(const Kernel *kernel);
/* Node number i of a COMPUTE kernel. */
static inline const GNode *kernel_node(const Kernel *kernel, int i) { return i == 0 ? kernel->node : kernel->beside[i - 1]; }

#endif
