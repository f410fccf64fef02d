/* Microbatches: what the files of the chunk pass share. chunk.c says what becomes of a step,
 * per_sample.c which of its nodes are taken in blocks, and build.c makes the new nodes. */
#ifndef COUPLET_COMPILER_PASSES_CHUNK_H
#define COUPLET_COMPILER_PASSES_CHUNK_H

#include "compiler/graph/loads.h"

typedef enum {
    FORM_WHOLE,
    /* The whole array, with a known axis of samples: an input, or the result of whole work for each
     * sample. */
    FORM_GIVEN,
    FORM_BLOCKS, /* the array is made block by block */
    FORM_SUM     /* the array is a sum over samples: each block has a sum, and the sums are added */
} Form;

typedef struct Part {
    GNode *node;
    Form form;
    bool rigid;   /* the node stays as it is, because it is a call or is made tile by tile */
    bool depends; /* the array depends on samples, and is not itself a field of them */
    /* The array depends on a formula that mixes samples, so the first loop cannot make it. */
    bool is_after;
    bool is_late; /* only the end of the step depends on it */
    bool is_kept; /* the array is an output or a commit */
    bool is_cut;  /* the first loop makes it in blocks, and some reader wants it whole */
    int index;    /* the node's index that runs over samples */
    int64_t blocks;
    ARRAY(int) operands, users;
    /* By block: the formula, once the index and the number of blocks are known. */
    ComputeSpec *opened;
    /* By block: the node in its own loop, and its copy in the second loop. */
    GNode **made;
    GNode **again;
    GNode **slices[2]; /* by block: copies of its part of the whole array, for each loop */
    GNode **sums;      /* by microbatch: the sum of all blocks up to it */
    GNode *now;        /* the node that has the whole array */
} Part;

typedef struct Chunk {
    Graph *g;
    Arena *scratch; /* the arena for lists that are needed while one formula is looked at */
    int64_t chunks;
    int count;
    Part *parts;   /* by position */
    int *position; /* by the id of a node */
    uint32_t ids;
    bool second; /* the loop that blocks are being made for */
    ARRAY(GNode *) order;
} Chunk;

static inline Part *part_of(const Chunk *c, const GNode *n) {
    return &c->parts[c->position[n->id]];
}
/* True if the axis of samples is known. */
static inline bool has_samples(const Part *p) {
    return p->form == FORM_BLOCKS || p->form == FORM_GIVEN;
}
static inline bool in_second_loop(const Part *p) {
    return p->is_after && (p->form == FORM_BLOCKS || p->form == FORM_SUM);
}
/* Returns the extent of the index of samples in one block. */
static inline int64_t block_size(const Part *p) {
    return graph_extent(p->node, p->index) / p->blocks;
}

/* ---- blocks.c ---- */

/* Returns the node's formula for one block, with the index of its samples held within the block. */
ComputeSpec chunk_open_block(Chunk *c, const Part *p, int64_t block);
/* Returns the block in which a read of such a formula stays, or -1 if it stays in none. */
int64_t chunk_block_read(Chunk *c, const GExpr *load);
/* True if the node can be made in p->blocks blocks along p->index. Arrays in blocks must be read in
 * blocks of the same chunk, and at least one read must say where the samples are. */
bool chunk_fits(Chunk *c, Part *p);

/* per_sample.c: finds the form of every node. What mixes the samples goes into graph->mix. */
void chunk_find_forms(Chunk *c);

/* build.c: makes the nodes of the new graph, its outputs and commits, and their order. */
void build_chunks(Chunk *c);

#endif
