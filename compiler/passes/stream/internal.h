/* What the files of the stream pass share.
 *
 *     stream.c     the pass: which products are worth it, in order
 *     unstack.c    arrays of pairs with a third, short axis: taken apart along it
 *     operands.c   rows of a product that are no plain rows of an array
 *     users.c      every user of a product, and whether tiles serve it
 *     cost.c       which products, of those that tiles serve, are faster stored and have room
 *     unfold.c     users rewritten to sinks of the streamed product (compiler/graph/pairs.h)
 *     invariant.c  parts that read one index of the pair, so that a tile need not compute them
 *     strips.c     nodes that want whole rows of a product
 *     scatter.c    arrays of pairs that a few chosen places of each row make
 *     merge.c      weighted sums of the same rows become one */
#ifndef COUPLET_COMPILER_PASSES_STREAM_INTERNAL_H
#define COUPLET_COMPILER_PASSES_STREAM_INTERNAL_H

#include "compiler/graph/pairs.h"
#include "compiler/passes/passes.h"

enum { MOST_ROOTS = 64 };

/* A product that may be streamed. */
typedef struct Root {
    GNode *node;
    PairProduct product;
    int mirror; /* the number of an earlier root that is its transpose, or -1 */
    /* The reason for which tiles do not serve it, with the formula that causes it in `where`; or
     * NULL. */
    const char *refusal;
    Span where;
    bool kept; /* tiles could serve it, but storing is faster and there is room */
    struct Cost {
        int passes;              /* the number of sweeps over it */
        double streamed, stored; /* milliseconds */
        /* The bytes of the product, and of the arrays made of it, if all are stored. */
        int64_t bytes;
    } cost;
} Root;

/* The ways in which a node uses products, or elements made of them. */
typedef enum {
    USE_NONE,
    USE_GATHER, /* The node reads the product only at a few chosen places. */
    /* The node is an array of pairs made of a few chosen places of each row (scatter.c). Its
     * element consists of comparisons with these places, and not of the product. */
    USE_PLACES,
    USE_ELEMENT, /* The node works element by element, so the tile can contain it too. */
    USE_SINK,    /* The node is a statistic of rows or columns. */
    USE_WEIGHTS, /* The node has the weights of a sum of rows. */
    USE_TOTAL,   /* The node reduces over both indices. */
    USE_ROWS     /* The node wants whole rows, which are stored a strip at a time. */
} Use;

typedef struct Stream {
    Graph *g;
    int root_count;
    Root roots[MOST_ROOTS];
    uint32_t ids;
    /* By the id of a root or an element: the roots that it is made of, a bit for each. 0: the node
     * is neither. */
    uint64_t *made_of;
    Use *use; /* by the id of a node */
    /* By the id of a weighted sum: the axis of the output that is an index of the pair. */
    int *own;
    int *root_of; /* by the id of a node: the number of its root, or -1 */
} Stream;

void stream_find(Stream *s);
void stream_choose(Stream *s);
void stream_unfold(Stream *s);
void stream_merge(Graph *g);

/* Returns the size in bytes from which on a product is looked at. */
int64_t stream_threshold(const Graph *g);
void stream_unstack(Graph *g, int64_t threshold);
/* Turns a reduction over one short index into an expression of its terms. Returns false, and
 * changes nothing, if it is no such reduction. */
bool stream_join_terms(Graph *g, ComputeSpec *spec);
/* A NodeVisit that returns the product with operands of its own, if it needs them. */
GNode *stream_own_operands(Graph *g, GNode *node);

/* stream_takes_rows is true if a node wants whole rows and makes few results of them.
 * stream_in_strips makes these results from strips of rows, whose elements `element` makes. */
bool stream_takes_rows(const GNode *node);
GNode *stream_in_strips(Graph *g, const GNode *node, const ComputeSpec *element);
/* Turns a sum over few places that a guard picks, or the test whether a pair is one of them, into
 * an expression of the pair. Returns false, and changes nothing, if it is neither. */
bool stream_scatter(Graph *g, ComputeSpec *spec);
bool stream_is_scatter(Graph *g, const GNode *node);
/* Gives strips of rows also to nodes that want whole rows of an array made of elements alone,
 * without a product. */
void stream_elements_in_strips(Graph *g);
/* Returns the expression with every read of a streamed product replaced by a product of its own
 * over the indices that are read. */
const GExpr *stream_ungather_all(Graph *g, const GExpr *expr);

/* Replaces, in an expression of a pair, each part that reads one of the two indices (or none) by a
 * read of a node of its own. If `guarded`, the expression is evaluated only where a guard holds, so
 * a part that may fault elsewhere is checked or stays. */
const GExpr *stream_hoist(Graph *g, const GExpr *expr, const GExpr *own, const GExpr *other,
                          bool guarded, Span span);

/* True if the expression reads the index. */
bool stream_reads_index(Graph *g, const GExpr *expr, const GExpr *index);

#endif
