/* Blocks in a worker's scratch: copies into it in the order that the register blocks read, and
 * products of blocks. Each is a helper, which is a function of its own in the module, called from
 * the kernel that it helps. Its pointers are noalias, and its strides are constants. */
#ifndef COUPLET_COMPILER_CPU_TILE_H
#define COUPLET_COMPILER_CPU_TILE_H

#include "compiler/cpu/emit.h"

enum {
    MOST_HELPER_POINTERS = MAX_KERNEL_OPERANDS + 14,
    MOST_HELPER_NUMBERS = 4,
};

/* A helper has parameters of two kinds: pointers, and then numbers, which are i64. */
typedef struct Helper {
    LLVMValueRef function;
    LLVMTypeRef type;
    int pointers;
    int numbers;
} Helper;

/* A helper that is open: `inner` emits into it. helper_end goes back to where the caller was. */
typedef struct OpenHelper {
    Helper helper;
    Frame inner;
    LLVMBasicBlockRef back;
} OpenHelper;
/* Opens a helper of the kernel of `outer`. `name` and `number` make its symbol; `pointers` and
 * `numbers` are the counts of its parameters. */
void helper_begin(OpenHelper *open, Frame *outer, const char *name, int number, int pointers,
                  int numbers);
LLVMValueRef helper_pointer(const OpenHelper *open, int i);
LLVMValueRef helper_number(const OpenHelper *open, int i);
Helper helper_end(OpenHelper *open);
void helper_call(Frame *f, const Helper *helper, const LLVMValueRef *pointers,
                 const LLVMValueRef *numbers);

/* The product c[m, n] (+)= sum over k of a[m, k] * b[k, n], in leaves of `leaf` terms (0: in one).
 * a lies at m * a_line + k * a_step. b lies in panels of 2 * lanes columns, each b_panel from the
 * next, with a row for each k. c lies at m * c_line + n. Rows come in register blocks of `rows`, so
 * up to rows - 1 rows behind the last are read and written too. */
typedef struct BlockShape {
    int64_t lanes;
    int64_t rows;
    int64_t a_line;
    int64_t a_step;
    int64_t b_panel;
    int64_t c_line;
    bool adds;
    int64_t leaf;
} BlockShape;
/* The pointers are a, b, c; the numbers are m, panels, k. */
Helper emit_block_product(Frame *f, const BlockShape *shape, int number);

/* A copy of a source into panels over x, [x / panel][y][x mod panel], each `to_panel` from the
 * next. Element (x, y) of the source lies at x * x_step + y * y_step. Behind the last x, its panel
 * may hold anything. The pointers are source and target; the numbers are the counts of x and y. */
typedef struct PanelShape {
    int64_t lanes;
    int64_t x_step;
    int64_t y_step;
    int64_t to_panel;
} PanelShape;
Helper emit_panels(Frame *f, const PanelShape *shape, int number);

/* A copy or a sum, target[x * to_line + y * to_step] (+)= source[x * line + y * step], with the
 * inner loop over y. If `lost_line` is not 0, what an addition rounds off is kept at x * lost_line
 * + y for the next one (Kahan). The pointers are source and target, and then the place of what is
 * lost, if `lost_line` is not 0; the numbers are the counts of x and y. */
typedef struct CopyShape {
    int64_t line;
    int64_t step;
    int64_t to_line;
    int64_t to_step;
    bool adds;
    int64_t lost_line;
} CopyShape;
Helper emit_copy(Frame *f, const CopyShape *shape, int number);

/* Index arithmetic: a + b, a * by, the smaller of two numbers, and the address of float number
 * `at`. */
LLVMValueRef helper_sum_of(Frame *f, LLVMValueRef a, LLVMValueRef b);
LLVMValueRef helper_scaled(Frame *f, LLVMValueRef a, int64_t by);
LLVMValueRef helper_smaller_of(Frame *f, LLVMValueRef a, LLVMValueRef b);
LLVMValueRef helper_float_pointer(Frame *f, LLVMValueRef base, LLVMValueRef at);

#endif
