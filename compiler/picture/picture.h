/* The picture of a method: views, networks, memory and the loss as boxes; values, pushes and moving
 * averages as arrows. The picture is made from the checked method alone, so it shows what runs. */
#ifndef COUPLET_PICTURE_H
#define COUPLET_PICTURE_H

#include "compiler/lower/lower.h"
#include "lang/flow.h"

typedef enum {
    BOX_LOSS,
    BOX_DATA,
    BOX_VIEW,
    BOX_NET, /* a network, with a box for each array that it is applied to */
    BOX_QUEUE,
    BOX_STATE, /* a state or a bank */
    BOX_PARAM, /* a parameter by itself, such as prototypes */
    BOX_FIELD  /* a label, or another field of the data that the loss reads */
} BoxKind;

typedef struct Box {
    BoxKind kind;
    const char *name; /* as in "encoder", "encoder.head", "train.label" or "Q" */
    const Stmt *stmt;
    const char *part; /* the part of a network; NULL: none */
    const Type *type; /* for memory: its shape */
    bool is_label;    /* true for a field that has an int for each sample */
    bool trained;     /* true if a gradient reaches it */
    bool hidden;      /* true if it is the mirror image of another box */
} Box;

typedef enum {
    ARROW_VALUE,
    /* The value is read in a guard, an index or a comparison alone. It decides which terms count,
     * and no gradient flows back. */
    ARROW_CHOICE,
    ARROW_PUSH,
    ARROW_UPDATE,
    ARROW_EMA,
    ARROW_SHARED
} ArrowKind;

typedef struct Arrow {
    ArrowKind kind;
    int from, to; /* the numbers of boxes */
    bool stopped; /* true if the gradient ends on the arrow */
    bool hidden;
    const Stmt *stmt; /* the statement of a moving average */
    bool clusters;    /* true for an UPDATE by k-means */
} Arrow;

typedef struct Picture {
    const Method *method;
    ARRAY(Box) boxes; /* the first box is the loss */
    ARRAY(Arrow) arrows;
    bool mirrored; /* True if the loss is symmetric in its two views, and only one half is shown. */
} Picture;

Picture *picture_of(Arena *arena, const Method *method);

/* Returns the number of trained numbers of a network, or of its part, or -1 if nothing applies
 * it. */
int64_t picture_parameters(const LoweredProgram *program, const char *net, const char *part);

/* Returns the edge that moves the target `net`, or NULL if none does. */
const Stmt *picture_edge_to(const Picture *picture, const Stmt *net);

/* Prints the picture as Graphviz text. */
void picture_print_dot(Arena *arena, const Picture *picture, const LoweredProgram *program,
                       FILE *out);

/* Describes the method in the survey's words: update, structure, clusters, loss, negatives, views,
 * parameters, states. */
void picture_describe(Arena *arena, const Picture *picture, const LoweredProgram *program,
                      FILE *out);

#endif
