/* Inside the OpenCL back end: what its files share. A kernel is written as text, statement by
 * statement. A value is the C text of a variable or a constant. Reals are float, truth values are
 * int, and whole numbers are int if their range is proved to fit, else long. */
#ifndef COUPLET_COMPILER_OPENCL_WRITE_H
#define COUPLET_COMPILER_OPENCL_WRITE_H

#include "compiler/plan/contraction.h"

enum {
    GROUP = 256, /* the work-items in a group; every GPU with OpenCL 1.2 allows this many */
    TILE = 64    /* the rows and columns of a sweep's tile */
};

typedef const char *Value;

/* The values of the expressions that were written so far in this block, by expression and mask. */
typedef struct Known {
    const GExpr **keys;
    Value *masks;
    Value *values;
    int capacity;
    int count;
} Known;

/* A mask that is the conjunction of the mask `of` and a condition. */
typedef struct Narrowed {
    Value mask;
    Value of;
} Narrowed;

/* The kernel that is being written. */
typedef struct Frame {
    Arena *arena;
    const Kernel *kernel;
    const GNode *node;
    /* the extents of the node's indices, by which ranges are proved */
    int64_t extents[2 * GRAPH_MAX_RANK];
    Value indices[2 * GRAPH_MAX_RANK];
    Text text;
    int depth;
    int variables;
    /* true if some text of the kernel raises a fault */
    bool raises;
    int row_index; /* in a sweep, the index of the node that is the tile's row */
    Known known;
    ARRAY(Narrowed) narrowed;
    Known checked; /* by expression of the node at hand: true if it can raise a fault */
} Frame;

/* The pieces of work of a kernel, and how many of them a group does. `count` is an argument and not
 * in the text, so kernels that differ in nothing else are one. Pieces are numbered from the
 * launch's global offset on. get_global_id counts this offset in, and get_group_id does not. */
typedef struct Geometry {
    int64_t count;
    int64_t each;
} Geometry;

/* ---- statements ------------------------------------------------------------------------------ */

void write_line(Frame *f, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* Writes `const TYPE vN = ...;` and returns the name. */
Value write_const(Frame *f, const char *type, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
/* Open and close a block. Values that were known outside are not used inside, and the other way
 * round. */
void write_open(Frame *f, const char *format, ...) __attribute__((format(printf, 2, 3)));
void write_close(Frame *f);
/* Records a fault if the condition holds. The first step that met one counts, and in it the lowest
 * kind. */
void write_fault(Frame *f, Value condition, CoupletFaultKind kind);
/* Join masks. NULL is the mask that always holds. */
Value mask_and(Frame *f, Value a, Value b);
Value mask_not(Frame *f, Value a);
/* Returns a real as a constant of C. */
Value frame_real_text(Frame *f, double value);
const char *opencl_value_type(GType type); /* the type of a value of any size: float, long, int */
/* the type of an element in memory: float, int, uchar */
const char *opencl_element_type(GType type);
/* Returns the number of an operand, or -1 if the node is no operand. */
int frame_operand_of(const Frame *f, const GNode *tensor);
/* Returns the name of an operand that is written. */
Value frame_output_name(Frame *f, int operand);

/* Returns the number of the first piece that a group does, where a group does `each` pieces. */
Value write_first_piece(Frame *f, int64_t each);
/* Sets `count` indices of the node, from number `first` on, from their row-major position `at`.
 * `extents` has an entry for each index of the node. */
void write_unravel(Frame *f, Value at, int first, int count, const int64_t *extents);

/* Writes an expression where `mask` holds (NULL: everywhere). Both arms of a choice are evaluated.
 * Reads of the arm that is not taken are kept inside their array, so they are safe and raise
 * nothing, and their values never reach the result. */
Value write_expr(Frame *f, const GExpr *expr, Value mask);
/* Adds two ints of 64 bits, and raises a fault if these do not hold the sum. */
Value write_whole_sum(Frame *f, Value a, Value b, Value mask);
/* Stores an element of the kernel's output. */
void write_store(Frame *f, Value at, Value value);

/* Returns the element of a streamed product at the present place of its tile (write_sweep.c). */
Value sweep_element(Frame *f, const GExpr *load);

/* ---- kernels: each writes the body, whose text is then framed by its head -------------------- */

Geometry write_elements(Frame *f);
Geometry write_reduction(Frame *f); /* over all terms, or by key */
Geometry write_bucket_sort(Frame *f);
Geometry write_order(Frame *f);
Geometry write_sweep(Frame *f);
Geometry write_sweep_join(Frame *f);
Geometry write_topk(Frame *f);
Geometry write_product(Frame *f);
Geometry write_gather_partials(Frame *f);
/* Contractions share their text, but each has its own geometry. */
Geometry product_geometry(const Kernel *kernel);
Geometry write_gather_geometry(const Kernel *kernel);

#endif
