/* Inside the CPU back end: what its files share. Kernels and plans come from compiler/plan.
 *
 *     frame.c            the frame of a kernel, its loops and its locals
 *     emit_expression.c  scalar expressions; emit_scalars.c their operations; math.c the
 *                        transcendental functions
 *     versions.c         branches around loops, on conditions that stay as they are inside
 *     compute.c          a compute node as loops; emit_columns.c reductions along columns;
 *                        emit_topk.c; emit_bucket.c reductions by key
 *     emit_product.c     sums of products in register blocks; emit_pack.c their vector operand;
 *                        dots.c sums along k; vector.c
 *     emit_sweep.c       arrays of pairs tile by tile; meeting.c which blocks make a task; sink.c
 *                        statistics of a tile; element.c its elements, maps and weights; tile.c
 *                        blocks in the scratch
 *     generate.c         from emitted functions to objects, through LLVM
 *     module.c           the JIT, and the cache of objects on disk
 *     object.c           compilation ahead of time; image.c the program as constant data
 *     cpu.c              plans and their code together */
#ifndef COUPLET_COMPILER_CPU_EMIT_H
#define COUPLET_COMPILER_CPU_EMIT_H

#include "compiler/plan/arguments.h"
#include "compiler/plan/contraction.h"
#include "compiler/plan/sweep.h"

#include <llvm-c/Core.h>

typedef struct Emitter {
    Arena *arena;
    Graph *graph; /* the graph of the kernel at hand, by which ranges of indices are proved */
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

/* The values of the expressions that were emitted so far in this block: a hash map from an
 * expression and the mask under which it was emitted. The whole map is emptied where a block
 * begins. */
typedef struct ValueMap {
    const GExpr **keys;
    LLVMValueRef *values;
    LLVMValueRef *masks;
    int capacity;
    int count;
} ValueMap;

/* The places from which streamed arrays are read. Such an array is never stored; a read of it finds
 * its value in a tile. */
typedef struct TileReads {
    const struct Sweep *sweep;
    LLVMValueRef bases[MOST_PAIR_SOURCES]; /* the tiles of the sweep's sources */
    LLVMValueRef maps[MOST_MAPS];          /* the tiles of its maps */
    /* the position of the element at hand in each of these tiles, in floats */
    LLVMValueRef at;
    /* The index of the node that is the tile's row. It tells in which order a read has its
     * indices. */
    int row_index;
    SweepView view;
    /* True in the code that makes the maps. It cannot read them yet. */
    bool makes_maps;
} TileReads;

/* A condition that a branch around the code at hand has tested. */
typedef struct Assumption {
    const GExpr *condition;
    bool holds;
} Assumption;

enum {
    /* the truth of a condition that no branch has settled */
    UNSETTLED = -1,
    MOST_ASSUMED = 32,
};

/* The function being emitted, and the values that an expression is evaluated with. */
typedef struct Frame {
    Emitter *e;
    Kernel *kernel;
    const GNode *node; /* the node at hand */
    LLVMValueRef function;
    /* the extents of the node's indices, those of its result first */
    int64_t extents[2 * GRAPH_MAX_RANK];
    /* The values of the node's indices as i64. A loop, or the number of the tile, sets them. */
    LLVMValueRef indices[2 * GRAPH_MAX_RANK];
    /* The indices as i32, if a loop counts in i32 too; else NULL. */
    LLVMValueRef narrow[2 * GRAPH_MAX_RANK];
    /* the addresses of the kernel's operands */
    LLVMValueRef bases[MAX_KERNEL_OPERANDS + 1];
    LLVMValueRef begin;
    LLVMValueRef end;
    /* The worker's word for faults, and its scratch (CoupletWorker). */
    LLVMValueRef fault;
    LLVMValueRef scratch;
    /* A local for the faults so far. NULL: faults go straight to the worker's word. */
    LLVMValueRef met;
    const TileReads *tile; /* NULL: the code reads no streamed array */
    /* The values from the table of ComputeKernel.arguments: counts by axis, the chunk, and
     * constants by number. NULL: the number is in the code. */
    LLVMValueRef counts[2 * GRAPH_MAX_RANK];
    LLVMValueRef chunk;
    LLVMValueRef constants[MOST_CONSTANTS];
    bool raises; /* true if some code raises a fault */
    /* The conditions that the branches around the code at hand have tested. `versions` counts the
     * versions of the loops of the node at hand. */
    Assumption assumed[MOST_ASSUMED];
    int assumed_count, versions;
    ValueMap known;
    /* By expression of the node at hand: i1 true if it can raise a fault, else i1 false. */
    ValueMap faults;
} Frame;

/* A loop that is being emitted. `index` is an i64. */
typedef struct Loop {
    LLVMBasicBlockRef body;
    LLVMBasicBlockRef exit;
    LLVMValueRef index;
    LLVMValueRef end;
    int64_t step;
} Loop;

/* Opens the kernel's function, which frame_end closes. The function does the tiles [begin, end).
 * Its bases are noalias. */
void frame_begin(Frame *f, Emitter *e, Kernel *kernel);
void frame_end(Frame *f);
/* Return a constant, as an i64 and as a float. */
LLVMValueRef emit_whole(Frame *f, int64_t value);
LLVMValueRef emit_number(Frame *f, double value);
LLVMBasicBlockRef frame_block(Frame *f, const char *name);
/* Open a loop over [begin, end) by steps of 1, or of `step`. The code that is emitted next is its
 * body. If begin is not below end, the body does not run. */
Loop loop_begin(Frame *f, LLVMValueRef begin, LLVMValueRef end);
Loop loop_begin_step(Frame *f, LLVMValueRef begin, LLVMValueRef end, int64_t step);
/* Ends a loop. Returns its branch back, which carries wishes to LLVM. */
LLVMValueRef loop_end(Frame *f, Loop *loop);
/* The members of a key, which a reduction visits in place of all its terms (emit_bucket.c). They
 * are base[list + i] for i in [begin, end). */
typedef struct Members {
    LLVMValueRef base;
    LLVMValueRef list;
    LLVMValueRef begin;
    LLVMValueRef end;
    const GExpr *rest; /* the condition that each member must still meet; NULL: none */
} Members;
/* Opens a loop over members, which sets the reduced indices. *member is their position in row-major
 * order. */
Loop loop_begin_members(Frame *f, const Members *m, LLVMValueRef *member);
/* Asks LLVM not to unroll the loop whose branch back is `branch`. */
void loop_keep_rolled(Frame *f, LLVMValueRef branch);
/* Asks LLVM to take this number of vectors in one turn of the loop, and not to unroll it
 * otherwise. */
void loop_take_vectors(Frame *f, LLVMValueRef branch, int vectors);
/* Asks LLVM for vectors of `lanes` turns. 1: the loop gets no vectors. */
void loop_take_lanes(Frame *f, LLVMValueRef branch, int lanes);
/* Returns the number of turns of an axis: extents[axis], or the table's entry. */
LLVMValueRef loop_axis_count(Frame *f, const int64_t *extents, int axis);
/* Returns at * extent + index, the next step of a row-major position, where `index` is that of the
 * node's axis. `at` is the position so far, NULL for the first subscript. In a kernel with
 * arguments the extent comes from the table, and an axis of one turn leaves `at` as it is. */
LLVMValueRef emit_step_along(Frame *f, LLVMValueRef at, int axis, int64_t extent);
/* Makes a local in the entry block, where LLVM turns it into a register. */
LLVMValueRef frame_local(Frame *f, LLVMTypeRef type);
LLVMValueRef local_get(Frame *f, LLVMTypeRef type, LLVMValueRef slot);
void local_set(Frame *f, LLVMValueRef slot, LLVMValueRef value);
/* Notes a fault where `condition`, an i1, is true. The kernel goes on. */
void frame_raise(Frame *f, LLVMValueRef condition, CoupletFaultKind kind);
/* Between these two calls, faults are gathered in a local and not in the worker's word. A store to
 * memory would keep LLVM from making vectors of the loops. */
void frame_gather_faults(Frame *f);
void frame_raise_gathered(Frame *f);
/* Returns the array that the results of the node at hand go to. */
LLVMValueRef frame_result(Frame *f);
LLVMTypeRef element_value_type(Emitter *e, GType type); /* the type of a value: float, i64, i1 */
/* the type of an element in memory: float, i32, i8 */
LLVMTypeRef element_type(Emitter *e, GType type);
LLVMValueRef element_load(Frame *f, GType type, LLVMValueRef base, LLVMValueRef at);
void element_store(Frame *f, GType type, LLVMValueRef base, LLVMValueRef at, LLVMValueRef value);
/* Adds two i64. *wraps is an i1 that is true if 64 bits do not hold the sum. */
LLVMValueRef emit_add_whole(Frame *f, LLVMValueRef a, LLVMValueRef b, LLVMValueRef *wraps);
/* Adds reals so that LLVM may re-associate the sum and vectorise it. The order is then fixed in the
 * code, and does not change from run to run. */
LLVMValueRef emit_add_in_any_order(Frame *f, LLVMValueRef a, LLVMValueRef b);
/* Returns a * b + c, rounded once. */
LLVMValueRef emit_multiply_add(Frame *f, LLVMValueRef a, LLVMValueRef b, LLVMValueRef c);

/* Emits straight-line code for an expression: reals as float, ints as i64, truth values as i1. Both
 * arms of a select are evaluated. Reads of the arm that is not taken are kept inside their array,
 * so they are safe, and their values never reach the result. */
LLVMValueRef emit_expr(Frame *f, const GExpr *expr);
/* Emits an expression under a condition. `mask` is an i1, or NULL if the condition always holds.
 * Where the mask is false, the expression raises no fault. */
LLVMValueRef emit_expr_where(Frame *f, const GExpr *expr, LLVMValueRef mask);
/* Emits a scalar operation, a row of scalars.def, that has no value in this frame yet
 * (emit_scalars.c). */
LLVMValueRef emit_scalar(Frame *f, const GExpr *expr, LLVMValueRef mask);
/* Emits, ahead of both arms of a choice, the parts that both evaluate in any case and that may
 * fault. Otherwise each arm would have a copy of such a part under a mask of its own, and choices
 * inside choices would have a copy for each path through them. */
void emit_ahead(Frame *f, const GExpr *then, const GExpr *otherwise, LLVMValueRef mask);
/* Returns the conjunction of both. `mask` may be NULL. */
LLVMValueRef emit_masked(Frame *f, LLVMValueRef mask, LLVMValueRef condition);
/* Begins a new block: values that were emitted before are not used again. */
void frame_forget(Frame *f);

/* True if the expression can raise a fault: an index read from data may leave its array, a real may
 * not fit as an int, or an int may leave 64 bits. */
bool frame_may_fault(Frame *f, const GExpr *expr);

/* versions.c. Return 1 or 0 for a truth value that the branches around the code at hand have
 * settled, else UNSETTLED. frame_assumed looks for the expression itself. frame_settled also
 * concludes from the parts of the expression, which may be NULL. */
int frame_assumed(const Frame *f, const GExpr *expr);
int frame_settled(Frame *f, const GExpr *expr);
/* Returns a condition that is worth a branch around the loops of these nodes, once the indices
 * below `bound` have their values, or NULL. */
const GExpr *frame_version_condition(Frame *f, const GNode *const *nodes, int count, int bound);
/* A branch around loops on a condition. Code that is emitted after versions_begin runs where the
 * condition holds, and code after versions_otherwise where it does not. */
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
/* Calls an intrinsic of LLVM, which is overloaded on the type of args[0]. */
LLVMValueRef math_intrinsic(Frame *f, const char *name, LLVMValueRef *args, unsigned count);

/* ---- kernels --------------------------------------------------------------------------------- */

void emit_compute(Emitter *e, Kernel *kernel);
/* Emits reductions along columns for results [begin, end) of the last axis. None of the nodes reads
 * another's result. The other output indices are set. `is_cached` says that the kernel has read the
 * tile before. */
void emit_columns(Frame *f, const GNode *const *nodes, int count, bool is_cached,
                  const int64_t *extents, LLVMValueRef begin, LLVMValueRef end);
/* Emits the node's reducer over all terms, as loops of these extents, or over `members` alone, and
 * returns the result. The output's indices are set. */
LLVMValueRef emit_reduction(Frame *f, const int64_t *extents, const Members *members);
/* Raises a fault if the entry `value`, which is about to be stored, needs more than 32 bits. */
void frame_raise_if_wide(Frame *f, const GNode *node, LLVMValueRef value);
void emit_bucket_sort(Emitter *e, Kernel *kernel);
void emit_bucket(Emitter *e, Kernel *kernel);
void emit_topk(Emitter *e, Kernel *kernel);
/* Emits the packing. The operands are b, the tables, and the packed panels, which are written. */
void emit_pack(Emitter *e, Kernel *kernel);
/* Emits the product. The operands are a, the tables, the packed panels, and y or the parts, which
 * are written. */
void emit_product(Emitter *e, Kernel *kernel);
/* Emits the product with its sums along k. The operands are those of emit_product, with b in the
 * place of the packed panels. */
void emit_dots(Emitter *e, Kernel *kernel);
/* Emits the sum of the parts. The operands are the parts, the tables, and y, which is written. */
void emit_gather_partials(Emitter *e, Kernel *kernel);
/* Emits a sweep. The operands are the arrays that sources and sinks read, then the sweep's state,
 * if it has any (sweep_state_count), and the results of the sinks. State and results are
 * written. */
void emit_sweep(Emitter *e, Kernel *kernel);

/* ---- code ------------------------------------------------------------------------------------ */

typedef struct CpuModule CpuModule;
struct Processor;
/* Makes code for the kernels, which have different symbols, or takes it from the cache on disk.
 * Returns NULL on failure, with a sentence in *error. */
CpuModule *module_build(Arena *arena, const struct Processor *processor, Kernel **kernels,
                        int count, const char *cache_folder, const char **error);
/* Returns the code of a kernel, or NULL with a sentence in *error. */
CoupletKernel module_find(CpuModule *module, const char *symbol, Arena *arena, const char **error);
bool module_was_cached(const CpuModule *module);
void module_free(CpuModule *module);

#endif
