/* Tests that the loop which holds the sums keeps them in registers, for every block shape: with the
 * last panel masked or not, b packed or in place, a fetched ahead or not, and k in leaves or not.
 * The code is emitted as assembly for both levels of the processor, and the innermost loop with
 * multiply-adds is searched for vector registers that go to the stack or come from it. */
#include "compiler/cpu/generate.h"
#include "compiler/cpu/processor.h"
#include "compiler/plan/contraction.h"

#include <setjmp.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { MOST_LINES = 1 << 16 };

typedef enum { PLAIN, AHEAD, LEAVES, LEAVES_ROWS_AHEAD, WAYS } Way;

static bool is_vector_on_stack(const char *line) {
    bool vector = strstr(line, "%zmm") || strstr(line, "%ymm");
    return vector && strstr(line, "(%rsp"); /* rbp serves as an ordinary register */
}

/* Finds the loop with all the block's multiply-adds that has the fewest lines. Its lines [begin,
 * end] are between a label and a jump back to the label. */
static bool find_loop(char **lines, int count, int operations, int *begin, int *end) {
    bool found = false;
    for (int i = 0; i < count; i++) {
        size_t length = strcspn(lines[i], ":");
        if (lines[i][0] != '.' || lines[i][length] != ':') continue;
        int fused = 0;
        for (int k = i + 1; k < count && strncmp(lines[k], ".Lfunc_end", 10) != 0; k++) {
            fused += strstr(lines[k], "vfmadd") != NULL;
            bool jump = lines[k][0] == '\t' && lines[k][1] == 'j';
            bool back = false;
            const char *target = jump ? strstr(lines[k], ".L") : NULL;
            if (target)
                back = strncmp(target, lines[i], length) == 0 &&
                       (target[length] == 0 || target[length] == ' ' || target[length] == '\t');
            if (!back || fused < operations || (found && k - i >= *end - *begin)) continue;
            *begin = i;
            *end = k;
            found = true;
        }
    }
    return found;
}

static int check_text(char *text, const char *what, int operations) {
    char **lines = calloc(MOST_LINES, sizeof *lines);
    char *rest = NULL;
    int count = 0;
    int begin = 0;
    int end = 0;
    int faults = 0;
    for (char *line = strtok_r(text, "\n", &rest); line && count < MOST_LINES;
         line = strtok_r(NULL, "\n", &rest))
        lines[count++] = line;
    if (!find_loop(lines, count, operations, &begin, &end)) {
        printf("FAILED  %s: no loop with %d multiply-adds was found\n", what, operations);
        faults = 1;
    } else {
        for (int i = begin; i <= end; i++) {
            if (!is_vector_on_stack(lines[i])) continue;
            printf("FAILED  %s: a vector register is spilled in the inner loop: %s\n", what,
                   lines[i]);
            faults = 1;
        }
        if (!faults) printf("ok      %s: %d lines\n", what, end - begin);
    }
    free(lines);
    return faults;
}

/* Checks a kernel of such a contraction, whose inner loop has this many multiply-adds. */
static int check_kernel(const Processor *processor, const Contraction *c, const char *what,
                        int operations) {
    Arena *arena = arena_new();
    const char *error = "out of memory";
    Emitter e;
    GNode node = {.kind = GN_COMPUTE};
    Kernel kernel = {.kind = KERNEL_PRODUCT,
                     .node = &node,
                     .as.contraction = c,
                     .symbol = "block",
                     .operand_count = 4,
                     .output_count = 1};
    LLVMTargetMachineRef machine = processor_machine(arena, processor, &error);
    LLVMMemoryBufferRef text = NULL;
    if (machine) {
        emitter_open(&e, arena);
        emit_kernel(&e, &kernel);
        processor_prepare(processor, machine, e.module);
        if (cpu_optimise_code(arena, e.module, machine, &error))
            text = generate_code(arena, e.module, machine, LLVMAssemblyFile, &error);
    }
    char *name = arena_printf(arena, "%s, %s", processor->name, what);
    int faults = 1;
    if (text) {
        char *copy = arena_strndup(arena, LLVMGetBufferStart(text), LLVMGetBufferSize(text));
        faults = check_text(copy, name, operations);
        LLVMDisposeMemoryBuffer(text);
    } else {
        printf("FAILED  %s: %s\n", name, error);
    }
    if (machine) {
        emitter_close(&e);
        LLVMDisposeTargetMachine(machine);
    }
    arena_free(arena);
    return faults;
}

/* Checks a block shape. The block of a masked panel has a vector less if it can spare one; both are
 * checked. */
static int check_shape(const Processor *processor, ContractionBlock shape, bool masked, bool packed,
                       Way way) {
    static const char *const names[] = {"", ", ahead", ", in leaves", ", in leaves, rows ahead"};
    int last = masked && shape.vectors > 1 ? shape.vectors - 1 : shape.vectors;
    const Contraction c = {
        .lanes = processor->lanes,
        .panel = shape.vectors * processor->lanes,
        .rows = shape.rows,
        .masked = masked,
        .packed = packed,
        .last_vectors = last,
        .ahead = way == AHEAD,
        .leaves = way >= LEAVES,
        .rows_ahead = way == LEAVES_ROWS_AHEAD,
    };
    char what[96];
    snprintf(what, sizeof what, "%d x %d%s%s%s", shape.rows, (int)c.panel, masked ? ", masked" : "",
             packed ? "" : ", in place", names[way]);
    int faults = check_kernel(processor, &c, what, shape.rows * shape.vectors);
    return last == shape.vectors ? faults
                                 : faults + check_kernel(processor, &c, what, shape.rows * last);
}

static int check_dots(const Processor *processor, int rows, bool leaves) {
    const Contraction c = {.lanes = processor->lanes,
                           .panel = DOT_COLUMNS,
                           .rows = rows,
                           .dots = true,
                           .leaves = leaves,
                           .masked = true};
    char what[96];
    snprintf(what, sizeof what, "%d x %d along k%s", rows, DOT_COLUMNS,
             leaves ? ", in leaves" : "");
    return check_kernel(processor, &c, what, rows * DOT_COLUMNS);
}

/* The levels of the processor that LLVM knows on this machine. */
static const char *const levels[] = {"x86-64-v3", "x86-64-v4"};
enum { LEVELS = sizeof levels / sizeof *levels };

static void blocks_of_products(void **state) {
    int faults = 0;
    int count;
    (void)state;
    for (int i = 0; i < LEVELS; i++) {
        const Processor *processor = processor_find(levels[i]);
        if (!processor) continue;
        const ContractionBlock *shapes = contraction_shapes(processor->lanes, &count);
        for (int k = 0; k < count; k++)
            for (int place = 0; place < 4; place++)
                for (Way way = 0; way < WAYS; way++)
                    faults += check_shape(processor, shapes[k], place & 1, place & 2, way);
    }
    assert_int_equal(faults, 0);
}

static void sums_along_k(void **state) {
    int faults = 0;
    int count;
    (void)state;
    for (int i = 0; i < LEVELS; i++) {
        const Processor *processor = processor_find(levels[i]);
        if (!processor) continue;
        const int *rows = contraction_dot_rows(processor->lanes, &count);
        for (int k = 0; k < count; k++)
            faults += check_dots(processor, rows[k], false) + check_dots(processor, rows[k], true);
    }
    assert_int_equal(faults, 0);
}

/* Uses a block of 32 sums, which leaves no register for the factors, so that spills must be
 * found. */
static void spills_are_found(void **state) {
    const Processor *wide = processor_find("x86-64-v4");
    (void)state;
    if (!wide) skip();
    assert_int_not_equal(check_shape(wide, (ContractionBlock){8, 4}, false, true, PLAIN), 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(blocks_of_products),
        cmocka_unit_test(sums_along_k),
        cmocka_unit_test(spills_are_found),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
