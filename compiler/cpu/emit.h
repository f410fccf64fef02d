/* Inside the CPU back end: what its files share. Kernels and plans come from compiler/plan.
 *
 *     frame.c            the frame of a kernel, its loops and its locals
 *     emit_expression.c  scalar expressions; emit_scalars.c their operations; math.c the
 *                        transcendental functions
 *     versions.c         branches around loops, on conditions that stay as they are inside
 *     compute.c          a compute node as loops; emit_columns.c reductions along columns;
 *                        emit_topk.c
 *     emit_product.c     sums of products in register blocks; emit_pack.c their vector operand;
 *                        dots.c sums along k; vector.c
 *     emit_sweep.c       arrays of pairs tile by tile; meeting.c which blocks make a task; sink.c
 *                        statistics of a tile; element.c its elements, maps and weights; tile.c
 *                        blocks in the scratch
 *     module.c           LLVM: from emitted functions to machine code, and the cache of it on disk
 *     cpu.c              plans and their code together */
#ifndef COUPLET_COMPILER_CPU_EMIT_H
#define COUPLET_COMPILER_CPU_EMIT_H

#include "compiler/plan/arguments.h"
#include "compiler/plan/contraction.h"
#include "compiler/plan/sweep.h"

#include <llvm-c/Core.h>

typedef struct Emitter {
    Arena *arena;
    Graph *graph; /* the graph of the kernel at hand, for ranges of indices */
    LLVMContextRef context;
    LLVMModuleRef module;
    LLVMBuilderRef builder;
    LLVMTypeRef f32;
    LLVMTypeRef f64;
    LLVMTypeRef i32;
    LLVMTypeRef i64;
    LLVMTypeRef i8;
    LLVMTypeRef i1;
    LLVMTypeRef ptr;
    LLVMTypeRef nothing;
} Emitter;

/* ---- functions ------------------------------------------------------------------------------- */

/* The values of the expressions that were emitted so far in this block: a map by pointer that is
 * emptied at once. */
typedef struct ValueMap {
    const GExpr **keys;
    LLVMValueRef *values;
    LLVMValueRef *masks;
    int capacity;
    int count;
} ValueMap;

/* The places from which streamed arrays are read: tiles of them, at the place of the element at
 * hand. */
typedef struct TileReads {
    const struct Sweep *sweep;
    LLVMValueRef bases[MOST_PAIR_SOURCES]; /* the tiles of the sweep's sources */
    LLVMValueRef maps[MOST_MAPS];          /* the tiles of its maps */
    LLVMValueRef at;
    int row_index; /* the index of the node that is the tile's row */
    SweepView view;
    bool makes_maps; /* true in the code that makes the maps, which cannot read them yet */
} TileReads;

/* A condition that a branch around the code at hand has tested. */
typedef struct Assumption {
    const GExpr *condition;
    bool holds;
} Assumption;

enum {
    UNSETTLED = -1,
    MOST_ASSUMED = 32,
};

/* The function being emitted, and the values that an expression is evaluated with. */
typedef struct Frame {
    Emitter *e;
    Kernel *kernel;
    const GNode *node; /* the node at hand */
    LLVMValueRef function;
    int64_t extents[2 * GRAPH_MAX_RANK];
    LLVMValueRef indices[2 * GRAPH_MAX_RANK]; /* i64 */
    /* The indices as i32, if a loop counts in i32 too; else NULL. */
    LLVMValueRef narrow[2 * GRAPH_MAX_RANK];
    LLVMValueRef bases[MAX_KERNEL_OPERANDS + 1];
    LLVMValueRef begin;
    LLVMValueRef end;
    LLVMValueRef fault;
    LLVMValueRef scratch;
    LLVMValueRef met;      /* a local variable for the faults so far, while they are gathered */
    const TileReads *tile; /* NULL: the code reads no streamed array */
    /* The values of ComputeKernel.arguments: counts by axis, constants by number. */
    LLVMValueRef counts[2 * GRAPH_MAX_RANK];
    LLVMValueRef chunk;
    LLVMValueRef constants[MOST_CONSTANTS];
    bool raises; /* true if some code raises a fault */
    Assumption assumed[MOST_ASSUMED];
    int assumed_count, versions; /* the number of versions of the loops of the node at hand */
    ValueMap known;
    ValueMap faults; /* by expression of the node at hand: true if it can raise a fault */
} Frame;

typedef struct Loop {
    LLVMBasicBlockRef body;
    LLVMBasicBlockRef exit;
    LLVMValueRef index;
    LLVMValueRef end;
    int64_t step;
} Loop;

/* Opens the kernel's function, until frame_end. Bases are noalias; begin and end are the range of
 * tiles. */
void frame_begin(Frame *f, Emitter *e, Kernel *kernel);
void frame_end(Frame *f);
LLVMValueRef emit_whole(Frame *f, int64_t value);
LLVMValueRef emit_number(Frame *f, double value);
LLVMBasicBlockRef frame_block(Frame *f, const char *name);
Loop loop_begin(Frame *f, LLVMValueRef begin, LLVMValueRef end);
Loop loop_begin_step(Frame *f, LLVMValueRef begin, LLVMValueRef end, int64_t step);
/* Ends a loop and returns its branch back. */
LLVMValueRef loop_end(Frame *f, Loop *loop);
/* The members of a key, which a reduction visits in place of all its terms (emit_bucket.c): entries
 * [begin, end) of the list. */
typedef struct Members {
    LLVMValueRef base;
    LLVMValueRef list;
    LLVMValueRef begin;
    LLVMValueRef end;
    const GExpr *rest; /* the condition that is still to be asked of each member; NULL: none */
} Members;
/* Opens a loop over members, which sets the reduced indices. *member is their place in row-major
 * order. */
Loop loop_begin_members(Frame *f, const Members *m, LLVMValueRef *member);
/* Asks LLVM not to unroll the loop whose branch back this is. */
void loop_keep_rolled(Frame *f, LLVMValueRef branch);
/* Asks LLVM for a number of vectors in a turn. */
void loop_take_vectors(Frame *f, LLVMValueRef branch, int vectors);
/* Asks LLVM for vectors of a number of turns. */
void loop_take_lanes(Frame *f, LLVMValueRef branch, int lanes);
/* Returns the number of turns of an axis: extents[axis], or the table's entry. */
LLVMValueRef loop_axis_count(Frame *f, const int64_t *extents, int axis);
/* Adds a subscript that walks along an axis of the node to the position `at`, which is NULL for the
 * first one. `extent` counts if the kernel has no arguments. */
LLVMValueRef emit_step_along(Frame *f, LLVMValueRef at, int axis, int64_t extent);
/* Makes a local in the entry block, where LLVM turns it into a register. */
LLVMValueRef frame_local(Frame *f, LLVMTypeRef type);
LLVMValueRef local_get(Frame *f, LLVMTypeRef type, LLVMValueRef slot);
void local_set(Frame *f, LLVMValueRef slot, LLVMValueRef value);
void frame_raise(Frame *f, LLVMValueRef condition, CoupletFaultKind kind);
/* Gather faults in a local between the two calls, in place of the worker's word. */
void frame_gather_faults(Frame *f);
void frame_raise_gathered(Frame *f);
/* The array that the results of the node at hand go to. */
LLVMValueRef frame_result(Frame *f);
LLVMTypeRef element_value_type(Emitter *e, GType type); /* the type of a value: float, i64, i1 */
/* the type of an element in memory: float, i32, i8 */
LLVMTypeRef element_type(Emitter *e, GType type);
LLVMValueRef element_load(Frame *f, GType type, LLVMValueRef base, LLVMValueRef at);
void element_store(Frame *f, GType type, LLVMValueRef base, LLVMValueRef at, LLVMValueRef value);
/* Adds whole numbers of 64 bits. *wraps is true if these do not hold the sum. */
LLVMValueRef emit_add_whole(Frame *f, LLVMValueRef a, LLVMValueRef b, LLVMValueRef *wraps);
/* Adds reals so that LLVM may re-associate the sum and vectorise it. The order is then fixed in the
 * code, and does not change from run to run. */
LLVMValueRef emit_add_in_any_order(Frame *f, LLVMValueRef a, LLVMValueRef b);
LLVMValueRef emit_multiply_add(Frame *f, LLVMValueRef a, LLVMValueRef b, LLVMValueRef c);

/* Emits straight-line code for an expression: reals as float, ints as i64, truth values as i1. Both
 * arms of a select are evaluated. Reads of the arm that is not taken are kept inside their array,
 * so they are safe and never reach the result. */
LLVMValueRef emit_expr(Frame *f, const GExpr *expr);
/* Emits an expression under a condition. `mask` is an i1, or NULL if the condition always holds.
 * What it excludes raises no fault. */
LLVMValueRef emit_expr_where(Frame *f, const GExpr *expr, LLVMValueRef mask);
/* Emits a scalar operation, a row of scalars.def, that has no value in this frame yet
 * (emit_scalars.c). */
LLVMValueRef emit_scalar(Frame *f, const GExpr *expr, LLVMValueRef mask);
/* Emits, ahead of both arms of a choice, the parts that both evaluate in any case and that may
 * fault. In each arm such a part would have a mask of its own; choices inside choices would then
 * take code for each path through them. */
void emit_ahead(Frame *f, const GExpr *then, const GExpr *otherwise, LLVMValueRef mask);
/* The conjunction of both. `mask` may be NULL. */
LLVMValueRef emit_masked(Frame *f, LLVMValueRef mask, LLVMValueRef condition);
/* Begins a new block: values that were emitted before are not used again. */
void frame_forget(Frame *f);

/* True if an index read from data may leave its array, or a real may not fit as an int. */
bool frame_may_fault(Frame *f, const GExpr *expr);

/* versions.c. Returns 1 or 0 for a truth value that the branches around the code at hand have
 * settled, else UNSETTLED. frame_settled also looks at the parts of the expression. */
int frame_assumed(const Frame *f, const GExpr *expr);
int frame_settled(Frame *f, const GExpr *expr);
/* Returns a condition that is worth a branch around the loops of these nodes, once the indices
 * below `bound` have their values, or NULL. */
const GExpr *frame_version_condition(Frame *f, const GNode *const *nodes, int count, int bound);
/* Such a branch. Code that is emitted after versions_begin runs where the condition holds, and code
 * after versions_otherwise where it does not. */
typedef struct Versions {
    const GExpr *condition;
    LLVMBasicBlockRef otherwise;
    LLVMBasicBlockRef after;
} Versions;
Versions versions_begin(Frame *f, const GExpr *condition);
void versions_otherwise(Frame *f, const Versions *v);
void versions_end(Frame *f, const Versions *v);

/* math.c: functions from float to float as straight-line code, so that loops around them become
 * vectors. They are within 2.4 ulp of the exact value, also for infinities, NaN and subnormal
 * numbers. */
LLVMValueRef math_exp(Frame *f, LLVMValueRef x);
LLVMValueRef math_log(Frame *f, LLVMValueRef x);
LLVMValueRef math_expm1(Frame *f, LLVMValueRef x);
LLVMValueRef math_log1p(Frame *f, LLVMValueRef x);
LLVMValueRef math_tanh(Frame *f, LLVMValueRef x);
LLVMValueRef math_sigmoid(Frame *f, LLVMValueRef x);
LLVMValueRef math_softplus(Frame *f, LLVMValueRef x);
LLVMValueRef math_erf(Frame *f, LLVMValueRef x);
LLVMValueRef math_intrinsic(Frame *f, const char *name, LLVMValueRef *args, unsigned count);

/* ---- kernels --------------------------------------------------------------------------------- */

void emit_compute(Emitter *e, Kernel *kernel);
/* Emits reductions along columns, none of which reads another, for results [begin, end) of the last
 * axis. The other output indices are set. `is_cached` says that the tile has been read before. */
void emit_columns(Frame *f, const GNode *const *nodes, int count, bool is_cached,
                  const int64_t *extents, LLVMValueRef begin, LLVMValueRef end);
/* Emits the node's reducer over all terms, as loops of these extents, or over `members` alone. The
 * output's indices are set. */
LLVMValueRef emit_reduction(Frame *f, const int64_t *extents, const Members *members);
/* Raises a fault if the entry that is about to be stored needs more than 32 bits. */
void frame_raise_if_wide(Frame *f, const GNode *node, LLVMValueRef value);
void emit_bucket_sort(Emitter *e, Kernel *kernel);
void emit_bucket(Emitter *e, Kernel *kernel);
void emit_topk(Emitter *e, Kernel *kernel);
/* Emits the packing. The operands are b, the tables, and the packed panels, which are written. */
void emit_pack(Emitter *e, Kernel *kernel);
/* Emits the product. The operands are a, the tables, the packed panels, and y or the parts, which
 * are written. */
void emit_product(Emitter *e, Kernel *kernel);
/* Emits the product with its sums along k. b is in the place of the packed panels. */
void emit_dots(Emitter *e, Kernel *kernel);
/* Emits the sum of the parts. The operands are the parts, the tables, and y, which is written. */
void emit_gather_partials(Emitter *e, Kernel *kernel);
/* The operands are what sources and sinks read. Cells that outlive a task, if there are any, and
 * the sinks are written. */
void emit_sweep(Emitter *e, Kernel *kernel);

/* ---- code ------------------------------------------------------------------------------------ */

typedef struct CpuModule CpuModule;
struct Processor;
/* Makes code for the kernels, once for each symbol, or takes it from the cache on disk. Returns
 * NULL with a sentence in *error. */
CpuModule *module_build(Arena *arena, const struct Processor *processor, Kernel **kernels,
                        int count, const char *cache_folder, const char **error);
CoupletKernel module_find(CpuModule *module, const char *symbol, Arena *arena, const char **error);
bool module_was_cached(const CpuModule *module);
void module_free(CpuModule *module);

#endif
