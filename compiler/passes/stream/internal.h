/* What the files of the stream pass share.
 *
 *     stream.c   the pass: which products are worth it, in order
 *     unstack.c  arrays of pairs with a third, short axis: taken apart along it
 *     operands.c rows of a product that are no plain rows of an array
 *     find.c     every user of a product, and whether tiles serve it
 *     cost.c     of those that tiles serve, which are faster stored, and for which of them there is room
 *     unfold.c   users rewritten to sinks of the streamed product (compiler/graph/pairs.h)
 *     hoist.c    what a tile need not compute: parts that read one index of the pair
 *     strips.c   what wants whole rows of a product
 *     scatter.c  what few chosen places send back
 *     merge.c    weighted sums of the same rows become one */
#ifndef COUPLET_COMPILER_PASSES_STREAM_INTERNAL_H
#define COUPLET_COMPILER_PASSES_STREAM_INTERNAL_H

#include "compiler/graph/pairs.h"
#include "compiler/passes/passes.h"

enum { MOST_ROOTS = 64 };

/* A product that may be streamed. */
typedef struct Root {
    GNode *node;
    PairProduct product;
    int mirror; /* an earlier root whose transpose this is; -1: none */
    const char *refusal;
    Span where;
    bool kept;  /* tiles could serve it; it is faster stored, and there is room */
    struct Cost {
        int passes;              /* sweeps over it */
        double streamed, stored; /* milliseconds */
        int64_t bytes;           /* stored, with what is made of it */
    } cost;
} Root;

/* How a node uses products, or elements made of them. */
typedef enum {
    USE_NONE,
    USE_GATHER,  /* at few chosen places only */
    USE_PLACES,  /* the same, for an array of pairs that says where they are: that is no element of the product */
    USE_ELEMENT, /* element by element: of the tile too */
    USE_SINK,    /* a statistic of rows or columns */
    USE_WEIGHTS, /* weights of a sum of rows */
    USE_TOTAL,   /* reduced over both indices */
    USE_ROWS     /* whole rows of it are wanted: they are stored a strip at a time */
} Use;

typedef struct Stream {
    Graph *g;
    int root_count;
    Root roots[MOST_ROOTS];
    uint32_t ids;
    uint64_t *made_of; /* by node id: the roots that a root or an element is made of, a bit for each; 0: it is neither */
    Use *use;          /* by node id */
    int *own;          /* by node id, of a weighted sum: the output's axis that is the pair's */
    int *root_of;      /* by node id; -1 */
} Stream;

void stream_find(Stream *s);
void stream_choose(Stream *s);
void stream_unfold(Stream *s);
void stream_merge(Graph *g);

/* Bytes from which on a product is looked at. */
int64_t stream_threshold(const Graph *g);
void stream_unstack(Graph *g, int64_t threshold);
/* A reduction over one short index as an expression of its terms. False when it is none; then nothing is changed. */
bool stream_join_terms(Graph *g, ComputeSpec *spec);
/* A NodeVisit: the product with operands of its own, where it needs them. */
GNode *stream_own_operands(Graph *g, GNode *node);

/* Whether a node wants whole rows and makes few results of them; the same results from strips of rows, of elements as `element` makes them. */
bool stream_takes_rows(const GNode *node);
GNode *stream_in_strips(Graph *g, const GNode *node, const ComputeSpec *element);
/* Turns a sum over few places that a guard picks, or whether a pair is one of them, into an expression of the pair. False when it is none; then nothing is changed. */
bool stream_scatter(Graph *g, ComputeSpec *spec);
bool stream_is_scatter(Graph *g, const GNode *node);
/* What wants whole rows of an array that is made of elements alone, no product among them, gets them in strips as well. */
void stream_elements_in_strips(Graph *g);
/* The expression with every read of a streamed product as a product of its own over the indices read. */
const GExpr *stream_ungather_all(Graph *g, const GExpr *expr);

/* A pair expression with its parts that read one of the two indices (or none) replaced by reads of nodes of their own. `guarded`: it is evaluated
 * only where a guard holds, so a part that may fault must stay where it is. */
const GExpr *stream_hoist(Graph *g, const GExpr *expr, const GExpr *own, const GExpr *other, bool guarded, Span span);

bool reads_index(Graph *g, const GExpr *expr, const GExpr *index);

#endif
