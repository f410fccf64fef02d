/* The round-robin schedule of a sweep: which block of rows and which block of columns a task of
 * a round works on, as index arithmetic in the kernel.
 *
 * No block occurs in two tasks of one round. Tasks therefore write disjoint memory without
 * locks, and results are added in place. With 3 blocks of rows, 5 of columns and SWEEP_BOTH,
 * task t meets these columns:
 *
 *     round    0  1  2  3  4
 *     task 0   0  1  2  3  4
 *     task 1   1  2  3  4  0
 *     task 2   2  3  4  0  1
 *
 * A block that is met for the first time starts its sums. After the last time they are finished.
 * `starts` and `ends` of a Side say when that is. */
#include "compiler/cpu/meeting.h"

static LLVMValueRef equals(Frame *f, LLVMValueRef a, int64_t b) {
    return LLVMBuildICmp(f->e->builder, LLVMIntEQ, a, emit_whole(f, b), "");
}
static LLVMValueRef select_one(Frame *f, LLVMValueRef c, LLVMValueRef a, LLVMValueRef b) {
    return LLVMBuildSelect(f->e->builder, c, a, b, "");
}

/* Block `task` of the smaller side meets block (task + round) mod `more` of the larger side.
 *
 * A block of the smaller side starts in the first round and ends in the last. A block of the larger
 * side starts in the first round if it is below `less`, and else where it meets the last block of
 * the smaller side. It ends in the last round if it is below less - 1, and else where it meets
 * block 0 of the smaller side. In the drawing above, columns 0 to 2 start in round 0, and columns 2
 * to 4 end with task 0. */
void meeting_of_both(Frame *f, const Sweep *s, LLVMValueRef round, LLVMValueRef task, Side *rows,
                     Side *columns) {
    LLVMBuilderRef b = f->e->builder;
    bool rows_less = s->row_blocks <= s->column_blocks;
    int64_t less = rows_less ? s->row_blocks : s->column_blocks;
    int64_t more = rows_less ? s->column_blocks : s->row_blocks;
    Side *small = rows_less ? rows : columns;
    Side *large = rows_less ? columns : rows;
    LLVMValueRef first_round = equals(f, round, 0);
    LLVMValueRef last_round = equals(f, round, more - 1);
    small->block = task;
    small->starts = first_round;
    small->ends = last_round;
    large->block = LLVMBuildURem(b, helper_sum_of(f, task, round), emit_whole(f, more), "");
    large->starts =
        select_one(f, LLVMBuildICmp(b, LLVMIntSLT, large->block, emit_whole(f, less), ""),
                   first_round, equals(f, task, less - 1));
    large->ends =
        select_one(f, LLVMBuildICmp(b, LLVMIntSLT, large->block, emit_whole(f, less - 1), ""),
                   last_round, equals(f, task, 0));
}

/* Blocks i and j with i + j = round (mod blocks) meet: task t pairs blocks h + t and h - t, where h
 * is half of the round. If the number of blocks is odd, the half is taken modulo that number. If it
 * is even, odd rounds pair h + 1 + t with h - t, and have one task less. */
LLVMValueRef meeting_of_symmetric(Frame *f, const Sweep *s, LLVMValueRef round, LLVMValueRef task,
                                  Side *rows, Side *columns) {
    LLVMBuilderRef b = f->e->builder;
    int64_t blocks = s->row_blocks;
    LLVMValueRef odd = LLVMBuildAnd(b, round, emit_whole(f, 1), "");
    LLVMValueRef half = LLVMBuildLShr(b, round, emit_whole(f, 1), "");
    LLVMValueRef exists = LLVMConstInt(f->e->i1, 1, 0);
    if (blocks % 2) {
        half =
            LLVMBuildURem(b, helper_scaled(f, round, (blocks + 1) / 2), emit_whole(f, blocks), "");
        odd = emit_whole(f, 0);
    } else {
        exists = LLVMBuildNot(
            b, LLVMBuildAnd(b, equals(f, odd, 1), equals(f, task, blocks / 2), ""), "");
    }
    rows->block = LLVMBuildURem(b, helper_sum_of(f, helper_sum_of(f, half, odd), task),
                                emit_whole(f, blocks), "");
    columns->block = LLVMBuildURem(
        b, LLVMBuildNSWSub(b, helper_sum_of(f, half, emit_whole(f, blocks)), task, ""),
        emit_whole(f, blocks), "");
    rows->starts = columns->starts = equals(f, round, 0);
    rows->ends = columns->ends = equals(f, round, s->rounds - 1);
    return exists;
}
