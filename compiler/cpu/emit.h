/* Inside the CPU back end: what its files share. Kernels and plans come from compiler/plan.
 *
 *     function.c    the frame of a kernel, its loops and its locals
 *     expression.c  scalar expressions; math.c the transcendental functions
 *     versions.c    branches around loops, on conditions that stay as they are inside
 *     compute.c     a compute node as loops; columns.c reductions along columns; topk.c
 *     product.c     sums of products in register blocks; pack.c their vector operand; dots.c sums along k; vector.c
 *     sweep.c       arrays of pairs tile by tile; meeting.c which blocks make a task; sink.c statistics of a tile, element.c its elements, maps and weights; tile.c blocks in
 *                   the scratch
 *     module.c      LLVM: from emitted functions to machine code, and the cache of it on disk
 *     compile.c     plans and their code together */
#ifndef COUPLET_COMPILER_CPU_EMIT_H
#define COUPLET_COMPILER_CPU_EMIT_H

#include "compiler/plan/arguments.h"
#include "compiler/plan/contraction.h"
#include "compiler/plan/sweep.h"

#include <llvm-c/Core.h>

typedef struct Emitter {
    Arena *arena;
    Graph *graph; /* of the kernel being emitted: for ranges */
    LLVMContextRef context;
    LLVMModuleRef module;
    LLVMBuilderRef builder;
    LLVMTypeRef f32, f64, i32, i64, i8, i1, ptr, nothing;
} Emitter;

/* ---- functions ---------------------------------------------------------------------------------------------- */

/* A pointer-keyed map that is emptied at once: values of the expressions emitted so far in this block. */
typedef struct ValueMap {
    const GExpr **keys;
    LLVMValueRef *values, *masks;
    int capacity, count;
} ValueMap;

/* Where a streamed array is read from: tiles of it, at the place of the element at hand. */
typedef struct TileReads {
    const struct Sweep *sweep;
    LLVMValueRef bases[MOST_PAIR_SOURCES]; /* of the sweep's sources */
    LLVMValueRef maps[MOST_MAPS];          /* of its maps */
    LLVMValueRef at;
    int row_index; /* of the node: the one that is the tile's row */
    SweepView view;
    bool makes_maps; /* so they are not there yet */
} TileReads;

/* What a branch around the code at hand has asked. */
typedef struct Assumption {
    const GExpr *condition;
    bool holds;
} Assumption;

enum { UNSETTLED = -1, MOST_ASSUMED = 32 };

/* The function being emitted, and the values that an expression is evaluated with. */
typedef struct Frame {
    Emitter *e;
    Kernel *kernel;
    const GNode *node; /* the one at hand */
    LLVMValueRef function;
    int64_t extents[2 * GRAPH_MAX_RANK];
    LLVMValueRef indices[2 * GRAPH_MAX_RANK]; /* i64 */
    LLVMValueRef narrow[2 * GRAPH_MAX_RANK];  /* the same as i32, where a loop counts so as well; else NULL */
    LLVMValueRef bases[MAX_KERNEL_OPERANDS + 1];
    LLVMValueRef begin, end, fault, scratch;
    LLVMValueRef met; /* a local: faults so far, while they are gathered */
    const TileReads *tile; /* NULL: nothing is streamed here */
    LLVMValueRef counts[2 * GRAPH_MAX_RANK], chunk, constants[MOST_CONSTANTS]; /* of kernel->arguments, by axis and by number */
    bool raises; /* some code raises a fault */
    Assumption assumed[MOST_ASSUMED];
    int assumed_count, versions; /* of the loops of the node at hand */
    ValueMap known;
    ValueMap faults; /* by expression: whether it can raise one; of the node at hand */
} Frame;

typedef struct Loop {
    LLVMBasicBlockRef body, exit;
    LLVMValueRef index, end;
    int64_t step;
} Loop;

/* Opens the kernel's function: bases are noalias, begin and end the range of tiles. Ends with frame_end. */
void frame_begin(Frame *f, Emitter *e, Kernel *kernel);
void frame_end(Frame *f);
LLVMValueRef whole(Frame *f, int64_t value);
LLVMValueRef number(Frame *f, double value);
LLVMBasicBlockRef frame_block(Frame *f, const char *name);
Loop loop_begin(Frame *f, LLVMValueRef begin, LLVMValueRef end);
Loop loop_begin_step(Frame *f, LLVMValueRef begin, LLVMValueRef end, int64_t step);
/* The branch back. */
LLVMValueRef loop_end(Frame *f, Loop *loop);
/* The members of a key that a reduction visits in place of all its terms (bucket.c): entries [begin, end) of the list. */
typedef struct Members {
    LLVMValueRef base, list, begin, end;
    const GExpr *rest; /* what is still asked of each; or NULL */
} Members;
/* Sets the reduced indices; *member is their place in row-major order. */
Loop member_loop_begin(Frame *f, const Members *m, LLVMValueRef *member);
/* Asks LLVM not to unroll the loop whose branch back this is. */
void loop_keep_rolled(Frame *f, LLVMValueRef branch);
/* Asks for so many vectors in a turn. */
void loop_take_vectors(Frame *f, LLVMValueRef branch, int vectors);
/* Asks for vectors of so many turns. */
void loop_take_lanes(Frame *f, LLVMValueRef branch, int lanes);
/* The turns of an axis: extents[axis], or what the table says. */
LLVMValueRef axis_count(Frame *f, const int64_t *extents, int axis);
/* One more subscript, that walks along an axis of the node, after the position `at` (NULL: it is the first); `extent` where the kernel has no arguments. */
LLVMValueRef step_along(Frame *f, LLVMValueRef at, int axis, int64_t extent);
/* A local that lives in the entry block, where LLVM turns it into a register. */
LLVMValueRef frame_local(Frame *f, LLVMTypeRef type);
LLVMValueRef local_get(Frame *f, LLVMTypeRef type, LLVMValueRef slot);
void local_set(Frame *f, LLVMValueRef slot, LLVMValueRef value);
void frame_raise(Frame *f, LLVMValueRef condition, CoupletFaultKind kind);
/* In between faults are noted in a local. */
void frame_gather_faults(Frame *f);
void frame_raise_gathered(Frame *f);
LLVMValueRef frame_result(Frame *f); /* where the results of the node at hand go */
LLVMTypeRef value_type(Emitter *e, GType type);   /* of a value: float, i64, i1 */
LLVMTypeRef element_type(Emitter *e, GType type); /* in memory: float, i32, i8 */
LLVMValueRef element_load(Frame *f, GType type, LLVMValueRef base, LLVMValueRef at);
void element_store(Frame *f, GType type, LLVMValueRef base, LLVMValueRef at, LLVMValueRef value);
/* Sums may be re-associated, so that they become vectors; the order is then the code's and does not change from run to run. */
LLVMValueRef add_whole(Frame *f, LLVMValueRef a, LLVMValueRef b, LLVMValueRef *wraps); /* of 64 bits; whether they do not hold the sum */
LLVMValueRef add_in_any_order(Frame *f, LLVMValueRef a, LLVMValueRef b);
LLVMValueRef multiply_add(Frame *f, LLVMValueRef a, LLVMValueRef b, LLVMValueRef c);

/* Straight-line code for an expression: reals as float, ints as i64, truth values as i1. Both arms of a select are evaluated, with reads
 * of the arm not taken kept inside their array, so they are safe and never reach the result. */
LLVMValueRef emit_expr(Frame *f, const GExpr *expr);
/* The same where a condition may not hold (`mask` is an i1; NULL: it always does): what it excludes raises no fault. */
LLVMValueRef emit_expr_where(Frame *f, const GExpr *expr, LLVMValueRef mask);
void frame_forget(Frame *f); /* a new block begins: values emitted before are not to be used again */

/* True if an index read from data may leave its array, or a real may not fit as an int. */
bool frame_may_fault(Frame *f, const GExpr *expr);

/* versions.c: 1 or 0, where the branches around the code at hand say so of a truth value, or of what it is joined of; else UNSETTLED. */
int frame_assumed(const Frame *f, const GExpr *expr);
int frame_settled(Frame *f, const GExpr *expr);
/* A condition on which the loops of these nodes are worth a branch, where the indices below `bound` have their values; or NULL. */
const GExpr *version_condition(Frame *f, const GNode *const *nodes, int count, int bound);
/* The branch: code that is emitted after versions_begin runs where the condition holds, after versions_otherwise where it does not. */
typedef struct Versions {
    const GExpr *condition;
    LLVMBasicBlockRef otherwise, after;
} Versions;
Versions versions_begin(Frame *f, const GExpr *condition);
void versions_otherwise(Frame *f, const Versions *v);
void versions_end(Frame *f, const Versions *v);

/* math.c: float to float, straight-line, so that loops around them become vectors. Within 2.4 ulp of the exact value; infinities, NaN and
 * subnormal numbers are handled. */
LLVMValueRef math_exp(Frame *f, LLVMValueRef x);
LLVMValueRef math_log(Frame *f, LLVMValueRef x);
LLVMValueRef math_expm1(Frame *f, LLVMValueRef x);
LLVMValueRef math_log1p(Frame *f, LLVMValueRef x);
LLVMValueRef math_tanh(Frame *f, LLVMValueRef x);
LLVMValueRef math_sigmoid(Frame *f, LLVMValueRef x);
LLVMValueRef math_softplus(Frame *f, LLVMValueRef x);
LLVMValueRef math_erf(Frame *f, LLVMValueRef x);
LLVMValueRef math_intrinsic(Frame *f, const char *name, LLVMValueRef *args, unsigned count);

/* ---- kernels ------------------------------------------------------------------------------------------------ */

void emit_compute(Emitter *e, Kernel *kernel);
/* Reductions along columns, none of which reads another, results [begin, end) of the last axis; the other output indices are set. `is_cached`: the tile has been
 * read before. */
void emit_columns(Frame *f, const GNode *const *nodes, int count, bool is_cached, const int64_t *extents, LLVMValueRef begin, LLVMValueRef end);
/* The node's reducer over all terms, as loops of these extents, or over `members` alone. The output's indices are set. */
LLVMValueRef emit_reduction(Frame *f, const int64_t *extents, const Members *members);
/* Raises a fault if the entry that is about to be stored needs more than 32 bits. */
void raise_if_wide(Frame *f, const GNode *node, LLVMValueRef value);
void emit_bucket_sort(Emitter *e, Kernel *kernel);
void emit_bucket(Emitter *e, Kernel *kernel);
void emit_topk(Emitter *e, Kernel *kernel);
/* Operands: b, tables; packed. */
void emit_pack(Emitter *e, Kernel *kernel);
/* Operands: a, tables, packed; y, or the parts. */
void emit_product(Emitter *e, Kernel *kernel);
/* The same, its sums along k; b in the place of the packed. */
void emit_dots(Emitter *e, Kernel *kernel);
/* Operands: the parts; y. */
void emit_gather_partials(Emitter *e, Kernel *kernel);
/* Operands: what sources and sinks read; the cells that outlive a task, if there are any; the sinks. */
void emit_sweep(Emitter *e, Kernel *kernel);

/* ---- code --------------------------------------------------------------------------------------------------- */

typedef struct CpuModule CpuModule;
/* Code for the kernels, each symbol once: from the cache on disk when it is there. NULL with a sentence in *error. */
struct Processor;
CpuModule *module_build(Arena *arena, const struct Processor *processor, Kernel **kernels, int count, const char *cache_folder, const char **error);
CoupletKernel module_find(CpuModule *module, const char *symbol, Arena *arena, const char **error);
bool module_was_cached(const CpuModule *module);
void module_free(CpuModule *module);

#endif
