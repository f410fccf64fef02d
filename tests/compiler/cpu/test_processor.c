/* Tests that code which cannot be made is refused with a sentence: where LLVM makes no machine, and
 * where memory runs out. LLVM's function and `calloc` are replaced by functions that fail when they
 * are told to. */
#include "compiler/cpu/cpu.h"
#include "compiler/cpu/processor.h"

#include <setjmp.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static bool has_machine = true;
static int callocs_left = -1; /* the calls until one fails; below 0: none fails */

LLVMTargetMachineRef __real_LLVMCreateTargetMachine(LLVMTargetRef target, const char *triple,
                                                    const char *processor, const char *features,
                                                    LLVMCodeGenOptLevel level, LLVMRelocMode reloc,
                                                    LLVMCodeModel model);
LLVMTargetMachineRef __wrap_LLVMCreateTargetMachine(LLVMTargetRef target, const char *triple,
                                                    const char *processor, const char *features,
                                                    LLVMCodeGenOptLevel level, LLVMRelocMode reloc,
                                                    LLVMCodeModel model);
LLVMTargetMachineRef __wrap_LLVMCreateTargetMachine(LLVMTargetRef target, const char *triple,
                                                    const char *processor, const char *features,
                                                    LLVMCodeGenOptLevel level, LLVMRelocMode reloc,
                                                    LLVMCodeModel model) {
    if (!has_machine) return NULL;
    return __real_LLVMCreateTargetMachine(target, triple, processor, features, level, reloc, model);
}

void *__real_calloc(size_t count, size_t bytes);
void *__wrap_calloc(size_t count, size_t bytes);
void *__wrap_calloc(size_t count, size_t bytes) {
    return callocs_left >= 0 && callocs_left-- == 0 ? NULL : __real_calloc(count, bytes);
}

/* Makes the plans of a graph with one kernel, y[i] = 2 * x[i]. */
static CpuPlans *make_plans(Arena *arena, const char **error) {
    static CoupletPlan *plan;
    Graph *g = graph_new(arena, "twice");
    const int64_t shape[] = {8};
    GNode *x = graph_input(g, "x", GT_REAL, 1, shape, (Span){0});
    ComputeSpec spec;
    memset(&spec, 0, sizeof spec);
    spec.out[spec.out_rank++] = graph_fresh_index(g, 8);
    spec.value = gx2(g, G_MUL, gx_real(g, 2), gx_load(g, x, 1, spec.out, NULL));
    graph_output(g, "y", graph_compute(g, &spec));
    return cpu_plans(arena, &g, 1, NULL, 0, NULL, &plan, error);
}

static void refuse_without_machine(void **state) {
    (void)state;
    Arena *arena = arena_new();
    const char *error = NULL;
    const CpuOptions options = {NULL};
    CpuPlans *plans = make_plans(arena, &error);
    assert_non_null(plans);
    has_machine = false;
    assert_null(processor_machine(arena, processor_here(), &error));
    assert_non_null(error);
    assert_non_null(strstr(error, processor_here()->name));
    error = NULL;
    assert_null(cpu_jit(arena, plans, &options, &error));
    assert_non_null(error);
    has_machine = true;
    CpuCode *code = cpu_jit(arena, plans, &options, &error);
    assert_non_null(code);
    cpu_free(code);
    arena_free(arena);
}

static void refuse_without_memory(void **state) {
    (void)state;
    Arena *arena = arena_new();
    const char *error = NULL;
    const CpuOptions options = {NULL};
    CpuPlans *plans = make_plans(arena, &error);
    for (int call = 0; call < 2; call++) {
        error = NULL;
        callocs_left = call;
        CpuCode *code = cpu_jit(arena, plans, &options, &error);
        callocs_left = -1;
        assert_null(code);
        assert_non_null(error);
        assert_string_equal(error, "out of memory");
    }
    arena_free(arena);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(refuse_without_machine),
                                       cmocka_unit_test(refuse_without_memory)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
