/* The levels of the x86-64 architecture that code is made for, and the one that this machine has.
 * Only `native` is the model of this machine. Code for a level is the same wherever it is compiled,
 * and gives the same bits.
 *
 * On another architecture there is one level, the machine itself. */
#include "compiler/cpu/processor.h"

#include "runtime/dispatch.h"

#include <llvm-c/Core.h>
#include <llvm-c/Support.h>
#include <llvm-c/Target.h>
#include <pthread.h>
#include <string.h>

/* The tuning for Zen 4 keeps vectors of 512 bits, which the plain level would halve. It costs
 * nothing on other processors that have such vectors. */
static const Processor levels[] = {
    {"x86-64-v4", "", "znver4", 16},
    {"x86-64-v3", "", "znver3", 8},
    {"x86-64-v2", "", "x86-64-v2", 4},
};
enum { LEVELS = sizeof levels / sizeof *levels };

static Processor native;
static const Processor *here;
static pthread_once_t once = PTHREAD_ONCE_INIT;

/* Switches off two passes of code generation that take a third of its time and gain nothing here.
 * Addresses are emitted as a base and one index, and the processor reorders instructions itself.
 * LLVM has these options for the whole process only. */
static void spare_passes(void) {
    static const char *const options[] = {"couplet", "-disable-lsr", "-disable-post-ra"};
    LLVMParseCommandLineOptions(sizeof options / sizeof *options, options, NULL);
}

/* Finds the processor of this machine. Its strings live as long as the process. */
static void detect_processor(void) {
    spare_passes();
    LLVMInitializeNativeTarget();
    LLVMInitializeNativeAsmPrinter();
    const char *features = LLVMGetHostCPUFeatures();
    const char *name = LLVMGetHostCPUName();
    native = (Processor){name, features, name,
                         strstr(features, "+avx512f") ? 16
                         : strstr(features, "+avx2")  ? 8
                                                      : 4};
    here = &native;
    for (int i = LEVELS - 1; i >= 0; i--)
        if (couplet_has_level(levels[i].name)) here = &levels[i];
}

const Processor *processor_here(void) {
    pthread_once(&once, detect_processor);
    return here;
}

const Processor *processor_find(const char *name) {
    pthread_once(&once, detect_processor);
    if (strcmp(name, "native") == 0) return &native;
    for (int i = 0; i < LEVELS; i++)
        if (strcmp(levels[i].name, name) == 0) return &levels[i];
    return NULL;
}

const char *processor_names(Arena *arena) {
    const char *text = "native";
    for (int i = 0; i < LEVELS; i++)
        text = arena_printf(arena, "%s, %s", levels[i].name, text);
    return text;
}

LLVMTargetMachineRef processor_machine(Arena *arena, const Processor *processor,
                                       const char **error) {
    LLVMTargetRef target;
    char *text = NULL;
    char *triple = LLVMGetDefaultTargetTriple();
    LLVMTargetMachineRef machine = NULL;
    if (LLVMGetTargetFromTriple(triple, &target, &text)) {
        *error = arena_printf(arena, "LLVM has no target for this machine: %s", text);
    } else {
        machine =
            LLVMCreateTargetMachine(target, triple, processor->name, processor->features,
                                    LLVMCodeGenLevelDefault, LLVMRelocPIC, LLVMCodeModelDefault);
        if (!machine)
            *error = arena_printf(arena, "LLVM makes no code for the processor `%s` of %s",
                                  processor->name, triple);
    }
    LLVMDisposeMessage(text);
    LLVMDisposeMessage(triple);
    return machine;
}

static void set_attribute(LLVMContextRef context, LLVMValueRef function, const char *key,
                          const char *value) {
    LLVMAddAttributeAtIndex(function, (unsigned)LLVMAttributeFunctionIndex,
                            LLVMCreateStringAttribute(context, key, (unsigned)strlen(key), value,
                                                      (unsigned)strlen(value)));
}

void processor_prepare(const Processor *processor, LLVMTargetMachineRef machine,
                       LLVMModuleRef module) {
    char *triple = LLVMGetTargetMachineTriple(machine);
    LLVMSetTarget(module, triple);
    LLVMDisposeMessage(triple);
    LLVMTargetDataRef layout = LLVMCreateTargetDataLayout(machine);
    LLVMSetModuleDataLayout(module, layout);
    LLVMDisposeTargetData(layout);
    LLVMContextRef context = LLVMGetModuleContext(module);
    for (LLVMValueRef f = LLVMGetFirstFunction(module); f; f = LLVMGetNextFunction(f)) {
        if (LLVMIsDeclaration(f)) continue;
        set_attribute(context, f, "target-cpu", processor->name);
        set_attribute(context, f, "tune-cpu", processor->tune);
        if (*processor->features) {
            set_attribute(context, f, "target-features", processor->features);
        }
    }
}
