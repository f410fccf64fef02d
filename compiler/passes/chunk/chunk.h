/* A batch in parts: what the files of the chunk pass share. chunk.c says what becomes of a step, find.c which of its nodes are taken in blocks, build.c makes
 * the new ones. */
#ifndef COUPLET_COMPILER_PASSES_CHUNK_H
#define COUPLET_COMPILER_PASSES_CHUNK_H

#include "compiler/graph/loads.h"

typedef enum {
    FORM_WHOLE,
    FORM_GIVEN,  /* whole, and its samples are known: inputs of the step, and what whole work leaves for each sample */
    FORM_BLOCKS, /* made block by block */
    FORM_SUM     /* over samples: a sum for each block, added up */
} Form;

typedef struct Part {
    GNode *node;
    Form form;
    bool rigid;    /* stays as it is: a call, or made tile by tile */
    bool depends;  /* on samples, in another way than an input does */
    bool is_after; /* on what mixes samples: it cannot be made in the first loop */
    bool is_late;  /* nothing but the end of the step depends on it */
    bool is_kept;  /* an output, or a commit */
    bool is_cut;   /* made in the first loop, and read whole */
    int index;     /* of the node: the samples' */
    int64_t blocks;
    ARRAY(int) operands, users;
    ComputeSpec *opened;   /* by block: its formula, once the index and the number of blocks are found */
    GNode **made, **again; /* by block: in the loop that it belongs to; once more, in the second one */
    GNode **slices[2];     /* by block: copies out of the whole array, for each loop */
    GNode **sums;          /* by chunk: all up to it */
    GNode *now;            /* whole */
} Part;

typedef struct Chunk {
    Graph *g;
    Arena *scratch; /* of the lists that a look at a formula makes */
    int64_t chunks;
    int count;
    Part *parts;   /* by position */
    int *position; /* by node id */
    uint32_t ids;
    bool second; /* the loop that blocks are being made for */
    ARRAY(GNode *) order;
} Chunk;

static inline Part *part_of(const Chunk *c, const GNode *n) { return &c->parts[c->position[n->id]]; }
/* Whether it is known where its samples are. */
static inline bool has_samples(const Part *p) { return p->form == FORM_BLOCKS || p->form == FORM_GIVEN; }
static inline bool in_second_loop(const Part *p) { return p->is_after && (p->form == FORM_BLOCKS || p->form == FORM_SUM); }
/* Of the samples' index. */
static inline int64_t block_size(const Part *p) { return graph_extent(p->node, p->index) / p->blocks; }

/* ---- blocks.c ---- */

/* The node's formula for one block: with the index of its samples held within it. */
ComputeSpec open_block(Chunk *c, const Part *p, int64_t block);
/* The block of its array that a read in such a formula stays in; -1: there is none. */
int64_t block_read(Chunk *c, const GExpr *load);
/* Whether the node can be made in p->blocks blocks along p->index: arrays in blocks are read in blocks of the same chunk, and at least one read says where
 * the samples are. */
bool fits(Chunk *c, Part *p);

/* find.c: the form of every node; what mixes the samples goes into graph->mix. */
void find_forms(Chunk *c);

/* build.c: the nodes of the new graph, its outputs and commits, and their order. */
void build_chunks(Chunk *c);

#endif
