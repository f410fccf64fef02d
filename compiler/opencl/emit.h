/* Inside the OpenCL back end: what its files share. A kernel is written as text, statement by statement; a value is the C text of a variable or a
 * constant: reals are float, truth values int, whole numbers int where their range is proved to fit and long elsewhere. */
#ifndef COUPLET_COMPILER_OPENCL_EMIT_H
#define COUPLET_COMPILER_OPENCL_EMIT_H

#include "compiler/plan/contraction.h"

enum { GROUP = 256 /* work-items in a group; every device that OpenCL 1.2 knows as a GPU has them */, TILE = 64 /* rows and columns of a sweep's tile */ };

typedef const char *Value;

/* Values of the expressions written so far in this block, by expression and mask. */
typedef struct Known {
    const GExpr **keys;
    Value *masks, *values;
    int capacity, count;
} Known;

/* A mask that is a conjunction of another one and a condition. */
typedef struct Narrowed {
    Value mask, of;
} Narrowed;

/* The kernel being written. */
typedef struct Frame {
    Arena *arena;
    const Kernel *kernel;
    const GNode *node;
    int64_t extents[2 * GRAPH_MAX_RANK]; /* of the node: what index ranges are proved with */
    Value indices[2 * GRAPH_MAX_RANK];
    Text text;
    int depth, variables;
    bool raises;
    int row_index; /* in a sweep: the index of the node that is the tile's row */
    Known known;
    ARRAY(Narrowed) narrowed;
    Known checked; /* by expression: whether it can raise a fault; of the node at hand */
} Frame;

/* How a kernel is started, and the argument `count`, which is not in its text: kernels that differ by nothing else are one. */
typedef struct Geometry {
    int64_t global, count;
} Geometry;

/* ---- statements ------------------------------------------------------------------------------------------------ */

void write_line(Frame *f, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* `const TYPE vN = ...;`: the name. */
Value write_const(Frame *f, const char *type, const char *format, ...) __attribute__((format(printf, 3, 4)));
/* A block: what was known outside is not trusted inside, and the other way round. */
void write_open(Frame *f, const char *format, ...) __attribute__((format(printf, 2, 3)));
void write_close(Frame *f);
/* Records the fault when the condition holds; the first step that met one counts, and in it the lowest kind. */
void write_fault(Frame *f, Value condition, CoupletFaultKind kind);
Value mask_and(Frame *f, Value a, Value b);  /* a && b; NULL is always true */
Value mask_not(Frame *f, Value a);
Value real_text(Frame *f, double value);
const char *value_c_type(GType type);   /* float, long, int: of a value that may be as large as can be */
const char *element_c_type(GType type); /* float, int, uchar: in memory */
int operand_of(const Frame *f, const GNode *tensor); /* its number, -1: none */
Value output_name(Frame *f, int operand);            /* of one that is written */

/* The indices lists[first], lists[first + 1], ... (with their loop extents) from their position `at`, counted row by row. */
void write_unravel(Frame *f, Value at, int first, int count, const int64_t *extents);

/* An expression where `mask` holds (NULL: everywhere). Both arms of a choice are evaluated, with reads of the arm not taken kept inside their array:
 * they are safe, raise nothing, and never reach the result. */
Value write_expr(Frame *f, const GExpr *expr, Value mask);
Value write_whole_sum(Frame *f, Value a, Value b, Value mask); /* two ints of 64 bits, and a fault where these do not hold the sum */
void write_store(Frame *f, Value at, Value value); /* of the kernel's output */

/* The element of a streamed product at the place of its tile that is at hand (sweep.c). */
Value sweep_element(Frame *f, const GExpr *load);

/* ---- kernels: each writes the body, whose text is then framed by its head ---------------------------------------- */

Geometry write_elements(Frame *f);
Geometry write_reduction(Frame *f); /* of all terms, or by key */
Geometry write_bucket_sort(Frame *f);
Geometry write_order(Frame *f);
Geometry write_sweep(Frame *f);
Geometry write_sweep_join(Frame *f);
Geometry write_topk(Frame *f);
Geometry write_product(Frame *f);
Geometry write_gather_partials(Frame *f);
/* Contractions share their text, but each has its own geometry. */
Geometry product_geometry(const Kernel *kernel);
Geometry gather_geometry(const Kernel *kernel);

#endif
